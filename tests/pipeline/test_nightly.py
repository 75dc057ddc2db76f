"""``diqi nightly``: one JSON line whatever happens, a report of what was or would have been published."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import psycopg
import pytest
from conftest import FIRST_NIGHT, NEEDS_POSTGRES, SECOND_NIGHT, Township
from sqlalchemy import text
from test_steps import differences, state
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.database import RUN_LOCK
from pipeline.demo.township import write_second_night, write_township
from pipeline.errors import DatabaseError
from pipeline.run import run
from pipeline.server import PrivateServer
from pipeline.settings import load_settings
from pipeline.workspace import create_workspace, open_database

Make = Callable[..., Township]


class Night:
    """A county whose nights are run by the command."""

    def __init__(self, township: Township, monkeypatch: pytest.MonkeyPatch) -> None:
        self.township = township
        self.workspace = township.settings.workspace
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "-w", str(self.workspace)])

    def line(self, exit_code: int) -> dict[str, Any]:
        """The one line of a night."""
        done = self("nightly", "--as-of", SECOND_NIGHT.isoformat())
        assert done.exit_code == exit_code, done.output
        lines = done.stdout.splitlines()
        assert len(lines) == 1
        found: dict[str, Any] = json.loads(lines[0])
        assert found["exit_code"] == exit_code
        assert found["as_of"] == SECOND_NIGHT.isoformat()
        assert found["seconds"] >= 0
        assert " / " in found["message"]
        return found

    def report(self, name: str) -> str:
        return (self.workspace / "out" / name).read_text(encoding="utf-8")

    def folder(self) -> Path:
        folder = self.workspace / "inbox" / SECOND_NIGHT.isoformat()
        folder.mkdir(exist_ok=True)
        return folder

    def lose_patches(self) -> None:
        """Deliver a survey of 30 patches where there were 63."""
        file = next((self.workspace / "inbox").rglob("DLTB.shp"))
        survey = gpd.read_file(file, encoding="gb18030").iloc[:30]
        survey.to_file(self.folder() / "DLTB.shp", encoding="gb18030")


@pytest.fixture
def night(make_township: Make, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(make_township(), monkeypatch)


def test_a_night_says_what_it_changed(night: Night) -> None:
    night.township.second_night()
    line = night.line(0)
    assert line["state"] == "published"
    assert line["run_id"] == 2
    # E08 renamed, E60 new, E40 gone; P35 divided; a lease ended
    assert line["change"]["records"]["enterprise"] == {"added": 1, "removed": 1, "attributes": 1}
    assert line["change"]["records"]["parcel"] == {"added": 2, "removed": 1}
    assert line["change"]["lineage"] == {"split": 1}
    with night.township.engine.connect() as connection:
        ratio = connection.execute(
            text(
                "SELECT round(sum(covered_area_m2) / sum(base_area_m2), 6) FROM derived.patch_cover"
            )
        ).scalar_one()
    assert line["coverage_after"] == str(ratio)
    page = night.report("report.html")
    assert "本次变化" in page
    assert "分割 1 宗" in page
    assert Path(line["report"]) == night.workspace / "out" / "report.html"
    again = night.line(0)
    assert (again["state"], again["written"]) == ("published", 0)
    assert again["change"]["records"] == {}
    history = json.loads(night("history", "--json").stdout)
    assert [row["run_id"] for row in history] == [3, 2, 1]
    assert {d["feed"] for d in history[1]["deliveries"]} == {
        "enterprise",
        "parcel",
        "right",
        "lease",
    }
    assert history[0]["deliveries"] == []
    assert history[1]["change"]["lineage"] == {"split": 1}
    assert history[1]["version"]
    assert history[1]["finished_at"] > history[1]["started_at"]
    lines = night("history").stdout.splitlines()
    assert "来件 deliveries 4" in lines[1]


def test_a_stopped_night_says_what_it_would_have_changed(night: Night) -> None:
    before = state(night.township.engine)
    night.lose_patches()
    line = night.line(5)
    assert line["state"] == "stopped"
    assert line["error"]["code"] == "gate.too_many_removed"
    assert line["change"]["records"]["patch"]["removed"] == 33
    assert line["coverage_after"] != line["coverage_before"]
    assert "gate.too_many_removed" in {
        one["code"] for one in line["change"]["gate"] if one["stops"]
    }
    assert differences(before, state(night.township.engine)) == {}
    page = night.report("report-stopped.html")
    assert "本次运行被拦截，未发布" in page
    assert "拦截与预警" in page
    assert line["report"].endswith("report-stopped.html")
    # a person lets it pass, and is on record
    done = night(
        "run", "--as-of", SECOND_NIGHT.isoformat(), "--accept", "office confirmed", "--by", "李主任"
    )
    assert done.exit_code == 0, done.output
    assert "diqi run --accept" not in done.output
    assert "已由人放行" in done.output
    history = json.loads(night("history", "--json").stdout)
    assert history[0]["accepted"]["by"] == "李主任"
    assert history[0]["accepted"]["reason"] == "office confirmed"
    assert "gate.too_many_removed" in history[0]["accepted"]["gates"]
    assert history[1]["state"] == "stopped"
    assert history[1]["change"]["records"]["patch"]["removed"] == 33
    assert "李主任" in night("history").stdout.splitlines()[0]
    assert "李主任" in night.report("report.html")


def test_a_dry_run_gives_the_same_report(night: Night) -> None:
    before = state(night.township.engine)
    night.township.second_night()
    done = night("run", "--dry-run", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 0, done.output
    assert "attributes" in done.output
    assert differences(before, state(night.township.engine)) == {}
    dry = night.report("report-dry-run.html")
    assert "试运行，未发布" in dry
    done = night("run", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 0
    published = night.report("report.html")

    def figures(page: str) -> list[str]:
        """The tables of coverage, seats, and changes."""
        return [
            page[page.index(f'id="{name}"') :].split("</table>", maxsplit=1)[0]
            for name in ("coverage", "seats", "records", "changes")
        ]

    assert figures(dry) == figures(published)


def test_a_dry_run_leaves_as_the_run_would(night: Night) -> None:
    night.lose_patches()
    done = night("run", "--dry-run", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 5, done.output
    assert "拦截与预警" in night.report("report-dry-run.html")


def test_a_refused_file_is_said_in_the_line(night: Night) -> None:
    (night.folder() / "ZD.shp").write_bytes(b"no shapefile")
    line = night.line(4)
    assert line["state"] == "refused"
    assert line["error"]["code"].startswith("source.")


def test_a_locked_night_is_said_in_the_line(night: Night) -> None:
    with psycopg.connect(night.township.dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (RUN_LOCK,))
        line = night.line(6)
    assert line["state"] == "locked"
    assert line["seconds"] < 5


def test_one_feed_may_be_watched_more_closely(night: Night) -> None:
    with (night.workspace / "diqi.toml").open("a", encoding="utf-8") as file:
        file.write("\n[gate]\nmin_removed = 0\n")
    contract = night.workspace / "sources.toml"
    contract.write_text(
        '[feed.right]\nrow_tolerance = { max_removed_share = "0.01" }\n', encoding="utf-8"
    )
    night.township.second_night()
    line = night.line(5)
    assert line["error"]["params"]["feed"] == "right"
    contract.write_text(
        '[feed.right]\nrow_tolerance = { warn_removed_share = "0.01" }\n', encoding="utf-8"
    )
    line = night.line(0)
    warned = {one["params"]["feed"] for one in line["change"]["gate"]}
    assert warned == {"right"}
    assert "预警" in night.report("report.html")


def test_what_comes_in_may_be_watched_too(night: Night) -> None:
    """Nothing is too much where the contract says nothing; the second night brings new parcels."""
    with (night.workspace / "diqi.toml").open("a", encoding="utf-8") as file:
        file.write("\n[gate]\nmin_removed = 0\n")
    contract = night.workspace / "sources.toml"
    contract.write_text(
        "[feed.parcel]\nrow_tolerance = { warn_added_share = 0.01, max_added_share = 0.01 }\n",
        encoding="utf-8",
    )
    night.township.second_night()
    line = night.line(5)
    assert line["error"]["code"] == "gate.too_many_added"
    said = line["error"]["params"]
    assert said["feed"] == "parcel"
    with night.township.engine.connect() as connection:
        held = connection.execute(
            text("SELECT count(*) FROM core.parcel WHERE to_run IS NULL")
        ).scalar_one()
    assert said["before"] == held
    assert "拦截" in night.report("report-stopped.html")
    contract.unlink()
    assert night.line(0)["change"]["gate"] == []


def test_a_township_that_loses_most_of_its_rows_stops_the_run(night: Night) -> None:
    """The county loses few of its records; the township's own file says that nine tenths are gone."""
    registry = pd.DataFrame(
        {
            "企业编号": [f"Q{number:03}" for number in range(40)],
            "企业名称": [f"测试{number}厂" for number in range(40)],
            "镇街代码": "330299009",
        }
    )
    first = night.workspace / "inbox" / "2026-06-30" / "企业名录@330299009.csv"
    registry.to_csv(first, index=False)
    assert night("run", "--as-of", "2026-06-30").exit_code == 0
    registry.head(4).to_csv(night.folder() / first.name, index=False)
    with (night.workspace / "diqi.toml").open("a", encoding="utf-8") as file:
        # the records of the county would stop it as well
        file.write("\n[gate]\nmax_removed_share = 1\nwarn_removed_share = 1\n")
    line = night.line(0)
    assert line["change"]["gate"] == []
    (night.workspace / "sources.toml").write_text(
        '[feed.enterprise]\nrow_tolerance = { max_removed_share = "0.85" }\n', encoding="utf-8"
    )
    registry.to_csv(night.folder() / first.name, index=False)
    assert night.line(0)["change"]["gate"] == []
    registry.head(3).to_csv(night.folder() / "企业名录@330299009_20260701.csv", index=False)
    (night.folder() / first.name).unlink()
    line = night.line(5)
    assert line["error"]["code"] == "gate.too_few_rows"
    said = line["error"]["params"]
    assert (said["rows"], said["before"], said["scope"]) == (3, 40, "330299009")


@pytest.mark.parametrize(
    ("text_of", "named"),
    [
        ('[feed.leases]\nrow_tolerance = { max_removed_share = "0.01" }\n', "leases"),
        ('[feed.lease]\nrow_tolerance = { max_lost = "0.01" }\n', "max_lost"),
        ('[feed.lease]\nrow_tolerance = { max_removed_share = "1.5" }\n', "max_removed_share"),
        ("[feed.lease]\nmax_age_days = -1\n", "max_age_days"),
    ],
)
def test_a_tolerance_that_nobody_knows_is_refused(night: Night, text_of: str, named: str) -> None:
    (night.workspace / "sources.toml").write_text(text_of, encoding="utf-8")
    done = night("nightly")
    assert done.exit_code == 3
    assert named in done.output
    assert json.loads(done.stdout.splitlines()[0])["state"] == "failed"


def test_a_bug_is_said_in_the_line(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("1 / 0")

    monkeypatch.setattr("pipeline.nightly.run", broken)
    done = night("nightly", "--as-of", SECOND_NIGHT.isoformat())
    line = json.loads(done.stdout.splitlines()[0])
    assert (line["state"], line["exit_code"]) == ("failed", 1)
    assert "ZeroDivisionError" in line["message"]
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_lost_connection_leaves_the_last_state(night: Night) -> None:
    """The server ends the run's connection in the middle of a step."""
    before = state(night.township.engine)
    night.township.second_night()

    def cut(step: str) -> None:
        if step == "allocate_parcels":
            with psycopg.connect(night.township.dsn, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l WHERE l.locktype = 'advisory'"
                    " AND l.granted AND l.database ="
                    " (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())"
                )

    with pytest.raises(DatabaseError):
        night.township.run(SECOND_NIGHT, watch=cut)
    assert differences(before, state(night.township.engine)) == {}
    with night.township.engine.connect() as connection:
        left = connection.execute(
            text("SELECT state FROM ops.run_state ORDER BY run_id DESC LIMIT 1")
        ).scalar_one()
    assert left in {"died", "failed"}
    assert night.line(0)["state"] == "published"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Path]:
    """A workspace with a private server of its own, which a test may kill."""
    folder = tmp_path / "county"
    create_workspace(folder, code="330299", name="青岚县", crs="EPSG:4549")
    write_township(folder)
    server = PrivateServer(folder)
    try:
        yield folder
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


@NEEDS_POSTGRES
def test_a_killed_server_leaves_the_last_state(own_server: Path) -> None:
    """SIGKILL of the server while a step runs; the next run starts it again and succeeds."""
    settings = load_settings(own_server)
    engine = open_database(settings)
    run(engine, settings, as_of=FIRST_NIGHT)
    before = state(engine)
    write_second_night(own_server)
    pid = PrivateServer(own_server).status().pid
    assert pid is not None

    def kill(step: str) -> None:
        if step == "form_units":
            path = Path("/proc") / str(pid) / "task" / str(pid) / "children"
            children = path.read_text().split()
            # first, or it would replace the others
            os.kill(pid, signal.SIGKILL)
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)

    with pytest.raises(DatabaseError):
        run(engine, settings, as_of=SECOND_NIGHT, watch=kill)
    engine.dispose()
    again = open_database(settings)
    try:
        assert differences(before, state(again)) == {}
        with again.connect() as connection:
            left = connection.execute(
                text("SELECT state FROM ops.run_state ORDER BY run_id DESC LIMIT 1")
            ).scalar_one()
        assert left == "died"
        assert run(again, settings, as_of=SECOND_NIGHT).written > 0
    finally:
        again.dispose()
