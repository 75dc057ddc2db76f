"""How far a round is, and what still stands in the way of the issue: where, how much, whose."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, text

from pipeline.domain.rules.schema import RuleSet
from pipeline.feeds.contracts import Contract
from pipeline.ledger import last_run
from pipeline.offices import feed_states
from pipeline.round.acts import due_of, objections, published
from pipeline.round.inputs import read_round
from pipeline.round.lists import by_list, changed_since, last_announcement, listed_now
from pipeline.settings import Settings
from pipeline.stepping import fingerprint, vintage_of
from pipeline.steps import STEPS

# What is worth knowing and stops nobody.
_NOTICES: Final = ("figures_lacking", "seats_unknown", "transitions_without_end", "feed_too_old")
# What nobody can accept: the result would not be one.
_NEVER: Final = ("units_without_rules", "rules_not_run")
_RULE_STEPS: Final = ("form_units", "grade_units")


@dataclass(frozen=True)
class Blocker:
    """One kind of obstacle in one place.

    ``blocks``: the issue waits for it, or for a person who accepts it; ``is_never_accepted``: nobody can.
    ``example``: the key of one that is meant.
    """

    code: str
    count: int
    blocks: bool
    is_never_accepted: bool = False
    office: str | None = None
    township_code: str | None = None
    township_name: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


def read_round_status(
    connection: Connection,
    settings: Settings,
    contracts: Mapping[str, Contract],
    as_of: dt.date,
) -> dict[str, Any]:
    """The stage of the round of the published data year, when it is due, and all that blocks the issue.

    Shape:  year, round_year, stage (not_open, collecting, confirming, announced, issued), due, days_left,
            notice (from, until or None), enterprises (to confirm, confirmed), listed (counts by list),
            editions, open_objections, blockers (``Blocker`` as mappings), blocking (how many of these
            block) out.
    Units:  days.
    CRS:    none (no geometry).
    Errors: UsageError round.nothing_published; those of the database.
    Source: docs/how-to-run-a-round.md; due: docs/sources.md, 1.6.
    """
    run = published(connection)
    year = run.data_year
    kinds = {
        row.kind: row.acts
        for row in connection.execute(
            text(
                "SELECT a.kind, count(*) AS acts FROM core.round_act AS a WHERE a.year = :year GROUP BY a.kind"
            ),
            {"year": year},
        )
    }
    editions = read_editions(connection, year)
    listed = listed_now(connection, settings, year)
    announced = last_announcement(connection, year)
    counted = _counted(connection, year)
    blockers = [
        *_of_rules(connection, settings, year),
        *_of_feeds(connection, settings, contracts, year, as_of),
        *counted,
        *_of_notice(connection, listed, announced, as_of),
    ]
    due = due_of(settings, year)
    waiting = objections(connection, year)
    return {
        "year": year,
        "round_year": due.year,
        "run_id": run.run_id,
        "published_as_of": run.as_of,
        "as_of": as_of,
        "stage": _stage(kinds, bool(editions)),
        "due": due,
        "days_left": (due - as_of).days,
        "rule_set": "" if settings.rules is None else settings.rules.id,
        "notice": None
        if announced is None
        else {name: announced[name] for name in ("from", "until", "days", "as_of", "author")},
        "confirmations": {
            "wanted": _wanted(connection, year),
            "missing": sum(one.count for one in counted if one.code == "not_confirmed"),
        },
        "listed": {kind: len(rows) for kind, rows in by_list(listed.values()).items()},
        "editions": editions,
        "open_objections": [one for one in waiting if one["answer"] is None],
        "blockers": [asdict(one) for one in blockers],
        "blocking": sum(one.blocks for one in blockers),
    }


def read_editions(connection: Connection, year: int) -> list[dict[str, Any]]:
    """The issued results of a data year, the first one first.

    Shape:  one mapping per edition.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: core.evaluation.
    """
    rows = connection.execute(
        text(
            """
            SELECT
              e.year, e.edition, e.amends, e.amended, e.rule_set, e.issued_on, e.run_id, e.reason, e.author,
              e.inputs_hash, e.result_hash,
              (SELECT count(*) FROM core.issued_unit AS u WHERE (u.year, u.edition) = (e.year, e.edition)) AS units,
              (
                SELECT count(*) FROM core.issued_member AS m
                WHERE (m.year, m.edition) = (e.year, e.edition) AND m.list <> ''
              ) AS listed
            FROM core.evaluation AS e
            WHERE e.year = :year
            ORDER BY e.edition
            """
        ),
        {"year": year},
    ).mappings()
    return [dict(row) for row in rows]


def _stage(kinds: Mapping[str, int], is_issued: bool) -> str:
    if is_issued:
        return "issued"
    if "open" not in kinds:
        return "not_open"
    if "announce" in kinds:
        return "announced"
    return "confirming" if {"confirm", "object"} & set(kinds) else "collecting"


def _wanted(connection: Connection, year: int) -> int:
    """How many enterprises are asked to confirm."""
    count: int = connection.execute(
        text(
            """
            SELECT count(DISTINCT m.enterprise_code)
            FROM derived.unit_member AS m
            JOIN derived.unit AS u ON u.year = m.year AND u.unit_code = m.unit_code
            WHERE m.year = :year AND m.enterprise_code <> '' AND u.eval_state <> 'excluded'
            """
        ),
        {"year": year},
    ).scalar_one()
    return count


def _counted(connection: Connection, year: int) -> list[Blocker]:
    """What is counted in the database, township by township."""
    rows = read_round(connection, "blocker", {"data_year": year}).to_dict("records")
    return [
        Blocker(
            row["code"],
            int(row["count"]),
            blocks=row["code"] not in _NOTICES,
            is_never_accepted=row["code"] in _NEVER,
            township_code=row["township_code"],
            township_name=row["township_name"],
            params={"example": row["example"]},
        )
        for row in rows
    ]


def _of_rules(connection: Connection, settings: Settings, year: int) -> list[Blocker]:
    """What the rule set leaves out, paper by paper, and whether the last run knew it as it is now."""
    found = []
    if _rules_changed(connection, settings, year):
        found.append(Blocker("rules_not_run", 1, blocks=True, is_never_accepted=True))
    rules = settings.rules
    if rules is None:
        return [*found, Blocker("no_rules", 1, blocks=False)]
    in_use = _scales_in_use(connection, rules, year)
    papers: dict[str, list[str]] = {}
    for path, paper in rules.papers():
        papers.setdefault(paper, []).append(path)
    for paper, paths in sorted(papers.items()):
        # how a category without units would be scored matters to nobody, and what a grade leads to no grade
        needed = [
            path
            for path in paths
            if _scale_of(path) in {"", *in_use} and not path.startswith("use.")
        ]
        for some, blocks in ((needed, True), ([p for p in paths if p not in needed], False)):
            if some:
                params = {"paper": paper or rules.source, "paths": some, "example": some[0]}
                found.append(Blocker("rules_missing", len(some), blocks=blocks, params=params))
    return found


def _scale_of(path: str) -> str:
    """The category whose scoring or cuts a path is about; '' for rules of all."""
    parts = path.split(".")
    return parts[1] if parts[0] in {"scoring", "grading"} else ""


def _scales_in_use(connection: Connection, rules: RuleSet, year: int) -> set[str]:
    """Categories by whose scoring some unit is evaluated."""
    rows = connection.execute(
        text(
            """
            SELECT DISTINCT u.eval_category, coalesce(e.size_class = 'ABOVE', false) AS has_above
            FROM derived.unit AS u
            JOIN derived.unit_member AS m ON m.year = u.year AND m.unit_code = u.unit_code
            JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
            WHERE u.year = :year AND u.eval_state = 'evaluated'
            """
        ),
        {"year": year},
    )
    return {rules.scale_of(row.eval_category, has_above=row.has_above) for row in rows}


def _rules_changed(connection: Connection, settings: Settings, year: int) -> bool:
    """Whether units were formed and graded by other rules or settings than those of now."""
    known = last_run(connection).fingerprint
    vintage = vintage_of(connection, settings)
    for step in STEPS:
        if step.name in _RULE_STEPS:
            own = {name: settings.value(path) for name, path in step.settings.items()}
            if known.get(step.name) != fingerprint(step, own, year, vintage):
                return True
    return False


def _of_feeds(
    connection: Connection,
    settings: Settings,
    contracts: Mapping[str, Contract],
    year: int,
    as_of: dt.date,
) -> list[Blocker]:
    """Feeds that are late, of which nothing ever came, or nothing of the data year, by office."""
    late: dict[tuple[str, str], list[str]] = {}
    # what grades are made of: figures by rules, or the official results
    yearly = "score" if settings.rules is None else "indicator"
    for one in feed_states(connection, contracts, as_of, with_records=False):
        is_missing = one["file"] is None and contracts[one["feed"]].usual
        if one["is_overdue"] or is_missing:
            late.setdefault(("feed_overdue", one["office"]), []).append(one["feed"])
        elif one["feed"] == yearly and not _has_year(connection, yearly, year):
            late.setdefault(("feed_without_year", one["office"]), []).append(one["feed"])
        elif one["is_too_old"]:
            late.setdefault(("feed_too_old", one["office"]), []).append(one["feed"])
    return [
        Blocker(
            code,
            len(feeds),
            blocks=code not in _NOTICES,
            office=office,
            params={"feeds": feeds, "example": feeds[0]},
        )
        for (code, office), feeds in sorted(late.items())
    ]


def _has_year(connection: Connection, feed: str, year: int) -> bool:
    """Whether anything of a yearly feed is about a data year."""
    return bool(
        connection.execute(
            text(
                f"SELECT EXISTS (SELECT 1 FROM core.{feed} AS r "  # noqa: S608 - one of two names
                "WHERE r.year = :year AND r.to_run IS NULL)"
            ),
            {"year": year},
        ).scalar_one()
    )


def _of_notice(
    connection: Connection,
    listed: Mapping[str, Mapping[str, str]],
    announced: Mapping[str, Any] | None,
    as_of: dt.date,
) -> list[Blocker]:
    """Whether the notice period is over, and what has changed since it began."""
    if announced is None:
        return [Blocker("notice_missing", 1, blocks=True)]
    found = []
    if as_of <= announced["until"]:
        params = {"until": announced["until"], "example": announced["until"]}
        found.append(Blocker("notice_running", 1, blocks=True, params=params))
    changed = changed_since({code: dict(one) for code, one in listed.items()}, announced["listed"])
    names = _township_names(connection)
    for township, count in sorted(Counter(changed.values()).items()):
        example = next(code for code, place in changed.items() if place == township)
        found.append(
            Blocker(
                "announced_changed",
                count,
                blocks=True,
                township_code=township,
                township_name=names.get(township),
                params={"example": example},
            )
        )
    return found


def _township_names(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        text("SELECT a.area_code, a.name FROM core.area AS a WHERE a.to_run IS NULL")
    )
    return {row.area_code: row.name for row in rows}
