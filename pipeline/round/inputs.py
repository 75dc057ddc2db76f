"""What a result follows from: all evidence of a data year as one canonical text, and back."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, text

from pipeline.database import read_sql
from pipeline.domain.rules.engine import STANDARD_COLUMNS, Standards
from pipeline.domain.rules.facts import (
    FIGURE_COLUMNS,
    RECOGNITION_COLUMNS,
    TALENT_COLUMNS,
    UNIT_COLUMNS,
    Evidence,
)
from pipeline.domain.rules.trace import FIGURE_RECORD_COLUMNS
from pipeline.settings import Settings
from pipeline.steps.form_units import read_rows
from pipeline.steps.grade_units import read_evidence, read_figure_records

_FORMAT: Final = 1
# Columns of each table; what is not a text is named with its kind below.
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "unit": (*UNIT_COLUMNS, "township_code"),
    "figure": FIGURE_COLUMNS,
    "figure_record": FIGURE_RECORD_COLUMNS,
    "recognition": RECOGNITION_COLUMNS,
    "talent": TALENT_COLUMNS,
    "said": ("unit_code", "official_score", "official_grade", "edition", "decided_grade"),
    "member": ("unit_code", "enterprise_code", "name", "township_code", "is_above", "has_own_land"),
    "link": ("enterprise_code", "parcel_code", "role", "allocated_m2"),
    "decision": ("enterprise_code", "decision_id", "value", "author", "reason", "entered_on"),
    "standard": STANDARD_COLUMNS,
}
_DECIMALS: Final = {
    ("unit", "eval_area_m2"),
    ("figure", "value"),
    ("said", "official_score"),
    ("link", "allocated_m2"),
    ("standard", "value"),
}
_DATES: Final = {
    ("recognition", "valid_from"),
    ("recognition", "valid_to"),
    ("talent", "selected_on"),
    ("decision", "entered_on"),
}
# Tables of units, and of enterprises.
OF_UNITS: Final = ("unit", "figure", "figure_record", "recognition", "talent", "said")
OF_ENTERPRISES: Final = ("member", "link", "decision")
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Inputs:
    """All that a result follows from, besides the rules; rows in the order of what they say.

    ``has_standards``: benchmarks and cuts are given, as when a part of a result is corrected; else they are
    computed from the units.
    """

    data_year: int
    as_of: dt.date
    threshold_mu: Decimal
    list_transition: bool
    county: str = ""
    has_standards: bool = False
    tables: Mapping[str, list[Row]] = field(default_factory=dict)

    def frame(self, name: str) -> pd.DataFrame:
        """One table as a frame of objects."""
        return _frame(self.tables.get(name, []), TABLES[name])

    @property
    def evidence(self) -> Evidence:
        """The part that rules look at."""
        return Evidence(
            self.data_year,
            self.as_of,
            self.frame("unit"),
            self.frame("figure"),
            self.frame("recognition"),
            self.frame("talent"),
        )

    @property
    def standards(self) -> Standards | None:
        """The standards that are given."""
        return Standards.of_table(self.frame("standard")) if self.has_standards else None

    def with_standards(self, standards: Iterable[Row]) -> Inputs:
        """The same, held against standards that stand already."""
        tables = {**self.tables, "standard": in_order(standards)}
        return replace(self, has_standards=True, tables=tables)


def _frame(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame in which every value stays the object that it is."""
    cells = np.empty((len(rows), len(columns)), dtype=object)
    for number, row in enumerate(rows):
        cells[number, :] = row
    return pd.DataFrame(cells, columns=list(columns), dtype=object)


def read_inputs(connection: Connection, settings: Settings, publication: Row) -> Inputs:
    """All evidence of the data year that is published.

    Shape:  a connection, the settings, and (run_id, as_of, data_year) of what is published in; inputs out.
    Units:  yuan, m2, kWh, tce, tonnes, persons, exact.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/round/*.sql, sql/steps/grade_units/evidence_*.sql.
    """
    _, as_of, year = publication
    asked = {"data_year": year, "years_back": settings.years_back}
    evidence = read_evidence(connection, year, as_of)
    units = evidence.units.merge(read_round(connection, "unit", asked), how="left", on="unit_code")
    units["township_code"] = units["township_code"].fillna("")
    frames = {
        "unit": units,
        "figure": evidence.figures,
        "recognition": evidence.recognitions,
        "talent": evidence.talents,
        "said": read_rows(connection, ("grade_units", "known_grade.sql"), {"data_year": year}),
        "member": read_round(connection, "member", asked),
        "link": read_round(connection, "link", asked),
        "decision": read_round(connection, "decision", asked),
    }
    if settings.rules is not None:
        frames["figure_record"] = read_figure_records(connection, year, settings.rules)
    tables = {
        name: in_order(frame[list(TABLES[name])].itertuples(index=False, name=None))
        for name, frame in frames.items()
    }
    return Inputs(
        year,
        as_of,
        settings.size_threshold_mu,
        settings.round.list_transition,
        settings.county.name,
        tables=tables,
    )


def read_round(connection: Connection, name: str, asked: Mapping[str, object]) -> pd.DataFrame:
    """The rows of a query of sql/round, as the database gives them.

    Shape:  name of the file and its parameters in; rows of objects out.
    Units:  as in the query.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/round.
    """
    query = text(read_sql("sql", "round", f"{name}.sql"))
    wanted = query._bindparams  # noqa: SLF001 - SQLAlchemy has no public list of them
    found = connection.execute(query, {key: asked[key] for key in wanted})
    return _frame([tuple(row) for row in found], list(found.keys()))


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows in the one order that they have whoever gives them.

    Shape:  rows in; the same rows out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    plain = [tuple(None if _is_missing(value) else value for value in row) for row in rows]
    return sorted(plain, key=lambda row: [_sortable(value) for value in row])


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value))


def _sortable(value: object) -> tuple[bool, str]:
    return value is not None, "" if value is None else str(_written(value))


def pack(inputs: Inputs) -> tuple[bytes, str]:
    """Inputs as they are kept, and the hash of what they say.

    Shape:  inputs in; packed bytes, and the hash of the text that they unpack to, out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/decisions/0020-a-round-is-frozen-with-its-evidence.md.
    """
    said = {
        "format": _FORMAT,
        "data_year": inputs.data_year,
        "as_of": inputs.as_of.isoformat(),
        "threshold_mu": format(inputs.threshold_mu, "f"),
        "list_transition": inputs.list_transition,
        "county": inputs.county,
        "has_standards": inputs.has_standards,
        "tables": {
            name: [[_written(value) for value in row] for row in inputs.tables.get(name, [])]
            for name in TABLES
        },
    }
    words = canonical(said).encode()
    return gzip.compress(words, compresslevel=6, mtime=0), hashlib.sha256(words).hexdigest()


def unpack(packed: bytes) -> tuple[Inputs, str]:
    """Inputs of what was kept, and the hash of what it says.

    Shape:  bytes of ``pack`` in; inputs and their hash out.
    Units:  as in ``Inputs``.
    CRS:    none (no geometry).
    Errors: ValueError, OSError, EOFError, KeyError where it is none of ours, or was changed.
    Source: docs/decisions/0020-a-round-is-frozen-with-its-evidence.md.
    """
    words = gzip.decompress(packed)
    said = json.loads(words)
    if said["format"] != _FORMAT:
        raise ValueError(f"inputs of format {said['format']}")
    tables = {
        name: [
            tuple(read(value) for read, value in zip(reads, row, strict=True))
            for row in said["tables"][name]
        ]
        for name, reads in _READERS.items()
    }
    inputs = Inputs(
        said["data_year"],
        dt.date.fromisoformat(said["as_of"]),
        Decimal(said["threshold_mu"]),
        said["list_transition"],
        said["county"],
        said["has_standards"],
        tables,
    )
    return inputs, hashlib.sha256(words).hexdigest()


def canonical(value: object) -> str:
    """JSON in the one form that the same value always has.

    Shape:  a value of JSON in; one line out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: TypeError on a value that JSON has not (a bug).
    Source: RFC 8785, as far as texts and whole numbers need it.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _written(value: object) -> object:
    """A value as JSON holds it; numbers with a point as texts."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    return value


def _reader(table: str, column: str) -> Callable[[Any], Any]:
    if (table, column) in _DECIMALS:
        return lambda value: None if value is None else Decimal(value)
    if (table, column) in _DATES:
        return lambda value: None if value is None else dt.date.fromisoformat(value)
    return lambda value: value


_READERS: Final = {
    name: [_reader(name, column) for column in columns] for name, columns in TABLES.items()
}
