"""The committed reference pages are what docs/reference/build.py makes of the configuration."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import pipeline

FOLDER = Path(pipeline.__file__).parents[1] / "docs" / "reference"


def load_build():
    spec = importlib.util.spec_from_file_location("reference_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_build()


@pytest.mark.parametrize("name", ["settings.md", "feeds.md", "layers.md", "rules.md"])
def test_committed_page_is_what_make_docs_writes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == build.pages()[name], "run make docs"


def test_no_page_is_left_untested() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == set(build.pages())


def test_a_comment_serves_all_settings_below_it() -> None:
    notes = build.setting_notes(
        "[a]\n# first\n# line\nx = 1\ny = 2\n# other [docs/sources.md, 1.2]\nz = 3\n"
    )
    assert notes == {("a", "x"): "first line", ("a", "y"): "first line", ("a", "z"): "other"}


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        ("mu [docs/sources.md, 1.2]", "mu"),
        ("people [docs/sources.md, 1.3, default chosen]", "people *[default chosen]*"),
        ("codes [docs/sources.md, FH 3]", "codes"),
        ("plain", "plain"),
    ],
)
def test_working_papers_are_left_out(comment: str, said: str) -> None:
    assert build.without_papers(comment) == said


def test_every_table_of_a_rule_set_is_described() -> None:
    named = {name.split(".")[0] for name, _ in build.RULE_TABLES}
    tables = {
        name
        for name, field in build.RuleSet.model_fields.items()
        if "table" in build.value_words(field)
    }
    assert tables == named
