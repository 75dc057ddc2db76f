"""The story of an enterprise: record, seat, links, shares, unit, grade, published row."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, case, func, select

from pipeline.errors import UsageError
from pipeline.explain.book import Book, Story, not_found
from pipeline.explain.land import allocations, unit_codes, units
from pipeline.explain.links import links, other_candidates, with_runners_up
from pipeline.explain.rules import by_rules

# What the name of a branch holds after the name of its company.
_BRANCH: Final = "分公司"


def enterprise_story(book: Book, key: str) -> Story:
    """Tell where an enterprise sits, on which evidence, and what follows.

    Shape:  code, credit code or unique name in; a dict out, see ``pipeline.explain.explain``.
    Units:  square metres.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique.
    Source: docs/sources.md, Design 5, invariant 5 and 10.
    """
    code = find_enterprise(book, key)
    enterprise = book.table("core.enterprise")
    versions = book.records("enterprise", enterprise.c.enterprise_code == code)
    link, allocation = book.table("derived.link"), book.table("derived.allocation")
    member = book.table("derived.unit_member")
    found = links(book, link.c.enterprise_code == code)
    others = other_candidates(book, code, found)
    own_units = unit_codes(book, member.c.enterprise_code == code)
    account, score = book.table("core.account"), book.table("core.score")
    return {
        "key": code,
        "record": next((row for row in versions if row["to_run"] is None), None),
        "earlier": [row for row in versions if row["to_run"] is not None],
        "events": _events(book, code),
        "branches": _branches(book, code),
        "seat": _seat(book, code),
        "links": with_runners_up(found, others),
        "other_candidates": others,
        "allocation": allocations(book, allocation.c.enterprise_code == code),
        "units": units(book, own_units),
        "rules": [
            {"unit_code": unit, **told}
            for unit in own_units
            if (told := by_rules(book, unit)) is not None
        ],
        "scores": book.open_records("score", score.c.enterprise_code == code),
        "accounts": book.open_records("account", account.c.enterprise_code == code),
        "electricity": _electricity(book, code),
        "issues": book.issues([code, *own_units]),
        "published": _published(book, code),
    }


def find_enterprise(book: Book, key: str) -> str:
    """The code of the enterprise that a key names, first among those in force.

    Shape:  code, credit code or unique name in; its code out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique.
    Source: core.enterprise.
    """
    enterprise = book.table("core.enterprise").c
    for column in (enterprise.enterprise_code, enterprise.credit_code, enterprise.name):
        for condition in (enterprise.to_run.is_(None), enterprise.to_run.is_not(None)):
            codes = _codes(book, column == key, condition)
            if len(codes) == 1:
                return codes[0]
            if codes:
                raise UsageError(
                    "explain.not_unique", kind="enterprise", key=key, codes=", ".join(codes)
                )
    raise not_found("enterprise", key)


def _codes(book: Book, *conditions: ColumnElement[bool]) -> list[str]:
    """Codes of enterprises that meet the conditions."""
    code = book.table("core.enterprise").c.enterprise_code
    return [
        row["enterprise_code"]
        for row in book.rows(select(code).distinct().where(*conditions).order_by(code))
    ]


def _events(book: Book, code: str) -> list[Story]:
    """What happened to it: entered, renamed, moved, closed, in the order of the runs."""
    event = book.table("core.enterprise_event")
    rows = book.rows(
        select(*book.columns("core.enterprise_event", "enterprise_code"))
        .where(event.c.enterprise_code == code)
        .order_by(event.c.run_id, event.c.event)
    )
    return [{**row, "run": book.run(row["run_id"])} for row in rows]


def _branches(book: Book, code: str) -> list[Story]:
    """Whose branch it is, and which are its branches: a branch has a code of its own, and bears the name."""
    own, other = book.table("core.enterprise"), book.table("core.enterprise").alias("other")
    longer = func.starts_with(other.c.name_key, own.c.name_key) & other.c.name_key.contains(_BRANCH)
    shorter = func.starts_with(own.c.name_key, other.c.name_key) & own.c.name_key.contains(_BRANCH)
    return book.rows(
        select(
            other.c.enterprise_code,
            other.c.name,
            case((longer, "branch"), else_="parent").label("kind"),
        )
        .where(own.c.enterprise_code == code, own.c.to_run.is_(None), other.c.to_run.is_(None))
        .where(other.c.enterprise_code != code, own.c.name_key != other.c.name_key)
        .where(longer | shorter)
        .order_by(other.c.enterprise_code)
    )


def _seat(book: Book, code: str) -> Story | None:
    """The seat, with the township's name and the decision that made it, where a person did."""
    seat, decision = book.table("derived.seat"), book.table("core.current_decision")
    found = book.one(select(*book.columns("derived.seat")).where(seat.c.enterprise_code == code))
    if found is None:
        return None
    names = book.area_names([found["township_code"]])
    decided = book.rows(
        select(decision.c.kind, decision.c.decision_id, decision.c.author, decision.c.reason)
        .where(decision.c.enterprise_code == code, decision.c.parcel_code.is_(None))
        .order_by(decision.c.decision_id)
    )
    return {
        **found,
        "township_name": names.get(found["township_code"]),
        "decision": decided[-1] if decided else None,
    }


def _electricity(book: Book, code: str) -> list[Story]:
    """Whether its accounts are listed for differential electricity prices."""
    policy = book.table("derived.policy_electricity")
    return book.rows(
        select(*book.columns("derived.policy_electricity"))
        .where(policy.c.enterprise_code == code)
        .order_by(policy.c.account_no)
    )


def _published(book: Book, code: str) -> Story:
    """The rows of the layers that show it."""
    point, land = book.table("layers.enterprise"), book.table("layers.enterprise_land")
    return {
        "enterprise": book.one(
            select(*book.columns("layers.enterprise")).where(point.c.enterprise_code == code)
        ),
        "enterprise_land": book.rows(
            select(*book.columns("layers.enterprise_land"))
            .where(land.c.enterprise_code == code)
            .order_by(land.c.parcel_code)
        ),
    }
