"""``diqi correct``: one act, on record with author and reason, undone by the office's own mending."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest
from conftest import Township
from sqlalchemy import text
from typer.testing import CliRunner, Result

from pipeline.cli import app

Make = Callable[..., Township]


class Clerk:
    """Somebody who corrects records of a township."""

    def __init__(self, township: Township, monkeypatch: pytest.MonkeyPatch) -> None:
        self.township = township
        monkeypatch.setenv("DIQI_DATABASE_URL", township.dsn)
        with township.engine.connect() as connection:
            self.lease, self.area = connection.execute(
                text(
                    "SELECT lease_no, land_area_m2 FROM core.lease "
                    "WHERE to_run IS NULL AND land_area_m2 IS NOT NULL ORDER BY lease_no LIMIT 1"
                )
            ).one()

    def __call__(self, *arguments: str) -> Result:
        folder = str(self.township.settings.workspace)
        who = ("--reason", "contract on paper", "--author", "Li")
        return CliRunner().invoke(app, ["correct", *arguments, *who, "-w", folder])

    def held(self) -> Decimal:
        with self.township.engine.connect() as connection:
            value: Decimal = connection.execute(
                text("SELECT land_area_m2 FROM core.lease WHERE to_run IS NULL AND lease_no = :n"),
                {"n": self.lease},
            ).scalar_one()
            return value


@pytest.fixture
def clerk(make_township: Make, monkeypatch: pytest.MonkeyPatch) -> Clerk:
    return Clerk(make_township(), monkeypatch)


def test_a_correction_takes_effect_with_the_next_run(clerk: Clerk) -> None:
    done = clerk("lease", clerk.lease, "land_area_m2", "1,234.50")
    assert done.exit_code == 0, done.output
    assert "1234.5" in done.output
    assert clerk.held() == clerk.area
    clerk.township.run()
    assert clerk.held() == Decimal("1234.5")
    with clerk.township.engine.connect() as connection:
        entered = connection.execute(
            text("SELECT expected_value, new_value, author, reason FROM core.correction")
        ).one()
    assert entered == (str(clerk.area), "1234.5", "Li", "contract on paper")
    # it stands on what is delivered, not on what is held
    clerk("lease", clerk.lease, "land_area_m2", "2000")
    clerk.township.run()
    assert clerk.held() == 2000


def test_the_same_is_entered_once(clerk: Clerk) -> None:
    first = json.loads(clerk("lease", clerk.lease, "land_area_m2", "1000", "--json").stdout)
    second = json.loads(clerk("lease", clerk.lease, "land_area_m2", "1000", "--json").stdout)
    assert (first["is_new"], second["is_new"]) == (True, False)
    assert first["expected_value"] == str(clerk.area)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lease", "LEASE", "land_area_m2", "much"), "land_area_m2 much is no number"),
        (("lease", "LEASE", "lease_no", "1"), "lease_no cannot be corrected"),
        (("lease", "LEASE", "color", "1"), "color is no field of lease"),
        (('lease"; DROP TABLE core.lease; --', "LEASE", "land_area_m2", "1"), "unknown feed"),
        (("lease", "nothing", "land_area_m2", "1"), "no record nothing of lease is in force"),
        (("lease", "LEASE", "valid_to", "2027-01-01", "--until", "soon"), "valid_until soon"),
    ],
)
def test_what_cannot_be_a_correction(clerk: Clerk, arguments: tuple[str, ...], words: str) -> None:
    done = clerk(*(clerk.lease if word == "LEASE" else word for word in arguments))
    assert done.exit_code == 2, done.output
    assert words in done.output
    with clerk.township.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM core.correction")).scalar_one() == 0
