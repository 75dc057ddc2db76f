"""Reading for ``explain``: reflected tables, rows as JSON values, records with their sources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, MetaData, Select, Table, select

from pipeline.errors import UsageError

Story = dict[str, Any]

TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "core": (
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
        "enterprise_event",
        "parcel_lineage",
        "patch_lineage",
        "correction",
        "current_answer",
        "decision",
        "current_decision",
        "coverage_history",
        "land_event",
        "talent",
        "current_evaluation_decision",
    ),
    "derived": (
        "parcel_patch",
        "parcel_township",
        "parcel_successor",
        "retired_evidence",
        "decision_in_place",
        "link_candidate",
        "link",
        "seat",
        "allocation",
        "unit",
        "unit_member",
        "transition",
        "rule_set",
        "parcel_state",
        "patch_cover",
        "township_coverage",
        "grade",
        "policy_electricity",
        "policy_use",
    ),
    "layers": (
        "publication",
        "enterprise",
        "enterprise_land",
        "parcel",
        "industrial_patch",
        "township_coverage",
        "uncovered_land",
    ),
    "ops": ("run", "run_commit", "delivery", "issue", "constant"),
}

# Columns that serve the machinery, not the reader.
_HISTORY: Final = {
    "record_key",
    "row_hash",
    "delivery_id",
    "row_number",
    "correction_ids",
    "from_run",
    "to_run",
}


def plain(value: object) -> object:
    """Turn a value of the database into one of JSON: exact decimals and dates become text.

    Shape:  one value, list or mapping in; the same out of str, int, bool, None, list and dict.
    Units:  those of the value.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Design 3 (exact and repeatable).
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        # layers hold double precision: the shortest text that reads back as the same number
        return f"{Decimal(repr(value)):f}"
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def _story(row: Mapping[Any, Any]) -> Story:
    """One row as JSON values by column name."""
    return {str(name): plain(value) for name, value in row.items()}


def _source(delivery: Story, row_number: int) -> Story:
    """A delivered row: records that were cells of a wide table share the row of the file."""
    stride = int(delivery["detail"].get("row_stride", 1))
    known = {name: value for name, value in delivery.items() if name != "detail"}
    # a negative number is that of no delivered row: a yearly package left the record as it was
    return {**known, "row_number": row_number // stride if row_number >= 0 else None}


class Book:
    """What ``explain`` reads: rows of reflected tables, in one transaction."""

    def __init__(self, connection: Connection, metadata: MetaData) -> None:
        self._connection = connection
        self._metadata = metadata
        self._runs: dict[int, Story] = {}
        self.publication = self._publication()

    @property
    def connection(self) -> Connection:
        """The connection, for what is read by a query of its own."""
        return self._connection

    def table(self, name: str) -> Table:
        """A reflected table by its full name."""
        return self._metadata.tables[name]

    def columns(self, name: str, *leave_out: str) -> list[ColumnElement[Any]]:
        """Columns of a table that people read: no geometry, no fid, none that is left out."""
        hidden = {"geom", "fid", *leave_out}
        return [column for column in self.table(name).c if column.name not in hidden]

    def rows(self, statement: Select[Any]) -> list[Story]:
        """Rows of a query as JSON values."""
        return [_story(row) for row in self._connection.execute(statement).mappings()]

    def one(self, statement: Select[Any]) -> Story | None:
        """The first row of a query; None where it has none."""
        row = self._connection.execute(statement.limit(1)).mappings().first()
        return None if row is None else _story(row)

    def run(self, run_id: int | None) -> Story | None:
        """A run by its number, with its business date."""
        if run_id is None:
            return None
        if run_id not in self._runs:
            run = self.table("ops.run")
            found = self.one(select(run.c.run_id, run.c.as_of).where(run.c.run_id == run_id))
            self._runs[run_id] = found or {"run_id": run_id, "as_of": None}
        return self._runs[run_id]

    def records(self, feed: str, *conditions: ColumnElement[bool]) -> list[Story]:
        """Versions of records, newest first, each with the delivered row that it came from.

        Shape:  a feed and conditions on ``core.<feed>`` in; dicts of feed, record_key, values,
                from_run, to_run, source and corrections out.
        Units:  as in core.
        CRS:    none (no geometry).
        Errors: none.
        Source: docs/sources.md, Design 3 (core keeps delivery_id and row_number of the delivered row).
        """
        record = self.table(f"core.{feed}")
        keys = [record.c[name] for name in _HISTORY - {"row_hash"}]
        found = self.rows(
            select(*self._facts(feed), *keys)
            .where(*conditions)
            .order_by(record.c.record_key, record.c.from_run.desc())
        )
        deliveries = self._deliveries({row["delivery_id"] for row in found})
        corrections = self._corrections({i for row in found for i in row["correction_ids"]})
        return [
            {
                "feed": feed,
                "record_key": row["record_key"],
                "values": {name: row[name] for name in row if name not in _HISTORY},
                "from_run": self.run(row["from_run"]),
                "to_run": self.run(row["to_run"]),
                "source": _source(deliveries[row["delivery_id"]], row["row_number"]),
                "corrections": [corrections[i] for i in row["correction_ids"]],
            }
            for row in found
        ]

    def open_records(self, feed: str, *conditions: ColumnElement[bool]) -> list[Story]:
        """The records in force, as ``records`` gives them."""
        return self.records(feed, self.table(f"core.{feed}").c.to_run.is_(None), *conditions)

    def issues(self, subjects: Iterable[str]) -> list[Story]:
        """Problems found with these subjects, by a step or in a delivery that is in force."""
        issue, delivery = self.table("ops.issue"), self.table("ops.delivery")
        return self.rows(
            select(
                *self.columns("ops.issue", "issue_id", "delivery_id", "row_number"),
                *self._source_columns(),
                issue.c.row_number,
            )
            .select_from(issue.outerjoin(delivery, issue.c.delivery_id == delivery.c.delivery_id))
            .where(issue.c.subject_key.in_(sorted(set(subjects))))
            .where(issue.c.delivery_id.is_(None) | delivery.c.state.in_(["loaded", "consumed"]))
            .order_by(issue.c.step, issue.c.rule, issue.c.subject_key, issue.c.issue_id)
        )

    def constant(self, name: str) -> str:
        """A constant of this database."""
        constant = self.table("ops.constant")
        value = self._connection.execute(
            select(constant.c.value).where(constant.c.name == name)
        ).scalar_one()
        return str(value)

    def area_names(self, codes: Iterable[str | None]) -> dict[str, str]:
        """Names of townships and zones in force by code."""
        area = self.table("core.area")
        wanted = sorted({code for code in codes if code})
        rows = self.rows(
            select(area.c.area_code, area.c.name).where(
                area.c.to_run.is_(None), area.c.area_code.in_(wanted)
            )
        )
        return {row["area_code"]: row["name"] for row in rows}

    def enterprise_names(self, codes: Iterable[str]) -> dict[str, str]:
        """Names of enterprises in force by code."""
        enterprise = self.table("core.enterprise")
        rows = self.rows(
            select(enterprise.c.enterprise_code, enterprise.c.name).where(
                enterprise.c.to_run.is_(None),
                enterprise.c.enterprise_code.in_(sorted(set(codes))),
            )
        )
        return {row["enterprise_code"]: row["name"] for row in rows}

    def _publication(self) -> Story:
        """The run that the layers show; empty before the first."""
        shown, commit = self.table("layers.publication"), self.table("ops.run_commit")
        found = self.one(
            select(shown.c.run_id, shown.c.as_of, shown.c.data_year, commit.c.vintage).select_from(
                shown.outerjoin(commit, commit.c.run_id == shown.c.run_id)
            )
        )
        return found or {"run_id": None, "as_of": None, "data_year": None, "vintage": None}

    def _facts(self, feed: str) -> list[ColumnElement[Any]]:
        """Columns of a record that people read: neither history nor keys made for matching."""
        return [
            column
            for column in self.columns(f"core.{feed}", *_HISTORY)
            if not str(column.name).endswith("_key")
        ]

    def _source_columns(self) -> list[ColumnElement[Any]]:
        delivery = self.table("ops.delivery").c
        return [
            delivery.delivery_id,
            delivery.file,
            delivery.layer,
            delivery.data_date,
            delivery.state.label("delivery_state"),
        ]

    def _deliveries(self, ids: set[int]) -> dict[int, Story]:
        delivery = self.table("ops.delivery")
        rows = self.rows(
            select(*self._source_columns(), delivery.c.detail).where(
                delivery.c.delivery_id.in_(sorted(ids))
            )
        )
        return {row["delivery_id"]: row for row in rows}

    def _corrections(self, ids: set[int]) -> dict[int, Story]:
        correction = self.table("core.correction")
        rows = self.rows(
            select(*self.columns("core.correction", "content_hash")).where(
                correction.c.correction_id.in_(sorted(ids))
            )
        )
        answer = self.table("core.current_answer")
        answers = self.rows(
            select(*self.columns("core.current_answer")).where(
                answer.c.correction_id.in_(sorted(ids))
            )
        )
        said = {row["correction_id"]: row for row in answers}
        return {
            row["correction_id"]: {**row, "answer": said.get(row["correction_id"])} for row in rows
        }


def not_found(kind: str, key: str) -> UsageError:
    """The error for a subject that is not held.

    Shape:  what was asked in; one error out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages/run.zh.toml.
    """
    return UsageError("explain.not_found", kind=kind, key=key)
