"""Watching a program does not stumble over processes that end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import measure
import pytest


def test_a_process_may_end_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_path: Path, _pattern: str) -> list[Path]:
        raise FileNotFoundError("the process has ended")

    monkeypatch.setattr(Path, "glob", gone)
    assert measure._tree(os.getpid()) == [os.getpid()]


def test_a_program_and_its_children_are_measured() -> None:
    child = "import time; kept = bytearray(60_000_000); time.sleep(0.4)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = measure.measure(
        [sys.executable, "-c", program], server_pid=None, environment=dict(os.environ)
    )
    assert found.seconds >= 0.4
    assert found.client_bytes > 60_000_000


def test_a_program_that_fails_says_so() -> None:
    with pytest.raises(measure.ProgramFailedError, match="ended with 3"):
        measure.measure(
            [sys.executable, "-c", "raise SystemExit(3)"],
            server_pid=None,
            environment=dict(os.environ),
        )
