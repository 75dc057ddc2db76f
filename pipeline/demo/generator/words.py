"""Names and codes of the county: invented words, put together so that none comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from pipeline.demo.generator.noise import Ints
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

_BRAND_FIRST = tuple(
    "砚霁榕墨澜翠岚汀朔沐畴榉檐枝璧联界畦叠岭亩长伴溪栖鸣舟画门折守晨星晗昱朗清浩瀚泓渊"
    "川岱峦嵘峻崇屹恒泰盛启拓锐铭锦"
)
_BRAND_LAST = tuple(
    "石月泉舟照屿坪白望阶圃荣语连合珠汐亩翠重野水庚畔云梧柯帆风角线夜芽光晖阳川波远达"
    "通和诚信益丰茂源隆兴华宏"
)
# word, code of the industry (GB/T 4754)
INDUSTRIES: Final = (
    ("精密轴承", "3451"),
    ("电机", "3812"),
    ("塑料制品", "2927"),
    ("模具", "3525"),
    ("紧固件", "3482"),
    ("包装材料", "2231"),
    ("针织", "1762"),
    ("服饰", "1821"),
    ("铸造", "3391"),
    ("机械配件", "3484"),
    ("家具", "2110"),
    ("五金", "3351"),
    ("电器", "3857"),
    ("橡胶制品", "2913"),
    ("纺织", "1751"),
    ("印染", "1752"),
    ("水泵", "3441"),
    ("阀门", "3443"),
    ("玻璃", "3042"),
    ("纸品", "2239"),
    ("木业", "2034"),
    ("电缆", "3831"),
    ("汽车部件", "3670"),
    ("化纤", "2822"),
    ("仪表", "4011"),
    ("新材料", "2659"),
    ("工具", "3321"),
    ("文具", "2411"),
    ("光学", "3976"),
    ("弹簧", "3483"),
    ("灯具", "3872"),
    ("玩具", "2451"),
    ("陶瓷", "3074"),
    ("食品", "1432"),
    ("传感器", "3983"),
    ("乐器", "2421"),
    ("竹制品", "2041"),
    ("缝纫机", "3553"),
    ("电子元件", "3981"),
    ("涂料", "2641"),
    ("砂轮", "3099"),
    ("渔具", "2442"),
    ("轮胎", "2911"),
    ("制鞋", "1952"),
    ("衡器", "4015"),
    ("锁具", "3352"),
    ("风机", "3462"),
    ("齿轮", "3453"),
    ("液压件", "3444"),
    ("电池", "3841"),
)
_SUFFIXES = ("有限公司", "厂")
_SURNAMES = tuple("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜")
_GIVEN = tuple("安邦柏昌辰达恩帆刚海涵嘉健杰凯岚磊明宁鹏勤荣善涛伟翔妍怡颖悦珍芷")

# Steps without a common divisor with the number of names and of code bodies.
_NAME_STEP = 257_141
_BODY_STEP = 12_345_678_919
_BODIES = 31**7


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


def enterprise_names(number: Ints) -> pd.Series:
    """Names of enterprises, each one once up to 291,200.

    Shape:  n numbers in; n names out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: invented; any likeness is chance.
    """
    rest, suffix = np.divmod(_name_place(number), len(_SUFFIXES))
    rest, industry = np.divmod(rest, len(INDUSTRIES))
    first, last = np.divmod(rest, len(_BRAND_LAST))
    return (
        "青岚"
        + pick(_BRAND_FIRST, first)
        + pick(_BRAND_LAST, last)
        + pick([word for word, _ in INDUSTRIES], industry)
        + pick(_SUFFIXES, suffix)
    )


def industry_codes(number: Ints) -> pd.Series:
    """Codes of the industries that the names of ``enterprise_names`` speak of.

    Shape:  n numbers in; n codes out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: GB/T 4754-2017.
    """
    industry = _name_place(number) // len(_SUFFIXES) % len(INDUSTRIES)
    return pick([code for _, code in INDUSTRIES], industry)


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


def _name_place(number: Ints) -> Ints:
    """Return the place of an enterprise among all names."""
    total = len(_BRAND_FIRST) * len(_BRAND_LAST) * len(INDUSTRIES) * len(_SUFFIXES)
    return (number.astype(np.int64) * _NAME_STEP + 12_345) % total
