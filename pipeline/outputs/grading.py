"""What a run graded by its rule set: counts, what is left out, what was chosen, other readings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, MetaData, func, select

from pipeline.domain.rules.schema import RuleSet, Sourced

# What is read of a database for it, by schema.
TABLES = {"layers": ("publication",), "derived": ("rule_set", "grade", "reading")}


def read_grading(connection: Connection, metadata: MetaData) -> dict[str, Any] | None:
    """Counts of grades of the published data year and what stands behind them; None without a rule set.

    Shape:  a connection and reflected TABLES in; ``id``, titles, ``counts`` (grade, first, adjusted, shown),
            ``papers`` (paper, paths), ``chosen`` (path, text), ``readings`` (titles, changed, graded) out.
    Units:  units of evaluation.
    CRS:    none (no geometry).
    Errors: those of the database.
    Source: docs/how-it-decides.md, section 7.
    """
    tables = metadata.tables
    shown, kept = tables["layers.publication"], tables["derived.rule_set"]
    words = connection.execute(
        select(kept.c.rules).join_from(shown, kept, kept.c.year == shown.c.data_year)
    ).scalar_one_or_none()
    if words is None:
        return None
    rules = RuleSet.model_validate_json(words)
    papers: dict[str, list[str]] = {}
    for path, paper in rules.papers():
        papers.setdefault(paper, []).append(path)
    reading = tables["derived.reading"]
    found = connection.execute(select(reading).order_by(reading.c.reading)).mappings()
    return {
        "id": rules.id,
        "title_zh": rules.title_zh,
        "title_en": rules.title_en,
        "source": rules.source,
        "counts": _counts(connection, metadata, rules),
        "papers": [{"paper": paper, "paths": paths} for paper, paths in papers.items()],
        "chosen": [{"path": path, "text": text} for path, text in _chosen(rules)],
        "readings": [
            {
                "reading": row["reading"],
                "title_zh": rules.reading[row["reading"]].title_zh,
                "title_en": rules.reading[row["reading"]].title_en,
                "changed": row["changed"],
                "graded": row["graded"],
            }
            for row in found
        ],
    }


def _counts(connection: Connection, metadata: MetaData, rules: RuleSet) -> list[dict[str, Any]]:
    """Units by grade: first, adjusted, and as shown; the last line holds those without one."""
    grade = metadata.tables["derived.grade"]
    columns = {"first": "initial_grade", "adjusted": "adjusted_grade", "shown": "grade"}
    found: dict[str | None, dict[str, Any]] = {
        name: {"grade": name, **dict.fromkeys(columns, 0)} for name in (*rules.grades, None)
    }
    for name, column in columns.items():
        rows = connection.execute(
            select(grade.c[column], func.count()).group_by(grade.c[column])
        ).all()
        for value, count in rows:
            line = found.setdefault(value, {"grade": value, **dict.fromkeys(columns, 0)})
            line[name] = count
    return list(found.values())


def _chosen(rules: RuleSet) -> Iterator[tuple[str, str]]:
    """Defaults that were chosen where the papers are silent, by the path of the rule."""
    tables: dict[str, Sourced] = {"transitions": rules.transitions, "adjust": rules.adjust}
    for kind in ("category", "fact", "indicator", "scoring", "grading"):
        tables |= {f"{kind}.{name}": rule for name, rule in getattr(rules, kind).items()}
    for scale, scoring in rules.scoring.items():
        tables |= {f"scoring.{scale}.{name}": item for name, item in scoring.item.items()}
    tables |= {f"{stage}.{name}": rule for stage, name, rule in rules.rules()}
    for path, rule in tables.items():
        if rule.chosen:
            yield path, rule.chosen
