"""Deliveries of changes: what they must meet, what they take out, what a new year leaves as it was."""

from __future__ import annotations

import datetime as dt
from typing import Any

import psycopg
from psycopg import sql

from pipeline.errors import SourceError
from pipeline.feeds.reader import Delivery


def refuse_gap(cursor: psycopg.Cursor[Any], delivery: Delivery) -> None:
    """Changes are of use only from the state that is held before them: the day on which it ends.

    What stands for a later day does not matter: the same changes may be read anew, under another
    contract, when later ones are held already.

    Shape:  a cursor and a delivery, of changes or not, in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError source.changes_without_period, source.changes_of_nothing,
            source.changes_do_not_meet.
    Source: docs/sources.md, Design 3 (delivery).
    """
    source = delivery.source
    if not source.is_changes:
        return
    place = {"file": source.name, "feed": source.feed}
    if source.since is None or source.since >= delivery.data_date:
        raise SourceError("source.changes_without_period", **place)
    cursor.execute(
        """
        SELECT DISTINCT ON (d.scope) d.data_date, d.file, d.parts, d.scope
        FROM ops.delivery AS d
        WHERE d.feed = %(feed)s AND d.state IN ('loaded', 'consumed') AND d.data_date < %(data_date)s
          AND (d.scope IS NULL OR %(scope)s::text[] IS NULL OR d.scope && %(scope)s::text[])
        ORDER BY d.scope, d.data_date DESC, d.delivery_id DESC
        """,
        delivery.identity,
    )
    held = cursor.fetchall()
    if not held:
        raise SourceError("source.changes_of_nothing", since=source.since, **place)
    if source.is_yearly and delivery.contract.carries_parts:
        # the survey of a year is known by its year; it may have come long after its last day
        year = str(source.since.year)
        years = {part for row in held for part in row[2] or ()}
        gaps = [] if max(years, default="") == year else held
    else:
        # a township that came after the county stands for itself
        whole = max((row[0] for row in held if row[3] is None), default=dt.date.min)
        gaps = [row for row in held if row[0] >= whole and row[0] != source.since]
    if gaps:
        raise SourceError(
            "source.changes_do_not_meet",
            since=source.since,
            last=gaps[0][0],
            last_file=gaps[0][1],
            **place,
        )


def judge_taken_out(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int, step: str
) -> None:
    """Say which rows take out what is not there; a file of pairs leaves what its package puts.

    Shape:  a cursor in a transaction with the stage of the delivery in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: docs/how-it-decides.md, section 1.
    """
    values = {
        "step": step,
        "feed": delivery.source.feed,
        "delivery_id": delivery_id,
        "data_date": delivery.data_date,
        "since": delivery.source.since,
        "takes_out": delivery.source.takes_out,
    }
    cursor.execute(
        """
        UPDATE stage AS s SET outcome = 'unchanged'
        WHERE %(takes_out)s AND s.outcome IS NULL AND s.row_hash IS NULL AND EXISTS (
          SELECT 1
          FROM ops.delivery AS d
          JOIN ops.delivered AS r ON r.delivery_id = d.delivery_id AND r.key = s.key
          WHERE d.feed = %(feed)s AND d.state IN ('loaded', 'consumed') AND d.data_date = %(data_date)s
            AND d.since = %(since)s AND r.outcome IN ('kept', 'unchanged') AND r.row_hash IS NOT NULL
        )
        """,
        values,
    )
    cursor.execute(
        """
        INSERT INTO ops.issue (step, rule, severity, feed, subject_key, delivery_id, row_number)
        SELECT %(step)s, 'row.takes_out_nothing', 'warning', %(feed)s, s.subject, %(delivery_id)s, s.file_row
        FROM stage AS s
        WHERE s.outcome IS NULL AND s.row_hash IS NULL
          AND NOT EXISTS (SELECT 1 FROM ops.live_row(%(feed)s) AS l WHERE l.key = s.key)
        """,
        values,
    )


def carry_over(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int, columns: list[str]
) -> None:
    """The package of a new year leaves all that it does not name as it was in the year before.

    Only the first package of a year does; what it says of itself has been stored already. The rows
    carried over are those of the year before with the year put in its place, in the key as well.

    Shape:  a cursor in a transaction that has stored the delivery, and the columns of its raw table,
            in; nothing out.
    Units:  none.
    CRS:    the county's.
    Errors: those of the database.
    Source: docs/sources.md, 3.5.
    """
    part = delivery.contract.part
    assert part is not None  # noqa: S101 - a contract that carries has one
    assert delivery.contract.key[0] == part  # noqa: S101 - the key is written anew from its first column
    feed = delivery.source.feed
    values = {"feed": feed, "delivery_id": delivery_id}
    cursor.execute(
        """
        WITH live AS (
          SELECT l.delivery_id, r.part
          FROM ops.live_row(%(feed)s) AS l
          JOIN ops.delivered AS r ON r.delivery_id = l.delivery_id AND r.row_number = l.row_number
        ),
        own AS (
          SELECT min(r.part) AS part, count(DISTINCT r.part) AS parts
          FROM ops.delivered AS r
          WHERE r.delivery_id = %(delivery_id)s AND r.outcome <> 'quarantined'
        )
        SELECT o.part, (SELECT max(l.part) FROM live AS l WHERE l.part < o.part)
        FROM own AS o
        WHERE o.parts = 1
          AND NOT EXISTS (SELECT 1 FROM live AS l WHERE l.part = o.part AND l.delivery_id <> %(delivery_id)s)
        """,
        values,
    )
    years = cursor.fetchone()
    if years is None or years[1] is None:
        return
    cursor.execute(
        sql.SQL(
            """
            WITH carried AS (
              SELECT
                decode(md5(encode(l.row_hash, 'hex') || ' ' || %(new)s), 'hex') AS row_hash,
                l.row_hash AS from_hash,
                %(new)s || substr(l.key, length(%(old)s) + 1) AS key,
                r.scope_key
              FROM ops.live_row(%(feed)s) AS l
              JOIN ops.delivered AS r ON r.delivery_id = l.delivery_id AND r.row_number = l.row_number
              WHERE r.part = %(old)s AND (%(scope)s::text[] IS NULL OR r.scope_key = ANY (%(scope)s::text[]))
            ),
            left_alone AS (
              SELECT c.*
              FROM carried AS c
              WHERE NOT EXISTS (
                SELECT 1 FROM ops.delivered AS d WHERE d.delivery_id = %(delivery_id)s AND d.key = c.key)
            ),
            stored AS (
              INSERT INTO {table} (row_hash, {part}, {others})
              SELECT DISTINCT ON (c.row_hash) c.row_hash, CAST(%(new)s AS integer), {from_others}
              FROM left_alone AS c
              JOIN {table} AS t ON t.row_hash = c.from_hash
              WHERE NOT EXISTS (SELECT 1 FROM {table} AS o WHERE o.row_hash = c.row_hash)
            )
            INSERT INTO ops.delivered (delivery_id, row_number, key, scope_key, part, row_hash, outcome)
            SELECT %(delivery_id)s, -row_number() OVER (ORDER BY c.key), c.key, c.scope_key, %(new)s,
              c.row_hash, 'carried'
            FROM left_alone AS c
            """
        ).format(
            table=sql.Identifier("raw", feed),
            part=sql.Identifier(part),
            others=sql.SQL(", ").join(
                sql.Identifier(name) for name in columns if name not in {"row_hash", part}
            ),
            from_others=sql.SQL(", ").join(
                sql.Identifier("t", name) for name in columns if name not in {"row_hash", part}
            ),
        ),
        {**values, "old": years[1], "new": years[0], "scope": delivery.scope},
    )
