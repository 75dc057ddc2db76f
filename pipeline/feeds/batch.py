"""What readers hand to cleaning: an opened layer, and batches of delivered rows as text.

Readers write Arrow batches, which travel from one process to another as they are: ``row`` (int32),
a text column ``c<i>`` per heading, where cells may have been numbers a mask ``n<i>``, and where the
layer has shapes ``geom`` (WKB in the county's CRS) and ``rule`` (why a shape has none there);
``seal`` by which a row is known again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from pipeline.feeds.headings import Match
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RULE, SEAL

if TYPE_CHECKING:
    # half of what a reader's process would hold
    import pandas as pd

    from pipeline.feeds.place import Decision

__all__ = ["BATCH_ROWS", "OpenLayer", "RawBatch", "raw_batch"]


@dataclass(frozen=True)
class RawBatch:
    """Some rows of a layer, column by column in the order of the layer's headings.

    ``numeric[i]`` tells which cells of column i were numbers and not text, so that digits may be
    lost; None: none of them. ``geometry`` is in the county's CRS, ``rule`` why a
    shape is not there, empty where it is; ``seals`` as in
    ``pipeline.feeds.sealing``.
    """

    row_number: npt.NDArray[np.int64]
    columns: list[pd.Series]
    numeric: list[npt.NDArray[np.bool_] | None]
    geometry: npt.NDArray[np.object_] | None = None
    rule: npt.NDArray[np.object_] | None = None
    seals: list[bytes] | None = None


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
    ignored_lines: list[int] = field(default_factory=list)


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
    geometry = None
    if GEOMETRY in names:
        wkb = np.asarray(batch.column(GEOMETRY).to_numpy(zero_copy_only=False), dtype=object)
        geometry = np.asarray(shapely.from_wkb(wkb), dtype=object)
    rule = None
    if RULE in names:
        rule = np.asarray(batch.column(RULE).to_numpy(zero_copy_only=False), dtype=object)
    seals = batch.column(SEAL).to_pylist() if SEAL in names else None
    number = batch.column("row").to_numpy().astype(np.int64)
    return RawBatch(number, columns, numeric, geometry, rule, seals)
