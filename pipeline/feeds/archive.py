"""A zip as a delivery, and workbooks that are zips: nothing is believed that was not counted."""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.errors import SourceError
from pipeline.feeds.kinds import SHP_PARTS, Kind, kind_of_bytes
from pipeline.feeds.limits import Limits
from pipeline.feeds.zipread import (
    OLE_MARK,
    ZIP_ERRORS,
    ZIP_MARKS,
    directory_size,
    entry_name,
    is_special,
)

_CHUNK = 1 << 20
_HEAD = 65_536
# The directory is loaded as a whole; a name alone may take 65,535 bytes.
_BYTES_PER_ENTRY = 4_096
_NAME_BYTES = 255
# How often the disk is asked how much is left while it is written.
_DISK_STEP = 16 << 20
_LISTED = 10

_READ_WITH_SHP = (".shx", ".dbf", ".prj", ".cpg")
_WORKBOOK_SUFFIXES = {
    ".xlsx": Kind.XLSX,
    ".xlsm": Kind.XLSX,
    ".xltx": Kind.XLSX,
    ".et": Kind.XLS,
    ".xls": Kind.XLS,
    ".xlsb": Kind.XLSB,
    ".ods": Kind.ODS,
}
# What lies beside a data set and is none: explanations, pictures, leavings.
_NO_DATA = frozenset(
    {
        Kind.SHAPEFILE_PART,
        Kind.GEODATABASE_PART,
        Kind.XML,
        Kind.HTML,
        Kind.IMAGE,
        Kind.PDF,
        Kind.DOCUMENT,
        Kind.NO_TABLE,
        Kind.EMPTY,
        Kind.UNKNOWN,
    }
)
_LEAVINGS = frozenset({"thumbs.db", "desktop.ini", ".ds_store"})


@dataclass(frozen=True)
class Member:
    """A data set inside an archive.

    ``name`` is what patterns of a feed are held against, ``inside`` where it lies; ``kind`` is told
    by its first bytes (of JSON and Parquet only the family: ask ``kind_of`` when it is extracted).
    """

    name: str
    inside: str
    kind: Kind
    # where each entry of the data set goes, by its place in the directory
    entries: tuple[tuple[int, str], ...]


def members(path: Path, limits: Limits) -> list[Member]:
    """Find the data sets inside a zip, at whatever depth; nothing is written.

    Shape:  a zip in; its data sets in the order of their paths out, at least one.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.archive_damaged, _too_many_entries, _unsafe, _encrypted, _method,
            _nested, _nothing, _too_large, _ratio.
    Source: docs/sources.md, 7 (file habits); PKWARE APPNOTE.
    """
    with opened_zip(path, limits) as archive:
        entries = safe_entries(path, archive, limits)
        found = [*_geodatabases(path, entries), *_shapefiles(entries)]
        used = {place for member in found for place, _ in member.entries}
        tally = _Tally(path, limits)
        for place, name in entries.items():
            if place in used or _is_beside(name, found):
                continue
            kind = _member_kind(path, archive.infolist()[place], archive, name, tally)
            if kind not in _NO_DATA:
                base = PurePosixPath(name).name
                found.append(Member(base, name, kind, ((place, base),)))
    if not found:
        names = sorted(entries.values())
        listed = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
        raise SourceError("source.archive_nothing", file=path.name, members=listed)
    return sorted(found, key=lambda member: member.inside)


@contextmanager
def extracted(
    path: Path, member: Member, limits: Limits, *, within: Path | None = None
) -> Iterator[Path]:
    """Write one data set of a zip into a folder of its own, which is gone afterwards.

    A shapefile comes with what is read along with it, under one stem and with small suffixes.

    Shape:  a zip and one of its members in; the path of the file, or of the .gdb folder, out.
    Units:  none.
    CRS:    none.
    Errors: as ``members``, and source.disk_full where less than ``min_free_bytes`` would be left.
    Source: as ``members``.
    """
    folder = Path(tempfile.mkdtemp(prefix="diqi-", dir=within))
    try:
        with opened_zip(path, limits) as archive:
            entries = safe_entries(path, archive, limits)
            if any(place not in entries for place, _ in member.entries):
                raise SourceError(
                    "source.archive_damaged", file=path.name, reason=f"no {member.inside}"
                )
            infos = archive.infolist()
            needed = sum(infos[place].file_size for place, _ in member.entries)
            require_space(path, folder, needed, limits)
            tally = _Tally(path, limits)
            target = folder / member.name
            if member.kind is Kind.GEODATABASE:
                target.mkdir()
            for place, name in member.entries:
                goal = target / name if member.kind is Kind.GEODATABASE else folder / name
                with archive.open(infos[place]) as source, goal.open("xb") as sink:
                    _copy(path, source, sink, tally, folder)
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Tally:
    """Bytes that were really read out of an archive, against its limits."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self.limits = limits
        self._packed = max(1, path.stat().st_size)
        self.bytes = 0

    def add(self, count: int) -> None:
        """Count bytes; raise where they are too many."""
        self.bytes += count
        limits = self.limits
        if self.bytes > limits.max_bytes:
            raise SourceError(
                "source.archive_too_large",
                file=self._path.name,
                limit_mb=limits.max_bytes >> 20,
            )
        ratio = self.bytes // self._packed
        if self.bytes > limits.ratio_from_bytes and ratio > limits.max_ratio:
            raise SourceError(
                "source.archive_ratio", file=self._path.name, ratio=ratio, limit=limits.max_ratio
            )


@contextmanager
def opened_zip(path: Path, limits: Limits) -> Iterator[zipfile.ZipFile]:
    """Open a zip whose directory is of a bearable size; its damage becomes a refusal.

    Shape:  a file in; the library's archive out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.archive_damaged, source.archive_too_many_entries.
    Source: PKWARE APPNOTE.
    """
    check_directory(path, limits)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except SourceError:
        raise
    except ZIP_ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError("source.archive_damaged", file=path.name, reason=reason) from error


def safe_entries(path: Path, archive: zipfile.ZipFile, limits: Limits) -> dict[int, str]:
    """Names of the files by their place in the directory, once every entry was found harmless.

    Folders and what other programs leave behind are passed over.

    Shape:  an open archive in; names with forward slashes out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.archive_too_many_entries, source.archive_unsafe (with ``problem``),
            source.archive_encrypted, source.archive_method.
    Source: PKWARE APPNOTE.
    """
    infos = archive.infolist()
    _require_few(path, len(infos), limits)
    _refuse_overlap(path, infos)
    found: dict[int, str] = {}
    seen: set[str] = set()
    for place, info in enumerate(infos):
        name = entry_name(info)
        problem = "archive_name" if name is None else _problem_of(name, info)
        if name is None or problem is not None:
            shown = ascii(info.orig_filename if name is None else name)[1:-1]
            raise SourceError(
                "source.archive_unsafe", file=path.name, member=shown[:120], problem=problem
            )
        if name.endswith(("/", "\\")):
            continue
        # without ``.`` and doubled slashes
        clean = PurePosixPath(name.replace("\\", "/")).as_posix()
        folded = unicodedata.normalize("NFC", clean).casefold()
        if folded in seen:
            raise SourceError(
                "source.archive_unsafe", file=path.name, member=clean, problem="archive_twice"
            )
        seen.add(folded)
        if info.flag_bits & 0x1:
            raise SourceError("source.archive_encrypted", file=path.name, member=clean)
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise SourceError("source.archive_method", file=path.name, member=clean)
        if not _is_leaving(clean):
            found[place] = clean
    return found


def _require_few(path: Path, entries: int, limits: Limits) -> None:
    if entries > limits.max_entries:
        raise SourceError(
            "source.archive_too_many_entries",
            file=path.name,
            entries=entries,
            limit=limits.max_entries,
        )


def _refuse_overlap(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share bytes: a few of them can hold one another without end."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    if ordered and ordered[0].header_offset < 0:
        raise zipfile.BadZipFile("an entry begins before the file")
    for one, other in pairwise(ordered):
        # the local header has 30 bytes and the name again
        if one.header_offset + 30 + one.compress_size > other.header_offset:
            raise SourceError(
                "source.archive_unsafe",
                file=path.name,
                member=ascii(other.orig_filename)[1:-1][:120],
                problem="archive_overlap",
            )


def _problem_of(name: str, info: zipfile.ZipInfo) -> str | None:
    """Why an entry must not be written, as a message code; None where it may be."""
    clean = name.replace("\\", "/")
    parts = clean.removesuffix("/").split("/")
    is_drive = len(clean) > 1 and clean[1] == ":" and clean[0].isalpha()
    checks = (
        ("archive_absolute", clean.startswith("/") or is_drive),
        ("archive_parent", ".." in parts),
        ("archive_link", is_special(info)),
        (
            "archive_name",
            any(c < " " or c == "\x7f" for c in clean)
            or any(len(part.encode("utf-8", "replace")) > _NAME_BYTES for part in parts)
            or any(0xD800 <= ord(c) <= 0xDFFF for c in clean),
        ),
    )
    return next((code for code, is_so in checks if is_so), None)


def _is_leaving(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.parts[0] == "__MACOSX"
        or path.name.lower() in _LEAVINGS
        or path.name.startswith(("~$", "._"))
        or path.suffix.lower() == ".lock"
    )


# ---- Data sets ----------------------------------------------------------------------------------


def _geodatabases(path: Path, entries: dict[int, str]) -> list[Member]:
    """Folders that hold tables of a file geodatabase."""
    folders = {
        PurePosixPath(name).parent
        for name in entries.values()
        if name.lower().endswith(".gdbtable")
    }
    found = []
    for folder in folders:
        base = folder.name or path.stem
        name = base if base.lower().endswith(".gdb") else f"{base}.gdb"
        inside = tuple(
            (place, PurePosixPath(entry).name)
            for place, entry in entries.items()
            if PurePosixPath(entry).parent == folder
        )
        found.append(Member(name, folder.as_posix(), Kind.GEODATABASE, inside))
    return found


def _shapefiles(entries: dict[int, str]) -> list[Member]:
    """Each .shp with the files that are read along with it."""
    by_name = {name.casefold(): place for place, name in entries.items()}
    found = []
    for place, name in entries.items():
        path = PurePosixPath(name)
        if path.suffix.lower() != ".shp":
            continue
        parts = [(place, f"{path.stem}.shp")]
        for suffix in _READ_WITH_SHP:
            other = by_name.get(path.with_suffix(suffix).as_posix().casefold())
            if other is not None:
                parts.append((other, path.stem + suffix))
        found.append(Member(f"{path.stem}.shp", name, Kind.SHAPEFILE, tuple(parts)))
    return found


def _is_beside(name: str, found: list[Member]) -> bool:
    """Whether an entry is a part or a description of a shapefile that was found."""
    path = PurePosixPath(name.casefold().removesuffix(".xml"))
    if path.suffix not in SHP_PARTS | {".shp"}:
        return False
    stem = path.with_suffix("").as_posix()
    return any(
        member.kind is Kind.SHAPEFILE
        and PurePosixPath(member.inside.casefold()).with_suffix("").as_posix() == stem
        for member in found
    )


def _member_kind(
    path: Path, info: zipfile.ZipInfo, archive: zipfile.ZipFile, name: str, tally: _Tally
) -> Kind:
    """The kind of an entry by its first bytes."""
    with archive.open(info) as source:
        head = source.read(_HEAD)
    tally.add(len(head))
    suffix = PurePosixPath(name).suffix.lower()
    if head.startswith((*ZIP_MARKS, OLE_MARK)) and suffix in _WORKBOOK_SUFFIXES:
        return _WORKBOOK_SUFFIXES[suffix]
    kind = kind_of_bytes(head, PurePosixPath(name).name, info.file_size)
    if kind in {Kind.ZIP, Kind.PACKED}:
        if suffix in {".docx", ".pptx", ".vsdx"}:
            return Kind.DOCUMENT
        raise SourceError("source.archive_nested", file=path.name, member=name)
    return kind


# ---- Writing ------------------------------------------------------------------------------------


def _copy(path: Path, source: IO[bytes], sink: IO[bytes], tally: _Tally, folder: Path) -> None:
    """Copy an entry, counting what comes out and watching the disk."""
    until_look = _DISK_STEP
    while chunk := source.read(_CHUNK):
        tally.add(len(chunk))
        until_look -= len(chunk)
        if until_look < 0:
            require_space(path, folder, len(chunk), tally.limits)
            until_look = _DISK_STEP
        sink.write(chunk)


def require_space(path: Path, folder: Path, needed: int, limits: Limits) -> None:
    """Refuse to write where less than ``min_free_bytes`` would be left afterwards.

    Shape:  the delivered file, the folder written to, and bytes in; nothing out.
    Units:  bytes.
    CRS:    none.
    Errors: SourceError: source.disk_full.
    Source: setting limits.min_free_bytes.
    """
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    if free - needed < limits.min_free_bytes:
        raise SourceError(
            "source.disk_full",
            file=path.name,
            needed_mb=(needed + limits.min_free_bytes) >> 20,
            free_mb=free >> 20,
        )


def check_directory(path: Path, limits: Limits) -> None:
    """Refuse a zip whose directory is too large to be loaded; before anything else opens it.

    Shape:  a file in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.archive_damaged, source.archive_too_many_entries.
    Source: PKWARE APPNOTE 4.3.16.
    """
    with path.open("rb") as handle:
        size = directory_size(handle)
    if size is None:
        raise SourceError("source.archive_damaged", file=path.name, reason="no directory")
    # the number may lie; what is loaded is the size
    _require_few(path, max(size.entries, size.size // _BYTES_PER_ENTRY), limits)
