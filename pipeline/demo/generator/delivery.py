"""What the offices send: the tables of a state as files, with their habits and their mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from pipeline.demo.generator.cover import official_area
from pipeline.demo.generator.economy import FORMER_NAMES, NEVER, OUTSIDE_NAMES, State
from pipeline.demo.generator.files import (
    Bytes,
    Field,
    ShapefileWriter,
    decimal_text,
    gbk,
    number_text,
    table_rows,
    write_csv,
    write_geopackage,
    write_workbook,
)
from pipeline.demo.generator.land import USES, Land, PatchChunk
from pipeline.demo.generator.noise import Ints, Pen, chance
from pipeline.demo.generator.survey import Floats
from pipeline.demo.generator.truth import enterprise_codes
from pipeline.demo.generator.words import (
    TOWNSHIP_CODES,
    TOWNSHIPS,
    ZONES,
    certificate_numbers,
    credit_codes,
    digits,
    enterprise_names,
    industry_codes,
    person_names,
    pick,
    village_names,
)
from pipeline.demo.township import COUNTY, YEAR

# Field names and widths of the survey's patch table.
_PATCH_FIELDS: Final = (
    Field("BSM", "C", 18),
    Field("YSDM", "C", 10),
    Field("TBYBH", "C", 18),
    Field("TBBH", "C", 8),
    Field("DLBM", "C", 5),
    Field("DLMC", "C", 60),
    Field("QSXZ", "C", 2),
    Field("QSDWDM", "C", 19),
    Field("QSDWMC", "C", 60),
    Field("ZLDWDM", "C", 19),
    Field("ZLDWMC", "C", 60),
    Field("TBMJ", "N", 15, 2),
    Field("KCDLBM", "C", 5),
    Field("KCXS", "N", 6, 4),
    Field("KCMJ", "N", 15, 2),
    Field("TBDLMJ", "N", 15, 2),
    Field("SJNF", "N", 4),
)
_PARCEL_FIELDS: Final = (
    Field("BSM", "C", 18),
    Field("YSDM", "C", 10),
    Field("ZDDM", "C", 19),
    Field("BDCDYH", "C", 28),
    Field("ZDTZM", "C", 2),
    Field("ZL", "C", 120),
    Field("ZDMJ", "N", 15, 2),
    Field("MJDW", "C", 2),
    Field("YT", "C", 5),
)
# Headings of the registry: two lines, the upper one merged over its parts.
_REGISTRY: Final = {
    "统一社会信用代码": [""],
    "企业名称": [""],
    "基本情况": ["行业代码", "规模", "状态"],
    "坐落": ["所属镇街", "镇街代码", "地址", "宗地代码", "不动产权证号"],
    "坐标": ["X坐标", "Y坐标"],
}
_SHARE_TEXT: Final = {0.5: "1/2", 0.6: "60%", 0.4: "40%", 1 / 3: "1/3"}


class PatchFile:
    """DLTB.shp, written as the patches come.

    Shape:  ``add`` takes chunks of patches; leaving the ``with`` block completes the file.
    Units:  metres, m2.
    CRS:    EPSG:4549.
    Errors: OSError where the file cannot be written.
    Source: TD/T 1057-2020 (names and widths of the fields).
    """

    def __init__(self, folder: Path, land: Land) -> None:
        self._land = land
        self._writer = ShapefileWriter(folder / "DLTB.shp", _PATCH_FIELDS)
        self._place = np.unique(land.township * 1000 + land.village)
        township, village = np.divmod(self._place, 1000)
        code = pick(TOWNSHIP_CODES, township) + digits(village, 3) + "0" * 7
        self._place_code = gbk(code)
        self._place_name = gbk(village_names(village))

    def __enter__(self) -> PatchFile:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)

    def add(self, chunk: PatchChunk) -> None:
        """Append a chunk of patches."""
        land, patch = self._land, chunk.patch
        size = len(patch)
        use = land.use[patch]
        place = np.searchsorted(self._place, land.township[patch] * 1000 + land.village[patch])
        number = number_text(land.number[patch], 4)
        area = decimal_text(official_area(chunk.survey_m2), 15, 2)
        columns: dict[str, Bytes] = {
            "BSM": np.strings.add(f"{COUNTY}2001".encode(), number_text(patch + 1, 8)),
            "YSDM": np.full(size, b"2001010100"),
            "TBYBH": number,
            "TBBH": number,
            "DLBM": gbk(pd.Series([code for code, *_ in USES]))[use],
            "DLMC": gbk(pd.Series([name for _, name, *_ in USES]))[use],
            "QSXZ": gbk(pd.Series([kind for _, _, kind, _ in USES]))[use],
            "QSDWDM": self._place_code[place],
            "QSDWMC": self._place_name[place],
            "ZLDWDM": self._place_code[place],
            "ZLDWMC": self._place_name[place],
            "TBMJ": area,
            "KCDLBM": np.full(size, b" "),
            "KCXS": np.full(size, b"0.0000"),
            "KCMJ": np.full(size, b"           0.00"),
            "TBDLMJ": area,
            "SJNF": np.full(size, str(YEAR).encode()),
        }
        self._writer.add(chunk.rings, chunk.starts, columns)


def write_first_day(folder: Path, land: Land, state: State, pen: Pen) -> None:
    """Write all deliveries but the patches: those of each night, and those of the year.

    Shape:  the folder of the day, the land, the state and the pen in; ten files out.
    Units:  metres, m2; tax and revenue in 万元; leased land in mu.
    CRS:    EPSG:4549.
    Errors: OSError where the folder cannot be written.
    Source: feed contracts (config/sources.toml).
    """
    write_night(folder, state, pen)
    _write_areas(folder, land)
    _write_footprints(folder, state)
    _write_figures(folder, state)
    _write_recognitions(folder, state)
    _write_accounts(folder, state)


def write_night(folder: Path, state: State, pen: Pen) -> None:
    """Write the snapshots that change from night to night: parcels, rights, leases, registry.

    Shape:  the folder of the day, the state and the pen in; ZD.shp, 权利人.csv (GB18030), 租赁.xlsx
            and 企业名录.xlsx out.
    Units:  metres, m2; leased land in mu.
    CRS:    EPSG:4549.
    Errors: OSError where the folder cannot be written.
    Source: feed contracts (config/sources.toml).
    """
    _write_parcels(folder, state)
    _write_rights(folder, state, pen)
    _write_leases(folder, state, pen)
    _write_registry(folder, state, pen)


def _write_parcels(folder: Path, state: State) -> None:
    """Write ZD.shp."""
    parcels = state.parcels
    number = parcels.index.to_numpy()
    code = parcels["code"].reset_index(drop=True)
    size = len(parcels)
    columns: dict[str, Bytes] = {
        "BSM": np.strings.add(f"{COUNTY}6001".encode(), number_text(number + 1, 8)),
        "YSDM": np.full(size, b"6001010000"),
        "ZDDM": gbk(code),
        "BDCDYH": gbk(code + "W00000000"),
        "ZDTZM": gbk(parcels["feature"]),
        "ZL": gbk(parcels["location"]),
        "ZDMJ": decimal_text(parcels["official_m2"].to_numpy(), 15, 2),
        "MJDW": np.full(size, b"1"),
        "YT": gbk(parcels["use"]),
    }
    with ShapefileWriter(folder / "ZD.shp", _PARCEL_FIELDS) as writer:
        writer.add_shapes(parcels["shape"].to_numpy(), columns)


def _write_rights(folder: Path, state: State, pen: Pen) -> None:
    """Write 权利人.csv in GB18030."""
    rights = state.rights.reset_index(drop=True)
    parcels = state.parcels
    code = parcels["code"].loc[rights["parcel"]].reset_index(drop=True)
    kind, holder = rights["holder_kind"].to_numpy(), rights["holder"].to_numpy()
    name, credit = _parties(state, kind, holder, rights["parcel"].to_numpy())
    number = rights["certificate"].to_numpy() * 8 + rights["order"].to_numpy()
    credit = credit.where(rights["shows_code"])
    certificate = certificate_numbers(rights["certificate"].to_numpy())
    # where only the certificate tells, it is written as the old forms were
    former = pd.Series(kind == "former")
    spaced = certificate.str.replace("（", "(").str.replace("）", ")").str.replace("第", " 第 ")
    columns = {
        "ZDDM": code,
        "BDCDYH": code + "W00000000",
        "SXH": rights["order"],
        "QLRMC": pen.names(name, number, "holder"),
        "ZJZL": np.where(kind == "person", "1", "7"),
        "ZJH": pen.codes(credit, number, "holder"),
        "BDCQZH": pen.certificates(certificate.mask(former, spaced), number, "right"),
        "QSZT": rights["state"],
        "共有份额": rights["share"].map(_SHARE_TEXT).astype("str"),
        "SYQMJ": parcels["official_m2"].loc[rights["parcel"]].reset_index(drop=True),
    }
    write_csv(folder / "权利人.csv", columns, "gb18030")


def _write_leases(folder: Path, state: State, pen: Pen) -> None:
    """Write 租赁.xlsx: land in mu, floors in square metres."""
    leases = state.leases[state.leases["parcel"].isin(state.parcels.index)].reset_index(drop=True)
    parcel = leases["parcel"].to_numpy()
    number = leases["number"].to_numpy()
    lessor, lessor_code = _parties(
        state, leases["lessor_kind"].to_numpy(), leases["lessor"].to_numpy(), parcel
    )
    lessee, lessee_code = _parties(
        state, np.full(len(leases), "enterprise"), leases["lessee"].to_numpy(), parcel
    )
    columns = {
        "合同编号": "ZL-" + digits(number, 6),
        "宗地代码": state.parcels["code"].loc[parcel].reset_index(drop=True),
        "出租方统一社会信用代码": lessor_code,
        "出租方名称": lessor,
        "承租方统一社会信用代码": pen.codes(
            lessee_code.where(leases["shows_code"]), number, "lessee"
        ),
        "承租方名称": pen.names(lessee, number, "lessee"),
        "租赁土地面积（亩）": leases["land_mu"],
        "租赁建筑面积（平方米）": leases["floor_m2"],
        "租赁开始日期": _days(leases["start"]),
        "租赁结束日期": _days(leases["last"]),
    }
    _write_table(folder / "租赁.xlsx", columns)


def _write_registry(folder: Path, state: State, pen: Pen) -> None:
    """Write 企业名录.xlsx: a title, a heading of two merged lines, a line of totals at the end."""
    table = state.enterprises
    number = table.index.to_numpy()
    parcels = state.parcels
    township = table["township"].to_numpy()
    shows = pd.Series(table["shows_township"].to_numpy())
    place = _enterprise_places(state, pen)
    code = parcels["code"].reindex(table["registry_parcel"]).reset_index(drop=True)
    columns = {
        "code": enterprise_codes(table).reset_index(drop=True),
        "name": pen.names(enterprise_names(table["name_no"].to_numpy()), number, "registry"),
        "industry": industry_codes(number),
        "size": np.where(table["is_above"], "规上", "规下"),
        "status": table["status"].to_numpy(),
        "township": pick(TOWNSHIPS, township).where(shows),
        "township_code": pick(TOWNSHIP_CODES, township).where(shows),
        "address": pen.addresses(_enterprise_addresses(state), number, "registry"),
        "parcel": pen.codes(code, number, "registry"),
        "certificate": pen.certificates(
            certificate_numbers(table["registry_certificate"].to_numpy()), number, "registry"
        ),
        "x": place[:, 0],
        "y": place[:, 1],
    }
    upper = [
        name if i == 0 else None for name, parts in _REGISTRY.items() for i in range(len(parts))
    ]
    lower = [part or None for parts in _REGISTRY.values() for part in parts]
    day = f"{state.day.year}年{state.day.month}月{state.day.day}日"

    def rows() -> Iterator[list[Any]]:
        yield [f"青岚县工业企业名录（{day}）"]
        yield upper
        yield lower
        yield from table_rows(columns)
        yield ["合计", f"{len(table)}家"]

    merged = ("A1:L1", "A2:A3", "B2:B3", "C2:E2", "F2:J2", "K2:L2")
    write_workbook(folder / "企业名录.xlsx", rows(), merged=merged)


def _write_areas(folder: Path, land: Land) -> None:
    """Write 行政区.gpkg: townships and zones."""
    columns = {
        "XZQDM": [*TOWNSHIP_CODES, *(code for code, *_ in ZONES)],
        "XZQMC": [*TOWNSHIPS, *(name for _, name, _ in ZONES)],
        "类型": [
            *("街道" if name.endswith("街道") else name[-1] for name in TOWNSHIPS),
            *(kind for *_, kind in ZONES),
        ],
    }
    shapes = shapely.multipolygons([[shape] for shape in land.zones])
    townships = [
        shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape])
        for shape in land.townships
    ]
    write_geopackage(folder / "行政区.gpkg", np.concatenate([np.array(townships), shapes]), columns)


def _write_footprints(folder: Path, state: State) -> None:
    """Write 建筑物.gpkg: buildings, and land drawn for an enterprise."""
    table = state.footprints.reset_index(drop=True)
    firm = enterprise_codes(state.enterprises)
    columns = {
        "编号": "JZ" + digits(table.index.to_numpy() + 1, 7),
        "类型": table["kind"],
        "统一社会信用代码": firm.reindex(table["enterprise"]).reset_index(drop=True),
        "层数": table["floors"].astype("Int64"),
        "建筑面积": np.round(table["plane_m2"] * table["floors"], 2),
    }
    write_geopackage(folder / "建筑物.gpkg", table["shape"].to_numpy(), columns)


def _write_figures(folder: Path, state: State) -> None:
    """Write 指标_2025.xlsx and 评价结果_2025.xlsx."""
    results = state.scores.rename(columns={"score": "得分", "grade": "评价等级"})
    for name, table in (
        (f"指标_{YEAR}.xlsx", state.indicators),
        (f"评价结果_{YEAR}.xlsx", results),
    ):
        columns: dict[str, Any] = {**_named(state, table), "年度": table["year"]}
        for head in table.columns.drop(["enterprise", "year"]):
            columns[str(head)] = table[head]
        _write_table(folder / name, columns)


def _write_recognitions(folder: Path, state: State) -> None:
    """Write 认定.csv in GB18030."""
    table = state.recognitions
    columns = {
        **_named(state, table),
        "认定类型": table["kind"],
        "开始日期": _days(table["start"]),
        "结束日期": _days(table["last"]),
    }
    write_csv(folder / "认定.csv", columns, "gb18030")


def _write_accounts(folder: Path, state: State) -> None:
    """Write 用电户.csv in UTF-8 with its mark."""
    table = state.accounts.reset_index(drop=True)
    known = _named(state, table)
    columns = {
        "用电户号": "0029" + digits(table.index.to_numpy() + 1, 8),
        "用电户名": known["企业名称"],
        "统一社会信用代码": known["统一社会信用代码"],
        "用电地址": state.parcels["location"].reindex(table["parcel"]).reset_index(drop=True),
    }
    write_csv(folder / "用电户.csv", columns, "utf-8-sig")


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write a workbook of one plain table."""

    def rows() -> Iterator[list[Any]]:
        yield list(columns)
        yield from table_rows(columns)

    write_workbook(path, rows())


def _named(state: State, table: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns that say which enterprise a row is about."""
    number = table["enterprise"].to_numpy()
    names = enterprise_names(state.enterprises["name_no"].loc[number].to_numpy())
    codes = enterprise_codes(state.enterprises).loc[number].reset_index(drop=True)
    return {"统一社会信用代码": codes, "企业名称": names}


def _parties(
    state: State, kind: npt.NDArray[Any], holder: Ints, parcel: Ints
) -> tuple[pd.Series, pd.Series]:
    """Names and credit codes of holders, lessors and lessees; people have no code."""
    names = np.full(len(holder), "", dtype=object)
    codes = np.full(len(holder), None, dtype=object)
    for word in ("enterprise", "village", "outside", "former", "person"):
        at = np.flatnonzero(kind == word)
        who = holder[at]
        if word == "enterprise":
            firm = state.enterprises["name_no"].loc[pd.Index(who)].to_numpy()
            names[at], codes[at] = enterprise_names(firm), credit_codes("91MA", who)
        elif word == "village":
            land = state.parcels.loc[parcel[at]]
            township, village = land["township"].to_numpy(), land["village"].to_numpy()
            names[at] = pick(TOWNSHIPS, township) + village_names(village) + "股份经济合作社"
            codes[at] = credit_codes("N2MF", township * 1000 + village)
        elif word == "outside":
            names[at] = enterprise_names(OUTSIDE_NAMES + who)
            codes[at] = credit_codes("91MX", who)
        elif word == "former":
            names[at] = enterprise_names(FORMER_NAMES + who)
        else:
            names[at] = person_names(who)
    return pd.Series(names, dtype="str"), pd.Series(codes, dtype="str")


def _enterprise_addresses(state: State) -> pd.Series:
    """Addresses of enterprises: those of their parcels, else one where no parcel lies."""
    table = state.enterprises
    known = state.parcels["location"].reindex(table["address_parcel"]).reset_index(drop=True)
    number = pd.Series(table.index.to_numpy() + 1).astype("str")
    other = pick(TOWNSHIPS, table["township"].to_numpy()) + "商务街" + number + "号"
    return known.fillna(other)


def _enterprise_places(state: State, pen: Pen) -> Floats:
    """Points of enterprises on their parcels, for three of five and where nothing else tells."""
    table = state.enterprises
    number = table.index.to_numpy()
    has = chance(pen.seed, number, "has point") < 0.6
    only_point = (table["address_parcel"] < 0).to_numpy()
    seat = table["seat_parcel"].where(has | only_point, -1)
    known = np.flatnonzero(seat.isin(state.parcels.index))
    shape = state.parcels["shape"].loc[seat.iloc[known]].to_numpy()
    places = np.full((len(table), 2), np.nan)
    places[known] = np.round(shapely.get_coordinates(shapely.point_on_surface(shape)), 2)
    return pen.points(places, number, "registry")


def _days(column: pd.Series) -> pd.Series:
    """Dates as the contracts print them."""
    days = column.to_numpy().astype("datetime64[D]")
    return pd.Series(np.datetime_as_string(days), dtype="str").mask(days == NEVER, "长期")
