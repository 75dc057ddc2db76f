"""Databases in one file: nothing in them may point elsewhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import geopandas as gpd
import pyogrio
import pytest
from shapely.geometry import box

from pipeline.errors import SourceError
from pipeline.feeds.databases import check_database
from pipeline.feeds.readers import list_layers


@pytest.fixture
def package(tmp_path):
    """A GeoPackage with an index of places."""
    path = tmp_path / "宗地 %23?.gpkg"
    frame = gpd.GeoDataFrame({"ZDDM": ["a", "b"]}, geometry=[box(0, 0, 1, 1)] * 2, crs=4549)
    pyogrio.write_dataframe(frame, tmp_path / "a.gpkg", layer="ZD")
    (tmp_path / "a.gpkg").rename(path)
    return path


def change(path, *statements):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = 1")
        for statement in statements:
            database.execute(statement)
        database.commit()


def refusal(path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        check_database(path)
    with pytest.raises(SourceError) as asked:
        list_layers(path)
    assert asked.value.code == caught.value.code
    assert caught.value.params["file"] == path.name
    return caught.value


def test_an_ordinary_one_passes_with_its_index_and_its_views(package):
    change(package, "CREATE VIEW v AS SELECT ZDDM, upper(ZDDM) AS u FROM ZD")
    check_database(package)
    assert "ZD" in list_layers(package)
    assert [file.name for file in package.parent.iterdir()] == [package.name]


@pytest.mark.parametrize(
    ("sql", "module"),
    [
        ("CREATE VIRTUAL TABLE p USING VirtualText(''/etc/passwd'', utf8)", "virtualtext"),
        ("create/**/virtual table [p]\n--x\nusing \"VirtualOGR\"(''/a.shp'')", "virtualogr"),
        ("CREATE VIRTUAL TABLE p /* USING rtree */ USING csv(filename=''/a'')", "csv"),
        ("CREATE VIRTUAL TABLE \"p\" USING VirtualShape(''/a'', utf8, 1)", "virtualshape"),
        ("CREATE VIRTUAL TABLE `p` USING `VirtualDbf`(''/a'', utf8)", "virtualdbf"),
    ],
)
def test_tables_that_show_other_files(package, sql, module):
    change(package, f"INSERT INTO sqlite_master VALUES ('table', 'p', 'p', 0, '{sql}')")
    error = refusal(package)
    assert error.code == "source.database_link"
    assert (error.params["module"], error.params["layer"]) == (module, "p")


@pytest.mark.parametrize("name", ["p USING rtree", "p /*", "p -- USING rtree", "a.b USING rtree"])
def test_a_name_is_no_statement(package, name):
    sql = f'CREATE VIRTUAL TABLE "{name}" USING VirtualText(x) -- */ USING rtree'
    with closing(sqlite3.connect(package)) as database:
        database.execute("PRAGMA writable_schema = 1")
        database.execute(
            "INSERT INTO sqlite_master VALUES ('table', ?, ?, 0, ?)", (name, name, sql)
        )
        database.commit()
    error = refusal(package)
    assert error.code == "source.database_link"
    assert error.params["module"] == "virtualtext"


def test_what_is_no_statement_at_all(package):
    change(package, "INSERT INTO sqlite_master VALUES ('table', 'p', 'p', 0, 'nonsense')")
    # SQLite itself does not take it
    assert refusal(package).code == "source.unreadable"


@pytest.mark.parametrize(
    "select", ["load_extension('/tmp/x.so')", "ogr_geocode('x')", "readfile('/etc/passwd')"]
)
def test_views_that_need_more_than_their_tables(package, select):
    change(package, f'CREATE VIEW "v\'" AS SELECT {select} AS a FROM ZD')
    error = refusal(package)
    assert error.code == "source.database_view"
    assert error.params["layer"] == "v'"


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_one_that_another_program_has_open(package, suffix):
    beside = package.with_name(package.name + suffix)
    beside.write_bytes(b"")
    check_database(package)
    beside.write_bytes(b"\1" * 100)
    error = refusal(package)
    assert error.code == "source.database_open"
    assert error.params["beside"] == beside.name


def test_one_that_is_none(tmp_path):
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"SQLite format 3\0" + b"\7" * 3000)
    assert refusal(path).code == "source.unreadable"
