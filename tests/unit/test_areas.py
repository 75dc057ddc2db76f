"""Areas on the ellipsoid against the survey's own series, the geodesic, and other projections."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, MultiPolygon, Point, Polygon, box

from pipeline.domain.areas import areal_scale, survey_area

REFERENCE = Path(__file__).parents[2].parent / "shared" / "data" / "geodesic-reference"
ZONE_40 = "EPSG:4549"
# CGCS2000
MAJOR, FLATTENING = 6_378_137.0, 1 / 298.257222101
E2 = FLATTENING * (2 - FLATTENING)


def shapes(*given) -> np.ndarray:
    return np.array([*given, None], dtype=object)[:-1]


def trapezoids(latitudes: np.ndarray, longitudes: np.ndarray, meridian: float = 120.0) -> float:
    """The series of 国土调查办发〔2008〕32号, edge by edge, for a closed ring in degrees."""
    e2, e4, e6, e8 = E2, E2**2, E2**3, E2**4
    a = 1 + 3 / 6 * e2 + 30 / 80 * e4 + 35 / 112 * e6 + 630 / 2304 * e8
    b = 1 / 6 * e2 + 15 / 80 * e4 + 21 / 112 * e6 + 420 / 2304 * e8
    c = 3 / 80 * e4 + 7 / 112 * e6 + 180 / 2304 * e8
    d = 1 / 112 * e6 + 45 / 2304 * e8
    e = 5 / 2304 * e8
    minor = MAJOR * (1 - FLATTENING)
    phi, lam = np.radians(latitudes), np.radians(longitudes - meridian)
    difference, middle = np.diff(phi), (phi[:-1] + phi[1:]) / 2
    across = (lam[:-1] + lam[1:]) / 2
    terms = (
        a * np.sin(difference / 2) * np.cos(middle)
        - b * np.sin(3 * difference / 2) * np.cos(3 * middle)
        + c * np.sin(5 * difference / 2) * np.cos(5 * middle)
        - d * np.sin(7 * difference / 2) * np.cos(7 * middle)
        + e * np.sin(9 * difference / 2) * np.cos(9 * middle)
    )
    return abs(float((2 * minor**2 * across * terms).sum()))


TO_DEGREES = pyproj.Transformer.from_crs(ZONE_40, "EPSG:4490", always_xy=True)
TO_CYLINDER = pyproj.Transformer.from_crs(
    ZONE_40, "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m", always_xy=True
)


def by_series(shape: Polygon) -> float:
    """The survey area of a polygon by the series: its outline less its holes."""

    def ring(points) -> float:
        longitude, latitude = TO_DEGREES.transform(*np.array(points)[:, :2].T)
        return trapezoids(latitude, longitude)

    return ring(shape.exterior.coords) - sum(ring(hole.coords) for hole in shape.interiors)


def wavy(x: float, y: float, radius: float, corners: int, waves: int) -> Polygon:
    """A ring with bays, whose edges are short."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    size = radius * (1 + 0.3 * np.sin(waves * turn))
    hole = box(x - radius / 9, y - radius / 9, x + radius / 8, y + radius / 7)
    ring = np.column_stack([x + size * np.cos(turn), y + size * np.sin(turn)])
    return Polygon(ring, [np.array(hole.exterior.coords)])


places = st.tuples(
    st.floats(350_000, 780_000),
    st.floats(2_000_000, 5_500_000),
    st.floats(3, 400),
    st.integers(7, 90),
    st.integers(1, 6),
)


@settings(deadline=None, max_examples=80)
@given(places)
def test_the_series_of_the_survey_rule(place) -> None:
    shape = wavy(*place)
    found = survey_area(shapes(shape, MultiPolygon([shape])), ZONE_40)
    assert found == pytest.approx([by_series(shape)] * 2, abs=1e-4)


@settings(deadline=None, max_examples=40)
@given(places)
def test_a_plane_that_keeps_areas(place) -> None:
    """What PROJ makes of the cylindrical equal-area projection of the same ellipsoid."""
    shape = wavy(*place)
    flat = shapely.transform(shape, lambda c: np.column_stack(TO_CYLINDER.transform(*c.T)))
    assert survey_area(shapes(shape), ZONE_40)[0] == pytest.approx(flat.area, abs=1e-4)


def test_the_quadrilateral_of_43000_square_metres() -> None:
    """docs/sources.md, 3.3: at 121.4 E in zone 40 plane and survey area differ by 19.5 m2."""
    x, y = pyproj.Transformer.from_crs("EPSG:4490", ZONE_40, always_xy=True).transform(121.4, 29.7)
    shape = box(x, y, x + 200, y + 215)
    area = survey_area(shapes(shape), ZONE_40)[0]
    assert shape.area == pytest.approx(43_000)
    assert area == pytest.approx(42_980.49, abs=0.05)
    geodesic = abs(
        pyproj.Geod(a=MAJOR, rf=298.257222101).geometry_area_perimeter(
            shapely.transform(shape, lambda c: np.column_stack(TO_DEGREES.transform(*c.T)))
        )[0]
    )
    # a geodesic edge leaves the straight one by less than this on 200 m
    assert area == pytest.approx(geodesic, abs=0.04)


def test_neither_turn_nor_height_nor_parts_matter() -> None:
    x, y = 499_000, 3_290_000
    outer, hole = box(x, y, x + 90, y + 80), box(x + 10, y + 10, x + 30, y + 20)
    holed = Polygon(outer.exterior.coords, [hole.exterior.coords])
    turned = Polygon(outer.exterior.coords[::-1], [hole.exterior.coords[::-1]])
    high = shapely.force_3d(holed, 12.5)
    far = box(x + 500, y, x + 540, y + 40)
    found = survey_area(
        shapes(holed, turned, high, MultiPolygon([holed, far]), far, outer, hole), ZONE_40
    )
    assert found[1] == pytest.approx(found[0], abs=1e-9)
    assert found[2] == pytest.approx(found[0], abs=1e-9)
    assert found[3] == pytest.approx(found[0] + found[4], abs=1e-9)
    assert found[5] - found[6] == pytest.approx(found[0], abs=1e-9)
    assert found[0] == pytest.approx(90 * 80 - 20 * 10, abs=0.01)


def test_what_is_no_polygon_has_no_area() -> None:
    found = survey_area(
        shapes(None, Point(0, 0), GeometryCollection(), Polygon(), MultiPolygon()), ZONE_40
    )
    assert np.isnan(found[:3]).all()
    assert found[3:].tolist() == [0.0, 0.0]
    assert len(survey_area(shapes(), ZONE_40)) == 0


def test_the_ellipsoid_is_that_of_the_crs() -> None:
    """A cell of one degree against the integral of the ellipsoid's surface, and another ellipsoid."""
    cell = box(120, 29, 121, 30)
    phi, step = np.linspace(np.radians(29), np.radians(30), 20_001, retstep=True)
    strip = MAJOR**2 * (1 - E2) * np.cos(phi) / (1 - E2 * np.sin(phi) ** 2) ** 2
    expected = np.radians(1) * (strip.sum() - (strip[0] + strip[-1]) / 2) * step
    assert survey_area(shapes(cell), "EPSG:4490")[0] == pytest.approx(expected, abs=5)
    sphere = survey_area(shapes(cell), "+proj=longlat +R=6371000")[0]
    assert sphere == pytest.approx(
        6_371_000**2 * np.radians(1) * np.diff(np.sin(np.radians([29, 30])))[0], rel=1e-12
    )
    with pytest.raises(ValueError, match="no ellipsoid"):
        survey_area(shapes(cell), 'LOCAL_CS["local",UNIT["metre",1]]')


def needs_reference() -> None:
    if not REFERENCE.is_dir():
        pytest.skip("geodesic-reference is not on this machine")


def densified(lat1: float, lon1: float, lat2: float, lon2: float, count: int) -> np.ndarray:
    """Longitudes and latitudes along a geodesic of WGS 84, its ends among them."""
    geod = pyproj.Geod(ellps="WGS84")
    between = geod.npts(lon1, lat1, lon2, lat2, count, initial_idx=0, terminus_idx=0)
    return np.array(between)


def test_a_reference_polygon_once_its_edges_are_densified() -> None:
    """Geodesic edges in short pieces are straight on the cylinder as well: the areas become one.

    The error of pieces falls with their square, so two counts give the limit.
    """
    needs_reference()
    case = json.loads((REFERENCE / "polygon_areas.json").read_text(encoding="utf-8"))["cases"][0]
    corners = [*case["lat_lon"], case["lat_lon"][0]]

    def area(count: int) -> float:
        ring = np.concatenate([densified(*a, *b, count)[:-1] for a, b in pairwise(corners)])
        return survey_area(shapes(Polygon(ring)), "EPSG:4326")[0]

    coarse, fine = area(4_001), area(8_001)
    limit = fine + (fine - coarse) / 3
    assert limit == pytest.approx(case["area_m2"], abs=case["tolerance"])
    # as the corners stand, the cylinder's straight edges enclose something else
    plain = survey_area(shapes(Polygon([(lon, lat) for lat, lon in case["lat_lon"]])), "EPSG:4326")
    assert abs(plain[0] - case["area_m2"]) > 1e5


def test_the_reference_areas_under_geodesics() -> None:
    """Between a geodesic and the equator, by values in high precision; sides are meridians."""
    needs_reference()
    rows = np.loadtxt(REFERENCE / "GeodTest-100.dat")
    checked = 0
    for lat1, lon1, _azi1, lat2, lon2, _azi2, _s12, _a12, _m12, under in rows:
        if not (lat1 * lat2 > 0 and 0 < lon2 - lon1 < 90 and max(lat1, lat2) < 80):
            continue

        def area(count: int, ends=(lat1, lon1, lat2, lon2)) -> float:
            line = densified(*ends, count)
            ring = np.concatenate([line, [(ends[3], 0.0), (ends[1], 0.0)]])
            return survey_area(shapes(Polygon(ring)), "EPSG:4326")[0]

        coarse, fine = area(2_001), area(4_001)
        limit = fine + (fine - coarse) / 3
        assert limit == pytest.approx(abs(under), rel=1e-9, abs=1.0)
        checked += 1
    assert checked >= 10


@pytest.mark.parametrize(
    ("crs", "x", "y"),
    [
        (ZONE_40, 650_000, 3_290_000),
        ("EPSG:4528", 40_650_000, 3_290_000),
        ("EPSG:2263", 990_000, 190_000),
        ("EPSG:3826", 250_000, 2_700_000),
        ("EPSG:3857", 13_500_000, 3_500_000),
    ],
)
def test_plane_area_over_its_scale_is_the_survey_area(crs: str, x: float, y: float) -> None:
    drawn = np.random.default_rng(4).uniform(-90_000, 90_000, (60, 2)) + np.array([x, y])
    squares = shapely.box(drawn[:, 0] - 30, drawn[:, 1] - 30, drawn[:, 0] + 30, drawn[:, 1] + 30)
    scale = areal_scale(drawn[:, 0], drawn[:, 1], crs)
    found = shapely.area(squares) / scale
    assert found == pytest.approx(survey_area(squares, crs), abs=1e-4)


def test_the_scale_of_far_and_of_no_places() -> None:
    x = np.array([500_000.0, 500_100.0, 900_000.0, np.nan, np.inf])
    y = np.array([3.29e6, 3.29e6, 5.0e6, 3.29e6, 3.29e6])
    scale = areal_scale(x, y, ZONE_40)
    assert scale[:2] == pytest.approx([1, 1], abs=1e-9)
    # 400 km from the meridian: 1 + x2 / R2 and a little
    assert scale[2] == pytest.approx(1 + (400_000 / 6_372_000) ** 2, abs=1e-4)
    assert np.isnan(scale[3:]).all()
    assert len(areal_scale(np.zeros(0), np.zeros(0), ZONE_40)) == 0
    with pytest.raises(ValueError, match="no plane"):
        areal_scale(x, y, "EPSG:4490")
