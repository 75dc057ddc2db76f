"""Numbers by which a natural person is known: never shown, wherever they were typed."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "…"

# Identity card (18 characters, or 15 digits before 2013), mobile and fixed-line telephone.
_NUMBERS: Final = re.compile(
    r"""
    (?<![0-9A-Z])[1-8][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9X](?![0-9A-Z])
    | (?<![0-9A-Z])[1-8][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}(?![0-9A-Z])
    | (?<![0-9.])(?:\+?86[-\ ]?)?1[3-9][0-9](?:[-\ ]?[0-9]{4}){2}(?!\.?[0-9])
    | (?<![0-9.])0[0-9]{2,3}[-\ ][0-9]{7,8}(?!\.?[0-9])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FULL_WIDTH: Final = {0xFF10 + digit: 0x30 + digit for digit in range(10)} | {
    0xFF38: "X",
    0xFF58: "x",
}


def hide_person_numbers(text: str) -> str:
    """Replace identity and telephone numbers in a text by a mark.

    Full-width digits are seen as digits; what is not hidden stays as it was typed.

    Shape:  one text in; the same text out, with … in place of each number.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 5 (natural persons: personal data).
    """
    # one character for one: places in the two texts are the same
    plain = text.translate(_FULL_WIDTH)
    shown: list[str] = []
    end = 0
    for match in _NUMBERS.finditer(plain):
        shown += [text[end : match.start()], HIDDEN]
        end = match.end()
    return "".join([*shown, text[end:]])
