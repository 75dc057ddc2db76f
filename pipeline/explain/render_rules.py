"""The evaluation by rules as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from pipeline.explain.book import Story
from pipeline.explain.page import Page, label, say, word
from pipeline.messages import both

_STEP = Decimal("0.0001")
# A figure of money is told in 万元 from here on, yuan.
_WAN = Decimal(10_000)


def render_rules(page: Page, stories: list[Story]) -> None:
    """Tell how the rule set graded the units of an enterprise.

    Shape:  a page, and stories of ``pipeline.explain.rules.by_rules`` in; lines on the page.
    Units:  points to four digits; money in 万元.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 7; texts in config/messages/explain.zh.toml.
    """
    page.section("rules", is_empty=not stories)
    for story in stories:
        page.line(f"{story['unit_code']} · {story['title_zh']} {story['title_en']}")
        for row in story["transitions"]:
            _transition(page, row)
        if story.get("obstacle"):
            page.line(word("obstacle", story["obstacle"]), 2)
            for path, paper in story["papers"]:
                page.line(say("explain.paper", path=path, paper=paper), 3)
        _values(page, story["values"])
        for entry in story["trace"]:
            if entry["stage"] != "score":
                _entry(page, entry, story)
        if story.get("total") is not None:
            page.line(
                say(
                    "explain.total",
                    score=_number(story["score"]),
                    bonus=_number(story["bonus"]),
                    total=_number(story["total"]),
                    initial=story["initial_grade"] or "–",
                    adjusted=story["adjusted_grade"] or "–",
                ),
                2,
            )
        for row in story["decisions"]:
            kind = word("evaluation_decision_kind", row["kind"])
            page.line(f"{kind}: {row['value']} · {say('explain.decision', **row)}", 2)
        for row in story["uses"]:
            rate = "" if row["rate"] is None else f" · {_number(row['rate'])}"
            because = "" if row["because"] is None else f" ({row['because']})"
            state = word("use_state", row["state"])
            page.line(
                f"{row['rule']} {row['title_zh']} {row['title_en']}: {state}{because}{rate}", 2
            )
            _paper(page, row)
        for row in story["needed"]:
            _needed(page, row, story)


def _transition(page: Page, row: Story) -> None:
    state = word("transition_state", "in_force" if row["is_in_force"] else "over")
    takes = word("transition_takes", row["takes"])
    page.line(
        f"{row['rule']} {row['title_zh']} {row['title_en']}: "
        f"{row['valid_from']} – {row['valid_to']} · {state} · {takes}",
        2,
    )
    if row["is_beyond_bound"]:
        page.line(say("explain.beyond_bound"), 3)
    elif row["is_upper_bound"] and row["is_in_force"]:
        page.line(say("explain.upper_bound"), 3)
    _paper(page, row)
    page.evidence(row["records"], 3)


def _values(page: Page, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        told = [f"{row['title_zh']} {row['title_en']}"]
        told.append(f"{label('value')} {_number(row['value'], row['digits'])}")
        if row["ratio"] is not None:
            told.append(f"{label('ratio')} {_number(row['ratio'])}")
        if row["weight"] is not None:
            told.append(f"{label('weight')} {_number(row['weight'])}")
        if row["points"] is not None:
            told.append(f"{label('points')} {_number(row['points'])}")
        page.line(" · ".join(told), 2)


def _entry(page: Page, entry: dict[str, Any], story: Story) -> None:
    stage = word("rule_stage", entry["stage"])
    before, after = _number(entry["before"]), _number(entry["after"])
    if entry["stage"] == "grade":
        grade = entry["rule"].rsplit(".", 1)[1]
        if entry["standard"] is None:
            page.line(f"{stage}: {say('explain.rest', grade=grade, total=before)}", 2)
        else:
            cut = _number(entry["standard"])
            page.line(f"{stage}: {say('explain.cut', grade=grade, total=before, cut=cut)}", 2)
        return
    named = f"{entry['rule']} {entry['title_zh']} {entry['title_en']}"
    page.line(f"{stage}: {named}: {before} → {after}", 2)
    for name, value in entry["inputs"].items():
        if value is not None and value is not False:
            page.line(f"{' '.join(_fact(story, name))}: {_amount(story, name, value)}", 3)
    _paper(page, entry)
    # several figures may be cells of one row
    sources = {str(record["source"]): record["source"] for record in entry["records"]}
    for source in sources.values():
        page.source(source, 3)


def _paper(page: Page, row: dict[str, Any]) -> None:
    if row["sentence"]:
        page.line(f"“{row['sentence']}” {row['source']}", 3)


def _needed(page: Page, row: dict[str, Any], story: Story) -> None:
    """What another grade would have taken."""
    grade = row["grade"]
    if row["points"] is not None and Decimal(row["points"]) > 0:
        missing = _up(Decimal(row["points"]))
        page.line(
            _told("explain.needed_points", grade=grade, cut=_number(row["cut"]), points=missing), 2
        )
    elif row["cut"] is not None and "cut_indicator" in row:
        numbers = {"cut": _number(row["cut"]), "value": _number(row["value"])}
        indicator = _fact(story, row["cut_indicator"])
        page.line(_told("explain.needed_value", grade=grade, indicator=indicator, **numbers), 2)
    else:
        page.line(_told("explain.needed", grade=grade), 2)
    for one in row["figures"]:
        more = _in_unit(Decimal(one["more"]), one["unit"])
        page.line(_told("explain.needed_figure", figure=_fact(story, one["figure"]), more=more), 3)
    for rule in row["rules"]:
        lacks = _joined("；", "; ", _conditions(story, rule["lacks"]))
        page.line(
            f"{rule['rule']} {rule['title_zh']}：{lacks[0]} / {rule['title_en']}: {lacks[1]}", 3
        )


# A text in Chinese and the same in English.
_Pair = tuple[str, str]


def _told(code: str, **params: str | _Pair) -> str:
    """A sentence in both languages, each with its own words."""
    zh: dict[str, object] = {
        name: value if isinstance(value, str) else value[0] for name, value in params.items()
    }
    en: dict[str, object] = {
        name: value if isinstance(value, str) else value[1] for name, value in params.items()
    }
    return f"{both(code, zh)[0]} / {both(code, en)[1]}"


def _pair(code: str, **params: str | _Pair) -> _Pair:
    zh, en = _told(code, **params).split(" / ", 1)
    return zh, en


def _joined(comma: str, other: str, pairs: Iterable[_Pair]) -> _Pair:
    found = list(pairs)
    return comma.join(zh for zh, _ in found), other.join(en for _, en in found)


def _conditions(story: Story, lacks: Iterable[dict[str, Any]]) -> list[_Pair]:
    told = []
    for one in lacks:
        if "any" in one:
            what = _joined("、", ", ", (_fact(story, part["fact"]) for part in one["any"]))
            told.append(_pair("explain.any_of", what=what))
        elif one["sign"] in {"is", "in"}:
            told.append(_pair("explain.lacks_fact", fact=_fact(story, one["fact"])))
        else:
            bound, has = _amount(story, one["fact"], one["bound"]), ("无", "unknown")
            told.append(
                _pair(
                    "explain.lacks_bound",
                    fact=_fact(story, one["fact"]),
                    sign=_SIGNS[one["sign"]],
                    bound=bound,
                    has=has if one["has"] is None else _amount(story, one["fact"], one["has"]),
                )
            )
    return told


_SIGNS = {">=": "≥", ">": ">", "<=": "≤", "<": "<"}


def _fact(story: Story, name: str) -> _Pair:
    """The name of a fact in both languages."""
    found = story.get("facts", {}).get(name)
    if found and found["title_zh"]:
        return found["title_zh"], found["title_en"]
    for row in story["values"]:
        if row["indicator"] == name.removeprefix("indicator:"):
            return row["title_zh"], row["title_en"]
    zh, en = both(f"label.fact.{name}", {})
    return zh, en


def _amount(story: Story, name: str, value: object) -> str:
    unit = story.get("facts", {}).get(name, {}).get("unit", "")
    if isinstance(value, bool):
        return label("yes" if value else "no")
    if unit:
        return _in_unit(Decimal(str(value)), unit)
    return _number(value)


def _in_unit(value: Decimal, unit: str) -> str:
    if unit == "yuan":
        return f"{_number(value / _WAN, 2)} 万元"
    return f"{_number(value, 2)} {word('indicator_unit', unit)}"


def _number(value: object, digits: int = 4) -> str:
    """A number as people read it; words stay words."""
    if value is None:
        return "–"
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return str(value)
    text = format(number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP), ",f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _up(value: Decimal) -> str:
    """What is missing is never told as less than it is."""
    told = value.quantize(_STEP, ROUND_DOWN)
    return _number(told if told == value else told + _STEP)
