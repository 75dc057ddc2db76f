"""A layer of a file against its contract: headings, kind of shape, CRS; cells as text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.crs import Reprojection, check_place, is_same_plane, reprojection
from pipeline.feeds.curves import CURVED, straightened
from pipeline.feeds.headings import match_headings, missing_in_words
from pipeline.feeds.opened import GEOMETRY, RawLayer

_SAFE_DIGITS = 15
_KINDS = {"polygon": ("Polygon", "MultiPolygon"), "point": ("Point",), "none": ()}
_EITHER = {"Unknown", "GeometryCollection", "CurvePolygon", "MultiSurface"}
_PLAIN = 7  # the highest kind that every reader knows: a collection


def fit(raw: RawLayer, contract: Contract, county: County, file: str) -> OpenLayer:
    """Find the contract's columns in a layer, and the way to the county's CRS.

    Shape:  a RawLayer in; an OpenLayer out, rows numbered from 1 in the order of the file.
    Units:  as delivered.
    CRS:    the layer's or the contract's in; the county's out, rounded to 0.0001 m.
    Errors: SourceError: source.column_missing, source.no_geometry; CrsError: source.no_crs,
            source.wrong_crs, source.old_datum, source.other_crs.
    Source: contract of the feed.
    """
    match = match_headings(contract, [(name,) for name in raw.fields], cut_in=raw.encoding)
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
    way = _way(raw, contract, county, file)
    return OpenLayer(
        name=raw.name,
        headings=raw.fields,
        match=match,
        batches=_batches(raw, way, file),
        row_total=raw.row_total,
        crs=None if way is None else way.label,
        encoding=raw.encoding,
        has_geometry=way is not None,
        notes=raw.notes,
    )


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


def _way(raw: RawLayer, contract: Contract, county: County, file: str) -> Reprojection | None:
    """The way to the county's CRS, None where the contract wants no geometry or there is none."""
    if contract.geometry == "none" or not raw.has_geometry:
        return None
    if contract.crs == "file":
        return reprojection(raw.crs, county, file=file, layer=raw.name)
    way = reprojection(contract.crs, county, file=file, layer=raw.name)
    if raw.crs:
        own = reprojection(raw.crs, county, file=file, layer=raw.name)
        if not is_same_plane(own.source, way.source):
            raise CrsError(
                "source.other_crs", file=file, layer=raw.name, crs=own.label, contract=way.label
            )
    return way


def _batches(raw: RawLayer, way: Reprojection | None, file: str) -> Iterator[pa.RecordBatch]:
    start = 1
    for batch in raw.batches:
        number = np.arange(start, start + batch.num_rows, dtype=np.int32)
        names, columns = ["row"], [pa.array(number)]
        for i in range(len(raw.fields)):
            text, is_number = as_text(batch.column(i))
            names.append(f"c{i}")
            columns.append(text)
            if is_number:
                names.append(f"n{i}")
                columns.append(pa.array(np.full(batch.num_rows, fill_value=True)))
        if way is not None:
            delivered = shapes_of(batch.column(GEOMETRY))
            if start == 1:
                bounds = shapely.bounds(delivered)
                centres = (bounds[:, :2] + bounds[:, 2:]) / 2
                check_place(way, centres, file=file, layer=raw.name)
            shapes = shapely.transform(delivered, way)
            names.append(GEOMETRY)
            columns.append(pa.array(shapely.to_wkb(shapes), pa.binary()))
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
    kind = pc.fill_null(pc.binary_slice(column, 1, 5).cast(pa.binary(4)), b"\x07\0\0\0")
    codes = np.frombuffer(kind.buffers()[1], "<u4", len(kind), kind.offset * 4)
    codes = (codes & 0x1FFFFFFF) % 1000
    for place in np.flatnonzero(codes > _PLAIN):
        # what has no straight form is no shape; the row then says so
        raw[place] = straightened(raw[place]) if codes[place] in CURVED else None
    return np.asarray(shapely.from_wkb(raw, on_invalid="ignore"), dtype=object)
