"""Killed at any moment, a run leaves the last good layers; readers never see two runs at once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable

import psycopg
from conftest import SECOND_NIGHT, Township
from sqlalchemy import text
from test_steps import differences, state

Make = Callable[..., Township]
KILLS = 20
_RUN = """
import datetime as dt, pathlib, sys
from pipeline.database import open_engine
from pipeline.run import run
from pipeline.settings import load_settings
print("ready", flush=True)
dsn, workspace, as_of = sys.argv[1:]
run(open_engine(dsn), load_settings(pathlib.Path(workspace)), as_of=dt.date.fromisoformat(as_of))
"""
_SHOWN = """
SELECT p.run_id,
  (SELECT md5(string_agg(CAST(l AS text), '|' ORDER BY l.fid)) FROM layers.parcel AS l),
  (SELECT md5(string_agg(CAST(l AS text), '|' ORDER BY l.fid)) FROM layers.enterprise AS l),
  (SELECT md5(string_agg(CAST(l AS text), '|' ORDER BY l.fid)) FROM layers.township_coverage AS l)
FROM layers.publication AS p
"""


class Reader(threading.Thread):
    """Looks at the layers ten times a second, as an open QGIS does."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn = dsn
        self.seen: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        self.looks = 0
        self.error: Exception | None = None
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn, autocommit=True) as connection:
                while not self.stopped.wait(0.1):
                    # one statement, one snapshot
                    run_id, *shown = connection.execute(_SHOWN).fetchone()
                    self.seen[run_id].add(tuple(shown))
                    self.looks += 1
        except psycopg.Error as error:
            self.error = error


def start(township: Township) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _RUN,
            township.dsn,
            str(township.settings.workspace),
            SECOND_NIGHT.isoformat(),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def test_killed_at_random_times(make_township: Make) -> None:
    unbroken = make_township()
    unbroken.second_night()
    with start(unbroken) as process:
        began = time.monotonic()
        process.wait()
        usual = time.monotonic() - began
    assert process.returncode == 0

    done = state(unbroken.engine, with_history=False)
    drawn = random.Random(1)
    left = KILLS
    # a run that ends before its kill leaves nothing to kill: go on with another township
    while left > 0:
        left -= kill_until_published(make_township(), left, usual, drawn, done)


def kill_until_published(
    township: Township,
    most: int,
    usual: float,
    drawn: random.Random,
    done: dict[str, list[str]],
) -> int:
    """Kill runs until one is quicker; see that each left the last state, and what comes in the end."""
    before = state(township.engine)
    township.second_night()
    reader = Reader(township.dsn)
    reader.start()
    killed = 0
    try:
        while killed < most:
            with start(township) as process:
                time.sleep(drawn.uniform(0, usual))
                process.send_signal(signal.SIGKILL)
                process.wait()
            with township.engine.connect() as connection:
                published = connection.execute(
                    text("SELECT count(*) FROM ops.run_state WHERE state = 'published'")
                ).scalar_one()
            if published > 1:
                break
            assert process.returncode == -signal.SIGKILL
            killed += 1
            assert differences(before, state(township.engine)) == {}
        township.run(SECOND_NIGHT)
    finally:
        reader.stopped.set()
        reader.join()
    assert differences(done, state(township.engine, with_history=False)) == {}
    assert reader.error is None
    # whatever was seen under a run's number was that run, whole
    assert {len(shown) for shown in reader.seen.values()} == {1}
    assert len(reader.seen) >= 1
    return killed
