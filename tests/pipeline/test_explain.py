"""``explain`` leads from the published figure back to rows that really stand in the files."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache

import openpyxl
import pyogrio
import pytest
from conftest import SECOND_NIGHT
from sqlalchemy import text

from pipeline.demo.township import official_code
from pipeline.domain.quantities import truncate_pct
from pipeline.errors import UsageError
from pipeline.explain import explain, render

AREAS = (
    "base_area_m2",
    "linked_area_m2",
    "evaluated_area_m2",
    "transition_area_m2",
    "covered_area_m2",
)
ISLAND = "33029900100100000000011"  # two parcels overlap on it
CUT = "33029900100200000000014"  # the zone takes half of it


def tell(engine, kind, key):
    """One story, as the command reads it."""
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        story = explain(connection, kind, key)
    assert json.loads(json.dumps(story, ensure_ascii=False)) == story
    assert '"geom"' not in json.dumps(story)
    return story


def one(engine, sql, **params):
    with engine.connect() as connection:
        return connection.execute(text(sql), params).mappings().one()


@cache
def lines_of(path, layer):
    """Lines of a delivered file as lists of text, the first at index 1."""
    if path.suffix == ".xlsx":
        lines = openpyxl.load_workbook(path)[layer].iter_rows(values_only=True)
    elif path.suffix == ".csv":
        encoding = "utf-8-sig" if path.stem == "用电户" else "gb18030"
        lines = (line.split(",") for line in path.read_text(encoding=encoding).splitlines())
    else:
        encoding = "GBK" if path.suffix == ".shp" else None
        lines = pyogrio.read_dataframe(path, layer=layer, encoding=encoding).to_numpy()
    return [[], *([str(value) for value in line] for line in lines)]


def delivered_row(workspace, source):
    """What stands in the file at the place that a source names, as text."""
    return lines_of(workspace / "inbox" / source["file"], source["layer"])[source["row_number"]]


@pytest.fixture(scope="session")
def workspace(township_template):
    """The folder whose inbox the township was loaded from."""
    return township_template[0]


# ---- An enterprise that only its certificate places ---------------------------------------------


def test_the_chain_of_a_certificate_link_ends_in_the_files(township, workspace):
    code, parcel = official_code("E27"), official_code("P20")
    story = tell(township, "enterprise", code)

    source = story["record"]["source"]
    assert source["file"].endswith("企业名录.xlsx")
    assert {code, "青岚溪畔智能装备有限公司"} <= set(delivered_row(workspace, source))

    (link,) = story["links"]
    assert (link["parcel_code"], link["stage"], link["status"]) == (
        parcel,
        "registry_certificate",
        "accepted",
    )
    (right,) = link["evidence"]
    assert right["feed"] == "right"
    assert {parcel, "浙(2021)青岚县 不动产权第 20 号"} <= set(
        delivered_row(workspace, right["source"])
    )
    (share,) = story["allocation"]
    assert share["allocated_m2"] == "2400.0000"
    assert parcel in delivered_row(workspace, share["parcel_source"])

    (unit,) = story["units"]
    for record in (*unit["scores"], *unit["indicators"]):
        assert code in delivered_row(workspace, record["source"])
    assert {record["values"]["indicator"] for record in unit["indicators"]} == {
        "tax",
        "electricity",
    }
    assert story["published"]["enterprise"]["unit_code"] == unit["unit_code"]
    assert story["publication"]["run_id"] == 1


def test_an_enterprise_is_found_by_its_name(township):
    assert tell(township, "enterprise", " 青岚溪畔智能装备有限公司 ")["key"] == official_code("E27")


def test_a_name_that_two_bear_is_refused(township):
    with pytest.raises(UsageError) as raised:
        tell(township, "enterprise", "青岚同舟五金厂")
    assert raised.value.code == "explain.not_unique"
    assert official_code("E32") in raised.value.params["codes"]


@pytest.mark.parametrize("kind", ["enterprise", "parcel", "township", "patch"])
def test_what_is_not_held_is_not_found(township, kind):
    with pytest.raises(UsageError) as raised:
        tell(township, kind, "no such key")
    assert (raised.value.code, raised.value.params) == (
        "explain.not_found",
        {"kind": kind, "key": "no such key"},
    )


def test_evidence_that_was_not_chosen_says_why(township):
    story = tell(township, "enterprise", official_code("E01"))
    assert {(row["stage"], row["outcome"]) for row in story["other_candidates"]} == {
        ("registry_parcel", "role_known"),
        ("registry_certificate", "role_known"),
    }
    drawn = tell(township, "enterprise", official_code("E33"))
    assert [row["outcome"] for row in drawn["other_candidates"]] == ["does_not_decide"]
    (link,) = drawn["links"]
    assert (link["runner_up_score"], link["gap"]) == ("0.2200", "0.6800")
    assert [record["values"]["footprint_code"] for record in link["evidence"]] == ["F04"]


def test_each_link_of_the_township_has_its_evidence(township, workspace):
    with township.connect() as connection:
        codes = list(connection.execute(text("SELECT enterprise_code FROM derived.seat")).scalars())
        stories = [explain(connection, "enterprise", code) for code in codes]
    links = [link for story in stories for link in story["links"]]
    assert len(links) == one(township, "SELECT count(*) AS n FROM derived.link")["n"]
    for link in links:
        assert len(link["evidence"]) == len(link["evidence_keys"]), link
        for record in link["evidence"]:
            row = delivered_row(workspace, record["source"])
            named = {link["parcel_code"], link["enterprise_code"], link["enterprise_name"]}
            is_named = any(value[:19] in named for value in row) or bool(named & set(row))
            assert is_named, (link, row)
    for story in stories:
        assert render(story).startswith("企业 Enterprise ")


def test_the_words_of_an_enterprise(township):
    page = render(tell(township, "enterprise", official_code("E27")))
    assert "名录中的不动产权证号 certificate number in the registry" in page
    assert "企业名录.xlsx › 企业名录 · 行 row 30" in page
    assert "{" not in page


# ---- Parcels ------------------------------------------------------------------------------------


def test_a_shared_parcel(township, workspace):
    parcel = official_code("P03")
    story = tell(township, "parcel", parcel)
    shares = {
        row["enterprise_code"]: (row["method"], Decimal(row["allocated_m2"]))
        for row in story["allocation"]
    }
    assert shares == {
        official_code("E04"): ("remainder", Decimal(5000)),
        official_code("E05"): ("signed", Decimal(3000)),
        official_code("E06"): ("signed", Decimal(1000)),
        "": ("rest", Decimal(0)),
    }
    assert Decimal(story["conservation"]["difference_m2"]) == 0
    assert story["conservation"]["sum_m2"] == "9000.0000"
    leases = {
        record["values"]["lease_no"]: record
        for row in story["allocation"]
        for record in row["evidence"]
        if record["feed"] == "lease"
    }
    assert set(leases) == {"ZL-002", "ZL-003"}
    for number, record in leases.items():
        assert {number, parcel} <= set(delivered_row(workspace, record["source"]))
    assert {unit["unit_code"] for unit in story["units"]} == {
        f"E-{official_code(name)}" for name in ("E04", "E05", "E06")
    }
    assert story["published"]["parcel"]["coverage_state"] == "evaluated"
    assert story["township"]["reason"] == "largest_industrial_area"
    for piece in story["pieces"]:
        assert piece["patch"]["values"]["location_code"] in delivered_row(
            workspace, piece["patch"]["source"]
        )


def test_a_parcel_with_a_finding(township):
    story = tell(township, "parcel", official_code("J03"))
    assert "allocation.conflict" in {issue["rule"] for issue in story["issues"]}
    page = render(story)
    assert "合同面积相互冲突" in page
    assert "ZL-009" in page


def test_a_parcel_that_became_history(make_township):
    mine = make_township()
    mine.second_night()
    mine.run(SECOND_NIGHT)
    story = tell(mine.engine, "parcel", official_code("P35"))
    assert story["record"] is None
    assert story["closed_by"] == {"run_id": 2, "as_of": SECOND_NIGHT.isoformat()}
    assert {row["new_parcel_code"] for row in story["lineage"]["successors"]} == {
        official_code("P37"),
        official_code("P38"),
    }
    assert "已由第 2 次运行" in render(story)
    new = tell(mine.engine, "parcel", official_code("P37"))
    assert [row["old_parcel_code"] for row in new["lineage"]["predecessors"]] == [
        official_code("P35")
    ]
    renamed = tell(mine.engine, "enterprise", official_code("E08"))
    assert [row["values"]["name"] for row in renamed["earlier"]] == ["青岚汀白服饰有限公司"]
    assert [(row["event"], row["run_id"]) for row in renamed["events"]] == [
        ("entered", 1),
        ("renamed", 2),
    ]
    assert "更名" in render(renamed)
    left = tell(mine.engine, "enterprise", official_code("E40"))
    assert [(row["event"], row["run_id"]) for row in left["events"]] == [
        ("entered", 1),
        ("left", 2),
    ]
    gone = tell(mine.engine, "enterprise", official_code("E40"))
    assert gone["record"] is None
    assert gone["seat"] is None
    assert render(gone)


def test_lineage_is_walked_over_several_runs(database):
    rows = [("A", "B", 2, "split"), ("A", "C", 2, "split"), ("C", "D", 3, "renumbered")]
    with database.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO ops.delivery (feed, data_date, content_hash, contract_hash, file, layer)"
                " VALUES ('parcel', '2026-06-30', 'c', 'c', 'ZD.shp', 'ZD')"
            )
        )
        for code, first, last in (("A", 1, 2), ("B", 2, None), ("C", 2, 3), ("D", 3, None)):
            connection.execute(
                text(
                    "INSERT INTO core.parcel (row_hash, parcel_code, geom, plane_area_m2,"
                    " reference_area_m2, reference_area, record_key, delivery_id, row_number,"
                    " from_run, to_run) SELECT '\\x00', :code, ST_GeomFromText("
                    "'MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)))', Find_SRID('core', 'parcel', 'geom')),"
                    " 1, 1, 'plane', :code, delivery_id, 1, :first, :last FROM ops.delivery"
                ),
                {"code": code, "first": first, "last": last},
            )
        for old, new, run, kind in rows:
            connection.execute(
                text(
                    "INSERT INTO core.parcel_lineage VALUES"
                    " (:old, :new, :run, :kind, 0.5, 1, '2026-06-30', 1)"
                ),
                {"old": old, "new": new, "run": run, "kind": kind},
            )
        forward = explain(connection, "parcel", "A")["lineage"]
        back = explain(connection, "parcel", "D")["lineage"]
        unpublished = render(explain(connection, "parcel", "D"))
    assert [(row["new_parcel_code"], row["steps"]) for row in forward["successors"]] == [
        ("B", 1),
        ("C", 1),
        ("D", 2),
    ]
    assert [(row["old_parcel_code"], row["steps"]) for row in back["predecessors"]] == [
        ("C", 1),
        ("A", 2),
    ]
    assert "尚未发布" in unpublished


# ---- Townships and patches ----------------------------------------------------------------------


@pytest.mark.parametrize("code", ["330299001", "330299002", "330299401"])
def test_a_township_shows_the_figures_of_the_table(township, code):
    story = tell(township, "township", code)
    row = one(township, "SELECT * FROM derived.township_coverage WHERE area_code = :c", c=code)
    page = render(story)
    for name in (*AREAS, "coverage_ratio", "strict_ratio", "target_ratio", "gap_m2"):
        assert story["coverage"][name] == f"{row[name]:f}"
        assert f": {row[name]:f}\n" in page
    for name in (column for column in row if column.startswith("count_")):
        assert story["coverage"][name] == row[name]
    assert story["coverage"]["coverage_pct"] == truncate_pct(row["coverage_ratio"])
    assert Decimal(story["coverage"]["gap_mu"]) == row["gap_m2"] * 3 / 2000
    assert story["coverage"]["is_target_met"] == (row["coverage_ratio"] >= row["target_ratio"])

    with township.connect() as connection:
        patches = connection.execute(
            text("SELECT * FROM derived.patch_cover WHERE area_code = :c"), {"c": code}
        ).mappings()
        expected = {
            patch["patch_code"]: [f"{patch[name]:f}" for name in AREAS] for patch in patches
        }
    lines = [line.strip() for line in page.splitlines()]
    for patch in story["patches"]:
        assert [patch[name] for name in AREAS] == expected.pop(patch["patch_code"])
        assert " | ".join([patch["patch_code"], *(patch[name] for name in AREAS)]) in lines
    assert expected == {}
    assert story["sums"]["is_equal"]
    assert [story["sums"][name] for name in AREAS] == [f"{row[name]:f}" for name in AREAS]
    assert story["history"][-1]["covered_area_m2"] == f"{row['covered_area_m2']:f}"


def test_a_township_by_its_name(township, workspace):
    story = tell(township, "township", "云溪镇")
    assert story["key"] == "330299001"
    assert "云溪镇" in delivered_row(workspace, story["record"]["source"])
    areas = [Decimal(row["area_m2"]) for row in story["uncovered_land"]]
    assert len(areas) == 10
    assert areas == sorted(areas, reverse=True)
    for patch in story["patches"]:
        row = delivered_row(workspace, patch["source"])
        assert {patch["patch_code"][:19], patch["patch_code"][19:]} <= set(row)


def test_a_patch_with_an_overlap(township):
    story = tell(township, "patch", ISLAND)
    (overlap,) = story["overlaps"]
    assert (overlap["parcel_code"], overlap["other_parcel_code"]) == (
        official_code("P13"),
        official_code("P14"),
    )
    assert abs(Decimal(overlap["area_m2"]) - 1600) < Decimal("0.01")
    for row in story["sums"]:
        assert abs(Decimal(row["difference_m2"])) < Decimal("0.01")
    evaluated = next(row for row in story["sums"] if row["state"] == "evaluated")
    assert abs(Decimal(evaluated["overlaps_m2"]) - 800) < Decimal("0.01")
    assert "只按较大份额计一次" in render(story)


def test_a_patch_that_a_zone_cuts(township, workspace):
    story = tell(township, "patch", CUT)
    assert [row["area_code"] for row in story["parts"]] == ["330299001", "330299401"]
    assert sum(Decimal(row["base_area_m2"]) for row in story["parts"]) == Decimal(
        story["areas"]["counted_m2"]
    )
    for row in story["sums"]:
        assert abs(Decimal(row["difference_m2"])) < Decimal("0.01")
    assert "0014" in delivered_row(workspace, story["record"]["source"])
    assert render(story)


def test_every_patch_adds_up(township):
    with township.connect() as connection:
        codes = list(
            connection.execute(
                text("SELECT DISTINCT patch_code FROM derived.patch_cover")
            ).scalars()
        )
        for code in codes:
            story = explain(connection, "patch", code)
            assert len(story["sums"]) == 4
            for row in story["sums"]:
                assert abs(Decimal(row["difference_m2"])) < Decimal("0.01"), (code, row)


# ---- What people entered ------------------------------------------------------------------------


def test_decisions_and_corrections_are_named(make_township):
    mine = make_township()
    enterprise, parcel = official_code("E55"), official_code("P27")
    with mine.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO core.decision (kind, enterprise_code, parcel_code, role, reason, author)"
                " VALUES ('accept_link', :e, :p, 'operator', '现场核实', '李四')"
            ),
            {"e": enterprise, "p": parcel},
        )
        connection.execute(
            text(
                "INSERT INTO core.correction (feed, key, field, expected_value, new_value, reason,"
                " author, content_hash) SELECT 'enterprise', record_key, 'industry_code',"
                " industry_code, '3999', '填报有误', '张三', 'h' FROM core.enterprise"
                " WHERE enterprise_code = :e AND to_run IS NULL"
            ),
            {"e": enterprise},
        )
    mine.run(SECOND_NIGHT)
    story = tell(mine.engine, "enterprise", enterprise)
    (link,) = story["links"]
    assert (link["stage"], link["status"]) == ("decision", "accepted")
    assert [record["values"]["author"] for record in link["evidence"]] == ["李四"]
    assert {row["outcome"] for row in story["other_candidates"]} == {"decided_by_person"}
    assert story["record"]["values"]["industry_code"] == "3999"
    assert [fix["author"] for fix in story["record"]["corrections"]] == ["张三"]
    page = render(story)
    assert "现场核实" in page
    assert "填报有误" in page
