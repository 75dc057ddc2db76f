"""The ten layers as one GeoPackage that QGIS opens with style, aliases and value lists."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyogrio
import pyogrio.errors
import pyogrio.raw
from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Date,
    Double,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.types import TypeEngine

from pipeline.outputs._files import not_writable, whole_file
from pipeline.outputs.styles import style_rows
from pipeline.outputs.tables import (
    GEOMETRY,
    KEY,
    SCHEMA,
    Layer,
    read_layers,
    reflect,
    table_srid,
)
from pipeline.threads import ahead

_BATCH_ROWS: Final = 10_000
# Batches that are fetched while others are being written.
_AHEAD: Final = 2
# The version that GDAL 3.6, as in QGIS 3.22, reads without a warning.
_VERSION: Final = "1.3"
# The first class that a column's type belongs to decides.
_ARROW_TYPES: Final[tuple[tuple[type[TypeEngine[Any]], pa.DataType], ...]] = (
    (Geometry, pa.binary()),
    (Boolean, pa.bool_()),
    (BigInteger, pa.int64()),
    (Integer, pa.int32()),
    (Double, pa.float64()),
    (Date, pa.date32()),
    (Text, pa.string()),
)
# Alternative field names, as the schema extension of the GeoPackage standard defines them. The
# unused table of constraints belongs to the extension.
_ALIAS_TABLES: Final = """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  name TEXT,
  title TEXT,
  description TEXT,
  mime_type TEXT,
  constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name)
);
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL,
  constraint_type TEXT NOT NULL,
  value TEXT,
  min NUMERIC,
  min_is_inclusive BOOLEAN,
  max NUMERIC,
  max_is_inclusive BOOLEAN,
  description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value)
);
"""
_SCHEMA_EXTENSION: Final = "http://www.geopackage.org/spec121/#extension_schema"
# The table as QGIS itself makes it in a GeoPackage.
_STYLE_TABLE: Final = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  f_table_catalog TEXT(256),
  f_table_schema TEXT(256),
  f_table_name TEXT(256),
  f_geometry_column TEXT(256),
  styleName TEXT(30),
  styleQML TEXT,
  styleSLD TEXT,
  useAsDefault BOOLEAN,
  description TEXT,
  owner TEXT(30),
  ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
"""


def write_geopackage(connection: Connection, path: Path) -> dict[str, int]:
    """Write the ten layers, row by row in the order of ``fid``, and their styles.

    The file appears whole or not at all. Its dates are the business date of the publication, so
    the same publication gives the same bytes; its metadata says which publication that is.

    Shape:  an open connection and the target in; number of rows per layer out.
    Units:  as published.
    CRS:    that of the published layers.
    Errors: SettingsError export.not_writable when the target cannot be replaced, or when another
            program is writing to it.
    Source: docs/sources.md, Q20; GeoPackage 1.3, annex F.9 (schema extension).
    """
    tables = reflect(connection, {SCHEMA: read_layers()}).tables
    stamp = publication_stamp(connection)
    moment = f"{stamp.get('as_of', '1970-01-01')}T00:00:00.000Z"
    _refuse_open_target(path)
    with whole_file(path) as part:
        counts: dict[str, int] = {}
        for layer in reversed(read_layers().values()):
            table = tables[f"{SCHEMA}.{layer.name}"]
            try:
                counts[layer.name] = _write_layer(connection, table, layer, part, stamp)
            except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
                raise not_writable(path, error) from error
        with sqlite3.connect(part) as package:
            _write_aliases(package)
            _write_styles(package, moment)
            package.execute("UPDATE gpkg_contents SET last_change = ?", (moment,))
            if stamp:
                package.execute("UPDATE gpkg_metadata_reference SET timestamp = ?", (moment,))
        package.close()
    return counts


def publication_stamp(connection: Connection) -> dict[str, str]:
    """Say which publication the layers show, in the words of a GeoPackage's metadata.

    Shape:  an open connection in; run_id, as_of and data_year as text out, empty before the first
            published run.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: docs/sources.md, Design 3 (lock, transaction, ledger).
    """
    shown = reflect(connection, {SCHEMA: ["publication"]}).tables[f"{SCHEMA}.publication"].c
    row = connection.execute(select(shown.run_id, shown.as_of, shown.data_year)).one_or_none()
    return {} if row is None else {name: str(value) for name, value in row._asdict().items()}


def read_stamp(path: Path) -> dict[str, str] | None:
    """Read for which publication a GeoPackage was written.

    Shape:  a file, there or not, in; what ``publication_stamp`` said then out, None where the file
            is no package of ours.
    Units:  none.
    CRS:    none.
    Errors: none; a damaged file says nothing.
    Source: as ``publication_stamp``.
    """
    try:
        info = pyogrio.read_info(path, layer=next(iter(read_layers())))
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError):
        return None
    return dict(info["dataset_metadata"] or {})


def _refuse_open_target(path: Path) -> None:
    """Refuse to replace a package into which another program is writing.

    Its journal would lie beside the new file and be taken for the new file's own.
    """
    if not path.is_file():
        return
    try:
        target = sqlite3.connect(path, timeout=0)
        try:
            target.execute("BEGIN EXCLUSIVE")
        finally:
            target.close()
    except sqlite3.OperationalError as error:
        raise not_writable(path, error) from error
    except sqlite3.DatabaseError:
        return  # not a package at all: nothing to lose
    for journal in ("-wal", "-journal"):
        beside = path.with_name(path.name + journal)
        if beside.is_file() and beside.stat().st_size > 0:
            raise not_writable(path, beside.name)


def _write_layer(
    connection: Connection, table: Table, layer: Layer, path: Path, stamp: dict[str, str]
) -> int:
    """Append one layer to the package, streaming, and return its number of rows."""
    is_first = not path.exists()
    schema = pa.schema([(name, _arrow_type(table.c[name].type)) for name in layer.columns])
    columns = [
        func.ST_AsBinary(table.c[name], type_=LargeBinary).label(name)
        if name == GEOMETRY
        else table.c[name]
        for name in layer.columns
    ]
    result = connection.execute(
        select(*columns).order_by(table.c[KEY]),
        execution_options={"stream_results": True, "max_row_buffer": _BATCH_ROWS},
    )
    count = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal count
        for rows in result.partitions(_BATCH_ROWS):
            count += len(rows)
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    pyogrio.raw.write_arrow(
        pa.RecordBatchReader.from_batches(schema, ahead(batches(), _AHEAD)),
        path,
        layer=layer.name,
        driver="GPKG",
        geometry_name=GEOMETRY,
        geometry_type=layer.geometry,
        crs=f"EPSG:{table_srid(table)}",
        dataset_options={"VERSION": _VERSION} if is_first else {},
        dataset_metadata=stamp if is_first and stamp else None,
        layer_options={
            "FID": KEY,
            "GEOMETRY_NAME": GEOMETRY,
            "DESCRIPTION": f"{layer.title_zh} {layer.title_en}",
        },
    )
    return count


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    """Return the Arrow type of a published column."""
    for known, arrow in _ARROW_TYPES:
        if isinstance(kind, known):
            return arrow
    raise TypeError(f"no published column may have type {kind!r}")


def _write_aliases(package: sqlite3.Connection) -> None:
    """Give each column its Chinese alias and its English meaning."""
    package.executescript(_ALIAS_TABLES)
    package.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_schema', ?, 'read-write')",
        [
            ("gpkg_data_columns", _SCHEMA_EXTENSION),
            ("gpkg_data_column_constraints", _SCHEMA_EXTENSION),
        ],
    )
    package.executemany(
        "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (layer.name, name, column.alias_zh, column.alias_zh, column.alias_en)
            for layer in read_layers().values()
            for name, column in layer.columns.items()
            if name not in {KEY, GEOMETRY}
        ],
    )


def _write_styles(package: sqlite3.Connection, moment: str) -> None:
    """Add the table of default styles and register it as a table without geometry."""
    package.executescript(_STYLE_TABLE)
    rows = style_rows(catalog="", schema="")
    package.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, ui,"
        " update_time) VALUES (?, ?, ?, ?, ?, ?, '', ?, ?, '', NULL, ?)",
        [(*row[:6], row.useasdefault, row.description, moment) for row in rows],
    )
    package.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)"
        " VALUES ('layer_styles', 'attributes', 'layer_styles', '', 0)"
    )
    package.execute("INSERT INTO gpkg_ogr_contents VALUES ('layer_styles', ?)", (len(rows),))
