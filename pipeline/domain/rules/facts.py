"""Facts of units: what conditions and indicators of a rule set speak of, column by column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.domain.rules.exact import (
    ZERO,
    Column,
    Mask,
    empty,
    exactly,
    known,
    quotient,
    sum_of,
    times,
)
from pipeline.domain.rules.schema import (
    MU_PER_M2,
    UNIT_SCALE,
    FactRule,
    IndicatorRule,
    PersonPoints,
    RuleSet,
)

UNIT_COLUMNS: Final = (
    "unit_code",
    "kind",
    "eval_category",
    "eval_state",
    "state_reason",
    "eval_area_m2",
    "has_above",
    "industry_code",
)
FIGURE_COLUMNS: Final = ("unit_code", "indicator", "of_year", "value")
RECOGNITION_COLUMNS: Final = (
    "unit_code",
    "enterprise_code",
    "kind",
    "level",
    "valid_from",
    "valid_to",
    "record_key",
)
TALENT_COLUMNS: Final = (
    "unit_code",
    "enterprise_code",
    "person_no",
    "programme",
    "level",
    "selected_on",
    "record_key",
)


@dataclass(frozen=True)
class Evidence:
    """What is known of the units of one data year.

    ``units``: UNIT_COLUMNS, one row each. ``figures``: FIGURE_COLUMNS, sums over the members.
    ``recognitions``, ``talents``: RECOGNITION_COLUMNS and TALENT_COLUMNS, one row per record of a
    member. Money in yuan, land in m2, as exact decimals; dates half-open.
    """

    data_year: int
    as_of: dt.date
    units: pd.DataFrame
    figures: pd.DataFrame
    recognitions: pd.DataFrame
    talents: pd.DataFrame


@dataclass
class Facts:
    """Columns by the name of the fact, and which records each comes from."""

    rules: RuleSet
    evidence: Evidence
    column: dict[str, Column] = field(default_factory=dict)
    unit: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.evidence.units)

    def group(self, per: str) -> Column:
        """The group of each unit: '' for the whole county."""
        if per == "county":
            return np.full(self.size, "", dtype=object)
        division = self.column["industry_division"]
        if per == "division":
            return division
        of_division = {
            one: name for name, divisions in self.rules.industry_group.items() for one in divisions
        }
        return np.array([of_division.get(one, "") for one in division], dtype=object)

    def in_unit(self, name: str, unit: str) -> Column:
        """A fact in a unit that measures the same."""
        column = self.column[name]
        return column if unit in {"", self.unit[name]} else converted(column, self.unit[name], unit)


def converted(column: Column, own: str, unit: str) -> Column:
    """Values in another unit; land exactly, as 1 mu is 2000/3 m2."""
    if own == "m2" and unit == "mu":
        return times(column, MU_PER_M2)
    _, have = UNIT_SCALE[own]
    _, want = UNIT_SCALE[unit]
    return times(column, have / want)


def bound_in(value: Decimal, unit: str, own: str) -> Decimal:
    """A bound of a rule in the unit of its fact, where that is exact."""
    if unit in {"", own}:
        return value
    return value * UNIT_SCALE[unit][1] / UNIT_SCALE[own][1]


def read_facts(rules: RuleSet, evidence: Evidence) -> Facts:
    """Compute every fact of a rule set for every unit.

    Shape:  the rule set and the evidence on n units in; one column of n values per fact out, None
            where nothing is known; facts of yes and no are never None.
    Units:  yuan, m2, mu for ``land_mu``, as the figures come; counts of persons.
    CRS:    none (no geometry).
    Errors: KeyError on a unit that measures something else (``rules.problems`` finds it first).
    Source: docs/how-to-write-rules.md; docs/sources.md, 1.4, CX.
    """
    units = evidence.units
    facts = Facts(rules, evidence)
    place = pd.Index(units["unit_code"])
    land = units["eval_area_m2"].to_numpy(dtype=object)
    own: dict[str, tuple[Any, str]] = {
        "land": (land, "m2"),
        "land_mu": (times(land, MU_PER_M2), "mu"),
        "is_above": (units["has_above"].to_numpy(dtype=bool).astype(object), ""),
        "in_transition": (
            (units["state_reason"] == "in_transition").to_numpy(dtype=bool).astype(object),
            "",
        ),
        "category": (units["eval_category"].to_numpy(dtype=object), ""),
        "industry_division": (
            units["industry_code"]
            .fillna("")
            .str.extract(r"^[A-Z]?(\d{2})", expand=False)
            .fillna("")
            .to_numpy(dtype=object),
            "",
        ),
    }
    for name, (column, unit) in own.items():
        facts.column[name], facts.unit[name] = column, unit
    with exactly():
        # indicators may stand on facts, and facts on indicators
        for name, rule in rules.fact.items():
            if rule.kind != "indicator":
                facts.column[name] = _fact(rule, evidence, place)
                facts.unit[name] = _unit_of(rule)
        for name, indicator in rules.indicator.items():
            facts.column[_value(name)] = _ratio(facts, indicator)
            facts.unit[_value(name)] = ""
        for name, rule in rules.fact.items():
            if rule.kind == "indicator":
                facts.column[name] = facts.column[_value(rule.indicator)]
                facts.unit[name] = ""
    return facts


def _value(indicator: str) -> str:
    return f"indicator:{indicator}"


def indicator_values(facts: Facts, indicator: str) -> Column:
    """The values of an indicator, unit by unit."""
    return facts.column[_value(indicator)]


def _unit_of(rule: FactRule) -> str:
    if rule.kind == "figure":
        return rule.unit
    return "person" if rule.kind == "persons" else ""


def _fact(rule: FactRule, evidence: Evidence, place: pd.Index[Any]) -> Column:
    if rule.kind == "figure":
        return _figure(evidence, place, rule.figure, rule.years_back)
    if rule.kind == "growth":
        now = _figure(evidence, place, rule.figure, 0)
        before = _figure(evidence, place, rule.figure, 1)
        share = quotient(now, before)
        ok = known(share)
        share[ok] = share[ok] - 1
        return share
    if rule.kind == "recognition":
        chosen = recognitions_in_force(evidence, rule.recognitions, rule.levels)
        has = np.zeros(len(place), dtype=bool)
        has[_rows(place, chosen["unit_code"])] = True
        return has.astype(object)
    persons = selected_persons(evidence, rule.programmes, rule.levels, rule.years)
    counted = persons.drop_duplicates(["unit_code", "person_no"])["unit_code"].value_counts()
    return np.array([Decimal(int(n)) for n in counted.reindex(place, fill_value=0)], dtype=object)


def _rows(place: pd.Index[Any], units: Iterable[Any]) -> Any:  # noqa: ANN401 - an index array
    """Where units stand; units that are not asked about are left out."""
    found = place.get_indexer(pd.Index(units))
    return found[found >= 0]


def _figure(evidence: Evidence, place: pd.Index[Any], figure: str, years_back: int) -> Column:
    table = evidence.figures
    chosen = table[
        (table["indicator"] == figure) & (table["of_year"] == evidence.data_year - years_back)
    ]
    column = empty(len(place))
    at = place.get_indexer(pd.Index(chosen["unit_code"]))
    column[at[at >= 0]] = chosen["value"].to_numpy(dtype=object)[at >= 0]
    return column


def reference_day(evidence: Evidence) -> dt.date:
    """The day on which a recognition must be in force: the last of the data year."""
    return dt.date(evidence.data_year, 12, 31)


def recognitions_in_force(
    evidence: Evidence, kinds: Iterable[str], levels: Iterable[str]
) -> pd.DataFrame:
    """Recognitions of these kinds and levels that hold on the last day of the data year.

    Shape:  the evidence in; its rows out. No levels: any.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: default chosen, as no paper says on which day a list counts.
    """
    table = evidence.recognitions
    wanted = table["kind"].isin(list(kinds))
    if tuple(levels):
        wanted &= table["level"].isin(list(levels))
    table = table.loc[wanted]
    day = reference_day(evidence)
    begun = np.array([one <= day for one in table["valid_from"]], dtype=bool)
    lasts = np.array([pd.isna(one) or day < one for one in table["valid_to"]], dtype=bool)
    found: pd.DataFrame = table.loc[begun & lasts]
    return found


def selected_persons(
    evidence: Evidence, programmes: Iterable[str], levels: Iterable[str], years: int
) -> pd.DataFrame:
    """Persons selected for these programmes in the last years, the data year among them.

    Shape:  the evidence in; its rows out. No levels: any.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, CX (近三年: the data year and the two before, default chosen).
    """
    table = evidence.talents
    wanted = table["programme"].isin(list(programmes))
    if tuple(levels):
        wanted &= table["level"].isin(list(levels))
    table = table[wanted]
    year = np.array([one.year for one in table["selected_on"]], dtype=int)
    return table.loc[(year <= evidence.data_year) & (year > evidence.data_year - years)]


def person_points(
    evidence: Evidence, rules: Iterable[PersonPoints], years: int, units: pd.Series[str]
) -> Column:
    """Points of each unit for its persons, each of whom counts once, at the highest."""
    points = []
    for rule in rules:
        persons = selected_persons(evidence, rule.programmes, rule.levels, years)
        earned = pd.Series(np.full(len(persons), rule.points, dtype=object), persons.index)
        points.append(persons[["unit_code", "person_no"]].assign(points=earned))
    column = np.full(len(units), ZERO, dtype=object)
    if not points:
        return column
    table = pd.concat(points, ignore_index=True)
    if table.empty:
        return column
    best = table.groupby(["unit_code", "person_no"])["points"].max()
    total = best.groupby("unit_code").sum()
    place = pd.Index(units)
    at = place.get_indexer(total.index)
    column[at[at >= 0]] = total.to_numpy(dtype=object)[at >= 0]
    return column


def _ratio(facts: Facts, rule: IndicatorRule) -> Column:
    upper = _sum_in(facts, rule.numerator, rule.numerator_unit)
    if not rule.denominator:
        return upper
    return quotient(upper, _sum_in(facts, rule.denominator, rule.denominator_unit))


def _sum_in(facts: Facts, names: Iterable[str], unit: str) -> Column:
    return sum_of([facts.in_unit(name, unit) for name in names])


def parts_of(facts: Facts, rule: IndicatorRule) -> tuple[Column, Column | None]:
    """Numerator and denominator of an indicator, for means over many units."""
    with exactly():
        upper = _sum_in(facts, rule.numerator, rule.numerator_unit)
        if not rule.denominator:
            return upper, None
        return upper, _sum_in(facts, rule.denominator, rule.denominator_unit)


def evaluated(evidence: Evidence) -> Mask:
    """Which units are evaluated: those in transition, excluded or without data are not."""
    return (evidence.units["eval_state"] == "evaluated").to_numpy(dtype=bool)


def has_figures(evidence: Evidence) -> Mask:
    """Which units have any figure of the data year."""
    figures = evidence.figures
    known_units = set(figures.loc[figures["of_year"] == evidence.data_year, "unit_code"])
    return evidence.units["unit_code"].isin(known_units).to_numpy(dtype=bool)
