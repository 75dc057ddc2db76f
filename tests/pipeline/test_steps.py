"""What must hold for every step: these tests go over STEPS, so a new step inherits them."""

from __future__ import annotations

import datetime as dt
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import Connection, Engine, text

from pipeline._paths import data_path
from pipeline.demo.township import official_code
from pipeline.settings import load_settings
from pipeline.stepping import find_scope, mark_everything
from pipeline.steps import STEPS, Step

Make = Callable[..., Township]

# Columns that say when or in which order a row came, not what it says.
_HISTORY = {"fid", "from_run", "to_run", "run_id", "delivery_id", "row_number", "correction_ids"}
_TABLES = [output.table for step in STEPS for output in step.outputs if output.table != "ops.issue"]
HISTORY_TABLES = {
    "core.coverage_history",
    "core.parcel_lineage",
    "core.patch_lineage",
    "core.footprint_lineage",
    # what became of retired parcels: known to whoever saw them go
    "derived.parcel_successor",
    "layers.land_change",
}


def state(
    engine: Engine, *, with_history: bool = True, with_hash: bool = True
) -> dict[str, list[str]]:
    """Every row that the steps are answerable for, as ordered text."""
    with engine.connect() as connection:
        return shown(connection, with_history=with_history, with_hash=with_hash)


def shown(
    connection: Connection, *, with_history: bool = True, with_hash: bool = True
) -> dict[str, list[str]]:
    """The same as one connection sees it."""
    found: dict[str, list[str]] = {}
    for table in [*_TABLES, "ops.issue"]:
        if table in HISTORY_TABLES and not with_history:
            continue
        schema, name = table.split(".")
        columns = connection.execute(
            text(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_schema = :schema AND table_name = :name ORDER BY column_name"
            ),
            {"schema": schema, "name": name},
        ).scalars()
        left_out = _HISTORY | ({"issue_id"} if table == "ops.issue" else set())
        left_out |= set() if with_hash else {"row_hash"}
        kept = ", ".join(f't."{column}"' for column in columns if column not in left_out)
        where = {
            "core": "WHERE to_run IS NULL"
            if name
            not in {"coverage_history", "parcel_lineage", "patch_lineage", "footprint_lineage"}
            else "",
            "ops": "WHERE delivery_id IS NULL",
        }.get(schema, "")
        rows = connection.execute(
            text(f"SELECT CAST(ROW({kept}) AS text) FROM {table} AS t {where} ORDER BY 1")
        )
        found[table] = list(rows.scalars())
    return found


def computed(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the steps compute from the records; issues are those of now."""
    return {
        table: rows
        for table, rows in found.items()
        if table.startswith(("derived.", "layers.")) and table != "layers.data_issue"
    }


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    """Rows that stand in only one of two states, by table."""
    return {
        table: sorted(set(one[table]) ^ set(other[table]))
        for table in one
        if one[table] != other[table]
    }


def rebuild(township: Township, as_of: dt.date) -> None:
    """Empty everything that can be rebuilt, then run in full."""
    with township.engine.begin() as connection:
        for table in _TABLES:
            if table.split(".")[0] in {"derived", "layers"}:
                connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("DELETE FROM ops.issue WHERE delivery_id IS NULL"))
    township.run(as_of, is_full=True)


def test_every_table_has_one_writer() -> None:
    owned = [output.table for step in STEPS for output in step.outputs if not output.owned]
    assert len(owned) == len(set(owned))


def test_steps_read_only_what_earlier_steps_wrote() -> None:
    written: set[str] = set()
    for step in STEPS:
        own = {output.table for output in step.outputs}
        for table in step.reads:
            schema = table.split(".")[0]
            assert (
                schema in {"raw", "ops"}
                or table in written
                or table
                in {
                    "core.correction",
                    "core.decision",
                    "core.current_decision",
                    "core.current_evaluation_decision",
                    "core.current_issued_unit",
                }
            ), f"{step.name} reads {table} before it is written"
        written |= own


def queries_of(step: Step) -> list[Path]:
    """The queries of a step: one per table that SQL computes, and those that its Python reads."""
    files = {o.name: data_path(*step.sql_folder, f"{o.name}.sql") for o in step.outputs}
    for output in step.outputs:
        assert output.rows is not None or files[output.name].is_file(), output.table
    named = [data_path(*parts) for parts in step.files if parts[0] == "sql"]
    found = {file for file in (*files.values(), *named) if file.is_file()}
    folder = {
        file for file in files[step.outputs[0].name].parent.glob("*.sql") if file.stem != "scope"
    }
    assert found == folder, "each query of the folder is a table's, or one of step.files"
    return sorted(found)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_sql_names_only_declared_tables(step) -> None:
    files = [data_path("sql", "steps", step.name, "scope.sql")]
    files += queries_of(step)
    views = {
        "core.open_record",
        "core.registry_parcel",
        # what was issued is no step's
        "core.current_issued_unit",
        "core.issued_member",
        "core.link_stage",
        # the acts behind core.current_decision, and what was known of their subjects
        "core.decision",
        "derived.evidence_of",
        "core.applied_correction",
        "core.usable_correction",
        "core.known_correction",
        "core.current_answer",
        "core.delivered_value",
        "ops.refused_correction",
        "derived.right_in_place",
        "derived.lease_in_place",
        "derived.decision_in_place",
        "derived.retired_evidence",
        "derived.address_in_place",
        "derived.topology",
        "derived.unit_enterprise",
    }
    allowed = (
        set(step.reads)
        | {o.table for o in step.outputs}
        | {"ops.dirty", "ops.dirty_shape", "ops.scope"}
        | views
    )
    for file in files:
        code = re.sub(r"--.*", "", file.read_text(encoding="utf-8"))
        named = set(re.findall(r"\b((?:raw|core|derived|layers|ops)\.\"?[a-z_]+)", code))
        named = {name.replace('"', "") for name in named} - {"ops.live_row"}
        assert named <= allowed, f"{file.name} reads {sorted(named - allowed)}"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_step_files_hold_one_select(step) -> None:
    for file in queries_of(step):
        code = file.read_text(encoding="utf-8")
        body = re.sub(r"--.*|'[^']*'", "", code)
        assert ";" not in body
        assert not re.search(r"\b(INSERT|UPDATE|DELETE|CREATE|DROP|TRUNCATE|now\s*\()\b", body)


@pytest.mark.parametrize("is_full", [True, False])
def test_a_scope_names_each_key_once(make_township: Make, is_full: bool) -> None:
    township = make_township()
    common = {
        "run_id": 99,
        "as_of": FIRST_NIGHT,
        "data_year": FIRST_NIGHT.year - 1,
        "vintage": 2025,
        "feeds": ["patch", "parcel"],
        "is_full": is_full,
    }
    with township.engine.connect() as connection:
        mark_everything(connection)
        for step in STEPS:
            own = {name: township.settings.value(path) for name, path in step.settings.items()}
            find_scope(connection, step, {**own, **common})
            keys, distinct = connection.execute(
                text("SELECT count(*), count(DISTINCT (kind, key)) FROM ops.scope")
            ).one()
            assert keys == distinct, step.name
            assert keys > 0 or not is_full, step.name


def test_second_run_writes_nothing(make_township: Make) -> None:
    township = make_township()
    before = state(township.engine)
    result = township.run()
    assert {step.name: step.written for step in result.steps if step.written} == {}
    assert differences(before, state(township.engine)) == {}


def test_full_run_after_a_run_writes_nothing(make_township: Make) -> None:
    township = make_township()
    before = state(township.engine)
    result = township.run(is_full=True)
    assert {step.name: step.written for step in result.steps if step.written} == {}
    assert differences(before, state(township.engine)) == {}


def test_full_run_rebuilds_what_was_dropped(make_township: Make) -> None:
    township = make_township()
    before = state(township.engine)
    rebuild(township, FIRST_NIGHT)
    assert differences(before, state(township.engine)) == {}


def test_second_night_equals_rebuild(make_township: Make) -> None:
    township = make_township()
    before = state(township.engine)
    township.second_night()
    result = township.run(SECOND_NIGHT)
    assert result.written > 0
    after = state(township.engine)
    assert differences(before, after) != {}
    rebuild(township, SECOND_NIGHT)
    assert differences(after, state(township.engine)) == {}


def test_a_night_during_a_backup_equals_rebuild(make_township: Make) -> None:
    """pg_dump holds every table until it ends, and waits for whoever holds one alone."""
    township = make_township()
    township.second_night()
    with township.engine.connect() as backup:
        for table in [*_TABLES, "ops.dirty", "ops.scope", "ops.delivered"]:
            backup.execute(text(f"LOCK TABLE {table} IN ACCESS SHARE MODE"))
        township.run(SECOND_NIGHT)
    after = state(township.engine)
    rebuild(township, SECOND_NIGHT)
    assert differences(after, state(township.engine)) == {}


def test_second_night_equals_both_nights_at_once(make_township: Make) -> None:
    by_night = make_township()
    by_night.second_night()
    by_night.run(SECOND_NIGHT)
    at_once = make_township(has_run=False)
    at_once.second_night()
    at_once.run(SECOND_NIGHT)
    one = state(by_night.engine, with_history=False)
    other = state(at_once.engine, with_history=False)
    assert differences(one, other) == {}


def test_date_alone_equals_rebuild(make_township: Make) -> None:
    """Leases and recognitions end without any delivery."""
    township = make_township()
    before = state(township.engine)
    later = dt.date(2026, 12, 31)
    result = township.run(later)
    assert result.written > 0
    after = state(township.engine)
    assert differences(before, after).keys() >= {"derived.link", "derived.unit"}
    rebuild(township, later)
    assert differences(after, state(township.engine)) == {}


@pytest.mark.parametrize("base_codes", ['["0601", "0602"]', '["0602"]'])
def test_changed_setting_equals_rebuild(make_township: Make, base_codes: str) -> None:
    township = make_township()
    file = township.settings.workspace / "diqi.toml"
    file.write_text(
        file.read_text(encoding="utf-8")
        + f"\n[coverage]\nbase_codes = {base_codes}\n[evaluation]\nmax_operators = 1\n",
        encoding="utf-8",
    )
    township.settings = load_settings(township.settings.workspace)
    before = state(township.engine)
    township.run()
    after = state(township.engine)
    changed = differences(before, after).keys()
    assert changed >= {"derived.patch_cover", "derived.unit", "layers.industrial_patch"}
    rebuild(township, FIRST_NIGHT)
    assert differences(after, state(township.engine)) == {}


def test_new_year_equals_rebuild(make_township: Make) -> None:
    township = make_township()
    later = dt.date(2027, 6, 30)
    township.run(later)
    after = state(township.engine)
    rebuild(township, later)
    assert differences(after, state(township.engine)) == {}


def test_decision_equals_rebuild(make_township: Make) -> None:
    township = make_township()
    with township.engine.begin() as connection:
        link = connection.execute(
            text(
                "SELECT enterprise_code, parcel_code FROM derived.link WHERE status = 'review' ORDER BY 1, 2 LIMIT 1"
            )
        ).one()
        gone = connection.execute(
            text(
                "SELECT enterprise_code, parcel_code FROM derived.link "
                "WHERE status = 'accepted' AND stage = 'right_code' ORDER BY 1, 2 LIMIT 1"
            )
        ).one()
        for kind, row in (("accept_link", link), ("reject_link", gone)):
            connection.execute(
                text(
                    "INSERT INTO core.decision (kind, enterprise_code, parcel_code, reason, author) "
                    "VALUES (:kind, :e, :p, 'seen on site', 'clerk')"
                ),
                {"kind": kind, "e": row.enterprise_code, "p": row.parcel_code},
            )
    township.run()
    after = state(township.engine)
    assert any(link.enterprise_code in row and "decision" in row for row in after["derived.link"])
    assert any(gone.enterprise_code in row and "rejected" in row for row in after["derived.link"])
    assert township.run().written == 0
    rebuild(township, FIRST_NIGHT)
    assert differences(after, state(township.engine)) == {}


def test_decision_on_a_parcel_that_comes_later_equals_rebuild(make_township: Make) -> None:
    township = make_township()
    township.second_night()
    code = official_code("P37")  # comes with the second night
    with township.engine.begin() as connection:
        seat = text(
            "SELECT enterprise_code FROM derived.seat WHERE seat_state = 'unknown' ORDER BY 1 LIMIT 1"
        )
        enterprise = connection.execute(seat).scalar_one()
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, reason, author) "
                "VALUES ('accept_link', :e, :p, 'seen on site', 'clerk')"
            ),
            {"e": enterprise, "p": code},
        )
    folder = township.settings.workspace / "inbox" / SECOND_NIGHT.isoformat()
    folder.rename(folder.parent.parent / "later")
    township.run()
    (folder.parent.parent / "later").rename(folder)
    township.run(SECOND_NIGHT)
    after = state(township.engine)
    assert any(
        enterprise in row and code in row and "decision" in row for row in after["derived.link"]
    )
    rebuild(township, SECOND_NIGHT)
    assert differences(after, state(township.engine)) == {}


def test_dry_run_changes_no_row(make_township: Make) -> None:
    township = make_township()
    township.second_night()
    before = state(township.engine)
    with township.engine.connect() as connection:
        ledger = connection.execute(text("SELECT count(*) FROM ops.run")).scalar_one()
        delivered = connection.execute(text("SELECT count(*) FROM ops.delivered")).scalar_one()
    result = township.run(SECOND_NIGHT, is_dry=True)
    assert result.written > 0
    assert differences(before, state(township.engine)) == {}
    with township.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ops.run")).scalar_one() == ledger
        assert (
            connection.execute(text("SELECT count(*) FROM ops.delivered")).scalar_one() == delivered
        )


_KILLED = """
import datetime as dt, os, pathlib, signal, sys
from pipeline.database import open_engine
from pipeline.run import run
from pipeline.demo.township import official_code
from pipeline.settings import load_settings
dsn, workspace, border = sys.argv[1:]
def watch(name):
    if name == border:
        os.kill(os.getpid(), signal.SIGKILL)
run(open_engine(dsn), load_settings(pathlib.Path(workspace)), as_of=dt.date(2026, 7, 1), watch=watch)
"""


@pytest.mark.parametrize("border", [*(step.name for step in STEPS), "check"])
def test_killed_run_leaves_last_state_and_next_succeeds(make_township: Make, border: str) -> None:
    township = make_township()
    before = state(township.engine)
    township.second_night()
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, township.dsn, str(township.settings.workspace), border],
        check=False,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert differences(before, state(township.engine)) == {}
    township.run(SECOND_NIGHT)
    with township.engine.connect() as connection:
        states = (
            connection.execute(text("SELECT state FROM ops.run_state ORDER BY run_id"))
            .scalars()
            .all()
        )
    assert states == ["published", "died", "published"]
    unbroken = make_township()
    unbroken.second_night()
    unbroken.run(SECOND_NIGHT)
    assert (
        differences(
            state(township.engine, with_history=False), state(unbroken.engine, with_history=False)
        )
        == {}
    )
