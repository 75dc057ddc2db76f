"""What an inspected file is taken for, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.errors import SourceError
from pipeline.messages import both, shown

# Shapes, and points of them, that are drawn as they are; of more, each shape is drawn as its box.
_DRAWN_SHAPES = 20_000
_DRAWN_POINTS = 1_000_000
_KNOWN_BY = {
    "name": "按文件名 by its name",
    "headings": "按列名 by its headings",
    "person": "由人指定 as told",
}
_UNIT_FROM = {
    "heading": "列名或单位行 heading",
    "contract": "约定 contract",
    "row": "逐行单位列 unit column",
    "geometry": "按图形推断 by geometry",
    "cell": "单元格 cell",
}
_CRS_FROM = {
    "file": "文件自带 the file says so",
    "contract": "约定 contract",
    "coordinates": "按坐标判定 by the coordinates",
    "place": "按位置判定 by place",
    "format": "格式默认 set by the format",
}
_COLUMN_WIDTH = 14
_CELL_LENGTH = 200
_LISTED = 100


@dataclass
class Mapped:
    """One canonical column: the headings that serve it, its type, and the unit that is read."""

    column: str
    headings: tuple[str, ...]
    type: str
    is_required: bool
    unit: str | None = None
    unit_from: str | None = None


@dataclass(frozen=True)
class AreaCheck:
    """Sums over the rows that have an official area and a shape, m2."""

    rows: int
    official_m2: float
    plane_m2: float
    survey_m2: float
    median_ratio: float


@dataclass
class Drawn:
    """What is drawn of a layer, in the county's CRS: boxes of all shapes, and shapes of a few."""

    boxes: list[npt.NDArray[np.float64]] = field(default_factory=list)
    shapes: list[npt.NDArray[np.object_]] = field(default_factory=list)
    points: int = 0
    is_whole: bool = True

    def add(self, shapes: npt.NDArray[np.object_]) -> None:
        """Take the shapes of a batch."""
        boxes = shapely.bounds(shapes)
        self.boxes.append(boxes[np.isfinite(boxes).all(axis=1)])
        self.points += int(shapely.get_num_coordinates(shapes).sum())
        is_little = sum(map(len, self.boxes)) <= _DRAWN_SHAPES and self.points <= _DRAWN_POINTS
        self.is_whole = self.is_whole and is_little
        self.shapes = [*self.shapes, shapes] if self.is_whole else []


@dataclass
class Inspection:
    """What a file is taken for, and what would become of its rows.

    ``known_by`` says how its feed was chosen: the contract's ``files`` (name), its headings, or a
    person. ``findings`` are rules with severity, number of rows, and the first rows as examples.
    ``refusal`` is why the file as a whole would be refused.
    """

    file: str
    kind: str
    feed: str
    known_by: str
    layer: str
    encoding: str | None
    crs: str | None
    crs_from: str | None
    notes: list[tuple[str, dict[str, object]]]
    mapping: list[Mapped]
    unused: list[str]
    dropped: list[str]
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    ignored_lines: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, str | None]] = field(default_factory=list)
    areas: AreaCheck | None = None
    refusal: SourceError | None = None
    picture: str | None = None
    drawn: Drawn = field(default_factory=Drawn)


def inspection_summary(found: Inspection) -> dict[str, Any]:
    """An inspection as JSON: all that is printed, and the examples of each finding.

    Shape:  an Inspection in; a dictionary out.
    Units:  areas in m2.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    shown = {
        name: value
        for name, value in vars(found).items()
        if name not in {"drawn", "refusal", "mapping", "areas", "notes"}
    }
    refusal = found.refusal
    return {
        **shown,
        "mapping": [asdict(column) for column in found.mapping],
        "areas": None if found.areas is None else asdict(found.areas),
        "notes": [_said(code, params) for code, params in found.notes],
        "refusal": None if refusal is None else _said(refusal.code, refusal.params),
    }


def _said(code: str, params: dict[str, object]) -> dict[str, object]:
    zh, en = both(code, params)
    return {"code": code, "params": params, "zh": zh, "en": en}


def show_inspection(console: Console, found: Inspection) -> None:
    """Print an inspection, Chinese first.

    Shape:  an Inspection in; nothing out.
    Units:  areas in m2 and mu.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    lines = [
        ("文件 file", f"{found.file} ({found.kind})"),
        ("数据 feed", f"{found.feed} ({_KNOWN_BY[found.known_by]})"),
        ("图层 layer", found.layer),
        ("编码 encoding", found.encoding or "-"),
        ("坐标系 CRS", _with_source(found.crs, found.crs_from, _CRS_FROM)),
        (
            "行 rows",
            (
                f"{found.rows}，隔离 quarantined {found.quarantined}，"
                f"重复主键 repeated keys {found.duplicates}，"
                f"非记录行 lines that are no records {found.ignored_lines}"
            ),
        ),
    ]
    if found.areas is not None:
        a = found.areas
        mu = Decimal(repr(a.official_m2)) * 3 / 2000
        lines.append(
            (
                "面积 area",
                (
                    f"登记 official {a.official_m2:,.2f} m² ({mu:,.2f} 亩), "
                    f"平面 plane {a.plane_m2:,.2f} m², 椭球 survey {a.survey_m2:,.2f} m², "
                    f"登记÷平面中位数 median ratio {a.median_ratio:.6f} ({a.rows} rows)"
                ),
            )
        )
    if found.picture is not None:
        lines.append(("图 picture", found.picture))
    for label, value in lines:
        console.print(f"[bold]{label}[/bold]  {_cell(value)}", highlight=False)
    for code, params in found.notes:
        zh, en = both(code, params)
        console.print(f"• {escape(zh)}\n  {escape(en)}", highlight=False)
    _show_mapping(console, found)
    _show_findings(console, found.findings)
    _show_sample(console, found.sample)


def _cell(text: str) -> str:
    """A text from a file as it can stand on a terminal."""
    return escape(str(shown(text, _CELL_LENGTH)))


def _with_source(value: str | None, source: str | None, words: dict[str, str]) -> str:
    if value is None:
        return "-"
    return value if source is None else f"{value} ({words.get(source, source)})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _show_mapping(console: Console, found: Inspection) -> None:
    table = _table("列的对应 Columns", "列 column", "来自 from", "类型 type", "单位 unit")
    for one in found.mapping:
        if one.headings or one.is_required:
            unit = _with_source(one.unit, one.unit_from, _UNIT_FROM)
            origin = " + ".join(one.headings) or "（无 none）"
            table.add_row(one.column, _cell(origin), one.type, unit)
    console.print(table)
    if found.dropped:
        listed = escape("、".join(found.dropped))
        console.print(f"不保存的列（个人信息等）never stored: {listed}", highlight=False)
    if found.unused:
        rest = "…" if len(found.unused) > _LISTED else ""
        listed = "、".join(map(_cell, found.unused[:_LISTED])) + rest
        console.print(f"未使用的列（存入 extra）not used, kept in extra: {listed}", highlight=False)


def _show_findings(console: Console, findings: Sequence[dict[str, Any]]) -> None:
    if not findings:
        console.print("没有发现问题 nothing found", highlight=False)
        return
    table = _table("问题 Findings", "程度 severity", "规则 rule", "行数 rows", "例 example")
    for one in findings:
        first = one["examples"][0]
        zh, en = both(one["rule"], message_params(first))
        text = f"{first['row_number']}: {zh} / {en}"
        table.add_row(one["severity"], one["rule"], str(one["rows"]), escape(text))
    console.print(table)


def message_params(issue: dict[str, Any]) -> dict[str, object]:
    """What the message of an issue's rule may name.

    Shape:  one row of issues in; parameters out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    params: dict[str, object] = json.loads(issue["params"] or "{}")
    return {
        "field": issue["field"],
        "value": issue["value"] or "",
        "key": issue["key"] or "",
        "row_number": issue["row_number"],
        **params,
    }


def _show_sample(console: Console, sample: Sequence[dict[str, str | None]]) -> None:
    if not sample:
        return
    filled = [name for name in sample[0] if any(row.get(name) for row in sample)]
    # the number of the row stands first
    filled.sort(key=lambda name: name != "file_row")
    count = max(2, console.width // _COLUMN_WIDTH)
    table = _table("前几行 First rows", *filled[:count])
    for row in sample:
        table.add_row(*(_cell(row.get(name) or "") for name in filled[:count]))
    console.print(table)
    if len(filled) > count:
        rest = ", ".join(filled[count:])
        console.print(f"其余列见 --json more columns with --json: {rest}", highlight=False)
