"""Whether the files of a shapefile fit together; a reader takes what is missing for empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.feeds.dbf_table import dbf_records

_HEADER = 100
# Lengths are counted in words of two bytes; a record has a header of eight.
_WORD = 2
_RECORD_HEADER = 8


def check_shapefile(path: Path) -> None:
    """Refuse a shapefile that is cut, or whose shapes and records differ in number.

    Shape:  the .shp file, with .shx and .dbf of the same name in any case beside it, in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.shapefile_incomplete, source.shapefile_cut, source.shapefile_counts,
            source.dbf_header, source.dbf_records.
    Source: ESRI Shapefile Technical Description (main file, index file).
    """
    index, table = _beside(path, ".shx"), _beside(path, ".dbf")
    records = dbf_records(table)
    size = path.stat().st_size
    raw = index.read_bytes()[_HEADER:]
    places = np.frombuffer(raw, ">i4", len(raw) // 8 * 2).astype(np.int64).reshape(-1, 2)
    ends = places.sum(axis=1) * _WORD + _RECORD_HEADER
    needed = max(_HEADER, int(ends.max(initial=0)))
    if size < needed:
        raise SourceError("source.shapefile_cut", file=path.name, size=size, needed=needed)
    if len(places) != records:
        raise SourceError(
            "source.shapefile_counts", file=path.name, shapes=len(places), records=records
        )


def _beside(path: Path, suffix: str) -> Path:
    wanted = (path.stem + suffix).casefold()
    for other in path.parent.iterdir():
        if other.name.casefold() == wanted:
            return other
    raise SourceError("source.shapefile_incomplete", file=path.name, missing=suffix)
