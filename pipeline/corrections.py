"""Corrections 纠偏 that people wrote into ``corrections.csv``: each line becomes an act, once."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from pathlib import Path

from sqlalchemy import Connection, text

from pipeline.errors import SourceError
from pipeline.steps import FEEDS

COLUMNS = (
    "feed",
    "key",
    "field",
    "expected_value",
    "new_value",
    "reason",
    "evidence",
    "author",
    "office",
    "valid_until",
)
_NEEDED = ("feed", "key", "field", "reason", "author")
# Columns that belong to the record's identity or to us are no office's values.
_UNTOUCHABLE = {"geom", "row_hash", "extra"}


def load_corrections(connection: Connection, path: Path) -> int:
    """Enter the lines of a workspace's corrections.csv that are not yet known.

    Shape:  number of new corrections.
    Units:  those of the corrected column, as core holds it.
    CRS:    none.
    Errors: SourceError correction.file for the first bad line; nothing is then entered.
    Source: design section 3 (people are writers too).
    """
    if not path.is_file():
        return 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [_row(path, number, line) for number, line in enumerate(csv.DictReader(file), 2)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError("correction.file", path=str(path), row="?", reason=str(error)) from error
    if not rows:
        return 0
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        columns = ", ".join((*COLUMNS, "content_hash"))
        values = ", ".join(f":{name}" for name in (*COLUMNS, "content_hash"))
        before = _count(connection)
        connection.execute(
            text(
                f"INSERT INTO core.correction ({columns}) VALUES ({values}) "  # noqa: S608 - our names
                "ON CONFLICT (content_hash) DO NOTHING"
            ),
            rows,
        )
        return _count(connection) - before


def _count(connection: Connection) -> int:
    number: int = connection.execute(text("SELECT count(*) FROM core.correction")).scalar_one()
    return number


def _row(path: Path, number: int, line: dict[str, str | None]) -> dict[str, object]:
    def bad(reason: str) -> SourceError:
        return SourceError("correction.file", path=str(path), row=number, reason=reason)

    unknown = set(line) - set(COLUMNS)
    if unknown or None in line.values():
        raise bad(f"columns must be {', '.join(COLUMNS)}")
    found: dict[str, object] = {name: (line.get(name) or "").strip() or None for name in COLUMNS}
    for name in _NEEDED:
        if found[name] is None:
            raise bad(f"{name} is empty")
    if found["feed"] not in FEEDS:
        raise bad(f"unknown feed {found['feed']}; one of {', '.join(FEEDS)}")
    if found["field"] in _UNTOUCHABLE:
        raise bad(f"{found['field']} cannot be corrected")
    if found["valid_until"] is not None:
        try:
            found["valid_until"] = dt.date.fromisoformat(str(found["valid_until"]))
        except ValueError as error:
            raise bad(f"valid_until {found['valid_until']} is no date") from error
    said = "\x1f".join(str(found[name]) for name in COLUMNS)
    found["content_hash"] = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
    return found
