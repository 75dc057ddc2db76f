"""Writers: files as the offices write them, from whole columns, the same bytes each time.

No kept library writes a shapefile with the field widths of the standard, which is what the offices'
files have, and none does so from arrays; hence the one here. The rest is written by pyogrio,
openpyxl and pandas.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from openpyxl import Workbook

from pipeline.demo.generator.noise import Ints
from pipeline.demo.generator.survey import Floats, Shapes
from pipeline.demo.township import CRS, DATE

Bytes = npt.NDArray[np.bytes_]
_Raw = npt.NDArray[np.uint8]

_SHAPEFILE_VERSION: Final = 1000
_POLYGON: Final = 5
_SPACE, _ZERO, _POINT = 32, 48, 46
_STAMP: Final = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")


class Field(NamedTuple):
    """One field of a DBF table: C for text, N for numbers."""

    name: str
    kind: str
    width: int
    decimals: int = 0


class ShapefileWriter:
    """A shapefile of polygons in GBK, without the file that would say so, written piece by piece.

    Shape:  ``add`` takes n polygons of the same number of points and n values per field.
    Units:  as given.
    CRS:    EPSG:4549.
    Errors: OSError where the files cannot be written; ValueError where a column has another
            length than the polygons.
    Source: ESRI Shapefile Technical Description, 1998; dBASE III table.
    """

    def __init__(self, path: Path, fields: Sequence[Field]) -> None:
        self._fields = list(fields)
        self._shp = path.open("wb")
        self._shx = path.with_suffix(".shx").open("wb")
        self._dbf = path.with_suffix(".dbf").open("wb")
        self._count = 0
        self._words = 50
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self._shp.write(bytes(100))
        self._shx.write(bytes(100))
        self._dbf.write(bytes(33 + 32 * len(fields)))
        path.with_suffix(".prj").write_text(
            pyproj.CRS.from_user_input(CRS).to_wkt("WKT1_ESRI"), encoding="ascii"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heads()
        for file in (self._shp, self._shx, self._dbf):
            file.close()

    def add(self, rings: Floats, starts: Sequence[int], columns: Mapping[str, Bytes]) -> None:
        """Append polygons: all rings of one in (n, points, 2), where each ring starts in it."""
        count, points = rings.shape[:2]
        if count == 0:
            return
        kind = np.dtype(
            [
                ("number", ">i4"),
                ("words", ">i4"),
                ("type", "<i4"),
                ("box", "<f8", (4,)),
                ("parts", "<i4"),
                ("points", "<i4"),
                ("starts", "<i4", (len(starts),)),
                ("rings", "<f8", (points, 2)),
            ]
        )
        words = kind.itemsize // 2
        rows = np.zeros(count, dtype=kind)
        rows["number"] = self._count + 1 + np.arange(count)
        rows["words"] = words - 4
        rows["type"] = _POLYGON
        rows["box"][:, :2], rows["box"][:, 2:] = rings.min(axis=1), rings.max(axis=1)
        rows["parts"], rows["points"] = len(starts), points
        rows["starts"] = np.array(starts)
        rows["rings"] = rings
        index = np.empty((count, 2), dtype=">i4")
        index[:, 0] = self._words + words * np.arange(count)
        index[:, 1] = words - 4
        self._shp.write(rows.tobytes())
        self._shx.write(index.tobytes())
        self._words += words * count
        self._count += count
        self._box[:2] = np.minimum(self._box[:2], rows["box"][:, :2].min(axis=0))
        self._box[2:] = np.maximum(self._box[2:], rows["box"][:, 2:].max(axis=0))
        self._add_records(count, columns)

    def add_shapes(self, shapes: Shapes, columns: Mapping[str, Bytes]) -> None:
        """Append polygons of one ring each, whatever their number of points, grouped by it."""
        points = shapely.get_num_coordinates(shapes)
        for number in np.unique(points):
            chosen = points == number
            # a shapefile's outer rings run clockwise
            rings = shapely.get_coordinates(
                shapely.orient_polygons(shapes[chosen], exterior_cw=True)
            )
            self.add(
                rings.reshape(-1, int(number), 2),
                (0,),
                {name: column[chosen] for name, column in columns.items()},
            )

    def _add_records(self, count: int, columns: Mapping[str, Bytes]) -> None:
        """Append rows to the table."""
        width = 1 + sum(field.width for field in self._fields)
        rows = np.full((count, width), _SPACE, dtype=np.uint8)
        at = 1
        for field in self._fields:
            column = columns[field.name]
            if len(column) != count:
                raise ValueError(f"{field.name}: {len(column)} values for {count} polygons")
            raw = _raw(column)
            rows[:, at : at + raw.shape[1]] = np.where(raw == 0, _SPACE, raw)
            at += field.width
        self._dbf.write(rows.tobytes())

    def _heads(self) -> None:
        """Write the three heads, now that counts and the box are known."""
        for file, words in ((self._shp, self._words), (self._shx, 50 + 4 * self._count)):
            head = np.zeros(25, dtype=">i4")
            head[0], head[6] = 9994, words
            raw = bytearray(head.tobytes())
            raw[28:36] = np.array([_SHAPEFILE_VERSION, _POLYGON], dtype="<i4").tobytes()
            box = self._box if self._count else np.zeros(4)
            raw[36:68] = box.astype("<f8").tobytes()
            file.seek(0)
            file.write(bytes(raw))
        year, month, day = (int(part) for part in DATE.split("-"))
        size = 33 + 32 * len(self._fields)
        width = 1 + sum(field.width for field in self._fields)
        raw = bytearray(32)
        raw[:4] = bytes([3, year - 1900, month, day])
        raw[4:12] = (
            self._count.to_bytes(4, "little")
            + size.to_bytes(2, "little")
            + (width.to_bytes(2, "little"))
        )
        for field in self._fields:
            raw += field.name.encode().ljust(11, b"\0") + field.kind.encode() + bytes(4)
            raw += bytes([field.width, field.decimals]) + bytes(14)
        raw += b"\r"
        self._dbf.seek(0)
        self._dbf.write(bytes(raw))
        self._dbf.seek(0, io.SEEK_END)
        self._dbf.write(b"\x1a")


def gbk(column: pd.Series) -> Bytes:
    """Encode text for a DBF table, each distinct value once.

    Shape:  n texts in, NA for none; n byte strings out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UnicodeEncodeError on a character that GBK lacks.
    Source: GBK.
    """
    index, words = pd.factorize(column)
    coded = np.array([str(word).encode("gbk") for word in words] + [b""])
    return np.asarray(coded[index])


def number_text(number: Ints, width: int) -> Bytes:
    """Write whole numbers with leading zeros, as bytes.

    Shape:  n numbers in; n byte strings of the width out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: dBASE III table, text fields.
    """
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    raw = (number[:, None] // powers % 10 + _ZERO).astype(np.uint8)
    return np.ascontiguousarray(raw).view(f"S{width}").ravel()


def decimal_text(value: Floats, width: int, decimals: int) -> Bytes:
    """Write numbers right-aligned with a fixed number of decimals, blanks for NaN.

    Shape:  n numbers, none negative, in; n byte strings of the width out.
    Units:  as given.
    CRS:    none (no geometry).
    Errors: none.
    Source: dBASE III table, numeric fields.
    """
    known = ~np.isnan(value)
    scaled = np.rint(np.where(known, value, 0) * 10**decimals).astype(np.int64)
    raw = _raw(number_text(scaled, width - 1))
    whole = width - 1 - decimals
    leading = (np.cumsum(raw != _ZERO, axis=1) == 0) & (np.arange(width - 1) < whole - 1)
    raw = np.where(leading, _SPACE, raw)
    point = np.full((len(raw), 1), _POINT, dtype=np.uint8)
    raw = np.concatenate([raw[:, :whole], point, raw[:, whole:]], axis=1)
    raw = np.where(known[:, None], raw, _SPACE).astype(np.uint8)
    return np.ascontiguousarray(raw).view(f"S{width}").ravel()


def write_geopackage(path: Path, shapes: Shapes, columns: Mapping[str, Any]) -> None:
    """Write one layer as a GeoPackage that QGIS 3.22 opens without a warning.

    Shape:  n polygons and n values per column in; one file out, named as the layer.
    Units:  as given.
    CRS:    EPSG:4549.
    Errors: OSError or pyogrio's errors where the file cannot be written.
    Source: OGC 12-128r17 (GeoPackage 1.3).
    """
    path.unlink(missing_ok=True)
    arrays = {name: pa.array(column, from_pandas=True) for name, column in columns.items()}
    kinds = set(shapely.get_type_id(shapes).tolist())
    table = pa.table({**arrays, "geom": pa.array(shapely.to_wkb(shapes), pa.binary())})
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{DATE}T00:00:00.000Z"})
    try:
        pyogrio.write_arrow(
            table,
            path,
            layer=path.stem,
            driver="GPKG",
            geometry_name="geom",
            geometry_type="Polygon" if kinds <= {3} else "MultiPolygon",
            crs=CRS,
            dataset_options={"VERSION": "1.3"},
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_workbook(
    path: Path, rows: Iterable[Sequence[Any]], *, merged: Sequence[str] = ()
) -> None:
    """Write a workbook of one sheet, without the time of writing.

    Shape:  rows of cells, None where empty, and ranges to merge in; one file out.
    Units:  as given.
    CRS:    none (no geometry).
    Errors: OSError where the file cannot be written.
    Source: ECMA-376.
    """
    book = Workbook(write_only=True)
    sheet = book.create_sheet(path.stem)
    for cells in merged:
        sheet.merged_cells.add(cells)
    for row in rows:
        sheet.append(row)
    raw = io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.startswith("docProps/"):
                content = _STAMP.sub(rb"\g<1>" + f"{DATE}T00:00:00Z".encode(), content)
            # ZipInfo without a date stands for the first day that the format knows
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 1)


def table_rows(columns: Mapping[str, Any]) -> Iterable[list[Any]]:
    """Turn columns into rows of cells, the heading not among them.

    Shape:  n values per column in; n rows out, None for a missing value.
    Units:  as given.
    CRS:    none (no geometry).
    Errors: ValueError where columns differ in length.
    Source: none.
    """
    cells = [
        series.astype(object).where(series.notna(), None).tolist()
        for series in (pd.Series(column) for column in columns.values())
    ]
    return map(list, zip(*cells, strict=True))


def write_csv(path: Path, columns: Mapping[str, Any], encoding: str) -> None:
    """Write a table as CSV with the line ends of Windows.

    Shape:  n values per column in; one file out.
    Units:  as given.
    CRS:    none (no geometry).
    Errors: OSError where the file cannot be written.
    Source: RFC 4180.
    """
    table = pd.DataFrame({name: pd.Series(column) for name, column in columns.items()})
    table.to_csv(path, index=False, encoding=encoding, lineterminator="\r\n")


def _raw(column: Bytes) -> _Raw:
    """Return byte strings as a matrix of bytes."""
    width = max(column.dtype.itemsize, 1)
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), width)
