"""Who uses which land: enterprises, rights, leases and all else that is written about them.

The tables of a ``State`` say what is true; parcels, enterprises and lessors are named by number.
What of it an office writes down, and how, is decided in ``delivery``; what follows from it by the
rules, in ``truth``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from pipeline.demo.generator.cover import Base, main_township, overlay
from pipeline.demo.generator.land import (
    SQUARE_RING,
    Land,
    Plots,
    l_shapes,
    plant_parcels,
    shapes_within,
)
from pipeline.demo.generator.lattice import stream
from pipeline.demo.generator.noise import Ints, chance
from pipeline.demo.generator.survey import Floats, Shapes
from pipeline.demo.generator.words import (
    BRANCH,
    COLLECTIVE,
    NEAR_NAMES,
    PERSON,
    PLAIN,
    TOWNSHIP_CODES,
    TOWNSHIPS,
    code_kinds,
    credit_codes,
    digits,
    enterprise_names,
    locations,
    registration_numbers,
)
from pipeline.demo.township import DATE, YEAR

if TYPE_CHECKING:
    from pipeline.demo.generator.rules import RuleRecords

ENTERPRISES: Final = 13_000
FOOTPRINTS: Final = 60_000
FIRST_DAY: Final = dt.date.fromisoformat(DATE)
MU_M2: Final = 2000 / 3
NEVER: Final = np.datetime64("9999-12-31", "D")

# Shares of the enterprises: deregistered or moved away, shops, without any evidence, on several
# parcels.
_GONE, _SHOPS, _UNKNOWN, _SEVERAL = 0.027, 0.03, 0.019, 0.08
# Shares of the industrial parcels that several enterprises use, and their number of users besides
# an owner, lowest and highest.
_SHARED: Final = {
    "owner_tenants": (0.0217, 1, 3),
    "chain": (0.0083, 2, 2),
    "co_owners": (0.0133, 1, 2),
    "floor": (0.015, 2, 4),
    "undivided": (0.0217, 1, 3),
    "drawn": (0.0092, 1, 1),
    "conflict": (0.0042, 2, 2),
}
# Parks of small firms: how many at scale 1, how many tenants each has, lowest and highest; none in
# a county of fewer enterprises, and no park with a larger share of them.
_PARKS, _PARK_TENANTS, _PARK_LEAST, _PARK_SHARE = 8, (15, 60), 200, 0.08
# Shares of the enterprises: branches; those whose rights and leases have the former name; those
# whose name is nearly that of another; people without a credit code; collectives of villages.
_BRANCHES, _RENAMED, _NEAR, _PERSONS, _COLLECTIVES = 0.02, 0.02, 0.035, 0.01, 0.002
# How the registry writes where an enterprise is, and how often. ``exact`` is as the land office
# has it; the others have places in front and notes behind, too.
ADDRESS_KINDS: Final = {
    "village": 0.44,
    "road": 0.17,
    "full": 0.12,
    "zone": 0.08,
    "street": 0.04,
    "village_road": 0.04,
    "zone_road": 0.03,
    "room": 0.03,
    "village_number": 0.02,
    "village_zone": 0.02,
    "township": 0.005,
    "exact": 0.005,
}
# Kinds from which a parcel might be found, by rule or by guess.
WHOLE_ADDRESSES: Final = ("full", "room", "exact", "road", "zone_road")
# Share of the electricity accounts that name the parcel.
_ACCOUNT_PARCELS: Final = 0.6
_WITH_OWNER: Final = ("owner_tenants", "chain", "co_owners", "undivided", "drawn")
# Shares of the parcels with one user.
_OPERATORS, _TENANTS, _HIDDEN = 0.157, 0.09, 0.016

# Parcels that the registry's line of an enterprise is about.
SEAT_COLUMNS: Final = ("registry_parcel", "registry_certificate", "address_parcel", "seat_parcel")

# Names of holders that are no enterprise of the county begin here.
OUTSIDE_NAMES: Final = 200_000
FORMER_NAMES: Final = 240_000
NEW_NAMES: Final = 160_000
OLD_NAMES: Final = 400_000
NO_CODE: Final = "none"


@dataclass
class State:
    """What is true in the county on a day.

    ``parcels``, ``enterprises``: by number. ``rights``: parcel, holder_kind (enterprise, village,
    outside, former, person), holder, shows_code, certificate, share (NaN, or the part), state.
    ``leases``: number, parcel, lessor_kind, lessor, lessee, shows_code, land_mu, floor_m2, start,
    last. ``enterprises``: name_no, name_way, name_town, branch_town (what its name is:
    ``words.enterprise_names``), old_name_no (in rights and leases, -1 for none), code_kind,
    code_no, is_above, status, township, shows_township, address_kind, park_unit (place among the
    tenants of a park, -1 for none), shows_point, registry_parcel, registry_certificate,
    drawn_parcel, address_parcel, seat_parcel (the point's), hidden_parcel
    (whose use only address or point show), -1 for none. The other tables do not change from night
    to night. ``rule_records``: what rules ask for besides.
    """

    day: dt.date
    parcels: pd.DataFrame
    rights: pd.DataFrame
    leases: pd.DataFrame
    enterprises: pd.DataFrame
    footprints: pd.DataFrame
    indicators: pd.DataFrame
    scores: pd.DataFrame
    recognitions: pd.DataFrame
    accounts: pd.DataFrame
    # numbers never given before
    next_parcel: int = 0
    next_code: int = 50_000
    rule_records: RuleRecords | None = None


def begin(land: Land, base: Base) -> State:
    """People the land of a county on its first day.

    Shape:  the land and its industrial base in; the state out: 60,000 parcels, as many footprints
            and 13,000 enterprises at scale 1.
    Units:  m2; leased land in mu.
    CRS:    EPSG:4549.
    Errors: none.
    Source: default chosen; forms of use after docs/how-it-decides.md, sections 3 and 4.
    """
    plots = plant_parcels(land)
    industrial = np.flatnonzero(plots.is_industrial)
    pieces = overlay(base, industrial, plots.shape[industrial], plots.home[industrial])
    town = main_township(base, pieces)
    slots = _slots(land, plots)
    enterprises = _enterprises(land, plots, slots, town)
    holders = _holders(land, plots, slots, enterprises)
    parcels = _parcels(land, plots, holders, enterprises)
    leases = _leases(land, slots, holders, enterprises)
    leases["land_mu"] = _signed_mu(parcels, leases)
    footprints = _footprints(land, plots, slots, enterprises)
    figures = _figures(land, enterprises)
    return State(
        FIRST_DAY, parcels, holders, leases, enterprises, footprints, *figures, len(parcels)
    )


def _slots(land: Land, plots: Plots) -> pd.DataFrame:
    """Uses of industrial parcels: parcel, form, role, evidence, mu, floor, share, parent, user."""
    drawn = stream(land.seed, "uses")
    total = round(ENTERPRISES * land.scale)
    several = round(_SEVERAL * total)
    placed = total - sum(round(part * total) for part in (_GONE, _SHOPS, _UNKNOWN))
    parks = _park_sizes(drawn, total, land.scale)
    # land can be drawn for somebody only where a parcel is a plain rectangle in one cell
    industrial = drawn.permutation(np.flatnonzero(plots.is_industrial))
    plain = (plots.home[industrial] >= 0) & ~np.isnan(plots.box[industrial, 0])
    parcels = np.concatenate([industrial[plain], industrial[~plain]])
    plain_left = int(plain.sum())
    tables: list[pd.DataFrame] = []
    count = {form: max(1, round(part * len(parcels))) for form, (part, *_) in _SHARED.items()}
    for form in ("drawn", *(name for name in _SHARED if name != "drawn")):
        chosen, parcels = np.split(parcels, [count[form]])
        plain_left -= len(chosen)
        _, low, high = _SHARED[form]
        tables.append(
            _shared_slots(drawn, form, chosen, drawn.integers(low, high + 1, len(chosen)))
        )
    chosen, parcels = np.split(parcels, [len(parks)])
    plain_left -= len(chosen)
    tables.append(_shared_slots(drawn, "small_park", chosen, parks))
    sole = placed + several - sum(len(table) for table in tables)
    operators, tenants, hidden = (round(part * sole) for part in (_OPERATORS, _TENANTS, _HIDDEN))
    # of the operators a fifth is known by a drawing: on plain parcels, which come first
    by_drawing = min(operators // 5, max(plain_left, 0))
    evidence = np.concatenate(
        [
            np.repeat("footprint_drawn", by_drawing),
            drawn.choice(
                ["registry_parcel", "registry_certificate"], operators - by_drawing, p=[0.56, 0.44]
            ),
            np.where(drawn.random(tenants) < 0.1, "lease_name", "lease_code"),
            np.where(np.arange(hidden) % 2 == 0, "address", "point"),
        ]
    )
    first, parcels = np.split(parcels, [by_drawing])
    rest = drawn.permutation(parcels)[: sole - by_drawing]
    owners = sole - len(evidence)
    evidence = np.concatenate(
        [evidence, np.where(drawn.random(owners) < 0.06, "right_name", "right_code")]
    )
    use = np.repeat(["operator", "tenant", "hidden", "owner"], [operators, tenants, hidden, owners])
    role = np.where(use == "hidden", "operator", use)
    is_part = (evidence == "right_code") & (drawn.random(sole) < 0.02)
    tables.append(
        pd.DataFrame(
            {
                "parcel": np.concatenate([first, rest]),
                "form": use,
                "role": role,
                "evidence": evidence,
                # part of the parcel that is signed for, where something is
                "signed": np.where(
                    (use == "tenant") & (drawn.random(sole) < 0.6),
                    drawn.uniform(0.4, 0.95, sole),
                    np.nan,
                ),
                "floor": np.nan,
                "share": np.where(is_part, 0.5, np.nan),
                "parent": -1,
            }
        )
    )
    slots = pd.concat(tables, ignore_index=True)
    slots["parent"] = _parents(slots)
    slots["user"] = _users(drawn, slots, several)
    return slots


def _park_sizes(drawn: np.random.Generator, total: int, scale: float) -> Ints:
    """How many tenants each park of small firms has."""
    if total < _PARK_LEAST:
        return np.zeros(0, dtype=np.int64)
    low, high = _PARK_TENANTS
    sizes = drawn.integers(low, high + 1, max(1, round(_PARKS * scale)))
    return np.minimum(sizes, max(low, int(_PARK_SHARE * total)))


def _shared_slots(
    drawn: np.random.Generator, form: str, parcels: Ints, others: Ints
) -> pd.DataFrame:
    """Users of parcels that several share: an owner where the form has one, then the others."""
    with_owner = form in _WITH_OWNER
    users = others + with_owner
    parcel = np.repeat(parcels, users)
    place = np.arange(len(parcel)) - np.repeat(np.cumsum(users) - users, users)
    is_owner = (place == 0) & with_owner
    size = len(parcel)
    table = pd.DataFrame(
        {
            "parcel": parcel,
            "form": form,
            "role": "tenant",
            "evidence": "lease_code",
            "signed": np.nan,
            "floor": np.nan,
            "share": np.nan,
            "parent": -1,
        }
    )
    count = np.repeat(users, users)
    if form in {"owner_tenants", "chain"}:
        # together at most three quarters of the parcel
        table["signed"] = drawn.uniform(0.3, 0.75, size) / np.maximum(count - 1, 1)
        table["evidence"] = np.where(drawn.random(size) < 0.1, "lease_name", "lease_code")
    if form == "chain":
        is_sub = place == 2
        table.loc[is_sub, "role"] = "sub_tenant"
        table.loc[is_sub, "signed"] = 0.1
        table["evidence"] = "lease_code"
    if form == "conflict":
        table["signed"] = drawn.uniform(0.6, 0.9, size)
    if form == "floor":
        table["floor"] = drawn.integers(300, 4000, size).astype(np.float64)
    if form == "small_park":
        table["floor"] = drawn.integers(150, 2000, size).astype(np.float64)
        table["evidence"] = np.where(drawn.random(size) < 0.1, "lease_name", "lease_code")
    if form == "co_owners":
        table["role"], table["evidence"] = "owner", "right_code"
        table["share"] = np.where(count == 2, np.where(place == 0, 0.6, 0.4), 1 / 3)
    if form in {"undivided", "drawn"}:
        table["role"], table["evidence"] = "operator", "registry_parcel"
    table.loc[is_owner, ["role", "evidence"]] = ["owner", "right_code"]
    table.loc[is_owner & (form != "co_owners"), ["signed", "floor"]] = np.nan
    return table


def _parents(slots: pd.DataFrame) -> Ints:
    """The use from which each sub-tenant has its land, -1 for the others."""
    parent = np.full(len(slots), -1)
    sub = np.flatnonzero(slots["role"] == "sub_tenant")
    # the tenant stands before the sub-tenant
    parent[sub] = sub - 1
    return parent


def _users(drawn: np.random.Generator, slots: pd.DataFrame, several: int) -> Ints:
    """Number the users of the uses; some of them have a second one, mostly nearby."""
    user = np.arange(len(slots))
    undivided = (slots["form"] == "undivided").to_numpy()
    is_owner = (slots["evidence"] == "right_code").to_numpy()
    # two undivided parcels with one operator of the first as owner of the second: merged units
    by_parcel = slots.index.to_numpy()[undivided & is_owner]
    by_parcel = by_parcel[np.argsort(slots["parcel"].to_numpy()[by_parcel], kind="stable")]
    merged = min(len(by_parcel) // 4, several)
    user[by_parcel[1 : 2 * merged : 2]] = by_parcel[: 2 * merged : 2] + 1
    # owners of further undivided parcels that have land of their own elsewhere
    sole = slots.index.to_numpy()[(slots["form"] == "owner").to_numpy() & is_owner]
    sole = sole[np.argsort(slots["parcel"].to_numpy()[sole], kind="stable")]
    joined = by_parcel[2 * merged : 3 * merged][: max(several - merged, 0)]
    pairs = len(sole) // 2
    chosen = drawn.permutation(pairs)[: several - merged]
    user[joined] = sole[2 * chosen[: len(joined)]]
    near = chosen[len(joined) :]
    user[sole[2 * near + 1]] = sole[2 * near]
    numbers, index = np.unique(user, return_inverse=True)
    return np.asarray(drawn.permutation(len(numbers))[index])


def _enterprises(land: Land, plots: Plots, slots: pd.DataFrame, town: pd.Series) -> pd.DataFrame:
    """All enterprises: first those with land, then shops, those that are gone, those unknown."""
    drawn = stream(land.seed, "enterprises")
    total = round(ENTERPRISES * land.scale)
    placed = int(slots["user"].max()) + 1
    shops, gone = round(_SHOPS * total), round(_GONE * total)
    number = np.arange(total)
    nothing = np.full(total, -1)
    table = pd.DataFrame(
        {
            "name_no": number,
            "name_way": PLAIN,
            "name_town": 0,
            "branch_town": 0,
            "old_name_no": -1,
            "code_kind": code_kinds(number).to_numpy(),
            "code_no": number,
            "is_above": drawn.random(total) < 0.1,
            "status": "存续",
            "township": drawn.integers(0, len(TOWNSHIPS), total),
            "shows_township": drawn.random(total) >= 0.05,
            "address_kind": drawn.choice(
                list(ADDRESS_KINDS), total, p=np.array(list(ADDRESS_KINDS.values()))
            ),
            "park_unit": -1,
            "shows_point": chance(land.seed, number, "has point") < 0.6,
            **dict.fromkeys((*SEAT_COLUMNS, "drawn_parcel", "hidden_parcel"), nothing),
        }
    )
    # who is registered on a parcel sits there, whatever else it has
    at = np.argsort(slots["evidence"] != "registry_parcel", kind="stable")
    main = slots.iloc[at].drop_duplicates("user").set_index("user").sort_index()
    table.loc[: placed - 1, "seat_parcel"] = main["parcel"]
    table.loc[: placed - 1, "township"] = town.reindex(main["parcel"]).to_numpy()
    table.loc[: placed - 1, "address_parcel"] = main["parcel"]
    for evidence, column in (
        ("registry_parcel", "registry_parcel"),
        ("registry_certificate", "registry_certificate"),
        ("footprint_drawn", "drawn_parcel"),
    ):
        found = slots[slots["evidence"] == evidence]
        # every parcel's certificate bears the parcel's number
        table.loc[found["user"], column] = found["parcel"].to_numpy()
    # the registry repeats what the right of an owner says, more often than not
    own = main[(main["evidence"] == "right_code") & (main["form"] != "undivided")]
    repeats = drawn.random(len(own))
    said = own[repeats < 0.4]
    table.loc[said.index, "registry_parcel"] = said["parcel"]
    said = own[repeats > 0.7]
    table.loc[said.index, "registry_certificate"] = said["parcel"]
    hidden = main[main["form"] == "hidden"]
    table.loc[hidden.index, "hidden_parcel"] = hidden["parcel"]
    # where only the point tells, the address is another one
    table.loc[hidden.index[hidden["evidence"] == "point"], "address_parcel"] = -1
    # names decide only with the township
    named = main[main["evidence"].isin(["right_name", "lease_name"])]
    table.loc[named.index, "shows_township"] = True
    shop_land = np.flatnonzero(~plots.is_industrial)
    shop = shop_land[:: max(len(shop_land) // max(shops, 1), 1)][:shops]
    there = number[placed : placed + len(shop)]
    table.loc[there, ["registry_parcel", "seat_parcel", "address_parcel"]] = np.stack(
        [shop] * 3, axis=-1
    )
    table.loc[there, "township"] = land.township[plots.cell[shop]]
    away = number[placed + shops : placed + shops + gone]
    table.loc[away, "status"] = np.where(np.arange(len(away)) % 3 == 0, "迁出", "注销")
    # where only the address tells, it is whole
    table.loc[hidden.index, "address_kind"] = "exact"
    tenants = slots[slots["form"] == "small_park"]
    unit = tenants.groupby("parcel").cumcount().to_numpy()
    table.loc[tenants["user"], "park_unit"] = unit
    table.loc[tenants["user"], "address_kind"] = "park"
    table["name_town"] = table["township"]
    _plant_names(land, plots, slots, table)
    return table


def _plant_names(land: Land, plots: Plots, slots: pd.DataFrame, table: pd.DataFrame) -> None:
    """Make some enterprises branches, persons, collectives, renamed, or nearly another by name."""
    drawn = stream(land.seed, "names")
    total = len(table)
    uses = slots.groupby("user").agg(
        count=("parcel", "size"),
        parcel=("parcel", "first"),
        form=("form", "first"),
        evidence=("evidence", "first"),
        share=("share", "first"),
        role=("role", "first"),
    )
    free = np.ones(total, dtype=bool)

    def take(fits: pd.Series, part: float) -> Ints:
        """Some who are nothing special yet, one at least where there is one."""
        numbers = fits.index.to_numpy()[fits.to_numpy(dtype=bool)]
        numbers = drawn.permutation(numbers[free[numbers]])[: max(1, round(part * total))]
        free[numbers] = False
        return numbers

    one = (uses["count"] == 1) & ~uses["form"].isin(["hidden", "small_park", "chain"])
    by_code = uses["evidence"].isin(["right_code", "lease_code"])

    is_own = one & (uses["form"] == "owner") & (uses["evidence"] == "right_code")
    owners = take(is_own & uses["share"].isna(), _COLLECTIVES)
    cell = plots.cell[uses["parcel"].loc[pd.Index(owners)].to_numpy()]
    village = land.township[cell] * 1000 + land.village[cell]
    _, first = np.unique(village, return_index=True)
    owners, village = owners[first], village[first]
    table.loc[owners, ["name_no", "code_no"]] = np.stack([village] * 2, axis=-1)
    table.loc[owners, ["name_way", "code_kind"]] = COLLECTIVE, "N2MF"

    by_name = one & (uses["evidence"] == "lease_name")
    people = take(by_name, _PERSONS / 2)
    # drawings are by credit code
    by_registry = one & (uses["role"] == "operator") & (uses["evidence"] == "registry_parcel")
    by_registry &= uses["form"] != "drawn"
    people = np.concatenate([people, take(by_registry, _PERSONS / 2)])
    table.loc[people, "name_way"] = PERSON
    table.loc[people, "code_kind"] = NO_CODE

    renamed = take(uses["form"].ne("chain") & by_code & ~uses["form"].eq("small_park"), _RENAMED)
    table.loc[renamed, "old_name_no"] = OLD_NAMES + renamed

    branches = take(one & ~uses["form"].eq("undivided"), _BRANCHES)
    is_company = enterprise_names(table["name_no"].to_numpy()).str.endswith("有限公司").to_numpy()
    heads = uses.index.to_numpy()[free[uses.index] & is_company[uses.index]]
    heads = drawn.permutation(heads)
    branches = branches[: len(heads)]
    heads = heads[: len(branches)]
    free[heads] = False
    _name_after(table, branches, heads, np.full(len(heads), BRANCH))
    table.loc[branches, "code_kind"] = "91MA"

    near = take(by_code & ~uses["form"].eq("chain"), _NEAR)
    # half of those whom they resemble are known by their names alone
    named = uses.index.to_numpy()[uses["evidence"].isin(["right_name", "lease_name"])]
    plain = (table["name_way"] == PLAIN).to_numpy() & (table["old_name_no"] < 0).to_numpy()
    named = drawn.permutation(named[free[named] & plain[named]])[: (len(near) + 1) // 2]
    others = uses.index.to_numpy()[free[uses.index] & plain[uses.index]]
    others = drawn.permutation(np.setdiff1d(others, named))
    like = np.concatenate([named, others])[: len(near)]
    near = near[: len(like)]
    # most of them have the same township, too
    town = table["township"].to_numpy()
    near, like = (those[np.argsort(town[those], kind="stable")] for those in (near, like))
    _name_after(table, near, like, np.array(NEAR_NAMES)[np.arange(len(near)) % len(NEAR_NAMES)])
    table.loc[near, "code_kind"] = "91MA"
    # no name comes twice
    is_again = names_of(table).duplicated(keep=False) & (table["name_way"] != PLAIN)
    twice = np.flatnonzero(is_again)
    table.loc[twice, "name_no"] = twice
    table.loc[twice, "name_way"] = PLAIN


def _name_after(table: pd.DataFrame, numbers: Ints, others: Ints, way: npt.NDArray[Any]) -> None:
    """Name enterprises after others."""
    table.loc[numbers, "name_no"] = table["name_no"].to_numpy()[others]
    table.loc[numbers, "name_way"] = way
    table.loc[numbers, "branch_town"] = table["township"].to_numpy()[numbers]
    table.loc[numbers, "name_town"] = table["name_town"].to_numpy()[others]


def enterprise_codes(enterprises: pd.DataFrame) -> pd.Series:
    """Codes of the enterprises by number: credit codes, registration numbers of those without.

    Shape:  the enterprises in; codes by number out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB 32100-2015.
    """
    kind, number = enterprises["code_kind"].to_numpy(), enterprises["code_no"].to_numpy()
    codes = np.full(len(enterprises), "", dtype=object)
    for word in np.unique(kind.astype(str)):
        at = np.flatnonzero(kind == word)
        if word == NO_CODE:
            codes[at] = registration_numbers(number[at])
        else:
            codes[at] = credit_codes(word, number[at])
    return pd.Series(codes, index=enterprises.index, dtype="str")


def names_of(enterprises: pd.DataFrame) -> pd.Series:
    """Names of enterprises by number.

    Shape:  the enterprises in; names by number out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: ``words.enterprise_names``.
    """
    return enterprise_names(
        enterprises["name_no"].to_numpy(),
        enterprises["name_way"].to_list(),
        enterprises["name_town"].to_numpy(),
        enterprises["branch_town"].to_numpy(),
    ).set_axis(enterprises.index)


def _holders(
    land: Land, plots: Plots, slots: pd.DataFrame, enterprises: pd.DataFrame
) -> pd.DataFrame:
    """Rights: those of the owners among the users, else of a village, company or person."""
    drawn = stream(land.seed, "rights")
    owners = slots[slots["role"] == "owner"]
    own = pd.DataFrame(
        {
            "parcel": owners["parcel"],
            "holder_kind": "enterprise",
            "holder": owners["user"],
            "shows_code": owners["evidence"] == "right_code",
            "share": owners["share"],
        }
    )
    part = own[own["share"] == 0.5].assign(holder_kind="outside", shows_code=True)
    others = np.setdiff1d(np.arange(len(plots.cell)), own["parcel"])
    kind = np.where(plots.is_industrial[others], "outside", "person").astype(object)
    form = slots.drop_duplicates("parcel").set_index("parcel")
    used = form["form"].reindex(others).to_numpy()
    evidence = form["evidence"].reindex(others).to_numpy()
    village = (used == "floor") | ((used == "tenant") & (drawn.random(len(others)) < 0.5))
    village |= (used == "conflict") & (drawn.random(len(others)) < 0.5)
    kind[village] = "village"
    kind[evidence == "registry_certificate"] = "former"
    collective = _collectives(land, plots, enterprises, others)
    signed = form["signed"].reindex(others).to_numpy()
    # in the registry is one who owns what it lets by signed areas; the rest it has sold
    lets = (kind == "village") & (collective >= 0)
    kind[lets] = "outside"
    lets &= (used == "tenant") & ~np.isnan(signed)
    kind[lets] = "enterprise"
    companies = max(5, round(200 * land.scale))
    others_table = pd.DataFrame(
        {
            "parcel": others,
            "holder_kind": kind,
            "holder": np.where(
                lets,
                collective,
                np.where(kind == "outside", drawn.integers(0, companies, len(others)), others),
            ),
            "shows_code": np.isin(kind, ["village", "outside", "enterprise"]),
            "share": np.nan,
        }
    )
    part["holder"] = drawn.integers(0, companies, len(part))
    table = pd.concat([own, part, others_table], ignore_index=True)
    table["state"] = "1"
    # nobody uses these; of some the right is history, of some the holder is gone
    parcel = table["parcel"].to_numpy()
    empty = np.flatnonzero(plots.is_industrial[parcel] & ~np.isin(parcel, slots["parcel"]))
    table.loc[empty[::5], "state"] = "2"
    gone = enterprises.index.to_numpy()[enterprises["status"] != "存续"]
    left = empty[1::5][: len(gone)]
    table.loc[left, "holder_kind"] = "enterprise"
    table.loc[left, "holder"] = gone[: len(left)]
    table.loc[left, "shows_code"] = True
    table = table.sort_values("parcel", kind="stable", ignore_index=True)
    table["certificate"] = table["parcel"]
    table["order"] = table.groupby("parcel").cumcount() + 1
    return table


def _collectives(land: Land, plots: Plots, enterprises: pd.DataFrame, parcels: Ints) -> Ints:
    """The collective of the village in which each parcel lies, -1 where the registry has none."""
    known = enterprises[enterprises["name_way"] == COLLECTIVE]
    cell = plots.cell[parcels]
    place = land.township[cell] * 1000 + land.village[cell]
    of_village = pd.Series(known.index, index=known["name_no"].to_numpy())
    return of_village.reindex(place).fillna(-1).to_numpy().astype(np.int64)


def _parcels(
    land: Land, plots: Plots, holders: pd.DataFrame, enterprises: pd.DataFrame
) -> pd.DataFrame:
    """Parcels with codes, addresses and registered areas."""
    drawn = stream(land.seed, "parcels")
    count = len(plots.cell)
    village_land = np.zeros(count, dtype=bool)
    first = holders.drop_duplicates("parcel")
    kind, holder = first["holder_kind"].to_numpy(), first["holder"].to_numpy()
    village_land[kind == "village"] = True
    owner = enterprises["name_way"].reindex(np.where(kind == "enterprise", holder, -1))
    village_land[(owner == COLLECTIVE).to_numpy()] = True
    township, village = land.township[plots.cell], land.village[plots.cell]
    place = pd.Series(township * 1000 + village)
    serial: Ints = place.groupby(place).cumcount().to_numpy().astype(np.int64) + 1
    home = ~plots.is_industrial
    feature = np.where(village_land, "JB", np.where(home & (drawn.random(count) < 0.7), "JC", "GB"))
    shop = home & (feature == "GB")
    older = plots.is_industrial & (drawn.random(count) < 0.1)
    plane = shapely.area(plots.shape)
    table = pd.DataFrame(
        {
            "code": parcel_codes(township, village, feature, serial),
            "feature": feature,
            "township": township,
            "village": village,
            "use": np.where(shop, "0501", np.where(home, "0702", np.where(older, "061", "0601"))),
            "location": locations(township, village, serial),
            "plane_m2": np.round(plane, 4),
            "home": np.where(plots.is_industrial, plots.home, -1),
            "partner": plots.partner,
            "twin": plots.twin,
            "is_industrial": plots.is_industrial,
            "shape": plots.shape,
        }
    )
    # a few have never been given an area by the register
    table["official_m2"] = np.where(drawn.random(count) < 0.01, np.nan, np.rint(plane * 100) / 100)
    return table


def parcel_codes(township: Ints, village: Ints, feature: object, serial: Ints) -> pd.Series:
    """Codes of parcels: township and village stand for cadastral district and subdistrict.

    Shape:  n townships (from 0), villages, features (GB, JB, JC) and serial numbers in; n codes of
            19 characters out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB/T 37346-2019.
    """
    head = pd.Series(np.array(TOWNSHIP_CODES, dtype=object)[township], dtype="str")
    kind = pd.Series(np.asarray(feature, dtype=object), dtype="str")
    return head + digits(village, 3) + kind + digits(serial, 5)


def _leases(
    land: Land, slots: pd.DataFrame, holders: pd.DataFrame, enterprises: pd.DataFrame
) -> pd.DataFrame:
    """Leases in force, and as many again that have lapsed or not begun."""
    drawn = stream(land.seed, "leases")
    used = slots[slots["role"].isin(["tenant", "sub_tenant"])]
    first = holders.drop_duplicates("parcel").set_index("parcel")
    holder = first.loc[used["parcel"]]
    is_sub = used["parent"].to_numpy() >= 0
    parent_user = slots["user"].to_numpy()[np.maximum(used["parent"].to_numpy(), 0)]
    size = len(used)
    start = np.datetime64("2018-01-01", "D") + drawn.integers(0, 2900, size)
    last = np.datetime64(DATE, "D") + drawn.integers(20, 3650, size)
    last = np.where(drawn.random(size) < 0.05, NEVER, last)
    now = pd.DataFrame(
        {
            "parcel": used["parcel"].to_numpy(),
            "lessor_kind": np.where(is_sub, "enterprise", holder["holder_kind"]),
            "lessor": np.where(is_sub, parent_user, holder["holder"]),
            "lessee": used["user"].to_numpy(),
            "shows_code": (used["evidence"] == "lease_code").to_numpy(),
            "signed": used["signed"].to_numpy(),
            "floor_m2": used["floor"].to_numpy(),
            "start": start,
            "last": last,
        }
    )
    # others rented on the same parcels before, or will
    unknown = enterprises.index.to_numpy()[
        (enterprises["seat_parcel"] < 0) & (enterprises["status"] == "存续")
    ]
    past = now.sample(frac=0.3, random_state=drawn).copy()
    past = past[past["lessor_kind"] != "enterprise"]
    past["lessee"] = drawn.choice(unknown, len(past)) if len(unknown) else past["lessee"]
    past["shows_code"] = True
    is_future = drawn.random(len(past)) < 0.2
    began = past["start"].to_numpy().astype("datetime64[D]")
    past["start"] = np.where(is_future, np.datetime64(DATE, "D") + 400, began - 1000)
    past["last"] = np.where(is_future, np.datetime64(DATE, "D") + 2000, began - 100)
    table = pd.concat([now, past], ignore_index=True)
    table["number"] = np.arange(1, len(table) + 1)
    return table


def _footprints(
    land: Land, plots: Plots, slots: pd.DataFrame, enterprises: pd.DataFrame
) -> pd.DataFrame:
    """Buildings on the parcels, and land drawn for enterprises; each within its parcel."""
    drawn = stream(land.seed, "footprints")
    total = round(FOOTPRINTS * land.scale)
    plain = ~np.isnan(plots.box[:, 0])
    lands: list[tuple[Ints, Ints, Shapes]] = []
    by_form = slots[slots["form"] == "drawn"]
    for role, part in (("owner", (0.04, 0.06, 0.48, 0.94)), ("operator", (0.52, 0.06, 0.96, 0.94))):
        found = by_form[by_form["role"] == role]
        parcel = found["parcel"].to_numpy()
        lands.append(
            (
                parcel,
                found["user"].to_numpy(),
                shapes_within(land, plots.box[parcel], part, SQUARE_RING),
            )
        )
    known = enterprises.index.to_numpy()[enterprises["drawn_parcel"] >= 0]
    parcel = enterprises["drawn_parcel"].to_numpy()[known]
    lands.append(
        (
            parcel,
            known,
            shapes_within(land, plots.box[parcel], (0.05, 0.06, 0.95, 0.94), SQUARE_RING),
        )
    )
    industrial = np.flatnonzero(plots.is_industrial & plain)
    homes = np.flatnonzero(~plots.is_industrial)
    left = total - sum(len(parcel) for parcel, *_ in lands) - 2 * len(industrial)
    homes = np.sort(drawn.permutation(homes)[: max(left, 0)])
    # where one enterprise has a parcel, its buildings often bear its code, if it has one
    # not of tenants, who leave, nor of those whom a code must not place
    alone = slots[slots["form"].isin(["owner", "operator"]) & (slots["evidence"] != "right_name")]
    alone = alone[(enterprises["code_kind"].loc[alone["user"]] != NO_CODE).to_numpy()]
    user = pd.Series(-1, index=np.arange(len(plots.cell)))
    user[alone["parcel"]] = alone["user"].to_numpy()
    buildings = [
        (industrial, l_shapes(land, plots.box[industrial], (0.1, 0.2, 0.42, 0.8))),
        (industrial, l_shapes(land, plots.box[industrial], (0.58, 0.2, 0.88, 0.75))),
        (homes, l_shapes(land, plots.box[homes], (0.2, 0.2, 0.8, 0.8))),
    ]
    built = np.concatenate([parcel for parcel, _ in buildings])
    coded = np.where(drawn.random(len(built)) < 0.4, user[built].to_numpy(), -1)
    shape = np.concatenate([s for _, _, s in lands] + [s for _, s in buildings])
    land_count = sum(len(parcel) for parcel, *_ in lands)
    floors = drawn.integers(1, 6, len(shape)).astype(np.float64)
    floors[:land_count] = np.nan
    return pd.DataFrame(
        {
            "parcel": np.concatenate([p for p, *_ in lands] + [built]),
            "enterprise": np.concatenate([u for _, u, _ in lands] + [coded]),
            "kind": np.where(np.arange(len(shape)) < land_count, "用地", "建筑"),
            "floors": floors,
            "plane_m2": np.round(shapely.area(shape), 4),
            "shape": shape,
        }
    )


def _figures(
    land: Land, enterprises: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Indicators, official scores, recognitions and electricity accounts."""
    drawn = stream(land.seed, "figures")
    # the figures are by credit code
    works = (enterprises["status"] == "存续") & (enterprises["code_kind"] != NO_CODE)
    working = enterprises.index.to_numpy()[works]
    measured = working[drawn.random(len(working)) < 0.9]
    size = len(measured)
    scale = np.exp(drawn.normal(0, 1, size)) * np.where(enterprises["is_above"][measured], 12, 1)
    noise = np.exp(drawn.normal(0, 0.4, (6, size)))
    indicators = pd.DataFrame(
        {
            "enterprise": measured,
            "year": YEAR,
            "税收实际贡献（万元）": np.round(30 * scale * noise[0], 2),
            "营业收入（万元）": np.round(900 * scale * noise[1], 2),
            "工业增加值（万元）": np.round(210 * scale * noise[2], 2),
            "研发费用（万元）": np.round(25 * scale * noise[3], 2),
            "用电量（千瓦时）": np.round(150_000 * scale * noise[4], 0),
            "年平均职工人数": np.round(5 + 12 * scale * noise[5], 0),
        }
    )
    indicators = indicators.assign(**_discharges(land, enterprises, measured, scale))
    scored = measured[drawn.random(size) < 0.9]
    score = np.round(np.clip(drawn.normal(66, 14, len(scored)), 5, 99.9), 1)
    grade = np.array(["D", "C", "B", "A"])[np.searchsorted([40.0, 65.0, 85.0], score, side="right")]
    scores = pd.DataFrame({"enterprise": scored, "year": YEAR, "score": score, "grade": grade})
    return (
        indicators,
        scores,
        _recognitions(drawn, working),
        _accounts(drawn, enterprises, working),
    )


def _discharges(
    land: Land, enterprises: pd.DataFrame, measured: Ints, scale: Floats
) -> dict[str, Floats]:
    """Energy of the larger enterprises, and what nine in ten of these discharge; NaN for the others."""
    drawn = stream(land.seed, "discharges")
    size = len(measured)
    noise = np.exp(drawn.normal(0, 0.4, (5, size)))
    is_above = enterprises["is_above"].to_numpy()[measured]
    reports = is_above & (drawn.random(size) < 0.9)
    tonnes = {"化学需氧量": 0.02, "氨氮": 0.002, "二氧化硫": 0.008, "氮氧化物": 0.012}
    table = {"综合能耗（吨标准煤）": np.where(is_above, np.round(80 * scale * noise[0], 2), np.nan)}
    for number, (name, mean) in enumerate(tonnes.items(), start=1):
        table[f"{name}（吨）"] = np.where(
            reports, np.round(mean * scale * noise[number], 4), np.nan
        )
    return table


def _recognitions(drawn: np.random.Generator, working: Ints) -> pd.DataFrame:
    """Transitions in force and over, and titles."""
    mixed = drawn.permutation(working)
    cuts = np.cumsum([round(part * len(mixed)) for part in (0.04, 0.01, 0.08, 0.05)])
    kinds = ("过渡期", "过渡期", "高新技术企业", "专精特新中小企业")
    tables = []
    for number, (kind, chosen) in enumerate(zip(kinds, np.split(mixed, cuts)[:4], strict=True)):
        size = len(chosen)
        start = np.datetime64("2024-07-01", "D") + drawn.integers(0, 500, size)
        last = np.datetime64(DATE, "D") + drawn.integers(2, 900, size)
        if number == 1:
            start, last = start - 1500, start - 500
        tables.append(
            pd.DataFrame({"enterprise": chosen, "kind": kind, "start": start, "last": last})
        )
    return pd.concat(tables, ignore_index=True)


def _accounts(drawn: np.random.Generator, enterprises: pd.DataFrame, working: Ints) -> pd.DataFrame:
    """Electricity accounts: one or two for nine in ten; three of five name the parcel."""
    chosen = working[drawn.random(len(working)) < 0.9]
    twice = chosen[drawn.random(len(chosen)) < 0.2]
    owner = np.concatenate([chosen, twice])
    parcel = enterprises["address_parcel"].to_numpy()[owner]
    # not of those whom nothing but address or point places
    names = (parcel >= 0) & (enterprises["hidden_parcel"].to_numpy()[owner] < 0)
    names &= drawn.random(len(owner)) < _ACCOUNT_PARCELS
    return pd.DataFrame({"enterprise": owner, "parcel": parcel, "names_parcel": names})


def reference_area(parcels: pd.DataFrame) -> pd.Series:
    """Reference area of parcels: the registered one, else the plane one.

    Shape:  parcels in; areas by parcel out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 2.
    """
    return parcels["official_m2"].fillna(parcels["plane_m2"])


def _signed_mu(parcels: pd.DataFrame, leases: pd.DataFrame) -> Floats:
    """Leased land as the contracts state it, in hundredths of a mu, NaN for none."""
    area = reference_area(parcels).reindex(leases["parcel"]).to_numpy()
    return np.asarray(np.round(leases["signed"].to_numpy() * area / MU_M2, 2))
