"""Default QGIS styles in the database, where QGIS looks for them."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from pipeline._paths import data_path
from pipeline.outputs.tables import GEOMETRY, SCHEMA, read_layers

# Rows of any other name belong to users.
STYLE_NAME: Final = "diqi"


class StyleRow(NamedTuple):
    """One row of a ``layer_styles`` table."""

    f_table_catalog: str
    f_table_schema: str
    f_table_name: str
    f_geometry_column: str
    stylename: str
    styleqml: str
    useasdefault: bool
    description: str


def style_rows(catalog: str, schema: str = SCHEMA) -> list[StyleRow]:
    """Return the default style of each layer as QGIS expects it in ``layer_styles``.

    Shape:  the name of the database and the schema in (both empty for a GeoPackage); one row per
            layer out.
    Units:  none.
    CRS:    none; a style does not depend on it.
    Errors: none.
    Source: docs/sources.md, Q09.
    """
    return [
        StyleRow(
            catalog,
            schema,
            layer.name,
            GEOMETRY,
            STYLE_NAME,
            data_path("gis_layers", f"{layer.name}.qml").read_text(encoding="utf-8"),
            True,
            f"{layer.title_zh} {layer.title_en}",
        )
        for layer in read_layers().values()
    ]


# QGIS finds a style whose type is NULL also where a source does not name its geometry type.
# A user who made a style of their own the default keeps it: QGIS allows one default per layer.
_WRITE = text(
    """
    WITH args AS (
      SELECT
        CAST(:f_table_catalog AS varchar) AS f_table_catalog,
        CAST(:f_table_schema AS varchar) AS f_table_schema,
        CAST(:f_table_name AS varchar) AS f_table_name,
        CAST(:f_geometry_column AS varchar) AS f_geometry_column,
        CAST(:stylename AS text) AS stylename,
        CAST(:styleqml AS text) AS styleqml,
        CAST(:useasdefault AS boolean) AS useasdefault,
        CAST(:description AS text) AS description
    ),
    wanted AS (
      SELECT
        a.f_table_catalog, a.f_table_schema, a.f_table_name, a.f_geometry_column, a.stylename,
        a.styleqml, a.description,
        a.useasdefault AND NOT EXISTS (
          SELECT 1
          FROM public.layer_styles AS s
          WHERE s.f_table_schema = a.f_table_schema AND s.f_table_name = a.f_table_name
            AND s.f_geometry_column = a.f_geometry_column AND s.stylename <> a.stylename
            AND s.useasdefault
        ) AS useasdefault
      FROM args AS a
    ),
    renewed AS (
      UPDATE public.layer_styles AS s
      SET f_table_catalog = w.f_table_catalog, styleqml = XMLPARSE(DOCUMENT w.styleqml),
        useasdefault = w.useasdefault, description = w.description, type = NULL
      FROM wanted AS w
      WHERE s.f_table_schema = w.f_table_schema AND s.f_table_name = w.f_table_name
        AND s.f_geometry_column = w.f_geometry_column AND s.stylename = w.stylename
        AND (s.f_table_catalog, CAST(s.styleqml AS text), s.useasdefault, s.description, s.type)
        IS DISTINCT FROM
        (w.f_table_catalog, w.styleqml, w.useasdefault, w.description, NULL)
      RETURNING s.id
    ),
    fresh AS (
      INSERT INTO public.layer_styles (
        f_table_catalog, f_table_schema, f_table_name, f_geometry_column, stylename, styleqml,
        useasdefault, description
      )
      SELECT
        w.f_table_catalog, w.f_table_schema, w.f_table_name, w.f_geometry_column, w.stylename,
        XMLPARSE(DOCUMENT w.styleqml), w.useasdefault, w.description
      FROM wanted AS w
      WHERE NOT EXISTS (
        SELECT 1
        FROM public.layer_styles AS s
        WHERE s.f_table_schema = w.f_table_schema AND s.f_table_name = w.f_table_name
          AND s.f_geometry_column = w.f_geometry_column AND s.stylename = w.stylename
      )
      RETURNING id
    )
    SELECT (SELECT count(*) FROM renewed) + (SELECT count(*) FROM fresh) AS written
    """
)


def write_styles(connection: Connection) -> int:
    """Make the default styles in ``public.layer_styles`` equal to the files.

    Only rows that differ are written, within the caller's transaction; users' rows are left alone.

    Shape:  an open connection in; the number of rows written out, 0 when all were equal.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: docs/sources.md, Q09, Q25.
    """
    catalog = connection.execute(text("SELECT current_database()")).scalar_one()
    return sum(
        int(connection.execute(_WRITE, row._asdict()).scalar_one()) for row in style_rows(catalog)
    )
