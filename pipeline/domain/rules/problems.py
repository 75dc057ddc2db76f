"""What is wrong with a rule set that is well formed: mistakes that only the whole of it shows."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise

from pipeline.domain.rules.schema import (
    CATEGORIES,
    OWN_FACTS,
    STAGES,
    UNIT_SCALE,
    BonusRule,
    Bound,
    Condition,
    GradingRule,
    RuleSet,
    Sourced,
    UseRule,
)

# A mistake: where it is, a code of config/messages/rules.*.toml, and what the message names.
Problem = tuple[str, str, dict[str, object]]


def find_problems(rules: RuleSet) -> list[Problem]:
    """Say what is wrong with a rule set, all of it.

    Shape:  a rule set in; (path, code, parameters) out, in the order of the file.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-write-rules.md.
    """
    return [
        *_dates(rules),
        *_categories(rules),
        *_facts(rules),
        *_scoring(rules),
        *_grading(rules),
        *_rules(rules),
        *_general(rules),
    ]


def _dates(rules: RuleSet) -> Iterator[Problem]:
    if _is_reversed(rules.valid_from, rules.valid_to):
        yield "valid_to", "rules.dates_reversed", _days(rules)
    every: list[tuple[str, Sourced]] = [
        *((f"{stage}.{name}", rule) for stage, name, rule in rules.rules()),
        *((f"scoring.{name}", scoring) for name, scoring in rules.scoring.items()),
        *((f"grading.{name}", grading) for name, grading in rules.grading.items()),
    ]
    yield from _undated(rules)
    for path, rule in every:
        if _is_reversed(rule.valid_from, rule.valid_to):
            yield f"{path}.valid_to", "rules.dates_reversed", _days(rule)


def _undated(rules: RuleSet) -> Iterator[Problem]:
    """Dates where they would have no effect: a part of a table is in force with the table."""
    parts: list[tuple[str, Sourced]] = []
    for kind in ("category", "fact", "indicator", "reading"):
        parts += [(f"{kind}.{name}", rule) for name, rule in getattr(rules, kind).items()]
    for scale, scoring in rules.scoring.items():
        for name, item in scoring.item.items():
            path = f"scoring.{scale}.item.{name}"
            parts += [(path, item), (f"{path}.benchmark", item.benchmark)]
    for scale, grading in rules.grading.items():
        parts += [(f"grading.{scale}.cut.{grade}", cut) for grade, cut in grading.cut.items()]
    parts += [("transitions", rules.transitions), ("adjust", rules.adjust)]
    for path, rule in parts:
        if rule.valid_from is not None or rule.valid_to is not None:
            yield path, "rules.dates_misplaced", {}


def _is_reversed(first: dt.date | None, last: dt.date | None) -> bool:
    return first is not None and last is not None and last <= first


def _days(rule: Sourced | RuleSet) -> dict[str, object]:
    return {"first": str(rule.valid_from), "last": str(rule.valid_to)}


def _categories(rules: RuleSet) -> Iterator[Problem]:
    for path, names in (
        ("category", rules.category),
        ("scoring", rules.scoring),
        ("grading", rules.grading),
    ):
        for name in names:
            if name not in CATEGORIES:
                yield f"{path}.{name}", "rules.unknown_category", _of(name, CATEGORIES)
    for name, category in rules.category.items():
        for field in ("scored_as", "scored_as_above"):
            other = getattr(category, field)
            if other and not rules.is_basis and other not in rules.scoring:
                yield f"category.{name}.{field}", "rules.unknown_scale", _of(other, rules.scoring)
        if category.from_mu is not None and name != "BELOW_GE3":
            yield f"category.{name}.from_mu", "rules.from_mu_misplaced", {"category": name}
        scales = {rules.scale_of(name, has_above=above) for above in (True, False)}
        for scale in sorted(scales):
            if category.evaluated and not rules.is_basis and scale not in rules.scoring:
                yield f"category.{name}", "rules.no_scoring", {"category": name, "scale": scale}
    for name in rules.scoring:
        if name in CATEGORIES and name not in rules.grading:
            yield f"scoring.{name}", "rules.no_grading", {"category": name}


def _of(name: object, known: Iterable[str]) -> dict[str, object]:
    names = sorted(known)
    like = difflib.get_close_matches(str(name), names, n=1) or ["–"]
    return {"name": name, "like": like[0], "known": "、".join(names) or "–"}


def _facts(rules: RuleSet) -> Iterator[Problem]:
    facts = {*rules.fact, *OWN_FACTS}
    for name, fact in rules.fact.items():
        if name in OWN_FACTS:
            yield f"fact.{name}", "rules.own_fact", {"name": name}
        if fact.kind == "indicator" and fact.indicator not in rules.indicator:
            yield (
                f"fact.{name}.indicator",
                "rules.unknown_indicator",
                _of(fact.indicator, rules.indicator),
            )
    for name, indicator in rules.indicator.items():
        for side in ("numerator", "denominator"):
            unit = getattr(indicator, f"{side}_unit")
            for one in getattr(indicator, side):
                path = f"indicator.{name}.{side}"
                own = _unit_of(rules, one)
                if one not in facts or (one in rules.fact and rules.fact[one].kind == "indicator"):
                    yield path, "rules.unknown_fact", _of(one, facts)
                elif unit not in UNIT_SCALE or own is None or not _measures_same(own, unit):
                    yield (
                        f"{path}_unit",
                        "rules.wrong_unit",
                        {"unit": unit, "fact": one, "own": own or "–"},
                    )


def _unit_of(rules: RuleSet, fact: str) -> str | None:
    if fact in OWN_FACTS:
        return OWN_FACTS[fact]
    rule = rules.fact.get(fact)
    if rule is None:
        return None
    return rule.unit if rule.kind == "figure" else "person" if rule.kind == "persons" else ""


def _measures_same(own: str, unit: str) -> bool:
    return own in UNIT_SCALE and unit in UNIT_SCALE and UNIT_SCALE[own][0] == UNIT_SCALE[unit][0]


def _scoring(rules: RuleSet) -> Iterator[Problem]:
    for name, scoring in rules.scoring.items():
        path = f"scoring.{name}"
        for indicator, item in scoring.item.items():
            if indicator not in rules.indicator:
                yield (
                    f"{path}.item.{indicator}",
                    "rules.unknown_indicator",
                    _of(indicator, rules.indicator),
                )
            for category in item.benchmark.over:
                if category not in CATEGORIES:
                    yield (
                        f"{path}.item.{indicator}.benchmark.over",
                        "rules.unknown_category",
                        _of(category, CATEGORIES),
                    )
            # a benchmark is looked up by one kind of name: of two, one would be passed over
            industries = set(item.benchmark.values) - set(rules.industry_group)
            divisions = {one for one in industries if len(one) == 2 and one.isdecimal()}
            if industries and (industries != divisions or industries != set(item.benchmark.values)):
                yield (
                    f"{path}.item.{indicator}.benchmark.values",
                    "rules.mixed_industries",
                    _of("、".join(sorted(industries)), rules.industry_group),
                )
            if (
                isinstance(item.cap, Decimal)
                and isinstance(item.floor, Decimal)
                and item.cap < item.floor
            ):
                yield (
                    f"{path}.item.{indicator}.cap",
                    "rules.cap_below_floor",
                    {"cap": item.cap, "floor": item.floor},
                )
        if scoring.mode == "rank_single":
            if len(scoring.item) > 1:
                yield f"{path}.item", "rules.rank_single_many", {"count": len(scoring.item)}
            continue
        weights = [item.weight for item in scoring.item.values()]
        if weights and scoring.total is not None and None not in weights:
            total = sum((weight for weight in weights if weight is not None), Decimal(0))
            if total != scoring.total:
                yield (
                    f"{path}.item",
                    "rules.weights_do_not_sum",
                    {
                        "sum": total,
                        "total": scoring.total,
                    },
                )


def _grading(rules: RuleSet) -> Iterator[Problem]:
    if len(set(rules.grades)) != len(rules.grades):
        yield "grades", "rules.grades_repeated", {"grades": "、".join(rules.grades)}
    for name, grading in rules.grading.items():
        path = f"grading.{name}.cut"
        for grade, cut in grading.cut.items():
            if grade not in rules.grades:
                yield f"{path}.{grade}", "rules.unknown_grade", _of(grade, rules.grades)
            elif grade == rules.grades[-1]:
                yield f"{path}.{grade}", "rules.last_grade_has_cut", {"grade": grade}
            if cut.indicator and cut.indicator not in rules.indicator:
                yield (
                    f"{path}.{grade}.indicator",
                    "rules.unknown_indicator",
                    _of(cut.indicator, rules.indicator),
                )
        yield from _overlaps(rules, path, grading)


def _overlaps(rules: RuleSet, path: str, grading: GradingRule) -> Iterator[Problem]:
    """Cuts that leave no room for a grade: a better one must take less, or ask for more."""
    for kind in ("share", "score", "value"):
        given = [
            (grade, getattr(grading.cut[grade], kind), grading.cut[grade].indicator)
            for grade in rules.grades
            if grade in grading.cut and getattr(grading.cut[grade], kind) is not None
        ]
        for (better, first, one), (worse, second, other) in pairwise(given):
            is_ordered = first < second if kind == "share" else first > second
            if one == other and not is_ordered:
                yield (
                    f"{path}.{worse}",
                    "rules.cuts_overlap",
                    {
                        "better": better,
                        "worse": worse,
                        "first": first,
                        "second": second,
                    },
                )


def _rules(rules: RuleSet) -> Iterator[Problem]:
    for stage, name, rule in rules.rules():
        path = f"{stage}.{name}"
        if isinstance(rule, Condition):
            yield from _bounds(rules, f"{path}.when", rule.when)
            for category in rule.categories:
                if category not in CATEGORIES:
                    yield f"{path}.categories", "rules.unknown_category", _of(category, CATEGORIES)
        if isinstance(rule, BonusRule):
            yield from _bonus(rules, path, rule)
        if isinstance(rule, UseRule):
            yield from _use(rules, path, rule)
        for field in ("best", "not_below", "grade"):
            grade = getattr(rule, field, "")
            if grade and grade not in rules.grades:
                yield f"{path}.{field}", "rules.unknown_grade", _of(grade, rules.grades)


def _use(rules: RuleSet, path: str, rule: UseRule) -> Iterator[Problem]:
    for grade in rule.grades:
        if grade not in rules.grades:
            yield f"{path}.grades", "rules.unknown_grade", _of(grade, rules.grades)
    for other in rule.suspends:
        if other not in rules.use:
            yield f"{path}.suspends", "rules.unknown_rule", _of(other, rules.use)


def _bonus(rules: RuleSet, path: str, rule: BonusRule) -> Iterator[Problem]:
    for number, tier in enumerate(rule.tiers):
        yield from _bounds(rules, f"{path}.tiers.{number}.when", tier.when)
    for other in rule.not_with:
        if other not in rules.bonus:
            yield f"{path}.not_with", "rules.unknown_rule", _of(other, rules.bonus)
    if rule.fact:
        own = _unit_of(rules, rule.fact)
        if own is None:
            yield f"{path}.fact", "rules.unknown_fact", _of(rule.fact, {*rules.fact, *OWN_FACTS})
        elif rule.unit and not _converts(own, rule.unit):
            yield (
                f"{path}.unit",
                "rules.wrong_unit",
                {
                    "unit": rule.unit,
                    "fact": rule.fact,
                    "own": own or "–",
                },
            )


def _converts(own: str, unit: str) -> bool:
    return unit == own or (_measures_same(own, unit) and "mu" not in {own, unit})


def _bounds(rules: RuleSet, path: str, bounds: Iterable[Bound]) -> Iterator[Problem]:
    for number, bound in enumerate(bounds):
        at = f"{path}.{number}"
        if bound.any:
            yield from _bounds(rules, f"{at}.any", bound.any)
            continue
        own = _unit_of(rules, bound.fact)
        if own is None:
            yield f"{at}.fact", "rules.unknown_fact", _of(bound.fact, {*rules.fact, *OWN_FACTS})
        elif bound.unit and not _converts(own, bound.unit):
            yield (
                f"{at}.unit",
                "rules.wrong_unit",
                {
                    "unit": bound.unit,
                    "fact": bound.fact,
                    "own": own or "–",
                },
            )
        elif not bound.is_open and _is_yes_or_no(rules, bound.fact) is not (
            bound.holds is not None
        ):
            yield at, "rules.wrong_condition", {"fact": bound.fact}
        low = max((v for v in (bound.at_least, bound.more_than) if v is not None), default=None)
        high = min((v for v in (bound.at_most, bound.less_than) if v is not None), default=None)
        if low is not None and high is not None and low > high:
            yield at, "rules.bounds_reversed", {"low": low, "high": high}


def _is_yes_or_no(rules: RuleSet, fact: str) -> bool:
    rule = rules.fact.get(fact)
    if rule is None:
        return fact in {"is_above", "in_transition"}
    return rule.kind in {"recognition", "policy"}


def _general(rules: RuleSet) -> Iterator[Problem]:
    order = rules.adjust.order
    if sorted(order) != sorted(STAGES) or order[:3] != STAGES[:3]:
        yield "adjust.order", "rules.wrong_order", {"order": "、".join(STAGES)}
    effect = rules.transitions
    if effect.effect == "floor" and effect.not_below not in rules.grades:
        yield "transitions.not_below", "rules.unknown_grade", _of(effect.not_below, rules.grades)
    for name, group in rules.industry_group.items():
        for other, divisions in rules.industry_group.items():
            shared = sorted(set(group) & set(divisions))
            if name < other and shared:
                yield (
                    f"industry_group.{other}",
                    "rules.division_twice",
                    {
                        "division": "、".join(shared),
                        "first": name,
                        "second": other,
                    },
                )
