"""Commands for the offices that give the data, and for what is corrected in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.common import (
    AsJson,
    AsOf,
    Workspace,
    console,
    date_of,
    guarded,
    print_json,
    say,
    settings_of,
    shown_state,
)
from pipeline.messages import both

app = typer.Typer(
    help="数据提供单位：应报、核对、答复 The offices that give the data.", no_args_is_help=True
)


@guarded
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

    settings = settings_of(workspace)
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
        print_json(entered)
        return
    for line in both("correct.entered" if entered["is_new"] else "correct.known", entered):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command("list")
@guarded
def office_list(workspace: Workspace = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """各单位的数据、应报日期和逾期。 What each office gives, when it is due, what is overdue.

    Example: diqi office list -w mycounty
    """
    from pipeline.offices import feed_states
    from pipeline.outputs.console import show_offices
    from pipeline.run import contracts_of

    settings = settings_of(workspace)
    with shown_state(settings, None, None) as (connection, _):
        found = feed_states(connection, contracts_of(settings), date_of(as_of))
    if as_json:
        print_json(found)
    else:
        show_offices(console, found)


@app.command("sheet")
@guarded
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

    settings, day = settings_of(workspace), date_of(as_of)
    path = output or settings.workspace / "out" / f"核对表_{office}_{day:%Y%m%d}.xlsx"
    with shown_state(settings, None, None) as (connection, _):
        page = office_page(connection, contracts_of(settings), office, day)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sheet(page, path)
    console.print(f"sheet: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command("answer")
@guarded
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

    taken = take_answers(open_database(settings_of(workspace)), sheet, date_of(as_of))
    if as_json:
        print_json(taken)
        return
    say([("office.taken", dict(taken))])
