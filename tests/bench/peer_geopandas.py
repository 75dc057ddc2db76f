"""The whole job as one plain GeoPandas script: files in, links, shares, coverage and a map out.

``peer_geopandas.py INBOX OUT [DSN]`` reads the deliveries of one day (the folder is named after it),
by the rules of docs/how-it-decides.md as far as undamaged files need them. Written to be read, and
to be as fast as plain GeoPandas is: no loop over rows, the fast readers (pyogrio with Arrow,
calamine), spatial indexes, every intersection made once.
"""

from __future__ import annotations

import argparse
import datetime as dt
from dataclasses import dataclass, fields
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import psycopg
from sqlalchemy import create_engine

CRS = "EPSG:4549"
SURVEY = "+proj=cea +lat_ts=0 +lon_0=120 +ellps=GRS80 +units=m"  # equal-area: survey areas
MU_M2 = 2000 / 3
STATES = ["linked", "evaluated", "transition", "covered"]
PAIR = ["parcel_code", "enterprise_code"]


@dataclass
class County:
    """The tables of the day."""

    day: pd.Timestamp
    patches: gpd.GeoDataFrame
    parcels: gpd.GeoDataFrame
    areas: gpd.GeoDataFrame
    footprints: gpd.GeoDataFrame
    rights: pd.DataFrame
    leases: pd.DataFrame
    enterprises: pd.DataFrame
    indicators: pd.DataFrame
    scores: pd.DataFrame
    recognitions: pd.DataFrame
    accounts: pd.DataFrame


def read_county(inbox: Path) -> County:
    """Read eleven of the files and give the columns that are used a name."""
    day = pd.Timestamp(dt.date.fromisoformat(inbox.name))
    patches = gpd.read_file(inbox / "DLTB.shp", encoding="GBK", use_arrow=True)
    patches["patch_code"] = patches["ZLDWDM"] + patches["TBBH"]
    patches["township_code"] = patches["ZLDWDM"].str[:9]
    parcels = gpd.read_file(inbox / "ZD.shp", encoding="GBK", use_arrow=True)
    parcels = parcels.rename(columns={"ZDDM": "parcel_code"})
    parcels["area_m2"] = parcels["ZDMJ"].fillna(parcels.area.round(4))
    areas = gpd.read_file(inbox / "行政区.gpkg", use_arrow=True)
    return County(
        day,
        patches,
        parcels,
        # a project is no assessment unit
        areas[areas["类型"] != "整治项目区"],
        gpd.read_file(inbox / "建筑物.gpkg", use_arrow=True),
        _read_rights(inbox / "权利人.csv"),
        _read_leases(inbox / "租赁.xlsx", day),
        _read_enterprises(inbox / "企业名录.xlsx"),
        *(
            pd.read_excel(next(inbox.glob(f"{name}_*.xlsx")), engine="calamine")
            for name in ("指标", "评价结果")
        ),
        pd.read_csv(inbox / "认定.csv", encoding="gb18030", dtype="str"),
        pd.read_csv(inbox / "用电户.csv", encoding="utf-8-sig", dtype="str").rename(
            columns={"宗地代码": "parcel_code", "统一社会信用代码": "enterprise_code"}
        ),
    )


def survey_area(shapes: gpd.GeoDataFrame | gpd.GeoSeries) -> pd.Series:
    """Areas on the ellipsoid, m2, to 0.0001."""
    return shapes.to_crs(SURVEY).area.round(4)


def _read_rights(file: Path) -> pd.DataFrame:
    """Rights in force, with their share as a number."""
    rights = pd.read_csv(file, encoding="gb18030", dtype="str")
    rights = rights[rights["QSZT"] == "1"].rename(columns={"ZDDM": "parcel_code"})
    text = rights["共有份额"]
    part = text.str.split("/", expand=True).reindex(columns=[0, 1])
    rights["share"] = np.where(
        text.str.endswith("%").fillna(value=False),
        pd.to_numeric(text.str.rstrip("%"), errors="coerce") / 100,
        pd.to_numeric(part[0], errors="coerce") / pd.to_numeric(part[1], errors="coerce"),
    )
    rights["certificate"] = plain_certificate(rights["BDCQZH"])
    return rights


def _read_leases(file: Path, day: pd.Timestamp) -> pd.DataFrame:
    """Leases in force on the day, land in m2."""
    leases = pd.read_excel(file, engine="calamine")
    leases = leases[is_in_force(leases["租赁开始日期"], leases["租赁结束日期"], day)]
    leases = leases.rename(
        columns={"宗地代码": "parcel_code", "租赁建筑面积（平方米）": "floor_m2"}
    )
    leases["land_m2"] = (leases["租赁土地面积（亩）"] * MU_M2).round(4)
    return leases


def is_in_force(first: pd.Series, last: pd.Series, day: pd.Timestamp) -> pd.Series:
    """Whether a day lies between two, the last one included; no last day is for ever."""
    end = pd.to_datetime(last, errors="coerce")
    return (pd.to_datetime(first) <= day) & (end.isna() | (day <= end))


def _read_enterprises(file: Path) -> pd.DataFrame:
    """The registry: a title, two lines of headings, a line of totals at the end."""
    table = pd.read_excel(file, engine="calamine", header=[1, 2], dtype="str")
    table.columns = [upper if "Unnamed" in lower else lower for upper, lower in table.columns]
    table = table[table["统一社会信用代码"] != "合计"]
    table = table.rename(columns={"企业名称": "name"})
    # people without a credit code have a registration number
    table["enterprise_code"] = table["统一社会信用代码"].fillna(table["注册号"])
    table["certificate"] = plain_certificate(table["不动产权证号"])
    return table


def registered_parcels(enterprises: pd.DataFrame) -> pd.DataFrame:
    """Parcels that the registry names: a code, a second one or its end behind 、, or 等 for more."""
    cell = enterprises["宗地代码"]
    first, other = cell.str.slice(0, 19), cell.str.extract("、(.+)$")[0]
    other = other.where(other.str.len() == 19, first.str.slice(0, 14) + other)
    code = enterprises["enterprise_code"]
    named = [
        pd.DataFrame({"parcel_code": part, "enterprise_code": code}) for part in (first, other)
    ]
    return pd.concat(named).dropna()


def plain_certificate(text: pd.Series) -> pd.Series:
    """Certificate numbers without the differences in how they are typed."""
    return (
        text.str.replace(" ", "").str.replace("（", "(").str.replace("）", ")").replace("", pd.NA)
    )


def lay_over_patches(county: County) -> gpd.GeoDataFrame:
    """Pieces of parcels on industrial patches, with their survey area."""
    base = county.patches[county.patches["DLBM"] == "0601"]
    pieces = gpd.overlay(
        county.parcels[["parcel_code", "geometry"]],
        base[["patch_code", "township_code", "geometry"]],
        how="intersection",
    )
    pieces["piece_m2"] = survey_area(pieces)
    return pieces[pieces["piece_m2"] > 0]


def describe_parcels(county: County, pieces: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Township of each parcel, and whether it holds industrial land."""
    parcels = county.parcels
    land = pieces.groupby(["parcel_code", "township_code"])["piece_m2"].sum().reset_index()
    land = land.sort_values(["piece_m2", "township_code"], ascending=[False, True])
    main = land.drop_duplicates("parcel_code").set_index("parcel_code")["township_code"]
    parcels["township_code"] = parcels["parcel_code"].map(main)
    rest = parcels[parcels["township_code"].isna()]
    points = gpd.GeoDataFrame(geometry=rest.representative_point())
    inside = points.sjoin(county.patches[["township_code", "geometry"]], predicate="within")
    inside = inside[~inside.index.duplicated()]["township_code"]
    parcels["township_code"] = parcels["township_code"].fillna(inside)
    under = pieces.groupby("parcel_code")["piece_m2"].sum()
    under = parcels["parcel_code"].map(under).fillna(0)
    is_more = (under >= 10) | ((under > 0) & (under >= 0.01 * parcels.area))
    parcels["is_industrial"] = is_more | parcels["YT"].isin(["0601", "061"])
    return parcels


def link(county: County) -> pd.DataFrame:
    """Who uses which parcel, as what: by code, name, registry, account, drawing, place."""
    working = county.enterprises[county.enterprises["状态"] == "存续"]
    by_name = working.set_index("name")["enterprise_code"]
    rights, leases = county.rights, county.leases
    owner = rights["ZJH"].fillna(rights["QLRMC"].map(by_name))
    lessee = leases["承租方统一社会信用代码"].fillna(leases["承租方名称"].map(by_name))
    leases["enterprise_code"] = lessee
    rights["enterprise_code"] = owner
    # who rents from somebody that rents here
    lessor = leases["出租方统一社会信用代码"]
    leases["is_sub"] = pd.MultiIndex.from_arrays([leases["parcel_code"], lessor]).isin(
        pd.MultiIndex.from_arrays([leases["parcel_code"], lessee])
    )
    certified = rights.drop_duplicates("certificate").set_index("certificate")["parcel_code"]
    links = pd.concat(
        [
            rights[PAIR].assign(role="owner"),
            leases[PAIR].assign(role=np.where(leases["is_sub"], "sub_tenant", "tenant")),
            registered_parcels(working).assign(role="operator"),
            working.assign(parcel_code=working["certificate"].map(certified))[PAIR]
            .dropna()
            .assign(role="operator"),
        ]
    )
    links = links[links["enterprise_code"].isin(working["enterprise_code"])]
    links = links.drop_duplicates(PAIR)
    links = pd.concat([links, _paid_parcels(county, links)])
    drawings = county.footprints.rename(columns={"统一社会信用代码": "enterprise_code"})
    is_open = drawings["enterprise_code"].isin(working["enterprise_code"])
    is_open &= ~drawings["enterprise_code"].isin(links["enterprise_code"])
    drawn = gpd.overlay(
        drawings.loc[is_open, ["enterprise_code", "geometry"]],
        county.parcels[["parcel_code", "geometry"]],
    )
    drawn["m2"] = drawn.area
    drawn = drawn.groupby(PAIR)["m2"].sum().reset_index().sort_values("m2", ascending=False)
    drawn = drawn.drop_duplicates("enterprise_code")[PAIR].assign(role="operator")
    links = pd.concat([links, drawn], ignore_index=True)
    # address and point of the same parcel count together
    placed = find_candidates(county, links)
    placed = placed[placed.duplicated(PAIR)][PAIR].assign(role="operator")
    return pd.concat([links, placed], ignore_index=True)


def _paid_parcels(county: County, links: pd.DataFrame) -> pd.DataFrame:
    """Parcels of the electricity accounts of enterprises that no paper places, in their township."""
    firms = county.enterprises[county.enterprises["状态"] == "存续"]
    firms = firms[~firms["enterprise_code"].isin(links["enterprise_code"])]
    bills = county.accounts[PAIR].dropna().drop_duplicates()
    bills = bills.merge(firms[["enterprise_code", "镇街代码"]], on="enterprise_code")
    bills = bills.merge(county.parcels[["parcel_code", "township_code"]], on="parcel_code")
    is_near = bills["镇街代码"].isna() | (bills["镇街代码"] == bills["township_code"])
    return bills.loc[is_near, PAIR].assign(role="operator")


def find_candidates(county: County, links: pd.DataFrame) -> pd.DataFrame:
    """Parcels at the address, and under the point, of enterprises that nothing else places."""
    firms = county.enterprises[county.enterprises["状态"] == "存续"]
    firms = firms[~firms["enterprise_code"].isin(links["enterprise_code"])]
    parcels = county.parcels[["parcel_code", "ZL", "geometry"]]
    by_address = firms.merge(parcels, left_on="地址", right_on="ZL")
    x, y = (pd.to_numeric(firms[name]) for name in ("X坐标", "Y坐标"))
    points = gpd.GeoDataFrame(
        firms[["enterprise_code"]], geometry=gpd.points_from_xy(x, y, crs=CRS)
    )
    by_point = points[x.notna()].sjoin(parcels, predicate="within")
    return pd.concat([by_address[PAIR].assign(by="address"), by_point[PAIR].assign(by="point")])


def find_seats(county: County, links: pd.DataFrame, candidates: pd.DataFrame) -> pd.DataFrame:
    """One state and, where it is known, one parcel per enterprise: the largest of its parcels."""
    firms = county.enterprises
    land = links.merge(
        county.parcels[["parcel_code", "is_industrial", "area_m2"]], on="parcel_code"
    )
    land = land.sort_values(
        ["is_industrial", "area_m2", "parcel_code"], ascending=[False, False, True]
    )
    main = land.drop_duplicates("enterprise_code").set_index("enterprise_code")
    code = firms["enterprise_code"]
    state = np.select(
        [
            firms["状态"] != "存续",
            code.isin(land.loc[land["is_industrial"], "enterprise_code"]),
            code.isin(land["enterprise_code"]),
            code.isin(candidates["enterprise_code"]),
        ],
        ["off_site", "linked", "no_industrial_premises", "in_review"],
        "unknown",
    )
    return pd.DataFrame(
        {"enterprise_code": code, "seat_state": state, "parcel_code": code.map(main["parcel_code"])}
    )


def divide(county: County, links: pd.DataFrame) -> pd.DataFrame:
    """Share the parcels out among their users, '' for what is left, by the ladder."""
    use = links.merge(county.parcels[["parcel_code", "area_m2"]], on="parcel_code")
    leases, rights = county.leases, county.rights
    works = pd.MultiIndex.from_frame(leases[PAIR]).isin(pd.MultiIndex.from_frame(links[PAIR]))
    let = leases[leases["is_sub"] & works].drop(columns="enterprise_code")
    let = let.rename(columns={"出租方统一社会信用代码": "enterprise_code"})
    first = leases[~leases["is_sub"]]
    for name, table, column in (
        ("rented", leases, "land_m2"),
        ("first", first, "land_m2"),
        ("let", let, "land_m2"),
        ("floor", leases, "floor_m2"),
        ("share", rights, "share"),
        ("drawn", _drawn_land(county, links), "drawn"),
    ):
        found = table.groupby(PAIR)[column].sum(min_count=1).rename(name).reset_index()
        use = use.merge(found, how="left", on=PAIR)
    is_tenant = use["role"].isin(["tenant", "sub_tenant"])
    use["signed"] = (use["rented"] - use["let"].fillna(0)).where(is_tenant)
    use["first"] = use["first"].where(is_tenant)
    use["negative"] = use["signed"] < 0
    is_open = use["signed"].isna()
    for name in ("share", "drawn", "floor"):
        use[f"open_{name}"] = use[name].where(is_open)
    group = use.assign(is_open=is_open).groupby("parcel_code")
    # what is known of each parcel, repeated for its users
    total = group[["first", "signed", "share", "negative", "is_open"]].transform("sum")
    reached = group[["open_share", "open_drawn", "open_floor"]].transform("count")
    summed = group[["open_drawn", "open_floor"]].transform("sum")
    left = use["area_m2"] - total["signed"]
    others = total["is_open"]
    conflict = (total["first"] > use["area_m2"] + 1e-9) | (total["negative"] > 0)
    conflict |= total["share"] > 1.000001
    part = use["share"].where(use["role"] == "owner").fillna(1)
    ladder = [
        ("conflict", conflict, 0),
        ("signed", ~is_open, use["signed"]),
        ("sole", group["role"].transform("size") == 1, use["area_m2"] * part),
        ("remainder", (others == 1) & use["share"].isna(), left),
        ("share", reached["open_share"] == others, left * use["share"]),
        (
            "footprint",
            (reached["open_drawn"] == others) & (summed["open_drawn"] <= left),
            use["drawn"],
        ),
        (
            "floor",
            reached["open_floor"] == others,
            left * use["floor"] / summed["open_floor"],
        ),
    ]
    rules = [rule for _, rule, _ in ladder]
    use["method"] = np.select(rules, [name for name, *_ in ladder], "undivided")
    use["allocated_m2"] = np.select(rules, [amount for *_, amount in ladder], 0.0).round(4)
    given = use.groupby("parcel_code").agg(
        area_m2=("area_m2", "first"), m2=("allocated_m2", "sum"), methods=("method", set)
    )
    methods = given["methods"].map(
        lambda found: next((m for m in ("conflict", "undivided") if m in found), "rest")
    )
    rest = pd.DataFrame(
        {
            "enterprise_code": "",
            "method": methods,
            "allocated_m2": (given["area_m2"] - given["m2"]).round(4),
        }
    ).reset_index()
    return pd.concat([use[[*PAIR, "method", "allocated_m2"]], rest], ignore_index=True)


def _drawn_land(county: County, links: pd.DataFrame) -> pd.DataFrame:
    """Land drawn for the users of a parcel, within the parcel."""
    drawings = county.footprints[county.footprints["类型"] == "用地"]
    drawings = drawings.rename(columns={"统一社会信用代码": "enterprise_code"})
    land = gpd.overlay(
        drawings[["enterprise_code", "geometry"]].dropna(),
        county.parcels[["parcel_code", "geometry"]],
    )
    land["drawn"] = land.area.round(4)
    return land.drop(columns="geometry").merge(links[PAIR], on=PAIR)


def form_units(county: County, shares: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is evaluated together: members (enterprise, parcel, m2, state), and the units."""
    firms = county.enterprises.set_index("enterprise_code")
    use = shares[shares["enterprise_code"] != ""]
    own = use.groupby("enterprise_code")["allocated_m2"].sum()
    is_above = firms["规模"].reindex(own.index) == "规上"
    leaving = own.index[(is_above & (own > 0)).to_numpy()]
    edge = use.loc[use["method"] == "undivided", PAIR]
    leaves = edge["enterprise_code"].isin(leaving)
    someone_stays = (~leaves).groupby(edge["parcel_code"]).transform("any")
    edge = edge[~(leaves & someone_stays)]
    edge = edge.assign(unit=connected(edge["enterprise_code"], edge["parcel_code"]))
    count = edge.groupby("unit")["parcel_code"].transform("nunique")
    edge["unit"] = np.where(count == 1, "P-", "M-") + edge["unit"]
    of_parcel = edge.drop_duplicates("parcel_code").set_index("parcel_code")["unit"]
    of_firm = edge.drop_duplicates("enterprise_code").set_index("enterprise_code")["unit"]
    unit = use["enterprise_code"].map(of_firm).fillna("E-" + use["enterprise_code"])
    common = shares[(shares["enterprise_code"] == "") & (shares["method"] == "undivided")]
    common = common.assign(unit=common["parcel_code"].map(of_parcel)).dropna(subset="unit")
    stays = edge[PAIR].assign(stays=True)
    kept = use.assign(unit=unit).merge(stays, how="left", on=PAIR)
    kept = kept[(kept["method"] != "undivided") | kept["stays"].notna()]
    members = pd.concat([kept.drop(columns="stays"), common], ignore_index=True)
    members = members.rename(columns={"unit": "unit_code"})
    units = _unit_states(county, members)
    members["state"] = members["unit_code"].map(units.set_index("unit_code")["eval_state"])
    return members, units


def connected(left: pd.Series, right: pd.Series) -> pd.Series:
    """Name the connected sets of a graph by their smallest right-hand end."""
    label = right
    while True:
        lower = label.groupby(left).transform("min").groupby(right).transform("min")
        if lower.equals(label):
            return label
        label = lower


def _unit_states(county: County, members: pd.DataFrame) -> pd.DataFrame:
    """Kind, state and area of each unit."""
    year = county.day.year - 1
    known = pd.concat(
        table.loc[table["年度"] == year, "统一社会信用代码"]
        for table in (county.indicators, county.scores)
    )
    given = county.recognitions
    is_given = is_in_force(given["开始日期"], given["结束日期"], county.day)
    is_given &= given["认定类型"] == "过渡期"
    growing = given.loc[is_given, "统一社会信用代码"]
    industrial = county.parcels.set_index("parcel_code")["is_industrial"]
    code = members["enterprise_code"]
    units = (
        members.assign(
            holds=members["parcel_code"].map(industrial),
            known=code.isin(known),
            growing=code.isin(growing),
            operator=code.where(code != ""),
        )
        .groupby("unit_code")
        .agg(
            area_m2=("allocated_m2", "sum"),
            holds=("holds", "any"),
            known=("known", "any"),
            growing=("growing", "any"),
            operators=("operator", "nunique"),
            parcels=("parcel_code", "nunique"),
        )
    )
    units["kind"] = units.index.str[0].map({"E": "enterprise", "P": "parcel", "M": "merged"})
    is_firm = units["kind"] == "enterprise"
    too_large = ~is_firm & ((units["operators"] > 10) | (units["parcels"] > 5))
    units["area_m2"] = units["area_m2"].round(4)
    units["eval_state"] = np.select(
        [
            (units["area_m2"] == 0) | ~units["holds"] | too_large,
            is_firm & units["growing"],
            units["known"],
        ],
        ["excluded", "transition", "evaluated"],
        "no_data",
    )
    return units.reset_index()


def share_states(
    parcels: gpd.GeoDataFrame, shares: pd.DataFrame, members: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Which part of each parcel is linked, evaluated, in transition, covered."""
    counted = {"linked": shares[shares["method"] != "rest"]}
    counted |= {state: members[members["state"] == state] for state in STATES[1:3]}
    for state, rows in counted.items():
        land = rows.groupby("parcel_code")["allocated_m2"].sum()
        parcels[state] = parcels["parcel_code"].map(land).fillna(0) / parcels["area_m2"]
    parcels["covered"] = parcels["evaluated"] + parcels["transition"]
    return parcels


def cover(
    county: County, pieces: gpd.GeoDataFrame, parcels: gpd.GeoDataFrame
) -> tuple[pd.DataFrame, gpd.GeoDataFrame]:
    """Coverage of each assessment unit, and of each industrial patch, in official area."""
    base = county.patches[county.patches["DLBM"] == "0601"].copy()
    base["survey_m2"] = survey_area(base)
    base["factor"] = base["TBMJ"] / base["survey_m2"]
    used = parcels[parcels["linked"] > 0]
    land = pieces.merge(used[["parcel_code", *STATES]], on="parcel_code")
    # where two parcels overlap, what they have in common counts once, at the larger share
    shapes = used[["parcel_code", "geometry"]]
    pair = shapes.sjoin(shapes, predicate="overlaps")
    pair = pair[pair["parcel_code_left"] < pair["parcel_code_right"]]
    first = used.loc[pair.index].reset_index(drop=True)
    second = used.loc[pair["index_right"]].reset_index(drop=True)
    common = first[["geometry"]].set_geometry(first.geometry.intersection(second.geometry))
    common[STATES] = -np.minimum(first[STATES], second[STATES])
    common = gpd.overlay(common, base[["patch_code", "township_code", "geometry"]])
    common["piece_m2"] = survey_area(common)
    land = pd.concat([land, common], ignore_index=True)
    land = _by_area(land, county.areas)
    ground = base.assign(base=1.0, piece_m2=base["survey_m2"])
    ground = _by_area(ground, county.areas)
    factor = base.set_index("patch_code")["factor"]
    for table, states in ((land, STATES), (ground, ["base"])):
        counted = table["piece_m2"] * table["patch_code"].map(factor)
        table[states] = table[states].mul(counted, axis=0)
    names = ["base", *STATES]
    whole = pd.concat([land, ground])[["area_code", "patch_code", *names]]
    coverage = whole.groupby("area_code")[names].sum().reindex(county.areas["XZQDM"])
    coverage = coverage.fillna(0).round(4).add_suffix("_area_m2").rename_axis("area_code")
    by_patch = whole.groupby("patch_code")[names].sum().round(4).add_suffix("_area_m2")
    patches = base[["patch_code", "township_code", "DLBM", "geometry"]]
    return coverage.reset_index(), patches.merge(by_patch.reset_index(), on="patch_code")


def _by_area(land: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> pd.DataFrame:
    """Divide land among the development zones, and the townships for what lies outside them."""
    zones = areas[areas["类型"].isin(["开发区", "高新区"])].rename(columns={"XZQDM": "area_code"})
    land = land.reset_index(drop=True)
    zoned = gpd.overlay(land.assign(row=land.index), zones[["area_code", "geometry"]])
    zoned["piece_m2"] = survey_area(zoned)
    within = zoned.groupby("row")["piece_m2"].sum()
    rest = land.assign(area_code=land["township_code"])
    rest["piece_m2"] -= within.reindex(rest.index).fillna(0)
    return pd.concat(
        [pd.DataFrame(table).drop(columns="geometry") for table in (rest, zoned)],
        ignore_index=True,
    )


def find_gaps(
    county: County, pieces: gpd.GeoDataFrame, parcels: gpd.GeoDataFrame, candidates: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Industrial land that is not wholly covered, and why: under parcels, and under none."""
    base = county.patches.loc[
        county.patches["DLBM"] == "0601", ["patch_code", "township_code", "geometry"]
    ]
    states = parcels[["parcel_code", "linked", "covered"]]
    gaps = pieces.merge(states, on="parcel_code")
    gaps = gaps[gaps["covered"] < 1]
    gaps["area_m2"] = gaps["piece_m2"] * (1 - gaps["covered"])
    gaps["reason"] = np.select(
        [
            (gaps["linked"] == 0) & gaps["parcel_code"].isin(candidates["parcel_code"]),
            gaps["linked"] == 0,
            gaps["linked"] < 1,
        ],
        ["in_review", "no_link", "not_allocated"],
        "not_evaluated",
    )
    bare = gpd.overlay(base, parcels[["geometry"]], how="difference")
    bare["area_m2"] = survey_area(bare)
    gaps = pd.concat([gaps, bare.assign(reason="no_parcel")], ignore_index=True)
    columns = ["patch_code", "parcel_code", "township_code", "area_m2", "reason", "geometry"]
    return gaps.loc[gaps["area_m2"] >= 0.01, columns]


def make_layers(
    county: County,
    parcels: gpd.GeoDataFrame,
    answers: dict[str, pd.DataFrame],
    members: pd.DataFrame,
    patches: gpd.GeoDataFrame,
) -> dict[str, gpd.GeoDataFrame]:
    """The layers that people look at."""
    firms = county.enterprises.drop(columns="certificate")
    shapes = parcels[["parcel_code", "township_code", "geometry"]]
    land = shapes.merge(answers["shares"], on="parcel_code")
    units = members[["unit_code", "parcel_code"]].drop_duplicates()
    units = shapes.merge(units, on="parcel_code").dissolve("unit_code").reset_index()
    scores = county.scores.rename(columns={"统一社会信用代码": "enterprise_code"})
    firms = firms.merge(answers["seats"], on="enterprise_code")
    firms = firms.merge(
        scores[["enterprise_code", "得分", "评价等级"]], how="left", on="enterprise_code"
    )
    places = shapes.assign(geometry=shapes.representative_point())
    areas = county.areas.rename(columns={"XZQDM": "area_code", "XZQMC": "name"})
    areas = areas.merge(answers["coverage"], on="area_code")
    areas["coverage_ratio"] = areas["covered_area_m2"] / areas["base_area_m2"]
    return {
        "parcel": parcels[["parcel_code", "township_code", "YT", "area_m2", *STATES, "geometry"]],
        "enterprise": places.merge(firms, on="parcel_code"),
        "enterprise_land": land.merge(firms[["enterprise_code", "name"]], on="enterprise_code"),
        "evaluation_unit": units.drop(columns="parcel_code").merge(
            answers["units"], on="unit_code"
        ),
        "industrial_patch": patches,
        "township_coverage": areas,
    }


def publish(layers: dict[str, gpd.GeoDataFrame], county: County, dsn: str) -> None:
    """The same layers, and what they were made from, as tables of a PostGIS database."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    for name, layer in layers.items():
        layer.to_postgis(name, engine, index=False)
    for field in fields(county)[1:]:
        table = getattr(county, field.name)
        if isinstance(table, gpd.GeoDataFrame):
            table.to_postgis(f"source_{field.name}", engine, index=False)
        else:
            table.to_sql(f"source_{field.name}", engine, index=False)
    engine.dispose()


def main() -> None:
    """Read, decide, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inbox", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("dsn", nargs="?", help="put the tables into this database, too")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    county = read_county(given.inbox)
    pieces = lay_over_patches(county)
    parcels = describe_parcels(county, pieces)
    links = link(county)
    candidates = find_candidates(county, links)
    seats = find_seats(county, links, candidates)
    shares = divide(county, links)
    members, units = form_units(county, shares)
    parcels = share_states(parcels, shares, members)
    coverage, patches = cover(county, pieces, parcels)
    answers = {
        "links": links[[*PAIR, "role"]],
        "seats": seats,
        "shares": shares[[*PAIR, "method", "allocated_m2"]],
        "units": units[["unit_code", "kind", "eval_state", "area_m2"]],
        "coverage": coverage,
        "parcels": parcels[["parcel_code", "township_code"]],
    }
    layers = make_layers(county, parcels, answers, members, patches)
    layers["uncovered_land"] = find_gaps(county, pieces, parcels, candidates)
    review = parcels[["parcel_code", "geometry"]].merge(candidates, on="parcel_code")
    layers["review_queue"] = review
    for name, table in answers.items():
        table.to_parquet(given.out / f"{name}.parquet", index=False)
    for name, layer in layers.items():
        layer.to_file(given.out / "map.gpkg", layer=name, use_arrow=True)
    if given.dsn:
        publish(layers, county, given.dsn)


if __name__ == "__main__":
    main()
