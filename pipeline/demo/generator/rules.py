"""Records that rules of evaluation ask for, with a case on either side of every bound.

Each case is planted on one enterprise that has its land for itself, so that its figures and its area
are those of one evaluation unit. The bounds are those of docs/sources.md, CX; what must follow
is worked out in ``rule_truth``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain, zip_longest
from typing import Any, Final

import numpy as np
import pandas as pd

from pipeline.demo.generator.economy import (
    FIRST_DAY,
    NEVER,
    NO_CODE,
    State,
    reference_area,
)
from pipeline.demo.generator.land import Land
from pipeline.demo.generator.lattice import stream
from pipeline.demo.generator.nights import simple_owners
from pipeline.demo.township import YEAR

REVENUE: Final = "营业收入（万元）"
TAX: Final = "税收实际贡献（万元）"
TAX_AND_FEES: Final = "税费实际贡献（万元）"
INVESTMENT: Final = "工业项目实际投资额（万元）"
WAN: Final = Decimal(10_000)
# The day on which a list counts.
LAST_DAY: Final = dt.date(YEAR, 12, 31)
DAY: Final = dt.timedelta(days=1)
# Yuan per square metre that are 8 万元/亩.
_FLOOR_TAX: Final = Decimal(120)
# Share of the accounts whose meters are listed, and of the results of which something came.
_METERED: Final = 0.1
_NEW_METERS: Final = 10_000_000
_ON_A_METER: Final = 2


@dataclass(frozen=True)
class Title:
    """A recognition: its kind as the office writes it, first and last day, level, first time."""

    kind: str
    start: dt.date
    last: dt.date | None = None
    level: str | None = None
    first: dt.date | None = None


@dataclass(frozen=True)
class Person:
    """A selection of a person, who is numbered within the enterprise."""

    number: int
    programme: str
    level: str
    on: dt.date


@dataclass(frozen=True)
class Event:
    """What happened to the land: kind as the office writes it; ``end`` is the last day granted."""

    kind: str
    contract: dt.date | None = None
    delivered: dt.date | None = None
    occurred: dt.date | None = None
    end: dt.date | None = None


@dataclass(frozen=True)
class Case:
    """What is planted on one enterprise.

    ``figures``: of the data year, in 万元; ``before``: revenue of the year before. ``parcels``: how
    many it has, of which the event is about the last. ``above``: which scale it must have, None for
    any. ``tax_beside``: yuan of tax beside 8 万元/亩, None where it stays as it is.
    """

    note: str
    figures: Mapping[str, str] = field(default_factory=dict)
    before: str | None = None
    titles: tuple[Title, ...] = ()
    persons: tuple[Person, ...] = ()
    event: Event | None = None
    parcels: int = 1
    above: bool | None = None
    tax_beside: int | None = None


@dataclass(frozen=True)
class Planted:
    """A case on an enterprise; its parcels by number, and their codes on the first day."""

    enterprise: int
    case: Case
    parcels: tuple[int, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class RuleRecords:
    """What was planted, by numbers of enterprises and parcels.

    ``before``: indicators of the year before. ``events``, ``persons``, ``meters``, ``returns``: rows of
    the files.
    """

    planted: tuple[Planted, ...]
    before: pd.DataFrame
    events: pd.DataFrame
    persons: pd.DataFrame
    meters: pd.DataFrame
    returns: pd.DataFrame


def months_later(day: dt.date, months: int) -> dt.date:
    """The day some months later that bears the same number, the last of a month that has none.

    Shape:  a day and a number of months, below zero for earlier, in; a day out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: default chosen.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    after = dt.date(year + month // 11, (month + 1) % 12 + 1, 1)
    return min(dt.date(year, month + 1, 1) + (day.day - 1) * DAY, after - DAY)


def _on(year: int, month: int = 5, day: int = 6) -> dt.date:
    """A day of a year, counted from the data year."""
    return dt.date(YEAR + year, month, day)


def _title(
    kind: str,
    last: dt.date | None = None,
    level: str | None = None,
    start: dt.date | None = None,
    first: dt.date | None = None,
) -> tuple[Title, ...]:
    return (Title(kind, start or _on(-2), last, level, first),)


def _listed() -> Iterator[Case]:
    """CX-U1."""
    yield Case("listed, without an end", titles=_title("上市企业"))
    yield Case("listed until the last day of the data year", titles=_title("上市公司", LAST_DAY))
    yield Case("listed until the day before it", titles=_title("上市企业", LAST_DAY - DAY))


def _large() -> Iterator[Case]:
    """CX-U2, with CX-P2."""
    for revenue, fees, note in (
        ("40000", "3000", "revenue 4 亿, taxes and fees 3000 万"),
        ("40000", "3000.01", "revenue 4 亿, taxes and fees 3000.01 万"),
        ("39999", "5000", "revenue 3.9999 亿, taxes and fees 5000 万"),
        ("40000.01", "2999.99", "revenue above 4 亿, taxes and fees 2999.99 万"),
    ):
        yield Case(note, {REVENUE: revenue, TAX_AND_FEES: fees})
    yield Case("revenue 5 亿, taxes and fees not known", {REVENUE: "50000"})


def _persons() -> Iterator[Case]:
    """CX-U3 and CX-P3."""
    recruit, train, yongjiang = "引才工程", "人才培养工程", "甬江人才工程"
    nation, province, city = "国家级", "省级", "市级"
    for above, note, *rows in (
        (True, "two recruits", (1, recruit, nation, 0), (2, recruit, province, -1)),
        (True, "one recruit and one trained", (1, recruit, nation, 0), (2, train, province, 0)),
        (True, "two trained", (1, train, nation, 0), (2, train, province, 0)),
        (True, "a recruit and one a year too early", (1, recruit, nation, 0), (2, recruit, nation, -3)),
        (True, "one person at two levels", (1, recruit, nation, 0), (1, recruit, province, -1)),
        (True, "one of Yongjiang", (1, yongjiang, city, 0)),
        (True, "three of the nation, 15 points cut to 10",
         (1, train, nation, 0), (2, recruit, nation, -1), (3, train, nation, -2)),
        (True, "one person in two programmes", (1, yongjiang, city, 0), (1, train, province, 0)),
        (False, "two recruits, below scale", (1, recruit, nation, 0), (2, recruit, province, 0)),
        (False, "two recruits of the city", (1, recruit, city, 0), (2, recruit, city, 0)),
        (False, "a recruit and one after the data year",
         (1, recruit, nation, 0), (2, recruit, province, 1)),
    ):  # fmt: skip
        people = tuple(
            Person(number, programme, level, _on(year)) for number, programme, level, year in rows
        )
        yield Case(note, persons=people, above=above)
    first = tuple(Person(n, recruit, province, _on(-2, 1, 1)) for n in (1, 2))
    yield Case("two recruits on the first day of three years", persons=first)
    early = tuple(Person(n, recruit, province, _on(-3, 12, 31)) for n in (1, 2))
    yield Case("two recruits on the day before it", persons=early)


def _invested() -> Iterator[Case]:
    """CX-F1 and CX-P4."""
    for amount in ("4999", "5000", "5999.99", "9999", "10000", "12000"):
        yield Case(f"industrial investment {amount} 万", {INVESTMENT: amount})


# Kinds of CX-F2, each with a level at which it counts.
FLOORS: Final = (
    ("新三板挂牌", None),
    ("“大优强”培育企业", "市级"),
    ("拟上市企业", None),
    ("高新技术企业", "国家级"),
    ("应急物资重点生产企业", None),
    ("农产品保供稳价企业", None),
    ("专精特新中小企业", "省级"),
    ("专精特新\"小巨人\"", "国家级"),
    ("首台（套）产品", "省级"),
    ("未来培育企业", None),
)  # fmt: skip


def _cultivated() -> Iterator[Case]:
    """CX-F2."""
    for kind, level in FLOORS:
        # long ago, so that no transition of the first recognition is left
        for last, said in (
            (_on(1, 4, 30), "holds"),
            (LAST_DAY - DAY, "ended a day before the bound"),
        ):
            titles = _title(kind, last, level, start=_on(-5))
            yield Case(f"{kind} {said}", titles=titles)
    for kind, level, last in (
        ("首台（套）产品", "国家级", LAST_DAY),
        ("首台（套）产品", "市级", _on(1)),
        ("专精特新中小企业", "宁波市级", LAST_DAY),
        ("专精特新中小企业", "区级", _on(1)),
    ):
        yield Case(f"{kind} {level} until {last}", titles=_title(kind, last, level))
    titles = _title("新三板挂牌", start=LAST_DAY + DAY)
    yield Case("新三板挂牌 from the day after the data year", titles=titles)


def _taxed() -> Iterator[Case]:
    """CX-F3."""
    yield Case("tax per mu exactly 8 万", tax_beside=0, above=True)
    yield Case("tax per mu 1 yuan below 8 万", tax_beside=-1, above=True)
    yield Case("tax per mu 1 yuan above 8 万", tax_beside=1, above=True)
    yield Case("tax per mu exactly 8 万, below scale", tax_beside=0, above=False)


def _grown() -> Iterator[Case]:
    """CX-F4, with CX-P2."""
    for now, before, note in (
        ("11000", "10000", "growth of exactly 10 %"),
        ("10999", "10000", "growth of 9.99 %"),
        ("9999.99", "5000", "grown, but below 1 亿"),
        ("10000", "9000", "grown to exactly 1 亿"),
        ("15000", "0", "nothing the year before"),
        ("14999.99", "20000", "shrunk"),
    ):
        yield Case(note, {REVENUE: now}, before)
    yield Case("revenue of the year before not known", {REVENUE: "12500"})


def _ranked() -> Iterator[Case]:
    """CX-P1."""
    for kinds in (
        ("十强企业",),
        ("二十强企业",),
        ("百强企业",),
        ("二十强企业", "百强企业"),
        ("十强企业", "二十强企业", "百强企业"),
    ):
        titles = tuple(Title(kind, _on(0, 1, 1), LAST_DAY) for kind in kinds)
        yield Case("、".join(kinds), titles=titles)
    titles = _title("十强企业", LAST_DAY - 365 * DAY, start=_on(-1, 1, 1))
    yield Case("十强企业 of the year before", titles=titles)


def _supplied() -> Iterator[Case]:
    """CX-T1 and CX-T2."""
    ended, left = months_later(FIRST_DAY, -54), months_later(FIRST_DAY + DAY, -54)
    for note, event in (
        ("contract 54 months ago", Event("出让", ended)),
        ("contract a day less than 54 months ago", Event("新供地", left)),
        (
            "contract 55 months ago, delivered later",
            Event("出让", months_later(FIRST_DAY, -55), months_later(FIRST_DAY, -40)),
        ),
        ("delivered 53 months ago", Event("划拨", None, months_later(FIRST_DAY, -53))),
        ("the last day granted is this one", Event("出让", _on(-1), end=FIRST_DAY)),
        ("the last day granted was yesterday", Event("出让", _on(-1), end=FIRST_DAY - DAY)),
        ("granted beyond the bound, which is over", Event("出让", _on(-5, 6), end=_on(2))),
        ("granted beyond the bound, which is not over", Event("出让", _on(-1), end=_on(6))),
    ):
        yield Case(f"supply, {note}", event=event)
    ended, left = months_later(FIRST_DAY, -36), months_later(FIRST_DAY + DAY, -36)
    for note, day in (("36 months ago", ended), ("a day less than 36 months ago", left)):
        yield Case(f"supply of a second parcel {note}", event=Event("新供地", day), parcels=2)


def _transferred() -> Iterator[Case]:
    """CX-T3a to CX-T3d."""
    for kind in ("二级市场转让", "预告登记转让", "厂房全部拆除重建"):
        for months in (11, 12, 13):
            day = months_later(FIRST_DAY, -months)
            yield Case(f"{kind} {months} months ago", event=Event(kind, occurred=day))
    for day, note in (
        (_on(-1, 1, 1), "whose twelve months end with the year before"),
        (_on(-1, 1, 2), "whose twelve months end on the first day of the data year"),
        (LAST_DAY, "on the last day of the data year"),
        (LAST_DAY + DAY, "on the day after the data year"),
    ):
        yield Case(f"转让 {note}", event=Event("二级市场交易", occurred=day))
    day = months_later(FIRST_DAY, -12)
    for kind, note in (("二手转让", "taken from the area"), ("厂房拆除重建", "as a whole")):
        event = Event(kind, occurred=day)
        yield Case(f"{kind} of one with other land, {note}", event=event, parcels=2)


def _first_named() -> Iterator[Case]:
    """CX-T4 to CX-T6."""
    kind, level = "国家高新技术企业", "国家级"
    for year, note in ((0, "in the data year"), (-2, "two years ago"), (-3, "three years ago")):
        titles = _title(kind, _on(year + 3), level, start=_on(year))
        yield Case(f"{kind} first {note}", titles=titles)
    titles = _title(kind, _on(2), level, start=_on(-1), first=_on(-4))
    yield Case(f"{kind} renewed, first four years ago", titles=titles)
    titles = _title(kind, _on(4), level, start=_on(1, 1, 1))
    yield Case(f"{kind} first after the data year", titles=titles)
    for year in (0, -1, -2):
        titles = _title("战略性新兴产业初创型企业", level="市级", start=_on(year))
        yield Case(f"初创型企业 first {YEAR + year}", titles=titles)
    for year in (0, -1):
        yield Case(f"升规 in {YEAR + year}", titles=_title("首次升规", start=_on(year, 1, 1)))


def _vetoed() -> Iterator[Case]:
    """CX-V1, and lists of which Fenghua says that their enterprises may be left alone."""
    for kind in ("安全生产否决", "环保否决", "税务否决", "信用否决"):
        yield Case(kind, titles=_title(kind, LAST_DAY, start=_on(0)))
    titles = (Title("环保否决", _on(0), LAST_DAY), Title("新三板挂牌", _on(-2)))
    yield Case("环保否决 against a floor", titles=titles)
    yield Case("税务否决 that is over", titles=_title("税务否决", LAST_DAY - DAY))
    for kind in ("产业链重点环节", "本地重点培育", "民生保障"):
        yield Case(kind, titles=_title(kind))


def _interleaved() -> tuple[Case, ...]:
    """One case of each rule after the other: in a small county the first ones are planted."""
    rules = (
        _listed(),
        _large(),
        _persons(),
        _invested(),
        _cultivated(),
        _taxed(),
        _grown(),
        _ranked(),
        _supplied(),
        _transferred(),
        _first_named(),
        _vetoed(),
    )
    return tuple(case for case in chain.from_iterable(zip_longest(*rules)) if case is not None)


CASES: Final = _interleaved()


def plant_rules(land: Land, state: State) -> State:
    """Plant the records that rules ask for, on enterprises of the first day.

    Shape:  the land and the state of the first day in; the state out, with ``rule_records``, more
            columns and values of indicators and more recognitions. Links, seats, shares, units and
            official results stay.
    Units:  money in 万元, m2.
    CRS:    none (no geometry).
    Errors: none; in a small county some cases find no enterprise.
    Source: docs/sources.md, CX.
    """
    drawn = stream(land.seed, "rules")
    planted = _on_enterprises(drawn, state)
    titles = [(one.enterprise, title) for one in planted for title in one.case.titles]
    known = state.recognitions.assign(level=None, first=np.datetime64("NaT", "s"))
    given = pd.DataFrame(
        {
            "enterprise": [number for number, _ in titles],
            "kind": [title.kind for _, title in titles],
            "start": _dates([title.start for _, title in titles]),
            "last": _dates([title.last for _, title in titles]).fillna(NEVER),
            "level": [title.level for _, title in titles],
            "first": _dates([title.first for _, title in titles]),
        }
    )
    before = [one for one in planted if one.case.before is not None]
    records = RuleRecords(
        tuple(planted),
        pd.DataFrame(
            {
                "enterprise": [one.enterprise for one in before],
                "year": YEAR - 1,
                REVENUE: [float(one.case.before or 0) for one in before],
            }
        ),
        _events(state, planted),
        _selections(planted),
        _meters(drawn, state),
        _returns(drawn, state),
    )
    return replace(
        state,
        indicators=_figures(state, planted),
        recognitions=pd.concat([known, given], ignore_index=True) if titles else known,
        rule_records=records,
    )


def _candidates(state: State) -> pd.DataFrame:
    """Enterprises that have their land for themselves: their parcels, and whether above scale."""
    alone = simple_owners(state).sort_values(["holder", "parcel"])
    alone = alone[state.parcels["official_m2"].reindex(alone["parcel"]).notna().to_numpy()]
    rights = state.rights
    held = rights[rights["holder_kind"] == "enterprise"].groupby("holder").size()
    table = alone.groupby("holder")["parcel"].agg(tuple).to_frame("parcels")
    own = state.enterprises.loc[table.index]
    table["is_above"] = own["is_above"]
    good = held.reindex(table.index).to_numpy() == table["parcels"].map(len).to_numpy()
    good &= (own["code_kind"] != NO_CODE).to_numpy() & (own["hidden_parcel"] < 0).to_numpy()
    good &= table.index.isin(state.indicators["enterprise"])
    for taken in (state.leases["lessee"], state.recognitions["enterprise"]):
        good &= ~table.index.isin(taken)
    for column in ("registry_parcel", "registry_certificate", "drawn_parcel"):
        named = zip(own[column], table["parcels"], strict=True)
        good &= np.array([parcel < 0 or parcel in its for parcel, its in named], dtype=bool)
    chosen: pd.DataFrame = table[good]
    return chosen


def _on_enterprises(drawn: np.random.Generator, state: State) -> list[Planted]:
    """Find an enterprise for each case, first for those that few fit."""
    table = _candidates(state)
    table = table.iloc[drawn.permutation(len(table))]
    free: dict[tuple[int, bool], list[tuple[int, tuple[int, ...]]]] = {}
    for enterprise, parcels, above in zip(
        table.index.tolist(), table["parcels"], table["is_above"].tolist(), strict=True
    ):
        free.setdefault((len(parcels), above), []).append((enterprise, parcels))
    code = state.parcels["code"]
    placed: dict[int, Planted] = {}
    for number in sorted(range(len(CASES)), key=_breadth):
        case = CASES[number]
        scales = (False, True) if case.above is None else (case.above,)
        # what asks for no land may be planted on one with two parcels
        asks = case.event is not None or case.tax_beside is not None
        sizes = (case.parcels,) if asks else (1, 2)
        wanted = [(size, scale) for size in sizes for scale in scales]
        pool = next((found for wish in wanted if (found := free.get(wish))), None)
        if pool:
            enterprise, parcels = pool.pop(0)
            codes = tuple(str(code[parcel]) for parcel in parcels)
            placed[number] = Planted(enterprise, case, parcels, codes)
    return [placed[number] for number in sorted(placed)]


def _breadth(number: int) -> tuple[bool, bool]:
    """Cases that few enterprises fit come first."""
    case = CASES[number]
    return case.above is None and case.parcels == 1, case.tax_beside is None


def _figures(state: State, planted: Sequence[Planted]) -> pd.DataFrame:
    """The indicators with what was planted among them."""
    table = state.indicators.assign(**{TAX_AND_FEES: np.nan, INVESTMENT: np.nan})
    table = table.set_index("enterprise")
    area = reference_area(state.parcels)
    for one in planted:
        for name, value in one.case.figures.items():
            table.loc[one.enterprise, name] = float(value)
        if one.case.tax_beside is not None:
            m2 = Decimal(str(area[one.parcels[0]]))
            table.loc[one.enterprise, TAX] = float((m2 * _FLOOR_TAX + one.case.tax_beside) / WAN)
    return table.reset_index()


def _events(state: State, planted: Sequence[Planted]) -> pd.DataFrame:
    """Rows of 用地事项."""
    area = reference_area(state.parcels)
    rows = [
        (one.enterprise, one.parcels[-1], one.case.event)
        for one in planted
        if one.case.event is not None
    ]
    return pd.DataFrame(
        {
            "enterprise": [enterprise for enterprise, *_ in rows],
            "parcel": [parcel for _, parcel, _ in rows],
            "kind": [event.kind for *_, event in rows],
            "m2": [area[parcel] for _, parcel, _ in rows],
            "contract": _dates([event.contract for *_, event in rows]),
            "delivered": _dates([event.delivered for *_, event in rows]),
            "occurred": _dates([event.occurred for *_, event in rows]),
            "end": _dates([event.end for *_, event in rows]),
        }
    )


def _selections(planted: Sequence[Planted]) -> pd.DataFrame:
    """Rows of 人才入选."""
    rows = [(one.enterprise, person) for one in planted for person in one.case.persons]
    return pd.DataFrame(
        {
            "enterprise": [enterprise for enterprise, _ in rows],
            "person": [enterprise * 10 + person.number for enterprise, person in rows],
            "programme": [person.programme for _, person in rows],
            "level": [person.level for _, person in rows],
            "on": _dates([person.on for _, person in rows]),
        }
    )


def _meters(drawn: np.random.Generator, state: State) -> pd.DataFrame:
    """Meters: several of one account, one of two accounts on the same parcel."""
    accounts = state.accounts.reset_index(drop=True)
    accounts["account"] = accounts.index
    listed = accounts[drawn.random(len(accounts)) < _METERED]
    own = listed.loc[listed.index.repeat(drawn.integers(1, 4, len(listed)))]
    own = own.assign(share=np.nan, evidence=None, meter=_NEW_METERS + np.arange(len(own)))
    here = accounts[accounts["names_parcel"] & ~accounts.index.isin(listed.index)]
    here = here.drop_duplicates(["enterprise", "parcel"]).sort_values(["parcel", "account"])
    place = here.groupby("parcel").cumcount()
    is_pair = here.duplicated("parcel", keep=False) & (place < _ON_A_METER)
    shared = here[is_pair]
    shared = shared.assign(
        share=np.where(place[is_pair] == 0, 0.6, 0.4),
        evidence="分摊协议",
        meter=shared["parcel"],
    )
    columns = ["account", "meter", "enterprise", "parcel", "share", "evidence"]
    return pd.concat([own[columns], shared[columns]], ignore_index=True)


def _returns(drawn: np.random.Generator, state: State) -> pd.DataFrame:
    """What was levied, paid and given back, for some of those with a grade."""
    scores = state.scores[drawn.random(len(state.scores)) < _METERED]
    tables = []
    for grade, year, policy in (
        ("D", YEAR - 1, "差别化电价"),
        ("D", YEAR, "差别化电价"),
        ("A", YEAR, "财政奖励"),
        ("C", YEAR, "返还"),
    ):
        chosen = scores.loc[scores["grade"] == grade, "enterprise"].to_numpy()
        amount = np.round(drawn.uniform(2_000, 90_000, len(chosen)), 2)
        tables.append(
            pd.DataFrame({"enterprise": chosen, "year": year, "policy": policy, "yuan": amount})
        )
    return pd.concat(tables, ignore_index=True)


def _dates(days: Sequence[dt.date | None]) -> pd.Series[Any]:
    return pd.Series(np.array(days, dtype="datetime64[D]"))
