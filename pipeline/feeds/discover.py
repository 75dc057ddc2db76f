"""What lies in the inbox: which file is a delivery of which feed, for where and of which day."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.feeds.contracts import Contract

VECTOR_SUFFIXES = frozenset({".shp", ".gpkg", ".gdb", ".geojson", ".json"})
TABLE_SUFFIXES = frozenset({".csv", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})

# Files beside a .shp. Those of the first group decide what is read.
_READ_WITH_SHP = (".dbf", ".shx", ".prj", ".cpg")
_BESIDE_SHP = (*_READ_WITH_SHP, ".sbn", ".sbx", ".qix", ".qpj", ".shp.xml", ".ain", ".aih")
# Files that other programs leave behind.
_LEFTOVER = re.compile(
    r"~\$.*|\..*|Thumbs\.db|desktop\.ini|.*\.(gpkg-wal|gpkg-shm|lock)", re.IGNORECASE
)

_DATE_FOLDER = re.compile(r"([12][0-9]{3})-([01][0-9])-([0-3][0-9])")
_DATE_SUFFIX = re.compile(r".*_([12][0-9]{3})([01][0-9])([0-3][0-9])(?:@.*)?")
_DAY = "([12][0-9]{3})([01][0-9])([0-3][0-9])"
_PERIOD_FOLDER = re.compile(
    r"([12][0-9]{3}-[01][0-9]-[0-3][0-9])\.\.([12][0-9]{3}-[01][0-9]-[0-3][0-9])"
)
_PERIOD_SUFFIX = re.compile(rf".*_{_DAY}-{_DAY}(?:@.*)?")
_SCOPE_FOLDER = re.compile(r"scope=([0-9A-Z]+(?:,[0-9A-Z]+)*)", re.IGNORECASE)
_SCOPE_NAME = re.compile(r".*@([0-9]+(?:[,+][0-9]+)*)(?:_[0-9]{8}(?:-[0-9]{8})?)?")
_CHUNK = 1 << 20
# Where content hashes are remembered; the number changes with what is hashed.
HASH_MEMORY = "content-hashes.1.json"
# A file that was touched within this time may be touched again without a sign: the coarsest file
# systems count in steps of two seconds.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class SourceFile:
    """One file as a delivery of one feed.

    ``name`` is the path within the inbox; ``scope`` None means the whole county; ``data_date``
    None means that neither folder nor name gives a day. ``is_changes``: it holds what changed since
    the state of the day ``since`` (None: no day is given); ``takes_out``: the records that its rows
    name are no more; ``is_yearly``: its period is the year before its day, as its name says no other.
    """

    path: Path
    name: str
    feed: str
    scope: tuple[str, ...] | None
    data_date: dt.date | None
    content_hash: str
    is_changes: bool = False
    since: dt.date | None = None
    takes_out: bool = False
    is_yearly: bool = False


@dataclass(frozen=True)
class Discovery:
    """What was found: deliveries, and files that no contract knows."""

    sources: list[SourceFile]
    unknown: list[Path]


def find_sources(
    inbox: Path, contracts: Mapping[str, Contract], hash_of: Callable[[Path], str] | None = None
) -> Discovery:
    """Find the deliveries in an inbox.

    A folder named ``YYYY-MM-DD`` above a file, or ``_YYYYMMDD`` at the end of its name, is its
    data date; ``YYYY-MM-DD..YYYY-MM-DD`` or ``_YYYYMMDD-YYYYMMDD`` is the period of a delivery of
    changes, which begins at the state of the first day and ends with that of the second. A folder
    ``scope=330299001,330299002`` or ``@330299001`` in its name is its scope. Changes of a whole
    survey year (up to 31 December) need no period. One file may serve several feeds. ``hash_of`` gives the content hash of a file where somebody
    remembers it (``ContentHashes``).

    Shape:  a folder in, missing or not; deliveries in the order of path and feed, and unknown
            files as paths within the inbox.
    Units:  none.
    CRS:    none (nothing is opened).
    Errors: OSError where a file cannot be read.
    Source: docs/sources.md, Design 3 (delivery), section 4 (workspace).
    """
    sources: list[SourceFile] = []
    unknown: list[Path] = []
    for path in _files(inbox):
        inside = path.relative_to(inbox)
        feeds = matching_feeds(path, contracts)
        if not feeds:
            unknown.append(inside)
            continue
        digest = (hash_of or content_hash)(path)
        scope, data_date, since = _scope(inside), _data_date(inside), None
        if (period := _period(inside)) is not None:
            since, data_date = period
        for feed in feeds:
            takes_out = _is_named(path, contracts[feed].takes_out_files)
            is_changes = since is not None or _is_named(path, contracts[feed].changes_files)
            begins = since
            if (
                since is None
                and data_date is not None
                and (data_date.month, data_date.day) == (12, 31)
            ):
                begins = dt.date(data_date.year - 1, 12, 31)
            sources.append(
                SourceFile(
                    path,
                    inside.as_posix(),
                    feed,
                    scope,
                    data_date,
                    digest,
                    is_changes=is_changes or takes_out,
                    since=begins if is_changes or takes_out else None,
                    takes_out=takes_out,
                    is_yearly=since is None and begins is not None,
                )
            )
    return Discovery(sources, unknown)


def matching_feeds(path: Path, contracts: Mapping[str, Contract]) -> list[str]:
    """The feeds whose contracts name a file like this one.

    Shape:  a path in; feeds in the order of the contracts out, none where no pattern fits.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: contracts of the feeds (files, changes_files, takes_out).
    """
    return [feed for feed, contract in contracts.items() if _fits(path, contract)]


def content_hash(path: Path) -> str:
    """Hash a file with all that is read along with it.

    Shape:  a file, or a folder that is one data set (.gdb), in; a hexadecimal text out.
    Units:  none.
    CRS:    none.
    Errors: OSError where a file cannot be read.
    Source: docs/sources.md, Design 3 (delivery: content hash).
    """
    digest = hashlib.blake2b(digest_size=16)
    for member in _members(path):
        # the suffix, not the name: a renamed file is the same delivery
        digest.update(member.suffix.lower().encode() + b"\0" + str(member.stat().st_size).encode())
        with member.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


class ContentHashes:
    """Content hashes that are remembered from one run to the next, in a file.

    A file is read again when it or a file beside it has another size, inode, time of modification or
    time of change, which no program sets, or when it was touched just before it was read. An inbox
    that keeps a year of deliveries thus costs no more each night than what is new in it.
    """

    def __init__(self, memory: Path) -> None:
        """Remember what ``memory`` says; nothing where it is missing or damaged."""
        self._memory = memory
        self._seen: dict[str, list[str]] = {}
        try:
            known = json.loads(memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        self._known: dict[str, list[str]] = known if isinstance(known, dict) else {}

    def __call__(self, path: Path) -> str:
        """The content hash of a file.

        Shape:  a file, or a folder that is one data set, in; a hexadecimal text out.
        Units:  none.
        CRS:    none.
        Errors: OSError where a file cannot be read.
        Source: as ``content_hash``.
        """
        now = time.time_ns()
        sign, touched = _sign(path)
        known = self._known.get(str(path))
        if isinstance(known, list) and len(known) == 2 and known[0] == sign:
            self._seen[str(path)] = known
            return known[1]
        digest = content_hash(path)
        if _sign(path)[0] == sign and touched <= now - _SETTLED_NS:
            self._seen[str(path)] = [sign, digest]
        return digest

    def save(self) -> None:
        """Keep what was asked for since this was made; the rest is forgotten.

        Shape:  nothing in, nothing out.
        Units:  none.
        CRS:    none.
        Errors: none; where the file cannot be written, everything is read again next time.
        Source: as ``content_hash``.
        """
        if self._seen == self._known:
            return
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            part = self._memory.with_suffix(".part")
            # a name may hold bytes that are no text
            part.write_text(json.dumps(self._seen, indent=0), encoding="utf-8")
            part.replace(self._memory)


def _sign(path: Path) -> tuple[str, int]:
    """By what a file is known without reading it, and when it was changed last (ns)."""
    found = [(member, member.stat()) for member in _members(path)]
    sign = ";".join(
        f"{member.name},{s.st_size},{s.st_ino},{s.st_mtime_ns},{s.st_ctime_ns}"
        for member, s in found
    )
    return sign, max((max(s.st_mtime_ns, s.st_ctime_ns) for _, s in found), default=0)


def sidecar(path: Path, suffix: str) -> Path | None:
    """The file beside a shapefile with this suffix in any case, None where there is none.

    Shape:  the .shp file and a suffix such as ``.dbf`` in; a path or None out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: ESRI Shapefile Technical Description (main file, index file, dBASE table).
    """
    for candidate in (path.with_suffix(suffix), path.with_suffix(suffix.upper())):
        if candidate.is_file():
            return candidate
    return None


def _files(inbox: Path) -> list[Path]:
    """All delivered files in sorted order; a .gdb folder counts as a file."""
    found: list[Path] = []
    if not inbox.is_dir():
        return found
    shapes: set[Path] = set()
    for path in sorted(inbox.rglob("*"), key=lambda p: p.as_posix()):
        inside = path.relative_to(inbox)
        in_geodatabase = any(p.suffix.lower() == ".gdb" for p in inside.parents)
        if in_geodatabase or any(_LEFTOVER.fullmatch(part) for part in inside.parts):
            continue
        if path.is_file() or (path.is_dir() and path.suffix.lower() == ".gdb"):
            found.append(path)
            if path.suffix.lower() == ".shp":
                shapes.add(path.with_suffix(""))
    return [path for path in found if not _is_beside(path, shapes)]


def _is_beside(path: Path, shapes: set[Path]) -> bool:
    """Whether a file belongs to a shapefile."""
    name = path.name.lower()
    return any(
        name.endswith(suffix) and path.with_name(path.name[: -len(suffix)]) in shapes
        for suffix in _BESIDE_SHP
    )


def _members(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() != ".lock")
    if path.suffix.lower() == ".shp":
        beside = [sidecar(path, suffix) for suffix in _READ_WITH_SHP]
        return [path, *(p for p in beside if p is not None)]
    return [path]


def _fits(path: Path, contract: Contract) -> bool:
    if path.suffix.lower() not in VECTOR_SUFFIXES | TABLE_SUFFIXES:
        return False
    return _is_named(path, (*contract.files, *contract.changes_files, *contract.takes_out_files))


def _is_named(path: Path, patterns: tuple[str, ...]) -> bool:
    name = unicodedata.normalize("NFKC", path.name).casefold()
    return any(
        fnmatchcase(name, unicodedata.normalize("NFKC", pattern).casefold()) for pattern in patterns
    )


def _scope(inside: Path) -> tuple[str, ...] | None:
    found: set[str] = set()
    for part in inside.parts[:-1]:
        match = _SCOPE_FOLDER.fullmatch(part)
        if match is not None:
            found = set(match[1].split(","))
    match = _SCOPE_NAME.fullmatch(inside.stem)
    if match is not None:
        found = set(re.split("[,+]", match[1]))
    return tuple(sorted(found)) or None


def _data_date(inside: Path) -> dt.date | None:
    match = _DATE_SUFFIX.fullmatch(inside.stem)
    date = None if match is None else _date(match)
    for part in reversed(inside.parts[:-1]):
        match = _DATE_FOLDER.fullmatch(part)
        if date is None and match is not None:
            date = _date(match)
    return date


def _period(inside: Path) -> tuple[dt.date, dt.date] | None:
    """First and last day of a delivery of changes, by its name or the nearest folder."""
    match = _PERIOD_SUFFIX.fullmatch(inside.stem)
    if match is not None:
        days = _day(*match.groups()[:3]), _day(*match.groups()[3:])
        if days[0] is not None and days[1] is not None:
            return days[0], days[1]
    for part in reversed(inside.parts[:-1]):
        match = _PERIOD_FOLDER.fullmatch(part)
        if match is not None:
            days = _day(*match[1].split("-")), _day(*match[2].split("-"))
            if days[0] is not None and days[1] is not None:
                return days[0], days[1]
    return None


def _date(match: re.Match[str]) -> dt.date | None:
    return _day(match[1], match[2], match[3])


def _day(year: str, month: str, day: str) -> dt.date | None:
    try:
        return dt.date(int(year), int(month), int(day))
    except ValueError:
        return None
