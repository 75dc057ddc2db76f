"""GeoJSON as GDAL wants it: one collection in UTF-8; other forms are rewritten on the way."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.feeds.archive import require_space
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.kinds import Kind
from pipeline.feeds.limits import Limits

_CHUNK = 1 << 20
# Before each text of a sequence, where they are not one per line.
_MARK = "\x1e"


@contextmanager
def readable_geojson(
    path: Path, kind: Kind, limits: Limits, *, within: Path | None = None
) -> Iterator[Path]:
    """Give a GeoJSON that GDAL reads: the file itself, or a rewritten one that is gone afterwards.

    A bare array of features becomes a collection, GB18030 and UTF-16 become UTF-8, without the text
    being parsed. GDAL reads a collection in pieces, and refuses nesting of more than 32 levels and
    values of more than 10,000,000 characters itself.

    Shape:  a file of kind GEOJSON, GEOJSON_ARRAY or GEOJSON_LINES in; a path out.
    Units:  none.
    CRS:    as delivered (RFC 7946: longitude and latitude).
    Errors: SourceError: source.encoding, source.disk_full, source.json_line.
    Source: RFC 7946 3.3, RFC 8142; arrays as map web sites hand them out.
    """
    encoding = "utf-8" if _is_utf8(path) else text_encoding(path, "auto").values
    if kind is Kind.GEOJSON_LINES:
        _require_features(path, encoding)
    if kind is not Kind.GEOJSON_ARRAY and encoding in {"utf-8", "utf-8-sig"}:
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="diqi-", dir=within))
    try:
        # three bytes of UTF-8 for two of GB18030
        require_space(path, folder, path.stat().st_size * 3 // 2, limits)
        target = folder / f"{path.stem}.geojson"
        _rewrite(path, target, encoding, is_array=kind is Kind.GEOJSON_ARRAY)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_features(path: Path, encoding: str) -> None:
    """Refuse a sequence with a text that is no feature: GDAL would pass over it without a word."""
    with path.open(encoding=encoding, newline="\n") as lines:
        for number, text in _texts(lines):
            plain = text.strip("\ufeff\x1e \t\r\n")
            if plain and not (plain.startswith("{") and _is_json(plain)):
                raise SourceError("source.json_line", file=path.name, line=number)


def _texts(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The texts of a sequence with the numbers of their lines: one each, or with marks before them."""
    held, start, is_marked = "", 1, False
    for number, line in enumerate(lines, start=1):
        is_marked = is_marked or line.startswith(_MARK)
        if not is_marked:
            yield number, line
        elif line.startswith(_MARK):
            yield start, held
            held, start = line, number
        else:
            held += line
    yield start, held


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_utf8(path: Path) -> bool:
    """Whether a file is what its format asks for; a line of it may be as long as the file."""
    try:
        with path.open(encoding="utf-8", newline="") as text:
            while text.read(_CHUNK):
                pass
    except UnicodeDecodeError:
        return False
    return True


def _rewrite(path: Path, target: Path, encoding: str, *, is_array: bool) -> None:
    with (
        path.open(encoding=encoding, newline="") as source,
        target.open("w", encoding="utf-8", newline="") as sink,
    ):
        chunk = source.read(_CHUNK).removeprefix("\ufeff")
        if is_array:
            sink.write('{"type":"FeatureCollection","features":')
        while chunk:
            sink.write(chunk)
            chunk = source.read(_CHUNK)
        if is_array:
            sink.write("}")
