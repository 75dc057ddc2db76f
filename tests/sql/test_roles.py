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
