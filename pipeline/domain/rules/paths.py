"""Single values of a rule set by their paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.domain.rules.schema import RuleSet

Tables = dict[str, Any]


def set_value(tables: Tables, path: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    """Set one value by its path: names of tables, or numbers from 0 in lists, between dots.

    Shape:  tables, changed in place; a path; a value, which is copied.
    Units:  none.
    CRS:    none (no geometry).
    Errors: KeyError with the part of the path that leads through something that is no table.
    Source: docs/how-to-write-rules.md.
    """
    *parents, last = path.split(".")
    at: Any = tables
    for part in parents:
        if isinstance(at, list):
            if not part.isdigit() or int(part) >= len(at):
                raise KeyError(part)
            at = at[int(part)]
        elif isinstance(at, dict):
            at = at.setdefault(part, {})
        else:
            raise KeyError(part)
    if isinstance(at, list) and last.isdigit() and int(last) < len(at):
        at[int(last)] = copied(value)
    elif isinstance(at, dict):
        at[last] = copied(value)
    else:
        raise KeyError(last)


def copied(value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    """A value of TOML that shares no table and no list with another."""
    if isinstance(value, Mapping):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [copied(part) for part in value]
    return value


def with_changes(rules: RuleSet, changes: Mapping[str, Any]) -> RuleSet:
    """The rule set with other values.

    Shape:  a rule set and values by their paths in; a rule set out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: KeyError on a path that leads nowhere, pydantic's ValidationError on a wrong value.
    Source: docs/how-to-write-rules.md.
    """
    tables = copied(rules.model_dump(exclude_unset=True))
    for path, value in changes.items():
        set_value(tables, path, value)
    return RuleSet.model_validate(tables)
