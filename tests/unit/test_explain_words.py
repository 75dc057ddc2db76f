"""Every code that the steps can write into a row has words in both languages."""

import re
import tomllib

import pytest

from pipeline._paths import data_path
from pipeline.domain.linking import MISSING, PARTS, REASONS, STAGES
from pipeline.explain.links import EVIDENCE
from pipeline.explain.page import WORDS, word
from pipeline.feeds.contracts import load_contracts
from pipeline.messages import catalogue
from pipeline.steps import STEPS

STEP_NAMES = {step.name for step in STEPS}

# The list of words for each column that a CHECK closes; None: explain never shows it.
CHECKED = {
    ("core.correction", "feed"): "feed",
    # a sentence for each: explain.answer_*
    ("core.correction_answer", "answer"): None,
    ("core.decision", "kind"): "decision_kind",
    ("core.decision", "role"): "role",
    ("core.evaluation_decision", "kind"): "evaluation_decision_kind",
    # told by diqi round, in words of its own
    ("core.issued_member", "list"): None,
    ("core.issued_unit", "grade_source"): "grade_source",
    ("core.round_act", "kind"): None,
    # explain shows the enterprise alone
    ("core.footprint_lineage", "kind"): None,
    ("core.parcel_lineage", "kind"): "lineage_kind",
    ("core.patch_lineage", "kind"): "lineage_kind",
    ("core.verification", "answer"): None,
    ("derived.allocation", "method"): "method",
    ("derived.benchmark", "kind"): "standard_kind",
    ("derived.enterprise_name", "kind"): None,
    ("derived.enterprise_township", "source"): "township_source",
    ("derived.grade", "source"): "grade_source",
    ("derived.link", "role"): "role",
    ("derived.link", "status"): "link_status",
    ("derived.link_candidate", "role"): "role",
    ("derived.parcel_successor", "follow"): "follow",
    ("derived.place", "kind"): None,
    ("derived.policy_electricity", "match_state"): "match_state",
    ("derived.policy_use", "state"): "use_state",
    ("derived.seat", "seat_state"): "seat_state",
    ("derived.transition", "takes"): "transition_takes",
    ("derived.unit", "eval_category"): "eval_category",
    ("derived.unit", "eval_state"): "eval_state",
    ("derived.unit", "kind"): "unit_kind",
    ("layers.enterprise_land", "geometry_kind"): "geometry_kind",
    ("layers.land_change", "change_kind"): None,
    ("layers.parcel", "coverage_state"): "coverage_state",
    ("ops.delivered", "outcome"): None,
    ("ops.delivery", "state"): "delivery_state",
    ("ops.issue", "severity"): "severity",
    ("ops.run", "result"): None,
}
# The list for each output column that a step fills with literals, by the file that does.
FILLED = {
    ("allocation.sql", "method"): "method",
    ("address_match.sql", "reason"): "reason",
    ("enterprise_land.sql", "geometry_kind"): "geometry_kind",
    ("enterprise_township.sql", "source"): "township_source",
    ("link.sql", "reason"): "reason",
    ("link.sql", "status"): "link_status",
    ("link_candidate.sql", "address"): "part",
    ("link_candidate.sql", "lease"): "part",
    ("link_candidate.sql", "more"): "part",
    ("link_candidate.sql", "name"): "part",
    ("link_candidate.sql", "point"): "part",
    ("link_candidate.sql", "reason"): "reason",
    ("link_candidate.sql", "role"): "role",
    ("link_candidate.sql", "stage"): "stage",
    ("link_candidate.sql", "township"): "part",
    ("parcel.sql", "coverage_state"): "coverage_state",
    ("parcel.sql", "kind"): "unit_kind",
    ("parcel.sql", "reference_area"): "reference_area",
    ("parcel_lineage.sql", "kind"): "lineage_kind",
    ("parcel_successor.sql", "follow"): "follow",
    ("patch_lineage.sql", "kind"): "lineage_kind",
    ("policy_electricity.sql", "match_state"): "match_state",
    ("seat.sql", "reason"): "reason",
    ("seat.sql", "seat_state"): "seat_state",
    ("uncovered_land.sql", "next_step"): "next_action",
    ("patch_gap.sql", "reason"): "uncovered_reason",
    ("unit.sql", "category"): "eval_category",
    ("unit.sql", "eval_category"): "eval_category",
    ("unit.sql", "eval_state"): "eval_state",
    ("unit.sql", "kind"): "unit_kind",
    ("unit.sql", "kind_reason"): "kind_reason",
    ("unit.sql", "obstacle"): "state_reason",
    ("unit.sql", "state_reason"): "state_reason",
}
# Literals beside AS that are no closed list: a comparison, a cast, the grade of several units.
NOT_FILLED = {
    ("allocation.sql", "is_undivided"),
    ("link.sql", "numeric"),
    ("link_candidate.sql", "feed"),
    ("link_candidate.sql", "numeric"),
    ("parcel.sql", "grade"),
    ("footprint_lineage.sql", "kind"),
}
# Literals that are no answers: kinds of scope keys, grades, and first letters of unit codes.
NO_WORDS = {
    "A",
    "B",
    "C",
    "D",
    "E",
    "P",
    "component",
    "electricity_levy",
    "floor",
    "grade",
    "mixed",
    "no_grade",
    "transition_end",
    "retired",
    "matched",
    "former",
    "party",
} | STEP_NAMES


def sql_files():
    """Files of steps and of the layers that carry reasons, without scopes and issues."""
    files = [
        *data_path("sql", "steps").glob("*/*.sql"),
        *(
            data_path("sql", "layers", f"{name}.sql")
            for name in ("uncovered_land", "parcel", "enterprise_land")
        ),
    ]
    return [file for file in sorted(files) if file.name not in {"scope.sql", "issue.sql"}]


def code_of(file):
    """A file's SQL without its comments."""
    return re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8"))


def literals(sql):
    return set(re.findall(r"'([A-Za-z][A-Za-z_0-9]*)'", sql))


def checked_values():
    """(table, column) to the values that its CHECK allows."""
    found = {}
    for file in sorted(data_path("sql", "migrations").glob("*.sql")):
        for table, body in re.findall(
            r"CREATE TABLE ([\w.]+) \((.*?)\);$", code_of(file), re.DOTALL | re.MULTILINE
        ):
            for column, values in re.findall(r"(?<!NOT )\b(?!NOT\b)(\w+) IN \(\s*('[^)]*)\)", body):
                found.setdefault((table, column), set()).update(literals(values))
    return found


def filled_values():
    """(file, column) to the literals that the file puts into the column."""
    found = {}
    for file in sql_files():
        sql = code_of(file)
        for body, column in re.findall(
            r"\bCASE\b((?:(?!\bCASE\b|\bEND\b).)*)\bEND\s+AS (\w+)", sql, re.DOTALL
        ):
            values = set(re.findall(r"\b(?:THEN|ELSE)\s+'(\w+)'", body))
            found.setdefault((file.name, column), set()).update(values)
        for value, column in re.findall(r"'(\w+)' AS (\w+)", sql):
            found.setdefault((file.name, column), set()).add(value)
    return {key: values for key, values in found.items() if values}


def assert_worded(group, values):
    for language in ("zh", "en"):
        texts = catalogue(language)
        missing = [value for value in sorted(values) if not texts.get(f"{group}.{value}")]
        assert missing == [], f"{group} lacks texts in {language}"


def test_every_closed_column_is_known():
    assert set(checked_values()) == set(CHECKED)


@pytest.mark.parametrize(("table", "column"), sorted(CHECKED))
def test_words_of_closed_columns(table, column):
    group = CHECKED[table, column]
    values = checked_values()[table, column]
    assert values
    if group is not None:
        assert_worded(group, values)


def test_every_column_that_steps_fill_is_known():
    assert set(filled_values()) == set(FILLED) | NOT_FILLED


@pytest.mark.parametrize(("file", "column"), sorted(FILLED))
def test_words_of_columns_that_steps_fill(file, column):
    assert_worded(FILLED[file, column], filled_values()[file, column])


def test_every_literal_of_the_steps_has_words():
    """Reasons that stand by place in a UNION are found by no column name, but stand here."""
    worded = {code.split(".", 1)[1] for code in catalogue("zh")}
    found = set().union(*(literals(code_of(file)) for file in sql_files()))
    assert sorted(found - worded - NO_WORDS) == []


def test_every_stage_leads_to_evidence_and_has_words():
    assert set(STAGES) == {"decision", *EVIDENCE}
    assert_worded("stage", STAGES)


def test_reasons_parts_and_what_is_missing_have_words():
    assert_worded("reason", REASONS)
    assert_worded("part", PARTS)
    assert_worded("missing", MISSING)


def test_the_lists_of_the_database_are_those_of_the_program():
    sql = code_of(data_path("sql", "migrations", "0003_derived.sql"))
    stages = re.search(r"INSERT INTO core.link_stage VALUES(.*?);", sql, re.DOTALL)[1]
    found = re.findall(r"\('(\w+)', (\d+), (\d+)\)", stages)
    assert {stage: int(group) for stage, _, group in found} == STAGES
    assert [int(number) for _, number, _ in found] == list(range(len(STAGES)))
    reasons = re.search(r"INSERT INTO core.link_reason VALUES(.*?);", sql, re.DOTALL)[1]
    assert tuple(re.findall(r"\('(\w+)'\)", reasons)) == REASONS


def test_the_weights_are_those_of_the_lists():
    settings = tomllib.loads(data_path("config", "defaults.toml").read_text(encoding="utf-8"))
    assert set(settings["link"]["weight"]) == set(PARTS) - {"evidence"}
    assert set(STAGES) <= set(settings["link"]["stage_score"])


def test_the_reason_of_a_seat_may_be_a_stage():
    assert word("reason", "right_code") == word("stage", "right_code")
    assert word("reason", "no_such_reason") == "no_such_reason"


@pytest.mark.parametrize(
    ("feed", "column"),
    [
        ("enterprise", "status"),
        ("enterprise", "size_class"),
        ("right", "right_state"),
        ("footprint", "kind"),
        ("recognition", "kind"),
        ("recognition", "level"),
        ("land_event", "kind"),
        ("talent", "programme"),
        ("talent", "level"),
        ("policy_return", "policy"),
        ("area", "kind"),
    ],
)
def test_words_of_delivered_codes(feed, column):
    contract = load_contracts(data_path("config", "sources.toml"))[feed]
    group = WORDS.get(f"{feed}.{column}") or WORDS[column]
    assert_worded(group, set(contract.columns[column].codes.values()))


def test_words_of_indicators():
    contract = load_contracts(data_path("config", "sources.toml"))["indicator"]
    assert_worded("indicator", {melted.indicator for melted in contract.melt})


def test_both_languages_say_the_same():
    path = data_path("config", "messages")
    assert (path / "explain.zh.toml").is_file()
    zh, en = catalogue("zh"), catalogue("en")
    lists = {"label", "section", "subject", "state", *WORDS.values(), *CHECKED.values()}
    codes = [code for code in zh if code.split(".")[0] in lists or code.startswith("explain.")]
    assert codes
    for code in codes:
        assert re.findall(r"\{(\w+)\}", zh[code]) == re.findall(r"\{(\w+)\}", en[code]) or sorted(
            re.findall(r"\{(\w+)\}", zh[code])
        ) == sorted(re.findall(r"\{(\w+)\}", en[code]))
