"""Shapes as they are drawn: what is stored, repaired, set aside, and what is said of it."""

from __future__ import annotations

import datetime as dt
import json
import struct
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.errors import GEOSException
from shapely.geometry import (
    GeometryCollection,
    LineString,
    MultiPoint,
    MultiPolygon,
    Point,
    Polygon,
    box,
)

from pipeline.feeds import geometry
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.clean import Manner, clean_batch
from pipeline.feeds.contracts import County, RepairLimits, load_contracts
from pipeline.feeds.geometry import clean_polygons, drawn_from, place_of, shapes_from_wkb
from pipeline.feeds.headings import match_headings

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
COUNTY = County("330299", "EPSG:4549")
X, Y = 499_500.0, 3_290_000.0
SQUARE = box(X, Y, X + 100, Y + 100)


def objects(*given) -> np.ndarray:
    return np.array([*given, None], dtype=object)[:-1]


def cleaned(*given, limits=None):
    return clean_polygons(objects(*given), COUNTY, limits or RepairLimits())


def ring(*points) -> list[tuple[float, float]]:
    return [(X + x, Y + y) for x, y in points]


def star(points: int, step: int) -> Polygon:
    """A star whose sides all cross each other near its middle."""
    turn = np.arange(points) * step % points * 2 * np.pi / points
    return Polygon(np.column_stack([X + 500 * np.cos(turn), Y + 500 * np.sin(turn)]))


# ---- Shapes that are right ---------------------------------------------------------------------

HOLE = ring((20, 20), (40, 20), (40, 40), (20, 40))


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (SQUARE, 10_000),
        (MultiPolygon([SQUARE, box(X + 200, Y, X + 210, Y + 10)]), 10_100),
        (Polygon(SQUARE.exterior.coords[::-1], [HOLE]), 9_600),
        (Polygon(SQUARE.exterior.coords, [HOLE[::-1]]), 9_600),
        (Polygon(ring((0, 0), (100, 0), (100, 0), (100, 100), (0, 100), (0, 100))), 10_000),
        (shapely.force_3d(SQUARE, 7.5), 10_000),
        (shapely.from_wkt(f"POLYGON M (({X} {Y} 1, {X + 10} {Y} 2, {X + 10} {Y + 10} 3, {X} {Y} 1))"), 50),
        (shapely.from_wkt(f"POLYGON ZM (({X} {Y} 1 1, {X + 10} {Y} 2 1, {X + 10} {Y + 10} 3 1, {X} {Y} 1 1))"), 50),
    ],
    ids=["plain", "parts", "turned", "hole turned", "points twice", "Z", "M", "ZM"],
)  # fmt: skip
def test_what_is_right_is_kept(shape, area):
    found = cleaned(shape)
    assert found.rule.tolist() == [""]
    # what is written has one type
    assert shapely.from_wkb(drawn_from(found).stored[0]).geom_type == "MultiPolygon"
    assert shapely.get_coordinate_dimension(found.stored[0]) == 2
    assert found.stored[0].is_valid
    assert found.stored[0].area == area
    # nothing of it was moved: the same points in the same order, multiplied by nothing
    assert shapely.equals_exact(shapely.force_2d(found.stored[0]), found.delivered[0], tolerance=0)


# ---- Shapes that are wrong ---------------------------------------------------------------------

SPIKE = Polygon(ring((0, 0), (40, 0), (40, 40), (50, 40), (40, 40), (40, 80), (0, 80)))
BOW_TIE = Polygon(ring((0, 0), (30, 80), (30, 0), (0, 80)))
SMALL_LOOP = Polygon(ring((0, 0), (100, 0), (100, 100), (49.8, 100), (49.8, 100.2), (50.2, 100.2), (50.2, 99.9), (0, 99.9)))  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "rule", "problem"),
    [
        (SPIKE, "repaired", "self_intersection"),
        (BOW_TIE, "repair_changes_area", "self_intersection"),
        (SMALL_LOOP, "repaired", "self_intersection"),
        (Polygon(ring((0, 0), (10, 0), (10, 10), (5, 0), (0, 10))), "repaired", "ring_touches_itself"),
        (Polygon(SQUARE.exterior.coords, [ring((200, 0), (210, 0), (210, 10))]), "repair_changes_area", "hole_outside"),
        (Polygon(SQUARE.exterior.coords, [HOLE, ring((25, 25), (30, 25), (30, 30))]), "repair_changes_area", "holes_nested"),
        (Polygon(SQUARE.exterior.coords, [ring((0, 50), (50, 0), (100, 50), (50, 100))]), "repaired", "interior_split"),
        (MultiPolygon([SQUARE, box(X + 10, Y + 10, X + 20, Y + 20)]), "repair_changes_area", "parts_nested"),
        (MultiPolygon([SQUARE, SQUARE]), "repair_changes_area", "self_intersection"),
        (MultiPolygon([SQUARE, box(X + 99.995, Y, X + 200, Y + 100)]), "repaired", "self_intersection"),
        (MultiPolygon([SQUARE, box(X + 90, Y, X + 200, Y + 100)]), "repair_changes_area", "self_intersection"),
        (Polygon(ring((0, 0), (10, 0), (20, 0))), "repair_changes_area", "self_intersection"),
        (GeometryCollection([SQUARE, LineString(ring((0, 0), (500, 0)))]), "repaired", "collection"),
        (GeometryCollection([GeometryCollection([MultiPolygon([SQUARE])]), Point(X, Y)]), "repaired", "collection"),
        (GeometryCollection([SPIKE, Point(X, Y)]), "repaired", "self_intersection"),
        (GeometryCollection([Point(X, Y)]), "wrong_type", ""),
        (GeometryCollection(), "missing", ""),
        (LineString(ring((0, 0), (1, 1))), "wrong_type", ""),
        (MultiPoint(ring((0, 0), (1, 1))), "wrong_type", ""),
        (None, "missing", ""),
        (Polygon(), "missing", ""),
        (MultiPolygon(), "missing", ""),
        (Polygon([(np.inf, Y), (X, Y), (X, Y + 1)]), "outside_county", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_repaired_or_set_aside(shape, rule, problem):
    found = cleaned(SQUARE, shape, SQUARE)
    assert found.rule.tolist() == ["", f"geometry.{rule}", ""]
    assert found.problem.tolist() == ["", problem, ""]
    is_kept = rule == "repaired"
    assert (found.stored[1] is not None) is is_kept
    if is_kept:
        assert found.stored[1].is_valid
        assert found.stored[1].geom_type == "MultiPolygon"
    # a broken shape in a batch does nothing to its neighbours
    assert found.stored[0].area == found.stored[2].area == 10_000


def test_coordinates_that_are_no_numbers():
    with np.errstate(invalid="ignore"):
        broken = Polygon([(X, Y), (np.nan, Y), (X + 1, Y + 1)])
    assert cleaned(broken, SQUARE).rule.tolist() == ["geometry.bad_coordinates", ""]


@pytest.mark.parametrize(
    ("size", "loss", "is_kept"),
    [
        (1000, 1.5, False),  # more than 1 m2, less than 0.1 %
        (1000, 0.9, True),
        (10, 0.5, False),  # more than 0.1 %, less than 1 m2
        (10, 0.05, True),
    ],
)
def test_either_limit_of_area_sets_a_repair_aside(size, loss, is_kept):
    """Two parts that lie over each other by ``loss``, which a repair counts once."""
    shape = MultiPolygon(
        [box(X, Y, X + size, Y + size), box(X + size - loss / 20, Y, X + size + 20, Y + 20)]
    )
    if size < 20:
        shape = MultiPolygon(
            [box(X, Y, X + size, Y + size), box(X + size - loss / 5, Y, X + size + 5, Y + 5)]
        )
    found = cleaned(shape)
    assert found.area_before[0] - found.area_after[0] == pytest.approx(loss, abs=1e-6)
    assert found.rule[0] == ("geometry.repaired" if is_kept else "geometry.repair_changes_area")


def test_the_reason_names_its_place():
    found = cleaned(BOW_TIE)
    assert found.reason[0] == f"Self-intersection[{X + 15:.0f} {Y + 40:.0f}]"
    assert place_of(found.reason[0]) == (X + 15, Y + 40)
    assert place_of("Too few points") is None
    assert place_of("") is None


# ---- Shapes that cost too much -----------------------------------------------------------------


@pytest.mark.parametrize(("points", "step"), [(601, 300), (20_001, 10_000)])
def test_a_shape_that_crosses_itself_everywhere_is_not_repaired(points, step):
    start = time.monotonic()
    found = cleaned(star(points, step), SQUARE)
    assert time.monotonic() - start < 2
    assert found.rule.tolist() == ["geometry.too_complex", ""]


def test_limits_are_parameters():
    assert cleaned(star(101, 50)).rule[0] == "geometry.repair_changes_area"
    few = RepairLimits(crossings=1000)
    assert cleaned(star(101, 50), limits=few).rule[0] == "geometry.too_complex"
    short = RepairLimits(vertices=5)
    assert cleaned(SPIKE, SQUARE, limits=short).rule.tolist() == ["geometry.too_complex", ""]


def test_a_long_shape_that_is_right_is_kept():
    turn = np.linspace(0, 2 * np.pi, 120_000, endpoint=False)
    size = 5_000 + 40 * np.sin(turn * 400)
    coast = Polygon(np.column_stack([X + size * np.cos(turn), Y + size * np.sin(turn)]))
    assert cleaned(coast).rule.tolist() == [""]


def test_one_shape_that_geos_gives_up_on_harms_no_other(monkeypatch):
    make_valid = shapely.make_valid

    def stubborn(shapes, **options):
        if any(shape.equals_exact(BOW_TIE, 0) for shape in shapes):
            raise GEOSException("TopologyException")
        return make_valid(shapes, **options)

    monkeypatch.setattr(geometry.shapely, "make_valid", stubborn)
    found = cleaned(SPIKE, BOW_TIE, SPIKE, SQUARE)
    assert found.rule.tolist() == [
        "geometry.repaired",
        "geometry.too_complex",
        "geometry.repaired",
        "",
    ]
    assert found.stored[2].area == 3200


# ---- Bytes -------------------------------------------------------------------------------------


def test_rings_that_are_not_closed_are_closed():
    raw = bytearray(shapely.to_wkb(SQUARE, byte_order=1))
    raw[-16:] = struct.pack("<dd", X + 3, Y + 3)
    built = shapes_from_wkb(objects(bytes(raw), b"no shape", None, shapely.to_wkb(SQUARE)))
    assert built[1:3].tolist() == [None, None]
    assert built[3].equals(SQUARE)
    assert built[0].exterior.is_closed
    assert shapely.get_num_coordinates(built[0]) == 6


# ---- In a batch --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def batch_of():
    contract = load_contracts(DEFAULT)["parcel"]
    match = match_headings(contract, [("ZDDM",)])

    def build(*shapes):
        codes = [f"330299001001GB{n + 1:05}" for n in range(len(shapes))]
        raw = RawBatch(
            np.arange(5, 5 + len(shapes), dtype=np.int64),
            [pd.Series(codes, dtype="str")],
            [None],
            drawn_from(clean_polygons(objects(*shapes), COUNTY, contract.repair)),
        )
        layer = OpenLayer("ZD", ["ZDDM"], match, iter([]))
        return clean_batch(raw, layer, contract, COUNTY, Manner(dt.date(2026, 6, 30)))

    return build


def test_shapes_are_kept_as_they_came(batch_of):
    found = batch_of(SQUARE, SPIKE, BOW_TIE, None, LineString(ring((0, 0), (1, 1))))
    kept = found.as_delivered
    assert kept["row_number"].tolist() == [6, 7, 9]
    assert kept["rule"].tolist() == [
        "geometry.repaired",
        "geometry.repair_changes_area",
        "geometry.wrong_type",
    ]
    assert shapely.from_wkb(kept["geom"].iloc[0]).equals_exact(SPIKE, 0)
    assert shapely.from_wkb(kept["geom"].iloc[1]).equals_exact(BOW_TIE, 0)
    assert kept["reason"].iloc[1].startswith("Self-intersection[")
    assert kept["area_after_m2"].tolist()[:2] == [3200, 1200]
    assert batch_of(SQUARE).as_delivered.empty
    assert list(batch_of(SQUARE).as_delivered.columns) == list(kept.columns)


def test_what_is_said_of_a_repair(batch_of):
    found = batch_of(SPIKE, BOW_TIE)
    notes = {row.row_number: json.loads(row.params) for row in found.issues.itertuples()}
    assert notes[5]["problem"] == "self_intersection"
    assert notes[5]["area_before_m2"] == notes[5]["area_after_m2"] == 3200
    assert notes[6]["reason"] == f"Self-intersection[{X + 15:.0f} {Y + 40:.0f}]"
    assert (notes[6]["x"], notes[6]["y"]) == (X + 15, Y + 40)
    # by its points, in their order, a bow-tie has no area at all
    assert (notes[6]["area_before_m2"], notes[6]["area_after_m2"]) == (0, 1200)
    assert found.issues["severity"].tolist() == ["error", "notice"]
    assert found.rows["outcome"].isna().tolist() == [True, False]
