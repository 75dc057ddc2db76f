"""What a published run leaves outside the database, and what it says of itself.

GeoPackage, QGIS projects and report; reads of the ledger for ``status`` and ``history``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Select, Table, case, func, select, text

from pipeline.database import database_errors
from pipeline.errors import DiqiError, GateStopped, SourceError, UsageError
from pipeline.feeds.contracts import Contract
from pipeline.history import Moment, unlike_then
from pipeline.issues import write_issue_sheets
from pipeline.ledger import Rollback, RunResult, accept_summary, change_summary, step_summary
from pipeline.messages import both
from pipeline.offices import feed_states
from pipeline.outputs.grading import TABLES as GRADING
from pipeline.outputs.grading import read_grading
from pipeline.outputs.project import layer_extent, write_projects
from pipeline.outputs.report import write_report
from pipeline.outputs.tables import reflect
from pipeline.run import contracts_of
from pipeline.settings import Settings
from pipeline.steps.deliveries import DeliveryResult

FILES = {
    "project": "diqi.qgz",
    "project_gpkg": "diqi-gpkg.qgz",
    "project_review": "diqi-review.qgz",
    "geopackage": "diqi.gpkg",
    "report": "report.html",
}

# The folder of what goes back to the offices.
ISSUES: Final = "issues"

# Reports of what was not published.
DRAFTS: Final = {"dry_run": "report-dry-run.html", "stopped": "report-stopped.html"}

_TABLES: Final = {
    "layers": ("publication", "data_issue"),
    "derived": ("township_coverage", "seat", *GRADING["derived"]),
    "ops": ("run_state", "delivery"),
}
_RUN: Final = ("run_id", "as_of", "started_at", "finished_at", "state")
_DELIVERY: Final = (
    "delivery_id",
    "feed",
    "file",
    "layer",
    "data_date",
    "state",
    "row_count",
    "kept_count",
    "unchanged_count",
    "quarantined_count",
)
# Changes that begin later than what is in force before them ends. Several passes: what is held takes
# others with it.
_HOLD_WHAT_HANGS: Final = """
WITH active AS (
  SELECT d.delivery_id, d.feed, d.scope, d.data_date, d.since
  FROM ops.delivery AS d
  WHERE d.state IN ('loaded', 'consumed')
)
UPDATE ops.delivery AS h SET state = 'held'
FROM active AS c
WHERE h.delivery_id = c.delivery_id AND c.since IS NOT NULL AND (
  NOT EXISTS (
    SELECT 1
    FROM active AS b
    WHERE b.feed = c.feed AND b.data_date >= c.since AND b.data_date < c.data_date
      AND (b.scope IS NULL OR c.scope IS NULL OR b.scope && c.scope)
  ) OR (
    -- the first package of a year carried the rest of it over
    EXISTS (
      SELECT 1
      FROM ops.delivery AS k
      WHERE k.feed = c.feed AND k.carried_count > 0 AND k.parts && h.parts AND k.delivery_id < c.delivery_id
        AND k.state NOT IN ('loaded', 'consumed', 'refused')
    ) AND NOT EXISTS (
      SELECT 1
      FROM ops.delivery AS k
      WHERE k.feed = c.feed AND k.parts && h.parts AND k.delivery_id <> c.delivery_id
        AND k.state IN ('loaded', 'consumed') AND (k.since IS NULL OR k.carried_count > 0)
    )
  )
)
RETURNING h.delivery_id, h.file, h.since
"""
_INPUT: Final = ("delivery_id", "feed", "file", "data_date", "since", "content_hash")
_SEVERITIES: Final = {"error": 1, "warning": 2, "notice": 3}


def write_files(engine: Engine, settings: Settings, result: RunResult) -> dict[str, Path]:
    """Write the files of a published run into the workspace's out/; unchanged ones stay.

    They stay when the run neither loaded nor wrote anything and all of them are there for the run
    and business date that the layers show. The GeoPackage says for which it was written, and is
    written last: what was interrupted, or deleted since, is made good by the next run. The sheets for
    the offices are looked at by themselves.

    Shape:  names of FILES to paths; with them ``issues``, a folder, where an office has to mend anything.
    Units:  as published.
    CRS:    that of the county.
    Errors: SettingsError export.not_writable; DatabaseError.
    Source: docs/sources.md, Design 4.
    """
    # what only loads need not wait for GDAL
    from pipeline.outputs.geopackage import publication_stamp, read_stamp, write_geopackage

    out = settings.workspace / "out"
    paths = {name: out / file for name, file in FILES.items()}
    is_quiet = result.written == 0 and all(d.state != "loaded" for d in result.deliveries)
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        sheets = write_issue_sheets(connection, contracts_of(settings), out / ISSUES)
        if not (
            is_quiet
            and all(path.is_file() for path in paths.values())
            and read_stamp(paths["geopackage"]) == publication_stamp(connection)
        ):
            extent = layer_extent(connection)
            write_projects(settings.county.srid, settings.county.name, out, extent)
            summary = run_summary(result) | {"title": settings.county.name}
            write_report(connection, paths["report"], summary, both)
            write_geopackage(connection, paths["geopackage"])
    return paths | ({"issues": out / ISSUES} if sheets else {})


@contextmanager
def issue_sheets(engine: Engine, settings: Settings) -> Iterator[list[Path]]:
    """Bring the sheets for the offices up to date after what is loaded inside, refused or not.

    Shape:  the list that is yielded holds their paths afterwards, also while a refusal is on its way.
    Units:  those of the delivered values.
    CRS:    none.
    Errors: SettingsError export.not_writable; DatabaseError. After a refusal these are notes of it.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    with sheets_of_refusal(engine, settings) as paths:
        yield paths
    paths += _write_issues(engine, settings)


@contextmanager
def sheets_of_refusal(engine: Engine, settings: Settings) -> Iterator[list[Path]]:
    """The same where a file is refused inside; else they are written with all other files.

    Shape:  as ``issue_sheets``.
    Units:  those of the delivered values.
    CRS:    none.
    Errors: those inside.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    paths: list[Path] = []
    try:
        yield paths
    except SourceError as refusal:
        try:
            paths += _write_issues(engine, settings)
        except DiqiError as error:
            refusal.add_note(f"the sheets for the offices could not be written: {error}")
        raise


def _write_issues(engine: Engine, settings: Settings) -> list[Path]:
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        folder = settings.workspace / "out" / ISSUES
        return write_issue_sheets(connection, contracts_of(settings), folder)


def write_draft(connection: Connection, settings: Settings, result: RunResult) -> Path:
    """Write the report of a run that is dry or was stopped, inside its transaction.

    Shape:  the connection of the run, its settings and its result in; the file out.
    Units:  as published.
    CRS:    none.
    Errors: SettingsError export.not_writable; those of the database.
    Source: docs/sources.md, Design 3 (a stopped run says what would have changed).
    """
    path = settings.workspace / "out" / DRAFTS["dry_run" if result.is_dry else "stopped"]
    path.parent.mkdir(exist_ok=True)
    summary = run_summary(result) | {"title": settings.county.name}
    write_report(connection, path, summary, both)
    return path


def write_report_of(
    connection: Connection, settings: Settings, path: Path, moment: Moment | None
) -> list[tuple[str, dict[str, object]]]:
    """Write the report of what is published, or of how things stood, into a file.

    Shape:  a connection that shows it, the file, the moment (None: now) in; what to say of it as
            codes and parameters out.
    Units:  as published.
    CRS:    none.
    Errors: SettingsError export.not_writable; those of the database.
    Source: docs/sources.md, Design 3 (history).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    run: dict[str, Any] = {"title": settings.county.name}
    shown = connection.execute(
        text(
            """
            SELECT c.change, c.accepted, c.step_count
            FROM ops.run_commit AS c JOIN layers.publication AS p ON p.run_id = c.run_id
            """
        )
    ).one_or_none()
    if shown is not None:
        run |= {"change": shown.change, "accepted": shown.accepted, "steps": shown.step_count}
    if moment is not None:
        run |= {"state": "history", "run_id": moment.run_id, "as_of": moment.as_of.isoformat()}
        run["data_year"] = moment.data_year
    write_report(connection, path, run, both)
    return [] if moment is None else moment_messages(connection, moment)


def write_export(
    connection: Connection, path: Path, moment: Moment | None
) -> list[tuple[str, dict[str, object]]]:
    """Write the layers that are published, or as they stood, into a GeoPackage.

    Shape:  as ``write_report_of``.
    Units:  as published.
    CRS:    that of the county.
    Errors: SettingsError export.not_writable; those of the database.
    Source: docs/sources.md, Design 3 (history).
    """
    from pipeline.outputs.geopackage import write_geopackage

    path.parent.mkdir(parents=True, exist_ok=True)
    write_geopackage(connection, path)
    return [] if moment is None else moment_messages(connection, moment)


def moment_messages(connection: Connection, moment: Moment) -> list[tuple[str, dict[str, object]]]:
    """What to say of a moment: which records it shows, and what is not as it was published then."""
    said: dict[str, object] = {"run_id": moment.run_id, "as_of": moment.as_of.isoformat()}
    unlike = unlike_then(connection, moment)
    return [
        ("history.earlier" if moment.is_earlier else "history.moment", said),
        ("history.unlike", {"layers": ", ".join(unlike)}) if unlike else ("history.same", said),
    ]


def run_summary(result: RunResult) -> dict[str, Any]:
    """A run as JSON: what was loaded, what each step did, what is missing."""
    return {
        "run_id": result.run_id,
        "as_of": result.as_of.isoformat(),
        "data_year": result.data_year,
        "vintage": result.vintage,
        "is_dry": result.is_dry,
        "state": _state(result),
        "written": result.written,
        "change": change_summary(result),
        "accepted": accept_summary(result),
        "missing_feeds": result.missing_feeds,
        "overdue": [
            {name: one[name] for name in ("feed", "office", "due", "data_date", "answer")}
            for one in result.overdue
        ],
        "too_old": [
            {
                name: one[name]
                for name in ("feed", "office", "data_date", "age_days", "max_age_days")
            }
            for one in result.too_old
        ],
        "unknown_files": result.unknown_files,
        **({} if result.rollback is None else {"rollback": rollback_summary(result.rollback)}),
        "deliveries": [delivery_summary(delivery) for delivery in result.deliveries],
        "steps": step_summary(result),
    }


def _state(result: RunResult) -> str:
    """What became of a run, or what would have."""
    if any(one.stops for one in result.gate) and result.accepted is None:
        return "stopped"
    return "dry_run" if result.is_dry else "published"


def rollback_summary(result: Rollback) -> dict[str, Any]:
    """A rollback as JSON: what is held, which layers are not as they were, and why."""
    return {
        "to_run": result.run_id,
        "held": [{"delivery_id": number, "file": file} for number, file in result.held],
        "unlike": result.unlike,
        "reasons": [{"code": code, "params": params} for code, params in result.reasons],
    }


def rollback_messages(result: Rollback) -> list[tuple[str, dict[str, object]]]:
    """What to tell of a rollback, as codes and parameters: what is held, what differs, and why."""
    held: list[tuple[str, dict[str, object]]] = [
        ("rollback.held", {"delivery": number, "file": file}) for number, file in result.held
    ]
    run: dict[str, object] = {"run": result.run_id}
    likeness: tuple[str, dict[str, object]] = ("rollback.same", run)
    if result.unlike:
        likeness = ("rollback.unlike", {**run, "layers": ", ".join(result.unlike)})
    return [*(held or [("rollback.nothing_held", run)]), likeness, *result.reasons]


def gate_messages(result: RunResult) -> list[tuple[str, dict[str, object]]]:
    """What the gate found, as codes and parameters; what a person let pass is said as that."""
    is_passed = result.accepted is not None
    return [
        (f"{one.code}.passed" if one.stops and is_passed else one.code, one.params)
        for one in result.gate
    ]


def raise_if_stopped(result: RunResult) -> None:
    """After a dry run: leave as the run itself would.

    Errors: GateStopped where the gate would stop it.
    """
    stopping = next((one for one in result.gate if one.stops), None)
    if stopping is not None and result.accepted is None:
        raise GateStopped(stopping.code, **stopping.params)


def delivery_summary(result: DeliveryResult) -> dict[str, Any]:
    """One loaded file as JSON, with the names that ops.delivery has."""
    return {
        "delivery_id": result.delivery_id,
        "feed": result.source.feed,
        "file": result.source.name,
        "data_date": result.data_date,
        "state": result.state,
        "row_count": result.row_count,
        "kept_count": result.kept_count,
        "unchanged_count": result.unchanged_count,
        "quarantined_count": result.quarantined_count,
        "ignored_line_count": result.ignored_lines,
    }


def read_status(engine: Engine, contracts: Mapping[str, Contract] | None = None) -> dict[str, Any]:
    """The published state: last run, coverage, seats, grades by rules, issues, deliveries.

    With contracts also ``late``: the feeds that are overdue or too old on the published business date, as
    ``feed_states`` gives them.
    """
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        metadata = reflect(connection, _TABLES)
        tables = metadata.tables
        shown, coverage = tables["layers.publication"], tables["derived.township_coverage"]
        statements = {
            "run": _runs(tables["ops.run_state"], "error_code").limit(1),
            "published": select(shown.c.run_id, shown.c.as_of, shown.c.data_year),
            "coverage": select(coverage).order_by(coverage.c.area_code),
            "seats": _seats(tables["derived.seat"]),
            "issues": _issues(tables["layers.data_issue"]),
            "deliveries": _deliveries(tables["ops.delivery"]),
        }
        found: dict[str, Any] = {
            name: _rows(connection, statement) for name, statement in statements.items()
        }
        found["rules"] = read_grading(connection, metadata)
        if contracts is not None:
            as_of = found["published"][0]["as_of"] if found["published"] else None
            states = [] if as_of is None else feed_states(connection, contracts, as_of)
            found["late"] = [one for one in states if one["is_overdue"] or one["is_too_old"]]
    found["run"] = found["run"][0] if found["run"] else None
    found["published"] = found["published"][0] if found["published"] else None
    return found


def read_history(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """The last runs, newest first: state, what each took in, changed and counted, who let it pass."""
    others = (
        "is_full",
        "data_year",
        "vintage",
        "host",
        "version",
        "error_code",
        "error_params",
        "accepted",
        "change",
        "step_count",
    )
    with database_errors(), engine.connect() as connection:
        tables = reflect(connection, {"ops": ["run_state", "delivery"]}).tables
        runs = _rows(connection, _runs(tables["ops.run_state"], *others).limit(limit))
        delivery = tables["ops.delivery"].c
        first = min((row["run_id"] for row in runs), default=0)
        inputs: dict[int, list[dict[str, Any]]] = {row["run_id"]: [] for row in runs}
        for row in _rows(
            connection,
            select(delivery.consumed_run, *(delivery[name] for name in _INPUT))
            .where(delivery.consumed_run >= first)
            .order_by(delivery.delivery_id),
        ):
            inputs[row.pop("consumed_run")].append(row)
        return [{**row, "deliveries": inputs[row["run_id"]]} for row in runs]


def change_delivery(engine: Engine, delivery_id: int, action: str) -> tuple[str, list[str]]:
    """Withdraw a delivery, or release one that is held; an ordinary run follows.

    Deliveries of changes that stand on a withdrawn one are held with it.

    Shape:  the delivery's file, and the files that are held with it.
    Units:  none.
    CRS:    none.
    Errors: UsageError when there is no such delivery in a state that allows it, or when changes do
            not meet what is in force.
    Source: docs/sources.md, Design 3, Undo.
    """
    allowed, state = {
        "withdraw": (["loaded", "consumed", "held"], "withdrawn"),
        "release": (["held", "withdrawn"], "loaded"),
    }[action]
    with database_errors(), engine.begin() as connection:
        found = connection.execute(
            text("SELECT state, file FROM ops.delivery WHERE delivery_id = :id FOR UPDATE"),
            {"id": delivery_id},
        ).one_or_none()
        if found is None or found.state not in allowed:
            raise UsageError(
                "usage.delivery", delivery=delivery_id, state=found.state if found else "-"
            )
        connection.execute(
            text("UPDATE ops.delivery SET state = :state WHERE delivery_id = :id"),
            {"state": state, "id": delivery_id},
        )
        held: list[str] = []
        while gone := list(connection.execute(text(_HOLD_WHAT_HANGS)).all()):
            if any(row.delivery_id == delivery_id for row in gone):
                raise UsageError("usage.changes_do_not_meet", file=found.file, since=gone[0].since)
            held += [row.file for row in gone]
        return str(found.file), held


def _runs(state: Table, *others: str) -> Select[Any]:
    return select(*(state.c[name] for name in (*_RUN, *others))).order_by(state.c.run_id.desc())


def _seats(seat: Table) -> Select[Any]:
    state = seat.c.seat_state
    return select(state, func.count().label("n")).group_by(state).order_by(state)


def _issues(issue: Table) -> Select[Any]:
    rule, count = (issue.c.severity, issue.c.rule), func.count().label("n")
    return (
        select(*rule, count, func.min(issue.c.message).label("message"))
        .group_by(*rule)
        .order_by(case(_SEVERITIES, value=issue.c.severity), count.desc(), issue.c.rule)
    )


def _deliveries(delivery: Table) -> Select[Any]:
    columns = (delivery.c[name] for name in _DELIVERY)
    # lines of a table that are no rows: titles, headings, totals, notes; the first of them by number
    ignored = (
        delivery.c.detail[name].label(name) for name in ("ignored_line_count", "ignored_lines")
    )
    return select(*columns, *ignored).order_by(delivery.c.data_date, delivery.c.delivery_id)


def _rows(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]
