"""Delivered text into canonical values, column by column, by the type of each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from pipeline.domain.codes import (
    check_credit_code,
    clean_code,
    is_float_damaged,
    normalise_certificate,
    parse_parcel_code,
)
from pipeline.domain.names import normalise_address, normalise_name
from pipeline.domain.parcel_text import read_parcel_text
from pipeline.domain.quantities import half_up, parse_date, parse_number, to_m2
from pipeline.domain.text import (
    as_arrow,
    as_floats,
    as_text,
    blank_to_na,
    bytes_of,
    fold,
    is_plain,
    map_unique,
    matches,
)
from pipeline.domain.units import UNIT_BASE
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.cells import delivered, nothing, stripped, was_number
from pipeline.feeds.contracts import Column, Contract, County
from pipeline.feeds.findings import Findings, Mask
from pipeline.feeds.headings import normalise_heading
from pipeline.feeds.units import Figures, LayerUnits

_DATA_YEAR = "{data_year}"
# What an unlisted text becomes that stays as it is.
_AS_IT_IS = "{text}"
_INVISIBLE = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{200B}-\x{200F}\x{2060}\x{FEFF}]"
# Number of an identity card: personal data, never stored. Region, birthday, sequence, check.
_IDENTITY = (
    "[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]"
    "|[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}"
)
_FRACTION = re.compile(r"([0-9]{1,18})[/／]([0-9]{1,18})|([0-9]{1,18})分之([0-9]{1,18})")
_SHARE_DIGITS = 12
_WHOLE = "单独所有"
_WITHOUT_FIGURE = "共同共有|按份共有|其[他它]共有"
_LAST_YEAR = 9999
# An entry of an index has at most 2,704 bytes (PostgreSQL), of a key with up to three columns.
_TEXT_BYTES, _KEY_BYTES = 2_500, 800
_CODES = frozenset({"code", "parcel_code", "parcel_codes", "credit_code"})
# What is derived from a text that is a column itself.
_DERIVED = frozenset({"name_key", "address_key", "certificate_key", "unit_code"})
_SPACE, _DELETE = 0x20, 0x7F
# A point, an exponent.
_MARKS_OF_NUMBERS = (b".", b"E", b"e")
# A number in a cell has no more than 15 digits that are certain.
_LONG_NUMBER = "[0-9]{16,}"


class Fields:
    """The columns of one batch; each is cleaned when it is first asked for.

    ``figures`` holds the figures of a column as they were read, before any conversion.
    """

    def __init__(
        self,
        batch: RawBatch,
        layer: OpenLayer,
        contract: Contract,
        county: County,
        findings: Findings,
        units: LayerUnits,
        *,
        data_date: date,
        dates_1904: bool = False,
    ) -> None:
        self.batch = batch
        self.layer = layer
        self.contract = contract
        self.county = county
        self.findings = findings
        self.units = units
        self.index = pd.RangeIndex(len(batch.row_number))
        self.figures: dict[str, Figures] = {}
        self._data_date = data_date
        self._dates_1904 = dates_1904
        self._values: dict[str, pd.Series] = {}

    def value(self, name: str) -> pd.Series:
        """The cleaned values of a canonical column, a part, or a delivered heading."""
        if name not in self._values:
            column = self.contract.column(name)
            if column is None:
                self._values[name] = self.delivered(f"heading:{name}")
            else:
                self._values[name] = self._column(name, column)
        return self._values[name]

    def give(self, name: str, value: pd.Series) -> None:
        """Put values in the place of those that were cleaned."""
        self._values[name] = value

    def delivered(self, name: str) -> pd.Series:
        """The delivered text of a column: the first alias that is filled."""
        return delivered(self.batch, self.layer.match, name)

    def typed(
        self, name: str, column: Column, text: pd.Series, label: str | None = None
    ) -> pd.Series:
        """Clean delivered text by its type; report what cannot be read."""
        original = text
        if column.codes:
            text = self._mapped(name, column, text)
        match column.type:
            case "text":
                cleaned = _without_invisible(text)
            case "name_key" | "address_key" | "certificate_key" | "unit_code":
                cleaned = self._secondary(column, text)
            case "code":
                cleaned = self._code(name, column, text)
            case "parcel_code" | "parcel_codes":
                text = self._undamaged(name, text)
                found = parse_parcel_code(text, self.county.parcel_scheme)
                if column.several or column.type == "parcel_codes":
                    cleaned = self._several(name, column, text, found)
                else:
                    self._report_problem(name, "parcel.code", original, found)
                    cleaned = found["parcel_code"]
            case "credit_code":
                # an identity number is personal data: it is neither kept nor reported
                is_person = matches(clean_code(text), _IDENTITY)
                text = self._undamaged(name, text.mask(is_person))
                found = check_credit_code(text)
                self._report_problem(name, "enterprise.credit_code", original, found)
                cleaned = found["code"]
            case "date":
                cleaned = self._date(name, column, text)
            case "number" | "integer" | "share":
                cleaned = self._number(name, column, text, label or name)
        return self._storable(name, column, cleaned, original)

    def _storable(
        self, name: str, column: Column, cleaned: pd.Series, original: pd.Series
    ) -> pd.Series:
        """Values without those that are too long for an index of the database."""
        is_key = column.type in _CODES or name in self.contract.key
        longest = _KEY_BYTES if is_key else _TEXT_BYTES
        if len(bytes_of(cleaned)) <= longest:
            return cleaned
        sizes = pc.fill_null(pc.binary_length(as_arrow(cleaned)), 0)
        too_long = np.asarray(pc.greater(sizes, longest))
        if column.type not in _DERIVED:
            self.findings.report(too_long, "field.too_long", name, original)
            self.findings.note_problem(name, too_long)
        return cleaned.mask(too_long) if too_long.any() else cleaned

    def _column(self, name: str, column: Column) -> pd.Series:
        is_built = False
        if column.value is not None:
            text = pd.Series(column.value, self.index, dtype="str")
        elif column.parts:
            is_built = self._is_code_of_codes(column)
            text = self.value(column.parts[0])
            for part in column.parts[1:]:
                text = text + column.separator + self.value(part)
        elif column.first_of:
            text = self.value(column.first_of[0])
            for part in column.first_of[1:]:
                text = text.fillna(self.value(part))
        else:
            text = self.delivered(name)
        cleaned = text if is_built else self.typed(name, column, text)
        if column.take is not None:
            cleaned = cleaned.str[: column.take]
        if column.default is not None:
            default = column.default.replace(_DATA_YEAR, str(self._data_date.year))
            cleaned = cleaned.mask(cleaned.isna() & text.isna(), default)
        return as_text(cleaned)

    def _is_code_of_codes(self, column: Column) -> bool:
        """Whether a column is made of codes that are clean, so that there is nothing left to clean."""
        parts = [self.contract.column(part) for part in column.parts]
        is_plain_code = column.type == "code" and not column.codes
        is_unpadded = column.pad_left is None and column.pad_right is None
        return (
            is_plain_code
            and is_unpadded
            and (
                not column.separator
                or clean_code(pd.Series([column.separator]))[0] == column.separator
            )
            and all(part is not None and part.type == "code" for part in parts)
        )

    def _secondary(self, column: Column, text: pd.Series) -> pd.Series:
        """Keys that are derived from a text; what gives none is no fault."""
        if column.type == "name_key":
            return normalise_name(text)
        if column.type == "address_key":
            return normalise_address(text, self.county.address_style, self.county.address_prefixes)
        if column.type == "certificate_key":
            return normalise_certificate(text)
        return parse_parcel_code(text, self.county.parcel_scheme)["unit_code"]

    def _mapped(self, name: str, column: Column, text: pd.Series) -> pd.Series:
        """Translate delivered codes; a canonical code stands for itself."""
        known = {normalise_heading(code): code for code in column.codes.values()}
        known |= {normalise_heading(given): code for given, code in column.codes.items()}
        translated = map_unique(text, lambda value: known.get(normalise_heading(value)))
        if column.otherwise == _AS_IT_IS:
            return blank_to_na(translated.fillna(text))
        unknown = (text.notna() & translated.isna()).to_numpy(dtype=bool)
        self.findings.report(unknown, "field.unknown_code", name, text)
        if column.otherwise is not None:
            return translated.mask(unknown, column.otherwise)
        self.findings.note_problem(name, unknown)
        return blank_to_na(translated)

    # -- codes ----------------------------------------------------------------------------------

    def _code(self, name: str, column: Column, text: pd.Series) -> pd.Series:
        if column.personal:
            # an identity number is no number that an office gave
            text = text.mask(matches(clean_code(text), _IDENTITY))
        text = self._undamaged(name, text)
        cleaned = text if is_plain(text, upper=True) else _once_each(text, clean_code)
        if column.pad_left is not None or column.pad_right is not None:
            is_digits = matches(cleaned, "[0-9]+")
            if column.pad_left is not None:
                cleaned = cleaned.mask(is_digits, cleaned.str.zfill(column.pad_left))
            if column.pad_right is not None:
                cleaned = cleaned.mask(is_digits, cleaned.str.ljust(column.pad_right, "0"))
        if column.leading_zeros:
            was = self._was_number(name) & cleaned.notna().to_numpy(dtype=bool)
            self.findings.report(was, "field.zeros_lost", name, text, severity="notice")
        return cleaned

    def _undamaged(self, name: str, text: pd.Series) -> pd.Series:
        """Codes without those that went through a number and have lost digits on the way."""
        was = self._was_number(name)
        data = bytes_of(text)
        # plain text without a point or an exponent
        raw = data.tobytes()
        marks = any(mark in raw for mark in _MARKS_OF_NUMBERS)
        if not was.any() and not marks and (len(data) == 0 or data.max() < _DELETE):
            return text
        cleaned = _once_each(text, clean_code)
        looks = _once_each(cleaned, is_float_damaged).fillna(value=False).to_numpy(dtype=bool)
        # a survey code may truly end in zeros, unless it came through a number
        damaged = looks & (was | matches(cleaned, ".*[.E].*"))
        damaged = damaged | (was & matches(cleaned, _LONG_NUMBER))
        if not damaged.any():
            return text
        self.findings.report(damaged, "field.damaged_code", name, text)
        self.findings.note_problem(name, damaged)
        return text.mask(damaged)

    def _was_number(self, name: str) -> Mask:
        return was_number(self.batch, self.layer.match, name)

    def _several(
        self, name: str, column: Column, text: pd.Series, found: pd.DataFrame
    ) -> pd.Series:
        """Codes of a cell that may name several parcels: the first, or those after it."""
        is_other = found["problem"].notna() & (found["problem"] != "missing")
        read = read_parcel_text(text.where(is_other), self.county.parcel_scheme)
        codes = read["codes"].str.split("|", n=1, expand=True).reindex(columns=[0, 1])
        if column.type == "parcel_codes":
            return codes[1].astype("str")
        is_known = read["codes"].notna()
        self._report_problem(name, "parcel.code", text, found.mask(is_known))
        is_partly = (is_known & ~read["is_complete"]).to_numpy(dtype=bool)
        if is_partly.any():
            params = np.full(len(text), None, dtype=object)
            params[is_partly] = [
                json.dumps(
                    {"count": int(count), "rest": "" if pd.isna(rest) else rest}, ensure_ascii=False
                )
                for count, rest in zip(
                    read["count"][is_partly], read["rest"][is_partly], strict=True
                )
            ]
            self.findings.report(is_partly, "parcel.text_partly_read", name, text, params=params)
        return found["parcel_code"].fillna(codes[0].astype("str"))

    def _report_problem(
        self, name: str, rule: str, original: pd.Series, found: pd.DataFrame
    ) -> None:
        """Report what a code check found, with its proposal."""
        rows = (found["problem"].notna() & (found["problem"] != "missing")).to_numpy(dtype=bool)
        if not rows.any():
            return
        column = self.contract.column(name)
        proposal = found["proposal"]
        if column is not None and column.personal:
            proposal = nothing(self.index)
        params = np.full(len(rows), None, dtype=object)
        params[rows] = [
            json.dumps(
                {"problem": problem} | ({} if pd.isna(better) else {"proposal": better}),
                ensure_ascii=False,
            )
            for problem, better in zip(found["problem"][rows], proposal[rows], strict=True)
        ]
        self.findings.report(rows, rule, name, original, params=params)
        self.findings.note_problem(name, rows)

    # -- dates and figures ----------------------------------------------------------------------

    def _date(self, name: str, column: Column, text: pd.Series) -> pd.Series:
        found = parse_date(
            text,
            serial=self.layer.is_spreadsheet,
            since_1904=self._dates_1904,
            roc=column.calendar == "roc",
            bare_year=column.bare_year,
        )
        unreadable = (found["problem"] == "not_a_date").to_numpy(dtype=bool)
        self.findings.report(unreadable, "field.not_a_date", name, text)
        self.findings.note_problem(name, unreadable)
        month_only = (found["problem"] == "month_only").to_numpy(dtype=bool)
        self.findings.report(month_only, "field.month_only", name, text, severity="notice")
        year_only = (found["problem"] == "year_only").to_numpy(dtype=bool)
        self.findings.report(year_only, "field.year_only", name, text, severity="notice")
        value = map_unique(found["value"], _without_last_day)
        return map_unique(value, _next_day) if column.inclusive_end else value

    def _number(self, name: str, column: Column, text: pd.Series, label: str) -> pd.Series:
        figures: Figures | None = None
        if column.type == "share":
            found = _parse_share(text)
            value, problem = found["value"], found["problem"]
        elif column.unit is not None:
            figures = self.units.read(name, column, self.batch, text)
            value, problem = figures.value, figures.problem
        else:
            found = parse_number(text)
            value, problem = found["value"], found["problem"]
        unreadable = (problem == "not_a_number").to_numpy(dtype=bool)
        if column.type == "integer":
            is_whole = matches(value, "-?[0-9]+")
            unreadable = unreadable | (value.notna().to_numpy(dtype=bool) & ~is_whole)
        self.findings.report(unreadable, "field.not_a_number", label, text)
        self.findings.note_problem(name, unreadable)
        if unreadable.any():
            value = value.mask(unreadable)
        if figures is not None:
            value = self._in_base_unit(name, figures, value, text, label)
        outside = _is_outside(value, column.minimum, column.maximum)
        self.findings.report(outside, "field.out_of_range", label, text)
        self.findings.note_problem(name, outside)
        return value.mask(outside) if outside.any() else value

    def _in_base_unit(
        self, name: str, figures: Figures, value: pd.Series, text: pd.Series, label: str
    ) -> pd.Series:
        """Convert figures by the unit of each."""
        self.figures[name] = figures
        self.findings.report(figures.unknown, "field.unknown_unit", name, figures.given)
        self.findings.note_problem(name, figures.unknown)
        self.units.add_strays(name, figures.unit, figures.stray, self.batch.row_number)
        params = np.full(len(value), None, dtype=object)
        params[figures.stray] = [
            json.dumps({"unit": unit, "problem": f"unit_{unit}"})
            for unit in figures.unit[figures.stray]
        ]
        self.findings.report(
            figures.stray, "field.other_unit", label, text, severity="notice", params=params
        )
        if figures.unknown.any():
            value = value.mask(figures.unknown)
        return to_base(value, figures.unit)


def to_base(value: pd.Series, unit: npt.NDArray[np.object_]) -> pd.Series:
    """Convert decimal texts to the base unit of their kind, exactly.

    Shape:  n texts and the code of the unit of each in; n texts out.
    Units:  as given in; m2, yuan, kWh, tce, tonnes or persons out.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown unit (a caller's bug).
    Source: docs/sources.md, 6.
    """
    codes = pd.unique(unit)
    if len(codes) == 1:
        return _converted(value, str(codes[0]))
    result = value
    for code in codes:
        chosen = unit == code
        result = result.mask(chosen, _converted(value.where(chosen), str(code)))
    return result


def _converted(value: pd.Series, unit: str) -> pd.Series:
    base, power = UNIT_BASE[unit]
    if base == "m2":
        return to_m2(value, unit)
    if power == 0:
        return value
    return map_unique(value, lambda text: f"{Decimal(text).scaleb(power).normalize():f}")


def _once_each(text: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Apply a function of a Series to the distinct values; NA where there is none."""
    places, values = pd.factorize(text)
    results = function(pd.Series(values, dtype="str"))
    # the place of a missing value is -1, for which there is no result
    return results.reindex(places).set_axis(text.index)


def _without_invisible(text: pd.Series) -> pd.Series:
    """Text without characters that nobody sees."""
    data = bytes_of(text)
    if len(data) and (data.min() < _SPACE or data.max() >= _DELETE):
        seen = pc.replace_substring_regex(as_arrow(text), _INVISIBLE, "")
        text = pd.Series(pd.array(seen, dtype="str"), text.index)
    return stripped(text)


def _parse_share(text: pd.Series) -> pd.DataFrame:
    """Read shares: ``0.5``, ``50%``, ``1/3``, ``3分之1``, 单独所有; columns value and problem."""
    plain = parse_number(text)
    folded = fold(text)
    read = map_unique(folded, _share)
    is_joint = matches(folded, _WITHOUT_FIGURE)
    problem = plain["problem"].mask(read.notna() | is_joint)
    return pd.DataFrame({"value": plain["value"].fillna(read), "problem": problem})


def _share(text: str) -> str | None:
    if text == _WHOLE:
        return "1"
    match = _FRACTION.fullmatch(text)
    if match is not None:
        over, under = (match[1], match[2]) if match[1] else (match[4], match[3])
        if int(under) == 0:
            return None
        exact = Fraction(int(over), int(under))
    elif text.endswith("%"):
        number = parse_number(pd.Series([text[:-1]]))["value"][0]
        if pd.isna(number):
            return None
        exact = Fraction(str(number)) / 100
    else:
        return None
    return f"{half_up(exact, _SHARE_DIGITS).normalize():f}"


def _is_outside(value: pd.Series, low: Decimal | None, high: Decimal | None) -> Mask:
    """Which figures lie outside their limits, exactly."""
    outside = np.zeros(len(value), dtype=bool)
    if low is None and high is None:
        return outside
    # a figure beyond a limit is not within it as a binary fraction either
    near = as_floats(value)
    if low is not None:
        outside |= near <= float(low)
    if high is not None:
        outside |= near >= float(high)
    for place in np.flatnonzero(outside):
        exact = Decimal(value.iloc[place])
        outside[place] = (low is not None and exact < low) or (high is not None and exact > high)
    return outside


def _without_last_day(day: str) -> str | None:
    """A date in the year 9999 is a program's way of writing that there is no end."""
    return None if day.startswith(str(_LAST_YEAR)) else day


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
