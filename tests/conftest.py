"""Fixtures: one throw-away PostGIS per test run, one migrated template, one clone per test.

``DIQI_TEST_DATABASE_URL`` names a server to use instead; its login must be allowed to create
databases and roles.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Engine

from pipeline import server as server_module
from pipeline.database import migrate, open_engine
from pipeline.demo.township import write_second_night, write_township
from pipeline.errors import SettingsError
from pipeline.ledger import RunResult
from pipeline.run import run
from pipeline.server import PrivateServer, prepare_sql
from pipeline.settings import Settings, load_settings
from pipeline.workspace import create_workspace


def _can_run_postgres() -> bool:
    try:
        server_module._newest_binaries()
    except SettingsError:
        return False
    return True


# For tests of a private server; in CI they fail where there can be none.
NEEDS_POSTGRES = pytest.mark.skipif(
    not _can_run_postgres() and not os.environ.get("CI"),
    reason="PostgreSQL with PostGIS is not installed",
)

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
FIRST_NIGHT = dt.date(2026, 6, 30)
SECOND_NIGHT = dt.date(2026, 7, 1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; tests that need it are skipped where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the real data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A connection string with the right to create databases."""
    given = os.environ.get("DIQI_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("server")
    server = PrivateServer(folder, throwaway=True)
    try:
        dsn = server.start()
    except SettingsError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostGIS on this machine: {error}")
    try:
        yield dsn
    finally:
        server.remove()


def _admin(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True)


def _drop(dsn: str, name: str) -> None:
    with _admin(dsn) as admin:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


class Databases:
    """Makes databases by cloning a template per CRS, and drops them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.made: list[str] = []
        self.templates: dict[int, str] = {}

    def clone(self, settings: Settings) -> str:
        """A fresh migrated database; returns its connection string."""
        srid = settings.county.srid
        if srid not in self.templates:
            self.templates[srid] = self._template(settings)
        return self._create(self.templates[srid])

    def copy(self, dsn: str) -> str:
        """A copy of a database to which nobody is connected."""
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        return self._create(str(name))

    def _template(self, settings: Settings) -> str:
        source = psycopg.conninfo.conninfo_to_dict(self.dsn)["dbname"]
        dsn = self._create(str(source))
        login = psycopg.connect(dsn).info.user
        srid, proj4 = settings.county.area_plane
        name = str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
        with _admin(dsn) as admin:
            known = admin.execute(
                "SELECT 1 FROM spatial_ref_sys WHERE srid = %s", (srid,)
            ).fetchone()
        if known is None:
            admin_dsn = make_conninfo(self.admin_dsn(), dbname=name)
            with _admin(admin_dsn) as admin:
                admin.execute(prepare_sql(name, login, srid, proj4))
        engine = open_engine(dsn)
        migrate(engine, settings)
        engine.dispose()
        return name

    def admin_dsn(self) -> str:
        """A connection string of the server's administrator."""
        return make_conninfo(self.dsn, user="postgres")

    def _create(self, template: str) -> str:
        name = f"diqi_test_{uuid.uuid4().hex[:12]}"
        with _admin(make_conninfo(self.dsn, dbname="postgres")) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        self.made.append(name)
        return make_conninfo(self.dsn, dbname=name)

    def drop_all(self) -> None:
        """Drop what was made."""
        for name in self.made:
            _drop(make_conninfo(self.dsn, dbname="postgres"), name)


@pytest.fixture(scope="session")
def databases(server_dsn: str) -> Iterator[Databases]:
    """The maker of databases of this test run."""
    maker = Databases(server_dsn)
    yield maker
    maker.drop_all()


@pytest.fixture(scope="session")
def county_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the invented county, without any files."""
    folder = tmp_path_factory.mktemp("county")
    create_workspace(folder, code="330299", name="青岚县", crs="EPSG:4549")
    return load_settings(folder)


@pytest.fixture
def database(databases: Databases, county_settings: Settings) -> Iterator[Engine]:
    """A fresh migrated database in the CRS of the invented county."""
    engine = open_engine(databases.clone(county_settings))
    yield engine
    engine.dispose()


@dataclass
class Township:
    """A workspace with the hand-drawn township and its database."""

    settings: Settings
    dsn: str
    engine: Engine

    def run(self, as_of: dt.date = FIRST_NIGHT, **options: object) -> RunResult:
        """One run on the given business date."""
        return run(self.engine, self.settings, as_of=as_of, **options)  # type: ignore[arg-type]

    def second_night(self) -> None:
        """Put the second night's deliveries into the inbox."""
        write_second_night(self.settings.workspace)


@pytest.fixture(scope="session")
def township_template(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A workspace and a database after the first run; copied, never changed."""
    folder = tmp_path_factory.mktemp("township")
    create_workspace(folder, code="330299", name="青岚县", crs="EPSG:4549")
    write_township(folder)
    settings = load_settings(folder)
    dsn = databases.clone(settings)
    engine = open_engine(dsn)
    run(engine, settings, as_of=FIRST_NIGHT)
    engine.dispose()
    return folder, dsn


@pytest.fixture(scope="session")
def township(databases: Databases, township_template: tuple[Path, str]) -> Iterator[Engine]:
    """The township after its first run, to read only."""
    engine = open_engine(databases.copy(township_template[1]))
    yield engine
    engine.dispose()


@pytest.fixture
def make_township(
    databases: Databases, township_template: tuple[Path, str], tmp_path: Path
) -> Iterator[Callable[..., Township]]:
    """Makes townships of one's own: ``make(has_run=False)`` before its first run."""
    engines: list[Engine] = []

    def make(*, has_run: bool = True) -> Township:
        folder = tmp_path / f"county{len(engines)}"
        shutil.copytree(township_template[0], folder)
        settings = load_settings(folder)
        dsn = databases.copy(township_template[1]) if has_run else databases.clone(settings)
        engine = open_engine(dsn)
        engines.append(engine)
        return Township(settings, dsn, engine)

    yield make
    for engine in engines:
        engine.dispose()
