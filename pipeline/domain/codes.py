"""Codes that identify land and enterprises: parcel, unit, credit code, certificate number.

All functions take a Series of text and answer on the same index. A code is cleaned of what
typing leaves behind (width, spaces, case); a character that is wrong is never replaced, only
reported, with a proposal where exactly one repair would make the code valid.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.text import DASHES, SPACES, blank_to_na, fold, is_plain, map_unique, matches

CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)

_ANY_DASH = re.compile(f"[-{DASHES}]")
_LOOKALIKES = str.maketrans("OI", "01")

_PARCEL = r"[1-9][0-9]{11}[GJZ][ABSXCDEFGHWY][0-9]{5}"
_PARCEL_START = re.compile(f"({_PARCEL})(.*)")
_UNIT_FORM = "(?:W0{8}|[FLQ][0-9]{8})?"
_UNIT_TAIL = re.compile(_UNIT_FORM)
# Collective ownership (A) is of collective land (J) alone.
_RIGHT_CODE = rf"[1-9][0-9]{{11}}(?:J[ABSXCDEFGHWY]|[GZ][BSXCDEFGHWY])[0-9]{{5}}{_UNIT_FORM}"
_NO_SEQUENCE = "00000"

_CREDIT_CHARACTER = f"[{CREDIT_ALPHABET}]"
_CREDIT_BODY = f"{_CREDIT_CHARACTER}{{17}}"
# One authority, one type, six region digits, nine of organisation code, one check character.
_CREDIT = f"[{CREDIT_ALPHABET[1:]}]{_CREDIT_CHARACTER}[0-9]{{6}}{_CREDIT_CHARACTER}{{10}}"
_NOT_IN_ALPHABET = -1

_EXPONENT = re.compile(r"^[+-]?[0-9]+(?:\.[0-9]*)?E\+[0-9]+$|^[+-]?[0-9]\.[0-9]+E[0-9]+$")
_POINT_ZERO = re.compile(r"^[+-]?[0-9]+\.0+$")
# A spreadsheet cell keeps 15 digits of a number and writes zeros for the rest.
_ZEROS_AFTER_15 = re.compile(r"^[0-9]{15}0+$")

_BRACKETS = str.maketrans("〔〕[]【】{}<>〈〉《》", "()" * 7)
_NO_BRACKETS = str.maketrans("", "", "()")
_YEAR = r"\(?(?P<year>(?:19|20)[0-9]{2})年?(?:\)|(?![0-9]))"
_NUMBER = r"(?:证书?)?字?第?(?P<number>[0-9]+(?:-[0-9]+)*)号?等?"
_CERTIFICATE = re.compile(rf"(?P<issuer>[^0-9()]*){_YEAR}(?P<place>[^0-9]*?)不动产权{_NUMBER}")
_OLD_TITLE = re.compile(
    rf"(?P<kind>[^0-9()]*(?:国用|集用|集建|土用|房权证|房字|房产证|不动产权)[^0-9()]*?)"
    rf"(?:{_YEAR})?(?P<place>[^0-9]*?){_NUMBER}"
)
_INTERNAL = re.compile("NC[0-9A-F]{16}")
_CERTIFICATE_LONGEST = 80  # longer text is prose
# A notice of mortgage and a certificate of other rights name a title; they are none.
_NO_TITLE = re.compile("证明|他项|他证")


def clean_code(s: pd.Series, *, drop_hyphens: bool = False) -> pd.Series:
    """Clean a code of width, spaces, invisible characters and case.

    Hyphens are dropped only on request, as in credit codes, where they can only be typing.
    O and 0, I and 1 are never exchanged.

    Shape:  one code per row in; the cleaned text on the same index out, NA where empty.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 4.1 (parcel codes), default chosen.
    """
    text = fold(s)
    if not is_plain(text, upper=True):
        text = text.str.replace(SPACES, "", regex=True).str.upper()
    if drop_hyphens:
        text = text.str.replace(_ANY_DASH, "", regex=True)
    return blank_to_na(text)


def parse_parcel_code(s: pd.Series, scheme: str = "gbt37346") -> pd.DataFrame:
    """Read parcel codes, and the unit codes that contain them.

    ``scheme`` is ``gbt37346``, or a regular expression that must match the whole cleaned text;
    its first group, or the whole match where it has none, is the parcel code. A code of our own
    (``internal_code``) is a parcel code in every scheme.

    Problems: ``missing``; ``letter_o_for_zero`` (O or I stands where only 0 or 1 makes the code
    valid: see ``proposal``); ``zero_sequence`` (number 00000); ``ownership_mismatch`` (feature A,
    collective ownership, on land that is not collective); ``bad_unit`` (a good parcel code
    followed by a tail that is no unit number: the parcel code is proposed); ``bad_form``.

    Shape:  one text per row in; columns parcel_code, unit_code, problem, proposal on the same
            index out. The codes are set only where there is no problem; unit_code only where
            all 28 characters were given.
    Units:  none.
    CRS:    none (no geometry).
    Errors: ValueError where ``scheme`` is not a regular expression.
    Source: GB/T 37346-2019 (19 and 28 characters); the code has no check digit.
    """
    cleaned = clean_code(s)
    found = _parse_national(cleaned) if scheme == "gbt37346" else _parse_by_pattern(cleaned, scheme)
    is_own = cleaned.str.fullmatch(_INTERNAL).fillna(value=False).astype(bool)
    if is_own.any():
        found["parcel_code"] = found["parcel_code"].mask(is_own, cleaned)
        found["problem"] = found["problem"].mask(is_own)
        found["proposal"] = found["proposal"].mask(is_own)
    return found


def internal_code(content: bytes) -> str:
    """Make a code for land to which nobody gave one.

    It can be taken for no national code: it begins with NC, and its letters and digits say nothing.

    Shape:  what the land is known by (its old number, else its shape) in; 18 characters out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 4.1 (land without a code gets an internal id, never a national one).
    """
    return "NC" + hashlib.blake2b(content, digest_size=8).hexdigest().upper()


def _parse_national(cleaned: pd.Series) -> pd.DataFrame:
    """Read parcel codes by GB/T 37346."""
    is_right = matches(cleaned, _RIGHT_CODE) & (cleaned.str[14:19] != _NO_SEQUENCE).to_numpy(
        dtype=bool
    )
    problem = map_unique(cleaned.mask(is_right), _parcel_problem)
    repaired = map_unique(cleaned.where(problem.notna()), _lookalike_repair)
    problem = problem.mask(repaired.notna(), "letter_o_for_zero")
    problem = problem.mask(cleaned.isna(), "missing")
    good = cleaned.where(problem.isna())
    return pd.DataFrame(
        {
            "parcel_code": good.str[:19],
            "unit_code": good.where(good.str.len() == 28),
            "problem": problem,
            "proposal": repaired.where(problem != "bad_unit", cleaned.str[:19]),
        }
    )


def check_credit_code(s: pd.Series) -> pd.DataFrame:
    """Check unified social credit codes: length, alphabet, places of digits, check character.

    The first character may be a letter (village collectives N, military A, others Y). Problems:
    ``missing``, ``bad_length``, ``bad_alphabet`` (a character that may not stand at its place),
    ``letter_o_for_zero`` (valid once O is read as 0 and I as 1: see ``proposal``),
    ``bad_check_digit``.

    Shape:  one text per row in; columns code, problem, proposal on the same index out; code is
            the cleaned code and set only where there is no problem.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB 32100-2015.
    """
    cleaned = clean_code(s, drop_hyphens=True)
    repaired = cleaned.str.translate(_LOOKALIKES)
    repaired = repaired.where(repaired != cleaned)
    in_form = matches(cleaned, _CREDIT)
    problem = pd.Series(pd.NA, index=s.index, dtype="str")
    problem = problem.mask(in_form & ~_check_digit_holds(cleaned), "bad_check_digit")
    problem = problem.mask(~in_form, "bad_alphabet")
    problem = problem.mask(_check_digit_holds(repaired), "letter_o_for_zero")
    problem = problem.mask(cleaned.str.len() != 18, "bad_length")
    problem = problem.mask(cleaned.isna(), "missing")
    return pd.DataFrame(
        {
            "code": cleaned.where(problem.isna()),
            "problem": problem,
            "proposal": repaired.where(problem == "letter_o_for_zero"),
        }
    )


def credit_check_digit(bodies: pd.Series) -> pd.Series:
    """Compute the 18th character of credit codes from their first 17.

    Shape:  one 17-character body per row in; one character on the same index out, NA where the
            body is missing, of another length, or has a character outside the alphabet.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB 32100-2015: weights 3^i mod 31, C = (31 - sum mod 31) mod 31.
    """
    text = bodies.astype("str")
    result = pd.Series(pd.NA, index=bodies.index, dtype="str")
    known = matches(text, _CREDIT_BODY)
    if known.any():
        check = -(_credit_values(text[known], 17) @ np.array(CREDIT_WEIGHTS)) % 31
        result = pd.Series(
            _place(known, np.array(list(CREDIT_ALPHABET), dtype=object)[check]),
            index=bodies.index,
            dtype="str",
        )
    return result


def is_float_damaged(s: pd.Series) -> pd.Series:
    """Tell keys that went through a number and may have lost digits on the way.

    True for ``9.1330282E+17``, for a trailing ``.0``, and for 16 or more digits of which all
    after the 15th are zero, as a spreadsheet writes a long number. A survey location code may
    truly end in zeros (a whole township): there the caller keeps the part that is safe.

    Shape:  one text per row in; a bool Series on the same index out, False where missing.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7, default chosen.
    """
    cleaned = clean_code(s)
    damaged = (
        cleaned.str.contains("E+", regex=False)
        | cleaned.str.contains(_EXPONENT)
        | cleaned.str.contains(_POINT_ZERO)
        | cleaned.str.contains(_ZEROS_AFTER_15)
    )
    return damaged.astype(bool)


def normalise_certificate(s: pd.Series) -> pd.Series:
    """Turn a certificate number into the key ``year|place|number``.

    The short name before the year is dropped (浙 and 甬 stand for the same office) unless no
    place follows; the number loses leading zeros. Titles of the old kind keep their kind word
    in the place, and an empty year where they have none. NA: no title (不动产证明, 他项权证), no
    recognisable number, a number alone without its place, several numbers in one cell.

    Shape:  one text per row in; one key on the same index out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: form 省简称（年份）市县不动产权第NNNNNNN号 and its variants; a secondary key only.
    """
    text = fold(s).str.replace(SPACES, "", regex=True).str.translate(_BRACKETS)
    return map_unique(text.str.replace(_ANY_DASH, "-", regex=True), _certificate_key)


def _parcel_problem(code: str) -> str | None:
    """Return what is wrong with one cleaned code, None where it is right."""
    match = _PARCEL_START.fullmatch(code)
    if match is None:
        return "bad_form"
    parcel, tail = match.groups()
    if parcel.endswith(_NO_SEQUENCE):
        return "zero_sequence"
    if parcel[13] == "A" and parcel[12] != "J":
        return "ownership_mismatch"
    if _UNIT_TAIL.fullmatch(tail) is None:
        return "bad_unit"
    return None


def _lookalike_repair(code: str) -> str | None:
    """Return a wrong code with O as 0 and I as 1 where this makes it valid."""
    repaired = code.translate(_LOOKALIKES)
    return repaired if _parcel_problem(repaired) is None else None


def _parse_by_pattern(cleaned: pd.Series, scheme: str) -> pd.DataFrame:
    """Read parcel codes of a scheme given as a regular expression."""
    try:
        pattern = re.compile(scheme)
    except re.error as error:
        raise ValueError(f"parcel code scheme is no regular expression: {scheme!r}") from error
    group = 1 if pattern.groups else 0

    def read(code: str) -> str | None:
        match = pattern.fullmatch(code)
        return None if match is None else match.group(group)

    parcel_code = blank_to_na(map_unique(cleaned, read))
    problem = pd.Series(pd.NA, index=cleaned.index, dtype="str")
    problem = problem.mask(parcel_code.isna(), "bad_form").mask(cleaned.isna(), "missing")
    nothing = pd.Series(pd.NA, index=cleaned.index, dtype="str")
    return pd.DataFrame(
        {
            "parcel_code": parcel_code,
            "unit_code": nothing,
            "problem": problem,
            "proposal": nothing,
        }
    )


def _check_digit_holds(codes: pd.Series) -> pd.Series:
    """Tell which texts have the form of a credit code and the right last character."""
    in_form = codes.where(matches(codes, _CREDIT))
    return (credit_check_digit(in_form.str[:17]) == in_form.str[17:]).astype(bool)


def _credit_values(texts: pd.Series, length: int) -> npt.NDArray[np.int64]:
    """Return the value of each character as a matrix, one row per text of the given length."""
    values = np.full(256, _NOT_IN_ALPHABET, dtype=np.int64)
    values[np.frombuffer(CREDIT_ALPHABET.encode(), dtype=np.uint8)] = np.arange(31)
    characters = np.frombuffer("".join(texts.tolist()).encode(), dtype=np.uint8)
    return values[characters].reshape(-1, length)


def _place(known: npt.NDArray[np.bool_], found: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Put the found values where they are known, None elsewhere."""
    result = np.full(len(known), None, dtype=object)
    result[known] = found
    return result


def _certificate_key(text: str) -> str | None:
    """Return the key of one cleaned certificate text, None where it is no title."""
    if len(text) > _CERTIFICATE_LONGEST or _NO_TITLE.search(text):
        return None
    match = _CERTIFICATE.fullmatch(text)
    if match is not None:
        place = match["place"] or match["issuer"]
    else:
        match = _OLD_TITLE.fullmatch(text)
        if match is None:
            return None
        place = match["kind"] + match["place"]
    number = match["number"].lstrip("0")
    if not number:
        return None
    return f"{match['year'] or ''}|{place.translate(_NO_BRACKETS)}|{number}"
