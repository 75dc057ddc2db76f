"""Rows of benchmarks, grades and readings: the evaluation by the rule set, in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from pipeline.domain.rules.engine import (
    STANDARD_COLUMNS,
    Outcome,
    Standards,
    evaluate,
    grade_units,
    set_standards,
)
from pipeline.domain.rules.exact import known
from pipeline.domain.rules.facts import (
    FIGURE_COLUMNS,
    RECOGNITION_COLUMNS,
    TALENT_COLUMNS,
    UNIT_COLUMNS,
    Evidence,
    read_facts,
)
from pipeline.domain.rules.paths import with_changes
from pipeline.domain.rules.schema import RuleSet
from pipeline.steps.form_units import read_rows, rules_of

GRADE_COLUMNS: Final = (
    "year",
    "unit_code",
    "score",
    "grade",
    "source",
    "edition",
    "official_score",
    "official_grade",
    "computed_score",
    "bonus",
    "initial_grade",
    "adjusted_grade",
    "decided_grade",
    "parts_at",
    "obstacle",
    "lacking",
)
# Under which the facts that the first table read are kept for the next two.
_KEPT: Final = "diqi.facts"
# Digits after the point of scores that are kept; what decides has more.
_SCORE_STEP: Final = Decimal("0.0000000001")


def read_evidence(
    connection: Connection,
    data_year: int,
    as_of: dt.date,
    unit_codes: Sequence[str] | None = None,
) -> Evidence:
    """What rules look at, of all units of a data year or of some.

    Shape:  a connection in; the evidence of the units that the last run formed out.
    Units:  yuan, m2, kWh, tce, tonnes, persons, exact.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/steps/grade_units/evidence_*.sql.
    """
    asked = {"data_year": data_year, "unit_codes": None if unit_codes is None else list(unit_codes)}

    def table(name: str, columns: Sequence[str]) -> pd.DataFrame:
        rows = read_rows(connection, ("grade_units", f"evidence_{name}.sql"), asked)
        return rows[list(columns)]

    return Evidence(
        data_year,
        as_of,
        table("unit", UNIT_COLUMNS),
        table("figure", FIGURE_COLUMNS),
        table("recognition", RECOGNITION_COLUMNS),
        table("talent", TALENT_COLUMNS),
    )


def rule_set_rows(
    connection: Connection,  # noqa: ARG001 - what all rows are computed with
    parameters: Mapping[str, object],
) -> pd.DataFrame:
    """Rows of derived.rule_set: who explains or issues a grade needs the rules that it is by.

    Shape:  one row, none without a rule set.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.rulebook.
    """
    words = cast("str", parameters["rules"])
    rows = [(parameters["data_year"], rules_of(words).id, words)] if words else []
    return pd.DataFrame(rows, columns=["year", "rule_set", "rules"])


def benchmark_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.benchmark.

    Shape:  one row per standard; none without a rule set.
    Units:  those of the indicator; points.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.rules.engine.
    """
    columns = ["year", *STANDARD_COLUMNS]
    connection.info.pop(_KEPT, None)
    if not parameters["rules"]:
        return pd.DataFrame(columns=columns)
    rules = rules_of(cast("str", parameters["rules"]))
    # the first table of three that look at the same evidence, in this order, in one transaction
    connection.info[_KEPT] = read_facts(rules, _read(connection, parameters))
    table = set_standards(connection.info[_KEPT]).table()
    table["year"] = cast("int", parameters["data_year"])
    table["value"] = as_text(table["value"])
    return table[columns]


def grade_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.grade: what the rule set computes beside what offices and persons say.

    Shape:  one row per unit that has a computed score or grade, an official or a decided one.
    Units:  points.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 7.
    """
    year = cast("int", parameters["data_year"])
    said = read_rows(connection, ("grade_units", "known_grade.sql"), {"data_year": year})
    if not parameters["rules"]:
        # of members whose official grades differ none is the unit's
        said = said[said["official_grade"].notna() | said["decided_grade"].notna()]
        empty = dict.fromkeys(("computed_score", "bonus", "initial_grade", "adjusted_grade"))
        return _published(
            said.assign(**empty, parts_at=None, obstacle=None, lacking="{}"), year, ""
        )
    rules = rules_of(cast("str", parameters["rules"]))
    facts = connection.info.get(_KEPT) or read_facts(rules, _read(connection, parameters))
    outcome = grade_units(facts, read_standards(connection, year))
    return _published(graded(outcome, said), year, rules.id)


def reading_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.reading: how many grades each other reading of the papers would change.

    Shape:  one row per reading of the rule set.
    Units:  units of evaluation.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, CX (open questions); docs/how-to-write-rules.md.
    """
    columns = ["year", "reading", "graded", "changed"]
    rules = rules_of(cast("str", parameters["rules"])) if parameters["rules"] else None
    if rules is None or not rules.reading:
        connection.info.pop(_KEPT, None)
        return pd.DataFrame(columns=columns)
    facts = connection.info.pop(_KEPT, None) or read_facts(rules, _read(connection, parameters))
    evidence = facts.evidence
    grade = grade_units(facts, read_standards(connection, evidence.data_year)).grade
    rows = []
    for name, reading in rules.reading.items():
        other = evaluate(read_facts(with_changes(rules, reading.set), evidence)).grade
        changed = int(np.sum(grade != other))
        rows.append((parameters["data_year"], name, int(known(grade).sum()), changed))
    return pd.DataFrame(rows, columns=columns)


def read_figure_records(
    connection: Connection,
    data_year: int,
    rules: RuleSet,
    unit_codes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The records behind the figures of all units of a data year, or of some.

    Shape:  a connection in; FIGURE_RECORD_COLUMNS of pipeline.domain.rules.trace out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/steps/grade_units/figure_record.sql.
    """
    asked = {
        "data_year": data_year,
        "years_back": rules.years_back,
        "unit_codes": None if unit_codes is None else list(unit_codes),
    }
    return read_rows(connection, ("grade_units", "figure_record.sql"), asked)


def read_standards(connection: Connection, data_year: int) -> Standards:
    """The standards of a data year as they are kept: with all their digits."""
    rows = read_rows(connection, ("grade_units", "standard.sql"), {"data_year": data_year})
    return Standards.of_table(rows)


def _read(connection: Connection, parameters: Mapping[str, object]) -> Evidence:
    return read_evidence(
        connection, cast("int", parameters["data_year"]), cast("dt.date", parameters["as_of"])
    )


def graded(outcome: Outcome, said: pd.DataFrame) -> pd.DataFrame:
    """Computed scores and grades of units beside what is said of them, and where the two part.

    Shape:  an outcome of n units, and rows of known_grade.sql in; one row per unit that has anything
            out.
    Units:  points.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 7.
    """
    units = outcome.facts.evidence.units["unit_code"]
    bonus = outcome.bonus.copy()
    bonus[~known(outcome.total)] = None
    table = pd.DataFrame(
        {
            "unit_code": units,
            "computed_score": rounded(outcome.total),
            "bonus": bonus,
            "initial_grade": outcome.initial,
            "adjusted_grade": outcome.grade,
            "obstacle": outcome.obstacle,
            "lacking": _lacking(outcome),
        }
    )
    table = table.merge(said, how="left", on="unit_code").astype(object)
    table = table.where(table.notna(), None)
    table["parts_at"] = _parting(outcome, table)
    has = table[["computed_score", "initial_grade", "obstacle", "official_grade", "decided_grade"]]
    return table[has.notna().any(axis="columns")]


def _lacking(outcome: Outcome) -> list[str]:
    """Indicators of which each unit has no value, as an array of PostgreSQL."""
    names: list[list[str]] = [[] for _ in range(outcome.facts.size)]
    for indicator, mask in outcome.lacking.items():
        for place in np.flatnonzero(mask):
            names[place].append(indicator)
    return ["{" + ",".join(one) + "}" for one in names]


def _parting(outcome: Outcome, table: pd.DataFrame) -> list[str | None]:
    """The first rule at which the computed grade and the official one part; None where they do not.

    ``score``: already the scores differ, to the digits of the official one. ``cut``: the same score
    has another grade. Else the first rule after which the grade is not the official one any more.
    """
    parting: list[str | None] = [None] * len(table)
    official, computed = table["official_grade"], table["adjusted_grade"]
    differ = (official.notna() & computed.notna() & (official != computed)).to_numpy()
    for place in np.flatnonzero(differ):
        row = table.iloc[place]
        score, own = row["official_score"], row["computed_score"]
        if score is not None and own is not None:
            step = Decimal(1).scaleb(score.as_tuple().exponent)
            if own.quantize(step, ROUND_HALF_UP) != score:
                parting[place] = "score"
                continue
        parting[place] = "cut"
        for applied, before, after in outcome.of_unit(int(place)):
            if applied.stage in _MOVING and before == row["official_grade"] and after != before:
                parting[place] = applied.rule
                break
    return parting


_MOVING: Final = ("upgrade", "floor", "veto", "transition")


def _published(table: pd.DataFrame, year: int, rule_set: str) -> pd.DataFrame:
    """The grade that is shown: a person's, else the official one, else the computed one."""
    by_person = table["decided_grade"].notna()
    by_office = table["official_grade"].notna() & ~by_person
    grade = table["decided_grade"].where(by_person, table["official_grade"])
    grade = grade.where(by_person | by_office, table["adjusted_grade"])
    score = table["official_score"].where(by_office, table["computed_score"])
    source = np.where(by_person, "decision", np.where(by_office, "official", "computed"))
    edition = table["edition"].where(by_office, rule_set)
    table = table.assign(year=year, grade=grade, score=score, source=source, edition=edition)
    for name in ("score", "official_score", "computed_score", "bonus"):
        table[name] = as_text(table[name])
    return table[list(GRADE_COLUMNS)]


def rounded(column: Iterable[Any]) -> list[Decimal | None]:
    """Scores to the digits that are kept."""
    return [
        None if value is None else value.quantize(_SCORE_STEP, ROUND_HALF_UP) for value in column
    ]


def as_text(column: Iterable[Any]) -> list[str | None]:
    """Decimals as texts that the database takes digit by digit."""
    return [None if pd.isna(value) else format(value, "f") for value in column]
