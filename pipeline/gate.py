"""The gate: what a run would change is judged before it is published, and a person may have to decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, text

from pipeline.database import Counts
from pipeline.feeds.contracts import Contract
from pipeline.settings import GateSettings

_ZERO = Decimal(0)
# Codes of what stops, and of what only warns.
_REMOVED: Final = ("gate.too_many_removed", "gate.many_removed")
_ADDED: Final = ("gate.too_many_added", "gate.many_added")
_FEWER: Final = ("gate.too_few_rows", "gate.few_rows")
_MORE: Final = ("gate.too_many_rows", "gate.many_rows")
# New files of townships beside the last ones of the same townships and years.
_SCOPED: Final = """
SELECT
  d.feed, d.file, d.scope,
  d.row_count - d.quarantined_count AS rows,
  b.row_count - b.quarantined_count AS before
FROM ops.delivery AS d
CROSS JOIN LATERAL (
  SELECT o.row_count, o.quarantined_count
  FROM ops.delivery AS o
  WHERE o.feed = d.feed AND o.scope = d.scope AND o.since IS NULL AND o.parts IS NOT DISTINCT FROM d.parts
    AND o.state IN ('loaded', 'consumed') AND (o.data_date, o.delivery_id) < (d.data_date, d.delivery_id)
  ORDER BY o.data_date DESC, o.delivery_id DESC
  LIMIT 1
) AS b
WHERE d.state = 'loaded' AND d.scope IS NOT NULL AND d.since IS NULL
ORDER BY d.feed, d.delivery_id
"""


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
    connection: Connection,
    counts: Mapping[str, Counts],
    contracts: Mapping[str, Contract],
    gate: GateSettings,
) -> list[Finding]:
    """Look at how many records of each feed a run takes out and adds.

    Nothing is added to a feed of which nothing is held: that is its first delivery.

    Shape:  what the run did to each table of records in; findings out, those that stop first.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: config/sources.toml, row_tolerance; else config/defaults.toml, gate.
    """
    found: list[Finding] = []
    for table, count in counts.items():
        if max(count.deleted, count.inserted) <= gate.min_removed:
            continue
        feed = table.split(".")[1]
        held = connection.execute(
            text(f"SELECT count(*) FROM {table} WHERE to_run IS NULL")  # noqa: S608 - our table
        ).scalar_one()
        before = held - count.inserted + count.deleted
        tolerance = _Tolerance.of(contracts[feed], gate)
        said: dict[str, object] = {"feed": feed, "before": before}
        found += tolerance.judge(
            count.deleted, before, _REMOVED, {**said, "removed": count.deleted}, tolerance.removed
        )
        found += tolerance.judge(
            count.inserted, before, _ADDED, {**said, "added": count.inserted}, tolerance.added
        )
    return sorted(found, key=lambda one: not one.stops)


def judge_deliveries(
    connection: Connection, contracts: Mapping[str, Contract], gate: GateSettings
) -> list[Finding]:
    """Compare each township's file that this run takes in with the last one of the same townships.

    What a township loses may be little to the county: nine tenths of its enterprises are one in
    twenty of all. Files of other years are not compared, nor are files of changes.

    Shape:  deliveries that are loaded and not consumed are looked at; findings out, those that stop
            first.
    Units:  none.
    CRS:    none.
    Errors: those of the database.
    Source: config/sources.toml, row_tolerance; else config/defaults.toml, gate.
    """
    found: list[Finding] = []
    for row in connection.execute(text(_SCOPED)):
        tolerance = _Tolerance.of(contracts[row.feed], gate)
        said: dict[str, object] = {
            "feed": row.feed,
            "file": row.file,
            "scope": ", ".join(row.scope),
            "rows": row.rows,
            "before": row.before,
        }
        found += tolerance.judge(row.before - row.rows, row.before, _FEWER, said, tolerance.removed)
        found += tolerance.judge(row.rows - row.before, row.before, _MORE, said, tolerance.added)
    return sorted(found, key=lambda one: not one.stops)


@dataclass(frozen=True)
class _Tolerance:
    """The shares of a feed beyond which a difference warns, and stops; None: never."""

    removed: tuple[Decimal | None, Decimal | None]
    added: tuple[Decimal | None, Decimal | None]
    least: int

    @classmethod
    def of(cls, contract: Contract, gate: GateSettings) -> _Tolerance:
        """The contract goes before the settings, which hold for every feed."""
        own = contract.row_tolerance
        warn, stop = own.warn_removed_share, own.max_removed_share
        return cls(
            (
                gate.warn_removed_share if warn is None else warn,
                gate.max_removed_share if stop is None else stop,
            ),
            (own.warn_added_share, own.max_added_share),
            gate.min_removed,
        )

    def judge(
        self,
        count: int,
        before: int,
        codes: tuple[str, str],
        said: Mapping[str, object],
        shares: tuple[Decimal | None, Decimal | None],
    ) -> Iterator[Finding]:
        """Say that a difference is too large, or large; ``codes`` are of the two."""
        if count <= self.least or before == 0:
            return
        warn, stop = shares
        if stop is not None and count > stop * before:
            yield Finding(codes[0], {**said, "share": str(stop)})
        elif warn is not None and count > warn * before:
            yield Finding(codes[1], {**said, "share": str(warn)}, stops=False)


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
