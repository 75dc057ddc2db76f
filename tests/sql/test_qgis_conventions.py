"""What QGIS users expect of a PostGIS database; the numbers are those of the collected list."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text

from pipeline._paths import data_path
from pipeline.outputs.styles import write_styles
from pipeline.outputs.tables import read_codes, read_layers

LAYERS = list(read_layers())
SCHEMAS = ["raw", "core", "derived", "layers", "ops"]
# A codes list must hold at least what the CHECK of its column allows.
CHECKED = {
    ("layers", "parcel", "coverage_state"): "coverage_state",
    ("layers", "land_change", "change_kind"): "change_kind",
    ("layers", "enterprise_land", "geometry_kind"): "geometry_kind",
    ("derived", "seat", "seat_state"): "seat_state",
    ("derived", "allocation", "method"): "method",
    ("derived", "link", "role"): "role",
    ("derived", "unit", "kind"): "unit_kind",
    ("derived", "unit", "eval_category"): "eval_category",
    ("derived", "unit", "eval_state"): "eval_state",
    ("core", "parcel_lineage", "kind"): "lineage_kind",
    ("core", "patch_lineage", "kind"): "lineage_kind",
    ("ops", "issue", "severity"): "severity",
    ("ops", "delivery", "state"): "delivery_state",
}


@pytest.fixture
def ask(database):
    """A function that runs a query and returns its rows."""
    with database.connect() as connection:
        yield lambda query, **parameters: connection.execute(text(query), parameters).all()


def qml(name):
    path = data_path("gis_layers", f"{name}.qml")
    return ET.fromstring(path.read_text(encoding="utf-8"))


def test_q01_q16_one_typed_geometry(ask):
    found = ask(
        "SELECT f_table_name, f_geometry_column, type, srid FROM public.geometry_columns"
        " WHERE f_table_schema = 'layers' ORDER BY 1"
    )
    expected = [
        (name, "geom", layer.geometry.upper(), 4549) for name, layer in read_layers().items()
    ]
    assert found == sorted(expected)


def test_q03_one_integer_key(ask):
    found = ask(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attidentity
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indrelid
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indisprimary AND c.relnamespace = CAST('layers' AS regnamespace)
          AND c.relname <> 'publication'
        ORDER BY c.relname
        """
    )
    assert found == [(name, "fid", "integer", "a") for name in sorted(LAYERS)]


def test_q04_layers_are_tables(ask):
    assert ask(
        "SELECT DISTINCT table_type FROM information_schema.tables WHERE table_schema = 'layers'"
    ) == [("BASE TABLE",)]


def test_q06_spatial_index(ask):
    found = ask(
        "SELECT tablename FROM pg_indexes"
        " WHERE schemaname = 'layers' AND indexdef LIKE '%USING gist (geom)%' ORDER BY 1"
    )
    assert [row[0] for row in found] == sorted(LAYERS)


def test_q08_few_relations(ask):
    (count,) = ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'layers'")[
        0
    ]
    assert count <= 25


def test_q09_one_default_style_per_layer(database):
    with database.begin() as connection:
        write_styles(connection)
        found = connection.execute(
            text(
                "SELECT f_table_name, count(*) FROM public.layer_styles"
                " WHERE useasdefault AND f_table_schema = 'layers'"
                " AND f_geometry_column = 'geom' AND f_table_catalog = current_database()"
                " GROUP BY 1 ORDER BY 1"
            )
        ).all()
    assert found == [(name, 1) for name in sorted(LAYERS)]


def test_q11_alias_in_the_style_and_comment_in_the_database(ask):
    comments = {
        (table, column): comment
        for table, column, comment in ask(
            """
            SELECT c.relname, a.attname, col_description(c.oid, a.attnum)
            FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'layers'
            JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE c.relkind = 'r'
            """
        )
    }
    for name, layer in read_layers().items():
        aliases = {entry.get("field"): entry.get("name") for entry in qml(name).iter("alias")}
        for column, words in layer.columns.items():
            assert comments[name, column] == f"{words.alias_zh} {words.alias_en}"
            assert re.search(r"[\u4e00-\u9fff]", words.alias_zh)
            if column != "geom":
                assert aliases[column] == words.alias_zh


def test_q12_every_table_and_column_has_a_comment(ask):
    bare = ask(
        """
        SELECT n.nspname, c.relname, a.attname
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE n.nspname = ANY (:schemas) AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
          AND col_description(c.oid, a.attnum) IS NULL
        UNION
        SELECT n.nspname, c.relname, ''
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (:schemas) AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
          AND obj_description(c.oid, 'pg_class') IS NULL
        ORDER BY 1, 2, 3
        """,
        schemas=SCHEMAS,
    )
    assert bare == []


def test_q12_table_comments_are_the_titles(ask):
    found = dict(
        tuple(row)
        for row in ask(
            "SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class AS c"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'layers' AND c.relkind = 'r'"
        )
    )
    for name, layer in read_layers().items():
        assert found[name] == f"{layer.title_zh} {layer.title_en}"


def test_q13_value_lists_are_in_the_style_and_complete(ask):
    codes = read_codes()
    for name, layer in read_layers().items():
        widgets = {
            field.get("name"): field.find("editWidget")
            for field in qml(name).iter("field")
            if field.find("editWidget") is not None
        }
        for column, words in layer.columns.items():
            if words.values is None:
                continue
            assert widgets[column].get("type") == "ValueMap"
            entries = {
                option.get("name"): option.get("value")
                for option in widgets[column].iter("Option")
                if option.get("type") == "QString"
            }
            # two codes may carry one label, so labels are compared as pairs
            pairs = {
                (option.get("value"), option.get("name"))
                for option in widgets[column].iter("Option")
                if option.get("type") == "QString"
            }
            assert entries
            assert pairs == set(codes[words.values].items())
    for (schema, table, column), values in CHECKED.items():
        (definition,) = ask(
            """
            SELECT string_agg(pg_get_constraintdef(k.oid), ' ')
            FROM pg_constraint AS k
            JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
            WHERE k.contype = 'c' AND a.attname = :column
              AND k.conrelid = CAST(:table AS regclass)
            """,
            column=column,
            table=f"{schema}.{table}",
        )[0]
        allowed = set(re.findall(r"'(\w+)'", definition))
        assert allowed
        assert allowed <= set(codes[values]), (table, column)


def test_q14_only_plain_types(ask):
    found = {
        row[0]
        for row in ask(
            """
            SELECT DISTINCT format_type(a.atttypid, NULL)
            FROM pg_attribute AS a
            JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind = 'r'
            JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'layers'
            WHERE a.attnum > 0 AND NOT a.attisdropped
            """
        )
    }
    assert found <= {
        "integer",
        "bigint",
        "double precision",
        "text",
        "boolean",
        "date",
        "geometry",
    }


def test_q15_value_lists_are_short():
    assert all(len(values) <= 5000 for values in read_codes().values())


def test_q16_viewers_see_whole_tables(ask):
    for name in LAYERS:
        (right,) = ask(f"SELECT has_table_privilege('diqi_viewer', 'layers.{name}', 'SELECT')")[0]
        (more,) = ask(
            f"SELECT has_table_privilege('diqi_viewer', 'layers.{name}', 'INSERT, UPDATE, DELETE')"
        )[0]
        assert right
        assert not more


def test_q19_template_names_no_place():
    template = data_path("gis_layers", "project.qgs.in").read_text(encoding="utf-8")
    styles = [data_path("gis_layers", f"{name}.qml").read_text(encoding="utf-8") for name in LAYERS]
    for content in (template, *styles):
        assert not re.search(r"(?i)(user|password|host|dbname|saveDateTime)\w*=", content)
        assert not re.search(r"/(home|root|tmp|work|usr)/", content)
    assert "saveUser" not in template
    tree = ET.fromstring(template.replace("@EXTENT@", ""))
    assert tree.find("properties/Paths/Absolute").text == "false"
    assert tree.find("trust").get("active") == "1"


@pytest.mark.parametrize(
    "name", ["parcel", "industrial_patch", "enterprise_land", "evaluation_unit", "uncovered_land"]
)
def test_q23_detail_is_hidden_when_zoomed_out(name):
    style = qml(name)
    assert style.get("hasScaleBasedVisibilityFlag") == "1"
    assert float(style.get("minScale")) == 50000
    classes = {layer.get("class") for layer in style.find("renderer-v2").iter("layer")}
    assert classes == {"SimpleFill"}


def test_q24_plain_names(ask):
    names = ask(
        """
        SELECT c.relname FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (:schemas)
        UNION
        SELECT a.attname FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY (:schemas) AND a.attnum > 0 AND NOT a.attisdropped
        """,
        schemas=SCHEMAS,
    )
    odd = [name for (name,) in names if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)]
    assert odd == []


def test_styles_use_columns_that_exist():
    for name, layer in read_layers().items():
        used = qml(name).find("renderer-v2").get("attr", "")
        columns = re.findall(r'"(\w+)"', used) or [used]
        assert set(columns) <= set(layer.columns), name


def test_legends_are_chinese_and_complete():
    for name, layer in read_layers().items():
        renderer = qml(name).find("renderer-v2")
        labels = [
            entry.get("label") for entry in [*renderer.iter("category"), *renderer.iter("range")]
        ]
        assert labels, name
        assert all(re.search(r"[\u4e00-\u9fff]|\d+%", label) for label in labels), (name, labels)
        if renderer.get("type") != "categorizedSymbol":
            continue
        drawn = {entry.get("value") for entry in renderer.iter("category")}
        column = re.findall(r'"(\w+)"', renderer.get("attr")) or [renderer.get("attr")]
        known = set(read_codes()[layer.columns[column[-1]].values])
        # a code without a symbol would make its features invisible
        assert drawn >= known or "" in drawn, name


def test_codes_file_is_utf8_and_flat():
    codes = read_codes()
    assert json.loads(json.dumps(codes, ensure_ascii=False)) == codes
