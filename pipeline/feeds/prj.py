"""The .prj beside a shapefile, read as text and not as GDAL takes it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# No text of a system is longer.
_MAX_BYTES = 65_536


def read_prj(path: Path) -> str | None:
    """The text of the .prj beside a shapefile, None where there is none.

    GDAL believes an authority code in the text before the parameters; so the text is read here.

    Shape:  the path of a .shp in; text out.
    Units:  none.
    CRS:    none; ``reprojection`` reads the text.
    Errors: none; names in no known encoding come out with replacement characters.
    Source: docs/sources.md, 3.4 and 7.
    """
    raw = _raw(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", errors="replace")
    return text.strip("\0 \t\r\n") or None


@contextmanager
def openable(path: Path) -> Iterator[Path]:
    """A path at which GDAL's bindings open a shapefile, whatever its .prj is written in.

    They fail on a .prj whose names are not UTF-8, and on one without end; then the other files are linked to a folder
    that lasts as long as the context.

    Shape:  the path of a .shp in; that path, or one of the same name, out.
    Units:  none.
    CRS:    none; ``read_prj`` of the first path tells it.
    Errors: OSError where no folder can be made.
    Source: docs/sources.md, 7.
    """
    if _is_taken(_raw(path)):
        yield path
    else:
        with tempfile.TemporaryDirectory(prefix="diqi-") as folder:
            for file in path.parent.iterdir():
                if file.stem == path.stem and file.suffix.lower() != ".prj":
                    (Path(folder) / file.name).symlink_to(file.resolve())
            yield Path(folder) / path.name


def _is_taken(raw: bytes) -> bool:
    """Whether GDAL's bindings take the text of a .prj: not too long, and UTF-8."""
    if len(raw) == _MAX_BYTES:
        return False
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _raw(path: Path) -> bytes:
    """The bytes of the .prj, none where there is none; case of its ending does not matter."""
    for suffix in (".prj", ".PRJ", ".Prj"):
        file = path.with_suffix(suffix)
        if file.is_file():
            with file.open("rb") as stream:
                return stream.read(_MAX_BYTES)
    return b""
