"""The workbook of a rule set: sheets of cells to fill in, written and read as they are."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from xml.etree.ElementTree import ParseError

from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from pipeline.errors import SettingsError
from pipeline.outputs._files import whole_file
from pipeline.outputs.sheets import TEXT_FORMAT, write_cell

GUIDE: Final = "填表说明"
WEIGHTS: Final = "权重"
BENCHMARKS: Final = "基准值"
CUTS: Final = "档次线"
PARAMETERS: Final = "参数"
REFERENCE: Final = "参考"
# Labels of the guide sheet that are read again.
ID_LABEL: Final = "规则代号"
SCALES_LABEL: Final = "评价尺度"
GRADES_LABEL: Final = "需填线的档次"

_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
_TO_FILL_IN: Final = PatternFill("solid", fgColor="FFF4CC")
_TITLE_ROWS: Final = 1
_HEADINGS: Final = _TITLE_ROWS + 1
# Where headings are looked for: somebody may have put lines above.
_LAST_HEADINGS: Final = 10
_MAX_ROWS: Final = 5_000
_MAX_MIB: Final = 64
# The first bytes of an .xls, and of an .xlsx with a password.
_OLD: Final = b"\xd0\xcf\x11\xe0"
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    InvalidFileException,
    ParseError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)

Use = Literal["shown", "fill", "free"]


class Column(NamedTuple):
    """One column: its heading, how wide it is, and whether it is filled in; ``free``: in free rows only."""

    heading: str
    width: float
    use: Use = "shown"


COLUMNS: Final[Mapping[str, Mapping[str, Column]]] = {
    WEIGHTS: {
        "scale": Column("评价尺度", 13, "free"),
        "scale_title": Column("尺度名称", 22),
        "code": Column("指标代码", 24, "free"),
        "title": Column("指标名称", 22, "free"),
        "formula": Column("现算法", 34),
        "weight_now": Column("现权重", 8),
        "weight": Column("权重", 10, "fill"),
        "cap_now": Column("现封顶", 9),
        "cap": Column("封顶（权重的倍数）", 12, "fill"),
        "missing_now": Column("现缺数据时", 15),
        "missing": Column("缺数据时", 15, "fill"),
        "numerator": Column("新指标分子事实", 18, "free"),
        "numerator_unit": Column("分子单位", 10, "free"),
        "denominator": Column("新指标分母事实", 18, "free"),
        "denominator_unit": Column("分母单位", 10, "free"),
        "paper": Column("所缺文件", 30),
        "chosen": Column("所取默认", 40),
    },
    BENCHMARKS: {
        "scale": Column("评价尺度", 13, "free"),
        "scale_title": Column("尺度名称", 22),
        "code": Column("指标代码", 24, "free"),
        "title": Column("指标名称", 22),
        "industry": Column("行业（空为全部）", 16, "free"),
        "unit": Column("单位", 14),
        "now": Column("现基准", 30),
        "value": Column("基准值", 13, "fill"),
        "factor": Column("倍数（乘平均值）", 13, "fill"),
        "paper": Column("所缺文件", 30),
        "chosen": Column("所取默认", 40),
    },
    CUTS: {
        "scale": Column("评价尺度", 13),
        "scale_title": Column("尺度名称", 22),
        "grade": Column("档次", 8),
        "now": Column("现线", 22),
        "share": Column("累计占比（%）", 13, "fill"),
        "score": Column("分数线（含）", 12, "fill"),
        "value": Column("数值线（含）", 12, "fill"),
        "indicator": Column("数值线指标", 24, "fill"),
        "paper": Column("所缺文件", 30),
        "chosen": Column("所取默认", 40),
    },
    PARAMETERS: {
        "path": Column("路径", 40),
        "rule": Column("规则", 34),
        "meaning": Column("含义", 24),
        "now": Column("现值", 16),
        "unit": Column("单位", 16),
        "value": Column("新值", 18, "fill"),
        "paper": Column("所缺文件", 30),
        "chosen": Column("所取默认", 40),
        "sentence": Column("原文", 50),
    },
    REFERENCE: {
        "kind": Column("种类", 10),
        "code": Column("代码", 28),
        "title": Column("名称", 40),
        "unit": Column("单位", 16),
    },
}


class Row(NamedTuple):
    """One row to write: its cells by column, whether it is free, and what one of its cells may be."""

    cells: Mapping[str, object]
    is_free: bool = False
    choices: Mapping[str, Sequence[str]] = {}


class Line(NamedTuple):
    """One row that came back: its number, and its cells as texts by column."""

    number: int
    cells: dict[str, str]
    formulas: frozenset[str] = frozenset()


@dataclass
class Sheets:
    """What a workbook holds: labels of its guide, and the rows of its sheets."""

    about: dict[str, str]
    lines: dict[str, list[Line]] = field(default_factory=dict)


def write_rule_sheets(
    path: Path,
    title: str,
    about: Mapping[str, str],
    guide: Sequence[str],
    rows: Mapping[str, Sequence[Row]],
) -> None:
    """Write the workbook of a rule set.

    Cells to fill in are yellow and of the format text: what is typed stays as it is typed. All others
    are locked.

    Shape:  the target, a title, labels with their values, lines of guidance, and rows by sheet in; a workbook
            with a guide sheet and one sheet each out.
    Units:  as the cells say.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-write-rules.md.
    """
    book = Workbook()
    first = book.active
    assert isinstance(first, Worksheet)  # noqa: S101 - a new workbook has one
    first.title = GUIDE
    first.column_dimensions["A"].width, first.column_dimensions["B"].width = 16, 110
    write_cell(first, 1, 1, title).font = Font(bold=True)
    for number, (label, value) in enumerate(about.items(), start=2):
        write_cell(first, number, 1, label).font = Font(bold=True)
        write_cell(first, number, 2, value).alignment = Alignment(wrap_text=True)
    for number, words in enumerate(guide, start=len(about) + 3):
        write_cell(first, number, 2, words).alignment = Alignment(wrap_text=True, vertical="top")
    for name, columns in COLUMNS.items():
        _fill(book.create_sheet(name), title, columns, rows.get(name, ()))
    with whole_file(path) as part:
        book.save(part)


def _fill(sheet: Worksheet, title: str, columns: Mapping[str, Column], rows: Sequence[Row]) -> None:
    write_cell(sheet, 1, 1, title).font = Font(bold=True)
    letters = {}
    for place, (name, column) in enumerate(columns.items(), start=1):
        cell = write_cell(sheet, _HEADINGS, place, column.heading)
        cell.font, cell.fill = Font(bold=True), _HEAD
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        letters[name] = get_column_letter(place)
        sheet.column_dimensions[letters[name]].width = column.width
    lists: dict[tuple[str, ...], DataValidation] = {}
    for number, row in enumerate(rows, start=_HEADINGS + 1):
        for place, (name, column) in enumerate(columns.items(), start=1):
            cell = write_cell(sheet, number, place, row.cells.get(name))
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if column.use == "fill" or (column.use == "free" and row.is_free):
                cell.fill, cell.protection = _TO_FILL_IN, Protection(locked=False)
                cell.number_format = TEXT_FORMAT
        for name, choices in row.choices.items():
            choice = lists.setdefault(tuple(choices), _choice(choices))
            choice.add(f"{letters[name]}{number}")
    for choice in lists.values():
        sheet.add_data_validation(choice)
    sheet.freeze_panes = f"A{_HEADINGS + 1}"
    # no password: it keeps from slips, not from people
    sheet.protection.sheet = True
    sheet.protection.formatColumns = sheet.protection.formatRows = False


def _choice(choices: Sequence[str]) -> DataValidation:
    choice = DataValidation(type="list", formula1=f'"{",".join(choices)}"', allow_blank=True)
    choice.error, choice.showErrorMessage = "请从下拉列表中选择。", True
    return choice


def read_rule_sheets(path: Path) -> Sheets:
    """Read a workbook that came back; columns may stand in another order, lines may be sorted.

    A number is told as the shortest text that means it; one that is shown as per cent has its sign.

    Shape:  a path in; labels and lines out.
    Units:  as filled in.
    CRS:    none.
    Errors: SettingsError rules.form_* on what is no such workbook.
    Source: docs/how-to-write-rules.md.
    """
    _require_small(path)
    try:
        with warnings.catch_warnings():
            # of other programs' extensions, which are not needed
            warnings.simplefilter("ignore")
            book = load_workbook(path)
    except _DAMAGED as error:
        raise SettingsError(
            "rules.form_unreadable", file=path.name, reason=str(error) or type(error).__name__
        ) from error
    if GUIDE not in book.sheetnames or not isinstance(book[GUIDE], Worksheet):
        raise SettingsError("rules.form_foreign", file=path.name)
    about = {
        _text(label): _text(value)
        for label, value in book[GUIDE].iter_rows(max_row=40, min_col=1, max_col=2)
        if label.value is not None
    }
    if not about.get(ID_LABEL):
        raise SettingsError("rules.form_foreign", file=path.name)
    sheets = Sheets(about)
    for name, columns in COLUMNS.items():
        sheet = book[name] if name in book.sheetnames else None
        if not isinstance(sheet, Worksheet):
            raise SettingsError("rules.form_no_sheet", file=path.name, sheet=name)
        sheets.lines[name] = _lines(path, sheet, columns)
    return sheets


def _require_small(path: Path) -> None:
    """Refuse what is no zip of bounded size before it is unpacked."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_OLD))
        if begin == _OLD:
            raise SettingsError("rules.form_old_format", file=path.name)
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError("rules.form_unreadable", file=path.name, reason=reason) from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise SettingsError(
            "rules.form_unreadable", file=path.name, reason=str(error) or type(error).__name__
        ) from error
    if size > _MAX_MIB << 20:
        raise SettingsError("rules.form_too_large", file=path.name, limit=_MAX_MIB)


def _lines(path: Path, sheet: Worksheet, columns: Mapping[str, Column]) -> list[Line]:
    head, places = _places(sheet, columns)
    for name, column in columns.items():
        if name not in places:
            raise SettingsError(
                "rules.form_no_column", file=path.name, sheet=sheet.title, column=column.heading
            )
    if sheet.max_row > _MAX_ROWS:
        raise SettingsError(
            "rules.form_too_long", file=path.name, sheet=sheet.title, limit=_MAX_ROWS
        )
    found = []
    for number, cells in enumerate(
        sheet.iter_rows(min_row=head + 1, max_col=max(places.values()) + 1), start=head + 1
    ):
        texts = {name: _text(cells[place]) for name, place in places.items()}
        if any(texts.values()):
            formulas = {name for name, place in places.items() if cells[place].data_type == "f"}
            found.append(Line(number, texts, frozenset(formulas)))
    return found


def _places(sheet: Worksheet, columns: Mapping[str, Column]) -> tuple[int, dict[str, int]]:
    """The row of the headings, and in which column each is; empty where there is no such row."""
    wanted = {_heading(column.heading): name for name, column in columns.items()}
    for number, cells in enumerate(sheet.iter_rows(max_row=_LAST_HEADINGS, max_col=60), start=1):
        places: dict[str, int] = {}
        for place, cell in enumerate(cells):
            name = wanted.get(_heading(_text(cell)))
            if name is not None:
                places.setdefault(name, place)
        # a title may be one heading by chance, never two
        if len(places) > 1:
            return number, places
    return 0, {}


def _heading(text: str) -> str:
    return "".join(text.split()).replace("(", "（").replace(")", "）").replace("％", "%")


def _text(cell: Cell | Any) -> str:  # noqa: ANN401 - also a cell that is merged into another
    """A cell as the text that it shows."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, float | int) and not isinstance(value, bool):
        number = Decimal(repr(value))
        if "%" in (cell.number_format or ""):
            return f"{_plain(number * 100)}%"
        return _plain(number)
    return str(value).strip()


def _plain(number: Decimal) -> str:
    if not number.is_finite():
        return str(number)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
