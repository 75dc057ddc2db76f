"""Review of links: decisions, how long they last, both sides of a question, workbooks of townships."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from openpyxl.worksheet.worksheet import Worksheet
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from test_steps import differences, rebuild, state
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.demo.township import official_code as code
from pipeline.outputs.review_sheets import COLUMNS, SHEET, read_review_sheet

Make = Callable[..., Township]
THIRD_NIGHT = dt.date(2026, 7, 2)
# 青岚骑墙工具厂: its drawing lies on two parcels, half on each.
ASTRIDE = code("E34")
UNKNOWN = code("E39")
HELD = code("P28")
TOWN = "330299001"
RIGHTS = "权利人.xlsx"
WHO = ("--reason", "现场核实", "--author", "李")


class Office:
    """Somebody who reviews the links of a township."""

    def __init__(self, township: Township, monkeypatch: pytest.MonkeyPatch) -> None:
        self.township = township
        self.folder = township.settings.workspace
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)

    def __call__(self, *arguments: str, fails: bool = False) -> Result:
        done = CliRunner().invoke(app, ["review", *arguments, "-w", str(self.folder)])
        assert done.exit_code == (2 if fails else 0), done.output
        return done

    def ask(self, query: str, **parameters: object) -> list[Any]:
        with self.township.engine.connect() as connection:
            return list(connection.execute(text(query), parameters).all())

    def decisions(self) -> int:
        return int(self.ask("SELECT count(*) FROM core.decision")[0][0])

    def links(self, enterprise: str) -> dict[str, str]:
        return dict(
            tuple(row)
            for row in self.ask(
                "SELECT parcel_code, status FROM derived.link WHERE enterprise_code = :e",
                e=enterprise,
            )
        )

    def seat(self, enterprise: str) -> str:
        found = self.ask(
            "SELECT seat_state FROM derived.seat WHERE enterprise_code = :e", e=enterprise
        )
        return str(found[0][0])

    def queue(self, enterprise: str) -> list[Any]:
        return self.ask(
            "SELECT parcel_code, reason, rank, question FROM layers.review_queue "
            "WHERE enterprise_code = :e ORDER BY rank, parcel_code",
            e=enterprise,
        )


@pytest.fixture
def office(make_township: Make, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(make_township(), monkeypatch)


# ---- Decisions -----------------------------------------------------------------------------------


def test_accepting_a_candidate_links_it_with_the_next_run(office: Office) -> None:
    asked = [row.parcel_code for row in office.queue(ASTRIDE)]
    assert [row.rank for row in office.queue(ASTRIDE)] == [1, 2]
    done = office("accept", ASTRIDE, asked[0], *WHO)
    assert asked[0] in done.output
    assert office.seat(ASTRIDE) == "in_review"
    office.township.run()
    assert office.links(ASTRIDE)[asked[0]] == "accepted"
    assert office.seat(ASTRIDE) == "linked"
    assert office.queue(ASTRIDE) == []


def test_a_rejected_parcel_is_not_asked_again(office: Office) -> None:
    first, second = (row.parcel_code for row in office.queue(ASTRIDE))
    office("reject", ASTRIDE, first, *WHO)
    office.township.run()
    assert office.links(ASTRIDE) == {first: "rejected", second: "review"}
    assert [row.parcel_code for row in office.queue(ASTRIDE)] == [second]


def test_another_parcel_than_the_candidates(office: Office) -> None:
    done = office("accept", UNKNOWN, HELD.lower(), "--role", "tenant", *WHO)
    assert "不在该企业的候选宗地中" in done.output
    office.township.run()
    rows = office.ask(
        "SELECT parcel_code, role, stage, status FROM derived.link WHERE enterprise_code = :e",
        e=UNKNOWN,
    )
    assert [tuple(row) for row in rows] == [(HELD, "tenant", "decision", "accepted")]


@pytest.mark.parametrize(
    ("options", "seat"),
    [
        ((), "off_site"),
        (("--off-site",), "off_site"),
        (("--no-industrial-premises",), "no_industrial_premises"),
    ],
)
def test_not_on_land_here(office: Office, options: tuple[str, ...], seat: str) -> None:
    office("not-here", UNKNOWN, *options, *WHO)
    office.township.run()
    assert office.seat(UNKNOWN) == seat
    # by its name as well, and a link takes it back
    (name,) = office.ask("SELECT name FROM core.enterprise WHERE enterprise_code = :e", e=UNKNOWN)[
        0
    ]
    office("accept", name, HELD, *WHO)
    office.township.run()
    assert office.seat(UNKNOWN) == "linked"
    # the same words as before, and yet news
    office("not-here", UNKNOWN, *options, *WHO)
    assert office.decisions() == 3


def test_not_here_says_what_is_still_linked(office: Office) -> None:
    done = office("not-here", code("E01"), *WHO)
    assert "仍有关联宗地" in done.output


def test_the_same_is_entered_once(office: Office) -> None:
    first = json.loads(office("accept", UNKNOWN, HELD, *WHO, "--json").stdout)
    again = json.loads(office("accept", UNKNOWN, HELD, *WHO, "--json").stdout)
    assert (first["is_new"], again["is_new"], office.decisions()) == (True, False, 1)
    assert office.ask(
        "SELECT evidence, evidence_hash = md5(evidence::text) FROM core.decision"
    ) == [([], True)]
    office("accept", UNKNOWN, HELD, "--reason", "合同", "--author", "李")
    assert office.decisions() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("accept", "nobody", HELD, *WHO), "没有 enterprise nobody"),
        (("accept", "青岚同舟五金厂", HELD, *WHO), "不止一个"),
        (("accept", UNKNOWN, "330299001001GB99999", *WHO), "没有宗地"),
        (("reject", UNKNOWN, "330299001001GB99999", *WHO), "没有宗地"),
        (("accept", UNKNOWN, HELD, "--reason", " ", "--author", "李"), "没有理由"),
        (("accept", UNKNOWN, HELD, "--reason", "x", "--author", " "), "没有经办人"),
        (("accept", UNKNOWN, HELD, "--role", "guest", *WHO), "guest"),
        (("accept", UNKNOWN, HELD), "--reason"),
        (("not-here", UNKNOWN, "--off-site", "--no-industrial-premises", *WHO), "只能选一个"),
        (("show", "nobody"), "没有 enterprise nobody"),
        (("import", "nothing.xlsx"), "不能打开"),
    ],
)
def test_wrong_inputs(office: Office, arguments: tuple[str, ...], words: str) -> None:
    assert words in office(*arguments, fails=True).output
    assert office.decisions() == 0


def test_nothing_is_decided_of_who_has_gone(office: Office) -> None:
    (gone,) = office.ask(
        "SELECT enterprise_code FROM core.enterprise WHERE to_run IS NULL AND status <> 'operating' ORDER BY 1 LIMIT 1"
    )[0]
    assert "不会起作用" in office("accept", gone, HELD, *WHO, fails=True).output


def test_a_parcel_that_is_no_more_can_be_rejected_alone(office: Office) -> None:
    office.township.second_night()
    office.township.run(SECOND_NIGHT)
    (retired,) = office.ask(
        "SELECT p.parcel_code FROM core.parcel AS p WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS o "
        "WHERE o.parcel_code = p.parcel_code AND o.to_run IS NULL) ORDER BY 1 LIMIT 1"
    )[0]
    assert "已灭失" in office("accept", UNKNOWN, retired, *WHO, fails=True).output
    office("reject", UNKNOWN, retired, *WHO)


# ---- How long they last --------------------------------------------------------------------------


def change_rights(
    office: Office, day: dt.date, change: Callable[[pd.DataFrame], pd.DataFrame], *, since: dt.date
) -> None:
    """The land office delivers its rights anew; a run takes them in."""
    inbox = office.folder / "inbox"
    rights = pd.read_excel(inbox / since.isoformat() / RIGHTS, dtype=str, engine="openpyxl")
    (inbox / day.isoformat()).mkdir(exist_ok=True)
    change(rights).to_excel(inbox / day.isoformat() / RIGHTS, index=False)
    office.township.run(day)


def granted(parcel: str, enterprise: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """One right more, with the code of the enterprise."""

    def change(rights: pd.DataFrame) -> pd.DataFrame:
        new = {
            "ZDDM": parcel,
            "BDCDYH": f"{parcel}W00000000",
            "SXH": "9",
            "QLRMC": "某厂",
            "ZJZL": "7",
            "ZJH": enterprise,
            "QSZT": "1",
        }
        return pd.concat([rights, pd.DataFrame([new])], ignore_index=True)

    return change


def withdrawn(parcel: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The rights on a parcel are struck out."""
    return lambda rights: rights[rights["ZDDM"] != parcel]


def equals_rebuild(office: Office, day: dt.date) -> None:
    after = state(office.township.engine)
    assert office.township.run(day).written == 0
    rebuild(office.township, day)
    assert differences(after, state(office.township.engine)) == {}


def test_it_lasts_over_nights_that_change_nothing(office: Office) -> None:
    parcel = office.queue(ASTRIDE)[0].parcel_code
    office("accept", ASTRIDE, parcel, *WHO)
    office("not-here", UNKNOWN, *WHO)
    office.township.run()
    office.township.second_night()
    office.township.run(SECOND_NIGHT)
    assert office.links(ASTRIDE)[parcel] == "accepted"
    assert office.seat(UNKNOWN) == "off_site"
    assert office.ask("SELECT * FROM derived.stale_decision") == []
    equals_rebuild(office, SECOND_NIGHT)


def test_new_evidence_asks_again_and_the_decision_stands(office: Office) -> None:
    parcel = office.queue(ASTRIDE)[0].parcel_code
    office("accept", ASTRIDE, parcel, *WHO)
    office.township.run()
    change_rights(office, SECOND_NIGHT, granted(HELD, ASTRIDE), since=FIRST_NIGHT)
    assert office.links(ASTRIDE) == {parcel: "accepted", HELD: "accepted"}
    ((place, reason, rank, question),) = office.queue(ASTRIDE)
    assert (place, reason, rank) == (parcel, "evidence_changed", None)
    assert f"新增：权利人信用代码指向宗地 {HELD}" in question
    assert f"New: credit code of the right holder → parcel {HELD}" in question
    assert "依据已变 evidence changed 1" in office("list").output
    shown = office("show", ASTRIDE).output
    assert f"+ 权利人信用代码 credit code of the right holder · {HELD}" in shown
    equals_rebuild(office, SECOND_NIGHT)
    # said again with the same words, it is news; then it is settled
    office("accept", ASTRIDE, parcel, *WHO)
    assert office.decisions() == 2
    office.township.run(SECOND_NIGHT)
    assert office.queue(ASTRIDE) == []
    equals_rebuild(office, SECOND_NIGHT)


def test_evidence_that_goes_asks_again(office: Office) -> None:
    """E31 and E32 bear one name; whose the right is, somebody said. Then the right is struck out."""
    firm = code("E31")
    parcel = office.queue(firm)[0].parcel_code
    office("accept", firm, parcel, *WHO)
    other = code("E32")
    office("reject", other, parcel, *WHO)
    office.township.run()
    assert office.queue(firm) == office.queue(other) == []
    change_rights(office, SECOND_NIGHT, withdrawn(parcel), since=FIRST_NIGHT)
    assert office.links(firm) == {parcel: "accepted"}
    for enterprise in (firm, other):
        ((place, reason, _, question),) = office.queue(enterprise)
        assert (place, reason) == (parcel, "evidence_changed")
        assert f"消失：权利人名称指向宗地 {parcel}" in question
    # the other way round: what was accepted is taken back
    office("reject", firm, parcel, *WHO)
    office("reject", other, parcel, *WHO)
    office.township.run(SECOND_NIGHT)
    assert office.queue(firm) == office.queue(other) == []
    assert office.seat(firm) == "unknown"
    # and evidence that comes back is news once more
    change_rights(office, THIRD_NIGHT, lambda rights: rights, since=FIRST_NIGHT)
    assert [row.reason for row in office.queue(firm)] == ["evidence_changed"]
    equals_rebuild(office, THIRD_NIGHT)


def test_a_seat_is_asked_again_without_a_parcel(office: Office) -> None:
    office("not-here", UNKNOWN, *WHO)
    office.township.run()
    change_rights(office, SECOND_NIGHT, granted(HELD, UNKNOWN), since=FIRST_NIGHT)
    assert office.seat(UNKNOWN) == "off_site"
    ((place, reason, _, question),) = office.queue(UNKNOWN)
    assert (place, reason) == ("", "evidence_changed")
    assert "不在本地" in question
    equals_rebuild(office, SECOND_NIGHT)
    office("accept", UNKNOWN, HELD, *WHO)
    office.township.run(SECOND_NIGHT)
    assert (office.seat(UNKNOWN), office.queue(UNKNOWN)) == ("linked", [])


# ---- By hand -------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(office: Office) -> Callable[..., Any]:
    """Enters a decision with the rights of a reviewer; returns the row as it is kept."""

    def insert(**values: object) -> Any:
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        with office.township.engine.connect() as connection:
            connection.execute(text("SET ROLE diqi_reviewer"))
            row = connection.execute(
                text(f"INSERT INTO core.decision ({names}) VALUES ({marks}) RETURNING *"), values
            ).one()
            connection.commit()
            connection.invalidate()
        return row

    return insert


def test_a_line_by_hand_is_completed(office: Office, by_hand: Callable[..., Any]) -> None:
    parcel = office.queue(ASTRIDE)[0].parcel_code
    row = by_hand(
        kind="accept_link",
        enterprise_code=f" {ASTRIDE} ",
        parcel_code=f"{parcel} ",
        role="",
        reason=" 现场 ",
        evidence='["invented"]',
        evidence_hash="invented",
        entered_at="2020-01-01",
    )
    (known,) = office.ask("SELECT derived.evidence_of(:e)", e=ASTRIDE)[0]
    assert known
    assert (row.enterprise_code, row.parcel_code, row.role, row.reason) == (
        ASTRIDE,
        parcel,
        None,
        "现场",
    )
    assert row.author == office.ask("SELECT session_user")[0][0]
    assert row.evidence == known
    assert row.entered_at.year > 2020
    assert office.ask("SELECT evidence_hash = md5(evidence::text) FROM core.decision") == [(True,)]
    office.township.run()
    assert office.links(ASTRIDE)[parcel] == "accepted"
    # what is said of the enterprise as a whole names no parcel, whatever the form filled in
    row = by_hand(
        kind="off_site", enterprise_code=ASTRIDE, parcel_code=parcel, role="owner", reason="搬走"
    )
    assert (row.parcel_code, row.role) == (None, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "maybe"}, "no kind of decision"),
        ({"enterprise_code": "nobody"}, "No enterprise nobody"),
        ({"enterprise_code": None}, "No enterprise"),
        ({"parcel_code": "330299001001GB99999"}, "There is no parcel"),
        ({"parcel_code": ""}, "needs a parcel"),
        ({"role": "guest"}, "no role guest"),
        ({"reason": " "}, "needs a reason"),
    ],
)
def test_a_line_by_hand_that_cannot_be(
    office: Office, by_hand: Callable[..., Any], change: dict[str, object], words: str
) -> None:
    line = {
        "kind": "accept_link",
        "enterprise_code": ASTRIDE,
        "parcel_code": HELD,
        "reason": "现场",
    }
    with pytest.raises(DBAPIError) as caught:
        by_hand(**{**line, **change})
    assert words in str(caught.value)
    assert office.decisions() == 0


# ---- List, both sides, map -----------------------------------------------------------------------


def test_the_list(office: Office) -> None:
    told = office("list").output
    assert f"{ASTRIDE} 青岚骑墙工具厂 · {TOWN} 云溪镇" in told
    assert "[1]" in told
    assert "依据本身 0.45" in told
    assert UNKNOWN not in told
    everyone = office("list", "--all").output
    assert UNKNOWN in everyone
    assert "缺少 lacks" in everyone
    assert "没有待核实的企业" in office("list", "--township", "330299099").output
    cases = json.loads(office("list", "--township", TOWN, "--json").stdout)
    (case,) = [case for case in cases if case["enterprise_code"] == ASTRIDE]
    assert [row["rank"] for row in case["candidates"]] == [1, 2]
    assert case["candidates"][0]["parts"]["evidence"] == "0.45"
    assert set(case) >= {"missing", "address", "evidence_hash", "township_name"}


def test_both_sides_with_a_map(office: Office) -> None:
    office("reject", ASTRIDE, code("P26"), *WHO)
    shown = office("show", ASTRIDE)
    for words in (
        "名录一侧",
        "土地一侧",
        "青岚骑墙工具厂",
        code("P26"),
        code("P27"),
        "否决关联",
    ):
        assert words in shown.output
    path = office.folder / "out" / "review" / f"{ASTRIDE}.png"
    image = Image.open(path)
    colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20)}
    # neighbours, the asked, what is drawn for it
    assert {(238, 238, 238), (250, 216, 160), (44, 92, 188)} <= colours
    other = office.folder / "here.png"
    story = json.loads(office("show", ASTRIDE, "--picture", str(other), "--json").stdout)
    assert other.is_file()
    assert [parcel["parcel_code"] for parcel in story["parcels"]] == [code("P26"), code("P27")]
    assert "没有可画的图形" in office("show", UNKNOWN).output
    # who is written down for the parcel, and in which row of which file
    assert "土地权利" in (told := office("show", code("E31")).output)
    assert "权利人.xlsx ›" in told


# ---- Workbooks -----------------------------------------------------------------------------------


class Book:
    """A workbook as the township fills it in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book = openpyxl.load_workbook(path)
        sheet = self.book[SHEET]
        assert isinstance(sheet, Worksheet)
        self.sheet = sheet
        headings = [cell.value for cell in sheet[2]]
        self.places = {n: headings.index(c.heading) + 1 for n, c in COLUMNS.items()}

    def rows(self, enterprise: str) -> list[int]:
        place = self.places["enterprise_key"]
        return [
            n
            for n in range(3, self.sheet.max_row + 1)
            if self.sheet.cell(n, place).value == enterprise
        ]

    def get(self, row: int, name: str) -> object:
        return self.sheet.cell(row, self.places[name]).value

    def fill(self, row: int, answer: str, **more: str) -> None:
        for name, value in {"answer": answer, "reason": "现场核实", "author": "李", **more}.items():
            self.sheet.cell(row, self.places[name]).value = value
        self.book.save(self.path)


@pytest.fixture
def book(office: Office) -> Book:
    office("export")
    (path,) = (office.folder / "out" / "review").glob("*.xlsx")
    assert path.name == f"待核实_{TOWN}_云溪镇.xlsx"
    return Book(path)


def test_the_workbook_shows_both_sides(office: Office, book: Book) -> None:
    first, second = book.rows(ASTRIDE)
    assert [book.get(row, "parcel_code") for row in (first, second)] == [code("P26"), code("P27")]
    assert book.get(first, "rank") == 1
    assert book.get(first, "name") == "青岚骑墙工具厂"
    assert "依据本身 0.45" in str(book.get(first, "evidence"))
    assert "/" not in str(book.get(first, "question"))
    (hash_now,) = office.ask("SELECT md5(derived.evidence_of(:e)::text)", e=ASTRIDE)[0]
    assert book.get(first, "evidence_key") == hash_now
    # nothing is known of it: a line to fill in, with what is missing
    (row,) = book.rows(UNKNOWN)
    assert book.get(row, "parcel_code") is None
    assert "不动产权证号" in str(book.get(row, "missing"))
    keys = [
        book.sheet.column_dimensions[openpyxl.utils.get_column_letter(book.places[n])]
        for n in COLUMNS
        if n.endswith("_key")
    ]
    assert all(column.hidden for column in keys)
    assert book.sheet.protection.sheet
    assert not book.sheet.cell(first, book.places["answer"]).protection.locked
    assert book.sheet.cell(first, book.places["parcel_code"]).protection.locked
    assert book.book.sheetnames[0] == "填表说明"


def test_the_workbook_hands_on_no_persons_and_no_formulas(office: Office) -> None:
    firm = code("E31")
    parcel = office.queue(firm)[0].parcel_code
    with office.township.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE core.enterprise SET address = :a WHERE enterprise_code = :e AND to_run IS NULL"
            ),
            {"a": "=HYPERLINK(1)\x02\u202e", "e": firm},
        )
        connection.execute(
            text(
                "UPDATE core.\"right\" SET holder_name = '王小明', holder_code = NULL, holder_name_key = '王小明' "
                "WHERE parcel_code = :p AND to_run IS NULL"
            ),
            {"p": parcel},
        )
    office("export")
    (path,) = (office.folder / "out" / "review").glob("*.xlsx")
    found = Book(path)
    row = found.rows(firm)[0]
    cell = found.sheet.cell(row, found.places["address"])
    assert (cell.value, cell.data_type, cell.number_format) == ("=HYPERLINK(1)", "s", "@")
    assert found.get(row, "holders") == "自然人"
    with zipfile.ZipFile(path) as archive:
        assert not any("王小明".encode() in archive.read(name) for name in archive.namelist())


def test_what_is_filled_in_is_entered_once(office: Office, book: Book) -> None:
    first, second = book.rows(ASTRIDE)
    book.fill(first, "是")
    book.fill(second, "否", other_parcel=HELD)
    book.fill(book.rows(UNKNOWN)[0], "是", other_parcel=f" {HELD.lower()} ")
    book.fill(book.rows(code("E37"))[0], "无工业用房")
    for row in book.rows(code("E31")):
        book.fill(row, "不在此（已外迁或在县外）")
    done = json.loads(office("import", str(book.path), "--json").stdout)
    assert (done["new"], done["known"], done["changed"]) == (6, 0, 0)
    assert {row["author"] for row in done["decisions"]} == {"李"}
    again = json.loads(office("import", str(book.path), "--json").stdout)
    assert (again["new"], again["known"], office.decisions()) == (0, 6, 6)
    office.township.run()
    assert office.links(ASTRIDE) == {
        code("P26"): "accepted",
        code("P27"): "rejected",
        HELD: "accepted",
    }
    assert office.links(UNKNOWN) == {HELD: "accepted"}
    assert office.seat(code("E37")) == "no_industrial_premises"
    assert office.seat(code("E31")) == "off_site"
    # what was entered may be written over, and a run alone makes nothing stale
    assert json.loads(office("import", str(book.path), "--json").stdout)["known"] == 6
    office("export")
    assert Book(book.path).rows(ASTRIDE) == []
    equals_rebuild(office, FIRST_NIGHT)


@pytest.mark.parametrize(
    ("who", "cells", "words"),
    [
        (ASTRIDE, {"answer": "也许"}, "“结论”：也许 不在选项内"),
        (ASTRIDE, {"answer": "是", "reason": ""}, "“理由”：须写明理由"),
        (ASTRIDE, {"answer": "是", "author": ""}, "“填报人”：没有填报人"),
        (
            ASTRIDE,
            {"answer": "否", "other_parcel": "330299001001GB99999"},
            "GB99999 不在现行宗地库中",
        ),
        (ASTRIDE, {"answer": "是", "other_parcel": HELD}, "又填了另一宗地"),
        (ASTRIDE, {"answer": "否", "other_parcel": code("P26")}, "矛盾"),
        (ASTRIDE, {"answer": "", "other_parcel": HELD}, "没有结论"),
        (ASTRIDE, {"answer": "无工业用房", "other_parcel": HELD}, "不填宗地"),
        (ASTRIDE, {"answer": "是", "enterprise_key": "nobody"}, "企业 nobody 不在现行名录中"),
        (ASTRIDE, {"answer": "是", "parcel_key": "330299001001GB99999"}, "不在现行宗地库中"),
        (UNKNOWN, {"answer": "是"}, "没有候选宗地，请填写"),
        (UNKNOWN, {"answer": "否"}, "不能填“否”"),
    ],
)
def test_one_bad_cell_and_nothing_is_entered(
    office: Office, book: Book, who: str, cells: dict[str, str], words: str
) -> None:
    row = book.rows(who)[0]
    book.fill(book.rows(code("E31"))[0], "是")
    book.fill(row, **cells)
    done = office("import", str(book.path), fails=True)
    assert words in done.output
    assert f"{book.path.name} 工作表 {SHEET} 第 {row} 行" in done.output
    assert "有 1 处填写有误" in done.output
    assert office.decisions() == 0


def test_lines_that_contradict_each_other(office: Office, book: Book) -> None:
    first, second = book.rows(ASTRIDE)
    book.fill(first, "是")
    book.fill(second, "无工业用房")
    assert "既填了在某宗地" in office("import", str(book.path), fails=True).output
    book.fill(second, "否", other_parcel=code("P26"))
    book.fill(first, "否")
    assert "矛盾" in office("import", str(book.path), fails=True).output
    assert office.decisions() == 0


def test_lines_whose_evidence_changed_come_back(office: Office, book: Book) -> None:
    book.fill(book.rows(ASTRIDE)[0], "是")
    book.fill(book.rows(code("E31"))[0], "是")
    change_rights(office, SECOND_NIGHT, granted(HELD, ASTRIDE), since=FIRST_NIGHT)
    done = office("import", str(book.path))
    assert f"企业 {ASTRIDE} 的依据在导出后已变化" in done.output
    assert "已登记 1 条决定" in done.output
    assert [row.enterprise_code for row in office.ask("SELECT * FROM core.decision")] == [
        code("E31")
    ]
    # what was not entered is not written over
    assert "尚未登记" in office("export", fails=True).output
    office("import", str(book.path), "--anyway")
    assert office.decisions() == 2
    office("export")


def test_a_decision_to_confirm_is_a_line(office: Office) -> None:
    parcel = office.queue(ASTRIDE)[0].parcel_code
    office("accept", ASTRIDE, parcel, *WHO)
    office.township.run()
    change_rights(office, SECOND_NIGHT, granted(HELD, ASTRIDE), since=FIRST_NIGHT)
    office("export")
    (path,) = (office.folder / "out" / "review").glob("*.xlsx")
    found = Book(path)
    (row,) = found.rows(ASTRIDE)
    assert "已变化" in str(found.get(row, "question"))
    found.fill(row, "是")
    office("import", str(path))
    office.township.run(SECOND_NIGHT)
    assert office.queue(ASTRIDE) == []


def test_sorted_lines_and_columns_are_read(book: Book, tmp_path: Path) -> None:
    row = book.rows(ASTRIDE)[0]
    book.fill(row, "是")
    copy = tmp_path / "copy.xlsx"
    shutil.copy(book.path, copy)
    other = Book(copy)
    other.sheet.delete_cols(other.places["address"])
    other.sheet.insert_rows(3)
    other.book.save(copy)
    lines = read_review_sheet(copy)
    assert lines is not None
    assert [line.number for line in lines if line.cells["answer"]] == [row + 1]


def test_files_that_are_no_workbook_of_a_review(office: Office, tmp_path: Path) -> None:
    other = tmp_path / "other.xlsx"
    openpyxl.Workbook().save(other)
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK no zip")
    for path in (other, broken):
        assert "不是 diqi review export" in office("import", str(path), fails=True).output
    # what lies there under that name is not written over
    target = office.folder / "out" / "review" / f"待核实_{TOWN}_云溪镇.xlsx"
    target.parent.mkdir(parents=True)
    shutil.copy(other, target)
    assert "未覆盖" in office("export", fails=True).output
    office("export", str(tmp_path / "elsewhere"), "--township", TOWN)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1
    assert "没有待核实的企业" in office("export", "--township", "330299099").output
