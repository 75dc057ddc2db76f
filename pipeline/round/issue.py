"""The issue of a result, its corrections as new editions, and the proof that it follows from its inputs."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from psycopg import sql
from sqlalchemy import Connection, Engine, Row, text

from pipeline.database import database_errors, driver_of
from pipeline.domain.rules.schema import RuleSet
from pipeline.errors import CheckFailed, UsageError
from pipeline.feeds.contracts import Contract
from pipeline.messages import both
from pipeline.outputs.round_lists import NO_GRADE, ListFile, write_changes, write_lists
from pipeline.round.acts import Signed, enter_act, enterprise_of, locked, opened, published
from pipeline.round.inputs import (
    OF_ENTERPRISES,
    OF_UNITS,
    TABLES,
    Inputs,
    canonical,
    in_order,
    pack,
    read_inputs,
    unpack,
)
from pipeline.round.inputs import Row as InputRow
from pipeline.round.lists import by_list, head_of
from pipeline.round.result import ISSUED, Result, result_hash, result_of
from pipeline.round.status import read_round_status
from pipeline.settings import Settings

_SHOWN: Final = 12


@dataclass(frozen=True)
class Issued:
    """An edition that was issued: how much it holds, what it changed, and where its files are."""

    year: int
    edition: int
    result_hash: str
    counts: dict[str, int]
    changes: list[dict[str, Any]]
    changed_units: list[dict[str, Any]]
    files: list[Path]
    accepted: list[dict[str, Any]]


def issue(
    engine: Engine,
    settings: Settings,
    contracts: Mapping[str, Contract],
    signed: Signed,
    *,
    reason: str,
    accept: str | None = None,
) -> Issued:
    """Issue the result of the published data year: freeze it with all that it follows from.

    No run goes on meanwhile; what was kept is computed anew and compared before it counts. What blocks the
    issue is accepted by a person with a reason, which is on record.

    Shape:  who issues and why in; what was issued out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, round.is_issued, round.nothing_listed; CheckFailed round.never,
            round.blocked, round.not_reproducible; RunLocked; SettingsError export.not_writable, after which
            the result is issued and ``write_files`` may be tried again.
    Source: docs/how-to-run-a-round.md.
    """
    with locked(engine) as connection:
        publication = opened(connection)
        year = publication.data_year
        if _newest(connection, year) is not None:
            raise UsageError("round.is_issued", year=year)
        status = read_round_status(connection, settings, contracts, signed.as_of)
        accepted = _pass_blockers(status["blockers"], accept)
        if accept is not None and accepted:
            value = {"blockers": [_brief(one) for one in accepted]}
            enter_act(connection, year, "accept", signed, value=value, reason=accept.strip())
        inputs = read_inputs(connection, settings, tuple(publication))
        edition = _Edition(
            year,
            1,
            None,
            (),
            "" if settings.rules is None else settings.rules.id,
            settings.rules_text,
            publication,
            reason,
        )
        digest = _freeze(connection, edition, inputs, signed)
        if not any(row[-1] for row in read_issued(connection, year, 1)["issued_member"]):
            raise UsageError("round.nothing_listed", year=year)
    return _told(engine, settings, year, 1, digest, accepted)


def amend(
    engine: Engine,
    settings: Settings,
    contracts: Mapping[str, Contract],
    enterprises: Sequence[str],
    signed: Signed,
    *,
    reason: str,
    is_whole: bool = False,
) -> Issued:
    """Correct an issued result: a new edition in which some enterprises, or all, are evaluated anew.

    The units of these enterprises, before and now, and whoever shares a unit with them, are evaluated from
    what is published now, by the rules, benchmarks and cuts of the edition before: the correction of one
    does not move the others. ``is_whole`` evaluates all anew by the rules of now.

    Shape:  enterprises by code, credit code or unique name in; what was issued and changed out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_issued, round.amend_whom, round.amend_nothing, explain.not_found,
            review.reason; CheckFailed round.not_reproducible; RunLocked.
    Source: docs/how-to-run-a-round.md.
    """
    if not reason.strip():
        raise UsageError("review.reason")
    if bool(enterprises) == is_whole:
        raise UsageError("round.amend_whom")
    with locked(engine) as connection:
        publication = published(connection)
        year = publication.data_year
        last = _newest(connection, year)
        if last is None:
            raise UsageError("round.not_issued", year=year)
        codes = sorted({enterprise_of(connection, one) for one in enterprises})
        now = read_inputs(connection, settings, tuple(publication))
        if is_whole:
            status = read_round_status(connection, settings, contracts, signed.as_of)
            _refuse_what_nobody_accepts(status["blockers"])
            inputs, rules = now, settings.rules_text
            rule_set = "" if settings.rules is None else settings.rules.id
        else:
            rules, rule_set = last.rules, last.rule_set
            before, _ = unpack(last.inputs)
            standards = read_standards(connection, year, last.edition)
            inputs = merged(before, now, codes).with_standards(standards)
        edition = _Edition(
            year,
            last.edition + 1,
            last.edition,
            tuple(codes),
            rule_set,
            rules,
            publication,
            reason,
        )
        digest = _freeze(connection, edition, inputs, signed)
        if digest == last.result_hash:
            raise UsageError("round.amend_nothing", year=year, edition=last.edition)
    return _told(engine, settings, year, last.edition + 1, digest, [])


def verify(
    engine: Engine, year: int | None = None, edition: int | None = None
) -> list[dict[str, Any]]:
    """Compute issued results anew from their inputs and rules alone, and compare.

    Shape:  a data year (None: that of what is published) and an edition (None: all) in; one mapping per edition
            out: year, edition, result_hash, and what ``differs`` (inputs, result, rows; empty where nothing).
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_issued, round.no_edition; those of the database.
    Source: docs/decisions/0020-a-round-is-frozen-with-its-evidence.md.
    """
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        wanted = published(connection).data_year if year is None else year
        editions = _editions(connection, wanted)
        if not editions:
            raise UsageError("round.not_issued", year=wanted)
        chosen = [one for one in editions if edition in {None, one}]
        if not chosen:
            raise UsageError("round.no_edition", year=wanted, edition=edition)
        return [
            {
                "year": wanted,
                "edition": one,
                "result_hash": _row(connection, wanted, one).result_hash,
                "differs": differences(connection, wanted, one),
            }
            for one in chosen
        ]


def differences(connection: Connection, year: int, edition: int) -> list[str]:
    """What of an edition is not what its inputs and rules lead to, or what was issued.

    Shape:  a data year and an edition in; of ``inputs``, ``result`` and ``rows`` those that differ out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: docs/decisions/0020-a-round-is-frozen-with-its-evidence.md.
    """
    kept = _row(connection, year, edition)
    found = []
    try:
        inputs, digest = unpack(kept.inputs)
        if digest != kept.inputs_hash:
            found.append("inputs")
        if result_hash(result_of(inputs, kept.rules)) != kept.result_hash:
            found.append("result")
    except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error):
        # nothing of ours any more
        found += ["inputs", "result"]
    if result_hash(read_issued(connection, year, edition)) != kept.result_hash:
        found.append("rows")
    return sorted(set(found))


def read_issued(connection: Connection, year: int, edition: int) -> Result:
    """The rows of an edition as they are kept, in the form in which they were computed.

    Shape:  a data year and an edition in; rows by table out, numbers as texts.
    Units:  as in ``result_of``.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.issued_*.
    """
    found: Result = {}
    for table, (columns, keys) in ISSUED.items():
        names = ", ".join(
            f"CAST({column} AS text)" if column in _NUMBERS else column for column in columns
        )
        order = ", ".join(columns[:keys])
        rows = connection.execute(
            text(
                f"SELECT {names} FROM core.{table} "  # noqa: S608 - our own names
                f"WHERE year = :year AND edition = :edition ORDER BY {order}"
            ),
            {"year": year, "edition": edition},
        )
        found[table] = [tuple(_kept(value) for value in row) for row in rows]
    return found


# Columns that are numbers, and travel as texts.
_NUMBERS: Final = frozenset({"eval_area_m2", "score", "bonus", "total", "allocated_m2", "value"})


def _kept(value: object) -> object:
    """A value as it was computed: a trace is a text there."""
    return canonical(value) if isinstance(value, list) else value


def read_standards(connection: Connection, year: int, edition: int) -> list[InputRow]:
    """Benchmarks and cuts of an edition, with all their digits.

    Shape:  a data year and an edition in; rows as of ``TABLES['standard']`` out.
    Units:  those of the indicator; points.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.issued_standard.
    """
    columns = ", ".join(TABLES["standard"])
    rows = connection.execute(
        text(
            f"SELECT {columns} FROM core.issued_standard "  # noqa: S608 - our own names
            "WHERE year = :year AND edition = :edition"
        ),
        {"year": year, "edition": edition},
    )
    return [tuple(row) for row in rows]


def merged(before: Inputs, now: Inputs, enterprises: Iterable[str]) -> Inputs:
    """The inputs of an edition, with some enterprises and whoever shares a unit with them as they are now.

    Shape:  two inputs and codes in; inputs out.
    Units:  as in ``Inputs``.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-run-a-round.md.
    """
    units, members = _reach(before, now, set(enterprises))
    tables: dict[str, list[InputRow]] = {}
    for name in (*OF_UNITS, *OF_ENTERPRISES):
        place = TABLES[name].index("unit_code" if name in OF_UNITS else "enterprise_code")
        keys = units if name in OF_UNITS else members
        stay = [row for row in before.tables.get(name, []) if row[place] not in keys]
        come = [row for row in now.tables.get(name, []) if row[place] in keys]
        tables[name] = in_order([*stay, *come])
    return Inputs(
        before.data_year,
        # rules that are in force by the day are those that were
        before.as_of,
        before.threshold_mu,
        before.list_transition,
        before.county,
        tables=tables,
    )


def _reach(before: Inputs, now: Inputs, enterprises: set[str]) -> tuple[set[str], set[str]]:
    """Units, and their members, that hang together with some enterprises, before or now."""
    of_unit: dict[str, set[str]] = {}
    of_enterprise: dict[str, set[str]] = {}
    for inputs in (before, now):
        for unit, enterprise, *_ in inputs.tables["member"]:
            of_unit.setdefault(unit, set()).add(enterprise)
            of_enterprise.setdefault(enterprise, set()).add(unit)
    members = set(enterprises)
    units: set[str] = set()
    waiting = list(enterprises)
    while waiting:
        for unit in of_enterprise.get(waiting.pop(), set()) - units:
            units.add(unit)
            waiting += of_unit[unit] - members
            members |= of_unit[unit]
    return units, members


def changes_of(
    connection: Connection, year: int, edition: int, before: int
) -> list[dict[str, Any]]:
    """Enterprises whose list or grade an edition changed, by name.

    Shape:  two editions in; enterprise_code, name, list_before, grade_before, list_after, grade_after out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.issued_member, core.issued_unit.
    """
    rows = connection.execute(
        text(
            """
            WITH said AS (
              SELECT m.edition, m.enterprise_code, m.name, m.list, u.grade
              FROM core.issued_member AS m
              JOIN core.issued_unit AS u USING (year, edition, unit_code)
              WHERE m.year = :year
            )
            SELECT
              coalesce(n.enterprise_code, o.enterprise_code) AS enterprise_code, coalesce(n.name, o.name) AS name,
              coalesce(o.list, '') AS list_before, o.grade AS grade_before,
              coalesce(n.list, '') AS list_after, n.grade AS grade_after
            FROM (SELECT * FROM said WHERE edition = :before) AS o
            FULL JOIN (SELECT * FROM said WHERE edition = :edition) AS n
              ON n.enterprise_code = o.enterprise_code
            WHERE (coalesce(o.list, ''), o.grade, o.name) IS DISTINCT FROM (coalesce(n.list, ''), n.grade, n.name)
            ORDER BY name, enterprise_code
            """
        ),
        {"year": year, "edition": edition, "before": before},
    ).mappings()
    return [dict(row) for row in rows]


def changed_units(
    connection: Connection, year: int, edition: int, before: int
) -> list[dict[str, Any]]:
    """Units of which anything that was issued differs between two editions.

    Shape:  two editions in; unit_code, and eval_category, eval_area_m2, total and grade before and after, out.
    Units:  m2; points.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.issued_unit.
    """
    rows = connection.execute(
        text(
            """
            SELECT
              coalesce(n.unit_code, o.unit_code) AS unit_code,
              o.eval_category AS category_before, n.eval_category AS category_after,
              o.eval_area_m2 AS area_m2_before, n.eval_area_m2 AS area_m2_after,
              o.total AS total_before, n.total AS total_after,
              o.grade AS grade_before, n.grade AS grade_after
            FROM (SELECT * FROM core.issued_unit WHERE year = :year AND edition = :before) AS o
            FULL JOIN (SELECT * FROM core.issued_unit WHERE year = :year AND edition = :edition) AS n
              ON n.unit_code = o.unit_code
            WHERE to_jsonb(o) - 'edition' IS DISTINCT FROM to_jsonb(n) - 'edition'
            ORDER BY 1
            """
        ),
        {"year": year, "edition": edition, "before": before},
    ).mappings()
    return [dict(row) for row in rows]


def write_files(connection: Connection, year: int, edition: int, folder: Path) -> list[Path]:
    """Write the annexes of an edition; what is written again is the same, byte for byte.

    Shape:  an edition and the folder in; the files out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.no_edition; SettingsError export.not_writable.
    Source: docs/sources.md, 1.2 (four lists, in no order of rank).
    """
    kept = _row(connection, year, edition)
    rows = connection.execute(
        text(
            """
            SELECT m.name, m.list, coalesce(u.grade, :no_grade) AS grade
            FROM core.issued_member AS m
            JOIN core.issued_unit AS u USING (year, edition, unit_code)
            WHERE m.year = :year AND m.edition = :edition AND m.list <> ''
            """
        ),
        {"year": year, "edition": edition, "no_grade": NO_GRADE},
    ).mappings()
    lists = by_list({name: str(value) for name, value in row.items()} for row in rows)
    head = _head(kept)
    files = write_lists(folder, head, lists)
    if kept.amends is not None:
        changes = changes_of(connection, year, edition, kept.amends)
        files.append(write_changes(folder / "变更.xlsx", head, changes))
    return files


def _head(kept: Row[Any]) -> ListFile:
    """What the files of an edition say besides names and grades: of then, whatever the settings are now."""
    inputs, _ = unpack(kept.inputs)
    source = RuleSet.model_validate_json(kept.rules).source if kept.rules else ""
    what = "" if kept.edition == 1 else f"（第{kept.edition}版）"
    return head_of(
        inputs.county,
        kept.year,
        kept.issued_on,
        what,
        source=source,
        threshold_mu=inputs.threshold_mu,
    )


def folder_of(settings: Settings, year: int, edition: int | None = None) -> Path:
    """Where the files of a round lie, or those of one edition.

    Shape:  a data year, and an edition or None in; a folder out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-run-a-round.md.
    """
    name = str(year) if edition is None else f"{year}-{edition}"
    return settings.workspace / "out" / "rounds" / name


def write_again(
    engine: Engine, settings: Settings, edition: int | None = None
) -> tuple[int, int, list[Path]]:
    """Write the files of an edition of the published data year anew; of the newest where none is named.

    Shape:  an edition in; year, edition and files out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_issued, round.no_edition; SettingsError export.not_writable.
    Source: docs/how-to-run-a-round.md.
    """
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        year = published(connection).data_year
        editions = _editions(connection, year)
        if not editions:
            raise UsageError("round.not_issued", year=year)
        wanted = editions[-1] if edition is None else edition
        if wanted not in editions:
            raise UsageError("round.no_edition", year=year, edition=wanted)
        folder = folder_of(settings, year, wanted)
        return year, wanted, write_files(connection, year, wanted, folder)


@dataclass(frozen=True)
class _Edition:
    """What an edition says of itself."""

    year: int
    edition: int
    amends: int | None
    amended: tuple[str, ...]
    rule_set: str
    rules: str
    publication: Row[Any]
    reason: str


def _pass_blockers(
    blockers: Sequence[Mapping[str, Any]], accept: str | None
) -> list[dict[str, Any]]:
    """What a person accepts; nothing where nothing stands in the way.

    Errors: CheckFailed round.never, round.blocked with all of it.
    """
    _refuse_what_nobody_accepts(blockers)
    blocking = [dict(one) for one in blockers if one["blocks"]]
    if blocking and not (accept or "").strip():
        raise CheckFailed("round.blocked", **_summary(blocking))
    return blocking


def _refuse_what_nobody_accepts(blockers: Sequence[Mapping[str, Any]]) -> None:
    never = [one for one in blockers if one["is_never_accepted"]]
    if never:
        raise CheckFailed("round.never", **_summary(never))


def _summary(blockers: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """What blocks, by kind, for programs and in words."""
    counts: dict[str, int] = {}
    params: dict[str, dict[str, object]] = {}
    for one in blockers:
        counts[one["code"]] = counts.get(one["code"], 0) + one["count"]
        params.setdefault(one["code"], dict(one["params"]))
    words = {code: both(f"round.blocker.{code}", params[code]) for code in sorted(counts)}
    return {
        "kinds": len(counts),
        "zh": "、".join(f"{zh} {counts[code]}" for code, (zh, _) in words.items()),
        "en": ", ".join(f"{en} {counts[code]}" for code, (_, en) in words.items()),
        "blockers": dict(sorted(counts.items())),
    }


def _brief(blocker: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: blocker[name]
        for name in ("code", "office", "township_code", "count")
        if blocker[name] is not None
    }


def _freeze(connection: Connection, edition: _Edition, inputs: Inputs, signed: Signed) -> str:
    """Keep an edition with its inputs; what is kept must lead to what is issued."""
    packed, inputs_hash = pack(inputs)
    # computed from what is kept, not from what was read
    result = result_of(unpack(packed)[0], edition.rules)
    digest = result_hash(result)
    connection.execute(
        text(
            """
            INSERT INTO core.evaluation (
              year, edition, amends, amended, rule_set, rules, as_of, issued_on, run_id, reason, author,
              inputs, inputs_hash, result_hash)
            VALUES (
              :year, :edition, :amends, :amended, :rule_set, :rules, :as_of, :issued_on, :run_id, :reason, :author,
              :inputs, :inputs_hash, :result_hash)
            """
        ),
        {
            "year": edition.year,
            "edition": edition.edition,
            "amends": edition.amends,
            "amended": list(edition.amended),
            "rule_set": edition.rule_set,
            "rules": edition.rules,
            "as_of": edition.publication.as_of,
            "issued_on": signed.as_of,
            "run_id": edition.publication.run_id,
            "reason": edition.reason.strip(),
            "author": signed.author.strip(),
            "inputs": packed,
            "inputs_hash": inputs_hash,
            "result_hash": digest,
        },
    )
    driver = driver_of(connection)
    for table, (columns, _) in ISSUED.items():
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier("core", table),
            sql.SQL(", ").join(map(sql.Identifier, ("year", "edition", *columns))),
        )
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in result[table]:
                copy.write_row((edition.year, edition.edition, *row))
    if found := differences(connection, edition.year, edition.edition):
        raise CheckFailed("round.not_reproducible", what=", ".join(found))
    return digest


def _told(
    engine: Engine,
    settings: Settings,
    year: int,
    edition: int,
    digest: str,
    accepted: list[dict[str, Any]],
) -> Issued:
    """What was issued, with its files; the result is committed by now."""
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        amends = _row(connection, year, edition).amends
        changes = [] if amends is None else changes_of(connection, year, edition, amends)
        units = [] if amends is None else changed_units(connection, year, edition, amends)
        files = write_files(connection, year, edition, folder_of(settings, year, edition))
        counts = connection.execute(
            text(
                "SELECT m.list, count(*) AS named FROM core.issued_member AS m "
                "WHERE m.year = :year AND m.edition = :edition GROUP BY m.list ORDER BY m.list"
            ),
            {"year": year, "edition": edition},
        )
        named = {row.list or "none": row.named for row in counts}
    return Issued(year, edition, digest, named, changes, units, files, accepted)


def _editions(connection: Connection, year: int) -> list[int]:
    return list(
        connection.execute(
            text(
                "SELECT e.edition FROM core.evaluation AS e WHERE e.year = :year ORDER BY e.edition"
            ),
            {"year": year},
        ).scalars()
    )


def _newest(connection: Connection, year: int) -> Row[Any] | None:
    editions = _editions(connection, year)
    return _row(connection, year, editions[-1]) if editions else None


def _row(connection: Connection, year: int, edition: int) -> Row[Any]:
    return connection.execute(
        text("SELECT * FROM core.evaluation AS e WHERE e.year = :year AND e.edition = :edition"),
        {"year": year, "edition": edition},
    ).one()
