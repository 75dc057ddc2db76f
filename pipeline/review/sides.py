"""Both sides of a question: what the registry says, and what is known of the parcels; with a map."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy import Connection, select, text

from pipeline.errors import SettingsError
from pipeline.explain.book import TABLES, Book, Story
from pipeline.explain.enterprise import find_enterprise
from pipeline.explain.page import Page, say, word
from pipeline.messages import both
from pipeline.outputs.picture import Drawn, draw_map
from pipeline.outputs.questions import lacking, lines_of, piece_of_word
from pipeline.outputs.tables import reflect

_TABLES: Final = {**TABLES, "derived": (*TABLES["derived"], "stale_decision")}
# Evidence on each pair, what says the same together.
_PIECES: Final = """
SELECT
  c.parcel_code, c.stage, c.reason, c.score, c.parts, count(*) AS records,
  array_agg(DISTINCT c.named_code) FILTER (WHERE c.named_code IS NOT NULL) AS named_codes
FROM derived.link_candidate AS c
WHERE c.enterprise_code = :enterprise
GROUP BY c.parcel_code, c.stage, c.stage_no, c.reason, c.score, c.parts
ORDER BY c.parcel_code, c.stage_no, c.score DESC, c.reason
"""
# Shapes around the parcels that are asked about.
_MARGIN_M: Final = 60.0
_MARGIN_SHARE: Final = 0.25
# A point farther off its parcels than this is told, not shown.
_POINT_REACH_M: Final = 2_000.0
_NEIGHBOURS: Final = 3_000
_GREY, _GREY_LINE = (238, 238, 238), (170, 170, 170)
_ASKED, _ASKED_LINE = (250, 216, 160), (196, 110, 20)
_LINKED, _LINKED_LINE = (200, 226, 196), (60, 130, 70)
_DRAWN, _POINT = (44, 92, 188), (200, 30, 30)
_SHAPES: Final = """
SELECT 'parcel' AS kind, p.parcel_code AS key, ST_AsBinary(p.geom) AS geom
FROM core.parcel AS p
WHERE p.to_run IS NULL AND p.parcel_code = ANY (:parcels)
UNION ALL
SELECT 'drawn', f.footprint_code, ST_AsBinary(f.geom)
FROM core.footprint AS f
WHERE f.to_run IS NULL AND f.enterprise_code = :enterprise
UNION ALL
SELECT 'point', e.enterprise_code, ST_AsBinary(e.geom)
FROM core.enterprise AS e
WHERE e.to_run IS NULL AND e.enterprise_code = :enterprise AND e.geom IS NOT NULL
"""
_AROUND: Final = """
SELECT ST_AsBinary(p.geom) AS geom
FROM core.parcel AS p
WHERE p.to_run IS NULL AND NOT p.parcel_code = ANY (:parcels)
  AND p.geom && ST_MakeEnvelope(:xmin, :ymin, :xmax, :ymax, Find_SRID('core', 'parcel', 'geom'))
ORDER BY p.geom <-> ST_SetSRID(ST_MakePoint(:x, :y), Find_SRID('core', 'parcel', 'geom')), p.parcel_code
LIMIT :neighbours
"""


def both_sides(connection: Connection, key: str) -> Story:
    """What a person needs who decides where an enterprise sits.

    Shape:  code, credit code or unique name in; a dict out: record, seat, questions, ``parcels`` (those that
            are asked about first, then those it is linked to, then others with evidence), each with
            record, rights, leases and evidence, and earlier ``decisions`` with what changed since.
    Units:  square metres; scores 0 to 1.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique.
    Source: docs/how-to-review-links.md.
    """
    book = Book(connection, reflect(connection, _TABLES))
    code = find_enterprise(book, key.strip())
    enterprise, seat = book.table("core.enterprise"), book.table("derived.seat")
    queue = connection.execute(
        text(
            "SELECT q.parcel_code, q.question FROM layers.review_queue AS q "
            "WHERE q.enterprise_code = :code ORDER BY q.rank, q.parcel_code, q.role"
        ),
        {"code": code},
    ).all()
    pieces: dict[str, list[Story]] = {}
    for row in connection.execute(text(_PIECES), {"enterprise": code}).mappings():
        pieces.setdefault(row["parcel_code"], []).append(dict(row))
    links = _links(book, code)
    asked = list(dict.fromkeys(row.parcel_code for row in queue if row.parcel_code))
    linked = sorted({row["parcel_code"] for row in links if row["status"] == "accepted"})
    order = list(dict.fromkeys([*asked, *linked, *sorted(pieces)]))
    records = book.open_records("enterprise", enterprise.c.enterprise_code == code)
    return {
        "key": code,
        "record": records[0] if records else None,
        "seat": book.one(
            select(*book.columns("derived.seat")).where(seat.c.enterprise_code == code)
        ),
        "questions": [row.question for row in queue],
        "asked": asked,
        "linked": linked,
        "parcels": [_parcel(book, parcel, pieces.get(parcel, []), links) for parcel in order],
        "decisions": _decisions(book, code),
    }


def sides_text(story: Story) -> str:
    """The same for a terminal.

    Shape:  what ``both_sides`` gave in; lines of plain text without a last line break out.
    Units:  as in the story.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages, review.zh.toml and explain.zh.toml.
    """
    page = Page()
    record, seat = story["record"], story["seat"]
    page.title(" ".join(filter(None, (story["key"], record and record["values"]["name"]))))
    page.section("questions", is_empty=not story["questions"])
    for question in story["questions"]:
        page.line(question)
    page.section("registry_side", is_empty=record is None)
    if record is not None:
        page.record(record)
    if seat is not None:
        page.facts(seat, ("seat_state", "reason", "parcel_code", "township_code"))
        if seat["missing"]:
            page.line(f"{_words('review.missing')}: {' / '.join(lacking(seat['missing']))}")
    page.section("land_side", is_empty=not story["parcels"])
    for number, parcel in enumerate(story["parcels"], start=1):
        _parcel_lines(page, number, parcel)
    page.section("decisions", is_empty=not story["decisions"])
    for decision in story["decisions"]:
        _decision_lines(page, decision)
    return str(page)


def draw_sides(connection: Connection, story: Story, path: Path) -> bool:
    """Draw the parcels of a story, their neighbours, what is drawn for the enterprise, and its point.

    Numbers are those of the list of parcels. Nothing is written where nothing has a place.

    Shape:  what ``both_sides`` gave, and the target, in; whether there was anything to draw out.
    Units:  metres.
    CRS:    the county's; north is up.
    Errors: SettingsError export.not_writable.
    Source: docs/how-to-review-links.md.
    """
    wanted = [parcel["parcel_code"] for parcel in story["parcels"]]
    said = {"parcels": wanted, "enterprise": story["key"]}
    found: dict[str, dict[str, Any]] = {"parcel": {}, "drawn": {}, "point": {}}
    for row in connection.execute(text(_SHAPES), said):
        found[row.kind][row.key] = shapely.from_wkb(bytes(row.geom))
    land = [*found["parcel"].values(), *found["drawn"].values()]
    points = list(found["point"].values())
    shown = [
        p
        for p in points
        if not land or shapely.distance(shapely.union_all(land), p) < _POINT_REACH_M
    ]
    if not land and not shown:
        return False
    box = shapely.total_bounds(np.array([*land, *shown], dtype=object))
    margin = max(_MARGIN_M, _MARGIN_SHARE * max(box[2] - box[0], box[3] - box[1]))
    box = box + np.array([-margin, -margin, margin, margin])
    around = [
        shapely.from_wkb(bytes(row.geom))
        for row in connection.execute(
            text(_AROUND),
            {
                "parcels": wanted,
                **dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, box), strict=True)),
                "x": float(box[0] + box[2]) / 2,
                "y": float(box[1] + box[3]) / 2,
                "neighbours": _NEIGHBOURS,
            },
        )
    ]
    is_linked = {code: code in story["linked"] for code in found["parcel"]}
    groups = [Drawn(_array(around), _GREY, _GREY_LINE)]
    for state, fill, line in ((True, _LINKED, _LINKED_LINE), (False, _ASKED, _ASKED_LINE)):
        codes = [code for code in wanted if is_linked.get(code) is state]
        labels = [str(wanted.index(code) + 1) for code in codes]
        shapes = _array([found["parcel"][code] for code in codes])
        groups.append(Drawn(shapes, fill, line, 2, labels))
    groups.append(Drawn(_array(list(found["drawn"].values())), None, _DRAWN, 2))
    groups.append(Drawn(_array(shown), None, _POINT, 3))
    caption = (
        f"{story['key']}: orange asked, green linked, blue drawn for it, red its registered point"
    )
    if points and not shown:
        away = shapely.distance(shapely.union_all(land), points[0])
        caption = f"{story['key']}: orange asked, green linked, blue drawn; its point is {away / 1000:.1f} km away"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_map(path, box.reshape(1, 4), groups, caption)
    except OSError as error:
        raise SettingsError("export.not_writable", path=str(path), reason=str(error)) from error
    return True


def file_name(code: str) -> str:
    """A code as it may stand in the name of a file.

    Shape:  one text in; the same out, with ``_`` for what file systems do not take.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    return re.sub(r'[\x00-\x20\x7f/\\:*?"<>|]+', "_", code).strip("._") or "_"


def _array(shapes: list[Any]) -> npt.NDArray[np.object_]:
    found = np.empty(len(shapes), dtype=object)
    found[:] = shapes
    return found


def _words(code: str) -> str:
    return " ".join(both(code, {}))


def _links(book: Book, code: str) -> list[Story]:
    link = book.table("derived.link")
    return book.rows(
        select(*book.columns("derived.link"))
        .where(link.c.enterprise_code == code)
        .order_by(link.c.rank, link.c.parcel_code, link.c.role)
    )


def _parcel(book: Book, code: str, pieces: list[Story], links: list[Story]) -> Story:
    """One parcel: its record, who is written down for it, evidence, links."""
    parcel, right, lease = (book.table(f"core.{name}") for name in ("parcel", "right", "lease"))
    names = sorted({code, *(name for piece in pieces for name in piece["named_codes"] or ())})
    records = book.records("parcel", parcel.c.parcel_code == code)
    return {
        "parcel_code": code,
        "record": records[0] if records else None,
        "rights": book.open_records("right", right.c.parcel_code.in_(names)),
        "leases": book.open_records("lease", lease.c.parcel_code.in_(names)),
        "evidence": lines_of(pieces),
        "links": [row for row in links if row["parcel_code"] == code],
    }


def _decisions(book: Book, code: str) -> list[Story]:
    """Every decision on an enterprise, the oldest first, and what changed since."""
    decision, now = book.table("core.decision"), book.table("core.current_decision")
    stale = book.table("derived.stale_decision")
    left_out = ("evidence", "evidence_hash", "enterprise_code")
    return book.rows(
        select(
            *book.columns("core.decision", *left_out),
            now.c.decision_id.is_not(None).label("is_in_force"),
            stale.c.come,
            stale.c.gone,
        )
        .select_from(
            decision.outerjoin(now, now.c.decision_id == decision.c.decision_id).outerjoin(
                stale, stale.c.decision_id == decision.c.decision_id
            )
        )
        .where(decision.c.enterprise_code == code)
        .order_by(decision.c.decision_id)
    )


def _parcel_lines(page: Page, number: int, parcel: Story) -> None:
    states = [
        f"{word('link_status', row['status'])} · {word('role', row['role'])}"
        for row in parcel["links"]
    ]
    page.line(" · ".join([f"[{number}] {parcel['parcel_code']}", *states]))
    if parcel["record"] is not None:
        names = ("location", "land_use_code", "official_area_m2", "reference_area_m2")
        page.facts(parcel["record"]["values"], names, 2, "parcel")
    for line in parcel["evidence"]:
        page.line(f"+ {line}", 2)
    page.evidence([*parcel["rights"], *parcel["leases"]], 2)


def _decision_lines(page: Page, decision: Story) -> None:
    state = say("review.in_force" if decision["is_in_force"] else "review.no_longer_in_force")
    parcel = decision["parcel_code"]
    page.decision(decision)
    page.line(f"{parcel} · {state}" if parcel else state, 2)
    for name, sign in (("come", "+"), ("gone", "-")):
        for stage, place in dict.fromkeys(map(piece_of_word, decision[name] or ())):
            page.line(f"{sign} {word('stage', stage)} · {place}", 2)
