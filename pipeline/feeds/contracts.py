"""Feed contracts: which delivered file serves which canonical table, and how its columns map.

``config/sources.toml`` holds one contract per canonical feed; a workspace's own ``sources.toml``
is merged over it, feed by feed and column by column. A key that nobody knows is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyproj
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.domain.units import UNIT_BASE
from pipeline.errors import SettingsError

FEEDS = (
    "patch",
    "parcel",
    "right",
    "lease",
    "enterprise",
    "footprint",
    "indicator",
    "recognition",
    "account",
    "score",
    "past_link",
    "land_event",
    "talent",
    "meter",
    "policy_return",
    "area",
)

ColumnType = Literal[
    "text",
    "code",
    "parcel_code",
    "parcel_codes",
    "unit_code",
    "credit_code",
    "certificate_key",
    "name_key",
    "address_key",
    "number",
    "integer",
    "share",
    "date",
]

# What a contract may say of a layer's CRS besides a system: as the file says; the same, and where
# it says nothing CGCS2000, its zone read from the coordinates; degrees of a web map.
CRS_FILE = "file"
CRS_DETECT = "detect"
WEB_MAPS = ("GCJ-02", "BD-09")

# Where a column comes from. A workspace that names one of the first four replaces all of them.
_ORIGIN = ("aliases", "from", "first_of", "value", "separator", "take")
# What a contract says about the file and about people, but not about the rows.
_NOT_IN_HASH = {
    "title_zh",
    "title_en",
    "office",
    "due",
    "required",
    "files",
    "changes_files",
    "max_bad_share",
    "min_bad_rows",
    "max_age_days",
    "row_tolerance",
}


@dataclass(frozen=True)
class County:
    """What cleaning must know of the county; ``extent`` is in the county's CRS."""

    code: str
    crs: str
    parcel_scheme: str = "gbt37346"
    address_style: Literal["zh", "us"] = "zh"
    address_prefixes: tuple[str, ...] = ()
    extent: tuple[float, ...] | None = None

    @property
    def srid(self) -> int:
        """EPSG code of the county's CRS."""
        epsg = pyproj.CRS.from_user_input(self.crs).to_epsg()
        assert epsg is not None  # noqa: S101 - settings have seen to it
        return epsg


def web_map(text: str) -> str | None:
    """The web map whose coordinates a text names, None for any other text.

    Shape:  text in; ``GCJ-02``, ``BD-09`` or None out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, 7.
    """
    plain = re.sub(r"[-_ ]", "", text).upper()
    return next((name for name in WEB_MAPS if name.replace("-", "") == plain), None)


def _known_crs(text: str) -> str:
    """Refuse a CRS that PROJ does not know, and give a web map its one name."""
    moved = web_map(text)
    if moved is not None:
        return moved
    try:
        pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise ValueError(f"{text} is no CRS that is known") from error
    return text


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True
    )


class RepairLimits(_Model):
    """How intricate a broken shape may be: beyond, a repair takes minutes and gigabytes.

    ``vertices``: points of one shape; ``crossings``: how often its sides cross, estimated. At
    10,000 crossings a repair takes about a second.
    """

    vertices: int = Field(default=100_000, ge=4)
    crossings: int = Field(default=10_000, ge=1)


class AreaLimits(_Model):
    """How far a delivered area may be from the one that was drawn.

    They agree within the larger of ``tolerance_m2`` and ``tolerance_share``; beyond ``error_share``
    they cannot be of the same land. Up to ``stray_share`` of the figures may be in another unit
    than their column, each of them set aside; a file with more of them is refused.
    """

    tolerance_m2: Decimal = Field(default=Decimal(1), ge=0)
    tolerance_share: Decimal = Field(default=Decimal("0.001"), ge=0)
    error_share: Decimal = Field(default=Decimal("0.05"), ge=0)
    stray_share: Decimal = Field(default=Decimal("0.01"), ge=0, le=1)


class Column(_Model):
    """How one canonical column, or a part that others are built from, is delivered.

    ``unit_is``: whether ``unit`` is declared, or only assumed until the drawn areas say otherwise;
    ``mixed_units``: whether a column that mixes units is refused or read by row; ``drawn``: the rule
    by which the figure is the area of the row's own shape; ``calendar``: of years with up to three
    figures; ``several``: a cell may name several parcels, and this is the first;
    ``leading_zeros``: a code that may begin with zeros, which a numeric cell loses; ``fill_down``: an empty cell means the same as the cell above;
    ``otherwise``: what an unlisted text becomes, ``{text}`` leaves it; ``bare_year``: a date may be a
    year alone, which is its first day.
    """

    type: ColumnType = "text"
    aliases: tuple[str, ...] = ()
    parts: tuple[str, ...] = Field(default=(), alias="from")
    separator: str = ""
    first_of: tuple[str, ...] = ()
    value: str | None = None
    take: int | None = Field(default=None, ge=1)
    default: str | None = None
    required: bool = False
    unit: str | None = None
    unit_column: str | None = None
    unit_codes: dict[str, str] = {}
    unit_is: Literal["declared", "assumed"] = "declared"
    mixed_units: Literal["refuse", "by_row"] = "refuse"
    drawn: Literal["ellipsoid", "plane"] | None = None
    calendar: Literal["gregorian", "roc"] = "gregorian"
    leading_zeros: bool = False
    several: bool = False
    fill_down: bool = False
    bare_year: bool = False
    codes: dict[str, str] = {}
    otherwise: str | None = None
    pad_left: int | None = Field(default=None, ge=1)
    pad_right: int | None = Field(default=None, ge=1)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    inclusive_end: bool = False
    personal: bool = False

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNIT_BASE:
            raise ValueError(f"no unit {unit}; known are {', '.join(UNIT_BASE)}")
        return unit

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the columns, parts or headings that this one is built from."""
        return (*self.parts, *self.first_of)


class PointColumns(_Model):
    """Headings of two columns that hold a point.

    ``crs`` is ``county``, an authority code, a WKT or PROJ text, ``GCJ-02`` or ``BD-09``.
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    crs: str

    @field_validator("crs")
    @classmethod
    def _crs(cls, text: str) -> str:
        return text if text == "county" else _known_crs(text)


class Melted(_Model):
    """One indicator of a wide table: a column of its own, and the unit of its figures."""

    indicator: str
    aliases: tuple[str, ...]
    unit: str
    mixed_units: Literal["refuse", "by_row"] = "refuse"

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        if unit not in UNIT_BASE:
            raise ValueError(f"no unit {unit}; known are {', '.join(UNIT_BASE)}")
        return unit


class TakesOut(_Model):
    """Files whose rows name records that are no more, and where these name their key."""

    files: tuple[str, ...]
    columns: dict[str, Column] = {}
    parts: dict[str, Column] = {}


class Internal(_Model):
    """The key column that gets a code of our own where it is empty.

    ``old_number`` names the column of the number by which a record is known nevertheless;
    ``may_lack``: a file without the key column is read.
    """

    column: str
    old_number: str | None = None
    may_lack: bool = False


class RowTolerance(_Model):
    """How far a feed may differ from what is held, as shares of that.

    A share beyond ``warn_…`` is reported, one beyond ``max_…`` stops the run. Removed ones that are
    None are those of the settings (``gate``); added ones that are None are not looked at.
    """

    warn_removed_share: Decimal | None = Field(default=None, ge=0, le=1)
    max_removed_share: Decimal | None = Field(default=None, ge=0, le=1)
    warn_added_share: Decimal | None = Field(default=None, ge=0)
    max_added_share: Decimal | None = Field(default=None, ge=0)


class Contract(_Model):
    """The contract of one canonical feed.

    ``part`` is the column of the years that a file speaks for; ``carries_parts``: a package of
    changes that begins a new year leaves all else as it was in the year before. ``change`` is the
    column of a delivery of changes that says which rows take their record out. ``usual``: whether it is
    missed where nobody gives it. ``max_age_days``: how
    many days the newest data of the feed may lie before the business date.
    """

    feed: str
    title_zh: str
    title_en: str
    office: str
    due: tuple[str, ...] = ()
    required: bool = False
    usual: bool = True
    files: tuple[str, ...]
    layer: str | None = None
    geometry: Literal["none", "point", "polygon"] = "none"
    geometry_required: bool = False
    point: PointColumns | None = None
    key: tuple[str, ...]
    scope_column: str | None = None
    part: str | None = None
    carries_parts: bool = False
    changes_files: tuple[str, ...] = ()
    takes_out: TakesOut | None = None
    change: Column | None = None
    internal: Internal | None = None
    county_prefix: str | None = None
    encoding: str = "auto"
    crs: str = "file"
    areas: AreaLimits = AreaLimits()
    repair: RepairLimits = RepairLimits()
    max_bad_share: Decimal = Field(default=Decimal("0.05"), ge=0, le=1)
    min_bad_rows: int = Field(default=5, ge=0)
    max_age_days: int | None = Field(default=None, ge=0)
    row_tolerance: RowTolerance = RowTolerance()
    columns: dict[str, Column]
    parts: dict[str, Column] = {}
    melt: tuple[Melted, ...] = ()
    never_stored: tuple[str, ...] = ()

    @field_validator("crs")
    @classmethod
    def _crs(cls, text: str) -> str:
        return text if text in {CRS_FILE, CRS_DETECT} else _known_crs(text)

    @field_validator("due")
    @classmethod
    def _days(cls, due: tuple[str, ...]) -> tuple[str, ...]:
        for rule in due:
            if re.fullmatch(r"(\*|0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", rule) is None:
                raise ValueError(f"{rule} is no day like 07-31, or *-05 for each month")
        return due

    def column(self, name: str) -> Column | None:
        """A canonical column or part by its name."""
        return self.columns.get(name) or self.parts.get(name)

    @property
    def takes_out_files(self) -> tuple[str, ...]:
        """Patterns of the files whose rows name records that are no more."""
        return () if self.takes_out is None else self.takes_out.files

    def of_what_is_no_more(self) -> Contract:
        """The contract by which such a file is read: keys alone, without shapes.

        Shape:  nothing in; a contract out.
        Units:  none.
        CRS:    none.
        Errors: none; only asked where ``takes_out`` is there.
        Source: docs/sources.md, 3.5 (old-new pairs of the yearly update).
        """
        assert self.takes_out is not None  # noqa: S101 - see above
        columns = {**self.columns, **self.takes_out.columns}
        parts = {**self.parts, **self.takes_out.parts}
        wanted = {*self.key, *filter(None, (self.scope_column, self.part))}
        while more := {
            other
            for name in wanted & columns.keys()
            for other in columns[name].depends_on
            if other not in wanted
        }:
            wanted |= more
        return self.model_copy(
            update={
                "geometry": "none",
                "geometry_required": False,
                "internal": None,
                "columns": {
                    name: column if name in wanted else Column() for name, column in columns.items()
                },
                "parts": parts,
            }
        )

    @property
    def contract_hash(self) -> str:
        """Hash of all that decides what a delivered row becomes, without titles and file names."""
        effective = self.model_dump(mode="json", by_alias=True, exclude=_NOT_IN_HASH)
        text = json.dumps(effective, sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def load_contracts(default_path: Path, workspace_path: Path | None = None) -> dict[str, Contract]:
    """Read the contracts, the workspace's own over the default ones.

    Tables merge key by key; lists and single values replace. A column for which the workspace
    names an origin (``aliases``, ``from``, ``first_of``, ``value``) loses the default's origin; one
    for which it names a ``unit`` has it declared.

    Shape:  two TOML files in; one contract per canonical feed out, in the order of ``FEEDS``.
    Units:  as declared per column.
    CRS:    as declared per feed.
    Errors: SettingsError (contract.unreadable, contract.invalid, contract.unknown_column).
    Source: docs/sources.md, Design 3 (a contract maps delivered columns to a closed set of tables).
    """
    tables = _read(default_path)
    known = {feed: set(table["columns"]) for feed, table in tables.get("feed", {}).items()}
    path = default_path
    if workspace_path is not None:
        path = workspace_path
        tables = _merge(tables, _read(workspace_path), ())
    try:
        top = _Sources(**tables)
        contracts: dict[str, Contract] = {
            feed: Contract(
                **{
                    "feed": feed,
                    "never_stored": top.never_stored,
                    "change": top.change,
                    **top.feed[feed],
                }
            )
            for feed in sorted(top.feed, key=FEEDS.index)
        }
    except ValidationError as error:
        raise _invalid(path, error) from error
    for feed, contract in contracts.items():
        for name in contract.columns:
            if name not in known.get(feed, ()):
                raise SettingsError(
                    "contract.unknown_column", path=str(path), feed=feed, column=name
                )
        _check_names(contract, path)
    return contracts


class _Sources(_Model):
    """A whole file of contracts."""

    never_stored: tuple[str, ...] = ()
    change: Column | None = None
    feed: dict[
        Literal[
            "patch",
            "parcel",
            "right",
            "lease",
            "enterprise",
            "footprint",
            "indicator",
            "recognition",
            "account",
            "score",
            "past_link",
            "land_event",
            "talent",
            "meter",
            "policy_return",
            "area",
        ],
        dict[str, Any],
    ]


def _invalid(path: Path, error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    return SettingsError(
        "contract.invalid",
        path=str(path),
        setting=".".join([error.title, *(str(part) for part in first["loc"])]),
        reason=first["msg"],
    )


def _check_names(contract: Contract, path: Path) -> None:
    """Refuse a contract that names a column which it does not have, or a bad pattern of codes."""
    named = [*contract.key, contract.scope_column, contract.county_prefix, contract.part]
    named += [c.unit_column for c in (*contract.columns.values(), *contract.parts.values())]
    for name in named:
        if name and contract.column(name) is None:
            raise SettingsError(
                "contract.unknown_column", path=str(path), feed=contract.feed, column=name
            )
    for name in (*contract.columns, *contract.parts):
        _refuse_circle(contract, name, (), path)


def _refuse_circle(contract: Contract, name: str, above: tuple[str, ...], path: Path) -> None:
    column = contract.column(name)
    if name in above:
        raise SettingsError(
            "contract.invalid",
            path=str(path),
            setting=f"{contract.feed}.columns.{name}",
            reason="built from itself",
        )
    for other in () if column is None else column.depends_on:
        _refuse_circle(contract, other, (*above, name), path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("contract.unreadable", path=str(path), reason=str(error)) from error


def _merge(base: dict[str, Any], over: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return a table with another one over it."""
    merged = dict(base)
    is_column = re.fullmatch(r"feed/[a-z]+/(columns|parts)/.+", "/".join(place)) is not None
    if is_column and not set(_ORIGIN[:4]).isdisjoint(over):
        merged = {name: item for name, item in base.items() if name not in _ORIGIN}
    if is_column and "unit" in over:
        # a unit that a workspace names is declared unless it says otherwise
        merged.pop("unit_is", None)
    for name, item in over.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(item, dict):
            merged[name] = _merge(old, item, (*place, name))
        else:
            merged[name] = item
    return merged
