"""Coordinates into the county's CRS, by the parameters of both systems and never by guess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.exceptions import CRSError as ProjCrsError
from pyproj.exceptions import ProjError

from pipeline.errors import CrsError
from pipeline.feeds.contracts import County

# Coordinates are kept to a tenth of a millimetre, so that two ways of computing them agree.
DECIMALS = 4

_Coordinates = npt.NDArray[np.float64]

# Ellipsoids of Beijing 1954 and Xian 1980 (semi-major axis, 1/f): no exact formula to CGCS2000.
_OLD_ELLIPSOIDS = ((6378245.0, 298.3), (6378140.0, 298.257))
_MODERN_AXIS = 6378137.0
# How far from a system's area of use, in degrees, a layer may lie. Land of a county at 121.7 E is
# rightly kept in the zone of 120 E, though the zone is said to end at 121.5.
_MARGIN_DEGREES = 3.0
# How far outside the county's extent the middle of a layer, or one shape, may lie, in metres.
_MARGIN_LAYER_M = 20_000.0
_MARGIN_SHAPE_M = 1_000.0


@dataclass(frozen=True)
class Reprojection:
    """The way from one CRS to the county's; ``label`` names the first."""

    label: str
    source: pyproj.CRS
    county: County
    transformer: pyproj.Transformer | None

    def __call__(self, coordinates: _Coordinates) -> _Coordinates:
        """Transform x, y and round them; what cannot be transformed becomes infinite."""
        if self.transformer is not None:
            x, y = self.transformer.transform(coordinates[:, 0], coordinates[:, 1])
            coordinates = np.column_stack([x, y])
        # adding zero turns -0.0 into 0.0
        rounded: _Coordinates = np.round(coordinates, DECIMALS) + 0.0
        return rounded


def reprojection(text: str | None, county: County, *, file: str, layer: str) -> Reprojection:
    """Find the way from a layer's CRS to the county's.

    Shape:  the CRS as authority code, WKT or PROJ text in; one Reprojection out.
    Units:  those of the two systems.
    CRS:    x is easting or longitude on both sides, whatever order the authority defines.
    Errors: CrsError: source.no_crs (none, or no system that PROJ knows), source.old_datum (Xian
            1980 or Beijing 1954), source.wrong_crs (no way between the two is known).
    Source: docs/sources.md, 3.4: match on parameters, as .prj texts without an EPSG id are common.
    """
    if not text:
        raise CrsError("source.no_crs", file=file, layer=layer)
    try:
        source = pyproj.CRS.from_user_input(text)
    except ProjCrsError as error:
        raise CrsError("source.no_crs", file=file, layer=layer) from error
    target = pyproj.CRS.from_user_input(county.crs)
    authority = source.to_authority(min_confidence=70)
    label = source.name if authority is None else ":".join(authority)
    if source.ellipsoid is None or not (source.is_projected or source.is_geographic):
        raise CrsError("source.no_crs", file=file, layer=layer)
    shape = (source.ellipsoid.semi_major_metre, source.ellipsoid.inverse_flattening)
    for old in _OLD_ELLIPSOIDS:
        if abs(shape[0] - old[0]) < 0.5 and abs(shape[1] - old[1]) < 0.01:
            raise CrsError("source.old_datum", file=file, layer=layer, crs=source.name)
    if is_same_plane(source, target):
        return Reprojection(label, source, county, None)
    # Datums on the modern ellipsoids differ by less than the land records' own accuracy, and a
    # text without a known datum name is one of them: no shift between them is the rule.
    is_modern = abs(shape[0] - _MODERN_AXIS) < 0.01
    try:
        transformer = pyproj.Transformer.from_crs(
            source, target, always_xy=True, allow_ballpark=is_modern
        )
    except ProjError as error:
        raise CrsError(
            "source.wrong_crs", file=file, layer=layer, crs=label, county_crs=county.crs, x="", y=""
        ) from error
    return Reprojection(label, source, county, transformer)


def check_place(way: Reprojection, centres: _Coordinates, *, file: str, layer: str) -> None:
    """Refuse a layer whose coordinates cannot belong to the CRS it names.

    Judged by the middle of the layer, so that one stray shape refuses nothing.

    Shape:  centres of shapes as delivered, (n, 2), in; nothing out.
    Units:  those of the layer's CRS.
    CRS:    the layer's.
    Errors: CrsError (source.wrong_crs): degrees where metres are named or the reverse, a middle
            that is outside the CRS's area of use or the county's extent.
    Source: docs/sources.md, 3.4: detect by magnitude; zone prefix, swapped axes.
    """
    finite = centres[np.isfinite(centres).all(axis=1)]
    if len(finite) == 0:
        return
    middle = np.median(finite, axis=0)
    x, y = float(middle[0]), float(middle[1])
    in_degrees = bool((np.abs(finite) <= (180.0, 90.0)).all())
    fits = in_degrees == way.source.is_geographic and _in_area_of_use(way, x, y)
    if fits and way.county.extent:
        placed = way(np.array([[x, y]]))
        box = np.hstack([placed, placed])
        fits = bool(is_near(box, way.county, _MARGIN_LAYER_M)[0])
    if not fits:
        raise CrsError(
            "source.wrong_crs",
            file=file,
            layer=layer,
            crs=way.label,
            county_crs=way.county.crs,
            x=round(x, 3),
            y=round(y, 3),
        )


def is_near(
    bounds: _Coordinates, county: County, margin: float = _MARGIN_SHAPE_M
) -> npt.NDArray[np.bool_]:
    """Tell which boxes touch the county's extent, with a margin; all finite ones without one.

    Shape:  boxes (n, 4) in; n booleans out.
    Units:  metres.
    CRS:    the county's.
    Errors: none.
    Source: setting county.extent.
    """
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(bounds).all(axis=1), dtype=bool)
    if not county.extent:
        return finite
    x_min, y_min, x_max, y_max = county.extent
    return (
        finite
        & (bounds[:, 0] <= x_max + margin)
        & (bounds[:, 2] >= x_min - margin)
        & (bounds[:, 1] <= y_max + margin)
        & (bounds[:, 3] >= y_min - margin)
    )


def is_same_plane(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Tell whether two systems give a place the same x and y, whatever they are called.

    Shape:  two systems in; one bool out.
    Units:  none.
    CRS:    compared by projection, parameters, ellipsoid and unit; axis order does not matter.
    Errors: none.
    Source: docs/sources.md, 3.4: match on parameters.
    """
    return _parameters(one) == _parameters(other)


def _parameters(crs: pyproj.CRS) -> tuple[object, ...]:
    """What makes two systems the same plane: projection, its parameters, ellipsoid, unit."""
    operation = crs.coordinate_operation
    if operation is None or crs.ellipsoid is None:
        return (crs.srs,)
    values = sorted(
        (parameter.name, round(float(parameter.value) * parameter.unit_conversion_factor, 9))
        for parameter in operation.params
    )
    ellipsoid = crs.ellipsoid
    shape = (round(ellipsoid.semi_major_metre, 3), round(ellipsoid.inverse_flattening, 9))
    units = tuple(axis.unit_conversion_factor for axis in crs.axis_info)
    return (operation.method_name, tuple(values), shape, units)


def _in_area_of_use(way: Reprojection, x: float, y: float) -> bool:
    """Whether a point lies where its CRS and the county's CRS are used."""
    degrees = way.source.geodetic_crs
    if degrees is None:
        return False
    to_degrees = pyproj.Transformer.from_crs(way.source, degrees, always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    county = pyproj.CRS.from_user_input(way.county.crs)
    return all(
        area is None or _is_within(area.bounds, longitude, latitude)
        for area in (way.source.area_of_use, county.area_of_use)
    )


def _is_within(
    bounds: tuple[float, float, float, float], longitude: float, latitude: float
) -> bool:
    west, south, east, north = bounds
    # an area that crosses the date line has east < west
    east += 360.0 if east < west else 0.0
    return (
        west - _MARGIN_DEGREES <= longitude <= east + _MARGIN_DEGREES
        and south - _MARGIN_DEGREES <= latitude <= north + _MARGIN_DEGREES
    )
