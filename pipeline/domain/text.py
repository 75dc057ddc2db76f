"""Text as typed by people: one width, no invisible characters."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# Control, format, zero-width, bidirectional and variation-selector characters.
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb]"
)
_SPACE, _DELETE = 0x20, 0x7F
SPACES = re.compile(r"\s+")
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"


def fold(s: pd.Series) -> pd.Series:
    """Bring text to one width, without invisible characters and outer spaces.

    Shape:  one text per row in; a text Series on the same index out, NA where nothing is left.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none; what is not text is read as its text.
    Source: docs: Unicode TR15 (NFKC); docs/sources.md, 4.1.
    """
    text = as_text(s)
    # printable ASCII without spaces is folded already: most codes and figures are
    if not is_plain(text):
        is_other = ~matches(text, "[!-~]*") & text.notna().to_numpy(dtype=bool)
        other = text[is_other].str.normalize("NFKC").str.replace(_INVISIBLE, "", regex=True)
        text = text.copy()
        text[is_other] = other.str.strip()
    return blank_to_na(text)


def as_text(s: pd.Series) -> pd.Series:
    """Bring a Series to the type of text, without a copy where it has it.

    Shape:  any Series in; a text Series on the same index out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    return s if isinstance(s.dtype, pd.StringDtype) else s.astype("str")


def as_arrow(s: pd.Series) -> pa.Array:
    """The texts of a Series as one Arrow array, without a copy where they are one.

    Shape:  a text Series in; n texts or nulls out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    array = pa.array(s, pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def as_floats(s: pd.Series) -> npt.NDArray[np.float64]:
    """Decimal texts as binary fractions, for judging sizes only; NaN where missing.

    Shape:  a text Series in; n numbers out.
    Units:  those of the texts.
    CRS:    none (no geometry).
    Errors: pyarrow.ArrowInvalid on a text that is no number (a caller's bug).
    Source: none.
    """
    numbers = pc.cast(as_arrow(s), pa.float64())
    return np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def bytes_of(s: pd.Series) -> npt.NDArray[np.uint8]:
    """The bytes of all texts one after the other: what none of them holds is told at once.

    Shape:  a text Series in; bytes of UTF-8 out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    array = as_arrow(s)
    _, offsets, data = array.buffers()
    if len(array) == 0 or data is None:
        return np.zeros(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]


def is_plain(s: pd.Series, *, upper: bool = False) -> bool:
    """Tell whether all texts are printable ASCII without spaces, and without lower case.

    Shape:  a text Series in; one bool out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    data = bytes_of(s)
    if len(data) and (data.min() <= _SPACE or data.max() >= _DELETE):
        return False
    return not upper or not ((data >= ord("a")) & (data <= ord("z"))).any()


def matches(s: pd.Series, pattern: str) -> npt.NDArray[np.bool_]:
    """Tell which texts are of a form as a whole; a missing text is of none.

    Shape:  a text Series in, and a regular expression of RE2; n booleans out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: pyarrow.ArrowInvalid on a pattern that is none (a caller's bug).
    Source: none.
    """
    found = pc.match_substring_regex(as_arrow(s), rf"\A(?:{pattern})\z")
    return np.array(
        pc.fill_null(found, fill_value=False).to_numpy(zero_copy_only=False), dtype=bool
    )


def blank_to_na(s: pd.Series) -> pd.Series:
    """Turn empty text into NA.

    Shape:  a text Series in; the same Series out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Style 5 (nothing is guessed; empty is missing).
    """
    blank = pc.fill_null(pc.equal(pc.binary_length(as_arrow(s)), 0), fill_value=False)
    if not pc.any(blank).as_py():
        return s
    return s.where(~blank.to_numpy(zero_copy_only=False))


def map_unique(s: pd.Series, function: Callable[[str], str | None]) -> pd.Series:
    """Apply a function of one text once per distinct value.

    Shape:  a text Series in; a text Series on the same index out, NA stays NA.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the function.
    Source: none; columns of deliveries repeat their values, so a call per value is cheap.
    """
    places, values = pd.factorize(s)
    # the place of a missing value is -1
    results = np.array([*map(function, values.tolist()), None], dtype=object)
    return pd.Series(results[places], s.index, dtype="str")
