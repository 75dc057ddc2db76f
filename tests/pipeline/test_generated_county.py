"""The generated county at scale 0.02: the pipeline finds what was planted, and areas are right.

The truth beside the files is the generator's own. What shapely and PROJ say of the delivered
shapes is computed here a third time, without the generator and without the database.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from conftest import FIRST_NIGHT, Databases, Township
from sqlalchemy import Engine, text
from test_steps import differences, rebuild, state

from pipeline.database import open_engine
from pipeline.demo.generator import HIGH, LOW, Noise, generate
from pipeline.run import run
from pipeline.settings import load_settings
from pipeline.workspace import create_workspace

SCALE = 0.02
SEED = 5
NIGHTS = 5
M2 = 0.01
PAIR = ["enterprise_code", "parcel_code"]
AREAS = ["base", "linked", "evaluated", "transition", "covered"]
EQUAL_AREA = pyproj.Transformer.from_crs(
    "EPSG:4549", "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m", always_xy=True
)


def survey_area(shapes):
    """Area on the ellipsoid, by PROJ and shapely."""

    def by_proj(places):
        return np.column_stack(EQUAL_AREA.transform(places[:, 0], places[:, 1]))

    return shapely.area(shapely.transform(np.asarray(shapes, dtype=object), by_proj))


def query(engine: Engine, sql: str) -> pd.DataFrame:
    with engine.connect() as connection:
        result = connection.execute(text(sql))
        return pd.DataFrame(result.all(), columns=list(result.keys()))


def truth_of(workspace: Path, day: dt.date) -> dict[str, pd.DataFrame]:
    folder = workspace / "truth" / day.isoformat()
    return {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}


def accepted(engine: Engine) -> pd.DataFrame:
    return query(
        engine,
        "SELECT enterprise_code, parcel_code, role FROM derived.link WHERE status = 'accepted'",
    )


def keys(table: pd.DataFrame, columns: list[str]) -> set[tuple[str, ...]]:
    return set(table[columns].itertuples(index=False, name=None))


def precision_and_recall(engine: Engine, truth: dict[str, pd.DataFrame]) -> tuple[float, float]:
    found = keys(accepted(engine), [*PAIR, "role"])
    planted = keys(truth["links"], [*PAIR, "role"])
    right = len(found & planted)
    return right / len(found), right / len(planted)


def assert_planted(engine: Engine, truth: dict[str, pd.DataFrame]) -> None:
    """Links, seats, parcels, shares, units and coverage are those that were planted."""
    decidable = truth["links"][truth["links"]["is_decidable"]]
    assert keys(accepted(engine), [*PAIR, "role"]) == keys(decidable, [*PAIR, "role"])

    seats = query(engine, "SELECT enterprise_code, seat_state FROM derived.seat")
    columns = ["enterprise_code", "seat_state"]
    assert keys(seats, columns) == keys(truth["seats"], columns)

    parcels = query(
        engine,
        """
        SELECT t.parcel_code, t.township_code, t.patch_area_m2, s.linked_share, s.evaluated_share,
          s.transition_share
        FROM derived.parcel_township AS t JOIN derived.parcel_state AS s USING (parcel_code)
        """,
    )
    columns = ["parcel_code", "township_code"]
    assert keys(parcels, columns) == keys(truth["parcels"], columns)
    both = truth["parcels"].merge(parcels, on="parcel_code", suffixes=("", "_found"))
    assert_close(both["patch_area_m2"], both["industrial_area_m2"], 0.001)
    for name in ("linked_share", "evaluated_share", "transition_share"):
        assert_close(both[f"{name}_found"], both[name], 1e-6)

    shares = query(
        engine,
        """
        SELECT parcel_code, enterprise_code, method, allocated_m2 AS found
        FROM derived.allocation
        WHERE parcel_code IN (SELECT parcel_code FROM derived.allocation WHERE enterprise_code <> '')
        """,
    )
    assert keys(shares, [*PAIR, "method"]) == keys(truth["shares"], [*PAIR, "method"])
    both = truth["shares"].merge(shares, on=PAIR)
    assert_close(both["found"], both["allocated_m2"], M2)

    units = query(
        engine, "SELECT unit_code, kind, eval_state, eval_area_m2 AS found FROM derived.unit"
    )
    columns = ["unit_code", "kind", "eval_state"]
    assert keys(units, columns) == keys(truth["units"], columns)
    both = truth["units"].merge(units, on="unit_code")
    assert_close(both["found"], both["area_m2"], M2)

    coverage = query(engine, "SELECT * FROM derived.township_coverage")
    columns = ["area_code", "name", "kind"]
    assert keys(coverage, columns) == keys(truth["coverage"], columns)
    both = truth["coverage"].merge(coverage, on="area_code", suffixes=("", "_found"))
    for name in AREAS:
        assert_close(both[f"{name}_area_m2_found"], both[f"{name}_area_m2"], M2)


def assert_close(found: pd.Series, expected: pd.Series, tolerance: float) -> None:
    difference = (found.astype(float) - expected.astype(float)).abs()
    assert len(difference) > 0
    assert difference.max() <= tolerance


@pytest.fixture(scope="module")
def county_template(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The generated county after its first run; copied, never changed."""
    folder = tmp_path_factory.mktemp("generated")
    create_workspace(folder, code="330299", name="青岚县", crs="EPSG:4549")
    generate(folder, scale=SCALE, seed=SEED)
    settings = load_settings(folder)
    dsn = databases.clone(settings)
    engine = open_engine(dsn)
    result = run(engine, settings, as_of=FIRST_NIGHT)
    engine.dispose()
    assert result.unknown_files == []
    assert result.missing_feeds == []
    # patches, parcels, rights, leases, enterprises, areas, footprints, figures of two years, results,
    # recognitions, accounts, land matters, talents, meters, policies
    assert [d.quarantined_count for d in result.deliveries] == [0] * 16
    return folder, dsn


@pytest.fixture(scope="module")
def county(databases: Databases, county_template: tuple[Path, str]) -> Iterator[Engine]:
    """The county after its first run, to read only."""
    engine = open_engine(databases.copy(county_template[1]))
    yield engine
    engine.dispose()


@pytest.fixture
def make_county(
    databases: Databases, county_template: tuple[Path, str], tmp_path: Path
) -> Iterator[Callable[[], Township]]:
    """Makes counties of one's own, after their first run."""
    engines: list[Engine] = []

    def make() -> Township:
        folder = tmp_path / f"county{len(engines)}"
        shutil.copytree(county_template[0], folder)
        dsn = databases.copy(county_template[1])
        engines.append(open_engine(dsn))
        return Township(load_settings(folder), dsn, engines[-1])

    yield make
    for engine in engines:
        engine.dispose()


# ---- What was planted --------------------------------------------------------------------------


def test_links_are_found(county: Engine, county_template: tuple[Path, str]) -> None:
    precision, recall = precision_and_recall(county, truth_of(county_template[0], FIRST_NIGHT))
    assert precision >= 0.97
    assert recall >= 0.95


def test_undecidable_links_wait_for_a_person(
    county: Engine, county_template: tuple[Path, str]
) -> None:
    links = truth_of(county_template[0], FIRST_NIGHT)["links"]
    hidden = links[~links["is_decidable"]]
    waiting = query(
        county, "SELECT enterprise_code, parcel_code FROM derived.link WHERE status = 'review'"
    )
    assert len(hidden) > 0
    assert keys(hidden, PAIR) == keys(waiting, PAIR)


def test_every_stage_and_every_rung_is_met(county: Engine) -> None:
    stages = query(county, "SELECT DISTINCT stage FROM derived.link")["stage"]
    assert set(stages) == {
        "right_code",
        "lease_code",
        "registry_parcel",
        "registry_certificate",
        "account",
        "footprint_drawn",
        "right_name",
        "lease_name",
        "address",
        "point",
    }
    methods = query(county, "SELECT DISTINCT method FROM derived.allocation")["method"]
    assert set(methods) == {
        "sole",
        "signed",
        "remainder",
        "share",
        "footprint",
        "floor",
        "undivided",
        "conflict",
        "rest",
    }


def test_the_whole_truth_is_found(county: Engine, county_template: tuple[Path, str]) -> None:
    assert_planted(county, truth_of(county_template[0], FIRST_NIGHT))


def test_records_that_rules_ask_for_are_held(
    county: Engine, county_template: tuple[Path, str]
) -> None:
    """Rows of the files as they stand in core, with codes, dates and figures of the program."""
    inbox = county_template[0] / "inbox" / FIRST_NIGHT.isoformat()
    delivered = {
        "land_event": pd.read_excel(inbox / "用地事项.xlsx", engine="openpyxl"),
        "talent": pd.read_excel(inbox / "人才入选.xlsx", engine="openpyxl"),
        "meter": pd.read_csv(inbox / "电表.csv"),
        "policy_return": pd.read_csv(inbox / "差别化政策执行情况.csv", encoding="gb18030"),
        "recognition": pd.read_csv(inbox / "认定.csv", encoding="gb18030"),
    }
    for feed, rows in delivered.items():
        held = query(county, f"SELECT count(*) AS n FROM core.{feed} WHERE to_run IS NULL")
        assert held.loc[0, "n"] == len(rows) > 0, feed
    names = set(delivered["talent"]["姓名"])
    extra = query(county, "SELECT CAST(extra AS text) AS said FROM raw.talent")["said"]
    assert not extra.apply(lambda said: any(name in said for name in names)).any()

    cases = truth_of(county_template[0], FIRST_NIGHT)["rule_cases"]
    assert list(cases) == ["enterprise_code", "rule", "applies", "amount", "note"]
    units = query(
        county, "SELECT unit_code, kind, eval_state, eval_area_m2 AS m2 FROM derived.unit"
    ).set_index("unit_code")
    units = units.loc["E-" + cases["enterprise_code"]]
    assert set(units["kind"]) == {"enterprise"}
    assert set(units["eval_state"]) == {"evaluated"}
    exactly = cases[(cases["rule"] == "CX-F3") & (cases["note"] == "tax per mu exactly 8 万")]
    (firm,) = exactly["enterprise_code"]
    tax = query(
        county,
        "SELECT value FROM core.indicator WHERE to_run IS NULL AND indicator = 'tax' AND year = 2025"
        f" AND enterprise_code = '{firm}'",
    )
    assert tax.loc[0, "value"] == units.loc[f"E-{firm}", "m2"].iloc[0] * 120

    events = query(
        county,
        "SELECT enterprise_code, kind, contract_on, transition_end FROM core.land_event"
        " WHERE to_run IS NULL",
    ).set_index("enterprise_code")
    supplied = cases[cases["rule"] == "CX-T1"].set_index("note")["enterprise_code"]
    ended = events.loc[supplied["supply, contract 54 months ago"]]
    assert (ended["kind"], ended["contract_on"]) == ("supply", dt.date(2021, 12, 30))
    granted = events.loc[supplied["supply, the last day granted is this one"]]
    assert granted["transition_end"] == dt.date(2026, 7, 1)
    # the area of a project is no assessment unit
    assert "project" in set(query(county, "SELECT kind FROM core.area")["kind"])
    spoken = query(county, "SELECT DISTINCT kind FROM derived.township_coverage")
    assert set(spoken["kind"]) == {"township", "zone"}


# ---- A third computation -----------------------------------------------------------------------


def test_survey_areas_agree_with_shapely(county: Engine, county_template: tuple[Path, str]) -> None:
    inbox = county_template[0] / "inbox" / FIRST_NIGHT.isoformat()
    patches = pyogrio.read_dataframe(inbox / "DLTB.shp", encoding="GBK")
    patches["patch_code"] = patches["ZLDWDM"] + patches["TBBH"]
    patches["expected"] = survey_area(patches.geometry.to_numpy())
    found = query(county, "SELECT patch_code, ellipsoid_area_m2 FROM core.patch")
    both = patches.merge(found, on="patch_code")
    assert len(both) == len(patches) == len(found)
    assert_close(both["ellipsoid_area_m2"], both["expected"], 0.001)


def test_overlay_agrees_with_shapely(county: Engine, county_template: tuple[Path, str]) -> None:
    inbox = county_template[0] / "inbox" / FIRST_NIGHT.isoformat()
    patches = pyogrio.read_dataframe(inbox / "DLTB.shp", encoding="GBK")
    patches = patches[patches["DLBM"] == "0601"]
    parcels = pyogrio.read_dataframe(inbox / "ZD.shp", encoding="GBK")
    tree = shapely.STRtree(patches.geometry.to_numpy())
    parcel, patch = tree.query(parcels.geometry.to_numpy(), predicate="intersects")
    pieces = shapely.intersection(
        patches.geometry.to_numpy()[patch], parcels.geometry.to_numpy()[parcel]
    )
    expected = pd.DataFrame(
        {
            "parcel_code": parcels["ZDDM"].to_numpy()[parcel],
            "patch_code": (patches["ZLDWDM"] + patches["TBBH"]).to_numpy()[patch],
            "expected": survey_area(pieces),
        }
    )
    expected = expected[expected["expected"] >= 5e-5]
    found = query(county, "SELECT parcel_code, patch_code, area_m2 FROM derived.parcel_patch")
    both = expected.merge(found, how="outer", on=["parcel_code", "patch_code"])
    assert both.notna().all(axis=None)
    assert_close(both["area_m2"], both["expected"], 0.001)


def test_coverage_agrees_with_a_grid_of_points(
    county: Engine, county_template: tuple[Path, str]
) -> None:
    """No overlay at all: each industrial patch is sampled by points, each at its largest share."""
    workspace = county_template[0]
    inbox = workspace / "inbox" / FIRST_NIGHT.isoformat()
    patches = pyogrio.read_dataframe(inbox / "DLTB.shp", encoding="GBK")
    patches = patches[patches["DLBM"] == "0601"].reset_index(drop=True)
    parcels = pyogrio.read_dataframe(inbox / "ZD.shp", encoding="GBK")
    truth = truth_of(workspace, FIRST_NIGHT)["parcels"].set_index("parcel_code")
    covered = (truth["evaluated_share"] + truth["transition_share"]).loc[parcels["ZDDM"]]
    drawn = np.random.default_rng(3)
    inside = 200
    west, south, east, north = shapely.bounds(patches.geometry.to_numpy()).T[..., None]
    u, v = drawn.random((2, len(patches), inside * 3))
    points = shapely.points(west + u * (east - west), south + v * (north - south))
    shapely.prepare(patches.geometry.to_numpy())
    hit = shapely.contains(patches.geometry.to_numpy()[:, None], points)
    which, over = shapely.STRtree(parcels.geometry.to_numpy()).query(
        points[hit], predicate="intersects"
    )
    value = np.zeros(hit.sum())
    np.maximum.at(value, which, covered.to_numpy()[over])
    patch = np.nonzero(hit)[0]
    mean = np.bincount(patch, value, len(patches)) / np.bincount(patch, minlength=len(patches))
    expected = (mean * patches["TBMJ"]).sum()
    found = query(county, "SELECT sum(covered_area_m2) AS m2 FROM derived.township_coverage")
    assert float(found["m2"][0]) == pytest.approx(expected, rel=0.01)


# ---- Nights ------------------------------------------------------------------------------------


def test_nights_equal_rebuilds_and_the_truth(make_county: Callable[[], Township]) -> None:
    township = make_county()
    workspace = township.settings.workspace
    for night in range(1, NIGHTS + 1):
        day = FIRST_NIGHT + dt.timedelta(days=night)
        before = state(township.engine)
        generate(workspace, scale=SCALE, seed=SEED, night=night)
        result = township.run(day)
        assert result.written > 0
        after = state(township.engine)
        changed = differences(before, after)
        assert changed.keys() >= {"core.parcel", "derived.link", "derived.allocation"}
        assert_planted(township.engine, truth_of(workspace, day))
        precision, recall = precision_and_recall(township.engine, truth_of(workspace, day))
        assert precision >= 0.97
        assert recall >= 0.95
        rebuild(township, day)
        assert differences(after, state(township.engine)) == {}
    kinds = query(township.engine, "SELECT DISTINCT kind FROM core.parcel_lineage")["kind"]
    assert set(kinds) == {"split", "merged", "renumbered"}


def test_land_let_to_a_closed_firm_stays_with_its_lessor(
    make_county: Callable[[], Township],
) -> None:
    township = make_county()
    inbox = township.settings.workspace / "inbox"
    sub = query(
        township.engine,
        """
        SELECT n.lease_no, n.parcel_code, n.lessee_code, n.lessor_code, o.land_area_m2 AS rented, n.land_area_m2 AS let
        FROM core.lease AS n
        JOIN derived.allocation AS a ON a.parcel_code = n.parcel_code AND a.enterprise_code = n.lessee_code
          AND a.role = 'sub_tenant' AND a.method = 'signed'
        JOIN core.lease AS o ON o.parcel_code = n.parcel_code AND o.lessee_code = n.lessor_code
        """,
    ).iloc[0]
    allocated = f"""
        SELECT allocated_m2 FROM derived.allocation
        WHERE parcel_code = '{sub.parcel_code}' AND enterprise_code = '{sub.lessor_code}'
        """
    assert query(township.engine, allocated)["allocated_m2"][0] == sub.rented - sub.let
    book = openpyxl.load_workbook(inbox / FIRST_NIGHT.isoformat() / "企业名录.xlsx")
    closed = [row for row in book.active.iter_rows() if sub.lessee_code in {c.value for c in row}]
    (status,) = [cell for cell in closed[0] if cell.value == "存续"]
    status.value = "注销"
    day = FIRST_NIGHT + dt.timedelta(days=1)
    (inbox / day.isoformat()).mkdir()
    book.save(inbox / day.isoformat() / "企业名录.xlsx")
    township.run(day)
    assert query(township.engine, allocated)["allocated_m2"][0] == sub.rented


# ---- Noise -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noise", "least_precision", "least_recall"), [(LOW, 0.96, 0.9), (HIGH, 0.85, 0.6)]
)
def test_noise_costs_recall_before_precision(
    databases: Databases,
    tmp_path: Path,
    noise: Noise,
    least_precision: float,
    least_recall: float,
) -> None:
    create_workspace(tmp_path, code="330299", name="青岚县", crs="EPSG:4549")
    generate(tmp_path, scale=SCALE / 2, seed=SEED, noise=noise)
    settings = load_settings(tmp_path)
    engine = open_engine(databases.clone(settings))
    run(engine, settings, as_of=FIRST_NIGHT)
    found = keys(accepted(engine), PAIR)
    planted = keys(truth_of(tmp_path, FIRST_NIGHT)["links"], PAIR)
    engine.dispose()
    assert len(found & planted) / len(found) >= least_precision
    assert len(found & planted) / len(planted) >= least_recall
