"""Tables without geometry: workbooks and CSV files with titles, merged headings and totals."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import python_calamine

from pipeline.errors import SourceError
from pipeline.feeds.batch import BATCH_ROWS, IgnoredLines, OpenLayer
from pipeline.feeds.contracts import Contract
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.headings import (
    Match,
    match_headings,
    missing_in_words,
    normalise_heading,
    unit_of_cell,
    units_of_table,
)
from pipeline.feeds.kinds import Kind
from pipeline.feeds.opened import require_few_columns

_Row = Sequence[Any]

_SEARCHED_ROWS = 20
_SNIFFED = 65_536
_SAYS_1904 = re.compile(rb"date1904\s*=\s*[\"'](1|true)[\"']", re.IGNORECASE)
_SEPARATORS = ",;\t|，"
_CELL_LIMIT = 10_000_000
# Put behind the last line of a text; no program writes it.
_END = "\x1c\x1d\x1e\x1f"
_FEW_CELLS = 3
_TOTAL = re.compile(r"(合计|小计|总计|共计|累计|本页合计|TOTAL)[:：]?", re.IGNORECASE)
_NOTE = re.compile(
    r"(注|备注|说明|填表说明|填表人|制表人|制表|审核人?|填报单位|填报人)[:：0-9一二三].*"
)
_SAFE_INTEGER = 10**15
# A heading may have some marks around it that are not compared.
_MARKS = 8


@dataclass(frozen=True)
class _Header:
    """Where the headings stand (row of the last line, from 0) and what they say."""

    last_row: int
    names: list[tuple[str, ...]]
    match: Match


@contextmanager
def open_table(path: Path, kind: Kind, contract: Contract) -> Iterator[OpenLayer]:
    """Open a table and read its records in batches, as text.

    The headings are the line, or the two lines together, within the first 20 that fit the
    contract best. Empty lines, totals (合计, 小计), notes at the foot and repeated headings are no
    records; ``ignored_lines`` tells of them once the batches are read.

    Shape:  a workbook or a delimited text in; an OpenLayer out, rows numbered as the spreadsheet
            numbers them, from 1.
    Units:  a unit in a heading's brackets, or in a line of units below it, is kept with its column.
    CRS:    none (no geometry).
    Errors: SourceError: source.unreadable, source.layer_unclear, source.encoding…,
            source.column_missing, source.no_geometry, source.empty, source.too_many_columns,
            source.csv_quote (a quote without its other one).
    Source: docs/sources.md, 7 (file habits).
    """
    with _reading(path):
        if kind is Kind.DELIMITED_TEXT:
            reading = text_encoding(path, contract.encoding)
            with _lines(path, reading.values) as lines:
                layer = _open(path, path.stem, contract, lines, reading.values)
                layer.notes += [(note.code, dict(note.params)) for note in reading.notes]
                yield layer
            return
        book = python_calamine.CalamineWorkbook.from_path(path)
        name, rows = _sheet(path, book, contract)
        layer = _open(path, name, contract, rows, None)
        layer.dates_1904 = kind is Kind.XLSX and _counts_from_1904(path)
        yield layer


def _counts_from_1904(path: Path) -> bool:
    """Whether the workbook says that its days count from 1904."""
    with zipfile.ZipFile(path) as book:
        if "xl/workbook.xml" not in book.namelist():
            return False
        with book.open("xl/workbook.xml") as part:
            return _SAYS_1904.search(part.read(_SNIFFED)) is not None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors of the readers of tables by name."""
    try:
        yield
    except (csv.Error, UnicodeError, python_calamine.CalamineError, OSError) as error:
        raise SourceError("source.unreadable", file=path.name, reason=str(error)) from error


@contextmanager
def _lines(path: Path, encoding: str) -> Iterator[Iterator[list[str]]]:
    """The lines of a delimited text, as cells."""
    with path.open(encoding=encoding, newline="") as handle:
        sample = handle.read(_SNIFFED)
        handle.seek(0)
        csv.field_size_limit(_CELL_LIMIT)
        separator = _separator(sample)
        usual = max(map(len, _sampled(sample, separator)), default=0)
        rows = csv.reader(chain(handle, [_END]), delimiter=separator)
        yield _whole_lines(path, rows, separator, usual)


def _whole_lines(
    path: Path, rows: Iterator[list[str]], separator: str, usual: int
) -> Iterator[list[str]]:
    """The lines up to the mark behind the last; a quote without its other one would swallow it.

    It swallows all lines up to the next quote: then a line that is a record stands in a cell.
    """
    for number, row in enumerate(rows, start=1):
        if row == [_END]:
            return
        is_open = bool(row) and row[-1].endswith(_END)
        if is_open or any(_holds_record(cell, separator, usual) for cell in row if "\n" in cell):
            raise SourceError("source.csv_quote", file=path.name, row=number)
        yield row


def _holds_record(cell: str, separator: str, usual: int) -> bool:
    """Whether a whole line within a cell has as many cells as the lines of the file."""
    inner = cell.split("\n")[1:-1]
    return usual >= _FEW_CELLS and any(line.count(separator) >= usual - 1 for line in inner)


def sheets_of(
    path: Path, kind: Kind, count: int
) -> Iterator[tuple[str, str | None, list[_Row], list[list[str]]]]:
    """The first lines of each sheet, whatever they are.

    Shape:  a workbook or a delimited text in; of each visible sheet its name, its encoding, the
            lines among which headings are searched, and its first ``count`` lines as texts, out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: SourceError: source.unreadable, source.encoding…, source.empty.
    Source: none.
    """
    found: list[tuple[str, str | None, list[_Row]]] = []
    with _reading(path):
        if kind is Kind.DELIMITED_TEXT:
            encoding = text_encoding(path, "auto").values
            with _lines(path, encoding) as lines:
                found.append((path.stem, encoding, list(islice(lines, count))))
        else:
            book = python_calamine.CalamineWorkbook.from_path(path)
            found += [(name, None, _sheet_rows(book, name)[:count]) for name in _visible(book)]
    filled = [(name, coding, rows) for name, coding, rows in found if any(map(_is_filled, rows))]
    if not filled:
        raise SourceError("source.empty", file=path.name, layer=path.stem)
    for name, coding, rows in filled:
        require_few_columns(path.name, name, max(map(len, rows)))
        texts = [[_text(cell) for cell in row] for row in rows]
        yield name, coding, rows[:_SEARCHED_ROWS], texts


def _is_filled(row: _Row) -> bool:
    return any(_text(cell) for cell in row)


def _visible(book: python_calamine.CalamineWorkbook) -> list[str]:
    return [
        sheet.name
        for sheet in book.sheets_metadata
        if sheet.visible == python_calamine.SheetVisibleEnum.Visible
        and sheet.typ == python_calamine.SheetTypeEnum.WorkSheet
    ]


def _separator(sample: str) -> str:
    """The separator of a CSV file: the one that makes most cells of its first lines."""
    return max(_SEPARATORS, key=lambda separator: sum(map(len, _sampled(sample, separator))))


def _sampled(sample: str, separator: str) -> list[list[str]]:
    rows = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    return list(islice(rows, _SEARCHED_ROWS))


def _sheet(
    path: Path, book: python_calamine.CalamineWorkbook, contract: Contract
) -> tuple[str, list[_Row]]:
    """The visible sheet that the contract names, else the only one whose headings fit."""
    visible = _visible(book)
    names = visible
    if contract.layer is not None:
        wanted = contract.layer.casefold()
        names = [name for name in visible if fnmatchcase(name.casefold(), wanted)]
    sheets = {name: _sheet_rows(book, name) for name in names}
    sheets = {name: rows for name, rows in sheets.items() if rows}
    if len(sheets) > 1:
        fitting = {
            name: rows
            for name, rows in sheets.items()
            if not _find_header(contract, rows[:_SEARCHED_ROWS]).match.missing
        }
        sheets = fitting or sheets
    if not sheets and names:
        raise SourceError("source.empty", file=path.name, layer=names[0])
    if len(sheets) != 1:
        raise SourceError(
            "source.layer_unclear", file=path.name, feed=contract.feed, layers=", ".join(visible)
        )
    return next(iter(sheets.items()))


def _sheet_rows(book: python_calamine.CalamineWorkbook, name: str) -> list[_Row]:
    """All rows of a sheet from its first line on, so that numbers are those on the screen."""
    rows: list[_Row] = list(book.get_sheet_by_name(name).to_python(skip_empty_area=False))
    return rows if any(map(_is_filled, rows)) else []


def _open(
    path: Path,
    name: str,
    contract: Contract,
    rows: Iterable[_Row],
    encoding: str | None,
) -> OpenLayer:
    """Find headings, units and records; a workbook has no encoding of its own."""
    if contract.geometry_required:
        raise SourceError(
            "source.no_geometry",
            file=path.name,
            layer=name,
            feed=contract.feed,
            wanted=contract.geometry,
            found="-",
        )
    lines = iter(rows)
    top = list(islice(lines, _SEARCHED_ROWS))
    if not any(map(_is_filled, top)):
        raise SourceError("source.empty", file=path.name, layer=name)
    require_few_columns(path.name, name, max(map(len, top)))
    header = _find_header(contract, top)
    if header.match.missing:
        raise SourceError(
            "source.column_missing",
            file=path.name,
            layer=name,
            feed=contract.feed,
            columns=missing_in_words(contract, header.match),
            # a line that fits nothing may be no headings at all, but a record
            found=", ".join(names[0] for names in header.names if names[0])
            if header.match.score
            else "-",
        )
    unit_line = _unit_line(top, header)
    above = [_text(cell) for row in top[: header.last_row + 1] for cell in row]
    table_units = units_of_table(above)
    first = header.last_row + 1 + bool(unit_line)
    if unit_line or table_units:
        match = match_headings(contract, header.names, unit_line=unit_line, table_units=table_units)
        header = _Header(header.last_row, header.names, match)
    ignored = IgnoredLines()
    for number in range(1, first + 1):
        ignored.add(number)
    records = _records(chain(top[first:], lines), first + 1, header, ignored)
    layer = OpenLayer(
        name=name,
        headings=[names[0] for names in header.names],
        match=header.match,
        batches=iter(()),
        encoding=encoding,
        is_spreadsheet=encoding is None,
        ignored_lines=ignored,
    )
    if encoding is not None:
        records = _without_wider(records, layer, path.name)
    downward = _downward(contract, header.match)
    layer.batches = _batches(records, len(header.names), downward)
    return layer


def _downward(contract: Contract, match: Match) -> list[int]:
    """Columns in which an empty cell means the one above, in the order of the sheet."""
    columns = {**contract.columns, **contract.parts}
    return sorted(
        {
            place
            for name, column in columns.items()
            if column.fill_down
            for place in match.positions.get(name, ())
        }
    )


def _find_header(contract: Contract, top: list[_Row]) -> _Header:
    """The line, or two lines, that fit the contract best; of equals one line, the first."""
    best = _Header(0, _one_line(top[0]), Match(missing=tuple(contract.key)))
    best_rank = (False, 0)
    for last_row, names in header_candidates(top):
        match = match_headings(contract, names)
        rank = (not match.missing, match.score)
        if rank > best_rank:
            best, best_rank = _Header(last_row, names, match), rank
    return best


def header_candidates(top: Sequence[_Row]) -> list[tuple[int, list[tuple[str, ...]]]]:
    """What could be the headings of a table: each line alone, then each with the one above it.

    Shape:  the first lines of a table in; for each candidate the place of its last line, from 0,
            and the names of its columns out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 7 (file habits): merged two-line headers.
    """
    single = [(number, _one_line(row)) for number, row in enumerate(top)]
    double = [(number, _two_lines(*top[number - 1 : number + 1])) for number in range(1, len(top))]
    return [*single, *double]


def _one_line(row: _Row) -> list[tuple[str, ...]]:
    return [(_text(cell),) for cell in row]


def _two_lines(upper: _Row, lower: _Row) -> list[tuple[str, ...]]:
    """Names of columns under two merged lines: both together, then either part."""
    width = max(len(upper), len(lower))
    above = [_text(cell) for cell in upper] + [""] * (width - len(upper))
    below = [_text(cell) for cell in lower] + [""] * (width - len(lower))
    names: list[tuple[str, ...]] = []
    group = ""
    for top, bottom in zip(above, below, strict=True):
        # a merged cell has its text in its first column only
        group = top or (group if bottom else "")
        if group and bottom:
            names.append((f"{group}_{bottom}", f"{group}{bottom}", bottom, group if top else ""))
        else:
            names.append((bottom or group,))
    return names


def _unit_line(top: list[_Row], header: _Header) -> dict[int, str]:
    """Units per column where the line below the headings holds nothing but units."""
    if header.last_row + 1 >= len(top):
        return {}
    cells = {i: text for i, cell in enumerate(top[header.last_row + 1]) if (text := _text(cell))}
    units = {i: unit for i, text in cells.items() if (unit := unit_of_cell(text)) is not None}
    return units if len(units) == len(cells) else {}


def _records(
    rows: Iterable[_Row], first_number: int, header: _Header, ignored: IgnoredLines
) -> Iterator[tuple[int, _Row]]:
    """The rows that are records, with their numbers."""
    headings = [normalise_heading(names[0]) for names in header.names]
    longest = max(map(len, headings), default=0)
    for number, row in enumerate(rows, start=first_number):
        first = next(filter(None, map(_text, row)), None)
        if first is None:
            ignored.add(number)
            continue
        start = "".join(first.split())
        # few rows begin like a total, a note or a heading; only these are looked at whole
        is_doubtful = (
            _TOTAL.fullmatch(start) is not None
            or _NOTE.fullmatch(start) is not None
            or (len(start) <= longest + _MARKS and normalise_heading(start) in headings)
        )
        if is_doubtful and _is_no_record([_text(cell) for cell in row], headings):
            ignored.add(number)
        else:
            yield number, row


def _without_wider(
    records: Iterator[tuple[int, _Row]], layer: OpenLayer, file: str
) -> Iterator[tuple[int, _Row]]:
    """Empty the rows of a text that have cells beyond all headings, and say so at the end.

    A separator that stands in a value without quotes puts all that follows into wrong columns. In a
    workbook a cell is where it was typed.
    """
    width = len(layer.headings)
    said: dict[str, object] = {}
    count = 0
    for number, row in records:
        if len(row) > width and any(map(_text, row[width:])):
            require_few_columns(file, layer.name, len(row))
            count += 1
            said = said or {"row": number, "cells": len(row), "columns": width}
            yield number, ()
        else:
            yield number, row
    if count:
        layer.notes.append(("note.row_wider", {"rows": count, **said}))


def _is_no_record(texts: list[str], headings: list[str]) -> bool:
    filled = [text for text in texts if text]
    first = "".join(filled[0].split())
    if _TOTAL.fullmatch(first):
        return True
    if len(filled) <= 2 and _NOTE.fullmatch(first):
        return True
    # the headings once more, as on every page of a printed table
    if len(filled) == 1 or normalise_heading(first) not in headings:
        return False
    named = [normalise_heading(text) for text in texts]
    return all(
        not text or (i < len(headings) and text == headings[i]) for i, text in enumerate(named)
    )


def _batches(
    records: Iterator[tuple[int, _Row]], width: int, downward: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    """Batches of records; in the columns ``downward`` an empty cell means the one above."""
    names = ["row", *(f"{kind}{i}" for i in range(width) for kind in "cn")]
    carry: list[str | None] = [None] * len(downward)
    while batch := list(islice(records, BATCH_ROWS)):
        cells = list(zip_longest(*(row for _, row in batch), fillvalue=""))
        nothing = ("",) * len(batch)
        given = [cells[i] if i < len(cells) else nothing for i in range(width)]
        texts = [_texts(column) for column in given]
        filled, carry = filled_down([texts[place] for place in downward], carry)
        for place, column in zip(downward, filled, strict=True):
            texts[place] = column
        columns = [pa.array([number for number, _ in batch], pa.int32())]
        for text, column in zip(texts, given, strict=True):
            is_number = [isinstance(cell, float | int) for cell in column]
            columns += [text, pa.array(is_number, pa.bool_())]
        yield pa.RecordBatch.from_arrays(columns, names)


def _texts(column: Sequence[Any]) -> pa.Array:
    """Cells as text, null where one is empty."""
    texts = [cell if type(cell) is str else _text(cell) for cell in column]
    trimmed = pc.utf8_trim_whitespace(pa.array(texts, pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def filled_down(
    columns: Sequence[pa.Array], carry: Sequence[str | None]
) -> tuple[list[pa.Array], list[str | None]]:
    """Give empty cells what the cell above holds, as merged cells of a table mean it.

    The columns are one below the other in rank: where a cell of an earlier column begins something
    new, the later ones begin anew as well, so that an empty cell there stays empty.

    Shape:  text columns of one batch, and the last values of the batch before, None for the first, in;
            the columns filled, and their last values, which the next batch needs, out.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7 (merged cells); contract of the feed (``fill_down``).
    """
    result: list[pa.Array] = []
    last: list[str | None] = []
    fresh: npt.NDArray[np.bool_] | None = None
    for column, above in zip(columns, carry, strict=True):
        begins = column.is_valid().to_numpy(zero_copy_only=False)
        breaks = begins if fresh is None else begins | fresh
        # the last place at or above each row where the column, or one of a higher rank, begins
        source = np.maximum.accumulate(np.where(breaks, np.arange(1, len(column) + 1), 0))
        values = pa.concat_arrays([pa.array([above], pa.string()), column])
        result.append(values.take(pa.array(source)))
        last.append(result[-1][-1].as_py() if len(column) else above)
        fresh = breaks
    return result, last


def _text(cell: object) -> str:
    """A cell as text; a whole number without a point."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        # beyond 15 digits a spreadsheet has already put zeros for the rest
        return str(int(cell)) if abs(cell) < _SAFE_INTEGER * 10**7 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat()
    return str(cell)
