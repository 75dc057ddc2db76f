"""What a published run leaves outside the database, and what it says of itself.

GeoPackage, QGIS projects and report; reads of the ledger for ``status`` and ``history``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from pipeline.database import database_errors
from pipeline.errors import UsageError
from pipeline.messages import both
from pipeline.outputs.geopackage import write_geopackage
from pipeline.outputs.project import layer_extent, write_projects
from pipeline.outputs.report import write_report
from pipeline.run import RunResult, step_summary
from pipeline.settings import Settings
from pipeline.steps.load_feeds import DeliveryResult

FILES = {
    "project": "diqi.qgz",
    "project_gpkg": "diqi-gpkg.qgz",
    "geopackage": "diqi.gpkg",
    "report": "report.html",
}

_STATUS = {
    "run": """
        SELECT run_id, as_of, started_at, finished_at, state, error_code
        FROM ops.run_state ORDER BY run_id DESC LIMIT 1
    """,
    "published": "SELECT run_id, as_of, data_year FROM layers.publication",
    "coverage": "SELECT * FROM derived.township_coverage ORDER BY area_code",
    "seats": """
        SELECT seat_state, count(*) AS n FROM derived.seat GROUP BY seat_state ORDER BY seat_state
    """,
    "issues": """
        SELECT severity, rule, count(*) AS n, min(message) AS message
        FROM layers.data_issue GROUP BY severity, rule
        ORDER BY array_position(ARRAY['error', 'warning', 'notice'], severity), n DESC, rule
    """,
    "deliveries": """
        SELECT delivery_id, feed, file, layer, data_date, state, row_count, kept_count,
          unchanged_count, quarantined_count
        FROM ops.delivery ORDER BY data_date, delivery_id
    """,
}


def write_files(engine: Engine, settings: Settings, result: RunResult) -> dict[str, Path]:
    """Write the files of a published run into the workspace's out/; unchanged ones stay.

    Shape:  names of FILES to paths.
    Units:  as published.
    CRS:    that of the county.
    Errors: SettingsError export.not_writable; DatabaseError.
    Source: design section 4.
    """
    out = settings.workspace / "out"
    paths = {name: out / file for name, file in FILES.items()}
    if result.written == 0 and all(path.is_file() for path in paths.values()):
        return paths
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        out.mkdir(exist_ok=True)
        write_geopackage(connection, paths["geopackage"])
        write_projects(settings.county.srid, settings.county.name, out, layer_extent(connection))
        summary = run_summary(result) | {"title": settings.county.name}
        write_report(connection, paths["report"], summary, both)
    return paths


def run_summary(result: RunResult) -> dict[str, Any]:
    """A run as JSON: what was loaded, what each step did, what is missing."""
    return {
        "run_id": result.run_id,
        "as_of": result.as_of.isoformat(),
        "data_year": result.data_year,
        "vintage": result.vintage,
        "is_dry": result.is_dry,
        "written": result.written,
        "missing_feeds": result.missing_feeds,
        "unknown_files": result.unknown_files,
        "deliveries": [delivery_summary(delivery) for delivery in result.deliveries],
        "steps": step_summary(result),
    }


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
    }


def read_status(engine: Engine) -> dict[str, Any]:
    """The published state: last run, coverage, seats, issues, deliveries."""
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        found: dict[str, Any] = {name: _rows(connection, query) for name, query in _STATUS.items()}
    found["run"] = found["run"][0] if found["run"] else None
    found["published"] = found["published"][0] if found["published"] else None
    return found


def read_history(engine: Engine, limit: int) -> list[dict[str, Any]]:
    """The last runs, newest first, with their state and counts."""
    with database_errors(), engine.connect() as connection:
        return _rows(
            connection,
            """
            SELECT run_id, as_of, started_at, finished_at, state, is_full, host, version,
              error_code, error_params, step_count
            FROM ops.run_state ORDER BY run_id DESC LIMIT :limit
            """,
            {"limit": limit},
        )


def change_delivery(engine: Engine, delivery_id: int, action: str) -> str:
    """Withdraw a delivery, or release one that is held; an ordinary run follows.

    Shape:  the delivery's file.
    Units:  none.
    CRS:    none.
    Errors: UsageError when there is no such delivery in a state that allows it.
    Source: design section 3, Undo.
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
        file: str = found.file
        return file


def _rows(
    connection: Connection, query: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(query), dict(parameters or {})).mappings()]
