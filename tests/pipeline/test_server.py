"""The private PostGIS, with real clusters: first start, crashes, moves, other accounts."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from conftest import NEEDS_POSTGRES

from pipeline import server as server_module
from pipeline.errors import DatabaseError, SettingsError
from pipeline.server import GROUP_ROLES, PrivateServer, prepare_sql

pytestmark = NEEDS_POSTGRES


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "工作 区"  # Chinese and a blank: paths must survive every quoting
    folder.mkdir()
    yield folder
    if folder.exists():
        PrivateServer(folder, throwaway=True).remove()


def query(dsn: str, text: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(text.encode()).fetchone()
    assert row is not None
    return row[0]


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while server_module._is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_life_of_a_server(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    assert server.status().state == "absent"
    with pytest.raises(DatabaseError, match=r"server\.not_running"):
        server.dsn()

    dsn = server.start()
    assert dsn == server.dsn() == server.start()
    assert "\n" not in dsn
    running = server.status()
    assert running.state == "running"
    assert running.pid is not None
    assert query(dsn, "SELECT current_user || '@' || current_database()") == "diqi@diqi"

    server.stop()
    server.stop()
    assert server.status().state == "stopped"
    assert not server_module._is_alive(running.pid)

    query(server.start(), "SELECT 1")
    server.remove()
    assert server.status().state == "absent"
    assert running.data_dir is not None
    assert not running.data_dir.exists()


def test_the_database_is_ready_for_work_without_superuser(workspace: Path) -> None:
    dsn = PrivateServer(workspace, throwaway=True).start()
    with psycopg.connect(dsn) as connection:
        show = {
            name: connection.execute(f"SHOW {name}".encode()).fetchone()[0]  # type: ignore[index]
            for name in ("listen_addresses", "jit", "timezone", "fsync", "lc_ctype", "lc_collate")
        }
        assert show == {
            "listen_addresses": "",
            "jit": "off",
            "timezone": "UTC",
            "fsync": "off",
            "lc_ctype": "C.UTF-8",
            "lc_collate": "C",
        }
        superuser = connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert superuser == (False,)
        for role in GROUP_ROLES:
            connection.execute(f"SET ROLE {role}".encode())
            connection.execute("RESET ROLE")
        connection.execute("CREATE SCHEMA trial")
        connection.execute("CREATE TABLE trial.t (geom geometry(Point, 4549))")
        connection.execute("SET LOCAL ROLE diqi_owner")
        connection.execute("CREATE SCHEMA trial_of_owner")
        connection.execute("RESET ROLE")
        trigrams = connection.execute("SELECT show_trgm('机械制造')").fetchone()
        assert trigrams is not None
        assert trigrams[0]
        area = connection.execute(
            "SELECT ST_Area(ST_Transform(ST_GeomFromText("
            "'POLYGON((121 29, 121.01 29, 121.01 29.01, 121 29.01, 121 29))', 4490), 990120))"
        ).fetchone()
        assert area is not None
        assert area[0] == pytest.approx(1.0793e6, rel=1e-3)


def test_fsync_stays_on_in_production(workspace: Path) -> None:
    server = PrivateServer(workspace)
    dsn = server.start()
    assert query(dsn, "SHOW fsync") == "on"
    assert query(dsn, "SHOW full_page_writes") == "on"
    assert query(dsn, "SHOW synchronous_commit") == "on"
    assert query(dsn, "SHOW max_wal_size") == "4GB"
    assert query(dsn, "SHOW data_checksums") == "on"


def test_nobody_else_gets_in(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    server.start()
    status = server.status()
    assert status.socket_dir is not None
    assert status.data_dir is not None
    assert status.socket_dir.stat().st_mode & 0o007 == 0
    assert status.data_dir.stat().st_mode & 0o077 == 0
    rules = (status.data_dir / "pg_hba.conf").read_text(encoding="utf-8")
    assert "trust" not in rules
    with pytest.raises(psycopg.OperationalError, match=r"[Pp]eer authentication"):
        psycopg.connect(server.dsn().replace("user=diqi", "user=diqi_owner"))


def test_a_killed_postmaster_does_not_stop_the_next_start(workspace: Path) -> None:
    server = PrivateServer(workspace)  # with fsync: what was committed must be there
    dsn = server.start()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    pid = server.status().pid
    assert pid is not None
    # a backend that computes does not notice that its postmaster died
    busy = psycopg.connect(dsn)
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000)")
    busy.pgconn.flush()
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    assert server.status().state == "stopped"

    assert query(server.start(), "SELECT n FROM kept") == 7
    assert server.status().pid != pid
    busy.close()


def test_a_reused_process_number_does_not_stop_the_next_start(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    server.start()
    data_dir = server.status().data_dir
    assert data_dir is not None
    lock_file = data_dir / "postmaster.pid"
    lines = lock_file.read_text(encoding="utf-8").splitlines()
    server.stop()
    lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        shutil.chown(lock_file, "postgres", "postgres")
    assert server.status().state == "stopped"
    query(server.start(), "SELECT 1")


def test_a_wiped_socket_folder_is_made_again(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    server.start()
    socket_dir = server.status().socket_dir
    assert socket_dir is not None
    shutil.rmtree(socket_dir)
    query(server.start(), "SELECT 1")


def test_two_workspaces_do_not_meet(workspace: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first, second = (PrivateServer(path, throwaway=True) for path in (workspace, other))
    try:
        with psycopg.connect(first.start(), autocommit=True) as connection:
            connection.execute("CREATE TABLE only_here (n int)")
        assert first.dsn() != second.start()
        assert query(second.dsn(), "SELECT to_regclass('only_here') IS NULL") is True
        second.stop()
        query(first.dsn(), "SELECT 1")
    finally:
        second.remove()


def test_a_workspace_made_again_begins_anew(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE old_data (n int)")
    old = server.status()
    assert old.data_dir is not None
    assert old.pid is not None
    shutil.rmtree(workspace)
    workspace.mkdir()

    assert query(server.start(), "SELECT to_regclass('old_data') IS NULL") is True
    if os.geteuid() == 0:
        assert not server_module._is_alive(old.pid)
        shutil.rmtree(old.data_dir.parent)


def test_a_moved_workspace_keeps_its_server_and_a_copy_is_refused(
    workspace: Path, tmp_path: Path
) -> None:
    server = PrivateServer(workspace, throwaway=True)
    with psycopg.connect(server.start(), autocommit=True) as connection:
        connection.execute("CREATE TABLE moves_along (n int)")
    shutil.copytree(
        workspace, tmp_path / "copy", ignore=shutil.ignore_patterns("postmaster.*", "*.log")
    )
    with pytest.raises(SettingsError, match=r"server\.workspace_copied"):
        PrivateServer(tmp_path / "copy", throwaway=True).start()

    moved = PrivateServer(workspace.rename(tmp_path / "moved"), throwaway=True)
    try:
        assert query(moved.start(), "SELECT count(*) FROM moves_along") == 0
        moved.stop()
        assert query(moved.start(), "SELECT count(*) FROM moves_along") == 0
    finally:
        moved.remove()


def test_an_interrupted_first_start_is_taken_up(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    server = PrivateServer(workspace, throwaway=True)
    with monkeypatch.context() as patch:
        patch.setattr(PrivateServer, "_prepare", die)
        with pytest.raises(KeyboardInterrupt):
            server.start()
    query(server.start(), "SELECT postgis_version()")


def test_two_processes_starting_at_once(workspace: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.server import PrivateServer;"
        "print(PrivateServer(Path(sys.argv[1]), throwaway=True).start())"
    )

    def start(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(workspace)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(server_module.__file__).parents[1],
        ).stdout

    with ThreadPoolExecutor(3) as pool:
        answers = set(pool.map(start, range(3)))
    assert len(answers) == 1
    query(answers.pop().strip(), "SELECT 1")


def test_the_administrators_sql_may_be_run_again_and_quotes_names(workspace: Path) -> None:
    server = PrivateServer(workspace, throwaway=True)
    server.start()
    text = prepare_sql('县 "一"', "o'brien", 990121, "+proj=cea +lon_0=121 +ellps=GRS80")
    with psycopg.connect(server.admin_dsn(), autocommit=True) as admin:
        admin.execute('CREATE DATABASE "县 ""一"""')
    with psycopg.connect(server.admin_dsn("'县 \"一\"'"), autocommit=True) as admin:
        admin.execute(text.encode())
        admin.execute(text.encode())
        with pytest.raises(psycopg.errors.RaiseException, match="already used"):
            admin.execute(prepare_sql('县 "一"', "diqi", 4326, "+proj=cea").encode())


def test_errors_name_the_place(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"server\.no_workspace"):
        PrivateServer(workspace / "absent").start()
    monkeypatch.setattr(server_module, "_installed", dict)
    with pytest.raises(SettingsError, match=r"server\.no_postgresql"):
        PrivateServer(workspace).start()
    monkeypatch.undo()

    server = PrivateServer(workspace, throwaway=True)
    server.start()
    server.stop()
    data_dir = server.status().data_dir
    assert data_dir is not None
    with (data_dir / "local.conf").open("a", encoding="utf-8") as own:
        own.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match="no_such_setting"):
        server.start()
    (data_dir / "local.conf").write_text("", encoding="utf-8")
    query(server.start(), "SELECT 1")
    record = workspace / ".diqi" / "server.json"
    kept = record.read_text(encoding="utf-8")
    record.write_text("{", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"server\.record_broken"):
        server.status()
    record.write_text(kept, encoding="utf-8")


def test_each_message_has_a_text_in_both_languages() -> None:
    import re
    import tomllib

    folder = Path(server_module.__file__).parents[1] / "config" / "messages"
    source = Path(server_module.__file__).read_text(encoding="utf-8")
    used = set(re.findall(r'"(server\.[a-z_]+)",', source)) | set(
        re.findall(r'"(server\.[a-z_]+)"\)', source)
    )
    used -= {"server.json", "server.log", "server.lock"}
    texts = [
        tomllib.loads((folder / f"server.{language}.toml").read_text(encoding="utf-8"))
        for language in ("zh", "en")
    ]
    assert used == set(texts[0]) == set(texts[1])
    for code in used:
        names = [set(re.findall(r"\{(\w+)\}", text[code])) for text in texts]
        assert names[0] == names[1], code


# -- as a normal user -----------------------------------------------------------------------------


@pytest.fixture
def user() -> Iterator[pwd.struct_passwd]:
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("only root can make an account to try this with")
    name = f"diqi-test-{secrets.token_hex(3)}"
    subprocess.run(["useradd", "--system", "--no-create-home", name], check=True)
    yield pwd.getpwnam(name)
    subprocess.run(["userdel", name], check=True)


def run_as(user: pwd.struct_passwd, act: Callable[[], str]) -> str:
    """Call something in a forked child that has become this user."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir("/")
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            answer = act()
        except BaseException:  # noqa: BLE001 - handed to the parent
            answer = traceback.format_exc()
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def test_a_normal_user_has_the_cluster_in_the_workspace(user: pwd.struct_passwd) -> None:
    folder = Path(tempfile.mkdtemp(prefix="diqi-user-"))
    try:
        shutil.chown(folder, user.pw_name)

        def life() -> str:
            server = PrivateServer(folder, throwaway=True)
            dsn = server.start()
            who = query(dsn, "SELECT current_user")
            query(server.admin_dsn(), "SELECT 1")
            status = server.status()
            assert status.pid is not None
            os.kill(status.pid, signal.SIGKILL)
            wait_gone(status.pid)
            query(server.start(), "SELECT 1")
            return json.dumps([who, str(status.data_dir), str(status.socket_dir)])

        answer = run_as(user, life)
        who, data_dir, socket_dir = json.loads(answer)
        assert who == "diqi"
        assert Path(data_dir) == folder / ".diqi" / "pg"
        assert Path(socket_dir).stat().st_mode & 0o777 == 0o700
        assert len(f"{socket_dir}/.s.PGSQL.5432") < 60

        def stranger() -> str:
            try:
                psycopg.connect(f"host={socket_dir} dbname=diqi user=diqi")
            except psycopg.OperationalError as error:
                return str(error)
            return "let in"

        assert "Permission denied" in run_as(pwd.getpwnam("nobody"), stranger)

        # root is told whose server it is, and does not start a second one over it
        run_as(user, lambda: str(PrivateServer(folder).stop()))
        with pytest.raises(SettingsError, match=r"server\.other_owner"):
            PrivateServer(folder, throwaway=True).start()

        removed = run_as(user, lambda: str(PrivateServer(folder).remove()))
        assert removed == "None"
        assert not Path(data_dir).exists()
    finally:
        shutil.rmtree(folder)
