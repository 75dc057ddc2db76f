"""Commands that load, compute and publish."""

from __future__ import annotations

import datetime as dt
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.common import (
    AsJson,
    AsOf,
    Workspace,
    console,
    date_of,
    guarded,
    print_json,
    progress_bar,
    settings_of,
    tell_unknown,
    told,
)
from pipeline.messages import both

if TYPE_CHECKING:
    from pipeline.settings import Settings


@guarded
def load(
    workspace: Workspace = None,
    withdraw: Annotated[int | None, typer.Option(help="撤回来件 Withdraw a delivery.")] = None,
    release: Annotated[int | None, typer.Option(help="恢复来件 Release a delivery.")] = None,
    inspect: Annotated[
        Path | None,
        typer.Option(help="查看文件，不载入 Say what a file is taken for; loads nothing."),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(help="与 --inspect 同用：按哪类数据读 As which feed, e.g. parcel.")
    ] = None,
    draft: Annotated[
        bool,
        typer.Option("--draft", help="与 --inspect 同用：起草约定 Draft a contract for the file."),
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="与 --inspect 同用：图片位置 Where the PNG goes.")
    ] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """载入 inbox 中的来件，不运行后续步骤。 Load what lies in the inbox, without running the steps.

    Example: diqi load -w mycounty, or before that: diqi load --inspect DLTB.shp
    """
    if inspect is not None:
        _inspect(workspace, inspect, feed, picture, date_of(as_of), is_draft=draft, as_json=as_json)
        return
    from pipeline.outputs.console import show_deliveries
    from pipeline.publication import change_delivery, delivery_summary, issue_sheets
    from pipeline.run import load as load_inbox
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    engine = open_database(settings)
    if withdraw is not None or release is not None:
        action = "withdraw" if withdraw is not None else "release"
        number = withdraw if withdraw is not None else release
        file, held = change_delivery(engine, number or 0, action)
        line = f"{action}: {file} (diqi run 后生效 takes effect with the next diqi run)"
        console.print(line, markup=False)
        for other in held:
            line = f"held: {other} (以其为基础的变更一并暂缓 its changes stand on it)"
            console.print(line, markup=False)
        return
    with (
        told(lambda: sheets),
        issue_sheets(engine, settings) as sheets,
        progress_bar() as progress,
    ):
        loaded = load_inbox(
            engine,
            settings,
            as_of=date_of(as_of),
            load_watch=progress.file,
            tell_unknown=tell_unknown,
        )
    deliveries = [delivery_summary(delivery) for delivery in loaded]
    if as_json:
        print_json(deliveries)
    else:
        show_deliveries(console, deliveries)


def _inspect(
    workspace: Path | None,
    file: Path,
    feed: str | None,
    picture: Path | None,
    as_of: dt.date,
    *,
    is_draft: bool,
    as_json: bool,
) -> None:
    from pipeline.inspection import draft_of, inspect_file, land_of
    from pipeline.outputs.inspection import inspection_summary, show_inspection
    from pipeline.settings import WORKSPACE_FILE, default_workspace, settings_without_workspace

    folder = workspace.resolve() if workspace else default_workspace()
    is_known = workspace is not None or (folder / WORKSPACE_FILE).is_file()
    settings = settings_of(workspace) if is_known else settings_without_workspace()
    if is_draft:
        sys.stdout.write(draft_of(file, settings, feed))
        return
    held = land_of(settings) if is_known else None
    with progress_bar() as progress:
        found = inspect_file(
            file,
            settings,
            feed=feed,
            picture=picture,
            as_of=as_of,
            known=held,
            progress=progress.file,
        )
    if as_json:
        print_json([inspection_summary(one) for one in found])
    else:
        for one in found:
            show_inspection(console, one)
    refused = next((one.refusal for one in found if one.refusal is not None), None)
    if refused is not None:
        raise refused


@guarded
def run(
    workspace: Workspace = None,
    full: Annotated[bool, typer.Option("--full", help="全部重算 Recompute everything.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="试算，不改动 Change nothing.")
    ] = False,
    as_of: AsOf = None,
    accept: Annotated[
        str | None, typer.Option(help="放行被拦截的运行，写明原因 Pass the gate, with a reason.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="放行人 Who passes it; you by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """载入、计算、检查、发布。 Load, compute, check, publish.

    Example: diqi run -w mycounty --as-of 2026-06-30
    """
    run_now(
        settings_of(workspace),
        date_of(as_of),
        is_full=full,
        is_dry=dry_run,
        accept=accept,
        by=by,
        as_json=as_json,
    )


@guarded
def nightly(workspace: Workspace = None, as_of: AsOf = None) -> None:
    """夜间运行，输出一行 JSON 供监控。 The nightly run; prints one JSON line for monitoring.

    Example: diqi nightly -w mycounty
    """
    from pipeline.nightly import nightly as run_tonight
    from pipeline.outputs.console import plain

    line, error = run_tonight(lambda: settings_of(workspace), date_of(as_of))
    sys.stdout.write(json.dumps(plain(line), ensure_ascii=False) + "\n")
    if error is not None:
        raise error


@guarded
def rollback(
    run_id: Annotated[int, typer.Argument(metavar="RUN", help="回到哪次运行 Which run.")],
    workspace: Workspace = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="试算，不改动 Change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """回到以前的一次运行：此后的来件暂不采用。 Go back to an earlier run; later deliveries are held.

    Example: diqi rollback 12 -w mycounty
    """
    from pipeline.outputs import console as out
    from pipeline.publication import read_status, rollback_messages, run_summary, write_files
    from pipeline.run import rollback as go_back
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    engine = open_database(settings)
    with progress_bar() as progress:
        result = go_back(engine, settings, run_id, is_dry=dry_run, watch=progress.step)
    summary = run_summary(result)
    paths = {} if result.is_dry else write_files(engine, settings, result)
    status = read_status(engine)
    if as_json:
        files = {name: str(path) for name, path in paths.items()}
        print_json({**summary, "coverage": status["coverage"], "files": files})
        return
    out.show_steps(console, summary["steps"])
    if result.is_dry:
        console.print("试运行，未作任何改动 dry run: nothing was changed")
    else:
        out.show_coverage(console, status["coverage"])
    assert result.rollback is not None  # noqa: S101 - what this run was
    for code, params in rollback_messages(result.rollback):
        for line in both(code, params):
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    for name, path in paths.items():
        console.print(f"{name}: {path}", markup=False, highlight=False, soft_wrap=True)


def run_now(
    settings: Settings,
    as_of: dt.date,
    *,
    as_json: bool,
    is_full: bool = False,
    is_dry: bool = False,
    accept: str | None = None,
    by: str | None = None,
) -> None:
    """Load, compute, check, publish, and say what came of it."""
    from pipeline.outputs import console as out
    from pipeline.publication import (
        gate_messages,
        raise_if_stopped,
        read_status,
        run_summary,
        sheets_of_refusal,
        write_draft,
        write_files,
    )
    from pipeline.run import run as run_all
    from pipeline.workspace import open_database

    engine = open_database(settings)
    drafts: list[Path] = []
    sheets: list[Path] = []
    with (
        told(lambda: sheets),
        nullcontext(sheets) if is_dry else sheets_of_refusal(engine, settings) as sheets,
        progress_bar() as progress,
    ):
        result = run_all(
            engine,
            settings,
            as_of=as_of,
            is_full=is_full,
            is_dry=is_dry,
            accept=accept,
            by=by,
            watch=progress.step,
            load_watch=progress.file,
            draft=lambda connection, found: drafts.append(write_draft(connection, settings, found)),
        )
    summary = run_summary(result)
    if result.is_dry:
        if as_json:
            print_json({**summary, "files": {"report": str(drafts[-1])}})
        else:
            out.show_steps(console, summary["steps"])
            out.show_changes(console, summary["change"])
            console.print("试运行，未作任何改动 dry run: nothing was changed")
            console.print(f"report: {drafts[-1]}", markup=False, highlight=False, soft_wrap=True)
        raise_if_stopped(result)
        return
    paths = write_files(engine, settings, result)
    status = read_status(engine)
    if as_json:
        files = {name: str(path) for name, path in paths.items()}
        print_json({**summary, "coverage": status["coverage"], "files": files})
        return
    out.show_deliveries(console, status["deliveries"])
    out.show_issues(console, status["issues"])
    out.show_steps(console, summary["steps"])
    out.show_changes(console, summary["change"])
    for code, params in gate_messages(result):
        for line in both(code, params):
            console.print(f"- {line}", style="yellow", markup=False, highlight=False)
    out.show_seats(console, status["seats"])
    out.show_coverage(console, status["coverage"])
    out.show_grades(console, status["rules"])
    for feed in result.missing_feeds:
        for line in both(f"report.missing.{feed}", {"feed": feed}):
            console.print(f"- {line}", style="yellow")
    for file in result.unknown_files:
        tell_unknown(file)
    if result.written == 0:
        console.print("没有变化 nothing changed")
    for name, path in paths.items():
        console.print(f"{name}: {path}", markup=False, highlight=False, soft_wrap=True)
