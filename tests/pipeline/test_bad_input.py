"""Bad input: the exit code, a message that says what, where and what to do, layers untouched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import pandas as pd
import psycopg
import pytest
from conftest import SECOND_NIGHT, Databases, Township
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text
from test_steps import differences, state

from pipeline._paths import data_path
from pipeline.feeds.contracts import load_contracts
from pipeline.messages import both
from pipeline.steps import FEEDS

Make = Callable[..., Township]
NIGHT = SECOND_NIGHT.isoformat()


class Diqi:
    """Calls the command as a person would, on one township."""

    def __init__(self, township: Township) -> None:
        self.township = township
        self.workspace = township.settings.workspace
        self.before = state(township.engine)

    def __call__(self, *words: str, dsn: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DIQI_DATABASE_URL": dsn or self.township.dsn,
            "COLUMNS": "400",
        }
        return subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *words, "-w", str(self.workspace)],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    def deliver(self, name: str) -> Path:
        """Path of a file in the second night's folder."""
        folder = self.workspace / "inbox" / NIGHT
        folder.mkdir(exist_ok=True)
        return folder / name

    def refuses(self, code: int, *words: str) -> str:
        """The run leaves with the code, its message holds the words, the layers are as before."""
        done = self("run", "--as-of", NIGHT)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        for word in words:
            assert word in said, said
        assert "Traceback" not in said
        assert differences(self.before, state(self.township.engine)) == {}
        return said


@pytest.fixture
def diqi(make_township: Make) -> Diqi:
    return Diqi(make_township())


def land(diqi: Diqi, name: str) -> gpd.GeoDataFrame:
    """A delivered layer of the first night."""
    found = sorted((diqi.workspace / "inbox").rglob(name))
    return gpd.read_file(found[0], encoding="gb18030")


def test_missing_required_feed(make_township: Make) -> None:
    township = make_township(has_run=False)
    for file in (township.settings.workspace / "inbox").rglob("DLTB*"):
        file.unlink()
    diqi = Diqi(township)
    diqi.refuses(4, "patch", "DLTB")


def test_only_the_required_feeds(make_township: Make) -> None:
    """The run goes on, and says of each other feed what its absence costs."""
    township = make_township(has_run=False)
    for file in (township.settings.workspace / "inbox" / "2026-06-30").iterdir():
        if not file.name.startswith(("DLTB", "ZD", "企业名录")):
            file.unlink()
    done = Diqi(township)("run", "--as-of", "2026-06-30")
    assert done.returncode == 0, done.stderr
    contracts = load_contracts(data_path("config", "sources.toml"))
    for feed in FEEDS:
        zh, en = both(f"report.missing.{feed}", {"feed": feed})
        # such as links of past years: they are not asked for
        is_optional = contracts[feed].usual and not contracts[feed].required
        assert (zh in done.stdout) == is_optional, feed
        assert zh != en or not is_optional
    with township.engine.connect() as connection:
        states = connection.execute(
            text("SELECT DISTINCT eval_state FROM derived.unit ORDER BY 1")
        ).scalars()
        assert set(states) <= {"no_data", "excluded"}


def test_feed_without_its_key_column(diqi: Diqi) -> None:
    land(diqi, "DLTB.shp").drop(columns=["TBBH"]).to_file(
        diqi.deliver("DLTB.shp"), encoding="gb18030"
    )
    diqi.refuses(4, "DLTB.shp", "TBBH")


def test_layer_without_crs(diqi: Diqi) -> None:
    """The zone is told by land that is held, where that leaves one alone; else the layer is refused."""
    layer = land(diqi, "ZD.shp")
    far = layer.set_geometry(layer.translate(yoff=400_000))
    far.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.deliver("ZD.prj").unlink()
    diqi.refuses(4, "ZD.shp", "CRS")
    layer.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.deliver("ZD.prj").unlink()
    done = diqi("run", "--as-of", NIGHT)
    assert done.returncode == 0, done.stderr
    with diqi.township.engine.connect() as connection:
        told = connection.execute(
            text("SELECT rule, message FROM layers.data_issue WHERE rule LIKE 'crs.%'")
        ).all()
    assert [rule for rule, _ in told] == ["crs.decided_by_place", "crs.on_held_land"]
    assert "EPSG:4549" in told[0][1]


def test_layer_with_wrong_crs(diqi: Diqi) -> None:
    """Plane coordinates that call themselves degrees."""
    wrong = land(diqi, "ZD.shp").set_crs("EPSG:4490", allow_override=True)
    wrong.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(4, "ZD.shp")


def test_layer_of_another_place(diqi: Diqi) -> None:
    """The right CRS by name, coordinates a thousand kilometres away."""
    wrong = land(diqi, "ZD.shp")
    wrong = wrong.set_geometry(wrong.translate(yoff=1_000_000))
    wrong.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(4, "ZD.shp")


@pytest.mark.parametrize("name", ["DLTB.shp", "企业名录.xlsx", "建筑物.gpkg"])
def test_file_that_is_not_what_its_name_says(diqi: Diqi, name: str) -> None:
    diqi.deliver(name).write_text("this is no such file", encoding="utf-8")
    diqi.refuses(4, name)


def test_empty_layer(diqi: Diqi) -> None:
    land(diqi, "ZD.shp").iloc[:0].to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(4, "ZD.shp")


def test_too_many_duplicate_keys(diqi: Diqi) -> None:
    parcels = land(diqi, "ZD.shp")
    parcels["ZDDM"] = parcels["ZDDM"].iloc[0]
    parcels["ZDMJ"] = range(1, len(parcels) + 1)
    parcels.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(4, "ZD.shp")


def test_duplicate_key_keeps_the_record(diqi: Diqi) -> None:
    """Two rows for one parcel: both quarantined, the parcel stays as it was."""
    parcels = land(diqi, "ZD.shp")
    twin = parcels[parcels["ZDMJ"] > 0].iloc[[1]].copy()
    twin["ZL"] = "elsewhere"
    pd.concat([parcels, twin]).to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    code = twin["ZDDM"].iloc[0]
    done = diqi("run", "--as-of", NIGHT)
    assert done.returncode == 0, done.stderr
    with diqi.township.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT row_number FROM ops.issue WHERE rule = 'row.duplicate_key' AND subject_key = :c"
            ),
            {"c": code},
        ).all()
        assert len(rows) == 2
        assert (
            connection.execute(
                text("SELECT count(*) FROM layers.parcel WHERE parcel_code = :c"), {"c": code}
            ).scalar_one()
            == 1
        )


def test_unknown_township(diqi: Diqi) -> None:
    """One patch of another county is quarantined by name; a file full of them is refused."""
    patches = land(diqi, "DLTB.shp")
    one = patches.copy()
    one.loc[one.index[3], "ZLDWDM"] = "3302820010010000000"
    one.to_file(diqi.deliver("DLTB.shp"), encoding="gb18030")
    done = diqi("run", "--as-of", NIGHT)
    assert done.returncode == 0, done.stderr
    with diqi.township.engine.connect() as connection:
        found = (
            connection.execute(
                text("SELECT value FROM ops.issue WHERE rule = 'row.unknown_township'")
            )
            .scalars()
            .all()
        )
    assert [value[:9] for value in found] == ["330282001"]
    diqi.before = state(diqi.township.engine)
    patches["ZLDWDM"] = "3302820010010000000"
    patches.to_file(diqi.deliver("DLTB.shp"), encoding="gb18030")
    diqi.refuses(4, "DLTB.shp")


def test_gate_stops_a_delivery_that_lost_its_rows(diqi: Diqi) -> None:
    land(diqi, "DLTB.shp").iloc[:30].to_file(diqi.deliver("DLTB.shp"), encoding="gb18030")
    diqi.refuses(5, "patch", "--accept")
    with diqi.township.engine.connect() as connection:
        state_of, found = connection.execute(
            text("SELECT state, step_count FROM ops.run_state ORDER BY run_id DESC LIMIT 1")
        ).one()
    assert state_of == "stopped"
    assert found[0]["tables"]["core.patch"]["deleted"] > 10
    done = diqi("run", "--as-of", NIGHT, "--accept", "the survey office confirmed it")
    assert done.returncode == 0, done.stderr
    with diqi.township.engine.connect() as connection:
        accepted = connection.execute(
            text("SELECT accepted ->> 'reason' FROM ops.run_commit ORDER BY run_id DESC LIMIT 1")
        ).scalar_one()
    assert accepted == "the survey office confirmed it"


def test_land_in_the_zone_next_door(diqi: Diqi) -> None:
    parcels = land(diqi, "ZD.shp").set_crs("EPSG:4548", allow_override=True)
    parcels.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(4, "ZD.shp", "EPSG:4548", "EPSG:4549")


def test_gate_stops_land_that_lies_beside_itself(diqi: Diqi) -> None:
    """Every row is right, every code is known, and nothing lies where it should."""
    parcels = land(diqi, "ZD.shp")
    parcels = parcels.set_geometry(parcels.translate(xoff=5_000))
    parcels.to_file(diqi.deliver("ZD.shp"), encoding="gb18030")
    diqi.refuses(5, "coverage", "diqi load --withdraw")


def test_database_that_is_not_there(diqi: Diqi) -> None:
    done = diqi("run", "--as-of", NIGHT, dsn="host=/nonexistent dbname=diqi user=diqi")
    assert done.returncode == 7, done.stderr
    assert "DIQI_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_database_that_went_away(diqi: Diqi, databases: Databases) -> None:
    """The server ends the run's session in the middle of a run."""
    diqi.township.second_night()
    running = subprocess.Popen(
        [sys.executable, "-c", _SLOW, diqi.township.dsn, str(diqi.workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline().strip() == "form_units"
    with psycopg.connect(make_conninfo(diqi.township.dsn), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l "
            "JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() "
            "WHERE l.locktype = 'advisory' AND l.pid <> pg_backend_pid()"
        )
    _, error = running.communicate(timeout=60)
    assert running.returncode == 7, error
    assert differences(diqi.before, state(diqi.township.engine)) == {}
    assert diqi("run", "--as-of", NIGHT).returncode == 0


_SLOW = """
import datetime as dt, pathlib, sys, time
from pipeline.database import open_engine
from pipeline.errors import DiqiError
from pipeline.run import run
from pipeline.settings import load_settings
def watch(name):
    if name == "form_units":
        print(name, flush=True)
        time.sleep(3)
try:
    run(open_engine(sys.argv[1]), load_settings(pathlib.Path(sys.argv[2])),
        as_of=dt.date(2026, 7, 1), watch=watch)
except DiqiError as error:
    sys.exit(error.exit_code)
"""


def test_second_run_at_the_same_time(diqi: Diqi) -> None:
    diqi.township.second_night()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _SLOW.replace("sleep(3)", "sleep(12)"),
            diqi.township.dsn,
            str(diqi.workspace),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "form_units"
        started = time.monotonic()
        second = diqi("run", "--as-of", NIGHT)
        waited = time.monotonic() - started
        assert second.returncode == 6, second.stderr
        assert str(holder.pid) in second.stderr
        assert waited < 10
        with diqi.township.engine.connect() as connection:
            assert (
                connection.execute(
                    text("SELECT state FROM ops.run_state ORDER BY run_id DESC LIMIT 1")
                ).scalar_one()
                == "running"
            )
        assert holder.wait(timeout=60) == 0
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes that the server may write to."""
    if os.geteuid() != 0 or os.environ.get("DIQI_TEST_DATABASE_URL"):
        pytest.skip("mounting a small disk for the server needs root and the private server")
    folder = Path("/run/diqi") / f"tiny-{os.getpid()}"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    space = folder / "space"
    space.mkdir()
    shutil.chown(space, "postgres", "postgres")
    yield space
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def test_full_disk_during_load(make_township: Make, databases: Databases, tiny_disk: Path) -> None:
    township = make_township()
    name = conninfo_to_dict(township.dsn)["dbname"]
    admin_dsn = make_conninfo(databases.admin_dsn(), dbname=name)
    space = f"tiny_{name}"
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE TABLESPACE {space} LOCATION '{tiny_disk}'")
        admin.execute(f"ALTER TABLE raw.patch SET TABLESPACE {space}")
    try:
        diqi = Diqi(township)
        patches = land(diqi, "DLTB.shp")
        many = patches.loc[patches.index.repeat(100)].reset_index(drop=True)
        many["TBBH"] = [f"{number:08d}" for number in range(len(many))]
        many.to_file(diqi.deliver("DLTB.shp"), encoding="gb18030")
        diqi.refuses(7)
        with township.engine.connect() as connection:
            assert (
                connection.execute(
                    text("SELECT count(*) FROM ops.delivery WHERE data_date = :d"),
                    {"d": SECOND_NIGHT},
                ).scalar_one()
                == 0
            )
        diqi.deliver("DLTB.shp").unlink()
        assert diqi("run", "--as-of", NIGHT).returncode == 0
    finally:
        township.engine.dispose()
        with psycopg.connect(admin_dsn, autocommit=True) as admin:
            admin.execute("ALTER TABLE raw.patch SET TABLESPACE pg_default")
            admin.execute(f"DROP TABLESPACE {space}")


def test_business_date_cannot_go_back(diqi: Diqi) -> None:
    done = diqi("run", "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert "2026-06-30" in done.stderr


def test_folder_that_is_no_workspace(diqi: Diqi, tmp_path: Path) -> None:
    diqi.workspace = tmp_path
    done = diqi("run")
    assert done.returncode == 3
    assert "diqi init" in done.stderr


def test_setting_that_nobody_knows(diqi: Diqi) -> None:
    file = diqi.workspace / "diqi.toml"
    file.write_text(
        file.read_text(encoding="utf-8") + "\n[link]\nmin_gapp = 0.3\n", encoding="utf-8"
    )
    done = diqi("run", "--as-of", NIGHT)
    assert done.returncode == 3
    assert "link.min_gapp" in done.stderr


def test_readers_never_see_two_runs(diqi: Diqi) -> None:
    """A reader that polls while a run publishes sees the old state or the new one."""
    diqi.township.second_night()
    seen: set[tuple[object, ...]] = set()
    stop = threading.Event()

    def poll() -> None:
        with psycopg.connect(diqi.township.dsn, autocommit=True) as reader:
            while not stop.is_set():
                seen.add(
                    reader.execute(
                        "SELECT p.run_id, (SELECT count(*) FROM layers.enterprise), "
                        "(SELECT count(*) FROM layers.parcel) FROM layers.publication AS p"
                    ).fetchone()
                )
                time.sleep(0.02)

    reader = threading.Thread(target=poll)
    reader.start()
    diqi.township.run(SECOND_NIGHT)
    stop.set()
    reader.join()
    assert len({row[0] for row in seen}) == len(seen)
