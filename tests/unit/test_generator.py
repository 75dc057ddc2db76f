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

from pipeline.demo.generator import HIGH, NONE, Noise, generate, records
from pipeline.demo.generator.cover import read_base
from pipeline.demo.generator.economy import NO_CODE, begin, enterprise_codes, names_of
from pipeline.demo.generator.land import Land, plant_parcels
from pipeline.demo.generator.lattice import CELL_M, CENTRE, Lattice
from pipeline.demo.generator.nights import next_night
from pipeline.demo.generator.noise import Pen
from pipeline.demo.generator.records import (
    addresses,
    lease_columns,
    names_former_township,
    registry_columns,
    right_columns,
)
from pipeline.demo.generator.survey import equal_area_plane, survey_area
from pipeline.demo.generator.truth import divide, find_links, leases_in_force, work_out
from pipeline.demo.generator.words import (
    BRANCH,
    COLLECTIVE,
    FORMER_TOWNSHIPS,
    NAMES,
    NEAR_NAMES,
    PERSON,
    PLAIN,
    TOWNSHIPS,
    credit_codes,
    enterprise_names,
    registration_numbers,
    village_names,
)
from pipeline.domain.codes import check_credit_code, normalise_certificate, parse_parcel_code
from pipeline.domain.names import normalise_name

SCALE = 0.005
SEED = 11
EQUAL_AREA = pyproj.Transformer.from_crs(
    "EPSG:4549", "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m", always_xy=True
)


def by_proj(places):
    return np.column_stack(EQUAL_AREA.transform(places[:, 0], places[:, 1]))


def is_registration_number(text: str) -> bool:
    """Check digit of ISO 7064 MOD 11,10, digit by digit."""
    rest = 10
    for digit in text[:14]:
        rest = ((rest + int(digit)) % 10 or 10) * 2 % 11
    return len(text) == 15 and (rest + int(text[14])) % 10 == 1


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
    assert areas["类型"].eq("整治项目区").sum() == 1
    others = ["开发区", "高新区", "整治项目区"]
    towns = areas[~areas["类型"].isin(others)].set_index("XZQDM").geometry
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
    codes = pd.Series([row[0] or row[5] for row in registry[3:-1]])
    has_code = pd.Series([row[0] is not None for row in registry[3:-1]])
    assert check_credit_code(codes[has_code])["problem"].isna().all()
    assert 0 < (~has_code).sum() <= 0.05 * len(codes)
    # people have a registration number of 15 digits instead
    assert codes[~has_code].map(is_registration_number).all()
    assert codes.is_unique
    rights = pd.read_csv(first_day / "权利人.csv", encoding="gb18030", dtype=str)
    holders = rights["ZJH"].dropna()
    assert check_credit_code(holders)["problem"].isna().all()
    assert normalise_certificate(rights["BDCQZH"]).notna().all()


def test_words_do_not_run_out() -> None:
    assert enterprise_names(np.arange(NAMES)).is_unique
    many = np.arange(150_000)
    assert registration_numbers(many).is_unique
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


# ---- Habits ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big():
    """A county of 2,600 enterprises, of which shares can be told, in memory."""
    land = Land(0.2, SEED)
    base = read_base(land, lambda chunk: None)
    return land, base, begin(land, base)


def share(column: pd.Series, pattern: str) -> float:
    return float(column.str.contains(pattern).mean())


def test_names_are_those_of_a_registry() -> None:
    names = enterprise_names(np.arange(13_000))
    works = names[names.str.contains("厂")]
    companies = names[names.str.endswith("有限公司")]
    for found, low, high in (
        (len(companies) / 13_000, 0.58, 0.66),
        (len(works) / 13_000, 0.30, 0.38),
        (share(companies, "^青岚县"), 0.55, 0.63),
        (share(companies, "^青岚(?!县)"), 0.08, 0.11),
        (share(companies, "^明澜市"), 0.025, 0.045),
        (share(companies, "^明澜(?!市)"), 0.22, 0.28),
        (share(works, "^青岚县"), 0.95, 0.99),
        (
            share(works, "^青岚县?(?:云溪|石桥|青川|望湖|松岙|梅坞|白渚|枫屿|竹湾|南塘|北渡)"),
            0.3,
            0.5,
        ),
        (share(names, "（(?:明澜|浙江)）"), 0.002, 0.01),
        (share(names, "（普通合伙）$"), 0.025, 0.045),
        (share(names, "（有限合伙）$"), 0.003, 0.01),
        (share(names, "股份有限公司$"), 0.002, 0.01),
        (share(names, "经营部$|商行$"), 0.015, 0.035),
        (share(names, "合作社$"), 0.003, 0.01),
    ):
        assert low <= found <= high
    core = companies.str.replace("^(?:青岚县?|明澜市?|浙江)|有限公司$", "", regex=True).str.len()
    assert 0.35 <= (core == 4).mean() <= 0.48
    assert 0.3 <= (core == 6).mean() <= 0.45


def test_names_and_codes_come_once(big) -> None:
    _, _, state = big
    assert names_of(state.enterprises).is_unique
    assert enterprise_codes(state.enterprises).is_unique
    assert normalise_name(names_of(state.enterprises)).is_unique


@pytest.mark.parametrize(
    ("way", "low", "high"),
    [(BRANCH, 0.015, 0.025), (PERSON, 0.006, 0.012), (COLLECTIVE, 0.0003, 0.004)],
)
def test_special_names_are_planted(big, way: str, low: float, high: float) -> None:
    _, _, state = big
    assert low <= (state.enterprises["name_way"] == way).mean() <= high


def test_near_names_differ_from_another_by_a_little(big) -> None:
    _, _, state = big
    firms = state.enterprises
    names = names_of(firms)
    near = firms[firms["name_way"].isin(NEAR_NAMES)]
    assert 0.02 <= len(near) / len(firms) <= 0.04
    plain = firms[firms["name_way"] == PLAIN]
    like = pd.Series(plain.index, index=plain["name_no"]).loc[near["name_no"]]
    assert (names.loc[like].to_numpy() != names.loc[near.index].to_numpy()).all()
    one_off = [
        len(a) == len(b) and sum(c != d for c, d in zip(a, b, strict=True)) == 1
        for a, b, way in zip(names.loc[like], names.loc[near.index], near["name_way"], strict=True)
        if way == "character"
    ]
    assert len(one_off) > 5
    assert all(one_off)
    # many stand in the same township, and half resemble one who is known by name alone
    same = firms["township"].loc[like].to_numpy() == near["township"].to_numpy()
    assert same.mean() > 0.2
    links = find_links(state, leases_in_force(state))
    by_name = links[links["evidence"].isin(["right_name", "lease_name"])]["enterprise"]
    assert like.isin(by_name).mean() > 0.2


def test_branches_are_not_where_their_companies_are(big) -> None:
    _, _, state = big
    firms = state.enterprises
    branches = firms[firms["name_way"] == BRANCH]
    names = names_of(firms)
    heads = firms[firms["name_way"] == PLAIN].reset_index().set_index("name_no")
    head = heads.loc[branches["name_no"]]
    assert (names.loc[branches.index].str.contains("有限公司.+分公司$")).all()
    for whole, part in zip(names.loc[head["index"]], names.loc[branches.index], strict=True):
        assert part.startswith(whole)
    links = find_links(state, leases_in_force(state)).groupby("enterprise")["parcel"].agg(set)
    for whole, part in zip(head["index"], branches.index, strict=True):
        assert not links.get(whole, set()) & links.get(part, set())


def test_renamed_firms_have_their_former_name_in_rights_and_leases_only(big) -> None:
    _, _, state = big
    pen = Pen(NONE, SEED)
    firms = state.enterprises
    renamed = firms[firms["old_name_no"] >= 0]
    assert 0.01 <= len(renamed) / len(firms) <= 0.03
    names = names_of(firms)
    rights, columns = state.rights.reset_index(drop=True), right_columns(state, pen)
    own = (rights["holder_kind"] == "enterprise") & rights["holder"].isin(renamed.index)
    assert own.sum() > 10
    written = columns["QLRMC"][own].to_numpy()
    assert not set(written) & set(names)
    codes = enterprise_codes(firms).loc[rights.loc[own, "holder"]].to_numpy()
    assert (columns["ZJH"][own].to_numpy() == codes).all()
    assert set(names.loc[renamed.index]) <= set(registry_columns(state, pen)["name"])


def test_people_have_no_credit_code_and_collectives_one_of_their_own(big) -> None:
    _, base, state = big
    firms = state.enterprises
    people = firms.index[firms["name_way"] == PERSON]
    assert (firms.loc[people, "code_kind"] == NO_CODE).all()
    columns = lease_columns(state, Pen(NONE, SEED))
    leases = records.lease_rows(state)
    theirs = leases["lessee"].isin(people).to_numpy()
    assert theirs.sum() > 2
    assert columns["承租方统一社会信用代码"][theirs].isna().all()
    links = work_out(base, state).links
    assert set(links.loc[links["case"] == "person", "evidence"]) == {
        "lease_name",
        "registry_parcel",
    }
    own = links[links["case"] == "collective"]
    assert own["enterprise_code"].str.startswith("N2").all()
    assert (own["role"] == "owner").all()
    assert columns["出租方统一社会信用代码"].str.startswith("N2").any()
    figures = pd.concat(
        [state.indicators, state.scores, state.recognitions, state.accounts, state.footprints]
    )
    assert not figures["enterprise"].isin(people).any()


def test_parks_have_many_tenants_with_rooms_and_floors(big) -> None:
    _, base, state = big
    firms = state.enterprises
    tenants = firms[firms["park_unit"] >= 0]
    sizes = tenants.groupby("seat_parcel").size()
    assert len(sizes) >= 1
    assert sizes.between(15, 60).all()
    assert 0.01 <= len(tenants) / len(firms) <= 0.1
    written = addresses(state, SEED).set_axis(firms.index).loc[tenants.index]
    assert written.str.contains("小微企业园[0-9０-９]+幢[0-9０-９]+室").all()
    leases = leases_in_force(state)
    theirs = leases[leases["lessee"].isin(tenants.index) & leases["parcel"].isin(sizes.index)]
    assert theirs["floor_m2"].notna().all()
    assert theirs["land_mu"].isna().all()
    links = work_out(base, state).links
    assert (links["case"] == "small_park").sum() == len(tenants)


def test_addresses_are_those_of_a_registry(big) -> None:
    _, _, state = big
    written = addresses(state, SEED)
    for pattern, low, high in (
        ("^青岚县", 0.58, 0.68),
        ("^浙江省青岚县", 0.29, 0.38),
        ("^浙江省明澜市青岚县", 0.0005, 0.02),
        ("村$", 0.33, 0.46),
        ("[0-9０-９]号", 0.33, 0.5),
        ("工业(?:园|开发)?区", 0.09, 0.17),
        ("室(?:（.*）)?$", 0.03, 0.12),
        ("（", 0.04, 0.1),
        ("（自主申报）$", 0.005, 0.03),
        ("[０-９]", 0.001, 0.02),
    ):
        assert low <= share(written, pattern) <= high, pattern
    # the land office writes all of it
    where = state.parcels["location"]
    assert where.str.fullmatch("(?:.*)(?:镇|乡|街道).+村.+[路街][0-9]+号").all()


def test_only_addresses_that_decide_are_those_of_a_parcel(big) -> None:
    _, _, state = big
    firms = state.enterprises
    written = addresses(state, SEED).set_axis(firms.index)
    equal = written.isin(state.parcels["location"])
    assert equal.equals(records.shows_whole_address(state, SEED))
    hidden = firms[(firms["hidden_parcel"] >= 0) & (firms["address_parcel"] >= 0)].index
    assert equal.loc[hidden].all()
    where = state.parcels["location"].loc[firms.loc[hidden, "address_parcel"]]
    assert (written.loc[hidden].to_numpy() == where.to_numpy()).all()


def test_former_townships_are_in_the_areas_and_in_some_addresses(big, first_day: Path) -> None:
    _, _, state = big
    areas = pyogrio.read_dataframe(first_day / "行政区.gpkg").set_index("XZQMC")["曾用名"].dropna()
    former = [name for names in FORMER_TOWNSHIPS.values() for name in names]
    assert 3 <= len(areas) <= 5
    assert sorted(former) == sorted(name for text in areas for name in text.split("、"))
    assert not any(a in b for a, b in itertools.permutations([*TOWNSHIPS, *former], 2))
    uses = names_former_township(state, SEED)
    assert 0.005 <= uses.mean() <= 0.04
    assert addresses(state, SEED)[uses.to_numpy()].str.contains("|".join(former)).all()


def test_accounts_name_the_parcel_of_their_firm(county: Path, first_day: Path) -> None:
    accounts = pd.read_csv(first_day / "用电户.csv", encoding="utf-8-sig", dtype=str)
    named = accounts.dropna(subset="宗地代码")
    assert 0.4 <= len(named) / len(accounts) <= 0.75
    links = pd.read_parquet(county / "truth" / "2026-06-30" / "links.parquet")
    links = links[links["is_decidable"]]
    pairs = set(zip(links["enterprise_code"], links["parcel_code"], strict=True))
    assert set(zip(named["统一社会信用代码"], named["宗地代码"], strict=True)) <= pairs


def test_a_cell_may_name_several_parcels_of_one_owner(big, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, state = big
    with monkeypatch.context() as without:
        without.setattr(records, "SEVERAL_PARCELS_IN_A_CELL", False)
        plain = registry_columns(state, Pen(NONE, SEED))["parcel"]
    assert parse_parcel_code(plain.dropna())["problem"].isna().all()
    cells = registry_columns(state, Pen(NONE, SEED))["parcel"].set_axis(state.enterprises.index)
    several = cells[cells.notna() & (cells.to_numpy() != plain.to_numpy())]
    assert 3 <= len(several) <= 0.04 * len(cells)
    assert several.str.fullmatch(".{19}(?:、[0-9]{5}|、.{19}|等[2-9]宗)").all()
    rights = state.rights[(state.rights["holder_kind"] == "enterprise")]
    held = pd.MultiIndex.from_frame(rights[["holder", "parcel"]])
    code = pd.Series(state.parcels.index, index=state.parcels["code"])
    for number, cell in several[several.str.contains("、")].items():
        first, second = cell.split("、")
        second = second if len(second) == 19 else first[:14] + second
        assert (number, code[first]) in held
        assert (number, code[second]) in held


# ---- Damage ------------------------------------------------------------------------------------


def both(state, noise: Noise, columns) -> tuple[dict, dict]:
    return columns(state, Pen(NONE, SEED)), columns(state, Pen(noise, SEED))


def test_names_are_damaged_in_four_ways(big) -> None:
    clean, noisy = both(big[2], Noise(names=0.4), registry_columns)
    before, after = clean["name"], noisy["name"]
    hit = before != after
    assert 0.36 <= hit.mean() <= 0.44
    rows = list(zip(before[hit], after[hit], strict=True))
    spaced = [a for a, b in rows if "　" in b]
    alias = [a for a, b in rows if len(b) < len(a)]
    typo = [
        a
        for a, b in rows
        if len(a) == len(b) and sum(c != d for c, d in zip(a, b, strict=True)) == 1
    ]
    assert len(spaced) + len(alias) + len(typo) == len(rows)
    assert 0.15 <= len(alias) / len(rows) <= 0.35
    assert 0.35 <= len(typo) / len(rows) <= 0.55


def test_addresses_are_damaged_in_six_ways(big) -> None:
    clean, noisy = both(big[2], Noise(addresses=0.5), registry_columns)
    before, after = clean["address"], noisy["address"]
    hit = before != after
    assert 0.45 <= hit.mean() <= 0.55
    former = "|".join(name for names in FORMER_TOWNSHIPS.values() for name in names)
    for damaged in (
        after.str.contains("[０-９]"),
        after.str.contains("浙江省明澜市"),
        before.str.contains("号") & ~after.str.contains("号"),
        after.str.contains(former) & ~before.str.contains(former),
        after.str.contains("室$") & ~before.str.contains("室$"),
        before.str.extract("([0-9]+)号")[0] != after.str.extract("([0-9]+)号")[0],
    ):
        assert (damaged & hit).sum() > 10


def test_points_are_moved_near_far_or_away(big) -> None:
    clean, noisy = both(big[2], Noise(points=0.6), registry_columns)
    x, y = (np.asarray(noisy[k]) - np.asarray(clean[k]) for k in ("x", "y"))
    had = ~np.isnan(np.asarray(clean["x"]))
    missing = np.isnan(x) & had
    distance = np.hypot(x, y)[had & ~missing]
    moved = distance[distance > 0]
    assert 0.15 <= missing.sum() / had.sum() <= 0.25
    assert moved.min() >= 99.9
    assert moved.max() <= 700.1
    assert 0.4 <= (moved < 300).mean() <= 0.6


@pytest.mark.parametrize(
    ("columns", "name"), [(registry_columns, "certificate"), (right_columns, "BDCQZH")]
)
def test_some_certificates_are_those_of_somebody_else(big, columns, name: str) -> None:
    state = big[2]
    clean, noisy = both(state, Noise(certificates=0.6), columns)
    before, after = (pd.Series(c[name]) for c in (clean, noisy))
    keys = normalise_certificate(after)
    known = set(normalise_certificate(right_columns(state, Pen(NONE, SEED))["BDCQZH"]))
    other = keys.notna() & (keys != normalise_certificate(before)) & keys.isin(known)
    assert 0.1 <= other.sum() / before.notna().sum() <= 0.2
    assert (before.notna() & after.isna()).sum() > 0
    assert not (before.isna() & after.notna()).any()


def test_damage_tells_what_was_hit_and_only_that(big) -> None:
    _, base, state = big
    clean = work_out(base, state, Pen(NONE, SEED)).links
    names = work_out(base, state, Pen(Noise(names=0.3), SEED)).links
    assert (clean["damage"] == "").all()
    words = set(names["damage"].str.split("|").explode()) - {""}
    assert words == {"name holder", "name lessee", "name registry"}
    all_of_it = work_out(base, state, Pen(HIGH, SEED)).links
    words = set(all_of_it["damage"].str.split("|").explode()) - {""}
    assert words == {
        "code holder",
        "name holder",
        "certificate right",
        "code lessee",
        "name lessee",
        "code registry",
        "certificate registry",
        "name registry",
        "address registry",
        "point registry",
    }
    assert set(clean["case"]) == {
        "",
        "person",
        "collective",
        "branch",
        "small_park",
        "renamed",
        "near_name",
        "former_township",
        "several_parcels",
    }


def test_damage_of_codes_is_that_of_the_files(tmp_path: Path) -> None:
    generate(tmp_path, scale=0.02, seed=SEED, noise=Noise(codes=0.5))
    rights = pd.read_csv(
        tmp_path / "inbox" / "2026-06-30" / "权利人.csv", encoding="gb18030", dtype=str
    )
    links = pd.read_parquet(tmp_path / "truth" / "2026-06-30" / "links.parquet")
    owners = links[links["evidence"] == "right_code"]
    written = set(zip(rights["ZDDM"], rights["ZJH"], strict=True))
    stands = [
        pair in written
        for pair in zip(owners["parcel_code"], owners["enterprise_code"], strict=True)
    ]
    assert (owners["damage"].str.contains("code holder") == ~np.array(stands)).all()


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
    # of the truth only what tells which links were hit
    assert changed == {"企业名录.xlsx", "权利人.csv", "租赁.xlsx", "links.parquet"}
    links = [
        pd.read_parquet(folder / "truth" / "2026-06-30" / "links.parquet")
        for folder in (county, tmp_path)
    ]
    pd.testing.assert_frame_equal(*(table.drop(columns="damage") for table in links))
    assert (links[0]["damage"] == "").all()
    assert 0.3 <= (links[1]["damage"] != "").mean() <= 0.9


def test_noise_is_the_same_each_night(tmp_path: Path) -> None:
    generate(tmp_path, scale=SCALE, seed=SEED, noise=HIGH)
    generate(tmp_path, scale=SCALE, seed=SEED, noise=HIGH, night=1)
    days = [
        pd.read_csv(tmp_path / "inbox" / day / "权利人.csv", encoding="gb18030", dtype=str)
        for day in ("2026-06-30", "2026-07-01")
    ]
    rows = [set(map(tuple, day.fillna("").to_numpy())) for day in days]
    assert 0 < len(rows[0] - rows[1]) < 0.1 * len(rows[0])


def test_cases_and_damage_stay_from_night_to_night(tmp_path: Path) -> None:
    for night in (0, 1):
        generate(tmp_path, scale=0.02, seed=SEED, noise=HIGH, night=night)
    key = ["enterprise_code", "parcel_code", "role"]
    first, second = (
        pd.read_parquet(tmp_path / "truth" / day / "links.parquet").set_index(key)
        for day in ("2026-06-30", "2026-07-01")
    )
    both = first.merge(second, on=key, suffixes=("", "_later"))
    assert len(both) > 0.95 * len(first)
    assert (both["damage"] == both["damage_later"]).mean() > 0.98
    assert (both["case"] == both["case_later"]).mean() > 0.98


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
