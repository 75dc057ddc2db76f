"""diqi rules: list, check, form, with and without a workspace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli import app

MINE = """\
id = "mine"
title_zh = "试行办法"
title_en = "a trial"
edition = "1"
source = "none"
extends = "huangyan-2022"
"""


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no workspace."""
    monkeypatch.delenv("DIQI_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def county(nowhere: Path) -> Path:
    ran = run("init", "county", "--code", "330299", "--name", "青岚县")
    assert ran.exit_code == 0
    (nowhere / "county" / "rules").mkdir()
    return nowhere / "county"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_list_says_where_each_is_from(county: Path) -> None:
    (county / "rules" / "mine.toml").write_text(MINE, encoding="utf-8")
    assert "cixi-4.0" in run("rules", "list", "-w", "county").stdout
    ran = run("rules", "list", "-w", "county", "--json")
    rows = {row["id"]: row for row in json.loads(ran.stdout)}
    assert rows["mine"]["from"] == "workspace"
    assert rows["mine"]["title_zh"] == "试行办法"
    assert rows["cixi-4.0"]["from"] == "program"
    assert rows["cixi-4.0"]["missing"] > 0


def test_the_list_needs_no_workspace(nowhere: Path) -> None:
    ran = run("rules", "list", "--json")
    assert ran.exit_code == 0
    assert {row["from"] for row in json.loads(ran.stdout)} == {"program"}


def test_open_values_are_no_problem(nowhere: Path) -> None:
    ran = run("rules", "check", "cixi-4.0")
    assert ran.exit_code == 0
    assert "scoring.ABOVE.item.tax_per_mu.weight" in ran.stdout
    assert "慈亩均办〔2022〕49号" in ran.stdout


def test_problems_are_lines_in_both_languages(nowhere: Path) -> None:
    text = MINE + "[scoring.ABOVE.item.tax_per_mu]\nweight = 31\nbenchmark = { vlaue = 2 }\n"
    (nowhere / "mine.toml").write_text(text, encoding="utf-8")
    ran = run("rules", "check", "mine.toml")
    assert ran.exit_code == 3
    where = "scoring.ABOVE.item.tax_per_mu.benchmark.vlaue"
    assert f"- {where}：没有“vlaue”这一项。是否为 value？" in ran.stdout
    assert f"- {where}: there is no 'vlaue'. Is value meant?" in ran.stdout
    as_json = run("rules", "check", "mine.toml", "--json")
    assert as_json.exit_code == 3
    (problem,) = json.loads(as_json.stdout)["problems"]
    assert problem["where"] == where
    assert problem["code"] == "rules.unknown_key"


@pytest.mark.parametrize("what", ["nothing", "nothing.toml", "nothing.xlsx"])
def test_what_is_not_there_is_told(nowhere: Path, what: str) -> None:
    ran = run("rules", "check", what)
    assert ran.exit_code == 3
    assert what in ran.stderr
    assert "Traceback" not in ran.output


def test_the_form_is_written_and_checked(nowhere: Path) -> None:
    ran = run("rules", "form", "cixi-4.0")
    assert ran.exit_code == 0
    assert (nowhere / "cixi-4.0.xlsx").is_file()
    checked = run("rules", "check", "cixi-4.0.xlsx", "--json")
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["form"] == {"file": "cixi-4.0.xlsx", "values": 0}


def test_the_form_of_a_workspace_lies_in_it(county: Path) -> None:
    ran = run("rules", "form", "cixi-4.0", "-w", "county")
    assert ran.exit_code == 0
    assert (county / "rules" / "cixi-4.0.xlsx").is_file()
    checked = json.loads(run("rules", "check", "cixi-4.0", "-w", "county", "--json").stdout)
    assert checked["form"]["values"] == 0


def test_a_folder_that_is_no_workspace_is_refused(nowhere: Path) -> None:
    ran = run("rules", "check", "cixi-4.0", "-w", str(nowhere))
    assert ran.exit_code == 3
    assert "diqi.toml" in ran.stderr
