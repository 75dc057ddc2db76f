"""Answers that differ are told apart, and those that do not are not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from answers import AREAS, differences


def write(folder: Path, **changed: pd.DataFrame) -> Path:
    folder.mkdir()
    tables = {
        "links": pd.DataFrame({"enterprise_code": ["A"], "parcel_code": ["1"], "role": ["owner"]}),
        "seats": pd.DataFrame({"enterprise_code": ["A"], "seat_state": ["linked"]}),
        "shares": pd.DataFrame(
            {"parcel_code": ["1", "1"], "enterprise_code": ["A", ""], "allocated_m2": [7.0, 3.0]}
        ),
        "units": pd.DataFrame(
            {"unit_code": ["E-A"], "kind": "enterprise", "eval_state": "evaluated", "area_m2": 7.0}
        ),
        "coverage": pd.DataFrame(
            {"area_code": ["T"], **{f"{name}_area_m2": [5e6] for name in AREAS}}
        ),
        "parcels": pd.DataFrame({"parcel_code": ["1"], "township_code": ["T"]}),
    }
    for name, table in (tables | changed).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def test_equal_answers_have_no_differences(tmp_path: Path) -> None:
    assert differences(write(tmp_path / "a"), write(tmp_path / "b")) == []


def test_undecidable_links_of_the_truth_do_not_count(tmp_path: Path) -> None:
    links = pd.DataFrame(
        {
            "enterprise_code": ["A", "B"],
            "parcel_code": ["1", "2"],
            "role": ["owner", "operator"],
            "is_decidable": [True, False],
        }
    )
    assert differences(write(tmp_path / "a"), write(tmp_path / "b", links=links)) == []


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        (
            "links",
            pd.DataFrame({"enterprise_code": ["A"], "parcel_code": ["1"], "role": ["tenant"]}),
            "links: 1 rows instead of 1, 1 of them wrong, 1 missing",
        ),
        (
            "shares",
            pd.DataFrame(
                {"parcel_code": "1", "enterprise_code": ["A", ""], "allocated_m2": [7.02, 2.98]}
            ),
            "shares.allocated_m2: 2 differ, most 0.0200",
        ),
        (
            "coverage",
            pd.DataFrame({"area_code": ["T"], **{f"{name}_area_m2": [None] for name in AREAS}}),
            "coverage.base_area_m2: 1 differ",
        ),
        (
            "coverage",
            pd.DataFrame({"area_code": ["T"], **{f"{name}_area_m2": [5e6 + 1] for name in AREAS}}),
            "coverage.covered_area_m2: 1 differ, most 1.0000",
        ),
    ],
)
def test_differences_are_said(tmp_path: Path, name: str, table: pd.DataFrame, words: str) -> None:
    found = differences(write(tmp_path / "a", **{name: table}), write(tmp_path / "b"))
    assert any(line.startswith(words) for line in found), found
