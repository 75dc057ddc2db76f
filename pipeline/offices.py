"""The offices that give the data: what is due, what was corrected, what they answer.

A verification sheet 核对表 goes to each office: what it gave and when, and which of its values were
corrected and why 解释. It comes back with answers, which are kept and never changed.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import python_calamine
from sqlalchemy import Connection, Engine, Row, text

from pipeline.database import database_errors
from pipeline.errors import SourceError, UsageError
from pipeline.feeds.contracts import Contract
from pipeline.feeds.encoding import text_encoding
from pipeline.feeds.headings import normalise_heading
from pipeline.outputs.sheets import (
    CORRECTION_ANSWERS,
    CORRECTIONS,
    FEED_ANSWERS,
    FEEDS,
    OFFICE,
    Form,
)

_LARGEST_NUMBER: Final = 2**63
_CONTACT: Final[dict[str, tuple[str, ...]]] = {
    "office": ("office", "单位", "部门"),
    "name": ("name", "联系人", "姓名"),
    "phone": ("phone", "电话", "联系电话"),
    "email": ("email", "邮箱"),
}


def feed_states(
    connection: Connection,
    contracts: Mapping[str, Contract],
    as_of: dt.date,
    *,
    with_records: bool = True,
) -> list[dict[str, Any]]:
    """What was delivered last of each feed, when it is due, and whether it is overdue or too old.

    A feed is overdue when its last due date has passed and nothing newer than the due date before it
    was delivered, or confirmed by its office. It is too old when its newest data, or the last word of
    its office that they still hold, lie further back than its contract allows. Counting the records in
    force takes a while in a large county; ``with_records`` false leaves them out.

    Shape:  one mapping per feed: feed, office, file, data_date, row_count, quarantined_count, records,
            due, next_due, answer, answered_on, is_overdue, age_days, max_age_days, is_too_old.
    Units:  days.
    CRS:    none.
    Errors: those of the database.
    Source: docs/how-to-work-with-offices.md; due dates and ages are settings of sources.toml.
    """
    last = {
        row.feed: row
        for row in connection.execute(
            text(
                """
                SELECT DISTINCT ON (d.feed)
                  d.feed, d.file, d.data_date, d.row_count, d.quarantined_count
                FROM ops.delivery AS d
                WHERE d.state IN ('loaded', 'consumed')
                ORDER BY d.feed, d.data_date DESC, d.delivery_id DESC
                """
            )
        )
    }
    counted = "SELECT r.feed, count(*) AS records FROM core.open_record AS r GROUP BY r.feed"
    records = (
        {row.feed: row.records for row in connection.execute(text(counted))} if with_records else {}
    )
    answers = {
        row.feed: row
        for row in connection.execute(
            text(
                """
                SELECT DISTINCT ON (v.feed) v.feed, v.answer, v.as_of
                FROM core.verification AS v WHERE v.as_of <= :as_of
                ORDER BY v.feed, v.as_of DESC, v.verification_id DESC
                """
            ),
            {"as_of": as_of},
        )
    }
    return [
        _feed_state(contract, last.get(feed), answers.get(feed), records.get(feed), as_of)
        for feed, contract in contracts.items()
    ]


def _feed_state(
    contract: Contract,
    last: Row[Any] | None,
    answer: Row[Any] | None,
    records: int | None,
    as_of: dt.date,
) -> dict[str, Any]:
    before, due, following = _due_dates(contract.due, as_of)
    given = [last.data_date] if last is not None else []
    if answer is not None and answer.answer == "confirmed":
        given.append(answer.as_of)
    is_given = before is not None and any(day > before for day in given)
    age_days = (as_of - max(given)).days if given else None
    return {
        "feed": contract.feed,
        "title_zh": contract.title_zh,
        "title_en": contract.title_en,
        "office": contract.office,
        "file": None if last is None else last.file,
        "data_date": None if last is None else last.data_date,
        "row_count": 0 if last is None else last.row_count,
        "quarantined_count": 0 if last is None else last.quarantined_count,
        "records": records,
        "due": due,
        "next_due": following,
        "answer": None if answer is None else answer.answer,
        "answered_on": None if answer is None else answer.as_of,
        "is_overdue": due is not None and not is_given,
        "age_days": age_days,
        "max_age_days": contract.max_age_days,
        "is_too_old": age_days is not None
        and contract.max_age_days is not None
        and age_days > contract.max_age_days,
    }


def _due_dates(
    due: Iterable[str], as_of: dt.date
) -> tuple[dt.date | None, dt.date | None, dt.date | None]:
    """The due date before the last one, the last one up to a day, and the next one."""
    days: set[dt.date] = set()
    for rule in due:
        month, _, day = rule.partition("-")
        months = range(1, 13) if month == "*" else [int(month)]
        for year in range(as_of.year - 2, as_of.year + 2):
            for one in months:
                try:
                    days.add(dt.date(year, one, int(day)))
                except ValueError:
                    # a month without such a day: its last one
                    first_of_next = dt.date(year + one // 12, one % 12 + 1, 1)
                    days.add(first_of_next - dt.timedelta(days=1))
    past = sorted(day for day in days if day <= as_of)
    future = sorted(day for day in days if day > as_of)
    if not past:
        return None, None, future[0] if future else None
    return past[-2], past[-1], future[0]


def office_page(
    connection: Connection, contracts: Mapping[str, Contract], office: str, as_of: dt.date
) -> dict[str, Any]:
    """What a sheet for an office says: its feeds, and the corrections of their values.

    Shape:  office, as_of, contact (name or None), feeds as ``feed_states`` gives them, corrections
            (one mapping each: what was corrected, why, by whom, whether it applies, the value found
            now, the last answer).
    Units:  those of the corrected columns.
    CRS:    none.
    Errors: UsageError usage.office.
    Source: docs/how-to-run-your-county.md.
    """
    feeds = [one for one in feed_states(connection, contracts, as_of) if one["office"] == office]
    if not feeds:
        known = ", ".join(sorted({contract.office for contract in contracts.values()}))
        raise UsageError("usage.office", office=office, offices=known)
    contact = connection.execute(
        text("SELECT c.name FROM secure.contact AS c WHERE c.office = :office"), {"office": office}
    ).scalar_one_or_none()
    corrections = connection.execute(
        text(
            """
            SELECT
              c.correction_id, c.feed, c.key, c.field, c.expected_value, c.new_value, c.reason, c.evidence,
              c.author, CAST(c.entered_at AS date) AS entered_on, c.valid_until,
              core.delivered_value(c.feed, c.key, c.field) AS found_value,
              CASE
                WHEN EXISTS (
                  SELECT 1 FROM core.applied_correction AS a WHERE a.correction_id = c.correction_id
                ) THEN 'applied'
                WHEN r.correction_id IS NOT NULL THEN 'unusable'
                WHEN c.valid_until <= :as_of THEN 'ended'
                WHEN NOT EXISTS (
                  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'correction' AND s.act_id = c.correction_id
                ) THEN 'waiting'
                ELSE 'stale'
              END AS state,
              w.answer, w.reason AS answer_reason, w.author AS answer_author
            FROM core.correction AS c
            LEFT JOIN ops.refused_correction AS r ON r.correction_id = c.correction_id
            LEFT JOIN core.current_answer AS w ON w.correction_id = c.correction_id
            WHERE c.feed = ANY (:feeds) AND c.field !~ '_key$'
            ORDER BY c.feed, c.key, c.field, c.correction_id
            """
        ),
        {"as_of": as_of, "feeds": [one["feed"] for one in feeds]},
    ).mappings()
    return {
        "office": office,
        "as_of": as_of,
        "contact": contact,
        "feeds": feeds,
        "corrections": [dict(row) for row in corrections],
    }


def take_answers(engine: Engine, path: Path, as_of: dt.date) -> dict[str, int]:
    """Enter the answers of a sheet that came back; what is entered already is passed over.

    Shape:  a workbook as ``pipeline.outputs.sheets`` writes it in; how many answers of each kind are
            new out.
    Units:  none.
    CRS:    none.
    Errors: SourceError office.sheet for the first line that cannot be an answer; nothing is entered.
    Source: docs/how-to-run-your-county.md.
    """
    try:
        book = python_calamine.CalamineWorkbook.from_path(path)
        sheets = {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
    except (python_calamine.CalamineError, OSError) as error:
        raise SourceError("source.unreadable", file=path.name, reason=str(error)) from error
    office = _office_of(path, sheets)
    feeds = [
        {"office": office, "feed": row["feed"], "as_of": as_of, **_answer(path, row, FEED_ANSWERS)}
        for row in _rows(path, sheets, FEEDS)
        if row["answer"]
    ]
    corrections = [
        {
            "correction_id": _number(path, row),
            "key": row["key"],
            "field": row["field"],
            **_answer(path, row, CORRECTION_ANSWERS),
        }
        for row in _rows(path, sheets, CORRECTIONS)
        if row["answer"]
    ]
    with database_errors(), engine.begin() as connection:
        for one in corrections:
            _refuse_stranger(connection, path, one)
        return {
            "verifications": _enter(
                connection,
                "core.verification",
                ("office", "feed", "as_of", "answer", "reason", "author"),
                feeds,
            ),
            "corrections": _enter(
                connection,
                "core.correction_answer",
                ("correction_id", "answer", "reason", "author"),
                corrections,
            ),
        }


def load_contacts(connection: Connection, path: Path) -> None:
    """Make the contacts of the offices those of a workspace's contacts.csv.

    Shape:  headings office, name, phone, email, or 单位, 联系人, 电话, 邮箱; offices that the file does not
            name keep theirs. No file, nothing happens.
    Units:  none.
    CRS:    none.
    Errors: SourceError office.contacts for the first bad line; nothing is then entered.
    Source: docs/how-to-run-your-county.md.
    """
    if not path.is_file():
        return
    content = path.read_bytes().decode(text_encoding(path, "auto").values)
    lines = [line for line in csv.reader(io.StringIO(content, newline="")) if any(line)]
    if not lines:
        return
    said = [normalise_heading(heading) for heading in lines[0]]
    places = {
        column: said.index(normalise_heading(alias))
        for column, aliases in _CONTACT.items()
        for alias in reversed(aliases)
        if normalise_heading(alias) in said
    }
    rows = [
        {
            column: line[places[column]].strip() or None
            if column in places and places[column] < len(line)
            else None
            for column in _CONTACT
        }
        for line in lines[1:]
    ]
    for number, row in enumerate(rows, start=2):
        if not row["office"] or not row["name"]:
            raise SourceError("office.contacts", path=str(path), row=number)
    if not rows:
        return
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        connection.execute(
            text(
                """
                INSERT INTO secure.contact (office, name, phone, email)
                VALUES (:office, :name, :phone, :email)
                ON CONFLICT (office) DO UPDATE
                SET name = excluded.name, phone = excluded.phone, email = excluded.email
                """
            ),
            rows,
        )


def _office_of(path: Path, sheets: Mapping[str, list[list[Any]]]) -> str:
    """The office whose sheet it is: written in the first line of the first sheet."""
    for row in sheets.get(FEEDS.sheet, [])[:1]:
        for cell in row:
            name, _, office = str(cell).partition(OFFICE)
            if office and not name.strip():
                return office.strip()
    raise SourceError("office.no_sheet", file=path.name)


def _rows(path: Path, sheets: Mapping[str, list[list[Any]]], form: Form) -> list[dict[str, Any]]:
    """The lines below the headings of a sheet, by the names of its columns."""
    lines = sheets.get(form.sheet)
    if lines is None:
        raise SourceError("office.no_sheet", file=path.name)
    headings = list(form.columns.values())
    start = next((i for i, line in enumerate(lines) if str(line[0]).strip() == headings[0]), None)
    if start is None or [str(cell).strip() for cell in lines[start]][: len(headings)] != headings:
        raise SourceError("office.no_sheet", file=path.name)
    return [
        {"row": number, **{n: str(c).strip() for n, c in zip(form.columns, line, strict=False)}}
        for number, line in enumerate(lines[start + 1 :], start=start + 2)
        if any(str(cell).strip() for cell in line)
    ]


def _answer(path: Path, row: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, Any]:
    """The answer of a line, as it is stored; all but a plain yes needs a reason."""
    known = {word: code for code, word in answers.items()} | {code: code for code in answers}
    answer = known.get(row["answer"])
    if answer is None:
        raise SourceError(
            "office.answer",
            file=path.name,
            row=row["row"],
            answer=row["answer"],
            answers=", ".join(answers.values()),
        )
    if not row["author"]:
        raise SourceError("office.author", file=path.name, row=row["row"])
    if answer not in {"confirmed", "accepted"} and not row["answer_reason"]:
        raise SourceError("office.reason", file=path.name, row=row["row"])
    return {
        "row": row["row"],
        "answer": answer,
        "reason": row["answer_reason"] or None,
        "author": row["author"],
    }


def _number(path: Path, row: Mapping[str, Any]) -> int:
    """The number of the correction that a line is about."""
    try:
        number = int(float(row["correction_id"]))
        if not 0 < number < _LARGEST_NUMBER:
            raise ValueError(number)
        return number
    except (ValueError, OverflowError) as error:
        raise SourceError("office.unknown", file=path.name, row=row["row"]) from error


def _refuse_stranger(connection: Connection, path: Path, one: Mapping[str, Any]) -> None:
    """A line must be about the correction that it was written for."""
    found = connection.execute(
        text("SELECT c.key, c.field FROM core.correction AS c WHERE c.correction_id = :id"),
        {"id": one["correction_id"]},
    ).one_or_none()
    if found is None or (found.key, found.field) != (one["key"], one["field"]):
        raise SourceError("office.unknown", file=path.name, row=one["row"])


def _enter(
    connection: Connection, table: str, names: tuple[str, ...], rows: list[dict[str, Any]]
) -> int:
    """Enter what is not known yet; return how many that were."""
    new = 0
    for row in rows:
        words = "\x1f".join(str(row[name]) for name in names)
        digest = hashlib.blake2b(words.encode(), digest_size=16).hexdigest()
        new += connection.execute(
            text(
                f"INSERT INTO {table} ({', '.join(names)}, content_hash) "  # noqa: S608 - our names
                f"VALUES ({', '.join(f':{name}' for name in names)}, :content_hash) "
                "ON CONFLICT (content_hash) DO NOTHING"
            ),
            {**{name: row[name] for name in names}, "content_hash": digest},
        ).rowcount
    return new
