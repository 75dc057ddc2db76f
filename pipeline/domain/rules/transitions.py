"""Transition periods 过渡期: from events and recognitions to the days, or data years, they cover."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import pandas as pd

from pipeline.domain.rules.schema import RuleSet, TransitionRule

EVENT_COLUMNS: Final = (
    "enterprise_code",
    "kind",
    "event_no",
    "parcel_code",
    "contract_on",
    "delivered_on",
    "occurred_on",
    "land_area_m2",
    "transition_end",
    "is_decided",
    "registered_on",
)
FIRST_COLUMNS: Final = ("enterprise_code", "kind", "first_year", "transition_end")
TRANSITION_COLUMNS: Final = (
    "enterprise_code",
    "rule",
    "event_no",
    "parcel_code",
    "takes",
    "land_area_m2",
    "valid_from",
    "valid_to",
    "is_in_force",
    "is_by_day",
    "is_upper_bound",
    "is_beyond_bound",
)


def find_transitions(
    rules: RuleSet,
    events: pd.DataFrame,
    firsts: pd.DataFrame,
    land: pd.DataFrame,
    *,
    as_of: dt.date,
    data_year: int,
) -> pd.DataFrame:
    """Say which transition each event and first recognition leads to, and whether it holds.

    A transition holds where the reference day lies in it; one that counts data years, where the data
    year is one of them. One whose length is only the most that may be granted, without an end that an
    office gave, is marked ``is_upper_bound``; an end beyond the rule's is cut and marked
    ``is_beyond_bound``: it takes a person's decision.

    Shape:  EVENT_COLUMNS, FIRST_COLUMNS (one row per enterprise and kind of recognition), ``land``
            (enterprise_code, parcel_code: what each uses) in; TRANSITION_COLUMNS out, one row per
            enterprise, rule and event, dates half-open.
    Units:  days, data years.
    CRS:    none (no geometry).
    Errors: none; events without any date, and rules whose length is left out, lead to nothing.
    Source: docs/sources.md, CX-T0 to CX-Tx.
    """
    day = as_of if rules.transitions.reference_day == "as_of" else dt.date(data_year, 12, 31)
    found = [
        _of_events(name, rule, events, land, day, data_year).assign(
            is_by_day=rule.counted == "days" and rules.transitions.reference_day == "as_of"
        )
        if rule.events
        else _of_recognitions(name, rule, firsts, data_year)
        for name, rule in rules.transition.items()
        if rules.is_in_force(as_of) and not rule.is_open and rule.is_in_force(as_of)
    ]
    columns = list(TRANSITION_COLUMNS)
    filled = [table for table in found if len(table)]
    if not filled:
        return pd.DataFrame(columns=columns)
    table = pd.concat(filled, ignore_index=True)[columns]
    return table.sort_values(["enterprise_code", "rule", "event_no"], ignore_index=True)


def _of_events(
    name: str,
    rule: TransitionRule,
    events: pd.DataFrame,
    land: pd.DataFrame,
    day: dt.date,
    data_year: int,
) -> pd.DataFrame:
    chosen = events[events["kind"].isin(list(rule.events))].copy()
    # land supplied begins with its contract, else with delivery; what happened, on its day
    starts = chosen["contract_on"].where(chosen["kind"] == "supply", chosen["occurred_on"])
    for other in ("delivered_on", "contract_on", "occurred_on"):
        starts = starts.where(starts.notna(), chosen[other])
    is_supply = chosen["kind"] == "supply"
    starts = starts.where(starts.notna() | ~is_supply, chosen["registered_on"])
    chosen["valid_from"] = starts
    chosen = chosen[chosen["valid_from"].notna()]
    if rule.has_other_land is not None:
        chosen = chosen[_has_other_land(chosen, events, land) == rule.has_other_land]
    if rule.founded_within_months is not None:
        chosen = chosen[_is_new(chosen, rule.founded_within_months)]
    if chosen.empty:
        return chosen
    assert rule.months is not None  # noqa: S101 - a rule that is open is not asked
    start = pd.to_datetime(chosen["valid_from"])
    limit = _months_later(start, rule.months)
    given = pd.to_datetime(chosen["transition_end"])
    has_end = given.notna()
    is_decided = chosen["is_decided"].fillna(value=False).astype(bool) & has_end
    if rule.counted == "data_years":
        first, last = start.dt.year, (limit - pd.Timedelta(days=1)).dt.year
        if rule.max_years is not None:
            most = first + rule.max_years - 1
            last = last.where(last < most, most)
        bound = pd.to_datetime({"year": last + 1, "month": 1, "day": 1})
        is_beyond = has_end & (given > bound) & ~is_decided
        end = given.where(has_end & ~is_beyond, bound)
        in_force = (first <= data_year) & (data_year <= (end - pd.Timedelta(days=1)).dt.year)
    else:
        is_beyond = has_end & (given > limit) & ~is_decided
        end = given.where(has_end & ~is_beyond, limit)
        now = pd.Timestamp(day)
        in_force = (start <= now) & (now < end)
    return chosen.assign(
        rule=name,
        takes=rule.takes,
        valid_to=end.dt.date,
        is_in_force=in_force,
        is_upper_bound=~has_end & rule.is_upper_bound,
        is_beyond_bound=is_beyond,
    )


def _months_later(start: pd.Series[pd.Timestamp], months: int) -> pd.Series[pd.Timestamp]:
    """The same day some months later, the last of the month where it has no such day."""
    month = start.dt.year * 12 + start.dt.month - 1 + months
    first = pd.to_datetime({"year": month // 12, "month": month % 12 + 1, "day": 1})
    days = np.minimum(start.dt.day, first.dt.days_in_month)
    return first + pd.to_timedelta(days - 1, unit="D")


def _has_other_land(
    chosen: pd.DataFrame, events: pd.DataFrame, land: pd.DataFrame
) -> pd.Series[bool]:
    """Whether the enterprise uses a parcel that none of its events is about."""
    new = events[["enterprise_code", "parcel_code"]].drop_duplicates()
    other = land.merge(new, how="left", on=["enterprise_code", "parcel_code"], indicator=True)
    # an event without a parcel says nothing of which land is new: all but one parcel is other land
    unnamed = set(new.loc[new["parcel_code"].isna(), "enterprise_code"])
    kept = other[other["_merge"] == "left_only"].groupby("enterprise_code").size()
    count = chosen["enterprise_code"].map(kept).fillna(0)
    least = chosen["enterprise_code"].isin(unnamed).astype(int)
    return count > least


def _is_new(chosen: pd.DataFrame, months: int) -> pd.Series[bool]:
    founded = pd.to_datetime(chosen["registered_on"])
    start = pd.to_datetime(chosen["valid_from"])
    is_new = founded.notna()
    is_new[is_new] = start[is_new] <= _months_later(founded[is_new], months)
    return is_new


def _of_recognitions(
    name: str, rule: TransitionRule, firsts: pd.DataFrame, data_year: int
) -> pd.DataFrame:
    chosen = firsts[firsts["kind"].isin(list(rule.recognitions))]
    chosen = chosen.sort_values("first_year").drop_duplicates("enterprise_code")
    if chosen.empty:
        return chosen
    assert rule.years is not None  # noqa: S101 - a rule that is open is not asked
    first = chosen["first_year"].astype(int)
    bound = pd.to_datetime({"year": first + rule.years, "month": 1, "day": 1})
    decided = pd.to_datetime(chosen["transition_end"])
    end = decided.where(decided.notna(), bound)
    last = (end - pd.Timedelta(days=1)).dt.year
    return chosen.assign(
        rule=name,
        event_no="",
        parcel_code=None,
        takes=rule.takes,
        land_area_m2=None,
        valid_from=[dt.date(year, 1, 1) for year in first],
        valid_to=end.dt.date,
        is_in_force=(first <= data_year) & (data_year <= last),
        is_by_day=False,
        is_upper_bound=rule.is_upper_bound & decided.isna(),
        is_beyond_bound=False,
    )
