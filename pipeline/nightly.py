"""The nightly run: everything that ``run`` does, and one line for monitoring whatever happens."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.errors import DiqiError, GateStopped, RunLocked, SourceError
from pipeline.ledger import RunResult
from pipeline.messages import both
from pipeline.publication import issue_sheets, run_summary, write_draft, write_files
from pipeline.run import run
from pipeline.settings import Settings
from pipeline.workspace import open_database

# What a night that published nothing is called, by its error.
_STATES: Final[tuple[tuple[type[DiqiError], str], ...]] = (
    (GateStopped, "stopped"),
    (SourceError, "refused"),
    (RunLocked, "locked"),
)


def nightly(
    read_settings: Callable[[], Settings], as_of: dt.date
) -> tuple[dict[str, Any], Exception | None]:
    """Run once; say in one mapping what came of it.

    Shape:  what reads the settings, and the business date in; what monitoring reads, and the error of
            a night that published nothing, out. Always there: state, exit_code, as_of, seconds,
            message.
    Units:  seconds; areas in m2 as text; coverage as a ratio.
    CRS:    none.
    Errors: none: what went wrong comes out.
    Source: docs/how-to-run-your-county.md.
    """
    began = time.monotonic()
    found: dict[str, Any] = {}
    drafts: list[Path] = []

    settings: Settings | None = None

    def keep_draft(connection: Connection, result: RunResult) -> None:
        found.update(_shortened(result))
        assert settings is not None  # noqa: S101 - there would be no run
        drafts.append(write_draft(connection, settings, result))

    error: Exception | None = None
    sheets: list[Path] = []
    try:
        settings = read_settings()
        engine = open_database(settings)
        with issue_sheets(engine, settings) as sheets:
            result = run(engine, settings, as_of=as_of, draft=keep_draft)
        found.update(_shortened(result))
        paths = write_files(engine, settings, result)
        found["report"] = str(paths["report"])
    except Exception as caught:  # noqa: BLE001 - monitoring must hear of bugs as well
        error = caught
        found |= {
            "state": next((name for kind, name in _STATES if isinstance(caught, kind)), "failed"),
            "error": {"code": caught.code, "params": caught.params}
            if isinstance(caught, DiqiError)
            else {"code": type(caught).__name__, "params": {}},
        }
        if drafts:
            found["report"] = str(drafts[-1])
        message = (
            both(caught.code, caught.params)
            if isinstance(caught, DiqiError)
            else both("nightly.bug", {"error": f"{type(caught).__name__}: {caught}"})
        )
        exit_code = caught.exit_code if isinstance(caught, DiqiError) else 1
    else:
        message, exit_code = both(f"nightly.{_outcome(found)}", found), 0
    if sheets:
        found["issues"] = [str(path) for path in sheets]
    return {
        "state": found.pop("state"),
        "exit_code": exit_code,
        "as_of": as_of,
        "seconds": round(time.monotonic() - began, 1),
        "message": " / ".join(message),
        **found,
    }, error


def _outcome(found: dict[str, Any]) -> str:
    return "published" if found["written"] else "quiet"


def _shortened(result: RunResult) -> dict[str, Any]:
    """The summary of a run, with county totals in place of the counts of single tables."""
    summary = run_summary(result)
    del summary["steps"]
    summary["deliveries"] = [one for one in summary["deliveries"] if one["state"] != "known"]
    units = summary["change"]["coverage"]
    for when in ("before", "after"):
        base, covered = (
            sum((Decimal(unit[f"{name}_{when}_m2"]) for unit in units), Decimal(0))
            for name in ("base", "covered")
        )
        summary[f"coverage_{when}"] = str(round(covered / base, 6)) if base else None
    return summary
