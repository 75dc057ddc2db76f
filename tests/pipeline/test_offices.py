"""Corrections by hand, answers of the offices, due dates."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import text
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.demo.township import official_code
from pipeline.errors import SourceError
from pipeline.explain import explain, render
from pipeline.offices import _due_dates, take_answers
from pipeline.outputs.sheets import CORRECTIONS, FEEDS
from pipeline.publication import read_status
from pipeline.run import contracts_of
from pipeline.selfcheck import check_database

Make = Callable[..., Township]
P01 = official_code("P01")


class Bureau:
    """A county whose offices are asked."""

    def __init__(self, township: Township, monkeypatch: pytest.MonkeyPatch) -> None:
        self.township = township
        self.workspace = township.settings.workspace
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "-w", str(self.workspace)])

    def insert(self, **values: object) -> None:
        """As QGIS does: the columns of the form, and nothing else."""
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        with psycopg.connect(self.township.dsn) as connection:
            connection.execute(f"INSERT INTO core.correction ({names}) VALUES ({marks})", values)

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        with self.township.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def sheet(self, office: str) -> Path:
        path = self.workspace / f"{office}.xlsx"
        done = self("office", "sheet", office, "-o", str(path), "--as-of", SECOND_NIGHT.isoformat())
        assert done.exit_code == 0, done.output
        return path

    def fill_in(self, path: Path, sheet: str, which: str, **answers: str) -> None:
        """Write answers into the line of a sheet that holds a word."""
        form = {form.sheet: form for form in (FEEDS, CORRECTIONS)}[sheet]
        book = openpyxl.load_workbook(path)
        lines = book[sheet]
        place = next(
            cell.row for line in lines.iter_rows(min_row=3) for cell in line if cell.value == which
        )
        for name, value in answers.items():
            lines.cell(place, list(form.columns).index(name) + 1).value = value
        book.save(path)


@pytest.fixture
def bureau(make_township: Make, monkeypatch: pytest.MonkeyPatch) -> Bureau:
    return Bureau(make_township(), monkeypatch)


def test_a_correction_by_hand_is_completed_and_applied(bureau: Bureau) -> None:
    bureau.insert(
        feed="parcel", key=P01, field="official_area_m2", new_value="6100.50", reason="surveyed"
    )
    [(expected, author)] = bureau.ask("SELECT expected_value, author FROM core.correction")
    assert expected == "6000"
    assert author
    bureau.township.run(SECOND_NIGHT)
    assert bureau.ask(
        "SELECT official_area_m2 FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL", c=P01
    ) == [(Decimal("6100.5"),)]
    assert set(check_database(bureau.township.engine, bureau.township.settings).values()) == {0}
    assert bureau.township.run(SECOND_NIGHT).written == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"feed": "plot"}, "no feed plot"),
        ({"key": "330299001001GB99999"}, "No record"),
        ({"field": "geom"}, "no field geom"),
        ({"field": "address_key"}, "no field address_key"),
        ({"field": "colour"}, "no field colour"),
        ({"new_value": "12,5"}, "does not fit"),
        ({"reason": ""}, "correction_reason_check"),
    ],
)
def test_what_can_be_no_correction_is_said_at_once(
    bureau: Bureau, values: dict[str, str], words: str
) -> None:
    good = {
        "feed": "parcel",
        "key": P01,
        "field": "official_area_m2",
        "new_value": "1",
        "reason": "x",
    }
    with pytest.raises(psycopg.Error, match=words):
        bureau.insert(**(good | values))
    assert bureau.ask("SELECT count(*) FROM core.correction") == [(0,)]


def test_a_code_that_nobody_knows_is_put_down_as_unusable(bureau: Bureau) -> None:
    firm = official_code("E01")
    bureau.insert(feed="enterprise", key=firm, field="status", new_value="asleep", reason="seen")
    bureau.township.run(SECOND_NIGHT)
    assert bureau.ask("SELECT status FROM core.enterprise WHERE enterprise_code = :c", c=firm) == [
        ("operating",)
    ]
    [(rule, params)] = bureau.ask(
        "SELECT rule, params FROM ops.issue WHERE subject_key = :c AND step = 'reconcile_records'",
        c=firm,
    )
    assert rule == "correction.unusable"
    assert "asleep" in params["reason"]
    assert bureau.township.run(SECOND_NIGHT).written == 0


def test_the_key_of_a_name_follows_a_name_by_hand(bureau: Bureau) -> None:
    firm = official_code("E01")
    bureau.insert(
        feed="enterprise", key=firm, field="name", new_value="青岚（新）公司", reason="licence"
    )
    bureau.township.run(SECOND_NIGHT)
    assert bureau.ask(
        "SELECT name, name_key FROM core.enterprise WHERE enterprise_code = :c AND to_run IS NULL",
        c=firm,
    ) == [("青岚（新）公司", "青岚(新)公司")]


def test_a_stale_correction_names_the_value_found(bureau: Bureau) -> None:
    bureau.insert(
        feed="parcel",
        key=P01,
        field="official_area_m2",
        expected_value="5000",
        new_value="1",
        reason="old",
    )
    bureau.township.run(SECOND_NIGHT)
    [(rule, params)] = bureau.ask(
        "SELECT rule, params FROM ops.issue WHERE step = 'reconcile_records'"
    )
    assert (rule, params["expected"], params["found"]) == ("correction.stale", "5000", "6000")


def test_an_office_answers(bureau: Bureau) -> None:
    bureau.insert(
        feed="parcel",
        key=P01,
        field="location",
        new_value="=1+1",
        reason="sign at the gate",
        author="云溪镇",
    )
    bureau.insert(
        feed="lease", key="ZL-002", field="land_area_m2", new_value="100", reason="contract"
    )
    bureau.township.run(SECOND_NIGHT)
    path = bureau.sheet("land")
    book = openpyxl.load_workbook(path)
    feeds = {row[0].value for row in book["核对"].iter_rows(min_row=3)}
    assert feeds == {"patch", "parcel", "right", "land_event", "area"}
    lines = [[cell.value for cell in row] for row in book["纠偏"].iter_rows(min_row=3)]
    said = dict(zip(CORRECTIONS.columns, lines[0], strict=True))
    assert len(lines) == 1
    assert (said["key"], said["new_value"], said["state"]) == (P01, "=1+1", "执行中")
    assert book["纠偏"].cell(3, 6).data_type == "s"
    bureau.fill_in(path, "核对", "parcel", answer="确认无误", author="王科长")
    bureau.fill_in(path, "纠偏", P01, answer="不认可", answer_reason="门牌未变", author="王科长")
    done = bureau("office", "answer", str(path), "--json", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"verifications": 1, "corrections": 1}
    # twice is once
    again = bureau("office", "answer", str(path), "--json", "--as-of", SECOND_NIGHT.isoformat())
    assert json.loads(again.stdout) == {"verifications": 0, "corrections": 0}
    bureau.township.run(SECOND_NIGHT)
    assert ("correction.refused",) in bureau.ask(
        "SELECT rule FROM ops.issue WHERE subject_key = :c", c=P01
    )
    with bureau.township.engine.connect() as connection:
        page = render(explain(connection, "parcel", P01))
    assert "数据提供部门不认可（王科长：门牌未变）" in page
    # and the sheet of the next time shows what was answered
    book = openpyxl.load_workbook(bureau.sheet("land"))
    assert book["纠偏"].cell(3, 13).value == "不认可"


@pytest.mark.parametrize(
    ("sheet", "which", "answers", "code"),
    [
        ("纠偏", P01, {"answer": "也许", "author": "Li"}, "office.answer"),
        ("纠偏", P01, {"answer": "认可"}, "office.author"),
        ("纠偏", P01, {"answer": "不认可", "author": "Li"}, "office.reason"),
        ("纠偏", P01, {"answer": "认可", "author": "Li", "correction_id": "7"}, "office.unknown"),
        ("核对", "parcel", {"answer": "有误", "author": "Li"}, "office.reason"),
    ],
)
def test_a_sheet_filled_in_badly_enters_nothing(
    bureau: Bureau, sheet: str, which: str, answers: dict[str, str], code: str
) -> None:
    bureau.insert(feed="parcel", key=P01, field="location", new_value="x", reason="seen")
    bureau.township.run(SECOND_NIGHT)
    path = bureau.sheet("land")
    bureau.fill_in(path, "核对", "patch", answer="确认无误", author="Li")
    bureau.fill_in(path, sheet, which, **answers)
    with pytest.raises(SourceError) as caught:
        take_answers(bureau.township.engine, path, SECOND_NIGHT)
    assert caught.value.code == code
    assert bureau.ask("SELECT count(*) FROM core.verification") == [(0,)]


def test_a_sheet_of_something_else_is_refused(bureau: Bureau) -> None:
    file = next((bureau.workspace / "inbox").rglob("租赁.xlsx"))
    done = bureau("office", "answer", str(file))
    assert done.exit_code == 4
    done = bureau("office", "sheet", "weather")
    assert done.exit_code == 2
    assert "economy" in done.output


def test_answers_are_append_only(bureau: Bureau) -> None:
    with psycopg.connect(bureau.township.dsn) as connection:
        connection.execute(
            "INSERT INTO core.verification (office, feed, as_of, answer, author, content_hash)"
            " VALUES ('land', 'parcel', '2026-07-01', 'confirmed', 'Li', 'a')"
        )
        with pytest.raises(psycopg.Error, match="append-only"):
            connection.execute("DELETE FROM core.verification")


def test_what_is_overdue_is_listed(bureau: Bureau) -> None:
    """Parcels are due each quarter; the last came on the first night."""
    (bureau.workspace / "sources.toml").write_text(
        '[feed.parcel]\ndue = ["03-31", "06-30", "09-30", "12-31"]\n', encoding="utf-8"
    )
    (bureau.workspace / "contacts.csv").write_text(
        "单位,联系人,电话\nland,王科长,0574-1\n", encoding="utf-8"
    )

    def overdue(day: dt.date) -> list[str]:
        done = bureau("nightly", "--as-of", day.isoformat())
        assert done.exit_code == 0, done.output
        return [one["feed"] for one in json.loads(done.stdout)["overdue"]]

    assert overdue(FIRST_NIGHT) == []
    assert overdue(dt.date(2026, 9, 29)) == []
    # due on 30 September, and nothing newer than 30 June was delivered
    assert overdue(dt.date(2026, 9, 30)) == ["parcel"]
    assert "逾期未报" in (bureau.workspace / "out" / "report.html").read_text(encoding="utf-8")
    done = bureau("office", "list", "--as-of", "2026-09-30")
    assert "逾期" in done.output
    path = bureau.sheet("land")
    assert "联系人 王科长" in [cell.value for cell in openpyxl.load_workbook(path)["核对"][1]]
    # a word from the office is as good as a delivery
    bureau.fill_in(path, "核对", "parcel", answer="确认无误", author="王科长")
    assert bureau("office", "answer", str(path), "--as-of", "2026-10-08").exit_code == 0
    assert overdue(dt.date(2026, 10, 9)) == []
    assert overdue(dt.date(2026, 12, 31)) == []
    assert overdue(dt.date(2027, 3, 31)) == ["parcel"]


def test_what_is_too_old_is_listed(bureau: Bureau) -> None:
    """Parcels came on 30 June and may be 92 days old: until 30 September."""
    (bureau.workspace / "sources.toml").write_text(
        "[feed.parcel]\nmax_age_days = 92\n", encoding="utf-8"
    )

    def too_old(day: str) -> list[tuple[str, int]]:
        done = bureau("nightly", "--as-of", day)
        assert done.exit_code == 0, done.output
        return [(one["feed"], one["age_days"]) for one in json.loads(done.stdout)["too_old"]]

    assert too_old("2026-09-30") == []
    assert too_old("2026-10-01") == [("parcel", 93)]
    assert "数据过旧" in (bureau.workspace / "out" / "report.html").read_text(encoding="utf-8")
    assert "93 > 92" in bureau("office", "list", "--as-of", "2026-10-01").output
    status = read_status(bureau.township.engine, contracts_of(bureau.township.settings))
    assert [(one["feed"], one["age_days"]) for one in status["late"]] == [("parcel", 93)]
    # a word from the office makes them good for as long again
    path = bureau.sheet("land")
    bureau.fill_in(path, "核对", "parcel", answer="确认无误", author="王科长")
    assert bureau("office", "answer", str(path), "--as-of", "2026-10-01").exit_code == 0
    assert too_old("2027-01-01") == []
    assert too_old("2027-01-02") == [("parcel", 93)]


def test_contacts_are_for_the_loader_alone(bureau: Bureau) -> None:
    (bureau.workspace / "contacts.csv").write_text("office,name\nland,\n", encoding="utf-8")
    done = bureau("nightly", "--as-of", SECOND_NIGHT.isoformat())
    assert done.exit_code == 4
    assert bureau.ask(
        "SELECT has_schema_privilege('diqi_viewer', 'secure', 'USAGE'),"
        " has_schema_privilege('diqi_reviewer', 'secure', 'USAGE')"
    ) == [(False, False)]


@pytest.mark.parametrize(
    ("due", "day", "expected"),
    [
        (["*-05"], dt.date(2026, 3, 4), ("2026-01-05", "2026-02-05", "2026-03-05")),
        (["*-31"], dt.date(2026, 3, 1), ("2026-01-31", "2026-02-28", "2026-03-31")),
        (["12-31"], dt.date(2026, 12, 31), ("2025-12-31", "2026-12-31", "2027-12-31")),
        (["02-29"], dt.date(2026, 6, 1), ("2025-02-28", "2026-02-28", "2027-02-28")),
    ],
)
def test_due_dates(due: list[str], day: dt.date, expected: tuple[str, str, str]) -> None:
    assert tuple(map(str, _due_dates(due, day))) == expected


def test_a_due_date_that_is_none_is_refused(bureau: Bureau) -> None:
    (bureau.workspace / "sources.toml").write_text(
        '[feed.parcel]\ndue = ["31-12"]\n', encoding="utf-8"
    )
    done = bureau("nightly")
    assert done.exit_code == 3
    assert "31-12" in done.output
