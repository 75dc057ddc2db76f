"""Damage to what the offices write down: how much, and which rows, the same on every night."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.demo.generator.survey import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_FULL: Final = "浙江省明澜市青岚县"

_FULL_WIDTH: Final = {ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}
_PLACE: Final = re.compile("^(?:浙江省?|明澜市?|青岚县?)+")
_FORM: Final = re.compile("(?:股份有限|有限责任|有限)?公司$|加工厂$|厂$|厂?（(?:普通|有限)合伙）$")
_PREFIX: Final = re.compile("^(?:浙江省)?(?:明澜市)?(?:青岚县)?")
_NUMBER: Final = re.compile(r"(\d+)(?=号)")
# Characters of the names that are mistaken for each other: by their shape, by their sound.
_BY_SHAPE: Final[dict[str, str]] = {
    pair[0]: pair[1]
    for pair in (
        "石右", "月用", "泉帛", "舟丹", "照煦", "屿与", "坪评", "白自", "望塑", "阶价", "圃甫", "荣荥",
        "语浯", "连莲", "合含", "珠株", "汐沙", "重童", "野墅", "水永", "庚康", "畔胖", "云去", "梧悟",
        "柯何", "帆帜", "风凤", "角用", "线钱", "夜液", "芽牙", "光先", "晖辉", "阳阴", "川州", "波坡",
        "远运", "达迏", "通涌", "和秋", "诚城", "信倍", "益盖", "丰卡", "茂戊", "源原", "隆降", "兴光",
        "华毕", "宏宠", "发友", "旺枉", "成戍", "业亚", "力刀", "威咸", "灵炅", "鹰膺", "马乌", "鸿鸠",
        "鹏朋", "程捏", "越趣", "超赵", "群郡", "伦伧", "伟纬", "杰木", "豪毫", "迈达", "峰锋", "顶项",
        "巅颠", "岳丘", "润涧", "泽择", "洋详", "涛铸", "江汪", "河何", "湖糊", "宝室", "玉王", "珍诊",
        "贵贲", "富宫", "裕浴", "康唐", "健键", "乐东", "欢欣", "喜嘉", "庆厌", "祥详",
    )
}  # fmt: skip
_BY_SOUND: Final[dict[str, str]] = {
    pair[0]: pair[1]
    for pair in (
        "石实", "月悦", "泉全", "舟周", "照兆", "屿宇", "坪平", "白百", "望旺", "阶街", "圃浦", "荣容",
        "语雨", "连联", "合和", "珠朱", "汐西", "重众", "野也", "水税", "庚耕", "畔盼", "云芸", "梧吾",
        "柯科", "帆凡", "风丰", "角觉", "线现", "夜业", "芽雅", "光广", "晖辉", "阳洋", "川传", "波博",
        "远源", "达答", "通同", "和合", "诚成", "信鑫", "益亿", "丰风", "茂贸", "源元", "隆龙", "兴星",
        "华花", "宏洪", "发法", "旺望", "成诚", "业叶", "力立", "威维", "灵玲", "鹰英", "马码", "鸿宏",
        "鹏朋", "程诚", "越悦", "超朝", "群裙", "伦轮", "伟炜", "杰捷", "豪毫", "迈麦", "峰丰", "顶鼎",
        "巅颠", "岳悦", "润闰", "泽则", "洋阳", "涛韬", "江姜", "河和", "湖胡", "宝保", "玉裕", "珍真",
        "贵桂", "富福", "裕玉", "康慷", "健建", "乐勒", "欢焕", "喜禧", "庆青", "祥翔",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """Share of the rows, 0 to 1, in which a kind of evidence is altered, each way as often.

    ``names``: with a space or in another width; without the place or the form; a character
    mistaken for another by its shape; by its sound. ``addresses``: full width; other places in
    front; without the number; with the former name of the township; with a wrong number; with a
    building and room. ``codes``: parcel and credit codes of the registry, the rights and the
    leases with the letter O, cut short, or missing. ``points``: moved by 100 to 300 m, by 300 to
    700 m, or missing. ``certificates``: spaced, that of somebody else, with a wrong digit, or
    missing. Parcels, patches and the enterprises' own codes stay right.
    """

    names: float = 0.0
    addresses: float = 0.0
    codes: float = 0.0
    points: float = 0.0
    certificates: float = 0.0


NONE: Final = Noise()
LOW: Final = Noise(names=0.02, addresses=0.05, codes=0.02, points=0.05, certificates=0.03)
HIGH: Final = Noise(names=0.15, addresses=0.25, codes=0.12, points=0.25, certificates=0.2)


def chance(seed: int, number: Ints, what: str) -> Floats:
    """Draw a number from 0 to 1 for each record, the same whenever it is asked for.

    Shape:  n record numbers in; n numbers out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: SplitMix64 (Steele, Lea, Flood 2014).
    """
    salt = np.uint64((zlib.crc32(what.encode()) << 32 | (seed & 0xFFFFFFFF)) & (2**64 - 1))
    with np.errstate(over="ignore"):
        mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + salt
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


@dataclass(frozen=True)
class Pen:
    """Writes columns of records with the noise of a county.

    Shape:  each method takes a column and the records' numbers and returns a column of the same
            index, some values altered.
    Units:  none; points in metres.
    CRS:    that of the county, for points.
    Errors: none.
    Source: default chosen.
    """

    noise: Noise
    seed: int

    def names(self, column: pd.Series, number: Ints, what: str) -> pd.Series:
        """Names: a space or another width, an alias, a wrong character by shape or by sound."""
        way = self._way(self.noise.names, number, f"name {what}", 4)
        spaced = column.str.slice(0, 3) + "　" + column.str.slice(3)
        narrow = spaced.str.replace("（", "(").str.replace("）", ")")
        placeless = column.str.replace(_PLACE, "", regex=True)
        alias = column.str.replace(_FORM, "", regex=True)
        alias = placeless.where((number % 2 == 0) | (alias == column).to_numpy(), alias)
        shape = _mistaken(column, way == 3, _BY_SHAPE)
        sound = _mistaken(column, way == 4, _BY_SOUND)
        written = column.mask(way == 2, alias).mask(way == 3, shape).mask(way == 4, sound)
        # what has nothing to mistake is spaced
        return written.mask((way > 0) & (written == column).to_numpy(), narrow)

    def addresses(self, column: pd.Series, former: pd.Series, number: Ints, what: str) -> pd.Series:
        """Addresses, and the same ones with the former name of their township, NA without one."""
        way = self._way(self.noise.addresses, number, f"address {what}", 6)
        wide = column.str.translate(_FULL_WIDTH)
        bare = column.str.replace(_PREFIX, "", regex=True)
        front = ("青岚县" + bare).where(bare == column, bare).mask(number % 2 == 0, _FULL + bare)
        numberless = column.str.replace(r"\d+号.*$", "", regex=True)
        off = column.where(way != 5).map(_other_number, na_action="ignore")
        unit = (number % 7 + 1, number % 5 * 100 + number % 11 + 101)
        room = column + pd.Series(unit[0]).astype("str") + "幢" + pd.Series(unit[1]).astype("str")
        room += "室"
        written = column
        for place, other in enumerate((wide, front, numberless, former, off), start=1):
            written = written.mask((way == place) & other.notna().to_numpy(), other)
        # what has no number, or no former name, gets a room
        return written.mask((way > 0) & (written == column).to_numpy(), room)

    def codes(self, column: pd.Series, number: Ints, what: str) -> pd.Series:
        """Codes: the letter O for the first zero, one character too few, nothing."""
        way = self._way(self.noise.codes, number, f"code {what}", 3)
        letter = column.str.replace("0", "O", n=1)
        return column.mask(way == 1, letter).mask(way == 2, column.str.slice(0, -1)).mask(way == 3)

    def certificates(
        self, column: pd.Series, other: pd.Series, number: Ints, what: str
    ) -> pd.Series:
        """Certificate numbers: half width and spaces, somebody else's, a wrong digit, nothing."""
        way = self._way(self.noise.certificates, number, f"certificate {what}", 4)
        spaced = column.str.replace("（", "(").str.replace("）", ") ")
        typo = column.str.replace("号", "7号")
        known = column.notna()
        written = column.mask(way == 1, spaced).mask((way == 2) & known, other)
        return written.mask(way == 3, typo).mask(way == 4)

    def points(self, places: Floats, number: Ints, what: str) -> Floats:
        """Points: moved by 100 to 300 m or by 300 to 700 m, or missing."""
        way = self._way(self.noise.points, number, f"point {what}", 3)
        angle = 2 * np.pi * chance(self.seed, number, "angle")
        far = np.where(way == 1, 200.0, 400.0)
        distance = np.where(way == 1, 100.0, 300.0) + far * chance(self.seed, number, "distance")
        shift = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * distance[:, None]
        moved = np.where(((way == 1) | (way == 2))[:, None], places + shift.round(2), places)
        return np.where((way == 3)[:, None], np.nan, moved)

    def _way(self, share: float, number: Ints, what: str, ways: int) -> Ints:
        """Return 0 for a row that stays, else 1 to the number of ways."""
        drawn = chance(self.seed, number, what)
        if share <= 0:
            return np.zeros(len(number), dtype=np.int64)
        return np.where(drawn < share, 1 + np.floor(drawn / share * ways).astype(np.int64), 0)


def _mistaken(names: pd.Series, chosen: Bools, pairs: dict[str, str]) -> pd.Series:
    """Write the first character behind the place that is in the pairs as its pair, where chosen."""

    def mistake(name: str) -> str:
        start = _PLACE.match(name)
        for place in range(start.end() + 1 if start else 0, len(name)):
            if name[place] in pairs:
                return name[:place] + pairs[name[place]] + name[place + 1 :]
        return name

    return names.where(chosen).map(mistake, na_action="ignore")


def _other_number(address: str) -> str:
    """Write another house number."""
    return _NUMBER.sub(lambda found: str(int(found[1]) + 2 + int(found[1]) % 5), address, count=1)
