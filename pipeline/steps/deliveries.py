"""What ``ops.delivery`` knows of deliveries: which came before, that one comes, what became of its rows."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from pipeline.database import one_row
from pipeline.errors import SourceError
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.clean import MELT_STRIDE
from pipeline.feeds.discover import SourceFile
from pipeline.feeds.headings import delivered_names
from pipeline.feeds.reader import Delivery
from pipeline.steps.changes import carry_over

# The order of scopes in the array is that of SourceFile: sorted.
SAME_SCOPE = (
    "d.feed = %(feed)s AND d.scope IS NOT DISTINCT FROM %(scope)s::text[] "
    "AND d.since IS NOT DISTINCT FROM %(since)s::date"
)
SAME_CONTENT = "d.content_hash = %(content_hash)s AND d.contract_hash = %(contract_hash)s"
SAME_DELIVERY = f"{SAME_SCOPE} AND {SAME_CONTENT} AND d.data_date = %(data_date)s"


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one file as one feed.

    ``loaded``: a new delivery; ``known``: the same content is loaded, held or withdrawn already;
    ``not_due``: its date is later than the business date.
    """

    source: SourceFile
    state: Literal["loaded", "known", "not_due"]
    data_date: dt.date
    delivery_id: int | None = None
    row_count: int = 0
    kept_count: int = 0
    unchanged_count: int = 0
    quarantined_count: int = 0
    ignored_lines: int = 0


def is_known(cursor: psycopg.Cursor[Any], delivery: Delivery) -> bool:
    """Whether loading this again would say nothing new, or undo what a person took out.

    Shape:  a cursor and a delivery in; a bool out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute(
        f"""
        SELECT
          EXISTS (
            -- what was said last of this day; half a file, the whole one and the half again are three
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state <> 'refused' AND {SAME_SCOPE} AND d.data_date = %(data_date)s
                AND d.takes_out = %(takes_out)s
              ORDER BY d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {SAME_CONTENT}
          ) OR EXISTS (
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state IN ('loaded', 'consumed') AND {SAME_SCOPE}
              ORDER BY d.data_date DESC, d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {SAME_CONTENT}
          ) OR EXISTS (
            -- a file without a date that still lies where it lay is no news, whatever came since
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state IN ('loaded', 'consumed') AND NOT d.is_dated AND NOT %(is_dated)s
                AND {SAME_SCOPE}
              ORDER BY d.data_date DESC, d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {SAME_CONTENT}
          ) OR EXISTS (
            -- taken out by a person, unless its office has said something else since
            SELECT 1 FROM ops.delivery AS d
            WHERE d.state IN ('held', 'withdrawn') AND {SAME_SCOPE} AND {SAME_CONTENT}
              AND NOT EXISTS (
                SELECT 1 FROM ops.delivery AS n
                WHERE n.feed = d.feed AND n.scope IS NOT DISTINCT FROM d.scope
                  AND n.since IS NOT DISTINCT FROM d.since AND n.is_dated = d.is_dated
                  AND n.takes_out = d.takes_out
                  AND n.state IN ('loaded', 'consumed') AND n.delivery_id > d.delivery_id
              )
          )
        """,  # noqa: S608 - the parts are constants of this module
        delivery.identity,
    )
    return bool(one_row(cursor)[0])


def refuse_mixed_scope(cursor: psycopg.Cursor[Any], delivery: Delivery) -> None:
    """A township's file replaces its part of the county's only where rows say their township.

    Shape:  a cursor and a delivery in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.mixed_scope.
    Source: docs/sources.md, Design 3 (delivery).
    """
    if delivery.scope is None or delivery.contract.scope_column is not None:
        return
    cursor.execute(
        """
        SELECT d.file FROM ops.delivery AS d
        WHERE d.feed = %(feed)s AND d.scope IS NULL AND d.state IN ('loaded', 'consumed')
        ORDER BY d.data_date DESC, d.delivery_id DESC
        LIMIT 1
        """,
        {"feed": delivery.source.feed},
    )
    whole = cursor.fetchone()
    if whole is not None:
        raise SourceError(
            "source.mixed_scope",
            file=delivery.source.name,
            feed=delivery.source.feed,
            scope=", ".join(delivery.scope),
            whole=whole[0],
        )


def insert_delivery(cursor: psycopg.Cursor[Any], delivery: Delivery, layer: OpenLayer) -> int:
    """Enter a delivery of which a layer was opened.

    Shape:  a cursor, the delivery and its layer in; its number out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute(
        """
        INSERT INTO ops.delivery (feed, scope, data_date, since, is_dated, takes_out, content_hash, contract_hash,
          file, layer, source_crs, source_encoding)
        VALUES (%(feed)s, %(scope)s::text[], %(data_date)s, %(since)s, %(is_dated)s, %(takes_out)s, %(content_hash)s,
          %(contract_hash)s, %(file)s, %(layer)s, %(crs)s, %(encoding)s)
        RETURNING delivery_id
        """,
        {
            **delivery.identity,
            "file": delivery.source.name,
            "layer": layer.name,
            "crs": layer.crs,
            "encoding": layer.encoding,
        },
    )
    return int(one_row(cursor)[0])


def keep_rows(
    cursor: psycopg.Cursor[Any],
    delivery: Delivery,
    delivery_id: int,
    layer: OpenLayer,
    columns: list[str],
) -> DeliveryResult:
    """Say of every row what became of it, and count.

    Shape:  a cursor, a delivery with its number and its layer, and the columns of its raw table in; the
            result out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute(
        """
        INSERT INTO ops.delivered (delivery_id, row_number, key, has_person, scope_key, part, source_hash, row_hash, outcome)
        SELECT
          %(delivery_id)s, s.row_number, s.key, coalesce(s.key <> s.subject, false), s.scope_key, s.part,
          CASE WHEN s.outcome IS NULL THEN s.source_hash END,
          CASE WHEN s.outcome IS DISTINCT FROM 'quarantined' THEN s.row_hash END,
          coalesce(s.outcome, CASE WHEN s.is_new OR s.row_hash IS NULL THEN 'kept' ELSE 'unchanged' END)
        FROM stage AS s
        """,
        {"delivery_id": delivery_id},
    )
    if delivery.contract.carries_parts and delivery.source.is_changes:
        carry_over(cursor, delivery, delivery_id, columns)
    used = layer.match.used
    detail = {
        "unused_headings": [h for i, h in enumerate(layer.headings) if i not in used and h],
        "ignored_line_count": layer.ignored_lines.count,
        "ignored_lines": layer.ignored_lines.first,
        # how its office calls what it gave
        "columns": delivered_names(layer.match, layer.headings),
        # where records are cells of a wide table, delivered.row_number is row * stride + place
        "row_stride": MELT_STRIDE if layer.match.is_melted else 1,
    }
    cursor.execute(
        """
        WITH counted AS (
          SELECT
            count(*) FILTER (WHERE r.outcome <> 'carried') AS rows,
            count(*) FILTER (WHERE r.outcome = 'carried') AS carried,
            array_agg(DISTINCT r.part) FILTER (WHERE r.outcome <> 'quarantined' AND r.part IS NOT NULL) AS parts,
            count(*) FILTER (WHERE r.outcome = 'kept') AS kept,
            count(*) FILTER (WHERE r.outcome = 'unchanged') AS unchanged,
            count(*) FILTER (WHERE r.outcome = 'quarantined') AS quarantined
          FROM ops.delivered AS r
          WHERE r.delivery_id = %(delivery_id)s
        )
        UPDATE ops.delivery AS d
        SET row_count = c.rows, kept_count = c.kept, unchanged_count = c.unchanged,
          quarantined_count = c.quarantined, carried_count = c.carried, parts = c.parts, detail = %(detail)s::jsonb
        FROM counted AS c
        WHERE d.delivery_id = %(delivery_id)s
        RETURNING d.row_count, d.kept_count, d.unchanged_count, d.quarantined_count
        """,
        {"delivery_id": delivery_id, "detail": json.dumps(detail, ensure_ascii=False)},
    )
    rows, kept, unchanged, quarantined = one_row(cursor)
    return DeliveryResult(
        source=delivery.source,
        state="loaded",
        data_date=delivery.data_date,
        delivery_id=delivery_id,
        row_count=rows,
        kept_count=kept,
        unchanged_count=unchanged,
        quarantined_count=quarantined,
        ignored_lines=layer.ignored_lines.count,
    )
