"""Two real places, mapped by feed contracts and settings alone."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Databases
from sqlalchemy import Engine, text

from pipeline.database import open_engine
from pipeline.run import run
from pipeline.settings import load_settings

AS_OF = dt.date(2026, 6, 30)
Place = Callable[..., Engine]


@pytest.fixture
def place(databases: Databases, shared_data: Path, tmp_path: Path) -> Iterator[Place]:
    """Runs a workspace of tests/data on files of the real data."""
    engines: list[Engine] = []

    def make(name: str, *files: str) -> Engine:
        workspace = tmp_path / name
        shutil.copytree(ROOT / "tests" / "data" / name, workspace)
        (workspace / "inbox").mkdir()
        for file in files:
            for part in sorted((shared_data / file).parent.glob(Path(file).stem + ".*")):
                shutil.copy(part, workspace / "inbox")
        settings = load_settings(workspace)
        engine = open_engine(databases.clone(settings))
        engines.append(engine)
        run(engine, settings, as_of=AS_OF)
        assert run(engine, settings, as_of=AS_OF).written == 0
        return engine

    yield make
    for engine in engines:
        engine.dispose()


def test_red_hook(place: Place, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data / "link-nyc-redhook-dev"
    engine = place(
        "redhook", "link-nyc-redhook-dev/businesses.csv", "link-nyc-redhook-dev/lots/pluto.shp"
    )
    truth = pd.read_csv(folder / "truth.csv", dtype=str)
    right = dict(zip(truth["DCA License Number"], truth["lot"], strict=True))
    with engine.connect() as connection:
        linked = connection.execute(
            text("SELECT enterprise_code, parcel_code FROM derived.link WHERE status = 'accepted'")
        ).all()
        counts = connection.execute(
            text(
                """
                SELECT
                  (SELECT count(*) FROM layers.parcel) AS parcels,
                  (SELECT count(*) FROM layers.enterprise) AS enterprises,
                  (SELECT count(*) FROM layers.industrial_patch) AS patches,
                  (SELECT sum(quarantined_count) FROM ops.delivery) AS quarantined
                """
            )
        ).one()
        cover = connection.execute(text("SELECT * FROM derived.township_coverage")).one()
        differing = connection.execute(
            text("SELECT count(*) FROM ops.issue WHERE rule = 'patch.area_differs'")
        ).scalar_one()
    lots = gpd.read_file(folder / "lots" / "pluto.shp")
    lots = lots[lots["landuse"] == "06"]
    stated = lots["lotarea"] * 0.09290304
    drawn = lots.to_crs("+proj=cea +ellps=GRS80").area
    hits = sum(right[enterprise] == parcel for enterprise, parcel in linked)
    known = sum(isinstance(lot, str) for lot in right.values())
    precision, recall = hits / len(linked), hits / known
    with capsys.disabled():
        print(
            f"\nRed Hook: {len(linked)} links, precision {precision:.3f}, recall {recall:.3f} "
            f"({hits} of {known}); base {cover.base_area_m2:.0f} m2, "
            f"linked {cover.linked_area_m2:.0f} m2; quarantined {counts.quarantined}"
        )
    assert counts.enterprises == len(truth)
    assert counts.parcels + counts.quarantined >= 1109
    assert precision >= 0.95
    assert recall >= 0.85
    # The base is what the city says of its lots; piers and lots under water differ from the drawing.
    assert counts.patches == len(lots)
    assert float(cover.base_area_m2) == pytest.approx(stated.sum(), abs=0.01)
    assert differing == int(((stated - drawn).abs() > np.maximum(1, 0.001 * drawn)).sum())
    assert 0 < cover.linked_area_m2 < cover.base_area_m2


def townships_found(engine: Engine, folder: Path) -> pd.DataFrame:
    """Factories with the township that was found, what said so, and whether it is right."""
    truth = pd.read_csv(folder / "truth_township.csv", dtype=str).set_index("factory_no")["TOWN_ID"]
    with engine.connect() as connection:
        found = pd.DataFrame(
            connection.execute(
                text(
                    "SELECT enterprise_code, township_code, source FROM derived.enterprise_township"
                )
            ).all(),
            columns=["factory", "township_code", "source"],
        )
    return found.assign(is_right=found["factory"].map(truth) == found["township_code"])


def test_hsinchu(place: Place, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shared_data / "tw-hsinchu-factories-townships"
    engine = place(
        "hsinchu",
        "tw-hsinchu-factories-townships/factories.csv",
        "tw-hsinchu-factories-townships/townships.geojson",
    )
    found = townships_found(engine, folder)
    with engine.connect() as connection:
        towns = connection.execute(
            text("SELECT count(*) FROM layers.township_coverage")
        ).scalar_one()
    told = found[found["source"] != "none"]
    with capsys.disabled():
        print(
            f"\nHsinchu: township found for {len(told)} of {len(found)} factories, right for "
            f"{told['is_right'].sum()} ({told['is_right'].sum() / len(found):.4f})"
        )
    assert len(found) == 1310
    assert towns == 13
    assert told["is_right"].sum() / len(found) >= 0.99


def test_hsinchu_without_the_names_of_townships(
    place: Place, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every second address loses its township: village and road tell it where the others name them."""
    folder = shared_data / "tw-hsinchu-factories-townships"
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "townships.geojson", bare)
    towns = sorted(gpd.read_file(folder / "townships.geojson")["TOWN"], key=len, reverse=True)
    factories = pd.read_csv(folder / "factories.csv", dtype=str)
    is_asked = np.arange(len(factories)) % 2 == 1
    without = factories["address"].str.replace("|".join(towns), "", n=1, regex=True)
    factories["address"] = factories["address"].mask(is_asked, without)
    factories.to_csv(bare / "factories.csv", index=False)
    engine = place("hsinchu", str(bare / "factories.csv"), str(bare / "townships.geojson"))
    found = townships_found(engine, folder)
    asked = found[found["factory"].isin(factories.loc[is_asked, "factory_no"])]
    told = asked[asked["source"].isin(["village", "road"])]
    with capsys.disabled():
        print(
            f"\nHsinchu without names: told for {len(told)} of {len(asked)}, right for "
            f"{told['is_right'].sum()} ({told['is_right'].mean():.4f})"
        )
    assert len(told) / len(asked) >= 0.85
    assert told["is_right"].mean() >= 0.98
