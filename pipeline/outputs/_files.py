"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import SettingsError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside the target to write to; the target is replaced when all went well.

    The folder of the target is made where it is missing.

    Shape:  the target in; a path with the same name in a folder of its own, on the same disk, out.
    Units:  none.
    CRS:    none.
    Errors: SettingsError export.not_writable when the folder or the target cannot be written.
    Source: docs/sources.md, Design 5, invariant 9.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise not_writable(path, error) from error
    with folder:
        part = Path(folder.name) / path.name
        yield part
        try:
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            part.replace(path)
        except OSError as error:
            raise not_writable(path, error) from error


def not_writable(path: Path, reason: object) -> SettingsError:
    """Return the error for a target that cannot be replaced.

    Shape:  the target and what stood in the way in; the error out, to be raised.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, Design 6.
    """
    return SettingsError("export.not_writable", path=str(path), reason=str(reason))
