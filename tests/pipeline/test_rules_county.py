"""The rules on a county: what was planted on both sides of every bound follows, night after night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from conftest import Databases
from sqlalchemy import Engine, text

from pipeline.database import open_engine
from pipeline.demo import Generated, make_demo
from pipeline.domain.rules.engine import applies_to, points_of_bonus
from pipeline.domain.rules.facts import read_facts
from pipeline.domain.rules.schema import BonusRule, Condition, UseRule
from pipeline.ledger import RunResult
from pipeline.rulebook import two_rule_sets
from pipeline.run import run
from pipeline.settings import Settings, load_settings
from pipeline.steps.form_units import read_rows
from pipeline.steps.grade_units import read_evidence
from pipeline.what_if import what_if


class County(NamedTuple):
    """A generated county, graded by the demonstration rules."""

    workspace: Path
    settings: Settings
    engine: Engine
    made: Generated

    def run(self, *, is_full: bool = False, as_of: dt.date | None = None) -> RunResult:
        settings = load_settings(self.workspace)
        return run(self.engine, settings, as_of=as_of or self.made.date, is_full=is_full)

    def rows(self, query: str, **parameters: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]


def use_rules(workspace: Path, ruleset: str) -> None:
    """Name the rule set in the settings of a workspace."""
    file = workspace / "diqi.toml"
    lines = [line for line in file.read_text("utf-8").splitlines() if "ruleset" not in line]
    lines = [line for line in lines if line != "[evaluation]"]
    file.write_text("\n".join([*lines, "[evaluation]", f'ruleset = "{ruleset}"', ""]), "utf-8")


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[County]:
    workspace = tmp_path_factory.mktemp("ruled")
    made = make_demo(workspace, scale=0.05, seed=1)
    use_rules(workspace, "demo-1.0")
    settings = load_settings(workspace)
    engine = open_engine(databases.clone(settings))
    county = County(workspace, settings, engine, made)
    county.run()
    yield county
    engine.dispose()


@pytest.fixture(scope="module")
def cases(county: County) -> pd.DataFrame:
    return pd.read_parquet(county.made.truth / "rule_cases.parquet")


def test_transitions_are_what_was_planted(county: County, cases: pd.DataFrame) -> None:
    planted = cases[cases["rule"].str.startswith("CX-T")]
    held = {
        (code, rule)
        for code, rule in county.rows(
            "SELECT enterprise_code, rule FROM derived.transition WHERE is_in_force"
        )
    }
    wrong = [
        (row.enterprise_code, row.rule, row.note)
        for row in planted.itertuples()
        if ((row.enterprise_code, row.rule) in held) != row.applies
    ]
    assert wrong == []
    assert len(planted) > 20


def test_rules_apply_to_what_was_planted(county: County, cases: pd.DataFrame) -> None:
    rules = county.settings.rules
    assert rules is not None
    year = county.made.date.year - 1
    with county.engine.connect() as connection:
        facts = read_facts(rules, read_evidence(connection, year, county.made.date))
    place = {code: n for n, code in enumerate(facts.evidence.units["unit_code"])}
    wrong = []
    seen = set()
    for _, name, rule in rules.rules():
        if not isinstance(rule, Condition) or isinstance(rule, UseRule):
            continue
        planted = cases[cases["rule"] == name]
        seen.add(name)
        points = points_of_bonus(facts, rule) if isinstance(rule, BonusRule) else None
        applies = applies_to(facts, rule) if points is None else points > 0
        for row in planted.itertuples():
            at = place[f"E-{row.enterprise_code}"]
            if bool(applies[at]) != row.applies:
                wrong.append((name, row.note, row.enterprise_code))
            elif points is not None and row.applies and float(points[at]) != row.amount:
                wrong.append((name, row.note, float(points[at]), row.amount))
        assert set(planted["applies"]) == {True, False}, name
    assert wrong == []
    assert len(seen) == 12


def test_who_is_in_transition_has_no_computed_grade(county: County) -> None:
    assert (
        county.rows(
            """
        SELECT u.unit_code FROM derived.unit AS u JOIN derived.grade AS g USING (year, unit_code)
        WHERE u.eval_state <> 'evaluated' AND g.adjusted_grade IS NOT NULL
        """
        )
        == []
    )
    ((waiting,),) = county.rows(
        """
        SELECT count(*) FROM derived.unit AS u
        JOIN derived.transition AS t ON u.unit_code = 'E-' || t.enterprise_code
        WHERE t.is_in_force AND t.takes = 'enterprise' AND u.eval_state = 'transition'
        """
    )
    assert waiting > 20


def test_new_land_is_deducted_and_counts_as_in_transition(county: County) -> None:
    rows = county.rows(
        """
        SELECT u.eval_area_m2, sum(m.area_m2), sum(m.deducted_m2), sum(p.transition_m2)
        FROM derived.transition AS t
        JOIN derived.unit AS u ON u.unit_code = 'E-' || t.enterprise_code
        JOIN derived.unit_member AS m USING (year, unit_code)
        JOIN derived.parcel_state AS p ON p.parcel_code = m.parcel_code
        WHERE t.takes = 'land' AND t.is_in_force
        GROUP BY u.unit_code, u.eval_area_m2
        """
    )
    assert len(rows) >= 2
    for evaluated, whole, deducted, in_transition in rows:
        assert 0 < deducted < whole
        assert evaluated == whole - deducted
        assert in_transition == deducted


def test_rented_land_is_no_land_of_ones_own(county: County) -> None:
    with county.engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO ops.scope (step, kind, key) SELECT 'form_units', 'member', e.enterprise_code "
                "FROM core.enterprise AS e WHERE e.to_run IS NULL ON CONFLICT DO NOTHING"
            )
        )
        own = read_rows(connection, ("form_units", "used_land.sql"), {})
        connection.rollback()
    links = county.rows(
        "SELECT enterprise_code, parcel_code, role FROM derived.link WHERE status = 'accepted'"
    )
    told = set(own.itertuples(index=False, name=None))
    assert told == {(e, p) for e, p, role in links if role in {"owner", "operator"}}
    assert {role for *_, role in links} > {"owner", "operator"}


def test_grades_are_a_total_of_those_that_are_evaluated(county: County) -> None:
    rows = county.rows(
        """
        SELECT g.adjusted_grade IS NOT NULL, g.obstacle, count(*)
        FROM derived.unit AS u LEFT JOIN derived.grade AS g USING (year, unit_code)
        WHERE u.eval_state = 'evaluated' GROUP BY 1, 2
        """
    )
    assert [row[:2] for row in rows] == [(True, None)]


def held(county: County) -> list[list[tuple[object, ...]]]:
    """The rows that rules make."""
    tables = ("transition", "unit", "unit_member", "unit_value", "benchmark", "grade", "rule_set")
    return [county.rows(f"SELECT t.* FROM derived.{one} AS t ORDER BY t") for one in tables]


@pytest.mark.parametrize(
    "changes",
    [
        {"grading.ABOVE.cut.A.share": "0.3", "bonus.CX-P2.points": "2"},
        {"transition.CX-T4.years": "1", "category.BELOW_LT3.evaluated": "false"},
        {"category.BELOW_GE3.from_mu": "8", "transitions.reference_day": '"data_year_end"'},
    ],
)
def test_what_if_is_what_a_run_would_give_and_writes_nothing(
    county: County, changes: dict[str, str]
) -> None:
    before = held(county)
    sets = [f"{path}={value}" for path, value in changes.items()]
    first, second = two_rule_sets(county.workspace, county.settings.rules, [], sets)
    told = what_if(county.engine, county.settings, first, second)
    assert held(county) == before
    settings = county.settings.model_copy(update={"rules": second})
    asked = """
        SELECT u.unit_code, coalesce(g.adjusted_grade, '–'), u.eval_state
        FROM derived.unit AS u LEFT JOIN derived.grade AS g USING (year, unit_code)
    """
    own = {code: rest for code, *rest in county.rows(asked)}
    run(county.engine, settings, as_of=county.made.date)
    other = {code: rest for code, *rest in county.rows(asked)}
    moved = {code: [*own[code], *other[code]] for code in own if own[code] != other[code]}
    columns = ["grade_a", "state_a", "grade_b", "state_b"]
    found = {row["unit_code"]: [row[c] for c in columns] for row in told.as_dict()["moves"]}
    assert found == moved
    assert moved
    assert sum(row["up"] + row["down"] + row["other"] for row in told.by("township")) == len(moved)
    county.run()
    assert held(county) == before


def test_a_second_run_and_a_full_one_change_nothing(county: County) -> None:
    for is_full in (False, True):
        result = county.run(is_full=is_full)
        assert {step.name: step.written for step in result.steps if step.written} == {}


def test_another_day_is_the_same_as_a_rebuild(county: County) -> None:
    """Transitions that end by the day end without any delivery."""
    later = county.made.date + dt.timedelta(days=100)
    query = (
        "SELECT enterprise_code, rule, is_in_force FROM derived.transition ORDER BY 1, 2, event_no"
    )
    before = county.rows(query)
    county.run(as_of=later)
    after = county.rows(query)
    grades = county.rows("SELECT * FROM derived.grade ORDER BY unit_code")
    assert before != after
    result = county.run(as_of=later, is_full=True)
    assert {step.name: step.written for step in result.steps if step.written} == {}
    assert county.rows("SELECT * FROM derived.grade ORDER BY unit_code") == grades


def test_a_persons_decision_outlives_runs_and_can_be_taken_back(county: County) -> None:
    ((code, grade),) = county.rows(
        """
        SELECT substr(unit_code, 3), adjusted_grade FROM derived.grade
        WHERE adjusted_grade IN ('B', 'C') AND official_grade = 'B' AND unit_code LIKE 'E-%'
        ORDER BY unit_code LIMIT 1
        """
    )
    enter = text(
        """
        INSERT INTO core.evaluation_decision (year, enterprise_code, kind, value, reason, author)
        VALUES (:year, :code, 'grade', :grade, '核实后调档', '张三')
        """
    )
    asked = "SELECT grade, source, adjusted_grade, official_grade FROM derived.grade WHERE unit_code = :unit"
    year = county.made.date.year - 1
    later = county.made.date + dt.timedelta(days=100)
    for decided, shown, source in (("D", "D", "decision"), (None, "B", "official")):
        with county.engine.begin() as connection:
            connection.execute(enter, {"year": year, "code": code, "grade": decided})
        for is_full in (False, True):
            county.run(as_of=later, is_full=is_full)
            assert county.rows(asked, unit=f"E-{code}") == [(shown, source, grade, "B")]


def test_rules_with_missing_papers_run_and_grade_nothing(county: County) -> None:
    later = county.made.date + dt.timedelta(days=100)
    use_rules(county.workspace, "cixi-4.0")
    county.run(as_of=later)
    assert county.rows("SELECT count(*) FROM derived.grade WHERE adjusted_grade IS NOT NULL") == [
        (0,)
    ]
    # what is published goes on: transitions, and one and a half times the mean
    assert county.rows(
        "SELECT count(*) FROM derived.benchmark WHERE name = 'tax_per_mu' AND kind = 'benchmark'"
    ) == [(1,)]
    ((obstacles,),) = county.rows(
        "SELECT array_agg(DISTINCT obstacle) FROM derived.grade WHERE obstacle IS NOT NULL"
    )
    assert obstacles == ["rules_missing"]
    use_rules(county.workspace, "demo-1.0")
    county.run(as_of=later)
    ((graded,),) = county.rows(
        "SELECT count(*) FROM derived.grade WHERE adjusted_grade IS NOT NULL"
    )
    assert graded > 300


def test_without_a_rule_set_only_official_grades_remain(county: County) -> None:
    later = county.made.date + dt.timedelta(days=100)
    use_rules(county.workspace, "")
    county.run(as_of=later)
    assert county.rows("SELECT DISTINCT source FROM derived.grade") == [("official",)]
    for table in ("transition", "unit_value", "benchmark", "reading"):
        assert county.rows(f"SELECT count(*) FROM derived.{table}") == [(0,)]
