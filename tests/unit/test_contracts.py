"""Feed contracts: the defaults, what a workspace may change, and what is refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.feeds.contracts import FEEDS, load_contracts
from pipeline.feeds.headings import match_headings, missing_in_words, normalise_heading

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "config" / "sources.toml"
# Columns of raw.<feed> that no contract maps.
MADE = {"row_hash", "geom", "extra"}


def raw_tables():
    """{feed: {column: is it required}} as the migration makes them."""
    text = (ROOT / "sql" / "migrations" / "0002_records.sql").read_text(encoding="utf-8")
    tables = {}
    for feed, body in re.findall(r'CREATE TABLE raw\."?([a-z_]+)"? \((.*?)\n\);', text, re.DOTALL):
        columns = re.findall(r"^  ([a-z0-9_]+) (.*)$", body, re.MULTILINE)
        tables[feed] = {name: "NOT NULL" in rest for name, rest in columns if name not in MADE}
    return tables


@pytest.fixture
def contracts():
    return load_contracts(DEFAULT)


def workspace(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_there_is_one_contract_per_feed(contracts):
    assert tuple(contracts) == FEEDS
    assert {feed for feed, c in contracts.items() if c.required} == {
        "patch",
        "parcel",
        "enterprise",
    }


@pytest.mark.parametrize("feed", FEEDS)
def test_a_contract_has_the_columns_of_its_table(contracts, feed):
    expected = raw_tables()[feed]
    columns = contracts[feed].columns
    assert set(columns) == set(expected)
    assert {name for name, c in columns.items() if c.required} == {
        name for name, is_required in expected.items() if is_required
    }


def test_the_keys_are_those_of_the_records(contracts):
    text = (ROOT / "sql" / "migrations" / "0002_records.sql").read_text(encoding="utf-8")
    block = re.search(r"record_key CONSTANT jsonb := '(\{.*?\})'", text, re.DOTALL)
    keys = {
        feed: re.findall(r'"([a-z_]+)"', columns)
        for feed, columns in re.findall(r'"([a-z_]+)": \[(.*?)\]', block[1])
    }
    assert {feed: list(c.key) for feed, c in contracts.items()} == keys


def test_messages_are_kept_in_both_languages():
    """Every code of feeds and loader has a text, and every rule its next step."""
    folder = ROOT / "config" / "messages"
    texts = {
        language: {
            code: text
            for topic in ("feeds", "formats")
            for code, text in tomllib.loads(
                (folder / f"{topic}.{language}.toml").read_text(encoding="utf-8")
            ).items()
        }
        for language in ("zh", "en")
    }
    assert set(texts["zh"]) == set(texts["en"])
    for code, text in texts["zh"].items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(
            re.findall(r"\{(\w+)\}", texts["en"][code])
        ), code
    loading = ("load_feeds", "deliveries", "changes", "refusals", "setting_aside", "staging")
    modules = [
        *(ROOT / "pipeline" / "feeds").glob("*.py"),
        *(ROOT / "pipeline" / "steps" / f"{name}.py" for name in loading),
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in modules)
    prefixes = "source|contract|corrections|row|field|geometry|parcel|enterprise|area|units"
    used = set(re.findall(rf"[\"']((?:{prefixes})\.[a-z_]+)[\"']", code))
    used -= {"parcel.shp"}
    assert used <= set(texts["en"])
    rules = {
        name
        for name in used
        if name.split(".")[0] not in {"source", "contract", "corrections", "units"}
    }
    assert {f"{name}.next_step" for name in rules} <= set(texts["en"])


def test_a_workspace_changes_single_columns(tmp_path):
    changed = load_contracts(
        DEFAULT,
        workspace(
            tmp_path,
            """
            [feed.parcel]
            files = ["pluto.shp"]
            [feed.parcel.columns]
            parcel_code = { aliases = ["bbl"] }
            [feed.patch.columns]
            patch_code = { aliases = ["bbl"] }
            vintage = { value = 2019 }
            """,
        ),
    )
    default = load_contracts(DEFAULT)
    assert changed["parcel"].files == ("pluto.shp",)
    assert changed["parcel"].columns["parcel_code"].aliases == ("bbl",)
    assert changed["parcel"].columns["parcel_code"].required
    assert changed["parcel"].columns["location"] == default["parcel"].columns["location"]
    # a new origin takes the place of the old one
    assert changed["patch"].columns["patch_code"].parts == ()
    assert changed["patch"].columns["vintage"].value == "2019"
    assert changed["patch"].columns["vintage"].aliases == ()
    assert changed["patch"].contract_hash != default["patch"].contract_hash
    assert changed["right"].contract_hash == default["right"].contract_hash


def test_file_names_and_titles_do_not_change_the_hash(tmp_path):
    changed = load_contracts(DEFAULT, workspace(tmp_path, '[feed.area]\nfiles = ["x.gpkg"]\n'))
    assert changed["area"].contract_hash == load_contracts(DEFAULT)["area"].contract_hash


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("[feed.parcel]\nfile = 'x'", "contract.invalid", "file"),
        ("[feed.building]\nfiles = ['x']", "contract.invalid", "building"),
        ("[feed.parcel.columns]\nparcel_code = {alias = ['x']}", "contract.invalid", "alias"),
        ("[feed.parcel.columns]\ncolour = {aliases = ['x']}", "contract.unknown_column", "colour"),
        ("[feed.patch]\nscope_column = 'where'", "contract.unknown_column", "where"),
        ("[feed.parcel.columns]\nlocation = {from = ['address_key']}", "contract.invalid", "loc"),
        ("[feed.parcel", "contract.unreadable", "sources.toml"),
    ],
)
def test_what_nobody_knows_is_refused(tmp_path, text, code, named):
    with pytest.raises(SettingsError) as caught:
        load_contracts(DEFAULT, workspace(tmp_path, text))
    assert caught.value.code == code
    assert named in str(caught.value)


@pytest.mark.parametrize("name", ["redhook", "hsinchu"])
def test_the_contracts_of_the_real_data_load(name):
    path = ROOT / "tests" / "data" / name / "sources.toml"
    assert set(load_contracts(DEFAULT, path)) == set(FEEDS)


@pytest.mark.parametrize(
    "page", ["how-to-add-a-feed.md", "how-to-work-with-offices.md", "how-to-run-every-night.md"]
)
def test_the_contracts_of_the_docs_load(page, tmp_path):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = [b for b in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[feed." in b]
    assert blocks
    for block in blocks:
        assert load_contracts(DEFAULT, workspace(tmp_path, block)) != load_contracts(DEFAULT)


def test_age_and_tolerance_do_not_change_the_hash(tmp_path):
    """They say nothing of the rows, so files that are loaded need not be read anew."""
    changed = load_contracts(
        DEFAULT,
        workspace(
            tmp_path,
            """
            [feed.area]
            max_age_days = 30
            row_tolerance = { max_removed_share = "0.1", warn_added_share = 2 }
            """,
        ),
    )
    assert changed["area"].max_age_days == 30
    assert changed["area"].contract_hash == load_contracts(DEFAULT)["area"].contract_hash


# ---- Headings ----------------------------------------------------------------------------------


def test_headings_lose_width_space_and_marks():
    assert normalise_heading(" ＊企业\n名称： ") == "企业名称"
    assert normalise_heading("宗地面积（亩）") == "宗地面积(亩)"


def matched(contract, headings, **options):
    return match_headings(contract, [(name,) for name in headings], **options)


def test_the_first_alias_comes_first(contracts):
    match = matched(contracts["parcel"], ["BDCDYH", "ZDDM", "ZL"])
    assert match.positions["parcel_code"] == (1, 0)
    assert match.positions["unit_code"] == (0,)
    assert match.missing == ()


def test_a_unit_in_the_heading_is_read(contracts):
    match = matched(contracts["parcel"], ["宗地代码", "宗地面积（亩）"])
    assert match.units == {1: "mu"}
    # money is no area, and 含税 no unit
    assert (
        "official_area_m2"
        not in matched(contracts["parcel"], ["宗地代码", "宗地面积（万元）"]).positions
    )
    wide = matched(
        contracts["indicator"], ["统一社会信用代码", "年度", "税收（含税）", "用电量(万千瓦时)"]
    )
    assert "melt:tax" not in wide.positions
    assert wide.units == {3: "wan_kwh"}


def test_an_alias_that_fits_two_columns_fits_none(contracts):
    match = matched(contracts["enterprise"], ["统一社会信用代码", "企业名称", "企业名称"])
    assert match.missing == ("name",)


def test_names_cut_by_a_dbf_are_found(contracts):
    match = matched(contracts["footprint"], ["编号", "统一社会信", "类型"], cut_in="gb18030")
    assert match.positions["enterprise_code"] == (1,)


def test_what_is_missing_is_named_as_people_know_it(contracts):
    match = matched(contracts["patch"], ["ZLDWDM", "DLBM", "SJNF"])
    assert match.missing == ("patch_code",)
    assert missing_in_words(contracts["patch"], match) == "patch_no (TBBH, 图斑编号, 图斑号)"
