"""The linking by Splink 4 on DuckDB, as one who knows it well would set it up.

``peer_splink.py county INBOX LINKS [--points]`` links the registry of a generated county to right
holders and lessees; ``peer_splink.py redhook FOLDER [--points]`` the businesses of Red Hook to lots.
The model is trained by EM, without the truth; the threshold is the one with the best F1 on the truth,
which nobody has in practice. With ``--points`` the parcels under the points (Red Hook: the nearest lots)
are joined beforehand, and agree or not like any other column.

Splink is no part of diqi. It lives in an environment of its own:

    python3 -m venv splink && splink/bin/pip install "splink>=4,<5" geopandas python-calamine
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

PAIR = ["enterprise_code", "parcel_code"]
_FRONT = re.compile("^(浙江省?)?(明澜市?)?(青岚县?)?")
_FORM = re.compile("(股份有限|有限责任|有限)?公司$|加工厂$|厂$|(经营|加工)部$")
_STREETS = {
    "STREET": "ST",
    "AVENUE": "AVE",
    "PLACE": "PL",
    "COURT": "CT",
    "SQUARE": "SQ",
    "ROAD": "RD",
    "LANE": "LN",
    "TERRACE": "TER",
}


def read_county(inbox: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Enterprises in operation, and the holders and lessees of parcels on the day of the folder."""
    table = pd.read_excel(inbox / "企业名录.xlsx", header=[1, 2], dtype="str", engine="calamine")
    table.columns = [upper if "Unnamed" in lower else lower for upper, lower in table.columns]
    table = table[table["状态"] == "存续"].reset_index(drop=True)
    firms = pd.DataFrame(
        {
            "unique_id": table["统一社会信用代码"].fillna(table["注册号"]),
            "code": table["统一社会信用代码"],
            "name": table["企业名称"],
            "township": table["镇街代码"],
            "address": table["地址"],
            "certificate": table["不动产权证号"],
            "parcel": table["宗地代码"].str.slice(0, 19),
            "x": pd.to_numeric(table["X坐标"]),
            "y": pd.to_numeric(table["Y坐标"]),
        }
    )
    parcels = gpd.read_file(inbox / "ZD.shp", encoding="GBK")[["ZDDM", "ZL", "geometry"]]
    rights = pd.read_csv(inbox / "权利人.csv", encoding="gb18030", dtype="str")
    rights = rights[(rights["QSZT"] == "1") & (rights["ZJZL"] == "7")]
    leases = pd.read_excel(inbox / "租赁.xlsx", dtype="str", engine="calamine")
    end = leases["租赁结束日期"].replace("长期", "9999-12-31")
    leases = leases[(leases["租赁开始日期"] <= inbox.name) & (end >= inbox.name)]
    parties = pd.concat(
        [
            pd.DataFrame(
                {
                    "parcel": rights["ZDDM"],
                    "role": "owner",
                    "name": rights["QLRMC"],
                    "code": rights["ZJH"],
                    "certificate": rights["BDCQZH"],
                }
            ),
            pd.DataFrame(
                {
                    "parcel": leases["宗地代码"],
                    "role": "tenant",
                    "name": leases["承租方名称"],
                    "code": leases["承租方统一社会信用代码"],
                    "certificate": None,
                }
            ),
        ],
        ignore_index=True,
    )
    parties = parties.merge(
        parcels.rename(columns={"ZDDM": "parcel", "ZL": "address"}), on="parcel"
    )
    parties["township"] = parties["parcel"].str.slice(0, 9)
    parties["unique_id"] = parties.index.astype("str") + " " + parties["parcel"]
    for side in (firms, parties):
        side["name"] = side["name"].str.replace(r"\s", "", regex=True)
        side["name"] = side["name"].str.replace("(", "（").str.replace(")", "）")
        side["core"] = (
            side["name"].str.replace(_FRONT, "", regex=True).str.replace(_FORM, "", regex=True)
        )
        side["address"] = side["address"].str.normalize("NFKC").str.replace(_FRONT, "", regex=True)
        side["certificate"] = side["certificate"].str.extract(r"(\d{4}\D+\d+)号")[0]
        side["certificate"] = side["certificate"].str.replace(r"\D+", "-", regex=True)
    points = gpd.GeoDataFrame(firms[[]], geometry=gpd.points_from_xy(firms["x"], firms["y"]))
    shapes = parcels.set_geometry("geometry").set_crs(None, allow_override=True)
    under = points.sjoin(shapes, predicate="within")
    firms["under"] = under[~under.index.duplicated()]["ZDDM"].reindex(firms.index)
    parties["under"] = parties["parcel"]
    return firms.drop(columns=["x", "y"]), pd.DataFrame(parties.drop(columns="geometry"))


def read_red_hook(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Businesses, lots, and the lots of the businesses that have one."""
    table = pd.read_csv(folder / "businesses.csv", dtype="str")
    firms = pd.DataFrame(
        {
            "unique_id": table["DCA License Number"],
            "address": table["Address Building"] + " " + table["Address Street Name"],
            "zip": table["Address ZIP"],
        }
    )
    shapes = gpd.read_file(folder / "lots" / "pluto.shp")
    lots = pd.DataFrame(
        {
            "unique_id": shapes["bbl"].astype("int64").astype("str"),
            "address": shapes["address"],
            "zip": shapes["zipcode"].astype("float").astype("Int64").astype("str"),
        }
    )
    for side in (firms, lots):
        text = side["address"].str.upper().str.replace(r"[.,]", "", regex=True)
        for long, short in _STREETS.items():
            text = text.str.replace(rf"\b{long}\b", short, regex=True)
        side["address"] = text
        side["number"] = text.str.extract(r"^(\d+)")[0]
        side["street"] = text.str.replace(r"^\S+\s+", "", regex=True)
    points = gpd.GeoSeries(
        gpd.points_from_xy(table["Longitude"].astype(float), table["Latitude"].astype(float)),
        crs=4326,
    ).to_crs(2263)
    near = gpd.GeoDataFrame(geometry=points).sjoin_nearest(
        shapes[["geometry"]].to_crs(2263), max_distance=100
    )
    near = near[~near.index.duplicated()]["index_right"]
    firms["under"] = lots["unique_id"].reindex(near).set_axis(near.index).reindex(firms.index)
    lots["under"] = lots["unique_id"]
    truth = pd.read_csv(folder / "truth.csv", dtype="str").dropna(subset="lot")
    truth = truth.rename(columns={"DCA License Number": "enterprise_code", "lot": "parcel_code"})
    return firms, lots.drop_duplicates("unique_id"), truth[PAIR]


def county_settings(*, with_points: bool) -> tuple[SettingsCreator, list[Any], list[Any]]:
    """Comparisons and blocking for a county; the rules to train on; the rules that are nearly sure."""
    comparisons = [
        cl.LevenshteinAtThresholds("code", [1]),
        cl.CustomComparison(
            output_column_name="name",
            comparison_levels=[
                cll.NullLevel("core"),
                cll.ExactMatchLevel("name"),
                cll.ExactMatchLevel("core"),
                cll.LevenshteinLevel("core", 1),
                cll.JaroWinklerLevel("core", 0.88),
                cll.ElseLevel(),
            ],
        ),
        cl.ExactMatch("township"),
        cl.JaroWinklerAtThresholds("address", [0.95, 0.85]),
        cl.ExactMatch("certificate"),
        cl.ExactMatch("parcel"),
    ]
    blocking = [
        block_on("code"),
        block_on("core"),
        block_on("substr(core, 1, 2)"),
        block_on("substr(core, 2, 4)"),
        block_on("certificate"),
        block_on("parcel"),
        block_on("address"),
    ]
    if with_points:
        comparisons.append(cl.ExactMatch("under"))
        blocking.append(block_on("under"))
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=blocking,
    )
    return (
        settings,
        [block_on("code"), block_on("core"), block_on("parcel")],
        [block_on("code"), block_on("name")],
    )


def red_hook_settings(*, with_points: bool) -> tuple[SettingsCreator, list[Any], list[Any]]:
    """The same for addresses of streets."""
    comparisons = [
        cl.ExactMatch("number"),
        cl.JaroWinklerAtThresholds("street", [0.95, 0.88]),
        cl.ExactMatch("zip"),
    ]
    blocking = [block_on("number"), block_on("street")]
    train = [block_on("number"), block_on("street")]
    if with_points:
        comparisons.append(cl.ExactMatch("under"))
        blocking.append(block_on("under"))
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=comparisons,
        blocking_rules_to_generate_predictions=blocking,
    )
    return settings, train, [block_on("address")]


def predict(
    left: pd.DataFrame, right: pd.DataFrame, how: tuple[SettingsCreator, list[Any], list[Any]]
) -> pd.DataFrame:
    """Train by EM and give every blocked pair its probability."""
    settings, train, sure = how
    linker = Linker([left, right], settings, DuckDBAPI(), input_table_aliases=["firm", "party"])
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e7, seed=1)
    for rule in train:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    found = linker.inference.predict(threshold_match_probability=1e-6).as_pandas_dataframe()
    is_turned = found["source_dataset_l"] == "party"
    one = found["unique_id_l"].where(~is_turned, found["unique_id_r"])
    other = found["unique_id_r"].where(~is_turned, found["unique_id_l"])
    return pd.DataFrame({"firm": one, "party": other, "weight": found["match_weight"]})


def best(found: pd.DataFrame, truth: pd.DataFrame) -> dict[str, Any]:
    """Figures at the threshold with the best F1 over pairs."""
    pairs = found.groupby(PAIR)["weight"].max().reset_index()
    pairs["right"] = pd.MultiIndex.from_frame(pairs[PAIR]).isin(
        pd.MultiIndex.from_frame(truth[PAIR])
    )
    pairs = pairs.sort_values("weight", ascending=False, ignore_index=True)
    count = len(truth.drop_duplicates(PAIR))
    right = pairs["right"].cumsum()
    f1 = 2 * right / (pairs.index + 1 + count)
    is_last = pairs["weight"] != pairs["weight"].shift(-1)
    at = int(np.argmax(f1.where(is_last, 0)))
    # what is asked of ours: the best recall with 99 of 100 right
    sure = np.flatnonzero(is_last & (right / (pairs.index + 1) >= 0.99))
    return {
        "links": at + 1,
        "right": int(right[at]),
        "precision": right[at] / (at + 1),
        "recall": right[at] / count,
        "f1": f1[at],
        "threshold (log2)": pairs["weight"][at],
        "recall at precision 0.99": right[sure[-1]] / count if len(sure) else 0.0,
        "highest recall": right.iloc[-1] / count,
    }


def main() -> None:
    """Read, train, link, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("county", "redhook"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("links", type=Path, nargs="?", help="links.parquet of the truth")
    parser.add_argument("--points", action="store_true")
    given = parser.parse_args()
    start, busy = time.monotonic(), time.process_time()
    if given.what == "county":
        firms, parties = read_county(given.folder)
        roles = parties.set_index("unique_id")[["parcel", "role"]]
        how = county_settings(with_points=given.points)
        found = predict(firms, parties, how).join(roles, on="party")
        found = found.rename(columns={"firm": "enterprise_code", "parcel": "parcel_code"})
        seconds, busy = time.monotonic() - start, time.process_time() - busy
        truth = pd.read_parquet(given.links)
    else:
        firms, lots, truth = read_red_hook(given.folder)
        found = predict(firms, lots, red_hook_settings(with_points=given.points))
        found = found.rename(columns={"firm": "enterprise_code", "party": "parcel_code"})
        seconds, busy = time.monotonic() - start, time.process_time() - busy
    figures = {"seconds": round(seconds, 1), "cores": round(busy / seconds, 2), "pairs": len(found)}
    figures |= best(found, truth)
    if given.what == "county":
        for name, part in (
            ("with a right or lease", truth["evidence"].str.startswith(("right", "lease"))),
            ("by the registry or a drawing alone", truth["role"] == "operator"),
        ):
            kept = found[found["weight"] >= figures["threshold (log2)"]]
            pairs = pd.MultiIndex.from_frame(truth.loc[part, PAIR])
            figures[f"recall {name}"] = pairs.isin(pd.MultiIndex.from_frame(kept[PAIR])).mean()
    print(json.dumps(figures, ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
