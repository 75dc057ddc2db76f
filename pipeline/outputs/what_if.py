"""What other rules would change, and where computed and official grades part: terminal and workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from rich.console import Console

from pipeline.messages import both
from pipeline.outputs._files import whole_file
from pipeline.outputs.console import show_table
from pipeline.outputs.sheets import write_cell
from pipeline.outputs.tables import read_codes

_HEAD: Final = PatternFill("solid", fgColor="E9EDF2")
_GROUPS: Final = {
    "category": ("按类别", "by category"),
    "township": ("按镇街", "by township"),
    "industry": ("按行业大类", "by industry division"),
}
_MOVES: Final = {
    "unit_code": ("评价单元", "unit"),
    "name": ("名称", "name"),
    "township_name": ("镇街", "township"),
    "eval_category": ("类别", "category"),
    "industry_division": ("行业大类", "industry"),
    "grade_a": ("原档次", "before"),
    "grade_b": ("新档次", "after"),
    "score_a": ("原得分", "score before"),
    "score_b": ("新得分", "score after"),
    "state_a": ("原状态", "state before"),
    "state_b": ("新状态", "state after"),
    "rule": ("新规则中的调档", "moved by"),
}
_PARTED: Final = {
    "unit_code": ("评价单元", "unit"),
    "name": ("名称", "name"),
    "township_code": ("镇街代码", "township"),
    "eval_category": ("类别", "category"),
    "official_score": ("正式得分", "official score"),
    "computed_score": ("计算得分", "computed score"),
    "official_grade": ("正式档次", "official"),
    "initial_grade": ("初评", "first"),
    "adjusted_grade": ("计算档次", "computed"),
    "parts_at": ("首处分歧", "parts at"),
}
_WORDS: Final = {
    "eval_category": "eval_category",
    "state_a": "eval_state",
    "state_b": "eval_state",
}
# As many moves as a person reads on a terminal; the workbook has all.
_SHOWN: Final = 20
Row = Mapping[str, Any]


def show_what_if(console: Console, found: Mapping[str, Any]) -> None:
    """Print what another rule set would change: grades, groups, the first of the moves.

    Shape:  what ``pipeline.what_if.WhatIf.as_dict`` gave in; lines on the console.
    Units:  units of evaluation.
    CRS:    none.
    Errors: none.
    Source: docs/how-to-write-rules.md.
    """
    _say(
        console,
        "rules.what_if_head",
        **{key: found[key] for key in ("a", "b", "year", "moved", "total")},
    )
    counts = [
        (grade, str(row["a"]), str(row["b"]), f"{row['b'] - row['a']:+d}")
        for grade, row in found["counts"].items()
    ]
    heads = [("档次", "grade"), ("原", "before"), ("新", "after"), ("增减", "change")]
    show_table(console, "各档单元数 Units by grade", heads, counts)
    for group, title in _GROUPS.items():
        rows = _group_rows(found["groups"][group], group)
        if rows:
            heads = [title, ("升", "up"), ("降", "down"), ("其他", "other")]
            show_table(console, " ".join(title), heads, rows)
    if found["moves"]:
        names = ("unit_code", "name", "township_name", "grade_a", "grade_b", "score_a", "score_b")
        rows = [tuple(_shown(name, row[name]) for name in names) for row in found["moves"][:_SHOWN]]
        heading = (
            f"变动的单元 Units that move ({min(_SHOWN, len(found['moves']))}/{len(found['moves'])})"
        )
        show_table(console, heading, [_MOVES[name] for name in names], rows)


def write_what_if(path: Path, found: Mapping[str, Any]) -> None:
    """Write the same as a workbook: every move, and the counts by group.

    Shape:  the target, and what ``pipeline.what_if.WhatIf.as_dict`` gave in; a workbook out.
    Units:  units of evaluation; points.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-write-rules.md.
    """
    params = {key: found[key] for key in ("a", "b", "year", "moved", "total")}
    summary: list[Sequence[object]] = [
        (grade, row["a"], row["b"], row["b"] - row["a"]) for grade, row in found["counts"].items()
    ]
    book = Workbook(write_only=False)
    book.remove(book.worksheets[0])
    heads = [("档次", "grade"), ("原", "before"), ("新", "after"), ("增减", "change")]
    _fill(book, "汇总", "\n".join(both("rules.what_if_head", params)), heads, summary)
    for group, title in _GROUPS.items():
        heads = [title, ("升", "up"), ("降", "down"), ("其他", "other")]
        _fill(book, title[0], title[1], heads, _group_rows(found["groups"][group], group))
    rows = [tuple(_shown(name, row[name]) for name in _MOVES) for row in found["moves"]]
    _fill(book, "企业", "units that move", list(_MOVES.values()), rows)
    with whole_file(path) as part:
        book.save(part)


def show_compared(console: Console, rows: Sequence[Row]) -> None:
    """Print where computed and official grades part: counts by rule, the first of the units.

    Shape:  rows of ``pipeline.what_if.compare_official`` in; lines on the console.
    Units:  points.
    CRS:    none.
    Errors: none.
    Source: docs/how-it-decides.md, section 7.
    """
    _say(console, "rules.compared_head", count=len(rows))
    if not rows:
        return
    found: dict[str, int] = {}
    for row in rows:
        found[row["parts_at"]] = found.get(row["parts_at"], 0) + 1
    counts = [(_parting(name), str(count)) for name, count in sorted(found.items())]
    show_table(
        console, "首处分歧 First difference", [_PARTED["parts_at"], ("单元数", "units")], counts
    )
    names = (
        "unit_code",
        "name",
        "official_grade",
        "adjusted_grade",
        "official_score",
        "computed_score",
    )
    shown = [tuple(_shown(name, row[name]) for name in names) for row in rows[:_SHOWN]]
    title = f"评价单元 Units ({min(_SHOWN, len(rows))}/{len(rows)})"
    show_table(console, title, [_PARTED[name] for name in names], shown)


def write_compared(path: Path, rows: Sequence[Row]) -> None:
    """Write the same as a workbook, one line per unit.

    Shape:  the target, and rows of ``pipeline.what_if.compare_official`` in; a workbook out.
    Units:  points.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/how-it-decides.md, section 7.
    """
    book = Workbook()
    book.remove(book.worksheets[0])
    lines = [tuple(_shown(name, row[name]) for name in _PARTED) for row in rows]
    title = "\n".join(both("rules.compared_head", {"count": len(rows)}))
    _fill(book, "与正式结果不同", title, list(_PARTED.values()), lines)
    with whole_file(path) as part:
        book.save(part)


def _fill(
    book: Workbook,
    sheet_name: str,
    title: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[object]],
) -> None:
    sheet = book.create_sheet(sheet_name)
    write_cell(sheet, 1, 1, title).font = Font(bold=True)
    for column, (zh, en) in enumerate(heads, start=1):
        cell = write_cell(sheet, 2, column, f"{zh} {en}")
        cell.font, cell.fill = Font(bold=True), _HEAD
        sheet.column_dimensions[get_column_letter(column)].width = 18
    for number, row in enumerate(rows, start=3):
        for column, value in enumerate(row, start=1):
            write_cell(sheet, number, column, value)
    sheet.freeze_panes = "A3"
    sheet.auto_filter.ref = f"A2:{get_column_letter(len(heads))}{max(3, len(rows) + 2)}"


def _group_rows(rows: Sequence[Row], group: str) -> list[tuple[str, ...]]:
    words = read_codes()["eval_category"] if group == "category" else {}
    return [
        (
            str(words.get(row["name"], row["name"])),
            *(str(row[key]) for key in ("up", "down", "other")),
        )
        for row in rows
    ]


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if name.startswith("score") or name.endswith("_score"):
        return format(Decimal(str(value)).quantize(Decimal("0.0001")), "f")
    if name == "parts_at":
        return _parting(str(value))
    group = _WORDS.get(name)
    return str(read_codes()[group].get(str(value), str(value))) if group else str(value)


def _parting(value: str) -> str:
    zh, en = both(f"parts_at.{value}", {})
    return value if zh == f"parts_at.{value}" else f"{zh} {en}"


def _say(console: Console, code: str, **params: object) -> None:
    for line in both(code, params):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
