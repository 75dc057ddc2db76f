"""The life of an evaluation round, on the hand-drawn township and by rules invented for these tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FIRST_NIGHT, Township
from sqlalchemy import text

from pipeline.round.acts import Signed, open_round
from pipeline.round.issue import issue, verify
from pipeline.round.status import read_round_status
from pipeline.run import contracts_of
from pipeline.settings import load_settings

RULES = """
id = "township"
title_zh = "青云镇试算办法"
title_en = "Trial"
edition = "1"
source = "虚构办法〔2026〕1号"
extends = "cixi-4.0"

[scoring.ABOVE.item]
tax_per_mu.weight = 40
value_added_per_mu.weight = 20
value_added_per_energy.weight = 10
value_added_per_emission.weight = 10
productivity.weight = 10
rd_share.weight = 10

[grading.ABOVE]
cut.A.share = 0.3
cut.B.share = 0.6
cut.C.share = 0.9

[scoring.BELOW_GE3.item.tax_per_mu]
weight = 100
benchmark.value = 10

[grading.BELOW_GE3]
cut.A.score = 80
cut.B.score = 50
cut.C.score = 20
"""
CLERK = Signed("李某", FIRST_NIGHT)


def with_rules(township: Township, words: str = RULES) -> Township:
    """The township with a rule set in its workspace, after a run with it."""
    folder = township.settings.workspace
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "township.toml").write_text(words, encoding="utf-8")
    file = folder / "diqi.toml"
    if "[evaluation]" not in file.read_text(encoding="utf-8"):
        with file.open("a", encoding="utf-8") as out:
            out.write('\n[evaluation]\nruleset = "township"\n')
    township.settings = load_settings(folder)
    township.run()
    return township


def test_smoke(make_township) -> None:
    township = with_rules(make_township())
    contracts = contracts_of(township.settings)
    open_round(township.engine, township.settings, CLERK)
    with township.engine.connect() as connection:
        status = read_round_status(connection, township.settings, contracts, FIRST_NIGHT)
    import pprint

    pprint.pprint(status)
    done = issue(township.engine, township.settings, contracts, CLERK, reason="x", accept="trial")
    pprint.pprint(done)
    print(verify(township.engine))
    with township.engine.connect() as connection:
        for row in connection.execute(
            text(
                "select unit_code, kind, eval_category, eval_state, eval_area_m2, score,bonus,total,initial_grade,adjusted_grade,official_grade,grade,grade_source,obstacle, jsonb_array_length(trace) from core.issued_unit"
            )
        ):
            print(tuple(row))
        for row in connection.execute(text("select * from core.issued_member")):
            print(tuple(row))
    assert 0
