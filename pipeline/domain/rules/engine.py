"""The evaluation: from facts to scores, grades and the trace of every rule that applied.

Three steps, each pure: ``set_standards`` computes what depends on everybody (benchmarks, means, cuts),
``grade_units`` what depends on one unit and the standards, ``needed_for`` what a unit lacks. A unit
that is graded alone by the same standards gets the same as among all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

import numpy as np
import pandas as pd

from pipeline.domain.rules.exact import (
    ZERO,
    Column,
    Index,
    Mask,
    clip,
    empty,
    exactly,
    filled,
    holds,
    known,
    quotient,
    settled,
    times,
    whole_steps,
)
from pipeline.domain.rules.facts import (
    Facts,
    bound_in,
    evaluated,
    has_figures,
    indicator_values,
    parts_of,
    person_points,
)
from pipeline.domain.rules.schema import (
    BenchmarkRule,
    BonusRule,
    Bound,
    Condition,
    CutRule,
    ItemRule,
    RuleSet,
    ScoringRule,
)

# Kinds of standards: what full marks take; ends of a scale; the mean of points; the last place of a cut.
StandardKind = Literal["benchmark", "minimum", "maximum", "mean_points", "cut"]
STANDARD_COLUMNS: Final = ("kind", "scale", "name", "group_key", "value", "unit_count")
_AREA_MISSING: Final = "area_missing"
_FIGURE_MISSING: Final = "figure_missing"
_NO_RULES: Final = "rules_missing"
_NOT_IN_FORCE: Final = "rules_not_in_force"


class Standards:
    """Benchmarks and cuts by (kind, scale, name, group)."""

    def __init__(self, rows: Mapping[tuple[str, str, str, str], tuple[Decimal, int]]) -> None:
        self.rows = dict(rows)

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Standards:
        """Standards from rows of STANDARD_COLUMNS."""
        rows = table[list(STANDARD_COLUMNS)].to_dict("records")
        return cls(
            {
                (row["kind"], row["scale"], row["name"], row["group_key"]): (
                    row["value"],
                    row["unit_count"],
                )
                for row in rows
            }
        )

    def table(self) -> pd.DataFrame:
        """Rows of STANDARD_COLUMNS, in the order of their keys."""
        rows = [(*key, *value) for key, value in sorted(self.rows.items())]
        return pd.DataFrame(rows, columns=list(STANDARD_COLUMNS))

    def value(self, kind: str, scale: str, name: str, group: str) -> Decimal | None:
        """One standard; None where there is none."""
        found = self.rows.get((kind, scale, name, group))
        return None if found is None else found[0]

    def column(self, kind: str, scale: str, name: str, groups: Column) -> Column:
        """The standard of each unit by its group."""
        of_group = {one: self.value(kind, scale, name, one) for one in set(groups)}
        return np.array([of_group[one] for one in groups], dtype=object)


@dataclass(frozen=True)
class Applied:
    """One rule and the units to which it applied, with what was before and after.

    ``units`` are places in the table of units; ``before`` and ``after`` are one value for each.
    ``inputs`` names the facts that decided; their values stand in ``Facts``.
    """

    stage: str
    rule: str
    units: Index
    before: Column
    after: Column
    inputs: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What became of each unit; grades are words, None where there is none."""

    rules: RuleSet
    facts: Facts
    standards: Standards
    scale: Column
    values: dict[str, Column] = field(default_factory=dict)
    ratio: dict[tuple[str, str], Column] = field(default_factory=dict)
    points: dict[str, Column] = field(default_factory=dict)
    score: Column = field(default_factory=lambda: empty(0))
    bonus: Column = field(default_factory=lambda: empty(0))
    total: Column = field(default_factory=lambda: empty(0))
    initial: Column = field(default_factory=lambda: empty(0))
    grade: Column = field(default_factory=lambda: empty(0))
    # why a unit has no score: area_missing, figure_missing, rules_missing; figures that were missing
    obstacle: Column = field(default_factory=lambda: empty(0))
    lacking: dict[str, Mask] = field(default_factory=dict)
    trace: list[Applied] = field(default_factory=list)

    def of_unit(self, place: int) -> Iterator[tuple[Applied, object, object]]:
        """The rules that applied to one unit, in order, each with before and after."""
        for applied in self.trace:
            at = np.searchsorted(applied.units, place)
            if at < len(applied.units) and applied.units[at] == place:
                yield applied, applied.before[at], applied.after[at]


def evaluate(facts: Facts) -> Outcome:
    """Set the standards of all units, and grade them by these.

    Shape:  facts of n units in; an outcome of n places out.
    Units:  points; grades as words of the rule set.
    CRS:    none (no geometry).
    Errors: KeyError on a rule set that ``problems`` refuses.
    Source: docs/how-it-decides.md, section 7; order of operations: docs/sources.md, 1.6.
    """
    return grade_units(facts, set_standards(facts))


def scale_of_units(rules: RuleSet, facts: Facts) -> Column:
    """The category whose scoring and cuts each unit has; '' where it is not evaluated."""
    scale = filled(facts.size, "")
    category, has_above = facts.column["category"], holds(facts.column["is_above"])
    for name in sorted(set(category)):
        rule = rules.category.get(name)
        if rule is None or not rule.evaluated:
            continue
        own = category == name
        scale[own & has_above] = rules.scale_of(name, has_above=True)
        scale[own & ~has_above] = rules.scale_of(name, has_above=False)
    scale[~evaluated(facts.evidence)] = ""
    return scale


def set_standards(facts: Facts) -> Standards:
    """Compute what depends on everybody: benchmarks, ends of scales, mean points, cuts.

    Shape:  facts of n units in; standards by kind, scale, indicator or grade, and group out.
    Units:  those of the indicator; points.
    CRS:    none (no geometry).
    Errors: as ``evaluate``.
    Source: docs/sources.md, 1.5, 1.6, CX-B1.
    """
    rules = facts.rules
    scale = scale_of_units(rules, facts)
    standards = Standards({})
    if not rules.is_in_force(facts.evidence.as_of):
        return standards
    with exactly():
        for name, scoring in rules.scoring.items():
            members = scale == name
            for indicator, item in scoring.item.items():
                if scoring.mode == "ratio_to_benchmark":
                    _set_benchmark(facts, standards, scale, name, indicator, item.benchmark)
                elif scoring.mode == "min_max":
                    _set_ends(facts, standards, members, name, indicator)
        outcome = _scored(facts, standards, scale)
        for name, grading in rules.grading.items():
            groups = facts.group(grading.within)
            for grade, cut in grading.cut.items():
                if cut.share is not None:
                    _set_cut(standards, outcome.total, scale == name, groups, name, grade, cut)
    return standards


def _set_benchmark(
    facts: Facts,
    standards: Standards,
    scale: Column,
    name: str,
    indicator: str,
    rule: BenchmarkRule,
) -> None:
    members = scale == name
    groups = facts.group(rule.per if not rule.values else _per_of(facts, rule))
    wanted = sorted(set(groups[members]))
    if rule.value is not None or rule.values:
        for group in wanted:
            value = rule.values.get(group, rule.value)
            if value is not None:
                standards.rows["benchmark", name, indicator, group] = (value, 0)
        wanted = [
            one for one in wanted if ("benchmark", name, indicator, one) not in standards.rows
        ]
    if rule.factor is None:
        return
    # of the categories named, else of all that are scored alike
    averaged = np.isin(facts.column["category"], list(rule.over)) & (scale != "")
    if not rule.over:
        averaged = members.copy()
    values = indicator_values(facts, indicator)
    averaged &= known(values)
    upper, lower = parts_of(facts, facts.rules.indicator[indicator])
    for group in wanted:
        # where some industries have a value of their own, the others have the mean of all
        chosen = averaged & ((groups == group) | bool(rule.values))
        count = int(chosen.sum())
        if not count:
            continue
        if rule.mean == "simple" or lower is None:
            mean = values[chosen].sum() / Decimal(count)
        else:
            mean = upper[chosen].sum() / lower[chosen].sum()
        if mean > ZERO:
            standards.rows["benchmark", name, indicator, group] = (mean * rule.factor, count)


def _per_of(facts: Facts, rule: BenchmarkRule) -> str:
    """By what the values of a benchmark are named: groups of the rule set, or divisions."""
    return "group" if set(rule.values) & set(facts.rules.industry_group) else "division"


def _set_ends(facts: Facts, standards: Standards, members: Mask, name: str, indicator: str) -> None:
    values = indicator_values(facts, indicator)
    chosen = members & known(values)
    count = int(chosen.sum())
    if count:
        standards.rows["minimum", name, indicator, ""] = (values[chosen].min(), count)
        standards.rows["maximum", name, indicator, ""] = (values[chosen].max(), count)


def _set_cut(
    standards: Standards,
    total: Column,
    members: Mask,
    groups: Column,
    name: str,
    grade: str,
    cut: CutRule,
) -> None:
    """The total of the last place within the share: who has as much is in, ties as well."""
    assert cut.share is not None  # noqa: S101 - the caller has seen to it
    ranked = members & known(total)
    for group in sorted(set(groups[ranked])):
        totals = np.sort(total[ranked & (groups == group)])[::-1]
        last = int(cut.share * len(totals))
        if last:
            standards.rows["cut", name, grade, group] = (totals[last - 1], len(totals))


def grade_units(facts: Facts, standards: Standards) -> Outcome:
    """Score and grade units by given standards, and keep the trace of every rule that applied.

    Shape:  facts of n units and standards in; an outcome of n places out.
    Units:  points; grades as words of the rule set.
    CRS:    none (no geometry).
    Errors: as ``evaluate``.
    Source: docs/sources.md, 1.6 (order of operations), CX.
    """
    scale = scale_of_units(facts.rules, facts)
    with exactly():
        outcome = _scored(facts, standards, scale)
        _give_initial(outcome)
        outcome.grade = outcome.initial.copy()
        for stage in facts.rules.adjust.order:
            if stage in _ADJUST:
                _ADJUST[stage](outcome)
        if facts.rules.transitions.effect == "floor":
            _protect(outcome)
    return outcome


def _scored(facts: Facts, standards: Standards, scale: Column) -> Outcome:
    """Points, score, bonus and total of each unit."""
    rules = facts.rules
    outcome = Outcome(rules, facts, standards, scale)
    size = facts.size
    outcome.score, outcome.obstacle = empty(size), empty(size)
    for name in rules.indicator:
        outcome.values[name] = indicator_values(facts, name)
    day = facts.evidence.as_of
    for name, scoring in rules.scoring.items():
        members = scale == name
        if not rules.is_in_force(day):
            outcome.obstacle[members] = _NOT_IN_FORCE
        elif not scoring.is_in_force(day):
            outcome.obstacle[members] = _NO_RULES
        elif members.any():
            _score_scale(outcome, name, scoring, members)
    outcome.bonus = filled(size, ZERO)
    _give_bonus(outcome)
    has = known(outcome.score)
    outcome.total = empty(size)
    outcome.total[has] = outcome.score[has] + outcome.bonus[has]
    return outcome


def _score_scale(outcome: Outcome, name: str, scoring: ScoringRule, members: Mask) -> None:
    facts, size = outcome.facts, outcome.facts.size
    land = facts.column["land"]
    has_land = known(land)
    has_land[has_land] = land[has_land] > ZERO
    outcome.obstacle[members & ~has_land] = _AREA_MISSING
    members = members & has_land
    if not _is_complete(scoring):
        outcome.obstacle[members] = _NO_RULES
        # what is published goes on: how each value stands to its benchmark
        for indicator, item in scoring.item.items():
            if scoring.mode == "ratio_to_benchmark" and not item.benchmark.is_open:
                _set_ratio(outcome, name, indicator, item, members)
        return
    total = filled(size, ZERO)
    # who has one figure and not another gets nothing for the other; who has none is not known at all
    refused = members & ~has_figures(facts.evidence)
    for indicator, item in scoring.item.items():
        points = _points(outcome, name, indicator, scoring, item, members)
        lacks = members & ~known(points)
        if lacks.any():
            outcome.lacking.setdefault(indicator, np.zeros(size, dtype=bool))[lacks] = True
            _fill_missing(outcome, name, indicator, item, points, lacks, members)
            refused |= members & ~known(points)
        given = members & known(points)
        total[given] = total[given] + points[given]
        outcome.points.setdefault(indicator, empty(size))[given] = points[given]
        at = np.flatnonzero(given)
        outcome.trace.append(
            Applied(
                "score",
                f"scoring.{name}.{indicator}",
                at,
                outcome.values[indicator][at],
                points[at],
                (f"indicator:{indicator}",),
            )
        )
    scored = members & ~refused
    outcome.score[scored] = settled(total)[scored]
    outcome.obstacle[members & refused] = _FIGURE_MISSING


def _is_complete(scoring: ScoringRule) -> bool:
    """Whether the rule set says all that the score of a scale takes."""
    if not scoring.item or scoring.mode == "rank_single":
        return bool(scoring.item)
    if any(item.weight is None for item in scoring.item.values()):
        return False
    return scoring.mode == "min_max" or not any(
        item.benchmark.is_open for item in scoring.item.values()
    )


def _points(
    outcome: Outcome,
    name: str,
    indicator: str,
    scoring: ScoringRule,
    item: ItemRule,
    members: Mask,
) -> Column:
    """Points of the units of a scale for one indicator; None where its value is unknown."""
    facts, standards = outcome.facts, outcome.standards
    values = empty(facts.size)
    values[members] = outcome.values[indicator][members]
    if scoring.mode == "rank_single":
        return values
    assert item.weight is not None  # noqa: S101 - _is_complete has seen to it
    if scoring.mode == "min_max":
        low = standards.value("minimum", name, indicator, "")
        high = standards.value("maximum", name, indicator, "")
        if low is None or high is None:
            return empty(facts.size)
        share = filled(facts.size, Decimal(1))
        if high > low:
            share = empty(facts.size)
            ok = known(values)
            share[ok] = (values[ok] - low) / (high - low)
        share[~known(values)] = None
        ok = known(share)
        share[ok] = (item.base + item.span * share[ok]) / Decimal(100)
        return times(share, item.weight)
    share = _set_ratio(outcome, name, indicator, item, members)
    least = None if item.floor == "none" else item.floor
    most = None if item.cap == "none" else item.cap
    return times(clip(share, least, most), item.weight)


def _set_ratio(
    outcome: Outcome, name: str, indicator: str, item: ItemRule, members: Mask
) -> Column:
    """Value ÷ benchmark, not capped; kept, as a cap hides it."""
    facts, rule = outcome.facts, item.benchmark
    groups = facts.group(rule.per if not rule.values else _per_of(facts, rule))
    ratio = quotient(
        outcome.values[indicator], outcome.standards.column("benchmark", name, indicator, groups)
    )
    ratio[~members] = None
    outcome.ratio[name, indicator] = ratio
    return ratio


def _fill_missing(
    outcome: Outcome,
    name: str,
    indicator: str,
    item: ItemRule,
    points: Column,
    lacks: Mask,
    members: Mask,
) -> None:
    """What a unit gets for an indicator that it has no value of."""
    if item.missing == "zero":
        points[lacks] = ZERO
    elif item.missing == "class_mean":
        mean = outcome.standards.value("mean_points", name, indicator, "")
        if mean is None:
            have = members & known(points)
            count = int(have.sum())
            # where nobody has the figure it tells nobody from another
            mean = points[have].sum() / Decimal(count) if count else ZERO
            outcome.standards.rows["mean_points", name, indicator, ""] = (mean, count)
        points[lacks] = mean


def _give_bonus(outcome: Outcome) -> None:
    """Bonus points, rule by rule; of rules that do not add up only the highest counts."""
    rules, facts = outcome.rules, outcome.facts
    takes_bonus = known(outcome.score)
    for name, scoring in rules.scoring.items():
        if scoring.mode == "rank_single":
            takes_bonus &= outcome.scale != name
    given: dict[str, Column] = {}
    for name, rule in rules.bonus.items():
        if not rule.is_open and rule.is_in_force(facts.evidence.as_of):
            given[name] = points_of_bonus(facts, rule)
    for name, rule in rules.bonus.items():
        for other in rule.not_with:
            if name in given and other in given:
                loses = given[name] <= given[other]
                given[name][loses.astype(bool)] = ZERO
                given[other][~loses.astype(bool)] = ZERO
    for name, points in given.items():
        units = np.flatnonzero((points > ZERO).astype(bool) & takes_bonus)
        before = outcome.bonus[units]
        after = before + points[units]
        most = rules.adjust.max_bonus
        if most is not None:
            after = clip(after, None, most)
        outcome.bonus[units] = after
        outcome.trace.append(
            Applied("bonus", name, units, before, after, _inputs(rules.bonus[name]))
        )


def points_of_bonus(facts: Facts, rule: BonusRule) -> Column:
    """Points that a bonus gives to each unit, whether it has a score or not.

    Shape:  facts of n units and one rule that is not open in; n values out, zero where it gives none.
    Units:  points.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown fact.
    Source: docs/sources.md, CX-P1 to CX-P4.
    """
    applies = applies_to(facts, rule) if rule.when or rule.categories else filled(facts.size, True)
    points = filled(facts.size, ZERO)
    if rule.tiers:
        for tier in rule.tiers:
            reached = _all_hold(facts, tier.when)
            reached &= (points < tier.points).astype(bool)
            points[reached] = tier.points
    elif rule.fact:
        assert rule.per is not None and rule.points is not None  # noqa: S101, PT018 - not open
        own = facts.unit[rule.fact]
        steps = whole_steps(facts.column[rule.fact], bound_in(rule.per, rule.unit, own))
        have = known(steps)
        points[have] = steps[have] * rule.points
    elif rule.persons:
        points = person_points(
            facts.evidence, rule.persons, rule.years, facts.evidence.units["unit_code"]
        )
    points = clip(points, None, rule.maximum)
    points[~applies.astype(bool)] = ZERO
    return points


def _give_initial(outcome: Outcome) -> None:
    """The grade by the cuts of each scale: the best whose cut is met; the last takes the rest."""
    rules, facts = outcome.rules, outcome.facts
    outcome.initial = empty(facts.size)
    for name, grading in rules.grading.items():
        members = (outcome.scale == name) & known(outcome.total)
        is_complete = grading.is_in_force(facts.evidence.as_of) and not any(
            grade not in grading.cut or grading.cut[grade].is_open for grade in rules.grades[:-1]
        )
        if not members.any() or not is_complete:
            outcome.obstacle[members] = _NO_RULES
            continue
        groups = facts.group(grading.within)
        for grade in rules.grades[:-1]:
            open_yet = members & ~known(outcome.initial)
            met = open_yet & _meets(outcome, name, grade, grading.cut[grade], groups)
            outcome.initial[met] = grade
            _trace_grade(outcome, name, grade, met)
        rest = members & ~known(outcome.initial)
        outcome.initial[rest] = rules.grades[-1]
        _trace_grade(outcome, name, rules.grades[-1], rest)


def _trace_grade(outcome: Outcome, name: str, grade: str, units: Mask) -> None:
    at = np.flatnonzero(units)
    after = filled(len(at), grade)
    outcome.trace.append(Applied("grade", f"grading.{name}.{grade}", at, outcome.total[at], after))


def _meets(outcome: Outcome, name: str, grade: str, cut: CutRule, groups: Column) -> Mask:
    if cut.value is not None:
        return _compare(outcome.values[cut.indicator], ">=", cut.value)
    if cut.score is not None:
        return _compare(outcome.total, ">=", cut.score)
    least = outcome.standards.column("cut", name, grade, groups)
    met = known(outcome.total) & known(least)
    met[met] = outcome.total[met] >= least[met]
    return met


def _upgrade(outcome: Outcome) -> None:
    """升档: up by the steps of each rule, together at most so many."""
    rules, grades = outcome.rules, outcome.rules.grades
    left = filled(outcome.facts.size, rules.adjust.max_upgrade_steps or 99)
    if rules.adjust.max_upgrade_steps == 0:
        return
    for name, rule in rules.upgrade.items():
        applies = applies_to(outcome.facts, rule) & known(outcome.grade)
        best = grades.index(rule.best) if rule.best else 0
        at = np.flatnonzero(applies)
        place = _places(outcome, at)
        steps = np.minimum(np.maximum(place - best, 0), np.minimum(left[at], rule.steps)).astype(
            int
        )
        _move(outcome, "upgrade", name, at, place - steps, _inputs(rule))
        left[at] = left[at] - steps


def _floor(outcome: Outcome) -> None:
    """保档: not below the grade of each rule that applies."""
    for name, rule in outcome.rules.floor.items():
        least = outcome.rules.grades.index(rule.not_below)
        at = np.flatnonzero(applies_to(outcome.facts, rule) & known(outcome.grade))
        _move(outcome, "floor", name, at, np.minimum(_places(outcome, at), least), _inputs(rule))


def _veto(outcome: Outcome) -> None:
    """一票否决: the grade of the rule, where it is worse."""
    for name, rule in outcome.rules.veto.items():
        least = outcome.rules.grades.index(rule.grade)
        at = np.flatnonzero(applies_to(outcome.facts, rule) & known(outcome.grade))
        _move(outcome, "veto", name, at, np.maximum(_places(outcome, at), least), _inputs(rule))


_ADJUST: Final = {"upgrade": _upgrade, "floor": _floor, "veto": _veto}


def _protect(outcome: Outcome) -> None:
    """Transition as a floor, where the rule set reads it so."""
    least = outcome.rules.grades.index(outcome.rules.transitions.not_below)
    at = np.flatnonzero(holds(outcome.facts.column["in_transition"]) & known(outcome.grade))
    places = np.minimum(_places(outcome, at), least)
    _move(outcome, "transition", "transitions", at, places, ("in_transition",))


def _places(outcome: Outcome, units: Index) -> Index:
    """Places of grades, 0 for the best."""
    place = {grade: number for number, grade in enumerate(outcome.rules.grades)}
    return np.array([place[grade] for grade in outcome.grade[units]], dtype=np.int64)


def _move(
    outcome: Outcome, stage: str, rule: str, units: Index, places: Index, inputs: tuple[str, ...]
) -> None:
    """Give units new grades; the rule is in the trace of all to whom it applied, moved or not."""
    before = outcome.grade[units].copy()
    after = np.array(outcome.rules.grades, dtype=object)[places]
    outcome.grade[units] = after
    outcome.trace.append(Applied(stage, rule, units, before, after, inputs))


def applies_to(facts: Facts, rule: Condition) -> Mask:
    """Where a rule applies; nowhere while it, or a part of it, is left out, or is not in force.

    Shape:  facts of n units and one rule in; n answers out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown fact.
    Source: docs/sources.md, CX.
    """
    if (rule.is_open and (rule.when or not isinstance(rule, BonusRule))) or not rule.is_in_force(
        facts.evidence.as_of
    ):
        return np.zeros(facts.size, dtype=bool)
    found = _all_hold(facts, rule.when)
    if rule.categories:
        found &= np.isin(facts.column["category"], list(rule.categories))
    return found


def _all_hold(facts: Facts, bounds: tuple[Bound, ...]) -> Mask:
    found = np.ones(facts.size, dtype=bool)
    for bound in bounds:
        found &= meets_bound(facts, bound)
    return found


def meets_bound(facts: Facts, bound: Bound) -> Mask:
    """Where a condition holds; it does not where its fact is unknown.

    Shape:  facts of n units and one condition in; n answers out.
    Units:  the bound is brought into the unit of its fact, exactly.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown fact.
    Source: 以上 includes the number, 超过 does not (Civil Code, art. 1259).
    """
    if bound.any:
        found = np.zeros(facts.size, dtype=bool)
        for part in bound.any:
            found |= meets_bound(facts, part)
        return found
    column = facts.column[bound.fact]
    if bound.holds is not None:
        yes = holds(column)
        return yes if bound.holds else ~yes
    if bound.among:
        return np.isin(column, list(bound.among))
    found = known(column)
    for sign, value in bounds_of(bound):
        found &= _compare(column, sign, bound_in(value, bound.unit, facts.unit[bound.fact]))
    return found


def bounds_of(bound: Bound) -> Iterator[tuple[str, Decimal]]:
    """Signs and values of a numeric condition."""
    for sign, value in (
        (">=", bound.at_least),
        (">", bound.more_than),
        ("<=", bound.at_most),
        ("<", bound.less_than),
    ):
        if value is not None:
            yield sign, value


def _compare(column: Column, sign: str, value: Decimal) -> Mask:
    found = known(column)
    chosen = column[found]
    result = {
        ">=": chosen >= value,
        ">": chosen > value,
        "<=": chosen <= value,
        "<": chosen < value,
    }[sign]
    found[found] = result.astype(bool)
    return found


def _inputs(rule: Condition) -> tuple[str, ...]:
    """The facts that a rule looks at, each once."""
    names: dict[str, None] = {}

    def walk(bounds: tuple[Bound, ...]) -> None:
        for bound in bounds:
            walk(bound.any)
            if bound.fact:
                names[bound.fact] = None

    walk(rule.when)
    if isinstance(rule, BonusRule):
        for tier in rule.tiers:
            walk(tier.when)
        if rule.fact:
            names[rule.fact] = None
    return tuple(names)
