"""The hand-drawn township: a full run gives what was worked out on paper.

``tests/data/township_answers.toml`` was filled in by hand. ``township`` is a database after a full
run on the files of ``write_township``, business date 2026-06-30, data year 2025.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest
from shapely import Polygon, union_all
from shapely.geometry import box
from sqlalchemy import text

from pipeline.demo import township as drawing

ANSWERS = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "township_answers.toml").read_text(encoding="utf-8"),
    parse_float=Decimal,
)
CENT = Decimal("0.01")
YEAR = 2025


def code(name):
    """Official code behind a short name of the answers; '', '#50', row 50, and 'F04', a drawing, stay."""
    codes = ANSWERS["codes"]
    if name == "" or name.startswith(("#", "F")):
        return name
    if name[1:2] == "-":
        return name[:2] + code(name[2:])
    if name in codes["enterprise"]:
        return codes["enterprise"][name]
    if name in codes["area"]:
        return codes["area"][name]
    if name[:1] in codes["parcel_prefix"]:
        return codes["parcel_prefix"][name[0]] + name[1:]
    if name[:1] in codes["patch_location"]:
        return codes["patch_location"][name[0]] + name[1:]
    raise AssertionError(f"no such short name: {name}")


def rows(section):
    """Rows of a section, as written."""
    return ANSWERS[section]["rows"]


def answers(section, key_columns):
    """Rows of a section as {key: other columns}, the key in official codes."""
    result = {
        tuple(code(name) for name in row[:key_columns]): tuple(row[key_columns:])
        for row in rows(section)
    }
    assert len(result) == len(rows(section)), f"a key stands twice in [{section}]"
    return result


def query(township, sql, **params):
    with township.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), params)]


def assert_areas(actual, expected):
    """The same keys, and each number equal to 0.01 m2."""
    assert sorted(actual) == sorted(expected)
    wrong = {
        key: (actual[key], expected[key])
        for key in expected
        if any(abs(a - e) > CENT for a, e in zip(actual[key], expected[key], strict=True))
    }
    assert wrong == {}


# ---- The drawing -------------------------------------------------------------------------------


def patch_polygons():
    for patch in drawing.PATCHES:
        polygon = box(*patch.place)
        yield polygon if patch.hole is None else polygon.difference(box(*patch.hole))


def test_patches_tile_the_drawing():
    polygons = list(patch_polygons())
    assert sum(p.area for p in polygons) == 1000 * 800
    assert union_all(polygons).equals(box(0, 0, 1000, 800))
    assert all(a.intersection(b).area == 0 for a, b in combinations(polygons, 2))


def test_only_two_parcels_overlap():
    places = {parcel.name: box(*parcel.place) for parcel in drawing.PARCELS}
    overlaps = {
        (a, b): places[a].intersection(places[b]).area
        for a, b in combinations(places, 2)
        if places[a].intersection(places[b]).area > 0
    }
    assert overlaps == {("P13", "P14"): 20 * 80}


def test_the_planted_rings_are_invalid():
    invalid = [p.name for p in drawing.PARCELS if p.ring and not Polygon(p.ring).is_valid]
    assert invalid == ["P29", "P30"]


def test_the_answers_name_the_drawing():
    codes = ANSWERS["codes"]["enterprise"]
    assert codes == {name: drawing.official_code(name) for name in codes}
    drawn = {firm.name for firm in (*drawing.FIRMS, drawing.NEW_FIRM)}
    assert set(codes) == drawn
    for parcel in drawing.PARCELS:
        assert code(parcel.name) == drawing.official_code(parcel.name)


def test_the_answers_add_up():
    parcels = {code(parcel.name): parcel for parcel in drawing.PARCELS}
    used, owned = {}, {}
    for (parcel, enterprise), (method, area) in answers("allocations", 2).items():
        used[parcel] = used.get(parcel, 0) + area
        if method not in {"rest", "conflict"}:
            owned[parcel, enterprise] = area
    for name, area in used.items():
        parcel = parcels[name]
        assert area == Decimal(parcel.official_m2 or box(*parcel.place).area)
    units = answers("units", 1).values()
    assert sum(area for *_, area, _ in units) == sum(owned.values())


def test_the_files_are_the_same_bytes_each_time(tmp_path):
    contents = []
    for name in ("first", "second"):
        drawing.write_township(tmp_path / name)
        drawing.write_second_night(tmp_path / name)
        contents.append(
            {
                str(path.relative_to(tmp_path / name)): path.read_bytes()
                for path in sorted((tmp_path / name).rglob("*"))
                if path.is_file()
            }
        )
    assert contents[0] == contents[1]
    assert not [path for path in contents[0] if path.endswith(".cpg")]


# ---- Files and records -------------------------------------------------------------------------


@pytest.mark.parametrize(("feed", "delivered", "records", "quarantined"), rows("feeds"), ids=str)
def test_rows_of_each_feed(township, feed, delivered, records, quarantined):
    counts = query(
        township,
        "SELECT sum(row_count), sum(kept_count + unchanged_count + quarantined_count),"
        " sum(quarantined_count) FROM ops.delivery WHERE feed = :feed",
        feed=feed,
    )
    assert counts == [(delivered, delivered, quarantined)]
    assert query(township, f'SELECT count(*) FROM core."{feed}" WHERE to_run IS NULL') == [
        (records,)
    ]


def test_indicators(township):
    assert query(township, "SELECT count(*) FROM core.indicator WHERE to_run IS NULL") == [
        (ANSWERS["indicators"]["records"],)
    ]
    for (enterprise,), (tax,) in answers("indicators", 1).items():
        found = query(
            township,
            "SELECT value FROM core.indicator WHERE to_run IS NULL AND enterprise_code = :e"
            " AND year = :year AND unit = 'yuan'",
            e=enterprise,
            year=YEAR,
        )
        assert found == [(tax,)]


def test_the_spike_is_repaired_and_the_bow_tie_is_out(township):
    found = query(
        township,
        "SELECT parcel_code, ST_IsValid(geom), plane_area_m2 FROM core.parcel"
        " WHERE to_run IS NULL AND parcel_code IN (:spike, :bow_tie)",
        spike=code("P29"),
        bow_tie=code("P30"),
    )
    assert found == [(code("P29"), True, 3200)]


def test_a_damaged_parcel_code_is_left_empty(township):
    found = query(
        township,
        "SELECT enterprise_code, parcel_code FROM core.enterprise"
        " WHERE to_run IS NULL AND enterprise_code IN (:letter_o, :unit_code) ORDER BY 1",
        letter_o=code("E52"),
        unit_code=code("E10"),
    )
    assert found == [(code("E10"), code("P05")), (code("E52"), None)]


# ---- Links, shares, units ----------------------------------------------------------------------


def test_links(township):
    found = query(
        township, "SELECT enterprise_code, parcel_code, role, stage, status FROM derived.link"
    )
    expected = [(code(e), code(p), *rest) for e, p, *rest in rows("links")]
    assert sorted(found) == sorted(expected)


def test_seats(township):
    found = query(
        township,
        "SELECT enterprise_code, seat_state,"
        " CASE seat_state WHEN 'linked' THEN parcel_code ELSE '' END FROM derived.seat",
    )
    expected = [(code(e), state, code(main)) for e, state, main in rows("seats")]
    assert sorted(found) == sorted(expected)


def test_township_of_parcels(township):
    expected = {p: (code(t), *rest) for (p,), (t, *rest) in answers("townships", 1).items()}
    found = query(
        township,
        "SELECT parcel_code, township_code, is_industrial, patch_area_m2"
        " FROM derived.parcel_township WHERE parcel_code = ANY (:parcels)",
        parcels=list(expected),
    )
    assert {p: tuple(rest) for p, *rest, _ in found} == {p: e[:2] for p, e in expected.items()}
    assert_areas({p: row[-1:] for p, *row in found}, {p: e[2:] for p, e in expected.items()})


def test_allocation(township):
    expected = answers("allocations", 2)
    found = query(
        township,
        "SELECT parcel_code, enterprise_code, method, allocated_m2 FROM derived.allocation"
        " WHERE parcel_code = ANY (:parcels) AND (enterprise_code <> '' OR allocated_m2 > 0)",
        parcels=sorted({parcel for parcel, _ in expected}),
    )
    assert {(p, e): method for p, e, method, _ in found} == {
        key: method for key, (method, _) in expected.items()
    }
    assert_areas(
        {(p, e): (area,) for p, e, _, area in found},
        {key: (area,) for key, (_, area) in expected.items()},
    )


def test_allocation_adds_up_to_each_parcel(township):
    wrong = query(
        township,
        "SELECT a.parcel_code FROM derived.allocation AS a"
        " JOIN core.parcel AS p ON p.parcel_code = a.parcel_code AND p.to_run IS NULL"
        " GROUP BY a.parcel_code, p.reference_area_m2"
        " HAVING sum(a.allocated_m2) <> p.reference_area_m2",
    )
    assert wrong == []


def test_units(township):
    expected = answers("units", 1)
    found = query(
        township,
        "SELECT unit_code, kind, eval_category, eval_state, eval_area_m2, member_count"
        " FROM derived.unit WHERE year = :year",
        year=YEAR,
    )
    assert {unit: (*words, count) for unit, *words, _, count in found} == {
        unit: (*words, len(members)) for (unit,), (*words, _, members) in expected.items()
    }
    assert_areas(
        {(unit,): (area,) for unit, *_, area, _ in found},
        {unit: (area,) for unit, (*_, area, _) in expected.items()},
    )


def test_members_of_units(township):
    expected = {
        unit: sorted(code(member) for member in members)
        for (unit,), (*_, members) in answers("units", 1).items()
    }
    found = query(
        township,
        "SELECT unit_code, array_agg(DISTINCT enterprise_code ORDER BY enterprise_code)"
        " FROM derived.unit_member WHERE year = :year AND enterprise_code <> ''"
        " GROUP BY unit_code",
        year=YEAR,
    )
    assert dict(found) == expected


def test_land_of_units(township):
    """Undivided land stands under no enterprise; divided land under its user."""
    land = answers("shared_land", 3)
    in_shared_unit = {(enterprise, parcel) for _, enterprise, parcel in land}
    for (parcel, enterprise), (_, area) in answers("allocations", 2).items():
        if enterprise and area and (enterprise, parcel) not in in_shared_unit:
            land[f"E-{enterprise}", enterprise, parcel] = (area,)
    found = query(
        township,
        "SELECT unit_code, enterprise_code, parcel_code, area_m2 FROM derived.unit_member"
        " WHERE year = :year AND area_m2 > 0",
        year=YEAR,
    )
    assert_areas({row[:3]: row[3:] for row in found}, land)


# ---- Coverage, grades, policies ----------------------------------------------------------------


def test_cover_of_patches(township):
    found = query(
        township,
        "SELECT patch_code, area_code, base_area_m2, linked_area_m2, evaluated_area_m2,"
        " transition_area_m2, covered_area_m2 FROM derived.patch_cover",
    )
    assert_areas({row[:2]: row[2:] for row in found}, answers("patches", 2))


def test_coverage(township):
    expected = answers("coverage", 1)
    found = query(
        township,
        "SELECT area_code, base_area_m2, linked_area_m2, evaluated_area_m2, transition_area_m2,"
        " covered_area_m2, coverage_ratio, strict_ratio, target_ratio"
        " FROM derived.township_coverage",
    )
    assert_areas(
        {row[:1]: row[1:6] for row in found}, {area: row[:5] for area, row in expected.items()}
    )
    for area, *_, ratio, strict, target in found:
        assert [round(ratio, 6), round(strict, 6)] == list(expected[area,][5:])
        assert (ratio >= target) == (area == code("T2"))


def test_patches_sum_to_the_assessment_units(township):
    """What the answers say of patches and of units is one sum, and so is what the run says."""
    sums = {}
    for (_, area), values in answers("patches", 2).items():
        before = sums.get((area,), (0,) * 5)
        sums[area,] = tuple(a + b for a, b in zip(before, values, strict=True))
    assert sums == {area: row[:5] for area, row in answers("coverage", 1).items()}
    found = query(
        township,
        "SELECT area_code, sum(base_area_m2), sum(linked_area_m2), sum(evaluated_area_m2),"
        " sum(transition_area_m2), sum(covered_area_m2) FROM derived.patch_cover"
        " GROUP BY area_code",
    )
    assert_areas({row[:1]: row[1:] for row in found}, sums)


def test_grades(township):
    found = query(
        township,
        "SELECT unit_code, grade FROM derived.grade WHERE year = :year AND source = 'official'",
        year=YEAR,
    )
    assert sorted(found) == sorted((code(unit), grade) for unit, grade in rows("grades"))


def test_electricity(township):
    found = query(
        township,
        "SELECT enterprise_code, account_no, unit_code, grade, match_state"
        " FROM derived.policy_electricity",
    )
    expected = [
        (code(e), account, code(unit), "D", state)
        for e, account, unit, state in rows("electricity")
    ]
    assert sorted(found) == sorted(expected)


# ---- Issues ------------------------------------------------------------------------------------


def test_issues_of_the_steps(township):
    found = query(
        township, "SELECT step, rule, subject_key FROM ops.issue WHERE delivery_id IS NULL"
    )
    expected = [(step, rule, code(subject)) for step, rule, subject in rows("step_issues")]
    assert sorted(found) == sorted(expected)


def test_issues_of_loading(township):
    found = query(
        township,
        "SELECT feed, rule, split_part(subject_key, '|', 1) FROM ops.issue"
        " WHERE delivery_id IS NOT NULL",
    )
    expected = [(feed, rule, code(subject)) for feed, rule, subject in rows("load_issues")]
    assert sorted(found) == sorted(expected)


def test_the_letter_o_comes_with_a_proposal(township):
    found = query(
        township,
        "SELECT value, params ->> 'proposal' FROM ops.issue"
        " WHERE rule = 'parcel.code' AND subject_key = :enterprise",
        enterprise=code("E52"),
    )
    assert found == [("3302990O1001GB00027", code("P27"))]
