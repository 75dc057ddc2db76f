"""The whole job with ogr2ogr and plain SQL: load every file, one SQL script, export.

``peer_ogr2ogr.py INBOX DSN OUT`` loads the deliveries of one day into the schema ``office`` of an
empty PostGIS database with ``PG_USE_COPY``, runs ``peer_ogr2ogr.sql`` and writes the answers and a
GeoPackage. What ogr2ogr cannot read (CSV in GB18030) is turned into UTF-8 first.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pandas as pd
import psycopg

CRS = "EPSG:4549"
SQL = Path(__file__).with_name("peer_ogr2ogr.sql")
# file, table, options of the reader
SHAPES = (
    ("DLTB.shp", "patch", ("-oo", "ENCODING=GBK")),
    ("ZD.shp", "parcel", ("-oo", "ENCODING=GBK")),
    ("行政区.gpkg", "area", ()),
    ("建筑物.gpkg", "footprint", ()),
)
# the registry has a title and two lines of headings: its columns are field1 to field13
PLAIN = ("-oo", "HEADERS=DISABLE", "-oo", "FIELD_TYPES=STRING")
HEADED = ("-oo", "HEADERS=FORCE")
TEXT = ("-oo", "AUTODETECT_TYPE=NO")
TABLES = (
    ("企业名录.xlsx", "registry", PLAIN, ""),
    ("租赁.xlsx", "lease", HEADED, ""),
    ("指标_*.xlsx", "indicator", HEADED, ""),
    ("评价结果_*.xlsx", "score", HEADED, ""),
    ("权利人.csv", "holder", TEXT, "gb18030"),
    ("认定.csv", "recognition", TEXT, "gb18030"),
    ("用电户.csv", "account", TEXT, ""),
)
ANSWERS = ("links", "seats", "shares", "units", "coverage", "parcels")


def ogr2ogr(*words: str | Path) -> None:
    """Run ogr2ogr; its complaints go to stderr."""
    subprocess.run(["ogr2ogr", *map(str, words)], check=True)


def load(inbox: Path, dsn: str, out: Path) -> None:
    """Copy every file into a table of its own; geometry gets its index on the way."""
    common = ["-f", "PostgreSQL", f"PG:{dsn}", "--config", "PG_USE_COPY", "YES", "-gt", "unlimited"]
    common += ["-lco", "SCHEMA=office", "-lco", "FID=fid"]
    for file, table, options in SHAPES:
        shape = ["-a_srs", CRS, "-nlt", "PROMOTE_TO_MULTI", "-lco", "GEOMETRY_NAME=geom"]
        ogr2ogr(*common, inbox / file, "-nln", table, *shape, *options)
    for pattern, table, options, encoding in TABLES:
        file = next(inbox.glob(pattern))
        if encoding:
            text = file.read_text(encoding=encoding)
            file = out / file.name
            file.write_text(text, encoding="utf-8")
        ogr2ogr(*common, file, "-nln", table, *options)


def work_out(connection: psycopg.Connection, day: str) -> None:
    """Run the script: one statement after the other, the day as a setting."""
    connection.execute("SELECT set_config('office.day', %s, false)", (day,))
    connection.execute(SQL.read_text(encoding="utf-8"))  # type: ignore[arg-type]
    connection.commit()


def export(connection: psycopg.Connection, dsn: str, out: Path) -> None:
    """Write the answers as parquet and the layers as one GeoPackage."""
    for name in ANSWERS:
        cursor = connection.execute(f'SELECT * FROM office."{name}"')  # type: ignore[arg-type]
        columns = [column.name for column in cursor.description or ()]
        table = pd.DataFrame(cursor.fetchall(), columns=columns)
        numbers = [column for column in columns if column.endswith("_m2")]
        table[numbers] = table[numbers].astype(float)
        table.to_parquet(out / f"{name}.parquet", index=False)
    connection.commit()
    source = f"PG:{dsn} schemas=map active_schema=map"
    ogr2ogr("-f", "GPKG", out / "map.gpkg", source, "-gt", "unlimited")


def main() -> None:
    """Load, decide, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inbox", type=Path)
    parser.add_argument("dsn")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(arguments.dsn) as connection:
        connection.execute("CREATE SCHEMA office")
        connection.commit()
        load(arguments.inbox, arguments.dsn, arguments.out)
        work_out(connection, arguments.inbox.name)
        export(connection, arguments.dsn, arguments.out)


if __name__ == "__main__":
    main()
