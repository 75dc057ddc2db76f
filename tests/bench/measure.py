"""How long a program takes, and how much memory it and the server hold while it runs."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PERIOD = 0.05  # seconds between two looks at /proc
MIB = 1024 * 1024


@dataclass
class Sample:
    """What was held at one moment, in bytes; ``at`` in seconds from the start."""

    at: float
    client: int
    server: int


@dataclass
class Measurement:
    """One run of one program.

    ``client_bytes``: peak resident memory of the program and all processes it started, together.
    ``server_bytes``: peak private memory of all PostgreSQL processes together; ``shared_bytes``:
    the most of the shared buffers that any of them had touched. ``lines``: what it wrote to stderr,
    with the second of each line.
    """

    seconds: float = 0.0
    client_bytes: int = 0
    server_bytes: int = 0
    shared_bytes: int = 0
    stdout: str = ""
    lines: list[tuple[float, str]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def peak_between(self, start: float, end: float) -> int:
        """Most that the client held from one second to another; with the samples around it."""
        around = [
            sample.client for sample in self.samples if start - PERIOD <= sample.at <= end + PERIOD
        ]
        return max(around, default=0)

    def figures(self) -> dict[str, float | int]:
        """The raw figures, as the JSON file holds them."""
        return {
            "seconds": round(self.seconds, 3),
            "client_mib": round(self.client_bytes / MIB, 1),
            "server_mib": round(self.server_bytes / MIB, 1),
            "shared_buffers_mib": round(self.shared_bytes / MIB, 1),
        }


class ProgramFailedError(Exception):
    """A program that is measured ended with another code than 0."""


def measure(
    command: Sequence[str], *, server_pid: int | None, environment: dict[str, str]
) -> Measurement:
    """Run a program to its end and watch it.

    Shape:  a command and its environment in, one measurement out; the pid is that of the
            postmaster, None where no server is to be watched.
    Units:  seconds, bytes.
    CRS:    none.
    Errors: ProgramFailedError with the last words of the program.
    Source: proc(5): VmHWM, VmRSS, RssAnon, RssShmem.
    """
    result = Measurement()
    start = time.monotonic()
    with subprocess.Popen(
        list(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        out: list[str] = []
        readers = [
            threading.Thread(target=_read_all, args=(process.stdout, out)),
            threading.Thread(target=_read_lines, args=(process.stderr, result, start)),
        ]
        for reader in readers:
            reader.start()
        high: dict[int, int] = {}
        try:
            while process.poll() is None:
                _look(result, process.pid, server_pid, time.monotonic() - start, high)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PERIOD)
        except BaseException:
            process.kill()
            raise
        result.seconds = time.monotonic() - start
        for reader in readers:
            reader.join()
    result.stdout = "".join(out)
    if process.returncode != 0:
        words = "\n".join(line for _, line in result.lines[-15:])
        raise ProgramFailedError(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    return result


def _read_all(stream: Iterable[str] | None, into: list[str]) -> None:
    """Drain a stream, so that the program never waits for us."""
    into.extend(stream or ())


def _read_lines(stream: Iterable[str] | None, result: Measurement, start: float) -> None:
    """Take down each line with its second."""
    for line in stream or ():
        result.lines.append((time.monotonic() - start, line.rstrip("\n")))


def _look(
    result: Measurement, client: int, server: int | None, at: float, high: dict[int, int]
) -> None:
    """Take one sample.

    The sum over the processes that live now uses what each holds now; a process that stands alone
    counts with the high-water mark that the kernel keeps, so that no peak between samples is lost.
    """
    held = 0
    for pid in _tree(client):
        status = _status(pid)
        held += status.get("VmRSS", 0)
        high[pid] = max(high.get(pid, 0), status.get("VmHWM", 0))
    result.client_bytes = max(result.client_bytes, held, *high.values())
    private = 0
    if server is not None:
        for pid in _tree(server):
            status = _status(pid)
            private += status.get("RssAnon", 0)
            result.shared_bytes = max(result.shared_bytes, status.get("RssShmem", 0))
        result.server_bytes = max(result.server_bytes, private)
    result.samples.append(Sample(at, held, private))


def _tree(root: int) -> list[int]:
    """A process and all that descend from it; those that end meanwhile are left out."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        # a process or a thread may end between any two looks at it
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    text = children.read_text(encoding="ascii")
                    left.extend(int(child) for child in text.split())
    return found


_LINE = re.compile(r"^(VmHWM|VmRSS|RssAnon|RssShmem):\s+(\d+) kB$", re.MULTILINE)


def _status(pid: int) -> dict[str, int]:
    """Memory of a process in bytes; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {name: int(value) * 1024 for name, value in _LINE.findall(text)}


def machine() -> dict[str, str | int | float]:
    """Model, cores and memory of this machine."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model.group(1) if model else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / MIB / 1024, 1),
        "kernel": os.uname().release,
        "load_at_start": os.getloadavg()[0],
    }
