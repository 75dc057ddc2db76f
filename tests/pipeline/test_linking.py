"""The linker on a few records of one's own: each piece of evidence, and what it does not decide."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from conftest import Databases
from sqlalchemy import Connection, Engine, text

from pipeline.database import open_engine
from pipeline.domain.codes import credit_check_digit, normalise_certificate
from pipeline.domain.names import normalise_address, normalise_name
from pipeline.settings import Settings
from pipeline.stepping import mark_everything, run_step
from pipeline.steps import STEPS

AS_OF = dt.date(2026, 6, 30)
TOWN, OTHER_TOWN = "330299001", "330299002"
SIDE = 50
ORDERS = 10
STEP = {step.name: step for step in STEPS}


def credit(number: int) -> str:
    body = f"91330299MA{number:07d}"
    return body + credit_check_digit(pd.Series([body])).iloc[0]


def parcel_code(number: int) -> str:
    return f"330299001001GB{number:05d}"


def key(function: Any, value: str | None, *args: str) -> str | None:
    found = function(pd.Series([value], dtype="str"), *args).iloc[0]
    return None if pd.isna(found) else str(found)


@dataclass
class World:
    """Records of a county of a few parcels, fifty metres wide, side by side along one street."""

    connection: Connection
    settings: Settings
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def insert(self, table: str, key: str, **values: object) -> None:
        values |= {
            "record_key": key,
            "row_hash": key.encode(),
            "delivery_id": 1,
            "row_number": next(self.numbers),
            "from_run": 1,
        }
        columns = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(
            f"ST_GeomFromText(:{name}, 4549)" if name == "geom" and value else f":{name}"
            for name, value in values.items()
        )
        self.connection.execute(
            text(f'INSERT INTO core."{table}" ({columns}) VALUES ({places})'),
            values,
        )

    def area(self, code: str, name: str, former: str | None = None) -> None:
        shape = "MULTIPOLYGON(((499000 3349000,501000 3349000,501000 3351000,499000 3351000,499000 3349000)))"
        self.insert(
            "area",
            code,
            area_code=code,
            name=name,
            former_names=former,
            kind="township",
            geom=shape,
        )

    def parcel(self, number: int, location: str | None = None, township: str = TOWN) -> str:
        code = parcel_code(number)
        left = 500_000 + number * SIDE
        box = f"MULTIPOLYGON((({left} 3350000,{left + SIDE} 3350000,{left + SIDE} 3350050,{left} 3350050,{left} 3350000)))"
        self.insert(
            "parcel",
            code,
            parcel_code=code,
            location=location,
            address_key=key(normalise_address, location, "zh"),
            geom=box,
            plane_area_m2=2500,
            reference_area_m2=2500,
            reference_area="plane",
        )
        self.connection.execute(
            text("INSERT INTO derived.parcel_township VALUES (:code, :town, :town, true, 2500)"),
            {"code": code, "town": township},
        )
        return code

    def enterprise(self, number: int, name: str, **values: Any) -> str:
        code = values.pop("code", credit(number))
        point = values.pop("point", None)
        certificate = values.get("certificate_no")
        self.insert(
            "enterprise",
            code or f"own{number}",
            enterprise_code=code or f"own{number}",
            credit_code=code,
            name=name,
            name_key=key(normalise_name, name),
            certificate_key=key(normalise_certificate, certificate),
            address_key=key(normalise_address, values.get("address"), "zh"),
            status=values.pop("status", "operating"),
            geom=None if point is None else f"POINT({500_000 + point} 3350025)",
            **values,
        )
        return code or f"own{number}"

    def right(
        self, parcel: str, holder: str | None = None, name: str | None = None, **values: Any
    ) -> None:
        certificate = values.get("certificate_no")
        name_key = key(normalise_name, name)
        self.insert(
            "right",
            f"{parcel} 1 {holder or name_key}",
            parcel_code=parcel,
            right_no="1",
            holder_key=holder or name_key,
            holder_code=holder,
            holder_name=name,
            holder_name_key=name_key,
            certificate_key=key(normalise_certificate, certificate),
            right_state="current",
            **values,
        )

    def lease(self, number: str, parcel: str, **values: Any) -> None:
        for side in ("lessor", "lessee"):
            values[f"{side}_name_key"] = key(normalise_name, values.get(f"{side}_name"))
        self.insert("lease", number, lease_no=number, parcel_code=parcel, **values)

    def building(self, code: str, enterprise: str, number: int, kind: str = "building") -> None:
        left = 500_000 + number * SIDE
        shape = f"MULTIPOLYGON((({left + 5} 3350005,{left + 45} 3350005,{left + 45} 3350045,{left + 5} 3350045,{left + 5} 3350005)))"
        self.insert(
            "footprint",
            code,
            footprint_code=code,
            kind=kind,
            enterprise_code=enterprise,
            geom=shape,
            plane_area_m2=1600,
        )

    def decide(self, kind: str, enterprise: str, parcel: str | None = None) -> None:
        self.connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, reason, author) "
                "VALUES (:kind, :enterprise, :parcel, '现场核实', '李四')"
            ),
            {"kind": kind, "enterprise": enterprise, "parcel": parcel},
        )

    def run(self, *dirty: tuple[str, str]) -> None:
        """The two steps that link: over everything, or what the dirty keys (kind, key) touch."""
        self.connection.execute(text("TRUNCATE ops.dirty"))
        for kind, name in dirty:
            self.connection.execute(
                text("INSERT INTO ops.dirty VALUES (:kind, :key)"), {"kind": kind, "key": name}
            )
        if not dirty:
            mark_everything(self.connection)
        for name in ("read_texts", "link_enterprises"):
            step = STEP[name]
            own = {key: self.settings.value(path) for key, path in step.settings.items()}
            run_step(self.connection, step, own | {"as_of": AS_OF}, 1)

    def links(self, enterprise: str) -> dict[str, tuple[str, str, str, str]]:
        """Parcel to (role, stage, reason, status)."""
        rows = self.connection.execute(
            text(
                "SELECT parcel_code, role, stage, reason, status FROM derived.link "
                "WHERE enterprise_code = :enterprise ORDER BY parcel_code, role"
            ),
            {"enterprise": enterprise},
        )
        return {row.parcel_code: tuple(row[1:]) for row in rows}

    def link(self, enterprise: str, parcel: str) -> tuple[str, str, str, str] | None:
        return self.links(enterprise).get(parcel)

    def parts(self, enterprise: str, parcel: str) -> dict[str, Decimal]:
        found = self.connection.execute(
            text("SELECT parts FROM derived.link WHERE enterprise_code = :e AND parcel_code = :p"),
            {"e": enterprise, "p": parcel},
        ).scalar_one()
        return {name: Decimal(str(value)) for name, value in found.items()}

    def seat(self, enterprise: str) -> str:
        return self.connection.execute(
            text("SELECT seat_state FROM derived.seat WHERE enterprise_code = :code"),
            {"code": enterprise},
        ).scalar_one()

    def issues(self, enterprise: str) -> set[str]:
        return set(
            self.connection.execute(
                text("SELECT rule FROM ops.issue WHERE subject_key = :code"), {"code": enterprise}
            ).scalars()
        )


@pytest.fixture(scope="module")
def linking_engine(databases: Databases, county_settings: Settings) -> Iterator[Engine]:
    engine = open_engine(databases.clone(county_settings))
    yield engine
    engine.dispose()


@pytest.fixture
def world(linking_engine: Engine, county_settings: Settings) -> Iterator[World]:
    """A world in a transaction that is rolled back."""
    with linking_engine.connect() as connection:
        made = World(connection, county_settings)
        made.area(TOWN, "云溪镇", "石桥镇、溪口乡")
        made.area(OTHER_TOWN, "白渚镇")
        yield made
        connection.rollback()


# ---- Each piece of evidence ----------------------------------------------------------------------


def test_codes_of_register_and_lease_stand_by_themselves(world: World) -> None:
    own, let = world.parcel(1, "云溪镇东坑村创业路1号"), world.parcel(2)
    firm = world.enterprise(
        1, "青岚县长盛五金厂", address="白渚镇远处路9号", township_code=OTHER_TOWN
    )
    world.right(own, firm, "青岚县长盛五金厂")
    world.lease("ZL-1", let, lessee_code=firm, lessee_name="青岚县长盛五金厂")
    world.run()
    assert world.link(firm, own) == ("owner", "right_code", "right_holder_code", "accepted")
    assert world.link(firm, let) == ("tenant", "lease_code", "lessee_code", "accepted")
    assert world.parts(firm, own) == {"evidence": 1}


def test_a_registry_may_name_several_parcels(world: World) -> None:
    one, two = world.parcel(1), world.parcel(2)
    firm = world.enterprise(
        1, "青岚县长盛五金厂", parcel_code=one, other_parcel_codes=f"{two}|{parcel_code(77)}"
    )
    world.run()
    assert {world.link(firm, parcel)[3] for parcel in (one, two)} == {"accepted"}
    assert "link.registry_parcel_unknown" in world.issues(firm)


def test_a_certificate_needs_its_township(world: World) -> None:
    parcel = world.parcel(1)
    number = "浙（2021）青岚县不动产权第0000012号"
    world.right(parcel, None, "云溪村股份经济合作社", certificate_no=number)
    here = world.enterprise(1, "青岚县长盛五金厂", certificate_no=number, township_code=TOWN)
    there = world.enterprise(2, "青岚县砚石模具厂", certificate_no=number, township_code=OTHER_TOWN)
    unknown = world.enterprise(3, "青岚县星光灯具厂", certificate_no=number.replace("12", "13"))
    world.run()
    assert world.link(here, parcel)[1:] == (
        "registry_certificate",
        "registry_certificate_no",
        "accepted",
    )
    assert world.link(there, parcel)[3] == "review"
    assert "link.certificate_unknown" in world.issues(unknown)


def test_an_account_and_a_past_link_name_a_parcel(world: World) -> None:
    one, two = world.parcel(1), world.parcel(2)
    firm = world.enterprise(1, "青岚县长盛五金厂", township_code=TOWN)
    other = world.enterprise(2, "青岚县砚石模具厂", township_code=TOWN)
    world.insert("account", "0029", account_no="0029", enterprise_code=firm, parcel_code=one)
    for year, parcel in ((2023, one), (2024, two)):
        world.insert(
            "past_link",
            f"{other} {parcel} {year}",
            enterprise_code=other,
            parcel_code=parcel,
            year=year,
            role="tenant",
        )
    world.run()
    assert world.link(firm, one) == ("operator", "account", "account_parcel", "accepted")
    # the newest year alone
    assert world.links(other) == {two: ("tenant", "past_link", "past_link", "accepted")}


@pytest.mark.parametrize(
    ("kind", "stage"), [("land", "footprint_drawn"), ("building", "footprint_overlap")]
)
def test_land_and_buildings_are_stages_of_their_own(world: World, kind: str, stage: str) -> None:
    parcel = world.parcel(1)
    firm = world.enterprise(1, "青岚县长盛五金厂")
    world.building("F1", firm, 1, kind)
    world.run()
    assert world.link(firm, parcel)[1] == stage
    assert world.link(firm, parcel)[3] == "accepted"


# ---- Names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "reason", "status"),
    [
        ("青岚县长盛五金有限公司", "right_holder_name", "accepted"),
        # only place or form is missing
        ("长盛五金有限公司", "name_alias", "accepted"),
        ("青岚县长盛五金公司", "name_alias", "accepted"),
        # another place, another branch: another enterprise
        ("明澜市长盛五金有限公司", None, None),
        ("青岚县长盛五金有限公司白渚分公司", None, None),
        # a slip of the pen is a candidate and no more
        ("青岚县昌盛五金有限公司", "name_one_character", "review"),
        ("青岚县长胜五金有限公司", "name_sounds_alike", "review"),
    ],
)
def test_names(world: World, written: str, reason: str | None, status: str | None) -> None:
    parcel = world.parcel(1)
    world.right(parcel, None, written)
    firm = world.enterprise(1, "青岚县长盛五金有限公司", township_code=TOWN)
    world.run()
    found = world.link(firm, parcel)
    assert (found and found[2:]) == (reason and (reason, status))


def test_a_name_without_its_township_is_asked(world: World) -> None:
    parcel = world.parcel(1)
    world.right(parcel, None, "青岚县长盛五金厂")
    firm = world.enterprise(1, "青岚县长盛五金厂")
    world.run()
    assert world.link(firm, parcel) == ("owner", "right_name", "name_alone", "review")
    assert world.seat(firm) == "in_review"


def test_two_enterprises_of_one_name_are_asked(world: World) -> None:
    parcel = world.parcel(1)
    world.right(parcel, None, "青岚县长盛五金厂")
    firms = [world.enterprise(n, "青岚县长盛五金厂", township_code=TOWN) for n in (1, 2)]
    world.run()
    assert {world.link(firm, parcel)[2:] for firm in firms} == {("name_not_unique", "review")}


def test_the_name_of_a_person_is_never_enough(world: World) -> None:
    parcel = world.parcel(1)
    world.right(parcel, None, "王小明")
    person = world.enterprise(1, "王小明", code=None, township_code=TOWN)
    world.run()
    assert world.link(person, parcel)[2:] == ("person_name", "review")


def test_a_former_name_counts_with_its_township(world: World) -> None:
    parcel = world.parcel(1)
    world.right(parcel, None, "青岚县旧名五金厂")
    firm = world.enterprise(1, "青岚县长盛五金厂（原青岚县旧名五金厂）", township_code=TOWN)
    world.run()
    assert world.link(firm, parcel) == ("owner", "right_name", "former_name", "accepted")


def test_a_code_and_the_name_of_another_are_asked(world: World) -> None:
    parcel = world.parcel(1)
    firm = world.enterprise(1, "青岚县长盛五金厂")
    world.enterprise(2, "青岚县砚石模具厂")
    world.right(parcel, firm, "青岚县砚石模具厂")
    world.run()
    assert world.link(firm, parcel)[2:] == ("code_and_name_differ", "review")
    assert "link.one_code_two_names" in world.issues(firm)


def test_a_renamed_firm_keeps_its_code(world: World) -> None:
    parcel = world.parcel(1)
    firm = world.enterprise(1, "青岚县长盛五金厂")
    world.right(parcel, firm, "青岚县旧名五金厂")
    world.run()
    assert world.link(firm, parcel)[3] == "accepted"
    assert "link.one_code_two_names" in world.issues(firm)


def test_a_branch_is_asked_about_on_the_land_of_its_company(world: World) -> None:
    parcel = world.parcel(1)
    company = world.enterprise(1, "青岚县长盛五金有限公司")
    branch = world.enterprise(2, "青岚县长盛五金有限公司白渚分公司")
    world.right(parcel, company, "青岚县长盛五金有限公司")
    world.run()
    assert world.link(branch, parcel)[1:] == ("name_similar", "parent_company", "review")


def test_the_role_comes_from_the_lease(world: World) -> None:
    """The registry says where, the lease as what."""
    parcel = world.parcel(1)
    firm = world.enterprise(1, "青岚县长盛五金厂", township_code=TOWN, parcel_code=parcel)
    world.lease("ZL-1", parcel, lessee_name="青岚县长盛五金厂")
    world.run()
    assert world.links(firm) == {parcel: ("tenant", "lease_name", "lessee_name", "accepted")}


def test_a_name_like_its_own_gives_the_role_alone(world: World) -> None:
    """What nothing else places is a candidate; what the registry places is owner."""
    one, two = world.parcel(1), world.parcel(2)
    for parcel in (one, two):
        world.right(parcel, None, "青岚县昌盛五金厂")
    firm = world.enterprise(1, "青岚县长盛五金厂", township_code=TOWN, parcel_code=one)
    world.run()
    assert world.link(firm, one) == ("owner", "registry_parcel", "registry_parcel_code", "accepted")
    assert world.link(firm, two) == ("owner", "name_similar", "name_one_character", "review")


# ---- Addresses and points ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "云溪镇东坑村创业路12号",
        "浙江省青岚县云溪镇东坑村创业路１２号",
        "青岚县云溪镇创业路12号2幢301室",
        # by a former name of the township
        "石桥镇东坑村创业路12号",
    ],
)
def test_an_address_counts_with_a_point_in_the_same_parcel(world: World, address: str) -> None:
    parcel = world.parcel(1, "云溪镇东坑村创业路12号")
    world.parcel(2, "云溪镇东坑村创业路14号")
    alone = world.enterprise(1, "青岚县长盛五金厂", address=address)
    both = world.enterprise(2, "青岚县砚石模具厂", address=address, point=SIDE + 20)
    world.run()
    assert world.link(alone, parcel)[1:] == ("address", "address_equal", "review")
    assert world.link(both, parcel)[1:] == ("address", "address_equal", "accepted")


def test_an_address_of_another_township_is_another_one(world: World) -> None:
    parcel = world.parcel(1, "云溪镇东坑村创业路12号")
    firm = world.enterprise(
        1, "青岚县长盛五金厂", address="白渚镇东坑村创业路12号", point=SIDE + 20
    )
    world.run()
    assert world.link(firm, parcel)[3] == "review"


def test_a_shared_address_is_decided_by_the_point(world: World) -> None:
    one, two = (world.parcel(n, "云溪镇东坑村创业路12号") for n in (1, 2))
    unsure = world.enterprise(1, "青岚县长盛五金厂", address="云溪镇东坑村创业路12号")
    sure = world.enterprise(
        2, "青岚县砚石模具厂", address="云溪镇东坑村创业路12号", point=2 * SIDE + 20
    )
    world.run()
    reasons = {parcel: found[2] for parcel, found in world.links(unsure).items()}
    assert reasons == dict.fromkeys((one, two), "address_not_unique")
    assert {p: found[3] for p, found in world.links(sure).items()} == {two: "accepted"}


def test_a_point_alone_is_asked(world: World) -> None:
    parcel = world.parcel(1, "云溪镇东坑村创业路12号")
    firm = world.enterprise(1, "青岚县长盛五金厂", point=SIDE + 20)
    sea = world.enterprise(2, "青岚县砚石模具厂", point=90_000)
    world.run()
    assert world.link(firm, parcel)[1:] == ("point", "point_inside", "review")
    assert "link.point_nowhere" in world.issues(sea)
    assert world.seat(sea) == "unknown"


def test_the_road_of_an_address_without_a_parcel_confirms_the_point(world: World) -> None:
    """No parcel has number 14; 12 is the next lower one on its side, and the point lies there."""
    twelve = world.parcel(1, "云溪镇东坑村创业路12号")
    world.parcel(2, "云溪镇东坑村创业路16号")
    here = world.enterprise(
        1, "青岚县长盛五金厂", address="云溪镇东坑村创业路14号", point=SIDE + 20
    )
    # the nearest parcel has a higher number than the address
    there = world.enterprise(
        2, "青岚县砚石模具厂", address="云溪镇东坑村创业路14号", point=2 * SIDE + 20
    )
    world.run()
    assert world.link(here, twelve)[1:] == ("point", "point_inside", "accepted")
    assert world.parts(here, twelve)["road_passes"] == Decimal("0.25")
    assert {found[3] for found in world.links(there).values()} == {"review"}


def test_a_lease_that_has_run_out_speaks_against_the_place(world: World) -> None:
    parcel = world.parcel(1, "云溪镇东坑村创业路12号")
    firm = world.enterprise(
        1, "青岚县长盛五金厂", address="云溪镇东坑村创业路12号", point=SIDE + 20
    )
    world.lease("ZL-1", parcel, lessee_code=firm, valid_to=dt.date(2026, 6, 1))
    world.run()
    assert world.link(firm, parcel)[3] == "review"
    assert world.parts(firm, parcel)["lease_ended"] == Decimal("-0.1")


# ---- Contradiction, ties, order ------------------------------------------------------------------


def test_stages_that_contradict_each_other_are_asked(world: World) -> None:
    one = world.parcel(1, "云溪镇东坑村创业路12号")
    two = world.parcel(2, "云溪镇西坑村兴工路3号")
    address = {"address": "云溪镇西坑村兴工路3号", "point": 2 * SIDE + 20, "township_code": TOWN}
    firm = world.enterprise(1, "青岚县长盛五金厂", parcel_code=one, **address)
    # where the register itself speaks there is no contradiction
    owner = world.enterprise(2, "青岚县砚石模具厂", **address)
    world.right(one, owner, "青岚县砚石模具厂")
    world.run()
    assert {found[2:] for found in world.links(firm).values()} == {("contradicted", "review")}
    assert set(world.links(firm)) == {one, two}
    assert world.link(owner, one)[3] == "accepted"


def test_a_weak_code_beside_the_register_is_asked(world: World) -> None:
    """The registry's parcel lies in another township than the enterprise."""
    own, far = world.parcel(1), world.parcel(2, township=OTHER_TOWN)
    firm = world.enterprise(1, "青岚县长盛五金厂", parcel_code=far, township_code=TOWN)
    world.right(own, firm, "青岚县长盛五金厂")
    world.run()
    assert world.link(firm, own)[3] == "accepted"
    assert world.link(firm, far)[3] == "review"
    assert world.seat(firm) == "linked"


def test_leases_in_a_circle_are_told(world: World) -> None:
    parcel = world.parcel(1)
    one, two = world.enterprise(1, "青岚县长盛五金厂"), world.enterprise(2, "青岚县砚石模具厂")
    world.lease("ZL-1", parcel, lessor_code=one, lessee_code=two)
    world.lease("ZL-2", parcel, lessor_code=two, lessee_code=one)
    # a park in which everybody lets to everybody has more ways than can be counted
    park = world.parcel(2)
    firms = [world.enterprise(n, f"青岚县长盛{n}厂") for n in range(3, 23)]
    for lessor, lessee in itertools.permutations(firms, 2):
        world.lease(f"{lessor} {lessee}", park, lessor_code=lessor, lessee_code=lessee)
    world.run()
    assert "link.lease_cycle" in world.issues(one) & world.issues(two) & world.issues(firms[0])


def test_who_has_nothing_is_told_what_is_missing(world: World) -> None:
    world.parcel(1)
    firm = world.enterprise(1, "青岚县长盛五金厂", code=None, address="云溪镇")
    world.run()
    assert world.seat(firm) == "unknown"
    missing = world.connection.execute(text("SELECT missing FROM derived.seat")).scalar_one()
    assert missing == ["credit_code", "parcel_code", "certificate_no", "address_number", "point"]
    assert {"link.no_evidence", "link.no_identifier"} <= world.issues(firm)


def test_a_decision_outlasts_the_evidence_and_is_asked_anew(world: World) -> None:
    one, two = world.parcel(1), world.parcel(2)
    firm = world.enterprise(1, "青岚县长盛五金厂", township_code=TOWN)
    world.run()
    world.decide("accept_link", firm, one)
    world.run()
    stale = text("SELECT come, gone FROM derived.stale_decision")
    assert world.link(firm, one) == ("operator", "decision", "decided_by_person", "accepted")
    assert world.connection.execute(stale).all() == []
    world.lease("ZL-1", two, lessee_code=firm, lessee_name="青岚县长盛五金厂")
    world.run()
    assert world.link(firm, one)[3] == world.link(firm, two)[3] == "accepted"
    assert world.connection.execute(stale).one() == ([f"lease_code {two} tenant ZL-1"], [])


@pytest.mark.parametrize(
    ("firm", "holder"),
    [
        ("青岚县长盛五金厂", "青岚县长盛五金厂"),
        # incomplete, alike, former, and the company of a branch
        ("青岚县长盛五金厂", "长盛五金厂"),
        ("青岚县长盛五金厂", "青岚县昌盛五金厂"),
        ("青岚县长盛五金厂（原青岚县旧名五金厂）", "青岚县旧名五金厂"),
    ],
)
def test_a_parcel_that_comes_after_its_papers_is_linked(
    world: World, firm: str, holder: str
) -> None:
    world.parcel(1)
    code = world.enterprise(1, firm, township_code=TOWN)
    world.right(parcel_code(2), None, holder)
    world.run()
    assert world.links(code) == {}
    late = world.parcel(2)
    world.run(("parcel", late))
    found = world.links(code)
    world.run()
    assert found == world.links(code)
    assert set(found) == {late}


def test_a_late_parcel_of_a_company_is_asked_of_its_branch(world: World) -> None:
    company = world.enterprise(1, "青岚县长盛五金有限公司")
    branch = world.enterprise(2, "青岚县长盛五金有限公司白渚分公司")
    world.right(parcel_code(2), company, "青岚县长盛五金有限公司")
    world.run()
    late = world.parcel(2)
    world.run(("parcel", late))
    assert world.link(branch, late)[1:] == ("name_similar", "parent_company", "review")


def test_the_order_of_the_rows_plays_no_part(world: World) -> None:
    """Ties of every kind, written in another order each time."""
    number = "浙（2021）青岚县不动产权第0000012号"
    shared = {"address": "云溪镇东坑村创业路12号", "township_code": TOWN}
    acts = [
        lambda: world.right(parcel_code(1), None, "青岚县长盛五金厂", certificate_no=number),
        lambda: world.right(parcel_code(2), None, "青岚县长盛五金厂", certificate_no=number),
        lambda: world.lease("ZL-1", parcel_code(3), lessee_name="长盛五金厂"),
        lambda: world.lease("ZL-2", parcel_code(3), lessee_name="昌盛五金厂"),
        lambda: world.enterprise(1, "青岚县长盛五金厂", certificate_no=number, **shared),
        lambda: world.enterprise(2, "青岚县长盛五金厂", point=2 * SIDE, **shared),
        lambda: world.enterprise(3, "青岚县砚石模具厂", point=3 * SIDE, **shared),
        *(
            lambda n=n: world.parcel(n, "云溪镇东坑村创业路12号" if n < 4 else None)
            for n in range(1, 6)
        ),
    ]
    results = []
    for seed in range(ORDERS):
        with world.connection.begin_nested() as savepoint:
            for act in random.Random(seed).sample(acts, len(acts)):
                act()
            world.run()
            results.append(
                world.connection.execute(
                    text(
                        "SELECT enterprise_code, parcel_code, role, stage, reason, status, score, "
                        "gap, rank FROM derived.link ORDER BY 1, 2, 3"
                    )
                ).all()
            )
            savepoint.rollback()
    assert len(results[0]) > len(acts) / 2
    assert all(found == results[0] for found in results)
    assert not any(row.status == "accepted" for row in results[0])


def test_a_link_says_what_part_of_the_parcel_its_evidence_gives(world: World) -> None:
    one, two = world.parcel(1), world.parcel(2)
    firm = world.enterprise(1, "青岚县长盛五金厂")
    world.right(one, firm, "青岚县长盛五金厂", share=Decimal("0.4"))
    for number, area in (("ZL-1", 300), ("ZL-2", 200)):
        world.lease(number, two, lessee_code=firm, land_area_m2=area, floor_area_m2=900)
    world.run()
    hints = world.connection.execute(
        text(
            "SELECT share_hint, land_hint_m2, floor_hint_m2 FROM derived.link ORDER BY parcel_code"
        )
    ).all()
    assert hints == [(Decimal("0.4"), None, None), (None, 500, 1800)]


def test_a_point_beside_all_parcels_is_asked_about_the_nearest(world: World) -> None:
    near, next_one = world.parcel(1), world.parcel(2)
    world.parcel(9)
    firm = world.enterprise(1, "青岚县长盛五金厂", point=SIDE - 30)
    world.run()
    assert world.link(firm, near)[1:] == ("point", "point_beside", "review")
    assert world.link(firm, next_one)[1:] == ("point", "point_beside", "review")
    assert len(world.links(firm)) == 2
