"""The workbook that goes back to an office: inert, cut where a sheet ends, the same bytes each time."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import openpyxl
import pytest
import python_calamine
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.domain.persons import hide_person_numbers
from pipeline.outputs import issue_sheets
from pipeline.outputs.issue_sheets import (
    FILES_SHEET,
    ROWS_SHEET,
    IssueLine,
    RefusedLine,
    read_issue_stamp,
    write_issue_sheet,
)
from pipeline.outputs.sheets import cell_text

REFUSED = RefusedLine("宗地.shp", "宗地", "2026-06-30", "没有坐标系", "no CRS", "source.no_crs")


def line(number: int | None, value: str | None = None, key: str = "") -> IssueLine:
    said = ("原因", "reason", "请改", "mend it")
    return IssueLine(
        *("企业.xlsx", "Sheet1", "2026-06-30", number, "企业名称", value, "错误 error"),
        *said,
        *("企业名录", key, "row.missing_value"),
    )


def written(path: Path, lines: list[IssueLine], refused: tuple[RefusedLine, ...] = ()) -> Worksheet:
    write_issue_sheet(path, "economy", iter(lines), len(lines), refused, "0a")
    return openpyxl.load_workbook(path)[ROWS_SHEET]


FORMULAS = [
    "=1+1",
    "=cmd|'/c calc'!A1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\x00=1+1",
    "\u200b=HYPERLINK(1)",
    "#REF!",
    "＝1+1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_like_a_formula_stays_a_text(tmp_path: Path, text: str) -> None:
    sheet = written(tmp_path / "o.xlsx", [line(7, text, key=text)])
    for column in (6, 13):
        cell = sheet.cell(3, column)
        assert cell.data_type == "s"
        assert cell.value == text.strip("\t\r\n\x00\u200b")
        # where the first sign could start one, editing the cell changes nothing
        assert cell.number_format == ("@" if cell.value[0] in "=+-@#" else "General")
    with zipfile.ZipFile(tmp_path / "o.xlsx") as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


def test_the_headings_stay_and_can_be_filtered(tmp_path: Path) -> None:
    path = tmp_path / "issues" / "o.xlsx"
    sheet = written(path, [line(7, "x"), line(None)], (REFUSED,))
    assert sheet.freeze_panes == "A3"
    assert sheet.auto_filter.ref == "A2:N4"
    headings = [str(cell.value) for cell in sheet[2]]
    assert headings[:2] == ["文件\nfile", "图层、工作表\nlayer"]
    # Chinese comes first wherever both are in one heading
    assert all(not heading[0].isascii() for heading in headings if "\n" in heading)
    assert all(
        sheet.column_dimensions[letter].width >= 8 for letter in ("A", "B", "C", "D", "H", "N")
    )
    assert [cell.value for cell in sheet["D"]][2:] == [7, None]
    files = openpyxl.load_workbook(path)[FILES_SHEET]
    assert [cell.value for cell in files[3]] == list(vars(REFUSED).values())
    # as other programs read it
    book = python_calamine.CalamineWorkbook.from_path(path)
    assert book.sheet_names == [ROWS_SHEET, FILES_SHEET]
    assert book.get_sheet_by_name(ROWS_SHEET).to_python()[2][3] == 7


def test_what_a_sheet_cannot_hold_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue_sheets, "MAX_LINES", 10)
    exact = written(tmp_path / "exact.xlsx", [line(number) for number in range(8)])
    assert (exact.max_row, exact.cell(10, 4).value) == (10, 7)
    full = written(tmp_path / "full.xlsx", [line(number) for number in range(20)])
    assert full.max_row == 10
    assert full.cell(9, 4).value == 6
    assert "13" in str(full.cell(10, 1).value)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    lines = [line(number, f"v{number}") for number in range(50)]
    written(tmp_path / "a.xlsx", lines, (REFUSED,))
    # a ZIP archive counts in steps of two seconds
    time.sleep(2.1)
    written(tmp_path / "b.xlsx", lines, (REFUSED,))
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    assert read_issue_stamp(tmp_path / "a.xlsx") == "0a"


def test_other_files_have_no_stamp(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "other.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook")
    with zipfile.ZipFile(tmp_path / "zip.xlsx", "w") as archive:
        archive.writestr("a", "b")
    for name in ("other", "text", "zip", "none"):
        assert read_issue_stamp(tmp_path / f"{name}.xlsx") is None


def test_a_cell_holds_what_xml_and_excel_can() -> None:
    assert cell_text("a\x00b\x1bc\ufffed\ud800e\u202ef") == "abcdef"
    assert cell_text(" 一\r\n二\t三 ") == "一 二 三"
    assert len(cell_text("长" * 40_000)) == 32_767


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("330282199001011234", "…"),
        ("身份证33028219900101123X，电话13800138000", "身份证…，电话…"),
        ("３３０２８２１９９００１０１１２３４", "…"),
        ("330282900101123", "…"),
        ("张某 138-0013-8000", "张某 …"),
        ("+86 13800138000", "…"),
        ("0574-63812345", "…"),
        # codes, areas and money are none
        ("91330299MA9T005208", "91330299MA9T005208"),
        ("913302991440200000", "913302991440200000"),
        ("330299001001GB00001", "330299001001GB00001"),
        ("3302990010010000000", "3302990010010000000"),
        ("330299001001", "330299001001"),
        ("12345.6", "12345.6"),
        ("13800138000.5", "13800138000.5"),
        ("2026-06-30", "2026-06-30"),
    ],
)
def test_numbers_of_persons_are_hidden(text: str, shown: str) -> None:
    assert hide_person_numbers(text) == shown
