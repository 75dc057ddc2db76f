"""Batches in PostgreSQL's binary form say what the same texts would."""

from __future__ import annotations

import random
from decimal import Decimal

import pandas as pd
import psycopg
import pytest
from psycopg import sql

from pipeline.copying import copy_binary

RANDOM = random.Random(5)


def numbers(count: int) -> list[str]:
    """Decimals of all lengths, in the one form that cleaning gives."""
    made = []
    for _ in range(count):
        whole = str(RANDOM.randrange(10 ** RANDOM.randrange(1, 24)))
        part = str(RANDOM.randrange(10 ** RANDOM.randrange(1, 14))).rstrip("0")
        text = whole + ("." + part if part else "")
        made.append(("-" if RANDOM.random() < 0.3 and text.strip("0.") else "") + text)
    return made


CASES = {
    "numeric": ["0", "1", "-1", "0.5", "-0.0001", "10000", "9999.9999", "100000000", "0.00000001"],
    "integer": ["0", "-5", "2147483647", "-2147483648", "1949"],
    "date": ["2000-01-01", "1949-10-01", "2026-06-30", "1899-12-31", "9998-12-31"],
    "jsonb": ['{"a": "引号\\"与换行\\n"}', "{}", '{"名": "值"}'],
    "text": ["甲", "", " a\tb\n", "\\N"],
}


@pytest.mark.parametrize("kind", list(CASES))
def test_values_arrive_as_they_were_written(database, kind):
    texts = [*CASES[kind], *(numbers(2000) if kind == "numeric" else [])]
    given: list[str | None] = [text for text in texts for text in (text, None)]
    with database.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        driver.execute(f"CREATE TEMP TABLE t (place integer, v {kind})")
        frame = pd.DataFrame({"place": range(len(given)), "v": pd.Series(given, dtype="str")})
        copy_binary(driver, sql.Identifier("t"), frame, {"v": kind})
        got = driver.execute("SELECT v::text FROM t ORDER BY place").fetchall()
        wanted = driver.execute(
            f"SELECT v::{kind}::text FROM unnest(%s::text[]) WITH ORDINALITY AS u (v, n) ORDER BY n",
            [given],
        ).fetchall()
        assert got == wanted
        if kind == "numeric":
            assert [None if v is None else Decimal(v) for (v,) in got] == [
                None if v is None else Decimal(v) for v in given
            ]


def test_nothing_but_nulls_and_nothing_at_all(database):
    with database.connect() as connection:
        driver = connection.connection.driver_connection
        driver.execute("CREATE TEMP TABLE t (a numeric, b date, c bytea, d boolean)")
        types = {"a": "numeric", "b": "date"}
        empty = pd.DataFrame({"a": pd.Series([None] * 2, dtype="str")})
        empty["b"], empty["c"], empty["d"] = empty["a"], pd.Series([None, b"x"], dtype=object), True
        copy_binary(driver, sql.Identifier("t"), empty, types)
        copy_binary(driver, sql.Identifier("t"), empty[:0], types)
        assert driver.execute("SELECT * FROM t").fetchall() == [
            (None, None, None, True),
            (None, None, b"x", True),
        ]


def test_what_is_no_decimal_is_a_bug_and_not_a_number(database):
    with database.connect() as connection:
        driver = connection.connection.driver_connection
        driver.execute("CREATE TEMP TABLE t (v numeric)")
        with pytest.raises(ValueError, match="decimal"):
            copy_binary(driver, sql.Identifier("t"), pd.DataFrame({"v": ["1e5"]}), {"v": "numeric"})
