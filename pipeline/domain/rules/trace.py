"""The trace of units as plain data: every rule that applied, what it saw, and the paper it is from.

``pipeline.domain.rules.engine`` keeps a trace by rule, with numbers; here it stands by unit, as texts that
any file can hold. What is issued is kept with it, and ``explain`` shows it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.domain.rules.engine import Applied, Outcome
from pipeline.domain.rules.exact import Column, Index
from pipeline.domain.rules.facts import recognitions_in_force, selected_persons
from pipeline.domain.rules.schema import BonusRule, RuleSet, Sourced

# Which records the figures of units are sums of: what ``trace_of`` may be given besides an outcome.
FIGURE_RECORD_COLUMNS: Final = ("unit_code", "indicator", "of_year", "record_key")
Entry = dict[str, Any]
# Digits after the point that a text has at most; what decides has more.
_DIGITS: Final = 20
_INDICATOR: Final = "indicator:"
_GRADE_AND_SCORE: Final = ("score", "grade")
_Records = dict[str, list[dict[str, str]]]


def trace_of(
    outcome: Outcome,
    places: Iterable[int] | None = None,
    figure_records: pd.DataFrame | None = None,
) -> list[list[Entry]]:
    """Tell of each unit which rules applied, in their order.

    An entry holds ``stage`` (score, bonus, grade, upgrade, floor, veto, transition), ``rule`` (its id; for
    scores and grades the path in the rule set), ``before`` and ``after``, ``inputs`` (facts by name, and of
    indicators the facts that they are made of), ``records`` (``feed`` and ``key`` of each delivered record
    behind them), ``standard`` (the benchmark or cut that the unit was held against, or None), ``source``
    and ``sentence`` of the paper. Numbers are texts. Records of figures are told where
    ``figure_records`` says which there are.

    Shape:  an outcome of n units, places of those wanted (None: all), and FIGURE_RECORD_COLUMNS in; one list
            of entries per place out, in the order of the places.
    Units:  those of the facts, as texts of at most 20 digits after the point.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 1.6; docs/how-it-decides.md, section 7.
    """
    size = outcome.facts.size
    wanted = np.arange(size) if places is None else np.array(list(places), dtype=np.int64)
    found: list[list[Entry]] = [[] for _ in range(size)]
    book = _Book(outcome, wanted, figure_records)
    chosen = np.zeros(size, dtype=bool)
    chosen[wanted] = True
    for applied in outcome.trace:
        keep = chosen[applied.units]
        if keep.any():
            at = applied.units[keep]
            entries = book.entries(applied, at, applied.before[keep], applied.after[keep])
            for place, entry in zip(at, entries, strict=True):
                found[place].append(entry)
    return [found[place] for place in wanted]


def plain(value: object) -> object:
    """A value of a trace as JSON holds it: numbers and dates as texts, yes and no as they are.

    Shape:  one value in; a text, a truth value or None out.
    Units:  that of the value.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        if len(text.partition(".")[2]) > _DIGITS:
            text = format(value, f".{_DIGITS}f").rstrip("0").rstrip(".")
        return "0" if text == "-0" else text
    if isinstance(value, dt.date):
        return value.isoformat()
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(value)


class _Book:
    """What is looked up for many units at once."""

    def __init__(
        self, outcome: Outcome, wanted: Index, figure_records: pd.DataFrame | None
    ) -> None:
        self.outcome = outcome
        self.rules = outcome.rules
        self.evidence = outcome.facts.evidence
        self.codes = self.evidence.units["unit_code"].to_numpy(dtype=object)
        self.wanted = wanted
        self._figures = self._by_figure(figure_records)
        self._records: dict[str, _Records] = {}

    def entries(
        self, applied: Applied, at: Index, before: Column, after: Column
    ) -> Iterator[Entry]:
        """The entries of one rule, unit by unit."""
        said = _sources(self.rules, applied)
        inputs = list(_with_parts(self.rules, self._inputs(applied)))
        columns = [
            [plain(value) for value in self.outcome.facts.column[name][at]] for name in inputs
        ]
        records = [found for name in inputs if (found := self._records_of(name))]
        if applied.stage == "bonus" and (of_persons := self._records_of_bonus(applied.rule)):
            records.append(of_persons)
        standard = self._standard(applied, at)
        for number, code in enumerate(self.codes[at]):
            behind: list[dict[str, str]] = []
            for one in records:
                behind += [record for record in one.get(code, ()) if record not in behind]
            yield {
                "stage": applied.stage,
                "rule": applied.rule,
                "before": plain(before[number]),
                "after": plain(after[number]),
                "inputs": {
                    name: column[number] for name, column in zip(inputs, columns, strict=True)
                },
                "records": behind,
                "standard": standard[number],
                **said,
            }

    def _inputs(self, applied: Applied) -> Sequence[str]:
        """The facts of a rule; of a grade by the value of an indicator that indicator."""
        if applied.stage == "grade":
            _, scale, grade = applied.rule.split(".", 2)
            cut = self.rules.grading[scale].cut.get(grade)
            if cut is not None and cut.value is not None:
                return (f"{_INDICATOR}{cut.indicator}",)
        return applied.inputs

    def _standard(self, applied: Applied, at: Index) -> list[object]:
        """What the units were held against: a benchmark, or the cut of a grade."""
        if applied.stage not in _GRADE_AND_SCORE:
            return [None] * len(at)
        _, scale, name = applied.rule.split(".", 2)
        facts, standards = self.outcome.facts, self.outcome.standards
        if applied.stage == "grade":
            grading = self.rules.grading[scale]
            cut = grading.cut.get(name)
            if cut is None or cut.share is None:
                own = None if cut is None else cut.score if cut.value is None else cut.value
                return [plain(own)] * len(at)
            kind, groups = "cut", facts.group(grading.within)[at]
        else:
            scoring = self.rules.scoring[scale]
            if scoring.mode != "ratio_to_benchmark":
                return [None] * len(at)
            rule = scoring.item[name].benchmark
            of_groups = set(rule.values) & set(self.rules.industry_group)
            per = ("group" if of_groups else "division") if rule.values else rule.per
            kind, groups = "benchmark", facts.group(per)[at]
        of_group = {one: plain(standards.value(kind, scale, name, one)) for one in set(groups)}
        return [of_group[one] for one in groups]

    def _records_of(self, fact: str) -> _Records:
        """Records behind a fact, by unit."""
        if fact not in self._records:
            self._records[fact] = self._look_up(fact)
        return self._records[fact]

    def _look_up(self, fact: str) -> _Records:
        rule = self.rules.fact.get(fact)
        if rule is None or rule.kind == "indicator":
            # what an indicator is made of is asked by itself
            return {}
        if rule.kind == "recognition":
            table = recognitions_in_force(self.evidence, rule.recognitions, rule.levels)
            return _by_unit(table, "recognition")
        if rule.kind == "persons":
            table = selected_persons(self.evidence, rule.programmes, rule.levels, rule.years)
            return _by_unit(table, "talent")
        year = self.evidence.data_year
        years = (year, year - 1) if rule.kind == "growth" else (year - rule.years_back,)
        found: _Records = {}
        for one in years:
            for unit, keys in self._figures.get((rule.figure, one), {}).items():
                found[unit] = [*found.get(unit, []), *keys]
        return found

    def _records_of_bonus(self, name: str) -> _Records:
        """Persons for whom a bonus gives points."""
        rule: BonusRule = self.rules.bonus[name]
        found: _Records = {}
        for one in rule.persons:
            table = selected_persons(self.evidence, one.programmes, one.levels, rule.years)
            for unit, keys in _by_unit(table, "talent").items():
                found[unit] = [*found.get(unit, []), *keys]
        return found

    def _by_figure(self, table: pd.DataFrame | None) -> dict[tuple[str, int], _Records]:
        found: dict[tuple[str, int], _Records] = {}
        if table is None or table.empty:
            return found
        codes = set(self.codes[self.wanted])
        rows = table.loc[table["unit_code"].isin(codes), list(FIGURE_RECORD_COLUMNS)]
        for unit, indicator, year, key in rows.itertuples(index=False):
            of_figure = found.setdefault((indicator, int(year)), {})
            of_figure.setdefault(unit, []).append({"feed": "indicator", "key": key})
        return found


def _by_unit(table: pd.DataFrame, feed: str) -> _Records:
    found: _Records = {}
    for unit, key in table[["unit_code", "record_key"]].itertuples(index=False):
        found.setdefault(unit, []).append({"feed": feed, "key": key})
    return found


def _with_parts(rules: RuleSet, names: Iterable[str]) -> Iterator[str]:
    """Facts, each followed by those that it is made of; each once."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield name
        fact = rules.fact.get(name)
        indicator = name.removeprefix(_INDICATOR) if name.startswith(_INDICATOR) else ""
        if fact is not None and fact.kind == "indicator":
            indicator = fact.indicator
        if indicator:
            rule = rules.indicator[indicator]
            waiting = [*rule.numerator, *rule.denominator, *waiting]


def _sources(rules: RuleSet, applied: Applied) -> dict[str, str]:
    """Paper and sentence of a rule: its own, else of what it is a part of; at last the rule set's papers."""
    said = [rule for rule in _chain(rules, applied) if rule is not None]
    own = {
        name: next((words for rule in said if (words := getattr(rule, name))), "")
        for name in ("source", "sentence")
    }
    return {**own, "source": own["source"] or rules.source}


def _chain(rules: RuleSet, applied: Applied) -> list[Sourced | None]:
    if applied.stage == "transition":
        return [rules.transitions]
    if applied.stage not in _GRADE_AND_SCORE:
        return [getattr(rules, applied.stage)[applied.rule]]
    _, scale, name = applied.rule.split(".", 2)
    if applied.stage == "grade":
        return [rules.grading[scale].cut.get(name), rules.grading[scale]]
    item = rules.scoring[scale].item[name]
    return [item, item.benchmark, rules.scoring[scale]]
