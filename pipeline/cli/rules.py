"""Commands for rule sets: the methods by which land is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.common import AsJson, Workspace, console, guarded, print_json, say
from pipeline.errors import SettingsError
from pipeline.messages import both

app = typer.Typer(help="评价规则 The methods of evaluation.", no_args_is_help=True)

RuleSetId = Annotated[str, typer.Argument(metavar="ID", help="规则代号 Rule set, e.g. cixi-4.0.")]


def _folder(workspace: Path | None) -> Path | None:
    """The workspace, where there is one: rule sets can be looked at without."""
    from pipeline.settings import WORKSPACE_FILE, default_workspace, load_settings

    folder = workspace.resolve() if workspace else default_workspace()
    if workspace is None and not (folder / WORKSPACE_FILE).is_file():
        return None
    return load_settings(folder).workspace


@app.command("list")
@guarded
def rules_list(workspace: Workspace = None, as_json: AsJson = False) -> None:
    """有哪些评价规则，哪套在用，各缺多少数值。 The rule sets, the one in use, what each lacks.

    Example: diqi rules list -w mycounty
    """
    from pipeline.outputs.console import show_rules
    from pipeline.rulebook import list_rules
    from pipeline.settings import load_settings

    folder = _folder(workspace)
    in_use = "" if folder is None else load_settings(folder).evaluation.ruleset
    found = list_rules(folder, in_use)
    if as_json:
        print_json(found)
    else:
        show_rules(console, found)


@app.command("check")
@guarded
def rules_check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE|ID",
            help="规则文件 .toml、填报表 .xlsx 或规则代号 Rules file, form, or id.",
        ),
    ],
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """检查评价规则或填报表：错在哪、怎么改、还缺什么。 What is wrong with a rule set, and what it lacks.

    Example: diqi rules check rules/mycounty.toml
    """
    from pipeline.rulebook import check_rules

    checked = check_rules(what, _folder(workspace))
    texts = [(where, code, both(code, params)) for where, code, params in checked.problems]
    if as_json:
        problems = [
            {"where": where, "code": code, "zh": zh, "en": en} for where, code, (zh, en) in texts
        ]
        form = checked.form and {"file": checked.form[0], "values": checked.form[1]}
        name = checked.name
        print_json({"id": name, "form": form, "problems": problems, "missing": checked.papers})
    else:
        if checked.form is not None:
            file, count = checked.form
            say([("rules.form_laid_over", {"form": file, "count": count, "name": checked.name})])
        for where, _, (zh, en) in texts:
            for line in (f"{where}：{zh}", f"{where}: {en}") if where else (zh, en):
                console.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
        if not texts:
            say([("rules.no_problems", {})])
            _say_open(checked.papers)
    if texts:
        raise SettingsError("rules.has_problems", name=checked.name, count=len(texts))


def _say_open(papers: dict[str, list[str]]) -> None:
    """Say what is left out, by paper."""
    count = sum(len(paths) for paths in papers.values())
    say([("rules.open", {"count": count}) if papers else ("rules.nothing_open", {})])
    nowhere = "/".join(both("rules.no_paper", {}))
    for paper, paths in papers.items():
        console.print(f"  {paper or nowhere}", markup=False, highlight=False, soft_wrap=True)
        for path in paths:
            console.print(f"    {path}", markup=False, highlight=False, soft_wrap=True)


@app.command("form")
@guarded
def rules_form(
    name: RuleSetId,
    out: Annotated[
        Path | None,
        typer.Option(help="文件 File, *.xlsx; default rules/<ID>.xlsx of the workspace."),
    ] = None,
    workspace: Workspace = None,
) -> None:
    """填报表：由单位填写未公布的权重、基准值、档次线。 The form in which an office fills in what is missing.

    Example: diqi rules form cixi-4.0 --out cixi-4.0.xlsx
    """
    from pipeline.rulebook import write_form_of

    path = write_form_of(name, _folder(workspace), out)
    say([("rules.form_written", {"path": str(path), "name": name})])


Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="改动 PATH=VALUE, e.g. scoring.ABOVE.item.tax_per_mu.weight=35."),
]
ToFile = Annotated[Path | None, typer.Option("--out", help="工作簿 Workbook to write, *.xlsx.")]


@app.command("what-if")
@guarded
def rules_what_if(
    rule_sets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[A [B]]", help="两套规则：代号或文件 Two rule sets: ids or files."),
    ] = None,
    sets: Sets = None,
    out: ToFile = None,
    workspace: Workspace = None,
    as_json: AsJson = False,
) -> None:
    """换一套规则，哪些企业的档次会变；不写入任何数据。 What other rules would change; nothing is written.

    Without B the second rule set is the first with the values of --set; without A the first is the one in use.

    Example: diqi rules what-if --set grading.ABOVE.cut.A.share=0.25 -w mycounty
    """
    from pipeline.cli.common import settings_of
    from pipeline.outputs.what_if import show_what_if, write_what_if
    from pipeline.rulebook import two_rule_sets
    from pipeline.what_if import what_if
    from pipeline.workspace import open_database

    settings = settings_of(workspace)
    first, second = two_rule_sets(settings.workspace, settings.rules, rule_sets or [], sets or [])
    found = what_if(open_database(settings), settings, first, second).as_dict()
    if out is not None:
        write_what_if(out, found)
    if as_json:
        print_json(found)
    else:
        show_what_if(console, found)
        if out is not None:
            say([("rules.what_if_written", {"path": str(out), "count": found["moved"]})])


@app.command("compare")
@guarded
def rules_compare(out: ToFile = None, workspace: Workspace = None, as_json: AsJson = False) -> None:
    """计算结果与正式结果不同的企业，及第一处分歧。 Where computed and official grades part, and at which rule.

    Example: diqi rules compare --out parting.xlsx -w mycounty
    """
    from pipeline.cli.common import settings_of
    from pipeline.outputs.what_if import show_compared, write_compared
    from pipeline.what_if import compare_official
    from pipeline.workspace import open_database

    found = compare_official(open_database(settings_of(workspace)))
    if out is not None:
        write_compared(out, found)
    if as_json:
        print_json(found)
    else:
        show_compared(console, found)
        if out is not None:
            say([("rules.what_if_written", {"path": str(out), "count": len(found)})])
