"""What all commands share: options, messages, progress; no logic."""

from __future__ import annotations

import datetime as dt
import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.errors import DiqiError, UsageError
from pipeline.messages import both, shown

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.history import Moment
    from pipeline.settings import Settings

P = ParamSpec("P")

Workspace = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="工作区文件夹 Folder of the county.")
]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON Print JSON.")]
Why = Annotated[str, typer.Option("--reason", help="理由 Why.")]
Author = Annotated[
    str | None, typer.Option("--author", help="经办人 Who answers for it; you by default.")
]
OfTownship = Annotated[
    str | None, typer.Option("--township", help="镇街代码 Code of one township.")
]
EnterpriseKey = Annotated[
    str, typer.Argument(metavar="ENTERPRISE", help="企业代码、信用代码或名称 Code or unique name.")
]
ParcelCode = Annotated[str, typer.Argument(metavar="PARCEL", help="宗地代码 Parcel code.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="业务日期 Business date, YYYY-MM-DD; today by default."),
]
When = Annotated[
    str | None,
    typer.Option("--as-of", help="某日或某次运行 As of a day (YYYY-MM-DD) or of a run (number)."),
]
DataYear = Annotated[
    int | None, typer.Option("--year", help="数据年度 Data year; by default that of the day.")
]
Scale = Annotated[
    float | None,
    typer.Option(help="规模 Size: 1 is a whole county, 300,000 patches. Default 0.05."),
]
Seed = Annotated[int | None, typer.Option(help="种子 Seed of the invented county. Default 1.")]
DrawnNoise = Annotated[
    list[str] | None,
    typer.Option("--noise", help="差错 none, low, high, or e.g. names=0.1; repeatable."),
]

console = Console(soft_wrap=True)
log = Console(stderr=True, soft_wrap=True)


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """Print a person's error in words and leave with its exit code; bugs keep their trace."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except DiqiError as error:
            zh, en = both(error.code, error.params)
            log.print(f"错误：{zh}", style="red", markup=False, highlight=False, soft_wrap=True)
            log.print(f"error: {en}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error

    return guarded


def settings_of(workspace: Path | None) -> Settings:
    """Settings of the workspace that a command was given, or of the usual one."""
    from pipeline.settings import default_workspace, load_settings

    return load_settings(workspace.resolve() if workspace else default_workspace())


def date_of(text: str | None) -> dt.date:
    """A date as it is typed; today where none is."""
    if text is None:
        return dt.datetime.now(tz=dt.UTC).astimezone().date()
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError("usage.date", text=text) from error


class _Progress:
    """A bar that moves on a terminal, plain log lines elsewhere."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task = bar.add_task("load_feeds", total=None) if bar else None

    def step(self, name: str) -> None:
        """Say that a step starts."""
        if self._bar is None or self._task is None:
            log.print(f"step {name}", highlight=False)
        else:
            self._bar.update(self._task, description=name, completed=0, total=None)

    def file(self, name: str, rows: int, total: int | None) -> None:
        """Say how far a file is read."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=name, completed=rows, total=total)
        elif rows == 0:
            size = "" if total is None else f" ({total} rows)"
            log.print(f"load {name}{size}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[_Progress]:
    """Show how far things are while what is inside runs."""
    if not log.is_terminal:
        yield _Progress(None)
        return
    columns = (
        # names of files: a bracket in them is no markup
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=log, transient=True) as bar:
        yield _Progress(bar)


def tell_unknown(file: str) -> None:
    """Say that no feed knows a file."""
    log.print(
        f"- 未识别的文件 unknown file: {shown(file)}",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def told(sheets: Callable[[], list[Path]]) -> Iterator[None]:
    """Say where the sheets for the offices lie, also when what is done inside fails."""
    try:
        yield
    finally:
        for path in sheets():
            log.print(
                f"退回修改 for the office to mend: {path}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )


def print_json(value: object) -> None:
    """Print figures for other programs."""
    from pipeline.outputs.console import plain

    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


def say(messages: list[tuple[str, dict[str, object]]]) -> None:
    """Print messages in both languages."""
    for code, params in messages:
        for line in both(code, params):
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def shown_state(
    settings: Settings, as_of: str | None, year: int | None
) -> Iterator[tuple[Connection, Moment | None]]:
    """A connection to what is published now, or to how things stood."""
    from sqlalchemy import text

    from pipeline.database import database_errors
    from pipeline.history import as_it_was
    from pipeline.workspace import open_database

    engine = open_database(settings)
    if as_of is not None:
        with as_it_was(engine, settings, as_of, year) as shown:
            yield shown
        return
    if year is not None:
        raise UsageError("usage.year")
    with database_errors(), engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection, None
