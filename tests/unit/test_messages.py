"""Messages: what a file says is shown and not acted upon."""

from __future__ import annotations

import json
import math

import numpy as np

from pipeline.errors import SourceError, storable
from pipeline.messages import both, shown


def test_texts_of_files_have_an_end_and_no_control_characters():
    error = SourceError("source.empty", file="a\n\x1b[31mb\0.shp", layer="字" * 5_000)
    zh, en = both(error.code, error.params)
    assert "a \ufffd[31mb\ufffd.shp" in zh
    assert max(len(zh), len(en)) < 1_000
    assert "字…" in zh


def test_what_is_not_text_stays_what_it_is():
    assert [shown(value) for value in (7, None, 1.5, [1])] == [7, None, 1.5, [1]]


def test_parameters_can_be_stored_as_json():
    said = {"a": "\udcb5\0", "b": [math.nan, np.float64("inf"), 2.5], ("\udcff"): ("x",)}
    kept = storable(said)
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text
    assert kept["b"] == ["–", "–", 2.5]
    assert SourceError("source.wrong_crs", x=math.nan).params == {"x": "–"}
