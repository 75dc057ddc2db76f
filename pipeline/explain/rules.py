"""The part of a story that tells how the rule set graded a unit, why not better, and what was missing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import select

from pipeline.domain.rules.engine import Outcome, grade_units
from pipeline.domain.rules.facts import read_facts
from pipeline.domain.rules.needed import needed_for
from pipeline.domain.rules.schema import RuleSet
from pipeline.domain.rules.trace import plain, trace_of
from pipeline.explain.book import Book, Story
from pipeline.steps.form_units import rules_of
from pipeline.steps.grade_units import read_evidence, read_figure_records, read_standards


def by_rules(book: Book, unit_code: str) -> Story | None:
    """How the rule set that is in use graded a unit; None without one.

    The rules run again, for this unit alone, by the benchmarks and cuts of the last run.

    Shape:  a unit code in; the rule set, ``values`` by indicator, ``trace`` with delivered rows, grades,
            ``transitions``, ``needed`` and decisions out.
    Units:  yuan, m2, points, as texts.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 7; invariant 10.
    """
    year, as_of = book.publication["data_year"], book.publication["as_of"]
    kept = book.table("derived.rule_set")
    found = book.one(select(kept.c.rules).where(kept.c.year == year))
    if found is None:
        return None
    rules = rules_of(found["rules"])
    evidence = read_evidence(book.connection, year, dt.date.fromisoformat(as_of), [unit_code])
    transitions = _transitions(book, rules, unit_code)
    head = {
        "rule_set": rules.id,
        "title_zh": rules.title_zh,
        "title_en": rules.title_en,
        "transitions": transitions,
        "decisions": _decisions(book, unit_code),
        "uses": _uses(book, rules, unit_code),
    }
    if evidence.units.empty:
        return {**head, "values": [], "trace": [], "needed": [], "papers": []}
    outcome = grade_units(read_facts(rules, evidence), read_standards(book.connection, year))
    records = read_figure_records(book.connection, year, rules, [unit_code])
    trace = trace_of(outcome, [0], records)[0]
    told = _Told(book)
    return {
        **head,
        "scale": outcome.scale[0],
        "score": plain(outcome.score[0]),
        "bonus": plain(outcome.bonus[0]),
        "total": plain(outcome.total[0]),
        "initial_grade": outcome.initial[0],
        "adjusted_grade": outcome.grade[0],
        "obstacle": outcome.obstacle[0],
        "lacking": [name for name, mask in outcome.lacking.items() if mask[0]],
        "papers": [list(one) for one in rules.papers()] if outcome.obstacle[0] else [],
        "values": _values(rules, outcome),
        "trace": [_entry(rules, entry, told) for entry in trace],
        "needed": needed_for(outcome, 0),
        "facts": {
            name: {"title_zh": rule.title_zh, "title_en": rule.title_en, "unit": rule.unit}
            for name, rule in rules.fact.items()
        },
    }


class _Told:
    """Delivered rows behind records, each looked up once."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._found: dict[tuple[str, str], Story | None] = {}

    def source(self, feed: str, key: str) -> Story | None:
        """The delivered row of a record in force."""
        if (feed, key) not in self._found:
            record = self._book.table(f"core.{feed}")
            rows = self._book.open_records(feed, record.c.record_key == key)
            self._found[feed, key] = rows[0]["source"] if rows else None
        return self._found[feed, key]


def _entry(rules: RuleSet, entry: dict[str, Any], told: _Told) -> dict[str, Any]:
    titled: Any = None
    if entry["stage"] in {"bonus", "upgrade", "floor", "veto"}:
        titled = getattr(rules, entry["stage"])[entry["rule"]]
    elif entry["stage"] == "score":
        titled = rules.indicator[entry["rule"].split(".", 2)[2]]
    return {
        **entry,
        "title_zh": getattr(titled, "title_zh", ""),
        "title_en": getattr(titled, "title_en", ""),
        "records": [
            {**record, "source": told.source(record["feed"], record["key"])}
            for record in entry["records"]
        ],
    }


def _values(rules: RuleSet, outcome: Outcome) -> list[dict[str, Any]]:
    """The indicators of the scale of the unit with value, benchmark, ratio, points and weight."""
    scale = outcome.scale[0]
    scoring = rules.scoring.get(scale)
    if scoring is None:
        return []
    rows = []
    for name, item in scoring.item.items():
        value, ratio = outcome.values[name][0], outcome.ratio.get((scale, name))
        points = outcome.points.get(name)
        share = None if ratio is None else ratio[0]
        rows.append(
            {
                "indicator": name,
                "title_zh": rules.indicator[name].title_zh,
                "title_en": rules.indicator[name].title_en,
                "digits": rules.indicator[name].digits,
                "value": plain(value),
                "ratio": plain(share),
                "weight": plain(item.weight),
                "points": None if points is None else plain(points[0]),
                "chosen": item.chosen,
            }
        )
    return rows


def _transitions(book: Book, rules: RuleSet, unit_code: str) -> list[Story]:
    """Transitions of the members of a unit, with the rule and the delivered rows behind them."""
    member, table = book.table("derived.unit_member"), book.table("derived.transition")
    codes = (
        select(member.c.enterprise_code)
        .where(member.c.year == book.publication["data_year"], member.c.unit_code == unit_code)
        .where(member.c.enterprise_code != "")
    )
    rows = book.rows(
        select(*book.columns("derived.transition"))
        .where(table.c.enterprise_code.in_(codes))
        .order_by(table.c.valid_to.desc(), table.c.rule, table.c.event_no)
    )
    event, recognition = book.table("core.land_event"), book.table("core.recognition")
    told = []
    for row in rows:
        rule = rules.transition[row["rule"]]
        if row["event_no"]:
            records = book.open_records("land_event", event.c.event_no == row["event_no"])
        else:
            records = book.open_records(
                "recognition",
                recognition.c.enterprise_code == row["enterprise_code"],
                recognition.c.kind.in_(rule.recognitions),
            )
        told.append(
            {
                **row,
                "title_zh": rule.title_zh,
                "title_en": rule.title_en,
                "source": rule.source,
                "sentence": rule.sentence,
                "chosen": rule.chosen,
                "records": records,
            }
        )
    return told


def _uses(book: Book, rules: RuleSet, unit_code: str) -> list[Story]:
    """What the grade that is shown leads to, with the sentences of the rules."""
    use = book.table("derived.policy_use")
    rows = book.rows(
        select(*book.columns("derived.policy_use", "year", "unit_code"))
        .where(use.c.year == book.publication["data_year"], use.c.unit_code == unit_code)
        .order_by(use.c.rule)
    )
    return [
        {
            **row,
            **{
                name: getattr(rules.use[row["rule"]], name)
                for name in ("title_zh", "title_en", "source", "sentence", "paper")
            },
        }
        for row in rows
    ]


def _decisions(book: Book, unit_code: str) -> list[Story]:
    """What people decided of the members in the data year."""
    member = book.table("derived.unit_member")
    decision = book.table("core.current_evaluation_decision")
    codes = (
        select(member.c.enterprise_code)
        .where(member.c.year == book.publication["data_year"], member.c.unit_code == unit_code)
        .where(member.c.enterprise_code != "")
    )
    return book.rows(
        select(*book.columns("core.current_evaluation_decision"))
        .where(
            decision.c.enterprise_code.in_(codes),
            decision.c.year == book.publication["data_year"],
            decision.c.value.is_not(None),
        )
        .order_by(decision.c.enterprise_code, decision.c.kind)
    )
