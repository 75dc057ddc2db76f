"""What waits for a person, enterprise by enterprise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, text

from pipeline.explain.book import plain
from pipeline.explain.page import field_label, label, word
from pipeline.messages import both
from pipeline.outputs.questions import EVIDENCE_CHANGED, lacking, parts_text, score_text

Case = dict[str, Any]

# The queue as it is published, and enterprises of which nothing is known, if these are wanted.
_CASES: Final = """
WITH asked AS (
  SELECT q.enterprise_code, min(q.rank) AS rank FROM layers.review_queue AS q GROUP BY q.enterprise_code
),
known AS (
  SELECT e.enterprise_code, e.credit_code, e.name, e.address, e.parcel_code, e.other_parcel_codes, e.certificate_no,
    s.seat_state, s.missing, s.township_code
  FROM core.enterprise AS e
  JOIN derived.seat AS s ON s.enterprise_code = e.enterprise_code
  LEFT JOIN asked AS a ON a.enterprise_code = e.enterprise_code
  WHERE e.to_run IS NULL AND (a.enterprise_code IS NOT NULL OR CAST(:with_unknown AS boolean) AND s.seat_state = 'unknown')
),
-- whose township nobody knows goes to that of the best proposal
placed AS (
  SELECT k.*, coalesce(nullif(k.township_code, ''), (
    SELECT q.township_code FROM layers.review_queue AS q
    WHERE q.enterprise_code = k.enterprise_code AND q.township_code <> ''
    ORDER BY q.rank, q.parcel_code, q.role LIMIT 1
  ), '') AS township
  FROM known AS k
)
SELECT
  p.enterprise_code, p.credit_code, p.name, p.address, p.parcel_code, p.other_parcel_codes, p.certificate_no,
  p.seat_state, p.missing, p.township AS township_code, a.name AS township_name,
  md5(CAST(derived.evidence_of(p.enterprise_code) AS text)) AS evidence_hash
FROM placed AS p
LEFT JOIN core.area AS a ON a.area_code = p.township AND a.to_run IS NULL
WHERE CAST(:township AS text) IS NULL OR p.township = CAST(:township AS text)
ORDER BY p.township, p.enterprise_code
"""
_CANDIDATES: Final = """
SELECT
  q.enterprise_code, q.rank, nullif(q.parcel_code, '') AS parcel_code, q.role, q.stage, q.reason, q.score,
  q.runner_up_score, l.parts, q.question, q.evidence, q.location, p.land_use_code, p.reference_area_m2
FROM layers.review_queue AS q
LEFT JOIN derived.link AS l
  ON l.enterprise_code = q.enterprise_code AND l.parcel_code = q.parcel_code AND l.role = q.role AND l.status = 'review'
LEFT JOIN core.parcel AS p ON p.parcel_code = q.parcel_code AND p.to_run IS NULL
WHERE CAST(:enterprises AS text[]) IS NULL OR q.enterprise_code = ANY (CAST(:enterprises AS text[]))
ORDER BY q.enterprise_code, q.rank, q.parcel_code, q.role
"""


def read_cases(
    connection: Connection, *, township: str | None = None, with_unknown: bool = False
) -> list[Case]:
    """Enterprises with a question about them, each with its candidates, best first.

    Shape:  a township to look at alone, and whether enterprises that nothing places are wanted, in; one
            dict per enterprise, with ``candidates``, in the order of townships and codes, out. A decision
            whose evidence changed is a candidate of reason ``evidence_changed`` without a rank.
    Units:  scores 0 to 1; square metres.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: layers.review_queue, derived.seat.
    """
    said = {"township": township, "with_unknown": with_unknown}
    cases = [_values(row) for row in connection.execute(text(_CASES), said).mappings()]
    # a list as long as the county needs no filter
    codes = [case["enterprise_code"] for case in cases] if township is not None else None
    found: dict[str, list[Case]] = {case["enterprise_code"]: [] for case in cases}
    for row in connection.execute(text(_CANDIDATES), {"enterprises": codes}).mappings():
        if row["enterprise_code"] in found:
            found[row["enterprise_code"]].append(_values(row))
    return [{**case, "candidates": found[case["enterprise_code"]]} for case in cases]


def case_lines(cases: list[Case]) -> list[str]:
    """The list for a terminal: one block per enterprise, and how many there are.

    Shape:  as ``read_cases`` gives it in; lines of plain text out.
    Units:  scores 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages, review.zh.toml.
    """
    lines: list[str] = []
    for case in cases:
        lines += [_heading(case), *_told(case), ""]
    kinds = Counter(_kind(case) for case in cases)
    counts = [f"{_both(f'review.count_{kind}')} {kinds[kind]}" for kind in _KINDS if kinds[kind]]
    return [*lines, " · ".join(counts) if counts else _both("review.none")]


_KINDS: Final = ("open", "changed", "unknown")


def _kind(case: Case) -> str:
    reasons = {row["reason"] for row in case["candidates"]}
    if not reasons:
        return "unknown"
    return "changed" if reasons == {EVIDENCE_CHANGED} else "open"


def _heading(case: Case) -> str:
    where = f"{case['township_code']} {case['township_name'] or ''}".strip()
    return f"{case['enterprise_code']} {case['name']}" + (f" · {where}" if where else "")


def _told(case: Case) -> list[str]:
    lines = []
    if case["address"]:
        lines.append(f"  {label('address')}: {case['address']}")
    if case["missing"]:
        lines.append(f"  {_both('review.missing')}: {' / '.join(lacking(case['missing']))}")
    for row in case["candidates"]:
        place = "!" if row["rank"] is None else row["rank"]
        parts = [f"[{place}] {row['parcel_code'] or '—'}", word("stage", row["stage"])]
        if row["reason"] != EVIDENCE_CHANGED:
            parts.insert(1, word("role", row["role"]))
        if row["score"] is not None:
            parts.append(f"{field_label('score', 'link')} {score_text(row['score'])}")
        if row["runner_up_score"] is not None:
            runner_up = score_text(row["runner_up_score"])
            parts.append(f"{field_label('runner_up_score', 'link')} {runner_up}")
        lines.append(f"  {' · '.join(parts)}")
        if row["parts"]:
            lines.append(
                f"      {parts_text(row['parts'], 'zh')} / {parts_text(row['parts'], 'en')}"
            )
        lines.append(f"      {row['question']}")
    return lines


def _both(code: str) -> str:
    return " ".join(both(code, {}))


def _values(row: Mapping[Any, Any]) -> Case:
    return {str(name): plain(value) for name, value in row.items()}
