"""Overlaps, gaps, duplicates and slivers of small shapes whose areas are known beforehand.

Rows go into core as the reconciler leaves them, the step alone is run, and its rows are read. The
shapes lie at the county's central meridian, where survey and plane areas are the same to 0.001 %.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from shapely.affinity import translate
from shapely.geometry import Polygon, box
from sqlalchemy import Connection, Engine, text

from pipeline.settings import Settings
from pipeline.stepping import mark_everything, run_step
from pipeline.steps import STEPS

STEP = next(step for step in STEPS if step.name == "check_topology")
VINTAGE = 2025
X0, Y0 = 500_000, 3_300_000
# What a survey area may differ by from the plane one: 1e-5 of it, and rounding.
NEAR = 2e-5

_INSERT = {
    "patch": "INSERT INTO core.patch (vintage, patch_code, land_use_code, township_code, official_area_m2, geom, "
    "row_hash, ellipsoid_area_m2, record_key, delivery_id, row_number, from_run) "
    "VALUES (:vintage, :code, '0601', '330299001', 1, {geom}, '', round(CAST(ST_Area({geom}) AS numeric), 4), "
    ":vintage || '|' || :code, 1, 1, :run)",
    "parcel": "INSERT INTO core.parcel (parcel_code, geom, row_hash, plane_area_m2, reference_area_m2, reference_area, "
    "record_key, delivery_id, row_number, from_run) VALUES (:code, {geom}, '', "
    "round(CAST(ST_Area({geom}) AS numeric), 4), 1, 'plane', :code, 1, 1, :run)",
    "footprint": "INSERT INTO core.footprint (footprint_code, kind, geom, row_hash, plane_area_m2, record_key, "
    "delivery_id, row_number, from_run) VALUES (:code, 'building', {geom}, '', "
    "round(CAST(ST_Area({geom}) AS numeric), 4), :code, 1, 1, :run)",
}


class Land:
    """Shapes in core, and the step that looks at them."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.connection = connection
        self.parameters: dict[str, object] = {
            name: settings.value(path) for name, path in STEP.settings.items()
        }
        self.run = 1

    def put(self, feed: str, shapes: dict[str, Polygon], vintage: int = VINTAGE) -> None:
        """Open versions of shapes, closing the ones before."""
        self.remove(feed, *shapes)
        geom = "ST_Multi(ST_GeomFromText(:wkt, 4549))"
        for code, shape in shapes.items():
            self.connection.execute(
                text(_INSERT[feed].format(geom=geom)),
                {
                    "code": code,
                    "wkt": translate(shape, X0, Y0).wkt,
                    "run": self.run,
                    **({"vintage": vintage} if feed == "patch" else {}),
                },
            )

    def remove(self, feed: str, *codes: str) -> None:
        """Close the versions of some shapes."""
        self.connection.execute(
            text(
                f"UPDATE core.{feed} SET to_run = :run "
                f"WHERE to_run IS NULL AND {feed}_code = ANY (:codes)"
            ),
            {"run": self.run, "codes": list(codes)},
        )

    def check(self, *, is_full: bool = False) -> int:
        """Run the step; return how many rows it wrote."""
        self.connection.execute(text("DELETE FROM ops.dirty"))
        mark_everything(self.connection)
        parameters = {
            **self.parameters,
            "run_id": self.run,
            "as_of": dt.date(2026, 6, 30),
            "vintage": VINTAGE,
            "is_full": is_full,
        }
        result = run_step(self.connection, STEP, parameters, self.run)
        self.run += 1
        return result.written

    def findings(self) -> dict[tuple[str, str, str], float]:
        """Size by rule and the two keys, slivers among them."""
        rows = self.connection.execute(
            text("SELECT rule, subject_key, detail_key, size_m2 FROM derived.topology")
        )
        return {(row[0], row[1], row[2]): float(row[3]) for row in rows}

    def shapes(self) -> dict[tuple[str, str, str], shapely.Geometry]:
        """Geometry by rule and the two keys, moved back to where it was drawn."""
        rows = self.connection.execute(
            text("SELECT rule, subject_key, detail_key, ST_AsText(geom) FROM derived.topology")
        )
        return {
            (row[0], row[1], row[2]): translate(shapely.from_wkt(row[3]), -X0, -Y0) for row in rows
        }

    def issues(self) -> dict[tuple[str, str, str], tuple[str, float]]:
        """Severity and size by rule and keys."""
        rows = self.connection.execute(
            text(
                "SELECT rule, subject_key, detail_key, severity, size_m2 FROM ops.issue "
                "WHERE step = 'check_topology'"
            )
        )
        return {(row[0], row[1], row[2]): (row[3], float(row[4])) for row in rows}

    def everything(self) -> list[str]:
        """All rows that the step is answerable for, as text."""
        found: list[str] = []
        for output in STEP.outputs:
            kept = (
                "rule, subject_key, detail_key, severity, params, size_m2" if output.owned else "*"
            )
            rows = self.connection.execute(
                text(f"SELECT CAST(ROW(x.*) AS text) FROM (SELECT {kept} FROM {output.table}) AS x")
            )
            found += [f"{output.table} {row}" for row in rows.scalars()]
        return sorted(found)

    def rebuilt(self) -> list[str]:
        """The same after all of it was dropped and made anew."""
        for output in STEP.outputs:
            self.connection.execute(text(f"DELETE FROM {output.table}"))
        self.check(is_full=True)
        return self.everything()


@pytest.fixture
def land(database: Engine, county_settings: Settings) -> Iterator[Land]:
    with database.connect() as connection:
        yield Land(connection, county_settings)
        connection.rollback()


def tiles(columns: int = 3, rows: int = 3, size: float = 100) -> dict[str, Polygon]:
    """Squares that tile, named by column and row."""
    return {
        f"{i}{j}": box(i * size, j * size, (i + 1) * size, (j + 1) * size)
        for i in range(columns)
        for j in range(rows)
    }


def test_patches_that_tile_have_no_finding(land: Land) -> None:
    land.put("patch", tiles())
    land.check()
    assert land.findings() == {}
    assert land.issues() == {}
    # the middle one has a patch on every side
    border = land.connection.execute(text("SELECT patch_code FROM derived.patch_border")).scalars()
    assert sorted(border) == ["00", "01", "02", "10", "12", "20", "21", "22"]


def test_a_border_that_runs_straight_past_a_corner_is_no_gap(land: Land) -> None:
    """Two of 100 m beside one of 200 m, none of whose points is where the two meet."""
    land.put(
        "patch",
        {"a": box(0, 0, 100, 200), "b": box(100, 0, 200, 100), "c": box(100, 100, 200, 200)},
    )
    land.check()
    assert land.findings() == {}
    length = "SELECT patch_code, ST_Length(geom) FROM derived.patch_border ORDER BY 1"
    assert land.connection.execute(text(length)).all() == [("a", 400), ("b", 200), ("c", 200)]


def test_overlap_of_patches(land: Land) -> None:
    land.put("patch", tiles() | {"11": box(100, 100, 202, 200)})
    land.check()
    assert land.findings() == {("patch.overlap", "11", "21"): pytest.approx(200, rel=NEAR)}
    assert land.shapes()["patch.overlap", "11", "21"].equals(box(200, 100, 202, 200))
    assert land.issues() == {
        ("patch.overlap", "11", "21"): ("warning", pytest.approx(200, rel=NEAR))
    }


def test_gap_between_patches(land: Land) -> None:
    """One that is missing, and a wedge from one corner of another to the next."""
    wedge = Polygon([(0, 0), (100, 0), (100, 100), (0, 85)])
    land.put(
        "patch", {code: shape for code, shape in tiles().items() if code != "11"} | {"00": wedge}
    )
    land.check()
    assert land.findings() == {
        ("patch.gap", "01", "10"): pytest.approx(10_000, rel=NEAR),
    }
    # the wedge opens to the outside of the county: its border only looks different
    land.put(
        "patch",
        {"11": tiles()["11"], "12": Polygon([(100, 215), (200, 200), (200, 300), (100, 300)])},
    )
    land.check()
    assert land.findings() == {("patch.gap", "11", "12"): pytest.approx(750, rel=NEAR)}
    assert land.shapes()["patch.gap", "11", "12"].equals(
        Polygon([(100, 200), (200, 200), (100, 215)])
    )


def test_a_lake_with_an_island_is_a_gap_without_the_island(land: Land) -> None:
    shore, island = box(0, 0, 100, 100) - box(20, 20, 80, 80), box(40, 40, 50, 50)
    land.put("patch", {"shore": shore})
    land.check()
    assert land.findings() == {("patch.hole", "shore", ""): pytest.approx(3600, rel=NEAR)}
    land.put("patch", {"island": island})
    land.check()
    assert land.findings() == {("patch.gap", "island", "shore"): pytest.approx(3500, rel=NEAR)}
    assert land.shapes()["patch.gap", "island", "shore"].equals(box(20, 20, 80, 80) - island)
    # the lake comes as a patch of its own, and nothing is left
    land.put("patch", {"lake": box(20, 20, 80, 80) - island})
    land.check()
    assert land.findings() == {}


def test_duplicate_patches(land: Land) -> None:
    land.put("patch", tiles() | {"twin": tiles()["11"]})
    land.check()
    assert land.findings() == {("patch.duplicate", "11", "twin"): pytest.approx(10_000, rel=NEAR)}
    assert land.issues()["patch.duplicate", "11", "twin"][0] == "error"


def test_land_surveyed_twice_overlaps_everywhere(land: Land) -> None:
    """Inside the second survey each border has a patch on either side, yet all of it overlaps."""
    second = {f"x{code}": translate(shape, 150, 150) for code, shape in tiles(4, 4, 50).items()}
    first = tiles(5, 5)
    land.put("patch", first | second)
    land.check()
    expected = {
        ("patch.overlap", code, other): one.intersection(two).area
        for code, one in first.items()
        for other, two in second.items()
        if one.intersection(two).area > 0
    }
    assert sum(expected.values()) == 40_000
    assert land.findings() == {key: pytest.approx(size, rel=NEAR) for key, size in expected.items()}


def test_patches_of_another_year_do_not_count(land: Land) -> None:
    land.put("patch", tiles())
    land.put("patch", {"old": box(50, 50, 250, 250)}, vintage=2024)
    land.check()
    assert land.findings() == {}


def test_overlap_duplicate_and_gap_of_parcels(land: Land) -> None:
    land.put(
        "parcel",
        {
            "a": box(0, 0, 100, 50),
            "b": box(90, 0, 200, 50),  # 10 x 50 on a
            "c": box(0, 50.4, 100, 100),  # 0.4 m from a: 40, of which 4 lie above b
            "d": box(0, 103, 100, 150),  # 3 m from c: a lane
            "e": box(200, 0, 300, 50),
            "f": box(200, 0, 300, 50),
        },
    )
    land.check()
    assert land.findings() == {
        ("parcel.overlap", "a", "b"): 500,
        ("parcel.duplicate", "e", "f"): 5000,
        ("parcel.gap", "a", "c"): pytest.approx(40, abs=0.001),
        ("parcel.gap", "b", "c"): pytest.approx(4, abs=0.001),
    }
    assert (
        land.shapes()["parcel.gap", "a", "c"].symmetric_difference(box(0, 50, 100, 50.4)).area
        < 0.001
    )
    assert land.issues() == {
        ("parcel.overlap", "a", "b"): ("warning", 500),
        ("parcel.duplicate", "e", "f"): ("error", 5000),
        ("parcel.gap", "a", "c"): ("warning", pytest.approx(40, abs=0.001)),
        # 4 m2 are less than 10 m2 and than 1 % of either, so they are only added up
        ("sliver.parcel_gap", "", ""): ("notice", pytest.approx(4, abs=0.001)),
    }


def test_a_parcel_in_a_gap_fills_it(land: Land) -> None:
    land.put(
        "parcel",
        {"a": box(0, 0, 100, 50), "c": box(0, 50.4, 100, 100), "strip": box(0, 50, 40, 50.4)},
    )
    land.check()
    assert land.findings() == {("parcel.gap", "a", "c"): pytest.approx(24, abs=0.001)}


def test_neighbours_with_corners_and_notches_have_no_gap(land: Land) -> None:
    """Sharp corners between neighbours, a flag-shaped parcel, a step in the border."""
    land.put(
        "parcel",
        {
            "a": Polygon([(0, 0), (50, 0), (50, 40), (20, 40), (20, 60), (0, 60)]),
            "b": Polygon([(50, 0), (90, 0), (70, 60), (20, 60), (20, 40), (50, 40)]),
            "c": Polygon([(90, 0), (130, 0), (110, 60), (70, 60)]),
            "d": Polygon([(110, 60), (130, 0), (170, 30)]),
        },
    )
    land.check()
    assert land.findings() == {}


def test_slivers_are_added_up(land: Land) -> None:
    """0.05 m x 100 m = 5 m2 of 10,000 m2 each; twice in the township."""
    shapes = tiles(3, 1)
    shapes["00"] = box(0, 0, 100.05, 100)
    shapes["20"] = box(199.95, 0, 300, 100)
    land.put("patch", shapes)
    land.put("parcel", {"a": box(400, 0, 500, 100), "b": box(499.95, 0, 600, 100)})
    land.connection.execute(
        text(
            "INSERT INTO derived.parcel_township VALUES ('a', '330299001', '330299001', true, 0);"
            "INSERT INTO derived.parcel_patch SELECT 'a', '10', 3.5, geom FROM core.patch WHERE patch_code = '10';"
            "INSERT INTO derived.parcel_patch SELECT 'b', '10', 10, geom FROM core.patch WHERE patch_code = '10'"
        )
    )
    land.check()
    assert land.findings() == {
        ("patch.overlap", "00", "10"): pytest.approx(5, rel=NEAR),
        ("patch.overlap", "10", "20"): pytest.approx(5, rel=NEAR),
        ("parcel.overlap", "a", "b"): 5,
    }
    assert land.issues() == {
        ("sliver.patch_overlap", "330299001", ""): ("notice", pytest.approx(10, rel=NEAR)),
        ("sliver.parcel_overlap", "330299001", ""): ("notice", 5),
        # the 10 m2 of parcel b are no sliver
        ("sliver.parcel_patch", "330299001", ""): ("notice", 3.5),
    }


def test_small_pieces_of_small_shapes_are_no_slivers(land: Land) -> None:
    """5 m2 are less than 10, but more than 1 % of a shape of 400 m2."""
    land.put("parcel", {"a": box(0, 0, 20, 20), "b": box(19.75, 0, 200, 20)})
    land.check()
    assert land.issues() == {("parcel.overlap", "a", "b"): ("warning", 5)}


def test_footprint_across_parcels(land: Land) -> None:
    land.put(
        "parcel",
        {"a": box(0, 0, 100, 100), "b": box(100, 0, 200, 100), "c": box(90, 200, 200, 300)},
    )
    land.put(
        "footprint",
        {
            "across": box(80, 10, 120.5, 30),  # 20 x 20 on a, 20.5 x 20 on b
            "inside": box(10, 10, 50, 50),
            "beside": box(50, 50, 100, 90),
            "outside": box(-20, 10, 30, 30),
            "slightly": box(50, 60, 100.02, 90),  # 0.02 x 30
        },
    )
    land.check()
    assert land.findings() == {
        ("footprint.across", "across", "a"): 400,
        ("footprint.across", "slightly", "b"): pytest.approx(0.6, abs=1e-4),
    }
    assert land.issues() == {
        ("footprint.across", "across", "a"): ("warning", 400),
        ("sliver.footprint_across", "", ""): ("notice", pytest.approx(0.6, abs=1e-4)),
    }


def test_a_footprint_where_parcels_overlap_lies_on_one(land: Land) -> None:
    land.put("parcel", {"a": box(0, 0, 100, 100), "b": box(80, 0, 200, 100)})
    land.put("footprint", {"f": box(70, 10, 95, 30)})  # all on a, 15 x 20 of it on b as well
    land.check()
    assert ("footprint.across", "f", "b") not in land.findings()


def test_a_night_takes_back_what_was_repaired(land: Land) -> None:
    land.put("patch", tiles() | {"11": box(100, 100, 202, 200)})
    land.put(
        "parcel", {"a": box(0, 0, 100, 50), "b": box(90, 0, 200, 50), "c": box(300, 0, 400, 50)}
    )
    land.put("footprint", {"f": box(80, 10, 95, 20), "g": box(350, 0, 380, 20)})
    land.check()
    assert land.findings().keys() == {("patch.overlap", "11", "21"), ("parcel.overlap", "a", "b")}
    assert land.check() == 0
    land.put("patch", {"11": tiles()["11"]})
    land.put("parcel", {"b": box(100, 0, 200, 50)})
    land.check()
    assert land.findings() == {}
    assert land.issues() == {}
    # the border moves away under a building, and a patch goes
    land.put("parcel", {"c": box(300, 0, 360, 50), "d": box(360, 0, 400, 50)})
    land.remove("patch", "11")
    land.check()
    assert land.findings() == {
        ("footprint.across", "g", "c"): 200,
        ("patch.gap", "01", "10"): pytest.approx(10_000, rel=NEAR),
    }
    night = land.everything()
    assert land.rebuilt() == night


def noisy_tiles(chance: random.Random, columns: int = 7) -> dict[str, Polygon]:
    """Quadrilaterals on jittered corners that tile; some moved corners, missing and doubled ones."""
    corner = {
        (i, j): (
            round(40 * i + chance.uniform(-12, 12), 3),
            round(40 * j + chance.uniform(-12, 12), 3),
        )
        for i in range(columns + 1)
        for j in range(columns + 1)
    }
    shapes = {}
    for i in range(columns):
        for j in range(columns):
            ring = [corner[i, j], corner[i + 1, j], corner[i + 1, j + 1], corner[i, j + 1]]
            if chance.random() < 0.12:
                at = chance.randrange(4)
                x, y = ring[at]
                ring[at] = (
                    round(x + chance.uniform(-9, 9), 3),
                    round(y + chance.uniform(-9, 9), 3),
                )
            if chance.random() > 0.06:
                shapes[f"{i}{j}"] = Polygon(ring)
    if chance.random() < 0.7:
        shapes["over"] = box(60.5, 61, 60.5 + chance.randint(5, 120), 61 + chance.randint(5, 120))
    return {code: shape for code, shape in shapes.items() if shape.is_valid}


@pytest.mark.parametrize("seed", range(8))
def test_what_shapely_finds_of_all_patches_at_once(land: Land, seed: int) -> None:
    """Every pair, and the holes of the union of all; then a night on half of them."""
    chance = random.Random(seed)
    shapes = noisy_tiles(chance)
    land.put("patch", shapes)
    land.check()
    assert_as_shapely(land, shapes)
    second = noisy_tiles(chance)
    changed = {code: shape for code, shape in second.items() if chance.random() < 0.3}
    gone = [code for code in shapes if code not in changed and chance.random() < 0.1]
    land.put("patch", changed)
    land.remove("patch", *gone)
    land.check()
    shapes = {code: shape for code, shape in (shapes | changed).items() if code not in gone}
    assert_as_shapely(land, shapes)
    night = land.everything()
    assert land.rebuilt() == night


def assert_as_shapely(land: Land, shapes: dict[str, Polygon]) -> None:
    found = land.findings()
    overlaps = {
        (code, other): shapes[code].intersection(shapes[other]).area
        for code, other in combinations(sorted(shapes), 2)
    }
    overlaps = {key: size for key, size in overlaps.items() if size > 0.005}
    told = {
        key[1:]: size
        for key, size in found.items()
        if key[0] in {"patch.overlap", "patch.duplicate"} and size > 0.005
    }
    assert told == {key: pytest.approx(size, rel=NEAR, abs=0.002) for key, size in overlaps.items()}
    union = shapely.union_all(list(shapes.values()))
    # also where a hole is closed by two patches that only meet at a corner
    faces = shapely.get_parts(shapely.polygonize([shapely.node(union.boundary)]))
    holes = [face for face in faces if not union.intersects(face.representative_point())]
    gaps = shapely.union_all(
        [shape for key, shape in land.shapes().items() if key[0] in {"patch.gap", "patch.hole"}]
    )
    assert gaps.symmetric_difference(shapely.union_all(holes)).area < 0.02
    told_gaps = sum(size for key, size in found.items() if key[0] in {"patch.gap", "patch.hole"})
    assert told_gaps == pytest.approx(sum(hole.area for hole in holes), rel=NEAR, abs=0.02)


def pairs_of(one: list[Polygon], other: list[Polygon]) -> list[tuple[int, int, float]]:
    """Places of two shapes that share land, and how much."""
    left, right = shapely.STRtree(other).query(one, predicate="intersects")
    areas = shapely.area(shapely.intersection(np.array(one)[left], np.array(other)[right]))
    return [(int(i), int(j), float(a)) for i, j, a in zip(left, right, areas, strict=True)]


def test_a_real_sheet_as_shapely_sees_it(land: Land, shared_data: Path, tmp_path: Path) -> None:
    """389 parcels of a French cadastral sheet, taken for parcels and for patches, and buildings."""
    shutil.unpack_archive(
        shared_data / "fr-cadastre-edigeo" / "edigeo-130290000A01.tar.bz2", tmp_path
    )
    file = next(tmp_path.rglob("*.THF"))
    parcels = pyogrio.read_dataframe(file, layer="PARCELLE_id").geometry
    buildings = pyogrio.read_dataframe(file, layer="BATIMENT_id").geometry
    x, y = (round(float(value), -3) for value in parcels.total_bounds[:2])
    sheet = [translate(shape, -x, -y) for shape in parcels if shape.is_valid]
    roofs = [translate(shape, -x, -y) for shape in buildings if shape.is_valid]
    assert len(sheet) > 380
    assert len(roofs) > 200
    code = "{:04d}".format
    land.put("patch", {code(i): shape for i, shape in enumerate(sheet)})
    land.put("parcel", {code(i): shape for i, shape in enumerate(sheet)})
    land.put("footprint", {code(i): shape for i, shape in enumerate(roofs)})
    land.check()
    found = land.findings()
    overlaps = {
        (code(i), code(j)): area for i, j, area in pairs_of(sheet, sheet) if i < j and area > 0.001
    }
    for feed in ("patch", "parcel"):
        told = {
            key[1:]: size
            for key, size in found.items()
            if key[0] in {f"{feed}.overlap", f"{feed}.duplicate"} and size > 0.001
        }
        assert told == {
            key: pytest.approx(area, rel=NEAR, abs=0.001) for key, area in overlaps.items()
        }
    union = shapely.union_all(sheet)
    faces = shapely.get_parts(shapely.polygonize([shapely.node(union.boundary)]))
    holes = [face for face in faces if not union.intersects(face.representative_point())]
    gaps = [size for key, size in found.items() if key[0] in {"patch.gap", "patch.hole"}]
    assert sum(gaps) == pytest.approx(sum(hole.area for hole in holes), rel=NEAR, abs=0.1)
    # a building lies across where it has land on two parcels, apart from where these overlap
    on = pairs_of(roofs, sheet)
    across = {}
    for roof in {i for i, _, _ in on}:
        mine = sorted(((area, -j) for i, j, area in on if i == roof), reverse=True)
        main = -mine[0][1]
        for _, other in mine[1:]:
            rest = (roofs[roof] - sheet[main]).intersection(sheet[-other]).area
            if rest > 0.001:
                across[code(roof), code(-other)] = rest
    told = {key[1:]: size for key, size in found.items() if key[0] == "footprint.across"}
    told = {key: size for key, size in told.items() if size > 0.001}
    assert told == {key: pytest.approx(area, abs=0.001) for key, area in across.items()}
    assert len(across) > 10


def test_the_layer_shows_the_overlap_itself(township: Engine) -> None:
    """P13 and P14 of the township overlap by 20 m x 80 m."""
    with township.connect() as connection:
        row = connection.execute(
            text(
                "SELECT d.severity, d.feed, d.size_m2, d.township_code, d.message, d.next_step, d.issue_key, "
                "ST_AsText(d.geom) AS wkt, i.params "
                "FROM layers.data_issue AS d JOIN ops.issue AS i USING (rule, subject_key) WHERE d.rule = 'parcel.overlap'"
            )
        ).one()
    shape = shapely.from_wkt(row.wkt)
    assert (row.severity, row.feed, row.size_m2, row.township_code) == (
        "warning",
        "parcel",
        1600,
        "330299001",
    )
    assert shape.geom_type == "MultiPolygon"
    assert np.array(shape.bounds)[2:] - np.array(shape.bounds)[:2] == pytest.approx([20, 80])
    keys = [row.params["subject"], row.params["other"]]
    assert keys == ["330299001001GB00013", "330299001001GB00014"]
    assert all(row.message.count(key) == 2 and key in row.issue_key for key in keys)
    assert "界址" in row.next_step
    assert json.dumps(row.params)
