"""Commands and exit codes; no logic.

Every command works on the workspace of ``--workspace``, else ``DIQI_WORKSPACE``, else the current
folder.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec

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
    from pipeline.review.decide import Kind, Role
    from pipeline.settings import Settings

P = ParamSpec("P")

app = typer.Typer(
    name="diqi",
    help="地企融合：一码关联、评价覆盖面、一张图。 Land-enterprise fusion for a county.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
server_app = typer.Typer(help="本工作区的数据库 The workspace's own PostGIS.", no_args_is_help=True)
app.add_typer(server_app, name="server")
office_app = typer.Typer(
    help="数据提供单位：应报、核对、答复 The offices that give the data.", no_args_is_help=True
)
app.add_typer(office_app, name="office")
review_app = typer.Typer(help="核实关联 Links that wait for a person.", no_args_is_help=True)
app.add_typer(review_app, name="review")

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


def _guarded(function: Callable[P, None]) -> Callable[P, None]:
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


def _settings(workspace: Path | None) -> Settings:
    from pipeline.settings import default_workspace, load_settings

    return load_settings(workspace.resolve() if workspace else default_workspace())


def _date(text: str | None) -> dt.date:
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
def _progress() -> Iterator[_Progress]:
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


def _tell_unknown(file: str) -> None:
    log.print(
        f"- 未识别的文件 unknown file: {shown(file)}",
        style="yellow",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@contextmanager
def _told(sheets: Callable[[], list[Path]]) -> Iterator[None]:
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


def _print_json(value: object) -> None:
    from pipeline.outputs.console import plain

    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")


@app.command()
@_guarded
def init(
    folder: Annotated[Path, typer.Argument(help="新工作区 Folder to make.")],
    code: Annotated[str, typer.Option(help="县级行政区代码 County code, 6 digits.")],
    name: Annotated[str, typer.Option(help="名称 Name of the county.")],
    crs: Annotated[str, typer.Option(help="投影坐标系 Projected CRS.")] = "EPSG:4549",
) -> None:
    """建立工作区。 Make a workspace.

    Example: diqi init mycounty --code 330299 --name 青岚县
    """
    from pipeline.settings import load_settings
    from pipeline.workspace import create_workspace

    create_workspace(folder.resolve(), code=code, name=name, crs=crs)
    load_settings(folder.resolve())
    console.print(
        f"{folder}/inbox/ 放入来件，然后 diqi run -w {folder}", markup=False, highlight=False
    )
    console.print(
        f"put the deliveries into {folder}/inbox/, then: diqi run -w {folder}", markup=False
    )


@app.command()
@_guarded
def generate(
    folder: Annotated[Path, typer.Argument(help="文件夹 Folder; a workspace or not.")],
    scale: Scale = None,
    seed: Seed = None,
    night: Annotated[
        int, typer.Option(help="第几夜 Which night; 0 is the first day, 2026-06-30.")
    ] = 0,
    noise: DrawnNoise = None,
    as_json: AsJson = False,
) -> None:
    """生成虚构县的来件和真值。 Write the deliveries of an invented county, and the truth.

    Example: diqi generate demo-county --night 1
    """
    from pipeline.demo import make_county

    made = make_county(folder.resolve(), scale=scale, seed=seed, noise=noise or (), night=night)
    if as_json:
        _print_json(made._asdict())
        return
    console.print(f"规模 scale {made.scale:g}, 种子 seed {made.seed}", highlight=False)
    console.print(f"来件 deliveries: {made.inbox}", markup=False, highlight=False)
    console.print(f"真值 truth: {made.truth}", markup=False, highlight=False)


@app.command()
@_guarded
def demo(
    folder: Annotated[Path, typer.Argument(help="文件夹 Folder.")] = Path("demo-county"),
    scale: Scale = None,
    seed: Seed = None,
    noise: DrawnNoise = None,
    as_json: AsJson = False,
) -> None:
    """生成、载入并运行虚构县。 Make the invented county, load it, run it.

    Example: diqi demo demo-county
    """
    from pipeline.demo import make_demo
    from pipeline.ledger import published_as_of
    from pipeline.settings import load_settings
    from pipeline.workspace import open_database

    workspace = folder.resolve()
    made = make_demo(workspace, scale=scale, seed=seed, noise=noise or ())
    settings = load_settings(workspace)
    published = published_as_of(open_database(settings))
    _run(settings, max(made.date, published or made.date), as_json=as_json)


@app.command()
@_guarded
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
        _inspect(workspace, inspect, feed, picture, _date(as_of), is_draft=draft, as_json=as_json)
        return
    from pipeline.outputs.console import show_deliveries
    from pipeline.publication import change_delivery, delivery_summary, issue_sheets
    from pipeline.run import load as load_inbox
    from pipeline.workspace import open_database

    settings = _settings(workspace)
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
        _told(lambda: sheets),
        issue_sheets(engine, settings) as sheets,
        _progress() as progress,
    ):
        loaded = load_inbox(
            engine,
            settings,
            as_of=_date(as_of),
            load_watch=progress.file,
            tell_unknown=_tell_unknown,
        )
    deliveries = [delivery_summary(delivery) for delivery in loaded]
    if as_json:
        _print_json(deliveries)
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
    settings = _settings(workspace) if is_known else settings_without_workspace()
    if is_draft:
        sys.stdout.write(draft_of(file, settings, feed))
        return
    held = land_of(settings) if is_known else None
    with _progress() as progress:
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
        _print_json([inspection_summary(one) for one in found])
    else:
        for one in found:
            show_inspection(console, one)
    refused = next((one.refusal for one in found if one.refusal is not None), None)
    if refused is not None:
        raise refused


@app.command()
@_guarded
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
    _run(
        _settings(workspace),
        _date(as_of),
        is_full=full,
        is_dry=dry_run,
        accept=accept,
        by=by,
        as_json=as_json,
    )


@app.command()
@_guarded
def nightly(workspace: Workspace = None, as_of: AsOf = None) -> None:
    """夜间运行，输出一行 JSON 供监控。 The nightly run; prints one JSON line for monitoring.

    Example: diqi nightly -w mycounty
    """
    from pipeline.nightly import nightly as run_tonight
    from pipeline.outputs.console import plain

    line, error = run_tonight(lambda: _settings(workspace), _date(as_of))
    sys.stdout.write(json.dumps(plain(line), ensure_ascii=False) + "\n")
    if error is not None:
        raise error


@app.command()
@_guarded
def correct(
    feed: Annotated[str, typer.Argument(help="数据 Feed, e.g. lease.")],
    key: Annotated[str, typer.Argument(help="主键 Key of the record.")],
    field: Annotated[str, typer.Argument(help="字段 Field to correct.")],
    value: Annotated[str, typer.Argument(help="新值 New value; empty text for none.")],
    reason: Annotated[str, typer.Option(help="理由 Why.")],
    author: Annotated[str, typer.Option(help="经办人 Who answers for it.")],
    evidence: Annotated[str | None, typer.Option(help="依据 Evidence.")] = None,
    office: Annotated[str | None, typer.Option(help="单位 Office.")] = None,
    until: Annotated[
        str | None, typer.Option(help="有效期至 First day on which it no longer holds.")
    ] = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """登记一条纠偏；只要来件仍是现在的值就生效。 Correct one field, as long as what is delivered now is.

    Example: diqi correct lease ZL-000066 land_area_m2 246.6667 --reason "contract" --author Li
    """
    from pipeline.corrections import correct as enter
    from pipeline.run import contracts_of, county_of
    from pipeline.workspace import open_database

    settings = _settings(workspace)
    said = {
        "feed": feed,
        "key": key,
        "field": field,
        "new_value": value.strip() or None,
        "reason": reason.strip() or None,
        "author": author.strip() or None,
        "evidence": evidence,
        "office": office,
        "valid_until": until,
    }
    engine = open_database(settings)
    entered = enter(engine, said, contracts_of(settings), county_of(settings))
    if as_json:
        _print_json(entered)
        return
    for line in both("correct.entered" if entered["is_new"] else "correct.known", entered):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
@_guarded
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

    settings = _settings(workspace)
    engine = open_database(settings)
    with _progress() as progress:
        result = go_back(engine, settings, run_id, is_dry=dry_run, watch=progress.step)
    summary = run_summary(result)
    paths = {} if result.is_dry else write_files(engine, settings, result)
    status = read_status(engine)
    if as_json:
        files = {name: str(path) for name, path in paths.items()}
        _print_json({**summary, "coverage": status["coverage"], "files": files})
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


def _run(
    settings: Settings,
    as_of: dt.date,
    *,
    as_json: bool,
    is_full: bool = False,
    is_dry: bool = False,
    accept: str | None = None,
    by: str | None = None,
) -> None:
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
        _told(lambda: sheets),
        nullcontext(sheets) if is_dry else sheets_of_refusal(engine, settings) as sheets,
        _progress() as progress,
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
            _print_json({**summary, "files": {"report": str(drafts[-1])}})
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
        _print_json({**summary, "coverage": status["coverage"], "files": files})
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
    for feed in result.missing_feeds:
        for line in both(f"report.missing.{feed}", {"feed": feed}):
            console.print(f"- {line}", style="yellow")
    for file in result.unknown_files:
        _tell_unknown(file)
    if result.written == 0:
        console.print("没有变化 nothing changed")
    for name, path in paths.items():
        console.print(f"{name}: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command()
@_guarded
def check(
    workspace: Workspace = None,
    is_self: Annotated[
        bool,
        typer.Option("--self", help="检查程序自身 Check the installation, without a database."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """检查各项约束。 Run every check on the live database.

    Example: diqi check -w mycounty
    """
    from pipeline.selfcheck import check_database, check_installation

    if is_self:
        found: dict[str, Any] = check_installation()
    else:
        from pipeline.workspace import open_database

        settings = _settings(workspace)
        found = check_database(open_database(settings), settings)
    if as_json:
        _print_json(found)
        return
    for name, state in found.items():
        console.print(f"{name}: {state}", highlight=False)


@app.command()
@_guarded
def status(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """当前发布的结果。 What is published now.

    Example: diqi status -w mycounty
    """
    from pipeline.outputs import console as out
    from pipeline.publication import read_status
    from pipeline.run import contracts_of
    from pipeline.workspace import open_database

    settings = _settings(workspace)
    found = read_status(open_database(settings), contracts_of(settings))
    if as_json:
        _print_json(found)
        return
    for name in ("run", "published"):
        said = found[name] or {}
        console.print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in said.items() if v is not None))
    out.show_deliveries(console, found["deliveries"])
    if found.get("late"):
        out.show_offices(console, found["late"])
    out.show_issues(console, found["issues"])
    out.show_seats(console, found["seats"])
    out.show_coverage(console, found["coverage"])


@app.command()
@_guarded
def history(
    workspace: Workspace = None,
    limit: Annotated[int, typer.Option(help="条数 How many runs.")] = 20,
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="列出来件 List the deliveries instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """历次运行。 The last runs, newest first.

    Example: diqi history -w mycounty --json
    """
    from pipeline.outputs.console import history_line, show_deliveries
    from pipeline.publication import read_history, read_status
    from pipeline.workspace import open_database

    engine = open_database(_settings(workspace))
    if deliveries:
        rows = read_status(engine)["deliveries"]
        if as_json:
            _print_json(rows)
        else:
            show_deliveries(console, rows)
        return
    runs = read_history(engine, limit)
    if as_json:
        _print_json(runs)
        return
    for row in runs:
        console.print(history_line(row), highlight=False, soft_wrap=True)


@app.command()
@_guarded
def explain(
    kind: Annotated[
        Literal["enterprise", "parcel", "township", "patch"],
        typer.Argument(help="对象 What to explain."),
    ],
    key: Annotated[str, typer.Argument(help="代码或名称 Code or unique name.")],
    workspace: Workspace = None,
    as_of: When = None,
    year: DataYear = None,
    as_json: AsJson = False,
) -> None:
    """从来件到结果的来龙去脉。 The chain from delivered rows to the published figure.

    Example: diqi explain parcel 330299001001GB00001 -w mycounty --as-of 2026-06-30
    """
    from pipeline.explain import explain as tell
    from pipeline.explain import render

    with _shown(_settings(workspace), as_of, year) as (connection, moment):
        story = tell(connection, kind, key)
    if moment is not None:
        story["as_of"] = moment.as_of.isoformat()
    if as_json:
        _print_json(story)
    else:
        sys.stdout.write(render(story) + "\n")


@app.command()
@_guarded
def report(
    workspace: Workspace = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="文件 File; default out/report.html.")
    ] = None,
    as_of: When = None,
    year: DataYear = None,
) -> None:
    """网页报告：现在的，或某日、某次运行的。 The report of now, of a day, or of a run.

    Example: diqi report -w mycounty --as-of 2025-12-31 --year 2025
    """
    from pipeline.publication import write_report_of

    settings = _settings(workspace)
    name = "report.html" if as_of is None else f"report-as-of-{as_of}.html"
    path = output or settings.workspace / "out" / name
    with _shown(settings, as_of, year) as (connection, moment):
        messages = write_report_of(connection, settings, path, moment)
    _say(messages)
    console.print(f"report: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command()
@_guarded
def export(
    output: Annotated[Path, typer.Argument(help="GeoPackage, *.gpkg.")],
    workspace: Workspace = None,
    as_of: When = None,
    year: DataYear = None,
) -> None:
    """导出图层为 GeoPackage：现在的，或某日、某次运行的。 The layers of now, of a day, or of a run.

    Example: diqi export then.gpkg -w mycounty --as-of 12
    """
    from pipeline.publication import write_export

    if output.suffix.lower() != ".gpkg":
        raise UsageError("usage.export", path=str(output))
    with _shown(_settings(workspace), as_of, year) as (connection, moment):
        messages = write_export(connection, output, moment)
    _say(messages)
    console.print(f"geopackage: {output}", markup=False, highlight=False, soft_wrap=True)


def _say(messages: list[tuple[str, dict[str, object]]]) -> None:
    for code, params in messages:
        for line in both(code, params):
            console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _shown(
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


@office_app.command("list")
@_guarded
def office_list(workspace: Workspace = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """各单位的数据、应报日期和逾期。 What each office gives, when it is due, what is overdue.

    Example: diqi office list -w mycounty
    """
    from pipeline.offices import feed_states
    from pipeline.outputs.console import show_offices
    from pipeline.run import contracts_of

    settings = _settings(workspace)
    with _shown(settings, None, None) as (connection, _):
        found = feed_states(connection, contracts_of(settings), _date(as_of))
    if as_json:
        _print_json(found)
    else:
        show_offices(console, found)


@office_app.command("sheet")
@_guarded
def office_sheet(
    office: Annotated[str, typer.Argument(help="单位代码 Code of the office, e.g. land.")],
    workspace: Workspace = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="文件 File, *.xlsx.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """某单位的核对表：它报的数据，以及哪些值被纠偏、为什么。 The sheet that an office is asked to fill in.

    Example: diqi office sheet land -w mycounty
    """
    from pipeline.offices import office_page
    from pipeline.outputs.sheets import write_sheet
    from pipeline.run import contracts_of

    settings, day = _settings(workspace), _date(as_of)
    path = output or settings.workspace / "out" / f"核对表_{office}_{day:%Y%m%d}.xlsx"
    with _shown(settings, None, None) as (connection, _):
        page = office_page(connection, contracts_of(settings), office, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sheet(page, path)
    console.print(f"sheet: {path}", markup=False, highlight=False, soft_wrap=True)


@office_app.command("answer")
@_guarded
def office_answer(
    sheet: Annotated[Path, typer.Argument(help="交回的核对表 The sheet that came back.")],
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """登记单位交回的核对表。 Enter the answers of a sheet that came back.

    Example: diqi office answer 核对表_land_20260701.xlsx -w mycounty
    """
    from pipeline.offices import take_answers
    from pipeline.workspace import open_database

    taken = take_answers(open_database(_settings(workspace)), sheet, _date(as_of))
    if as_json:
        _print_json(taken)
        return
    _say([("office.taken", dict(taken))])


@review_app.command("list")
@_guarded
def review_list(
    workspace: Workspace = None,
    township: OfTownship = None,
    is_all: Annotated[
        bool,
        typer.Option("--all", help="包括没有线索的企业 Also enterprises that nothing places."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """待核实的企业和候选宗地。 Enterprises that wait for a decision, with their candidates.

    Example: diqi review list --township 330299001 -w mycounty
    """
    from pipeline.review.queue import case_lines, read_cases

    with _shown(_settings(workspace), None, None) as (connection, _):
        cases = read_cases(connection, township=township, with_unknown=is_all)
    if as_json:
        _print_json(cases)
    else:
        sys.stdout.write("\n".join(case_lines(cases)) + "\n")


@review_app.command("show")
@_guarded
def review_show(
    enterprise: EnterpriseKey,
    workspace: Workspace = None,
    picture: Annotated[
        Path | None, typer.Option(help="地图 PNG; default out/review/<enterprise>.png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """名录和土地两边的情况、依据、以前的决定和地图。 Both sides, the evidence, earlier decisions, a map.

    Example: diqi review show 91330299MA9T00340Y -w mycounty
    """
    from pipeline.review.sides import both_sides, draw_sides, file_name, sides_text

    settings = _settings(workspace)
    with _shown(settings, None, None) as (connection, _):
        story = both_sides(connection, enterprise)
        name = f"{file_name(story['key'])}.png"
        path = picture or settings.workspace / "out" / "review" / name
        is_drawn = draw_sides(connection, story, path)
    if as_json:
        _print_json({**story, "picture": str(path) if is_drawn else None})
        return
    sys.stdout.write(sides_text(story) + "\n")
    _say([] if is_drawn else [("review.no_picture", {})])
    if is_drawn:
        console.print(f"picture: {path}", markup=False, highlight=False, soft_wrap=True)


@review_app.command("accept")
@_guarded
def review_accept(
    enterprise: EnterpriseKey,
    parcel: ParcelCode,
    reason: Why,
    role: Annotated[
        Literal["owner", "tenant", "sub_tenant", "operator"] | None,
        typer.Option(help="用地关系 Role; by default what the evidence says."),
    ] = None,
    author: Author = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """确认企业使用某宗地：候选的，或另一宗。 The enterprise uses this parcel, a candidate or another one.

    Example: diqi review accept 91330299MA9T00340Y 330299001001GB00026 --reason "seen on site" --author Li
    """
    _decide(
        workspace, "accept_link", enterprise, parcel, reason, author, role=role, as_json=as_json
    )


@review_app.command("reject")
@_guarded
def review_reject(
    enterprise: EnterpriseKey,
    parcel: ParcelCode,
    reason: Why,
    author: Author = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """企业不使用某宗地。 The enterprise does not use this parcel.

    Example: diqi review reject 91330299MA9T00340Y 330299001001GB00027 --reason "only a corner" --author Li
    """
    _decide(workspace, "reject_link", enterprise, parcel, reason, author, as_json=as_json)


@review_app.command("not-here")
@_guarded
def review_not_here(
    enterprise: EnterpriseKey,
    reason: Why,
    off_site: Annotated[
        bool, typer.Option("--off-site", help="已外迁或在县外 No land in the county (default).")
    ] = False,
    no_premises: Annotated[
        bool,
        typer.Option("--no-industrial-premises", help="无工业用房 Here, on no industrial land."),
    ] = False,
    author: Author = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """企业不在本县，或无工业用房。 The enterprise has no land here, or none that is industrial.

    Example: diqi review not-here 91330299MA9T00340Y --no-industrial-premises --reason "an office" --author Li
    """
    if off_site and no_premises:
        raise UsageError("review.one_of_two")
    kind: Kind = "no_industrial_premises" if no_premises else "off_site"
    _decide(workspace, kind, enterprise, None, reason, author, as_json=as_json)


def _decide(
    workspace: Path | None,
    kind: Kind,
    enterprise: str,
    parcel: str | None,
    reason: str,
    author: str | None,
    *,
    as_json: bool,
    role: Role | None = None,
) -> None:
    from pipeline.review.decide import decide, decision_messages
    from pipeline.run import user_name
    from pipeline.workspace import open_database

    engine = open_database(_settings(workspace))
    who = user_name() if author is None else author
    entered = decide(engine, kind, enterprise, parcel, reason=reason, author=who, role=role)
    if as_json:
        _print_json(entered)
    else:
        _say(decision_messages(entered))


@review_app.command("export")
@_guarded
def review_export(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="文件夹 Folder; default out/review.")
    ] = None,
    workspace: Workspace = None,
    township: OfTownship = None,
    as_json: AsJson = False,
) -> None:
    """每个镇街一份待核实表。 One workbook per township, to be filled in.

    Example: diqi review export -w mycounty
    """
    from pipeline.review.sheets import export_sheets

    settings = _settings(workspace)
    with _shown(settings, None, None) as (connection, _):
        paths = export_sheets(connection, folder or settings.workspace / "out" / "review", township)
    if as_json:
        _print_json([str(path) for path in paths])
        return
    _say([] if paths else [("review.nothing_waits", {})])
    for path in paths:
        console.print(f"sheet: {path}", markup=False, highlight=False, soft_wrap=True)


@review_app.command("import")
@_guarded
def review_import(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="交回的表 Workbooks that came back.")
    ],
    workspace: Workspace = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="依据已变也采用 Take lines whose evidence has changed, too."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """登记交回的待核实表；有一格填错则一行也不采用。 Enter what came back; nothing while a cell is wrong.

    Example: diqi review import out/review/待核实_330299001_青云镇.xlsx -w mycounty
    """
    from pipeline.review.sheets import import_sheets
    from pipeline.workspace import open_database

    taken = import_sheets(open_database(_settings(workspace)), files, anyway=anyway)
    for code, params in taken.problems:
        for line in both(code, params):
            log.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    if taken.problems:
        raise UsageError("review.nothing_taken", count=len(taken.problems))
    if as_json:
        _print_json({**taken.counts, "decisions": taken.acts, "left_out": taken.changed})
        return
    _say(taken.changed)
    _say([("review.taken", dict(taken.counts))])


@server_app.command("start")
@_guarded
def server_start(workspace: Workspace = None) -> None:
    """启动数据库。 Start the private PostGIS.

    Example: diqi server start -w mycounty
    """
    from pipeline.workspace import open_database

    settings = _settings(workspace)
    open_database(settings)
    console.print("running")


@server_app.command("stop")
@_guarded
def server_stop(workspace: Workspace = None) -> None:
    """停止数据库。 Stop the private PostGIS.

    Example: diqi server stop -w mycounty
    """
    from pipeline.server import PrivateServer

    PrivateServer(_settings(workspace).workspace).stop()
    console.print("stopped")


@server_app.command("status")
@_guarded
def server_status(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """数据库状态。 State of the private PostGIS.

    Example: diqi server status -w mycounty
    """
    import dataclasses

    from pipeline.server import PrivateServer

    found = dataclasses.asdict(PrivateServer(_settings(workspace).workspace).status())
    if as_json:
        _print_json(found)
        return
    for name, value in found.items():
        console.print(f"{name}: {value}", markup=False, highlight=False, soft_wrap=True)


@server_app.command("dsn")
@_guarded
def server_dsn(workspace: Workspace = None) -> None:
    """连接串，一行。 One libpq connection string on one line.

    Example: psql "$(diqi server dsn -w mycounty)"
    """
    from pipeline.workspace import dsn_of

    sys.stdout.write(dsn_of(_settings(workspace)) + "\n")


@server_app.command("prepare-sql")
@_guarded
def server_prepare_sql(workspace: Workspace = None) -> None:
    """给定服务器的管理员须执行的语句。 What the administrator of a given server must run.

    Example: diqi server prepare-sql -w mycounty | psql -U postgres -d county
    """
    from pipeline.workspace import preparation

    sys.stdout.write(preparation(_settings(workspace)))


if __name__ == "__main__":
    app()
