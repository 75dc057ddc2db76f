"""Rows of the uses of grades: what the rule set says that follows, in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pandas as pd
from sqlalchemy import Connection

from pipeline.domain.rules.facts import RETURN_COLUMNS, read_facts
from pipeline.domain.rules.uses import USE_COLUMNS, find_uses
from pipeline.steps.form_units import read_rows, rules_of
from pipeline.steps.grade_units import as_text, read_evidence


def policy_use_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.policy_use.

    Shape:  one row per unit and rule that its grade leads to; none without a rule set.
    Units:  a rate as the rule has it.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.rules.uses.
    """
    columns = ["year", *USE_COLUMNS]
    rules = rules_of(cast("str", parameters["rules"])) if parameters["rules"] else None
    if rules is None or not rules.use:
        return pd.DataFrame(columns=columns)
    year, as_of = cast("int", parameters["data_year"]), cast("dt.date", parameters["as_of"])
    asked = {"data_year": year}
    shown = read_rows(connection, ("apply_policies", "shown_grade.sql"), asked)
    returns = read_rows(connection, ("apply_policies", "evidence_return.sql"), asked)
    # rules of some grades look at these alone; the others at who was subject to a policy before
    grades = {grade for rule in rules.use.values() for grade in rule.grades}
    concerned = shown["grade"].isin(grades) | shown["unit_code"].isin(set(returns["unit_code"]))
    shown = shown[concerned].set_index("unit_code")
    evidence = read_evidence(connection, year, as_of, list(shown.index))
    evidence = replace(evidence, returns=returns[list(RETURN_COLUMNS)])
    facts = read_facts(rules, evidence)
    shown = shown.reindex(evidence.units["unit_code"])
    table = find_uses(
        facts, shown["grade"].to_numpy(dtype=object), shown["past_grade"].to_numpy(dtype=object)
    )
    table["year"] = year
    table["rate"] = as_text(table["rate"])
    return table[columns]
