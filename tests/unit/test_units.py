"""Units of figures: said in cells, headings and contracts, shown by shapes; areas against shapes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import shapely
from shapely.geometry import Polygon, box

from pipeline.errors import SourceError
from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.clean import CleanBatch, Manner, clean_batch
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.geometry import clean_polygons, drawn_from
from pipeline.feeds.headings import match_headings
from pipeline.feeds.units import LayerUnits

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
COUNTY = County("330299", "EPSG:4549")
MANNER = Manner(dt.date(2026, 6, 30))
MU = 2000 / 3
# near the meridian of the zone, where plane and survey area are the same
X, Y = 499_500.0, 3_290_000.0
CODE = "91330299MA9T00010T"


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(DEFAULT)


def with_column(contract, name, **changes):
    """A contract of which one column is another."""
    column = contract.columns[name].model_copy(update=changes)
    return contract.model_copy(update={"columns": {**contract.columns, name: column}})


def lot(number: int, side: float, x: float = X) -> Polygon:
    return box(x + 300 * (number % 50), Y, x + 300 * (number % 50) + side, Y + side)


class Load:
    """Rows of one layer, cleaned in batches as a reader would hand them over."""

    def __init__(self, contract, headings, rows, shapes=None, *, size=1000, **options) -> None:
        match = match_headings(contract, [(name,) for name in headings])
        assert match.missing == ()
        self.layer = OpenLayer("层", list(headings), match, iter([]), is_spreadsheet=True)
        self.units = LayerUnits(self.layer, contract, COUNTY, file="f.shp", **options)
        cleaned: list[CleanBatch] = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            batch = RawBatch(
                np.arange(start + 1, start + 1 + len(part), dtype=np.int64),
                [pd.Series([row[i] for row in part], dtype="str") for i in range(len(headings))],
                [None] * len(headings),
                None
                if shapes is None
                else drawn_from(
                    clean_polygons(np.array([*shapes[start : start + size], None])[:-1], COUNTY)
                ),
            )
            self.units.see(batch)
            cleaned.append(
                clean_batch(batch, self.layer, contract, COUNTY, MANNER, units=self.units)
            )
        self.rows = pd.concat([batch.rows for batch in cleaned], ignore_index=True)
        self.issues = pd.concat([batch.issues for batch in cleaned], ignore_index=True)

    def areas(self) -> list[float | None]:
        return [None if pd.isna(a) else float(a) for a in self.rows["official_area_m2"]]

    def rules(self) -> list[tuple[int, str, str]]:
        table = self.issues
        return sorted(zip(table["row_number"], table["rule"], table["severity"], strict=True))

    def params(self, row: int) -> dict[str, object]:
        return json.loads(self.issues["params"][self.issues["row_number"] == row].iloc[0])


def parcel_code(number: int) -> str:
    return f"330299001001GB{number + 1:05}"


def parcels(contract, figures, *, sides=None, heading="ZDMJ", units=None, **options) -> Load:
    """Parcels with square shapes; ``units`` fills the column of units."""
    sides = sides or [60.0 + n for n in range(len(figures))]
    headings = ["ZDDM", heading, *(["MJDW"] if units else [])]
    rows = [
        [parcel_code(n), figure, *([units[n]] if units else [])] for n, figure in enumerate(figures)
    ]
    shapes = [lot(n, side) for n, side in enumerate(sides)]
    return Load(contract, headings, rows, shapes, **options)


def figures_in(unit_m2: float, count: int, digits: int = 4) -> list[str]:
    return [f"{(60.0 + n) ** 2 / unit_m2:.{digits}f}" for n in range(count)]


# ---- Detected and declared ---------------------------------------------------------------------


@pytest.mark.parametrize(("m2", "unit"), [(1, "m2"), (MU, "mu"), (10_000, "ha")])
@pytest.mark.parametrize("size", [3, 7, 1000])
def test_an_unnamed_unit_is_told_from_the_shapes(contracts, m2, unit, size):
    load = parcels(contracts["parcel"], figures_in(m2, 20, 6), size=size)
    assert load.areas() == pytest.approx([(60.0 + n) ** 2 for n in range(20)], abs=0.01)
    assert load.rules() == []
    assert load.units.detected == {"official_area_m2": unit}
    load.units.finish()


def test_what_was_decided_is_part_of_how_rows_are_known_again(contracts):
    one = parcels(contracts["parcel"], figures_in(1, 5)).units.seal
    two = parcels(contracts["parcel"], figures_in(MU, 5)).units.seal
    # the contract's unit, confirmed, is nothing of its own
    assert one == b""
    assert len(two) == 16


def test_without_shapes_to_compare_the_contract_counts(contracts):
    load = parcels(contracts["parcel"], ["5.4", "无", None], sides=[1000.0, 60.0, 60.0])
    assert load.areas() == [5.4, None, None]
    assert load.units.detected == {}
    assert load.rules() == [(1, "area.differs_much", "warning")]


def test_a_batch_without_figures_decides_nothing(contracts):
    figures = [None] * 4 + figures_in(MU, 9)[4:]
    load = parcels(contracts["parcel"], figures, size=4)
    assert load.areas() == pytest.approx(
        [None] * 4 + [(60.0 + n) ** 2 for n in range(4, 9)], abs=0.1
    )
    assert load.units.detected == {"official_area_m2": "mu"}


@pytest.mark.parametrize(
    ("heading", "m2", "said", "looks"),
    [
        ("宗地面积（亩）", 1, "亩 mu", "平方米 m2"),
        ("宗地面积（平方米）", MU, "平方米 m2", "亩 mu"),
        ("宗地面积(公顷)", MU, "公顷 ha", "亩 mu"),
    ],
)
def test_a_heading_that_cannot_be_right_is_refused(contracts, heading, m2, said, looks):
    with pytest.raises(SourceError) as caught:
        parcels(contracts["parcel"], figures_in(m2, 10), heading=heading)
    error = caught.value
    assert error.code == "units.contradicted"
    assert (error.params["said"], error.params["looks_like"]) == (said, looks)
    assert (error.params["count"], error.params["compared"]) == (10, 10)
    assert (error.params["file"], error.params["field"]) == ("f.shp", heading)


def test_so_is_a_contract_and_a_column_of_units(contracts):
    declared = with_column(contracts["parcel"], "official_area_m2", unit_is="declared")
    with pytest.raises(SourceError, match="contradicted"):
        parcels(declared, figures_in(MU, 10))
    with pytest.raises(SourceError, match="contradicted"):
        parcels(contracts["parcel"], figures_in(MU, 10), units=["1"] * 10)
    good = parcels(contracts["parcel"], figures_in(MU, 10), units=["2"] * 10)
    assert good.rules() == []


def test_a_workspace_that_names_a_unit_declares_it(tmp_path):
    path = tmp_path / "sources.toml"
    path.write_text('[feed.parcel.columns]\nofficial_area_m2 = { unit = "mu" }\n', encoding="utf-8")
    column = load_contracts(DEFAULT, path)["parcel"].columns["official_area_m2"]
    assert (column.unit, column.unit_is, column.drawn) == ("mu", "declared", "plane")


def test_one_slip_does_not_refuse_a_file(contracts):
    """A declared unit is believed against a single row, which is set aside instead."""
    load = parcels(contracts["parcel"], figures_in(MU, 1), heading="宗地面积（平方米）")
    assert load.rules() == [(1, "area.looks_like_unit", "warning")]
    assert load.areas() == [None]


# ---- Mixed -------------------------------------------------------------------------------------


def mixed(count: int, strays: list[int]) -> list[str]:
    square, mu = figures_in(1, count), figures_in(MU, count)
    return [mu[n] if n in strays else square[n] for n in range(count)]


@pytest.mark.parametrize("size", [4, 1000])
def test_a_column_that_mixes_units_is_refused(contracts, size):
    load = parcels(contracts["parcel"], mixed(20, [9, 15, 16]), size=size)
    with pytest.raises(SourceError) as caught:
        load.units.finish()
    assert caught.value.code == "units.mixed"
    assert caught.value.params["units"] == "平方米 m2: 17, 亩 mu: 3"
    assert caught.value.params["rows"] == "10, 16, 17"


def test_or_read_by_row_where_the_contract_allows(contracts):
    contract = with_column(contracts["parcel"], "official_area_m2", mixed_units="by_row")
    strays = [9, 15, 16]
    load = parcels(contract, mixed(20, strays))
    assert load.areas() == pytest.approx([(60.0 + n) ** 2 for n in range(20)], abs=0.05)
    assert load.rules() == [(n + 1, "area.unit_by_row", "notice") for n in strays]
    assert load.params(10)["unit"] == "mu"
    load.units.finish()


def test_a_stray_figure_is_set_aside_in_its_row(contracts):
    load = parcels(
        contracts["parcel"], mixed(300, [7]), sides=[60.0 + n for n in range(300)], size=50
    )
    load.units.finish()
    assert load.rules() == [(8, "area.looks_like_unit", "warning")]
    assert [n for n, area in enumerate(load.areas()) if area is None] == [7]
    said = load.params(8)
    assert (said["unit"], said["problem"]) == ("mu", "unit_mu")
    assert said["plane"] == 67.0**2
    assert load.issues["value"].tolist() == [f"{67.0**2 / MU:.4f}"]


def test_the_order_of_rows_does_not_matter(contracts):
    figures, sides = mixed(200, [150]), [60.0 + n for n in range(200)]
    there = parcels(contracts["parcel"], figures, sides=sides, size=60)
    back = parcels(contracts["parcel"], figures[::-1], sides=sides[::-1], size=33)
    assert there.areas() == back.areas()[::-1]
    assert len(there.issues) == len(back.issues) == 1


# ---- Cells that carry their unit ---------------------------------------------------------------


def test_a_unit_in_the_cell_beats_heading_and_contract(contracts):
    load = parcels(
        contracts["parcel"],
        ["5.4亩", "3,721平方米", "0.3844 公顷"],
        heading="宗地面积（平方米）",
        size=2,
    )
    assert load.areas() == pytest.approx([3600, 3721, 3844], abs=0.001)
    assert [rule for _, rule, _ in load.rules()] == ["field.other_unit", "field.other_unit"]
    assert load.params(1)["unit"] == "mu"
    with_column_of_units = parcels(contracts["parcel"], ["5.4亩"], units=["1"])
    assert with_column_of_units.areas() == [3600]


def test_a_unit_of_another_kind_is_no_number(contracts):
    load = parcels(contracts["parcel"], ["5.4万元", "约3亩", "3-5亩", ">100", "12。5", "1.234,5"])
    assert load.areas() == [None] * 6
    assert {rule for _, rule, _ in load.rules()} == {"field.not_a_number"}
    assert load.issues["value"].tolist()[1:3] == ["约3亩", "3-5亩"]


INDICATOR = ["统一社会信用代码", "年度", "税收实际贡献（万元）"]


def taxes(contract, cells, **options) -> Load:
    rows = [[CODE, str(2000 + n), cell] for n, cell in enumerate(cells)]
    return Load(contract, INDICATOR, rows, **options)


def test_money_in_other_units(contracts):
    load = taxes(contracts["indicator"], ["310.5", "1.2亿元", "50"])
    values = dict(zip(load.rows["file_row"], load.rows["value"], strict=True))
    assert values == {1: "3105000", 2: "120000000", 3: "500000"}
    assert load.rules() == [(2, "field.other_unit", "notice")]
    load.units.finish()


def test_cells_show_that_a_column_of_money_is_mixed(contracts):
    load = taxes(contracts["indicator"], ["310.5", "3105000元", "50", "500000元", None])
    with pytest.raises(SourceError) as caught:
        load.units.finish()
    assert caught.value.code == "units.mixed"
    assert caught.value.params["units"] == "万元 wan_yuan: 2, 元 yuan: 2"
    assert caught.value.params["field"] == INDICATOR[2]
    # where every cell names its own unit nothing is in doubt
    taxes(contracts["indicator"], [f"{n}元" for n in range(1, 9)] + [None]).units.finish()


# ---- Areas against shapes ----------------------------------------------------------------------


PATCH = ["ZLDWDM", "TBBH", "DLBM", "TBMJ", "SJNF"]
FAR = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4549", always_xy=True).transform(121.4, 29.7)


def far_shape() -> Polygon:
    """43,000 m2 in the plane, 42,980.49 on the ellipsoid (docs/sources.md, 3.3)."""
    return box(*FAR, FAR[0] + 200, FAR[1] + 215)


def patches(contract, figures, shape=None) -> Load:
    rows = [["330299001001", f"{n:04}", "0601", figure, "2025"] for n, figure in enumerate(figures)]
    return Load(contract, PATCH, rows, [shape or far_shape()] * len(rows))


def test_a_patch_has_its_area_on_the_ellipsoid(contracts):
    # 0.1 % of 42,980 m2 is 43 m2
    load = patches(
        contracts["patch"], ["42980.49", "43000", "43023.4", "43023.6", "42937.4", "45130"]
    )
    assert load.rules() == [
        (4, "area.differs", "warning"),
        (5, "area.differs", "warning"),
        (6, "area.differs_much", "warning"),
    ]
    assert load.areas() == [42980.49, 43000, 43023.4, 43023.6, 42937.4, 45130]
    said = load.params(4)
    assert said["official"] == 43023.6
    assert said["plane"] == pytest.approx(43000, abs=0.01)
    assert said["ellipsoid"] == pytest.approx(42980.49, abs=0.05)
    assert said["difference"] == pytest.approx(43.1, abs=0.1)


def test_a_small_area_may_differ_by_one_square_metre(contracts):
    figures = ["400", "400.99", "401.01", "398.9"]
    load = patches(contracts["patch"], figures, box(X, Y, X + 20, Y + 20))
    assert load.rules() == [(3, "area.differs", "warning"), (4, "area.differs", "warning")]


def test_limits_are_those_of_the_contract(contracts):
    contract = contracts["patch"]
    limits = contract.areas.model_copy(update={"tolerance_m2": 3})
    wide = contract.model_copy(update={"areas": limits})
    assert patches(wide, ["402.9"], box(X, Y, X + 20, Y + 20)).rules() == []


def gauss(meridian: float) -> float:
    """The area of the far shape in the zone of another meridian."""
    way = pyproj.Transformer.from_crs(
        "EPSG:4549", f"+proj=tmerc +lon_0={meridian} +ellps=GRS80", always_xy=True
    )
    return shapely.transform(far_shape(), lambda c: np.column_stack(way.transform(*c.T))).area


def web() -> float:
    way = pyproj.Transformer.from_crs("EPSG:4549", "EPSG:3857", always_xy=True)
    return shapely.transform(far_shape(), lambda c: np.column_stack(way.transform(*c.T))).area


def test_an_area_of_another_plane_is_named(contracts):
    figures = [f"{gauss(117):.2f}", f"{gauss(126):.2f}", f"{web():.2f}"]
    load = patches(contracts["patch"], figures)
    assert {rule for _, rule, _ in load.rules()} == {"area.looks_like_zone"}
    assert [load.params(n)["zone"] for n in (1, 2, 3)] == ["117°E", "126°E", "Web Mercator"]
    # the figure is what the office says; only what is wrong by a factor is not used
    assert load.areas() == [float(figure) for figure in figures]


def test_square_degrees_are_no_area(contracts):
    way = pyproj.Transformer.from_crs("EPSG:4549", "EPSG:4490", always_xy=True)
    shape = shapely.transform(far_shape(), lambda c: np.column_stack(way.transform(*c.T)))
    load = patches(contracts["patch"], [f"{shape.area:.10f}"])
    assert load.rules() == [(1, "area.looks_like_zone", "warning")]
    assert load.params(1)["zone"] == "degrees"
    assert load.areas() == [None]


def test_a_parcel_has_its_area_in_the_plane_of_its_file(contracts):
    way = pyproj.Transformer.from_crs("EPSG:4550", "EPSG:4549", always_xy=True)
    # 250 km west of the meridian of zone 41: 0.077 % more there than on the ellipsoid
    drawn = box(250_000, 3_290_000, 251_000, 3_291_000)
    shape = shapely.transform(drawn, lambda c: np.column_stack(way.transform(*c.T)))
    rows = [[parcel_code(0), "1000000"], [parcel_code(1), "1001100"]]
    headings, shapes = ["ZDDM", "ZDMJ"], [shape, shape]
    load = Load(contracts["parcel"], headings, rows, shapes, source_crs="EPSG:4550")
    assert load.rules() == [(2, "area.differs", "warning")]
    assert load.params(2)["plane"] == pytest.approx(1_000_000, abs=3)
    strict = contracts["parcel"].areas.model_copy(update={"tolerance_share": 0.0001})
    contract = contracts["parcel"].model_copy(update={"areas": strict})
    own = Load(contract, headings, rows[:1], shapes[:1], source_crs="EPSG:4550")
    assert own.rules() == []
    assert Load(contract, headings, rows[:1], shapes[:1]).rules() != []


def test_a_row_that_is_set_aside_is_not_measured(contracts):
    rows = [["330299001001", "", "0601", "5", "2025"]]
    load = Load(contracts["patch"], PATCH, rows, [far_shape()])
    assert load.rules() == [(1, "row.missing_value", "error")]
