"""Contracts drafted for files that nobody knows: what is guessed, what is left open, what is hostile."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.feeds.contracts import FEEDS, Contract, load_contracts
from pipeline.feeds.draft import Geometry, draft_contract
from pipeline.feeds.headings import match_headings

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
CONTRACTS = load_contracts(DEFAULT)
# credit codes whose check characters fit
FIRMS = ["91330299MA9T00010T", "91330299MA9T00020U", "91330299MA9T00030W", "91330299MA9T00040X"]
PARCELS = [f"330299001001GB0000{n}" for n in range(1, 5)]


def text(*values: object) -> pd.Series:
    return pd.Series([None if value is None else str(value) for value in values], dtype="str")


def drafted(
    table: Mapping[str, pd.Series],
    *,
    file: str = "表.xlsx",
    geometry: Geometry = "none",
    feed: str | None = None,
    crs: str | None = None,
    encoding: str | None = None,
) -> str:
    return draft_contract(
        CONTRACTS,
        list(table),
        list(table.values()),
        file=file,
        geometry=geometry,
        feed=feed,
        crs=crs,
        encoding=encoding,
    )


def loaded(draft: str, tmp_path: Path) -> dict[str, Contract]:
    path = tmp_path / "sources.toml"
    path.write_text(draft, encoding="utf-8")
    return load_contracts(DEFAULT, path)


def found(contract: Contract, headings: Sequence[str]) -> dict[str, str]:
    """Which heading the loader would take for which column."""
    positions = match_headings(contract, [(one,) for one in headings]).positions
    return {name: headings[place[0]] for name, place in positions.items()}


REGISTRY = {
    "序": text(1, 2, 3, 4),
    "主体码": text(*FIRMS),
    "单位抬头": text("青岚砚石轴承有限公司", "青岚霁月电机厂", "墨舟模具有限公司", "榕泉制品厂"),
    "厂址": text("云溪镇创新巷1号", "云溪镇创新巷2号", "云溪镇纬一路3号", "云溪镇纬二路"),
    "所在地块": text(*PARCELS),
    "建档日": text("2021-03-05", "2020/1/2", "2019年3月1日", None),
    "备注": text("一", "二", None, "三"),
    "法定代表人": text("柳青禾", "卜远帆", "蔺小满", "钱伯伦"),
}


def test_columns_are_known_by_what_they_hold(tmp_path: Path) -> None:
    draft = drafted(REGISTRY, file="2026年经营主体台账.xlsx")
    contract = loaded(draft, tmp_path)["enterprise"]
    assert found(contract, list(REGISTRY)) == {
        "credit_code": "主体码",
        "name": "单位抬头",
        "address": "厂址",
        "parcel_code": "所在地块",
        "registered_on": "建档日",
    }
    assert match_headings(contract, [(one,) for one in REGISTRY]).missing == ()
    # every guess is marked, and what was known before still is
    guessed = [line for line in draft.splitlines() if " = { aliases = [" in line and line[0] != "#"]
    assert len(guessed) == 5
    assert all("# 猜测 guessed: " in line and "请核对" in line for line in guessed)
    assert set(CONTRACTS["enterprise"].columns["name"].aliases) < set(
        contract.columns["name"].aliases
    )
    assert contract.columns["status"] == CONTRACTS["enterprise"].columns["status"]
    # the file is found by its name next year as well
    assert contract.files[0] == "*年经营主体台账*.xlsx"
    assert contract.files[1:] == CONTRACTS["enterprise"].files


def test_what_is_not_understood_is_listed(tmp_path: Path) -> None:
    draft = drafted(REGISTRY)
    loaded(draft, tmp_path)
    lines = draft.splitlines()
    kept = lines.index("# 未识别，原样留存 not understood, kept as it is:")
    assert lines[kept + 1 : kept + 3] == ["#   序", "#   备注"]
    never = lines.index("# 不入库 never stored:")
    assert lines[never + 1 :] == ["#   法定代表人"]
    # no value is written down
    assert not any(word in draft for word in ("柳青禾", FIRMS[0], PARCELS[0], "砚石"))


def test_two_columns_of_a_kind_are_told_apart_by_their_headings_alone(tmp_path: Path) -> None:
    codes = text(*FIRMS)
    table = {
        "租赁合同编号": text("Z1", "Z2", "Z3", "Z4"),
        "宗地代码": text(*PARCELS),
        "出租方社会信用代码": codes,
        "承租方社会信用代码": codes,
        "出租企业": text("甲有限公司", "乙有限公司", "丙厂", "丁厂"),
        "承租企业": text("戊有限公司", "己有限公司", "庚厂", "辛厂"),
        "面积甲（亩）": text(1, 2, 3, 4),
        "面积乙（亩）": text(1, 2, 3, 4),
    }
    draft = drafted(table)
    said = found(loaded(draft, tmp_path)["lease"], list(table))
    assert said["lessor_code"] == "出租方社会信用代码"
    assert said["lessee_code"] == "承租方社会信用代码"
    # which area is which nobody can tell: both are named as candidates, none is taken
    assert "land_area_m2" not in said
    assert any(
        line.startswith("# land_area_m2") and "面积甲（亩）、面积乙（亩）" in line
        for line in draft.splitlines()
    )


def test_land_is_known_by_its_shapes(tmp_path: Path) -> None:
    table = {
        "TBBH": text(1, 2, 3, 4),
        "WZDM": text(*["3302990010010000000"] * 4),
        "LX": text("0601", "0602", "0101", "05H1"),
        "ND": text("2024", "2024", "2024", "2024"),
        "MJ_M2": text("1.5", "2", "3", "4"),
    }
    draft = drafted(table, file="图层.shp", geometry="polygon", encoding="gb18030")
    contract = loaded(draft, tmp_path)["patch"]
    said = found(contract, list(table))
    assert (said["location_code"], said["land_use_code"], said["vintage"]) == ("WZDM", "LX", "ND")
    assert match_headings(contract, [(one,) for one in table]).missing == ()
    assert '# crs = "EPSG:4549"  # 必填' in draft
    assert '# encoding = "gb18030"' in draft
    told = drafted(table, file="图层.shp", geometry="polygon", crs="EPSG:4528")
    assert '# crs = "EPSG:4528"' in told


def test_a_unit_in_a_heading_is_left_to_the_loader(tmp_path: Path) -> None:
    table = {"地块编号": text(*PARCELS), "权证面积（亩）": text(1, 2.5, 3, 4)}
    draft = drafted(table, geometry="polygon", feed="parcel")
    contract = loaded(draft, tmp_path)["parcel"]
    match = match_headings(contract, [(one,) for one in table])
    assert match.positions == {"parcel_code": (0,), "official_area_m2": (1,)}
    assert match.units == {1: "mu"}
    bare = drafted({"地块编号": text(*PARCELS), "权证面积": text(1, 2, 3, 4)}, feed="parcel")
    assert "单位未写明，按 m2 计" in bare


def test_indicators_are_known_by_their_headings(tmp_path: Path) -> None:
    table = {
        "统一社会信用代码": text(*FIRMS),
        "年度": text(*["2025"] * 4),
        "税收实际贡献额（万元）": text(1, 2, 3, 4),
        "年用电量（万千瓦时）": text(1, 2, 3, 4),
        "用地（亩）": text(1, 2, 3, 4),
    }
    contract = loaded(drafted(table), tmp_path)["indicator"]
    match = match_headings(contract, [(one,) for one in table])
    assert match.positions["melt:tax"] == (2,)
    assert match.positions["melt:electricity"] == (3,)
    assert match.units == {2: "wan_yuan", 3: "wan_kwh"}
    assert {m.indicator for m in contract.melt} == {
        m.indicator for m in CONTRACTS["indicator"].melt
    }


def test_a_file_close_to_nothing_needs_a_feed(tmp_path: Path) -> None:
    table = {"甲": text("x", "y"), "乙": text("1", "2")}
    with pytest.raises(UsageError) as caught:
        drafted(table)
    assert caught.value.code == "draft.no_feed"
    with pytest.raises(UsageError) as caught:
        drafted(table, feed="plot")
    assert caught.value.code == "draft.unknown_feed"
    for feed in FEEDS:
        draft = drafted(table, feed=feed)
        assert loaded(draft, tmp_path)[feed].columns.keys() == CONTRACTS[feed].columns.keys()
        assert draft == drafted(table, feed=feed)


HOSTILE = [
    'a"b',
    "a\\",
    "'''",
    '"""',
    "]\n[feed.patch]\nrequired = false\n#",
    "a\r\nb",
    "\x00\x1b[31m\x7f\x85",
    "名" * 64,
    "x" * 100_000,
    "'; DROP TABLE raw.patch; --",
    "\u202egnp.exe",
    "\ud800",
    "{data_year}",
    "",
    "   ",
    "*",
    "330299199003071234",
    "\u2028",
    "😀",
]


def test_what_a_file_would_be_refused_for_is_said(tmp_path: Path) -> None:
    draft = drafted({"编码": text("1", "2"), "宗地代码": text(*PARCELS[:2])}, feed="lease")
    assert "# 仍缺必填的列 still missing: lease_no (合同编号" in draft
    assert "起草的数据约定" in draft
    (line,) = (line for line in draft.splitlines() if line.startswith("# lease_no"))
    filled = tomllib.loads(line.removeprefix("# ").replace("?", "HTH"))
    # filled in, it still reads the files that were read before
    assert filled["lease_no"]["aliases"][:2] == ["HTH", "合同编号"]
    whole = drafted(REGISTRY)
    assert "仍缺" not in whole
    assert "缺省 default: operating" in whole
    loaded(draft, tmp_path)


def test_hostile_headings_are_headings(tmp_path: Path) -> None:
    """Each holds credit codes, so that each would be taken for one if it stood alone."""
    for heading in HOSTILE:
        table = {heading: text(*FIRMS), "企业名称": text("甲厂", "乙厂", "丙厂", "丁厂")}
        draft = drafted(table, file=f"{heading[:50]}.xlsx", feed="enterprise", crs=heading)
        contracts = loaded(draft.encode(errors="strict").decode(), tmp_path)
        assert contracts["patch"] == CONTRACTS["patch"]
        aliases = contracts["enterprise"].columns["credit_code"].aliases
        known = CONTRACTS["enterprise"].columns["credit_code"].aliases
        assert aliases in {known, (heading, *known)}
        assert max(map(len, draft.splitlines())) < 2_000
    assert "330299199003071234" not in drafted(
        {"330299199003071234": text("x"), "企业名称": text("y厂")}, feed="enterprise"
    )


def test_a_sheet_of_thousands_of_columns_takes_no_time(tmp_path: Path) -> None:
    began = time.monotonic()
    sample = text("x", "1")
    table = dict.fromkeys((f"列{number}" for number in range(16_000)), sample)
    draft = drafted(table, feed="enterprise")
    assert time.monotonic() - began < 60
    assert len(draft.splitlines()) < 400
    assert "#   … (15700)" in draft
    loaded(draft, tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    headings=st.lists(st.text(max_size=80), min_size=1, max_size=8),
    file=st.text(max_size=40),
    feed=st.sampled_from(FEEDS),
    which=st.integers(0, 3),
)
def test_every_draft_loads(
    tmp_path_factory: pytest.TempPathFactory,
    headings: list[str],
    file: str,
    feed: str,
    which: int,
) -> None:
    sample = [text(*FIRMS), text(*PARCELS), text("甲厂"), text(None)][which]
    draft = draft_contract(
        CONTRACTS, headings, [sample] * len(headings), file=file, geometry="polygon", feed=feed
    )
    assert set(tomllib.loads(draft)) == {"feed"}
    contracts = loaded(draft, tmp_path_factory.mktemp("draft"))
    assert {name for name in FEEDS if contracts[name] != CONTRACTS[name]} <= {feed}
