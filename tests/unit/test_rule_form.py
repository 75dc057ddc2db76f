"""The form of a rule set: what is filled in comes back exactly, what cannot be right is named."""

from __future__ import annotations

import datetime as dt
import shutil
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.workbook import Workbook

from pipeline.errors import SettingsError
from pipeline.messages import both
from pipeline.outputs.rule_sheets import (
    BENCHMARKS,
    COLUMNS,
    CUTS,
    GUIDE,
    PARAMETERS,
    REFERENCE,
    WEIGHTS,
)
from pipeline.rule_form import FormError, read_form, write_form
from pipeline.rulebook import (
    check_rules,
    lay_form_over,
    load_rules,
    read_tables,
    rules_of,
    write_form_of,
)

NAME = "cixi-4.0"
SIX = {
    "tax_per_mu": "30",
    "value_added_per_mu": 20,
    "value_added_per_energy": "１５",
    "value_added_per_emission": 12.5,
    "productivity": "12.5",
    "rd_share": "10",
}


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("form") / f"{NAME}.xlsx"
    write_form(path, load_rules(NAME))
    return path


class Form:
    """A copy of the blank form, filled in by what its rows say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book: Workbook = openpyxl.load_workbook(path)

    def place(self, sheet: str, column: str) -> int:
        return list(COLUMNS[sheet]).index(column) + 1

    def row(self, sheet: str, **cells: str) -> int:
        """The first row whose cells are these; '' is an empty one."""
        for row in range(3, self.book[sheet].max_row + 1):
            if all((self.at(sheet, row, name).value or "") == cells[name] for name in cells):
                return row
        raise AssertionError(cells)

    def at(self, sheet: str, row: int, column: str) -> Any:
        return self.book[sheet].cell(row, self.place(sheet, column))

    def set(self, sheet: str, row: int, **cells: object) -> None:
        for name, value in cells.items():
            cell = self.at(sheet, row, name)
            cell.value = value
            if isinstance(value, str) and not value.startswith("="):
                cell.data_type = "s"

    def save(self) -> Path:
        self.book.save(self.path)
        return self.path

    def values(self) -> dict[str, Any]:
        return read_form(self.save()).values

    def fill_all(self) -> None:
        """Invented values for everything that is open."""
        for code, weight in SIX.items():
            self.set(WEIGHTS, self.row(WEIGHTS, scale="ABOVE", code=code), weight=weight)
        free = self.row(WEIGHTS, scale="BELOW_GE3", code="", title="")
        self.set(WEIGHTS, free, code="tax_per_mu", weight="60")
        self.set(WEIGHTS, free + 1, code="tax_per_electricity", weight="40")
        for code, value in (("tax_per_mu", "1,011.5932"), ("tax_per_electricity", 0.2352)):
            spare = self.row(BENCHMARKS, scale="", code="")
            self.set(BENCHMARKS, spare, scale="BELOW_GE3", code=code, value=value)
        for grade, share in (("A", "20"), ("B", "60%"), ("C", 95)):
            self.set(CUTS, self.row(CUTS, scale="ABOVE", grade=grade), share=share)
        for grade, score in (("A", 80), ("B", "60")):
            self.set(CUTS, self.row(CUTS, scale="BELOW_GE3", grade=grade), score=score)
        last = self.row(CUTS, scale="BELOW_GE3", grade="C")
        self.set(CUTS, last, value="1.5", indicator="tax_per_mu")
        veto = self.row(PARAMETERS, path="veto.CX-V1.when")
        self.set(PARAMETERS, veto, value="环保否决、veto_safety")
        refund = self.row(PARAMETERS, path="use.CX-E3.rate")
        self.set(PARAMETERS, refund, value="0.5")


@pytest.fixture
def form(blank: Path, tmp_path: Path) -> Form:
    path = tmp_path / f"{NAME}.xlsx"
    shutil.copy(blank, path)
    return Form(path)


def problem_of(path: Path) -> tuple[str, str, str]:
    """The code of the first problem, in Chinese and in English."""
    with pytest.raises(SettingsError) as caught:
        read_form(path)
    error = caught.value
    if isinstance(error, FormError):
        code, params = error.problems[0]
        assert code == "rules.form_cell"
        return str(params["kind"]), *both(code, params)
    return error.code, *both(error.code, error.params)


def test_a_blank_form_changes_nothing(blank: Path) -> None:
    assert read_form(blank).values == {}
    tables = read_tables(NAME)
    assert lay_form_over(tables, blank) == tables


@pytest.mark.parametrize("name", ["fenghua-3.0", "huangyan-2022", "ningbo-3.0"])
def test_each_rule_set_has_a_form(name: str, tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    write_form(path, load_rules(name))
    assert read_form(path).rule_set == name
    assert read_form(path).values == {}


def test_a_filled_form_leaves_nothing_open(form: Form) -> None:
    form.fill_all()
    rules = rules_of(lay_form_over(read_tables(NAME), form.save()), NAME)
    assert rules.papers() == []
    above, below = rules.scoring["ABOVE"].item, rules.scoring["BELOW_GE3"].item
    assert [str(item.weight) for item in above.values()] == ["30", "20", "15", "12.5", "12.5", "10"]
    assert str(below["tax_per_mu"].benchmark.value) == "1011.5932"
    assert str(below["tax_per_electricity"].benchmark.value) == "0.2352"
    cuts = rules.grading["ABOVE"].cut
    assert [cut.share for cut in cuts.values()] == [Decimal(x) for x in ("0.2", "0.6", "0.95")]
    last = rules.grading["BELOW_GE3"].cut["C"]
    assert (last.value, last.indicator) == (Decimal("1.5"), "tax_per_mu")
    fact = rules.veto["CX-V1"].when[0].fact
    assert rules.fact[fact].recognitions == ("veto_environment", "veto_safety")


def test_what_is_filled_in_is_known_to_the_cell(form: Form) -> None:
    row = form.row(WEIGHTS, code="rd_share")
    form.set(WEIGHTS, row, weight="10")
    filled = read_form(form.save())
    assert filled.values == {"scoring.ABOVE.item.rd_share.weight": Decimal(10)}
    assert f"第 {row} 行" in filled.places["scoring.ABOVE.item.rd_share.weight"]


def test_a_filled_form_can_be_written_again(form: Form, tmp_path: Path) -> None:
    form.fill_all()
    spare = form.row(WEIGHTS, scale="BELOW_GE3", code="", title="")
    form.set(
        WEIGHTS,
        spare,
        code="revenue_per_staff",
        title="人均营业收入",
        weight="0",
        cap="不封顶",
        missing="不评分",
        numerator="营业收入",
        numerator_unit="万元",
        denominator="employees",
        denominator_unit="人",
    )
    spare = form.row(BENCHMARKS, scale="", code="")
    form.set(BENCHMARKS, spare, scale="BELOW_GE3", code="tax_per_mu", industry="C6", value="3.5")
    form.set(PARAMETERS, form.row(PARAMETERS, path="scoring.BELOW_GE3.mode"), value="极差法")
    before = read_form(form.save()).values
    assert before["indicator.revenue_per_staff"] == {
        "title_zh": "人均营业收入",
        "numerator": ["revenue"],
        "numerator_unit": "wan_yuan",
        "denominator": ["employees"],
        "denominator_unit": "person",
    }
    assert before["scoring.BELOW_GE3.item.revenue_per_staff.cap"] == "none"
    assert before["scoring.BELOW_GE3.item.tax_per_mu.benchmark.values.06"] == Decimal("3.5")
    assert before["scoring.BELOW_GE3.mode"] == "min_max"
    again = tmp_path / "again.xlsx"
    write_form(again, load_rules(NAME), before)
    assert read_form(again).values == before


def test_columns_may_move_and_lines_be_sorted(form: Form) -> None:
    form.fill_all()
    expected = form.values()
    sheet = form.book[WEIGHTS]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=3)]
    for number, row in enumerate(reversed(rows), start=3):
        for place, value in enumerate(row, start=1):
            sheet.cell(number, place).value = value
    sheet.move_range(f"A1:Q{sheet.max_row}", rows=2, cols=1)
    form.book.create_sheet("备注").append(["随便"])
    assert form.values() == expected


NUMBERS = [
    ("２４．０９７", "24.097"),
    ("1，234.5", "1234.5"),
    (" 24.097 ", "24.097"),
    (24.097, "24.097"),
    (0.1, "0.1"),
    (30, "30"),
    ("1e2", "100"),
]


@pytest.mark.parametrize(("typed", "read"), NUMBERS)
def test_numbers_are_read_exactly(form: Form, typed: object, read: str) -> None:
    form.set(BENCHMARKS, form.row(BENCHMARKS, code="tax_per_mu"), value=typed)
    (value,) = form.values().values()
    assert value == Decimal(read)
    assert len(str(value)) <= 8


SHARES = [
    (20, None, "0.2"),
    ("20", None, "0.2"),
    ("20%", None, "0.2"),
    ("２０％", None, "0.2"),
    (0.2, "0%", "0.2"),
    (0.2, "0.00%", "0.2"),
    (7.5, None, "0.075"),
    ("0.5%", None, "0.005"),
]


@pytest.mark.parametrize(("typed", "shown_as", "read"), SHARES)
def test_shares_are_never_two_things(
    form: Form, typed: object, shown_as: str | None, read: str
) -> None:
    row = form.row(CUTS, scale="ABOVE", grade="A")
    form.set(CUTS, row, share=typed)
    if shown_as:
        form.at(CUTS, row, "share").number_format = shown_as
    assert form.values()["grading.ABOVE.cut.A.share"] == Decimal(read)


def test_a_factor_makes_room_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "huangyan-2022.xlsx"
    write_form(path, load_rules("huangyan-2022"))
    form = Form(path)
    form.set(BENCHMARKS, form.row(BENCHMARKS, scale="ABOVE", code="tax_per_mu"), factor="1.5")
    tables = lay_form_over(read_tables("huangyan-2022"), form.save())
    benchmark = rules_of(tables, "x").scoring["ABOVE"].item["tax_per_mu"].benchmark
    assert (benchmark.value, benchmark.factor) == (None, Decimal("1.5"))


def test_a_cut_of_another_kind_makes_room_for_itself(form: Form) -> None:
    tables = read_tables(NAME)
    tables["grading"]["ABOVE"]["cut"] = {"A": {"share": Decimal("0.2"), "source": "x"}}
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), score="80")
    cut = rules_of(lay_form_over(tables, form.save()), NAME).grading["ABOVE"].cut["A"]
    assert (cut.share, cut.score, cut.source) == (None, Decimal(80), "x")


def test_other_values_by_their_paths(form: Form) -> None:
    for path, value in (
        ("transition.CX-T1.months", "48"),
        ("upgrade.CX-U3.when.0.at_least", 3),
        ("bonus.CX-P1.tiers.1.points", "12"),
        ("adjust.max_bonus", "30"),
        ("grading.ABOVE.within", "行业大类"),
    ):
        form.set(PARAMETERS, form.row(PARAMETERS, path=path), value=value)
    rules = rules_of(lay_form_over(read_tables(NAME), form.save()), NAME)
    assert rules.transition["CX-T1"].months == 48
    assert rules.upgrade["CX-U3"].when[0].at_least == 3
    assert rules.bonus["CX-P1"].tiers[1].points == 12
    assert rules.adjust.max_bonus == 30
    assert rules.grading["ABOVE"].within == "division"


def bad_number(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight="大约十分")


def bad_date(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight=dt.date(2025, 1, 10))


def unit_in_the_cell(form: Form) -> None:
    form.set(BENCHMARKS, form.row(BENCHMARKS, code="tax_per_mu"), value="47.55万元/亩")


def formula(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight="=5+5")


def percent_weight(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight="10%")


def unclear_share(form: Form) -> None:
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), share=0.2)


def two_cuts(form: Form) -> None:
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), share="20", score="80")


def value_without_indicator(form: Form) -> None:
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), value="8")


def indicator_without_value(form: Form) -> None:
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), indicator="tax_per_mu")


def wrong_grade(form: Form) -> None:
    form.set(CUTS, form.row(CUTS, scale="ABOVE", grade="A"), grade="E", share="20")


def twice(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight="10")
    free = form.row(WEIGHTS, scale="ABOVE", code="", title="")
    form.set(WEIGHTS, free, title="R&D经费支出占营业收入之比", weight="10")


def twice_by_path(form: Form) -> None:
    row = form.row(PARAMETERS, path="adjust.max_bonus")
    form.set(PARAMETERS, row, value="10")
    form.set(PARAMETERS, row - 1, path="adjust.max_bonus", value="20")


def unknown_scale(form: Form) -> None:
    free = form.row(WEIGHTS, scale="ABOVE", code="", title="")
    form.set(WEIGHTS, free, scale="规中", code="tax_per_mu", weight="3")


def no_code(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, scale="ABOVE", code=""), title="亩均利润", weight="3")


def code_with_a_dot(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, scale="ABOVE", code=""), code="a.b", weight="3")


def half_an_indicator(form: Form) -> None:
    row = form.row(WEIGHTS, scale="ABOVE", code="")
    form.set(WEIGHTS, row, code="profit", weight="3", numerator="tax")


def unknown_unit(form: Form) -> None:
    row = form.row(WEIGHTS, scale="ABOVE", code="")
    form.set(WEIGHTS, row, code="p", weight="3", numerator="tax", numerator_unit="美元")


def two_definitions(form: Form) -> None:
    for scale, unit in (("ABOVE", "元"), ("BELOW_GE3", "万元")):
        row = form.row(WEIGHTS, scale=scale, code="")
        form.set(WEIGHTS, row, code="p", weight="3", numerator="tax", numerator_unit=unit)


def unknown_choice(form: Form) -> None:
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), missing="随意")


def unknown_recognition(form: Form) -> None:
    row = form.row(PARAMETERS, path="veto.CX-V1.when")
    form.set(PARAMETERS, row, value="高新技术企业、偷排企业")


def value_and_factor(form: Form) -> None:
    row = form.row(BENCHMARKS, code="tax_per_mu")
    form.set(BENCHMARKS, row, value="3", factor="1.5")


def factor_of_industry(form: Form) -> None:
    row = form.row(BENCHMARKS, scale="", code="")
    form.set(BENCHMARKS, row, scale="ABOVE", code="tax_per_mu", industry="38", factor="1.5")


def factor_and_industries(form: Form) -> None:
    form.set(BENCHMARKS, form.row(BENCHMARKS, code="tax_per_mu"), factor="1.5")
    row = form.row(BENCHMARKS, scale="", code="")
    form.set(BENCHMARKS, row, scale="ABOVE", code="tax_per_mu", industry="38", value="30")


def industry_with_a_dot(form: Form) -> None:
    row = form.row(BENCHMARKS, scale="", code="")
    form.set(BENCHMARKS, row, scale="ABOVE", code="tax_per_mu", industry="38.1", value="30")


def no_path(form: Form) -> None:
    form.set(PARAMETERS, form.book[PARAMETERS].max_row + 1, value="3")


CELLS: list[tuple[Callable[[Form], None], str, str, str]] = [
    (bad_number, "not_a_number", WEIGHTS, "权重"),
    (bad_date, "not_a_number", WEIGHTS, "权重"),
    (unit_in_the_cell, "not_a_number", BENCHMARKS, "基准值"),
    (formula, "formula", WEIGHTS, "权重"),
    (percent_weight, "no_percent", WEIGHTS, "权重"),
    (unclear_share, "percent_unclear", CUTS, "累计占比（%）"),
    (two_cuts, "two_cuts", CUTS, "分数线（含）"),
    (value_without_indicator, "cut_needs_indicator", CUTS, "数值线指标"),
    (indicator_without_value, "cut_needs_indicator", CUTS, "数值线指标"),
    (wrong_grade, "unknown_grade", CUTS, "档次"),
    (twice, "twice", WEIGHTS, "指标代码"),
    (twice_by_path, "twice", PARAMETERS, "路径"),
    (unknown_scale, "unknown_scale", WEIGHTS, "评价尺度"),
    (no_code, "code_missing", WEIGHTS, "指标代码"),
    (code_with_a_dot, "bad_name", WEIGHTS, "指标代码"),
    (half_an_indicator, "indicator_incomplete", WEIGHTS, "新指标分子事实"),
    (unknown_unit, "unknown_unit", WEIGHTS, "分子单位"),
    (two_definitions, "indicator_twice", WEIGHTS, "新指标分子事实"),
    (unknown_choice, "unknown_choice", WEIGHTS, "缺数据时"),
    (unknown_recognition, "unknown_recognition", PARAMETERS, "新值"),
    (value_and_factor, "value_and_factor", BENCHMARKS, "倍数（乘平均值）"),
    (factor_of_industry, "factor_of_industry", BENCHMARKS, "倍数（乘平均值）"),
    (factor_and_industries, "values_and_factor", BENCHMARKS, "基准值"),
    (industry_with_a_dot, "bad_name", BENCHMARKS, "行业（空为全部）"),
    (no_path, "path_missing", PARAMETERS, "新值"),
]


@pytest.mark.parametrize(
    ("spoil", "kind", "sheet", "column"), CELLS, ids=[one[0].__name__ for one in CELLS]
)
def test_a_cell_that_cannot_be_taken_is_named(
    form: Form, spoil: Callable[[Form], None], kind: str, sheet: str, column: str
) -> None:
    spoil(form)
    found, zh, en = problem_of(form.save())
    assert found == kind
    for told in (zh, en):
        assert f"{NAME}.xlsx" in told
        assert sheet in told
        assert column in told
        assert "{" not in told
        assert "rules." not in told
    assert "行“" in zh


def test_all_bad_cells_are_told(form: Form) -> None:
    bad_number(form)
    unclear_share(form)
    unknown_recognition(form)
    with pytest.raises(FormError) as caught:
        read_form(form.save())
    assert [params["kind"] for _, params in caught.value.problems] == [
        "not_a_number",
        "percent_unclear",
        "unknown_recognition",
    ]


def test_what_the_rule_set_refuses_names_the_cell(form: Form) -> None:
    row = form.row(WEIGHTS, code="rd_share")
    form.set(WEIGHTS, row, weight="-3")
    checked = check_rules(str(form.save()))
    ((where, code, _),) = checked.problems
    assert code == "rules.too_small"
    assert f"{WEIGHTS} 第 {row} 行" in where


def test_weights_that_do_not_sum_are_told(form: Form) -> None:
    form.fill_all()
    form.set(WEIGHTS, form.row(WEIGHTS, code="rd_share"), weight="20")
    checked = check_rules(str(form.save()))
    assert [code for _, code, _ in checked.problems] == ["rules.weights_do_not_sum"]


def test_a_form_of_another_rule_set_is_refused(form: Form) -> None:
    with pytest.raises(SettingsError) as caught:
        lay_form_over(read_tables("huangyan-2022"), form.save())
    zh, en = both(caught.value.code, caught.value.params)
    assert caught.value.code == "rules.form_of_other"
    assert NAME in zh
    assert "huangyan-2022" in en


def foreign(path: Path) -> None:
    Workbook().save(path)


def a_guide_of_something_else(path: Path) -> None:
    book = Workbook()
    book.active.title = GUIDE
    book.active.append(["待核实"])
    book.save(path)


def words(path: Path) -> None:
    path.write_text("权重,30\n", encoding="utf-8")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def old(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512)


def zip_of_nothing(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (65 << 20))


def a_folder(path: Path) -> None:
    path.mkdir()


FILES: list[tuple[Callable[[Path], None], str]] = [
    (foreign, "rules.form_foreign"),
    (a_guide_of_something_else, "rules.form_foreign"),
    (words, "rules.form_unreadable"),
    (empty, "rules.form_unreadable"),
    (old, "rules.form_old_format"),
    (zip_of_nothing, "rules.form_unreadable"),
    (bomb, "rules.form_too_large"),
    (a_folder, "rules.form_unreadable"),
    (lambda path: None, "rules.form_unreadable"),
]


@pytest.mark.parametrize(("make", "code"), FILES, ids=[one[0].__name__ for one in FILES])
def test_what_is_no_form_is_refused(
    tmp_path: Path, make: Callable[[Path], None], code: str
) -> None:
    path = tmp_path / "form.xlsx"
    make(path)
    found, zh, en = problem_of(path)
    assert found == code
    assert "form.xlsx" in zh
    assert "form.xlsx" in en


@pytest.mark.parametrize("sheet", [WEIGHTS, BENCHMARKS, CUTS, PARAMETERS, REFERENCE])
def test_a_sheet_that_is_gone_is_missed(form: Form, sheet: str) -> None:
    form.book[sheet].title = "别的"
    code, zh, _ = problem_of(form.save())
    assert code == "rules.form_no_sheet"
    assert sheet in zh


def test_a_column_that_is_gone_is_missed(form: Form) -> None:
    form.book[WEIGHTS].delete_cols(form.place(WEIGHTS, "weight"))
    code, zh, _ = problem_of(form.save())
    assert code == "rules.form_no_column"
    assert "“权重”列" in zh


def test_a_sheet_without_end_is_refused(form: Form) -> None:
    form.book[WEIGHTS].cell(900_000, 3).value = "x"
    assert problem_of(form.save())[0] == "rules.form_too_long"


def test_a_basis_has_no_form(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"rules\.form_of_basis"):
        write_form(tmp_path / "x.xlsx", load_rules("zhejiang-2018"))


def workspace_with(form: Form, tmp_path: Path) -> Path:
    folder = tmp_path / "county" / "rules"
    folder.mkdir(parents=True)
    shutil.copy(form.save(), folder / f"{NAME}.xlsx")
    return folder.parent


def test_the_form_of_a_workspace_is_laid_over(form: Form, tmp_path: Path) -> None:
    form.fill_all()
    workspace = workspace_with(form, tmp_path)
    assert load_rules(NAME, workspace).papers() == []
    assert load_rules(NAME, workspace, with_form=False).papers() != []
    assert load_rules(NAME).papers() != []


def test_a_form_with_values_is_not_written_over(form: Form, tmp_path: Path) -> None:
    form.fill_all()
    workspace = workspace_with(form, tmp_path)
    with pytest.raises(SettingsError, match=r"rules\.form_holds_values"):
        write_form_of(NAME, workspace)
    out = tmp_path / "new.xlsx"
    assert write_form_of(NAME, workspace, out) == out
    assert read_form(out).values == read_form(form.path).values
    foreign(out)
    with pytest.raises(SettingsError, match=r"rules\.form_holds_values"):
        write_form_of(NAME, workspace, out)


def test_a_blank_form_is_written_anew(form: Form, tmp_path: Path) -> None:
    workspace = workspace_with(form, tmp_path)
    assert write_form_of(NAME, workspace) == workspace / "rules" / f"{NAME}.xlsx"


def test_only_cells_to_fill_in_are_open(form: Form) -> None:
    for name, columns in COLUMNS.items():
        for row in form.book[name].iter_rows(min_row=3):
            for cell, column in zip(row, columns.values(), strict=True):
                if not cell.protection.locked:
                    assert column.use != "shown"
                    assert cell.number_format == "@"
        assert form.book[name].protection.sheet
