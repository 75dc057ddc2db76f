"""Files are opened in a process of their own, which may die, hang or want too much."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import IgnoredLines, OpenLayer
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
    layer.ignored_lines.add(7)
    layer.ignored_lines.add(9)


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


@contextmanager
def wide(rows: int, cell_bytes: int):
    """One batch of rows with as many bytes each."""
    texts = pa.array([chr(97 + i % 26) * cell_bytes for i in range(rows)])
    numbers = pa.array(range(1, rows + 1), pa.int32())
    yield OpenLayer(
        "t", ["甲"], Match(), iter([pa.RecordBatch.from_arrays([numbers, texts], ["row", "c0"])])
    )


@contextmanager
def odd():
    """What no database takes: NUL, half a character, no number."""
    layer = OpenLayer("a\0b", ["c\0", "\udcb5"], Match(), batches(1))
    layer.notes.append(("some.note", {"x": float("nan"), "y": "\0", "z": ["\udcff", float("inf")]}))
    yield layer


def fetched(url: str):
    """What GDAL makes of a layer whose CRS is an address."""
    import pyogrio

    crs = {"type": "link", "properties": {"href": url, "type": "ogcwkt"}}
    feature = {"type": "Feature", "properties": {}, "geometry": None}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.geojson"
        content = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
        path.write_text(json.dumps(content))
        return str(pyogrio.read_info(path)["crs"])


def unpacking(seconds: float):
    """Leave a file where things are unpacked, and take so long."""
    folder = tempfile.mkdtemp(prefix="diqi-")
    Path(folder, "large").write_bytes(bytes(1000))
    time.sleep(seconds)
    return str(Path(folder).parent)


def gone(path: str):
    return Path(path).read_text()


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
    assert layer.ignored_lines == IgnoredLines(2, [7, 9])
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


def test_a_batch_of_long_texts_comes_in_pieces(room):
    room.limits = replace(room.limits, memory_mib=1000)
    with room.opened("test_isolation:wide", 60, 1 << 20, file="f") as layer:
        pieces = list(layer.batches)
    assert len(pieces) > 3
    assert max(piece.nbytes for piece in pieces) <= 16 << 20
    assert [n for piece in pieces for n in piece.column("row").to_pylist()] == list(range(1, 61))
    assert pieces[-1].column("c0")[-1].as_py() == "h" * (1 << 20)


def test_a_row_that_is_too_large_is_named(room):
    room.limits = replace(room.limits, memory_mib=1000, max_row_bytes=20 << 20)
    assert len(read(room, wide, 3, 19 << 20)[1]) == 3
    with pytest.raises(SourceError) as caught:
        read(room, wide, 2, 21 << 20)
    assert caught.value.code == "source.row_too_large"
    assert caught.value.params == {
        "file": "f.shp",
        "layer": "t",
        "row": 1,
        "size_mb": 21,
        "limit_mb": 20,
    }
    assert read(room, good, 1)[1] == [1]


def test_what_no_database_takes_is_changed_on_the_way(room):
    layer, _ = read(room, odd)
    assert (layer.name, layer.headings) == ("a\ufffdb", ["c\ufffd", "\\udcb5"])
    assert layer.notes == [("some.note", {"x": "–", "y": "\ufffd", "z": ["\\udcff", "–"]})]


def test_no_file_makes_its_reader_ask_the_network(room):
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(3)

        def answer():
            with suppress(OSError):
                connection, _ = server.accept()
                asked.append(connection.recv(100))
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/crs"
        assert room.asked("test_isolation:fetched", url, file="f") == "EPSG:4326"
        thread.join()
    assert asked == []


def test_a_file_that_is_gone_is_told_in_the_words_of_the_system(room, tmp_path):
    with pytest.raises(SourceError) as caught:
        room.asked("test_isolation:gone", str(tmp_path / "x"), file="x")
    assert caught.value.code == "source.file_unreadable"
    assert caught.value.params == {"file": "x", "reason": "No such file or directory"}


def test_a_process_that_is_killed_half_way_is_the_end_of_one_file(room):
    room.start()
    number = room._process.pid

    def read_and_kill(layer):
        next(layer.batches)
        os.kill(number, signal.SIGKILL)
        return list(layer.batches)

    with (
        pytest.raises(SourceError) as caught,
        room.opened("test_isolation:good", 100_000, file="f") as layer,
    ):
        read_and_kill(layer)
    assert caught.value.code == "source.too_large"
    assert not Path(f"/proc/{number}").exists()
    assert read(room, good, 2)[1] == [1, 2]
    last = room._process.pid
    room.close()
    assert not Path(f"/proc/{last}").exists()


def test_what_was_unpacked_goes_with_the_process(room):
    folder = Path(room.asked("test_isolation:unpacking", 0, file="f"))
    assert list(folder.glob("*/large"))
    with pytest.raises(SourceError) as caught:
        room.asked("test_isolation:unpacking", 60, file="f")
    assert caught.value.code == "source.too_slow"
    assert not folder.exists()
    other = Path(room.asked("test_isolation:unpacking", 0, file="f"))
    assert other != folder
    # whoever asked is gone without a word
    room._process.stdin.close()
    room._process.wait(5)
    assert not other.exists()


def test_the_process_ends_with_who_asked(room):
    room.start()
    process = room._process
    process.stdin.close()
    assert process.wait(5) == 0
