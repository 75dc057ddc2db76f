"""Parcel codes, credit codes, certificate numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc

from pipeline.domain.codes import (
    check_credit_code,
    clean_code,
    credit_check_digit,
    is_float_damaged,
    normalise_certificate,
    parse_parcel_code,
)

SHARED = Path(__file__).parents[2].parent / "shared"

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
numeric_prefix_bodies = st.tuples(
    st.sampled_from("123456789"),
    st.text("0123456789", min_size=7, max_size=7),
    st.text(ALPHABET, min_size=9, max_size=9),
).map("".join)
letter_prefix_bodies = st.tuples(
    st.sampled_from("ANY"),
    st.sampled_from("123"),
    st.text("0123456789", min_size=6, max_size=6),
    st.text(ALPHABET, min_size=9, max_size=9),
).map("".join)
bodies = st.one_of(numeric_prefix_bodies, letter_prefix_bodies)

parcel_codes = st.from_regex(
    r"[1-9][0-9]{11}(?:[GZ][BSXCDEFHGWY]|J[ABSXCDEFHGWY])[0-9]{4}[1-9]", fullmatch=True
)
fixtures = st.from_regex(r"(?:W00000000|[FLQ][0-9]{8})?", fullmatch=True)

FULL_WIDTH = str.maketrans(
    {chr(c): chr(c + 0xFEE0) for c in [*range(0x30, 0x3A), *range(0x41, 0x5B)]}
)


def text(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def one(frame: pd.DataFrame) -> dict[str, str | None]:
    assert len(frame) == 1
    row = frame.iloc[0]
    return {name: None if pd.isna(row[name]) else row[name] for name in frame.columns}


class TestCleanCode:
    @pytest.mark.parametrize(
        ("typed", "cleaned"),
        [
            ("３３０２８２　001002 gb00034", "330282001002GB00034"),
            ("\ufeff330282\u200b001002\u00a0GB00034\n", "330282001002GB00034"),
            ("33O282I", "33O282I"),
            ("330282-001", "330282-001"),
        ],
    )
    def test_drops_only_what_typing_adds(self, typed: str, cleaned: str) -> None:
        assert clean_code(text(typed)).tolist() == [cleaned]

    def test_hyphens_go_on_request(self) -> None:
        assert clean_code(text("91-33－02\u201382"), drop_hyphens=True).tolist() == ["91330282"]

    @pytest.mark.parametrize("nothing", ["", "  ", "\u200b", "\u3000\t", None, pd.NA, float("nan")])
    def test_empty_is_missing(self, nothing: object) -> None:
        assert clean_code(pd.Series([nothing], dtype=object)).isna().all()


class TestParcelCode:
    def test_unit_code_of_the_standard_is_cut_after_its_parcel(self) -> None:
        assert one(parse_parcel_code(text("320684413219GB00029F00010002"))) == {
            "parcel_code": "320684413219GB00029",
            "unit_code": "320684413219GB00029F00010002",
            "problem": None,
            "proposal": None,
        }

    @settings(deadline=None)
    @given(parcel_codes, fixtures)
    def test_every_code_of_the_standard_is_read(self, parcel: str, fixture: str) -> None:
        typed = (parcel + fixture).lower().translate(FULL_WIDTH)
        found = one(parse_parcel_code(text(f" {typed[:6]} {typed[6:12]}\u3000{typed[12:]} ")))
        assert found["problem"] is None
        assert found["parcel_code"] == parcel
        assert found["unit_code"] == (parcel + fixture if fixture else None)

    @settings(deadline=None)
    @given(parcel_codes, st.integers(0, 18))
    def test_a_letter_o_is_proposed_and_never_applied(self, parcel: str, place: int) -> None:
        letter = {"0": "O", "1": "I"}.get(parcel[place])
        if letter is None:
            return
        found = one(parse_parcel_code(text(parcel[:place] + letter + parcel[place + 1 :])))
        assert found == {
            "parcel_code": None,
            "unit_code": None,
            "problem": "letter_o_for_zero",
            "proposal": parcel,
        }

    @pytest.mark.parametrize(
        ("typed", "problem", "proposal"),
        [
            (None, "missing", None),
            ("　", "missing", None),
            ("330282001002GB00000", "zero_sequence", None),
            ("330282001002GB00000W00000000", "zero_sequence", None),
            ("330282001002GA00001", "ownership_mismatch", None),
            ("330282001002ZA00001", "ownership_mismatch", None),
            ("030282001002GB00034", "bad_form", None),
            ("330282001002GB0034", "bad_form", None),
            ("330282001002KB00034", "bad_form", None),
            ("330282001002GZ00034", "bad_form", None),
            ("33O282001002GB0003X", "bad_form", None),
            ("33O282001002GBOOOOO", "bad_form", None),
            ("330282-001002-GB00034", "bad_form", None),
            ("330282001002GB00034W00000001", "bad_unit", "330282001002GB00034"),
            ("330282001002GB00034F0001", "bad_unit", "330282001002GB00034"),
            ("330282001002GB00034F00O1OOO2", "letter_o_for_zero", "330282001002GB00034F00010002"),
            ("330282001002GB00034\u0660", "bad_unit", "330282001002GB00034"),
        ],
    )
    def test_problems(self, typed: str | None, problem: str, proposal: str | None) -> None:
        found = one(parse_parcel_code(text(typed)))
        assert (found["problem"], found["proposal"]) == (problem, proposal)
        assert found["parcel_code"] is None
        assert found["unit_code"] is None

    def test_collective_land_may_be_owned(self) -> None:
        assert one(parse_parcel_code(text("330282001002JA00001")))["problem"] is None

    @pytest.mark.parametrize(
        ("scheme", "typed", "code", "problem"),
        [
            (r"[1-5][0-9]{9}", "3005130037", "3005130037", None),
            (r"[1-5][0-9]{9}", "30051300379", None, "bad_form"),
            (r"([0-9]{9}[A-Z]{2}[0-9]{4})(?:-[0-9]+)?", "13029o000aa0001-2", None, "bad_form"),
            (
                r"([0-9]{9}[A-Z]{2}[0-9]{4})(?:-[0-9]+)?",
                "130290000aa0001-2",
                "130290000AA0001",
                None,
            ),
            (r"A|AB", "AB", "AB", None),
            (r"A|(B)", "A", None, "bad_form"),
            (r"A+", None, None, "missing"),
        ],
    )
    def test_other_schemes(
        self, scheme: str, typed: str | None, code: str | None, problem: str | None
    ) -> None:
        found = one(parse_parcel_code(text(typed), scheme))
        assert (found["parcel_code"], found["problem"]) == (code, problem)
        assert found["unit_code"] is None

    def test_a_broken_scheme_is_a_bug_of_the_caller(self) -> None:
        with pytest.raises(ValueError, match="scheme"):
            parse_parcel_code(text("1"), "(")


class TestCreditCode:
    @pytest.mark.parametrize(
        "typed",
        [
            "91110000600037341L",
            "91330282MA1AFA7WH0",
            "91330282ma1afa7wh0",
            "９１３３０２８２ＭＡ１ＡＦＡ７ＷＨ０",
            " 91330282-MA1AFA7W-H0 ",
            "91 3302 82MA1A FA7WH0\u200b",
        ],
    )
    def test_valid_however_typed(self, typed: str) -> None:
        found = one(check_credit_code(text(typed)))
        assert found["problem"] is None
        assert found["code"] in {"91110000600037341L", "91330282MA1AFA7WH0"}

    def test_a_remainder_of_zero_gives_the_check_digit_zero(self) -> None:
        assert credit_check_digit(text("91330282MA1AFA7WH")).tolist() == ["0"]

    @settings(deadline=None)
    @given(st.lists(numeric_prefix_bodies, min_size=1, max_size=20))
    def test_check_digit_agrees_with_python_stdnum(self, sample: list[str]) -> None:
        assert credit_check_digit(text(*sample)).tolist() == [
            uscc.calc_check_digit(body) for body in sample
        ]

    @settings(deadline=None)
    @given(numeric_prefix_bodies, st.sampled_from(ALPHABET))
    def test_verdict_agrees_with_python_stdnum(self, body: str, last: str) -> None:
        problem = one(check_credit_code(text(body + last)))["problem"]
        assert (problem is None) == uscc.is_valid(body + last)
        assert problem in {None, "bad_check_digit"}

    @settings(deadline=None)
    @given(bodies)
    def test_completed_codes_are_valid(self, body: str) -> None:
        code = body + credit_check_digit(text(body)).iloc[0]
        found = one(check_credit_code(text(code)))
        assert found == {"code": code, "problem": None, "proposal": None}

    @settings(deadline=None)
    @given(bodies, st.integers(0, 17))
    def test_any_changed_character_is_noticed(self, body: str, place: int) -> None:
        code = body + credit_check_digit(text(body)).iloc[0]
        others = sorted(set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") - {code[place]})
        found = check_credit_code(text(*(code[:place] + c + code[place + 1 :] for c in others)))
        assert found["problem"].notna().all()
        assert found["code"].isna().all()
        right = {"0": "O", "1": "I"}.get(code[place])
        lookalike = found["problem"] == "letter_o_for_zero"
        assert found["proposal"][lookalike].tolist() == ([code] if right else [])

    @pytest.mark.parametrize(
        ("typed", "problem", "proposal"),
        [
            (None, "missing", None),
            (" - ", "missing", None),
            ("9133028214469319", "bad_length", None),
            ("91330282144693192KK", "bad_length", None),
            ("91330282144693192L", "bad_check_digit", None),
            ("9133O282144693192K", "letter_o_for_zero", "91330282144693192K"),
            ("9133O282I44693192K", "letter_o_for_zero", "91330282144693192K"),
            ("9133O282144693192L", "bad_alphabet", None),
            ("9133028214469319SK", "bad_alphabet", None),
            ("91330282144693192\u041a", "bad_alphabet", None),
            ("9133A282144693192K", "bad_alphabet", None),
            ("000000000000000000", "bad_alphabet", None),
            ("９１３３０２８２慈溪市企业名称共十字", "bad_alphabet", None),
        ],
    )
    def test_problems(self, typed: str | None, problem: str, proposal: str | None) -> None:
        found = one(check_credit_code(text(typed)))
        assert found == {"code": None, "problem": problem, "proposal": proposal}

    @pytest.mark.parametrize(
        "body", [None, "", "9133028214469319", "91330282144693192K", "9133028214469319O"]
    )
    def test_no_check_digit_for_what_is_no_body(self, body: str | None) -> None:
        assert credit_check_digit(text(body)).isna().all()

    def test_real_register_of_cixi(self) -> None:
        path = SHARED / "data" / "cn-enterprises-cixi" / "enterprises_utf8.csv"
        if not path.exists():
            pytest.skip(f"needs the shared data set {path.parent.name}")
        codes = pd.read_csv(path, dtype=str)["统一社会信用代码"]
        found = check_credit_code(codes)
        assert (found["problem"].isna() == codes.map(uscc.is_valid)).all()


class TestAlignment:
    """Answers stand on the index of the question, whatever it is."""

    @pytest.mark.parametrize("function", [parse_parcel_code, check_credit_code])
    def test_frames(self, function) -> None:
        codes = pd.Series(["91110000600037341L", None, "330282001002GB00034"], index=[7, 7, 3])
        found = function(codes)
        assert found.index.tolist() == [7, 7, 3]
        back = function(codes.iloc[::-1]).iloc[::-1]
        pd.testing.assert_frame_equal(found, back)

    @pytest.mark.parametrize(
        "function",
        [clean_code, credit_check_digit, is_float_damaged, normalise_certificate],
    )
    def test_series(self, function) -> None:
        codes = pd.Series(
            ["91110000600037341", None, "浙(2019)慈溪市不动产权第1号"], index=[7, 7, 3]
        )
        found = function(codes)
        assert found.index.tolist() == [7, 7, 3]
        pd.testing.assert_series_equal(found, function(codes.iloc[::-1]).iloc[::-1])

    @pytest.mark.parametrize(
        "function",
        [
            clean_code,
            parse_parcel_code,
            check_credit_code,
            credit_check_digit,
            is_float_damaged,
            normalise_certificate,
        ],
    )
    @pytest.mark.parametrize("empty", [[], [None, None]])
    def test_nothing_in_nothing_out(self, function, empty: list[None]) -> None:
        found = function(pd.Series(empty, dtype=object))
        assert len(found) == len(empty)


@pytest.mark.parametrize(
    ("key", "damaged"),
    [
        ("913302821446931000", True),
        ("330282101201000000", True),
        ("3302821012010000000", True),
        ("9.13302821446931E+17", True),
        ("9.1330282144693e17", True),
        ("3005130037.0", True),
        ("９１３３０２８２１４４６９３１０００", True),
        ("913302821446931920", False),
        ("330282001002000123", False),
        ("330282100000000", False),
        ("91330282E123456789", False),
        ("330282001002GB00000", False),
        ("123.50", False),
        ("", False),
        (None, False),
    ],
)
def test_float_damage(key: str | None, damaged: bool) -> None:
    assert is_float_damaged(text(key)).tolist() == [damaged]


@settings(deadline=None)
@given(st.integers(10**17, 10**18 - 1).filter(lambda number: number % 1000))
def test_fifteen_digits_of_a_long_key_are_noticed(number: int) -> None:
    as_a_cell_shows_it = f"{number:.14E}"
    as_a_cell_holds_it = str(number // 1000 * 1000)
    assert is_float_damaged(text(as_a_cell_shows_it, as_a_cell_holds_it)).all()
    assert not is_float_damaged(text(str(number))).any()


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("浙（2019）慈溪市不动产权第0012345号", "2019|慈溪市|12345"),
        ("浙(2019)慈溪市不动产权第12345号", "2019|慈溪市|12345"),
        ("浙〔2019〕慈溪市 不动产权 第 0012345 号", "2019|慈溪市|12345"),
        ("浙【２０１９】慈溪市不动产权第００１２３４５号", "2019|慈溪市|12345"),
        ("浙2019慈溪市不动产权第0012345号", "2019|慈溪市|12345"),
        ("（2019）慈溪市不动产权证第0012345", "2019|慈溪市|12345"),
        ("甬（2016）宁波市 不动产权第 158545 号", "2016|宁波市|158545"),
        ("浙（2016）宁波市不动产权第00158545号", "2016|宁波市|158545"),
        ("浙（2017）宁波市（奉化）不动产权第0012号", "2017|宁波市奉化|12"),
        ("浙(2019)不动产权第0012号", "2019|浙|12"),
        ("慈国用(2008)第123号", "2008|慈国用|123"),
        ("慈国用〔2008〕字第000123号", "2008|慈国用|123"),
        ("慈集用(2008)第123号", "2008|慈集用|123"),
        ("慈国用(2008)第12-3号", "2008|慈国用|12-3"),
        ("慈国用20081234号", "|慈国用|20081234"),
        ("慈房权证浒山字第0123456号", "|慈房权证浒山|123456"),
        ("慈房权证(2012)浒山字第0123456号", "2012|慈房权证浒山|123456"),
        ("浙(2019)慈溪市不动产证明第0012345号", None),
        ("慈他项(2008)第123号", None),
        ("浙(2019)慈溪市不动产权第0012345号、0012346号", None),
        ("浙(2019)慈溪市不动产权第0000000号", None),
        ("00070093", None),
        ("不动产权证", None),
        ("未办证", None),
        ("", None),
        (None, None),
    ],
)
def test_certificate(typed: str | None, key: str | None) -> None:
    found = normalise_certificate(text(typed)).iloc[0]
    assert (None if pd.isna(found) else found) == key


def test_prose_in_the_certificate_column_costs_nothing() -> None:
    assert normalise_certificate(text("慈国用第房权证" * 5000)).isna().all()
