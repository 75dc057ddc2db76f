"""Random small counties, night after night: an increment equals a rebuild, and nothing breaks.

Every seed draws a county on a coarse grid, so that everything meets everything, and a few nights
in which rows, dates, settings, decisions, corrections and deliveries change. The rows bypass files
and contracts: ``County.deliver`` stores them as the loader does.

``DIQI_RANDOM_SEEDS`` names the seeds to try instead of the few of an ordinary run: ``100-199``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import json
import os
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import shapely
from conftest import Databases, Township
from psycopg import sql
from shapely.geometry import MultiPolygon, Polygon, box
from test_steps import computed, differences, rebuild, shown, state

from pipeline._paths import data_path
from pipeline.database import open_engine
from pipeline.demo import RULES as DEMO_RULES
from pipeline.domain.rules.schema import RuleSet
from pipeline.errors import UsageError
from pipeline.feeds.contracts import FEEDS, load_contracts
from pipeline.history import as_it_was
from pipeline.publication import change_delivery
from pipeline.rulebook import load_rules
from pipeline.selfcheck import check_database
from pipeline.settings import Settings

Row = dict[str, Any]
Rows = dict[str, Row]

NIGHTS = 3
COUNTY = "330299"
TOWNSHIPS = (f"{COUNTY}001", f"{COUNTY}002", f"{COUNTY}003")
# The first has the code of a township: survey patches carry it as their own.
ZONES = (TOWNSHIPS[2], f"{COUNTY}401", f"{COUNTY}402", f"{COUNTY}403")
VINTAGES = (2024, 2025)
# The grid: 16 cells of 4 m, at the county's central meridian.
CELL, CELLS = 4, 16
X0, Y0 = 500_000, 3_300_000
START = dt.date(2026, 6, 30)
CONTRACTS = load_contracts(data_path("config", "sources.toml"), None)
KEYS = {name: contract.key for name, contract in CONTRACTS.items()}
GEOMETRY = {"patch", "parcel", "enterprise", "footprint", "area"}
CHANGING = {
    "coverage": (
        {"base_codes": ("0601", "0602")},
        {"base_codes": ("0601",)},
        {"target_ratio": Decimal("0.5")},
    ),
    "evaluation": (
        {"max_operators": 1},
        {"size_threshold_mu": Decimal("0.3")},
        {"max_parcels": 1},
        {"data_year_offset": 0},
        {"vintage": 2024},
        {"vintage": 0},
    ),
    "link": (
        {"min_gap": Decimal("0.02")},
        {"footprint_min_share": Decimal("0.9")},
        {"point_reach_m": Decimal(15)},
        {"road_reach_m": Decimal(20)},
        {"place_min_share": Decimal("0.6")},
        {"review_candidates": 2},
        {"accept_score": Decimal("0.78")},
    ),
    "overlay": (
        {"sliver_m2": Decimal(40)},
        {"sliver_share": Decimal("0.3")},
        {"industrial_codes": ("0701",)},
    ),
    "topology": (
        {"parcel_gap_m": Decimal(5)},
        {"sliver_m2": Decimal(0)},
        {"sliver_share": Decimal("0.5")},
    ),
    "policy": ({"electricity_grades": ("C", "D")},),
    "lineage": ({"min_share": Decimal("0.5")},),
}


# The demonstration rules, and the same with other transitions, categories and cuts.
RULES = [
    load_rules(DEMO_RULES, changes=changes)
    for changes in (
        {},
        {"transitions.reference_day": "data_year_end", "transition.CX-T4.years": 1},
        {"transitions.effect": "floor", "transitions.not_below": "C"},
        {"category.BELOW_LT3.evaluated": False, "category.BELOW_GE3.from_mu": Decimal("0.3")},
        {"grading.BELOW_GE3.cut.A.share": Decimal("0.3"), "bonus.CX-P2.not_with": ["CX-P1"]},
    )
]


def _seeds() -> list[int]:
    given = os.environ.get("DIQI_RANDOM_SEEDS")
    if not given:
        return list(range(1, 11))
    first, _, last = given.partition("-")
    return list(range(int(first), int(last or first) + 1))


@dataclass
class Delivery:
    """One delivery as the test remembers it, to say what should be in force."""

    number: int
    feed: str
    scope: list[str] | None
    date: dt.date
    rows: dict[str, tuple[bytes, str | None, str | None]]
    quarantined: set[str]
    # the years that it speaks for; None where its feed has none
    parts: set[str] | None = None
    is_changes: bool = False
    taken_out: set[str] = field(default_factory=set)
    is_active: bool = True


@dataclass
class County:
    """What the offices hold at the moment, and how it changes."""

    chance: random.Random
    rows: dict[str, Rows] = field(default_factory=lambda: {feed: {} for feed in FEEDS})
    deliveries: list[Delivery] = field(default_factory=list)
    serial: int = 0

    # -- pieces ---------------------------------------------------------------------------------

    def some(self, *values: Any) -> Any:
        return self.chance.choice(values)

    def maybe(self, share: float) -> bool:
        return self.chance.random() < share

    def number(self) -> str:
        self.serial += 1
        return f"{self.serial:04d}"

    def code_of(self, feed: str, column: str, unknown: str) -> str:
        """A code that is held, or sometimes one that is not."""
        held = sorted({row[column] for row in self.rows[feed].values() if row[column]})
        return unknown if not held or self.maybe(0.06) else self.chance.choice(held)

    def rectangle(self, most: int = 6) -> Polygon:
        width, height = self.chance.randint(1, most), self.chance.randint(1, most)
        x, y = self.chance.randint(0, CELLS - width), self.chance.randint(0, CELLS - height)
        return _cells(x, y, x + width, y + height)

    def shape(self, most: int = 6) -> MultiPolygon:
        """A rectangle, now and then a triangle, two pieces, or one with a hole."""
        kind = self.chance.random()
        one = self.rectangle(most)
        if kind < 0.75:
            return _multi(one)
        if kind < 0.88:
            corners = list(one.exterior.coords)[:-1]
            corners.pop(self.chance.randrange(4))
            return _multi(Polygon(corners))
        other = self.rectangle(most)
        made = one.union(other) if self.maybe(0.5) else one.difference(other)
        return (
            _multi(made) if shapely.get_dimensions(made) == 2 and not made.is_empty else _multi(one)
        )

    def date(self) -> dt.date:
        return START + dt.timedelta(days=self.chance.randint(-700, 1200))

    def span(self) -> tuple[dt.date | None, dt.date | None]:
        first = self.some(None, self.date(), START - dt.timedelta(days=self.chance.randint(0, 900)))
        after = (first or START) + dt.timedelta(days=self.chance.randint(1, 900))
        return first, self.some(None, after, after)

    def who(self) -> tuple[str | None, str | None]:
        """Credit code and name of somebody, either of which may be missing."""
        held = list(self.rows["enterprise"].values())
        if not held or self.maybe(0.08):
            return None, self.name()
        row = self.chance.choice(held)
        code, name = row["credit_code"], row["name_key"]
        return self.some((code, name), (code, name), (None, name), (code, None if code else name))

    def name(self) -> str:
        """A name that others bear, or nearly."""
        place = self.some("", "青岚县", "青岚县", "云溪")
        core = self.some("长盛五金", "昌盛五金", "长盛电器", "长胜五金", "砚石模具")
        form = self.some("厂", "有限公司", "公司", "有限公司白渚分公司")
        return self.some("王小明", *[f"{place}{core}{form}"] * 8)

    def located(self, column: str) -> Row:
        """An address of few words, so that many meet."""
        town = self.some("", "云溪镇", "白渚镇", "石桥镇")
        village = self.some("", "", "东坑村", "西坑村")
        road = self.some("", "创业路", "创业路", "兴工大道北段", "兴工大道南段")
        number = self.some("", "1号", "2号", "3号", "5-9号", "2-1号") if road else ""
        address = self.some(None, *[town + village + road + number] * 6) or None
        return {column: address, "address_key": address}

    # -- rows -----------------------------------------------------------------------------------

    def patch(self, geom: MultiPolygon | None = None, vintage: int = 2024) -> Row:
        shape = geom or self.shape()
        township = self.some(*TOWNSHIPS, TOWNSHIPS[0])
        return {
            "vintage": vintage,
            "patch_code": f"{township}{self.number()}",
            "land_use_code": self.some("0601", "0601", "0601", "0602", "1001"),
            "location_code": None,
            "township_code": township,
            "official_area_m2": self.some(
                None,
                round(shape.area, 2),
                round(shape.area * self.chance.uniform(0.8, 1.2), 2),
                0 if self.maybe(0.1) else round(shape.area, 4),
            ),
            "geom": shape,
        }

    def parcel(self, geom: MultiPolygon | None = None) -> Row:
        shape = geom or self.shape()
        return {
            "parcel_code": f"{COUNTY}001001GB{self.number().zfill(5)}",
            "unit_code": None,
            "land_use_code": self.some("0601", "0701", None),
            **self.located("location"),
            "official_area_m2": self.some(
                None,
                round(shape.area, 2),
                round(shape.area * self.chance.uniform(0.5, 1.5), 2),
                0 if self.maybe(0.1) else round(shape.area, 4),
            ),
            "geom": shape,
        }

    def enterprise(self) -> Row:
        number = self.number()
        code = f"91330299MA2{number}XXX"
        name = self.name()
        return {
            "enterprise_code": code,
            "credit_code": self.some(code, code, code, None),
            "name": name,
            "name_key": name,
            "parcel_code": self.code_of("parcel", "parcel_code", "none")
            if self.maybe(0.3)
            else None,
            "other_parcel_codes": self.some(
                None, None, None, self.code_of("parcel", "parcel_code", "none")
            ),
            "certificate_no": None,
            "certificate_key": self.some(None, None, "c1", "c2", "c3"),
            "industry_code": None,
            "size_class": self.some("ABOVE", "BELOW", None),
            "status": self.some(*["operating"] * 8, "deregistered", "moved_out"),
            **self.located("address"),
            "township_code": self.some(None, None, *TOWNSHIPS),
            "registered_on": None,
            "geom": self.rectangle(3).centroid if self.maybe(0.5) else None,
        }

    def right(self) -> Row:
        code, name = self.who()
        first, last = self.span()
        return {
            "parcel_code": self.code_of("parcel", "parcel_code", "P-UNKNOWN"),
            "right_no": self.number(),
            "holder_key": code or name,
            "holder_name": name,
            "holder_name_key": name,
            "holder_code": code,
            "certificate_no": None,
            "certificate_key": self.some(None, "c1", "c2", "c3"),
            "share": self.some(None, None, 1, Decimal("0.5"), Decimal("0.3"), Decimal("0.333333")),
            "right_area_m2": None,
            "right_state": self.some(*["current"] * 5, "terminated"),
            "valid_from": first,
            "valid_to": last,
        }

    def lease(self) -> Row:
        held = list(self.rows["lease"].values())
        code, name = self.who()
        other, other_name = self.who()
        parcel = self.code_of("parcel", "parcel_code", "P-UNKNOWN")
        if held and self.maybe(0.5):
            # the next link of a chain, or the way back
            one = self.chance.choice(held)
            parcel, other, other_name = (
                one["parcel_code"],
                one["lessee_code"],
                one["lessee_name_key"],
            )
            if self.maybe(0.2):
                code, name = one["lessor_code"], one["lessor_name_key"]
        first, last = self.span()
        return {
            "lease_no": f"L{self.number()}",
            "parcel_code": parcel,
            "lessor_code": other,
            "lessor_name": other_name,
            "lessor_name_key": other_name,
            "lessee_code": code,
            "lessee_name": name,
            "lessee_name_key": name,
            "land_area_m2": self.some(None, None, 20, 40, Decimal("33.3333"), 100, 4000),
            "floor_area_m2": self.some(None, None, 0, 50, Decimal("77.77")),
            "valid_from": first,
            "valid_to": last,
        }

    def footprint(self) -> Row:
        return {
            "footprint_code": f"F{self.number()}",
            "kind": self.some("land", "building"),
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "floor_area_m2": self.some(None, 30, Decimal("12.5")),
            "floors": self.some(None, 0, 2, 3),
            "geom": self.shape(4),
        }

    def indicator(self) -> Row:
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "year": self.some(2025, 2025, 2026, 2027),
            "indicator": self.some("tax", "energy", "tax_and_fees"),
            "value": self.chance.randint(0, 9),
            "unit": "yuan",
            "basis": None,
        }

    def recognition(self) -> Row:
        first, last = self.span()
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "kind": self.some("transition", "transition", "high_tech", "veto_tax"),
            "valid_from": first or self.date(),
            "valid_to": last,
            "level": self.some(None, "city", "国家重点"),
            "first_on": self.some(None, None, self.date()),
        }

    def account(self) -> Row:
        return {
            "account_no": self.number(),
            "parcel_code": self.some(None, self.code_of("parcel", "parcel_code", "none")),
            "address": None,
            "enterprise_code": self.some(
                None, self.code_of("enterprise", "enterprise_code", "none")
            ),
        }

    def score(self) -> Row:
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "year": self.some(2025, 2025, 2026, 2027),
            "edition": self.some("draft", "official"),
            "score": self.some(None, 50, 80),
            "grade": self.some("A", "B", "C", "D", None),
            "eval_category": None,
        }

    def past_link(self) -> Row:
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "parcel_code": self.code_of("parcel", "parcel_code", "none"),
            "year": self.some(2024, 2025, 2025),
            "role": self.some(None, "owner", "tenant", "operator"),
        }

    def land_event(self) -> Row:
        return {
            "event_no": self.number(),
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "kind": self.some("supply", "transfer", "preregistered_transfer", "rebuild"),
            "parcel_code": self.some(None, self.code_of("parcel", "parcel_code", "none")),
            "land_area_m2": self.some(None, 0, Decimal("33.3333"), 100),
            "contract_on": self.some(None, self.date()),
            "delivered_on": self.some(None, self.date()),
            "occurred_on": self.some(None, self.date()),
            "transition_end": self.some(None, None, self.date()),
        }

    def talent(self) -> Row:
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "person_no": self.some("RC1", "RC2", "RC3"),
            "programme": self.some("recruit", "train", "yongjiang"),
            "level": self.some("national", "provincial", "city"),
            "selected_on": self.date(),
        }

    def meter(self) -> Row:
        return {
            "account_no": self.code_of("account", "account_no", "none"),
            "meter_no": self.some("M1", "M2"),
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "parcel_code": self.some(None, self.code_of("parcel", "parcel_code", "none")),
            "share": self.some(None, Decimal("0.4"), 1),
            "evidence": None,
        }

    def policy_return(self) -> Row:
        return {
            "enterprise_code": self.code_of("enterprise", "enterprise_code", "none"),
            "year": self.some(2024, 2025, 2026),
            "policy": self.some("electricity", "reward", "refund"),
            "amount": self.some(None, 5, Decimal("12.5")),
        }

    def area(self) -> Row:
        kind = self.some("township", "zone", "zone", "park", "project")
        free = [
            c for c in (TOWNSHIPS if kind == "township" else ZONES) if c not in self.rows["area"]
        ]
        code = self.chance.choice(free) if free else f"{COUNTY}9{self.number()}"
        whole = _multi(_cells(0, 0, CELLS, CELLS))
        return {
            "area_code": code,
            "name": self.some("云溪镇", "白渚镇", "南塘乡", f"区{self.number()}"),
            "former_names": self.some(None, None, "石桥镇", "石桥镇、溪口乡"),
            "kind": kind,
            "geom": self.some(None, whole, self.shape(12), self.shape(12))
            if kind != "zone"
            else self.some(whole, self.shape(10), self.shape(10), self.shape(10)),
        }

    # -- nights ---------------------------------------------------------------------------------

    def add(self, feed: str, row: Row) -> None:
        self.rows[feed][_key(feed, row)] = row

    def settle(self) -> None:
        """The first night: enough of everything."""
        for geom in self.tiles(_cells(0, 0, CELLS, CELLS), 4):
            if self.maybe(0.93):
                self.add("patch", self.patch(_multi(geom)))
        for _ in range(self.some(0, 0, 2)):
            self.add("patch", self.patch())
        for feed, count in (
            ("area", 4),
            ("parcel", 12),
            ("enterprise", 12),
            ("right", 14),
            ("lease", 14),
            ("footprint", 8),
            ("indicator", 6),
            ("recognition", 5),
            ("account", 5),
            ("score", 9),
            ("past_link", 4),
            ("land_event", 4),
            ("talent", 3),
            ("meter", 3),
            ("policy_return", 3),
        ):
            for _ in range(self.chance.randint(count // 2, count)):
                self.add(feed, getattr(self, feed)())

    def tiles(self, area: Polygon, depth: int) -> list[Polygon]:
        """The area cut into rectangles along the grid."""
        x1, y1, x2, y2 = (int(v) for v in area.bounds)
        across = (x2 - x1) > (y2 - y1)
        cuts = range((x1 if across else y1) + CELL, x2 if across else y2, CELL)
        if depth == 0 or not cuts or self.maybe(0.15):
            return [area]
        cut = self.chance.choice(list(cuts))
        parts = (
            (box(x1, y1, cut, y2), box(cut, y1, x2, y2))
            if across
            else (box(x1, y1, x2, cut), box(x1, cut, x2, y2))
        )
        return [tile for part in parts for tile in self.tiles(part, depth - 1)]

    def change(self) -> set[str]:
        """A few rows differ; returns the feeds they belong to."""
        touched: set[str] = set()
        for _ in range(self.chance.randint(1, 7)):
            feed = self.chance.choice(FEEDS)
            held = self.rows[feed]
            touched.add(feed)
            act = self.chance.random()
            if not held or act < 0.25:
                self.add(feed, getattr(self, feed)())
                continue
            key = self.chance.choice(sorted(held))
            if act < 0.45:
                del held[key]
                continue
            row, new = dict(held[key]), getattr(self, feed)()
            fixed = {*KEYS[feed], "patch_code", "vintage"}
            columns = [c for c in row if c not in fixed]
            for column in self.chance.sample(columns, min(len(columns), self.chance.randint(1, 3))):
                row[column] = new[column]
            held[key] = row
        if self.maybe(0.15):
            touched |= self.swap_codes()
        if self.maybe(0.12):
            touched |= self.new_vintage()
        if self.maybe(0.15):
            touched |= self.split_parcel()
        return touched

    def swap_codes(self) -> set[str]:
        """Two parcels exchange their numbers."""
        held = self.rows["parcel"]
        if len(held) > 1:
            one, two = self.chance.sample(sorted(held), 2)
            held[one], held[two] = (
                held[two] | {"parcel_code": one},
                held[one] | {"parcel_code": two},
            )
        return {"parcel"}

    def new_vintage(self) -> set[str]:
        """The new survey: the old patches under a new year, some drawn or coded anew."""
        old = self.rows["patch"]
        for row in list(old.values()):
            new = row | {"vintage": VINTAGES[1]}
            if self.maybe(0.3):
                new |= {"land_use_code": self.some("0601", "0602"), "geom": self.shape()}
            if self.maybe(0.9):
                old[_key("patch", new)] = new
            if row["vintage"] != VINTAGES[1] and self.maybe(0.8):
                old.pop(_key("patch", row))
        return {"patch"}

    def split_parcel(self) -> set[str]:
        held = self.rows["parcel"]
        if held:
            row = held.pop(self.chance.choice(sorted(held)))
            x1, y1, x2, y2 = row["geom"].bounds
            half = (x1 + x2) / 2
            for side in (box(x1, y1, half, y2), box(half, y1, x2, y2)):
                part = row["geom"].intersection(side)
                if part.area > 0:
                    self.add("parcel", self.parcel(_multi(part)))
        return {"parcel"}

    def deliver(self, cursor: psycopg.Cursor[Any], feed: str, date: dt.date) -> None:
        """Store a feed as the loader does: a snapshot, sometimes of one township, or some changes."""
        rows = list(self.rows[feed].items())
        scope, part = None, CONTRACTS[feed].part
        is_changes, taken_out = False, set[str]()
        if any(d.feed == feed for d in self.deliveries) and self.maybe(0.2):
            is_changes = True
            held = self.in_force(feed).keys()
            rows = [row for row in rows if self.maybe(0.7)]
            gone = sorted((held | {"no such record"}) - self.rows[feed].keys())
            taken_out = {key for key in gone if self.maybe(0.7)}
        elif (
            feed == "patch" and any(d.feed == "patch" for d in self.deliveries) and self.maybe(0.2)
        ):
            scope = sorted({self.chance.choice(TOWNSHIPS) for _ in range(2)})
            rows = [(key, row) for key, row in rows if row["township_code"] in scope]
        self.chance.shuffle(rows)
        bad = {key for key, _ in rows if self.maybe(0.02)}
        columns, data = _columns(feed), []
        for key, row in rows:
            digest = hashlib.blake2b(
                json.dumps(row, default=_plain, sort_keys=True).encode(), digest_size=16
            ).digest()
            data.append((key, row, digest))
        content = hashlib.blake2b(repr([d[2] for d in data]).encode()).hexdigest()
        number = cursor.execute(
            "INSERT INTO ops.delivery (feed, scope, data_date, since, content_hash, contract_hash, file, layer)"
            " VALUES (%s, %s, %s, %s, %s, '', %s, '') RETURNING delivery_id",
            (
                feed,
                scope,
                date,
                dt.date(2000, 1, 1) if is_changes else None,
                f"{content}{len(self.deliveries)}",
                f"{feed}.{len(self.deliveries)}",
            ),
        ).fetchone()[0]
        counts: dict[str, int] = defaultdict(int)
        for place, (key, row, digest) in enumerate(data, start=1):
            outcome = "quarantined"
            if key not in bad:
                values = [
                    row[c]
                    if c != "geom" or row[c] is None
                    else shapely.to_wkb(shapely.set_srid(row[c], 4549), hex=True, include_srid=True)
                    for c in columns
                ]
                cursor.execute(
                    sql.SQL(
                        "INSERT INTO raw.{} (row_hash, {}) VALUES ({}) ON CONFLICT DO NOTHING"
                    ).format(
                        sql.Identifier(feed),
                        sql.SQL(", ").join(map(sql.Identifier, columns)),
                        sql.SQL(", ").join([sql.Placeholder()] * (len(columns) + 1)),
                    ),
                    [digest, *values],
                )
                outcome = "kept" if cursor.rowcount else "unchanged"
            counts[outcome] += 1
            cursor.execute(
                "INSERT INTO ops.delivered (delivery_id, row_number, key, scope_key, part, row_hash, outcome)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    number,
                    place,
                    key,
                    row.get("township_code") if feed == "patch" else None,
                    None if part is None else str(row[part]),
                    None if outcome == "quarantined" else digest,
                    outcome,
                ),
            )
        for place, key in enumerate(sorted(taken_out), start=len(data) + 1):
            counts["kept"] += 1
            cursor.execute(
                "INSERT INTO ops.delivered (delivery_id, row_number, key, outcome) VALUES (%s, %s, %s, 'kept')",
                (number, place, key),
            )
        parts = None
        if part is not None:
            parts = {str(row[part]) for key, row, _ in data if key not in bad}
        cursor.execute(
            "UPDATE ops.delivery SET row_count = %s, kept_count = %s, unchanged_count = %s,"
            " quarantined_count = %s, parts = %s WHERE delivery_id = %s",
            (
                len(data) + len(taken_out),
                counts["kept"],
                counts["unchanged"],
                counts["quarantined"],
                None if not parts else sorted(parts),
                number,
            ),
        )
        self.deliveries.append(
            Delivery(
                number,
                feed,
                scope,
                date,
                {
                    key: (
                        digest,
                        row.get("township_code"),
                        None if part is None else str(row[part]),
                    )
                    for key, row, digest in data
                    if key not in bad
                },
                bad,
                parts or None,
                is_changes,
                taken_out,
            )
        )

    def by_number(self, number: int) -> Delivery:
        return next(d for d in self.deliveries if d.number == number)

    def in_force(self, feed: str) -> dict[str, bytes]:
        """Key to content hash, by the rule of docs/how-it-decides.md section 1."""
        active = sorted(
            (d for d in self.deliveries if d.feed == feed and d.is_active),
            key=lambda d: (d.date, d.number),
        )
        found: dict[str, bytes] = {}
        for place, one in enumerate(active):
            for key, (digest, township, part) in one.rows.items():
                later = active[place + 1 :]
                if not any(key in o.taken_out for o in later) and not any(
                    not o.is_changes
                    and (o.parts is None or part in o.parts)
                    and (
                        o.scope is None
                        or township in o.scope
                        or (one.scope is not None and set(one.scope) <= set(o.scope))
                    )
                    and key not in o.quarantined
                    for o in later
                ):
                    found[key] = digest
        return found

    def decide(self, cursor: psycopg.Cursor[Any]) -> None:
        kind = self.some(
            "accept_link", "accept_link", "reject_link", "no_industrial_premises", "off_site"
        )
        is_link = kind.endswith("_link")
        known = self.code_of("enterprise", "enterprise_code", "E-UNKNOWN")
        parcels = sorted({r["parcel_code"] for r in self.rows["lease"].values()} | {"P-UNKNOWN"})
        cursor.execute(
            "INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)"
            " VALUES (%s, %s, %s, %s, 'seen', 'clerk')",
            (
                kind,
                known,
                self.some(self.code_of("parcel", "parcel_code", "P-UNKNOWN"), *parcels)
                if is_link
                else None,
                self.some(None, "owner", "tenant", "operator") if kind == "accept_link" else None,
            ),
        )

    def grade(self, cursor: psycopg.Cursor[Any], year: int) -> None:
        kind, value = self.some(
            ("grade", "A"),
            ("grade", "D"),
            ("grade", None),
            ("transition_end", self.date().isoformat()),
            ("transition_end", None),
        )
        cursor.execute(
            "INSERT INTO core.evaluation_decision (year, enterprise_code, kind, value, reason, author)"
            " VALUES (%s, %s, %s, %s, 'seen', 'clerk')",
            (year, self.code_of("enterprise", "enterprise_code", "E-UNKNOWN"), kind, value),
        )

    def correct(self, cursor: psycopg.Cursor[Any], as_of: dt.date) -> None:
        feed, column, value = self.some(
            ("parcel", "official_area_m2", "123.45"),
            ("parcel", "land_use_code", "0601"),
            ("enterprise", "parcel_code", self.code_of("parcel", "parcel_code", "none")),
            ("enterprise", "status", "operating"),
            ("enterprise", "name_key", "青岚县长盛五金厂"),
            ("lease", "land_area_m2", "5"),
            ("lease", "valid_to", "2026-08-01"),
            ("right", "share", "0.5"),
            ("patch", "land_use_code", "0601"),
            ("patch", "official_area_m2", None),
            ("area", "name", "白渚镇"),
            ("area", "kind", "zone"),
            ("recognition", "valid_to", "2026-09-01"),
            ("score", "grade", "D"),
        )
        key = self.chance.choice(sorted(self.rows[feed]) or ["none"])
        if self.maybe(0.1):
            key = "no such record"
        old = self.rows[feed].get(key, {}).get(column)
        if (
            feed == "area"
            and column == "kind"
            and self.rows["area"].get(key, {}).get("geom") is None
        ):
            return
        expected = None if old is None else str(old)
        until = self.some(None, as_of + dt.timedelta(days=self.chance.randint(1, 300)))
        cursor.execute(
            "INSERT INTO core.correction (feed, key, field, expected_value, new_value, reason, author,"
            " valid_until, content_hash) VALUES (%s, %s, %s, %s, %s, 'seen', 'clerk', %s, %s)",
            (feed, key, column, self.some(expected, expected, "else"), value, until, self.number()),
        )


def _cells(x1: int, y1: int, x2: int, y2: int) -> Polygon:
    return box(X0 + CELL * x1, Y0 + CELL * y1, X0 + CELL * x2, Y0 + CELL * y2)


def _multi(shape: Any) -> MultiPolygon:
    return MultiPolygon([p for p in getattr(shape, "geoms", [shape]) if p.geom_type == "Polygon"])


def _plain(value: Any) -> str:
    return value.wkt if hasattr(value, "wkt") else str(value)


def _key(feed: str, row: Row) -> str:
    return "|".join(str(row[column]) for column in KEYS[feed])


def _columns(feed: str) -> list[str]:
    return list(getattr(County(random.Random(0)), feed)())


@dataclass
class Place:
    """A county's database, and what the test does to it."""

    township: Township
    county: County
    as_of: dt.date = START
    # settings and results of each night, by the number of its run
    nights: dict[int, tuple[Settings, dict[str, list[str]]]] = field(default_factory=dict)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.township.dsn)

    def set(self, table: str, values: dict[str, Any]) -> None:
        old = self.township.settings
        self.township.settings = old.model_copy(
            update={table: getattr(old, table).model_copy(update=values)}
        )

    def use_rules(self, rules: RuleSet | None) -> None:
        """Grade by other rules from now on."""
        settings = self.township.settings
        self.township.settings = settings.model_copy(update={"rules": rules})

    def change_grades(self) -> None:
        """Perhaps a person decides, or other rules come."""
        county, chance = self.county, self.county.chance
        with self.connect() as connection, connection.cursor() as cursor:
            for _ in range(chance.choice([0, 0, 1, 2])):
                county.grade(cursor, self.as_of.year - chance.choice([0, 1, 1]))
        if county.maybe(0.3):
            self.use_rules(chance.choice([None, *RULES]))

    def night(self) -> None:
        """Something changes before the run."""
        county, chance = self.county, self.county.chance
        self.as_of += dt.timedelta(days=chance.choice([0, 1, 1, 30, 100, 400]))
        with self.connect() as connection, connection.cursor() as cursor:
            for feed in sorted(county.change()):
                if county.maybe(0.95):
                    county.deliver(
                        cursor, feed, self.as_of - dt.timedelta(days=chance.choice([0, 0, 0, 20]))
                    )
            for _ in range(chance.choice([0, 0, 1, 2])):
                county.decide(cursor)
            for _ in range(chance.choice([0, 0, 1, 2])):
                county.correct(cursor, self.as_of)
        self.change_grades()
        if county.maybe(0.25):
            table = chance.choice(sorted(CHANGING))
            self.set(table, chance.choice(CHANGING[table]))
        if county.maybe(0.25):
            one = chance.choice(county.deliveries)
            rest = [
                d for d in county.deliveries if d.feed == one.feed and d.is_active and d is not one
            ]
            if rest or not one.is_active:
                action = "withdraw" if one.is_active else "release"
                try:
                    change_delivery(self.township.engine, one.number, action)
                except UsageError as error:
                    if error.code != "usage.changes_do_not_meet":
                        raise
                with self.connect() as connection:
                    states = connection.execute("SELECT delivery_id, state FROM ops.delivery")
                    for number, state_now in states.fetchall():
                        # changes that stood on a withdrawn delivery are held with it
                        county.by_number(number).is_active = state_now in {"loaded", "consumed"}


@pytest.mark.parametrize("seed", _seeds())
def test_random_nights(databases: Databases, county_settings: Settings, seed: int) -> None:
    dsn = databases.clone(county_settings)
    engine = open_engine(dsn)
    place = Place(Township(county_settings, dsn, engine), County(random.Random(seed)))
    try:
        place.county.settle()
        place.use_rules(place.county.chance.choice([None, *RULES]))
        with place.connect() as connection, connection.cursor() as cursor:
            for feed in FEEDS:
                place.county.deliver(cursor, feed, START - dt.timedelta(days=1))
            for _ in range(3):
                place.county.decide(cursor)
        _run_and_judge(place)
        for _ in range(NIGHTS):
            place.night()
            _run_and_judge(place)
        _look_back(place)
    finally:
        engine.dispose()
        databases.made.remove(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
        _drop(databases, dsn)


def _drop(databases: Databases, dsn: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    admin = psycopg.conninfo.make_conninfo(databases.dsn, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _run_and_judge(place: Place) -> None:
    township = place.township
    township.run(place.as_of, accept="a random night")
    after = state(township.engine)
    again = township.run(place.as_of)
    assert {step.name: step.counts for step in again.steps if step.written} == {}
    assert set(check_database(township.engine, township.settings).values()) == {0}
    _assert_records_in_force(place)
    _assert_coverage(place)
    rebuild(township, place.as_of)
    assert differences(after, state(township.engine)) == {}
    with place.connect() as connection:
        run_id = connection.execute("SELECT max(run_id) FROM ops.run_commit").fetchone()[0]
    place.nights[run_id] = township.settings, computed(after)


def _look_back(place: Place) -> None:
    """Every night can be shown again, and nothing has happened afterwards."""
    engine = place.township.engine
    before = state(engine)
    for run_id, (settings, then) in place.nights.items():
        with as_it_was(engine, settings, str(run_id)) as (connection, _):
            assert differences(then, computed(shown(connection))) == {}, run_id
    assert differences(before, state(engine)) == {}


def _assert_records_in_force(place: Place) -> None:
    with place.connect() as connection:
        for feed in FEEDS:
            held = dict(
                connection.execute(
                    sql.SQL("SELECT record_key, row_hash FROM core.{} WHERE to_run IS NULL").format(
                        sql.Identifier(feed)
                    )
                ).fetchall()
            )
            assert held == place.county.in_force(feed), feed


def _assert_coverage(place: Place) -> None:
    """Patch by patch: each spot counts once, at the largest share over it (layer cake)."""
    settings = place.township.settings
    with place.connect() as connection:
        vintage = connection.execute(
            "SELECT vintage FROM ops.run_commit ORDER BY run_id DESC LIMIT 1"
        ).fetchone()[0]
        patches = connection.execute(
            "SELECT patch_code, township_code, official_area_m2, ellipsoid_area_m2, ST_AsBinary(geom)"
            " FROM core.patch WHERE to_run IS NULL AND vintage = %s AND land_use_code = ANY (%s)"
            " ORDER BY 1",
            (vintage, list(settings.coverage.base_codes)),
        ).fetchall()
        zones = [
            (code, shapely.from_wkb(bytes(geom)))
            for code, geom in connection.execute(
                "SELECT area_code, ST_AsBinary(geom) FROM core.area"
                " WHERE to_run IS NULL AND kind = 'zone' AND geom IS NOT NULL ORDER BY 1"
            ).fetchall()
        ]
        parcels = {
            code: (area, shapely.from_wkb(bytes(geom)))
            for code, area, geom in connection.execute(
                "SELECT parcel_code, reference_area_m2, ST_AsBinary(geom) FROM core.parcel"
                " WHERE to_run IS NULL"
            ).fetchall()
        }
        allocated = connection.execute(
            "SELECT parcel_code, enterprise_code, method, allocated_m2 FROM derived.allocation"
        ).fetchall()
        units = connection.execute(
            "SELECT m.parcel_code, u.eval_state, m.area_m2 FROM derived.unit_member AS m"
            " JOIN derived.unit AS u USING (year, unit_code)"
        ).fetchall()
        found = {
            (patch, area): [float(v) for v in values]
            for patch, area, *values in connection.execute(
                "SELECT patch_code, area_code, base_area_m2, linked_area_m2, evaluated_area_m2,"
                " transition_area_m2, covered_area_m2 FROM derived.patch_cover"
            ).fetchall()
        }
    shares = _shares(parcels, allocated, units)
    expected: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0] * 5)
    for code, township, official, drawn, wkb in patches:
        geom = shapely.from_wkb(bytes(wkb))
        scale = float(drawn if official is None else official) / geom.area
        for area, part in _parts(geom, township, zones):
            row = expected[code, area]
            row[0] += part.area * scale
            for place_, value in enumerate(_layered(part, parcels, shares), start=1):
                row[place_] += value * scale
    left = {key: values for key, values in expected.items() if values[0] > 0.01}
    for key in left.keys() | {key for key, values in found.items() if values[0] > 0.01}:
        assert found.get(key) == pytest.approx(expected.get(key), abs=0.01), key


def _shares(
    parcels: dict[str, Any], allocated: Iterable[Any], units: Iterable[Any]
) -> dict[str, tuple[float, ...]]:
    """Linked, evaluated, transition and covered share of each parcel."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    linked: dict[str, Decimal] = defaultdict(Decimal)
    in_state: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for parcel, _, method, area in allocated:
        assert area >= 0
        total[parcel] += area
        linked[parcel] += area if method != "rest" else 0
    for parcel, eval_state, area in units:
        in_state[parcel, eval_state] += area
    found = {}
    for parcel, (area, _) in parcels.items():
        assert abs(total[parcel] - area) <= Decimal("0.01")
        known = (linked[parcel], in_state[parcel, "evaluated"], in_state[parcel, "transition"])
        one = [float(value / area) if area else 0.0 for value in known]
        found[parcel] = (*one, one[1] + one[2])
    return found


def _parts(geom: Any, township: str, zones: list[Any]) -> list[tuple[str, Any]]:
    """What zones take of a patch, the smaller code first; the rest is the township's."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for code, zone in zones:
        parts[code].append(geom.intersection(zone))
        geom = geom.difference(zone)
    parts[township].append(geom)
    joined = [(code, shapely.union_all(pieces)) for code, pieces in parts.items()]
    return [(code, part) for code, part in joined if part.area > 0]


def _layered(part: Any, parcels: dict[str, Any], shares: dict[str, Any]) -> list[float]:
    """Area times share for linked, evaluated, transition, covered; the largest share over a spot."""
    over = [(code, part.intersection(geom)) for code, (_, geom) in parcels.items()]
    over = [(code, piece) for code, piece in over if piece.area > 0]
    sums = []
    for kind in range(4):
        levels = sorted({shares[code][kind] for code, _ in over} | {0.0})
        sums.append(
            sum(
                (level - below)
                * shapely.union_all(
                    [piece for code, piece in over if shares[code][kind] >= level]
                ).area
                for below, level in itertools.pairwise(levels)
            )
        )
    return sums
