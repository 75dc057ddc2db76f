"""Connections, migrations, the run lock, and the writers that make tables equal to next rows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from pipeline._paths import data_path
from pipeline.copying import copy_frame
from pipeline.errors import DatabaseError, RunLocked

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.steps import Output

# Advisory locks are per database, so one constant serves every county of a server.
RUN_LOCK = 0x64697169  # "diqi"
LOCK_PATIENCE_S = 3.0

# PostgreSQL, COPY, Binary Format: signature, no flags, no extension; the end is a count of -1.

_SESSION = {
    # A killed client's statement ends within a second.
    "client_connection_check_interval": "1s",
    "lock_timeout": "30s",
    "jit": "off",
    "max_parallel_workers_per_gather": "2",
    # Cheap enough that an overlay of one township runs on all cores, not so cheap that a look-up does.
    "parallel_setup_cost": "200",
    "parallel_tuple_cost": "0.01",
    "min_parallel_table_scan_size": "256kB",
    "search_path": "public",
    "DateStyle": "ISO",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Counts:
    """What a writer did to one table."""

    inserted: int
    updated: int
    deleted: int
    unchanged: int

    @property
    def written(self) -> int:
        """Rows that were touched."""
        return self.inserted + self.updated + self.deleted


def open_engine(dsn: str) -> Engine:
    """An engine on a libpq connection string or URL; connections are opened when used."""

    def connect() -> psycopg.Connection[Any]:
        options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        return psycopg.connect(dsn, options=options, application_name="diqi")

    return create_engine("postgresql+psycopg://", creator=connect, pool_size=3, max_overflow=2)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what the server or the network does to us into DatabaseError; bugs pass through.

    Errors: DatabaseError with code database.disk_full, .unreachable, .gone, .denied, .busy.
    """
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        original = error.orig if isinstance(error, DBAPIError) else error
        code = _database_code(original)
        if code is None:
            raise
        raise DatabaseError(code, reason=str(original).strip()) from error


def _database_code(error: BaseException | None) -> str | None:
    state = getattr(error, "sqlstate", None) or ""
    if state in {"53100", "58030"} or "No space left on device" in str(error):
        return "database.disk_full"
    if state == "42501":
        return "database.denied"
    if state in {"40001", "40P01", "55P03"}:
        return "database.busy"
    if state.startswith(("57P", "08")):
        return "database.gone"
    if state == "" and isinstance(error, psycopg.OperationalError):
        lost = "closed the connection" in str(error) or "connection is lost" in str(error)
        return "database.gone" if lost else "database.unreachable"
    return None


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may succeed when it is tried again."""
    return isinstance(error, DatabaseError) and error.code == "database.busy"


def migrate(engine: Engine, settings: Settings) -> list[str]:
    """Apply the migrations that this database has not seen, in order; return their names.

    Errors: DatabaseError when the extensions or roles are missing (see ``diqi server
    prepare-sql``), when an applied file has changed, or when the database was made for another CRS.
    """
    area_srid, _ = settings.county.area_plane
    numbers = {":srid": str(settings.county.srid), ":area_srid": str(area_srid)}
    applied: list[str] = []
    with database_errors(), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RUN_LOCK + 1})
        _require_prepared(connection, area_srid)
        known = _applied_migrations(connection)
        for file in sorted(data_path("sql", "migrations").glob("*.sql")):
            body = file.read_text(encoding="utf-8")
            digest = hashlib.sha256(body.encode()).hexdigest()
            if file.name in known:
                if known[file.name] != digest:
                    raise DatabaseError("database.migration_changed", name=file.name)
                continue
            for name, number in sorted(numbers.items(), reverse=True):
                body = body.replace(name, number)
            driver = connection.connection.driver_connection
            assert driver is not None  # noqa: S101 - an open connection has one
            driver.execute(body)
            connection.execute(
                text("INSERT INTO ops.migration (name, sha256) VALUES (:name, :sha256)"),
                {"name": file.name, "sha256": digest},
            )
            applied.append(file.name)
        made_for = connection.execute(
            text("SELECT value FROM ops.constant WHERE name = 'srid'")
        ).scalar_one()
        if made_for != numbers[":srid"]:
            raise DatabaseError("database.other_crs", database=made_for, settings=numbers[":srid"])
    return applied


def _applied_migrations(connection: Connection) -> dict[str, str]:
    exists = connection.execute(
        text("SELECT to_regclass('ops.migration') IS NOT NULL")
    ).scalar_one()
    if not exists:
        return {}
    rows = connection.execute(text("SELECT name, sha256 FROM ops.migration"))
    return {row.name: row.sha256 for row in rows}


def _require_prepared(connection: Connection, area_srid: int) -> None:
    found = connection.execute(
        text(
            """
            SELECT
              EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'postgis') AS postgis,
              EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm') AS pg_trgm,
              (SELECT count(*) FROM pg_roles WHERE rolname = ANY (ARRAY[
                'diqi_owner', 'diqi_loader', 'diqi_reviewer', 'diqi_viewer'])) = 4 AS roles
            """
        )
    ).one()
    missing = [name for name, is_there in found._asdict().items() if not is_there]
    if (
        found.postgis
        and not connection.execute(
            text("SELECT EXISTS (SELECT 1 FROM spatial_ref_sys WHERE srid = :srid)"),
            {"srid": area_srid},
        ).scalar_one()
    ):
        missing.append(f"SRID {area_srid}")
    if missing:
        raise DatabaseError("database.not_prepared", missing=", ".join(missing))


def take_run_lock(connection: Connection) -> None:
    """Take the run lock on this connection, trying for a few seconds.

    Errors: RunLocked naming the run that holds it.
    """
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": RUN_LOCK}
        ).scalar_one()
        connection.commit()
        if taken:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    holder = connection.execute(
        text(
            """
            SELECT r.run_id, r.host, r.client_pid, to_char(r.started_at, 'YYYY-MM-DD HH24:MI:SS') AS since
            FROM ops.run AS r
            WHERE r.backend_pid = ANY (
              SELECT l.pid FROM pg_locks AS l
              WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :key
                AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
            ORDER BY r.run_id DESC LIMIT 1
            """
        ),
        {"key": RUN_LOCK},
    ).one_or_none()
    connection.rollback()
    if holder is None:
        raise RunLocked("run.locked", run="?", host="?", pid="?", since="?")
    raise RunLocked(
        "run.locked",
        run=holder.run_id,
        host=holder.host,
        pid=holder.client_pid,
        since=holder.since,
    )


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection below; inside an open transaction it has one open, too.

    Shape:  a connection of SQLAlchemy in; one of psycopg out.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: none.
    """
    if connection.in_transaction():
        connection.execute(text("SELECT 1"))
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - the engine's only driver
    return driver


def one_row(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    """The row that a statement returns.

    Shape:  a cursor whose statement returns a row in; that row out.
    Units:  none.
    CRS:    none.
    Errors: those of psycopg.
    Source: none.
    """
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - every caller's statement returns a row
    return tuple(row)


def read_sql(*parts: str) -> str:
    """The text of a SQL file below the data folder."""
    return data_path(*parts).read_text(encoding="utf-8")


def empty_table(connection: Connection, table: str) -> None:
    """Empty a table that nobody but the run reads.

    TRUNCATE leaves nothing behind that the next statements would have to pass over. It needs the
    table for itself; where a backup is reading it, the rows are deleted, which waits for nobody.
    """
    try:
        with connection.begin_nested():
            connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":
            raise
        connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - one of our own
    else:
        connection.execute(text(f"TRUNCATE {table}"))


def create_next(
    connection: Connection, output: Output, query: str, parameters: Mapping[str, object]
) -> str:
    """Compute the rows that an output should have into the temporary table next_<name>."""
    name = f"next_{output.name}"
    connection.execute(
        text(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS {query}"),
        dict(parameters),
    )
    connection.execute(text(f"ANALYZE {name}"))
    return name


def copy_next(connection: Connection, output: Output, frame: pd.DataFrame) -> str:
    """The same for rows that Python computed; geometry columns hold hex EWKB text."""
    name = f"next_{output.name}"
    columns = ", ".join(f'"{column}"' for column in frame.columns)
    connection.execute(
        text(
            f"CREATE TEMP TABLE {name} ON COMMIT DROP AS "  # noqa: S608 - names of our tables
            f"SELECT {columns} FROM {output.table} LIMIT 0"
        )
    )
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - an open connection has one
    copy_frame(driver, sql.Identifier(name), frame)
    connection.execute(text(f"ANALYZE {name}"))
    return name


def write_next(
    connection: Connection, output: Output, next_name: str, step: str, run_id: int
) -> Counts:
    """Make the output's table equal to its next rows within the scope; return what was done."""
    marks = {kind: list(columns) for kind, columns in output.marks.items()}
    if output.history:
        call = "ops.version_rows(:target, :next, :kind, :step, :run_id, CAST(:marks AS jsonb))"
    else:
        call = (
            "ops.replace_rows(:target, :next, CAST(:key AS text[]), :scope, :kind, :step, "
            ":owner, CAST(:marks AS jsonb))"
        )
    parameters: dict[str, object] = {
        "target": output.table,
        "next": f"pg_temp.{next_name}",
        "key": list(output.key),
        "scope": output.scope,
        "kind": output.kind,
        "step": step,
        "owner": step if output.owned else None,
        "run_id": run_id,
        "marks": json.dumps(marks),
    }
    for name in ("target", "next"):
        call = call.replace(f":{name}", f"CAST(:{name} AS regclass)")
    row = connection.execute(text(f"SELECT * FROM {call}"), parameters).one()  # noqa: S608
    connection.execute(text(f"DROP TABLE {next_name}"))
    counts = Counts(row.inserted, row.updated, row.deleted, row.unchanged)
    # the scope may be small where the table is not
    if (
        counts.written
        and connection.execute(
            text(
                "SELECT :written > 0.1 * greatest(c.reltuples, 1) FROM pg_class AS c WHERE c.oid = CAST(:t AS regclass)"
            ),
            {"written": counts.written, "t": output.table},
        ).scalar_one()
    ):
        connection.execute(text(f"ANALYZE {output.table}"))
    return counts
