"""What lies in the inbox: which file is a delivery of which feed, for where and of which day."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from pipeline.feeds.archive import members
from pipeline.feeds.contracts import Contract
from pipeline.feeds.kinds import Kind, kind_of
from pipeline.feeds.limits import Limits
from pipeline.feeds.paths import readable_name, require_file, unreadable_file

# What a pattern means by ``<vector>`` and ``<table>``: formats that are read, and those of the same use
# that are refused by name. Of a .txt the content decides.
_REFUSED_VECTOR = (
    ".mdb",
    ".accdb",
    ".vct",
    ".dwg",
    ".wt",
    ".wl",
    ".wp",
    ".mif",
    ".tab",
    ".kml",
    ".kmz",
)
_REFUSED_TABLE = (".htm", ".html")
VECTOR_SUFFIXES = frozenset(
    [
        ".shp",
        ".gpkg",
        ".gdb",
        ".geojson",
        ".json",
        ".geojsonl",
        ".parquet",
        ".dxf",
        ".txt",
        ".sqlite",
    ]
) | frozenset(_REFUSED_VECTOR)
TABLE_SUFFIXES = frozenset(
    [".csv", ".tsv", ".txt", ".dbf", ".xlsx", ".xlsm", ".xlsb", ".xls", ".et", ".ods", ".parquet"]
) | frozenset(_REFUSED_TABLE)
_CLASSES = {".<vector>": VECTOR_SUFFIXES, ".<table>": TABLE_SUFFIXES}
# Files that hold several layers, each of which may be what a pattern names.
_CONTAINERS = frozenset({".gdb", ".gpkg", ".sqlite"})

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

    ``inside`` is the data set of a zip, ``layer`` the layer of a container of several, where that is
    what the contract names; ``refusal`` why what the file holds cannot even be listed. ``name`` is the path within the inbox; ``scope`` None means the whole county; ``data_date``
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
    inside: str | None = None
    layer: str | None = None
    refusal: SourceError | None = None
    is_changes: bool = False
    since: dt.date | None = None
    takes_out: bool = False
    is_yearly: bool = False


@dataclass(frozen=True)
class Discovery:
    """What was found: deliveries, and files that no contract knows, with what is wrong with some."""

    sources: list[SourceFile]
    unknown: list[Path]
    faults: dict[Path, SourceError] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A data set: where it lies, and the name that patterns are held against."""

    path: Path
    inside_inbox: PurePosixPath
    name: str
    inside: str | None = None
    layer: str | None = None
    refusal: SourceError | None = None
    # the zip or database around it, which may carry the date or the scope
    around: PurePosixPath | None = None


def find_sources(
    inbox: Path,
    contracts: Mapping[str, Contract],
    hash_of: Callable[[Path], str] | None = None,
    *,
    limits: Limits,
    layers_of: Callable[[Path], list[str]] = lambda _path: [],
) -> Discovery:
    """Find the deliveries in an inbox.

    A folder named ``YYYY-MM-DD`` above a file, or ``_YYYYMMDD`` at the end of its name, is its
    data date; ``YYYY-MM-DD..YYYY-MM-DD`` or ``_YYYYMMDD-YYYYMMDD`` is the period of a delivery of
    changes, which begins at the state of the first day and ends with that of the second. A folder
    ``scope=330299001,330299002`` or ``@330299001`` in its name is its scope. Changes of a whole
    survey year (up to 31 December) need no period. One file may serve several feeds. What lies in a
    zip, and the layers of a database that no pattern names, count by their own names. ``hash_of``
    gives the content hash of a file where somebody remembers it (``ContentHashes``), ``layers_of`` the
    layers of a database.

    Shape:  a folder in, missing or not; deliveries in the order of path and feed, and unknown
            files as paths within the inbox.
    Units:  none.
    CRS:    none.
    Errors: none; what cannot be read is a delivery with a ``refusal``, or unknown with a fault.
    Source: docs/sources.md, Design 3 (delivery), section 4 (workspace).
    """
    sources: list[SourceFile] = []
    unknown: list[Path] = []
    faults: dict[Path, SourceError] = {}
    digest_of = hash_of or content_hash
    for path in _files(inbox):
        try:
            require_file(path)
            named = {
                (found.inside, found.layer, feed): (found, feed)
                for found in _data_sets(inbox, path, contracts, limits, layers_of, faults)
                for feed in _named_feeds(found, contracts)
            }
            digest = digest_of(path) if named else ""
        except (SourceError, OSError) as error:
            refusal = unreadable_file(path, error) if isinstance(error, OSError) else error
            faults[path.relative_to(inbox)] = refusal
            named = {
                (None, None, feed): (found, feed)
                for found in _refused(inbox, path, refusal)
                for feed in _named_feeds(found, contracts)
            }
            digest = _digest_of_refusal(path, refusal)
        sources += [_source(found, feed, contracts[feed], digest) for found, feed in named.values()]
        if not named:
            unknown.append(path.relative_to(inbox))
    return Discovery(sources, unknown, faults)


def _refused(inbox: Path, path: Path, refusal: SourceError) -> list[_Found]:
    """A file that cannot be looked into; whose it is can only be told by its name."""
    name = readable_name(path.name)
    place = PurePosixPath(path.relative_to(inbox).as_posix())
    return [_Found(path, place, name, inside=name, refusal=refusal)]


def _digest_of_refusal(path: Path, refusal: SourceError) -> str:
    """What stands for the content of a file that cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(os.fsencode(path) + b"\0" + refusal.code.encode())
    return digest.hexdigest()


def _data_sets(
    inbox: Path,
    path: Path,
    contracts: Mapping[str, Contract],
    limits: Limits,
    layers_of: Callable[[Path], list[str]],
    faults: dict[Path, SourceError],
) -> list[_Found]:
    """What a file of the inbox holds: itself, or the data sets of a zip, or the layers of a database."""
    place = PurePosixPath(path.relative_to(inbox).as_posix())
    whole = _Found(path, place, path.name)
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            packed = members(path, limits)
            found = [
                _Found(path, place / one.inside, one.name, one.inside, around=place)
                for one in packed
            ]
            if len(packed) == 1 and not _named_feeds(found[0], contracts):
                # a zip may be named, and what it holds not
                found = [replace(found[0], name=path.stem + PurePosixPath(packed[0].name).suffix)]
            return found
        if suffix in _CONTAINERS and not _named_feeds(whole, contracts):
            return [
                # a layer may be named like an absolute path
                _Found(
                    path,
                    PurePosixPath(f"{place}/{layer}"),
                    layer + suffix,
                    layer=layer,
                    around=place,
                )
                for layer in layers_of(path)
            ]
    except SourceError as error:
        faults[path.relative_to(inbox)] = error
        # whose it is can only be told by its name
        return [replace(whole, name=path.stem + one, refusal=error) for one in (".shp", ".xlsx")]
    return [whole]


def _named_feeds(found: _Found, contracts: Mapping[str, Contract]) -> list[str]:
    return [
        feed
        for feed, contract in contracts.items()
        if _is_named(found.name, _patterns(contract)) and _is_of_kind(found, contract)
    ]


def _is_of_kind(found: _Found, contract: Contract) -> bool:
    """A text is a table or boundary points, a Parquet has shapes or none: the content decides."""
    if found.inside is not None or not found.name.lower().endswith((".txt", ".parquet")):
        return True
    kind = kind_of(found.path)
    if kind in {Kind.DELIMITED_TEXT, Kind.PARQUET}:
        return not contract.geometry_required
    return kind in {Kind.BOUNDARY_TEXT, Kind.GEOPARQUET} and contract.geometry != "none"


def _source(found: _Found, feed: str, contract: Contract, digest: str) -> SourceFile:
    """A data set as a delivery of a feed."""
    place = found.inside_inbox
    around = found.around or place
    scope, since = _scope(place) or _scope(around), None
    data_date = _data_date(place) or _data_date(around)
    if (period := _period(place) or _period(around)) is not None:
        since, data_date = period
    takes_out = _is_named(found.name, contract.takes_out_files)
    is_changes = since is not None or _is_named(found.name, contract.changes_files)
    begins = since
    if since is None and data_date is not None and (data_date.month, data_date.day) == (12, 31):
        begins = dt.date(data_date.year - 1, 12, 31)
    return SourceFile(
        found.path,
        readable_name(place.as_posix()),
        feed,
        scope,
        data_date,
        digest,
        inside=found.inside,
        layer=found.layer,
        refusal=found.refusal,
        is_changes=is_changes or takes_out,
        since=begins if is_changes or takes_out else None,
        takes_out=takes_out,
        is_yearly=since is None and begins is not None,
    )


def matching_feeds(
    path: Path, contracts: Mapping[str, Contract], content: Path | None = None
) -> list[str]:
    """The feeds whose contracts name a file like this one.

    Shape:  a path, and the file where what it holds lies elsewhere, in; feeds in the order of the contracts out, none where no pattern fits.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: contracts of the feeds (files, changes_files, takes_out).
    """
    is_packed = content is not None and content.name != path.name
    found = _Found(
        content or path,
        PurePosixPath(path.name),
        path.name,
        inside=path.name if is_packed else None,
    )
    return _named_feeds(found, contracts)


def states_crs(source: SourceFile) -> bool:
    """Tell whether a file can say in which system its coordinates are; its words are not judged.

    Shape:  a delivery in, one bool out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 3.4 (files without .prj).
    """
    suffix = source.path.suffix.lower()
    if suffix == ".shp":
        return sidecar(source.path, ".prj") is not None
    # a GeoPackage may say that it does not know
    return suffix not in {".gpkg", ".dxf", ".txt", ".geojson", ".json", ".geojsonl", ".zip"}


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
        # pipes and links to nowhere are told of
        if not path.is_dir() or path.suffix.lower() == ".gdb":
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


def _patterns(contract: Contract) -> tuple[str, ...]:
    return (*contract.files, *contract.changes_files, *contract.takes_out_files)


def _is_named(given: str, patterns: tuple[str, ...]) -> bool:
    name = unicodedata.normalize("NFKC", given).casefold()
    return any(_fits(name, unicodedata.normalize("NFKC", one).casefold()) for one in patterns)


def _fits(name: str, pattern: str) -> bool:
    """Whether a name is meant; ``.<vector>``, ``.<table>`` and ``.*`` stand for suffixes of data."""
    suffix = PurePosixPath(name).suffix
    for ending, suffixes in _CLASSES.items():
        if pattern.endswith(ending):
            return suffix in suffixes and fnmatchcase(
                name.removesuffix(suffix), pattern.removesuffix(ending)
            )
    return suffix in VECTOR_SUFFIXES | TABLE_SUFFIXES and fnmatchcase(name, pattern)


def _scope(inside: PurePosixPath) -> tuple[str, ...] | None:
    found: set[str] = set()
    for part in inside.parts[:-1]:
        match = _SCOPE_FOLDER.fullmatch(part)
        if match is not None:
            found = set(match[1].split(","))
    match = _SCOPE_NAME.fullmatch(inside.stem)
    if match is not None:
        found = set(re.split("[,+]", match[1]))
    return tuple(sorted(found)) or None


def _data_date(inside: PurePosixPath) -> dt.date | None:
    match = _DATE_SUFFIX.fullmatch(inside.stem)
    date = None if match is None else _date(match)
    for part in reversed(inside.parts[:-1]):
        match = _DATE_FOLDER.fullmatch(part)
        if date is None and match is not None:
            date = _date(match)
    return date


def _period(inside: PurePosixPath) -> tuple[dt.date, dt.date] | None:
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
