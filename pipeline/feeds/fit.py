"""A layer of a file against its contract: headings, kind of shape, CRS; cells as text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from pipeline.errors import SourceError
from pipeline.feeds.batch import OpenLayer, drawn_columns
from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.curves import COLLECTION, CURVED, straightened
from pipeline.feeds.geometry import clean_points, clean_polygons, drawn_from, shapes_from_wkb
from pipeline.feeds.headings import match_headings, missing_in_words
from pipeline.feeds.opened import GEOMETRY, RawLayer
from pipeline.feeds.place import Decision, Known, decide_crs

_SAFE_DIGITS = 15
# So many boxes, evenly taken, tell where a layer lies.
_JUDGED = 20_000
_KINDS = {"polygon": ("Polygon", "MultiPolygon"), "point": ("Point",), "none": ()}
_EITHER = {"Unknown", "GeometryCollection", "CurvePolygon", "MultiSurface"}
# order of bytes, then the kind
_WKB_START = 5
_NO_KIND = b"\x01\x01\0\0\0"


def fit(
    raw: RawLayer, contract: Contract, county: County, file: str, known: Known | None = None
) -> OpenLayer:
    """Find the contract's columns in a layer, and the way to the county's CRS.

    ``known`` is where land lies that is held already.

    Shape:  a RawLayer in; an OpenLayer out, rows numbered from 1 in the order of the file.
    Units:  as delivered.
    CRS:    the layer's or the contract's in; the county's out, rounded to 0.0001 m.
    Errors: SourceError: source.column_missing, source.no_geometry, source.empty; CrsError of
            ``decide_crs``.
    Source: contract of the feed.
    """
    match = match_headings(contract, [(name,) for name in raw.fields], cut_in=raw.names_encoding)
    if match.missing:
        raise SourceError(
            "source.column_missing",
            file=file,
            layer=raw.name,
            feed=contract.feed,
            columns=missing_in_words(contract, match),
            found=", ".join(raw.fields),
        )
    _refuse_other_kind(raw, contract, file)
    first = next(raw.batches, None)
    if first is None:
        raise SourceError("source.empty", file=file, layer=raw.name)
    decision = None
    if contract.geometry != "none" and raw.has_geometry:
        decision = decide_crs(
            _some_boxes(raw, first),
            raw.crs,
            county,
            file=file,
            layer=raw.name,
            contract_crs=contract.crs,
            known=known,
            is_default=raw.is_default_crs,
        )
        raw.notes += [(note.code, dict(note.params)) for note in decision.notes]
    return OpenLayer(
        name=raw.name,
        headings=raw.fields,
        match=match,
        batches=_batches(
            raw, first, None if decision is None else _Drawer(decision, contract, county)
        ),
        row_total=raw.row_total,
        crs=None if decision is None else decision.label,
        crs_from=None if decision is None else decision.how,
        encoding=raw.encoding,
        has_geometry=decision is not None,
        notes=raw.notes,
        row_issues=raw.row_issues,
    )


def _some_boxes(raw: RawLayer, first: pa.RecordBatch) -> npt.NDArray[np.float64]:
    """Boxes by which the layer's place is judged: from all over it where the file states them."""
    if raw.boxes is not None:
        return raw.boxes[:: max(1, len(raw.boxes) // _JUDGED)]
    return np.asarray(shapely.bounds(shapes_of(first.column(GEOMETRY))), dtype=np.float64)


def _refuse_other_kind(raw: RawLayer, contract: Contract, file: str) -> None:
    # "Polygon Z", "3D Polygon", "MultiPolygon M": the kind is what matters
    found = raw.geometry_type or "-"
    kind = found
    for dimension in ("2.5D ", "3D Measured ", "3D ", "Measured "):
        kind = kind.removeprefix(dimension)
    kind = kind.split(" ")[0]
    if contract.geometry_required and kind not in {*_KINDS[contract.geometry], *_EITHER}:
        raise SourceError(
            "source.no_geometry",
            file=file,
            layer=raw.name,
            feed=contract.feed,
            wanted=contract.geometry,
            found=found,
        )


class _Drawer:
    """Brings shapes into the county's CRS and makes them fit to store."""

    def __init__(self, decision: Decision, contract: Contract, county: County) -> None:
        self.decision, self.county = decision, county
        self.is_point = contract.geometry == "point"
        self.limits = contract.repair

    def __call__(self, column: pa.Array) -> dict[str, pa.Array]:
        delivered = shapes_of(column)
        placed = self.decision.place(delivered)
        if self.is_point:
            return drawn_columns(
                drawn_from(clean_points(placed.shapes, self.county), told=placed.rule)
            )
        raw = None
        if all(one is other for one, other in zip(placed.shapes, delivered, strict=True)):
            raw = np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
        shapes = clean_polygons(placed.shapes, self.county, self.limits)
        return drawn_columns(drawn_from(shapes, raw, placed.rule))


def _batches(
    raw: RawLayer, first: pa.RecordBatch, drawer: _Drawer | None
) -> Iterator[pa.RecordBatch]:
    start = 1
    for batch in chain([first], raw.batches):
        number = np.arange(start, start + batch.num_rows, dtype=np.int32)
        names, columns = ["row"], [pa.array(number)]
        for i in range(len(raw.fields)):
            text, is_number = as_text(batch.column(i))
            names.append(f"c{i}")
            columns.append(text)
            if is_number:
                names.append(f"n{i}")
                columns.append(pa.array(np.full(batch.num_rows, fill_value=True)))
        if drawer is not None:
            drawn = drawer(batch.column(GEOMETRY))
            names += drawn
            columns += drawn.values()
        yield pa.RecordBatch.from_arrays(columns, names)
        start += batch.num_rows


def as_text(column: pa.Array) -> tuple[pa.Array, bool]:
    """A column as text, and whether it was a binary fraction.

    Shape:  one Arrow array in; a text array of the same length out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 7 (file habits): numbers that are codes.
    """
    kind = column.type
    is_fraction = pa.types.is_floating(kind)
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if is_fraction:
        column = _plain_numbers(column.cast(pa.float64()))
    elif pa.types.is_timestamp(kind):
        column = pc.strftime(column, "%Y-%m-%d")
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column = pa.nulls(len(column), pa.string())
    elif pa.types.is_nested(kind):
        column = pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    elif not pa.types.is_string(kind):
        column = column.cast(pa.string())
    return column, is_fraction


def _plain_numbers(column: pa.Array) -> pa.Array:
    """Numbers as text; whole ones without a point or an exponent as far as digits are certain."""
    limit = 10.0**_SAFE_DIGITS
    is_whole = pc.and_(
        pc.equal(pc.floor(column), column), pc.less(pc.abs(column), pa.scalar(limit))
    )
    is_whole = pc.fill_null(is_whole, fill_value=False)
    whole = pc.if_else(is_whole, column, pa.scalar(None, pa.float64())).cast(pa.int64())
    text = pc.if_else(is_whole, whole.cast(pa.string()), column.cast(pa.string()))
    is_number = pc.fill_null(pc.is_finite(column), fill_value=False)
    return pc.if_else(is_number, text, pa.scalar(None, pa.string()))


def shapes_of(column: pa.Array) -> npt.NDArray[np.object_]:
    """Shapes as delivered; None where there is none, or one that cannot be built.

    Shape:  an Arrow array of WKB in; as many shapes out, arcs as straight pieces.
    Units:  none.
    CRS:    the layer's.
    Errors: none.
    Source: OGC 06-103r4, 8.2 (well-known binary).
    """
    raw = np.array(column.to_numpy(zero_copy_only=False), dtype=object)
    # codes of kinds count points with heights and measures from 1000 up
    is_whole = pc.greater_equal(pc.binary_length(column), _WKB_START)
    kind = pc.binary_slice(pc.if_else(is_whole, column, _NO_KIND), 1, _WKB_START)
    kind = pc.fill_null(kind.cast(pa.binary(4)), _NO_KIND[1:])
    codes = np.frombuffer(kind.buffers()[1], "<u4", len(kind), kind.offset * 4)
    codes = (codes & 0x1FFFFFFF) % 1000
    # a collection may hold what is not plain
    for place in np.flatnonzero(codes >= COLLECTION):
        # what has no straight form is no shape; the row then says so
        is_known = codes[place] in (COLLECTION, *CURVED)
        raw[place] = straightened(raw[place]) if is_known else None
    return shapes_from_wkb(raw)
