"""The ground: cells between the shared noisy edges of a jittered lattice.

The corners of a regular lattice are moved, and each edge between two corners gets points off its
straight line. Both cells beside an edge use the same points, so cells tile without gap or overlap.
The outer border is straight. Positions in the lattice (u to the east, v to the north, in cells)
map to metres cell by cell, so what is drawn inside a cell in u and v lies inside it on the ground.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import shapely

from pipeline.demo.generator.noise import Ints
from pipeline.demo.generator.survey import Floats, Shapes, area_under

CELL_M: Final = 73.8
CENTRE: Final = (500_000.0, 3_290_000.0)
# A corner moves by at most this part of a cell, a point of an edge by at most this many metres
# and this part of its distance to the nearer corner: edges then never meet but in corners.
_JITTER: Final = 0.18
_EDGE_M: Final = 2.5
_EDGE_SLOPE: Final = 0.12
# Points of an edge between its corners.
_ACROSS: Final = 8
_UPWARD: Final = 9
RING_POINTS: Final = 2 * (_ACROSS + 1) + 2 * (_UPWARD + 1) + 1
_BAND_ROWS: Final = 48
DECIMALS: Final = 3


def stream(seed: int, what: str, *numbers: int) -> np.random.Generator:
    """Open the stream of random numbers of one purpose, independent of every other.

    Shape:  the county's seed, a purpose and further numbers in; a generator out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError on a negative number.
    Source: numpy SeedSequence.
    """
    return np.random.default_rng([seed, zlib.crc32(what.encode()), *numbers])


@dataclass(frozen=True)
class Band:
    """Some rows of cells: their rings, clockwise and closed, and survey areas, row by row."""

    first_cell: int
    rings: Floats
    survey_m2: Floats


@dataclass(frozen=True)
class Lattice:
    """The lattice of a county: ``columns`` x ``rows`` cells around ``CENTRE``.

    Shape:  cell ``row * columns + column``; row 0 is the southernmost.
    Units:  metres, m2; positions u, v in cells.
    CRS:    EPSG:4549.
    Errors: none.
    Source: measured recipe of a synthetic county: jittered lattice with shared noisy edges.
    """

    columns: int
    rows: int
    seed: int

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self.columns * self.rows

    @cached_property
    def outline(self) -> tuple[float, float, float, float]:
        """The rectangle that the cells fill: xmin, ymin, xmax, ymax."""
        half = np.round(np.array([self.columns, self.rows]) * CELL_M / 2, DECIMALS)
        return (
            float(CENTRE[0] - half[0]),
            float(CENTRE[1] - half[1]),
            float(CENTRE[0] + half[0]),
            float(CENTRE[1] + half[1]),
        )

    @cached_property
    def corners(self) -> Floats:
        """Corners of the cells, (rows + 1, columns + 1, 2)."""
        west, south, east, north = self.outline
        x, y = np.meshgrid(
            np.linspace(west, east, self.columns + 1), np.linspace(south, north, self.rows + 1)
        )
        corners = np.stack([x, y], axis=-1)
        drawn = stream(self.seed, "corners").uniform(-_JITTER, _JITTER, corners.shape) * CELL_M
        drawn[:, [0, -1], 0] = 0
        drawn[[0, -1], :, 1] = 0
        return np.round(corners + drawn, DECIMALS)

    def place(self, u: Floats, v: Floats) -> Floats:
        """Map positions in the lattice to the ground; (...) each in, (..., 2) out."""
        column = np.clip(np.floor(u).astype(np.int64), 0, self.columns - 1)
        row = np.clip(np.floor(v).astype(np.int64), 0, self.rows - 1)
        s, t = (u - column)[..., None], (v - row)[..., None]
        corners = self.corners
        south = corners[row, column] * (1 - s) + corners[row, column + 1] * s
        north = corners[row + 1, column] * (1 - s) + corners[row + 1, column + 1] * s
        return np.asarray(np.round(south * (1 - t) + north * t, DECIMALS))

    def bands(self) -> Iterator[Band]:
        """All cells, some rows at a time."""
        for first in range(0, self.rows, _BAND_ROWS):
            last = min(first + _BAND_ROWS, self.rows)
            across = self._across(first, last + 1)
            upward = self._upward(first, last)
            rings = np.empty((last - first, self.columns, RING_POINTS, 2))
            a, b = _UPWARD + 1, _ACROSS + 1
            rings[:, :, :a] = upward[:, :-1, :-1]
            rings[:, :, a : a + b] = across[1:, :, :-1]
            rings[:, :, a + b : 2 * a + b] = upward[:, 1:, :0:-1]
            rings[:, :, 2 * a + b : 2 * (a + b)] = across[:-1, :, :0:-1]
            rings[:, :, -1] = rings[:, :, 0]
            below, beside = area_under(across), area_under(upward)
            area = below[:-1] - below[1:] + beside[:, 1:] - beside[:, :-1]
            yield Band(first * self.columns, rings.reshape(-1, RING_POINTS, 2), area.reshape(-1))

    def border_lines(self, region: Ints) -> Shapes:
        """Edges between cells of different regions, and the outer border; regions (rows, columns)."""
        framed = np.pad(region, 1, constant_values=-1)
        lines: list[Shapes] = []
        for first in range(0, self.rows, _BAND_ROWS):
            last = min(first + _BAND_ROWS, self.rows)
            top = last + 1 if last == self.rows else last
            across = framed[first:top, 1:-1] != framed[first + 1 : top + 1, 1:-1]
            upward = framed[first + 1 : last + 1, :-1] != framed[first + 1 : last + 1, 1:]
            lines.append(shapely.linestrings(self._across(first, top)[across]))
            lines.append(shapely.linestrings(self._upward(first, last)[upward]))
        return np.concatenate(lines)

    def _across(self, first: int, last: int) -> Floats:
        """Edges along the rows first to last - 1 of corners, west to east."""
        t, off = self._drawn("across", first, last, self.columns, _ACROSS)
        rows = np.arange(first, last)
        off[(rows == 0) | (rows == self.rows)] = 0
        corners = self.corners[first:last]
        return _edges(corners[:, :-1], corners[:, 1:], t, off)

    def _upward(self, first: int, last: int) -> Floats:
        """Edges from the rows first to last - 1 of corners to the next row, south to north."""
        t, off = self._drawn("upward", first, last, self.columns + 1, _UPWARD)
        off[:, [0, -1]] = 0
        return _edges(self.corners[first:last], self.corners[first + 1 : last + 1], t, off)

    def _drawn(
        self, what: str, first: int, last: int, edges: int, points: int
    ) -> tuple[Floats, Floats]:
        """Where points of edges lie along them, and how far off, both relative, row by row."""
        drawn = np.stack(
            [stream(self.seed, what, row).random((2, edges, points)) for row in range(first, last)]
        )
        t = (np.arange(1, points + 1) + 0.6 * (drawn[:, 0] - 0.5)) / (points + 1)
        return t, 2 * drawn[:, 1] - 1


def _edges(start: Floats, end: Floats, t: Floats, off: Floats) -> Floats:
    """Lines from corner to corner with points beside the straight way, both ends included."""
    way = (end - start)[..., None, :]
    length = np.hypot(way[..., 0], way[..., 1])
    reach = np.minimum(_EDGE_SLOPE * np.minimum(t, 1 - t) * length, _EDGE_M)
    side = np.stack([-way[..., 1], way[..., 0]], axis=-1) / length[..., None]
    between = start[..., None, :] + t[..., None] * way + (off * reach)[..., None] * side
    lines = np.empty((*start.shape[:-1], t.shape[-1] + 2, 2))
    lines[..., 0, :], lines[..., -1, :] = start, end
    lines[..., 1:-1, :] = np.round(between, DECIMALS)
    return lines
