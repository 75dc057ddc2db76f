"""Coordinates of Chinese web maps, GCJ-02 and BD-09, and the longitudes and latitudes behind them.

Both are longitudes and latitudes of WGS 84 that were moved by some hundred metres: GCJ-02 by a
function of the place, BD-09 by a second one on top of it. The forward functions are known in open
code alone, their inverse is found by repeating; so what comes out is marked as approximate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

_Coordinates = npt.NDArray[np.float64]

# The ellipsoid on which the shift is computed (semi-major axis, squared eccentricity).
_AXIS: Final = 6378245.0
_ECCENTRICITY: Final = 0.00669342162296594323
# The middle from which the shift is counted; outside the box nothing is moved.
_MIDDLE: Final = (105.0, 35.0)
_BOX: Final = (72.004, 0.8293, 137.8347, 55.8271)
_BD_OFFSET: Final = (0.0065, 0.006)
_BD_TURN: Final = np.pi * 3000.0 / 180.0
# A step shrinks the error at least fiftyfold, so this many reach the end of double precision.
_STEPS: Final = 12


def gcj02_from_wgs84(coordinates: _Coordinates) -> _Coordinates:
    """Move WGS 84 to GCJ-02, the coordinates of Amap and Tencent.

    Shape:  (n, 2) longitude, latitude in; the same out.
    Units:  degrees.
    CRS:    WGS 84 (CGCS2000 within decimetres) in; GCJ-02 out.
    Errors: none; what is not finite stays so.
    Source: docs/sources.md, 7.
    """
    longitude, latitude = coordinates[:, 0], coordinates[:, 1]
    with np.errstate(invalid="ignore"):
        x, y = longitude - _MIDDLE[0], latitude - _MIDDLE[1]
        north = _north(x, y)
        east = _east(x, y)
        radians = np.radians(latitude)
        magic = 1.0 - _ECCENTRICITY * np.sin(radians) ** 2
        d_latitude = np.degrees(north / (_AXIS * (1.0 - _ECCENTRICITY)) * magic * np.sqrt(magic))
        d_longitude = np.degrees(east / (_AXIS * np.cos(radians)) * np.sqrt(magic))
        west, south, east_end, north_end = _BOX
        is_inside = (
            (longitude >= west)
            & (longitude <= east_end)
            & (latitude >= south)
            & (latitude <= north_end)
        )
    shift = np.column_stack([d_longitude, d_latitude])
    return coordinates + np.where(is_inside[:, np.newaxis], shift, 0.0)


def bd09_from_gcj02(coordinates: _Coordinates) -> _Coordinates:
    """Move GCJ-02 to BD-09, the coordinates of Baidu.

    Shape:  (n, 2) longitude, latitude in; the same out.
    Units:  degrees.
    CRS:    GCJ-02 in; BD-09 out.
    Errors: none; what is not finite stays so.
    Source: docs/sources.md, 7.
    """
    x, y = coordinates[:, 0], coordinates[:, 1]
    with np.errstate(invalid="ignore"):
        distance = np.hypot(x, y) + 0.00002 * np.sin(y * _BD_TURN)
        angle = np.arctan2(y, x) + 0.000003 * np.cos(x * _BD_TURN)
        moved = np.column_stack([distance * np.cos(angle), distance * np.sin(angle)])
    result: _Coordinates = moved + np.asarray(_BD_OFFSET)
    return result


def wgs84_from_gcj02(coordinates: _Coordinates) -> _Coordinates:
    """Find the WGS 84 coordinates that GCJ-02 shows moved.

    Shape:  (n, 2) longitude, latitude in; the same out.
    Units:  degrees; exact against the forward function to 1e-9.
    CRS:    GCJ-02 in; WGS 84 out.
    Errors: none; what is not finite stays so.
    Source: docs/sources.md, 7.
    """
    return _inverse(gcj02_from_wgs84, coordinates)


def wgs84_from_bd09(coordinates: _Coordinates) -> _Coordinates:
    """Find the WGS 84 coordinates that BD-09 shows moved twice.

    Shape:  (n, 2) longitude, latitude in; the same out.
    Units:  degrees; exact against the forward functions to 1e-9.
    CRS:    BD-09 in; WGS 84 out.
    Errors: none; what is not finite stays so.
    Source: docs/sources.md, 7.
    """
    return wgs84_from_gcj02(_inverse(bd09_from_gcj02, coordinates))


def _inverse(forward: Callable[[_Coordinates], _Coordinates], target: _Coordinates) -> _Coordinates:
    """The place that a function, nearly the identity, moves to the target."""
    place = target
    with np.errstate(invalid="ignore"):
        for _ in range(_STEPS):
            place = place + (target - forward(place))
    return place


def _north(x: _Coordinates, y: _Coordinates) -> _Coordinates:
    """Shift to the north, metres."""
    result: _Coordinates = (
        -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * np.sqrt(np.abs(x))
        + (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
        + (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
        + (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y / 30.0 * np.pi)) * 2.0 / 3.0
    )
    return result


def _east(x: _Coordinates, y: _Coordinates) -> _Coordinates:
    """Shift to the east, metres."""
    result: _Coordinates = (
        300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * np.sqrt(np.abs(x))
        + (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
        + (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
        + (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    )
    return result
