"""Boundary points as offices write them: encodings, zones, rings, faults."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pyproj
import pytest
import shapely

from pipeline.errors import SourceError
from pipeline.feeds.boundary_text import open_boundary_text
from pipeline.messages import both

HEAD = {
    "格式版本号": "1.01版本",
    "数据产生单位": "青岚县自然资源局",
    "数据产生日期": "2026-6-30",
    "坐标系": "2000国家大地坐标系",
    "几度分带": "3",
    "投影类型": "高斯克吕格",
    "计量单位": "米",
    "带号": "40",
    "精度": "0.01",
    "转换参数": ",,,,,,",
}
X, Y = 3_290_000.0, 40_499_500.0


def square(north: float, east: float, size: float, ring: int = 1, *, closed=True) -> list[str]:
    """Corners from the lower left one, clockwise as surveyors go: X is northing."""
    corners = [(0, 0), (size, 0), (size, size), (0, size)]
    lines = [
        f"J{i},{ring},{north + dx:.3f},{east + dy:.3f}" for i, (dx, dy) in enumerate(corners, 1)
    ]
    return [*lines, lines[0]] if closed else lines


def parcel(lines: list[str], name="甲地块", area="0.16", shape="面", count=None) -> list[str]:
    return [f"{count or len(lines)},{area},1,{name},{shape},H51,工业用地,0601,@", *lines]


def text(*parcels: list[str], **changed: str | None) -> str:
    head = {k: v for k, v in {**HEAD, **changed}.items() if v is not None}
    lines = ["[属性描述]", *(f"{k}={v}" for k, v in head.items()), "[地块坐标]"]
    return "\r\n".join([*lines, *(line for part in parcels for line in part)]) + "\r\n"


def written(folder: Path, content: str, encoding="gb18030") -> Path:
    path = folder / "界址点.txt"
    path.write_bytes(content.encode(encoding))
    return path


def read(path: Path):
    """All rows as dictionaries with shapes, and the layer."""
    with open_boundary_text(path) as layer:
        rows = [row for batch in layer.batches for row in batch.to_pylist()]
    for row in rows:
        row["geom"] = shapely.from_wkb(row["geom"])
    assert len(rows) == layer.row_total
    return rows, layer


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path)
    for message in both(caught.value.code, caught.value.params):
        assert "{" not in message
    return caught.value


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_a_square(tmp_path, encoding):
    rows, layer = read(written(tmp_path, text(parcel(square(X, Y, 40))), encoding))
    (row,) = rows
    assert row["geom"].equals(shapely.box(Y, X, Y + 40, X + 40))
    assert layer.crs == "EPSG:4528"
    assert (row["地块名称"], row["地类编码"], row["图形属性"]) == ("甲地块", "0601", "面")
    assert (row["界址点数"], row["实际点数"]) == ("5", "4")
    # 40 m x 40 m are 0.16 ha
    assert (row["地块面积(公顷)"], row["图形面积(平方米)"]) == ("0.16", "1600")
    assert layer.fields == list(row)[:-1]
    assert "带号=40" in dict(layer.notes)["note.boundary_header"]["text"]


@pytest.mark.parametrize(
    ("changed", "shift", "name"),
    [
        ({}, 0, "CGCS2000 / 3-degree Gauss-Kruger zone 40"),
        ({"带号": None}, 0, "CGCS2000 / 3-degree Gauss-Kruger zone 40"),
        ({"几度分带": None}, 0, "CGCS2000 / 3-degree Gauss-Kruger zone 40"),
        ({}, -40_000_000, "CGCS2000 / 3-degree Gauss-Kruger CM 120E"),
        ({"带号": "41"}, 1_000_000, "CGCS2000 / 3-degree Gauss-Kruger zone 41"),
        ({"带号": "41"}, -40_000_000, "CGCS2000 / 3-degree Gauss-Kruger CM 123E"),
        ({"几度分带": "6", "带号": "20"}, -20_000_000, "CGCS2000 / Gauss-Kruger zone 20"),
        ({"几度分带": "6", "带号": "21"}, -40_000_000, "CGCS2000 / Gauss-Kruger CM 123E"),
        ({"坐标系": "80国家大地坐标系"}, 0, "Xian 1980 / 3-degree Gauss-Kruger zone 40"),
        ({"坐标系": "1980西安坐标系"}, -40_000_000, "Xian 1980 / 3-degree Gauss-Kruger CM 120E"),
        ({"坐标系": "1954北京坐标系"}, 0, "Beijing 1954 / 3-degree Gauss-Kruger zone 40"),
        (
            {"坐标系": "54坐标系", "几度分带": "6度带", "带号": "21"},
            -40_000_000,
            "Beijing 1954 / Gauss-Kruger CM 123E",
        ),
        ({"带号": ""}, -40_000_000, None),
        ({"坐标系": "宁波独立坐标系"}, 0, None),
        ({"坐标系": None}, 0, None),
        ({"几度分带": "3", "带号": "20"}, -40_000_000, None),
    ],
)
def test_the_system_by_header_and_easting(tmp_path, changed, shift, name):
    _, layer = read(written(tmp_path, text(parcel(square(X, Y + shift, 40)), **changed)))
    assert (layer.crs and pyproj.CRS(layer.crs).name) == name


def test_a_zone_that_contradicts_the_eastings_is_refused(tmp_path):
    error = refusal(written(tmp_path, text(parcel(square(X, Y, 40)), 带号="39")))
    assert error.code == "source.boundary_zone"
    assert (error.params["stated"], error.params["found"]) == (39, 40)


def test_another_zone_in_one_parcel(tmp_path):
    content = text(
        parcel(square(X, Y, 40)), parcel(square(X, Y, 40)), parcel(square(X, Y + 1e6, 40))
    )
    rows, layer = read(written(tmp_path, content))
    assert [row["geom"] is None for row in rows] == [False, False, True]
    assert layer.row_issues == [(3, "geometry.boundary_other_zone", {"zone": 41, "expected": 40})]


def test_degrees(tmp_path):
    corners = ["J1,1,30.1,121.1", "J2,1,30.2,121.1", "J3,1,30.2,121.2"]
    rows, layer = read(written(tmp_path, text(parcel(corners), 计量单位="度", 带号=None)))
    assert layer.crs == "EPSG:4490"
    assert rows[0]["geom"].bounds == (121.1, 30.1, 121.2, 30.2)
    assert rows[0]["图形面积(平方米)"] is None
    turned = ["J1,1,121.1,30.1", "J2,1,121.1,30.2", "J3,1,121.2,30.2"]
    again, _ = read(written(tmp_path, text(parcel(turned), 计量单位="度", 带号=None)))
    assert again[0]["geom"].equals(rows[0]["geom"])


@pytest.mark.parametrize("first", [1, 0, 7])
@pytest.mark.parametrize("closed", [True, False])
def test_a_hole(tmp_path, first, closed):
    outer = square(X, Y, 40, first, closed=closed)
    inner = square(X + 10, Y + 10, 10, first + 1, closed=closed)
    rows, layer = read(written(tmp_path, text(parcel([*outer, *inner]))))
    expected = shapely.box(Y, X, Y + 40, X + 40) - shapely.box(Y + 10, X + 10, Y + 20, X + 20)
    assert rows[0]["geom"].equals(expected)
    assert rows[0]["实际点数"] == "8"
    assert [code for code, _ in layer.notes] == ["note.boundary_header"]


def test_areas_of_one_number_are_parts(tmp_path):
    """Where nothing is deducted all rings have the number 1, and one ends where it is closed."""
    lines = [line for n in range(3) for line in square(X, Y + 100 * n, 40)]
    hole = square(X + 10, Y + 110, 10, 2)
    rows, _ = read(written(tmp_path, text(parcel([*lines, *hole]))))
    parts = [shapely.box(Y + 100 * n, X, Y + 100 * n + 40, X + 40) for n in range(3)]
    cut = shapely.box(Y + 110, X + 10, Y + 120, X + 20)
    assert rows[0]["geom"].equals(shapely.union_all(parts) - cut)
    assert rows[0]["geom"].geom_type == "MultiPolygon"


def test_an_area_numbered_as_a_hole(tmp_path):
    lines = [*square(X, Y, 40), *square(X, Y + 100, 40, 2)]
    rows, layer = read(written(tmp_path, text(parcel(lines))))
    assert rows[0]["geom"].area == 3200
    assert dict(layer.notes)["note.boundary_outside"] == {"count": 1}


def test_a_hole_across_the_border_stays_a_hole(tmp_path):
    lines = [*square(X, Y, 40), *square(X + 30, Y + 30, 20, 2)]
    (row,), _ = read(written(tmp_path, text(parcel(lines))))
    assert not row["geom"].is_valid
    assert len(row["geom"].interiors) == 1


def test_faults_set_aside_one_parcel_only(tmp_path):
    good = parcel(square(X, Y, 40))
    content = text(
        good,
        parcel([*square(X, Y, 40)[:2], "J3,1,abc,40499540", "J4,1,3290000,40499540"]),
        parcel(square(X, Y, 40)[:2]),
        parcel(square(X, Y, 40), shape="线"),
        parcel([]),
        parcel([*square(X, Y, 40), "完"]),
        good,
    )
    rows, layer = read(written(tmp_path, content))
    assert [row["geom"] is not None for row in rows] == [True, *[False] * 5, True]
    lines = content.splitlines()
    assert layer.row_issues == [
        (2, "geometry.boundary_bad_line", {"line": 1 + lines.index("J3,1,abc,40499540")}),
        (3, "geometry.boundary_few_points", {"ring": 1}),
        (4, "geometry.boundary_not_area", {"value": "线"}),
        (5, "geometry.boundary_few_points", {"ring": 1}),
        (6, "geometry.boundary_bad_line", {"line": 1 + lines.index("完")}),
    ]
    for _, code, params in layer.row_issues:
        for message in (*both(code, params), *both(f"{code}.next_step", params)):
            assert "{" not in message
            assert message != code


def test_what_people_type(tmp_path):
    head = "4，0.16公顷，1，甲地块，面，，工业用地，，＠"
    lines = ["1，1，3290000.，40499500", " 2, 1 ,3290040.5 ,40499500,", "3,1,3290040.5,40499540"]
    (row,), _ = read(written(tmp_path, text([head, "", *lines])))
    assert row["geom"].area == 40.5 * 40 / 2
    assert (row["地块面积(公顷)"], row["图幅号"], row["地类编码"]) == ("0.16", None, None)


def test_longer_and_shorter_headers(tmp_path):
    long = ["4,0.16,1,甲,面,H51,工业,0601,土地整治,耕地,1,2,备注,@", *square(X, Y, 40)]
    short = ["4,0.16,2,乙,面,,@", *square(X, Y, 40)]
    rows, layer = read(written(tmp_path, text(long, short)))
    assert layer.fields[8:13] == ["属性9", "属性10", "属性11", "属性12", "属性13"]
    assert (rows[0]["属性9"], rows[0]["属性13"], rows[1]["属性9"]) == ("土地整治", "备注", None)


def test_several_headers_must_agree(tmp_path):
    one = text(parcel(square(X, Y, 40)))
    rows, _ = read(written(tmp_path, one + one))
    assert len(rows) == 2
    other = text(parcel(square(X, Y, 40)), 坐标系="1980西安坐标系")
    assert refusal(written(tmp_path, one + other)).code == "source.boundary_headers"


def test_files_that_are_none(tmp_path):
    assert refusal(written(tmp_path, "a,b\r\n")).params["line"] == 1
    error = refusal(written(tmp_path, "[地块坐标]\r\n\r\nJ1,1,2,3\r\n"))
    assert (error.code, error.params["line"]) == ("source.boundary_line", 3)
    assert refusal(written(tmp_path, text())).code == "source.empty"
    assert refusal(written(tmp_path, text(["1" * 100_000]))).code == "source.boundary_line"
    path = written(tmp_path, text(parcel(square(X, Y, 40))))
    path.write_bytes(path.read_bytes() + b"\xff\xff")
    assert refusal(path).code == "source.encoding"


def test_many_parcels_are_read_fast(tmp_path):
    """20,000 parcels of 40 points and one that closes 20,000 times."""
    ring = [
        f"J{i},1,{X + 20 * math.cos(i / 6.4):.3f},{Y + 20 * math.sin(i / 6.4):.3f}"
        for i in range(40)
    ]
    many = [line for _ in range(20_000) for line in square(X, Y, 1)]
    path = written(tmp_path, text(*[parcel(ring)] * 20_000, parcel(many)))
    started = time.perf_counter()
    with open_boundary_text(path) as layer:
        counts = [batch.num_rows for batch in layer.batches]
    assert time.perf_counter() - started < 20
    assert sum(counts) == 20_001
    assert max(counts) <= 8_192
