"""The steps of a run. ``STEPS`` is the only place where their order is written.

A step is one folder of SQL: ``scope.sql`` says which keys it recomputes, one SELECT per output
table says which rows these keys should have. The runner (``pipeline.run``) makes the tables equal
to that. Loading (``load_feeds``) comes before the run's transaction and is no step of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
from sqlalchemy import Connection

from pipeline.steps import (
    apply_policies,
    check_topology,
    form_units,
    grade_units,
    publish_layers,
    read_texts,
)

Rows = Callable[[Connection, Mapping[str, object]], pd.DataFrame]

# What a changed record makes dirty: {kind: columns that hold its keys}.
_RECORD_MARKS: dict[str, dict[str, tuple[str, ...]]] = {
    "patch": {"patch": ("patch_code",)},
    "parcel": {"parcel": ("parcel_code",), "address": ("address_key",)},
    "right": {
        "parcel": ("parcel_code",),
        "credit": ("holder_code",),
        "name": ("holder_name_key",),
        "certificate": ("certificate_key",),
    },
    "lease": {
        "parcel": ("parcel_code",),
        "credit": ("lessee_code", "lessor_code"),
        "name": ("lessee_name_key", "lessor_name_key"),
    },
    "enterprise": {
        "enterprise": ("enterprise_code",),
        "name": ("name_key",),
        "address": ("address_key",),
    },
    "footprint": {"footprint": ("footprint_code",), "enterprise": ("enterprise_code",)},
    "indicator": {"enterprise": ("enterprise_code",)},
    "recognition": {"enterprise": ("enterprise_code",)},
    "account": {"enterprise": ("enterprise_code",)},
    "past_link": {"enterprise": ("enterprise_code",)},
    "score": {"enterprise": ("enterprise_code",)},
    "land_event": {"enterprise": ("enterprise_code",)},
    "talent": {"enterprise": ("enterprise_code",)},
    "meter": {"enterprise": ("enterprise_code",)},
    "policy_return": {"enterprise": ("enterprise_code",)},
    "area": {"area": ("area_code",)},
}
# Records that hold from valid_from up to, not including, valid_to.
DATED_FEEDS = ("right", "lease", "recognition")
# Records that are land: what lies beside one depends on its shape.
DRAWN_FEEDS = ("patch", "parcel", "footprint")


@dataclass(frozen=True)
class Output:
    """One table that a step writes.

    ``scope`` is the column whose values are looked up among the scope keys of ``kind``; None
    replaces the whole table. ``marks`` is what a changed row makes dirty. ``history`` tables keep
    closed versions; ``owned`` rows share ops.issue with other steps. ``rows`` computes the rows in
    Python where SQL is bad at it.
    """

    table: str
    key: tuple[str, ...]
    scope: str | None = None
    kind: str | None = None
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    history: bool = False
    owned: bool = False
    rows: Rows | None = None

    @property
    def name(self) -> str:
        """Table name without its schema: the SQL file and the next_ table are named after it."""
        return self.table.split(".")[1]


@dataclass(frozen=True)
class Step:
    """One step: what it reads, what it writes, which settings it depends on.

    ``settings`` maps parameter names of its SQL to dotted settings; ``code`` names the Python
    modules, ``files`` the other files whose text belongs to its fingerprint.
    """

    name: str
    reads: tuple[str, ...]
    outputs: tuple[Output, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    files: tuple[tuple[str, ...], ...] = ()
    folder: tuple[str, ...] | None = None

    @property
    def sql_folder(self) -> tuple[str, ...]:
        """Folder of its output files; scope.sql always lies in sql/steps/<step>."""
        return self.folder or ("sql", "steps", self.name)


def _issues(kind: str | None) -> Output:
    return Output(
        "ops.issue",
        key=("step", "rule", "subject_key", "detail_key"),
        scope="subject_key" if kind else None,
        kind=kind,
        marks={"issue": ("rule",)},
        owned=True,
    )


def _layer(name: str, key: tuple[str, ...], scope: str | None, kind: str | None) -> Output:
    return Output(f"layers.{name}", key=key, scope=scope, kind=kind)


FEEDS = tuple(_RECORD_MARKS)

STEPS: tuple[Step, ...] = (
    Step(
        "reconcile_records",
        reads=("ops.delivery", "core.correction", *(f"raw.{feed}" for feed in FEEDS)),
        outputs=(
            # what changed is compared with the records as they were: before these are renewed
            Output(
                "core.parcel_lineage",
                key=("old_parcel_code", "new_parcel_code", "run_id"),
                scope="run_id",
                kind="run",
                marks={"parcel": ("old_parcel_code", "new_parcel_code")},
            ),
            Output(
                "core.patch_lineage",
                key=("vintage", "old_patch_code", "new_patch_code", "run_id"),
                scope="run_id",
                kind="run",
            ),
            Output(
                "core.footprint_lineage",
                key=("old_footprint_code", "new_footprint_code", "run_id"),
                scope="run_id",
                kind="run",
            ),
            *(
                Output(
                    f"core.{feed}",
                    key=("record_key",),
                    scope="record_key",
                    kind=feed,
                    marks=_RECORD_MARKS[feed],
                    history=True,
                )
                for feed in FEEDS
            ),
            _issues("issue_subject"),
        ),
        settings={
            "area_srid": "county.area_srid",
            "lineage_min_share": "lineage.min_share",
            "lineage_full_share": "lineage.full_share",
            "lineage_same_share": "lineage.same_share",
            "lineage_follow_share": "lineage.follow_share",
        },
    ),
    Step(
        "overlay_land",
        reads=(
            "core.patch",
            "core.parcel",
            "core.parcel_lineage",
            "core.right",
            "core.lease",
            "core.area",
        ),
        outputs=(
            Output(
                "derived.parcel_successor",
                key=("parcel_code", "successor_code"),
                scope="parcel_code",
                kind="retired",
                marks={"parcel": ("parcel_code", "successor_code")},
            ),
            Output(
                "derived.parcel_patch",
                key=("parcel_code", "patch_code"),
                scope="parcel_code",
                kind="parcel",
                marks={"parcel": ("parcel_code",), "patch": ("patch_code",)},
            ),
            Output(
                "derived.parcel_township",
                key=("parcel_code",),
                scope="parcel_code",
                kind="parcel",
                marks={"parcel": ("parcel_code",)},
            ),
            _issues("parcel"),
        ),
        settings={
            "area_srid": "county.area_srid",
            "base_codes": "coverage.base_codes",
            "industrial_codes": "overlay.industrial_codes",
            "sliver_m2": "overlay.sliver_m2",
            "sliver_share": "overlay.sliver_share",
            "lineage_follow_share": "lineage.follow_share",
            "lineage_full_share": "lineage.full_share",
            "lineage_min_share": "lineage.min_share",
        },
    ),
    Step(
        "check_topology",
        reads=(
            "core.patch",
            "core.parcel",
            "core.footprint",
            "derived.parcel_patch",
            "derived.parcel_township",
        ),
        outputs=(
            Output(
                "derived.patch_border",
                key=("patch_code",),
                scope="patch_code",
                kind="patch",
                rows=check_topology.patch_border_rows,
            ),
            Output(
                "derived.patch_topology",
                key=("rule", "patch_code", "other_code"),
                scope="vintage",
                kind="vintage",
            ),
            Output(
                "derived.parcel_topology",
                key=("rule", "parcel_code", "other_code"),
                scope="parcel_code",
                kind="parcel",
            ),
            Output(
                "derived.footprint_topology",
                key=("footprint_code", "parcel_code"),
                scope="footprint_code",
                kind="footprint",
            ),
            _issues(None),
        ),
        settings={
            "area_srid": "county.area_srid",
            "parcel_gap_m": "topology.parcel_gap_m",
            "topology_sliver_m2": "topology.sliver_m2",
            "topology_sliver_share": "topology.sliver_share",
        },
        code=("pipeline.steps.check_topology",),
    ),
    Step(
        "read_texts",
        reads=(
            "ops.delivery",
            "ops.delivered",
            "raw.enterprise",
            "core.enterprise",
            "core.parcel",
            "core.right",
            "core.lease",
            "core.area",
            "derived.parcel_township",
        ),
        outputs=(
            Output(
                "derived.enterprise_address",
                key=("enterprise_code",),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",)},
                rows=read_texts.enterprise_address_rows,
            ),
            Output(
                "derived.parcel_address",
                key=("parcel_code",),
                scope="parcel_code",
                kind="parcel",
                marks={
                    "parcel": ("parcel_code",),
                    "road_place": ("road_place",),
                    "road_town": ("road_town",),
                    "park": ("park",),
                },
                rows=read_texts.parcel_address_rows,
            ),
            Output(
                "derived.enterprise_name",
                key=("enterprise_code", "name_key"),
                scope="enterprise_code",
                kind="enterprise",
                marks={
                    "enterprise": ("enterprise_code",),
                    "name": ("name_key",),
                    "body": ("body",),
                },
                rows=read_texts.enterprise_name_rows,
            ),
            Output(
                "derived.party_name",
                key=("name_key",),
                scope="name_key",
                kind="party",
                marks={"party": ("name_key",), "body": ("body",)},
                rows=read_texts.party_name_rows,
            ),
            Output(
                "derived.road_alias",
                key=("road",),
                marks={"place": ("road",)},
                rows=read_texts.road_alias_rows,
            ),
            Output("derived.place", key=("kind", "name"), marks={"place": ("name",)}),
        ),
        settings={
            "address_style": "codes.address_style",
            "address_prefixes": "codes.address_prefixes",
            "county_name": "county.name",
            "place_min_records": "link.place_min_records",
            "place_min_share": "link.place_min_share",
        },
        code=("pipeline.steps.read_texts", "pipeline.domain.addresses", "pipeline.domain.names"),
        files=(("sql", "steps", "read_texts", "township.sql"),),
    ),
    Step(
        "link_enterprises",
        reads=(
            "core.enterprise",
            "core.parcel",
            "core.right",
            "core.lease",
            "core.footprint",
            "core.account",
            "core.past_link",
            "core.area",
            "core.current_decision",
            "derived.parcel_successor",
            "derived.parcel_township",
            "derived.enterprise_address",
            "derived.parcel_address",
            "derived.enterprise_name",
            "derived.party_name",
            "derived.road_alias",
            "derived.place",
        ),
        outputs=(
            Output(
                "derived.enterprise_township",
                key=("enterprise_code",),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",)},
            ),
            Output(
                "derived.address_match",
                key=("enterprise_code", "parcel_code"),
                scope="enterprise_code",
                kind="enterprise",
            ),
            Output(
                "derived.point_match",
                key=("enterprise_code", "parcel_code"),
                scope="enterprise_code",
                kind="enterprise",
            ),
            Output(
                "derived.link_candidate",
                key=("enterprise_code", "parcel_code", "role", "stage", "evidence_key"),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",)},
            ),
            Output(
                "derived.link",
                key=("enterprise_code", "parcel_code", "role"),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",), "parcel": ("parcel_code",)},
            ),
            Output(
                "derived.seat",
                key=("enterprise_code",),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",)},
            ),
            Output(
                "derived.stale_decision",
                key=("decision_id",),
                scope="enterprise_code",
                kind="enterprise",
                marks={"enterprise": ("enterprise_code",)},
            ),
            _issues("enterprise"),
        ),
        settings={
            "accept_score": "link.accept_score",
            "min_gap": "link.min_gap",
            "footprint_min_share": "link.footprint_min_share",
            "footprint_min_gap": "link.footprint_min_gap",
            "point_reach_m": "link.point_reach_m",
            "point_gap_m": "link.point_gap_m",
            "point_search_m": "link.point_search_m",
            "point_far_m": "link.point_far_m",
            "road_reach_m": "link.road_reach_m",
            "review_candidates": "link.review_candidates",
            "stage_score": "link.stage_score",
            "link_weight": "link.weight",
        },
    ),
    Step(
        "allocate_parcels",
        reads=(
            "core.parcel",
            "core.enterprise",
            "core.right",
            "core.lease",
            "core.footprint",
            "derived.parcel_successor",
            "derived.link",
        ),
        outputs=(
            Output(
                "derived.allocation",
                key=("parcel_code", "enterprise_code"),
                scope="parcel_code",
                kind="parcel",
                marks={"parcel": ("parcel_code",), "enterprise": ("enterprise_code",)},
            ),
            _issues("parcel"),
        ),
    ),
    Step(
        "form_units",
        reads=(
            "core.enterprise",
            "core.indicator",
            "core.score",
            "core.recognition",
            "core.land_event",
            "core.current_evaluation_decision",
            "derived.parcel_successor",
            "derived.link",
            "derived.allocation",
            "derived.parcel_township",
        ),
        outputs=(
            Output(
                "derived.transition",
                key=("enterprise_code", "rule", "event_no"),
                scope="enterprise_code",
                kind="member",
                marks={"enterprise": ("enterprise_code",)},
                rows=form_units.transition_rows,
            ),
            Output(
                "derived.unit_member",
                key=("year", "unit_code", "enterprise_code", "parcel_code"),
                scope="component",
                kind="component",
                marks={
                    "parcel": ("parcel_code",),
                    "enterprise": ("enterprise_code",),
                    "component": ("component",),
                },
            ),
            Output(
                "derived.unit",
                key=("year", "unit_code"),
                scope="component",
                kind="component",
                marks={"component": ("component",)},
            ),
            _issues("component"),
        ),
        settings={
            "rules": "rules_text",
            "size_threshold_mu": "size_threshold_mu",
            "evaluated_categories": "evaluated_categories",
            "transition_effect": "transition_effect",
            "max_operators": "evaluation.max_operators",
            "max_parcels": "evaluation.max_parcels",
        },
        code=("pipeline.steps.form_units", "pipeline.domain.rules.transitions"),
        files=tuple(
            ("sql", "steps", "form_units", f"{name}.sql")
            for name in ("land_event", "first_recognition", "used_land")
        ),
    ),
    Step(
        "grade_units",
        reads=(
            "core.enterprise",
            "core.indicator",
            "core.recognition",
            "core.talent",
            "core.score",
            "core.current_evaluation_decision",
            "derived.unit",
            "derived.unit_member",
        ),
        outputs=(
            Output(
                "derived.unit_value",
                key=("year", "unit_code", "indicator", "of_year"),
                scope="component",
                kind="component",
            ),
            Output("derived.rule_set", key=("year",), rows=grade_units.rule_set_rows),
            Output(
                "derived.benchmark",
                key=("year", "kind", "scale", "name", "group_key"),
                rows=grade_units.benchmark_rows,
            ),
            Output(
                "derived.grade",
                key=("year", "unit_code"),
                marks={"unit": ("unit_code",)},
                rows=grade_units.grade_rows,
            ),
            Output("derived.reading", key=("year", "reading"), rows=grade_units.reading_rows),
            _issues(None),
        ),
        settings={"rules": "rules_text", "years_back": "years_back"},
        code=(
            "pipeline.steps.grade_units",
            "pipeline.steps.form_units",
            "pipeline.domain.rules.engine",
            "pipeline.domain.rules.facts",
            "pipeline.domain.rules.exact",
            "pipeline.domain.rules.paths",
            "pipeline.domain.rules.schema",
        ),
        files=tuple(
            ("sql", "steps", "grade_units", f"{name}.sql")
            for name in (
                "evidence_unit",
                "evidence_figure",
                "evidence_recognition",
                "evidence_talent",
                "figure_record",
                "known_grade",
                "standard",
            )
        ),
    ),
    Step(
        "measure_coverage",
        reads=(
            "core.patch",
            "core.parcel",
            "core.area",
            "derived.parcel_patch",
            "derived.parcel_township",
            "derived.link",
            "derived.allocation",
            "derived.unit",
            "derived.unit_member",
            "derived.grade",
        ),
        outputs=(
            Output(
                "derived.parcel_state",
                key=("parcel_code",),
                scope="parcel_code",
                kind="parcel",
                marks={"parcel": ("parcel_code",)},
            ),
            Output(
                "derived.patch_cover",
                key=("patch_code", "area_code"),
                scope="patch_code",
                kind="patch",
                marks={"patch": ("patch_code",), "township": ("township_code",)},
            ),
            Output(
                "derived.patch_gap",
                key=("patch_code", "parcel_code"),
                scope="patch_code",
                kind="patch",
                marks={"township": ("township_code",)},
            ),
            Output(
                "derived.township_coverage", key=("area_code",), marks={"coverage": ("area_code",)}
            ),
            Output(
                "core.coverage_history", key=("area_code", "run_id"), scope="run_id", kind="run"
            ),
            _issues("patch"),
        ),
        settings={
            "area_srid": "county.area_srid",
            "base_codes": "coverage.base_codes",
            "target_ratio": "coverage.target_ratio",
            "definition": "coverage.definition",
        },
    ),
    Step(
        "apply_policies",
        reads=(
            "core.account",
            "core.enterprise",
            "core.score",
            "core.policy_return",
            "core.recognition",
            "core.talent",
            "derived.unit",
            "derived.unit_member",
            "derived.unit_value",
            "derived.grade",
        ),
        outputs=(
            Output(
                "derived.policy_use",
                key=("year", "unit_code", "rule"),
                rows=apply_policies.policy_use_rows,
            ),
            Output(
                "derived.policy_electricity",
                key=("enterprise_code", "account_no"),
                marks={"enterprise": ("enterprise_code",)},
            ),
        ),
        settings={"electricity_grades": "policy.electricity_grades", "rules": "rules_text"},
        code=(
            "pipeline.steps.apply_policies",
            "pipeline.steps.grade_units",
            "pipeline.domain.rules.uses",
            "pipeline.domain.rules.engine",
            "pipeline.domain.rules.exact",
            "pipeline.domain.rules.facts",
        ),
        files=tuple(
            ("sql", "steps", "apply_policies", f"{name}.sql")
            for name in ("shown_grade", "evidence_return")
        ),
    ),
    Step(
        "publish_layers",
        reads=(
            "ops.delivery",
            "ops.issue",
            "core.decision",
            "core.current_issued_unit",
            "core.area",
            "core.enterprise",
            "core.parcel",
            "core.parcel_lineage",
            "core.patch",
            "core.footprint",
            "derived.parcel_patch",
            "derived.parcel_township",
            "derived.patch_topology",
            "derived.parcel_topology",
            "derived.footprint_topology",
            "derived.link",
            "derived.link_candidate",
            "derived.stale_decision",
            "derived.seat",
            "derived.allocation",
            "derived.unit",
            "derived.unit_member",
            "derived.parcel_state",
            "derived.patch_cover",
            "derived.patch_gap",
            "derived.township_coverage",
            "derived.grade",
        ),
        outputs=(
            _layer("parcel", ("parcel_code",), "parcel_code", "parcel"),
            _layer("enterprise", ("enterprise_code",), "enterprise_code", "enterprise"),
            _layer("enterprise_land", ("enterprise_code", "parcel_code"), "parcel_code", "parcel"),
            _layer("evaluation_unit", ("unit_code",), "component", "component"),
            _layer("industrial_patch", ("patch_code",), "patch_code", "patch"),
            _layer("township_coverage", ("township_code",), None, None),
            _layer("uncovered_land", ("patch_code", "parcel_code"), "township_code", "township"),
            Output(
                "layers.review_queue",
                key=("enterprise_code", "parcel_code", "role"),
                scope="enterprise_code",
                kind="enterprise",
                rows=publish_layers.review_queue_rows,
            ),
            _layer("land_change", ("parcel_code",), None, None),
            Output("layers.data_issue", key=("issue_key",), rows=publish_layers.data_issue_rows),
        ),
        settings={"base_codes": "coverage.base_codes"},
        code=(
            "pipeline.steps.publish_layers",
            "pipeline.messages",
            "pipeline.outputs.questions",
        ),
        files=tuple(
            ("config", "messages", f"{name}.{language}.toml")
            for name in ("steps", "review", "explain")
            for language in ("zh", "en")
        ),
        folder=("sql", "layers"),
    ),
)
