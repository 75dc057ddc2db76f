"""Workbooks before they are opened: what they would cost, counted and not believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.parsers import expat

from pipeline.errors import SourceError
from pipeline.feeds.archive import opened_zip, safe_entries
from pipeline.feeds.kinds import Kind
from pipeline.feeds.limits import Limits

_CHUNK = 1 << 20
# A reference to a cell is found whole though two chunks share it.
_OVERLAP = 128
# In UTF-16, which no workbook of a real program is in, the two first characters are enough.
_ENTITIES = (b"<!DOCTYPE", b"<!ENTITY", b"<\0!\0", b"\0<\0!")
# Column letters and the thousands of the row of each reference: few different ones.
_REFERENCE = re.compile(rb'r="([A-Z]{1,3}[0-9]*?)[0-9]{1,3}"')
# A cell that holds something; one that has only a style is passed over by the reader.
_FILLED = re.compile(rb'<(?:\w+:)?c\s[^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"[^>]*(?<!/)>')
_SHEET = re.compile(r"xl/(work|chart|dialog|macro)sheets?/[^/]+\.(xml|bin)", re.IGNORECASE)
_ODS_CONTENT = "content.xml"
# Old programs write a document type into this one; nobody expands it.
_MANIFEST = "META-INF/manifest.xml"
# What an empty cell of an .ods may say of itself.
_OF_EMPTY = frozenset(
    {
        "table:style-name",
        "table:number-columns-repeated",
        "table:number-columns-spanned",
        "table:number-rows-spanned",
        "table:content-validation-name",
    }
)


def check_workbook(path: Path, kind: Kind, limits: Limits) -> None:
    """Refuse a workbook that would cost more than its limits, before its reader opens it.

    Of a zipped one all bytes are unpacked once, in pieces, and the cells counted that the box
    around the filled cells of a sheet has, which is what its reader makes room for. Of an .xls the
    size of the file is looked at.

    Shape:  a file and its kind in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.format_encrypted_workbook, source.workbook_too_large,
            source.workbook_cells, source.workbook_entities and those of ``archive.members``.
    Source: ECMA-376 18.3.1.4 (cells), OpenDocument 1.3 part 3, 9.1 (repeated rows and cells).
    """
    if path.stat().st_size > limits.max_workbook_bytes:
        raise _too_large(path, limits)
    if kind is Kind.XLS:
        return
    with opened_zip(path, limits) as archive:
        entries = safe_entries(path, archive, limits)
        infos = archive.infolist()
        total = 0
        for place, name in entries.items():
            with archive.open(infos[place]) as source:
                if name == _MANIFEST and _is_encrypted(source):
                    raise SourceError("source.format_encrypted_workbook", file=path.name)
            part = _Part(path, name, kind, limits)
            with archive.open(infos[place]) as source:
                total = part.read(source, total)
            if part.may_be_large():
                with archive.open(infos[place]) as source:
                    part.count_filled(source)


def _too_large(path: Path, limits: Limits) -> SourceError:
    limit = limits.max_workbook_bytes >> 20
    return SourceError("source.workbook_too_large", file=path.name, limit_mb=limit)


def _is_encrypted(source: IO[bytes]) -> bool:
    return b"encryption-data" in source.read(_CHUNK)


@dataclass
class _Part:
    """One part of a workbook, and the box around its cells."""

    path: Path
    name: str
    kind: Kind
    limits: Limits
    rows: int = 0
    columns: int = 0

    def read(self, source: IO[bytes], total: int) -> int:
        """Unpack it; the bytes of all parts so far."""
        is_xml = self.name.lower().endswith((".xml", ".rels", ".vml")) and self.name != _MANIFEST
        is_sheet = self.kind is Kind.XLSX and _SHEET.fullmatch(self.name) is not None
        is_ods = self.kind is Kind.ODS and self.name == _ODS_CONTENT
        table = _OdsTable() if is_ods else None
        for chunk, both in _chunks(source):
            total += len(chunk)
            if total > self.limits.max_workbook_bytes:
                raise _too_large(self.path, self.limits)
            if is_xml and any(mark in both for mark in _ENTITIES):
                raise SourceError("source.workbook_entities", file=self.path.name, member=self.name)
            if table is not None:
                self._require_cells(table.feed(chunk))
            elif is_sheet:
                self._add(set(_REFERENCE.findall(both)), thousands=True)
        return total

    def may_be_large(self) -> bool:
        """Whether the box around all cells, empty ones too, is beyond the limit."""
        return self.rows * self.columns > self.limits.max_cells

    def count_filled(self, source: IO[bytes]) -> None:
        """Refuse a sheet whose filled cells alone need too large a box."""
        self.rows = self.columns = 0
        for _, both in _chunks(source):
            references = {column + row for column, row in _FILLED.findall(both)}
            self._add(references, thousands=False)
            self._require_cells(self.rows * self.columns)

    def _add(self, references: set[bytes], *, thousands: bool) -> None:
        for reference in references:
            letters = reference.rstrip(b"0123456789")
            column = 0
            for letter in letters:
                column = column * 26 + letter - 64
            row = int(reference[len(letters) :] or b"0")
            self.rows = max(self.rows, row * 1_000 + 999 if thousands else row)
            self.columns = max(self.columns, column)

    def _require_cells(self, cells: int) -> None:
        if cells > self.limits.max_cells:
            raise SourceError(
                "source.workbook_cells",
                file=self.path.name,
                layer=self.name,
                cells=cells,
                limit=self.limits.max_cells,
            )


def _chunks(source: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pieces of a part, each also with the end of the one before."""
    before = b""
    while chunk := source.read(_CHUNK):
        yield chunk, before + chunk
        before = chunk[-_OVERLAP:]


class _OdsTable:
    """The box around the filled cells of the largest table in an .ods so far."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._row = self._last_row = self._column = self._width = self._repeats = 0
        self._largest = 0

    def feed(self, chunk: bytes) -> int:
        """Read on; the number of cells. What is no XML is left to the reader."""
        try:
            self._parser.Parse(chunk, False)
        except expat.ExpatError:
            return self._largest
        return self._largest

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._row = self._last_row = self._width = 0
        elif name == "table:table-row":
            self._row += self._repeats
            self._repeats = _repeats(attributes.get("table:number-rows-repeated"))
            self._column = 0
        elif name in {"table:table-cell", "table:covered-table-cell"}:
            self._column += _repeats(attributes.get("table:number-columns-repeated"))
            if not attributes.keys() <= _OF_EMPTY:
                self._last_row = self._row + self._repeats
                self._width = max(self._width, self._column)
                self._largest = max(self._largest, self._last_row * self._width)


def _repeats(text: str | None) -> int:
    """How often a row or cell stands for itself; no sheet has more than 2**24."""
    if text is None or not text.isdigit():
        return 1
    return min(int(text[:9]), 1 << 24)
