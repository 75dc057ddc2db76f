"""Commands that tell what is there: checks, status, history, explanations, reports, layers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.common import (
    AsJson,
    DataYear,
    When,
    Workspace,
    console,
    guarded,
    print_json,
    say,
    settings_of,
    shown_state,
)
from pipeline.errors import UsageError


@guarded
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

        settings = settings_of(workspace)
        found = check_database(open_database(settings), settings)
    if as_json:
        print_json(found)
        return
    for name, state in found.items():
        console.print(f"{name}: {state}", highlight=False)


@guarded
def status(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """当前发布的结果。 What is published now.

    Example: diqi status -w mycounty
    """
    from pipeline.outputs import console as out
    from pipeline.publication import read_status
    from pipeline.run import contracts_of
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    found = read_status(open_database(settings), contracts_of(settings))
    if as_json:
        print_json(found)
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
    out.show_grades(console, found["rules"])


@guarded
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

    engine = open_database(settings_of(workspace))
    if deliveries:
        rows = read_status(engine)["deliveries"]
        if as_json:
            print_json(rows)
        else:
            show_deliveries(console, rows)
        return
    runs = read_history(engine, limit)
    if as_json:
        print_json(runs)
        return
    for row in runs:
        console.print(history_line(row), highlight=False, soft_wrap=True)


@guarded
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

    with shown_state(settings_of(workspace), as_of, year) as (connection, moment):
        story = tell(connection, kind, key)
    if moment is not None:
        story["as_of"] = moment.as_of.isoformat()
    if as_json:
        print_json(story)
    else:
        sys.stdout.write(render(story) + "\n")


@guarded
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

    settings = settings_of(workspace)
    name = "report.html" if as_of is None else f"report-as-of-{as_of}.html"
    path = output or settings.workspace / "out" / name
    with shown_state(settings, as_of, year) as (connection, moment):
        messages = write_report_of(connection, settings, path, moment)
    say(messages)
    console.print(f"report: {path}", markup=False, highlight=False, soft_wrap=True)


@guarded
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
    with shown_state(settings_of(workspace), as_of, year) as (connection, moment):
        messages = write_export(connection, output, moment)
    say(messages)
    console.print(f"geopackage: {output}", markup=False, highlight=False, soft_wrap=True)
