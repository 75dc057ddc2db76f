"""Which reader opens which file. Runs in the process of ``pipeline.feeds.child``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SourceError
from pipeline.feeds.archive import extracted, members
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.boundary_text import open_boundary_text
from pipeline.feeds.contracts import Contract
from pipeline.feeds.databases import check_database
from pipeline.feeds.dbf_table import open_dbf
from pipeline.feeds.discover import matching_feeds
from pipeline.feeds.drawing import open_drawing
from pipeline.feeds.encoding import check_texts
from pipeline.feeds.fit import as_text, fit
from pipeline.feeds.geojson import readable_geojson
from pipeline.feeds.headings import known_headings, normalise_heading, personal_headings
from pipeline.feeds.kinds import WORKBOOKS, Kind, kind_of, require_readable
from pipeline.feeds.limits import Limits
from pipeline.feeds.opened import RawLayer, Texts, require_few_columns
from pipeline.feeds.opening import Opening
from pipeline.feeds.parquet import open_parquet
from pipeline.feeds.sealing import context_of, sealed
from pipeline.feeds.tables import header_candidates, open_table, sheets_of
from pipeline.feeds.vector import layers_of, open_vector
from pipeline.feeds.workbook import check_workbook

_TOP_ROWS = 200
_JUDGED_TEXTS = 200
# So much of a cell tells what it is.
_CELL_START = 1_000
_ONE_FILE = {Kind.GEOPACKAGE, Kind.SQLITE}
_DATABASES = {Kind.GEODATABASE, *_ONE_FILE}
_GEOJSON = {Kind.GEOJSON, Kind.GEOJSON_ARRAY, Kind.GEOJSON_LINES}
# Formats whose text is UTF-8, whatever it was before.
_UNPROVED = WORKBOOKS | _DATABASES | _GEOJSON | {Kind.PARQUET, Kind.GEOPARQUET}


@contextmanager
def open_layer(opening: Opening) -> Iterator[OpenLayer]:
    """Open the layer or sheet of a file that its contract means, to be read in batches.

    Shape:  what is to be opened in; an OpenLayer out.
    Units:  as delivered.
    CRS:    the layer's or the contract's in; the county's out.
    Errors: SourceError and CrsError of the readers; source.format_… for what cannot be read.
    Source: docs/sources.md, Design 3 (delivery).
    """
    with _unpacked(opening.path, opening.inside, opening.limits) as path:
        kind = kind_of(path)
        require_readable(path, kind)
        with _of_kind(path, kind, opening) as layer:
            if kind in _UNPROVED:
                layer.batches = _not_misread(
                    layer.batches, layer.headings, opening.contract, path.name
                )
            if opening.seal is not None:
                layer.batches = sealed(layer.batches, context_of(layer, opening.seal))
            yield layer


def _not_misread(
    batches: Iterator[pa.RecordBatch], headings: list[str], contract: Contract, file: str
) -> Iterator[pa.RecordBatch]:
    """The batches of a layer whose text is UTF-8 by its format; it may have been misread before.

    Judged by some texts of each column of the first batch, those of persons left out.
    """
    hidden = {normalise_heading(heading) for heading in personal_headings(contract)}
    for number, batch in enumerate(batches):
        if number == 0:
            texts: list[str] = []
            for i, heading in enumerate(headings):
                if normalise_heading(heading) not in hidden:
                    distinct = pc.unique(pc.drop_null(batch.column(f"c{i}")))
                    texts += distinct.slice(0, _JUDGED_TEXTS).to_pylist()
            check_texts(file, texts)
        yield batch


@contextmanager
def _unpacked(path: Path, inside: str | None, limits: Limits) -> Iterator[Path]:
    """The file itself, or what lies in the zip for as long as it is read."""
    if inside is None:
        yield path
        return
    found = [one for one in members(path, limits) if one.inside == inside]
    if not found:
        raise SourceError("source.archive_damaged", file=path.name, reason=f"no {inside}")
    with extracted(path, found[0], limits) as file:
        yield file


@contextmanager
def _of_kind(path: Path, kind: Kind, opening: Opening) -> Iterator[OpenLayer]:
    contract = opening.contract
    if kind in WORKBOOKS or kind is Kind.DELIMITED_TEXT:
        if kind in WORKBOOKS:
            check_workbook(path, kind, opening.limits)
        with open_table(path, kind, contract) as layer:
            yield layer
        return
    wanted = contract.layer if opening.layer is None else escape(opening.layer)
    if kind in _DATABASES:
        wanted = _layer_named_so(_names_of(path, kind), contract) if wanted is None else wanted
    texts = Texts(contract.encoding, known_headings(contract), personal_headings(contract))
    with _raw(path, kind, opening.limits, wanted, contract.feed, texts) as raw:
        yield fit(raw, contract, opening.county, path.name, opening.known)


def _layer_named_so(names: list[str], contract: Contract) -> str | None:
    """Of several layers the one that the contract's patterns name, if it is one."""
    named = [
        name for name in names if matching_feeds(Path(name + ".gpkg"), {contract.feed: contract})
    ]
    # a name is no pattern: what stands for others in one is meant as it is
    return escape(named[0]) if len(names) > 1 and len(named) == 1 else None


@contextmanager
def _raw(
    path: Path, kind: Kind, limits: Limits, wanted: str | None, feed: str, texts: Texts
) -> Iterator[RawLayer]:
    """Open a layer as its file holds it."""
    with ExitStack() as stack:
        opening: AbstractContextManager[RawLayer]
        if kind is Kind.BOUNDARY_TEXT:
            opening = open_boundary_text(path, texts.declared)
        elif kind is Kind.DXF:
            opening = open_drawing(path, texts.declared)
        elif kind in {Kind.GEOPARQUET, Kind.PARQUET}:
            opening = open_parquet(path)
        elif kind is Kind.DBF:
            opening = open_dbf(path, texts)
        else:
            if kind in _GEOJSON:
                path = stack.enter_context(readable_geojson(path, kind, limits))
            opening = open_vector(path, kind, wanted, feed, texts)
        raw = stack.enter_context(opening)
        require_few_columns(path.name, raw.name, len(raw.fields))
        yield raw


def _names_of(path: Path, kind: Kind) -> list[str]:
    """The layers of a database, which is looked at before GDAL opens it."""
    if kind in _ONE_FILE:
        check_database(path)
    return layers_of(path)


def list_layers(path: Path) -> list[str]:
    """The layers of a database of layers.

    Shape:  a file in; names out.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.unreadable).
    Source: none.
    """
    kind = kind_of(path)
    require_readable(path, kind)
    return _names_of(path, kind)


def top_of(path: Path, inside: str | None, limits: Limits) -> list[dict[str, Any]]:
    """The layers or sheets of a file, with what may be their headings and their first rows.

    Shape:  a file in; of each layer ``name``, ``has_geometry``, ``geometry_type``, ``crs``,
            ``encoding``, ``headings`` (candidates: the names of each column), ``has_fields`` (they are
            names for certain), ``ends`` (the last line of each candidate) and ``rows`` (texts, at
            most 200, each cut to 1,000 characters) out.
    Units:  none.
    CRS:    as delivered.
    Errors: SourceError of the reader.
    Source: none.
    """
    with _unpacked(path, inside, limits) as file:
        kind = kind_of(file)
        require_readable(file, kind)
        if kind in WORKBOOKS or kind is Kind.DELIMITED_TEXT:
            if kind in WORKBOOKS:
                check_workbook(file, kind, limits)
            return [
                {
                    "name": name,
                    "has_geometry": False,
                    "geometry_type": None,
                    "crs": None,
                    "encoding": encoding,
                    "headings": [
                        [list(one) for one in names] for _, names in header_candidates(lines)
                    ],
                    # the first line of a table may be no headings at all, but a record
                    "has_fields": False,
                    "ends": [last for last, _ in header_candidates(lines)],
                    "rows": [list(map(_start, row)) for row in rows],
                }
                for name, encoding, lines, rows in sheets_of(file, kind, _TOP_ROWS)
            ]
        names = _names_of(file, kind) if kind in _DATABASES else [None]
        return [_top(file, kind, limits, name) for name in names]


def _top(path: Path, kind: Kind, limits: Limits, name: str | None) -> dict[str, Any]:
    wanted = None if name is None else escape(name)
    with _raw(path, kind, limits, wanted, "-", Texts()) as raw:
        batch = next(raw.batches, None)
        columns: list[list[str | None]] = []
        if batch is not None:
            first = batch.slice(0, _TOP_ROWS)
            columns = [as_text(first.column(i))[0].to_pylist() for i in range(len(raw.fields))]
        return {
            "name": raw.name,
            "has_geometry": raw.has_geometry,
            "geometry_type": raw.geometry_type,
            "crs": raw.crs,
            "encoding": raw.encoding,
            "headings": [[[name] for name in raw.fields]],
            "has_fields": True,
            "ends": [-1],
            "rows": [list(map(_start, row)) for row in zip(*columns, strict=True)],
        }


def _start(cell: str | None) -> str | None:
    return None if cell is None else cell[:_CELL_START]
