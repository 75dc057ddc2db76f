"""Where following the lineage could go wrong: what stands beside it, what a person says, what comes late."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import psycopg
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT
from shapely.geometry import box
from sqlalchemy import text
from test_lineage import FOURTH_NIGHT, P02, P21, THIRD_NIGHT, Register, new_code
from test_lineage import register as register  # noqa: PLC0414 - the fixture

from pipeline.demo.township import official_code
from pipeline.offices import office_page
from pipeline.outputs.sheets import write_sheet
from pipeline.run import contracts_of

P03, P05, P06, P07 = (official_code(name) for name in ("P03", "P05", "P06", "P07"))
LEASES = "租赁.xlsx"
RIGHTS = "权利人.xlsx"


def table(register: Register, name: str) -> pd.DataFrame:
    folder = register.township.settings.workspace / "inbox" / FIRST_NIGHT.isoformat()
    return pd.read_excel(folder / name, dtype=str)


def deliver(register: Register, day: dt.date, name: str, rows: pd.DataFrame) -> None:
    folder = register.township.settings.workspace / "inbox" / day.isoformat()
    folder.mkdir(exist_ok=True)
    rows.to_excel(folder / name, index=False)


def decide(register: Register, kind: str, firm: str, parcel: str) -> None:
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, reason, author)"
                " VALUES (:k, :e, :p, 'seen', 'Li')"
            ),
            {"k": kind, "e": firm, "p": parcel},
        )


@pytest.mark.parametrize("parts", [1, 2])
def test_a_person_may_refuse_what_followed(register: Register, parts: int) -> None:
    """A link that a person had accepted follows the land; then somebody refuses it there."""
    firm = official_code("E08")
    decide(register, "accept_link", firm, P21)
    land = register.land(P21)
    west, south, east, north = land.bounds
    half = (west + east) / 2
    lands = [land] if parts == 1 else [box(west, south, half, north), box(half, south, east, north)]
    codes = [new_code("P21", number) for number in range(1, parts + 1)]
    register.replace([P21], dict(zip(codes, lands, strict=True)))
    register.night(SECOND_NIGHT)
    assert firm in {row[0] for row in register.users(*codes)}
    for code in codes:
        decide(register, "reject_link", firm, code)
    register.township.run(THIRD_NIGHT)
    assert (firm, "accepted") not in {(row[0], row[3]) for row in register.users(*codes)}
    register.is_sound()


def test_a_newer_lease_by_name_makes_the_old_one_a_question(register: Register) -> None:
    """E02, who owns land elsewhere, rents on P03 by code; after the renumbering a new lease names it only."""
    leases = table(register, LEASES)
    number, parcel, _, _, code, name, land, *_ = leases.columns
    old = leases[leases[number] == "ZL-002"].copy()
    old[number], old[code], old[name], old[land] = (
        "ZL-900",
        official_code("E02"),
        "青岚霁月电机有限公司",
        None,
    )
    deliver(register, SECOND_NIGHT, LEASES, pd.concat([leases, old]))
    register.township.run(SECOND_NIGHT)
    new = new_code("P03", 1)
    register.replace([P03], {new: register.land(P03)})
    newer = old.copy()
    newer[number], newer[code], newer[parcel] = "ZL-901", None, new
    deliver(register, THIRD_NIGHT, LEASES, pd.concat([leases, old, newer]))
    register.night(THIRD_NIGHT)
    asked = [row for row in register.users(new) if row[0] == official_code("E02")]
    assert [row[3] for row in asked] == ["review"]
    register.is_sound()


def test_a_lease_that_has_not_begun_takes_nobodys_place(register: Register) -> None:
    before = register.users(P03)
    leases = table(register, LEASES)
    number, parcel, *_, begins, ends = leases.columns
    new = new_code("P03", 1)
    register.replace([P03], {new: register.land(P03)})
    later = leases[leases[number] == "ZL-002"].copy()
    later[number], later[parcel], later[begins], later[ends] = (
        "ZL-900",
        new,
        "2027-01-01",
        "2028-12-31",
    )
    deliver(register, SECOND_NIGHT, LEASES, pd.concat([leases, later]))
    register.night(SECOND_NIGHT)
    assert register.users(new) == before
    register.is_sound()


def test_an_old_right_of_a_neighbour_is_no_newer_word(register: Register) -> None:
    """P06 goes into P07, which keeps its code and the right that it has had for years."""
    owners = {row[0] for row in register.users(P06, P07)}
    register.replace([P06, P07], {P07: register.land(P06).union(register.land(P07))})
    register.night(SECOND_NIGHT)
    assert {row[0] for row in register.users(P07)} == owners
    assert register.issues(P06) == {"lineage.followed"}
    register.is_sound()


def test_one_holder_who_merges_two_parcels_has_all_of_it(register: Register) -> None:
    """Each right was to the whole of its parcel; together they are the whole of the new one."""
    rights = table(register, RIGHTS)
    code = rights.columns[0]
    mine = rights[code].isin([P06, P07])
    holder = rights.loc[rights[code] == P06].iloc[0]
    for column in ("QLRMC", "ZJH"):
        rights.loc[mine, column] = holder[column]
    rights.loc[mine, "共有份额"] = "100%"
    deliver(register, SECOND_NIGHT, RIGHTS, rights)
    register.township.run(SECOND_NIGHT)
    new = new_code("P06", 1)
    register.replace([P06, P07], {new: register.land(P06).union(register.land(P07))})
    register.night(THIRD_NIGHT)
    area = register.ask("SELECT reference_area_m2 FROM core.parcel WHERE parcel_code = :c", c=new)[
        0
    ][0]
    assert [(row[3], row[4]) for row in register.users(new)] == [("accepted", area)]
    register.is_sound()


def test_what_was_said_of_a_part_is_not_said_of_the_whole(register: Register) -> None:
    """P06 (2,000 m2) with a corrected use goes into a parcel with P05 (5,000 m2)."""
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, new_value, reason, author)"
                " VALUES ('parcel', :c, 'land_use_code', '0901', 'seen', 'Li')"
            ),
            {"c": P06},
        )
    new = new_code("P05", 1)
    register.replace([P05, P06], {new: register.land(P05).union(register.land(P06))})
    register.night(SECOND_NIGHT)
    assert register.ask(
        "SELECT land_use_code, cardinality(correction_ids) FROM core.parcel WHERE parcel_code = :c",
        c=new,
    ) == [("0601", 0)]
    assert "correction.stale" in register.issues(P06)
    register.is_sound()


def test_a_successor_may_come_a_night_later(register: Register) -> None:
    before = register.users(P02)
    row = register.parcels[register.parcels["ZDDM"] == P02].copy()
    register.parcels = register.parcels[register.parcels["ZDDM"] != P02]
    register.night(SECOND_NIGHT)
    assert register.issues(P02) == {"lineage.no_successor"}
    new = new_code("P02", 1)
    row["ZDDM"], row["BDCDYH"] = new, f"{new}W00000000"
    register.parcels = pd.concat([register.parcels, row], ignore_index=True)
    register.night(FOURTH_NIGHT)
    assert register.lineage() == {(P02, new): "renumbered"}
    assert register.users(new) == before
    register.is_sound()


def test_whoever_enters_by_hand_cannot_say_that_it_was_checked(register: Register) -> None:
    values = {"key": P02, "hash": "x"}
    with psycopg.connect(register.township.dsn) as connection:
        connection.execute("SET ROLE diqi_reviewer")
        with pytest.raises(psycopg.Error, match="does not fit"):
            connection.execute(
                "INSERT INTO core.correction (feed, key, field, new_value, reason, author, content_hash)"
                " VALUES ('parcel', %(key)s, 'official_area_m2', 'abc', 'x', 'x', %(hash)s)",
                values,
            )
    for field, value, until in (
        ("official_area_m2", "9" * 400, None),
        ("location", "x", "infinity"),
        ("location", "x", "20260-06-30"),
    ):
        with psycopg.connect(register.township.dsn) as connection, pytest.raises(psycopg.Error):
            connection.execute(
                "INSERT INTO core.correction (feed, key, field, new_value, reason, valid_until)"
                " VALUES ('parcel', %s, %s, %s, 'x', %s)",
                (P02, field, value, until),
            )
    assert register.ask("SELECT count(*) FROM core.correction") == [(0,)]


def test_a_control_character_leaves_the_sheet_readable(register: Register) -> None:
    settings = register.township.settings
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, new_value, reason, author)"
                " VALUES ('parcel', :c, 'location', 'y', :r, 'Li')"
            ),
            {"c": P02, "r": "seen\x0bhere"},
        )
        page = office_page(connection, contracts_of(settings), "land", SECOND_NIGHT)
    path = settings.workspace / "sheet.xlsx"
    write_sheet(page, path)
    assert "seen here" in pd.read_excel(path, sheet_name="纠偏", header=1)["理由"].tolist()
