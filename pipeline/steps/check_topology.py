"""Borders of survey patches on which no other patch lies.

Patches tile the county: each edge of a border is walked twice, once by the patch on either side and
in the opposite direction. What is left over when these are struck out is the edge of the county, of
a gap, or of an overlap. That is one sort of all edges, where comparing 300,000 patches pair by pair
would take the server half a minute; what lies between the left-over borders is then found there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
import shapely
from sqlalchemy import Connection

from pipeline.database import read_sql

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint64]
Shapes = npt.NDArray[Any]

# Points nearer than a tenth of a millimetre are one: delivered coordinates have no more digits.
_PER_METRE = 10_000
_ON_EDGE = 10
_BATCH = 20_000
_DIRECTION = np.uint64(1)

# Patches of these codes, and all that touch them.
_AROUND = """
    SELECT n.patch_code, bool_or(n.patch_code = a.patch_code), ST_AsBinary(n.geom)
    FROM core.patch AS a
    JOIN core.patch AS n ON n.to_run IS NULL AND n.vintage = a.vintage AND n.geom && ST_Expand(a.geom, 0.001)
    WHERE a.to_run IS NULL AND a.vintage = %(vintage)s AND a.patch_code = ANY (%(codes)s)
    GROUP BY n.patch_code, n.geom
    ORDER BY n.patch_code
"""
_SRID = "SELECT srid FROM geometry_columns WHERE f_table_schema = 'derived' AND f_table_name = 'patch_border'"


def patch_border_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.patch_border in scope.

    Shape:  one row per patch with an edge on which no other patch lies in the other direction.
    Units:  metres.
    CRS:    geom is a multi-line as hex EWKB in the county's CRS, on a grid of 0.1 mm.
    Errors: none.
    Source: docs/sources.md, Design 2 (survey patches tile the county).
    """
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    vintage = {"vintage": parameters["vintage"]}
    # as SQLAlchemy's text() reads it, for a cursor that gives bytes
    query = read_sql("sql", "steps", "check_topology", "patch_border.sql")
    query = query.replace(":vintage", "%(vintage)s")
    names: list[str] = []
    codes: list[Codes] = [np.zeros(0, dtype=np.uint64)]
    owners: list[Ints] = [np.zeros(0, dtype=np.int64)]
    for name, is_target, shapes in _batches(driver, query, vintage):
        points, first, owner = border_edges(shapes)
        codes.append(edge_codes(points, first))
        owners.append(np.where(is_target, np.arange(len(names), len(names) + len(name)), -1)[owner])
        names += name
    odd = unmatched_codes(np.concatenate(codes))
    found = [owner[_is_among(code, odd)] for code, owner in zip(codes, owners, strict=True)]
    chosen = np.unique(np.concatenate(found))
    del codes, owners, found
    wanted = {**vintage, "codes": [names[place] for place in chosen if place >= 0]}
    names, targets, ends = [], [np.zeros(0, dtype=np.int64)], [np.zeros((0, 2, 2), dtype=np.int64)]
    for name, is_target, shapes in _batches(driver, _AROUND, wanted):
        points, first, owner = border_edges(shapes)
        is_odd = _is_among(edge_codes(points, first), odd)
        ends.append(np.stack([points[first[is_odd]], points[first[is_odd] + 1]], axis=1))
        targets.append(
            np.where(is_target, np.arange(len(names), len(names) + len(name)), -1)[owner[is_odd]]
        )
        names += name
    piece, place = split_edges(np.concatenate(ends))
    code = edge_codes(piece.reshape(-1, 2), np.arange(0, 2 * len(piece), 2))
    owner = np.concatenate(targets)[place]
    is_open = _is_among(code, unmatched_codes(code)) & (owner >= 0)
    patch, group = np.unique(owner[is_open], return_inverse=True)
    lines = shapely.linestrings(piece[is_open] / _PER_METRE)
    borders = shapely.multilinestrings(lines, indices=group)
    srid = driver.execute(_SRID).fetchone()[0]
    return pd.DataFrame(
        {
            "patch_code": np.array(names, dtype=object)[patch],
            "geom": shapely.to_wkb(shapely.set_srid(borders, srid), hex=True, include_srid=True),
        },
        dtype=str,
    )


def border_edges(shapes: Shapes) -> tuple[Ints, Ints, Ints]:
    """The edges of polygons, each with its polygon on the left.

    Shape:  n polygons or multipolygons in; out all their points as (p, 2), the places among these
            of the first ends of m edges (the second end is the next point), and for each edge the
            place of its polygon among the n.
    Units:  metres in; tenths of millimetres out.
    CRS:    any plane one.
    Errors: none.
    Source: docs/sources.md, Design 2.
    """
    parts, owner = shapely.get_parts(shapes, return_index=True)
    rings, part = shapely.get_rings(shapely.orient_polygons(parts), return_index=True)
    places, ring = shapely.get_coordinates(rings, return_index=True)
    points = np.rint(places * _PER_METRE).astype(np.int64)
    first = np.flatnonzero(ring[1:] == ring[:-1])
    return points, first, owner[part[ring[first]]]


def edge_codes(points: Ints, first: Ints) -> Codes:
    """A number for each edge, the same for all that walk it; the last bit is the direction.

    Shape:  (p, 2) points and the places of m first ends in; m numbers out.
    Units:  tenths of millimetres in.
    CRS:    any plane one.
    Errors: none; an edge without length is 0, in both directions at once.
    Source: SplitMix64 (Steele, Lea, Flood 2014).
    """
    point = _mixed(_mixed(points[:, 0].astype(np.uint64)) ^ points[:, 1].astype(np.uint64))
    one, other = point[first], point[first + 1]
    is_forward = one < other
    low: Codes = np.where(is_forward, one, other)
    high: Codes = np.where(is_forward, other, one)
    with np.errstate(over="ignore"):
        code = (_mixed(low * np.uint64(3) ^ high) & ~_DIRECTION) | is_forward
    code[one == other] = 0
    return code


def unmatched_codes(codes: Codes) -> Codes:
    """The edges that are walked more often in one direction than in the other, in order.

    Shape:  m numbers of ``edge_codes`` in; one number per such edge out, without its direction.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Design 2.
    """
    ordered = np.sort(codes[codes != 0])
    if not len(ordered):
        return ordered
    edge = ordered & ~_DIRECTION
    start = np.flatnonzero(np.r_[True, edge[1:] != edge[:-1]])
    walks = np.diff(np.r_[start, len(ordered)])
    forward = np.add.reduceat((ordered & _DIRECTION).astype(np.int64), start)
    odd: Codes = edge[start[2 * forward != walks]]
    return odd


def split_edges(ends: Ints) -> tuple[Ints, Ints]:
    """Edges cut where another one ends on them, so that they can be compared piece by piece.

    Where three patches meet, the one whose border runs straight through may have no point there.

    Shape:  (m, 2, 2) ends in; (k, 2, 2) ends of the pieces and the place of each one's edge among
            the m out, in the order of the edges and along them.
    Units:  tenths of millimetres; an end nearer than a millimetre lies on the edge.
    CRS:    any plane one.
    Errors: none.
    Source: docs/sources.md, Design 2.
    """
    nodes = np.unique(ends.reshape(-1, 2), axis=0)
    edge, node = shapely.STRtree(shapely.points(nodes)).query(
        shapely.linestrings(ends), predicate="dwithin", distance=_ON_EDGE
    )
    start, along = ends[edge, 0], ends[edge, 1] - ends[edge, 0]
    step = ((nodes[node] - start) * along).sum(axis=1) / (along**2).sum(axis=1)
    inner = (step > 0) & (step < 1) & (nodes[node] != ends[edge, 1]).any(axis=1)
    every = np.arange(len(ends))
    edges = np.concatenate([every, edge[inner], every])
    steps = np.concatenate([np.zeros(len(ends)), step[inner], np.ones(len(ends))])
    points = np.concatenate([ends[:, 0], nodes[node[inner]], ends[:, 1]])
    order = np.lexsort([points[:, 1], points[:, 0], steps, edges])
    edges, points = edges[order], points[order]
    first = np.flatnonzero(edges[1:] == edges[:-1])
    return np.stack([points[first], points[first + 1]], axis=1), edges[first]


def _is_among(codes: Codes, odd: Codes) -> npt.NDArray[np.bool_]:
    """Which edges are among those of ``unmatched_codes``."""
    if not len(odd):
        return np.zeros(len(codes), dtype=bool)
    edge = codes & ~_DIRECTION
    found: npt.NDArray[np.bool_] = odd[np.minimum(np.searchsorted(odd, edge), len(odd) - 1)] == edge
    return found


def _batches(
    driver: psycopg.Connection[Any], query: str, parameters: Mapping[str, object]
) -> Iterator[tuple[list[str], npt.NDArray[np.bool_], Shapes]]:
    """Code, whether it is in scope, and shape of patches, so many at a time."""
    with driver.cursor("patch_border", row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute(query, parameters, binary=True)
        while rows := cursor.fetchmany(_BATCH):
            name, is_target, shape = zip(*rows, strict=True)
            yield list(name), np.array(is_target), shapely.from_wkb(np.array(shape, dtype=object))


def _mixed(numbers: Codes) -> Codes:
    """Numbers of 64 bits, mixed so that near ones are far from each other."""
    with np.errstate(over="ignore"):
        mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
