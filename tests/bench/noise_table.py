"""What the linker makes of damaged files: one table by kind of damage and stage, one by case.

A generated county with noise is loaded and linked, and its links are held against the truth: how many
of the accepted ones are right, how many of the true ones are found, and where the others are. With
``--dsn`` and ``--truth`` it judges a county that has been run already.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
from linking import link_all, load_records, new_county, new_database
from rich.console import Console
from rich.table import Table

from pipeline.database import open_engine
from pipeline.demo.generator import FIRST_DAY
from pipeline.server import PrivateServer

PAIR = ["enterprise_code", "parcel_code"]
FIRST = 3  # of the candidates that a person is shown
TARGETS = {"precision": 0.99, "recall": 0.97, "in review": 0.80}
_LINKS = """
    SELECT l.enterprise_code, l.parcel_code, l.role, l.stage, l.reason, l.status, l.rank,
      CAST(l.score AS double precision) AS score, CAST(l.parts AS text) AS parts
    FROM derived.link AS l
"""
console = Console(width=150, highlight=False)


def read_links(dsn: str) -> pd.DataFrame:
    """All links of a database, accepted and in review."""
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(_LINKS)
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=columns)


def judge(links: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell for each true link where it is, and which accepted links are wrong.

    A link is right when enterprise, parcel and role are. Where only the role is not, the true link
    has the outcome ``other role``. One whose pair is not accepted is in review when the pair is.

    Shape:  links and truth in; the truth with ``outcome`` (the stage that accepted it, ``other
            role``, ``review`` among the first, ``review, later`` or ``nowhere``), and the wrong
            links with what is true of their enterprise, out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-make-a-county.md.
    """
    accepted = links[links["status"] == "accepted"]
    review = links[links["status"] == "review"].groupby(PAIR)["rank"].min().reset_index()
    held = truth.merge(accepted[[*PAIR, "role", "stage"]], how="left", on=[*PAIR, "role"])
    held = held.merge(review, how="left", on=PAIR)
    pairs = pd.MultiIndex.from_frame(accepted[PAIR])
    held["is_paired"] = pd.MultiIndex.from_frame(held[PAIR]).isin(pairs)
    held["outcome"] = held["stage"].where(
        held["stage"].notna(),
        np.select(
            [held["is_paired"], held["rank"] <= FIRST, held["rank"].notna()],
            ["other role", "review", "review, later"],
            "nowhere",
        ),
    )
    wrong = accepted.merge(truth[[*PAIR, "role"]], how="left", on=[*PAIR, "role"], indicator=True)
    wrong = wrong[wrong["_merge"] == "left_only"].drop(columns=["_merge", "status", "rank"])
    wrong["is_pair"] = pd.MultiIndex.from_frame(wrong[PAIR]).isin(
        pd.MultiIndex.from_frame(truth[PAIR])
    )
    words = truth["parcel_code"] + " " + truth["role"] + " by " + truth["evidence"]
    for column in ("damage", "case"):
        words += (f"; {column} " + truth[column]).where(truth[column] != "", "")
    true = truth.assign(true=words).groupby("enterprise_code")["true"].agg(" / ".join)
    return held, wrong.merge(true.reset_index(), how="left", on="enterprise_code")


def figures(links: pd.DataFrame, held: pd.DataFrame, wrong: pd.DataFrame) -> dict[str, Any]:
    """The figures of a county."""
    accepted = int((links["status"] == "accepted").sum())
    decidable = held["is_decidable"]
    missed = held[~held["is_paired"]]
    review = links[links["status"] == "review"]
    return {
        "true": len(held),
        "accepted": accepted,
        "wrong": len(wrong),
        "wrong pairs": int((~wrong["is_pair"]).sum()),
        "precision": 1 - len(wrong) / accepted,
        "precision of pairs": 1 - (~wrong["is_pair"]).sum() / accepted,
        "recall": held["stage"].notna().mean(),
        "recall of decidable": held.loc[decidable, "stage"].notna().mean(),
        "recall of pairs": held["is_paired"].mean(),
        "recall of decidable pairs": held.loc[decidable, "is_paired"].mean(),
        "missed pairs": len(missed),
        "in review": (missed["outcome"] == "review").mean() if len(missed) else 1.0,
        "in review, decidable": (missed.loc[decidable, "outcome"] == "review").mean(),
        "asked": len(review),
        "enterprises asked about": review["enterprise_code"].nunique(),
    }


def by_damage(held: pd.DataFrame) -> pd.DataFrame:
    """Count outcomes by what was damaged; a link with several damages counts at each."""
    kinds = held.assign(damage=held["damage"].replace("", "nothing").str.split("|"))
    return _counted(kinds.explode("damage"), "damage")


def by_case(held: pd.DataFrame) -> pd.DataFrame:
    """Count outcomes by what was planted."""
    return _counted(held.assign(case=held["case"].replace("", "ordinary")), "case")


def _counted(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    table = pd.crosstab(rows[column], rows["outcome"])
    last = [name for name in ("other role", "review", "review, later", "nowhere") if name in table]
    table = table[[*[name for name in _STAGES if name in table], *last]]
    table.insert(0, "links", table.sum(axis="columns"))
    table["recall"] = 1 - table[last].sum(axis="columns") / table["links"]
    table["of pairs"] = table["recall"] + table.get("other role", 0) / table["links"]
    return table


_STAGES = (
    "right_code",
    "lease_code",
    "registry_parcel",
    "registry_certificate",
    "account",
    "footprint_drawn",
    "footprint_overlap",
    "right_name",
    "lease_name",
    "past_link",
    "address",
    "point",
    "name_similar",
)


def show(
    title: str, found: dict[str, Any], tables: list[pd.DataFrame], wrong: pd.DataFrame
) -> None:
    """Print the figures, the tables and each wrong link."""
    console.print(title, style="bold", markup=False)
    for name, value in found.items():
        target = TARGETS.get(name)
        words = f"{value:.4f}" if isinstance(value, float) else f"{value:,}"
        if target is not None:
            words += f" ({'reached' if value >= target else 'missed'}: {target})"
        console.print(f"  {name}: {words}", markup=False)
    for table in tables:
        shown = Table()
        for name in (table.index.name, *table.columns):
            shown.add_column(
                str(name).replace("registry_", "registry ").replace("footprint_", "footprint ")
            )
        for key, row in table.iterrows():
            shown.add_row(
                str(key),
                *(
                    f"{v:.3f}" if c in {"recall", "of pairs"} else f"{v:.0f}"
                    for c, v in row.items()
                ),
            )
        console.print(shown)
    for row in wrong.sort_values(["is_pair", *PAIR]).to_dict("records"):
        console.print(
            f"{'wrong role' if row['is_pair'] else 'wrong'}: {row['enterprise_code']} {row['parcel_code']} {row['role']} by {row['stage']} "
            f"({row['reason']}, {row['score']:.2f}, {row['parts']}); true: {row['true']}",
            markup=False,
            soft_wrap=True,
        )


def main() -> int:
    """Make, link, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", action="append", help="as of diqi generate; repeatable")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="add the figures there, a line each"
    )
    parser.add_argument("--dsn", help="judge this database")
    parser.add_argument("--truth", type=Path, help="its links.parquet")
    given = parser.parse_args()
    noise = given.noise or ["high"]
    title = f"scale {given.scale}, seed {given.seed}, noise {' '.join(noise)}"
    if given.dsn:
        links, truth = read_links(given.dsn), pd.read_parquet(given.truth)
        title = str(given.truth)
    else:
        # who is told to end stops its server, too
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        folder = Path(tempfile.mkdtemp(prefix="diqi-noise-"))
        server = PrivateServer(folder)
        try:
            settings = new_county(folder, scale=given.scale, seed=given.seed, noise=noise)
            server.start()
            dsn = new_database(server, "noisy")
            load_records(dsn, settings)
            engine = open_engine(dsn)
            link_all(engine, settings)
            engine.dispose()
            links = read_links(dsn)
            truth = pd.read_parquet(folder / "truth" / FIRST_DAY.isoformat() / "links.parquet")
        finally:
            server.remove()
            shutil.rmtree(folder, ignore_errors=True)
    held, wrong = judge(links, truth)
    found = figures(links, held, wrong)
    show(title, found, [by_damage(held), by_case(held)], wrong)
    if given.json:
        with given.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"county": title, **found}, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
