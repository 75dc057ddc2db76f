"""Corrections 纠偏 that people wrote into ``corrections.csv``: each line becomes an act, once."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text

from pipeline.errors import SourceError
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.headings import normalise_heading
from pipeline.steps import FEEDS

# Columns, and the headings that mean them.
COLUMNS: dict[str, tuple[str, ...]] = {
    "feed": ("feed", "数据", "表"),
    "key": ("key", "主键", "键"),
    "field": ("field", "字段"),
    "expected_value": ("expected_value", "原值"),
    "new_value": ("new_value", "新值", "更正值"),
    "reason": ("reason", "理由", "原因"),
    "evidence": ("evidence", "依据"),
    "author": ("author", "填报人", "经办人"),
    "office": ("office", "单位", "部门"),
    "valid_until": ("valid_until", "有效期至"),
}
_NEEDED = ("feed", "key", "field", "reason", "author")
# What says which row it is, or is ours, is no office's value to correct.
_UNTOUCHABLE = {"geom", "row_hash", "extra"}


def load_corrections(connection: Connection, path: Path) -> int:
    """Enter the lines of a workspace's corrections.csv that are not yet known.

    Shape:  headings in English or Chinese (``COLUMNS``); returns the number of new corrections.
            No file, nothing happens; a line that is taken out again stays entered.
    Units:  those of the corrected column, as core holds it.
    CRS:    none.
    Errors: SourceError correction.file for the first bad line; nothing is then entered.
    Source: docs/sources.md, Design 3 (people are writers too), section 4 (workspace).
    """
    if not path.is_file():
        return 0
    content = path.read_bytes().decode(text_encoding(path, "auto"))
    lines = list(csv.reader(io.StringIO(content, newline="")))
    if not lines:
        return 0
    places = _places(path, lines[0])
    rows = [
        _row(path, number, places, line)
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    ]
    if not rows:
        return 0
    names = (*COLUMNS, "content_hash")
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        before = _count(connection)
        connection.execute(
            text(
                f"INSERT INTO core.correction ({', '.join(names)}) "  # noqa: S608 - our names
                f"VALUES ({', '.join(f':{name}' for name in names)}) "
                "ON CONFLICT (content_hash) DO NOTHING"
            ),
            rows,
        )
        return _count(connection) - before


def _count(connection: Connection) -> int:
    number: int = connection.execute(text("SELECT count(*) FROM core.correction")).scalar_one()
    return number


def _places(path: Path, headings: Sequence[str]) -> dict[str, int]:
    """Where each column stands."""
    said = [normalise_heading(heading) for heading in headings]
    places = {
        column: said.index(normalise_heading(alias))
        for column, aliases in COLUMNS.items()
        for alias in reversed(aliases)
        if normalise_heading(alias) in said
    }
    missing = [column for column in _NEEDED if column not in places]
    if missing:
        raise SourceError(
            "correction.file", path=str(path), row=1, reason=f"no column {', '.join(missing)}"
        )
    return places


def _row(path: Path, number: int, places: dict[str, int], line: list[str]) -> dict[str, object]:
    def bad(reason: str) -> SourceError:
        return SourceError("correction.file", path=str(path), row=number, reason=reason)

    found: dict[str, object] = {
        column: (line[places[column]].strip() or None)
        if column in places and places[column] < len(line)
        else None
        for column in COLUMNS
    }
    empty = [name for name in _NEEDED if found[name] is None]
    if empty:
        raise bad(f"{', '.join(empty)} is empty")
    if found["feed"] not in FEEDS:
        raise bad(f"unknown feed {found['feed']}; one of {', '.join(FEEDS)}")
    if found["field"] in _UNTOUCHABLE:
        raise bad(f"{found['field']} cannot be corrected")
    said = "\x1f".join(str(found[name]) for name in COLUMNS)
    found["content_hash"] = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
    if found["valid_until"] is not None:
        try:
            found["valid_until"] = dt.date.fromisoformat(str(found["valid_until"]))
        except ValueError as error:
            raise bad(f"valid_until {found['valid_until']} is no date like 2026-06-30") from error
    return found
