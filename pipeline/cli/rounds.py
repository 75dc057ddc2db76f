"""Commands for a round of evaluation: from collecting the data to the issued result and its corrections."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.common import (
    AsJson,
    AsOf,
    Author,
    EnterpriseKey,
    OfTownship,
    Why,
    Workspace,
    console,
    date_of,
    guarded,
    log,
    print_json,
    say,
    settings_of,
    shown_state,
)
from pipeline.errors import CheckFailed, UsageError
from pipeline.messages import both

if TYPE_CHECKING:
    from pipeline.round.acts import Signed
    from pipeline.round.issue import Issued

app = typer.Typer(
    help="评价轮次：数据、确认、公示、发布、更正 A round of evaluation, up to the issued result.",
    no_args_is_help=True,
)
Edition = Annotated[int | None, typer.Option("--edition", help="版次 Edition; newest by default.")]


def _signed(author: str | None, as_of: str | None) -> Signed:
    from pipeline.round.acts import Signed
    from pipeline.run import user_name

    return Signed(user_name() if author is None else author, date_of(as_of))


@app.command("open")
@guarded
def round_open(
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """开始本数据年度的评价轮次。 Open the round of the data year that is published.

    Example: diqi round open --author Li -w mycounty
    """
    from pipeline.round.acts import open_round
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    done = open_round(open_database(settings), settings, _signed(author, as_of))
    if as_json:
        print_json(done)
        return
    say([("round.opened" if done["is_new"] else "round.open_already", done)])


@app.command("status")
@guarded
def round_status(workspace: Workspace = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """走到哪一步，发布前还有哪些事，分单位和镇街。 How far it is, and what still blocks the issue.

    Example: diqi round status -w mycounty
    """
    from pipeline.outputs.console import show_blockers
    from pipeline.round.status import read_round_status
    from pipeline.run import contracts_of

    settings = settings_of(workspace)
    with shown_state(settings, None, None) as (connection, _):
        found = read_round_status(connection, settings, contracts_of(settings), date_of(as_of))
    if as_json:
        print_json(found)
        return
    say(_status_messages(found))
    if found["blockers"]:
        show_blockers(console, found["blockers"])
    codes = dict.fromkeys(one["code"] for one in found["blockers"] if one["blocks"])
    say([(f"round.next.{code}", {}) for code in codes])
    say([("round.objection", one) for one in found["open_objections"]])


def _status_messages(found: dict[str, Any]) -> list[tuple[str, dict[str, object]]]:
    """Stage, due date, notice period, lists and editions."""
    code = "round.late" if found["days_left"] < 0 else "round.due"
    days = {**found, "days": abs(found["days_left"])}
    said: list[tuple[str, dict[str, object]]] = [
        (f"round.stage.{found['stage']}", found),
        ("round.is_issued_by" if found["editions"] else code, days),
        ("round.confirmations", found["confirmations"]),
    ]
    if found["notice"] is not None:
        said.append(("round.notice", found["notice"]))
    said.extend(("round.edition", edition) for edition in found["editions"])
    said.append(("round.blocking" if found["blocking"] else "round.nothing_blocks", found))
    return said


@app.command("confirm")
@guarded
def round_confirm(
    enterprise: Annotated[
        str | None,
        typer.Argument(
            metavar="[ENTERPRISE]", help="登记一家已确认 Enter that this enterprise confirms."
        ),
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option("--read", help="交回的确认单所在文件夹 Folder with sheets that came back."),
    ] = None,
    township: OfTownship = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--enterprise", help="只写这几家 Sheets of these only; repeatable."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="文件夹 Folder; default out/rounds/<year>/确认单."),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="数据已变也采用 Take sheets whose data has changed, too."),
    ] = False,
    reason: Annotated[str | None, typer.Option("--reason", help="理由 Why.")] = None,
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """写出一企一单确认单；读入交回的；或登记一家已确认。 Write, read or enter confirmations.

    Example: diqi round confirm --township 330299001 -w mycounty
    Example: diqi round confirm --read returned/ -w mycounty
    Example: diqi round confirm 91330299MA9T00340Y --reason "by telephone" --author Li -w mycounty
    """
    if sum([enterprise is not None, read is not None]) > 1:
        raise UsageError("round.confirm_one_of")
    if read is not None:
        _read_sheets(workspace, read, author, as_of, anyway=anyway, as_json=as_json)
    elif enterprise is not None:
        _confirm_one(workspace, enterprise, reason or "", author, as_of, as_json=as_json)
    else:
        _write_sheets(workspace, folder, township, only, as_json=as_json)


def _write_sheets(
    workspace: Path | None,
    folder: Path | None,
    township: str | None,
    only: list[str] | None,
    *,
    as_json: bool,
) -> None:
    from pipeline.round.acts import published
    from pipeline.round.confirm import write_sheets
    from pipeline.round.issue import folder_of

    settings = settings_of(workspace)
    with shown_state(settings, None, None) as (connection, _):
        year = published(connection).data_year
        target = folder or folder_of(settings, year) / "确认单"
        done = write_sheets(connection, settings, target, township=township, enterprises=only)
    if as_json:
        print_json(
            {**asdict(done), "folder": str(done.folder), "kept": [str(p) for p in done.kept]}
        )
        return
    say([("round.sheets_written", {**asdict(done), "count": len(done.kept)})])
    say([("round.sheet_kept", {"file": str(path)}) for path in done.kept])


def _read_sheets(
    workspace: Path | None,
    folder: Path,
    author: str | None,
    as_of: str | None,
    *,
    anyway: bool,
    as_json: bool,
) -> None:
    from pipeline.round.confirm import read_sheets
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    done = read_sheets(
        open_database(settings), settings, folder, _signed(author, as_of), anyway=anyway
    )
    if as_json:
        problems = [{"code": code, **params} for code, params in done.problems]
        print_json({**asdict(done), "problems": problems})
    else:
        for code, params in done.problems:
            for line in both(code, params):
                log.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
        say([("round.sheets_read", asdict(done))])
    if done.problems:
        raise UsageError("round.sheets_wrong", count=len(done.problems))


def _confirm_one(
    workspace: Path | None,
    enterprise: str,
    reason: str,
    author: str | None,
    as_of: str | None,
    *,
    as_json: bool,
) -> None:
    from pipeline.round.confirm import confirm_by_hand
    from pipeline.workspace import open_database

    engine = open_database(settings_of(workspace))
    done = confirm_by_hand(engine, enterprise, _signed(author, as_of), reason=reason)
    if as_json:
        print_json(done)
        return
    say([("round.confirmed" if done["is_new"] else "round.known", done)])


@app.command("announce")
@guarded
def round_announce(
    first: Annotated[
        str, typer.Option("--from", metavar="DATE", help="公示第一天 First day, YYYY-MM-DD.")
    ],
    days: Annotated[int, typer.Option("--days", help="公示天数 Length in days.")],
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """公示：写出四张名单并记录公示了什么。 Begin the notice period and write its lists.

    Example: diqi round announce --from 2026-03-16 --days 7 --author Li -w mycounty
    """
    from pipeline.round.acts import locked, published
    from pipeline.round.issue import folder_of
    from pipeline.round.lists import announce
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    start = date_of(first)
    with locked(open_database(settings)) as connection:
        folder = folder_of(settings, published(connection).data_year) / "公示"
        done = announce(
            connection, settings, _signed(author, as_of), first=start, days=days, folder=folder
        )
    if as_json:
        print_json({**done, "files": [str(path) for path in done["files"]]})
        return
    say([("round.announced", {**done, "total": sum(done["counts"].values())})])
    _tell_files(done["files"])


def _tell_files(files: list[Path]) -> None:
    for path in files:
        console.print(f"file: {path}", markup=False, highlight=False, soft_wrap=True)


@app.command("object")
@guarded
def round_object(
    enterprise: EnterpriseKey,
    words: Annotated[str, typer.Argument(metavar="TEXT", help="异议内容 What it says.")],
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """登记企业的异议；答复前阻断发布。 Enter an objection; it blocks the issue until it is answered.

    Example: diqi round object 91330299MA9T00340Y "用电量有误" --author Li -w mycounty
    """
    from pipeline.round.confirm import object_by_hand
    from pipeline.workspace import open_database

    engine = open_database(settings_of(workspace))
    done = object_by_hand(engine, enterprise, _signed(author, as_of), words)
    if as_json:
        print_json(done)
        return
    say([("round.objected" if done["is_new"] else "round.known", done)])


@app.command("answer")
@guarded
def round_answer(
    objection: Annotated[
        int, typer.Argument(metavar="ACT", help="异议编号 Its number; see status.")
    ],
    words: Annotated[str, typer.Argument(metavar="TEXT", help="答复 The answer.")],
    is_accepted: Annotated[
        bool | None, typer.Option("--accepted/--refused", help="采纳或不采纳 Whether it is right.")
    ] = None,
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """答复异议。 Answer an objection.

    Example: diqi round answer 12 "已核对电表" --accepted --author Li -w mycounty
    """
    from pipeline.round.acts import answer
    from pipeline.workspace import open_database

    if is_accepted is None:
        raise UsageError("round.accepted_or_refused")
    engine = open_database(settings_of(workspace))
    done = answer(engine, objection, words, _signed(author, as_of), is_accepted=is_accepted)
    if as_json:
        print_json(done)
        return
    say([(f"round.answered_{done['answer']}", done)])


@app.command("decide")
@guarded
def round_decide(
    enterprise: EnterpriseKey,
    reason: Why,
    grade: Annotated[
        str | None,
        typer.Argument(metavar="[GRADE]", help='档次 Grade; "" takes the decision back.'),
    ] = None,
    transition_end: Annotated[
        str | None,
        typer.Option(
            "--transition-end", help='过渡期截止（不含） First day after it; "" takes it back.'
        ),
    ] = None,
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """人工调档或核定过渡期截止；任何运行都不会覆盖。 Decide a grade, or the end of a transition.

    Example: diqi round decide 91330299MA9T00340Y B --reason "meeting of 12 March" --author Li -w mycounty
    """
    from pipeline.round.acts import decide
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    done = decide(
        open_database(settings),
        settings,
        enterprise,
        _signed(author, as_of),
        reason=reason,
        grade=grade,
        transition_end=transition_end,
    )
    if as_json:
        print_json(done)
        return
    for one in done:
        code = "known" if not one["is_new"] else "decided" if one["value"] else "taken_back"
        kind = " / ".join(both(f"round.kind.{one['kind']}", {}))
        say([(f"round.{code}", {**one, "kind": kind})])


@app.command("issue")
@guarded
def round_issue(
    reason: Annotated[
        str, typer.Option("--reason", help="依据或说明 On what it rests.")
    ] = "年度评价结果发布 annual result",
    accept: Annotated[
        str | None,
        typer.Option("--accept", help="仍有事项未处理时发布的理由 Why to issue all the same."),
    ] = None,
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """发布结果：冻结并写出附件。 Issue the result: freeze it and write the annexes.

    Example: diqi round issue --author Li -w mycounty
    """
    from pipeline.round.issue import issue
    from pipeline.run import contracts_of
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    done = issue(
        open_database(settings),
        settings,
        contracts_of(settings),
        _signed(author, as_of),
        reason=reason,
        accept=accept,
    )
    _tell_issued(done, as_json=as_json)


# How many changes a terminal is told; all of them stand in 变更.xlsx.
_MOST_CHANGES = 50


def _change(one: dict[str, Any]) -> dict[str, object]:
    """A change of list or grade in words."""
    from pipeline.explain.page import word

    def shown(name: str) -> object:
        value = one[name]
        if not value:
            return "–"
        return word("eval_category", value) if name.startswith("list_") else value

    return {name: shown(name) for name in one}


def _tell_issued(done: Issued, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(done), "files": [str(path) for path in done.files]})
        return
    total = sum(count for kind, count in done.counts.items() if kind != "none")
    params: dict[str, object] = {
        "year": done.year,
        "edition": done.edition,
        "total": total,
        "hash": done.result_hash,
        "changes": len(done.changes),
        "units": len(done.changed_units),
    }
    say([("round.issued" if done.edition == 1 else "round.amended", params)])
    say([("round.changed", _change(one)) for one in done.changes[:_MOST_CHANGES]])
    if done.accepted:
        say([("round.accepted", {"count": len(done.accepted)})])
    _tell_files(done.files)


@app.command("amend")
@guarded
def round_amend(
    reason: Why,
    enterprises: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ENTERPRISE...", help="重新评价的企业 Enterprises to evaluate anew."
        ),
    ] = None,
    is_whole: Annotated[
        bool, typer.Option("--whole", help="全部重新评价 Evaluate everything anew.")
    ] = False,
    author: Author = None,
    workspace: Workspace = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """发布后更正：出新版，只改这几家，基准值和档次线不变。 Correct an issued result: a new edition.

    Example: diqi round amend 91330299MA9T00340Y --reason "meter corrected" --author Li -w mycounty
    """
    from pipeline.round.issue import amend
    from pipeline.run import contracts_of
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    done = amend(
        open_database(settings),
        settings,
        contracts_of(settings),
        enterprises or [],
        _signed(author, as_of),
        reason=reason,
        is_whole=is_whole,
    )
    _tell_issued(done, as_json=as_json)


@app.command("verify")
@guarded
def round_verify(
    year: Annotated[
        int | None, typer.Option("--year", help="数据年度 Data year; by default the published one.")
    ] = None,
    edition: Edition = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """只凭冻结的依据和规则重算已发布结果并比对。 Compute issued results anew from what was frozen.

    Example: diqi round verify -w mycounty
    """
    from pipeline.round.issue import verify
    from pipeline.workspace import open_database

    found = verify(open_database(settings_of(workspace)), year, edition)
    if as_json:
        print_json(found)
    else:
        say([("round.differs" if one["differs"] else "round.same", one) for one in found])
    broken = [one["edition"] for one in found if one["differs"]]
    if broken:
        raise CheckFailed("round.broken", year=found[0]["year"], editions=broken)


@app.command("lists")
@guarded
def round_lists(
    edition: Edition = None, workspace: Workspace = None, as_json: AsJson = False
) -> None:
    """重写某版的附件；内容逐字节相同。 Write the annexes of an edition anew; the bytes are the same.

    Example: diqi round lists --edition 1 -w mycounty
    """
    from pipeline.round.issue import write_again
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    year, number, files = write_again(open_database(settings), settings, edition)
    if as_json:
        print_json({"year": year, "edition": number, "files": [str(path) for path in files]})
        return
    _tell_files(files)
