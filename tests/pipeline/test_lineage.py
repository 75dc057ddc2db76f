"""One code through time: what names a parcel that is no more counts for what came of it, or is asked."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from conftest import SECOND_NIGHT, Township
from shapely import affinity
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from sqlalchemy import text

from pipeline.demo.township import official_code
from pipeline.explain import explain, render
from pipeline.publication import change_delivery
from pipeline.selfcheck import check_database

Make = Callable[..., Township]
Rows = list[tuple[Any, ...]]

THIRD_NIGHT = SECOND_NIGHT + dt.timedelta(days=1)
FOURTH_NIGHT = SECOND_NIGHT + dt.timedelta(days=2)


def new_code(name: str, number: int) -> str:
    """A code in the sub-district of a parcel of the drawing that no parcel of it has."""
    return f"{official_code(name)[:14]}{90000 + number}"


class Register:
    """The cadastre of the hand-drawn township, delivered whole each night."""

    def __init__(self, township: Township) -> None:
        self.township = township
        file = next((township.settings.workspace / "inbox").rglob("ZD.shp"))
        self.parcels = gpd.read_file(file, encoding="gb18030")

    def land(self, code: str) -> BaseGeometry:
        return self.parcels.set_index("ZDDM").geometry[code]

    def replace(self, old: Iterable[str], new: dict[str, BaseGeometry]) -> None:
        """Take parcels out and put others in, with the attributes of the first taken out."""
        gone = self.parcels["ZDDM"].isin(list(old))
        like = self.parcels[gone].iloc[[0] * len(new)].copy()
        like["ZDDM"] = list(new)
        like["BDCDYH"] = [f"{code}W00000000" for code in new]
        like["ZDMJ"] = [round(land.area, 2) for land in new.values()]
        like["geometry"] = list(new.values())
        self.parcels = pd.concat([self.parcels[~gone], like], ignore_index=True)

    def night(self, day: dt.date, **options: object) -> None:
        folder = self.township.settings.workspace / "inbox" / day.isoformat()
        folder.mkdir(exist_ok=True)
        self.parcels.to_file(folder / "ZD.shp", encoding="gb18030")
        self.township.run(day, **options)

    def ask(self, query: str, **values: object) -> Rows:
        with self.township.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def lineage(self) -> dict[tuple[str, str], str]:
        return {
            (old, new): kind
            for old, new, kind in self.ask(
                "SELECT old_parcel_code, new_parcel_code, kind FROM core.parcel_lineage"
            )
        }

    def users(self, *codes: str) -> Rows:
        """Who uses a parcel: enterprise, role, status, allocated area."""
        return self.ask(
            """
            SELECT l.enterprise_code, l.role, l.stage, l.status, a.allocated_m2
            FROM derived.link AS l
            LEFT JOIN derived.allocation AS a USING (enterprise_code, parcel_code)
            WHERE l.parcel_code = ANY (:codes) ORDER BY 1, 2, l.parcel_code
            """,
            codes=list(codes),
        )

    def seat(self, firm: str) -> str:
        return str(
            self.ask("SELECT seat_state FROM derived.seat WHERE enterprise_code = :c", c=firm)[0][0]
        )

    def issues(self, subject: str) -> set[str]:
        return {
            rule
            for (rule,) in self.ask("SELECT rule FROM ops.issue WHERE subject_key = :s", s=subject)
        }

    def is_sound(self) -> None:
        """The checks pass, and computing everything anew changes nothing."""
        assert set(check_database(self.township.engine, self.township.settings).values()) == {0}
        last = self.ask("SELECT max(as_of) FROM ops.run_commit")[0][0]
        full = self.township.run(last, is_full=True)
        assert {
            table: counts
            for step in full.steps
            for table, counts in step.counts.items()
            if counts.written
        } == {}


@pytest.fixture
def register(make_township: Make) -> Register:
    return Register(make_township())


P02, P21, P35 = (official_code(name) for name in ("P02", "P21", "P35"))


def test_rights_and_leases_of_a_renumbered_parcel_count_for_its_new_code(
    register: Register,
) -> None:
    new = new_code("P02", 1)
    before = register.users(P02)
    assert {row[2] for row in before} == {"right_code", "lease_code"}
    register.replace([P02], {new: register.land(P02)})
    register.night(SECOND_NIGHT)
    assert register.lineage() == {(P02, new): "renumbered"}
    assert register.users(new) == before
    assert register.users(P02) == []
    named = register.ask(
        "SELECT DISTINCT named_code FROM derived.link WHERE parcel_code = :c", c=new
    )
    assert named == [(P02,)]
    assert register.issues(P02) == {"lineage.followed"}
    with register.township.engine.connect() as connection:
        story = explain(connection, "parcel", P02)
    assert [row["successor_code"] for row in story["lineage"]["now"]] == [new]
    assert {row["outcome"] for row in story["lineage"]["naming"]} == {"followed"}
    assert "已按沿革归到后继宗地" in render(story)
    register.is_sound()


def test_a_code_is_followed_through_several_nights_and_back(register: Register) -> None:
    before = register.users(P02)
    land = register.land(P02)
    codes = [P02, new_code("P02", 1), new_code("P02", 2)]
    for day, (old, new) in zip((SECOND_NIGHT, THIRD_NIGHT), itertools.pairwise(codes), strict=True):
        register.replace([old], {new: land})
        register.night(day)
    assert register.users(codes[2]) == before
    assert register.ask(
        "SELECT successor_code, steps, follow FROM derived.parcel_successor WHERE parcel_code = :c",
        c=P02,
    ) == [(codes[2], 2, "followed")]
    # the last file should not have been loaded: the second code is in force again
    register.replace([codes[2]], {codes[2]: land})
    last = register.ask("SELECT max(delivery_id) FROM ops.delivery WHERE feed = 'parcel'")[0][0]
    change_delivery(register.township.engine, last, "withdraw")
    (register.township.settings.workspace / "inbox" / THIRD_NIGHT.isoformat() / "ZD.shp").unlink()
    register.township.run(THIRD_NIGHT)
    assert register.users(codes[1]) == before
    assert register.users(codes[2]) == []
    register.is_sound()


def test_what_names_a_divided_parcel_is_asked_for_each_part(register: Register) -> None:
    land = register.land(P02)
    west, south, east, north = land.bounds
    middle = (west + east) / 2
    parts = {
        new_code("P02", 1): box(west, south, middle, north),
        new_code("P02", 2): box(middle, south, east, north),
    }
    firms = sorted({row[0] for row in register.users(P02)})
    register.replace([P02], parts)
    register.night(SECOND_NIGHT)
    assert set(register.lineage().values()) == {"split"}
    asked = register.users(*parts)
    assert [row[0] for row in asked] == sorted(firms * 2)
    assert {row[3] for row in asked} == {"review"}
    assert {row[4] for row in asked} == {None}
    assert {register.seat(firm) for firm in firms} == {"in_review"}
    assert register.issues(P02) == {"lineage.unclear"}
    questions = register.ask(
        "SELECT reason, question FROM layers.review_queue WHERE parcel_code = ANY (:c)",
        c=list(parts),
    )
    assert {reason for reason, _ in questions} == {"successor_unclear"}
    assert all(P02 in question for _, question in questions)
    register.is_sound()
    # a person says who is where; nobody else loses the question
    here = min(parts)
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)"
                " VALUES ('accept_link', :e, :p, 'owner', 'seen', 'Li')"
            ),
            {"e": firms[0], "p": here},
        )
    register.township.run(SECOND_NIGHT)
    accepted = [row for row in register.users(here) if row[3] == "accepted"]
    assert [(row[0], row[2], row[4]) for row in accepted] == [
        (firms[0], "decision", Decimal("4000.0000"))
    ]
    register.is_sound()


def test_a_decision_and_a_registry_entry_go_with_the_land(register: Register) -> None:
    firm = register.users(P21)[0][0]
    other = official_code("E08")
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)"
                " VALUES ('accept_link', :e, :p, 'tenant', 'seen', 'Li')"
            ),
            {"e": other, "p": P21},
        )
    new = new_code("P21", 1)
    register.replace([P21], {new: register.land(P21)})
    register.night(SECOND_NIGHT)
    assert {(row[0], row[2], row[3]) for row in register.users(new)} == {
        (firm, "registry_parcel", "accepted"),
        (other, "decision", "accepted"),
    }
    assert "link.registry_parcel_followed" in register.issues(firm)
    assert "link.registry_parcel_unknown" not in register.issues(firm)
    register.is_sound()


def test_newer_rights_on_the_successor_stand_alone(register: Register) -> None:
    """P35 is divided and its halves have holders of their own: the old right says nothing more."""
    register.township.second_night()
    register.township.run(SECOND_NIGHT)
    parts = [official_code(name) for name in ("P37", "P38")]
    assert {row[3] for row in register.users(*parts)} == {"accepted"}
    # the old right of P35 is delivered once more beside the new ones
    file = register.township.settings.workspace / "inbox" / SECOND_NIGHT.isoformat() / "权利人.xlsx"
    rights = pd.read_excel(file, dtype=str)
    old = pd.read_excel(file.parent.parent / "2026-06-30" / "权利人.xlsx", dtype=str)
    code = next(name for name in old.columns if old[name].str.startswith(P35, na=False).any())
    folder = file.parent.parent / THIRD_NIGHT.isoformat()
    folder.mkdir()
    stale = old[old[code].str.startswith(P35, na=False)]
    pd.concat([rights, stale]).to_excel(folder / "权利人.xlsx", index=False)
    before = register.users(*parts)
    register.township.run(THIRD_NIGHT)
    assert register.users(*parts) == before
    assert register.issues(P35) == {"lineage.superseded"}
    register.is_sound()


def test_merged_parcels_bring_their_users_along(register: Register) -> None:
    """P13 and P14 overlap; on the parcel that takes both there are the users of both."""
    pair = [official_code(name) for name in ("P13", "P14")]
    users = {row[0] for row in register.users(*pair)}
    new = new_code("P13", 1)
    register.replace(pair, {new: register.land(pair[0]).union(register.land(pair[1]))})
    register.night(SECOND_NIGHT)
    assert set(register.lineage().values()) == {"merged"}
    assert {row[0] for row in register.users(new)} == users
    register.is_sound()


def test_a_border_that_moves_is_no_new_parcel(register: Register) -> None:
    """P13 gives a strip away; a vertex of P20 moves by a hair; P35 gives a part of it to a new code."""
    moved, hair, cut = (official_code(name) for name in ("P13", "P20", "P35"))
    west, south, east, north = register.land(cut).bounds
    part = new_code("P35", 1)
    lands = {
        moved: affinity.scale(register.land(moved), xfact=0.9, origin="center"),
        hair: affinity.scale(register.land(hair), xfact=0.99999, origin="center"),
    }
    for code, land in lands.items():
        register.parcels.loc[register.parcels["ZDDM"] == code, "geometry"] = land
    kept = box(west, south, west + 0.7 * (east - west), north)
    register.replace([cut], {cut: kept, part: box(west + 0.7 * (east - west), south, east, north)})
    register.night(SECOND_NIGHT)
    assert register.lineage() == {
        (moved, moved): "adjusted",
        (cut, cut): "adjusted",
        (cut, part): "split",
    }
    changed = register.ask(
        "SELECT parcel_code, change_kind, lineage_kind, successor_codes FROM layers.land_change ORDER BY 1"
    )
    assert {row[0]: row[1:] for row in changed} == {
        moved: ("geometry", "adjusted", None),
        hair: ("geometry", None, None),
        cut: ("both", "adjusted,split", part),
        part: ("added", "split", None),
    }
    # a parcel that keeps its code keeps all that names it
    assert register.ask("SELECT count(*) FROM derived.parcel_successor") == [(0,)]
    register.is_sound()


def test_a_correction_goes_with_the_land(register: Register) -> None:
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, expected_value, new_value, reason, author,"
                " content_hash) SELECT 'parcel', parcel_code, 'location', location, '纬一路2号甲', 'seen',"
                " 'Li', 'a' FROM core.parcel WHERE parcel_code = :c"
            ),
            {"c": P02},
        )
    new = new_code("P02", 1)
    register.replace([P02], {new: register.land(P02)})
    register.night(SECOND_NIGHT)
    where = "SELECT location FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL"
    assert register.ask(where, c=new) == [("纬一路2号甲",)]
    assert register.issues(P02) == {"lineage.followed"}
    register.is_sound()
    # the office mends it itself: the correction is stale, and says so
    register.parcels.loc[register.parcels["ZDDM"] == new, "ZL"] = "云溪镇纬一路2-1号"
    register.night(THIRD_NIGHT)
    assert register.ask(where, c=new) == [("云溪镇纬一路2-1号",)]
    assert register.issues(P02) == {"lineage.followed", "correction.stale"}
    register.is_sound()


def test_a_correction_entered_for_a_retired_code_reaches_its_successor(register: Register) -> None:
    new = new_code("P02", 1)
    register.replace([P02], {new: register.land(P02)})
    register.night(SECOND_NIGHT)
    with register.township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, expected_value, new_value, reason, author,"
                " content_hash) SELECT 'parcel', :old, 'location', location, '纬一路2号甲', 'seen',"
                " 'Li', 'a' FROM core.parcel WHERE parcel_code = :new"
            ),
            {"old": P02, "new": new},
        )
    register.township.run(SECOND_NIGHT)
    assert register.ask(
        "SELECT location FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL", c=new
    ) == [("纬一路2号甲",)]
    register.is_sound()


def test_patches_have_a_lineage_too(register: Register) -> None:
    file = next((register.township.settings.workspace / "inbox").rglob("DLTB.shp"))
    patches = gpd.read_file(file, encoding="gb18030")
    one = patches.index[patches["TBBH"] == "0016"][0]
    west, south, east, north = patches.geometry[one].bounds
    half = patches.loc[[one]].copy()
    half["TBBH"], half["TBMJ"] = "0116", half["TBMJ"] / 2
    half["geometry"] = [box(west, south, (west + east) / 2, north)]
    patches.loc[one, "TBMJ"] = patches.loc[one, "TBMJ"] / 2
    patches.loc[one, "geometry"] = box((west + east) / 2, south, east, north)
    folder = register.township.settings.workspace / "inbox" / SECOND_NIGHT.isoformat()
    folder.mkdir()
    pd.concat([patches, half]).to_file(folder / "DLTB.shp", encoding="gb18030")
    register.township.run(SECOND_NIGHT)
    village = str(patches["ZLDWDM"][one])
    assert register.ask(
        "SELECT vintage, old_patch_code, new_patch_code, kind, old_share, new_share FROM core.patch_lineage"
        " ORDER BY 3"
    ) == [
        (2025, f"{village}0016", f"{village}0016", "adjusted", Decimal("0.5"), Decimal(1)),
        (2025, f"{village}0016", f"{village}0116", "split", Decimal("0.5"), Decimal(1)),
    ]
    register.is_sound()


def _footprints(register: Register) -> gpd.GeoDataFrame:
    file = next((register.township.settings.workspace / "inbox").rglob("建筑物.gpkg"))
    return gpd.read_file(file)


def _deliver_footprints(register: Register, day: dt.date, frame: gpd.GeoDataFrame) -> None:
    folder = register.township.settings.workspace / "inbox" / day.isoformat()
    folder.mkdir(exist_ok=True)
    frame.to_file(folder / "建筑物.gpkg")


def test_footprints_are_known_by_their_place(register: Register) -> None:
    """Other numbers, no numbers, no enterprise: the same shapes are the same things."""
    links = register.ask(
        "SELECT enterprise_code, parcel_code, role, status FROM derived.link ORDER BY 1, 2, 3"
    )
    shares = register.ask(
        "SELECT enterprise_code, parcel_code, allocated_m2, method FROM derived.allocation ORDER BY 1, 2"
    )
    frame = _footprints(register)
    number = next(
        name for name in frame.columns if frame[name].astype(str).is_unique and name != "geometry"
    )
    owner = next(
        name for name in frame.columns if frame[name].astype(str).str.startswith("91").any()
    )
    frame[number] = [f"N{place}" for place in range(len(frame))]
    frame[owner] = None
    _deliver_footprints(register, SECOND_NIGHT, frame)
    register.township.run(SECOND_NIGHT, accept="numbered anew")
    kinds = register.ask("SELECT kind, count(*) FROM core.footprint_lineage GROUP BY kind")
    assert kinds == [("matched", len(frame))]
    # without any number at all, and one building torn down
    _deliver_footprints(register, THIRD_NIGHT, frame.drop(columns=[number]).iloc[1:])
    register.township.run(THIRD_NIGHT, accept="numbered anew")
    codes = register.ask("SELECT footprint_code FROM core.footprint WHERE to_run IS NULL")
    assert len(codes) == len(frame) - 1
    assert all(code.startswith("NC") for (code,) in codes)
    gone = register.ask(
        "SELECT footprint_code, enterprise_code FROM core.footprint AS f WHERE to_run IS NOT NULL AND NOT EXISTS ("
        "SELECT 1 FROM core.footprint_lineage AS n WHERE n.old_footprint_code = f.footprint_code)"
    )
    assert [code for code, _ in gone] == ["N0"]
    _deliver_footprints(register, FOURTH_NIGHT, frame.drop(columns=[number]))
    register.township.run(FOURTH_NIGHT)
    # the building that came back names nobody; all who share no parcel with its user have what they had
    lost = {row[1] for row in shares if row[0] == gone[0][1]}
    now = register.ask(
        "SELECT enterprise_code, parcel_code, role, status FROM derived.link ORDER BY 1, 2, 3"
    )
    assert [row for row in now if row[1] not in lost] == [
        row for row in links if row[1] not in lost
    ]
    again = register.ask(
        "SELECT enterprise_code, parcel_code, allocated_m2, method FROM derived.allocation ORDER BY 1, 2"
    )
    assert [row for row in again if row[1] not in lost] == [
        row for row in shares if row[1] not in lost
    ]
    assert len(lost) < 5
    register.is_sound()


def test_land_without_a_code_gets_one_of_ours_and_gives_it_up(register: Register) -> None:
    """A lease may name the code of ours; when the office gives a national one, all goes over to it."""
    at = register.parcels["ZDDM"] == P21
    register.parcels.loc[at, ["ZDDM", "BDCDYH"]] = None
    register.night(SECOND_NIGHT)
    [(own,)] = register.ask(
        "SELECT parcel_code FROM core.parcel WHERE to_run IS NULL AND parcel_code LIKE 'NC%'"
    )
    assert register.lineage() == {(P21, own): "renumbered"}
    assert "row.no_code" in register.issues(own)
    assert [row[2:4] for row in register.users(own)] == [("registry_parcel", "accepted")]
    # the same shape again has the same code
    register.night(THIRD_NIGHT)
    assert register.ask("SELECT count(*) FROM core.parcel WHERE parcel_code = :c", c=own) == [(1,)]
    new = new_code("P21", 7)
    register.parcels.loc[register.parcels["ZDDM"].isna(), "ZDDM"] = new
    register.night(FOURTH_NIGHT)
    assert register.lineage()[own, new] == "renumbered"
    assert [row[2:4] for row in register.users(new)] == [("registry_parcel", "accepted")]
    register.is_sound()


def test_a_code_that_is_used_again_for_other_land_is_said(register: Register) -> None:
    """P36 goes, and its number comes back elsewhere; P21 goes and comes back where it was."""
    other = official_code("P36")
    away = affinity.translate(register.land(other), xoff=0, yoff=2000)
    kept = {code: register.land(code) for code in (other, P21)}
    rows = register.parcels[register.parcels["ZDDM"].isin(kept)].copy()
    register.parcels = register.parcels[~register.parcels["ZDDM"].isin(kept)]
    register.night(SECOND_NIGHT)
    rows.loc[rows["ZDDM"] == other, "geometry"] = away
    register.parcels = pd.concat([register.parcels, rows], ignore_index=True)
    register.night(THIRD_NIGHT)
    said = register.ask(
        "SELECT subject_key, severity FROM ops.issue WHERE rule = 'parcel.code_reused'"
    )
    assert said == [(other, "error")]
    register.is_sound()
