"""A contract for a file that nobody knows yet, drafted from its headings and some of its rows."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import Final, Literal

import pandas as pd

from pipeline.domain.codes import check_credit_code, normalise_certificate, parse_parcel_code
from pipeline.domain.persons import hide_person_numbers
from pipeline.domain.quantities import parse_date, parse_number
from pipeline.domain.text import blank_to_na, fold
from pipeline.domain.units import UNIT_BASE
from pipeline.errors import UsageError
from pipeline.feeds.contracts import Column, Contract
from pipeline.feeds.headings import (
    Match,
    match_headings,
    missing_columns,
    missing_in_words,
    normalise_heading,
    without_unit,
)

Geometry = Literal["none", "point", "polygon"]

# Headings, or columns known by their content, by which a feed is known.
_CLOSE: Final = 2
# The part of the filled cells of a column that must look like what it is taken for.
_SURE: Final = 0.8
# How like two headings must be.
_LIKE: Final = 0.6
_HEADING_LENGTH: Final = 200
_SHOWN_LENGTH: Final = 60
# A delivery has some dozens of columns; a sheet of thousands is compared and listed so far.
_MOST_COLUMNS: Final = 300

_NAME: Final = re.compile(
    r".*(?:公司|厂|集团|合作社|经营部|工作室|商行|店|中心|合伙\)?|企业|社|委员会|政府|局|所|院)"
)
_ADDRESS: Final = re.compile(
    r".*(?:路|街|巷|道|村|弄|园区?|工业区|开发区|镇|乡|街道).*(?:[0-9一二三四五六七八九十]+(?:号|幢|楼|室|组)|路|村|区|旁|口)"
)
_LAND_USE: Final = re.compile(r"(?:0[1-9]|1[0-3])[0-9]{2}[A-Z]?[0-9]?|0[5-9]H1|20[1-5]A?")
_LOCATION: Final = re.compile(r"[1-9][0-9]{11}(?:[0-9]{7})?")
_TOWNSHIP: Final = re.compile(r"[1-9][0-9]{8}")
_YEAR: Final = re.compile(r"(?:19[5-9]|20[0-9])[0-9](?:年|\.0)?")
_GRADE: Final = re.compile(r"[A-D][类档级]?")

# What content says of a column: kind, in words.
_KINDS: Final = {
    "credit": "统一社会信用代码，校验码相符 credit codes, check characters fit",
    "parcel": "宗地代码的形式 the form of parcel codes",
    "unit": "不动产单元代码的形式 the form of unit codes",
    "certificate": "不动产权证号的形式 the form of certificate numbers",
    "land_use": "地类编码的形式 the form of land use codes",
    "location": "坐落单位代码的形式 the form of location codes",
    "township": "镇街代码的形式 the form of township codes",
    "grade": "A 至 D 的档次 grades A to D",
    "year": "年份 years",
    "date": "日期 dates",
    "address": "地址 addresses",
    "name": "单位名称 names of enterprises",
    "area": "面积单位 a unit of area",
}
# Canonical columns that may hold a kind; of several the heading decides.
_WANTED: Final = {
    "credit": ("credit_code", "enterprise_code", "holder_code", "lessor_code", "lessee_code"),
    "parcel": ("parcel_code",),
    "unit": ("unit_code",),
    "certificate": ("certificate_no",),
    "land_use": ("land_use_code",),
    "location": ("location_code",),
    "township": ("township_code",),
    "grade": ("grade",),
    "year": ("vintage", "year"),
    "date": ("registered_on", "valid_from", "valid_to"),
    "address": ("address", "location"),
    "name": ("name", "holder_name", "lessor_name", "lessee_name"),
    "area": ("official_area_m2", "right_area_m2", "land_area_m2", "floor_area_m2"),
}
# Kinds that a column of a type may hold where its heading alone speaks for it.
_TYPE_KINDS: Final[dict[str, set[str | None]]] = {
    "number": {None, "area", "year"},
    "date": {None, "date"},
    "credit_code": {"credit"},
    "parcel_code": {"parcel", "unit"},
}


@dataclass
class _Guess:
    """What is taken for what: ``columns`` by name, ``melt`` by indicator: (position, why)."""

    columns: dict[str, tuple[int, str]] = field(default_factory=dict)
    melt: dict[str, tuple[int, str]] = field(default_factory=dict)
    candidates: dict[str, list[int]] = field(default_factory=dict)

    @property
    def used(self) -> set[int]:
        """Positions that are taken for something."""
        return {position for position, _ in (*self.columns.values(), *self.melt.values())}


def draft_contract(
    contracts: Mapping[str, Contract],
    headings: Sequence[str],
    samples: Sequence[pd.Series],
    *,
    file: str,
    geometry: Geometry = "none",
    crs: str | None = None,
    encoding: str | None = None,
    layer: str | None = None,
    feed: str | None = None,
) -> str:
    """Draft the contract of a file: what a workspace's ``sources.toml`` would have to say.

    The feed is the one that is named, else the one to which headings and contents come closest. A
    column is guessed where what it holds, or a heading much like a known one, fits exactly one
    column that is still wanted; each guess is marked, and what was not understood is listed. No
    delivered value is written down.

    Shape:  the contracts in force; headings, and as many text columns of up to some hundred rows, in;
            the text of a TOML file that loads as it is out. The same input gives the same text.
    Units:  those of the headings; where none is named the contract's, with a mark.
    CRS:    as told; a file with shapes that names none gets a line to fill in.
    Errors: UsageError draft.no_feed where no feed is close; draft.unknown_feed where the named one is none.
    Source: docs/how-to-add-a-feed.md.
    """
    names = [(heading,) for heading in headings]
    columns = islice(zip(headings, samples, strict=True), _MOST_COLUMNS)
    kinds: list[str | None] = [_kind(heading, sample) for heading, sample in columns]
    kinds += [None] * (len(headings) - len(kinds))
    contract = _choose(contracts, names, kinds, geometry, file, feed)
    match = match_headings(contract, names)
    guess = _guess(contract, match, headings, kinds)
    lines = [
        *_head(contract, file, encoding, crs, geometry),
        *_still_missing(contract, match, guess),
        "",
        f"[feed.{contract.feed}]",
        *_files(contract, file, layer),
        *_place(contract, geometry, crs, encoding),
        *_melt(contract, guess, headings),
        *_columns(contract, match, guess, headings),
        *_rest(contract, match, guess, headings),
    ]
    return "\n".join(lines) + "\n"


# -- which feed, which column --------------------------------------------------------------------


def _choose(
    contracts: Mapping[str, Contract],
    names: Sequence[tuple[str, ...]],
    kinds: Sequence[str | None],
    geometry: Geometry,
    file: str,
    feed: str | None,
) -> Contract:
    """The contract that is named, else the closest one; of equals the first."""
    if feed is not None:
        if feed not in contracts:
            raise UsageError("draft.unknown_feed", feed=feed, feeds=", ".join(contracts))
        return contracts[feed]
    scores = {
        name: _score(contract, names, kinds, geometry) for name, contract in contracts.items()
    }
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < _CLOSE:
        raise UsageError("draft.no_feed", file=_shown(file), feeds=", ".join(contracts))
    return contracts[best]


def _score(
    contract: Contract,
    names: Sequence[tuple[str, ...]],
    kinds: Sequence[str | None],
    geometry: Geometry,
) -> float:
    """How much of a contract a file has: a column that is found counts one, a guessed one half."""
    if contract.geometry_required and geometry != contract.geometry:
        return 0
    match = match_headings(contract, names)
    guess = _guess(contract, match, [name for (name,) in names], kinds)
    score = match.score + len(guess.columns) / 2 + len(guess.melt)
    if score == 0:
        return 0
    # a file with shapes is rather one of a feed that has them, and one with all that is needed of that
    is_drawn = geometry != "none" and contract.geometry == geometry
    return score + is_drawn + (not match.missing)


def _is_wanted(contract: Contract, match: Match, name: str) -> bool:
    """Whether a column is delivered by itself and has not been found."""
    column = contract.column(name)
    return (
        column is not None
        and column.value is None
        and not column.depends_on
        and name not in match.positions
    )


def _guess(
    contract: Contract, match: Match, headings: Sequence[str], kinds: Sequence[str | None]
) -> _Guess:
    """Take columns for what they hold, then for what their headings are much like."""
    guess = _Guess()
    usable = _usable(headings, match)
    for kind, wanted in _WANTED.items():
        open_columns = [name for name in wanted if _is_wanted(contract, match, name)]
        places = [position for position in usable if kinds[position] == kind]
        for name, position in _pairs(contract, open_columns, places, headings).items():
            guess.columns[name] = (position, _KINDS[kind])
        for name in set(open_columns) - guess.columns.keys():
            guess.candidates[name] = [place for place in places if place not in guess.used]
    for name, column in _delivered(contract):
        rest = [place for place in usable if place not in guess.used]
        if _is_wanted(contract, match, name) and name not in guess.columns:
            alike = _most_alike((*column.aliases, name), rest, headings)
            if alike is not None and _fits(column, kinds[alike]):
                guess.columns[name] = (alike, "标题相近 a heading much like a known one")
    if contract.melt and "value" not in match.positions and "value" not in guess.columns:
        for melted in contract.melt:
            rest = [place for place in usable if place not in guess.used]
            rest = [place for place in rest if _is_of(headings[place], melted.unit)]
            alike = _most_alike(melted.aliases, rest, headings)
            if alike is not None and f"melt:{melted.indicator}" not in match.positions:
                guess.melt[melted.indicator] = (alike, "标题相近 a heading much like a known one")
    return guess


def _usable(headings: Sequence[str], match: Match) -> list[int]:
    """The first columns that serve nothing yet and can be named: one of its name, not endless."""
    plain = [normalise_heading(heading) for heading in headings]
    times = Counter(plain)
    places = (
        position
        for position, name in enumerate(plain)
        if name
        and position not in match.used
        and times[name] == 1
        and len(headings[position]) <= _HEADING_LENGTH
        and _is_text(headings[position])
    )
    return list(islice(places, _MOST_COLUMNS))


def _is_text(heading: str) -> bool:
    """Whether a heading can stand in a TOML file; half a pair of surrogates cannot."""
    return not any(unicodedata.category(sign) == "Cs" for sign in heading)


def _delivered(contract: Contract) -> Iterator[tuple[str, Column]]:
    """Columns and parts that are delivered by themselves."""
    for name, column in (*contract.columns.items(), *contract.parts.items()):
        if column.value is None and not column.depends_on:
            yield name, column


def _pairs(
    contract: Contract, names: Sequence[str], places: Sequence[int], headings: Sequence[str]
) -> dict[str, int]:
    """Which column is which: one for one, else as far as the headings tell them apart."""
    if len(names) == 1 and len(places) == 1:
        return {names[0]: places[0]}
    found: dict[str, int] = {}
    for name in names:
        column = contract.column(name)
        aliases = () if column is None else column.aliases
        free = [place for place in places if place not in found.values()]
        alike = _most_alike(aliases, free, headings)
        if alike is not None:
            found[name] = alike
    return found


def _most_alike(
    aliases: Iterable[str], places: Sequence[int], headings: Sequence[str]
) -> int | None:
    """The one column whose heading is most like one of the aliases, None where none is like it."""
    wanted = [normalise_heading(alias) for alias in aliases]
    scores = {
        place: _likeness(normalise_heading(without_unit(headings[place])[0]), wanted)
        for place in places
    }
    best = max(scores.values(), default=0)
    nearest = [place for place, score in scores.items() if score == best]
    return nearest[0] if best >= _LIKE and len(nearest) == 1 else None


def _likeness(heading: str, aliases: Sequence[str]) -> float:
    return max((difflib.SequenceMatcher(None, heading, one).ratio() for one in aliases), default=0)


def _fits(column: Column, kind: str | None) -> bool:
    """Whether a column of a type may hold a kind: a code is no date and no area."""
    wanted = _TYPE_KINDS.get(column.type)
    return wanted is None or kind in wanted


def _is_of(heading: str, unit: str) -> bool:
    """Whether a heading states no unit, or one of the same kind."""
    stated = without_unit(heading)[1]
    return stated is None or UNIT_BASE[stated][0] == UNIT_BASE[unit][0]


# -- what a column holds -------------------------------------------------------------------------


def _kind(heading: str, sample: pd.Series) -> str | None:
    """What most filled cells of a column are, None where that cannot be told."""
    unit = without_unit(heading)[1]
    text = blank_to_na(fold(sample.astype("str"))).dropna()
    if text.empty:
        return None
    is_number = parse_number(text)["value"].notna()
    if unit is not None and UNIT_BASE[unit][0] == "m2" and is_number.mean() >= _SURE:
        return "area"
    if "面积" in heading and is_number.mean() >= _SURE:
        return "area"
    return next((kind for kind, test in _TESTS.items() if test(text).mean() >= _SURE), None)


def _form(pattern: re.Pattern[str]) -> Callable[[pd.Series], pd.Series]:
    return lambda text: text.str.fullmatch(pattern).astype(bool)


# The strictest come first.
_TESTS: Final[dict[str, Callable[[pd.Series], pd.Series]]] = {
    "credit": lambda text: check_credit_code(text)["code"].notna(),
    "unit": lambda text: parse_parcel_code(text)["unit_code"].notna(),
    "parcel": lambda text: parse_parcel_code(text)["parcel_code"].notna(),
    "certificate": lambda text: normalise_certificate(text).notna(),
    "year": _form(_YEAR),
    "location": _form(_LOCATION),
    "township": _form(_TOWNSHIP),
    "land_use": _form(_LAND_USE),
    "grade": _form(_GRADE),
    "date": lambda text: parse_date(text)["value"].notna() & parse_number(text)["value"].isna(),
    "name": _form(_NAME),
    "address": _form(_ADDRESS),
}


# -- the text ------------------------------------------------------------------------------------


def _head(
    contract: Contract, file: str, encoding: str | None, crs: str | None, geometry: Geometry
) -> Iterator[str]:
    yield f"# 由 {_shown(PurePath(file).name)} 起草的数据约定；逐行核对后放入工作区的 sources.toml。"
    yield "# Drafted from that file; check each line, then put it into sources.toml of the workspace."
    yield f"# 数据 feed: {contract.feed} {contract.title_zh} {contract.title_en}"
    yield f"# 编码 encoding: {_shown(encoding or '-')}; 坐标系 CRS: {_shown(crs or '-')}; 图形 shapes: {geometry}"
    if contract.geometry_required and geometry != contract.geometry:
        yield f"# 注意：该数据须有图形 this feed must have shapes: {contract.geometry}"


def _still_missing(contract: Contract, match: Match, guess: _Guess) -> Iterator[str]:
    """Without what a file would be refused, after all that is guessed."""
    positions = dict(match.positions)
    positions |= {name: (position,) for name, (position, _) in guess.columns.items()}
    positions |= {f"melt:{name}": (position,) for name, (position, _) in guess.melt.items()}
    is_melted = bool(contract.melt) and "value" not in positions
    missing = missing_columns(contract, positions, is_melted=is_melted)
    if missing:
        words = missing_in_words(contract, Match(positions, missing=missing, is_melted=is_melted))
        yield f"# 仍缺必填的列 still missing: {words}"


def _files(contract: Contract, file: str, layer: str | None) -> Iterator[str]:
    """The pattern of the file's name before those that are known."""
    path = PurePath(file.replace("\\", "/"))
    stem = "".join(sign if sign.isalnum() or sign in "-_ " else "?" for sign in path.stem)
    stem = re.sub(r"[0-9]{2,}", "*", stem).strip("* _-?")
    suffix = "".join(sign for sign in path.suffix if sign.isalnum() or sign == ".")
    if any(sign.isalpha() for sign in stem):
        pattern = f"*{stem}*{suffix}"
        yield f"files = {_list((pattern, *contract.files))}  # 猜测 guessed: 文件名 name of the file, 请核对"
    if layer is not None:
        yield f"# layer = {_text(layer)}  # 只有一个图层或工作表能对上时不必写 only where several fit"


def _place(
    contract: Contract, geometry: Geometry, crs: str | None, encoding: str | None
) -> Iterator[str]:
    """CRS and encoding: told from the file, to be stated only where it does not tell them."""
    if geometry != "none" and contract.geometry != "none":
        if crs is None:
            yield '# crs = "EPSG:4549"  # 必填：文件没有坐标系 needed: the file names none'
        else:
            yield f"# crs = {_text(crs)}  # 文件自带 as the file says"
    if encoding is not None:
        yield f"# encoding = {_text(encoding)}  # 由内容判定 told from the text; 判错时改正并去掉行首的 #"


def _melt(contract: Contract, guess: _Guess, headings: Sequence[str]) -> Iterator[str]:
    """The indicators of a wide table: a list is replaced as a whole, so all of it is written."""
    if not guess.melt:
        return
    yield "melt = ["
    for melted in contract.melt:
        aliases = melted.aliases
        mark = ""
        if melted.indicator in guess.melt:
            position, why = guess.melt[melted.indicator]
            aliases = (without_unit(headings[position])[0], *aliases)
            mark = f"  {_mark(why)}"
        yield (
            f"  {{ indicator = {_text(melted.indicator)}, aliases = {_list(aliases)}, "
            f"unit = {_text(melted.unit)} }},{mark}"
        )
    yield "]"


def _columns(
    contract: Contract, match: Match, guess: _Guess, headings: Sequence[str]
) -> Iterator[str]:
    """Columns, then parts: found, guessed, or missing."""
    for table, columns in (("columns", contract.columns), ("parts", contract.parts)):
        lines = [
            line
            for name, column in columns.items()
            if column.value is None and not column.depends_on
            for line in _column(name, column, match, guess, headings)
        ]
        if lines:
            yield ""
            yield f"[feed.{contract.feed}.{table}]"
            yield from lines


def _column(
    name: str, column: Column, match: Match, guess: _Guess, headings: Sequence[str]
) -> Iterator[str]:
    if name in match.positions:
        found = "、".join(_shown(headings[position]) for position in match.positions[name])
        yield f"# {name}: 已识别 understood: {found}"
    elif name in guess.columns:
        position, why = guess.columns[name]
        bare, unit = without_unit(headings[position])
        if column.unit is not None and unit is None:
            why += f"; 单位未写明，按 {column.unit} 计 no unit is named, {column.unit} is taken"
        heading = headings[position] if column.unit is None else bare
        yield f"{name} = {{ aliases = {_list((heading, *column.aliases))} }}  {_mark(why)}"
    else:
        candidates = "、".join(_shown(headings[p]) for p in guess.candidates.get(name, ()))
        needed = "没有 not found"
        if column.required:
            needed = f"缺省 default: {column.default}" if column.default else "必填 required"
        maybe = f"；可能是 maybe {candidates}" if candidates else ""
        # the list replaces the contract's: without the known headings older files would be refused
        yield f"# {name} = {{ aliases = {_list(('?', *column.aliases))} }}  # {needed}{maybe}"


def _rest(
    contract: Contract, match: Match, guess: _Guess, headings: Sequence[str]
) -> Iterator[str]:
    """What was not understood; it is kept beside the record, but for what is never stored."""
    never = {normalise_heading(name) for name in contract.never_stored}
    rest = [
        heading
        for position, heading in enumerate(headings)
        if position not in match.used and position not in guess.used and heading.strip()
    ]
    for words, is_never in (
        ("未识别，原样留存 not understood, kept as it is", False),
        ("不入库 never stored", True),
    ):
        lines = [h for h in rest if (normalise_heading(h) in never) is is_never]
        if lines:
            yield ""
            yield f"# {words}:"
            yield from (f"#   {_shown(heading)}" for heading in lines[:_MOST_COLUMNS])
            if len(lines) > _MOST_COLUMNS:
                yield f"#   … ({len(lines) - _MOST_COLUMNS})"


def _mark(why: str) -> str:
    return f"# 猜测 guessed: {why}, 请核对 check"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(_text(text) for text in dict.fromkeys(texts))}]"


def _text(text: str) -> str:
    """A text as a TOML string, whatever is in it."""
    escaped = [
        _ESCAPES.get(sign) or (f"\\u{ord(sign):04X}" if _is_hidden(sign) else sign) for sign in text
    ]
    return f'"{"".join(escaped)}"'


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _is_hidden(sign: str) -> bool:
    """Whether a sign is a control character, or one that shows nothing or turns what is shown."""
    return ord(sign) < 0x10000 and unicodedata.category(sign) in {"Cc", "Cf", "Zl", "Zp"}


def _shown(text: str) -> str:
    """A text within a comment: on one line, nothing hidden, not too long, without a person's number."""
    plain = "".join(
        "?"
        if unicodedata.category(sign)[0] == "C" or unicodedata.category(sign) in {"Zl", "Zp"}
        else sign
        for sign in hide_person_numbers(text)
    )
    return plain if len(plain) <= _SHOWN_LENGTH else plain[: _SHOWN_LENGTH - 1] + "…"
