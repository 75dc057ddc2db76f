"""A true link is told from one with another role, from one that waits, and from one that nobody sees."""

from __future__ import annotations

import pandas as pd
import pytest
from noise_table import by_case, by_damage, figures, judge


def links(*rows: tuple[str, str, str, str, str, int | None]) -> pd.DataFrame:
    columns = ["enterprise_code", "parcel_code", "role", "stage", "status", "rank"]
    return pd.DataFrame(rows, columns=columns).assign(reason="", score=1.0, parts="{}")


def truth(*rows: tuple[str, str, str, bool, str]) -> pd.DataFrame:
    columns = ["enterprise_code", "parcel_code", "role", "is_decidable", "damage"]
    return pd.DataFrame(rows, columns=columns).assign(evidence="right_code", case="")


PLANTED = truth(
    ("A", "1", "owner", True, ""),
    ("B", "2", "owner", True, "code holder"),
    ("C", "3", "owner", True, "code holder|name holder"),
    ("D", "4", "operator", False, ""),
    ("E", "5", "tenant", True, "code lessee"),
)
FOUND = links(
    ("A", "1", "owner", "right_code", "accepted", None),
    ("B", "2", "operator", "account", "accepted", None),
    ("C", "3", "owner", "right_name", "review", 2),
    ("D", "4", "operator", "point", "review", 5),
    ("F", "6", "operator", "registry_certificate", "accepted", None),
)


def test_each_true_link_has_one_outcome() -> None:
    held, wrong = judge(FOUND, PLANTED)
    assert held["outcome"].tolist() == [
        "right_code",
        "other role",
        "review",
        "review, later",
        "nowhere",
    ]
    assert wrong["enterprise_code"].tolist() == ["B", "F"]
    assert wrong["is_pair"].tolist() == [True, False]


def test_figures_count_links_and_pairs() -> None:
    held, wrong = judge(FOUND, PLANTED)
    found = figures(FOUND, held, wrong)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["precision of pairs"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(1 / 5)
    assert found["recall of decidable"] == pytest.approx(1 / 4)
    assert found["recall of pairs"] == pytest.approx(2 / 5)
    assert found["in review"] == pytest.approx(1 / 3)


def test_a_link_with_several_damages_counts_at_each() -> None:
    held, _ = judge(FOUND, PLANTED)
    table = by_damage(held)
    assert table.loc["code holder", "links"] == 2
    assert table.loc["name holder", "review"] == 1
    assert by_case(held).loc["ordinary", "links"] == len(PLANTED)
