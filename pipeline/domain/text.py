"""Text as typed by people: one width, no invisible characters."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

# Control, format, zero-width, bidirectional and variation-selector characters.
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffb]"
)
_PLAIN = "[!-~]*"
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
    text = s.astype("str")
    # printable ASCII without spaces is folded already: most codes and figures are
    is_other = ~text.str.fullmatch(_PLAIN).fillna(value=True).astype(bool)
    if is_other.any():
        other = text[is_other].str.normalize("NFKC").str.replace(_INVISIBLE, "", regex=True)
        text = text.copy()
        text[is_other] = other.str.strip()
    return blank_to_na(text)


def blank_to_na(s: pd.Series) -> pd.Series:
    """Turn empty text into NA.

    Shape:  a text Series in; the same Series out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Style 5 (nothing is guessed; empty is missing).
    """
    return s.where(s != "")


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
