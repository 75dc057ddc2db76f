"""Delivered shapes made fit to store: two dimensions, one type, valid, or set aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from pipeline.feeds.contracts import County
from pipeline.feeds.crs import is_near

_Objects = npt.NDArray[np.object_]
_Numbers = npt.NDArray[np.float64]

_POINT, _POLYGON, _MULTIPOLYGON = 0, 3, 6
# A repair that changes the area by more than both of these has changed the land.
_AREA_CHANGE_M2 = 1.0
_AREA_CHANGE_SHARE = 0.001


@dataclass(frozen=True)
class Shapes:
    """Shapes of a batch: what is stored, what is hashed, and what was wrong.

    ``delivered`` is the shape before any repair; ``rule`` is the rule that a shape breaks, or
    ``geometry.repaired``, or empty.
    """

    stored: _Objects
    delivered: _Objects
    rule: _Objects
    area_before: _Numbers
    area_after: _Numbers

    @property
    def is_bad(self) -> npt.NDArray[np.bool_]:
        """Which shapes cannot be stored."""
        return np.asarray((self.rule != "") & (self.rule != "geometry.repaired"), dtype=bool)


def clean_polygons(shapes: _Objects, county: County) -> Shapes:
    """Make every shape a valid multipolygon, or say why it cannot be one.

    Invalid polygons are repaired with ``make_valid``, method *structure*, and only polygons are
    kept of the result. Where this changes the area by more than 1 m2 and 0.1 % the shape is not
    what its owner drew: it is set aside.

    Shape:  n shapes, rounded, two-dimensional, in; n stored shapes out, None where bad.
    Units:  areas in m2.
    CRS:    the county's.
    Errors: none.
    Source: docs/how-it-decides.md, section 1.
    """
    count = len(shapes)
    rule = np.full(count, "", dtype=object)
    kind = shapely.get_type_id(shapes)
    is_there = (kind >= 0) & ~shapely.is_empty(shapes)
    rule[~is_there] = "geometry.missing"
    is_polygon = (kind == _POLYGON) | (kind == _MULTIPOLYGON)
    rule[is_there & ~is_polygon] = "geometry.wrong_type"
    rule[(rule == "") & ~is_near(shapely.bounds(shapes), county)] = "geometry.outside_county"

    delivered = np.full(count, None, dtype=object)
    usable = rule == ""
    delivered[usable] = _multi(shapes[usable])
    stored = delivered.copy()
    before = np.zeros(count)
    before[usable] = shapely.area(delivered[usable])
    after = before.copy()
    broken = usable & ~shapely.is_valid(delivered)
    if broken.any():
        repaired = _repair(delivered[broken])
        stored[broken] = repaired
        after[broken] = shapely.area(repaired)
        change = np.abs(after - before)
        too_much = (change > _AREA_CHANGE_M2) & (change > _AREA_CHANGE_SHARE * before)
        rule[broken] = "geometry.repaired"
        rule[broken & (too_much | (after == 0))] = "geometry.repair_changes_area"
    stored[(rule != "") & (rule != "geometry.repaired")] = None
    return Shapes(stored, delivered, rule, before, after)


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
    return Shapes(stored, stored.copy(), rule, nothing, nothing)


def _multi(shapes: _Objects) -> _Objects:
    """Make multipolygons of polygons; those that are stay."""
    result = shapes.copy()
    single = shapely.get_type_id(shapes) == _POLYGON
    if single.any():
        result[single] = shapely.multipolygons(shapes[single], indices=np.arange(single.sum()))
    return result


def _repair(shapes: _Objects) -> _Objects:
    """Make invalid multipolygons valid; an empty multipolygon where no polygon is left."""
    valid = shapely.make_valid(shapes, method="structure", keep_collapsed=False)
    parts, owner = shapely.get_parts(valid, return_index=True)
    # a collection may hold multipolygons
    parts, inner = shapely.get_parts(parts, return_index=True)
    owner = owner[inner]
    is_polygon = shapely.get_type_id(parts) == _POLYGON
    empty = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    return np.asarray(
        shapely.multipolygons(parts[is_polygon], indices=owner[is_polygon], out=empty),
        dtype=object,
    )
