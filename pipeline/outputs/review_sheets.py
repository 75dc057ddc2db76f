"""The workbook of a township: links to verify 待核实, one line per enterprise and proposed parcel."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import python_calamine
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.outputs._files import whole_file
from pipeline.outputs.sheets import TEXT_FORMAT, write_cell

GUIDE: Final = "填表说明"
SHEET: Final = "待核实"
# What may be answered, and the decision that it is.
ANSWERS: Final[Mapping[str, str]] = {
    "是": "accept_link",
    "否": "reject_link",
    "不在此（已外迁或在县外）": "off_site",
    "无工业用房": "no_industrial_premises",
}


class Column(NamedTuple):
    """One column: its heading, how wide it is, and whether it is filled in or hidden."""

    heading: str
    width: float
    use: str = "shown"


COLUMNS: Final[Mapping[str, Column]] = {
    "enterprise_code": Column("企业代码", 21),
    "name": Column("企业名称", 30),
    "address": Column("企业地址", 34),
    "registry_parcel": Column("名录宗地代码", 22),
    "certificate_no": Column("名录权证号", 26),
    "missing": Column("企业缺少的信息", 22),
    "rank": Column("候选次序", 9),
    "parcel_code": Column("候选宗地代码", 22),
    "location": Column("宗地坐落", 34),
    "area_mu": Column("宗地面积（亩）", 10),
    "land_use": Column("土地用途", 12),
    "holders": Column("权利人", 30),
    "lessees": Column("承租人", 30),
    "role": Column("用地关系", 12),
    "score": Column("可信度", 8),
    "evidence": Column("依据", 50),
    "question": Column("问题", 44),
    "answer": Column("结论", 24, "answer"),
    "other_parcel": Column("改用宗地代码", 22, "answer"),
    "reason": Column("理由", 30, "answer"),
    "author": Column("填报人", 12, "answer"),
    "enterprise_key": Column("键：企业", 12, "key"),
    "parcel_key": Column("键：宗地", 12, "key"),
    "evidence_key": Column("键：依据", 12, "key"),
}
# What has to be there when it comes back.
NEEDED: Final = tuple(name for name, column in COLUMNS.items() if column.use != "shown")
_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
_TO_FILL_IN: Final = PatternFill("solid", fgColor="FFF4CC")
_HEADINGS: Final = 2
_GUIDE: Final = (
    "请核实下列企业在哪宗地上，填“待核实”表的黄色四列，其余各列请勿改动。",
    "一行是一家企业和一宗候选宗地；一家企业可以有几行，也可以在几宗地上（几行都填“是”）。不能确定的行留空，不会采用。",
    "结论 是：企业使用该宗地。",
    "结论 否：企业不使用该宗地；如知道它在哪宗地，填“改用宗地代码”。",
    "结论 不在此（已外迁或在县外）：企业在本县没有用地。 无工业用房：在本县，但不在工业用地上（如商务楼、住宅）。这两项一家企业填一行即可。",
    "改用宗地代码：企业在另一宗地上时填它的代码；没有候选宗地的企业，结论填“是”并填此列。",
    "理由、填报人：每个有结论的行都要填。理由如“现场核实”“租赁合同”。",
    "问题中写明“已变化”的行：以前决定过，依据后来变了，请再次确认。",
    "填好后交回，由管理员执行 diqi review import。依据在此期间又有变化的行会退回重核。",
    "",
    "Say for each line of the sheet 待核实 whether the enterprise uses the parcel: fill in the four yellow columns.",
    "是 yes · 否 no · 不在此 it has no land in the county · 无工业用房 it is here, but not on industrial land.",
    "改用宗地代码 names another parcel than the proposed one. 理由 why and 填报人 who are needed with every answer.",
    "Lines without an answer are passed over. Send it back; diqi review import enters it.",
)


class ReviewLine(NamedTuple):
    """An answered or unanswered line that came back: its number in the sheet, and its cells by column."""

    number: int
    cells: dict[str, str]


def write_review_sheet(path: Path, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the workbook of a township.

    Texts stay texts, whatever they begin with; what is not to be filled in is locked.

    Shape:  the target, a title, and one mapping per line by the names of ``COLUMNS`` in; a workbook of two
            sheets out.
    Units:  mu.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-review-links.md.
    """
    book = Workbook()
    guide = book.active
    assert isinstance(guide, Worksheet)  # noqa: S101 - a new workbook has one
    guide.title = GUIDE
    guide.column_dimensions["A"].width = 110
    write_cell(guide, 1, 1, title).font = Font(bold=True)
    for number, words in enumerate(_GUIDE, start=2):
        write_cell(guide, number, 1, words).alignment = Alignment(wrap_text=True, vertical="top")
    _fill(book.create_sheet(SHEET), title, rows)
    with whole_file(path) as part:
        book.save(part)


def read_review_sheet(path: Path) -> list[ReviewLine] | None:
    """Read a workbook that came back; columns may stand in another order, lines may be sorted.

    Shape:  a path in; the lines below the headings out, None where it is no workbook of a review.
    Units:  as filled in.
    CRS:    none.
    Errors: OSError where the file cannot be opened.
    Source: docs/how-to-review-links.md.
    """
    with path.open("rb"):
        pass
    try:
        book = python_calamine.CalamineWorkbook.from_path(path)
        if SHEET not in book.sheet_names:
            return None
        lines = book.get_sheet_by_name(SHEET).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, zipfile.BadZipFile):
        return None
    if len(lines) < _HEADINGS:
        return None
    headings = [str(cell).strip() for cell in lines[_HEADINGS - 1]]
    places = {
        name: headings.index(column.heading)
        for name, column in COLUMNS.items()
        if column.heading in headings
    }
    if not set(NEEDED) <= set(places):
        return None
    return [
        ReviewLine(number, {name: _text(line[place]) for name, place in places.items()})
        for number, line in enumerate(lines[_HEADINGS:], start=_HEADINGS + 1)
        if any(str(cell).strip() for cell in line)
    ]


def _fill(sheet: Worksheet, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    write_cell(sheet, 1, 1, title).font = Font(bold=True)
    for place, column in enumerate(COLUMNS.values(), start=1):
        cell = write_cell(sheet, _HEADINGS, place, column.heading)
        cell.font, cell.fill = Font(bold=True), _HEAD
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = column.width
        sheet.column_dimensions[letter].hidden = column.use == "key"
    for number, row in enumerate(rows, start=_HEADINGS + 1):
        _fill_row(sheet, number, row)
    last = max(len(rows), 1) + _HEADINGS
    letters = {name: get_column_letter(place) for place, name in enumerate(COLUMNS, start=1)}
    choice = DataValidation(type="list", formula1=f'"{",".join(ANSWERS)}"', allow_blank=True)
    choice.error, choice.showErrorMessage = "请从下拉列表中选择。", True
    sheet.add_data_validation(choice)
    choice.add(f"{letters['answer']}{_HEADINGS + 1}:{letters['answer']}{last}")
    sheet.freeze_panes = f"C{_HEADINGS + 1}"
    sheet.auto_filter.ref = f"A{_HEADINGS}:{letters['author']}{last}"
    # no password: it keeps from slips, not from people
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    sheet.protection.autoFilter = False


def _fill_row(sheet: Worksheet, number: int, row: Mapping[str, Any]) -> None:
    for place, (name, column) in enumerate(COLUMNS.items(), start=1):
        cell = write_cell(sheet, number, place, row.get(name))
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        if column.use == "answer":
            cell.fill, cell.protection = _TO_FILL_IN, Protection(locked=False)
            # a code that is typed stays as it is typed
            cell.number_format = TEXT_FORMAT


def _text(cell: object) -> str:
    """A cell as a text: a number that is a whole one without its point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def answered(lines: Iterable[ReviewLine]) -> list[ReviewLine]:
    """The lines in which something was filled in that is an answer, or is meant as one.

    Shape:  lines in; those with an answer or another parcel out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/how-to-review-links.md.
    """
    return [line for line in lines if line.cells["answer"] or line.cells["other_parcel"]]
