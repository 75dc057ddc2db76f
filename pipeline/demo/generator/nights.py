"""What changes from one night to the next: about 0.5 % of the records.

Parcels are split, merged and renumbered, leases end, enterprises move, change their name, close
or are new. A night is a function of the state before it, the seed and its number.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
import shapely

from pipeline.demo.generator.cover import Base, main_township, overlay
from pipeline.demo.generator.economy import (
    ADDRESS_KINDS,
    FIRST_DAY,
    NEW_NAMES,
    SEAT_COLUMNS,
    WHOLE_ADDRESSES,
    State,
    parcel_codes,
)
from pipeline.demo.generator.land import Land
from pipeline.demo.generator.lattice import DECIMALS, stream
from pipeline.demo.generator.noise import Ints
from pipeline.demo.generator.survey import Shapes
from pipeline.demo.generator.words import COLLECTIVE, PLAIN, code_kinds

# How many at scale 1; together some 300 parcels and 65 enterprises of 60,000 and 13,000.
_SPLITS: Final = 60
_MERGERS: Final = 50
_RENUMBERED: Final = 100
_ENDED_LEASES: Final = 15
_MOVES: Final = 15
_RENAMED: Final = 20
_CLOSED: Final = 12
_NEW: Final = 15
_NEW_NAME_PLACES: Final = 40_000
_NEW_CODES: Final = 50_000


def next_night(land: Land, base: Base, state: State, night: int) -> State:
    """Let a night pass.

    Shape:  the land, its industrial base, the state of the day before and the number of the night
            in; the state of the day after out; what comes in stays as it is.
    Units:  m2.
    CRS:    EPSG:4549.
    Errors: none.
    Source: default chosen; parcel codes are never used again (GB/T 37346-2019).
    """
    drawn = stream(land.seed, "night", night)
    after = replace(
        state,
        day=FIRST_DAY + dt.timedelta(days=night),
        parcels=state.parcels.copy(),
        rights=state.rights.copy(),
        leases=state.leases.copy(),
        enterprises=state.enterprises.copy(),
    )

    def some(numbers: Ints, at_scale_1: int) -> Ints:
        """Choose among numbers as many as the scale asks for, at least one where there is one."""
        count = min(max(1, round(at_scale_1 * land.scale)), len(numbers))
        return drawn.permutation(np.unique(numbers))[:count]

    _merge(after, some(_mergeable(after), _MERGERS))
    _split(after, base, some(_simple(after), _SPLITS), drawn)
    _renumber(after, some(after.parcels.index.to_numpy(), _RENUMBERED))
    _end_leases(after, some(_endable(after), _ENDED_LEASES))
    vacant = drawn.permutation(_vacant(after))
    movers = some(_movable(after), _MOVES)
    movers = movers[: len(vacant) // 2]
    _move(after, base, movers, vacant[: len(movers)])
    vacant = vacant[len(movers) :]
    firms = after.enterprises
    is_village = firms["name_way"] == COLLECTIVE
    working = firms.index.to_numpy()[(firms["status"] == "存续") & ~is_village]
    plain = working[(firms["name_way"].loc[working] == PLAIN).to_numpy()]
    _rename(after, some(plain, _RENAMED), night)
    _close(after, some(working, _CLOSED), drawn)
    fresh = vacant[: max(1, round(_NEW * land.scale))]
    _found(after, base, fresh)
    return after


def simple_owners(state: State) -> pd.DataFrame:
    """Rights of single users: a working owner, no lease ever, nobody else, no overlap.

    Shape:  the state in; rows of its rights out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    rights = state.rights[(state.rights["state"] == "1")]
    alone = rights[~rights["parcel"].duplicated(keep=False)]
    parcels = state.parcels
    whole = parcels.index[parcels["is_industrial"] & (parcels["partner"] < 0)]
    enterprises = state.enterprises
    alone = alone[
        (alone["holder_kind"] == "enterprise")
        & alone["shows_code"]
        & alone["share"].isna()
        & alone["parcel"].isin(whole)
        & ~alone["parcel"].isin(state.leases["parcel"])
    ]
    alone = alone[(enterprises["status"].loc[alone["holder"]] == "存续").to_numpy()]
    # villages stay where they are
    alone = alone[(enterprises["name_way"].loc[alone["holder"]] != COLLECTIVE).to_numpy()]
    # nobody else names the parcel
    others = enterprises.melt(
        value_vars=["registry_parcel", "registry_certificate", "drawn_parcel", "seat_parcel"],
        ignore_index=False,
    )
    holder = alone.set_index("parcel")["holder"].reindex(others["value"]).to_numpy()
    foreign = others["value"][~np.isnan(holder) & (holder != others.index.to_numpy())]
    return alone[~alone["parcel"].isin(foreign)]


def _simple(state: State) -> Ints:
    """Parcels that can be divided without a question."""
    return simple_owners(state)["parcel"].to_numpy()


def _mergeable(state: State) -> Ints:
    """Parcels with a simple owner whose neighbour beyond the common border has one, too.

    The neighbour's owner leaves: no bill of electricity may still name the parcel.
    """
    simple = _simple(state)
    twin = state.parcels["twin"].reindex(simple).to_numpy()
    billed = np.isin(twin, state.accounts.loc[state.accounts["names_parcel"], "parcel"])
    return simple[np.isin(twin, simple) & (simple < twin) & ~billed]


def _movable(state: State) -> Ints:
    """Simple owners whom no bill of electricity would still place where they were."""
    holder = np.unique(simple_owners(state)["holder"])
    accounts = state.accounts
    return np.setdiff1d(holder, accounts.loc[accounts["names_parcel"], "enterprise"])


def _vacant(state: State) -> Ints:
    """Industrial parcels that nobody uses."""
    rights, enterprises = state.rights, state.enterprises
    working = enterprises.index[enterprises["status"] == "存续"]
    held = rights[(rights["holder_kind"] == "enterprise") & (rights["state"] == "1")]
    held = held[held["holder"].isin(working)]
    parcels = state.parcels
    used = np.concatenate(
        [
            held["parcel"],
            state.leases["parcel"],
            *(
                enterprises[column]
                for column in ("registry_parcel", "registry_certificate", "seat_parcel")
            ),
            parcels["partner"],
        ]
    )
    free = parcels.index[parcels["is_industrial"] & (parcels["partner"] < 0)]
    return np.setdiff1d(free.to_numpy(), used)


def _endable(state: State) -> Ints:
    """Rows of leases in force from which nobody else has a lease.

    Not of lessees of whom a building stands on land that they left: it would place them there.
    """
    day = np.datetime64(state.day, "D")
    leases = state.leases
    lessors = leases[leases["lessor_kind"] == "enterprise"]
    has_sub = pd.MultiIndex.from_frame(leases[["parcel", "lessee"]]).isin(
        pd.MultiIndex.from_frame(lessors[["parcel", "lessor"]])
    )
    in_force = (leases["start"] <= day) & (day <= leases["last"])
    builds = leases["lessee"].isin(state.footprints["enterprise"])
    # nor of those whom a bill of electricity or half an address might place there
    accounts = state.accounts
    pays = leases["lessee"].isin(accounts.loc[accounts["names_parcel"], "enterprise"])
    lessee = state.enterprises.loc[leases["lessee"]]
    kind = lessee["address_kind"]
    vague = kind.isin(WHOLE_ADDRESSES) & (kind != "exact") & ~lessee["shows_point"]
    return np.flatnonzero(in_force & ~has_sub & ~builds & ~pays & ~vague.to_numpy())


def _give_numbers(state: State, count: int) -> tuple[Ints, Ints]:
    """Numbers for new parcels, and serial numbers of their codes."""
    number = state.next_parcel + np.arange(count)
    serial = _NEW_CODES + (state.next_code + np.arange(count)) % _NEW_CODES
    state.next_parcel += count
    state.next_code += count
    return number, serial


def _put(state: State, old: Ints, shape: Shapes, suffix: str) -> Ints:
    """Add parcels made of old ones, with new codes; the old ones stay for the caller to remove."""
    number, serial = _give_numbers(state, len(old))
    table = state.parcels.loc[old].copy()
    table.index = pd.Index(number)
    table["code"] = parcel_codes(
        table["township"].to_numpy(),
        table["village"].to_numpy(),
        table["feature"].to_numpy(),
        serial,
    ).to_numpy()
    table["location"] += suffix
    table["shape"] = shape
    plane = shapely.area(shape)
    table["plane_m2"], table["official_m2"] = np.round(plane, 4), np.rint(plane * 100) / 100
    table["twin"] = -1
    state.parcels = pd.concat([state.parcels, table])
    return number


def _remove(state: State, parcels: Ints) -> None:
    """Take parcels and their rights away."""
    state.parcels = state.parcels.drop(parcels)
    state.rights = state.rights[~state.rights["parcel"].isin(parcels)]


def _register(state: State, parcel: Ints, holder: Ints) -> None:
    """Register enterprises as owners of parcels, by credit code."""
    rows = pd.DataFrame(
        {
            "parcel": parcel,
            "holder_kind": "enterprise",
            "holder": holder,
            "shows_code": True,
            "share": np.nan,
            "state": "1",
            "certificate": parcel,
            "order": 1,
        }
    )
    state.rights = pd.concat([state.rights, rows], ignore_index=True)


def _follow(state: State, old: Ints, new: Ints) -> None:
    """Let what enterprises say about old parcels say the same about new ones."""
    way = pd.Series(new, index=old)
    for column in SEAT_COLUMNS:
        named = state.enterprises[column]
        found = named[named.isin(old)]
        state.enterprises.loc[found.index, column] = way.loc[found].to_numpy()


def _merge(state: State, first: Ints) -> None:
    """Merge neighbours: the first one's owner has the whole, the second one's moves away."""
    second = state.parcels["twin"].loc[pd.Index(first)].to_numpy()
    owner = simple_owners(state).set_index("parcel")["holder"]
    keeper, leaver = (owner.loc[pd.Index(number)].to_numpy() for number in (first, second))
    shape = shapely.union(*(_shapes(state, number) for number in (first, second)))
    number = _put(state, first, shape, "")
    _remove(state, np.concatenate([first, second]))
    _register(state, number, keeper)
    _follow(state, first, number)
    moved = np.setdiff1d(leaver, keeper)
    # who has land elsewhere stays in business
    others = state.rights[(state.rights["holder_kind"] == "enterprise")]["holder"]
    elsewhere = np.isin(moved, others) | np.isin(moved, state.leases["lessee"])
    state.enterprises.loc[moved[~elsewhere], "status"] = "迁出"
    _forget(state, moved)
    _forget(state, keeper[np.isin(keeper, leaver)])


def _forget(state: State, enterprises: Ints) -> None:
    """Let enterprises no longer speak of parcels that are no more."""
    gone = ~state.enterprises.loc[enterprises].isin(state.parcels.index)
    for column in SEAT_COLUMNS:
        chosen = gone.index[gone[column]]
        state.enterprises.loc[chosen, column] = -1


def _split(state: State, base: Base, parcels: Ints, drawn: np.random.Generator) -> None:
    """Divide parcels by a line; the owner keeps the west, the east goes to it or to a new firm."""
    shape = _shapes(state, parcels)
    west, south, east, north = shapely.bounds(shape).T
    middle = np.round(west + (east - west) * drawn.uniform(0.35, 0.65, len(shape)), DECIMALS)
    left = shapely.box(west - 1, south - 1, middle, north + 1)
    right = shapely.box(middle, south - 1, east + 1, north + 1)
    halves = [_rounded(shapely.intersection(shape, side)) for side in (left, right)]
    whole = [shapely.get_type_id(half) == 3 for half in halves]
    good = whole[0] & whole[1]
    parcels, halves = parcels[good], [half[good] for half in halves]
    owner = simple_owners(state).set_index("parcel")["holder"].loc[pd.Index(parcels)].to_numpy()
    first = _put(state, parcels, halves[0], "甲")
    second = _put(state, parcels, halves[1], "乙")
    _remove(state, parcels)
    # a rounded corner of the line may lie a hair beside a side that is the patch's own
    state.parcels.loc[np.concatenate([first, second]), "home"] = -1
    _register(state, first, owner)
    _follow(state, parcels, first)
    is_new = np.arange(len(parcels)) % 2 == 0
    _register(state, second[~is_new], owner[~is_new])
    _found(state, base, second[is_new], has_right=False)


def _shapes(state: State, parcels: Ints) -> Shapes:
    """The polygons of parcels."""
    return state.parcels["shape"].loc[pd.Index(parcels)].to_numpy()


def _rounded(shapes: Shapes) -> Shapes:
    """Round the corners of shapes to those that files hold."""
    return np.asarray(shapely.transform(shapes, lambda places: np.round(places, DECIMALS)))


def _renumber(state: State, parcels: Ints) -> None:
    """Give parcels new codes; everything that names them follows."""
    _, serial = _give_numbers(state, len(parcels))
    table = state.parcels.loc[parcels]
    state.parcels.loc[parcels, "code"] = parcel_codes(
        table["township"].to_numpy(),
        table["village"].to_numpy(),
        table["feature"].to_numpy(),
        serial,
    ).to_numpy()


def _end_leases(state: State, rows: Ints) -> None:
    """End leases on the day before."""
    last = np.datetime64(state.day, "D") - 1
    state.leases.loc[rows, "last"] = np.minimum(
        state.leases.loc[rows, "last"].to_numpy().astype("datetime64[D]"), last
    )


def _move(state: State, base: Base, enterprises: Ints, parcels: Ints) -> None:
    """Move enterprises from what they own to other parcels; the old rights become history."""
    rights = state.rights
    old = (rights["holder_kind"] == "enterprise") & rights["holder"].isin(enterprises)
    state.rights.loc[old, "state"] = "2"
    state.rights.loc[rights["parcel"].isin(parcels), "state"] = "2"
    _register(state, parcels, enterprises)
    _settle(state, base, enterprises, parcels)


def _rename(state: State, enterprises: Ints, night: int) -> None:
    """Give enterprises new names, in the registry and wherever they are named."""
    place = (enterprises + 1009 * night) % _NEW_NAME_PLACES
    state.enterprises.loc[enterprises, "name_no"] = NEW_NAMES + place


def _close(state: State, enterprises: Ints, drawn: np.random.Generator) -> None:
    """Close enterprises, or let them leave the county."""
    status = np.where(drawn.random(len(enterprises)) < 0.7, "注销", "迁出")
    state.enterprises.loc[enterprises, "status"] = status


def _found(state: State, base: Base, parcels: Ints, *, has_right: bool = True) -> None:
    """Found enterprises on parcels; a right that others had there becomes history."""
    first = int(state.enterprises.index.max()) + 1
    number = first + np.arange(len(parcels))
    town = state.parcels["township"].loc[pd.Index(parcels)].to_numpy()
    rows = pd.DataFrame(
        {
            "name_no": number,
            "name_way": PLAIN,
            "name_town": town,
            "branch_town": 0,
            "old_name_no": -1,
            "code_kind": code_kinds(number).to_numpy(),
            "code_no": number,
            "address_kind": np.array(list(ADDRESS_KINDS))[number % len(ADDRESS_KINDS)],
            "park_unit": -1,
            "shows_point": number % 5 < 3,
            "is_above": False,
            "status": "存续",
            "township": 0,
            "shows_township": True,
            "drawn_parcel": -1,
            "hidden_parcel": -1,
        },
        index=pd.Index(number),
    )
    for column in SEAT_COLUMNS:
        rows[column] = -1
    state.enterprises = pd.concat([state.enterprises, rows[state.enterprises.columns]])
    if has_right:
        state.rights.loc[state.rights["parcel"].isin(parcels), "state"] = "2"
    _register(state, parcels, number)
    _settle(state, base, number, parcels)


def _settle(state: State, base: Base, enterprises: Ints, parcels: Ints) -> None:
    """Enter the seat of enterprises in the registry."""
    land = state.parcels.loc[parcels]
    pieces = overlay(base, parcels, land["shape"].to_numpy(), land["home"].to_numpy())
    town = main_township(base, pieces).reindex(parcels).fillna(land["township"])
    for column in ("registry_parcel", "address_parcel", "seat_parcel"):
        state.enterprises.loc[enterprises, column] = parcels
    state.enterprises.loc[enterprises, "registry_certificate"] = -1
    state.enterprises.loc[enterprises, "township"] = town.astype(np.int64).to_numpy()
