"""Delivered rows into canonical rows: types, codes, units, keys, hashes, and what was wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import shapely

from pipeline.domain.codes import (
    check_credit_code,
    clean_code,
    internal_code,
    is_float_damaged,
    normalise_certificate,
    parse_parcel_code,
)
from pipeline.domain.names import normalise_address, normalise_name
from pipeline.domain.persons import hide_person_numbers
from pipeline.domain.quantities import half_up, parse_date, parse_number, to_m2
from pipeline.domain.text import blank_to_na, fold, map_unique
from pipeline.errors import CrsError
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.contracts import Column, Contract, County, Internal
from pipeline.feeds.crs import check_place, reprojection
from pipeline.feeds.geometry import Shapes, clean_points, clean_polygons
from pipeline.feeds.headings import UNIT_BASE, normalise_heading

# Part of every contract hash: raise it when the same delivery would give other rows.
CLEANING_VERSION = 1

# Records of a wide table are numbered row * 100 + place of their indicator; 0 is the row itself.
MELT_STRIDE = 100

HIDDEN = "…"
# The column of a delivery of changes that says what a row does; the code of one that takes out.
CHANGE = "change"
_TAKE_OUT = "take_out"
_DATA_YEAR = "{data_year}"
_Mask = npt.NDArray[np.bool_]

_INVISIBLE = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b-\u200f\u2060\ufeff]")
_POINT_OR_EXPONENT = re.compile(r"[.E]")
# Number of an identity card: personal data, never stored. Region, birthday, sequence, check.
_IDENTITY = re.compile(
    r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X]"
    r"|[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}"
)
_FRACTION = re.compile(r"([0-9]+)[/／]([0-9]+)|([0-9]+)分之([0-9]+)")
_SHARE_DIGITS = 12
_WHOLE = "单独所有"
_WITHOUT_FIGURE = re.compile("共同共有|按份共有|其[他它]共有")
_LAST_YEAR = 9999
# What a JSON string cannot hold as it is.
_JSON_SPECIAL = r'["\\\x00-\x1f]'


@dataclass(frozen=True)
class CleanBatch:
    """Canonical rows of a batch, ready for binary COPY, and the issues found.

    ``rows``: row_number, file_row, key, subject (the key as it may be shown), scope_key, part,
    row_hash, outcome, the canonical columns, geom (WKB, where the feed has one), extra (JSON). A row
    with the outcome ``quarantined`` has no content, nor one that takes its record out. ``issues``: row_number (of the file), rule, severity, field, value, key, params
    (JSON).
    """

    rows: pd.DataFrame
    issues: pd.DataFrame
    ISSUES: ClassVar = ("row_number", "rule", "severity", "field", "value", "key", "params")


@dataclass(frozen=True)
class Manner:
    """What a delivery is: all there is, or changes; of which day.

    ``takes_out``: every row names a record that is no more.
    """

    data_date: date
    is_changes: bool = False
    takes_out: bool = False


def clean_batch(
    batch: RawBatch, layer: OpenLayer, contract: Contract, county: County, manner: Manner
) -> CleanBatch:
    """Clean one batch by its contract.

    A row is quarantined when a required column is missing or damaged, or its shape cannot be
    kept; a damaged value elsewhere leaves the column empty, with an issue. A row that takes its
    record out needs its key alone, and has no content. Nothing is replaced by
    guess: what would make a code valid is in the issue's ``proposal``.

    Shape:  up to 8,192 delivered rows in; as many canonical rows out, or in a wide table one per
            figure and one per row without any.
    Units:  areas in m2 (4 decimals), money in yuan, other figures in the base unit of their kind.
    CRS:    the county's.
    Errors: none; doubts are rows of ``issues``.
    Source: docs/how-it-decides.md, section 1; the contract of the feed.
    """
    cleaner = _Cleaner(batch, layer, contract, county, manner)
    return cleaner.melted() if layer.match.is_melted else cleaner.plain()


class _Cleaner:
    """One batch on its way: columns are computed when first asked for."""

    def __init__(
        self,
        batch: RawBatch,
        layer: OpenLayer,
        contract: Contract,
        county: County,
        manner: Manner,
    ) -> None:
        self.batch = batch
        self.layer = layer
        self.contract = contract
        self.county = county
        self.manner = manner
        self.index = pd.RangeIndex(len(batch.row_number))
        self.values: dict[str, pd.Series] = {}
        self.problem: dict[str, _Mask] = {}
        self.fatal: dict[str, _Mask] = {}
        self.bad = np.zeros(len(self.index), dtype=bool)
        self.issues: list[pd.DataFrame] = []
        self.takes_out = self._takes_out()

    def _takes_out(self) -> _Mask:
        """Rows that say that their record is no more."""
        if self.manner.takes_out or not self.manner.is_changes or self.contract.change is None:
            return np.full(len(self.index), fill_value=self.manner.takes_out)
        column = self.contract.change
        kind = self._typed(CHANGE, column, self._delivered(CHANGE))
        unknown = self.problem.get(CHANGE, np.zeros(len(self.index), dtype=bool))
        # a change of which nobody knows the kind is none
        self.fatal[CHANGE] = unknown
        self.bad |= unknown
        return (kind == _TAKE_OUT).to_numpy(dtype=bool)

    # -- a batch whose rows are records ---------------------------------------------------------

    def plain(self) -> CleanBatch:
        """One record per row."""
        names = list(self.contract.columns)
        with ThreadPoolExecutor(max_workers=1) as thread:
            # GEOS does not hold the interpreter: shapes are cleaned beside the columns
            drawn = thread.submit(self._shapes)
            if self.contract.internal is not None:
                self._give_codes(self.contract.internal, drawn)
            frame = pd.DataFrame({name: self.value(name) for name in names}, index=self.index)
            self._check_required(names)
            self._check_county()
            self._check_part()
            shapes = drawn.result()
        if shapes is not None:
            self._report_shapes(shapes)
        rows = self._assemble(frame, shapes)
        rows["file_row"] = rows["row_number"]
        return CleanBatch(rows, self._issue_table(rows["subject"]))

    def _give_codes(self, internal: Internal, drawn: Future[Shapes | None]) -> None:
        """Give records without a key one of our own, and say so."""
        code = self.value(internal.column)
        is_blank = self._delivered(internal.column).isna() & code.isna()
        empty = is_blank.to_numpy(dtype=bool) & ~self.takes_out
        if not empty.any():
            return
        shapes = drawn.result()
        old = self.value(internal.old_number) if internal.old_number else _nothing(self.index)
        made = np.full(len(self.index), None, dtype=object)
        for place in np.flatnonzero(empty):
            if pd.notna(old[place]):
                made[place] = internal_code(str(old[place]).encode())
            elif shapes is not None and shapes.delivered[place] is not None:
                made[place] = internal_code(shapely.to_wkb(shapes.delivered[place], byte_order=1))
        given = pd.Series(made, self.index, dtype="str")
        self.values[internal.column] = code.fillna(given)
        known = given.notna().to_numpy(dtype=bool)
        self._report(known, "row.no_code", internal.column, given, severity="notice")

    def _assemble(self, frame: pd.DataFrame, shapes: Shapes | None) -> pd.DataFrame:
        """Add numbers, keys, hashes and shapes; empty the content of bad rows."""
        good = ~self.bad & ~self.takes_out
        rows = pd.DataFrame({"row_number": self.batch.row_number}, index=self.index)
        rows["key"] = _joined(frame, self.contract.key)
        rows["subject"] = _joined(self._shown(frame), self.contract.key)
        scope = self.contract.scope_column
        rows["scope_key"] = frame[scope] if scope else _nothing(self.index)
        rows["part"] = frame[self.contract.part] if self.contract.part else _nothing(self.index)
        delivered = None
        if shapes is not None:
            delivered = np.asarray(shapely.to_wkb(shapes.delivered, byte_order=1), dtype=object)
        rows["row_hash"] = _hashes(frame, delivered, good)
        rows["outcome"] = _outcome(~self.bad)
        rows = pd.concat([rows, _only(frame, good)], axis=1)
        if shapes is not None and delivered is not None:
            # nearly all shapes are stored as they were delivered
            stored = delivered.copy()
            other = shapes.stored != shapes.delivered
            stored[other] = shapely.to_wkb(shapes.stored[other], byte_order=1)
            stored[~good] = None
            rows["geom"] = stored
        rows["extra"] = self._extra().where(good, "{}")
        return rows

    def _shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The key columns, names of persons hidden; a credit code is no person."""
        shown = frame[list(self.contract.key)].copy()
        for name in self.contract.key:
            if self.contract.columns[name].personal:
                is_person = shown[name].notna() & check_credit_code(shown[name])["code"].isna()
                shown[name] = shown[name].mask(is_person, HIDDEN)
        return shown

    # -- a wide table: one record per figure ----------------------------------------------------

    def melted(self) -> CleanBatch:
        """One record per filled cell of an indicator; rows that hold none are reported."""
        names = [n for n in self.contract.columns if n not in {"indicator", "value", "unit"}]
        base = pd.DataFrame({name: self.value(name) for name in names}, index=self.index)
        self._check_required(names)
        self._check_part()
        numbers = pd.Series(self.batch.row_number, self.index)
        pieces: list[pd.DataFrame] = []
        filled = np.zeros(len(self.index), dtype=bool)
        # a row that takes out and names no figure takes out all that the table has a column for
        names_none = self.takes_out.copy()
        for melted in self.contract.melt:
            names_none &= self._delivered(f"melt:{melted.indicator}").isna().to_numpy(dtype=bool)
        for place, melted in enumerate(self.contract.melt, start=1):
            name = f"melt:{melted.indicator}"
            if name not in self.layer.match.positions:
                continue
            column = Column(type="number", unit=melted.unit)
            value = self._typed(name, column, self._delivered(name), label=melted.indicator)
            is_broken = self.problem.get(name, np.zeros(len(self.index), dtype=bool))
            chosen = (value.notna() | is_broken | names_none).to_numpy(dtype=bool) & ~self.bad
            is_broken = is_broken & ~self.takes_out
            filled |= chosen
            piece = base.assign(
                indicator=melted.indicator, value=value, unit=UNIT_BASE[melted.unit][0]
            )
            piece["row_number"] = numbers * MELT_STRIDE + place
            piece["file_row"] = numbers
            piece["is_bad"] = is_broken
            piece["takes_out"] = self.takes_out
            pieces.append(piece[chosen])
            self.fatal[melted.indicator] = is_broken & chosen
        empty = ~filled & ~self.bad
        self._report(empty, "row.no_values", "", _nothing(self.index), severity="notice")
        rest = base.assign(
            row_number=numbers * MELT_STRIDE, file_row=numbers, is_bad=True, takes_out=False
        )
        pieces.append(rest[self.bad | empty])
        records = pd.concat(pieces, ignore_index=True)
        frame = pd.DataFrame(
            {n: _as_str(records.get(n), records.index) for n in self.contract.columns}
        )
        kept = ~records["is_bad"].to_numpy(dtype=bool)
        good = kept & ~records["takes_out"].to_numpy(dtype=bool)
        rows = records[["row_number", "file_row"]].copy()
        rows["key"] = _joined(frame, self.contract.key)
        rows["subject"] = _joined(self._shown(frame), self.contract.key)
        rows["scope_key"] = _nothing(rows.index)
        rows["part"] = frame[self.contract.part] if self.contract.part else _nothing(rows.index)
        rows["row_hash"] = _hashes(frame, None, good)
        rows["outcome"] = _outcome(kept)
        rows = pd.concat([rows, _only(frame, good)], axis=1)
        rows["extra"] = "{}"
        return CleanBatch(rows, self._issue_table(_joined(base, ("enterprise_code", "year"))))

    # -- columns --------------------------------------------------------------------------------

    def value(self, name: str) -> pd.Series:
        """The cleaned values of a canonical column, a part, or a delivered heading."""
        if name not in self.values:
            column = self.contract.column(name)
            if column is None:
                self.values[name] = self._delivered(f"heading:{name}")
            else:
                self.values[name] = self._column(name, column)
        return self.values[name]

    def _column(self, name: str, column: Column) -> pd.Series:
        if column.value is not None:
            text = pd.Series(column.value, self.index, dtype="str")
        elif column.parts:
            text = self.value(column.parts[0])
            for part in column.parts[1:]:
                text = text + column.separator + self.value(part)
        elif column.first_of:
            text = self.value(column.first_of[0])
            for part in column.first_of[1:]:
                text = text.fillna(self.value(part))
        else:
            text = self._delivered(name)
        is_absent = text.isna()
        cleaned = self._typed(name, column, text)
        if column.take is not None:
            cleaned = cleaned.str[: column.take]
        if column.default is not None:
            default = column.default.replace(_DATA_YEAR, str(self.manner.data_date.year))
            cleaned = cleaned.mask(cleaned.isna() & is_absent, default)
        return cleaned.astype("str")

    def _delivered(self, name: str) -> pd.Series:
        """The delivered text of a column: the first alias that is filled."""
        text = _nothing(self.index)
        for position in self.layer.match.positions.get(name, ()):
            text = text.fillna(blank_to_na(self.batch.columns[position].str.strip()))
        return text

    def _was_number(self, name: str) -> _Mask:
        """Which delivered cells were numbers and may have lost digits."""
        result = np.zeros(len(self.index), dtype=bool)
        for position in self.layer.match.positions.get(name, ()):
            mask = self.batch.numeric[position]
            if mask is not None:
                result |= mask
        return result

    def _typed(
        self, name: str, column: Column, text: pd.Series, label: str | None = None
    ) -> pd.Series:
        """Clean delivered text by its type; report what cannot be read."""
        original = text
        if column.codes:
            text = self._mapped(name, column, text)
        match column.type:
            case "text":
                cleaned = blank_to_na(text.str.replace(_INVISIBLE, "", regex=True).str.strip())
            case "name_key" | "address_key" | "certificate_key" | "unit_code":
                cleaned = self._secondary(column, text)
            case "code":
                cleaned = self._code(name, column, text)
            case "parcel_code":
                found = parse_parcel_code(text, self.county.parcel_scheme)
                self._report_problem(name, "parcel.code", original, found)
                cleaned = found["parcel_code"]
            case "credit_code":
                # an identity number is personal data: it is neither kept nor reported
                is_person = clean_code(text).str.fullmatch(_IDENTITY)
                found = check_credit_code(text.mask(is_person.astype(bool)))
                self._report_problem(name, "enterprise.credit_code", original, found)
                cleaned = found["code"]
            case "date":
                cleaned = self._date(name, column, text)
            case "number" | "integer" | "share":
                cleaned = self._number(name, column, text, label or name)
        return cleaned

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
        known = {_code_form(code): code for code in column.codes.values()}
        known |= {_code_form(given): code for given, code in column.codes.items()}
        translated = map_unique(text, lambda value: known.get(_code_form(value)))
        unknown = (text.notna() & translated.isna()).to_numpy(dtype=bool)
        self._report(unknown, "field.unknown_code", name, text)
        if column.otherwise is not None:
            return translated.mask(unknown, column.otherwise)
        self._note_problem(name, unknown)
        return blank_to_na(translated)

    def _code(self, name: str, column: Column, text: pd.Series) -> pd.Series:
        cleaned = _once_each(text, clean_code)
        damaged = _once_each(cleaned, is_float_damaged).fillna(value=False).to_numpy(dtype=bool)
        # a survey code may truly end in zeros, unless it came through a number
        shows = cleaned.str.contains(_POINT_OR_EXPONENT).fillna(value=False).to_numpy(dtype=bool)
        damaged = damaged & (self._was_number(name) | shows)
        self._report(damaged, "field.damaged_code", name, text)
        self._note_problem(name, damaged)
        cleaned = cleaned.mask(damaged)
        is_digits = cleaned.str.fullmatch("[0-9]+").fillna(value=False).astype(bool)
        if column.pad_left is not None:
            cleaned = cleaned.mask(is_digits, cleaned.str.zfill(column.pad_left))
        if column.pad_right is not None:
            cleaned = cleaned.mask(is_digits, cleaned.str.ljust(column.pad_right, "0"))
        return cleaned

    def _date(self, name: str, column: Column, text: pd.Series) -> pd.Series:
        found = parse_date(text, serial=self.layer.is_spreadsheet)
        unreadable = (found["problem"] == "not_a_date").to_numpy(dtype=bool)
        self._report(unreadable, "field.not_a_date", name, text)
        self._note_problem(name, unreadable)
        month_only = (found["problem"] == "month_only").to_numpy(dtype=bool)
        self._report(month_only, "field.month_only", name, text, severity="notice")
        value = map_unique(found["value"], _without_last_day)
        return map_unique(value, _next_day) if column.inclusive_end else value

    def _number(self, name: str, column: Column, text: pd.Series, label: str) -> pd.Series:
        found = _parse_share(text) if column.type == "share" else parse_number(text)
        unreadable = (found["problem"] == "not_a_number").to_numpy(dtype=bool)
        if column.type == "integer":
            whole = found["value"].str.fullmatch("-?[0-9]+").fillna(value=False).astype(bool)
            unreadable = unreadable | (found["value"].notna() & ~whole).to_numpy(dtype=bool)
        self._report(unreadable, "field.not_a_number", label, text)
        self._note_problem(name, unreadable)
        value = found["value"].mask(unreadable)
        if column.unit is not None:
            value = self._in_base_unit(name, column, value)
        outside = _is_outside(value, column.minimum, column.maximum)
        self._report(outside, "field.out_of_range", label, text)
        self._note_problem(name, outside)
        return value.mask(outside)

    def _in_base_unit(self, name: str, column: Column, value: pd.Series) -> pd.Series:
        """Convert figures by the unit of the row, else of the heading, else of the contract."""
        stated = [self.layer.match.units.get(p) for p in self.layer.match.positions.get(name, ())]
        usual = next((unit for unit in stated if unit), column.unit)
        unit = pd.Series(usual, self.index, dtype="str")
        if column.unit_column is not None:
            given = fold(self.value(column.unit_column)).where(value.notna())
            translated = map_unique(given, column.unit_codes.get)
            unknown = (given.notna() & translated.isna()).to_numpy(dtype=bool)
            self._report(unknown, "field.unknown_unit", name, given)
            self._note_problem(name, unknown)
            value = value.mask(unknown)
            # a unit in the heading is read before a code that software fills in by itself
            unit = unit if any(stated) else translated.fillna(unit)
        result = value.copy()
        for code in unit.dropna().unique():
            chosen = unit == code
            result = result.mask(chosen, _to_base(value.where(chosen), str(code)))
        return result

    # -- rows -----------------------------------------------------------------------------------

    def _check_required(self, names: Iterable[str]) -> None:
        """Set aside rows that lack a required value, and say which delivered value it is."""
        for name in names:
            column = self.contract.columns[name]
            if not column.required:
                continue
            empty = self.value(name).isna().to_numpy(dtype=bool)
            if name not in self.contract.key:
                empty = empty & ~self.takes_out
            if not empty.any():
                continue
            sources = self._sources(name)
            explained = np.zeros(len(self.index), dtype=bool)
            for source in sources:
                cause = empty & self.problem.get(source, explained)
                self.fatal[source] = self.fatal.get(source, np.zeros_like(cause)) | cause
                explained = explained | cause
            unexplained = empty & ~explained
            for source in sources:
                absent = unexplained & self.value(source).isna().to_numpy(dtype=bool)
                self._report(
                    absent, "row.missing_value", source, _nothing(self.index), severity="error"
                )
                unexplained &= ~absent
            self.bad |= empty

    def _sources(self, name: str) -> list[str]:
        """The delivered columns from which a column is built, itself where it is delivered."""
        column = self.contract.column(name)
        if column is None or not column.depends_on:
            return [name]
        return [leaf for part in column.depends_on for leaf in self._sources(part)] + [name]

    def _check_part(self) -> None:
        """Set aside rows of a year that has not begun on the day that they stand for."""
        name = self.contract.part
        if not name:
            return
        year = pd.to_numeric(self.value(name), errors="coerce")
        ahead = (year > self.manner.data_date.year).to_numpy(dtype=bool, na_value=False)
        self._set_aside(ahead, "row.year_ahead", name, self.value(name))

    def _check_county(self) -> None:
        """Set aside land whose township is not one of this county."""
        name = self.contract.county_prefix
        if not name:
            return
        code = self.value(name)
        foreign = code.notna() & ~code.str.startswith(self.county.code).fillna(value=True)
        if "kind" in self.contract.columns:
            # zones and parks have codes of their own
            foreign &= self.value("kind") == "township"
        self._set_aside(foreign.to_numpy(dtype=bool), "row.unknown_township", name, code)

    def _shapes(self) -> Shapes | None:
        """Clean the shapes of the batch."""
        if self.contract.geometry == "none":
            return None
        given = self.batch.geometry
        if given is None:
            given = self._points() if self.contract.geometry == "point" else None
        if given is None:
            given = np.full(len(self.index), None, dtype=object)
        if self.contract.geometry == "point":
            return clean_points(given, self.county)
        return clean_polygons(given, self.county)

    def _report_shapes(self, shapes: Shapes) -> None:
        """Say what was wrong with shapes, and set rows aside that need one."""
        params = _areas_json(shapes)
        for rule in sorted({str(rule) for rule in shapes.rule} - {""}):
            found = (shapes.rule == rule) & ~self.takes_out
            value = _nothing(self.index)
            if rule == "geometry.missing" and not self.contract.geometry_required:
                continue
            if rule == "geometry.repaired":
                kept = found & ~self.bad
                self._report(kept, rule, "geom", value, severity="notice", params=params)
            elif self.contract.geometry_required:
                self._set_aside(found, rule, "geom", value, params)
            else:
                self._report(found, rule, "geom", value, params=params)

    def _points(self) -> npt.NDArray[np.object_] | None:
        """Points from two delivered columns, in the county's CRS."""
        spec = self.contract.point
        if spec is None or "point:x" not in self.layer.match.positions:
            return None
        x = pd.to_numeric(parse_number(self._delivered("point:x"))["value"], errors="coerce")
        y = pd.to_numeric(parse_number(self._delivered("point:y"))["value"], errors="coerce")
        crs = self.county.crs if spec.crs == "county" else spec.crs
        way = reprojection(crs, self.county, file=self.layer.name, layer=self.layer.name)
        points = np.full(len(self.index), None, dtype=object)
        # 0, 0 is how a program writes that it does not know
        known = (x.notna() & y.notna() & ~((x == 0) & (y == 0))).to_numpy(dtype=bool)
        if known.any():
            coordinates = np.column_stack([x[known], y[known]]).astype(np.float64)
            try:
                check_place(way, coordinates, file=self.layer.name, layer=self.layer.name)
                points[known] = shapely.points(way(coordinates))
            except CrsError:
                # a point is only a hint: the rows are kept without it
                points[known] = shapely.Point(np.inf, np.inf)
        return points

    def _extra(self) -> pd.Series:
        """What no canonical column takes, as JSON per row."""
        never = {normalise_heading(name) for name in self.contract.never_stored}
        used = self.layer.match.used
        items = []
        for position, heading in enumerate(self.layer.headings):
            if position in used or not heading or normalise_heading(heading) in never:
                continue
            label = json.dumps(heading, ensure_ascii=False)
            clean = self.batch.columns[position].str.replace("\0", "", regex=False)
            coded = _json_texts(blank_to_na(clean.str.strip()))
            items.append(pc.binary_join_element_wise(label, coded, ": "))
        if not items:
            return pd.Series("{}", self.index, dtype="str")
        body = _join_filled(items, ", ")
        wrapped = pc.binary_join_element_wise("{", body, "}", "")
        return pd.Series(wrapped.to_pandas(), dtype="str")

    # -- issues ---------------------------------------------------------------------------------

    def _set_aside(
        self,
        rows: _Mask,
        rule: str,
        name: str,
        value: pd.Series,
        params: pd.Series | None = None,
    ) -> None:
        """Quarantine rows that are not quarantined yet, with an issue."""
        fresh = rows & ~self.bad
        self._report(fresh, rule, name, value, severity="error", params=params)
        self.bad |= rows

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
            proposal = _nothing(self.index)
        chosen = found["problem"][rows]
        params = _nothing(self.index)
        params[rows] = [
            json.dumps(
                {"problem": problem} | ({} if pd.isna(better) else {"proposal": better}),
                ensure_ascii=False,
            )
            for problem, better in zip(chosen, proposal[rows], strict=True)
        ]
        self._report(rows, rule, name, original, params=params)
        self._note_problem(name, rows)

    def _note_problem(self, name: str, rows: _Mask) -> None:
        self.problem[name] = self.problem.get(name, np.zeros(len(self.index), dtype=bool)) | rows

    def _report(
        self,
        rows: _Mask,
        rule: str,
        name: str,
        value: pd.Series,
        *,
        severity: str = "warning",
        params: pd.Series | None = None,
    ) -> None:
        if not rows.any():
            return
        column = self.contract.column(name)
        shown = value[rows]
        if column is not None and column.personal:
            shown = shown.mask(shown.notna(), HIDDEN)
        # a number of a person may be typed into any column
        shown = map_unique(shown, hide_person_numbers)
        self.issues.append(
            pd.DataFrame(
                {
                    "place": np.flatnonzero(rows),
                    "rule": rule,
                    "severity": severity,
                    "field": name,
                    "value": shown.to_numpy(),
                    "params": "{}" if params is None else params[rows].fillna("{}").to_numpy(),
                }
            )
        )

    def _issue_table(self, keys: pd.Series) -> pd.DataFrame:
        """All issues of the batch; those that put their row aside become errors."""
        if not self.issues:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in CleanBatch.ISSUES})
        table = pd.concat(self.issues, ignore_index=True)
        for name, rows in self.fatal.items():
            hit = (table["field"] == name) & (table["severity"] == "warning")
            table.loc[hit & rows[table["place"].to_numpy()], "severity"] = "error"
        table["row_number"] = self.batch.row_number[table["place"].to_numpy()]
        table["key"] = keys.reindex(table["place"]).to_numpy()
        return table[list(CleanBatch.ISSUES)]


def _once_each(text: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Apply a function of a Series to the distinct values; NA where there is none."""
    places, values = pd.factorize(text)
    results = function(pd.Series(values, dtype="str"))
    # the place of a missing value is -1, for which there is no result
    return results.reindex(places).set_axis(text.index)


def _nothing(index: pd.Index) -> pd.Series:
    return pd.Series(pd.NA, index, dtype="str")


def _outcome(good: _Mask) -> npt.NDArray[np.object_]:
    """What is known of the outcome before the rows are compared with those held."""
    outcome = np.full(len(good), None, dtype=object)
    outcome[~good] = "quarantined"
    return outcome


def _only(frame: pd.DataFrame, good: _Mask) -> pd.DataFrame:
    """The contents of good rows; the others are emptied."""
    return frame if good.all() else frame.where(pd.Series(good, frame.index), axis=0)


def _as_str(values: pd.Series | None, index: pd.Index) -> pd.Series:
    return _nothing(index) if values is None else values.astype("str")


def _code_form(text: str) -> str:
    """The form in which delivered codes are compared: one width, no spaces, upper case."""
    return normalise_heading(text)


def _joined(frame: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """Keys: the key columns with ``|`` between them, NA where one is missing."""
    first, *others = names
    key = frame[first]
    for name in others:
        key = key + "|" + frame[name]
    return key


def _hashes(
    frame: pd.DataFrame, shapes: npt.NDArray[np.object_] | None, good: _Mask
) -> npt.NDArray[np.object_]:
    """Hash each good row: its filled columns in the order of their names, and its shape.

    An empty column leaves no trace, so a column that is added later changes no hash.
    """
    items = []
    for name in sorted(frame.columns):
        text = pa.array(frame[name], pa.string(), from_pandas=True)
        items.append(pc.binary_join_element_wise(name, text, "\x1f"))
    contents = _join_filled(items, "\x1e").to_pylist()
    result = np.full(len(frame), None, dtype=object)
    for place in np.flatnonzero(good):
        digest = hashlib.blake2b(contents[place].encode(), digest_size=16)
        if shapes is not None and shapes[place] is not None:
            digest.update(b"\x1d")
            digest.update(shapes[place])
        result[place] = digest.digest()
    return result


def _join_filled(items: list[pa.Array], separator: str) -> pa.Array:
    """Join texts row by row, leaving out what is missing."""
    if len(items) == 1:
        # a single item would lose its empty rows
        return pc.fill_null(items[0], "")
    return pc.binary_join_element_wise(*items, separator, null_handling="skip")


def _json_texts(text: pd.Series) -> pa.Array:
    """Texts as JSON strings; nearly all of them need no more than quotes."""
    plain = pa.array(text, pa.string(), from_pandas=True)
    if isinstance(plain, pa.ChunkedArray):
        plain = plain.combine_chunks()
    coded = pc.binary_join_element_wise('"', plain, '"', "")
    is_special = pc.fill_null(pc.match_substring_regex(plain, _JSON_SPECIAL), fill_value=False)
    if not pc.any(is_special).as_py():
        return coded
    special = [
        json.dumps(value, ensure_ascii=False) for value in plain.filter(is_special).to_pylist()
    ]
    return pc.replace_with_mask(coded, is_special, pa.array(special, pa.string()))


def _areas_json(shapes: Shapes) -> pd.Series:
    """Areas before and after a repair, as issue parameters."""
    texts = np.full(len(shapes.rule), None, dtype=object)
    for place in np.flatnonzero(shapes.area_before != 0):
        if shapes.rule[place]:
            before, after = shapes.area_before[place], shapes.area_after[place]
            texts[place] = json.dumps(
                {"area_before_m2": round(before, 2), "area_after_m2": round(after, 2)}
            )
    return pd.Series(texts, dtype="str")


def _to_base(value: pd.Series, unit: str) -> pd.Series:
    """Convert decimal texts of one unit to the base unit of its kind, exactly."""
    base, power = UNIT_BASE[unit]
    if base == "m2":
        return to_m2(value, unit)
    if power == 0:
        return value
    return map_unique(value, lambda text: f"{Decimal(text).scaleb(power).normalize():f}")


def _parse_share(text: pd.Series) -> pd.DataFrame:
    """Read shares: ``0.5``, ``50%``, ``1/3``, ``3分之1``, 单独所有; columns value and problem."""
    plain = parse_number(text)
    read = map_unique(fold(text), _share)
    is_joint = fold(text).str.fullmatch(_WITHOUT_FIGURE).fillna(value=False).astype(bool)
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


def _is_outside(value: pd.Series, low: Decimal | None, high: Decimal | None) -> _Mask:
    """Which figures lie outside their limits, exactly."""
    # a figure beyond a limit is not within it as a binary fraction either
    near = value.astype(float).to_numpy()
    outside = np.zeros(len(value), dtype=bool)
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


def county_hash(county: County) -> str:
    """Hash of what cleaning takes from the county's settings and from this module.

    Shape:  one County in; a hexadecimal text out.
    Units:  none.
    CRS:    the county's is part of it.
    Errors: none.
    Source: docs/sources.md, Design 3 (delivery: contract hash).
    """
    text = repr((CLEANING_VERSION, county, pyproj.CRS.from_user_input(county.crs).to_epsg()))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
