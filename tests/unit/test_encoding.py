"""Encodings: what is stated, what the bytes say, and what is refused rather than garbled."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.feeds import encoding as module
from pipeline.feeds.encoding import (
    Reading,
    check_texts,
    dbf_encoding,
    decode_column,
    shapefile_encoding,
    text_encoding,
)
from pipeline.feeds.plausibility import decode_value
from pipeline.feeds.xbase import read_dbf_header
from pipeline.messages import both

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
ADDRESSES = [
    "慈溪市浒山街道古塘村",
    "慈溪市宗汉街道马家路村",
    "慈溪市坎墩街道沈五村",
    "横河镇龙泉村",
]
OLD = ["新竹縣竹北市中華路", "臺灣省桃園縣中壢市", "苗栗縣頭份鎮尖山里", "高雄市前鎮區"]


def real(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not on this machine")
    return path


def dbf(
    path: Path,
    columns: dict[bytes, list[bytes]],
    *,
    width: int = 60,
    language: int = 0,
    cpg: str | None = None,
    deleted: tuple[int, ...] = (),
) -> Path:
    """Write a DBF byte by byte; values longer than the column are cut as programs cut them."""
    rows = list(zip(*columns.values(), strict=True))
    head = b"".join(
        name[:10].ljust(11, b"\0") + b"C" + bytes(4) + bytes([width, 0]) + bytes(14)
        for name in columns
    )
    body = b"".join(
        (b"*" if number in deleted else b" ") + b"".join(v[:width].ljust(width) for v in row)
        for number, row in enumerate(rows)
    )
    start = struct.pack("<4BIHH", 3, 125, 1, 1, len(rows), 33 + len(head), 1 + width * len(columns))
    path.write_bytes(
        start + bytes(17) + bytes([language]) + bytes(2) + head + b"\r" + body + b"\x1a"
    )
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    return path


def values(path: Path, texts: list[str], encoding: str, name: bytes = b"ZL", **how) -> Path:
    return dbf(path, {name: [text.encode(encoding) for text in texts]}, **how)


def refusal(call, *args, **kwargs) -> SourceError:
    with pytest.raises(SourceError) as caught:
        call(*args, **kwargs)
    for text in both(caught.value.code, caught.value.params):
        # there is a text for it, and everything in it was given
        assert text != caught.value.code
        assert "{" not in text
    return caught.value


def codes(reading: Reading) -> list[str]:
    for note in reading.notes:
        for code in (note.code, f"{note.code}.next_step"):
            for text in both(code, dict(note.params)):
                assert text != code
                assert "{" not in text
    return [note.code for note in reading.notes]


def outcome(path: Path, call=dbf_encoding) -> Reading | str:
    """The encodings of a table, or the code for which it is refused; its texts are there."""
    try:
        reading = call(path, "auto")
    except SourceError as error:
        return error.code if "{" not in "".join(both(error.code, error.params)) else "no text"
    codes(reading)
    return reading


# ---- What is stated and what is there ----------------------------------------------------------


@pytest.mark.parametrize(
    "cpg", [None, "UTF-8", "GBK", "936", "ISO-8859-1", "Big5", "OEM 936", "cp1252"]
)
@pytest.mark.parametrize("language", [0, 0x4D, 0x57, 0x78, 0x03])
@pytest.mark.parametrize(("texts", "written"), [
    (ADDRESSES, "gbk"), (ADDRESSES, "gb18030"), (ADDRESSES, "utf-8"), (OLD, "big5"), (OLD, "utf-8"), (OLD, "gbk"),
])  # fmt: skip
def test_text_that_says_enough_is_read_right_whatever_is_stated(
    tmp_path, texts, written, cpg, language
):
    path = values(tmp_path / "a.dbf", texts, written, cpg=cpg, language=language)
    right = {"gbk": "gb18030", "big5": "big5hkscs"}.get(written, written)
    reading = dbf_encoding(path, "auto")
    assert (reading.names, reading.values) == (right, right)
    stated = {"UTF-8": "utf-8", "GBK": "gb18030", "936": "gb18030", "OEM 936": "gb18030",
              "Big5": "big5hkscs", None: right}.get(cpg, cpg)  # fmt: skip
    by_byte = {0x4D: "gb18030", 0x78: "big5hkscs"}.get(language, right)
    wrong = (stated != right) + (by_byte != right)
    assert codes(reading) == ["encoding.contradiction"] * wrong


def test_a_contradiction_shows_both_readings(tmp_path):
    path = values(tmp_path / "a.dbf", ADDRESSES, "gbk", cpg="ISO-8859-1")
    (note,) = dbf_encoding(path, "auto").notes
    assert note.params["stated"] == "ISO8859-1"
    assert note.params["decided"] == "GB18030"
    assert note.params["reading_decided"] in ADDRESSES
    text = str(note.params["reading_decided"])
    assert note.params["reading_stated"] == text.encode("gbk").decode("latin-1")[:20]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("联通", "gbk"), ("安徽", "gbk"), ("高桥", "gbk"), ("农村宅基地", "gbk"),
        # C4A3 is a letter of Latvian in UTF-8, a word in GBK and in Big5
        ("模", "gbk"), ("繁體國語", "big5"),
    ],
)  # fmt: skip
def test_a_text_too_short_to_tell_is_refused_unless_somebody_says(tmp_path, text, written):
    path = values(tmp_path / "a.dbf", [text], written)
    error = refusal(dbf_encoding, path, "auto")
    assert error.code == "source.encoding_unclear"
    assert f": {text}" in str(error.params["readings"])
    right = "gb18030" if written == "gbk" else "big5hkscs"
    for how in ({"cpg": written}, {"language": 0x4D if written == "gbk" else 0x4F}):
        reading = dbf_encoding(values(path, [text], written, **how), "auto")
        assert reading == Reading(right, right)
    path = values(path, [text], written)
    assert dbf_encoding(path, written) == Reading(right, right)
    csv = tmp_path / "a.csv"
    csv.write_bytes(f"a,{text}\n".encode(written))
    assert refusal(text_encoding, csv, "auto").code == "source.encoding_unclear"
    assert text_encoding(csv, written) == Reading(right, right)


def test_a_heading_that_is_known_tells_the_encoding(tmp_path):
    path = dbf(tmp_path / "a.dbf", {"坐落".encode("gbk"): ["慈溪".encode("gbk")]})
    assert refusal(dbf_encoding, path, "auto").code == "source.encoding_unclear"
    reading = dbf_encoding(path, "auto", known={"坐落", "宗地代码"})
    assert reading == Reading("gb18030", "gb18030")
    # also one that is cut: 10 of 14 bytes
    path = dbf(path, {"不动产单元代".encode("gbk"): [b"1"]})
    assert dbf_encoding(path, "auto", known={"不动产单元代码"}).names == "gb18030"


@pytest.mark.parametrize(
    ("declared", "written", "decided"),
    [("utf-8", "gbk", "GB18030"), ("gbk", "utf-8", "UTF-8"), ("latin-1", "gbk", "GB18030")],
)
def test_bytes_that_contradict_the_contract_are_refused(tmp_path, declared, written, decided):
    path = values(tmp_path / "a.dbf", ADDRESSES, written)
    csv = tmp_path / "a.csv"
    csv.write_bytes("\n".join(ADDRESSES).encode(written))
    for call, file in ((dbf_encoding, path), (text_encoding, csv)):
        error = refusal(call, file, declared)
        assert error.code == "source.encoding_declared"
        assert error.params["decided"] == decided
        assert error.params["reading_decided"] in ADDRESSES
        assert error.params["reading_stated"] not in ADDRESSES


@pytest.mark.parametrize("declared", ["klingon", "hex", "utf-16", "unicode_escape", "idna", ""])
def test_an_encoding_that_is_none_is_refused(tmp_path, declared):
    path = values(tmp_path / "a.dbf", ADDRESSES, "gbk")
    assert refusal(dbf_encoding, path, declared).code == "source.encoding_unknown"


def test_a_cpg_that_says_nothing_known_is_noted(tmp_path):
    path = values(tmp_path / "a.dbf", ADDRESSES, "gbk", cpg="System default")
    assert codes(dbf_encoding(path, "auto")) == ["encoding.unknown_cpg"]
    path = values(tmp_path / "a.dbf", ADDRESSES, "gbk", cpg="UTF-16")
    assert refusal(dbf_encoding, path, "auto").code == "source.encoding_unknown"
    path = values(tmp_path / "a.dbf", ADDRESSES, "gbk", cpg="LDID/77")
    assert dbf_encoding(path, "auto") == Reading("gb18030", "gb18030")


def test_plain_ascii_needs_no_statement(tmp_path):
    path = dbf(tmp_path / "a.dbf", {b"ZDDM": [b"330299001001GB00001"]}, cpg="ISO-8859-1")
    assert dbf_encoding(path, "auto") == Reading("utf-8", "utf-8")


# ---- Names and values --------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "two"), [("utf-8", "gbk"), ("gbk", "utf-8")])
@pytest.mark.parametrize("cpg", [None, "UTF-8", "GBK"])
def test_names_and_values_in_different_encodings_are_read_apart(tmp_path, one, two, cpg):
    names = ["图斑编号", "地类名称", "权属单位", "坐落单位"]
    columns = {name.encode(one): [t.encode(two) for t in ADDRESSES] for name in names}
    path = dbf(tmp_path / "a.dbf", columns, cpg=cpg)
    reading = dbf_encoding(path, "auto")
    codec = {"utf-8": "utf-8", "gbk": "gb18030"}
    assert (reading.names, reading.values) == (codec[one], codec[two])
    assert "encoding.names_differ" in codes(reading)
    table = read_dbf_header(path)
    shown = [decode_value(name, reading.names) for name in table.names]
    # three characters of UTF-8 and one byte of the next fit into ten bytes
    assert shown == [name[:3] if one == "utf-8" else name for name in names]
    assert len(table.names[0]) == (10 if one == "utf-8" else 8)


def test_a_stated_encoding_does_not_decide_values_that_names_contradict(tmp_path):
    names = ["图斑编号", "地类名称", "权属单位", "坐落单位"]
    columns = {name.encode("gbk"): ["安徽".encode("gbk")] for name in names}
    path = dbf(tmp_path / "a.dbf", columns, cpg="Big5")
    assert refusal(dbf_encoding, path, "auto").code == "source.encoding_unclear"


def test_a_name_of_no_encoding_is_refused(tmp_path):
    path = dbf(tmp_path / "a.dbf", {b"\xff\xfeA": [b"1"]})
    assert refusal(dbf_encoding, path, "auto").code == "source.encoding_names"


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "big5", "gb18030"])
def test_values_cut_by_the_width_of_their_column_lose_half_a_character(tmp_path, encoding):
    texts = OLD if encoding == "big5" else ADDRESSES
    for width in range(17, 24):
        cut = [(" " * (width % 2)) + text * 3 for text in texts]
        path = values(tmp_path / "a.dbf", cut, encoding, width=width)
        reading = dbf_encoding(path, "auto")
        raw = [text.encode(encoding)[:width] for text in cut]
        read = decode_column(raw, reading.values, file="a", field="ZL", first_row=1).to_pylist()
        assert read == [value.decode(encoding, "ignore") for value in raw]
        is_cut = any(len(t.encode(encoding)) != len(v) for t, v in zip(read, raw, strict=True))
        assert codes(reading) == ["encoding.cut"] * is_cut


def test_half_a_character_elsewhere_is_a_fault_with_its_place(tmp_path):
    raw = [text.encode("gbk") for text in ADDRESSES]
    raw[2] = raw[2][:-1]
    path = dbf(tmp_path / "a.dbf", {b"X": [b"1"] * 4, b"ZL": raw})
    error = refusal(dbf_encoding, path, "auto")
    assert error.code == "source.encoding"
    assert (error.params["row"], error.params["field"]) == (3, "ZL")
    csv = tmp_path / "a.csv"
    csv.write_bytes(b"x\n" + b"\n".join(raw))
    assert refusal(text_encoding, csv, "auto").params["row"] == 4


# ---- Two sources in one file -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two"),
    [("gbk", "utf-8"), ("utf-8", "gbk"), ("gbk", "big5"), ("big5", "gbk"), ("big5", "utf-8")],
)
@pytest.mark.parametrize("cpg", [None, "UTF-8", "GBK", "Big5"])
def test_rows_in_two_encodings_are_refused(tmp_path, one, two, cpg):
    texts = {"big5": OLD}
    raw = [text.encode(one) for text in texts.get(one, ADDRESSES)]
    raw += [text.encode(two) for text in texts.get(two, ADDRESSES)]
    error = refusal(dbf_encoding, dbf(tmp_path / "a.dbf", {b"ZL": raw}, cpg=cpg), "auto")
    assert error.code == "source.encoding_mixed"
    rows = {error.params["row_one"], error.params["row_other"]}
    assert len(rows & {1, 2, 3, 4}) == len(rows & {5, 6, 7, 8}) == 1
    csv = tmp_path / "a.csv"
    csv.write_bytes(b"\r\n".join(raw))
    assert refusal(text_encoding, csv, "auto").code == "source.encoding_mixed"


def test_short_names_of_two_sources_are_refused_as_well(tmp_path):
    new = [
        "古塘",
        "宗汉",
        "坎墩",
        "横河",
        "匡堰",
        "桥头",
        "龙山",
        "长河",
        "周巷",
        "天元",
        "崇寿",
        "新浦",
        "胜山",
        "逍林",
    ]
    old = [
        "竹北",
        "關西",
        "新埔",
        "竹東",
        "湖口",
        "橫山",
        "新豐",
        "芎林",
        "寶山",
        "北埔",
        "峨眉",
        "尖石",
        "五峰",
        "香山",
    ]
    raw = [text.encode("gbk") for text in new] + [text.encode("big5") for text in old]
    for cpg in (None, "GBK", "Big5"):
        path = dbf(tmp_path / "a.dbf", {b"ZL": raw}, cpg=cpg)
        assert refusal(dbf_encoding, path, "auto").code == "source.encoding_mixed"


@pytest.mark.parametrize("place", [0, 9_999, 19_999])
def test_one_row_among_many_is_found(tmp_path, place):
    raw = [f"慈溪市浒山街道古塘村{i}号".encode("gbk") for i in range(20_000)]
    path = dbf(tmp_path / "a.dbf", {b"ZL": raw})
    assert dbf_encoding(path, "auto").values == "gb18030"
    raw[place] = "慈溪市浒山街道".encode()
    error = refusal(dbf_encoding, dbf(path, {b"ZL": raw}), "auto")
    assert error.code in {"source.encoding_mixed", "source.encoding"}
    assert place + 1 in {error.params.get("row"), error.params.get("row_other")}
    csv = tmp_path / "a.csv"
    csv.write_bytes(b"\n".join(raw))
    error = refusal(text_encoding, csv, "auto")
    assert place + 1 in {error.params.get("row"), error.params.get("row_other")}


def test_no_value_of_a_hidden_column_is_shown(tmp_path):
    names = [text.encode("gbk") for text in ("张三丰", "欧阳修文", "诸葛孔明")]
    raw = [*names, "司马相如长卿先生".encode()]
    path = dbf(tmp_path / "a.dbf", {"权利人".encode("gbk"): raw})
    error = refusal(dbf_encoding, path, "auto", hidden={"权利人"})
    shown = " ".join(map(str, error.params.values()))
    assert not any(character in shown for character in "张三欧阳葛孔司马")
    csv = tmp_path / "a.csv"
    csv.write_bytes(b"\n".join([*names * 9, "張三豐,1".encode("big5")]))
    error = refusal(text_encoding, csv, "auto")
    assert "张三丰" not in " ".join(map(str, error.params.values()))


def test_text_that_was_destroyed_before_is_noted(tmp_path):
    for encoding, text in (("utf-8", "慈溪市\ufffd\ufffd"), ("gbk", "慈溪市锟斤拷锟斤拷")):
        path = values(tmp_path / "a.dbf", [*ADDRESSES, text], encoding)
        (note,) = dbf_encoding(path, "auto").notes
        assert note.code == "encoding.destroyed"
        assert note.params["row"] == 5


@pytest.mark.parametrize(
    ("meant", "read_as", "decided"),
    [
        ("utf-8", "gb18030", "UTF-8"), ("gbk", "latin-1", "GB18030"), ("big5", "latin-1", "Big5"),
    ],
)  # fmt: skip
def test_text_that_was_misread_and_saved_is_refused(tmp_path, meant, read_as, decided):
    texts = OLD if meant == "big5" else ADDRESSES
    garbled = [t.encode(meant).decode(read_as, "replace").replace("\ufffd", "?") for t in texts]
    path = values(tmp_path / "a.dbf", garbled, "utf-8", width=120)
    error = refusal(dbf_encoding, path, "auto")
    csv = tmp_path / "a.csv"
    csv.write_text("\n".join(garbled), encoding="utf-8-sig")
    assert error.code == refusal(text_encoding, csv, "auto").code == "source.garbled"
    assert error.params["decided"] == decided
    assert any(text.startswith(str(error.params["meant"])) for text in texts)


SITES = [
    f"慈溪市{place}{trade}有限公司{no},9133028200000{no:05d},慈溪市{place}街道{no}号,{trade}制造、销售"
    for no, (place, trade) in enumerate(
        ((p, t) for p in ("浒山", "宗汉", "坎墩", "横河", "逍林") for t in ("塑料制品", "轴承", "五金", "电器")), 1
    )
] * 5  # fmt: skip


@pytest.mark.parametrize("saved", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("lost", ["ignore", "replace", "?"])
@pytest.mark.parametrize(
    ("meant", "read_as"),
    [("utf-8", "gb18030"), ("utf-8", "gbk"), ("utf-8", "latin-1"), ("utf-8", "cp1252"), ("gbk", "cp1252")],
)  # fmt: skip
def test_table_that_was_misread_is_refused_whatever_was_lost(tmp_path, meant, read_as, lost, saved):
    raw = "\n".join(["名称,代码,地址,经营范围", *SITES]).encode(meant)
    text = raw.decode(read_as, "replace" if lost == "?" else lost)
    csv = tmp_path / "a.csv"
    csv.write_bytes((text.replace("\ufffd", "?") if lost == "?" else text).encode(saved))
    error = refusal(text_encoding, csv, "auto")
    assert error.code == "source.garbled"
    assert error.params["decided"] == ("UTF-8" if meant == "utf-8" else "GB18030")
    # most of what is shown as meant is in the table, and nothing of what is read
    assert sum(sign in "".join(SITES) for sign in error.params["meant"]) >= 5
    assert error.params["reading"][:4] not in "".join(SITES)


def test_misread_texts_of_other_formats_are_refused():
    garbled = [site.encode().decode("gb18030", "ignore") for site in SITES]
    assert refusal(check_texts, "a.gpkg", garbled).code == "source.garbled"
    assert refusal(check_texts, "a.gpkg", ["????有限公司"] * 9).code == "source.destroyed"
    check_texts("a.gpkg", [*SITES, "慈溪市\ufffd", "????"])
    check_texts("a.gpkg", [*FRENCH, *RUSSIAN, *OLD, "https://a.cn/?a=1", ""])


@pytest.mark.parametrize("mark", ["\ufffd\ufffd", "锟斤拷", "????", "????????"])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_destroyed_text_is_refused_and_a_slip_noted(tmp_path, mark, encoding):
    if encoding == "gb18030" and mark[0] == "\ufffd":
        pytest.skip("a program that writes GB18030 leaves no U+FFFD")
    csv = tmp_path / "a.csv"
    slip = [*SITES[:-1], SITES[-1].replace("慈溪", mark)]
    csv.write_text("\n".join(slip), encoding=encoding)
    reading = text_encoding(csv, "auto")
    assert codes(reading) == ["encoding.destroyed"]
    assert reading.notes[0].params["row"] == len(SITES)
    csv.write_text("\n".join(s.replace("慈溪", mark) for s in SITES), encoding=encoding)
    assert refusal(text_encoding, csv, "auto").code == "source.destroyed"


def test_table_of_question_marks_alone_is_refused(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_bytes("\n".join(SITES).encode("ascii", "replace"))
    assert refusal(text_encoding, csv, "auto").code == "source.destroyed"


@pytest.mark.parametrize(
    "parts",
    [
        ("cn-enterprises-cixi", "enterprises_utf8.csv"), ("cn-enterprises-cixi", "enterprises_gb18030.csv"),
        ("cn-industry-codes", "gbt4754_2017.csv"), ("tw-parcel-text-dev", "cases.csv"),
        ("tw-parcel-text-dev", "sections.csv"), ("tw-hsinchu-factories-townships", "factories.csv"),
        ("tw-hsinchu-factories-townships", "townships.geojson"), ("cn-address-labelled", "train.txt"),
        ("cn-admin-codes", "streets.csv"), ("ningbo-county-boundaries", "counties_gcj02.geojson"),
    ],
)  # fmt: skip
def test_real_text_is_not_taken_for_garbled(tmp_path, parts):
    path = real(*parts)
    text_encoding(path, "auto")
    lines = path.read_bytes().splitlines()
    for first in range(0, len(lines), max(100, len(lines) // 20)):
        part = tmp_path / "part.csv"
        part.write_bytes(b"\n".join(lines[first : first + 100]))
        # short pieces may be unclear, but are never taken for damaged
        assert outcome(part, text_encoding) not in {"source.garbled", "source.destroyed"}


def test_text_full_of_control_characters_is_refused(tmp_path):
    garbled = [text.encode().decode("latin-1") for text in ADDRESSES]
    path = values(tmp_path / "a.dbf", garbled, "utf-8", width=120)
    assert refusal(dbf_encoding, path, "auto").code in {"source.garbled", "source.encoding_unclear"}


# ---- Other languages ---------------------------------------------------------------------------

FRENCH = ["Orléans", "Évreux", "Châlons-sur-Saône", "Besançon", "où l'été naît", "Île-de-France"]
RUSSIAN = ["Москва", "Санкт-Петербург", "Нижний Новгород", "Екатеринбург"]


@pytest.mark.parametrize(
    ("texts", "written", "how", "right"),
    [
        (FRENCH, "latin-1", {"cpg": "ISO-8859-1"}, "iso8859-1"),
        (FRENCH, "latin-1", {"cpg": "ISO 88591"}, "iso8859-1"),
        (FRENCH, "cp1252", {"cpg": "ANSI 1252"}, "cp1252"),
        (FRENCH, "cp850", {"language": 0x02}, "cp850"),
        (FRENCH[:1], "latin-1", {"cpg": "ISO-8859-1"}, "iso8859-1"),
        (FRENCH, "utf-8", {"cpg": "ISO-8859-1"}, "utf-8"),
        (FRENCH, "utf-8", {"cpg": "UTF-8"}, "utf-8"),
        (FRENCH[:1], "utf-8", {"cpg": "UTF-8"}, "utf-8"),
        (FRENCH, "utf-8", {}, "utf-8"),
        (RUSSIAN, "cp1251", {"language": 0xC9}, "cp1251"),
        (RUSSIAN, "utf-8", {}, "utf-8"),
        (["東京都新宿区", "おおさか", "横浜市カタカナ"], "cp932", {"language": 0x7B}, "cp932"),
        (["서울특별시 종로구", "부산광역시"], "cp949", {"language": 0x79}, "cp949"),
        (["서울특별시 종로구", "부산광역시"], "cp949", {"cpg": "949"}, "cp949"),
        (["ภาษาไทย", "กรุงเทพมหานคร"], "cp874", {"cpg": "874"}, "cp874"),
        (["Αθήνα", "Θεσσαλονίκη", "Πάτρα"], "iso8859-7", {"cpg": "8859-7"}, "iso8859-7"),
    ],
)
def test_other_languages_are_read_where_they_are_stated(tmp_path, texts, written, how, right):
    path = values(tmp_path / "a.dbf", texts, written, **how)
    reading = dbf_encoding(path, "auto")
    raw = [text.encode(written) for text in texts]
    read = decode_column(raw, reading.values, file="a", field="f", first_row=1).to_pylist()
    assert read == texts
    assert reading.values == right
    one_byte = ["encoding.one_byte"] if right.startswith(("iso", "cp1", "cp87", "cp85")) else []
    contradicted = ["encoding.contradiction"] if written == "utf-8" and "ISO" in str(how) else []
    assert codes(reading) == one_byte + contradicted


@pytest.mark.parametrize(
    ("texts", "written"),
    [(FRENCH, "latin-1"), (RUSSIAN, "cp1251"), (["서울특별시", "부산"], "cp949")],
)
def test_other_languages_are_refused_where_nothing_is_stated(tmp_path, texts, written):
    path = values(tmp_path / "a.dbf", texts, written)
    assert refusal(dbf_encoding, path, "auto").code in {
        "source.encoding",
        "source.encoding_unclear",
    }


def test_what_reads_as_chinese_and_as_russian_is_refused(tmp_path):
    path = values(tmp_path / "a.dbf", ["МОСКВА"], "cp1251", cpg="1251")
    error = refusal(dbf_encoding, path, "auto")
    assert error.code == "source.encoding_unclear"
    assert "CP1251: МОСКВА" in str(error.params["readings"])
    assert dbf_encoding(path, "cp1251").values == "cp1251"


# ---- DBF as it comes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoding", "expected"),
    [
        ("anhui_counties/chinese_encoding.shp", "gb18030", "天长市"),
        ("tiny/ldid/chinese.shp", "gb18030", "简体"),
        ("tiny/cpg/big5.shp", "big5hkscs", None),
    ],
)
def test_real_files(name, encoding, expected):
    path = real("gbk-shapefiles", *name.split("/"))
    reading = shapefile_encoding(path, "auto")
    assert reading == Reading(encoding, encoding)
    table = read_dbf_header(path.with_suffix(".dbf"))
    found = {decode_value(v, encoding) for piece in table.texts() for v in piece.values}
    assert expected is None or expected in found


@pytest.mark.parametrize(
    ("name", "text"), [("gbk", "简体国语"), ("gb2312", "简体国语"), ("big5", "繁體國語")]
)
def test_real_tables_of_four_characters_are_asked_about(name, text):
    path = real("gbk-shapefiles", "tiny", f"{name}.dbf")
    error = refusal(dbf_encoding, path, "auto")
    assert error.code == "source.encoding_unclear"
    assert text in str(error.params["readings"])


def test_the_real_register_in_both_encodings():
    folder = real("cn-enterprises-cixi")
    assert text_encoding(folder / "enterprises_gb18030.csv", "auto") == Reading(
        "gb18030", "gb18030"
    )
    assert text_encoding(folder / "enterprises_utf8.csv", "auto").values in {"utf-8", "utf-8-sig"}


def test_every_hostile_file_is_read_or_refused_by_name():
    root = real("hostile-corpus")
    for path in sorted(root.rglob("*")):
        calls = {".dbf": dbf_encoding, ".csv": text_encoding, ".txt": text_encoding}
        call = calls.get(path.suffix.lower())
        if call is None:
            continue
        assert outcome(path, call) != "no text"


def test_deleted_records_and_what_stands_behind_a_nul_do_not_count(tmp_path):
    raw = [text.encode("gbk") for text in ADDRESSES]
    raw[1] = raw[1] + b"\0\xff\xfe\x81"
    raw[2] = b"\xff\xff\xff"
    path = dbf(tmp_path / "a.dbf", {b"ZL": raw}, deleted=(2,))
    assert dbf_encoding(path, "auto") == Reading("gb18030", "gb18030")
    raw[3] = b"\xff\xff\xff"
    error = refusal(dbf_encoding, dbf(path, {b"ZL": raw}, deleted=(2,)), "auto")
    # the third of those that are not deleted
    assert error.params["row"] == 3


def test_a_table_in_several_pieces_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.feeds.xbase._CHUNK_BYTES", 500)
    raw = [b"a"] * 100 + [text.encode("gbk") for text in ADDRESSES * 30] + [b"\xff\xff"]
    error = refusal(dbf_encoding, dbf(tmp_path / "a.dbf", {b"ZL": raw}), "auto")
    assert error.params["row"] == 221


def head(count=1, header=65, record=11, fields=((b"A", b"C", 10, 0),), body=b" " * 11) -> bytes:
    described = b"".join(
        name.ljust(11, b"\0") + kind + bytes(4) + bytes([length, high]) + bytes(14)
        for name, kind, length, high in fields
    )
    return (
        struct.pack("<4BIHH", 3, 1, 1, 1, count, header, record)
        + bytes(20)
        + described
        + b"\r"
        + body
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "dbf_header_cut"),
        (b"this is no such file", "dbf_header_cut"),
        (head()[:40], "dbf_header_cut"),
        (head(header=10), "dbf_header_cut"),
        (head(header=60_000), "dbf_header_cut"),
        (head(record=0), "dbf_record_size"),
        (head(record=5), "dbf_record_size"),
        (head(fields=((b"A", b"C", 200, 0),)), "dbf_record_size"),
        (head(count=4_000_000_000), "records"),
        (head(count=2), "records"),
        (head(body=b" " * 10), "records"),
        (head(fields=((b"A", b"\0", 10, 0),)), "dbf_field_kind"),
        (b"\x03" * 4000, "dbf_field_kind"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, content, problem):
    path = tmp_path / "a.dbf"
    path.write_bytes(content)
    error = refusal(read_dbf_header, path)
    assert error.params["file"] == "a.dbf"
    if problem == "records":
        assert error.code == "source.dbf_records"
    else:
        assert (error.code, error.params["problem"]) == ("source.dbf_header", problem)


def places(table) -> list[tuple[int, int]]:
    return [(field.offset, field.length) for field in table.fields]


def test_lengths_beyond_255_are_read_but_no_shapefile_may_have_them(tmp_path):
    path = tmp_path / "a.dbf"
    fields = ((b"A", b"C", 44, 1), (b"B", b"C", 5, 0))
    path.write_bytes(head(header=97, record=306, fields=fields, body=b" " * 306))
    assert places(read_dbf_header(path)) == [(1, 300), (301, 5)]
    error = refusal(shapefile_encoding, path.with_suffix(".shp"), "auto")
    assert error.params["problem"] == "dbf_long_field"
    # decimals that somebody wrote into a column of text make it no longer
    path.write_bytes(head(fields=((b"A", b"C", 10, 3),)))
    assert places(read_dbf_header(path)) == [(1, 10)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_makes_anything_but_a_refusal(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("dbf") / "a.dbf"
    dbf(path, {b"ZL": [t.encode("gbk") for t in ADDRESSES], b"X": [b"1"] * 4}, width=20)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert outcome(path) != "no text"
    shutil.rmtree(path.parent)


# ---- Text files --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("big5", "big5hkscs"),
        ("utf-16", "utf-16"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("chunk", [7, 64, 1 << 20])
def test_text_files_of_every_kind(tmp_path, monkeypatch, written, right, end, chunk):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(["地址,no" if written != "big5" else "地址", *OLD]).encode(written))
    assert text_encoding(path, "auto") == Reading(right, right)
    assert path.read_bytes().decode(right).split(end)[1:] == OLD


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,\0\n",
        "慈溪市,1\n".encode("utf-16-le"),
        b"PK\x03\x04" + bytes(range(256)),
        bytes(range(1, 32)) * 40,
        ("\ufeffa\0b").encode("utf-16-le"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert refusal(text_encoding, path, "auto").code == "source.not_text"


def test_a_mark_that_the_rest_contradicts_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(ADDRESSES).encode("gbk"))
    assert refusal(text_encoding, path, "auto").code == "source.encoding_declared"
    path.write_bytes("慈溪市".encode("utf-16")[:-1])
    assert refusal(text_encoding, path, "auto").code == "source.encoding"
    path.write_bytes(b"caf\x81")
    assert refusal(text_encoding, path, "cp1252").code in {
        "source.encoding",
        "source.encoding_unclear",
    }
    path.write_bytes(b"")
    assert text_encoding(path, "auto") == Reading("utf-8", "utf-8")


def test_a_line_without_an_end_is_no_text(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LINE_BYTES", 1000)
    path = tmp_path / "a.csv"
    path.write_bytes(b"a" * (3 << 20))
    assert refusal(text_encoding, path, "auto").code == "source.not_text"


# ---- Columns -----------------------------------------------------------------------------------


def test_a_column_is_decoded_exactly():
    raw = ["浒山".encode("gbk"), None, b"", b"A1", "浒山".encode("gbk")[:3], "㐂".encode("gb18030")]
    how = {"file": "a.dbf", "field": "ZL", "first_row": 11}
    expected = ["浒山", None, "", "A1", "浒", "㐂"]
    assert decode_column(raw, "gb18030", **how).to_pylist() == expected
    passed = pa.array([None if v is None else v.decode("latin-1") for v in raw])
    assert decode_column(passed, "gb18030", **how).to_pylist() == expected
    fixed = pa.array([b"\xb0\xa1  ", b"abcd"], pa.binary(4))
    assert decode_column(fixed, "gb18030", **how).to_pylist() == ["啊  ", "abcd"]
    error = refusal(decode_column, [*raw, b"\xff1", b"\xff1"], "gb18030", **how)
    assert error.params == {
        "file": "a.dbf", "row": 17, "field": "ZL", "bytes": "ff 31", "tried": "GB18030",
    }  # fmt: skip


# ---- Never wrong -------------------------------------------------------------------------------


def level_one(encoding: str, first: int, last: int, trails: range) -> str:
    """The common hanzi of an encoding, from its own table."""
    pairs = (bytes([a, b]) for a in range(first, last + 1) for b in trails)
    return "".join(pair.decode(encoding, "ignore") for pair in pairs)


SIMPLIFIED = level_one("gb2312", 0xB0, 0xD7, range(0xA1, 0xFF))
TRADITIONAL = level_one("big5", 0xA4, 0xC5, range(0xA1, 0xFF))
COMMON = {"gbk": SIMPLIFIED, "big5": TRADITIONAL, "utf-8": SIMPLIFIED + TRADITIONAL}


@pytest.mark.parametrize("written", sorted(COMMON))
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_common_chinese_is_recognised_or_called_unclear(tmp_path_factory, written, data):
    path = tmp_path_factory.mktemp("e") / "a.dbf"
    sentence = st.text(st.sampled_from(COMMON[written]), min_size=1, max_size=25)
    texts = data.draw(st.lists(sentence, min_size=1, max_size=3))
    reading = outcome(values(path, texts, written, width=120))
    if reading != "source.encoding_unclear":
        read = [decode_value(text.encode(written), reading.values) for text in texts]
        assert read == texts
    shutil.rmtree(path.parent)


@pytest.mark.parametrize("written", sorted(COMMON))
def test_forty_common_hanzi_are_enough(tmp_path, written):
    rng = np.random.default_rng(5)
    right = {"gbk": "gb18030", "big5": "big5hkscs"}.get(written, written)
    for _ in range(100):
        text = "".join(rng.choice(list(COMMON[written]), 40))
        path = values(tmp_path / "a.dbf", [text], written, width=120)
        assert dbf_encoding(path, "auto") == Reading(right, right)


def test_a_large_table_is_looked_at_in_little_time_and_memory(tmp_path):
    """Its columns of text are read once, and nothing but distinct values is decoded."""
    rng = np.random.default_rng(7)
    words = [
        f"慈溪市{name}村".encode("gbk")
        for name in ["古塘", "宗汉", "坎墩", "横河", "匡堰", "桥头", "龙山"]
    ]
    raw = [words[i] for i in rng.integers(0, len(words), 50_000)]
    path = dbf(tmp_path / "a.dbf", {b"ZL": raw})
    pieces = list(read_dbf_header(path).texts())
    assert sum(len(piece.values) for piece in pieces) == len(words)
    assert dbf_encoding(path, "auto").values == "gb18030"
