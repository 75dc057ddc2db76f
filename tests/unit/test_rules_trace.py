"""The trace of units as plain data."""

from __future__ import annotations

import datetime as dt
import json
import time
from decimal import Decimal

import pandas as pd
import pytest

from pipeline.domain.rules.engine import evaluate
from pipeline.domain.rules.facts import read_facts
from pipeline.domain.rules.trace import FIGURE_RECORD_COLUMNS, plain, trace_of
from tests.unit.test_rules_engine import MU, WAN, YEAR, cixi, evidence, firm


def _records(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(FIGURE_RECORD_COLUMNS))


def test_each_rule_tells_what_it_saw_and_where_it_comes_from() -> None:
    rules = cixi()
    firms = [
        firm("a", land="6666.6667", now={"tax": 100 * WAN}, lists=[("veto_safety",)]),
        firm("b", now={"tax": 10 * WAN}),
    ]
    outcome = evaluate(read_facts(rules, evidence(firms)))
    key = f"a|{YEAR}|tax"
    trace = trace_of(outcome, [0], _records(("E-a", "tax", YEAR, key), ("E-b", "tax", YEAR, "b")))
    assert len(trace) == 1
    (of_a,) = trace
    assert json.loads(json.dumps(of_a)) == of_a
    by_stage = {entry["stage"]: entry for entry in of_a}
    assert list(by_stage) == ["score", "grade", "veto"]
    score = by_stage["score"]
    assert score["rule"] == "scoring.BELOW_GE3.tax_per_mu"
    assert score["before"] == "9.99999995000000025"
    assert score["after"] == "99.9999995000000025"
    assert Decimal(score["standard"]) == 10
    assert set(score["inputs"]) >= {"indicator:tax_per_mu", "land"}
    assert {"feed": "indicator", "key": key} in score["records"]
    assert {"feed": "indicator", "key": "b"} not in score["records"]
    assert by_stage["grade"]["after"] == "A"
    assert by_stage["grade"]["standard"] == "90"
    veto = by_stage["veto"]
    assert (veto["before"], veto["after"]) == ("A", "D")
    assert veto["inputs"] == {"unsafe": True}
    assert veto["records"] == [{"feed": "recognition", "key": "veto_safety"}]
    assert veto["source"]


def test_places_are_told_in_the_order_in_which_they_are_asked() -> None:
    rules = cixi()
    firms = [firm(code, now={"tax": n * WAN}) for n, code in enumerate("abc", start=10)]
    outcome = evaluate(read_facts(rules, evidence(firms)))
    whole = trace_of(outcome)
    assert trace_of(outcome, [2, 0]) == [whole[2], whole[0]]
    assert trace_of(outcome, []) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E+2"), "100"),
        (Decimal("10.0000"), "10.0000"),
        (Decimal(1) / Decimal(3) / Decimal(10**10), "0.00000000003333333333"),
        (Decimal("1E-30"), "0"),
        (Decimal("-1E-30"), "0"),
        (dt.date(2025, 1, 2), "2025-01-02"),
        (None, None),
        (float("nan"), None),
        (True, True),
        ("A", "A"),
    ],
)
def test_values_are_texts(value: object, text: object) -> None:
    assert plain(value) == text


@pytest.mark.slow
def test_a_county_is_told_in_seconds() -> None:
    rules = cixi()
    firms = [
        firm(str(n), land=(n % 7 + 3) * MU, now={"tax": n * 100, "revenue": n * 1000})
        for n in range(13_000)
    ]
    outcome = evaluate(read_facts(rules, evidence(firms)))
    records = _records(*((f"E-{n}", "tax", YEAR, str(n)) for n in range(13_000)))
    began = time.monotonic()
    assert len(trace_of(outcome, None, records)) == 13_000
    assert time.monotonic() - began < 10
