"""What readers hand to cleaning: an opened layer, and batches of delivered rows as text.

Readers write Arrow batches, which travel from one process to another as they are: ``row`` (int32),
a text column ``c<i>`` per heading, where cells may have been numbers a mask ``n<i>``; where the layer
has shapes ``geom`` (WKB in the county's CRS, before any repair) and what was found of them (``Drawn``);
``seal`` by which a row is known again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.feeds.geometry import Drawn
from pipeline.feeds.headings import Match
from pipeline.feeds.opened import (
    BATCH_ROWS,
    DRAWN_NUMBERS,
    DRAWN_TEXTS,
    GEOMETRY,
    GIVEN,
    SEAL,
    STORED,
)

if TYPE_CHECKING:
    # half of what a reader's process would hold
    import pandas as pd

    from pipeline.feeds.place import Decision

__all__ = ["BATCH_ROWS", "IgnoredLines", "OpenLayer", "RawBatch", "drawn_columns", "raw_batch"]

# So many lines that are no records are told by number; a file may have any number of them.
_LISTED_LINES = 50


@dataclass(frozen=True)
class RawBatch:
    """Some rows of a layer, column by column in the order of the layer's headings.

    ``numeric[i]`` tells which cells of column i were numbers and not text, so that digits may be
    lost; None: none of them. ``drawn`` are the shapes; ``seals`` as in ``pipeline.feeds.sealing``.
    """

    row_number: npt.NDArray[np.int64]
    columns: list[pd.Series]
    numeric: list[npt.NDArray[np.bool_] | None]
    drawn: Drawn | None = None
    seals: list[bytes] | None = None


@dataclass
class IgnoredLines:
    """Lines of a table that are no records: how many, and the numbers of the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, number: int) -> None:
        """Count a line."""
        self.count += 1
        if len(self.first) < _LISTED_LINES:
            self.first.append(number)


@dataclass
class OpenLayer:
    """A layer or sheet that was opened and found to fit its contract.

    ``notes`` are codes of messages with their parameters: what was decided about the file.
    """

    name: str
    headings: list[str]
    match: Match
    batches: Iterator[pa.RecordBatch]
    row_total: int | None = None
    crs: str | None = None
    # who says so: file, contract, coordinates, place
    crs_from: str | None = None
    encoding: str | None = None
    is_spreadsheet: bool = False
    # whether its dates count from 1904
    dates_1904: bool = False
    has_geometry: bool = False
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    # of single rows, by number: why they cannot be used as they are; complete after the last batch
    row_issues: list[tuple[int, str, dict[str, object]]] = field(default_factory=list)
    # how points from two columns are read, once one of them was
    points: list[Decision] = field(default_factory=list)
    # lines of a table that are no records: titles, totals, notes; complete after the last batch
    ignored_lines: IgnoredLines = field(default_factory=IgnoredLines)


def raw_batch(batch: pa.RecordBatch, width: int) -> RawBatch:
    """Look at an Arrow batch of a reader as cleaning does.

    Shape:  a batch and the number of headings in; a RawBatch out.
    Units:  none.
    CRS:    the county's, in and out.
    Errors: none.
    Source: docs/decisions/0014-readers-have-a-process.md.
    """
    import pandas as pd

    names = set(batch.schema.names)
    columns = [pd.Series(batch.column(f"c{i}").to_pandas(), dtype="str") for i in range(width)]
    numeric = [
        np.asarray(batch.column(f"n{i}").to_numpy(zero_copy_only=False), dtype=bool)
        if f"n{i}" in names
        else None
        for i in range(width)
    ]
    drawn = _drawn(batch) if GEOMETRY in names else None
    seals = batch.column(SEAL).to_pylist() if SEAL in names else None
    number = batch.column("row").to_numpy().astype(np.int64)
    return RawBatch(number, columns, numeric, drawn, seals)


def _drawn(batch: pa.RecordBatch) -> Drawn:
    def objects(name: str) -> npt.NDArray[np.object_]:
        return np.array(batch.column(name).to_numpy(zero_copy_only=False), dtype=object)

    def numbers(name: str) -> npt.NDArray[np.float64]:
        return np.asarray(batch.column(name).to_numpy(), dtype=np.float64)

    delivered = objects(GEOMETRY)
    rule, problem, reason = map(objects, DRAWN_TEXTS)
    before, after, x, y = map(numbers, DRAWN_NUMBERS)
    stored, odd = delivered.copy(), rule != ""
    stored[odd] = objects(STORED)[odd]
    middle = np.column_stack([x, y])
    return Drawn(delivered, stored, objects(GIVEN), rule, problem, reason, before, after, middle)


def drawn_columns(drawn: Drawn) -> dict[str, pa.Array]:
    """Columns of a batch that hold what was found of its shapes.

    Shape:  n shapes in; columns of n values by their names out.
    Units:  areas in m2.
    CRS:    the county's.
    Errors: none.
    Source: docs/decisions/0014-readers-have-a-process.md.
    """
    # nearly all are stored as they were delivered
    stored = drawn.stored.copy()
    stored[drawn.rule == ""] = None
    columns = {
        GEOMETRY: pa.array(drawn.delivered, pa.binary()),
        STORED: pa.array(stored, pa.binary()),
        GIVEN: pa.array(drawn.given, pa.binary()),
    }
    texts = (drawn.rule, drawn.problem, drawn.reason)
    columns |= {
        name: pa.array(values, pa.string()) for name, values in zip(DRAWN_TEXTS, texts, strict=True)
    }
    numbers = (drawn.area_before, drawn.area_after, drawn.middle[:, 0], drawn.middle[:, 1])
    return columns | {
        name: pa.array(values, pa.float64())
        for name, values in zip(DRAWN_NUMBERS, numbers, strict=True)
    }
