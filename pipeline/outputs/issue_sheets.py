"""What goes back to an office: a workbook of the rows and files of its deliveries that are to be mended."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.writer.excel import ExcelWriter

from pipeline.outputs._files import whole_file
from pipeline.outputs.sheets import TEXT_FORMAT, cell_text, looks_like_formula

if TYPE_CHECKING:
    from _typeshed import SizedBuffer, StrPath

# Lines of a worksheet.
MAX_LINES: Final = 1_048_576
ROWS_SHEET: Final = "问题行"
FILES_SHEET: Final = "未采用文件"
_TITLE: Final = (
    "请在原文件中改正后重新报送；提示和警告的行已采用，错误的行未采用。 "
    "Mend the file and deliver it again; rows with a notice or a warning were taken, those with an error were not."
)
_LEFT_OUT: Final = (
    "另有 {count} 行未列出：本表已满。 {count} more are not listed: the sheet is full."
)
# Headings, Chinese first, and how wide their columns are.
_ROW_COLUMNS: Final = (
    ("文件\nfile", 28),
    ("图层、工作表\nlayer", 16),
    ("数据日期\ndata date", 12),
    ("行号\nrow", 8),
    ("字段（原列名）\nfield as delivered", 20),
    ("原值\nvalue as delivered", 24),
    ("程度\nseverity", 14),
    ("原因\nreason", 48),
    ("reason in English", 48),
    ("请处理\nwhat to do", 36),
    ("what to do in English", 36),
    ("数据\nfeed", 22),
    ("主键\nkey", 26),
    ("规则\nrule", 24),
)
_FILE_COLUMNS: Final = (
    ("文件\nfile", 28),
    ("数据\nfeed", 22),
    ("数据日期\ndata date", 12),
    ("原因和处理\nreason and what to do", 80),
    ("reason and what to do in English", 80),
    ("规则\nrule", 26),
)
_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
# The first date that a ZIP archive can bear.
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
_STAMP: Final = re.compile(rb"<cp:keywords>([0-9a-f]+)</cp:keywords>")


@dataclass(frozen=True)
class IssueLine:
    """One issue of one delivered row, in the order of the columns of its sheet."""

    file: str
    layer: str
    data_date: str
    row_number: int | None
    heading: str
    value: str | None
    severity: str
    reason_zh: str
    reason_en: str
    next_step_zh: str
    next_step_en: str
    feed: str
    key: str
    rule: str


@dataclass(frozen=True)
class RefusedLine:
    """One file of which nothing was taken, in the order of the columns of its sheet."""

    file: str
    feed: str
    data_date: str
    reason_zh: str
    reason_en: str
    rule: str


def write_issue_sheet(
    path: Path,
    office: str,
    lines: Iterable[IssueLine],
    line_count: int,
    refused: Sequence[RefusedLine],
    stamp: str,
) -> None:
    """Write the workbook of an office; the same content gives the same bytes.

    Lines are written as they come, so that many of them take no memory. Texts stay texts, whatever they
    begin with. What a sheet cannot hold is counted in its last line.

    Shape:  the lines in the order of files and rows, and how many there are, in; a workbook of two
            sheets out. ``stamp`` is kept in it and found again by ``read_issue_stamp``.
    Units:  those of the delivered values.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    book = Workbook(write_only=True)
    book.properties.creator = "diqi"
    book.properties.title = f"数据问题 Issues: {office}"
    book.properties.keywords = stamp
    book.properties.created = book.properties.modified = dt.datetime(*_LONG_AGO)  # noqa: DTZ001 - a fixed mark
    _fill(book, ROWS_SHEET, office, _ROW_COLUMNS, map(astuple, lines), line_count)
    _fill(book, FILES_SHEET, office, _FILE_COLUMNS, map(astuple, refused), len(refused))
    with (
        whole_file(path) as part,
        _Undated(part, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
    ):
        ExcelWriter(book, archive).write_data()


def read_issue_stamp(path: Path) -> str | None:
    """The stamp of a workbook that ``write_issue_sheet`` wrote; None where there is none.

    Shape:  a path in; a text out.
    Units:  none.
    CRS:    none.
    Errors: none; a file that is no such workbook has no stamp.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = _STAMP.search(archive.read("docProps/core.xml"))
    except (OSError, KeyError, zipfile.BadZipFile):
        return None
    return None if found is None else found[1].decode()


class _Undated(zipfile.ZipFile):
    """A ZIP archive whose entries bear no date of their own."""

    def writestr(
        self,
        zinfo_or_arcname: str | zipfile.ZipInfo,
        data: SizedBuffer | str,
        compress_type: int | None = None,
        compresslevel: int | None = None,
    ) -> None:
        """Add an entry from memory."""
        if isinstance(zinfo_or_arcname, str):
            zinfo_or_arcname = self._entry(zinfo_or_arcname)
        super().writestr(zinfo_or_arcname, data, compress_type, compresslevel)

    def write(
        self,
        filename: StrPath,
        arcname: StrPath | None = None,
        compress_type: int | None = None,
        compresslevel: int | None = None,  # noqa: ARG002 - zipfile has it
    ) -> None:
        """Add an entry from a file, piece by piece."""
        entry = self._entry(str(filename if arcname is None else arcname))
        if compress_type is not None:
            entry.compress_type = compress_type
        with Path(filename).open("rb") as source, self.open(entry, "w", force_zip64=True) as target:
            shutil.copyfileobj(source, target)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, _LONG_AGO)
        entry.compress_type = self.compression
        return entry


def _fill(
    book: Workbook,
    name: str,
    office: str,
    columns: Sequence[tuple[str, int]],
    rows: Iterable[tuple[Any, ...]],
    count: int,
) -> None:
    """Write one sheet: a title, headings that stay and can be filtered, then the rows."""
    # a write-only sheet has more attributes than its types know
    sheet: Any = book.create_sheet(name)
    sheet.freeze_panes = "A3"
    for place, (_, width) in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    sheet.row_dimensions[2].height = 32
    title = WriteOnlyCell(sheet, cell_text(f"{office}：{_TITLE}"))
    title.font = Font(bold=True)
    sheet.append([title])
    sheet.append([_head(sheet, heading) for heading, _ in columns])
    # the title, the headings, and a line for what is left out
    room = MAX_LINES - 2
    shown = count if count <= room else room - 1
    for row in _first(rows, shown):
        sheet.append([_value(sheet, value) for value in row])
    if shown < count:
        sheet.append([_LEFT_OUT.format(count=count - shown)])
    sheet.auto_filter.ref = f"A2:{get_column_letter(len(columns))}{max(shown, 1) + 2}"


def _first(rows: Iterable[tuple[Any, ...]], count: int) -> Iterator[tuple[Any, ...]]:
    for place, row in enumerate(rows):
        if place == count:
            return
        yield row


def _head(sheet: WriteOnlyWorksheet, heading: str) -> Cell:
    cell = WriteOnlyCell(sheet, heading)
    cell.font, cell.fill = Font(bold=True), _HEAD
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _value(sheet: WriteOnlyWorksheet, value: object) -> object:
    """A value as its cell holds it: a number as a number, all else as text."""
    if value is None or isinstance(value, int):
        return value
    text = cell_text(str(value))
    if not looks_like_formula(text):
        return text
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.number_format = TEXT_FORMAT
    return cell
