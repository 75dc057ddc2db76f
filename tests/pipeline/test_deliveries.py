"""Deliveries: order does not matter, a scope covers itself alone, undo is deactivation."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import text
from test_steps import HISTORY_TABLES, differences, state

from pipeline.demo import township as drawing
from pipeline.domain.names import normalise_name
from pipeline.errors import SourceError
from pipeline.publication import change_delivery

Make = Callable[..., Township]
_TABLES = (
    "AREAS",
    "PATCHES",
    "PARCELS",
    "RIGHTS",
    "LEASES",
    "FIRMS",
    "DRAWINGS",
    "RECOGNITIONS",
    "ACCOUNTS",
    "RESULTS",
)


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_shuffled(make_township: Make, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The same rows in another order: the same links, shares, units, coverage, layers."""
    usual = make_township()
    shuffled = make_township(has_run=False)
    chance = random.Random(seed)
    for name in _TABLES:
        rows = list(getattr(drawing, name))
        chance.shuffle(rows)
        monkeypatch.setattr(drawing, name, tuple(rows))
    drawing.write_township(shuffled.settings.workspace)
    shuffled.run()
    one, other = (state(t.engine, with_hash=False) for t in (usual, shuffled))
    # What is said of a bad row names its place in the file.
    for found in (one, other):
        found.pop("layers.data_issue")
    assert differences(one, other) == {}


def test_files_under_other_names_and_in_another_order(make_township: Make) -> None:
    usual = make_township()
    other = make_township(has_run=False)
    folder = other.settings.workspace / "inbox" / FIRST_NIGHT.isoformat()
    for file in sorted(folder.glob("*.xlsx")):
        file.rename(folder / f"a_{file.name}")
    for file in sorted(folder.glob("DLTB.*")):
        file.rename(folder / f"zz_{file.name}")
    other.run()
    one, two = (state(t.engine) for t in (usual, other))
    for found in (one, two):
        found.pop("layers.data_issue")
    assert differences(one, two) == {}


def test_older_data_that_comes_later_does_not_win(make_township: Make) -> None:
    in_order = make_township()
    in_order.second_night()
    in_order.run(SECOND_NIGHT)
    backwards = make_township(has_run=False)
    inbox = backwards.settings.workspace / "inbox"
    first = inbox / FIRST_NIGHT.isoformat()
    first.rename(inbox.parent / "late")
    backwards.second_night()
    for file in (inbox.parent / "late").iterdir():
        if not (inbox / SECOND_NIGHT.isoformat() / file.name).exists():
            file.rename(inbox / SECOND_NIGHT.isoformat() / file.name)
    backwards.run(SECOND_NIGHT)
    before = state(backwards.engine, with_history=False)
    (inbox.parent / "late").rename(first)
    result = backwards.run(SECOND_NIGHT)
    assert any(delivery.state == "loaded" for delivery in result.deliveries)
    assert differences(before, state(backwards.engine, with_history=False)) == {}


def _patches(township: Township) -> gpd.GeoDataFrame:
    file = next((township.settings.workspace / "inbox").rglob("DLTB.shp"))
    return gpd.read_file(file, encoding="gb18030")


def _deliver(township: Township, name: str, frame: gpd.GeoDataFrame) -> Path:
    folder = township.settings.workspace / "inbox" / SECOND_NIGHT.isoformat()
    folder.mkdir(exist_ok=True)
    frame.to_file(folder / name, encoding="gb18030")
    return folder


def _count(township: Township, query: str, **parameters: object) -> int:
    with township.engine.connect() as connection:
        return int(connection.execute(text(query), parameters).scalar_one())


_OPEN = "SELECT count(*) FROM core.patch WHERE to_run IS NULL AND township_code = :t"


def test_one_townships_file_does_not_erase_the_others(make_township: Make) -> None:
    township = make_township()
    one, two = "330299001", "330299002"
    before = {code: _count(township, _OPEN, t=code) for code in (one, two)}
    patches = _patches(township)
    own = patches[patches["ZLDWDM"].str.startswith(two)]
    _deliver(township, f"DLTB@{two}.shp", own.iloc[1:])
    township.run(SECOND_NIGHT, accept="a patch fell away")
    assert _count(township, _OPEN, t=two) == before[two] - 1
    assert _count(township, _OPEN, t=one) == before[one]


def test_row_outside_its_scope_is_an_issue(make_township: Make) -> None:
    township = make_township()
    patches = _patches(township)
    own = patches[patches["ZLDWDM"].str.startswith("330299002")]
    stray = patches[patches["ZLDWDM"].str.startswith("330299001")].iloc[[5]]
    before = state(township.engine)["core.patch"]
    _deliver(township, "DLTB@330299002.shp", pd.concat([own, stray]))
    township.run(SECOND_NIGHT)
    assert state(township.engine)["core.patch"] == before
    assert _count(township, "SELECT count(*) FROM ops.issue WHERE rule = 'row.outside_scope'") == 1


def test_quarantined_row_does_not_remove_the_record(make_township: Make) -> None:
    """A bad row in a newer file: the last good row of that key stays in force."""
    township = make_township()
    patches = _patches(township)
    victim = patches.index[patches["DLBM"] == "0601"][2]
    code = patches.loc[victim, "ZLDWDM"] + patches.loc[victim, "TBBH"]
    before = state(township.engine)["core.patch"]
    patches.loc[victim, "geometry"] = None
    _deliver(township, "DLTB.shp", patches)
    township.run(SECOND_NIGHT)
    assert state(township.engine)["core.patch"] == before
    with township.engine.connect() as connection:
        said = connection.execute(
            text("SELECT rule, subject_key FROM ops.issue WHERE rule LIKE 'geometry.%'")
        ).all()
    assert ("geometry.missing", f"2025|{code}") in [tuple(row) for row in said], said


def test_withdrawn_delivery_is_undone_and_released_again(make_township: Make) -> None:
    township = make_township()
    first = state(township.engine)
    township.second_night()
    township.run(SECOND_NIGHT)
    second = state(township.engine)
    ids = _second_night_ids(township)
    for number in ids:
        change_delivery(township.engine, number, "withdraw")
    township.run(SECOND_NIGHT, accept="undo")
    undone = state(township.engine)
    changed = differences(first, undone).keys()
    # The date has moved on; what the files said has not.
    assert not [
        table
        for table in changed
        if table.startswith("core.") and "history" not in table and "lineage" not in table
    ]
    for number in ids:
        change_delivery(township.engine, number, "release")
    township.run(SECOND_NIGHT, accept="redo")
    again = state(township.engine)
    left = {table for table in differences(second, again) if table not in HISTORY_TABLES}
    assert left == set()


def _second_night_ids(township: Township) -> list[int]:
    with township.engine.connect() as connection:
        return list(
            connection.execute(
                text("SELECT delivery_id FROM ops.delivery WHERE data_date = :d ORDER BY 1"),
                {"d": SECOND_NIGHT},
            ).scalars()
        )


def test_loose_file_is_loaded_once(make_township: Make) -> None:
    township = make_township(has_run=False)
    inbox = township.settings.workspace / "inbox"
    for file in sorted((inbox / FIRST_NIGHT.isoformat()).iterdir()):
        file.rename(inbox / file.name)
    township.run()
    count = _count(township, "SELECT count(*) FROM ops.delivery")
    assert township.run().written == 0
    township.run(FIRST_NIGHT + dt.timedelta(days=1))
    assert _count(township, "SELECT count(*) FROM ops.delivery") == count


def test_loose_file_that_still_lies_there_does_not_beat_a_newer_one(make_township: Make) -> None:
    township = make_township(has_run=False)
    inbox = township.settings.workspace / "inbox"
    for file in sorted((inbox / FIRST_NIGHT.isoformat()).iterdir()):
        file.rename(inbox / file.name)
    township.run()
    township.second_night()
    for night in range(1, 4):
        township.run(FIRST_NIGHT + dt.timedelta(days=night))
    name = "SELECT name FROM core.enterprise WHERE to_run IS NULL AND enterprise_code = :c"
    with township.engine.connect() as connection:
        found = connection.execute(text(name), {"c": drawing.official_code("E08")}).scalar_one()
    assert found == drawing.RENAMED["E08"]


def test_mixed_scope_is_refused_where_rows_do_not_say_their_township(make_township: Make) -> None:
    township = make_township()
    folder = township.settings.workspace / "inbox"
    lease = next(folder.rglob("租赁.xlsx"))
    (folder / SECOND_NIGHT.isoformat()).mkdir()
    lease.rename(folder / SECOND_NIGHT.isoformat() / "租赁@330299002.xlsx")
    with pytest.raises(SourceError) as caught:
        township.run(SECOND_NIGHT)
    assert caught.value.code == "source.mixed_scope"


def _correct(township: Township, *lines: str) -> None:
    file = township.settings.workspace / "corrections.csv"
    head = file.read_text(encoding="utf-8").splitlines()[0]
    file.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('lease,ZL-1,land_area_m2,1,"12,5",r,,Li,,', "land_area_m2 12,5 is no number"),
        ("lease,ZL-1,land_area_m2,1,-1,r,,Li,,", "land_area_m2 -1 is less than 0"),
        ("lease,ZL-1,valid_to,,2026/13/45,r,,Li,,", "valid_to 2026/13/45 is no date"),
        ("right,a|1|b,share,,1.5,r,,Li,,", "share 1.5 is more than 1"),
        ("indicator,a|2025|tax,year,,1,r,,Li,,", "year cannot be corrected"),
        ("parcel,1,parcel_code,,1,r,,Li,,", "parcel_code cannot be corrected"),
        ("parcel,1,area,,1,r,,Li,,", "area is no field of parcel; one of"),
        ("parcel,1,address_key,,1,r,,Li,,", "address_key is no field of parcel; one of"),
        ("enterprise,1,status,,gone,r,,Li,,", "status gone is no code; one of"),
        ("enterprise,1,name,x,,r,,Li,,", "name must have a value"),
        ("enterprise,1,credit_code,,91330299MA9T005209,r,,Li,,", "is no credit code"),
        ("enterprise,1,parcel_code,,33O299001001GB00027,r,,Li,,", "is no parcel code"),
    ],
)
def test_a_correction_that_does_not_fit_is_refused_at_once(
    make_township: Make, line: str, reason: str
) -> None:
    township = make_township()
    before = state(township.engine)
    _correct(township, line)
    with pytest.raises(SourceError) as caught:
        township.run()
    assert caught.value.params["row"] == 2
    assert reason in str(caught.value.params["reason"])
    with township.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM core.correction")).scalar_one() == 0
    # once the line is gone, all is as it was
    _correct(township)
    township.run()
    assert differences(before, state(township.engine)) == {}


def test_a_corrected_name_is_found_by_its_new_key(make_township: Make) -> None:
    township = make_township()
    with township.engine.connect() as connection:
        code, name = connection.execute(
            text(
                "SELECT enterprise_code, name FROM core.enterprise WHERE to_run IS NULL "
                "ORDER BY enterprise_code LIMIT 1"
            )
        ).one()
    _correct(township, f"enterprise,{code},name,{name},云溪 改名（机械）有限公司,renamed,,Li,,")
    township.run()
    with township.engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT name, name_key FROM core.enterprise WHERE enterprise_code = :c AND to_run IS NULL"
            ),
            {"c": code},
        ).one()
        stale = connection.execute(
            text("SELECT count(*) FROM ops.issue WHERE rule = 'correction.stale'")
        ).scalar_one()
    assert found.name == "云溪 改名（机械）有限公司"
    assert found.name_key == normalise_name(pd.Series(["云溪 改名（机械）有限公司"]))[0]
    assert stale == 0


def test_correction_holds_while_the_old_value_is_delivered(make_township: Make) -> None:
    township = make_township()
    code = drawing.official_code("P01")
    with township.engine.connect() as connection:
        old = connection.execute(
            text(
                "SELECT official_area_m2 FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL"
            ),
            {"c": code},
        ).scalar_one()
    area = "SELECT reference_area_m2 FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL"
    _correct(
        township,
        f"parcel,{code},official_area_m2,{old},1234.5,measured again,,clerk,land office,2026-12-31",
        f"parcel,{drawing.official_code('P02')},official_area_m2,999999,1,stale,,clerk,,",
    )
    township.run()
    with township.engine.connect() as connection:
        assert float(connection.execute(text(area), {"c": code}).scalar_one()) == 1234.5
        stale = (
            connection.execute(
                text("SELECT subject_key FROM ops.issue WHERE rule = 'correction.stale'")
            )
            .scalars()
            .all()
        )
    assert stale == [drawing.official_code("P02")]
    assert township.run().written == 0
    # It ends without any delivery.
    township.run(dt.date(2026, 12, 31))
    with township.engine.connect() as connection:
        assert connection.execute(text(area), {"c": code}).scalar_one() == old
