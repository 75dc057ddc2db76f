"""Stories as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from pipeline.explain.book import Story
from pipeline.explain.page import Page, field_value, label, say, word
from pipeline.explain.patch import STATES
from pipeline.explain.render_rules import render_rules
from pipeline.explain.township import AREAS

_COUNTS: Final = (
    "count_above",
    "count_below_ge3",
    "count_below_lt3",
    "count_tenant_only",
    "count_parcel_merged",
    "count_a",
    "count_b",
    "count_c",
    "count_d",
    "count_ungraded",
)


def render(story: Story) -> str:
    """Put a story into lines: Chinese first, English beside it.

    Shape:  what ``explain`` gave in; lines of plain text without a last line break out.
    Units:  as in the story.
    CRS:    none (no geometry).
    Errors: KeyError on a story of another kind (a bug).
    Source: docs/sources.md, Design 6; texts in config/messages/explain.zh.toml.
    """
    page = Page()
    _BODIES[story["kind"]](page, story)
    return str(page)


def _head(page: Page, story: Story, name: object) -> None:
    """Title, and the run that the layers show."""
    kind = word("subject", story["kind"])
    page.title(" ".join(str(part) for part in (kind, story["key"], name) if part))
    shown = story["publication"]
    if shown["run_id"] is None:
        page.line(say("explain.unpublished"))
    else:
        page.line(say("explain.publication", **shown))


def _versions(page: Page, story: Story) -> None:
    """The record in force and its earlier versions."""
    page.section("record", is_empty=not (story["record"] or story["earlier"]))
    if story["record"]:
        page.record(story["record"])
    elif story["earlier"]:
        page.line(say("explain.not_in_force"))
    page.earlier(story["earlier"])


def _enterprise(page: Page, story: Story) -> None:
    _head(page, story, _newest(story).get("name"))
    _versions(page, story)
    _events(page, story)
    _seat(page, story["seat"])
    _links(page, story["links"], "parcel_code")
    _candidates(page, story["other_candidates"])
    _allocation(page, story["allocation"], "parcel_code")
    _units(page, story["units"])
    render_rules(page, story["rules"])
    page.section("scores", is_empty=not story["scores"])
    page.evidence(story["scores"], 1)
    page.section("accounts", is_empty=not (story["accounts"] or story["electricity"]))
    page.evidence(story["accounts"], 1)
    for row in story["electricity"]:
        page.brief(row, ("unit_code", "grade", "account_no", "match_state"))
    page.issues(story["issues"])
    published = story["published"]
    _published(page, {"layers.enterprise": published["enterprise"]})
    for row in published["enterprise_land"]:
        page.line("layers.enterprise_land")
        page.facts(row, row, 2)


def _newest(story: Story) -> Story:
    """Values of the record in force, else of the last version."""
    versions = [story["record"]] if story["record"] else story["earlier"][:1]
    values: Story = versions[0]["values"] if versions else {}
    return values


def _events(page: Page, story: Story) -> None:
    """What happened to an enterprise, and its branches."""
    page.section("events", is_empty=not story["events"])
    for row in story["events"]:
        change = " → ".join(part for part in (row["before"], row["after"]) if part)
        page.line(
            f"{word('event', row['event'])} · {label('run_id')} {row['run_id']} "
            f"({row['run']['as_of']}) · {change}"
        )
    for row in story["branches"]:
        page.line(f"{word('branch_kind', row['kind'])}: {row['enterprise_code']} {row['name']}")


def _seat(page: Page, seat: Story | None) -> None:
    page.section("seat", is_empty=seat is None)
    if seat is None:
        return
    page.facts(seat, ("seat_state", "reason", "parcel_code", "township_code", "township_name"))
    if seat["missing"]:
        page.line(
            f"{label('missing')}: " + "; ".join(word("missing", name) for name in seat["missing"])
        )
    if seat["decision"]:
        page.decision(seat["decision"])


def _links(page: Page, rows: list[Story], subject: str) -> None:
    page.section("links", is_empty=not rows)
    for row in rows:
        name = row["enterprise_name"] if subject == "enterprise_code" else ""
        page.line(
            f"{row[subject]} {name or ''}".rstrip()
            + f" · {word('link_status', row['status'])} · {word('role', row['role'])}"
        )
        page.facts(
            row,
            (
                "stage",
                "reason",
                "named_code",
                "valid_from",
                "valid_to",
            ),
            2,
            "link",
        )
        page.line(_score(row), 2)
        if row.get("runner_up"):
            page.line(_runner_up(row["runner_up"]), 2)
        decision = row["decision"]
        if decision and row["stage"] != "decision":
            page.decision(decision["values"], 2)
        page.evidence(row["evidence"], 2)


def _candidates(page: Page, rows: list[Story]) -> None:
    page.section("other_candidates", is_empty=not rows)
    for row in rows:
        page.line(f"{row['parcel_code']} · {word('role', row['role'])}")
        page.facts(row, ("stage", "reason", "named_code", "outcome"), 2, "link")
        page.line(_score(row), 2)
        page.evidence(row["evidence"], 2)


def _score(row: Story) -> str:
    """A score as the sum of its parts, the evidence first."""
    parts = [(name, Decimal(value)) for name, value in row["parts"].items()]
    parts.sort(key=lambda part: (part[0] != "evidence", -part[1]))
    total = "; ".join(f"{word('part', name)} {value:+}" for name, value in parts)
    return f"{label('score')}: {row['score']} ({total})"


def _runner_up(row: Story) -> str:
    """The best other parcel, and why it was not chosen."""
    return (
        f"{label('runner_up')}: {row['parcel_code']} · {word('stage', row['stage'])} · "
        f"{label('score')} {row['score']} · {word('outcome', row['outcome'])}"
    )


def _allocation(page: Page, rows: list[Story], subject: str) -> None:
    page.section("allocation", is_empty=not rows)
    for row in rows:
        who = row[subject] or word("role", "rest")
        name = row["enterprise_name"] if subject == "enterprise_code" else ""
        page.line(f"{who} {name or ''}".rstrip())
        page.facts(
            row,
            ("role", "method", "allocated_m2", "share", "reference_area_m2", "reference_area"),
            2,
        )
        if subject == "parcel_code":
            page.source(row["parcel_source"], 3)
        page.evidence(row["evidence"], 2)


def _units(page: Page, rows: list[Story]) -> None:
    page.section("units", is_empty=not rows)
    for row in rows:
        page.line(f"{row['unit_code']} · {row['year']}")
        page.line(f"{label('unit_kind')}: {word('unit_kind', row['kind'])}", 2)
        page.facts(
            row,
            (
                "kind_reason",
                "eval_category",
                "eval_state",
                "state_reason",
                "eval_area_m2",
                "member_count",
                "parcel_count",
            ),
            2,
        )
        for member in row["members"]:
            who = member["enterprise_code"] or label("undivided_land")
            page.line(
                f"{label('member')}: {who} {member['enterprise_name'] or ''}".rstrip()
                + f" · {member['parcel_code']} · {member['area_m2']} m²",
                2,
            )
        page.line(_grade(row["grade"]), 2)
        for name in ("scores", "indicators", "recognitions"):
            page.evidence(row[name], 3)


def _grade(grade: Story | None) -> str:
    """Grade of a unit with where it comes from."""
    if grade is None:
        return f"{label('grade')}: {label('none')}"
    score = "" if grade["score"] is None else f" · {label('score')} {grade['score']}"
    return (
        f"{label('grade')}: {grade['grade'] or label('none')}{score} · "
        f"{word('grade_source', grade['source'])} · {label('edition')} {grade['edition']}"
    )


def _published(page: Page, rows: Mapping[str, Story | None]) -> None:
    page.section("published", is_empty=not any(rows.values()))
    for layer, row in rows.items():
        if row:
            page.line(layer)
            page.facts(row, row, 2, layer)


def _parcel(page: Page, story: Story) -> None:
    _head(page, story, _newest(story).get("location"))
    if story["closed_by"]:
        page.line(say("explain.history_parcel", **story["closed_by"]))
    _versions(page, story)
    _lineage(page, story["lineage"])
    _land(page, story)
    _links(page, story["links"], "enterprise_code")
    _allocation(page, story["allocation"], "enterprise_code")
    if story["conservation"]:
        page.line(say("explain.conservation", **story["conservation"]))
    _units(page, story["units"])
    page.section("state", is_empty=story["state"] is None)
    page.facts(story["state"] or {}, story["state"] or {})
    page.issues(story["issues"])
    _published(page, {"layers.parcel": story["published"]["parcel"]})
    _uncovered(page, story["published"]["uncovered_land"])


def _lineage(page: Page, lineage: Story) -> None:
    rows = [(name, row) for name in ("predecessors", "successors") for row in lineage[name]]
    page.section("lineage", is_empty=not rows)
    for name, row in rows:
        page.line(
            f"{label(name)}: {row['old_parcel_code']} → {row['new_parcel_code']} · "
            f"{word('lineage_kind', row['kind'])} · {label('run_id')} {row['run_id']} · "
            f"{label('old_share')} {row['old_share']} · {label('new_share')} {row['new_share']}",
            row["steps"],
        )
    for row in lineage["now"]:
        page.line(
            f"{label('now')}: {row['successor_code']} · {label('old_share')} {row['share']} · "
            f"{word('follow', row['follow'])}"
        )
    for row in lineage["naming"]:
        page.line(
            f"{label('naming')}: {word('feed', row['feed'])} {row['record_key']} → "
            f"{row['parcel_code']} · {word('evidence_outcome', row['outcome'])}"
        )


def _land(page: Page, story: Story) -> None:
    """Township, and the patches under the parcel."""
    found = story["township"]
    page.section("township", is_empty=found is None)
    if found:
        page.facts(
            found,
            (
                "township_code",
                "township_name",
                "area_code",
                "area_name",
                "is_industrial",
                "patch_area_m2",
            ),
        )
        page.line(f"{label('reason')}: {word('township_reason', found['reason'])}")
        for row in found["industrial_area"]:
            page.brief(row, ("township_code", "name", "area_m2"), 2)
    page.section("pieces", is_empty=not story["pieces"])
    for piece in story["pieces"]:
        page.brief(piece, ("patch_code", "area_m2"))
        if piece["patch"]:
            page.brief(
                piece["patch"]["values"],
                ("land_use_code", "township_code", "official_area_m2", "ellipsoid_area_m2"),
                2,
                "patch",
            )
            page.source(piece["patch"]["source"], 2)


def _uncovered(page: Page, rows: list[Story]) -> None:
    page.section("uncovered_land", is_empty=not rows)
    for row in rows:
        page.line(
            f"{row['rank_in_township']}. {row['patch_code']} {row['parcel_code']}".rstrip()
            + f" · {row['area_m2']} m² = {row['area_mu']} {label('mu')}"
        )
        page.line(
            f"{word('uncovered_reason', row['reason'])} → {word('next_action', row['next_step'])}",
            2,
        )


def _township(page: Page, story: Story) -> None:
    figures = story["coverage"]
    _head(page, story, figures["name"])
    _versions(page, story)
    page.section("definition")
    page.line(f"{figures['definition']}: {word('definition', figures['definition'])}")
    page.section("coverage")
    page.facts(figures, AREAS)
    page.facts(
        figures,
        (
            "coverage_fraction",
            "coverage_ratio",
            "coverage_pct",
            "strict_ratio",
            "strict_pct",
            "target_ratio",
            "target_pct",
            "is_target_met",
            "gap_m2",
            "gap_mu",
        ),
    )
    page.section("counts")
    page.facts(figures, _COUNTS)
    page.section("patches", is_empty=not story["patches"])
    page.line(" | ".join(label(name) for name in ("patch_code", *AREAS)))
    for row in story["patches"]:
        page.line(" | ".join(row[name] for name in ("patch_code", *AREAS)))
        page.source(row["source"], 2)
    sums = story["sums"]
    page.line(" | ".join([label("sum"), *(sums[name] for name in AREAS)]))
    page.line(say("explain.sums_equal" if sums["is_equal"] else "explain.sums_differ"))
    page.section("history", is_empty=not story["history"])
    for row in story["history"]:
        page.brief(row, ("run_id", "as_of", *AREAS, "definition"))
    _uncovered(page, story["uncovered_land"])
    page.line(say("explain.cut_patches"))
    page.issues(story["issues"])
    _published(page, {"layers.township_coverage": story["published"]})


def _patch(page: Page, story: Story) -> None:
    _head(page, story, story["township_name"])
    _versions(page, story)
    page.section("areas", is_empty=story["areas"] is None)
    page.facts(story["areas"] or {}, story["areas"] or {}, feed="patch")
    page.section("parts", is_empty=not story["parts"])
    if story["record"] and not story["parts"]:
        page.line(say("explain.not_base"))
    for row in story["parts"]:
        page.line(f"{row['area_code']} {row['area_name'] or ''}".rstrip())
        page.facts(row, AREAS, 2)
    page.section("patch_pieces", is_empty=not story["pieces"])
    if story["pieces"]:
        page.line(say("explain.arithmetic"))
    for row in story["pieces"]:
        _contribution(page, story["areas"], row)
    for row in story["overlaps"]:
        page.line(say("explain.overlap", **row))
    for row in story["sums"]:
        page.line(f"{word('state', row['state'])}: {say('explain.patch_sum', **row)}")
    page.issues(story["issues"])
    _published(page, {"layers.industrial_patch": story["published"]["industrial_patch"]})
    _uncovered(page, story["published"]["uncovered_land"])


def _contribution(page: Page, areas: Story | None, piece: Story) -> None:
    """The arithmetic of one piece, a line per state that it counts for."""
    page.brief(piece, ("parcel_code", "area_m2"))
    if areas is None:
        return
    counted = [state for state in STATES if f"{state}_m2" in piece]
    for state in counted:
        share = field_value("share", piece[f"{state}_share"], "")
        page.line(
            f"{word('state', state)}: {areas['counted_m2']} × {piece['area_m2']} ÷ "
            f"{areas['ellipsoid_area_m2']} × {share} = {piece[f'{state}_m2']} m²",
            2,
        )


_BODIES: Final[Mapping[str, Callable[[Page, Story], None]]] = {
    "enterprise": _enterprise,
    "parcel": _parcel,
    "township": _township,
    "patch": _patch,
}
