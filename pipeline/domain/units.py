"""Units of delivered figures: their names, the base unit of each kind, and how areas convert."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

# Names of units as people write them, folded and upper case.
UNIT_NAMES = {
    "M2": "m2",
    "平方米": "m2",
    "平方公尺": "m2",
    "平米": "m2",
    "亩": "mu",
    "市亩": "mu",
    "公顷": "ha",
    "HA": "ha",
    "万平方米": "ha",
    "平方公里": "km2",
    "平方千米": "km2",
    "KM2": "km2",
    "元": "yuan",
    "千元": "qian_yuan",
    "万元": "wan_yuan",
    "亿元": "yi_yuan",
    "千瓦时": "kwh",
    "KWH": "kwh",
    "度": "kwh",
    "兆瓦时": "mwh",
    "MWH": "mwh",
    "万千瓦时": "wan_kwh",
    "万KWH": "wan_kwh",
    "万度": "wan_kwh",
    "吨标准煤": "tce",
    "吨标煤": "tce",
    "TCE": "tce",
    "万吨标准煤": "wan_tce",
    "万吨标煤": "wan_tce",
    "千克": "kg",
    "公斤": "kg",
    "KG": "kg",
    "吨": "tonne",
    "人": "person",
}
# The base unit that figures of a unit are stored in, and the power of ten between them.
UNIT_BASE = {
    "m2": ("m2", 0),
    "mu": ("m2", 0),
    "ha": ("m2", 0),
    "km2": ("m2", 0),
    "ft2": ("m2", 0),
    "ft2_us": ("m2", 0),
    "yuan": ("yuan", 0),
    "qian_yuan": ("yuan", 3),
    "wan_yuan": ("yuan", 4),
    "yi_yuan": ("yuan", 8),
    "kwh": ("kwh", 0),
    "mwh": ("kwh", 3),
    "wan_kwh": ("kwh", 4),
    "tce": ("tce", 0),
    "wan_tce": ("tce", 4),
    "kg": ("tonne", -3),
    "tonne": ("tonne", 0),
    "person": ("person", 0),
}
# How people are told of a unit, in either language.
UNIT_TITLES = {
    "m2": "平方米 m2",
    "mu": "亩 mu",
    "ha": "公顷 ha",
    "km2": "平方公里 km2",
    "ft2": "平方英尺 ft2",
    "ft2_us": "平方英尺 ft2_us",
    "yuan": "元 yuan",
    "qian_yuan": "千元 qian_yuan",
    "wan_yuan": "万元 wan_yuan",
    "yi_yuan": "亿元 yi_yuan",
    "kwh": "千瓦时 kWh",
    "mwh": "兆瓦时 MWh",
    "wan_kwh": "万千瓦时 wan_kwh",
    "tce": "吨标准煤 tce",
    "wan_tce": "万吨标准煤 wan_tce",
    "kg": "千克 kg",
    "tonne": "吨 t",
    "person": "人 person",
}


@cache
def unit_names(unit: str) -> Mapping[str, str]:
    """Names of all units of the kind of a unit, with their codes.

    Shape:  one unit code in; names (one width, no spaces, upper case) and codes out.
    Units:  codes as in ``UNIT_BASE``.
    CRS:    none (no geometry).
    Errors: KeyError on an unknown unit (a caller's bug).
    Source: docs/sources.md, 6 and 7.
    """
    kind = UNIT_BASE[unit][0]
    return MappingProxyType(
        {name: code for name, code in UNIT_NAMES.items() if UNIT_BASE[code][0] == kind}
    )
