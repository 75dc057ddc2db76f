"""In which encoding a delivered text was written: declared, or proved by reading all of it."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.feeds.discover import sidecar

# Language byte of a DBF. 0x57 and 0x03 mean "the code page of whoever wrote it": no statement.
_LDID = {
    0x4D: "gb18030",
    0x7A: "gb18030",
    0x4F: "big5hkscs",
    0x78: "big5hkscs",
    0x7B: "cp932",
    0x13: "cp932",
    0x4E: "cp949",
    0x79: "cp949",
}
_GB = {"936", "cp936", "gbk", "gb2312", "gb-2312", "ansi 936", "gb18030", "euc-cn"}
_BIG5 = {"950", "cp950", "big5", "big-5", "ansi 950", "big5-hkscs"}
# Every byte is a letter in these: that a text decodes says nothing.
_PROVES_NOTHING = {"iso8859-1", "cp1252", "iso8859-15", "cp437", "cp850"}
_CHUNK_RECORDS = 65_536


@dataclass(frozen=True)
class DbfTable:
    """Header of a DBF: names and texts as bytes, nothing decoded."""

    path: Path
    names: list[bytes]
    language: int
    record_count: int
    header_size: int
    record_size: int
    # offset and length in a record of each column of text
    text_columns: list[tuple[int, int]]

    def texts(self) -> Iterator[tuple[bytes, bool]]:
        """All bytes that are text, in pieces that end where a value ends.

        The flag says that the piece is one value that fills its field, so that its last character
        may be cut; elsewhere half a character must not find its other half in the next value.
        """
        for name in self.names:
            yield name, True
        with self.path.open("rb") as handle:
            handle.seek(self.header_size)
            while chunk := handle.read(self.record_size * _CHUNK_RECORDS):
                count = len(chunk) // self.record_size
                whole = np.frombuffer(chunk, np.uint8, count * self.record_size)
                records = whole.reshape(count, self.record_size)
                for offset, length in self.text_columns:
                    values = records[:, offset : offset + length]
                    is_full = values[:, -1:].ravel() > 0x7F
                    yield values[~is_full].tobytes(), False
                    for value in {full.tobytes() for full in values[is_full]}:
                        yield value, True


def decode_value(value: bytes, encoding: str) -> str:
    """Decode one value; half a character at its end, cut by the width of its field, is dropped.

    Shape:  bytes in, text out.
    Units:  none.
    CRS:    none.
    Errors: UnicodeDecodeError where another byte does not fit.
    Source: docs/sources.md, 7 (file habits): fields cut in the middle of a character.
    """
    return codecs.getincrementaldecoder(encoding)("strict").decode(value, final=False)


def read_dbf_header(path: Path) -> DbfTable:
    """Read the header of a DBF.

    Shape:  one file in; names and places of its columns out.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.unreadable) where the header is broken.
    Source: dBASE III file structure: 32 bytes of header, 32 per field, 0x0D.
    """
    with path.open("rb") as handle:
        head = handle.read(32)
        if len(head) < 32:
            raise SourceError("source.unreadable", file=path.name, reason="DBF header is cut")
        records, header_size, record_size = struct.unpack("<IHH", head[4:12])
        fields = handle.read(max(0, header_size - 32))
    names: list[bytes] = []
    text_columns: list[tuple[int, int]] = []
    offset = 1  # the first byte of a record says whether it is deleted
    for start in range(0, len(fields) - 31, 32):
        field = fields[start : start + 32]
        if field[0] == 0x0D:
            break
        names.append(field[:11].split(b"\0", 1)[0])
        if field[11:12] == b"C":
            text_columns.append((offset, field[16] + 256 * field[17]))
            offset += field[16] + 256 * field[17]
        else:
            offset += field[16]
    if record_size < 1:
        raise SourceError("source.unreadable", file=path.name, reason="DBF header is broken")
    return DbfTable(path, names, head[29], records, header_size, record_size, text_columns)


def shapefile_encoding(path: Path, declared: str) -> tuple[str, DbfTable | None]:
    """Tell the encoding of a shapefile's names and texts.

    ``declared`` is the contract's; with ``auto``: the .cpg file, the language byte, UTF-8,
    GB18030, the first in which all text of the table decodes without a fault. A .cpg of a
    one-byte code page proves nothing and is refused when the text is not plain ASCII.

    Shape:  the .shp file and the declared encoding in; encoding and table header out.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.encoding) where none fits.
    Source: docs/sources.md, 7 (file habits): GBK without .cpg, language byte often unset.
    """
    file = sidecar(path, ".dbf")
    if file is None:
        return "utf-8", None
    table = read_dbf_header(file)
    tried: list[str] = []
    if declared != "auto":
        tried = [_known(declared) or declared]
    else:
        cpg = sidecar(path, ".cpg")
        stated = _known(cpg.read_bytes()[:64].decode("ascii", "ignore")) if cpg else None
        candidates = [stated, _LDID.get(table.language), "utf-8", "gb18030"]
        tried = list(dict.fromkeys(name for name in candidates if name is not None))
    fitting = _first_fitting(table, tried)
    if fitting is None or (declared == "auto" and fitting in _PROVES_NOTHING):
        raise SourceError("source.encoding", file=path.name, tried=", ".join(tried))
    return fitting, table


def text_encoding(path: Path, declared: str) -> str:
    """Tell the encoding of a text file: byte-order mark, UTF-8, GB18030, or the declared one.

    Shape:  one file in; the name of one encoding out.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.encoding) where none fits.
    Source: docs/sources.md, 7 (file habits).
    """
    with path.open("rb") as handle:
        mark = handle.read(4)
    if declared != "auto":
        tried = [_known(declared) or declared]
    elif mark.startswith(codecs.BOM_UTF8):
        tried = ["utf-8-sig"]
    elif mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tried = ["utf-16"]
    else:
        tried = ["utf-8", "gb18030"]
    for name in tried:
        if _decodes_file(path, name):
            return name
    raise SourceError("source.encoding", file=path.name, tried=", ".join(tried))


def _known(name: str) -> str | None:
    """The codec that a .cpg file or a contract means, None where it names none."""
    text = name.strip().lower()
    if text in _GB:
        return "gb18030"
    if text in _BIG5:
        return "big5hkscs"
    if text in {"65001", "utf8", "utf-8"}:
        return "utf-8"
    if text.isdigit():
        text = f"cp{text}"
    try:
        return codecs.lookup(text).name
    except (LookupError, ValueError):
        return None


def _first_fitting(table: DbfTable, tried: list[str]) -> str | None:
    """The first encoding in which every text decodes; plain ASCII fits all."""
    fits = dict.fromkeys(tried, True)
    is_ascii = True
    for text, may_be_cut in table.texts():
        if text.isascii():
            continue
        is_ascii = False
        for name in tried:
            fits[name] = fits[name] and _decodes(text, name, may_be_cut=may_be_cut)
    if is_ascii:
        return "utf-8"
    return next((name for name in tried if fits[name]), None)


def _decodes(text: bytes, name: str, *, may_be_cut: bool) -> bool:
    try:
        if may_be_cut:
            decode_value(text, name)
        else:
            text.decode(name)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _decodes_file(path: Path, name: str) -> bool:
    try:
        with path.open(encoding=name, newline="") as handle:
            while handle.read(1 << 20):
                pass
    except (UnicodeError, LookupError):
        return False
    return True
