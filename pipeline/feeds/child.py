"""The process in which files are opened: small, bounded in memory, and no loss when it dies.

A damaged or hostile file can make any reader crash, hang or ask for all memory there is. So none runs
in the process that holds the database connection. This one takes requests on its standard input, one
after the other, and answers with frames on its standard output; ``pipeline.feeds.isolation`` is the
other end.
"""

from __future__ import annotations

import json
import os
import pickle
import pkgutil
import queue
import resource
import shutil
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import CrsError, SourceError, storable

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.feeds.batch import OpenLayer

# What a frame holds: an opened layer, the schema of its batches, a batch, the end, an error.
LAYER, SCHEMA, BATCH, END, ERROR = b"L", b"S", b"B", b"E", b"X"
HEAD = struct.Struct(">cQ")
_MIB = 1 << 20
_PLACES = 3
_NOWHERE = "127.0.0.1:0"
# A usual batch has some 7 MB; who cleans it holds several, each of them several times.
_PIECE_BYTES = 16 << 20


def main() -> None:
    """Answer requests until there are no more, or whoever asks is gone."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # nothing that a library prints may get between the frames
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    listening = (sys.stdin.buffer, requests, Path(sys.argv[1]))
    threading.Thread(target=_listen, args=listening, daemon=True).start()
    _import_lightly()
    while (request := requests.get()) is not None:
        _answer(request, answers)


def _listen(source: BinaryIO, requests: queue.SimpleQueue[bytes | None], folder: Path) -> None:
    """Pass requests on; end this process, and what it unpacked, at once when the other end is gone."""
    while len(head := source.read(HEAD.size)) == HEAD.size:
        _, size = HEAD.unpack(head)
        requests.put(source.read(size))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


class _WithoutPandas(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(self, name: str, *_: object) -> None:
        """Find nothing, or refuse."""
        if name in {"pandas", "geopandas"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _import_lightly() -> None:
    """Import the readers without pandas, which they do not use and would import."""
    sys.meta_path.insert(0, _WithoutPandas())
    import pyogrio

    import pipeline.feeds.readers  # noqa: F401 - imported before a request comes

    pyogrio.set_gdal_config_options(
        {
            "OGR_GEOJSON_MAX_OBJ_SIZE": 200,
            "CPL_LOG": "/dev/null",
            # a GeoJSON may name an address for its CRS: there is no way out of here
            "GDAL_HTTP_PROXY": _NOWHERE,
            "GDAL_HTTPS_PROXY": _NOWHERE,
        }
    )


def _answer(request: bytes, answers: BinaryIO) -> None:
    name, arguments, limits = pickle.loads(request)  # noqa: S301 - from our own parent
    _bound_memory(limits.memory_mib)
    try:
        result = pkgutil.resolve_name(name)(*arguments)
        if isinstance(result, AbstractContextManager):
            _send_layer(result, answers, limits.max_row_bytes)
        else:
            _send_json(answers, END, result)
    except SourceError as error:
        kind = "crs" if isinstance(error, CrsError) else "source"
        _send_json(answers, ERROR, {"kind": kind, "code": error.code, "params": error.params})
    except MemoryError:
        _send_json(answers, ERROR, {"kind": "memory"})
    except OSError as error:
        if error.strerror is None:
            _send_json(answers, ERROR, {"kind": "fault", "reason": _where(error)})
        else:
            params = {"reason": error.strerror}
            told = {"kind": "source", "code": "source.file_unreadable", "params": params}
            _send_json(answers, ERROR, told)
    except Exception as error:  # noqa: BLE001 - any fault of a reader is one of its file
        _send_json(answers, ERROR, {"kind": "fault", "reason": _where(error)})


def _send_layer(
    opening: AbstractContextManager[OpenLayer], answers: BinaryIO, max_row_bytes: int
) -> None:
    with opening as layer:
        described = asdict_without_batches(layer)
        _send_json(answers, LAYER, described)
        schema: pa.Schema | None = None
        for batch in _bearable(layer.batches, layer.name, max_row_bytes):
            if schema is None or not batch.schema.equals(schema):
                schema = batch.schema
                _send(answers, SCHEMA, schema.serialize())
            _send(answers, BATCH, batch.serialize())
    end = {
        "ignored_lines": asdict(layer.ignored_lines),
        "notes": layer.notes,
        "row_issues": layer.row_issues,
    }
    _send_json(answers, END, end)


def _bearable(
    batches: Iterable[pa.RecordBatch], layer: str, max_row_bytes: int
) -> Iterator[pa.RecordBatch]:
    """Batches in pieces that whoever asked can hold several times over."""
    for batch in batches:
        if batch.nbytes <= _PIECE_BYTES:
            yield batch
        elif batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from _bearable([batch.slice(0, half), batch.slice(half)], layer, max_row_bytes)
        elif batch.nbytes <= max_row_bytes:
            yield batch
        else:
            raise SourceError(
                "source.row_too_large",
                layer=layer,
                row=batch.column("row")[0].as_py(),
                size_mb=batch.nbytes >> 20,
                limit_mb=max_row_bytes >> 20,
            )


def asdict_without_batches(layer: OpenLayer) -> dict[str, object]:
    """What is known of a layer before its rows, fit for JSON.

    Shape:  an OpenLayer in; a dictionary out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/decisions/0014-readers-have-a-process.md.
    """
    values = {
        name: value for name, value in vars(layer).items() if name not in {"batches", "points"}
    }
    values["match"] = asdict(layer.match)
    values["ignored_lines"] = asdict(layer.ignored_lines)
    return values


def _bound_memory(memory_mib: int) -> None:
    """Let this process grow by so much, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_mib * _MIB
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _where(error: Exception) -> str:
    """Kind and place of a fault; its words could hold what the file holds."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        name = Path(trace.tb_frame.f_code.co_filename).name
        places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} ({' > '.join(places[-_PLACES:])})"


def _send_json(answers: BinaryIO, kind: bytes, value: object) -> None:
    _send(answers, kind, json.dumps(storable(value), ensure_ascii=True, default=str).encode())


def _send(answers: BinaryIO, kind: bytes, payload: bytes | pa.Buffer) -> None:
    view = memoryview(payload)
    answers.write(HEAD.pack(kind, len(view)))
    while view:
        view = view[answers.write(view) or 0 :]


if __name__ == "__main__":
    main()
