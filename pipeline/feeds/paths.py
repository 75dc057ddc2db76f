"""Paths as programs below take them, and files that are none."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SourceError

# Signs by which GDAL's bindings tell an archive, a query or parameters, and what ends a line.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TAKEN_APART = re.compile(r"[!;?\\\x00-\x1f\x7f]")


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """A path that GDAL's bindings take for a file, whatever signs it holds.

    They read ``a!b`` as a file in an archive, and drop what follows a semicolon. Such a file, with
    those that are beside it under the same stem, is linked into a folder that lasts as long as the
    context.

    Shape:  a file or a folder in; its absolute path, or one of a like name, out.
    Units:  none.
    CRS:    none.
    Errors: OSError where no folder can be made.
    Source: none.
    """
    whole = path.absolute()
    if _TAKEN_APART.search(str(whole)) is None:
        yield whole
        return
    with tempfile.TemporaryDirectory(prefix="diqi-") as folder:
        for file in whole.parent.iterdir():
            if file.stem == whole.stem:
                (Path(folder) / _TAKEN_APART.sub("_", file.name)).symlink_to(file)
        yield Path(folder) / _TAKEN_APART.sub("_", whole.name)


def require_file(path: Path) -> None:
    """Refuse what is no file with a name that can be written down, before it is opened.

    Shape:  a path in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.file_name (its name is no UTF-8), source.file_special (a pipe or a
            device), source.file_unreadable (it is gone, or may not be read).
    Source: docs/sources.md, 7 (file habits): names that were unpacked with the wrong code page.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        reading = readable_name(path.name)
        raise SourceError("source.file_name", file=path.name, reading=reading) from error
    try:
        if not path.is_dir() and not path.is_file():
            path.stat()
            raise SourceError("source.file_special", file=path.name)
        if not os.access(path, os.R_OK):
            raise PermissionError(13, os.strerror(13))
    except OSError as error:
        raise unreadable_file(path, error) from error


def unreadable_file(path: Path, error: OSError) -> SourceError:
    """The refusal of a file that cannot be opened; the words are those of the system.

    Shape:  a path and what the system said in; an error out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    return SourceError(
        "source.file_unreadable", file=path.name, reason=error.strerror or type(error).__name__
    )


def readable_name(name: str) -> str:
    """A name as its writer meant it: bytes that are no UTF-8 are GBK, control characters are shown.

    Shape:  a name as the system gives it in; a text that can be stored and printed out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: as ``zipread.entry_name``.
    """
    text = os.fsencode(name).decode("gb18030", "replace") if _is_raw(name) else name
    return _CONTROL.sub("\ufffd", text)


def _is_raw(name: str) -> bool:
    return any(0xDC80 <= ord(sign) <= 0xDCFF for sign in name)
