"""Rows that came before: what is delivered again word for word need not be cleaned again.

A night's file holds a whole feed of which some hundred rows are new. Each delivered row is known by a
hash of all that cleaning looks at; one that was clean last time is taken over with the key and the
content hash that it had then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.feeds.batch import RawBatch
from pipeline.feeds.clean import HIDDEN, CleanBatch


@dataclass(frozen=True)
class KnownRow:
    """What became of a clean row of the last delivery; ``subject`` is its key as it may be shown."""

    key: str
    subject: str
    scope_key: str | None
    part: str | None
    row_hash: bytes


class Memory:
    """Clean rows of the last delivery of a feed and scope, by the hash of what was delivered.

    ``rows``: source hash, key, whether the key names a person, scope key, part, content hash.
    ``personal``: which columns of the key do, where there is one.
    """

    def __init__(
        self,
        rows: Iterable[tuple[bytes, str, bool, str | None, str | None, bytes]],
        personal: Sequence[bool] = (),
    ) -> None:
        self._known = {
            source: KnownRow(
                key, _shown(key, personal) if has_person else key, scope, part, content
            )
            for source, key, has_person, scope, part, content in rows
        }

    def __len__(self) -> int:
        """How many rows are known."""
        return len(self._known)

    def find(self, hashes: list[bytes]) -> list[KnownRow | None]:
        """The known row of each hash, None where there is none.

        Shape:  hashes in, as many rows or None out.
        Units:  none.
        CRS:    none.
        Errors: none.
        Source: docs/decisions/0011-fast-where-it-is-cheap.md.
        """
        return [self._known.get(digest) for digest in hashes]


def _shown(key: str, personal: Sequence[bool]) -> str:
    """A key without the name of a person."""
    parts = key.split("|", len(personal) - 1)
    return "|".join(
        HIDDEN if is_personal else part for part, is_personal in zip(parts, personal, strict=True)
    )


def part_of(batch: RawBatch, rows: npt.NDArray[np.bool_]) -> RawBatch:
    """Some rows of a batch.

    Shape:  a batch and which of its rows in; a batch out.
    Units:  as delivered.
    CRS:    the county's.
    Errors: none.
    Source: none.
    """
    return replace(
        batch,
        row_number=batch.row_number[rows],
        columns=[column[rows].reset_index(drop=True) for column in batch.columns],
        numeric=[None if is_number is None else is_number[rows] for is_number in batch.numeric],
        drawn=None if batch.drawn is None else batch.drawn.rows(rows),
        seals=None,
    )


def with_known(
    clean: CleanBatch | None,
    batch: RawBatch,
    hashes: list[bytes],
    known: list[KnownRow | None],
) -> CleanBatch:
    """Put the known rows of a batch beside those that were cleaned, and mark which are clean.

    A known row has no content here: its content hash leads to the content that is stored.

    Shape:  what was cleaned (None: nothing), the batch, its hashes and what is known of them in; rows of
            the whole batch with ``source_hash``, and the issues, out.
    Units:  as CleanBatch.
    CRS:    the county's.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    again = [place for place, row in enumerate(known) if row is not None]
    found = [row for row in known if row is not None]
    old = pd.DataFrame(
        {
            "row_number": batch.row_number[again],
            "file_row": batch.row_number[again],
            "key": pd.Series([row.key for row in found], dtype="str"),
            "subject": pd.Series([row.subject for row in found], dtype="str"),
            "scope_key": pd.Series([row.scope_key for row in found], dtype="str"),
            "part": pd.Series([row.part for row in found], dtype="str"),
            "row_hash": pd.Series([row.row_hash for row in found], dtype=object),
            "source_hash": pd.Series([hashes[place] for place in again], dtype=object),
            "outcome": pd.Series([None] * len(found), dtype=object),
            "is_known": np.full(len(found), fill_value=True),
        }
    )
    if clean is None:
        issues = {name: pd.Series(dtype="str") for name in CleanBatch.ISSUES}
        return CleanBatch(old, pd.DataFrame(issues))
    fresh = clean.rows
    doubtful = set(clean.issues["row_number"])
    by_number = dict(zip(batch.row_number.tolist(), hashes, strict=True))
    fresh["source_hash"] = pd.Series(
        [
            by_number[number] if content is not None and number not in doubtful else None
            for number, content in zip(fresh["row_number"], fresh["row_hash"], strict=True)
        ],
        fresh.index,
        dtype=object,
    )
    if not found:
        return clean
    fresh["is_known"] = False
    rows = pd.concat([fresh, old], ignore_index=True)
    for name in rows.columns:
        if fresh[name].dtype == object:
            rows[name] = rows[name].astype(object).where(rows[name].notna(), None)
    return replace(clean, rows=rows)
