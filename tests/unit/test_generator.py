"""The reference county: its land tiles, its counts follow the scale, its bytes the seed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely

from pipeline.demo.generator import HIGH, NONE, generate
from pipeline.demo.generator.cover import read_base
from pipeline.demo.generator.economy import begin
from pipeline.demo.generator.land import Land, plant_parcels
from pipeline.demo.generator.lattice import CELL_M, CENTRE, Lattice
from pipeline.demo.generator.nights import next_night
from pipeline.demo.generator.survey import equal_area_plane, survey_area
from pipeline.demo.generator.truth import divide, find_links, leases_in_force
from pipeline.demo.generator.words import credit_codes, enterprise_names, village_names
from pipeline.domain.codes import check_credit_code, normalise_certificate, parse_parcel_code

SCALE = 0.005
SEED = 11
EQUAL_AREA = pyproj.Transformer.from_crs(
    "EPSG:4549", "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m", always_xy=True
)


def by_proj(places):
    return np.column_stack(EQUAL_AREA.transform(places[:, 0], places[:, 1]))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("county")
    generate(folder, scale=SCALE, seed=SEED)
    return folder


@pytest.fixture(scope="module")
def first_day(county: Path) -> Path:
    return county / "inbox" / "2026-06-30"


@pytest.fixture(scope="module")
def patches(first_day: Path):
    return pyogrio.read_dataframe(first_day / "DLTB.shp", encoding="GBK")


@pytest.fixture(scope="module")
def parcels(first_day: Path):
    return pyogrio.read_dataframe(first_day / "ZD.shp", encoding="GBK")


@pytest.fixture(scope="module")
def registry(first_day: Path) -> list[tuple]:
    book = openpyxl.load_workbook(first_day / "企业名录.xlsx")
    return list(book.worksheets[0].iter_rows(values_only=True))


# ---- Land --------------------------------------------------------------------------------------


def test_patches_tile_the_county(patches) -> None:
    shapes = patches.geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    west, south, east, north = shapely.total_bounds(shapes)
    assert abs(shapely.area(shapes).sum() - (east - west) * (north - south)) < 1e-3
    drawn = np.random.default_rng(1).random((4000, 2))
    points = shapely.points(drawn * [east - west, north - south] + [west, south])
    found, _ = shapely.STRtree(shapes).query(points, predicate="intersects")
    assert (np.bincount(found, minlength=len(points)) == 1).all()


@pytest.mark.parametrize("seed", [0, 3, 8])
def test_cells_tile_at_every_seed(seed: int) -> None:
    lattice = Lattice(60, 50, seed)
    rings, areas = zip(*((b.rings, b.survey_m2) for b in lattice.bands()), strict=True)
    shapes = shapely.polygons(np.concatenate(rings))
    assert shapely.is_valid(shapes).all()
    assert abs(shapely.area(shapes).sum() - 60 * 50 * CELL_M**2) < 1e-3
    assert shapely.STRtree(shapes).query(shapes, predicate="overlaps").size == 0
    assert np.abs(survey_area(shapes) - np.concatenate(areas)).max() < 1e-6


def test_patches_look_like_a_survey(patches) -> None:
    shapes = patches.geometry.to_numpy()
    assert 36 <= shapely.get_num_coordinates(shapes).mean() <= 40
    assert (patches["DLBM"] == "0601").mean() == pytest.approx(0.06, abs=0.001)
    holes = shapely.get_num_interior_rings(shapes).sum()
    assert 0.02 <= holes / len(shapes) <= 0.04
    assert not (patches["ZLDWDM"] + patches["TBBH"]).duplicated().any()
    assert patches["ZLDWDM"].str.slice(0, 9).nunique() == 20
    assert patches["ZLDWDM"].str.len().eq(19).all()


def test_official_areas_are_those_of_the_survey(patches) -> None:
    shapes = patches.geometry.to_numpy()
    survey = shapely.area(shapely.transform(shapes, by_proj))
    assert np.abs(patches["TBMJ"] - survey).max() <= 0.005 + 1e-6


def test_survey_areas_are_not_plane_areas_away_from_the_meridian() -> None:
    shape = shapely.box(519_900, 3_290_000, 519_970, 3_290_070)
    assert 0.04 < shape.area - survey_area(np.array([shape]))[0] < 0.1


def test_equal_area_plane_agrees_with_proj() -> None:
    places = np.random.default_rng(2).uniform(-63_000, 63_000, (5000, 2)) + CENTRE
    assert np.abs(equal_area_plane(places) - by_proj(places)).max() < 1e-6


def test_registered_areas_are_plane_areas(parcels) -> None:
    known = parcels[parcels["ZDMJ"].notna()]
    assert len(known) >= 0.95 * len(parcels)
    assert np.abs(known["ZDMJ"] - known.geometry.area).max() <= 0.005 + 1e-6


def test_townships_tile_and_hold_their_patches(first_day: Path, patches) -> None:
    areas = pyogrio.read_dataframe(first_day / "行政区.gpkg")
    assert areas["类型"].isin(["开发区", "高新区"]).sum() == 2
    towns = areas[~areas["类型"].isin(["开发区", "高新区"])].set_index("XZQDM").geometry
    assert len(towns) == 20
    assert abs(towns.area.sum() - patches.geometry.area.sum()) < 1e-3
    inner = shapely.point_on_surface(patches.geometry.to_numpy())
    around = towns.loc[patches["ZLDWDM"].str.slice(0, 9)].to_numpy()
    assert shapely.contains(around, inner).all()


def test_zones_cut_patches_and_span_townships(first_day: Path, patches) -> None:
    areas = pyogrio.read_dataframe(first_day / "行政区.gpkg").set_index("XZQDM").geometry
    for code in ("330299401", "330299402"):
        touched = patches[patches.geometry.intersects(areas[code])]
        assert not touched.geometry.within(areas[code]).all()
        assert touched["ZLDWDM"].str.slice(0, 9).nunique() >= 2


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_parcels_lie_within_their_patch(seed: int) -> None:
    land = Land(0.02, seed)
    plots = plant_parcels(land)
    patch = {}
    for chunk in land.chunks():
        if len(chunk.starts) == 1:
            patch.update(zip(chunk.patch.tolist(), shapely.polygons(chunk.rings), strict=True))
    inside = np.flatnonzero(plots.is_industrial & (plots.home >= 0))
    homes = np.array([patch[number] for number in plots.home[inside]])
    assert len(inside) > 100
    assert shapely.covers(homes, plots.shape[inside]).all()


def test_two_of_a_hundred_parcels_overlap(parcels) -> None:
    shapes = parcels.geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    a, b = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    shared = shapely.area(shapely.intersection(shapes[a], shapes[b]))
    overlapping = np.unique(a[(a != b) & (shared > 0.1)])
    assert 0.01 <= len(overlapping) / len(shapes) <= 0.03


# ---- Counts and codes --------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "patch_count"), [(0.005, 1500), (0.01, 3000)])
def test_counts_follow_the_scale(tmp_path: Path, scale: float, patch_count: int) -> None:
    generate(tmp_path, scale=scale, seed=1)
    inbox = tmp_path / "inbox" / "2026-06-30"
    for name, count in (
        ("DLTB.shp", patch_count),
        ("ZD.shp", patch_count // 5),
        ("建筑物.gpkg", patch_count // 5),
    ):
        assert pyogrio.read_info(inbox / name)["features"] == count
    parcels = pd.read_parquet(tmp_path / "truth" / "2026-06-30" / "parcels.parquet")
    assert len(parcels) == patch_count // 5
    assert (parcels["industrial_area_m2"] > 0).sum() == patch_count // 25
    seats = pd.read_parquet(tmp_path / "truth" / "2026-06-30" / "seats.parquet")
    assert len(seats) == round(13_000 * scale)


def test_codes_are_right_and_unique(parcels, registry, first_day: Path) -> None:
    found = parse_parcel_code(parcels["ZDDM"])
    assert found["problem"].isna().all()
    assert parcels["ZDDM"].is_unique
    codes = pd.Series([row[0] for row in registry[3:-1]])
    assert check_credit_code(codes)["problem"].isna().all()
    assert codes.is_unique
    rights = pd.read_csv(first_day / "权利人.csv", encoding="gb18030", dtype=str)
    holders = rights["ZJH"].dropna()
    assert check_credit_code(holders)["problem"].isna().all()
    assert normalise_certificate(rights["BDCQZH"]).notna().all()


def test_words_do_not_run_out() -> None:
    many = np.arange(150_000)
    assert enterprise_names(many).is_unique
    assert credit_codes("91MA", many).is_unique
    assert village_names(np.arange(1, 800)).is_unique


def test_registry_has_title_two_headings_and_a_sum(registry) -> None:
    assert registry[0][0].startswith("青岚县工业企业名录")
    assert registry[1][2] == "基本情况"
    assert registry[2][2] == "行业代码"
    assert registry[-1][:2] == ("合计", f"{len(registry) - 4}家")


def test_shapefiles_are_gbk_and_do_not_say_so(first_day: Path) -> None:
    assert not list(first_day.glob("*.cpg"))
    for name in ("DLTB", "ZD"):
        head = (first_day / f"{name}.dbf").read_bytes()[:32]
        assert head[29] == 0
    assert "工业用地".encode("gbk") in (first_day / "DLTB.dbf").read_bytes()


# ---- Truth -------------------------------------------------------------------------------------


def test_truth_adds_up(county: Path) -> None:
    folder = county / "truth" / "2026-06-30"
    truth = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
    shares = truth["shares"]
    assert (shares["allocated_m2"] >= 0).all()
    per_parcel = shares.groupby("parcel_code")["allocated_m2"].sum()
    assert (per_parcel > 0).all()
    coverage = truth["coverage"]
    evaluated, linked = coverage["evaluated_area_m2"], coverage["linked_area_m2"]
    covered, base = coverage["covered_area_m2"], coverage["base_area_m2"]
    transition = coverage["transition_area_m2"]
    assert (evaluated <= covered + 1e-3).all()
    assert (covered <= evaluated + transition + 1e-3).all()
    assert (covered <= linked + 1e-3).all()
    assert (linked <= base + 1e-3).all()
    assert set(truth["seats"]["seat_state"]) >= {"linked", "off_site", "no_industrial_premises"}


def test_land_let_to_a_closed_firm_stays_with_its_lessor() -> None:
    land = Land(0.02, SEED)
    state = begin(land, read_base(land, lambda chunk: None))
    leases = leases_in_force(state)
    sub = leases[leases["is_sub"]].iloc[0]

    def lessor_has() -> float:
        links = find_links(state, leases)
        shares = divide(state, leases, links[links["is_decidable"]])
        mine = (shares["parcel"] == sub["parcel"]) & (shares["enterprise"] == sub["lessor"])
        return float(shares.loc[mine, "m2"].iloc[0])

    before = lessor_has()
    state.enterprises.loc[sub["lessee"], "status"] = "注销"
    assert lessor_has() == pytest.approx(before + sub["land_m2"], abs=1e-4)


def test_leases_do_not_end_where_a_building_would_place_the_lessee() -> None:
    land = Land(0.05, SEED)
    base = read_base(land, lambda chunk: None)
    state = begin(land, base)
    lessees = state.leases["lessee"].unique()
    state.footprints.loc[state.footprints.index[: len(lessees) // 2], "enterprise"] = lessees[::2]
    after = next_night(land, base, state, 1)
    ended = after.leases.index[after.leases["last"] != state.leases["last"]]
    assert len(ended) > 0
    assert not after.leases.loc[ended, "lessee"].isin(lessees[::2]).any()


def test_base_of_the_units_is_the_official_area(county: Path, patches) -> None:
    coverage = pd.read_parquet(county / "truth" / "2026-06-30" / "coverage.parquet")
    official = patches.loc[patches["DLBM"] == "0601", "TBMJ"].sum()
    assert coverage["base_area_m2"].sum() == pytest.approx(official, abs=0.01)


# ---- Seed, noise, nights -----------------------------------------------------------------------


def test_same_seed_same_bytes(county: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", scale=SCALE, seed=SEED)
    generate(tmp_path / "other", scale=SCALE, seed=SEED + 1)
    again, other = contents(tmp_path / "again"), contents(tmp_path / "other")
    assert contents(county) == again
    drawn = [name for name in again if not name.endswith((".prj", ".shx"))]
    assert all(again[name] != other[name] for name in drawn)


def test_noise_changes_what_is_written_and_not_what_is_true(county: Path, tmp_path: Path) -> None:
    generate(tmp_path, scale=SCALE, seed=SEED, noise=HIGH)
    clean, noisy = contents(county), contents(tmp_path)
    changed = {Path(name).name for name in clean if clean[name] != noisy[name]}
    assert changed == {"企业名录.xlsx", "权利人.csv", "租赁.xlsx"}


def test_noise_is_the_same_each_night(tmp_path: Path) -> None:
    generate(tmp_path, scale=SCALE, seed=SEED, noise=HIGH)
    generate(tmp_path, scale=SCALE, seed=SEED, noise=HIGH, night=1)
    days = [
        pd.read_csv(tmp_path / "inbox" / day / "权利人.csv", encoding="gb18030", dtype=str)
        for day in ("2026-06-30", "2026-07-01")
    ]
    rows = [set(map(tuple, day.fillna("").to_numpy())) for day in days]
    assert 0 < len(rows[0] - rows[1]) < 0.1 * len(rows[0])


def test_nights_replay(tmp_path: Path) -> None:
    for name, night in itertools.product(("one", "two"), (1, 2)):
        generate(tmp_path / name, scale=SCALE, seed=SEED, night=night)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    dates = {Path(name).parts[1] for name in one}
    assert dates == {"2026-07-01", "2026-07-02"}
    delivered = {Path(name).name for name in one if name.startswith("inbox/2026-07-01")}
    assert {name.split(".")[0] for name in delivered} == {"ZD", "权利人", "租赁", "企业名录"}


def test_a_night_changes_a_few_records(county: Path, parcels, tmp_path: Path) -> None:
    generate(tmp_path, scale=SCALE, seed=SEED, night=1)
    after = pyogrio.read_dataframe(tmp_path / "inbox" / "2026-07-01" / "ZD.shp", encoding="GBK")
    gone = set(parcels["ZDDM"]) - set(after["ZDDM"])
    new = set(after["ZDDM"]) - set(parcels["ZDDM"])
    assert 1 <= len(gone) <= 8
    assert 1 <= len(new) <= 8
    assert abs(after.geometry.area.sum() - parcels.geometry.area.sum()) < 0.5
    before, later = (
        pd.read_parquet(folder / "truth" / day / "seats.parquet")
        for folder, day in ((county, "2026-06-30"), (tmp_path, "2026-07-01"))
    )
    assert len(later) > len(before)
    assert (later["seat_state"] == "off_site").sum() > (before["seat_state"] == "off_site").sum()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nights count from 1"):
        generate(tmp_path, scale=SCALE, seed=1, night=-1)
    with pytest.raises(ValueError, match="too small"):
        generate(tmp_path, scale=0.0005, seed=1)
    assert NONE.names == 0
