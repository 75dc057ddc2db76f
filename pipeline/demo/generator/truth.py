"""What must come out: links, seats, shares, units and coverage, from what was planted.

Written after docs/how-it-decides.md and nothing else, in pandas and numpy. It does not read the
delivered files, so noise in them does not change it: it says what a run on undamaged files gives.
Only the column ``damage`` of the links tells what the noise hit.
Enterprises that only an address or only a point places have a link (``is_decidable`` false) that the
rules leave to a person; shares, units and coverage count the decidable links.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from pipeline.demo.generator.cover import STATES, Base, main_township, measure, overlay
from pipeline.demo.generator.economy import MU_M2, State, enterprise_codes, reference_area
from pipeline.demo.generator.noise import NONE, Ints, Pen
from pipeline.demo.generator.records import (
    damages,
    planted_cases,
    shows_point,
    shows_whole_address,
)
from pipeline.demo.generator.rule_truth import rule_cases
from pipeline.demo.generator.words import TOWNSHIP_CODES

_LARGEST_UNIT: Final = (10, 5)  # operators, parcels
_SLIVER_M2, _SLIVER_SHARE = 10.0, 0.01
_INDUSTRIAL_USES: Final = ("0601", "061")
_DATA_YEAR_OFFSET: Final = 1
_TABLES: Final = ("links", "seats", "shares", "units", "coverage", "parcels", "rule_cases")


@dataclass(frozen=True)
class Truth:
    """The tables of the truth, in the codes of the county.

    ``links``: enterprise_code, parcel_code, role, evidence, is_decidable, damage (what noise hit:
    ``records.damages``), case (what was planted: ``records.planted_cases``). ``seats``:
    enterprise_code, seat_state. ``shares``: parcel_code, enterprise_code ('' is what nobody gets
    alone), method, allocated_m2. ``units``: unit_code, kind, eval_state, area_m2. ``coverage``:
    area_code, name, kind, base, linked, evaluated, transition and covered area. ``parcels``:
    parcel_code, township_code, industrial_area_m2, and the shares linked, evaluated, transition.
    ``rule_cases``: enterprise_code, rule, applies, amount, note (``rule_truth.rule_cases``).
    """

    links: pd.DataFrame
    seats: pd.DataFrame
    shares: pd.DataFrame
    units: pd.DataFrame
    coverage: pd.DataFrame
    parcels: pd.DataFrame
    rule_cases: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write each table as ``<name>.parquet``.

        Shape:  a folder in, made where it is missing; seven files out.
        Units:  m2.
        CRS:    none (no geometry).
        Errors: OSError where the folder cannot be written.
        Source: none.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            table: pd.DataFrame = getattr(self, name)
            table.to_parquet(folder / f"{name}.parquet", index=False)


def work_out(base: Base, state: State, pen: Pen | None = None) -> Truth:
    """Work out what must come out of a run on the files of a state, on its day.

    Shape:  the industrial base, the state and the pen of the files (clean without) in; the truth
            out, each table sorted by its key.
    Units:  m2.
    CRS:    EPSG:4549.
    Errors: none.
    Source: docs/how-it-decides.md, sections 2 to 6, with the default settings.
    """
    parcels, enterprises = state.parcels, state.enterprises
    industrial = parcels[parcels["is_industrial"]]
    pieces = overlay(
        base,
        industrial.index.to_numpy(),
        industrial["shape"].to_numpy(),
        industrial["home"].to_numpy(),
    )
    under = pieces.groupby("parcel")["area_m2"].sum().reindex(parcels.index, fill_value=0.0)
    holds = parcels["use"].isin(_INDUSTRIAL_USES) | (under >= _SLIVER_M2)
    holds |= (under > 0) & (under >= _SLIVER_SHARE * parcels["plane_m2"])

    leases = leases_in_force(state)
    links = find_links(state, leases)
    pen = pen or Pen(NONE, 0)
    links["damage"] = damages(state, links, pen)
    links["case"] = planted_cases(state, links, pen.seed)
    accepted = links[links["is_decidable"]]
    shares = divide(state, leases, accepted)
    members, units = form_units(state, shares, holds)
    parcel_share = _parcel_shares(parcels, shares, members, units)
    pairs = _overlapping(parcels)
    coverage = measure(base, pieces, parcel_share, pairs)

    code = parcels["code"]
    firm = enterprise_codes(enterprises)
    land = pd.DataFrame(
        {
            "parcel_code": code,
            "township_code": _township_codes(main_township(base, pieces), parcels),
            "industrial_area_m2": np.round(under, 4),
            **{f"{name}_share": parcel_share[name] for name in STATES[:3]},
        }
    )
    return Truth(
        _sorted(
            links.assign(
                enterprise_code=firm.loc[links["enterprise"]].to_numpy(),
                parcel_code=code.loc[links["parcel"]].to_numpy(),
            ),
            [
                "enterprise_code",
                "parcel_code",
                "role",
                "evidence",
                "is_decidable",
                "damage",
                "case",
            ],
        ),
        _sorted(_seats(state, links, holds, firm, pen.seed), ["enterprise_code", "seat_state"]),
        _sorted(
            shares.assign(
                parcel_code=code.loc[shares["parcel"]].to_numpy(),
                enterprise_code=firm.reindex(shares["enterprise"]).fillna("").to_numpy(),
                allocated_m2=shares["m2"],
            ),
            ["parcel_code", "enterprise_code", "method", "allocated_m2"],
        ),
        _sorted(units, ["unit_code", "kind", "eval_state", "area_m2"]),
        coverage,
        _sorted(land, list(land.columns)),
        rule_cases(state),
    )


def leases_in_force(state: State) -> pd.DataFrame:
    """Leases that hold on the day, with land_m2 and whether the lessor is a lessee there.

    Shape:  the state in; rows of its leases out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, sections 1 and 3.
    """
    day = np.datetime64(state.day, "D")
    in_force = (state.leases["start"] <= day) & (day <= state.leases["last"])
    leases: pd.DataFrame = state.leases.loc[in_force].copy()
    leases["land_m2"] = np.round(leases["land_mu"] * MU_M2, 4)
    lessees = pd.MultiIndex.from_frame(leases[["parcel", "lessee"]])
    lessors = pd.MultiIndex.from_frame(leases[["parcel", "lessor"]])
    leases["is_sub"] = (leases["lessor_kind"] == "enterprise") & lessors.isin(lessees)
    return leases


def find_links(state: State, leases: pd.DataFrame) -> pd.DataFrame:
    """Who uses which parcel, in which role, known by what.

    Shape:  the state and its leases in force in; enterprise, parcel, role, evidence and
            is_decidable out, one row per use.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 3.
    """
    enterprises = state.enterprises[state.enterprises["status"] == "存续"]
    rights = state.rights
    held = rights[(rights["holder_kind"] == "enterprise") & (rights["state"] == "1")]
    tables = [
        pd.DataFrame(
            {
                "enterprise": held["holder"],
                "parcel": held["parcel"],
                "role": "owner",
                "evidence": np.where(held["shows_code"], "right_code", "right_name"),
            }
        ),
        pd.DataFrame(
            {
                "enterprise": leases["lessee"],
                "parcel": leases["parcel"],
                "role": np.where(leases["is_sub"], "sub_tenant", "tenant"),
                "evidence": np.where(leases["shows_code"], "lease_code", "lease_name"),
            }
        ),
    ]
    current = rights[rights["state"] == "1"].drop_duplicates("certificate")
    by_certificate = current.set_index("certificate")["parcel"]
    for evidence, column in (
        ("registry_parcel", "registry_parcel"),
        ("registry_certificate", "registry_certificate"),
        ("footprint_drawn", "drawn_parcel"),
    ):
        named = enterprises[enterprises[column] >= 0]
        parcel = named[column]
        if column == "registry_certificate":
            parcel = by_certificate.reindex(parcel).set_axis(named.index).dropna().astype(np.int64)
        tables.append(
            pd.DataFrame(
                {
                    "enterprise": parcel.index,
                    "parcel": parcel.to_numpy(),
                    "role": "operator",
                    "evidence": evidence,
                }
            )
        )
    links = pd.concat(tables, ignore_index=True)
    links = links[links["enterprise"].isin(enterprises.index)]
    # an owner or tenant is no operator besides; of two operators' evidences the first counts
    links = links.drop_duplicates(["enterprise", "parcel"])
    hidden = enterprises[enterprises["hidden_parcel"] >= 0]
    unsure = pd.DataFrame(
        {
            "enterprise": hidden.index,
            "parcel": hidden["hidden_parcel"],
            "role": "operator",
            "evidence": np.where(hidden["address_parcel"] >= 0, "address", "point"),
        }
    )
    # an address counts together with a point in the same parcel
    agrees = shows_point(state).loc[hidden.index] & (
        hidden["seat_parcel"] == hidden["hidden_parcel"]
    )
    links["is_decidable"] = True
    unsure["is_decidable"] = (hidden["address_parcel"] >= 0).to_numpy() & agrees.to_numpy()
    return pd.concat([links, unsure], ignore_index=True)


def divide(state: State, leases: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    """Divide the parcels among their users by the ladder.

    Shape:  the state, its leases in force and the links that count in; one row per user (parcel,
            enterprise, method, m2) and one per parcel for what nobody gets alone (enterprise -1;
            rest, undivided or conflict) out, for the parcels that somebody uses.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 4.
    """
    key = ["parcel", "enterprise"]
    use = links[["parcel", "enterprise", "role"]].copy()
    use["area"] = reference_area(state.parcels).loc[use["parcel"]].to_numpy()
    rented = leases.rename(columns={"lessee": "enterprise"})
    use = _joined(use, rented, key, "land_m2", "rented")
    use = _joined(use, rented[~rented["is_sub"]], key, "land_m2", "first")
    use = _joined(use, rented, key, "floor_m2", "floor")
    # what is let to nobody who works there stays with the lessor
    lessees = pd.MultiIndex.from_frame(leases[["parcel", "lessee"]])
    works = lessees.isin(pd.MultiIndex.from_frame(use[key]))
    let = leases[leases["is_sub"] & works].rename(columns={"lessor": "enterprise"})
    use = _joined(use, let, key, "land_m2", "let")
    held = state.rights[
        (state.rights["holder_kind"] == "enterprise") & (state.rights["state"] == "1")
    ]
    use = _joined(use, held.rename(columns={"holder": "enterprise"}), key, "share", "share")
    drawn = state.footprints[state.footprints["kind"] == "用地"]
    use = _joined(use, drawn, key, "plane_m2", "drawn")

    is_tenant = use["role"].isin(["tenant", "sub_tenant"])
    use["signed"] = (use["rented"] - use["let"].fillna(0)).where(is_tenant)
    group = use.groupby("parcel")
    first = use["first"].where(use["role"] != "owner").fillna(0).groupby(use["parcel"])
    conflict = first.transform("sum") > use["area"] + 1e-9
    conflict |= (use["signed"] < 0).groupby(use["parcel"]).transform("any")
    conflict |= group["share"].transform("sum") > 1.000001
    left = use["area"] - group["signed"].transform("sum")
    open_use = use["signed"].isna()
    others = open_use.groupby(use["parcel"]).transform("sum")
    users = group["role"].transform("size")

    def reached(column: str) -> tuple[pd.Series, pd.Series]:
        """Whether all who signed nothing have this, and what it comes to together."""
        value = use[column].where(open_use)
        known = value.notna().groupby(use["parcel"]).transform("sum")
        return known == others, value.groupby(use["parcel"]).transform("sum")

    by_share, _ = reached("share")
    by_land, land = reached("drawn")
    by_floor, floor = reached("floor")
    sole = use["area"] * use["share"].where(use["role"] == "owner").fillna(1)
    nothing = pd.Series(0.0, index=use.index)
    rungs: list[tuple[str, pd.Series, pd.Series]] = [
        ("conflict", conflict, nothing),
        ("signed", ~open_use, use["signed"]),
        ("sole", users == 1, sole),
        ("remainder", (others == 1) & use["share"].isna(), left),
        ("share", by_share, left * use["share"]),
        ("footprint", by_land & (land <= left), use["drawn"]),
        ("floor", by_floor, left * use["floor"] / floor),
    ]
    use["method"], use["m2"] = "undivided", 0.0
    for method, holds, amount in reversed(rungs):
        use.loc[holds, "method"] = method
        use.loc[holds, "m2"] = amount[holds]
    use["m2"] = np.round(use["m2"], 4)

    use["conflict"], use["undivided"] = use["method"] == "conflict", use["method"] == "undivided"
    rest = use.groupby("parcel").agg(
        area=("area", "first"),
        m2=("m2", "sum"),
        conflict=("conflict", "any"),
        undivided=("undivided", "any"),
    )
    rest["m2"] = np.round(rest["area"] - rest["m2"], 4)
    rest["method"] = np.where(
        rest["conflict"], "conflict", np.where(rest["undivided"], "undivided", "rest")
    )
    rest = rest.reset_index().assign(enterprise=-1)
    columns = ["parcel", "enterprise", "method", "m2"]
    return pd.concat([use[columns], rest[columns]], ignore_index=True)


def form_units(
    state: State, shares: pd.DataFrame, holds: pd.Series
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Form the evaluation units and tell their state.

    Shape:  the state, the divided parcels, and which parcels hold industrial land, in; members (unit, enterprise, parcel, m2) and units (unit_code, kind,
            eval_state, area_m2) out. Enterprise -1 holds what the members use undivided.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 5.
    """
    enterprises = state.enterprises
    use = shares[shares["enterprise"] >= 0]
    own = use.groupby("enterprise")["m2"].sum()
    is_above = enterprises["is_above"].reindex(own.index)
    leaving = set(own.index[(is_above & (own > 0)).to_numpy()])
    edge = use[use["method"] == "undivided"][["enterprise", "parcel"]]
    leaves = edge["enterprise"].isin(leaving)
    someone_stays = (~leaves).groupby(edge["parcel"]).transform("any")
    edge = edge[~leaves | ~someone_stays]
    component = _components(edge)
    edge = edge.assign(component=component)
    code = state.parcels["code"]
    edge["code"] = code.loc[edge["parcel"]].to_numpy()
    joined = edge.groupby("component").agg(first=("code", "min"), parcels=("parcel", "nunique"))
    head = np.where(joined["parcels"] == 1, "P-", "M-")
    joined["unit"] = pd.Series(head, index=joined.index) + joined["first"]
    # where each enterprise belongs
    firm = enterprise_codes(enterprises)
    unit_of = "E-" + firm
    member = edge.drop_duplicates("enterprise").set_index("enterprise")["component"]
    unit_of.loc[member.index] = joined["unit"].loc[member].to_numpy()

    stays = pd.MultiIndex.from_frame(use[["enterprise", "parcel"]]).isin(
        pd.MultiIndex.from_frame(edge[["enterprise", "parcel"]])
    )
    kept = use[(use["method"] != "undivided") | stays]
    rows = kept[["enterprise", "parcel", "m2"]].assign(
        unit=unit_of.loc[kept["enterprise"]].to_numpy()
    )
    common = edge.drop_duplicates("parcel")
    rest = shares[shares["enterprise"] < 0].set_index("parcel")["m2"]
    undivided = pd.DataFrame(
        {
            "enterprise": -1,
            "parcel": common["parcel"],
            "m2": rest.loc[common["parcel"]].to_numpy(),
            "unit": joined["unit"].loc[common["component"]].to_numpy(),
        }
    )
    members = pd.concat([rows, undivided], ignore_index=True)
    return members, _unit_states(state, members, holds)


def _unit_states(state: State, members: pd.DataFrame, holds: pd.Series) -> pd.DataFrame:
    """Kind, state and area of each unit."""
    day = np.datetime64(state.day, "D")
    year = state.day.year - _DATA_YEAR_OFFSET
    rows = members.assign(holds=holds.loc[members["parcel"]].to_numpy())
    units = rows.groupby("unit").agg(
        area_m2=("m2", "sum"), parcels=("parcel", "nunique"), holds=("holds", "any")
    )
    firms = members[members["enterprise"] >= 0]
    units["operators"] = firms.groupby("unit")["enterprise"].nunique()
    known: set[int] = set()
    for table in (state.indicators, state.scores):
        known |= set(table.loc[table["year"] == year, "enterprise"])
    known_units = set(firms.loc[firms["enterprise"].isin(known), "unit"])
    given = state.recognitions
    given = given[(given["kind"] == "过渡期") & (given["start"] <= day) & (day <= given["last"])]
    growing = set(firms.loc[firms["enterprise"].isin(given["enterprise"]), "unit"])
    kind = units.index.str[0].map({"E": "enterprise", "P": "parcel", "M": "merged"})
    units["kind"] = kind
    is_firm = units["kind"] == "enterprise"
    operators, parcels = _LARGEST_UNIT
    too_large = ~is_firm & ((units["operators"] > operators) | (units["parcels"] > parcels))
    units["area_m2"] = np.round(units["area_m2"], 4)
    units["eval_state"] = np.select(
        [
            (units["area_m2"] == 0) | ~units["holds"] | too_large,
            is_firm & units.index.isin(growing),
            units.index.isin(known_units),
        ],
        ["excluded", "transition", "evaluated"],
        "no_data",
    )
    return units.rename_axis("unit_code").reset_index()


def _parcel_shares(
    parcels: pd.DataFrame, shares: pd.DataFrame, members: pd.DataFrame, units: pd.DataFrame
) -> pd.DataFrame:
    """Which part of each parcel is linked, evaluated, in transition, covered."""
    area = reference_area(parcels)
    state = units.set_index("unit_code")["eval_state"]
    land = members.assign(state=state.loc[members["unit"]].to_numpy())
    table = pd.DataFrame(index=parcels.index)
    linked = shares[shares["method"] != "rest"].groupby("parcel")["m2"].sum()
    table["linked"] = linked.reindex(parcels.index, fill_value=0.0) / area
    for name in ("evaluated", "transition"):
        found = land[land["state"] == name].groupby("parcel")["m2"].sum()
        table[name] = found.reindex(parcels.index, fill_value=0.0) / area
    table["covered"] = table["evaluated"] + table["transition"]
    return table.round(12)


def _seats(
    state: State, links: pd.DataFrame, holds: pd.Series, firm: pd.Series, seed: int
) -> pd.DataFrame:
    """Seat state of each enterprise."""
    enterprises = state.enterprises
    accepted = links[links["is_decidable"]]
    on_land = accepted[holds.loc[accepted["parcel"]].to_numpy()]
    number = enterprises.index
    found = np.select(
        [
            enterprises["status"] != "存续",
            number.isin(on_land["enterprise"]),
            number.isin(accepted["enterprise"]),
            # somebody has to look: an address or a point of a parcel, and nothing else
            shows_whole_address(state, seed) | shows_point(state),
        ],
        ["off_site", "linked", "no_industrial_premises", "in_review"],
        "unknown",
    )
    return pd.DataFrame({"enterprise_code": firm, "seat_state": found})


def _components(edge: pd.DataFrame) -> Ints:
    """Number the connected sets of enterprises and parcels."""
    firm, _ = pd.factorize(edge["enterprise"])
    parcel, _ = pd.factorize(edge["parcel"])
    label = pd.Series(firm)
    while True:
        lower = label.groupby(parcel).transform("min")
        lower = lower.groupby(firm).transform("min")
        if lower.equals(label):
            return label.to_numpy()
        label = lower


def _overlapping(parcels: pd.DataFrame) -> Ints:
    """Pairs of parcels that overlap, each once."""
    first = parcels[(parcels["partner"] > parcels.index) & parcels["partner"].isin(parcels.index)]
    return np.stack([first.index.to_numpy(), first["partner"].to_numpy()], axis=-1)


def _township_codes(main: pd.Series, parcels: pd.DataFrame) -> pd.Series:
    """Township codes of the parcels, those without industrial land by the cell they lie in."""
    number = main.reindex(parcels.index).fillna(parcels["township"]).astype(np.int64)
    return pd.Series(np.array(TOWNSHIP_CODES, dtype=object)[number], index=parcels.index)


def _joined(
    use: pd.DataFrame, table: pd.DataFrame, key: list[str], column: str, name: str
) -> pd.DataFrame:
    """Add the sum of a column by user and parcel; nothing where no row states it."""
    found = table.groupby(key)[column].sum(min_count=1).rename(name)
    return use.join(found, on=key)


def _sorted(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Keep some columns, rows in the order of the first two."""
    return table[columns].sort_values(columns[:2], ignore_index=True)
