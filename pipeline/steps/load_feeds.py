"""Load deliveries: recognise what is known, clean, stage, keep what is new, account for each row.

One transaction per delivery. A row of a delivery ends as kept (its content is new), unchanged (its
content is held already) or quarantined; ``raw`` holds each content once. Inside a transaction that
is open already (a dry run), each delivery is a savepoint of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Connection, text

from pipeline.copying import copy_binary, copy_frame
from pipeline.errors import SourceError
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.clean import MELT_STRIDE, CleanBatch, county_hash
from pipeline.feeds.contracts import FEEDS, Contract, County
from pipeline.feeds.discover import SourceFile, states_crs
from pipeline.feeds.headings import delivered_names
from pipeline.feeds.limits import Limits
from pipeline.feeds.memory import Memory
from pipeline.feeds.place import Known
from pipeline.feeds.reader import Delivery, Reader
from pipeline.steps.changes import carry_over, judge_taken_out, refuse_gap
from pipeline.steps.refusals import forget_refusal, keep_rows_to_mend, rows_to_mend

STEP = "load_feeds"

Progress = Callable[[str, int, int | None], None]

_Driver = psycopg.Connection[Any]


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


def load_sources(
    connection: Connection,
    sources: Sequence[SourceFile],
    contracts: Mapping[str, Contract],
    county: County,
    *,
    as_of: dt.date,
    limits: Limits,
    progress: Progress = lambda _file, _rows, _total: None,
) -> list[DeliveryResult]:
    """Load the deliveries that are not known yet, in the order of their data dates.

    A file without a date of its own is dated ``as_of``. It is skipped when this delivery (feed,
    scope, date, content, contract) is known, or equals the last active one of its feed and scope.
    A refused file is recorded with its reason; the others are loaded all the same.

    Shape:  deliveries in, in any order; one result per delivery that was not refused out.
    Units:  as declared by the contracts.
    CRS:    the county's in the database.
    Errors: SourceError or CrsError of the first refused file. Errors of psycopg pass through,
            their delivery rolled back.
    Source: docs/sources.md, Design 3 (delivery), section 5 (invariants 1, 7, 8).
    """
    driver = _driver(connection)
    results: list[DeliveryResult] = []
    refusals: list[SourceError] = []
    twins = _twins(sources)
    deliveries: list[Delivery] = []
    for source in sorted(
        sources,
        # changes come after what they change, and what they take out after what they put
        key=lambda s: (
            s.data_date or as_of,
            FEEDS.index(s.feed),
            s.is_changes,
            s.takes_out,
            s.scope or (),
            s.name,
        ),
    ):
        contract = contracts[source.feed]
        seal = contract.contract_hash + county_hash(county)
        contract_hash = hashlib.blake2b(seal.encode(), digest_size=16).hexdigest()
        delivery = Delivery(source, contract, county, source.data_date or as_of, contract_hash)
        if delivery.data_date > as_of:
            results.append(DeliveryResult(source, "not_due", delivery.data_date))
        else:
            deliveries.append(delivery)
    with driver.transaction():
        deliveries, unread = _unread(driver, deliveries)
    with closing(Reader(unread, limits)) as reader:
        for delivery in deliveries:
            source = delivery.source
            try:
                others = twins[_place(source)]
                if len(others) > 1:
                    files = ", ".join(sorted(others.values()))
                    raise SourceError("source.two_files", feed=source.feed, files=files)
                with driver.transaction():
                    results.append(_load(driver, delivery, reader, progress))
            except SourceError as error:
                refusals.append(error)
                with driver.transaction():
                    _record_refusal(driver, delivery, error)
    if refusals:
        raise refusals[0]
    return results


def _unread(driver: _Driver, deliveries: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
    """All deliveries, and those that may be new: not known yet, or later than such a one of its feed.

    Of these the first of each feed and scope remembers the rows of the last delivery.
    """
    feeds: set[str] = set()
    held: Known | None = None
    every: list[Delivery] = []
    unread: list[Delivery] = []
    with driver.cursor() as cursor:
        for one in deliveries:
            delivery = one
            if delivery.source.feed in feeds or not _is_known(cursor, delivery):
                if delivery.source.feed not in feeds:
                    delivery = replace(delivery, memory=_remember(cursor, delivery))
                feeds.add(delivery.source.feed)
                if delivery.contract.geometry != "none":
                    held = held or land_held(cursor)
                    delivery = replace(delivery, known=_with_middles(cursor, delivery, held))
                unread.append(delivery)
            every.append(delivery)
    return every, unread


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


def _with_middles(cursor: psycopg.Cursor[Any], delivery: Delivery, held: Known) -> Known:
    """The same with the middles of the feed's shapes, by which a file without a CRS is proved."""
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


def _remember(cursor: psycopg.Cursor[Any], delivery: Delivery) -> Memory | None:
    """The clean rows of the last delivery of the same feed, scope and contract up to its day."""
    cursor.execute(
        f"""
        SELECT r.source_hash, r.key, r.has_person, r.scope_key, r.part, r.row_hash
        FROM ops.delivered AS r
        WHERE r.source_hash IS NOT NULL AND r.delivery_id = (
          SELECT d.delivery_id
          FROM ops.delivery AS d
          WHERE {_SAME_SCOPE} AND d.contract_hash = %(contract_hash)s AND d.state IN ('loaded', 'consumed')
            AND d.data_date <= %(data_date)s
          ORDER BY d.data_date DESC, d.delivery_id DESC
          LIMIT 1
        )
        """,  # noqa: S608 - a constant of this module
        delivery.identity,
    )
    rows = cursor.fetchall()
    contract = delivery.contract
    personal = [contract.columns[name].personal for name in contract.key]
    return Memory(rows, personal) if rows else None


def _driver(connection: Connection) -> _Driver:
    """The psycopg connection below; inside an open transaction it has one open, too."""
    if connection.in_transaction():
        connection.execute(text("SELECT 1"))
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine's only driver
    return driver


def _place(source: SourceFile) -> tuple[object, ...]:
    return (source.feed, source.scope, source.data_date, source.since, source.takes_out)


def _twins(sources: Iterable[SourceFile]) -> dict[tuple[object, ...], dict[str, str]]:
    """Different contents that claim to be the same delivery: {content hash: file}."""
    twins: dict[tuple[object, ...], dict[str, str]] = defaultdict(dict)
    for source in sources:
        twins[_place(source)][source.content_hash] = source.name
    return twins


def _load(
    driver: _Driver, delivery: Delivery, reader: Reader, progress: Progress
) -> DeliveryResult:
    """Load one delivery inside the transaction that is open."""
    source = delivery.source
    with driver.cursor() as cursor:
        if _is_known(cursor, delivery) or not reader.has(delivery):
            # not read: known when this load began, and released since; the next load takes it
            return DeliveryResult(source, "known", delivery.data_date)
        _refuse_mixed_scope(cursor, delivery)
        refuse_gap(cursor, delivery)
        # what was refused before may be right by now
        forget_refusal(cursor, _SAME_DELIVERY, delivery.identity)
        pieces = reader.pieces(delivery)
        layer = next(pieces).layer
        assert layer is not None  # noqa: S101 - the first piece is the layer
        delivery_id = _insert_delivery(cursor, delivery, layer)
        _create_stage(cursor)
        contents = _Contents(driver, source.feed)
        rows = 0
        progress(source.name, rows, layer.row_total)
        for piece in pieces:
            assert piece.batch is not None  # noqa: S101 - the others are batches
            _stage(driver, delivery, delivery_id, piece.batch, contents)
            rows += piece.rows
            progress(source.name, rows, layer.row_total)
        if rows == 0:
            raise SourceError("source.empty", file=source.name, layer=layer.name)
        _tell_of_layer(cursor, delivery, delivery_id, layer)
        cursor.execute("ANALYZE stage")
        _set_aside_outside_scope(cursor, delivery, delivery_id)
        _set_aside_duplicates(cursor, delivery, delivery_id)
        _refuse_bad(cursor, delivery, layer, delivery_id)
        if source.is_changes:
            judge_taken_out(cursor, delivery, delivery_id, STEP)
        contents.forget_quarantined(cursor)
        result = _keep(cursor, delivery, delivery_id, layer, contents.columns)
        cursor.execute("DROP TABLE stage")
    return result


# The order of scopes in the array is that of SourceFile: sorted.
_SAME_SCOPE = (
    "d.feed = %(feed)s AND d.scope IS NOT DISTINCT FROM %(scope)s::text[] "
    "AND d.since IS NOT DISTINCT FROM %(since)s::date"
)
_SAME_CONTENT = "d.content_hash = %(content_hash)s AND d.contract_hash = %(contract_hash)s"
_SAME_DELIVERY = f"{_SAME_SCOPE} AND {_SAME_CONTENT} AND d.data_date = %(data_date)s"


def _is_known(cursor: psycopg.Cursor[Any], delivery: Delivery) -> bool:
    """Whether loading this again would say nothing new, or undo what a person took out."""
    cursor.execute(
        f"""
        SELECT
          EXISTS (
            -- what was said last of this day; half a file, the whole one and the half again are three
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state <> 'refused' AND {_SAME_SCOPE} AND d.data_date = %(data_date)s
                AND d.takes_out = %(takes_out)s
              ORDER BY d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {_SAME_CONTENT}
          ) OR EXISTS (
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state IN ('loaded', 'consumed') AND {_SAME_SCOPE}
              ORDER BY d.data_date DESC, d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {_SAME_CONTENT}
          ) OR EXISTS (
            -- a file without a date that still lies where it lay is no news, whatever came since
            SELECT 1
            FROM (
              SELECT d.content_hash, d.contract_hash
              FROM ops.delivery AS d
              WHERE d.state IN ('loaded', 'consumed') AND NOT d.is_dated AND NOT %(is_dated)s
                AND {_SAME_SCOPE}
              ORDER BY d.data_date DESC, d.delivery_id DESC
              LIMIT 1
            ) AS d
            WHERE {_SAME_CONTENT}
          ) OR EXISTS (
            -- taken out by a person, unless its office has said something else since
            SELECT 1 FROM ops.delivery AS d
            WHERE d.state IN ('held', 'withdrawn') AND {_SAME_SCOPE} AND {_SAME_CONTENT}
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
    return bool(_one(cursor)[0])


def _refuse_mixed_scope(cursor: psycopg.Cursor[Any], delivery: Delivery) -> None:
    """A township's file replaces its part of the county's only where rows say their township."""
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


def _insert_delivery(cursor: psycopg.Cursor[Any], delivery: Delivery, layer: OpenLayer) -> int:
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
    return int(_one(cursor)[0])


def _record_refusal(driver: _Driver, delivery: Delivery, error: SourceError) -> None:
    """Keep the reason of a refusal, the last one where it is refused again, and the rows it was for."""
    params = json.dumps({"code": error.code, "params": error.params}, default=str)
    values = {**delivery.identity, "file": delivery.source.name, "detail": params}
    with driver.cursor() as cursor:
        forget_refusal(cursor, _SAME_DELIVERY, values)
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
        if isinstance(error, _BadRowsError):
            keep_rows_to_mend(cursor, int(_one(cursor)[0]), error.rows)


class _BadRowsError(SourceError):
    """A file of which too much cannot be used, with what is wrong with its rows."""

    rows: list[tuple[Any, ...]]


class _Contents:
    """What rows of a feed say: each content is written once, straight into ``raw.<feed>``."""

    def __init__(self, driver: _Driver, feed: str) -> None:
        self._driver = driver
        self._table = sql.Identifier("raw", feed)
        with driver.cursor() as cursor:
            self._types = _types(cursor, feed)
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(self._table))
            self._is_empty = not _one(cursor)[0]
        self._written: set[bytes] = set()

    @property
    def columns(self) -> list[str]:
        """Columns of the table."""
        return list(self._types)

    def write(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Write the contents that are not held yet; tell which rows brought them."""
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
        """Take back what only rows brought that are set aside by now."""
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


def _create_stage(cursor: psycopg.Cursor[Any]) -> None:
    """A table for what is known of the rows of one file, their contents apart."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.stage")
    cursor.execute(
        """
        CREATE TEMP TABLE stage (
          row_number integer, file_row integer, key text COLLATE "C", subject text, scope_key text COLLATE "C",
          part text COLLATE "C", source_hash bytea, row_hash bytea, is_new boolean, outcome text
        ) ON COMMIT DROP
        """
    )


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


def _stage(
    driver: _Driver,
    delivery: Delivery,
    delivery_id: int,
    clean: CleanBatch,
    contents: _Contents,
) -> None:
    """Write the rows of a batch into the stage, what is new of their contents, and their issues."""
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


# What is only told; other notes are warnings.
_TOLD = (
    "note.",
    "encoding.one_byte",
    "encoding.names_differ",
    "crs.parameters_used",
    "crs.on_held",
)


def _tell_of_layer(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int, layer: OpenLayer
) -> None:
    """Keep what the reader says of the whole layer, and why rows have no shape where it knows."""
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


def _set_aside_outside_scope(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int
) -> None:
    """A snapshot speaks for its scope only."""
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


def _set_aside_duplicates(
    cursor: psycopg.Cursor[Any], delivery: Delivery, delivery_id: int
) -> None:
    """Different rows of a key: none can be believed. Equal rows are one record, with a warning.

    Of equal rows the first brings the content, the others find it there.
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


def _refuse_bad(
    cursor: psycopg.Cursor[Any], delivery: Delivery, layer: OpenLayer, delivery_id: int
) -> None:
    """Refuse a file of which too much cannot be used."""
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
    rows, bad, has_good, rule = _one(cursor)
    contract = delivery.contract
    is_too_much = bad > contract.min_bad_rows and bad > contract.max_bad_share * rows
    if is_too_much or (bad and not has_good):
        error = _BadRowsError(
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


def _keep(
    cursor: psycopg.Cursor[Any],
    delivery: Delivery,
    delivery_id: int,
    layer: OpenLayer,
    columns: list[str],
) -> DeliveryResult:
    """Say of every row what became of it, and count."""
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
    rows, kept, unchanged, quarantined = _one(cursor)
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


def _one(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - every caller's statement returns a row
    return tuple(row)
