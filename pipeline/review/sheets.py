"""Workbooks of townships: written from what waits, checked and entered when they come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import Connection, Engine, text

from pipeline.database import database_errors
from pipeline.errors import UsageError
from pipeline.outputs.questions import EVIDENCE_CHANGED, chinese, lacking
from pipeline.outputs.report import mu
from pipeline.outputs.review_sheets import (
    ANSWERS,
    COLUMNS,
    SHEET,
    ReviewLine,
    answered,
    read_review_sheet,
    write_review_sheet,
)
from pipeline.outputs.tables import read_codes
from pipeline.review.decide import OF_PARCELS, Act, Kind, enter, is_entered
from pipeline.review.queue import Case, read_cases
from pipeline.review.sides import file_name

NO_TOWNSHIP: Final = "镇街不明"
# Names of natural persons are not handed on. A party with a credit code is none; without one only what has the
# words of an organisation, or is longer than a person's name, is told.
_PARTIES: Final = """
WITH party AS (
  SELECT r.parcel_code, 'holders' AS side, r.holder_name AS name, r.holder_code AS code, r.holder_name_key AS name_key
  FROM core."right" AS r
  WHERE r.to_run IS NULL AND r.right_state = 'current' AND r.parcel_code = ANY (:parcels)
  UNION ALL
  SELECT l.parcel_code, 'lessees', l.lessee_name, l.lessee_code, l.lessee_name_key
  FROM core.lease AS l
  WHERE l.to_run IS NULL AND l.parcel_code = ANY (:parcels)
    AND (l.valid_from IS NULL OR l.valid_from <= ops.as_of()) AND (l.valid_to IS NULL OR ops.as_of() < l.valid_to)
),
told AS (
  SELECT DISTINCT p.parcel_code, p.side,
    CASE
      WHEN p.code IS NOT NULL THEN coalesce(p.name, p.code)
      WHEN n.form <> '' OR n.region <> '' OR n.branch <> '' OR length(n.name_key) > 6 THEN p.name
      ELSE :person
    END AS name
  FROM party AS p
  LEFT JOIN derived.party_name AS n ON n.name_key = p.name_key
)
SELECT t.parcel_code, t.side, string_agg(t.name, '、' ORDER BY t.name) AS names
FROM told AS t
GROUP BY t.parcel_code, t.side
"""
_PERSON: Final = "自然人"


@dataclass
class Taken:
    """What became of the workbooks that came back."""

    acts: list[dict[str, Any]] = field(default_factory=list)
    # message codes with parameters: cells that cannot be right, lines whose evidence has changed
    problems: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    changed: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many decisions are new, were there already, and were not taken."""
        new = sum(act["is_new"] for act in self.acts)
        return {"new": new, "known": len(self.acts) - new, "changed": len(self.changed)}


@dataclass(frozen=True)
class _Place:
    """A cell of a workbook."""

    file: str
    row: int

    def bad(self, column: str, code: str, **params: object) -> tuple[str, dict[str, object]]:
        """What is wrong with it."""
        heading = COLUMNS[column].heading
        return (
            f"review.bad.{code}",
            {"file": self.file, "sheet": SHEET, "row": self.row, "column": heading, **params},
        )


def export_sheets(connection: Connection, folder: Path, township: str | None = None) -> list[Path]:
    """Write one workbook per township of what waits there, with enterprises that nothing places.

    A workbook of the same name in which somebody has filled in what is not entered yet is not overwritten.

    Shape:  a folder, and one township or None for all, in; the files out.
    Units:  mu.
    CRS:    none.
    Errors: UsageError review.holds_answers before anything is written; SettingsError export.not_writable.
    Source: docs/how-to-review-links.md.
    """
    townships: dict[tuple[str, str], list[Case]] = {}
    for case in read_cases(connection, township=township, with_unknown=True):
        key = (case["township_code"], case["township_name"] or "")
        townships.setdefault(key, []).append(case)
    parties = _parties(connection, (case for cases in townships.values() for case in cases))
    paths = {key: folder / _file(*key) for key in townships}
    for path in paths.values():
        if path.is_file() and _holds_answers(connection, path):
            raise UsageError("review.holds_answers", file=str(path))
    for key, cases in townships.items():
        title = f"待核实 {' '.join(filter(None, key)) or NO_TOWNSHIP}：企业用地关联"
        write_review_sheet(
            paths[key], title, [row for case in cases for row in _rows(case, parties)]
        )
    return list(paths.values())


def import_sheets(engine: Engine, files: Sequence[Path], *, anyway: bool = False) -> Taken:
    """Enter what was filled in; nothing at all where one cell of one file cannot be right.

    A line whose evidence has changed since the workbook was written is left out, unless ``anyway``. What is
    entered already is passed over.

    Shape:  files in; what was entered, or what stood in the way, out.
    Units:  none.
    CRS:    none.
    Errors: UsageError review.no_sheet, review.unreadable; DatabaseError.
    Source: docs/how-to-review-links.md.
    """
    read = [(path.name, _read(path)) for path in files]
    taken = Taken()
    with database_errors(), engine.begin() as connection:
        acts, taken.problems = _acts(connection, read)
        if taken.problems:
            return taken
        fresh: list[Act] = []
        for act, place in acts:
            now = _hash(connection, act.enterprise_code)
            if act.seen_hash != now and not anyway and not is_entered(connection, act):
                params = {"file": place.file, "sheet": SHEET, "row": place.row}
                taken.changed.append(
                    ("review.changed", {**params, "enterprise": act.enterprise_code})
                )
            else:
                fresh.append(act)
        taken.acts = enter(connection, fresh)
    return taken


def _file(code: str, name: str) -> str:
    return f"待核实_{file_name('_'.join(filter(None, (code, name))) or NO_TOWNSHIP)}.xlsx"


def _read(path: Path) -> list[ReviewLine]:
    try:
        lines = read_review_sheet(path)
    except OSError as error:
        raise UsageError("review.unreadable", file=str(path), reason=error.strerror) from error
    if lines is None:
        raise UsageError("review.no_sheet", file=str(path))
    return answered(lines)


def _holds_answers(connection: Connection, path: Path) -> bool:
    """Whether somebody filled in what is not entered yet."""
    try:
        lines = read_review_sheet(path)
    except OSError:
        lines = None
    if lines is None:
        # something of that name: whose it is, nobody knows
        return True
    acts, problems = _acts(connection, [(path.name, answered(lines))])
    return bool(problems) or not all(is_entered(connection, act) for act, _ in acts)


def _parties(connection: Connection, cases: Iterable[Case]) -> dict[tuple[str, str], str]:
    """Right holders and lessees of the parcels asked about, by parcel and side."""
    parcels = sorted(
        {row["parcel_code"] for case in cases for row in case["candidates"] if row["parcel_code"]}
    )
    rows = connection.execute(text(_PARTIES), {"parcels": parcels, "person": _PERSON})
    return {(row.parcel_code, row.side): row.names for row in rows}


def _rows(case: Case, parties: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """Lines of an enterprise: one per candidate, or one where there is none."""
    codes = read_codes()
    named = [case["parcel_code"], *(case["other_parcel_codes"] or "").split("|")]
    own = {
        "enterprise_code": case["enterprise_code"],
        "name": case["name"],
        "address": case["address"],
        "registry_parcel": "、".join(filter(None, named)),
        "certificate_no": case["certificate_no"],
        "missing": lacking(case["missing"])[0],
        "enterprise_key": case["enterprise_code"],
        "evidence_key": case["evidence_hash"],
    }
    if not case["candidates"]:
        return [{**own, "question": "没有找到候选宗地，该企业在哪宗地上？"}]
    return [
        {
            **own,
            "rank": None if row["rank"] is None else int(row["rank"]),
            "parcel_code": row["parcel_code"],
            "location": row["location"],
            "area_mu": None
            if row["reference_area_m2"] is None
            else mu(Decimal(row["reference_area_m2"])),
            "land_use": codes["land_use_code"].get(
                row["land_use_code"] or "", row["land_use_code"]
            ),
            "holders": parties.get((row["parcel_code"], "holders")),
            "lessees": parties.get((row["parcel_code"], "lessees")),
            "role": None
            if row["reason"] == EVIDENCE_CHANGED
            else codes["role"].get(row["role"], row["role"]),
            "score": row["score"],
            "evidence": "\n".join(map(chinese, row["evidence"].splitlines())),
            "question": chinese(row["question"]),
            "parcel_key": row["parcel_code"],
        }
        for row in case["candidates"]
    ]


def _hash(connection: Connection, enterprise: str) -> str | None:
    """The hash of what is known of an enterprise now."""
    value: str | None = connection.execute(
        text("SELECT md5(CAST(derived.evidence_of(:code) AS text))"), {"code": enterprise}
    ).scalar_one()
    return value


def _acts(
    connection: Connection, read: Iterable[tuple[str, Sequence[ReviewLine]]]
) -> tuple[list[tuple[Act, _Place]], list[tuple[str, dict[str, object]]]]:
    """The decisions that the lines are, each with its place; and what is wrong with the lines."""
    lines = [(_Place(file, line.number), line.cells) for file, found in read for line in found]
    enterprises = _known(
        connection,
        "SELECT enterprise_code FROM core.enterprise WHERE to_run IS NULL AND status = 'operating' "
        "AND enterprise_code = ANY (:codes)",
        (cells["enterprise_key"] for _, cells in lines),
    )
    parcels = _known(
        connection,
        "SELECT parcel_code FROM core.parcel WHERE to_run IS NULL AND parcel_code = ANY (:codes)",
        (_code(cells[name]) for _, cells in lines for name in ("parcel_key", "other_parcel")),
    )
    once: dict[Act, _Place] = {}
    problems: list[tuple[str, dict[str, object]]] = []
    for place, cells in lines:
        wrong = _wrong(place, cells, enterprises, parcels)
        problems += wrong
        if not wrong:
            for act in _acts_of(cells):
                once.setdefault(act, place)
    acts = list(once.items())
    return _settled(acts), problems + _contradictions(acts)


def _wrong(
    place: _Place, cells: Mapping[str, str], enterprises: set[str], parcels: set[str]
) -> list[tuple[str, dict[str, object]]]:
    """What cannot be right in one line."""
    answer, other, own = cells["answer"], _code(cells["other_parcel"]), cells["parcel_key"]
    found = []
    if cells["enterprise_key"] not in enterprises:
        found.append(
            place.bad("enterprise_key", "enterprise", enterprise=cells["enterprise_key"] or "—")
        )
    if not answer:
        found.append(place.bad("answer", "no_answer"))
    elif answer not in ANSWERS:
        found.append(place.bad("answer", "answer", answer=answer, answers="、".join(ANSWERS)))
    elif ANSWERS[answer] not in OF_PARCELS and other:
        found.append(place.bad("other_parcel", "parcel_not_wanted", answer=answer))
    elif ANSWERS[answer] == "accept_link" and not (other or own):
        found.append(place.bad("other_parcel", "no_parcel"))
    elif ANSWERS[answer] == "accept_link" and own and other not in {"", own}:
        # this parcel, that one, or both?
        found.append(place.bad("other_parcel", "yes_and_other", parcel=other))
    elif ANSWERS[answer] == "reject_link" and not own:
        found.append(place.bad("answer", "nothing_to_reject"))
    elif ANSWERS[answer] == "reject_link" and other == own:
        found.append(place.bad("other_parcel", "contradiction", enterprise=cells["enterprise_key"]))
    elif ANSWERS[answer] == "accept_link" and not other and own not in parcels:
        found.append(place.bad("parcel_code", "parcel", parcel=own))
    if other and other not in parcels:
        found.append(place.bad("other_parcel", "parcel", parcel=other))
    found += [
        place.bad(name, f"no_{name}") for name in ("reason", "author") if answer and not cells[name]
    ]
    return found


def _acts_of(cells: Mapping[str, str]) -> list[Act]:
    """The decisions of a line: one, or two where a parcel is refused and another named."""
    kind, other = cast("Kind", ANSWERS[cells["answer"]]), _code(cells["other_parcel"])

    def act(kind: Kind, parcel: str | None) -> Act:
        return Act(
            kind,
            cells["enterprise_key"],
            parcel,
            cells["reason"],
            cells["author"],
            seen_hash=cells["evidence_key"] or None,
        )

    if kind not in OF_PARCELS:
        return [act(kind, None)]
    own = cells["parcel_key"]
    if kind == "accept_link":
        return [act(kind, other or own)]
    return [act(kind, own), *([act("accept_link", other)] if other else [])]


def _settled(acts: Iterable[tuple[Act, _Place]]) -> list[tuple[Act, _Place]]:
    """One decision per enterprise and parcel: the first, where several say the same."""
    found: dict[tuple[str, str | None], tuple[Act, _Place]] = {}
    for act, place in acts:
        found.setdefault((act.enterprise_code, act.parcel_code), (act, place))
    return list(found.values())


def _contradictions(
    acts: Iterable[tuple[Act, _Place]],
) -> list[tuple[str, dict[str, object]]]:
    """Lines of one enterprise that cannot all be right."""
    kinds: dict[tuple[str, str | None], str] = {}
    here: set[str] = set()
    away: set[str] = set()
    found = []
    for act, place in acts:
        key = (act.enterprise_code, act.parcel_code)
        if kinds.setdefault(key, act.kind) != act.kind:
            found.append(place.bad("answer", "contradiction", enterprise=act.enterprise_code))
        if act.kind == "accept_link":
            here.add(act.enterprise_code)
        elif act.kind not in OF_PARCELS:
            away.add(act.enterprise_code)
        if act.kind != "reject_link" and act.enterprise_code in here & away:
            found.append(place.bad("answer", "here_and_away", enterprise=act.enterprise_code))
    return found


def _code(cell: str) -> str:
    """A parcel code as it is typed: blanks around it and small letters do not matter."""
    return cell.strip().upper()


def _known(connection: Connection, query: str, codes: Iterable[str]) -> set[str]:
    wanted = sorted({code for code in codes if code})
    return set(connection.execute(text(query), {"codes": wanted}).scalars())
