"""What the offices write down of a state: the columns of rights, leases and registry.

The noise of the pen falls on these columns and on no other. What it hit is known by writing them
twice, once with a clean pen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from pipeline.demo.generator.economy import (
    FORMER_NAMES,
    NEVER,
    NO_CODE,
    OUTSIDE_NAMES,
    State,
    enterprise_codes,
    names_of,
)
from pipeline.demo.generator.noise import NONE, Ints, Pen, chance
from pipeline.demo.generator.survey import Floats
from pipeline.demo.generator.words import (
    BRANCH,
    COLLECTIVE,
    NEAR_NAMES,
    PERSON,
    TOWNSHIP_CODES,
    TOWNSHIPS,
    certificate_numbers,
    collective_names,
    credit_codes,
    digits,
    enterprise_names,
    former_townships,
    industry_codes,
    person_names,
    pick,
    registration_numbers,
    township_short_names,
    village_names,
)

# Whether a cell of the registry may name several parcels. Off: a run leaves such a cell empty.
SEVERAL_PARCELS_IN_A_CELL: Final = True
_SEVERAL_SHARE: Final = 0.3

_SHARE_TEXT: Final = {0.5: "1/2", 0.6: "60%", 0.4: "40%", 1 / 3: "1/3"}
# Places in front of an address, and notes behind it, with their shares; the rest has none.
_FRONTS: Final = (("青岚县", 0.635), ("浙江省青岚县", 0.34), ("浙江省明澜市青岚县", 0.005))
_NOTES: Final = (
    ("（自主申报）", 0.015),
    ("（东侧厂房）", 0.012),
    ("（二号车间）", 0.012),
    ("（临河）", 0.01),
    ("（一址多照）", 0.01),
    ("（原机械厂内）", 0.01),
)
_WIDE_SHARE: Final = 0.005
_FORMER_SHARE: Final = 0.12
_WIDE: Final = {ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}
_PARKS: Final = ("小微企业园", "双创小微企业园", "智造小微企业园")
_TENANTS_PER_BUILDING: Final = 12
# Steps to the right whose certificate is taken for another one.
_CERTIFICATE_STEPS: Final = (5, -5, 9, -9, 1, -1)


def right_columns(state: State, pen: Pen) -> dict[str, Any]:
    """Columns of 权利人.csv.

    Shape:  the state and the pen in; one column per heading out, a value per right.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: feed contracts (config/sources.toml).
    """
    rights = state.rights.reset_index(drop=True)
    parcels = state.parcels
    code = parcels["code"].loc[rights["parcel"]].reset_index(drop=True)
    kind, holder = rights["holder_kind"].to_numpy(), rights["holder"].to_numpy()
    parcel = rights["parcel"].to_numpy()
    name, credit = _parties(state, kind, holder, parcel)
    number = rights["certificate"].to_numpy() * 8 + rights["order"].to_numpy()
    credit = credit.where(rights["shows_code"])
    certificate = certificate_numbers(rights["certificate"].to_numpy())
    # where only the certificate tells, it is written as the old forms were
    former = pd.Series(kind == "former")
    spaced = certificate.str.replace("（", "(").str.replace("）", ")").str.replace("第", " 第 ")
    other = _other_certificates(state, rights["certificate"].to_numpy(), _holder_keys(kind, holder))
    certificate = certificate.mask(former, spaced)
    return {
        "ZDDM": code,
        "BDCDYH": code + "W00000000",
        "SXH": rights["order"],
        "QLRMC": pen.names(name, number, "holder"),
        "ZJZL": np.where(kind == "person", "1", "7"),
        "ZJH": pen.codes(credit, number, "holder"),
        "BDCQZH": pen.certificates(certificate, other, number, "right"),
        "QSZT": rights["state"],
        "共有份额": rights["share"].map(_SHARE_TEXT).astype("str"),
        "SYQMJ": parcels["official_m2"].loc[rights["parcel"]].reset_index(drop=True),
    }


def lease_rows(state: State) -> pd.DataFrame:
    """Leases of parcels that are there.

    Shape:  the state in; rows of its leases out.
    Units:  leased land in mu.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    is_there = state.leases["parcel"].isin(state.parcels.index)
    return state.leases[is_there].reset_index(drop=True)


def lease_columns(state: State, pen: Pen) -> dict[str, Any]:
    """Columns of 租赁.xlsx: land in mu, floors in square metres.

    Shape:  the state and the pen in; one column per heading out, a value per row of
            ``lease_rows``.
    Units:  leased land in mu, floors in m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: feed contracts (config/sources.toml).
    """
    leases = lease_rows(state)
    parcel = leases["parcel"].to_numpy()
    number = leases["number"].to_numpy()
    lessor, lessor_code = _parties(
        state, leases["lessor_kind"].to_numpy(), leases["lessor"].to_numpy(), parcel
    )
    lessee, lessee_code = _parties(
        state, np.full(len(leases), "enterprise"), leases["lessee"].to_numpy(), parcel
    )
    return {
        "合同编号": "ZL-" + digits(number, 6),
        "宗地代码": state.parcels["code"].loc[parcel].reset_index(drop=True),
        "出租方统一社会信用代码": lessor_code,
        "出租方名称": lessor,
        "承租方统一社会信用代码": pen.codes(
            lessee_code.where(leases["shows_code"]), number, "lessee"
        ),
        "承租方名称": pen.names(lessee, number, "lessee"),
        "租赁土地面积（亩）": leases["land_mu"],
        "租赁建筑面积（平方米）": leases["floor_m2"],
        "租赁开始日期": days(leases["start"]),
        "租赁结束日期": days(leases["last"]),
    }


def registry_columns(state: State, pen: Pen) -> dict[str, Any]:
    """Columns of 企业名录.xlsx.

    Shape:  the state and the pen in; one column per part of the heading out, a value per
            enterprise.
    Units:  metres.
    CRS:    EPSG:4549.
    Errors: none.
    Source: feed contracts (config/sources.toml).
    """
    table = state.enterprises
    number = table.index.to_numpy()
    township = table["township"].to_numpy()
    shows = pd.Series(table["shows_township"].to_numpy())
    places = pen.points(_points(state), number, "registry")
    certificate = table["registry_certificate"].to_numpy()
    other = _other_certificates(state, certificate, _holder_keys("enterprise", number))
    kind = table["code_kind"].to_numpy()
    # people without a credit code have a registration number, as many a workshop still has
    is_person, is_old = kind == NO_CODE, (kind == "92MA") & (number % 2 == 0)
    address = addresses(state, pen.seed)
    former = addresses(state, pen.seed, former=True)
    return {
        "code": enterprise_codes(table).reset_index(drop=True).mask(is_person),
        "name": pen.names(names_of(table).reset_index(drop=True), number, "registry"),
        "industry": industry_codes(table["name_no"].to_numpy()),
        "size": np.where(table["is_above"], "规上", "规下"),
        "status": table["status"].to_numpy(),
        "registration": registration_numbers(number).where(is_person | is_old),
        "township": pick(TOWNSHIPS, township).where(shows),
        "township_code": pick(TOWNSHIP_CODES, township).where(shows),
        "address": pen.addresses(address, former, number, "registry"),
        "parcel": pen.codes(_registry_parcels(state), number, "registry"),
        "certificate": pen.certificates(
            certificate_numbers(certificate), other, number, "registry"
        ),
        "x": places[:, 0],
        "y": places[:, 1],
    }


def addresses(state: State, seed: int, *, former: bool = False) -> pd.Series:
    """Addresses of enterprises as the registry has them, often without road or number.

    Shape:  the state and the seed in; a text per enterprise out; with ``former`` in all of them
            the former name of the township where it has one, else NA.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: habits measured on a public extract of a registry.
    """
    table = state.enterprises
    number = table.index.to_numpy()
    kind = table["address_kind"].to_numpy()
    parcels = state.parcels[["township", "village", "location"]].reindex(table["address_parcel"])
    has = parcels["location"].notna().to_numpy()
    own = table["township"].to_numpy()
    township = np.where(has, parcels["township"].fillna(0), own).astype(np.int64)
    village_no = np.where(has, parcels["village"].fillna(0), 1 + number % 3).astype(np.int64)
    village = village_names(village_no)
    town = pick(TOWNSHIPS, township)
    location = parcels["location"].reset_index(drop=True)
    whole = pd.Series(number + 1).astype("str")
    # where no parcel lies there are shops
    street = ("商务街" + whole + "号").where(~has, location.str.replace("^.*?村", "", regex=True))
    road = street.str.replace(r"\d+号.*$", "", regex=True)
    house = street.str.extract(r"(\d+号.*)$")[0]
    # the village stands only where a parcel has it
    within = village.where(has, "")
    zone = pick(("工业区", "工业园区", "工业开发区"), township % 3)
    room = _rooms(number % 4, number % 12 + number % 7)
    unit = table["park_unit"].to_numpy()
    park_name = pick(_PARKS, parcels.index.to_numpy() % len(_PARKS))
    park = township_short_names(township) + park_name
    park += _rooms(unit // _TENANTS_PER_BUILDING, unit % _TENANTS_PER_BUILDING)
    rests = {
        "exact": within + street,
        "full": within + street,
        "village": village,
        "road": street,
        "zone": zone,
        "street": road,
        "village_road": within + road,
        "zone_road": zone + street,
        "room": within + street + room,
        "village_number": village + house,
        "village_zone": village + zone,
        "township": pd.Series("", index=range(len(table))),
        "park": park.where(chance(seed, number, "park road") < 0.5, within + street + park),
    }
    rest = pd.Series("", index=range(len(table)), dtype="str")
    for word, text in rests.items():
        rest = rest.mask(kind == word, text)
    older = former_townships(township, number)
    if former:
        town = older
    else:
        uses = (chance(seed, number, "former township") < _FORMER_SHARE) & (kind != "exact")
        town = older.where(uses & older.notna().to_numpy(), town)
    plain = town + rest
    front = _by_share(chance(seed, number, "address front"), _FRONTS)
    note = _by_share(chance(seed, number, "address note"), _NOTES)
    written = front + plain + note.mask(kind == "township", "")
    wide = chance(seed, number, "address width") < _WIDE_SHARE
    written = written.mask(wide, written.str.translate(_WIDE))
    return written.mask(kind == "exact", plain)


def names_former_township(state: State, seed: int) -> pd.Series:
    """Whose address has a former name of its township.

    Shape:  the state and the seed in; a bool per enterprise out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    same = addresses(state, seed) == addresses(state, seed, former=True)
    return same.set_axis(state.enterprises.index)


def shows_whole_address(state: State, seed: int) -> pd.Series:
    """Whose address is, to the letter, that of a parcel.

    Shape:  the state and the seed in; a bool per enterprise out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    table = state.enterprises
    location = state.parcels["location"].reindex(table["address_parcel"]).to_numpy()
    return pd.Series(addresses(state, seed).to_numpy() == location, index=table.index)


def shows_point(state: State) -> pd.Series:
    """Who has a point on a parcel: three of five, and where nothing else tells.

    Shape:  the state in; a bool per enterprise out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    table = state.enterprises
    wanted = table["shows_point"] | (table["address_parcel"] < 0)
    return wanted & table["seat_parcel"].isin(state.parcels.index)


def planted_cases(state: State, links: pd.DataFrame, seed: int) -> pd.Series:
    """What was planted for each link: the first that holds, "" for an ordinary one.

    Shape:  the state, links (enterprise, parcel) and the seed in; a word per link out: person,
            collective, branch, small_park, renamed, near_name, former_township,
            several_parcels.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    number = links["enterprise"]
    table = state.enterprises.loc[number]
    leased = state.leases[state.leases["floor_m2"].notna() & state.leases["land_mu"].isna()]
    in_park = table["park_unit"].to_numpy() >= 0
    pair = pd.MultiIndex.from_frame(links[["parcel", "enterprise"]])
    rents = pair.isin(pd.MultiIndex.from_frame(leased[["parcel", "lessee"]]))
    rights = state.rights[state.rights["holder_kind"] == "enterprise"]
    has_paper = pair.isin(pd.MultiIndex.from_frame(rights[["parcel", "holder"]])) | pair.isin(
        pd.MultiIndex.from_frame(state.leases[["parcel", "lessee"]])
    )
    way = table["name_way"].to_numpy()
    case = np.select(
        [
            way == PERSON,
            way == COLLECTIVE,
            way == BRANCH,
            in_park & rents,
            (table["old_name_no"].to_numpy() >= 0) & has_paper,
            np.isin(way, NEAR_NAMES),
            names_former_township(state, seed).loc[number].to_numpy(),
            number.duplicated(keep=False).to_numpy(),
        ],
        [
            "person",
            "collective",
            "branch",
            "small_park",
            "renamed",
            "near_name",
            "former_township",
            "several_parcels",
        ],
        "",
    )
    return pd.Series(case, index=links.index, dtype="str")


def damages(state: State, links: pd.DataFrame, pen: Pen) -> pd.Series:
    """Which evidence of each link the noise hit, ``code holder|name registry``, "" for none.

    The words are the kind of evidence and where it stands: ``holder`` and ``right`` in the rights
    of the enterprise on the parcel, or in the right whose certificate the registry has;
    ``lessee`` in its leases in force there; ``registry`` in its line of the registry, as far as
    that is about the parcel. Its name is always about it.

    Shape:  the state, links (enterprise, parcel) and the pen in; a text per link out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    if pen.noise == NONE:
        return pd.Series("", index=links.index, dtype="str")
    enterprises = state.enterprises
    number = links["enterprise"].to_numpy()
    parcel = links["parcel"].to_numpy()
    hits: list[tuple[str, npt.NDArray[np.bool_]]] = []

    rights = state.rights.reset_index(drop=True)
    found = _hits(right_columns, state, pen)
    held = (rights["holder_kind"] == "enterprise") & (rights["state"] == "1")
    pairs = pd.MultiIndex.from_arrays([number, parcel])
    named = enterprises["registry_certificate"].loc[number].to_numpy() == parcel
    for word, column in (
        ("code holder", "ZJH"),
        ("name holder", "QLRMC"),
        ("certificate right", "BDCQZH"),
    ):
        rows = rights[held & found[column]]
        hit = pairs.isin(pd.MultiIndex.from_frame(rows[["holder", "parcel"]]))
        if column == "BDCQZH":
            rows = rights[(rights["state"] == "1") & found[column]]
            hit |= named & np.isin(parcel, rows["certificate"])
        hits.append((word, hit))

    leases = lease_rows(state)
    day = np.datetime64(state.day, "D")
    in_force = (leases["start"] <= day) & (day <= leases["last"])
    found = _hits(lease_columns, state, pen)
    for word, column in (
        ("code lessee", "承租方统一社会信用代码"),
        ("name lessee", "承租方名称"),
    ):
        rows = leases[in_force & found[column]]
        hits.append((word, pairs.isin(pd.MultiIndex.from_frame(rows[["lessee", "parcel"]]))))

    found = _hits(registry_columns, state, pen)
    for word, column, about in (
        ("code registry", "parcel", "registry_parcel"),
        ("certificate registry", "certificate", "registry_certificate"),
        ("name registry", "name", None),
        ("address registry", "address", "address_parcel"),
        ("point registry", "x", "seat_parcel"),
    ):
        hit = found[column].set_axis(enterprises.index).loc[number].to_numpy()
        if about is not None:
            hit = hit & (enterprises[about].loc[number].to_numpy() == parcel)
        hits.append((word, hit))
    marks = np.column_stack([hit for _, hit in hits])
    words = [word for word, _ in hits]
    text = ["|".join(w for w, is_hit in zip(words, row, strict=True) if is_hit) for row in marks]
    return pd.Series(text, index=links.index, dtype="str")


def days(column: pd.Series) -> pd.Series:
    """Dates as the contracts print them.

    Shape:  n days in; n texts out, 长期 for one that never comes, NA for none.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    found = column.to_numpy().astype("datetime64[D]")
    text = pd.Series(np.datetime_as_string(found), dtype="str").mask(np.isnat(found))
    return text.mask(found == NEVER, "长期")


def _hits(columns: Callable[[State, Pen], dict[str, Any]], state: State, pen: Pen) -> pd.DataFrame:
    """Which values the pen wrote otherwise than a clean one."""
    clean, written = columns(state, Pen(NONE, pen.seed)), columns(state, pen)
    found = {}
    for name, column in clean.items():
        before, after = pd.Series(column), pd.Series(written[name])
        found[name] = ~((before == after) | (before.isna() & after.isna())).astype(bool)
    return pd.DataFrame(found)


def _registry_parcels(state: State) -> pd.Series:
    """The parcel codes that the registry has; of some who own several, several in a cell."""
    table = state.enterprises
    code = state.parcels["code"].reindex(table["registry_parcel"]).reset_index(drop=True)
    if not SEVERAL_PARCELS_IN_A_CELL:
        return code
    rights = state.rights[
        (state.rights["holder_kind"] == "enterprise") & (state.rights["state"] == "1")
    ]
    number = table.index.to_numpy()
    own = rights.groupby("holder")["parcel"].agg(["min", "max", "nunique"]).reindex(number)
    named = table["registry_parcel"]
    # one of the others that the same enterprise has
    other = own["min"].where(own["min"] != named, own["max"])
    mine = pd.MultiIndex.from_arrays([number, named]).isin(
        pd.MultiIndex.from_frame(rights[["holder", "parcel"]])
    )
    some = mine & (own["nunique"] > 1).to_numpy() & (chance(0, number, "cell") < _SEVERAL_SHARE)
    second = state.parcels["code"].reindex(other).reset_index(drop=True)
    near = (code.str.slice(0, 14) == second.str.slice(0, 14)).astype(bool)
    short = code + "、" + second.str.slice(14).where(near, second)
    count = own["nunique"].fillna(0).astype(np.int64).astype("str").reset_index(drop=True)
    vague = code + "等" + count + "宗"
    return code.mask(some, short.where(number % 3 > 0, vague))


def _parties(
    state: State, kind: npt.NDArray[Any], holder: Ints, parcel: Ints
) -> tuple[pd.Series, pd.Series]:
    """Names and credit codes of holders, lessors and lessees; people have no code."""
    names = np.full(len(holder), "", dtype=object)
    codes = np.full(len(holder), None, dtype=object)
    for word in ("enterprise", "village", "outside", "former", "person"):
        at = np.flatnonzero(kind == word)
        who = holder[at]
        if word == "enterprise":
            firm = state.enterprises.loc[pd.Index(who)]
            old = firm["old_name_no"].to_numpy()
            former = enterprise_names(np.maximum(old, 0), town=firm["name_town"].to_numpy())
            names[at] = former.where(old >= 0, names_of(firm).reset_index(drop=True))
            code = enterprise_codes(firm).reset_index(drop=True)
            codes[at] = code.where((firm["code_kind"] != NO_CODE).to_numpy(), None)
        elif word == "village":
            land = state.parcels.loc[parcel[at]]
            township, village = land["township"].to_numpy(), land["village"].to_numpy()
            names[at] = collective_names(township, village)
            codes[at] = credit_codes("N2MF", township * 1000 + village)
        elif word == "outside":
            names[at] = enterprise_names(OUTSIDE_NAMES + who)
            codes[at] = credit_codes("91MX", who)
        elif word == "former":
            names[at] = enterprise_names(FORMER_NAMES + who)
        else:
            names[at] = person_names(who)
    return pd.Series(names, dtype="str"), pd.Series(codes, dtype="str")


def _holder_keys(kind: npt.NDArray[Any] | str, holder: Ints) -> npt.NDArray[Any]:
    """Holders as one number each."""
    words = ("enterprise", "village", "outside", "former", "person")
    place = pd.Series(np.broadcast_to(np.asarray(kind), holder.shape)).map(
        {word: number for number, word in enumerate(words)}
    )
    return holder * len(words) + place.to_numpy()


def _other_certificates(state: State, certificate: Ints, holder: npt.NDArray[Any]) -> pd.Series:
    """For each certificate one that somebody else has; NA where none is near or none given."""
    rights = state.rights[state.rights["state"] == "1"]
    keys = _holder_keys(rights["holder_kind"].to_numpy(), rights["holder"].to_numpy())
    owner = pd.Series(keys, index=rights["certificate"].to_numpy())
    owner = owner[~owner.index.duplicated(keep=False)]
    found = np.full(len(certificate), -1)
    for step in _CERTIFICATE_STEPS:
        has = owner.reindex(certificate + step).to_numpy()
        fits = ~np.isnan(has) & (has != holder) & (found < 0) & (certificate >= 0)
        found = np.where(fits, certificate + step, found)
    return certificate_numbers(found)


def _points(state: State) -> Floats:
    """Points of enterprises on their parcels, NaN for none."""
    table = state.enterprises
    known = np.flatnonzero(shows_point(state))
    shape = state.parcels["shape"].loc[table["seat_parcel"].iloc[known]].to_numpy()
    places = np.full((len(table), 2), np.nan)
    places[known] = np.round(shapely.get_coordinates(shapely.point_on_surface(shape)), 2)
    return places


def _rooms(building: Ints, room: Ints) -> pd.Series:
    """Buildings and rooms, four to a floor."""
    number = (room // 4 + 1) * 100 + room % 4 + 1
    return pd.Series(building + 1).astype("str") + "幢" + pd.Series(number).astype("str") + "室"


def _by_share(drawn: Floats, words: tuple[tuple[str, float], ...]) -> pd.Series:
    """Choose among words by their shares, nothing beyond them."""
    bounds = np.cumsum([share for _, share in words])
    place = np.searchsorted(bounds, drawn, side="right")
    return pick([*(word for word, _ in words), ""], place)
