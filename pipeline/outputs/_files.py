"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipeline.errors import SettingsError

# The first day that a zip can name.
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)
_WRITTEN: Final = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")


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


def fixed_office_file(data: bytes, day: dt.date) -> bytes:
    """Bring a workbook or document to the one form that the same content always has.

    Office files tell when they were written, inside and in their zip; two that say the same would differ.

    Shape:  an .xlsx or .docx, and the day that it shall tell, in; the same file out.
    Units:  none.
    CRS:    none.
    Errors: zipfile.BadZipFile where it is none.
    Source: ECMA-376, part 2 (core properties).
    """
    sink = io.BytesIO()
    moment = f"{day.isoformat()}T00:00:00Z".encode()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as given,
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for entry in given.infolist():
            content = given.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _WRITTEN.sub(rb"\g<1>" + moment + rb"\g<2>", content)
            info = zipfile.ZipInfo(entry.filename, _FIRST_DAY)
            info.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(info, content, compresslevel=6)
    return sink.getvalue()
