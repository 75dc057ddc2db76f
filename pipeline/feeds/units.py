"""In what the figures of a layer are measured: said by cells, headings or contract, or shown by shapes.

The unit of an area column is decided once for a layer, by the first batch that has figures and shapes
to compare; later batches are held against it, so that neither the size nor the number of batches
changes what a row becomes. A column that mixes units is refused when all of the layer has been seen.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.quantities import parse_quantity
from pipeline.domain.text import as_floats, fold, map_unique
from pipeline.domain.units import UNIT_TITLES, unit_names
from pipeline.errors import SourceError
from pipeline.feeds.area_check import AreaChecker, look_of
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.cells import delivered
from pipeline.feeds.contracts import Column, Contract, County
from pipeline.feeds.findings import Mask
from pipeline.feeds.geometry import Drawn

_Objects = npt.NDArray[np.object_]

# Two rows in another unit are a habit, one is a slip.
_HABIT: Final = 2
_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Figures:
    """A column of figures as it was read, before anything was converted.

    ``value``: decimal texts; ``problem`` as ``parse_number`` tells it; ``unit``: the code of the unit
    of each row; ``said``: rows that name their unit themselves, in the cell or in a column of units;
    ``stray``: those whose cell names another unit than their column's; ``given``: what the column of
    units holds; ``unknown``: rows where this is no unit.
    """

    value: pd.Series
    problem: pd.Series
    unit: _Objects
    said: Mask
    stray: Mask
    given: pd.Series | None
    unknown: Mask


@dataclass
class _Seen:
    """What is known of one column of a layer."""

    unit: str | None = None
    is_decided: bool = False
    filled: int = 0
    strays: Counter[str] = field(default_factory=Counter)
    examples: list[int] = field(default_factory=list)


class LayerUnits:
    """The units of one layer, batch after batch.

    Whoever reads the layer shows it each batch once (``see``), whole and in order, before any part of
    it is cleaned, and calls ``finish`` after the last.
    """

    def __init__(
        self,
        layer: OpenLayer,
        contract: Contract,
        county: County,
        *,
        file: str | None = None,
        source_crs: str | None = None,
    ) -> None:
        self._layer = layer
        self._contract = contract
        self._file = file or layer.name
        self._columns = dict(_columns_with_unit(contract))
        self._seen = {name: _Seen() for name in self._columns}
        self.areas = AreaChecker(county, contract.areas, source_crs)

    def stated(self, name: str) -> str | None:
        """The unit that the heading of a column, or the line of units below it, names.

        Shape:  a column in; a code of a unit or None out.
        Units:  codes of units.
        CRS:    none.
        Errors: none.
        Source: docs/sources.md, 7 (units in brackets, line of units).
        """
        match = self._layer.match
        found = (match.units.get(place) for place in match.positions.get(name, ()))
        return next((unit for unit in found if unit), None)

    def usual(self, name: str, column: Column) -> str:
        """The unit of figures that do not name theirs: of the heading, as drawn, of the contract.

        Shape:  a column with a unit in; a code of a unit out.
        Units:  codes of units.
        CRS:    none.
        Errors: none.
        Source: docs/sources.md, 6 (a unit is declared or detected).
        """
        assert column.unit is not None  # noqa: S101 - see above
        seen = self._seen.get(name)
        return self.stated(name) or (seen.unit if seen else None) or column.unit

    def read(self, name: str, column: Column, batch: RawBatch, text: pd.Series) -> Figures:
        """Read figures and the unit of each: its cell's, else its row's, else the usual one.

        A unit in the heading is believed before a column of units, which software fills by itself.

        Shape:  a column with a unit, its batch and the delivered text in; as many rows out.
        Units:  as delivered.
        CRS:    none (no geometry).
        Errors: none.
        Source: docs/sources.md, 6 and 7.
        """
        usual = self.usual(name, column)
        found = parse_quantity(text, unit_names(usual))
        unit = np.full(len(text), usual, dtype=object)
        said, unknown = np.zeros(len(text), dtype=bool), np.zeros(len(text), dtype=bool)
        given: pd.Series | None = None
        if column.unit_column is not None:
            given = fold(delivered(batch, self._layer.match, column.unit_column))
            given = given.where(found["value"].notna())
            code = map_unique(given, column.unit_codes.get)
            unknown = (given.notna() & code.isna()).to_numpy(dtype=bool)
            if self.stated(name) is None:
                said = code.notna().to_numpy(dtype=bool)
                unit[said] = code[said].to_numpy(dtype=object)
        in_cell = found["unit"].notna().to_numpy(dtype=bool)
        stray = np.zeros(len(text), dtype=bool)
        if in_cell.any():
            cell = found["unit"].to_numpy(dtype=object)
            stray = in_cell & (cell != unit)
            unit[in_cell] = cell[in_cell]
            unknown, said = unknown & ~in_cell, said | in_cell
        return Figures(found["value"], found["problem"], unit, said, stray, given, unknown)

    def see(self, batch: RawBatch) -> None:
        """Look at a whole batch: count its figures, and decide units that are still open.

        Shape:  the next batch of the layer in; nothing out.
        Units:  as delivered.
        CRS:    the county's.
        Errors: SourceError (units.contradicted) where most figures cannot be in the unit that the
                file, or the contract, names.
        Source: docs/sources.md, 6 (unit detection: figure over drawn area).
        """
        for name, column in self._columns.items():
            places = self._layer.match.positions.get(name, ())
            counts = (int(batch.columns[place].count()) for place in places)
            self._seen[name].filled += max(counts, default=0)
            if column.drawn and batch.drawn is not None and not self._seen[name].is_decided:
                self._decide(name, column, batch, batch.drawn)

    def _decide(self, name: str, column: Column, batch: RawBatch, shapes: Drawn) -> None:
        figures = self.read(name, column, batch, delivered(batch, self._layer.match, name))
        drawn = self.areas.drawn(shapes.middle, shapes.area_after, column)
        looks = look_of(as_floats(figures.value), drawn)
        known = looks != ""
        if not known.any():
            return
        seen = self._seen[name]
        seen.is_decided = True
        bound = known
        if column.unit_is == "assumed" and self.stated(name) is None:
            bound = known & figures.said
            votes = Counter(looks[known & ~figures.said].tolist())
            # of equals the assumed one, else the first by name: never by the order of rows
            ranked = sorted(votes, key=lambda unit: (-votes[unit], unit != column.unit, unit))
            seen.unit = ranked[0] if ranked else None
        wrong = bound & (looks != figures.unit)
        count = int(wrong.sum())
        if count >= _HABIT and 2 * count > bound.sum() and column.mixed_units == "refuse":
            raise SourceError(
                "units.contradicted",
                file=self._file,
                layer=self._layer.name,
                field=self._heading(name),
                said=UNIT_TITLES[_most(figures.unit[wrong])],
                looks_like=UNIT_TITLES[_most(looks[wrong])],
                count=count,
                compared=int(bound.sum()),
                rows=_listed(batch.row_number[wrong].tolist()),
            )

    def add_strays(
        self, name: str, unit: _Objects, rows: Mask, row_number: npt.NDArray[np.int64]
    ) -> None:
        """Count figures that are in another unit than their column's.

        Shape:  a column, the units and numbers of its rows and which of them are meant in; nothing out.
        Units:  codes of units.
        CRS:    none.
        Errors: none.
        Source: docs/sources.md, 6.
        """
        if rows.any():
            seen = self._seen[name]
            seen.strays.update(unit[rows].tolist())
            seen.examples += row_number[rows].tolist()[: _EXAMPLES - len(seen.examples)]

    def finish(self) -> None:
        """Refuse a layer of which a column mixes units and may not.

        A stray figure is an issue of its row; more than ``areas.stray_share`` of them, and at least
        two, are a mixture.

        Shape:  nothing in; nothing out.
        Units:  as delivered.
        CRS:    none.
        Errors: SourceError (units.mixed).
        Source: docs/sources.md, 6 (a column that mixes units stops the load unless allowed).
        """
        for name, column in self._columns.items():
            seen = self._seen[name]
            if column.mixed_units == "by_row" or not seen.strays:
                continue
            usual = self.usual(name, column)
            counts = Counter(seen.strays)
            counts[usual] += max(seen.filled - sum(seen.strays.values()), 0)
            limit = max(_HABIT, float(self._contract.areas.stray_share) * seen.filled)
            if sum(count >= limit for count in counts.values()) > 1:
                raise SourceError(
                    "units.mixed",
                    file=self._file,
                    layer=self._layer.name,
                    field=self._heading(name),
                    units=", ".join(
                        f"{UNIT_TITLES[unit]}: {count}" for unit, count in sorted(counts.items())
                    ),
                    rows=_listed(seen.examples),
                )

    @property
    def detected(self) -> dict[str, str]:
        """Columns whose unit the drawn areas decided, with it.

        Shape:  nothing in; column to code of a unit out.
        Units:  codes of units.
        CRS:    none.
        Errors: none.
        Source: docs/sources.md, 6.
        """
        return {name: seen.unit for name, seen in self._seen.items() if seen.unit is not None}

    @property
    def seal(self) -> bytes:
        """What was decided, for the seals by which rows are known again; empty where nothing was."""
        unusual = sorted(
            (name, unit) for name, unit in self.detected.items() if unit != self._columns[name].unit
        )
        return hashlib.blake2b(repr(unusual).encode(), digest_size=16).digest() if unusual else b""

    def _heading(self, name: str) -> str:
        """A column as its file calls it."""
        places = self._layer.match.positions.get(name, ())
        return self._layer.headings[places[0]] if places else name


def _columns_with_unit(contract: Contract) -> list[tuple[str, Column]]:
    """Columns and indicators whose figures have a unit."""
    columns = [*contract.columns.items(), *contract.parts.items()]
    for melted in contract.melt:
        column = Column(type="number", unit=melted.unit, mixed_units=melted.mixed_units)
        columns.append((f"melt:{melted.indicator}", column))
    return [(name, column) for name, column in columns if column.unit is not None]


def _most(codes: _Objects) -> str:
    """The most frequent code; of equals the first by name."""
    counts = Counter(codes.tolist())
    return str(min(counts, key=lambda code: (-counts[code], code)))


def _listed(rows: list[int]) -> str:
    more = " …" if len(rows) > _EXAMPLES else ""
    return ", ".join(str(row) for row in rows[:_EXAMPLES]) + more
