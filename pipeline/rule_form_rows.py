"""Rows of the form of a rule set: what it says now, and what may be filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pipeline._paths import data_path
from pipeline.domain.rules.schema import (
    OWN_FACTS,
    BenchmarkRule,
    BonusRule,
    Bound,
    CategoryRule,
    Condition,
    CutRule,
    FactRule,
    IndicatorRule,
    RuleSet,
    Sourced,
    TransitionRule,
    UpgradeRule,
    UseRule,
)
from pipeline.feeds.contracts import load_contracts
from pipeline.outputs.rule_sheets import BENCHMARKS, CUTS, PARAMETERS, REFERENCE, WEIGHTS, Row

_FREE_WEIGHTS: Final = 8  # for each scale
_FREE_BENCHMARKS: Final = 30
NO_CAP: Final = "不封顶"
RATIO: Final = "比值（可写%）"
_KINDS_UNIT: Final = "认定类型，用顿号隔开"
UNITS: Final = {
    "yuan": "元",
    "wan_yuan": "万元",
    "yi_yuan": "亿元",
    "m2": "平方米",
    "mu": "亩",
    "kwh": "千瓦时",
    "wan_kwh": "万千瓦时",
    "tce": "吨标准煤",
    "tonne": "吨",
    "person": "人",
}
UNIT_NAMES: Final = {name: unit for unit, name in UNITS.items()} | {
    "kWh": "kwh",
    "万kWh": "wan_kwh",
    "吨标煤": "tce",
    "㎡": "m2",
}
MISSING: Final = {"zero": "得0分并标注", "class_mean": "取本类平均得分", "no_score": "不评分"}
# Values that are chosen and not measured, by the last part of their path.
CHOICES: Final = {
    "mode": {
        "ratio_to_benchmark": "按基准值比例",
        "min_max": "极差法",
        "rank_single": "单项排序",
    },
    "within": {"county": "全县", "division": "行业大类", "group": "行业组"},
}
_BOUNDS: Final = ("at_least", "more_than", "at_most", "less_than")
_FIELD_UNITS: Final = {
    "months": "个月",
    "founded_within_months": "个月",
    "years": "年",
    "max_years": "年",
    "years_back": "年",
    "steps": "档",
    "max_upgrade_steps": "档",
    "points": "分",
    "maximum": "分",
    "max_bonus": "分",
    "total": "分",
    "base": "分",
    "span": "分",
    "floor": "权重的倍数",
    "from_mu": "亩",
    "rate": "比例",
}


def form_rows(rules: RuleSet, values: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of every sheet, with what was filled in before.

    Shape:  a rule set, and values by path in; rows by sheet out.
    Units:  as the cells say.
    CRS:    none.
    Errors: none.
    Source: docs/how-to-write-rules.md.
    """
    return {
        WEIGHTS: list(_weight_rows(rules, values)),
        BENCHMARKS: list(_benchmark_rows(rules, values)),
        CUTS: list(_cut_rows(rules, values)),
        PARAMETERS: list(_parameter_rows(rules, values)),
        REFERENCE: list(_reference_rows(rules)),
    }


def kinds_fact(path: str) -> str:
    """The fact that stands for the recognitions of a rule without conditions."""
    return f"{path.split('.')[1]}_kinds"


def _weight_rows(rules: RuleSet, values: Mapping[str, Any]) -> Iterator[Row]:
    for scale, scoring in rules.scoring.items():
        choices = {"missing": tuple(MISSING.values())}
        own = {"scale": scale, "scale_title": _scale_title(rules, scale)}
        for code, item in scoring.item.items():
            path = f"scoring.{scale}.item.{code}"
            indicator = rules.indicator[code]
            cells = {
                **own,
                "code": code,
                "title": indicator.title_zh,
                "formula": _formula(rules, indicator),
                "weight_now": _shown(item.weight),
                "cap_now": _cap(item.cap),
                "missing_now": MISSING[item.missing],
                "paper": item.paper or scoring.paper or rules.paper if item.weight is None else "",
                "chosen": item.chosen or scoring.chosen,
                **_item_cells(path, values),
            }
            yield Row(cells, choices=choices)
        added = [
            code for code in _added(values, f"scoring.{scale}.item.") if code not in scoring.item
        ]
        choices |= {"scale": tuple(rules.scoring)}
        for code in added:
            cells = {**own, "code": code, **_item_cells(f"scoring.{scale}.item.{code}", values)}
            known = rules.indicator.get(code)
            cells["title"] = known.title_zh if known else None
            cells |= _definition_cells(values.get(f"indicator.{code}"))
            yield Row(cells, is_free=True, choices=choices)
        for _ in range(max(_FREE_WEIGHTS - len(added), 2)):
            yield Row(own, is_free=True, choices=choices)


def _item_cells(path: str, values: Mapping[str, Any]) -> dict[str, object]:
    cap = values.get(f"{path}.cap")
    return {
        "weight": _shown(values.get(f"{path}.weight")),
        "cap": None if cap is None else _cap(cap),
        "missing": MISSING.get(values.get(f"{path}.missing", "")),
    }


def _definition_cells(indicator: Mapping[str, Any] | None) -> dict[str, object]:
    if indicator is None:
        return {}
    return {
        "title": indicator["title_zh"],
        "numerator": "、".join(indicator["numerator"]),
        "numerator_unit": UNITS[indicator["numerator_unit"]],
        "denominator": "、".join(indicator["denominator"]),
        "denominator_unit": UNITS.get(indicator["denominator_unit"], ""),
    }


def _added(values: Mapping[str, Any], prefix: str) -> list[str]:
    """Names below a path that a form speaks of, in its order."""
    return list(
        dict.fromkeys(
            path.removeprefix(prefix).split(".")[0] for path in values if path.startswith(prefix)
        )
    )


def _benchmark_rows(rules: RuleSet, values: Mapping[str, Any]) -> Iterator[Row]:
    for scale, scoring in rules.scoring.items():
        prefix = f"scoring.{scale}.item."
        added = [code for code in _added(values, prefix) if code not in scoring.item]
        for code in (*scoring.item, *added):
            item, indicator = scoring.item.get(code), rules.indicator.get(code)
            path = f"{prefix}{code}.benchmark"
            now = BenchmarkRule.model_validate({}) if item is None else item.benchmark
            paper = now.paper or (item.paper if item else "") or scoring.paper or rules.paper
            own = {
                "scale": scale,
                "scale_title": _scale_title(rules, scale),
                "code": code,
                "title": indicator.title_zh if indicator else None,
                "unit": _unit_of(indicator) if indicator else None,
                "paper": paper if now.is_open else "",
                "chosen": now.chosen or (item.chosen if item else ""),
            }
            filled = {
                "value": _shown(values.get(f"{path}.value")),
                "factor": _shown(values.get(f"{path}.factor")),
            }
            yield Row({**own, "now": _benchmark(rules, now), **filled})
            industries = dict.fromkeys([*now.values, *_added(values, f"{path}.values.")])
            for industry in industries:
                cells = {
                    **own,
                    "industry": industry,
                    "now": _shown(now.values.get(industry)),
                    "value": _shown(values.get(f"{path}.values.{industry}")),
                    "paper": "",
                }
                yield Row(cells)
    for _ in range(_FREE_BENCHMARKS):
        yield Row({}, is_free=True, choices={"scale": tuple(rules.scoring)})


def _cut_rows(rules: RuleSet, values: Mapping[str, Any]) -> Iterator[Row]:
    for scale in rules.scoring:
        grading = rules.grading.get(scale)
        for grade in rules.grades[:-1]:
            cut = grading.cut.get(grade) if grading else None
            path = f"grading.{scale}.cut.{grade}"
            share = values.get(f"{path}.share")
            is_open = cut is None or cut.is_open
            paper = (cut.paper if cut else "") or (grading.paper if grading else "") or rules.paper
            yield Row(
                {
                    "scale": scale,
                    "scale_title": _scale_title(rules, scale),
                    "grade": grade,
                    "now": _cut(rules, cut),
                    "share": None if share is None else f"{_shown(share * 100)}%",
                    "score": _shown(values.get(f"{path}.score")),
                    "value": _shown(values.get(f"{path}.value")),
                    "indicator": values.get(f"{path}.indicator"),
                    "paper": paper if is_open else "",
                    "chosen": (cut.chosen if cut else "") or (grading.chosen if grading else ""),
                }
            )


class _Parameter(NamedTuple):
    """One value of the sheet 参数."""

    path: str
    rule: Sourced
    meaning: str
    now: str
    unit: str
    is_open: bool = False


def _parameter_rows(rules: RuleSet, values: Mapping[str, Any]) -> Iterator[Row]:
    found = list(_parameters(rules))
    # what is missing comes first
    for one in sorted(found, key=lambda parameter: not parameter.is_open):
        choices = CHOICES.get(one.path.rsplit(".", 1)[-1])
        value = values.get(one.path)
        if choices is not None and value is not None:
            value = choices[value]
        elif one.path.endswith(".when"):
            fact = values.get(f"fact.{kinds_fact(one.path)}")
            value = "、".join(fact["recognitions"]) if fact else None
        else:
            value = _shown(value)
        cells = {
            "path": one.path,
            "rule": one.rule.title_zh,
            "meaning": one.meaning,
            "now": one.now,
            "unit": one.unit,
            "value": value,
            "paper": (one.rule.paper or rules.paper) if one.is_open else "",
            "chosen": one.rule.chosen,
            "sentence": one.rule.sentence,
        }
        yield Row(cells, choices={"value": tuple(choices.values())} if choices else {})


def _parameters(rules: RuleSet) -> Iterator[_Parameter]:
    for scale, scoring in rules.scoring.items():
        named = scoring.model_copy(update={"title_zh": f"评分 {_scale_title(rules, scale)}"})
        mode = CHOICES["mode"][scoring.mode]
        yield _Parameter(
            f"scoring.{scale}.total", named, "满分", _shown(scoring.total) or "不限", "分"
        )
        yield _Parameter(f"scoring.{scale}.mode", named, "评分方式", mode, "选择")
        for code, item in scoring.item.items():
            title = f"{_scale_title(rules, scale)} {rules.indicator[code].title_zh}"
            of_item = item.model_copy(update={"title_zh": title})
            ends = ("base", "span") if scoring.mode == "min_max" else ()
            floor = ("floor",) if item.chosen else ()
            yield from _of_fields(f"scoring.{scale}.item.{code}", of_item, (*ends, *floor))
    for scale, grading in rules.grading.items():
        named_cuts = grading.model_copy(update={"title_zh": f"定档 {_scale_title(rules, scale)}"})
        within = CHOICES["within"][grading.within]
        yield _Parameter(f"grading.{scale}.within", named_cuts, "排序范围", within, "选择")
    for name, category in rules.category.items():
        if category.chosen:
            yield from _of_rule(rules, f"category.{name}", category)
    for name, fact in rules.fact.items():
        if fact.chosen:
            yield from _of_rule(rules, f"fact.{name}", fact)
    for stage, name, rule in rules.rules():
        if rule.chosen or getattr(rule, "is_open", False):
            yield from _of_rule(rules, f"{stage}.{name}", rule)
    adjust = rules.adjust.model_copy(update={"title_zh": rules.adjust.title_zh or "总则"})
    yield from _of_fields("adjust", adjust, ("max_upgrade_steps", "max_bonus"))


def _of_rule(rules: RuleSet, path: str, rule: Sourced) -> Iterator[_Parameter]:
    """Numbers of one rule, and its conditions."""
    is_open = bool(getattr(rule, "is_open", False))
    if isinstance(rule, Condition):
        if not rule.when and is_open and not isinstance(rule, BonusRule | UseRule):
            yield _Parameter(f"{path}.when", rule, "符合的认定", "", _KINDS_UNIT, is_open=True)
        yield from _of_bounds(rules, f"{path}.when", rule, rule.when)
    if isinstance(rule, BonusRule):
        for number, tier in enumerate(rule.tiers):
            at = f"{path}.tiers.{number}"
            yield from _of_bounds(rules, f"{at}.when", rule, tier.when)
            meaning = f"第{number + 1}级加分"
            yield _Parameter(f"{at}.points", rule, meaning, _shown(tier.points) or "", "分")
        for number, persons in enumerate(rule.persons):
            meaning = f"第{number + 1}种每人加分"
            points = _shown(persons.points) or ""
            yield _Parameter(f"{path}.persons.{number}.points", rule, meaning, points, "分")
    yield from _of_fields(path, rule, _fields_of(path, rule), getattr(rule, "unit", ""))


def _fields_of(path: str, rule: Sourced) -> tuple[str, ...]:
    """Which numbers of a rule count."""
    match rule:
        case TransitionRule(events=(_, *_)):
            counted = ("max_years",) if rule.counted == "data_years" else ()
            founded = () if rule.founded_within_months is None else ("founded_within_months",)
            return ("months", *counted, *founded)
        case TransitionRule():
            return ("years",)
        case UpgradeRule() | UseRule():
            return ("steps",) if isinstance(rule, UpgradeRule) else ("rate",)
        case BonusRule():
            by_fact = ("per", "points") if rule.fact else ()
            by_persons = ("years",) if rule.persons else ()
            return (*by_fact, *by_persons, "maximum")
        case FactRule(kind="figure"):
            return ("years_back",)
        case FactRule(kind="persons"):
            return ("years",)
        case CategoryRule() if path == "category.BELOW_GE3":
            return ("from_mu",)
        case _:
            return ()


def _of_fields(
    path: str, rule: Sourced, fields: Iterable[str], unit: str = ""
) -> Iterator[_Parameter]:
    for name in fields:
        value = getattr(rule, name)
        meaning = (type(rule).model_fields[name].description or name).split(" ")[0]
        is_needed = name in {"months", "years", "per", "points"} or (
            name == "rate" and getattr(rule, "needs_rate", False)
        )
        yield _Parameter(
            f"{path}.{name}",
            rule,
            meaning,
            _shown(value) or "未设",
            UNITS.get(unit, "") if name == "per" else _FIELD_UNITS[name],
            is_open=value is None and is_needed,
        )


def _of_bounds(
    rules: RuleSet, path: str, rule: Sourced, bounds: Iterable[Bound]
) -> Iterator[_Parameter]:
    for number, bound in enumerate(bounds):
        at = f"{path}.{number}"
        if bound.any:
            yield from _of_bounds(rules, f"{at}.any", rule, bound.any)
            continue
        if bound.holds is not None or bound.among:
            continue
        fact = rules.fact.get(bound.fact)
        title = (fact.title_zh if fact else "") or bound.fact
        for name in _BOUNDS:
            value = getattr(bound, name)
            if value is None and not bound.is_open:
                continue
            words = (Bound.model_fields[name].description or name).split(" ")[0]
            unit = UNITS.get(bound.unit or _stored_unit(fact), "")
            if fact is not None and fact.kind == "growth":
                unit = RATIO
            meaning = f"{title} {words}"
            yield _Parameter(
                f"{at}.{name}", rule, meaning, _shown(value) or "", unit, bound.is_open
            )


def _stored_unit(fact: FactRule | None) -> str:
    return "" if fact is None else "person" if fact.kind == "persons" else fact.unit


def _reference_rows(rules: RuleSet) -> Iterator[Row]:
    for code, indicator in rules.indicator.items():
        cells = {"title": indicator.title_zh, "unit": _unit_of(indicator)}
        yield Row({"kind": "指标", "code": code, **cells})
    for code, unit in OWN_FACTS.items():
        if unit:
            yield Row({"kind": "事实", "code": code, "title": "评价面积", "unit": UNITS[unit]})
    for code, fact in rules.fact.items():
        if fact.kind in {"figure", "persons"}:
            title, unit = fact.title_zh, UNITS[_stored_unit(fact)]
            yield Row({"kind": "事实", "code": code, "title": title, "unit": unit})
    for code, name in UNITS.items():
        yield Row({"kind": "单位", "code": code, "title": name})
    contract = load_contracts(data_path("config", "sources.toml"))["recognition"]
    for name, code in contract.columns["kind"].codes.items():
        yield Row({"kind": "认定", "code": code, "title": name})
    for name, divisions in rules.industry_group.items():
        yield Row({"kind": "行业组", "code": name, "title": "、".join(divisions)})


def _scale_title(rules: RuleSet, scale: str) -> str:
    category = rules.category.get(scale)
    return (category.title_zh if category else "") or scale


def _formula(rules: RuleSet, indicator: IndicatorRule) -> str:
    def side(facts: Iterable[str], unit: str) -> str:
        titles = [rules.fact[one].title_zh if one in rules.fact else "评价面积" for one in facts]
        return f"{'＋'.join(titles)}（{UNITS.get(unit, unit)}）"

    upper = side(indicator.numerator, indicator.numerator_unit)
    if not indicator.denominator:
        return upper
    return f"{upper}÷{side(indicator.denominator, indicator.denominator_unit)}"


def _unit_of(indicator: IndicatorRule) -> str:
    upper, lower = indicator.numerator_unit, indicator.denominator_unit
    if upper == lower:
        return RATIO
    return f"{UNITS[upper]}/{UNITS[lower]}" if lower else UNITS[upper]


def _benchmark(rules: RuleSet, rule: BenchmarkRule) -> str:
    if rule.value is not None:
        return _shown(rule.value) or ""
    if rule.values:
        return "分行业，见下"
    if rule.factor is None:
        return ""
    over = "、".join(_scale_title(rules, one) for one in rule.over) or "本尺度"
    mean = "加权平均" if rule.mean == "weighted" else "简单平均"
    per = {"county": "", "division": "分行业大类", "group": "分行业组"}[rule.per]
    return f"{_shown(rule.factor)} × {over}{per}{mean}"


def _cut(rules: RuleSet, cut: CutRule | None) -> str:
    if cut is None or cut.is_open:
        return ""
    if cut.share is not None:
        return f"累计 {_shown(cut.share * 100)}%"
    if cut.score is not None:
        return f"{_shown(cut.score)} 分"
    indicator = rules.indicator.get(cut.indicator)
    return f"{indicator.title_zh if indicator else cut.indicator} {_shown(cut.value)}"


def _cap(cap: Decimal | str) -> str:
    return NO_CAP if isinstance(cap, str) else _shown(cap) or ""


def _shown(value: object) -> str | None:
    """A value as it is typed: a number in plain digits."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return None if value is None else str(value)
