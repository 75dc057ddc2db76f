"""Databases in one file before they are opened: nothing in them may point elsewhere."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import SourceError

# Modules of virtual tables that keep what they show in the same file.
_OWN_DATA = frozenset(
    [
        "rtree",
        "rtree_i32",
        "geopoly",
        "fts3",
        "fts4",
        "fts5",
        "virtualspatialindex",
        "virtualelementary",
        "virtualknn",
        "virtualknn2",
    ]
)
# What SQL consists of; space and comments part the others.
_WORDS = re.compile(
    r"""
    (?P<between> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<word> "(?:[^"]|"")*" | '(?:[^']|\'\')*' | `(?:[^`]|``)*` | \[[^\]]*\] | \w+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CREATION = re.compile(r"create virtual table (?:if not exists )?\S+ using (\S+)")
_REASON_LENGTH = 100


def check_database(path: Path) -> None:
    """Refuse a GeoPackage or SQLite file that takes data from elsewhere, or is not whole.

    A virtual table can show any file of this machine as if it were delivered; a view is taken where
    the tables of its own file are enough for it.

    Shape:  a file in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.database_open (a journal lies beside it), source.database_link,
            source.database_view, source.unreadable.
    Source: SQLite, file format 2.6 (sqlite_schema: a virtual table has no root page).
    """
    beside = next((one for one in map(path.with_name, _journals(path)) if _is_filled(one)), None)
    if beside is not None:
        raise SourceError("source.database_open", file=path.name, beside=beside.name)
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            _require_own_data(path, database)
            _require_own_views(path, database)
    except sqlite3.DatabaseError as error:
        reason = str(error)[:_REASON_LENGTH]
        raise SourceError("source.unreadable", file=path.name, reason=reason) from error


def _journals(path: Path) -> list[str]:
    return [f"{path.name}-wal", f"{path.name}-journal"]


def _is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _require_own_data(path: Path, database: sqlite3.Connection) -> None:
    found = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND coalesce(rootpage, 0) = 0"
    )
    for name, sql in found:
        module = _module_of(str(sql))
        if module not in _OWN_DATA:
            raise SourceError(
                "source.database_link", file=path.name, layer=str(name), module=module
            )


def _module_of(sql: str) -> str:
    """Whose rows a virtual table shows, ``-`` where its text is none that SQLite writes."""
    words = [match["word"] for match in _WORDS.finditer(sql) if match["word"]]
    # what is quoted is one word, whatever it holds
    plain = " ".join(re.sub(r"\s", "_", word.strip("\"'`[]")) or "_" for word in words).lower()
    match = _CREATION.match(plain)
    return "-" if match is None else match[1]


def _require_own_views(path: Path, database: sqlite3.Connection) -> None:
    views = database.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
    for (name,) in views:
        try:
            # resolves what the view names, and computes nothing
            database.execute("SELECT count(*) FROM pragma_table_xinfo(?)", (name,)).fetchall()
        except sqlite3.OperationalError as error:
            raise SourceError(
                "source.database_view",
                file=path.name,
                layer=str(name),
                reason=str(error)[:_REASON_LENGTH],
            ) from error
