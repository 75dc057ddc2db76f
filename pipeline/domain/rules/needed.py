"""What a unit would have needed for a better grade, all others being as they are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_UP, Decimal
from typing import Any, Final, NamedTuple

from pipeline.domain.rules.engine import Outcome, applies_to, bounds_of, meets_bound
from pipeline.domain.rules.exact import ZERO, exactly
from pipeline.domain.rules.facts import Facts, bound_in, parts_of
from pipeline.domain.rules.schema import UNIT_SCALE, Bound, Condition, ItemRule
from pipeline.domain.rules.trace import plain

# A numerator that would have to grow is told in the unit in which it is stored.
_STEP: Final = Decimal("0.0001")


def needed_for(outcome: Outcome, place: int) -> list[dict[str, Any]]:
    """Say for each grade better than the one that a unit got what it lacks.

    By its score: how many points up to the cut, and of each figure how much more would give them alone, as
    far as the caps allow. By rules: upgrades and floors that would lead there, each
    with the conditions that do not hold. Benchmarks and cuts are taken as they are: they would move a
    little with the unit itself.

    Shape:  an outcome and a place in; one dict per better grade out, the nearest first: ``grade``,
            ``points`` (None where the cut is no score), ``figures``, ``rules``.
    Units:  points; figures as stored; texts.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 7.
    """
    grades = outcome.rules.grades
    own = outcome.grade[place]
    if own is None:
        return []
    with exactly():
        return [
            {
                "grade": grade,
                **_by_score(outcome, place, grade),
                "rules": list(_by_rules(outcome, place, grade)),
            }
            for grade in reversed(grades[: grades.index(own)])
        ]


def _by_score(outcome: Outcome, place: int, grade: str) -> dict[str, Any]:
    rules, scale = outcome.rules, outcome.scale[place]
    grading = rules.grading.get(scale)
    cut = None if grading is None else grading.cut.get(grade)
    if grading is None or cut is None or cut.is_open:
        return {"cut": None, "points": None, "figures": []}
    if cut.value is not None:
        value = outcome.values[cut.indicator][place]
        return {
            "cut": plain(cut.value),
            "cut_indicator": cut.indicator,
            "value": plain(value),
            "points": None,
            "figures": [],
        }
    least = cut.score
    if cut.share is not None:
        group = outcome.facts.group(grading.within)[place]
        least = outcome.standards.value("cut", scale, grade, group)
    if least is None:
        return {"cut": None, "points": None, "figures": []}
    missing = least - outcome.total[place]
    return {
        "cut": plain(least),
        "points": plain(missing),
        "figures": list(_by_figure(outcome, place, missing)) if missing > ZERO else [],
    }


def _by_figure(outcome: Outcome, place: int, missing: Decimal) -> Iterator[dict[str, Any]]:
    """How much more of one figure alone gives the missing points, through all indicators it is part of."""
    scale = outcome.scale[place]
    rules = outcome.rules
    scoring = rules.scoring[scale]
    if scoring.mode != "ratio_to_benchmark":
        return
    slopes: dict[str, list[_Slope]] = {}
    lowered = {one for name in scoring.item for one in rules.indicator[name].denominator}
    for name, item in scoring.item.items():
        for figure in rules.indicator[name].numerator:
            slope = None if figure in lowered else _slope(outcome, place, name, item)
            if slope is not None:
                slopes.setdefault(figure, []).append(slope)
    for figure, found in slopes.items():
        more = _solve(found, missing)
        if more is not None:
            yield {
                "figure": figure,
                "unit": outcome.facts.unit[figure],
                "more": plain(more.quantize(_STEP, ROUND_UP)),
                "indicators": [
                    {
                        "indicator": one.indicator,
                        "value": plain(one.value),
                        "needed_value": plain(one.value + more * one.per_unit),
                    }
                    for one in found
                ],
            }


class _Slope(NamedTuple):
    """An indicator that grows with a figure: points per unit of it, and the points left to its cap."""

    indicator: str
    value: Decimal
    per_unit: Decimal
    points: Decimal
    left: Decimal | None


def _slope(outcome: Outcome, place: int, name: str, item: ItemRule) -> _Slope | None:
    points = outcome.points.get(name)
    ratio = outcome.ratio.get((outcome.scale[place], name))
    value, rule = outcome.values[name][place], outcome.rules.indicator[name]
    if points is None or points[place] is None or ratio is None or not ratio[place]:
        return None
    if not item.weight or ratio[place] < ZERO:
        return None
    _, lower = parts_of(outcome.facts, rule)
    times = Decimal(1) if lower is None else lower[place]
    per_unit = 1 / (times * UNIT_SCALE[rule.numerator_unit][1])
    benchmark = value / ratio[place]
    left = None if item.cap == "none" else item.cap * item.weight - points[place]
    return _Slope(name, value, per_unit, item.weight * per_unit / benchmark, left)


def _solve(slopes: list[_Slope], missing: Decimal) -> Decimal | None:
    """The least growth that gives the points; None where all caps together do not."""
    done = got = ZERO
    ends = [(None if s.left is None else s.left / s.points, s.points) for s in slopes]
    for end in [*sorted({e for e, _ in ends if e is not None}), None]:
        speed = sum((p for e, p in ends if e is None or e > done), ZERO)
        if speed and (end is None or got + speed * (end - done) >= missing):
            return done + (missing - got) / speed
        if end is None:
            return None
        got += speed * (end - done)
        done = end
    return None


def _by_rules(outcome: Outcome, place: int, grade: str) -> Iterator[dict[str, Any]]:
    """Upgrades and floors that would lead to a grade, and what each lacks."""
    rules, facts = outcome.rules, outcome.facts
    grades = rules.grades
    own, wanted = grades.index(outcome.grade[place]), grades.index(grade)
    moved = [
        one
        for one, before, after in outcome.of_unit(place)
        if one.stage == "upgrade" and before != after
    ]
    for name, rule in rules.upgrade.items():
        best = grades.index(rule.best) if rule.best else 0
        has_step = not moved and own - rule.steps <= wanted and best <= wanted
        if has_step and not _holds(facts, rule, place):
            yield _rule("upgrade", name, rule, facts, place)
    for name, floor in rules.floor.items():
        if grades.index(floor.not_below) <= wanted and not _holds(facts, floor, place):
            yield _rule("floor", name, floor, facts, place)


def _holds(facts: Facts, rule: Condition, place: int) -> bool:
    return bool(applies_to(facts, rule)[place])


def _rule(stage: str, name: str, rule: Condition, facts: Facts, place: int) -> dict[str, Any]:
    return {
        "stage": stage,
        "rule": name,
        "title_zh": rule.title_zh,
        "title_en": rule.title_en,
        "lacks": lacking_conditions(facts, rule.when, place),
    }


def lacking_conditions(facts: Facts, bounds: tuple[Bound, ...], place: int) -> list[dict[str, Any]]:
    """The conditions that do not hold for a unit; of several of which one is enough, all.

    Shape:  facts of n units, conditions and a place in; dicts of ``fact``, ``sign``, ``bound``, ``has`` or
            ``any`` out.
    Units:  bounds and values in the unit of the fact.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown fact.
    Source: docs/sources.md, CX.
    """
    found: list[dict[str, Any]] = []
    for bound in bounds:
        if meets_bound(facts, bound)[place]:
            continue
        if bound.any:
            found.append({"any": lacking_conditions(facts, bound.any, place)})
            continue
        has = plain(facts.column[bound.fact][place])
        if bound.holds is not None:
            found.append({"fact": bound.fact, "sign": "is", "bound": bound.holds, "has": has})
        elif bound.among:
            found.append({"fact": bound.fact, "sign": "in", "bound": list(bound.among), "has": has})
        for sign, value in bounds_of(bound):
            own = bound_in(value, bound.unit, facts.unit[bound.fact])
            found.append({"fact": bound.fact, "sign": sign, "bound": plain(own), "has": has})
    return found
