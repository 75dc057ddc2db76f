"""Survey areas by the generator's own arithmetic: no PROJ, no PostGIS, only numpy.

A survey area is the plane area in the cylindrical equal-area projection of the same ellipsoid
(``+proj=cea +ellps=GRS80``). Here the way from the Gauss-Krüger plane to that projection is
written out, so that the pipeline can be held against something that does not share its code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Shapes = npt.NDArray[np.object_]

# GRS80, which is CGCS2000 to the last digit that matters.
_MAJOR_M = 6_378_137.0
_FLATTENING = 1 / 298.257222101
_ECCENTRICITY2 = _FLATTENING * (2 - _FLATTENING)
_ECCENTRICITY = float(np.sqrt(_ECCENTRICITY2))
_FALSE_EASTING_M = 500_000.0

_N = _FLATTENING / (2 - _FLATTENING)
_RECTIFYING_M = _MAJOR_M / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
# From the plane to the conformal sphere, and from conformal to geodetic latitude: coefficients of
# the sines of the double, fourfold, sixfold and eightfold angle, up to the fourth power of n.
_TO_SPHERE = (
    _N / 2 - 2 / 3 * _N**2 + 37 / 96 * _N**3 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 / 1440 * _N**4,
    17 / 480 * _N**3 - 37 / 840 * _N**4,
    4397 / 161_280 * _N**4,
)
_TO_LATITUDE = (
    2 * _N - 2 / 3 * _N**2 - 2 * _N**3 + 116 / 45 * _N**4,
    7 / 3 * _N**2 - 8 / 5 * _N**3 - 227 / 45 * _N**4,
    56 / 15 * _N**3 - 136 / 35 * _N**4,
    4279 / 630 * _N**4,
)


def equal_area_plane(places: Floats) -> Floats:
    """Carry points from the county's plane to the equal-area plane on which survey areas are taken.

    Shape:  (..., 2) eastings and northings in; (..., 2) out.
    Units:  metres.
    CRS:    EPSG:4549 in; ``+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80`` out, to 1e-6 m.
    Errors: none.
    Source: Krüger 1912 (series in n); authalic latitude, Snyder 1987, formula 3-12.
    """
    xi = places[..., 1] / _RECTIFYING_M
    eta = (places[..., 0] - _FALSE_EASTING_M) / _RECTIFYING_M
    # sine and cosine of the complex double angle, then of its multiples
    sine, cosine = np.sin(2 * xi), np.cos(2 * xi)
    rise, fall = np.sinh(2 * eta), np.cosh(2 * eta)
    double_sine = sine * fall + 1j * (cosine * rise)
    double_cosine = cosine * fall - 1j * (sine * rise)
    correction = _sine_series(_TO_SPHERE, double_sine, double_cosine)
    xi = xi - correction.real
    eta = eta - correction.imag
    longitude = np.arctan2(np.sinh(eta), np.cos(xi))
    conformal_sine = np.sin(xi) / np.cosh(eta)
    conformal = np.arcsin(conformal_sine)
    conformal_cosine = np.sqrt(1 - conformal_sine**2)
    latitude = conformal + _sine_series(
        _TO_LATITUDE,
        2 * conformal_sine * conformal_cosine,
        conformal_cosine**2 - conformal_sine**2,
    )
    s = np.sin(latitude)
    authalic = (1 - _ECCENTRICITY2) * (
        s / (1 - _ECCENTRICITY2 * s**2) + np.arctanh(_ECCENTRICITY * s) / _ECCENTRICITY
    )
    return np.stack([_MAJOR_M * longitude, _MAJOR_M * authalic / 2], axis=-1)


def survey_area(shapes: Shapes) -> Floats:
    """Measure shapes on the ellipsoid, as the survey does.

    Shape:  n shapes in; n areas out.
    Units:  m2.
    CRS:    EPSG:4549.
    Errors: none.
    Source: area rule of the survey (trapezoids on the ellipsoid), equal to 1e-4 m2 per patch.
    """
    if len(shapes) == 0:
        return np.zeros(0)
    return np.asarray(shapely.area(shapely.transform(shapes, equal_area_plane)), dtype=np.float64)


def area_under(lines: Floats) -> Floats:
    """Measure what lies between lines and the central meridian; northward counts as positive.

    The survey area of a ring is the sum of this over its sides, so that a side that two patches
    share is measured once.

    Shape:  (..., k, 2) lines of k points in; (...) out.
    Units:  metres in, m2 out.
    CRS:    EPSG:4549.
    Errors: none.
    Source: trapezoid rule of the survey, in the equal-area plane.
    """
    plane = equal_area_plane(lines)
    x, y = plane[..., 0], plane[..., 1]
    return np.asarray(((x[..., 1:] + x[..., :-1]) * np.diff(y)).sum(axis=-1) / 2)


def _sine_series(
    coefficients: tuple[float, ...], sine: npt.NDArray[Any], cosine: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Sum coefficients times the sines of the multiples of an angle, real or complex."""
    total: npt.NDArray[Any] = coefficients[0] * sine
    before, now = np.zeros_like(sine), sine
    for coefficient in coefficients[1:]:
        before, now = now, 2 * cosine * now - before
        total = total + coefficient * now
    return total
