"""How well bytes read as text in each encoding: not whether they decode, but what they then say.

GB18030 decodes almost anything, so that a text decodes proves little. What tells encodings apart is
what comes out: in the right one nearly all hanzi are common ones, in a wrong one about half are rare
and the rest are kana, Cyrillic, box drawings or private characters.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from itertools import islice

import numpy as np
import numpy.typing as npt

# What can be decided without a statement. Korean is a rival only: its common syllables have the bytes
# of common hanzi, and must not pass for them.
DECIDABLE = ("utf-8", "gb18030", "big5hkscs")
_RIVALS = (*DECIDABLE, "cp949")

# How strange a character is that is read. A right reading has about one rare hanzi in twenty, a wrong
# one about one in two: one rare hanzi speaks some 15 to 1 against its reading, three some 3,700 to 1.
_COMMON, _RARE, _ODD, _PRIVATE, _BROKEN = 0, 2, 3, 4, 6
# One reading is clearly better than another when it is less strange by this: three rare hanzi.
CLEAR = 6
# A reading of which more characters than this are strange is none: no place or register that was
# measured has more than 3 % of them, half a file in another encoding has 20 %.
_STRANGE_SHARE, _STRANGE_ANYHOW = 0.15, 4
_STRANGE_MOST = 0.5
# By how much a value may read better in another encoding than the one it is in, and how many values
# (share, and at least) then are rows of another encoding. Of 190,000 names, addresses and register
# entries that were measured, 0.02 % (at most 0.2 % of a file) read better in another one by a rare
# hanzi, 3 by three of them, none by more.
_BETTER = {2: (0.01, 3), CLEAR: (0.001, 1), 9: (0.0, 1)}
# What a contract declares gives way to these only.
_BETTER_THAN_DECLARED = (2, 9)

# Bytes may happen to be UTF-8 without being meant so; what this speaks against every other reading,
# for a character of two bytes (chance about 1 in 5) and of three.
_CHANCE_OF_TWO, _CHANCE_OF_THREE = 1, 3

# A character beyond the first plane counts as its plane.
_PLANES = 0x10000
_CODES = _PLANES + 0x11
# Letters of two bytes in UTF-8: Latin ones with marks, Greek, Cyrillic, Hebrew, Arabic.
_LETTERS = slice(0xC0, 0x800)
# Bytes of one piece that are weighed; the rest is checked for faults and for UTF-8 among others.
_WEIGHED_BYTES = 1 << 16
_SUSPECTS = 256
_SAMPLES = 512
# Of each piece so many values, from all over it, are looked at for what happened to them before.
_SPREAD, _SPREAD_BYTES = 128, 4096
# Two and more hanzi or full-width characters in UTF-8 with nothing else beside them.
_UTF8_RUN = re.compile(
    rb"(?<![\x80-\xff])(?:[\xe3-\xe9][\x80-\xbf]{2}|\xef[\xbc-\xbf][\x80-\xbf]){2,}(?![\x80-\xff])"
)
_REPLACEMENT = 0xFFFD
# U+FFFD in the file itself: its text was destroyed before it came here
_WAS_REPLACED = re.compile(rb"\xef\xbf\xbd|\x84\x31\xa4\x37")
_DESTROYED = {
    "utf-8": re.compile(b"\xef\xbf\xbd|" + "锟斤拷".encode()),
    "gb18030": re.compile("锟斤拷".encode("gb18030")),
}

_NO_FIRST_BYTE = b"\x80\xff"

Place = tuple[int, str]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """A value that says something: its bytes, its row and its field."""

    value: bytes
    row: int
    field: str
    may_show: bool = True


@dataclass
class _Weight:
    """What was seen in one reading."""

    seen: _Flags = field(default_factory=lambda: np.zeros(2 * _CODES, dtype=bool))
    characters: int = 0
    strange: int = 0
    fault: Found | None = None
    cut: Found | None = None
    destroyed: Found | None = None
    # by other encoding and by how much: how many values read better in this one, and the first
    better: Counter[tuple[str, int]] = field(default_factory=Counter)
    first_better: dict[tuple[str, int], Found] = field(default_factory=dict)


class Evidence:
    """All that was seen of some texts, read in each of several encodings."""

    def __init__(self, stated: Iterable[str] = ()) -> None:
        """``stated``: encodings beyond the usual ones that somebody names."""
        self.encodings = tuple(dict.fromkeys((*_RIVALS, *stated)))
        self.weights = {name: _Weight() for name in self.encodings}
        self.is_ascii = True
        self.weighed = 0
        self.samples: list[bytes] = []
        # of these, what a message may hold
        self.shown: list[bytes] = []
        # some from all over the file, cut where they are long, and whether a message may hold them
        self.spread: list[tuple[bytes, bool]] = []

    def add(
        self,
        values: Sequence[bytes],
        locate: Callable[[int], Place],
        is_full: _Flags | None = None,
        *,
        may_show: bool = True,
    ) -> None:
        """Weigh distinct values that are not ASCII; none holds a line end.

        ``locate`` gives row and field of a value by its position; ``is_full`` tells which values fill
        their field, so that their last character may be cut; ``may_show``: a message may hold them.

        Shape:  values in; the evidence grows.
        Units:  none.
        CRS:    none.
        Errors: none; what does not decode is remembered with its place.
        Source: docs/sources.md, 7 (file habits).
        """
        if not values:
            return
        self.is_ascii = False
        full = np.zeros(len(values), dtype=bool) if is_full is None else is_full

        def found(place: int) -> Found:
            return Found(values[place], *locate(place), may_show)

        sizes = np.cumsum([len(value) + 1 for value in values])
        count = max(1, int(np.searchsorted(sizes, _WEIGHED_BYTES)))
        chosen = list(range(min(count, len(values))))
        if count < len(values):
            chosen = self._suspects(values, count, full)
            self._weigh(values, range(count), full, found)
        self._weigh(values, chosen, full, found)
        self.samples += values[: max(0, _SAMPLES - len(self.samples))]
        step = -(-len(values) // _SPREAD)
        self.spread += [(value[:_SPREAD_BYTES], may_show) for value in values[::step]]
        if may_show:
            self.shown += values[: max(0, _SAMPLES - len(self.shown))]

    def is_valid(self, encoding: str) -> bool:
        """Whether every value decodes."""
        return self.weights[encoding].fault is None

    def is_plausible(self, encoding: str, *, is_stated: bool = False) -> bool:
        """Whether every value decodes, and few enough characters are strange."""
        weight = self.weights[encoding]
        if encoding == "utf-8" and (is_stated or self._chance() >= 2 * CLEAR):
            # whatever it says, so much does not happen to be UTF-8
            return weight.fault is None
        most = _STRANGE_SHARE * weight.characters + _STRANGE_ANYHOW
        if not is_stated:
            most = min(most, _STRANGE_MOST * weight.characters)
        return weight.fault is None and weight.strange <= most

    def strangeness(self, encoding: str) -> int:
        """How strange the distinct characters of a reading are, and that the bytes happen to fit."""
        seen, table = self.weights[encoding].seen, _strangeness(encoding)
        if encoding == "utf-8":
            # letters of another language are one surprise, not one each
            letters = np.zeros(2 * _CODES, dtype=bool)
            letters[_LETTERS], letters[_CODES:][_LETTERS] = True, True
            strange = int(table[seen & ~letters].sum())
            return strange + min(CLEAR, int(table[seen & letters].sum()))
        total = int(table[seen].sum())
        return total + self._chance() if self.is_valid("utf-8") else total

    def contenders(self, stated: Sequence[str] = ()) -> list[str]:
        """Readings that are about as good as the best, best first; what is stated may be strange."""
        strange = {name: self.strangeness(name) for name in self.encodings if self.is_valid(name)}
        least = min(strange.values(), default=0)
        near = [name for name in strange if strange[name] < least + CLEAR]
        # what is strange by itself is no reading, though a rival of one
        is_any = any(self.is_plausible(name, is_stated=name in stated) for name in near)
        return sorted(near, key=lambda name: strange[name]) if is_any else []

    def likeliest(self) -> str:
        """The reading with the least share of strange characters, where none is without a fault."""
        weights = self.weights
        return min(
            DECIDABLE, key=lambda name: weights[name].strange / max(1, weights[name].characters)
        )

    def others(self, encoding: str, *, is_declared: bool = False) -> tuple[str, Found] | None:
        """A value of those that are in another encoding, None where there are none."""
        for least, (share, anyhow) in sorted(_BETTER.items(), reverse=True):
            if is_declared and least not in _BETTER_THAN_DECLARED:
                continue
            for name in DECIDABLE:
                found = self.first_better(name, encoding, least)
                count = self.weights[name].better[encoding, least]
                if found is not None and count >= max(anyhow, share * self.weighed):
                    return name, found
        return None

    def first_better(self, encoding: str, other: str, least: int = min(_BETTER)) -> Found | None:
        """The first value that reads better in one encoding than in another, by so much."""
        return self.weights[encoding].first_better.get((other, least))

    def joined(self, other: Evidence) -> Evidence:
        """Both evidences as one.

        Shape:  another evidence in; a new one out.
        Units:  none.
        CRS:    none.
        Errors: none.
        Source: as ``add``.
        """
        both = Evidence((*self.encodings, *other.encodings))
        for name in both.encodings:
            one, two = self.weights[name], other.weights[name]
            both.weights[name] = _Weight(
                one.seen | two.seen,
                one.characters + two.characters,
                one.strange + two.strange,
                one.fault or two.fault,
            )
        both.is_ascii = self.is_ascii and other.is_ascii
        both.samples = self.samples + other.samples
        both.shown = self.shown + other.shown
        both.spread = self.spread + other.spread
        return both

    def _chance(self) -> int:
        """What it says against other readings that all is UTF-8."""
        seen = self.weights["utf-8"].seen
        return int(_chance_in_utf8()[seen[:_CODES] | seen[_CODES:]].sum())

    def _weigh(
        self,
        all_values: Sequence[bytes],
        chosen: Sequence[int],
        all_full: _Flags,
        found: Callable[[int], Found],
    ) -> None:
        """Weigh some of the values in every encoding, together and each by itself."""
        if not chosen:
            return
        values, is_full = [all_values[i] for i in chosen], all_full[np.asarray(chosen)]

        def first(flags: _Flags) -> Found | None:
            return found(chosen[int(np.argmax(flags))]) if flags.any() else None

        readings = {name: _Reading(name, values, is_full) for name in self.encodings}
        chance = np.where(readings["utf-8"].is_fault, 0, readings["utf-8"].chance())
        totals = np.stack(
            [r.total() + (0 if name == "utf-8" else chance) for name, r in readings.items()]
        )
        self.weighed += len(values)
        for place, (name, reading) in enumerate(readings.items()):
            weight = self.weights[name]
            weight.seen[reading.keys] = True
            weight.characters += len(reading.keys)
            weight.strange += int((reading.strange > 0).sum())
            weight.fault = weight.fault or first(reading.is_fault)
            weight.cut = weight.cut or first(reading.is_cut)
            is_text = reading.is_plausible() & ~reading.is_fault
            for other, strange in zip(self.encodings, totals, strict=True):
                gain = np.where(is_text, strange - np.where(is_text, totals[place], 0), 0)
                for least in _BETTER if other != name else ():
                    is_better = gain >= least
                    weight.better[other, least] += int(is_better.sum())
                    if (other, least) not in weight.first_better and (example := first(is_better)):
                        weight.first_better[other, least] = example
            if weight.destroyed is None and (mark := _DESTROYED.get(name)) is not None:
                weight.destroyed = first(
                    np.array([mark.search(value) is not None for value in values], dtype=bool)
                )

    def _suspects(self, values: Sequence[bytes], first: int, is_full: _Flags) -> list[int]:
        """Of the values from ``first`` on: those with a fault, cut ones, UTF-8 among others."""
        suspects = {first + int(i) for i in np.flatnonzero(is_full[first:])}
        numbers = [i for i in range(first, len(values)) if i not in suspects]
        rest = [values[i] for i in numbers]
        block = b"\n".join(rest)
        starts = np.cumsum([0, *(len(value) + 1 for value in rest)])
        for name in self.encodings:
            if self.is_valid(name) and not decodes(block, name):
                suspects.add(next(i for i in numbers if not decodes(values[i], name)))
        if not self.is_valid("utf-8") or not decodes(block, "utf-8"):
            runs = islice(_UTF8_RUN.finditer(block), _SUSPECTS)
            hits = np.searchsorted(starts, [run.start() for run in runs], side="right") - 1
            suspects.update(numbers[hit] for hit in hits)
        elif self.weights["utf-8"].destroyed is None and _DESTROYED["utf-8"].search(block):
            suspects.update(i for i in numbers if _DESTROYED["utf-8"].search(values[i]))
        return sorted(suspects)


class _Reading:
    """Some values in one encoding.

    ``keys``: the characters that are not ASCII, one beside a letter of ASCII counted apart;
    ``strange``: how strange each is; ``value``: to which value it belongs.
    """

    def __init__(self, encoding: str, values: list[bytes], is_full: _Flags) -> None:
        block = b"\n".join(values) + b"\n"
        text = block.decode(encoding, "replace").encode("utf-32-le")
        codes = np.frombuffer(text, np.uint32).astype(np.int64)
        self.count = len(values)
        # a half character before a line end stays half: no encoding here has it as a second byte
        number = np.cumsum(codes == 0x0A)
        folded = codes | (0 if encoding != "utf-8" else 0x20)
        is_letter = (folded >= ord("a")) & (folded <= ord("z"))
        is_beside = np.zeros(len(codes), dtype=bool)
        is_beside[1:] |= is_letter[:-1]
        is_beside[:-1] |= is_letter[1:]
        broken = np.bincount(number[codes == _REPLACEMENT], minlength=self.count)[: self.count] > 0
        self.is_fault, self.is_cut = broken.copy(), np.zeros(self.count, dtype=bool)
        may_hold = _WAS_REPLACED.search(block) is not None
        for i in np.flatnonzero(broken if may_hold else broken & is_full):
            was_replaced = _WAS_REPLACED.search(values[i]) is not None
            if is_full[i] or was_replaced:
                self.is_fault[i] = not decodes(values[i], encoding, may_be_cut=bool(is_full[i]))
                self.is_cut[i] = not self.is_fault[i] and not was_replaced
        codes = np.where(codes < _PLANES, codes, _PLANES + (codes >> 16))
        is_text = codes >= 0x80
        if self.is_cut.any():
            is_text &= (codes != _REPLACEMENT) | ~np.append(self.is_cut, False)[number]
        self.value = number[is_text]
        self.codes = codes[is_text]
        self.keys = self.codes + _CODES * is_beside[is_text]
        self.strange = _strangeness(encoding)[self.keys]

    def total(self) -> npt.NDArray[np.float64]:
        """How strange each value is; infinite where it has a fault."""
        total = np.bincount(self.value, self.strange, self.count)
        return np.where(self.is_fault, np.inf, total)

    def is_plausible(self) -> _Flags:
        """Of which values most characters are ordinary."""
        characters = np.bincount(self.value, minlength=self.count)
        strange = np.bincount(self.value, self.strange > 0, self.count)
        return np.asarray(strange <= _STRANGE_MOST * characters)

    def chance(self) -> npt.NDArray[np.float64]:
        """What it says against every other reading that a value happens to be UTF-8."""
        chance = np.bincount(self.value, _chance_in_utf8()[self.codes], self.count)
        return chance.astype(np.float64)


def decode_value(value: bytes, encoding: str) -> str:
    """Decode one value; half a character at its end, cut by the width of its field, is dropped.

    Shape:  bytes in, text out.
    Units:  none.
    CRS:    none.
    Errors: UnicodeDecodeError where another byte does not fit.
    Source: docs/sources.md, 7 (file habits): fields cut in the middle of a character.
    """
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    text = decoder.decode(value, final=False)
    rest = decoder.getstate()[0]
    if rest and (rest[0] in _NO_FIRST_BYTE or rest[-1] < 0x80):
        # no half character: a byte that begins none, or a digit behind one
        at = len(value) - len(rest)
        raise UnicodeDecodeError(encoding, value, at, len(value), "incomplete character")
    return text


def decodes(value: bytes, encoding: str, *, may_be_cut: bool = False) -> bool:
    """Whether bytes are text of an encoding, where allowed with half a character at the end.

    Shape:  bytes in, a truth value out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: as ``decode_value``.
    """
    try:
        if may_be_cut:
            decode_value(value, encoding)
        else:
            value.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


@cache
def is_one_byte(encoding: str) -> bool:
    """Whether an encoding is a code page of one byte per character that contains ASCII.

    Shape:  the name of a codec in, a truth value out.
    Units:  none.
    CRS:    none.
    Errors: LookupError where there is no such codec.
    Source: none.
    """
    name = codecs.lookup(encoding).name
    if name == "iso8859-1":
        return True
    try:
        # codecs of one byte, and no others, have a table
        codec = import_module(f"encodings.{name.replace('-', '_')}")
    except ImportError:
        return False
    table = getattr(codec, "decoding_table", "")
    return len(table) == 256 and table[:128] == bytes(range(128)).decode("ascii")


def reads_in_one_byte(samples: Iterable[bytes], encoding: str) -> bool:
    """Whether texts look like words of a language in a code page of one byte.

    Letters with marks stand among others of their script, small ones do not come before capitals,
    and hardly a sign stands among letters; Chinese read in such a page looks otherwise.

    Shape:  values in, a truth value out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 7 (file habits).
    """
    letters = strange = 0
    for sample in samples:
        for word in re.findall(r"\S+", sample.decode(encoding, "replace")):
            high = [(i, c) for i, c in enumerate(word) if c > "\x7f"]
            letters += len(high)
            is_bare = not any(c.isascii() and c.isalpha() for c in word)
            is_latin = all(unicodedata.name(c, "").startswith("LATIN") for _, c in high)
            if is_bare and is_latin and len(high) > 1:
                strange += len(high)
                continue
            for i, c in high:
                after_small = i > 0 and word[i - 1].islower() and c.isupper()
                is_mark = not c.isalpha() and unicodedata.category(c)[0] not in "MP"
                strange += after_small or is_mark or unicodedata.category(c)[0] == "C"
    return letters > 0 and strange <= 0.1 * letters


@cache
def _strangeness(encoding: str) -> npt.NDArray[np.uint8]:
    """How strange each character is; in the second half each one beside a letter of ASCII."""
    is_utf8 = encoding == "utf-8"
    table = np.full(_CODES, _RARE if is_utf8 else _ODD, np.uint8)
    hanzi = np.zeros(_CODES, dtype=bool)
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)):
        hanzi[first : last + 1] = True
    hanzi[_PLANES + 2 : _PLANES + 4] = True
    table[hanzi] = _RARE if is_utf8 else _ODD
    table[0x80:0xA0] = _BROKEN
    table[0xE000:0xF900] = table[_PLANES + 15 :] = _PRIVATE
    table[0xFFFD:_PLANES] = _BROKEN
    for first, last in _NEUTRAL:
        table[first : last + 1] = _COMMON
    for codes, strange in _words_of(encoding):
        table[codes] = np.minimum(table[codes], strange)
    beside = table.copy()
    if is_utf8:
        # letters with marks belong beside others
        beside[0xC0:0x250] = _COMMON
    else:
        beside[hanzi] += _RARE
    return np.concatenate([table, beside])


# CJK punctuation, full-width forms, and the signs that stand in tables of areas and addresses.
_NEUTRAL = (
    (0x3000, 0x303F),
    (0xFF01, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x2010, 0x2027),
    (0x2030, 0x203E),
    (0x2100, 0x2121),
    (0x2160, 0x217B),
    (0x2200, 0x22FF),
    (0x2460, 0x249B),
    (0x25A0, 0x266F),
    (0x3220, 0x33FF),
    *((code, code) for code in (0xA7, 0xB0, 0xB1, 0xB2, 0xB3, 0xB7, 0xD7, 0xF7, 0x20AC)),
)


def _words_of(encoding: str) -> list[tuple[npt.NDArray[np.int64], int]]:
    """What is ordinary in an encoding, and how strange it is at most."""
    gb, gb_second = _pairs("gb2312", 0xB0, 0xD7), _pairs("gb2312", 0xD8, 0xF7)
    big5, big5_second = _pairs("big5", 0xA4, 0xC6), _pairs("big5", 0xC9, 0xF9)
    kana, hangul = np.arange(0x3041, 0x3100), np.arange(0xAC00, 0xD7A4)
    return {
        "utf-8": [(np.concatenate([gb, big5, kana, hangul]), _COMMON)],
        "gb18030": [(np.concatenate([gb, big5]), _COMMON), (gb_second, _RARE)],
        "big5hkscs": [(big5, _COMMON), (big5_second, _RARE)],
        "cp932": [
            (np.concatenate([kana, _pairs("euc_jp", 0xB0, 0xCF)]), _COMMON),
            (np.concatenate([_pairs("euc_jp", 0xD0, 0xF4), np.arange(0xFF61, 0xFFA0)]), _RARE),
        ],
        "cp949": [(_pairs("euc_kr", 0xB0, 0xC8), _COMMON), (hangul, _RARE)],
    }[encoding]


def _pairs(encoding: str, first: int, last: int) -> npt.NDArray[np.int64]:
    """Every character whose first byte lies in a range."""
    pairs = bytes(
        byte
        for lead in range(first, last + 1)
        for trail in range(0xA1 if encoding != "big5" else 0x40, 0xFF)
        for byte in (lead, trail, 0x20)
        # what follows C67E differs from one Big5 to the next
        if (encoding, lead) != ("big5", 0xC6) or trail < 0x7F
    )
    text = pairs.decode(encoding, "ignore").encode("utf-32-le")
    codes = np.frombuffer(text, np.uint32).astype(np.int64)
    return np.unique(codes[codes >= 0x80])


@cache
def _chance_in_utf8() -> npt.NDArray[np.uint8]:
    """What each character of UTF-8 says against every other reading."""
    table = np.full(_CODES, _CHANCE_OF_THREE, np.uint8)
    table[:0x800] = _CHANCE_OF_TWO
    table[:0x80] = 0
    return table
