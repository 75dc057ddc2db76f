"""How things stood: a night or a day shown again, and nothing has happened afterwards."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable

import pytest
from conftest import FIRST_NIGHT, SECOND_NIGHT, Township
from sqlalchemy import Engine, text
from test_steps import computed, differences, shown, state
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.demo.township import official_code
from pipeline.errors import RunLocked, UsageError
from pipeline.history import as_it_was, unlike_then

Make = Callable[..., Township]
THIRD_NIGHT = SECOND_NIGHT + dt.timedelta(days=40)


@pytest.fixture
def lived(make_township: Make) -> tuple[Township, dict[str, list[str]]]:
    """A township after three runs, and what its first run had published."""
    township = make_township()
    first = _published(township.engine)
    township.second_night()
    township.run(SECOND_NIGHT)
    with township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)"
                " VALUES ('accept_link', :e, :p, 'tenant', 'seen', 'Li')"
            ),
            {"e": official_code("E44"), "p": official_code("P01")},
        )
    township.run(THIRD_NIGHT)
    return township, first


def _published(engine: Engine) -> dict[str, list[str]]:
    with engine.connect() as connection:
        return computed(shown(connection))


def _then(township: Township, when: str) -> dict[str, list[str]]:
    """The same of a moment."""
    with as_it_was(township.engine, township.settings, when) as (connection, _):
        return computed(shown(connection))


@pytest.mark.parametrize("when", ["1", FIRST_NIGHT.isoformat()])
def test_a_night_is_shown_as_it_was_published(
    lived: tuple[Township, dict[str, list[str]]], when: str
) -> None:
    township, first = lived
    before = state(township.engine)
    assert differences(first, _published(township.engine)) != {}
    assert differences(first, _then(township, when)) == {}
    with as_it_was(township.engine, township.settings, when) as (connection, moment):
        assert unlike_then(connection, moment) == []
    # looking back leaves no trace
    assert differences(before, state(township.engine)) == {}
    assert township.run(THIRD_NIGHT).written == 0


def test_a_day_between_two_nights_takes_the_records_of_the_earlier(
    lived: tuple[Township, dict[str, list[str]]],
) -> None:
    """The records of run 2, the leases by the day: one that begins in between is in force."""
    township, _ = lived
    day = SECOND_NIGHT + dt.timedelta(days=3)
    with as_it_was(township.engine, township.settings, day.isoformat()) as (connection, moment):
        assert (moment.run_id, moment.as_of) == (2, day)
        found = connection.execute(
            text(
                "SELECT count(*) FROM derived.link AS l JOIN core.lease AS s ON s.lease_no = ANY (l.evidence_keys)"
                " WHERE s.to_run IS NULL AND (s.valid_from > :day OR s.valid_to <= :day)"
            ),
            {"day": day},
        ).scalar_one()
        assert found == 0
        decided = connection.execute(
            text("SELECT count(*) FROM derived.link WHERE stage = 'decision'")
        ).scalar_one()
        assert decided == 0


def test_a_day_before_the_first_run_says_so(lived: tuple[Township, dict[str, list[str]]]) -> None:
    township, _ = lived
    with as_it_was(township.engine, township.settings, "2025-12-31", 2025) as (connection, moment):
        assert moment.is_earlier
        assert (moment.run_id, moment.data_year) == (1, 2025)
        years = connection.execute(text("SELECT DISTINCT year FROM derived.unit")).scalars()
        assert list(years) == [2025]


def test_later_corrections_are_not_heard_of(make_township: Make) -> None:
    township = make_township()
    with township.engine.connect() as connection:
        first = shown(connection)["layers.data_issue"]
    with township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, expected_value, new_value, reason, author)"
                " VALUES ('parcel', :c, 'location', 'x', 'y', 'seen', 'Li')"
            ),
            {"c": official_code("P01")},
        )
    township.run(SECOND_NIGHT)
    with as_it_was(township.engine, township.settings, "1") as (connection, moment):
        assert shown(connection)["layers.data_issue"] == first
        assert unlike_then(connection, moment) == []


@pytest.mark.parametrize(("when", "code"), [("99", "usage.as_of_run"), ("gestern", "usage.as_of")])
def test_what_is_no_moment(make_township: Make, when: str, code: str) -> None:
    township = make_township()
    with (
        pytest.raises(UsageError) as caught,
        as_it_was(township.engine, township.settings, when),
    ):
        pass
    assert caught.value.code == code


def test_there_is_no_history_before_the_first_run(make_township: Make) -> None:
    township = make_township(has_run=False)
    with (
        pytest.raises(UsageError) as caught,
        as_it_was(township.engine, township.settings, "2026-06-30"),
    ):
        pass
    assert caught.value.code == "usage.as_of_nothing"


def test_a_run_and_a_look_back_keep_out_of_each_others_way(
    lived: tuple[Township, dict[str, list[str]]],
) -> None:
    township, _ = lived
    with (
        as_it_was(township.engine, township.settings, "1"),
        pytest.raises(RunLocked),
    ):
        township.run(THIRD_NIGHT)
    township.run(THIRD_NIGHT)


class TestCommands:
    """``explain``, ``report`` and ``export`` with ``--as-of``."""

    @pytest.fixture
    def diqi(
        self, lived: tuple[Township, dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., Result]:
        township, _ = lived
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)

        def call(*arguments: str) -> Result:
            folder = str(township.settings.workspace)
            done = CliRunner().invoke(app, [*arguments, "-w", folder])
            assert done.exit_code == 0, done.output
            return done

        return call

    def test_who_sat_on_a_parcel_on_a_given_day(self, diqi: Callable[..., Result]) -> None:
        parcel, firm = official_code("P35"), official_code("E40")
        now = json.loads(diqi("explain", "parcel", parcel, "--json").stdout)
        assert now["links"] == []
        assert now["record"] is None
        then = json.loads(
            diqi("explain", "parcel", parcel, "--json", "--as-of", FIRST_NIGHT.isoformat()).stdout
        )
        assert then["as_of"] == FIRST_NIGHT.isoformat()
        assert then["record"] is not None
        assert [link["status"] for link in then["links"]] == ["accepted"]
        gone = json.loads(diqi("explain", "enterprise", firm, "--json", "--as-of", "1").stdout)
        assert gone["record"] is not None
        assert json.loads(diqi("explain", "enterprise", firm, "--json").stdout)["record"] is None

    def test_the_report_of_a_night(
        self, diqi: Callable[..., Result], lived: tuple[Township, dict[str, list[str]]]
    ) -> None:
        done = diqi("report", "--as-of", "1")
        assert "完全相同" in done.output
        page = (lived[0].settings.workspace / "out" / "report-as-of-1.html").read_text(
            encoding="utf-8"
        )
        assert f"截至 {FIRST_NIGHT}" in page

    def test_the_layers_of_a_night(
        self, diqi: Callable[..., Result], lived: tuple[Township, dict[str, list[str]]]
    ) -> None:
        file = lived[0].settings.workspace / "then.gpkg"
        diqi("export", str(file), "--as-of", "1")
        with sqlite3.connect(file) as layers:
            codes = {code for (code,) in layers.execute("SELECT parcel_code FROM parcel")}
        assert official_code("P35") in codes
        assert official_code("P37") not in codes
