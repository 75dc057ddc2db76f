"""Systems and places: what a layer says, what its coordinates say, what is held already."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import pytest
import shapely
from shapely.geometry import box

from pipeline.domain.web_maps import gcj02_from_wgs84
from pipeline.errors import CrsError
from pipeline.feeds import magnitudes
from pipeline.feeds.contracts import Contract, County, PointColumns
from pipeline.feeds.crs import is_same_plane, reprojection, zone_of
from pipeline.feeds.magnitudes import what_coordinates_say
from pipeline.feeds.place import Known, decide_crs
from pipeline.feeds.prj import openable, read_prj

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
COUNTY = County("330299", "EPSG:4549")
# one parcel well inside zone 40, one beyond its edge at 121.5 E
WEST, EAST = (121.4, 29.7), (121.7, 29.72)


def real(*parts: str) -> Path:
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not on this machine")
    return path


def parcel(place=WEST, crs="EPSG:4549", *, swapped=False, shift=0.0) -> shapely.Polygon:
    """A quadrilateral of some 40 by 50 m, its corners computed in a system from degrees."""
    longitude, latitude = place
    corners = [(0, 0), (0.0004, 0), (0.0004, 0.0005), (0, 0.0005)]
    way = pyproj.Transformer.from_crs("EPSG:4490", crs, always_xy=True)
    points = [way.transform(longitude + x, latitude + y) for x, y in corners]
    points = [(x + shift, y) for x, y in points]
    return shapely.Polygon([(y, x) for x, y in points] if swapped else points)


def shapes(*items) -> np.ndarray:
    return np.array(items, dtype=object)


def decide(items, stated, county=COUNTY, **options):
    return decide_crs(shapely.bounds(items), stated, county, file="ZD.shp", layer="ZD", **options)


def refusal(items, stated, county=COUNTY, **options) -> CrsError:
    with pytest.raises(CrsError) as caught:
        decide(items, stated, county, **options)
    return caught.value


def codes(decision) -> list[str]:
    return [note.code for note in decision.notes]


def apart(one, other) -> float:
    return float(shapely.hausdorff_distance(one, other))


def assert_lands(items, decision, places=(WEST,)) -> None:
    placed = decision.place(items)
    assert placed.rule.tolist() == [""] * len(items)
    for shape, place in zip(placed.shapes, places, strict=True):
        assert apart(shape, parcel(place)) < 2e-4


# ---- Systems by their parameters ---------------------------------------------------------------


def esri(name="mine", *, axis=6378137.0, flattening=298.257222101, meridian=120.0, east=500000.0,
         datum="D_unknown", unit='UNIT["Meter",1.0]', extra="") -> str:  # fmt: skip
    return (
        f'PROJCS["{name}",GEOGCS["GCS_{name}",DATUM["{datum}",SPHEROID["S",{axis},{flattening}]],'
        'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Gauss_Kruger"],'
        f'PARAMETER["False_Easting",{east}],PARAMETER["False_Northing",0.0],'
        f'PARAMETER["Central_Meridian",{meridian}],PARAMETER["Scale_Factor",1.0],'
        f'PARAMETER["Latitude_Of_Origin",0.0],{unit}{extra}]'
    )


@pytest.mark.parametrize("code", [*range(4513, 4555), *range(4491, 4513)])
def test_every_zone_of_cgcs2000_is_known(code):
    crs = pyproj.CRS.from_epsg(code)
    zone = zone_of(crs)
    assert zone is not None
    number = re.search(r"zone (\d+)", crs.name)
    meridian = re.search(r"CM (\d+)E", crs.name)
    assert zone.prefix == (int(number[1]) if number else 0)
    assert meridian is None or zone.meridian == float(meridian[1])
    # 6- and 3-degree zones on one meridian without a number are the same plane
    assert is_same_plane(pyproj.CRS.from_epsg(zone.epsg), crs)


@pytest.mark.parametrize("code", [4549, 4528, 4550, 4529, 4510, 4499, 32650, 32651])
def test_systems_by_code_and_by_text_without_code(code):
    item = shapes(parcel(WEST, f"EPSG:{code}"))
    assert_lands(item, decide(item, f"EPSG:{code}"))
    # no name, no authority, numbers alone
    text = re.sub(
        r'AUTHORITY\[[^]]*\],?|,?ID\["EPSG",\d+\]', "", pyproj.CRS(code).to_wkt("WKT1_ESRI")
    )
    text = re.sub(r'"(WGS|CGCS|GCS|D)[^"]*"', '"odd"', text)
    assert_lands(item, decide(item, text))


def test_numbers_count_and_not_the_name():
    item = shapes(parcel(WEST, "EPSG:4548"))
    lie = esri("CGCS2000_3_Degree_GK_CM_120E", meridian=117, extra=',AUTHORITY["EPSG","4549"]')
    decision = decide(item, lie)
    assert decision.label == "EPSG:4548"
    assert_lands(item, decision)


@pytest.mark.parametrize(
    "text",
    ["[", "EPSG:99999999", 'LOCAL_CS["x"]', "EPSG:5773", "EPSG:4978", "A[" * 30_000, "a\0b", "{}"],
)
def test_what_is_no_system_is_refused_as_none(text):
    assert refusal(shapes(parcel()), text).code == "source.no_crs"


def test_a_text_cut_short_is_refused():
    text = esri()
    item = shapes(parcel())
    for name in ("Central_Meridian", "False_Easting"):
        torn = re.sub(rf'PARAMETER\["{name}",[0-9.]+\],', "", text)
        assert torn != text
        assert refusal(item, torn).code == "source.wrong_crs"
    assert_lands(item, decide(item, text.replace('PARAMETER["Scale_Factor",1.0],', "")))
    assert refusal(shapes(parcel()), text[: len(text) // 2]).code == "source.no_crs"


def test_zones_of_other_countries_are_numbered_otherwise():
    for code in (3873, 5514, 31467, 2180):
        assert zone_of(pyproj.CRS.from_epsg(code)) is None


def test_feet_and_a_meridian_of_ones_own():
    feet = esri(unit='UNIT["Foot_US",0.304800609601219]', east=500000 / 0.304800609601219)
    item = shapes(shapely.affinity.scale(parcel(), *[3937 / 1200] * 2, origin=(0, 0)))
    assert_lands(item, decide(item, feet))
    own = esri(meridian=121.5)
    item = shapes(parcel(WEST, own))
    assert zone_of(pyproj.CRS(own)).meridian == 121.5
    assert_lands(item, decide(item, own))


@pytest.mark.parametrize(
    "text",
    [
        "EPSG:2385",
        "EPSG:2364",
        "EPSG:4610",
        "EPSG:4214",
        "EPSG:2437",
        "EPSG:4555",
        esri("Xian_1980_GK_CM_120E", axis=6378140.0, flattening=298.257),
        esri("Beijing_1954_GK_CM_120E", axis=6378245.0, flattening=298.3),
        # the name claims CGCS2000, the ellipsoid does not
        esri("CGCS2000_3_Degree_GK_CM_120E", axis=6378140.0, flattening=298.257),
        esri("CGCS2000_3_Degree_GK_CM_120E", axis=6378245.0, flattening=298.3),
        # the ellipsoid is modern, the names are not
        esri(datum="D_Xian_1980"),
        esri(datum="D_Beijing_1954"),
        esri("西安80_120E"),
        esri("1954年北京坐标系"),
        esri().replace('SPHEROID["S"', 'SPHEROID["Krasovsky_1940"'),
        esri().replace('SPHEROID["S"', 'SPHEROID["IAG_75"'),
        # parameters in the file are not the contract's
        "+proj=tmerc +lon_0=120 +x_0=500000 +a=6378140 +rf=298.257 +towgs84=1,2,3 +units=m",
    ],
)
def test_old_systems_are_refused_by_ellipsoid_and_by_name(text):
    error = refusal(shapes(parcel()), text)
    assert error.code == "source.old_datum"
    assert error.params["file"] == "ZD.shp"


def helmert(x, y, old, shift):
    """From a plane on an old ellipsoid to the county's by geocentric coordinates, step by step."""
    axis, flattening = old
    inverse = pyproj.Proj(proj="tmerc", lon_0=120, x_0=500000, a=axis, rf=flattening)
    longitude, latitude = np.radians(inverse(x, y, inverse=True))

    def eccentricity(f):
        return (2 - 1 / f) / f

    e2 = eccentricity(flattening)
    normal = axis / math.sqrt(1 - e2 * math.sin(latitude) ** 2)
    place = np.array(
        [
            normal * math.cos(latitude) * math.cos(longitude),
            normal * math.cos(latitude) * math.sin(longitude),
            normal * (1 - e2) * math.sin(latitude),
        ]
    ) + np.array(shift)
    # back, on the ellipsoid of CGCS2000
    a, e2 = 6378137.0, eccentricity(298.257222101)
    longitude, flat = math.atan2(place[1], place[0]), math.hypot(place[0], place[1])
    latitude = math.atan2(place[2], flat * (1 - e2))
    for _ in range(20):
        normal = a / math.sqrt(1 - e2 * math.sin(latitude) ** 2)
        latitude = math.atan2(place[2] + e2 * normal * math.sin(latitude), flat)
    forward = pyproj.Proj(proj="tmerc", lon_0=120, x_0=500000, a=a, rf=298.257222101)
    return forward(math.degrees(longitude), math.degrees(latitude))


@pytest.mark.parametrize("old", [(6378140.0, 298.257), (6378245.0, 298.3)])
def test_parameters_of_the_contract_lead_out_of_an_old_system(old):
    text = (
        f"+proj=tmerc +lon_0=120 +x_0=500000 +a={old[0]} +rf={old[1]} +towgs84=-110.5,52.25,20 "
        "+units=m +type=crs"
    )
    item = shapes(box(635000, 3290000, 635040, 3290050))
    stated = esri("Xian_1980_GK_CM_120E", axis=old[0], flattening=old[1])
    for in_file in (None, stated):
        decision = decide(item, in_file, contract_crs=text)
        placed = decision.place(item).shapes[0]
        expected = helmert(635000, 3290000, old, (-110.5, 52.25, 20))
        assert shapely.get_coordinates(placed).min(axis=0) == pytest.approx(expected, abs=1e-3)
        assert codes(decision) == ["crs.parameters_used"]
    # zeros say that nobody knew the parameters
    zeros = text.replace("-110.5,52.25,20", "0,0,0")
    assert refusal(item, None, contract_crs=zeros).code == "source.old_datum"
    assert refusal(item, None, contract_crs="EPSG:2385").code == "source.old_datum"


def test_zones_of_an_old_system_keep_the_parameters():
    text = (
        "+proj=tmerc +lon_0=120 +x_0=40500000 +a=6378140 +rf=298.257 +towgs84=-110.5,52.25,20 "
        "+units=m +type=crs"
    )
    item = shapes(box(40635000, 3290000, 40635040, 3290050), box(635000, 3290000, 635040, 3290050))
    placed = decide(item, None, contract_crs=text).place(item)
    assert apart(*placed.shapes) < 2e-4
    assert placed.shapes[0].bounds[0] == pytest.approx(
        helmert(635000, 3290000, (6378140.0, 298.257), (-110.5, 52.25, 20))[0], abs=1e-3
    )


def test_a_change_of_the_false_easting_is_a_subtraction():
    way = reprojection("EPSG:4528", COUNTY, file="f", layer="l")
    assert way.transformer is None
    assert way.shift == (-40_000_000.0, 0.0)
    assert way(np.array([[40_663_000.1234, 3_290_000.5678]])).tolist() == [
        [663_000.1234, 3_290_000.5678]
    ]
    back = reprojection("EPSG:4549", County("330299", "EPSG:4528"), file="f", layer="l")
    assert back(np.array([[663_000.1234, 3_290_000.5]])).tolist() == [
        [40_663_000.1234, 3_290_000.5]
    ]
    other = reprojection("EPSG:4550", COUNTY, file="f", layer="l")
    assert other.transformer is not None


def test_prj_texts_are_read_whatever_their_encoding(tmp_path):
    path = tmp_path / "ZD.shp"
    assert read_prj(path) is None
    for text, encoding in ((esri("国家2000"), "gb18030"), (esri("国家2000"), "utf-8-sig")):
        path.with_suffix(".prj").write_bytes(text.encode(encoding))
        assert read_prj(path) == text
    path.with_suffix(".prj").write_bytes(b"\n")
    assert read_prj(path) is None


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_a_shapefile_opens_whatever_its_prj_is_written_in(tmp_path, encoding):
    path = tmp_path / "宗地.shp"
    frame = gpd.GeoDataFrame({"ZDDM": ["甲"]}, geometry=[parcel()], crs="EPSG:4549")
    pyogrio.write_dataframe(frame, path, encoding="GBK")
    path.with_suffix(".prj").write_bytes(esri("国家2000").encode(encoding))
    with openable(path) as readable:
        assert readable.name == path.name
        items = pyogrio.read_dataframe(readable, encoding="GBK")
    assert items["ZDDM"].tolist() == ["甲"]
    assert decide(items.geometry.to_numpy(), read_prj(path)).label == "EPSG:4549"


# ---- What coordinates say ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "form", "zone", "is_swapped"),
    [
        (40_500_000, 3_290_000, "PREFIXED", 40, False),
        (40_663_000, 3_290_000, "PREFIXED", 40, False),
        (41_350_000, 3_290_000, "PREFIXED", 41, False),
        (20_650_000, 3_290_000, "PREFIXED", 20, False),
        (3_290_000, 40_500_000, "PREFIXED", 40, True),
        (500_000, 3_290_000, "PLAIN", 0, False),
        (3_290_000, 635_000, "PLAIN", 0, True),
        (121.4, 29.7, "DEGREES", 0, False),
        (29.7, 121.4, "DEGREES", 0, True),
        (43.8, 87.6, "DEGREES", 0, True),
        (-73.98, 40.7, "DEGREES", 0, False),
        (12_900_000, 3_465_000, "MERCATOR", 0, False),
        (980_000, 195_000, "OTHER", 0, False),
        (41_000_000, 3_290_000, "OTHER", 0, False),
        (500_000, 400_000, "PLAIN", 0, False),
        (0.5e9, 3_290_000, "OTHER", 0, False),
        (np.nan, 3_290_000, "NOTHING", 0, False),
        (np.inf, 3_290_000, "NOTHING", 0, False),
    ],
)
def test_coordinates_say_by_their_size_what_they_are(x, y, form, zone, is_swapped):
    said = what_coordinates_say(np.array([[x, y, x, y]], dtype=float))
    assert said.form[0] == getattr(magnitudes, form)
    assert said.zone[0] == zone
    assert said.is_swapped[0] == is_swapped


def test_a_shape_from_one_zone_into_another_is_of_none():
    said = what_coordinates_say(np.array([[40_635_000.0, 3_290_000, 41_360_000, 3_290_050]]))
    assert said.form[0] == magnitudes.OTHER


# ---- Zones, prefixes, axes ---------------------------------------------------------------------


def test_zones_40_and_41_in_one_delivery_go_each_their_own_way():
    items = shapes(parcel(WEST, "EPSG:4528"), parcel(EAST, "EPSG:4529"))
    for stated in ("EPSG:4528", "EPSG:4529", "EPSG:4549"):
        decision = decide(items, stated)
        assert_lands(items, decision, (WEST, EAST))
        assert "crs.zones_mixed" in codes(decision)
    assert decision.place(items).zone.tolist() == [40, 41]
    # the first look saw one zone alone
    assert_lands(items, decide(items[:1], "EPSG:4528"), (WEST, EAST))
    # the zones of the two parcels overlap: the eastern one written in zone 40
    items = shapes(parcel(WEST, "EPSG:4528"), parcel(EAST, "EPSG:4528"))
    decision = decide(items, "EPSG:4528")
    assert decision.notes == ()
    assert_lands(items, decision, (WEST, EAST))


@pytest.mark.parametrize(
    ("stated", "delivered"), [("EPSG:4549", "EPSG:4528"), ("EPSG:4528", "EPSG:4549")]
)
def test_a_zone_number_more_or_less_is_no_other_place(stated, delivered):
    items = shapes(parcel(WEST, delivered), parcel(EAST, delivered))
    decision = decide(items, stated)
    assert_lands(items, decision, (WEST, EAST))
    assert codes(decision) == ["crs.prefix_differs"]
    assert decision.notes[0].params == {"crs": stated, "read_as": delivered, "rows": 2}


@pytest.mark.parametrize(
    ("stated", "delivered", "fits"),
    [
        ("EPSG:4549", "EPSG:4529", "EPSG:4529"),
        ("EPSG:4528", "EPSG:4529", "EPSG:4529"),
        ("EPSG:4549", "EPSG:4499", "EPSG:4499"),
        # the number in the text does not go with its meridian
        (esri(meridian=117, east=40500000), "EPSG:4528", "EPSG:4528"),
    ],
)
def test_another_zone_than_stated_is_refused_with_both_names(stated, delivered, fits):
    error = refusal(shapes(parcel(EAST, delivered)), stated)
    assert error.code == "source.other_zone"
    assert error.params["fits"] == fits
    assert error.params["crs"] == ("mine" if "PROJCS" in stated else stated)


def test_the_six_degree_zone_of_the_same_meridian_is_the_same_plane():
    county = County("330299", "EPSG:4550")
    item = shapes(parcel(EAST, "EPSG:4499"))
    decision = decide(item, "EPSG:4550", county)
    assert codes(decision) == ["crs.prefix_differs"]
    assert apart(decision.place(item).shapes[0], parcel(EAST, "EPSG:4550")) < 2e-4


@pytest.mark.parametrize("stated", ["EPSG:4549", "EPSG:4528", "EPSG:4490", "EPSG:32651"])
def test_swapped_axes_are_read_the_other_way_round(stated):
    items = shapes(parcel(WEST, stated, swapped=True), parcel(EAST, stated, swapped=True))
    decision = decide(items, stated)
    assert codes(decision) == ["crs.axes_swapped"]
    assert_lands(items, decision, (WEST, EAST))
    # and one that is not swapped does not belong to them
    stray = decision.place(shapes(parcel(WEST, stated)))
    assert stray.rule.tolist() == ["geometry.other_system"] or not shapely.intersects(
        stray.shapes[0], box(600_000, 3_200_000, 700_000, 3_400_000)
    )


def test_strays_are_set_aside_and_the_rest_is_kept():
    items = shapes(
        parcel(), parcel(WEST, "EPSG:4490"), parcel(swapped=True), None, box(0, 0, 1, 1),
        parcel(WEST, "EPSG:4528"), shapely.Polygon(), box(4.1e7, 3.2e6, 4.1e7 + 9, 3.2e6 + 9),
    )  # fmt: skip
    decision = decide(np.concatenate([items, shapes(*[parcel()] * 9)]), "EPSG:4549")
    placed = decision.place(items)
    stray = "geometry.other_system"
    assert placed.rule.tolist() == ["", stray, stray, "", stray, "", "", stray]
    assert [shape is None for shape in placed.shapes] == [
        False, True, True, True, True, False, False, True,
    ]  # fmt: skip
    assert apart(placed.shapes[0], placed.shapes[5]) < 2e-4


@pytest.mark.parametrize(
    ("stated", "item"),
    [
        ("EPSG:4549", parcel(WEST, "EPSG:4490")),
        ("EPSG:4490", parcel()),
        ("EPSG:4490", parcel(WEST, "EPSG:4528")),
        ("EPSG:4549", shapely.affinity.translate(parcel(), 0, 3_000_000)),
        ("EPSG:4549", box(980_000, 195_000, 980_040, 195_050)),
        ("EPSG:3826", parcel(WEST, "EPSG:4549")),
    ],
)
def test_what_cannot_be_there_is_refused(stated, item):
    assert refusal(shapes(item), stated).code in {"source.wrong_crs", "source.other_zone"}


def test_a_layer_without_any_shape_is_no_contradiction():
    decision = decide(shapes(None, None), "EPSG:4549")
    assert decision.label == "EPSG:4549"
    assert decision.place(shapes(None)).rule.tolist() == [""]
    assert decision.place(shapes()).shapes.tolist() == []


# ---- No CRS: the place decides -----------------------------------------------------------------

EXTENT = (600_000.0, 3_270_000.0, 680_000.0, 3_310_000.0)
TOWNSHIPS = np.array(
    [
        (620_000.0, 3_280_000.0, 640_000.0, 3_295_000.0),
        (640_000.0, 3_280_000.0, 668_000.0, 3_295_000.0),
    ]
)


@pytest.mark.parametrize(
    ("delivered", "swapped", "label"),
    [
        ("EPSG:4549", False, "EPSG:4549"),
        ("EPSG:4550", False, "EPSG:4550"),
        ("EPSG:4549", True, "EPSG:4549"),
        ("EPSG:4528", False, "EPSG:4528"),
        ("EPSG:4529", True, "EPSG:4529"),
        ("EPSG:4499", False, "EPSG:4499"),
        ("EPSG:4490", False, "EPSG:4490"),
        ("EPSG:4490", True, "EPSG:4490"),
        ("EPSG:3857", False, "EPSG:3857"),
    ],
)
@pytest.mark.parametrize(
    ("county", "known"),
    [
        (COUNTY, Known(TOWNSHIPS)),
        (COUNTY, Known(np.array([EXTENT]))),
        (County("330299", "EPSG:4549", extent=EXTENT), None),
    ],
)
def test_the_one_reading_on_known_land_is_taken(delivered, swapped, label, county, known):
    items = shapes(
        parcel(WEST, delivered, swapped=swapped), parcel(EAST, delivered, swapped=swapped)
    )
    decision = decide(items, None, county, known=known)
    assert (decision.how, decision.label) == ("place", label)
    assert codes(decision)[0] == "crs.decided_by_place"
    assert ("crs.axes_swapped" in codes(decision)) == swapped
    assert ("crs.degrees_unproven" in codes(decision)) == (label == "EPSG:4490")
    assert_lands(items, decision, (WEST, EAST))


def test_without_known_land_nothing_is_guessed():
    for system, candidates in (
        ("EPSG:4549", "EPSG:4534 … EPSG:4554"),
        ("EPSG:4528", "EPSG:4528"),
        ("EPSG:4490", "EPSG:4490"),
    ):
        error = refusal(shapes(parcel(WEST, system)), None)
        assert error.code == "source.no_crs"
        assert error.params["candidates"] == candidates
    assert refusal(shapes(box(980_000, 195_000, 980_040, 195_050)), None).code == "source.no_crs"
    assert refusal(shapes(None), None).code == "source.no_crs"


def test_no_reading_on_known_land_is_refused():
    far = Known(np.array([(100_000.0, 3_270_000.0, 120_000.0, 3_310_000.0)]))
    for system in ("EPSG:4549", "EPSG:4528", "EPSG:4490"):
        error = refusal(shapes(parcel(WEST, system)), None, known=far)
        assert error.code == "source.crs_undecided"
        assert error.params["fits"] == "–"


def test_several_readings_on_known_land_are_refused():
    whole_province = Known(np.array([(0.0, 2_900_000.0, 1_000_000.0, 3_500_000.0)]))
    error = refusal(shapes(parcel()), None, known=whole_province)
    assert error.code == "source.crs_undecided"
    assert {"EPSG:4549", "EPSG:4550"} <= set(error.params["fits"].split(", "))


def test_detect_takes_what_the_coordinates_tell_and_no_more():
    items = shapes(parcel(WEST, "EPSG:4528"), parcel(EAST, "EPSG:4529"))
    decision = decide(items, None, contract_crs="detect")
    assert decision.how == "coordinates"
    assert codes(decision) == ["crs.decided_by_coordinates", "crs.zones_mixed"]
    assert_lands(items, decision, (WEST, EAST))
    assert refusal(shapes(parcel()), None, contract_crs="detect").code == "source.no_crs"
    in_sinkiang = shapes(parcel((87.6, 43.8), "EPSG:4542"))
    moved = shapes(shapely.affinity.translate(in_sinkiang[0], 29_000_000, 0))
    assert refusal(moved, None, contract_crs="detect").code == "source.wrong_crs"
    # what the file says still holds
    assert decide(shapes(parcel()), "EPSG:4549", contract_crs="detect").how == "file"


def test_shapes_of_the_next_zone_without_number_are_set_aside():
    items = shapes(parcel(), parcel(EAST), parcel(EAST, "EPSG:4550"))
    for stated in ("EPSG:4549", None):
        decision = decide(items, stated, known=Known(TOWNSHIPS))
        placed = decision.place(items)
        assert placed.rule.tolist() == ["", "", "geometry.other_zone"]
        assert placed.zone.tolist()[2] == 41
        assert apart(placed.shapes[1], parcel(EAST)) < 2e-4


def test_a_stated_zone_that_only_another_one_explains_is_refused():
    items = shapes(parcel(), parcel(EAST))
    for county, known in (
        (COUNTY, Known(TOWNSHIPS)),
        (County("330299", "EPSG:4549", extent=EXTENT), None),
    ):
        error = refusal(items, "EPSG:4550", county, known=known)
        assert error.code == "source.other_zone"
        assert error.params["fits"] == "EPSG:4549"
    # land far from all that is held
    far = Known(np.array([(400_000.0, 3_170_000.0, 410_000.0, 3_180_000.0)]))
    assert refusal(items, "EPSG:4549", known=far).code == "source.wrong_crs"


# ---- Degrees and web maps ----------------------------------------------------------------------


def test_degrees_of_geojson_prove_no_datum():
    items = shapes(parcel(WEST, "EPSG:4490"))
    assert codes(decide(items, "EPSG:4326", is_default=True)) == ["crs.degrees_unproven"]
    assert codes(decide(items, "EPSG:4326")) == []
    # metres in a GeoJSON that names no CRS: the format's degrees are not what they are
    metres = shapes(parcel())
    assert refusal(metres, "EPSG:4326", is_default=True).code == "source.no_crs"
    known = Known(TOWNSHIPS)
    assert decide(metres, "EPSG:4326", is_default=True, known=known).label == "EPSG:4549"
    assert_lands(metres, decide(metres, "EPSG:4326", is_default=True, contract_crs="EPSG:4549"))
    # the contract's degrees are those of the file
    assert_lands(items, decide(items, "EPSG:4326", contract_crs="EPSG:4490"))


def test_a_contract_that_says_another_system_than_the_file_is_refused():
    items = shapes(parcel())
    assert refusal(items, "EPSG:4549", contract_crs="EPSG:4528").code == "source.other_crs"
    assert refusal(items, "EPSG:4549", contract_crs="GCJ-02").code == "source.other_crs"
    assert refusal(items, "EPSG:2385", contract_crs="EPSG:4549").code == "source.other_crs"


def test_web_maps_are_moved_back_when_the_contract_says_so():
    # 118 E 32 N moved by another program, see test_web_maps.py
    county = County("320199", "EPSG:4548")
    to_plane = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:4548", always_xy=True)
    expected = to_plane.transform(118.0, 32.0)
    gcj = shapely.Point(118.00543101383846, 31.997964381055795)
    for name, point in (
        ("GCJ-02", gcj),
        ("BD-09", shapely.Point(118.01198481069936, 32.00370423982076)),
    ):
        decision = decide(shapes(point), None, county, contract_crs=name)
        assert codes(decision) == ["crs.approximate"]
        placed = decision.place(shapes(point)).shapes[0]
        assert placed.distance(shapely.Point(expected)) < 0.02
        assert (
            decide(shapes(point), "EPSG:4326", county, contract_crs=name, is_default=True).label
            == name
        )
    assert "crs.approximate" not in codes(decide(shapes(gcj), "EPSG:4490", county))
    turned = shapely.Point(gcj.y, gcj.x)
    decision = decide(shapes(turned), None, county, contract_crs="GCJ-02")
    assert decision.place(shapes(turned)).shapes[0].distance(shapely.Point(expected)) < 0.02


def test_a_file_that_names_a_web_map_needs_the_contracts_word():
    text = pyproj.CRS(4326).to_wkt("WKT1_ESRI").replace("GCS_WGS_1984", "GCS_GCJ_02")
    assert refusal(shapes(parcel(WEST, "EPSG:4490")), text).code == "source.web_map"


# ---- The same land, held before ----------------------------------------------------------------


def village(count=300) -> np.ndarray:
    """Parcels of a village strewn without order, in the county's CRS."""
    strewn = np.random.default_rng(7).uniform(
        (638_000, 3_289_000), (639_500, 3_290_500), (count, 2)
    )
    return shapely.box(strewn[:, 0], strewn[:, 1], strewn[:, 0] + 20, strewn[:, 1] + 30)


def held(items) -> Known:
    bounds = shapely.bounds(items)
    return Known(TOWNSHIPS, (bounds[:, :2] + bounds[:, 2:]) / 2)


def test_a_layer_beside_the_land_that_is_held_is_told_by_its_offset():
    items = village()
    new = village(400)[300:]
    moved = shapely.transform(items, lambda xy: xy + np.array([117.3, -4.6]))
    # most parcels are the ones held, some are new
    mixed = np.concatenate([items[:250], new])
    assert codes(decide(mixed, "EPSG:4549", known=held(items))) == []
    assert "crs.on_held_land" in codes(decide(mixed, None, known=held(items)))
    decision = decide(moved, "EPSG:4549", known=held(items))
    assert codes(decision) == ["crs.beside_held_land"]
    params = decision.notes[0].params
    assert params["east"] == pytest.approx(117.3, abs=0.1)
    assert params["north"] == pytest.approx(-4.6, abs=0.1)
    assert refusal(moved, None, known=held(items)).code == "source.beside_held_land"
    taken = decide(items, None, known=held(items))
    assert codes(taken) == ["crs.decided_by_place", "crs.on_held_land"]


def test_web_map_degrees_without_a_word_are_told_by_the_land_that_is_held():
    items = village()
    to_degrees = pyproj.Transformer.from_crs("EPSG:4549", "EPSG:4490", always_xy=True)
    degrees = shapely.transform(items, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
    gcj = shapely.transform(degrees, gcj02_from_wgs84)
    assert codes(decide(degrees, "EPSG:4326", is_default=True, known=held(items))) == [
        "crs.on_held_land"
    ]
    error = refusal(gcj, "EPSG:4326", is_default=True, known=held(items))
    assert error.code == "source.beside_held_land"
    assert 300 < error.params["metres"] < 700
    declared = decide(gcj, None, contract_crs="GCJ-02", known=held(items))
    assert codes(declared) == ["crs.approximate"]


def test_other_land_and_land_in_rows_tell_nothing():
    strewn = np.random.default_rng(8).uniform((638_000, 3_289_000), (639_500, 3_290_500), (300, 2))
    others = shapely.box(strewn[:, 0], strewn[:, 1], strewn[:, 0] + 20, strewn[:, 1] + 30)
    assert decide(others, "EPSG:4549", known=held(village())).notes == ()
    x, y = (side.ravel() for side in np.meshgrid(np.arange(20), np.arange(20)))
    rows = shapely.box(638_000 + 20 * x, 3_289_000 + 20 * y, 638_018 + 20 * x, 3_289_018 + 20 * y)
    moved = shapely.transform(rows, lambda xy: xy + np.array([40.0, 0.0]))
    assert decide(moved, "EPSG:4549", known=held(rows)).notes == ()
    assert decide(village()[:10], "EPSG:4549", known=held(village())).notes == ()


# ---- Contracts and messages --------------------------------------------------------------------


def contract(**changes) -> Contract:
    return Contract(
        feed="parcel", title_zh="宗地", title_en="Parcels", office="land", files=("a",), key=(),
        columns={}, **changes,
    )  # fmt: skip


def test_a_contract_says_a_system_that_is_one():
    assert contract(crs="gcj02").crs == "GCJ-02"
    assert contract(crs="detect").crs == "detect"
    assert PointColumns(x=("x",), y=("y",), crs="bd-09").crs == "BD-09"
    for text in ("EPSG:454900", "CGCS 2000", ""):
        with pytest.raises(ValueError, match="no CRS"):
            contract(crs=text)
        with pytest.raises(ValueError, match="no CRS"):
            PointColumns(x=("x",), y=("y",), crs=text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_note_has_a_text_and_a_next_step(language):
    text = (ROOT / "config" / "messages" / f"feeds.{language}.toml").read_text(encoding="utf-8")
    texts = tomllib.loads(text)
    code = (ROOT / "pipeline" / "feeds" / "place.py").read_text(encoding="utf-8")
    notes = set(re.findall(r'Note\(\s*"(crs\.[a-z_]+)"', code))
    assert len(notes) == 8
    for note in (*notes, "crs.decided_by_place", "crs.decided_by_coordinates"):
        assert {note, f"{note}.next_step"} <= set(texts)


# ---- Real files --------------------------------------------------------------------------------


def test_real_counties_of_ningbo():
    text = real("ningbo-county-boundaries", "counties_gcj02.geojson").read_text(encoding="utf-8")
    counties = [
        shapely.from_geojson(json.dumps(f["geometry"])) for f in json.loads(text)["features"]
    ]
    items = shapes(*counties)
    plain = decide(items, "EPSG:4326", is_default=True)
    assert codes(plain) == ["crs.degrees_unproven"]
    declared = decide(items, "EPSG:4326", is_default=True, contract_crs="GCJ-02")
    offset = shapely.distance(
        shapely.centroid(plain.place(items).shapes), shapely.centroid(declared.place(items).shapes)
    )
    assert (offset > 300).all()
    assert (offset < 700).all()


def test_real_counties_of_anhui_without_prj():
    items = pyogrio.read_dataframe(
        real("gbk-shapefiles", "anhui_counties", "chinese_encoding.shp"), columns=[], encoding="GBK"
    ).geometry.to_numpy()
    county = County("340000", "EPSG:4548")
    assert refusal(items, None, county).params["candidates"] == "EPSG:4490"
    assert decide(items, None, county, contract_crs="detect").label == "EPSG:4490"
    known = Known(np.array([(250_000.0, 3_250_000.0, 750_000.0, 3_850_000.0)]))
    decision = decide(items, None, county, known=known)
    assert codes(decision) == ["crs.decided_by_place", "crs.degrees_unproven"]
    assert (decision.place(items).rule == "").all()


def test_real_lots_in_feet_and_in_degrees_lie_on_each_other():
    county = County("BK", "EPSG:32618")
    middles = []
    for parts, code in (
        (("lots_2263", "RH_asbuilt.shp"), "EPSG:2263"),
        (("lots", "pluto.shp"), "EPSG:4326"),
    ):
        path = real("link-nyc-redhook-dev", *parts)
        items = pyogrio.read_dataframe(path, columns=[]).geometry.to_numpy()
        decision = decide(items, read_prj(path), county)
        assert decision.label == code
        assert decision.notes == ()
        placed = decision.place(items)
        assert (placed.rule == "").all()
        middles.append(np.median(shapely.get_coordinates(shapely.centroid(placed.shapes)), axis=0))
    assert np.abs(middles[0] - middles[1]).max() < 30


def test_real_townships_of_taiwan():
    path = real("tw-hsinchu-factories-townships", "townships.geojson")
    items = pyogrio.read_dataframe(path, columns=[]).geometry.to_numpy()
    county = County("10004", "EPSG:3826")
    in_degrees = decide(items, "EPSG:4326", county, is_default=True).place(items).shapes
    for swap in (False, True):
        metres = shapely.transform(in_degrees, lambda xy, swap=swap: xy[:, ::-1] if swap else xy)
        decision = decide(metres, "EPSG:3826", county)
        assert codes(decision) == (["crs.axes_swapped"] if swap else [])
        placed = shapely.get_coordinates(decision.place(metres).shapes)
        assert np.abs(placed - shapely.get_coordinates(in_degrees)).max() < 2e-4
