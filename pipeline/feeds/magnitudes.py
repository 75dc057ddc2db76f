"""What coordinates say of themselves by their size: zone numbers, degrees, swapped axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Coordinates = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]
_Whole = npt.NDArray[np.int16]

# Forms of coordinates.
NOTHING, OTHER, DEGREES, PLAIN, PREFIXED, MERCATOR = range(6)

# Eastings without zone number or after it, northings and degrees of China, metres and degrees.
_EASTING = (200_000.0, 800_000.0)
_NORTHING = (300_000.0, 6_000_000.0)
ZONE_M = 1_000_000.0
_FIRST_ZONE, _LAST_ZONE = 13, 45
_LONGITUDE = (73.0, 136.0)
_LATITUDE = (3.0, 54.0)
# The same degrees in the sphere of web maps, metres.
MERCATOR_X = (8_126_000.0, 15_140_000.0)
_MERCATOR_Y = (334_000.0, 7_171_000.0)


@dataclass(frozen=True)
class Said:
    """What coordinates say of themselves, one entry per shape.

    ``form`` is one of NOTHING (no coordinates), OTHER, DEGREES, PLAIN (metres without zone
    number), PREFIXED, MERCATOR; ``zone`` is the zone number of PREFIXED, else 0; ``is_swapped``:
    x is northing or latitude.
    """

    form: _Whole
    zone: _Whole
    is_swapped: _Mask


def what_coordinates_say(bounds: _Coordinates) -> Said:
    """Tell by their size what coordinates can be, shape by shape.

    Shape:  boxes (n, 4) as delivered in (xmin, ymin, xmax, ymax; a point is a box without size);
            n entries out. A box whose corners differ is OTHER.
    Units:  as delivered.
    CRS:    unknown; eastings of 200,000 to 800,000, with the zone number 13 to 45 in front or
            without, northings of 300,000 to 6,000,000, degrees of China, or web Mercator. An
            easting of zone 13 to 15 may also be web Mercator; it is called PREFIXED.
    Errors: none.
    Source: docs/sources.md, 3.4: detect by magnitude.
    """
    low = _read(bounds[:, 0], bounds[:, 1])
    high = _read(bounds[:, 2], bounds[:, 3])
    agree = (low[0] == high[0]) & (low[1] == high[1]) & (low[2] == high[2])
    form = np.where(agree, low[0], OTHER).astype(np.int16)
    form[~np.isfinite(bounds).all(axis=1)] = NOTHING
    zone = np.where(form == PREFIXED, low[1], 0).astype(np.int16)
    return Said(form, zone, agree & low[2])


def _read(x: _Coordinates, y: _Coordinates) -> tuple[_Whole, _Whole, _Mask]:
    """Form, zone number and order of axes of points."""
    with np.errstate(invalid="ignore"):
        form, zone = _straight(x, y)
        turned, turned_zone = _straight(y, x)
        # a northing as small as an easting tells nothing
        is_swapped = (form == OTHER) & (turned != OTHER)
        is_swapped &= (turned == DEGREES) | (x > _EASTING[1])
        form = np.where(is_swapped, turned, form)
        zone = np.where(is_swapped, turned_zone, zone)
        in_degrees = (form == OTHER) & (np.abs(x) <= 180.0) & (np.abs(y) <= 90.0)
    form[in_degrees] = DEGREES
    return form.astype(np.int16), zone.astype(np.int16), is_swapped


def _straight(east: _Coordinates, north: _Coordinates) -> tuple[_Whole, _Whole]:
    """Form and zone number of points whose first figure is easting or longitude."""
    number = np.floor(east / ZONE_M)
    number[~np.isfinite(number)] = -1
    is_plane = _between(east - number * ZONE_M, _EASTING) & _between(north, _NORTHING)
    form = np.full(len(east), OTHER, dtype=np.int16)
    form[_between(east, _LONGITUDE) & _between(north, _LATITUDE)] = DEGREES
    form[_between(east, MERCATOR_X) & _between(north, _MERCATOR_Y)] = MERCATOR
    form[is_plane & (number == 0)] = PLAIN
    is_prefixed = is_plane & _between(number, (_FIRST_ZONE, _LAST_ZONE))
    form[is_prefixed] = PREFIXED
    return form, np.where(is_prefixed, number, 0).astype(np.int16)


def _between(values: _Coordinates, ends: tuple[float, float]) -> _Mask:
    return np.asarray((values >= ends[0]) & (values <= ends[1]), dtype=bool)
