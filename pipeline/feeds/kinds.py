"""What a file is, told by its content and not by its name; what cannot be read is refused by name."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import SourceError
from pipeline.feeds.zipread import OLE_MARK, ZIP_MARKS, ole_streams, zip_names, zip_start

_HEAD = 65_536
# A JSON text up to this size is read whole to tell what it is; of a larger one, both ends.
_JSON_WHOLE = 4 << 20
_FOOTER_LIMIT = 16 << 20
_PROBED_LINES = 40


class Kind(StrEnum):
    """What a file holds. Those of ``READABLE`` can be loaded, the others are refused by name."""

    SHAPEFILE = "shapefile"
    GEODATABASE = "geodatabase"
    GEOPACKAGE = "geopackage"
    SQLITE = "sqlite"
    GEOJSON = "geojson"
    GEOJSON_ARRAY = "geojson_array"
    GEOJSON_LINES = "geojson_lines"
    GEOPARQUET = "geoparquet"
    PARQUET = "parquet"
    DXF = "dxf"
    BOUNDARY_TEXT = "boundary_text"
    DELIMITED_TEXT = "delimited_text"
    DBF = "dbf"
    XLSX = "xlsx"
    XLSB = "xlsb"
    XLS = "xls"
    ODS = "ods"
    ZIP = "zip"
    # recognised, and refused by name
    ACCESS = "access"
    VCT = "vct"
    DWG = "dwg"
    DXF_BINARY = "dxf_binary"
    MAPGIS = "mapgis"
    EDIGEO = "edigeo"
    MAPINFO = "mapinfo"
    KML = "kml"
    GML = "gml"
    GPX = "gpx"
    VRT = "vrt"
    TOPOJSON = "topojson"
    ESRI_JSON = "esri_json"
    JSON = "json"
    FLATGEOBUF = "flatgeobuf"
    ARROW = "arrow"
    WKT = "wkt"
    XML = "xml"
    HTML = "html"
    EXCEL_XML = "excel_xml"
    ENCRYPTED_WORKBOOK = "encrypted_workbook"
    PACKED = "packed"
    PDF = "pdf"
    DOCUMENT = "document"
    IMAGE = "image"
    SHAPEFILE_PART = "shapefile_part"
    GEODATABASE_PART = "geodatabase_part"
    EMPTY = "empty"
    FOLDER = "folder"
    NO_TABLE = "no_table"
    UNKNOWN = "unknown"


VECTOR = frozenset(
    {
        Kind.SHAPEFILE,
        Kind.GEODATABASE,
        Kind.GEOPACKAGE,
        Kind.SQLITE,
        Kind.GEOJSON,
        Kind.GEOJSON_ARRAY,
        Kind.GEOJSON_LINES,
        Kind.GEOPARQUET,
        Kind.DXF,
        Kind.BOUNDARY_TEXT,
    }
)
WORKBOOKS = frozenset({Kind.XLSX, Kind.XLSB, Kind.XLS, Kind.ODS})
TABLES = WORKBOOKS | {Kind.DELIMITED_TEXT, Kind.DBF, Kind.PARQUET}
READABLE = VECTOR | TABLES | {Kind.ZIP}

_SHP = b"\x00\x00\x27\x0a"
# .sbn and .sbx begin as a .shp does, then with this
_SPATIAL_INDEX = b"\xff\xff\xfe\x70"
SHP_PARTS = frozenset(
    [
        ".shx",
        ".dbf",
        ".prj",
        ".cpg",
        ".sbn",
        ".sbx",
        ".qix",
        ".qpj",
        ".fix",
        ".fbn",
        ".fbx",
        ".ain",
        ".aih",
        ".ixs",
        ".mxs",
        ".qmd",
    ]
)
_DBF_MARKS = frozenset(
    [0x02, 0x03, 0x04, 0x05, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B, 0x8E, 0xCB, 0xF5, 0xFB]
)
# First bytes that are enough to know a file.
_MARKS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x00\x01\x00\x00Standard Jet DB", Kind.ACCESS),
    (b"\x00\x01\x00\x00Standard ACE DB", Kind.ACCESS),
    *((mark, Kind.ZIP) for mark in ZIP_MARKS),
    (b"PAR1", Kind.PARQUET),
    (b"WMAP", Kind.MAPGIS),
    (b"AutoCAD Binary DXF\r\n\x1a\x00", Kind.DXF_BINARY),
    (b"fgb\x03fgb", Kind.FLATGEOBUF),
    (b"ARROW1", Kind.ARROW),
    (b"FEA1", Kind.ARROW),
    (b"Rar!\x1a\x07", Kind.PACKED),
    (b"7z\xbc\xaf\x27\x1c", Kind.PACKED),
    (b"\x1f\x8b", Kind.PACKED),
    (b"BZh", Kind.PACKED),
    (b"\xfd7zXZ\x00", Kind.PACKED),
    (b"\x28\xb5\x2f\xfd", Kind.PACKED),
    (b"%PDF", Kind.PDF),
    (b"{\\rtf", Kind.DOCUMENT),
    (b"\x89PNG\r\n", Kind.IMAGE),
    (b"\xff\xd8\xff", Kind.IMAGE),
    (b"GIF8", Kind.IMAGE),
    (b"II*\x00", Kind.IMAGE),
    (b"MM\x00*", Kind.IMAGE),
    (b"II+\x00", Kind.IMAGE),
)
_DWG = re.compile(rb"AC(10[0-9]{2}|1\.[0-9]{2}|2\.[0-9]{2})[\0-\x1f]")
_EDIGEO = re.compile(rb"BOM[A-Z] ?[0-9]{2}:")
# Layers, styles and indexes that lie in a file geodatabase.
_GDB_PART = re.compile(
    r".*\.(gdbtable|gdbtablx|gdbindexes|atx|spx|horizon|freelist)", re.IGNORECASE
)

# ---- Text ---------------------------------------------------------------------------------------

_DXF = re.compile(r"\s*(999\s*\n[^\n]*\n\s*)*0\s*\n\s*SECTION\s*\n", re.IGNORECASE)
_BOUNDARY = re.compile(r"^\s*[\[【]\s*(属性描述|地块坐标)\s*[\]】]", re.MULTILINE)
_VCT = re.compile(r"\s*(Data[Mm]ark\s*[:：]|HeadBegin)", re.IGNORECASE)
_MAPINFO = re.compile(r"\s*(!table\b|Version\s+[0-9]+\s*\n\s*Charset\b)", re.IGNORECASE)
_PRJ = re.compile(r"\s*(PROJCS|GEOGCS|PROJCRS|GEOGCRS|LOCAL_CS|COMPD_CS)\s*\[")
_WKT = re.compile(
    r"\s*(SRID=[0-9]+;)?\s*(MULTI)?(POINT|LINESTRING|POLYGON|CURVE|SURFACE)\s*(Z|M|ZM)?\s*"
    r"(\(|EMPTY)|\s*GEOMETRYCOLLECTION\s*\(",
    re.IGNORECASE,
)
# The first element decides, not a word somewhere in the text.
_XML_KINDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"urn:schemas-microsoft-com:office:spreadsheet"), Kind.EXCEL_XML),
    (re.compile(r"<OGRVRTDataSource\b", re.IGNORECASE), Kind.VRT),
    (re.compile(r"<(\w+:)?kml\b", re.IGNORECASE), Kind.KML),
    (re.compile(r"<gpx\b", re.IGNORECASE), Kind.GPX),
    (re.compile(r"<!DOCTYPE\s+html|<(html|table|head|body|meta)\b", re.IGNORECASE), Kind.HTML),
    (re.compile(r"opengis\.net/(gml|wfs)|<gml:"), Kind.GML),
)
_WEB_PAGE = re.compile(r"\s*MIME-Version:", re.IGNORECASE)
_TEXT_KINDS = (
    (_DXF, Kind.DXF),
    (_VCT, Kind.VCT),
    (_MAPINFO, Kind.MAPINFO),
    (_PRJ, Kind.SHAPEFILE_PART),
    (_WKT, Kind.WKT),
    (_WEB_PAGE, Kind.HTML),
)
_SEPARATORS = ",\t;|，"
_TABLE_NAMES = frozenset({".csv", ".tsv", ".tab"})


def kind_of(path: Path) -> Kind:
    """Tell what a file is by its bytes; its name decides only where its content says nothing.

    Shape:  a file or a folder in; one kind out.
    Units:  none.
    CRS:    none (nothing is loaded).
    Errors: OSError where the file cannot be read.
    Source: docs/sources.md, 7 (file habits): web exports are often named .xls and are not.
    """
    if path.is_dir():
        is_geodatabase = any(p.suffix.lower() == ".gdbtable" for p in path.iterdir())
        return Kind.GEODATABASE if is_geodatabase else Kind.FOLDER
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
        if head.startswith(ZIP_MARKS):
            return _zip_kind(handle)
        if head.startswith(OLE_MARK):
            return _ole_kind(handle)
        if head.startswith(b"PAR1"):
            return _parquet_kind(handle, size)
        kind = kind_of_bytes(head, path.name, size)
        if kind in {Kind.GEOJSON, Kind.JSON}:
            kind = _json_kind(handle, size, head)
    return kind


def kind_of_bytes(head: bytes, name: str, size: int) -> Kind:
    """Tell what a file is by its first bytes, such as those of a member of an archive.

    A zip, an OLE file, a Parquet and a JSON text need more than that: of them the family is told.

    Shape:  up to 65,536 bytes, a name and the size in; one kind out.
    Units:  size in bytes.
    CRS:    none.
    Errors: none.
    Source: as ``kind_of``.
    """
    suffix = Path(name).suffix.lower()
    if not head or size == 0:
        return Kind.SHAPEFILE_PART if suffix in SHP_PARTS else Kind.EMPTY
    return (
        _kind_of_mark(head, size, suffix)
        or _kind_of_text(head, suffix, whole=size <= len(head))
        or _kind_of_name(name, suffix)
    )


def require_readable(path: Path, kind: Kind) -> None:
    """Refuse by name what cannot be loaded: the message says what it is and how to convert it.

    Shape:  a file and its kind in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.format_<kind>; source.shapefile_incomplete (a .shp without .shx or
            .dbf), source.shapefile_part (a part without its .shp), source.file_special (a part is
            a pipe or a device), source.not_text (a .csv of other bytes).
    Source: docs/sources.md, 7 (file habits): VCT, MapGIS, CAD, personal geodatabases.
    """
    if kind is Kind.SHAPEFILE:
        beside = _beside(path)
        missing = [suffix for suffix in (".shx", ".dbf") if suffix not in beside]
        if missing:
            raise SourceError(
                "source.shapefile_incomplete", file=path.name, missing=", ".join(missing)
            )
        special = next((part for part in beside.values() if _is_special(part)), None)
        if special is not None:
            raise SourceError("source.file_special", file=special.name)
    if kind is Kind.UNKNOWN and path.suffix.lower() in _TABLE_NAMES:
        raise SourceError("source.not_text", file=path.name)
    if kind not in READABLE:
        raise SourceError(f"source.format_{kind.value}", file=path.name)


def _beside(path: Path) -> dict[str, Path]:
    """What has the name of a shapefile but for its suffix, by that, in any case."""
    stem = path.stem.casefold()
    return {
        other.suffix.lower(): other
        for other in path.parent.iterdir()
        if other.stem.casefold() == stem
    }


def _is_special(path: Path) -> bool:
    """Whether opening it would wait for another program."""
    return path.exists() and not path.is_file() and not path.is_dir()


# ---- Binary files -------------------------------------------------------------------------------


def _kind_of_mark(head: bytes, size: int, suffix: str) -> Kind | None:
    """The kind that the first bytes give away."""
    found = next((kind for mark, kind in _MARKS if head.startswith(mark)), None)
    if found is not None:
        return found
    if head.startswith(_SHP):
        return _shape_kind(head, suffix)
    if head.startswith(b"SQLite format 3\0"):
        is_package = head[68:72] in {b"GPKG", b"GP10", b"GP11"} or b"gpkg_contents" in head
        return Kind.GEOPACKAGE if is_package else Kind.SQLITE
    if head[257:262] == b"ustar":
        return Kind.PACKED
    for pattern, kind in ((_DWG, Kind.DWG), (_EDIGEO, Kind.EDIGEO)):
        if pattern.match(head):
            return kind
    return Kind.DBF if _is_dbf(head, size) else None


def _shape_kind(head: bytes, suffix: str) -> Kind:
    """A .shp or its .shx: both begin alike, but the first record of an index is at word 50."""
    if head[4:8] == _SPATIAL_INDEX:
        return Kind.SHAPEFILE_PART
    if len(head) >= 104:
        return Kind.SHAPEFILE_PART if head[100:104] == b"\0\0\0\x32" else Kind.SHAPEFILE
    return Kind.SHAPEFILE_PART if suffix == ".shx" else Kind.SHAPEFILE


def _is_dbf(head: bytes, size: int) -> bool:
    """Whether the bytes are a table header of dBASE or FoxPro."""
    if len(head) < 33 or head[0] not in _DBF_MARKS:
        return False
    month, day = head[2], head[3]
    header, record = struct.unpack("<HH", head[8:12])
    if month > 12 or day > 31 or header < 33 or record < 1 or header > size:
        return False
    ends = head[32 : min(len(head), header) : 32]
    return b"\x0d" in ends or head[header - 1 : header] == b"\x0d"


def _zip_kind(handle: BinaryIO) -> Kind:
    """A workbook, a document, a packed KML, or an archive of files."""
    names = zip_names(handle)
    if names is None:
        return Kind.ZIP
    folded = {name.replace("\\", "/").lower() for name in names}
    if "[content_types].xml" in folded:
        if any(name.startswith("xl/") for name in folded):
            return Kind.XLSB if "xl/workbook.bin" in folded else Kind.XLSX
        if any(name.startswith(("word/", "ppt/", "visio/")) for name in folded):
            return Kind.DOCUMENT
    if "mimetype" in folded and "content.xml" in folded:
        said = zip_start(handle, "mimetype")
        return Kind.ODS if b"opendocument.spreadsheet" in said else Kind.DOCUMENT
    if "content.xml" in folded and "meta-inf/manifest.xml" in folded:
        return Kind.ODS
    if "doc.kml" in folded or (len(names) == 1 and names[0].lower().endswith(".kml")):
        return Kind.KML
    return Kind.ZIP


def _ole_kind(handle: BinaryIO) -> Kind:
    """An old workbook, an old document, or a new workbook under a password."""
    streams = {name.casefold() for name in ole_streams(handle)}
    if {"encryptedpackage", "encryptioninfo"} & streams:
        return Kind.ENCRYPTED_WORKBOOK
    if {"workbook", "book"} & streams:
        return Kind.XLS
    if {"worddocument", "powerpoint document", "visiodocument", "wpsdocument"} & streams:
        return Kind.DOCUMENT
    return Kind.UNKNOWN


def _parquet_kind(handle: BinaryIO, size: int) -> Kind:
    """Whether the footer of a Parquet file speaks of geometry."""
    if size < 12:
        return Kind.UNKNOWN
    handle.seek(size - 8)
    length, mark = struct.unpack("<I4s", handle.read(8))
    if mark != b"PAR1":
        return Kind.PARQUET
    handle.seek(max(4, size - 8 - min(length, _FOOTER_LIMIT)))
    footer = handle.read(min(length, _FOOTER_LIMIT))
    return Kind.GEOPARQUET if b'"primary_column"' in footer else Kind.PARQUET


# ---- Text files ---------------------------------------------------------------------------------


def _kind_of_text(head: bytes, suffix: str, *, whole: bool) -> Kind | None:
    """The kind of a text, None where the bytes are no text."""
    text = _as_text(head, whole=whole)
    if text is None:
        return None
    # not what Python takes for space: a record separator begins a sequence of features
    start = text.lstrip(" \t\n\f")
    if not start:
        return Kind.SHAPEFILE_PART if suffix in SHP_PARTS else Kind.EMPTY
    kind = _marked_text(start)
    if kind is not None:
        return kind
    if _BOUNDARY.search(text):
        return Kind.BOUNDARY_TEXT
    if suffix in SHP_PARTS:
        return Kind.SHAPEFILE_PART
    return Kind.DELIMITED_TEXT if _is_table(text, suffix) else Kind.NO_TABLE


def _marked_text(start: str) -> Kind | None:
    """The kind that the first characters of a text give away."""
    if start[0] == "\x1e":
        return Kind.GEOJSON_LINES
    if start[0] == "{" or _is_json_array(start):
        return Kind.JSON
    if start[0] == "<" and re.match(r"<[?!A-Za-z]", start):
        return _xml_kind(start)
    return next((kind for pattern, kind in _TEXT_KINDS if pattern.match(start)), None)


def _is_json_array(start: str) -> bool:
    """Whether a text that begins with a bracket is JSON and not a section of an INI file."""
    return re.match(r"\[\s*([\[{\"\]0-9.+-]|null|true|false)", start) is not None


def _as_text(head: bytes, *, whole: bool) -> str | None:
    """The bytes as text, None where they are none; a character may be cut at the end."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        tried = ["utf-16"]
    else:
        # a text without a single zero byte: UTF-16 without a mark is not told from binary
        if b"\0" in head:
            return None
        tried = ["utf-8-sig", "gb18030", "big5hkscs", "latin-1"]
    for encoding in tried:
        for cut in (0,) if whole else (0, 1, 2, 3):
            try:
                text = head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            strange = sum(1 for c in text[:4096] if c < " " and c not in "\t\r\n\f\x1a\x1e\x1b")
            if strange > len(text[:4096]) // 50:
                return None
            return text.replace("\r\n", "\n").replace("\r", "\n")
    return None


def _xml_kind(start: str) -> Kind:
    without_comments = re.sub(r"<!--.*?-->", "", start[:8192], flags=re.DOTALL)
    for pattern, kind in _XML_KINDS:
        if pattern.search(without_comments[:4096]):
            return kind
    return Kind.XML


def _is_table(text: str, suffix: str) -> bool:
    """Whether lines hold cells. By its name a text is taken for a table even with one column."""
    if suffix in _TABLE_NAMES:
        return True
    lines = [line for line in text.split("\n")[:_PROBED_LINES] if line.strip()]
    # the last line may be cut
    lines = lines[:-1] if len(lines) >= _PROBED_LINES - 1 else lines
    for separator in _SEPARATORS:
        counts = Counter(line.count(separator) for line in lines)
        counts.pop(0, None)
        # a title above, totals and notes below: most lines agree, not all
        if counts and len(lines) >= 2 and max(counts.values()) >= max(2, 0.6 * len(lines)):
            return True
    return False


def _kind_of_name(name: str, suffix: str) -> Kind:
    """What nothing but the name tells."""
    if _GDB_PART.fullmatch(name):
        return Kind.GEODATABASE_PART
    if suffix in {".mpj", ".wt", ".wl", ".wp", ".wn", ".wb"}:
        return Kind.MAPGIS
    # a table that is none of itself is damaged, whether or not it has a .shp
    if suffix in SHP_PARTS - {".dbf"}:
        return Kind.SHAPEFILE_PART
    if suffix in {".map", ".id", ".dat"}:
        return Kind.MAPINFO
    return Kind.UNKNOWN


# ---- JSON ---------------------------------------------------------------------------------------

_TYPE = re.compile(r'"type"\s*:\s*"([A-Za-z]+)"')
_GEOMETRIES = frozenset(
    [
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    ]
)


def _json_kind(handle: BinaryIO, size: int, head: bytes) -> Kind:
    """What a JSON text holds: read whole while it is small, by both ends where it is not."""
    if size <= _JSON_WHOLE:
        handle.seek(0)
        text = _as_text(handle.read(), whole=True) or ""
        try:
            return _kind_of_value(json.loads(text))
        except (ValueError, RecursionError):
            return _json_by_words(text, text)
    handle.seek(size - _HEAD)
    tail = handle.read().decode("utf-8", "replace")
    return _json_by_words(_as_text(head, whole=False) or "", tail)


def _kind_of_value(value: object) -> Kind:
    """The kind of a JSON text that could be parsed."""
    if isinstance(value, list):
        are_features = bool(value) and all(
            isinstance(item, dict) and item.get("type") == "Feature" for item in value
        )
        return Kind.GEOJSON_ARRAY if are_features else Kind.JSON
    if not isinstance(value, dict):
        return Kind.JSON
    return _kind_of_type(value.get("type"), set(value))


def _kind_of_type(name: object, keys: set[str]) -> Kind:
    if name == "Topology":
        return Kind.TOPOJSON
    if name in {"Feature", "FeatureCollection"} or name in _GEOMETRIES:
        return Kind.GEOJSON
    if {"geometryType", "features"} <= keys or {"rings", "spatialReference"} <= keys:
        return Kind.ESRI_JSON
    return Kind.JSON


def _json_by_words(head: str, tail: str) -> Kind:
    """The kind of a JSON text that is large or cannot be parsed as one value."""
    lines = [line.strip().lstrip("\x1e") for line in head.split("\n") if line.strip()]
    first = _parsed(lines[0]) if len(lines) > 1 else None
    if isinstance(first, dict) and lines[1].startswith("{"):
        return Kind.GEOJSON_LINES if first.get("type") == "Feature" else Kind.JSON
    types = [match[1] for match in _TYPE.finditer(head)] + _TYPE.findall(tail)
    keys = set(re.findall(r'"(geometryType|features|rings|spatialReference)"\s*:', head))
    if head.lstrip().startswith("["):
        return Kind.GEOJSON_ARRAY if types[:1] == ["Feature"] else Kind.JSON
    for name in ("Topology", "FeatureCollection", "Feature"):
        if name in types:
            return _kind_of_type(name, keys)
    return _kind_of_type(types[0] if types else None, keys)


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
