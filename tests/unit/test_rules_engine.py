"""The evaluation by rules: published figures, both sides of every bound, and what must never happen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.domain.rules.engine import Outcome, Standards, evaluate, grade_units
from pipeline.domain.rules.facts import (
    FIGURE_COLUMNS,
    RECOGNITION_COLUMNS,
    TALENT_COLUMNS,
    UNIT_COLUMNS,
    Evidence,
    read_facts,
)
from pipeline.domain.rules.needed import needed_for
from pipeline.domain.rules.schema import RuleSet
from pipeline.domain.rules.transitions import EVENT_COLUMNS, find_transitions
from pipeline.rulebook import check_tables, load_rules, read_tables
from pipeline.steps.grade_units import graded

YEAR = 2024
MU = Decimal(2000) / 3
WAN = 10_000

# Cixi's rules with what is not published invented: the values of these tests alone.
INVENTED: dict[str, Any] = {
    "scoring.ABOVE.item.tax_per_mu.weight": 30,
    "scoring.ABOVE.item.value_added_per_mu.weight": 20,
    "scoring.ABOVE.item.value_added_per_energy.weight": 20,
    "scoring.ABOVE.item.value_added_per_emission.weight": 10,
    "scoring.ABOVE.item.productivity.weight": 10,
    "scoring.ABOVE.item.rd_share.weight": 10,
    "grading.ABOVE.cut.A.share": Decimal("0.2"),
    "grading.ABOVE.cut.B.share": Decimal("0.6"),
    "grading.ABOVE.cut.C.share": Decimal("0.95"),
    "scoring.BELOW_GE3.item.tax_per_mu": {"weight": 100, "benchmark": {"value": 10}},
    "grading.BELOW_GE3.cut.A.score": 90,
    "grading.BELOW_GE3.cut.B.score": 60,
    "grading.BELOW_GE3.cut.C.score": 30,
    "veto.CX-V1.when": [{"fact": "unsafe", "holds": True}],
    "fact.unsafe": {"kind": "recognition", "recognitions": ["veto_safety"]},
}


@cache
def whole_cixi() -> RuleSet:
    """Cixi's rules with invented weights and cuts."""
    return load_rules("cixi-4.0", changes=INVENTED)


def cixi(**changes: object) -> RuleSet:
    """The same with other values by their paths."""
    return load_rules("cixi-4.0", changes=INVENTED | changes) if changes else whole_cixi()


def firm(code: str = "a", **values: Any) -> dict[str, Any]:
    """One enterprise unit: figures in yuan by name, ``before`` for the year before, lists and persons."""
    return {"code": code, "land": 10 * MU, "category": "BELOW_GE3", **values}


def evidence(firms: Iterable[Mapping[str, Any]], *, year: int = YEAR) -> Evidence:
    """What is known of some enterprises."""
    units, figures, recognitions, talents = [], [], [], []
    for one in firms:
        code = f"E-{one['code']}"
        category = one["category"]
        land = one["land"]
        units.append(
            (
                code,
                "enterprise",
                category,
                one.get("state", "evaluated"),
                one.get("reason", "indicator"),
                None if land is None else round(Decimal(land), 4),
                category == "ABOVE" or one.get("has_above", False),
                one.get("industry", "3311"),
            )
        )
        for back, table in ((0, one.get("now", {})), (1, one.get("before", {}))):
            figures += [(code, name, year - back, Decimal(value)) for name, value in table.items()]
        for kind, *rest in one.get("lists", ()):
            level, first, last = [*rest, *[None] * (3 - len(rest))]
            recognitions.append(
                (code, one["code"], kind, level, first or dt.date(2020, 1, 1), last, kind)
            )
        for person, programme, level, selected in one.get("persons", ()):
            talents.append(
                (code, one["code"], person, programme, level, dt.date(selected, 6, 1), person)
            )
    return Evidence(
        year,
        dt.date(year + 1, 3, 1),
        pd.DataFrame(units, columns=list(UNIT_COLUMNS)),
        pd.DataFrame(figures, columns=list(FIGURE_COLUMNS)),
        pd.DataFrame(recognitions, columns=list(RECOGNITION_COLUMNS)),
        pd.DataFrame(talents, columns=list(TALENT_COLUMNS)),
    )


def result(rules: RuleSet, *firms: Mapping[str, Any]) -> Outcome:
    return evaluate(read_facts(rules, evidence(firms)))


def applied(outcome: Outcome, rule: str, place: int = 0) -> tuple[Any, Any] | None:
    """Before and after of a rule on one unit; None where it did not apply."""
    for one, before, after in outcome.of_unit(place):
        if one.rule == rule:
            return before, after
    return None


def bonus_of(outcome: Outcome, rule: str, place: int = 0) -> Decimal:
    found = applied(outcome, rule, place)
    return Decimal(0) if found is None else found[1] - found[0]


# --- published formulas ---------------------------------------------------------------------------


# so much land, in mu, that all figures at the benchmarks of 2022 are decimals with an end
HUANGYAN_MU = Decimal("4.5") * 449 * 164_327 * 907


def huangyan_firm() -> dict[str, Any]:
    """A firm exactly at the six benchmarks of 2022."""
    value_added = Decimal("136.16") * HUANGYAN_MU
    return firm(
        "h",
        category="ABOVE",
        land=HUANGYAN_MU / 3 * 2000,
        now={
            "tax": Decimal("24.097") * HUANGYAN_MU * WAN,
            "value_added": value_added * WAN,
            "energy": value_added / Decimal("2.694"),
            "cod": value_added / Decimal("4929.81"),
            "employees": value_added / Decimal("18.14"),
            "revenue": Decimal(10**8),
            "rd_expense": Decimal("0.0302") * 10**8,
        },
    )


def test_the_benchmark_firm_of_huangyan_scores_exactly_100():
    outcome = result(load_rules("huangyan-2022"), huangyan_firm())
    assert outcome.score[0] == 100
    points = {name: points[0] for name, points in outcome.points.items()}
    assert list(points.values()) == [30, 20, 20, 10, 10, 10]


def test_the_benchmark_firm_of_huangyan_below_size_scores_exactly_100():
    mu = Decimal("4.5") * 49
    one = firm(
        land=mu / 3 * 2000,
        now={
            "tax": Decimal("11.5932") * mu * WAN,
            "electricity": Decimal("11.5932") * mu / Decimal("0.2352") * WAN,
        },
    )
    assert result(load_rules("huangyan-2022"), one).score[0] == 100


def test_papers_that_are_missing_are_named_and_nothing_is_graded():
    rules = load_rules("huangyan-2022")
    outcome = result(rules, huangyan_firm())
    assert outcome.score[0] is not None
    assert outcome.initial[0] is None
    assert outcome.obstacle[0] == "rules_missing"
    assert ("grading.ABOVE.cut.A", "黄岩区评价办法（档次划分部分）") in rules.papers()
    bare = result(load_rules("cixi-4.0"), huangyan_firm())
    assert bare.score[0] is None
    assert bare.obstacle[0] == "rules_missing"
    # the part that is published goes on: 1.5 times the mean of those above size
    assert bare.standards.value("benchmark", "ABOVE", "tax_per_mu", "") == pytest.approx(
        Decimal("24.097") * Decimal("1.5"), abs=Decimal("1e-20")
    )


def test_a_firm_without_discharge_gets_the_mean_points_of_its_class():
    rules = load_rules("huangyan-2022")
    half = huangyan_firm() | {"code": "x"}
    half["now"] = half["now"] | {"cod": half["now"]["cod"] * 2}
    none = huangyan_firm() | {"code": "y"}
    none["now"] = {name: value for name, value in none["now"].items() if name != "cod"}
    outcome = result(rules, huangyan_firm(), half, none)
    points = outcome.points["value_added_per_emission"]
    assert points[2] == pytest.approx((points[0] + points[1]) / 2)
    assert list(outcome.lacking["value_added_per_emission"]) == [False, False, True]


def test_figures_of_cixi_news():
    # 545 000 and 276 000 万元 on 4 830.7 mu (docs/sources.md, 1.4)
    land = round(Decimal("4830.7") * 2000 / 3, 4)
    for tax, per_mu in ((545_000, "112.8"), (276_000, "57.1"), (1_205_000, "249.4")):
        one = firm(land=land, category="ABOVE", now={"tax": tax * WAN})
        value = result(cixi(), one).values["tax_per_mu"][0]
        assert f"{value:.3f}".startswith(per_mu)


def test_the_benchmark_of_tax_is_one_and_a_half_times_the_mean_of_those_above_size():
    firms = [
        firm("a", category="ABOVE", land=1000 * MU, now={"tax": 31_700 * WAN}),
        firm("b", category="ABOVE", land=None, now={"tax": 99_999 * WAN}),
        firm("c", category="BELOW_GE3", now={"tax": 9_999 * WAN}),
        firm("d", category="ABOVE", state="transition", now={"tax": 9_999 * WAN}),
    ]
    benchmark = result(cixi(), *firms).standards.value("benchmark", "ABOVE", "tax_per_mu", "")
    assert benchmark == pytest.approx(Decimal("47.55"), abs=Decimal("1e-6"))


# --- golden cases of docs/sources.md, CX ------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "lists", "persons", "rule"),
    [
        ({}, [("listed",)], [], "CX-U1"),
        ({"revenue": 40_000 * WAN, "tax_and_fees": 3_000 * WAN + 1}, [], [], "CX-U2"),
        (
            {},
            [],
            [("p", "recruit", "national", 2024), ("q", "recruit", "provincial", 2022)],
            "CX-U3",
        ),
    ],
)
def test_upgrades(now, lists, persons, rule):
    tax = {"tax": Decimal("6.5") * 10 * WAN}
    outcome = result(cixi(), firm(now=tax | now, lists=lists, persons=persons))
    assert outcome.initial[0] == "B"
    assert applied(outcome, rule) == ("B", "A")
    # who is A already stays there, and several reasons are one step
    both = firm(now={"tax": 10**7}, lists=[("listed",)])
    assert applied(result(cixi(), both), "CX-U1") == ("A", "A")


@pytest.mark.parametrize(
    ("now", "persons"),
    [
        ({"revenue": 40_000 * WAN, "tax_and_fees": 3_000 * WAN}, []),
        ({"revenue": 40_000 * WAN - 1, "tax_and_fees": 9_000 * WAN}, []),
        ({"revenue": 40_000 * WAN}, []),
        ({}, [("p", "recruit", "national", 2024)]),
        ({}, [("p", "recruit", "national", 2024), ("p", "recruit", "provincial", 2023)]),
        ({}, [("p", "recruit", "national", 2024), ("q", "recruit", "provincial", 2021)]),
        ({}, [("p", "recruit", "national", 2024), ("q", "recruit", "national", 2025)]),
        ({}, [("p", "train", "national", 2024), ("q", "train", "national", 2024)]),
        ({}, [("p", "recruit", "national", 2024), ("q", "train", "national", 2024)]),
        ({}, [("p", "yongjiang", "city", 2024), ("q", "yongjiang", "city", 2024)]),
    ],
)
def test_no_upgrade(now, persons):
    tax = {"tax": Decimal("6.5") * 10 * WAN}
    outcome = result(cixi(), firm(now=tax | now, persons=persons))
    assert not [one for one, *_ in outcome.of_unit(0) if one.stage == "upgrade"]


def test_several_reasons_are_one_step_and_a_reading_keeps_b_out_of_a():
    tax = {"tax": 4 * 10 * WAN, "revenue": 40_000 * WAN, "tax_and_fees": 3_001 * WAN}
    one = firm(now=tax, lists=[("listed",)])
    outcome = result(cixi(bonus={}, reading={}), one)
    assert (outcome.initial[0], outcome.grade[0]) == ("C", "B")
    assert applied(outcome, "CX-U1") == ("C", "B")
    assert applied(outcome, "CX-U2") == ("B", "B")
    never = {f"upgrade.CX-U{n}.best": "B" for n in (1, 2, 3)}
    listed = firm(now={"tax": Decimal("6.5") * 10 * WAN}, lists=[("listed",)])
    assert result(cixi(**never), listed).grade[0] == "B"


@pytest.mark.parametrize(
    ("investment", "floor", "points"),
    [
        (4_999 * WAN, False, 0),
        (5_000 * WAN - 1, False, 0),
        (5_000 * WAN, False, 5),
        (5_999 * WAN, False, 5),
        (9_999 * WAN, False, 9),
        (10_000 * WAN, True, 10),
        (12_000 * WAN, True, 10),
    ],
)
def test_investment(investment, floor, points):
    outcome = result(cixi(), firm(now={"tax": 1, "industrial_investment": investment}))
    assert outcome.initial[0] == "D"
    assert (applied(outcome, "CX-F1") == ("D", "B")) is floor
    assert bonus_of(outcome, "CX-P4") == points
    assert outcome.bonus[0] == points


DATA_YEAR_END = dt.date(YEAR, 12, 31)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        *[
            ((kind, None), True)
            for kind in (
                "neeq",
                "large_strong",
                "to_be_listed",
                "high_tech",
                "emergency_supplier",
                "farm_supply",
                "future_enterprise",
            )
        ],
        (("specialised", "city"), True),
        (("specialised", "provincial"), True),
        (("specialised", "county"), False),
        (("specialised", None), False),
        (("little_giant", "national"), True),
        (("first_set", "provincial"), True),
        (("first_set", "city"), False),
        # half-open: the day after the last one is the end
        (("first_set", "provincial", None, dt.date(YEAR + 1, 1, 1)), True),
        (("first_set", "provincial", None, DATA_YEAR_END), False),
        (("neeq", None, DATA_YEAR_END), True),
        (("neeq", None, dt.date(YEAR + 1, 1, 1)), False),
        (("tech_sme", None), False),
    ],
)
def test_lists_that_keep_a_grade(given, is_kept):
    outcome = result(cixi(), firm(now={"tax": 1}, lists=[given]))
    assert outcome.initial[0] == "D"
    assert outcome.grade[0] == ("C" if is_kept else "D")
    assert (applied(outcome, "CX-F2") is not None) is is_kept


@pytest.mark.parametrize(
    ("category", "tax", "is_kept"),
    [
        ("ABOVE", 8 * Decimal("4.5") * WAN, True),
        ("ABOVE", 8 * Decimal("4.5") * WAN - Decimal("0.01"), False),
        ("BELOW_GE3", 8 * Decimal("4.5") * WAN, False),
    ],
)
def test_eight_wan_of_tax_per_mu(category, tax, is_kept):
    rich = firm("r", category="ABOVE", now={"tax": 10**9, "value_added": 10**9})
    outcome = result(cixi(), firm(category=category, land=3000, now={"tax": tax}), rich)
    assert (applied(outcome, "CX-F3") is not None) is is_kept


@pytest.mark.parametrize(
    ("now", "before", "is_kept"),
    [
        (11_000 * WAN, 10_000 * WAN, True),
        (11_000 * WAN - 1, 10_000 * WAN, False),
        (10_000 * WAN, 9_000 * WAN, True),
        (10_000 * WAN - 1, 5_000 * WAN, False),
        (20_000 * WAN, 0, False),
        (20_000 * WAN, None, False),
    ],
)
def test_growth_of_ten_percent(now, before, is_kept):
    figures = {} if before is None else {"revenue": before}
    outcome = result(cixi(), firm(now={"tax": 1, "revenue": now}, before=figures))
    assert (applied(outcome, "CX-F4") is not None) is is_kept


@pytest.mark.parametrize(
    ("lists", "points"),
    [
        ([("top_10",)], 20),
        ([("top_20",)], 15),
        ([("top_100",)], 10),
        ([("top_100",), ("top_10",)], 20),
        ([("top_100",), ("top_20",)], 15),
        ([("champion",)], 0),
    ],
)
def test_top_lists(lists, points):
    assert bonus_of(result(cixi(), firm(now={"tax": 1}, lists=lists)), "CX-P1") == points


@pytest.mark.parametrize(
    ("revenue", "points"),
    [
        (9_999 * WAN, 0),
        (10_000 * WAN - Decimal("0.01"), 0),
        (10_000 * WAN, 2),
        (14_999 * WAN, 2),
        (15_000 * WAN, 3),
        (1_000_000 * WAN, 200),
    ],
)
def test_points_for_revenue(revenue, points):
    assert bonus_of(result(cixi(), firm(now={"tax": 1, "revenue": revenue})), "CX-P2") == points


def test_whether_p1_and_p2_add_up_is_a_reading():
    one = firm(now={"tax": 1, "revenue": 60_000 * WAN}, lists=[("top_100",)])
    assert result(cixi(), one).bonus[0] == 10 + 12
    assert result(cixi(**{"bonus.CX-P2.not_with": ["CX-P1"]}), one).bonus[0] == 12


@pytest.mark.parametrize(
    ("persons", "points"),
    [
        ([("p", "train", "national", 2024), ("q", "train", "national", 2023)], 10),
        ([("p", "train", "provincial", 2024)], 3),
        ([("p", "yongjiang", "city", 2024)], 1),
        ([("p", "recruit", "national", 2022)], 5),
        ([("p", "recruit", "national", 2021)], 0),
        ([("p", "recruit", "city", 2024)], 0),
        # each person once, at the highest
        ([("p", "recruit", "national", 2024), ("p", "yongjiang", "city", 2024)], 5),
        ([("p", "recruit", "national", 2024), ("q", "yongjiang", "city", 2024)], 6),
        ([(str(n), "train", "provincial", 2024) for n in range(4)], 10),
    ],
)
def test_points_for_persons(persons, points):
    above = firm(category="ABOVE", now={"tax": 1}, persons=persons)
    assert bonus_of(result(cixi(), above), "CX-P3") == points
    below = firm(now={"tax": 1}, persons=persons)
    assert bonus_of(result(cixi(), below), "CX-P3") == 0


def test_two_persons_of_training_programmes_earn_points_and_no_step():
    persons = [("p", "train", "national", 2024), ("q", "train", "provincial", 2024)]
    outcome = result(cixi(), firm(category="ABOVE", now={"tax": 1}, persons=persons))
    assert outcome.bonus[0] == 8
    assert applied(outcome, "CX-U3") is None


def test_a_veto_goes_before_a_floor():
    one = firm(now={"tax": 10**7}, lists=[("veto_safety",), ("high_tech",)])
    outcome = result(cixi(), one)
    assert (outcome.initial[0], outcome.grade[0]) == ("A", "D")
    assert applied(outcome, "CX-V1") == ("A", "D")
    order = ["score", "bonus", "grade", "upgrade", "veto", "floor"]
    assert result(cixi(**{"adjust.order": order}), one).grade[0] == "C"


# --- scoring ----------------------------------------------------------------------------------------


def test_points_end_at_the_weight_and_at_zero_and_the_ratio_is_kept():
    firms = [firm("a", now={"tax": 10**9}), firm("b", now={"tax": -(10**9)})]
    outcome = result(cixi(), *firms)
    assert list(outcome.score) == [100, 0]
    assert outcome.ratio["BELOW_GE3", "tax_per_mu"][0] > 100
    free = cixi(**{"scoring.BELOW_GE3.item.tax_per_mu.cap": "none"})
    assert result(free, *firms).score[0] > 10_000


def test_land_of_nothing_is_no_score_and_no_infinity():
    for land in (None, 0):
        outcome = result(cixi(), firm(land=land, now={"tax": 10**9}))
        assert outcome.score[0] is None
        assert outcome.grade[0] is None
        assert outcome.obstacle[0] == "area_missing"


def test_a_missing_figure_is_zero_and_told_or_no_score():
    some = firm(now={"revenue": 1})
    outcome = result(cixi(), some)
    assert outcome.score[0] == 0
    assert outcome.lacking["tax_per_mu"][0]
    strict = cixi(**{"scoring.BELOW_GE3.item.tax_per_mu.missing": "no_score"})
    outcome = result(strict, some)
    assert outcome.score[0] is None
    assert outcome.obstacle[0] == "figure_missing"


def test_who_has_no_figure_at_all_gets_no_score():
    """Nothing is known of it: it is not the worst."""
    for one in (firm(), firm(before={"tax": 1})):
        outcome = result(cixi(), one, firm("b", now={"tax": 10**6}))
        assert (outcome.score[0], outcome.grade[0]) == (None, None)
        assert outcome.obstacle[0] == "figure_missing"
        assert outcome.grade[1] is not None


def test_min_max_and_rank_single():
    firms = [firm(str(n), now={"tax": n * 10 * WAN}) for n in (0, 5, 10)]
    jingde = cixi(**{"scoring.BELOW_GE3.mode": "min_max"})
    assert list(result(jingde, *firms).score) == [20, 60, 100]
    jingning = cixi(
        **{
            "scoring.BELOW_GE3.mode": "rank_single",
            "grading.BELOW_GE3.cut": {
                "A": {"share": Decimal("0.34")},
                "B": {"share": Decimal("0.5")},
                "C": {"share": 1},
            },
        }
    )
    assert list(result(jingning, *firms).grade) == ["C", "C", "A"]
    assert list(result(jingde, firms[0]).score) == [100]


def test_benchmarks_by_industry():
    rules = cixi(
        **{"scoring.BELOW_GE3.item.tax_per_mu.benchmark": {"value": 10, "values": {"17": 5}}}
    )
    firms = [
        firm("a", industry="1711", now={"tax": 5 * 10 * WAN}),
        firm("b", industry="C3311", now={"tax": 5 * 10 * WAN}),
        firm("c", industry=None, now={"tax": 5 * 10 * WAN}),
    ]
    assert [round(score, 4) for score in result(rules, *firms).score] == [100, 50, 50]
    mean = cixi(**{"scoring.BELOW_GE3.item.tax_per_mu.benchmark": {"factor": 1, "per": "division"}})
    assert [round(score, 4) for score in result(mean, *firms).score] == [100, 100, 100]


# --- cuts -------------------------------------------------------------------------------------------


def shares(**cut: object) -> RuleSet:
    return cixi(
        **{"grading.BELOW_GE3.cut": {name: {"share": Decimal(str(v))} for name, v in cut.items()}}
    )


def test_shares_include_their_bound_and_ties_take_the_better_grade():
    rules = shares(A=0.2, B=0.6, C=0.9)
    scores = [90, 80, 70, 60, 50, 40, 30, 20, 10, 5]
    firms = [firm(str(n), now={"tax": n * 1000}) for n in scores]
    assert "".join(result(rules, *firms).grade) == "AABBBBCCCD"
    tied = [firm(str(n), now={"tax": max(n, 70) * 1000}) for n in scores]
    assert "".join(result(rules, *tied).grade) == "AABBBBBBBB"
    # two of ten are 20 %, two of nine are not
    assert "".join(result(rules, *firms[:9]).grade) == "ABBBBCCCD"


def test_units_in_transition_are_not_among_the_ranked():
    rules = shares(A=0.5, B=0.6, C=0.9)
    firms = [firm("a", now={"tax": 2000}), firm("b", now={"tax": 1000})]
    waiting = firm("t", state="transition", reason="in_transition", now={"tax": 9000})
    outcome = result(rules, *firms, waiting)
    assert list(outcome.grade) == ["A", "D", None]


def test_a_cut_by_value_stands_beside_cuts_by_share():
    rules = cixi(
        **{
            "grading.BELOW_GE3.cut": {
                "A": {"share": Decimal("0.5")},
                "B": {"share": Decimal("0.75")},
                "C": {"value": 2, "indicator": "tax_per_mu"},
            }
        }
    )
    land = Decimal(3000)
    per_mu = [9, 8, 3, Decimal(2), Decimal("1.9999")]
    firms = [
        firm(str(n), land=land, now={"tax": v * Decimal("4.5") * WAN}) for n, v in enumerate(per_mu)
    ]
    assert "".join(result(rules, *firms).grade) == "AABCD"


def test_one_unit_by_the_standards_of_all_gets_what_it_got_among_them():
    firms = [
        firm(
            str(n),
            category="ABOVE",
            now={"tax": n * 10**6, "value_added": n * 10**7, "employees": 9},
        )
        for n in range(1, 21)
    ]
    rules = cixi()
    whole = result(rules, *firms)
    kept = Standards.of_table(whole.standards.table())
    for place in (0, 7, 19):
        alone = grade_units(read_facts(rules, evidence([firms[place]])), kept)
        assert (alone.total[0], alone.initial[0]) == (whole.total[place], whole.initial[place])


# --- transition periods -----------------------------------------------------------------------------


def transition(
    events: Iterable[Mapping[str, Any]] = (),
    land: Iterable[tuple[str, str]] = (),
    *,
    firsts: Iterable[tuple[str, str, int]] = (),
    as_of: str = "2026-06-30",
    year: int = 2025,
    rules: RuleSet | None = None,
) -> dict[str, Any]:
    """Transitions by rule: the rows that the events lead to."""
    table = pd.DataFrame(
        [{"enterprise_code": "a", "event_no": str(n), **one} for n, one in enumerate(events)],
        columns=list(EVENT_COLUMNS),
        dtype=object,
    )
    found = find_transitions(
        rules or load_rules("cixi-4.0"),
        table,
        pd.DataFrame(
            [(*one, None) for one in firsts],
            columns=["enterprise_code", "kind", "first_year", "transition_end"],
        ),
        pd.DataFrame(list(land), columns=["enterprise_code", "parcel_code"]),
        as_of=dt.date.fromisoformat(as_of),
        data_year=year,
    )
    return {row["rule"]: row for row in found.to_dict("records")}


SUPPLY = {"kind": "supply", "parcel_code": "p"}


@pytest.mark.parametrize(
    ("contract", "is_in_force"),
    [("2022-01-01", True), ("2021-12-31", False), ("2026-06-30", True), ("2026-07-01", False)],
)
def test_54_months_to_the_day(contract, is_in_force):
    event = SUPPLY | {"contract_on": dt.date.fromisoformat(contract)}
    found = transition([event], [("a", "p")])
    assert set(found) == {"CX-T1"}
    row = found["CX-T1"]
    assert row["is_in_force"] == is_in_force
    assert row["is_upper_bound"]


def test_54_months_from_the_last_of_a_month_end_on_the_last_of_a_month():
    found = transition([SUPPLY | {"contract_on": dt.date(2021, 8, 31)}], [("a", "p")])
    assert found["CX-T1"]["valid_to"] == dt.date(2026, 2, 28)


def test_a_supplied_end_wins_within_the_bound_and_is_asked_beyond_it():
    event = SUPPLY | {"contract_on": dt.date(2024, 1, 1)}
    within = transition([event | {"transition_end": dt.date(2025, 1, 1)}], [("a", "p")])["CX-T1"]
    assert (within["valid_to"], within["is_in_force"]) == (dt.date(2025, 1, 1), False)
    assert not within["is_upper_bound"]
    beyond = transition([event | {"transition_end": dt.date(2030, 1, 1)}], [("a", "p")])["CX-T1"]
    assert (beyond["valid_to"], beyond["is_beyond_bound"]) == (dt.date(2028, 7, 1), True)
    decided = event | {"transition_end": dt.date(2030, 1, 1), "is_decided": True}
    row = transition([decided], [("a", "p")])["CX-T1"]
    assert (row["valid_to"], row["is_beyond_bound"]) == (dt.date(2030, 1, 1), False)


def test_the_start_is_the_contract_else_delivery_else_registration():
    days = {
        "contract_on": dt.date(2024, 1, 1),
        "delivered_on": dt.date(2024, 2, 1),
        "registered_on": dt.date(2024, 3, 1),
    }
    for gone, start in ((0, "2024-01-01"), (1, "2024-02-01"), (2, "2024-03-01")):
        event = SUPPLY | dict(list(days.items())[gone:])
        assert str(transition([event], [("a", "p")])["CX-T1"]["valid_from"]) == start
    assert transition([SUPPLY], [("a", "p")]) == {}


def test_new_land_of_one_that_has_land_is_deducted_for_36_months():
    event = SUPPLY | {"contract_on": dt.date(2023, 7, 1)}
    found = transition([event], [("a", "p"), ("a", "q")])
    assert set(found) == {"CX-T2"}
    assert found["CX-T2"]["takes"] == "land"
    assert found["CX-T2"]["is_in_force"]
    before = SUPPLY | {"contract_on": dt.date(2023, 6, 30)}
    assert not transition([before], [("a", "p"), ("a", "q")])["CX-T2"]["is_in_force"]


@pytest.mark.parametrize(
    ("day", "years"),
    [("2025-01-01", [2025]), ("2025-01-02", [2025, 2026]), ("2024-12-31", [2024, 2025])],
)
@pytest.mark.parametrize(
    ("kind", "rule"),
    [("transfer", "CX-T3a"), ("preregistered_transfer", "CX-T3b"), ("rebuild", "CX-T3c")],
)
def test_one_year_covers_the_data_years_that_it_overlaps(day, years, kind, rule):
    event = {"kind": kind, "parcel_code": "p", "occurred_on": dt.date.fromisoformat(day)}
    for year in range(2023, 2028):
        row = transition([event], [("a", "p")], year=year)[rule]
        assert row["is_in_force"] == (year in years)
        assert row["takes"] == "enterprise"


def test_bought_land_is_deducted_where_there_is_other_land_and_a_rebuild_is_not():
    event = {"kind": "transfer", "parcel_code": "p", "occurred_on": dt.date(2025, 5, 1)}
    assert set(transition([event], [("a", "p"), ("a", "q")])) == {"CX-T3d"}
    assert transition([event], [("a", "p"), ("a", "q")])["CX-T3d"]["takes"] == "land"
    rebuilt = event | {"kind": "rebuild"}
    assert transition([rebuilt], [("a", "p"), ("a", "q")])["CX-T3c"]["takes"] == "enterprise"


@pytest.mark.parametrize(
    ("kind", "rule", "years"),
    [("high_tech", "CX-T4", 3), ("strategic_startup", "CX-T5", 2), ("promoted", "CX-T6", 1)],
)
def test_first_recognitions_count_from_their_year(kind, rule, years):
    for first in range(2021, 2027):
        row = transition(firsts=[("a", kind, first)], year=2025)[rule]
        assert row["is_in_force"] == (first <= 2025 < first + years)


def test_the_last_day_of_the_data_year_may_be_the_day_that_counts():
    rules = load_rules("cixi-4.0", changes={"transitions.reference_day": "data_year_end"})
    event = SUPPLY | {"contract_on": dt.date(2021, 8, 1)}
    row = transition([event], [("a", "p")], rules=rules)["CX-T1"]
    assert row["valid_to"] == dt.date(2026, 2, 1)
    assert row["is_in_force"]
    assert not transition([event], [("a", "p")])["CX-T1"]["is_in_force"]


def test_new_foundation_is_a_condition_only_where_it_is_given():
    rules = load_rules("cixi-4.0", changes={"transition.CX-T1.founded_within_months": 12})
    event = SUPPLY | {"contract_on": dt.date(2024, 1, 1)}
    old = transition([event | {"registered_on": dt.date(2022, 12, 31)}], [("a", "p")], rules=rules)
    new = transition([event | {"registered_on": dt.date(2023, 1, 1)}], [("a", "p")], rules=rules)
    assert (set(old), set(new)) == (set(), {"CX-T1"})


def test_transition_may_be_a_floor():
    rules = cixi(**{"transitions.effect": "floor", "transitions.not_below": "C"})
    outcome = result(rules, firm(now={"tax": 1}, reason="in_transition"))
    assert applied(outcome, "transitions") == ("D", "C")
    assert outcome.grade[0] == "C"


# --- beside official results --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("official_score", "official_grade", "parts_at"),
    [
        # the computed score is 65: B by the cut, A by the upgrade
        ("65.0", "A", None),
        ("65.0", "B", "CX-U1"),
        ("65.04", "B", "score"),
        ("65", "C", "cut"),
        (None, "B", "CX-U1"),
        (None, "D", "cut"),
        ("65.0", None, None),
    ],
)
def test_where_computed_and_official_part(official_score, official_grade, parts_at):
    one = firm(land=3000, now={"tax": Decimal("6.5") * Decimal("4.5") * WAN}, lists=[("listed",)])
    said = pd.DataFrame(
        [
            (
                "E-a",
                None if official_score is None else Decimal(official_score),
                official_grade,
                "x",
                None,
            )
        ],
        columns=["unit_code", "official_score", "official_grade", "edition", "decided_grade"],
    )
    table = graded(result(cixi(), one), said)
    assert table["computed_score"].iloc[0] == 65
    assert table["parts_at"].iloc[0] == parts_at


# --- dates of rules -----------------------------------------------------------------------------------


def test_rules_are_in_force_from_their_first_day_to_the_day_before_their_last():
    day = dt.date(YEAR + 1, 3, 1)
    one = firm(now={"tax": Decimal("6.5") * 10 * WAN}, lists=[("listed",)])
    for first, last, applies in (
        (day, None, True),
        (day + dt.timedelta(1), None, False),
        (None, day, False),
        (None, day + dt.timedelta(1), True),
    ):
        dates = {"valid_from": first, "valid_to": last}
        rules = cixi(**{f"upgrade.CX-U1.{k}": v for k, v in dates.items() if v is not None})
        assert (applied(result(rules, one), "CX-U1") is not None) is applies


def test_a_rule_set_or_a_table_that_is_not_in_force_grades_nothing():
    day = dt.date(YEAR + 1, 3, 1)
    one = firm(now={"tax": 10**6})
    event = SUPPLY | {"contract_on": dt.date(2024, 1, 1)}
    for path, obstacle in (
        ("valid_to", "rules_not_in_force"),
        ("scoring.BELOW_GE3.valid_to", "rules_missing"),
        ("grading.BELOW_GE3.valid_to", "rules_missing"),
    ):
        before, after = (result(cixi(**{path: d}), one) for d in (day + dt.timedelta(1), day))
        assert before.grade[0] is not None
        assert (after.grade[0], after.obstacle[0]) == (None, obstacle)
    old = load_rules("cixi-4.0", changes={"valid_to": dt.date(2026, 6, 30)})
    assert transition([event], [("a", "p")], rules=old) == {}


def test_dates_where_they_have_no_effect_are_refused():
    _, problems = check_tables(
        read_tables("cixi-4.0") | {"adjust": {"valid_from": dt.date(2024, 1, 1)}}
    )
    assert [problem[:2] for problem in problems] == [("adjust", "rules.dates_misplaced")]


# --- what must never happen ---------------------------------------------------------------------------

amounts = st.integers(min_value=-(10**9), max_value=10**11)


@st.composite
def counties(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few enterprises of both sizes with figures, lists and persons."""
    kinds = ["listed", "high_tech", "top_10", "top_100", "neeq", "veto_safety"]
    firms = []
    for number in range(draw(st.integers(2, 8))):
        names = ["tax", "value_added", "revenue", "rd_expense", "energy", "cod", "employees"]
        names += ["industrial_investment", "tax_and_fees"]
        now = {name: draw(amounts) for name in names if draw(st.booleans())}
        now.setdefault("tax", draw(amounts))
        firms.append(
            firm(
                str(number),
                category=draw(st.sampled_from(["ABOVE", "BELOW_GE3", "BELOW_LT3"])),
                land=draw(st.integers(1, 10**6)),
                now=now,
                lists=[
                    (kind,)
                    for kind in draw(st.lists(st.sampled_from(kinds), max_size=2, unique=True))
                ],
            )
        )
    return firms


def place_of(outcome: Outcome, column: Any, place: int) -> int:
    return outcome.rules.grades.index(column[place])


@settings(max_examples=200, deadline=None)
@given(firms=counties(), more=st.integers(1, 10**10), data=st.data())
def test_more_tax_never_lowers_a_score(firms, more, data):
    rules = cixi()
    chosen = data.draw(st.integers(0, len(firms) - 1))
    # a mean of less than nothing is no benchmark: the others' tax is not negative together
    others = [one["now"]["tax"] for one in firms if one["category"] == "ABOVE"]
    if firms[chosen]["category"] == "ABOVE":
        assume(sum(others) >= firms[chosen]["now"]["tax"])
    before = result(rules, *firms)
    richer = [dict(one) for one in firms]
    richer[chosen]["now"] = firms[chosen]["now"] | {"tax": firms[chosen]["now"]["tax"] + more}
    after = result(rules, *richer)
    assert after.score[chosen] >= before.score[chosen]


@settings(max_examples=200, deadline=None)
@given(firms=counties())
def test_a_floor_never_lowers_a_grade_and_an_upgrade_never_moves_down(firms):
    outcome = result(cixi(), *firms)
    order = outcome.rules.grades.index
    for place in range(len(firms)):
        for one, before, after in outcome.of_unit(place):
            if one.stage in {"floor", "upgrade"}:
                assert order(after) <= order(before)
            if one.stage == "veto":
                assert order(after) >= order(before)


@settings(max_examples=100, deadline=None)
@given(firms=counties(), seed=st.randoms(use_true_random=False))
def test_the_order_of_enterprises_does_not_matter(firms, seed):
    rules = cixi()
    outcome = result(rules, *firms)
    mixed = list(firms)
    seed.shuffle(mixed)
    other = result(rules, *mixed)

    def by_code(out: Outcome) -> dict[str, Any]:
        return {
            code: (out.total[n], out.grade[n])
            for n, code in enumerate(out.facts.evidence.units["unit_code"])
        }

    assert by_code(outcome) == by_code(other)


@settings(max_examples=100, deadline=None)
@given(firms=counties())
def test_what_is_needed_is_enough_and_no_more(firms):
    """The figure that is told gives the better grade by the same standards; a hundredth less does not."""
    rules = cixi()
    outcome = result(rules, *firms)
    for place, one in enumerate(firms):
        for needed in needed_for(outcome, place):
            for figure in needed["figures"]:
                for less, is_reached in ((Decimal(0), True), (Decimal("0.01"), False)):
                    now = dict(one["now"])
                    now[figure["figure"]] += Decimal(figure["more"]) - less
                    other = read_facts(rules, evidence([one | {"now": now}]))
                    score = grade_units(other, outcome.standards).score[0]
                    assert (score + outcome.bonus[place] >= Decimal(needed["cut"])) is is_reached


def test_what_is_needed_tells_the_conditions_that_do_not_hold():
    one = firm(now={"tax": 1, "revenue": 40_000 * WAN, "tax_and_fees": 3_000 * WAN})
    outcome = result(cixi(), one)
    (to_c, to_b, to_a) = needed_for(outcome, 0)
    assert [row["grade"] for row in (to_c, to_b, to_a)] == ["C", "B", "A"]
    lacks = {row["rule"]: row["lacks"] for row in to_c["rules"]}
    assert lacks["CX-U2"] == [
        {"fact": "tax_and_fees", "sign": ">", "bound": "30000000", "has": "30000000"}
    ]
    assert lacks["CX-U1"] == [{"fact": "listed", "sign": "is", "bound": True, "has": False}]
    assert len(lacks["CX-F2"][0]["any"]) == 9
    assert {row["rule"] for row in to_b["rules"]} == {"CX-F1"}
    assert to_a["rules"] == []


@settings(max_examples=100, deadline=None)
@given(firms=counties())
def test_the_trace_leads_from_the_first_grade_to_the_last(firms):
    outcome = result(cixi(), *firms)
    for place in range(len(firms)):
        grade: Any = None
        points = Decimal(0)
        bonus = Decimal(0)
        for one, before, after in outcome.of_unit(place):
            if one.stage == "score":
                points += after
            elif one.stage == "bonus":
                assert before == bonus
                bonus = after
            elif one.stage == "grade":
                points = points.quantize(Decimal(1).scaleb(-20))
                assert before == points + bonus
                grade = after
            else:
                assert before == grade
                grade = after
        assert (points, bonus, grade) == (
            outcome.score[place],
            outcome.bonus[place],
            outcome.grade[place],
        )
