"""Names of enterprises and addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from pipeline.domain.names import (
    former_names,
    name_parts,
    normalise_address,
    normalise_name,
)

SHARED = Path(__file__).parents[2].parent / "shared"
RED_HOOK = SHARED / "data" / "link-nyc-redhook-dev"


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def only(found: pd.Series) -> str | None:
    assert len(found) == 1
    return None if pd.isna(found.iloc[0]) else found.iloc[0]


@pytest.mark.parametrize(
    ("typed", "key", "former"),
    [
        ("慈溪市ABc（集团）有限公司", "慈溪市ABC(集团)有限公司", []),
        (" 慈溪市\u200bＡＢＣ〔集团〕 有限公司\n", "慈溪市ABC(集团)有限公司", []),
        ("慈溪市某厂(普通合伙)", "慈溪市某厂(普通合伙)", []),
        ("慈溪市某厂[个人独资]", "慈溪市某厂(个人独资)", []),
        ("某有限公司（分公司）", "某有限公司(分公司)", []),
        ("某有限公司（承租）", "某有限公司", []),
        ("某有限公司（原慈溪市某某厂）", "某有限公司", ["慈溪市某某厂"]),
        ("某有限公司（原某厂（普通合伙））（承租）", "某有限公司", ["某厂(普通合伙)"]),
        ("某厂（承租）（普通合伙）", "某厂(普通合伙)", []),
        ("某(原野)食品厂", "某(原野)食品厂", []),
        ("慈溪市某有限责任公司", "慈溪市某有限责任公司", []),
        ("慈溪县某厂", "慈溪县某厂", []),
        ("某厂（承租", "某厂(承租", []),
        ("(承租)", None, []),
        ("　", None, []),
        (None, None, []),
    ],
)
def test_name(typed: str | None, key: str | None, former: list[str]) -> None:
    assert only(normalise_name(text(typed))) == key
    assert former_names(text(typed)).tolist() == former


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("慈溪市某有限公司", "慈溪某有限公司"),
        ("慈溪市某有限公司", "慈溪市某有限责任公司"),
        ("某有限公司", "某有限公司(分公司)"),
        ("某厂(普通合伙)", "某厂(个人独资)"),
    ],
)
def test_names_of_different_enterprises_stay_apart(one: str, other: str) -> None:
    assert normalise_name(text(one, other)).nunique() == 2


@settings(deadline=None)
@given(st.text("慈溪市厂(（)）〔〕原承租 abＡ\u200b", max_size=30))
def test_a_key_is_its_own_key(name: str) -> None:
    key = normalise_name(text(name))
    again = normalise_name(key)
    assert again.equals(key)


def test_names_keep_the_index() -> None:
    names = pd.Series(["某厂", None, "某厂(承租)"], index=[5, 5, 1])
    assert normalise_name(names).index.tolist() == [5, 5, 1]
    assert normalise_name(names).fillna("").tolist() == ["某厂", "", "某厂"]
    assert former_names(pd.Series([], dtype=object)).empty
    assert former_names(names.set_axis([5, 5, 1])).empty


PLACES = ("浙江省", "明澜市", "青岚县", "云溪镇")


@pytest.mark.parametrize(
    ("name", "region", "body", "form", "branch"),
    [
        ("青岚县长盛五金有限公司", "青岚", "长盛五金", "有限公司", ""),
        ("青岚长盛五金有限公司", "青岚", "长盛五金", "有限公司", ""),
        ("长盛五金有限公司", "", "长盛五金", "有限公司", ""),
        ("明澜(青岚)砚石轴承股份有限公司", "明澜青岚", "砚石轴承", "股份有限公司", ""),
        ("青岚县云溪砚石模具厂(普通合伙)", "云溪青岚", "砚石模具", "厂(普通合伙)", ""),
        ("明澜长盛电器有限公司青岚分公司", "明澜", "长盛电器", "有限公司", "青岚分公司"),
        ("上海市长盛五金有限公司", "上海", "长盛五金", "有限公司", ""),
        ("云溪镇东坑村股份经济合作社", "云溪", "东坑村", "股份经济合作社", ""),
        # what is nothing else is the body
        ("青岚县", "", "青岚县", "", ""),
        ("公司", "", "公司", "", ""),
    ],
)
def test_parts_of_a_name(name: str, region: str, body: str, form: str, branch: str) -> None:
    (found,) = name_parts(text(name), PLACES).to_dict("records")
    parts = (found["region"], found["body"], found["form"], found["branch"])
    assert parts == (region, body, form, branch)


@pytest.mark.parametrize(
    ("name", "is_person"),
    [("王小明", True), ("长盛五金厂", False), ("欧阳·某", True), ("ACME", False), (None, False)],
)
def test_a_person_has_no_form(name: str | None, is_person: bool) -> None:
    assert name_parts(text(name), PLACES)["is_person"].tolist() == [is_person]


def blocks(name: str) -> set[str]:
    literal = name_parts(text(name))["blocks"].iloc[0]
    return set(re.findall(r'"([^"]*)"', literal))


_BODIES = st.text("长盛砚石五金轴承电器模具新星光明", min_size=4, max_size=8)


@given(_BODIES, _BODIES)
def test_names_that_differ_in_one_character_share_a_block(one: str, other: str) -> None:
    """Blocks miss no pair that an edit distance finds; what they find is at most two edits apart."""
    common = {block for block in blocks(one) & blocks(other) if not block.startswith("~")}
    distance = Levenshtein.distance(one, other)
    assert distance > 1 or common
    assert not common or distance <= 2


def test_names_that_sound_alike_share_their_sound() -> None:
    assert "~changshengwujin" in blocks("昌盛五金") & blocks("昌胜五金")
    assert name_parts(text("昌盛五金厂", "昌胜五金厂"))["sound"].nunique() == 1


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_text_has_parts(names: list[str]) -> None:
    found = name_parts(pd.Series(names, dtype="str"), PLACES)
    assert len(found) == len(names)
    assert found.notna().all(axis=None)


def test_names_of_the_register_of_cixi_stay_distinct() -> None:
    path = SHARED / "data" / "cn-enterprises-cixi" / "enterprises_utf8.csv"
    if not path.exists():
        pytest.skip(f"needs the shared data set {path.parent.name}")
    names = pd.read_csv(path, dtype=str)["企业名称"]
    key = normalise_name(names)
    assert key.notna().all()
    assert key.nunique() == names.nunique()
    assert (
        key.str.endswith("(普通合伙)").sum() == names.str.contains("[（(]普通合伙[)）]$").sum() > 0
    )


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("浙江省宁波市慈溪市宗汉街道新江路２４３号", "宗汉街道新江路243号"),
        ("慈溪市宗汉街道 新江路 243 號", "宗汉街道新江路243号"),
        ("宗汉街道，新江路243号。", "宗汉街道新江路243号"),
        ("慈溪市周巷镇（小安村）", "周巷镇小安村"),
        ("新兴一路12—3号", "新兴一路12-3号"),
        ("新兴一路12～16号", "新兴一路12-16号"),
        ("新兴一路12、14号", "新兴一路12,14号"),
        ("新兴一路12 , -14号", "新兴一路12-14号"),
        ("慈溪市慈溪市路1号", "慈溪市路1号"),
        ("慈溪高新区a幢", "慈溪高新区A幢"),
        ("浙江省", None),
        ("——", None),
        ("", None),
        (None, None),
    ],
)
def test_chinese_address(typed: str | None, address: str | None) -> None:
    found = normalise_address(text(typed), "zh", ("浙江省", "宁波市", "慈溪市", ""))
    assert only(found) == address


@settings(deadline=None)
@given(st.integers(1, 9999), st.integers(1, 9999), st.text(" ,，、;/.·-–—~", min_size=1))
def test_two_numbers_never_become_another_one(first: int, second: int, between: str) -> None:
    found = only(normalise_address(text(f"新兴路{first}{between}{second}号"), "zh"))
    assert found in {f"新兴路{first}-{second}号", f"新兴路{first},{second}号"}


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("354 Hamilton Avenue", "354 HAMILTON AVE"),
        ("354 HAMILTON AV.", "354 HAMILTON AVE"),
        ("West 9 Street", "W 9 ST"),
        ("0100 W 9TH ST", "100 W 9 ST"),
        ("83 2nd Place", "83 2 PL"),
        ("061-10 Northern Boulevard", "61-10 NORTHERN BLVD"),
        ("61 - 01 Avenue S", "61-01 AVE S"),
        ("1/2 DIKEMAN STREET", "1/2 DIKEMAN ST"),
        ("531A Clinton St", "531A CLINTON ST"),
        ("12 Main St, Apt. 3B", "12 MAIN ST"),
        ("12 MAIN ST # 4", "12 MAIN ST"),
        ("12 MAIN ST#4", "12 MAIN ST"),
        ("12 Main St FL 2", "12 MAIN ST"),
        ("12 Main St, 2nd Floor", "12 MAIN ST"),
        ("12 Main St SUITE 100", "12 MAIN ST"),
        ("5 Floral Avenue", "5 FLORAL AVE"),
        ("5 Unity Street", "5 UNITY ST"),
        ("7 St. Mark's Place", "7 ST MARKS PL"),
        ("7 St. Mark\u2019s Place", "7 ST MARKS PL"),
        ("Bldg 77 Flushing Ave", "BLDG 77 FLUSHING AVE"),
        (" ", None),
        (None, None),
    ],
)
def test_american_address(typed: str | None, address: str | None) -> None:
    assert only(normalise_address(text(typed), "us")) == address


def test_another_style_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="style"):
        normalise_address(text("1 rue de la Paix"), "fr")  # type: ignore[arg-type]


def test_equal_addresses_find_the_lots_of_red_hook() -> None:
    if not RED_HOOK.exists():
        pytest.skip(f"needs the shared data set {RED_HOOK.name}")
    pyogrio = pytest.importorskip("pyogrio")
    lots = pyogrio.read_dataframe(
        RED_HOOK / "lots" / "pluto.shp", columns=["bbl", "address"], read_geometry=False
    )
    business = pd.read_csv(RED_HOOK / "businesses.csv", dtype=str).merge(
        pd.read_csv(RED_HOOK / "truth.csv", dtype=str), on="DCA License Number", validate="1:1"
    )
    lot_by_address = pd.Series(
        lots["bbl"].map("{:.0f}".format).to_numpy(), index=normalise_address(lots["address"], "us")
    )
    lot_by_address = lot_by_address[
        lot_by_address.index.notna() & ~lot_by_address.index.duplicated(keep=False)
    ]
    typed = business["Address Building"] + " " + business["Address Street Name"]
    predicted = normalise_address(typed, "us").map(lot_by_address)
    right = (predicted == business["lot"]).sum()
    assert right / predicted.notna().sum() >= 0.95
    assert right / business["lot"].notna().sum() >= 0.55
