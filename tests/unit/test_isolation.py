"""Files are opened in a process of their own, which may die, hang or want too much."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.headings import Match
from pipeline.feeds.isolation import ReadingRoom
from pipeline.settings import settings_without_workspace

HERE = Path(__file__).parent


def batches(count: int):
    for start in range(count):
        yield pa.RecordBatch.from_arrays([pa.array([start + 1], pa.int32())], ["row"])


@contextmanager
def good(count: int):
    layer = OpenLayer("层", ["甲"], Match({"a": (0,)}, {0: "m2"}), batches(count), crs="EPSG:4549")
    layer.notes.append(("some.note", {"n": 1}))
    yield layer
    layer.ignored_lines += [7, 9]


@contextmanager
def refused(kind: str):
    raise {"crs": CrsError, "source": SourceError}[kind](f"{kind}.code", file="f", number=3)
    yield


@contextmanager
def fatal(what: str):
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(3)
    if what == "memory":
        bytes(1 << 40)
    if what == "abort":
        os.abort()
    if what == "hang":
        time.sleep(60)
    if what == "print":
        print("words of a library")  # must not get between the frames
        os.write(1, b"words of a library")
    if what == "bug":
        raise KeyError("a secret of the file")
    yield OpenLayer("t", [], Match(), batches(1))


@pytest.fixture
def room(monkeypatch):
    # the other process must find this module
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    limits = settings_without_workspace().limits.of_files
    made = ReadingRoom(replace(limits, memory_mib=200, seconds=3))
    yield made
    made.close()


def read(room: ReadingRoom, function, *arguments):
    name = f"test_isolation:{function.__name__}"
    with room.opened(name, *arguments, file="f.shp") as layer:
        rows = [number for batch in layer.batches for number in batch.column("row").to_pylist()]
    return layer, rows


def test_a_layer_comes_whole_and_the_process_serves_the_next(room):
    layer, rows = read(room, good, 5)
    assert rows == [1, 2, 3, 4, 5]
    assert (layer.name, layer.headings, layer.crs) == ("层", ["甲"], "EPSG:4549")
    assert layer.match == Match({"a": (0,)}, {0: "m2"})
    assert layer.notes == [("some.note", {"n": 1})]
    assert layer.ignored_lines == [7, 9]
    assert read(room, good, 2)[1] == [1, 2]


@pytest.mark.parametrize("kind", ["crs", "source"])
def test_errors_come_as_what_they_are(room, kind):
    with pytest.raises(SourceError) as caught:
        read(room, refused, kind)
    assert type(caught.value) is {"crs": CrsError, "source": SourceError}[kind]
    assert caught.value.code == f"{kind}.code"
    assert caught.value.params == {"file": "f", "number": 3}
    assert read(room, good, 1)[1] == [1]


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("segfault", "source.reader_died"),
        ("exit", "source.reader_died"),
        ("memory", "source.too_large"),
        ("abort", "source.too_large"),
        ("hang", "source.too_slow"),
        ("bug", "source.reader_died"),
    ],
)
def test_a_reader_that_fails_is_an_error_by_name_and_not_the_end(room, what, code):
    with pytest.raises(SourceError) as caught:
        read(room, fatal, what)
    assert caught.value.code == code
    assert caught.value.params["file"] == "f.shp"
    assert "secret" not in str(caught.value)
    assert read(room, good, 1)[1] == [1]


def test_what_a_library_prints_is_no_answer(room):
    assert read(room, fatal, "print")[1] == [1]


def test_a_layer_that_is_left_early_leaves_no_rest_behind(room):
    with room.opened("test_isolation:good", 100_000, file="f") as layer:
        next(layer.batches)
    assert read(room, good, 1)[1] == [1]


def test_the_process_ends_with_who_asked(room):
    room.start()
    process = room._process
    process.stdin.close()
    assert process.wait(5) == 0
