"""Layers with geometry: shapefile, GeoPackage, file geodatabase, GeoJSON, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from pipeline.errors import SourceError
from pipeline.feeds.encoding import decode_value, shapefile_encoding
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RawLayer

# GDAL turns every byte of this encoding into one character, so the bytes can be had back.
_RAW = "ISO-8859-1"


@contextmanager
def open_vector(path: Path, wanted: str | None, feed: str, encoding: str) -> Iterator[RawLayer]:
    """Open a layer and read it in batches, as its file holds it.

    ``wanted`` is a pattern of the layer's name, None where the file must hold one alone;
    ``encoding`` the declared one of a shapefile, or ``auto``.

    Shape:  a file in; a RawLayer out.
    Units:  as delivered.
    CRS:    as delivered.
    Errors: SourceError: source.unreadable, source.layer_unclear, source.encoding, source.empty.
    Source: docs/sources.md, Design 3 (delivery); docs/sources.md, Measured (raw bytes, one decoding
            per distinct text).
    """
    is_shapefile = path.suffix.lower() == ".shp"
    coding, table = shapefile_encoding(path, encoding) if is_shapefile else (None, None)
    options = {"encoding": _RAW} if is_shapefile else {}
    try:
        layer = _layer(path, wanted, feed)
        total = pyogrio.read_info(path, layer=layer, **options)["features"]
        if total == 0:
            # an empty layer often has no kind of shape either
            raise SourceError("source.empty", file=path.name, layer=layer)
        with pyogrio.open_arrow(
            path, layer=layer, use_pyarrow=True, batch_size=BATCH_ROWS, **options
        ) as (meta, reader):
            fields = [str(name) for name in meta["fields"]]
            headings = fields
            if table is not None and coding is not None:
                headings = [decode_value(name.encode("latin-1"), coding) for name in fields]
            has_geometry = meta["geometry_type"] is not None
            geometry = (meta["geometry_name"] or "wkb_geometry") if has_geometry else None
            yield RawLayer(
                name=layer,
                fields=headings,
                batches=_batches(reader, fields, geometry, coding),
                has_geometry=has_geometry,
                geometry_type=meta["geometry_type"],
                crs=meta["crs"],
                row_total=None if total < 0 else int(total),
                encoding=coding or "utf-8",
            )
    except (DataSourceError, DataLayerError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError("source.unreadable", file=path.name, reason=reason) from error


def _layer(path: Path, wanted: str | None, feed: str) -> str:
    """The one layer that is meant."""
    every = [str(name) for name, _ in pyogrio.list_layers(path)]
    names = every
    if wanted is not None:
        names = [name for name in every if fnmatchcase(name.casefold(), wanted.casefold())]
    if len(names) != 1:
        raise SourceError(
            "source.layer_unclear", file=path.name, feed=feed, layers=", ".join(every)
        )
    return names[0]


def _batches(
    reader: pa.RecordBatchReader, fields: list[str], geometry: str | None, coding: str | None
) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        if batch.num_rows == 0:
            continue
        columns = [batch.column(name) for name in fields]
        if coding is not None:
            columns = [
                _decoded(column, coding) if pa.types.is_string(column.type) else column
                for column in columns
            ]
        names = [f"c{i}" for i in range(len(fields))]
        if geometry is not None:
            columns.append(batch.column(geometry))
            names.append(GEOMETRY)
        yield pa.RecordBatch.from_arrays(columns, names)


def _decoded(column: pa.Array, encoding: str) -> pa.Array:
    """Text from the bytes that GDAL passed through, each distinct value decoded once."""
    if pc.all(pc.string_is_ascii(column)).as_py() is not False:
        return column
    coded = column.dictionary_encode()
    values = [
        value
        if value is None or value.isascii()
        else decode_value(value.encode("latin-1"), encoding)
        for value in coded.dictionary.to_pylist()
    ]
    return pa.DictionaryArray.from_arrays(
        coded.indices, pa.array(values, pa.string())
    ).dictionary_decode()
