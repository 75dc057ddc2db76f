"""Delivered areas against the shapes of their rows: what differs, and what it looks like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from pyproj.exceptions import CRSError

from pipeline.domain.areas import areal_scale, areal_scale_at, survey_area
from pipeline.domain.quantities import m2_in
from pipeline.errors import storable
from pipeline.feeds.contracts import AreaLimits, Column, County
from pipeline.feeds.findings import Mask
from pipeline.feeds.geometry import Drawn

_Numbers = npt.NDArray[np.float64]
_Objects = npt.NDArray[np.object_]

# Units that a figure may turn out to be in. They are further apart than any real difference: a figure
# is in the one that brings it this close to the drawn area.
_UNITS: Final = ("m2", "mu", "ha")
_ALIKE_UNIT: Final = 0.05
# What comes this close to the area in another plane was taken there.
_ALIKE_PLANE: Final = 5e-5
_ROUNDING_M2: Final = 0.02
_ALIKE_DEGREES: Final = 0.02
# Meridians of other zones, of three and of six degrees, as seen from the county's.
_OTHER_MERIDIANS: Final = (-6, -3, 3, 6)
_DEGREES: Final = "degrees"
# How far the quick area may be from the exact one.
_QUICK_SHARE: Final = 1e-6

UNIT, ZONE = "area.looks_like_unit", "area.looks_like_zone"
MUCH, SOME = "area.differs_much", "area.differs"


@dataclass(frozen=True)
class AreaFindings:
    """Rows whose delivered area differs from the drawn one: places, and what is said of each.

    ``unit``: the unit a figure seems to be in, empty where it is none; ``is_wrong``: it is wrong by a
    factor; ``params`` (JSON): official, plane, ellipsoid, difference, unit or zone.
    """

    places: npt.NDArray[np.int64]
    rule: _Objects
    unit: _Objects
    is_wrong: Mask
    params: _Objects


class AreaChecker:
    """Measures shapes by the rule of a column: on the ellipsoid, or in the plane of their file.

    ``source_crs`` is the CRS in which the layer was delivered, where it is not the county's.
    """

    def __init__(self, county: County, limits: AreaLimits, source_crs: str | None = None) -> None:
        self._plane = pyproj.CRS.from_user_input(county.crs)
        self._limits = limits
        self._source_crs = source_crs

    def drawn(self, middle: _Numbers, plane: _Numbers, column: Column) -> _Numbers:
        """Measure shapes by the rule of a column, to 1e-6 of their area at worst.

        Shape:  middles of n shapes, (n, 2), and their plane areas in; n areas out, NaN where there
                is none.
        Units:  those of the CRS, squared, in; m2 out.
        CRS:    the county's.
        Errors: none.
        Source: docs/sources.md, 3.3 (plane area over the scale of the projection).
        """
        x, y = middle[:, 0], middle[:, 1]
        area = np.where((plane > 0) & np.isfinite(x), plane, np.nan)
        if column.drawn == "plane" and self._other_plane is None:
            return area * self._plane.axis_info[0].unit_conversion_factor ** 2
        return self._by_rule(column, area / areal_scale(x, y, self._plane), x, y)

    def find(
        self,
        column: Column,
        figure: _Numbers,
        unit: _Objects,
        official: _Numbers,
        shapes: Drawn,
    ) -> AreaFindings:
        """Hold delivered areas against the shapes of their rows.

        Nearly all agree by the quick area; the others are measured exactly.

        Shape:  per row the figure as delivered and its unit, its m2 and its shape in; the rows that
                differ out.
        Units:  m2.
        CRS:    the county's.
        Errors: none.
        Source: docs/sources.md, 3.3 (tolerance; a ratio like that of a unit or a zone).
        """
        plane = shapes.area_after
        quick = self.drawn(shapes.middle, plane, column)
        places = np.flatnonzero(self._is_beyond(official, quick, slack=_QUICK_SHARE))
        ellipsoid = survey_area(shapely.from_wkb(shapes.stored[places]), self._plane)
        x, y = shapes.middle[places].T
        expected = (
            self._by_rule(column, ellipsoid, x, y) if column.drawn == "ellipsoid" else quick[places]
        )
        beyond = self._is_beyond(official[places], expected)
        places, ellipsoid, expected = places[beyond], ellipsoid[beyond], expected[beyond]
        given, said = official[places], unit[places]
        flat = plane[places] * self._plane.axis_info[0].unit_conversion_factor ** 2
        flat = expected if column.drawn == "plane" else flat

        looks = look_of(figure[places], expected)
        is_unit = (looks != "") & (looks != said)
        looks[~is_unit] = ""
        zones = self._zones(given, figure[places], ellipsoid, x[beyond], y[beyond])
        zones[is_unit] = ""
        much = np.abs(given - expected) > float(self._limits.error_share) * expected
        rule = np.where(much, MUCH, SOME).astype(object)
        rule[zones != ""] = ZONE
        rule[is_unit] = UNIT
        params = np.full(len(places), None, dtype=object)
        params[:] = [
            _params(*row)
            for row in zip(given, flat, ellipsoid, expected, looks, zones, strict=True)
        ]
        is_wrong = np.asarray(is_unit | (zones == _DEGREES), dtype=bool)
        return AreaFindings(places, rule, looks, is_wrong, params)

    def _is_beyond(self, given: _Numbers, expected: _Numbers, slack: float = 0.0) -> Mask:
        share = float(self._limits.tolerance_share) * expected
        tolerance = np.maximum(float(self._limits.tolerance_m2), share) - slack * expected
        return np.asarray(np.abs(given - expected) > tolerance, dtype=bool)

    def _by_rule(self, column: Column, ellipsoid: _Numbers, x: _Numbers, y: _Numbers) -> _Numbers:
        """What a column holds for areas on the ellipsoid at some places."""
        if column.drawn == "ellipsoid":
            return ellipsoid
        other = self._other_plane or self._plane
        return np.asarray(ellipsoid * areal_scale_at(*self._to_degrees.transform(x, y), other))

    def _zones(
        self, given: _Numbers, figure: _Numbers, ellipsoid: _Numbers, x: _Numbers, y: _Numbers
    ) -> _Objects:
        """The plane in which areas seem to have been taken, empty where it is none that is known."""
        found = np.full(len(given), "", dtype=object)
        if len(given) == 0:
            return found
        longitude, latitude = self._to_degrees.transform(x, y)
        near = np.maximum(_ALIKE_PLANE, _ROUNDING_M2 / ellipsoid)
        for label, plane in self._planes.items():
            expected = ellipsoid * areal_scale_at(longitude, latitude, plane)
            alike = np.abs(given - expected) < near * expected
            if label == _DEGREES:
                # too small to be left of by the time it is square metres
                alike = np.abs(figure - expected) < _ALIKE_DEGREES * expected
            found[alike & (found == "")] = label
        return found

    @cached_property
    def _to_degrees(self) -> pyproj.Transformer:
        degrees = self._plane.geodetic_crs
        assert degrees is not None  # noqa: S101 - a projected CRS has one
        return pyproj.Transformer.from_crs(self._plane, degrees, always_xy=True)

    @cached_property
    def _other_plane(self) -> pyproj.CRS | None:
        """The plane of the file, None where it has none of its own."""
        if self._source_crs is None:
            return None
        try:
            crs = pyproj.CRS.from_user_input(self._source_crs)
        except CRSError:
            return None
        is_other = crs.is_projected and not crs.equals(self._plane, ignore_axis_order=True)
        return crs if is_other else None

    @cached_property
    def _planes(self) -> dict[str, pyproj.CRS]:
        """Where areas are taken by mistake: in other zones, on the web's map, in degrees."""
        planes: dict[str, pyproj.CRS] = {}
        operation = self._plane.coordinate_operation
        if operation is not None and operation.method_name == "Transverse Mercator":
            values = {p.name: p.value for p in operation.params}
            origin = float(values["Longitude of natural origin"])
            for off in (0, *_OTHER_MERIDIANS):
                planes[f"{origin + off:g}°E"] = pyproj.CRS.from_proj4(
                    f"+proj=tmerc +lon_0={origin + off} +k=1 +ellps=GRS80 +units=m"
                )
        planes["Web Mercator"] = pyproj.CRS.from_epsg(3857)
        degrees = self._plane.geodetic_crs
        assert degrees is not None  # noqa: S101 - a projected CRS has one
        planes[_DEGREES] = degrees
        return planes


def look_of(figure: _Numbers, drawn: _Numbers) -> _Objects:
    """The unit in which figures come close to drawn areas, empty where they do in none.

    Shape:  n figures and n areas in; n codes out.
    Units:  unknown in; m2 for the areas.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 6 (unit detection: near 1 is m2, 0.0015 mu, 0.0001 ha).
    """
    looks = np.full(len(figure), "", dtype=object)
    for unit in _UNITS:
        looks[np.abs(figure * float(m2_in(unit)) - drawn) < _ALIKE_UNIT * drawn] = unit
    return looks


def _params(
    given: float, plane: float, ellipsoid: float, expected: float, unit: str, zone: str
) -> str:
    said: dict[str, object] = {
        "official": round(given, 2),
        "plane": round(plane, 2),
        "ellipsoid": round(ellipsoid, 2),
        "difference": round(given - expected, 2),
        "share": round(100 * (given / expected - 1), 2),
    }
    if unit:
        said |= {"unit": unit, "problem": f"unit_{unit}"}
    if zone:
        said["zone"] = zone
    # a figure may be beyond all floats
    return json.dumps(storable(said), ensure_ascii=False)
