"""The gate: what a run would change is judged before it is published, and a person may have to decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from pipeline.database import Counts
from pipeline.settings import GateSettings

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Finding:
    """What the gate found: a message, and whether it stops the run or only warns."""

    code: str
    params: dict[str, object]
    stops: bool = True


@dataclass(frozen=True)
class Unit:
    """An assessment unit: its name, base and covered area (m2)."""

    name: str
    base_area_m2: Decimal
    covered_area_m2: Decimal

    @property
    def ratio(self) -> Decimal:
        """Its coverage, 0 where it has no base."""
        return self.covered_area_m2 / self.base_area_m2 if self.base_area_m2 else _ZERO


@dataclass(frozen=True)
class Published:
    """What the gate compares: accepted links, and the assessment units by their codes."""

    links: int
    units: dict[str, Unit]

    @property
    def base_area_m2(self) -> Decimal:
        """The industrial base of the county."""
        return sum((unit.base_area_m2 for unit in self.units.values()), _ZERO)


def read_published(connection: Connection) -> Published:
    """The figures that the gate compares, as they stand in this transaction.

    Shape:  an open connection in, one Published out; before the first run all is zero.
    Units:  m2, ratios.
    CRS:    none.
    Errors: those of the database.
    Source: docs/sources.md, Design 3 (gate).
    """
    units = connection.execute(
        text(
            "SELECT c.area_code, c.name, c.base_area_m2, c.covered_area_m2 "
            "FROM derived.township_coverage AS c ORDER BY c.area_code"
        )
    ).all()
    links: int = connection.execute(
        text("SELECT count(*) FROM derived.link WHERE status = 'accepted'")
    ).scalar_one()
    return Published(
        links,
        {
            unit.area_code: Unit(unit.name, unit.base_area_m2, unit.covered_area_m2)
            for unit in units
        },
    )


def judge_records(
    connection: Connection, counts: Mapping[str, Counts], gate: GateSettings
) -> list[Finding]:
    """Look at how many records of each feed a run takes out.

    Shape:  what the run did to each table of records in; findings out, those that stop first.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: config/defaults.toml, gate.
    """
    found: list[Finding] = []
    for table, count in counts.items():
        if count.deleted <= gate.min_removed:
            continue
        feed = table.split(".")[1]
        warn, stop = gate.removed_shares(feed)
        held = connection.execute(
            text(f"SELECT count(*) FROM {table} WHERE to_run IS NULL")  # noqa: S608 - our table
        ).scalar_one()
        before = held - count.inserted + count.deleted
        said: dict[str, object] = {"feed": feed, "removed": count.deleted, "before": before}
        if count.deleted > stop * before:
            found.append(Finding("gate.too_many_removed", {**said, "share": str(stop)}))
        elif count.deleted > warn * before:
            found.append(Finding("gate.many_removed", {**said, "share": str(warn)}, stops=False))
    return sorted(found, key=lambda one: not one.stops)


def judge_results(before: Published, after: Published, gate: GateSettings) -> list[Finding]:
    """Compare the results of a run with the published ones.

    No row of a file need be wrong for a finding: land drawn in the wrong zone covers nothing.

    Shape:  the figures before and after in, findings out; nothing is compared with a first run.
    Units:  m2, ratios.
    CRS:    none.
    Errors: none.
    Source: config/defaults.toml, gate.
    """
    found: list[Finding] = []
    if before.base_area_m2 > 0:
        change = abs(after.base_area_m2 - before.base_area_m2) / before.base_area_m2
        if change > gate.max_base_change:
            said: dict[str, object] = {
                "before": str(round(before.base_area_m2, 2)),
                "after": str(round(after.base_area_m2, 2)),
                "share": str(gate.max_base_change),
            }
            found.append(Finding("gate.base_area", said))
    lost = before.links - after.links
    if lost > gate.min_removed and lost > gate.max_links_lost * before.links:
        said = {"before": before.links, "after": after.links, "share": str(gate.max_links_lost)}
        found.append(Finding("gate.links", said))
    for code, unit in before.units.items():
        now = after.units.get(code, Unit(unit.name, _ZERO, _ZERO))
        # one firm that closes may be half of what a small township has
        if unit.covered_area_m2 - now.covered_area_m2 <= gate.min_covered_lost_m2:
            continue
        if unit.ratio - now.ratio > gate.max_coverage_fall:
            said = {
                "unit": code,
                "name": unit.name,
                "before": str(round(unit.ratio, 4)),
                "after": str(round(now.ratio, 4)),
                "fall": str(gate.max_coverage_fall),
            }
            found.append(Finding("gate.coverage", said))
    return found
