"""The private PostGIS of a workspace: one cluster, one Unix socket, no network.

A normal user's cluster lies in the workspace (``.diqi/pg``). Root may not run PostgreSQL and
``postgres`` cannot enter root's folders, so root's cluster lies in ``/var/lib/diqi/<id>`` and runs
as ``postgres``; the id is random, so a new workspace never meets the cluster of a deleted one. ``.diqi/server.json`` records which data directory belongs to the workspace.
Whether the server runs, and where it listens, is never recorded: it is read from PostgreSQL's own
``postmaster.pid`` and from ``/proc``, so a crash, a reboot or a wiped ``/run`` cannot make it lie.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import grp
import hashlib
import json
import logging
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from pipeline.errors import DatabaseError, SettingsError

__all__ = ["GROUP_ROLES", "PrivateServer", "ServerStatus", "group_roles_sql", "prepare_sql"]

GROUP_ROLES = ("diqi_owner", "diqi_loader", "diqi_reviewer", "diqi_viewer")

DATABASE = "diqi"
LOGIN = "diqi"
SUPERUSER = "postgres"
SOCKET_GROUP = "diqi"
PORT = 5432  # only the name of a file in a folder of our own, so it can never collide

AREA_SRID = 990120
AREA_PROJ4 = "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m +no_defs"

_ROOT_DATA = Path("/var/lib/diqi")
_ROOT_RUN = Path("/run/diqi")
_START_SECONDS = 600  # crash recovery of a large load takes minutes
_LOCK_SECONDS = 900  # longer than a first start that waits for another one's recovery
_STOP_SECONDS = 120
_LOG_BYTES = 10_000_000
_MIB = 1024 * 1024

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known of a private server at this moment; ``pid`` is None unless it runs."""

    state: Literal["running", "stopped", "absent"]
    pid: int | None
    socket_dir: Path | None
    data_dir: Path | None
    port: int
    version: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class _Record:
    """The content of ``server.json``."""

    id: str  # random; names the cluster's folders, and tells a copied workspace from a moved one
    workspace: str
    data_dir: str
    os_user: str
    prepared: str | None = None  # fingerprint of the SQL that the database was prepared with


@dataclasses.dataclass(frozen=True, slots=True)
class _Postmaster:
    """A live postmaster, as its lock file tells."""

    pid: int
    port: int
    socket_dir: Path

    @property
    def is_reachable(self) -> bool:
        """Whether the socket is still there; a logout or a cleaner may have removed it."""
        return (self.socket_dir / f".s.PGSQL.{self.port}").is_socket()


class PrivateServer:
    """The PostGIS that belongs to one workspace.

    Shape:  one cluster per workspace, holding the database ``diqi`` owned by the role ``diqi``.
    Units:  none.
    CRS:    adds the survey-area system (``area_srid``, an equal-area projection) to
            spatial_ref_sys.
    Errors: SettingsError when the machine lacks what a server needs; DatabaseError when
            PostgreSQL refuses.
    Source: docs/decisions/0001-private-postgis.md.

    ``throwaway=True`` is for tests: no fsync, little memory, and ``diqi`` may create databases.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        throwaway: bool = False,
        area_srid: int = AREA_SRID,
        area_proj4: str = AREA_PROJ4,
    ) -> None:
        self.workspace = workspace.resolve()
        self.throwaway = throwaway
        self.area_srid = area_srid
        self.area_proj4 = area_proj4
        self._folder = self.workspace / ".diqi"
        self._record_file = self._folder / "server.json"
        self._is_root = os.geteuid() == 0

    # -- what callers use ---------------------------------------------------------------------

    def start(self) -> str:
        """Make the cluster at the first time, start it when it does not run, return the dsn.

        Shape:  one libpq connection string on one line.
        Units:  none.
        CRS:    none.
        Errors: SettingsError (no PostgreSQL or PostGIS, no account, another owner);
                DatabaseError (PostgreSQL does not start, the database cannot be prepared).
        Source: as of the class. Safe when several processes call it at once.
        """
        if not self.workspace.is_dir():
            raise SettingsError("server.no_workspace", workspace=self.workspace)
        with self._lock():
            record = self._own_record() or self._create()
            data_dir = Path(record.data_dir)
            postmaster = self._postmaster(data_dir)
            if postmaster is not None and not postmaster.is_reachable:
                self._stop(record)
                postmaster = None
            if postmaster is None:
                self._launch(record)
            if record.prepared != self._fingerprint():
                self._prepare(record)
        return self.dsn()

    def stop(self) -> None:
        """Stop the server if it runs; sessions are ended, transactions rolled back.

        Shape:  nothing in, nothing out.
        Units:  none.
        CRS:    none.
        Errors: SettingsError when another user owns it; DatabaseError when it does not stop.
        Source: as of the class.
        """
        if not self._record_file.exists():
            return
        with self._lock():
            record = self._own_record()
            if record is not None and self._postmaster(Path(record.data_dir)) is not None:
                self._stop(record)

    def remove(self) -> None:
        """Stop the server and delete its cluster, with everything in it.

        Shape:  nothing in, nothing out; the workspace's other files stay.
        Units:  none.
        CRS:    none.
        Errors: as of stop().
        Source: as of the class.
        """
        if not self._record_file.exists():
            return
        with self._lock():
            record = self._own_record()
            if record is None:
                return
            data_dir = Path(record.data_dir)
            self._check_owner(record)
            postmaster = self._postmaster(data_dir)
            if postmaster is not None:
                self._stop(record)
                _remove_tree(postmaster.socket_dir)
            if self._is_root:
                _remove_tree(_ROOT_RUN / record.id)
            _remove_tree(data_dir.parent if self._is_root else data_dir)
            self._record_file.unlink()

    def status(self) -> ServerStatus:
        """Tell whether the server runs, and where it is.

        Shape:  one ServerStatus.
        Units:  none.
        CRS:    none.
        Errors: SettingsError when ``server.json`` cannot be read.
        Source: PostgreSQL's postmaster.pid and /proc.
        """
        record = self._read_record()
        if record is None:
            return ServerStatus("absent", None, None, None, PORT, None)
        data_dir = Path(record.data_dir)
        try:
            version = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
            postmaster = self._postmaster(data_dir)
        except FileNotFoundError:
            return ServerStatus("absent", None, None, data_dir, PORT, None)
        except PermissionError as error:
            raise SettingsError(
                "server.other_owner", owner=record.os_user, data_dir=data_dir
            ) from error
        if postmaster is None:
            return ServerStatus("stopped", None, None, data_dir, PORT, version)
        return ServerStatus(
            "running", postmaster.pid, postmaster.socket_dir, data_dir, postmaster.port, version
        )

    def dsn(self) -> str:
        """Return the connection string of the running server, as the role ``diqi``.

        Shape:  ``host=... port=... dbname=diqi user=diqi`` on one line.
        Units:  none.
        CRS:    none.
        Errors: DatabaseError when the server does not run.
        Source: libpq keyword/value connection strings.
        """
        return self._dsn(DATABASE, LOGIN)

    def admin_dsn(self, database: str = "postgres") -> str:
        """Return the connection string of the superuser, for set-up and tests.

        Shape:  as of dsn(), with ``user=postgres``.
        Units:  none.
        CRS:    none.
        Errors: DatabaseError when the server does not run.
        Source: as of dsn().
        """
        return self._dsn(database, SUPERUSER)

    # -- the record ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the workspace's server lock; the kernel frees it when this process dies."""
        self._folder.mkdir(exist_ok=True)
        handle = os.open(self._folder / "server.lock", os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DatabaseError("server.lock_timeout", folder=self._folder) from None
                    time.sleep(0.1)
            yield
        finally:
            os.close(handle)

    def _read_record(self) -> _Record | None:
        """Read ``server.json``; None when there is none."""
        try:
            return _Record(**json.loads(self._record_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise SettingsError("server.record_broken", file=self._record_file) from error

    def _write_record(self, record: _Record) -> None:
        """Replace ``server.json`` in one step."""
        partial = self._record_file.with_suffix(".json.partial")
        partial.write_text(
            json.dumps(dataclasses.asdict(record), ensure_ascii=False, indent=2) + "\n",
            encoding="utf-8",
        )
        partial.replace(self._record_file)

    def _own_record(self) -> _Record | None:
        """Return the record if its cluster is there and ours; follow a moved workspace."""
        record = self._read_record()
        if record is None:
            return None
        if record.workspace != str(self.workspace):
            record = self._adopt(record)
            if record is None:
                return None
        try:
            found = (Path(record.data_dir) / "PG_VERSION").exists()
        except PermissionError:
            found = True
        if not found:
            raise DatabaseError("server.cluster_gone", data_dir=record.data_dir)
        return record

    def _adopt(self, record: _Record) -> _Record | None:
        """Take over the record of a workspace that was moved here; refuse that of a copy."""
        data_dir = Path(record.data_dir)
        if data_dir.is_relative_to(record.workspace):
            original, data_dir = data_dir, self._folder / data_dir.name
            if not (data_dir / "PG_VERSION").exists():
                return None
            is_copy = _belongs(original)[0] == record.id
        else:
            other = Path(record.workspace) / ".diqi" / "server.json"
            is_copy = other.exists() and record.id in other.read_text(encoding="utf-8")
        if is_copy:
            raise SettingsError(
                "server.workspace_copied", workspace=self.workspace, original=record.workspace
            )
        record = dataclasses.replace(record, workspace=str(self.workspace), data_dir=str(data_dir))
        self._write_owned(data_dir / "diqi.workspace", f"{record.id}\n{self.workspace}\n")
        self._write_record(record)
        return record

    def _check_owner(self, record: _Record) -> None:
        """Refuse to control a server that runs under an account we cannot act for."""
        me = _account()
        mine = SUPERUSER if self._is_root else me
        if record.os_user != mine:
            raise SettingsError(
                "server.other_owner", owner=record.os_user, data_dir=record.data_dir
            )

    # -- making -------------------------------------------------------------------------------

    def _create(self) -> _Record:
        """Make the cluster: initdb beside the final place, then rename, so none is half made."""
        binaries = _newest_binaries()
        creator = _account()
        server_id = secrets.token_hex(5)
        data_dir = (_ROOT_DATA / server_id if self._is_root else self._folder) / "pg"
        partial = data_dir.with_name("pg.partial")
        record = _Record(
            id=server_id,
            workspace=str(self.workspace),
            data_dir=str(data_dir),
            os_user=SUPERUSER if self._is_root else creator,
        )
        try:
            self._leave_behind(data_dir, record)
            if self._is_root:
                _ROOT_DATA.mkdir(mode=0o755, parents=True, exist_ok=True)
                data_dir.parent.mkdir(mode=0o700)
                shutil.chown(data_dir.parent, SUPERUSER, SUPERUSER)
            _remove_tree(partial)
        except OSError as error:
            raise SettingsError(
                "server.cannot_create", path=data_dir, reason=error.strerror or str(error)
            ) from error
        done = self._run(
            [
                str(binaries / "initdb"),
                f"--pgdata={partial}",
                f"--username={SUPERUSER}",
                "--auth-local=peer",
                "--auth-host=reject",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--lc-collate=C",
                "--lc-ctype=C.UTF-8",
                "--no-instructions",
                *(["--no-sync"] if self.throwaway else ["--data-checksums"]),
            ],
            cwd=data_dir.parent,
        )
        if done.returncode != 0:
            raise DatabaseError("server.initdb_failed", path=data_dir, reason=_tail(done.stdout))
        self._write_owned(partial / "diqi.workspace", f"{server_id}\n{self.workspace}\n")
        self._write_owned(partial / "local.conf", "# Settings of this server alone; these win.\n")
        self._write_owned(partial / "pg_hba.conf", _HBA)
        self._write_owned(partial / "pg_ident.conf", _ident(creator))
        with (partial / "postgresql.conf").open("a", encoding="utf-8") as handle:
            handle.write("\ninclude = 'diqi.conf'\ninclude = 'local.conf'\n")
        partial.rename(data_dir)
        self._write_record(record)
        return record

    def _leave_behind(self, data_dir: Path, record: _Record) -> None:
        """Stop the cluster of a workspace that was deleted and made again; keep its data."""
        if self._is_root:
            old = [path.parent for path in _ROOT_DATA.glob("*/pg/diqi.workspace")]
            old = [path for path in old if _belongs(path)[1] == str(self.workspace)]
        else:
            old = [data_dir] if data_dir.exists() else []
        for path in old:
            postmaster = self._postmaster(path)
            if postmaster is not None:
                self._stop(dataclasses.replace(record, data_dir=str(path)))
                _remove_tree(postmaster.socket_dir)
            if not self._is_root:
                path = path.rename(path.with_name(f"pg.left.{record.id}"))  # noqa: PLW2901
            _log.warning("the cluster of an earlier workspace at this place lies in %s", path)

    def _write_owned(self, path: Path, text: str) -> None:
        """Write a file of the cluster, readable by its owner alone."""
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        if self._is_root:
            shutil.chown(path, SUPERUSER, SUPERUSER)

    # -- starting and stopping ----------------------------------------------------------------

    def _launch(self, record: _Record) -> None:
        """Start the postmaster and wait until it accepts connections."""
        self._check_owner(record)
        data_dir = Path(record.data_dir)
        binaries = _binaries_for(data_dir)
        socket_dir = self._make_socket_dir(record.id)
        self._drop_stale_locks(data_dir, socket_dir, record.id)
        self._write_owned(
            data_dir / "diqi.conf", _settings(record.id, socket_dir, throwaway=self.throwaway)
        )
        log_file = data_dir / "server.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.replace(log_file.with_suffix(".log.1"))
        command = [
            str(binaries / "pg_ctl"),
            "start",
            f"--pgdata={data_dir}",
            f"--log={log_file}",
            "--wait",
            f"--timeout={_START_SECONDS}",
            "--silent",
        ]
        for attempt in (1, 2):
            offset = log_file.stat().st_size if log_file.exists() else 0
            done = self._run(command, cwd=data_dir)
            if done.returncode == 0:
                return
            report = _read_from(log_file, offset)
            # backends of a killed postmaster still hold its shared memory
            if attempt == 1 and "shared memory" in report and self._end_orphans(record.id):
                continue
            raise DatabaseError(
                "server.start_failed", log=log_file, reason=_tail(report or done.stdout)
            )

    def _stop(self, record: _Record) -> None:
        """Stop the postmaster of this data directory."""
        self._check_owner(record)
        data_dir = Path(record.data_dir)
        done = self._run(
            [
                str(_binaries_for(data_dir) / "pg_ctl"),
                "stop",
                f"--pgdata={data_dir}",
                "--mode=fast",
                "--wait",
                f"--timeout={_STOP_SECONDS}",
                "--silent",
            ],
            cwd=data_dir,
        )
        if done.returncode != 0 and self._postmaster(data_dir) is not None:
            raise DatabaseError("server.stop_failed", data_dir=data_dir, reason=_tail(done.stdout))

    def _make_socket_dir(self, server_id: str) -> Path:
        """Make the folder of the socket: short, and closed to everybody else."""
        if self._is_root:
            _ROOT_RUN.mkdir(mode=0o755, exist_ok=True)
            folder = _ROOT_RUN / server_id
            folder.mkdir(exist_ok=True)
            shutil.chown(folder, SUPERUSER, _socket_group())
            folder.chmod(0o750)
            return folder
        uid = os.geteuid()
        runtime = Path(f"/run/user/{uid}")
        if _is_private(runtime, uid) and os.access(runtime, os.W_OK):
            folder = runtime / f"diqi-{server_id}"
        else:
            folder = Path("/tmp") / f"diqi-{server_id}"  # noqa: S108 - owner and mode checked
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if not _is_private(folder, uid):  # somebody else was there first
            folder = Path(tempfile.mkdtemp(prefix=f"diqi-{uid}-", dir="/tmp"))
        return folder

    def _drop_stale_locks(self, data_dir: Path, socket_dir: Path, server_id: str) -> None:
        """Remove lock files whose process number stands for something else by now.

        PostgreSQL itself removes those whose number is free. It cannot tell another program of
        the same account, nor a dead process that a container's init never collects.
        """
        for lock_file in (data_dir / "postmaster.pid", socket_dir / f".s.PGSQL.{PORT}.lock"):
            pid = _first_pid(lock_file)
            if pid is None or not Path(f"/proc/{pid}").exists() or _serves(pid, data_dir):
                continue
            if self._end_orphans(server_id):
                lock_file.unlink()

    def _end_orphans(self, server_id: str) -> bool:
        """End the backends that a killed postmaster left; their title carries our id."""

        def left() -> list[int]:
            pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
            title = f"postgres: diqi-{server_id}: "
            return [pid for pid in pids if _is_alive(pid) and _arguments(pid)[0].startswith(title)]

        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            for pid in left():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if _wait_until(lambda: not left(), 10):
                return True
        return False

    def _postmaster(self, data_dir: Path) -> _Postmaster | None:
        """Return the live postmaster of a data directory, or None."""
        try:
            lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise SettingsError(
                "server.other_owner", owner=_owner(data_dir), data_dir=data_dir
            ) from error
        if len(lines) < 5 or not lines[0].isdigit() or not lines[3].isdigit():
            return None
        pid = int(lines[0])
        if not _serves(pid, data_dir):
            return None
        return _Postmaster(pid, int(lines[3]), Path(lines[4].split(",")[0]))

    def _run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a PostgreSQL program as the cluster's account, in a clean environment."""
        done = subprocess.run(
            command,
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            user=SUPERUSER if self._is_root else None,
            group=SUPERUSER if self._is_root else None,
            extra_groups=[] if self._is_root else None,
            umask=0o077,
        )
        _log.debug("%s: %s %s", command[0], done.returncode, done.stdout)
        return done

    # -- the database -------------------------------------------------------------------------

    def _dsn(self, database: str, login: str) -> str:
        """Build a connection string from what the running postmaster says of itself."""
        status = self.status()
        if status.state != "running":
            raise DatabaseError("server.not_running", workspace=self.workspace)
        return f"host={status.socket_dir} port={status.port} dbname={database} user={login}"

    def _fingerprint(self) -> str:
        """Identify the SQL that prepares the database, so that a change runs it again."""
        text = prepare_sql(DATABASE, LOGIN, self.area_srid, self.area_proj4)
        return hashlib.sha256(f"{text}{self.throwaway}".encode()).hexdigest()[:16]

    def _prepare(self, record: _Record) -> None:
        """Create role and database and run what an administrator would run."""
        try:
            with psycopg.connect(self.admin_dsn(), autocommit=True) as admin:
                admin.execute(group_roles_sql().encode())
                admin.execute(_login_sql(LOGIN).encode())
                if self.throwaway:
                    admin.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(LOGIN)))
                known = admin.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
                ).fetchone()
                if known is None:
                    admin.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {}").format(
                            sql.Identifier(DATABASE), sql.Identifier(LOGIN)
                        )
                    )
            with psycopg.connect(self.admin_dsn(DATABASE)) as admin:
                admin.execute(
                    prepare_sql(DATABASE, LOGIN, self.area_srid, self.area_proj4).encode()
                )
        except psycopg.errors.UndefinedFile as error:
            raise SettingsError("server.no_postgis", version=self.status().version) from error
        except psycopg.Error as error:
            raise DatabaseError("server.prepare_failed", reason=str(error).strip()) from error
        self._write_record(dataclasses.replace(record, prepared=self._fingerprint()))


# -- what an administrator runs -----------------------------------------------------------------


def group_roles_sql() -> str:
    """Return the SQL that makes the group roles of this program where they are missing.

    Shape:  one DO block; may be run again.
    Units:  none.
    CRS:    none.
    Errors: none here; running it needs CREATEROLE.
    Source: roles are cluster-wide, and two counties may be prepared at once.
    """
    return _text(
        """\
DO $do$
DECLARE
  role_name text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY[{roles}] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        RAISE NOTICE 'role % was made by another session', role_name;
      END;
    END IF;
  END LOOP;
END
$do$;
""",
        roles=sql.SQL(", ").join(sql.Literal(role) for role in GROUP_ROLES),
    )


def prepare_sql(database: str, login: str, area_srid: int, proj4: str) -> str:
    """Return what the administrator of a server runs once, connected to ``database``.

    Shape:  SQL that may be run again; afterwards ``login`` needs no superuser.
    Units:  none.
    CRS:    ``area_srid`` names the equal-area system ``proj4`` in which survey areas are taken.
    Errors: none here; running it fails when ``area_srid`` already means something else.
    Source: design of the roles: CONNECT per login and database, group roles cluster-wide.
    """
    own = _text(
        """\
CREATE EXTENSION IF NOT EXISTS postgis;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- the system in which survey areas are taken
INSERT INTO spatial_ref_sys (srid, proj4text)
VALUES ({srid}, {proj4})
ON CONFLICT (srid) DO NOTHING;
DO $do$
BEGIN
  IF NOT EXISTS (
    SELECT FROM spatial_ref_sys WHERE srid = {srid} AND btrim(proj4text) = btrim({proj4})
  ) THEN
    RAISE EXCEPTION 'SRID % is already used for another system', {srid};
  END IF;
END
$do$;

-- who may do what in this database; rights on tables come with the tables
GRANT diqi_owner, diqi_loader, diqi_reviewer, diqi_viewer TO {login};
REVOKE CONNECT, TEMPORARY ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {login};
GRANT CREATE, TEMPORARY ON DATABASE {database} TO diqi_owner;
GRANT TEMPORARY ON DATABASE {database} TO diqi_loader;
GRANT USAGE, CREATE ON SCHEMA public TO {login}, diqi_owner;
""",
        srid=sql.Literal(area_srid),
        proj4=sql.Literal(proj4),
        login=sql.Identifier(login),
        database=sql.Identifier(database),
    )
    return f"{group_roles_sql()}\n{_login_sql(login)}\n{own}"


def _login_sql(login: str) -> str:
    """Return the SQL that makes the login where it is missing; its password is set by hand."""
    return _text(
        """\
DO $do$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {name}) THEN
    CREATE ROLE {login} LOGIN;
  END IF;
END
$do$;
""",
        name=sql.Literal(login),
        login=sql.Identifier(login),
    )


def _text(template: str, **parts: sql.Composable) -> str:
    """Fill identifiers and literals, quoted, into an SQL template."""
    quoted = {name: part.as_string(None).strip() for name, part in parts.items()}
    return re.sub(r"\{(\w+)\}", lambda match: quoted[match.group(1)], template)


# -- files of the cluster -----------------------------------------------------------------------

_HBA = """\
# Local sockets only; the account in the operating system is the proof of identity.
# pg_ident.conf says which account may be which role.
# TYPE  DATABASE  USER  METHOD
local   all       all   peer map=diqi
"""


def _ident(creator: str) -> str:
    """Return pg_ident.conf: the account that made the cluster, and the superuser's own."""
    lines = [
        "# Which account of the operating system may be which role; `pg_ctl reload` after a change.",
        "# To let the account li read with the role li:  diqi  li  li",
        "# MAPNAME  SYSTEM-USERNAME  PG-USERNAME",
        f'diqi  "{creator}"  {LOGIN}',
        f'diqi  "{creator}"  {SUPERUSER}',
    ]
    if creator != SUPERUSER:
        lines.append(f"diqi  {SUPERUSER}  {SUPERUSER}")
    return "\n".join(lines) + "\n"


def _settings(server_id: str, socket_dir: Path, *, throwaway: bool) -> str:
    """Return diqi.conf for this machine's memory and cores; written anew at each start."""
    memory = _memory_bytes() // _MIB
    cores = len(os.sched_getaffinity(0))
    values: dict[str, str] = {
        "cluster_name": f"'diqi-{server_id}'",
        "listen_addresses": "''",
        "port": str(PORT),
        "unix_socket_directories": f"'{socket_dir}'",
        "max_connections": "100",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_checkpoints": "off",
        "log_line_prefix": "'%m [%p] %u@%d '",
        "shared_buffers": f"{_between(memory // 8, 128, 2048)}MB",
        "work_mem": f"{_between(memory // 96, 16, 256)}MB",
        "maintenance_work_mem": f"{_between(memory // 24, 64, 1024)}MB",
        "effective_cache_size": f"{_between(memory // 2, 512, 65536)}MB",
        "dynamic_shared_memory_type": _shared_memory_type(),
        "max_locks_per_transaction": "128",
        "wal_buffers": "64MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # spatial functions cost far more than handing over their rows, so workers pay off on
        # tables of a few megabytes; much smaller ones are not worth starting a process
        "jit": "off",
        "max_parallel_workers": str(_between(cores, 2, 8)),
        "max_parallel_workers_per_gather": "2",
        "parallel_setup_cost": "100",
        "parallel_tuple_cost": "0.001",
        "min_parallel_table_scan_size": "256kB",
        "min_parallel_index_scan_size": "128kB",
    }
    if throwaway:
        values |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "autovacuum": "off",
            "shared_buffers": "128MB",
            "work_mem": "32MB",
            "maintenance_work_mem": "64MB",
        }
    lines = [f"{name} = {value}" for name, value in values.items()]
    return "# Written at each start. Settings of your own go into local.conf.\n" + "\n".join(
        [*lines, ""]
    )


def _memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or its container's if less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        text = limit.read_text(encoding="ascii").strip()
    except OSError:
        return machine
    return min(machine, int(text)) if text.isdigit() else machine


def _shared_memory_type() -> str:
    """Choose where parallel workers share rows; containers often have a tiny /dev/shm."""
    try:
        usage = os.statvfs("/dev/shm")  # noqa: S108 - only measured
    except OSError:
        return "mmap"
    return "posix" if usage.f_blocks * usage.f_frsize >= 512 * _MIB else "mmap"


def _between(value: int, low: int, high: int) -> int:
    """Keep a number within its limits."""
    return max(low, min(value, high))


# -- the machine --------------------------------------------------------------------------------


def _installed() -> dict[int, Path]:
    """Find PostgreSQL's programs by major version, in the places of the distributions."""
    found: dict[int, Path] = {}
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin"):
        for folder in sorted(Path("/").glob(pattern)):
            number = re.search(r"(\d+)$", folder.parent.name)
            if number and (folder / "initdb").exists():
                found[int(number.group(1))] = folder
    on_path = shutil.which("initdb")
    if on_path:
        shown = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False)
        number = re.search(r"(\d+)(\.\d+|\w+)*\s*(\(|$)", shown.stdout.strip())
        if number:
            found.setdefault(int(number.group(1)), Path(on_path).resolve().parent)
    return found


def _has_postgis(folder: Path) -> bool:
    """Tell whether PostGIS is installed for the programs in this folder."""
    version = folder.parent.name
    shares = [Path(f"/usr/share/postgresql/{version}"), folder.parent / "share"]
    shares.append(folder.parent / "share" / "postgresql")
    return any((share / "extension" / "postgis.control").exists() for share in shares)


def _newest_binaries() -> Path:
    """Return the newest PostgreSQL that has PostGIS."""
    installed = _installed()
    if not installed:
        raise SettingsError("server.no_postgresql")
    for version in sorted(installed, reverse=True):
        if _has_postgis(installed[version]):
            return installed[version]
    raise SettingsError("server.no_postgis", version=max(installed))


def _binaries_for(data_dir: Path) -> Path:
    """Return the programs of the version that made a cluster."""
    version = (data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
    folder = _installed().get(int(version))
    if folder is None:
        raise SettingsError("server.version_missing", version=version, data_dir=data_dir)
    return folder


def _account() -> str:
    """Return the name of the account this process runs under."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SettingsError("server.no_account", uid=os.geteuid()) from None


def _owner(path: Path) -> str:
    """Return the name of the account that owns a file."""
    try:
        return path.owner()
    except (OSError, KeyError):
        return "?"


def _socket_group() -> int:
    """Return the group whose members may reach root's sockets, made when missing."""
    try:
        return grp.getgrnam(SOCKET_GROUP).gr_gid
    except KeyError:
        made = subprocess.run(
            ["/usr/sbin/groupadd", "--system", "--force", SOCKET_GROUP],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise SettingsError(
                "server.no_group", group=SOCKET_GROUP, reason=made.stderr.strip()
            ) from None
        return grp.getgrnam(SOCKET_GROUP).gr_gid


def _is_private(folder: Path, uid: int) -> bool:
    """Tell whether this is a real folder of ours that nobody else can enter."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == uid and info.st_mode & 0o077 == 0


def _belongs(data_dir: Path) -> tuple[str, str]:
    """Read the id of a cluster and the workspace it was made for."""
    try:
        lines = (data_dir / "diqi.workspace").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, PermissionError):
        return "", ""
    return (lines[0], lines[1]) if len(lines) > 1 else ("", "")


def _first_pid(lock_file: Path) -> int | None:
    """Read the process id from a lock file of PostgreSQL."""
    try:
        first = lock_file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (FileNotFoundError, PermissionError):
        return None
    return int(first) if first.isdigit() and int(first) > 0 else None


def _is_alive(pid: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _arguments(pid: int) -> list[str]:
    """Return the command line of a process; a backend's is its title."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return [""]
    return os.fsdecode(line).rstrip("\0").split("\0")


def _serves(pid: int, data_dir: Path) -> bool:
    """Tell whether a live process is the postmaster of this data directory.

    Read from the command line: other links in /proc are closed to root in many containers.
    """
    try:
        same_owner = Path(f"/proc/{pid}").stat().st_uid == data_dir.stat().st_uid
    except FileNotFoundError:
        return False
    words = _arguments(pid)
    if not same_owner or not _is_alive(pid) or Path(words[0]).name != "postgres":
        return False
    if "-D" not in words[:-1]:
        return False
    started_in = Path(words[words.index("-D") + 1])
    # a moved workspace: the postmaster works on, and the old path no longer names it
    return started_in == data_dir or _first_pid(started_in / "postmaster.pid") != pid


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False when it is not within the time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _remove_tree(path: Path) -> None:
    """Delete a folder that may be absent."""
    if path.exists():
        shutil.rmtree(path)


def _read_from(path: Path, offset: int) -> str:
    """Read a log from a position on."""
    try:
        with path.open("rb") as handle:
            handle.seek(offset)
            return handle.read(_MIB).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _tail(text: str, lines: int = 8) -> str:
    """Return the last lines of a program's words."""
    return "\n".join(text.strip().splitlines()[-lines:])
