"""Seals of delivered rows: a hash of all that cleaning looks at, by which a row is known again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.opened import DRAWN_TEXTS, GEOMETRY, SEAL

# Columns of cells, and of which cells were numbers.
_CELL = re.compile("[cn][0-9]+")
_MISSING = "\x1d"
_NEXT = "\x1f"
_SIZE = 16
_RULE = DRAWN_TEXTS[0]


@cache
def _program() -> str:
    """Hash of the program that cleans: another one looks at everything anew."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in ("domain", "feeds"):
        for file in sorted((package / part).glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def context_of(layer: OpenLayer, contract_hash: str) -> bytes:
    """All that cleaning takes from elsewhere than the row: program, contract, headings, units, CRS.

    Shape:  an opened layer and the hash of its contract and county in; 16 bytes out.
    Units:  none.
    CRS:    part of it.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    match = layer.match
    said = repr(
        (
            contract_hash,
            layer.headings,
            sorted(match.positions.items()),
            sorted(match.units.items()),
            layer.crs,
            layer.encoding,
            layer.is_spreadsheet,
            layer.has_geometry,
            _program(),
        )
    )
    return hashlib.blake2b(said.encode(), digest_size=_SIZE).digest()


def sealed(batches: Iterable[pa.RecordBatch], context: bytes) -> Iterator[pa.RecordBatch]:
    """Batches of a reader, each with the seals of its rows.

    Shape:  batches and their context in; the batches with a column more out.
    Units:  as delivered.
    CRS:    the county's.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    for batch in batches:
        seals = pa.array(seals_of(batch, context), pa.binary(_SIZE))
        yield batch.append_column(SEAL, seals)


def seals_of(batch: pa.RecordBatch, context: bytes) -> list[bytes]:
    """Seal each delivered row: its cells, which of them were numbers, its shape.

    Shape:  a batch of a reader and its context in; 16 bytes per row out.
    Units:  as delivered.
    CRS:    the county's.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    cells: list[pa.Array] = []
    for name in batch.schema.names:
        column = batch.column(name)
        if _CELL.fullmatch(name) and name.startswith("c"):
            # with its length before it no text can be taken for two
            cells += [pc.binary_length(column).cast(pa.string()), column]
        elif _CELL.fullmatch(name):
            cells.append(pc.if_else(column, "n", "t"))
    if _RULE in batch.schema.names:
        cells.append(batch.column(_RULE))
    if not cells:
        cells = [pa.array([""] * batch.num_rows, pa.string())]
    joined = pc.binary_join_element_wise(
        *(cell.cast(pa.large_string()) for cell in cells),
        pa.scalar(_NEXT, pa.large_string()),
        null_handling="replace",
        null_replacement=_MISSING,
    )
    texts = _pieces(joined.cast(pa.large_binary()))
    start = hashlib.blake2b(context, digest_size=_SIZE)
    shapes: list[memoryview | None] = [None] * batch.num_rows
    if GEOMETRY in batch.schema.names:
        shapes = _pieces(batch.column(GEOMETRY).cast(pa.large_binary()))
    seals: list[bytes] = []
    for text, shape in zip(texts, shapes, strict=True):
        digest = start.copy()
        digest.update(text or b"")
        if shape is not None:
            digest.update(b"\x1c")
            digest.update(shape)
        seals.append(digest.digest())
    return seals


def _pieces(column: pa.Array) -> list[memoryview | None]:
    """The bytes of each value, without a copy."""
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8).tolist()
    view = memoryview(data if data is not None else b"")
    pieces: list[memoryview | None] = [view[start:end] for start, end in pairwise(places)]
    for place in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        pieces[place] = None
    return pieces
