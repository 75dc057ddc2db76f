"""Where a delivered layer lies: what it says, what its coordinates say, and what is held already.

``decide_crs`` looks at the boxes of a layer once and decides how the layer is read; the decision
then takes shapes batch by batch, each by its own zone, and sets aside those that do not belong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from pipeline.errors import CrsError
from pipeline.feeds.contracts import CRS_DETECT, CRS_FILE, County
from pipeline.feeds.crs import (
    Reprojection,
    Zone,
    in_area_of_use,
    is_modern,
    is_same_plane,
    meridian_of,
    reprojection,
    way_from,
    zone_of,
)
from pipeline.feeds.magnitudes import (
    DEGREES,
    MERCATOR,
    MERCATOR_X,
    PLAIN,
    PREFIXED,
    ZONE_M,
    what_coordinates_say,
)
from pipeline.feeds.offset import measured_offset
from pipeline.feeds.opened import Note

_Coordinates = npt.NDArray[np.float64]
_Objects = npt.NDArray[np.object_]
_Mask = npt.NDArray[np.bool_]
_Whole = npt.NDArray[np.int16]

# As far from the false origin a layer that names its zone may go, metres.
_OWN_EASTING_M = 500_000.0
_OWN_NORTHING_M = 10_000_000.0
# A reading fits when this share of the shapes does: one stray shape decides nothing.
_MIN_SHARE = 0.5
# So many shapes, evenly taken, tell where a layer lies.
_SAMPLE = 2_000
# How far from land that is known a shape, or the middle of a layer, may lie, metres.
_MARGIN_LAYER_M = 20_000.0
# A layer lies on the same land where the two are no farther apart, metres.
_SAME_PLACE_M = 1.0
# One zone of 3 degrees further.
_NEXT_ZONE = 3.0
_MERIDIANS = range(75, 136, 3)

How = Literal["file", "contract", "format", "coordinates", "place"]


@dataclass(frozen=True)
class Known:
    """Where land lies that is held already, in the county's CRS; nothing where nothing is held.

    ``boxes`` are xmin, ymin, xmax, ymax of whole regions, such as each township's; ``middles`` are
    those of the boxes of single shapes, such as all parcels that a former delivery left.
    """

    boxes: _Coordinates = field(default_factory=lambda: np.empty((0, 4)))
    middles: _Coordinates = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def is_nothing(self) -> bool:
        """Whether no region is known."""
        return len(self.boxes) == 0

    def holds(self, points: _Coordinates) -> _Mask:
        """Tell which points lie within 20 km of a region held; all finite ones where none is.

        Shape:  points (n, 2) in; n booleans out.
        Units:  metres.
        CRS:    the county's.
        Errors: none.
        Source: docs/sources.md, 3.4 (overlay with a layer of known CRS); zones lie some 290 km
                apart.
        """
        finite: _Mask = np.asarray(np.isfinite(points).all(axis=1), dtype=bool)
        if self.is_nothing:
            return finite
        x, y = points[:, :1], points[:, 1:]
        inside = (
            (x >= self.boxes[:, 0] - _MARGIN_LAYER_M)
            & (y >= self.boxes[:, 1] - _MARGIN_LAYER_M)
            & (x <= self.boxes[:, 2] + _MARGIN_LAYER_M)
            & (y <= self.boxes[:, 3] + _MARGIN_LAYER_M)
        ).any(axis=1)
        return np.asarray(finite & inside, dtype=bool)


@dataclass(frozen=True)
class Placed:
    """Shapes of a batch in the county's CRS.

    ``rule`` is the rule that a shape breaks, whose shape is then None: ``geometry.other_system``
    (coordinates of another kind than the layer's), ``geometry.other_zone`` (``zone`` tells which);
    else empty. ``zone`` is the zone number that a shape carries, 0 where it carries none.
    """

    shapes: _Objects
    rule: _Objects
    zone: _Whole


@dataclass(frozen=True)
class Decision:
    """How a layer is read, and how that is known.

    ``how``: the file or the contract says it, it is the format's own (GeoJSON), the coordinates
    tell it under a contract that says ``detect``, or only one reading lies where land is held.
    """

    way: Reprojection
    how: How
    notes: tuple[Note, ...] = ()
    known: Known = field(default_factory=Known)
    zone: Zone | None = None
    _ways: dict[int, Reprojection] = field(default_factory=dict, repr=False, compare=False)

    @property
    def label(self) -> str:
        """The name of the layer's CRS."""
        return self.way.label

    def place(self, shapes: _Objects) -> Placed:
        """Bring shapes of the layer into the county's CRS, each by its own zone.

        Shape:  n shapes as delivered in, None where there is none; n shapes out.
        Units:  those of the layer in; metres out, rounded to 0.0001.
        CRS:    the layer's in; the county's out.
        Errors: none; what does not belong has a rule and no shape.
        Source: docs/sources.md, 3.4: zones of one delivery are reprojected, never concatenated.
        """
        bounds = shapely.bounds(shapes)
        keys, rule = self._sort(bounds)
        is_there = np.isfinite(bounds).all(axis=1)
        zone = np.where(is_there & (rule == ""), keys, 0).astype(np.int16)
        rule = self._of_other_zone(bounds, keys, rule, zone)
        out = np.full(len(shapes), None, dtype=object)
        good = rule == ""
        for key in np.unique(keys[good]):
            chosen = good & (keys == key)
            way, there = self._by_zone(int(key)), shapes[chosen]
            is_done = way.leaves(shapely.get_coordinates(there))
            out[chosen] = there if is_done else shapely.transform(there, way)
        return Placed(out, rule, zone)

    def centres(self, bounds: _Coordinates) -> tuple[_Coordinates, _Mask]:
        """Middles of boxes in the county's CRS, and which of them belong to the layer's system.

        Shape:  boxes (n, 4) in; points (n, 2) and n booleans out.
        Units:  those of the layer in; metres out.
        CRS:    the layer's in; the county's out.
        Errors: none.
        Source: docs/sources.md, 3.4.
        """
        keys, rule = self._sort(bounds)
        middles = (bounds[:, :2] + bounds[:, 2:]) / 2
        placed = np.full((len(bounds), 2), np.inf)
        good = (rule == "") & np.isfinite(bounds).all(axis=1)
        for key in np.unique(keys[good]):
            chosen = good & (keys == key)
            placed[chosen] = self._by_zone(int(key))(middles[chosen])
        return placed, good

    def _sort(self, bounds: _Coordinates) -> tuple[_Whole, _Objects]:
        """The zone number that each box carries, and the rule that it breaks."""
        keys = np.zeros(len(bounds), dtype=np.int16)
        rule = np.full(len(bounds), "", dtype=object)
        if self.way.is_swapped:
            bounds = bounds[:, [1, 0, 3, 2]]
        is_there = np.isfinite(bounds).all(axis=1)
        with np.errstate(invalid="ignore"):
            in_degrees = (np.abs(bounds) <= (180.0, 90.0, 180.0, 90.0)).all(axis=1)
        if self.zone is None:
            rule[is_there & (in_degrees != self.way.source.is_geographic)] = "geometry.other_system"
            return keys, rule
        keys[~is_there] = self.zone.prefix
        said = what_coordinates_say(bounds)
        is_plain = (said.form == PLAIN) & ~said.is_swapped
        is_prefixed = (said.form == PREFIXED) & ~said.is_swapped
        keys[is_prefixed] = said.zone[is_prefixed]
        origin = np.array([self.zone.false_easting, 0.0] * 2)
        reach = np.array([_OWN_EASTING_M, _OWN_NORTHING_M] * 2)
        with np.errstate(invalid="ignore"):
            is_own = (np.abs(bounds - origin) < reach).all(axis=1) & ~in_degrees
        is_own &= ~is_plain & ~is_prefixed
        keys[is_own] = self.zone.prefix
        rule[is_there & ~is_plain & ~is_prefixed & ~is_own] = "geometry.other_system"
        return keys, rule

    def _by_zone(self, number: int) -> Reprojection:
        """The way of coordinates that carry a zone number, 0 for those that carry none."""
        own = self.zone
        if own is None or number == own.prefix:
            return self.way
        if number not in self._ways:
            meridian = meridian_of(number) if number else own.meridian
            self._ways[number] = self._of_zone(Zone(meridian, number))
        return self._ways[number]

    def _of_zone(self, zone: Zone) -> Reprojection:
        """The way from a zone on the layer's datum, with its order of axes."""
        source = zone.system_like(self.way.source)
        label = f"EPSG:{zone.epsg}" if zone.epsg else f"{zone.meridian:g}°"
        way = way_from(source, self.way.county, label)
        return replace(way, is_swapped=self.way.is_swapped)

    def _of_other_zone(
        self, bounds: _Coordinates, keys: _Whole, rule: _Objects, zone: _Whole
    ) -> _Objects:
        """Find shapes without zone number that lie on held land in the next zone alone."""
        known = _all_known(self)
        if self.zone is None or known.is_nothing:
            return rule
        middles = (bounds[:, :2] + bounds[:, 2:]) / 2
        plain = np.flatnonzero((rule == "") & (keys == 0) & np.isfinite(middles).all(axis=1))
        far = plain[~known.holds(self._by_zone(0)(middles[plain]))]
        if len(far) == 0:
            return rule
        rule = rule.copy()
        for step in (-_NEXT_ZONE, _NEXT_ZONE):
            other = Zone(self.zone.meridian + step, 0)
            fits = far[known.holds(self._of_zone(other)(middles[far]))]
            rule[fits] = "geometry.other_zone"
            zone[fits] = round(other.meridian / _NEXT_ZONE)
        return rule


def decide_crs(
    bounds: _Coordinates,
    stated: str | None,
    county: County,
    *,
    file: str,
    layer: str,
    contract_crs: str = CRS_FILE,
    known: Known | None = None,
    is_default: bool = False,
) -> Decision:
    """Decide how a layer is read, or refuse it.

    What contract or file say holds, as long as the coordinates can be of that system: a zone
    number in front of eastings, or its absence, and swapped axes are mended and noted; another
    zone, another kind of coordinates and a place far from all known land are refused. Where nothing is said, all
    readings are tried that the size of the coordinates allows, as CGCS2000, and the only one that
    lies on known land is taken; ``detect`` takes a zone number or degrees without known land.

    Shape:  boxes (n, 4) of all shapes of the layer or of some, as delivered, the layer's own CRS
            text or None, the contract's ``crs`` in; a Decision out. ``is_default``: the format
            sets the text, not the file (GeoJSON without any datum).
    Units:  those of the layer.
    CRS:    the layer's in; the county's out. ``known`` is in the county's.
    Errors: CrsError: source.no_crs, source.crs_undecided (no reading, or several, on known land),
            source.old_datum, source.web_map, source.other_crs (contract and file differ),
            source.beside_held_land (no datum is stated, and the same land is held elsewhere),
            source.other_zone (the coordinates are of another zone), source.wrong_crs.
    Source: docs/sources.md, 3.4 and 7.
    """
    place = (file, layer)
    held = known or Known()
    boxes = bounds[np.isfinite(bounds).all(axis=1)]
    if contract_crs in {CRS_FILE, CRS_DETECT}:
        says_nothing = is_default and len(boxes) > 0 and not _are_degrees(boxes)
        if not stated or says_nothing:
            is_detect = contract_crs == CRS_DETECT
            decision = _undeclared(boxes, county, held, place, is_detect=is_detect)
            return _measured(decision, boxes, place)
        way = reprojection(stated, county, file=file, layer=layer)
        how: How = "format" if is_default else "file"
    else:
        way = reprojection(contract_crs, county, file=file, layer=layer, is_declared=True)
        if stated and not is_default:
            _compare(stated, way, place)
        how = "contract"
    decision = Decision(way, how, (), held, zone_of(way.source))
    return _measured(_checked(decision, boxes, place), boxes, place)


def _are_degrees(boxes: _Coordinates) -> bool:
    """Whether most boxes can be degrees of any land."""
    return _mostly(np.asarray((np.abs(boxes) <= 180.0).all(axis=1), dtype=bool))


def _mostly(fits: _Mask) -> bool:
    return len(fits) > 0 and float(np.mean(fits)) >= _MIN_SHARE


def _compare(stated: str, way: Reprojection, place: tuple[str, str]) -> None:
    """Refuse a contract that says another system than the file."""
    try:
        own = pyproj.CRS.from_user_input(stated)
    except pyproj.exceptions.CRSError:
        return
    is_map = way.web_map is not None and own.is_geographic and is_modern(own)
    if is_map or is_same_plane(own, way.source):
        return
    file, layer = place
    code = own.to_authority(min_confidence=70)
    raise CrsError(
        "source.other_crs",
        file=file,
        layer=layer,
        crs=own.name if code is None else ":".join(code),
        contract=way.label,
    )


def _checked(decision: Decision, boxes: _Coordinates, place: tuple[str, str]) -> Decision:
    """A decision that the coordinates bear out, with what must be told of it."""
    way, notes = decision.way, []
    if len(boxes):
        turned = replace(decision, way=replace(way, is_swapped=True), _ways={})
        if not _fits(decision, boxes):
            if not _fits(turned, boxes):
                raise _not_there(decision, boxes, place)
            decision = turned
            notes.append(Note("crs.axes_swapped", {"crs": way.label, "rows": len(boxes)}))
        notes += _zone_notes(decision, boxes, place)
        if not _on_known(decision, boxes):
            raise _not_there(decision, boxes, place)
    if way.web_map is not None:
        notes.append(Note("crs.approximate", {"crs": way.label}))
    if way.source.is_bound:
        notes.append(Note("crs.parameters_used", {"crs": way.label}))
    if decision.how == "format" and way.source.is_geographic:
        notes.append(Note("crs.degrees_unproven", {"crs": way.label}))
    return replace(decision, notes=tuple(notes))


def _measured(decision: Decision, boxes: _Coordinates, place: tuple[str, str]) -> Decision:
    """A decision compared with the same land as it is held; refused where it lies beside it."""
    points, _ = decision.centres(boxes)
    offset = measured_offset(points, decision.known.middles)
    if offset is None:
        return decision
    metres = math.hypot(*offset)
    notes = list(decision.notes)
    is_stated = decision.how in {"file", "contract"}
    if metres <= _SAME_PLACE_M and is_stated:
        return decision
    if metres <= _SAME_PLACE_M:
        # the same land at the same place: nothing is moved
        notes = [note for note in notes if note.code != "crs.degrees_unproven"]
        notes.append(Note("crs.on_held_land", {"crs": decision.label}))
        return replace(decision, notes=tuple(notes))
    params: dict[str, object] = {
        "crs": decision.label,
        "metres": round(metres, 1),
        "east": round(offset[0], 1),
        "north": round(offset[1], 1),
    }
    if is_stated:
        return replace(decision, notes=(*notes, Note("crs.beside_held_land", params)))
    file, layer = place
    raise CrsError("source.beside_held_land", file=file, layer=layer, **params)


def _fits(decision: Decision, boxes: _Coordinates) -> bool:
    """Whether most boxes are of the system, and their middle where system and county are."""
    points, good = decision.centres(boxes)
    if not _mostly(good):
        return False
    way = decision.way
    middle = np.median(points[good], axis=0)
    if not in_area_of_use(way, middle):
        return False
    extent = way.county.extent
    return not extent or bool(_of_extent(extent).holds(middle[np.newaxis, :])[0])


def _zone_notes(decision: Decision, boxes: _Coordinates, place: tuple[str, str]) -> Iterator[Note]:
    """What the zone numbers of the coordinates say against the stated zone; refuse another one."""
    own = decision.zone
    if own is None:
        return
    keys, rule = decision._sort(boxes)  # noqa: SLF001 - one module
    numbers, counts = np.unique(keys[rule == ""], return_counts=True)
    meridians = [meridian_of(int(n)) if n and n != own.prefix else own.meridian for n in numbers]
    found = dict(zip((int(n) for n in numbers), (int(c) for c in counts), strict=True))
    file, layer = place
    # a number that does not go with the meridian of the same text is a contradiction as well
    carried = {meridian_of(n) for n in found if n} | {own.meridian for n in found if not n}
    if own.meridian not in carried:
        raise CrsError(
            "source.other_zone",
            file=file,
            layer=layer,
            crs=decision.label,
            meridian=f"{own.meridian:g}",
            fits=", ".join(_zone_label(Zone(meridian_of(n), n)) for n in found if n),
        )
    if len(set(meridians)) > 1:
        zones = ", ".join(f"{n or '–'}: {count}" for n, count in found.items())
        yield Note("crs.zones_mixed", {"crs": decision.label, "zones": zones})
    differing = [
        Zone(own.meridian, n)
        for n, meridian in zip(found, meridians, strict=True)
        if n != own.prefix and meridian == own.meridian
    ]
    if differing:
        read_as = _zone_label(differing[0])
        rows = found[differing[0].prefix]
        yield Note("crs.prefix_differs", {"crs": decision.label, "read_as": read_as, "rows": rows})


def _zone_label(zone: Zone) -> str:
    return f"EPSG:{zone.epsg}" if zone.epsg else f"{zone.meridian:g}°"


def _on_known(decision: Decision, boxes: _Coordinates) -> bool:
    """Whether most of the layer lies on or near land of the county that is known."""
    points, good = decision.centres(_sample(boxes))
    return _mostly(good & _all_known(decision).holds(points))


def _all_known(decision: Decision) -> Known:
    """Held land, or the county's extent where none is held."""
    extent = decision.way.county.extent
    return _of_extent(extent) if decision.known.is_nothing and extent else decision.known


def _of_extent(extent: tuple[float, ...]) -> Known:
    """The county's extent as a region."""
    return Known(np.array([extent], dtype=np.float64))


def _other_zones(decision: Decision, boxes: _Coordinates) -> list[Zone]:
    """Zones in which coordinates without zone number would lie on known land."""
    if decision.zone is None or _all_known(decision).is_nothing:
        return []
    said = what_coordinates_say(boxes[:, [1, 0, 3, 2]] if decision.way.is_swapped else boxes)
    plain = _sample(boxes[(said.form == PLAIN) & ~said.is_swapped])
    if len(plain) * 2 < min(len(boxes), _SAMPLE):
        return []
    zones = [Zone(float(meridian), 0) for meridian in _MERIDIANS]
    return [
        zone
        for zone in zones
        if zone.meridian != decision.zone.meridian
        and _on_known(
            replace(decision, way=decision._of_zone(zone), zone=zone, _ways={}),  # noqa: SLF001
            plain,
        )
    ]


def _not_there(decision: Decision, boxes: _Coordinates, place: tuple[str, str]) -> CrsError:
    """Why a layer cannot be where it says, with the zones in which it could be."""
    file, layer = place
    zones = _other_zones(decision, boxes)
    if zones and decision.zone is not None:
        return CrsError(
            "source.other_zone",
            file=file,
            layer=layer,
            crs=decision.label,
            meridian=f"{decision.zone.meridian:g}",
            fits=", ".join(map(_zone_label, zones)),
        )
    middle = np.median((boxes[:, :2] + boxes[:, 2:]) / 2, axis=0)
    return CrsError(
        "source.wrong_crs",
        file=file,
        layer=layer,
        crs=decision.label,
        county_crs=decision.way.county.crs,
        x=round(float(middle[0]), 3),
        y=round(float(middle[1]), 3),
    )


def _undeclared(
    boxes: _Coordinates,
    county: County,
    held: Known,
    place: tuple[str, str],
    *,
    is_detect: bool,
) -> Decision:
    """The one reading of a layer without a CRS that lies on known land."""
    file, layer = place
    readings = list(_readings(boxes, county, held))
    labels = _shortened([reading.label for reading in readings])
    if held.is_nothing and not county.extent:
        if is_detect and len(readings) == 1:
            if not _fits(readings[0], boxes):
                raise _not_there(readings[0], boxes, place)
            return _checked_guess(readings[0], boxes, "coordinates", labels)
        raise CrsError("source.no_crs", file=file, layer=layer, candidates=labels or "–")
    if not readings:
        raise CrsError("source.no_crs", file=file, layer=layer, candidates="–")
    fitting = [reading for reading in readings if _fits_known(reading, boxes)]
    if len(fitting) != 1:
        raise CrsError(
            "source.crs_undecided",
            file=file,
            layer=layer,
            candidates=labels,
            fits=", ".join(reading.label for reading in fitting) or "–",
        )
    return _checked_guess(fitting[0], boxes, "place", labels)


def _fits_known(decision: Decision, boxes: _Coordinates) -> bool:
    """Whether most of a layer lies on known land: the county's extent and what is held."""
    extent = decision.way.county.extent
    points, good = decision.centres(_sample(boxes))
    inside = good & decision.known.holds(points)
    if extent:
        inside &= _of_extent(extent).holds(points)
    return _mostly(inside)


def _checked_guess(decision: Decision, boxes: _Coordinates, how: How, labels: str) -> Decision:
    """A reading that was found, with what must be told of it."""
    params: dict[str, object] = {"crs": decision.label, "candidates": labels, "rows": len(boxes)}
    notes = [Note(f"crs.decided_by_{how}", params)]
    if decision.way.is_swapped:
        notes.append(Note("crs.axes_swapped", {"crs": decision.label, "rows": len(boxes)}))
    if decision.way.source.is_geographic:
        notes.append(Note("crs.degrees_unproven", {"crs": decision.label}))
    notes += _zone_notes(decision, boxes, ("", ""))
    return replace(decision, how=how, notes=tuple(notes))


def _readings(boxes: _Coordinates, county: County, held: Known) -> Iterator[Decision]:
    """All systems that coordinates can be of by their size, read as CGCS2000."""
    said = what_coordinates_say(boxes)
    kinds, counts = np.unique(
        np.column_stack([said.form, said.is_swapped]), axis=0, return_counts=True
    )
    if len(kinds) == 0:
        return
    form, is_swapped = (int(part) for part in kinds[np.argmax(counts)])
    systems: list[Zone | str] = []
    if form == PREFIXED:
        numbers, carried = np.unique(said.zone[said.form == PREFIXED], return_counts=True)
        number = int(numbers[np.argmax(carried)])
        systems = [Zone(meridian_of(number), number)]
        # 13 to 15 million may be metres of web Mercator as well
        systems += ["EPSG:3857"] if number * ZONE_M < MERCATOR_X[1] else []
    elif form == PLAIN:
        systems = [Zone(float(meridian), 0) for meridian in _MERIDIANS]
    elif form == MERCATOR:
        systems = ["EPSG:3857"]
    elif form == DEGREES:
        systems = ["EPSG:4490"]
    degrees = pyproj.CRS.from_epsg(4490)
    for system in systems:
        zone = system if isinstance(system, Zone) else None
        source = pyproj.CRS(system) if isinstance(system, str) else system.system_like(degrees)
        label = system if isinstance(system, str) else _zone_label(system)
        way = replace(way_from(source, county, label), is_swapped=bool(is_swapped))
        yield Decision(way, "place", (), held, zone)


def _shortened(labels: list[str]) -> str:
    """Names of systems; first and last where there are many in a row."""
    return ", ".join(labels) if len(labels) < 4 else f"{labels[0]} … {labels[-1]}"


def _sample(boxes: _Coordinates) -> _Coordinates:
    """Boxes evenly taken, so many that they tell where the layer lies."""
    return boxes[:: max(1, len(boxes) // _SAMPLE)]
