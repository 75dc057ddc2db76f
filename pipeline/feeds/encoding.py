"""In which encoding a delivered text was written: what is stated, held against all of its bytes.

A statement (.cpg, language byte, contract) is believed where the bytes allow it. Where they clearly say
another encoding, that one is taken and both readings are told; a contract that is contradicted, rows
in two encodings, and texts too short to tell are refused with the readings.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.feeds.discover import sidecar
from pipeline.feeds.misread import Misread, misread_text
from pipeline.feeds.opened import Note
from pipeline.feeds.plausibility import (
    DECIDABLE,
    Evidence,
    Found,
    decode_value,
    decodes,
    is_one_byte,
    reads_in_one_byte,
)
from pipeline.feeds.xbase import DbfField, DbfTable, read_dbf_header, wrong_header

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
    0x01: "cp437",
    0x02: "cp850",
    0x26: "cp866",
    0x65: "cp866",
    0x50: "cp874",
    0x7C: "cp874",
    0x58: "cp1252",
    0x59: "cp1252",
    0xC8: "cp1250",
    0xC9: "cp1251",
    0xCA: "cp1254",
    0xCB: "cp1253",
    0xCC: "cp1257",
}
_SAME = {
    "gb18030": ("936", "cp936", "gbk", "gb2312", "gb18030", "gb180302000", "euccn", "x936"),
    "big5hkscs": ("950", "cp950", "big5", "big5hkscs", "950hkscs", "big5tw"),
    "utf-8": ("65001", "cp65001", "utf8"),
    "utf-8-sig": ("utf8sig", "utf8bom"),
    "cp932": ("932", "cp932", "sjis", "shiftjis", "windows31j"),
    "cp949": ("949", "cp949", "euckr", "uhc"),
}
_UTF16 = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
_SHOWN = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "gb18030": "GB18030",
    "big5hkscs": "Big5",
    "cp932": "CP932",
    "cp949": "CP949",
}
_NAME_BYTES = 10
_CHUNK = 1 << 20
# A line longer than this is none.
_LINE_BYTES = 1 << 24
_SAMPLE_CHARACTERS = 20
# In a text file columns are not known yet.
_NO_FIELD = "-"
_LONGEST_NAME = 4
# What lost characters have become. Of the values looked at, three at least and this share of them are
# more than slips; runs of question marks may also stand for something unknown.
_DESTROYED = re.compile("\ufffd|锟斤拷")
_QUESTIONS = re.compile(r"\?{4}")
_DESTROYED_LEAST, _DESTROYED_SHARE, _QUESTIONS_SHARE = 3, 0.05, 0.5
_NON_ASCII = re.compile(r"[^\x00-\x7f](?:[^\x00-\x7f]| (?=[^\x00-\x7f]))*")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_BINARY_SHARE = 0.01


@dataclass(frozen=True)
class Reading:
    """In which encodings the names of columns and the values are, and what is to be told of it."""

    names: str
    values: str
    notes: tuple[Note, ...] = ()


@dataclass
class _Case:
    """What is known of one file: what is stated, by whom, and what its bytes say."""

    file: str
    # who says it, and the codec meant
    stated: list[tuple[str, str]]
    is_declared: bool
    names: Evidence
    values: Evidence
    notes: list[Note] = field(default_factory=list)
    # the encoding in which names are headings that are known
    known: str | None = None
    # rows of a text file, how many of them have runs of question marks, and the first of these
    rows: int = 0
    questions: int = 0
    first_question: int = 0

    @property
    def codecs(self) -> list[str]:
        return [name for _, name in self.stated]


def decode_column(
    column: pa.Array | Sequence[bytes | None],
    encoding: str,
    *,
    file: str,
    field: str,
    first_row: int,
) -> pa.Array:
    """Decode a column of raw values, each distinct one once.

    Shape:  bytes, or text in which every byte is one character (GDAL's ISO-8859-1), in; as many
            texts out. ``first_row`` is the number of the first one, for the message.
    Units:  none.
    CRS:    none.
    Errors: SourceError (source.encoding) for the first value that does not decode.
    Source: docs/sources.md, Measured (raw bytes, one decoding per distinct text).
    """
    raw = column if isinstance(column, pa.Array) else pa.array(column, pa.binary())
    coded = raw.dictionary_encode()
    texts: list[str | None] = []
    for place, value in enumerate(coded.dictionary.to_pylist()):
        if value is None or (isinstance(value, str) and value.isascii()):
            texts.append(value)
            continue
        found = value.encode("latin-1") if isinstance(value, str) else value
        try:
            texts.append(decode_value(found, encoding))
        except UnicodeDecodeError as error:
            row = first_row + int(np.argmax(coded.indices.fill_null(-1).to_numpy() == place))
            raise undecodable(file, Found(found, row, field), [encoding]) from error
    return pa.DictionaryArray.from_arrays(
        coded.indices, pa.array(texts, pa.string())
    ).dictionary_decode()


def shapefile_encoding(
    path: Path, declared: str, *, known: Collection[str] = (), hidden: Collection[str] = ()
) -> Reading:
    """Tell the encodings of a shapefile's names and texts.

    Shape:  as ``dbf_encoding``, of the table beside the .shp file.
    Units:  none.
    CRS:    none.
    Errors: as ``dbf_encoding``.
    Source: docs/sources.md, 7 (file habits): GBK without .cpg, language byte often unset.
    """
    file = sidecar(path, ".dbf")
    if file is None:
        return Reading("utf-8", "utf-8")
    if read_dbf_header(file).has_long_fields:
        # the program that reads it takes the upper byte of a length for decimals
        raise wrong_header(file, "dbf_long_field")
    return dbf_encoding(file, declared, known=known, hidden=hidden)


def dbf_encoding(
    path: Path, declared: str, *, known: Collection[str] = (), hidden: Collection[str] = ()
) -> Reading:
    """Tell the encodings of a DBF's names and texts, each from all of its bytes.

    ``declared`` is the contract's encoding, or ``auto``: then the .cpg file beside it and its language
    byte state one. Names and texts may differ. A note says where a statement is contradicted.

    Shape:  the .dbf file, the contract's encoding, headings that the contract knows (a name that is one
            of them in one encoding is in that one), and headings whose values no message may show, in;
            a Reading out.
    Units:  none.
    CRS:    none.
    Errors: SourceError of ``read_dbf_header``; source.encoding, source.encoding_names where something
            decodes in no encoding; source.encoding_unclear where several read equally well;
            source.encoding_declared where the bytes clearly say another than the contract;
            source.encoding_mixed where rows are in different ones; source.garbled where the text was
            misread before it was saved again; source.destroyed where much of it is U+FFFD, 锟斤拷 or,
            in a text file, question marks; source.encoding_unknown.
    Source: docs/sources.md, 7 (file habits).
    """
    table = read_dbf_header(path)
    notes: list[Note] = []
    stated = _stated(path, table, declared, notes)
    several = [name for _, name in stated if not is_one_byte(name)]
    case = _Case(
        path.name,
        stated,
        declared != "auto",
        Evidence(several),
        Evidence(several),
        notes,
        _known_in(table.names, known),
    )
    labels = [_label(name, [*several, *DECIDABLE]) for name in table.names]
    full = np.array([len(name) >= _NAME_BYTES for name in table.names], dtype=bool)
    high = [i for i, name in enumerate(table.names) if not name.isascii()]
    case.names.add(
        [table.names[i] for i in high], lambda i: (0, labels[high[i]]), full[np.array(high, int)]
    )
    headings = {heading.casefold() for heading in hidden}
    for texts in table.texts():
        label = labels[table.fields.index(texts.field)]
        may_show = headings.isdisjoint(_names_of(texts.field))
        locate = _in_column(texts.row, label)
        case.values.add(texts.values, locate, texts.is_full, may_show=may_show)
    try:
        return _decide(case)
    except SourceError as error:
        if table.record_count or error.code != "source.encoding_unclear":
            raise
        raise SourceError("source.empty", file=path.name, layer=path.stem) from error


def text_encoding(path: Path, declared: str) -> Reading:
    """Tell the encoding of a text file from its byte-order mark, the contract, and all of its bytes.

    Shape:  one file in; a Reading out, whose names and values are the same; a mark makes it
            ``utf-8-sig`` or ``utf-16``.
    Units:  none.
    CRS:    none.
    Errors: SourceError as ``dbf_encoding``; source.not_text where the file holds no text.
    Source: docs/sources.md, 7 (file habits).
    """
    with path.open("rb") as handle:
        mark = handle.read(4)
    stated = [] if declared == "auto" else [("contract", _codec(declared))]
    if declared != "auto" and stated[0][1] is None:
        raise SourceError("source.encoding_unknown", file=path.name, encoding=declared)
    wanted = stated[0][1] if stated else None
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or wanted in _UTF16:
        return _utf16(path, wanted)
    has_mark = mark.startswith(codecs.BOM_UTF8)
    if has_mark and not stated:
        stated = [("BOM", "utf-8")]
    names = [(who, "utf-8" if name == "utf-8-sig" else name) for who, name in stated if name]
    several = [name for _, name in names if not is_one_byte(name)]
    case = _Case(path.name, names, declared != "auto", Evidence(several), Evidence(several))
    for first, lines in _lines(path):
        _count_questions(case, first, lines)
        high = [i for i, line in enumerate(lines) if not line.isascii()]
        case.values.add([lines[i] for i in high], _in_lines(first, high))
    reading = _decide(case)
    if has_mark and reading.values != "utf-8":
        raise _contradicted(case, "utf-8", reading.values)
    encoding = "utf-8-sig" if has_mark else reading.values
    if is_one_byte(encoding):
        # a page with gaps; the others were read through
        _check_whole(path, encoding)
    return Reading(encoding, encoding, reading.notes)


def check_texts(file: str, texts: Sequence[str]) -> None:
    """Refuse decoded text that was garbled or destroyed before it came here.

    For formats that leave no encoding to decide (workbooks, geodatabases, GeoPackage, GeoJSON): their
    text may have been misread all the same before it was put into them.

    Shape:  distinct texts in, a sample of those that a message may show; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.garbled, source.destroyed.
    Source: docs/sources.md, 7 (file habits).
    """
    misread = misread_text(texts)
    if misread is not None:
        raise _garbled(file, misread, misread)
    high = [text for text in texts if not text.isascii()]
    _refuse_destroyed(file, [_DESTROYED.search(text) is not None for text in high])
    questions = [_QUESTIONS.search(text) is not None for text in texts]
    _refuse_destroyed(file, questions, _QUESTIONS_SHARE)


def _refuse_destroyed(file: str, flags: Sequence[bool], share: float = _DESTROYED_SHARE) -> None:
    """Refuse a file of which more than some slips cannot be read any more."""
    count = sum(flags)
    if count >= max(_DESTROYED_LEAST, share * len(flags)):
        raise SourceError("source.destroyed", file=file, count=count, of=len(flags))


def _count_questions(case: _Case, first: int, lines: Sequence[bytes]) -> None:
    """Count lines with runs of question marks, which are ASCII and say nothing of an encoding."""
    hits = [i for i, line in enumerate(lines) if b"????" in line]
    if hits and not case.questions:
        case.first_question = first + hits[0]
    case.rows += sum(map(bool, lines))
    case.questions += len(hits)


def _in_column(row: Callable[[int], int], label: str) -> Callable[[int], tuple[int, str]]:
    """Where a value of a column stands."""
    return lambda place: (row(place), label)


def _in_lines(first: int, high: Sequence[int]) -> Callable[[int], tuple[int, str]]:
    """Where a line stands of which only those that are not ASCII are looked at."""
    return lambda place: (first + high[place], _NO_FIELD)


# ---- What is stated ----------------------------------------------------------------------------


def _stated(path: Path, table: DbfTable, declared: str, notes: list[Note]) -> list[tuple[str, str]]:
    """What is stated about a DBF, the strongest statement first."""
    if declared != "auto":
        name = _codec(declared)
        if name is None or name in _UTF16:
            raise SourceError("source.encoding_unknown", file=path.name, encoding=declared)
        return [("contract", "utf-8" if name == "utf-8-sig" else name)]
    stated: list[tuple[str, str]] = []
    cpg = sidecar(path, ".cpg")
    if cpg is not None:
        with cpg.open("rb") as handle:
            said = handle.read(64).decode("ascii", "ignore").strip("\0 \r\n\t")
        name = _codec(said)
        name = "utf-8" if name == "utf-8-sig" else name
        if name in _UTF16:
            # its NULs end a value for the program that reads it
            raise SourceError("source.encoding_unknown", file=path.name, encoding=said)
        if name is not None:
            stated.append((".cpg", name))
        elif said:
            notes.append(Note("encoding.unknown_cpg", {"said": said}))
    by_byte = _LDID.get(table.language)
    if by_byte is not None:
        stated.append((f"LDID 0x{table.language:02X}", by_byte))
    return stated


def _codec(name: str) -> str | None:
    """The codec that a .cpg file or a contract means, None where it names none that can be read."""
    said = name.strip().lower()
    if (ldid := re.fullmatch(r"ldid/(\d{1,3})", said)) is not None:
        return _LDID.get(int(ldid[1]))
    said = re.sub(r"^(ansi|oem|windows|ibm|ms|x|cp)[-_ ]*(?=\d{3,5}$)", "", said)
    plain = re.sub(r"[-_ ]", "", said)
    for codec, names in _SAME.items():
        if plain in names:
            return codec
    if (iso := re.fullmatch(r"(?:iso)?8859(\d{1,2})", plain)) is not None:
        said = f"iso8859-{iso[1]}"
    elif said.isdecimal():
        said = f"cp{said}"
    try:
        codec = codecs.lookup(said).name
    except (LookupError, ValueError):
        return None
    return codec if codec in _UTF16 or is_one_byte(codec) else None


# ---- What the bytes say ------------------------------------------------------------------------


def _decide(case: _Case) -> Reading:
    """The encodings of names and values, from all that is stated and seen."""
    names, values = case.names, case.values
    if names.is_ascii and values.is_ascii:
        _tell_questions(case)
        return Reading("utf-8", "utf-8", tuple(case.notes))
    by_values = None if values.is_ascii else _pick(case, values, case.codecs)
    hints = [
        *([case.known] if case.known else []),
        *([by_values] if by_values else []),
        *case.codecs,
    ]
    by_names = None if names.is_ascii else _pick(case, names, hints)
    if by_values is None and not values.is_ascii and by_names is not None:
        by_values = _pick(case, values, [by_names])
    if by_values is None and by_names is None and not names.is_ascii and not values.is_ascii:
        both = names.joined(values)
        by_values = by_names = _pick(case, both, case.codecs)
    for seen, decided in ((values, by_values), (names, by_names)):
        if decided is None and not seen.is_ascii:
            refusal = _refusal(case, seen)
            if refusal.code == "source.encoding_unclear":
                # garbled text is strange in each encoding; where one has no fault, that may be why
                valid = (name for name in DECIDABLE if seen.is_valid(name))
                _refuse_garbled(case, seen, next(valid, "-"))
            raise refusal
    chosen = Reading(by_names or by_values or "utf-8", by_values or by_names or "utf-8")
    _hold_against_each_other(case, chosen)
    _refuse_garbled(case, names, chosen.names)
    _refuse_garbled(case, values, chosen.values)
    _tell(case, chosen)
    return Reading(chosen.names, chosen.values, tuple(case.notes))


def _known_in(names: Sequence[bytes], known: Collection[str]) -> str | None:
    """The one encoding in which names that are not ASCII are known headings, whole or cut."""
    high = {name for name in names if not name.isascii()}
    fitting = [
        encoding
        for encoding in DECIDABLE
        if not high.isdisjoint(
            heading.encode(encoding, "ignore")[:_NAME_BYTES] for heading in known
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def _pick(case: _Case, seen: Evidence, hints: Sequence[str]) -> str | None:
    """The encoding of some texts: the first hint that the bytes allow, else the only one left."""
    several = [hint for hint in hints if not is_one_byte(hint)]
    near = seen.contenders(several)
    for hint in hints:
        if hint in near:
            return hint
        if (
            is_one_byte(hint)
            and reads_in_one_byte(seen.samples, hint)
            and (not near or case.is_declared)
        ):
            return hint
    return near[0] if len(near) == 1 and near[0] in DECIDABLE else None


def _hold_against_each_other(case: _Case, chosen: Reading) -> None:
    """Refuse a file whose rows are in two encodings, or whose contract its bytes contradict."""
    # in UTF-8 nothing else decodes
    if chosen.values in case.values.encodings and chosen.values != "utf-8":
        other = case.values.others(chosen.values, is_declared=case.is_declared)
        if other is not None:
            raise _mixed(case, chosen.values, *other)
    if case.is_declared:
        declared = case.codecs[0]
        decided = chosen.names if case.values.is_ascii else chosen.values
        if declared != decided:
            raise _contradicted(case, declared, decided)
    if case.names.is_ascii or case.values.is_ascii or chosen.names == chosen.values:
        return
    # names that clearly say another encoding leave no room for values that only a statement decides
    if len(case.values.contenders()) > 1 and chosen.names in case.values.contenders():
        raise _unclear(case, case.values)


def _refuse_garbled(case: _Case, seen: Evidence, encoding: str) -> None:
    """Refuse text that another program made of bytes which it read in a wrong encoding."""
    if seen.is_ascii or encoding not in DECIDABLE:
        return
    texts = [(value.decode(encoding, "ignore"), may_show) for value, may_show in seen.spread]
    misread = misread_text(text for text, _ in texts)
    if misread is not None:
        shown = misread_text(text for text, may_show in texts if may_show)
        raise _garbled(case.file, misread, shown)
    if encoding == "utf-8":
        _refuse_garbled_big5(case, seen)
    _refuse_destroyed(case.file, [_DESTROYED.search(text) is not None for text, _ in texts])


def _garbled(file: str, misread: Misread, shown: Misread | None) -> SourceError:
    """The refusal, with a text that may be shown: nothing as short as a person's name."""
    may_show = shown is not None and len(shown.meant) > _LONGEST_NAME
    return SourceError(
        "source.garbled",
        file=file,
        reading=shown.reading if shown is not None and may_show else "-",
        meant=shown.meant if shown is not None and may_show else "-",
        stated=misread.read_as,
        decided=misread.written_in,
    )


def _refuse_garbled_big5(case: _Case, seen: Evidence) -> None:
    """Refuse Big5 that was read as code page 1252: its second bytes are ASCII, so no run is whole."""
    texts = [decode_value(value, "utf-8") for value in seen.samples]
    for wrong in ("cp1252", "iso8859-1"):
        # half a character at the end has become a question mark
        raw = [t.rstrip("?\ufffd ").encode(wrong, "ignore") for t in texts]
        raw = [value for value in raw if not value.isascii()]
        again = Evidence()
        again.add(raw, lambda _: (0, _NO_FIELD), np.ones(len(raw), dtype=bool))
        near = again.contenders()
        if near != ["big5hkscs"] or len(raw) < len(texts) / 2 or reads_in_one_byte(raw, wrong):
            continue
        shown = max(seen.shown, key=len, default=b"")
        raw_shown = decode_value(shown, "utf-8").rstrip("?").encode(wrong, "ignore")
        raise SourceError(
            "source.garbled",
            file=case.file,
            reading=_run(shown, "utf-8") or "-",
            meant=_run(raw_shown, "big5hkscs") or "-",
            stated=_shown(wrong),
            decided=_shown("big5hkscs"),
        )


def _tell_questions(case: _Case) -> None:
    """Note runs of question marks; refuse a file of which half is such."""
    if not case.questions:
        return
    if case.questions >= max(_DESTROYED_LEAST, _QUESTIONS_SHARE * case.rows):
        raise SourceError("source.destroyed", file=case.file, count=case.questions, of=case.rows)
    place = {"row": case.first_question, "field": _NO_FIELD}
    case.notes.append(Note("encoding.destroyed", place))


def _tell(case: _Case, chosen: Reading) -> None:
    """Note what a reader of the delivery should know."""
    _tell_questions(case)
    values, names = case.values, case.names
    for who, stated in case.stated:
        for seen, decided in ((values, chosen.values), (names, chosen.names)):
            if not seen.is_ascii and stated != decided and not case.is_declared:
                readings = _readings(seen, stated, decided)
                params = {"by": who, "stated": _shown(stated), "decided": _shown(decided)}
                case.notes.append(Note("encoding.contradiction", {**params, **readings}))
                break
    if not names.is_ascii and not values.is_ascii and chosen.names != chosen.values:
        readings = _readings(names, chosen.values, chosen.names)
        params = {"names": _shown(chosen.names), "values": _shown(chosen.values)}
        case.notes.append(Note("encoding.names_differ", {**params, **readings}))
    if is_one_byte(chosen.values):
        reading = _sample(values if not values.is_ascii else names, chosen.values)
        one = {"stated": _shown(chosen.values), "reading_stated": reading}
        case.notes.append(Note("encoding.one_byte", one))
        return
    weight = values.weights[chosen.values]
    for code, found in (("encoding.cut", weight.cut), ("encoding.destroyed", weight.destroyed)):
        is_told = any(note.code == code for note in case.notes)
        if found is not None and not is_told:
            case.notes.append(Note(code, {"row": found.row, "field": found.field}))


# ---- Refusals and what they show ---------------------------------------------------------------


def _refusal(case: _Case, seen: Evidence) -> SourceError:
    """Why some texts have no encoding."""
    guess = seen.likeliest()
    other = seen.others(guess)
    if other is not None and seen.first_better(guess, other[0]) is not None:
        return _mixed(case, guess, *other)
    fault = seen.weights[guess].fault
    if fault is None or any(seen.is_valid(name) for name in DECIDABLE):
        return _unclear(case, seen)
    if case.is_declared:
        declared = case.codecs[0]
        fault = seen.weights[declared].fault if declared in seen.weights else fault
    tried = list(dict.fromkeys([*case.codecs, *(() if case.is_declared else DECIDABLE)]))
    if seen is case.names and fault is not None:
        return SourceError(
            "source.encoding_names",
            file=case.file,
            field=fault.field,
            bytes=fault.value.hex(" "),
            tried=", ".join(_shown(name) for name in tried),
        )
    return undecodable(case.file, fault or Found(b"", 0, _NO_FIELD), tried)


def undecodable(file: str, fault: Found, tried: Sequence[str]) -> SourceError:
    """The refusal of a file for a value that is no text.

    Shape:  the file, the value with its place, and the encodings that were tried in; an error out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    at = next((i for i, byte in enumerate(fault.value) if byte > 0x7F), 0)
    try:
        decode_value(fault.value, tried[0])
    except UnicodeDecodeError as error:
        at = error.start
    return SourceError(
        "source.encoding",
        file=file,
        row=fault.row,
        field=fault.field,
        # a byte or two around the fault, not the value
        bytes=fault.value[at : at + 4].hex(" "),
        tried=", ".join(_shown(name) for name in tried),
    )


def _unclear(case: _Case, seen: Evidence) -> SourceError:
    likely = seen.contenders() or [name for name in DECIDABLE if seen.is_valid(name)]
    wanted = dict.fromkeys([*case.codecs, *likely, *(() if likely else DECIDABLE)])
    readings = " | ".join(f"{_shown(name)}: {_sample(seen, name)}" for name in wanted)
    return SourceError("source.encoding_unclear", file=case.file, readings=readings)


def _contradicted(case: _Case, declared: str, decided: str) -> SourceError:
    seen = case.names if case.values.is_ascii else case.values
    return SourceError(
        "source.encoding_declared",
        file=case.file,
        stated=_shown(declared),
        decided=_shown(decided),
        **_readings(seen, declared, decided),
    )


def _mixed(case: _Case, encoding: str, other: str, found: Found) -> SourceError:
    first = case.values.first_better(encoding, other)
    return SourceError(
        "source.encoding_mixed",
        file=case.file,
        one=_shown(encoding),
        row_one="-" if first is None else first.row,
        other=_shown(other),
        row_other=found.row,
        field=found.field,
        reading_one=_excerpt(first, encoding),
        reading_other=_excerpt(found, other),
    )


def _readings(seen: Evidence, stated: str, decided: str) -> dict[str, str]:
    return {
        "reading_stated": _sample(seen, stated, decided),
        "reading_decided": _sample(seen, decided, decided),
    }


def _sample(seen: Evidence, encoding: str, by: str | None = None) -> str:
    """A short text that may be shown: the longest without figures, read in an encoding."""
    if not seen.shown:
        return "-"
    best = max(seen.shown, key=lambda value: len(_run(value, by or "gb18030")))
    return _run(best, encoding)


def _excerpt(found: Found | None, encoding: str) -> str:
    """A value as a message may show it: of a line, nothing as short as a person's name."""
    if found is None or not found.may_show:
        return "-"
    text = _run(found.value, encoding)
    is_name = found.field == _NO_FIELD and len(text) <= _LONGEST_NAME
    return f"{text[:1]}…" if is_name else text


def _run(value: bytes, encoding: str) -> str:
    """The longest run without ASCII in a value, so that no number is shown."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(value, final=False)
    runs: Iterable[str] = _NON_ASCII.findall(text)
    longest = max(runs, key=len, default="")[:_SAMPLE_CHARACTERS]
    return "".join(c if c.isprintable() else "\ufffd" for c in longest)


def _shown(encoding: str) -> str:
    return _SHOWN.get(encoding, encoding.upper())


def _label(name: bytes, encodings: Iterable[str]) -> str:
    """A column's name for a message, in the first encoding that fits."""
    fitting = (e for e in encodings if decodes(name, e, may_be_cut=True))
    encoding = next(fitting, None)
    return (
        name.decode("ascii", "backslashreplace")
        if encoding is None
        else decode_value(name, encoding)
    )


def _names_of(column: DbfField) -> set[str]:
    """All that a column may be called."""
    return {column.name.decode(name, "ignore").casefold() for name in DECIDABLE}


# ---- Text files --------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a text file, some at a time, and the number of the first of them."""
    number, rest, odd, size = 1, b"", 0, 0
    with path.open("rb") as handle:
        if handle.read(3) != codecs.BOM_UTF8:
            handle.seek(0)
        while chunk := handle.read(_CHUNK):
            odd += len(_BINARY.findall(chunk))
            size += len(chunk)
            if b"\0" in chunk or odd > max(16, _BINARY_SHARE * size):
                raise SourceError("source.not_text", file=path.name)
            whole = rest + chunk
            if whole.endswith(b"\r"):
                # the other half of a line end may follow
                whole += handle.read(1)
            lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            rest = lines.pop()
            if len(rest) > _LINE_BYTES:
                raise SourceError("source.not_text", file=path.name)
            yield number, lines
            number += len(lines)
    yield number, [rest]


def _utf16(path: Path, wanted: str | None) -> Reading:
    """UTF-16 by its mark or the contract, read through."""
    if wanted is not None and wanted not in _UTF16:
        raise SourceError(
            "source.encoding_declared",
            file=path.name,
            stated=_shown(wanted),
            decided="UTF-16",
            reading_stated="-",
            reading_decided="BOM",
        )
    encoding = wanted or "utf-16"
    _check_whole(path, encoding)
    return Reading(encoding, encoding)


def _check_whole(path: Path, encoding: str) -> None:
    """Refuse a file that does not decode from its first byte to its last."""
    row = 1
    try:
        with path.open(encoding=encoding, newline="") as handle:
            while part := handle.read(_CHUNK):
                if "\0" in part:
                    raise SourceError("source.not_text", file=path.name)
                row += part.count("\n")
    except UnicodeError as error:
        found = getattr(error, "object", b"")[getattr(error, "start", 0) :][:4]
        fault = Found(bytes(found), row, _NO_FIELD)
        raise undecodable(path.name, fault, [encoding]) from error
