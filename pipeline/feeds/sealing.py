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
_MISSING = b"\x1d"
_NEXT = b"\x1f"
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
    parts = [cell.cast(pa.large_binary()) for cell in cells]
    if GEOMETRY in batch.schema.names:
        # of fixed place and behind all texts: nothing else can look like it
        parts.append(batch.column(GEOMETRY).cast(pa.large_binary()))
    joined = pc.binary_join_element_wise(
        *parts,
        pa.scalar(_NEXT, pa.large_binary()),
        null_handling="replace",
        null_replacement=_MISSING,
    )
    _, offsets, data = joined.buffers()
    view = memoryview(data)
    ends = np.frombuffer(offsets, np.int64, len(joined) + 1, joined.offset * 8).tolist()
    blake2b = hashlib.blake2b
    return [
        blake2b(view[start:end], digest_size=_SIZE, key=context).digest()
        for start, end in pairwise(ends)
    ]
