"""How things stood: the state of a night or of a day, made anew inside a transaction that is taken back.

``core`` keeps every version of every record with the runs that opened and closed it. What was computed
is not kept but computed again, by the steps of a run and from what has changed since alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from pipeline.database import (
    create_next,
    database_errors,
    empty_table,
    read_sql,
    take_run_lock,
    write_next,
)
from pipeline.errors import UsageError
from pipeline.ledger import last_run, layer_hash
from pipeline.settings import Settings
from pipeline.stepping import (
    fingerprint,
    mark_dates,
    mark_everything,
    marks_of,
    record_tables,
    run_step,
    vintage_of,
)
from pipeline.steps import DRAWN_FEEDS, STEPS


@dataclass(frozen=True)
class Moment:
    """What was asked for: the records as a run left them, looked at on a day.

    ``is_earlier``: the day lies before the first run; the records are the first that are known.
    """

    run_id: int
    as_of: dt.date
    data_year: int
    is_earlier: bool = False


@contextmanager
def as_it_was(
    engine: Engine, settings: Settings, when: str, year: int | None = None
) -> Iterator[tuple[Connection, Moment]]:
    """Show every table as of a night or a day, until the block ends; then nothing has happened.

    ``when`` is a day, or the number of a published run. The records are those of the last run up to
    that day; leases, rights and recognitions hold by their own dates; decisions are those that the
    run had seen. Settings, rules and program are those of today.

    Shape:  a connection in a transaction, and the moment that it shows, out.
    Units:  as published.
    CRS:    none.
    Errors: UsageError usage.as_of, usage.as_of_nothing; RunLocked while a run is under way.
    Source: docs/sources.md, Design 3 (history is answered in a transaction that is rolled back).
    """
    with database_errors(), engine.connect() as connection:
        take_run_lock(connection)
        try:
            moment = _moment(connection, settings, when, year)
            connection.rollback()
            with connection.begin() as transaction:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                _go_back(connection, settings, moment)
                yield connection, moment
                transaction.rollback()
        finally:
            if not connection.invalidated:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
                connection.commit()


def unlike_then(connection: Connection, moment: Moment) -> list[str]:
    """Layers that are not as they were published by the run of this moment.

    They differ where program, rules or settings are others now, or where the day is not that of the
    run.

    Shape:  names of layers, sorted.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: docs/sources.md, Design 3 (layer hashes).
    """
    then = connection.execute(
        text("SELECT layer_hash FROM ops.run_commit WHERE run_id = :run_id"),
        {"run_id": moment.run_id},
    ).scalar_one()
    return sorted(
        table.split(".")[1]
        for table, digest in then.items()
        if layer_hash(connection, table) != digest
    )


def _moment(connection: Connection, settings: Settings, when: str, year: int | None) -> Moment:
    """The run and the day that are meant."""
    offset = settings.evaluation.data_year_offset
    if when.isdigit() and len(when) < 8:
        found = connection.execute(
            text("SELECT run_id, as_of FROM ops.run_commit WHERE run_id = :run_id"),
            {"run_id": int(when)},
        ).one_or_none()
        if found is None:
            raise UsageError("usage.as_of_run", run=when)
        return Moment(found.run_id, found.as_of, year or found.as_of.year - offset)
    try:
        day = dt.date.fromisoformat(when)
    except ValueError as error:
        raise UsageError("usage.as_of", text=when) from error
    runs = connection.execute(
        text(
            """
            SELECT
              (SELECT max(c.run_id) FROM ops.run_commit AS c WHERE c.as_of <= :day) AS then,
              (SELECT min(c.run_id) FROM ops.run_commit AS c) AS first
            """
        ),
        {"day": day},
    ).one()
    if runs.first is None:
        raise UsageError("usage.as_of_nothing")
    return Moment(
        runs.then or runs.first, day, year or day.year - offset, is_earlier=runs.then is None
    )


def _go_back(connection: Connection, settings: Settings, moment: Moment) -> None:
    """Make the records those of the run, and compute what follows from them."""
    last = last_run(connection)
    assert last.as_of is not None  # noqa: S101 - there is a run, or there would be no moment
    run = {"run_id": moment.run_id}
    connection.execute(
        text(
            "SELECT set_config('diqi.run', CAST(CAST(:run_id AS integer) AS text), true), "
            "set_config('diqi.as_of', :as_of, true)"
        ),
        {**run, "as_of": moment.as_of.isoformat()},
    )
    empty_table(connection, "ops.dirty")
    for output in record_tables():
        _rewind(connection, output.table, marks_of(output), run)
    for lineage in ("core.parcel_lineage", "core.patch_lineage", "core.footprint_lineage"):
        connection.execute(text(f"DELETE FROM {lineage} WHERE run_id > :run_id"), run)  # noqa: S608
    connection.execute(
        text(
            """
            INSERT INTO ops.dirty (kind, key)
            SELECT 'enterprise', d.enterprise_code
            FROM core.decision AS d
            WHERE NOT EXISTS (SELECT 1 FROM core.known_decision AS k WHERE k.decision_id = d.decision_id)
            UNION
            SELECT 'enterprise', e.enterprise_code
            FROM core.evaluation_decision AS e
            WHERE NOT EXISTS (
              SELECT 1
              FROM ops.act_seen AS s
              WHERE s.kind = 'evaluation_decision' AND s.act_id = e.decision_id AND s.run_id <= :run_id
            )
            UNION
            SELECT 'evaluation', CAST(r.evaluation_id AS text)
            FROM core.evaluation AS r
            WHERE NOT EXISTS (
              SELECT 1
              FROM ops.act_seen AS s
              WHERE s.kind = 'evaluation' AND s.act_id = r.evaluation_id AND s.run_id <= :run_id
            )
            """
        ),
        run,
    )
    # what came later is shown as held
    connection.execute(
        text(
            """
            UPDATE ops.delivery SET state = 'held'
            WHERE state = 'loaded' OR (state = 'consumed' AND consumed_run > :run_id)
            """
        ),
        run,
    )
    _renew_issues(connection, moment)
    mark_dates(connection, last.as_of, moment.as_of)
    vintage = vintage_of(connection, settings)
    common: dict[str, object] = {
        **run,
        "as_of": moment.as_of,
        "data_year": moment.data_year,
        "vintage": vintage,
        "feeds": [],
    }
    for step in STEPS:
        own = {name: settings.value(path) for name, path in step.settings.items()}
        if step.name == "reconcile_records":
            continue
        digest = fingerprint(step, own, moment.data_year, vintage)
        is_new = last.fingerprint.get(step.name) != digest
        if is_new:
            mark_everything(connection)
        run_step(connection, step, {**common, **own, "is_full": is_new}, moment.run_id)
    connection.execute(
        text(
            "UPDATE layers.publication SET run_id = :run_id, as_of = :as_of, data_year = :data_year"
        ),
        {**run, "as_of": moment.as_of, "data_year": moment.data_year},
    )


def _renew_issues(connection: Connection, moment: Moment) -> None:
    """What there was to say of corrections: of those that were known, with the records of then."""
    step = STEPS[0]
    issues = next(output for output in step.outputs if output.owned)
    empty_table(connection, "ops.scope")
    connection.execute(
        text(
            "INSERT INTO ops.scope (step, kind, key) "
            "SELECT DISTINCT CAST(:step AS text), CAST(:kind AS text), c.key FROM core.correction AS c"
        ),
        {"step": step.name, "kind": issues.kind},
    )
    query = read_sql(*step.sql_folder, f"{issues.name}.sql")
    name = create_next(connection, issues, query, {"as_of": moment.as_of})
    write_next(connection, issues, name, step.name, moment.run_id)


def _rewind(connection: Connection, table: str, marks: str, run: dict[str, int]) -> None:
    """Take back what later runs did to one table of records, and mark what that touches."""
    connection.execute(
        text(
            f"CREATE TEMP TABLE since ON COMMIT DROP AS SELECT * FROM {table} "  # noqa: S608 - our table
            "WHERE from_run > :run_id OR to_run > :run_id"
        ),
        run,
    )
    connection.execute(
        text("SELECT ops.mark_dirty(CAST('pg_temp.since' AS regclass), CAST(:marks AS jsonb))"),
        {"marks": marks},
    )
    feed = table.split(".")[1]
    if feed in DRAWN_FEEDS:
        connection.execute(
            text(
                "INSERT INTO ops.dirty_shape (kind, key, geom) "  # noqa: S608 - our table
                f"SELECT '{feed}', s.{feed}_code, s.geom FROM since AS s"
            )
        )
    connection.execute(text("DROP TABLE since"))
    connection.execute(text(f"DELETE FROM {table} WHERE from_run > :run_id"), run)  # noqa: S608
    connection.execute(
        text(f"UPDATE {table} SET to_run = NULL WHERE to_run > :run_id"),  # noqa: S608
        run,
    )
