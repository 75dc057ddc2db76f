"""Confirmation sheets (一企一单): one per enterprise, written from what is published, read when they come back."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine

from pipeline.database import database_errors
from pipeline.domain.rules.schema import MU_PER_M2
from pipeline.errors import UsageError
from pipeline.messages import render
from pipeline.outputs._files import not_writable
from pipeline.outputs.round_sheets import (
    ANSWERS,
    FILL_IN,
    SHEET,
    ConfirmationSheet,
    Returned,
    Section,
    read_sheet,
    sheet_bytes,
)
from pipeline.review.sheets import NO_TOWNSHIP
from pipeline.review.sides import file_name
from pipeline.round.acts import Signed, confirm, enterprise_of, object_to, opened
from pipeline.round.inputs import canonical, read_round
from pipeline.settings import Settings

_CENT: Final = Decimal("0.01")
_MU_STEP: Final = Decimal("0.0001")
_TABLES: Final = ("land", "figure", "title", "transition", "account")
Problem = tuple[str, dict[str, object]]


@dataclass
class Written:
    """Sheets that were written, were there already, or were left alone as somebody has filled them in."""

    folder: Path
    written: int = 0
    unchanged: int = 0
    kept: list[Path] = field(default_factory=list)


@dataclass
class ReadSheets:
    """What became of the sheets that came back."""

    confirmed: int = 0
    objected: int = 0
    known: int = 0
    blank: int = 0
    problems: list[Problem] = field(default_factory=list)


def confirmation_sheets(
    connection: Connection,
    settings: Settings,
    year: int,
    *,
    township: str | None = None,
    enterprises: Sequence[str] | None = None,
) -> list[tuple[str, ConfirmationSheet]]:
    """The sheets of all enterprises that are evaluated, in transition or without data, or of some.

    Shape:  a data year, a township and codes to look at alone in; the folder name of the township and the sheet
            of each out.
    Units:  m2, mu; figures in their stored units.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: sql/round/sheet_*.sql.
    """
    codes = None if enterprises is None else sorted(enterprises)
    asked = {"data_year": year, "codes": codes, "township": township}
    people = _records(connection, "enterprise", asked)
    if codes is None and township is not None:
        asked["codes"] = [one["enterprise_code"] for one in people]
    tables: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name in _TABLES:
        of_code = tables.setdefault(name, {})
        for row in _records(connection, name, asked):
            of_code.setdefault(row["enterprise_code"], []).append(row)
    found = []
    for one in people:
        code = one["enterprise_code"]
        parts = {name: tables[name].get(code, []) for name in _TABLES}
        sections = _sections(one, parts)
        said = [[part.title, part.headings, _plain_rows(part.rows)] for part in sections]
        digest = hashlib.sha256(canonical(said).encode()).hexdigest()[:16]
        title = f"{settings.county.name}{year}年度企业用地和评价数据确认单"
        place = "_".join(filter(None, (one["township_code"], one["township_name"])))
        found.append(
            (
                file_name(place or NO_TOWNSHIP),
                ConfirmationSheet(year, code, digest, title, sections),
            )
        )
    return found


def write_sheets(
    connection: Connection,
    settings: Settings,
    folder: Path,
    *,
    township: str | None = None,
    enterprises: Sequence[str] | None = None,
) -> Written:
    """Write the sheets into one folder per township; what somebody has filled in there is left alone.

    Shape:  a folder, a township and enterprises to look at alone in; counts out.
    Units:  as ``confirmation_sheets``.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, round.nobody_to_confirm, explain.not_found; SettingsError
            export.not_writable.
    Source: docs/how-to-run-a-round.md.
    """
    year = opened(connection).data_year
    codes = None if enterprises is None else [enterprise_of(connection, e) for e in enterprises]
    sheets = confirmation_sheets(connection, settings, year, township=township, enterprises=codes)
    if not sheets:
        raise UsageError("round.nobody_to_confirm", year=year)
    done = Written(folder)
    try:
        for place in {place for place, _ in sheets}:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for place, sheet in sheets:
            _put(folder / place / f"{file_name(sheet.code)}.xlsx", sheet_bytes(sheet), done)
    except OSError as error:
        raise not_writable(folder, error) from error
    return done


def _put(path: Path, data: bytes, done: Written) -> None:
    """Write one sheet; nobody sees half of it, and no answers are lost."""
    if path.is_file():
        if path.read_bytes() == data:
            done.unchanged += 1
            return
        there = read_sheet(path)
        if there is None or any(there.cells.values()):
            done.kept.append(path)
            return
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
    done.written += 1


def read_sheets(
    engine: Engine, settings: Settings, folder: Path, signed: Signed, *, anyway: bool = False
) -> ReadSheets:
    """Enter what came back: confirmations and objections; a sheet that is wrong is told, the others count.

    A sheet of which the data has changed since it was written is not taken, unless ``anyway``.

    Shape:  a folder with sheets, in folders or not, or one sheet, in; counts and problems out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.no_sheets, round.not_open; DatabaseError.
    Source: docs/how-to-run-a-round.md.
    """
    files = sorted(folder.rglob("*.xlsx")) if folder.is_dir() else [folder]
    files = [file for file in files if not file.name.startswith((".", "~$"))]
    if not files or not all(file.is_file() for file in files):
        raise UsageError("round.no_sheets", folder=str(folder))
    done = ReadSheets()
    returned: list[tuple[Path, Returned]] = []
    for file in files:
        name = file.name if file == folder else str(file.relative_to(folder))
        try:
            sheet = read_sheet(file)
        except OSError as error:
            done.problems.append(
                ("round.sheet.unreadable", {"file": name, "reason": error.strerror or str(error)})
            )
            continue
        if sheet is None:
            done.problems.append(("round.sheet.not_ours", {"file": name}))
        elif not any(sheet.cells.values()):
            done.blank += 1
        else:
            returned.append((Path(name), sheet))
    with database_errors(), engine.begin() as connection:
        year = opened(connection).data_year
        _enter_returned(connection, settings, year, returned, signed, done, anyway=anyway)
    return done


def _enter_returned(
    connection: Connection,
    settings: Settings,
    year: int,
    returned: Sequence[tuple[Path, Returned]],
    signed: Signed,
    done: ReadSheets,
    *,
    anyway: bool,
) -> None:
    codes = sorted({sheet.code for _, sheet in returned})
    now = {
        sheet.code: sheet.hash
        for _, sheet in confirmation_sheets(connection, settings, year, enterprises=codes)
    }
    taken: dict[str, tuple[Path, Mapping[str, str]]] = {}
    for file, sheet in returned:
        wrong = list(_wrong(file, sheet, year, now, anyway=anyway))
        before = taken.get(sheet.code)
        if not wrong and before is not None and before[1] != sheet.cells:
            wrong = [_bad(file, "answer", "contradiction", other=str(before[0]))]
        done.problems += wrong
        if wrong or before is not None:
            continue
        taken[sheet.code] = (file, sheet.cells)
        cells = sheet.cells
        value = {"hash": sheet.hash, "file": file.name, "date": cells["date"]}
        who = Signed(cells["author"], signed.as_of)
        if ANSWERS[cells["answer"]] == "confirm":
            is_new = confirm(connection, year, sheet.code, who, reason=None, value=value)
            done.confirmed += is_new
        else:
            is_new = object_to(connection, year, sheet.code, who, cells["words"], value)
            done.objected += is_new
        done.known += not is_new


def _wrong(
    file: Path, sheet: Returned, year: int, now: Mapping[str, str], *, anyway: bool
) -> Iterable[Problem]:
    """What cannot be right in a sheet, cell by cell."""
    cells = sheet.cells
    if sheet.year != str(year):
        yield "round.sheet.other_year", {"file": str(file), "year": sheet.year, "wanted": year}
    elif sheet.code not in now:
        yield "round.sheet.enterprise", {"file": str(file), "enterprise": sheet.code}
    elif now[sheet.code] != sheet.hash and not anyway:
        yield "round.sheet.changed", {"file": str(file), "enterprise": sheet.code}
    if not cells["answer"]:
        yield _bad(file, "answer", "no_answer", answers="、".join(ANSWERS))
    elif cells["answer"] not in ANSWERS:
        yield _bad(file, "answer", "answer", answer=cells["answer"], answers="、".join(ANSWERS))
    elif ANSWERS[cells["answer"]] == "object" and not cells["words"]:
        yield _bad(file, "words", "no_words")
    elif ANSWERS[cells["answer"]] == "confirm" and cells["words"]:
        yield _bad(file, "words", "words_not_wanted")
    if not cells["author"]:
        yield _bad(file, "author", "no_author")


def _bad(file: Path, cell: str, code: str, **params: object) -> Problem:
    row, label = FILL_IN[cell]
    place = {"file": str(file), "sheet": SHEET, "row": row, "column": label}
    return f"round.sheet.{code}", {**place, **params}


def confirm_by_hand(
    engine: Engine, enterprise: str, signed: Signed, *, reason: str
) -> dict[str, Any]:
    """Enter that an enterprise confirmed otherwise than by its sheet.

    Shape:  an enterprise and why that is known in; its code and whether it ``is_new`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, review.reason, explain.not_found.
    Source: docs/how-to-run-a-round.md.
    """
    if not reason.strip():
        raise UsageError("review.reason")
    with database_errors(), engine.begin() as connection:
        year = opened(connection).data_year
        code = enterprise_of(connection, enterprise)
        is_new = confirm(connection, year, code, signed, reason=reason.strip())
    return {"enterprise_code": code, "year": year, "is_new": is_new}


def object_by_hand(engine: Engine, enterprise: str, signed: Signed, words: str) -> dict[str, Any]:
    """Enter an objection of an enterprise.

    Shape:  an enterprise and what it says in; its code and whether it ``is_new`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError round.not_open, round.no_words, explain.not_found.
    Source: docs/how-to-run-a-round.md.
    """
    with database_errors(), engine.begin() as connection:
        year = opened(connection).data_year
        code = enterprise_of(connection, enterprise)
        is_new = object_to(connection, year, code, signed, words)
    return {"enterprise_code": code, "year": year, "is_new": is_new}


def _records(
    connection: Connection, name: str, asked: Mapping[str, object]
) -> list[dict[str, Any]]:
    frame = read_round(connection, f"sheet_{name}", asked)
    names = [str(column) for column in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(False, None)]


def _zh(group: str, value: object) -> str:
    """The Chinese word of a value of a closed list, else the value."""
    if value is None:
        return ""
    code = f"{group}.{value}"
    words = render(code, {}, "zh")
    return str(value) if words == code else words


def _m2(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def _mu(value: Decimal) -> Decimal:
    return (value * MU_PER_M2).quantize(_MU_STEP, ROUND_HALF_UP)


def _sections(one: Mapping[str, Any], tables: Mapping[str, list[dict[str, Any]]]) -> list[Section]:
    """What a sheet says, table by table."""
    return [
        _identity(one),
        _land(tables["land"]),
        _figures(tables["figure"]),
        _titles(tables["title"]),
        _transitions(tables["transition"]),
        Section(
            "六、用电户号",
            ("用电户号", "地址", "宗地代码"),
            [(row["account_no"], row["address"], row["parcel_code"]) for row in tables["account"]],
        ),
        _missing(one, tables),
    ]


def _identity(one: Mapping[str, Any]) -> Section:
    merged = (
        ""
        if one["kind"] == "enterprise"
        else f"，与同地块企业合并评价（共 {one['member_count']} 家）"
    )
    pairs = (
        ("企业名称", one["name"]),
        ("企业代码", one["enterprise_code"]),
        ("统一社会信用代码", one["credit_code"]),
        ("地址", one["address"]),
        ("所在镇街", " ".join(filter(None, (one["township_code"], one["township_name"])))),
        ("行业代码", one["industry_code"]),
        ("规模", _zh("size_class", one["size_class"])),
        ("经营状态", _zh("enterprise_status", one["status"])),
        (
            "评价方式",
            f"{_zh('unit_kind', one['kind'])}：{_zh('kind_reason', one['kind_reason'])}{merged}",
        ),
        ("评价类别", _zh("eval_category", one["eval_category"])),
        (
            "评价状态",
            f"{_zh('eval_state', one['eval_state'])}：{_zh('state_reason', one['state_reason'])}",
        ),
        ("评价面积（平方米）", _m2(one["eval_area_m2"])),
        ("评价面积（亩）", _mu(one["eval_area_m2"])),
    )
    return Section("一、企业基本情况", (), list(pairs))


def _land(rows: Sequence[Mapping[str, Any]]) -> Section:
    columns = ("own_m2", "rented_m2", "let_m2", "deducted_m2", "counted_m2")
    lines: list[tuple[Any, ...]] = [
        (
            row["parcel_code"],
            row["location"],
            _zh("role", row["role"]),
            *(_m2(row[name]) for name in columns),
            _mu(row["counted_m2"]),
            _m2(row["undivided_m2"]) if row["undivided_m2"] else None,
        )
        for row in rows
    ]
    sums = [sum((row[name] for row in rows), Decimal(0)) for name in columns]
    lines.append(("合计", None, None, *map(_m2, sums), _mu(sums[-1]), None))
    return Section(
        "二、用地：自有＋租入－租出－核减＝计入评价（共用未分割的按地块评价，另列）",
        (
            "宗地代码",
            "坐落",
            "用地关系",
            "自有（平方米）",
            "租入（平方米）",
            "租出（平方米）",
            "核减（平方米）",
            "计入评价（平方米）",
            "计入评价（亩）",
            "共用未分割（平方米）",
        ),
        lines,
    )


def _figures(rows: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        "三、本年度指标",
        ("指标", "数据来源文件", "来源行", "数值", "单位", "口径", "是否纠偏"),
        [
            (
                _zh("indicator", row["indicator"]),
                row["file"],
                row["row_number"],
                *_as_told(row["value"], row["unit"]),
                row["basis"],
                "是" if row["corrections"] else None,
            )
            for row in rows
        ],
    )


def _as_told(value: Decimal, unit: str) -> tuple[Decimal, str]:
    """A figure in the unit in which people know it: money in 万元."""
    if unit == "yuan":
        return value / 10_000, "万元"
    return value, _zh("indicator_unit", unit) or unit


def _titles(rows: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        "四、认定、名单和入选人才",
        ("名称", "数据来源文件", "来源行", "级别", "生效或入选日期", "失效日期"),
        [
            (
                _zh(
                    "recognition_kind" if row["feed"] == "recognition" else "programme", row["kind"]
                ),
                row["file"],
                row["row_number"],
                _zh("level", row["level"]),
                _day(row["valid_from"]),
                _day(row["valid_to"]),
            )
            for row in rows
        ],
    )


def _transitions(rows: Sequence[Mapping[str, Any]]) -> Section:
    return Section(
        "五、过渡期",
        ("规则", "事项或认定", "起", "止（不含）", "对象", "面积（平方米）", "是否生效", "说明"),
        [
            (
                row["rule"],
                " ".join(filter(None, (row["event_no"], row["parcel_code"]))),
                _day(row["valid_from"]),
                _day(row["valid_to"]),
                "企业不定档" if row["takes"] == "enterprise" else "核减该地块",
                None if row["land_area_m2"] is None else _m2(row["land_area_m2"]),
                "是" if row["is_in_force"] else "否",
                "超出规则上限，须经决定"
                if row["is_beyond_bound"]
                else "未注明截止日期，按上限计"
                if row["is_upper_bound"]
                else None,
            )
            for row in rows
        ],
    )


def _missing(one: Mapping[str, Any], tables: Mapping[str, list[dict[str, Any]]]) -> Section:
    """What the offices have not said of the enterprise."""
    lines = [("指标", _zh("indicator", name)) for name in one["lacking"]]
    if not tables["figure"]:
        lines.append(("指标", "没有本年度指标"))
    if not tables["account"]:
        lines.append(("用电", "没有用电户号"))
    lines += [("企业名录", _zh("missing", name)) for name in one["missing"]]
    return Section("七、缺少的资料", (), list(lines) or [("无", "")])


def _day(value: dt.date | None) -> str | None:
    return None if value is None else value.isoformat()


def _plain_rows(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [
        [format(value, "f") if isinstance(value, Decimal) else value for value in row]
        for row in rows
    ]
