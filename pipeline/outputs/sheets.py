"""The verification sheet of an office: a workbook to fill in and send back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.outputs._files import whole_file

# What the first cell of a sheet begins with; the office's code follows.
OFFICE: Final = "核对单位 Office: "
FEED_ANSWERS: Final = {"confirmed": "确认无误", "to_deliver": "将重新提供", "wrong": "有误"}
CORRECTION_ANSWERS: Final = {"accepted": "认可", "refused": "不认可"}
_STATES: Final = {
    "applied": "执行中",
    "waiting": "待执行",
    "stale": "未采用：原值已变",
    "ended": "已到期",
    "unusable": "不能采用",
}
_TO_FILL_IN: Final = PatternFill("solid", fgColor="FFF4CC")
_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
_WIDTHS: Final = (10, 44)
# The format "Text" of Excel: what is typed there stays as it is.
TEXT_FORMAT: Final = "@"
_CELL_LENGTH: Final = 32_767
_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_UNFIT: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True)
class Form:
    """One sheet: its name, its columns with their headings, and which of them the office fills in."""

    sheet: str
    columns: dict[str, str]
    answers: dict[str, str]
    to_fill_in: tuple[str, ...] = ("answer", "answer_reason", "author")


FEEDS: Final = Form(
    "核对",
    {
        "feed": "数据代码",
        "title": "数据",
        "file": "最近来件",
        "data_date": "数据日期",
        "row_count": "行数",
        "quarantined_count": "未采用行数",
        "records": "在册记录数",
        "due": "应报日期",
        "is_overdue": "是否逾期",
        "answer": "答复",
        "answer_reason": "说明",
        "author": "答复人",
    },
    FEED_ANSWERS,
)
CORRECTIONS: Final = Form(
    "纠偏",
    {
        "correction_id": "纠偏编号",
        "feed": "数据代码",
        "key": "主键",
        "field": "字段",
        "expected_value": "来件原值",
        "new_value": "更正值",
        "found_value": "来件现值",
        "reason": "理由",
        "evidence": "依据",
        "entered_by": "填报人",
        "entered_on": "填报日期",
        "state": "状态",
        "answer": "答复",
        "answer_reason": "答复理由",
        "author": "答复人",
    },
    CORRECTION_ANSWERS,
)


def write_sheet(page: Mapping[str, Any], path: Path) -> None:
    """Write the verification sheet of an office.

    Shape:  the page as ``pipeline.offices.office_page`` gives it, and the target in; a workbook of
            two sheets out: what the office gave, and which of its values were corrected and why.
    Units:  those of the columns.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-run-your-county.md.
    """
    book = Workbook()
    feeds = [
        {
            **row,
            "title": f"{row['title_zh']} {row['title_en']}",
            "is_overdue": "逾期" if row["is_overdue"] else "",
            "answer": None,
            "author": None,
        }
        for row in page["feeds"]
    ]
    corrections = [
        {
            **row,
            "entered_by": row["author"],
            "state": _STATES[row["state"]],
            "answer": CORRECTION_ANSWERS.get(row["answer"] or ""),
            "author": row["answer_author"],
        }
        for row in page["corrections"]
    ]
    first = book.active
    assert isinstance(first, Worksheet)  # noqa: S101 - a new workbook has one
    title = f"{OFFICE}{page['office']}"
    about = [f"截至 {page['as_of']}"]
    if page["contact"]:
        about.append(f"联系人 {page['contact']}")
    _fill(first, FEEDS, feeds, title, about)
    _fill(book.create_sheet(), CORRECTIONS, corrections, title, about)
    with whole_file(path) as part:
        book.save(part)


def _fill(
    sheet: Worksheet,
    form: Form,
    rows: Sequence[Mapping[str, Any]],
    title: str,
    about: Sequence[str],
) -> None:
    sheet.title = form.sheet
    for column, words in enumerate((title, *about), start=1):
        write_cell(sheet, 1, column, words).font = Font(bold=column == 1)
    for column, heading in enumerate(form.columns.values(), start=1):
        cell = write_cell(sheet, 2, column, heading)
        cell.font, cell.fill = Font(bold=True), _HEAD
    for number, row in enumerate(rows, start=3):
        for column, name in enumerate(form.columns, start=1):
            cell = write_cell(sheet, number, column, row.get(name))
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if name in form.to_fill_in:
                cell.fill = _TO_FILL_IN
    choice = DataValidation(
        type="list", formula1=f'"{",".join(form.answers.values())}"', allow_blank=True
    )
    sheet.add_data_validation(choice)
    place = get_column_letter(list(form.columns).index("answer") + 1)
    choice.add(f"{place}3:{place}{max(3, len(rows) + 2)}")
    for column, (name, heading) in enumerate(form.columns.items(), start=1):
        texts = [heading, *(str(row.get(name) or "") for row in rows)]
        # a Chinese character takes the room of two letters
        longest = max(sum(2 if ord(sign) > 0xFF else 1 for sign in text) for text in texts)
        width = min(max(longest + 2, _WIDTHS[0]), _WIDTHS[1])
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = "A3"


def write_cell(sheet: Worksheet, row: int, column: int, value: object) -> Cell:
    """Write a value as what it is; a text that begins like a formula stays a text.

    Shape:  a sheet, row and column from 1 on, and a value in; the cell out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    cell = sheet.cell(row, column)
    assert isinstance(cell, Cell)  # noqa: S101 - nothing is merged here
    cell.value = value if isinstance(value, int) or value is None else cell_text(str(value))
    if isinstance(cell.value, str):
        cell.data_type = "s"
    if looks_like_formula(cell.value):
        cell.number_format = TEXT_FORMAT
    return cell


def cell_text(text: str) -> str:
    """Bring a delivered text to what a cell may hold.

    Control characters, marks that turn the direction of writing and what XML cannot hold are taken out;
    what is longer than a cell is cut.

    Shape:  one text in; one text of at most 32,767 characters out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: limits of the file format (ECMA-376; Excel's specifications).
    """
    clean = _UNFIT.sub("", _BREAKS.sub(" ", text)).strip()
    return clean if len(clean) <= _CELL_LENGTH else clean[: _CELL_LENGTH - 1] + "…"


def looks_like_formula(value: object) -> bool:
    """Whether a spreadsheet might compute a text once somebody touches its cell.

    Shape:  one value in; True only for texts that begin with ``=``, ``+``, ``-``, ``@`` or ``#``.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    return isinstance(value, str) and value.startswith(("=", "+", "-", "@", "#"))
