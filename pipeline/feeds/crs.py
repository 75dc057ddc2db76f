"""Coordinates into the county's CRS, by the parameters of both systems and never by guess."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.crs import BoundCRS
from pyproj.crs.coordinate_operation import ToWGS84Transformation
from pyproj.exceptions import CRSError as ProjCrsError
from pyproj.exceptions import ProjError

from pipeline.domain.web_maps import wgs84_from_bd09, wgs84_from_gcj02
from pipeline.errors import CrsError
from pipeline.feeds.contracts import County, web_map

# Coordinates are kept to a tenth of a millimetre, so that two ways of computing them agree.
DECIMALS = 4

_Coordinates = npt.NDArray[np.float64]

# Ellipsoids of Beijing 1954 and Xian 1980 (semi-major axis, 1/f): no exact formula to CGCS2000.
_OLD_ELLIPSOIDS = ((6378245.0, 298.3), (6378140.0, 298.257))
# The same by name, as a name may stand over the parameters of another system.
_OLD_NAMES = re.compile(
    r"xian(19)?80|(19)?80xian|西安(19)?80|(19)?80年?西安"
    r"|beijing(19)?54|(19)?54beijing|北京(19)?54|(19)?54年?北京|newbeijing|新(19)?54"
    r"|krass?o[vw]sk|克拉索夫斯基|iag(19)?75|iugg(19)?75"
)
# Coordinates that only a web map uses, under the parameters of WGS 84.
_WEB_MAP_NAMES = re.compile(r"gcj0?2|bd0?9|火星坐标|百度坐标")
_NOT_IN_NAMES = re.compile(r"[^0-9a-z\u4e00-\u9fff]")
_FROM_WEB_MAP = {"GCJ-02": wgs84_from_gcj02, "BD-09": wgs84_from_bd09}
_MODERN_AXIS = 6378137.0
_MODERN_FLATTENING = 298.2572
# How far from a system's area of use, in degrees, a layer may lie. Land of a county at 121.7 E is
# rightly kept in the zone of 120 E, though the zone is said to end at 121.5.
_MARGIN_DEGREES = 3.0
# How far outside the county's extent one shape may lie, in metres.
_MARGIN_SHAPE_M = 1_000.0
# False easting of a zone, and what each unit of a zone number in front of it adds, metres.
_HALF_ZONE_M = 500_000.0
_ZONE_M = 1_000_000.0
# Numbers of 6-degree zones; those above are 3-degree zones.
_SIX_DEGREE_ZONES = range(13, 24)
_ZONES = range(13, 46)
# Central meridians from the west of China to its east, degrees; other countries number otherwise.
_MERIDIANS = (72.0, 138.0)


@dataclass(frozen=True)
class Reprojection:
    """The way from one CRS to the county's; ``label`` names the first.

    ``shift`` is all there is to do between planes that differ in their false origin alone;
    ``is_swapped``: x and y come the other way round; ``web_map``: where degrees of a web map are
    moved back first.
    """

    label: str
    source: pyproj.CRS
    county: County
    transformer: pyproj.Transformer | None
    shift: tuple[float, float] = (0.0, 0.0)
    is_swapped: bool = False
    web_map: str | None = None

    def __call__(self, coordinates: _Coordinates) -> _Coordinates:
        """Transform x, y and round them; what cannot be transformed becomes infinite."""
        if self.is_swapped:
            coordinates = coordinates[:, ::-1]
        if self.web_map is not None:
            coordinates = _FROM_WEB_MAP[self.web_map](coordinates)
        if self.transformer is not None:
            x, y = self.transformer.transform(coordinates[:, 0], coordinates[:, 1])
            coordinates = np.column_stack([x, y])
        elif self.shift != (0.0, 0.0):
            coordinates = coordinates + np.asarray(self.shift)
        # adding zero turns -0.0 into 0.0
        rounded: _Coordinates = np.round(coordinates, DECIMALS) + 0.0
        return rounded

    def leaves(self, coordinates: _Coordinates) -> bool:
        """Whether these coordinates come out as they are.

        Shape:  x and y (n, 2) in; one bool out.
        Units:  those of the layer.
        CRS:    the layer's.
        Errors: none.
        Source: docs/decisions/0011-fast-where-it-is-cheap.md.
        """
        is_same = self.transformer is None and self.shift == (0.0, 0.0)
        if not is_same or self.is_swapped or self.web_map is not None:
            return False
        return bool(np.array_equal(np.round(coordinates, DECIMALS), coordinates))


@dataclass(frozen=True)
class Zone:
    """A Gauss-Krüger zone: its central meridian, degrees, and the number before its eastings.

    ``prefix`` is 0 where eastings carry no number.
    """

    meridian: float
    prefix: int

    @property
    def epsg(self) -> int | None:
        """EPSG code of the zone in CGCS2000, None for a meridian of one's own."""
        if self.prefix:
            if self.meridian != meridian_of(self.prefix):
                return None
            first = (4491, 13) if self.prefix in _SIX_DEGREE_ZONES else (4513, 25)
            return first[0] + self.prefix - first[1] if self.prefix != 24 else None
        steps = (self.meridian - 75.0) / 3.0
        return 4534 + int(steps) if steps.is_integer() and 0 <= steps <= 20 else None

    @property
    def false_easting(self) -> float:
        """False easting in metres."""
        return self.prefix * _ZONE_M + _HALF_ZONE_M

    def system_like(self, other: pyproj.CRS) -> pyproj.CRS:
        """This zone on the datum of another system.

        Shape:  a system in; a projected system in metres out.
        Units:  metres.
        CRS:    x is easting, with the zone number in front where the zone has a prefix.
        Errors: none; the other system has an ellipsoid.
        Source: docs/sources.md, 3.4.
        """
        if self.epsg is not None and is_modern(other) and not other.is_bound:
            return pyproj.CRS.from_epsg(self.epsg)
        ellipsoid = other.ellipsoid
        assert ellipsoid is not None  # noqa: S101 - see Errors
        parameters: dict[str, object] = {
            "proj": "tmerc",
            "lon_0": self.meridian,
            "x_0": self.false_easting,
            "a": ellipsoid.semi_major_metre,
            "rf": ellipsoid.inverse_flattening,
        }
        towgs84 = _towgs84(other)
        if towgs84:
            parameters["towgs84"] = ",".join(map(repr, towgs84))
        return pyproj.CRS.from_dict(parameters)


def meridian_of(number: int) -> float:
    """The central meridian of a numbered zone, 13 to 23 of 6 degrees, 24 to 45 of 3.

    Shape:  a zone number in; one figure out.
    Units:  degrees.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 3.4.
    """
    return float(6 * number - 3 if number in _SIX_DEGREE_ZONES else 3 * number)


def zone_of(crs: pyproj.CRS) -> Zone | None:
    """The Gauss-Krüger zone that a system is, whatever it is called; None for any other system.

    Shape:  a system in; a zone or None out.
    Units:  metres.
    CRS:    transverse Mercator with scale 1 from the equator, in metres, with a false easting of
            500,000 and, where there is one, the zone number in front.
    Errors: none.
    Source: docs/sources.md, 3.4: match on parameters.
    """
    plane = _plane(crs)
    operation = plane.coordinate_operation
    if operation is None or operation.method_name != "Transverse Mercator":
        return None
    if any(axis.unit_conversion_factor != 1.0 for axis in plane.axis_info):
        return None
    values = _values(plane)
    is_plain = (
        values.get("Scale factor at natural origin") == 1.0
        and values.get("Latitude of natural origin") == 0.0
        and values.get("False northing") == 0.0
    )
    number = (values.get("False easting", 0.0) - _HALF_ZONE_M) / _ZONE_M
    if not is_plain or not number.is_integer() or (number and int(number) not in _ZONES):
        return None
    # a text may leave its meridian out
    meridian = math.degrees(values.get("Longitude of natural origin", 0.0))
    if not _MERIDIANS[0] <= meridian <= _MERIDIANS[1]:
        return None
    return Zone(round(meridian, 9), int(number))


def reprojection(
    text: str | None, county: County, *, file: str, layer: str, is_declared: bool = False
) -> Reprojection:
    """Find the way from a layer's CRS to the county's.

    Shape:  the CRS as authority code, WKT or PROJ text, GCJ-02 or BD-09 in; one Reprojection out.
            ``is_declared``: the contract says it, so that parameters of its own (+towgs84) lead
            out of an old datum.
    Units:  those of the two systems.
    CRS:    x is easting or longitude on both sides, whatever order the authority defines.
    Errors: CrsError: source.no_crs (none, or no system that PROJ knows), source.old_datum (Xian
            1980 or Beijing 1954, by ellipsoid or name), source.web_map (a name of a web map that
            the contract does not declare), source.wrong_crs (no way between the two is known).
    Source: docs/sources.md, 3.4: match on parameters, as .prj texts without an EPSG id are common.
    """
    if not text:
        raise CrsError("source.no_crs", file=file, layer=layer, candidates="–")
    moved = web_map(text)
    if moved is not None:
        if not is_declared:
            raise CrsError("source.web_map", file=file, layer=layer, crs=text)
        degrees = pyproj.CRS.from_epsg(4490)
        return replace(way_from(degrees, county, moved), web_map=moved)
    try:
        source = pyproj.CRS.from_user_input(text)
    except ProjCrsError as error:
        raise CrsError("source.no_crs", file=file, layer=layer, candidates="–") from error
    if source.ellipsoid is None or not (source.is_projected or source.is_geographic):
        raise CrsError("source.no_crs", file=file, layer=layer, candidates="–")
    if not any(_towgs84(source)) and source.is_bound and source.source_crs is not None:
        # zeros say that there is nothing to do, or that nobody knew what
        source = source.source_crs
    _refuse_old(source, file=file, layer=layer, is_declared=is_declared)
    label = _label(source)
    try:
        return way_from(source, county, label)
    except ProjError as error:
        raise CrsError(
            "source.wrong_crs", file=file, layer=layer, crs=label, county_crs=county.crs, x="", y=""
        ) from error


def way_from(source: pyproj.CRS, county: County, label: str) -> Reprojection:
    """The way from a known system to the county's; a shift alone where that is all there is.

    Shape:  a system in; one Reprojection out.
    Units:  those of the two systems.
    CRS:    x is easting or longitude on both sides.
    Errors: pyproj's ProjError where no way is known.
    Source: docs/sources.md, 3.4.
    """
    target = pyproj.CRS.from_user_input(county.crs)
    shift = _shift(source, target)
    if shift is not None:
        return Reprojection(label, source, county, None, shift)
    return Reprojection(label, source, county, _to_county(source, county))


def is_near(bounds: _Coordinates, county: County) -> npt.NDArray[np.bool_]:
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
        & (bounds[:, 0] <= x_max + _MARGIN_SHAPE_M)
        & (bounds[:, 2] >= x_min - _MARGIN_SHAPE_M)
        & (bounds[:, 1] <= y_max + _MARGIN_SHAPE_M)
        & (bounds[:, 3] >= y_min - _MARGIN_SHAPE_M)
    )


def is_same_plane(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Tell whether two systems give a place the same x and y, whatever they are called.

    Shape:  two systems in; one bool out.
    Units:  none.
    CRS:    compared by projection, parameters, ellipsoid and unit; axis order and parameters that
            lead to another datum do not matter. Degrees of modern datums are the same.
    Errors: none.
    Source: docs/sources.md, 3.4: match on parameters.
    """
    return _parameters(one) == _parameters(other)


def is_modern(crs: pyproj.CRS) -> bool:
    """Tell whether a system stands on the ellipsoid of CGCS2000, WGS 84 and their like.

    Their datums differ by less than the land records' own accuracy, and a text without a known
    datum name is one of them: no shift between them is the rule.

    Shape:  a system in; one bool out.
    Units:  none.
    CRS:    any.
    Errors: none.
    Source: docs/sources.md, 3.4.
    """
    ellipsoid = crs.ellipsoid
    return (
        ellipsoid is not None
        and abs(ellipsoid.semi_major_metre - _MODERN_AXIS) < 0.01
        and abs(ellipsoid.inverse_flattening - _MODERN_FLATTENING) < 0.001
    )


def in_area_of_use(way: Reprojection, place: _Coordinates) -> bool:
    """Tell whether a place lies where its CRS and the county's CRS are used.

    Shape:  x, y in; one bool out.
    Units:  metres.
    CRS:    the county's.
    Errors: none.
    Source: docs/sources.md, 3.4.
    """
    county = pyproj.CRS.from_user_input(way.county.crs)
    degrees = county.geodetic_crs
    assert degrees is not None  # noqa: S101 - the county's CRS is projected
    to_degrees = pyproj.Transformer.from_crs(county, degrees, always_xy=True)
    longitude, latitude = to_degrees.transform(float(place[0]), float(place[1]))
    return all(
        area is None or _is_within(area.bounds, longitude, latitude)
        for area in (way.source.area_of_use, county.area_of_use)
    )


def _refuse_old(source: pyproj.CRS, *, file: str, layer: str, is_declared: bool) -> None:
    """Refuse Beijing 1954, Xian 1980 and web maps, whether ellipsoid or name says so."""
    ellipsoid, datum, degrees = source.ellipsoid, source.datum, source.geodetic_crs
    assert ellipsoid is not None  # noqa: S101 - the caller has seen to it
    names = [source.name, ellipsoid.name, datum and datum.name, degrees and degrees.name]
    said = " ".join(_NOT_IN_NAMES.sub("", str(name).lower()) for name in names if name)
    if _WEB_MAP_NAMES.search(said):
        raise CrsError("source.web_map", file=file, layer=layer, crs=source.name)
    shape = (ellipsoid.semi_major_metre, ellipsoid.inverse_flattening)
    is_old = any(
        abs(shape[0] - axis) < 0.5 and abs(shape[1] - flattening) < 0.01
        for axis, flattening in _OLD_ELLIPSOIDS
    )
    has_way_out = is_declared and any(_towgs84(source))
    if (is_old or _OLD_NAMES.search(said)) and not has_way_out:
        crs = f"{source.name} ({ellipsoid.name} {shape[0]:.10g}, 1/{shape[1]:.10g})"
        raise CrsError("source.old_datum", file=file, layer=layer, crs=crs)


def label_of(text: str) -> str | None:
    """What a system is called, by its code where its parameters have one.

    Shape:  the text of a CRS in; its name out, None where it is none that is known.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 3.4: match on parameters.
    """
    try:
        return _label(pyproj.CRS.from_user_input(text))
    except ProjCrsError:
        return None


def _label(source: pyproj.CRS) -> str:
    """What the system is called: by its code where its parameters have one."""
    zone = zone_of(source)
    if source.is_bound:
        return f"{source.name} +towgs84={','.join(f'{part:g}' for part in _towgs84(source))}"
    if (
        zone is not None
        and zone.epsg is not None
        and _parameters(source) == _parameters(pyproj.CRS.from_epsg(zone.epsg))
    ):
        return f"EPSG:{zone.epsg}"
    authority = source.to_authority(min_confidence=70)
    return source.name if authority is None else ":".join(authority)


def _to_county(source: pyproj.CRS, county: County) -> pyproj.Transformer:
    """What computes the way between two systems."""
    target = pyproj.CRS.from_user_input(county.crs)
    if source.is_bound:
        # PROJ knows no way from WGS 84 to CGCS2000, and would leave the parameters out for that
        degrees = target.geodetic_crs
        assert degrees is not None  # noqa: S101 - the county's CRS is projected
        same = ToWGS84Transformation(degrees)
        target = BoundCRS(source_crs=target, target_crs="EPSG:4326", transformation=same)
        return pyproj.Transformer.from_crs(source, target, always_xy=True, allow_ballpark=False)
    return pyproj.Transformer.from_crs(
        source, target, always_xy=True, allow_ballpark=is_modern(source)
    )


def _plane(crs: pyproj.CRS) -> pyproj.CRS:
    """The system without the parameters that lead to another datum."""
    return crs.source_crs if crs.is_bound and crs.source_crs is not None else crs


def _towgs84(crs: pyproj.CRS) -> list[float]:
    """Parameters that lead to WGS 84, none where a system has none."""
    operation = crs.coordinate_operation if crs.is_bound else None
    return [] if operation is None else list(operation.towgs84)


def _values(crs: pyproj.CRS) -> dict[str, float]:
    """Parameters of a projection by name, in metres and radians."""
    operation = _plane(crs).coordinate_operation
    if operation is None:
        return {}
    return {
        parameter.name: round(float(parameter.value) * parameter.unit_conversion_factor, 12)
        for parameter in operation.params
    }


def _parameters(crs: pyproj.CRS) -> tuple[object, ...]:
    """What makes two systems the same plane: projection, its parameters, ellipsoid, unit."""
    plane = _plane(crs)
    operation, ellipsoid, meridian = (
        plane.coordinate_operation,
        plane.ellipsoid,
        plane.prime_meridian,
    )
    if ellipsoid is None or meridian is None:
        return (plane.srs,)
    units = tuple(axis.unit_conversion_factor for axis in plane.axis_info)
    if operation is None:
        is_any = is_modern(plane) and meridian.longitude == 0.0
        return ("degrees", units) if is_any else (plane.srs,)
    shape = (round(ellipsoid.semi_major_metre, 3), round(ellipsoid.inverse_flattening, 9))
    values = tuple(sorted(_values(plane).items()))
    return (operation.method_name, values, shape, units, meridian.longitude)


def _shift(source: pyproj.CRS, target: pyproj.CRS) -> tuple[float, float] | None:
    """What leads from one plane to another one that has another false origin at most."""
    if source.is_bound or not source.is_projected:
        return None
    one, other = _parameters(source), _parameters(target)
    if one == other:
        return (0.0, 0.0)
    from_values, to_values = _values(source), _values(target)
    origin = ("False easting", "False northing")
    rest = [{k: v for k, v in v_.items() if k not in origin} for v_ in (from_values, to_values)]
    is_metre = all(axis.unit_conversion_factor == 1.0 for axis in source.axis_info)
    if (one[0], one[2:]) != (other[0], other[2:]) or rest[0] != rest[1] or not is_metre:
        return None
    east, north = (to_values.get(k, 0.0) - from_values.get(k, 0.0) for k in origin)
    return (east, north)


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
