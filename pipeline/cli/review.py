"""Commands for links that wait for a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.cli.common import (
    AsJson,
    Author,
    EnterpriseKey,
    OfTownship,
    ParcelCode,
    Why,
    Workspace,
    console,
    guarded,
    log,
    print_json,
    say,
    settings_of,
    shown_state,
)
from pipeline.errors import UsageError
from pipeline.messages import both

if TYPE_CHECKING:
    from pipeline.review.decide import Kind, Role

app = typer.Typer(help="核实关联 Links that wait for a person.", no_args_is_help=True)


@app.command("list")
@guarded
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

    with shown_state(settings_of(workspace), None, None) as (connection, _):
        cases = read_cases(connection, township=township, with_unknown=is_all)
    if as_json:
        print_json(cases)
    else:
        sys.stdout.write("\n".join(case_lines(cases)) + "\n")


@app.command("show")
@guarded
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

    settings = settings_of(workspace)
    with shown_state(settings, None, None) as (connection, _):
        story = both_sides(connection, enterprise)
        name = f"{file_name(story['key'])}.png"
        path = picture or settings.workspace / "out" / "review" / name
        is_drawn = draw_sides(connection, story, path)
    if as_json:
        print_json({**story, "picture": str(path) if is_drawn else None})
        return
    sys.stdout.write(sides_text(story) + "\n")
    say([] if is_drawn else [("review.no_picture", {})])
    if is_drawn:
        console.print(f"picture: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command("accept")
@guarded
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


@app.command("reject")
@guarded
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


@app.command("not-here")
@guarded
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

    engine = open_database(settings_of(workspace))
    who = user_name() if author is None else author
    entered = decide(engine, kind, enterprise, parcel, reason=reason, author=who, role=role)
    if as_json:
        print_json(entered)
    else:
        say(decision_messages(entered))


@app.command("export")
@guarded
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

    settings = settings_of(workspace)
    with shown_state(settings, None, None) as (connection, _):
        paths = export_sheets(connection, folder or settings.workspace / "out" / "review", township)
    if as_json:
        print_json([str(path) for path in paths])
        return
    say([] if paths else [("review.nothing_waits", {})])
    for path in paths:
        console.print(f"sheet: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command("import")
@guarded
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

    taken = import_sheets(open_database(settings_of(workspace)), files, anyway=anyway)
    for code, params in taken.problems:
        for line in both(code, params):
            log.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    if taken.problems:
        raise UsageError("review.nothing_taken", count=len(taken.problems))
    if as_json:
        print_json({**taken.counts, "decisions": taken.acts, "left_out": taken.changed})
        return
    say(taken.changed)
    say([("review.taken", dict(taken.counts))])
