"""Files that are broken, odd or meant to harm: each is read right or refused by name."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from rich.console import Console
from sqlalchemy import text

from pipeline.domain.codes import credit_check_digit
from pipeline.errors import CheckFailed, DiqiError, SourceError, UsageError
from pipeline.feeds.batch import raw_batch
from pipeline.feeds.contracts import FEEDS, Column, Contract, County
from pipeline.feeds.discover import SourceFile
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.opening import OPEN_LAYER, TOP_OF
from pipeline.feeds.reader import Delivery
from pipeline.inspection import Part, draft_of, inspect, inspect_file
from pipeline.messages import both, catalogue
from pipeline.outputs.inspection import inspection_summary, show_inspection
from pipeline.run import contracts_of, load, run
from pipeline.settings import Settings, settings_without_workspace
from pipeline.steps.deliveries import DeliveryResult

DAY = dt.date(2026, 6, 30)
FOLDERS = (
    "hostile-corpus",
    "gbk-shapefiles",
    "fr-cadastre-edigeo",
    "ningbo-county-boundaries",
    "cn-enterprises-cixi",
)
SHP = (".shp", ".shx", ".dbf", ".prj")
ATTRIBUTE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
Reader = Callable[[Path, str], list[str | None]]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Path:
    return shared_data / "hostile-corpus"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_without_workspace()


@pytest.fixture(scope="module")
def room(settings: Settings) -> Iterator[ReadingRoom]:
    """A process that reads, and leaves nothing of what it unpacked."""
    made = ReadingRoom(settings.limits.of_files)
    made.start()
    yield made
    assert made._folder is not None
    assert list(made._folder.iterdir()) == []
    made.close()


def files_of(folder: Path) -> list[Path]:
    inside = sorted(folder.rglob("*"))
    bases = {path for path in inside if path.suffix == ".gdb"}
    return [p for p in inside if p in bases or (p.is_file() and bases.isdisjoint(p.parents))]


def is_whole(code: str, params: dict[str, object]) -> bool:
    """Whether a message has its text in both languages, and nothing is left to be filled in."""
    texts = both(code, params)
    is_known = code in catalogue("zh") and code in catalogue("en")
    return is_known and not any(re.search(r"\{\w+\}", text) for text in texts)


def assert_told(error: DiqiError) -> None:
    assert isinstance(error, SourceError | UsageError)
    assert is_whole(error.code, error.params), error
    zh, en = both(error.code, error.params)
    assert zh != en
    assert max(len(zh), len(en)) < 3_000
    assert not re.search(r"[\x00-\x1f]", zh + en)


# ---- Every file ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_read_or_refused_by_name(
    shared_data: Path, settings: Settings, room: ReadingRoom, tmp_path: Path, folder: str
) -> None:
    for path in files_of(shared_data / folder):
        try:
            found = inspect_file(
                path, settings, feed=None, picture=tmp_path / "p.png", as_of=DAY, room=room
            )
        except (SourceError, UsageError) as error:
            assert_told(error)
            continue
        for one in found:
            show_inspection(Console(file=io.StringIO()), one)
            assert json.loads(json.dumps(inspection_summary(one), default=str))
            assert all(is_whole(code, params) for code, params in one.notes)
            if one.refusal is not None:
                assert_told(one.refusal)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_draft_is_one_that_loads_or_none(
    shared_data: Path, settings: Settings, room: ReadingRoom, folder: str
) -> None:
    drafts = 0
    for path in files_of(shared_data / folder):
        try:
            text = draft_of(path, settings, None, room=room)
        except (SourceError, UsageError) as error:
            assert_told(error)
            continue
        drafts += 1
        assert set(tomllib.loads(text)) <= {"feed", "never_stored"}, path
    assert drafts or folder == "fr-cadastre-edigeo"


# ---- What they hold, read another way -------------------------------------------------------------


def by_csv(encoding: str, separator: str = ",") -> Reader:
    def read(path: Path, heading: str) -> list[str | None]:
        with path.open(encoding=encoding, newline="") as handle:
            rows = [
                [cell.strip() for cell in row] for row in csv.reader(handle, delimiter=separator)
            ]
        rows = [row for row in rows if any(row)]
        place = rows[0].index(heading)
        return [row[place] or None for row in rows[1:]]

    return read


def by_openpyxl(path: Path, heading: str) -> list[str | None]:
    rows = list(openpyxl.load_workbook(path, data_only=True).worksheets[0].values)
    place = [str(name) for name in rows[0]].index(heading)
    return [None if row[place] is None else str(row[place]) for row in rows[1:]]


def by_xml(path: Path, heading: str) -> list[str | None]:
    """One column of the only table of an .ods, by the text of its cells."""
    root = ET.fromstring(zipfile.ZipFile(path).read("content.xml"))
    cells = [
        "".join(next(iter(row), ET.Element("none")).itertext())
        for row in root.iter(f"{ATTRIBUTE}table-row")
    ]
    filled = [cell for cell in cells if cell]
    assert filled[0] == heading
    return list(filled[1:])


def by_ogr(encoding: str | None = None, layer: str | None = None) -> Reader:
    def read(path: Path, heading: str) -> list[str | None]:
        target = path
        if path.suffix == ".zip":
            (inside,) = (n for n in zipfile.ZipFile(path).namelist() if n.endswith(".shp"))
            target = Path(f"/vsizip/{path}/{inside}")
        frame = pyogrio.read_dataframe(
            target, layer=layer, encoding=encoding, read_geometry=False, fid_as_index=True
        )
        return as_texts(frame[heading])

    return read


def by_json(path: Path, heading: str) -> list[str | None]:
    text = path.read_text(encoding="utf-8")
    found = [json.loads(part) for part in text.split("\x1e") if part.strip()]
    features = found if "\x1e" in text else found[0].get("features", [found[0]])
    values = [feature["properties"].get(heading) for feature in features]
    return [None if value is None else str(value) for value in values]


def by_arrow(path: Path, heading: str) -> list[str | None]:
    return as_texts(pq.read_table(path, columns=[heading]).column(heading).to_pandas())


def as_texts(values: pd.Series) -> list[str | None]:
    return [
        None if pd.isna(v) or v == "" else f"{v:g}" if isinstance(v, float) else str(v).strip()
        for v in values
    ]


UTF8 = by_csv("utf-8-sig")
READABLE: tuple[tuple[str, str, Reader], ...] = (
    ("digital-land/geojson.csv", "TITLE", UTF8),
    ("digital-land/xlsm.csv", "SiteReference", UTF8),
    ("mapnik/csv/64bit_int.csv", "bigint", UTF8),
    ("mapnik/csv/blank_rows.csv", "name", UTF8),
    ("mapnik/csv/bug1532.csv", "type", by_csv("utf-8", "|")),
    ("mapnik/csv/pipe_delimiters.csv", "z", by_csv("utf-8", "|")),
    ("mapnik/csv/points.csv", "placements", UTF8),
    ("mapnik/csv/quoted_numbers.csv", "label", UTF8),
    ("mapnik/csv/tabs_in_csv.csv", "z", UTF8),
    ("mapnik/csv/windows_newlines.csv", "z", UTF8),
    ("mapshaper/text/two_states.csv", "STATE_NAME", UTF8),
    ("mapshaper/text/two_states.tsv", "STATE_NAME", by_csv("utf-8", "\t")),
    ("nycplanning/library/data/test_nypl_libraries.csv", "name", UTF8),
    ("strings/formula_injection.csv", "value", UTF8),
    ("mapshaper/dbf/utf8.dbf", "NAME", by_ogr("utf-8")),
    ("mapshaper/dbf/cpg/win874.dbf", "NAME", by_ogr("cp874")),
    ("nts/TestShapefiles/fields_utf8.dbf", "text", by_ogr("utf-8")),
    ("nts/TestShapefiles/Victoria North.dbf", "fieldName", by_ogr("utf-8")),
    ("mapshaper/shapefile/two_states.shp", "STATE_NAME", by_ogr("utf-8")),
    ("nts/TestShapefiles/eurostat/countries_pt.shp", "CNTR_NAME", by_ogr("utf-8")),
    ("mapnik/shp/poly_null_poly.shp", "desc", by_ogr("utf-8")),
    ("spreadsheets/temperature.xlsx", "label", by_openpyxl),
    ("spreadsheets/table_with_absolute_paths.xlsx", "Name", by_openpyxl),
    ("spreadsheets/non_monotonic_si.xlsx", "1", by_openpyxl),
    ("spreadsheets/nonstandard-xml-ns-prefix.xlsx", "a", by_openpyxl),
    ("spreadsheets/issue_644.xlsx", "10", by_openpyxl),
    ("spreadsheets/covered.ods", "a1", by_xml),
    ("fiona/!test.geojson", "name", by_json),
    ("fiona/grenada.geojson", "name:ta", by_json),
    ("fiona/sequence-pp.txt", "NAME", by_json),
    ("mapnik/json/null_feature.geojson", "feat_id", by_json),
    ("mapshaper/features/clean/ex2_yemen.json", "ADM2_NAME", by_json),
    ("mapshaper/geopackage/null_crs_gdal.gpkg", "NAME", by_ogr()),
    (
        "geopandas/io/tests/data/arrow/geoparquet/data-point-encoding_native.parquet",
        "col",
        by_arrow,
    ),
    ("nycplanning/lifecycle/ingest/resources/test_data/renamed.parquet", "boro_code", by_arrow),
)


def permissive(key: str, crs: str, geometry: str = "none") -> Contract:
    """A contract that wants one column and believes everything."""
    return Contract(
        feed="footprint",
        title_zh="任何文件",
        title_en="any file",
        office="land",
        files=("*",),
        geometry=geometry,  # type: ignore[arg-type]
        key=("key",),
        columns={"key": Column(aliases=(key,))},
        crs=crs,
    )


def delivery_of(path: Path, contract: Contract, layer: str | None = None) -> Delivery:
    inside = None
    if path.suffix == ".zip":
        (inside,) = (n for n in zipfile.ZipFile(path).namelist() if n.endswith(".shp"))
    source = SourceFile(path, path.name, "footprint", None, None, "", inside=inside, layer=layer)
    # the plane of web maps holds most of the world
    return Delivery(source, contract, County("", "EPSG:3857"), DAY, "")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "heading", "other_way"), READABLE)
def test_values_are_those_that_others_read(
    corpus: Path, room: ReadingRoom, name: str, heading: str, other_way: Reader
) -> None:
    path = corpus / name
    delivery = delivery_of(path, permissive(heading, "EPSG:4326"))
    texts: list[str | None] = []
    with room.opened(OPEN_LAYER, delivery.opening(room.limits), file=path.name) as layer:
        (place,) = layer.match.positions["key"]
        for batch in layer.batches:
            column = raw_batch(batch, len(layer.headings)).columns[place]
            texts += [None if pd.isna(text) else str(text).strip() or None for text in column]
    expected = other_way(path, heading)
    assert len(expected) > 0
    assert texts == expected


SHAPES: tuple[tuple[str, str, str | None], ...] = (
    ("fiona/!test.geojson", "name", None),
    ("mapshaper/features/clean/ex2_yemen.json", "ADM2_NAME", None),
    ("mapshaper/geopackage/shared_vs_unshared_paths.gpkg", "NAME", "counties"),
    ("mapshaper/shapefile/two_states.shp", "STATE_NAME", None),
    ("nts/TestShapefiles/Issues/011/WallaceMonument.zip", "OBJECTID", None),
    (
        "geopandas/io/tests/data/arrow/geoparquet/data-multipolygon-encoding_native.parquet",
        "col",
        None,
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "heading", "layer"), SHAPES)
def test_shapes_lie_where_others_put_them(
    corpus: Path, room: ReadingRoom, name: str, heading: str, layer: str | None
) -> None:
    path = corpus / name
    if path.suffix == ".parquet":
        expected = gpd.read_parquet(path)
    elif path.suffix == ".zip":
        expected = gpd.read_file(f"zip://{path}")
    elif path.suffix == ".geojson":
        # with its name others take it for a file in an archive
        content = json.loads(path.read_bytes())
        expected = gpd.GeoDataFrame.from_features(content.get("features", [content]), crs=4326)
    else:
        expected = gpd.read_file(path, layer=layer)
    heading = heading if heading in expected.columns else expected.columns[0]
    contract = permissive(heading, "file", "polygon")
    delivery = delivery_of(path, contract, layer)
    shapes: list[shapely.Geometry | None] = []
    with room.opened(OPEN_LAYER, delivery.opening(room.limits), file=path.name) as opened:
        for batch in opened.batches:
            drawn = raw_batch(batch, len(opened.headings)).drawn
            found = None if drawn is None else shapely.from_wkb(drawn.delivered)
            assert found is not None
            shapes += list(found)
    wanted = expected.geometry.to_crs(3857)
    # what is empty is no shape
    assert [shape is None for shape in shapes] == list(wanted.isna() | wanted.is_empty)
    for shape, other in zip(shapes, wanted, strict=True):
        if shape is not None:
            np.testing.assert_allclose(shape.bounds, other.bounds, atol=0.01)
            np.testing.assert_allclose(shape.area, other.area, rtol=1e-6)


# ---- What is refused ------------------------------------------------------------------------------

# What each is, by its own README, the tests it comes from, or its bytes.
REFUSED = {
    "mapnik/csv/fails/blank.csv": "source.format_empty",
    "mapnik/csv/fails/cannot_read_a_vrt.vrt": "source.format_vrt",
    "mapnik/json/feature-malformed-1.json": "source.format_json",
    "mapnik/shp/world_merc_license.txt": "source.format_no_table",
    "mapnik/topojson/polygon.topojson": "source.format_topojson",
    "mapshaper/dbf/cpg/utf16.dbf": "source.encoding_unknown",
    "mapshaper/dbf/gbk.dbf": "source.encoding_unclear",
    "mapshaper/dbf/periphereies.dbf": "source.encoding",
    "mapshaper/flatgeobuf/poly01.fgb": "source.format_flatgeobuf",
    "mapshaper/issues/384_invalid_json/sample1.json": "source.unreadable",
    "mapshaper/text/lorem.txt": "source.format_no_table",
    "fiona/test_gpx.gpx": "source.format_gpx",
    "jts-wkt/africa.wkt": "source.format_wkt",
    "nts/TestShapefiles/EmptyShapeFile.shp": "source.shapefile_incomplete",
    "nts/TestShapefiles/afvalbakken.shp": "source.shapefile_incomplete",
    "nts/arcmap/shp/point.sbn": "source.format_shapefile_part",
    "pyshp/latin1.dbf": "source.encoding",
    "spreadsheets/empty_sheet.xlsx": "source.empty",
    "spreadsheets/pass_protected.ods": "source.format_encrypted_workbook",
    "spreadsheets/pass_protected.xlsb": "source.format_encrypted_workbook",
    "spreadsheets/pass_protected.xlsx": "source.format_encrypted_workbook",
    "spreadsheets/picture_richdata.xlsx": "source.empty",
    "strings/blns.json": "source.format_json",
    "strings/blns.txt": "source.format_no_table",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_as_what_it_is(
    corpus: Path, settings: Settings, room: ReadingRoom, name: str
) -> None:
    with pytest.raises(SourceError) as caught:
        draft_of(corpus / name, settings, None, room=room)
    assert caught.value.code == REFUSED[name]
    assert Path(name).stem in str(caught.value.params["file"])


@pytest.mark.slow
def test_files_of_json_that_must_fail_give_no_rows(
    corpus: Path, settings: Settings, room: ReadingRoom
) -> None:
    """The suite says n_ for what no parser may take; none of its files is a layer."""
    names = sorted((corpus / "mapshaper/json/JSONTestSuite/test_parsing").glob("*.json"))
    assert len(names) > 90
    for path in names:
        with pytest.raises(SourceError) as caught:
            draft_of(path, settings, None, room=room)
        assert_told(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["spreadsheets", "mapshaper/dbf", "geopandas"])
def test_every_file_may_be_cut_or_changed_anywhere(
    corpus: Path, settings: Settings, room: ReadingRoom, tmp_path: Path, folder: str
) -> None:
    chance = np.random.default_rng(1)
    for path in files_of(corpus / folder):
        data = path.read_bytes()
        changed = bytearray(data)
        for at in chance.integers(0, len(data), 8):
            changed[at] = chance.integers(0, 256)
        for kind, content in (("cut", data[: int(chance.integers(1, len(data)))]), ("", changed)):
            copy = tmp_path / f"{path.stem}{kind}{path.suffix}"
            copy.write_bytes(content)
            try:
                read_to_the_end(room, copy)
            except SourceError as error:
                assert_told(error)
            copy.unlink()


def read_to_the_end(room: ReadingRoom, path: Path) -> None:
    """Read each layer as a feed that believes everything, and clean its rows."""
    for layer in room.asked(TOP_OF, path, None, room.limits, file=path.name):
        heading = next((name for (name, *_) in layer["headings"][0] if name), "-")
        geometry = "polygon" if layer["has_geometry"] else "none"
        contract = permissive(heading, "file" if layer["crs"] else "EPSG:4326", geometry)
        with suppress(SourceError):
            inspect(room, delivery_of(path, contract, None), "person", Part(path, path.name, "-"))


# ---- An inbox full of them ------------------------------------------------------------------------


def zipped(*entries: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return held.getvalue()


def workbook(sheet: str, shared: bytes = b"<sst/>") -> bytes:
    """An .xlsx with one sheet, as little as a reader wants."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    relations = f'<Relationships xmlns="{package}/relationships">{{}}</Relationships>'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"/>',
        "_rels/.rels": relations.format(
            f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        ),
        "xl/_rels/workbook.xml.rels": relations.format(
            f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="r2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>'
        ),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}">{sheet}</worksheet>',
    }
    texts = [(name, text.encode()) for name, text in parts.items()]
    return zipped(*texts, ("xl/sharedStrings.xml", shared))


def database(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (ZDDM text)")
        made.execute("PRAGMA writable_schema = 1")
        for statement in statements:
            made.execute(statement)
        made.commit()


def renamed_layer(path: Path, source: Path, layer: str, column: str) -> None:
    """A GeoPackage as some program wrote it, its only layer and a column called otherwise."""
    shutil.copyfile(source, path)
    with closing(sqlite3.connect(path)) as made:
        (table,) = made.execute("SELECT table_name FROM gpkg_contents").fetchone()

        def quoted(name: str) -> str:
            return '"' + name.replace('"', '""') + '"'

        triggers = made.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            made.execute(f"DROP TRIGGER {quoted(name)}")
        made.execute("DELETE FROM gpkg_extensions")
        made.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(column)} TEXT DEFAULT 'x'")
        made.execute(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(layer)}")
        for known in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_ogr_contents"):
            made.execute(f"UPDATE {known} SET table_name = ?", (layer,))
        made.commit()


class Inbox:
    """A county whose first night is good, and what is put beside it."""

    def __init__(self, township: Township) -> None:
        self.township = township
        self.folder = township.settings.workspace / "inbox"
        self.good = self.folder / FIRST_NIGHT.isoformat()
        self.expected: dict[str, str] = {}
        self.day = dt.date(2026, 1, 1)

    def put(self, name: str, code: str, content: bytes | None = None) -> Path:
        """A path in a folder of its own day, the content written to it where there is any."""
        folder = self.folder / self.day.isoformat()
        self.day += dt.timedelta(days=1)
        folder.mkdir(parents=True)
        path = folder / name
        if content is not None:
            path.write_bytes(content)
        self.expected[path.relative_to(self.folder).as_posix()] = code
        return path

    def is_told_as(self, path: Path, name: str) -> None:
        """The name under which a file that was put is told of."""
        place = path.relative_to(self.folder)
        self.expected[(place.parent / name).as_posix()] = self.expected.pop(place.as_posix())

    def load(self) -> list[DeliveryResult]:
        with suppress(SourceError):
            return load(self.township.engine, self.township.settings, as_of=FIRST_NIGHT)
        return []

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.township.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def loaded(self) -> list[tuple[Any, ...]]:
        """What was loaded of each file: the counts, and the rows that are there."""
        return self.rows(
            """
            SELECT d.file, d.state, d.row_count, d.kept_count, d.quarantined_count, count(r.*)
            FROM ops.delivery AS d LEFT JOIN ops.delivered AS r USING (delivery_id)
            WHERE d.state <> 'refused' GROUP BY d.delivery_id ORDER BY d.file, d.feed
            """
        )

    def refused(self) -> dict[str, str]:
        found = self.rows(
            "SELECT d.file, d.detail ->> 'code' FROM ops.delivery AS d WHERE d.state = 'refused'"
        )
        return dict(found)

    def contents(self) -> dict[str, int]:
        """The number of contents of each feed."""
        return {feed: self.rows(f"SELECT count(*) FROM raw.{feed}")[0][0] for feed in FEEDS}


def harm(inbox: Inbox, tmp_path: Path) -> None:
    """Fill an inbox with what no office should send."""
    shapes = {suffix: (inbox.good / f"DLTB{suffix}").read_bytes() for suffix in SHP}
    as_zip = [(f"DLTB{suffix}", data) for suffix, data in shapes.items()]

    def shapefile(code: str, **changes: bytes | None) -> None:
        path = inbox.put("DLTB.shp", code)
        for suffix, data in shapes.items():
            changed = changes.get(suffix[1:], data)
            if changed is not None:
                path.with_suffix(suffix).write_bytes(changed)

    shapefile("source.shapefile_cut", shp=shapes[".shp"][:-20])
    shapefile("source.shapefile_incomplete", shx=None)
    shapefile("source.dbf_records", dbf=shapes[".dbf"][:4] + b"\xff" * 4 + shapes[".dbf"][8:])
    shapefile("source.format_unknown", shp=b"\x07" * 500)
    huge = shapes[".shx"][:100] + struct.pack(">ii", 2**31 - 1, 2**30) + shapes[".shx"][108:]
    shapefile("source.shapefile_cut", shx=huge)
    far = "<sheetData><row r='1048576'><c r='XFD1048576' t='inlineStr'><is><t>x</t></is></c></row>"
    inbox.put("企业名录.xlsx", "source.too_large", workbook(f"{far}</sheetData>"))
    many = b"<sst>" + b"<si><t>" * 400_000_00 + b"</sst>"
    assert len(many) > 1 << 28
    inbox.put("企业名录.xlsx", "source.workbook_too_large", workbook("", many))
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><sst>&x;</sst>'
    inbox.put("企业名录.xlsx", "source.workbook_entities", workbook("", entity.encode()))
    inbox.put(
        "企业名录.xls", "source.format_html", b"<html><table><tr><td>1</td></tr></table></html>"
    )
    inbox.put("ZD.gpkg", "source.unreadable", b"SQLite format 3\0" + b"\x10" * 5_000)
    database(
        inbox.put("ZD.sqlite", "source.database_link"),
        "INSERT INTO sqlite_master VALUES ('table', 'p', 'p', 0, "
        "'CREATE/**/VIRTUAL TABLE p USING VirtualText(''/etc/passwd'', utf8)')",
    )
    database(
        inbox.put("ZD.sqlite", "source.database_view"),
        "CREATE VIEW v AS SELECT ogr_geocode('x') AS ZDDM FROM t",
    )
    path = inbox.put("ZD.gpkg", "source.database_open")
    shutil.copyfile(inbox.good / "建筑物.gpkg", path)
    path.with_name("ZD.gpkg-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(4096))
    inbox.put(
        "ZD.geojson", "source.unreadable", b'{"type":"FeatureCollection","features":' + b"[" * 9_000
    )
    inbox.put("ZD.kml", "source.format_kml", b"<?xml version='1.0'?><kml><Document/></kml>")
    inbox.put("ZD.gdb", "source.format_folder").mkdir()
    os.mkfifo(inbox.put("ZD.geojson", "source.file_special"))
    inbox.put("企业名录.csv", "source.column_missing").symlink_to("/etc/passwd")
    inbox.put("企业名录.csv", "source.file_special").symlink_to("/dev/zero")
    inbox.put("企业名录.csv", "source.file_unreadable").symlink_to("/nonexistent/enterprises.csv")
    path = inbox.put("企业名录.csv", "source.file_unreadable")
    path.symlink_to(path)
    inbox.put("企业名录.csv", "source.not_text", b"a,b\n\0\1\2,3\n")
    wide = ",".join(f"c{i}" for i in range(20_000))
    inbox.put("企业名录.csv", "source.too_many_columns", f"{wide}\n{wide}".encode())
    inbox.put("DLTB.zip", "source.archive_unsafe", zipped(*as_zip, ("../../evil.sh", b"x")))
    inbox.put("DLTB.zip", "source.archive_nested", zipped(("DLTB.zip", zipped(*as_zip))))
    blanks = b'{"type":"FeatureCollection","features":[' + b" " * (200 << 20)
    path = inbox.put("DLTB.zip", "source.archive_ratio", zipped(("DLTB.geojson", blanks)))
    inbox.is_told_as(path, "DLTB.zip/DLTB.geojson")
    inbox.put("DLTB.zip", "source.archive_damaged", zipped(*as_zip)[:-100])
    entries = [(f"{i}.csv", b"a,b\n1,2\n") for i in range(10_001)]
    inbox.put("DLTB.zip", "source.archive_too_many_entries", zipped(*entries))
    raw = os.fsdecode("企业名录.xlsx".encode("gbk"))
    path = inbox.put(raw, "source.file_name", (inbox.good / "企业名录.xlsx").read_bytes())
    inbox.is_told_as(path, "企业名录.xlsx")
    # what is of no feed is no delivery, and does not stop one
    for name in (
        "$(rm -rf x).csv",
        "a\nb.csv",
        "[red]x[/].xlsx",
        "; DROP TABLE ops.delivery; --.dbf",
    ):
        (inbox.folder / name).parent.mkdir(exist_ok=True)
        (inbox.folder / name).write_bytes(b"x")
    os.mkfifo(inbox.folder / "pipe")


@pytest.fixture
def inbox(make_township: Callable[..., Township]) -> Inbox:
    township = make_township(has_run=False)
    limits = township.settings.limits.model_copy(
        update={"memory_mib": 300, "seconds": 30, "max_workbook_bytes": 1 << 28}
    )
    township.settings = township.settings.model_copy(update={"limits": limits})
    return Inbox(township)


@pytest.mark.slow
def test_bad_files_are_recorded_and_good_ones_loaded(inbox: Inbox, tmp_path: Path) -> None:
    assert len(inbox.load()) > 8
    good, contents = inbox.loaded(), inbox.contents()
    assert {row[1] for row in good} == {"loaded"}
    with inbox.township.engine.begin() as connection:
        connection.execute(text("TRUNCATE ops.delivery CASCADE"))
        for feed in FEEDS:
            connection.execute(text(f"TRUNCATE raw.{feed} CASCADE"))
    harm(inbox, tmp_path)
    for _ in range(2):
        inbox.load()
        assert inbox.refused() == inbox.expected
        assert inbox.loaded() == good
        assert inbox.contents() == contents
    codes = inbox.rows(
        "SELECT detail ->> 'code', detail -> 'params' FROM ops.delivery WHERE state = 'refused'"
    )
    for code, params in codes:
        assert_told(SourceError(code, **params))
    assert not Path("/evil.sh").exists()


@pytest.mark.slow
def test_a_run_over_bad_files_ends_in_words(inbox: Inbox, tmp_path: Path) -> None:
    harm(inbox, tmp_path)
    environment = {**os.environ, "DIQI_DATABASE_URL": inbox.township.dsn, "TMPDIR": str(tmp_path)}
    for command in ("load", "run"):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", command, "--as-of", FIRST_NIGHT.isoformat()],
            cwd=inbox.township.settings.workspace,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=500,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 4, said
        assert "错误：" in said
        assert "error: " in said
        assert "Traceback" not in said
    assert list(tmp_path.glob("diqi-*")) == []


@pytest.mark.slow
def test_names_are_shown_and_not_acted_upon(inbox: Inbox) -> None:
    """What a terminal, a table or SQL would take for a sign in a name is printed as it is."""
    folder = inbox.folder / "[red]" / "x[" / "]$(id)%s{y}'; --"
    shutil.copytree(inbox.good, folder)
    shutil.rmtree(inbox.good)
    raw = os.fsdecode("地类.bin".encode("gbk"))
    for name in ("[/]/what.bin", "[/bold].xyz", "\x1b[31mred\n.xyz", raw):
        (inbox.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox.folder / name).write_bytes(b"\1\2")
    environment = {**os.environ, "DIQI_DATABASE_URL": inbox.township.dsn, "COLUMNS": "400"}
    commands = (
        ["load"],
        ["run"],
        ["run", "--json"],
        ["nightly"],
        ["status"],
        ["history", "--deliveries"],
    )
    for words in commands:
        day = ["--as-of", FIRST_NIGHT.isoformat()] if words[0] in {"load", "run", "nightly"} else []
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *words, *day],
            cwd=inbox.township.settings.workspace,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "\x1b[31m" not in said
        if words[0] in {"load", "history"}:
            assert "x[/]$(id)%s{y}'; --" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer",
    [
        '"; DROP TABLE raw.footprint; --',
        "a'b%s:x{y}*[z]?",
        "建" * 80,
        "a\nb",
        "/etc/passwd",
        "../x",
    ],
)
def test_odd_names_of_layers_and_columns_do_no_harm(inbox: Inbox, layer: str) -> None:
    folder = inbox.folder / "2026-06-29"
    folder.mkdir()
    column = f'{layer}"); DELETE FROM ops.delivery; --'
    renamed_layer(folder / "建筑物.gpkg", inbox.good / "建筑物.gpkg", layer, column)
    (inbox.good / "建筑物.gpkg").unlink()
    found = {(one.source.feed, one.state): one for one in inbox.load()}
    assert found["footprint", "loaded"].quarantined_count == 0
    named = inbox.rows("SELECT layer FROM ops.delivery WHERE feed = 'footprint'")
    assert named == [(layer,)]
    extra = inbox.rows("SELECT DISTINCT extra ->> 'x' FROM raw.footprint")
    assert len(extra) == 1
    keys = inbox.rows("SELECT DISTINCT k FROM raw.footprint, jsonb_object_keys(extra) AS k")
    assert (column,) in keys
    assert len(inbox.rows("SELECT 1 FROM raw.footprint")) > 0


# ---- Values that no column takes ------------------------------------------------------------------

NOISE = "".join(map(chr, np.random.default_rng(1).integers(0x4E00, 0x9FA5, 20_000)))
EVIL = (
    NOISE,
    "x" * 400_000,
    "\0",
    "a\0b",
    "1e400",
    "-1e-400",
    "9" * 400,
    "0." + "9" * 400,
    "-9999999999999999",
    "NaN",
    "-Infinity",
    "1/0",
    "0000-00-00",
    "99999-12-31",
    "2026-02-30",
    "-4713-01-01",
    "1e9亩",
    "'; DROP TABLE ops.delivery; --",
    '"\\',
    "\\N",
    "\\.",
    "a\tb",
    "a\nb\r\nc",
    "\x0b\x1c\x1f\x7f\x85",
    "\u202e\u2028\ufeff\ufffe",
    "💣" * 300,
    "{}[]%s%(x)s{x}",
    "🇨🇳e\u0301",
)


def evil_rows(contract: Contract) -> pd.DataFrame:
    """A row for each column and each value, the others as they should be, no two with one key."""
    columns = {
        (column.aliases or (name,))[0]: column
        for name, column in {**contract.columns, **contract.parts}.items()
        if not column.parts and not column.first_of
    }
    cases = [(heading, value) for heading in columns for value in EVIL]
    bodies = pd.Series([f"91330299{n:09d}" for n in range(len(cases))], dtype="str")
    credit = (bodies + credit_check_digit(bodies)).tolist()
    rows = []
    for n, (heading, value) in enumerate(cases):
        usual = {
            "parcel_code": f"330299001001GB{n:05d}",
            "unit_code": f"330299001001GB{n:05d}F00010001",
            "credit_code": credit[n],
            "code": f"330299{n:05d}",
            "number": "12.5",
            "integer": "2025",
            "share": "1/2",
            "date": "2025-01-02",
        }
        row = {
            name: usual.get(column.type, next(iter(column.codes), "甲"))
            for name, column in columns.items()
        }
        rows.append({**row, heading: value})
    return pd.DataFrame(rows)


@pytest.mark.slow
@pytest.mark.parametrize("feed", FEEDS)
def test_no_value_of_a_file_is_an_error_of_the_database(inbox: Inbox, feed: str) -> None:
    settings = inbox.township.settings
    contract = contracts_of(settings)[feed]
    (settings.workspace / "sources.toml").write_text(f"[feed.{feed}]\nmax_bad_share = 1\n")
    run(inbox.township.engine, settings, as_of=FIRST_NIGHT)
    frame = evil_rows(contract)
    folder = inbox.folder / SECOND_NIGHT.isoformat()
    folder.mkdir()
    path = folder / (contract.files[0].split(".")[0].replace("*", "") + ".parquet")
    if contract.geometry == "polygon":
        lefts = np.arange(len(frame)) * 2 + 499_500
        shapes = shapely.box(lefts, 3_290_000, lefts + 1, 3_290_001)
        gpd.GeoDataFrame(frame, geometry=shapes, crs=4549).to_parquet(path)
    else:
        frame.to_parquet(path)
    accept = "what is in the file does not matter"
    with suppress(CheckFailed):
        run(inbox.township.engine, settings, as_of=SECOND_NIGHT, accept=accept)
    states = inbox.rows(
        f"SELECT state FROM ops.delivery WHERE feed = '{feed}' AND data_date = '{SECOND_NIGHT}'"
    )
    assert states in ([("loaded",)], [("consumed",)]), inbox.refused()
