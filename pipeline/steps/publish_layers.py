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

# Reasons with a question of their own; others are asked by their stage.
_ASKED_BY_REASON = frozenset(
    {
        "successor_unclear",
        "name_alone",
        "name_not_unique",
        "address_not_unique",
        "address_road",
        "address_park",
        "point_tied",
        "parent_company",
        "code_and_name_differ",
        "contradicted",
    }
)


def review_queue_rows(connection: Connection, parameters: Mapping[str, object]) -> pd.DataFrame:
    """Rows of layers.review_queue in scope.

    Shape:  one row per enterprise, parcel and role whose link is in review.
    Units:  scores 0..1.
    CRS:    geom is hex EWKB in the county's CRS.
    Errors: none.
    Source: sql/layers/review_queue.sql.
    """
    frame = _read(connection, "review_queue.sql", parameters)
    questions = [
        both(
            f"review.{row['reason' if row['reason'] in _ASKED_BY_REASON else 'stage']}",
            {str(name): value for name, value in row.items()},
        )
        for row in frame.to_dict("records")
    ]
    frame["question"] = [f"{zh} / {en}" for zh, en in questions]
    return frame.drop(columns=["address", "location", "named_code"])


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
