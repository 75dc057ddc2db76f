"""Layers with geometry: encodings, systems, shapes; files are made here or are real ones."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import MultiPolygon, Point, box

from pipeline.errors import CrsError, SourceError
from pipeline.feeds.batch import raw_batch
from pipeline.feeds.contracts import County, load_contracts
from pipeline.feeds.crs import is_same_plane, reprojection
from pipeline.feeds.encoding import shapefile_encoding
from pipeline.feeds.opening import Opening
from pipeline.feeds.plausibility import decode_value
from pipeline.feeds.readers import open_layer, top_of
from pipeline.settings import settings_without_workspace

DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
LIMITS = settings_without_workspace().limits.of_files
COUNTY = County("330299", "EPSG:4549")
X, Y = 499_500.0, 3_290_000.0


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(DEFAULT)


def real(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not on this machine")
    return path


def parcels(crs="EPSG:4549", shapes=None, **columns) -> gpd.GeoDataFrame:
    shapes = shapes or [box(X, Y, X + 40, Y + 50)]
    data = {"ZDDM": ["330299001001GB00001"], "坐落": ["慈溪市浒山街道1号"], **columns}
    data = {name: (values * len(shapes))[: len(shapes)] for name, values in data.items()}
    return gpd.GeoDataFrame(data, geometry=shapes, crs=crs)


def write(path: Path, frame: gpd.GeoDataFrame, *, encoding="GBK", cpg=None, language=0) -> Path:
    """Write a shapefile and make its statements on encoding what the test wants."""
    pyogrio.write_dataframe(frame, path, encoding=encoding)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    if cpg is not None:
        path.with_suffix(".cpg").write_text(cpg)
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = language
    path.with_suffix(".dbf").write_bytes(table)
    return path


def read(path: Path, contract, county=COUNTY):
    """All rows of a layer as a frame by heading, the shapes, and the layer."""
    with open_layer(Opening(path, contract, county, LIMITS)) as layer:
        batches = [raw_batch(batch, len(layer.headings)) for batch in layer.batches]
    frame = pd.concat(
        [pd.DataFrame(dict(zip(layer.headings, b.columns, strict=True))) for b in batches]
    )
    frame.index = np.concatenate([b.row_number for b in batches])
    shapes = (
        shapely.from_wkb(np.concatenate([b.drawn.delivered for b in batches]))
        if batches[0].drawn is not None
        else None
    )
    return frame, shapes, layer


def refusal(path: Path, contract, county=COUNTY) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(path, contract, county)
    return caught.value


# ---- Encoding ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "cpg", "language"),
    [
        ("GBK", None, 0),
        ("GBK", None, 0x4D),
        ("GBK", "936", 0),
        ("GBK", "UTF-8", 0),
        ("GBK", "UTF-8", 0x4D),
        ("UTF-8", None, 0),
        ("UTF-8", "UTF-8", 0x57),
        ("UTF-8", None, 0x57),
        ("GBK", None, 0x57),
    ],
)
def test_names_and_texts_come_out_right(tmp_path, contracts, written, cpg, language):
    frame = parcels(坐落=["慈溪市浒山街道"])
    path = write(tmp_path / "宗地.shp", frame, encoding=written, cpg=cpg, language=language)
    rows, _, layer = read(path, contracts["parcel"])
    assert list(rows.columns) == ["ZDDM", "坐落"]
    assert rows["坐落"].tolist() == ["慈溪市浒山街道"]
    assert layer.encoding == ("gb18030" if written == "GBK" else "utf-8")


def test_a_one_byte_code_page_proves_nothing(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(坐落=["慈溪"]), cpg="ISO-8859-1")
    # the contract knows the heading in one encoding only
    assert read(path, contracts["parcel"])[0]["坐落"].tolist() == ["慈溪"]
    wrong = contracts["parcel"].model_copy(update={"encoding": "ISO-8859-1"})
    assert refusal(path, wrong).code == "source.encoding_declared"
    ascii_only = parcels().rename(columns={"坐落": "ZL"}).assign(ZL="Sofia")
    path = write(tmp_path / "ZD.shp", ascii_only, cpg="ISO-8859-1")
    assert read(path, contracts["parcel"])[0]["ZL"].tolist() == ["Sofia"]
    unknown = parcels().rename(columns={"坐落": "ZL"}).assign(ZL="慈溪")
    path = write(tmp_path / "ZD.shp", unknown, cpg="ISO-8859-1")
    assert refusal(path, contracts["parcel"]).code == "source.encoding_unclear"
    stated = contracts["parcel"].model_copy(update={"encoding": "GBK"})
    assert read(path, stated)[0]["ZL"].tolist() == ["慈溪"]


def test_bytes_of_no_encoding_are_refused(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(坐落=["慈溪市"]))
    table = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(table.replace("慈".encode("gbk"), b"\xff\xff"))
    assert refusal(path, contracts["parcel"]).code == "source.encoding"


def test_a_character_cut_by_the_width_of_its_field_is_dropped(tmp_path, contracts):
    assert decode_value("浒山".encode("gbk")[:3], "gb18030") == "浒"
    frame = parcels(坐落=["慈溪市浒山街道", "慈溪"], shapes=[box(X, Y, X + 1, Y + 1)] * 2)
    path = write(tmp_path / "宗地.shp", frame)
    table = path.with_suffix(".dbf").read_bytes()
    start = table.index("慈溪市浒山街道".encode("gbk"))
    # the field has 80 bytes: 79 of whole characters and a space, and the first byte of one more
    cut = (" " + "慈" * 39).encode("gbk") + "浒".encode("gbk")[:1]
    path.with_suffix(".dbf").write_bytes(table[:start] + cut + table[start + 80 :])
    rows, _, layer = read(path, contracts["parcel"])
    assert layer.encoding == "gb18030"
    assert rows["坐落"].str.strip().tolist() == ["慈" * 39, "慈溪"]


def test_real_gbk_shapefile(contracts):
    path = real("gbk-shapefiles", "anhui_counties", "chinese_encoding.shp")
    contract = contracts["area"].model_copy(
        update={"crs": "EPSG:4610", "columns": {}, "key": (), "county_prefix": None}
    )
    assert refusal(path, contract).code == "source.old_datum"
    contract = contract.model_copy(update={"crs": "EPSG:4490"})
    rows, shapes, layer = read(path, contract, County("34", "EPSG:4548"))
    assert len(rows) == 78
    assert "天长市" in rows["NAME99"].tolist()
    assert layer.encoding == "gb18030"
    assert shapely.is_valid(shapes).any()


@pytest.mark.parametrize(
    ("name", "expected"), [("ldid/chinese.shp", "gb18030"), ("cpg/big5.shp", "big5hkscs")]
)
def test_real_language_byte_and_cpg(name, expected):
    reading = shapefile_encoding(real("gbk-shapefiles", "tiny", *name.split("/")), "auto")
    assert (reading.names, reading.values) == (expected, expected)


# ---- Systems -----------------------------------------------------------------------------------

CUSTOM = (
    'PROJCS["mine",GEOGCS["GCS_mine",DATUM["D_mine",SPHEROID["CGCS2000",6378137.0,298.257222101]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],'
    'PARAMETER["False_Easting",{easting}],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",120.0],PARAMETER["Scale_Factor",1.0],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@pytest.mark.parametrize(
    ("crs", "suffix"),
    [
        *((f"EPSG:{code}", ".shp") for code in (4549, 4528, 4490, 4326, 4550)),
        *((f"EPSG:{code}", ".gpkg") for code in (4549, 4528, 4490, 4326, 4550)),
        # GeoJSON is written in degrees
        ("EPSG:4326", ".geojson"),
    ],
)
def test_every_modern_system_lands_on_the_same_spot(tmp_path, contracts, crs, suffix):
    frame = parcels().to_crs(crs)
    path = tmp_path / f"宗地{suffix}"
    pyogrio.write_dataframe(frame, path, **({"encoding": "GBK"} if suffix == ".shp" else {}))
    contract = contracts["parcel"].model_copy(update={"files": (path.name,)})
    _, shapes, _ = read(path, contract)
    limit = 0.02 if suffix == ".geojson" else 2e-4
    assert shapely.hausdorff_distance(shapes[0], box(X, Y, X + 40, Y + 50)) < limit


@pytest.mark.parametrize("easting", ["500000.0", "40500000.0"])
def test_a_system_without_a_number_is_known_by_its_parameters(tmp_path, contracts, easting):
    source = pyproj.CRS.from_wkt(CUSTOM.format(easting=easting))
    county = pyproj.CRS("EPSG:4549")
    assert is_same_plane(source, county) == (easting == "500000.0")
    shift = float(easting) - 500_000
    frame = parcels(shapes=[box(X + shift, Y, X + shift + 40, Y + 50)], crs="EPSG:4549")
    path = write(tmp_path / "宗地.shp", frame)
    path.with_suffix(".prj").write_text(CUSTOM.format(easting=easting))
    _, shapes, _ = read(path, contracts["parcel"])
    assert shapely.equals_exact(
        shapes[0], MultiPolygon([box(X, Y, X + 40, Y + 50)]), normalize=True, tolerance=1e-4
    )


def test_coordinates_are_rounded_to_a_tenth_of_a_millimetre(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(shapes=[box(X + 1e-6, Y, X + 40, Y + 50)]))
    _, shapes, _ = read(path, contracts["parcel"])
    assert shapes[0].bounds == (X, Y, X + 40, Y + 50)


def test_no_crs_is_refused_unless_the_contract_says_it(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(crs=None))
    error = refusal(path, contracts["parcel"])
    assert isinstance(error, CrsError)
    assert error.code == "source.no_crs"
    stated = contracts["parcel"].model_copy(update={"crs": "EPSG:4549"})
    assert read(path, stated)[2].crs == "EPSG:4549"


@pytest.mark.parametrize("crs", ["EPSG:2385", "EPSG:4610", "EPSG:2437"])
def test_old_datums_are_refused(tmp_path, contracts, crs):
    path = write(tmp_path / "宗地.shp", parcels(crs=crs))
    assert refusal(path, contracts["parcel"]).code == "source.old_datum"


def test_a_contradiction_between_file_and_contract_is_refused(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels())
    other = contracts["parcel"].model_copy(update={"crs": "EPSG:4528"})
    assert refusal(path, other).code == "source.other_crs"


@pytest.mark.parametrize(
    ("crs", "shape"),
    [
        ("EPSG:4549", box(119.99, 29.7, 120.01, 29.71)),  # degrees in a plane
        ("EPSG:4490", box(X, Y, X + 40, Y + 50)),  # metres in degrees
        ("EPSG:4549", box(X, Y + 3_000_000, X + 40, Y + 3_000_050)),
    ],
)
def test_coordinates_that_cannot_belong_are_refused(tmp_path, contracts, crs, shape):
    path = write(tmp_path / "宗地.shp", parcels(shapes=[shape], crs=crs))
    error = refusal(path, contracts["parcel"])
    assert error.code == "source.wrong_crs"
    assert error.params["file"] == "宗地.shp"


@pytest.mark.parametrize(
    ("crs", "shape", "note"),
    [
        # no zone prefix where one is due
        ("EPSG:4528", box(X, Y, X + 40, Y + 50), "crs.prefix_differs"),
        # a prefix where none is due
        ("EPSG:4549", box(X + 4e7, Y, X + 4e7 + 40, Y + 50), "crs.prefix_differs"),
        # x and y swapped
        ("EPSG:4549", box(Y, X, Y + 50, X + 40), "crs.axes_swapped"),
    ],
)
def test_what_can_only_mean_one_place_is_mended_and_told(tmp_path, contracts, crs, shape, note):
    path = write(tmp_path / "宗地.shp", parcels(shapes=[shape], crs=crs))
    _, shapes, layer = read(path, contracts["parcel"])
    assert shapely.bounds(shapes)[0].tolist() == [X, Y, X + 40, Y + 50]
    assert note in [code for code, _ in layer.notes]


def test_the_wrong_zone_is_noticed_by_the_extent(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(crs="EPSG:4550"))
    county = County("330299", "EPSG:4549", extent=(X - 1000, Y - 1000, X + 1000, Y + 1000))
    assert refusal(path, contracts["parcel"], county).code == "source.other_zone"
    assert len(read(path, contracts["parcel"])[0]) == 1


def test_one_stray_shape_refuses_nothing(tmp_path, contracts):
    shapes = [box(X, Y, X + 1, Y + 1)] * 5 + [box(0, 0, 1, 1)]
    path = write(tmp_path / "宗地.shp", parcels(shapes=shapes))
    assert len(read(path, contracts["parcel"])[0]) == 6


def test_feet_are_converted(tmp_path):
    county = County("BK", "EPSG:32618")
    way = reprojection("EPSG:2263", county, file="f", layer="l")
    to_feet = pyproj.Transformer.from_crs("EPSG:32618", "EPSG:2263", always_xy=True)
    x, y = to_feet.transform(583_500.0, 4_503_000.0)
    assert np.allclose(way(np.array([[x, y]])), [[583_500.0, 4_503_000.0]], atol=1e-3)


# ---- Files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["宗地.shp", "宗地.gpkg", "宗地.geojson"])
def test_a_file_that_is_not_what_its_name_says(tmp_path, contracts, name):
    (tmp_path / name).write_text("this is no such file", encoding="utf-8")
    assert refusal(tmp_path / name, contracts["parcel"]).code == "source.format_no_table"


@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson", ".gdb"])
@pytest.mark.parametrize(
    "stem", ["宗地!a", "a.zip!宗地", "宗地;x=1", "宗地?b", "宗\n地", "宗\\地", "[宗地]*"]
)
def test_signs_in_a_name_are_signs_of_a_name(tmp_path, contracts, stem, suffix):
    """Bindings of GDAL take some of them for an archive or an address."""
    plain = tmp_path / f"plain{suffix}"
    crs = "EPSG:4490" if suffix == ".geojson" else "EPSG:4549"
    driver = "OpenFileGDB" if suffix == ".gdb" else None
    pyogrio.write_dataframe(parcels().to_crs(crs), plain, driver=driver)
    folder = tmp_path / "里 a;b!c"
    folder.mkdir()
    for file in tmp_path.glob("plain.*"):
        file.rename(folder / (stem + file.suffix))
    rows, shapes, _ = read(folder / (stem + suffix), contracts["parcel"])
    assert rows["ZDDM"].tolist() == ["330299001001GB00001"]
    np.testing.assert_allclose(shapes[0].bounds, (X, Y, X + 40, Y + 50), atol=0.01)


def test_a_geojson_may_say_its_system_in_the_old_way(tmp_path, contracts):
    """RFC 7946 has no other than degrees of WGS 84; the older form had, and programs still write it."""
    path = tmp_path / "宗地.geojson"
    frame = parcels()
    content = json.loads(frame.to_json())
    content["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4549"}}
    path.write_text(json.dumps(content))
    _, shapes, layer = read(path, contracts["parcel"])
    assert (layer.crs, layer.crs_from) == ("EPSG:4549", "file")
    assert shapes[0].bounds == (X, Y, X + 40, Y + 50)
    content["crs"]["properties"]["name"] = "urn:ogc:def:crs:OGC:1.3:CRS84"
    path.write_text(json.dumps(content))
    assert refusal(path, contracts["parcel"]).code == "source.no_crs"


def test_a_name_of_a_layer_is_no_pattern(tmp_path):
    path = tmp_path / "a.gpkg"
    for name in ("ZD", "Z*", "[Z]D"):
        pyogrio.write_dataframe(parcels(坐落=[name]), tmp_path / "b.gpkg", layer="t", append=False)
        with closing(sqlite3.connect(tmp_path / "b.gpkg")) as database:
            for (trigger,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                database.execute(f'DROP TRIGGER "{trigger}"')
            database.execute("DELETE FROM gpkg_extensions")
            database.execute(f'ALTER TABLE t RENAME TO "{name}"')
            for table in ("gpkg_contents", "gpkg_geometry_columns", "gpkg_ogr_contents"):
                database.execute(f"UPDATE {table} SET table_name = ?", (name,))
            database.commit()
        (tmp_path / "b.gpkg").replace(path)
        (found,) = top_of(path, None, LIMITS)
        assert found["name"] == name
        assert found["rows"][0][1] == name


@pytest.mark.parametrize("text", [b"PROJCS[" * 40_000, b"\xff\xfe" * 100, b"x" * 100_000])
def test_a_prj_that_gdal_does_not_take_costs_the_system_alone(tmp_path, contracts, text):
    path = write(tmp_path / "宗地.shp", parcels())
    path.with_suffix(".prj").write_bytes(text)
    assert refusal(path, contracts["parcel"]).code == "source.no_crs"
    declared = contracts["parcel"].model_copy(update={"crs": "EPSG:4549"})
    assert len(read(path, declared)[0]) == 1


def test_a_part_that_is_a_pipe_is_not_waited_for(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels())
    os.mkfifo(path.with_suffix(".CPG"))
    error = refusal(path, contracts["parcel"])
    assert (error.code, error.params["file"]) == ("source.file_special", "宗地.CPG")


def test_a_bare_array_of_features_is_read(contracts):
    path = real("ningbo-county-boundaries", "raw", "330282.json")
    renamed = {"area_code": {"aliases": ("adcode",)}, "name": {"aliases": ("name",)}}
    columns = {
        name: column.model_copy(update=renamed.get(name, {}))
        for name, column in contracts["area"].columns.items()
    }
    contract = contracts["area"].model_copy(update={"columns": columns})
    rows, shapes, layer = read(path, contract)
    assert rows["name"].tolist() == ["慈溪市"]
    assert 1e9 < shapely.area(shapes)[0] < 2e9
    # nothing in the file says that it is of a web map; that nothing says the datum is told
    assert "crs.degrees_unproven" in [code for code, _ in layer.notes]


def test_a_shapefile_without_its_table_is_refused(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels())
    path.with_suffix(".dbf").unlink()
    assert refusal(path, contracts["parcel"]).code == "source.shapefile_incomplete"


def test_a_missing_column_is_named(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels().drop(columns="ZDDM"))
    error = refusal(path, contracts["parcel"])
    assert error.code == "source.column_missing"
    assert "ZDDM" in str(error.params["columns"])
    assert error.params["found"] == "坐落"


def test_an_empty_layer_is_refused(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels().iloc[:0])
    assert refusal(path, contracts["parcel"]).code == "source.empty"


def test_points_are_no_parcels(tmp_path, contracts):
    path = write(tmp_path / "宗地.shp", parcels(shapes=[Point(X, Y)]))
    assert refusal(path, contracts["parcel"]).code == "source.no_geometry"


def test_of_several_layers_the_contract_names_one(tmp_path, contracts):
    path = tmp_path / "宗地.gpkg"
    for layer in ("one", "two"):
        pyogrio.write_dataframe(parcels(坐落=[layer]), path, layer=layer)
    assert refusal(path, contracts["parcel"]).code == "source.layer_unclear"
    named = contracts["parcel"].model_copy(update={"layer": "TW*"})
    assert read(path, named)[0]["坐落"].tolist() == ["two"]


def test_numbers_become_text_without_loss(tmp_path, contracts):
    frame = parcels(
        whole=[3005580016.0], part=[0.1], big=[9.13302e17], none=[np.nan], count=[2**53 + 1]
    )
    path = tmp_path / "宗地.gpkg"
    pyogrio.write_dataframe(frame, path)
    with open_layer(Opening(path, contracts["parcel"], COUNTY, LIMITS)) as layer:
        batch = raw_batch(next(layer.batches), len(layer.headings))
    row = dict(zip(layer.headings, (c[0] for c in batch.columns), strict=True))
    assert row["whole"] == "3005580016"
    assert row["part"] == "0.1"
    assert row["big"] == "9.13302e+17"
    assert pd.isna(row["none"])
    assert row["count"] == str(2**53 + 1)
    numeric = dict(zip(layer.headings, batch.numeric, strict=True))
    assert numeric["big"].all()
    assert numeric["count"] is None


def test_rows_are_numbered_through_batches(tmp_path, contracts, monkeypatch):
    monkeypatch.setattr("pipeline.feeds.vector.BATCH_ROWS", 4)
    frame = parcels(shapes=[box(X + i, Y, X + i + 1, Y + 1) for i in range(10)])
    path = tmp_path / "宗地.gpkg"
    pyogrio.write_dataframe(frame, path)
    rows, _, layer = read(path, contracts["parcel"])
    assert rows.index.tolist() == list(range(1, 11))
    assert layer.row_total == 10


def test_null_and_unreadable_shapes_are_kept_as_rows(tmp_path, contracts):
    frame = parcels(shapes=[box(X, Y, X + 1, Y + 1), None])
    path = tmp_path / "宗地.gpkg"
    pyogrio.write_dataframe(frame, path)
    _, shapes, _ = read(path, contracts["parcel"])
    assert shapes[1] is None


def test_real_lots_of_red_hook(tmp_path):
    source = real("link-nyc-redhook-dev", "lots")
    for file in source.iterdir():
        shutil.copy(file, tmp_path)
    contract = load_contracts(
        DEFAULT, Path(__file__).parents[1] / "data" / "redhook" / "sources.toml"
    )["parcel"]
    rows, shapes, layer = read(tmp_path / "pluto.shp", contract, County("BK", "EPSG:32618"))
    assert len(rows) == 1109
    assert layer.crs == "EPSG:4326"
    assert rows["bbl"].str.fullmatch("3[0-9]{9}").all()
    assert 583_000 < shapely.centroid(shapes[0]).x < 586_000


def test_real_townships_of_hsinchu():
    path = real("tw-hsinchu-factories-townships", "townships.geojson")
    contract = load_contracts(
        DEFAULT, Path(__file__).parents[1] / "data" / "hsinchu" / "sources.toml"
    )["area"]
    rows, shapes, _ = read(path, contract, County("10004", "EPSG:3826"))
    assert len(rows) == 13
    assert 1.3e9 < shapely.area(shapes).sum() < 1.5e9


def test_text_that_was_misread_before_it_came_is_refused(tmp_path, contracts):
    """A GeoPackage is in UTF-8; what was put into it had been UTF-8 read as GBK."""
    places = [f"慈溪市浒山街道工业路{n}号青岚纺织厂" for n in range(30)]
    shapes = [box(X + 40 * n, Y, X + 40 * n + 40, Y + 50) for n in range(30)]
    path = tmp_path / "宗地.gpkg"
    pyogrio.write_dataframe(parcels(shapes=shapes, 坐落=places), path)
    assert read(path, contracts["parcel"])[0]["坐落"].tolist() == places
    garbled = [place.encode().decode("gb18030", "replace") for place in places]
    path.unlink()
    pyogrio.write_dataframe(parcels(shapes=shapes, 坐落=garbled), path)
    error = refusal(path, contracts["parcel"])
    assert error.code in {"source.garbled", "source.destroyed"}
