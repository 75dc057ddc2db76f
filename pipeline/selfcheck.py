"""What ``diqi check`` looks at: the installation itself, or the invariants of a live database."""

from __future__ import annotations

import importlib
from typing import Any

from sqlalchemy import Engine, text

from pipeline._paths import data_path
from pipeline.database import database_errors
from pipeline.demo import RULES
from pipeline.feeds.contracts import load_contracts
from pipeline.messages import catalogue
from pipeline.outputs.tables import read_layers
from pipeline.run import check
from pipeline.settings import Settings
from pipeline.steps import STEPS

_LIBRARIES = ("geopandas", "shapely", "pyproj", "pyogrio", "psycopg", "sqlalchemy", "geoalchemy2")


def check_installation() -> dict[str, Any]:
    """Whether every file that the program reads came along; raises where one is missing."""
    found: dict[str, Any] = {name: importlib.import_module(name).__version__ for name in _LIBRARIES}
    files = [data_path("sql", "steps", step.name, "scope.sql") for step in STEPS]
    files += [
        data_path(*step.sql_folder, f"{output.name}.sql")
        for step in STEPS
        for output in step.outputs
        if output.rows is None
    ]
    files += [data_path(*parts) for step in STEPS for parts in step.files]
    rules = sorted(data_path("config", "rules").glob("*.toml"))
    files += [*rules, RULES]
    for file in files:
        file.read_text(encoding="utf-8")
    found["step files"] = len(files) - len(rules) - 1
    found["rule sets"] = len(rules)
    found["migrations"] = len(sorted(data_path("sql", "migrations").glob("*.sql")))
    found["checks"] = len(sorted(data_path("sql", "checks").glob("*.sql")))
    found["feeds"] = len(load_contracts(data_path("config", "sources.toml"), None))
    found["layers"] = len(read_layers())
    zh, en = catalogue("zh"), catalogue("en")
    if zh.keys() != en.keys():
        raise ValueError(f"messages without a translation: {sorted(zh.keys() ^ en.keys())}")
    found["messages"] = len(zh)
    return found


def check_database(engine: Engine, settings: Settings) -> dict[str, int]:
    """Run the checks on the published state; returns offending rows per rule, all 0.

    Errors: CheckFailed for the first rule that is broken.
    """
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        last = (
            connection.execute(
                text(
                    "SELECT run_id, as_of, data_year, vintage FROM ops.run_commit ORDER BY run_id DESC LIMIT 1"
                )
            )
            .mappings()
            .one_or_none()
        )
        if last is None:
            return {}
        return check(
            connection,
            {**last, "base_codes": settings.value("coverage.base_codes"), "is_full": True},
        )
