"""Delivered rows into canonical rows: values, keys, shapes, hashes, and what was wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyproj
import shapely

from pipeline.domain.codes import check_credit_code, internal_code
from pipeline.domain.quantities import parse_number
from pipeline.domain.text import as_floats, as_text
from pipeline.domain.units import UNIT_BASE
from pipeline.errors import CrsError
from pipeline.feeds.area_check import AreaFindings
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.cells import nothing
from pipeline.feeds.contents import extra_of, joined, row_hashes
from pipeline.feeds.contracts import Column, Contract, County, Internal
from pipeline.feeds.fields import Fields, to_base
from pipeline.feeds.findings import HIDDEN, ISSUE_COLUMNS, Findings, Mask
from pipeline.feeds.geometry import (
    REPAIRED,
    Drawn,
    clean_points,
    clean_polygons,
    drawn_from,
    place_of,
)
from pipeline.feeds.place import Decision, decide_crs
from pipeline.feeds.units import LayerUnits

__all__ = [
    "CLEANING_VERSION",
    "HIDDEN",
    "MELT_STRIDE",
    "CleanBatch",
    "Manner",
    "clean_batch",
    "county_hash",
]

# Part of every contract hash: raise it when the same delivery would give other rows.
CLEANING_VERSION = 2

# Records of a wide table are numbered row * 100 + place of their indicator; 0 is the row itself.
MELT_STRIDE = 100

# The column of a delivery of changes that says what a row does; the code of one that takes out.
CHANGE = "change"
_TAKE_OUT = "take_out"
_GEOM = "geom"


def _no_shapes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row_number": pd.Series(dtype="int64"),
            "rule": pd.Series(dtype="str"),
            "reason": pd.Series(dtype="str"),
            "area_before_m2": pd.Series(dtype="float64"),
            "area_after_m2": pd.Series(dtype="float64"),
            "geom": pd.Series(dtype=object),
        }
    )


@dataclass(frozen=True)
class CleanBatch:
    """Canonical rows of a batch, ready for binary COPY, and the issues found.

    ``rows``: row_number, file_row, key, subject (the key as it may be shown), scope_key, part,
    row_hash, outcome, the canonical columns, geom (WKB, where the feed has one), extra (JSON). A row
    with the outcome ``quarantined`` has no content, nor one that takes its record out. ``issues``:
    row_number (of the file), rule, severity, field, value, key, params (JSON). ``as_delivered``:
    shapes that were repaired or set aside, as they came: row_number (of the file), rule, reason (in
    the words of GEOS), areas before and after, geom (WKB).
    """

    rows: pd.DataFrame
    issues: pd.DataFrame
    as_delivered: pd.DataFrame = field(default_factory=_no_shapes)
    ISSUES: ClassVar = ISSUE_COLUMNS


@dataclass(frozen=True)
class Manner:
    """What a delivery is: all there is, or changes; of which day.

    ``takes_out``: every row names a record that is no more.
    """

    data_date: date
    is_changes: bool = False
    takes_out: bool = False


def clean_batch(
    batch: RawBatch,
    layer: OpenLayer,
    contract: Contract,
    county: County,
    manner: Manner,
    *,
    units: LayerUnits | None = None,
    dates_1904: bool = False,
) -> CleanBatch:
    """Clean one batch by its contract.

    A row is quarantined when a required column is missing or damaged, or its shape cannot be
    kept; a damaged value elsewhere leaves the column empty, with an issue. A row that takes its
    record out needs its key alone, and has no content. Nothing is replaced by
    guess: what would make a code valid is in the issue's ``proposal``.

    ``units`` are those of the layer, which has seen the batch already; without them the batch
    stands for itself. ``dates_1904``: the workbook counts its days from 1904.

    Shape:  up to 4,096 delivered rows in; as many canonical rows out, or in a wide table one per
            figure and one per row without any.
    Units:  areas in m2 (4 decimals), money in yuan, other figures in the base unit of their kind.
    CRS:    the county's.
    Errors: none; doubts are rows of ``issues``. Without ``units`` SourceError
            (units.contradicted).
    Source: docs/how-it-decides.md, section 1; the contract of the feed.
    """
    if units is None:
        units = LayerUnits(layer, contract, county)
        units.see(batch)
    cleaner = _Cleaner(batch, layer, contract, county, manner, units, dates_1904=dates_1904)
    return cleaner.melted() if layer.match.is_melted else cleaner.plain()


class _Cleaner:
    """One batch on its way."""

    def __init__(
        self,
        batch: RawBatch,
        layer: OpenLayer,
        contract: Contract,
        county: County,
        manner: Manner,
        units: LayerUnits,
        *,
        dates_1904: bool,
    ) -> None:
        self.batch = batch
        self.layer = layer
        self.contract = contract
        self.county = county
        self.manner = manner
        self.units = units
        self.findings = Findings(contract, batch.row_number)
        self.fields = Fields(
            batch,
            layer,
            contract,
            county,
            self.findings,
            units,
            data_date=manner.data_date,
            dates_1904=dates_1904,
        )
        self.index = self.fields.index
        # rows of which it is told that a column is empty
        self.missing: dict[str, Mask] = {}
        self.takes_out = self._takes_out()

    def _takes_out(self) -> Mask:
        """Rows that say that their record is no more."""
        if self.manner.takes_out or not self.manner.is_changes or self.contract.change is None:
            return np.full(len(self.index), fill_value=self.manner.takes_out)
        column = self.contract.change
        kind = self.fields.typed(CHANGE, column, self.fields.delivered(CHANGE))
        # a change of which nobody knows the kind is none
        unknown = self.findings.broken(CHANGE)
        self.findings.fatal[CHANGE] = unknown
        self.findings.bad |= unknown
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
            values = {name: self.fields.value(name) for name in names}
            self._check_required(names)
            self._check_county()
            self._check_part()
            shapes = drawn.result()
        if shapes is not None:
            self._report_shapes(shapes)
            self._check_areas(shapes, values)
        frame = pd.DataFrame(values, index=self.index)
        rows = self._assemble(frame, shapes)
        rows["file_row"] = rows["row_number"]
        return CleanBatch(
            rows,
            self.findings.table(rows["subject"]),
            _no_shapes() if shapes is None else self._as_delivered(shapes),
        )

    def _give_codes(self, internal: Internal, drawn: Future[Drawn | None]) -> None:
        """Give records without a key one of our own, and say so."""
        code = self.fields.value(internal.column)
        is_blank = self.fields.delivered(internal.column).isna() & code.isna()
        empty = is_blank.to_numpy(dtype=bool) & ~self.takes_out
        if not empty.any():
            return
        shapes = drawn.result()
        old = nothing(self.index)
        if internal.old_number:
            old = self.fields.value(internal.old_number)
        made = np.full(len(self.index), None, dtype=object)
        for place in np.flatnonzero(empty):
            if pd.notna(old[place]):
                made[place] = internal_code(str(old[place]).encode())
            elif shapes is not None and shapes.delivered[place] is not None:
                made[place] = internal_code(shapes.delivered[place])
        given = pd.Series(made, self.index, dtype="str")
        self.fields.give(internal.column, code.fillna(given))
        known = given.notna().to_numpy(dtype=bool)
        self.findings.report(known, "row.no_code", internal.column, given, severity="notice")

    def _assemble(self, frame: pd.DataFrame, shapes: Drawn | None) -> pd.DataFrame:
        """Add numbers, keys, hashes and shapes; empty the content of bad rows."""
        good = ~self.findings.bad & ~self.takes_out
        key = joined(frame, self.contract.key)
        scope, part = self.contract.scope_column, self.contract.part
        delivered = None if shapes is None else shapes.delivered
        head = {
            "row_number": self.batch.row_number,
            "key": key,
            "subject": self._subject(frame, key),
            "scope_key": frame[scope] if scope else nothing(self.index),
            "part": frame[part] if part else nothing(self.index),
            "row_hash": row_hashes(frame, delivered, good),
            "outcome": _outcome(~self.findings.bad),
        }
        rows = pd.concat([pd.DataFrame(head, self.index), _only(frame, good)], axis=1)
        if shapes is not None:
            stored = shapes.stored
            if not good.all():
                stored = stored.copy()
                stored[~good] = None
            rows[_GEOM] = stored
        extra = extra_of(self.batch, self.layer, self.contract)
        rows["extra"] = extra if good.all() else extra.where(good, "{}")
        return rows

    def _subject(self, frame: pd.DataFrame, key: pd.Series) -> pd.Series:
        """Keys as they may be shown: names of persons hidden; a credit code is no person."""
        columns = self.contract.columns
        personal = [name for name in self.contract.key if columns[name].personal]
        if not personal:
            return key
        shown = frame[list(self.contract.key)].copy()
        for name in personal:
            is_person = shown[name].notna() & check_credit_code(shown[name])["code"].isna()
            shown[name] = shown[name].mask(is_person, HIDDEN)
        return joined(shown, self.contract.key)

    # -- a wide table: one record per figure ----------------------------------------------------

    def melted(self) -> CleanBatch:
        """One record per filled cell of an indicator; rows that hold none are reported."""
        names = [n for n in self.contract.columns if n not in {"indicator", "value", "unit"}]
        base = pd.DataFrame({name: self.fields.value(name) for name in names}, index=self.index)
        self._check_required(names)
        self._check_part()
        bad = self.findings.bad
        pieces: list[pd.DataFrame] = []
        filled = np.zeros(len(self.index), dtype=bool)
        # a row that takes out and names no figure takes out all that the table has a column for
        names_none = self.takes_out.copy()
        for melted in self.contract.melt:
            cells = self.fields.delivered(f"melt:{melted.indicator}")
            names_none = names_none & cells.isna().to_numpy(dtype=bool)
        for place, melted in enumerate(self.contract.melt, start=1):
            name = f"melt:{melted.indicator}"
            if name not in self.layer.match.positions:
                continue
            column = Column(type="number", unit=melted.unit, mixed_units=melted.mixed_units)
            cells = self.fields.delivered(name)
            value = self.fields.typed(name, column, cells, label=melted.indicator)
            is_broken = self.findings.broken(name)
            chosen = (value.notna().to_numpy(dtype=bool) | is_broken | names_none) & ~bad
            is_broken = is_broken & ~self.takes_out
            filled |= chosen
            piece = base.assign(
                indicator=melted.indicator,
                value=value,
                unit=UNIT_BASE[melted.unit][0],
                row_number=self.batch.row_number * MELT_STRIDE + place,
                file_row=self.batch.row_number,
                is_bad=is_broken,
                takes_out=self.takes_out,
            )
            pieces.append(piece[chosen])
            self.findings.fatal[melted.indicator] = is_broken & chosen
        empty = ~filled & ~bad
        self.findings.report(empty, "row.no_values", "", severity="notice")
        rest = base.assign(
            row_number=self.batch.row_number * MELT_STRIDE,
            file_row=self.batch.row_number,
            is_bad=True,
            takes_out=False,
        )
        pieces.append(rest[bad | empty])
        records = pd.concat(pieces, ignore_index=True)
        return CleanBatch(
            self._records(records), self.findings.table(joined(base, ("enterprise_code", "year")))
        )

    def _records(self, records: pd.DataFrame) -> pd.DataFrame:
        """Records of a wide table with their keys and hashes."""
        frame = pd.DataFrame(
            {n: _column(records.get(n), records.index) for n in self.contract.columns}
        )
        kept = ~records["is_bad"].to_numpy(dtype=bool)
        good = kept & ~records["takes_out"].to_numpy(dtype=bool)
        part = self.contract.part
        key = joined(frame, self.contract.key)
        head = {
            "row_number": records["row_number"],
            "file_row": records["file_row"],
            "key": key,
            "subject": self._subject(frame, key),
            "scope_key": nothing(records.index),
            "part": frame[part] if part else nothing(records.index),
            "row_hash": row_hashes(frame, None, good),
            "outcome": _outcome(kept),
        }
        rows = pd.concat([pd.DataFrame(head), _only(frame, good)], axis=1)
        rows["extra"] = "{}"
        return rows

    # -- rows -----------------------------------------------------------------------------------

    def _check_required(self, names: Iterable[str]) -> None:
        """Set aside rows that lack a required value, and say which delivered value it is."""
        for name in names:
            column = self.contract.columns[name]
            if not column.required:
                continue
            empty = self.fields.value(name).isna().to_numpy(dtype=bool)
            if name not in self.contract.key:
                empty = empty & ~self.takes_out
            if empty.any():
                self._explain(name, empty)
                self.findings.bad |= empty

    def _explain(self, name: str, empty: Mask) -> None:
        """Say of rows without a required value which delivered column is the cause."""
        sources = self._sources(name)
        explained = self.findings.none()
        for source in sources:
            cause = empty & self.findings.broken(source)
            fatal = self.findings.fatal.get(source, self.findings.none())
            self.findings.fatal[source] = fatal | cause
            explained = explained | cause
        unexplained = empty & ~explained
        for source in sources:
            absent = unexplained & self.fields.value(source).isna().to_numpy(dtype=bool)
            # two columns may be built from the one that is missing
            told = self.missing.get(source, self.findings.none())
            self.findings.report(absent & ~told, "row.missing_value", source, severity="error")
            self.missing[source] = told | absent
            unexplained &= ~absent

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
        ahead = as_floats(self.fields.value(name)) > self.manner.data_date.year
        self.findings.set_aside(ahead, "row.year_ahead", name, self.fields.value(name))

    def _check_county(self) -> None:
        """Set aside land whose township is not one of this county."""
        name = self.contract.county_prefix
        if not name:
            return
        code = self.fields.value(name)
        foreign = code.notna() & ~code.str.startswith(self.county.code).fillna(value=True)
        if "kind" in self.contract.columns:
            # zones and parks have codes of their own
            foreign &= self.fields.value("kind") == "township"
        self.findings.set_aside(foreign.to_numpy(dtype=bool), "row.unknown_township", name, code)

    # -- shapes ---------------------------------------------------------------------------------

    def _shapes(self) -> Drawn | None:
        """The shapes of the batch, or points from two columns of it."""
        if self.contract.geometry == "none":
            return None
        if self.batch.drawn is not None:
            return self.batch.drawn
        given = self._points() if self.contract.geometry == "point" else None
        if given is None:
            given = np.full(len(self.index), None, dtype=object)
        is_point = self.contract.geometry == "point"
        return drawn_from((clean_points if is_point else clean_polygons)(given, self.county))

    def _report_shapes(self, shapes: Drawn) -> None:
        """Say what was wrong with shapes, and set rows aside that need one."""
        params = _shape_params(shapes)
        for rule in sorted({str(rule) for rule in pd.unique(shapes.rule)} - {""}):
            found = (shapes.rule == rule) & ~self.takes_out
            if rule == "geometry.missing" and not self.contract.geometry_required:
                continue
            if rule == REPAIRED:
                kept = found & ~self.findings.bad
                self.findings.report(kept, rule, _GEOM, severity="notice", params=params)
            elif self.contract.geometry_required:
                self.findings.set_aside(found, rule, _GEOM, params=params)
            else:
                self.findings.report(found, rule, _GEOM, params=params)

    def _check_areas(self, shapes: Drawn, values: dict[str, pd.Series]) -> None:
        """Hold areas against the shapes of their rows."""
        usable = ~self.findings.bad & ~self.takes_out & ~shapes.is_bad
        for name, column in self.contract.columns.items():
            figures = self.fields.figures.get(name)
            if column.drawn is None or figures is None:
                continue
            official = as_floats(values[name])
            official[~usable] = np.nan
            found = self.units.areas.find(
                column,
                as_floats(figures.value),
                figures.unit,
                official,
                shapes,
            )
            if len(found.places):
                values[name] = self._with_areas_judged(name, column, values[name], found)

    def _with_areas_judged(
        self, name: str, column: Column, value: pd.Series, found: AreaFindings
    ) -> pd.Series:
        """Areas of which those wrong by a factor are read as they are drawn, or not used."""
        figures = self.fields.figures[name]
        is_unit = np.asarray(found.unit != "", dtype=bool)
        # a row that names its unit is not read in another one
        by_row = is_unit & ~figures.said[found.places] & (column.mixed_units == "by_row")
        rule = np.where(by_row, "area.unit_by_row", found.rule).astype(object)
        value = value.mask(self._rows_at(found.places[found.is_wrong & ~by_row]))
        if by_row.any():
            places = found.places[by_row]
            read = to_base(figures.value.iloc[places], found.unit[by_row])
            value = value.copy()
            value.iloc[places] = read.to_numpy(dtype=object)
        unit = np.full(len(self.index), None, dtype=object)
        unit[found.places] = found.unit
        strays = self._rows_at(found.places[is_unit])
        self.units.add_strays(name, unit, strays, self.batch.row_number)
        params = np.full(len(self.index), None, dtype=object)
        params[found.places] = found.params
        text = self.fields.delivered(name)
        for said in sorted(set(rule)):
            severity = "notice" if said == "area.unit_by_row" else "warning"
            rows = self._rows_at(found.places[rule == said])
            self.findings.report(rows, said, name, text, severity=severity, params=params)
        return value

    def _rows_at(self, places: npt.NDArray[np.int64]) -> Mask:
        rows = self.findings.none()
        rows[places] = True
        return rows

    def _as_delivered(self, shapes: Drawn) -> pd.DataFrame:
        """Shapes that are not stored as they came."""
        is_there = np.array([wkb is not None for wkb in shapes.given], dtype=bool)
        places = np.flatnonzero((shapes.rule != "") & is_there)
        if len(places) == 0:
            return _no_shapes()
        return pd.DataFrame(
            {
                "row_number": self.batch.row_number[places],
                "rule": pd.Series(shapes.rule[places], dtype="str"),
                "reason": pd.Series(shapes.reason[places], dtype="str"),
                "area_before_m2": shapes.area_before[places],
                "area_after_m2": shapes.area_after[places],
                "geom": shapes.given[places],
            }
        )

    def _points(self) -> npt.NDArray[np.object_] | None:
        """Points from two delivered columns, in the county's CRS."""
        spec = self.contract.point
        if spec is None or "point:x" not in self.layer.match.positions:
            return None
        x = as_floats(parse_number(self.fields.delivered("point:x"))["value"])
        y = as_floats(parse_number(self.fields.delivered("point:y"))["value"])
        points = np.full(len(self.index), None, dtype=object)
        # 0, 0 is how a program writes that it does not know
        known = np.isfinite(x) & np.isfinite(y) & ~((x == 0) & (y == 0))
        if not known.any():
            return points
        # a point is only a hint: rows whose point cannot be used are kept without it
        points[known] = shapely.Point(np.inf, np.inf)
        delivered = shapely.points(np.column_stack([x[known], y[known]]))
        decision = self._place_of_points(shapely.bounds(delivered), spec.crs)
        if decision is not None:
            placed = decision.place(delivered)
            good = placed.rule == ""
            points[np.flatnonzero(known)[good]] = placed.shapes[good]
        return points

    def _place_of_points(self, bounds: npt.NDArray[np.float64], crs: str) -> Decision | None:
        """How the points of the layer are read, by the first of them; None where they cannot be."""
        if not self.layer.points:
            try:
                decision = decide_crs(
                    bounds,
                    None,
                    self.county,
                    file=self.layer.name,
                    layer=self.layer.name,
                    contract_crs=self.county.crs if crs == "county" else crs,
                )
            except CrsError:
                return None
            self.layer.points.append(decision)
            self.layer.notes += [(note.code, dict(note.params)) for note in decision.notes]
        return self.layer.points[0]


def _column(values: pd.Series | None, index: pd.Index) -> pd.Series:
    return nothing(index) if values is None else as_text(values)


def _outcome(good: Mask) -> npt.NDArray[np.object_]:
    """What is known of the outcome before the rows are compared with those held."""
    outcome = np.full(len(good), None, dtype=object)
    outcome[~good] = "quarantined"
    return outcome


def _only(frame: pd.DataFrame, good: Mask) -> pd.DataFrame:
    """The contents of good rows; the others are emptied."""
    return frame if good.all() else frame.where(pd.Series(good, frame.index), axis=0)


def _shape_params(shapes: Drawn) -> npt.NDArray[np.object_]:
    """Areas before and after a repair, and what made it necessary, as issue parameters."""
    params = np.full(len(shapes.rule), None, dtype=object)
    for place in np.flatnonzero(shapes.problem != ""):
        said: dict[str, object] = {
            "problem": shapes.problem[place],
            "area_before_m2": round(float(shapes.area_before[place]), 2),
            "area_after_m2": round(float(shapes.area_after[place]), 2),
        }
        if shapes.reason[place]:
            said["reason"] = shapes.reason[place]
        where = place_of(shapes.reason[place])
        if where is not None:
            said |= {"x": round(where[0], 2), "y": round(where[1], 2)}
        params[place] = json.dumps(said, ensure_ascii=False)
    return params


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
