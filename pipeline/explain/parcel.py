"""The story of a parcel: record and lineage, land under it, users, units, state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, Select, literal, select

from pipeline.explain.book import Book, Story, not_found
from pipeline.explain.land import allocations, conservation, unit_codes, units
from pipeline.explain.links import links


def parcel_story(book: Book, key: str) -> Story:
    """Tell what a parcel is, who uses it, and how it counts.

    Shape:  a parcel code, held now or once, in; a dict out, see ``pipeline.explain.explain``.
    Units:  square metres.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found.
    Source: docs/sources.md, Design 5, invariant 2 and 10.
    """
    parcel = book.table("core.parcel")
    versions = book.records("parcel", parcel.c.parcel_code == key)
    if not versions:
        raise not_found("parcel", key)
    record = next((row for row in versions if row["to_run"] is None), None)
    link, allocation = book.table("derived.link"), book.table("derived.allocation")
    own_units = unit_codes(book, book.table("derived.unit_member").c.parcel_code == key)
    shares = allocations(book, allocation.c.parcel_code == key)
    pieces = _pieces(book, key)
    return {
        "key": key,
        "record": record,
        "earlier": [row for row in versions if row["to_run"] is not None],
        "closed_by": None if record else max((row["to_run"] for row in versions), key=_run_id),
        "lineage": {
            "predecessors": _walk(book, key, forward=False),
            "successors": _walk(book, key, forward=True),
            "now": _now(book, key),
            "naming": _naming(book, key),
        },
        "township": _township(book, key, pieces),
        "pieces": pieces,
        "links": links(book, link.c.parcel_code == key),
        "allocation": shares,
        "conservation": record and conservation(shares, record["values"]["reference_area_m2"]),
        "units": units(book, own_units),
        "state": _row(book, "derived.parcel_state", key),
        "issues": book.issues([key, *own_units]),
        "published": {
            "parcel": _row(book, "layers.parcel", key),
            "uncovered_land": _uncovered(book, key),
        },
    }


def _run_id(run: Story) -> int:
    """Number of a run."""
    return int(run["run_id"])


def _row(book: Book, table: str, key: str) -> Story | None:
    """The one row of a table that belongs to the parcel."""
    return book.one(select(*book.columns(table)).where(book.table(table).c.parcel_code == key))


def _walk(book: Book, key: str, *, forward: bool) -> list[Story]:
    """Parcels that this one went into, or came from, over all runs, nearest first."""
    lineage = book.table("core.parcel_lineage")
    here, there = lineage.c.old_parcel_code, lineage.c.new_parcel_code
    if not forward:
        here, there = there, here
    start: Select[Any] = select(*lineage.c, literal(1, Integer).label("steps")).where(here == key)
    walk = start.cte("walk", recursive=True)
    reached = walk.c[there.name]
    is_after = lineage.c.run_id > walk.c.run_id if forward else lineage.c.run_id < walk.c.run_id
    walk = walk.union(select(*lineage.c, walk.c.steps + 1).join(walk, (here == reached) & is_after))
    rows = book.rows(
        select(walk).order_by(
            walk.c.steps, walk.c.run_id, walk.c.old_parcel_code, walk.c.new_parcel_code
        )
    )
    return [{**row, "run": book.run(row["run_id"])} for row in rows]


def _now(book: Book, key: str) -> list[Story]:
    """Parcels in force on the land of a retired one, and whether rows that name it count there."""
    successor = book.table("derived.parcel_successor")
    return book.rows(
        select(*book.columns("derived.parcel_successor", "parcel_code"))
        .where(successor.c.parcel_code == key)
        .order_by(successor.c.share.desc(), successor.c.successor_code)
    )


def _naming(book: Book, key: str) -> list[Story]:
    """Rows that name the parcel though it is retired, or a retired one whose land it holds."""
    naming, successor = (
        book.table("derived.retired_evidence"),
        book.table("derived.parcel_successor"),
    )
    former = select(successor.c.parcel_code).where(
        successor.c.successor_code == key, successor.c.follow != "rest"
    )
    return book.rows(
        select(*book.columns("derived.retired_evidence"))
        .where((naming.c.parcel_code == key) | naming.c.parcel_code.in_(former))
        .order_by(naming.c.parcel_code, naming.c.feed, naming.c.record_key)
    )


def _pieces(book: Book, key: str) -> list[Story]:
    """Pieces of industrial patches under the parcel, largest first, with the patches' rows."""
    piece, patch = book.table("derived.parcel_patch"), book.table("core.patch")
    rows = book.rows(
        select(piece.c.patch_code, piece.c.area_m2)
        .where(piece.c.parcel_code == key)
        .order_by(piece.c.area_m2.desc(), piece.c.patch_code)
    )
    records = book.open_records(
        "patch",
        patch.c.patch_code.in_([row["patch_code"] for row in rows]),
        patch.c.vintage == book.publication["vintage"],
    )
    by_code = {record["values"]["patch_code"]: record for record in records}
    return [{**row, "patch": by_code.get(row["patch_code"])} for row in rows]


def _township(book: Book, key: str, pieces: Sequence[Story]) -> Story | None:
    """Township and assessment unit, and what says so."""
    found = _row(book, "derived.parcel_township", key)
    if found is None:
        return None
    areas: dict[str, Decimal] = defaultdict(Decimal)
    for piece in pieces:
        if piece["patch"] is not None:
            areas[piece["patch"]["values"]["township_code"]] += Decimal(piece["area_m2"])
    reason = "no_patch"
    if found["township_code"]:
        reason = "largest_industrial_area" if areas else "inner_point"
    names = book.area_names([found["township_code"], found["area_code"], *areas])
    return {
        **found,
        "township_name": names.get(found["township_code"]),
        "area_name": names.get(found["area_code"]),
        "reason": reason,
        "industrial_area": [
            {"township_code": code, "name": names.get(code), "area_m2": f"{area:f}"}
            for code, area in sorted(areas.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
    }


def _uncovered(book: Book, key: str) -> list[Story]:
    """Rows of the gap list that lie on the parcel."""
    land = book.table("layers.uncovered_land")
    return book.rows(
        select(*book.columns("layers.uncovered_land"))
        .where(land.c.parcel_code == key)
        .order_by(land.c.patch_code)
    )
