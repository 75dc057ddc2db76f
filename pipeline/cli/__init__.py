"""Commands and exit codes; no logic.

Every command works on the workspace of ``--workspace``, else ``DIQI_WORKSPACE``, else the current
folder. One module for each group of commands; what is slow to import is imported inside of them.
"""

from __future__ import annotations

import typer

from pipeline.cli import county, office, review, rounds, rules, runs, server, state

app = typer.Typer(
    name="diqi",
    help="地企融合：一码关联、评价覆盖面、一张图。 Land-enterprise fusion for a county.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# In the order of the help.
for command in (
    county.init,
    county.generate,
    county.demo,
    runs.load,
    runs.run,
    runs.nightly,
    office.correct,
    runs.rollback,
    state.check,
    state.status,
    state.history,
    state.explain,
    state.report,
    state.export,
):
    app.command()(command)
app.add_typer(server.app, name="server")
app.add_typer(office.app, name="office")
app.add_typer(review.app, name="review")
app.add_typer(rules.app, name="rules")
app.add_typer(rounds.app, name="round")
