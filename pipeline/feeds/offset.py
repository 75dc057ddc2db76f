"""A layer moved as a whole against land that is held: what another datum or a web map does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

_Coordinates = npt.NDArray[np.float64]

# Farther than any old datum or web map moves a place, metres.
_REACH_M = 1_500.0
# Shifts within a square of this side are the same, metres.
_CELL_M = 2.0
_ROW = 1_000_000
# So many neighbouring points are compared: a web map's shift changes by metres over kilometres.
_POINTS = 400
_MIN_POINTS = 20
# Half of them must agree on one shift, and twice as many as on any other.
_MIN_SHARE = 0.5
_OTHER_CELLS = 3


def measured_offset(points: _Coordinates, held: _Coordinates) -> tuple[float, float] | None:
    """Find the one shift that brings points of a layer onto points held of the same land.

    Every pair of near points votes for the shift between them; where the same land is on both
    sides, one shift gets a vote from nearly each point.

    Shape:  middles of shapes (n, 2), and of those held (m, 2), in; east and north that the layer
            lies off, or None where the two have no points in common, or agree on several shifts.
    Units:  metres, to less than one.
    CRS:    both in the county's.
    Errors: none.
    Source: docs/sources.md, 3.4 (old datums: metres to over 100 m) and 7 (web maps: up to 700 m);
            shares are *default chosen*.
    """
    points = points[np.isfinite(points).all(axis=1)]
    held = held[np.isfinite(held).all(axis=1)]
    if len(points) < _MIN_POINTS or len(held) < _MIN_POINTS:
        return None
    from_middle = np.abs(points - np.median(points, axis=0)).max(axis=1)
    chosen = points[np.argsort(from_middle, kind="stable")[:_POINTS]]
    # only held points that the reach of the chosen ones can meet
    low, high = chosen.min(axis=0) - _REACH_M, chosen.max(axis=0) + _REACH_M
    held = held[((held >= low) & (held <= high)).all(axis=1)]
    if len(held) < _MIN_POINTS:
        return None
    tree = shapely.STRtree(shapely.points(held))
    one, other = tree.query(shapely.points(chosen), predicate="dwithin", distance=_REACH_M)
    shifts = chosen[one] - held[other]
    if len(shifts) == 0:
        return None
    # four grids, each half a cell aside: a shift on the edge of one is in the middle of another
    peaks = [_peak(shifts, east, north) for east in (0.0, 0.5) for north in (0.0, 0.5)]
    most, best, of_others = max(peaks)
    if most < max(_MIN_POINTS, _MIN_SHARE * len(chosen)) or 2 * of_others > most:
        return None
    agreeing = (np.abs(shifts - shifts[best]) <= _CELL_M).all(axis=1)
    middle = np.median(shifts[agreeing], axis=0)
    return float(middle[0]), float(middle[1])


def _peak(shifts: _Coordinates, east: float, north: float) -> tuple[int, int, int]:
    """Votes of the best cell, one shift in it, and votes of the best cell not near it."""
    cells = np.floor(shifts / _CELL_M + np.array([east, north])).astype(np.int64)
    _, first, votes = np.unique(
        cells[:, 0] * _ROW + cells[:, 1], return_index=True, return_counts=True
    )
    best = int(np.argmax(votes))
    is_far = (np.abs(cells[first] - cells[first[best]]) > _OTHER_CELLS).any(axis=1)
    others = int(votes[is_far].max()) if is_far.any() else 0
    return int(votes[best]), int(first[best]), others
