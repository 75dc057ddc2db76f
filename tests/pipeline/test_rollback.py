"""Going back to an earlier run: its deliveries count, later ones wait, nothing that people did is lost."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import text
from test_steps import differences, rebuild, state
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import UsageError
from pipeline.publication import change_delivery
from pipeline.run import rollback

Make = Callable[..., Township]


def states(township: Township) -> dict[str, int]:
    with township.engine.connect() as connection:
        rows = connection.execute(text("SELECT state, count(*) AS n FROM ops.delivery GROUP BY 1"))
        return {row.state: row.n for row in rows}


def layer_rows(township: Township) -> dict[str, list[str]]:
    """Rows of the layers with their fid, styles and grants."""
    found: dict[str, list[str]] = {}
    with township.engine.connect() as connection:
        for table in ("layers.parcel", "layers.enterprise", "layers.industrial_patch"):
            found[table] = list(
                connection.execute(
                    text(f"SELECT CAST(t AS text) FROM {table} AS t ORDER BY 1")
                ).scalars()
            )
        found["styles"] = list(
            connection.execute(
                text("SELECT CAST(s AS text) FROM public.layer_styles AS s ORDER BY 1")
            ).scalars()
        )
        found["grants"] = list(
            connection.execute(
                text(
                    "SELECT relname || CAST(relacl AS text) FROM pg_class WHERE relacl IS NOT NULL ORDER BY 1"
                )
            ).scalars()
        )
    return found


def two_nights(make_township: Make, second: dt.date = SECOND_NIGHT) -> Township:
    township = make_township()
    township.second_night()
    township.run(second)
    return township


def test_a_rollback_publishes_what_the_run_had(make_township: Make) -> None:
    township = make_township()
    # at one date, so that nothing begins or ends in between
    township.run(SECOND_NIGHT)
    first = state(township.engine, with_history=False)
    shown = layer_rows(township)
    township.second_night()
    township.run(SECOND_NIGHT)
    second = state(township.engine, with_history=False)
    assert differences(first, second) != {}

    result = rollback(township.engine, township.settings, 2)

    back = result.rollback
    assert back is not None
    # its rows are those of the run that changed land last, which is the rollback
    assert back.unlike == ["land_change"]
    assert [code for code, _ in back.reasons] == ["rollback.land_change"]
    assert len(back.held) > 0
    assert states(township)["held"] == len(back.held)
    after = state(township.engine, with_history=False)
    assert differences(first, after) == {}
    again = layer_rows(township)
    assert again["styles"] == shown["styles"]
    assert again["grants"] == shown["grants"]
    rebuild(township, SECOND_NIGHT)
    assert differences(after, state(township.engine, with_history=False)) == {}

    # the held files still lie in the inbox and stay out
    assert township.run(SECOND_NIGHT).written == 0
    # freed one by one, they lead to where it was
    for number, _ in back.held:
        change_delivery(township.engine, number, "release")
        township.run(SECOND_NIGHT)
    assert differences(second, state(township.engine, with_history=False)) == {}
    assert "held" not in states(township)


def test_a_rollback_says_why_layers_differ(make_township: Make) -> None:
    township = two_nights(make_township)
    with township.engine.begin() as connection:
        enterprise, parcel = connection.execute(
            text(
                "SELECT enterprise_code, parcel_code FROM derived.link WHERE status = 'accepted' "
                "ORDER BY 1, 2 LIMIT 1"
            )
        ).one()
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, reason, author) "
                "VALUES ('reject_link', :e, :p, 'seen', 'Wang')"
            ),
            {"e": enterprise, "p": parcel},
        )
    township.run(SECOND_NIGHT)
    result = rollback(township.engine, township.settings, 1)
    assert result.as_of == SECOND_NIGHT
    assert result.rollback is not None
    assert "enterprise" in result.rollback.unlike
    reasons = dict(result.rollback.reasons)
    assert reasons["rollback.acts"] == {"decisions": 1, "corrections": 0}
    assert reasons["rollback.date"]["then"] == FIRST_NIGHT.isoformat()
    with township.engine.connect() as connection:
        kept = connection.execute(text("SELECT count(*) FROM core.decision")).scalar_one()
        accepted = connection.execute(
            text("SELECT accepted FROM ops.run_commit ORDER BY run_id DESC LIMIT 1")
        ).scalar_one()
    assert kept == 1
    assert accepted["reason"] == "rollback 1"
    assert accepted["by"]


def test_a_dry_rollback_changes_nothing(make_township: Make) -> None:
    township = two_nights(make_township)
    before, deliveries = state(township.engine), states(township)
    result = rollback(township.engine, township.settings, 1, is_dry=True)
    assert result.written > 0
    assert result.rollback is not None
    assert len(result.rollback.held) > 0
    assert differences(before, state(township.engine)) == {}
    assert states(township) == deliveries
    assert township.run(SECOND_NIGHT).written == 0


def test_the_command_says_what_is_held(
    make_township: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    township = two_nights(make_township)
    monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)
    folder = str(township.settings.workspace)
    done = CliRunner().invoke(app, ["rollback", "1", "-w", folder])
    assert done.exit_code == 0, done.output
    assert "diqi load --release" in done.output
    assert "not as in run 1" in done.output
    assert (township.settings.workspace / "out" / "diqi.gpkg").is_file()
    wrong = CliRunner().invoke(app, ["rollback", "99", "-w", folder])
    assert wrong.exit_code == 2
    assert "diqi history" in wrong.output
    again = CliRunner().invoke(app, ["rollback", "1", "-w", folder, "--json"])
    summary = json.loads(again.stdout)
    assert summary["written"] == 0
    assert summary["rollback"]["held"] == []
    assert summary["rollback"]["to_run"] == 1


@pytest.mark.parametrize("run_id", [0, 3, 99])
def test_only_a_published_run_can_be_gone_back_to(make_township: Make, run_id: int) -> None:
    township = two_nights(make_township)
    before = states(township)
    with pytest.raises(UsageError) as caught:
        rollback(township.engine, township.settings, run_id)
    assert caught.value.code == "usage.rollback"
    assert states(township) == before


def test_a_file_that_waits_is_held_too(make_township: Make) -> None:
    """What the gate stopped must not come in with the rollback."""
    township = make_township()
    township.second_night()
    with township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ops.delivery (feed, data_date, content_hash, contract_hash, file, layer) "
                "VALUES ('lease', '2026-07-01', 'half', 'x', 'half.xlsx', '')"
            )
        )
    result = rollback(township.engine, township.settings, 1)
    assert result.written == 0
    assert [file for _, file in result.rollback.held] == ["half.xlsx"]
    assert result.rollback.unlike == []
