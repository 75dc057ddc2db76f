"""Configuration: the only reader of ``diqi.toml`` and of the environment.

``config/defaults.toml`` < ``diqi.toml`` of the workspace < environment (``DIQI_DATABASE_URL``).
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pyproj
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline._paths import data_path
from pipeline.domain.linking import PARTS, REASONS, STAGES
from pipeline.domain.rules.schema import CATEGORIES, RuleSet
from pipeline.errors import SettingsError
from pipeline.feeds.limits import Limits

WORKSPACE_FILE = "diqi.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CountySettings(_Table):
    """The county and the CRS of its land records."""

    code: str = Field(min_length=1)
    name: str = Field(min_length=1)
    crs: str
    extent: tuple[float, ...] = ()

    @field_validator("crs")
    @classmethod
    def _projected(cls, text: str) -> str:
        try:
            crs = pyproj.CRS.from_user_input(text)
        except pyproj.exceptions.CRSError as error:
            raise ValueError(f"unknown CRS: {error}") from error
        if not crs.is_projected or crs.axis_info[0].unit_name not in {"metre", "meter"}:
            raise ValueError("must be a projected CRS in metres, such as EPSG:4549")
        if crs.to_epsg() is None:
            raise ValueError("must have an EPSG code")
        return text

    @field_validator("extent")
    @classmethod
    def _box(cls, box: tuple[float, ...]) -> tuple[float, ...]:
        if box and (len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]):
            raise ValueError("must be empty or xmin, ymin, xmax, ymax")
        return box

    @property
    def srid(self) -> int:
        """EPSG code of the county's CRS."""
        epsg = pyproj.CRS.from_user_input(self.crs).to_epsg()
        assert epsg is not None  # noqa: S101 - the validator has seen to it
        return epsg

    @property
    def area_srid(self) -> int:
        """SRID of the plane on which survey areas are measured."""
        return self.area_plane[0]

    @property
    def area_plane(self) -> tuple[int, str]:
        """SRID and PROJ text of the equal-area plane on which survey areas are measured.

        Source: TD/T 1055 trapezoids equal plane area in a cylindrical equal-area projection of
        the same ellipsoid to 0.1 mm2 (docs/sources.md, 3.3); the meridian does not matter.
        """
        crs = pyproj.CRS.from_user_input(self.crs)
        operation, ellipsoid = crs.coordinate_operation, crs.ellipsoid
        assert operation is not None  # noqa: S101 - a projected CRS has both
        assert ellipsoid is not None  # noqa: S101
        meridian = round(
            next(
                float(parameter.value)
                for parameter in operation.params
                if parameter.name.startswith("Longitude of")
            )
        )
        shape = f"+a={ellipsoid.semi_major_metre} +rf={ellipsoid.inverse_flattening}"
        return (
            990000 + meridian % 360,
            f"+proj=cea +lat_ts=0 +lon_0={meridian} {shape} +units=m +no_defs",
        )


class DatabaseSettings(_Table):
    """Where the database is."""

    url: str = ""


class CodeSettings(_Table):
    """How codes and addresses look in this county."""

    parcel_scheme: str
    address_style: Literal["zh", "us"]
    address_prefixes: tuple[str, ...]


class EvaluationSettings(_Table):
    """Years, categories and sizes of evaluation units."""

    ruleset: str
    data_year_offset: int = Field(ge=0)
    vintage: int = Field(ge=0)
    size_threshold_mu: Decimal = Field(ge=0)
    max_operators: int = Field(ge=1)
    max_parcels: int = Field(ge=1)


class OverlaySettings(_Table):
    """When a parcel holds industrial land."""

    sliver_m2: Decimal = Field(ge=0)
    sliver_share: Decimal = Field(ge=0, le=1)
    industrial_codes: tuple[str, ...]


class TopologySettings(_Table):
    """What an overlap or a gap is, and which are too small to list."""

    sliver_m2: Decimal = Field(ge=0)
    sliver_share: Decimal = Field(ge=0, le=1)
    parcel_gap_m: Decimal = Field(gt=0)


class LinkSettings(_Table):
    """What evidence decides."""

    accept_score: Decimal = Field(gt=0, le=1)
    min_gap: Decimal = Field(ge=0, le=1)
    footprint_min_share: Decimal = Field(ge=0, le=1)
    footprint_min_gap: Decimal = Field(ge=0, le=1)
    point_reach_m: Decimal = Field(ge=0, le=1000)
    point_gap_m: Decimal = Field(ge=0)
    point_search_m: Decimal = Field(ge=0, le=1000)
    point_far_m: Decimal = Field(gt=0)
    road_reach_m: Decimal = Field(ge=0, le=5000)
    place_min_records: int = Field(ge=1)
    place_min_share: Decimal = Field(gt=Decimal("0.5"), le=1)
    review_candidates: int = Field(ge=1, le=100)
    stage_score: dict[str, Annotated[Decimal, Field(ge=0, le=1)]]
    weight: dict[str, Annotated[Decimal, Field(ge=-1, le=1)]]

    @model_validator(mode="after")
    def _lists_are_closed(self) -> LinkSettings:
        for name, known in (
            ("stage_score", {*STAGES, *REASONS}),
            ("weight", set(PARTS) - {"evidence"}),
        ):
            unknown = sorted(set(getattr(self, name)) - known)
            if unknown:
                raise ValueError(f"{name} knows no {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _names_alone_decide_nothing(self) -> LinkSettings:
        for stage in ("right_name", "lease_name", "name_similar"):
            if self.stage_score.get(stage, Decimal(0)) >= self.accept_score:
                raise ValueError(f"stage_score.{stage} must be below accept_score")
        return self


class LineageSettings(_Table):
    """How much two parcels share to be related."""

    min_share: Decimal = Field(gt=0, le=1)
    full_share: Decimal = Field(gt=0, le=1)
    same_share: Decimal = Field(gt=0, le=1)
    # two parcels cannot both hold more than half of a third
    follow_share: Decimal = Field(gt=Decimal("0.5"), le=1)


class CoverageSettings(_Table):
    """The industrial base and the target."""

    base_codes: tuple[str, ...] = Field(min_length=1)
    target_ratio: Decimal = Field(ge=0, le=1)
    definition: Literal["COV_SPATIAL"]


class RoundSettings(_Table):
    """When a round is due, and what its lists hold."""

    due: str
    list_transition: bool

    @field_validator("due")
    @classmethod
    def _month_and_day(cls, text: str) -> str:
        try:
            # a year that has a 29 February would let it pass in years that have none
            dt.date.fromisoformat(f"2023-{text}")
        except ValueError as error:
            raise ValueError("must be month and day, such as 03-31") from error
        return text


class PolicySettings(_Table):
    """What grades lead to."""

    electricity_grades: tuple[str, ...]


class GateSettings(_Table):
    """What stops a run, and what it warns of."""

    warn_removed_share: Decimal = Field(ge=0, le=1)
    max_removed_share: Decimal = Field(ge=0, le=1)
    min_removed: int = Field(ge=0)
    max_base_change: Decimal = Field(ge=0)
    max_links_lost: Decimal = Field(ge=0, le=1)
    max_coverage_fall: Decimal = Field(ge=0, le=1)
    min_covered_lost_m2: Decimal = Field(ge=0)


class LimitSettings(_Table):
    """What one delivered file may cost."""

    memory_mib: int = Field(ge=64)
    seconds: int = Field(ge=1)
    max_bytes: int = Field(gt=0)
    max_entries: int = Field(gt=0)
    max_ratio: int = Field(gt=0)
    ratio_from_bytes: int = Field(ge=0)
    min_free_bytes: int = Field(ge=0)
    max_workbook_bytes: int = Field(gt=0)
    max_cells: int = Field(gt=0)
    max_row_bytes: int = Field(gt=0)

    @property
    def of_files(self) -> Limits:
        """The same for readers, which know nothing of settings."""
        return Limits(**self.model_dump())


class Settings(_Table):
    """All settings of one workspace; ``workspace`` is its folder."""

    workspace: Path
    county: CountySettings
    database: DatabaseSettings
    codes: CodeSettings
    evaluation: EvaluationSettings
    overlay: OverlaySettings
    topology: TopologySettings
    link: LinkSettings
    lineage: LineageSettings
    coverage: CoverageSettings
    round: RoundSettings
    policy: PolicySettings
    gate: GateSettings
    limits: LimitSettings
    # the rule set that evaluation.ruleset names; None: only official grades
    rules: RuleSet | None = None

    @property
    def rules_text(self) -> str:
        """The whole rule set as one text; empty without one."""
        return "" if self.rules is None else self.rules.fingerprint()

    @property
    def size_threshold_mu(self) -> Decimal:
        """Least land of the larger of those below designated size, mu: rules own it where they say it."""
        category = None if self.rules is None else self.rules.category.get("BELOW_GE3")
        if category is None or category.from_mu is None:
            return self.evaluation.size_threshold_mu
        return category.from_mu

    @property
    def evaluated_categories(self) -> tuple[str, ...]:
        """Categories whose units are evaluated; without a rule set all."""
        if self.rules is None:
            return CATEGORIES
        return tuple(name for name, rule in self.rules.category.items() if rule.evaluated)

    @property
    def transition_effect(self) -> str:
        """What a transition does to the grade."""
        return "no_grade" if self.rules is None else self.rules.transitions.effect

    @property
    def years_back(self) -> int:
        """How many years before the data year rules look at figures."""
        return 0 if self.rules is None else self.rules.years_back

    def value(self, path: str) -> object:
        """One setting by its dotted path, as SQL and fingerprints take it.

        Errors: AttributeError on an unknown path (a bug of the step that names it).
        """
        found: object = self
        for name in path.split("."):
            found = getattr(found, name)
        if isinstance(found, tuple):
            return list(found)
        if isinstance(found, dict):
            return {key: str(item) for key, item in sorted(found.items())}
        return found


def _over(base: object, table: object) -> Any:  # noqa: ANN401 - a value of TOML
    """One value over another: of two tables each single value, of tables in them as well."""
    if not isinstance(base, dict) or not isinstance(table, dict):
        return table
    return base | {name: _over(base.get(name), value) for name, value in table.items()}


def load_settings(workspace: Path) -> Settings:
    """Read the settings of a workspace.

    Errors: SettingsError when the folder is no workspace, or a value is wrong.
    """
    file = workspace / WORKSPACE_FILE
    if not file.is_file():
        raise SettingsError("settings.no_workspace", path=str(workspace))
    tables = _read(data_path("config", "defaults.toml"))
    for name, table in _read(file).items():
        tables[name] = _over(tables.get(name), table)
    url = os.environ.get("DIQI_DATABASE_URL")
    if url:
        tables["database"] = {**tables.get("database", {}), "url": url}
    if "rules" in tables:
        # rules are files of their own, which are looked through as a whole
        raise SettingsError("settings.rules_misplaced", path=str(file))
    try:
        settings = Settings(workspace=workspace, **tables)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(
            "settings.invalid",
            path=str(file),
            setting=".".join(str(part) for part in first["loc"]),
            reason=first["msg"],
            count=error.error_count(),
        ) from error
    name = settings.evaluation.ruleset
    if not name:
        return settings
    # the reading of rule sets takes much that a reader of files must not load
    from pipeline.rulebook import load_rules

    return settings.model_copy(update={"rules": load_rules(name, workspace)})


def settings_without_workspace() -> Settings:
    """The defaults alone, for what needs no county; its code is empty.

    Errors: none.
    """
    tables = _read(data_path("config", "defaults.toml"))
    county = CountySettings.model_construct(**{**tables.pop("county"), "extent": ()})
    return Settings(workspace=Path.cwd(), county=county, **tables)


def default_workspace() -> Path:
    """The workspace that ``DIQI_WORKSPACE`` names, else the current folder."""
    return Path(os.environ.get("DIQI_WORKSPACE") or ".").resolve()


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("settings.unreadable", path=str(file), reason=str(error)) from error
