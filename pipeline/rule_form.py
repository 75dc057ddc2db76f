"""The form of a rule set: an ``.xlsx`` in which an office fills in what no published paper states.

Every cell to fill in is one value of the rule set, named by its path. What is left empty stays as the rule
set has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pandas as pd

from pipeline.domain.quantities import parse_number
from pipeline.domain.rules.schema import RuleSet
from pipeline.domain.text import fold
from pipeline.errors import SettingsError
from pipeline.messages import both
from pipeline.outputs.rule_sheets import (
    BENCHMARKS,
    COLUMNS,
    CUTS,
    GRADES_LABEL,
    ID_LABEL,
    PARAMETERS,
    REFERENCE,
    SCALES_LABEL,
    WEIGHTS,
    Line,
    Sheets,
    read_rule_sheets,
    write_rule_sheets,
)
from pipeline.rule_form_rows import (
    CHOICES,
    MISSING,
    NO_CAP,
    RATIO,
    UNIT_NAMES,
    UNITS,
    form_rows,
    kinds_fact,
)

_ALL_INDUSTRIES: Final = "全部"
_SEPARATORS: Final = re.compile(r"[、,，;；\s]+")
_CODE: Final = re.compile(r"[\w-]+")
_DIVISION: Final = re.compile(r"[A-Za-z]?([0-9]{1,2})")
# Columns that define an indicator, and all that say something of one.
_DEFINITION: Final = ("numerator", "numerator_unit", "denominator", "denominator_unit")
_ASKED: Final = ("weight", "cap", "missing", *_DEFINITION)
_GUIDE: Final = (
    "请填黄色单元格：办法中已公布、但程序自带规则所缺的数值。其余单元格请勿改动。不填的留空，留空即沿用“现”列的值。",
    "数字只写数字，不带单位（单位见“单位”列）；全角数字、千位分隔的逗号都可以。请不要用公式。",
    "权重：一行是一个评价尺度的一项指标。指标不限于表中所列：在下面的黄色空行写评价尺度和指标代码（见“参考”页）。参考页没有的新指标，再写名称和分子、分母的事实及单位，几个事实用顿号隔开（相加）。不用的指标，权重写 0。权重合计须等于满分（“参数”页的 total，一般为 100）。",
    "封顶：单项得分最多为权重的几倍，如 1、1.2；不封顶的写“不封顶”。",
    "基准值：写公布的数值，或写“倍数”（按平均值的几倍取，如 1.5），二选一。分行业的，在空行写行业：两位大类代码或行业组名称。单位为“比值”的可写 0.0302 或 3.02%。",
    "档次线：每档只填一种。累计占比从最高档起累计，如 A 档 20%、B 档 60%、C 档 95%，最低一档不填；写 20 或 20% 均可，都是百分之二十；不要写 0.2，会被退回。分数线、数值线含本数；数值线还要写看哪个指标。",
    "参数：其他缺少的数值，以及程序因原文不明而自行取定的数值（见“所取默认”列），有出入的填新值。一票否决没有条件的，写哪些认定即否决（见“参考”页，几种用顿号隔开）。",
    "填好后存为 .xlsx，用 diqi rules check 核对，再放到工作区的 rules 文件夹，文件名为规则代号。",
    "",
    "Fill in the yellow cells: values that a paper states and the rule set lacks. Empty cells keep the present value.",
    "Numbers only, no units, no formulas.",
    "权重 weights: free rows take any indicator, also a new one with its facts and units (see 参考); 0 takes one out.",
    "基准值 a benchmark or a multiple of the mean, for all or by industry (division or group).",
    "档次线 one cut per grade: cumulated share (20 or 20% both mean 20 %; 0.2 is sent back), score, or value of an indicator.",
    "参数 all other missing or chosen values; for a veto without conditions the recognitions that veto.",
)


@dataclass(frozen=True)
class FilledForm:
    """What a form says: of which rule set, values by their paths, and in which cell each stands."""

    rule_set: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)


class FormError(SettingsError):
    """Cells of a form cannot be taken; ``problems`` are all of them, as codes with parameters."""

    def __init__(self, name: str, problems: list[tuple[str, dict[str, object]]]) -> None:
        self.problems = problems
        zh, en = both(*problems[0])
        super().__init__("rules.form_refused", name=name, zh=zh, en=en, count=len(problems))


def write_form(path: Path, rules: RuleSet, filled: Mapping[str, Any] | None = None) -> None:
    """Write the form of a rule set.

    Shape:  the target, the rule set as it is without a form, and what was filled in before (values by path)
            in; a workbook out: a guide, weights, benchmarks, cuts, other parameters, and what may be named.
    Units:  as the cells say.
    CRS:    none.
    Errors: SettingsError rules.form_of_basis, export.not_writable.
    Source: docs/how-to-write-rules.md.
    """
    if rules.is_basis:
        raise SettingsError("rules.form_of_basis", name=rules.id)
    values = filled or {}
    about = {
        ID_LABEL: rules.id,
        "名称": f"{rules.title_zh} {rules.title_en}",
        "版次": rules.edition,
        "依据": rules.source,
        "所缺文件": rules.paper,
        SCALES_LABEL: "、".join(rules.scoring),
        GRADES_LABEL: "、".join(rules.grades[:-1]),
    }
    title = f"评价规则填报表 {rules.title_zh}"
    write_rule_sheets(path, title, about, _GUIDE, form_rows(rules, values))


def read_form(path: Path) -> FilledForm:
    """Read a form that was filled in; cells left empty say nothing.

    A value of None takes out what the rule set has, where a form says something else instead.

    Shape:  a workbook in; values by the paths of ``pipeline.rulebook.set_value`` out.
    Units:  as the cells say; shares of 0 to 1.
    CRS:    none.
    Errors: FormError with every cell that cannot be taken; SettingsError rules.form_* on what is no form.
    Source: docs/how-to-write-rules.md.
    """
    reader = _Reader(path.name, read_rule_sheets(path))
    reader.read_weights()
    reader.read_benchmarks()
    reader.read_cuts()
    reader.read_parameters()
    if reader.problems:
        raise FormError(path.name, reader.problems)
    return FilledForm(reader.sheets.about[ID_LABEL], reader.values, reader.places)


class _Reader:
    """Cells of the sheets, one after the other, into values; what cannot be taken is kept."""

    def __init__(self, file: str, sheets: Sheets) -> None:
        self.file = file
        self.sheets = sheets
        self.values: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        self.problems: list[tuple[str, dict[str, object]]] = []
        self.scales = _names(sheets.about.get(SCALES_LABEL, ""))
        self.grades = _names(sheets.about.get(GRADES_LABEL, ""))
        self.codes: dict[str, dict[str, str]] = {}
        for line in sheets.lines[REFERENCE]:
            of_kind = self.codes.setdefault(line.cells["kind"], {})
            code = line.cells["code"]
            of_kind[code] = code
            of_kind.setdefault(_folded(line.cells["title"]), code)

    # ---------------------------------------------------------------------------------- sheets

    def read_weights(self) -> None:
        """Weights, caps and what is done without a figure; new indicators."""
        seen: dict[str, int] = {}
        defined: dict[str, int] = {}
        for line in self.sheets.lines[WEIGHTS]:
            cells = line.cells
            is_named = bool(cells["code"] or cells["title"])
            is_listed = bool(cells["formula"])
            if not any(cells[name] for name in _ASKED) and (is_listed or not is_named):
                continue
            scale = self._scale(WEIGHTS, line)
            code = self._indicator(WEIGHTS, line)
            if scale is None or code is None:
                continue
            path = f"scoring.{scale}.item.{code}"
            if self._is_repeated(WEIGHTS, line, "code", seen, f"{scale} {code}"):
                continue
            self._define(line, code, defined)
            weight = self._number(WEIGHTS, line, "weight")
            if weight is not None or not is_listed:
                self._set(f"{path}.weight", weight, WEIGHTS, line, "weight")
            if _folded(cells["cap"]) in {NO_CAP, "none", "无"}:
                self._set(f"{path}.cap", "none", WEIGHTS, line, "cap")
            elif (cap := self._number(WEIGHTS, line, "cap", percent=True)) is not None:
                self._set(f"{path}.cap", cap, WEIGHTS, line, "cap")
            missing = self._choice(WEIGHTS, line, "missing", MISSING)
            if missing is not None:
                self._set(f"{path}.missing", missing, WEIGHTS, line, "missing")

    def read_benchmarks(self) -> None:
        """Benchmarks, of all or by industry, or multiples of the mean."""
        seen: dict[str, int] = {}
        factors: dict[str, int] = {}
        by_industry: list[tuple[str, Line]] = []
        for line in self.sheets.lines[BENCHMARKS]:
            cells = line.cells
            if not cells["value"] and not cells["factor"]:
                continue
            scale = self._scale(BENCHMARKS, line)
            code = self._indicator(BENCHMARKS, line)
            industry = self._industry(line)
            if scale is None or code is None or industry is None:
                continue
            what = " ".join(filter(None, (scale, code, industry)))
            if self._is_repeated(BENCHMARKS, line, "code", seen, what):
                continue
            path = f"scoring.{scale}.item.{code}.benchmark"
            if self._set_benchmark(path, line, industry) == "factor":
                factors[path] = line.number
            elif industry:
                by_industry.append((path, line))
        for path, line in by_industry:
            if path in factors:
                _, scale, _, code, _ = path.split(".")
                named = {"scale": scale, "code": code, "other": factors[path]}
                self._bad(BENCHMARKS, line, "value", "values_and_factor", **named)

    def read_cuts(self) -> None:
        """Cuts by share, by score, or by the value of an indicator."""
        seen: dict[str, int] = {}
        for line in self.sheets.lines[CUTS]:
            cells = line.cells
            given = [name for name in ("share", "score", "value") if cells[name]]
            if not given and not cells["indicator"]:
                continue
            scale, grade = self._scale(CUTS, line), cells["grade"]
            if grade not in self.grades:
                known = "、".join(self.grades)
                self._bad(CUTS, line, "grade", "unknown_grade", value=grade, known=known)
                continue
            if scale is None or self._is_repeated(CUTS, line, "grade", seen, f"{scale} {grade}"):
                continue
            if len(given) > 1:
                self._bad(CUTS, line, given[1], "two_cuts")
            elif bool(cells["indicator"]) != (given == ["value"]):
                self._bad(CUTS, line, "indicator", "cut_needs_indicator")
            else:
                self._set_cut(f"grading.{scale}.cut.{grade}", line, given[0])

    def read_parameters(self) -> None:
        """All other values, by their paths."""
        seen: dict[str, int] = {}
        for line in self.sheets.lines[PARAMETERS]:
            if not line.cells["value"]:
                continue
            path = line.cells["path"]
            if not path:
                self._bad(PARAMETERS, line, "value", "path_missing")
                continue
            if self._is_repeated(PARAMETERS, line, "path", seen, path):
                continue
            choices = CHOICES.get(path.rsplit(".", 1)[-1])
            if path.endswith(".when"):
                self._set_kinds(path, line)
                continue
            value: Any
            if choices is not None:
                value = self._choice(PARAMETERS, line, "value", choices)
            else:
                is_share = line.cells["unit"] == RATIO
                value = self._number(PARAMETERS, line, "value", percent=is_share)
            if value is not None:
                self._set(path, value, PARAMETERS, line, "value")

    # ----------------------------------------------------------------------------------- parts

    def _define(self, line: Line, code: str, defined: dict[str, int]) -> None:
        """A new indicator, where a row says what it is made of."""
        cells = line.cells
        if not any(cells[name] for name in _DEFINITION):
            return
        lacks_lower = bool(cells["denominator"]) != bool(cells["denominator_unit"])
        if not cells["numerator"] or not cells["numerator_unit"] or lacks_lower:
            self._bad(WEIGHTS, line, "numerator", "indicator_incomplete", code=code)
            return
        facts = self.codes.get("事实", {})
        units = [self._unit(line, name) for name in _DEFINITION[1::2]]
        if None in units:
            return
        rule = {
            "title_zh": cells["title"] or code,
            "numerator": [facts.get(one, one) for one in _names(cells["numerator"])],
            "numerator_unit": units[0],
            "denominator": [facts.get(one, one) for one in _names(cells["denominator"])],
            "denominator_unit": units[1],
        }
        path = f"indicator.{code}"
        if path in self.values and self.values[path] != rule:
            self._bad(WEIGHTS, line, "numerator", "indicator_twice", code=code, other=defined[code])
            return
        defined[code] = line.number
        self._set(path, rule, WEIGHTS, line, "numerator")

    def _unit(self, line: Line, name: str) -> str | None:
        text = _folded(line.cells[name])
        if text in {"", *UNITS}:
            return text
        folded = {_folded(word): unit for word, unit in UNIT_NAMES.items()}
        if text not in folded:
            self._bad(
                WEIGHTS, line, name, "unknown_unit", value=text, known="、".join(UNITS.values())
            )
        return folded.get(text)

    def _set_benchmark(self, path: str, line: Line, industry: str) -> str:
        """Set what a row says of a benchmark, and tell which of the two it says."""
        cells = line.cells
        may_be_share = cells["unit"] in {"", RATIO}
        value = self._number(BENCHMARKS, line, "value", percent=may_be_share)
        factor = self._number(BENCHMARKS, line, "factor", percent=True)
        if cells["value"] and cells["factor"]:
            self._bad(BENCHMARKS, line, "factor", "value_and_factor")
        elif industry and cells["factor"]:
            self._bad(BENCHMARKS, line, "factor", "factor_of_industry")
        elif value is not None:
            name = f"{path}.values.{industry}" if industry else f"{path}.value"
            self._set(name, value, BENCHMARKS, line, "value")
        elif factor is not None:
            # what is published would go before
            self._set(f"{path}.value", None, BENCHMARKS, line, "factor")
            self._set(f"{path}.values", {}, BENCHMARKS, line, "factor")
            self._set(f"{path}.factor", factor, BENCHMARKS, line, "factor")
            return "factor"
        return "value"

    def _set_cut(self, path: str, line: Line, kind: str) -> None:
        cells = line.cells
        value = self._share(line) if kind == "share" else self._number(CUTS, line, kind)
        if value is None:
            return
        # the other kinds of the rule set, where it has any, make room
        for name in ("share", "score", "value"):
            self._set(f"{path}.{name}", value if name == kind else None, CUTS, line, kind)
        known = self.codes.get("指标", {})
        named = known.get(_folded(cells["indicator"]), cells["indicator"])
        self._set(f"{path}.indicator", named if kind == "value" else "", CUTS, line, "indicator")

    def _set_kinds(self, path: str, line: Line) -> None:
        """Recognitions, any of which meets a rule that has no conditions."""
        known = self.codes.get("认定", {})
        kinds = []
        for name in _names(line.cells["value"]):
            if name not in known and re.fullmatch(r"[a-z0-9_]+", name) is None:
                self._bad(PARAMETERS, line, "value", "unknown_recognition", value=name)
                return
            kinds.append(known.get(name, name))
        fact = kinds_fact(path)
        rule = {
            "kind": "recognition",
            "recognitions": list(dict.fromkeys(kinds)),
            "title_zh": f"{line.cells['rule']}：所列认定",
        }
        self._set(f"fact.{fact}", rule, PARAMETERS, line, "value")
        self._set(path, [{"fact": fact, "holds": True}], PARAMETERS, line, "value")

    # ----------------------------------------------------------------------------------- cells

    def _scale(self, sheet: str, line: Line) -> str | None:
        text = line.cells["scale"]
        of_title = {one.cells["scale_title"]: one.cells["scale"] for one in self.sheets.lines[CUTS]}
        scale = of_title.get(text, text).upper()
        if scale in self.scales:
            return scale
        self._bad(sheet, line, "scale", "unknown_scale", value=text, known="、".join(self.scales))
        return None

    def _indicator(self, sheet: str, line: Line) -> str | None:
        """The code of a row's indicator, which may be given by its name."""
        known = self.codes.get("指标", {})
        text = _folded(line.cells["code"])
        title = _folded(line.cells["title"])
        code = known.get(text, text) or known.get(title, "")
        if not code:
            self._bad(sheet, line, "code", "code_missing", value=line.cells["title"])
            return None
        if _CODE.fullmatch(code) is None:
            self._bad(sheet, line, "code", "bad_name", value=code)
            return None
        return code

    def _industry(self, line: Line) -> str | None:
        """A division or group; empty for all; None where it can be neither."""
        text = _folded(line.cells["industry"])
        if text in {"", _ALL_INDUSTRIES}:
            return ""
        division = _DIVISION.fullmatch(text)
        if division is not None:
            return division[1].zfill(2)
        if "." in text:
            self._bad(BENCHMARKS, line, "industry", "bad_name", value=text)
            return None
        return text

    def _choice(
        self, sheet: str, line: Line, column: str, choices: Mapping[str, str]
    ) -> str | None:
        text = _folded(line.cells[column])
        if not text or text in choices:
            return text or None
        for code, words in choices.items():
            if _folded(words) == text:
                return code
        known = "、".join(choices.values())
        self._bad(sheet, line, column, "unknown_choice", value=text, known=known)
        return None

    def _share(self, line: Line) -> Decimal | None:
        """A share under a heading that says per cent: 20 and 20 % are the same; 0.2 might be either."""
        number = self._number(CUTS, line, "share", percent=True)
        if number is None or "%" in _folded(line.cells["share"]):
            return number
        if number <= 1:
            text = line.cells["share"]
            self._bad(CUTS, line, "share", "percent_unclear", value=text)
            return None
        return number / 100

    def _number(
        self, sheet: str, line: Line, column: str, *, percent: bool = False
    ) -> Decimal | None:
        """A number, exactly; None where the cell is empty or is none."""
        text = _folded(line.cells[column])
        if column in line.formulas:
            self._bad(sheet, line, column, "formula")
            return None
        is_percent = text.endswith("%")
        if is_percent and not percent:
            self._bad(sheet, line, column, "no_percent", value=text)
            return None
        read = parse_number(pd.Series([text.removesuffix("%").strip()], dtype="str")).iloc[0]
        if read["problem"] == "missing":
            return None
        if pd.isna(read["value"]):
            self._bad(sheet, line, column, "not_a_number", value=text)
            return None
        number = Decimal(read["value"])
        return number.scaleb(-2) if is_percent else number

    def _is_repeated(
        self, sheet: str, line: Line, column: str, seen: dict[str, int], what: str
    ) -> bool:
        if what in seen:
            self._bad(sheet, line, column, "twice", other=seen[what], what=what)
            return True
        seen[what] = line.number
        return False

    def _set(self, path: str, value: object, sheet: str, line: Line, column: str) -> None:
        self.values[path] = value
        heading = COLUMNS[sheet][column].heading
        self.places[path] = f"{sheet} 第 {line.number} 行“{heading}”"

    def _bad(self, sheet: str, line: Line, column: str, code: str, /, **params: object) -> None:
        zh, en = both(f"rules.form_{code}", params)
        place = {"file": self.file, "sheet": sheet, "row": line.number}
        heading = COLUMNS[sheet][column].heading
        self.problems.append(
            ("rules.form_cell", {**place, "column": heading, "kind": code, "zh": zh, "en": en})
        )


def _names(text: str) -> list[str]:
    """Names with marks between them, in their order."""
    return [name for name in _SEPARATORS.split(_folded(text)) if name]


def _folded(text: str) -> str:
    """A text in one width, without outer spaces."""
    found = fold(pd.Series([text], dtype="str")).iloc[0]
    return "" if pd.isna(found) else str(found)
