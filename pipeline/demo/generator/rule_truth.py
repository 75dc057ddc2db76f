"""What must follow from the records that rules ask for.

Worked out from the values that were planted, by nothing but the decision tables of docs/sources.md, CX: a
list counts where it holds on the last day of the data year, 近三年 is the data year and the two before,
what is counted by months ends on the day that bears the same number, and a transition of the secondary
market covers the data years that its twelve months touch.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal

import pandas as pd

from pipeline.demo.generator.economy import FIRST_DAY, State, enterprise_codes, reference_area
from pipeline.demo.generator.rules import (
    DAY,
    FLOORS,
    INVESTMENT,
    LAST_DAY,
    REVENUE,
    TAX_AND_FEES,
    WAN,
    Case,
    Person,
    Planted,
    Title,
    months_later,
)
from pipeline.demo.township import YEAR


def rule_cases(state: State) -> pd.DataFrame:
    """Work out which rules hold for the enterprises on which cases were planted.

    On nights those are left out that have closed, or whose land is no more what it was.

    Shape:  the state of a day in; enterprise_code, rule (as in docs/sources.md, CX), applies,
            amount (points; land that is deducted), note out, sorted. Of an enterprise in transition
            only the transitions are said, of one without such a record none.
    Units:  amount: points, or m2 (CX-T2, CX-T3d).
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, CX.
    """
    figures = state.indicators.set_index("enterprise")
    figures = figures.reindex(columns=[REVENUE, TAX_AND_FEES, INVESTMENT])
    above = state.enterprises["is_above"]
    area = reference_area(state.parcels)
    code = enterprise_codes(state.enterprises)
    rows: list[tuple[str, str, bool, float | None, str]] = []
    for one in () if state.rule_records is None else state.rule_records.planted:
        if not _stands(state, one):
            continue
        known = figures.loc[one.enterprise].dropna()
        said = _expected(
            one.case,
            {str(name): Decimal(str(value)) for name, value in known.items()},
            is_above=bool(above[one.enterprise]),
            last_m2=Decimal(str(area[one.parcels[-1]])),
            day=state.day,
        )
        for rule, applies, amount in said:
            figure = float(amount) if applies and amount is not None else None
            rows.append((code[one.enterprise], rule, applies, figure, one.case.note))
    table = pd.DataFrame(rows, columns=["enterprise_code", "rule", "applies", "amount", "note"])
    table = table.astype({"applies": bool, "amount": float})
    return table.sort_values(["enterprise_code", "rule"], ignore_index=True)


def _stands(state: State, one: Planted) -> bool:
    """Whether an enterprise still works on the land on which the case was planted, and alone."""
    rights, code = state.rights, state.parcels["code"]
    held = rights[(rights["holder_kind"] == "enterprise") & (rights["holder"] == one.enterprise)]
    there = rights[rights["parcel"].isin(one.parcels)]
    return (
        state.enterprises["status"][one.enterprise] == "存续"
        and tuple(sorted(held["parcel"])) == tuple(sorted(there["parcel"])) == one.parcels
        and bool((held["state"] == "1").all())
        and tuple(code.get(parcel) for parcel in one.parcels) == one.codes
    )


_Said = tuple[str, bool, Decimal | None]


def _expected(
    case: Case,
    figures: Mapping[str, Decimal],
    *,
    is_above: bool,
    last_m2: Decimal,
    day: dt.date,
) -> list[_Said]:
    """Rules, whether each holds, and what it comes to."""
    said = [*_transitions(case, last_m2, day)]
    if any(holds and amount is None for _, holds, amount in said):
        return said
    revenue = figures.get(REVENUE, Decimal(0))
    invested = figures.get(INVESTMENT, Decimal(0))
    fees = figures.get(TAX_AND_FEES, Decimal(0))
    recruits = {
        one.number
        for one in case.persons
        if one.programme == "引才工程" and one.level in {"国家级", "省级"} and _is_recent(one)
    }
    said += [
        ("CX-U1", _has(case, "上市企业", "上市公司"), None),
        ("CX-U2", revenue >= 40_000 and fees > 3_000, None),
        ("CX-U3", len(recruits) >= 2, None),
        ("CX-F1", invested >= WAN, None),
        ("CX-F2", _is_cultivated(case), None),
    ]
    if case.tax_beside is not None:
        said.append(("CX-F3", is_above and case.tax_beside >= 0, None))
    before = Decimal(case.before or 0)
    grown = before > 0 and (revenue - before) * 10 >= before
    said.append(("CX-F4", revenue >= WAN and grown, None))
    places = (("十强企业", 20), ("二十强企业", 15), ("百强企业", 10))
    place = max((points for kind, points in places if _has(case, kind)), default=0)
    people = min(sum(_points(case).values()), 10) if is_above else 0
    said += [
        ("CX-P1", place > 0, Decimal(place)),
        ("CX-P2", revenue >= WAN, revenue // 5_000),
        ("CX-P3", people > 0, Decimal(people)),
        ("CX-P4", invested >= 5_000, min(invested // 1_000, Decimal(10))),
        ("CX-V1", any(one.kind.endswith("否决") and _holds(one) for one in case.titles), None),
    ]
    return said


def _transitions(case: Case, last_m2: Decimal, day: dt.date) -> Iterator[_Said]:
    """Transitions, with the land that one of them takes from the area."""
    event = case.event
    other = case.parcels > 1
    if event is not None and event.kind in {"出让", "划拨", "新供地"}:
        start = event.contract or event.delivered or FIRST_DAY
        bound = months_later(start, 36 if other else 54)
        end = bound if event.end is None else min(bound, event.end + DAY)
        yield "CX-T2" if other else "CX-T1", start <= day < end, last_m2 if other else None
    elif event is not None:
        start = event.occurred or FIRST_DAY
        last = months_later(start, 12) - DAY
        holds = start.year <= YEAR <= min(last.year, start.year + 1)
        if event.kind.endswith("重建"):
            yield "CX-T3c", holds, None
        elif other:
            yield "CX-T3d", holds, last_m2
        else:
            yield "CX-T3b" if event.kind == "预告登记转让" else "CX-T3a", holds, None
    for rule, kinds, years in (
        ("CX-T4", {"高新技术企业", "国家高新技术企业"}, 3),
        ("CX-T5", {"战略性新兴产业初创型企业"}, 2),
        ("CX-T6", {"首次升规"}, 1),
    ):
        first = [(one.first or one.start).year for one in case.titles if one.kind in kinds]
        if first:
            yield rule, min(first) <= YEAR < min(first) + years, None


def _holds(title: Title) -> bool:
    return title.start <= LAST_DAY and (title.last is None or title.last >= LAST_DAY)


def _has(case: Case, *kinds: str) -> bool:
    return any(one.kind in kinds and _holds(one) for one in case.titles)


def _is_cultivated(case: Case) -> bool:
    """CX-F2: 专精特新 from the city's level on, first sets from the province's."""
    for one in filter(_holds, case.titles):
        if one.kind.startswith("专精特新"):
            counts = one.level in {"国家级", "省级", "市级", "宁波市级"}
        elif one.kind.startswith("首台"):
            counts = one.level in {"国家级", "省级"}
        else:
            counts = one.kind in {kind for kind, _ in FLOORS} | {"国家高新技术企业"}
        if counts:
            return True
    return False


def _is_recent(person: Person) -> bool:
    return YEAR - 2 <= person.on.year <= YEAR


def _points(case: Case) -> dict[int, int]:
    """Points of each person, at the highest level."""
    best: dict[int, int] = {}
    for one in filter(_is_recent, case.persons):
        if one.programme == "甬江人才工程":
            points = 1
        else:
            points = {"国家级": 5, "省级": 3}.get(one.level, 0)
        best[one.number] = max(points, best.get(one.number, 0))
    return best
