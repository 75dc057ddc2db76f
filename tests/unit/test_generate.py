"""``diqi generate``: a day of the reference county is written wholly or not at all, and fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import demo
from pipeline.cli import app
from pipeline.demo import make_county, make_demo
from pipeline.demo.generator import HIGH, LOW, NONE
from pipeline.errors import SettingsError, UsageError
from pipeline.workspace import create_workspace

SCALE = 0.002


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    make_county(folder, scale=SCALE, seed=5, noise=["names=0.5"])
    return folder


def test_the_command_writes_deliveries_truth_and_record(tmp_path):
    result = invoke("generate", tmp_path / "new", "--scale", SCALE, "--seed", 5, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["date"] == "2026-06-30"
    assert (said["scale"], said["seed"]) == (SCALE, 5)
    names = {path.name for path in Path(said["inbox"]).iterdir()}
    assert {"DLTB.shp", "ZD.shp", "企业名录.xlsx"} <= names
    assert "DLTB.cpg" not in names
    assert {path.stem for path in Path(said["truth"]).iterdir()} == {
        "links", "seats", "shares", "units", "coverage", "parcels", "rule_cases",
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "generated.json",
        "inbox",
        "truth",
    ]


def test_equal_arguments_give_equal_bytes(drawn, tmp_path):
    make_county(tmp_path, scale=SCALE, seed=5, noise=["names=0.5"])
    day = "2026-06-30"
    assert files(tmp_path / "inbox" / day) == files(drawn / "inbox" / day)
    assert files(tmp_path / "truth" / day) == files(drawn / "truth" / day)


def test_a_night_takes_scale_seed_and_noise_from_its_first_day(drawn, tmp_path):
    night = make_county(drawn, night=2)
    assert (night.scale, night.seed, night.noise.names) == (SCALE, 5, 0.5)
    assert night.inbox.name == "2026-07-02"
    alone = make_county(tmp_path, scale=SCALE, seed=5, noise=["names=0.5"], night=2)
    assert files(night.inbox) == files(alone.inbox)
    assert files(night.truth) == files(alone.truth)


@pytest.mark.parametrize("other", [{"scale": 0.003}, {"seed": 6}, {"noise": ["low"]}])
def test_a_county_drawn_otherwise_is_refused_and_left(drawn, other):
    before = files(drawn)
    with pytest.raises(UsageError) as caught:
        make_county(drawn, night=3, **other)
    assert caught.value.code == "generate.drawn_otherwise"
    assert files(drawn) == before


def test_a_day_that_is_there_is_left_as_it_is(drawn):
    touched = drawn / "inbox" / "2026-06-30" / "note.txt"
    touched.write_text("seen", encoding="utf-8")
    make_county(drawn)
    assert touched.read_text(encoding="utf-8") == "seen"
    touched.unlink()


def test_noise_words():
    noise = demo._noise
    assert noise([]) == noise(["none"]) == NONE
    assert noise(["low"]) == LOW
    mixed = noise(["high", "names=0", "points=1"])
    assert (mixed.names, mixed.points, mixed.codes) == (0, 1, HIGH.codes)


@pytest.mark.parametrize("word", ["loud", "names", "names=", "names=2", "names=nan", "areas=0.1"])
def test_a_word_that_is_no_noise(tmp_path, word):
    result = invoke("generate", tmp_path, "--noise", word)
    assert result.exit_code == 2
    assert word in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scale", [0, -1, 0.001, 13, "nan", "inf"])
def test_a_scale_that_cannot_be_drawn(tmp_path, scale):
    result = invoke("generate", tmp_path, "--scale", scale)
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("night", [-1, 100_000])
def test_a_night_that_is_none(tmp_path, night):
    assert invoke("generate", tmp_path, "--night", night).exit_code == 2


def test_no_invented_delivery_in_another_county(tmp_path):
    create_workspace(tmp_path, code="330781", name="某市", crs="EPSG:4549")
    before = files(tmp_path)
    for command in ("generate", "demo"):
        result = invoke(command, tmp_path, "--scale", SCALE)
        assert result.exit_code == 2
        assert "330781" in result.output
    assert files(tmp_path) == before


def test_deliveries_of_somebody_else_are_not_touched(tmp_path):
    own = tmp_path / "inbox" / "2026-06-30"
    own.mkdir(parents=True)
    (own / "宗地.csv").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        make_county(tmp_path, scale=SCALE)
    assert caught.value.code == "generate.not_generated"
    assert [path.name for path in own.iterdir()] == ["宗地.csv"]


def test_a_failed_generation_leaves_nothing(tmp_path, monkeypatch):
    def fail(draft: Path, **_options: object) -> None:
        (draft / "inbox" / "2026-06-30").mkdir(parents=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "generate", fail)
    with pytest.raises(SettingsError) as caught:
        make_county(tmp_path / "new", scale=SCALE)
    assert caught.value.code == "generate.not_writable"
    assert not list((tmp_path / "new").iterdir())


def test_a_killed_generation_leaves_no_deliveries_and_can_be_repeated(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from pipeline import demo\n"
        "real = demo.generate\n"
        "def killed(draft, **options):\n"
        "    real(draft, **options)\n"
        "    os.kill(os.getpid(), 9)\n"
        "demo.generate = killed\n"
        f"demo.make_county(pathlib.Path(sys.argv[1]), scale={SCALE})\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert [path.name.startswith(".") for path in tmp_path.iterdir()] == [True]
    other = tmp_path / f"{demo._DRAFT}{os.getppid()}"
    other.mkdir()
    make_county(tmp_path, scale=SCALE)
    left = {path.name for path in tmp_path.iterdir()}
    # the draft of a process that is alive is not ours to remove
    assert left == {"generated.json", "inbox", "truth", other.name}


def test_a_damaged_record_is_named(tmp_path):
    (tmp_path / "generated.json").write_text("{", encoding="utf-8")
    result = invoke("generate", tmp_path)
    assert result.exit_code == 3
    assert "generated.json" in result.output


def test_a_demo_goes_on_where_it_is(tmp_path):
    first = make_demo(tmp_path, scale=SCALE, seed=3)
    assert (tmp_path / "diqi.toml").is_file()
    again = make_demo(tmp_path, scale=None, seed=None)
    assert again == first
