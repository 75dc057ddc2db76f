"""A drawing (DXF): its closed polylines are the shapes, all else is counted and left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from pipeline.errors import SourceError
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RawLayer
from pipeline.feeds.paths import plain_path
from pipeline.feeds.vector import unreadable

_LINE_LIMIT = 1 << 16
# What GDAL calls encodings that Python calls otherwise.
_GDAL_NAMES = {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "gb18030": "GB18030", "big5hkscs": "BIG5"}
_FIELDS = ["Layer", "Linetype", "EntityHandle"]
# Drawings before release 13 do not say what an entity is; a polyline has vertices that follow.
_VERTICES_FOLLOW = r"^66\s+1$"
_RING_POINTS = 4
# Degrees of an arc that become one straight piece. GDAL's own 4 lose 0.08 % of a half circle's
# area, which is as much as areas may differ; 1 loses 0.005 %.
_ARC_STEP = {"OGR_ARC_STEPSIZE": 1}


@dataclass
class _Counts:
    """What was found besides closed polylines."""

    open: int = 0
    text: int = 0
    other: int = 0
    paper: int = 0
    polylines: int = 0

    def notes(self) -> list[tuple[str, dict[str, object]]]:
        """One note for each kind that occurred."""
        return [
            (f"note.drawing_{name}", {"count": count})
            for name, count in vars(self).items()
            if count and name != "polylines"
        ]


@contextmanager
def open_drawing(path: Path, declared: str = "auto") -> Iterator[RawLayer]:
    """Open a DXF and read its closed polylines as polygons; arcs in them are stroked.

    A polyline is closed when it says so or ends where it begins. Open ones, texts (also those inside
    a polygon), blocks, circles, hatches and what lies in paper space are counted in ``notes``.

    Shape:  a file in; a RawLayer out, with the columns Layer, Linetype and EntityHandle. The number
            of rows is not known before they are read.
    Units:  those of the drawing, which does not name them.
    CRS:    None: a drawing does not say it. x is easting, as drawn.
    Errors: SourceError: source.unreadable, source.encoding, source.drawing_damaged (with the line).
    Source: docs/sources.md, 7 (file habits): closed polylines only; AutoCAD DXF reference.
    """
    encoding, expected = _inspected(path, declared)
    pyogrio.set_gdal_config_options(_ARC_STEP)
    try:
        with (
            plain_path(path) as opened,
            pyogrio.open_arrow(
                opened,
                use_pyarrow=True,
                batch_size=BATCH_ROWS,
                ENCODING=_GDAL_NAMES.get(encoding, encoding),
                INCLUDE_RAW_CODE_VALUES=True,
            ) as (meta, reader),
        ):
            layer = RawLayer(
                name=path.stem,
                fields=list(_FIELDS),
                batches=iter(()),
                has_geometry=True,
                geometry_type="Polygon",
                crs=None,
                row_total=None,
            )
            layer.batches = _batches(path, reader, meta, layer, expected)
            yield layer
    except (DataSourceError, DataLayerError, pa.ArrowInvalid) as error:
        raise unreadable(path, error) from error
    finally:
        pyogrio.set_gdal_config_options(dict.fromkeys(_ARC_STEP))


def _inspected(path: Path, declared: str) -> tuple[str, int]:
    """The encoding by all bytes, as the header often tells that of the machine; the polylines.

    GDAL stops without a word where a group cannot be read, so that is looked at before.
    """
    encoding = text_encoding(path, declared).values
    with path.open(encoding=encoding) as text:
        return encoding, _polylines(path, text)


def _polylines(path: Path, text: TextIO) -> int:
    """The number of polylines that say what they are and have a point; broken groups are refused."""
    count, section, kind = 0, "", ""
    is_polyline = False
    for code, value in _groups(path, text):
        if code == 0:
            kind = value
            # corners of an older polyline follow as entities of their own
            count += is_polyline and kind == "VERTEX"
            is_polyline = False
        elif code == 2 and kind == "SECTION":
            section = value
        elif code == 100 and section == "ENTITIES":
            is_polyline = value.endswith("Polyline")
        elif code == 10 and kind == "LWPOLYLINE":
            count += is_polyline
            is_polyline = False
    return count


def _groups(path: Path, text: TextIO) -> Iterator[tuple[int, str]]:
    """Code and value of each group up to EOF."""
    line = 1
    while True:
        code, value = text.readline(_LINE_LIMIT).strip(), text.readline(_LINE_LIMIT)
        # the end of the file comes after the end of the drawing, not before
        if not code.isdigit() or not value:
            raise SourceError("source.drawing_damaged", file=path.name, line=line)
        if code == "0" and value.strip() == "EOF":
            return
        yield int(code), value.strip()
        line += 2


def _batches(
    path: Path,
    reader: pa.RecordBatchReader,
    meta: dict[str, Any],
    layer: RawLayer,
    expected: int,
) -> Iterator[pa.RecordBatch]:
    counts = _Counts()
    geometry_name = meta["geometry_name"] or "wkb_geometry"
    try:
        for batch in reader:
            shapes = shapely.from_wkb(
                batch.column(geometry_name).to_numpy(zero_copy_only=False), on_invalid="ignore"
            )
            is_wanted = _closed_polylines(batch, shapes, counts)
            if not is_wanted.any():
                continue
            kept = batch.filter(pa.array(is_wanted))
            polygons = shapely.polygons(_as_rings(shapes[is_wanted]))
            columns = [kept.column(name).cast(pa.string()) for name in _FIELDS]
            wkb = pa.array(shapely.to_wkb(polygons), pa.binary())
            yield pa.record_batch([*columns, wkb], names=[*_FIELDS, GEOMETRY])
    except (DataSourceError, DataLayerError, pa.ArrowInvalid) as error:
        raise unreadable(path, error) from error
    if counts.polylines < expected:
        reason = f"{counts.polylines} of {expected} polylines"
        raise SourceError("source.unreadable", file=path.name, reason=reason)
    layer.notes.extend(counts.notes())


def _as_rings(lines: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Closed lines as rings, in the plane: the heights of a boundary do not matter."""
    coordinates, places = shapely.get_coordinates(lines, return_index=True)
    return np.asarray(shapely.linearrings(coordinates, indices=places), dtype=object)


def _closed_polylines(
    batch: pa.RecordBatch, shapes: npt.NDArray[np.object_], counts: _Counts
) -> npt.NDArray[np.bool_]:
    """Which entities are closed polylines of the model; the others are counted."""
    kinds = batch.column("SubClasses")
    named = pc.fill_null(pc.ends_with(kinds, "Polyline"), fill_value=False)
    is_polyline = _bools(named) | (_bools(pc.is_null(kinds)) & _old_polylines(batch))
    is_line = shapely.get_type_id(shapes) == shapely.GeometryType.LINESTRING
    is_closed = (
        is_line & shapely.is_closed(shapes) & (shapely.get_num_points(shapes) >= _RING_POINTS)
    )
    is_text = _bools(pc.is_valid(batch.column("Text")))
    in_paper = _bools(pc.fill_null(batch.column("PaperSpace").cast(pa.bool_()), fill_value=False))
    counts.polylines += int(_bools(named).sum())
    counts.paper += int(in_paper.sum())
    counts.open += int((~in_paper & is_polyline & ~is_closed).sum())
    counts.text += int((~in_paper & ~is_polyline & is_text).sum())
    counts.other += int((~in_paper & ~is_polyline & ~is_text).sum())
    found: npt.NDArray[np.bool_] = ~in_paper & is_polyline & is_closed
    return found


def _old_polylines(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Which entities say that vertices follow."""
    raw = batch.column("RawCodeValues")
    found = np.zeros(batch.num_rows, dtype=bool)
    says_so = _bools(pc.match_substring_regex(pc.list_flatten(raw), _VERTICES_FOLLOW))
    found[np.asarray(pc.list_parent_indices(raw))[says_so]] = True
    return found


def _bools(column: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
