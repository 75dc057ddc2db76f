"""Damage to what the offices write down: how much, and which rows, the same on every night."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.demo.generator.survey import Floats

Ints = npt.NDArray[np.int64]

_FULL_WIDTH: Final = {ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)}


@dataclass(frozen=True)
class Noise:
    """Share of the rows, 0 to 1, in which a kind of evidence is altered.

    ``names``: written with a space, shortened, or with another character. ``addresses``: full
    width, with the county in front, or without the number. ``codes``: parcel and credit codes of
    the registry, the rights and the leases with the letter O, cut short, or missing. ``points``:
    moved by 100 to 300 m, or missing. ``certificates``: spaced, with another digit, or missing.
    A third of the rows each. Parcels, patches and the enterprises' own codes stay right.
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
        """Names of enterprises: a space, 公司 for 有限公司, a wrong fourth character."""
        way = self._way(self.noise.names, number, f"name {what}")
        spaced = column.str.slice(0, 2) + "　" + column.str.slice(2)
        short = column.str.replace("有限公司", "公司").str.replace("厂$", "", regex=True)
        typo = column.str.slice(0, 3) + "某" + column.str.slice(4)
        return column.mask(way == 1, spaced).mask(way == 2, short).mask(way == 3, typo)

    def addresses(self, column: pd.Series, number: Ints, what: str) -> pd.Series:
        """Addresses: full-width digits, the county in front, no number."""
        way = self._way(self.noise.addresses, number, f"address {what}")
        wide = column.str.translate(_FULL_WIDTH)
        bare = column.str.replace(r"\d+号.*$", "", regex=True)
        return column.mask(way == 1, wide).mask(way == 2, "青岚县" + column).mask(way == 3, bare)

    def codes(self, column: pd.Series, number: Ints, what: str) -> pd.Series:
        """Codes: the letter O for the first zero, one character too few, nothing."""
        way = self._way(self.noise.codes, number, f"code {what}")
        letter = column.str.replace("0", "O", n=1)
        return column.mask(way == 1, letter).mask(way == 2, column.str.slice(0, -1)).mask(way == 3)

    def certificates(self, column: pd.Series, number: Ints, what: str) -> pd.Series:
        """Certificate numbers: half width and spaces, another last digit, nothing."""
        way = self._way(self.noise.certificates, number, f"certificate {what}")
        spaced = column.str.replace("（", "(").str.replace("）", ") ")
        typo = column.str.replace("号", "7号")
        return column.mask(way == 1, spaced).mask(way == 2, typo).mask(way == 3)

    def points(self, places: Floats, number: Ints, what: str) -> Floats:
        """Points: moved by 100 to 200 m or by 200 to 300 m, or missing."""
        way = self._way(self.noise.points, number, f"point {what}")
        angle = 2 * np.pi * chance(self.seed, number, "angle")
        distance = 100.0 * (way + chance(self.seed, number, "distance"))
        shift = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * distance[:, None]
        moved = np.where(((way == 1) | (way == 2))[:, None], places + shift.round(2), places)
        return np.where((way == 3)[:, None], np.nan, moved)

    def _way(self, share: float, number: Ints, what: str) -> Ints:
        """Return 0 for a row that stays, else 1, 2 or 3."""
        drawn = chance(self.seed, number, what)
        if share <= 0:
            return np.zeros(len(number), dtype=np.int64)
        return np.where(drawn < share, 1 + np.floor(drawn / share * 3).astype(np.int64), 0)
