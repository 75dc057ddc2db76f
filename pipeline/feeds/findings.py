"""What was wrong with the rows of a batch: issues, and which rows cannot be kept."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.persons import hide_person_numbers
from pipeline.domain.text import map_unique
from pipeline.feeds.contracts import Contract

HIDDEN: Final = "…"
# A cell of a spreadsheet holds no more than 32,767; so much of it is told.
_TOLD_LENGTH: Final = 1_000
ISSUE_COLUMNS: Final = ("row_number", "rule", "severity", "field", "value", "key", "params")

Mask = npt.NDArray[np.bool_]


class Findings:
    """Issues of one batch, gathered column by column.

    ``problem``: rows whose delivered value of a column could not be used; ``fatal``: those of which
    this put the row aside; ``bad``: rows that are put aside.
    """

    def __init__(self, contract: Contract, row_number: npt.NDArray[np.int64]) -> None:
        self.contract = contract
        self.row_number = row_number
        self.count = len(row_number)
        self.problem: dict[str, Mask] = {}
        self.fatal: dict[str, Mask] = {}
        self.bad: Mask = np.zeros(self.count, dtype=bool)
        self._issues: list[pd.DataFrame] = []

    def none(self) -> Mask:
        """No row at all."""
        return np.zeros(self.count, dtype=bool)

    def note_problem(self, name: str, rows: Mask) -> None:
        """Remember rows whose value of a column could not be used."""
        if rows.any():
            self.problem[name] = self.problem.get(name, self.none()) | rows

    def broken(self, name: str) -> Mask:
        """Rows whose value of a column could not be used."""
        return self.problem.get(name, self.none())

    def report(
        self,
        rows: Mask,
        rule: str,
        name: str,
        value: pd.Series | None = None,
        *,
        severity: str = "warning",
        params: npt.NDArray[np.object_] | pd.Series | None = None,
    ) -> None:
        """Add an issue for each of the rows; values of personal columns are hidden.

        ``value`` and ``params`` (JSON) are those of all rows of the batch.
        """
        if not rows.any():
            return
        column = self.contract.column(name)
        shown = np.full(int(rows.sum()), None, dtype=object)
        if value is not None:
            given = value[rows]
            if column is not None and column.personal:
                given = given.mask(given.notna(), HIDDEN)
            given = map_unique(given, _told)
            shown = given.to_numpy(dtype=object)
        said = np.full(len(shown), "{}", dtype=object)
        if params is not None:
            chosen = np.asarray(params, dtype=object)[rows]
            filled = pd.notna(chosen)
            said[filled] = chosen[filled]
        self._issues.append(
            pd.DataFrame(
                {
                    "place": np.flatnonzero(rows),
                    "rule": rule,
                    "severity": severity,
                    "field": name,
                    "value": pd.Series(shown, dtype="str"),
                    "params": pd.Series(said, dtype="str"),
                }
            )
        )

    def set_aside(
        self,
        rows: Mask,
        rule: str,
        name: str,
        value: pd.Series | None = None,
        params: npt.NDArray[np.object_] | None = None,
    ) -> None:
        """Quarantine rows that are not quarantined yet, with an issue."""
        self.report(rows & ~self.bad, rule, name, value, severity="error", params=params)
        self.bad |= rows

    def table(self, keys: pd.Series) -> pd.DataFrame:
        """All issues of the batch; those that put their row aside become errors."""
        if not self._issues:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in ISSUE_COLUMNS})
        table = pd.concat(self._issues, ignore_index=True)
        place = table["place"].to_numpy()
        for name, rows in self.fatal.items():
            hit = (table["field"] == name) & (table["severity"] == "warning")
            table.loc[hit & rows[place], "severity"] = "error"
        table["row_number"] = self.row_number[place]
        table["key"] = keys.reindex(place).to_numpy()
        return table[list(ISSUE_COLUMNS)]


def _told(value: str) -> str:
    """A value as it is told of: a number of a person may be typed into any column."""
    text = hide_person_numbers(value).replace("\0", "\ufffd")
    return text if len(text) <= _TOLD_LENGTH else f"{text[:_TOLD_LENGTH]}…"
