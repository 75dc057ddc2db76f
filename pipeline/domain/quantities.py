"""Numbers, dates and units as people type them, read exactly.

Areas and money stay decimal text from the file to the database; no binary fraction comes
between. The one form of decimal text is ``-?digits[.digits]`` without leading or trailing zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.text import DASHES, as_text, fold, map_unique, matches

MU_M2: Final = Fraction(2000, 3)

# Square metres in one unit.
_AREA_UNITS: Final = {
    "m2": Fraction(1),
    "mu": MU_M2,
    "ha": Fraction(10_000),
    "km2": Fraction(1_000_000),
    "ft2": Fraction(3048, 10_000) ** 2,
    "ft2_us": Fraction(1200, 3937) ** 2,
}
# Yuan in one unit.
_MONEY_UNITS: Final = {"yuan": Fraction(1), "wan_yuan": Fraction(10_000)}
_STORED_DIGITS = 4
_LONGEST = 80  # longer text is prose and no figure

_NOTHING = re.compile(rf"[-/\\{DASHES}]+|无|暂无|N/?A|#N/A|<NA>|NULL|NONE|NAN", re.IGNORECASE)
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]*)?(?:E[+-]?[0-9]{1,2})?"
    r"|[+-]?\.[0-9]+(?:E[+-]?[0-9]{1,2})?",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
# Plain digits without needless zeros, and such a number with no more decimals than are stored.
_CANONICAL = r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]*[1-9]"
_STORED = r"0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]{0,3}[1-9]"

_DATE_YEAR = "(?P<year>1[89][0-9]{2}|2[0-9]{3}|9999)"
_DATE_TIME = r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
_DAY_FORMS = (
    re.compile(
        rf"{_DATE_YEAR}(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}}){_DATE_TIME}"
    ),
    re.compile(rf"{_DATE_YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})"),
    re.compile(
        rf"{_DATE_YEAR} *年 *(?P<month>[0-9]{{1,2}}) *月 *(?P<day>[0-9]{{1,2}}) *[日号]{_DATE_TIME}"
    ),
)
_MONTH_FORMS = (
    re.compile(rf"{_DATE_YEAR}[-/.](?P<month>[0-9]{{1,2}})"),
    re.compile(rf"{_DATE_YEAR} *年 *(?P<month>[0-9]{{1,2}}) *月(?:份)?"),
)
_YEAR_FORM = re.compile(r"(?P<year>(?:19|20)[0-9]{2}) *(?:年(?:度)?)?")
# Years of the Republic of China, 1 = 1912, of which no one writes more than three figures.
_ROC_START = 1911
_ROC_YEAR = "(?:中?[华華]?民[国國])? *(?P<year>[0-9]{1,3})"
_ROC_DAY_FORMS = (
    re.compile(
        rf"{_ROC_YEAR}(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}}){_DATE_TIME}"
    ),
    re.compile(r"(?P<year>[0-9]{2,3})(?P<month>[0-9]{2})(?P<day>[0-9]{2})"),
    re.compile(
        rf"{_ROC_YEAR} *年 *(?P<month>[0-9]{{1,2}}) *月 *(?P<day>[0-9]{{1,2}}) *[日号號]{_DATE_TIME}"
    ),
)
_ROC_MONTH_FORMS = (
    re.compile(rf"{_ROC_YEAR}[-/.](?P<month>[0-9]{{1,2}})"),
    re.compile(rf"{_ROC_YEAR} *年 *(?P<month>[0-9]{{1,2}}) *月(?:份)?"),
)
# Among such dates only five figures are taken for a count of days.
_ROC_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_WITHOUT_END = re.compile("长期(?:有效)?|永久(?:有效)?|无固定期限|无期限")
# A bare year is no count of days, nor is what has six or seven figures: it is rather a day written in
# another calendar. The last day that there is stands for no end.
_SERIAL = re.compile(r"(?!(?:19|20)[0-9]{2}$)(?P<days>[0-9]{1,5}|295[78][0-9]{3})(?:\.[0-9]+)?")
_SERIAL_MAX = 2_958_465  # 9999-12-31
_SERIAL_LEAP_BUG = 60  # spreadsheets hold 1900 for a leap year and call this day 29 February
_SERIAL_LONG = 100_000
_SERIAL_1904_MAX = 2_957_003  # 9999-12-31 in the other system, whose day 0 is 1904-01-01


def parse_number(s: pd.Series) -> pd.DataFrame:
    """Read numbers as typed: thousand separators, full width, scientific notation.

    ``1,234.5`` and ``１２３`` are numbers; a separator that does not part thousands, a unit or a
    word such as 约 is not. Problems: ``missing`` (empty, ``-``, ``/``, 无, N/A), ``not_a_number``.

    Shape:  one text per row in; columns value (decimal text, NA where there is a problem) and
            problem on the same index out.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7.
    """
    text = fold(s)
    odd = ~matches(text, _CANONICAL) & text.notna().to_numpy(dtype=bool)
    problem = pd.Series(pd.NA, s.index, dtype="str").mask(text.isna(), "missing")
    if not odd.any():
        return pd.DataFrame({"value": text, "problem": problem})
    typed = text[odd].str.replace("\u2212", "-", regex=False)
    typed = typed.where(~typed.str.fullmatch(_NOTHING).fillna(value=False))
    read = map_unique(typed, _decimal_text)
    value = text.mask(odd, _spread(odd, read))
    return pd.DataFrame(
        {
            "value": value,
            "problem": problem.mask(odd, _spread(odd, _problem(typed, read, "not_a_number"))),
        }
    )


def parse_quantity(s: pd.Series, units: Mapping[str, str]) -> pd.DataFrame:
    """Read numbers that may carry their unit: ``12.5亩``, ``3,000 平方米``, ``1.2万元``, ``3（公顷）``.

    Only the units given are read; 约, ranges (``3-5亩``) and bounds (``>100``) are no numbers.
    Problems as in ``parse_number``.

    Shape:  one text per row in, and names of units (one width, upper case) with their codes;
            columns value (decimal text), unit (code, NA where the cell names none) and problem
            on the same index out.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7.
    """
    found = parse_number(s)
    unit = pd.Series(pd.NA, s.index, dtype="str")
    odd = found["problem"] == "not_a_number"
    if units and odd.any():
        form = _with_unit(tuple(units))
        text = fold(s[odd]).str.upper()
        name = map_unique(text, lambda cell: _part(form, cell, "unit"))
        read = parse_number(map_unique(text, lambda cell: _part(form, cell, "number")))
        is_read = name.notna() & read["value"].notna()
        places = is_read.index[is_read]
        # the index of a caller may repeat itself: places are those among the odd ones
        chosen = odd.to_numpy(dtype=bool).copy()
        chosen[chosen] = is_read.to_numpy(dtype=bool)
        if len(places):
            unit = unit.mask(chosen, _spread(chosen, name[is_read].map(units)))
            found["value"] = found["value"].mask(chosen, _spread(chosen, read["value"][is_read]))
            found["problem"] = found["problem"].mask(chosen)
    return pd.DataFrame({"value": found["value"], "unit": unit, "problem": found["problem"]})


def parse_date(
    s: pd.Series,
    *,
    serial: bool = False,
    since_1904: bool = False,
    roc: bool = False,
    bare_year: bool = False,
) -> pd.DataFrame:
    """Read dates as typed, as ISO text.

    Whole days: ``2021-03-05``, ``2021/3/5``, ``2021.3.5``, ``20210305``, ``2021年3月5日`` (a time of
    day is dropped). Months, ``2021.3`` and ``2021年3月``, become their first day with the problem
    ``month_only``: a usable value, flagged (a numeric cell shows October as ``2021.1``). 长期 and
    永久 are NA without a problem. With ``serial``, a bare number that is no written date and no
    year is a spreadsheet's count of days, from 1900 or (``since_1904``) from 1904. With ``roc``
    years of up to three figures are those of the Republic of China: ``民國110年3月5日``, ``110.3.5``,
    ``1100305``; else a year of two or three figures is none. With ``bare_year`` a year alone, ``2021``
    and ``2021年``, becomes its first day with the problem ``year_only``. Other problems: ``missing``,
    ``not_a_date``.

    Shape:  one text per row in; columns value (ISO date or NA) and problem on the same index
            out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7; ECMA-376 part 1, 18.17.4.1 (1900 and 1904 date systems).
    """
    text = fold(s)
    text = text.where(~text.str.fullmatch(_NOTHING))
    value = map_unique(text, _written_day)
    month = map_unique(text, _written_month)
    if roc:
        value = value.fillna(map_unique(text.where(month.isna()), _roc_day))
        month = month.fillna(map_unique(text, _roc_month))
    endless = text.str.fullmatch(_WITHOUT_END)
    if serial:
        counted = text.where(month.isna())
        if roc:
            counted = counted.where(counted.str.fullmatch(_ROC_SERIAL).fillna(value=False))
        count = _serial_day_1904 if since_1904 else _serial_day
        value = value.fillna(map_unique(counted, count))
    month_only = value.isna() & month.notna()
    value = value.fillna(month)
    problem = _problem(text, value, "not_a_date").mask(month_only, "month_only")
    if bare_year:
        year = map_unique(text, _written_year)
        year_only = value.isna() & year.notna()
        value = value.fillna(year)
        problem = problem.mask(year_only, "year_only")
    return pd.DataFrame({"value": value, "problem": problem.mask(endless)})


def to_m2(value: pd.Series, unit: str) -> pd.Series:
    """Convert areas to square metres, exactly, rounded half up to 4 decimals at the end.

    Shape:  one decimal text per row in, as ``parse_number`` gives it; decimal text on the same
            index out, NA stays NA. Each distinct value is computed once.
    Units:  in: m2, mu (2000/3 m2), ha, km2, ft2 (international foot), ft2_us (US survey foot);
            out: m2.
    CRS:    none (no geometry).
    Errors: ValueError on an unknown unit or a text that is not a decimal (a caller's bug).
    Source: 1 mu = 2000/3 m2, 1 ha = 15 mu; feet: 0.3048 m and 1200/3937 m.
    """
    return _convert(value, unit, _AREA_UNITS)


def m2_in(unit: str) -> Fraction:
    """Square metres in one unit of area.

    Shape:  one unit code in; one number out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: KeyError on what is no unit of area (a caller's bug).
    Source: docs/sources.md, 6.
    """
    return _AREA_UNITS[unit]


def to_yuan(value: pd.Series, unit: str) -> pd.Series:
    """Convert money to yuan, exactly, rounded half up to 4 decimals at the end.

    Shape:  one decimal text per row in, as ``parse_number`` gives it; decimal text on the same
            index out, NA stays NA. Each distinct value is computed once.
    Units:  in: yuan, wan_yuan (10 000 yuan); out: yuan.
    CRS:    none (no geometry).
    Errors: ValueError on an unknown unit or a text that is not a decimal (a caller's bug).
    Source: docs/sources.md, Design 6 (money in yuan).
    """
    return _convert(value, unit, _MONEY_UNITS)


def half_up(value: Decimal | Fraction, digits: int) -> Decimal:
    """Round half up (四舍五入), away from zero at a tie, without any limit of precision.

    Shape:  one number in; one Decimal with ``digits`` decimals out.
    Units:  those of the value.
    CRS:    none (no geometry).
    Errors: ValueError or OverflowError on NaN or infinity.
    Source: docs/sources.md, 6; only at output.
    """
    exact = Fraction(value)
    return _scaled(floor(abs(exact) * Fraction(10) ** digits + Fraction(1, 2)), digits, exact < 0)


def truncate_pct(ratio: Decimal | Fraction) -> str:
    """Write a ratio as per cent with two decimals, cut off and not rounded.

    A ratio below its target must not be printed as the target: 0.69996 is ``69.99 %``.

    Shape:  one ratio in; one text out.
    Units:  in: 1; out: per cent.
    CRS:    none (no geometry).
    Errors: ValueError or OverflowError on NaN or infinity.
    Source: docs/sources.md, 1.8, default chosen.
    """
    exact = Fraction(ratio)
    return f"{_scaled(floor(abs(exact) * 10_000), 2, exact < 0):f} %"


def _decimal_text(text: str) -> str | None:
    """Return the canonical decimal text of one typed number, None where it is none."""
    if _NUMBER.fullmatch(text) is None:
        return None
    return _canonical(Decimal(text.replace(",", "")))


@lru_cache(maxsize=32)
def _with_unit(names: tuple[str, ...]) -> re.Pattern[str]:
    """The form of a number with one of these units behind it, in brackets or not."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?P<number>.*?) *[(\[]?(?P<unit>{longest_first})[)\]]?")


def _part(form: re.Pattern[str], cell: str, name: str) -> str | None:
    match = form.fullmatch(cell) if len(cell) <= _LONGEST else None
    return None if match is None else match[name]


def _spread(chosen: npt.NDArray[np.bool_], values: pd.Series) -> npt.NDArray[np.object_]:
    """Put values where they were chosen from."""
    result = np.full(len(chosen), None, dtype=object)
    result[chosen] = values.to_numpy(dtype=object)
    return result


def _canonical(number: Decimal) -> str:
    """Return a number in plain digits without needless zeros."""
    plain = f"{number:f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain == "-0" else plain


def _problem(text: pd.Series, value: pd.Series, unreadable: str) -> pd.Series:
    """Return ``missing`` where there is no text and ``unreadable`` where it gave no value."""
    problem = pd.Series(pd.NA, index=text.index, dtype="str")
    return problem.mask(value.isna(), unreadable).mask(text.isna(), "missing")


def _iso(year: str, month: str, day: str) -> str | None:
    """Return the ISO text of a day, None where the calendar has no such day."""
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _written_day(text: str) -> str | None:
    """Return the day that the text names in full."""
    for form in _DAY_FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _iso(match["year"], match["month"], match["day"])
    return None


def _written_month(text: str) -> str | None:
    """Return the first day of the month that the text names without a day."""
    for form in _MONTH_FORMS:
        match = form.fullmatch(text)
        if match is not None:
            return _iso(match["year"], match["month"], "1")
    return None


def _written_year(text: str) -> str | None:
    """Return the first day of the year that the text names without a month."""
    match = _YEAR_FORM.fullmatch(text)
    return None if match is None else _iso(match["year"], "1", "1")


def _roc_day(text: str) -> str | None:
    """Return the day that the text names in full, by a year of the Republic of China."""
    for form in _ROC_DAY_FORMS:
        match = form.fullmatch(text)
        if match is not None and int(match["year"]) > 0:
            return _iso(str(int(match["year"]) + _ROC_START), match["month"], match["day"])
    return None


def _roc_month(text: str) -> str | None:
    """Return the first day of the month that the text names by such a year."""
    for form in _ROC_MONTH_FORMS:
        match = form.fullmatch(text)
        if match is not None and int(match["year"]) > 0:
            return _iso(str(int(match["year"]) + _ROC_START), match["month"], "1")
    return None


def _serial_day_1904(text: str) -> str | None:
    """Return the day of a serial number of a workbook that counts from 1904."""
    match = _SERIAL.fullmatch(text)
    if match is None or not _is_count(int(match["days"]), _SERIAL_1904_MAX):
        return None
    return (date(1904, 1, 1) + timedelta(days=int(match["days"]))).isoformat()


def _is_count(days: int, last: int) -> bool:
    return days < _SERIAL_LONG or days == last


def _serial_day(text: str) -> str | None:
    """Return the day of a spreadsheet serial number."""
    match = _SERIAL.fullmatch(text)
    if match is None:
        return None
    days = int(match["days"])
    if days in {0, _SERIAL_LEAP_BUG} or not _is_count(days, _SERIAL_MAX):
        return None
    start = date(1899, 12, 31) if days < _SERIAL_LEAP_BUG else date(1899, 12, 30)
    return (start + timedelta(days=days)).isoformat()


def _convert(value: pd.Series, unit: str, units: dict[str, Fraction]) -> pd.Series:
    """Multiply decimal texts by the factor of a unit and round them for storage."""
    if unit not in units:
        raise ValueError(f"unknown unit {unit!r}; known are {', '.join(units)}")
    over, under = units[unit].as_integer_ratio()
    shift = 10**_STORED_DIGITS

    def convert(text: str) -> str:
        if _DECIMAL.fullmatch(text) is None:
            raise ValueError(f"not a decimal: {text!r}")
        whole, _, part = text.removeprefix("-").partition(".")
        if over == under and len(part) <= _STORED_DIGITS:
            return _canonical(Decimal(text))
        # half_up in whole numbers: floor(n * over / (under * 10^k) * 10^4 + 1/2)
        parts = 2 * under * 10 ** len(part)
        stored = (2 * int(whole + part) * over * shift + parts // 2) // parts
        return _canonical(_scaled(stored, _STORED_DIGITS, text.startswith("-")))

    value = as_text(value)
    if over != under:
        return map_unique(value, convert)
    odd = ~matches(value, _STORED) & value.notna().to_numpy(dtype=bool)
    return value.mask(odd, _spread(odd, map_unique(value[odd], convert))) if odd.any() else value


def _scaled(units: int, digits: int, negative: bool) -> Decimal:
    """Return ``units`` / 10^``digits`` as an exact Decimal."""
    figures = tuple(int(figure) for figure in str(units))
    return Decimal((int(negative and units > 0), figures, -digits))
