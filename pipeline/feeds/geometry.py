"""Delivered shapes made fit to store: two dimensions, one type, valid, or set aside."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import shapely
from shapely.errors import GEOSException

from pipeline.feeds.contracts import County, RepairLimits
from pipeline.feeds.crs import is_near

_Objects = npt.NDArray[np.object_]
_Numbers = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]

_POINT, _POLYGON, _MULTIPOLYGON, _COLLECTION = 0, 3, 6, 7
REPAIRED: Final = "geometry.repaired"
# A repair that changes the area by more than either of these has changed the land.
_AREA_CHANGE_M2 = 1.0
_AREA_CHANGE_SHARE = 0.001
# What GEOS says is wrong, and the code under which people are told.
_PROBLEMS: Final = {
    "Self-intersection": "self_intersection",
    "Ring Self-intersection": "ring_touches_itself",
    "Hole lies outside shell": "hole_outside",
    "Holes are nested": "holes_nested",
    "Interior is disconnected": "interior_split",
    "Nested shells": "parts_nested",
    "Duplicate Rings": "rings_twice",
    "Too few points in geometry component": "too_few_points",
}
_COLLECTED: Final = "collection"
# How the bytes of a polygon begin, and those of a multipolygon of one.
_POLYGON_HEAD: Final = b"\x01\x03\x00\x00\x00"
_MULTI_HEAD: Final = b"\x01\x06\x00\x00\x00\x01\x00\x00\x00"
_PLAIN_HEADS: Final = (_POLYGON_HEAD, _MULTI_HEAD[:5])
_REASON = re.compile(r"(?P<what>[^\[]+?)\s*(?:\[(?P<x>\S+) (?P<y>\S+)[^\]]*\])?")
# Sides of a shape that are held against all others to tell how often it crosses itself.
_SAMPLED = 32
# Points from which on a shape is looked at this way before anything else.
_LONG = 10_000
_USUAL_LIMITS = RepairLimits()


@dataclass(frozen=True)
class Shapes:
    """Shapes of a batch: what is stored, what is hashed, and what was wrong.

    ``given`` is the shape as it came, ``delivered`` its polygons before any repair; ``rule`` is the
    rule that a shape breaks, or ``geometry.repaired``, or empty. ``problem`` is the code of what
    makes it invalid, ``reason`` what GEOS says of it, with the place.
    """

    given: _Objects
    stored: _Objects
    delivered: _Objects
    rule: _Objects
    problem: _Objects
    reason: _Objects
    area_before: _Numbers
    area_after: _Numbers


@dataclass(frozen=True)
class Drawn:
    """Shapes of a batch as bytes (WKB), in the county's CRS: so they travel and so they are stored.

    ``delivered``: two-dimensional, of one type, before any repair; ``stored``: after it, None where a
    shape cannot be kept; ``given``: as it came, of those with a rule alone. ``middle`` is that of the
    box around what is stored, NaN where nothing is. The rest as ``Shapes``.
    """

    delivered: _Objects
    stored: _Objects
    given: _Objects
    rule: _Objects
    problem: _Objects
    reason: _Objects
    area_before: _Numbers
    area_after: _Numbers
    middle: _Numbers

    @property
    def is_bad(self) -> _Mask:
        """Which shapes cannot be stored."""
        return np.asarray((self.rule != "") & (self.rule != REPAIRED), dtype=bool)

    def rows(self, chosen: _Mask) -> Drawn:
        """Some of them.

        Shape:  which of n in; a Drawn out.
        Units:  as here.
        CRS:    the county's.
        Errors: none.
        Source: none.
        """
        return Drawn(*(getattr(self, one.name)[chosen] for one in fields(self)))


def drawn_from(shapes: Shapes, raw: _Objects | None = None, told: _Objects | None = None) -> Drawn:
    """Write shapes as bytes.

    Shape:  n shapes in, and where their coordinates are those of the file its WKB (None elsewhere);
            ``told`` is a rule that a shape broke before, empty where it broke none; n shapes out.
    Units:  areas in m2.
    CRS:    the county's.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    rule = shapes.rule.copy()
    if told is not None:
        rule[told != ""] = told[told != ""]
    delivered = _bytes_of(shapes.delivered, raw)
    stored = delivered.copy()
    other = np.flatnonzero((rule != "") | shapely.is_missing(shapes.stored))
    if len(other):
        stored[other] = _bytes_of(shapes.stored[other], None)
    given = np.full(len(rule), None, dtype=object)
    odd = np.flatnonzero((rule != "") & ~shapely.is_missing(shapes.given))
    given[odd] = shapely.to_wkb(shapes.given[odd], byte_order=1)
    bounds = shapely.bounds(shapes.stored)
    return Drawn(
        delivered,
        stored,
        given,
        rule,
        shapes.problem,
        shapes.reason,
        shapes.area_before,
        shapes.area_after,
        (bounds[:, :2] + bounds[:, 2:]) / 2,
    )


def _bytes_of(shapes: _Objects, raw: _Objects | None) -> _Objects:
    """Multipolygons as bytes; one polygon in the file is one behind a head."""
    is_there = ~shapely.is_missing(shapes)
    written = np.full(len(shapes), None, dtype=object)
    if raw is not None:
        is_plain = [wkb is not None and wkb[:5] in _PLAIN_HEADS for wkb in raw]
        is_there &= np.array(is_plain, dtype=bool)
        written[is_there] = raw[is_there]
        is_there = ~is_there & ~shapely.is_missing(shapes)
    if is_there.any():
        written[is_there] = shapely.to_wkb(shapes[is_there], byte_order=1)
    result = np.empty(len(shapes), dtype=object)
    result[:] = [
        _MULTI_HEAD + wkb if wkb is not None and wkb[:5] == _POLYGON_HEAD else wkb
        for wkb in written
    ]
    return result


def clean_polygons(
    shapes: _Objects, county: County, limits: RepairLimits = _USUAL_LIMITS
) -> Shapes:
    """Make every shape a valid polygon or multipolygon, or say why it cannot be one.

    Z and M go. Of a collection the polygons are kept. Invalid polygons are repaired with
    ``make_valid``, method *structure*, and only polygons are kept of the result. Where this changes
    the area by more than 1 m2 or by more than 0.1 % the shape is not what its owner drew: it is set
    aside. The area before is that which the points give in their order: a bow-tie's halves take
    each other away, so that a bow-tie is set aside.

    Shape:  n shapes, rounded, in; n stored shapes out, None where bad.
    Units:  areas in m2.
    CRS:    the county's.
    Errors: none; a shape that GEOS cannot repair is set aside like one that is too intricate.
    Source: docs/how-it-decides.md, section 1; docs/sources.md, Measured (*structure*).
    """
    count = len(shapes)
    rule = np.full(count, "", dtype=object)
    problem, reason = rule.copy(), rule.copy()
    polygons = _polygons(shapes)
    kind = shapely.get_type_id(polygons)
    is_there = (kind >= 0) & ~shapely.is_empty(polygons)
    rule[~is_there] = "geometry.missing"
    rule[is_there & (kind != _MULTIPOLYGON) & (kind != _POLYGON)] = "geometry.wrong_type"
    rule[(rule == "") & _has_nan(polygons)] = "geometry.bad_coordinates"
    rule[(rule == "") & ~is_near(shapely.bounds(polygons), county)] = "geometry.outside_county"

    usable = rule == ""
    delivered = np.full(count, None, dtype=object)
    delivered[usable] = polygons[usable]
    stored = delivered.copy()
    before = np.zeros(count)
    before[usable] = shapely.area(delivered[usable])
    after = before.copy()
    collected = usable & (shapely.get_type_id(shapes) == _COLLECTION)
    rule[collected], problem[collected] = REPAIRED, _COLLECTED
    # to look closer at a long shape that crosses itself everywhere would take as long as a repair
    wild = _crosses_everywhere(delivered, limits)
    looked_at = delivered.copy()
    looked_at[wild] = None
    broken = np.flatnonzero(usable & ~shapely.is_valid(looked_at))
    if len(broken):
        known = broken[~wild[broken]]
        reason[known] = shapely.is_valid_reason(delivered[known])
        problem[broken] = "self_intersection"
        problem[known] = [_problem(text) for text in reason[known]]
        repaired = np.full(len(broken), None, dtype=object)
        simple = np.array(
            [not wild[i] and not _is_intricate(delivered[i], limits) for i in broken], dtype=bool
        )
        repaired[simple] = _repair(delivered[broken[simple]])
        rule[broken] = _judged(before[broken], repaired)
        stored[broken] = repaired
        after[broken] = np.nan_to_num(shapely.area(repaired))
    stored[(rule != "") & (rule != REPAIRED)] = None
    return Shapes(shapes, stored, delivered, rule, problem, reason, before, after)


def place_of(reason: str) -> tuple[float, float] | None:
    """Where a shape is wrong, from what GEOS says of it.

    Shape:  one text in; x and y, or None where it names no place.
    Units:  those of the CRS.
    CRS:    that of the shape.
    Errors: none.
    Source: none.
    """
    match = _REASON.fullmatch(reason)
    if match is None or match["x"] is None:
        return None
    return float(match["x"]), float(match["y"])


def shapes_from_wkb(raw: _Objects) -> _Objects:
    """Build shapes; rings that are not closed are closed, what cannot be built is None.

    Shape:  n texts of WKB, or None, in; n shapes out.
    Units:  none.
    CRS:    none.
    Errors: none for plain kinds; ``pipeline.feeds.curves`` makes them of others.
    Source: docs/sources.md, 7 (file habits).
    """
    built = np.asarray(shapely.from_wkb(raw, on_invalid="ignore"), dtype=object)
    lost = shapely.is_missing(built) & np.array([item is not None for item in raw], dtype=bool)
    if lost.any():
        built[lost] = [_closed(item) for item in raw[lost]]
    return built


def clean_points(shapes: _Objects, county: County) -> Shapes:
    """Keep single points within the county; an absent point is no fault.

    Shape:  n shapes in; n points out, None where there is none or it is bad.
    Units:  none.
    CRS:    the county's.
    Errors: none.
    Source: contract of the feed (enterprise: the registry's point).
    """
    count = len(shapes)
    rule = np.full(count, "", dtype=object)
    kind = shapely.get_type_id(shapes)
    is_there = (kind >= 0) & ~shapely.is_empty(shapes)
    rule[is_there & (kind != _POINT)] = "geometry.wrong_type"
    is_far = ~is_near(shapely.bounds(shapes), county)
    rule[is_there & (rule == "") & is_far] = "geometry.outside_county"
    stored = np.full(count, None, dtype=object)
    good = is_there & (rule == "")
    stored[good] = shapes[good]
    nothing = np.zeros(count)
    said = np.full(count, "", dtype=object)
    return Shapes(shapes, stored, stored.copy(), rule, said, said, nothing, nothing)


def _polygons(shapes: _Objects) -> _Objects:
    """Polygons and multipolygons in two dimensions, where a shape is one or holds some."""
    result = shapes.copy()
    deep = shapely.has_z(result) | shapely.has_m(result)
    if deep.any():
        result[deep] = shapely.force_2d(result[deep])
    kind = shapely.get_type_id(result)
    collected = kind == _COLLECTION
    if collected.any():
        found = _only_polygons(result[collected])
        # one without any polygon stays what it is: of the wrong kind
        result[collected] = np.where(shapely.is_empty(found), result[collected], found)
    return result


def _only_polygons(shapes: _Objects) -> _Objects:
    """The polygons within shapes of any kind, as multipolygons."""
    parts, owner = shapely.get_parts(shapes, return_index=True)
    # a collection may hold multipolygons, and collections
    while np.isin(shapely.get_type_id(parts), (_MULTIPOLYGON, _COLLECTION)).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        owner = owner[inner]
    is_polygon = (shapely.get_type_id(parts) == _POLYGON) & ~shapely.is_empty(parts)
    empty = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    if not is_polygon.any():
        return empty
    return np.asarray(
        shapely.multipolygons(parts[is_polygon], indices=owner[is_polygon], out=empty),
        dtype=object,
    )


def _has_nan(shapes: _Objects) -> _Mask:
    """Which shapes hold coordinates that are no numbers; what cannot be projected is infinite."""
    result = np.zeros(len(shapes), dtype=bool)
    if np.isnan(shapely.get_coordinates(shapes)).any():
        points, owner = shapely.get_coordinates(shapes, return_index=True)
        result[owner[np.isnan(points).any(axis=1)]] = True
    return result


def _problem(reason: str) -> str:
    match = _REASON.fullmatch(reason)
    return "invalid" if match is None else _PROBLEMS.get(match["what"], "invalid")


def _crosses_everywhere(shapes: _Objects, limits: RepairLimits) -> _Mask:
    """Which long shapes cross themselves too often to be looked at any closer."""
    result = shapely.get_num_coordinates(shapes) > _LONG
    for place in np.flatnonzero(result):
        result[place] = _crossings(shapes[place]) > limits.crossings
    return np.asarray(result, dtype=bool)


def _is_intricate(shape: shapely.Geometry, limits: RepairLimits) -> bool:
    """Whether a repair would be too costly, by the number of points and of crossings."""
    count = int(shapely.get_num_coordinates(shape))
    if count > limits.vertices:
        return True
    # so few sides cannot cross more often
    return count * (count - 1) // 2 > limits.crossings and _crossings(shape) > limits.crossings


def _crossings(shape: shapely.Geometry) -> float:
    """How often the sides of a shape cross, estimated from some of them."""
    rings = shapely.get_rings(shapely.get_parts(shape))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    points = points - points[0]
    side = ring[:-1] == ring[1:]
    start, end = points[:-1][side], points[1:][side]
    chosen = np.unique(np.linspace(0, len(start) - 1, _SAMPLED).astype(np.int64))
    hits = sum(int(_crossed(start[i], end[i], start, end).sum()) for i in chosen)
    return hits * len(start) / len(chosen) / 2


def _crossed(a: _Numbers, b: _Numbers, start: _Numbers, end: _Numbers) -> _Mask:
    """Which sides cross the side from a to b."""

    def turn(p: _Numbers, q: _Numbers, r: _Numbers) -> _Numbers:
        cross = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1])
        return np.asarray(cross - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0]))

    apart = np.sign(turn(a, b, start)) * np.sign(turn(a, b, end)) < 0
    return np.asarray(apart & (np.sign(turn(start, end, a)) * np.sign(turn(start, end, b)) < 0))


def _judged(before: _Numbers, repaired: _Objects) -> _Objects:
    """The rule for each broken shape, by what its repair came to."""
    after = np.nan_to_num(shapely.area(repaired))
    change = np.abs(after - before)
    too_much = (change > _AREA_CHANGE_M2) | (change > _AREA_CHANGE_SHARE * before) | (after == 0)
    rule = np.where(too_much, "geometry.repair_changes_area", REPAIRED).astype(object)
    rule[shapely.is_missing(repaired)] = "geometry.too_complex"
    return rule


def _repair(shapes: _Objects) -> _Objects:
    """Make invalid multipolygons valid; an empty one where no polygon is left, None without luck."""
    if len(shapes) == 0:
        return shapes
    try:
        valid = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    except GEOSException:
        if len(shapes) == 1:
            return np.array([None], dtype=object)
        # one of them: the others must not suffer
        return np.concatenate([_repair(shapes[i : i + 1]) for i in range(len(shapes))])
    return _only_polygons(np.asarray(valid, dtype=object))


def _closed(raw: bytes) -> shapely.Geometry | None:
    """A shape whose rings are closed, None where bytes are no shape at all."""
    try:
        return shapely.from_wkb(raw, on_invalid="fix")
    except GEOSException:
        return None
