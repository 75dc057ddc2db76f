"""Corrections 纠偏: what people wrote into ``corrections.csv`` or entered by ``diqi correct``."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd
from sqlalchemy import Connection, Engine, text

from pipeline.database import database_errors
from pipeline.domain.codes import check_credit_code, normalise_certificate, parse_parcel_code
from pipeline.domain.names import normalise_address, normalise_name
from pipeline.domain.quantities import parse_number
from pipeline.errors import SourceError, UsageError
from pipeline.feeds.contracts import Column, Contract, County
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
_NUMBERS = {"number", "integer", "share"}
# No area, sum of money or count of a county comes near it.
_TOO_LARGE = Decimal(10) ** 15
# Made from other columns, whose correction they follow.
_DERIVED = {"name_key", "address_key", "certificate_key", "unit_code"}


def load_corrections(
    connection: Connection, path: Path, contracts: Mapping[str, Contract], county: County
) -> int:
    """Enter the lines of a workspace's corrections.csv that are not yet known.

    A new value must be one that its column can hold. Where a text is corrected from which a key is
    made (name, address, certificate), the key is corrected along with it, as an act of its own.

    Shape:  headings in English or Chinese (``COLUMNS``); returns the number of new corrections.
            No file, nothing happens; a line that is taken out again stays entered.
    Units:  those of the corrected column, as core holds it.
    CRS:    none.
    Errors: SourceError correction.file for the first bad line; nothing is then entered.
    Source: docs/sources.md, Design 3 (people are writers too), section 4 (workspace).
    """
    if not path.is_file():
        return 0
    content = path.read_bytes().decode(text_encoding(path, "auto").values)
    lines = list(csv.reader(io.StringIO(content, newline="")))
    if not lines:
        return 0
    places = _places(path, lines[0])
    said = {
        number: _said(places, line)
        for number, line in enumerate(lines[1:], start=2)
        if any(cell.strip() for cell in line)
    }
    if not said:
        return 0
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        # what is entered was checked then; a file that keeps years of lines costs no more than its news
        known = set(
            connection.execute(
                text("SELECT content_hash FROM core.correction WHERE content_hash = ANY(:hashes)"),
                {"hashes": [_hash(line) for line in said.values()]},
            ).scalars()
        )
        rows: list[dict[str, object]] = []
        for number, line in said.items():
            if _hash(line) in known:
                continue
            try:
                row = _checked(line, contracts, county)
            except ValueError as error:
                raise SourceError(
                    "correction.file", path=str(path), row=number, reason=str(error)
                ) from error
            rows += [row, *_secondary(row, contracts[str(row["feed"])], county)]
        return _enter(connection, rows) if rows else 0


def check_by_hand(
    connection: Connection, contracts: Mapping[str, Contract], county: County
) -> None:
    """Look at corrections that were entered by hand since the last run.

    The database let pass what its columns can hold; here codes are known. One that cannot be is put
    down as unusable with the reason, and never applies. A text from which a key is made brings the
    correction of the key along.

    Shape:  nothing in, nothing out.
    Units:  those of the corrected column, as core holds it.
    CRS:    none.
    Errors: those of the database.
    Source: docs/sources.md, Design 3 (people are writers too).
    """
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        fresh = connection.execute(
            text(
                f"""
                SELECT c.correction_id, c.content_hash, {", ".join(f"c.{name}" for name in COLUMNS)}
                FROM core.correction AS c
                WHERE starts_with(c.content_hash, 'hand ') AND NOT EXISTS (
                  SELECT 1 FROM ops.act_seen AS s
                  WHERE s.kind = 'correction' AND s.act_id = c.correction_id)
                ORDER BY c.correction_id
                """  # noqa: S608 - our names
            )
        ).mappings()
        for one in fresh.all():
            said = {name: None if one[name] is None else str(one[name]) for name in COLUMNS}
            try:
                row = _checked(said, contracts, county)
                column = contracts[str(row["feed"])].columns[str(row["field"])]
                if row["new_value"] != one["new_value"] and column.type not in _NUMBERS:
                    raise ValueError(f"write {row['field']} as {row['new_value']}")
            except (ValueError, ArithmeticError) as error:
                connection.execute(
                    text(
                        "INSERT INTO ops.refused_correction VALUES (:id, :reason) ON CONFLICT DO NOTHING"
                    ),
                    {"id": one["correction_id"], "reason": str(error)},
                )
                continue
            row["content_hash"] = one["content_hash"]
            if keys := _secondary(row, contracts[str(row["feed"])], county):
                _enter(connection, keys)


def correct(
    engine: Engine,
    said: Mapping[str, str | None],
    contracts: Mapping[str, Contract],
    county: County,
) -> dict[str, object]:
    """Enter one correction; the value that is delivered now is the expected one.

    Shape:  the columns of ``COLUMNS`` without ``expected_value`` in; the correction as it was
            entered out, with ``is_new`` false where the same was entered before.
    Units:  those of the corrected column, as core holds it.
    CRS:    none.
    Errors: UsageError usage.correction where the value does not fit, usage.correction_record where
            no such record is in force.
    Source: docs/sources.md, Design 3 (people are writers too).
    """
    with database_errors(), engine.begin() as connection:
        try:
            row = _checked(
                {**dict.fromkeys(COLUMNS), **said, "expected_value": None}, contracts, county
            )
        except ValueError as error:
            raise UsageError("usage.correction", reason=str(error)) from error
        delivered = connection.execute(
            text(
                f"""
                SELECT to_jsonb(r) ->> :field AS value
                FROM ops.live_row(:feed) AS l
                JOIN raw."{row["feed"]}" AS r ON r.row_hash = l.row_hash
                WHERE l.key = :key
                """  # noqa: S608 - one of FEEDS
            ),
            {"field": row["field"], "feed": row["feed"], "key": row["key"]},
        ).one_or_none()
        if delivered is None:
            raise UsageError("usage.correction_record", feed=row["feed"], key=row["key"])
        row = _checked({**row, **said, "expected_value": delivered.value}, contracts, county)
        entered = _enter(connection, [row, *_secondary(row, contracts[str(row["feed"])], county)])
        return {**row, "is_new": entered > 0}


def _enter(connection: Connection, rows: list[dict[str, object]]) -> int:
    """Enter what is not known yet; return how many that were."""
    names = (*COLUMNS, "content_hash")
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


def _said(places: dict[str, int], line: list[str]) -> dict[str, object]:
    """What a line says, column by column; None for nothing."""
    return {
        column: (line[places[column]].strip() or None)
        if column in places and places[column] < len(line)
        else None
        for column in COLUMNS
    }


def _hash(said: Mapping[str, object]) -> str:
    """By what a correction is known: all that was said, as it was said."""
    words = "\x1f".join(str(said[name]) for name in COLUMNS)
    return hashlib.blake2b(words.encode(), digest_size=16).hexdigest()


def _checked(
    said: Mapping[str, object], contracts: Mapping[str, Contract], county: County
) -> dict[str, object]:
    """What was said, with values as they are stored and a hash by which it is known.

    Errors: ValueError, in words, where it cannot be a correction.
    """
    found = dict(said)
    empty = [name for name in _NEEDED if found[name] is None]
    if empty:
        raise ValueError(f"{', '.join(empty)} is empty")
    if found["feed"] not in FEEDS:
        raise ValueError(f"unknown feed {found['feed']}; one of {', '.join(FEEDS)}")
    field, contract = str(found["field"]), contracts[str(found["feed"])]
    column = contract.columns.get(field)
    if field in _UNTOUCHABLE or field in contract.key:
        raise ValueError(f"{field} cannot be corrected")
    if column is None or column.type in _DERIVED:
        fields = [
            name
            for name, other in contract.columns.items()
            if name not in contract.key and other.type not in _DERIVED
        ]
        raise ValueError(f"{field} is no field of {found['feed']}; one of {', '.join(fields)}")
    found["content_hash"] = _hash(said)
    if found["valid_until"] is not None:
        try:
            found["valid_until"] = dt.date.fromisoformat(str(found["valid_until"]))
        except ValueError as error:
            raise ValueError(
                f"valid_until {found['valid_until']} is no date like 2026-06-30"
            ) from error
    found["new_value"] = _fit(field, column, found["new_value"], county)
    if found["expected_value"] is not None and column.type in _NUMBERS:
        # as it is stored: a value that is no number cannot have been delivered
        plain = parse_number(pd.Series([found["expected_value"]]))["value"][0]
        found["expected_value"] = found["expected_value"] if pd.isna(plain) else plain
    return found


def _fit(field: str, column: Column, value: object, county: County) -> str | None:
    """The value as its column holds it; None for no value.

    Errors: ValueError, in words, where it cannot be held.
    """
    if value is None:
        if column.required:
            raise ValueError(f"{field} must have a value")
        return None
    said = str(value)
    if column.type in _NUMBERS:
        return _fit_number(field, column, said)
    if column.type == "date":
        try:
            return dt.date.fromisoformat(said).isoformat()
        except ValueError as error:
            raise ValueError(f"{field} {said} is no date like 2026-06-30") from error
    if column.codes and column.otherwise != "{text}":
        known = sorted({*column.codes.values(), *filter(None, [column.otherwise])})
        if said not in known:
            raise ValueError(f"{field} {said} is no code; one of {', '.join(known)}")
    one = pd.Series([said], dtype="str")
    if column.type == "credit_code":
        return _known(check_credit_code(one)["code"], f"{field} {said} is no credit code")
    if column.type == "parcel_code":
        found = parse_parcel_code(one, county.parcel_scheme)["parcel_code"]
        return _known(found, f"{field} {said} is no parcel code")
    return said


def _fit_number(field: str, column: Column, said: str) -> str:
    number = _known(
        parse_number(pd.Series([said], dtype="str"))["value"], f"{field} {said} is no number"
    )
    exact = Decimal(number)
    if abs(exact) >= _TOO_LARGE:
        raise ValueError(f"{field} {said} is too large")
    if column.type == "integer" and exact != exact.to_integral_value():
        raise ValueError(f"{field} {said} is no whole number")
    if column.minimum is not None and exact < column.minimum:
        raise ValueError(f"{field} {said} is less than {column.minimum}")
    if column.maximum is not None and exact > column.maximum:
        raise ValueError(f"{field} {said} is more than {column.maximum}")
    return number


def _known(found: pd.Series, problem: str) -> str:
    """The one value of a series.

    Errors: ValueError where there is none.
    """
    if pd.isna(found[0]):
        raise ValueError(problem)
    return str(found[0])


def _secondary(
    row: Mapping[str, object], contract: Contract, county: County
) -> list[dict[str, object]]:
    """Corrections of the keys that are made from a corrected text."""
    make: dict[str, Callable[[pd.Series], pd.Series]] = {
        "name_key": normalise_name,
        "address_key": lambda s: normalise_address(
            s, county.address_style, county.address_prefixes
        ),
        "certificate_key": normalise_certificate,
    }
    found: list[dict[str, object]] = []
    for name, column in contract.columns.items():
        if column.type not in make or column.parts != (row["field"],):
            continue
        keys = make[column.type](pd.Series([row["expected_value"], row["new_value"]], dtype="str"))
        old, new = (None if pd.isna(key) else str(key) for key in keys)
        digest = hashlib.blake2b(f"{row['content_hash']}\x1f{name}".encode(), digest_size=16)
        found.append(
            {
                **row,
                "field": name,
                "expected_value": old,
                "new_value": new,
                "content_hash": digest.hexdigest(),
            }
        )
    return found
