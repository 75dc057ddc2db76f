"""How a step is run: its scope, its tables one after the other, and by what it is known."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib
import inspect
import json
import time
from collections.abc import Mapping

from sqlalchemy import Connection, text

from pipeline._paths import data_path
from pipeline.database import (
    Counts,
    copy_next,
    create_next,
    empty_table,
    read_sql,
    write_next,
)
from pipeline.ledger import LastRun, StepResult
from pipeline.settings import Settings
from pipeline.steps import DATED_FEEDS, STEPS, Output, Step


def run_step(
    connection: Connection, step: Step, parameters: Mapping[str, object], run_id: int
) -> StepResult:
    """Bring the tables of a step up to date within its scope, one after the other."""
    started = time.monotonic()
    kinds = find_scope(connection, step, parameters)
    counts: dict[str, Counts] = {}
    for output in step.outputs:
        if output.scope is not None and output.kind not in kinds:
            counts[output.table] = Counts(0, 0, 0, 0)
            continue
        if output.rows is not None:
            name = copy_next(connection, output, output.rows(connection, parameters))
        else:
            query = read_sql(*step.sql_folder, f"{output.name}.sql")
            name = create_next(connection, output, query, known_parameters(query, parameters))
        counts[output.table] = write_next(connection, output, name, step.name, run_id)
    return StepResult(step.name, time.monotonic() - started, counts)


def find_scope(connection: Connection, step: Step, parameters: Mapping[str, object]) -> set[str]:
    """Fill ops.scope with the keys that a step recomputes; return their kinds.

    Both tables are analysed each time: nearly every join of a step begins at its scope.
    """
    scope = read_sql("sql", "steps", step.name, "scope.sql")
    connection.execute(text("ANALYZE ops.dirty"))
    empty_table(connection, "ops.scope")
    connection.execute(
        text(
            "INSERT INTO ops.scope (step, kind, key) "  # noqa: S608 - the step's own file
            f"SELECT '{step.name}', s.kind, s.key FROM ({scope}) AS s "
            "WHERE s.key IS NOT NULL"
        ),
        known_parameters(scope, parameters),
    )
    connection.execute(text("ANALYZE ops.scope"))
    return set(connection.execute(text("SELECT DISTINCT kind FROM ops.scope")).scalars())


def known_parameters(query: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """The parameters that a query names; jsonb settings travel as text."""
    names = text(query)._bindparams  # noqa: SLF001 - SQLAlchemy has no public list of them
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in parameters.items()
        if name in names
    }


def fingerprint(
    step: Step, settings: Mapping[str, object], data_year: int, vintage: int | None
) -> str:
    """Hash of all that a step's rows depend on besides its input tables."""
    digest = hashlib.sha256()
    files = [data_path("sql", "steps", step.name, "scope.sql")]
    own = [data_path(*step.sql_folder, f"{output.name}.sql") for output in step.outputs]
    # rows that Python computes may have a query of another name, which is then one of step.files
    files += [file for file in own if file.is_file()]
    files += [data_path(*parts) for parts in step.files]
    for file in files:
        digest.update(file.read_bytes())
    for module in step.code:
        digest.update(inspect.getsource(importlib.import_module(module)).encode())
    facts = {"settings": settings, "data_year": data_year, "vintage": vintage}
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def vintage_of(connection: Connection, settings: Settings) -> int | None:
    """The survey year that counts: the setting, else the newest one in force."""
    if settings.evaluation.vintage:
        return settings.evaluation.vintage
    newest: int | None = connection.execute(
        text("SELECT max(p.vintage) FROM core.patch AS p WHERE p.to_run IS NULL")
    ).scalar_one()
    return newest


def mark_everything(connection: Connection) -> None:
    """Mark the keys of every record ever held, open or closed, as dirty."""
    for output in record_tables():
        connection.execute(
            text("SELECT ops.mark_dirty(CAST(:table AS regclass), CAST(:marks AS jsonb))"),
            {"table": output.table, "marks": marks_of(output)},
        )


def mark_dates(connection: Connection, one: dt.date, other: dt.date) -> None:
    """Mark what begins or ends between two business dates, in either order."""
    for output in record_tables():
        if output.name in DATED_FEEDS:
            connection.execute(
                text(
                    "SELECT ops.mark_dated(CAST(:table AS regclass), CAST(:marks AS jsonb), "
                    "CAST(:first AS date), CAST(:last AS date))"
                ),
                {
                    "table": output.table,
                    "marks": marks_of(output),
                    "first": min(one, other),
                    "last": max(one, other),
                },
            )


def seed_dates_and_acts(connection: Connection, as_of: dt.date, last: LastRun) -> None:
    """Mark what the new business date begins or ends, and what people entered since the last run."""
    if last.as_of is not None and last.as_of < as_of:
        mark_dates(connection, last.as_of, as_of)
    connection.execute(
        text(
            "INSERT INTO ops.dirty (kind, key) "  # noqa: S608 - our own file
            f"SELECT s.kind, s.key FROM ({read_sql('sql', 'run', 'seed_acts.sql')}) AS s"
        ),
        {"last_as_of": last.as_of or as_of, "as_of": as_of},
    )


def record_tables() -> list[Output]:
    """The outputs that are records with history."""
    return [output for step in STEPS for output in step.outputs if output.history]


def marks_of(output: Output) -> str:
    """What a changed row of an output makes dirty, as the functions of the database take it."""
    return json.dumps({kind: list(columns) for kind, columns in output.marks.items()})
