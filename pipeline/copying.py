"""COPY into tables: frames as text, and batches put together column by column in PostgreSQL's own form."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from psycopg import sql

_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TAIL = b"\xff\xff"
_ZERO = ord("0")
# Digits of a numeric travel in groups of four.
_GROUP = 4
_NEGATIVE = 0x4000
_EPOCH = np.datetime64("2000-01-01", "D")


def copy_frame(driver: psycopg.Connection[Any], table: sql.Composable, frame: pd.DataFrame) -> None:
    """Append a frame to a table by COPY as text; column names must be the table's."""
    if frame.empty:
        return
    sink = io.BytesIO()
    pyarrow.csv.write_csv(
        # the writer garbles a column in several chunks of which one is empty
        pa.Table.from_pandas(frame, preserve_index=False).combine_chunks(),
        sink,
        pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"),
    )
    with (
        driver.cursor() as cursor,
        cursor.copy(_copy_statement(table, frame, "csv")) as copy,
    ):
        copy.write(sink.getbuffer())


def copy_binary(
    driver: psycopg.Connection[Any],
    table: sql.Composable,
    frame: pd.DataFrame,
    types: Mapping[str, str] | None = None,
) -> None:
    """Append a frame to a table by binary COPY, put together column by column.

    ``types`` names the type of a column of text where it is not text in the table: integer,
    numeric, date, jsonb. Whole numbers of the frame travel as int4, booleans as such, objects, which
    must be bytes or None, as they are (bytea, or geometry from WKB).

    Errors: ValueError where a text is no value of its type (a caller's bug).
    """
    if frame.empty:
        return
    known = types or {}
    pieces: list[pa.Array | pa.Scalar] = [_bytes(len(frame.columns).to_bytes(2, "big"))]
    for name in frame.columns:
        pieces += _field(frame[name], known.get(str(name), "text"))
    rows = pc.binary_join_element_wise(*pieces, _bytes(b""))
    _, offsets, data = rows.buffers()
    end = int(np.frombuffer(offsets, dtype=np.int64)[len(frame)])
    with (
        driver.cursor() as cursor,
        cursor.copy(_copy_statement(table, frame, "binary")) as copy,
    ):
        copy.write(_COPY_HEAD)
        copy.write(memoryview(data)[:end])
        copy.write(_COPY_TAIL)


def _copy_statement(table: sql.Composable, frame: pd.DataFrame, form: str) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})").format(table, columns, sql.SQL(form))


def _bytes(value: bytes) -> pa.Scalar:
    return pa.scalar(value, pa.large_binary())


def _field(column: pd.Series, kind: str) -> list[pa.Array | pa.Scalar]:
    """Length and bytes of each value; the length of a missing one is -1."""
    if column.dtype.kind in "iu":
        return [_bytes((4).to_bytes(4, "big")), _words(column.to_numpy(), ">i4")]
    if column.dtype.kind == "b":
        return [_bytes((1).to_bytes(4, "big")), _words(column.to_numpy(), ">i1")]
    if column.dtype == object:
        values = pa.array(column, pa.large_binary(), from_pandas=True)
    else:
        # what was put together from pieces is in chunks
        values = pa.array(column.array, pa.large_string(), from_pandas=True)
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        values = _encoded(values, kind)
    lengths = pc.fill_null(pc.binary_length(values), -1)
    return [_words(lengths.to_numpy(), ">i4"), pc.fill_null(values, b"")]


def _encoded(values: pa.Array, kind: str) -> pa.Array:
    """Texts in the binary form of their type."""
    if kind == "integer":
        return _in_words(pc.cast(values, pa.int32()), ">i4")
    if kind == "date":
        days = pc.cast(pc.cast(values, pa.date32()), pa.int32())
        return _in_words(pc.subtract(days, int(_EPOCH.astype(int))), ">i4")
    if kind == "numeric":
        return _numerics(values)
    values = values.cast(pa.large_binary())
    if kind == "jsonb":
        return pc.binary_join_element_wise(_bytes(b"\x01"), values, _bytes(b""))
    return values


def _in_words(numbers: pa.Array, form: str) -> pa.Array:
    filled = _words(pc.fill_null(numbers, 0).to_numpy(), form)
    return pc.if_else(numbers.is_valid(), filled, pa.scalar(None, pa.large_binary()))


def _numerics(texts: pa.Array) -> pa.Array:
    """Decimal texts as PostgreSQL's numeric, exactly.

    Groups of four digits with a weight: 10 of them, the first of weight 5, and so on. Leading and
    trailing groups of zeros are allowed; the server drops them.
    """
    parts = pc.extract_regex(texts, r"^(?P<minus>-?)(?P<whole>[0-9]+)(?:\.(?P<part>[0-9]+))?$")
    if parts.null_count != texts.null_count:
        raise ValueError("not a decimal")
    is_there = texts.is_valid()
    minus, whole, part = (pc.fill_null(pc.struct_field(parts, i), "") for i in range(3))
    wide = _rounded_up(pc.max(pc.utf8_length(whole)).as_py() or 1)
    long = _rounded_up(pc.max(pc.utf8_length(part)).as_py() or 0)
    digits = pc.binary_join_element_wise(
        pc.utf8_lpad(whole, wide, "0"),
        pc.utf8_rpad(part, long, "0"),
        pa.scalar("", pa.large_string()),
    )
    count = (wide + long) // _GROUP
    text = np.frombuffer(b"".join(d.encode() for d in digits.to_pylist()), np.uint8) - _ZERO
    groups = text.reshape(-1, count, _GROUP).astype(np.int64) @ [1000, 100, 10, 1]
    head = np.empty((len(texts), 4), np.int64)
    head[:, 0] = count
    head[:, 1] = wide // _GROUP - 1
    head[:, 2] = np.where(pc.equal(minus, "-").to_numpy(zero_copy_only=False), _NEGATIVE, 0)
    head[:, 3] = pc.utf8_length(part).to_numpy()
    words = np.concatenate([head, groups], axis=1).astype(">i2")
    data = pa.py_buffer(words.tobytes())
    size = words.shape[1] * 2
    made = pa.Array.from_buffers(pa.binary(size), len(texts), [None, data]).cast(pa.large_binary())
    return pc.if_else(is_there, made, pa.scalar(None, pa.large_binary()))


def _rounded_up(digits: int) -> int:
    return -(-digits // _GROUP) * _GROUP


def _words(numbers: npt.NDArray[Any], form: str) -> pa.Array:
    """Numbers as so many bytes each, the highest first."""
    size = np.dtype(form).itemsize
    data = pa.py_buffer(numbers.astype(form).tobytes())
    return pa.Array.from_buffers(pa.binary(size), len(numbers), [None, data]).cast(
        pa.large_binary()
    )
