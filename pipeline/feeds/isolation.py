"""Reading files in a process of their own: the end that asks (``pipeline.feeds.child`` answers)."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import IgnoredLines, OpenLayer
from pipeline.feeds.child import BATCH, END, ERROR, HEAD, LAYER, SCHEMA
from pipeline.feeds.headings import Match
from pipeline.feeds.limits import Limits

_PIPE_BYTES = 1 << 20
_GRACE_SECONDS = 5
_MIB = 1 << 20


class ReadingRoom:
    """A process that opens files, started when first needed and again after it died."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def start(self) -> None:
        """Start the process now, so that it is ready when a file comes.

        Errors: none; OSError where the system has no more processes to give.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        # what it unpacks goes with it, however it ends
        self._folder = Path(tempfile.mkdtemp(prefix="diqi-"))
        # -P: what lies in the current folder is never imported
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline.feeds.child", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            # one thread at work: what it gives back is given back
            env={
                **os.environ,
                "ARROW_DEFAULT_MEMORY_POOL": "system",
                "MALLOC_ARENA_MAX": "1",
                "TMPDIR": str(self._folder),
            },
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        with suppress(OSError):  # a system may grant less; it is only slower then
            fcntl.fcntl(self._process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            # one that waits for a disk that does not answer ends when that does
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def opened(self, function: str, *arguments: object, file: str) -> Iterator[OpenLayer]:
        """Open a layer there; the function that is named gives it, ``file`` names it in errors.

        Shape:  a function as ``module:name``, and arguments that can be sent, in; the layer out, its
                batches as they come.
        Units:  as delivered.
        CRS:    as the function says.
        Errors: SourceError and CrsError as raised there; source.too_large (more memory than it
                may have), source.too_slow (no word for too long), source.reader_died.
        Source: docs/decisions/0014-readers-have-a-process.md.
        """
        self.start()
        frames = self._frames(pickle.dumps((function, arguments, self.limits)), file)
        try:
            values = json.loads(bytes(next(frames)[1]))
            values["match"] = _match(values["match"])
            values["ignored_lines"] = IgnoredLines(**values["ignored_lines"])
            values["notes"] = [(code, params) for code, params in values["notes"]]
            layer = OpenLayer(**values, batches=iter(()))
            layer.batches = _batches(frames, layer)
            yield layer
        finally:
            frames.close()

    def asked(self, function: str, *arguments: object, file: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Call a function there; it returns what JSON can hold.

        Shape:  as the function says.
        Units:  as the function says.
        CRS:    as the function says.
        Errors: as ``opened``.
        Source: docs/decisions/0014-readers-have-a-process.md.
        """
        self.start()
        frames = self._frames(pickle.dumps((function, arguments, self.limits)), file)
        with closing(frames):
            return json.loads(bytes(next(frames)[1]))

    def _frames(self, request: bytes, file: str) -> Generator[tuple[bytes, memoryview]]:
        """Ask, and pass on what comes up to the end; errors are raised."""
        is_over = False
        try:
            self._write(HEAD.pack(b"R", len(request)) + request, file)
            while not is_over:
                head = self._read(HEAD.size, file)
                kind, size = HEAD.unpack(head)
                if size > self.limits.memory_mib * _MIB:
                    raise self._too_large(file)
                payload = self._read(size, file)
                is_over = kind in {END, ERROR}
                if kind == ERROR:
                    raise self._error(json.loads(bytes(payload)), file)
                yield kind, payload
        finally:
            if not is_over:
                # nobody wants the rest, or none will come
                self.close()

    def _error(self, told: dict[str, Any], file: str) -> SourceError:
        if told["kind"] == "memory":
            return self._too_large(file)
        if told["kind"] == "fault":
            return SourceError("source.reader_died", file=file, reason=told["reason"])
        kind = CrsError if told["kind"] == "crs" else SourceError
        return kind(told["code"], **{"file": file, **told["params"]})

    def _too_large(self, file: str) -> SourceError:
        return SourceError("source.too_large", file=file, limit_mib=self.limits.memory_mib)

    def _write(self, data: bytes, file: str) -> None:
        assert self._process is not None  # noqa: S101 - started before
        assert self._process.stdin is not None  # noqa: S101 - asked for
        try:
            self._process.stdin.write(data)
        except OSError as error:
            raise self._died(file) from error

    def _read(self, size: int, file: str) -> memoryview:
        """So many bytes, in the time that is allowed."""
        assert self._process is not None  # noqa: S101 - started before
        assert self._process.stdout is not None  # noqa: S101 - asked for
        pipe = self._process.stdout.fileno()
        buffer = memoryview(bytearray(size))
        filled = 0
        until = time.monotonic() + self.limits.seconds
        while filled < size:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise SourceError("source.too_slow", file=file, seconds=self.limits.seconds)
            count = os.readv(pipe, [buffer[filled:]])
            if count == 0:
                raise self._died(file)
            filled += count
        return buffer

    def _died(self, file: str) -> SourceError:
        assert self._process is not None  # noqa: S101 - it was started
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        # a reader that may not have more memory gives up by itself, or is ended by the kernel
        if code in {-6, -9, 134, 137}:
            return self._too_large(file)
        return SourceError("source.reader_died", file=file, reason=f"exit {code}")


def _match(values: dict[str, Any]) -> Match:
    return Match(
        positions={name: tuple(found) for name, found in values["positions"].items()},
        units={int(position): unit for position, unit in values["units"].items()},
        missing=tuple(values["missing"]),
        is_melted=values["is_melted"],
    )


def _batches(
    frames: Iterator[tuple[bytes, memoryview]], layer: OpenLayer
) -> Iterator[pa.RecordBatch]:
    schema: pa.Schema | None = None
    told = len(layer.notes)
    for kind, payload in frames:
        if kind == SCHEMA:
            schema = pa.ipc.read_schema(pa.py_buffer(payload))
        elif kind == BATCH:
            yield pa.ipc.read_record_batch(pa.py_buffer(payload), schema)
        elif kind == END:
            end = json.loads(bytes(payload))
            layer.ignored_lines = IgnoredLines(**end["ignored_lines"])
            here = layer.notes[told:]
            layer.notes = [(code, params) for code, params in end["notes"]] + here
            layer.row_issues = [(row, rule, params) for row, rule, params in end["row_issues"]]
        else:
            assert kind == LAYER, kind  # noqa: S101 - the child sends nothing else
