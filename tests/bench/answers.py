"""Whether two answers to the same question are the same: from links to coverage.

An answer is a folder with ``links``, ``seats``, ``shares``, ``units``, ``coverage`` and ``parcels``
(their townships) as parquet. The truth
of the generated county has that form; ``publish`` writes diqi's own tables in it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import psycopg

# Shares are differences and sums of amounts rounded to 0.0001 m2.
SHARE_M2 = 0.01
# Areas of some thousand pieces, each rounded to 0.0001 m2 or not at all: 0.01 m2, and one part in
# 10^9, since a coordinate of 3,300,000 m is known to 5 10^-10 m as a double.
COVERAGE_M2 = 0.01
COVERAGE_RELATIVE = 1e-9
AREAS = ("base", "linked", "evaluated", "transition", "covered")

_QUERIES = {
    "links": """
        SELECT enterprise_code, parcel_code, role FROM derived.link WHERE status = 'accepted'
    """,
    "shares": """
        SELECT parcel_code, enterprise_code, method, allocated_m2
        FROM derived.allocation
        WHERE parcel_code IN (SELECT parcel_code FROM derived.allocation WHERE enterprise_code <> '')
    """,
    "coverage": "SELECT * FROM derived.township_coverage",
    "parcels": "SELECT parcel_code, township_code FROM derived.parcel_township",
    "seats": "SELECT enterprise_code, seat_state FROM derived.seat",
    "units": "SELECT unit_code, kind, eval_state, eval_area_m2 AS area_m2 FROM derived.unit",
}


def publish(dsn: str, folder: Path) -> Path:
    """Write what diqi has published as an answer.

    Shape:  a connection string and a folder in, the folder out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: psycopg.Error.
    Source: docs/reference/layers.md.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(dsn) as connection:
        for name, query in _QUERIES.items():
            cursor = connection.execute(query)
            columns = [column.name for column in cursor.description or ()]
            table = pd.DataFrame(cursor.fetchall(), columns=columns)
            numbers = [column for column in columns if column.endswith("_m2")]
            table[numbers] = table[numbers].astype(float)
            wanted = [c for c in columns if not c.startswith("count_")]
            table[wanted].to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def differences(found: Path, expected: Path) -> list[str]:
    """Say in words where an answer differs from the expected one.

    Shape:  two folders in; one sentence per kind of difference out, none where they agree.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: OSError where a table is missing.
    Source: docs/how-it-decides.md.
    """
    said: list[str] = []
    said += _compare_keys(found, expected, "links", ["enterprise_code", "parcel_code", "role"])
    said += _compare_keys(found, expected, "parcels", ["parcel_code", "township_code"])
    said += _compare_keys(found, expected, "seats", ["enterprise_code", "seat_state"])
    said += _compare_keys(found, expected, "units", ["unit_code", "kind", "eval_state"])
    said += _compare_numbers(found, expected, "units", ["unit_code"], ["area_m2"], SHARE_M2, 0.0)
    key = ["parcel_code", "enterprise_code"]
    said += _compare_keys(found, expected, "shares", key)
    said += _compare_numbers(found, expected, "shares", key, ["allocated_m2"], SHARE_M2, 0.0)
    names = [f"{name}_area_m2" for name in AREAS]
    said += _compare_keys(found, expected, "coverage", ["area_code"])
    said += _compare_numbers(
        found, expected, "coverage", ["area_code"], names, COVERAGE_M2, COVERAGE_RELATIVE
    )
    return said


def _read(folder: Path, name: str) -> pd.DataFrame:
    """One table of an answer; of the truth's links only those that the rules decide."""
    table = pd.read_parquet(folder / f"{name}.parquet")
    return table[table["is_decidable"]] if "is_decidable" in table else table


def _compare_keys(found: Path, expected: Path, name: str, columns: list[str]) -> list[str]:
    """Rows that only one of two answers has."""
    one, other = (
        list(_read(folder, name)[columns].itertuples(index=False, name=None))
        for folder in (found, expected)
    )
    more, less = sorted(set(one) - set(other)), sorted(set(other) - set(one))
    if not more and not less and len(one) == len(other):
        return []
    example = f", e.g. {(more or less)[0]}" if more or less else ""
    return [
        (
            f"{name}: {len(one)} rows instead of {len(other)}, {len(more)} of them wrong, "
            f"{len(less)} missing{example}"
        )
    ]


def _compare_numbers(
    found: Path,
    expected: Path,
    name: str,
    key: list[str],
    columns: list[str],
    absolute: float,
    relative: float,
) -> list[str]:
    """Numbers of common rows that differ by more than the tolerance."""
    one, other = _read(found, name), _read(expected, name)
    both = other[[*key, *columns]].merge(one[[*key, *columns]], on=key, suffixes=("", "_found"))
    said = []
    for column in columns:
        value = both[column].astype(float)
        off = (both[f"{column}_found"].astype(float) - value).abs().fillna(float("inf"))
        wrong = ~(off <= absolute + relative * value.abs())  # a missing number, too
        if wrong.any():
            worst = off.where(wrong, -1.0).idxmax()
            keys = tuple(both.loc[worst, key])
            said.append(f"{name}.{column}: {wrong.sum()} differ, most {off[worst]:.4f} at {keys}")
    return said
