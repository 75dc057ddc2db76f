"""Areas of polygons on the ellipsoid, as the land survey measures them, and how far a plane is off.

The rule of the survey (trapezoids between each edge and a meridian) equals the plane area in a
cylindrical equal-area projection of the same ellipsoid: both take an edge for straight in longitude
and authalic latitude. A geodesic area takes it for a geodesic; the two agree as far as edges are short
or densified.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.object_]

_POLYGONS: Final = (3, 6)
_WEB: Final = "Popular Visualisation Pseudo Mercator"
# The scale of a projection is smooth: over a box of this half width a polynomial of this degree in
# either direction gives it to 1e-11 (tests/unit/test_areas.py).
_NEAR_M: Final = 100_000.0
_DEGREE: Final = 6


def survey_area(shapes: Shapes, crs: str | pyproj.CRS) -> Floats:
    """Measure polygons on the ellipsoid of their CRS, edge by edge without densifying.

    Rings count by their size, whichever way they turn: outer ones add, holes take away. Z and M
    do not matter.

    Shape:  n shapes in; n areas out, NaN where there is none or it is no polygon, 0 where empty.
    Units:  m2.
    CRS:    that of the shapes, projected or geographic (then in degrees); x is easting or
            longitude. The area is on the ellipsoid of its datum (CGCS2000: GRS80).
    Errors: ValueError where the CRS has no ellipsoid.
    Source: docs/sources.md, 3.3 (国土调查办发〔2008〕32号); authalic latitude, Snyder 1987, 3-12.
    """
    area = np.full(len(shapes), np.nan)
    kind = shapely.get_type_id(shapes)
    is_polygon = np.isin(kind, _POLYGONS)
    area[is_polygon] = 0.0
    places = np.flatnonzero(is_polygon & ~shapely.is_empty(shapes))
    if len(places) == 0:
        return area
    points, (ring_ends, part_ends, shape_ends) = _ragged(shapes[places])
    longitude, height = _equal_area(points, pyproj.CRS.from_user_input(crs))
    rings = _ring_areas(longitude, height, ring_ends)
    # the first ring of a part is its outline, the others are holes
    sign = np.full(len(rings), -1.0)
    sign[part_ends[:-1][np.diff(part_ends) > 0]] = 1.0
    signed = np.concatenate([[0.0], np.cumsum(sign * rings)])
    area[places] = np.diff(signed[part_ends[shape_ends]])
    return area


def areal_scale(x: Floats, y: Floats, crs: str | pyproj.CRS) -> Floats:
    """How much larger a small area is in the plane than on the ellipsoid, at given places.

    Plane area divided by this is the survey area: to 1e-8 for a shape of 100 m, as the scale
    changes within a shape.

    Shape:  n eastings and n northings in; n ratios out, NaN where the projection has no place.
    Units:  metres, or those of the CRS, in; square metres of the ellipsoid per unit of the plane
            turned round: (CRS unit)2 per m2 out.
    CRS:    a projected one.
    Errors: ValueError where the CRS is not projected.
    Source: docs/sources.md, 3.3 (plane and survey area differ by the scale of the projection).
    """
    plane = pyproj.CRS.from_user_input(crs)
    if not plane.is_projected:
        raise ValueError(f"no plane: {plane.name}")
    scale = np.full(len(x), np.nan)
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return scale
    # one of a grid of boxes, so that the terms of neighbouring batches are the same
    centre = np.round(np.array([np.median(x[finite]), np.median(y[finite])]) / _NEAR_M) * _NEAR_M
    u, v = (x - centre[0]) / (2 * _NEAR_M), (y - centre[1]) / (2 * _NEAR_M)
    near = finite & (np.abs(u) <= 1) & (np.abs(v) <= 1)
    terms = _scale_terms(plane.to_wkt(), float(centre[0]), float(centre[1]))
    if terms is None:
        near[:] = False
    else:
        scale[near] = np.polynomial.chebyshev.chebval2d(u[near], v[near], terms)
    far = finite & ~near
    if far.any():
        scale[far] = _exact_scale(x[far], y[far], plane)
    return scale


def areal_scale_at(longitude: Floats, latitude: Floats, crs: str | pyproj.CRS) -> Floats:
    """How much larger a small area is in a CRS than on its ellipsoid, place by place.

    Shape:  n longitudes and n latitudes in; n ratios out, NaN where the CRS has no place.
    Units:  degrees in; (CRS unit)2 per m2 out: of a geographic CRS square degrees.
    CRS:    projected or geographic; the degrees are those of its datum.
    Errors: ValueError where the CRS has no ellipsoid.
    Source: docs/sources.md, 3.3; radii of curvature, Snyder 1987, 4-18 and 4-20.
    """
    system = pyproj.CRS.from_user_input(crs)
    if system.is_geographic:
        return _square_degrees(latitude, system)
    operation = system.coordinate_operation
    if operation is not None and operation.method_name == _WEB:
        # the web's map takes the ellipsoid for a sphere, as PROJ's factors do
        major, _ = _ellipsoid(system)
        stretched = _square_degrees(latitude, system) / np.cos(np.radians(latitude))
        return np.asarray(stretched * np.radians(major) ** 2)
    factors = pyproj.Proj(system).get_factors(longitude, latitude)
    unit = system.axis_info[0].unit_conversion_factor
    scale = np.asarray(factors.areal_scale, dtype=np.float64) / unit**2
    return np.where(np.isfinite(scale) & (scale > 0), scale, np.nan)


@lru_cache(maxsize=64)
def _scale_terms(crs: str, x: float, y: float) -> Floats | None:
    """Chebyshev terms of the areal scale in a box, None where part of the box has no place."""
    nodes = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    u, v = np.meshgrid(nodes, nodes, indexing="ij")
    exact = _exact_scale(
        x + 2 * _NEAR_M * u.ravel(), y + 2 * _NEAR_M * v.ravel(), pyproj.CRS.from_wkt(crs)
    )
    if not np.isfinite(exact).all():
        return None
    basis = np.polynomial.chebyshev.chebvander2d(u.ravel(), v.ravel(), [_DEGREE, _DEGREE])
    terms = np.linalg.solve(basis, exact)
    return np.asarray(terms.reshape(_DEGREE + 1, _DEGREE + 1), dtype=np.float64)


def _exact_scale(x: Floats, y: Floats, plane: pyproj.CRS) -> Floats:
    """The areal scale of a projection, place by place; in units of the CRS."""
    longitude, latitude = _to_degrees(plane).transform(x, y)
    return areal_scale_at(longitude, latitude, plane)


def _square_degrees(latitude: Floats, crs: pyproj.CRS) -> Floats:
    """Square degrees per square metre."""
    major, square = _ellipsoid(crs)
    phi = np.radians(latitude)
    root = 1 - square * np.sin(phi) ** 2
    meridian, parallel = major * (1 - square) / root**1.5, major * np.cos(phi) / np.sqrt(root)
    return np.asarray(np.degrees(1) ** 2 / (meridian * parallel), dtype=np.float64)


def _ellipsoid(crs: pyproj.CRS) -> tuple[float, float]:
    """Semi-major axis, and the square of the eccentricity."""
    if crs.ellipsoid is None:
        raise ValueError(f"no ellipsoid: {crs.name}")
    inverse = crs.ellipsoid.inverse_flattening
    return crs.ellipsoid.semi_major_metre, (2 - 1 / inverse) / inverse if inverse else 0.0


@lru_cache(maxsize=64)
def _to_degrees(crs: pyproj.CRS) -> pyproj.Transformer:
    """The way from a CRS to longitude and latitude of its own datum."""
    degrees = crs.geodetic_crs
    if degrees is None or degrees.ellipsoid is None:
        raise ValueError(f"no ellipsoid: {crs.name}")
    return pyproj.Transformer.from_crs(crs, degrees, always_xy=True)


def _equal_area(points: Floats, crs: pyproj.CRS) -> tuple[Floats, Floats]:
    """Points on the cylinder that keeps areas: longitude and height in metres of either."""
    way = _to_degrees(crs)
    x, y = way.transform(points[:, 0], points[:, 1])
    major, square = _ellipsoid(crs)
    sine = np.sin(np.radians(y))
    root = np.sqrt(square)
    outer = np.arctanh(root * sine) / root if square else sine
    height = major / 2 * (1 - square) * (sine / (1 - square * sine**2) + outer)
    return major * np.radians(x), height


def _ring_areas(x: Floats, y: Floats, ends: npt.NDArray[np.int64]) -> Floats:
    """The size of each closed ring by the shoelace formula, measured from its own first point."""
    first = np.repeat(ends[:-1], np.diff(ends))
    x, y = x - x[first], y - y[first]
    twice = np.zeros(len(x) + 1)
    twice[1:-1] = x[:-1] * y[1:] - x[1:] * y[:-1]
    # the step from one ring to the next is none
    twice[ends[1:-1]] = 0.0
    filled = np.diff(ends) > 0
    area = np.zeros(len(ends) - 1)
    area[filled] = np.add.reduceat(twice[1:], ends[:-1][filled])
    return np.abs(area) / 2


def _ragged(shapes: Shapes) -> tuple[Floats, tuple[npt.NDArray[np.int64], ...]]:
    """Points of polygons, and where rings, parts and shapes end."""
    kind, points, ends = shapely.to_ragged_array(shapes, include_z=False)
    if kind is shapely.GeometryType.POLYGON:
        # of polygons alone the parts are the shapes
        ends = (*ends, np.arange(len(shapes) + 1))
    return points, ends
