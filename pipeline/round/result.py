"""The result that follows from inputs and rules, and from nothing else: no database, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pandas as pd

from pipeline.domain.rules.engine import Outcome, grade_units, set_standards
from pipeline.domain.rules.facts import read_facts
from pipeline.domain.rules.schema import MU_PER_M2, RuleSet
from pipeline.domain.rules.trace import Entry, plain, trace_of
from pipeline.round.inputs import Inputs, Row, canonical
from pipeline.steps.grade_units import rounded

# The lists of an announcement and of an issued result, in their order.
LISTS: Final = ("ABOVE", "BELOW_GE3", "BELOW_LT3", "TENANT_ONLY")
TRANSITION: Final = "TRANSITION"
UNIT_COLUMNS: Final = (
    "unit_code",
    "kind",
    "eval_category",
    "eval_state",
    "state_reason",
    "township_code",
    "eval_area_m2",
    "score",
    "bonus",
    "total",
    "initial_grade",
    "adjusted_grade",
    "official_grade",
    "decided_grade",
    "grade",
    "grade_source",
    "obstacle",
    "trace",
)
MEMBER_COLUMNS: Final = ("unit_code", "enterprise_code", "name", "township_code", "list")
LINK_COLUMNS: Final = ("enterprise_code", "parcel_code", "role", "allocated_m2")
STANDARD_COLUMNS: Final = ("kind", "scale", "name", "group_key", "value", "unit_count")
# What is issued, by table: columns, and how many of the first are the key.
ISSUED: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "issued_unit": (UNIT_COLUMNS, 1),
    "issued_member": (MEMBER_COLUMNS, 2),
    "issued_link": (LINK_COLUMNS, 3),
    "issued_standard": (STANDARD_COLUMNS, 4),
}
Result = dict[str, list[Row]]


@dataclass(frozen=True)
class Said:
    """What is known of the grade of a unit."""

    adjusted: str | None
    official: str | None
    decided: str | None


def issued_grade(said: Said, eval_state: str) -> tuple[str | None, str | None]:
    """The grade that is issued, and where it is from: a person, else the rules, else the office.

    A unit that is not evaluated has none but what a person decided.

    Shape:  what is known of one unit in; grade and source out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 1.6 (manual adjustment last).
    """
    if said.decided is not None:
        return said.decided, "decision"
    if eval_state == "evaluated":
        if said.adjusted is not None:
            return said.adjusted, "computed"
        if said.official is not None:
            return said.official, "official"
    return None, None


def list_of(
    unit: Mapping[str, Any], grade: str | None, member: Mapping[str, Any], inputs: Inputs
) -> str:
    """The list that names an enterprise; '' where none does.

    An enterprise of a parcel evaluation stands in the list of its own class: 规上, without land of its own,
    else by the land of the unit.

    Shape:  kind, eval_category, eval_state and eval_area_m2 of the unit, its grade, is_above and has_own_land
            of the member in; a list out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 1.2 (four lists); transition units are in none, default chosen.
    """
    if unit["eval_state"] == "transition":
        return TRANSITION if inputs.list_transition else ""
    if grade is None:
        return ""
    if unit["kind"] == "enterprise" and unit["eval_category"] in LISTS:
        return str(unit["eval_category"])
    if member["is_above"]:
        return "ABOVE"
    if not member["has_own_land"]:
        return "TENANT_ONLY"
    is_large = unit["eval_area_m2"] * MU_PER_M2 >= inputs.threshold_mu
    return "BELOW_GE3" if is_large else "BELOW_LT3"


def result_of(inputs: Inputs, rules_text: str) -> Result:
    """Everything that is issued: units, members, links and standards, as rows of texts.

    Shape:  inputs and the text of a rule set ('' for official results alone) in; rows by the names of
            ``ISSUED``, in the order of their keys, out; numbers are texts.
    Units:  points; m2.
    CRS:    none (no geometry).
    Errors: pydantic's where the text is no rule set; KeyError on one that ``problems`` refuses.
    Source: docs/how-to-run-a-round.md.
    """
    outcome = _outcome(inputs, rules_text)
    said = _by(inputs.frame("said"), "unit_code")
    decided = _by(inputs.frame("decision"), "enterprise_code")
    members: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(inputs.frame("member")):
        members.setdefault(row["unit_code"], []).append(row)
    column, trace = _columns(outcome, inputs)
    units: list[Row] = []
    named: list[Row] = []
    for place, unit in enumerate(rows_of(inputs.frame("unit"))):
        code = unit["unit_code"]
        known = said.get(code, {})
        own = {name: values[place] for name, values in column.items()}
        grades = Said(
            own["adjusted_grade"], known.get("official_grade"), known.get("decided_grade")
        )
        grade, source = issued_grade(grades, unit["eval_state"])
        entries = [*trace[place]]
        if grades.decided is not None:
            before = grades.adjusted if grades.adjusted is not None else grades.official
            entries += _decisions(grades.decided, before, members.get(code, []), decided)
        row = {
            **unit,
            **own,
            "eval_area_m2": _number(unit["eval_area_m2"]),
            "official_grade": grades.official,
            "decided_grade": grades.decided,
            "grade": grade,
            "grade_source": source,
            "trace": canonical(entries),
        }
        units.append(tuple(row[name] for name in UNIT_COLUMNS))
        for member in members.get(code, []):
            of_member = {**member, "list": list_of(unit, grade, member, inputs)}
            named.append(tuple(of_member[name] for name in MEMBER_COLUMNS))
    links = [(*row[:-1], _number(row[-1])) for row in inputs.frame("link").itertuples(False, None)]
    standards = [] if outcome is None else _standard_rows(outcome)
    return {
        "issued_unit": sorted(units, key=_key(1)),
        "issued_member": sorted(named, key=_key(2)),
        "issued_link": sorted(links, key=_key(3)),
        "issued_standard": sorted(standards, key=_key(4)),
    }


def result_hash(result: Result) -> str:
    """The hash of what is issued: of one line of JSON per row, table by table.

    Shape:  a result in; 64 characters out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/decisions/0020-a-round-is-frozen-with-its-evidence.md.
    """
    digest = hashlib.sha256()
    for line in lines_of(result):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def lines_of(result: Result) -> Iterator[str]:
    """One line of JSON per row, table by table.

    Shape:  a result in; lines out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    for table in ISSUED:
        for row in result[table]:
            yield canonical([table, *row])


def _outcome(inputs: Inputs, rules_text: str) -> Outcome | None:
    if not rules_text:
        return None
    facts = read_facts(RuleSet.model_validate_json(rules_text), inputs.evidence)
    given = inputs.standards
    return grade_units(facts, set_standards(facts) if given is None else given)


def _columns(
    outcome: Outcome | None, inputs: Inputs
) -> tuple[dict[str, list[Any]], list[list[Entry]]]:
    """Scores and grades of each unit, and its trace."""
    names = ("score", "bonus", "total", "initial_grade", "adjusted_grade", "obstacle")
    if outcome is None:
        size = len(inputs.tables["unit"])
        return {name: [None] * size for name in names}, [[] for _ in range(size)]
    bonus = outcome.bonus.copy()
    bonus[pd.isna(outcome.total)] = None
    column: dict[str, list[Any]] = {
        "score": [_number(one) for one in rounded(outcome.score)],
        "bonus": [_number(one) for one in rounded(bonus)],
        "total": [_number(one) for one in rounded(outcome.total)],
        "initial_grade": list(outcome.initial),
        "adjusted_grade": list(outcome.grade),
        "obstacle": list(outcome.obstacle),
    }
    return column, trace_of(outcome, None, inputs.frame("figure_record"))


def _standard_rows(outcome: Outcome) -> list[Row]:
    table = outcome.standards.table()[list(STANDARD_COLUMNS)]
    return [(*row[:4], _number(row[4]), int(row[5])) for row in table.itertuples(False, None)]


def _decisions(
    grade: str, before: object, members: list[dict[str, Any]], decided: Mapping[str, dict[str, Any]]
) -> list[Entry]:
    """What people decided of the members of a unit, with who did it, when and why."""
    return [
        {
            "stage": "decision",
            "rule": "",
            "before": before,
            "after": grade,
            "inputs": {
                "enterprise_code": act["enterprise_code"],
                "author": act["author"],
                "entered_on": plain(act["entered_on"]),
                "reason": act["reason"],
            },
            "records": [{"feed": "evaluation_decision", "key": str(act["decision_id"])}],
            "standard": None,
            "source": "",
            "sentence": "",
        }
        for member in members
        if (act := decided.get(member["enterprise_code"])) is not None
    ]


def _number(value: Decimal | None) -> str | None:
    """A number as PostgreSQL writes it."""
    if value is None:
        return None
    words = format(value, "f")
    return words.removeprefix("-") if not value else words


def _key(size: int) -> Callable[[Row], list[str]]:
    return lambda row: [str(value) for value in row[:size]]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame by the names of its columns, each value the object that it is.

    Shape:  a frame of n rows in; n mappings out.
    Units:  as in the frame.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(False, None)]


def _by(frame: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows_of(frame)}
