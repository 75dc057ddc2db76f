"""What a rule set says: who is evaluated, by what, and what follows, as typed data.

A rule set is one TOML file of ``config/rules`` (docs/how-to-write-rules.md). Every number of a method
of evaluation stands there. A number that no published paper states is left out, and ``paper`` names
the document that has it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

CATEGORIES: Final = ("ABOVE", "BELOW_GE3", "BELOW_LT3", "TENANT_ONLY", "PARCEL_MERGED")
# What is done to a unit, in the order in which it may stand.
STAGES: Final = ("score", "bonus", "grade", "upgrade", "floor", "veto")
# How many of the stored unit are one of the unit that a rule speaks of; exact.
UNIT_SCALE: Final[dict[str, tuple[str, Decimal]]] = {
    "yuan": ("yuan", Decimal(1)),
    "wan_yuan": ("yuan", Decimal(10_000)),
    "yi_yuan": ("yuan", Decimal(100_000_000)),
    "m2": ("m2", Decimal(1)),
    # 1 mu is 2000/3 m2: land is multiplied by 3/2000, never divided
    "mu": ("m2", Decimal(0)),
    "kwh": ("kwh", Decimal(1)),
    "wan_kwh": ("kwh", Decimal(10_000)),
    "tce": ("tce", Decimal(1)),
    "tonne": ("tonne", Decimal(1)),
    "person": ("person", Decimal(1)),
}
MU_PER_M2: Final = Decimal("0.0015")
# Facts that every unit has, whatever the rule set defines.
OWN_FACTS: Final = {
    "land": "m2",
    "land_mu": "mu",
    "is_above": "",
    "in_transition": "",
    "category": "",
    "industry_division": "",
}

Grade = Annotated[str, Field(min_length=1, max_length=8)]
Number = Decimal
Positive = Annotated[Decimal, Field(gt=0)]


def _refuse(code: str, **params: object) -> PydanticCustomError:
    """What a table says that cannot be; the code is one of config/messages/rules.*.toml."""
    # the words are the rulebook's: this is what a bug would show
    return PydanticCustomError(code, "{code}", {"code": code, **params})


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(_Table):
    """What every rule says of itself."""

    title_zh: str = Field("", description="名称 what the rule is called, in Chinese")
    title_en: str = Field("", description="what the rule is called, in English")
    source: str = Field("", description="文件及条款 the paper and clause that the rule is from")
    sentence: str = Field("", description="原文 the sentence of the paper, word for word")
    chosen: str = Field(
        "", description="所取默认 what was chosen where the paper is silent or can be read twice"
    )
    paper: str = Field("", description="所缺文件 the paper that has what is left out here")
    valid_from: dt.date | None = Field(
        None, description="施行日期 first day on which it is in force"
    )
    valid_to: dt.date | None = Field(None, description="失效日期 first day on which it is no more")

    def is_in_force(self, day: dt.date) -> bool:
        """Whether the rule holds on a day; dates are half-open."""
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_to is None or day < self.valid_to)


class FactRule(Sourced):
    """A fact of a unit that conditions and indicators speak of."""

    kind: Literal["figure", "growth", "recognition", "persons", "indicator", "policy"] = Field(
        description="figure 指标值; growth 同比增长; recognition 认定; persons 人数; indicator 计算指标; "
        "policy 已执行的政策"
    )
    figure: str = Field("", description="指标代码 code of a figure of the feed `indicator`")
    unit: str = Field("", description="单位 unit in which the figure is stored")
    years_back: int = Field(0, ge=0, le=10, description="往前几年 years before the data year")
    recognitions: tuple[str, ...] = Field(
        (), description="认定类型 kinds of the feed `recognition`, any of them"
    )
    levels: tuple[str, ...] = Field((), description="级别 levels that count; none: any")
    programmes: tuple[str, ...] = Field((), description="工程 programmes of the feed `talent`")
    years: int = Field(1, ge=1, le=20, description="年数 how many years count, the data year last")
    indicator: str = Field("", description="计算指标 an indicator of this rule set")
    policy: str = Field("", description="政策 a policy of the feed `policy_return`")

    @model_validator(mode="after")
    def _says_what(self) -> FactRule:
        needed = {
            "figure": "figure",
            "growth": "figure",
            "recognition": "recognitions",
            "persons": "programmes",
            "indicator": "indicator",
            "policy": "policy",
        }[self.kind]
        if not getattr(self, needed):
            raise _refuse("rules.fact_needs", kind=self.kind, needed=needed)
        if self.kind == "figure" and self.unit not in UNIT_SCALE:
            raise _refuse("rules.figure_needs_unit", unit=self.unit, known="、".join(UNIT_SCALE))
        return self


class Bound(_Table):
    """One condition on one fact; 以上 is ``at_least``, 超过 is ``more_than``."""

    fact: str = Field("", description="事实 name of a fact")
    at_least: Number | None = Field(None, description="以上（含） at or above")
    more_than: Number | None = Field(None, description="超过（不含） above")
    at_most: Number | None = Field(None, description="以下（含） at or below")
    less_than: Number | None = Field(None, description="不足（不含） below")
    unit: str = Field("", description="单位 unit of the bound; that of the fact by default")
    holds: bool | None = Field(None, description="是否 whether a fact of yes or no holds")
    among: tuple[str, ...] = Field((), description="取值 values of a fact that is a word")
    any: tuple[Bound, ...] = Field((), description="任一 conditions of which one is enough")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Bound:
        if self.any:
            if self.fact:
                raise _refuse("rules.any_stands_alone", fact=self.fact)
            return self
        if not self.fact:
            raise _refuse("rules.condition_needs_fact")
        numbers = [self.at_least, self.more_than, self.at_most, self.less_than]
        kinds = [any(n is not None for n in numbers), self.holds is not None, bool(self.among)]
        if sum(kinds) > 1:
            raise _refuse("rules.condition_says_several", fact=self.fact)
        return self

    @property
    def is_open(self) -> bool:
        """Whether the bound is left out: its paper is missing."""
        if self.any:
            return any(part.is_open for part in self.any)
        numbers = (self.at_least, self.more_than, self.at_most, self.less_than)
        return self.holds is None and not self.among and all(n is None for n in numbers)


class Condition(Sourced):
    """A rule that applies where all its conditions hold."""

    when: tuple[Bound, ...] = Field((), description="条件 conditions, all of which must hold")
    categories: tuple[str, ...] = Field((), description="适用类别 categories; none: all")

    @property
    def is_open(self) -> bool:
        """Whether a bound, or every condition, is left out."""
        return not self.when or any(bound.is_open for bound in self.when)


class IndicatorRule(Sourced):
    """A ratio of sums of facts, or one sum."""

    numerator: tuple[str, ...] = Field(min_length=1, description="分子 facts that are added up")
    denominator: tuple[str, ...] = Field((), description="分母 facts that are added up; none: 1")
    numerator_unit: str = Field(description="分子单位 unit in which the numerator is taken")
    denominator_unit: str = Field("", description="分母单位 unit in which the denominator is taken")
    digits: int = Field(2, ge=0, le=6, description="小数位 digits that reports show")


class BenchmarkRule(Sourced):
    """The value that earns full marks."""

    value: Positive | None = Field(
        None, description="基准值 the value itself, where it is published"
    )
    values: dict[str, Positive] = Field(
        default_factory=dict, description="分行业基准值 by industry division or group"
    )
    factor: Positive | None = Field(None, description="倍数 multiple of the mean")
    mean: Literal["weighted", "simple"] = Field(
        "weighted", description="平均方式 weighted: Σ分子÷Σ分母; simple: mean of the values"
    )
    over: tuple[str, ...] = Field((), description="平均范围 categories averaged; none: its own")
    per: Literal["county", "division", "group"] = Field(
        "county",
        description="分组 averaged over the county, each two-digit division, or each group",
    )

    @property
    def is_open(self) -> bool:
        """Whether nothing says what the benchmark is."""
        return self.value is None and not self.values and self.factor is None


class ItemRule(Sourced):
    """How one indicator earns points."""

    weight: Annotated[Decimal, Field(ge=0)] | None = Field(None, description="权重 points at most")
    benchmark: BenchmarkRule = Field(
        default_factory=BenchmarkRule, description="基准值 what full marks take"
    )
    cap: Positive | Literal["none"] = Field(
        Decimal(1), description="封顶 most that counts, as a multiple of the weight, or none"
    )
    floor: Decimal | Literal["none"] = Field(
        Decimal(0), description="下限 least that counts, as a multiple of the weight, or none"
    )
    missing: Literal["zero", "class_mean", "no_score"] = Field(
        "zero", description="缺失 zero 得0分并标注; class_mean 取本类平均得分; no_score 不评分"
    )
    base: Decimal = Field(Decimal(20), description="保底 min_max: points of 100 at the minimum")
    span: Positive = Field(Decimal(80), description="幅度 min_max: points of 100 above it")


class ScoringRule(Sourced):
    """How the units of a category are scored."""

    mode: Literal["ratio_to_benchmark", "min_max", "rank_single"] = Field(
        "ratio_to_benchmark", description="评分方式 how values become points"
    )
    total: Positive | None = Field(
        Decimal(100), description="满分 what the weights sum to; checked"
    )
    item: dict[str, ItemRule] = Field(
        default_factory=dict, description="评分项 by indicator; the list is open"
    )


class CutRule(Sourced):
    """From where a grade is given: by share of the ranked units, by score, or by an indicator."""

    share: Annotated[Decimal, Field(gt=0, le=1)] | None = Field(
        None, description="累计占比（含） share of the ranked units up to this grade"
    )
    score: Decimal | None = Field(None, description="分数线（含） lowest score")
    value: Decimal | None = Field(None, description="数值线（含） lowest value of the indicator")
    indicator: str = Field("", description="指标 whose value it is")

    @model_validator(mode="after")
    def _says_one_thing(self) -> CutRule:
        given = [self.share is not None, self.score is not None, self.value is not None]
        if sum(given) > 1:
            raise _refuse("rules.cut_says_several")
        if (self.value is not None) != bool(self.indicator) and not self.paper:
            raise _refuse("rules.cut_needs_indicator")
        return self

    @property
    def is_open(self) -> bool:
        """Whether the cut is left out."""
        return self.share is None and self.score is None and self.value is None


class GradingRule(Sourced):
    """Cuts of a category, by grade; the last grade takes the rest."""

    within: Literal["county", "division", "group"] = Field(
        "county", description="排序范围 whom a unit is ranked among"
    )
    cut: dict[str, CutRule] = Field(default_factory=dict, description="档次线 by grade")


class CategoryRule(Sourced):
    """Who is evaluated, in which list and on which scale."""

    evaluated: bool = Field(True, description="是否评价 whether its units are evaluated")
    scored_as: str = Field("", description="评价尺度 category whose scoring and cuts it has")
    scored_as_above: str = Field(
        "", description="含规上时 the same for a unit with a 规上 member; none: as the others"
    )
    from_mu: Annotated[Decimal, Field(ge=0)] | None = Field(
        None, description="面积下限（含，亩） least land of the category; only BELOW_GE3"
    )


class UpgradeRule(Condition):
    """升档: steps up, towards the best grade."""

    steps: int = Field(1, ge=1, le=9, description="升几档 steps")
    best: str = Field("", description="最高升至 never above this grade; none: the best")


class FloorRule(Condition):
    """保档: not below a grade."""

    not_below: Grade = Field(description="不低于 the grade")


class VetoRule(Condition):
    """一票否决: this grade, whatever the score."""

    grade: Grade = Field(description="定为 the grade")


class UseRule(Condition):
    """结果应用: what a grade leads to."""

    grades: tuple[str, ...] = Field((), description="档次 grades; none: any")
    is_risen: bool = Field(
        False, description="档次提升 only where the grade is better than that of the year before"
    )
    effect: str = Field(min_length=1, description="作用 what follows, as a word")
    rate: Decimal | None = Field(None, description="幅度 how much, where a paper says it")
    needs_rate: bool = Field(False, description="须有幅度 without a rate it waits for a decision")
    suspends: tuple[str, ...] = Field(
        (), description="暂停 uses that it suspends instead of one itself"
    )

    @property
    def is_open(self) -> bool:
        """Whether a bound or the rate is left out."""
        return any(bound.is_open for bound in self.when) or (self.needs_rate and self.rate is None)


class PersonPoints(_Table):
    """Points for each person, who counts once at the highest."""

    programmes: tuple[str, ...] = Field(min_length=1, description="工程 programmes")
    levels: tuple[str, ...] = Field((), description="级别 levels; none: any")
    points: Positive = Field(description="每人加分 points for each person")


class Tier(_Table):
    """Points where all conditions hold."""

    when: tuple[Bound, ...] = Field(min_length=1, description="条件 conditions")
    points: Positive = Field(description="加分 points")


class BonusRule(Condition):
    """加分: points by tiers, by steps of a fact, or by persons."""

    tiers: tuple[Tier, ...] = Field((), description="分级加分 the highest tier that holds counts")
    fact: str = Field("", description="按数值加分 the fact whose steps earn points")
    per: Positive | None = Field(
        None, description="每多少 size of a step, counted from the first unit"
    )
    unit: str = Field("", description="单位 unit of `per`; that of the fact by default")
    points: Positive | None = Field(None, description="每步加分 points for each whole step")
    persons: tuple[PersonPoints, ...] = Field((), description="按人加分 points for persons")
    years: int = Field(1, ge=1, le=20, description="年数 years that count for persons")
    maximum: Positive | None = Field(None, description="最高加分 most points of this rule")
    not_with: tuple[str, ...] = Field(
        (), description="不叠加 bonuses with which only the higher counts"
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> BonusRule:
        if sum([bool(self.tiers), bool(self.fact), bool(self.persons)]) > 1:
            raise _refuse("rules.bonus_says_several")
        return self

    @property
    def is_open(self) -> bool:
        """Whether a bound or the points are left out."""
        if any(bound.is_open for bound in self.when):
            return True
        if self.fact:
            return self.per is None or self.points is None
        return not self.tiers and not self.persons


class TransitionRule(Sourced):
    """过渡期: an event or a recognition after which an enterprise, or its new land, is not graded."""

    events: tuple[str, ...] = Field((), description="用地事项 kinds of the feed `land_event`")
    recognitions: tuple[str, ...] = Field((), description="认定 kinds, of which the first counts")
    has_other_land: bool | None = Field(
        None, description="另有用地 only with (true) or without (false) other land"
    )
    founded_within_months: int | None = Field(
        None, ge=0, description="新设立 founded at most so many months before the event"
    )
    months: int | None = Field(None, ge=1, le=600, description="月数 months from the event")
    years: int | None = Field(
        None, ge=1, le=50, description="年数 data years from that of the recognition on"
    )
    counted: Literal["days", "data_years"] = Field(
        "days", description="计法 to the day, or data years that the months overlap"
    )
    max_years: int | None = Field(
        None, ge=1, description="最多年数 data years at most, where they are counted"
    )
    is_upper_bound: bool = Field(
        False, description="最多不超过 the length is the most that may be granted"
    )
    takes: Literal["enterprise", "land"] = Field(
        "enterprise", description="对象 the enterprise is not graded, or the land is deducted"
    )

    @model_validator(mode="after")
    def _says_when(self) -> TransitionRule:
        if bool(self.events) == bool(self.recognitions):
            raise _refuse("rules.transition_begins")
        if self.takes == "land" and not self.events:
            raise _refuse("rules.land_needs_events")
        return self

    @property
    def is_open(self) -> bool:
        """Whether its length is left out."""
        return self.months is None if self.events else self.years is None


class TransitionEffect(Sourced):
    """What all transitions have in common."""

    reference_day: Literal["as_of", "data_year_end"] = Field(
        "as_of", description="判定日 the business date, or 31 December of the data year"
    )
    effect: Literal["no_grade", "floor"] = Field(
        "no_grade", description="效力 no_grade 不定档; floor 照常评价，但不低于某档"
    )
    not_below: str = Field("", description="不低于 the grade, where the effect is a floor")


class AdjustRule(Sourced):
    """How rules of one kind go together."""

    order: tuple[str, ...] = Field(STAGES, description="先后 order of operations")
    max_upgrade_steps: int | None = Field(1, ge=0, description="升档上限 steps in total")
    max_bonus: Positive | None = Field(None, description="加分上限 bonus in total")


class Reading(Sourced):
    """Another way to read the papers: a run says how many grades it would change."""

    set: dict[str, Any] = Field(min_length=1, description="改动 paths and their other values")


class RuleSet(_Table):
    """All rules of one method and edition."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="代号 name of the file")
    title_zh: str = Field(min_length=1, description="名称")
    title_en: str = Field(min_length=1, description="its name in English")
    edition: str = Field(min_length=1, description="版次 edition")
    source: str = Field(min_length=1, description="依据 papers")
    paper: str = Field("", description="所缺文件 paper that has what is left out")
    note: str = Field("", description="说明 what a reader should know")
    extends: str = Field("", description="沿用 rule set whose tables this one takes over")
    is_basis: bool = Field(False, description="仅供沿用 no method of its own, others extend it")
    valid_from: dt.date | None = Field(None, description="施行日期 first day in force")
    valid_to: dt.date | None = Field(None, description="失效日期 first day no more in force")
    grades: tuple[Grade, ...] = Field(min_length=2, description="档次 grades, the best first")
    industry_group: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="行业组 two-digit divisions of each group"
    )
    category: dict[str, CategoryRule] = Field(
        default_factory=dict, description="评价类别 categories"
    )
    fact: dict[str, FactRule] = Field(default_factory=dict, description="事实 facts")
    indicator: dict[str, IndicatorRule] = Field(default_factory=dict, description="指标 indicators")
    scoring: dict[str, ScoringRule] = Field(
        default_factory=dict, description="评分 scoring of a category"
    )
    grading: dict[str, GradingRule] = Field(
        default_factory=dict, description="定档 cuts of a category"
    )
    transitions: TransitionEffect = Field(
        default_factory=TransitionEffect,
        description="过渡期总则 what transitions have in common",
    )
    transition: dict[str, TransitionRule] = Field(
        default_factory=dict, description="过渡期 transitions"
    )
    adjust: AdjustRule = Field(default_factory=AdjustRule, description="总则 how rules go together")
    upgrade: dict[str, UpgradeRule] = Field(default_factory=dict, description="升档 upgrades")
    floor: dict[str, FloorRule] = Field(default_factory=dict, description="保档 floors")
    bonus: dict[str, BonusRule] = Field(default_factory=dict, description="加分 bonus points")
    veto: dict[str, VetoRule] = Field(default_factory=dict, description="一票否决 vetoes")
    use: dict[str, UseRule] = Field(default_factory=dict, description="结果应用 uses of grades")
    reading: dict[str, Reading] = Field(default_factory=dict, description="他解 other readings")

    def is_in_force(self, day: dt.date) -> bool:
        """Whether the rule set holds on a day; dates are half-open."""
        begun = self.valid_from is None or self.valid_from <= day
        return begun and (self.valid_to is None or day < self.valid_to)

    def fingerprint(self) -> str:
        """The whole rule set as canonical text: equal rule sets have equal texts."""
        return self.model_dump_json(exclude_defaults=True)

    def scale_of(self, category: str, *, has_above: bool) -> str:
        """The category whose scoring and cuts a unit has."""
        rule = self.category.get(category)
        if rule is None:
            return category
        as_above = rule.scored_as_above if has_above else ""
        return as_above or rule.scored_as or category

    def rules(self) -> Iterator[tuple[str, str, Sourced]]:
        """Every rule with its stage and id."""
        for stage in ("transition", "upgrade", "floor", "bonus", "veto", "use"):
            for name, rule in getattr(self, stage).items():
                yield stage, name, rule

    @property
    def years_back(self) -> int:
        """How many years before the data year its figures lie at most."""
        back = (1 if one.kind == "growth" else one.years_back for one in self.fact.values())
        return max(back, default=0)

    def papers(self) -> list[tuple[str, str]]:
        """What is left out, as paths, each with the paper that has it."""
        return [(path, paper or self.paper) for path, paper in _open_paths(self)]


def _open_paths(rules: RuleSet) -> Iterator[tuple[str, str]]:
    for category, scoring in rules.scoring.items():
        for name, item in scoring.item.items():
            path = f"scoring.{category}.item.{name}"
            paper = item.paper or scoring.paper
            if item.weight is None and scoring.mode != "rank_single":
                yield f"{path}.weight", paper
            if scoring.mode == "ratio_to_benchmark" and item.benchmark.is_open:
                yield f"{path}.benchmark", item.benchmark.paper or paper
        if not scoring.item:
            yield f"scoring.{category}.item", scoring.paper
    for category, grading in rules.grading.items():
        for grade in rules.grades[:-1]:
            cut = grading.cut.get(grade)
            if cut is None or cut.is_open:
                yield f"grading.{category}.cut.{grade}", (cut.paper if cut else "") or grading.paper
    for stage, name, rule in rules.rules():
        if isinstance(rule, UseRule) and rule.needs_rate and rule.rate is None:
            yield f"{stage}.{name}.rate", rule.paper
        elif getattr(rule, "is_open", False):
            yield f"{stage}.{name}", rule.paper
