"""Who may do what: the group roles, on a database that a login without superuser rights made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from conftest import Township
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pipeline.demo.township import official_code


@pytest.fixture
def as_role(make_township: Callable[..., Township]) -> Iterator[Callable[[str], Connection]]:
    township = make_township()
    opened: list[Connection] = []

    def become(role: str) -> Connection:
        connection = township.engine.connect()
        connection.execute(text(f"SET ROLE {role}"))
        opened.append(connection)
        return connection

    yield become
    for connection in opened:
        connection.invalidate()
        connection.close()


def refused(connection: Connection, query: str) -> bool:
    with pytest.raises(DBAPIError) as caught:
        connection.execute(text(query))
    connection.rollback()
    return "permission denied" in str(caught.value) or "append-only" in str(caught.value)


def test_the_owner_is_no_superuser(as_role: Callable[[str], Connection]) -> None:
    connection = as_role("diqi_owner")
    rows = connection.execute(
        text(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'diqi%' AND (rolsuper OR rolcreaterole)"
        )
    )
    assert rows.all() == []


def test_viewer_reads_layers_and_nothing_else(as_role: Callable[[str], Connection]) -> None:
    viewer = as_role("diqi_viewer")
    assert viewer.execute(text("SELECT count(*) FROM layers.parcel")).scalar_one() > 0
    assert viewer.execute(text("SELECT count(*) FROM public.layer_styles")).scalar_one() == 10
    viewer.commit()
    viewer.execute(text("SET ROLE diqi_viewer"))
    for table in ("core.enterprise", "raw.enterprise", "derived.link", "ops.run", "core.decision"):
        assert refused(viewer, f"SELECT * FROM {table}")
        viewer.execute(text("SET ROLE diqi_viewer"))
    assert refused(viewer, "UPDATE layers.parcel SET area_m2 = 0")


def test_reviewer_decides_and_cannot_take_back(as_role: Callable[[str], Connection]) -> None:
    reviewer = as_role("diqi_reviewer")
    reviewer.execute(
        text(
            "INSERT INTO core.decision (kind, enterprise_code, reason, author) "
            f"VALUES ('off_site', '{official_code('E01')}', 'moved', 'clerk')"
        )
    )
    reviewer.commit()
    reviewer.execute(text("SET ROLE diqi_reviewer"))
    assert refused(reviewer, "DELETE FROM core.decision")
    reviewer.execute(text("SET ROLE diqi_reviewer"))
    assert refused(reviewer, "UPDATE layers.review_queue SET question = ''")
    owner = as_role("diqi_owner")
    assert refused(owner, "UPDATE core.decision SET reason = 'other'")


def test_reviewer_acts_in_a_round_and_issues_nothing(as_role: Callable[[str], Connection]) -> None:
    reviewer = as_role("diqi_reviewer")
    author, entered = reviewer.execute(
        text(
            "INSERT INTO core.round_act (year, kind, enterprise_code, reason, author, as_of, entered_at) "
            f"VALUES (2025, 'confirm', '{official_code('E01')}', 'by telephone', ' ', '2026-03-01', '2001-01-01') "
            "RETURNING author, entered_at"
        )
    ).one()
    assert author.strip()
    assert entered.year > 2001
    reviewer.execute(
        text(
            "INSERT INTO core.evaluation_decision (year, enterprise_code, kind, value, reason, author) "
            f"VALUES (2025, '{official_code('E01')}', 'grade', 'B', 'meeting', 'clerk')"
        )
    )
    reviewer.commit()
    for query in (
        "DELETE FROM core.round_act",
        "UPDATE core.evaluation_decision SET value = 'A'",
        "INSERT INTO core.issued_standard VALUES (2025, 1, 'cut', 'x', 'A', '', 1, 1)",
        "DELETE FROM core.evaluation",
    ):
        reviewer.execute(text("SET ROLE diqi_reviewer"))
        assert refused(reviewer, query), query
    reviewer.execute(text("SET ROLE diqi_reviewer"))
    assert reviewer.execute(text("SELECT count(*) FROM core.issued_unit")).scalar_one() == 0
    owner = as_role("diqi_owner")
    assert refused(owner, "UPDATE core.round_act SET reason = 'other'")
