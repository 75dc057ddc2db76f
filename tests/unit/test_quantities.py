"""Numbers, dates and units as typed."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904, to_excel

from pipeline.domain.quantities import (
    MU_M2,
    half_up,
    parse_date,
    parse_number,
    parse_quantity,
    to_m2,
    to_yuan,
    truncate_pct,
)
from pipeline.domain.units import unit_names

FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})

decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12
)


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def one(frame: pd.DataFrame) -> tuple[str | None, str | None]:
    assert len(frame) == 1
    value, problem = frame.iloc[0][["value", "problem"]]
    return None if pd.isna(value) else value, None if pd.isna(problem) else problem


class TestNumber:
    @pytest.mark.parametrize(
        ("typed", "value"),
        [
            ("1,234.5", "1234.5"),
            ("１２３", "123"),
            ("１，２３４．５", "1234.5"),
            ("12,345,678", "12345678"),
            (" 0012.500 ", "12.5"),
            ("100", "100"),
            (".5", "0.5"),
            ("5.", "5"),
            ("+5", "5"),
            ("\u22125", "-5"),
            ("-0.0", "0"),
            ("1.5E3", "1500"),
            ("2e-7", "0.0000002"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("123456789012345678901234567890.1", "123456789012345678901234567890.1"),
        ],
    )
    def test_numbers(self, typed: str, value: str) -> None:
        assert one(parse_number(text(typed))) == (value, None)

    @pytest.mark.parametrize(
        "typed", ["-", "/", "无", "——", "－", "N/A", "null", "NaN", "", " ", None, pd.NA]
    )
    def test_missing(self, typed: str | None) -> None:
        assert one(parse_number(text(typed))) == (None, "missing")

    @pytest.mark.parametrize(
        "typed",
        ["约3亩", "3亩", "1,23", "1,2345", "0,123", "1,234,56", "12 34", "1.2.3", "5%", "三", "inf",
         "0x10", "1_000", "1e999", "--5", "\u0663", "1e5.5", ".", "e5"],
    )  # fmt: skip
    def test_not_a_number(self, typed: str) -> None:
        assert one(parse_number(text(typed))) == (None, "not_a_number")

    @settings(deadline=None)
    @given(decimals)
    def test_every_way_of_writing_gives_the_same_text(self, number: Decimal) -> None:
        ways = [
            f"{number:f}",
            f"{number:,f}",
            f" {number:,f}".translate(FULL_WIDTH),
            f"{number:f}0",
        ]
        found = parse_number(text(*ways))
        assert found["problem"].isna().all()
        assert found["value"].nunique() == 1
        value = found["value"].iloc[0]
        assert Decimal(value) == number
        assert "." not in value or not value.endswith("0")

    @settings(deadline=None)
    @given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e90, max_value=1e90))
    def test_a_number_written_by_a_program_is_read_exactly(self, number: float) -> None:
        value, problem = one(parse_number(text(repr(number))))
        if problem is None:
            assert value is not None
            assert float(value) == number
        else:
            assert abs(number) < 1e-99


class TestQuantity:
    @pytest.mark.parametrize(
        ("typed", "value", "unit"),
        [
            ("12.5亩", "12.5", "mu"),
            ("１２．５ 亩", "12.5", "mu"),
            ("3,000平方米", "3000", "m2"),
            ("3 000 m²", None, None),
            ("40㎡", "40", "m2"),
            ("3（公顷）", "3", "ha"),
            ("0.4 HA", "0.4", "ha"),
            ("1.5平方公里", "1.5", "km2"),
            ("-5亩", "-5", "mu"),
            ("1E3亩", "1000", "mu"),
            ("1,234.5", "1234.5", None),
            ("约3亩", None, None),
            ("3-5亩", None, None),
            (">100", None, None),
            ("12。5", None, None),
            ("1.234,5", None, None),
            ("3亩5分", None, None),
            ("亩", None, None),
            ("1.2万元", None, None),
            ("3人", None, None),
        ],
    )
    def test_areas_with_their_unit(self, typed: str, value: str | None, unit: str | None) -> None:
        found = parse_quantity(text(typed), unit_names("m2")).fillna("").iloc[0]
        problem = "" if value else "not_a_number"
        assert found.tolist() == [value or "", unit or "", problem]

    def test_money_power_and_coal(self) -> None:
        money = parse_quantity(text("1.2万元", "300元", "1.5亿元", "9亩"), unit_names("yuan"))
        assert money["value"].fillna("").tolist() == ["1.2", "300", "1.5", ""]
        assert money["unit"].fillna("").tolist() == ["wan_yuan", "yuan", "yi_yuan", ""]
        power = parse_quantity(text("3.2万千瓦时", "80度", "5 MWh"), unit_names("kwh"))
        assert power["unit"].tolist() == ["wan_kwh", "kwh", "mwh"]
        assert parse_quantity(text("2吨标煤"), unit_names("tce"))["unit"].tolist() == ["tce"]

    def test_index_missing_and_units_that_are_not_asked_for(self) -> None:
        cells = pd.Series(["3亩", None, "4", "无", "5亩"], index=[4, 4, 9, 9, 4])
        found = parse_quantity(cells, unit_names("m2"))
        assert found.index.tolist() == [4, 4, 9, 9, 4]
        assert found["value"].fillna("").tolist() == ["3", "", "4", "", "5"]
        assert found["problem"].fillna("").tolist() == ["", "missing", "", "missing", ""]
        assert parse_quantity(cells, {})["problem"].tolist()[0] == "not_a_number"
        assert parse_quantity(pd.Series([], dtype=object), unit_names("m2")).empty

    def test_prose_costs_nothing(self) -> None:
        cell = "3" * 60_000 + "亩亩"
        assert one(parse_quantity(text(cell), unit_names("m2"))[["value", "problem"]]) == (
            None,
            "not_a_number",
        )


class TestDate:
    @pytest.mark.parametrize(
        "typed",
        [
            "2021-03-05",
            "2021/3/5",
            "20210305",
            "2021.3.5",
            "2021年3月5日",
            "2021 年 03 月 05 日",
            "２０２１．３．５",
            "2021-03-05 00:00:00",
            "2021-03-05T08:30",
        ],
    )
    def test_days(self, typed: str) -> None:
        assert one(parse_date(text(typed))) == ("2021-03-05", None)

    @pytest.mark.parametrize(
        "typed", ["2021.3", "2021年3月", "2021-03", "2021/3", "2021 年 3 月份"]
    )
    def test_months_are_flagged(self, typed: str) -> None:
        assert one(parse_date(text(typed))) == ("2021-03-01", "month_only")

    @pytest.mark.parametrize("typed", ["2021", "２０２１", "2021年", "2021 年", "2021年度"])
    def test_a_year_alone_only_where_it_is_asked_for(self, typed: str) -> None:
        for serial in (False, True):
            read = parse_date(text(typed), bare_year=True, serial=serial)
            assert one(read) == ("2021-01-01", "year_only")
            assert one(parse_date(text(typed), serial=serial)) == (None, "not_a_date")
        assert one(parse_date(text("2021.3"), bare_year=True)) == ("2021-03-01", "month_only")
        assert one(parse_date(text("2150"), bare_year=True)) == (None, "not_a_date")

    @pytest.mark.parametrize("typed", ["长期", "永久", " 长期有效 "])
    def test_without_end_is_no_problem(self, typed: str) -> None:
        assert one(parse_date(text(typed))) == (None, None)

    @pytest.mark.parametrize("typed", ["", None, "-", "/", "无"])
    def test_missing(self, typed: str | None) -> None:
        assert one(parse_date(text(typed))) == (None, "missing")

    @pytest.mark.parametrize(
        "typed",
        ["2021-02-30", "20211301", "2021.13", "2021-3/5", "21.3.5", "2021", "2021年", "44260", "1021-03-05",
         "2021-03-05Z", "约2021年", "2021-03-05 到期"],
    )  # fmt: skip
    def test_not_a_date(self, typed: str) -> None:
        assert one(parse_date(text(typed))) == (None, "not_a_date")

    @settings(deadline=None)
    @given(st.dates(date(1800, 1, 1), date(2999, 12, 31)))
    def test_every_written_day(self, day: date) -> None:
        y, m, d = day.year, day.month, day.day
        ways = [
            f"{y}-{m}-{d}",
            f"{y}/{m:02}/{d:02}",
            f"{y}{m:02}{d:02}",
            f"{y}.{m}.{d}",
            f"{y}年{m}月{d}日",
        ]
        for serial in (False, True):
            found = parse_date(text(*ways), serial=serial)
            assert found["value"].tolist() == [day.isoformat()] * len(ways)
            assert found["problem"].isna().all()

    @settings(deadline=None)
    @given(st.dates(date(1906, 1, 1), date(2173, 10, 13)))
    def test_serial_numbers_agree_with_openpyxl(self, day: date) -> None:
        typed = to_excel(datetime.combine(day, datetime.min.time()))
        found = parse_date(text(f"{typed:.0f}", f"{typed:.1f}", f"{typed + 0.75:.2f}"), serial=True)
        assert found["value"].tolist() == [day.isoformat()] * 3

    @pytest.mark.parametrize(
        ("typed", "value"),
        [
            ("1", "1900-01-01"),
            ("59", "1900-02-28"),
            ("61", "1900-03-01"),
            ("2958465", "9999-12-31"),
        ],
    )
    def test_ends_of_the_serial_calendar(self, typed: str, value: str) -> None:
        assert one(parse_date(text(typed), serial=True)) == (value, None)

    @pytest.mark.parametrize(
        "typed", ["0", "60", "100000", "990305", "1100305", "2958464", "2958466", "-5", "2021"]
    )
    def test_serial_numbers_that_name_no_day(self, typed: str) -> None:
        assert one(parse_date(text(typed), serial=True)) == (None, "not_a_date")

    @settings(deadline=None)
    # below, a count with a time of day looks like a year and a month
    @given(st.dates(date(1913, 1, 1), date(2173, 10, 13)))
    def test_the_other_serial_calendar_agrees_with_openpyxl(self, day: date) -> None:
        typed = to_excel(datetime.combine(day, datetime.min.time()), CALENDAR_MAC_1904)
        found = parse_date(text(f"{typed:.0f}", f"{typed + 0.5:.1f}"), serial=True, since_1904=True)
        assert found["value"].tolist() == [day.isoformat()] * 2

    @pytest.mark.parametrize(
        ("typed", "value"),
        [
            ("民國110年3月5日", "2021-03-05"),
            ("中华民国110年03月05日", "2021-03-05"),
            ("110.3.5", "2021-03-05"),
            ("110/3/5", "2021-03-05"),
            ("１１０－３－５", "2021-03-05"),
            ("1100305", "2021-03-05"),
            ("990305", "2010-03-05"),
            ("99年3月5日", "2010-03-05"),
            ("0990305", "2010-03-05"),
            ("2021-03-05", "2021-03-05"),
        ],
    )
    def test_years_of_the_republic(self, typed: str, value: str) -> None:
        assert one(parse_date(text(typed), roc=True)) == (value, None)
        assert one(parse_date(text(typed), roc=True, serial=True)) == (value, None)

    @pytest.mark.parametrize("typed", ["110年3月", "民國110年3月份", "110.3", "110/03"])
    def test_months_of_the_republic(self, typed: str) -> None:
        assert one(parse_date(text(typed), roc=True)) == ("2021-03-01", "month_only")

    @pytest.mark.parametrize(
        "typed", ["110.2.30", "1101305", "110", "110年", "0.3.5", "民國1110年3月5日", "99"]
    )
    def test_what_no_republic_has(self, typed: str) -> None:
        assert one(parse_date(text(typed), roc=True, serial=True)) == (None, "not_a_date")

    @pytest.mark.parametrize("typed", ["民國110年3月5日", "110.3.5", "1100305", "99/3/5"])
    def test_such_years_only_where_they_are_declared(self, typed: str) -> None:
        assert one(parse_date(text(typed))) == (None, "not_a_date")

    def test_five_figures_are_a_serial_number_in_either_calendar(self) -> None:
        assert one(parse_date(text("44260"), roc=True, serial=True)) == ("2021-03-05", None)

    def test_written_forms_win_over_serial_numbers(self) -> None:
        assert one(parse_date(text("2021.3"), serial=True)) == ("2021-03-01", "month_only")


class TestUnits:
    def test_three_mu_are_two_thousand_square_metres(self) -> None:
        assert to_m2(text("3"), "mu").tolist() == ["2000"]
        assert Fraction(2000) / MU_M2 == 3

    @pytest.mark.parametrize(
        ("typed", "unit", "m2"),
        [
            ("1", "mu", "666.6667"),
            ("0.00005", "m2", "0.0001"),
            ("-0.00005", "m2", "-0.0001"),
            ("0.00004", "m2", "0"),
            ("1.5", "ha", "15000"),
            ("2500", "ft2", "232.2576"),
            (str(3937**2), "ft2_us", "1440000"),
            ("123456789012345678901234567890", "ha", "1234567890123456789012345678900000"),
        ],
    )
    def test_areas(self, typed: str, unit: str, m2: str) -> None:
        assert to_m2(text(typed), unit).tolist() == [m2]

    def test_the_two_feet_differ(self) -> None:
        found = Decimal(to_m2(text("10000000"), "ft2_us").iloc[0]) - Decimal(
            to_m2(text("10000000"), "ft2").iloc[0]
        )
        assert Decimal("3.7") < found < Decimal("3.8")

    @settings(deadline=None)
    @given(st.decimals(0, 10**9, places=6))
    def test_fifteen_mu_are_a_hectare(self, ha: Decimal) -> None:
        assert to_m2(text(f"{ha * 15:f}"), "mu").tolist() == to_m2(text(f"{ha:f}"), "ha").tolist()

    def test_money(self) -> None:
        assert to_yuan(text("112.8", None, "5000"), "wan_yuan").fillna("").tolist() == [
            "1128000",
            "",
            "50000000",
        ]
        assert to_yuan(text("0.01"), "yuan").tolist() == ["0.01"]

    def test_index_and_missing_stay(self) -> None:
        areas = pd.Series(["3", None, "3"], index=[4, 4, 9])
        found = to_m2(areas, "mu")
        assert found.index.tolist() == [4, 4, 9]
        assert found.isna().tolist() == [False, True, False]
        assert to_m2(pd.Series([], dtype=object), "mu").empty

    @pytest.mark.parametrize("unit", ["wan_yuan", "acre", ""])
    def test_an_unknown_unit_is_a_bug_of_the_caller(self, unit: str) -> None:
        with pytest.raises(ValueError, match="unknown unit"):
            to_m2(text("1"), unit)

    def test_what_is_no_decimal_is_a_bug_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="not a decimal"):
            to_m2(text("1/3"), "mu")


class TestRounding:
    @pytest.mark.parametrize(
        ("value", "digits", "rounded"),
        [
            ("2.5", 0, "3"),
            ("3.5", 0, "4"),
            ("-2.5", 0, "-3"),
            ("0.125", 2, "0.13"),
            ("1.005", 2, "1.01"),
            ("2.4999", 0, "2"),
            ("47.55", 2, "47.55"),
            ("1", 2, "1.00"),
            ("-0.001", 2, "0.00"),
        ],
    )
    def test_half_up(self, value: str, digits: int, rounded: str) -> None:
        assert str(half_up(Decimal(value), digits)) == rounded

    @pytest.mark.parametrize(
        ("total", "mu", "per_mu"),
        [(545_000, "4830.7", "112.8"), (276_000, "4830.7", "57.1"), (1_205_000, "4830.7", "249.4")],
    )
    def test_published_figures_of_cixi(self, total: int, mu: str, per_mu: str) -> None:
        assert str(half_up(total / Fraction(mu), 1)) == per_mu

    @settings(deadline=None)
    @given(decimals, st.integers(0, 4))
    def test_half_up_agrees_with_decimal(self, value: Decimal, digits: int) -> None:
        expected = value.quantize(
            Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=Context(prec=60)
        )
        assert half_up(value, digits) == expected

    @settings(deadline=None)
    @given(st.integers(0, 10**40), st.integers(1, 10**40))
    def test_half_up_is_exact_for_fractions(self, top: int, bottom: int) -> None:
        exact = Fraction(top, bottom)
        distance = Fraction(half_up(exact, 3)) - exact
        assert Fraction(-1, 2000) < distance <= Fraction(1, 2000)

    @pytest.mark.parametrize(
        ("ratio", "printed"),
        [
            (Decimal("0.69996"), "69.99 %"),
            (Decimal("0.7"), "70.00 %"),
            (Fraction(7, 10) - Fraction(1, 10**30), "69.99 %"),
            (Fraction(2, 3), "66.66 %"),
            (Decimal(1), "100.00 %"),
            (Decimal(0), "0.00 %"),
            (Decimal("0.00009"), "0.00 %"),
        ],
    )
    def test_a_ratio_below_its_target_is_not_printed_as_the_target(
        self, ratio: Decimal | Fraction, printed: str
    ) -> None:
        assert truncate_pct(ratio) == printed
