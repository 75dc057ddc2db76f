"""Parquet, drawings, tables of dBASE and odd forms of GeoJSON, written here or real ones."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, box

from pipeline.errors import SourceError
from pipeline.feeds.dbf_table import open_dbf
from pipeline.feeds.drawing import open_drawing
from pipeline.feeds.fit import shapes_of
from pipeline.feeds.geojson import readable_geojson
from pipeline.feeds.kinds import Kind, kind_of, require_readable
from pipeline.feeds.limits import Limits
from pipeline.feeds.opened import Texts, unique_names
from pipeline.feeds.parquet import open_parquet
from pipeline.feeds.shapefile import check_parts
from pipeline.messages import both

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CORPUS = SHARED / "hostile-corpus"
LIMITS = Limits(512, 30, 1 << 30, 1_000, 250, 1 << 26, 0, 1 << 30, 1_000_000, 1 << 26)


def rows_of(layer) -> list[dict]:
    rows = [row for batch in layer.batches for row in batch.to_pylist()]
    for row in rows:
        if layer.has_geometry:
            row["geom"] = None if row["geom"] is None else shapely.from_wkb(row["geom"])
    for code, params in layer.notes:
        assert all("{" not in text and text != code for text in both(code, params))
    return rows


def refusal(opener, *arguments) -> SourceError:
    with pytest.raises(SourceError) as caught, opener(*arguments) as layer:
        rows_of(layer)
    for text in both(caught.value.code, caught.value.params):
        assert "{" not in text
    return caught.value


def test_names_of_columns_differ():
    assert unique_names(["a", "a", "geom", "a_2", "a"]) == ["a", "a_2", "geom_2", "a_2_2", "a_3"]


def test_readers_are_light():
    """They run in a process with little memory of its own."""
    code = (
        "import sys, pipeline.feeds.kinds, pipeline.feeds.archive, pipeline.feeds.workbook, "
        "pipeline.feeds.boundary_text, pipeline.feeds.parquet, pipeline.feeds.dbf_table, "
        "pipeline.feeds.geojson; "
        "print(sorted({'sqlalchemy', 'psycopg', 'geopandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- Parquet -----------------------------------------------------------------------------------


def shapes() -> gpd.GeoDataFrame:
    polygon = box(0, 0, 9, 9) - box(1, 1, 2, 2)
    return gpd.GeoDataFrame(
        {"ZDDM": ["甲", None, "丙"], "ZDMJ": [1.5, 2.0, None]},
        geometry=[polygon, None, box(5, 5, 6, 6)],
        crs="EPSG:4549",
    )


@pytest.mark.parametrize("encoding", ["WKB", "geoarrow"])
@pytest.mark.parametrize("rows", [3, 20_000])
def test_geoparquet_is_read_in_batches(tmp_path, encoding, rows):
    frame = pd.concat([shapes()] * -(-rows // 3), ignore_index=True).iloc[:rows]
    frame.to_parquet(
        tmp_path / "a.parquet",
        geometry_encoding=encoding,
        schema_version="1.1.0",
        write_covering_bbox=True,
    )
    with open_parquet(tmp_path / "a.parquet") as layer:
        batches = list(layer.batches)
    assert layer.fields == ["ZDDM", "ZDMJ"]
    assert (layer.row_total, layer.geometry_type) == (rows, "Polygon")
    assert pyproj.CRS(layer.crs) == pyproj.CRS("EPSG:4549")
    assert max(batch.num_rows for batch in batches) <= 8_192
    found = np.concatenate(
        [shapely.from_wkb(b.column("geom").to_numpy(zero_copy_only=False)) for b in batches]
    )
    assert (
        shapely.equals_exact(found, frame.geometry.to_numpy()).sum()
        == (~frame.geometry.isna()).sum()
    )
    assert shapely.is_missing(found).tolist() == frame.geometry.isna().tolist()
    assert [v for b in batches for v in b.column("ZDDM").to_pylist()][:3] == ["甲", None, "丙"]


def test_a_ring_that_is_none_spoils_no_other_shape(tmp_path):
    shapes().to_parquet(
        tmp_path / "a.parquet", geometry_encoding="geoarrow", schema_version="1.1.0"
    )
    table = pq.read_table(tmp_path / "a.parquet")
    kind = table.schema.field("geometry").type
    point, other = {"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}
    good = table.column("geometry").to_pylist()
    column = pa.array([good[0], [[point, other]], good[2]], kind)
    place = table.schema.get_field_index("geometry")
    table = table.set_column(place, table.schema.field("geometry"), column)
    pq.write_table(table, tmp_path / "b.parquet")
    with open_parquet(tmp_path / "b.parquet") as layer:
        rows = rows_of(layer)
    assert [row["geom"] and row["geom"].area for row in rows] == [80.0, None, 1.0]
    # not what the metadata say
    wrong = table.set_column(place, "geometry", pa.array([[1.0]] * 3))
    pq.write_table(wrong, tmp_path / "c.parquet")
    assert refusal(open_parquet, tmp_path / "c.parquet").code == "source.unreadable"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda column: column.pop("crs"), "OGC:CRS84"),
        (lambda column: column.update(crs=None), None),
        (lambda column: column.update(crs="EPSG:4549"), "EPSG:4549"),
    ],
)
def test_what_a_missing_crs_means(tmp_path, change, expected):
    with open_parquet(changed(tmp_path, change)) as layer:
        assert layer.crs == expected


def changed(folder: Path, change) -> Path:
    """A GeoParquet whose metadata of the column of shapes are changed."""
    shapes().to_parquet(folder / "a.parquet")
    table = pq.read_table(folder / "a.parquet")
    geo = json.loads(table.schema.metadata[b"geo"])
    change(geo["columns"]["geometry"])
    table = table.replace_schema_metadata({**table.schema.metadata, b"geo": json.dumps(geo)})
    pq.write_table(table, folder / "a.parquet")
    return folder / "a.parquet"


def test_a_shape_of_no_bytes_spoils_no_other(tmp_path):
    """Shapes that are cut off come to nobody, and cost no other row."""
    frame = shapes().head(3)
    path = tmp_path / "a.parquet"
    frame.to_parquet(path)
    table = pq.read_table(path)
    whole = table.column("geometry").to_pylist()
    place = table.schema.get_field_index("geometry")
    for cut in (b"", b"\x01", b"\x01\x03\0\0", b"\x01\x03\0\0\0\xff\xff\xff\x7f"):
        column = pa.array([whole[0], cut, whole[2]], pa.binary())
        pq.write_table(table.set_column(place, table.schema.field(place), column), path)
        with open_parquet(path) as layer:
            (batch,) = layer.batches
        found = shapes_of(batch.column("geom"))
        assert [shape is None for shape in found] == [False, True, False]


def test_a_parquet_of_very_many_columns_is_refused_at_once(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({f"c{i}": [1] for i in range(20_000)}), path)
    start = time.monotonic()
    error = refusal(open_parquet, path)
    assert error.code == "source.too_many_columns"
    assert time.monotonic() - start < 10


def test_refused_parquet(tmp_path):
    path = changed(tmp_path, lambda column: column.update(encoding="TWKB"))
    assert refusal(open_parquet, path).code == "source.parquet_encoding"
    path = changed(tmp_path, lambda column: column.update(edges="spherical"))
    assert refusal(open_parquet, path).code == "source.parquet_edges"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert refusal(open_parquet, path).code == "source.unreadable"
    start = content.index(b"PAR1") + 4
    path.write_bytes(
        content[:start] + bytes(len(content) // 3) + content[start + len(content) // 3 :]
    )
    assert refusal(open_parquet, path).code == "source.unreadable"


def test_a_plain_parquet_is_a_table(tmp_path):
    table = pa.table(
        {
            "代码": pa.array(["330299", None]).dictionary_encode(),
            "面积": pa.array([Decimal("1.50"), None]),
            "日期": pa.array([dt.date(2026, 6, 30), None]),
            "列表": pa.array([[1, 2], None]),
            "字节": pa.array([b"\x00", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with open_parquet(tmp_path / "a.parquet") as layer:
        rows = rows_of(layer)
    assert not layer.has_geometry
    assert rows[0] == {
        "代码": "330299",
        "面积": Decimal("1.50"),
        "日期": dt.date(2026, 6, 30),
        "列表": "[1, 2]",
        "字节": None,
    }
    assert set(rows[1].values()) == {None}


def test_real_parquet_files_are_as_geopandas_reads_them():
    if not CORPUS.is_dir():
        pytest.skip("hostile-corpus is not on this machine")
    compared = 0
    for path in sorted(CORPUS.rglob("*.parquet")):
        with open_parquet(path) as layer:
            rows = rows_of(layer)
        if not layer.has_geometry:
            continue
        expected = gpd.read_parquet(path)
        assert len(rows) == len(expected) == layer.row_total
        for row, shape in zip(rows, expected.geometry, strict=True):
            assert (row["geom"] is None) == (shape is None)
            assert shape is None or shapely.equals_exact(row["geom"], shape)
        compared += 1
    assert compared == 18


# ---- Drawings ----------------------------------------------------------------------------------

SQUARE = [(0, 0), (10, 0), (10, 10), (0, 10)]


def dxf(*entities: str, version="AC1015", page="ANSI_936") -> str:
    return (
        f"0\nSECTION\n2\nHEADER\n9\n$ACADVER\n1\n{version}\n9\n$DWGCODEPAGE\n3\n{page}\n0\nENDSEC\n"
        "0\nSECTION\n2\nENTITIES\n" + "".join(entities) + "0\nENDSEC\n0\nEOF\n"
    )


def light(points, flag=1, layer="宗地", bulge=0.0, paper="") -> str:
    corners = "".join(f"10\n{x}\n20\n{y}\n" for x, y in points)
    # the bulge belongs to the first corner
    corners = corners.replace("20\n0\n", f"20\n0\n42\n{bulge}\n", 1) if bulge else corners
    return (
        f"0\nLWPOLYLINE\n5\n1A\n100\nAcDbEntity\n{paper}8\n{layer}\n100\nAcDbPolyline\n"
        f"90\n{len(points)}\n70\n{flag}\n{corners}"
    )


def heavy(points, flag=1, mark="100\nAcDb2dPolyline\n") -> str:
    corners = "".join(f"0\nVERTEX\n8\n界址\n10\n{x}\n20\n{y}\n30\n5\n" for x, y in points)
    entity = "100\nAcDbEntity\n" if mark else ""
    return f"0\nPOLYLINE\n5\n2B\n{entity}8\n界址\n{mark}66\n1\n70\n{flag}\n{corners}0\nSEQEND\n"


CIRCLE = "0\nCIRCLE\n5\n3C\n8\n0\n10\n5\n20\n5\n40\n2\n"
TEXT = "0\nTEXT\n5\n4D\n100\nAcDbEntity\n8\n0\n100\nAcDbText\n10\n5\n20\n5\n40\n2\n1\n工业用地\n"


def drawn(folder: Path, content: str, encoding="gb18030"):
    path = folder / "宗地图.dxf"
    path.write_bytes(content.encode(encoding))
    assert kind_of(path) is Kind.DXF
    with open_drawing(path, "gb18030" if encoding == "gb18030" else "auto") as layer:
        rows = rows_of(layer)
    assert layer.crs is None
    return rows, dict(layer.notes)


def test_closed_polylines_are_polygons_and_the_rest_is_counted(tmp_path):
    content = dxf(
        light(SQUARE),
        light(SQUARE, flag=0),
        light([*SQUARE, SQUARE[0]], flag=0),
        light([SQUARE[0], SQUARE[1]], flag=1),
        heavy(SQUARE),
        heavy(SQUARE, flag=0),
        light(SQUARE, paper="67\n1\n"),
        CIRCLE,
        TEXT,
    )
    rows, notes = drawn(tmp_path, content)
    assert [(row["Layer"], row["EntityHandle"]) for row in rows] == [
        ("宗地", "1A"),
        ("宗地", "1A"),
        ("界址", "2B"),
    ]
    assert all(row["geom"].equals(box(0, 0, 10, 10)) and not row["geom"].has_z for row in rows)
    assert notes == {
        "note.drawing_open": {"count": 3},
        "note.drawing_text": {"count": 1},
        "note.drawing_other": {"count": 1},
        "note.drawing_paper": {"count": 1},
    }


def test_arcs_are_stroked_finely(tmp_path):
    (row,), _ = drawn(tmp_path, dxf(light(SQUARE, bulge=1.0)))
    # a half circle of radius 5 below the square
    exact = 100 + math.pi * 25 / 2
    assert abs(row["geom"].area - exact) / exact < 1e-4


def test_old_drawings_do_not_name_their_entities(tmp_path):
    rows, notes = drawn(tmp_path, dxf(heavy(SQUARE, mark=""), CIRCLE, version="AC1009"))
    assert len(rows) == 1
    assert notes == {"note.drawing_other": {"count": 1}}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("version", ["AC1015", "AC1032"])
def test_names_of_layers_whatever_the_header_says(tmp_path, encoding, version):
    rows, _ = drawn(tmp_path, dxf(light(SQUARE), version=version), encoding)
    assert rows[0]["Layer"] == "宗地"


def test_broken_drawings(tmp_path):
    content = dxf(*[light(SQUARE)] * 50)
    path = tmp_path / "a.dxf"
    broken = {
        "cut": content[: len(content) // 2],
        "without end": content.removesuffix("0\nEOF\n"),
        "no code": content.replace("90\n4\n", "xx\n4\n", 1),
        "half a group": content.removesuffix("EOF\n"),
    }
    for name, damaged in broken.items():
        path.write_text(damaged, encoding="utf-8")
        error = refusal(open_drawing, path)
        assert error.code == "source.drawing_damaged", name
        assert 0 < error.params["line"] <= damaged.count("\n") + 2
    path.write_bytes(content.encode() + b"\xff\xff")
    assert refusal(open_drawing, path).code == "source.encoding"


def test_polylines_without_a_shape_are_counted(tmp_path):
    rows, notes = drawn(
        tmp_path, dxf(light([]), light(SQUARE[:1]), light(SQUARE), light(SQUARE[:2]))
    )
    assert len(rows) == 1
    # the reader passes over a polyline without a corner
    assert notes == {"note.drawing_open": {"count": 2}}


def test_a_drawing_of_many_polylines_is_read_in_batches(tmp_path):
    path = tmp_path / "a.dxf"
    path.write_text(dxf(*[light(SQUARE), light(SQUARE, flag=0)] * 10_000), encoding="utf-8")
    with open_drawing(path) as layer:
        counts = [batch.num_rows for batch in layer.batches]
    assert sum(counts) == 10_000
    assert max(counts) <= 8_192
    assert dict(layer.notes)["note.drawing_open"] == {"count": 10_000}


# ---- Tables of dBASE ---------------------------------------------------------------------------


def dbf(columns: list[tuple[bytes, str, int]], rows: list[bytes], **changed: int) -> bytes:
    size = 1 + sum(width for _, _, width in columns)
    start = 33 + 32 * len(columns)
    head = struct.pack(
        "<4BIHH20x", 3, 126, 6, 30, changed.get("records", len(rows)),
        changed.get("start", start), changed.get("size", size),
    )  # fmt: skip
    fields = b"".join(
        name.ljust(11, b"\0")
        + kind.encode()
        + bytes(4)
        + struct.pack("<BB14x", width % 256, width // 256 if kind == "C" else 0)
        for name, kind, width in columns
    )
    return head + fields + b"\r" + b"".join(rows) + b"\x1a"


COLUMNS = [("名称".encode("gbk"), "C", 8), (b"MJ", "N", 10), (b"RQ", "D", 8), (b"SF", "L", 1)]


def record(*cells: bytes, mark=b" ") -> bytes:
    return mark + b"".join(
        cell.ljust(w)[:w] for cell, (_, _, w) in zip(cells, COLUMNS, strict=True)
    )


def table(folder: Path, content: bytes) -> Path:
    path = folder / "企业.dbf"
    path.write_bytes(content)
    return path


def test_values_stay_what_is_written(tmp_path):
    content = dbf(
        COLUMNS,
        [
            record("慈溪某厂".encode("gbk"), b"      1.50", b"20260630", b"T"),
            record(b"gone", b"1", b"20260630", b"F", mark=b"*"),
            record(b"", b"", b"00000000", b"?"),
            record((" " + "慈溪某厂甲").encode("gbk")[:8], b"**********", b"2026.6  ", b"F"),
            record(b"C\0rubbish", b"12345678901"[:10], b"", b""),
        ],
    )
    with open_dbf(table(tmp_path, content), Texts("gb18030")) as layer:
        rows = rows_of(layer)
    assert layer.fields == ["名称", "MJ", "RQ", "SF"]
    assert [tuple(row.values()) for row in rows] == [
        ("慈溪某厂", "1.50", "2026-06-30", "T"),
        (None, None, None, None),
        ("慈溪某", "**********", "2026.6", "F"),
        ("C", "1234567890", None, None),
    ]
    assert dict(layer.notes)["note.dbf_deleted"] == {"rows": 1}
    assert dict(layer.notes)["encoding.cut"] == {"row": 3, "field": "名称"}
    assert layer.row_total == 5


def test_binary_numbers_dates_and_memos(tmp_path):
    columns = [(b"I", "I", 4), (b"B", "B", 8), (b"Y", "Y", 8), (b"T", "T", 8), (b"M", "M", 10)]
    # 2026-06-30 is the Julian day 2461222
    values = struct.pack("<idqii", -7, 0.25, 123_456, 2_461_222, 0)
    empty = struct.pack("<idqii", 0, 0.0, -5, 0, 0)
    content = dbf(columns, [b" " + values + b"1".ljust(10), b" " + empty + b" " * 10])
    with open_dbf(table(tmp_path, content), Texts("utf-8")) as layer:
        rows = rows_of(layer)
    assert [rows[0][name] for name in "IBTM"] == ["-7", "0.25", "2026-06-30", None]
    assert [Decimal(row["Y"]) for row in rows] == [Decimal("12.3456"), Decimal("-0.0005")]
    assert rows[1]["T"] is None
    assert layer.notes == [("note.dbf_memo", {"columns": "M"})]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"records": 4}, "source.dbf_records"),
        ({"records": 2}, "source.dbf_records"),
        ({"records": 4_000_000_000}, "source.dbf_records"),
        ({"size": 5}, "source.dbf_header"),
        ({"size": 0}, "source.dbf_header"),
        ({"start": 60_000}, "source.dbf_header"),
        ({"start": 32}, "source.dbf_header"),
    ],
)
def test_headers_that_lie(tmp_path, changed, code):
    records = [record(b"a", b"1", b"", b"")] * 3
    error = refusal(open_dbf, table(tmp_path, dbf(COLUMNS, records, **changed)), Texts("utf-8"))
    assert error.code == code


def test_a_number_that_is_no_text_is_found(tmp_path):
    """Digits are not looked at when the encoding is told; a row that was deleted is none."""
    columns = [(b"NAME", "C", 4), (b"N", "N", 4)]
    rows = [b" a      1", b"*b      2", b" c    \xff\xfe3"]
    error = refusal(open_dbf, table(tmp_path, dbf(columns, rows)), Texts())
    assert error.code == "source.encoding"
    assert (error.params["row"], error.params["field"]) == (2, "N")
    assert error.params["bytes"].startswith("ff")


def test_decimals_of_a_text_make_it_no_longer(tmp_path):
    """Some programs leave what they like in the byte that is the upper one of a length."""
    content = bytearray(dbf([(b"A", "C", 4), (b"B", "C", 2)], [b" abcdef"]))
    content[32 + 17] = 3
    with open_dbf(table(tmp_path, bytes(content)), Texts("gb18030")) as layer:
        assert rows_of(layer) == [{"A": "abcd", "B": "ef"}]


def test_what_follows_the_last_record(tmp_path):
    records = [record(b"a", b"1", b"", b"")] * 3
    for tail in (b"\0" * 512, b" " * 100, b""):
        with open_dbf(table(tmp_path, dbf(COLUMNS, records) + tail), Texts("gb18030")) as layer:
            assert len(rows_of(layer)) == 3
    assert (
        refusal(open_dbf, table(tmp_path, b"\x03" * 20), Texts("gb18030")).code
        == "source.dbf_header"
    )
    content = dbf(COLUMNS, [record(b"\xff\xff", b"1", b"", b"")])
    assert refusal(open_dbf, table(tmp_path, content), Texts("gb18030")).code == "source.encoding"


@pytest.mark.filterwarnings("ignore:Measured")
def test_real_tables_have_the_rows_that_gdal_finds():
    if not SHARED.is_dir():
        pytest.skip("the shared data are not on this machine")
    compared = 0
    unclear: list[str] = []
    for folder in (CORPUS, SHARED / "gbk-shapefiles"):
        for path in sorted(folder.rglob("*.dbf")):
            if path.name == "utf16.dbf":
                # no table is in UTF-16, whatever the .cpg says
                assert refusal(open_dbf, path, Texts()).code == "source.encoding_unknown"
                continue
            try:
                with open_dbf(path, Texts()) as layer:
                    count = sum(batch.num_rows for batch in layer.batches)
            except SourceError as error:
                unclear.append(error.code)
                continue
            try:
                info = pyogrio.read_info(path, encoding="ISO-8859-1")
            except pyogrio.errors.DataSourceError:
                # a .shp without .shx beside it
                continue
            fields = [name.encode("latin-1") for name in info["fields"]]
            assert count == info["features"], path
            assert [name.encode(layer.names_encoding) for name in layer.fields] == fields, path
            compared += 1
    assert compared > 30
    # a record of some characters, or Greek, and nothing says in which encoding
    assert set(unclear) == {"source.encoding_unclear", "source.encoding"}
    assert len(unclear) < 10


# ---- Shapefiles ---------------------------------------------------------------------------------


def shapefile(folder: Path, rows: int = 100) -> Path:
    frame = gpd.GeoDataFrame(
        {"ZDDM": [str(i) for i in range(rows)]},
        geometry=[None, *[box(i, 0, i + 1, 1) for i in range(rows - 1)]],
        crs="EPSG:4549",
    )
    frame.to_file(folder / "ZD.shp")
    return folder / "ZD.shp"


def test_a_whole_shapefile_passes(tmp_path):
    parts = check_parts(shapefile(tmp_path))
    assert parts.count == 100
    assert np.isnan(parts.boxes[0]).all()
    assert parts.boxes[1:].tolist() == [[i, 0, i + 1, 1] for i in range(99)]
    (tmp_path / "ZD.shx").rename(tmp_path / "ZD.SHX")
    assert check_parts(tmp_path / "ZD.shp").count == 100


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda p: cut(p, p.stat().st_size - 1), "source.shapefile_cut"),
        (lambda p: cut(p, p.stat().st_size // 2), "source.shapefile_cut"),
        (lambda p: cut(p, 50), "source.shapefile_damaged"),
        (lambda p: cut(p.with_suffix(".shx"), 100 + 8 * 50), "source.shapefile_counts"),
        (lambda p: cut(p.with_suffix(".shx"), 104), "source.shapefile_damaged"),
        (lambda p: cut(p.with_suffix(".dbf"), 400), "source.dbf_records"),
        (lambda p: cut(p.with_suffix(".dbf"), 10), "source.dbf_header"),
        (lambda p: shapefile_of(p, 99), "source.shapefile_counts"),
    ],
)
def test_parts_that_do_not_fit_together(tmp_path, damage, code):
    """What GDAL reads without a word, with shapes that are missing."""
    path = shapefile(tmp_path)
    damage(path)
    with pytest.raises(SourceError) as caught:
        check_parts(path)
    assert caught.value.code == code
    assert all("{" not in text for text in both(code, caught.value.params))


def shapefile_of(path: Path, rows: int) -> None:
    """Give a shapefile the table of another one."""
    folder = path.parent / "other"
    folder.mkdir()
    other = shapefile(folder, rows)
    path.with_suffix(".dbf").write_bytes(other.with_suffix(".dbf").read_bytes())


def test_real_shapefiles_fit_together():
    if not SHARED.is_dir():
        pytest.skip("the shared data are not on this machine")
    refused = []
    paths = sorted([*CORPUS.rglob("*.shp"), *(SHARED / "gbk-shapefiles").rglob("*.shp")])
    for path in paths:
        try:
            require_readable(path, kind_of(path))
            check_parts(path)
        except SourceError as error:
            refused.append((path.name, error.code))
    assert {code for _, code in refused} == {"source.shapefile_incomplete"}
    assert len(refused) == 9
    assert len(paths) > 30


# ---- GeoJSON -----------------------------------------------------------------------------------

FEATURE = json.dumps(
    {
        "type": "Feature",
        "properties": {"名称": "慈溪市", "说明": "本图为县级行政区界线，仅供参考"},
        "geometry": {"type": "Point", "coordinates": [121.25, 30.17]},
    },
    ensure_ascii=False,
)
COLLECTION = f'{{"type":"FeatureCollection","features":[{FEATURE}]}}'


@pytest.mark.parametrize(
    ("content", "encoding", "rows", "rewritten"),
    [
        (COLLECTION, "utf-8", 1, False),
        (COLLECTION, "utf-8-sig", 1, False),
        (COLLECTION, "gb18030", 1, True),
        (COLLECTION, "utf-16", 1, True),
        (f"[{FEATURE},{FEATURE}]", "utf-8", 2, True),
        (f"[{FEATURE},{FEATURE}]", "utf-8-sig", 2, True),
        (f"[{FEATURE},{FEATURE}]", "gb18030", 2, True),
        (f"{FEATURE}\n{FEATURE}\n{FEATURE}\n", "utf-8", 3, False),
    ],
)
def test_forms_of_geojson(tmp_path, content, encoding, rows, rewritten):
    path = tmp_path / "area.json"
    path.write_bytes(content.encode(encoding))
    with readable_geojson(path, kind_of(path), LIMITS, within=tmp_path) as readable:
        frame = pyogrio.read_dataframe(readable)
        assert (readable != path) == rewritten
    assert frame["名称"].tolist() == ["慈溪市"] * rows
    assert frame.geometry.iloc[0].equals(Point(121.25, 30.17))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f"{FEATURE}\n{FEATURE[:-9]}\n{FEATURE}\n", 2),
        (f"{FEATURE}\n{FEATURE}\n\n7\n", 4),
        (f"{FEATURE}\n{{}}}}\n", 2),
        (f"\x1e{FEATURE}\n\x1e{FEATURE[:40]}\n\x1e{FEATURE}\n", 2),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_no_line_of_a_sequence_is_passed_over(tmp_path, content, line, encoding):
    path = tmp_path / "a.geojsonl"
    path.write_bytes(content.encode(encoding))
    assert kind_of(path) is Kind.GEOJSON_LINES
    with pytest.raises(SourceError) as caught, readable_geojson(path, Kind.GEOJSON_LINES, LIMITS):
        pass
    assert caught.value.code == "source.json_line"
    assert caught.value.params["line"] == line


def test_texts_of_a_sequence_may_have_several_lines(tmp_path):
    path = tmp_path / "a.txt"
    pretty = json.dumps(json.loads(FEATURE), indent=2, ensure_ascii=False)
    path.write_text(f"\x1e{pretty}\n\x1e{pretty}\n", encoding="utf-8")
    with readable_geojson(path, kind_of(path), LIMITS) as readable:
        assert pyogrio.read_dataframe(readable)["名称"].tolist() == ["慈溪市"] * 2


def test_real_bare_arrays():
    folder = SHARED / "ningbo-county-boundaries" / "raw"
    if not folder.is_dir():
        pytest.skip("ningbo-county-boundaries is not on this machine")
    for path in folder.glob("*.json"):
        expected = [
            feature["properties"]["name"] for feature in json.loads(path.read_text("utf-8"))
        ]
        with readable_geojson(path, kind_of(path), LIMITS) as readable:
            frame = pyogrio.read_dataframe(readable)
        assert frame["name"].tolist() == expected
        assert isinstance(frame.geometry.iloc[0], MultiPolygon)


@pytest.mark.parametrize(
    "inside",
    [
        '"geometry":null,"properties":{"a":' + "[" * 200_000 + "]" * 200_000 + "}",
        '"properties":{},"geometry":{"type":"Polygon","coordinates":' + "[" * 1_000_000,
        '"properties":{},"geometry":' + '{"type":"GeometryCollection","geometries":[' * 100_000,
        '"geometry":null,"properties":{"a":"' + "x" * 20_000_000 + '"}',
    ],
)
def test_bombs_of_depth_and_length_are_refused_by_gdal(tmp_path, inside):
    """What is relied on: the reader has limits of its own and fails in an orderly way."""
    path = tmp_path / "a.json"
    path.write_text(f'{{"type":"FeatureCollection","features":[{{"type":"Feature",{inside}}}]}}')
    assert kind_of(path) is Kind.GEOJSON
    with (
        readable_geojson(path, Kind.GEOJSON, LIMITS) as readable,
        pytest.raises(pyogrio.errors.DataSourceError, match="Too many"),
    ):
        pyogrio.read_info(readable)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(COLLECTION.encode() + b"\xff\xff")
    with pytest.raises(SourceError) as caught, readable_geojson(path, Kind.GEOJSON, LIMITS):
        pass
    assert caught.value.code == "source.encoding"
