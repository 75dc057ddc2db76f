"""What the offices send: the tables of a state as files, with their habits and their mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import pandas as pd
import shapely

from pipeline.demo.generator.cover import official_area
from pipeline.demo.generator.economy import State, enterprise_codes, names_of
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
from pipeline.demo.generator.noise import Pen
from pipeline.demo.generator.records import days, lease_columns, registry_columns, right_columns
from pipeline.demo.generator.rules import REVENUE
from pipeline.demo.generator.words import (
    FORMER_TOWNSHIPS,
    TOWNSHIP_CODES,
    TOWNSHIPS,
    ZONES,
    digits,
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
# Side of the area of a project of renewal.
_PROJECT_M: Final = 400.0
# Headings of the registry: two lines, the upper one merged over its parts.
_REGISTRY: Final = {
    "统一社会信用代码": [""],
    "企业名称": [""],
    "基本情况": ["行业代码", "规模", "状态", "注册号"],
    "坐落": ["所属镇街", "镇街代码", "地址", "宗地代码", "不动产权证号"],
    "坐标": ["X坐标", "Y坐标"],
}


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

    Shape:  the folder of the day, the land, the state and the pen in; what is there out.
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
    _write_rule_records(folder, state)


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
    write_csv(folder / "权利人.csv", right_columns(state, pen), "gb18030")


def _write_leases(folder: Path, state: State, pen: Pen) -> None:
    """Write 租赁.xlsx."""
    _write_table(folder / "租赁.xlsx", lease_columns(state, pen))


def _write_registry(folder: Path, state: State, pen: Pen) -> None:
    """Write 企业名录.xlsx: a title, a heading of two merged lines, a line of totals at the end."""
    columns = registry_columns(state, pen)
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
        yield ["合计", f"{len(state.enterprises)}家"]

    merged = ("A1:M1", "A2:A3", "B2:B3", "C2:F2", "G2:K2", "L2:M2")
    write_workbook(folder / "企业名录.xlsx", rows(), merged=merged)


def _write_areas(folder: Path, land: Land) -> None:
    """Write 行政区.gpkg: townships with those that were merged into them, zones, a project area."""
    code, name = f"{COUNTY}901", f"{TOWNSHIPS[0]}老旧工业区块整治项目区"
    columns = {
        "XZQDM": [*TOWNSHIP_CODES, *(code for code, *_ in ZONES), code],
        "XZQMC": [*TOWNSHIPS, *(name for _, name, _ in ZONES), name],
        "类型": [
            *("街道" if name.endswith("街道") else name[-1] for name in TOWNSHIPS),
            *(kind for *_, kind in ZONES),
            "整治项目区",
        ],
        "曾用名": [
            "、".join(FORMER_TOWNSHIPS.get(place, ())) or None
            for place in range(len(TOWNSHIPS) + len(ZONES) + 1)
        ],
    }
    west, south, *_ = land.townships[0].bounds
    project = shapely.box(west, south, west + _PROJECT_M, south + _PROJECT_M)
    shapes = shapely.multipolygons([[shape] for shape in (*land.zones, project)])
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
        if "税收实际贡献（万元）" in table:
            columns["税收口径"] = np.full(len(table), "实际入库，不含出口免抵")
        for head in table.columns.drop(["enterprise", "year"]):
            columns[str(head)] = table[head]
        _write_table(folder / name, columns)


def _write_recognitions(folder: Path, state: State) -> None:
    """Write 认定.csv in GB18030."""
    table = state.recognitions
    columns = {
        **_named(state, table),
        "认定类型": table["kind"],
        "开始日期": days(table["start"]),
        "结束日期": days(table["last"]),
        "级别": table["level"],
        "首次认定日期": days(table["first"]),
    }
    write_csv(folder / "认定.csv", columns, "gb18030")


def _write_accounts(folder: Path, state: State) -> None:
    """Write 用电户.csv in UTF-8 with its mark."""
    table = state.accounts.reset_index(drop=True)
    known = _named(state, table)
    code = state.parcels["code"].reindex(table["parcel"]).reset_index(drop=True)
    columns = {
        "用电户号": _account_numbers(table.index.to_series()),
        "用电户名": known["企业名称"],
        "统一社会信用代码": known["统一社会信用代码"],
        "用电地址": state.parcels["location"].reindex(table["parcel"]).reset_index(drop=True),
        "宗地代码": code.where(table["names_parcel"]),
    }
    write_csv(folder / "用电户.csv", columns, "utf-8-sig")


def _write_rule_records(folder: Path, state: State) -> None:
    """Write what rules ask for besides; in a small county some of it has no row, and no file."""
    records = state.rule_records
    if records is None:
        return
    if len(before := records.before):
        columns: dict[str, Any] = {**_named(state, before), "年度": before["year"]}
        columns[REVENUE] = before[REVENUE]
        _write_table(folder / f"上年度指标_{YEAR - 1}.xlsx", columns)
    if len(records.events):
        _write_table(folder / "用地事项.xlsx", _land_events(state, records.events))
    if len(persons := records.persons):
        number = persons["person"].to_numpy()
        columns = {
            **_named(state, persons),
            "人才编号": "RC" + digits(number, 8),
            "姓名": person_names(number),
            "入选工程": persons["programme"],
            "级别": persons["level"],
            "入选时间": days(persons["on"]),
        }
        _write_table(folder / "人才入选.xlsx", columns)
    if len(meters := records.meters):
        columns = {
            "用电户号": _account_numbers(meters["account"]),
            "电表号": "0" + digits(meters["meter"].to_numpy(), 9),
            "统一社会信用代码": _named(state, meters)["统一社会信用代码"],
            "宗地代码": state.parcels["code"].reindex(meters["parcel"]).reset_index(drop=True),
            "分摊比例": meters["share"],
            "依据": meters["evidence"],
        }
        write_csv(folder / "电表.csv", columns, "utf-8-sig")
    if len(returns := records.returns):
        columns = {
            **_named(state, returns),
            "执行年度": returns["year"],
            "差别化政策": returns["policy"],
            "金额（元）": returns["yuan"],
        }
        write_csv(folder / "差别化政策执行情况.csv", columns, "gb18030")


def _land_events(state: State, events: pd.DataFrame) -> dict[str, Any]:
    """Columns of 用地事项.xlsx."""
    named = _named(state, events)
    return {
        "业务编号": f"{COUNTY}YD" + digits(events.index.to_numpy() + 1, 6),
        "事项类型": events["kind"],
        "受让方统一社会信用代码": named["统一社会信用代码"],
        "受让方名称": named["企业名称"],
        "宗地代码": state.parcels["code"].reindex(events["parcel"]).reset_index(drop=True),
        "用地面积（平方米）": events["m2"],
        "合同签订日期": days(events["contract"]),
        "交地日期": days(events["delivered"]),
        "发生日期": days(events["occurred"]),
        "过渡期截止日期": days(events["end"]),
    }


def _account_numbers(account: pd.Series) -> pd.Series:
    """Numbers of electricity accounts by their place in the file."""
    return "0029" + digits(account.to_numpy() + 1, 8)


def _write_table(path: Path, columns: dict[str, Any]) -> None:
    """Write a workbook of one plain table."""

    def rows() -> Iterator[list[Any]]:
        yield list(columns)
        yield from table_rows(columns)

    write_workbook(path, rows())


def _named(state: State, table: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns that say which enterprise a row is about."""
    number = table["enterprise"].to_numpy()
    names = names_of(state.enterprises.loc[number]).reset_index(drop=True)
    codes = enterprise_codes(state.enterprises).loc[number].reset_index(drop=True)
    return {"统一社会信用代码": codes, "企业名称": names}
