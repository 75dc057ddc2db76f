"""The writers through which every table goes."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError


@pytest.fixture
def connection(database: Engine):
    """An open transaction with a layer to write, rolled back afterwards."""
    with database.connect() as connection:
        connection.execute(
            text(
                "CREATE TABLE layers.thing (fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                "code text NOT NULL UNIQUE, place text, area numeric, geom geometry(Point, 4549))"
            )
        )
        yield connection
        connection.rollback()


def put(
    connection: Connection,
    rows: list[tuple[str, str, float | None]],
    scope: list[str] | None = None,
):
    """Make layers.thing equal to rows within the scope of places."""
    connection.execute(
        text(
            "CREATE TEMP TABLE next_thing (code text, place text, area numeric, geom geometry(Point, 4549)) ON COMMIT DROP"
        )
    )
    for code, place, area in rows:
        connection.execute(
            text(
                "INSERT INTO next_thing VALUES (:c, :p, CAST(:a AS numeric), ST_SetSRID(ST_MakePoint(CAST(:a AS float), 0), 4549))"
            ),
            {"c": code, "p": place, "a": area},
        )
    connection.execute(text("DELETE FROM ops.scope"))
    for key in scope or []:
        connection.execute(text("INSERT INTO ops.scope VALUES ('s', 'place', :k)"), {"k": key})
    found = connection.execute(
        text(
            "SELECT * FROM ops.replace_rows('layers.thing', 'pg_temp.next_thing', '{code}', :scope, 'place', 's', NULL, CAST(:m AS jsonb))"
        ),
        {"scope": None if scope is None else "place", "m": json.dumps({"thing": ["code"]})},
    ).one()
    connection.execute(text("DROP TABLE next_thing"))
    return tuple(found)


def things(connection: Connection) -> dict[str, int]:
    return {
        row.code: row.fid for row in connection.execute(text("SELECT code, fid FROM layers.thing"))
    }


def dirty(connection: Connection) -> set[str]:
    return set(connection.execute(text("SELECT key FROM ops.dirty WHERE kind = 'thing'")).scalars())


def test_only_what_differs_is_written(connection: Connection) -> None:
    assert put(connection, [("a", "x", 1), ("b", "x", 2), ("c", "y", 3)]) == (3, 0, 0, 0)
    before = things(connection)
    connection.execute(text("DELETE FROM ops.dirty"))
    assert put(connection, [("a", "x", 1), ("b", "x", 9), ("d", "y", 4)]) == (1, 1, 1, 1)
    after = things(connection)
    assert after["a"] == before["a"]
    assert after["b"] == before["b"]
    assert dirty(connection) == {"b", "c", "d"}


def test_rows_outside_the_scope_stay(connection: Connection) -> None:
    put(connection, [("a", "x", 1), ("c", "y", 3)])
    assert put(connection, [("b", "x", 2)], scope=["x"]) == (1, 0, 1, 0)
    assert things(connection).keys() == {"b", "c"}


def test_a_row_that_moves_into_the_scope_is_updated(connection: Connection) -> None:
    put(connection, [("a", "x", 1)])
    before = things(connection)
    assert put(connection, [("a", "y", 1)], scope=["x", "y"]) == (0, 1, 0, 0)
    assert things(connection) == before


def test_a_row_for_another_scope_is_a_bug(connection: Connection) -> None:
    with pytest.raises(DBAPIError, match="outside the scope"):
        put(connection, [("a", "x", 1)], scope=["y"])


def test_null_equals_null(connection: Connection) -> None:
    put(connection, [("a", "x", None)])
    assert put(connection, [("a", "x", None)]) == (0, 0, 0, 1)


def test_a_corner_moved_a_little_is_an_update(connection: Connection) -> None:
    put(connection, [("a", "x", 1.0)])
    assert put(connection, [("a", "x", 1.0000001)]) == (0, 1, 0, 0)
