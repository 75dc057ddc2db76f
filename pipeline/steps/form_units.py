"""Rows of the transition periods: what the rule set makes of events and first recognitions, in Python."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import pandas as pd
from sqlalchemy import Connection, text

from pipeline.database import read_sql
from pipeline.domain.rules.schema import RuleSet
from pipeline.domain.rules.transitions import (
    EVENT_COLUMNS,
    FIRST_COLUMNS,
    TRANSITION_COLUMNS,
    find_transitions,
)


@lru_cache(maxsize=8)
def rules_of(words: str) -> RuleSet:
    """The rule set of its canonical text, as the settings give it to a step."""
    return RuleSet.model_validate_json(words)


def transition_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of derived.transition of the enterprises in scope.

    Shape:  one row per enterprise, rule and event; none without a rule set.
    Units:  dates, half-open; m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: pipeline.domain.rules.transitions.
    """
    if not parameters["rules"]:
        return pd.DataFrame(columns=list(TRANSITION_COLUMNS))
    year = cast("int", parameters["data_year"])
    events = read_rows(connection, ("form_units", "land_event.sql"), {"data_year": year})
    firsts = read_rows(connection, ("form_units", "first_recognition.sql"), {"data_year": year})
    return find_transitions(
        rules_of(cast("str", parameters["rules"])),
        events[list(EVENT_COLUMNS)],
        firsts[list(FIRST_COLUMNS)],
        read_rows(connection, ("form_units", "used_land.sql"), {}),
        as_of=cast("dt.date", parameters["as_of"]),
        data_year=year,
    )


def read_rows(
    connection: Connection, file: tuple[str, str], parameters: Mapping[str, object]
) -> pd.DataFrame:
    """The rows of a query of a step, as the database gives them: decimals stay exact."""
    found = connection.execute(text(read_sql("sql", "steps", *file)), dict(parameters))
    return pd.DataFrame(found.fetchall(), columns=list(found.keys()), dtype=object)
