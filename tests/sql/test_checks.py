"""Every check of sql/checks lets a good state pass and finds the fault that it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Township
from sqlalchemy import text

from pipeline._paths import data_path
from pipeline.errors import CheckFailed
from pipeline.selfcheck import check_database

# One fault per check, as small as it can be.
FAULTS = {
    "allocation_conserves_area": "UPDATE derived.allocation SET allocated_m2 = allocated_m2 + 0.02 "
    "WHERE (parcel_code, enterprise_code) = (SELECT parcel_code, max(enterprise_code) FROM derived.allocation "
    "WHERE share < 1 GROUP BY parcel_code ORDER BY parcel_code LIMIT 1)",
    "areas_sum_to_county": "UPDATE derived.township_coverage SET base_area_m2 = base_area_m2 + 0.02 "
    "WHERE area_code = (SELECT min(area_code) FROM derived.township_coverage)",
    "coverage_is_ordered": "UPDATE derived.patch_cover SET evaluated_area_m2 = covered_area_m2 + 0.001 "
    "WHERE patch_code = (SELECT min(patch_code) FROM derived.patch_cover WHERE transition_area_m2 = 0)",
    "delivered_rows_add_up": "UPDATE ops.delivery SET kept_count = kept_count - 1 WHERE delivery_id = 1",
    "layers_show_derived": "DELETE FROM layers.parcel WHERE fid = (SELECT min(fid) FROM layers.parcel)",
    "results_say_why": "UPDATE derived.link SET evidence_keys = '{}' "
    "WHERE enterprise_code = (SELECT min(enterprise_code) FROM derived.link)",
    "retired_codes_lead_on": "INSERT INTO derived.parcel_successor (parcel_code, successor_code, share, successor_share, "
    "retired_run, steps, follow) SELECT 'gone', min(p.parcel_code), 1, 1, 1, 1, 'followed' FROM core.parcel AS p; "
    "UPDATE core.enterprise SET parcel_code = 'gone' WHERE enterprise_code = (SELECT max(e.enterprise_code) "
    "FROM core.enterprise AS e WHERE e.to_run IS NULL AND e.status = 'operating' AND NOT EXISTS ("
    "SELECT 1 FROM derived.link AS l WHERE l.enterprise_code = e.enterprise_code))",
    "seat_is_complete": "DELETE FROM derived.seat WHERE enterprise_code = (SELECT min(enterprise_code) FROM derived.seat)",
    "units_hold_all_shares": "UPDATE derived.unit SET eval_area_m2 = eval_area_m2 + 0.0001 "
    "WHERE unit_code = (SELECT min(unit_code) FROM derived.unit)",
}


def test_every_check_has_a_fault_here() -> None:
    assert {file.stem for file in data_path("sql", "checks").glob("*.sql")} == FAULTS.keys()


def test_good_state_passes(make_township: Callable[..., Township]) -> None:
    township = make_township()
    assert set(check_database(township.engine, township.settings).values()) == {0}


@pytest.mark.parametrize("rule", sorted(FAULTS))
def test_fault_is_found(make_township: Callable[..., Township], rule: str) -> None:
    township = make_township()
    with township.engine.begin() as connection:
        assert connection.execute(text(FAULTS[rule])).rowcount >= 1
    with pytest.raises(CheckFailed) as caught:
        check_database(township.engine, township.settings)
    assert rule in str(caught.value.params["rule"]).split(", ")
    assert caught.value.exit_code == 8


@pytest.mark.parametrize("state", ["loaded", "withdrawn"])
def test_what_came_or_went_since_the_last_run_is_no_fault(
    make_township: Callable[..., Township], state: str
) -> None:
    township = make_township()
    with township.engine.begin() as connection:
        # as after a run that the gate stopped, or before the run that a withdrawal waits for
        connection.execute(
            text(
                """
                UPDATE ops.delivery SET state = 'withdrawn' WHERE feed = 'lease' AND :state = 'withdrawn';
                INSERT INTO ops.delivery (feed, data_date, content_hash, contract_hash, file, layer)
                SELECT 'lease', '2027-01-01', 'half', 'x', 'half.xlsx', '' WHERE :state = 'loaded';
                """.replace(":state", f"'{state}'")
            )
        )
    assert set(check_database(township.engine, township.settings).values()) == {0}


def test_a_record_that_no_delivery_says_is_found(make_township: Callable[..., Township]) -> None:
    township = make_township()
    with township.engine.begin() as connection:
        connection.execute(
            text("DELETE FROM ops.delivered WHERE key = (SELECT min(lease_no) FROM core.lease)")
        )
        connection.execute(
            text(
                "UPDATE ops.delivery SET row_count = row_count - 1, kept_count = kept_count - 1 WHERE feed = 'lease'"
            )
        )
    with pytest.raises(CheckFailed) as caught:
        check_database(township.engine, township.settings)
    assert caught.value.params["rule"] == "results_say_why"


def test_rows_of_no_delivery_are_found(make_township: Callable[..., Township]) -> None:
    township = make_township()
    with township.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO ops.delivered (delivery_id, row_number, outcome) VALUES (999, 1, 'kept')"
            )
        )
    with pytest.raises(CheckFailed) as caught:
        check_database(township.engine, township.settings)
    assert caught.value.params["rule"] == "delivered_rows_add_up"
