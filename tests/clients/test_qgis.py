"""A real QGIS opens the database, the GeoPackage and both projects, and draws them."""

import json
import os
import re
import shutil
import subprocess
import uuid
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from conftest import SECOND_NIGHT
from sqlalchemy import text

from pipeline._paths import data_path
from pipeline.demo.township import official_code
from pipeline.domain.quantities import truncate_pct
from pipeline.outputs.geopackage import write_geopackage
from pipeline.outputs.project import layer_extent, write_projects
from pipeline.outputs.styles import write_styles
from pipeline.outputs.tables import layer_srid, read_layers

pytestmark = pytest.mark.clients

SYSTEM_PYTHON = "/usr/bin/python3"
PROBE = Path(__file__).with_name("qgis_probe.py")
LAYERS = list(read_layers())
KINDS = ["service", "host", "file"]
# Layers that a township after its first run cannot lack.
NEVER_EMPTY = {"parcel", "enterprise", "industrial_patch", "township_coverage"}
# Background, one fill, one border.
BLANK_COLOURS = 3


def run_qgis(*arguments, timeout=240, **environment):
    """Run a script with the system's Python, which has QGIS, without a screen."""
    return subprocess.run(
        ["timeout", str(timeout), SYSTEM_PYTHON, *map(str, arguments)],
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": ""} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def has_qgis():
    """Skip where QGIS is absent; in CI that is a failure."""
    found = run_qgis("-c", "import qgis.core", timeout=60)
    if found.returncode != 0:
        reason = f"python3-qgis is not installed: {found.stderr.strip()[-200:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def counts(township):
    """Rows, and rows with geometry, of each layer."""
    with township.connect() as connection:
        return {
            name: tuple(
                connection.execute(text(f"SELECT count(*), count(geom) FROM layers.{name}")).one()
            )
            for name in LAYERS
        }


@pytest.fixture(scope="module")
def answer(has_qgis, township, tmp_path_factory):
    """What QGIS says about everything; the pictures lie in out/."""
    folder = tmp_path_factory.mktemp("qgis")
    out = folder / "out"
    with township.begin() as connection:
        write_styles(connection)
        srid = layer_srid(connection)
        write_geopackage(connection, out / "diqi.gpkg")
        projects = write_projects(srid, "云河县地企融合", out, layer_extent(connection))
        info = connection.connection.driver_connection.info
        server = {
            "host": info.host,
            "port": str(info.port),
            "dbname": info.dbname,
            "user": info.user,
            "password": info.password,
        }
    service = folder / "pg_service.conf"
    lines = [f"{key}={value}" for key, value in server.items() if value]
    service.write_text("\n".join(["[diqi]", *lines]) + "\n")
    sources = {}
    for name in LAYERS:
        table = f'key=\'fid\' table="layers"."{name}" (geom)'
        host = " ".join(f"{key}='{value}'" for key, value in server.items() if value)
        sources[f"service/{name}"] = {"provider": "postgres", "uri": f"service='diqi' {table}"}
        sources[f"host/{name}"] = {"provider": "postgres", "uri": f"{host} {table}"}
        sources[f"file/{name}"] = {"provider": "ogr", "uri": f"{out}/diqi.gpkg|layername={name}"}
    request = folder / "request.json"
    request.write_text(
        json.dumps(
            {"sources": sources, "projects": [str(path) for path in projects], "out": str(out)}
        )
    )
    # A home of its own: a fresh profile, as a new user has it.
    done = run_qgis(PROBE, request, PGSERVICEFILE=str(service), HOME=str(folder))
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def check_layer(name, found, count):
    layer = read_layers()[name]
    assert found["valid"], found
    rows, with_geometry = count
    assert found["features"] == rows
    assert found["crs"] == "EPSG:4549"
    assert found["key"] == ["fid"]
    # the style came by itself
    assert found["renderer"] in {"categorizedSymbol", "graduatedSymbol"}
    assert set(found["used"]) & set(layer.columns)
    assert all(re.search(r"[\u4e00-\u9fff]|\d+%", label) for label in found["legend"])
    for column, words in layer.columns.items():
        if column != "geom":
            assert found["aliases"][column] == words.alias_zh
    assert set(found["value_maps"]) == {
        column for column, words in layer.columns.items() if words.values is not None
    }
    assert found["read_only"]
    if with_geometry:
        assert found["colours"] > BLANK_COLOURS


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", KINDS)
def test_layer_opens_styled(answer, counts, kind, name):
    check_layer(name, answer["layers"][f"{kind}/{name}"], counts[name])


def test_township_has_rows_to_show(counts):
    assert {name for name, (rows, _) in counts.items() if rows} >= NEVER_EMPTY


@pytest.mark.parametrize("name", LAYERS)
def test_database_comments_are_seen(answer, name):
    comments = answer["layers"][f"service/{name}"]["comments"]
    for column, words in read_layers()[name].columns.items():
        if column != "geom":
            assert comments[column] == f"{words.alias_zh} {words.alias_en}"


@pytest.mark.parametrize("project", ["diqi.qgz", "diqi-gpkg.qgz", "diqi-review.qgz"])
def test_project_opens_and_draws(answer, counts, project):
    found = answer["projects"][project]
    assert found["read"]
    assert found["title"] == "云河县地企融合"
    assert found["crs"] == "EPSG:4549"
    assert set(found["layers"]) == set(LAYERS)
    forms = ["correction", "decision"] if project == "diqi-review.qgz" else []
    assert sorted(found["forms"]) == forms
    for name, layer in found["layers"].items():
        check_layer(name, layer, counts[name])
    assert len(found["themes"]) == 6
    for theme, entry in found["themes"].items():
        assert entry["layers"], theme
        if all(counts[name][1] for name in entry["layers"][:1]):
            assert entry["colours"] > BLANK_COLOURS, theme
    assert found["first_view"] > BLANK_COLOURS


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_target_reaches_it(answer, kind):
    classes = answer["layers"][f"{kind}/township_coverage"]["classes"]
    assert "未达标" in classes["0.69996"]
    assert "达标" in classes["0.7"]
    assert "未达标" not in classes["0.7"]
    assert classes["0.70004"] == classes["0.7"]
    assert "无工业用地" in classes["-1.0"]


def test_label_cuts_the_ratio_off(answer, township):
    texts = answer["layers"]["service/township_coverage"]["label_texts"]
    with township.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT l.fid, l.name, d.coverage_ratio FROM layers.township_coverage AS l"
                " JOIN derived.township_coverage AS d ON d.area_code = l.township_code"
            )
        ).all()
    assert rows
    for fid, name, ratio in rows:
        expected = name
        if ratio is not None:
            expected += "\n" + truncate_pct(Decimal(ratio)).replace(" ", "")
        assert texts[str(fid)] == expected


def test_committed_styles_are_what_qgis_writes(has_qgis, tmp_path):
    version = run_qgis("-c", "from qgis.core import Qgis; print(Qgis.QGIS_VERSION)")
    if not version.stdout.startswith("3.22."):
        pytest.skip(f"styles are built with QGIS 3.22, this is {version.stdout.strip()}")
    copy = tmp_path / "gis_layers"
    shutil.copytree(data_path("gis_layers"), copy)
    for path in [*copy.glob("*.qml"), copy / "project.qgs.in"]:
        path.unlink()
    done = run_qgis(copy / "build_styles.py", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    for name in [*(f"{layer}.qml" for layer in LAYERS), "project.qgs.in"]:
        committed = data_path("gis_layers", name).read_text(encoding="utf-8")
        assert (copy / name).read_text(encoding="utf-8") == committed, f"run make styles: {name}"


@pytest.fixture
def reviewer(make_township):
    """A township, and the login of somebody who may enter corrections and no more."""
    township = make_township()
    info = psycopg.conninfo.conninfo_to_dict(township.dsn)
    name = f"reviewer_{uuid.uuid4().hex[:8]}"
    admin = psycopg.conninfo.make_conninfo(township.dsn, user="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE diqi_reviewer")
        # the test's own login takes that person's rights
        connection.execute(f"GRANT {name} TO {info['user']}")
        connection.execute(f"GRANT CONNECT ON DATABASE {info['dbname']} TO {name}")
    yield township, {**info, "options": f"-c role={name}"}
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


def test_corrections_are_filled_in_in_qgis(has_qgis, reviewer, tmp_path):
    """With the rights of a reviewer: a good line is saved, a bad one is refused with a reason."""
    township, login = reviewer
    write_projects(4549, "云河县地企融合", tmp_path)
    service = tmp_path / "pg_service.conf"
    service.write_text("\n".join(["[diqi]", *(f"{k}={v}" for k, v in login.items() if v)]) + "\n")
    parcel = official_code("P01")
    good = {"feed": "parcel", "key": parcel, "field": "official_area_m2", "new_value": "6100"}
    rows = [
        {**good, "reason": "复测", "author": "云溪镇"},
        {**good, "key": "330299001001GB99999", "reason": "复测"},
        {**good, "new_value": "很多", "reason": "复测"},
        good,
    ]
    request = tmp_path / "rows.json"
    request.write_text(json.dumps(rows), encoding="utf-8")
    probe = PROBE.with_name("correction_probe.py")
    done = run_qgis(
        probe, tmp_path / "diqi-review.qgz", request, PGSERVICEFILE=str(service), HOME=str(tmp_path)
    )
    assert done.stdout.strip(), done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["valid"], done.stderr[-1500:]
    assert not answer["read_only"]
    assert answer["aliases"]["new_value"] == "更正值"
    assert [row["saved"] for row in answer["rows"]] == [True, False, False, False], answer
    assert "没有主键" in answer["rows"][1]["said"]
    assert "不能作为字段" in answer["rows"][2]["said"]
    # and nobody deletes what was entered
    with township.engine.connect() as connection:
        entered = connection.execute(text("SELECT key, author FROM core.correction")).all()
    assert [tuple(row) for row in entered] == [(parcel, "云溪镇")]
    township.run(SECOND_NIGHT)
    with township.engine.connect() as connection:
        area = connection.execute(
            text(
                "SELECT official_area_m2 FROM core.parcel WHERE parcel_code = :c AND to_run IS NULL"
            ),
            {"c": parcel},
        ).scalar_one()
    assert area == 6100


def test_questions_are_decided_in_qgis(has_qgis, reviewer, tmp_path):
    """In the sub-form of a question, with the rights of a reviewer: the database fills in the rest."""
    township, login = reviewer
    write_projects(4549, "云河县地企融合", tmp_path)
    service = tmp_path / "pg_service.conf"
    service.write_text("\n".join(["[diqi]", *(f"{k}={v}" for k, v in login.items() if v)]) + "\n")
    rows = [
        {"reason": "现场核实"},
        {"kind": "reject_link", "parcel_code": official_code("P01"), "reason": "不是它"},
        {"enterprise_code": "nobody", "reason": "?"},
        {},
    ]
    request = tmp_path / "rows.json"
    request.write_text(json.dumps(rows), encoding="utf-8")
    probe = PROBE.with_name("decision_probe.py")
    done = run_qgis(
        probe, tmp_path / "diqi-review.qgz", request, PGSERVICEFILE=str(service), HOME=str(tmp_path)
    )
    assert done.stdout.strip(), done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["valid"], done.stderr[-1500:]
    assert answer["relation"]
    assert answer["of"] == ["diqi_review_queue_decision"]
    # below a question that nobody may change stand lines that may be added
    shown = {"relation": "diqi_review_queue_decision", "can_edit": True}
    assert answer["sub_forms"] == [shown]
    assert answer["read_only"] == [False, True]
    assert answer["aliases"]["reason"] == "理由"
    assert [answer["widgets"][name] for name in ("kind", "role", "evidence")] == [
        "ValueMap",
        "ValueMap",
        "Hidden",
    ]
    assert [row["saved"] for row in answer["rows"]] == [True, True, False, False], answer
    assert "没有现行的企业 nobody" in answer["rows"][2]["said"]
    # enterprise, parcel and kind of the first came from the question above it
    question, author = answer["question"], answer["sub_form"][0]["author"]
    assert answer["sub_form"] == [
        {"kind": "accept_link", **question, "author": author},
        {
            "kind": "reject_link",
            "enterprise_code": question["enterprise_code"],
            "parcel_code": official_code("P01"),
            "author": author,
        },
    ]
    with township.engine.connect() as connection:
        entered = connection.execute(
            text(
                "SELECT author = session_user, evidence = derived.evidence_of(enterprise_code),"
                " evidence_hash = md5(evidence::text) FROM core.decision"
            )
        ).all()
    assert [tuple(row) for row in entered] == [(True, True, True)] * 2
    township.run(SECOND_NIGHT)
    with township.engine.connect() as connection:
        status = connection.execute(
            text(
                "SELECT status FROM derived.link"
                " WHERE enterprise_code = :enterprise_code AND parcel_code = :parcel_code"
            ),
            question,
        ).scalar_one()
    assert status == "accepted"
