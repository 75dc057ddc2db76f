"""The QGIS projects: one on the database by service name, one on the GeoPackage beside it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from pyproj import CRS
from sqlalchemy import Connection, func, select, union_all

from pipeline._paths import data_path
from pipeline.outputs._files import whole_file
from pipeline.outputs.tables import GEOMETRY, KEY, SCHEMA, Layer, read_layers, reflect

Extent = tuple[float, float, float, float]

SERVICE: Final = "diqi"
GEOPACKAGE: Final = "diqi.gpkg"
# The tables that reviewers fill in, and their keys.
_FORMS: Final = {"correction": "correction_id", "decision": "decision_id"}
_FIRST_VIEW: Final = ("parcel", "township_coverage")
# The oldest date a zip archive can hold.
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)


def write_projects(
    srid: int, title: str, out_dir: Path, extent: Extent | None = None
) -> list[Path]:
    """Write ``diqi.qgz`` (service ``diqi``) and ``diqi-gpkg.qgz`` (the GeoPackage beside it).

    ``diqi-review.qgz`` is the first with the tables of corrections and decisions, for those who may fill
    them in: QGIS asks whoever may not read a table what to do about it. None holds a host, a user, a
    password or an absolute path. The same input gives the same bytes.

    Shape:  the county's CRS, a title, the folder and, where known, xmin, ymin, xmax, ymax of the
            first view in; the three files out.
    Units:  extent in the unit of the CRS.
    CRS:    EPSG:``srid``.
    Errors: SettingsError export.not_writable.
    Source: docs/sources.md, Q07, Q10, Q19.
    """
    template = data_path("gis_layers", "project.qgs.in").read_text(encoding="utf-8")
    frame = _fill(template, srid, title, extent)
    written = []
    kinds = (
        ("diqi", "postgres", False),
        ("diqi-gpkg", "ogr", False),
        ("diqi-review", "postgres", True),
    )
    for name, provider, has_forms in kinds:
        content = frame.replace("@PROVIDER@", provider)
        for layer in read_layers().values():
            source = _service_source(layer, srid) if provider == "postgres" else _file_source(layer)
            content = content.replace(f"@SOURCE:{layer.name}@", _xml(source))
        for form, key in _FORMS.items():
            if has_forms:
                content = content.replace(f"@SOURCE:{form}@", _xml(_form_source(form, key)))
            else:
                content = _without_form(content, form)
        path = out_dir / f"{name}.qgz"
        with whole_file(path) as part:
            _write_zip(part, f"{name}.qgs", content)
        written.append(path)
    return written


def layer_extent(connection: Connection) -> Extent | None:
    """Return the extent of the published townships and parcels, for the first view.

    Shape:  an open connection in; xmin, ymin, xmax, ymax out, None without any.
    Units:  those of the CRS.
    CRS:    that of the published layers.
    Errors: those of the database.
    Source: none.
    """
    tables = reflect(connection, {SCHEMA: _FIRST_VIEW}).tables.values()
    shapes = union_all(*(select(table.c[GEOMETRY]) for table in tables)).subquery()
    box = func.ST_Extent(shapes.c[GEOMETRY])
    row = connection.execute(
        select(func.ST_XMin(box), func.ST_YMin(box), func.ST_XMax(box), func.ST_YMax(box))
    ).one()
    return None if row[0] is None else (row[0], row[1], row[2], row[3])


def _fill(template: str, srid: int, title: str, extent: Extent | None) -> str:
    """Put title, CRS and view into the template."""
    if extent is None:
        template = re.sub(
            r"\s*<DefaultViewExtent .*?</DefaultViewExtent>", "", template, flags=re.DOTALL
        )
    else:
        corners = zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True)
        view = " ".join(f'{name}="{value:.2f}"' for name, value in corners)
        template = template.replace("@EXTENT@", view)
    template = template.replace("@SPATIALREFSYS@", _spatialrefsys(srid))
    return template.replace("@TITLE@", _xml(title))


def _spatialrefsys(srid: int) -> str:
    """Describe a CRS in the form of a QGIS project; QGIS goes by authid."""
    crs = CRS.from_epsg(srid)
    projection = crs.coordinate_operation
    ellipsoid = crs.ellipsoid
    entries = {
        "wkt": crs.to_wkt(),
        "srid": str(srid),
        "authid": f"EPSG:{srid}",
        "description": crs.name,
        "projectionacronym": "tmerc" if projection is not None else "",
        "ellipsoidacronym": ellipsoid.name if ellipsoid is not None else "",
        "geographicflag": str(crs.is_geographic).lower(),
    }
    body = "".join(f"<{name}>{_xml(value)}</{name}>" for name, value in entries.items())
    return f"<spatialrefsys>{body}</spatialrefsys>"


def _service_source(layer: Layer, srid: int) -> str:
    """Return the source of a layer in the database; who and where is in the user's service file."""
    return (
        f"service='{SERVICE}' key='{KEY}' estimatedmetadata=true srid={srid} "
        f"type={layer.geometry} checkPrimaryKeyUnicity='0' "
        f'table="{SCHEMA}"."{layer.name}" ({GEOMETRY})'
    )


def _form_source(form: str, key: str) -> str:
    """Return the source of a table that is filled in."""
    return (
        f"service='{SERVICE}' key='{key}' estimatedmetadata=true checkPrimaryKeyUnicity='0' "
        f'table="core"."{form}"'
    )


def _without_form(content: str, form: str) -> str:
    """Take a table that is filled in, and what relates to it, out of a project."""
    own = f"diqi_{form}"
    content = re.sub(
        rf'\s*<layer-tree-layer\b[^>]*\bid="{own}"[^>]*>.*?</layer-tree-layer>',
        "",
        content,
        flags=re.DOTALL,
    )
    content = re.sub(
        rf"\s*<maplayer\b(?:(?!</maplayer>).)*?<id>{own}</id>.*?</maplayer>",
        "",
        content,
        flags=re.DOTALL,
    )
    content = re.sub(
        rf'\s*<relation\b[^>]*\breferencingLayer="{own}"[^>]*>.*?</relation>',
        "",
        content,
        flags=re.DOTALL,
    )
    return re.sub(rf'\s*<(?:item>{own}</item|layer id="{own}"/)>', "", content)


def _file_source(layer: Layer) -> str:
    """Return the source of a layer in the GeoPackage beside the project."""
    return f"./{GEOPACKAGE}|layername={layer.name}"


def _xml(value: str) -> str:
    """Escape a value for XML text and attributes."""
    return escape(value, {'"': "&quot;"})


def _write_zip(path: Path, name: str, content: str) -> None:
    """Write an archive of one file whose bytes depend on the content alone."""
    entry = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, content.encode())
