"""The confirmation sheet of an enterprise (一企一单 确认单): a workbook to look through, fill in and send back.

There are as many as enterprises. What is the same in all of them, styles and widths and the cells to fill
in, is made once by openpyxl; the rows of each are put into it as text, fifty times as fast.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import python_calamine
from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.outputs.sheets import TEXT_FORMAT, cell_text

SHEET: Final = "确认单"
# What may be answered.
ANSWERS: Final[Mapping[str, str]] = {"确认": "confirm", "不一致": "object"}
# Cells to fill in: name, row, and what stands before it.
FILL_IN: Final[Mapping[str, tuple[int, str]]] = {
    "answer": (3, "结论（确认／不一致）"),
    "words": (4, "不一致之处"),
    "author": (5, "填表人"),
    "date": (6, "填表日期"),
}
_GUIDE: Final = (
    "请核对下列用地、指标和认定情况，在黄色格内选择“确认”或“不一致”；不一致的，写明哪一项、应为多少。"
    " Please look through, choose 确认 (confirm) or 不一致 (something is wrong) and say what."
)
_MARK: Final = "diqi-confirm"
_FIRST_ROW: Final = 8
_WIDTHS: Final = (24, 34, 12, 14, 14, 14, 14, 14, 12, 16)
_KEY_COLUMN: Final = len(_WIDTHS) + 1
_KEYS: Final = ("mark", "year", "code", "hash")
_FILL: Final = PatternFill("solid", fgColor="FFF4CC")
_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Section:
    """One table of a sheet: title, headings, rows; numbers are decimals, everything else is a text."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class ConfirmationSheet:
    """What a sheet says; ``hash`` is of all that the enterprise confirms."""

    year: int
    code: str
    hash: str
    title: str
    sections: Sequence[Section]


@dataclass(frozen=True)
class Returned:
    """A sheet that came back: what it is about, and what was filled in."""

    year: str
    code: str
    hash: str
    cells: Mapping[str, str]


def sheet_bytes(sheet: ConfirmationSheet) -> bytes:
    """A sheet as a workbook; the same sheet always gives the same bytes.

    Shape:  what a sheet says in; an .xlsx out.
    Units:  those that the headings name.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 1.7 (one firm one sheet, Haishu).
    """
    parts, before, after, styles = _template()
    lines = [_row(number, cells) for number, cells in _rows(sheet, styles)]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in parts:
            made.writestr(_info(name), content)
        made.writestr(_info(_SHEET_PART), f"{before}{''.join(lines)}{after}".encode())
    return sink.getvalue()


def read_sheet(path: Path) -> Returned | None:
    """Read a sheet that came back; None where it is none of ours.

    Shape:  a path in; what it is about and what was filled in out.
    Units:  none.
    CRS:    none.
    Errors: OSError where the file cannot be opened.
    Source: docs/how-to-run-a-round.md.
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
    keys = [_text(line[_KEY_COLUMN - 1]) for line in lines[:4] if len(line) >= _KEY_COLUMN]
    if len(keys) < len(_KEYS) or keys[0] != _MARK:
        return None
    said = {_text(line[0]): _text(line[1]) for line in lines[: _FIRST_ROW + 4] if len(line) > 1}
    cells = {name: said.get(label, "") for name, (_, label) in FILL_IN.items()}
    return Returned(keys[1], keys[2], keys[3], cells)


_SHEET_PART: Final = "xl/worksheets/sheet1.xml"
_Cell = tuple[int, int, object]


def _rows(sheet: ConfirmationSheet, styles: Mapping[str, int]) -> Iterable[tuple[int, list[_Cell]]]:
    """Rows with their cells: column, style, value."""
    keys = dict(zip(range(1, 5), (_MARK, str(sheet.year), sheet.code, sheet.hash), strict=True))
    own: dict[int, list[_Cell]] = {
        1: [(1, styles["title"], sheet.title)],
        2: [(1, styles["plain"], _GUIDE)],
        **{
            row: [(1, styles["label"], label), (2, styles["fill"], None)]
            for row, label in FILL_IN.values()
        },
    }
    for row, cells in own.items():
        key = [(_KEY_COLUMN, styles["plain"], keys[row])] if row in keys else []
        yield row, [*cells, *key]
    number = _FIRST_ROW
    for section in sheet.sections:
        yield number, [(1, styles["section"], section.title)]
        number += 1
        if section.headings:
            yield (
                number,
                [
                    (place, styles["head"], heading)
                    for place, heading in enumerate(section.headings, start=1)
                ],
            )
            number += 1
        for values in section.rows:
            yield (
                number,
                [
                    (place, styles["number" if isinstance(one, Decimal | int) else "text"], one)
                    for place, one in enumerate(values, start=1)
                ],
            )
            number += 1
        number += 1


def _row(number: int, cells: Iterable[_Cell]) -> str:
    return f'<row r="{number}">{"".join(_cell(number, *cell) for cell in cells)}</row>'


def _cell(row: int, column: int, style: int, value: object) -> str:
    place = f'<c r="{get_column_letter(column)}{row}" s="{style}"'
    if value is None or value == "":
        return f"{place}/>"
    if isinstance(value, Decimal | int):
        return (
            f"{place}><v>{value:f}</v></c>"
            if isinstance(value, Decimal)
            else f"{place}><v>{value}</v></c>"
        )
    words = escape(cell_text(str(value)))
    return f'{place} t="inlineStr"><is><t xml:space="preserve">{words}</t></is></c>'


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _FIRST_DAY)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@cache
def _template() -> tuple[list[tuple[str, bytes]], str, str, dict[str, int]]:
    """All parts of the workbook but its rows, what stands before and after these, and styles by name."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101 - a new workbook has one
    sheet.title = SHEET
    for column, width in enumerate(_WIDTHS, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.column_dimensions[get_column_letter(_KEY_COLUMN)].hidden = True
    choice = DataValidation(type="list", formula1=f'"{",".join(ANSWERS)}"', allow_blank=True)
    choice.error, choice.showErrorMessage = "请从下拉列表中选择。", True
    sheet.add_data_validation(choice)
    choice.add(f"B{FILL_IN['answer'][0]}")
    # no password: it keeps from slips, not from people
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    styles = _styles(sheet)
    sink = io.BytesIO()
    book.save(sink)
    with zipfile.ZipFile(sink) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    whole = parts.pop(_SHEET_PART).decode()
    # the template tells when it was made
    parts["docProps/core.xml"] = _CORE
    before, _, rest = whole.partition("<sheetData>")
    _, _, after = rest.partition("</sheetData>")
    return list(parts.items()), f"{before}<sheetData>", f"</sheetData>{after}", styles


_CORE: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
)


def _styles(sheet: Worksheet) -> dict[str, int]:
    """Numbers of the styles by name; each is put on a cell that is left out afterwards."""
    thin = Side(style="thin", color="BFC5CC")
    border = Border(left=thin, right=thin, top=thin, bottom=thin)
    wrap = Alignment(wrap_text=True, vertical="top")
    looks: dict[str, dict[str, Any]] = {
        "plain": {},
        "title": {"font": Font(bold=True, size=14)},
        "section": {"font": Font(bold=True)},
        "head": {"font": Font(bold=True), "fill": _HEAD, "border": border, "alignment": wrap},
        "label": {"font": Font(bold=True), "border": border, "alignment": wrap},
        "text": {"border": border, "alignment": wrap, "number_format": TEXT_FORMAT},
        "number": {
            "border": border,
            "alignment": Alignment(vertical="top"),
            "number_format": "General",
        },
        "fill": {
            "fill": _FILL,
            "border": border,
            "alignment": wrap,
            "number_format": TEXT_FORMAT,
            "protection": Protection(locked=False),
        },
    }
    found = {}
    for number, (name, look) in enumerate(looks.items(), start=1):
        cell = sheet.cell(number, 1)
        cell.value = name
        for part, value in look.items():
            setattr(cell, part, value)
        found[name] = int(cell.style_id)
    return found


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
