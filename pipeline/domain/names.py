"""Names of enterprises and addresses, brought to a form in which equals are equal.

Normalising only removes what typing adds. It never decides that two names mean the same
enterprise: 市, 县, 有限公司 and 有限责任公司 stay, and so do the words that tell a branch or a legal
form from its namesake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Final, Literal

import pandas as pd
import pypinyin

from pipeline.domain.text import DASHES, SPACES, blank_to_na, fold, map_unique
from pipeline.domain.us_postal import us_key

_BRACKETS = str.maketrans("〔〕[]【】〖〗{}", "()" * 5)

# Notes that say something about the enterprise but are no part of its registered name.
_NOTE_WORDS = (
    "原",
    "曾用名",
    "前身",
    "更名",
    "承租",
    "出租",
    "租赁",
    "租用",
    "转租",
    "租户",
    "注销",
    "已注销",
    "吊销",
    "已吊销",
    "停产",
    "已停产",
    "搬迁",
    "已搬迁",
)
_FORMER = re.compile("^(?:原名称?|原|曾用名|前身|更名前)[:：为]?")
_GROUP = r"\((?:[^()]|\([^()]*\))*\)"
_TRAILING_GROUPS = re.compile(rf"(?:{_GROUP})+$")
_NOTE = re.compile(rf"\((?=(?:{'|'.join(_NOTE_WORDS)}))((?:[^()]|\([^()]*\))*)\)")

_ZH_NOISE = re.compile(r"[\W_]+")
_ZH_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[\W_]+(?=[0-9])")
_ZH_RANGE = re.compile(f"[-~{DASHES}]")

# Forms of enterprises and other bodies, at the end of a name; what is longer goes first.
_FORMS: Final = [
    "股份有限责任公司",
    "股份有限公司",
    "有限责任公司",
    "有限公司",
    "股份公司",
    "集团公司",
    "公司",
    "股份经济合作社",
    "经济合作社",
    "专业合作社",
    "股份合作社",
    "合作社",
    "村民委员会",
    "居民委员会",
    "村委会",
    "居委会",
    "合伙企业",
    "工作室",
    "经营部",
    "经销部",
    "营业部",
    "门市部",
    "加工部",
    "服务部",
    "加工场",
    "加工厂",
    "制造厂",
    "总厂",
    "分厂",
    "商行",
    "商店",
    "超市",
    "车行",
    "研究所",
    "研究院",
    "事务所",
    "设计院",
    "卫生院",
    "医院",
    "学校",
    "中心",
    "基地",
    "农场",
    "林场",
    "作坊",
    "厂",
    "店",
    "行",
    "社",
    "部",
    "站",
    "场",
]
_FORM: Final = re.compile(
    rf"(?:集团)?(?:{'|'.join(sorted(_FORMS, key=len, reverse=True))})?(?:{_GROUP})*$"
)
# A branch bears the name of its company, then its own.
_BRANCH: Final = re.compile(
    r"(?P<main>.*?(?:公司|合作社|银行|厂|社|店))"
    r"(?P<branch>[^()]*?(?:分公司|分厂|分社|分店|分行|支行|办事处|营业部|营业所|经营部|供电所|项目部|工厂|车间))$"
)
_REGION_TAIL: Final = re.compile("(?:特别行政区|自治区|省|市|县|区|镇|乡|街道)$")
_PLACE_AHEAD: Final = re.compile(r"[\u4e00-\u9fff]{2,3}(?:省|市|县)(?=[\u4e00-\u9fff]{3})")
_PERSON: Final = re.compile(r"[\u3400-\u9fff·]{2,4}")
# A name must have this many characters between its place and its form before one of them may be wrong.
_LONG_BODY: Final = 4


def normalise_name(s: pd.Series) -> pd.Series:
    """Turn the name of an enterprise into its key.

    One width, one kind of brackets, no spaces, upper case; notes at the end, such as (原XX公司)
    and (承租), are taken off (``former_names`` reads those that name one). (普通合伙), (个人独资),
    (分公司) and all other brackets are part of the name.

    Shape:  one name per row in; one key on the same index out, NA where nothing is left.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5, default chosen.
    """
    return blank_to_na(map_unique(_flat_name(s), _without_notes))


def former_names(s: pd.Series) -> pd.Series:
    """Return the keys of the former names that stand in brackets after a name, as in (原XX公司).

    Shape:  one name per row in; one key per former name out, on the labels of their rows.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5, default chosen.
    """
    notes = blank_to_na(map_unique(_flat_name(s), _notes)).dropna()
    found = notes.str.split(";").explode()
    found = found[found.str.match(_FORMER)].str.replace(_FORMER, "", regex=True)
    return normalise_name(found[found != ""]).dropna()


def name_parts(s: pd.Series, regions: Sequence[str] = ()) -> pd.DataFrame:
    """Take name keys apart: place, core and trade, form, branch.

    ``regions`` are the names of province, city, county and townships, with or without 省, 市, 镇 …; they
    are found in front and in brackets, as in 明澜(青岚)轴承有限公司. ``body`` is what is left between
    place and form, the core name and the trade. ``is_person``: two to four characters and no form.
    ``sound`` is the body as it is spoken, without tones. ``blocks``, as an array literal of PostgreSQL,
    is what a body shares with all those that sound alike or differ from it in one character: the
    sound, the body, and the body without each of its characters (from four characters on).

    Shape:  one key of ``normalise_name`` per row in; columns is_person, region, body, form, branch,
            sound, blocks on the same index out; texts are empty where there is none.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5 (core exact, region may be missing but not wrong, branch in full).
    """
    stems = sorted({_REGION_TAIL.sub("", region) for region in regions}, key=len, reverse=True)
    names = "|".join(re.escape(stem) for stem in stems if len(stem) > 1)
    place = re.compile(
        rf"(?:{names})(?:特别行政区|自治区|省|市|县|区|镇|乡|街道)?" if names else "(?!)"
    )
    bracket = re.compile(rf"\((?:{place.pattern})+\)")
    places, values = pd.factorize(s)
    rows = [_parts(value, place, bracket) for value in values.tolist()]
    columns = ("is_person", "region", "body", "form", "branch", "sound", "blocks")
    found = pd.DataFrame([*rows, (False, "", "", "", "", "", "{}")], columns=pd.Index(columns))
    # the place of a missing value is -1
    found = found.iloc[places].set_axis(s.index)
    return found.astype(dict.fromkeys(columns[1:], "str"))


def _parts(
    name: str, place: re.Pattern[str], bracket: re.Pattern[str]
) -> tuple[bool, str, str, str, str, str, str]:
    """The parts of one name key."""
    regions = ["".join(_REGION_TAIL.sub("", word[1:-1]) for word in bracket.findall(name))]
    rest = bracket.sub("", name)
    branch = ""
    match = _BRANCH.fullmatch(rest)
    if match is not None:
        rest, branch = match["main"], match["branch"]
    start = _form_start(rest)
    body, form = rest[:start], rest[start:]
    is_person = not form and not branch and _PERSON.fullmatch(name) is not None
    if not is_person:
        while (ahead := place.match(body) or _PLACE_AHEAD.match(body)) and ahead.end() < len(body):
            regions.append(_REGION_TAIL.sub("", ahead[0]))
            body = body[ahead.end() :]
    region = "".join(sorted(filter(None, regions)))
    sound = "".join(map(_sound, body))
    blocks = [body, f"~{sound}"] if body else []
    if len(body) >= _LONG_BODY:
        blocks += sorted({body[:i] + body[i + 1 :] for i in range(len(body))})
    quoted = ",".join('"' + text.replace("\\", "").replace('"', "") + '"' for text in blocks)
    return is_person, region, body, form, branch, sound, "{" + quoted + "}"


def _form_start(name: str) -> int:
    """Where the form of a name begins; its end where it has none, or is nothing else."""
    match = _FORM.search(name)
    return match.start() if match is not None and match.start() > 0 else len(name)


@cache
def _sound(character: str) -> str:
    """One character as it is spoken; itself where it is no Chinese one."""
    return pypinyin.lazy_pinyin(character)[0]


def normalise_address(
    s: pd.Series, style: Literal["zh", "us"], prefixes: Sequence[str] = ()
) -> pd.Series:
    """Bring an address to a form in which equal addresses are equal text.

    ``zh``: one width, no spaces, no punctuation except between two digits (a dash, else a
    comma), 號 as 号, ``prefixes`` (province, city, county, outermost first; each at most once)
    taken off the front. ``us``: upper case, postal abbreviations of street types and
    directions, ordinals without suffix, no leading zeros, hyphenated house numbers kept, unit
    and floor dropped. The result serves to rank candidates; it is no evidence by itself.

    Shape:  one address per row in; one text on the same index out, NA where nothing is left.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError on another style.
    Source: zh: default chosen. us: USPS Publication 28, appendices B and C.
    """
    if style == "us":
        return blank_to_na(map_unique(fold(s).str.upper(), us_key))
    if style != "zh":
        raise ValueError(f"unknown address style: {style!r}")
    flat = map_unique(fold(s).str.upper(), _zh_flat)
    fronts = map_unique(fold(pd.Series(list(prefixes), dtype="str")).str.upper(), _zh_flat)
    for prefix in fronts.dropna():
        flat = flat.str.removeprefix(prefix)
    return blank_to_na(flat)


def _flat_name(s: pd.Series) -> pd.Series:
    """Return names in one width and case, without spaces, with round brackets."""
    return fold(s).str.replace(SPACES, "", regex=True).str.translate(_BRACKETS).str.upper()


def _trailing_start(name: str) -> int:
    """Return where the brackets at the end of a name begin."""
    match = _TRAILING_GROUPS.search(name)
    return len(name) if match is None else match.start()


def _without_notes(name: str) -> str:
    """Return a flat name without the notes at its end."""
    start = _trailing_start(name)
    return name[:start] + _NOTE.sub("", name[start:])


def _notes(name: str) -> str:
    """Return the notes at the end of a flat name."""
    return ";".join(_NOTE.findall(name, _trailing_start(name)))


def _zh_flat(address: str) -> str:
    """Return a folded Chinese address without spaces and punctuation."""
    # Dropping what stands between two numbers would make a third one.
    parts = _ZH_BETWEEN_DIGITS.split(address.replace("號", "号"))
    marks = [
        "-" if _ZH_RANGE.search(between) else "," for between in _ZH_BETWEEN_DIGITS.findall(address)
    ]
    words = [_ZH_NOISE.sub("", part) for part in parts]
    return words[0] + "".join(mark + word for mark, word in zip(marks, words[1:], strict=True))
