"""What other rules would change: two rule sets on the same evidence, side by side, nothing written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pandas as pd
from sqlalchemy import Connection, Engine, text

from pipeline.database import database_errors, empty_table, take_run_lock
from pipeline.domain.rules.engine import Outcome, evaluate
from pipeline.domain.rules.facts import Evidence, read_facts
from pipeline.domain.rules.schema import RuleSet
from pipeline.errors import UsageError
from pipeline.settings import Settings
from pipeline.stepping import mark_everything, run_step
from pipeline.steps import STEPS
from pipeline.steps.form_units import rules_of
from pipeline.steps.grade_units import as_text, read_evidence, rounded

# By what moves are counted, and the column of each.
GROUPS: Final = {
    "category": "eval_category",
    "township": "township_name",
    "industry": "industry_division",
}
MOVE_COLUMNS: Final = (
    "unit_code",
    "name",
    "township_code",
    "township_name",
    "eval_category",
    "industry_division",
    "grade_a",
    "grade_b",
    "score_a",
    "score_b",
    "state_a",
    "state_b",
    "rule",
)
_NONE: Final = "–"


@dataclass(frozen=True)
class WhatIf:
    """What two rule sets make of the same evidence.

    ``moves``: MOVE_COLUMNS, one row per unit whose grade or state is another. ``counts``: units by the
    grade that each rule set gives, moved or not.
    """

    rules_a: RuleSet
    rules_b: RuleSet
    data_year: int
    as_of: dt.date
    moves: pd.DataFrame
    counts: dict[str, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "a": self.rules_a.id,
            "b": self.rules_b.id,
            "year": self.data_year,
            "as_of": self.as_of.isoformat(),
            "total": sum(row["a"] for row in self.counts.values()),
            "moved": len(self.moves),
            "counts": self.counts,
            "groups": {group: self.by(group) for group in GROUPS},
            "moves": self.moves.astype(object).where(self.moves.notna(), None).to_dict("records"),
        }

    def by(self, group: str) -> list[dict[str, Any]]:
        """Moves up and down per group: name, up, down, other (to or from no grade)."""
        column = GROUPS[group]
        grades = list(self.rules_b.grades)
        found: dict[str, dict[str, Any]] = {}
        for row in self.moves[[column, "grade_a", "grade_b"]].itertuples(index=False):
            one = found.setdefault(
                str(row[0]), {"name": str(row[0]), "up": 0, "down": 0, "other": 0}
            )
            first, second = row[1], row[2]
            if first in grades and second in grades:
                one["up" if grades.index(second) < grades.index(first) else "down"] += 1
            else:
                one["other"] += 1
        return [found[name] for name in sorted(found)]


def what_if(engine: Engine, settings: Settings, rules_a: RuleSet, rules_b: RuleSet) -> WhatIf:
    """Grade what is published by two rule sets and compare.

    Where only scoring, cuts or adjustments differ from the rules of the last run, the units are those that are
    published. Where categories or transition periods differ, the units are formed anew by the steps of a
    run, under its lock, in a transaction that is taken back.

    Shape:  a database with a published run, and two rule sets in; the comparison out.
    Units:  points.
    CRS:    none (no geometry).
    Errors: UsageError rules.nothing_published; RunLocked while a run is under way and units must be
            formed anew; those of the database.
    Source: docs/how-to-write-rules.md.
    """
    with database_errors(), engine.connect() as connection:
        shown = connection.execute(
            text("SELECT p.data_year, p.as_of FROM layers.publication AS p")
        ).one_or_none()
        if shown is None:
            raise UsageError("rules.nothing_published")
        # read once for both sides, where the units are those that are published
        read = cache(lambda: read_evidence(connection, shown.data_year, shown.as_of))
        sides = [
            _side(connection, settings, rules, shown.data_year, shown.as_of, read)
            for rules in (rules_a, rules_b)
        ]
        names = _names(connection, shown.data_year)
        connection.rollback()
    moves = _moves(sides, names)
    counts = {
        grade: {
            side: int((table["grade"] == grade).sum())
            for side, table in zip(("a", "b"), sides, strict=True)
        }
        for grade in (*dict.fromkeys((*rules_a.grades, *rules_b.grades)), _NONE)
    }
    return WhatIf(rules_a, rules_b, shown.data_year, shown.as_of, moves, counts)


def forms_units(rules: RuleSet) -> str:
    """What of a rule set decides who is evaluated, as one text."""
    parts = {"category", "transition", "transitions"}
    return rules.model_dump_json(include=parts, exclude_defaults=True)


def _side(
    connection: Connection,
    settings: Settings,
    rules: RuleSet,
    data_year: int,
    as_of: dt.date,
    read: Callable[[], Evidence],
) -> pd.DataFrame:
    """What one rule set makes of every unit: unit_code, category, state, score, grade, rule."""
    published = _published(connection, data_year)
    if (
        published is not None
        and forms_units(published) == forms_units(rules)
        and rules.years_back <= published.years_back
    ):
        return _graded(rules, read())
    connection.rollback()
    take_run_lock(connection)
    try:
        connection.rollback()
        with connection.begin() as transaction:
            _form_anew(connection, settings.model_copy(update={"rules": rules}), data_year, as_of)
            found = _graded(rules, read_evidence(connection, data_year, as_of))
            transaction.rollback()
            return found
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
        connection.rollback()


def _published(connection: Connection, data_year: int) -> RuleSet | None:
    """The rule set of the published run; figures are summed for rules alone."""
    found = connection.execute(
        text("SELECT r.rules FROM derived.rule_set AS r WHERE r.year = :year"), {"year": data_year}
    ).scalar_one_or_none()
    return None if found is None else rules_of(found)


def _form_anew(connection: Connection, settings: Settings, data_year: int, as_of: dt.date) -> None:
    """Transitions, units and figures as a run with these rules would have them."""
    connection.execute(
        text("SELECT set_config('diqi.as_of', :as_of, true)"), {"as_of": as_of.isoformat()}
    )
    empty_table(connection, "ops.dirty")
    mark_everything(connection)
    common: dict[str, object] = {
        "run_id": 0,
        "as_of": as_of,
        "data_year": data_year,
        "is_full": True,
    }
    for step in STEPS:
        if step.name in {"form_units", "grade_units"}:
            own = {name: settings.value(path) for name, path in step.settings.items()}
            run_step(connection, step, {**common, **own}, 0)


def _graded(rules: RuleSet, evidence: Evidence) -> pd.DataFrame:
    facts = read_facts(rules, evidence)
    outcome = evaluate(facts)
    table = pd.DataFrame(
        {
            "unit_code": evidence.units["unit_code"],
            "eval_category": evidence.units["eval_category"],
            "industry_division": facts.column["industry_division"],
            "state": evidence.units["eval_state"],
            "grade": [_NONE if one is None else one for one in outcome.grade],
            "score": rounded(outcome.total),
            "rules": _moved_by(outcome),
        }
    )
    return table.set_index("unit_code")


def _moved_by(outcome: Outcome) -> list[str]:
    """The rules that moved the grade of each unit after the cut, one after the other."""
    found = [""] * outcome.facts.size
    for applied in outcome.trace:
        if applied.stage in {"upgrade", "floor", "veto", "transition"}:
            for place in applied.units[applied.before != applied.after]:
                found[place] = f"{found[place]} {applied.rule}".strip()
    return found


def _names(connection: Connection, data_year: int) -> pd.DataFrame:
    """Name and township of the units that are published."""
    rows = connection.execute(
        text(
            """
            SELECT u.unit_code, u.name, u.township_code, coalesce(a.name, u.township_code) AS township_name
            FROM layers.evaluation_unit AS u
            JOIN layers.publication AS p ON p.data_year = :data_year
            LEFT JOIN core.area AS a ON a.area_code = u.township_code AND a.to_run IS NULL
            """
        ),
        {"data_year": data_year},
    ).fetchall()
    columns = ["unit_code", "name", "township_code", "township_name"]
    return pd.DataFrame(rows, columns=columns).set_index("unit_code")


def _moves(sides: list[pd.DataFrame], names: pd.DataFrame) -> pd.DataFrame:
    first, second = sides
    both_sides = first.add_suffix("_a").join(second.add_suffix("_b"), how="outer", sort=True)
    table = both_sides.join(names)
    for name in ("grade_a", "grade_b", "state_a", "state_b"):
        table[name] = table[name].fillna(_NONE)
    for name in ("eval_category", "industry_division"):
        table[name] = table[f"{name}_b"].fillna(table[f"{name}_a"])
    for name in ("score_a", "score_b"):
        table[name] = as_text(table[name])
    table["rule"] = table["rules_b"].fillna("")
    for name in ("name", "township_code", "township_name"):
        table[name] = table[name].fillna("")
    moved = (table["grade_a"] != table["grade_b"]) | (table["state_a"] != table["state_b"])
    table = table[moved].reset_index()
    table = table.sort_values(["grade_a", "grade_b", "unit_code"], ignore_index=True)
    return table[list(MOVE_COLUMNS)]


def compare_official(engine: Engine) -> list[dict[str, Any]]:
    """Units whose computed grade is not the official one, with the first rule at which they part.

    Shape:  one dict per unit: unit_code, name, township_code, eval_category, official_score,
            computed_score, official_grade, initial_grade, adjusted_grade, parts_at.
    Units:  points.
    CRS:    none (no geometry).
    Errors: UsageError rules.nothing_published; those of the database.
    Source: derived.grade.
    """
    with database_errors(), engine.connect() as connection:
        if not connection.execute(
            text("SELECT EXISTS (SELECT 1 FROM layers.publication)")
        ).scalar():
            raise UsageError("rules.nothing_published")
        found = connection.execute(
            text(
                """
                SELECT
                  g.unit_code, u.name, u.township_code, u.eval_category, g.official_score, g.computed_score,
                  g.official_grade, g.initial_grade, g.adjusted_grade, g.parts_at
                FROM layers.publication AS p
                JOIN derived.grade AS g ON g.year = p.data_year
                JOIN layers.evaluation_unit AS u ON u.unit_code = g.unit_code
                WHERE g.parts_at IS NOT NULL
                ORDER BY g.parts_at, u.township_code, g.unit_code
                """
            )
        )
        table = pd.DataFrame(found.fetchall(), columns=list(found.keys()), dtype=object)
    for name in ("official_score", "computed_score"):
        table[name] = as_text(table[name])
    rows = table.where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]
