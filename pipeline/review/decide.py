"""Decisions of people on links: rows of ``core.decision``, one per act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, text

from pipeline.database import database_errors
from pipeline.errors import UsageError
from pipeline.explain.book import Book
from pipeline.explain.enterprise import find_enterprise
from pipeline.outputs.tables import reflect

Kind = Literal["accept_link", "reject_link", "no_industrial_premises", "off_site"]
Role = Literal["owner", "tenant", "sub_tenant", "operator"]
OF_PARCELS: Final = ("accept_link", "reject_link")
# What finding an enterprise needs.
_TABLES: Final = {"core": ("enterprise",), "layers": ("publication",), "ops": ("run_commit",)}

_LAST: Final = """
SELECT
  d.kind, d.role, d.reason, d.author, d.evidence_hash,
  md5(CAST(derived.evidence_of(d.enterprise_code) AS text)) AS now_hash,
  EXISTS (SELECT 1 FROM core.current_decision AS c WHERE c.decision_id = d.decision_id) AS is_in_force,
  EXISTS (
    SELECT 1 FROM core.current_decision AS c
    WHERE c.enterprise_code = d.enterprise_code AND c.parcel_code IS NULL
  ) AS is_placed_elsewhere
FROM core.decision AS d
WHERE d.enterprise_code = :enterprise_code AND d.parcel_code IS NOT DISTINCT FROM CAST(:parcel_code AS text)
ORDER BY d.decision_id DESC
LIMIT 1
"""
_ENTER: Final = """
INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)
VALUES (:kind, :enterprise_code, :parcel_code, :role, :reason, :author)
RETURNING decision_id, evidence_hash
"""
_FACTS: Final = """
SELECT
  e.name, e.status,
  EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = :parcel_code) AS is_known,
  EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = :parcel_code AND p.to_run IS NULL) AS is_held,
  EXISTS (
    SELECT 1 FROM derived.link_candidate AS c
    WHERE c.enterprise_code = e.enterprise_code AND c.parcel_code = :parcel_code
  ) AS is_candidate,
  ARRAY(
    SELECT DISTINCT l.parcel_code FROM derived.link AS l
    WHERE l.enterprise_code = e.enterprise_code AND l.status = 'accepted' ORDER BY l.parcel_code
  ) AS linked
FROM core.enterprise AS e
WHERE e.enterprise_code = :enterprise_code AND e.to_run IS NULL
"""


@dataclass(frozen=True)
class Act:
    """One decision to be entered; ``parcel_code`` None where it is on the enterprise as a whole."""

    kind: Kind
    enterprise_code: str
    parcel_code: str | None
    reason: str
    author: str
    role: Role | None = None
    # the evidence that the person had before them, where that is not what is known now
    seen_hash: str | None = None


def decide(
    engine: Engine,
    kind: Kind,
    enterprise: str,
    parcel: str | None,
    *,
    reason: str,
    author: str,
    role: Role | None = None,
) -> dict[str, Any]:
    """Enter one decision; the same twice, on the same evidence, is entered once.

    Shape:  what is decided, an enterprise by code, credit code or unique name, a parcel code or None in;
            what was entered out: the columns of the decision, the enterprise's name, whether it ``is_new``
            and, for a parcel, ``is_candidate``; ``linked``: parcels that it is linked to by now.
    Units:  none.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique, review.not_in_force, review.not_operating,
            review.parcel_unknown, review.parcel_retired, review.reason, review.author; DatabaseError.
    Source: docs/how-to-review-links.md.
    """
    wanted = None if parcel is None else parcel.strip().upper()
    for name, value in (("reason", reason), ("author", author)):
        if not value.strip():
            raise UsageError(f"review.{name}")
    with database_errors(), engine.begin() as connection:
        code = find_enterprise(Book(connection, reflect(connection, _TABLES)), enterprise.strip())
        facts = connection.execute(
            text(_FACTS), {"enterprise_code": code, "parcel_code": wanted}
        ).one_or_none()
        if facts is None:
            raise UsageError("review.not_in_force", enterprise=code)
        if facts.status != "operating":
            raise UsageError("review.not_operating", enterprise=code, name=facts.name)
        if kind in OF_PARCELS and not (facts.is_known and (facts.is_held or kind == "reject_link")):
            problem = "review.parcel_retired" if facts.is_known else "review.parcel_unknown"
            raise UsageError(problem, parcel=wanted)
        act = Act(kind, code, wanted, reason.strip(), author.strip(), role)
        (entered,) = enter(connection, [act])
        return {
            **entered,
            "name": facts.name,
            "is_candidate": facts.is_candidate if kind in OF_PARCELS else None,
            "linked": list(facts.linked),
        }


def decision_messages(entered: Mapping[str, Any]) -> list[tuple[str, dict[str, object]]]:
    """What to say of one decision that was entered.

    Shape:  what ``decide`` gave in; message codes with their parameters out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages/review.zh.toml.
    """
    params = {str(name): value for name, value in entered.items()}
    if not entered["is_new"]:
        return [("review.known", params)]
    said: list[tuple[str, dict[str, object]]] = [(f"review.entered_{entered['kind']}", params)]
    if entered["kind"] == "accept_link" and not entered["is_candidate"]:
        said.append(("review.no_candidate", params))
    if entered["kind"] not in OF_PARCELS and entered["linked"]:
        said.append(("review.still_linked", {**params, "linked": ", ".join(entered["linked"])}))
    return said


def enter(connection: Connection, acts: Iterable[Act]) -> list[dict[str, Any]]:
    """Enter decisions in the caller's transaction; one that is in force already is passed over.

    Shape:  acts that were checked in; one dict each out, with ``is_new``.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: docs/how-to-review-links.md.
    """
    found: list[dict[str, Any]] = []
    for act in acts:
        said = {
            "kind": act.kind,
            "enterprise_code": act.enterprise_code,
            "parcel_code": act.parcel_code,
            "role": act.role,
            "reason": act.reason,
            "author": act.author,
        }
        if is_entered(connection, act):
            found.append({**said, "decision_id": None, "is_new": False})
            continue
        row = connection.execute(text(_ENTER), said).one()
        found.append({**said, "decision_id": row.decision_id, "is_new": True})
    return found


def is_entered(connection: Connection, act: Act) -> bool:
    """Whether the last word on the pair is this one, on the same evidence, and in force.

    Shape:  one act in.
    Units:  none.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: docs/how-to-review-links.md.
    """
    last = (
        connection.execute(
            text(_LAST), {"enterprise_code": act.enterprise_code, "parcel_code": act.parcel_code}
        )
        .mappings()
        .one_or_none()
    )
    return last is not None and _says(last, act)


def _says(last: Mapping[Any, Any], act: Act) -> bool:
    own = (act.kind, act.role, act.reason, act.author)
    if tuple(last[name] for name in ("kind", "role", "reason", "author")) != own:
        return False
    # an accepted link ends what was said of the enterprise as a whole: then it is news again
    if not last["is_in_force"] or (act.kind == "accept_link" and last["is_placed_elsewhere"]):
        return False
    if act.seen_hash is not None and last["evidence_hash"] == act.seen_hash:
        return True
    return bool(last["evidence_hash"] == last["now_hash"])
