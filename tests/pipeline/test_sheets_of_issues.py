"""Sheets of what an office has to mend: which rows and files, in its own words, and nobody's name."""

from __future__ import annotations

import gc
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import psycopg
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import text
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.errors import SourceError
from pipeline.outputs.issue_sheets import FILES_SHEET, ROWS_SHEET
from pipeline.publication import issue_sheets
from pipeline.run import load
from pipeline.steps.refusals import forget_refusal, keep_rows_to_mend, rows_to_mend

Make = Callable[..., Township]
# Invented persons: in columns for persons, in columns that are never stored, and typed elsewhere.
NAMES = ("柳青禾", "卜远帆", "蔺小满", "钱伯伦", "诸葛望舒", "鲜于得水")
IDS = ("330299199003071234", "33029919850611002X", "330299196812120033")
PHONES = ("13900005678", "0574-60012345", "158 0000 4321")


class Night:
    """A county whose nights are run by the command."""

    def __init__(self, township: Township, monkeypatch: pytest.MonkeyPatch) -> None:
        self.township = township
        self.workspace = township.settings.workspace
        self.folder = self.workspace / "out" / "issues"
        self.inbox = self.workspace / "inbox" / SECOND_NIGHT.isoformat()
        self.inbox.mkdir(exist_ok=True)
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "-w", str(self.workspace)])

    def line(self, exit_code: int = 0) -> dict[str, Any]:
        done = self("nightly", "--as-of", SECOND_NIGHT.isoformat())
        assert done.exit_code == exit_code, done.output
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
        return found

    def sheet(self, office: str, name: str = ROWS_SHEET) -> pd.DataFrame:
        """The lines of a sheet under their headings."""
        book = openpyxl.load_workbook(self.folder / f"{office}.xlsx")
        _, headings, *lines = book[name].iter_rows(values_only=True)
        return pd.DataFrame(lines, columns=[str(one).replace("\n", " ") for one in headings])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.township.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def night(make_township: Make, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    yield Night(make_township(), monkeypatch)
    # each command has an engine of its own, whose connections go with it
    gc.collect()


def accounts(*rows: str) -> str:
    return "\n".join(["户号,信用代码,用电地址", *rows]) + "\n"


GOOD = [f"00299{number:05},,云溪镇纬一路{number}号" for number in range(1, 30)]


def test_the_rows_are_those_of_the_layer(night: Night) -> None:
    """What goes back is what lies in the deliveries in force; the layer says the same of it."""
    (night.inbox / "用电户.csv").write_text(
        accounts(*GOOD, ",91330299MA9T00010T,没有户号", "0029990001,9133029,错的代码"), "utf-8"
    )
    night.township.run(SECOND_NIGHT)
    line = night.line()
    offices = {path.stem for path in night.folder.iterdir()}
    assert [Path(path).stem for path in line["issues"]] == sorted(offices)
    assert "power" in offices
    shown = pd.concat([night.sheet(office) for office in sorted(offices)])
    places = ["文件 file", "行号 row", "规则 rule"]
    rows = sorted(map(tuple, shown[places].astype(object).to_numpy()), key=str)
    layer = night.ask("SELECT file, row_number, rule FROM layers.data_issue WHERE file IS NOT NULL")
    assert rows == sorted(layer, key=str)
    power = night.sheet("power")
    assert list(power["行号 row"]) == [31, 32]
    assert list(power["程度 severity"]) == ["错误 error", "警告 warning"]
    assert power["原值 value as delivered"][1] == "9133029"
    assert "18" in power["原因 reason"][1]
    assert "18" in power["reason in English"][1]
    assert power["请处理 what to do"].str.contains("重交").all()
    assert night.sheet("power", FILES_SHEET).empty


def test_a_field_is_called_as_in_the_file(night: Night) -> None:
    """Where the delivery kept its headings; else by the heading that is usual."""
    (night.inbox / "用电户.csv").write_text(accounts(*GOOD, "0029990001,9133029,x"), "utf-8")
    night.line()
    [usual] = night.sheet("power")["字段（原列名） field as delivered"]
    assert usual in {"统一社会信用代码", "信用代码"}
    with psycopg.connect(night.township.dsn) as connection:
        connection.execute(
            """UPDATE ops.delivery SET detail = detail || '{"columns": {"enterprise_code": "信用代码"}}'
               WHERE feed = 'account'"""
        )
    night.line()
    shown = night.sheet("power")
    assert list(shown["字段（原列名） field as delivered"]) == ["信用代码"]


def test_nothing_is_written_when_nothing_changed(night: Night) -> None:
    (night.inbox / "用电户.csv").write_text(accounts(*GOOD, ",,x"), "utf-8")
    night.line()
    path = night.folder / "power.xlsx"
    before = (path.stat().st_mtime_ns, path.read_bytes())
    night.line()
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    # deleted, or spoilt, it comes again as it was
    path.unlink()
    night.line()
    assert path.read_bytes() == before[1]
    path.write_bytes(b"")
    night.line()
    assert path.read_bytes() == before[1]


def test_an_office_with_nothing_to_mend_has_no_sheet(night: Night) -> None:
    (night.inbox / "用电户.csv").write_text(accounts(*GOOD, ",,x"), "utf-8")
    night.line()
    other = night.folder / "给电力公司的说明.xlsx"
    openpyxl.Workbook().save(other)
    (night.inbox / "用电户.csv").unlink()
    (night.inbox / "用电户_20260701.csv").write_text(accounts(*GOOD), "utf-8")
    line = night.line()
    assert not (night.folder / "power.xlsx").exists()
    assert "power" not in {Path(path).stem for path in line.get("issues", [])}
    # what is not ours stays
    assert other.is_file()


def test_a_refused_file_goes_back_until_a_newer_one_is_taken(night: Night) -> None:
    bad = night.inbox / "用电户.csv"
    bad.write_text("户名,地址\n,x\n", "utf-8")
    line = night.line(4)
    assert line["state"] == "refused"
    assert str(night.folder / "power.xlsx") in line["issues"]
    refused = night.sheet("power", FILES_SHEET)
    assert list(refused["文件 file"]) == ["2026-07-01/用电户.csv"]
    assert list(refused["规则 rule"]) == ["source.column_missing"]
    assert "account_no" in refused["原因和处理 reason and what to do"][0]
    # taken out of the inbox it is still owed
    bad.unlink()
    night.line()
    assert len(night.sheet("power", FILES_SHEET)) == 1
    bad.write_text(accounts(*GOOD), "utf-8")
    night.line()
    assert not (night.folder / "power.xlsx").exists()


def test_a_load_that_refuses_a_file_says_so_as_well(night: Night) -> None:
    (night.inbox / "用电户.csv").write_text("户名,地址\n,x\n", "utf-8")
    with (
        pytest.raises(SourceError),
        issue_sheets(night.township.engine, night.township.settings) as sheets,
    ):
        load(night.township.engine, night.township.settings, as_of=SECOND_NIGHT)
    assert night.folder / "power.xlsx" in sheets
    assert len(night.sheet("power", FILES_SHEET)) == 1


def test_an_office_may_have_any_name(night: Night) -> None:
    (night.workspace / "sources.toml").write_text(
        '[feed.account]\noffice = "../供电/公司:一"\n', encoding="utf-8"
    )
    (night.inbox / "用电户.csv").write_text(accounts(*GOOD, ",,x"), "utf-8")
    night.line()
    [path] = [path for path in night.folder.iterdir() if "供电" in path.name]
    assert path.parent == night.folder
    assert set(path.stem).isdisjoint('/\\:*?"<>|')


def test_every_row_of_a_file_is_accounted_for(night: Night) -> None:
    """Kept, unchanged and quarantined sum to the rows; lines that are no rows are counted beside."""
    rows = [*GOOD, GOOD[0], ",,没有户号", "0029990001,9133029,x"]
    lines = [
        "2026年用电户清单,,",
        "户号,信用代码,用电地址",
        *rows,
        ",,",
        "合计,33,",
        "注：本表由供电公司提供,,",
    ]
    (night.inbox / "用电户.csv").write_text("\n".join(lines) + "\n", "utf-8")
    done = night("load", "--json", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 0, done.output
    [said] = [
        one for one in json.loads(done.stdout) if one["feed"] == "account" and one["row_count"]
    ]
    assert said["row_count"] == len(rows)
    ended = [said[f"{name}_count"] for name in ("kept", "unchanged", "quarantined")]
    assert sum(ended) == len(rows)
    assert ended[2] == 1
    assert said["row_count"] + said["ignored_line_count"] == len(lines)
    # and which lines these are
    kept = json.loads(night("history", "--deliveries", "--json").stdout)
    [listed] = [one for one in kept if one["delivery_id"] == said["delivery_id"]]
    assert listed["ignored_lines"] == [1, 2, *range(len(rows) + 3, len(lines) + 1)]


def columns_of_persons() -> dict[str, pd.DataFrame]:
    """Files with invented persons wherever one can stand, each with something wrong."""
    parcel = "330299001001GB0000"
    right = pd.DataFrame(
        {
            "ZDDM": [f"{parcel}{n}" for n in (1, 2, 3, 3, 4)] + ["坏代码", f"{parcel}6"],
            "SXH": ["1", "1", "1", "1", "1", "1", "1"],
            "QLRMC": [NAMES[0], NAMES[1], NAMES[2], NAMES[2], NAMES[3], NAMES[0], NAMES[4]],
            # an identity number, a telephone, and a firm's code that is wrong
            "ZJH": [IDS[0], PHONES[0], IDS[1], IDS[1], f"{NAMES[3]}1", IDS[0], None],
            "SYQMJ": ["100", "约半间", IDS[2], "200", PHONES[0], "1", f"问{PHONES[2]}"],
            "QSZT": ["1", PHONES[1], "1", "1", IDS[0], "1", "1"],
            "FDDBR": NAMES[5],
            "DLRDH": PHONES[1],
            "ZJHM": "",
        }
    )
    lease = pd.DataFrame(
        {
            "合同编号": ["ZL-901", "ZL-902", "ZL-903", "ZL-903"],
            "宗地代码": [f"{parcel}1", "", f"{parcel}3", f"{parcel}3"],
            "出租方统一社会信用代码": [IDS[0], IDS[1], PHONES[0], f"{NAMES[2]}2"],
            "出租方名称": [NAMES[0], NAMES[1], NAMES[2], NAMES[3]],
            "承租方统一社会信用代码": [IDS[2], PHONES[1], "9133", IDS[2]],
            "承租方名称": [NAMES[3], NAMES[4], NAMES[0], NAMES[1]],
            "租赁土地面积（亩）": ["1", "2", f"电话{PHONES[0]}", "3"],
            "租赁开始日期": ["2024", "某日", IDS[0], "2024-01-01"],
            "联系人": NAMES[5],
            "联系电话": PHONES[0],
            "身份证号码": IDS[1],
        }
    )
    return {"权利人.xlsx": right, "租赁.xlsx": lease}


def test_no_person_is_named_anywhere(night: Night) -> None:
    """In the sheets, the log, the report, what people see, and what is kept of bad rows."""
    for name, frame in columns_of_persons().items():
        frame.to_excel(night.inbox / name, index=False)
    (night.workspace / "sources.toml").write_text(
        "[feed.right]\nmax_bad_share = 1\n[feed.lease]\nmax_bad_share = 1\n", encoding="utf-8"
    )
    with (night.workspace / "diqi.toml").open("a", encoding="utf-8") as file:
        file.write("\n[gate]\nmax_removed_share = 1\nmax_links_lost = 1\nmax_coverage_fall = 1\n")
    said = night("run", "--as-of", SECOND_NIGHT.isoformat())
    assert said.exit_code == 0, said.output
    output = said.output + night("status").output + night("status", "--json").output
    output += night("history", "--json").output + night("nightly", "--as-of", "2026-07-01").output
    for office in ("land", "township"):
        with zipfile.ZipFile(night.folder / f"{office}.xlsx") as archive:
            output += "".join(archive.read(name).decode() for name in archive.namelist())
    output += (night.workspace / "out" / "report.html").read_text(encoding="utf-8")
    kept = ["ops.issue", "ops.delivery", "ops.run", "ops.run_commit", "layers.data_issue"]
    for table in kept:
        [(rows,)] = night.ask(
            f"SELECT coalesce(string_agg(CAST(t AS text), ' '), '') FROM {table} AS t"
        )
        output += rows
    # the test would see them: the rows are there, and so is what was wrong with them
    assert len(night.sheet("land")) >= 6
    assert len(night.sheet("township")) >= 5
    assert "…" in output
    for word in (*NAMES, *IDS, *PHONES):
        assert word not in output, word


def test_what_is_never_stored_is_nowhere(night: Night) -> None:
    """Columns that no contract takes, and identity numbers in columns that it does take."""
    for name, frame in columns_of_persons().items():
        frame.to_excel(night.inbox / name, index=False)
    (night.workspace / "sources.toml").write_text(
        "[feed.right]\nmax_bad_share = 1\n[feed.lease]\nmax_bad_share = 1\n", encoding="utf-8"
    )
    assert night("load", "--as-of", SECOND_NIGHT.isoformat()).exit_code == 0
    tables = night.ask(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname IN ('raw', 'core', 'derived', 'layers', 'ops', 'secure')"
    )
    everything = "".join(
        night.ask(f"SELECT coalesce(string_agg(CAST(t AS text), ' '), '') FROM {table} AS t")[0][0]
        for (table,) in tables
    )
    for word in (NAMES[5], *IDS, *PHONES):
        assert word not in everything, word


def test_the_first_night_has_its_sheets(
    make_township: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = Night(make_township(has_run=False), monkeypatch)
    done = night("run", "--as-of", FIRST_NIGHT.isoformat(), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"]["issues"] == str(night.folder)
    assert any(night.folder.iterdir())


def test_the_rows_of_a_refused_file_go_back_too(night: Night) -> None:
    """What was found before the file was taken back is kept beside the refusal."""
    said = '{"problem": "bad_length"}'
    with psycopg.connect(night.township.dsn) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT delivery_id FROM ops.delivery WHERE feed = 'account'")
        [(loaded,)] = cursor.fetchall()
        cursor.execute(
            """
            INSERT INTO ops.issue (step, rule, severity, feed, subject_key, delivery_id, row_number, field, value, params)
            SELECT 'load_feeds', 'enterprise.credit_code', 'error', 'account', 'k', %s, n, 'enterprise_code', E'\\\\9\t1', %s
            FROM generate_series(2, 10501) AS n
            """,
            (loaded, said),
        )
        found = rows_to_mend(cursor, loaded)
        cursor.execute("DELETE FROM ops.issue WHERE delivery_id = %s", (loaded,))
        cursor.execute(
            """
            INSERT INTO ops.delivery (feed, data_date, content_hash, contract_hash, file, layer, state, detail)
            VALUES ('account', '2026-07-01', 'c', 'd', '用电户.csv', '', 'refused', %s) RETURNING delivery_id
            """,
            (json.dumps({"code": "source.empty", "params": {"file": "用电户.csv", "layer": "x"}}),),
        )
        [(refused,)] = cursor.fetchall()
        keep_rows_to_mend(cursor, refused, found)
    with issue_sheets(night.township.engine, night.township.settings):
        pass
    rows = night.sheet("power")
    assert list(rows["行号 row"][:2]) == [2, 3]
    assert len(rows) == 10_000
    assert "不是 18 位" in rows["原因 reason"][0]
    assert rows["原值 value as delivered"][0] == "\\9 1"
    assert len(night.sheet("power", FILES_SHEET)) == 1
    # nothing of it is published
    night.township.run(SECOND_NIGHT)
    assert night.ask("SELECT count(*) FROM layers.data_issue WHERE feed = 'account'") == [(0,)]
    with psycopg.connect(night.township.dsn) as connection, connection.cursor() as cursor:
        forget_refusal(cursor, "d.feed = %(feed)s", {"feed": "account"})
    with issue_sheets(night.township.engine, night.township.settings):
        pass
    assert not (night.folder / "power.xlsx").exists()
