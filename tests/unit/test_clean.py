"""Delivered rows into canonical rows, column type by column type, and what is said of bad ones."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon, box

from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.clean import CleanBatch, Manner, clean_batch, county_hash
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.geometry import clean_points, clean_polygons, drawn_from
from pipeline.feeds.headings import match_headings

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
COUNTY = County("330299", "EPSG:4549", address_prefixes=("浙江省", "青岚县"))
X, Y = 499_500.0, 3_290_000.0
SQUARE = box(X, Y, X + 100, Y + 100)
CODE = "91330299MA9T00010T"
PARCEL = "330299001001GB00001"
# an identity number of an invented person
PERSON = "330299199001011234"


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(DEFAULT)


def clean(
    contract, headings, rows, *, shapes=None, numbers=(), spreadsheet=True, county=COUNTY, **options
) -> CleanBatch:
    """Clean rows given as lists; ``numbers`` are the positions of numeric columns."""
    columns = [pd.Series([row[i] for row in rows], dtype="str") for i in range(len(headings))]
    batch = RawBatch(
        np.arange(2, 2 + len(rows), dtype=np.int64),
        columns,
        [np.full(len(rows), i in numbers) for i in range(len(headings))],
        None if shapes is None else drawn(contract, county, shapes),
    )
    match = match_headings(contract, [(name,) for name in headings])
    assert match.missing == ()
    layer = OpenLayer("t", list(headings), match, iter([]), is_spreadsheet=spreadsheet)
    return clean_batch(batch, layer, contract, county, Manner(dt.date(2026, 6, 30)), **options)


def drawn(contract, county, shapes):
    items = np.array([*shapes, None], dtype=object)[:-1]
    if contract.geometry == "point":
        return drawn_from(clean_points(items, county))
    return drawn_from(clean_polygons(items, county, contract.repair))


def rules(result: CleanBatch) -> list[tuple[int, str, str, str]]:
    table = result.issues
    return sorted(
        zip(table["row_number"], table["rule"], table["severity"], table["field"], strict=True)
    )


def column(result: CleanBatch, name: str) -> list[str | None]:
    return [None if pd.isna(value) else value for value in result.rows[name]]


# ---- Patches and parcels -----------------------------------------------------------------------

PATCH = ["ZLDWDM", "TBBH", "DLBM", "TBMJ", "SJNF"]


def test_a_patch(contracts):
    result = clean(
        contracts["patch"],
        [*PATCH, "DLMC"],
        [["330299001001", "0001", "0601", "10005.00", "2025", '工业"用地"']],
        shapes=[SQUARE],
    )
    row = result.rows.iloc[0]
    assert row["patch_code"] == "33029900100100000000001"
    assert (row["key"], row["scope_key"]) == ("2025|33029900100100000000001", "330299001")
    assert row["official_area_m2"] == "10005"
    assert json.loads(row["extra"]) == {"DLMC": '工业"用地"'}
    assert pd.isna(row["outcome"])
    shape = shapely.from_wkb(row["geom"])
    assert shape.geom_type == "MultiPolygon"
    assert result.issues.empty


def test_a_patch_without_number_keeps_its_place(contracts):
    result = clean(
        contracts["patch"], PATCH, [["330299001001", "", "0601", "1", "2025"]], shapes=[SQUARE]
    )
    assert rules(result) == [(2, "row.missing_value", "error", "patch_no")]
    row = result.rows.iloc[0]
    assert row["outcome"] == "quarantined"
    assert row["scope_key"] == "330299001"
    assert pd.isna(row["key"])
    assert pd.isna(row["row_hash"])
    assert pd.isna(row["geom"])


def test_a_patch_of_another_county(contracts):
    result = clean(
        contracts["patch"],
        PATCH,
        [
            ["330282001001", "0001", "0601", "1", "2025"],
            ["330299001001", "0001", "0601", "1", "2025"],
        ],
        shapes=[SQUARE, SQUARE],
    )
    assert rules(result) == [(2, "row.unknown_township", "error", "township_code")]
    assert column(result, "outcome") == ["quarantined", None]


def test_a_survey_code_that_came_through_a_number(contracts):
    """19 digits in a numeric cell are not believed, in a text cell they may end in zeros."""
    rows = [["3302990010010000000", "0001", "0601", "1", "2025"]]
    as_text = clean(contracts["patch"], PATCH, rows, shapes=[SQUARE])
    assert as_text.issues.empty
    as_number = clean(contracts["patch"], PATCH, rows, shapes=[SQUARE], numbers={0})
    assert rules(as_number) == [(2, "field.damaged_code", "error", "location_code")]


@pytest.mark.parametrize(
    ("headings", "cells", "expected"),
    [
        (["ZDDM", "ZDMJ", "MJDW"], [PARCEL, "6000.00", "1"], "6000"),
        (["ZDDM", "ZDMJ", "MJDW"], [PARCEL, "9", "2"], "6000"),
        (["ZDDM", "ZDMJ", "MJDW"], [PARCEL, "0.6", "3"], "6000"),
        (["ZDDM", "ZDMJ", "MJDW"], [PARCEL, "6000", ""], "6000"),
        (["ZDDM", "宗地面积（亩）"], [PARCEL, "9"], "6000"),
        (["ZDDM", "宗地面积（亩）", "MJDW"], [PARCEL, "9", "1"], "6000"),
        (["ZDDM", "ZDMJ"], [PARCEL, "1,234.5"], "1234.5"),
        (["ZDDM", "ZDMJ"], [PARCEL, "／"], None),
    ],
)
def test_areas_come_in_square_metres(contracts, headings, cells, expected):
    side = float(expected or 100) / 50
    result = clean(contracts["parcel"], headings, [cells], shapes=[box(X, Y, X + side, Y + 50)])
    assert column(result, "official_area_m2") == [expected]
    assert result.issues.empty


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ([PARCEL, "6000", "9"], "field.unknown_unit"),
        ([PARCEL, "约3亩", "1"], "field.not_a_number"),
        ([PARCEL, "-5", "1"], "field.out_of_range"),
    ],
)
def test_areas_that_cannot_be_read_are_left_empty(contracts, cells, rule):
    result = clean(contracts["parcel"], ["ZDDM", "ZDMJ", "MJDW"], [cells], shapes=[SQUARE])
    assert rules(result) == [(2, rule, "warning", "official_area_m2")]
    assert column(result, "official_area_m2") == [None]
    assert column(result, "outcome") == [None]


def test_a_damaged_code_is_fatal_in_the_key_only(contracts):
    damaged = PARCEL.replace("0", "O", 1)
    parcel = clean(contracts["parcel"], ["ZDDM"], [[damaged]], shapes=[SQUARE])
    assert rules(parcel) == [(2, "parcel.code", "error", "parcel_code")]
    params = json.loads(parcel.issues["params"][0])
    assert params == {"problem": "letter_o_for_zero", "proposal": PARCEL}
    firm = clean(
        contracts["enterprise"],
        ["统一社会信用代码", "企业名称", "宗地代码"],
        [[CODE, "甲", damaged], [CODE, "甲", PARCEL + "F00010001"]],
    )
    assert rules(firm) == [(2, "parcel.code", "warning", "parcel_code")]
    assert column(firm, "parcel_code") == [None, PARCEL]


@pytest.mark.parametrize(
    ("feed", "headings", "row", "position", "field"),
    [
        # a cell holds 913302821446931920 as the nearest number that ends otherwise
        ("enterprise", ["统一社会信用代码", "企业名称"], ["913302821446931968", "甲"], 0, "credit_code"),
        ("enterprise", ["统一社会信用代码", "企业名称"], ["9.13302821446932E+17", "甲"], 0, "credit_code"),
        ("account", ["户号"], ["3302990010010001"], 0, "account_no"),
        ("account", ["户号"], ["3.30299E+15"], 0, "account_no"),
        ("indicator", ["统一社会信用代码", "年度", "税收"], ["913302821446931968", "2025", "1"], 0, "enterprise_code"),
    ],
)  # fmt: skip
def test_a_key_that_came_through_a_number_is_refused(
    contracts, feed, headings, row, position, field
):
    found = clean(contracts[feed], headings, [row], numbers={position})
    assert (2, "field.damaged_code", "error", field) in rules(found)
    assert set(found.rows["outcome"]) == {"quarantined"}


@pytest.mark.parametrize("typed", ["9.13302E+17", "9.13302e+17", "９．１３３０２Ｅ＋１７"])
@pytest.mark.parametrize("feed", ["parcel", "enterprise"])
def test_so_is_one_that_was_typed_off_a_number(contracts, feed, typed):
    headings = {"parcel": ["ZDDM"], "enterprise": ["统一社会信用代码", "企业名称"]}[feed]
    shapes = [SQUARE] if feed == "parcel" else None
    found = clean(contracts[feed], headings, [[typed, "甲"][: len(headings)]], shapes=shapes)
    assert [rule for _, rule, *_ in rules(found)] == ["field.damaged_code"]
    assert found.issues["value"].tolist() == [typed]
    assert column(found, "outcome") == ["quarantined"]


def test_a_long_code_that_is_text_is_believed(contracts):
    found = clean(contracts["account"], ["户号"], [["3302990010010001"], ["0012"]])
    assert column(found, "account_no") == ["3302990010010001", "0012"]
    assert found.issues.empty


def test_zeros_that_a_numeric_cell_may_have_lost_are_mentioned(contracts):
    found = clean(contracts["account"], ["户号"], [["12345"], [None]], numbers={0})
    assert rules(found) == [
        (2, "field.zeros_lost", "notice", "account_no"),
        (3, "row.missing_value", "error", "account_no"),
    ]
    assert column(found, "account_no") == ["12345", None]


# ---- Enterprises and rights --------------------------------------------------------------------


def test_an_enterprise(contracts):
    result = clean(
        contracts["enterprise"],
        [
            "统一社会信用代码",
            "企业名称",
            "规模",
            "状态",
            "地址",
            "不动产权证号",
            "注册日期",
            "所属镇街",
        ],
        [
            [
                f" {CODE.lower()} ",
                "甲（青岚） 有限公司",
                "规上",
                "在业",
                "浙江省青岚县云溪镇1号",
                "浙（2021）青岚县不动产权第0000001号",
                "44260",
                "云溪镇",
            ]
        ],
    )
    row = result.rows.iloc[0]
    assert row["enterprise_code"] == row["credit_code"] == row["key"] == CODE
    assert row["name"] == "甲（青岚） 有限公司"
    assert row["name_key"] == "甲(青岚)有限公司"
    assert (row["size_class"], row["status"]) == ("ABOVE", "operating")
    assert row["address_key"] == "云溪镇1号"
    assert row["certificate_key"] == "2021|青岚县|1"
    assert row["registered_on"] == "2021-03-05"
    assert json.loads(row["extra"]) == {"所属镇街": "云溪镇"}


def test_a_wrong_credit_code_is_never_replaced(contracts):
    headings = ["统一社会信用代码", "企业名称", "注册号"]
    wrong = CODE.replace("0", "O", 1)
    result = clean(
        contracts["enterprise"],
        headings,
        [
            [wrong, "甲", None],
            [wrong, "甲", "330200001"],
            [None, "乙", None],
            [None, "丙", "330200002"],
        ],
    )
    assert rules(result) == [
        (2, "enterprise.credit_code", "error", "credit_code"),
        (3, "enterprise.credit_code", "warning", "credit_code"),
        (4, "row.missing_value", "error", "credit_code"),
    ]
    assert json.loads(result.issues["params"][0])["proposal"] == CODE
    assert column(result, "key") == [None, "330200001", None, "330200002"]
    assert column(result, "credit_code") == [None, None, None, None]


def test_states_that_are_not_listed(contracts):
    result = clean(
        contracts["enterprise"],
        ["统一社会信用代码", "企业名称", "状态"],
        [
            [CODE, "甲", ""],
            [CODE, "甲", "吊销，未注销"],
            [CODE, "甲", "整顿"],
            [CODE, "甲", "operating"],
        ],
    )
    assert column(result, "status") == ["operating", "deregistered", "operating", "operating"]
    assert rules(result) == [(4, "field.unknown_code", "warning", "status")]


def test_points_in_the_plane_of_the_county(contracts):
    result = clean(
        contracts["enterprise"],
        ["统一社会信用代码", "企业名称", "X坐标", "Y坐标"],
        [[CODE, "甲", str(X), str(Y)], [CODE, "乙", None, None], [CODE, "丙", "0", "0"]],
    )
    assert shapely.from_wkb(result.rows["geom"][0]) == Point(X, Y)
    assert column(result, "geom")[1:] == [None, None]
    swapped = clean(
        contracts["enterprise"],
        ["统一社会信用代码", "企业名称", "X坐标", "Y坐标"],
        [[CODE, "甲", str(Y), str(X)]],
    )
    # northing first: it can only mean one place
    assert shapely.from_wkb(swapped.rows["geom"][0]) == Point(X, Y)
    elsewhere = clean(
        contracts["enterprise"],
        ["统一社会信用代码", "企业名称", "X坐标", "Y坐标"],
        [[CODE, "甲", "121.3", "30.1"]],
    )
    assert rules(elsewhere) == [(2, "geometry.outside_county", "warning", "geom")]
    assert column(elsewhere, "outcome") == [None]
    assert column(elsewhere, "geom") == [None]


RIGHT = ["ZDDM", "BDCDYH", "SXH", "QLRMC", "ZJH", "共有份额", "QSZT", "SYQJSSJ"]


def test_a_right(contracts):
    result = clean(
        contracts["right"],
        RIGHT,
        [
            [PARCEL, PARCEL + "W00000000", "1", "甲", CODE, "1/3", "1", "2050-12-31"],
            [PARCEL, "", "2", "乙", "", "66.5%", "", "9999-12-31"],
            [PARCEL, "", "", "丙", "", "单独所有", "2", "长期"],
            [PARCEL, "", "", "丁", "", "共同共有", "1", None],
        ],
    )
    assert column(result, "share") == ["0.333333333333", "0.665", "1", None]
    assert column(result, "right_no") == [PARCEL + "W00000000", "2", "1", "1"]
    assert column(result, "holder_key") == [CODE, "乙", "丙", "丁"]
    assert column(result, "right_state") == ["current", "current", "history", "current"]
    assert column(result, "valid_to") == ["2051-01-01", None, None, None]
    assert result.issues.empty


def test_personal_data_stays_out_of_issues(contracts):
    result = clean(
        contracts["right"],
        [*RIGHT, "DH", "电话"],
        [
            ["bad", "", "", "张三", PERSON, "0", "7", "never", "13800000000", "13800000000"],
            [PARCEL, "", "", "李四", "33029919900101123", "", "", "", "", ""],
        ],
    )
    said = result.issues.to_json(force_ascii=False) + result.rows["extra"].str.cat()
    for secret in ("张三", "李四", PERSON, "33029919900101123", "13800000000"):
        assert secret not in said
    assert column(result, "holder_code") == [None, None]
    assert (3, "enterprise.credit_code", "warning", "holder_code") in rules(result)
    assert f"{PARCEL}|1|…" in said
    assert not any(rule == "enterprise.credit_code" for row, rule, *_ in rules(result) if row == 2)


@pytest.mark.parametrize("text", ["0", "1.5", "150%", "1/0", "三分之一"])
def test_shares_that_are_none(contracts, text):
    result = clean(contracts["right"], RIGHT, [[PARCEL, "", "", "甲", "", text, "", ""]])
    assert column(result, "share") == [None]
    assert len(result.issues) == 1


def test_the_last_day_of_a_lease_counts(contracts):
    result = clean(
        contracts["lease"],
        ["合同编号", "宗地代码", "开始日期", "结束日期", "租用土地面积（亩）"],
        [["A", PARCEL, "2024.3", "2024年2月28日", "4.5"], ["B", PARCEL, "bad", "长期", "-1"]],
    )
    assert column(result, "valid_from") == ["2024-03-01", None]
    assert column(result, "valid_to") == ["2024-02-29", None]
    assert column(result, "land_area_m2") == ["3000", None]
    assert rules(result) == [
        (2, "field.month_only", "notice", "valid_from"),
        (3, "field.not_a_date", "warning", "valid_from"),
        (3, "field.out_of_range", "warning", "land_area_m2"),
    ]


def test_persons_are_known_by_a_number_that_is_no_identity_number(contracts):
    head = ["统一社会信用代码", "人才编号", "姓名", "入选工程", "级别", "入选年份"]
    identity = "330299199001011234"
    result = clean(
        contracts["talent"],
        head,
        [
            [CODE, "rc-0017", "张三", "引才工程", "国家级", "2024"],
            [CODE, identity, "李四", "培养工程", "省级", "2024-05-06"],
            [CODE, "RC-0018", "", "院士工程", "省级", "2024-05-06"],
        ],
    )
    assert column(result, "person_no") == ["RC-0017", None, None]
    assert column(result, "programme") == ["recruit", None, None]
    assert column(result, "selected_on") == ["2024-01-01", None, None]
    assert list(result.rows["outcome"].isna()) == [True, False, False]
    assert rules(result) == [
        (2, "field.year_only", "notice", "selected_on"),
        (3, "row.missing_value", "error", "person_no"),
        (4, "field.unknown_code", "error", "programme"),
    ]
    said = result.issues.to_json(force_ascii=False) + result.rows["extra"].str.cat()
    for secret in ("RC-0017", "RC-0018", identity, "张三", "李四"):
        assert secret not in said


def test_a_word_of_no_list_stays_where_the_contract_says_so(contracts):
    head = ["统一社会信用代码", "认定类型", "认定日期", "级别", "首次认定时间"]
    result = clean(
        contracts["recognition"],
        head,
        [
            [CODE, "首台（套）产品", "2024-05-06", "宁波市级", "2019年"],
            [CODE, "“大优强”培育企业", "2024-05-07", " 长三角区域 ", "2020-03-01"],
            [CODE, '"大优强"培育企业', "2024-05-08", "", ""],
        ],
    )
    assert column(result, "kind") == ["first_set", "large_strong", "large_strong"]
    assert column(result, "level") == ["city", "长三角区域", None]
    assert column(result, "first_on") == ["2019-01-01", "2020-03-01", None]
    assert rules(result) == [(2, "field.year_only", "notice", "first_on")]


def test_the_last_day_of_a_transition_counts(contracts):
    result = clean(
        contracts["land_event"],
        [
            "电子监管号",
            "受让方统一社会信用代码",
            "供地方式",
            "供地面积（亩）",
            "签订日期",
            "过渡期止",
        ],
        [["3302992026B00017", CODE, "出让", "30", "2024年5月6日", "2028-11-05"]],
    )
    assert column(result, "event_no") == ["3302992026B00017"]
    assert column(result, "kind") == ["supply"]
    assert column(result, "land_area_m2") == ["20000"]
    assert column(result, "contract_on") == ["2024-05-06"]
    assert column(result, "transition_end") == ["2028-11-06"]
    assert result.issues.empty


def test_meters_and_what_policies_did(contracts):
    result = clean(
        contracts["meter"],
        ["户号", "表号", "统一社会信用代码", "分摊比例", "依据"],
        [["00291", "000123", CODE, "60%", "分摊协议"], ["00292", "000123", CODE, "1.2", ""]],
    )
    assert column(result, "meter_no") == ["000123", "000123"]
    assert column(result, "share") == ["0.6", None]
    assert rules(result) == [(3, "field.out_of_range", "warning", "share")]
    result = clean(
        contracts["policy_return"],
        ["统一社会信用代码", "执行年度", "差别化政策", "征收金额（万元）"],
        [[CODE, "2025", "差别化电价", "3.25"], [CODE, "2025", "返还", ""]],
    )
    assert column(result, "policy") == ["electricity", "refund"]
    assert column(result, "amount") == ["32500", None]
    assert result.issues.empty


LEASE = ["合同编号", "宗地代码", "开始日期"]


def test_days_are_counted_as_the_workbook_counts_them(contracts):
    contract, row = contracts["lease"], ["A", PARCEL, "44260"]
    assert column(clean(contract, LEASE, [row]), "valid_from") == ["2021-03-05"]
    other = clean(contract, LEASE, [row], dates_1904=True)
    assert column(other, "valid_from") == ["2025-03-06"]
    assert column(clean(contract, LEASE, [row], spreadsheet=False), "valid_from") == [None]


def test_years_of_the_republic_where_the_contract_says_so(contracts):
    contract = contracts["lease"]
    start = contract.columns["valid_from"].model_copy(update={"calendar": "roc"})
    taiwan = contract.model_copy(update={"columns": {**contract.columns, "valid_from": start}})
    rows = [["A", PARCEL, "民國110年3月5日"], ["B", PARCEL, "1100305"], ["C", PARCEL, "110.2.30"]]
    found = clean(taiwan, LEASE, rows)
    assert column(found, "valid_from") == ["2021-03-05", "2021-03-05", None]
    assert rules(found) == [(4, "field.not_a_date", "warning", "valid_from")]
    assert column(clean(contract, LEASE, rows), "valid_from") == [None] * 3


# ---- Indicators --------------------------------------------------------------------------------


def test_a_wide_table_becomes_one_record_per_figure(contracts):
    result = clean(
        contracts["indicator"],
        ["统一社会信用代码", "企业名称", "年度", "税收实际贡献（万元）", "用电量"],
        [
            [CODE, "甲", "2025", "310.5", "820000"],
            ["bad", "乙", "2025", "1", "2"],
            [CODE, "丙", "2024", "", "x"],
            [CODE, "丁", "2023", "", ""],
        ],
    )
    records = {
        row.row_number: (row.file_row, row.key, row.value, row.unit, row.outcome)
        for row in result.rows.fillna("").itertuples()
    }
    assert records == {
        201: (2, f"{CODE}|2025|tax", "3105000", "yuan", ""),
        205: (2, f"{CODE}|2025|electricity", "820000", "kwh", ""),
        300: (3, "", "", "", "quarantined"),
        405: (4, f"{CODE}|2024|electricity", "", "", "quarantined"),
        500: (5, "", "", "", "quarantined"),
    }
    assert rules(result) == [
        (3, "enterprise.credit_code", "error", "enterprise_code"),
        (4, "field.not_a_number", "error", "electricity"),
        (5, "row.no_values", "notice", ""),
    ]


def test_a_long_table_is_read_as_it_is(contracts):
    result = clean(
        contracts["indicator"],
        ["统一社会信用代码", "年度", "指标", "指标值", "单位"],
        [[CODE, "2025", "tax", "12", "yuan"]],
    )
    assert column(result, "key") == [f"{CODE}|2025|tax"]
    assert column(result, "row_number") == [2]


# ---- Hashes ------------------------------------------------------------------------------------


def hashes(contract, rows, shapes):
    return column(clean(contract, ["ZDDM", "ZL", "ZDMJ"], rows, shapes=shapes), "row_hash")


def test_a_hash_is_of_the_content(contracts):
    contract = contracts["parcel"]
    row = [PARCEL, "云溪镇1号", "6000"]
    same = hashes(
        contract, [row, [PARCEL, " 云溪镇1号", "6,000.00"]], [SQUARE, MultiPolygon([SQUARE])]
    )
    assert same[0] == same[1]
    other = box(X, Y, X + 100, Y + 100.0001)
    changed = hashes(
        contract,
        [row, [PARCEL, "云溪镇2号", "6000"], [PARCEL, "", "6000"], row],
        [SQUARE, SQUARE, SQUARE, other],
    )
    assert len(set(changed)) == 4
    assert changed[0] == same[0]


def test_what_no_column_takes_changes_no_hash(contracts):
    one, two = (
        clean(contracts["parcel"], ["ZDDM", "BSM"], [[PARCEL, bsm]], shapes=[SQUARE])
        for bsm in ("1", "2")
    )
    assert column(one, "row_hash") == column(two, "row_hash")
    assert column(one, "extra") != column(two, "extra")


def test_the_county_is_part_of_the_contract():
    assert county_hash(COUNTY) == county_hash(COUNTY)
    assert county_hash(COUNTY) != county_hash(County("330299", "EPSG:4549"))


def test_a_hash_is_what_it_always_was(contracts):
    """The bytes that are hashed, written out: rows that are stored must be known again."""
    found = clean(
        contracts["parcel"], ["ZDDM", "ZL", "ZDMJ"], [[PARCEL, "甲", "10000"]], shapes=[SQUARE]
    )
    content = "\x1e".join(
        f"{name}\x1f{value}"
        for name, value in [
            ("address_key", "甲"),
            ("location", "甲"),
            ("official_area_m2", "10000"),
            ("parcel_code", PARCEL),
        ]
    )
    digest = hashlib.blake2b(content.encode(), digest_size=16)
    digest.update(b"\x1d" + shapely.to_wkb(MultiPolygon([SQUARE]), byte_order=1))
    assert column(found, "row_hash") == [digest.digest()]


# ---- Cells ---------------------------------------------------------------------------------------


def text(*values):
    return pd.Series(list(values), dtype="str")


def filled(series):
    return [None if pd.isna(value) else value for value in series]


# ---- Shapes ------------------------------------------------------------------------------------


def shape_rules(*shapes, county=COUNTY):
    return clean_polygons(np.array([*shapes, None], dtype=object)[:-1], county)


def test_shapes_are_made_fit_or_set_aside():
    spike = Polygon([(X, Y), (X + 40, Y), (X + 40, Y + 40), (X + 50, Y + 40), (X + 40, Y + 40),
                     (X + 40, Y + 80), (X, Y + 80)])  # fmt: skip
    bow_tie = Polygon([(X, Y), (X + 30, Y + 80), (X + 30, Y), (X, Y + 70)])
    flat = Polygon([(X, Y), (X + 10, Y), (X + 20, Y), (X, Y)])
    found = shape_rules(
        SQUARE, spike, bow_tie, None, Polygon(), Point(X, Y), flat,
        Polygon([(np.inf, Y), (X, Y), (X, Y + 1)]),
    )  # fmt: skip
    assert found.rule.tolist() == [
        "",
        "geometry.repaired",
        "geometry.repair_changes_area",
        "geometry.missing",
        "geometry.missing",
        "geometry.wrong_type",
        "geometry.repair_changes_area",
        "geometry.outside_county",
    ]
    drawn = drawn_from(found)
    assert drawn.is_bad.tolist() == [False, False, True, True, True, True, True, True]
    assert shapely.is_valid(found.stored[:2]).all()
    written = shapely.from_wkb(drawn.stored[:2])
    assert {shape.geom_type for shape in written} == {"MultiPolygon"}
    assert found.area_after[1] == 3200
    assert all(shape is None for shape in found.stored[2:])


def test_shapes_outside_the_extent():
    county = County("330299", "EPSG:4549", extent=(X, Y, X + 1000, Y + 1000))
    found = shape_rules(SQUARE, box(X + 5000, Y, X + 5010, Y + 10), county=county)
    assert found.rule.tolist() == ["", "geometry.outside_county"]


def test_a_repair_is_reported_with_its_areas(contracts):
    ring = [(X, Y), (X + 40, Y), (X + 40, Y + 40), (X + 50, Y + 40), (X + 40, Y + 40), (X, Y + 80)]
    result = clean(contracts["parcel"], ["ZDDM"], [[PARCEL]], shapes=[Polygon(ring)])
    assert rules(result) == [(2, "geometry.repaired", "notice", "geom")]
    params = json.loads(result.issues["params"][0])
    assert params["area_before_m2"] == params["area_after_m2"]
    assert result.issues["key"].tolist() == [PARCEL]


def test_a_row_without_any_content_moves_no_other(contracts):
    """Its neighbours keep their keys, hashes and extras; it says itself what it lacks."""
    headings = ["企业代码", "企业名称", "开户行", "币种"]
    full = ["1001", "青岚机械有限公司", "甲银行", "人民币"]
    other = ["1002", "青岚电子有限公司", "乙银行", None]
    nothing = [None] * len(headings)
    alone = [clean(contracts["enterprise"], headings, [row]).rows.iloc[0] for row in (full, other)]
    rows = clean(contracts["enterprise"], headings, [full, nothing, other]).rows
    for place, one in zip((0, 2), alone, strict=True):
        assert rows["row_hash"].iloc[place] == one["row_hash"]
        assert json.loads(rows["extra"].iloc[place]) == json.loads(one["extra"])
    assert "乙银行" in rows["extra"].iloc[2]
    assert rows["extra"].iloc[1] == "{}"
    assert list(rows["outcome"].fillna("-")) == ["-", "quarantined", "-"]


def test_a_shape_without_any_attribute_is_a_record(contracts):
    """A footprint has its code from its place."""
    headings = ["编号", "类型", "建筑面积", "备注", "用途"]
    rows = [["1", "建筑", "90", "a", "b"], [None] * 5, ["3", "建筑", "80", "c", None]]
    result = clean(
        contracts["footprint"], headings, rows, shapes=[SQUARE] * 3, spreadsheet=False
    ).rows
    assert result["outcome"].isna().all()
    assert [json.loads(one) for one in result["extra"]] == [
        {"备注": "a", "用途": "b"},
        {},
        {"备注": "c"},
    ]
    assert result["footprint_code"].notna().all()


def test_a_column_from_which_two_are_built_is_missed_once(contracts):
    """Of a patch without its location neither code nor township can be told."""
    headings = ["SJNF", "DLBM", "ZLDWDM", "TBBH", "TBMJ"]
    rows = [["2025", "0601", None, "7", "10000"], ["2025", "0601", "330299001001", "8", "10000"]]
    result = clean(contracts["patch"], headings, rows, shapes=[SQUARE] * 2, spreadsheet=False)
    errors = [issue for issue in rules(result) if issue[2] == "error"]
    assert errors == [(2, "row.missing_value", "error", "location_code")]


@pytest.mark.parametrize(
    ("heading", "value", "rule", "severity"),
    [
        ("企业名称", "名" * 900, "field.too_long", "error"),
        ("地址", "路" * 900, "field.too_long", "warning"),
        ("企业代码", "7" * 900, "field.too_long", "error"),
        ("企业名称", "名" * 200, None, None),
    ],
)
def test_texts_are_as_long_as_an_index_takes(contracts, heading, value, rule, severity):
    cells = {"企业代码": "1001", "企业名称": "青岚机械有限公司", "地址": "一路1号"} | {
        heading: value
    }
    result = clean(contracts["enterprise"], list(cells), [list(cells.values())])
    found = {(issue[1], issue[2]) for issue in rules(result)}
    assert [one for one in found if one[0] == "field.too_long"] == (
        [(rule, severity)] if rule else []
    )
    for column in ("enterprise_code", "name", "name_key", "address", "address_key"):
        text = result.rows[column].iloc[0]
        assert pd.isna(text) or len(text.encode()) <= 2_500
    assert all(len(text) <= 1_001 for text in result.issues["value"].dropna())


def test_what_a_text_becomes_may_be_too_long_though_it_is_not(contracts):
    """One character of Arabic becomes eighteen when it is folded."""
    cells = {"企业代码": "1001", "企业名称": "ﷺ" * 700}
    rows = clean(contracts["enterprise"], list(cells), [list(cells.values())]).rows
    assert rows["name"].iloc[0] == cells["企业名称"]
    assert pd.isna(rows["name_key"].iloc[0])


@pytest.mark.parametrize("text", ["9" * 5_000 + "/3", "1/" + "9" * 5_000, "1e99999"])
def test_figures_without_end_are_none(contracts, text):
    headings = ["ZDDM", "QLRMC", "共有份额", "SYQMJ"]
    result = clean(contracts["right"], headings, [[PARCEL, "甲有限公司", text, text]])
    assert result.rows[["share", "right_area_m2"]].isna().all(axis=None)
    assert {issue[1] for issue in rules(result)} >= {"field.not_a_number"}


def test_an_area_beyond_all_floats_is_told_in_json(contracts):
    headings = ["ZDDM", "ZDMJ"]
    rows = [[PARCEL, "9" * 400], [f"{PARCEL[:-1]}2", "10000"]]
    result = clean(contracts["parcel"], headings, rows, shapes=[SQUARE] * 2, spreadsheet=False)
    said = [json.loads(text, parse_constant=pytest.fail) for text in result.issues["params"]]
    assert any(params.get("official") == "–" for params in said)


def test_an_issue_can_be_stored_whatever_the_value_is(contracts):
    headings = ["企业代码", "企业名称", "注册日期"]
    result = clean(
        contracts["enterprise"],
        headings,
        [["1001", "甲", "20\x0021"], ["1002", "乙", "字" * 5_000]],
    )
    values = result.issues.loc[result.issues["rule"] == "field.not_a_date", "value"].tolist()
    assert values == ["20\ufffd21", "字" * 1_000 + "…"]
