"""How long the linking alone takes: a county, ten of them in one database, and a night of each.

The records of one generated county are copied within the database, each copy with codes, names of
places, names of enterprises and coordinates of its own, so that no copy has to do with another. Then
the steps ``read_texts`` and ``link_enterprises`` run with everything in scope, and with what a night
changes. Each copy must have the links of the first. Times are not judged.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from linking import LINKING, load_records, new_county, new_database, run_steps
from measure import machine
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, text

import pipeline.stepping
from pipeline.database import empty_table, open_engine
from pipeline.demo.generator.words import FORMER_TOWNSHIPS, TOWNSHIPS
from pipeline.server import PrivateServer
from pipeline.settings import Settings
from pipeline.stepping import mark_everything, marks_of, record_tables
from pipeline.steps import STEPS

COPIES = 10
SHORT_SCALE, SHORT_COPIES = 0.02, 3
# Seconds of both steps at scale 1, on two quiet cores; how many times that ten counties take.
TARGETS = {"one": 10.0, "ratio": 12.0}
NIGHT_PART = 200  # of so many enterprises, and rights, one changes in a night
# What a copy writes in front of names of places, and of names of enterprises: no name has these
# characters, and two copies differ in both of the latter, by shape and by sound.
PLACE_SIGNS = "戩扆敉旡曌朿橐歅殪"
NAME_SIGNS = ("砀秭耜葳虢觥谖踔郯", "锷阚霭鞑颟骘鲂鹄黛")
SHIFT_M = 262_144
_FORMER = [name for names in FORMER_TOWNSHIPS.values() for name in names]
_ROADS = (
    "创业路|兴工路|纬一路|纬二路|纬三路|经一路|经二路|工贸路|振兴街|望山路|临河路|新桥街|商务街"
)
_SHORT = [name.removesuffix("街道").rstrip("镇乡") for name in (*TOWNSHIPS, *_FORMER)]
_FRONT = "((?:浙江省?|明澜市?|青岚县?)*)"

_FUNCTIONS = f"""
CREATE FUNCTION pg_temp.code(t text, k integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN replace(t, '330299', '33020' || k);
CREATE FUNCTION pg_temp.place(t text, k integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace(
  t, '({"|".join((*TOWNSHIPS, *_FORMER))}|[一-龥][一-龥]村|{_ROADS})', substr('{PLACE_SIGNS}', k, 1) || '\\1', 'g');
-- names of three characters are those of people
CREATE FUNCTION pg_temp.name(t text, k integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE
  WHEN length(t) <= 3 THEN t
  WHEN t ~ '^{_FRONT}(?:{"|".join(_SHORT)})' THEN regexp_replace(
    t, '^{_FRONT}((?:{"|".join(_SHORT)})(?:镇|乡|街道)?)',
    '\\1' || substr('{PLACE_SIGNS}', k, 1) || '\\2'
    || substr('{NAME_SIGNS[0]}', k, 1) || substr('{NAME_SIGNS[1]}', k, 1))
  ELSE regexp_replace(
    t, '^{_FRONT}', '\\1' || substr('{NAME_SIGNS[0]}', k, 1) || substr('{NAME_SIGNS[1]}', k, 1))
END;
CREATE FUNCTION pg_temp.certificate(t text, k integer) RETURNS text LANGUAGE sql IMMUTABLE
RETURN replace(t, '青岚县', '青岚县' || substr('{PLACE_SIGNS}', k, 1));
CREATE FUNCTION pg_temp.number(t text, k integer) RETURNS text LANGUAGE sql IMMUTABLE RETURN k || '-' || t;
CREATE FUNCTION pg_temp.hash(t bytea, k integer) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256(t || int4send(k));
CREATE FUNCTION pg_temp.row(t integer, k integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN t + k * 10000000;
CREATE FUNCTION pg_temp.shape(t geometry, k integer) RETURNS geometry LANGUAGE sql IMMUTABLE
RETURN ST_Translate(t, k * {SHIFT_M}, 0);
"""
_RECORD = {"record_key": "number", "row_hash": "hash"}
# Which function makes the value of a copy; other columns stay as they are.
_COPIED: dict[str, dict[str, str]] = {
    "core.area": {
        **_RECORD,
        "area_code": "code",
        "name": "place",
        "former_names": "place",
        "geom": "shape",
    },
    "core.parcel": {
        **_RECORD,
        "parcel_code": "code",
        "unit_code": "code",
        "location": "place",
        "address_key": "place",
        "geom": "shape",
    },
    'core."right"': {
        **_RECORD,
        "parcel_code": "code",
        "holder_key": "code",
        "holder_name": "name",
        "holder_name_key": "name",
        "holder_code": "code",
        "certificate_no": "certificate",
        "certificate_key": "certificate",
    },
    "core.lease": {
        **_RECORD,
        "lease_no": "number",
        "parcel_code": "code",
        "lessor_code": "code",
        "lessor_name": "name",
        "lessor_name_key": "name",
        "lessee_code": "code",
        "lessee_name": "name",
        "lessee_name_key": "name",
    },
    "core.footprint": {
        **_RECORD,
        "footprint_code": "number",
        "enterprise_code": "code",
        "geom": "shape",
    },
    "core.account": {
        **_RECORD,
        "account_no": "number",
        "enterprise_code": "code",
        "parcel_code": "code",
        "address": "place",
    },
    "derived.parcel_township": {
        "parcel_code": "code",
        "township_code": "code",
        "area_code": "code",
    },
    "ops.delivered": {
        "row_number": "row",
        "key": "code",
        "row_hash": "hash",
        "source_hash": "hash",
    },
}
_ENTERPRISE = {
    "row_hash": "hash",
    "enterprise_code": "code",
    "credit_code": "code",
    "name": "name",
    "name_key": "name",
    "parcel_code": "code",
    "other_parcel_codes": "code",
    "certificate_no": "certificate",
    "certificate_key": "certificate",
    "address": "place",
    "address_key": "place",
    "township_code": "code",
    "geom": "shape",
}
_COPIED["raw.enterprise"] = _ENTERPRISE
_COPIED["core.enterprise"] = {**_ENTERPRISE, "record_key": "number"}
_ONLY = {
    "ops.delivered": "delivery_id IN (SELECT delivery_id FROM ops.delivery WHERE feed = 'enterprise')"
}

console = Console(width=118, highlight=False)


def copy_records(engine: Engine, copies: int) -> None:
    """Write what a database holds of one county so many times that there are ``copies`` of it."""
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(_FUNCTIONS)
        for table, functions in _COPIED.items():
            columns = list(
                connection.execute(
                    text(
                        "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) "
                        "AND attnum > 0 AND NOT attisdropped"
                    ),
                    {"table": table},
                ).scalars()
            )
            values = [
                f"pg_temp.{functions[c]}(t.{c}, k.k)" if c in functions else f"t.{c}"
                for c in columns
            ]
            connection.execute(
                text(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table} AS t "
                    f"CROSS JOIN generate_series(1, :last) AS k (k) WHERE {_ONLY.get(table, 'true')}"
                ),
                {"last": copies - 1},
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM (ANALYZE) {', '.join(_COPIED)}"))


def differing_copies(engine: Engine, copies: int) -> list[str]:
    """Say which copies have other links than the first county, and in how many rows."""
    said = []
    columns = "{} AS enterprise_code, {} AS parcel_code, role, stage, reason, score, status, rank"
    code = "replace({}, '33020' || :copy, '330299')"
    copied = columns.format(code.format("enterprise_code"), code.format("parcel_code"))
    query = f"""
        WITH first AS (
          SELECT {columns.format("enterprise_code", "parcel_code")} FROM derived.link WHERE parcel_code LIKE '330299%'
        ),
        copy AS (SELECT {copied} FROM derived.link WHERE parcel_code LIKE '33020' || :copy || '%'),
        differing AS ((TABLE first EXCEPT TABLE copy) UNION ALL (TABLE copy EXCEPT TABLE first))
        SELECT (SELECT count(*) FROM first), (SELECT count(*) FROM copy), (SELECT count(*) FROM differing),
          (SELECT CAST(d AS text) FROM differing AS d ORDER BY 1 LIMIT 1)
    """
    with engine.connect() as connection:
        for copy in range(1, copies):
            first, here, differing, example = connection.execute(
                text(query), {"copy": str(copy)}
            ).one()
            if differing or first != here or not first:
                said.append(
                    f"copy {copy}: {here} links, the first has {first}; {differing} differ, e.g. {example}"
                )
    return said


# ---- What is timed ------------------------------------------------------------------------------


def change_a_night(connection: Connection) -> None:
    """Change one of 200 enterprises (name, and address of another one) and rights (holder of another)."""
    marks = {output.table: marks_of(output) for output in record_tables()}
    for table, key, columns in (
        ("core.enterprise", "enterprise_code", ("address", "address_key")),
        ("core.right", "record_key", ("holder_code", "holder_name", "holder_name_key")),
    ):
        connection.execute(
            text(
                f"CREATE TEMP TABLE night ON COMMIT DROP AS SELECT {key}, "
                + ", ".join(f"lead({c}) OVER (ORDER BY hashtext({key})) AS {c}" for c in columns)
                + f" FROM {table} WHERE to_run IS NULL AND abs(hashtext({key})) % {NIGHT_PART} = 0"
            )
        )
        mark = text(
            "SELECT ops.mark_dirty(CAST(:table AS regclass), CAST(:marks AS jsonb), :which)"
        )
        which = f"t.{key} IN (SELECT n.{key} FROM night AS n)"
        given = {"table": table, "marks": marks[table], "which": which}
        connection.execute(mark, given)
        renamed = ", name_key = t.name_key || '新'" if table == "core.enterprise" else ""
        connection.execute(
            text(
                f"UPDATE {table} AS t SET ({', '.join(columns)}) = ROW({', '.join('n.' + c for c in columns)})"
                f"{renamed} FROM night AS n WHERE n.{key} = t.{key} AND t.to_run IS NULL"
            )
        )
        connection.execute(mark, given)
        connection.execute(text("DROP TABLE night"))


def time_full(engine: Engine, settings: Settings, rounds: int) -> list[dict[str, float]]:
    """Time both steps with everything in scope, from empty tables; the last round is kept."""
    tables = [o.table for s in STEPS if s.name in LINKING for o in s.outputs if not o.owned]
    found = []
    for number in range(rounds):
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(tables)}"))
            empty_table(connection, "ops.issue")
        with engine.connect() as connection, connection.begin() as transaction:
            empty_table(connection, "ops.dirty")
            mark_everything(connection)
            found.append(_timed(connection, settings))
            if number + 1 < rounds:
                transaction.rollback()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM (ANALYZE) {', '.join(tables)}"))
    return found


def time_night(engine: Engine, settings: Settings, rounds: int) -> list[dict[str, float]]:
    """Time both steps on what a night changes; nothing of it is kept."""
    found = []
    for _ in range(rounds):
        with engine.connect() as connection, connection.begin() as transaction:
            empty_table(connection, "ops.dirty")
            change_a_night(connection)
            found.append(_timed(connection, settings))
            transaction.rollback()
    return found


def _timed(connection: Connection, settings: Settings) -> dict[str, float]:
    """Seconds of each step and of each of its tables, and how many enterprises were in scope."""
    with timed_outputs() as seconds:
        for result in run_steps(connection, settings, LINKING):
            seconds[result.name] = result.seconds
    seconds["both"] = sum(seconds[name] for name in LINKING)
    seconds["enterprises"] = connection.execute(
        text("SELECT count(*) FROM ops.scope WHERE step = 'link_enterprises'")
    ).scalar_one()
    return dict(seconds)


@contextmanager
def timed_outputs() -> Iterator[dict[str, float]]:
    """Take down how long each table of a step takes: its rows, and writing them."""
    seconds: dict[str, float] = defaultdict(float)
    kept = {
        name: getattr(pipeline.stepping, name)
        for name in ("find_scope", "create_next", "copy_next", "write_next")
    }
    last = time.monotonic()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            nonlocal last
            # what Python computed before it copies is the time since the last call
            start = last if name == "copy_next" else time.monotonic()
            try:
                return function(*given)
            finally:
                last = time.monotonic()
                kind = {"find_scope": "scope", "write_next": "write"}.get(name, "rows")
                seconds[f"{given[1].name}, {kind}"] += last - start

        return call

    try:
        for name, function in kept.items():
            setattr(pipeline.stepping, name, watched(name, function))
        yield seconds
    finally:
        for name, function in kept.items():
            setattr(pipeline.stepping, name, function)


# ---- What comes out -----------------------------------------------------------------------------


def least(found: list[dict[str, float]], name: str) -> float:
    """The least of the rounds: other work on the machine only adds."""
    return min(one.get(name, 0.0) for one in found)


def show(measured: dict[str, list[dict[str, float]]], copies: int, *, with_tables: bool) -> None:
    """Print the tables."""
    table = Table(title="Linking alone, seconds (least of the rounds)", title_justify="left")
    for name in ("what", "enterprises", "read_texts", "link_enterprises", "both", "median", "most"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for what, found in measured.items():
        both = [one["both"] for one in found]
        table.add_row(
            what,
            f"{found[0]['enterprises']:,.0f}",
            *(f"{least(found, name):.2f}" for name in (*LINKING, "both")),
            f"{statistics.median(both):.2f}",
            f"{max(both):.2f}",
        )
    console.print(table)
    one, many = (least(measured[f"{number} x, full"], "both") for number in (1, copies))
    console.print(
        f"one county: {one:.2f} s, at most {TARGETS['one']:.0f} s on 2 quiet cores at scale 1"
    )
    console.print(
        f"{copies} counties: {many / one:.2f} times one; {TARGETS['ratio'] * copies / COPIES:.1f} at most"
    )
    for number in (1, copies):
        part = least(measured[f"{number} x, night"], "both") / least(
            measured[f"{number} x, full"], "both"
        )
        console.print(f"a night of {number}: {part:.1%} of the full steps")
    if not with_tables:
        return
    table = Table(title="Where the time goes, seconds", title_justify="left")
    table.add_column("part")
    for what in measured:
        table.add_column(what, justify="right")
    names = dict.fromkeys(name for found in measured.values() for name in found[0] if "," in name)
    for name in sorted(names, key=lambda name: -least(measured[f"{copies} x, full"], name)):
        table.add_row(name, *(f"{least(found, name):.2f}" for found in measured.values()))
    console.print(table)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the county that is copied")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", default="high", help="as of diqi generate")
    parser.add_argument("--copies", type=int, default=COPIES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--short", action="store_true", help="scale 0.02, 3 copies, one round: for CI"
    )
    parser.add_argument("--tables", action="store_true", help="print how long each table takes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    found = parser.parse_args()
    if found.short:
        found.scale, found.copies, found.rounds = SHORT_SCALE, SHORT_COPIES, 1
    if not 2 <= found.copies <= len(PLACE_SIGNS) + 1:
        parser.error(f"--copies: 2 to {len(PLACE_SIGNS) + 1}")
    return found


def main() -> int:
    """Make the county, copy it, time the steps; 1 where a copy has other links than the first."""
    given = arguments()
    # who is told to end stops its server, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="diqi-linking-"))
    server = PrivateServer(folder)
    measured: dict[str, list[dict[str, float]]] = {}
    said: list[str] = []
    try:
        settings = new_county(folder, scale=given.scale, seed=given.seed, noise=[given.noise])
        server.start()
        load_records(new_database(server, "one"), settings)
        many = new_database(server, "many", "one")
        for number, dsn in (
            (1, server.dsn().replace("dbname=diqi", "dbname=one")),
            (given.copies, many),
        ):
            engine = open_engine(dsn)
            if number > 1:
                copy_records(engine, number)
            measured[f"{number} x, full"] = time_full(engine, settings, given.rounds)
            measured[f"{number} x, night"] = time_night(engine, settings, given.rounds)
            if number > 1:
                said = differing_copies(engine, number)
            engine.dispose()
        show(measured, given.copies, with_tables=given.tables)
        if given.json is not None:
            figures = {
                "scale": given.scale,
                "seed": given.seed,
                "noise": given.noise,
                "machine": machine(),
                "runs": measured,
            }
            given.json.write_text(
                json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    for line in said:
        console.print(f"links differ: {line}", style="red", markup=False)
    if not said:
        console.print("links: every copy has those of the first county")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
