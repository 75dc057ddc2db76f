"""What a file is, whatever it is called; and what is said of one that cannot be read."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from openpyxl import Workbook
from shapely.geometry import box

from pipeline.errors import SourceError
from pipeline.feeds.kinds import READABLE, Kind, kind_of, require_readable
from pipeline.messages import both, catalogue

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CORPUS = SHARED / "hostile-corpus"
FEATURE = '{"type":"Feature","properties":{"a":1},"geometry":{"type":"Point","coordinates":[1,2]}}'


def made(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def xlsx() -> bytes:
    target = io.BytesIO()
    book = Workbook()
    book.active.append(["代码", "名称"])
    book.save(target)
    return target.getvalue()


def zipped(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return target.getvalue()


def ole(*streams: str) -> bytes:
    """An OLE file of two sectors: one of the allocation table, one of the directory."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<H", header, 30, 9)
    struct.pack_into("<I", header, 48, 1)
    struct.pack_into("<109I", header, 76, 0, *[0xFFFFFFFF] * 108)
    table = struct.pack("<128I", 0xFFFFFFFD, 0xFFFFFFFE, *[0xFFFFFFFF] * 126)
    directory = bytearray(512)
    for place, name in enumerate(("Root Entry", *streams)):
        raw = name.encode("utf-16-le")
        directory[place * 128 : place * 128 + len(raw)] = raw
        struct.pack_into("<H", directory, place * 128 + 64, len(raw) + 2)
    return bytes(header) + table + bytes(directory)


BOUNDARY = "[属性描述]\r\n坐标系=2000国家大地坐标系\r\n[地块坐标]\r\n4,0.1,1,甲,面,,,,@\r\n"
TABLE = "代码,名称\r\n330299,甲\r\n330299,乙\r\n"

CASES = {
    "a.csv": (TABLE, Kind.DELIMITED_TEXT),
    "gbk.csv": (TABLE.encode("gb18030"), Kind.DELIMITED_TEXT),
    "utf16.csv": (TABLE.encode("utf-16"), Kind.DELIMITED_TEXT),
    "one-column.csv": ("代码\n330299\n", Kind.DELIMITED_TEXT),
    "csv-in-truth.xls": (TABLE.replace(",", "\t"), Kind.DELIMITED_TEXT),
    "xlsx-in-truth.xls": (xlsx(), Kind.XLSX),
    "xlsx-in-truth.csv": (xlsx(), Kind.XLSX),
    "old.xls": (ole("Workbook"), Kind.XLS),
    "older.bin": (ole("Book"), Kind.XLS),
    "locked.xlsx": (ole("EncryptionInfo", "EncryptedPackage"), Kind.ENCRYPTED_WORKBOOK),
    "letter.xls": (ole("WordDocument"), Kind.DOCUMENT),
    "web.xls": ("<html><body><table><tr><td>代码</td></tr></table></body></html>", Kind.HTML),
    "webpart.xls": ("\ufeff <table border=1><tr><td>a", Kind.HTML),
    "2003.xls": (
        '<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
        Kind.EXCEL_XML,
    ),
    "letter.docx": (
        zipped(**{"[Content_Types].xml": b"", "word__document.xml": b""}),
        Kind.DOCUMENT,
    ),
    "table.zip": (
        zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": b""}),
        Kind.ODS,
    ),
    "b.xlsb": (zipped(**{"[Content_Types].xml": b"", "xl__workbook.bin": b""}), Kind.XLSB),
    "place.kmz": (zipped(**{"doc.kml": b"<kml/>"}), Kind.KML),
    "data.zip": (zipped(**{"a__b.csv": b"x,y"}), Kind.ZIP),
    "broken.zip": (b"PK\x03\x04" + b"\0" * 50, Kind.ZIP),
    "boundary.txt": (BOUNDARY.encode("gb18030"), Kind.BOUNDARY_TEXT),
    "boundary.csv": (BOUNDARY, Kind.BOUNDARY_TEXT),
    "plan.dxf": ("  0\r\nSECTION\r\n  2\r\nHEADER\r\n", Kind.DXF),
    "comment.txt": ("999\nmade by hand\n0\nSECTION\n2\nENTITIES\n", Kind.DXF),
    "binary.dxf": (b"AutoCAD Binary DXF\r\n\x1a\x00\x00\x00", Kind.DXF_BINARY),
    "plan.dwg": (b"AC1032\0\0\0\0\0\0", Kind.DWG),
    "base.mdb": (b"\x00\x01\x00\x00Standard Jet DB\x00\x01", Kind.ACCESS),
    "base.accdb": (b"\x00\x01\x00\x00Standard ACE DB\x00\x02", Kind.ACCESS),
    "base.vct": ("Datamark: LANDUSE-VCT\r\nVersion: 3.0\r\n".encode("gbk"), Kind.VCT),
    "old.vct": ("HeadBegin\r\nDataMark:CNSDTF-VCT\r\n", Kind.VCT),
    "a.wt": (b"WMAP`D22\x01\x00\x00\x00", Kind.MAPGIS),
    "a.mpj": (b"\x01\x02\x03\x00\x04", Kind.MAPGIS),
    "E01.THF": ("BOMT 12:E0000A01.THF\r\nCSET 03:IRV\r\n", Kind.EDIGEO),
    "a.rar": (b"Rar!\x1a\x07\x01\x00", Kind.PACKED),
    "a.7z": (b"7z\xbc\xaf\x27\x1c\0\0", Kind.PACKED),
    "a.tar": (b"ZD.shp".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 300, Kind.PACKED),
    "a.tab": ("!table\n!version 300\n", Kind.MAPINFO),
    "a.mif": ('Version 300\nCharset "WindowsSimpChinese"\n', Kind.MAPINFO),
    "a.kml": ('<?xml version="1.0"?><kml xmlns="x"><Document/></kml>', Kind.KML),
    "a.gml": ('<FeatureCollection xmlns:gml="http://www.opengis.net/gml"/>', Kind.GML),
    "a.geojson": ("<OGRVRTDataSource></OGRVRTDataSource>", Kind.VRT),
    "a.pdf": (b"%PDF-1.7\n", Kind.PDF),
    "a.png": (b"\x89PNG\r\n\x1a\n", Kind.IMAGE),
    "a.json": (f'{{"type":"FeatureCollection","features":[{FEATURE}]}}', Kind.GEOJSON),
    "last.json": (f'{{"features":[{FEATURE}],"type":"FeatureCollection"}}', Kind.GEOJSON),
    "array.json": (f" [{FEATURE}, {FEATURE}]", Kind.GEOJSON_ARRAY),
    "lines.json": (f"{FEATURE}\n{FEATURE}\n", Kind.GEOJSON_LINES),
    "sequence.txt": (f"\x1e{FEATURE}\n\x1e{FEATURE}\n", Kind.GEOJSON_LINES),
    "topo.json": ('{"type":"Topology","objects":{}}', Kind.TOPOJSON),
    "esri.json": ('{"geometryType":"esriGeometryPolygon","features":[]}', Kind.ESRI_JSON),
    "rows.json": ('[{"code":"1"},{"code":"2"}]', Kind.JSON),
    "deep.json": ("[" * 100_000, Kind.JSON),
    "shape.txt": ("POLYGON ((0 0, 1 0, 1 1, 0 0))\n", Kind.WKT),
    "srid.txt": ("SRID=4549;MULTIPOLYGON Z EMPTY\n", Kind.WKT),
    "a.prj": ('PROJCS["CGCS2000_3_Degree_GK_CM_120E"]', Kind.SHAPEFILE_PART),
    "a.cpg": ("UTF-8", Kind.SHAPEFILE_PART),
    "a00000001.gdbtable": (b"\x03\0\0\0\x02\0\0\0\x00\xff\xfe", Kind.GEODATABASE_PART),
    "nothing.xlsx": (b"", Kind.EMPTY),
    "blank.csv": (" \r\n\r\n", Kind.EMPTY),
    "prose.txt": ("本文件只有一段话。\n没有表格，也没有数据。\n完。\n", Kind.NO_TABLE),
    "table.txt": ("a|b|c\n1|2|3\n4|5|6\n", Kind.DELIMITED_TEXT),
    "noise.dbf": (bytes(range(255, 0, -1)) * 8, Kind.UNKNOWN),
    "noise.csv": (bytes(range(256)) * 8, Kind.UNKNOWN),
}


@pytest.mark.parametrize("name", CASES)
def test_the_content_tells(tmp_path, name):
    content, expected = CASES[name]
    assert kind_of(made(tmp_path / name, content)) is expected


def test_formats_that_libraries_write(tmp_path):
    frame = gpd.GeoDataFrame({"ZDDM": ["1"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4549")
    for name, driver, expected in (
        ("a.gpkg", "GPKG", Kind.GEOPACKAGE),
        ("a.shp", "ESRI Shapefile", Kind.SHAPEFILE),
        ("a.gdb", "OpenFileGDB", Kind.GEODATABASE),
        ("a.sqlite", "SQLite", Kind.SQLITE),
        ("a.dxf", "DXF", Kind.DXF),
    ):
        shapes = frame[["geometry"]] if name == "a.dxf" else frame
        shapes.to_file(tmp_path / name, driver=driver)
        assert kind_of(tmp_path / name) is expected
    for other in ("a.shx", "a.prj", "a.cpg"):
        assert kind_of(tmp_path / other) is Kind.SHAPEFILE_PART
    assert kind_of(tmp_path / "a.dbf") is Kind.DBF
    frame.to_parquet(tmp_path / "a.parquet")
    assert kind_of(tmp_path / "a.parquet") is Kind.GEOPARQUET
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "b.bin")
    assert kind_of(tmp_path / "b.bin") is Kind.PARQUET
    (tmp_path / "empty").mkdir()
    assert kind_of(tmp_path / "empty") is Kind.FOLDER
    (tmp_path / "a.gpkg").rename(tmp_path / "宗地.shp")
    assert kind_of(tmp_path / "宗地.shp") is Kind.GEOPACKAGE


def test_a_large_json_is_told_by_its_ends(tmp_path):
    features = ",".join([FEATURE] * 60_000)
    whole = f'{{"features":[{features}],"type":"FeatureCollection"}}'
    assert len(whole) > 4 << 20
    assert kind_of(made(tmp_path / "a.json", whole)) is Kind.GEOJSON
    assert kind_of(made(tmp_path / "b.json", f"[{features}]")) is Kind.GEOJSON_ARRAY
    lines = "\n".join([FEATURE] * 60_000)
    assert kind_of(made(tmp_path / "c.json", lines)) is Kind.GEOJSON_LINES
    rows = json.dumps([{"code": "1" * 60}] * 70_000)
    assert kind_of(made(tmp_path / "d.json", rows)) is Kind.JSON


def test_what_cannot_be_read_is_refused_by_name_in_both_languages(tmp_path):
    for kind in Kind:
        path = tmp_path / f"file.{kind.value}"
        if kind in READABLE:
            if kind is not Kind.SHAPEFILE:
                require_readable(path, kind)
            continue
        with pytest.raises(SourceError) as caught:
            require_readable(path, kind)
        chinese, english = both(caught.value.code, caught.value.params)
        assert path.name in chinese
        assert path.name in english
        assert caught.value.code in catalogue("zh")


def test_a_shapefile_needs_its_parts(tmp_path):
    frame = gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)])
    frame.to_file(tmp_path / "ZD.shp")
    require_readable(tmp_path / "ZD.shp", Kind.SHAPEFILE)
    (tmp_path / "ZD.dbf").rename(tmp_path / "zd.DBF")
    require_readable(tmp_path / "ZD.shp", Kind.SHAPEFILE)
    (tmp_path / "zd.DBF").unlink()
    (tmp_path / "ZD.shx").unlink()
    with pytest.raises(SourceError) as caught:
        require_readable(tmp_path / "ZD.shp", Kind.SHAPEFILE)
    assert caught.value.code == "source.shapefile_incomplete"
    assert caught.value.params["missing"] == ".shx, .dbf"


# Suffixes of the corpus that are what they say, and files that are not.
BY_SUFFIX = {
    ".shp": Kind.SHAPEFILE,
    ".shx": Kind.SHAPEFILE_PART,
    ".prj": Kind.SHAPEFILE_PART,
    ".qpj": Kind.SHAPEFILE_PART,
    ".cpg": Kind.SHAPEFILE_PART,
    ".sbn": Kind.SHAPEFILE_PART,
    ".sbx": Kind.SHAPEFILE_PART,
    ".dbf": Kind.DBF,
    ".gpkg": Kind.GEOPACKAGE,
    ".geojson": Kind.GEOJSON,
    ".topojson": Kind.TOPOJSON,
    ".fgb": Kind.FLATGEOBUF,
    ".gpx": Kind.GPX,
    ".wkt": Kind.WKT,
    ".xml": Kind.XML,
    ".vrt": Kind.VRT,
    ".zip": Kind.ZIP,
    ".ods": Kind.ODS,
    ".xls": Kind.XLS,
    ".xlsb": Kind.XLSB,
    ".xlsm": Kind.XLSX,
    ".xlsx": Kind.XLSX,
    ".parquet": Kind.GEOPARQUET,
    ".csv": Kind.DELIMITED_TEXT,
    ".tsv": Kind.DELIMITED_TEXT,
}
ODD = {
    "pyogrio/list_nested_struct_file.parquet": Kind.PARQUET,
    "nycplanning/lifecycle/ingest/resources/test_data/renamed.parquet": Kind.GEOPARQUET,
    "spreadsheets/pass_protected.xlsx": Kind.ENCRYPTED_WORKBOOK,
    "spreadsheets/pass_protected.xlsb": Kind.ENCRYPTED_WORKBOOK,
    "mapnik/csv/fails/blank.csv": Kind.EMPTY,
    "fiona/sequence-pp.txt": Kind.GEOJSON_LINES,
    "mapnik/shp/world_merc_license.txt": Kind.NO_TABLE,
    "mapshaper/text/lorem.txt": Kind.NO_TABLE,
    "strings/blns.txt": Kind.NO_TABLE,
    "mapshaper/text/utf16le.txt": Kind.UNKNOWN,
    "mapnik/json/feature-malformed-1.json": Kind.JSON,
    "mapshaper/geojson/two_states.json": Kind.GEOJSON,
    "mapshaper/issues/384_invalid_json/sample1.json": Kind.GEOJSON,
    "strings/blns.json": Kind.JSON,
}


def test_every_file_of_the_corpus_has_a_kind():
    if not CORPUS.is_dir():
        pytest.skip("hostile-corpus is not on this machine")
    wrong = {}
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    for path in files:
        name = path.relative_to(CORPUS).as_posix()
        expected = ODD.get(name, BY_SUFFIX.get(path.suffix.lower()))
        found = kind_of(path)
        if expected is not None and found is not expected:
            wrong[name] = found
    assert wrong == {}
    assert set(ODD) <= {path.relative_to(CORPUS).as_posix() for path in files}
    assert len(files) > 500


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ningbo-county-boundaries/raw/330282.json", Kind.GEOJSON_ARRAY),
        ("fr-cadastre-edigeo/edigeo-130290000A01.tar.bz2", Kind.PACKED),
        ("gbk-shapefiles/tiny/gbk.dbf", Kind.DBF),
        ("cn-enterprises-cixi/enterprises_gb18030.csv", Kind.DELIMITED_TEXT),
    ],
)
def test_real_files(name, expected):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not on this machine")
    assert kind_of(path) is expected


def test_a_packed_mimetype_says_what_it_says(tmp_path):
    for said, kind in (("spreadsheet", Kind.ODS), ("text", Kind.DOCUMENT)):
        path = tmp_path / "a.ods"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("content.xml", "<x/>" * 100)
            archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{said}")
        assert kind_of(path) is kind


def test_a_csv_of_other_bytes_is_told_so(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\0\1\2\3" * 50)
    with pytest.raises(SourceError) as caught:
        require_readable(path, kind_of(path))
    assert caught.value.code == "source.not_text"
