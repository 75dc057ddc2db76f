"""Lines of text for a terminal: labels and words in Chinese first, then in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pipeline.explain.book import Story
from pipeline.messages import both

_INDENT: Final = "  "

# Which list of words the values of a column belong to; feed.column where the feed decides.
WORDS: Final[Mapping[str, str]] = {
    "area_kind": "area_kind",
    "change_kind": "change_kind",
    "coverage_state": "coverage_state",
    "delivery_state": "delivery_state",
    "eval_category": "eval_category",
    "eval_state": "eval_state",
    "geometry_kind": "geometry_kind",
    "kind_reason": "kind_reason",
    "lineage_kind": "lineage_kind",
    "link_status": "link_status",
    "match_state": "match_state",
    "method": "method",
    "next_step": "next_action",
    "outcome": "outcome",
    "reason": "reason",
    "reference_area": "reference_area",
    "role": "role",
    "seat_reason": "reason",
    "seat_state": "seat_state",
    "severity": "severity",
    "size_class": "size_class",
    "stage": "stage",
    "state_reason": "state_reason",
    "unit_kind": "unit_kind",
    "area.kind": "area_kind",
    "decision.kind": "decision_kind",
    "decision.reason": "",
    "enterprise.status": "enterprise_status",
    "footprint.kind": "footprint_kind",
    "indicator.indicator": "indicator",
    "indicator.unit": "indicator_unit",
    "layers.township_coverage.kind": "area_kind",
    "land_event.kind": "land_event_kind",
    "policy_return.policy": "policy",
    "recognition.kind": "recognition_kind",
    "recognition.level": "level",
    "right.right_state": "right_state",
    "talent.level": "level",
    "talent.programme": "programme",
}
# A seat's reason is the stage that placed it, where evidence did.
_ELSE: Final = {"reason": "stage"}


def label(code: str) -> str:
    """A short name in both languages.

    Shape:  the part of a message code after ``label.`` in; ``中文 English`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none; a name without text stays as it is.
    Source: config/messages/explain.zh.toml.
    """
    zh, en = both(f"label.{code}", {})
    return code if zh == f"label.{code}" else f"{zh} {en}"


def word(group: str, value: object) -> str:
    """A value of a closed list in both languages.

    Shape:  name of a list and a value in; ``中文 English`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none; a value without text stays as it is.
    Source: config/messages/explain.zh.toml.
    """
    for name in (group, _ELSE.get(group)):
        code = f"{name}.{value}"
        zh, en = both(code, {})
        if zh != code:
            return f"{zh} {en}"
    return str(value)


def say(code: str, /, **params: object) -> str:
    """A sentence in both languages.

    Shape:  a message code and its parameters in; ``中文 / English`` out.
    Units:  those of the parameters.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages.
    """
    zh, en = both(code, params)
    return f"{zh} / {en}"


class Page:
    """Lines of a story, indented by depth."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def title(self, text: str) -> None:
        """The first line."""
        self._lines.append(text)

    def section(self, code: str, *, is_empty: bool = False) -> None:
        """A heading with a blank line above; it says so where nothing follows."""
        zh, en = both(f"section.{code}", {})
        none = f": {label('none')}" if is_empty else ""
        self._lines += ["", f"【{zh}】{en}{none}"]

    def line(self, text: str, depth: int = 1) -> None:
        """A line of text."""
        self._lines.append(f"{_INDENT * depth}{text}")

    def facts(
        self, values: Mapping[str, object], names: Iterable[str], depth: int = 1, feed: str = ""
    ) -> None:
        """One line per value that is there: label and value, closed values as words."""
        for name in names:
            value = values.get(name)
            if value is None or value == "":
                continue
            self.line(f"{field_label(name, feed)}: {field_value(name, value, feed)}", depth)

    def brief(
        self, values: Mapping[str, object], names: Iterable[str], depth: int = 1, feed: str = ""
    ) -> None:
        """The same in one line."""
        self.line(_in_one_line(values, names, feed), depth)

    def source(self, row: Mapping[str, object] | None, depth: int = 1) -> None:
        """The delivered row that something came from."""
        if row is None or row.get("file") is None:
            return
        number = label("carried") if row["row_number"] is None else row["row_number"]
        self.line(
            f"← {row['file']} › {row['layer']} · {label('row_number')} {number} · "
            f"{label('data_date')} {row['data_date']} · "
            f"{label('delivery_id')} {row['delivery_id']}",
            depth,
        )

    def record(self, record: Story) -> None:
        """A record in force: its values, delivered row, corrections and runs."""
        self.facts(record["values"], record["values"], 1, record["feed"])
        self.origin(record, 1)
        self.line(span(record))

    def evidence(self, records: Iterable[Story], depth: int = 2) -> None:
        """Records that something rests on, one line each, with delivered rows and corrections."""
        for record in records:
            feed = record["feed"]
            told = _in_one_line(record["values"], record["values"], feed)
            self.line(f"{word('feed_name', feed)}: {told}", depth)
            self.origin(record, depth + 1)

    def origin(self, record: Story, depth: int) -> None:
        """Delivered row and corrections of a record."""
        self.source(record.get("source"), depth)
        for fix in record.get("corrections", ()):
            said = {name: _shown(fix[name]) for name in fix if name != "answer"}
            self.line(say("explain.correction", **said), depth)
            if fix["answer"]:
                answer = {name: _shown(value) for name, value in fix["answer"].items()}
                code = f"explain.answer_{fix['answer']['answer']}"
                self.line(say(code, **answer), depth + 1)

    def earlier(self, versions: Iterable[Story]) -> None:
        """Versions that are no longer in force."""
        for record in versions:
            self.line(f"{label('earlier_version')} {span(record)}")
            self.facts(record["values"], record["values"], 2, record["feed"])
            self.origin(record, 2)

    def decision(self, row: Mapping[str, object], depth: int = 1) -> None:
        """What a person decided, and why."""
        told = say("explain.decision", **row)
        self.line(f"{word('decision_kind', row['kind'])}: {told}", depth)

    def issues(self, issues: Iterable[Story]) -> None:
        """Problems, with what to do next."""
        found = list(issues)
        self.section("issues", is_empty=not found)
        for issue in found:
            params = {**issue, **issue["params"]}
            severity = word("severity", issue["severity"])
            self.line(f"{severity}: {_message(issue['rule'], params)}")
            self.line(f"→ {_message(issue['rule'] + '.next_step', params)}", 2)
            self.source(issue, 2)


def field_label(name: str, feed: str) -> str:
    """Name of a column, that of the feed before the general one.

    Shape:  column and feed in; ``中文 English`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages/explain.zh.toml.
    """
    own = f"{feed}.{name}"
    found = label(own)
    return label(name) if found == own else found


def field_value(name: str, value: object, feed: str) -> str:
    """A value for people: closed values as words, lists with commas, the rest as it is.

    Shape:  column, value and feed in; one text out.
    Units:  those of the column.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages/explain.zh.toml.
    """
    if isinstance(value, bool):
        return label("yes" if value else "no")
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    group = WORDS.get(f"{feed}.{name}", WORDS.get(name, ""))
    return word(group, value) if group else str(value)


def span(record: Story) -> str:
    """From which run to which a version holds.

    Shape:  a record of ``Book.records`` in; one text out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Design 3 (time: run_id is recorded time).
    """
    first, last = record["from_run"], record["to_run"]
    if last is None:
        return say("explain.in_force", run=first["run_id"], as_of=_shown(first["as_of"]))
    return say(
        "explain.closed",
        run=first["run_id"],
        as_of=_shown(first["as_of"]),
        to_run=last["run_id"],
        to_as_of=_shown(last["as_of"]),
    )


def _in_one_line(values: Mapping[str, object], names: Iterable[str], feed: str) -> str:
    """Labels and values that are there, one after the other."""
    return " · ".join(
        f"{field_label(name, feed)} {field_value(name, values[name], feed)}"
        for name in names
        if values.get(name) not in (None, "")
    )


def _shown(value: object) -> object:
    """A value that is not there as a dash."""
    return "—" if value is None else value


def _message(code: str, params: Mapping[str, object]) -> str:
    return say(code, **{str(name): value for name, value in params.items()})
