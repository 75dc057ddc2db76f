"""What the generator plants for rules of evaluation, held against the decision tables by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from pipeline._paths import data_path
from pipeline.demo.generator.cover import read_base
from pipeline.demo.generator.economy import begin
from pipeline.demo.generator.land import Land
from pipeline.demo.generator.nights import next_night
from pipeline.demo.generator.rule_truth import rule_cases
from pipeline.demo.generator.rules import CASES, plant_rules
from pipeline.feeds.contracts import load_contracts
from pipeline.feeds.headings import normalise_heading

# docs/sources.md, CX, read by a person: rule, case, what it comes to (None: it does not apply).
EXPECTED = [
    ("CX-U1", "listed, without an end", True),
    ("CX-U1", "listed until the last day of the data year", True),
    ("CX-U1", "listed until the day before it", None),
    ("CX-U2", "revenue 4 亿, taxes and fees 3000 万", None),
    ("CX-U2", "revenue 4 亿, taxes and fees 3000.01 万", True),
    ("CX-U2", "revenue 3.9999 亿, taxes and fees 5000 万", None),
    ("CX-U2", "revenue 5 亿, taxes and fees not known", None),
    ("CX-P2", "revenue 4 亿, taxes and fees 3000 万", 8),
    ("CX-P2", "revenue 3.9999 亿, taxes and fees 5000 万", 7),
    ("CX-U3", "two recruits", True),
    ("CX-P3", "two recruits", 8),
    ("CX-U3", "one recruit and one trained", None),
    ("CX-P3", "one recruit and one trained", 8),
    ("CX-U3", "two trained", None),
    ("CX-P3", "two trained", 8),
    ("CX-U3", "a recruit and one a year too early", None),
    ("CX-P3", "a recruit and one a year too early", 5),
    ("CX-U3", "one person at two levels", None),
    ("CX-P3", "one person at two levels", 5),
    ("CX-P3", "one of Yongjiang", 1),
    ("CX-P3", "three of the nation, 15 points cut to 10", 10),
    ("CX-P3", "one person in two programmes", 3),
    ("CX-U3", "two recruits, below scale", True),
    ("CX-P3", "two recruits, below scale", None),
    ("CX-U3", "two recruits of the city", None),
    ("CX-U3", "a recruit and one after the data year", None),
    ("CX-U3", "two recruits on the first day of three years", True),
    ("CX-U3", "two recruits on the day before it", None),
    ("CX-F1", "industrial investment 9999 万", None),
    ("CX-F1", "industrial investment 10000 万", True),
    ("CX-P4", "industrial investment 4999 万", None),
    ("CX-P4", "industrial investment 5000 万", 5),
    ("CX-P4", "industrial investment 5999.99 万", 5),
    ("CX-P4", "industrial investment 9999 万", 9),
    ("CX-P4", "industrial investment 10000 万", 10),
    ("CX-P4", "industrial investment 12000 万", 10),
    ("CX-F2", "首台（套）产品 国家级 until 2025-12-31", True),
    ("CX-F2", "首台（套）产品 市级 until 2026-05-06", None),
    ("CX-F2", "专精特新中小企业 宁波市级 until 2025-12-31", True),
    ("CX-F2", "专精特新中小企业 区级 until 2026-05-06", None),
    ("CX-F2", "新三板挂牌 from the day after the data year", None),
    ("CX-F2", "环保否决 against a floor", True),
    ("CX-F2", "listed, without an end", None),
    ("CX-F3", "tax per mu exactly 8 万", True),
    ("CX-F3", "tax per mu 1 yuan below 8 万", None),
    ("CX-F3", "tax per mu 1 yuan above 8 万", True),
    ("CX-F3", "tax per mu exactly 8 万, below scale", None),
    ("CX-F4", "growth of exactly 10 %", True),
    ("CX-F4", "growth of 9.99 %", None),
    ("CX-F4", "grown, but below 1 亿", None),
    ("CX-F4", "grown to exactly 1 亿", True),
    ("CX-F4", "nothing the year before", None),
    ("CX-F4", "revenue of the year before not known", None),
    ("CX-P2", "grown, but below 1 亿", None),
    ("CX-P2", "grown to exactly 1 亿", 2),
    ("CX-P2", "shrunk", 2),
    ("CX-P2", "nothing the year before", 3),
    ("CX-P1", "十强企业", 20),
    ("CX-P1", "二十强企业", 15),
    ("CX-P1", "百强企业", 10),
    ("CX-P1", "二十强企业、百强企业", 15),
    ("CX-P1", "十强企业、二十强企业、百强企业", 20),
    ("CX-P1", "十强企业 of the year before", None),
    ("CX-T1", "supply, contract 54 months ago", None),
    ("CX-T1", "supply, contract a day less than 54 months ago", True),
    ("CX-T1", "supply, contract 55 months ago, delivered later", None),
    ("CX-T1", "supply, delivered 53 months ago", True),
    ("CX-T1", "supply, the last day granted is this one", True),
    ("CX-T1", "supply, the last day granted was yesterday", None),
    ("CX-T1", "supply, granted beyond the bound, which is over", None),
    ("CX-T1", "supply, granted beyond the bound, which is not over", True),
    ("CX-T2", "supply of a second parcel 36 months ago", None),
    ("CX-T3a", "二级市场转让 11 months ago", True),
    ("CX-T3a", "二级市场转让 13 months ago", True),
    ("CX-T3a", "转让 whose twelve months end with the year before", None),
    ("CX-T3a", "转让 whose twelve months end on the first day of the data year", True),
    ("CX-T3a", "转让 on the last day of the data year", True),
    ("CX-T3a", "转让 on the day after the data year", None),
    ("CX-T3b", "预告登记转让 12 months ago", True),
    ("CX-T3c", "厂房全部拆除重建 12 months ago", True),
    ("CX-T3c", "厂房拆除重建 of one with other land, as a whole", True),
    ("CX-T4", "国家高新技术企业 first in the data year", True),
    ("CX-T4", "国家高新技术企业 first two years ago", True),
    ("CX-T4", "国家高新技术企业 first three years ago", None),
    ("CX-T4", "国家高新技术企业 renewed, first four years ago", None),
    ("CX-T4", "国家高新技术企业 first after the data year", None),
    ("CX-T5", "初创型企业 first 2025", True),
    ("CX-T5", "初创型企业 first 2024", True),
    ("CX-T5", "初创型企业 first 2023", None),
    ("CX-T6", "升规 in 2025", True),
    ("CX-T6", "升规 in 2024", None),
    ("CX-V1", "安全生产否决", True),
    ("CX-V1", "环保否决 against a floor", True),
    ("CX-V1", "税务否决 that is over", None),
]


@pytest.fixture(scope="module")
def county():
    land = Land(scale=0.05, seed=7)
    base = read_base(land, lambda chunk: None)
    return land, base, plant_rules(land, begin(land, base))


@pytest.fixture(scope="module")
def cases(county) -> pd.DataFrame:
    return rule_cases(county[2]).set_index(["rule", "note"])


def test_every_case_finds_an_enterprise_of_its_own(county) -> None:
    planted = county[2].rule_records.planted
    assert len({case.note for case in CASES}) == len(CASES)
    assert [one.case for one in planted] == list(CASES)
    assert len({one.enterprise for one in planted}) == len(CASES)


@pytest.mark.parametrize(("rule", "note", "worth"), EXPECTED)
def test_what_follows_is_what_the_tables_say(cases, rule: str, note: str, worth) -> None:
    said = cases.loc[(rule, note)]
    assert said["applies"] == (worth is not None)
    if worth is None or worth is True:
        assert pd.isna(said["amount"])
    else:
        assert said["amount"] == worth


def test_every_list_counts_and_ends(cases) -> None:
    floors = cases.loc["CX-F2"]
    for end, applies in ((" holds", True), (" ended a day before the bound", False)):
        found = floors[floors.index.str.endswith(end)]
        assert len(found) == 10
        assert (found["applies"] == applies).all()


def test_land_that_is_taken_from_the_area_is_that_of_the_second_parcel(county, cases) -> None:
    state = county[2]
    parcels = {one.case.note: one.parcels for one in state.rule_records.planted}
    for rule, note in (
        ("CX-T2", "supply of a second parcel a day less than 36 months ago"),
        ("CX-T3d", "二手转让 of one with other land, taken from the area"),
    ):
        said, (_, second) = cases.loc[(rule, note)], parcels[note]
        assert said["applies"]
        assert said["amount"] == state.parcels["official_m2"][second]
        # the rest is graded
        assert ("CX-U1", note) in cases.index


def test_one_in_transition_has_no_other_rule(cases) -> None:
    by_note = cases.reset_index().groupby("note")
    for _, rows in by_note:
        whole = rows[rows["rule"].str.startswith("CX-T") & rows["applies"] & rows["amount"].isna()]
        assert len(whole) == 0 or rows["rule"].str.startswith("CX-T").all()


def test_every_kind_of_event_and_title_is_one_of_the_contracts() -> None:
    contracts = load_contracts(data_path("config", "sources.toml"))

    def listed(feed: str, column: str) -> set[str]:
        return {normalise_heading(word) for word in contracts[feed].columns[column].codes}

    titles = [title for case in CASES for title in case.titles]
    assert {normalise_heading(title.kind) for title in titles} <= listed("recognition", "kind")
    assert {normalise_heading(t.level) for t in titles if t.level} <= listed("recognition", "level")
    events = {normalise_heading(case.event.kind) for case in CASES if case.event is not None}
    assert events <= listed("land_event", "kind")
    persons = [person for case in CASES for person in case.persons]
    assert {normalise_heading(one.programme) for one in persons} == {
        "引才工程",
        "人才培养工程",
        "甬江人才工程",
    }
    assert {normalise_heading(one.level) for one in persons} <= listed("talent", "level")
    # what transitions of units rest on now is planted elsewhere
    assert "过渡期" not in {title.kind for title in titles}


def test_a_night_keeps_the_cases_whose_land_is_as_it_was(county) -> None:
    land, base, state = county
    after = next_night(land, base, state, 1)
    before, later = rule_cases(state), rule_cases(after)
    firms, firms_later = set(before["enterprise_code"]), set(later["enterprise_code"])
    assert firms_later < firms
    assert len(firms_later) > 0.9 * len(firms)
    key = ["enterprise_code", "rule"]
    both = before.merge(later, on=key, suffixes=("", "_later"))
    # a transition that ends on the day is over on the next
    changed = both[both["applies"] != both["applies_later"]]
    assert set(changed["note"]) <= {
        "supply, contract a day less than 54 months ago",
        "supply, the last day granted is this one",
        "supply of a second parcel a day less than 36 months ago",
    }
