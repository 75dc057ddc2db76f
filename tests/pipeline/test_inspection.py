"""What a file is taken for, before anything is loaded: on files as offices make them."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from openpyxl import Workbook
from PIL import Image
from shapely.geometry import box

from pipeline.errors import SourceError, UsageError
from pipeline.feeds.contracts import load_contracts
from pipeline.inspection import draft_of, inspect_file
from pipeline.settings import load_settings
from pipeline.workspace import create_workspace

X, Y = 499_500.0, 3_290_000.0
CODE = "91330299MA9T00010T"
DAY = dt.date(2026, 6, 30)
MU = 2000 / 3
COMMAND = (sys.executable, "-m", "pipeline.cli", "load", "--inspect")


@pytest.fixture
def settings(tmp_path):
    create_workspace(tmp_path / "county", code="330299", name="青岚县", crs="EPSG:4549")
    return load_settings(tmp_path / "county")


def parcels(count: int = 30, factor: float = 1.0, **columns) -> gpd.GeoDataFrame:
    """Parcels of 40 m by 50 m, one beside the other."""
    data = {
        "ZDDM": [f"330299001001GB{n + 1:05}" for n in range(count)],
        "宗地面积": [2000.0 / factor] * count,
        "坐落": ["云溪镇工业路"] * count,
        **columns,
    }
    shapes = [box(X + 40 * n, Y, X + 40 * n + 40, Y + 50) for n in range(count)]
    return gpd.GeoDataFrame(data, geometry=shapes, crs="EPSG:4549")


def shapefile(folder: Path, frame: gpd.GeoDataFrame, name: str = "宗地.shp") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_file(folder / name, encoding="GBK")
    (folder / name).with_suffix(".cpg").unlink(missing_ok=True)
    return folder / name


def inspected(path: Path, settings, **options):
    found = inspect_file(path, settings, feed=None, picture=None, as_of=DAY, **options)
    assert len(found) == 1
    return found[0]


def test_a_shapefile_in_gbk_is_understood(tmp_path, settings):
    found = inspected(shapefile(tmp_path, parcels()), settings)
    assert (found.feed, found.known_by, found.kind) == ("parcel", "name", "shapefile")
    assert (found.encoding, found.crs, found.crs_from) == ("gb18030", "EPSG:4549", "file")
    assert (found.rows, found.quarantined, found.duplicates) == (30, 0, 0)
    told = {one.column: one for one in found.mapping}
    assert told["official_area_m2"].headings == ("宗地面积",)
    assert (told["official_area_m2"].unit, told["official_area_m2"].unit_from) == ("m2", "geometry")
    assert found.areas is not None
    assert (found.areas.official_m2, found.areas.plane_m2) == (60_000, 60_000)
    # on the central meridian the plane is as large as the ellipsoid, but for its height
    assert found.areas.survey_m2 == pytest.approx(60_000, rel=1e-5)
    assert len(found.sample) == 10
    assert found.sample[0]["parcel_code"] == "330299001001GB00001"
    assert found.refusal is None


def test_the_picture_shows_the_shapes_where_they_are(tmp_path, settings):
    """Three parcels in a row and one apart, above: ink in both places, none between."""
    frame = parcels(4)
    frame.geometry = [*frame.geometry[:3], box(X, Y + 400, X + 40, Y + 450)]
    found = inspected(shapefile(tmp_path, frame), settings)
    assert found.picture is not None
    with Image.open(found.picture) as image:
        assert image.format == "PNG"
        ink = np.asarray(image.convert("L"))[20:490, 20:700] < 240
    rows = np.flatnonzero(ink.any(axis=1))
    gaps = np.diff(rows)
    assert gaps.max() > 200
    top, bottom = rows[: gaps.argmax() + 1], rows[gaps.argmax() + 1 :]
    # north is up: one parcel above, three below
    widths = [np.flatnonzero(ink[part].any(axis=0)) for part in (top, bottom)]
    assert np.ptp(widths[1]) == pytest.approx(3 * np.ptp(widths[0]), rel=0.1)


def test_mu_are_told_from_the_shapes(tmp_path, settings):
    frame = parcels(factor=MU)
    found = inspected(shapefile(tmp_path, frame), settings)
    told = {one.column: one for one in found.mapping}["official_area_m2"]
    assert (told.unit, told.unit_from) == ("mu", "geometry")
    assert "units.detected" in [code for code, _ in found.notes]
    assert found.areas is not None
    assert found.areas.official_m2 == pytest.approx(60_000, abs=0.1)


def test_what_would_be_set_aside_is_listed_with_examples(tmp_path, settings):
    frame = parcels(100)
    frame.loc[:2, "ZDDM"] = "坏码"
    found = inspected(shapefile(tmp_path, frame), settings)
    assert (found.rows, found.quarantined) == (100, 3)
    (finding,) = [one for one in found.findings if one["severity"] == "error"]
    assert (finding["rule"], finding["rows"]) == ("parcel.code", 3)
    assert [one["row_number"] for one in finding["examples"]] == [1, 2, 3]
    assert found.refusal is None
    frame.loc[:50, "ZDDM"] = "坏码"
    found = inspected(shapefile(tmp_path, frame), settings)
    assert found.refusal is not None
    assert found.refusal.code == "source.too_many_bad_rows"
    assert found.refusal.params["bad"] == 51


def test_a_workbook_named_otherwise_is_known_by_its_headings(tmp_path, settings):
    book = Workbook()
    book.active.append(["慈溪某镇企业统计表"])
    book.active.append(["统一社会信用代码", "企业名称", "经营状态"])
    book.active.append([CODE, "青岚一号机械厂", "存续"])
    book.active.append(["合计", 1, None])
    book.save(tmp_path / "表1.xlsx")
    found = inspected(tmp_path / "表1.xlsx", settings)
    assert (found.feed, found.known_by) == ("enterprise", "headings")
    assert (found.rows, found.ignored_lines) == (1, 3)
    assert found.sample[0]["name"] == "青岚一号机械厂"


def test_a_file_of_no_feed_is_refused_with_what_it_lacks(tmp_path, settings):
    (tmp_path / "a.csv").write_text("甲,乙\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError) as caught:
        inspected(tmp_path / "a.csv", settings)
    assert caught.value.code == "source.no_feed_near"
    with pytest.raises(UsageError):
        inspected(tmp_path / "none.csv", settings)


def test_a_zip_is_looked_into(tmp_path, settings):
    path = shapefile(tmp_path / "三调 成果" / "矢量", parcels())
    with zipfile.ZipFile(tmp_path / "成果.zip", "w") as packed:
        for part in path.parent.iterdir():
            packed.write(part, f"成果/矢量/{part.name}")
    found = inspected(tmp_path / "成果.zip", settings)
    assert (found.feed, found.rows) == ("parcel", 30)
    assert found.file == "成果.zip/成果/矢量/宗地.shp"


def test_names_of_persons_are_not_shown(tmp_path, settings):
    lines = ["宗地代码,权利人,联系电话"]
    lines += [f"330299001001GB{n:05},王某某第{n},1390000000{n}" for n in range(1, 6)]
    path = tmp_path / "权利人.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    said = [
        subprocess.run(
            [*COMMAND, path, *more, "-w", settings.workspace],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for more in ([], ["--json"], ["--draft"])
    ]
    assert json.loads(said[1])[0]["rows"] == 5
    for text in said:
        assert "330299001001GB" in text or "[feed.right]" in text
        assert "王某某" not in text
        assert "1390000000" not in text


def test_a_draft_can_be_used_as_it_is(tmp_path, settings):
    frame = parcels().rename(columns={"ZDDM": "地块编码", "坐落": "位置"})
    path = shapefile(tmp_path, frame, "地块.shp")
    with pytest.raises(SourceError):
        inspected(path, settings)
    own = settings.workspace / "sources.toml"
    own.write_text(draft_of(path, settings, "parcel"), encoding="utf-8")
    load_contracts(Path(__file__).parents[2] / "config" / "sources.toml", own)
    found = inspected(path, settings)
    assert (found.feed, found.known_by) == ("parcel", "name")
    assert (found.rows, found.quarantined) == (30, 0)
    assert found.sample[0]["parcel_code"] == "330299001001GB00001"


def test_the_command_says_it_and_loads_nothing(tmp_path, settings):
    path = shapefile(tmp_path, parcels())
    command = [*COMMAND, path]
    picture = tmp_path / "图.png"
    done = subprocess.run(
        [*command, "-w", settings.workspace, "--picture", picture],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "gb18030" in done.stdout
    assert picture.is_file()
    # neither server nor database was needed
    assert not (settings.workspace / ".diqi").exists()
    # without a workspace the defaults are taken
    alone = subprocess.run(
        [*command, "--json", "--picture", picture],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert json.loads(alone.stdout)[0]["feed"] == "parcel"
    (tmp_path / "坏.shp").write_bytes(b"\0" * 10)
    bad = subprocess.run(
        [*COMMAND, tmp_path / "坏.shp", "-w", settings.workspace],
        check=False,
        capture_output=True,
        text=True,
    )
    assert bad.returncode == 4
    assert "坏.shp" in bad.stderr
    assert "Traceback" not in bad.stderr
