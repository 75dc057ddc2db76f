"""Fiona, with a GDAL of its own, reads what we read and what we write, and finds the same."""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from geoalchemy2.shape import to_shape
from shapely.geometry import MultiPolygon, shape
from sqlalchemy import select

from pipeline._paths import data_path
from pipeline.errors import CrsError
from pipeline.feeds.batch import raw_batch
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.opening import Opening
from pipeline.feeds.readers import open_layer
from pipeline.outputs.geopackage import write_geopackage
from pipeline.outputs.tables import read_layers, reflect
from pipeline.settings import settings_without_workspace

pytestmark = pytest.mark.clients

PROBE = Path(__file__).with_name("fiona_probe.py")
LAYERS = list(read_layers())
# Not what the counties are in, which their file does not say: any will do to compare shapes.
STATED = "EPSG:4490"
LIMITS = settings_without_workspace().limits.of_files
COUNTY = County("34", "EPSG:4548")
# Our reader rounds to 0.0001 m.
TOLERANCE_M = 0.001


def run_fiona(*arguments):
    """Run Python in a process that loads Fiona; pyogrio, loaded here, brings another GDAL."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def ask_fiona(tmp_path_factory):
    """Asks Fiona about layers; skips where it is absent, which in CI is a failure."""
    found = run_fiona("-c", "import fiona")
    if found.returncode != 0:
        reason = f"fiona is not installed: {found.stderr.strip()[-200:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    request = tmp_path_factory.mktemp("fiona") / "request.json"

    def ask(*sources):
        request.write_text(json.dumps(sources, default=str), encoding="utf-8")
        done = run_fiona(PROBE, request)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return ask


# ---- What others deliver: real shapefiles in GBK and Big5 -----------------------------------------


def our_reading(path, geometry):
    """Headings, columns of text and shapes of a layer, as a feed's reader gives them."""
    contract = load_contracts(data_path("config", "sources.toml"))["area"].model_copy(
        update={
            "geometry": geometry,
            "crs": STATED,
            "columns": {},
            "key": (),
            "county_prefix": None,
        }
    )
    with open_layer(Opening(path, contract, COUNTY, LIMITS)) as layer:
        batches = [raw_batch(batch, len(layer.headings)) for batch in layer.batches]
    columns = [
        np.concatenate([batch.columns[number].to_numpy(dtype=object) for batch in batches])
        for number in range(len(layer.headings))
    ]
    shapes = (
        None
        if geometry == "none"
        else shapely.from_wkb(np.concatenate([batch.drawn.delivered for batch in batches]))
    )
    return layer, columns, shapes


def comparable(value, kind):
    """A value of either reader: ours gives text only, and nothing for what is empty."""
    if pd.isna(value) or value == "":
        return None
    return value if kind.startswith("str") else float(value)


def check_values(layer, columns, found):
    assert layer.headings == list(found["types"])
    assert layer.row_total == len(found["rows"])
    for number, (heading, kind) in enumerate(found["types"].items()):
        theirs = [comparable(row[number], kind) for row in found["rows"]]
        assert [comparable(value, kind) for value in columns[number]] == theirs, heading


def test_counties_of_anhui_in_gbk(ask_fiona, shared_data):
    path = shared_data / "gbk-shapefiles" / "anhui_counties" / "chinese_encoding.shp"
    # by the language byte of the table, and by what we say
    by_itself, told = ask_fiona({"path": path}, {"path": path, "encoding": "GB18030"})
    assert by_itself == told
    assert len(told["rows"]) == 78
    assert len(told["types"]) == 136
    layer, columns, shapes = our_reading(path, "polygon")
    check_values(layer, columns, told)
    assert layer.encoding == "gb18030"
    assert "天长市" in columns[layer.headings.index("NAME99")]
    to_county = pyproj.Transformer.from_crs(STATED, COUNTY.crs, always_xy=True)
    for ours, delivered in zip(shapes, told["shapes"], strict=True):
        theirs = shapely.transform(shape(delivered), to_county.transform, interleaved=False)
        assert shapely.equals_exact(
            ours, MultiPolygon(shapely.get_parts(theirs).tolist()), TOLERANCE_M
        )
    # neither finds a CRS, and none is guessed
    assert told["epsg"] is None
    contract = load_contracts(data_path("config", "sources.toml"))["area"].model_copy(
        update={"columns": {}, "key": (), "county_prefix": None, "crs": "file"}
    )
    with pytest.raises(CrsError) as caught, open_layer(Opening(path, contract, COUNTY, LIMITS)):
        pass
    assert caught.value.code == "source.no_crs"


@pytest.mark.parametrize(
    ("name", "encoding", "text", "epsg"),
    [("ldid/chinese.shp", "gb18030", "简体", 4326), ("cpg/big5.shp", "big5hkscs", "國語", None)],
)
def test_small_samples(ask_fiona, shared_data, name, encoding, text, epsg):
    path = shared_data.joinpath("gbk-shapefiles", "tiny", *name.split("/"))
    (found,) = ask_fiona({"path": path})
    layer, columns, _ = our_reading(path, "none")
    check_values(layer, columns, found)
    assert layer.encoding == encoding
    assert found["rows"] == [[text]]
    assert found["epsg"] == epsg
    assert pyogrio.read_info(path)["crs"] == (epsg and f"EPSG:{epsg}")


# ---- What we write: the GeoPackage of the hand-drawn township ---------------------------------------


@pytest.fixture(scope="module")
def package(ask_fiona, township, tmp_path_factory):
    """What Fiona says about each layer of the GeoPackage."""
    path = tmp_path_factory.mktemp("package") / "diqi.gpkg"
    with township.connect() as connection:
        write_geopackage(connection, path)
    found = ask_fiona(*({"path": path, "layer": name} for name in LAYERS))
    return dict(zip(LAYERS, found, strict=True))


def published(engine, name):
    """The rows of a layer in the database, in the order of fid."""
    with engine.connect() as connection:
        table = reflect(connection, {"layers": [name]}).tables[f"layers.{name}"]
        rows = connection.execute(select(table).order_by(table.c.fid)).mappings().all()
    return table, [dict(row) for row in rows]


@pytest.mark.parametrize("name", LAYERS)
def test_layer_of_the_geopackage_says_what_the_database_says(package, township, name):
    found = package[name]
    table, rows = published(township, name)
    kind = table.c.geom.type
    assert found["driver"] == "GPKG"
    assert set(found["layers"]) == {*LAYERS, "layer_styles"}
    assert found["epsg"] == kind.srid == 4549
    assert found["geometry_type"].upper() == kind.geometry_type
    assert list(found["types"]) == [
        column.name for column in table.columns if column.name not in {"fid", "geom"}
    ]
    assert found["ids"] == [str(row["fid"]) for row in rows]
    for row, values, drawn in zip(rows, found["rows"], found["shapes"], strict=True):
        expected = [
            value.isoformat() if isinstance(value, dt.date) else value
            for column, value in row.items()
            if column not in {"fid", "geom"}
        ]
        assert values == expected
        assert [type(value) for value in values] == [type(value) for value in expected]
        assert (drawn is None) == (row["geom"] is None)
        if drawn is not None:
            assert shapely.equals_exact(shape(drawn), to_shape(row["geom"]))


def test_township_has_rows_to_compare(package):
    assert {name for name, found in package.items() if found["rows"]} >= {
        "parcel",
        "enterprise",
        "enterprise_land",
        "evaluation_unit",
        "industrial_patch",
        "township_coverage",
        "uncovered_land",
        "review_queue",
        "data_issue",
    }
