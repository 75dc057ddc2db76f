"""Rows as they are stored: keys, hashes of contents, and what no column takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import reduce

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.text import as_arrow, bytes_of
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.cells import stripped
from pipeline.feeds.contracts import Contract
from pipeline.feeds.findings import Mask
from pipeline.feeds.headings import normalise_heading

# What a JSON string cannot hold as it is.
_JSON_SPECIAL = r'["\\\x00-\x1f]'
_SPACE = 0x20
# Between name and value of a column, between columns, between columns and shape.
_VALUE, _COLUMN, _SHAPE = "\x1f", "\x1e", b"\x1d"


def joined(frame: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """Keys: the key columns with ``|`` between them, NA where one is missing.

    Shape:  n rows in; n texts out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: contract of the feed (``key``).
    """
    first, *others = names
    key = frame[first]
    for name in others:
        key = key + "|" + frame[name]
    return key


def row_hashes(
    frame: pd.DataFrame, shapes: npt.NDArray[np.object_] | None, good: Mask
) -> npt.NDArray[np.object_]:
    """Hash each good row: its filled columns in the order of their names, and its shape.

    An empty column leaves no trace, so a column that is added later changes no hash.

    Shape:  n rows, their shapes as WKB, and which are good in; 16 bytes or None per row out.
    Units:  as stored.
    CRS:    the county's.
    Errors: none.
    Source: docs/sources.md, Design 3 (raw holds each content once).
    """
    items = [
        pc.binary_join_element_wise(_large(name), as_arrow(frame[name]), _large(_VALUE))
        for name in sorted(frame.columns)
        if frame[name].notna().any()
    ]
    if not items:
        items = [pa.array([""] * len(frame), pa.large_string())]
    content = join_filled(items, _COLUMN).cast(pa.large_binary())
    if shapes is not None:
        wkb = pa.array(shapes, pa.large_binary(), from_pandas=True)
        content = pc.binary_join_element_wise(
            content, wkb, pa.scalar(_SHAPE, pa.large_binary()), null_handling="skip"
        )
    _, offsets, data = content.buffers()
    result = np.full(len(frame), None, dtype=object)
    if data is None:
        data = pa.py_buffer(b"")
    view = memoryview(data)
    ends = np.frombuffer(offsets, dtype=np.int64)[content.offset :].tolist()
    blake2b = hashlib.blake2b
    places = np.flatnonzero(good)
    result[places] = [
        blake2b(view[ends[place] : ends[place + 1]], digest_size=16).digest()
        for place in places.tolist()
    ]
    return result


def join_filled(items: list[pa.Array], separator: str) -> pa.Array:
    """Join texts row by row, leaving out what is missing.

    Shape:  columns in; one column out, empty texts where all are missing.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    first, *others = items
    if all(item.null_count for item in items):
        # a row in which all are missing would be left out
        is_empty = reduce(pc.and_, (pc.is_null(item) for item in items))
        first = pc.if_else(is_empty, _large(""), first)
    if not others:
        return first
    return pc.binary_join_element_wise(first, *others, _large(separator), null_handling="skip")


def extra_of(batch: RawBatch, layer: OpenLayer, contract: Contract) -> pd.Series:
    """What no canonical column takes, as JSON per row, without what is never stored.

    Shape:  a batch in; one JSON object per row out.
    Units:  as delivered.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Design 3 (the rest goes to extra).
    """
    never = {normalise_heading(name) for name in contract.never_stored}
    used = layer.match.used
    items = []
    for position, heading in enumerate(layer.headings):
        if position in used or not heading or normalise_heading(heading) in never:
            continue
        text = batch.columns[position]
        data = bytes_of(text)
        if len(data) and not data.min():
            text = text.str.replace("\0", "", regex=False)
        label = json.dumps(heading, ensure_ascii=False)
        items.append(_labelled(f'{label}: "', stripped(text)))
    if not items:
        return pd.Series("{}", pd.RangeIndex(len(batch.row_number)), dtype="str")
    body = join_filled(items, ", ")
    wrapped = pc.binary_join_element_wise(_large("{"), body, _large("}"), _large(""))
    return pd.Series(pd.array(wrapped, dtype="str"))


def _labelled(before: str, text: pd.Series) -> pa.Array:
    """Texts as JSON strings behind their label; nearly all of them need no more than quotes."""
    plain, data = as_arrow(text), bytes_of(text)
    raw = data.tobytes()
    if len(data) and (data.min() < _SPACE or b'"' in raw or b"\\" in raw):
        is_special = pc.fill_null(pc.match_substring_regex(plain, _JSON_SPECIAL), fill_value=False)
        special = [
            json.dumps(value, ensure_ascii=False)[1:-1]
            for value in plain.filter(is_special).to_pylist()
        ]
        plain = pc.replace_with_mask(plain, is_special, pa.array(special, pa.large_string()))
    return pc.binary_join_element_wise(_large(before), plain, _large('"'), _large(""))


def _large(text: str) -> pa.Scalar:
    """One text of the type of the columns."""
    return pa.scalar(text, pa.large_string())
