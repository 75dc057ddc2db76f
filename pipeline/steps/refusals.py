"""Refused files: the reason, and the rows for which one was refused, so that its office can be told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from pipeline.database import one_row
from pipeline.errors import SourceError
from pipeline.feeds.reader import Delivery
from pipeline.steps.deliveries import SAME_DELIVERY

# Of a file of which every row is wrong the first rows say enough.
_MOST: Final = 10_000
_COLUMNS: Final = (
    "step, rule, severity, feed, subject_key, detail_key, row_number, field, value, params, size_m2"
)


class BadRowsError(SourceError):
    """A file of which too much cannot be used, with what is wrong with its rows."""

    rows: list[tuple[Any, ...]]


def record_refusal(driver: psycopg.Connection[Any], delivery: Delivery, error: SourceError) -> None:
    """Keep the reason of a refusal, the last one where it is refused again, and the rows it was for.

    Shape:  a connection in a transaction, the delivery and why it is refused in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    params = json.dumps({"code": error.code, "params": error.params}, default=str)
    values = {**delivery.identity, "file": delivery.source.name, "detail": params}
    with driver.cursor() as cursor:
        forget_refusal(cursor, SAME_DELIVERY, values)
        cursor.execute(
            """
            INSERT INTO ops.delivery (feed, scope, data_date, since, content_hash, contract_hash, file,
              layer, state, detail)
            VALUES (%(feed)s, %(scope)s::text[], %(data_date)s, %(since)s, %(content_hash)s,
              %(contract_hash)s, %(file)s, '', 'refused', %(detail)s::jsonb)
            RETURNING delivery_id
            """,
            values,
        )
        if isinstance(error, BadRowsError):
            keep_rows_to_mend(cursor, int(one_row(cursor)[0]), error.rows)


def rows_to_mend(cursor: psycopg.Cursor[Any], delivery_id: int) -> list[tuple[Any, ...]]:
    """The first issues of a delivery, read before it is taken back.

    Shape:  a delivery in; up to 10,000 issues in the order of its rows out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    cursor.execute(
        f"""
        SELECT {_COLUMNS.replace("params", "params::text")} FROM ops.issue
        WHERE delivery_id = %s
        ORDER BY row_number NULLS FIRST, issue_id
        LIMIT %s
        """,  # noqa: S608 - constants of this module
        (delivery_id, _MOST),
    )
    return cursor.fetchall()


def keep_rows_to_mend(
    cursor: psycopg.Cursor[Any], delivery_id: int, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Enter issues that were read before as those of a refused delivery.

    Shape:  the refused delivery and rows of ``rows_to_mend`` in.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    with cursor.copy(f"COPY ops.issue (delivery_id, {_COLUMNS}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row((delivery_id, *row))


def forget_refusal(
    cursor: psycopg.Cursor[Any], condition: str, values: Mapping[str, object]
) -> None:
    """Delete refused deliveries, and the issues that are kept beside them.

    Shape:  a condition on ``d``, one of the constants of ``deliveries``, and its values in.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    refused = (
        f"SELECT d.delivery_id FROM ops.delivery AS d WHERE d.state = 'refused' AND {condition}"  # noqa: S608
    )
    cursor.execute(f"DELETE FROM ops.issue WHERE delivery_id IN ({refused})", values)  # noqa: S608
    cursor.execute(f"DELETE FROM ops.delivery WHERE delivery_id IN ({refused})", values)  # noqa: S608
