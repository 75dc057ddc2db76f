"""Text that another program read in a wrong encoding and saved: the way back, run by run.

Half characters at the ends of words are lost on the way, so that a line as a whole does not decode
again. What remains of a run of characters shows what was meant: bytes that are hanzi in UTF-8, one
after another, do not come about by chance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Misread", "misread_text"]

# In which UTF-8 is misread; "latin" is code page 1252 with what it lacks as ISO-8859-1 has it.
_WRONG = ("gb18030", "latin", "big5hkscs")
_SHOWN = {"gb18030": "GB18030", "latin": "CP1252", "big5hkscs": "Big5"}
_LATIN = {byte: chr(byte) for byte in range(0x80, 0x100)} | {
    byte: bytes([byte]).decode("cp1252")
    for byte in range(0x80, 0xA0)
    if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}
}
# both what code page 1252 and what ISO-8859-1 makes of a byte
_TO_BYTE = {chr(byte): byte for byte in range(0x80, 0x100)} | {
    text: byte for byte, text in _LATIN.items()
}
# Lost characters stand as these, within words too.
_LOST = str.maketrans("", "", "?\ufffd")
_HIGH = re.compile(r"[^\x00-\x7f]+")
_HANZI_UTF8 = re.compile(rb"(?:[\xe3-\xe9][\x80-\xbf]{2}|\xef[\xbc-\xbf][\x80-\xbf])+")
# Hanzi of everyday, and punctuation, of GB2312.
_HANZI_GBK = re.compile(rb"(?:[\xb0-\xd7][\xa1-\xfe]|[\xa1\xa3][\xa1-\xfe])+")
_COMMON_BIG5 = re.compile(rb"(?:[\xa1-\xc6][\x40-\x7e\xa1-\xfe])+")
# Of 270,000 runs of names, addresses and register entries none has on its way back three hanzi, in
# so much of its bytes, that are mostly common; three have rare ones.
_LEAST_HANZI = 3
_SHARE = 0.6
# A file is garbled where so many of the runs that are long enough are; two of them at least.
_RUNS, _RUNS_SHARE = 2, 0.05
_READ_CHARACTERS = 20


@dataclass(frozen=True)
class Misread:
    """How text was misread: as it reads now, what was meant, and in which encodings."""

    reading: str
    meant: str
    read_as: str
    written_in: str


def misread_text(texts: Iterable[str]) -> Misread | None:
    """Tell whether texts were read in a wrong encoding before they were saved.

    UTF-8 that was read as GB18030, Big5 or code page 1252, and GB18030 that was read as code page
    1252, are found, with half characters lost or replaced. ``reading`` and ``meant`` are those of the
    longest run, without ASCII, of at most 20 characters.

    Shape:  texts (a sample of a file or a column) in; what happened to them, or None.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 7 (file habits).
    """
    count, found = 0, []
    for text in dict.fromkeys(texts):
        for run in _HIGH.findall(text.translate(_LOST)):
            if len(run) > _LEAST_HANZI:
                count += 1
                way = _way_back(run)
                if way is not None:
                    found.append(way)
    if len(found) < max(_RUNS, _RUNS_SHARE * count):
        return None
    return max(found, key=lambda way: len(way.meant))


def _way_back(run: str) -> Misread | None:
    """What a run was meant to say, None where it says what it was meant to."""
    for wrong in _WRONG:
        raw = _bytes_of(run, wrong)
        if raw is None:
            continue
        meant = _matching(_HANZI_UTF8, raw)
        if len(meant) >= max(3 * _LEAST_HANZI, _SHARE * len(raw)):
            text = meant.decode("utf-8")
            if _is_common(text):
                return _misread(run, text, wrong, "UTF-8")
        meant = _matching(_HANZI_GBK, raw) if wrong == "latin" else b""
        if len(meant) >= max(2 * _LEAST_HANZI, _SHARE * len(raw)):
            return _misread(run, meant.decode("gb18030"), wrong, "GB18030")
    return None


def _bytes_of(run: str, wrong: str) -> bytes | None:
    """The bytes that a run was read from, None where it cannot have been."""
    if wrong == "latin":
        found = [_TO_BYTE[sign] for sign in run if sign in _TO_BYTE]
        return bytes(found) if len(found) == len(run) else None
    return run.encode(wrong, "ignore") or None


def _matching(pattern: re.Pattern[bytes], raw: bytes) -> bytes:
    return b"".join(pattern.findall(raw))


def _is_common(text: str) -> bool:
    """Whether most of what was meant is ordinary, in simplified or in traditional characters."""
    simplified = _matching(_HANZI_GBK, text.encode("gb2312", "ignore"))
    traditional = _matching(_COMMON_BIG5, text.encode("big5", "ignore"))
    return max(len(simplified), len(traditional)) >= 2 * _SHARE * len(text)


def _misread(run: str, meant: str, wrong: str, written_in: str) -> Misread:
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in run[:_READ_CHARACTERS])
    return Misread(plain, meant[:_READ_CHARACTERS], _SHOWN[wrong], written_in)
