"""Shares of parcels and evaluation units for ``explain``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from sqlalchemy import ColumnElement, select

from pipeline.explain.book import Book, Story


def allocations(book: Book, *conditions: ColumnElement[bool]) -> list[Story]:
    """How parcels are shared, with the reference area and the evidence of each share.

    Shape:  conditions on ``derived.allocation`` in; its rows, with the enterprise's name, the
            parcel's reference area, its delivered row and ``evidence``, out; the rest ('') stands
            last.
    Units:  square metres; share 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.allocation; docs/how-it-decides.md section 4.
    """
    allocation, parcel = book.table("derived.allocation"), book.table("core.parcel")
    rows = book.rows(
        select(
            *book.columns("derived.allocation"),
            parcel.c.reference_area_m2,
            parcel.c.reference_area,
        )
        .join(
            parcel,
            (parcel.c.parcel_code == allocation.c.parcel_code) & parcel.c.to_run.is_(None),
        )
        .where(*conditions)
        .order_by(
            allocation.c.parcel_code,
            allocation.c.enterprise_code == "",
            allocation.c.enterprise_code,
        )
    )
    names = book.enterprise_names(row["enterprise_code"] for row in rows)
    parcels = {
        record["values"]["parcel_code"]: record
        for record in book.open_records(
            "parcel", parcel.c.parcel_code.in_(sorted({row["parcel_code"] for row in rows}))
        )
    }
    return [
        {
            **row,
            "enterprise_name": names.get(row["enterprise_code"]),
            "parcel_source": parcels[row["parcel_code"]]["source"],
            "evidence": _share_evidence(book, row),
        }
        for row in rows
    ]


def conservation(rows: Sequence[Story], reference_area_m2: str) -> Story:
    """Whether the shares of a parcel sum to its reference area.

    Shape:  rows of one parcel, as ``allocations`` gives them, and its area in; one dict out.
    Units:  square metres.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Design 5, invariant 2.
    """
    total = sum((Decimal(row["allocated_m2"]) for row in rows), Decimal(0))
    return {
        "sum_m2": f"{total:f}",
        "reference_area_m2": reference_area_m2,
        "difference_m2": f"{total - Decimal(reference_area_m2):f}",
    }


def units(book: Book, codes: Iterable[str]) -> list[Story]:
    """Evaluation units of the data year with members, grade, and what their state rests on.

    Shape:  unit codes in; rows of ``derived.unit`` with ``members``, ``grade``, ``scores``,
            ``indicators`` and ``recognitions`` out.
    Units:  square metres; indicators in their own unit.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.unit; docs/how-it-decides.md sections 5 and 7.
    """
    unit, grade = book.table("derived.unit"), book.table("derived.grade")
    year = book.publication["data_year"]
    rows = book.rows(
        select(*book.columns("derived.unit"))
        .where(unit.c.year == year, unit.c.unit_code.in_(sorted(set(codes))))
        .order_by(unit.c.unit_code)
    )
    return [
        {
            **row,
            "members": _members(book, row["unit_code"]),
            "grade": book.one(
                select(*book.columns("derived.grade", "year", "unit_code")).where(
                    grade.c.year == year, grade.c.unit_code == row["unit_code"]
                )
            ),
            **_state_evidence(book, row["unit_code"]),
        }
        for row in rows
    ]


def unit_codes(book: Book, *conditions: ColumnElement[bool]) -> list[str]:
    """Codes of the units of the data year whose members meet the conditions.

    Shape:  conditions on ``derived.unit_member`` in; unit codes in order out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.unit_member.
    """
    member = book.table("derived.unit_member")
    rows = book.rows(
        select(member.c.unit_code)
        .distinct()
        .where(member.c.year == book.publication["data_year"], *conditions)
        .order_by(member.c.unit_code)
    )
    return [row["unit_code"] for row in rows]


def _members(book: Book, unit_code: str) -> list[Story]:
    """Who brings which land into a unit; '' holds what the members use undivided."""
    member = book.table("derived.unit_member")
    rows = book.rows(
        select(member.c.enterprise_code, member.c.parcel_code, member.c.area_m2)
        .where(member.c.year == book.publication["data_year"], member.c.unit_code == unit_code)
        .order_by(member.c.enterprise_code == "", member.c.enterprise_code, member.c.parcel_code)
    )
    names = book.enterprise_names(row["enterprise_code"] for row in rows)
    return [{**row, "enterprise_name": names.get(row["enterprise_code"])} for row in rows]


def _state_evidence(book: Book, unit_code: str) -> Story:
    """Records of the members that decide the state and the grade of a unit."""
    member = book.table("derived.unit_member")
    year = book.publication["data_year"]
    codes = (
        select(member.c.enterprise_code)
        .where(member.c.year == year, member.c.unit_code == unit_code)
        .where(member.c.enterprise_code != "")
    )
    found: Story = {}
    for name, feed in (("scores", "score"), ("indicators", "indicator")):
        record = book.table(f"core.{feed}")
        found[name] = book.open_records(
            feed, record.c.enterprise_code.in_(codes), record.c.year == year
        )
    recognition = book.table("core.recognition")
    found["recognitions"] = book.open_records(
        "recognition",
        recognition.c.enterprise_code.in_(codes),
        recognition.c.kind == "transition",
    )
    return found


def _share_evidence(book: Book, row: Story) -> list[Story]:
    """Leases, rights and drawings that a share rests on; their keys say which they are."""
    keys = row["evidence_keys"]
    if not keys:
        return []
    lease, right = book.table("core.lease"), book.table("core.right")
    footprint = book.table("core.footprint")
    return [
        *book.open_records(
            "lease", lease.c.lease_no.in_(keys), lease.c.parcel_code == row["parcel_code"]
        ),
        *book.open_records("right", right.c.record_key.in_(keys)),
        *book.open_records(
            "footprint",
            footprint.c.footprint_code.in_(keys),
            footprint.c.enterprise_code == row["enterprise_code"],
        ),
    ]
