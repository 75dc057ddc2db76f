"""Zips as deliveries and workbooks as zips: found, unpacked, or refused before they cost anything."""

from __future__ import annotations

import dataclasses
import io
import stat
import struct
import time
import tomllib
import zipfile
import zlib
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
from openpyxl import Workbook
from shapely.geometry import box

from pipeline._paths import data_path
from pipeline.errors import SourceError
from pipeline.feeds import archive as archive_module
from pipeline.feeds.archive import extracted, members
from pipeline.feeds.kinds import Kind, kind_of
from pipeline.feeds.limits import Limits
from pipeline.feeds.workbook import check_workbook
from pipeline.feeds.zipread import zip_start
from pipeline.messages import both
from pipeline.settings import LimitSettings

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def limits(**changed: int) -> Limits:
    defaults = tomllib.loads(data_path("config", "defaults.toml").read_text(encoding="utf-8"))
    settings = LimitSettings(**defaults["limits"]).of_files
    # the disk of the machine is not the matter of most tests
    return dataclasses.replace(settings, **{"min_free_bytes": 0, **changed})


def packed(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def shapefile(folder: Path, stem: str = "ZD") -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    frame = gpd.GeoDataFrame({"ZDDM": ["1"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4549")
    frame.to_file(folder / f"{stem}.shp")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(path: Path, bounds: Limits | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        members(path, bounds or limits())
    for text in both(caught.value.code, caught.value.params):
        assert path.name in text
        assert "{" not in text
    return caught.value


def with_gbk_names(path: Path) -> Path:
    """Rewrite names as a Chinese Windows does: GBK, without a word about it."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    names = {f"x{place:0>20}": name for place, name in enumerate(entries)}
    stand_ins = {}
    for stand_in, name in names.items():
        raw = name.encode("gb18030")
        stand_ins[
            stand_in[: len(raw)] if len(raw) <= len(stand_in) else stand_in.ljust(len(raw), "x")
        ] = raw
    packed(path, {s: entries[raw.decode("gb18030")] for s, raw in stand_ins.items()})
    content = path.read_bytes()
    for stand_in, raw in stand_ins.items():
        assert content.count(stand_in.encode()) == 2
        content = content.replace(stand_in.encode(), raw)
    path.write_bytes(content)
    return path


# ---- Data sets ---------------------------------------------------------------------------------


def test_data_sets_at_any_depth(tmp_path):
    parts = shapefile(tmp_path / "made")
    entries = {f"2026/云溪镇/{name}": content for name, content in parts.items()}
    frame = gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4549")
    frame.to_file(tmp_path / "库.gdb", driver="OpenFileGDB", layer="DLTB")
    for path in (tmp_path / "库.gdb").iterdir():
        entries[f"2026/库.gdb/{path.name}"] = path.read_bytes()
    entries |= {
        "表/企业.csv": "代码,名称\n1,甲\n".encode("gb18030"),
        "说明.txt": "本压缩包含宗地。".encode("gb18030"),
        "__MACOSX/2026/._ZD.shp": b"\0",
        "2026/Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "2026/云溪镇/ZD.shp.xml": b"<metadata/>",
        "2026/云溪镇/ZD.sbn": b"\0\0\x27\x0a\xff\xff\xfe\x70",
    }
    path = packed(tmp_path / "a.zip", entries)
    found = members(path, limits())
    assert [(m.name, m.inside, m.kind) for m in found] == [
        ("ZD.shp", "2026/云溪镇/ZD.shp", Kind.SHAPEFILE),
        ("库.gdb", "2026/库.gdb", Kind.GEODATABASE),
        ("企业.csv", "表/企业.csv", Kind.DELIMITED_TEXT),
    ]
    for member, expected in zip(found, (["1"], [1]), strict=False):
        with extracted(path, member, limits(), within=tmp_path) as inside:
            assert kind_of(inside) is member.kind
            table = pyogrio.read_dataframe(inside)
            assert table.iloc[:, 0].tolist() == expected
            assert table.geometry.area.tolist() == [1.0]
            assert inside.parent.stat().st_mode & 0o077 == 0
        assert not inside.parent.exists()


def test_names_of_a_chinese_windows_are_gbk(tmp_path):
    path = packed(tmp_path / "a.zip", {"慈溪市/企业名录.csv": b"a,b\n1,2\n"})
    assert [m.inside for m in members(with_gbk_names(path), limits())] == ["慈溪市/企业名录.csv"]


def test_parts_whose_names_differ_in_case_are_one_shapefile(tmp_path):
    parts = shapefile(tmp_path / "made")
    renamed = {"ZD.SHP": parts["ZD.shp"], "zd.Dbf": parts["ZD.dbf"], "Zd.SHX": parts["ZD.shx"]}
    path = packed(tmp_path / "a.zip", renamed)
    (member,) = members(path, limits())
    with extracted(path, member, limits()) as inside:
        assert inside.name == "ZD.shp"
        assert pyogrio.read_info(inside)["features"] == 1
        assert pyogrio.read_info(inside)["fields"].tolist() == ["ZDDM"]


def test_a_geodatabase_without_its_folder(tmp_path):
    frame = gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:4549")
    frame.to_file(tmp_path / "x.gdb", driver="OpenFileGDB")
    entries = {p.name: p.read_bytes() for p in (tmp_path / "x.gdb").iterdir()}
    path = packed(tmp_path / "DLTB_20260630.zip", entries)
    (member,) = members(path, limits())
    assert member.name == "DLTB_20260630.gdb"
    with extracted(path, member, limits()) as inside:
        assert pyogrio.read_info(inside)["features"] == 1


def test_the_folder_is_gone_after_an_error_too(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"a,b\n1,2\n"})
    (member,) = members(path, limits())
    room = tmp_path / "room"
    room.mkdir()
    with pytest.raises(FileNotFoundError), extracted(path, member, limits(), within=room) as inside:
        inside.with_name("other.csv").read_bytes()
    assert list(room.iterdir()) == []


def test_real_archives():
    if not SHARED.is_dir():
        pytest.skip("the shared data are not on this machine")
    path = SHARED / "hostile-corpus/nts/TestShapefiles/Issues/011/WallaceMonument.zip"
    (member,) = members(path, limits())
    with extracted(path, member, limits()) as inside:
        assert pyogrio.read_info(inside)["features"] == 1
    path = SHARED / "hostile-corpus/nycplanning/resources/mocked_responses/pad_24a.zip"
    assert all(member.kind is Kind.DELIMITED_TEXT for member in members(path, limits()))


# ---- Hostile archives --------------------------------------------------------------------------


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o644) << 16
    return info


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../../etc/cron.d/x.csv", "archive_parent"),
        ("a/..\\..\\x.csv", "archive_parent"),
        ("/etc/x.csv", "archive_absolute"),
        ("\\\\server\\x.csv", "archive_absolute"),
        ("C:\\x.csv", "archive_absolute"),
        ("c:x.csv", "archive_absolute"),
        ("a\nb.csv", "archive_name"),
        ("字" * 90 + ".csv", "archive_name"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path, name, problem):
    path = packed(tmp_path / "a.zip", {"good.csv": b"a,b\n", name: b"a,b\n"})
    error = refusal(path)
    assert (error.code, error.params["problem"]) == ("source.archive_unsafe", problem)


def test_a_zero_byte_hides_nothing(tmp_path):
    path = packed(tmp_path / "a.zip", {"goodXcsv": b"a,b\n"})
    path.write_bytes(path.read_bytes().replace(b"goodXcsv", b"good\0csv"))
    assert refusal(path).params["problem"] == "archive_name"


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices(tmp_path, mode):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(special("a.csv", mode), b"/etc/passwd")
    assert refusal(path).params["problem"] == "archive_link"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("other", ["a/x.csv", "A/X.CSV", "a\\x.csv", "a/./x.csv"])
def test_names_that_occur_twice(tmp_path, other):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/x.csv", b"a,b\n")
        archive.writestr(other, b"c,d\n")
    assert refusal(path).params["problem"] == "archive_twice"


def test_zips_within_zips(tmp_path):
    inner = packed(tmp_path / "inner.zip", {"a.csv": b"a,b\n"}).read_bytes()
    for name in ("inner.zip", "inner.dat", "ZD.zip"):
        path = packed(tmp_path / "a.zip", {"b.csv": b"a,b\n", name: inner})
        error = refusal(path)
        assert (error.code, error.params["member"]) == ("source.archive_nested", name)
    packed_twice = packed(tmp_path / "b.zip", {"a.7z": b"7z\xbc\xaf\x27\x1c"})
    assert refusal(packed_twice).code == "source.archive_nested"


def test_workbooks_within_zips(tmp_path):
    target = io.BytesIO()
    Workbook().save(target)
    path = packed(tmp_path / "a.zip", {"企业.xlsx": target.getvalue()})
    (member,) = members(path, limits())
    assert (member.name, member.kind) == ("企业.xlsx", Kind.XLSX)
    with extracted(path, member, limits()) as inside:
        assert kind_of(inside) is Kind.XLSX


def test_passwords_and_rare_methods(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"a,b\n"})
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    assert refusal(path).code == "source.archive_encrypted"
    path = packed(tmp_path / "b.zip", {"a.csv": b"a,b\n"}, zipfile.ZIP_LZMA)
    assert refusal(path).code == "source.archive_method"


def rewritten(path: Path, change: dict[bytes, tuple[int, int]]) -> Path:
    """Other numbers in the records that begin with these marks: {mark: (place, number)}."""
    content = bytearray(path.read_bytes())
    for mark, (place, number) in change.items():
        struct.pack_into("<H", content, content.index(mark) + place, number)
    path.write_bytes(content)
    return path


def test_what_the_library_has_not_implemented(tmp_path):
    unknown_method = {b"PK\x03\x04": (8, 97), b"PK\x01\x02": (10, 97)}
    path = rewritten(packed(tmp_path / "a.zip", {"a.csv": b"a,b\n"}), unknown_method)
    assert refusal(path).code == "source.archive_method"
    # the kind of a zip with such an entry is told all the same
    path = packed(tmp_path / "b.zip", {"mimetype": b"application/zip"})
    with rewritten(path, unknown_method).open("rb") as handle:
        assert zip_start(handle, "mimetype") == b""
    assert kind_of(path) is Kind.ZIP
    later = rewritten(packed(tmp_path / "c.zip", {"a.csv": b"a,b\n"}), {b"PK\x01\x02": (6, 99)})
    error = refusal(later)
    assert (error.code, error.params["reason"]) == (
        "source.archive_damaged",
        "zip file version 9.9",
    )


def test_65000_entries_are_refused_at_once(tmp_path):
    path = packed(tmp_path / "a.zip", {f"{n}.csv": b"" for n in range(65_000)}, zipfile.ZIP_STORED)
    started = time.perf_counter()
    error = refusal(path)
    assert time.perf_counter() - started < 0.5
    assert (error.code, error.params["entries"]) == ("source.archive_too_many_entries", 65_000)
    # a number in the end record that lies changes nothing: the size of the directory counts
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", content, end + 8, 3, 3)
    path.write_bytes(content)
    assert refusal(path).code == "source.archive_too_many_entries"


def test_a_bomb_is_stopped_by_what_it_gives(tmp_path):
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.csv", "w", force_zip64=True) as sink,
    ):
        for _ in range(200):
            sink.write(b"a,b\n" * 262_144)
    assert path.stat().st_size < 2 << 20
    (member,) = members(path, limits())
    room = tmp_path / "room"
    room.mkdir()
    for bounds, code in (
        (limits(), "source.archive_ratio"),
        (limits(max_bytes=10 << 20), "source.archive_too_large"),
        (limits(max_ratio=5_000, min_free_bytes=1 << 60), "source.disk_full"),
    ):
        with pytest.raises(SourceError) as caught, extracted(path, member, bounds, within=room):
            pass
        assert caught.value.code == code
        assert list(room.iterdir()) == []
    with extracted(path, member, limits(max_ratio=5_000), within=room) as inside:
        assert inside.stat().st_size == 200 << 20


def test_a_size_that_lies(tmp_path):
    content = b"a,b\n" * 1_000_000
    path = packed(tmp_path / "a.zip", {"a.csv": content})
    raw = bytearray(path.read_bytes())
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 100)
    path.write_bytes(raw)
    assert refusal(path).code == "source.archive_damaged"


def test_entries_that_share_their_bytes(tmp_path):
    """Many names for one block of data."""
    path = packed(tmp_path / "a.zip", {"0.csv": b"0" * 100_000})
    raw = path.read_bytes()
    start, end = raw.index(b"PK\x01\x02"), raw.rindex(b"PK\x05\x06")
    record = raw[start:end]
    directory = b"".join(record.replace(b"0.csv", f"{n}.csv".encode()) for n in range(10))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 10, 10, len(directory), start, 0)
    path.write_bytes(raw[:start] + directory + tail)
    assert refusal(path).params["problem"] == "archive_overlap"


def test_entries_that_quote_one_another(tmp_path):
    """The data of each entry hold the header of the next, so that all share one kernel."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = kernel.compress(b"a,b\n" * 250_000) + kernel.flush()
    names = [f"{n}.csv".encode() for n in range(4)]
    files: list[tuple[bytes, int, int]] = []
    body, crc, size = data, zlib.crc32(b"a,b\n" * 250_000), 1_000_000
    for name in reversed(names):
        header = struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(body), size, len(name), 0
        )
        files.append((name, len(body), size))
        quoted = header + name
        block = b"\x00" + struct.pack("<HH", len(quoted), len(quoted) ^ 0xFFFF)
        body = block + quoted + body
    path = tmp_path / "a.zip"
    offset, directory, out = 0, b"", b""
    for name, length, size in reversed(files):
        header = struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, length, size, len(name), 0
        )
        out = out or header + name
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, length, size, len(name),
            0, 0, 0, 0, 0, offset,
        ) + name  # fmt: skip
        offset += len(header) + len(name) + 5
    out += body
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 4, 4, len(directory), len(out), 0)
    path.write_bytes(out + directory + tail)
    assert refusal(path).params["problem"] == "archive_overlap"


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_archive(tmp_path, cut):
    path = packed(tmp_path / "a.zip", shapefile(tmp_path / "made"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    assert refusal(path).code == "source.archive_damaged"


def test_entries_before_the_file_begins(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"a,b\n"})
    raw = bytearray(path.read_bytes())
    # the end record says that the directory begins later than it does
    struct.pack_into("<I", raw, len(raw) - 6, len(raw))
    path.write_bytes(raw)
    assert refusal(path).code == "source.archive_damaged"


def test_a_changed_byte_is_noticed(tmp_path):
    path = packed(tmp_path / "a.zip", {"a.csv": b"a,b\n1,2\n"}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"1,2", b"1,3"))
    assert refusal(path).code == "source.archive_damaged"


def test_an_archive_without_data(tmp_path):
    path = packed(tmp_path / "a.zip", {"读我.txt": "无".encode(), "a.pdf": b"%PDF-1.4"})
    error = refusal(path)
    assert error.code == "source.archive_nothing"
    assert error.params["members"] == "a.pdf, 读我.txt"
    assert refusal(packed(tmp_path / "b.zip", {})).code == "source.archive_nothing"


def test_a_format_that_cannot_be_read_is_named_by_its_kind(tmp_path):
    path = packed(tmp_path / "a.zip", {"a/宗地.mdb": b"\x00\x01\x00\x00Standard Jet DB"})
    assert [m.kind for m in members(path, limits())] == [Kind.ACCESS]


def test_the_disk_is_asked_while_it_is_written(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", {"a.csv": b"a,b\n" * (10 << 20)})
    (member,) = members(path, limits())
    real = archive_module.os.statvfs(tmp_path)
    free = iter([1 << 40, 1 << 40, 0])

    def statvfs(folder):
        values = list(real)
        values[4] = next(free) // real.f_frsize
        return type(real)(values)

    monkeypatch.setattr(archive_module.os, "statvfs", statvfs)
    with (
        pytest.raises(SourceError) as caught,
        extracted(path, member, limits(max_ratio=5_000, min_free_bytes=1), within=tmp_path),
    ):
        pass
    assert caught.value.code == "source.disk_full"
    assert not list(tmp_path.glob("diqi-*"))


# ---- Workbooks ---------------------------------------------------------------------------------

SHEET = (
    '<?xml version="1.0"?><worksheet><dimension ref="A1:XFD1048576"/><sheetData>{}</sheetData>'
    "</worksheet>"
)


def xlsx(path: Path, sheet: str, prolog: str = "") -> Path:
    return packed(
        path,
        {
            "[Content_Types].xml": b"<Types/>",
            "xl/workbook.xml": f"{prolog}<workbook/>".encode(),
            "xl/worksheets/sheet1.xml": sheet.encode(),
        },
    )


def check(path: Path, bounds: Limits | None = None) -> str | None:
    try:
        check_workbook(path, kind_of(path), bounds or limits())
    except SourceError as error:
        return error.code
    return None


def test_a_far_cell_counts_by_what_it_holds(tmp_path):
    near = '<row r="1"><c r="A1"><v>1</v></c></row>'
    for far, expected in (
        ('<row r="1048576"><c r="XFD1048576" s="1"/></row>', None),
        ('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "source.workbook_cells"),
        (
            '<row r="1048576"><x:c s="1" r="XFD1048576" t="n"><v>1</v></x:c></row>',
            "source.workbook_cells",
        ),
        ('<row r="1048576"><c r="B1048576"><v>1</v></c></row>', None),
    ):
        path = xlsx(tmp_path / "a.xlsx", SHEET.format(near + far))
        assert check(path) == expected, far
        # however the bytes fall into pieces
        padded = SHEET.format(near + " " * ((1 << 20) - 130) + far)
        assert check(xlsx(tmp_path / "b.xlsx", padded)) == expected


def test_entities_and_sizes(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    assert check(xlsx(tmp_path / "a.xlsx", SHEET, bomb)) == "source.workbook_entities"
    wide = packed(
        tmp_path / "b.xlsx",
        {
            "[Content_Types].xml": b"",
            "xl/workbook.xml": ('<?xml version="1.0" encoding="UTF-16"?>' + bomb).encode("utf-16"),
        },
    )
    assert check(wide) == "source.workbook_entities"
    path = xlsx(tmp_path / "c.xlsx", SHEET.format("<!-- -->" * 2_000_000))
    assert path.stat().st_size < 100_000
    assert check(path) is None
    assert check(path, limits(max_workbook_bytes=8 << 20)) == "source.workbook_too_large"
    (tmp_path / "d.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 5_000)
    with pytest.raises(SourceError):
        check_workbook(tmp_path / "d.xls", Kind.XLS, limits(max_workbook_bytes=4_096))


ODS = (
    '<office:document-content xmlns:office="o" xmlns:table="t"><office:body><office:spreadsheet>'
    '<table:table><table:table-row><table:table-cell office:value-type="string"/>'
    "</table:table-row>{}</table:table></office:spreadsheet></office:body></office:document-content>"
)


ROW = '<table:table-row table:number-rows-repeated="{rows}">{cells}</table:table-row>'
CELL = '<table:table-cell {filled} table:number-columns-repeated="{columns}"/>'
NUMBER = 'office:value-type="float"'


def ods_row(rows: int, *cells: tuple[int, str]) -> str:
    made = "".join(CELL.format(columns=columns, filled=filled) for columns, filled in cells)
    return ROW.format(rows=rows, cells=made)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ods_row(1_048_575, (16_384, "")), None),
        (ods_row(1_048_575, (16_384, NUMBER)), "source.workbook_cells"),
        (
            ods_row(4_000_000_000, (1, "")) + ods_row(1, (9, ""), (1, NUMBER)),
            "source.workbook_cells",
        ),
        (ods_row(1_000, (1, "")) + ods_row(1, (9, ""), (1, NUMBER)), None),
    ],
)
def test_repeated_cells_of_an_ods(tmp_path, rows, expected):
    path = packed(
        tmp_path / "a.ods",
        {
            "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": ODS.format(rows).encode(),
        },
        zipfile.ZIP_STORED,
    )
    assert check(path) == expected


def test_real_workbooks():
    folder = SHARED / "hostile-corpus" / "spreadsheets"
    if not folder.is_dir():
        pytest.skip("hostile-corpus is not on this machine")
    found = {
        path.name: code
        for path in sorted(folder.iterdir())
        if kind_of(path) is not Kind.ENCRYPTED_WORKBOOK and (code := check(path)) is not None
    }
    assert found == {"pass_protected.ods": "source.format_encrypted_workbook"}
