"""The story of a survey patch: its areas, the parcels over it, and the arithmetic of its cover."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Numeric, cast, func, select

from pipeline.domain.quantities import half_up
from pipeline.explain.book import Book, Story, not_found

STATES: Final = ("linked", "evaluated", "transition", "covered")
_DIGITS: Final = 4


def patch_story(book: Book, key: str) -> Story:
    """Tell how the land of a survey patch counts.

    Shape:  a patch code in; a dict out, see ``pipeline.explain.explain``.
    Units:  square metres; shares 0 to 1.
    CRS:    none (no geometry); overlaps are measured on the survey's area plane.
    Errors: UsageError explain.not_found.
    Source: docs/sources.md, Design 2 (coverage is local); docs/how-it-decides.md section 6.
    """
    patch = book.table("core.patch")
    versions = book.records("patch", patch.c.patch_code == key)
    if not versions:
        raise not_found("patch", key)
    record = _in_force(versions, book.publication["vintage"])
    pieces = _pieces(book, key)
    parts = _parts(book, key)
    overlaps = _overlaps(book, key)
    values = record["values"] if record else versions[0]["values"]
    names = book.area_names([values["township_code"]])
    return {
        "key": key,
        "record": record,
        "earlier": [row for row in versions if row is not record],
        "township_name": names.get(values["township_code"]),
        "areas": _areas(record),
        "parts": parts,
        "pieces": _with_contributions(record, pieces),
        "overlaps": overlaps,
        "sums": _sums(record, pieces, overlaps, parts),
        "issues": book.issues([key, *(row["record_key"] for row in versions)]),
        "published": {
            "industrial_patch": _published(book, key),
            "uncovered_land": _uncovered(book, key),
        },
    }


def _in_force(versions: Sequence[Story], vintage: int | None) -> Story | None:
    """The open version of the survey year that the run used, else the newest open one."""
    open_now = [row for row in versions if row["to_run"] is None]
    used = [row for row in open_now if row["values"]["vintage"] == vintage]
    return next(
        iter(used), max(open_now, key=lambda row: int(row["values"]["vintage"]), default=None)
    )


def _areas(record: Story | None) -> Story | None:
    """Official area beside drawn area; ``official`` tells whether the office gave one."""
    if record is None:
        return None
    official, drawn = _official_and_drawn(record)
    return {
        "counted_m2": f"{half_up(official, _DIGITS):f}",
        "is_official": record["values"]["official_area_m2"] is not None,
        "official_area_m2": record["values"]["official_area_m2"],
        "ellipsoid_area_m2": record["values"]["ellipsoid_area_m2"],
        "difference_m2": f"{half_up(official - drawn, _DIGITS):f}",
    }


def _official_and_drawn(record: Story) -> tuple[Fraction, Fraction]:
    """Area that counts (official, else drawn) and drawn area, exactly."""
    drawn = Fraction(record["values"]["ellipsoid_area_m2"])
    given = record["values"]["official_area_m2"]
    return (drawn if given is None else Fraction(given)), drawn


def _parts(book: Book, key: str) -> list[Story]:
    """Figures of the patch in each assessment unit that it lies in."""
    cover = book.table("derived.patch_cover")
    rows = book.rows(
        select(*book.columns("derived.patch_cover"))
        .where(cover.c.patch_code == key)
        .order_by(cover.c.area_code)
    )
    names = book.area_names(row["area_code"] for row in rows)
    return [{**row, "area_name": names.get(row["area_code"])} for row in rows]


def _pieces(book: Book, key: str) -> list[Story]:
    """Pieces under parcels, with the shares of the parcels."""
    piece, state = book.table("derived.parcel_patch"), book.table("derived.parcel_state")
    return book.rows(
        select(
            piece.c.parcel_code,
            piece.c.area_m2,
            *(_share(state, name).label(f"{name}_share") for name in STATES),
        )
        .join(state, state.c.parcel_code == piece.c.parcel_code)
        .where(piece.c.patch_code == key)
        .order_by(piece.c.parcel_code)
    )


def _share(state: FromClause, name: str) -> ColumnElement[Any]:
    """Share of a parcel in a state; covered is evaluated and in transition together."""
    if name == "covered":
        return state.c.evaluated_share + state.c.transition_share
    return state.c[f"{name}_share"]


def _overlaps(book: Book, key: str) -> list[Story]:
    """Pairs of parcels that share a spot of the patch, and what counts once there."""
    one = book.table("derived.parcel_patch").alias("one")
    two = book.table("derived.parcel_patch").alias("two")
    a, b = (book.table("derived.parcel_state").alias(name) for name in ("a", "b"))
    plane = int(book.constant("area_srid"))
    shared = func.ST_Transform(
        func.ST_CollectionExtract(func.ST_Intersection(one.c.geom, two.c.geom), 3), plane
    )
    area = func.round(cast(func.ST_Area(shared), Numeric), _DIGITS)
    smaller = [
        func.least(_share(a, name), _share(b, name)).label(f"{name}_share") for name in STATES
    ]
    return book.rows(
        select(
            one.c.parcel_code.label("parcel_code"),
            two.c.parcel_code.label("other_parcel_code"),
            area.label("area_m2"),
            *smaller,
        )
        .select_from(one)
        .join(
            two,
            (two.c.patch_code == one.c.patch_code)
            & (two.c.parcel_code > one.c.parcel_code)
            & func.ST_Intersects(one.c.geom, two.c.geom),
        )
        .join(a, a.c.parcel_code == one.c.parcel_code)
        .join(b, b.c.parcel_code == two.c.parcel_code)
        .where(one.c.patch_code == key, area > 0)
        .order_by(one.c.parcel_code, two.c.parcel_code)
    )


def _counted(record: Story, piece: Story, state: str) -> Fraction:
    """Official area x piece / drawn area x share, exactly."""
    official, drawn = _official_and_drawn(record)
    if not drawn:
        return Fraction(0)
    return official * Fraction(piece["area_m2"]) / drawn * Fraction(piece[f"{state}_share"])


def _with_contributions(record: Story | None, pieces: Sequence[Story]) -> list[Story]:
    """Pieces with what each brings, before overlaps are taken out."""
    if record is None:
        return list(pieces)
    return [
        {
            **piece,
            **{
                f"{state}_m2": f"{half_up(_counted(record, piece, state), _DIGITS):f}"
                for state in STATES
            },
        }
        for piece in pieces
    ]


def _sums(
    record: Story | None,
    pieces: Sequence[Story],
    overlaps: Sequence[Story],
    parts: Sequence[Story],
) -> list[Story]:
    """For each state: what the pieces bring, less the overlaps, beside what stands in the table."""
    if record is None or not parts:
        return []
    found = []
    for state in STATES:
        brought = sum((_counted(record, piece, state) for piece in pieces), Fraction(0))
        twice = sum((_counted(record, overlap, state) for overlap in overlaps), Fraction(0))
        table = sum((Decimal(part[f"{state}_area_m2"]) for part in parts), Decimal(0))
        found.append(
            {
                "state": state,
                "pieces_m2": f"{half_up(brought, _DIGITS):f}",
                "overlaps_m2": f"{half_up(twice, _DIGITS):f}",
                "table_m2": f"{table:f}",
                "difference_m2": f"{half_up(brought - twice - Fraction(table), _DIGITS):f}",
            }
        )
    return found


def _published(book: Book, key: str) -> Story | None:
    """The row of the layer that shows the patch."""
    layer = book.table("layers.industrial_patch")
    return book.one(
        select(*book.columns("layers.industrial_patch")).where(layer.c.patch_code == key)
    )


def _uncovered(book: Book, key: str) -> list[Story]:
    """Rows of the gap list on the patch."""
    land = book.table("layers.uncovered_land")
    return book.rows(
        select(*book.columns("layers.uncovered_land"))
        .where(land.c.patch_code == key)
        .order_by(land.c.rank_in_township)
    )
