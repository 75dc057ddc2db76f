"""Boundaries drawn with arcs: areas by the formulas of circles."""

from __future__ import annotations

import math
import struct

import numpy as np
import pyarrow as pa
import pytest
import shapely

from pipeline.feeds.contracts import County
from pipeline.feeds.curves import straightened
from pipeline.feeds.fit import shapes_of
from pipeline.feeds.geometry import clean_polygons

LINE, COLLECTION, CIRCULAR, COMPOUND, CURVE_POLYGON = 2, 7, 8, 9, 10
MULTI_CURVE, MULTI_SURFACE = 11, 12


def points(kind: int, *xy: tuple[float, ...], order="<") -> bytes:
    flat = [number for point in xy for number in point]
    head = struct.pack(order + "BII", order == "<", kind, len(xy))
    return head + struct.pack(f"{order}{len(flat)}d", *flat)


def holding(kind: int, *parts: bytes, order="<") -> bytes:
    return struct.pack(order + "BII", order == "<", kind, len(parts)) + b"".join(parts)


def point(*xyz: float) -> bytes:
    return struct.pack(f"<BI{len(xyz)}d", 1, 1001 if len(xyz) == 3 else 1, *xyz)


CIRCLE = points(CIRCULAR, (10, 0), (-10, 0), (10, 0))
HOLE = points(CIRCULAR, (5, 0), (0, 5), (-5, 0), (0, -5), (5, 0))
# a half disc: along the x axis, and back over the top
HALF = holding(
    COMPOUND, points(LINE, (-10, 0), (10, 0)), points(CIRCULAR, (10, 0), (0, 10), (-10, 0))
)


@pytest.mark.parametrize(
    ("wkb", "area"),
    [
        (holding(CURVE_POLYGON, CIRCLE), math.pi * 100),
        (holding(CURVE_POLYGON, CIRCLE, HOLE), math.pi * 75),
        (holding(CURVE_POLYGON, HALF), math.pi * 50),
        (holding(MULTI_SURFACE, holding(CURVE_POLYGON, HALF)), math.pi * 50),
    ],
)
def test_areas_are_those_of_circles(wkb, area):
    made = shapely.from_wkb(straightened(wkb))
    assert made.is_valid
    assert made.area == pytest.approx(area, rel=1e-5)


def test_heights_and_byte_order_do_not_matter():
    high = points(1000 + CIRCULAR, (10, 0, 7), (-10, 0, 7), (10, 0, 7))
    made = straightened(holding(1000 + CURVE_POLYGON, high))
    big = points(CIRCULAR, (10, 0), (-10, 0), (10, 0), order=">")
    assert made == straightened(holding(CURVE_POLYGON, big, order=">"))
    assert made == straightened(holding(CURVE_POLYGON, CIRCLE))


def test_neighbours_share_the_points_of_an_arc():
    """The same arc walked both ways: nothing between the two, nothing twice."""
    arc = points(CIRCULAR, (0, 0), (3, 50), (0, 100))
    back = points(CIRCULAR, (0, 100), (3, 50), (0, 0))
    left = holding(COMPOUND, arc, points(LINE, (0, 100), (-80, 100), (-80, 0), (0, 0)))
    right = holding(COMPOUND, back, points(LINE, (0, 0), (80, 0), (80, 100), (0, 100)))
    one, other = (shapely.from_wkb(straightened(holding(CURVE_POLYGON, c))) for c in (left, right))
    assert one.union(other).area == pytest.approx(160 * 100, abs=1e-6)
    assert one.intersection(other).area == 0


def test_three_points_on_a_line_are_no_arc():
    flat = points(CIRCULAR, (0, 0), (5, 0), (10, 0), (10, 5), (10, 10))
    ring = holding(COMPOUND, flat, points(LINE, (10, 10), (0, 0)))
    assert shapely.from_wkb(straightened(holding(CURVE_POLYGON, ring))).area == 50


@pytest.mark.parametrize(
    "wkb",
    [
        b"",
        b"\x01",
        holding(CURVE_POLYGON, CIRCLE)[:-8],
        struct.pack("<BII", 1, CURVE_POLYGON, 2**31),
        points(CIRCULAR, (0, 0), (1, 1), (2, 0)),
        struct.pack("<BII", 1, CURVE_POLYGON, 1) + struct.pack("<BII", 1, COMPOUND, 1) * 5000,
    ],
)
def test_what_is_no_polygon_gives_none(wkb):
    assert straightened(wkb) is None


def test_curved_rows_of_a_layer_are_drawn_and_the_others_untouched(tmp_path):
    plain = shapely.to_wkb(shapely.box(0, 0, 2, 2))
    strange = struct.pack("<BII", 1, 16, 0)  # a TIN
    column = pa.array([holding(CURVE_POLYGON, CIRCLE), None, plain, strange], pa.binary())
    shapes = shapes_of(column)
    assert [None if s is None else round(s.area) for s in shapes] == [314, None, 4, None]
    assert np.array_equal(shapes[2:3], shapes_of(column.slice(2, 1)))


SQUARE = shapely.to_wkb(shapely.box(100, 0, 110, 10), byte_order=1)


@pytest.mark.parametrize(
    ("wkb", "area"),
    [
        (holding(COLLECTION, CIRCLE), 0),
        (holding(COLLECTION, holding(CURVE_POLYGON, CIRCLE), SQUARE), math.pi * 100 + 100),
        (holding(COLLECTION, holding(COLLECTION, holding(CURVE_POLYGON, CIRCLE, HOLE))), math.pi * 75),
        (holding(COLLECTION, holding(MULTI_SURFACE, SQUARE, holding(CURVE_POLYGON, HALF))),
         math.pi * 50 + 100),
        (holding(COLLECTION, holding(MULTI_CURVE, CIRCLE), point(1, 2), SQUARE), 100),
        (holding(1000 + COLLECTION, holding(1000 + CURVE_POLYGON,
                                            points(1000 + CIRCULAR, (10, 0, 7), (-10, 0, 7), (10, 0, 7))),
                 point(1, 2, 3)), math.pi * 100),
    ],
)  # fmt: skip
def test_arcs_in_a_collection_are_drawn(wkb, area):
    (made,) = shapes_of(pa.array([wkb], pa.binary()))
    assert shapely.get_type_id(made) == COLLECTION
    assert made.area == pytest.approx(area, rel=1e-5)
    assert shapely.bounds(made)[2] > 0
    # GEOS measures no curve: what is drawn can be cleaned as well
    placed = shapely.transform(np.array([made]), lambda xy: xy + np.array([500_000, 3_350_000]))
    (cleaned,) = clean_polygons(placed, County("330299", "EPSG:4549")).stored
    assert (cleaned.area if cleaned else 0) == pytest.approx(area, rel=1e-5)


def test_a_collection_without_arcs_is_left_as_it_is():
    plain = shapely.to_wkb(shapely.from_wkt("GEOMETRYCOLLECTION Z (POINT Z (1 2 3))"))
    assert straightened(plain) == plain
    empty, cut = holding(COLLECTION), holding(COLLECTION, CIRCLE)[:-8]
    shapes = shapes_of(
        pa.array([empty, cut, None, b"\x01", holding(COLLECTION, SQUARE)], pa.binary())
    )
    assert [None if s is None else s.area for s in shapes] == [0, None, None, None, 100]
