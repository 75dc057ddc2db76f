"""The error tree: every error a person can cause, and its exit code.

An error is a message code and its parameters. The texts lie in ``config/messages`` and are
rendered at the edge (``pipeline.messages``); anything that is not a ``DiqiError`` is a bug.
"""

from __future__ import annotations

import math
from typing import ClassVar


class DiqiError(Exception):
    """A condition that a person can mend; ``code`` names the message, ``params`` fill it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = {name: storable(value) for name, value in params.items()}
        super().__init__(code, self.params)

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return f"{self.code}({details})"


def storable(value: object) -> object:
    """What a file gave as it can be printed and stored: without NUL, all of it UTF-8, no NaN.

    Shape:  any value in; texts and numbers that are none changed, also those in lists and
            dictionaries, any other as it was, out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: PostgreSQL takes no NUL and no half of a character, JSON (RFC 8259) no NaN.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "–"
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


class UsageError(DiqiError):
    """The command was called in a way that cannot be meant."""

    exit_code = 2


class SettingsError(DiqiError):
    """The configuration, or the machine it needs, is not in order."""

    exit_code = 3


class SourceError(DiqiError):
    """A delivered file was refused."""

    exit_code = 4


class CrsError(SourceError):
    """A delivered layer has no usable coordinate reference system."""


class GateStopped(DiqiError):
    """A run would change more than its gates allow."""

    exit_code = 5


class RunLocked(DiqiError):
    """Another run holds the lock."""

    exit_code = 6


class DatabaseError(DiqiError):
    """The database cannot be reached, or gave up."""

    exit_code = 7


class CheckFailed(DiqiError):
    """A check found rows that break an invariant."""

    exit_code = 8
