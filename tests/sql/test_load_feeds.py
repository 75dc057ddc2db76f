"""Loading into a real PostGIS: every row accounted for, content once, nothing half done."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import geopandas as gpd
import psycopg
import pyogrio
import pytest
from shapely.geometry import Polygon, box
from sqlalchemy import Engine, text

from pipeline import corrections
from pipeline.corrections import load_corrections
from pipeline.database import driver_of
from pipeline.errors import CrsError, SourceError
from pipeline.feeds import reader
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.discover import SourceFile, find_sources
from pipeline.feeds.headings import Match
from pipeline.feeds.reader import Delivery
from pipeline.publication import change_delivery
from pipeline.settings import settings_without_workspace
from pipeline.steps import load_feeds
from pipeline.steps.load_feeds import load_sources
from pipeline.steps.setting_aside import tell_of_layer

ROOT = Path(__file__).parents[2]
COUNTY = County("330299", "EPSG:4549")
CONTRACTS = load_contracts(ROOT / "config" / "sources.toml")
X, Y = 499_500.0, 3_290_000.0
DAY = dt.date(2026, 6, 30)
CODE = "330299001001GB{:05d}"
FIRM = "91330299MA9T00010T"


def parcels(*numbers: int, **columns) -> gpd.GeoDataFrame:
    """One parcel of 10 m x 10 m per number."""
    return gpd.GeoDataFrame(
        {"ZDDM": [CODE.format(n) for n in numbers], "ZDMJ": [100.0] * len(numbers), **columns},
        geometry=[box(X + 20 * n, Y, X + 20 * n + 10, Y + 10) for n in numbers],
        crs="EPSG:4549",
    )


LIMITS = settings_without_workspace().limits.of_files


class Loader:
    """An inbox, and loading from it."""

    def __init__(self, engine: Engine, inbox: Path) -> None:
        self.engine = engine
        self.inbox = inbox

    def put(self, name: str, content) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
            pyogrio.write_dataframe(content, path)
        return path

    def __call__(self, as_of: dt.date = DAY, contracts=CONTRACTS, county=COUNTY):
        with self.engine.connect() as connection:
            found = find_sources(self.inbox, contracts, limits=LIMITS)
            return load_sources(
                connection, found.sources, contracts, county, as_of=as_of, limits=LIMITS
            )

    def query(self, sql: str, **params):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), params)]

    def states(self):
        return self.query(
            "SELECT feed, state, data_date, row_count, kept_count, unchanged_count,"
            " quarantined_count FROM ops.delivery ORDER BY delivery_id"
        )

    def live(self, feed="parcel"):
        return sorted(key for (key,) in self.query("SELECT key FROM ops.live_row(:f)", f=feed))

    def rules(self):
        return self.query(
            "SELECT rule, severity, subject_key, row_number FROM ops.issue"
            " ORDER BY rule, row_number, subject_key"
        )


@pytest.fixture
def load(database: Engine, tmp_path: Path) -> Loader:
    return Loader(database, tmp_path / "inbox")


def test_a_delivery_is_loaded_once(load):
    load.put("ZD.gpkg", parcels(1, 2))
    (result,) = load()
    assert (result.state, result.row_count, result.kept_count) == ("loaded", 2, 2)
    assert load.states() == [("parcel", "loaded", DAY, 2, 2, 0, 0)]
    (known,) = load()
    assert (known.state, known.delivery_id) == ("known", None)
    # the next day the same file is nothing new either
    assert [r.state for r in load(DAY + dt.timedelta(days=1))] == ["known"]
    assert len(load.states()) == 1
    assert load.live() == [CODE.format(1), CODE.format(2)]
    assert load.query(
        "SELECT parcel_code, official_area_m2, ST_SRID(geom), ST_Area(geom) FROM raw.parcel"
        " WHERE parcel_code = :c",
        c=CODE.format(1),
    ) == [(CODE.format(1), 100, 4549, 100)]


def test_only_new_content_is_stored(load):
    load.put("2026-06-01/ZD.gpkg", parcels(1, 2))
    load.put("2026-06-02/ZD.gpkg", parcels(2, 1, 3))
    assert [r.state for r in load()] == ["loaded", "loaded"]
    assert [row[3:] for row in load.states()] == [(2, 2, 0, 0), (3, 1, 2, 0)]
    assert load.query("SELECT count(*) FROM raw.parcel") == [(3,)]
    # order is by date, not by when it came
    load.put("2026-05-01/ZD.gpkg", parcels(9))
    load()
    assert load.live() == [CODE.format(n) for n in (1, 2, 3)]


def test_every_row_is_accounted_for(load):
    frame = parcels(1, 2, 2, 3, 3, 4, 5, *range(10, 200))
    frame.loc[4, "ZDMJ"] = 99.0
    frame.loc[5, "geometry"] = None
    frame.loc[6, "ZDDM"] = "bad"
    load.put("ZD.gpkg", frame)
    (result,) = load()
    assert result.row_count == 197
    assert result.kept_count + result.unchanged_count + result.quarantined_count == 197
    assert load.rules() == [
        ("geometry.missing", "error", CODE.format(4), 6),
        ("parcel.code", "error", "#7", 7),
        ("row.duplicate", "warning", CODE.format(2), 3),
        ("row.duplicate_key", "error", CODE.format(3), 4),
        ("row.duplicate_key", "error", CODE.format(3), 5),
    ]
    assert load.query(
        "SELECT row_number, key, outcome, row_hash IS NULL FROM ops.delivered"
        " WHERE row_number < 8 ORDER BY row_number"
    ) == [
        (1, CODE.format(1), "kept", False),
        (2, CODE.format(2), "kept", False),
        (3, CODE.format(2), "unchanged", False),
        (4, CODE.format(3), "quarantined", True),
        (5, CODE.format(3), "quarantined", True),
        (6, CODE.format(4), "quarantined", True),
        (7, None, "quarantined", True),
    ]


def test_a_bad_row_does_not_remove_its_record(load):
    load.put("2026-06-01/ZD.gpkg", parcels(1, 2, *range(10, 50)))
    broken = parcels(1, 2, *range(10, 50))
    broken.loc[0, "geometry"] = Polygon([(X, Y), (X + 30, Y + 80), (X + 30, Y), (X, Y + 70)])
    load.put("2026-06-02/ZD.gpkg", broken)
    load()
    assert CODE.format(1) in load.live()
    assert load.rules() == [("geometry.repair_changes_area", "error", CODE.format(1), 1)]


def patches(*rows: tuple[str, str]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "ZLDWDM": [place + "001" + "0" * 7 for place, _ in rows],
            "TBBH": [number for _, number in rows],
            "DLBM": "0601",
            "TBMJ": 100.0,
            "SJNF": 2025,
        },
        geometry=[box(X + 20 * n, Y, X + 20 * n + 10, Y + 10) for n in range(len(rows))],
        crs="EPSG:4549",
    )


def test_a_snapshot_speaks_for_its_scope(load):
    load.put("2026-06-01/DLTB.gpkg", patches(("330299001", "1"), ("330299002", "1")))
    rest = [("330299002", str(n)) for n in range(2, 30)]
    load.put("2026-06-02/scope=330299002/DLTB.gpkg", patches(*rest, ("330299001", "9")))
    load()
    assert len(load.live("patch")) == 29
    assert load.rules() == [("row.outside_scope", "error", "2025|3302990010010000000" + "9", 29)]
    # number 1 of the second township is gone, that of the first stands
    ones = [key for key in load.live("patch") if key.endswith("0010000000" + "1")]
    assert ones == ["2025|3302990010010000000" + "1"]


def test_a_refused_file_is_recorded_and_the_others_are_loaded(load):
    load.put("ZD.shp", parcels(1).set_crs(None, allow_override=True))
    load.put("企业名录.csv", f"统一社会信用代码,企业名称\n{FIRM},甲\n")
    with pytest.raises(CrsError) as caught:
        load()
    assert caught.value.code == "source.no_crs"
    assert sorted(row[:2] for row in load.states()) == [
        ("enterprise", "loaded"),
        ("parcel", "refused"),
    ]
    ((detail,),) = load.query("SELECT detail FROM ops.delivery WHERE state = 'refused'")
    assert detail["code"] == "source.no_crs"
    assert detail["params"]["file"] == "ZD.shp"
    # refused again is one row still, and mended it is loaded
    with pytest.raises(CrsError):
        load()
    assert len(load.states()) == 2
    stated = {**CONTRACTS, "parcel": CONTRACTS["parcel"].model_copy(update={"crs": "EPSG:4549"})}
    load(contracts=stated)
    assert ("parcel", "loaded", DAY, 1, 1, 0, 0) in load.states()


def test_too_many_bad_rows_leave_nothing(load):
    frame = parcels(*range(1, 101))
    frame.loc[:5, "ZDDM"] = "bad"
    load.put("ZD.gpkg", frame)
    with pytest.raises(SourceError) as caught:
        load()
    assert caught.value.code == "source.too_many_bad_rows"
    assert (caught.value.params["bad"], caught.value.params["rows"]) == (6, 100)
    assert caught.value.params["rule"] == "parcel.code"
    assert load.query("SELECT count(*) FROM raw.parcel") == [(0,)]
    # what is wrong is kept for its office, beside the refusal
    assert load.rules() == [("parcel.code", "error", f"#{row}", row) for row in range(1, 7)]
    # five bad rows are let pass, however few rows there are
    load.put("ZD.gpkg", frame.iloc[3:10])
    assert load()[0].quarantined_count == 3
    load.put("ZD.gpkg", frame.iloc[:2])
    with pytest.raises(SourceError):
        load()


def test_two_files_of_one_day_are_refused(load):
    load.put("ZD.gpkg", parcels(1))
    load.put("parcel.gpkg", parcels(2))
    with pytest.raises(SourceError) as caught:
        load()
    assert caught.value.code == "source.two_files"
    assert caught.value.params["files"] == "ZD.gpkg, parcel.gpkg"
    (load.inbox / "parcel.gpkg").unlink()
    assert load()[0].state == "loaded"


def test_what_was_withdrawn_does_not_come_back(load):
    load.put("ZD.gpkg", parcels(1))
    load()
    with load.engine.begin() as connection:
        connection.execute(text("UPDATE ops.delivery SET state = 'withdrawn'"))
    assert [r.state for r in load(DAY + dt.timedelta(days=1))] == ["known"]


def test_half_a_file_the_whole_one_and_the_half_again(load):
    """What an office said last of a day counts, though it had said it before."""
    for numbers in ((1,), (1, 2), (1,)):
        load.put("ZD.gpkg", parcels(*numbers))
        assert [r.state for r in load()] == ["loaded"]
        assert load.live() == [CODE.format(n) for n in numbers]
        assert [r.state for r in load()] == ["known"]


def test_what_was_withdrawn_may_be_said_again_after_something_else(load):
    load.put("ZD.gpkg", parcels(1))
    load()
    with load.engine.begin() as connection:
        connection.execute(text("UPDATE ops.delivery SET state = 'withdrawn'"))
    load.put("ZD.gpkg", parcels(1, 2))
    assert [r.state for r in load()] == ["loaded"]
    load.put("ZD.gpkg", parcels(1))
    assert [r.state for r in load()] == ["loaded"]
    assert load.live() == [CODE.format(1)]


def test_a_date_in_the_future_waits(load):
    load.put("2026-07-01/ZD.gpkg", parcels(1))
    assert [r.state for r in load()] == ["not_due"]
    assert [r.state for r in load(dt.date(2026, 7, 1))] == ["loaded"]


def test_a_changed_contract_reads_the_file_again(load):
    load.put("ZD.gpkg", parcels(1))
    load()
    county = County("330299", "EPSG:4549", address_prefixes=("浙江省",))
    (again,) = load(county=county)
    assert (again.state, again.unchanged_count) == ("loaded", 1)


def test_a_wide_table_counts_its_figures(load):
    load.put(
        "指标.csv",
        "统一社会信用代码,年度,税收（万元）,用电量\n"
        f"{FIRM},2025,1.5,2\n{FIRM},2024,,3\nbad,2024,1,1\n{FIRM},2023,,\n",
    )
    (result,) = load()
    assert (result.row_count, result.kept_count, result.quarantined_count) == (5, 3, 2)
    assert load.query("SELECT year, indicator, value, unit FROM raw.indicator ORDER BY 1, 2") == [
        (2024, "electricity", 3, "kwh"),
        (2025, "electricity", 2, "kwh"),
        (2025, "tax", 15000, "yuan"),
    ]
    assert [row[0] for row in load.rules()] == ["enterprise.credit_code", "row.no_values"]


def test_the_name_of_a_person_is_in_no_issue(load):
    name = "张三"
    rows = "".join(f"{CODE.format(n)},李四{n}\n" for n in range(10, 60))
    load.put(
        "权利人.csv",
        f"ZDDM,QLRMC,SYQMJ\n{CODE.format(1)},{name},1\n{CODE.format(1)},{name},2\n{rows}",
    )
    load()
    assert [row[0] for row in load.rules()] == ["row.duplicate_key", "row.duplicate_key"]
    ((said,),) = load.query("SELECT string_agg(CAST(i.* AS text), '') FROM ops.issue AS i")
    assert name not in said


def test_a_dry_run_leaves_nothing(load):
    load.put("ZD.gpkg", parcels(1))
    load.put("DLTB.gpkg", patches(("330299001", "1")))
    load.put("权利人.csv", "ZDDM\nx\n")
    found = find_sources(load.inbox, CONTRACTS, limits=LIMITS)
    with load.engine.connect() as connection:
        transaction = connection.begin()
        with pytest.raises(SourceError):
            load_sources(connection, found.sources, CONTRACTS, COUNTY, as_of=DAY, limits=LIMITS)
        states = connection.execute(text("SELECT state FROM ops.delivery")).scalars().all()
        assert sorted(states) == ["loaded", "loaded", "refused"]
        transaction.rollback()
    assert load.states() == []
    assert load.query("SELECT count(*) FROM raw.parcel") == [(0,)]


def test_a_lost_connection_passes_through_and_leaves_nothing(load):
    load.put("ZD.gpkg", parcels(*range(1, 50)))

    def cut(_file: str, rows: int, _total: int | None) -> None:
        if rows:
            with load.engine.connect() as other:
                other.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )

    found = find_sources(load.inbox, CONTRACTS, limits=LIMITS)
    with load.engine.connect() as connection, pytest.raises(psycopg.OperationalError):
        load_sources(
            connection, found.sources, CONTRACTS, COUNTY, as_of=DAY, limits=LIMITS, progress=cut
        )
    load.engine.dispose()
    assert load.states() == []


def test_batches_make_one_delivery(load, monkeypatch):
    monkeypatch.setattr("pipeline.feeds.vector.BATCH_ROWS", 10)
    load.put("ZD.gpkg", parcels(*range(1, 36), 1))
    (result,) = load()
    assert (result.row_count, result.kept_count, result.unchanged_count) == (36, 35, 1)
    assert [row[0] for row in load.rules()] == ["row.duplicate"]


def test_only_what_is_asked_for_is_read(load, monkeypatch):
    """Known files between a new early one and a new late one are not opened."""
    opened: list[str] = []
    opening = reader.Reader._open

    def watched(self, delivery):
        opened.append(delivery.source.name)
        return opening(self, delivery)

    for day in range(2, 12):
        load.put(f"2026-06-{day:02}/ZD.gpkg", parcels(1, 2, day))
        load()
    monkeypatch.setattr(reader.Reader, "_open", watched)
    load.put("2026-06-01/ZD.gpkg", parcels(1))
    load.put("2026-06-15/ZD.gpkg", parcels(1, 2, 15))
    states = {result.source.name: result.state for result in load()}
    assert [name for name, state in states.items() if state == "loaded"] == [
        "2026-06-01/ZD.gpkg",
        "2026-06-15/ZD.gpkg",
    ]
    # the reader may have begun with the one after the first
    assert len(opened) <= 3


def test_what_is_released_while_a_load_is_under_way_waits(load, monkeypatch):
    """The inbox holds A, B (withdrawn) and A again: without B the second A says nothing new."""
    load.put("2026-06-01/ZD.gpkg", parcels(1))
    load.put("2026-06-03/ZD.gpkg", parcels(1, 2))
    load()
    content = (load.inbox / "2026-06-01/ZD.gpkg").read_bytes()
    path = load.inbox / "2026-06-05/ZD.gpkg"
    path.parent.mkdir()
    path.write_bytes(content)
    number = load.query("SELECT max(delivery_id) FROM ops.delivery")[0][0]
    change_delivery(load.engine, number, "withdraw")
    choosing = load_feeds._unread

    def released_meanwhile(driver, deliveries):
        found = choosing(driver, deliveries)
        change_delivery(load.engine, number, "release")
        return found

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(load_feeds, "_unread", released_meanwhile)
        assert [result.state for result in load()] == ["known"] * 3
    assert [result.state for result in load()] == ["known", "known", "loaded"]


def test_the_first_reason_why_a_row_has_no_shape_is_told(load):
    frame = parcels(1, 2, 3, 4)
    frame.loc[[1, 2], "geometry"] = None
    path = load.put("ZD.gpkg", frame)
    (result,) = load()
    assert result.quarantined_count == 2
    layer = OpenLayer("ZD", [], Match(), iter(()))
    layer.row_issues = [
        (3, "geometry.boundary_few_points", {"ring": 1}),
        (2, "geometry.boundary_not_area", {"value": '线 "\\'}),
        (2, "geometry.boundary_bad_line", {"line": 7}),
        (9, "geometry.boundary_bad_line", {"line": 9}),
    ]
    source = SourceFile(path, "ZD.gpkg", "parcel", None, None, "")
    delivery = Delivery(source, CONTRACTS["parcel"], COUNTY, DAY, "")
    with load.engine.begin() as connection, driver_of(connection).cursor() as cursor:
        tell_of_layer(cursor, delivery, result.delivery_id, layer)
    assert load.query("SELECT row_number, rule, params FROM ops.issue ORDER BY row_number") == [
        (2, "geometry.boundary_not_area", {"value": '线 "\\'}),
        (3, "geometry.boundary_few_points", {"ring": 1}),
    ]


def test_a_figure_beyond_all_floats_is_read_exactly(load):
    load.put(
        "企业租赁.csv",
        "合同编号,宗地代码,租用土地面积\n"
        f"1,{CODE.format(1)},{'9' * 400}\n2,{CODE.format(1)},-{'9' * 400}\n3,{CODE.format(1)},1\n",
    )
    (result,) = load()
    assert (result.row_count, result.quarantined_count) == (3, 0)
    assert [row[0] for row in load.rules()] == ["field.out_of_range"]


def test_corrections_are_taken_over_once(load, tmp_path, monkeypatch):
    path = tmp_path / "corrections.csv"
    head = "feed,key,field,expected_value,new_value,reason,evidence,author,office,valid_until\n"
    row = f"parcel,{CODE.format(1)},official_area_m2,100,90,resurveyed,,Li,,2027-01-01\n"
    path.write_text(head, encoding="utf-8")
    with load.engine.connect() as connection:
        assert load_corrections(connection, tmp_path / "none.csv", CONTRACTS, COUNTY) == 0
        assert load_corrections(connection, path, CONTRACTS, COUNTY) == 0
        path.write_text(head + row + "\n" + row, encoding="utf-8-sig")
        assert load_corrections(connection, path, CONTRACTS, COUNTY) == 1
        assert load_corrections(connection, path, CONTRACTS, COUNTY) == 0
        path.write_text(head + row.replace("2027-01-01", "soon"), encoding="utf-8")
        with pytest.raises(SourceError) as caught:
            load_corrections(connection, path, CONTRACTS, COUNTY)
        # what is entered already is not looked at again
        path.write_text(head + row, encoding="utf-8")
        with monkeypatch.context() as nothing_is_checked:
            nothing_is_checked.setattr(corrections, "_checked", None)
            assert load_corrections(connection, path, CONTRACTS, COUNTY) == 0
    assert caught.value.params["row"] == 2
    assert load.query("SELECT feed, new_value, evidence, valid_until FROM core.correction") == [
        ("parcel", "90", None, dt.date(2027, 1, 1))
    ]


@pytest.mark.parametrize(
    ("name", "crs", "folder", "files", "expected"),
    [
        (
            "redhook",
            "EPSG:32618",
            "link-nyc-redhook-dev",
            ["businesses.csv", "lots/pluto.shp"],
            {"patch": (1109, 0), "parcel": (1109, 0), "enterprise": (261, 0)},
        ),
        (
            "hsinchu",
            "EPSG:3826",
            "tw-hsinchu-factories-townships",
            ["factories.csv", "townships.geojson"],
            {"area": (13, 0), "enterprise": (1310, 0)},
        ),
    ],
)
def test_real_data(databases, shared_data, tmp_path, name, crs, folder, files, expected):
    from pipeline.database import open_engine
    from pipeline.settings import load_settings
    from pipeline.workspace import create_workspace

    create_workspace(tmp_path, code="BK" if name == "redhook" else "10004", name=name, crs=crs)
    engine = open_engine(databases.clone(load_settings(tmp_path)))
    loader = Loader(engine, tmp_path / "inbox")
    for file in files:
        source = shared_data / folder / file
        for part in source.parent.glob(f"{source.stem}.*"):
            target = loader.inbox / part.name
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(part)
    contracts = load_contracts(
        ROOT / "config" / "sources.toml", ROOT / "tests" / "data" / name / "sources.toml"
    )
    county = County("BK", crs, "[0-9]{10}", "us") if name == "redhook" else County("10004", crs)
    results = {r.source.feed: r for r in loader(contracts=contracts, county=county)}
    assert {f: (r.row_count, r.quarantined_count) for f, r in results.items()} == expected
    assert all(r.state == "known" for r in loader(contracts=contracts, county=county))
    engine.dispose()


def test_what_came_before_is_not_cleaned_again(load, monkeypatch):
    """Only rows that differ, or were doubtful, are looked at; the outcome is the same as of all."""
    seen = []

    def watched(batch, *terms, **more):
        seen.append(batch.row_number.tolist())
        return reader_clean(batch, *terms, **more)

    reader_clean = reader.clean_batch
    monkeypatch.setattr(reader, "clean_batch", watched)
    first = parcels(*range(1, 31))
    first.loc[4, "ZDMJ"] = -1.0
    load.put("2026-06-01/ZD.gpkg", first)
    load()
    assert seen == [list(range(1, 31))]
    seen.clear()
    second = parcels(*range(2, 33))
    second.loc[3, "ZDMJ"] = -1.0
    second.loc[7, "ZDMJ"] = 99.0
    load.put("2026-06-02/ZD.gpkg", second)
    (_, result) = load()
    # rows 4 (doubtful), 8 (another area), 30 and 31 (new parcels)
    assert seen == [[4, 8, 30, 31]]
    assert (result.row_count, result.kept_count, result.unchanged_count) == (31, 3, 28)
    said = "SELECT row_number, key, has_person, scope_key, part, row_hash, source_hash, outcome FROM ops.delivered ORDER BY 1"
    with_memory = load.query(said.replace("ORDER", "WHERE delivery_id = 2 ORDER")), load.rules()
    with load.engine.begin() as connection:
        for table in ("ops.issue", "ops.delivered", "ops.delivery", "raw.parcel"):
            connection.execute(text(f"DELETE FROM {table}"))
    monkeypatch.setattr(load_feeds, "remember", lambda *_: None)
    load()
    number = load.query("SELECT max(delivery_id) FROM ops.delivery")[0][0]
    without = load.query(said.replace("ORDER", f"WHERE delivery_id = {number} ORDER")), load.rules()
    assert with_memory == without


def test_under_another_contract_everything_is_cleaned_again(load, monkeypatch):
    seen = []
    reader_clean = reader.clean_batch
    monkeypatch.setattr(
        reader,
        "clean_batch",
        lambda batch, *terms, **more: (
            seen.append(len(batch.row_number)) or reader_clean(batch, *terms, **more)
        ),
    )
    load.put("2026-06-01/ZD.gpkg", parcels(1, 2, 3))
    load()
    load.put("2026-06-02/ZD.gpkg", parcels(1, 2, 3, 4))
    other = County("330299", "EPSG:4549", parcel_scheme=r"\d{12}[GJZ][A-Z]\d{5}")
    load(county=other)
    # the first file is another delivery under the other contract, too
    assert seen == [3, 3, 4]
