"""What people do in a round: open, confirm, announce, object, answer, decide; one row per act."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, text

from pipeline.database import database_errors, take_run_lock
from pipeline.errors import UsageError
from pipeline.explain.book import Book
from pipeline.explain.enterprise import find_enterprise
from pipeline.outputs.tables import reflect
from pipeline.settings import Settings

# What finding an enterprise needs.
_TABLES: Final = {"core": ("enterprise",), "layers": ("publication",), "ops": ("run_commit",)}
_ENTER: Final = """
INSERT INTO core.round_act (year, kind, enterprise_code, refers_to, value, reason, author, as_of)
VALUES (:year, :kind, :enterprise_code, :refers_to, CAST(:value AS jsonb), :reason, :author, :as_of)
RETURNING act_id
"""
_LAST: Final = """
SELECT a.act_id, a.kind, a.value, a.reason, a.author,
  EXISTS (SELECT 1 FROM core.round_act AS n WHERE n.kind = 'answer' AND n.refers_to = a.act_id) AS is_answered
FROM core.round_act AS a
WHERE a.year = :year AND a.enterprise_code = :enterprise_code AND a.kind IN ('confirm', 'object')
ORDER BY a.act_id DESC
LIMIT 1
"""
_DECIDE: Final = """
INSERT INTO core.evaluation_decision (year, enterprise_code, kind, value, reason, author)
VALUES (:year, :enterprise_code, :kind, :value, :reason, :author)
RETURNING decision_id
"""


@dataclass(frozen=True)
class Signed:
    """Who does something, on which business date."""

    author: str
    as_of: dt.date

    def __post_init__(self) -> None:
        if not self.author.strip():
            raise UsageError("review.author")


@contextmanager
def locked(engine: Engine) -> Iterator[Connection]:
    """A transaction during which no run changes anything; all of it stands or falls together.

    Shape:  an engine in; a connection in a transaction that sees one state out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: RunLocked while a run is under way; DatabaseError.
    Source: docs/sources.md, Design 3 (lock).
    """
    with database_errors(), engine.connect() as connection:
        take_run_lock(connection)
        try:
            with connection.begin():
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
                yield connection
        finally:
            if not connection.invalidated:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock_all()"))
                connection.commit()


def published(connection: Connection) -> Row[Any]:
    """What is published: run_id, as_of, data_year.

    Shape:  a connection in; one row out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.nothing_published.
    Source: layers.publication.
    """
    found = connection.execute(
        text("SELECT p.run_id, p.as_of, p.data_year FROM layers.publication AS p")
    ).one_or_none()
    if found is None:
        raise UsageError("round.nothing_published")
    return found


def opened(connection: Connection) -> Row[Any]:
    """What is published, where the round of its data year is open.

    Shape:  a connection in; one row as of ``published`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, round.nothing_published.
    Source: core.round_act.
    """
    found = published(connection)
    if not _is_open(connection, found.data_year):
        raise UsageError("round.not_open", year=found.data_year)
    return found


def _is_open(connection: Connection, year: int) -> bool:
    return bool(
        connection.execute(
            text(
                "SELECT EXISTS (SELECT 1 FROM core.round_act AS a WHERE a.year = :year AND a.kind = 'open')"
            ),
            {"year": year},
        ).scalar_one()
    )


def enter_act(
    connection: Connection,
    year: int,
    kind: str,
    signed: Signed,
    *,
    enterprise: str | None = None,
    refers_to: int | None = None,
    value: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> int:
    """Enter one act in the caller's transaction.

    Shape:  what was done in; the number of the act out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.round_act.
    """
    number: int = connection.execute(
        text(_ENTER),
        {
            "year": year,
            "kind": kind,
            "enterprise_code": enterprise,
            "refers_to": refers_to,
            "value": json.dumps(value or {}, ensure_ascii=False),
            "reason": reason,
            "author": signed.author.strip(),
            "as_of": signed.as_of,
        },
    ).scalar_one()
    return number


def due_of(settings: Settings, data_year: int) -> dt.date:
    """The day by which the results of a data year are out.

    Shape:  settings and a data year in; a day of the year of the round out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: setting round.due (docs/sources.md, 1.6).
    """
    year = data_year + settings.evaluation.data_year_offset
    return dt.date.fromisoformat(f"{year}-{settings.round.due}")


def open_round(engine: Engine, settings: Settings, signed: Signed) -> dict[str, Any]:
    """Open the round of the data year that is published; one that is open stays so.

    Shape:  year, due and whether it ``is_new`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.nothing_published, review.author; DatabaseError.
    Source: docs/how-to-run-a-round.md.
    """
    with database_errors(), engine.begin() as connection:
        year = published(connection).data_year
        due = due_of(settings, year)
        is_new = not _is_open(connection, year)
        if is_new:
            enter_act(connection, year, "open", signed, value={"due": due.isoformat()})
    return {"year": year, "due": due, "is_new": is_new}


def enterprise_of(connection: Connection, key: str) -> str:
    """The code of the enterprise that a code, credit code or unique name means.

    Shape:  one key in; one code out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique.
    Source: core.enterprise.
    """
    return find_enterprise(Book(connection, reflect(connection, _TABLES)), key.strip())


def decide(
    engine: Engine,
    settings: Settings,
    enterprise: str,
    signed: Signed,
    *,
    reason: str,
    grade: str | None = None,
    transition_end: str | None = None,
) -> list[dict[str, Any]]:
    """Enter what a person decides of an enterprise: its grade, or the end of its transition.

    An empty text takes the decision back. The next run takes it into account; no run writes over it.

    Shape:  what is decided in; one mapping per decision, with ``is_new``, out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.nothing_decided, round.no_such_grade, usage.date, explain.not_found, review.reason.
    Source: docs/sources.md, 1.6 (manual adjustment, with author, date and reason).
    """
    if not reason.strip():
        raise UsageError("review.reason")
    wanted = {"grade": grade, "transition_end": transition_end}
    wanted = {kind: value.strip() for kind, value in wanted.items() if value is not None}
    if not wanted:
        raise UsageError("round.nothing_decided")
    _check_grade(settings, wanted.get("grade"))
    _check_day(wanted.get("transition_end"))
    done = []
    with database_errors(), engine.begin() as connection:
        year = published(connection).data_year
        code = enterprise_of(connection, enterprise)
        for kind, value in wanted.items():
            said = {
                "year": year,
                "enterprise_code": code,
                "kind": kind,
                "value": value or None,
                "reason": reason.strip(),
                "author": signed.author.strip(),
            }
            is_new = not _is_decided(connection, said)
            if is_new:
                connection.execute(text(_DECIDE), said)
            done.append({**said, "is_new": is_new})
    return done


def _check_grade(settings: Settings, grade: str | None) -> None:
    if grade and settings.rules is not None and grade not in settings.rules.grades:
        raise UsageError(
            "round.no_such_grade", grade=grade, grades="、".join(settings.rules.grades)
        )


def _check_day(day: str | None) -> None:
    if day:
        try:
            dt.date.fromisoformat(day)
        except ValueError as error:
            raise UsageError("usage.date", text=day) from error


def _is_decided(connection: Connection, said: Mapping[str, Any]) -> bool:
    """Whether the last word on it is this one already; to take back what nobody said is no news."""
    last = connection.execute(
        text(
            "SELECT d.value, d.reason, d.author FROM core.current_evaluation_decision AS d "
            "WHERE d.year = :year AND d.enterprise_code = :enterprise_code AND d.kind = :kind"
        ),
        {name: said[name] for name in ("year", "enterprise_code", "kind")},
    ).one_or_none()
    if last is None:
        return said["value"] is None
    return tuple(last) == (said["value"], said["reason"], said["author"])


def confirm(
    connection: Connection,
    year: int,
    enterprise: str,
    signed: Signed,
    *,
    reason: str | None,
    value: Mapping[str, Any] | None = None,
) -> bool:
    """Enter that an enterprise confirms its data; what was said last already is passed over.

    Shape:  a code of an enterprise in; whether it is news out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: docs/sources.md, 1.7 (一企一单, Haishu).
    """
    return _enter_once(connection, year, "confirm", enterprise, signed, reason, value or {})


def object_to(
    connection: Connection,
    year: int,
    enterprise: str,
    signed: Signed,
    words: str,
    value: Mapping[str, Any] | None = None,
) -> bool:
    """Enter an objection of an enterprise; the same that stands open already is passed over.

    Shape:  a code of an enterprise and what it says in; whether it is news out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.no_words.
    Source: docs/how-to-run-a-round.md.
    """
    if not words.strip():
        raise UsageError("round.no_words")
    return _enter_once(connection, year, "object", enterprise, signed, words.strip(), value or {})


def _enter_once(
    connection: Connection,
    year: int,
    kind: str,
    enterprise: str,
    signed: Signed,
    reason: str | None,
    value: Mapping[str, Any],
) -> bool:
    last = connection.execute(
        text(_LAST), {"year": year, "enterprise_code": enterprise}
    ).one_or_none()
    said = (kind, dict(value), reason, signed.author.strip())
    is_same = last is not None and (last.kind, last.value, last.reason, last.author) == said
    # a sheet that is read again, or words that wait for an answer
    if last is not None and is_same and (not last.is_answered or value):
        return False
    enter_act(connection, year, kind, signed, enterprise=enterprise, value=value, reason=reason)
    return True


def answer(
    engine: Engine, objection: int, words: str, signed: Signed, *, is_accepted: bool
) -> dict[str, Any]:
    """Answer an objection; a later answer takes the place of an earlier one.

    Shape:  the number of the objection and the answer in; what was entered out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.no_objection, round.no_words.
    Source: docs/how-to-run-a-round.md.
    """
    if not words.strip():
        raise UsageError("round.no_words")
    with database_errors(), engine.begin() as connection:
        found = connection.execute(
            text(
                "SELECT a.year, a.enterprise_code FROM core.round_act AS a "
                "WHERE a.act_id = :act AND a.kind = 'object'"
            ),
            {"act": objection},
        ).one_or_none()
        if found is None:
            raise UsageError("round.no_objection", act=objection)
        act = enter_act(
            connection,
            found.year,
            "answer",
            signed,
            enterprise=found.enterprise_code,
            refers_to=objection,
            value={"answer": "accepted" if is_accepted else "refused"},
            reason=words.strip(),
        )
    return {
        "act_id": act,
        "objection": objection,
        "enterprise_code": found.enterprise_code,
        "answer": "accepted" if is_accepted else "refused",
    }


def objections(connection: Connection, year: int) -> list[dict[str, Any]]:
    """All objections of a round with their last answers, those without one first.

    Shape:  one mapping per objection: act_id, enterprise_code, name, words, author, as_of, answer,
            answer_words, answered_on.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.round_act.
    """
    rows = connection.execute(
        text(
            """
            SELECT
              o.act_id, o.enterprise_code, e.name, o.reason AS words, o.author, o.as_of,
              a.value ->> 'answer' AS answer, a.reason AS answer_words, a.as_of AS answered_on
            FROM core.round_act AS o
            LEFT JOIN core.enterprise AS e ON e.enterprise_code = o.enterprise_code AND e.to_run IS NULL
            LEFT JOIN LATERAL (
              SELECT n.value, n.reason, n.as_of
              FROM core.round_act AS n
              WHERE n.kind = 'answer' AND n.refers_to = o.act_id
              ORDER BY n.act_id DESC
              LIMIT 1
            ) AS a ON true
            WHERE o.year = :year AND o.kind = 'object'
            ORDER BY a.as_of IS NOT NULL, o.act_id
            """
        ),
        {"year": year},
    ).mappings()
    return [dict(row) for row in rows]
