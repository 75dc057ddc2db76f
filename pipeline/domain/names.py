"""Names of enterprises and addresses, brought to a form in which equals are equal.

Normalising only removes what typing adds. It never decides that two names mean the same
enterprise: 市, 县, 有限公司 and 有限责任公司 stay, and so do the words that tell a branch or a legal
form from its namesake.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import pandas as pd

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
_GROUP = r"\((?:[^()]|\([^()]*\))*\)"
_TRAILING_GROUPS = re.compile(rf"(?:{_GROUP})+$")
_NOTE = re.compile(rf"\((?=(?:{'|'.join(_NOTE_WORDS)}))((?:[^()]|\([^()]*\))*)\)")

_ZH_NOISE = re.compile(r"[\W_]+")
_ZH_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[\W_]+(?=[0-9])")
_ZH_RANGE = re.compile(f"[-~{DASHES}]")


def normalise_name(s: pd.Series) -> pd.Series:
    """Turn the name of an enterprise into its key.

    One width, one kind of brackets, no spaces, upper case; notes at the end, such as (原XX公司)
    and (承租), are taken off (``name_notes`` returns them). (普通合伙), (个人独资), (分公司) and all
    other brackets are part of the name.

    Shape:  one name per row in; one key on the same index out, NA where nothing is left.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5, default chosen.
    """
    return blank_to_na(map_unique(_flat_name(s), _without_notes))


def name_notes(s: pd.Series) -> pd.Series:
    """Return the notes that ``normalise_name`` takes off, without brackets, joined by ``;``.

    Shape:  one name per row in; one text on the same index out, NA where there is no note.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5, default chosen.
    """
    return blank_to_na(map_unique(_flat_name(s), _notes))


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
