"""The linking alone: a county's records in a database, and the steps that link them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, Engine, text

from pipeline.database import empty_table, migrate, open_engine
from pipeline.demo import make_county
from pipeline.demo.generator import FIRST_DAY
from pipeline.ledger import StepResult
from pipeline.run import load
from pipeline.server import PrivateServer
from pipeline.settings import Settings, load_settings
from pipeline.stepping import mark_everything, run_step, vintage_of
from pipeline.steps import FEEDS, STEPS
from pipeline.workspace import create_workspace

# What the linking needs of the steps before it, and the linking itself.
BEFORE = ("reconcile_records", "overlay_land")
LINKING = ("read_texts", "link_enterprises")


def new_county(folder: Path, *, scale: float, seed: int = 1, noise: Iterable[str] = ()) -> Settings:
    """Make a workspace with the files of the first day, and their truth; return its settings."""
    create_workspace(folder, code="330299", name="青岚县", crs="EPSG:4549")
    make_county(folder, scale=scale, seed=seed, noise=noise)
    return load_settings(folder)


def new_database(server: PrivateServer, name: str, template: str = "diqi") -> str:
    """A fresh database, or a copy of one; what was there under the name is gone."""
    with psycopg.connect(server.admin_dsn(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER diqi").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return make_conninfo(server.dsn(), dbname=name)


def load_records(dsn: str, settings: Settings) -> None:
    """Load the files and make records of them: all that comes before the linking."""
    engine = open_engine(dsn)
    migrate(engine, settings)
    load(engine, settings, as_of=FIRST_DAY)
    with engine.begin() as connection:
        empty_table(connection, "ops.dirty")
        run_steps(connection, settings, BEFORE)
    engine.dispose()


def link_all(engine: Engine, settings: Settings) -> list[StepResult]:
    """Link with everything in scope, as a first run does, and keep it."""
    with engine.begin() as connection:
        empty_table(connection, "ops.dirty")
        mark_everything(connection)
        return run_steps(connection, settings, LINKING)


def run_steps(
    connection: Connection, settings: Settings, names: Iterable[str], day: dt.date = FIRST_DAY
) -> list[StepResult]:
    """Run some steps on what is marked, in the transaction of the caller."""
    connection.execute(
        text("SELECT set_config('diqi.as_of', :day, true)"), {"day": day.isoformat()}
    )
    common: dict[str, object] = {
        "run_id": 1,
        "as_of": day,
        "data_year": day.year - settings.evaluation.data_year_offset,
        "feeds": list(FEEDS),
        "is_full": True,
        "vintage": None,
    }
    results = []
    for step in STEPS:
        if step.name in names:
            own = {name: settings.value(path) for name, path in step.settings.items()}
            results.append(run_step(connection, step, {**common, **own}, 1))
        if step.name == "reconcile_records":
            common["vintage"] = vintage_of(connection, settings)
    return results
