"""Parquet and GeoParquet, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from pipeline.errors import SourceError
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RawLayer, require_few_columns, unique_names

# GeoParquet 1.0 and 1.1: what a missing crs means.
_DEFAULT_CRS = "OGC:CRS84"
_NATIVE = {
    "point": shapely.GeometryType.POINT,
    "linestring": shapely.GeometryType.LINESTRING,
    "polygon": shapely.GeometryType.POLYGON,
    "multipoint": shapely.GeometryType.MULTIPOINT,
    "multilinestring": shapely.GeometryType.MULTILINESTRING,
    "multipolygon": shapely.GeometryType.MULTIPOLYGON,
}
# How deep the lists of each lie.
_DEPTH = {"point": 0, "linestring": 1, "polygon": 2, "multipoint": 1, "multilinestring": 2}
# What is said of a ring with two points, or one that is open.
_NO_SHAPE = (shapely.errors.GEOSException, ValueError)
_PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, OverflowError)


@dataclass(frozen=True)
class _Shapes:
    """The column of shapes: its name, and how and in what system they are written."""

    column: str
    encoding: str
    crs: str | None
    types: tuple[str, ...]
    # columns that only repeat the bounds of the shapes
    boxes: frozenset[str]


@contextmanager
def open_parquet(path: Path) -> Iterator[RawLayer]:
    """Open a Parquet file; its shapes are those of the primary column, if it is a GeoParquet.

    Lists and structures become JSON text, bytes that are no shapes become null, other columns of
    shapes are left out.

    Shape:  a file in; a RawLayer out, with batches of up to 4,096 rows and columns of the types of
            the file.
    Units:  as delivered.
    CRS:    that of the file as PROJJSON or WKT, OGC:CRS84 where its metadata do not name one, None
            where they say that it is unknown, or that there is none.
    Errors: SourceError: source.unreadable, source.parquet_encoding (shapes in an encoding other
            than WKB and the six native ones), source.parquet_edges (edges on a sphere).
    Source: GeoParquet 1.1.0 (geo metadata, encodings, crs); the older metadata of GeoPandas 0.8.
    """
    try:
        file = pq.ParquetFile(path)
    except _PARQUET_ERRORS as error:
        raise _unreadable(path, error) from error
    with file:
        yield _layer(path, file)


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SourceError("source.unreadable", file=path.name, reason=reason)


def _layer(path: Path, file: pq.ParquetFile) -> RawLayer:
    schema = file.schema_arrow
    names = schema.names
    require_few_columns(path.name, path.stem, len(names))
    metadata = schema.metadata or {}
    shapes, others = _shapes_of(path, metadata)
    if shapes is not None and shapes.column not in names:
        raise SourceError("source.unreadable", file=path.name, reason=f"no column {shapes.column}")
    left_out = {*others, *_index_columns(metadata)}
    if shapes is not None:
        left_out |= {shapes.column, *shapes.boxes}
    columns = [i for i, name in enumerate(names) if name not in left_out]
    fields = [names[i] for i in columns]
    notes: list[tuple[str, dict[str, object]]] = []
    if others:
        notes.append(("note.parquet_other_shapes", {"columns": ", ".join(sorted(others))}))
    return RawLayer(
        name=path.stem,
        fields=fields,
        batches=_batches(path, file, columns, unique_names(fields), shapes),
        has_geometry=shapes is not None,
        geometry_type=None if shapes is None else _one_type(shapes.types),
        crs=None if shapes is None else shapes.crs,
        row_total=file.metadata.num_rows,
        notes=notes,
    )


def _shapes_of(path: Path, metadata: dict[bytes, bytes]) -> tuple[_Shapes | None, set[str]]:
    """The primary column of shapes, and the names of the others."""
    if b"geo" not in metadata:
        return None, set()
    try:
        geo = json.loads(metadata[b"geo"])
        primary = str(geo["primary_column"])
        columns = dict(geo["columns"])
        about = dict(columns[primary])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError("source.unreadable", file=path.name, reason="geo metadata") from error
    encoding = str(about.get("encoding"))
    if encoding.upper() != "WKB" and encoding not in _NATIVE:
        raise SourceError("source.parquet_encoding", file=path.name, encoding=encoding)
    if about.get("edges", "planar") != "planar":
        raise SourceError("source.parquet_edges", file=path.name, edges=str(about["edges"]))
    types = about.get("geometry_types", about.get("geometry_type", []))
    listed = tuple(map(str, types if isinstance(types, list) else [types]))
    shapes = _Shapes(primary, encoding, _crs_text(about), listed, _boxes(about.get("covering")))
    return shapes, set(columns) - {primary}


def _boxes(covering: object) -> frozenset[str]:
    """The first step of each path to a bound."""
    bounds = covering.get("bbox") if isinstance(covering, dict) else None
    paths = bounds.values() if isinstance(bounds, dict) else ()
    return frozenset(str(path[0]) for path in paths if isinstance(path, list) and path)


def _crs_text(about: dict[str, Any]) -> str | None:
    crs = about.get("crs", _DEFAULT_CRS)
    return json.dumps(crs) if isinstance(crs, dict) else None if crs is None else str(crs)


def _one_type(types: tuple[str, ...]) -> str:
    """One name for all: a polygon beside multipolygons is no other kind."""
    plain = {name.split(" ")[0] for name in types}
    single = {name.removeprefix("Multi") for name in plain}
    if len(single) != 1:
        return "Unknown"
    return next(iter(plain)) if len(plain) == 1 else f"Multi{next(iter(single))}"


def _index_columns(metadata: dict[bytes, bytes]) -> set[str]:
    """Columns that only hold the row labels of a data frame."""
    try:
        names = json.loads(metadata.get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        return set()
    return {n for n in names if isinstance(n, str) and n.startswith("__index_level_")}


def _batches(
    path: Path, file: pq.ParquetFile, columns: list[int], names: list[str], shapes: _Shapes | None
) -> Iterator[pa.RecordBatch]:
    place = None if shapes is None else file.schema_arrow.get_field_index(shapes.column)
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            if batch.num_rows == 0:
                continue
            # texts that are none, lists that point nowhere
            batch.validate(full=True)
            arrays = [_plain(batch.column(i)) for i in columns]
            if shapes is None or place is None:
                yield pa.record_batch(arrays, names=names)
            else:
                wkb = _wkb(batch.column(place), shapes.encoding)
                yield pa.record_batch([*arrays, wkb], names=[*names, GEOMETRY])
    except _PARQUET_ERRORS as error:
        raise _unreadable(path, error) from error


def _plain(column: pa.Array) -> pa.Array:
    """A column without lists, structures and bytes."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.dictionary_decode()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_nested(kind):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in column.to_pylist()
        ]
        return pa.array(texts, pa.string())
    return column


def _wkb(column: pa.Array, encoding: str) -> pa.Array:
    """The shapes of a batch as WKB."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if encoding.upper() == "WKB":
        return column.cast(pa.binary())
    is_null = np.asarray(column.is_null())
    parts = _ragged(column, encoding)
    try:
        geometry = shapely.from_ragged_array(_NATIVE[encoding], *parts)
    except _NO_SHAPE:
        # a ring that is no ring: the other shapes of the batch are none the worse
        geometry = np.array([_shape(column, at, encoding) for at in range(len(column))])
    geometry[is_null] = None
    return pa.array(shapely.to_wkb(geometry, include_srid=False), pa.binary())


def _shape(column: pa.Array, at: int, encoding: str) -> shapely.Geometry | None:
    """One shape, None where it cannot be built."""
    parts = _ragged(column[at : at + 1], encoding)
    try:
        return shapely.from_ragged_array(_NATIVE[encoding], *parts)[0]
    except _NO_SHAPE:
        return None


def _ragged(
    column: pa.Array, encoding: str
) -> tuple[npt.NDArray[np.float64], tuple[npt.NDArray[np.int64], ...] | None]:
    """Coordinates, and offsets from the innermost lists to the outermost."""
    offsets: list[npt.NDArray[np.int64]] = []
    for _ in range(_DEPTH.get(encoding, 3)):
        if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
            raise ValueError(f"shapes of type {column.type}")
        # a slice keeps the values of the whole
        steps = np.asarray(column.offsets, dtype=np.int64)
        offsets.append(steps - steps[0])
        column = column.values.slice(int(steps[0]), int(steps[-1] - steps[0]))
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
        flat = np.asarray(column.flatten(), dtype=np.float64)
        return flat.reshape(-1, width)[:, :3], tuple(reversed(offsets)) or None
    if not pa.types.is_struct(column.type):
        raise ValueError(f"coordinates of type {column.type}")
    names = [column.type.field(i).name for i in range(column.type.num_fields)]
    axes = [name for name in ("x", "y", "z") if name in names]
    values = [np.asarray(column.field(name).fill_null(np.nan), dtype=np.float64) for name in axes]
    return np.column_stack(values), tuple(reversed(offsets)) or None
