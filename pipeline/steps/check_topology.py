"""Borders of survey patches on which no other patch lies.

Patches tile the county: each edge of a border is walked twice, once by the patch on either side and
in the opposite direction. What is left over when these are struck out is the edge of the county, of
a gap, or of an overlap. That is one sort of all edges, where comparing 300,000 patches pair by pair
would take the server half a minute; what lies between the left-over borders is then found there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from sqlalchemy import Connection, text

from pipeline._paths import data_path

Ints = npt.NDArray[np.int64]

# Points nearer than a tenth of a millimetre are one: delivered coordinates have no more digits.
_PER_METRE = 10_000
_BATCH = 20_000
# Multipliers of SplitMix64.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def patch_border_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.patch_border in scope.

    Shape:  one row per patch with an edge on which no other patch lies in the other direction.
    Units:  metres.
    CRS:    geom is a multi-line as hex EWKB in the county's CRS, on a grid of 0.1 mm.
    Errors: none.
    Source: docs/sources.md, Design 2 (survey patches tile the county).
    """
    query = data_path("sql", "steps", "check_topology", "patch_border.sql").read_text("utf-8")
    codes: list[str] = []
    wanted: list[bool] = []
    edges: list[Ints] = []
    owners: list[Ints] = []
    statement = text(query).execution_options(yield_per=_BATCH)
    with connection.execute(statement, {"vintage": parameters["vintage"]}) as result:
        for rows in result.partitions():
            shapes = shapely.from_wkb([row.shape for row in rows])
            edge, owner = directed_edges(shapes)
            edges.append(edge)
            owners.append(owner + len(codes))
            codes += [row.patch_code for row in rows]
            wanted += [row.is_target for row in rows]
    srid = connection.execute(text("SELECT Find_SRID('core', 'patch', 'geom')")).scalar_one()
    if not codes:
        return pd.DataFrame({"patch_code": [], "geom": []}, dtype=str)
    edge = np.concatenate(edges)
    owner = np.concatenate(owners)
    chosen = np.flatnonzero(unmatched(edge) & np.array(wanted)[owner])
    lines = shapely.linestrings(edge[chosen].reshape(-1, 2, 2) / _PER_METRE)
    patch, place = np.unique(owner[chosen], return_inverse=True)
    order = np.argsort(place, kind="stable")
    borders = shapely.multilinestrings(lines[order], indices=place[order])
    return pd.DataFrame(
        {
            "patch_code": np.array(codes, dtype=object)[patch],
            "geom": shapely.to_wkb(shapely.set_srid(borders, srid), hex=True, include_srid=True),
        }
    )


def directed_edges(shapes: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """The edges of polygons, each with its polygon on the left.

    Shape:  n polygons or multipolygons in; out the ends x, y, x, y of m edges as (m, 4), and for
            each the place of its polygon among the n.
    Units:  metres in; tenths of millimetres out.
    CRS:    any plane one.
    Errors: none; an edge shorter than 0.1 mm is left out.
    Source: docs/sources.md, Design 2.
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(shapely.orient_polygons(parts), return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    grid = np.rint(points * _PER_METRE).astype(np.int64)
    edge = np.concatenate([grid[:-1], grid[1:]], axis=1)
    kept = (ring[1:] == ring[:-1]) & (edge[:, :2] != edge[:, 2:]).any(axis=1)
    return edge[kept], owner[part[ring[:-1][kept]]]


def unmatched(edge: Ints) -> npt.NDArray[np.bool_]:
    """Which edges are walked more often in one direction than in the other.

    Shape:  (m, 4) ends of edges in; m out.
    Units:  tenths of millimetres.
    CRS:    any plane one.
    Errors: none.
    Source: docs/sources.md, Design 2.
    """
    first, second = edge[:, :2], edge[:, 2:]
    is_forward = (first[:, 0] < second[:, 0]) | (
        (first[:, 0] == second[:, 0]) & (first[:, 1] < second[:, 1])
    )
    low = np.where(is_forward[:, None], first, second)
    high = np.where(is_forward[:, None], second, first)
    # the last bit says the direction, the others which edge it is
    code = (_mixed(low[:, 0], low[:, 1], high[:, 0], high[:, 1]) & ~np.uint64(1)) | is_forward
    ordered = np.sort(code)
    start = np.flatnonzero(np.r_[True, ordered[1:] >> np.uint64(1) != ordered[:-1] >> np.uint64(1)])
    walks = np.diff(np.r_[start, len(ordered)])
    forward = np.add.reduceat((ordered & np.uint64(1)).astype(np.int64), start)
    odd = ordered[start[2 * forward != walks]] >> np.uint64(1)
    return np.isin(code >> np.uint64(1), odd)


def _mixed(*columns: Ints) -> npt.NDArray[np.uint64]:
    """One number of 64 bits for each row of whole numbers."""
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            mixed = (mixed ^ column.astype(np.uint64)) * _MIX[0]
            mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX[1]
            mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX[2]
            mixed ^= mixed >> np.uint64(31)
    return mixed
