"""What the documentation names is there: files, pictures, commands and their options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from pipeline.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/bench/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# at the start of a line, after a pipe or semicolon, or in $(…)
COMMAND = re.compile(
    r"(?:^|[|;&(] ?)(?:\.venv/bin/)?diqi ([a-z-]+(?: [^|;&)\n#`>]*)?)", re.MULTILINE
)
GROUPS = {"server", "office", "review", "round", "rules"}
OPTION = re.compile(r"(?<!\S)--?[a-z][a-z-]*")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def commands() -> dict[str, set[str]]:
    """The options of each command; those of a group by two words."""
    found: dict[str, set[str]] = {}

    def gather(command: Any, words: tuple[str, ...]) -> None:
        options = {name for parameter in command.params for name in parameter.opts}
        found[" ".join(words)] = options | {"--help"}
        for name, child in getattr(command, "commands", {}).items():
            gather(child, (*words, name))

    gather(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize("page", names(PAGES))
def test_what_a_page_links_to_is_there(page: str) -> None:
    path = ROOT / page
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / unquote(target)).exists(), target


def test_each_picture_is_shown_somewhere() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in LINK.findall(page.read_text(encoding="utf-8"))
    }
    assert set((ROOT / "docs" / "images").iterdir()) <= shown


@pytest.mark.parametrize("page", names(PAGES))
def test_commands_and_options_exist(page: str) -> None:
    known = commands()
    for block in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        for line in COMMAND.findall(block):
            words = line.split()
            name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
            assert name in known, f"diqi {line}"
            unknown = set(OPTION.findall(line)) - known[name]
            assert not unknown, f"diqi {line}: {unknown}"
