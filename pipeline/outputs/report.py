"""The report of a run: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from pipeline.domain.quantities import MU_M2, half_up, truncate_pct
from pipeline.outputs._files import whole_file
from pipeline.outputs.grading import TABLES as GRADING
from pipeline.outputs.grading import read_grading
from pipeline.outputs.tables import read_codes, reflect

Message = Callable[[str, dict[str, object]], tuple[str, str]]
Rows = list[dict[str, Any]]

_ENGLISH: Final = {
    "seat_state": {
        "linked": "linked",
        "in_review": "in review",
        "no_industrial_premises": "no industrial premises",
        "off_site": "off site",
        "unknown": "unknown",
    },
    "change_kind": {
        "added": "added",
        "removed": "removed",
        "attributes": "attributes",
        "geometry": "geometry",
        "both": "attributes and geometry",
    },
}

_TABLES: Final = {
    "layers": ("publication", "land_change"),
    "derived": ("township_coverage", "seat", *GRADING["derived"]),
    "ops": ("delivery", "issue"),
}
_CHANGE_KINDS: Final = ("added", "removed", "attributes", "geometry", "both")
_SEVERITIES: Final = ("error", "warning", "notice")


def write_report(
    connection: Connection, path: Path, run: Mapping[str, Any], message: Message
) -> None:
    """Write the report of the published run as one self-contained page, Chinese first.

    ``run`` may hold ``run_id``, ``as_of``, ``data_year``, ``state``, ``steps`` (mappings with step,
    seconds and tables: counts per table), ``change`` (what the run did to records and figures),
    ``accepted``, ``missing_feeds`` (names) and ``title``; everything else comes from the database.

    Shape:  an open connection, the target, what the run says of itself and a function from code
            and parameters to the Chinese and the English text in; a file out.
    Units:  areas in mu (2000/3 m2) with two decimals, half up; ratios as per cent, cut off.
    CRS:    none.
    Errors: SettingsError export.not_writable.
    Source: docs/sources.md, 1.8 (the township table).
    """
    page = render_report(_read(connection), run, message)
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8")


def render_report(found: Mapping[str, Any], run: Mapping[str, Any], message: Message) -> str:
    """Render the page from what was read; no database is needed.

    Shape:  rows as ``write_report`` reads them in; HTML out.
    Units:  as ``write_report``.
    CRS:    none.
    Errors: none.
    Source: as ``write_report``.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.outputs", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(mu=mu, pct=pct)
    issues = sorted(found["issues"], key=lambda row: _SEVERITIES.index(row["severity"]))
    return environment.get_template("report.html.j2").render(
        found,
        title=run.get("title") or "地企融合 Land-enterprise fusion",
        total=_total(found["coverage"]),
        run={"state": "published", "accepted": None, **run},
        change=_change(run.get("change") or {}),
        gate=[
            {
                **one,
                "text": message(
                    f"{one['code']}.passed"
                    if one["stops"] and run.get("accepted")
                    else one["code"],
                    one["params"],
                ),
            }
            for one in (run.get("change") or {}).get("gate", ())
        ],
        issues=[_issue(row, message) for row in issues],
        steps=[_step(step) for step in run.get("steps", ())],
        missing=[
            (feed, message(f"report.missing.{feed}", {"feed": feed}))
            for feed in run.get("missing_feeds", ())
        ],
        overdue=run.get("overdue", ()),
        too_old=run.get("too_old", ()),
        zh=read_codes(),
        en=_ENGLISH,
    )


def mu(area_m2: Decimal) -> str:
    """Write an area in mu with two decimals, half up.

    Shape:  one number in; one text out.
    Units:  in: m2; out: mu (2000/3 m2).
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 6; only at output.
    """
    return f"{half_up(Fraction(area_m2) / MU_M2, 2):,f}"


def pct(ratio: Decimal | None) -> str:
    """Write a ratio as per cent, cut off; a dash where there is no base.

    Shape:  one ratio or none in; one text out.
    Units:  in: 1; out: per cent.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 1.8.
    """
    return "—" if ratio is None else truncate_pct(ratio)


def _read(connection: Connection) -> dict[str, Any]:
    """Read all that the page shows."""
    metadata = reflect(connection, _TABLES)
    tables = metadata.tables
    coverage, delivery = tables["derived.township_coverage"], tables["ops.delivery"]

    def rows(statement: Select[Any]) -> Rows:
        return [dict(row) for row in connection.execute(statement).mappings()]

    return {
        "publication": next(iter(rows(select(tables["layers.publication"]))), None),
        "coverage": rows(select(coverage).order_by(coverage.c.area_code)),
        "seats": rows(_seats(tables["derived.seat"])),
        "deliveries": rows(
            select(delivery).order_by(
                delivery.c.data_date.desc(), delivery.c.feed, delivery.c.delivery_id.desc()
            )
        ),
        "issues": rows(_issues(tables["ops.issue"], delivery)),
        "changes": rows(_changes(tables["layers.land_change"])),
        "rules": read_grading(connection, metadata),
    }


def _seats(seat: Table) -> Select[Any]:
    """Enterprises per seat state."""
    return (
        select(seat.c.seat_state, func.count().label("count"))
        .group_by(seat.c.seat_state)
        .order_by(seat.c.seat_state)
    )


def _issues(issue: Table, delivery: Table) -> Select[Any]:
    """One issue of each rule, which stands for the rest: its parameters fill the message."""
    rule = (issue.c.severity, issue.c.rule)
    return (
        select(issue, func.count().over(partition_by=rule).label("count"))
        .ext(distinct_on(*rule))
        .select_from(issue.outerjoin(delivery, issue.c.delivery_id == delivery.c.delivery_id))
        .where(delivery.c.delivery_id.is_(None) | delivery.c.state.in_(["loaded", "consumed"]))
        .order_by(*rule, issue.c.subject_key, issue.c.detail_key, issue.c.issue_id)
    )


def _changes(change: Table) -> Select[Any]:
    """Parcels per kind of change."""
    kinds = (change.c.change_kind, change.c.lineage_kind)
    return (
        select(change.c.run_id, *kinds, func.count().label("count"))
        .group_by(change.c.run_id, *kinds)
        .order_by(change.c.change_kind, change.c.lineage_kind.nulls_first())
    )


def _issue(row: Mapping[str, Any], message: Message) -> dict[str, Any]:
    """Say what is wrong and what to do next, with one issue of the rule as the example."""
    said = {name: row[name] for name in ("rule", "feed", "subject_key", "field", "value")}
    said |= row["params"]
    return {
        **row,
        "text": message(row["rule"], said),
        "next": message(f"{row['rule']}.next_step", said),
    }


def _total(coverage: Rows) -> dict[str, Any] | None:
    """Sum the assessment units to the county."""
    if not coverage:
        return None
    names = [name for name in coverage[0] if name.endswith("_m2")]
    total: dict[str, Any] = {
        name: sum((row[name] for row in coverage), Decimal(0)) for name in names
    }
    base = Fraction(total["base_area_m2"])
    target = coverage[0]["target_ratio"]
    covered = Fraction(total["covered_area_m2"])
    total["coverage_ratio"] = covered / base if base else None
    total["strict_ratio"] = Fraction(total["evaluated_area_m2"]) / base if base else None
    total["target_ratio"] = target
    total["gap_m2"] = max(Fraction(target) * base - covered, Fraction(0))
    return total


def _change(change: Mapping[str, Any]) -> dict[str, Any]:
    """Records by feed and kind, and the assessment units whose coverage is another than before."""
    units = []
    for row in change.get("coverage", ()):
        figures = {name: Decimal(value) for name, value in row.items() if name.endswith("_m2")}
        ratios = {
            f"ratio_{when}": Fraction(figures[f"covered_{when}_m2"])
            / Fraction(figures[f"base_{when}_m2"])
            if figures[f"base_{when}_m2"]
            else None
            for when in ("before", "after")
        }
        if any(
            figures[f"{name}_before_m2"] != figures[f"{name}_after_m2"]
            for name in ("base", "covered")
        ):
            units.append({**row, **figures, **ratios})
    return {
        "records": {
            feed: {kind: kinds.get(kind, 0) for kind in _CHANGE_KINDS}
            for feed, kinds in change.get("records", {}).items()
        },
        "lineage": change.get("lineage", {}),
        "links": change.get("links"),
        "units": units,
    }


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    """Add up what one step wrote."""
    counts = list(step["tables"].values())
    return {
        "name": step["step"],
        "seconds": f"{step['seconds']:.2f}",
        **{
            kind: sum(count[kind] for count in counts)
            for kind in ("inserted", "updated", "deleted", "unchanged")
        },
    }
