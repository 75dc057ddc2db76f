"""What lies in the inbox: feeds, dates, scopes, content."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from pipeline.feeds import discover
from pipeline.feeds.contracts import load_contracts
from pipeline.feeds.discover import ContentHashes, content_hash, find_sources
from pipeline.settings import settings_without_workspace

LIMITS = settings_without_workspace().limits.of_files
DEFAULT = Path(__file__).parents[2] / "config" / "sources.toml"


@pytest.fixture(scope="module")
def contracts():
    return load_contracts(DEFAULT)


def put(inbox: Path, *names: str) -> None:
    for name in names:
        path = inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.suffix.lower(), encoding="utf-8")


def found(inbox: Path, contracts):
    return [
        (s.name, s.feed, s.scope, s.data_date)
        for s in find_sources(inbox, contracts, limits=LIMITS).sources
    ]


def test_no_inbox_no_delivery(tmp_path, contracts):
    assert find_sources(tmp_path / "inbox", contracts, limits=LIMITS).sources == []


def test_feeds_dates_and_scopes(tmp_path, contracts):
    put(
        tmp_path,
        "2026-06-30/DLTB.shp",
        "2026-06-30/DLTB.dbf",
        "2026-06-30/scope=330299001,330299002/ZD.SHP",
        "2026-07-01/慈溪dltb_20260702.shp",
        "DLTB@330299002_20260703.shp",
        "权利人.xlsx",
        "2026-13-01/租赁.xlsx",
    )
    day = dt.date
    assert found(tmp_path, contracts) == [
        ("2026-06-30/DLTB.shp", "patch", None, day(2026, 6, 30)),
        (
            "2026-06-30/scope=330299001,330299002/ZD.SHP",
            "parcel",
            ("330299001", "330299002"),
            day(2026, 6, 30),
        ),
        ("2026-07-01/慈溪dltb_20260702.shp", "patch", None, day(2026, 7, 2)),
        ("2026-13-01/租赁.xlsx", "lease", None, None),
        ("DLTB@330299002_20260703.shp", "patch", ("330299002",), day(2026, 7, 3)),
        ("权利人.xlsx", "right", None, None),
    ]


def test_one_file_may_serve_several_feeds(tmp_path, contracts):
    both = {
        "patch": contracts["patch"].model_copy(update={"files": ("pluto.shp",)}),
        "parcel": contracts["parcel"].model_copy(update={"files": ("pluto.shp",)}),
    }
    put(tmp_path, "pluto.shp")
    assert [s.feed for s in find_sources(tmp_path, both, limits=LIMITS).sources] == [
        "patch",
        "parcel",
    ]


def test_unknown_files_are_told_leftovers_are_not(tmp_path, contracts):
    put(
        tmp_path,
        "notes.docx",
        "企业名录.pdf",
        ".DS_Store",
        "~$权利人.xlsx",
        "DLTB.shp",
        "DLTB.prj",
        "DLTB.shp.xml",
        "alone.dbf",
        "2026-01-01/whatever.csv",
    )
    unknown = [path.as_posix() for path in find_sources(tmp_path, contracts, limits=LIMITS).unknown]
    assert unknown == ["2026-01-01/whatever.csv", "alone.dbf", "notes.docx", "企业名录.pdf"]


def test_a_geodatabase_is_one_file(tmp_path, contracts):
    put(tmp_path, "DLTB.gdb/a00000001.gdbtable", "DLTB.gdb/gdb")
    assert [s.name for s in find_sources(tmp_path, contracts, limits=LIMITS).sources] == [
        "DLTB.gdb"
    ]
    before = content_hash(tmp_path / "DLTB.gdb")
    put(tmp_path, "DLTB.gdb/x.lock")
    assert content_hash(tmp_path / "DLTB.gdb") == before


def test_content_is_the_file_with_its_companions(tmp_path):
    put(tmp_path, "a/DLTB.shp", "a/DLTB.dbf", "b/other.shp", "b/other.DBF", "b/other.sbn")
    first = content_hash(tmp_path / "a/DLTB.shp")
    assert content_hash(tmp_path / "b/other.shp") == first
    (tmp_path / "b/other.DBF").write_text("changed", encoding="utf-8")
    assert content_hash(tmp_path / "b/other.shp") != first
    put(tmp_path, "a/DLTB.cpg")
    assert content_hash(tmp_path / "a/DLTB.shp") != first


def test_a_settled_file_is_read_once(tmp_path, monkeypatch):
    put(tmp_path, "DLTB.shp", "DLTB.dbf")
    monkeypatch.setattr(discover, "_SETTLED_NS", -3_600_000_000_000)
    memory = tmp_path / ".diqi" / "hashes.json"
    hashes = ContentHashes(memory)
    first = hashes(tmp_path / "DLTB.shp")
    hashes.save()

    def must_not_read(path):
        raise AssertionError(f"{path} is read again")

    with monkeypatch.context() as nothing_is_read:
        nothing_is_read.setattr(discover, "content_hash", must_not_read)
        assert ContentHashes(memory)(tmp_path / "DLTB.shp") == first
    # of the same size, at the same time as far as a program can set it
    before = (tmp_path / "DLTB.dbf").stat()
    (tmp_path / "DLTB.dbf").write_bytes(b"X" * before.st_size)
    os.utime(tmp_path / "DLTB.dbf", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (
        ContentHashes(memory)(tmp_path / "DLTB.shp") == content_hash(tmp_path / "DLTB.shp") != first
    )


def test_what_was_just_written_is_not_remembered(tmp_path):
    put(tmp_path, "DLTB.shp")
    hashes = ContentHashes(tmp_path / "hashes.json")
    assert hashes(tmp_path / "DLTB.shp") == content_hash(tmp_path / "DLTB.shp")
    hashes.save()
    assert not (tmp_path / "hashes.json").exists()


def test_the_hour_of_reading_is_that_before_it(tmp_path, monkeypatch):
    """However long hashing takes, a file that was touched just before is not remembered."""
    put(tmp_path, "DLTB.shp")
    hashing = discover.content_hash

    def slow(path):
        later = time.time_ns() + 10_000_000_000
        monkeypatch.setattr(discover.time, "time_ns", lambda: later)
        return hashing(path)

    monkeypatch.setattr(discover, "content_hash", slow)
    hashes = ContentHashes(tmp_path / "hashes.json")
    hashes(tmp_path / "DLTB.shp")
    hashes.save()
    assert not (tmp_path / "hashes.json").exists()


def test_names_that_are_no_text_are_remembered_too(tmp_path, monkeypatch):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + "/宗地".encode("gbk")))
    put(folder, "ZD.shp")
    monkeypatch.setattr(discover, "_SETTLED_NS", -3_600_000_000_000)
    hashes = ContentHashes(tmp_path / "hashes.json")
    first = hashes(folder / "ZD.shp")
    hashes.save()
    assert ContentHashes(tmp_path / "hashes.json")(folder / "ZD.shp") == first


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}'])
def test_a_damaged_memory_is_no_memory(tmp_path, content):
    put(tmp_path, "DLTB.shp")
    (tmp_path / "hashes.json").write_text(content, encoding="utf-8")
    hashes = ContentHashes(tmp_path / "hashes.json")
    assert hashes(tmp_path / "DLTB.shp") == content_hash(tmp_path / "DLTB.shp")


def refusals(inbox: Path, contracts) -> dict[str, tuple[str, str]]:
    return {
        s.name: (s.feed, s.refusal.code)
        for s in find_sources(inbox, contracts, limits=LIMITS).sources
        if s.refusal is not None
    }


def test_what_is_no_file_of_the_inbox_is_refused_unread(tmp_path, contracts):
    inbox = tmp_path / "inbox"
    put(inbox, "2026-01-01/企业名录.csv", "2026-01-06/within.csv")
    day = [inbox / f"2026-01-0{n}" for n in range(7)]
    for folder in day[3:]:
        folder.mkdir(exist_ok=True)
    os.mkfifo(day[3] / "企业名录.csv")
    (day[4] / "企业名录.csv").symlink_to("nowhere")
    (day[6] / "企业名录.csv").symlink_to("within.csv")
    assert refusals(inbox, contracts) == {
        "2026-01-03/企业名录.csv": ("enterprise", "source.file_special"),
        "2026-01-04/企业名录.csv": ("enterprise", "source.file_unreadable"),
    }
    names = [name for name, *_ in found(inbox, contracts)]
    assert "2026-01-01/企业名录.csv" in names
    assert "2026-01-06/企业名录.csv" in names


def test_an_inbox_may_be_a_link_itself(tmp_path, contracts):
    put(tmp_path / "share", "DLTB.shp")
    (tmp_path / "inbox").symlink_to(tmp_path / "share")
    assert refusals(tmp_path / "inbox", contracts) == {}
    assert len(found(tmp_path / "inbox", contracts)) == 1


def test_a_name_in_gbk_is_read_to_tell_whose_it_is(tmp_path, contracts):
    put(tmp_path, os.fsdecode("2026-01-01/企业名录.csv".encode("gbk")))
    sources = find_sources(tmp_path, contracts, limits=LIMITS).sources
    (source,) = sources
    assert (source.name, source.feed) == ("2026-01-01/企业名录.csv", "enterprise")
    assert source.refusal.code == "source.file_name"
    assert source.refusal.params["reading"] == "企业名录.csv"
    source.refusal.params["file"].encode()


def test_control_characters_in_a_name_are_not_passed_on(tmp_path, contracts):
    put(tmp_path, "a\nb\x1b[31m/企业名录.csv")
    ((name, *_),) = found(tmp_path, contracts)
    assert name == "a\ufffdb\ufffd[31m/企业名录.csv"


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), OSError(5, "I/O error")]
)
def test_a_file_that_cannot_be_read_costs_no_other(tmp_path, contracts, monkeypatch, error):
    """Also one that goes away while the inbox is looked through."""
    put(tmp_path, "DLTB.shp", "企业名录.csv", "what.xyz")

    def digest(path: Path) -> str:
        if path.suffix == ".csv":
            raise error
        return "digest"

    sources = find_sources(tmp_path, contracts, digest, limits=LIMITS).sources
    assert [(s.name, s.refusal and s.refusal.params["reason"]) for s in sources] == [
        ("DLTB.shp", None),
        ("企业名录.csv", error.strerror),
    ]


def test_faults_of_unknown_files_are_told(tmp_path, contracts):
    os.mkfifo(tmp_path / "pipe.xyz")
    discovery = find_sources(tmp_path, contracts, limits=LIMITS)
    assert {path.name: fault.code for path, fault in discovery.faults.items()} == {
        "pipe.xyz": "source.file_special",
    }
    assert [path.name for path in discovery.unknown] == ["pipe.xyz"]


def test_a_layer_that_is_named_like_a_path_is_none(tmp_path, contracts):
    put(tmp_path, "2026-01-01/all.gpkg")
    sources = find_sources(
        tmp_path, contracts, limits=LIMITS, layers_of=lambda path: ["/etc/DLTB", "../../ZD"]
    ).sources
    assert [(s.name, s.layer, s.path.name) for s in sources] == [
        ("2026-01-01/all.gpkg/etc/DLTB", "/etc/DLTB", "all.gpkg"),
    ]
