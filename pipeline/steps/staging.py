"""Rows of one file on their way: what is known of them apart, and each new content once into ``raw``."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
from psycopg import sql

from pipeline.copying import copy_binary, copy_frame
from pipeline.database import one_row
from pipeline.feeds.clean import CleanBatch
from pipeline.feeds.reader import Delivery

# Who has found the issues of deliveries.
STEP: Final = "load_feeds"
_STAGED = [
    "row_number",
    "file_row",
    "key",
    "subject",
    "scope_key",
    "part",
    "source_hash",
    "row_hash",
    "is_new",
    "outcome",
]


class Contents:
    """What rows of a feed say: each content is written once, straight into ``raw.<feed>``."""

    def __init__(self, driver: psycopg.Connection[Any], feed: str) -> None:
        self._driver = driver
        self._table = sql.Identifier("raw", feed)
        with driver.cursor() as cursor:
            self._types = _types(cursor, feed)
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(self._table))
            self._is_empty = not one_row(cursor)[0]
        self._written: set[bytes] = set()

    @property
    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(self._types)

    def write(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Write the contents that are not held yet; tell which rows brought them.

        Shape:  n rows of a batch, cleaned, in; n booleans out.
        Units:  as cleaning gives them.
        CRS:    the county's.
        Errors: those of psycopg.
        Source: docs/sources.md, Design 3 (delivery).
        """
        hashes = rows["row_hash"].tolist()
        says = rows["row_hash"].notna() & rows["outcome"].isna()
        if "is_known" in rows.columns:
            # the content of a row that came before is held, and not here
            says &= ~rows["is_known"]
        candidates = [place for place in np.flatnonzero(says) if hashes[place] not in self._written]
        held = self._held([hashes[place] for place in candidates])
        is_new = np.zeros(len(rows), dtype=bool)
        for place in candidates:
            digest = hashes[place]
            if digest not in held and digest not in self._written:
                self._written.add(digest)
                is_new[place] = True
        if is_new.any():
            fresh = rows if is_new.all() else rows[is_new]
            copy_binary(self._driver, self._table, fresh[self.columns], self._types)
        return is_new

    def _held(self, hashes: list[bytes]) -> set[bytes]:
        if self._is_empty or not hashes:
            return set()
        query = sql.SQL("SELECT row_hash FROM {} WHERE row_hash = ANY(%s)").format(self._table)
        with self._driver.cursor(binary=True) as cursor:
            return {digest for (digest,) in cursor.execute(query, [hashes])}

    def forget_quarantined(self, cursor: psycopg.Cursor[Any]) -> None:
        """Take back what only rows brought that are set aside by now.

        Shape:  a cursor in the transaction that wrote them in; nothing out.
        Units:  none.
        CRS:    none.
        Errors: those of psycopg.
        Source: docs/sources.md, Design 3 (delivery).
        """
        cursor.execute(
            sql.SQL(
                """
                DELETE FROM {} AS t
                USING (
                  SELECT s.row_hash
                  FROM stage AS s
                  WHERE s.row_hash IS NOT NULL
                  GROUP BY s.row_hash
                  HAVING bool_or(s.is_new) AND bool_and(s.outcome IS NOT DISTINCT FROM 'quarantined')
                ) AS q
                WHERE q.row_hash = t.row_hash
                """
            ).format(self._table)
        )


def create_stage(cursor: psycopg.Cursor[Any]) -> None:
    """A table for what is known of the rows of one file, their contents apart.

    Shape:  a cursor in a transaction in; the table ``stage``, empty, is there afterwards.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    cursor.execute("DROP TABLE IF EXISTS pg_temp.stage")
    cursor.execute(
        """
        CREATE TEMP TABLE stage (
          row_number integer, file_row integer, key text COLLATE "C", subject text, scope_key text COLLATE "C",
          part text COLLATE "C", source_hash bytea, row_hash bytea, is_new boolean, outcome text
        ) ON COMMIT DROP
        """
    )


def stage_rows(
    driver: psycopg.Connection[Any],
    delivery: Delivery,
    delivery_id: int,
    clean: CleanBatch,
    contents: Contents,
) -> None:
    """Write the rows of a batch into the stage, what is new of their contents, and their issues.

    Shape:  a connection, a delivery with its number, one batch and the contents of its feed in; nothing
            out.
    Units:  as cleaning gives them.
    CRS:    the county's.
    Errors: those of psycopg.
    Source: docs/sources.md, Design 3 (delivery).
    """
    rows = clean.rows
    rows["is_new"] = contents.write(rows)
    if "source_hash" not in rows.columns:
        rows["source_hash"] = pd.Series([None] * len(rows), rows.index, dtype=object)
    copy_binary(driver, sql.Identifier("stage"), rows[_STAGED])
    issues = clean.issues
    key = issues["key"].astype("str")
    named = issues.drop(columns="key").assign(
        step=STEP,
        feed=delivery.source.feed,
        delivery_id=delivery_id,
        subject_key=key.fillna("#" + issues["row_number"].astype("str")),
    )
    copy_frame(driver, sql.Identifier("ops", "issue"), named)
    drawn = clean.as_delivered
    if len(drawn):
        shapes = drawn.assign(delivery_id=delivery_id, geom=[wkb.hex() for wkb in drawn["geom"]])
        copy_frame(driver, sql.Identifier("raw", "shape_as_delivered"), shapes)


def _types(cursor: psycopg.Cursor[Any], feed: str) -> dict[str, str]:
    """Columns of raw.<feed> and their types."""
    cursor.execute(
        """
        SELECT a.attname, format_type(a.atttypid, NULL)
        FROM pg_attribute AS a
        WHERE a.attrelid = %(table)s::regclass AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        {"table": f'raw."{feed}"'},
    )
    return dict(cursor.fetchall())
