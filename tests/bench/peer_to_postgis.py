"""Loading alone, the way GeoPandas offers it: read_file and to_postgis, read_excel and to_sql.

``peer_to_postgis.py INBOX DSN`` puts every delivery of one day into a table of an empty PostGIS
database. To be held against the time that diqi takes to load.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas as gpd
import pandas as pd
import psycopg
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

SHAPES = {
    "DLTB.shp": ("patch", "GBK"),
    "ZD.shp": ("parcel", "GBK"),
    "行政区.gpkg": ("area", None),
    "建筑物.gpkg": ("footprint", None),
}
WORKBOOKS = {
    "租赁.xlsx": ("lease", 0),
    "企业名录.xlsx": ("registry", [1, 2]),
    "指标_*.xlsx": ("indicator", 0),
    "评价结果_*.xlsx": ("score", 0),
}
TEXTS = {
    "权利人.csv": ("holder", "gb18030"),
    "认定.csv": ("recognition", "gb18030"),
    "用电户.csv": ("account", "utf-8-sig"),
}


def load(inbox: Path, engine: Engine) -> None:
    """Copy every file into a table of its own."""
    for file, (table, encoding) in SHAPES.items():
        shapes = gpd.read_file(inbox / file, encoding=encoding, use_arrow=True)
        shapes.to_postgis(table, engine, index=False)
    tables: dict[str, pd.DataFrame] = {}
    for pattern, (table, header) in WORKBOOKS.items():
        file = next(inbox.glob(pattern))
        tables[table] = pd.read_excel(file, engine="calamine", header=header, dtype="str")
    registry = tables["registry"]
    registry.columns = [upper if "Unnamed" in lower else lower for upper, lower in registry.columns]
    for text, (table, encoding) in TEXTS.items():
        tables[table] = pd.read_csv(inbox / text, encoding=encoding, dtype="str")
    for name, rows in tables.items():
        rows.to_sql(name, engine, index=False)


def main() -> None:
    """Load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inbox", type=Path)
    parser.add_argument("dsn")
    arguments = parser.parse_args()
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(arguments.dsn))
    load(arguments.inbox, engine)
    engine.dispose()


if __name__ == "__main__":
    main()
