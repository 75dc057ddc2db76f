"""The tutorial does what it says: its commands run in order, and print what stands below them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import NEEDS_POSTGRES

from pipeline.server import PrivateServer

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "end of block"


pytestmark = NEEDS_POSTGRES


def read_blocks() -> list[tuple[str, list[str]]]:
    """The commands of each ``sh`` block, with the ``text`` blocks that stand below it."""
    blocks: list[tuple[str, list[str]]] = []
    for language, content in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")):
        if language == "sh":
            blocks.append((content, []))
        else:
            blocks[-1][1].append(content)
    return blocks


def squeezed(text: str) -> str:
    return " ".join(text.split())


def first_missing(shown: str, printed: str) -> str | None:
    """The first piece of what is shown that was not printed, in this order; … is anything."""
    position = 0
    for piece in map(squeezed, shown.split("…")):
        found = printed.find(piece, position)
        if found < 0:
            return piece
        position = found + len(piece)
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("diqi", "python"):
        command = {"diqi": f'"{sys.executable}" -m pipeline.cli', "python": f'"{sys.executable}"'}
        file = tmp_path / ".venv" / "bin" / name
        file.write_text(f'#!/bin/sh\nexec {command[name]} "$@"\n', encoding="utf-8")
        file.chmod(0o755)
    yield tmp_path
    if (tmp_path / "demo-county").exists():
        PrivateServer(tmp_path / "demo-county").remove()


def test_the_commands_print_what_the_tutorial_shows(folder: Path) -> None:
    blocks = read_blocks()
    # what `make run` does when all is installed
    assert blocks[0][0] == "make run\n"
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "DEMO   := demo-county\n" in recipe
    assert "\n\t.venv/bin/diqi demo $(DEMO)\n" in recipe
    commands = [".venv/bin/diqi demo demo-county\n", *(content for content, _ in blocks[1:])]
    script = folder / "tutorial.sh"
    script.write_text(
        "shopt -s expand_aliases\n" + "".join(f"{block}echo '{END}'\n" for block in commands),
        encoding="utf-8",
    )
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("DIQI_", "PG"))}
    done = subprocess.run(
        ["bash", str(script)],
        cwd=folder,
        env={**environment, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    outputs = done.stdout.split(f"{END}\n")
    (folder / "tutorial.log").write_text(done.stdout, encoding="utf-8")
    assert len(outputs) == len(blocks) + 1, done.stdout
    for (content, shown), printed in zip(blocks, outputs, strict=False):
        assert "Traceback" not in printed, printed
        for text in shown:
            missing = first_missing(text, squeezed(printed))
            assert missing is None, f"{content}\nprinted:\n{printed}\nbut not:\n{missing}"
