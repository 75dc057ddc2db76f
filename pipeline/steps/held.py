"""What is held already, by which a file that comes is placed and its rows are known again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from pipeline.feeds.discover import states_crs
from pipeline.feeds.memory import Memory
from pipeline.feeds.place import Known
from pipeline.feeds.reader import Delivery
from pipeline.steps.deliveries import SAME_SCOPE


def land_held(cursor: psycopg.Cursor[Any]) -> Known:
    """Where land lies that is held: the boxes of townships and zones, else of the patches of each.

    Shape:  a cursor in, boxes out, none where nothing is held.
    Units:  metres.
    CRS:    the county's.
    Errors: those of the database.
    Source: docs/sources.md, 3.4 (overlay with a layer of known CRS).
    """
    cursor.execute(
        """
        WITH place AS (
          SELECT box2d(a.geom) AS box, a.kind
          FROM core.area AS a
          WHERE a.to_run IS NULL AND a.geom IS NOT NULL
        ), patch AS (
          SELECT ST_Extent(p.geom) AS box
          FROM core.patch AS p
          WHERE p.to_run IS NULL AND NOT EXISTS (SELECT 1 FROM place AS a WHERE a.kind = 'township')
          GROUP BY p.township_code
        )
        SELECT ST_XMin(b.box), ST_YMin(b.box), ST_XMax(b.box), ST_YMax(b.box)
        FROM (SELECT box FROM place UNION ALL SELECT box FROM patch) AS b
        WHERE b.box IS NOT NULL
        """
    )
    rows = cursor.fetchall()
    return Known(boxes=np.array(rows, dtype=np.float64)) if rows else Known()


def with_middles(cursor: psycopg.Cursor[Any], delivery: Delivery, held: Known) -> Known:
    """The same with the middles of the feed's shapes, by which a file without a CRS is proved.

    Shape:  a cursor, a delivery and the land held in; the same land, with middles where they are of use, out.
    Units:  metres.
    CRS:    the county's.
    Errors: those of psycopg.
    Source: docs/sources.md, 3.4 (overlay with a layer of known CRS).
    """
    if held.is_nothing or delivery.contract.geometry != "polygon" or states_crs(delivery.source):
        return held
    cursor.execute(
        sql.SQL(
            """
            SELECT (ST_XMin(t.geom) + ST_XMax(t.geom)) / 2, (ST_YMin(t.geom) + ST_YMax(t.geom)) / 2
            FROM {} AS t WHERE t.to_run IS NULL AND t.geom IS NOT NULL
            """
        ).format(sql.Identifier("core", delivery.source.feed))
    )
    rows = cursor.fetchall()
    return replace(held, middles=np.array(rows, dtype=np.float64)) if rows else held


def remember(cursor: psycopg.Cursor[Any], delivery: Delivery) -> Memory | None:
    """The clean rows of the last delivery of the same feed, scope and contract up to its day.

    Shape:  a cursor and a delivery in; a Memory, or None where there is no such delivery, out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    cursor.execute(
        f"""
        SELECT r.source_hash, r.key, r.has_person, r.scope_key, r.part, r.row_hash
        FROM ops.delivered AS r
        WHERE r.source_hash IS NOT NULL AND r.delivery_id = (
          SELECT d.delivery_id
          FROM ops.delivery AS d
          WHERE {SAME_SCOPE} AND d.contract_hash = %(contract_hash)s AND d.state IN ('loaded', 'consumed')
            AND d.data_date <= %(data_date)s
          ORDER BY d.data_date DESC, d.delivery_id DESC
          LIMIT 1
        )
        """,  # noqa: S608 - a constant of another module
        delivery.identity,
    )
    rows = cursor.fetchall()
    contract = delivery.contract
    personal = [contract.columns[name].personal for name in contract.key]
    return Memory(rows, personal) if rows else None
