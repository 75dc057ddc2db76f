"""The story of a township or zone: its coverage, patch by patch."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from sqlalchemy import select

from pipeline.domain.quantities import MU_M2, truncate_pct
from pipeline.errors import UsageError
from pipeline.explain.book import Book, Story, not_found

AREAS: Final = (
    "base_area_m2",
    "linked_area_m2",
    "evaluated_area_m2",
    "transition_area_m2",
    "covered_area_m2",
)
_LONGEST_GAP_LIST: Final = 10


def township_story(book: Book, key: str) -> Story:
    """Tell how the coverage of a township or zone comes about.

    Shape:  area code or exact name in; a dict out, see ``pipeline.explain.explain``.
    Units:  square metres, mu where a name ends in ``_mu``; ratios 0 to 1, and per cent cut off.
    CRS:    none (no geometry).
    Errors: UsageError explain.not_found, explain.not_unique.
    Source: docs/sources.md, Design 5, invariant 3, 4 and 10; docs/how-it-decides.md section 6.
    """
    figures = _find(book, key)
    code = figures["area_code"]
    area, history = book.table("core.area"), book.table("core.coverage_history")
    versions = book.records("area", area.c.area_code == code)
    patches = _patches(book, code)
    layer = book.table("layers.township_coverage")
    return {
        "key": code,
        "record": next((row for row in versions if row["to_run"] is None), None),
        "earlier": [row for row in versions if row["to_run"] is not None],
        "definition": figures["definition"],
        "coverage": {**figures, **_ratios(figures)},
        "patches": patches,
        "sums": _sums(patches, figures),
        "history": book.rows(
            select(*book.columns("core.coverage_history", "area_code"))
            .where(history.c.area_code == code)
            .order_by(history.c.run_id)
        ),
        "uncovered_land": _uncovered(book, code),
        "issues": book.issues([code]),
        "published": book.one(
            select(*book.columns("layers.township_coverage")).where(layer.c.township_code == code)
        ),
    }


def _find(book: Book, key: str) -> Story:
    """The row of derived.township_coverage that a key names."""
    coverage = book.table("derived.township_coverage")
    for column in (coverage.c.area_code, coverage.c.name):
        rows = book.rows(
            select(*book.columns("derived.township_coverage"))
            .where(column == key)
            .order_by(coverage.c.area_code)
        )
        if len(rows) == 1:
            return rows[0]
        if rows:
            codes = ", ".join(row["area_code"] for row in rows)
            raise UsageError("explain.not_unique", kind="township", key=key, codes=codes)
    raise not_found("township", key)


def _ratios(figures: Story) -> Story:
    """The ratios as fractions and cut-off per cent, and how far the target is."""
    base, covered = Fraction(figures["base_area_m2"]), Fraction(figures["covered_area_m2"])
    evaluated = Fraction(figures["evaluated_area_m2"])
    gap_mu = Decimal(figures["gap_m2"]) * MU_M2.denominator / MU_M2.numerator
    return {
        "coverage_fraction": f"{figures['covered_area_m2']} / {figures['base_area_m2']}",
        "coverage_pct": truncate_pct(covered / base) if base else None,
        "strict_pct": truncate_pct(evaluated / base) if base else None,
        "target_pct": truncate_pct(Fraction(figures["target_ratio"])),
        "is_target_met": covered / base >= Fraction(figures["target_ratio"]) if base else None,
        "gap_mu": f"{gap_mu:f}",
    }


def _patches(book: Book, code: str) -> list[Story]:
    """Figures of each patch in the unit, with the delivered row of the patch."""
    cover, patch = book.table("derived.patch_cover"), book.table("core.patch")
    rows = book.rows(
        select(cover.c.patch_code, cover.c.township_code, *(cover.c[name] for name in AREAS))
        .where(cover.c.area_code == code)
        .order_by(cover.c.patch_code)
    )
    inside = select(cover.c.patch_code).where(cover.c.area_code == code)
    records = book.open_records(
        "patch",
        patch.c.patch_code.in_(inside),
        patch.c.vintage == book.publication["vintage"],
    )
    sources = {record["values"]["patch_code"]: record["source"] for record in records}
    return [{**row, "source": sources.get(row["patch_code"])} for row in rows]


def _sums(patches: Sequence[Story], figures: Story) -> Story:
    """Sums over the patches, and whether they are the figures of the unit."""
    sums = {name: sum((Decimal(patch[name]) for patch in patches), Decimal(0)) for name in AREAS}
    return {
        **{name: f"{total:f}" for name, total in sums.items()},
        "is_equal": all(total == Decimal(figures[name]) for name, total in sums.items()),
    }


def _uncovered(book: Book, code: str) -> list[Story]:
    """The largest rows of the gap list on patches that lie in the unit, wholly or in part."""
    land, cover = book.table("layers.uncovered_land"), book.table("derived.patch_cover")
    inside = select(cover.c.patch_code).where(cover.c.area_code == code)
    return book.rows(
        select(*book.columns("layers.uncovered_land"))
        .where(land.c.patch_code.in_(inside))
        .order_by(land.c.area_m2.desc(), land.c.patch_code, land.c.parcel_code)
        .limit(_LONGEST_GAP_LIST)
    )
