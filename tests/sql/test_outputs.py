"""GeoPackage, styles, projects and report from rows that the tests put into an empty database."""

import io
import re
import sqlite3
import zipfile
from dataclasses import replace
from decimal import Decimal
from unittest.mock import Mock
from xml.etree import ElementTree as ET

import pyogrio
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT
from geoalchemy2 import Geometry
from rich.cells import cell_len
from rich.console import Console
from sqlalchemy import Date, Double, Integer, Numeric, Text, inspect, text

from pipeline.errors import SettingsError
from pipeline.messages import both
from pipeline.outputs import geopackage
from pipeline.outputs.console import show_coverage, show_deliveries, show_issues, show_seats
from pipeline.outputs.geopackage import publication_stamp, read_stamp, write_geopackage
from pipeline.outputs.project import layer_extent, write_projects
from pipeline.outputs.report import mu, pct, write_report
from pipeline.outputs.styles import style_rows, write_styles
from pipeline.outputs.tables import layer_srid, read_codes, read_layers, reflect
from pipeline.publication import FILES, write_files

# docs/sources.md, Design 6: what the outside may rely on. Columns of each layer, and its geometry.
PROMISED = {
    "parcel": "parcel_code, township_code, township_name, land_use_code, area_m2, area_mu,"
    " enterprise_count, unit_kind, grade, coverage_state, evaluated_share, transition_share",
    "enterprise": "enterprise_code, name, industry_code, size_class, seat_state, parcel_count,"
    " land_area_m2, land_area_mu, unit_code, score, grade",
    "enterprise_land": "enterprise_code, parcel_code, role, reason, link_score, share,"
    " allocated_m2, allocated_mu, method, geometry_kind",
    "evaluation_unit": "unit_code, kind, eval_category, eval_state, member_count, parcel_count,"
    " eval_area_m2, eval_area_mu, score, grade, issued_grade",
    "industrial_patch": "patch_code, land_use_code, township_code, official_area_m2,"
    " linked_area_m2, evaluated_area_m2, transition_area_m2, covered_area_m2",
    "township_coverage": "township_code, name, kind, base_area_m2, linked_area_m2,"
    " evaluated_area_m2, transition_area_m2, covered_area_m2, coverage_ratio, strict_ratio,"
    " target_ratio, gap_mu, definition, count_above, count_below_ge3, count_below_lt3,"
    " count_tenant_only, count_parcel_merged, count_a, count_b, count_c, count_d, count_ungraded",
    "uncovered_land": "patch_code, parcel_code, township_code, area_m2, area_mu, reason,"
    " next_step, rank_in_township",
    "review_queue": "enterprise_code, parcel_code, stage, reason, score, runner_up_score, question",
    "land_change": "run_id, parcel_code, change_kind, successor_codes, predecessor_codes",
    "data_issue": "rule, severity, feed, subject_key, message, next_step, size_m2",
}
GEOMETRY = {
    "parcel": "MULTIPOLYGON",
    "enterprise": "POINT",
    "enterprise_land": "MULTIPOLYGON",
    "evaluation_unit": "MULTIPOLYGON",
    "industrial_patch": "MULTIPOLYGON",
    "township_coverage": "MULTIPOLYGON",
    "uncovered_land": "MULTIPOLYGON",
    "review_queue": "MULTIPOLYGON",
    "land_change": "MULTIPOLYGON",
    "data_issue": "MULTIPOLYGON",
}
PROMISED_LINK = (
    "enterprise_code, parcel_code, role, stage, reason, score, runner_up_score, gap, status,"
    " valid_from, valid_to"
)
SQUARE = "ST_Multi(ST_MakeEnvelope({x}, 3340000, {x} + 100, 3340100, 4549))"


@pytest.fixture
def filled(database):
    """Two townships, three parcels written in another order than their codes, one enterprise."""
    with database.begin() as connection:
        connection.execute(
            text("INSERT INTO layers.publication VALUES (1, 7, DATE '2026-06-30', 2025)")
        )
        for code, grade, x in (("C", "A", 500000), ("A", None, 500200), ("B", "D", 500400)):
            connection.execute(
                text(
                    f"""
                    INSERT INTO layers.parcel (parcel_code, township_code, township_name,
                      is_industrial, area_m2, area_mu, enterprise_count, grade, coverage_state,
                      evaluated_share, transition_share, unallocated_m2, geom)
                    VALUES (:code, '330299001', '云河镇', true, 10000, 15, 1, :grade, 'evaluated',
                      1, 0, 0, {SQUARE.format(x=x)})
                    """
                ),
                {"code": code, "grade": grade},
            )
        connection.execute(
            text(
                """
                INSERT INTO layers.enterprise (enterprise_code, name, seat_state, seat_reason,
                  parcel_count, land_area_m2, land_area_mu, township_code)
                VALUES ('X', '无址厂', 'unknown', 'no_evidence', 0, 0, 0, '')
                """
            )
        )
        for code, ratio in (("330299001", "0.69996"), ("330299002", None)):
            connection.execute(
                text(
                    """
                    INSERT INTO derived.township_coverage
                    SELECT CAST(:code AS text), '云河镇', 'township', base, base, base * ratio, 0,
                      base * ratio, CASE WHEN base > 0 THEN ratio END,
                      CASE WHEN base > 0 THEN ratio END, 0.7, base * (0.7 - ratio), 'COV_SPATIAL',
                      0, 0, 0, 0, 0, 0, 0, 0, 0, 0
                    FROM (VALUES (
                      CASE WHEN CAST(:ratio AS text) IS NULL THEN 0 ELSE 1000000.0 END,
                      coalesce(CAST(:ratio AS numeric), 0))) AS v (base, ratio)
                    """
                ),
                {"code": code, "ratio": ratio},
            )
        connection.execute(
            text("INSERT INTO derived.seat VALUES ('X', 'unknown', 'no_evidence', NULL, '')")
        )
        connection.execute(
            text(
                """
                INSERT INTO ops.delivery (feed, data_date, content_hash, contract_hash, file,
                  layer, state, row_count, kept_count, unchanged_count, quarantined_count)
                VALUES ('parcel', DATE '2026-06-01', 'a', 'b', '<img src=x>.shp', '宗地',
                  'consumed', 4, 3, 0, 1)
                """
            )
        )
        connection.execute(
            text(
                """
                INSERT INTO ops.issue (step, rule, severity, feed, subject_key, params)
                VALUES ('s', 'link.no_evidence', 'notice', 'enterprise', 'X', '{"enterprise": "X"}'),
                  ('s', 'link.no_evidence', 'notice', 'enterprise', 'Y', '{"enterprise": "<i>Y"}'),
                  ('s', 'allocation.conflict', 'error', 'parcel', 'A', '{"parcel": "A"}')
                """
            )
        )
    return database


def split(columns):
    return re.split(r",\s*", columns)


@pytest.mark.parametrize("name", PROMISED)
def test_layer_keeps_what_was_promised(database, name):
    with database.connect() as connection:
        table = reflect(connection, {"layers": [name]}).tables[f"layers.{name}"]
    assert {*split(PROMISED[name]), "township_code", "fid", "geom"} <= set(table.columns.keys())
    assert [column.name for column in table.primary_key] == ["fid"]
    assert isinstance(table.c.fid.type, Integer)
    assert table.c.fid.identity is not None
    shapes = [column for column in table.columns if isinstance(column.type, Geometry)]
    assert [column.name for column in shapes] == ["geom"]
    assert (table.c.geom.type.geometry_type, table.c.geom.type.srid) == (GEOMETRY[name], 4549)
    assert table.c.geom.type.dimension == 2
    assert [
        index.name
        for index in table.indexes
        if index.columns.keys() == ["geom"]
        and index.dialect_options["postgresql"]["using"] == "gist"
    ]
    # codes are text, always
    codes = [column for column in table.columns if column.name.endswith("_code")]
    assert all(isinstance(column.type, Text) for column in codes)


def test_there_are_ten_layers(database):
    with database.connect() as connection:
        names = inspect(connection).get_table_names(schema="layers")
        assert layer_srid(connection) == 4549
    assert set(names) == {*PROMISED, "publication"}
    assert len(PROMISED) == 10


def test_link_keeps_what_was_promised(database):
    with database.connect() as connection:
        table = reflect(connection, {"derived": ["link"]}).tables["derived.link"]
    assert set(split(PROMISED_LINK)) <= set(table.columns.keys())
    figures = [table.c[name].type for name in ("score", "runner_up_score", "gap")]
    assert all(isinstance(kind, Numeric) and not isinstance(kind, Double) for kind in figures)
    assert all(isinstance(table.c[name].type, Date) for name in ("valid_from", "valid_to"))


def test_descriptions_name_every_column_of_the_tables(database):
    with database.connect() as connection:
        tables = reflect(connection, {"layers": PROMISED}).tables
    assert set(read_layers()) == set(PROMISED)
    for name, layer in read_layers().items():
        assert list(layer.columns) == tables[f"layers.{name}"].columns.keys()
        for column in layer.columns.values():
            assert column.values is None or column.values in read_codes()


def test_styles_are_written_once(database):
    with database.begin() as connection:
        assert write_styles(connection) == 10
        assert write_styles(connection) == 0
        before = _styles(connection)
        connection.execute(
            text(
                "UPDATE public.layer_styles SET styleqml = '<qgis/>', f_table_catalog = 'old'"
                " WHERE f_table_name = 'parcel'"
            )
        )
        assert write_styles(connection) == 1
        assert _styles(connection) == before


def test_styles_of_users_stay(database):
    with database.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO public.layer_styles (f_table_catalog, f_table_schema, f_table_name,
                  f_geometry_column, stylename, styleqml, useasdefault)
                VALUES (current_database(), 'layers', 'parcel', 'geom', '我的样式', '<qgis/>', true)
                """
            )
        )
        assert write_styles(connection) == 10
        assert write_styles(connection) == 0
        found = connection.execute(
            text(
                "SELECT stylename, useasdefault, CAST(styleqml AS text) FROM public.layer_styles"
                " WHERE f_table_name = 'parcel' ORDER BY id"
            )
        ).all()
    assert found[0] == ("我的样式", True, "<qgis/>")
    assert found[1][:2] == ("diqi", False)
    assert len(found) == 2


def test_styles_are_well_formed():
    for row in style_rows("x"):
        assert ET.fromstring(row.styleqml).tag == "qgis"


def test_geopackage_has_the_rows_in_order_and_the_styles(filled, tmp_path):
    path = tmp_path / "new" / "diqi.gpkg"
    with filled.connect() as connection:
        counts = write_geopackage(connection, path)
    assert counts["parcel"] == 3
    assert counts["land_change"] == 0
    with sqlite3.connect(path) as package:
        assert package.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert package.execute("PRAGMA foreign_key_check").fetchall() == []
        assert package.execute("PRAGMA user_version").fetchone() == (10300,)
        assert package.execute("SELECT fid, parcel_code, grade FROM parcel").fetchall() == [
            (1, "C", "A"),
            (2, "A", None),
            (3, "B", "D"),
        ]
        assert package.execute("SELECT name, geom FROM enterprise").fetchall() == [("无址厂", None)]
        contents = package.execute("SELECT table_name, data_type, last_change FROM gpkg_contents")
        registered = {name: (kind, date) for name, kind, date in contents}
        alias = package.execute(
            "SELECT name FROM gpkg_data_columns"
            " WHERE table_name = 'parcel' AND column_name = 'township_code'"
        ).fetchone()
        styles = package.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault FROM layer_styles"
        ).fetchall()
    assert read_stamp(path) == {"run_id": "7", "as_of": "2026-06-30", "data_year": "2025"}
    assert set(registered) == set(PROMISED) | {"layer_styles"}
    assert registered["parcel"] == ("features", "2026-06-30T00:00:00.000Z")
    assert registered["layer_styles"][0] == "attributes"
    assert alias == ("镇街代码",)
    assert sorted(styles) == sorted((name, "geom", 1) for name in PROMISED)
    info = pyogrio.read_info(path, layer="parcel")
    assert (info["crs"], info["geometry_type"], info["fid_column"]) == (
        "EPSG:4549",
        "MultiPolygon",
        "fid",
    )
    assert list(path.parent.iterdir()) == [path]


def test_geopackage_of_the_same_publication_has_the_same_bytes(filled, tmp_path):
    with filled.connect() as connection:
        write_geopackage(connection, tmp_path / "one.gpkg")
        write_geopackage(connection, tmp_path / "two.gpkg")
    assert (tmp_path / "one.gpkg").read_bytes() == (tmp_path / "two.gpkg").read_bytes()


@pytest.mark.filterwarnings("ignore:GPKG. bad application_id")
def test_stamp_of_what_is_no_package_of_ours(database, tmp_path):
    assert read_stamp(tmp_path / "absent.gpkg") is None
    (tmp_path / "damaged.gpkg").write_bytes(b"SQLite format 3\0")
    assert read_stamp(tmp_path / "damaged.gpkg") is None
    sqlite3.connect(tmp_path / "other.gpkg").execute("CREATE TABLE t (a)").connection.close()
    assert read_stamp(tmp_path / "other.gpkg") is None
    with database.connect() as connection:
        write_geopackage(connection, tmp_path / "empty.gpkg")
        assert read_stamp(tmp_path / "empty.gpkg") == publication_stamp(connection) == {}


def test_files_follow_the_publication(make_township, monkeypatch):
    town = make_township()
    out = town.settings.workspace / "out"
    files = sorted(FILES.values())

    def publish(result):
        """Write the files of a run; the names of those that were written anew."""
        before = {name: (out / name).stat().st_ino for name in files if (out / name).is_file()}
        write_files(town.engine, town.settings, result)
        return [name for name in files if (out / name).stat().st_ino != before.get(name)]

    assert publish(town.run(FIRST_NIGHT)) == files
    assert publish(town.run(FIRST_NIGHT)) == []
    # only the business date moves on
    later = town.run(SECOND_NIGHT)
    assert publish(replace(later, steps=[])) == files
    assert "2026-07-01" in (out / "report.html").read_text(encoding="utf-8")
    again = town.run(SECOND_NIGHT)
    assert publish(again) == []
    (out / "report.html").unlink()
    assert publish(again) == files
    (out / "diqi.gpkg").write_bytes(b"damaged")
    assert publish(again) == files
    # interrupted before the last file: the next run makes it good
    with town.engine.begin() as connection:
        connection.execute(text("UPDATE layers.publication SET run_id = run_id + 1"))
    with monkeypatch.context() as patch:
        patch.setattr(geopackage, "write_geopackage", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_files(town.engine, town.settings, again)
    assert publish(again) == files
    assert publish(again) == []


def test_geopackage_streams_batch_by_batch(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(geopackage, "_BATCH_ROWS", 2)
    with filled.connect() as connection:
        assert write_geopackage(connection, tmp_path / "diqi.gpkg")["parcel"] == 3
    assert len(pyogrio.raw.read(tmp_path / "diqi.gpkg", layer="parcel")[2]) == 3


def test_interrupted_geopackage_leaves_the_old_one(filled, tmp_path, monkeypatch):
    path = tmp_path / "diqi.gpkg"
    with filled.connect() as connection:
        write_geopackage(connection, path)
        before = path.read_bytes()

        def stop(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(geopackage, "_write_aliases", stop)
        with pytest.raises(KeyboardInterrupt):
            write_geopackage(connection, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("obstacle", ["folder", "file_as_folder", "writer", "journal"])
def test_geopackage_that_cannot_be_replaced(filled, tmp_path, obstacle):
    path = tmp_path / "diqi.gpkg"
    holder = None
    if obstacle == "folder":
        path.mkdir()
    elif obstacle == "file_as_folder":
        (tmp_path / "out").write_text("")
        path = tmp_path / "out" / "diqi.gpkg"
    else:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("CREATE TABLE t (a)")
        if obstacle == "writer":
            holder.execute("BEGIN IMMEDIATE")
        else:
            holder.execute("PRAGMA journal_mode = wal")
            holder.execute("INSERT INTO t VALUES (1)")
    with filled.connect() as connection, pytest.raises(SettingsError) as caught:
        write_geopackage(connection, path)
    assert caught.value.code == "export.not_writable"
    assert caught.value.params["path"] == str(path)
    assert "export.not_writable" not in both(caught.value.code, caught.value.params)[0]
    if holder is not None:
        holder.close()
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_projects_hold_no_secrets_and_no_place(filled, tmp_path):
    with filled.connect() as connection:
        extent = layer_extent(connection)
    assert extent == (500000, 3340000, 500500, 3340100)
    paths = write_projects(4549, '云河县 <"地企">', tmp_path, extent)
    assert [path.name for path in paths] == ["diqi.qgz", "diqi-gpkg.qgz", "diqi-review.qgz"]
    for path in paths:
        project = _read_project(path)
        assert not re.search(r"(?i)\b(user|password|host|authcfg|dbname)\s*=", project)
        assert not re.search(r'[">](/|file:|[A-Za-z]:\\)\w', project)
        assert not re.search(r"@[A-Z]+(:\w+)?@", project)
        tree = ET.fromstring(project)
        assert tree.findtext("title") == '云河县 <"地企">'
        layers = tree.findall("projectlayers/maplayer")
        forms = [layer for layer in layers if layer.get("geometry") == "No geometry"]
        assert len(layers) - len(forms) == 10
        shapes = [layer for layer in layers if layer not in forms]
        assert {layer.findtext("srs/spatialrefsys/authid") for layer in shapes} == {"EPSG:4549"}
        assert len(tree.findall("visibility-presets/visibility-preset")) == 6
        sources = {layer.findtext("id"): layer.findtext("datasource") for layer in layers}
        if path.name != "diqi-gpkg.qgz":
            assert all("estimatedmetadata=true" in source for source in sources.values())
            assert sources["diqi_parcel"] == (
                "service='diqi' key='fid' estimatedmetadata=true srid=4549"
                ' type=MultiPolygon checkPrimaryKeyUnicity=\'0\' table="layers"."parcel" (geom)'
            )
        else:
            assert sources["diqi_parcel"] == "./diqi.gpkg|layername=parcel"
        if path.name == "diqi-review.qgz":
            assert [form.findtext("id") for form in forms] == ["diqi_correction", "diqi_decision"]
            for name in ("correction", "decision"):
                assert f'table="core"."{name}"' in sources[f"diqi_{name}"]
            (relation,) = tree.findall("relations/relation")
            assert relation.get("referencingLayer") == "diqi_decision"
            assert relation.get("referencedLayer") == "diqi_review_queue"
        else:
            # a viewer may not read it, a file has nobody who would
            assert forms == []
            assert "diqi_correction" not in project
            assert "diqi_decision" not in project


def test_projects_are_repeatable_and_follow_the_crs(tmp_path):
    first = [path.read_bytes() for path in write_projects(4528, "县", tmp_path / "a")]
    assert first == [path.read_bytes() for path in write_projects(4528, "县", tmp_path / "b")]
    project = _read_project(tmp_path / "a" / "diqi.qgz")
    assert "EPSG:4549" not in project
    assert "srid=4528" in project
    assert "DefaultViewExtent" not in project


def test_report_says_what_was_published(filled, tmp_path):
    path = tmp_path / "report.html"
    run = {
        "steps": [
            {
                "step": "link_enterprises",
                "seconds": 1.234,
                "tables": {
                    "derived.link": {"inserted": 1, "updated": 2, "deleted": 3, "unchanged": 4},
                    "derived.seat": {"inserted": 1, "updated": 0, "deleted": 0, "unchanged": 0},
                },
            }
        ],
        "missing_feeds": ["lease"],
    }
    with filled.connect() as connection:
        write_report(connection, path, run, both)
    page = path.read_text(encoding="utf-8")
    assert "运行 7 · 业务日期 2026-06-30 · 数据年度 2025" in page
    assert "COV_SPATIAL" in page
    assert "69.99 %" in page
    assert "70.00 %" in page  # the target
    assert "1,500.00" in page
    assert "0.06" in page  # gap: 0.00004 of 1500 mu
    assert "<td>—</td>" in re.sub(r' class="[^"]*"', "", page)
    assert "落位不明" in page
    assert "&lt;img src=x&gt;.shp" in page
    assert "<img" not in page
    assert "<i>Y" not in page
    assert both("report.missing.lease", {})[1] in page
    assert page.index("allocation.conflict") < page.index("link.no_evidence")
    assert both("link.no_evidence.next_step", {})[0] in page
    assert re.search(r"link_enterprises</code></td>\s*<td class=\"n\">1\.23</td>", page)
    assert not re.search(r'(?:src|href|url)\s*[=(]\s*["\']?(?:https?:)?//', page)
    assert "report.missing." not in page


def test_report_of_an_empty_database(database, tmp_path):
    with database.connect() as connection:
        write_report(connection, tmp_path / "report.html", {}, both)
    assert "尚无已发布的运行" in (tmp_path / "report.html").read_text(encoding="utf-8")


COVERAGE = {
    "area_code": "330299401",
    "name": "青岚国家级高新技术产业开发区",
    "base_area_m2": Decimal("82304526.7489"),
    "linked_area_m2": Decimal("82304526.7489"),
    "evaluated_area_m2": Decimal("8230452.6749"),
    "transition_area_m2": Decimal("823045.2675"),
    "coverage_ratio": Decimal("0.10999"),
    "strict_ratio": Decimal("0.1"),
    "target_ratio": Decimal("0.7"),
    "gap_m2": Decimal("49382716.0493"),
    "definition": "COV_SPATIAL",
}
DELIVERY = {
    "delivery_id": 12345,
    "feed": "recognition",
    "file": "2026-06-30/scope=330299001,330299002/[2026]高新技术企业认定名单（含复审）_20260630.xlsx",
    "data_date": "2026-06-30",
    "state": "consumed",
    "row_count": 1234567,
    "kept_count": 1234567,
    "unchanged_count": 0,
    "quarantined_count": 1,
}


def printed(show, *arguments):
    console = Console(file=io.StringIO())
    show(console, *arguments)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160])
def test_coverage_on_the_terminal_is_never_cut(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed(
        show_coverage, [COVERAGE, COVERAGE | {"name": "云溪镇", "coverage_ratio": None}]
    )
    assert "…" not in "".join(lines)
    start = next(number for number, line in enumerate(lines) if line.startswith("─")) + 1
    name, *figures = lines[start].split()
    # a long name goes on below, alone
    assert COVERAGE["name"] in (name, name + lines[start + 1].strip())
    whole = ["123,456.79", "123,456.79", "12,345.68", "1,234.57", "10.99", "%", "74,074.07"]
    strict = ["10.00", "%"]
    expected = {
        40: whole,
        80: whole,
        100: [*whole[:-1], *strict, whole[-1]],
        120: ["330299401", *whole[:-1], *strict, whole[-1]],
        160: ["330299401", *whole[:-1], *strict, whole[-1]],
    }
    assert figures == expected[width]
    assert any("not shown" in line for line in lines) == (width < 120)
    # where even the figures have no room, the line is longer than the terminal, but whole
    assert all(cell_len(line) <= width for line in lines) or width == 40


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_deliveries_on_the_terminal_are_never_cut(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = printed(show_deliveries, [DELIVERY])
    assert "…" not in "".join(lines)
    assert all(cell_len(line) <= width for line in lines)
    body = lines[lines.index(next(line for line in lines if line.startswith("─"))) + 1 :]
    assert body[0].split()[0] == "12345"
    pieces = [line[5:].split()[0] for line in body if not line.startswith("未列")]
    assert "".join(pieces) == DELIVERY["file"]
    assert body[0].split()[2:6] == ["1234567", "1234567", "0", "1"]
    assert "consumed" not in "".join(lines)
    lines = printed(show_deliveries, [DELIVERY, DELIVERY | {"state": "withdrawn"}])
    assert sum("withdrawn" in line for line in lines) == 1


def test_without_a_terminal_a_line_has_120_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.isatty", lambda stream: False)
    assert not any("not shown" in line for line in printed(show_coverage, [COVERAGE]))


def test_nothing_to_print(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert printed(show_seats, []) == []
    assert printed(show_issues, []) == ["数据问题 issues: 0"]
    assert "底数" in "".join(printed(show_coverage, []))
    assert "文件" in "".join(printed(show_deliveries, []))


@pytest.mark.parametrize(
    ("area", "expected"),
    [("2000", "3.00"), ("666.6667", "1.00"), ("3.3333", "0.00"), ("3.3334", "0.01"), ("0", "0.00")],
)
def test_mu_half_up(area, expected):
    assert mu(Decimal(area)) == expected


def test_ratio_is_cut_off():
    assert pct(Decimal("0.69996")) == "69.99 %"
    assert pct(Decimal("0.7")) == "70.00 %"
    assert pct(None) == "—"


def test_every_missing_feed_has_a_text():
    optional = {"right", "lease", "footprint", "indicator", "recognition", "account", "score"}
    for feed in optional:
        zh, en = both(f"report.missing.{feed}", {})
        assert zh != en
        assert "report.missing" not in zh + en


def _styles(connection):
    return connection.execute(
        text(
            "SELECT id, f_table_catalog, f_table_name, stylename, CAST(styleqml AS text),"
            " useasdefault, type FROM public.layer_styles ORDER BY id"
        )
    ).all()


def _read_project(path):
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        assert archive.getinfo(name).date_time == (1980, 1, 1, 0, 0, 0)
        return archive.read(name).decode("utf-8")
