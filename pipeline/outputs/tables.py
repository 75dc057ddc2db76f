"""Tables as they stand in the database, and what the ten published layers say of themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

# Importing it teaches SQLAlchemy the geometry type, for reflection too.
from geoalchemy2 import Geometry
from sqlalchemy import Connection, MetaData, Table

from pipeline._paths import data_path

SCHEMA: Final = "layers"
GEOMETRY: Final = "geom"
KEY: Final = "fid"


@dataclass(frozen=True)
class Column:
    """One column as people read it."""

    alias_zh: str
    alias_en: str
    values: str | None


@dataclass(frozen=True)
class Layer:
    """One layer as ``gis_layers/<name>.toml`` describes it."""

    name: str
    title_zh: str
    title_en: str
    geometry: str
    columns: dict[str, Column]


@cache
def read_layers() -> dict[str, Layer]:
    """Read the descriptions of the ten layers.

    Shape:  none in; name to layer out, in the order of the legend, top first.
    Units:  none.
    CRS:    none.
    Errors: none; a damaged description is a bug.
    Source: docs/sources.md, Design 6.
    """
    found: list[tuple[int, Layer]] = []
    for path in sorted(data_path("gis_layers").glob("*.toml")):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if "geometry" not in table:  # value lists and map themes lie in the same folder
            continue
        columns = {
            name: Column(entry["alias_zh"], entry["alias_en"], entry.get("values"))
            for name, entry in table["columns"].items()
        }
        layer = Layer(path.stem, table["title_zh"], table["title_en"], table["geometry"], columns)
        found.append((table["order"], layer))
    return {layer.name: layer for _, layer in sorted(found, key=lambda entry: entry[0])}


@cache
def read_codes() -> dict[str, dict[str, str]]:
    """Read the value lists: for each list the Chinese label of each code.

    Shape:  none in; list name to code to label out, in the order of forms and legends.
    Units:  none.
    CRS:    none.
    Errors: none; a damaged file is a bug.
    Source: docs/how-it-decides.md.
    """
    path = data_path("gis_layers", "codes.toml")
    codes: dict[str, dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return codes


def reflect(connection: Connection, schemas: Mapping[str, Iterable[str]]) -> MetaData:
    """Read tables and views as they stand, with typed geometry, from the database.

    Nothing is kept between calls: a migration may come between two of them, and a call costs
    about a tenth of a second.

    Shape:  schema to the names wanted of it in; tables keyed ``schema.name`` out.
    Units:  none.
    CRS:    as in the database.
    Errors: InvalidRequestError when a table is missing (migrations were not applied).
    Source: docs/sources.md, Design 3 (tables and keys) and 6.
    """
    metadata = MetaData()
    for schema, names in schemas.items():
        metadata.reflect(connection, schema=schema, only=list(names), views=True, resolve_fks=False)
    return metadata


def layer_srid(connection: Connection) -> int:
    """Read the county's projected CRS from the type of the published geometry.

    Shape:  an open connection in; one EPSG code out.
    Units:  none.
    CRS:    that of schema ``layers``.
    Errors: as ``reflect``.
    Source: docs/sources.md, Design 3.
    """
    return table_srid(reflect(connection, {SCHEMA: ["parcel"]}).tables[f"{SCHEMA}.parcel"])


def table_srid(table: Table) -> int:
    """Read the CRS of a reflected layer from the type of its geometry.

    Shape:  one table in; one EPSG code out.
    Units:  none.
    CRS:    that of the table.
    Errors: TypeError when the geometry column has no geometry type (a bug).
    Source: docs/sources.md, Q01.
    """
    kind = table.c[GEOMETRY].type
    if not isinstance(kind, Geometry):
        raise TypeError(f"{table.name}.{GEOMETRY} is {kind!r}")
    return int(kind.srid)
