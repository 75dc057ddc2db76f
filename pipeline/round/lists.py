"""The lists as they would be announced or issued now, from what the last run computed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from pipeline.errors import UsageError
from pipeline.outputs.round_lists import NO_GRADE, ListFile, write_lists
from pipeline.round.acts import Signed, enter_act, opened
from pipeline.round.inputs import Inputs, read_round
from pipeline.round.result import LISTS, TRANSITION, Said, issued_grade, list_of, rows_of
from pipeline.settings import Settings

_LONGEST_NOTICE_DAYS: Final = 366
Listed = dict[str, dict[str, str]]


def listed_now(connection: Connection, settings: Settings, year: int) -> Listed:
    """Every enterprise that a list would name: its name, township, list and grade.

    Shape:  a data year in; name, township_code, list and grade by enterprise code out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/round/listed.sql, member.sql; pipeline.round.result.
    """
    asked = {"data_year": year}
    inputs = Inputs(year, dt.date.min, settings.size_threshold_mu, settings.round.list_transition)
    units: dict[str, tuple[dict[str, Any], str | None]] = {}
    for unit in rows_of(read_round(connection, "listed", asked)):
        said = Said(
            unit["adjusted_grade"] if settings.rules is not None else None,
            unit["official_grade"],
            unit["decided_grade"],
        )
        units[unit["unit_code"]] = (unit, issued_grade(said, unit["eval_state"])[0])
    found: Listed = {}
    for member in rows_of(read_round(connection, "member", asked)):
        unit, grade = units[member["unit_code"]]
        kind = list_of(unit, grade, member, inputs)
        if kind:
            found[member["enterprise_code"]] = {
                "name": member["name"],
                "township_code": member["township_code"],
                "list": kind,
                "grade": grade or NO_GRADE,
            }
    return found


def announce(
    connection: Connection,
    settings: Settings,
    signed: Signed,
    *,
    first: dt.date,
    days: int,
    folder: Path,
) -> dict[str, Any]:
    """Begin the notice period 公示: write the lists as they are now, and record what they said.

    Shape:  the first day and the length of the period, and the folder in; year, first and last day, counts
            by list and the files out.
    Units:  days.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, round.days, round.nothing_listed; SettingsError export.not_writable.
    Source: docs/sources.md, 1.7 (publicity; its length is in no paper at hand, so it is said each time).
    """
    if not 1 <= days <= _LONGEST_NOTICE_DAYS:
        raise UsageError("round.days", days=days, most=_LONGEST_NOTICE_DAYS)
    year = opened(connection).data_year
    listed = listed_now(connection, settings, year)
    if not listed:
        raise UsageError("round.nothing_listed", year=year)
    last = first + dt.timedelta(days=days - 1)
    value = {
        "from": first.isoformat(),
        "until": last.isoformat(),
        "days": days,
        "listed": {
            code: [one["list"], one["grade"], one["name"]] for code, one in sorted(listed.items())
        },
    }
    enter_act(connection, year, "announce", signed, value=value)
    head = head_of(
        settings.county.name,
        year,
        signed.as_of,
        "公示",
        source="" if settings.rules is None else settings.rules.source,
        threshold_mu=settings.size_threshold_mu,
    )
    files = write_lists(folder, head, by_list(listed.values()))
    return {
        "year": year,
        "from": first,
        "until": last,
        "counts": {kind: len(rows) for kind, rows in by_list(listed.values()).items()},
        "files": files,
    }


def head_of(
    county: str, year: int, day: dt.date, what: str, *, source: str, threshold_mu: Decimal
) -> ListFile:
    """What the files of a result or an announcement say besides names and grades.

    Shape:  name of the county, data year, day, what it is, its papers and the least land of a list in; the head
            out.
    Units:  mu.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-run-a-round.md.
    """
    return ListFile(
        f"{county}{year}年度企业亩均效益综合评价结果{what}",
        source,
        day,
        format(threshold_mu.normalize(), "f"),
    )


def by_list(rows: Iterable[Mapping[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Names and grades by list; the four lists of a round are always there.

    Shape:  mappings with list, name and grade in; (name, grade) by list out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 1.2.
    """
    found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in LISTS}
    for row in rows:
        found.setdefault(row["list"], []).append((row["name"], row["grade"]))
    if not found.get(TRANSITION):
        found.pop(TRANSITION, None)
    return found


def last_announcement(connection: Connection, year: int) -> dict[str, Any] | None:
    """What was announced last: from, until, listed, and when.

    Shape:  a data year in; one mapping, or None where nothing was, out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.round_act.
    """
    found = connection.execute(
        text(
            "SELECT a.value, a.as_of, a.author FROM core.round_act AS a "
            "WHERE a.year = :year AND a.kind = 'announce' ORDER BY a.act_id DESC LIMIT 1"
        ),
        {"year": year},
    ).one_or_none()
    if found is None:
        return None
    value: dict[str, Any] = found.value
    return {
        **value,
        "from": dt.date.fromisoformat(value["from"]),
        "until": dt.date.fromisoformat(value["until"]),
        "as_of": found.as_of,
        "author": found.author,
    }


def changed_since(listed: Listed, announced: Mapping[str, list[str]]) -> dict[str, str]:
    """Enterprises whose list or grade is not what was announced, each with its township.

    Shape:  what is listed now, and (list, grade, name) as announced by code in; township by code out, ''
            where an enterprise is listed no more.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-run-a-round.md.
    """
    found = {}
    for code in sorted({*listed, *announced}):
        now, then = listed.get(code), announced.get(code)
        if now is None or then is None or [now["list"], now["grade"]] != then[:2]:
            found[code] = "" if now is None else now["township_code"]
    return found
