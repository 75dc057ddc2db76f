"""Rule sets as files: those of the program are right, wrong ones are refused in words."""

from __future__ import annotations

import ast
import datetime as dt
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

import pipeline
from pipeline._paths import data_path
from pipeline.errors import SettingsError
from pipeline.messages import both, catalogue
from pipeline.rulebook import (
    RulesError,
    check_rules,
    check_tables,
    list_rules,
    load_rules,
    read_tables,
    rule_files,
    set_value,
    value_of_text,
)
from pipeline.settings import load_settings
from pipeline.workspace import create_workspace

SHIPPED = sorted(path.stem for path in data_path("config", "rules").glob("*.toml"))
HEAD = """\
id = "mine"
title_zh = "试行办法"
title_en = "a trial"
edition = "1"
source = "none"
extends = "huangyan-2022"
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(tmp_path: Path, text: str) -> list[tuple[str, str, str, str]]:
    """Where, code, and the words of all problems of a rule set on top of Huangyan's."""
    found = check_rules(str(write(tmp_path, HEAD + text)))
    return [(path, code, *both(code, params)) for path, code, params in found.problems]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_have_no_problems(name: str) -> None:
    checked = check_rules(name)
    assert checked.problems == []
    assert checked.rules is not None
    assert checked.rules.id == name


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_shipped_file_leaves_out_has_a_paper(name: str) -> None:
    assert "" not in check_rules(name).papers


def test_each_reading_is_another_rule_set() -> None:
    rules = load_rules("cixi-4.0")
    others = [load_rules("cixi-4.0", changes=one.set) for one in rules.reading.values()]
    texts = {other.fingerprint() for other in (rules, *others)}
    assert len(texts) == len(others) + 1 > 1


WRONG = [
    # one value
    ('titel_zh = "x"', "titel_zh", "rules.unknown_key", "title_zh"),
    ("[scoring.ABOVE.item.tax_per_mu]\nweigth = 3", "weigth", "rules.unknown_key", "weight"),
    ("[upgrade.U]\nwhen = [{ fact = 'tax', at_lest = 3 }]", "when.0", "rules.unknown_key", "at_l"),
    ("[floor.F]\ntitle_zh = 'x'", "floor.F.not_below", "rules.key_missing", "not_below"),
    ("[scoring.ABOVE]\ntotal = 'all'", "scoring.ABOVE.total", "rules.not_a_number", "all"),
    ("[scoring.ABOVE]\ntotal = 0", "scoring.ABOVE.total", "rules.not_above", "0"),
    ("[scoring.ABOVE.item.tax_per_mu]\nweight = -1", ".weight", "rules.too_small", "-1"),
    ("[scoring.ABOVE.item.tax_per_mu]\nweight = nan", ".weight", "rules.not_a_number", "NaN"),
    ("[scoring.ABOVE.item.rd_share]\ncap = 'no'", ".cap", "rules.neither_number_nor_word", "none"),
    ("[grading.ABOVE.cut.A]\nshare = 20", "cut.A.share", "rules.share_is_a_fraction", "20"),
    ("[upgrade.U]\nsteps = 1.5", "upgrade.U.steps", "rules.not_whole", "1.5"),
    ("[upgrade.U]\nsteps = 12", "upgrade.U.steps", "rules.too_large", "12"),
    ("[upgrade.U]\nvalid_from = 'spring'", ".valid_from", "rules.not_a_date", "spring"),
    ("[upgrade.U]\nwhen = { fact = 'tax' }", "upgrade.U.when", "rules.not_a_list", "tax"),
    ("[upgrade]\nU = 3", "upgrade.U", "rules.not_a_table", "3"),
    ("[grading.ABOVE]\nwithin = 'city'", ".within", "rules.not_one_of", "division"),
    ("[upgrade.U]\nchosen = 3", "upgrade.U.chosen", "rules.not_text", "3"),
    ("[category.ABOVE]\nevaluated = 'perhaps'", ".evaluated", "rules.not_yes_no", "perhaps"),
    ("grades = ['A']", "grades", "rules.too_short", "2"),
    ("grades = ['A', 'very very good']", "grades.1", "rules.too_long", "8"),
    # one rule
    ("[fact.f]\nkind = 'figure'\nunit = 'yuan'", "fact.f", "rules.fact_needs", "figure"),
    ("[fact.f]\nkind = 'figure'\nfigure = 'x'", "fact.f", "rules.figure_needs_unit", "wan_yuan"),
    ("[fact.f]\nkind = 'figura'", "fact.f.kind", "rules.not_one_of", "figure"),
    ("[upgrade.U]\nwhen = [{}]", "upgrade.U.when.0", "rules.condition_needs_fact", "fact"),
    (
        "[upgrade.U]\nwhen = [{ fact = 'tax', any = [{ fact = 'tax' }] }]",
        "upgrade.U.when.0",
        "rules.any_stands_alone",
        "tax",
    ),
    (
        "[upgrade.U]\nwhen = [{ fact = 'tax', at_least = 1, holds = true }]",
        "upgrade.U.when.0",
        "rules.condition_says_several",
        "tax",
    ),
    ("[grading.ABOVE.cut.A]\nshare = 0.2\nscore = 80", "cut.A", "rules.cut_says_several", ""),
    ("[grading.ABOVE.cut.A]\nvalue = 8", "cut.A", "rules.cut_needs_indicator", "indicator"),
    (
        "[bonus.P]\nfact = 'tax'\npersons = [{ programmes = ['x'], points = 1 }]",
        "bonus.P",
        "rules.bonus_says_several",
        "persons",
    ),
    ("[transition.T]\nmonths = 12", "transition.T", "rules.transition_begins", "events"),
    (
        "[transition.T]\nrecognitions = ['x']\nyears = 1\ntakes = 'land'",
        "transition.T",
        "rules.land_needs_events",
        "events",
    ),
    # the whole
    ("[scoring.ABOVE.item.tax_per_mu]\nweight = 31", "scoring.ABOVE.item", "weights", "101"),
    (
        "[grading.ABOVE.cut]\nA = { share = 0.6 }\nB = { share = 0.2 }",
        "grading.ABOVE.cut.B",
        "rules.cuts_overlap",
        "0.6",
    ),
    (
        "[grading.ABOVE.cut]\nA = { score = 60 }\nB = { score = 80 }",
        "grading.ABOVE.cut.B",
        "rules.cuts_overlap",
        "80",
    ),
    ("[grading.ABOVE.cut.D]\nshare = 0.9", "cut.D", "rules.last_grade_has_cut", "D"),
    ("[grading.ABOVE.cut.E]\nshare = 0.9", "cut.E", "rules.unknown_grade", "A、B、C、D"),
    (
        "[scoring.BELOW_GE3]\ntotal = 100\n[scoring.BELOW_GE3.item.tax_per_mou]\nweight = 0",
        "scoring.BELOW_GE3.item.tax_per_mou",
        "rules.unknown_indicator",
        "tax_per_mu",
    ),
    (
        "[upgrade.U]\nwhen = [{ fact = 'revenu', at_least = 1 }]",
        "upgrade.U.when.0.fact",
        "rules.unknown_fact",
        "revenue",
    ),
    (
        "[upgrade.U]\nwhen = [{ fact = 'revenue', at_least = 1, unit = 'mu' }]",
        "upgrade.U.when.0.unit",
        "rules.wrong_unit",
        "yuan",
    ),
    (
        "[upgrade.U]\nwhen = [{ fact = 'revenue', holds = true }]",
        "upgrade.U.when.0",
        "rules.wrong_condition",
        "revenue",
    ),
    (
        "[upgrade.U]\nwhen = [{ fact = 'revenue', at_least = 3, at_most = 2 }]",
        "upgrade.U.when.0",
        "rules.bounds_reversed",
        "3",
    ),
    (
        "[indicator.i]\nnumerator = ['tax']\nnumerator_unit = 'kwh'",
        "indicator.i.numerator_unit",
        "rules.wrong_unit",
        "kwh",
    ),
    (
        "[upgrade.U]\nvalid_from = 2025-01-01\nvalid_to = 2024-01-01",
        "upgrade.U.valid_to",
        "rules.dates_reversed",
        "2024-01-01",
    ),
    ("valid_from = 2025-01-01\nvalid_to = 2025-01-01", "valid_to", "rules.dates_reversed", "2025"),
    ("[category.MIDDLE]\n", "category.MIDDLE", "rules.unknown_category", "BELOW_GE3"),
    ("[category.ABOVE]\nfrom_mu = 3", "category.ABOVE.from_mu", "rules.from_mu_misplaced", ""),
    ("[category.TENANT_ONLY]\nscored_as = 'X'", ".scored_as", "rules.unknown_scale", "X"),
    ("[category.TENANT_ONLY]\nscored_as = ''", "TENANT_ONLY", "rules.no_scoring", "TENANT_ONLY"),
    ("[scoring.TENANT_ONLY]", "scoring.TENANT_ONLY", "rules.no_grading", "TENANT_ONLY"),
    ("[fact.land]\nkind = 'growth'\nfigure = 'x'", "fact.land", "rules.own_fact", "land"),
    ("[scoring.ABOVE]\nmode = 'rank_single'", "ABOVE.item", "rules.rank_single_many", "6"),
    ("grades = ['A', 'B', 'B', 'C', 'D']", "grades", "rules.grades_repeated", "B"),
    ("[scoring.ABOVE.item.rd_share]\ncap = 1\nfloor = 2", ".cap", "rules.cap_below_floor", "2"),
    (
        "[scoring.ABOVE.item.rd_share.benchmark]\nvalues = { 38 = 0.03, heavy = 0.02 }",
        ".benchmark.values",
        "rules.mixed_industries",
        "heavy",
    ),
    ("[adjust]\norder = ['score', 'grade']", "adjust.order", "rules.wrong_order", "veto"),
    (
        "[industry_group]\na = ['13', '14']\nb = ['14']",
        "industry_group.b",
        "rules.division_twice",
        "14",
    ),
    ("[bonus.P]\nnot_with = ['Q']\nfact = 'tax'", "bonus.P.not_with", "rules.unknown_rule", "Q"),
    (
        "[reading.R]\nset = { 'scoring.ABOVE.mode' = 'guess' }",
        "reading.R.set.scoring.ABOVE.mode",
        "rules.reading_wrong",
        "min_max",
    ),
    (
        "[reading.R]\nset = { 'scoring.ABOVE.total' = 90 }",
        "reading.R.set.scoring.ABOVE.item",
        "rules.reading_wrong",
        "90",
    ),
    ("[reading.R]\nset = { 'id.x' = 1 }", "reading.R.set", "rules.reading_wrong", "id.x"),
]


@pytest.mark.parametrize(("text", "where", "code", "words"), WRONG)
def test_what_is_wrong_is_named(
    tmp_path: Path, text: str, where: str, code: str, words: str
) -> None:
    found = problems_of(tmp_path, text)
    hits = [one for one in found if where in one[0] and code in one[1]]
    assert hits, found
    for told in hits[0][2:]:
        assert words in told
        assert re.search(r"\{\w+\}", told) is None
        assert not told.startswith("rules.")
    assert hits[0][2] != hits[0][3]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        "[scoring.ABOVE.item.tax_per_mu]\nweight = 31\n"
        "[upgrade.U]\nwhen = [{ fact = 'nothing', at_least = 1 }]\n",
    )
    assert [code for _, code, *_ in found] == ["rules.weights_do_not_sum", "rules.unknown_fact"]


def refusal(what: str | Path, workspace: Path | None = None) -> tuple[str, str, str]:
    with pytest.raises(SettingsError) as caught:
        load_rules(what, workspace)
    return caught.value.code, *both(caught.value.code, caught.value.params)


def test_a_file_that_is_no_toml_names_the_line(tmp_path: Path) -> None:
    code, zh, en = refusal(write(tmp_path, 'id = "mine"\ntitle_zh = 试行\n'))
    assert code == "rules.not_toml"
    assert "line 2" in zh
    assert "mine.toml" in en


def test_a_file_in_another_encoding_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes('id = "mine"\ntitle_zh = "试行"\n'.encode("gb18030"))
    code, zh, en = refusal(path)
    assert code == "rules.not_utf8"
    assert "第 2 行" in zh
    assert "line 2" in en


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD, encoding="utf-8-sig")
    assert check_rules(str(path)).problems == []


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, zh, _ = refusal(tmp_path / "mine.toml")
    assert code == "rules.no_such_file"
    assert "mine.toml" in zh


def test_the_id_is_the_name_of_the_file(tmp_path: Path) -> None:
    code, zh, _ = refusal(write(tmp_path, HEAD, "other"))
    assert code == "rules.id_is_file_name"
    assert 'id = "other"' in zh


def test_what_extends_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path, HEAD.replace('"mine"', '"a"').replace("huangyan-2022", "b"), "a")
    path = write(tmp_path, HEAD.replace('"mine"', '"b"').replace("huangyan-2022", "a"), "b")
    code, zh, en = refusal(path)
    assert code == "rules.extends_itself"
    assert "b → a" in zh
    assert "b → a" in en


def test_a_missing_basis_is_named_with_what_is_like_it(tmp_path: Path) -> None:
    code, zh, en = refusal(write(tmp_path, HEAD.replace("huangyan-2022", "huangyan-2021")))
    assert code == "rules.no_such_set"
    assert "huangyan-2021" in zh
    assert "huangyan-2022" in en


def test_what_lies_beside_a_file_can_be_extended(tmp_path: Path) -> None:
    write(tmp_path, HEAD.replace('"mine"', '"city"'), "city")
    path = write(tmp_path, HEAD.replace("huangyan-2022", "city"))
    assert load_rules(path).scoring["ABOVE"].item["tax_per_mu"].weight == 30


def test_refusing_says_how_many_and_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "[scoring.ABOVE.item.tax_per_mu]\nweight = 31\n")
    with pytest.raises(RulesError) as caught:
        load_rules(path)
    zh, _ = both(caught.value.code, caught.value.params)
    assert "scoring.ABOVE.item" in zh
    assert "101" in zh


def test_a_workspace_goes_before_the_program(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    write(folder, HEAD)
    write(folder, "not toml", "broken")
    assert rule_files(tmp_path)["mine"].parent == folder
    rows = {row["id"]: row for row in list_rules(tmp_path, "mine")}
    assert rows["mine"]["from"] == "workspace"
    assert rows["mine"]["is_in_use"]
    assert rows["mine"]["missing"] == 6
    assert rows["broken"]["problems"] == 1
    assert rows["cixi-4.0"]["from"] == "program"
    assert not rows["cixi-4.0"]["is_in_use"]
    assert rows["zhejiang-2018"]["is_basis"]


def test_single_values_are_laid_over(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "[upgrade.U]\nwhen = [{ fact = 'revenue', at_least = 1 }]\n")
    rules = load_rules(
        path,
        changes={"upgrade.U.when.0.at_least": 2, "grading.ABOVE.cut.A.share": Decimal("0.2")},
    )
    assert rules.upgrade["U"].when[0].at_least == 2
    assert rules.grading["ABOVE"].cut["A"].share == Decimal("0.2")


@pytest.mark.parametrize("path", ["grades.9", "grades.x.y", "id.x", "id.x.y"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    tables = read_tables("huangyan-2022")
    with pytest.raises(SettingsError, match=r"rules\.no_such_path"):
        set_value(tables, path, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("0.10", Decimal("0.10")),
        ("true", True),
        ('["a"]', ["a"]),
        ("no_grade", "no_grade"),
    ],
)
def test_values_of_a_command_line(text: str, value: object) -> None:
    assert value_of_text(text) == value


def test_numbers_stay_exact() -> None:
    rules = load_rules("huangyan-2022")
    assert str(rules.scoring["ABOVE"].item["rd_share"].benchmark.value) == "0.0302"


def test_what_is_not_well_formed_has_no_rule_set() -> None:
    tables = {**read_tables("huangyan-2022"), "scoring": 3}
    assert check_tables(tables)[0] is None


def codes_in(path: Path) -> set[str]:
    """Every code of a message on rules that a module names, whole or by its end."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"rules\.\w+(?<!_)", node.value):
                found.add(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_bad":
            code = node.args[3]
            assert isinstance(code, ast.Constant)
            found.add(f"rules.form_{code.value}")
    return found


def test_each_code_has_both_texts_and_each_text_a_code() -> None:
    package = Path(pipeline.__file__).parent
    used = set().union(*(codes_in(path) for path in package.rglob("*.py")))
    texts = {}
    for language in ("zh", "en"):
        file = data_path("config", "messages", f"rules.{language}.toml")
        texts[language] = set(tomllib.loads(file.read_text(encoding="utf-8")))
        # words of values that are no codes of messages
        texts[language] -= {"parts_at.score", "parts_at.cut"}
        assert texts[language] <= set(catalogue(language))
    assert used == texts["zh"] == texts["en"]


PAGE = Path(pipeline.__file__).parents[1] / "docs" / "how-to-write-rules.md"
EXAMPLES = re.findall(
    r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_what_the_page_shows_can_be_used(tmp_path: Path, example: str) -> None:
    if not example.startswith("id ="):
        example = HEAD.replace("huangyan-2022", "cixi-4.0") + example
    name = tomllib.loads(example)["id"]
    assert check_rules(str(write(tmp_path, example, name))).problems == []


def test_a_rule_that_is_taken_over_can_be_ended(tmp_path: Path) -> None:
    text = HEAD.replace("huangyan-2022", "cixi-4.0") + "[upgrade.CX-U1]\nvalid_to = 2000-01-01\n"
    rule = load_rules(write(tmp_path, text)).upgrade["CX-U1"]
    assert not rule.is_in_force(dt.date(2025, 1, 1))


def test_rules_in_the_settings_are_refused(tmp_path: Path) -> None:
    """They would pass by everything that looks through a rule set."""
    create_workspace(tmp_path / "county", code="330299", name="青岚县", crs="EPSG:4549")
    file = tmp_path / "county" / "diqi.toml"
    file.write_text(file.read_text(encoding="utf-8") + '\n[rules]\nid = "x"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "county")
    assert caught.value.code == "settings.rules_misplaced"
