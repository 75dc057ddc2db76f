"""The lists of an announcement or an issued result: names and grades, as workbooks and one document.

Whoever writes the same lists again gets the same bytes: the files tell the day of the result, not that of
the writing.
"""

from __future__ import annotations

import copy
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from docx import Document
from docx.document import Document as DocumentObject
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.styles.style import ParagraphStyle
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.outputs._files import fixed_office_file, whole_file
from pipeline.outputs.sheets import cell_text, write_cell

HEADINGS: Final = ("企业名称", "档次")
# Names of the lists, in their order.
TITLES: Final[Mapping[str, str]] = {
    "ABOVE": "规上企业",
    "BELOW_GE3": "规下企业（用地{threshold}亩及以上）",
    "BELOW_LT3": "规下企业（用地{threshold}亩以下）",
    "TENANT_ONLY": "租赁企业（名下无工业用地）",
    "TRANSITION": "过渡期企业",
}
# What stands for a grade where there is none by rule.
NO_GRADE: Final = "过渡期"
_ORDER_NOTE: Final = "排名不分先后"
_FONT: Final = "宋体"
_CHANGES: Final = ("企业名称", "原名单", "原档次", "现名单", "现档次")


@dataclass(frozen=True)
class ListFile:
    """What the files of one result say besides names and grades."""

    title: str
    source: str
    day: dt.date
    threshold_mu: str

    def name_of(self, kind: str) -> str:
        """What a list is called."""
        return TITLES[kind].format(threshold=self.threshold_mu)


Lists = Mapping[str, Sequence[tuple[str, str]]]


def write_lists(folder: Path, head: ListFile, lists: Lists) -> list[Path]:
    """Write one workbook per list and one document with all of them.

    Rows stand in the order of their names, code point by code point, which is no rank.

    Shape:  a folder, what the files say besides, and (name, grade) by list in; the files out.
    Units:  none.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/sources.md, 1.2 (four lists); docs/how-to-run-a-round.md.
    """
    paths = []
    named = [
        (number, kind, sorted(lists[kind])) for number, kind in enumerate(_in_order(lists), start=1)
    ]
    for number, kind, rows in named:
        path = folder / f"附件{number}_{head.name_of(kind)}.xlsx"
        title = f"附件{number} {head.title}：{head.name_of(kind)}"
        _save(path, _workbook(title, HEADINGS, rows, (44, 10)), head.day)
        paths.append(path)
    document = folder / f"{head.title}.docx"
    _save(document, _document(head, named), head.day)
    return [*paths, document]


def write_changes(path: Path, head: ListFile, changes: Sequence[Mapping[str, Any]]) -> Path:
    """Write what an edition changed against the one before: names, lists and grades.

    Shape:  the target, what the file says besides, and one mapping per enterprise (name, list_before,
            grade_before, list_after, grade_after) in; the file out.
    Units:  none.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-run-a-round.md.
    """
    rows = [
        (
            row["name"],
            head.name_of(row["list_before"]) if row["list_before"] else "–",
            row["grade_before"] or "–",
            head.name_of(row["list_after"]) if row["list_after"] else "–",
            row["grade_after"] or "–",
        )
        for row in changes
    ]
    _save(
        path,
        _workbook(f"{head.title}：变更", _CHANGES, sorted(rows), (44, 32, 10, 32, 10)),
        head.day,
    )
    return path


def _in_order(lists: Lists) -> list[str]:
    return [kind for kind in TITLES if kind in lists]


def _save(path: Path, data: bytes, day: dt.date) -> None:
    with whole_file(path) as part:
        part.write_bytes(fixed_office_file(data, day))


def _workbook(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> bytes:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 - a new workbook has one
    sheet.title = "名单"
    write_cell(sheet, 1, 1, title).font = Font(bold=True)
    write_cell(sheet, 2, 1, _ORDER_NOTE)
    for column, heading in enumerate(headings, start=1):
        write_cell(sheet, 3, column, heading).font = Font(bold=True)
        sheet.column_dimensions["ABCDEFG"[column - 1]].width = widths[column - 1]
    for number, row in enumerate(rows, start=4):
        for column, value in enumerate(row, start=1):
            cell = write_cell(sheet, number, column, value)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.freeze_panes = "A4"
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _document(head: ListFile, named: Sequence[tuple[int, str, Sequence[tuple[str, str]]]]) -> bytes:
    document = Document()
    _use_font(document)
    title = document.add_heading(cell_text(head.title), level=0)
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.add_paragraph(cell_text(f"依据：{head.source}") if head.source else "")
    document.add_paragraph(f"日期：{head.day.year}年{head.day.month}月{head.day.day}日")
    for number, kind, rows in named:
        document.add_heading(cell_text(f"附件{number} {head.name_of(kind)}"), level=1)
        document.add_paragraph(f"共 {len(rows)} 家，{_ORDER_NOTE}。")
        _add_table(document, rows)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = cell_text(head.title), "", ""
    sink = io.BytesIO()
    document.save(sink)
    return sink.getvalue()


def _use_font(document: DocumentObject) -> None:
    """One font for Chinese and other letters in all that is written here."""
    for name in ("Normal", "Title", "Heading 1"):
        style = document.styles[name]
        assert isinstance(style, ParagraphStyle)  # noqa: S101 - the template has these
        style.font.name = _FONT
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for place in ("w:eastAsia", "w:ascii", "w:hAnsi"):
            fonts.set(qn(place), _FONT)
        for place in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(place), None)


def _add_table(document: DocumentObject, rows: Sequence[tuple[str, str]]) -> None:
    """A table of many rows: each is a copy of the first, as adding them one by one takes too long."""
    table = document.add_table(rows=2, cols=len(HEADINGS))
    table.style = "Table Grid"
    for cell, heading in zip(table.rows[0].cells, HEADINGS, strict=True):
        cell.text = heading
    head, pattern = (row._tr for row in table.rows)  # noqa: SLF001 - no public way to copy a row
    # the headings stand on every page
    head.get_or_add_trPr().append(head.makeelement(qn("w:tblHeader"), {}))
    for cell in table.rows[1].cells:
        cell.text = "x"
    table._tbl.remove(pattern)  # noqa: SLF001
    for row in rows:
        line = copy.deepcopy(pattern)
        for words, value in zip(line.iter(qn("w:t")), row, strict=True):
            words.text = cell_text(value)
        table._tbl.append(line)  # noqa: SLF001
