"""Addresses taken apart. All examples are invented; figures on real data need ``shared``."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.addresses import parse_addresses
from pipeline.domain.names import normalise_address

TOWNSHIPS = pd.DataFrame(
    [
        ("青岚镇", "330299100", False),
        ("白沙路街道", "330299001", False),
        ("桥头镇", "330299101", False),
        ("大桥头镇", "330299102", False),
        ("云山街道", "330299002", False),
        ("石浦乡", "330299200", False),
        ("竹南市", "330299103", False),
        ("东塘镇", "330299100", True),
        ("北湾乡", None, True),
    ],
    columns=["name", "township_code", "is_former"],
)
PREFIXES = ("浙江省", "甬州市", "青溪县")
PARTS = [
    "township_code",
    "village",
    "group",
    "road",
    "sub_road",
    "number",
    "number_to",
    "sub_number",
    "park",
    "building",
    "room",
    "rest",
]


def read(address: str, **options: object) -> dict[str, object]:
    """The parts of one address that are there."""
    given = {"townships": TOWNSHIPS, "prefixes": PREFIXES} | options
    row = parse_addresses(pd.Series([address], dtype=object), **given).iloc[0]  # type: ignore[arg-type]
    return {name: value for name, value in row.items() if not pd.isna(value)}


def parts(address: str, **options: object) -> dict[str, object]:
    """The parts without those that repeat others."""
    found = read(address, **options)
    if found.get("number_to") == found.get("number"):
        found.pop("number_to", None)
    return {name: found[name] for name in PARTS if name in found and name != "township_code"}


@pytest.mark.parametrize(
    ("address", "code", "words", "is_former"),
    [
        ("浙江省甬州市青溪县青岚镇沙田村", "330299100", "青岚镇", False),
        ("浙江青溪青岚镇沙田村", "330299100", "青岚镇", False),
        ("青溪县青溪县青岚镇", "330299100", "青岚镇", False),
        ("青岚镇沙田村", "330299100", "青岚镇", False),
        ("青溪县 青岚镇 沙田村", "330299100", "青岚镇", False),
        ("青溪縣青嵐鎮", None, "青嵐鎮", False),
        ("青溪縣橋頭鎮中山路1號", "330299101", "橋頭鎮", False),
        # the longest name
        ("青溪县大桥头镇沙田村", "330299102", "大桥头镇", False),
        ("青溪县白沙路街道中山路1号", "330299001", "白沙路街道", False),
        # a former name, and one that was raised
        ("青溪县东塘镇沙田村", "330299100", "东塘镇", True),
        ("青溪县云山镇沙田村", "330299002", "云山镇", True),
        ("青溪县北湾乡沙田村", None, "北湾乡", True),
        # not listed
        ("青溪县南屏镇沙田村", None, "南屏镇", False),
        # without 镇, 乡 or 街道
        ("青溪县青岚沙田村", "330299100", "青岚", False),
        ("青溪县青岚环城路1号", "330299100", "青岚", False),
        ("青溪县青岚工业区", "330299100", "青岚", False),
        ("青溪县青岚", "330299100", "青岚", False),
        ("青溪县青岚路1号", None, None, False),
        ("青溪县青岚东路1号", None, None, False),
        ("青溪县青岚大道1号", None, None, False),
        ("青溪县青岚新村1号", None, None, False),
        ("青溪县青岚大厦5楼", None, None, False),
        ("青溪县青岚村1号", None, None, False),
        ("青溪县沙田村青岚环城路1号", None, None, False),
        # a street that contains a township's name
        ("青溪县桥头镇路1号", None, None, False),
        ("青溪县云山街道青岚路1号", "330299002", "云山街道", False),
        ("青溪县青岚镇桥头路1号", "330299100", "青岚镇", False),
        ("青溪县白沙路1号", None, None, False),
        # of two addresses the first
        ("青溪县中山路8号；桥头镇人民路16号", None, None, False),
        ("青溪县·青岚镇沙田村", "330299100", "青岚镇", False),
        # the end of another name
        ("青溪县小桥头镇沙田村", None, "小桥头镇", False),
        # behind a park
        ("青溪科学工业园区青溪县石浦乡创新一路6号", "330299200", "石浦乡", False),
    ],
)
def test_township(address: str, code: str | None, words: str | None, is_former: bool) -> None:
    found = read(address)
    assert found.get("township_code") == code
    assert found.get("township") == words
    assert bool(found["is_former"]) is is_former


@pytest.mark.parametrize(
    ("address", "village", "group"),
    [
        ("青岚镇沙田村", "沙田村", None),
        ("青岚镇沙田村委会", "沙田村", None),
        ("青岚镇沙田村村民委员会", "沙田村", None),
        ("青岚镇沙田行政村", "沙田村", None),
        ("青岚镇沙田村3组", "沙田村", "3组"),
        ("青岚镇沙田村三组", "沙田村", "3组"),
        ("青岚镇沙田村第五村民小组", "沙田村", "5村民小组"),
        ("青岚镇沙田村后岙自然村", "沙田村", "后岙自然村"),
        ("青岚镇沙田村后岙12号", "沙田村", "后岙"),
        ("青岚镇沙田村(沙田村)", "沙田村", None),
        ("青岚镇金菊社区", "金菊社区", None),
        ("青岚镇金菊社区居委会", "金菊社区", None),
        ("青岚镇金菊居委会", "金菊社区", None),
        ("青岚镇金菊居民委员会", "金菊社区", None),
        ("青岚镇镇东新村", "镇东新村", None),
        ("青岚镇马家路村", "马家路村", None),
        ("青岚镇西街村", "西街村", None),
        ("青岚镇新村路1号", None, None),
        ("青岚镇后里村", "后里村", None),
        ("竹南市同和里7鄰", "同和里", "7邻"),
        ("竹南市同和里同和路7号", "同和里", None),
        ("竹南市同和里头7号", None, "同和里头"),
        ("青岚镇中山路1号(沙田村)", "沙田村", None),
    ],
)
def test_village(address: str, village: str | None, group: str | None) -> None:
    found = read(address)
    assert found.get("village") == village
    assert found.get("group") == group


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("青岚镇中山路8号", {"road": "中山路", "number": 8}),
        ("青岚镇中山路 8 号", {"road": "中山路", "number": 8}),
        ("青岚镇中山路８號", {"road": "中山路", "number": 8}),
        ("青岚镇中山路8#", {"road": "中山路", "number": 8}),
        ("青岚镇中山路8", {"road": "中山路", "number": 8}),
        ("青岚镇中山路八号", {"road": "中山路", "number": 8}),
        ("青岚镇中山路廿三号", {"road": "中山路", "number": 23}),
        ("青岚镇环北路1段8号", {"road": "环北路一段", "number": 8}),
        ("青岚镇环北路一段8号", {"road": "环北路一段", "number": 8}),
        ("青岚镇工业4路8号", {"road": "工业四路", "number": 8}),
        ("青岚镇工业四路8号", {"road": "工业四路", "number": 8}),
        ("青岚镇南二环线东路8号", {"road": "南二环线东路", "number": 8}),
        ("青岚镇329国道8号", {"road": "329国道", "number": 8}),
        ("青岚镇中山路12弄8号", {"road": "中山路", "sub_road": "12弄", "number": 8}),
        ("青岚镇中山路十二弄8号", {"road": "中山路", "sub_road": "12弄", "number": 8}),
        ("中山路12巷3弄8号", {"road": "中山路", "sub_road": "12巷3弄", "number": 8}),
        ("青岚镇中山路李家弄8号", {"road": "中山路", "sub_road": "李家弄", "number": 8}),
        ("青岚镇李家弄8号", {"road": "李家弄", "number": 8}),
        ("青岚镇中山路与人民路交叉口", {"road": "中山路", "sub_road": "人民路", "rest": "交叉口"}),
        ("青岚镇桥头路8号", {"road": "桥头路", "number": 8}),
        ("青岚镇大路头路8号", {"road": "大路头路", "number": 8}),
        ("青岚镇沙田村镇中路南段", {"village": "沙田村", "road": "镇中路南段"}),
        (
            "青岚镇中山路南侧人民路",
            {"road": "中山路", "sub_road": "人民路", "rest": "南侧"},
        ),
        ("青溪县桥头巷副食品市场", {"road": "桥头巷", "rest": "副食品市场"}),
    ],
)
def test_road(address: str, expected: dict[str, object]) -> None:
    assert parts(address) == expected


@pytest.mark.parametrize(
    ("written", "number", "number_to", "sub_number"),
    [
        ("12号", 12, 12, None),
        # ranges: larger, of as many digits or one more, both odd or both even
        ("12-16号", 12, 16, None),
        ("12—16号", 12, 16, None),
        ("12～16号", 12, 16, None),
        ("12至16号", 12, 16, None),
        ("98-106号", 98, 106, None),
        # three digits and more: no sub-number is that large
        ("353-356号", 353, 356, None),
        # sub-numbers
        ("12-1号", 12, 12, "1"),
        ("12之1号", 12, 12, "1"),
        ("12之16号", 12, 12, "16"),
        ("12号之1", 12, 12, "1"),
        ("12号-1", 12, 12, "1"),
        ("12号附1号", 12, 12, "1"),
        ("12-15号", 12, 12, "15"),
        ("5-101号", 5, 5, "101"),
        ("12-812号", 12, 12, "812"),
        ("12号甲", 12, 12, "甲"),
        ("12甲号", 12, 12, "甲"),
        ("12A号", 12, 12, "A"),
        ("12号A", 12, 12, "A"),
        # lists
        ("12、14号", 12, 14, None),
        ("14,12号", 12, 14, None),
        ("12号、14号", 12, 14, None),
        ("12、13、16号", 12, 16, None),
        ("12-16、20号", 12, 20, None),
        ("12号-16号", 12, 16, None),
        ("12#-16#", 12, 16, None),
        ("12#-1", 12, 12, "1"),
        ("B12#-1", 12, 12, "1"),
        ("12-1、12-3号", 12, 12, "1、3"),
        ("1-1、1-7号", 1, 1, "1、7"),
        ("12-3及15-1号", 12, 15, "3"),
        ("12、900号", 12, 12, None),
    ],
)
def test_number(written: str, number: int, number_to: int, sub_number: str | None) -> None:
    found = read(f"青溪县青岚镇中山路{written}")
    assert found.get("road") == "中山路"
    assert (found.get("number"), found.get("number_to")) == (number, number_to)
    assert found.get("sub_number") == sub_number
    assert found["understood"] == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("青岚镇工业园区", {"park": "工业园区"}),
        ("青溪县城东工业小区", {"park": "城东工业小区"}),
        ("青溪经济开发区", {"park": "经济开发区"}),
        ("青岚镇小微企业园3幢", {"park": "小微企业园", "building": "3幢"}),
        ("青溪县高新技术产业开发区", {"park": "高新技术产业开发区"}),
        ("青岚镇沙田村工业区", {"village": "沙田村", "park": "工业区"}),
        (
            "青岚镇工业区中山路8号3幢",
            {"park": "工业区", "road": "中山路", "number": 8, "building": "3幢"},
        ),
        ("青岚镇工业路8号", {"road": "工业路", "number": 8}),
        (
            "青岚镇中山路8号三幢2单元501室",
            {"road": "中山路", "number": 8, "building": "3幢", "room": "2单元501室"},
        ),
        ("青岚镇中山路8号5号楼", {"road": "中山路", "number": 8, "building": "5号楼"}),
        ("青岚镇中山路8号2#厂房", {"road": "中山路", "number": 8, "building": "2#厂房"}),
        ("青岚镇中山路8号3、4樓", {"road": "中山路", "number": 8, "room": "3、4楼"}),
        ("青岚镇中山路8号五楼", {"road": "中山路", "number": 8, "room": "5楼"}),
        (
            "青岚镇广源大厦5楼1、3号",
            {"room": "5楼1、3号", "rest": "广源大厦"},
        ),
        # a shop in a market is no house of the street
        ("青岚镇中山路广源市场8号", {"road": "中山路", "room": "8号", "rest": "广源市场"}),
        ("青岚镇广源市场8号", {"number": 8, "rest": "广源市场"}),
        ("青岚镇中山路8号(自主申报)", {"road": "中山路", "number": 8}),
        ("青岚镇沙田村(村口)", {"village": "沙田村", "rest": "村口"}),
        ("青岚镇沙田村李某某家", {"village": "沙田村", "rest": "李某某家"}),
        (
            "青岚镇沙田村（中山路12-16#）325室",
            {
                "village": "沙田村",
                "road": "中山路",
                "number": 12,
                "number_to": 16,
                "room": "325室",
            },
        ),
        (
            "青岚镇中山路8号、人民路16号",
            {"road": "中山路", "number": 8, "rest": "人民路16号"},
        ),
        (
            "青岚镇中山路8号；桥头镇人民路16号",
            {"road": "中山路", "number": 8, "rest": "桥头镇人民路16号"},
        ),
        (
            "中山路8号；桥头镇人民路16号",
            {"road": "中山路", "number": 8, "rest": "桥头镇人民路16号"},
        ),
        (
            "中山路8号、桥头镇人民路16号",
            {"road": "中山路", "number": 8, "rest": "桥头镇人民路16号"},
        ),
        ("青岚镇中山路8号、3楼", {"road": "中山路", "number": 8, "room": "3楼"}),
        ("青溪县青岚镇中山路青溪县青岚镇中山路8号", {"road": "中山路", "number": 8}),
        ("青岚镇青岚镇沙田村", {"village": "沙田村"}),
        ("青岚镇东塘镇沙田村", {"village": "沙田村"}),
        ("", {}),
        ("()", {}),
    ],
)
def test_other_parts(address: str, expected: dict[str, object]) -> None:
    assert parts(address) == expected


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("竹南市同和里環東路２段３巷５號６樓", "竹南市同和里环东路二段3巷5号6楼"),
        ("橋頭鎮龍興村後灣１２之３號", "桥头镇龙兴村后湾12-3号"),
        ("石浦鄉開發區廣華街７號", "石浦乡开发区广华街7号"),
    ],
)
def test_traditional_characters_give_the_same_keys(traditional: str, simplified: str) -> None:
    one, other = read(traditional), read(simplified)
    one.pop("township"), other.pop("township")
    assert one == other


def test_understood_is_the_share_of_characters() -> None:
    assert read("浙江省青溪县青岚镇中山路8号")["understood"] == 1
    assert read("青岚镇中山路8号，旁边")["understood"] == pytest.approx(1 - 2 / 10)
    assert read("某某某")["understood"] == 0
    assert read("")["understood"] == 0


def test_a_shared_name_gives_no_code() -> None:
    two = pd.DataFrame(
        {"name": ["城关镇", "城关镇"], "township_code": ["1", "2"], "is_former": [False, False]}
    )
    found = read("青溪县城关镇沙田村", townships=two)
    assert found["township"] == "城关镇"
    assert "township_code" not in found
    # a current name comes before the same name of a former township
    one_left = two.assign(is_former=[False, True])
    found = read("青溪县城关镇沙田村", townships=one_left)
    assert (found["township_code"], found["is_former"]) == ("1", False)


def test_a_township_named_like_a_lane() -> None:
    lane = pd.DataFrame({"name": ["柳巷镇"], "township_code": ["1"], "is_former": [False]})
    assert parts("青溪县柳巷副食品市场", townships=lane) == {"rest": "副食品市场 柳巷"}
    assert parts("青溪县柳巷路8号", townships=lane) == {"road": "柳巷路", "number": 8}
    assert read("青溪县柳巷环城路8号", townships=lane)["township_code"] == "1"


def test_without_names() -> None:
    assert parts("青岚镇沙田村8号", townships=None, prefixes=()) == {
        "village": "沙田村",
        "number": 8,
    }


def test_types_and_index() -> None:
    addresses = pd.Series(["青岚镇中山路8号", None, "青岚镇中山路8号"], index=[7, 7, 2])
    found = parse_addresses(addresses, townships=TOWNSHIPS, prefixes=PREFIXES)
    assert found.index.tolist() == [7, 7, 2]
    assert found["number"].dtype == "Int64"
    assert found["number_to"].tolist() == [8, pd.NA, 8]
    assert found["is_former"].dtype == bool
    assert found["understood"].tolist() == [1, 0, 1]
    assert found["road"].isna().tolist() == [False, True, False]
    assert list(parse_addresses(addresses.iloc[:0]).columns) == list(found.columns)
    assert parse_addresses(addresses.iloc[:0]).dtypes.equals(found.dtypes)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(ValueError, match="style"):
        parse_addresses(pd.Series(["x"]), style="xx")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "road", "number", "number_to", "sub_number"),
    [
        ("286 Main Street", "MAIN ST", 286, 286, None),
        ("286-290 MAIN ST", "MAIN ST", 286, 290, None),
        ("286 - 290 MAIN ST", "MAIN ST", 286, 290, None),
        ("98-106 MAIN ST", "MAIN ST", 98, 106, None),
        ("286 & 290 MAIN ST", "MAIN ST", 286, 290, None),
        # block and house, as in Queens
        ("37-12 30TH ST", "30 ST", 37, 37, "12"),
        ("112-14 30 ST", "30 ST", 112, 112, "14"),
        # odd and even are on two sides of a street
        ("286-289 MAIN ST", "MAIN ST", 286, 286, "289"),
        ("286 30 ST", "30 ST", 286, 286, None),
        ("286, 30 ST", "30 ST", 286, 286, None),
        ("10 AND 12 ST", "AND 12 ST", 10, 10, None),
        ("286A MAIN ST", "MAIN ST", 286, 286, "A"),
        ("286 1/2 MAIN ST", "MAIN ST", 286, 286, "1/2"),
        ("286 MAIN ST, APT 4", "MAIN ST", 286, 286, None),
        ("MAIN ST", "MAIN ST", None, None, None),
        ("PIER", None, None, None, None),
        ("", None, None, None, None),
    ],
)
def test_american_addresses(
    address: str,
    road: str | None,
    number: int | None,
    number_to: int | None,
    sub_number: str | None,
) -> None:
    found = read(address, style="us")
    assert found.get("road") == road
    assert (found.get("number"), found.get("number_to")) == (number, number_to)
    assert found.get("sub_number") == sub_number


def test_an_american_road_is_the_key_of_its_address() -> None:
    typed = pd.Series(["12 North Main Street #4", "7 West 9th Avenue, Floor 2"])
    keys = normalise_address(typed, "us")
    found = parse_addresses(typed, style="us")
    assert (found["number"].astype(str) + " " + found["road"]).tolist() == keys.tolist()
    assert found["room"].tolist() == ["#4", "FLOOR 2"]


TYPED = st.text(
    "青岚镇桥头白沙路街道云山浙江省溪县市村社区里组邻路街巷弄段大道号號之附甲工业园开发区幢栋楼层室"
    "一二十百廿第底、，；（）()-~ 至及0123456789０１AB#旁家鎮後",
    max_size=40,
)


def read_all(addresses: list[str], **options: object) -> list[dict[str, object]]:
    """The parts of several addresses that are there."""
    given = {"townships": TOWNSHIPS, "prefixes": PREFIXES} | options
    rows = parse_addresses(pd.Series(addresses, dtype=object), **given)  # type: ignore[arg-type]
    return [
        {name: value for name, value in row.items() if not pd.isna(value)}
        for row in rows.to_dict("records")
    ]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.one_of(TYPED, st.text(max_size=40)), min_size=5, max_size=20),
    st.sampled_from(["zh", "us"]),
)
def test_any_text_is_read(addresses: list[str], style: str) -> None:
    for found in read_all(addresses, style=style):
        assert 0 <= found["understood"] <= 1
        assert bool("number" in found) == bool("number_to" in found)
        if "number" in found:
            assert 0 <= found["number"] <= found["number_to"]


@pytest.mark.parametrize(
    "piece", ["1-", "1、", "1号、", "一", "一、", "1 ", " ", "青岚", "(托管)", "村", "1之"]
)
def test_long_text_is_read_soon(piece: str) -> None:
    begin = time.perf_counter()
    found = read("青溪县青岚镇" + piece * 20_000 + "1 X")
    assert found["township"] == "青岚镇"
    assert time.perf_counter() - begin < 2


def letters(text: str) -> set[str]:
    """The characters of a text by which parts are held against it."""
    return {sign for sign in text if sign.isalnum()} - set(
        "0123456789零一二三四五六七八九十百廿两村社区"
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(TYPED, min_size=5, max_size=20))
def test_parts_are_pieces_of_the_address(addresses: list[str]) -> None:
    for address, found in zip(addresses, read_all(addresses), strict=True):
        simple = address.replace("號", "号").replace("鎮", "镇").replace("後", "后")
        for name in ("village", "group", "road", "sub_road", "park", "building", "room", "rest"):
            assert letters(str(found.get(name, ""))) <= letters(simple + "AB")
        assert str(found.get("township", "")) in address.replace(" ", "")


NAME = st.text("松柏梅兰金菊", min_size=2, max_size=3)


@settings(deadline=None, max_examples=50)
@given(NAME, NAME, st.integers(1, 99), st.integers(1, 9999))
def test_parts_give_the_same_parts_again(
    village: str, road: str, section: int, number: int
) -> None:
    once = read(f"青溪县青岚镇{village}村{road}路{section}段{number}号")
    assert once["village"] == f"{village}村"
    assert once["number"] == number
    again = read(f"{once['township']}{once['village']}{once['road']}{once['number']}号")
    assert again == once


# Figures on real data.


def hsinchu(folder: Path) -> tuple[pd.DataFrame, pd.Series]:
    """Addresses of Hsinchu taken apart, and the townships that the register states."""
    data = folder / "tw-hsinchu-factories-townships"
    address = pd.read_csv(data / "factories.csv", dtype=str)["address"]
    stated = pd.read_csv(data / "truth_township.csv", dtype=str)["TOWN_ID"]
    shapes = json.loads((data / "townships.geojson").read_text(encoding="utf-8"))["features"]
    townships = pd.DataFrame(
        {
            "name": [shape["properties"]["TOWN"] for shape in shapes],
            "township_code": [shape["properties"]["TOWN_ID"] for shape in shapes],
            "is_former": False,
        }
    )
    return parse_addresses(address, townships=townships, prefixes=("新竹縣",)), stated


def test_townships_of_hsinchu(shared_data: Path) -> None:
    parsed, stated = hsinchu(shared_data)
    found = parsed["township_code"]
    assert found.eq(stated).sum() >= 1291
    # eleven addresses name none; in eight the register states another than its address
    assert found.isna().sum() <= 11
    assert found[found.notna()].eq(stated[found.notna()]).mean() >= 0.99
    assert parsed["understood"].mean() >= 0.99


def test_townships_of_cixi(shared_data: Path) -> None:
    codes = pd.read_csv(shared_data / "cn-admin-codes" / "streets.csv", dtype=str)
    current = codes[codes["areaCode"] == "330282"]
    former = pd.DataFrame({"name": ["范市镇", "天元镇"], "code": ["330282123", "330282121"]})
    townships = pd.concat([current.assign(is_former=False), former.assign(is_former=True)])
    register = pd.read_csv(shared_data / "cn-enterprises-cixi" / "enterprises_utf8.csv", dtype=str)
    parsed = parse_addresses(
        register["注册地址"],
        townships=townships.rename(columns={"code": "township_code"}),
        prefixes=("浙江省", "宁波市", "慈溪市"),
    )
    assert parsed["township_code"].notna().sum() >= 2630
    assert parsed["understood"].mean() >= 0.95
