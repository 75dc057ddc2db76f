"""Cells of a delivered batch as text, column by column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.text import blank_to_na, is_plain
from pipeline.feeds.batch import RawBatch
from pipeline.feeds.headings import Match


def nothing(index: pd.Index) -> pd.Series:
    """A column without any value.

    Shape:  an index in; a text Series on it out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    return pd.Series(pd.NA, index, dtype="str")


def stripped(text: pd.Series) -> pd.Series:
    """Text without outer spaces, NA where nothing is left.

    Shape:  a text Series in; the same index out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Style 5 (empty is missing).
    """
    return blank_to_na(text if is_plain(text) else text.str.strip())


def delivered(batch: RawBatch, match: Match, name: str) -> pd.Series:
    """The delivered text of a column: the first alias that is filled.

    Shape:  a batch, what its headings mean and the name of a column in; one text per row out.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: none.
    Source: contract of the feed.
    """
    text: pd.Series | None = None
    for position in match.positions.get(name, ()):
        column = stripped(batch.columns[position])
        text = column if text is None else text.fillna(column)
    return nothing(pd.RangeIndex(len(batch.row_number))) if text is None else text


def was_number(batch: RawBatch, match: Match, name: str) -> npt.NDArray[np.bool_]:
    """Which delivered cells were numbers and may have lost digits.

    Shape:  a batch, what its headings mean and the name of a column in; one bool per row out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7.
    """
    result = np.zeros(len(batch.row_number), dtype=bool)
    for position in match.positions.get(name, ()):
        mask = batch.numeric[position]
        if mask is not None:
            result |= mask
    return result
