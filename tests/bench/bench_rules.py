"""How long the evaluation by rules takes: a county with every rule and the whole trace, a what-if, ten times.

A generated county is run once with the demonstration rules. Then the evidence is read, graded and
traced; another rule set is compared and its workbook written; and ten copies of the evidence are graded
and traced in memory. Grades of the copies must be those of the county. Times are not judged.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from linking import new_county
from measure import machine
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from pipeline.database import migrate, open_engine
from pipeline.demo import write_rules
from pipeline.demo.generator import FIRST_DAY
from pipeline.domain.rules.engine import Outcome, evaluate
from pipeline.domain.rules.facts import Evidence, read_facts
from pipeline.domain.rules.trace import trace_of
from pipeline.outputs.what_if import write_what_if
from pipeline.rulebook import load_rules
from pipeline.run import run
from pipeline.server import PrivateServer
from pipeline.settings import Settings
from pipeline.steps.grade_units import read_evidence, read_figure_records
from pipeline.what_if import what_if

COPIES = 10
SHORT_SCALE = 0.02
# Seconds at scale 1 on two cores; ten times as many may take so many times as long.
TARGETS = {"grade and trace": 3.0, "what-if": 5.0, "ratio": 12.0}
RULES = "demo-1.0"
CHANGES = {"grading.ABOVE.cut.A.share": 0.3, "bonus.CX-P2.points": 2}
YEAR = FIRST_DAY.year - 1
console = Console(width=110, highlight=False)


def timed(function: Callable[[], object], rounds: int) -> float:
    """Least seconds of some rounds: other work on the machine only adds."""
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        least = min(least, time.perf_counter() - start)
    return least


def copied(evidence: Evidence, records: pd.DataFrame, copies: int) -> tuple[Evidence, pd.DataFrame]:
    """So many copies of the evidence, each with units of its own."""

    def many(table: pd.DataFrame) -> pd.DataFrame:
        parts = [table.assign(unit_code=table["unit_code"] + f"#{n}") for n in range(copies)]
        return pd.concat(parts, ignore_index=True)

    tables = {
        name: many(getattr(evidence, name))
        for name in ("units", "figures", "recognitions", "talents")
    }
    return dataclasses.replace(evidence, **tables), many(records)


def graded_and_traced(evidence: Evidence, records: pd.DataFrame, settings: Settings) -> Outcome:
    """Everything that an issue of the county's results computes."""
    assert settings.rules is not None
    outcome = evaluate(read_facts(settings.rules, evidence))
    trace_of(outcome, None, records)
    return outcome


def measure_rules(
    engine: Engine, settings: Settings, folder: Path, rounds: int
) -> tuple[dict[str, float], list[str]]:
    """Seconds of each part, and what is not as it should be."""
    rules = settings.rules
    assert rules is not None
    found: dict[str, float] = {}
    with engine.connect() as connection:
        found["read evidence"] = timed(lambda: read_evidence(connection, YEAR, FIRST_DAY), rounds)
        evidence = read_evidence(connection, YEAR, FIRST_DAY)
        records = read_figure_records(connection, YEAR, rules)
    found["units"] = float(len(evidence.units))
    found["grade"] = timed(lambda: evaluate(read_facts(rules, evidence)), rounds)
    found["grade and trace"] = timed(lambda: graded_and_traced(evidence, records, settings), rounds)
    other = load_rules(RULES, settings.workspace, CHANGES)

    def asked() -> None:
        write_what_if(folder / "what-if.xlsx", what_if(engine, settings, rules, other).as_dict())

    found["what-if"] = timed(asked, rounds)
    many, more = copied(evidence, records, COPIES)
    found["ten times"] = timed(lambda: graded_and_traced(many, more, settings), rounds)
    # ten counties alike have the means and the shares of one
    one = evaluate(read_facts(rules, evidence)).grade
    ten = evaluate(read_facts(rules, many)).grade
    differ = sum(int((ten[n * len(one) : (n + 1) * len(one)] != one).sum()) for n in range(COPIES))
    # a share of ten times as many may end one place later: the last place of each cut, no more
    allowed = COPIES * 12
    return found, [f"{differ} grades of the copies"] if differ > allowed else []


def show(found: dict[str, float]) -> None:
    """Print the table."""
    table = Table(title="Evaluation by rules, seconds (least of the rounds)", title_justify="left")
    table.add_column("what")
    table.add_column(f"{found['units']:,.0f} units", justify="right")
    for name in ("read evidence", "grade", "grade and trace", "what-if", "ten times"):
        table.add_row(name, f"{found[name]:.2f}")
    console.print(table)
    for name in ("grade and trace", "what-if"):
        console.print(f"{name}: {found[name]:.2f} s, at most {TARGETS[name]:.0f} s at scale 1")
    ratio = found["ten times"] / found["grade and trace"]
    console.print(f"ten times as many: {ratio:.2f} times one; {TARGETS['ratio']:.0f} at most")


def main() -> int:
    """Make the county, run it, time the rules; 1 where the copies have other grades."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="scale 0.02, one round: for CI")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    given = parser.parse_args()
    if given.short:
        given.scale, given.rounds = SHORT_SCALE, 1
    # who is told to end stops its server, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="diqi-rules-"))
    server = PrivateServer(folder)
    try:
        settings = new_county(folder, scale=given.scale, seed=given.seed)
        write_rules(folder)
        settings = settings.model_copy(update={"rules": load_rules(RULES, folder)})
        engine = open_engine(server.start())
        migrate(engine, settings)
        run(engine, settings, as_of=FIRST_DAY)
        found, said = measure_rules(engine, settings, folder, given.rounds)
        engine.dispose()
        show(found)
        if given.json is not None:
            figures = {"scale": given.scale, "seed": given.seed, "machine": machine(), **found}
            text = json.dumps(figures, ensure_ascii=False, indent=2)
            given.json.write_text(text + "\n", encoding="utf-8")
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
    for line in said:
        console.print(f"not the same: {line}", style="red", markup=False)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
