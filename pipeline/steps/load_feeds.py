"""Load deliveries: recognise what is known, clean, stage, keep what is new, account for each row.

One transaction per delivery. A row of a delivery ends as kept (its content is new), unchanged (its
content is held already) or quarantined; ``raw`` holds each content once. Inside a transaction that
is open already (a dry run), each delivery is a savepoint of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
from sqlalchemy import Connection

from pipeline.database import driver_of
from pipeline.errors import SourceError
from pipeline.feeds.clean import county_hash
from pipeline.feeds.contracts import FEEDS, Contract, County
from pipeline.feeds.discover import SourceFile
from pipeline.feeds.limits import Limits
from pipeline.feeds.place import Known
from pipeline.feeds.reader import Delivery, Reader
from pipeline.steps.changes import judge_taken_out, refuse_gap
from pipeline.steps.deliveries import (
    SAME_DELIVERY,
    DeliveryResult,
    insert_delivery,
    is_known,
    keep_rows,
    refuse_mixed_scope,
)
from pipeline.steps.held import land_held, remember, with_middles
from pipeline.steps.refusals import forget_refusal, record_refusal
from pipeline.steps.setting_aside import (
    refuse_bad,
    set_aside_duplicates,
    set_aside_outside_scope,
    tell_of_layer,
)
from pipeline.steps.staging import STEP, Contents, create_stage, stage_rows

Progress = Callable[[str, int, int | None], None]


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
    driver = driver_of(connection)
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
                    record_refusal(driver, delivery, error)
    if refusals:
        raise refusals[0]
    return results


def _unread(
    driver: psycopg.Connection[Any], deliveries: list[Delivery]
) -> tuple[list[Delivery], list[Delivery]]:
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
            if delivery.source.feed in feeds or not is_known(cursor, delivery):
                if delivery.source.feed not in feeds:
                    delivery = replace(delivery, memory=remember(cursor, delivery))
                feeds.add(delivery.source.feed)
                if delivery.contract.geometry != "none":
                    held = held or land_held(cursor)
                    delivery = replace(delivery, known=with_middles(cursor, delivery, held))
                unread.append(delivery)
            every.append(delivery)
    return every, unread


def _place(source: SourceFile) -> tuple[object, ...]:
    return (source.feed, source.scope, source.data_date, source.since, source.takes_out)


def _twins(sources: Iterable[SourceFile]) -> dict[tuple[object, ...], dict[str, str]]:
    """Different contents that claim to be the same delivery: {content hash: file}."""
    twins: dict[tuple[object, ...], dict[str, str]] = defaultdict(dict)
    for source in sources:
        twins[_place(source)][source.content_hash] = source.name
    return twins


def _load(
    driver: psycopg.Connection[Any], delivery: Delivery, reader: Reader, progress: Progress
) -> DeliveryResult:
    """Load one delivery inside the transaction that is open."""
    source = delivery.source
    with driver.cursor() as cursor:
        if is_known(cursor, delivery) or not reader.has(delivery):
            # not read: known when this load began, and released since; the next load takes it
            return DeliveryResult(source, "known", delivery.data_date)
        refuse_mixed_scope(cursor, delivery)
        refuse_gap(cursor, delivery)
        # what was refused before may be right by now
        forget_refusal(cursor, SAME_DELIVERY, delivery.identity)
        pieces = reader.pieces(delivery)
        layer = next(pieces).layer
        assert layer is not None  # noqa: S101 - the first piece is the layer
        delivery_id = insert_delivery(cursor, delivery, layer)
        create_stage(cursor)
        contents = Contents(driver, source.feed)
        rows = 0
        progress(source.name, rows, layer.row_total)
        for piece in pieces:
            assert piece.batch is not None  # noqa: S101 - the others are batches
            stage_rows(driver, delivery, delivery_id, piece.batch, contents)
            rows += piece.rows
            progress(source.name, rows, layer.row_total)
        if rows == 0:
            raise SourceError("source.empty", file=source.name, layer=layer.name)
        tell_of_layer(cursor, delivery, delivery_id, layer)
        cursor.execute("ANALYZE stage")
        set_aside_outside_scope(cursor, delivery, delivery_id)
        set_aside_duplicates(cursor, delivery, delivery_id)
        refuse_bad(cursor, delivery, layer, delivery_id)
        if source.is_changes:
            judge_taken_out(cursor, delivery, delivery_id, STEP)
        contents.forget_quarantined(cursor)
        result = keep_rows(cursor, delivery, delivery_id, layer, contents.columns)
        cursor.execute("DROP TABLE stage")
    return result
