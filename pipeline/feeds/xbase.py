"""A DBF as bytes: its header, and the texts in it, nothing decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import SourceError

_HEADER = struct.Struct("<4xIHH")
_FIELD_BYTES = 32
_END_OF_FIELDS = 0x0D
_DELETED, _SPACE = 0x2A, 0x20
# Figures, dates, truth values, places of memos and pictures; every other kind comes as text.
_NO_TEXT = frozenset("NFDLIBYTO@+0GPQM")
# Numbers in binary have one width.
_BINARY_WIDTH = {"I": 4, "+": 4, "B": 8, "O": 8, "Y": 8}
# What may stand after the last record: the end mark, and what fills the last block of a disk.
_PADDING = b"\x1a\x00 \r\n"
_PADDING_LOOKED_AT = 1 << 20
_CHUNK_BYTES = 1 << 23
# Distinct values that are remembered, so that what repeats is looked at once.
_REMEMBERED = 100_000

_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DbfField:
    """A column: its name as bytes, its kind, and where it lies in a record."""

    name: bytes
    kind: str
    offset: int
    length: int

    @property
    def is_text(self) -> bool:
        """Whether its values are text."""
        return self.kind not in _NO_TEXT


class Texts(NamedTuple):
    """Distinct values of one column that are not ASCII, from some records.

    ``is_full``: which fill their field, so that the last character may be cut; ``row``: the first
    row of a value by its position, from 1, deleted records not counted.
    """

    field: DbfField
    values: list[bytes]
    is_full: npt.NDArray[np.bool_]
    row: Callable[[int], int]


@dataclass(frozen=True)
class DbfTable:
    """Header of a DBF: names and places of its columns, checked against the size of the file."""

    path: Path
    fields: list[DbfField]
    language: int
    record_count: int
    header_size: int
    record_size: int

    @property
    def names(self) -> list[bytes]:
        """Names of all columns."""
        return [field.name for field in self.fields]

    @property
    def has_long_fields(self) -> bool:
        """Whether a column is longer than the one byte of its length can say."""
        return any(field.length > 0xFF for field in self.fields)

    def texts(self) -> Iterator[Texts]:
        """All distinct values of text that are not ASCII, some records at a time.

        Deleted records are left out, and whatever stands behind a NUL.

        Shape:  nothing in; pieces out, in the order of the file.
        Units:  none.
        CRS:    none.
        Errors: OSError where the file cannot be read.
        Source: dBASE III file structure; docs/sources.md, 7 (file habits).
        """
        wanted = [field for field in self.fields if field.is_text and field.length]
        known: set[bytes] = set()
        first = 1
        for records in self._chunks():
            kept = records
            if (records[:, 0] == _DELETED).any():
                kept = records[records[:, 0] != _DELETED]
            used = np.bitwise_or.reduce(kept, axis=0) if len(kept) else np.zeros(0, np.uint8)
            for field in wanted:
                bits = used[field.offset : field.offset + field.length]
                if (bits > 0x7F).any():
                    # what no record fills need not be looked at
                    width = int(np.flatnonzero(bits & ~np.uint8(_SPACE))[-1]) + 1
                    piece = _texts_of(field, width, kept, first, known)
                    if piece.values:
                        yield piece
            first += len(kept)

    def _chunks(self) -> Iterator[_Bytes]:
        """The records as rows of bytes; the memory of one serves the next."""
        per_chunk = max(1, _CHUNK_BYTES // self.record_size)
        buffer = np.empty((min(per_chunk, max(1, self.record_count)), self.record_size), np.uint8)
        left = self.record_count
        with self.path.open("rb") as handle:
            handle.seek(self.header_size)
            while left:
                part = buffer[: min(left, len(buffer))]
                whole = handle.readinto(part.data.cast("B")) // self.record_size
                if whole:
                    yield part[:whole]
                left -= whole
                if whole < len(part):
                    # it was cut while it was read
                    raise wrong_records(self.path, self.record_count, self.record_count - left)


def read_dbf_header(path: Path) -> DbfTable:
    """Read the header of a DBF, and hold it against the file.

    Shape:  one file in; names and places of its columns out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.dbf_header where the header is cut or contradicts itself,
            source.dbf_records where it says another number of records than the file holds.
    Source: dBASE III file structure: 32 bytes of header, 32 per field, 0x0D; lengths beyond 255 have
            their upper byte where figures have their decimals (Clipper, FoxPro).
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(_FIELD_BYTES)
        if len(head) < _FIELD_BYTES:
            raise wrong_header(path, "dbf_header_cut")
        count, header_size, record_size = _HEADER.unpack_from(head)
        if not _FIELD_BYTES < header_size <= size:
            raise wrong_header(path, "dbf_header_cut")
        described = handle.read(header_size - _FIELD_BYTES)
    if record_size < 1:
        raise wrong_header(path, "dbf_record_size")
    fields = _fields(path, described, record_size)
    table = DbfTable(path, fields, head[29], count, header_size, record_size)
    _require_records(table, size)
    return table


def _require_records(table: DbfTable, size: int) -> None:
    """Refuse a file that holds more or fewer records than its header says."""
    held = (size - table.header_size) // table.record_size
    if held > table.record_count:
        with table.path.open("rb") as handle:
            handle.seek(table.header_size + table.record_count * table.record_size)
            rest = handle.read(_PADDING_LOOKED_AT)
        if not rest.strip(_PADDING):
            return
    if held != table.record_count:
        raise wrong_records(table.path, table.record_count, held)


def _fields(path: Path, described: bytes, record_size: int) -> list[DbfField]:
    """The columns, with the lengths that make up the size of a record."""
    entries: list[bytes] = []
    for start in range(0, len(described) - _FIELD_BYTES + 1, _FIELD_BYTES):
        if described[start] == _END_OF_FIELDS:
            break
        entries.append(described[start : start + _FIELD_BYTES])
    if any(not 0x21 <= entry[11] <= 0x7E for entry in entries):
        raise wrong_header(path, "dbf_field_kind")
    lengths = [entry[16] for entry in entries]
    long = [
        entry[16] + (entry[17] << 8 if chr(entry[11]) not in _NO_TEXT else 0) for entry in entries
    ]
    # the first byte of a record says whether it is deleted
    if 1 + sum(lengths) != record_size and 1 + sum(long) == record_size:
        lengths = long
    widths = [_BINARY_WIDTH.get(chr(entry[11])) for entry in entries]
    are_right = all(
        length > 0 if width is None else length == width
        for length, width in zip(lengths, widths, strict=True)
    )
    if not (entries and are_right and 1 + sum(lengths) <= record_size):
        raise wrong_header(path, "dbf_record_size")
    ends = np.cumsum([1, *lengths]).tolist()
    return [
        DbfField(entry[:11].split(b"\0", 1)[0].rstrip(b" "), chr(entry[11]), offset, length)
        for entry, offset, length in zip(entries, ends, lengths, strict=False)
    ]


def _texts_of(field: DbfField, width: int, records: _Bytes, first: int, known: set[bytes]) -> Texts:
    """Distinct values of one column that are not ASCII and were not seen before."""
    column = np.ascontiguousarray(records[:, field.offset : field.offset + width])
    rows = np.flatnonzero((column > 0x7F).any(axis=1))
    if len(rows) < len(column):
        column = column[rows]
    is_nul = column == 0
    if is_nul.any():
        column[np.maximum.accumulate(is_nul, axis=1)] = _SPACE
    # a value is one line where values are looked at together
    column[column == 0x0A] = _SPACE
    whole = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(rows), [None, pa.py_buffer(column)]
    )
    distinct = [v for v in whole.unique().to_pylist() if not v.isascii() and v not in known]
    if len(known) < _REMEMBERED:
        known.update(distinct)
    is_filled = width == field.length
    is_full = np.array([is_filled and value[-1] > 0x7F for value in distinct], dtype=bool)

    def row(place: int) -> int:
        wanted = np.frombuffer(distinct[place], np.uint8)
        return first + int(rows[np.argmax((column == wanted).all(axis=1))])

    return Texts(field, [value.rstrip(b" ") for value in distinct], is_full, row)


def wrong_header(path: Path, problem: str) -> SourceError:
    """The refusal of a table by its header.

    Shape:  a file and the code of a problem in; the error to raise out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    return SourceError("source.dbf_header", file=path.name, problem=problem)


def wrong_records(path: Path, declared: int, found: int) -> SourceError:
    """The refusal of a table that holds another number of records than it says.

    Shape:  a file and two numbers in; the error to raise out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    return SourceError("source.dbf_records", file=path.name, declared=declared, found=found)
