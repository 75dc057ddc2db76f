"""What is wrong with the rows of one file: told of its layer, set aside in the stage, or too much of it."""

from __future__ import annotations

import json
from typing import Any

import psycopg

from pipeline.database import one_row
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.reader import Delivery
from pipeline.steps.refusals import BadRowsError, rows_to_mend
from pipeline.steps.staging import STEP

# What is only told; other notes are warnings.
_TOLD = (
    "note.",
    "encoding.one_byte",
    "encoding.names_differ",
    "crs.parameters_used",
    "crs.on_held",
)


def tell_of_layer(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int, layer: OpenLayer
) -> None:
    """Keep what the reader says of the whole layer, and why rows have no shape where it knows.

    Shape:  a cursor, a delivery with its number and its layer, read to the end, in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, 7.
    """
    cursor.executemany(
        """
        INSERT INTO ops.issue (step, rule, severity, feed, subject_key, delivery_id, params)
        VALUES (%(step)s, %(rule)s, %(severity)s, %(feed)s, %(file)s, %(delivery_id)s, %(params)s::jsonb)
        """,
        [
            {
                "step": STEP,
                "rule": code,
                "severity": "notice" if code.startswith(_TOLD) else "warning",
                "feed": delivery.source.feed,
                "file": delivery.source.name,
                "delivery_id": delivery_id,
                "params": json.dumps(params, ensure_ascii=False, default=str),
            }
            for code, params in layer.notes
        ],
    )
    if layer.row_issues:
        _tell_of_rows(cursor, delivery_id, layer)


def _tell_of_rows(cursor: psycopg.Cursor[Any], delivery_id: int, layer: OpenLayer) -> None:
    """Say why rows have no shape; of several reasons the first."""
    # a table with a key: nothing is known yet of how many issues there are, and each looks up its row
    cursor.execute(
        """
        CREATE TEMP TABLE said (row_number integer PRIMARY KEY, rule text, params jsonb) ON COMMIT DROP
        """
    )
    cursor.execute(
        """
        INSERT INTO said (row_number, rule, params)
        SELECT DISTINCT ON (s.row_number) s.row_number, s.rule, s.params::jsonb
        FROM unnest(%(rows)s::integer[], %(rules)s::text[], %(params)s::text[])
          WITH ORDINALITY AS s (row_number, rule, params, place)
        ORDER BY s.row_number, s.place
        """,
        {
            "rows": [row for row, _, _ in layer.row_issues],
            "rules": [code for _, code, _ in layer.row_issues],
            "params": [
                json.dumps(params, ensure_ascii=False, default=str)
                for _, _, params in layer.row_issues
            ],
        },
    )
    cursor.execute(
        """
        UPDATE ops.issue AS i SET rule = s.rule, params = s.params
        FROM said AS s
        WHERE i.delivery_id = %(delivery_id)s AND i.row_number = s.row_number AND i.rule = 'geometry.missing'
        """,
        {"delivery_id": delivery_id},
    )
    cursor.execute("DROP TABLE said")


def set_aside_outside_scope(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int
) -> None:
    """A snapshot speaks for its scope only.

    Shape:  a cursor, a delivery with its number in; rows of ``stage`` are marked, issues entered.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    if delivery.scope is None or delivery.contract.scope_column is None:
        return
    cursor.execute(
        """
        WITH stray AS (
          UPDATE stage AS s SET outcome = 'quarantined'
          WHERE s.outcome IS NULL AND s.scope_key <> ALL (%(scope)s::text[])
          RETURNING s.file_row, s.subject, s.scope_key
        )
        INSERT INTO ops.issue (step, rule, severity, feed, subject_key, delivery_id, row_number,
          field, value, params)
        SELECT %(step)s, 'row.outside_scope', 'error', %(feed)s, r.subject, %(delivery_id)s, r.file_row,
          %(field)s, r.scope_key, jsonb_build_object('scope', array_to_string(%(scope)s::text[], ', '))
        FROM stray AS r
        """,
        {
            "scope": delivery.scope,
            "step": STEP,
            "feed": delivery.source.feed,
            "field": delivery.contract.scope_column,
            "delivery_id": delivery_id,
        },
    )


def set_aside_duplicates(cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int) -> None:
    """Different rows of a key: none can be believed. Equal rows are one record, with a warning.

    Of equal rows the first brings the content, the others find it there.

    Shape:  a cursor, a delivery with its number in; rows of ``stage`` are marked, issues entered.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute(
        """
        WITH repeated AS (
          SELECT s.key, count(DISTINCT coalesce(s.row_hash, '')) AS contents, min(s.row_number) AS first_row,
            min(s.file_row) AS first_file_row
          FROM stage AS s
          WHERE s.outcome IS NULL
          GROUP BY s.key
          HAVING count(*) > 1
        ), stray AS (
          UPDATE stage AS s SET outcome = CASE WHEN r.contents > 1 THEN 'quarantined' ELSE 'unchanged' END
          FROM repeated AS r
          WHERE s.outcome IS NULL AND s.key = r.key
            AND (r.contents > 1 OR s.row_number <> r.first_row)
          RETURNING s.file_row, s.subject, r.contents, r.first_file_row
        )
        INSERT INTO ops.issue (step, rule, severity, feed, subject_key, delivery_id, row_number,
          params)
        SELECT
          %(step)s,
          CASE WHEN d.contents > 1 THEN 'row.duplicate_key' ELSE 'row.duplicate' END,
          CASE WHEN d.contents > 1 THEN 'error' ELSE 'warning' END,
          %(feed)s, d.subject, %(delivery_id)s, d.file_row,
          jsonb_build_object('first_row', d.first_file_row)
        FROM stray AS d
        -- a parcel that went to several is named once for each
        WHERE NOT %(takes_out)s
        """,
        {
            "step": STEP,
            "feed": delivery.source.feed,
            "delivery_id": delivery_id,
            "takes_out": delivery.source.takes_out,
        },
    )


def refuse_bad(
    cursor: psycopg.Cursor[Any], delivery: Delivery, layer: OpenLayer, delivery_id: int
) -> None:
    """Refuse a file of which too much cannot be used.

    Shape:  a cursor, a delivery with its number and its layer in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: BadRowsError: source.too_many_bad_rows.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute(
        """
        SELECT
          (SELECT count(DISTINCT s.file_row) FROM stage AS s),
          (SELECT count(DISTINCT i.row_number) FROM ops.issue AS i
           WHERE i.delivery_id = %(delivery_id)s AND i.severity = 'error'),
          EXISTS (SELECT 1 FROM stage AS s WHERE s.outcome IS NULL),
          (SELECT i.rule FROM ops.issue AS i
           WHERE i.delivery_id = %(delivery_id)s AND i.severity = 'error'
           GROUP BY i.rule ORDER BY count(*) DESC, i.rule LIMIT 1)
        """,
        {"delivery_id": delivery_id},
    )
    rows, bad, has_good, rule = one_row(cursor)
    contract = delivery.contract
    is_too_much = bad > contract.min_bad_rows and bad > contract.max_bad_share * rows
    if is_too_much or (bad and not has_good):
        error = BadRowsError(
            "source.too_many_bad_rows",
            file=delivery.source.name,
            layer=layer.name,
            feed=delivery.source.feed,
            bad=bad,
            rows=rows,
            rule=rule,
        )
        # the transaction takes them back
        error.rows = rows_to_mend(cursor, delivery_id)
        raise error
