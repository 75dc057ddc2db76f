"""Layers with geometry that GDAL reads: shapefile, GeoPackage, file geodatabase, GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from pipeline.errors import SourceError
from pipeline.feeds.encoding import Reading, decode_column, shapefile_encoding
from pipeline.feeds.kinds import Kind
from pipeline.feeds.opened import BATCH_ROWS, GEOMETRY, RawLayer, Texts
from pipeline.feeds.paths import plain_path
from pipeline.feeds.plausibility import decode_value
from pipeline.feeds.prj import openable, read_prj
from pipeline.feeds.shapefile import check_parts

# The folders of an absolute path.
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^/'\s]+/)+")
# GDAL turns every byte of this encoding into one character, so the bytes can be had back.
_RAW = "ISO-8859-1"
# Systems 0 and -1 of a GeoPackage.
_UNDEFINED = "Undefined "
_GEOJSON = {Kind.GEOJSON, Kind.GEOJSON_ARRAY, Kind.GEOJSON_LINES}
# What the format sets where the file names no other; an old ``crs`` member may.
_GEOJSON_CRS = {None, "EPSG:4326", "OGC:CRS84"}


@contextmanager
def open_vector(
    path: Path, kind: Kind, wanted: str | None, feed: str, texts: Texts
) -> Iterator[RawLayer]:
    """Open a layer and read it in batches, as its file holds it.

    ``wanted`` is a pattern of the layer's name, None where the file must hold one alone.

    Shape:  a file in; a RawLayer out.
    Units:  as delivered.
    CRS:    as delivered.
    Errors: SourceError: source.unreadable, source.layer_unclear, source.encoding…,
            source.shapefile_damaged, source.empty.
    Source: docs/sources.md, Design 3 (delivery); docs/sources.md, Measured (raw bytes, one decoding
            per distinct text).
    """
    reading, boxes, crs = None, None, None
    with ExitStack() as stack:
        opened = stack.enter_context(plain_path(path))
        options = {}
        if kind is Kind.SHAPEFILE:
            parts = check_parts(path)
            if parts.count == 0:
                raise SourceError("source.empty", file=path.name, layer=path.stem)
            boxes, crs = parts.boxes, read_prj(path)
            reading = shapefile_encoding(
                path, texts.declared, known=texts.known, hidden=texts.hidden
            )
            opened = stack.enter_context(openable(opened))
            options = {"encoding": _RAW}
        try:
            layer = _layer(path, _names(opened), wanted, feed)
            raw = stack.enter_context(_opened(opened, layer, options, path.name, reading))
            raw.is_default_crs = kind in _GEOJSON and raw.crs in _GEOJSON_CRS
            if kind is Kind.SHAPEFILE:
                raw.crs, raw.boxes = crs, boxes
            yield raw
        except (DataSourceError, DataLayerError, pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise unreadable(path, error) from error


@contextmanager
def _opened(
    path: Path, layer: str, options: dict[str, str], file: str, reading: Reading | None
) -> Iterator[RawLayer]:
    total = pyogrio.read_info(path, layer=layer, **options)["features"]
    if total == 0:
        # an empty layer often has no kind of shape either
        raise SourceError("source.empty", file=file, layer=layer)
    with pyogrio.open_arrow(
        path, layer=layer, use_pyarrow=True, batch_size=BATCH_ROWS, **options
    ) as (meta, reader):
        fields = [str(name) for name in meta["fields"]]
        headings = fields
        if reading is not None:
            headings = [decode_value(name.encode("latin-1"), reading.names) for name in fields]
        has_geometry = meta["geometry_type"] is not None
        geometry = (meta["geometry_name"] or "wkb_geometry") if has_geometry else None
        layer_read = RawLayer(
            name=layer,
            fields=headings,
            batches=_batches(reader, fields, geometry, _Decoder(reading, file, headings)),
            has_geometry=has_geometry,
            geometry_type=meta["geometry_type"],
            crs=_stated(meta["crs"]),
            row_total=None if total < 0 else int(total),
            encoding="utf-8" if reading is None else reading.values,
        )
        if reading is not None:
            layer_read.names_encoding = reading.names
            layer_read.notes += [(note.code, dict(note.params)) for note in reading.notes]
        yield layer_read


def _stated(crs: str | None) -> str | None:
    """The CRS of a layer; a GeoPackage has names for systems that nobody knows."""
    return None if crs is not None and _UNDEFINED in crs else crs


def layers_of(path: Path) -> list[str]:
    """Names of the layers of a file.

    Shape:  a file in; names out.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.unreadable).
    Source: none.
    """
    try:
        with plain_path(path) as opened:
            return _names(opened)
    except (DataSourceError, DataLayerError) as error:
        raise unreadable(path, error) from error


def _names(opened: Path) -> list[str]:
    return [str(name) for name, _ in pyogrio.list_layers(opened)]


def unreadable(path: Path, error: Exception) -> SourceError:
    """The refusal of a file, with the first of GDAL's words and without the folders of this machine.

    Shape:  a path and what GDAL said in; an error out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    said = str(error).split("; ")[0].splitlines()
    reason = said[0] if said and said[0] else type(error).__name__
    reason = reason.replace(str(path.absolute()), path.name)
    return SourceError("source.unreadable", file=path.name, reason=_FOLDERS.sub("", reason))


def _layer(path: Path, every: list[str], wanted: str | None, feed: str) -> str:
    """The one layer that is meant."""
    names = every
    if wanted is not None:
        names = [name for name in every if fnmatchcase(name.casefold(), wanted.casefold())]
    if len(names) != 1:
        raise SourceError(
            "source.layer_unclear", file=path.name, feed=feed, layers=", ".join(every)
        )
    return names[0]


class _Decoder:
    """Makes text of the bytes that GDAL passed through."""

    def __init__(self, reading: Reading | None, file: str, headings: list[str]) -> None:
        self.reading, self.file, self.headings = reading, file, headings

    def __call__(self, column: pa.Array, place: int, first_row: int) -> pa.Array:
        if self.reading is None or not pa.types.is_string(column.type):
            return column
        if pc.all(pc.string_is_ascii(column)).as_py() is not False:
            return column
        return decode_column(
            column,
            self.reading.values,
            file=self.file,
            field=self.headings[place],
            first_row=first_row,
        )


def _batches(
    reader: pa.RecordBatchReader, fields: list[str], geometry: str | None, decoded: _Decoder
) -> Iterator[pa.RecordBatch]:
    names = [f"c{i}" for i in range(len(fields))]
    if geometry is not None:
        names.append(GEOMETRY)
    first = 1
    for batch in reader:
        if batch.num_rows == 0:
            continue
        # shapes come first or last, and two columns may have one name
        places = [i for i, name in enumerate(batch.schema.names) if name != geometry]
        columns = [decoded(batch.column(at), i, first) for i, at in enumerate(places)]
        if geometry is not None:
            columns.append(batch.column(geometry))
        yield pa.RecordBatch.from_arrays(columns, names)
        first += batch.num_rows
