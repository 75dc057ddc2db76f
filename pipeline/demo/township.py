"""A township drawn by hand: the files its offices send, small enough to compute on paper.

云溪镇 (330299001), with a strip of 石桥乡 (330299002) to the east so that a border exists, in the
invented county 青岚县 (330299). Every place, firm and person is invented. The tables below are the
drawing: rectangles ``x0, y0, x1, y1`` in whole metres from the south-west corner, which lies on
``ORIGIN`` in EPSG:4549. The central meridian runs through the middle, so that plane area and
survey area agree to 1e-8 and a rectangle's area is width times height::

    y 800 ┌───────────────────────────────────────────────┬──────────┐
          │ woods, a lane                                 │ fields   │
      700 ├──────────────────┬───────────────┬────────────┤          │
          │ fields  ▣ island │ fields ○ pond │ orchard    │          │
      500 ├──────────────────┴───────────────┴────────────┼──────────┤
          │ river; homes, fields, shops (row 4)           │          │
      380 ├─────┬─────┬─────┬─────┬─────┬──┬─────┬────────┼──────────┤
          │field│ 17  │ 18  │mine │homes│19╎  20 │  21    │ row 3    │
      240 ├─────┼─────┼─────┼─────┼─────┼──┼─────┼────────┼──────────┤
          │  9  │ 10  │ 11  │ 12  │ 13  │14╎  15 │  16    │02 row 2  │
      120 ├─────┼─────┼─────┼─────┼─────┼──┴─────┼────────┼──────────┤
          │  1  │  2  │  3  │  4  │  5  │ 6   7  │   8    │01 row 1  │
        0 └─────┴─────┴─────┴─────┴─────┴────────┴────────┴──────────┘
          0    100   200   300   400   500  ╎600  700    800       1000
                                           550 the development zone, up to 800

Firms, parcels and holders have short names here: firm ``E01``, parcel ``P01`` (state land of
云溪镇), ``J01`` (its village land), ``Q01`` (石桥乡), village ``V01``, outside holder ``X01``.
``tests/data/township_answers.toml`` holds what must come out, computed by hand.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import geopandas as gpd
import pandas as pd
import pyogrio
from openpyxl import Workbook
from shapely import Polygon, box
from shapely.affinity import translate

from pipeline.domain.codes import credit_check_digit

COUNTY: Final = "330299"
CRS: Final = "EPSG:4549"
ORIGIN: Final = (499_500, 3_290_000)
DATE: Final = "2026-06-30"
SECOND_DATE: Final = "2026-07-01"
YEAR: Final = 2025

Box = tuple[int, int, int, int]
Ring = tuple[tuple[int, int], ...]


class Patch(NamedTuple):
    """One survey patch 图斑."""

    village: str
    number: str
    use: str
    place: Box
    hole: Box | None = None
    official_m2: str | None = None


class Parcel(NamedTuple):
    """One cadastral parcel 宗地; ``ring`` where it is no plain rectangle."""

    name: str
    place: Box
    official_m2: str | None
    location: str
    use: str = "0601"
    ring: Ring | None = None


class Right(NamedTuple):
    """One right holder 权利人 of a parcel."""

    parcel: str
    holder: str
    certificate: str
    share: str | None = None
    code: str | None = None
    state: str = "1"
    order: int = 1


class Lease(NamedTuple):
    """One lease 租赁; areas in square metres as in the contract."""

    number: str
    parcel: str
    lessor: str
    lessee: str
    land_m2: int | None
    floor_m2: int | None
    start: str
    end: str
    lessee_has_code: bool = True


class Firm(NamedTuple):
    """One enterprise as the registry knows it."""

    name: str
    full_name: str
    size: str
    industry: str
    parcel: str | None = None
    certificate: str | None = None
    address: str | None = None
    township: str | None = "云溪镇"
    status: str = "存续"
    point: tuple[int, int] | None = None


class Drawing(NamedTuple):
    """A building, or land drawn for an enterprise."""

    number: str
    kind: str
    firm: str | None
    place: Box
    floors: int | None = None


class Result(NamedTuple):
    """Figures of the data year: official score and grade, tax in 万元, electricity in kWh."""

    firm: str
    score: str | None
    grade: str | None
    tax_wan: str | None
    power_kwh: int | None


# ---------------------------------------------------------------------------------------------
# 行政区: two townships and the development zone, which cuts the patches 14 and 19 at x = 550.
AREAS: Final[tuple[tuple[str, str, str, Box], ...]] = (
    ("330299001", "云溪镇", "乡镇", (0, 0, 800, 800)),
    ("330299002", "石桥乡", "乡镇", (800, 0, 1000, 800)),
    ("330299401", "青岚经济开发区", "开发区", (550, 130, 800, 370)),
)
TOWNSHIP_CODE: Final = {name: code for code, name, kind, _ in AREAS if kind == "乡镇"}

# Villages 坐落单位: 19 characters, the last seven zeros.
VILLAGES: Final = {
    "云溪村": "330299001001" + "0" * 7,
    "东岙村": "330299001002" + "0" * 7,
    "石桥村": "330299002001" + "0" * 7,
}
USE_NAMES: Final = {
    "0101": "水田",
    "0201": "果园",
    "0301": "乔木林地",
    "0307": "其他林地",
    "05H1": "商业服务业设施用地",
    "0601": "工业用地",
    "0602": "采矿用地",
    "0702": "农村宅基地",
    "0809": "公用设施用地",
    "1003": "公路用地",
    "1006": "农村道路",
    "1101": "河流水面",
    "1104": "坑塘水面",
    "1201": "空闲地",
    "1202": "设施农用地",
}
Y, D, S = "云溪村", "东岙村", "石桥村"

# DLTB: 64 rows that tile 1000 m x 800 m exactly. 云溪村 lies west of x = 300, 东岙村 east of it.
PATCHES: Final = (
    # Row 1, y 20 to 120: industry from end to end.
    Patch(Y, "0001", "0601", (0, 20, 100, 120)),
    Patch(Y, "0002", "0601", (100, 20, 200, 120)),
    # the official area is 5 m2 more than the drawing: coverage counts the official one
    Patch(Y, "0003", "0601", (200, 20, 300, 120), official_m2="10005.00"),
    Patch(D, "0004", "0601", (300, 20, 400, 120)),
    Patch(D, "0005", "0601", (400, 20, 500, 120)),
    Patch(D, "0006", "0601", (500, 20, 600, 120)),
    Patch(D, "0007", "0601", (600, 20, 700, 120)),
    Patch(D, "0008", "0601", (700, 20, 800, 120)),
    # Row 2, y 140 to 240: industry; 14 is cut by the zone, 15 and 16 lie in it.
    Patch(Y, "0009", "0601", (0, 140, 100, 240)),
    Patch(Y, "0010", "0601", (100, 140, 200, 240)),
    Patch(Y, "0011", "0601", (200, 140, 300, 240)),
    Patch(D, "0012", "0601", (300, 140, 400, 240)),
    Patch(D, "0013", "0601", (400, 140, 500, 240)),
    Patch(D, "0014", "0601", (500, 140, 600, 240)),
    Patch(D, "0015", "0601", (600, 140, 700, 240)),
    # no parcel at all
    Patch(D, "0016", "0601", (700, 140, 800, 240)),
    # Row 3, y 260 to 360: mixed; 19 is cut by the zone, 20 and 21 lie in it.
    Patch(Y, "0031", "0101", (0, 260, 100, 360)),
    Patch(Y, "0017", "0601", (100, 260, 200, 360)),
    Patch(Y, "0018", "0601", (200, 260, 300, 360)),
    Patch(D, "0032", "0602", (300, 260, 400, 360)),
    Patch(D, "0033", "0702", (400, 260, 500, 360)),
    Patch(D, "0019", "0601", (500, 260, 600, 360)),
    Patch(D, "0020", "0601", (600, 260, 700, 360)),
    Patch(D, "0021", "0601", (700, 260, 800, 360)),
    # Row 4, y 380 to 480: no industry.
    Patch(Y, "0034", "0702", (0, 380, 100, 480)),
    Patch(Y, "0035", "0101", (100, 380, 200, 480)),
    Patch(Y, "0036", "05H1", (200, 380, 300, 480)),
    Patch(D, "0037", "0301", (300, 380, 400, 480)),
    Patch(D, "0038", "0101", (400, 380, 500, 480)),
    Patch(D, "0039", "1201", (500, 380, 600, 480)),
    Patch(D, "0040", "0101", (600, 380, 700, 480)),
    Patch(D, "0041", "0809", (700, 380, 800, 480)),
    # Roads between the rows.
    Patch(Y, "0051", "1003", (0, 0, 300, 20)),
    Patch(D, "0052", "1003", (300, 0, 800, 20)),
    Patch(Y, "0053", "1003", (0, 120, 300, 140)),
    Patch(D, "0054", "1003", (300, 120, 800, 140)),
    Patch(Y, "0055", "1003", (0, 240, 300, 260)),
    Patch(D, "0056", "1003", (300, 240, 800, 260)),
    Patch(Y, "0057", "1003", (0, 360, 300, 380)),
    Patch(D, "0058", "1003", (300, 360, 800, 380)),
    # The river, then fields. An industrial island lies in a hole of the field 0063, a pond in
    # one of 0064.
    Patch(Y, "0061", "1101", (0, 480, 300, 500)),
    Patch(D, "0062", "1101", (300, 480, 800, 500)),
    Patch(Y, "0063", "0101", (0, 500, 300, 700), hole=(100, 550, 150, 600)),
    Patch(Y, "0022", "0601", (100, 550, 150, 600)),
    Patch(D, "0064", "0101", (300, 500, 550, 700), hole=(400, 560, 440, 600)),
    Patch(D, "0065", "1104", (400, 560, 440, 600)),
    Patch(D, "0066", "0201", (550, 500, 800, 700)),
    Patch(Y, "0067", "0307", (0, 700, 300, 800)),
    Patch(D, "0068", "0301", (300, 700, 600, 800)),
    # a bad row: no patch number
    Patch(D, "", "1202", (600, 700, 700, 800)),
    Patch(D, "0070", "1006", (700, 700, 800, 800)),
    # 石桥乡, a strip of 200 m. Its numbers begin again at 0001.
    Patch(S, "0001", "0601", (800, 20, 840, 120)),
    Patch(S, "0002", "0601", (800, 140, 860, 240)),
    Patch(S, "0011", "0101", (840, 20, 1000, 120)),
    Patch(S, "0012", "0101", (860, 140, 1000, 240)),
    Patch(S, "0013", "0101", (800, 260, 900, 360)),
    Patch(S, "0014", "0702", (900, 260, 1000, 360)),
    Patch(S, "0015", "0301", (800, 380, 1000, 480)),
    Patch(S, "0021", "1003", (800, 0, 1000, 20)),
    Patch(S, "0022", "1003", (800, 120, 1000, 140)),
    Patch(S, "0023", "1003", (800, 240, 1000, 260)),
    Patch(S, "0024", "1003", (800, 360, 1000, 380)),
    Patch(S, "0025", "1101", (800, 480, 1000, 500)),
    Patch(S, "0026", "0101", (800, 500, 1000, 800)),
)

# ---------------------------------------------------------------------------------------------
# ZD: parcels. The comment names the case; who uses them stands in the tables further down.
PARCELS: Final = (
    # Row 1
    # sole owner
    Parcel("P01", (10, 30, 90, 105), "6000.00", "云溪镇纬一路1号"),
    # owner and a tenant with signed land
    Parcel("P02", (100, 30, 200, 110), "8000.00", "云溪镇纬一路2号"),
    # owner, tenant, and a sub-tenant of the tenant
    Parcel("P03", (200, 25, 300, 115), "9000.00", "云溪镇纬一路3号"),
    # two co-owners with registered shares 1/3 and 2/3
    Parcel("P04", (300, 25, 400, 100), "7500.00", "云溪镇纬一路4号"),
    # two users, each with drawn land; 250 m2 are left over
    Parcel("P05", (400, 30, 500, 80), "5000.00", "云溪镇纬一路5号"),
    # exactly 3 mu
    Parcel("P06", (400, 80, 450, 120), "2000.00", "云溪镇纬一路6号"),
    # one hundredth of a square metre less than 3 mu, by the register; drawn it has 2000 m2
    Parcel("P07", (450, 80, 500, 120), "1999.99", "云溪镇纬一路7号"),
    # two users, nothing to divide by: a parcel unit, whose members have different grades
    Parcel("P08", (500, 30, 600, 100), "7000.00", "云溪镇纬一路8号"),
    # two undivided parcels that E16 joins to a merged unit
    Parcel("P09", (600, 20, 630, 120), "3000.00", "云溪镇纬一路9号"),
    Parcel("P10", (640, 20, 680, 120), "4000.00", "云溪镇纬一路10号"),
    # land of a member of that unit alone: it goes into the unit with its firm
    Parcel("P39", (685, 20, 700, 120), "1500.00", "云溪镇纬一路39号"),
    # across the township border: 60 m in 云溪镇, 40 m in 石桥乡
    Parcel("P11", (740, 40, 840, 80), "4000.00", "云溪镇纬一路11号"),
    # industrial parcel without any enterprise: its only right is history
    Parcel("P36", (705, 30, 735, 110), "2400.00", "云溪镇纬一路36号"),
    # Row 2
    # a village collective's land, a tenant alone, no area in the lease
    Parcel("J01", (10, 140, 60, 240), "5000.00", "云溪镇云溪村村口1号"),
    # a lease that has lapsed and one that has not begun; the owner has it alone
    Parcel("P31", (65, 140, 95, 240), "3000.00", "云溪镇纬二路31号"),
    # three tenants, divided by floor area
    Parcel("J02", (100, 140, 140, 240), "4000.00", "云溪镇云溪村村口2号"),
    # signed areas exceed the parcel: conflict
    Parcel("J03", (150, 140, 180, 240), "3000.00", "云溪镇云溪村村口3号"),
    # two parcels that overlap by 20 m x 80 m on the patch 11
    Parcel("P13", (200, 150, 250, 230), "4000.00", "云溪镇纬二路13号"),
    Parcel("P14", (230, 150, 270, 230), "3200.00", "云溪镇纬二路14号"),
    # across the patches 11 and 12
    Parcel("P12", (280, 140, 320, 240), "4000.00", "云溪镇纬二路12号"),
    # its firm is found by the certificate number only
    Parcel("P20", (330, 150, 360, 230), "2400.00", "云溪镇纬二路20号"),
    # its firm is found by the registry's parcel code only; no registered area
    Parcel("P21", (365, 150, 395, 230), None, "云溪镇纬二路21号"),
    # its firm is found by its unique name only, brackets of another width
    Parcel("P22", (400, 150, 430, 230), "2400.00", "云溪镇纬二路22号"),
    # the same, but the registry knows no township: review
    Parcel("P23", (435, 150, 465, 230), "2400.00", "云溪镇纬二路23号"),
    # two enterprises bear the holder's name: review
    Parcel("P24", (470, 150, 495, 230), "2000.00", "云溪镇纬二路24号"),
    # half of it in the zone
    Parcel("P16", (520, 160, 580, 220), "3600.00", "云溪镇纬二路16号"),
    # undivided between a 规上 firm, which has land elsewhere, and another
    Parcel("P17", (600, 140, 650, 240), "5000.00", "云溪镇纬二路17号"),
    # a firm in transition
    Parcel("P34", (660, 150, 690, 230), "2400.00", "云溪镇纬二路34号"),
    # Row 3
    # half on the field 31, half on the industrial patch 17
    Parcel("P15", (60, 280, 140, 330), "4000.00", "云溪镇纬三路15号"),
    # a firm without any figure
    Parcel("P35", (150, 270, 190, 350), "3200.00", "云溪镇纬三路35号"),
    # a drawn building lies on it by four fifths
    Parcel("P25", (200, 270, 240, 350), "3200.00", "云溪镇纬三路25号"),
    # drawn land lies half on the one, half on the other: review
    Parcel("P26", (240, 270, 270, 350), "2400.00", "云溪镇纬三路26号"),
    Parcel("P27", (270, 270, 300, 350), "2400.00", "云溪镇纬三路27号"),
    # an enterprise has the same address: review
    Parcel("P28", (505, 270, 545, 350), "3200.00", "云溪镇纬三路２８号"),
    # a spike of no width, 10 m out and back: repaired, the area stays
    Parcel(
        "P29",
        (555, 270, 595, 350),
        "3200.00",
        "云溪镇纬三路29号",
        ring=((555, 270), (595, 270), (595, 310), (605, 310), (595, 310), (595, 350), (555, 350)),
    ),
    # the other land of the 规上 firm of P17
    Parcel("P18", (610, 260, 670, 360), "6000.00", "云溪镇纬三路18号"),
    # its owner is deregistered
    Parcel("P32", (675, 270, 695, 350), "1600.00", "云溪镇纬三路32号"),
    # one of two parcels of a firm; the other is Q01
    Parcel("P19", (710, 280, 760, 340), "3000.00", "云溪镇纬三路19号"),
    # a bow-tie: 150 m2 as drawn, 1130 m2 when repaired: quarantined
    Parcel(
        "P30",
        (765, 270, 795, 350),
        "2400.00",
        "云溪镇纬三路30号",
        ring=((765, 270), (795, 350), (795, 270), (765, 340)),
    ),
    # Elsewhere
    # shops: no industrial land, no industrial use
    Parcel("P33", (210, 390, 250, 430), "1600.00", "云溪镇纬四路33号", use="0501"),
    # the island; its tenant is known by name only and has signed for a part
    Parcel("J04", (100, 550, 150, 600), "2500.00", "云溪镇云溪村村口4号"),
    # 石桥乡
    Parcel("Q01", (800, 140, 860, 240), "6000.00", "石桥乡石桥路1号"),
)

# 权利人. The holder is a firm, the village V01, the outside company X01, or a plain name.
RIGHTS: Final = (
    Right("P01", "E01", "浙（2021）青岚县不动产权第0000001号"),
    # an exact duplicate of the row before
    Right("P01", "E01", "浙（2021）青岚县不动产权第0000001号"),
    Right("P02", "E02", "浙（2021）青岚县不动产权第0000002号"),
    Right("P03", "E04", "浙（2021）青岚县不动产权第0000003号"),
    Right("P04", "E07", "浙（2021）青岚县不动产权第0000004号", share="1/3"),
    Right("P04", "E08", "浙（2021）青岚县不动产权第0000004号", share="2/3", order=2),
    Right("P05", "E09", "浙（2021）青岚县不动产权第0000005号"),
    Right("P06", "E11", "浙（2021）青岚县不动产权第0000006号"),
    Right("P07", "E12", "浙（2021）青岚县不动产权第0000007号"),
    Right("P08", "E13", "浙（2021）青岚县不动产权第0000008号"),
    Right("P09", "E15", "浙（2021）青岚县不动产权第0000009号"),
    Right("P10", "E16", "浙（2021）青岚县不动产权第0000010号"),
    Right("P39", "E17", "浙（2021）青岚县不动产权第0000039号"),
    Right("P11", "E18", "浙（2021）青岚县不动产权第0000011号"),
    Right("P12", "E19", "浙（2021）青岚县不动产权第0000012号"),
    Right("P13", "E20", "浙（2021）青岚县不动产权第0000013号"),
    Right("P14", "X01", "浙（2021）青岚县不动产权第0000014号"),
    Right("P15", "E22", "浙（2021）青岚县不动产权第0000015号"),
    Right("P16", "E23", "浙（2021）青岚县不动产权第0000016号"),
    Right("P17", "E24", "浙（2021）青岚县不动产权第0000017号"),
    Right("P18", "E24", "浙（2021）青岚县不动产权第0000018号"),
    Right("P19", "E26", "浙（2021）青岚县不动产权第0000019号"),
    Right("Q01", "E26", "浙（2021）青岚县不动产权第0000101号"),
    # a holder's former name, no code: only the certificate leads to E27
    Right("P20", "青岚溪畔农机修造厂", "浙(2021)青岚县 不动产权第 20 号"),
    # half-width brackets, no code
    Right("P22", "栖梧新材(青岚)有限公司", "浙（2021）青岚县不动产权第0000022号"),
    Right("P23", "青岚鸣柯电器有限公司", "浙（2021）青岚县不动产权第0000023号"),
    Right("P24", "青岚同舟五金厂", "浙（2021）青岚县不动产权第0000024号"),
    Right("P29", "E36", "浙（2021）青岚县不动产权第0000029号"),
    Right("P31", "E38", "浙（2021）青岚县不动产权第0000031号"),
    Right("P32", "E41", "浙（2021）青岚县不动产权第0000032号"),
    Right("P34", "E43", "浙（2021）青岚县不动产权第0000034号"),
    Right("P35", "E44", "浙（2021）青岚县不动产权第0000035号"),
    # state 2: history
    Right("P36", "E20", "浙（2015）青岚县不动产权第0000036号", state="2"),
    Right("J01", "V01", "浙（2020）青岚县不动产权第0000201号"),
    Right("J02", "V01", "浙（2020）青岚县不动产权第0000202号"),
    Right("J03", "V01", "浙（2020）青岚县不动产权第0000203号"),
    Right("J04", "V01", "浙（2020）青岚县不动产权第0000204号"),
)

# 租赁
LEASES: Final = (
    Lease("ZL-001", "P02", "E02", "E03", 3000, None, "2024-01-01", "2028-12-31"),
    Lease("ZL-002", "P03", "E04", "E05", 4000, None, "2023-01-01", "2027-12-31"),
    # E05 lets on what it rents
    Lease("ZL-003", "P03", "E05", "E06", 1000, None, "2024-01-01", "2027-12-31"),
    Lease("ZL-004", "P14", "X01", "E21", 1600, None, "2022-01-01", "2031-12-31"),
    Lease("ZL-005", "J01", "V01", "E45", None, None, "2020-01-01", "长期"),
    Lease("ZL-006", "J02", "V01", "E46", None, 500, "2022-07-01", "2032-06-30"),
    Lease("ZL-007", "J02", "V01", "E47", None, 700, "2022-07-01", "2032-06-30"),
    # no floor area in the lease: that of the building drawn for E48 counts
    Lease("ZL-008", "J02", "V01", "E48", None, None, "2022-07-01", "2032-06-30"),
    Lease("ZL-009", "J03", "V01", "E49", 2000, None, "2023-01-01", "2032-12-31"),
    Lease("ZL-010", "J03", "V01", "E50", 1800, None, "2024-01-01", "2033-12-31"),
    Lease("ZL-011", "J04", "V01", "E51", 1000, None, "2025-01-01", "2029-12-31", False),
    # lapsed
    Lease("ZL-012", "P31", "E38", "E39", 800, None, "2023-01-01", "2025-12-31"),
    # begins in the future
    Lease("ZL-013", "P31", "E38", "E40", 700, None, "2026-09-01", "2030-08-31"),
)

# 企业名录
FIRMS: Final = (
    # parcel code and certificate say what the right says: no second role on the same parcel
    Firm(
        "E01",
        "青岚砚石精密轴承有限公司",
        "规上",
        "3451",
        parcel="330299001001GB00001",
        certificate="浙（2021）青岚县不动产权第0000001号",
    ),
    Firm("E02", "青岚霁月电机有限公司", "规下", "3812"),
    # parcel code beside a lease: stays a tenant
    Firm("E03", "青岚榕泉塑料制品厂", "规下", "2927", parcel="330299001001GB00002"),
    Firm("E04", "青岚墨舟模具有限公司", "规上", "3525"),
    Firm("E05", "青岚澜照紧固件有限公司", "规下", "3482"),
    Firm("E06", "青岚翠屿包装厂", "规下", "2231"),
    Firm("E07", "青岚岚坪针织有限公司", "规下", "1762"),
    Firm("E08", "青岚汀白服饰有限公司", "规下", "1821"),
    Firm("E09", "青岚朔望铸造有限公司", "规下", "3391"),
    # a unit code of 28 characters in the parcel column: its first 19 are meant
    Firm("E10", "青岚沐阶机械配件厂", "规下", "3484", parcel="330299001001GB00005F00010001"),
    Firm("E11", "青岚三畴家具厂", "规下", "2110"),
    Firm("E12", "青岚未满五金有限公司", "规下", "3351"),
    Firm("E13", "青岚双榉电器有限公司", "规下", "3857"),
    Firm("E14", "青岚共檐橡胶制品厂", "规下", "2913", parcel="330299001001GB00008"),
    Firm("E15", "青岚连枝纺织有限公司", "规下", "1751"),
    Firm("E16", "青岚合璧印染有限公司", "规下", "1752", parcel="330299001001GB00009"),
    Firm("E17", "青岚联珠染整厂", "规下", "1752", parcel="330299001001GB00010"),
    Firm("E18", "青岚界石水泵有限公司", "规下", "3441"),
    Firm("E19", "青岚跨畦阀门有限公司", "规下", "3443"),
    Firm("E20", "青岚叠翠玻璃有限公司", "规下", "3042"),
    Firm("E21", "青岚重岭纸品厂", "规下", "2239"),
    Firm("E22", "青岚半亩木业有限公司", "规下", "2034"),
    Firm("E23", "青岚分水电缆有限公司", "规下", "3831"),
    Firm("E24", "青岚长庚汽车部件有限公司", "规上", "3670"),
    Firm("E25", "青岚伴月冲压件厂", "规下", "3391", parcel="330299001001GB00017"),
    Firm("E26", "青岚两溪化纤有限公司", "规下", "2822"),
    # certificate only, written in another way than in the right
    Firm(
        "E27",
        "青岚溪畔智能装备有限公司",
        "规下",
        "3572",
        certificate="浙（2021）青岚县不动产权第0000020号",
    ),
    # parcel code only
    Firm("E28", "青岚指北仪表有限公司", "规下", "4011", parcel="330299001001GB00021"),
    # name only: full-width brackets here, half-width ones in the right
    Firm("E29", "栖梧新材（青岚）有限公司", "规下", "2659"),
    # name only, no township, not even in the address
    Firm("E30", "青岚鸣柯电器有限公司", "规下", "3853", address="创新巷30号", township=None),
    # two of the same name
    Firm("E31", "青岚同舟五金厂", "规下", "3351"),
    Firm("E32", "青岚同舟五金厂", "规下", "3351"),
    # found by a drawn building; drawn land with a tie
    Firm("E33", "青岚画地食品有限公司", "规下", "1432"),
    Firm("E34", "青岚骑墙工具厂", "规下", "3321"),
    # the address of P28, in another width and with a space
    Firm("E35", "青岚门牌文具有限公司", "规下", "2411", address="云溪镇 纬三路28号"),
    Firm("E36", "青岚修角锁业有限公司", "规下", "3351"),
    # a parcel code in good form that no parcel in force has: P30 is quarantined
    Firm("E37", "青岚折线光学有限公司", "规下", "3976", parcel="330299001001GB00030"),
    Firm("E38", "青岚守业弹簧有限公司", "规下", "3483"),
    Firm("E39", "青岚去年灯具厂", "规下", "3872"),
    Firm("E40", "青岚来秋玩具厂", "规下", "2451"),
    Firm("E41", "青岚昨日陶瓷厂", "规下", "3074", status="注销"),
    Firm("E42", "青岚街角食品店", "规下", "1421", parcel="330299001001GB00033"),
    Firm("E43", "青岚新芽传感器有限公司", "规下", "3983"),
    Firm("E44", "青岚无声乐器厂", "规下", "2421"),
    Firm("E45", "青岚村口竹制品厂", "规下", "2041"),
    Firm("E46", "青岚一楼缝纫机配件厂", "规下", "3553"),
    Firm("E47", "青岚二楼电子元件厂", "规下", "3981"),
    Firm("E48", "青岚三楼涂料厂", "规下", "2641"),
    Firm("E49", "青岚相持砂轮厂", "规下", "3099"),
    Firm("E50", "青岚不让砖瓦厂", "规下", "3031"),
    Firm("E51", "青岚孤岛渔具厂", "规下", "2442"),
    # the letter O for a zero in the parcel code
    Firm("E52", "青岚圆圈轮胎厂", "规下", "2911", parcel="3302990O1001GB00027"),
    Firm("E54", "青岚远行制鞋厂", "规下", "1952", status="迁出"),
    # only the registry's point lies on a parcel
    Firm("E55", "青岚定点衡器有限公司", "规下", "4015", point=(285, 340)),
)
# a credit code whose check digit is wrong: the row is quarantined
BAD_CODE_FIRM: Final = Firm("E53", "青岚错码制冷有限公司", "规下", "3464")

# 建筑物
DRAWINGS: Final = (
    # the land of the two users of P05: 45 x 50 = 2250; 50 x 52 = 2600, of which 2500 inside
    Drawing("F01", "用地", "E09", (400, 30, 445, 80)),
    Drawing("F02", "用地", "E10", (450, 28, 500, 80)),
    # 15 x 20 x 3 floors = 900 m2 of floor on J02
    Drawing("F03", "建筑", "E48", (105, 200, 120, 220), floors=3),
    # 20 x 30 = 600, of which 480 on P25 and 120 on P26
    Drawing("F04", "建筑", "E33", (224, 290, 244, 320), floors=1),
    # 20 x 20 = 400, half on P26, half on P27
    Drawing("F05", "用地", "E34", (260, 300, 280, 320)),
    # a building of nobody known
    Drawing("F06", "建筑", None, (20, 40, 50, 60), floors=2),
)

# 认定: firm, name in the list, kind, level, from, to
RECOGNITIONS: Final = (
    ("E43", "青岚新芽传感器有限公司", "过渡期", "", "2025-01-01", "2027-12-31"),
    # a transition that is over
    ("E22", "青岚半亩木业有限公司", "过渡期", "", "2022-01-01", "2024-12-31"),
    # the list writes a rare character that GBK lacks
    (
        "E01",
        "青岚砚石精密轴承有限公司（䶮石）",
        "高新技术企业",
        "国家级",
        "2024-12-01",
        "2027-11-30",
    ),
)

# 用电户: number, firm, address
ACCOUNTS: Final = (
    ("0029900001", "E01", "云溪镇纬一路1号"),
    # a D firm with two accounts
    ("0029900121", "E12", "云溪镇纬一路7号"),
    ("0029900122", "E12", "云溪镇纬一路7号"),
    # two of the three members of a D unit; E16 has none
    ("0029900151", "E15", "云溪镇纬一路9号"),
    ("0029900171", "E17", "云溪镇纬一路10号"),
    ("0029900990", None, "云溪镇纬四路99号"),
)

# 评价结果 and 指标. No row: no data (E44, and all that no table names). E45 is a D firm without
# account; E19 has figures but no official score; E43 is in transition; E30 is not linked.
RESULTS: Final = (
    Result("E01", "96.5", "A", "310.5", 820000),
    Result("E02", "78.2", "B", "120", 410000),
    Result("E03", "61.0", "C", "18.6", 152000),
    Result("E04", "82.4", "B", "265.25", 930000),
    Result("E05", "63.5", "C", "25", 201000),
    Result("E06", "60.1", "C", "6.4", 58000),
    Result("E07", "74.0", "B", "48", 176000),
    Result("E08", "91.3", "A", "152.75", 388000),
    Result("E09", "72.6", "B", "39.9", 240000),
    Result("E10", "64.8", "C", "22.5", 190000),
    Result("E11", "66.2", "C", "17.1", 88000),
    Result("E12", "31.5", "D", "1.2", 96000),
    Result("E13", "75.5", "B", "66", 301000),
    Result("E14", "62.9", "C", "31", 222000),
    Result("E15", "28.0", "D", "2.1", 310000),
    Result("E16", "26.4", "D", "2.8", 420000),
    Result("E17", "25.9", "D", "0.9", 156000),
    Result("E18", "73.3", "B", "57.5", 265000),
    Result("E19", None, None, "44", 204000),
    Result("E20", "71.8", "B", "52", 350000),
    Result("E21", "60.7", "C", "9.8", 70000),
    Result("E22", "70.9", "B", "33", 120000),
    Result("E23", "65.0", "C", "29.5", 187000),
    Result("E24", "94.1", "A", "480", 1260000),
    Result("E25", "76.0", "B", "35", 140000),
    Result("E26", "77.7", "B", "128", 690000),
    Result("E27", "64.1", "C", "15", 92000),
    Result("E28", "63.0", "C", "13.5", 81000),
    Result("E29", "72.0", "B", "27", 110000),
    Result("E30", "70.0", "B", "24", 99000),
    Result("E33", "61.9", "C", "16.5", 105000),
    Result("E36", "75.0", "B", "36", 133000),
    Result("E38", "62.2", "C", "19", 97000),
    Result("E43", None, None, "5.5", 60000),
    Result("E45", "30.3", "D", "0.7", 45000),
    Result("E46", "60.5", "C", "4", 26000),
    Result("E47", "62.0", "C", "7.5", 41000),
    Result("E48", "74.4", "B", "12", 38000),
    Result("E49", None, None, "3", 30000),
    Result("E50", None, None, "2.5", 28000),
    Result("E51", "61.5", "C", "3.5", 22000),
)

# What rules of evaluation ask for; none of it decides anything without a set of rules.
# 用地事项: number, kind, firm, parcel, area, contract, delivery, day, last day of the transition
LAND_EVENTS: Final = (
    (
        "3302992025B00034",
        "新供地",
        "E43",
        "P34",
        2400,
        "2025-01-01",
        "2025-02-20",
        "",
        "2027-12-31",
    ),
    ("3302992019Z00018", "二级市场转让", "E24", "P18", 6000, "", "", "2019-04-08", ""),
)
# 人才入选: firm, number of the person, programme, level, day
TALENTS: Final = (
    ("E24", "RC0000241", "引才工程", "国家级", "2024-05-06"),
    ("E24", "RC0000242", "人才培养工程", "省级", "2025-11-20"),
)
# 电表: account, meter, firm, share, evidence. Two meters of one account, one of two accounts.
METERS: Final = (
    ("0029900121", "0000012101", "E12", "", ""),
    ("0029900121", "0000012102", "E12", "", ""),
    ("0029900151", "0000015171", "E15", "60%", "分表抄见电量"),
    ("0029900171", "0000015171", "E17", "40%", "分表抄见电量"),
)
# 差别化政策执行情况: firm, year, policy, yuan
POLICY_RETURNS: Final = (
    ("E12", 2025, "差别化电价", "9600.00"),
    ("E24", 2025, "财政奖励", "250000.00"),
)

# ---------------------------------------------------------------------------------------------
# What the second night changes.
# P35 is divided into two halves; one goes to a new firm.
SPLIT: Final = {
    "P35": (
        Parcel("P37", (150, 270, 170, 350), "1600.00", "云溪镇纬三路35号甲"),
        Parcel("P38", (170, 270, 190, 350), "1600.00", "云溪镇纬三路35号乙"),
    )
}
SPLIT_RIGHTS: Final = (
    Right("P37", "E44", "浙（2026）青岚县不动产权第0000037号"),
    Right("P38", "E60", "浙（2026）青岚县不动产权第0000038号"),
)
NEW_FIRM: Final = Firm("E60", "青岚晨星电池有限公司", "规下", "3841")
RENAMED: Final = {"E08": "青岚汀白时装有限公司"}
REMOVED_FIRM: Final = "E40"
# the tenant of P02 leaves
ENDED_LEASE: Final = ("ZL-001", "2026-06-30")


def write_township(workspace: Path) -> None:
    """Write what the offices send on the first day, into ``inbox/2026-06-30``.

    DLTB.shp and ZD.shp (GBK, no ``.cpg``), 建筑物.gpkg, 行政区.gpkg, 企业名录.xlsx, 权利人.xlsx,
    租赁.xlsx, 指标_2025.xlsx, 评价结果_2025.xlsx, 认定.csv (GB18030), 用电户.csv (UTF-8), 用地事项.xlsx,
    人才入选.xlsx, 电表.csv, 差别化政策执行情况.csv (both UTF-8).

    Shape:  the workspace folder in; files written, older ones of the same name replaced.
    Units:  metres, m2; tax in 万元; leased land in mu.
    CRS:    EPSG:4549.
    Errors: OSError where the folder cannot be written.
    Source: the tables of this module. Two calls write the same bytes.
    """
    folder = _folder(workspace, DATE)
    _write_patches(folder)
    _write_parcels(folder, PARCELS)
    _write_areas(folder)
    _write_drawings(folder)
    _write_registry(folder, FIRMS, "2026年6月30日")
    _write_rights(folder, RIGHTS)
    _write_leases(folder, LEASES)
    _write_results(folder)
    _write_recognitions(folder)
    _write_accounts(folder)
    _write_rule_records(folder)


def write_second_night(workspace: Path) -> None:
    """Write what the offices send on the next day, into ``inbox/2026-07-01``.

    企业名录.xlsx (E08 renamed, E60 new, E40 removed), ZD.shp (P35 divided into P37 and P38),
    权利人.xlsx (P37 to E44, P38 to E60), 租赁.xlsx (the lease ZL-001 of E03 ended).
    The registry still seats E03 on P02: from tenant of a part it becomes operator, and P02 is used
    undivided.

    Shape:  the workspace folder in; files written, older ones of the same name replaced.
    Units:  metres, m2; leased land in mu.
    CRS:    EPSG:4549.
    Errors: OSError where the folder cannot be written.
    Source: the tables of this module. Two calls write the same bytes.
    """
    folder = _folder(workspace, SECOND_DATE)
    parcels = [new for old in PARCELS for new in SPLIT.get(old.name, (old,))]
    firms = [
        firm._replace(full_name=RENAMED.get(firm.name, firm.full_name))
        for firm in FIRMS
        if firm.name != REMOVED_FIRM
    ]
    rights = [right for right in RIGHTS if right.parcel not in SPLIT]
    number, end = ENDED_LEASE
    leases = [lease._replace(end=end) if lease.number == number else lease for lease in LEASES]
    _write_parcels(folder, parcels)
    _write_registry(folder, [*firms, NEW_FIRM], "2026年7月1日")
    _write_rights(folder, [*rights, *SPLIT_RIGHTS])
    _write_leases(folder, leases)


@cache
def official_code(name: str) -> str:
    """The official code behind a short name of the drawing: ``E01``, ``V01``, ``P01``, ``Q01``.

    Shape:  one short name in; one code out, 18 characters for holders, 19 for parcels.
    Units:  none.
    CRS:    none (no geometry).
    Errors: KeyError where the first letter is none of the drawing's.
    Source: GB 32100-2015 (credit codes, with a right check digit), GB/T 37346-2019 (parcels).
    """
    kind, number = name[0], int(name[1:])
    place = {"P": "001001GB", "J": "001001JB", "Q": "002001GB"}
    if kind in place:
        return f"{COUNTY}{place[kind]}{number:05d}"
    body = {"E": "91{}MA9T{:04d}0", "X": "91{}MA9X{:04d}0", "V": "N2{}MF9U{:04d}0"}[kind]
    text = body.format(COUNTY, number)
    return text + str(credit_check_digit(pd.Series([text]))[0])


def _folder(workspace: Path, date: str) -> Path:
    """Return the folder of one day's deliveries, made where it is missing."""
    folder = workspace / "inbox" / date
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _place(rectangle: Box) -> Polygon:
    """Return a rectangle of the drawing in the county's plane."""
    return translate(box(*rectangle, ccw=False), *ORIGIN)


def _parcel_polygon(parcel: Parcel) -> Polygon:
    """Return the polygon of a parcel as it is delivered, valid or not."""
    if parcel.ring is None:
        return _place(parcel.place)
    return translate(Polygon(parcel.ring), *ORIGIN)


def _holder_name(name: str) -> str:
    """Return the full name of a holder of the drawing, or the plain name itself."""
    known = {firm.name: firm.full_name for firm in (*FIRMS, NEW_FIRM)}
    known |= {"V01": "云溪镇云溪村股份经济合作社", "X01": "青岚山外资产管理有限公司"}
    return known.get(name, name)


def _holder_code(name: str) -> str | None:
    """Return the credit code of a holder of the drawing, None for a plain name."""
    return official_code(name) if re.fullmatch("[EVX][0-9]+", name) else None


def _write_patches(folder: Path) -> None:
    """Write DLTB.shp with the field names of TD/T 1057."""
    rows = []
    for order, patch in enumerate(PATCHES, start=1):
        polygon = _place(patch.place)
        if patch.hole is not None:
            polygon = polygon.difference(_place(patch.hole))
        area = float(patch.official_m2 or polygon.area)
        village = VILLAGES[patch.village]
        rows.append(
            {
                "BSM": f"{COUNTY}2001{order:08d}",
                "YSDM": "2001010100",
                "TBYBH": patch.number,
                "TBBH": patch.number,
                "DLBM": patch.use,
                "DLMC": USE_NAMES[patch.use],
                "QSXZ": "20" if patch.use in {"0601", "1003", "1101"} else "30",
                "QSDWDM": village,
                "QSDWMC": patch.village,
                "ZLDWDM": village,
                "ZLDWMC": patch.village,
                "TBMJ": area,
                "KCDLBM": "",
                "KCXS": 0.0,
                "KCMJ": 0.0,
                "TBDLMJ": area,
                "SJNF": YEAR,
                "geometry": polygon,
            }
        )
    _write_shapefile(folder / "DLTB.shp", rows)


def _write_parcels(folder: Path, parcels: Iterable[Parcel]) -> None:
    """Write ZD.shp with the field names of ZDJBXX."""
    rows = [
        {
            "BSM": f"{COUNTY}6001{order:08d}",
            "YSDM": "6001010000",
            "ZDDM": official_code(parcel.name),
            "BDCDYH": official_code(parcel.name) + "W00000000",
            "ZDTZM": official_code(parcel.name)[12:14],
            "ZL": parcel.location,
            "ZDMJ": None if parcel.official_m2 is None else float(parcel.official_m2),
            "MJDW": "1",
            "YT": parcel.use,
            "geometry": _parcel_polygon(parcel),
        }
        for order, parcel in enumerate(parcels, start=1)
    ]
    _write_shapefile(folder / "ZD.shp", rows)


def _write_areas(folder: Path) -> None:
    """Write 行政区.gpkg."""
    rows = [
        {"XZQDM": code, "XZQMC": name, "类型": kind, "geometry": _place(place)}
        for code, name, kind, place in AREAS
    ]
    _write_geopackage(folder / "行政区.gpkg", rows)


def _write_drawings(folder: Path) -> None:
    """Write 建筑物.gpkg: buildings, and land drawn for an enterprise."""
    rows = []
    for drawing in DRAWINGS:
        polygon = _place(drawing.place)
        rows.append(
            {
                "编号": drawing.number,
                "类型": drawing.kind,
                "统一社会信用代码": drawing.firm and official_code(drawing.firm),
                "层数": drawing.floors,
                "建筑面积": drawing.floors and polygon.area * drawing.floors,
                "geometry": polygon,
            }
        )
    _write_geopackage(folder / "建筑物.gpkg", rows)


def _write_registry(folder: Path, firms: Sequence[Firm], day: str) -> None:
    """Write 企业名录.xlsx: a title, a heading of two merged lines, a line of totals at the end."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "企业名录"
    sheet.append([f"青岚县工业企业名录（{day}）"])
    groups = {
        "统一社会信用代码": [""],
        "企业名称": [""],
        "基本情况": ["行业代码", "规模", "状态"],
        "坐落": ["所属镇街", "镇街代码", "地址", "宗地代码", "不动产权证号"],
        "坐标": ["X坐标", "Y坐标"],
    }
    upper = [name if i == 0 else None for name, parts in groups.items() for i in range(len(parts))]
    sheet.append(upper)
    sheet.append([part or None for parts in groups.values() for part in parts])
    width = len(upper)
    sheet.merge_cells(start_row=1, end_row=1, start_column=1, end_column=width)
    column = 1
    for parts in groups.values():
        last_row = 3 if parts == [""] else 2
        if last_row == 3 or len(parts) > 1:
            sheet.merge_cells(
                start_row=2,
                end_row=last_row,
                start_column=column,
                end_column=column + len(parts) - 1,
            )
        column += len(parts)
    for firm in firms:
        sheet.append(_registry_row(firm, official_code(firm.name)))
    # the wrong check digit: any other character of the alphabet
    right = official_code(BAD_CODE_FIRM.name)
    wrong = right[:17] + ("1" if right[17] == "0" else "0")
    sheet.append(_registry_row(BAD_CODE_FIRM, wrong))
    sheet.append(["合计", f"{len(firms) + 1}家"])
    _save(book, folder / "企业名录.xlsx")


def _registry_row(firm: Firm, code: str) -> list[Any]:
    """Return one line of the registry."""
    x, y = (None, None) if firm.point is None else firm.point
    return [
        code,
        firm.full_name,
        firm.industry,
        firm.size,
        firm.status,
        firm.township,
        firm.township and TOWNSHIP_CODE[firm.township],
        firm.address or f"云溪镇创新巷{int(firm.name[1:])}号",
        firm.parcel,
        firm.certificate,
        None if x is None else ORIGIN[0] + x,
        None if y is None else ORIGIN[1] + y,
    ]


def _write_rights(folder: Path, rights: Iterable[Right]) -> None:
    """Write 权利人.xlsx with the field names of the register."""
    area = {p.name: p.official_m2 for p in (*PARCELS, *SPLIT["P35"])}
    _write_table(
        folder / "权利人.xlsx",
        ["ZDDM", "BDCDYH", "SXH", "QLRMC", "ZJZL", "ZJH", "BDCQZH", "QSZT", "共有份额", "SYQMJ"],
        [
            [
                official_code(right.parcel),
                official_code(right.parcel) + "W00000000",
                right.order,
                _holder_name(right.holder),
                "7" if _holder_code(right.holder) else None,
                _holder_code(right.holder),
                right.certificate,
                right.state,
                right.share,
                area[right.parcel],
            ]
            for right in rights
        ],
    )


def _write_leases(folder: Path, leases: Iterable[Lease]) -> None:
    """Write 租赁.xlsx: land in mu, floors in square metres."""
    _write_table(
        folder / "租赁.xlsx",
        [
            "合同编号",
            "宗地代码",
            "出租方统一社会信用代码",
            "出租方名称",
            "承租方统一社会信用代码",
            "承租方名称",
            "租赁土地面积（亩）",
            "租赁建筑面积（平方米）",
            "租赁开始日期",
            "租赁结束日期",
        ],
        [
            [
                lease.number,
                official_code(lease.parcel),
                _holder_code(lease.lessor),
                _holder_name(lease.lessor),
                _holder_code(lease.lessee) if lease.lessee_has_code else None,
                _holder_name(lease.lessee),
                # 1 mu = 2000/3 m2
                None if lease.land_m2 is None else lease.land_m2 * 3 / 2000,
                lease.floor_m2,
                lease.start,
                lease.end,
            ]
            for lease in leases
        ],
    )


def _write_results(folder: Path) -> None:
    """Write 评价结果_2025.xlsx and 指标_2025.xlsx."""
    _write_table(
        folder / f"评价结果_{YEAR}.xlsx",
        ["统一社会信用代码", "企业名称", "年度", "得分", "评价等级"],
        [
            [official_code(r.firm), _holder_name(r.firm), YEAR, float(r.score), r.grade]
            for r in RESULTS
            if r.score is not None
        ],
    )
    _write_table(
        folder / f"指标_{YEAR}.xlsx",
        ["统一社会信用代码", "企业名称", "年度", "税收实际贡献（万元）", "用电量（千瓦时）"],
        [
            [
                official_code(r.firm),
                _holder_name(r.firm),
                YEAR,
                None if r.tax_wan is None else float(r.tax_wan),
                r.power_kwh,
            ]
            for r in RESULTS
        ],
    )


def _write_recognitions(folder: Path) -> None:
    """Write 认定.csv in GB18030."""
    table = pd.DataFrame(
        [(official_code(firm), *rest) for firm, *rest in RECOGNITIONS],
        columns=["统一社会信用代码", "企业名称", "认定类型", "级别", "开始日期", "结束日期"],
    )
    table.to_csv(folder / "认定.csv", index=False, encoding="gb18030", lineterminator="\r\n")


def _write_accounts(folder: Path) -> None:
    """Write 用电户.csv in UTF-8 with its mark."""
    table = pd.DataFrame(
        [
            (number, firm and _holder_name(firm), firm and official_code(firm), address)
            for number, firm, address in ACCOUNTS
        ],
        columns=["用电户号", "用电户名", "统一社会信用代码", "用电地址"],
    )
    table.to_csv(folder / "用电户.csv", index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _write_rule_records(folder: Path) -> None:
    """Write 用地事项.xlsx, 人才入选.xlsx, and 电表.csv and 差别化政策执行情况.csv in UTF-8 with its mark."""
    _write_table(
        folder / "用地事项.xlsx",
        [
            "电子监管号",
            "事项类型",
            "受让方统一社会信用代码",
            "宗地代码",
            "用地面积（平方米）",
            "合同签订日期",
            "交地日期",
            "发生日期",
            "过渡期截止日期",
        ],
        [
            [number, kind, official_code(firm), official_code(parcel), *rest]
            for number, kind, firm, parcel, *rest in LAND_EVENTS
        ],
    )
    _write_table(
        folder / "人才入选.xlsx",
        ["统一社会信用代码", "人才编号", "入选工程", "级别", "入选时间"],
        [[official_code(firm), *rest] for firm, *rest in TALENTS],
    )
    meters = pd.DataFrame(
        [(account, meter, official_code(firm), *rest) for account, meter, firm, *rest in METERS],
        columns=["用电户号", "电表号", "统一社会信用代码", "分摊比例", "依据"],
    )
    returns = pd.DataFrame(
        [(official_code(firm), *rest) for firm, *rest in POLICY_RETURNS],
        columns=["统一社会信用代码", "执行年度", "差别化政策", "金额（元）"],
    )
    for name, table in (("电表", meters), ("差别化政策执行情况", returns)):
        path = folder / f"{name}.csv"
        table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _write_shapefile(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a shapefile in GBK and take away the file that would say so; nor does the DBF."""
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs=CRS)
    pyogrio.write_dataframe(
        frame,
        path,
        driver="ESRI Shapefile",
        encoding="GBK",
        layer_options={"DBF_DATE_LAST_UPDATE": DATE},
    )
    path.with_suffix(".cpg").unlink(missing_ok=True)


def _write_geopackage(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a GeoPackage of a version that QGIS 3.22 opens without a warning."""
    path.unlink(missing_ok=True)
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs=CRS)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{DATE}T00:00:00.000Z"})
    try:
        pyogrio.write_dataframe(
            frame, path, layer=path.stem, driver="GPKG", dataset_options={"VERSION": "1.3"}
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _write_table(path: Path, headings: list[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a workbook of one plain sheet."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = path.stem
    for row in [headings, *rows]:
        sheet.append(list(row))
    _save(book, path)


def _save(book: Workbook, path: Path) -> None:
    """Save a workbook without the time of saving, so that equal content is equal bytes."""
    raw = io.BytesIO()
    book.save(raw)
    stamp = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*")
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = stamp.sub(rb"\g<1>" + f"{DATE}T00:00:00Z".encode(), source.read(name))
            # ZipInfo without a date stands for the first day that the format knows
            target.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
