"""Words for what people are asked about links."""

from __future__ import annotations

import pytest

from pipeline.domain.linking import MISSING, PARTS, REASONS, STAGES
from pipeline.messages import catalogue
from pipeline.outputs.questions import (
    EVIDENCE_CHANGED,
    chinese,
    lacking,
    lines_of,
    parts_text,
    piece_of_word,
    question,
    score_text,
)
from pipeline.outputs.tables import read_codes


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    ("group", "names"), [("part", PARTS), ("missing", MISSING), ("review", STAGES)]
)
def test_every_name_has_a_text(language, group, names):
    assert [name for name in names if not catalogue(language).get(f"{group}.{name}")] == []


def test_texts_of_both_languages_take_the_same():
    zh, en = catalogue("zh"), catalogue("en")
    for name in (*STAGES, *REASONS, EVIDENCE_CHANGED):
        said = {"{enterprise_name}", "{parcel_code}", "{named_code}"}
        found = [
            {mark for mark in said if mark in texts.get(f"review.{name}", "")} for texts in (zh, en)
        ]
        assert found[0] == found[1], name


def test_a_changed_decision_is_a_reason_of_the_queue_alone():
    assert EVIDENCE_CHANGED not in REASONS
    assert EVIDENCE_CHANGED in read_codes()["link_reason"]


def test_evidence_in_words():
    piece = {
        "stage": "right_name",
        "reason": "name_alone",
        "score": 0.75,
        "parts": {"township_likely": 0.05, "evidence": 0.75, "address_differs": -0.05},
        "records": 2,
    }
    (line,) = lines_of([piece])
    zh, en = line.split(" / ")
    assert zh.startswith("权利人名称（2 条记录）：")
    assert zh.endswith("可信度 0.75（依据本身 0.75，村或道路所在镇街相符 +0.05，地址不同 -0.05）")
    assert en.endswith(
        "score 0.75 (the evidence itself 0.75, township of village or road agrees +0.05, another address -0.05)"
    )
    assert chinese(line) == zh
    # a part that nobody has named yet is told by its code
    assert parts_text({"evidence": 1, "moon": -0.2}, "zh") == "依据本身 1.0，part.moon -0.2"


@pytest.mark.parametrize(
    ("score", "said"), [(1, "1.0"), ("0.7500", "0.75"), (0.12346, "0.1235"), (0, "0.0")]
)
def test_scores(score, said):
    assert score_text(score) == said


@pytest.mark.parametrize(
    ("word", "piece"),
    [
        ("right_code 330299001001GB00001 owner 3302|W|91", ("right_code", "330299001001GB00001")),
        ("lease_code 12 34-5 sub_tenant ZL 1", ("lease_code", "12 34-5")),
        ("point 330299001001GB00001 operator E1", ("point", "330299001001GB00001")),
    ],
)
def test_the_record_behind_a_word_is_left_out(word, piece):
    assert piece_of_word(word) == piece


def test_what_changed_is_counted_where_it_is_much():
    words = [f"right_code P{number} owner r{number}" for number in range(9)]
    row = {
        "reason": EVIDENCE_CHANGED,
        "stage": "decision",
        "enterprise_name": "甲 / 乙厂",
        "parcel_code": "",
        "kind": "off_site",
        "decided_on": "2026-06-30",
        "come": [*words, "right_code P0 owner other"],
        "gone": [],
    }
    said = question(row)
    assert said.count("P0") == 2
    assert "另 3 项" in said
    assert "3 more" in said
    assert "消失" not in said
    assert "Gone" not in said
    assert chinese(said).startswith("甲 / 乙厂：2026-06-30")
    assert chinese(said).endswith("？")


def test_what_is_missing():
    assert lacking(["credit_code", "point"]) == ("统一社会信用代码、坐标点", "credit code, point")
    assert lacking([]) == ("", "")
