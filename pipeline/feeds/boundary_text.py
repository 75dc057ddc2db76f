"""Boundary points as text (界址点坐标): headers that end in @, points by rings, X is northing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from pipeline.errors import SourceError
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RawLayer, unique_names

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

# The fields of a header, in order; what follows is called by its place.
_FIELDS = [
    "界址点数",
    "地块面积(公顷)",
    "地块编号",
    "地块名称",
    "图形属性",
    "图幅号",
    "地块用途",
    "地类编码",
]
_AREA, _SHAPE = 1, 4
# What was found, beside what the header declares.
_FOUND = ["实际点数", "图形面积(平方米)"]
_WIDEST = 64
_LINE_LIMIT = 65_536
_CHUNK = 1 << 20
# Lines that are taken at once; a parcel is never cut.
_LINES = 200_000
_RING_POINTS = 3

_SECTION = re.compile(r"[\[【]\s*(.*?)\s*[\]】]")
_POINT = (
    r"^(?P<point>[^,]*),\s*(?P<ring>[0-9]{1,6})\s*,\s*(?P<x>[-+]?[0-9]{1,12}(?:\.[0-9]*)?)\s*,"
    r"\s*(?P<y>[-+]?[0-9]{1,12}(?:\.[0-9]*)?)[\s,]*$"
)
_FULL_WIDTH = str.maketrans("，＠．＝【】", ",@.=[]")

# EPSG codes of the first zone: three degrees with and without the zone before the easting, then six.
_SYSTEMS = {
    "2000": (4513, 4534, 4491, 4502),
    "1980": (2349, 2370, 2327, 2338),
    "1954": (2401, 2422, 21413, 21453),
}
_SYSTEM_WORDS = (
    ("2000", re.compile("2000")),
    ("1980", re.compile("80|西安")),
    ("1954", re.compile("54|北京")),
)
_ZONES = {3: range(25, 46), 6: range(13, 24)}
_DEGREES_CRS = "EPSG:4490"
_PREFIXED = 10_000_000.0
_ZONE_WIDTH = 1_000_000.0


class _Line(NamedTuple):
    number: int
    text: str


@dataclass
class _Survey:
    """What a first reading of the file finds."""

    attributes: dict[str, str] = field(default_factory=dict)
    parcels: int = 0
    widest: int = len(_FIELDS)
    sections: int = 0


@dataclass(frozen=True)
class _Place:
    """The CRS of the file, the zone its eastings begin with, and which coordinate comes first."""

    crs: str | None
    prefix: int | None
    in_degrees: bool = False
    longitude_first: bool = False


@contextmanager
def open_boundary_text(path: Path, declared: str = "auto") -> Iterator[RawLayer]:
    """Open a text of boundary points; each header with its points is a row.

    A ring ends where its number changes or where it comes back to its first point. Rings that have
    the number of the first one are areas, others are holes; a hole that lies outside all areas takes
    nothing away and can only be an area by itself, which is counted in ``notes``. A parcel with a
    line that is no point has no shape and a reason in ``row_issues``.

    Shape:  a file in; a RawLayer out, whose columns are the fields of the headers as text, then the
            number of points found (without those that only close a ring) and the plane area.
    Units:  declared area in hectares as delivered (the word 公顷 taken off), found area in square
            metres; coordinates as the header states.
    CRS:    by system, degrees of a zone and zone in the header, and by the zone before the easting;
            old systems are named as such; None where the text does not tell. x is easting.
    Errors: SourceError: source.encoding, source.boundary_line (a line outside every parcel),
            source.boundary_zone (the header names another zone than the eastings),
            source.boundary_headers (two headers that differ), source.empty.
    Source: docs/sources.md, 7 (boundary TXT), 3.4 (EPSG codes, zone before the easting).
    """
    reading = text_encoding(path, _stated(path) if declared == "auto" else declared)
    encoding = reading.values
    survey = _survey(path, encoding)
    first = next(_chunks(path, encoding), None)
    if first is None or survey.parcels == 0:
        raise SourceError("source.empty", file=path.name, layer=path.stem)
    place = _place(path, survey.attributes, _Points.of(first))
    extra = [f"属性{n}" for n in range(len(_FIELDS) + 1, survey.widest + 1)]
    layer = RawLayer(
        name=path.stem,
        fields=[*_FIELDS, *extra, *_FOUND],
        batches=iter(()),
        has_geometry=True,
        geometry_type="MultiPolygon",
        crs=place.crs,
        row_total=survey.parcels,
        encoding=encoding,
        notes=[(note.code, dict(note.params)) for note in reading.notes],
    )
    stated = "; ".join(f"{key}={value}" for key, value in survey.attributes.items() if value)
    layer.notes.append(("note.boundary_header", {"text": stated[:500]}))
    layer.batches = _batches(path, encoding, layer, survey, place)
    yield layer


# ---- Lines --------------------------------------------------------------------------------------


def _stated(path: Path) -> str:
    """The encoding in which the names of the sections are written; few other words may follow."""
    with path.open("rb") as handle:
        head = handle.read(_LINE_LIMIT)
    sections = ("[地块坐标]".encode("gb18030"), "[属性描述]".encode("gb18030"))
    return "gb18030" if any(section in head for section in sections) else "auto"


def _coordinate_lines(path: Path, handle: TextIO, survey: _Survey) -> Iterator[_Line]:
    """The lines of all sections of coordinates; the other sections are kept as attributes."""
    section, number = "", 0
    attributes: dict[str, str] = {}
    while line := handle.readline(_LINE_LIMIT):
        number += 1
        if len(line) == _LINE_LIMIT:
            raise SourceError("source.boundary_line", file=path.name, line=number)
        text = line.translate(_FULL_WIDTH).strip()
        if not text:
            continue
        opened = _SECTION.fullmatch(text)
        if opened is not None:
            section = opened[1]
            if section == "地块坐标":
                _take_attributes(path, survey, attributes, number)
                attributes = {}
        elif section == "地块坐标":
            yield _Line(number, text)
        elif "=" in text:
            key, _, value = text.partition("=")
            attributes[key.strip()] = value.strip()
        elif not section:
            raise SourceError("source.boundary_line", file=path.name, line=number)


def _take_attributes(path: Path, survey: _Survey, attributes: dict[str, str], number: int) -> None:
    """Several headers in one file must mean the same system."""
    survey.sections += 1
    if survey.sections == 1:
        survey.attributes.update(attributes)
        return
    keys = ("坐标系", "几度分带", "带号", "计量单位")
    if attributes and any(attributes.get(k) != survey.attributes.get(k) for k in keys):
        raise SourceError("source.boundary_headers", file=path.name, line=number)


def _survey(path: Path, encoding: str) -> _Survey:
    """Read the file once: headers, number of parcels, number of fields."""
    survey = _Survey()
    with path.open(encoding=encoding) as handle:
        for line in _coordinate_lines(path, handle, survey):
            if line.text.endswith("@"):
                survey.parcels += 1
                survey.widest = max(survey.widest, min(_WIDEST, len(_header_fields(line.text))))
            elif survey.parcels == 0:
                raise SourceError("source.boundary_line", file=path.name, line=line.number)
    return survey


def _header_fields(text: str) -> list[str]:
    """The fields before the @; the comma before it separates nothing."""
    return [part.strip() for part in text.removesuffix("@").rstrip().removesuffix(",").split(",")]


def _chunks(path: Path, encoding: str) -> Iterator[list[_Line]]:
    """Lines of whole parcels."""
    lines: list[_Line] = []
    parcels = 0
    with path.open(encoding=encoding) as handle:
        for line in _coordinate_lines(path, handle, _Survey()):
            if line.text.endswith("@"):
                if len(lines) >= _LINES or parcels == BATCH_ROWS:
                    yield lines
                    lines, parcels = [], 0
                parcels += 1
            lines.append(line)
    if lines:
        yield lines


# ---- Points -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Points:
    """The points of some parcels, by the place of their parcel, and lines that are none."""

    headers: list[str]
    parcel: _Ints
    ring: _Ints
    x: _Floats
    y: _Floats
    bad_parcel: _Ints
    bad_line: _Ints

    @classmethod
    def of(cls, lines: list[_Line]) -> _Points:
        """Take lines apart; the first is a header."""
        texts = pa.array([line.text for line in lines], pa.string())
        numbers = np.array([line.number for line in lines], dtype=np.int64)
        is_header = _bools(pc.ends_with(texts, "@"))
        parcel = np.cumsum(is_header) - 1
        found = pc.extract_regex(texts, _POINT)
        is_point = _bools(pc.is_valid(found)) & ~is_header
        points = found.filter(pa.array(is_point))
        is_bad = ~is_point & ~is_header
        return cls(
            headers=texts.filter(pa.array(is_header)).to_pylist(),
            parcel=parcel[is_point],
            ring=np.asarray(points.field("ring").cast(pa.int64())),
            # a point without digits after it is no number to Arrow
            x=np.asarray(pc.utf8_rtrim(points.field("x"), ".").cast(pa.float64())),
            y=np.asarray(pc.utf8_rtrim(points.field("y"), ".").cast(pa.float64())),
            bad_parcel=parcel[is_bad],
            bad_line=numbers[is_bad],
        )


def _bools(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _place(path: Path, attributes: dict[str, str], points: _Points) -> _Place:
    """The CRS that header and eastings tell together."""
    stated = attributes.get("坐标系", "")
    system = next((name for name, word in _SYSTEM_WORDS if word.search(stated)), None)
    if "度" in attributes.get("计量单位", "") and len(points.x):
        longitude_first = bool(np.median(points.x) > np.median(points.y))
        crs = _DEGREES_CRS if system == "2000" else None
        return _Place(crs, None, in_degrees=True, longitude_first=longitude_first)
    prefix = _prefix(points.y)
    zone = _number(attributes.get("带号", ""))
    if prefix is not None and zone is not None and zone != prefix:
        raise SourceError("source.boundary_zone", file=path.name, stated=zone, found=prefix)
    zone = prefix if zone is None else zone
    degrees = _number(attributes.get("几度分带", attributes.get("分带", "")))
    if degrees is None:
        # zones of three and of six degrees have different numbers in China
        degrees = next((d for d, zones in _ZONES.items() if zone in zones), None)
    if system is None or zone is None or degrees not in _ZONES or zone not in _ZONES[degrees]:
        return _Place(None, prefix)
    first = _SYSTEMS[system][(0 if degrees == 3 else 2) + (0 if prefix is not None else 1)]
    return _Place(f"EPSG:{first + zone - _ZONES[degrees].start}", prefix)


def _prefix(eastings: _Floats) -> int | None:
    """The zone that stands before most eastings, None where there is none."""
    zones = _zones(eastings)
    if not len(zones):
        return None
    zone, _ = Counter(zones.tolist()).most_common(1)[0]
    return zone or None


def _zones(eastings: _Floats) -> _Ints:
    zones = np.where(eastings >= _PREFIXED, eastings // _ZONE_WIDTH, 0)
    return np.asarray(zones, dtype=np.int64)


def _number(text: str) -> int | None:
    found = re.search(r"[0-9]{1,3}", text)
    return None if found is None else int(found[0])


# ---- Rows ---------------------------------------------------------------------------------------


def _batches(
    path: Path, encoding: str, layer: RawLayer, survey: _Survey, place: _Place
) -> Iterator[pa.RecordBatch]:
    names = [*unique_names(layer.fields), GEOMETRY]
    row = 1
    outside = 0
    for lines in _chunks(path, encoding):
        points = _Points.of(lines)
        headers = [_header_fields(text)[: survey.widest] for text in points.headers]
        shapes, issues, parts = _shapes(points, headers, place)
        outside += parts
        layer.row_issues.extend(
            (row + at, code, params) for at, code, params in sorted(issues, key=lambda i: i[0])
        )
        columns = [
            pa.array(
                [(head[i] or None) if i < len(head) else None for head in headers], pa.string()
            )
            for i in range(survey.widest)
        ]
        columns[_AREA] = pc.utf8_trim_whitespace(pc.replace_substring(columns[_AREA], "公顷", ""))
        has_shape = ~shapely.is_missing(shapes)
        has_area = has_shape & (not place.in_degrees)
        areas = pa.array(np.round(shapely.area(shapes), 2), mask=~has_area)
        counts = pa.array(_found_points(shapes), mask=~has_shape)
        wkb = pa.array(shapely.to_wkb(shapes), pa.binary())
        found = [counts.cast(pa.string()), areas.cast(pa.string())]
        yield pa.record_batch([*columns, *found, wkb], names=names)
        row += len(headers)
    if outside:
        layer.notes.append(("note.boundary_outside", {"count": outside}))


def _found_points(shapes: npt.NDArray[np.object_]) -> _Ints:
    """Points of a shape without those that close its rings."""
    rings, places = shapely.get_rings(shapes, return_index=True)
    points = shapely.get_num_points(rings) - 1
    return np.bincount(places, weights=points, minlength=len(shapes)).astype(np.int64)


_Issues = list[tuple[int, str, dict[str, object]]]


def _shapes(
    points: _Points, headers: list[list[str]], place: _Place
) -> tuple[npt.NDArray[np.object_], _Issues, int]:
    """One shape per parcel, None with an issue where it cannot be built; parts outside."""
    shapes = np.full(len(headers), None, dtype=object)
    issues = _issues(points, headers, place)
    is_bad = np.zeros(len(headers), dtype=bool)
    is_bad[[at for at, _, _ in issues]] = True
    ring_of, first_of_ring = _rings(points)
    keeps = ~_closes(points, ring_of, first_of_ring)
    sizes = np.bincount(ring_of[keeps], minlength=len(first_of_ring))
    for ring in np.flatnonzero(sizes < _RING_POINTS).tolist():
        at = int(points.parcel[first_of_ring[ring]])
        if not is_bad[at]:
            number = int(points.ring[first_of_ring[ring]])
            issues.append((at, "geometry.boundary_few_points", {"ring": number}))
            is_bad[at] = True
    keeps &= ~is_bad[points.parcel]
    if not keeps.any():
        return shapes, issues, 0
    used, place_of = np.unique(ring_of[keeps], return_inverse=True)
    east, north = (points.x, points.y) if place.longitude_first else (points.y, points.x)
    rings = np.asarray(
        shapely.linearrings(np.column_stack([east[keeps], north[keeps]]), indices=place_of),
        dtype=object,
    )
    first = first_of_ring[used]
    outside = _assemble(shapes, rings, points.parcel[first], points.ring[first])
    return shapes, issues, outside


def _assemble(
    shapes: npt.NDArray[np.object_], rings: npt.NDArray[np.object_], parcel: _Ints, number: _Ints
) -> int:
    """Put the rings of each parcel together; how many of them are areas outside the others."""
    # the first ring of a parcel names the number of its areas
    starts = np.flatnonzero(np.r_[True, parcel[1:] != parcel[:-1]])
    counts = np.diff(np.r_[starts, len(parcel)])
    owner, outside = _owners(rings, parcel, number == np.repeat(number[starts], counts))
    # an area before its holes
    order = np.lexsort((owner != np.arange(len(owner)), owner))
    areas, polygon_of = np.unique(owner[order], return_inverse=True)
    polygons = shapely.polygons(rings[order], indices=polygon_of)
    in_parcel = parcel[areas]
    several = np.bincount(in_parcel, minlength=len(shapes))[in_parcel] > 1
    shapes[in_parcel[~several]] = polygons[~several]
    if several.any():
        wholes, whole_of = np.unique(in_parcel[several], return_inverse=True)
        shapes[wholes] = shapely.multipolygons(polygons[several], indices=whole_of)
    return outside


def _issues(points: _Points, headers: list[list[str]], place: _Place) -> _Issues:
    """Why parcels cannot have a shape, one reason each."""
    found: dict[int, tuple[str, dict[str, object]]] = {}
    for at, line in zip(points.bad_parcel.tolist(), points.bad_line.tolist(), strict=True):
        found.setdefault(at, ("geometry.boundary_bad_line", {"line": line}))
    if not place.in_degrees:
        zones, expected = _zones(points.y), place.prefix or 0
        strays = np.flatnonzero(zones != expected)
        parcels, first = np.unique(points.parcel[strays], return_index=True)
        for at, zone in zip(parcels.tolist(), zones[strays[first]].tolist(), strict=True):
            params: dict[str, object] = {"zone": zone, "expected": expected}
            found.setdefault(at, ("geometry.boundary_other_zone", params))
    has_points = np.bincount(points.parcel, minlength=len(headers)) > 0
    for at, head in enumerate(headers):
        shape = head[_SHAPE] if len(head) > _SHAPE else ""
        if shape in {"点", "线"}:
            found.setdefault(at, ("geometry.boundary_not_area", {"value": shape}))
        elif not has_points[at]:
            found.setdefault(at, ("geometry.boundary_few_points", {"ring": 1}))
    return [(at, code, params) for at, (code, params) in found.items()]


def _rings(points: _Points) -> tuple[_Ints, _Ints]:
    """The ring of each point, and the first point of each ring."""
    total = len(points.x)
    changes = np.ones(total, dtype=bool)
    changes[1:] = np.diff(points.parcel).astype(bool) | np.diff(points.ring).astype(bool)
    starts = np.flatnonzero(changes)
    ends = np.append(starts[1:], total) - 1
    run = np.cumsum(changes) - 1
    if total:
        # a point equal to the first one of its run, before the end of the run: a ring more follows
        is_back = _equals(points, np.arange(total), starts[run])
        is_back[starts] = is_back[ends] = False
        for place in np.unique(run[is_back]).tolist():
            _split(points, int(starts[place]), int(ends[place]), changes)
    first_of_ring = np.flatnonzero(changes).astype(np.int64)
    return (np.cumsum(changes) - 1).astype(np.int64), first_of_ring


def _split(points: _Points, first: int, last: int, changes: npt.NDArray[np.bool_]) -> None:
    """Mark the first point of each ring in a run that closes more than once."""
    start = first
    x, y = points.x[first : last + 1].tolist(), points.y[first : last + 1].tolist()
    for at in range(first + 1, last + 1):
        is_back = x[at - first] == x[start - first] and y[at - first] == y[start - first]
        if is_back and at - start >= _RING_POINTS and at < last:
            start = at + 1
            changes[start] = True


def _closes(points: _Points, ring_of: _Ints, first_of_ring: _Ints) -> npt.NDArray[np.bool_]:
    """Which points only repeat the first of their ring at its end."""
    if not len(ring_of):
        return np.zeros(0, dtype=bool)
    is_last = np.r_[ring_of[1:] != ring_of[:-1], True]
    places = np.arange(len(ring_of))
    first = first_of_ring[ring_of]
    is_end: npt.NDArray[np.bool_] = is_last & (places != first)
    return is_end & _equals(points, places, first)


def _equals(points: _Points, one: _Ints, other: _Ints) -> npt.NDArray[np.bool_]:
    is_same = (points.x[one] == points.x[other]) & (points.y[one] == points.y[other])
    return np.asarray(is_same, dtype=bool)


def _owners(
    rings: npt.NDArray[np.object_], parcel: _Ints, is_area: npt.NDArray[np.bool_]
) -> tuple[_Ints, int]:
    """The area that each ring belongs to, itself for an area; how many holes lay outside."""
    owner = np.arange(len(parcel))
    areas, holes = np.flatnonzero(is_area), np.flatnonzero(~is_area)
    if not len(holes):
        return owner, 0
    filled = shapely.polygons(rings[areas])
    size = shapely.area(filled)
    # the areas of one parcel stand together
    begin = np.searchsorted(parcel[areas], parcel[holes], side="left")
    end = np.searchsorted(parcel[areas], parcel[holes], side="right")
    is_single = end - begin == 1
    meets = np.zeros(len(holes), dtype=bool)
    meets[is_single] = shapely.intersects(filled[begin[is_single]], rings[holes[is_single]])
    owner[holes[meets]] = areas[begin[meets]]
    for at in np.flatnonzero(~is_single):
        mine = slice(int(begin[at]), int(end[at]))
        touching = np.flatnonzero(shapely.intersects(filled[mine], rings[holes[at]])) + begin[at]
        if len(touching):
            meets[at] = True
            owner[holes[at]] = areas[touching[np.argmin(size[touching])]]
    return owner, int((~meets).sum())
