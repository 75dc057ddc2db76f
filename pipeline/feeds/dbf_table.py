"""A .dbf by itself as a table: its digits as they stand, its texts in a given encoding."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SourceError
from pipeline.feeds.encoding import dbf_encoding, undecodable
from pipeline.feeds.opened import BATCH_ROWS, RawLayer, Texts, unique_names
from pipeline.feeds.plausibility import Found
from pipeline.feeds.xbase import DbfField, DbfTable, read_dbf_header, wrong_records

_ASCII = 0x7F
_TEXT = frozenset("CV")
_DIGITS = frozenset("NF")
# Numbers in binary: how they are stored, and by what they are divided.
_BINARY = {
    "I": ("<i4", 1),
    "+": ("<i4", 1),
    "B": ("<f8", 1),
    "O": ("<f8", 1),
    "Y": ("<i8", 10_000),
}


@contextmanager
def open_dbf(path: Path, texts: Texts) -> Iterator[RawLayer]:
    """Open a .dbf and read it in batches; what is marked as deleted is passed over and counted.

    Numbers in text stay the digits that are written, dates become YYYY-MM-DD, what does not fit its
    type stays as it is. Memos and pictures, which lie in other files, become null.

    Shape:  a file, and what its contract says of texts, in; a RawLayer out, whose columns are text.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: SourceError of ``read_dbf_header``; source.encoding.
    Source: dBASE III to V and Visual FoxPro table file structure.
    """
    header = read_dbf_header(path)
    reading = dbf_encoding(path, texts.declared, known=texts.known, hidden=texts.hidden)
    encoding = reading.values
    names = [_name(path, column.name, reading.names) for column in header.fields]
    layer = RawLayer(
        name=path.stem,
        fields=names,
        batches=iter(()),
        has_geometry=False,
        geometry_type=None,
        crs=None,
        row_total=header.record_count,
        encoding=encoding,
        names_encoding=reading.names,
        notes=[(note.code, dict(note.params)) for note in reading.notes],
    )
    dropped = [
        name
        for name, column in zip(names, header.fields, strict=True)
        if column.kind not in _TEXT | _DIGITS | _BINARY.keys() | {"D", "L", "T"}
    ]
    if dropped:
        layer.notes.append(("note.dbf_memo", {"columns": ", ".join(dropped)}))
    layer.batches = _batches(path, header, encoding, layer)
    yield layer


def _decoded(value: bytes, encoding: str) -> str:
    """One value as text; half a character at its end, cut by the width of its field, is dropped."""
    return codecs.getincrementaldecoder(encoding)("strict").decode(value, final=False)


def _name(path: Path, name: bytes, encoding: str) -> str:
    try:
        return _decoded(name, encoding)
    except UnicodeDecodeError as error:
        raise SourceError(
            "source.encoding_names",
            file=path.name,
            field=name.decode("ascii", "replace"),
            bytes=name.hex(" "),
            tried=encoding,
        ) from error


def _batches(
    path: Path, header: DbfTable, encoding: str, layer: RawLayer
) -> Iterator[pa.RecordBatch]:
    names = unique_names(layer.fields)
    deleted, row = 0, 1
    left = header.record_count
    with path.open("rb") as handle:
        handle.seek(header.header_size)
        while left:
            count = min(left, BATCH_ROWS)
            raw = handle.read(count * header.record_size)
            # a file may be cut while it is read
            if len(raw) < count * header.record_size:
                raise wrong_records(path, header.record_count, header.record_count - left)
            left -= count
            records = np.frombuffer(raw, np.uint8).reshape(count, header.record_size)
            kept = records[records[:, 0] != ord("*")]
            deleted += count - len(kept)
            if len(kept):
                arrays = [
                    _column(kept, column, _Decoder(path, encoding, name, row))
                    for column, name in zip(header.fields, layer.fields, strict=True)
                ]
                yield pa.record_batch(arrays, names=names)
                row += len(kept)
    if deleted:
        layer.notes.append(("note.dbf_deleted", {"rows": deleted}))


@dataclass(frozen=True)
class _Decoder:
    """Makes text of the distinct values of a column, and says where one is none."""

    path: Path
    encoding: str
    field: str
    first_row: int

    def __call__(self, cells: pa.DictionaryArray, kind: str) -> list[str | None]:
        texts: list[str | None] = []
        for place, cell in enumerate(cells.dictionary.to_pylist()):
            try:
                texts.append(_text(cell, kind, self.encoding))
            except UnicodeDecodeError as error:
                row = self.first_row + int(np.argmax(cells.indices.to_numpy() == place))
                fault = Found(cell, row, self.field)
                raise undecodable(self.path.name, fault, [self.encoding]) from error
        return texts


def _column(records: npt.NDArray[np.uint8], column: DbfField, decoded: _Decoder) -> pa.Array:
    """One column of a batch as text."""
    values = np.ascontiguousarray(records[:, column.offset : column.offset + column.length])
    if column.kind in _BINARY:
        return _numbers(values, column)
    if column.kind == "T":
        return _moments(values)
    if column.kind not in _TEXT | _DIGITS | {"D", "L"}:
        return pa.nulls(len(values), pa.string())
    written = pa.array(values.view(f"S{column.length}").ravel(), pa.binary())
    if column.kind in _DIGITS and not (values > _ASCII).any() and not (values[:, :-1] == 0).any():
        digits = pc.ascii_trim_whitespace(written.cast(pa.string()))
        return pc.if_else(pc.equal(digits, ""), pa.scalar(None, pa.string()), digits)
    cells = written.dictionary_encode()
    return pc.take(pa.array(decoded(cells, column.kind), pa.string()), cells.indices)


def _text(cell: bytes, kind: str, encoding: str) -> str | None:
    """A distinct value as text, None where the cell is empty."""
    # some programs end a text as C does and leave what was there before
    cell = cell.split(b"\0", 1)[0].strip()
    if not cell or (kind == "L" and cell == b"?") or (kind == "D" and not cell.strip(b"0")):
        return None
    text = _decoded(cell, encoding)
    if kind == "D" and len(text) == 8 and text.isascii() and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def _numbers(values: npt.NDArray[np.uint8], column: DbfField) -> pa.Array:
    kind, divisor = _BINARY[column.kind]
    numbers = values.view(kind).ravel()
    if divisor != 1:
        # exact: money has four decimals
        whole = pa.array(numbers).cast(pa.decimal128(19, 0))
        return pc.divide(whole, pa.scalar(divisor, pa.decimal128(5, 0))).cast(pa.string())
    return pa.array(numbers).cast(pa.string())


def _moments(values: npt.NDArray[np.uint8]) -> pa.Array:
    """Dates of a column of moments: the Julian day, then milliseconds, which are left out."""
    days = np.ascontiguousarray(values[:, :4]).view("<i4").ravel().astype(np.int64)
    # 1970-01-01 is the Julian day 2440588
    dates = (days - 2_440_588).astype("datetime64[D]")
    texts = pa.array(np.datetime_as_string(dates), pa.string())
    is_date = (days > 1_721_425) & (days < 5_373_485)
    return pc.if_else(pa.array(is_date), texts, pa.scalar(None, pa.string()))
