"""Tables as offices make them: titles, merged headings, units, totals, notes, encodings."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900

from pipeline.errors import SourceError
from pipeline.feeds.batch import IgnoredLines, raw_batch
from pipeline.feeds.clean import Manner, clean_batch
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.kinds import Kind, kind_of
from pipeline.feeds.tables import filled_down, open_table

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
CODE = "91330299MA9T00010T"
OTHER = "91330299MA9T00020U"


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(DEFAULT)


def book(path: Path, *sheets: list[list[object]], hidden=()) -> Path:
    made = Workbook()
    made.remove(made.worksheets[0])
    for number, rows in enumerate(sheets):
        sheet = made.create_sheet(f"表{number}")
        for row in rows:
            sheet.append(row)
        if number in hidden:
            sheet.sheet_state = "hidden"
    made.save(path)
    return path


def read(path: Path, contract):
    """All records as a frame by heading and row number, and the layer."""
    with open_table(path, kind_of(path), contract) as layer:
        frames = [
            pd.DataFrame(dict(zip(layer.headings, b.columns, strict=True))).set_index(b.row_number)
            for b in (raw_batch(batch, len(layer.headings)) for batch in layer.batches)
        ]
    return (pd.concat(frames) if frames else pd.DataFrame()), layer


def refusal(path: Path, contract) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path, contract)
    return caught.value


def test_a_plain_sheet(tmp_path, contracts):
    path = book(
        tmp_path / "企业名录.xlsx",
        [["统一社会信用代码", "企业名称", "注册日期"], [CODE, "甲", dt.date(2021, 3, 5)]],
    )
    rows, layer = read(path, contracts["enterprise"])
    assert rows.loc[2].tolist() == [CODE, "甲", "2021-03-05"]
    assert layer.ignored_lines == IgnoredLines(1, [1])
    assert layer.is_spreadsheet


def test_title_merged_headings_units_totals_and_notes(tmp_path, contracts):
    path = book(
        tmp_path / "租赁.xlsx",
        [
            ["青岚县企业租赁情况表"],
            ["填报单位：云溪镇", None, None, None, None, "2026年6月"],
            ["合同编号", "宗地代码", "出租方", None, "承租方", None, "租用面积", None],
            [None, None, "名称", "代码", "名称", "代码", "土地", "建筑"],
            [None, None, None, None, None, None, "（亩）", "（㎡）"],
            ["A-1", "330299001001GB00001", "甲", CODE, "乙", OTHER, 1.5, 100],
            [None, None, None, None, None, None, None, None],
            ["小 计", None, None, None, None, None, 1.5, 100],
            ["A-2", "330299001001GB00002", "丙", None, "丁", None, 3, None],
            ["合计", None, None, None, None, None, 4.5, 100],
            ["注：面积以合同为准"],
            ["填表人：某", None, "审核：某"],
        ],
    )
    rows, layer = read(path, contracts["lease"])
    assert rows.index.tolist() == [6, 9]
    assert layer.headings[2:6] == ["出租方_名称", "出租方_代码", "承租方_名称", "承租方_代码"]
    assert layer.match.units == {6: "mu", 7: "m2"}
    assert layer.ignored_lines == IgnoredLines(10, [1, 2, 3, 4, 5, 7, 8, 10, 11, 12])
    match = layer.match.positions
    assert (match["lessor_name"], match["lessee_code"]) == ((2,), (5,))


def test_lines_that_are_no_records_cost_no_memory(tmp_path, contracts):
    path = tmp_path / "企业名录.csv"
    path.write_text("统一社会信用代码,企业名称\n" + "\n" * 300_000 + f"{CODE},甲\n")
    with open_table(path, Kind.DELIMITED_TEXT, contracts["enterprise"]) as layer:
        tracemalloc.start()
        rows = [number for batch in layer.batches for number in batch.column("row").to_pylist()]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert rows == [300_002]
    assert layer.ignored_lines == IgnoredLines(300_001, list(range(1, 51)))
    assert peak < 2 << 20


def test_a_data_row_is_no_second_heading(tmp_path, contracts):
    path = book(
        tmp_path / "企业名录.xlsx",
        [["统一社会信用代码", "企业名称", "地址"], [CODE, "名称", "地址"], [OTHER, "乙", "丙"]],
    )
    rows, _ = read(path, contracts["enterprise"])
    assert rows.index.tolist() == [2, 3]


def test_a_repeated_heading_is_no_record(tmp_path, contracts):
    head = ["统一社会信用代码", "企业名称"]
    path = book(tmp_path / "企业名录.xlsx", [head, [CODE, "甲"], head, [OTHER, "乙"]])
    assert read(path, contracts["enterprise"])[0].index.tolist() == [2, 4]


def test_numbers_stay_what_they_are(tmp_path, contracts):
    path = book(
        tmp_path / "企业名录.xlsx",
        [["统一社会信用代码", "企业名称", "行业代码"], [913302821234567890, "甲", 3451]],
    )
    with open_table(path, kind_of(path), contracts["enterprise"]) as layer:
        batch = raw_batch(next(layer.batches), len(layer.headings))
    code, name, industry = (column[0] for column in batch.columns)
    # what the spreadsheet lost is lost; that it was a number is known
    assert code[:15] == "913302821234567"
    assert (name, industry) == ("甲", "3451")
    assert batch.numeric[0].all()
    assert not batch.numeric[1].any()


def test_of_several_sheets_the_one_that_fits(tmp_path, contracts):
    good = [["统一社会信用代码", "企业名称"], [CODE, "甲"]]
    notes = [["说明"], ["本表"]]
    path = book(tmp_path / "企业名录.xlsx", notes, good)
    assert read(path, contracts["enterprise"])[1].name == "表1"
    path = book(tmp_path / "企业名录2.xlsx", good, good)
    assert refusal(path, contracts["enterprise"]).code == "source.layer_unclear"
    named = contracts["enterprise"].model_copy(update={"layer": "表0"})
    assert read(path, named)[1].name == "表0"
    path = book(tmp_path / "企业名录3.xlsx", good, good, hidden={0})
    assert read(path, contracts["enterprise"])[1].name == "表1"


def test_refusals(tmp_path, contracts):
    contract = contracts["enterprise"]
    path = tmp_path / "企业名录.xlsx"
    path.write_text("no workbook", encoding="utf-8")
    assert refusal(path, contract).code == "source.unreadable"
    path = book(tmp_path / "a.xlsx", [[None]])
    assert refusal(path, contract).code == "source.empty"
    error = refusal(
        book(tmp_path / "b.xlsx", [["名录"], ["企业名称", "地址"], ["甲", "乙"]]), contract
    )
    assert error.code == "source.column_missing"
    assert "统一社会信用代码" in str(error.params["columns"])
    assert error.params["found"] == "企业名称, 地址"
    path = tmp_path / "ZD.csv"
    path.write_text("ZDDM\n330299001001GB00001\n", encoding="utf-8")
    assert refusal(path, contracts["parcel"]).code == "source.no_geometry"
    (tmp_path / "bad.csv").write_bytes(b"a,b\n\xff\xff,\x80\n")
    assert refusal(tmp_path / "bad.csv", contract).code == "source.encoding"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_csv_in_every_usual_form(tmp_path, contracts, separator, encoding):
    lines = [
        ["统一社会信用代码", "企业名称", "地址"],
        [CODE, "甲䶮", '"a\nb"'],
        [],
        [OTHER, "乙", "丙"],
    ]
    path = tmp_path / "企业名录.csv"
    path.write_bytes("\r\n".join(separator.join(line) for line in lines).encode(encoding))
    rows, layer = read(path, contracts["enterprise"])
    assert rows["企业名称"].tolist() == ["甲䶮", "乙"]
    assert rows["地址"].tolist()[0] == "a\nb"
    assert rows.index.tolist() == [2, 4]
    assert layer.encoding == encoding


def test_short_rows_are_read(tmp_path, contracts):
    path = tmp_path / "企业名录.csv"
    path.write_text(f"统一社会信用代码,企业名称\n{CODE}\n{OTHER},乙,,\n", encoding="utf-8")
    rows, layer = read(path, contracts["enterprise"])
    assert rows["企业名称"].fillna("-").tolist() == ["-", "乙"]
    assert layer.notes == []


@pytest.mark.parametrize("closed", [False, True])
def test_a_quote_without_its_other_one_swallows_no_rows(tmp_path, contracts, closed):
    """It is the first of two in a line far below, or of none."""
    path = tmp_path / "企业名录.csv"
    lines = ["统一社会信用代码,企业名称,地址", *(f"{CODE},甲{i},{i}号" for i in range(2_000))]
    lines[40] = f'{CODE},"甲,一路'
    if closed:
        lines[1_500] = f'{CODE},乙",二路'
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read(path, contracts["enterprise"])
    assert caught.value.code == "source.csv_quote"
    assert caught.value.params["row"] == 41


def test_lines_within_a_cell_are_no_rows(tmp_path, contracts):
    path = tmp_path / "企业名录.csv"
    note = "一，二, 三\n四, 五\n\n六"
    content = f'统一社会信用代码,企业名称,地址,备注\n{CODE},甲,"{note}","a ""b""\nc,d\ne"'
    path.write_text(content, encoding="utf-8")
    rows, _ = read(path, contracts["enterprise"])
    assert rows["地址"].tolist() == [note]
    assert rows["备注"].tolist() == ['a "b"\nc,d\ne']


def test_a_row_with_a_value_beyond_all_headings_is_not_believed(tmp_path, contracts):
    """A comma without quotes: what follows stands in the wrong columns."""
    path = tmp_path / "企业名录.csv"
    lines = [
        "统一社会信用代码,地址,企业名称",
        f"{CODE},一路1号,甲",
        f"{OTHER},二路2号,3幢,乙",
        f"{CODE},四路,丙,丁",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    rows, layer = read(path, contracts["enterprise"])
    assert rows["企业名称"].fillna("-").tolist() == ["甲", "-", "-"]
    assert rows["统一社会信用代码"].fillna("-").tolist() == [CODE, "-", "-"]
    assert layer.notes == [("note.row_wider", {"rows": 2, "row": 3, "cells": 4, "columns": 3})]


@pytest.mark.parametrize("headings", [100_000, 3])
def test_a_table_of_more_columns_than_any_spreadsheet_is_refused(tmp_path, contracts, headings):
    path = tmp_path / "企业名录.csv"
    names = ["统一社会信用代码", "企业名称", "地址", *(f"c{i}" for i in range(headings - 3))]
    path.write_text(",".join(names) + f"\n{CODE},甲" + ",1" * 99_998, encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        read(path, contracts["enterprise"])
    assert caught.value.code == "source.too_many_columns"
    assert caught.value.params["columns"] == 100_000


def test_the_real_register_is_the_same_in_both_encodings(contracts):
    folder = SHARED / "cn-enterprises-cixi"
    if not folder.is_dir():
        pytest.skip("cn-enterprises-cixi is not on this machine")
    county = County("330282", "EPSG:4549", address_prefixes=("浙江省", "慈溪市"))
    contract = contracts["enterprise"].model_copy(update={"files": ("*.csv",)})
    rows = {}
    for name in ("utf8", "gb18030"):
        with open_table(folder / f"enterprises_{name}.csv", Kind.DELIMITED_TEXT, contract) as layer:
            rows_read = raw_batch(next(layer.batches), len(layer.headings))
            batch = clean_batch(rows_read, layer, contract, county, Manner(dt.date(2026, 6, 30)))
            assert layer.encoding in {"utf-8", "utf-8-sig", "gb18030"}
        rows[name] = batch.rows.iloc[:800].drop(columns="extra")
    assert len(rows["gb18030"]) == 800
    pd.testing.assert_frame_equal(rows["utf8"], rows["gb18030"])
    assert rows["utf8"]["outcome"].isna().mean() > 0.99


def test_hostile_workbooks_are_read_or_refused(contracts):
    folder = SHARED / "hostile-corpus" / "spreadsheets"
    if not folder.is_dir():
        pytest.skip("hostile-corpus is not on this machine")
    for path in sorted(folder.iterdir()):
        if path.name.startswith("OOM_") or "dos" in path.name:
            continue
        assert refusal(path, contracts["enterprise"]).code.startswith("source.")


@pytest.mark.parametrize(
    ("line", "tax", "power"),
    [
        ("单位：元", "yuan", None),
        ("（单位：万元、万千瓦时）", "wan_yuan", "wan_kwh"),
        ("计量单位:万元", "wan_yuan", None),
        # two of one kind: which is meant would be a guess
        ("单位：元、万元", None, None),
        ("单位：青岚某厂", None, None),
        ("填报单位：青岚某厂", None, None),
    ],
)
def test_a_line_above_the_headings_names_units(tmp_path, contracts, line, tax, power):
    rows = [
        ["企业指标表"],
        [None, None, line],
        ["统一社会信用代码", "年度", "税收", "用电量", "营业收入（亿元）"],
    ]
    path = book(tmp_path / "指标.xlsx", [*rows, [CODE, 2025, 12, 34, 5]])
    _, layer = read(path, contracts["indicator"])
    told = {
        name.removeprefix("melt:"): layer.match.units.get(places[0])
        for name, places in layer.match.positions.items()
    }
    assert (told["tax"], told["electricity"]) == (tax, power)
    # a heading that names its own unit keeps it
    assert told["revenue"] == "yi_yuan"


# ---- Merged cells ------------------------------------------------------------------------------


def column(*cells: str | None) -> pa.Array:
    return pa.array(cells, pa.string())


def test_empty_cells_mean_the_same_as_above_over_batches():
    town, village = column("甲", None, None, "乙", None), column("一", None, "二", None, "三")
    whole, last = filled_down([town, village], [None, None])
    assert whole[0].to_pylist() == ["甲", "甲", "甲", "乙", "乙"]
    # another town begins: its village is not the one above
    assert whole[1].to_pylist() == ["一", "一", "二", None, "三"]
    assert last == ["乙", "三"]
    for cut in range(6):
        first, carry = filled_down([town[:cut], village[:cut]], [None, None])
        second, last = filled_down([town[cut:], village[cut:]], carry)
        for place in (0, 1):
            both = first[place].to_pylist() + second[place].to_pylist()
            assert both == whole[place].to_pylist()
        assert last == ["乙", "三"]


def test_nothing_above_stays_nothing():
    (one,), carry = filled_down([column(None, "x")], [None])
    assert one.to_pylist() == [None, "x"]
    assert filled_down([column()], carry)[1] == ["x"]


def test_merged_cells_are_filled_where_the_contract_says_so(tmp_path, contracts):
    rows = [["镇街代码", "统一社会信用代码", "企业名称"]]
    rows += [["330299001", CODE, "甲"], [None, OTHER, "乙"]]
    path = book(tmp_path / "企业名录.xlsx", rows)
    contract = contracts["enterprise"]
    assert pd.isna(read(path, contract)[0]["镇街代码"].iloc[1])
    town = contract.columns["township_code"].model_copy(update={"fill_down": True})
    filled = contract.model_copy(update={"columns": {**contract.columns, "township_code": town}})
    assert read(path, filled)[0]["镇街代码"].tolist() == ["330299001"] * 2


@pytest.mark.parametrize("since_1904", [False, True])
def test_a_workbook_says_from_when_its_days_count(tmp_path, contracts, since_1904):
    made = Workbook()
    made.epoch = CALENDAR_MAC_1904 if since_1904 else CALENDAR_WINDOWS_1900
    made.active.append(["统一社会信用代码", "企业名称", "注册日期"])
    # days without the format of a date
    made.active.append([CODE, "甲", 42_000])
    made.save(tmp_path / "企业名录.xlsx")
    _, layer = read(tmp_path / "企业名录.xlsx", contracts["enterprise"])
    assert layer.dates_1904 is since_1904
