"""Which part of the package may import which: the dependency rule of the design."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pipeline

PACKAGE = Path(pipeline.__file__).parent

# Each part and what it may import besides itself; parts not named may import all but the cli.
MAY_IMPORT = {
    "domain": set(),
    "feeds": {"domain", "errors", "settings", "_paths", "threads"},
    "outputs": {"domain", "errors", "settings", "_paths", "messages", "threads"},
    "steps": {
        "feeds",
        "outputs",
        "domain",
        "database",
        "copying",
        "errors",
        "settings",
        "_paths",
        "messages",
    },
}
MAY_IMPORT_CLI = {"cli", "__main__"}


def imported_modules(path: Path, package: Path) -> set[str]:
    """Dotted names that a module imports, relative ones resolved."""
    here = [package.name, *path.relative_to(package).with_suffix("").parts]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: -node.level] if node.level else []
            base = [*base, *([node.module] if node.module else [])]
            # what is imported may itself be a module
            found.update(".".join([*base, alias.name]) for alias in node.names)
    return found


def broken_rules(package: Path) -> list[str]:
    """Imports against the rule, as ``module imports module``."""
    broken = []
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        part = relative.with_suffix("").parts[0]
        for name in sorted(imported_modules(path, package)):
            first, *rest = name.split(".")
            if first != package.name or not rest:
                continue
            other = rest[0]
            allowed = other == part or other in MAY_IMPORT.get(part, {other})
            if other == "cli" and part not in MAY_IMPORT_CLI:
                allowed = False
            if not allowed:
                broken.append(f"{relative.as_posix()} imports {other}")
    return broken


def test_parts_import_only_what_they_may() -> None:
    assert broken_rules(PACKAGE) == []


def test_the_parts_of_the_rule_exist() -> None:
    assert set(MAY_IMPORT) <= {path.name for path in PACKAGE.iterdir() if path.is_dir()}


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("domain/codes.py", "import re\nfrom pipeline.domain.text import fold", []),
        ("domain/codes.py", "from .text import fold", []),
        ("domain/codes.py", "from pipeline.errors import DiqiError", ["errors"]),
        ("domain/codes.py", "from ..errors import DiqiError", ["errors"]),
        ("domain/codes.py", "from .. import database", ["database"]),
        ("domain/codes.py", "def f():\n    import pipeline.settings as s", ["settings"]),
        ("domain/__init__.py", "from . import codes", []),
        ("domain/__init__.py", "from .. import feeds", ["feeds"]),
        ("feeds/tables.py", "from pipeline import domain, errors, settings", []),
        ("feeds/tables.py", "from pipeline import database, outputs", ["database", "outputs"]),
        ("feeds/tables.py", "from pipeline.steps import STEPS", ["steps"]),
        ("outputs/excel.py", "from pipeline.feeds import tables", ["feeds"]),
        ("steps/load_feeds.py", "from pipeline import database, domain, feeds, outputs", []),
        ("steps/load_feeds.py", "from pipeline.run import run", ["run"]),
        ("run.py", "from pipeline import database, steps", []),
        ("run.py", "from pipeline.cli import app", ["cli"]),
        ("cli/runs.py", "from pipeline import run, server, steps, settings", []),
        ("cli/runs.py", "from pipeline.cli.common import guarded", []),
        ("outputs/console.py", "from pipeline.cli.common import console", ["cli"]),
        ("__main__.py", "from pipeline.cli import app", []),
        ("feeds/tables.py", "import pandas\nimport pipelines.other", []),
    ],
)
def test_the_rule_is_noticed(tmp_path: Path, module: str, source: str, broken: list[str]) -> None:
    path = tmp_path / "pipeline" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    assert broken_rules(tmp_path / "pipeline") == [f"{module} imports {other}" for other in broken]
