"""Free text that names land: codes, land numbers, sections of a reference list."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.codes import internal_code, parse_parcel_code
from pipeline.domain.parcel_text import (
    LONGEST_RANGE,
    match_sections,
    parse_land_numbers,
    parse_parcel_text,
    read_parcel_text,
)

BASE = "330299001002"
OWN = internal_code(b"field behind the mill")

codes = st.from_regex(
    r"[1-9][0-9]{11}(?:[GZ][BSXCDEFHGWY]|J[ABSXCDEFGHWY])[0-9]{4}[1-9]", fullmatch=True
)
fixtures = st.from_regex(r"(?:W00000000|[FLQ][0-9]{8})?", fullmatch=True)
code_lists = st.lists(codes, min_size=1, max_size=6)
# texts near the border of what is understood
code_like = st.lists(
    st.one_of(
        codes,
        st.sampled_from([OWN, "33O299001002GB00034", "00035", "36", "GB00037", "GB", "JA00001"]),
        st.sampled_from(list("、，,;/-~至和及 \n()（）12OI")),
        st.sampled_from(["等3宗", "宗地代码", "约3亩", "原", "00000", "F00010002"]),
    ),
    max_size=12,
).map("".join)
land_like = st.lists(
    st.sampled_from(
        [
            "柳塘區",
            "青嵐段",
            "一小段",
            "716",
            "716-5",
            "之",
            "8",
            "地號",
            "等2筆",
            "、",
            "\n",
            "至",
            " ",
            *("(", ")", "中山路二段", "同段", "和", "段", "小段", "０８", "12345678", "0"),
        ]
    ),
    max_size=14,
).map("".join)
FULL_WIDTH = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def found(value: str, scheme: str = "gbt37346") -> list[str]:
    return parse_parcel_text(text(value), scheme)["parcel_code"].tolist()


def gb(*numbers: int) -> list[str]:
    return [f"{BASE}GB{number:05d}" for number in numbers]


def read(value: str, scheme: str = "gbt37346") -> dict[str, object]:
    row = read_parcel_text(text(value), scheme).iloc[0]
    return {name: None if pd.isna(row[name]) else row[name] for name in row.index}


def lands(value: str) -> list[tuple[str | None, str, str]]:
    table = parse_land_numbers(text(value))
    places = table["place"].astype(object).where(table["place"].notna(), None)
    return list(zip(places, table["section"], table["number"], strict=True))


def numbers(value: str) -> list[str]:
    return parse_land_numbers(text(value))["number"].tolist()


class TestCodes:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            (f"{BASE}GB00034", gb(34)),
            (f"{BASE}GB00034F00010002", gb(34)),
            (f"{BASE}GB00034W00000000", gb(34)),
            ("330299 001002 GB00034", gb(34)),
            ("330299 001 002 GB 00034 F 0001 0002", gb(34)),
            (f"{BASE}GB00034".translate(FULL_WIDTH), gb(34)),
            (f"{BASE}gb00034", gb(34)),
            (f"宗地代码：{BASE}GB00034", gb(34)),
            *[
                (f"{BASE}GB00034{sign}{BASE}GB00050", gb(34, 50))
                for sign in (
                    "、",
                    "，",
                    ",",
                    ";",
                    "；",
                    "/",
                    "\n",
                    "\r\n",
                    "和",
                    "及",
                    "与",
                    "以及",
                    " ",
                )
            ],
            (f"{BASE}GB00034、00035、36", gb(34, 35, 36)),
            (f"{BASE}GB00034、GB00035", gb(34, 35)),
            (f"{BASE}GB00034，JB00001", [*gb(34), f"{BASE}JB00001"]),
            (f"{BASE}GB00034 00035", gb(34, 35)),
            (f"{BASE}GB00034F00010001、00035", gb(34, 35)),
            (f"{BASE}GB00034-00036", gb(34, 35, 36)),
            (f"{BASE}GB00034—00036", gb(34, 35, 36)),
            (f"{BASE}GB00034至GB00036", gb(34, 35, 36)),
            (f"{BASE}GB00034～36", gb(34, 35, 36)),
            (f"{BASE}GB00034到{BASE}GB00036", gb(34, 35, 36)),
            (f"{BASE}GB00030、00034-00036、40", gb(30, 34, 35, 36, 40)),
            (f"{BASE}GB00034（部分）、00035（已抵押）等2宗", gb(34, 35)),
            (f"柳塘工业区（{BASE}GB00034）", gb(34)),
            (OWN, [OWN]),
            (f"{OWN.lower()}、{BASE}GB00034", [OWN, *gb(34)]),
            (f"{BASE}GB00034、{BASE}GB00034", gb(34)),
        ],
    )
    def test_what_clerks_write(self, written, expected):
        assert found(written) == expected

    @pytest.mark.parametrize(
        "written",
        [
            "",
            "无",
            "柳塘镇青岚村",
            "33O299001002GB00034",
            f"9{BASE}GB00034",
            f"{BASE}GB000345",
            f"{BASE}GB00000",
            f"{BASE}GA00034",
            f"{BASE}GB00034F0001",
            "NC123",
            f"(原{BASE}GB00034)",
        ],
    )
    def test_what_is_no_code(self, written):
        assert found(written) == []

    @pytest.mark.parametrize(
        "tail",
        [
            "，1200平方米",
            "、3亩",
            "、35号楼",
            "、35.5",
            "、2021-03-05",
            "、00000",
            "-6",
            "-00012",
            " 35",
        ],
    )
    def test_numbers_that_are_no_tails(self, tail):
        assert found(f"{BASE}GB00034{tail}") == gb(34)
        assert not read(f"{BASE}GB00034{tail}")["is_complete"]

    def test_the_longest_range(self):
        assert len(found(f"{BASE}GB00001-{LONGEST_RANGE:05d}")) == LONGEST_RANGE
        longer = read(f"{BASE}GB00001-{LONGEST_RANGE + 1:05d}")
        assert longer["codes"] == gb(1)[0]
        assert longer["rest"] == "00051"
        assert not longer["is_complete"]

    def test_a_range_over_two_subdistricts_is_none(self):
        other = "330299001003GB00036"
        both = read(f"{BASE}GB00034至{other}")
        assert both["codes"] == f"{BASE}GB00034|{other}"
        assert not both["is_complete"]

    def test_a_tail_after_a_bad_code_is_of_nothing(self):
        assert found("33O299001002GB00034、00035") == []

    def test_rows_keep_their_labels(self):
        table = parse_parcel_text(
            pd.Series([f"{BASE}GB00034、35", None, f"{BASE}GB00034、35"], index=["a", "b", "c"])
        )
        assert table["row"].tolist() == ["a", "a", "c", "c"]
        assert table["position"].tolist() == [1, 2, 1, 2]
        assert table["parcel_code"].tolist() == gb(34, 35) * 2

    def test_nothing(self):
        assert list(parse_parcel_text(text()).columns) == ["row", "position", "parcel_code"]
        assert len(parse_parcel_text(text(None, ""))) == 0
        assert len(read_parcel_text(text())) == 0

    def test_a_scheme_of_ones_own(self):
        assert found("地块 1002-07、1002-08", r"[0-9]{4}-[0-9]{2}") == ["1002-07", "1002-08"]
        assert found("地块 1002-07", r"([0-9]{4})-[0-9]{2}") == ["1002"]
        assert found(f"{OWN}，1002-07", r"[0-9]{4}-[0-9]{2}") == [OWN, "1002-07"]
        assert found("abc", "x*") == []

    def test_a_scheme_that_is_no_pattern(self):
        with pytest.raises(ValueError, match="no regular expression"):
            parse_parcel_text(text("a"), "(")


class TestReading:
    @pytest.mark.parametrize(
        ("written", "count", "stated", "complete"),
        [
            (f"{BASE}GB00034、00035、36等3宗", 3, 3, True),
            (f"{BASE}GB00034、00035 共2宗地", 2, 2, True),
            (f"{BASE}GB00034、00035（共两宗）", 2, 2, True),
            (f"{BASE}GB00034等十二宗", 1, 12, False),
            (f"{BASE}GB00034等一百零五宗土地", 1, 105, False),
            (f"{BASE}GB00034 3宗", 1, 3, False),
            (f"{BASE}GB00034等5宗，其中1宗", 1, 5, False),
            (f"第3宗 {BASE}GB00034", 1, None, False),
            (f"宗地代码：{BASE}GB00034。", 1, None, True),
            (f"{BASE}GB00034（部分）", 1, None, True),
            (f"{BASE}GB00034，青岚村", 1, None, False),
            ("等3宗", 0, 3, False),
            ("无", 0, None, True),
        ],
    )
    def test_counts(self, written, count, stated, complete):
        result = read(written)
        assert result["count"] == count
        assert result["stated_count"] == stated
        assert bool(result["is_complete"]) is complete

    def test_codes_are_sorted(self):
        assert read(f"{BASE}GB00050、{BASE}GB00034")["codes"] == "|".join(gb(34, 50))

    @pytest.mark.parametrize(
        ("written", "proposal"),
        [
            ("33O299001002GB00034", gb(34)[0]),
            ("330299 00I002 GBO0034", "330299001002GB00034"),
            (f"{BASE}GB000345", gb(34)[0]),
            (f"{BASE}GB00034X00010002", gb(34)[0]),
            (f"{BASE}GB00034F0001OOO2", gb(34)[0]),
            ("33O299001002GA00034", None),
        ],
    )
    def test_what_may_have_been_meant(self, written, proposal):
        result = read(written)
        assert result["codes"] is None
        assert result["proposal"] == proposal
        assert result["rest"] is not None
        assert not result["is_complete"]

    def test_a_note_with_a_code_is_left_to_the_reader(self):
        result = read(f"{BASE}GB00034(原{BASE}GB00012)")
        assert result["codes"] == gb(34)[0]
        assert "GB00012" in str(result["rest"])
        assert not result["is_complete"]

    def test_the_former_code_does_not_stand_in_for_a_bad_one(self):
        assert read(f"33O299001002GB00034(原{BASE}GB00012)")["codes"] is None

    def test_a_missing_text(self):
        result = read_parcel_text(pd.Series([None, f"{BASE}GB00034"], index=[7, 7]))
        assert result.index.tolist() == [7, 7]
        assert result["count"].tolist() == [0, 1]
        assert result["codes"].isna().tolist() == [True, False]
        assert result["count"].dtype == "Int64"
        assert result["is_complete"].dtype == bool


class TestCodeProperties:
    @given(st.lists(st.one_of(st.text(), code_like), max_size=4))
    def test_codes_are_valid(self, texts):
        table = parse_parcel_text(text(*texts))
        checked = parse_parcel_code(table["parcel_code"])
        assert checked["problem"].isna().all()
        assert (checked["parcel_code"] == table["parcel_code"]).all()
        assert not table.duplicated(["row", "parcel_code"]).any()
        whole = read_parcel_text(text(*texts))
        assert whole["count"].sum() == len(table)
        for codes_, proposals in zip(whole["codes"], whole["proposal"], strict=True):
            if isinstance(codes_, str) and isinstance(proposals, str):
                assert set(codes_.split("|")).isdisjoint(proposals.split("|"))

    @given(code_lists, st.data())
    def test_order_and_repetition_do_not_matter(self, listed, data):
        other = data.draw(st.permutations(listed + data.draw(st.lists(st.sampled_from(listed)))))
        a, b = (read("、".join(some)) for some in (listed, other))
        assert a == b

    @given(
        code_lists, st.sampled_from(["、", "，", ",", ";", "/", "\n", " 和 ", "及", " "]), st.data()
    )
    def test_a_list_is_read_back(self, listed, sign, data):
        units = [code + data.draw(fixtures) for code in listed]
        result = read(sign.join(units))
        assert result["codes"] == "|".join(sorted(set(listed)))
        assert result["is_complete"]

    @given(codes, st.integers(1, LONGEST_RANGE - 1), st.sampled_from(["-", "至", "～", "—", "到"]))
    def test_a_range_is_read_back(self, first, further, sign):
        start = min(int(first[14:]), 99_999 - further)
        expected = [f"{first[:14]}{start + i:05d}" for i in range(further + 1)]
        assert found(f"{expected[0]}{sign}{expected[-1][14:]}") == expected
        assert found(f"{expected[0]}{sign}{expected[-1]}") == expected

    @given(codes, st.integers(1, 5), st.data())
    def test_a_tail_is_read_back(self, first, length, data):
        tail = data.draw(st.from_regex(f"[0-9]{{{length - 1}}}[1-9]", fullmatch=True))
        expected = first[: 19 - length] + tail
        assert set(found(f"{first}、{tail}")) == {first, expected}


class TestLandNumbers:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("柳塘區青嵐段716-5地號", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段716地號", [("柳塘區", "青嵐段", "07160000")]),
            ("柳塘區青嵐段７１６－５地號", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段716之5號", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段 716 - 5 地號", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段0716-0005地號", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段07160005", [("柳塘區", "青嵐段", "07160005")]),
            ("柳塘區青嵐段(716、717)", [("柳塘區", "青嵐段", n) for n in ("07160000", "07170000")]),
            ("月河縣柳塘鄉青嵐段7地號", [("月河縣柳塘鄉", "青嵐段", "00070000")]),
            ("月河縣柳塘鄉青嵐段一小段7地號", [("月河縣柳塘鄉", "青嵐段一小段", "00070000")]),
            ("柳塘區青嵐段1小段7地號", [("柳塘區", "青嵐段一小段", "00070000")]),
            ("柳塘區青嵐段石橋小段7地號", [("柳塘區", "青嵐段石橋小段", "00070000")]),
            ("青嵐段7地號", [(None, "青嵐段", "00070000")]),
            ("坐落於柳塘鎮青嵐段7地號", [("柳塘鎮", "青嵐段", "00070000")]),
            ("平鎮區青嵐段7地號", [("平鎮區", "青嵐段", "00070000")]),
            ("柳塘鎮鎮南段7地號", [("柳塘鎮", "鎮南段", "00070000")]),
            ("柳塘區和群段7地號", [("柳塘區", "和群段", "00070000")]),
            ("柳塘区青岚段7地号", [("柳塘区", "青岚段", "00070000")]),
            (
                "柳塘區青嵐段7地號及石橋段8、9地號",
                [
                    ("柳塘區", "青嵐段", "00070000"),
                    ("柳塘區", "石橋段", "00080000"),
                    ("柳塘區", "石橋段", "00090000"),
                ],
            ),
            (
                "柳塘區青嵐段7地號、東港區石橋段8地號",
                [("柳塘區", "青嵐段", "00070000"), ("東港區", "石橋段", "00080000")],
            ),
            (
                "柳塘區青嵐段一小段7、二小段8地號",
                [("柳塘區", "青嵐段一小段", "00070000"), ("柳塘區", "青嵐段二小段", "00080000")],
            ),
            (
                "柳塘區青嵐段7地號和石橋段8地號、和群段9地號",
                [
                    ("柳塘區", "青嵐段", "00070000"),
                    ("柳塘區", "石橋段", "00080000"),
                    ("柳塘區", "和群段", "00090000"),
                ],
            ),
            ("中山路二段100號、柳塘區青嵐段7地號", [("柳塘區", "青嵐段", "00070000")]),
        ],
    )
    def test_places_and_sections(self, written, expected):
        assert lands(written) == expected

    @pytest.mark.parametrize(
        ("list_", "expected"),
        [
            ("716、717，718地號", ["07160000", "07170000", "07180000"]),
            ("716.717.718地號", ["07160000", "07170000", "07180000"]),
            ("716地號、717地號", ["07160000", "07170000"]),
            ("716號717號", ["07160000", "07170000"]),
            ("716、717等2筆地號", ["07160000", "07170000"]),
            ("716、717地號等二筆土地", ["07160000", "07170000"]),
            ("716地號內、717部分", ["07160000", "07170000"]),
            ("716地號(部分)、717地號(含道路5)", ["07160000", "07170000"]),
            ("716地號及同段717地號", ["07160000", "07170000"]),
            ("716、\n717地號", ["07160000", "07170000"]),
            ("716\n717\n718", ["07160000", "07170000", "07180000"]),
            ("716-\n5、717", ["07160005", "07170000"]),
            ("1250、12\n51、1252", ["12500000", "12510000", "12520000"]),
            ("816-9、816-1\n2、817", ["08160009", "08160012", "08170000"]),
            ("71、72\n73、74", ["00710000", "00720000", "00730000", "00740000"]),
            ("716至718地號", ["07160000", "07170000", "07180000"]),
            ("716-5～716-7地號", ["07160005", "07160006", "07160007"]),
            ("716-5至7地號", ["07160005", "07160006", "07160007"]),
            ("716至900地號", ["07160000", "09000000"]),
            ("716地號500平方公尺", ["07160000"]),
            ("716地號500平方公尺，同段717地號", ["07160000", "07170000"]),
            ("716-5等2筆8", ["07160005"]),
            ("716、5坪", ["07160000"]),
            ("716、716", ["07160000"]),
            ("0、716", ["07160000"]),
            ("12345", []),
        ],
    )
    def test_lists(self, list_, expected):
        assert numbers(f"柳塘區青嵐段{list_}") == expected

    @pytest.mark.parametrize("written", ["716-5地號", "同段7地號", "一小段7地號", "中山路二段7號"])
    def test_numbers_without_a_section_are_not_read(self, written):
        assert numbers(written) == []

    def test_rows_keep_their_labels(self):
        table = parse_land_numbers(pd.Series(["青嵐段7、8", None, "青嵐段7、8"], index=[3, 4, 5]))
        assert table["row"].tolist() == [3, 3, 5, 5]
        assert table["position"].tolist() == [1, 2, 1, 2]
        assert list(table.columns) == ["row", "position", "place", "section", "number"]
        assert len(parse_land_numbers(text())) == 0

    @given(st.lists(st.one_of(st.text(), land_like), max_size=4))
    def test_numbers_are_eight_digits(self, texts):
        table = parse_land_numbers(text(*texts))
        assert table["number"].str.fullmatch("[0-9]{8}").all()
        assert not table["number"].str.startswith("0000").any()
        assert table["section"].str.endswith("段").all()
        codes_ = match_sections(table, REFERENCE)
        assert codes_.index.equals(table.index)

    @given(
        st.lists(st.tuples(st.integers(1, 9999), st.integers(0, 9999)), min_size=1, max_size=8),
        st.sampled_from(["、", "，", ",", "\n", " ", "；", "及", "地號、"]),
        st.sampled_from(["-", "之", "－"]),
    )
    def test_a_list_is_read_back(self, some, sign, dash):
        written = [f"{parent}{dash}{child}" if child else str(parent) for parent, child in some]
        expected = {f"{parent:04d}{child:04d}" for parent, child in some}
        assert set(numbers(f"柳塘區青嵐段{sign.join(written)}地號")) == expected


REFERENCE = pd.DataFrame(
    [
        ("county", "月河縣", "A", None),
        ("county", "臺港市", "B", None),
        ("county", "月河市", "C", None),
        ("town", "柳塘區", "A01", None),
        ("town", "東港區", "A02", None),
        ("town", "柳塘區", "B01", None),
        ("town", "東區", "C01", None),
        ("A_A01", "青嵐段", "0001", "月河"),
        ("A_A02", "青嵐段", "0002", "月河"),
        ("B_B01", "青嵐段", "0003", "港"),
        ("A_A01", "臺前段", "0004", "月河"),
        ("A_A01", "石橋段一小段", "0005", "月河"),
        ("A_A01", "石橋段二小段", "0006", "月河"),
        ("A_A02", "山腳段", "0007", "月河"),
        ("A_A02", "鎮海段", "0008", "月河"),
        ("A_A02", "海尾段(東港)", "0009", "月河"),
        ("A_A01", "雙生段", "0010", "月河"),
        ("A_A01", "雙生段", "0011", "月河"),
        ("C_C01", "獨有段", "0012", "月河"),
        ("A_A02", "公館段", "0013", "月河"),
        ("A_A02", "公舘段", "0014", "月河"),
    ],
    columns=["place", "section_name", "section_code", "office"],
)


def section_code(written: str, city: str | None = None, table: pd.DataFrame = REFERENCE):
    cities = None if city is None else text(city)
    result = match_sections(parse_land_numbers(text(written)), table, cities)
    assert len(result) == 1
    return None if pd.isna(result.iloc[0]) else result.iloc[0]


class TestSections:
    @pytest.mark.parametrize(
        ("written", "city", "code"),
        [
            ("柳塘區青嵐段7地號", "月河縣", "0001"),
            ("東港區青嵐段7地號", "月河縣", "0002"),
            ("東港區青嵐段7地號", None, "0002"),
            ("柳塘區青嵐段7地號", "臺港市", "0003"),
            ("柳塘區青嵐段7地號", "台港市", "0003"),
            ("月河縣柳塘區青嵐段7地號", None, "0001"),
            ("青嵐段7地號", "臺港市", "0003"),
            ("柳塘鄉青嵐段7地號", "月河縣", "0001"),
            ("柳塘區石橋段1小段7地號", "月河縣", "0005"),
            ("柳塘區石橋段二小段7地號", "月河縣", "0006"),
            ("柳塘區台前段7地號", "月河縣", "0004"),
            ("柳塘区台前段7地号", "月河县", "0004"),
            ("東港區山脚段7地號", "月河縣", "0007"),
            ("東港區海尾段7地號", "月河縣", "0009"),
            ("東港區公館段7地號", "月河縣", "0013"),
            ("東港區公舘段7地號", "月河縣", "0014"),
            ("柳塘區清水里青嵐段7地號", "月河縣", "0001"),
            ("獨有段7地號", None, "0012"),
        ],
    )
    def test_the_place_tells(self, written, city, code):
        assert section_code(written, city) == code

    @pytest.mark.parametrize(
        ("written", "city"),
        [
            ("柳塘區青嵐段7地號", None),
            ("青嵐段7地號", "月河縣"),
            ("柳塘區雙生段7地號", "月河縣"),
            ("柳塘區山腳段7地號", "月河縣"),
            ("東區青嵐段7地號", "月河市"),
            ("無此區獨有段7地號", None),
            ("獨有段7地號", "月河縣"),
            ("東港區公馆段7地號", "月河縣"),
            ("柳塘區新台前段7地號", "月河縣"),
        ],
    )
    def test_none_rather_than_any(self, written, city):
        assert section_code(written, city) is None

    def test_a_list_with_names_of_places(self):
        table = pd.DataFrame(
            {
                "section_name": ["青嵐段", "青嵐段"],
                "section_code": ["1", "2"],
                "place": ["月河縣柳塘鄉", "東港鄉"],
            }
        )
        assert section_code("柳塘鄉青嵐段7", table=table) == "1"
        assert section_code("東港鄉青嵐段7", table=table) == "2"
        assert section_code("青嵐段7", table=table) is None

    def test_an_office_stands_for_a_place_without_a_name(self):
        table = pd.DataFrame(
            {
                "section_name": ["青嵐段", "青嵐段"],
                "section_code": ["1", "2"],
                "place": ["X_X01", "X_X02"],
                "office": ["柳塘", "東港"],
            }
        )
        assert section_code("柳塘鄉青嵐段7", table=table) == "1"

    def test_cities_that_repeat(self):
        lands_ = parse_land_numbers(text("青嵐段7"))
        with pytest.raises(ValueError, match="repeat"):
            match_sections(lands_, REFERENCE, pd.Series(["月河縣", "月河縣"], index=[0, 0]))

    def test_the_order_of_the_list_does_not_matter(self):
        table = parse_land_numbers(text("柳塘區青嵐段7", "東港區山脚段8", "青嵐段9"))
        there = match_sections(table, REFERENCE)
        back = match_sections(table, REFERENCE.iloc[::-1])
        pd.testing.assert_series_equal(there, back)


@settings(deadline=None, max_examples=5)
@given(
    st.sampled_from(
        ["段", "甲", "1", " ", "(", "、", "等", "N C", "青嵐段7、", "1-", "330299001002GB00001、"]
    )
)
def test_long_texts_take_no_longer_than_their_length(piece):
    started = time.perf_counter()
    parse_land_numbers(text(piece * 5000))
    read_parcel_text(text(piece * 5000))
    assert time.perf_counter() - started < 5


def test_notices_of_factories_on_farmland(shared_data: Path) -> None:
    folder = shared_data / "tw-parcel-text-dev"
    if not folder.is_dir():
        pytest.skip("the notices are not on this machine")
    cases, truth, sections = (
        pd.read_csv(folder / f"{name}.csv", dtype="str") for name in ("cases", "truth", "sections")
    )
    cases = cases.set_index("id")
    sections = sections.rename(columns={"city_town_key": "place", "office_town": "office"})
    table = parse_land_numbers(cases["parcel_text"])
    table["code"] = match_sections(table, sections, cases["city"]).fillna("?")
    read_ = table.groupby("row").agg(
        code=("code", lambda c: "|".join(sorted(set(c)))),
        number=("number", lambda n: "|".join(sorted(n))),
    )
    truth = truth.dropna(subset=["section_code", "land_numbers"]).set_index("id")
    expected = truth["land_numbers"].map(lambda n: "|".join(sorted(n.split("|"))))
    read_ = read_.reindex(truth.index)
    is_right = (read_["code"] == truth["section_code"]) & (read_["number"] == expected)
    assert is_right.mean() >= 0.95, cases.loc[truth.index[~is_right], "parcel_text"].tolist()
