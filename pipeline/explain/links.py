"""Links of enterprises to parcels for ``explain``: evidence as records, and what was not chosen."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, select

from pipeline.domain.linking import STAGES
from pipeline.explain.book import Book, Story

# Where the evidence keys of a stage lead: feeds, and the column of core.<feed> that holds them.
EVIDENCE: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "right_code": (("right", "record_key"),),
    "lease_code": (("lease", "lease_no"),),
    "registry_parcel": (("enterprise", "enterprise_code"),),
    "registry_certificate": (("right", "record_key"),),
    "account": (("account", "account_no"),),
    "footprint_drawn": (("footprint", "footprint_code"),),
    "footprint_overlap": (("footprint", "footprint_code"),),
    "right_name": (("right", "record_key"),),
    "lease_name": (("lease", "lease_no"),),
    "past_link": (("past_link", "record_key"),),
    "address": (("parcel", "parcel_code"),),
    "point": (("enterprise", "enterprise_code"),),
    # of a right holder or a lessee
    "name_similar": (("right", "record_key"), ("lease", "lease_no")),
}
_DECISION: Final = "decision "
# Groups of stages up to this one rest on codes and settle an enterprise together.
_CODES: Final = 2


def evidence(book: Book, stage: str, keys: Sequence[str]) -> list[Story]:
    """Lead the evidence keys of a stage back to the records that they name.

    Shape:  a stage and its keys in; records as ``Book.records`` gives them, or decisions, out.
    Units:  as in core.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown stage (a bug).
    Source: sql/steps/link_enterprises/link_candidate.sql.
    """
    if stage == "decision":
        return decisions(book, [int(key.removeprefix(_DECISION)) for key in keys])
    return [
        record
        for feed, column in EVIDENCE[stage]
        for record in book.open_records(feed, book.table(f"core.{feed}").c[column].in_(keys))
    ]


def decisions(book: Book, ids: Sequence[int]) -> list[Story]:
    """What people decided, by number.

    Shape:  numbers in; dicts of feed ``decision``, record_key and values out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: core.decision (append-only).
    """
    decision = book.table("core.decision")
    rows = book.rows(
        select(*book.columns("core.decision", "evidence_hash"))
        .where(decision.c.decision_id.in_(ids))
        .order_by(decision.c.decision_id)
    )
    return [
        {"feed": "decision", "record_key": str(row["decision_id"]), "values": row} for row in rows
    ]


def links(book: Book, *conditions: ColumnElement[bool]) -> list[Story]:
    """Links with the records that they rest on, accepted first.

    Shape:  conditions on ``derived.link`` in; its rows, with ``evidence`` and the enterprise's
            name, out.
    Units:  scores 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.link.
    """
    link = book.table("derived.link")
    rows = book.rows(
        select(*book.columns("derived.link"))
        .where(*conditions)
        .order_by(link.c.status, link.c.enterprise_code, link.c.parcel_code, link.c.role)
    )
    names = book.enterprise_names(row["enterprise_code"] for row in rows)
    return [
        {
            **row,
            "enterprise_name": names.get(row["enterprise_code"]),
            "evidence": evidence(book, row["stage"], row["evidence_keys"]),
            "decision": _current_decision(book, row["enterprise_code"], row["parcel_code"]),
        }
        for row in rows
    ]


def with_runners_up(found: Sequence[Story], candidates: Sequence[Story]) -> list[Story]:
    """Links of an enterprise, each with the best other parcel and why that was not chosen.

    Shape:  its links and its other candidates (``other_candidates``) in; the links, with
            ``runner_up``, a candidate or None, out.
    Units:  scores 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: sql/steps/link_enterprises/link.sql.
    """
    return [{**link, "runner_up": _runner_up(link, candidates)} for link in found]


def other_candidates(book: Book, enterprise_code: str, found: Sequence[Story]) -> list[Story]:
    """Evidence that made no link, and why it was not chosen.

    Shape:  an enterprise and its links in; rows of ``derived.link_candidate`` with ``outcome`` and
            ``evidence`` out.
    Units:  scores 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: sql/steps/link_enterprises/link.sql.
    """
    candidate = book.table("derived.link_candidate")
    rows = book.rows(
        select(*book.columns("derived.link_candidate"))
        .where(candidate.c.enterprise_code == enterprise_code)
        .order_by(candidate.c.stage_no, candidate.c.parcel_code, candidate.c.evidence_key)
    )
    settled_at = _settled_at(found, rows)
    return [
        {
            **row,
            "outcome": _outcome(row, found, rows, settled_at),
            "evidence": evidence(book, row["stage"], [row["evidence_key"]]),
        }
        for row in rows
        if not any(_is_used(row, link) for link in found)
    ]


def _current_decision(book: Book, enterprise_code: str, parcel_code: str) -> Story | None:
    """What a person decided on this pair, where somebody did."""
    decision = book.table("derived.decision_in_place")
    found = book.one(
        select(decision.c.decision_id).where(
            decision.c.enterprise_code == enterprise_code,
            decision.c.parcel_code == parcel_code,
            ~decision.c.is_unclear,
        )
    )
    return None if found is None else decisions(book, [found["decision_id"]])[0]


def _is_used(candidate: Story, link: Story) -> bool:
    """Whether a link rests on this piece of evidence."""
    return (
        all(candidate[name] == link[name] for name in ("parcel_code", "role", "stage"))
        and candidate["evidence_key"] in link["evidence_keys"]
    )


def _settled_at(found: Sequence[Story], candidates: Sequence[Story]) -> int | None:
    """The last stage of the group that settled the enterprise; that of codes where a person did."""
    groups = [STAGES[link["stage"]] for link in found if link["status"] == "accepted"]
    if not groups:
        return None
    group = max(min(groups), _CODES)
    numbers = [int(row["stage_no"]) for row in candidates if STAGES[row["stage"]] <= group]
    return max(numbers, default=0)


def _outcome(
    candidate: Story, found: Sequence[Story], every: Sequence[Story], settled_at: int | None
) -> str:
    """Why a piece of evidence made no link of its own; a code of the list ``outcome``."""
    here = [link for link in found if link["parcel_code"] == candidate["parcel_code"]]
    if any(link["stage"] == "decision" for link in here):
        return "decided_by_person"
    if any(link["role"] == candidate["role"] for link in here):
        return "better_evidence_for_it"
    if candidate["role"] == "operator" and any(
        other["parcel_code"] == candidate["parcel_code"]
        and other["role"] != "operator"
        and other["stage_no"] <= candidate["stage_no"]
        for other in every
    ):
        return "role_known"
    if candidate["is_ambiguous"]:
        return "does_not_decide"
    is_later = settled_at is not None and candidate["stage_no"] > settled_at
    return "settled_earlier" if is_later else "too_weak"


def _runner_up(link: Story, every: Sequence[Story]) -> Story | None:
    """The best other parcel: of the same stage where there is one, else of any."""
    others = [row for row in every if row["parcel_code"] != link["parcel_code"]]
    best = sorted(
        others,
        key=lambda row: (
            row["stage"] != link["stage"],
            -Decimal(row["score"]),
            row["stage_no"],
            row["parcel_code"],
        ),
    )
    return best[0] if best else None
