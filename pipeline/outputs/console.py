"""What a command prints on the terminal: tables of a run, of the ledger, of the deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.outputs.report import mu, pct


def show_coverage(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the coverage table: areas in mu, ratios as truncated per cent.

    Shape:  rows of derived.township_coverage.
    Units:  area_m2 in, mu out.
    CRS:    none.
    Errors: none.
    Source: domain.md 1.8.
    """
    table = Table(title="工业用地评价覆盖面 Coverage of industrial land", title_justify="left")
    table.add_column("评价单元 unit", no_wrap=True)
    for heading in ("底数 base", "已关联 linked", "已评价 evaluated", "过渡期 transition"):
        table.add_column(f"{heading}（亩）", justify="right")
    for heading in ("覆盖率 coverage", "严格 strict", "目标 target"):
        table.add_column(heading, justify="right")
    table.add_column("缺口 gap（亩）", justify="right")
    for row in rows:
        reached = row["coverage_ratio"] is None or row["coverage_ratio"] >= row["target_ratio"]
        table.add_row(
            f"{row['name']} {row['area_code']}",
            mu(row["base_area_m2"]),
            mu(row["linked_area_m2"]),
            mu(row["evaluated_area_m2"]),
            mu(row["transition_area_m2"]),
            pct(row["coverage_ratio"]),
            pct(row["strict_ratio"]),
            pct(row["target_ratio"]),
            mu(row["gap_m2"]),
            style=None if reached else "yellow",
        )
    console.print(table)
    if rows:
        console.print(f"定义 definition: {rows[0]['definition']}")


def show_deliveries(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print deliveries with what became of their rows."""
    table = Table(title="来件 Deliveries", title_justify="left")
    for heading in ("编号 id", "数据 feed", "文件 file", "日期 date", "状态 state"):
        table.add_column(heading)
    for heading in ("行 rows", "新增 kept", "未变 unchanged", "隔离 quarantined"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["delivery_id"] or "-"),
            row["feed"],
            row["file"],
            str(row["data_date"]),
            row["state"],
            *(str(row[name]) for name in _COUNTS),
            style="yellow" if row["quarantined_count"] or row["state"] == "refused" else None,
        )
    console.print(table)


_COUNTS = ("row_count", "kept_count", "unchanged_count", "quarantined_count")


def show_issues(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print issues by rule: how many, one message, what to do."""
    if not rows:
        console.print("数据问题 issues: 0")
        return
    table = Table(title="数据问题 Issues", title_justify="left", show_lines=False)
    table.add_column("程度 severity")
    table.add_column("规则 rule")
    table.add_column("数量 n", justify="right")
    table.add_column("例 example", overflow="fold")
    for row in rows:
        table.add_row(row["severity"], row["rule"], str(row["n"]), row["message"].split(" / ")[0])
    console.print(table)


def show_steps(console: Console, steps: Iterable[Mapping[str, Any]]) -> None:
    """Print seconds and rows written per step."""
    table = Table(title="步骤 Steps", title_justify="left")
    table.add_column("步骤 step")
    for heading in ("秒 seconds", "增 inserted", "改 updated", "删 deleted", "未变 unchanged"):
        table.add_column(heading, justify="right")
    for step in steps:
        tables = step["tables"].values()
        table.add_row(
            step["step"],
            f"{step['seconds']:.2f}",
            *(
                str(sum(counts[name] for counts in tables))
                for name in ("inserted", "updated", "deleted", "unchanged")
            ),
        )
    console.print(table)


def show_seats(console: Console, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print how many enterprises have which seat state."""
    parts = (f"{row['seat_state']} {row['n']}" for row in rows)
    console.print("企业入座 seats: " + "，".join(parts))


def plain(value: object) -> object:
    """A value as JSON keeps it: exact decimals and dates as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return format(value, "f") if isinstance(value, Decimal) else str(value)
