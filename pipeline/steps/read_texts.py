"""Rows of the tables that say what names and addresses say: their words taken apart, in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from sqlalchemy import Connection, text

from pipeline.database import read_sql
from pipeline.domain.addresses import parse_addresses
from pipeline.domain.names import former_names, name_parts

_ADDRESS_COLUMNS = (
    "township_code",
    "is_former",
    "village",
    "road",
    "number",
    "number_to",
    "sub_number",
    "park",
    "building",
    "room",
    "understood",
    "rest",
)
# A road whose name is shorter is not looked for among roads that are written almost like it.
_LONG_ROAD = 6
_PIECE = 500
_SEPARATORS = r"[、,，;；/|\s]+"


def enterprise_address_rows(
    connection: Connection, parameters: Mapping[str, object]
) -> pd.DataFrame:
    """Rows of derived.enterprise_address in scope.

    Shape:  one row per open enterprise with an address.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.addresses.
    """
    found = _read(connection, "enterprise_address.sql", ("enterprise_code", "address"))
    parsed = _parsed(connection, parameters, found["address"])
    return pd.concat([found[["enterprise_code"]], parsed], axis="columns")


def parcel_address_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.parcel_address in scope.

    ``road_place`` is the road, its village, else its township, and the number; ``road_town`` has the
    township always: by these the addresses on a road are found of which a parcel changed. The number
    is left out where the parcel has several, or none.

    Shape:  one row per open parcel with a location.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.addresses.
    """
    found = _read(connection, "parcel_address.sql", ("parcel_code", "address", "lies_in"))
    parsed = _parsed(connection, parameters, found["address"])
    parsed["township_code"] = parsed["township_code"].fillna(found["lies_in"])
    town = parsed["township_code"].fillna("")
    is_one = (parsed["number"] == parsed["number_to"]).fillna(value=False).astype(bool)
    number = parsed["number"].astype("str").where(is_one, "")
    parsed["road_place"] = parsed["road"] + "@" + parsed["village"].fillna(town) + "#" + number
    parsed["road_town"] = parsed["road"] + "@" + town + "#" + number
    return pd.concat([found[["parcel_code"]], parsed], axis="columns")


def enterprise_name_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.enterprise_name in scope.

    Shape:  one row per open enterprise and name that it bears or bore.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.names; former names from earlier versions and notes.
    """
    found = _read(
        connection, "enterprise_name.sql", ("enterprise_code", "name", "name_key", "is_open")
    )
    is_open = found["is_open"].astype(bool)
    noted = former_names(found.loc[is_open, "name"])
    former = pd.concat(
        [
            found.loc[~is_open, ["enterprise_code", "name_key"]],
            noted.rename("name_key").to_frame().join(found["enterprise_code"]),
        ]
    )
    current = found.loc[is_open, ["enterprise_code", "name_key"]]
    names = pd.concat([current.assign(kind="current"), former.assign(kind="former")])
    # a name that it bears again is no former one
    names = names.drop_duplicates(["enterprise_code", "name_key"], ignore_index=True)
    return pd.concat(
        [names, name_parts(names["name_key"], _regions(connection, parameters))], axis="columns"
    )


def party_name_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.party_name in scope.

    Shape:  one row per name of a right holder or lessee without a credit code that is no person.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.names.
    """
    found = _read(connection, "party_name.sql", ("name_key",))
    parts = name_parts(found["name_key"], _regions(connection, parameters))
    # names of persons are no evidence but word for word, and most holders of homes have one
    is_body = ~parts["is_person"].astype(bool)
    return pd.concat([found, parts], axis="columns")[is_body].drop(columns="is_person")


def road_alias_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.road_alias: all of them.

    Only long names are looked for: of short ones, such as 纬一路 and 纬二路, many differ in one character.

    Shape:  one row per road of an enterprise without a parcel that is written like one other road.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: default chosen (docs/how-it-decides.md, 3).
    """
    del parameters
    found = _read(connection, "road_alias.sql", ("road", "has_parcel"))
    is_known = found["has_parcel"].astype(bool)
    is_long = found["road"].str.len() >= _LONG_ROAD
    known = found.loc[is_known & is_long, "road"].reset_index(drop=True)
    unknown = found.loc[~is_known & is_long, "road"].reset_index(drop=True)
    if known.empty or unknown.empty:
        return pd.DataFrame({"road": [], "known_road": []}, dtype="str")
    # in pieces: the matrix of all pairs may be large
    pairs = []
    for start in range(0, len(unknown), _PIECE):
        piece = unknown.iloc[start : start + _PIECE]
        distance = process.cdist(
            piece, known, scorer=Levenshtein.distance, score_cutoff=1, dtype=np.uint8
        )
        pairs.append(np.argwhere(distance <= 1) + np.array([start, 0]))
    near = pd.DataFrame(np.concatenate(pairs), columns=["unknown", "known"])
    near = near[~near["unknown"].duplicated(keep=False)]
    return pd.DataFrame(
        {
            "road": unknown.iloc[near["unknown"]].to_numpy(),
            "known_road": known.iloc[near["known"]].to_numpy(),
        }
    )


def _parsed(
    connection: Connection, parameters: Mapping[str, object], addresses: pd.Series
) -> pd.DataFrame:
    """The parts of addresses, as the tables hold them."""
    style = cast("Literal['zh', 'us']", parameters["address_style"])
    found = parse_addresses(
        addresses,
        style=style,
        townships=_townships(connection),
        prefixes=_prefixes(parameters),
    )
    # a lane belongs to its road
    road = (found["road"].fillna("") + found["sub_road"].fillna("")).replace("", pd.NA)
    return found.assign(road=road.astype("str"), understood=found["understood"].round(4))[
        list(_ADDRESS_COLUMNS)
    ]


def _townships(connection: Connection) -> pd.DataFrame:
    """Names of townships, present and former: name, township_code, is_former."""
    found = _read(connection, "township.sql", ("township_code", "name", "former_names"))
    former = found[["township_code"]].assign(
        name=found["former_names"].str.split(_SEPARATORS, regex=True)
    )
    former = former.explode("name", ignore_index=True)
    known = pd.concat(
        [
            found[["name", "township_code"]].assign(is_former=False),
            former[former["name"].notna() & (former["name"] != "")].assign(is_former=True),
        ],
        ignore_index=True,
    )
    return known[["name", "township_code", "is_former"]]


def _regions(connection: Connection, parameters: Mapping[str, object]) -> list[str]:
    """Names of places that may stand in the name of an enterprise."""
    return [*_prefixes(parameters), *_townships(connection)["name"]]


def _prefixes(parameters: Mapping[str, object]) -> list[str]:
    """Names of province, city and county."""
    prefixes = cast("Sequence[str]", parameters["address_prefixes"])
    return [*prefixes, *filter(None, [cast("str", parameters["county_name"])])]


def _read(connection: Connection, name: str, columns: Sequence[str]) -> pd.DataFrame:
    rows = connection.execute(text(read_sql("sql", "steps", "read_texts", name))).all()
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object)
    return frame.astype(
        {column: "str" for column in columns if not column.startswith(("is_", "has_"))}
    )
