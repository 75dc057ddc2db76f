"""Free text that names land: the set of codes, or of land numbers by section, that it means.

A clerk writes several parcels into one cell: a list, a range, a tail for a whole code. What is
written in a right form is read; what is not is reported as the rest and never repaired.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from pipeline.domain.text import DASHES, fold

LONGEST_RANGE = 50  # parcels; a longer range is a slip more often than a range

_T = TypeVar("_T")

_ALL_DASHES = DASHES + "─━"
_SIGNS = str.maketrans("〔〕[]【】〖〗{}" + _ALL_DASHES, "()" * 5 + "-" * len(_ALL_DASHES))
_NOTE = re.compile(r"\([^()]*\)")
_NUMERALS = "零一二三四五六七八九"
_NUMERAL_VALUES = {
    **{sign: value for value, sign in enumerate(_NUMERALS)},
    "〇": 0,
    "两": 2,
    "兩": 2,
}
_COUNT = f"(?:[0-9]{{1,4}}|[{_NUMERALS}〇两兩十百]{{1,7}})"

# --- codes -----------------------------------------------------------------------------------

_FEATURES = "J[ABSXCDEFGHWY]|[GZ][BSXCDEFGHWY]"
_CODE = re.compile(rf"[1-9][0-9]{{11}}(?:{_FEATURES})(?!00000)[0-9]{{5}}")
_UNIT = re.compile(rf"({_CODE.pattern})(?:W0{{8}}|[FLQ][0-9]{{8}})?")
_LOOKALIKES = str.maketrans("OI", "01")


def _spaced(*parts: tuple[str, int]) -> str:
    """A pattern of characters, each of one class and so often, with any spaces between them."""
    return r"\s*".join(itertools.chain.from_iterable([kind] * count for kind, count in parts))


_DIGIT, _DIGIT_OR_LETTER = "[0-9]", "[0-9OI]"
_OPEN, _CLOSED = r"(?<![0-9A-Z])", r"(?![0-9A-Z])"
_FIXTURE = rf"(?:\s*[WFLQ]\s*{_spaced((_DIGIT, 8))})?"
_NATIONAL = _spaced(("[1-9]", 1), (_DIGIT, 11), ("[GJZ]", 1), ("[A-Y]", 1), (_DIGIT, 5)) + _FIXTURE
_INTERNAL = _spaced(("N", 1), ("C", 1), ("[0-9A-F]", 16))
# What was meant for a national code: letters for digits, or a tail that is none.
_ALMOST = re.compile(
    _OPEN
    + _spaced(("[1-9I]", 1), (_DIGIT_OR_LETTER, 11), ("[GJZ]", 1), ("[A-Y]", 1))
    + rf"\s*{_spaced((_DIGIT_OR_LETTER, 5))}"
    + rf"(?:\s*[WFLQ]\s*{_spaced((_DIGIT_OR_LETTER, 8))}{_CLOSED}|[0-9A-Z]*)"
)
_TAIL = rf"(?:(?:{_FEATURES})\s*)?[0-9]"
# A number is a tail only where nothing follows that makes it an area, a date or a house number.
_TAIL_END = (
    rf"{_CLOSED}(?=\s*(?:$|[、,;/|:。()\n~至到及和与與等宗共计合]|\.(?![0-9])|[号號](?![楼樓幢栋院厂廠])"
    rf"|以及|地块|-+\s*(?:{_TAIL}{{5}}|[1-9][0-9]{{11}}))|\s+(?:{_TAIL}|NC))"
)
_JOIN = r"\s*(?:[、,;/|]|以?及|和|与|與|\n)[\s、,;/|]*"
_FULL = re.compile(rf"{_OPEN}(?:{_INTERNAL}|(?P<national>{_NATIONAL})){_CLOSED}")
_NEXT_TAIL = re.compile(
    rf"(?:{_JOIN}(?P<tail>{_TAIL}{{1,5}})|\s+(?P<apart>{_TAIL}{{5}})){_TAIL_END}"
)
# After a dash a short number may be the number of a part: only whole tails are ends of ranges.
_RANGE_END = re.compile(
    rf"\s*(?:(?:-+|~+|至|到)\s*(?:(?P<full>{_NATIONAL}){_CLOSED}|(?P<whole>{_TAIL}{{5}}){_TAIL_END})"
    rf"|(?:~+|至|到)\s*(?P<short>{_TAIL}{{1,4}}){_TAIL_END})"
)
_STATED = re.compile(
    rf"(?<![0-9A-Z第.{_NUMERALS}十百])(?:[等共计計合总總]*\s*)"
    rf"(?P<count>{_COUNT})\s*个?宗(?:土地|地)?"
)
_KNOWN_WORDS = re.compile(
    "不动产单元(?:代码|号)?|不動產單元(?:代碼|號)?|宗地(?:统一)?(?:代码|编码|编号|号)?"
    "|地块(?:代码|编码|编号|号)?|地籍号|编[码号]|代码|分别为|分别|以及|其中|暂?无|没有"
    "|[等共计合及和与與号號为]|地块"
)
_PUNCTUATION = re.compile(r"[\s、,;:.。|/()~\-_'\"“”‘’!?*#&+=<>《》「」·…]+")
_CODE_LIKE = re.compile(r"(?:[0-9OI]\s*){12}|[GJZ][A-Y]\s*[0-9OI]{5}|NC\s*[0-9A-F]{4}")
# Land that a note names only to tell it from the land that is meant.
_OTHER_LAND = re.compile(r"\(\s*(?:原|旧|舊|前|曾|不含|不包|除|非|已?注销|已?註銷)")


class _Reading(NamedTuple):
    """What one text says."""

    codes: tuple[str, ...] = ()
    stated: int | None = None
    rest: str | None = None
    proposals: tuple[str, ...] = ()


def parse_parcel_text(s: pd.Series, scheme: str = "gbt37346") -> pd.DataFrame:
    """Read all parcel codes that a text names.

    Codes stand in any width and case, with spaces inside, in lists by 、，,; / line breaks 及 和 与.
    After a code a tail of up to five digits, with or without its two letters, stands for a code
    that ends so (``…GB00034、36``); by a mere space only a tail of five digits does. Two codes, or a
    code and a tail, with 至 到 ~ or a dash between are a range, of at most ``LONGEST_RANGE``
    parcels; after a dash the tail must have its five digits. A range that is none is left in
    the rest. Notes in brackets are passed over, unless no code stands outside of them.

    ``scheme`` is ``gbt37346``, or a regular expression: every match in the text in capitals that is
    not empty counts, its first group where it has one. Codes of our own (NC and 16 hexadecimals) count in every scheme.

    Shape:  one text per row in; one row per code out: row (label of the input), position (from
            1, by first mention), parcel_code. A code said twice counts once.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError where ``scheme`` is not a regular expression.
    Source: GB/T 37346-2019 (19 and 28 characters; of the latter the first 19); default chosen.
    """
    places, readings = _read_codes(s, scheme)
    return _long(
        s.index, places, [[(code,) for code in r.codes] for r in readings], ["parcel_code"]
    )


def read_parcel_text(s: pd.Series, scheme: str = "gbt37346") -> pd.DataFrame:
    """Read what a text says of parcels, and whether that is all it says.

    ``stated_count`` is the number before 宗 (等3宗, 共三宗地), the largest where there are several.
    ``is_complete``: no other number is stated, and nothing but punctuation, known words and
    notes in brackets is left. ``rest`` is what is left; a note that holds a code is left too.
    ``proposal``: codes that would be valid with O as 0 and I as 1, or without a tail that is
    no unit number; never among the codes.

    Shape:  one text per row in; columns codes (sorted, joined by |, NA if none), count and
            stated_count (Int64), is_complete (bool), rest, proposal on the same index out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError where ``scheme`` is not a regular expression.
    Source: as ``parse_parcel_text``.
    """
    places, readings = _read_codes(s, scheme)
    complete = [r.rest is None and r.stated in {None, len(r.codes)} for r in readings]

    def spread(values: Iterable[Any], dtype: str) -> pd.Series:
        """The values of the distinct texts as a column of all rows."""
        return pd.Series(_objects(values)[places], s.index, dtype=dtype)

    return pd.DataFrame(
        {
            "codes": spread(("|".join(sorted(r.codes)) or None for r in readings), "str"),
            "count": spread((len(r.codes) for r in readings), "Int64"),
            "stated_count": spread((r.stated for r in readings), "Int64"),
            "is_complete": spread(complete, "bool"),
            "rest": spread((r.rest for r in readings), "str"),
            "proposal": spread(("|".join(sorted(r.proposals)) or None for r in readings), "str"),
        }
    )


def _read_codes(s: pd.Series, scheme: str) -> tuple[np.ndarray[Any, Any], list[_Reading]]:
    """Read each distinct text once; the places of the rows among the readings."""
    pattern = None
    if scheme != "gbt37346":
        try:
            pattern = re.compile(scheme)
        except re.error as error:
            raise ValueError(f"parcel code scheme is no regular expression: {scheme!r}") from error
    return _once(s, lambda text: _read_text(text.upper(), pattern), _Reading())


def _read_text(text: str, pattern: re.Pattern[str] | None) -> _Reading:
    """Read the codes of one folded text."""
    stated = max((_number_of(m["count"]) for m in _STATED.finditer(text)), default=None)
    text = _STATED.sub(" ", text)
    outside, notes = _part_notes(text)
    find = _national_codes if pattern is None else _codes_by(pattern)
    codes, left = find(outside)
    kept = [note for note in notes if _CODE_LIKE.search(note) or find(note)[0]]
    if not codes and not _CODE_LIKE.search(left):
        # a text that has its codes in brackets only
        meant = [note for note in kept if not _OTHER_LAND.match(note)]
        kept = [note for note in kept if note not in meant]
        codes, inside = find("\n".join(meant))
        left = f"{left} {inside}"
    left = " ".join([left, *kept])
    proposals = () if pattern is not None else _proposals(left, codes)
    rest = _PUNCTUATION.sub(" ", _KNOWN_WORDS.sub(" ", left)).strip()
    return _Reading(tuple(dict.fromkeys(codes)), stated, rest or None, proposals)


def _national_codes(text: str) -> tuple[list[str], str]:
    """Return the codes of one text in order, and the text without them."""
    codes: list[str] = []
    left: list[str] = []
    at = 0
    while match := _FULL.search(text, at):
        code = _valid(match[0])
        left.append(text[at : match.start()])
        at = match.end()
        if code is None:
            left.append(match[0])
            continue
        codes.append(code)
        if match["national"] is not None:
            at = _followers(text, at, codes, left)
        left.append(" ")
    left.append(text[at:])
    return codes, "".join(left)


def _followers(text: str, at: int, codes: list[str], left: list[str]) -> int:
    """Add the codes given by a tail or a range after the last one; return where they end."""
    while True:
        if (match := _RANGE_END.match(text, at)) is not None:
            full = match["full"]
            end = _valid(full) if full else _with_tail(codes[-1], match["whole"] or match["short"])
            between = _between(codes[-1], end)
            if between is None:
                left.append(f" {match[0]} ")
                # the other end is a code by itself where it is written in full
                return match.start("full") if full else match.end()
            codes += between
        elif (match := _NEXT_TAIL.match(text, at)) is not None:
            code = _with_tail(codes[-1], match["tail"] or match["apart"])
            if code is None:
                return at
            codes.append(code)
        else:
            return at
        at = match.end()


def _valid(text: str) -> str | None:
    """Return the parcel code of a text in the form of a code, None where it is not valid."""
    code = "".join(text.split())
    if code.startswith("NC"):
        return code
    match = _UNIT.fullmatch(code)
    return match and match[1]


def _with_tail(code: str, tail: str) -> str | None:
    """Return a code with another tail, None where that is no code."""
    letters, digits = re.sub("[^A-Z]", "", tail), re.sub("[^0-9]", "", tail)
    number = code[14 : 19 - len(digits)] + digits
    return _valid(code[:12] + (letters or code[12:14]) + number)


def _between(first: str, last: str | None) -> list[str] | None:
    """Return the codes after the first up to the last, None where they are no range."""
    if last is None or first[:14] != last[:14]:
        return None
    start, end = int(first[14:]), int(last[14:])
    if not start < end < start + LONGEST_RANGE:
        return None
    return [f"{first[:14]}{number:05d}" for number in range(start + 1, end + 1)]


def _codes_by(pattern: re.Pattern[str]) -> Callable[[str], tuple[list[str], str]]:
    """Make the finder of codes of a scheme, and of our own."""
    own = re.compile(f"{_OPEN}{_INTERNAL}{_CLOSED}")
    group = 1 if pattern.groups else 0

    def find(text: str) -> tuple[list[str], str]:
        """Return the codes of one text in order, and the text without them."""
        found: list[tuple[int, str]] = []

        def take(match: re.Match[str], group: int) -> str:
            """Note one match and leave blanks in its place."""
            code = "".join((match[group] or "").split())
            if not code:
                return match[0]
            found.append((match.start(), code))
            return " " * len(match[0])

        left = own.sub(lambda match: take(match, 0), text)
        left = pattern.sub(lambda match: take(match, group), left)
        return [code for _, code in sorted(found)], left

    return find


def _proposals(left: str, codes: Sequence[str]) -> tuple[str, ...]:
    """Return the codes that may have been meant in the rest."""
    found = []
    for match in _ALMOST.finditer(left):
        text = "".join(match[0].split()).translate(_LOOKALIKES)
        if _CODE.match(text) and text[:19] not in codes:
            found.append(text[:19])
    return tuple(dict.fromkeys(found))


# --- land numbers by section -----------------------------------------------------------------

_CHARACTER = r"[^\W0-9_]"
_LONGEST_HEAD = 40  # characters of place and section
_CONNECTOR = "以?及|[與与暨]"
_NOT_A_NUMBER = "平方|公頃|公顷|[坪畝亩筆笔宗年月日元樓楼層层巷弄鄰邻戶户棟栋%㎡]|M2|公尺|米"
_LAND_NUMBER = (
    rf"(?<![0-9-])(?:[0-9]{{8}}|[0-9]{{1,4}}(?:-[0-9]{{1,4}})?)(?![0-9-]|\s*(?:{_NOT_A_NUMBER}))"
)
_AFTER_NUMBER = r"(?:地?[號号]|之?[內内]|之?一?部[分份]?|全部|土地|等)*"
_LIST_ITEM = f"{_LAND_NUMBER}{_AFTER_NUMBER}"
_LIST_GAP = rf"(?:[、,;.\s/~]|{_CONNECTOR}|和|至|到|同小?段)+第?|(?<=[號号])"
_LIST = rf"{_LIST_ITEM}(?:(?:{_LIST_GAP}){_LIST_ITEM})*"
_SECTION_LIST = re.compile(
    rf"(?P<mark>[、,;.:/]?)(?P<head>{_CHARACTER}{{0,{_LONGEST_HEAD}}}段)[、,:]?(?:地[號号]:?)?第?(?P<list>{_LIST})"
)
_LIST_PARTS = re.compile(rf"(?P<number>{_LAND_NUMBER})(?P<after>{_AFTER_NUMBER})")
_LAND_COUNT = re.compile(
    rf"[等共計计合總总]*{_COUNT}筆(?:土地|地[號号])?|[等共计合总]*{_COUNT}笔(?:土地|地号)?"
)
_BROKEN_NUMBER = re.compile(r"(?<=[0-9])\s*[-之]\s*(?=[0-9])")
_AFTER_LIST_BREAK = re.compile(r"(?<=[號号分份])\s+(?=\S)")
_IDLE_SPACE = re.compile(r"(?<![0-9\s])\s+|\s+(?![0-9\s])")
_BRACKETED_LIST = re.compile(rf"(?<=段)\(({_LIST})\)")
_NUMERAL_IN_NAME = re.compile("(?<![0-9-])([1-9][0-9]?)(?=小?段)")
_ROAD_SECTION = re.compile(f"(?:路|街|大道)[{_NUMERALS}十]+段$")
_SITUATED = re.compile("^(?:(?:土地)?[坐座]落(?:[於于在])?|位[於于]|土地標示)")
_LEADING_CONNECTOR = re.compile(f"^(?:{_CONNECTOR})")
_SAME = ("同段", "同小段")
_NEEDS_SECTION = re.compile("同段|[^段]*小段")
_PLACE = re.compile(
    rf"(?P<place>(?:{_CHARACTER}{{1,3}}省)?"
    rf"(?:(?:(?![鄉乡鎮镇區区]){_CHARACTER}){{2,3}}?[縣县市])?"
    rf"(?:{_CHARACTER}{{1,3}}?[鄉乡鎮镇市區区](?![區区段])|{_CHARACTER}{{2,4}}街道)?)"
    rf"(?P<section>{_CHARACTER}+段)"
)


def parse_land_numbers(s: pd.Series) -> pd.DataFrame:
    """Read sections and land numbers of a cadastre that numbers land by section.

    A list of numbers belongs to the section before it; a section without a place has the place
    of the one before, and a subsection alone (二小段) its section. Notes in brackets, counts
    (等5筆), 地號, 部分 and 內 are passed over; 中山路二段 with a house number is a road. 至 and ~ between
    two parents, or two children of one parent, are a range of at most ``LONGEST_RANGE`` numbers;
    of one that is none only the ends count. A line break between digits parts two numbers,
    unless the list has other separators and is in ascending order only with the digits joined.
    Numbers without any section are not read.

    Shape:  one text per row in; one row per number out: row (label of the input), position
            (from 1, by first mention), place (NA if none), section (with its subsection), number
            (4 digits parent, 4 digits child).
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: default chosen, after the form of printed notices (parent and child number).
    """
    nothing: list[tuple[str | None, str, str]] = []
    places, lands = _once(s, _read_lands, nothing)
    return _long(s.index, places, lands, ["place", "section", "number"])


def _read_lands(text: str) -> list[tuple[str | None, str, str]]:
    """Read place, section and number of each land in one folded text."""
    text = _BROKEN_NUMBER.sub("-", _BRACKETED_LIST.sub(r"\1", text))
    text = _AFTER_LIST_BREAK.sub("、", _part_notes(text)[0])
    text = _LAND_COUNT.sub("等", _IDLE_SPACE.sub("", text))
    text = _NUMERAL_IN_NAME.sub(lambda match: _numeral_of(int(match[1])), text)
    found: list[tuple[str | None, str, str]] = []
    place: str | None = None
    section: str | None = None
    end = -1
    for match in _SECTION_LIST.finditer(text):
        head = match["head"]
        if _ROAD_SECTION.search(head):
            continue
        head = _LEADING_CONNECTOR.sub("", _SITUATED.sub("", head))
        if match.start() == end and not match["mark"]:
            head = head.removeprefix("和")
        end = match.end()
        if _NEEDS_SECTION.fullmatch(head):
            if section is None:
                continue
            if head not in _SAME:
                section = section[: section.index("段") + 1] + head
        else:
            parts = _PLACE.fullmatch(head)
            if parts is None:
                continue
            place, section = parts["place"] or place, parts["section"]
        found += [(place, section, number) for number in _numbers(match["list"])]
    return list(dict.fromkeys(found))


def _numbers(text: str) -> Iterator[str]:
    """Read the numbers of one list."""
    before: tuple[int, int] = (0, 0)
    for number, is_range in _whole_numbers(text):
        this = _parts(number)
        if is_range and this[1] == 0 and before[1] < this[0] < before[0] and before[1] > 0:
            # 716-5至8: the parent is not said again
            this = before[0], this[0]
        if is_range:
            yield from map(_eight, _numbers_between(before, this))
        if this[0] > 0:
            yield _eight(this)
        before = this


def _whole_numbers(text: str) -> list[tuple[str, bool]]:
    """Part a list into numbers, each with whether it ends a range; join what a break has parted."""
    parts = list(_LIST_PARTS.finditer(text))
    gaps = [text[a.end() : b.start()] for a, b in itertools.pairwise(parts)]
    has_signs = any(gap.strip() for gap in gaps)
    numbers = [(parts[0]["number"], False)]
    for last, match, gap in zip(parts, parts[1:], gaps, strict=False):
        number = match["number"]
        is_break = has_signs and not gap.strip() and "\n" in gap and not last["after"]
        earlier = [value for value, _ in numbers[-2:]]
        if is_break and _is_one(earlier, number):
            numbers[-1] = earlier[-1] + number, numbers[-1][1]
        else:
            numbers.append((number, re.search("[~至到]", gap) is not None))
    return numbers


def _is_one(earlier: list[str], number: str) -> bool:
    """Tell whether a number goes on with the last one: apart they are in no order."""
    whole = earlier[-1] + number
    return (
        re.fullmatch("[0-9]{1,4}(?:-[0-9]{1,4})?", whole) is not None
        and not _ascends([*earlier, number])
        and _ascends([*earlier[:-1], whole])
    )


def _ascends(numbers: Sequence[str]) -> bool:
    """Tell whether numbers come in ascending order."""
    values = [_parts(number) for number in numbers]
    return all(a < b for a, b in itertools.pairwise(values))


def _parts(number: str) -> tuple[int, int]:
    """Return parent and child of a number."""
    if len(number) == 8 and "-" not in number:
        return int(number[:4]), int(number[4:])
    parent, _, child = number.partition("-")
    return int(parent), int(child or 0)


def _eight(number: tuple[int, int]) -> str:
    """Write parent and child as eight digits."""
    return f"{number[0]:04d}{number[1]:04d}"


def _numbers_between(first: tuple[int, int], last: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the numbers between two ends, none where they are no range."""
    if first[0] == last[0] and 0 < first[1] < last[1] < first[1] + LONGEST_RANGE:
        return [(first[0], child) for child in range(first[1] + 1, last[1])]
    if first[1] == last[1] == 0 and first[0] < last[0] < first[0] + LONGEST_RANGE:
        return [(parent, 0) for parent in range(first[0] + 1, last[0])]
    return []


# --- sections --------------------------------------------------------------------------------

# Forms of one character that are written for each other in names of places; the second is kept.
_OLD_FORMS = (
    "亞來併倉個倫偉傘備傳僅僑儀億優兒內兩凍凱別創劃劉劍勁動勝勞勢勵勸匯區協吳呂員啞啟喬嗎嗚嘩國圍園圓埡報場塊塗塹墊墾墳壇壘壟壠壢壩壯壽夢奧奮婦媽孫學宮實寧寬寶將專對"
    "導層屬岡島峽峯崗崙嵐嶺嶼巒巖師帶幹庫廟廠廚廣廩廳張強彌徑復恆恥悅惱愛態慶憲應戲戶掃掛揚換撈擔擺斷昇時晉暉曉書會東柵桿條棟棧棲楊楓業極榮槍樂樓樞樸樹橋機橫檜檳櫃櫥"
    "櫻欄權歐歡歲歷歸殼涼淨淵淺測湊湧湯溝溫滬滿漁漚漢潛潤澗澤澱濁濃濕濟濫濱瀧瀨灘灣為烏無煉煙煥熱燈燒營燦爐爺爾獅獻瑪環瓊甕產當疊發盡盤盧眾礦碼磚祿禮種穀窩窯磘筆筍範"
    "篤簡簾籃籠籬糞紀紅納紙細紹組結給絨統絲經綜綠維網綺線緞練縣縫總績繞繼羅義羗聖聯聲聳脈腦腳膽臨興舉舊舖鋪舘苧莊華萊萬葉蓀蓋蓮蔥薑薩藍藝蘆蘇蘭號蠶術衛補裡裏褔見親覺"
    "覽觀觸訊訓許詔試詩該誠調論諾講謝議護讚豐豊貓貝貢貨貴貿賀資賓賢賦賴賽趙踐車軍軟載輔輕輝輪轉農連進遊運過達遠邁邊鄉鄒鄧鄭醫釣鉅銀銅鋸錦錫鍊鍾鎖鎮鏡鏢鐘鐵鑼鑽鑾長門"
    "閂開閑間閣閥闊關陝陰陳陸陽際隨險隱雙雞鷄難雲電霧靈靜響頂順須頌頓頭頸顯風飛飯餉館饒馬駒駕駝騎騰騾驅驛體鬥鬧魚魯鮑鯉鯤鰲鱉鳥鳩鳳鳴鳶鴛鴦鴨鴻鴿鵝鵬鵲鶯鶴鷗鷹鷺鸞鹽"
    "塩麗麥黃點齊齡龍龔龜臺後墻牆雜驗錢銘邏犂蔴紮綫侖鄺閩餘棗澆濰灤禦籌紡紳紐綿聞臘蕭蔣衝規訂計設語課請誼譚賬購贛躍轄較遲選遷還鈔鈴針鋼鋒錨鍋鑄陣陘隊雖頁項預領題額顧"
    "飲飼飽驚驪鮮鯨鼇齋"
)
_NEW_FORMS = (
    "亚来并仓个伦伟伞备传仅侨仪亿优儿内两冻凯别创划刘剑劲动胜劳势励劝汇区协吴吕员哑启乔吗呜哗国围园圆垭报场块涂堑垫垦坟坛垒垄垄坜坝壮寿梦奥奋妇妈孙学宫实宁宽宝将专对"
    "导层属冈岛峡峰岗仑岚岭屿峦岩师带干库庙厂厨广廪厅张强弥径复恒耻悦恼爱态庆宪应戏户扫挂扬换捞担摆断升时晋晖晓书会东栅杆条栋栈栖杨枫业极荣枪乐楼枢朴树桥机横桧槟柜橱"
    "樱栏权欧欢岁历归壳凉净渊浅测凑涌汤沟温沪满渔沤汉潜润涧泽淀浊浓湿济滥滨泷濑滩湾为乌无炼烟焕热灯烧营灿炉爷尔狮献玛环琼瓮产当叠发尽盘卢众矿码砖禄礼种谷窝窑窑笔笋范"
    "笃简帘篮笼篱粪纪红纳纸细绍组结给绒统丝经综绿维网绮线缎练县缝总绩绕继罗义羌圣联声耸脉脑脚胆临兴举旧铺铺馆苎庄华莱万叶荪盖莲葱姜萨蓝艺芦苏兰号蚕术卫补里里福见亲觉"
    "览观触讯训许诏试诗该诚调论诺讲谢议护赞丰丰猫贝贡货贵贸贺资宾贤赋赖赛赵践车军软载辅轻辉轮转农连进游运过达远迈边乡邹邓郑医钓巨银铜锯锦锡炼钟锁镇镜镖钟铁锣钻銮长门"
    "闩开闲间阁阀阔关陕阴陈陆阳际随险隐双鸡鸡难云电雾灵静响顶顺须颂顿头颈显风飞饭饷馆饶马驹驾驼骑腾骡驱驿体斗闹鱼鲁鲍鲤鲲鳌鳖鸟鸠凤鸣鸢鸳鸯鸭鸿鸽鹅鹏鹊莺鹤鸥鹰鹭鸾盐"
    "盐丽麦黄点齐龄龙龚龟台后墙墙杂验钱铭逻犁麻扎线仑邝闽余枣浇潍滦御筹纺绅纽绵闻腊萧蒋冲规订计设语课请谊谭账购赣跃辖较迟选迁还钞铃针钢锋锚锅铸阵陉队虽页项预领题额顾"
    "饮饲饱惊骊鲜鲸鳌斋"
)
_FORMS = str.maketrans(_OLD_FORMS, _NEW_FORMS)
_SECTION_NOTE = re.compile(r"(?<=段)\(.*\)$")
_AREA = re.compile(r"(?:(?!区)\w){1,3}?[县市乡镇区](?!区)")
_PROVINCE = re.compile("^.{1,3}省")
_PLACE_END = tuple("县市乡镇区里村")
_AREA_LEVELS = ("county", "town")


class _Section(NamedTuple):
    """One row of the reference list: the folded names of its city and town, and its code."""

    areas: frozenset[str]
    code: str


class _SectionList:
    """The reference list, by exact and by folded name."""

    def __init__(self, sections: pd.DataFrame) -> None:
        table = sections.dropna(subset=["section_name", "section_code", "place"])
        names = table["section_name"].astype("str").str.normalize("NFKC").str.strip()
        codes = table["section_code"].astype("str")
        places = table["place"].astype("str").str.normalize("NFKC").str.strip()
        offices = table["office"] if "office" in table.columns else pd.Series(None, table.index)
        offices = offices.astype("str").str.normalize("NFKC").str.strip()
        is_area = places.isin(_AREA_LEVELS)
        area_names = dict(zip(codes[is_area], names[is_area].map(_fold_name), strict=True))
        self.by_name: dict[str, list[_Section]] = defaultdict(list)
        self.by_folded: dict[str, list[_Section]] = defaultdict(list)
        self.known: set[str] = set()
        columns = (values[~is_area].tolist() for values in (names, codes, places, offices))
        for name, code, place, office in zip(*columns, strict=True):
            areas = self._areas(place, office, area_names)
            section = _Section(areas, code)
            self.known |= areas
            exact = _SECTION_NOTE.sub("", name)
            self.by_name[exact].append(section)
            self.by_folded[_fold_name(exact)].append(section)
        # the areas without their kind
        self.stems = {_stem(area) for area in self.known}

    @staticmethod
    def _areas(place: str, office: object, area_names: dict[str, str]) -> frozenset[str]:
        """The names of the areas in which a section lies."""
        named = [area_names[key] for key in place.split("_") if key in area_names]
        if not named:
            named = _areas_of(_fold_name(place))
            if isinstance(office, str) and not named:
                named = [_fold_name(office)]
        return frozenset(named)

    def find(self, place: str, section: str, city: str) -> str | None:
        """Return the code of the one section that fits, None where none or several do."""
        folded = _fold_name(place + section)
        given = _fold_name(section)
        for sections in (self.by_name.get(section, []), self.by_folded.get(given, [])):
            fitting = self._fitting(sections, [city, _fold_name(place)])
            if fitting:
                return _only(fitting)
        # the border between place and section was drawn by its characters alone
        for cut in range(len(folded) - 1):
            before = folded[:cut]
            if not before or before.endswith(_PLACE_END):
                fitting = self._fitting(self.by_folded.get(folded[cut:], []), [city, before])
                if fitting:
                    return _only(fitting)
        return None

    def _fitting(self, sections: list[_Section], places: Iterable[str]) -> list[_Section]:
        """Return the sections that lie in the given places."""
        if not sections:
            return []
        areas = [area for place in places for area in _areas_of(place)]
        told = [area for area in areas if area in self.known or _stem(area) in self.stems]
        if areas and not told:
            return []
        for area in told:
            if area in self.known:
                sections = [row for row in sections if area in row.areas]
            else:
                sections = [row for row in sections if _stem(area) in map(_stem, row.areas)]
        return sections


def match_sections(
    found: pd.DataFrame, sections: pd.DataFrame, city: pd.Series | None = None
) -> pd.Series:
    """Find the code of each section in a reference list.

    Section names are compared as written, then with traditional and simplified forms and other
    variants (台 臺, 脚 腳) taken for one. Of several sections of a name those in the named places
    count: the place of ``found``, and the city of the row. A place of a kind that has changed
    (鄉 now 區) is told by the rest of its name. None where no section fits, or several do.

    ``sections`` has columns section_name, section_code, place, and may have office. ``place`` is
    the name of the area (新屋區, 桃園市新屋區), or a key of parts joined by _ (``H_H11``) of which
    other rows give the names: their own place is ``county`` or ``town``, their section_name the name
    of the area, their section_code the part of the key. The name of the ``office`` stands for
    the area where nothing names it.

    Shape:  ``found`` of ``parse_land_numbers``; the list, one row per section; ``city``, one name
            per input row on the index of the texts; one code on the index of ``found`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError where a label of ``city`` repeats; KeyError where a column is missing
            (a caller's bug).
    Source: default chosen: a tie is never decided by chance.
    """
    if city is not None and not city.index.is_unique:
        raise ValueError("the labels of the cities repeat: a row has no city of its own")
    reference = _SectionList(sections)
    cities = pd.Series("", found.index) if city is None else found["row"].map(fold(city))
    keys = pd.DataFrame(
        {"place": found["place"], "section": found["section"], "city": cities}
    ).fillna("")
    places, distinct = pd.factorize(pd.MultiIndex.from_frame(keys))
    codes = [reference.find(place, name, _fold_name(town)) for place, name, town in distinct]
    return pd.Series(_objects([*codes, None])[places], found.index, dtype="str")


def _only(sections: Iterable[_Section]) -> str | None:
    """Return the code where all rows mean one section, None otherwise."""
    distinct = set(sections)
    return distinct.pop().code if len(distinct) == 1 else None


def _areas_of(place: str) -> list[str]:
    """Part a folded place into its areas."""
    return _AREA.findall(_PROVINCE.sub("", place))


def _stem(area: str) -> str:
    """Return the name of an area without its kind."""
    return area[:-1] if len(area) > 2 and area[-1] in "县市乡镇区" else area


def _fold_name(name: str) -> str:
    """Write a name with one form of each character and numbers of sections in words."""
    name = "".join(name.split()).translate(_FORMS)
    return _NUMERAL_IN_NAME.sub(lambda match: _numeral_of(int(match[1])), name)


# --- both ------------------------------------------------------------------------------------


def _once(
    s: pd.Series, read: Callable[[str], _T], nothing: _T
) -> tuple[np.ndarray[Any, Any], list[_T]]:
    """Read each distinct text once, folded; the places of the rows among the readings."""
    folded = fold(s).str.translate(_SIGNS)
    places, texts = pd.factorize(folded)
    # the place of a missing text is -1
    return places, [*map(read, texts.tolist()), nothing]


def _long(
    index: pd.Index,
    places: np.ndarray[Any, Any],
    rows: Sequence[Sequence[tuple[Any, ...]]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Lay out the rows of each text below each other."""
    sizes = np.array([len(part) for part in rows], dtype=np.int64)[places]
    ends = np.cumsum(sizes)
    position = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes) + 1
    values = [row for place in places for row in rows[place]]
    table = pd.DataFrame({"row": index.repeat(sizes), "position": position})
    for number, name in enumerate(names):
        table[name] = pd.Series(_objects(row[number] for row in values), table.index, dtype="str")
    return table


def _objects(values: Iterable[Any]) -> np.ndarray[Any, Any]:
    """Make an array of whatever there is."""
    return np.fromiter(values, dtype=object)


def _part_notes(text: str) -> tuple[str, list[str]]:
    """Return a text without its notes in brackets, and the notes."""
    notes: list[str] = []

    def take(match: re.Match[str]) -> str:
        """Keep one note."""
        notes.append(match[0])
        return " "

    before = None
    while before != text:
        before, text = text, _NOTE.sub(take, text)
    return text, notes


def _number_of(text: str) -> int:
    """Read a number below a thousand in digits or in Chinese numerals."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, None
    for sign in text:
        if sign in _NUMERAL_VALUES:
            digit = _NUMERAL_VALUES[sign]
        else:
            total += (1 if digit is None else digit) * (10 if sign == "十" else 100)
            digit = None
    return total + (digit or 0)


def _numeral_of(number: int) -> str:
    """Write a number below a hundred in Chinese numerals."""
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else ("" if tens == 1 else _NUMERALS[tens]) + "十"
    return head + (_NUMERALS[ones] if ones else "")
