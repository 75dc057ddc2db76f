"""Names and codes of the county: invented words, put together so that none comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from pipeline.demo.generator.noise import Ints, chance
from pipeline.demo.township import COUNTY
from pipeline.domain.codes import CREDIT_ALPHABET, credit_check_digit

TOWNSHIPS: Final = (
    "云溪镇",
    "石桥乡",
    "青川街道",
    "望湖街道",
    "松岙镇",
    "梅坞镇",
    "白渚镇",
    "枫屿乡",
    "竹湾镇",
    "南塘镇",
    "北渡镇",
    "东篱乡",
    "西浦镇",
    "金坪镇",
    "银潭乡",
    "鹤鸣镇",
    "雁荡口镇",
    "桑园镇",
    "柳汀乡",
    "蓝田坂镇",
)
TOWNSHIP_CODES: Final = tuple(f"{COUNTY}{number:03d}" for number in range(1, 21))
# code, name, kind
ZONES: Final = (
    (f"{COUNTY}401", "青岚经济开发区", "开发区"),
    (f"{COUNTY}402", "青岚高新技术产业区", "高新区"),
)

_VILLAGE_FIRST = tuple("东西南北上下前后大小新古长双石竹松梅桃柳桐枫樟桂莲荷溪河湖江")
_VILLAGE_LAST = tuple("岙坑湾塘浦渡桥亭庄埠堰畈坪岭坞墩汇泽洲屿山田园门井泉溪里坂畔")
_ROADS = (
    "创业路",
    "兴工路",
    "纬一路",
    "纬二路",
    "纬三路",
    "经一路",
    "经二路",
    "工贸路",
    "振兴街",
    "望山路",
    "临河路",
    "新桥街",
)

# What stands before the name of a place: the city above the county is invented as well.
COUNTY_NAMES: Final = ("青岚县", "青岚")
CITY_NAMES: Final = ("明澜市", "明澜")
# Townships that were merged into a township of today, by its place in ``TOWNSHIPS``.
FORMER_TOWNSHIPS: Final = {
    3: ("湖头镇", "灵官乡"),
    4: ("岭脚乡",),
    9: ("塘沿镇", "沙头乡"),
    15: ("鸣凤乡",),
}

_BRAND_FIRST = tuple(
    "砚霁榕墨澜翠岚汀朔沐畴榉檐枝璧联界畦叠岭亩长伴溪栖鸣舟画门折守晨星晗昱朗清浩瀚泓渊"
    "川岱峦嵘峻崇屹恒泰盛启拓锐铭锦永新东华兴佳美金天海宏伟立德嘉捷益凌旭振奋三双百万欣"
    "宇日龙凤方正大中利顺瑞祥福康安宁景明亮耀辰环亚卓越飞腾佰仁凡"
)
_BRAND_LAST = tuple(
    "石月泉舟照屿坪白望阶圃荣语连合珠汐翠重野水庚畔云梧柯帆风角线夜芽光晖阳川波远达"
    "通和诚信益丰茂源隆兴华宏发旺成业力威灵鹰马鸿鹏程越超群伦伟杰豪迈峰顶巅岳润泽"
    "洋涛江河湖宝玉珍贵富裕康健乐欢喜庆祥"
)
# A third and a fourth character; no word of trade begins with one.
_BRAND_MORE = tuple("尔斯莱普迪奥诺格洛维")
# The other character of a name that is nearly another's; no name has one by itself.
_BRAND_NEAR = tuple("骏熠焱淼垚犇皓钰栩颢珺璟韬彧烨")
# word, code of the industry (GB/T 4754)
INDUSTRIES: Final = (
    ("电器", "3857"),
    ("塑料", "2929"),
    ("轴承", "3451"),
    ("电机", "3812"),
    ("模具", "3525"),
    ("五金", "3351"),
    ("针织", "1762"),
    ("服饰", "1821"),
    ("铸造", "3391"),
    ("家具", "2110"),
    ("电子", "3989"),
    ("纺织", "1751"),
    ("印染", "1752"),
    ("水泵", "3441"),
    ("阀门", "3443"),
    ("玻璃", "3042"),
    ("纸品", "2239"),
    ("木业", "2034"),
    ("电缆", "3831"),
    ("化纤", "2822"),
    ("仪表", "4011"),
    ("工具", "3321"),
    ("文具", "2411"),
    ("光学", "3976"),
    ("弹簧", "3483"),
    ("灯具", "3872"),
    ("玩具", "2451"),
    ("陶瓷", "3074"),
    ("食品", "1432"),
    ("机械", "3499"),
    ("实业", "3399"),
    ("科技", "3990"),
    ("车业", "3761"),
    ("紧固件", "3482"),
    ("新材料", "2659"),
    ("传感器", "3983"),
    ("密封件", "3481"),
    ("塑料制品", "2927"),
    ("电器配件", "3857"),
    ("五金配件", "3351"),
    ("轴承配件", "3451"),
    ("机械配件", "3484"),
    ("汽车配件", "3670"),
    ("车辆配件", "3670"),
    ("金属制品", "3399"),
    ("塑料五金", "2929"),
    ("五金塑料", "2929"),
    ("塑料电器", "3857"),
    ("塑料模具", "3525"),
    ("电器实业", "3857"),
    ("电子科技", "3989"),
    ("机电设备", "3819"),
    ("橡胶制品", "2913"),
    ("毛绒制品", "1789"),
    ("包装材料", "2231"),
    ("密封材料", "3481"),
    ("五金工具", "3321"),
    ("仪表配件", "4011"),
    ("光电科技", "3976"),
    ("环保科技", "3591"),
    ("工艺品", "2439"),
    ("纺织机械", "3551"),
)
# form, share, kind of credit code
_FORMS = (
    ("有限公司", 0.610, "91MA"),
    ("厂", 0.285, "92MA"),
    ("厂（普通合伙）", 0.035, "91MA"),
    ("加工厂", 0.018, "92MA"),
    ("商行", 0.012, "92MA"),
    ("经营部", 0.012, "92MA"),
    ("公司", 0.008, "91MA"),
    ("合伙企业（有限合伙）", 0.006, "91MA"),
    ("专业合作社", 0.005, "93MA"),
    ("股份有限公司", 0.005, "91MA"),
    ("有限责任公司", 0.004, "91MA"),
)
_COMPANY, _WORKS = 0, 1
_IS_COMPANY = np.array([form.endswith("公司") for form, *_ in _FORMS])
# Places before the name, and how often companies and all others have them; "" is none.
_PLACES = ("青岚县", "青岚", "明澜市", "明澜", "浙江", "")
_COMPANY_PLACES, _WORKS_PLACES = (0.59, 0.095, 0.035, 0.253, 0.019, 0.008), (0.975, 0.025)
# How often the name of the township follows that of the county: companies, works.
_TOWN_AFTER = (0.025, 0.68)
# Companies that name a place in the middle: 砚石（明澜）电器有限公司.
_IN_THE_MIDDLE = 0.006
# Names of two, three and four characters.
_TWO, _THREE = 0.78, 0.86

# What a name is, besides a name of its own: nearly that of another enterprise (by a character, by
# the place before it, by its form), that of a branch, of a person's workshop, of a collective.
PLAIN, OTHER_CHARACTER, OTHER_PLACE, OTHER_FORM = "", "character", "place", "form"
BRANCH, PERSON, COLLECTIVE = "branch", "person", "collective"
NEAR_NAMES: Final = (OTHER_CHARACTER, OTHER_PLACE, OTHER_FORM)
_SURNAMES = tuple("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜")
_GIVEN = tuple("安邦柏昌辰达恩帆刚海涵嘉健杰凯岚磊明宁鹏勤荣善涛伟翔妍怡颖悦珍芷")

# Steps without a common divisor with the number of names and of code bodies.
_NAME_STEP = 257_141_119
_BODY_STEP = 12_345_678_919
_BODIES = 31**7
NAMES: Final = len(_BRAND_FIRST) * len(_BRAND_LAST) * len(INDUSTRIES)


def pick(words: Sequence[str], index: Ints) -> pd.Series:
    """Take words by their number.

    Shape:  words, and n numbers of words, in; n words out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: IndexError on a number beyond the words.
    Source: none.
    """
    return pd.Series(np.array(words, dtype=object)[index], dtype="str")


def digits(number: Ints, width: int) -> pd.Series:
    """Write whole numbers with leading zeros.

    Shape:  n numbers in; n texts out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    return pd.Series(number).astype("str").str.zfill(width)


def village_names(number: Ints) -> pd.Series:
    """Names of villages by their number in the township; different up to 900.

    Shape:  n numbers from 1 in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    step = (number * 467) % (len(_VILLAGE_FIRST) * len(_VILLAGE_LAST))
    return (
        pick(_VILLAGE_FIRST, step // len(_VILLAGE_LAST))
        + pick(_VILLAGE_LAST, step % len(_VILLAGE_LAST))
        + "村"
    )


def locations(township: Ints, village: Ints, serial: Ints) -> pd.Series:
    """Addresses of parcels, each one once.

    Shape:  n townships (from 0), village numbers and parcel numbers within the village in; n
            addresses out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    number = pd.Series(serial // len(_ROADS) + 1).astype("str")
    return (
        pick(TOWNSHIPS, township)
        + village_names(village)
        + pick(_ROADS, serial % len(_ROADS))
        + number
        + "号"
    )


def enterprise_names(
    number: Ints,
    way: Sequence[str] | None = None,
    town: Ints | None = None,
    branch_town: Ints | None = None,
) -> pd.Series:
    """Names of enterprises, by their number, by what they are and by the township they name.

    A plain name comes once up to ``NAMES``; one that is nearly another's has the number of that
    other; a branch has the number of its company, a collective 1000 times its township plus its
    village. Places, forms, lengths and words of trade are as frequent as in the registry of a
    county of the coast.

    Shape:  n numbers, ways (plain without), townships (from 0; by the number without) and
            townships of branches in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented; any likeness is chance. Shares measured on a public extract of a registry.
    """
    ways = np.asarray(way if way is not None else [PLAIN] * len(number), dtype=object)
    towns = number % len(TOWNSHIPS) if town is None else town
    form = _forms(number)
    is_company = _IS_COMPANY[form]
    first, last, trade, more = _brands(number)
    brand = pick(_BRAND_FIRST, first) + pick(_BRAND_LAST, last)
    near = pick(_BRAND_FIRST, first) + pick(_BRAND_NEAR, last % len(_BRAND_NEAR))
    brand = brand.mask(ways == OTHER_CHARACTER, near) + more
    place = np.where(
        is_company,
        _chosen(number, "place", _COMPANY_PLACES),
        _chosen(number, "place", _WORKS_PLACES),
    )
    # the same name in the county and in the city above it
    place = np.where(ways == OTHER_PLACE, np.where(place == 0, 3, 0), place)
    form = np.where(ways == OTHER_FORM, np.where(form == _COMPANY, _WORKS, _COMPANY), form)
    follows = chance(0, number, "town") < np.where(is_company, *_TOWN_AFTER)
    short = township_short_names(towns)
    after = short.where(chance(0, number, "whole town") >= 0.4, pick(TOWNSHIPS, towns))
    head = pick(_PLACES, place) + after.where(follows & (place < 2), "")
    trades = pick([word for word, _ in INDUSTRIES], trade)
    forms = pick([word for word, *_ in _FORMS], form)
    names = head + brand + trades + forms
    inside = is_company & (chance(0, number, "middle") < _IN_THE_MIDDLE) & (ways != OTHER_PLACE)
    inner = pick(("（明澜）", "（浙江）"), number % 2)
    names = names.mask(inside, brand + inner + trades + forms)
    if branch_town is not None:
        names = names.mask(ways == BRANCH, names + township_short_names(branch_town) + "分公司")
    workshop = pick(("加工厂", "经营部"), number % 2)
    names = names.mask(ways == PERSON, "青岚县" + short + person_names(number) + trades + workshop)
    is_village = ways == COLLECTIVE
    village = np.where(is_village, number, 1)
    return names.mask(is_village, collective_names(village // 1000, village % 1000))


def code_kinds(number: Ints) -> pd.Series:
    """Kinds of credit codes that fit the forms of the names.

    Shape:  n numbers in; n kinds for ``credit_codes`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB 32100-2015 (91 enterprises, 92 individual businesses, 93 farmers' cooperatives).
    """
    kind = pick([kind for *_, kind in _FORMS], _forms(number))
    # half of the works are enterprises of one owner
    is_works = pd.Series(_forms(number) == _WORKS)
    return kind.mask(is_works & (chance(0, number, "one owner") < 0.5), "91MA")


def collective_names(township: Ints, village: Ints) -> pd.Series:
    """Names of the collectives of villages.

    Shape:  n townships (from 0) and village numbers in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    form = pick(("股份经济合作社", "经济合作社"), (township + village) % 4 // 3)
    return "青岚县" + pick(TOWNSHIPS, township) + village_names(village) + form


def township_short_names(township: Ints) -> pd.Series:
    """Names of townships without their kind.

    Shape:  n townships (from 0) in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    return pick([name.removesuffix("街道").rstrip("镇乡") for name in TOWNSHIPS], township)


def former_townships(township: Ints, number: Ints) -> pd.Series:
    """One of the former names of townships, NA for a township that has none.

    Shape:  n townships (from 0) and n record numbers, which choose, in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    table = np.full((len(TOWNSHIPS), 2), None, dtype=object)
    for place, names in FORMER_TOWNSHIPS.items():
        table[place] = names[0], names[-1]
    return pd.Series(table[township, number % 2], dtype="str")


def registration_numbers(number: Ints) -> pd.Series:
    """Registration numbers of those who have no credit code, with their check digit.

    Shape:  n numbers below ten million in; n texts of 15 digits out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GS 15-2006; check digit ISO 7064 MOD 11,10.
    """
    body = COUNTY + "6" + digits(number, 7)
    rest = np.full(len(number), 10)
    for place in range(14):
        total = (rest + body.str[place].astype(np.int64).to_numpy()) % 10
        rest = np.where(total == 0, 10, total) * 2 % 11
    return body + pd.Series((11 - rest) % 10).astype("str")


def industry_codes(number: Ints) -> pd.Series:
    """Codes of the industries that the names of ``enterprise_names`` speak of.

    Shape:  n numbers in; n codes out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB/T 4754-2017.
    """
    _, _, trade, _ = _brands(number)
    return pick([code for _, code in INDUSTRIES], trade)


def person_names(number: Ints) -> pd.Series:
    """Names of people; they do come twice, as in life.

    Shape:  n numbers in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented.
    """
    count = len(_GIVEN)
    step = number * 7919
    return (
        pick(_SURNAMES, step % len(_SURNAMES))
        + pick(_GIVEN, step // 37 % count)
        + pick(_GIVEN, step // 1009 % count)
    )


def credit_codes(kind: str, number: Ints) -> pd.Series:
    """Unified social credit codes with their check digit, each one once per kind.

    Shape:  the first two characters and the first two of the organisation's code as one text of
            four (``91MA``), and n numbers, in; n codes of 18 characters out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB 32100-2015.
    """
    place = (number.astype(np.int64) * _BODY_STEP + 987_654_321) % _BODIES
    powers = 31 ** np.arange(6, -1, -1)
    characters = np.frombuffer(CREDIT_ALPHABET.encode(), dtype=np.uint8)[
        place[:, None] // powers % 31
    ]
    tail = np.ascontiguousarray(characters).view("S7").ravel().astype("U7")
    body = kind[:2] + COUNTY + kind[2:] + pd.Series(tail, dtype="str")
    return body + credit_check_digit(body)


def certificate_numbers(number: Ints) -> pd.Series:
    """Certificates of real estate by their number, issued from 2003 to 2024.

    Shape:  n numbers in, -1 for none; n texts out, NA for none.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: form 省简称（年份）市县不动产权第NNNNNNN号.
    """
    year = pd.Series(2003 + number * 31 % 22).astype("str")
    text = "浙（" + year + "）青岚县不动产权第" + digits(number + 1, 7) + "号"
    return text.mask(number < 0)


def _brands(number: Ints) -> tuple[Ints, Ints, Ints, pd.Series]:
    """Places of the two characters and of the word of trade, and the further characters."""
    place = (number.astype(np.int64) * _NAME_STEP + 12_345) % NAMES
    rest, trade = np.divmod(place, len(INDUSTRIES))
    first, last = np.divmod(rest, len(_BRAND_LAST))
    length = chance(0, number, "length")
    third = pick(_BRAND_MORE, number % len(_BRAND_MORE))
    fourth = pick(_BRAND_MORE, number // 7 % len(_BRAND_MORE))
    more = third.mask(length < _TWO, "") + fourth.mask(length < _THREE, "")
    return first, last, trade, more


def _forms(number: Ints) -> Ints:
    """Places of the forms in their list."""
    return _chosen(number, "form", [share for _, share, _ in _FORMS])


def _chosen(number: Ints, what: str, shares: Sequence[float]) -> Ints:
    """Choose among shares for each number, always the same."""
    bounds = np.cumsum(shares)[:-1]
    return np.searchsorted(bounds, chance(0, number, what), side="right").astype(np.int64)
