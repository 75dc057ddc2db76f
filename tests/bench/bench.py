"""How diqi stands against what users would pick: one table, and the figures as JSON.

Everything is measured in one run: diqi and its peers take turns on the same machine, the same
server and the same files. Answers are compared; where a peer says something else, or diqi does, the
run fails. Times are not judged: the table says what is reached and what is not.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import psycopg
import pyogrio
import shapely
from answers import differences, publish
from measure import MIB, Measurement, ProgramFailedError, machine, measure
from openpyxl import Workbook
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.table import Table

from pipeline import __version__
from pipeline.demo.generator import FIRST_DAY, generate
from pipeline.domain.codes import credit_check_digit
from pipeline.server import PrivateServer
from pipeline.workspace import create_workspace

HERE = Path(__file__).parent
PEERS = ("geopandas", "geopandas-postgis", "ogr2ogr", "to_postgis")
NIGHTS = 3
SHORT_SCALE = 0.01
# What is to be reached on 2 cores at scale 1.
TARGETS = {
    "geopandas": 10.0,
    "geopandas-postgis": 10.0,
    "ogr2ogr": 2.5,
    "second run": 2.0,
    "night": 0.10,
    "client memory": 1000.0,
    "load against ogr2ogr": 0.7,
    "load memory": 400.0,
    "table": 5.0,
}
TABLE_ROWS = 100_000
console = Console(width=118, highlight=False)


@dataclass
class Bench:
    """The place of one benchmark: files, server, and what was measured so far."""

    folder: Path
    scale: float
    seed: int
    nights: int
    server: PrivateServer
    machine: dict[str, Any] = field(default_factory=machine)
    generate_seconds: float = 0.0
    measured: dict[str, list[Measurement]] = field(default_factory=dict)
    summaries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        """The files of the first day."""
        return self.folder / "county" / "inbox" / FIRST_DAY.isoformat()

    @property
    def truth(self) -> Path:
        """What must come out of them."""
        return self.folder / "county" / "truth" / FIRST_DAY.isoformat()

    def generate(self) -> None:
        """Make the files of the first day and of the nights, and their truth."""
        start = time.monotonic()
        for night in range(self.nights + 1):
            generate(self.folder / "county", scale=self.scale, seed=self.seed, night=night)
        self.generate_seconds = time.monotonic() - start

    def new_database(self, name: str) -> str:
        """A fresh database with PostGIS and nothing else; what was there under the name is gone."""
        with psycopg.connect(self.server.admin_dsn(), autocommit=True) as admin:
            admin.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE diqi OWNER diqi").format(sql.Identifier(name))
            )
        return make_conninfo(self.server.dsn(), dbname=name)

    def run(self, what: str, *command: str | Path, dsn: str | None = None) -> Measurement:
        """Measure a command; nothing is left to write from what came before."""
        with psycopg.connect(self.server.admin_dsn(), autocommit=True) as admin:
            admin.execute("CHECKPOINT")
        os.sync()
        environment = dict(os.environ) | {"PYTHONWARNINGS": "ignore", "LC_ALL": "C.UTF-8"}
        if dsn is not None:
            environment["DIQI_DATABASE_URL"] = dsn
        pid = self.server.status().pid
        console.print(f"{what} …", style="dim", end=" ")
        found = measure([str(word) for word in command], server_pid=pid, environment=environment)
        self.measured.setdefault(what, []).append(found)
        console.print(f"{found.seconds:.1f} s, {found.client_bytes / MIB:.0f} MiB", style="dim")
        return found


# ---- What is run --------------------------------------------------------------------------------


def one_round(bench: Bench, number: int, peers: list[str]) -> None:
    """Everything once: diqi's first run, each peer, then diqi's second run and nights.

    The order of the peers turns with the round, so that none always follows the same one.
    """
    workspace = bench.folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    create_workspace(workspace, code="330299", name="青岚县", crs="EPSG:4549")
    shutil.copytree(bench.inbox, workspace / "inbox" / bench.inbox.name)
    dsn = bench.new_database("bench_diqi")
    _diqi(bench, "full run", workspace, dsn, FIRST_DAY)
    ours = publish(dsn, bench.folder / "answers" / "diqi")
    bench.said += [f"diqi: {line}" for line in differences(ours, bench.truth)]
    turned = number % max(len(peers), 1)
    for peer in peers[turned:] + peers[:turned]:
        out = bench.folder / "answers" / peer
        shutil.rmtree(out, ignore_errors=True)
        _PEERS[peer](bench, out)
        if peer != "to_postgis":
            bench.said += [f"{peer}: {line}" for line in differences(out, ours)]
    _diqi(bench, "second run", workspace, dsn, FIRST_DAY)
    for night in range(1, bench.nights + 1):
        day = FIRST_DAY + dt.timedelta(days=night)
        county = bench.folder / "county"
        shutil.copytree(county / "inbox" / day.isoformat(), workspace / "inbox" / day.isoformat())
        _diqi(bench, "night", workspace, dsn, day)
    if bench.nights and number == 0:
        bench.said += check_nights(bench, dsn)


def load_alone(bench: Bench) -> None:
    """The largest file alone, by diqi and by ogr2ogr, and a large workbook; into empty databases."""
    _load_file(bench, "load DLTB", sorted(bench.inbox.glob("DLTB.*")))
    dsn = bench.new_database("bench_load")
    options = ("--config", "PG_USE_COPY", "YES", "-gt", "unlimited", "-nlt", "PROMOTE_TO_MULTI")
    source = (bench.inbox / "DLTB.shp", "-oo", "ENCODING=GBK", "-lco", "GEOMETRY_NAME=geom")
    bench.run("ogr2ogr DLTB", "ogr2ogr", "-f", "PostgreSQL", f"PG:{dsn}", *options, *source)
    book = bench.folder / "企业名录.xlsx"
    if not book.exists():
        write_book(book, max(1, round(TABLE_ROWS * min(bench.scale, 1.0))))
    _load_file(bench, "load xlsx", [book])


def _load_file(bench: Bench, what: str, files: list[Path]) -> None:
    """Load files into a fresh database whose tables are there already, as those of ogr2ogr's user."""
    workspace = bench.folder / "loading"
    shutil.rmtree(workspace, ignore_errors=True)
    create_workspace(workspace, code="330299", name="青岚县", crs="EPSG:4549")
    for file in files:
        shutil.copy(file, workspace / "inbox")
    dsn = bench.new_database("bench_load")
    diqi = Path(sys.executable).with_name("diqi")
    environment = dict(os.environ) | {"DIQI_DATABASE_URL": dsn}
    command = [diqi, "status", "--json", "-w", workspace]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    bench.run(what, diqi, "load", "-w", workspace, "--as-of", FIRST_DAY.isoformat(), dsn=dsn)


def write_book(path: Path, rows: int) -> None:
    """A registry of invented enterprises with fourteen columns."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("企业名录")
    head = ("统一社会信用代码", "企业名称", "行业代码", "规模", "状态", "地址", "镇街代码")
    sheet.append((*head, "注册日期", "宗地代码", "备注一", "备注二", "备注三", "人数", "营业收入"))
    bodies = pd.Series([f"91330299MA{number:07d}" for number in range(rows)], dtype="str")
    codes = bodies + credit_check_digit(bodies)
    for number, code in enumerate(codes):
        sheet.append(
            (
                code,
                f"青岚第{number}机械有限公司",
                3451,
                "规下" if number % 9 else "规上",
                "存续",
                f"云溪镇工业路{number % 300}号",
                f"3302990{number % 20 + 1:02d}",
                dt.date(2001 + number % 20, 1 + number % 12, 1 + number % 28),
                f"330299001001GB{number % 99_999 + 1:05d}",
                "甲",
                "乙",
                None,
                number % 500,
                number * 1.5,
            )
        )
    book.save(path)


def check_nights(bench: Bench, dsn: str) -> list[str]:
    """Hold diqi after its nights against the script on the files of the last day, all of them."""
    day = (FIRST_DAY + dt.timedelta(days=bench.nights)).isoformat()
    inbox = bench.folder / "nights" / day
    shutil.rmtree(inbox, ignore_errors=True)
    for delivered in sorted((bench.folder / "county" / "inbox").iterdir()):
        shutil.copytree(delivered, inbox, dirs_exist_ok=True)
    out = bench.folder / "answers" / "nights"
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [sys.executable, HERE / "peer_geopandas.py", inbox, out]
    subprocess.run(command, check=True)
    ours = publish(dsn, bench.folder / "answers" / "diqi-nights")
    return [f"diqi after {bench.nights} night(s): {line}" for line in differences(ours, out)]


def _diqi(bench: Bench, what: str, workspace: Path, dsn: str, day: dt.date) -> None:
    """One run of diqi as its users start it."""
    command = (Path(sys.executable).with_name("diqi"), "run", "-w", workspace)
    found = bench.run(what, *command, "--as-of", day.isoformat(), "--json", dsn=dsn)
    bench.summaries.setdefault(what, []).append(json.loads(found.stdout))


def _geopandas(bench: Bench, out: Path) -> None:
    bench.run("geopandas", sys.executable, HERE / "peer_geopandas.py", bench.inbox, out)


def _geopandas_postgis(bench: Bench, out: Path) -> None:
    dsn = bench.new_database("bench_geopandas")
    script = HERE / "peer_geopandas.py"
    bench.run("geopandas-postgis", sys.executable, script, bench.inbox, out, dsn)


def _ogr2ogr(bench: Bench, out: Path) -> None:
    dsn = bench.new_database("bench_ogr2ogr")
    bench.run("ogr2ogr", sys.executable, HERE / "peer_ogr2ogr.py", bench.inbox, dsn, out)


def _to_postgis(bench: Bench, _: Path) -> None:
    dsn = bench.new_database("bench_to_postgis")
    bench.run("to_postgis", sys.executable, HERE / "peer_to_postgis.py", bench.inbox, dsn)


_PEERS: dict[str, Callable[[Bench, Path], None]] = {
    "geopandas": _geopandas,
    "geopandas-postgis": _geopandas_postgis,
    "ogr2ogr": _ogr2ogr,
    "to_postgis": _to_postgis,
}


# ---- What comes out -----------------------------------------------------------------------------


@dataclass
class Part:
    """One part of a run of diqi: starting, one file, one step, or writing the files."""

    name: str
    seconds: float
    rows: int | None
    client_bytes: int


def parts_of(found: Measurement, summary: dict[str, Any]) -> list[Part]:
    """Divide a run at the lines that diqi writes when a part begins.

    The time before the first line is the start of the program, its database and its migrations;
    after the last step come commit and files. Rows of a file are those delivered, rows of a step
    those that its tables hold for its scope, unchanged ones included.
    """
    rows: dict[str, int] = {}
    for delivery in summary["deliveries"]:
        rows[f"load {Path(delivery['file']).name}"] = int(delivery["row_count"] or 0)
    for step in summary["steps"]:
        rows[step["step"]] = sum(sum(table.values()) for table in step["tables"].values())
    marks = [(0.0, "start")]
    for at, line in found.lines:
        part = re.fullmatch(r"step (\w+)|load (?:.*/)?(.+?)(?: \(\d+ rows\))?", line)
        if part:
            marks.append((at, part.group(1) or f"load {part.group(2)}"))
    parts = []
    ends = [at for at, _ in marks[1:]] + [found.seconds]
    for (start, name), end in zip(marks, ends, strict=True):
        parts.append(Part(name, end - start, rows.get(name), found.peak_between(start, end)))
    return parts


def median_parts(bench: Bench, what: str) -> list[Part]:
    """Medians of the parts over the rounds; memory is the most that any round held."""
    runs = [
        parts_of(found, summary)
        for found, summary in zip(bench.measured[what], bench.summaries[what], strict=True)
    ]
    names = list(dict.fromkeys(part.name for run in runs for part in run))
    result = []
    for name in names:
        same = [part for run in runs for part in run if part.name == name]
        rows = [part.rows for part in same if part.rows is not None]
        result.append(
            Part(
                name,
                statistics.median(part.seconds for part in same),
                round(statistics.median(rows)) if rows else None,
                max(part.client_bytes for part in same),
            )
        )
    return result


def seconds_of(bench: Bench, what: str) -> float:
    """Median seconds."""
    return statistics.median(found.seconds for found in bench.measured[what])


def comparisons(bench: Bench) -> list[dict[str, Any]]:
    """What was to be reached, what was, and whether it is enough."""
    full = seconds_of(bench, "full run")
    loading = sum(p.seconds for p in median_parts(bench, "full run") if p.name.startswith("load "))
    most = max(found.client_bytes for w in bench.summaries for found in bench.measured[w]) / 1e6
    rows: list[dict[str, Any]] = []

    def add(what: str, value: float, unit: str, target: float | None, *, is_least: bool) -> None:
        words = ""
        if target is not None:
            words = "reached" if (value >= target if is_least else value <= target) else "missed"
        rows.append(
            {"what": what, "value": value, "unit": unit, "target": target, "is_least": is_least}
            | {"verdict": words}
        )

    for peer, words in (
        ("geopandas", "GeoPandas script, files only"),
        ("geopandas-postgis", "GeoPandas script into PostGIS"),
        ("ogr2ogr", "ogr2ogr and plain SQL"),
    ):
        if peer in bench.measured:
            ratio = seconds_of(bench, peer) / full
            add(f"full run against {words}", ratio, "times", TARGETS[peer], is_least=True)
    if "to_postgis" in bench.measured:
        ratio = seconds_of(bench, "to_postgis") / loading
        add("loading against to_postgis", ratio, "times", None, is_least=True)
    second = seconds_of(bench, "second run")
    add("second run without changes", second, "s", TARGETS["second run"], is_least=False)
    if "night" in bench.measured:
        part = seconds_of(bench, "night") / full
        add("night as part of the full run", part, "", TARGETS["night"], is_least=False)
    add("client memory, most in any step", most, "MB", TARGETS["client memory"], is_least=False)
    ratio = seconds_of(bench, "load DLTB") / seconds_of(bench, "ogr2ogr DLTB")
    target = TARGETS["load against ogr2ogr"]
    add("loading DLTB, of the time of ogr2ogr", ratio, "times", target, is_least=False)
    most = max(found.client_bytes for found in bench.measured["load DLTB"]) / 1e6
    add("client memory, loading DLTB", most, "MB", TARGETS["load memory"], is_least=False)
    seconds = seconds_of(bench, "load xlsx")
    add(f"a table of {TABLE_ROWS:,} rows", seconds, "s", TARGETS["table"], is_least=False)
    return rows


def show(bench: Bench) -> None:
    """Print the tables."""
    table = Table(title="Runs (medians)", title_justify="left")
    for name in ("run", "rounds", "seconds", "least", "most", "client MiB", "server MiB"):
        table.add_column(name, justify="left" if name == "run" else "right")
    for what, found in bench.measured.items():
        seconds = [one.seconds for one in found]
        table.add_row(
            f"diqi, {what}" if what in bench.summaries else what,
            str(len(found)),
            f"{statistics.median(seconds):.2f}",
            f"{min(seconds):.2f}",
            f"{max(seconds):.2f}",
            f"{max(one.client_bytes for one in found) / MIB:.0f}",
            f"{max(one.server_bytes for one in found) / MIB:.0f}",
        )
    console.print(table)
    for what in bench.summaries:
        _show_parts(bench, what)
    table = Table(title="Reached", title_justify="left")
    for name in ("what", "measured", "to reach (2 cores, scale 1)", ""):
        table.add_column(name, justify="right" if name == "measured" else "left")
    for row in comparisons(bench):
        target = row["target"]
        sign = "at least" if row["is_least"] else "at most"
        table.add_row(
            row["what"],
            _number(row["value"], row["unit"]),
            "" if target is None else f"{sign} {_number(target, row['unit'])}",
            row["verdict"],
        )
    console.print(table)


def _number(value: float, unit: str) -> str:
    """A figure with its unit; a part of something as per cent."""
    if unit == "":
        return f"{value:.1%}"
    return f"{value:.0f} {unit}" if unit == "MB" else f"{value:.2f} {unit}"


def _show_parts(bench: Bench, what: str) -> None:
    """Print what the time of a run of diqi goes into."""
    parts = median_parts(bench, what)
    total = sum(part.seconds for part in parts)
    table = Table(title=f"diqi, {what}: its parts", title_justify="left")
    for name in ("part", "seconds", "rows", "rows/s", "client MiB", "share"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for part in parts:
        speed = part.rows / part.seconds if part.rows and part.seconds > 0 else None
        table.add_row(
            part.name,
            f"{part.seconds:.2f}",
            "" if part.rows is None else f"{part.rows:,}",
            "" if speed is None else f"{speed:,.0f}",
            f"{part.client_bytes / MIB:.0f}",
            f"{part.seconds / total:.1%}",
        )
    console.print(table)


def as_json(bench: Bench, rounds: int) -> dict[str, Any]:
    """All figures."""
    return {
        "scale": bench.scale,
        "seed": bench.seed,
        "rounds": rounds,
        "nights": bench.nights,
        "machine": bench.machine,
        "versions": versions(bench.server),
        "generate_seconds": round(bench.generate_seconds, 1),
        "answers": bench.said or "equal",
        "comparisons": comparisons(bench),
        "runs": {what: [f.figures() for f in found] for what, found in bench.measured.items()},
        "parts": {
            what: [
                {
                    "part": part.name,
                    "seconds": round(part.seconds, 3),
                    "rows": part.rows,
                    "client_mib": round(part.client_bytes / MIB, 1),
                }
                for part in median_parts(bench, what)
            ]
            for what in bench.summaries
        },
        "summaries": {
            what: [summary["steps"] for summary in found] for what, found in bench.summaries.items()
        },
    }


def versions(server: PrivateServer) -> dict[str, str]:
    """Versions of everything that takes part."""
    with psycopg.connect(server.dsn()) as connection:
        row = connection.execute(
            "SELECT current_setting('server_version'), postgis_lib_version(), "
            "postgis_geos_version(), postgis_proj_version()"
        ).fetchone()
    assert row is not None
    said = subprocess.run(["ogr2ogr", "--version"], capture_output=True, text=True, check=False)
    return {
        "diqi": __version__,
        "python": platform.python_version(),
        "postgresql": row[0],
        "postgis": row[1],
        "geos_of_postgis": row[2],
        "proj_of_postgis": row[3],
        "ogr2ogr": said.stdout.strip(),
        "gdal_of_pyogrio": ".".join(map(str, pyogrio.__gdal_version__)),
        "geopandas": gpd.__version__,
        "shapely": shapely.__version__,
        "geos_of_shapely": ".".join(map(str, shapely.geos_version)),
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="1 is a whole county")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="at least 3 for medians")
    parser.add_argument("--short", action="store_true", help="scale 0.01, one round, one night")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--without", action="append", default=[], choices=PEERS, metavar="PEER")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep files and answers there")
    found = parser.parse_args()
    if found.short:
        found.scale, found.rounds = SHORT_SCALE, 1
    return found


def main() -> int:
    """Generate, measure, compare, print; 1 where answers differ or a program failed."""
    given = arguments()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="diqi-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server").mkdir(exist_ok=True)
    server = PrivateServer(folder / "server")
    bench = Bench(folder, given.scale, given.seed, 1 if given.short else NIGHTS, server)
    peers = [peer for peer in PEERS if peer not in given.without]
    # a benchmark that is told to end stops its server, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        server.start()
        console.print(f"scale {bench.scale}, seed {bench.seed}, {given.rounds} round(s)")
        bench.generate()
        console.print(f"files and truth made in {bench.generate_seconds:.1f} s", style="dim")
        for number in range(given.rounds):
            one_round(bench, number, peers)
            load_alone(bench)
        show(bench)
        if given.json is not None:
            text = json.dumps(as_json(bench, given.rounds), ensure_ascii=False, indent=2)
            given.json.write_text(text + "\n", encoding="utf-8")
    except ProgramFailedError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    finally:
        server.remove()
        if given.keep is None:
            shutil.rmtree(folder)
    for line in dict.fromkeys(bench.said):
        console.print(f"answers differ: {line}", style="red", markup=False)
    if not bench.said:
        console.print("answers: diqi, its peers and the truth are equal")
    return 1 if bench.said else 0


if __name__ == "__main__":
    sys.exit(main())
