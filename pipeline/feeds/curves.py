"""Circular arcs of drawn boundaries, made of straight pieces.

Only shapes that hold arcs come here, one at a time: they are rare, and nothing else reads them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

# Between two points of an arc lies at most this angle: the area of a circle is then short by three
# millionths. [default chosen]
_STEP = math.radians(0.25)
_POINT, _LINE, _POLYGON, _MULTIPOINT, _MULTILINE, _MULTIPOLYGON, COLLECTION = range(1, 8)
_CIRCULAR, _COMPOUND, _CURVE_POLYGON, _MULTI_CURVE, _MULTI_SURFACE = range(8, 13)
# What a reader of ordinary shapes does not know.
CURVED = (_CIRCULAR, _COMPOUND, _CURVE_POLYGON, _MULTI_CURVE, _MULTI_SURFACE)
_MANY = {_MULTIPOINT, _MULTILINE, _MULTIPOLYGON, COLLECTION, _MULTI_CURVE, _MULTI_SURFACE}

_Points = npt.NDArray[np.float64]


def straightened(wkb: bytes) -> bytes | None:
    """Turn a polygon with arcs into one of straight pieces; heights and measures are dropped.

    An arc gets the same points whichever way it is walked, so neighbours that share it still touch.
    A collection stays one, and is left as it is where it holds no arcs.

    Shape:  WKB of a CurvePolygon or MultiSurface (or of plain polygons) in; WKB of a Polygon or
            MultiPolygon out. WKB of a collection in; WKB of a collection out.
    Units:  those of the layer.
    CRS:    the layer's.
    Errors: none; None where it is none of these, or broken.
    Source: OGC 06-103r4, 8.2 (well-known binary); ISO 19125-2 (arcs by three points).
    """
    try:
        reader = _Wkb(wkb)
        if reader.kind() == COLLECTION:
            made = reader.shape()
            return made if reader.is_curved else wkb
        polygons = list(reader.polygons())
    except (struct.error, ValueError, IndexError, RecursionError):
        return None
    if len(polygons) == 1:
        return polygons[0]
    head = struct.pack("<BII", 1, _MULTIPOLYGON, len(polygons))
    return head + b"".join(polygons)


class _Wkb:
    """Reads one shape from its bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        # whether anything of what was read holds arcs
        self.is_curved = False

    def kind(self) -> int:
        """The kind of what comes next."""
        start = self.at
        _, kind, _ = self._head()
        self.at = start
        return kind

    def _head(self) -> tuple[str, int, int]:
        """Byte order, kind, and numbers per point."""
        order = "<" if self.data[self.at] == 1 else ">"
        (code,) = struct.unpack_from(order + "I", self.data, self.at + 1)
        self.at += 5
        flags, code = code >> 29, code & 0x1FFFFFFF
        if flags & 1:  # an identifier of the CRS stands before the shape
            self.at += 4
        extra = (flags >> 2 & 1) + (flags >> 1 & 1)
        extra = extra or {0: 0, 1: 1, 2: 1, 3: 2}.get(code // 1000, 0)
        kind = code % 1000
        self.is_curved |= kind in CURVED
        return order, kind, 2 + extra

    def _count(self, order: str) -> int:
        (count,) = struct.unpack_from(order + "I", self.data, self.at)
        self.at += 4
        return int(count)

    def _points(self, order: str, width: int, count: int) -> _Points:
        size = count * width * 8
        if self.at + size > len(self.data):
            raise ValueError("cut")
        flat = np.frombuffer(self.data, order + "f8", count * width, self.at)
        self.at += size
        return flat.reshape(count, width)[:, :2].astype(np.float64)

    def shape(self) -> bytes:
        """A shape of any kind, as WKB; what has several parts is a collection."""
        kind = self.kind()
        if kind in _MANY:
            order, _, _ = self._head()
            parts = [self.shape() for _ in range(self._count(order))]
            return struct.pack("<BII", 1, COLLECTION, len(parts)) + b"".join(parts)
        if kind == _POINT:
            order, _, width = self._head()
            return struct.pack("<BI", 1, _POINT) + self._points(order, width, 1).tobytes()
        if kind in {_POLYGON, _CURVE_POLYGON}:
            return b"".join(self.polygons())
        return struct.pack("<BI", 1, _LINE) + _ring(self._curve())

    def polygons(self) -> Iterator[bytes]:
        """Each polygon of the shape, as WKB."""
        order, kind, width = self._head()
        if kind == _POLYGON:
            rings = [
                self._points(order, width, self._count(order)) for _ in range(self._count(order))
            ]
        elif kind == _CURVE_POLYGON:
            rings = [self._curve() for _ in range(self._count(order))]
        elif kind in {_MULTIPOLYGON, _MULTI_SURFACE}:
            for _ in range(self._count(order)):
                yield from self.polygons()
            return
        else:
            raise ValueError(f"kind {kind}")
        yield struct.pack("<BII", 1, _POLYGON, len(rings)) + b"".join(map(_ring, rings))

    def _curve(self) -> _Points:
        """The points of a line, of arcs, or of both one after the other."""
        order, kind, width = self._head()
        if kind == _COMPOUND:
            parts = [self._curve() for _ in range(self._count(order))]
            return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])
        if kind not in {_LINE, _CIRCULAR}:
            raise ValueError(f"kind {kind}")
        points = self._points(order, width, self._count(order))
        if kind == _LINE:
            return points
        threes = (points[start : start + 3] for start in range(0, len(points) - 2, 2))
        return np.concatenate([points[:1], *(_arc(*three)[1:] for three in threes)])


def _ring(points: _Points) -> bytes:
    return struct.pack("<I", len(points)) + points.astype("<f8").tobytes()


def _arc(start: _Points, middle: _Points, end: _Points) -> _Points:
    """Points from start to end through the middle, both ends exactly as they were given."""
    if tuple(end) < tuple(start):
        return _arc(end, middle, start)[::-1]
    is_circle = bool((start == end).all())
    centre = (start + middle) / 2 if is_circle else _centre(start, middle, end)
    if centre is None:
        return np.array([start, end])
    first, second, last = (math.atan2(*(point - centre)[::-1]) for point in (start, middle, end))
    turn = (last - first) % (2 * math.pi) or 2 * math.pi
    if not is_circle and (second - first) % (2 * math.pi) > turn:
        turn -= 2 * math.pi
    count = max(2, math.ceil(abs(turn) / _STEP))
    angles = first + turn * np.arange(1, count) / count
    radius = math.hypot(*(start - centre))
    between = centre + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    return np.concatenate([[start], between, [end]])


def _centre(one: _Points, two: _Points, three: _Points) -> _Points | None:
    """Centre of the circle through three points; None where they lie on a line."""
    a, b = two - one, three - one
    cross = 2 * (a[0] * b[1] - a[1] * b[0])
    if abs(cross) < 1e-12 * max(1.0, float(np.abs([a, b]).max()) ** 2):
        return None
    squares = np.array([a @ a, b @ b])
    offset = np.array(
        [b[1] * squares[0] - a[1] * squares[1], a[0] * squares[1] - b[0] * squares[0]]
    )
    centre: _Points = one + offset / cross
    return centre
