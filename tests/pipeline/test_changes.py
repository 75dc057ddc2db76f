"""Deliveries of changes: they meet what is held, replace what they name, and go when their base goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from shapely.geometry import box
from sqlalchemy import text
from test_steps import HISTORY_TABLES, differences, state

from pipeline.demo.township import official_code
from pipeline.errors import SourceError, UsageError
from pipeline.publication import change_delivery
from pipeline.selfcheck import check_database

Make = Callable[..., Township]
THIRD_NIGHT = SECOND_NIGHT + dt.timedelta(days=1)


def ask(township: Township, query: str, **values: object) -> list[tuple[Any, ...]]:
    with township.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def inbox(township: Township) -> Path:
    return township.settings.workspace / "inbox"


def parcels(township: Township) -> gpd.GeoDataFrame:
    return gpd.read_file(inbox(township) / FIRST_NIGHT.isoformat() / "ZD.shp", encoding="gb18030")


def deliver(township: Township, name: str, frame: gpd.GeoDataFrame) -> None:
    frame.to_file(inbox(township) / name, encoding="gb18030")


def period(first: dt.date, last: dt.date) -> str:
    return f"{first:%Y%m%d}-{last:%Y%m%d}"


def changes(township: Township, *codes: str, kind: str = "变更") -> gpd.GeoDataFrame:
    frame = parcels(township)
    frame = frame[frame["ZDDM"].isin(codes)].copy()
    frame["BGLX"] = kind
    return frame.rename(columns={"BGLX": "变更类型"})


P01, P02, P36 = (official_code(name) for name in ("P01", "P02", "P36"))


def test_changes_say_the_same_as_the_whole(make_township: Make) -> None:
    """One parcel altered, one gone: as changes and as a snapshot, with the same result."""
    by_changes, whole = make_township(), make_township()
    after = parcels(whole)
    after.loc[after["ZDDM"] == P02, "ZL"] = "云溪镇纬一路2号甲"
    folder = inbox(whole) / SECOND_NIGHT.isoformat()
    folder.mkdir()
    after[after["ZDDM"] != P36].to_file(folder / "ZD.shp", encoding="gb18030")
    whole.run(SECOND_NIGHT)

    altered, gone = changes(by_changes, P02), changes(by_changes, P36, kind="灭失")
    altered["ZL"] = "云溪镇纬一路2号甲"
    # what goes needs no more than its code
    gone["YT"] = None
    name = f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp"
    deliver(by_changes, name, pd.concat([altered, gone]))
    result = by_changes.run(SECOND_NIGHT)
    loaded = [d for d in result.deliveries if d.state == "loaded"]
    assert [(d.row_count, d.kept_count, d.quarantined_count) for d in loaded] == [(2, 2, 0)]
    ours, theirs = (state(t.engine) for t in (by_changes, whole))
    left = differences(ours, theirs)
    assert not [table for table in left if table != "layers.data_issue"], left
    assert set(check_database(by_changes.engine, by_changes.settings).values()) == {0}
    # the same night again: the file is known
    assert by_changes.run(SECOND_NIGHT).written == 0


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (f"ZD_{period(FIRST_NIGHT + dt.timedelta(days=1), THIRD_NIGHT)}.shp", "do_not_meet"),
        (f"ZD_{period(FIRST_NIGHT - dt.timedelta(days=1), THIRD_NIGHT)}.shp", "do_not_meet"),
        (f"ZD_{period(THIRD_NIGHT, THIRD_NIGHT)}.shp", "without_period"),
    ],
)
def test_changes_that_do_not_meet_what_is_held_are_refused(
    make_township: Make, name: str, code: str
) -> None:
    township = make_township()
    before = state(township.engine)
    deliver(township, name, changes(township, P02, kind="灭失"))
    with pytest.raises(SourceError) as caught:
        township.run(THIRD_NIGHT)
    assert caught.value.code == f"source.changes_{code}"
    assert caught.value.exit_code == 4
    assert differences(before, state(township.engine)) == {}


def test_changes_of_nothing_are_refused(make_township: Make) -> None:
    township = make_township(has_run=False)
    frame = changes(township, P02)
    for file in (inbox(township) / FIRST_NIGHT.isoformat()).glob("ZD.*"):
        file.unlink()
    deliver(township, f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", frame)
    with pytest.raises(SourceError) as caught:
        township.run(SECOND_NIGHT)
    assert caught.value.code == "source.changes_of_nothing"


def test_a_change_of_unknown_kind_is_set_aside(make_township: Make) -> None:
    township = make_township()
    frame = pd.concat([changes(township, P02), changes(township, P36, kind="不明")])
    deliver(township, f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", frame)
    township.run(SECOND_NIGHT)
    assert ask(
        township,
        "SELECT rule, severity, value FROM ops.issue WHERE subject_key = :c AND delivery_id IS NOT NULL",
        c=P36,
    ) == [("field.unknown_code", "error", "不明")]
    assert ask(
        township,
        "SELECT count(*) FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL",
        c=P36,
    ) == [(1,)]


def test_taking_out_what_is_not_there_is_said(make_township: Make) -> None:
    township = make_township()
    frame = changes(township, P36, kind="删除")
    frame["ZDDM"] = new = f"{P36[:14]}99999"
    frame["BDCDYH"] = f"{new}W00000000"
    deliver(township, f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", frame)
    township.run(SECOND_NIGHT)
    assert ask(township, "SELECT rule, severity FROM ops.issue WHERE subject_key = :c", c=new) == [
        ("row.takes_out_nothing", "warning")
    ]


def test_changes_go_when_what_they_stand_on_is_withdrawn(make_township: Make) -> None:
    township = make_township()
    first = state(township.engine, with_history=False)
    deliver(
        township,
        f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp",
        changes(township, P36, kind="灭失"),
    )
    township.run(SECOND_NIGHT)
    second = changes(township, P02)
    second["ZL"] = "别处"
    deliver(township, f"ZD_{period(SECOND_NIGHT, THIRD_NIGHT)}.shp", second)
    township.run(THIRD_NIGHT)
    last = ask(township, "SELECT delivery_id FROM ops.delivery WHERE feed = 'parcel' ORDER BY 1")
    _, one, two = (number for (number,) in last)
    _, held = change_delivery(township.engine, one, "withdraw")
    assert held == [f"ZD_{period(SECOND_NIGHT, THIRD_NIGHT)}.shp"]
    with pytest.raises(UsageError) as caught:
        change_delivery(township.engine, two, "release")
    assert caught.value.code == "usage.changes_do_not_meet"
    township.run(THIRD_NIGHT)
    undone = state(township.engine, with_history=False)
    core = [
        t for t in differences(first, undone) if t.startswith("core.") and t not in HISTORY_TABLES
    ]
    assert core == []
    for number in (one, two):
        assert change_delivery(township.engine, number, "release")[1] == []
    township.run(THIRD_NIGHT)
    assert ask(
        township,
        "SELECT parcel_code, location FROM core.parcel WHERE parcel_code = ANY (:c) AND to_run IS NULL",
        c=[P02, P36],
    ) == [(P02, "别处")]


def _survey(township: Township) -> gpd.GeoDataFrame:
    return gpd.read_file(inbox(township) / FIRST_NIGHT.isoformat() / "DLTB.shp", encoding="gb18030")


def _package(township: Township) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """The yearly update 2026: one industrial patch divided, one that turned to industry."""
    survey = _survey(township)
    one = survey.index[survey["TBBH"] == "0016"][0]
    west, south, east, north = survey.geometry[one].bounds
    halves = survey.loc[[one, one]].copy()
    halves["TBBH"], halves["TBMJ"] = ["0116", "0117"], halves["TBMJ"] / 2
    halves["geometry"] = [
        box(west, south, (west + east) / 2, north),
        box((west + east) / 2, south, east, north),
    ]
    turned = survey[survey["TBBH"] == "0039"].copy()
    turned["DLBM"] = "0601"
    update = pd.concat([halves, turned])
    update["SJNF"] = 2026
    pairs = update[["geometry"]].copy()
    pairs["BGQZLDWDM"] = [survey["ZLDWDM"][one]] * 2 + list(turned["ZLDWDM"])
    pairs["BGQTBBH"] = ["0016", "0016", "0039"]
    return update, pairs


NEW_YEAR = dt.date(2026, 12, 31)


def _deliver_package(township: Township) -> None:
    folder = inbox(township) / NEW_YEAR.isoformat()
    folder.mkdir()
    update, pairs = _package(township)
    update.to_file(folder / "DLTBGX.shp", encoding="gb18030")
    pairs.to_file(folder / "DLTBGXGC.shp", encoding="gb18030")


@pytest.fixture
def surveyed(make_township: Make) -> Township:
    """The township whose survey stands for 31 December 2025."""
    township = make_township(has_run=False)
    folder = inbox(township) / "2025-12-31"
    folder.mkdir()
    for file in (inbox(township) / FIRST_NIGHT.isoformat()).glob("DLTB.*"):
        file.rename(folder / file.name)
    township.run()
    for file in folder.glob("DLTB.*"):
        (inbox(township) / FIRST_NIGHT.isoformat() / file.name).write_bytes(file.read_bytes())
    return township


def test_the_yearly_package_makes_a_year_beside_the_last(surveyed: Township) -> None:
    before = ask(
        surveyed,
        "SELECT patch_code, land_use_code, official_area_m2 FROM core.patch WHERE vintage = 2025 ORDER BY 1",
    )
    _deliver_package(surveyed)
    surveyed.run(NEW_YEAR)
    open_patches = (
        "SELECT patch_code, land_use_code, official_area_m2 FROM core.patch"
        " WHERE to_run IS NULL AND vintage = :v ORDER BY 1"
    )
    assert ask(surveyed, open_patches, v=2025) == before
    village = next(code for code, _, _ in before if code.endswith("0016"))[:-4]
    expected = {code: rest for code, *rest in before}
    official = expected.pop(f"{village}0016")[1]
    expected |= {f"{village}{n}": ["0601", Decimal(official) / 2] for n in ("0116", "0117")}
    expected[f"{village}0039"][0] = "0601"
    assert {code: rest for code, *rest in ask(surveyed, open_patches, v=2026)} == expected
    assert ask(surveyed, "SELECT vintage FROM ops.run_commit ORDER BY run_id DESC LIMIT 1") == [
        (2026,)
    ]
    # the base grew by the field that turned to industry
    assert ask(
        surveyed,
        "SELECT sum(official_area_m2) FROM core.patch WHERE to_run IS NULL AND vintage = 2026"
        " AND land_use_code = '0601'",
    ) == ask(surveyed, "SELECT sum(base_area_m2) FROM derived.patch_cover")
    delivered = ask(
        surveyed,
        "SELECT file, row_count, kept_count, unchanged_count, carried_count FROM ops.delivery"
        " WHERE data_date = :d ORDER BY delivery_id",
        d=NEW_YEAR,
    )
    # of the pairs, the patch that keeps its number is put by the update and stays
    assert delivered == [
        ("2026-12-31/DLTBGX.shp", 3, 3, 0, len(before) - 1),
        ("2026-12-31/DLTBGXGC.shp", 3, 1, 2, 0),
    ]
    assert set(check_database(surveyed.engine, surveyed.settings).values()) == {0}
    full = surveyed.run(NEW_YEAR, is_full=True)
    assert full.written == 0


def test_a_yearly_package_taken_back_leaves_the_year_before(surveyed: Township) -> None:
    first = ask(surveyed, "SELECT * FROM derived.patch_cover ORDER BY patch_code, area_code")
    _deliver_package(surveyed)
    surveyed.run(NEW_YEAR)
    assert (
        ask(surveyed, "SELECT * FROM derived.patch_cover ORDER BY patch_code, area_code") != first
    )
    for (number,) in ask(
        surveyed, "SELECT delivery_id FROM ops.delivery WHERE data_date = :d", d=NEW_YEAR
    ):
        change_delivery(surveyed.engine, number, "withdraw")
    surveyed.run(NEW_YEAR, accept="the package is taken back")
    assert ask(
        surveyed, "SELECT count(*) FROM core.patch WHERE to_run IS NULL AND vintage = 2026"
    ) == [(0,)]
    base = "SELECT sum(base_area_m2) FROM derived.patch_cover"
    assert ask(surveyed, base) == ask(
        surveyed,
        "SELECT sum(official_area_m2) FROM core.patch WHERE to_run IS NULL AND vintage = 2025"
        " AND land_use_code = '0601'",
    )


def test_a_row_of_a_year_to_come_is_set_aside(make_township: Make) -> None:
    """One slip of the pen must not make the whole county of the year 2052."""
    township = make_township()
    survey = _survey(township)
    survey.loc[survey.index[3], "SJNF"] = 2052
    folder = inbox(township) / SECOND_NIGHT.isoformat()
    folder.mkdir()
    survey.to_file(folder / "DLTB.shp", encoding="gb18030")
    result = township.run(SECOND_NIGHT)
    assert result.vintage == 2025
    assert ask(township, "SELECT rule, value FROM ops.issue WHERE rule = 'row.year_ahead'") == [
        ("row.year_ahead", "2052")
    ]


def test_a_table_of_one_year_leaves_the_others_alone(make_township: Make) -> None:
    township = make_township()
    before = ask(
        township, "SELECT count(*) FROM core.indicator WHERE to_run IS NULL AND year = 2025"
    )
    folder = inbox(township) / SECOND_NIGHT.isoformat()
    folder.mkdir()
    (folder / "指标_2024.csv").write_text(
        f"统一社会信用代码,年度,税收\n{official_code('E01')},2024,12\n", encoding="utf-8"
    )
    township.run(SECOND_NIGHT)
    assert ask(
        township,
        "SELECT year, count(*) FROM core.indicator WHERE to_run IS NULL GROUP BY year ORDER BY year",
    ) == [(2024, 1), (2025, before[0][0])]


def test_changes_are_read_anew_under_another_contract(make_township: Make) -> None:
    """A new alias makes every file of the feed another delivery: a chain of changes still meets."""
    township = make_township()
    first, second = changes(township, P36, kind="灭失"), changes(township, P02)
    second["ZL"] = "别处"
    deliver(township, f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", first)
    township.run(SECOND_NIGHT)
    deliver(township, f"ZD_{period(SECOND_NIGHT, THIRD_NIGHT)}.shp", second)
    township.run(THIRD_NIGHT)
    before = state(township.engine, with_history=False)
    (township.settings.workspace / "sources.toml").write_text(
        '[feed.parcel.columns]\nlocation = { aliases = ["ZL", "坐落地址"] }\n', encoding="utf-8"
    )
    result = township.run(THIRD_NIGHT)
    assert [d.state for d in result.deliveries if d.source.feed == "parcel"] == ["loaded"] * 3
    after = state(township.engine, with_history=False)
    assert [t for t in differences(before, after) if t != "layers.data_issue"] == []


def test_a_wide_table_takes_figures_out(make_township: Make) -> None:
    township = make_township()
    held = "SELECT enterprise_code, indicator FROM core.indicator WHERE to_run IS NULL AND year = 2025 ORDER BY 1, 2"
    before = ask(township, held)
    firms = sorted({firm for firm, _ in before})[:2]
    own = {firm: [name for code, name in before if code == firm] for firm in firms}
    assert "tax" in own[firms[0]]
    lines = ["统一社会信用代码,年度,税收,营业收入,变更类型"]
    # one figure of the first, all that the table has a column for of the second
    lines += [f"{firms[0]},2025,1,,删除", f"{firms[1]},2025,,,删除"]
    name = f"指标_{period(dt.date(2026, 6, 30), SECOND_NIGHT)}.csv"
    (inbox(township) / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    township.run(SECOND_NIGHT)
    gone = set(before) - set(ask(township, held))
    assert gone == {(firms[0], "tax")} | {
        (firms[1], name) for name in own[firms[1]] if name in {"tax", "revenue"}
    }
    assert set(check_database(township.engine, township.settings).values()) == {0}


def test_changes_leave_the_issues_of_the_snapshot_in_sight(make_township: Make) -> None:
    """The drawing has a parcel that was set aside; changes of another one say nothing of it."""
    township = make_township()
    said = "SELECT rule, subject_key, file FROM layers.data_issue WHERE feed = 'parcel' AND file IS NOT NULL ORDER BY 1, 2"
    before = ask(township, said)
    assert before
    deliver(
        township, f"ZD_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", changes(township, P36, kind="灭失")
    )
    township.run(SECOND_NIGHT)
    assert ask(township, said) == before


def test_a_survey_that_came_late_takes_the_package_of_the_next_year(make_township: Make) -> None:
    """The survey of 2025 was delivered in June: it is known by its year."""
    township = make_township()
    _deliver_package(township)
    result = township.run(NEW_YEAR)
    assert result.vintage == 2026
    # but the package of 2028 has nothing to stand on
    folder = inbox(township) / "2028-12-31"
    folder.mkdir()
    update, _ = _package(township)
    update["SJNF"] = 2028
    update.to_file(folder / "DLTBGX.shp", encoding="gb18030")
    with pytest.raises(SourceError) as caught:
        township.run(dt.date(2028, 12, 31))
    assert caught.value.code == "source.changes_do_not_meet"


def test_a_second_package_of_a_year_hangs_on_the_first(surveyed: Township) -> None:
    """The first carried the rest of the year over; without it the year would be one patch."""
    _deliver_package(surveyed)
    surveyed.run(NEW_YEAR)
    later = NEW_YEAR + dt.timedelta(days=20)
    update, _ = _package(surveyed)
    one = update.iloc[[2]].copy()
    one["DLMC"] = "工业"
    one["TBMJ"] = one["TBMJ"] + 1
    one.to_file(inbox(surveyed) / f"DLTBGX_{period(NEW_YEAR, later)}.shp", encoding="gb18030")
    surveyed.run(later)
    first = ask(surveyed, "SELECT delivery_id FROM ops.delivery WHERE carried_count > 0")[0][0]
    _, held = change_delivery(surveyed.engine, first, "withdraw")
    assert any("DLTBGX_" in file for file in held)
    surveyed.run(later, accept="undo")
    assert ask(surveyed, "SELECT DISTINCT vintage FROM core.patch WHERE to_run IS NULL") == [
        (2025,)
    ]


def test_a_township_that_is_behind_leaves_a_gap(make_township: Make) -> None:
    """Patches of one township as of June, of the other as of May: changes since June meet one of them."""
    township = make_township(has_run=False)
    survey = _survey(township)
    for file in (inbox(township) / FIRST_NIGHT.isoformat()).glob("DLTB.*"):
        file.unlink()
    for code, day in (("330299001", "20260501"), ("330299002", "20260630")):
        own = survey[survey["ZLDWDM"].str.startswith(code, na=False)]
        deliver(township, f"DLTB@{code}_{day}.shp", own)
    township.run()
    deliver(township, f"DLTB_{period(FIRST_NIGHT, SECOND_NIGHT)}.shp", survey.iloc[[5]])
    with pytest.raises(SourceError) as caught:
        township.run(SECOND_NIGHT)
    assert caught.value.code == "source.changes_do_not_meet"
