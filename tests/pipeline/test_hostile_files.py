"""Files that are broken, odd or meant to harm: each is read right or refused by name."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from rich.console import Console

from pipeline.errors import DiqiError, SourceError, UsageError
from pipeline.feeds.batch import raw_batch
from pipeline.feeds.contracts import Column, Contract, County
from pipeline.feeds.discover import SourceFile
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.opening import OPEN_LAYER, TOP_OF
from pipeline.feeds.reader import Delivery
from pipeline.inspection import Part, draft_of, inspect, inspect_file
from pipeline.messages import both, catalogue
from pipeline.outputs.inspection import inspection_summary, show_inspection
from pipeline.settings import Settings, settings_without_workspace

DAY = dt.date(2026, 6, 30)
FOLDERS = (
    "hostile-corpus",
    "gbk-shapefiles",
    "fr-cadastre-edigeo",
    "ningbo-county-boundaries",
    "cn-enterprises-cixi",
)
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
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the process that reads may leave files behind."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def room(settings: Settings, temporary: Path) -> Iterator[ReadingRoom]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        made = ReadingRoom(settings.limits.of_files)
        made.start()
    yield made
    made.close()
    assert list(temporary.iterdir()) == []


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
