"""The ledger: what a run says of itself, and what is known of the runs before it.

``ops.run`` is written on a connection of its own, ``ops.run_commit`` inside the run's transaction: a
published run never reads as died, nor a dead one as done.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, text

from pipeline import __version__
from pipeline.database import Counts, database_errors, read_sql
from pipeline.errors import CheckFailed, DiqiError, GateStopped, SourceError, UsageError
from pipeline.gate import Finding, Published, Unit
from pipeline.outputs.styles import write_styles
from pipeline.steps.deliveries import DeliveryResult


@dataclass(frozen=True)
class StepResult:
    """What one step did: seconds, and counts per table."""

    name: str
    seconds: float
    counts: dict[str, Counts]

    @property
    def written(self) -> int:
        """Rows that the step touched."""
        return sum(counts.written for counts in self.counts.values())


@dataclass(frozen=True)
class Accepted:
    """Who lets a run pass the gate, and why."""

    by: str
    reason: str


@dataclass(frozen=True)
class Rollback:
    """How a run that goes back to an earlier one compares with it.

    ``held``: number and file of each delivery that no longer counts. ``unlike``: layers whose rows
    are not those of then. ``reasons``: code and parameters of what else is not as it was.
    """

    run_id: int
    held: list[tuple[int, str]]
    unlike: list[str] = field(default_factory=list)
    reasons: list[tuple[str, dict[str, object]]] = field(default_factory=list)


@dataclass
class RunResult:
    """What a run did."""

    run_id: int
    as_of: dt.date
    data_year: int
    vintage: int | None
    is_dry: bool
    deliveries: list[DeliveryResult] = field(default_factory=list)
    missing_feeds: list[str] = field(default_factory=list)
    unknown_files: list[str] = field(default_factory=list)
    steps: list[StepResult] = field(default_factory=list)
    rollback: Rollback | None = None
    # feed, kind of change, records; kind of lineage, parcels
    changes: list[tuple[str, str, int]] = field(default_factory=list)
    lineage: dict[str, int] = field(default_factory=dict)
    before: Published | None = None
    after: Published | None = None
    gate: list[Finding] = field(default_factory=list)
    accepted: Accepted | None = None
    # feeds whose due date has passed without news, as pipeline.offices says it
    overdue: list[dict[str, Any]] = field(default_factory=list)
    # feeds whose newest data are older than their contract allows
    too_old: list[dict[str, Any]] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Rows written by all steps."""
        return sum(step.written for step in self.steps)


@dataclass(frozen=True)
class LastRun:
    """The last published run, as far as the next one needs it."""

    as_of: dt.date | None
    fingerprint: dict[str, str]
    layer_hash: dict[str, str]


def published_as_of(engine: Engine) -> dt.date | None:
    """Business date of the last published run; a later run cannot go behind it."""
    with database_errors(), engine.connect() as connection:
        return last_run(connection).as_of


def last_run(connection: Connection) -> LastRun:
    """The last published run; nothing is known before the first."""
    row = connection.execute(
        text(
            "SELECT as_of, fingerprint, layer_hash FROM ops.run_commit ORDER BY run_id DESC LIMIT 1"
        )
    ).one_or_none()
    if row is None:
        return LastRun(None, {}, {})
    return LastRun(row.as_of, row.fingerprint, row.layer_hash)


def hold_after(connection: Connection, run_id: int) -> Rollback:
    """Hold every delivery that came after a published run.

    Errors: UsageError where no such run was published.
    """
    then = connection.execute(
        text("SELECT run_id FROM ops.run_commit WHERE run_id = :run_id"), {"run_id": run_id}
    ).one_or_none()
    if then is None:
        raise UsageError("usage.rollback", run=run_id)
    held = connection.execute(
        text(
            """
            UPDATE ops.delivery SET state = 'held'
            WHERE state = 'loaded' OR (state = 'consumed' AND consumed_run > :run_id)
            RETURNING delivery_id, file
            """
        ),
        {"run_id": run_id},
    )
    return Rollback(run_id, sorted((row.delivery_id, row.file) for row in held))


def compare_runs(connection: Connection, now: int, rollback: Rollback) -> Rollback:
    """Say which layers differ from those of the run that was gone back to, and why they may."""
    commits = {
        row.run_id: row
        for row in connection.execute(
            text(
                """
                SELECT run_id, as_of, data_year, vintage, fingerprint, layer_hash
                FROM ops.run_commit WHERE run_id IN (:then, :now)
                """
            ),
            {"then": rollback.run_id, "now": now},
        )
    }
    then, found = commits[rollback.run_id], commits[now]
    unlike = sorted(
        table.split(".")[1]
        for table, digest in found.layer_hash.items()
        if then.layer_hash.get(table) != digest
    )
    reasons: list[tuple[str, dict[str, object]]] = []
    if (then.as_of, then.vintage) != (found.as_of, found.vintage):
        reasons.append(
            (
                "rollback.date",
                {
                    "then": then.as_of.isoformat(),
                    "now": found.as_of.isoformat(),
                    "then_vintage": then.vintage,
                    "now_vintage": found.vintage,
                },
            )
        )
    steps = [
        name
        for name, digest in found.fingerprint.items()
        if not name.startswith("ops.") and then.fingerprint.get(name) != digest
    ]
    if steps:
        reasons.append(("rollback.rules", {"steps": ", ".join(steps)}))
    acts = connection.execute(
        text(
            """
            SELECT
              count(*) FILTER (WHERE a.kind = 'decision') AS decisions,
              count(*) FILTER (WHERE a.kind = 'correction') AS corrections
            FROM ops.act_seen AS a WHERE a.run_id > :run_id
            """
        ),
        {"run_id": rollback.run_id},
    ).one()
    if acts.decisions or acts.corrections:
        reasons.append(("rollback.acts", acts._asdict()))
    withdrawn = connection.execute(
        text(
            """
            SELECT string_agg(d.delivery_id || ' ' || d.file, ', ' ORDER BY d.delivery_id)
            FROM ops.delivery AS d WHERE d.state = 'withdrawn'
            """
        )
    ).scalar_one()
    if withdrawn:
        reasons.append(("rollback.withdrawn", {"deliveries": withdrawn}))
    if "land_change" in unlike:
        reasons.append(("rollback.land_change", {}))
    return replace(rollback, unlike=unlike, reasons=reasons if unlike else [])


def next_run_id(connection: Connection) -> int:
    """The number that a dry run goes by."""
    value: int = connection.execute(
        text("SELECT greatest(max(run_id), 0) + 1 FROM ops.run")
    ).scalar_one()
    return value


def begin_run(ledger: Connection, *, as_of: dt.date, is_full: bool, backend_pid: int) -> int:
    """Enter a run that begins; return its number."""
    run_id: int = ledger.execute(
        text(
            """
            INSERT INTO ops.run (as_of, is_full, host, client_pid, backend_pid, version)
            VALUES (:as_of, :is_full, :host, :client_pid, :backend_pid, :version) RETURNING run_id
            """
        ),
        {
            "as_of": as_of,
            "is_full": is_full,
            "host": socket.gethostname(),
            "client_pid": os.getpid(),
            "backend_pid": backend_pid,
            "version": __version__,
        },
    ).scalar_one()
    return run_id


def commit_run(
    connection: Connection,
    result: RunResult,
    last: LastRun,
    fingerprints: dict[str, str],
) -> None:
    """Write everything that says that this run is the published one."""
    connection.execute(text(read_sql("sql", "run", "see_acts.sql")), {"run_id": result.run_id})
    connection.execute(
        text(
            """
            UPDATE ops.delivery SET
              state = CASE state WHEN 'loaded' THEN 'consumed' ELSE state END,
              consumed_run = CASE state WHEN 'loaded' THEN CAST(:run_id AS integer) END
            WHERE state = 'loaded' OR (state IN ('held', 'withdrawn') AND consumed_run IS NOT NULL)
            """
        ),
        {"run_id": result.run_id},
    )
    published = next(step for step in result.steps if step.name == "publish_layers")
    write_styles(connection)
    connection.execute(
        text(
            """
            INSERT INTO layers.publication AS p (publication_id, run_id, as_of, data_year)
            VALUES (1, :run_id, :as_of, :data_year)
            ON CONFLICT (publication_id) DO UPDATE
            SET run_id = excluded.run_id, as_of = excluded.as_of, data_year = excluded.data_year
            WHERE :is_changed OR (p.as_of, p.data_year) IS DISTINCT FROM (excluded.as_of, excluded.data_year)
            """
        ),
        {
            "run_id": result.run_id,
            "as_of": result.as_of,
            "data_year": result.data_year,
            "is_changed": published.written > 0,
        },
    )
    hashes = {
        table: (
            last.layer_hash[table]
            if table in last.layer_hash and counts.written == 0
            else layer_hash(connection, table)
        )
        for table, counts in published.counts.items()
    }
    connection.execute(
        text(
            """
            INSERT INTO ops.run_commit
              (run_id, as_of, data_year, vintage, step_count, fingerprint, layer_hash, change, accepted)
            VALUES (:run_id, :as_of, :data_year, :vintage, CAST(:step_count AS jsonb),
                    CAST(:fingerprint AS jsonb), CAST(:layer_hash AS jsonb), CAST(:change AS jsonb),
                    CAST(:accepted AS jsonb))
            """
        ),
        {
            "run_id": result.run_id,
            "as_of": result.as_of,
            "data_year": result.data_year,
            "vintage": result.vintage,
            "step_count": json.dumps(step_summary(result)),
            "fingerprint": json.dumps(fingerprints),
            "layer_hash": json.dumps(hashes),
            "change": json.dumps(change_summary(result)),
            "accepted": json.dumps(accept_summary(result)),
        },
    )


def layer_hash(connection: Connection, table: str) -> str:
    """Order-free hash of a layer's rows, fid apart: 128 bits of the sum of the rows' hashes."""
    columns = connection.execute(
        text("SELECT ops.column_list(CAST(:table AS regclass), 't.', ARRAY['fid', 'geom'])"),
        {"table": table},
    ).scalar_one()
    value: str = connection.execute(
        text(
            "SELECT md5(concat_ws(' ', count(*), sum(hash_record_extended(x.r, 0)), "  # noqa: S608 - our table
            "sum(hash_record_extended(x.r, 1)))) "
            f"FROM (SELECT ROW({columns}, CAST(t.geom AS bytea)) AS r FROM {table} AS t) AS x"
        )
    ).scalar_one()
    return value


def step_summary(result: RunResult) -> list[dict[str, Any]]:
    """Seconds and counts of each step, as the ledger and the report keep them."""
    return [
        {
            "step": step.name,
            "seconds": round(step.seconds, 3),
            "tables": {table: vars(counts) for table, counts in step.counts.items()},
        }
        for step in result.steps
    ]


def read_changes(connection: Connection, result: RunResult) -> None:
    """Enter into the result what the run did to the records, sorted by kind."""
    result.changes = [
        (row.feed, row.change_kind, row.records)
        for row in connection.execute(
            text("SELECT * FROM core.count_changes(:run_id)"), {"run_id": result.run_id}
        )
    ]
    result.lineage = {
        row.kind: row.parcels
        for row in connection.execute(
            text(
                """
                SELECT n.kind, count(DISTINCT n.old_parcel_code) AS parcels
                FROM core.parcel_lineage AS n WHERE n.run_id = :run_id GROUP BY n.kind ORDER BY n.kind
                """
            ),
            {"run_id": result.run_id},
        )
    }


def change_summary(result: RunResult) -> dict[str, Any]:
    """What a run changed, as the ledger, the report and monitoring keep it.

    Shape:  one result in; records by feed and kind, parcels by lineage, accepted links and each
            assessment unit before and after, and what the gate found, out.
    Units:  m2 as text.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, Design 3 (ledger).
    """
    records: dict[str, dict[str, int]] = {}
    for feed, kind, count in result.changes:
        records.setdefault(feed, {})[kind] = count
    before, after = result.before or Published(0, {}), result.after or Published(0, {})
    nothing = Unit("", Decimal(0), Decimal(0))
    return {
        "records": records,
        "lineage": result.lineage,
        "links": {"before": before.links, "after": after.links},
        "coverage": [
            {
                "area_code": code,
                "name": (after.units.get(code) or before.units[code]).name,
                "base_before_m2": str(before.units.get(code, nothing).base_area_m2),
                "base_after_m2": str(after.units.get(code, nothing).base_area_m2),
                "covered_before_m2": str(before.units.get(code, nothing).covered_area_m2),
                "covered_after_m2": str(after.units.get(code, nothing).covered_area_m2),
            }
            for code in sorted(before.units.keys() | after.units.keys())
        ],
        "gate": [
            {"code": one.code, "params": one.params, "stops": one.stops} for one in result.gate
        ],
    }


def accept_summary(result: RunResult) -> dict[str, Any] | None:
    """Who let a run pass, why, and which findings that was about; None where nobody had to."""
    if result.accepted is None:
        return None
    return {
        "by": result.accepted.by,
        "reason": result.accepted.reason,
        "gates": [one.code for one in result.gate if one.stops],
    }


def end_run(ledger: Connection, run_id: int, error: BaseException, found: RunResult | None) -> None:
    """Enter what became of a run that was not published, and what it had found until then.

    A lost server is left to read as died.
    """
    outcome = {SourceError: "refused", GateStopped: "stopped", CheckFailed: "stopped"}
    result = next((name for kind, name in outcome.items() if isinstance(error, kind)), "failed")
    try:
        ledger.execute(
            text(
                """
                UPDATE ops.run SET finished_at = clock_timestamp(), result = :result,
                  error_code = :code, error_params = CAST(:params AS jsonb),
                  finding = CAST(:finding AS jsonb)
                WHERE run_id = :run_id
                """
            ),
            {
                "run_id": run_id,
                "result": result,
                "finding": None
                if found is None
                else json.dumps({"steps": step_summary(found), "change": change_summary(found)}),
                "code": error.code if isinstance(error, DiqiError) else type(error).__name__,
                "params": json.dumps(
                    error.params if isinstance(error, DiqiError) else {}, default=str
                ),
            },
        )
    except Exception as lost:  # noqa: BLE001 - the first error is the one to tell
        error.add_note(f"the ledger could not be written either: {lost}")
