"""The gate over results: what may change at once, and what a person has to pass."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipeline.gate import Published, Unit, judge_results
from pipeline.settings import GateSettings

GATE = GateSettings(
    warn_removed_share=Decimal("0.05"),
    max_removed_share=Decimal("0.2"),
    min_removed=10,
    max_base_change=Decimal("0.2"),
    max_links_lost=Decimal("0.2"),
    max_coverage_fall=Decimal("0.3"),
    min_covered_lost_m2=Decimal(20000),
)


def published(links: int = 100, size: str = "1", **ratio: str) -> Published:
    """Units of 100,000 m2 each, times a size, with a coverage."""
    base = 100_000 * Decimal(size)
    return Published(
        links,
        {code: Unit(f"unit {code}", base, base * Decimal(value)) for code, value in ratio.items()},
    )


BEFORE = published(a="0.7", b="0.5")


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        published(size="0.8", a="0.7", b="0.5"),
        published(size="1.2", a="0.7", b="0.5"),
        published(links=80, a="0.7", b="0.5"),
        published(links=1000, a="0.4", b="0.2"),
        published(a="1", b="1"),
    ],
)
def test_what_may_change_at_once(after: Published) -> None:
    assert judge_results(BEFORE, after, GATE) == []


@pytest.mark.parametrize(
    ("after", "code", "said"),
    [
        (published(size="0.79", a="0.7", b="0.5"), "gate.base_area", {"before": "200000.00"}),
        (published(size="1.21", a="0.7", b="0.5"), "gate.base_area", {"after": "242000.00"}),
        (published(a="0.7"), "gate.base_area", {"share": "0.2"}),
        (published(links=79, a="0.7", b="0.5"), "gate.links", {"before": 100, "after": 79}),
        (published(a="0.39", b="0.5"), "gate.coverage", {"unit": "a", "name": "unit a"}),
        (published(a="0.7", b="0"), "gate.coverage", {"unit": "b", "after": "0.0000"}),
    ],
)
def test_what_a_person_has_to_pass(after: Published, code: str, said: dict[str, object]) -> None:
    first = judge_results(BEFORE, after, GATE)[0]
    assert first.code == code
    assert first.stops
    assert said.items() <= first.params.items()


def test_a_small_township_may_lose_its_one_firm() -> None:
    assert judge_results(published(size="0.2", a="1"), published(size="0.2", a="0"), GATE) == []


def test_a_first_run_is_compared_with_nothing() -> None:
    assert judge_results(published(links=0), published(a="0"), GATE) == []


def test_few_links_may_go() -> None:
    assert judge_results(published(links=12), published(links=2), GATE) == []
