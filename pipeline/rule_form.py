"""The form of a rule set: an ``.xlsx`` in which an office fills in what no published paper states."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FilledForm:
    """What a form says: of which rule set, and values by their paths."""

    rule_set: str
    values: dict[str, Any] = field(default_factory=dict)


def read_form(path: Path) -> FilledForm:
    """Read a form."""
    raise NotImplementedError(path)
