"""A workspace: one county's folder, and the database that belongs to it."""

from __future__ import annotations

import string
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine

from pipeline._paths import data_path
from pipeline.database import migrate, open_engine
from pipeline.errors import SettingsError, UsageError
from pipeline.server import PrivateServer, prepare_sql
from pipeline.settings import WORKSPACE_FILE, Settings

CORRECTIONS_HEAD = (
    "feed,key,field,expected_value,new_value,reason,evidence,author,office,valid_until\n"
)


def create_workspace(folder: Path, *, code: str, name: str, crs: str) -> Path:
    """Make the folder of a county: diqi.toml, inbox/, corrections.csv, out/.

    Errors: UsageError when the folder is a workspace already; SettingsError when it cannot be made.
    """
    file = folder / WORKSPACE_FILE
    if file.exists():
        raise UsageError("workspace.exists", path=str(folder))
    template = string.Template(data_path("config", "workspace.toml.in").read_text(encoding="utf-8"))
    try:
        for part in ("inbox", "out"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        corrections = folder / "corrections.csv"
        if not corrections.exists():
            corrections.write_text(CORRECTIONS_HEAD, encoding="utf-8")
        file.write_text(template.substitute(code=code, name=name, crs=crs), encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            "workspace.not_writable", path=str(folder), reason=str(error)
        ) from error
    return folder


def dsn_of(settings: Settings) -> str:
    """The connection string of the workspace's database; starts the private server when needed."""
    if settings.database.url:
        return settings.database.url
    area_srid, proj4 = settings.county.area_plane
    server = PrivateServer(settings.workspace, area_srid=area_srid, area_proj4=proj4)
    return server.start()


def open_database(settings: Settings) -> Engine:
    """The workspace's database, ready to use: server started, migrations applied.

    Errors: DatabaseError, SettingsError.
    """
    engine = open_engine(dsn_of(settings))
    migrate(engine, settings)
    return engine


def running_database(settings: Settings) -> Engine | None:
    """The workspace's database where it is up already; nothing is started or migrated.

    Errors: SettingsError where the private server's record cannot be read.
    """
    if settings.database.url:
        return open_engine(settings.database.url)
    server = PrivateServer(settings.workspace)
    return open_engine(server.dsn()) if server.status().state == "running" else None


def preparation(settings: Settings) -> str:
    """The SQL that prepares a given server for this county.

    Database and login are those of the connection string, or ``diqi`` and ``diqi``.
    """
    given = conninfo_to_dict(settings.database.url) if settings.database.url else {}
    area_srid, proj4 = settings.county.area_plane
    return prepare_sql(
        str(given.get("dbname") or "diqi"), str(given.get("user") or "diqi"), area_srid, proj4
    )
