"""American addresses in the abbreviations of the post."""

from __future__ import annotations

import re

_WORDS = {
    "NORTH": "N",
    "SOUTH": "S",
    "EAST": "E",
    "WEST": "W",
    "NORTHEAST": "NE",
    "NORTHWEST": "NW",
    "SOUTHEAST": "SE",
    "SOUTHWEST": "SW",
    "ALLEY": "ALY",
    "AVENUE": "AVE",
    "AV": "AVE",
    "BOULEVARD": "BLVD",
    "BRIDGE": "BRG",
    "CENTER": "CTR",
    "CIRCLE": "CIR",
    "COURT": "CT",
    "CRESCENT": "CRES",
    "DRIVE": "DR",
    "EXPRESSWAY": "EXPY",
    "EXTENSION": "EXT",
    "HEIGHTS": "HTS",
    "HIGHWAY": "HWY",
    "JUNCTION": "JCT",
    "LANE": "LN",
    "MOUNT": "MT",
    "PARKWAY": "PKWY",
    "PLACE": "PL",
    "PLAZA": "PLZ",
    "ROAD": "RD",
    "ROUTE": "RTE",
    "SQUARE": "SQ",
    "STREET": "ST",
    "STR": "ST",
    "TERRACE": "TER",
    "TURNPIKE": "TPKE",
}
_APOSTROPHE = re.compile("[.'`\u2018\u2019]")
_UNIT = re.compile(
    r"(?:(?<=[ ,;])(?:"
    r"(?:[0-9]+(?:ST|ND|RD|TH)|GROUND|FIRST|SECOND|THIRD|TOP|MAIN) (?:FLOOR|FLR|FL)\b"
    r"|(?:APARTMENT|APT|UNIT|SUITE|STE|FLOOR|FLR|FL|ROOM|RM|BUILDING|BLDG)"
    r"(?:(?=[0-9])| *#? *\b(?=[A-Z0-9]))"
    r"|(?:BASEMENT|BSMT|STOREFRONT|PENTHOUSE)\b"
    r")|(?<!^)#).*$"
)
_NOISE = re.compile(r"[^A-Z0-9/-]+")
_HYPHEN = re.compile(r"(?<=[A-Z0-9]) *- *(?=[A-Z0-9])")
_ZEROS = re.compile(r"(?<![A-Z0-9-])0+(?=[0-9])")
_ORDINAL = re.compile(r"\b([0-9]+)(?:ST|ND|RD|TH)\b")
_WORD = re.compile(r"[A-Z]+")
# Words that say a text names a street.
_STREET_TYPES = frozenset(_WORDS.values()) - {"N", "S", "E", "W", "NE", "NW", "SE", "SW", "MT"}


def us_key(address: str) -> str:
    """Bring one folded upper-case American address to its key.

    Shape:  one text in, one text out, perhaps empty.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: USPS Publication 28, appendices B and C.
    """
    text = _UNIT.sub("", _APOSTROPHE.sub("", address))
    text = _HYPHEN.sub("-", _NOISE.sub(" ", text))
    text = _ORDINAL.sub(r"\1", _ZEROS.sub("", text))
    text = _WORD.sub(lambda word: _WORDS.get(word[0], word[0]), text)
    return " ".join(text.split())


def us_unit(address: str) -> str:
    """Give the unit, floor or room that ``us_key`` takes off one address, as written.

    Shape:  one folded upper-case text in, one text out, empty where there is none.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: USPS Publication 28, appendix C2.
    """
    found = _UNIT.search(_APOSTROPHE.sub("", address))
    return found[0] if found else ""


def names_street(key: str) -> bool:
    """Tell whether a key holds a word such as ST or AVE.

    Shape:  one key of ``us_key`` in, one bool out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: USPS Publication 28, appendix C1.
    """
    return not _STREET_TYPES.isdisjoint(key.split())
