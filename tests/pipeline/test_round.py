"""The life of an evaluation round, on the hand-drawn township and by rules invented for these tests."""

from __future__ import annotations

import datetime as dt
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import docx
import openpyxl
import pytest
from conftest import FIRST_NIGHT, Databases, Township
from sqlalchemy import text
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.corrections import correct
from pipeline.database import open_engine
from pipeline.demo.township import official_code
from pipeline.errors import CheckFailed, DiqiError, RunLocked, UsageError
from pipeline.explain import explain
from pipeline.history import as_it_was
from pipeline.outputs.round_lists import ListFile, write_lists
from pipeline.outputs.round_sheets import (
    FILL_IN,
    ConfirmationSheet,
    Section,
    read_sheet,
    sheet_bytes,
)
from pipeline.round import issue as issue_module
from pipeline.round.acts import Signed, answer, decide, locked, open_round
from pipeline.round.confirm import (
    confirm_by_hand,
    confirmation_sheets,
    object_by_hand,
    read_sheets,
    write_sheets,
)
from pipeline.round.inputs import in_order, pack, read_inputs, unpack
from pipeline.round.issue import amend, issue, read_issued, verify, write_again
from pipeline.round.lists import announce, listed_now
from pipeline.round.result import result_hash, result_of
from pipeline.round.status import read_round_status
from pipeline.run import contracts_of, county_of, run
from pipeline.settings import load_settings

YEAR = 2025
RULES = """
id = "township"
title_zh = "云溪镇试算办法"
title_en = "Trial"
edition = "1"
source = "虚构办法〔2026〕1号"
extends = "cixi-4.0"

[scoring.ABOVE.item]
tax_per_mu.weight = 40
value_added_per_mu.weight = 20
value_added_per_energy.weight = 10
value_added_per_emission.weight = 10
productivity.weight = 10
rd_share.weight = 10

[grading.ABOVE]
cut.A.share = 0.3
cut.B.share = 0.6
cut.C.share = 0.9

[scoring.BELOW_GE3.item.tax_per_mu]
weight = 100
benchmark.value = 10

[grading.BELOW_GE3]
cut.A.score = 80
cut.B.score = 50
cut.C.score = 20

[veto.CX-V1]
when = [{ fact = "unsafe", holds = true }]

[fact.unsafe]
kind = "recognition"
recognitions = ["veto_safety"]
"""
CLERK = Signed("李某", FIRST_NIGHT)
LATER = Signed("李某", FIRST_NIGHT + dt.timedelta(days=30))


class County(Township):
    """The township with rules in its workspace."""

    @property
    def contracts(self):
        return contracts_of(self.settings)

    def write_rules(self, words: str) -> None:
        """Other rules, without a run."""
        (self.settings.workspace / "rules" / "township.toml").write_text(words, encoding="utf-8")
        self.settings = load_settings(self.settings.workspace)

    def ask(self, query: str, **said: object) -> list[tuple]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), said)]

    def execute(self, *queries: str) -> None:
        with self.engine.begin() as connection:
            for query in queries:
                connection.execute(text(query))

    def status(self, as_of: dt.date = FIRST_NIGHT) -> dict:
        with self.engine.connect() as connection:
            return read_round_status(connection, self.settings, self.contracts, as_of)

    def blockers(self, as_of: dt.date = FIRST_NIGHT) -> dict[str, int]:
        counts: dict[str, int] = {}
        for one in self.status(as_of)["blockers"]:
            counts[one["code"]] = counts.get(one["code"], 0) + one["count"]
        return counts

    def open(self) -> None:
        open_round(self.engine, self.settings, CLERK)

    def issue(self, accept: str | None = "trial", **options):
        return issue(
            self.engine,
            self.settings,
            self.contracts,
            CLERK,
            reason="result",
            accept=accept,
            **options,
        )

    def amend(self, *enterprises: str, **options):
        return amend(
            self.engine,
            self.settings,
            self.contracts,
            enterprises,
            LATER,
            reason="corrected",
            **options,
        )

    def announce(self, first: dt.date = FIRST_NIGHT, days: int = 7) -> dict:
        with locked(self.engine) as connection:
            return announce(
                connection,
                self.settings,
                CLERK,
                first=first,
                days=days,
                folder=self.settings.workspace / "out" / "notice",
            )

    def issued(self, edition: int = 1) -> dict:
        with self.engine.connect() as connection:
            return read_issued(connection, YEAR, edition)

    def halve_tax(self, enterprise: str) -> None:
        """Correct the tax of an enterprise and run."""
        key, value = self.ask(
            "SELECT record_key, value FROM core.indicator "
            "WHERE to_run IS NULL AND enterprise_code = :code AND year = 2025 AND indicator = 'tax'",
            code=enterprise,
        )[0]
        said = {
            "feed": "indicator",
            "key": key,
            "field": "value",
            "new_value": format(value / 2, "f"),
            "reason": "books",
            "author": "Li",
            "evidence": None,
            "office": None,
            "valid_until": None,
        }
        correct(self.engine, said, self.contracts, county_of(self.settings))
        self.run()


@pytest.fixture(scope="module")
def ruled(
    databases: Databases, township_template: tuple[Path, str], tmp_path_factory
) -> tuple[Path, str]:
    """The township after a run with the rules; copied, never changed."""
    folder = tmp_path_factory.mktemp("ruled") / "county"
    shutil.copytree(township_template[0], folder)
    (folder / "rules").mkdir()
    (folder / "rules" / "township.toml").write_text(RULES, encoding="utf-8")
    with (folder / "diqi.toml").open("a", encoding="utf-8") as out:
        out.write('\n[evaluation]\nruleset = "township"\n')
    dsn = databases.copy(township_template[1])
    engine = open_engine(dsn)
    run(engine, load_settings(folder), as_of=FIRST_NIGHT)
    engine.dispose()
    return folder, dsn


@pytest.fixture
def county(databases: Databases, ruled: tuple[Path, str], tmp_path: Path) -> Iterator[County]:
    folder = tmp_path / "county"
    shutil.copytree(ruled[0], folder)
    dsn = databases.copy(ruled[1])
    engine = open_engine(dsn)
    yield County(load_settings(folder), dsn, engine)
    engine.dispose()


def fails(
    error: type[DiqiError], code: str, do: Callable[..., object], *said, **named
) -> DiqiError:
    with pytest.raises(error) as caught:
        do(*said, **named)
    assert caught.value.code == code
    return caught.value


def by_code(result: dict) -> dict[str, tuple]:
    return {row[0]: row for row in result["issued_unit"]}


E02, E24 = f"E-{official_code('E02')}", official_code("E24")


def test_the_whole_life(county: County) -> None:
    fails(UsageError, "round.not_open", county.issue)
    assert county.status()["stage"] == "not_open"
    county.open()
    county.open()
    assert county.ask("SELECT count(*) FROM core.round_act WHERE kind = 'open'") == [(1,)]
    assert county.status()["stage"] == "collecting"
    assert county.status()["due"] == dt.date(2026, 3, 31)
    confirm_by_hand(county.engine, official_code("E02"), CLERK, reason="by telephone")
    assert county.status()["stage"] == "confirming"
    told = county.announce()
    assert county.status()["stage"] == "announced"
    assert sum(told["counts"].values()) == len(listed(county))
    blocked = fails(CheckFailed, "round.blocked", county.issue, accept=None)
    assert f"公示期至 {told['until']}，未满 1" in str(blocked.params["zh"])
    assert blocked.params["blockers"]["notice_running"] == 1
    assert fails(CheckFailed, "round.blocked", county.issue, accept=" ")
    assert county.ask("SELECT count(*) FROM core.evaluation") == [(0,)]
    done = county.issue()
    assert county.status()["stage"] == "issued"
    assert done.accepted
    assert county.ask(
        "SELECT reason, value -> 'blockers' FROM core.round_act WHERE kind = 'accept'"
    )
    assert sum(n for kind, n in done.counts.items() if kind != "none") == len(listed(county))
    fails(UsageError, "round.is_issued", county.issue)
    assert verify(county.engine) == [
        {"year": YEAR, "edition": 1, "result_hash": done.result_hash, "differs": []}
    ]


def listed(county: County) -> dict:
    with county.engine.connect() as connection:
        return listed_now(connection, county.settings, YEAR)


def test_initial_adjusted_and_decided_grades_are_kept_apart(county: County) -> None:
    county.open()
    (was,) = county.ask(
        "SELECT grade, adjusted_grade FROM derived.grade WHERE unit_code = :u", u=E02
    )
    assert was[1] == "A"
    decide(
        county.engine,
        county.settings,
        E02[2:],
        Signed("王某", FIRST_NIGHT),
        reason="会议",
        grade="C",
    )
    assert county.blockers()["acts_not_run"] == 1
    county.run()
    assert "acts_not_run" not in county.blockers()
    county.run(is_full=True)
    county.issue()
    columns = issue_module.ISSUED["issued_unit"][0]
    row = dict(zip(columns, by_code(county.issued())[E02], strict=True))
    assert (row["initial_grade"], row["adjusted_grade"], row["decided_grade"]) == ("A", "A", "C")
    assert (row["grade"], row["grade_source"]) == ("C", "decision")
    last = json.loads(row["trace"])[-1]
    assert (last["stage"], last["before"], last["after"]) == ("decision", "A", "C")
    assert (last["inputs"]["author"], last["inputs"]["reason"]) == ("王某", "会议")
    assert last["inputs"]["entered_on"]
    # taken back: the published grade follows, what was issued does not
    decide(county.engine, county.settings, E02[2:], CLERK, reason="withdrawn", grade="")
    county.run()
    assert county.ask("SELECT decided_grade FROM derived.grade WHERE unit_code = :u", u=E02) == [
        (None,)
    ]
    assert dict(zip(columns, by_code(county.issued())[E02], strict=True))["grade"] == "C"


def test_decisions_are_checked(county: County) -> None:
    def do(**said: object) -> object:
        return decide(county.engine, county.settings, E02[2:], CLERK, reason="x", **said)

    fails(UsageError, "round.nothing_decided", do)
    fails(UsageError, "round.no_such_grade", do, grade="Z")
    fails(UsageError, "usage.date", do, transition_end="soon")
    (one,) = do(transition_end="2026-12-31")
    assert one["is_new"]
    (again,) = do(transition_end="2026-12-31")
    assert not again["is_new"]
    (nothing,) = do(grade="")
    assert not nothing["is_new"]
    fails(
        UsageError,
        "review.reason",
        decide,
        county.engine,
        county.settings,
        E02[2:],
        CLERK,
        reason=" ",
        grade="A",
    )
    fails(UsageError, "review.author", Signed, " ", FIRST_NIGHT)


def test_an_issued_result_shows_in_the_layer_from_the_next_run_on(county: County) -> None:
    county.open()
    county.issue()
    query = "SELECT unit_code, issued_grade FROM layers.evaluation_unit ORDER BY unit_code"
    assert not any(grade for _, grade in county.ask(query))
    result = county.run()
    layers = {step.name: step for step in result.steps}["publish_layers"]
    issued = {code: row[14] for code, row in by_code(county.issued()).items()}
    assert dict(county.ask(query)) == issued
    # nothing else is written
    touched = {table: one.written for table, one in layers.counts.items() if one.written}
    assert touched == {"layers.evaluation_unit": sum(1 for grade in issued.values() if grade)}
    assert county.run().written == 0
    shown = county.ask(query)
    county.run(is_full=True)
    assert county.ask(query) == shown


def test_a_look_back_shows_what_was_issued_then(county: County) -> None:
    county.open()
    (before,) = county.ask("SELECT run_id FROM layers.publication")
    county.issue()
    decide(county.engine, county.settings, E02[2:], CLERK, reason="x", grade="D")
    county.run()
    query = "SELECT grade, issued_grade FROM layers.evaluation_unit WHERE unit_code = :u"
    assert county.ask(query, u=E02) == [("D", "A")]
    with as_it_was(county.engine, county.settings, str(before[0])) as (connection, _):
        shown = connection.execute(text(query), {"u": E02}).one()
        # the official grade goes before the computed one in what a run publishes
        assert tuple(shown) == ("B", None)
    assert county.ask(query, u=E02) == [("D", "A")]


def test_later_data_and_rules_do_not_change_what_was_issued(county: County) -> None:
    county.open()
    county.issue()
    before = county.issued()
    county.second_night()
    county.run(FIRST_NIGHT + dt.timedelta(days=1))
    county.write_rules(RULES.replace("cut.A.score = 80", "cut.A.score = 99"))
    assert fails(UsageError, "round.is_issued", county.issue)
    county.run(FIRST_NIGHT + dt.timedelta(days=2))
    assert county.issued() == before
    assert verify(county.engine)[0]["differs"] == []
    county.execute("DELETE FROM derived.grade", "DELETE FROM derived.unit")
    assert verify(county.engine)[0]["differs"] == []


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (
            "UPDATE core.issued_unit SET grade = 'B' WHERE grade = 'A' AND unit_code LIKE 'E%'",
            ["rows"],
        ),
        ("UPDATE core.issued_member SET name = name || '。' WHERE list = 'ABOVE'", ["rows"]),
        ("UPDATE core.issued_standard SET value = value + 1e-30", ["rows"]),
        ("UPDATE core.issued_link SET role = 'operator' WHERE role = 'owner'", ["rows"]),
        ("UPDATE core.evaluation SET rules = replace(rules, '\"80\"', '\"99\"')", ["result"]),
        (
            "UPDATE core.evaluation SET inputs = set_byte(inputs, 2000, 255 - get_byte(inputs, 2000))",
            ["inputs", "result"],
        ),
        (
            "UPDATE core.evaluation SET result_hash = 'x' || substr(result_hash, 2)",
            ["result", "rows"],
        ),
    ],
)
def test_verify_finds_every_byte_that_was_changed(
    county: County, harm: str, found: list[str]
) -> None:
    county.open()
    county.issue()
    tables = ("evaluation", "issued_unit", "issued_member", "issued_standard", "issued_link")
    fails_to_change = pytest.raises(Exception, match="append-only")
    with fails_to_change:
        county.execute(harm)
    county.execute(
        *(f"ALTER TABLE core.{table} DISABLE TRIGGER ALL" for table in tables)
        if county.ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(True,)]
        else (f"ALTER TABLE core.{t} DISABLE TRIGGER USER" for t in tables),
        harm,
    )
    assert verify(county.engine)[0]["differs"] == found


def test_files_are_the_same_when_written_again(county: County) -> None:
    county.open()
    done = county.issue()
    assert [path.suffix for path in done.files] == [".xlsx"] * 4 + [".docx"]
    before = {path: path.read_bytes() for path in done.files}
    for path in done.files:
        path.unlink()
    county.write_rules(RULES.replace("虚构办法", "另一办法"))
    _, edition, files = write_again(county.engine, county.settings)
    assert edition == 1
    assert {path: path.read_bytes() for path in files} == before
    names: dict[str, list[str]] = {}
    for row in listed(county).values():
        names.setdefault(row["list"], []).append(row["name"])
    for path, kind in zip(
        done.files, ("ABOVE", "BELOW_GE3", "BELOW_LT3", "TENANT_ONLY"), strict=False
    ):
        sheet = openpyxl.load_workbook(path).active
        rows = [tuple(row) for row in sheet.iter_rows(min_row=4, values_only=True)]
        assert [row[0] for row in rows] == sorted(names[kind])
        assert sheet.max_column == 2
        assert {row[1] for row in rows} <= set("ABCD")
    document = docx.Document(str(done.files[-1]))
    assert len(document.tables) == 4
    assert "虚构办法〔2026〕1号" in "".join(p.text for p in document.paragraphs)
    assert "2026年6月30日" in "".join(p.text for p in document.paragraphs)
    shown = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert shown[0] == ["企业名称", "档次"]
    assert [row[0] for row in shown[1:]] == sorted(names["ABOVE"])


def test_amend_changes_what_it_should_and_nothing_else(county: County) -> None:
    fails(UsageError, "round.not_issued", county.amend, E24)
    county.open()
    county.issue()
    before, standards = by_code(county.issued()), county.issued()["issued_standard"]
    fails(UsageError, "round.amend_whom", county.amend)
    fails(UsageError, "round.amend_whom", county.amend, E24, is_whole=True)
    fails(UsageError, "explain.not_found", county.amend, "nobody")
    fails(UsageError, "round.amend_nothing", county.amend, E24)
    assert county.ask("SELECT count(*) FROM core.evaluation") == [(1,)]
    # two firms are corrected, one of them is amended
    other = official_code("E04")
    county.halve_tax(E24)
    county.halve_tax(other)
    done = county.amend(E24)
    assert done.edition == 2
    after = by_code(county.issued(2))
    assert {code for code in before if before[code] != after[code]} == {f"E-{E24}"}
    assert [one["unit_code"] for one in done.changed_units] == [f"E-{E24}"]
    # the benchmark is a mean over both, and stays
    assert county.issued(2)["issued_standard"] == standards
    assert all(one["differs"] == [] for one in verify(county.engine))
    assert (done.files[0].parent.name, done.files[-1].name) == (f"{YEAR}-2", "变更.xlsx")
    assert county.ask("SELECT edition, amends, amended FROM core.evaluation ORDER BY edition") == [
        (1, None, []),
        (2, 1, [E24]),
    ]
    third = county.amend(is_whole=True)
    assert third.edition == 3
    assert county.issued(3)["issued_standard"] != standards
    assert by_code(county.issued(3))[f"E-{other}"] != before[f"E-{other}"]
    assert by_code(county.issued(2)) == after
    assert [one["differs"] for one in verify(county.engine)] == [[], [], []]
    county.run()
    shown = dict(county.ask("SELECT unit_code, issued_grade FROM layers.evaluation_unit"))
    assert shown == {code: row[14] for code, row in by_code(county.issued(3)).items()}


def test_amending_a_member_takes_along_whoever_shares_its_unit(county: County) -> None:
    county.open()
    county.issue()
    one, two = official_code("E13"), official_code("E14")
    (unit,) = {row[0] for row in county.issued()["issued_member"] if row[1] in {one, two}}
    county.halve_tax(two)
    done = county.amend(one)
    assert [row["unit_code"] for row in done.changed_units] == [unit]
    grades = {row["enterprise_code"]: row["grade_after"] for row in done.changes}
    assert not grades or grades[one] == grades[two]


def test_an_objection_blocks_until_it_is_answered(county: County) -> None:
    county.open()
    fails(UsageError, "round.no_words", object_by_hand, county.engine, E24, CLERK, " ")
    assert object_by_hand(county.engine, E24, CLERK, "用电量有误")["is_new"]
    assert not object_by_hand(county.engine, E24, CLERK, "用电量有误")["is_new"]
    missing = county.blockers()["not_confirmed"]
    (waiting,) = county.status()["open_objections"]
    assert (waiting["words"], waiting["enterprise_code"]) == ("用电量有误", E24)
    (blocker,) = [one for one in county.status()["blockers"] if one["code"] == "objections_open"]
    assert (blocker["township_code"], blocker["count"], blocker["blocks"]) == ("330299001", 1, True)
    fails(
        UsageError, "round.no_objection", answer, county.engine, 10**6, "x", CLERK, is_accepted=True
    )
    answer(county.engine, waiting["act_id"], "已核对", CLERK, is_accepted=False)
    assert "objections_open" not in county.blockers()
    assert county.blockers()["not_confirmed"] == missing - 1
    # what is said again after an answer is new
    assert object_by_hand(county.engine, E24, CLERK, "用电量有误")["is_new"]
    assert county.blockers()["objections_open"] == 1


def test_what_changed_since_the_announcement_blocks(county: County) -> None:
    county.open()
    assert "notice_missing" in county.blockers()
    county.announce(days=7)
    last = FIRST_NIGHT + dt.timedelta(days=6)
    assert "notice_running" in county.blockers(last)
    assert "notice_running" not in county.blockers(last + dt.timedelta(days=1))
    assert "announced_changed" not in county.blockers()
    decide(county.engine, county.settings, E24, CLERK, reason="x", grade="D")
    county.run()
    (one,) = [b for b in county.status()["blockers"] if b["code"] == "announced_changed"]
    assert (one["count"], one["params"]["example"]) == (1, E24)
    county.announce()
    assert "announced_changed" not in county.blockers()
    fails(UsageError, "round.days", county.announce, days=0)


def test_status_counts_by_hand(county: County) -> None:
    found = county.blockers()
    assert found["not_confirmed"] == len(
        county.ask(
            "SELECT DISTINCT enterprise_code FROM derived.unit_member AS m JOIN derived.unit AS u "
            "USING (year, unit_code) WHERE u.eval_state <> 'excluded' AND enterprise_code <> ''"
        )
    )
    assert found["links_in_review"] == 6
    assert found["allocation_conflicts"] == 1
    assert found["units_without_figures"] == 1
    assert found["seats_unknown"] == 4
    assert found["transitions_without_end"] == 1
    status = county.status()
    places = {(one["code"], one["township_code"]): one["count"] for one in status["blockers"]}
    assert places["not_confirmed", "330299001"] == 38
    assert places["not_confirmed", "330299002"] == 1
    notices = {one["code"] for one in status["blockers"] if not one["blocks"]}
    assert notices <= {
        "figures_lacking",
        "seats_unknown",
        "transitions_without_end",
        "feed_too_old",
        # the rate of a refund
        "rules_missing",
    }
    # an office that is late, and a year of which nothing came
    (county.settings.workspace / "sources.toml").write_text(
        '[feed.parcel]\ndue = ["03-31"]\n[feed.lease]\ndue = ["03-31"]\n', encoding="utf-8"
    )
    late = county.status(dt.date(2028, 6, 30))
    overdue = {
        one["office"]: one["params"]["feeds"]
        for one in late["blockers"]
        if one["code"] == "feed_overdue" and one["blocks"]
    }
    assert set(overdue) == {county.contracts[feed].office for feed in ("parcel", "lease")}
    assert sorted(feed for feeds in overdue.values() for feed in feeds) == ["lease", "parcel"]
    assert late["days_left"] == (dt.date(2026, 3, 31) - dt.date(2028, 6, 30)).days
    county.execute("UPDATE core.indicator SET year = 2020")
    assert county.blockers()["feed_without_year"] == 1


def test_what_nobody_can_accept(county: County) -> None:
    county.open()
    county.write_rules(RULES.replace("cut.A.score = 80", "cut.A.score = 81"))
    error = fails(CheckFailed, "round.never", county.issue)
    assert set(error.params["blockers"]) == {"rules_not_run"}
    county.write_rules(RULES.replace("cut.B.score = 50\n", "").replace("weight = 100\n", ""))
    county.run()
    # most have an official grade; those that have none cannot be issued
    found = county.blockers()
    # a weight and a cut, and the rate of a refund, which keeps nobody from a grade
    missing = [one for one in county.status()["blockers"] if one["code"] == "rules_missing"]
    assert {one["blocks"]: one["count"] for one in missing} == {True: 2, False: 1}
    error = fails(CheckFailed, "round.never", county.issue)
    assert error.params["blockers"] == {"units_without_rules": found["units_without_rules"]}
    without = county.ask(
        "SELECT m.enterprise_code FROM derived.grade AS g JOIN derived.unit_member AS m USING (year, unit_code) "
        "WHERE g.obstacle = 'rules_missing' AND g.official_grade IS NULL AND m.enterprise_code <> ''"
    )
    for (code,) in without:
        decide(county.engine, county.settings, code, CLERK, reason="by hand", grade="B")
    county.run()
    done = county.issue()
    sources = {row[15] for row in county.issued()["issued_unit"]}
    assert sources == {"decision", "computed", "official", None}
    assert done.counts


def test_without_a_rule_set_official_results_are_issued(make_township) -> None:
    plain = make_township()
    county = County(plain.settings, plain.dsn, plain.engine)
    county.open()
    assert "no_rules" in county.blockers()
    county.issue()
    assert {row[15] for row in county.issued()["issued_unit"]} == {"official", None}
    assert verify(county.engine)[0]["differs"] == []


def test_a_failure_on_the_way_leaves_nothing(county: County, monkeypatch) -> None:
    county.open()
    acts = county.ask("SELECT count(*) FROM core.round_act")
    monkeypatch.setattr(issue_module, "differences", lambda *_: ["rows"])
    fails(CheckFailed, "round.not_reproducible", county.issue)

    def killed(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(issue_module, "differences", killed)
    with pytest.raises(KeyboardInterrupt):
        county.issue()
    monkeypatch.undo()
    for table in ("evaluation", "issued_unit", "issued_member", "issued_link", "issued_standard"):
        assert county.ask(f"SELECT count(*) FROM core.{table}") == [(0,)]
    assert county.ask("SELECT count(*) FROM core.round_act") == acts
    assert not (county.settings.workspace / "out" / "rounds").exists()
    # the files fail: the result stands, and they can be written again
    blocked = county.settings.workspace / "out" / "rounds"
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("in the way", encoding="utf-8")
    fails(DiqiError, "export.not_writable", county.issue)
    blocked.unlink()
    assert write_again(county.engine, county.settings)[2]


def test_nothing_is_issued_while_a_run_is_under_way(county: County) -> None:
    county.open()
    with locked(county.engine):
        fails(RunLocked, "run.locked", county.issue)


def test_the_result_follows_from_the_kept_text_alone(county: County) -> None:
    with county.engine.connect() as connection:
        inputs = read_inputs(connection, county.settings, (1, FIRST_NIGHT, YEAR))
    packed, digest = pack(inputs)
    again, same = unpack(packed)
    assert (pack(again), same) == ((packed, digest), digest)
    one, two = (result_of(i, county.settings.rules_text) for i in (inputs, again))
    assert result_hash(one) == result_hash(two)
    # the order in which rows were read does not matter
    shuffled = {name: in_order(reversed(rows)) for name, rows in inputs.tables.items()}
    assert shuffled == dict(inputs.tables)


def test_the_township_by_another_hand(county: County) -> None:
    """What is issued is what the run published, where no office and no person says otherwise."""
    county.open()
    county.issue()
    columns = issue_module.ISSUED["issued_unit"][0]
    for code, row in by_code(county.issued()).items():
        own = dict(zip(columns, row, strict=True))
        found = county.ask(
            "SELECT computed_score, bonus, initial_grade, adjusted_grade, official_grade FROM derived.grade "
            "WHERE unit_code = :code",
            code=code,
        )
        if not found:
            assert own["grade"] is None
            continue
        total, bonus, *grades = found[0]
        assert (own["total"] is None) == (total is None)
        if total is not None:
            assert (Decimal(own["total"]), Decimal(own["bonus"])) == (total, bonus)
        assert [own[n] for n in ("initial_grade", "adjusted_grade", "official_grade")] == grades
    # members of parcel units stand in the lists of their own class
    lists = {row[1]: row[4] for row in county.issued()["issued_member"]}
    assert lists[official_code("E13")] == lists[official_code("E14")] == "BELOW_GE3"


# Confirmation sheets.


def fill(path: Path, **cells: str) -> None:
    book = openpyxl.load_workbook(path)
    for name, value in cells.items():
        cell = book.active.cell(FILL_IN[name][0], 2)
        # the cell is of the format "Text": what is typed there is no formula
        cell.value, cell.data_type = value, "s"
    book.save(path)


@pytest.fixture
def sheets(county: County, tmp_path: Path) -> tuple[County, Path]:
    county.open()
    folder = tmp_path / "sheets"
    with county.engine.connect() as connection:
        done = write_sheets(connection, county.settings, folder)
    assert done.written == len(list(folder.rglob("*.xlsx"))) == 39
    return county, folder


def sheet_of(folder: Path, key: str) -> Path:
    (path,) = folder.rglob(f"{official_code(key)}.xlsx")
    return path


def test_sheets_add_up_and_come_back(sheets: tuple[County, Path]) -> None:
    county, folder = sheets
    with county.engine.connect() as connection:
        assert write_sheets(connection, county.settings, folder).unchanged == 39
        pages = {
            sheet.code: sheet for _, sheet in confirmation_sheets(connection, county.settings, YEAR)
        }
    for code, page in pages.items():
        land = page.sections[1].rows
        own, rented, let, deducted, counted = land[-1][3:8]
        assert own + rented - let - deducted == counted
        (unit,) = county.ask(
            "SELECT u.kind, u.eval_area_m2 FROM derived.unit AS u JOIN derived.unit_member AS m "
            "USING (year, unit_code) WHERE m.enterprise_code = :code LIMIT 1",
            code=code,
        )
        if unit[0] == "enterprise":
            assert counted == round(unit[1], 2)
    # figures stand as they were delivered: in 万元, with the row of the file
    with county.engine.connect() as connection:
        records = explain(connection, "enterprise", E24)["units"][0]["indicators"]
    told = {row[0]: row for row in pages[E24].sections[2].rows}
    (tax,) = (one for one in records if one["values"]["indicator"] == "tax")
    assert told["税收实际贡献"][2] == tax["source"]["row_number"] < 100
    assert told["税收实际贡献"][3] == Decimal(tax["values"]["value"]) / 10_000
    assert told["税收实际贡献"][4] == "万元"
    # an owner that lets a part of its land
    owner = pages[official_code("E02")].sections[1].rows[-1]
    assert owner[5] > 0
    assert owner[3] - owner[5] == owner[7]
    fill(sheet_of(folder, "E02"), answer="确认", author="张三", date="2026-03-01")
    fill(sheet_of(folder, "E24"), answer="不一致", words="=1+1 用电量", author="李四")
    done = read_sheets(county.engine, county.settings, folder, CLERK)
    assert (done.confirmed, done.objected, done.blank, done.problems) == (1, 1, 37, [])
    again = read_sheets(county.engine, county.settings, folder, CLERK)
    assert (again.confirmed, again.objected, again.known) == (0, 0, 2)
    assert county.blockers()["not_confirmed"] == 38
    assert county.ask(
        "SELECT author, value ->> 'date' FROM core.round_act WHERE kind = 'confirm'"
    ) == [("张三", "2026-03-01")]
    # what was filled in is not written over
    county.halve_tax(E24)
    with county.engine.connect() as connection:
        kept = write_sheets(connection, county.settings, folder)
    assert kept.kept == [sheet_of(folder, "E02"), sheet_of(folder, "E24")]


def test_wrong_sheets_are_told_and_the_others_count(sheets: tuple[County, Path]) -> None:
    county, folder = sheets
    fill(sheet_of(folder, "E02"), answer="确认", author="张三")
    fill(sheet_of(folder, "E03"), answer="好", author="张三")
    fill(sheet_of(folder, "E05"), answer="不一致", author="张三")
    fill(sheet_of(folder, "E06"), answer="确认", words="但是", author="张三")
    fill(sheet_of(folder, "E07"), answer="确认")
    fill(sheet_of(folder, "E08"), words="面积")
    fill(sheet_of(folder, "E24"), answer="确认", author="张三")
    county.halve_tax(E24)
    copy = folder / "again.xlsx"
    shutil.copy(sheet_of(folder, "E02"), copy)
    fill(copy, answer="不一致", words="x")
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04")
    openpyxl.Workbook().save(folder / "other.xlsx")
    done = read_sheets(county.engine, county.settings, folder, CLERK)
    codes = sorted(code.removeprefix("round.sheet.") for code, _ in done.problems)
    assert codes == sorted(
        [
            "answer",
            "no_words",
            "words_not_wanted",
            "no_author",
            "no_answer",
            "no_author",
            "changed",
            "contradiction",
            "not_ours",
            "not_ours",
        ]
    )
    assert done.confirmed + done.objected == 1
    taken = read_sheets(county.engine, county.settings, sheet_of(folder, "E24"), CLERK, anyway=True)
    assert taken.confirmed == 1
    fails(
        UsageError,
        "round.no_sheets",
        read_sheets,
        county.engine,
        county.settings,
        folder / "x",
        CLERK,
    )


HOSTILE = "=1+1\x00\x07\u202e青岚]]><&\"'\ud800\n+cmd|' /C calc'!A0"


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    head = ListFile("结果", "依据", FIRST_NIGHT, "3")
    rows = [(HOSTILE, "A"), ("=HYPERLINK(1)", "B"), ("@x", "C"), ("甲", "D")]
    files = write_lists(tmp_path, head, {"ABOVE": rows, "TENANT_ONLY": []})
    for path in files[:-1]:
        for row in openpyxl.load_workbook(path).active.iter_rows():
            assert all(cell.data_type in {"s", "n"} for cell in row)
    book = openpyxl.load_workbook(files[0]).active
    assert [row[0] for row in book.iter_rows(min_row=4, values_only=True)] == sorted(
        ["=1+1青岚]]><&\"' +cmd|' /C calc'!A0", "=HYPERLINK(1)", "@x", "甲"]
    )
    table = docx.Document(str(files[-1])).tables[0]
    assert table.rows[1].cells[0].text.startswith("=1+1青岚]]><&")
    sheet = ConfirmationSheet(
        YEAR, "x", "h", HOSTILE, [Section("一", ("名",), [(HOSTILE,), (Decimal("1.50"),)])]
    )
    path = tmp_path / "x.xlsx"
    path.write_bytes(sheet_bytes(sheet))
    assert path.read_bytes() == sheet_bytes(sheet)
    shown = openpyxl.load_workbook(path).active
    assert shown["A10"].data_type == "s"
    assert shown["A10"].value.startswith("=1+1青岚")
    assert shown["A11"].value == 1.5
    found = read_sheet(path)
    assert found is not None
    assert (found.code, found.hash, set(found.cells.values())) == ("x", "h", {""})


def test_office_files_do_not_tell_when_they_were_written(tmp_path: Path) -> None:
    head = ListFile("结果", "", FIRST_NIGHT, "3")
    for path in write_lists(tmp_path, head, {"ABOVE": [("甲", "A")]}):
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as made:
            assert {entry.date_time for entry in made.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            core = made.read("docProps/core.xml").decode()
            assert core.count("2026-06-30T00:00:00Z") == 2


def test_the_commands(county: County, monkeypatch) -> None:
    monkeypatch.setenv("DIQI_DATABASE_URL", county.dsn)
    runner = CliRunner()
    where = ["-w", str(county.settings.workspace), "--as-of", FIRST_NIGHT.isoformat()]

    def call(*words: str, code: int = 0) -> str:
        found = runner.invoke(app, ["round", *words])
        assert found.exit_code == code, found.output
        return found.output

    by = ["--author", "李某"]
    assert "2026-03-31" in call("open", *by, *where)
    assert json.loads(call("status", "--json", *where))["stage"] == "collecting"
    shown = call("status", *where)
    assert "未确认的企业" in shown
    assert "云溪镇" in shown
    folder = county.settings.workspace / "out" / "rounds" / str(YEAR) / "确认单"
    call("confirm", "--township", "330299002", *where)
    assert [path.name for path in folder.iterdir()] == ["330299002_石桥乡"]
    call("confirm", "--enterprise", E24, *where)
    call("confirm", "--read", str(folder), *where)
    call("confirm", E24, "--reason", "by telephone", *by, *where)
    call("confirm", E24, *by, *where, code=2)
    call("announce", "--from", "2026-06-01", "--days", "7", *by, *where)
    call("announce", "--from", "2026-06-01", *by, *where, code=2)
    call("object", E24, "有误", *by, *where)
    act = json.loads(call("status", "--json", *where))["open_objections"][0]["act_id"]
    call("answer", str(act), "已核对", *by, *where, code=2)
    call("answer", str(act), "已核对", "--refused", *by, *where)
    call("decide", E24, "D", "--reason", "x", *by, *where)
    assert "未确认的企业 38" in call("issue", *by, *where, code=8)
    told = call("issue", "--accept", "trial", *by, *where)
    assert "附件1" in told
    call("issue", "--accept", "trial", *by, *where, code=2)
    call("verify", "-w", str(county.settings.workspace))
    call("lists", "-w", str(county.settings.workspace))
    call("amend", E24, "--reason", "x", *by, *where, code=2)
    call("amend", "--reason", "x", *by, *where, code=2)
