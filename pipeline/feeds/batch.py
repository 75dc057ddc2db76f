"""What readers hand to cleaning: an opened layer, and batches of delivered rows as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.feeds.headings import Match

BATCH_ROWS = 8_192


@dataclass(frozen=True)
class RawBatch:
    """Some rows of a layer, column by column in the order of the layer's headings.

    ``numeric[i]`` tells which cells of column i were numbers and not text, so that digits may be
    lost; None: none of them. ``geometry`` is in the county's CRS.
    """

    row_number: npt.NDArray[np.int64]
    columns: list[pd.Series]
    numeric: list[npt.NDArray[np.bool_] | None]
    geometry: npt.NDArray[np.object_] | None = None


@dataclass
class OpenLayer:
    """A layer or sheet that was opened and found to fit its contract."""

    name: str
    headings: list[str]
    match: Match
    batches: Iterator[RawBatch]
    row_total: int | None = None
    crs: str | None = None
    encoding: str | None = None
    is_spreadsheet: bool = False
    has_geometry: bool = False
    # lines of a table that are no records: titles, totals, notes
    ignored_lines: list[int] = field(default_factory=list)
