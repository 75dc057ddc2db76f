"""Directories of zip and OLE files, read without trusting what they declare."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import BinaryIO

ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_END = struct.Struct("<4s4H2IH")
_END_MARK = b"PK\x05\x06"
_END64_LOCATOR = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
# A directory larger than this is not opened to tell a kind; entries of files have 50 to 150 bytes.
_DIRECTORY_BYTES = 16 << 20
_START = 256
_UNICODE_PATH = 0x7075
_UTF8_FLAG = 0x800
_OLE_ENTRIES = 4_096
_OLE_SECTORS = 65_536
# What damaged and hostile archives make the library say; an unknown method is a RuntimeError.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    RuntimeError,
)


@dataclass(frozen=True)
class DirectorySize:
    """How large a zip says its directory is."""

    entries: int
    size: int


def directory_size(handle: BinaryIO) -> DirectorySize | None:
    """Read the end record of a zip, so that a huge directory is known before it is loaded.

    Shape:  an open file in; number of entries and bytes of the directory out, None where there
            is no end record.
    Units:  bytes.
    CRS:    none.
    Errors: OSError where the file cannot be read.
    Source: PKWARE APPNOTE 4.3.14 to 4.3.16 (end of central directory, zip64).
    """
    end = handle.seek(0, io.SEEK_END)
    start = max(0, end - _END.size - 65_535)
    handle.seek(start)
    tail = handle.read()
    place = tail.rfind(_END_MARK)
    if place < 0 or place + _END.size > len(tail):
        return None
    _, _, _, _, entries, size, _, _ = _END.unpack_from(tail, place)
    if entries == 0xFFFF or size == 0xFFFFFFFF:
        return _directory_size_64(handle, start + place) or DirectorySize(entries, size)
    return DirectorySize(entries, size)


def _directory_size_64(handle: BinaryIO, end_record: int) -> DirectorySize | None:
    if end_record < _END64_LOCATOR.size:
        return None
    handle.seek(end_record - _END64_LOCATOR.size)
    mark, _, offset, _ = _END64_LOCATOR.unpack(handle.read(_END64_LOCATOR.size))
    if mark != b"PK\x06\x07" or offset > end_record:
        return None
    handle.seek(offset)
    record = handle.read(_END64.size)
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        return None
    values = _END64.unpack(record)
    return DirectorySize(values[7], values[8])


def zip_names(handle: BinaryIO) -> list[str] | None:
    """The names in a zip, None where its directory is damaged or too large to be looked at.

    Shape:  an open file in; names as they are stored out.
    Units:  none.
    CRS:    none.
    Errors: OSError where the file cannot be read.
    Source: PKWARE APPNOTE 4.4.17.
    """
    size = directory_size(handle)
    if size is None or size.size > _DIRECTORY_BYTES:
        return None
    try:
        with zipfile.ZipFile(handle) as archive:
            return archive.namelist()
    except ZIP_ERRORS:
        return None


def zip_start(handle: BinaryIO, name: str) -> bytes:
    """The first bytes of an entry of a zip, none where it cannot be read.

    Shape:  an open file and a name as it is stored in; up to 256 bytes out.
    Units:  none.
    CRS:    none.
    Errors: OSError where the file cannot be read.
    Source: PKWARE APPNOTE.
    """
    try:
        with zipfile.ZipFile(handle) as archive, archive.open(name) as entry:
            return entry.read(_START)
    except (*ZIP_ERRORS, KeyError):
        return b""


def entry_name(info: zipfile.ZipInfo) -> str | None:
    """The name of an entry as its writer meant it, None where no encoding fits.

    Windows writes names in the code page of the machine and does not say so: bytes that are no
    UTF-8 are GBK. A Unicode path that an archiver added wins when its check sum fits.

    Shape:  an entry in; its name with forward slashes, or None, out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: PKWARE APPNOTE 4.4.4 (bit 11), 4.6.9 (Info-ZIP Unicode path).
    """
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")
    stated = _unicode_path(info.extra, raw)
    if stated is not None:
        return stated
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        body = extra[place + 4 : place + 4 + length]
        if kind == _UNICODE_PATH and len(body) > 5 and body[0] == 1:
            if struct.unpack_from("<I", body, 1)[0] != zlib.crc32(raw):
                return None
            try:
                return body[5:].decode("utf-8")
            except UnicodeDecodeError:
                return None
        place += 4 + length
    return None


def is_special(info: zipfile.ZipInfo) -> bool:
    """Whether an entry is a link, a device or a pipe.

    Shape:  an entry in; a bool out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: PKWARE APPNOTE 4.4.15; the upper half holds the mode of a Unix file.
    """
    mode = stat.S_IFMT(info.external_attr >> 16)
    return mode not in {0, stat.S_IFREG, stat.S_IFDIR}


def ole_streams(handle: BinaryIO) -> list[str]:
    """The names of the streams in an OLE compound file; what a damaged directory still tells.

    Shape:  an open file in; names out, at most 4,096.
    Units:  none.
    CRS:    none.
    Errors: OSError where the file cannot be read.
    Source: [MS-CFB] 2.2 (header), 2.3 (FAT), 2.6 (directory).
    """
    handle.seek(0)
    header = handle.read(512)
    if len(header) < 512:
        return []
    power = struct.unpack_from("<H", header, 30)[0]
    if power not in {9, 12}:
        return []
    sector = 1 << power
    table = _ole_fat(handle, header, sector)
    names: list[str] = []
    seen: set[int] = set()
    place = struct.unpack_from("<I", header, 48)[0]
    while place < 0xFFFFFFF0 and place not in seen and len(names) < _OLE_ENTRIES:
        seen.add(place)
        handle.seek((place + 1) * sector)
        body = handle.read(sector)
        for start in range(0, len(body) - 127, 128):
            length = struct.unpack_from("<H", body, start + 64)[0]
            if 2 <= length <= 64:
                name = body[start : start + length - 2].decode("utf-16-le", "replace")
                names.append(name)
        place = table[place] if place < len(table) else 0xFFFFFFFE
    return names


def _ole_fat(handle: BinaryIO, header: bytes, sector: int) -> list[int]:
    """The chain of sectors, from the sectors that the header itself lists."""
    table: list[int] = []
    for place in struct.unpack_from("<109I", header, 76):
        if place >= 0xFFFFFFF0 or len(table) > _OLE_SECTORS * 128:
            break
        handle.seek((place + 1) * sector)
        body = handle.read(sector)
        table.extend(struct.unpack(f"<{len(body) // 4}I", body[: len(body) // 4 * 4]))
    return table
