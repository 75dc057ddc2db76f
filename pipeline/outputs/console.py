"""What a command prints on the terminal: tables of a run, of the ledger, of the deliveries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import storable
from pipeline.messages import both, shown
from pipeline.outputs.report import mu, pct
from pipeline.outputs.tables import read_codes

# Where there is no terminal: a log, a pipe.
_WIDTH: Final = 120


@dataclass(frozen=True)
class _Column:
    """A column with its Chinese heading over the English one.

    ``least``: how narrow its text may be folded, 0 where it stays on one line. ``rank``: 0 stays;
    of the others the highest goes first where the table is wider than the terminal.
    """

    zh: str
    en: str
    cells: Sequence[str]
    is_number: bool = True
    least: int = 0
    rank: int = 0

    @property
    def width(self) -> int:
        """Cells on the screen that the longest text needs; a Chinese character takes two."""
        return max(map(cell_len, (self.zh, self.en, *self.cells)))

    @property
    def least_width(self) -> int:
        """The same where long text is folded."""
        return min(self.width, self.least) if self.least else self.width


def show_coverage(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the coverage table: areas in mu, ratios as truncated per cent.

    Shape:  rows of derived.township_coverage.
    Units:  area_m2 in, mu out.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 1.8.
    """

    def areas(name: str) -> list[str]:
        return [mu(row[name]) for row in rows]

    columns = [
        _Column("评价单元", "unit", [row["name"] for row in rows], is_number=False, least=14),
        _Column("代码", "code", [row["area_code"] for row in rows], is_number=False, rank=2),
        _Column("底数", "base", areas("base_area_m2")),
        _Column("已关联", "linked", areas("linked_area_m2")),
        _Column("已评价", "evaluated", areas("evaluated_area_m2")),
        _Column("过渡期", "transition", areas("transition_area_m2")),
        _Column("覆盖率", "coverage", [pct(row["coverage_ratio"]) for row in rows]),
        _Column("严格", "strict", [pct(row["strict_ratio"]) for row in rows], rank=1),
        _Column("缺口", "gap", areas("gap_m2")),
    ]
    is_short = [
        row["coverage_ratio"] is not None and row["coverage_ratio"] < row["target_ratio"]
        for row in rows
    ]
    _show(console, "工业用地评价覆盖面（亩） Coverage of industrial land (mu)", columns, is_short)
    if rows:
        target, definition = pct(rows[0]["target_ratio"]), rows[0]["definition"]
        console.print(f"目标 target {target}，口径 definition {definition}", highlight=False)


def show_deliveries(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print deliveries with what became of their rows; a state only where one is not consumed."""
    found = list(rows)
    states = ["" if row["state"] == "consumed" else row["state"] for row in found]

    def counts(name: str) -> list[str]:
        return [str(row[f"{name}_count"]) for row in found]

    columns = [
        _Column("编号", "id", [str(row["delivery_id"] or "-") for row in found]),
        _Column("文件", "file", [row["file"] for row in found], is_number=False, least=24),
        _Column("行数", "rows", counts("row")),
        _Column("新增", "kept", counts("kept")),
        _Column("未变", "unchanged", counts("unchanged")),
        _Column("隔离", "quarantined", counts("quarantined")),
        _Column("数据", "feed", [row["feed"] for row in found], is_number=False, rank=1),
        _Column("日期", "date", [str(row["data_date"]) for row in found], is_number=False, rank=2),
    ]
    if any(states):
        columns.append(_Column("状态", "state", states, is_number=False))
    is_marked = [bool(row["quarantined_count"]) or row["state"] == "refused" for row in found]
    _show(console, "来件 Deliveries", columns, is_marked)


def show_issues(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print issues by rule: how many, and one message."""
    if not rows:
        console.print("数据问题 issues: 0")
        return
    examples = [row["message"].split(" / ")[0] for row in rows]
    columns = [
        _Column("程度", "severity", [row["severity"] for row in rows], is_number=False),
        _Column("规则", "rule", [row["rule"] for row in rows], is_number=False),
        _Column("数量", "n", [str(row["n"]) for row in rows]),
        _Column("例", "example", examples, is_number=False, least=24),
    ]
    _show(console, "数据问题 Issues", columns)


def show_steps(console: Console, steps: Iterable[Mapping[str, Any]]) -> None:
    """Print seconds and rows written per step."""
    found = list(steps)

    def counts(name: str) -> list[str]:
        return [str(sum(table[name] for table in step["tables"].values())) for step in found]

    columns = [
        _Column("步骤", "step", [step["step"] for step in found], is_number=False),
        _Column("秒", "seconds", [f"{step['seconds']:.2f}" for step in found]),
        _Column("增", "inserted", counts("inserted")),
        _Column("改", "updated", counts("updated")),
        _Column("删", "deleted", counts("deleted")),
        _Column("未变", "unchanged", counts("unchanged")),
    ]
    _show(console, "步骤 Steps", columns)


def show_changes(console: Console, change: Mapping[str, Any]) -> None:
    """Print what a run did to the records of each feed, by kind, and the lineage of parcels.

    Shape:  the change of a run's summary.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 4.2.
    """
    codes = read_codes()
    records = change["records"]
    if records:
        columns = [_Column("数据", "feed", list(records), is_number=False)]
        columns += [
            _Column(
                codes["change_kind"][kind],
                kind,
                [str(row.get(kind, 0)) for row in records.values()],
            )
            for kind in ("added", "removed", "attributes", "geometry", "both")
        ]
        _show(console, "本次变化 Changes of records", columns)
    for kind, count in change["lineage"].items():
        console.print(f"宗地{codes['lineage_kind'][kind]} {kind}: {count}", highlight=False)


def history_line(row: Mapping[str, Any]) -> str:
    """One run of the ledger on one line: when, what became of it, what it took in and changed.

    Shape:  a row of ``read_history`` in, one line out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: ops.run_state.
    """
    parts = [
        f"{row['run_id']:>5}",
        str(row["as_of"]),
        f"{row['started_at']:%Y-%m-%d %H:%M:%S}",
        row["state"] + (f" {row['error_code']}" if row["error_code"] else ""),
    ]
    if row["deliveries"]:
        parts.append(f"来件 deliveries {len(row['deliveries'])}")
    totals: dict[str, int] = {}
    for kinds in ((row["change"] or {}).get("records") or {}).values():
        for kind, count in kinds.items():
            totals[kind] = totals.get(kind, 0) + count
    if totals:
        parts.append(", ".join(f"{kind} {count}" for kind, count in sorted(totals.items())))
    if row["accepted"]:
        parts.append(f"放行 passed by {row['accepted']['by']}: {row['accepted']['reason']}")
    return "  ".join(parts)


def show_offices(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what each office gave last and when it is due; what is overdue or too old is marked."""
    columns = [
        _Column("单位", "office", [row["office"] for row in rows], is_number=False),
        _Column("数据", "feed", [row["feed"] for row in rows], is_number=False),
        _Column(
            "最近来件", "file", [row["file"] or "-" for row in rows], is_number=False, least=20
        ),
        _Column(
            "数据日期", "date", [str(row["data_date"] or "-") for row in rows], is_number=False
        ),
        _Column("应报", "due", [str(row["due"] or "-") for row in rows], is_number=False),
        _Column(
            "下次应报",
            "next",
            [str(row["next_due"] or "-") for row in rows],
            is_number=False,
            rank=1,
        ),
        _Column("答复", "answer", [row["answer"] or "" for row in rows], is_number=False, rank=2),
        _Column(
            "逾期",
            "overdue",
            ["逾期" if row["is_overdue"] else "" for row in rows],
            is_number=False,
        ),
    ]
    if any(row["is_too_old"] for row in rows):
        columns.append(
            _Column(
                "过旧",
                "too old",
                [f"{row['age_days']} > {row['max_age_days']}" * row["is_too_old"] for row in rows],
                is_number=False,
            )
        )
    is_marked = [row["is_overdue"] or row["is_too_old"] for row in rows]
    _show(console, "各单位数据 Feeds by office", columns, is_marked)


def show_rules(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rule sets: where each is from, whether it is in use, how much it lacks."""

    def words(row: Mapping[str, Any]) -> str:
        if row["problems"]:
            return f"有误 {row['problems']} 处"
        return "使用中" if row["is_in_use"] else "供沿用" if row["is_basis"] else ""

    def texts(name: str) -> list[str]:
        return ["-" if row[name] is None else str(row[name]) for row in rows]

    origins = ["工作区" if row["from"] == "workspace" else "程序" for row in rows]
    columns = [
        _Column("代号", "id", texts("id"), is_number=False),
        _Column("名称", "title", texts("title_zh"), is_number=False, least=20),
        _Column("版次", "edition", texts("edition"), is_number=False, rank=1),
        _Column("来自", "from", origins, is_number=False),
        _Column("状态", "state", [words(row) for row in rows], is_number=False),
        _Column("缺值", "missing", texts("missing")),
    ]
    _show(console, "评价规则 Rule sets", columns, [bool(row["problems"]) for row in rows])


def show_blockers(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what stands in the way of an issue, by office and township; what blocks is marked."""

    def place(row: Mapping[str, Any]) -> str:
        if row["office"] is not None:
            return str(row["office"])
        if row["township_code"] is None:
            return ""
        return " ".join(filter(None, (row["township_code"], row["township_name"]))) or "-"

    def words(row: Mapping[str, Any]) -> str:
        zh, en = both(f"round.blocker.{row['code']}", dict(row["params"]))
        return f"{zh} {en}"

    columns = [
        _Column("事项", "what", [words(row) for row in rows], is_number=False, least=30),
        _Column("单位或镇街", "where", [place(row) for row in rows], is_number=False),
        _Column("数量", "count", [str(row["count"]) for row in rows]),
        _Column(
            "发布",
            "issue",
            [
                "不可发布" if row["is_never_accepted"] else "须处理" if row["blocks"] else "提示"
                for row in rows
            ],
            is_number=False,
        ),
        _Column(
            "例",
            "example",
            [str(shown(str(row["params"].get("example", "")), 40)) for row in rows],
            is_number=False,
            rank=1,
        ),
    ]
    _show(console, "发布前事项 Before the issue", columns, [bool(row["blocks"]) for row in rows])


def show_grades(console: Console, rules: Mapping[str, Any] | None) -> None:
    """Print what the rule set graded, what it leaves out, and what other readings would change."""
    if rules is None:
        return
    none = "未定档 none"
    rows = [
        (row["grade"] or none, *(str(row[name]) for name in ("first", "adjusted", "shown")))
        for row in rules["counts"]
    ]
    heads = [("档次", "grade"), ("初评", "first"), ("调档后", "adjusted"), ("所示", "shown")]
    title = f"按规则评价 Evaluation by rules: {rules['title_zh']} ({rules['id']})"
    show_table(console, title, heads, rows)
    for row in rules["papers"]:
        line = f"缺 missing: {row['paper']} ({len(row['paths'])})"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for row in rules["readings"]:
        line = f"他解 another reading: {row['title_zh']} {row['title_en']}: {row['changed']}/{row['graded']}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_table(
    console: Console,
    title: str,
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
) -> None:
    """Print a table of texts: the first column is words, others are numbers where all their cells are."""
    columns = [
        _Column(zh, en, [row[at] for row in rows], is_number=at > 0 and all(map(_is_number, cells)))
        for at, (zh, en) in enumerate(heads)
        for cells in ([row[at] for row in rows],)
    ]
    _show(console, title, columns)


def _is_number(text: str) -> bool:
    return not text or text.lstrip("+-").replace(".", "", 1).replace(",", "").isdecimal()


def show_seats(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print how many enterprises have which seat state."""
    words = read_codes()["seat_state"]
    columns = [
        _Column(words[row["seat_state"]], row["seat_state"].replace("_", " "), [str(row["n"])])
        for row in rows
    ]
    if columns:
        _show(console, "企业落位 Seats of enterprises", columns)


def _show(
    console: Console, title: str, columns: Sequence[_Column], is_marked: Sequence[bool] = ()
) -> None:
    """Print a table in which nothing is cut.

    Where it is wider than the terminal, columns with a rank go, and are named below; then long
    text is folded; what is still too wide is printed all the same.
    """
    width = console.width if _has_width() else _WIDTH
    shown = list(columns)
    while _total(c.width for c in shown) > width and any(c.rank for c in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    spare = max(0, width - _total(column.least_width for column in shown))
    # at most one column is folded, so it may have all that is to spare
    widths = [min(column.width, column.least_width + spare) for column in shown]
    # a second space between columns where there is room for it
    gap = 1 if _total(widths) + len(shown) - 1 <= width else 0
    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap, 0, 0),
        width=_total(widths) + gap * (len(shown) - 1),
    )
    for column, cells in zip(shown, widths, strict=True):
        table.add_column(
            f"{column.zh}\n{column.en}",
            justify="right" if column.is_number else "left",
            width=cells,
            overflow="fold",
        )
    marks = is_marked or [False] * len(columns[0].cells)
    for row, mark in zip(zip(*(c.cells for c in shown), strict=True), marks, strict=True):
        # texts are delivered: a bracket in them is no markup
        table.add_row(*map(Text, row), style="yellow" if mark else None)
    console.print(f"\n{title}", style="bold", highlight=False, soft_wrap=True)
    console.print(table, crop=False)
    hidden = [f"{column.zh} {column.en}" for column in columns if column not in shown]
    if hidden:
        console.print(f"未列 not shown: {'，'.join(hidden)} (--json)", highlight=False)


def _total(widths: Iterable[int]) -> int:
    """Cells that columns take with one space between them."""
    return sum(width + 1 for width in widths) - 1


def _has_width() -> bool:
    """Whether there is a terminal, or its width is stated."""
    return "COLUMNS" in os.environ or any(os.isatty(stream) for stream in (0, 1, 2))


def plain(value: object) -> object:
    """A value as JSON keeps it: exact decimals and dates as text, names of files as UTF-8."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return format(value, "f") if isinstance(value, Decimal) else str(value)
