"""Layers with geometry: shapefile, GeoPackage, file geodatabase, GeoJSON, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import BATCH_ROWS, OpenLayer, RawBatch
from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.crs import Reprojection, check_place, is_same_plane, reprojection
from pipeline.feeds.encoding import decode_value, shapefile_encoding
from pipeline.feeds.headings import (
    known_headings,
    match_headings,
    missing_in_words,
    personal_headings,
)

# GDAL turns every byte of this encoding into one character, so the bytes can be had back.
_RAW = "ISO-8859-1"
_SAFE_DIGITS = 15
_KINDS = {"polygon": ("Polygon", "MultiPolygon"), "point": ("Point",), "none": ()}


@contextmanager
def open_vector(path: Path, contract: Contract, county: County) -> Iterator[OpenLayer]:
    """Open a layer and read it in batches, as text and as shapes in the county's CRS.

    Shape:  a file in; an OpenLayer out, whose batches hold up to 8,192 rows, numbered from 1 in
            the order of the file.
    Units:  as delivered.
    CRS:    the layer's or the contract's in; the county's out, rounded to 0.0001 m.
    Errors: SourceError: source.unreadable, source.layer_unclear, source.encoding,
            source.column_missing, source.no_geometry, source.curves, source.empty; CrsError: source.no_crs,
            source.wrong_crs, source.old_datum.
    Source: docs/sources.md, Design 3 (delivery); docs/sources.md, Measured (raw bytes, one decoding per
            distinct text).
    """
    is_shapefile = path.suffix.lower() == ".shp"
    read_as = None
    if is_shapefile:
        read_as = shapefile_encoding(
            path,
            contract.encoding,
            known=known_headings(contract),
            hidden=personal_headings(contract),
        )
    encoding = None if read_as is None else read_as.values
    options = {"encoding": _RAW} if is_shapefile else {}
    try:
        layer = _layer(path, contract)
        with pyogrio.open_arrow(
            path, layer=layer, use_pyarrow=True, batch_size=BATCH_ROWS, **options
        ) as (meta, reader):
            names = [str(name) for name in meta["fields"]]
            if read_as is not None:
                names = [decode_value(name.encode("latin-1"), read_as.names) for name in names]
            match = match_headings(
                contract,
                [(name,) for name in names],
                cut_in=None if read_as is None else read_as.names,
            )
            if match.missing:
                raise SourceError(
                    "source.column_missing",
                    file=path.name,
                    layer=layer,
                    feed=contract.feed,
                    columns=missing_in_words(contract, match),
                    found=", ".join(names),
                )
            total = pyogrio.read_info(path, layer=layer, **options)["features"]
            if total == 0:
                # an empty layer often has no kind of shape either
                raise SourceError("source.empty", file=path.name, layer=layer)
            _refuse_other_kind(path, layer, contract, str(meta["geometry_type"]))
            way = _way(path, layer, contract, county, meta)
            geometry_name = meta["geometry_name"] or "wkb_geometry"
            yield OpenLayer(
                name=layer,
                headings=names,
                match=match,
                batches=_batches(
                    reader,
                    list(meta["fields"]),
                    geometry_name,
                    encoding=encoding,
                    way=way,
                    place=(path.name, layer),
                ),
                row_total=None if total < 0 else int(total),
                crs=None if way is None else way.label,
                encoding=encoding or "utf-8",
                has_geometry=way is not None,
            )
    except (DataSourceError, DataLayerError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError("source.unreadable", file=path.name, reason=reason) from error


def _layer(path: Path, contract: Contract) -> str:
    """The one layer that the contract means."""
    names = [str(name) for name, _ in pyogrio.list_layers(path)]
    if contract.layer is not None:
        wanted = contract.layer.casefold()
        names = [name for name in names if fnmatchcase(name.casefold(), wanted)]
    if len(names) != 1:
        listed = ", ".join(str(name) for name, _ in pyogrio.list_layers(path))
        raise SourceError("source.layer_unclear", file=path.name, feed=contract.feed, layers=listed)
    return names[0]


def _refuse_other_kind(path: Path, layer: str, contract: Contract, geometry_type: str) -> None:
    # "Polygon Z", "3D Polygon", "MultiPolygon M": the kind is what matters
    kind = geometry_type.removeprefix("2.5D ").removeprefix("3D ").removeprefix("Measured ")
    kind = kind.removeprefix("3D Measured ").split(" ")[0]
    is_right = kind in {*_KINDS[contract.geometry], "Unknown", "GeometryCollection"}
    if contract.geometry_required and not is_right:
        raise SourceError(
            "source.no_geometry",
            file=path.name,
            layer=layer,
            feed=contract.feed,
            wanted=contract.geometry,
            found=geometry_type,
        )


def _way(
    path: Path, layer: str, contract: Contract, county: County, meta: dict[str, Any]
) -> Reprojection | None:
    """The way to the county's CRS, None where the contract wants no geometry or there is none."""
    if contract.geometry == "none" or meta["geometry_type"] is None:
        return None
    in_file = meta["crs"]
    if contract.crs == "file":
        return reprojection(in_file, county, file=path.name, layer=layer)
    way = reprojection(contract.crs, county, file=path.name, layer=layer)
    if in_file:
        own = reprojection(in_file, county, file=path.name, layer=layer)
        if not is_same_plane(own.source, way.source):
            raise CrsError(
                "source.other_crs", file=path.name, layer=layer, crs=own.label, contract=way.label
            )
    return way


def _batches(
    reader: pa.RecordBatchReader,
    fields: list[str],
    geometry_name: str,
    *,
    encoding: str | None,
    way: Reprojection | None,
    place: tuple[str, str],
) -> Iterator[RawBatch]:
    start = 1
    for batch in reader:
        if batch.num_rows == 0:
            continue
        columns: list[pd.Series] = []
        numeric: list[npt.NDArray[np.bool_] | None] = []
        for name in fields:
            text, is_number = _as_text(batch.column(name), encoding)
            columns.append(text)
            numeric.append(np.full(batch.num_rows, fill_value=True) if is_number else None)
        shapes = None
        if way is not None:
            delivered = _shapes(batch.column(geometry_name), place)
            if start == 1:
                _check_place(delivered, way, place)
            shapes = np.asarray(shapely.transform(delivered, way), dtype=object)
        row_number = np.arange(start, start + batch.num_rows, dtype=np.int64)
        yield RawBatch(row_number, columns, numeric, shapes)
        start += batch.num_rows


def _as_text(column: pa.Array, encoding: str | None) -> tuple[pd.Series, bool]:
    """A column as text, and whether it was a binary fraction."""
    kind = column.type
    is_fraction = pa.types.is_floating(kind)
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if encoding is not None:
            column = _decoded(column, encoding)
    elif is_fraction:
        column = _plain_numbers(column.cast(pa.float64()))
    elif pa.types.is_timestamp(kind):
        column = pc.strftime(column, "%Y-%m-%d")
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        column = pa.nulls(len(column), pa.string())
    else:
        column = column.cast(pa.string())
    return pd.Series(column.to_pandas(), dtype="str"), is_fraction


def _decoded(column: pa.Array, encoding: str) -> pa.Array:
    """Text from the bytes that GDAL passed through, each distinct value decoded once."""
    coded = column.dictionary_encode()
    values = [
        value if value.isascii() else decode_value(value.encode("latin-1"), encoding)
        for value in coded.dictionary.to_pylist()
    ]
    return pa.DictionaryArray.from_arrays(
        coded.indices, pa.array(values, pa.string())
    ).dictionary_decode()


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


def _shapes(column: pa.Array, place: tuple[str, str]) -> npt.NDArray[np.object_]:
    """Shapes as delivered; None where there is none, or one that cannot be built."""
    raw = np.asarray(column.to_numpy(zero_copy_only=False), dtype=object)
    try:
        return np.asarray(shapely.from_wkb(raw, on_invalid="ignore"), dtype=object)
    except NotImplementedError as error:
        file, layer = place
        raise SourceError("source.curves", file=file, layer=layer) from error


def _check_place(
    shapes: npt.NDArray[np.object_], way: Reprojection, place: tuple[str, str]
) -> None:
    """Refuse a layer that cannot be where its CRS says, judged by its first batch."""
    bounds = shapely.bounds(shapes)
    file, layer = place
    check_place(way, (bounds[:, :2] + bounds[:, 2:]) / 2, file=file, layer=layer)
