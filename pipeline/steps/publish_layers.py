"""Rows of the two layers that carry sentences: what a person is asked, and what is wrong.

The rows come from ``sql/layers``; the sentences are rendered here because their texts lie in
``config/messages``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd
from sqlalchemy import Connection, text

from pipeline._paths import data_path
from pipeline.messages import both
from pipeline.outputs.questions import lacking, lines_of, question

# Columns of sql/layers/review_queue.sql from which sentences are made.
_FOR_WORDS = ["named_code", "kind", "decided_on", "come", "gone", "pieces", "lacking"]


def review_queue_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of layers.review_queue in scope.

    Shape:  one row per enterprise, parcel and role whose link is in review, and one per decision whose
            evidence has changed.
    Units:  scores 0..1.
    CRS:    geom is hex EWKB in the county's CRS.
    Errors: none.
    Source: sql/layers/review_queue.sql; words by pipeline.outputs.questions.
    """
    frame = _read(connection, "review_queue.sql", parameters)
    rows = [{str(name): row[name] for name in row} for row in frame.to_dict("records")]
    frame["question"] = [question(row) for row in rows]
    frame["evidence"] = ["\n".join(lines_of(row["pieces"])) for row in rows]
    frame["missing"] = [lacking(row["lacking"] or [])[0] or None for row in rows]
    return frame.drop(columns=_FOR_WORDS)


def data_issue_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of layers.data_issue.

    Shape:  one row per bad row of the deliveries in force and per finding of a step.
    Units:  size_m2 in square metres.
    CRS:    geom is a multi-polygon as hex EWKB in the county's CRS: the overlap or gap itself, else
            the land of the record.
    Errors: none.
    Source: sql/layers/data_issue.sql.
    """
    frame = _read(connection, "data_issue.sql", parameters)
    said = [
        {**row, **json.loads(row["params"])}
        for row in frame[["rule", "feed", "subject_key", "field", "value", "params"]].to_dict(
            "records"
        )
    ]
    frame["message"] = [_say(row["rule"], row) for row in said]
    frame["next_step"] = [_say(f"{row['rule']}.next_step", row) for row in said]
    return frame.drop(columns=["value", "params"])


def _read(connection: Connection, name: str, parameters: Mapping[str, object]) -> pd.DataFrame:
    query = data_path("sql", "layers", name).read_text(encoding="utf-8")
    statement = text(query)
    known = {key: value for key, value in parameters.items() if f":{key}" in query}
    result = connection.execute(statement, known)
    return pd.DataFrame(result.fetchall(), columns=list(result.keys()), dtype=object)


def _say(code: str, params: Mapping[str, object]) -> str:
    zh, en = both(code, dict(params))
    return f"{zh} / {en}"
