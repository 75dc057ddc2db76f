"""Addresses taken apart: township, village, street, house number, park, building, room.

An address is read from left to right. Its marks (路, 村, 号, 工业区, 幢 …) are found by one
pattern; what stands before a mark is the name that belongs to it. A name is only given to a
part when its mark is there; everything else is kept in ``rest``. Parts are keys for comparing:
simplified characters, one width, Chinese numerals in names, digits in numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from pipeline.domain.text import DASHES, fold
from pipeline.domain.us_postal import names_street, us_key, us_unit

# Traditional characters of the words that matter here and of common names of places; one
# character each, so that places in the text stay.
_TRADITIONAL = (
    "號鄉鎮區縣臺樓裡裏鄰棟園業開發廠東莊橋灣龍興國華廣義農產創場廈層間門雲陽馬島嶺豐寶關橫學會員"
    "鐵環後進頭鳳長雙萬溝壩嶼羅麗慶愛實踐榮貴賢達遠運電車團漁鹽舊聖壽蘭蘆葉張陳劉吳趙黃許鄭謝鄧蕭"
    "鐘孫衛勝濱滬寧紹蘇贛遼瀋漢濟線綫總務術聯復勢崙紅夾溫楊齊錦鴻鵬飛樹麥崗蓮陸來內師庫廟徑書條楓"
    "澤灘爾獅臨蒼蔣誠賓輝邊鄒錢鋼閣雞靜頂項順顏顧館驛鶴龜個兩從眾傳優億儀僑動勞協單備劃參圓圖墾壢"
    "處巿嵋峯羣編維醫"
)
_SIMPLIFIED = (
    "号乡镇区县台楼里里邻栋园业开发厂东庄桥湾龙兴国华广义农产创场厦层间门云阳马岛岭丰宝关横学会员"
    "铁环后进头凤长双万沟坝屿罗丽庆爱实践荣贵贤达远运电车团渔盐旧圣寿兰芦叶张陈刘吴赵黄许郑谢邓萧"
    "钟孙卫胜滨沪宁绍苏赣辽沈汉济线线总务术联复势仑红夹温杨齐锦鸿鹏飞树麦岗莲陆来内师库庙径书条枫"
    "泽滩尔狮临苍蒋诚宾辉边邹钱钢阁鸡静顶项顺颜顾馆驿鹤龟个两从众传优亿仪侨动劳协单备划参圆图垦坜"
    "处市眉峰群编维医"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SIMPLE = str.maketrans(
    _TRADITIONAL + _LETTERS + DASHES + "~∼〜〔〕[]【】〖〗{}〈〉〇○",
    _SIMPLIFIED + _LETTERS.upper() + "-" * (len(DASHES) + 3) + "()" * 6 + "零零",
)
_NUMERALS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2}
_TENS = {"十": 10, "百": 100}

_HAN = "一-鿿"
_N = "一二三四五六七八九十百廿卅零两"
_NUMERAL = f"[{_N}]{{1,7}}"
_GAPS = r"\s,;:、。./|()<>《》\"'“”‘’&+*=!?_"
_DIRECTION = "东南西北中"
_STREET = r"(?:大道|大街|公路|路|街(?!道)|弄|巷)"
# No mark: the word goes on, as 村 in 新村路 and 路 in 马路村.
_NOT_STREET_YET = (
    rf"(?![{_DIRECTION}上下内外头]{{0,2}}{_STREET}|[{_N}]{{1,2}}(?:大道|大街|公路|路|街(?!道))"
    r"|村|社区|居委会|[镇乡])"
)

_PARK_WORDS = (
    "工业 经济 技术 高新 高科 科技 科学 产业 创业 创新 电商 电子商务 物流 文化 创意 小微 企业 民营 "
    "农业 食品 加工 出口 保税 循环 软件 信息 智能 智慧 商贸 滨海 新材料 装备 制造"
)
_PARK = (
    rf"(?:(?:{'|'.join(_PARK_WORDS.split())})+(?:开发|功能|集聚|示范|合作|园|小|[{_DIRECTION}])*(?:园区|园|区|基地)"
    r"|开发区|园区|新区|集聚区|滨海区|保税区|高新区|小微园|工业城)"
)
_PLACE_WORDS = (
    "大厦 广场 商厦 市场 小区 花园 公寓 大楼 商城 中心 公司 家园 山庄 宾馆 酒店 学校 医院 公园 "
    "超市 车站 商场 集团 大学 学院 厂房 车间 仓库 厂"
)
_SITE_ENDS = tuple("苑庭园城府楼厦店")
_SITE = rf"(?:{'|'.join(_PLACE_WORDS.split())})"

# 12, 12A, B12, 12甲, 12-3, 12之3
_ITEM = (
    r"[A-Z]{0,3}[0-9]{1,6}[A-Z]{0,2}[甲乙丙丁戊]?(?:[-之至]{1,3}[A-Z]{0,2}[0-9]{1,6}[A-Z]?){0,5}"
)
_NOT_HOUSE = r"(?!楼|商铺|店|门面|院|厂房|车间|库|仓|地块|路|大街|公路|桥|线)"
_HOUSE = rf"(?:号{_NOT_HOUSE}|#(?!楼|厂|车间|库|仓))"
_FLOOR = r"(?:楼(?!村|路|下)|层|室|单元|间|座位|号?(?:商铺|店面|门面|店铺|营业房|车库|摊位)|铺|F(?![A-Z])|轴|档)"
_BLOCK = (
    r"(?:号楼|#楼|号院|号厂房|#厂房|号车间|#车间|号库|#库|号仓库|#仓库|幢|栋|座(?![里屋山桥村庙]))"
)
_TEAM = r"(?:村民小组|居民小组|生产队|组|小队|队|邻|区(?!域|块))"
_COUNTS = (
    # 12号, 12-16号, 12、14号, 12号、14号, 12号之1, 12号甲
    (
        rf"(?P<house>第?{_ITEM}(?:(?:{_HOUSE})?[、,.和及与/]{{1,3}}之?{_ITEM}){{0,40}}{_HOUSE}"
        rf"(?:[-之附]{{1,2}}[0-9]{{1,6}}[号#]?(?![0-9]|楼|层|室|[幢栋座])"
        rf"|[甲乙丙丁戊](?!座)|[A-Z](?![A-Z0-9座楼幢栋区室-]))?)"
    ),
    rf"(?P<hanhouse>{_NUMERAL}(?:[-之至、,和及]{{1,3}}{_NUMERAL}){{0,20}}号{_NOT_HOUSE})",
    rf"(?P<block>(?:{_ITEM}|{_NUMERAL}|[A-Z]){_BLOCK})",
    (
        rf"(?P<room>(?:地下|负|第|附|-)?(?:{_ITEM}(?:[、,和及]{{1,3}}{_ITEM}){{0,40}}|{_NUMERAL}(?:[-、]{_NUMERAL}){{0,20}}"
        rf"|[底顶]){_FLOOR}(?:之[0-9]{{1,6}}(?:[、,]之[0-9]{{1,6}}){{0,40}})?(?:-[A-Z0-9]{{1,6}}(?![A-Z0-9]{{0,6}}{_FLOOR}))?"
        r"|地下室|夹层|阁楼)"
    ),
    rf"(?P<team>第?(?:[0-9]{{1,6}}|{_NUMERAL}){_TEAM})",
    rf"(?P<section>(?:[0-9]{{1,2}}|{_NUMERAL}|[{_DIRECTION}])段(?!村|路|街|家|塘))",
    rf"(?P<lane>(?:[0-9]{{1,6}}(?:[-之][0-9]{{1,6}})?号?|{_NUMERAL})(?:弄|巷|胡同)(?!村|路|街))",
)
_WORDS = (
    (
        r"(?P<road>(?:[A-Z]?[0-9]{1,6}(?:号|#)?)?(?:大道|大街|公路|国道|省道|县道|路(?!桥[区街])"
        rf"|街(?!道)|弄|巷|胡同|环线){_NOT_STREET_YET}|线(?=[0-9])|(?<!街)道(?=[0-9]))"
    ),
    r"(?P<land>段(?![村路街家塘]))",
    r"(?P<hamlet>自然村)",
    (
        r"(?P<village>[0-9]{0,6}(?:村民委员会|村委会|行政村|村|社区(?:居民委员会|居委会)?"
        rf"|居民委员会|居委会?)(?![{_DIRECTION}]{{0,2}}{_STREET}|镇(?![{_DIRECTION}])|乡|街道|卫生|服务))"
    ),
    (
        rf"(?P<ward>里(?![头山洋岙村路街巷弄])"
        rf"(?=$|[{_GAPS}0-9]|[^{_GAPS}0-9]{{1,8}}(?:{_STREET}|[0-9])))"
    ),
    (
        rf"(?P<park>{_PARK}(?:[A-Z{_DIRECTION}{_N}]区|[{_N}]+期)?"
        rf"(?![{_DIRECTION}{_N}]{{0,2}}{_STREET}))"
    ),
    rf"(?P<site>{_SITE}(?![{_DIRECTION}{_N}]{{0,2}}{_STREET}|[{_HAN}]{_STREET}|村))",
)
_BARE = rf"(?P<bare>{_ITEM}(?![A-Z0-9米年月日余多期]|公里|千米))"
# What may begin a mark; most places are passed over by these tests alone.
_COUNT_STARTS = f"-0-9A-Z{_N}{_DIRECTION}第地负附底顶夹阁"
_WORD_STARTS = "".join(
    sorted({word[0] for word in f"{_PARK_WORDS} {_PLACE_WORDS}".split()} - set("A"))
) + ("大公国省县路街弄巷胡环线道段自村行社居里开园新集滨保高小工")
_MARK = re.compile(
    rf"(?P<gap>[{_GAPS}]+)"
    rf"|(?=[{_COUNT_STARTS}])(?:{'|'.join(_COUNTS)})"
    rf"|(?=[{_WORD_STARTS}0-9A-Z])(?:{'|'.join(_WORDS)})"
    rf"|{_BARE}"
)
_NUMBER_ITEM = re.compile(
    r"([0-9]+)([A-Z]{1,2}|[甲乙丙丁戊])?((?:(?:[号#]?[、,])?[-之至]+[A-Z]{0,2}[0-9]+[A-Z]?)*)"
)
_TAIL_ITEM = re.compile(r"[号#](?:([-之附]+)([0-9]+)[号#]?|([甲乙丙丁戊A-Z]))$")
_STEP = re.compile(r"([-之至]+)([A-Z]{0,2}[0-9]+[A-Z]?)")

# What divides two addresses; after 、 only numbers go on with the first.
_SECOND = re.compile(rf";|(?<=[号#])、(?![A-Z0-9{_N}之])")
# Notes of a register: they name no place, and do not count as something to be understood.
_NOTE = re.compile(
    r"\((?:自主申报|住所申报|承诺申报|集群注册|集群登记|集群托管|托管|部分使用|部份使用|一照多址"
    r"|经营场所|门牌整编|仅限办公|仅限办公用|限办公|不得从事生产)\)"
)
# A space only counts between two letters or digits.
_SPACE = re.compile(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z\s])")
# (1-5)轴, <3-3>室
_BRACKETED = re.compile(r"[(<]([0-9]+(?:-+[0-9]+)?)[)>](?=号|室|轴|间|店|商铺)")
_WORD = re.compile(r"[^\W_]")
_DIGITS = re.compile(r"[0-9]+")
_HAN_NUMBER = re.compile(f"[{_N}]+")
_JOINS = ("与", "和", "及")
_COMPLEX = re.compile(r"^[A-Z]?[0-9]+[A-Z]?-")

# A province, city or county that was not named to us.
_ELSEWHERE = re.compile(
    rf"(?:[{_HAN}]{{2,3}}?省(?!道|府))?(?:(?![路街村镇乡])[{_HAN}]){{2,3}}?"
    rf"(?:[市县](?![场政府民中心{_DIRECTION}前路街道村镇乡])"
    rf"|(?<!开发)(?<!工业)(?<!高新)(?<!保税)(?<![社小园新{_DIRECTION}])区(?![{_DIRECTION}]?[路街]))"
)
# A township that is not among those of the county.
_UNLISTED = re.compile(
    rf"(?:(?![省市县区号]|[路村弄巷](?!街道|[镇乡]))[{_HAN}]){{2,5}}?"
    rf"(?:街道|[镇乡])(?![{_DIRECTION}]{{0,2}}{_STREET}|[村乡])"
)
_STEM_SUFFIX = re.compile(r"(?:街道办事处|街道|镇|乡|市|区)$")
_FULL_GOES_ON = re.compile(r"路|巷|弄|大道|公路")
_SIDE_STREET = re.compile(f"[{_DIRECTION}]{{1,2}}{_STREET}")
_OFFICE = re.compile(r"(?:人民政府|政府|办事处)")
# What must follow a township's name without 镇, 乡 or 街道.
_AFTER_STEM = re.compile(
    rf"(?![{_DIRECTION}大新老支{_N}]{{0,2}}(?:{_STREET}|村|社区|居委会|桥|线|镇|乡|街道)|里|{_SITE})"
    rf"(?:$|[{_GAPS}]|{_PARK}|[^{_GAPS}0-9]{{2,8}}?(?:{_STREET}{_NOT_STREET_YET}|{_PARK})"
    rf"|[^{_GAPS}0-9]{{2,8}}?(?:村|社区|居委会)(?!{_STREET}))"
)
_PREFIX_SUFFIX = re.compile(r"(?:自治区|自治州|自治县|地区|省|市|县|区)$")
_MAX_NAME = 12
_MAX_SPREAD = 100
# No address is longer; what follows is left.
_MAX_LENGTH = 400

_TEXTS = (
    "township_code",
    "township",
    "village",
    "group",
    "road",
    "sub_road",
    "sub_number",
    "park",
    "building",
    "room",
    "rest",
)
_COLUMNS = (
    "township_code",
    "township",
    "is_former",
    "village",
    "group",
    "road",
    "sub_road",
    "number",
    "number_to",
    "sub_number",
    "park",
    "building",
    "room",
    "understood",
    "rest",
)


def parse_addresses(
    addresses: pd.Series,
    *,
    style: Literal["zh", "us"] = "zh",
    townships: pd.DataFrame | None = None,
    prefixes: Sequence[str] = (),
) -> pd.DataFrame:
    """Take addresses apart.

    ``townships`` holds the current and former names (``name``, ``township_code``,
    ``is_former``). A township counts by its full name anywhere; by its name without 镇, 乡 or
    街道 only at the front, when a village, street, park or nothing follows; by its name with
    another of these endings as a former one. A name that several townships share gives the
    words and no code. One that is not listed gives the words at the front, and no code.
    ``prefixes`` are names of the province, city and county.

    ``12-16号`` is a range (``number`` 12, ``number_to`` 16) when the second is larger by at
    most 100, has as many digits or one more, and either both have three digits or more or both
    are odd or both even; else what follows the dash is the ``sub_number``, as always after 之
    and 附. A list (``12、14号``) gives its smallest and largest number. ``us``: only a second
    number of as many digits (or one more), of the same parity and larger by at most 100, makes
    a range; all others (Queens: ``37-12``) are one number, 37, with the sub-number 12.

    ``road`` includes its section (一段, 东段); numbered lanes and a second street make
    ``sub_road``. A 号 behind the name of a market or building on a street is a ``room``. Of two
    addresses the first is read.

    ``group`` is the group, neighbourhood or hamlet of a village (5组, 22邻, the name between
    village and number). ``understood`` is the share of letters, digits and characters that
    became a part; notes such as (自主申报) do not count.

    Shape:  one address per row in; the parts on the same index out, NA where there is none
            (``understood`` is 0 there).
    Units:  understood in 0..1.
    CRS:    none (no geometry).
    Errors: ValueError on another style. No text is an error.
    Source: zh: default chosen. us: USPS Publication 28.
    """
    if style not in ("zh", "us"):
        raise ValueError(f"unknown address style: {style!r}")
    places, values = pd.factorize(fold(addresses))
    read = _UsReader() if style == "us" else _ZhReader(townships, prefixes)
    rows = [read(value) for value in values.tolist()]
    rows.append(_Parts().row())
    # the place of a missing value is -1
    columns: Iterable[tuple[object, ...]] = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            name: pd.Series(list(column), dtype=_dtype(name))
            for name, column in zip(_COLUMNS, columns, strict=True)
        }
    )
    taken = frame.take(np.where(places < 0, len(rows) - 1, places))
    taken.index = addresses.index
    return taken


def _dtype(column: str) -> str:
    """Return the type of a column of the result."""
    if column in _TEXTS:
        return "str"
    return {"is_former": "bool", "understood": "float64"}.get(column, "Int64")


class _Parts:
    """The parts of one address while it is read."""

    __slots__ = (
        "building",
        "group",
        "is_former",
        "last",
        "number",
        "number_to",
        "park",
        "rest",
        "road",
        "room",
        "sub_number",
        "sub_road",
        "township",
        "township_code",
        "understood",
        "village",
    )

    def __init__(self) -> None:
        self.township_code: str | None = None
        self.township: str | None = None
        self.is_former = False
        self.village = ""
        self.group = ""
        self.road = ""
        self.sub_road = ""
        self.number: int | None = None
        self.number_to: int | None = None
        self.sub_number = ""
        self.park = ""
        self.building = ""
        self.room = ""
        self.understood = 0.0
        self.rest: list[str] = []
        # the kind of the mark before, "front" before any
        self.last = "front"

    def row(self) -> tuple[object, ...]:
        """The parts in the order of the columns."""
        return (
            self.township_code,
            self.township,
            self.is_former,
            self.village or None,
            self.group or None,
            self.road or None,
            self.sub_road or None,
            self.number,
            self.number_to,
            self.sub_number or None,
            self.park or None,
            self.building or None,
            self.room or None,
            self.understood,
            " ".join(self.rest) or None,
        )

    def leave(self, text: str) -> None:
        """Keep a text that was not understood."""
        if text and _WORD.search(text):
            self.rest.append(text)
            self.last = "rest"

    def number_items(self, items: Sequence[tuple[int, int, str]]) -> None:
        """Take house numbers: lower, upper, sub-number of each."""
        low = min(item[0] for item in items)
        high = max(item[1] for item in items)
        if high - low > _MAX_SPREAD:
            low, high = items[0][0], items[0][1]
        self.number, self.number_to = low, high
        subs = dict.fromkeys(sub for first, _, sub in items if first == low and sub)
        self.sub_number = "、".join(subs)


class _Township(NamedTuple):
    name: str
    code: str | None
    is_former: bool


class _Townships:
    """Names of townships by their first two characters."""

    def __init__(self, townships: pd.DataFrame | None) -> None:
        full: dict[str, tuple[set[str], bool]] = {}
        if townships is not None:
            rows = townships.dropna(subset=["name"])
            # current names before former ones, which give way
            for is_former in (False, True):
                of_kind = rows[rows["is_former"].astype(bool) == is_former]
                names = _simple(of_kind["name"])
                codes = of_kind["township_code"]
                mine: dict[str, set[str]] = {}
                for name, code in zip(names, codes, strict=True):
                    if len(name) > 1:
                        mine.setdefault(name, set()).update([] if pd.isna(code) else [str(code)])
                for name, found in mine.items():
                    full.setdefault(name, (found, is_former))
        stems: dict[str, tuple[set[str], bool]] = {}
        for name, (codes_of, is_former) in full.items():
            stem = _STEM_SUFFIX.sub("", name)
            if stem != name and len(stem) > 1:
                known, was_former = stems.setdefault(stem, (set(), is_former))
                # that of a current name is not shared with former ones
                if was_former == is_former:
                    known |= codes_of
        for stem in list(stems):
            for ending in ("街道", "镇", "乡"):
                full.setdefault(stem + ending, (stems[stem][0], True))
        self.full = self._by_start(full)
        self.stems = self._by_start(stems)
        self.stem_names = frozenset(stems)

    @staticmethod
    def _by_start(names: dict[str, tuple[set[str], bool]]) -> dict[str, list[_Township]]:
        """Names by their first two characters, longest first."""
        found: dict[str, list[_Township]] = {}
        for name in sorted(names, key=lambda name: (-len(name), name)):
            codes, is_former = names[name]
            code = next(iter(codes)) if len(codes) == 1 else None
            found.setdefault(name[:2], []).append(_Township(name, code, is_former))
        return found

    def at(self, text: str, start: int) -> _Township | None:
        """The township whose full name stands at a place."""
        for township in self.full.get(text[start : start + 2], ()):
            if text.startswith(township.name, start) and not _FULL_GOES_ON.match(
                text, start + len(township.name)
            ):
                return township
        return None

    def stem_at(self, text: str, start: int) -> _Township | None:
        """The township whose name stands at a place without its ending, beyond doubt."""
        for township in self.stems.get(text[start : start + 2], ()):
            if text.startswith(township.name, start):
                end = start + len(township.name)
                return township if _AFTER_STEM.match(text, end) else None
        return None

    def find(self, text: str, start: int) -> tuple[int, _Township] | None:
        """The first township named in full from a place on."""
        full = self.full
        for place in range(start, len(text) - 1):
            if text[place : place + 2] in full:
                township = self.at(text, place)
                # within a word it may be the end of another name
                if township and (
                    place == start
                    or (len(township.name) > 2 and (place > start + 1 or not text[start].isalpha()))
                ):
                    return place, township
        return None


# A province and a city.
_WIDER = re.compile(r"[\u4e00-\u9fff]{2,3}(?:省|自治区)(?:[\u4e00-\u9fff]{2,4}?市)?")
_LATE_PARK = re.compile(
    r"[\u4e00-\u9fff]{0,12}(?:小微企业园|小微园|工业园区?|产业园区?|科技园区?|创业园区?|工业区|开发区)"
)


class _ZhReader:
    """Reads Chinese addresses of one county."""

    def __init__(self, townships: pd.DataFrame | None, prefixes: Sequence[str]) -> None:
        self._townships = _Townships(townships)
        self._prefixes = _Prefixes(prefixes)
        # what a second name of the township or county may begin with
        self._may_repeat = frozenset(
            name[0]
            for names in (self._townships.full, self._townships.stems, self._prefixes.names)
            for name in names
        ) | set("人政办中(,、")

    def __call__(self, folded: str) -> tuple[object, ...]:
        """Take one folded address apart."""
        words = folded.split()
        written = folded if len(words) == 1 else _SPACE.sub("", " ".join(words))
        over, written = written[_MAX_LENGTH:], written[:_MAX_LENGTH]
        if "(" in written or "<" in written:
            written = _BRACKETED.sub(r"\1", written)
        text = written.translate(_SIMPLE)
        while "(" in text and (note := _NOTE.search(text)):
            written = written[: note.start()] + written[note.end() :]
            text = text[: note.start()] + text[note.end() :]
        parts = _Parts()
        start = self._after_prefix(text, 0)
        second = _SECOND.search(text, start)
        if second and second.start() > start:
            text, over = text[: second.start()], f"{text[second.end() :]}{over}"
        end = len(text)
        found = self._townships.find(text, start)
        place = found[0] if found else -1
        if found is None:
            stem = self._townships.stem_at(text, start)
            if stem is not None:
                place, found = start, (start, stem)
        if found is not None:
            if place > start:
                start = self._skip_elsewhere(parts, text, start, place)
                _read(parts, text, start, place, self._prefixes)
                start = place
            township = found[1]
            after = start + len(township.name)
            parts.township_code, parts.is_former = township.code, township.is_former
            parts.township = written[start:after]
            parts.last = "township"
            start = self._repeated(text, after, township)
            again = text.find(township.name, start)
            if again > start:
                # the address begins anew
                _read(parts, text, start, self._before_prefix(text, start, again), self._prefixes)
                start = again + len(township.name)
        else:
            start = self._unlisted(parts, text, written, start)
        _read(parts, text, start, end, self._prefixes)
        parts.leave(over)
        if parts.road in self._townships.stem_names:
            # 周巷 of 周巷镇 is no lane
            parts.leave(parts.road)
            parts.road, parts.sub_road = parts.sub_road, ""
        if parts.sub_road in self._townships.stem_names:
            parts.leave(parts.sub_road)
            parts.sub_road = ""
        _take_late_park(parts)
        if not parts.rest:
            parts.understood = float(bool(_WORD.search(text)))
        else:
            total = len(_WORD.findall(text)) + len(_WORD.findall(over))
            left = sum(len(_WORD.findall(rest)) for rest in parts.rest)
            parts.understood = max(0.0, 1 - left / total)
        return parts.row()

    def _after_prefix(self, text: str, start: int) -> int:
        """Return where names of province, city and county end that begin at a place.

        A province and a city that are not listed may stand before one that is.
        """
        found = self._prefixes.front.match(text, start)
        if found is not None and found.end() > start:
            return found.end()
        wider = _WIDER.match(text, start)
        if wider is not None:
            found = self._prefixes.front.match(text, wider.end())
            if found is not None and found.end() > wider.end():
                return found.end()
        return start

    def _before_prefix(self, text: str, start: int, end: int) -> int:
        """Return where names of province, city and county begin that end at a place."""
        while ends := [name for name in self._prefixes.full if text.endswith(name, start, end)]:
            end -= max(map(len, ends))
        return end

    def _skip_elsewhere(self, parts: _Parts, text: str, start: int, end: int) -> int:
        """Pass over a county or city at the front that was not named to us."""
        found = _ELSEWHERE.match(text, start, end)
        if found is None:
            return start
        parts.rest.append(found[0])
        return found.end()

    def _repeated(self, text: str, start: int, township: _Township) -> int:
        """Pass over a second name of the same township."""
        if text[start : start + 1] not in self._may_repeat:
            return start
        start = self._after_prefix(text, start)
        again = self._townships.at(text, start) or self._townships.stem_at(text, start)
        if again is not None and again.code is not None and again.code == township.code:
            after = start + len(again.name)
            return start if _SIDE_STREET.match(text, after) else after
        office = _OFFICE.match(text, start)
        return office.end() if office else start

    def _unlisted(self, parts: _Parts, text: str, written: str, start: int) -> int:
        """Take the words of a township that is not listed, and return where it ends."""
        for _ in range(3):
            after = self._skip_elsewhere(parts, text, start, len(text))
            after = self._after_prefix(text, after)
            if after == start:
                break
            start = after
        found = _UNLISTED.match(text, start)
        if found is None:
            return start
        parts.township = written[start : found.end()]
        parts.last = "township"
        return found.end()


def _simple(names: Iterable[str]) -> list[str]:
    """Return names in one width and simplified characters, empty where missing."""
    return fold(pd.Series(list(names), dtype="str")).fillna("").str.translate(_SIMPLE).tolist()


class _Prefixes:
    """Names of provinces, cities and counties."""

    def __init__(self, prefixes: Sequence[str]) -> None:
        names = sorted(set(_simple(prefixes)) - {""}, key=lambda name: (-len(name), name))
        self.names = names
        self.full = [name for name in names if _PREFIX_SUFFIX.search(name)]
        another = f"(?={'|'.join(map(re.escape, self.full)) or '$.'})"
        # not 青溪路, 青溪村, 青溪镇
        goes_on = (
            rf"(?![{_DIRECTION}大新老{_N}]{{0,2}}(?:{_STREET}|村|社区)|[镇乡]|街道"
            rf"|{_PARK}{_STREET})"
        )
        choices = ["中国(?=.)", f"[{_GAPS}-]+", *map(re.escape, self.full)]
        for name in names:
            stem = _PREFIX_SUFFIX.sub("", name)
            if len(stem) > 1:
                choices.append(rf"{re.escape(stem)}(?:[省市县区]|{another}|{goes_on})")
        # any number of them at the front; in full anywhere
        self.front = re.compile(f"(?:{'|'.join(choices)})*")
        self.inner = re.compile(
            f"(?:{'|'.join(map(re.escape, self.full))})+" if self.full else "$."
        )


def _read(parts: _Parts, text: str, start: int, end: int, prefixes: _Prefixes) -> None:
    """Read one stretch of a simplified address into its parts."""
    cursor = start
    for mark in _MARK.finditer(text, start, end):
        begin, after = mark.span()
        if begin < cursor:
            continue
        kind = mark.lastgroup or "gap"
        if kind == "gap":
            parts.leave(text[cursor:begin])
            cursor = after
            if parts.last in ("house", "block", "room"):
                parts.last = "gap"
            continue
        name = text[cursor:begin]
        if len(name) > 5 and (inner := prefixes.inner.search(name)):
            # the address begins anew
            parts.leave(name[: inner.start()])
            name = name[inner.end() :]
        if _TAKE[kind](parts, name, mark[0]):
            cursor = after
            if kind == "park" and (again := prefixes.front.match(text, after, end)):
                cursor = again.end()
    if cursor < end:
        parts.leave(text[cursor:end])


def _take_house(parts: _Parts, name: str, mark: str) -> bool:
    """Take a house number, and the hamlet before it."""
    if parts.number is not None or parts.last in ("block", "room"):
        if parts.last in ("house", "block", "room") and not name:
            parts.room += mark
            parts.last = "room"
        else:
            parts.leave(name + mark)
        return True
    if parts.road and (name[-1:] in _SITE_ENDS if name else parts.last == "site"):
        # a shop of a market is no house of the street
        parts.leave(name)
        parts.room += mark
        parts.last = "room"
        return True
    if name:
        _take_hamlet_name(parts, name)
    parts.last = "house"
    if mark[:-1].isdigit():
        parts.number = parts.number_to = int(mark[:-1])
    else:
        parts.number_items(_house_items(mark))
    return True


def _take_han_house(parts: _Parts, name: str, mark: str) -> bool:
    """Take a house number in Chinese numerals."""
    return _take_house(parts, name, _han_to_digits(mark))


def _take_hamlet_name(parts: _Parts, name: str) -> None:
    """Take the name between a village and a number as that of a hamlet."""
    is_free = parts.last in ("front", "township", "village", "team", "hamlet")
    if name and is_free and len(name) <= _MAX_NAME - 4:
        parts.group += _key(name)
    else:
        parts.leave(name)


def _take_block(parts: _Parts, name: str, mark: str) -> bool:
    """Take a building."""
    parts.leave(name)
    parts.building += _han_to_digits(mark)
    parts.last = "block"
    return True


def _take_room(parts: _Parts, name: str, mark: str) -> bool:
    """Take a storey or a room."""
    if parts.room and parts.last in ("rest", "site"):
        parts.leave(name + mark)
        return True
    parts.leave(name)
    parts.room += _han_to_digits(mark)
    parts.last = "room"
    return True


def _take_team(parts: _Parts, name: str, mark: str) -> bool:
    """Take a group or neighbourhood of a village."""
    if mark[-1] == "区" and parts.last not in ("village", "township"):
        parts.leave(name + mark)
        return True
    _take_hamlet_name(parts, name)
    parts.group += _han_to_digits(mark.removeprefix("第"))
    parts.last = "team"
    return True


def _take_section(parts: _Parts, name: str, mark: str) -> bool:
    """Take a section of a street, such as 二段."""
    if name or not parts.road or parts.last != "road":
        return _take_road(parts, name, mark)
    if parts.sub_road:
        parts.sub_road += _key(mark)
    else:
        parts.road += _key(mark)
    return True


def _take_road(parts: _Parts, name: str, mark: str) -> bool:
    """Take a street; a second one is a side street."""
    if name[:1] in _JOINS and len(name) > 2:
        name = name[1:]
    if "侧" in name[1:3]:
        # 南侧人民路
        side, _, name = name.partition("侧")
        parts.leave(f"{side}侧")
    if name and mark[-2:] in ("国道", "省道", "县道"):
        parts.leave(name)
        name = ""
    if parts.number is not None or len(name) > _MAX_NAME:
        parts.leave(name + mark)
        return True
    whole = _key(name + mark)
    if whole in (parts.road, parts.sub_road):
        parts.last = "road"
        return True
    if not name and not _DIGITS.match(mark):
        if parts.last != "road":
            parts.leave(mark)
            return True
        if parts.sub_road:
            parts.sub_road += whole
        else:
            parts.road += whole
        return True
    if parts.road:
        parts.sub_road += whole
    else:
        parts.road = whole
    parts.last = "road"
    return True


def _take_lane(parts: _Parts, name: str, mark: str) -> bool:
    """Take a numbered lane; it belongs to the street before it."""
    if name and (_HAN_NUMBER.match(mark) or not parts.road):
        return _take_road(parts, name, mark)
    if parts.number is not None:
        parts.leave(name + mark)
        return True
    parts.leave(name)
    lane = _han_to_digits(mark)
    if parts.road:
        parts.sub_road += lane
    else:
        parts.road = lane
    parts.last = "road"
    return True


def _take_land(parts: _Parts, name: str, mark: str) -> bool:
    """Take a named stretch of land (内立段) as a hamlet, after a street as a side street."""
    if len(name) < 2 or len(name) > 4 or parts.number is not None:
        return False
    if parts.last == "road":
        parts.sub_road += name + mark
    elif parts.last in ("township", "village", "team", "ward"):
        parts.group += name + mark
    else:
        return False
    return True


def _take_hamlet(parts: _Parts, name: str, mark: str) -> bool:
    """Take a natural village."""
    if not name or len(name) > _MAX_NAME:
        parts.leave(name + mark)
        return True
    parts.group += _key(name) + mark
    parts.last = "hamlet"
    return True


def _take_village(parts: _Parts, name: str, mark: str) -> bool:
    """Take a village or a community; a second one is a hamlet."""
    digits = _DIGITS.match(mark)
    kind = mark[digits.end() :] if digits else mark
    name += digits[0] if digits else ""
    if not name:
        # 村委会 after its village
        return parts.last == "village" and kind != "村"
    if len(name) > _MAX_NAME - 2 or name in ("农", "乡", "全", "各", "本", "该"):
        parts.leave(name + mark)
        return True
    if name in ("新", "老", "旧") and parts.last in ("road", "house", "rest", "site"):
        parts.leave(name + mark)
        return True
    whole = _key(name) + ("村" if kind[0] in "村行" else "社区")
    if not parts.village:
        parts.village = whole
    elif whole != parts.village:
        if parts.number is not None:
            parts.leave(name + mark)
            return True
        parts.group += whole
    parts.last = "village"
    return True


def _take_ward(parts: _Parts, name: str, mark: str) -> bool:
    """Take a 里, which is a village only right behind the township or county."""
    is_street_office = (parts.township or "").endswith("街道")
    if parts.last not in ("township", "front") or is_street_office or len(name) not in (2, 3):
        return False
    parts.village = name + mark
    parts.last = "village"
    return True


def _take_park(parts: _Parts, name: str, mark: str) -> bool:
    """Take an industrial park."""
    if len(name) > _MAX_NAME or (not name and mark in ("园区", "新区")):
        parts.leave(name + mark)
        return True
    if parts.park or parts.number is not None:
        parts.leave("" if parts.park.endswith(name + mark) else name + mark)
        return True
    parts.park = name + mark
    parts.last = "park"
    return True


def _take_late_park(parts: _Parts) -> None:
    """Take a park behind the number from what is left."""
    late = next((rest for rest in parts.rest if _LATE_PARK.fullmatch(rest)), None)
    if late is not None and not parts.park:
        parts.rest.remove(late)
        parts.park = _key(late)


def _take_site(parts: _Parts, name: str, mark: str) -> bool:
    """Pass over the name of a building or firm: it ends what came before."""
    parts.leave(name + mark)
    parts.last = "site"
    return True


def _take_bare(parts: _Parts, name: str, mark: str) -> bool:
    """Take a number without a word: of the house behind its street, else of building and room."""
    if not name and parts.last == "road" and parts.number is None:
        if _COMPLEX.match(mark) and mark.count("-") > 1:
            parts.building, _, parts.room = mark.partition("-")
            parts.last = "room"
            return True
        parts.number_items(_house_items(mark))
        parts.last = "house"
        return True
    if parts.last == "gap" and parts.room and not name:
        parts.room += f"、{mark}"
        return True
    parts.leave(name)
    if parts.last in ("rest", "site", "house") and not parts.building and _COMPLEX.match(mark):
        parts.building, _, parts.room = mark.partition("-")
        parts.last = "room"
    elif parts.last in ("block", "room", "house"):
        parts.room += mark
        parts.last = "room"
    else:
        parts.leave(mark)
    return True


_TAKE: dict[str, Callable[[_Parts, str, str], bool]] = {
    "house": _take_house,
    "hanhouse": _take_han_house,
    "block": _take_block,
    "room": _take_room,
    "team": _take_team,
    "section": _take_section,
    "lane": _take_lane,
    "road": _take_road,
    "land": _take_land,
    "hamlet": _take_hamlet,
    "village": _take_village,
    "ward": _take_ward,
    "park": _take_park,
    "site": _take_site,
    "bare": _take_bare,
}


def _house_items(mark: str) -> list[tuple[int, int, str]]:
    """Return lower end, upper end and sub-number of each number of a mark."""
    tail = _TAIL_ITEM.search(mark)
    items: list[tuple[int, int, str]] = []
    for first, letter, steps in _NUMBER_ITEM.findall(mark[: tail.start()] if tail else mark):
        low = high = int(first)
        subs = [letter] if letter else []
        for sign, step in _STEP.findall(steps):
            if step.isdigit() and not subs and high == low and _is_range(first, sign, step):
                high = int(step)
            else:
                subs.append(step)
        items.append((low, high, "-".join(subs)))
    if tail and items:
        low, high, sub = items[-1]
        if tail[1] == "-" and low == high and not sub and _is_range(str(low), "-", tail[2]):
            items[-1] = (low, int(tail[2]), "")
        else:
            items[-1] = (low, high, "-".join(filter(None, (sub, tail[2] or tail[3]))))
    lows = [item[0] for item in items]
    if len(items) > 1 and any(lows.count(low) > 1 for low in lows):
        # 1-1、1-7号: the same house several times, so the dash makes no range
        items = [(low, low, sub or (str(high) if high > low else "")) for low, high, sub in items]
    return items


def _is_range(first: str, sign: str, second: str) -> bool:
    """Tell whether two numbers joined by a sign are the ends of a range."""
    low, high = int(first), int(second)
    if "之" in sign or not low < high <= low + _MAX_SPREAD:
        return False
    if "至" in sign:
        return True
    if not len(first) <= len(second) <= len(first) + 1:
        return False
    return len(first) >= 3 or (high - low) % 2 == 0


def _han_value(numerals: str) -> int:
    """Return the value of Chinese numerals; digits in a row are read as digits."""
    text = numerals.replace("廿", "二十").replace("卅", "三十")
    if not any(sign in _TENS for sign in text):
        return int("".join(str(_NUMERALS[sign]) for sign in text)[:6])
    total, digit = 0, 0
    for sign in text:
        if sign in _TENS:
            total += (digit or 1) * _TENS[sign]
            digit = 0
        else:
            digit = _NUMERALS[sign]
    return total + digit


def _han_to_digits(text: str) -> str:
    """Write Chinese numerals as digits."""
    return _HAN_NUMBER.sub(lambda found: str(_han_value(found[0])), text)


def _key(name: str) -> str:
    """Write numbers up to 99 in a name as Chinese numerals."""
    return _DIGITS.sub(lambda found: _digits_to_han(found[0]), name)


def _digits_to_han(digits: str) -> str:
    """Write a number up to 99 in Chinese numerals, and leave others."""
    if not 0 < int(digits) < 100:
        return digits
    tens, ones = divmod(int(digits), 10)
    signs = "零一二三四五六七八九"
    return (
        (signs[tens] if tens > 1 else "") + ("十" if tens else "") + (signs[ones] if ones else "")
    )


_US_NUMBER = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?(?:([A-Z])(?= )|-([A-Z])(?= ))?(?: |$)")
_US_JOINED = re.compile(
    r"^([0-9]{1,6}) *(?:&|\bAND\b|\bTO\b|\bTHRU\b) *([0-9]{1,6}) +(?=[A-Z0-9]+ +[A-Z0-9])"
)
_US_HALF = re.compile(r"1/2 ")


class _UsReader:
    """Reads American addresses."""

    def __call__(self, folded: str) -> tuple[object, ...]:
        """Take one folded address apart."""
        parts = _Parts()
        text = folded.upper()
        upper = 0
        joined = _US_JOINED.match(text)
        if joined and _is_us_range(joined[1], joined[2]):
            upper = int(joined[2])
            text = f"{joined[1]} {text[joined.end() :]}"
        key, parts.room = us_key(text), us_unit(text).strip()
        found = _US_NUMBER.match(key)
        if found and key[found.end() :]:
            number, second = found[1], found[2] or ""
            parts.number = parts.number_to = int(number)
            subs = [found[3] or found[4] or ""]
            if second and len(second) >= len(number) and _is_us_range(number, second):
                parts.number_to = int(second)
            else:
                subs.insert(0, second)
            if upper and not second:
                parts.number_to = upper
            key = key[found.end() :]
            half = _US_HALF.match(key)
            if half:
                subs.append("1/2")
                key = key[half.end() :]
            parts.sub_number = "-".join(filter(None, subs))
        if parts.number is not None or names_street(key):
            parts.road = key
            parts.understood = 1.0
        else:
            parts.leave(key)
            parts.understood = 0.0
        return parts.row()


def _is_us_range(first: str, second: str) -> bool:
    """Tell whether two American house numbers are the ends of a range."""
    low, high = int(first), int(second)
    return (
        low < high <= low + _MAX_SPREAD and len(second) <= len(first) + 1 and (high - low) % 2 == 0
    )
