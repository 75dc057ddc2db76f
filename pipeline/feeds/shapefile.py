"""The files of a shapefile against each other: none may promise what another does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.errors import SourceError
from pipeline.feeds.discover import sidecar
from pipeline.feeds.xbase import read_dbf_header

_HEADER = 100
_FILE_CODE = 9994
_NULL, _POINTS, _WITH_BOX = 0, (1, 11, 21), (3, 5, 8, 13, 15, 18, 23, 25, 28, 31)
_BOX_AT, _BOX_BYTES = 12, 32
_POINT_BYTES = 16
_PIECE_BYTES = 1 << 23

_Boxes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ShapefileParts:
    """How many records there are, and the box of each as the file states it; NaN without shape."""

    count: int
    boxes: _Boxes


def check_parts(path: Path) -> ShapefileParts:
    """Hold .shp, .shx and .dbf against each other; nothing is read but their headers and index.

    Shape:  the .shp file in; boxes (n, 4) in the order of the records out.
    Units:  those of the layer.
    CRS:    the layer's.
    Errors: SourceError: source.shapefile_incomplete (a file is missing), source.shapefile_cut,
            source.shapefile_counts (the table has another number of records),
            source.shapefile_damaged (no shapefile, or index and records say different lengths),
            and those of ``read_dbf_header``.
    Source: ESRI Shapefile Technical Description (1998): main file, index, dBASE table.
    """
    index_file = sidecar(path, ".shx")
    if index_file is None:
        raise SourceError("source.shapefile_incomplete", file=path.name, missing=".shx")
    for file in (path, index_file):
        with file.open("rb") as handle:
            head = handle.read(_HEADER)
        if len(head) < _HEADER or int.from_bytes(head[:4], "big") != _FILE_CODE:
            raise _damaged(path, file.name)
    size = path.stat().st_size
    entries = np.fromfile(index_file, ">i4", offset=_HEADER)
    if len(entries) % 2:
        raise _damaged(path, index_file.name)
    index = entries.reshape(-1, 2).astype(np.int64) * 2
    start, length = index[:, 0], index[:, 1]
    needed = int((start + 8 + length).max(initial=_HEADER))
    if needed > size:
        raise SourceError("source.shapefile_cut", file=path.name, size=size, needed=needed)
    if ((start < _HEADER) | (length < 4)).any():
        raise _damaged(path, index_file.name)
    _check_table(path, len(index))
    if len(index) == 0:
        return ShapefileParts(0, np.empty((0, 4)))
    boxes = np.full((len(index), 4), np.nan)
    order = np.argsort(start, kind="stable")
    with path.open("rb") as handle:
        for chosen in _pieces(order, start):
            first = int(start[chosen[0]])
            handle.seek(first)
            data = np.frombuffer(handle.read(int((start + 8 + length)[chosen].max()) - first), "u1")
            boxes[chosen] = _boxes(path, data, start[chosen] - first, length[chosen])
    return ShapefileParts(len(index), boxes)


def _pieces(
    order: npt.NDArray[np.int64], start: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.int64]]:
    """Records in the order of the file, so many that they are read at once."""
    at = 0
    begins = start[order]
    while at < len(order):
        stop = max(at + 1, int(np.searchsorted(begins, begins[at] + _PIECE_BYTES)))
        yield order[at:stop]
        at = stop


def _check_table(path: Path, count: int) -> None:
    table = sidecar(path, ".dbf")
    if table is None:
        raise SourceError("source.shapefile_incomplete", file=path.name, missing=".dbf")
    records = read_dbf_header(table).record_count
    if records != count:
        raise SourceError("source.shapefile_counts", file=path.name, shapes=count, records=records)


def _boxes(
    path: Path,
    data: npt.NDArray[np.uint8],
    start: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
) -> _Boxes:
    told = _at(data, start + 4, 4).view(">i4").ravel().astype(np.int64) * 2
    if (told != length).any():
        raise _damaged(path, path.name)
    kind = _at(data, start + 8, 4).view("<i4").ravel()
    boxes = np.full((len(start), 4), np.nan)
    has_box = np.isin(kind, _WITH_BOX) & (length >= 4 + _BOX_BYTES)
    boxes[has_box] = _at(data, start[has_box] + _BOX_AT, _BOX_BYTES).view("<f8")
    is_point = np.isin(kind, _POINTS) & (length >= 4 + _POINT_BYTES)
    points = _at(data, start[is_point] + _BOX_AT, _POINT_BYTES).view("<f8")
    boxes[is_point] = np.hstack([points, points])
    return boxes


def _at(
    data: npt.NDArray[np.uint8], places: npt.NDArray[np.int64], size: int
) -> npt.NDArray[np.uint8]:
    """So many bytes from each place."""
    return np.ascontiguousarray(data[places[:, None] + np.arange(size)])


def _damaged(path: Path, part: str) -> SourceError:
    return SourceError("source.shapefile_damaged", file=path.name, part=part)
