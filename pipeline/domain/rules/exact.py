"""Exact arithmetic on columns of decimals: None stays None, nothing is rounded below 50 digits.

Delivered figures have fewer than 18 digits. A quotient of two of them that differs from a bound of a
rule differs from it within 40 digits, so comparing quotients of 50 digits is exact.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Column = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

ZERO = Decimal(0)
# Twenty digits after the point: far below any figure, far above the noise of 50 digits.
_SCORE_STEP = Decimal(1).scaleb(-20)


@contextmanager
def exactly() -> Iterator[None]:
    """Compute with 50 digits."""
    with decimal.localcontext() as context:
        context.prec = 50
        context.rounding = decimal.ROUND_HALF_UP
        yield


def empty(size: int) -> Column:
    """A column of None."""
    return np.full(size, None, dtype=object)


def filled(size: int, value: Any) -> Column:  # noqa: ANN401 - whatever a column holds
    """A column of one value."""
    return np.full(size, value, dtype=object)


def known(column: Column) -> Mask:
    """Where a column has a value."""
    return np.asarray(pd.notna(column), dtype=bool)


def holds(column: Column) -> Mask:
    """Where a column of yes and no says yes."""
    return np.asarray(column == True, dtype=bool)  # noqa: E712 - elementwise


def sum_of(columns: list[Column]) -> Column:
    """Row by row the sum of what is known; None where nothing is."""
    total = columns[0].copy()
    for column in columns[1:]:
        have, more = known(total), known(column)
        both = have & more
        total[both] = total[both] + column[both]
        only = more & ~have
        total[only] = column[only]
    return total


def quotient(upper: Column, lower: Column) -> Column:
    """Row by row upper ÷ lower; None where either is unknown or lower is not above zero."""
    result = empty(len(upper))
    ok = known(upper) & known(lower)
    ok[ok] = lower[ok] > ZERO
    result[ok] = upper[ok] / lower[ok]
    return result


def times(column: Column, factor: Decimal) -> Column:
    """Each value times a factor."""
    result = empty(len(column))
    ok = known(column)
    result[ok] = column[ok] * factor
    return result


def clip(column: Column, least: Decimal | None, most: Decimal | None) -> Column:
    """Each value not below one and not above another bound."""
    result = column.copy()
    if least is not None:
        ok = known(result)
        low = np.zeros(len(result), dtype=bool)
        low[ok] = result[ok] < least
        result[low] = least
    if most is not None:
        ok = known(result)
        high = np.zeros(len(result), dtype=bool)
        high[ok] = result[ok] > most
        result[high] = most
    return result


def settled(column: Column) -> Column:
    """Sums of quotients without the noise of their 50th digit, so that equal scores are equal."""
    result = empty(len(column))
    ok = known(column)
    result[ok] = [value.quantize(_SCORE_STEP) for value in column[ok]]
    return result


def whole_steps(column: Column, size: Decimal) -> Column:
    """How many whole steps of a size each value has, none below zero."""
    result = empty(len(column))
    ok = known(column)
    result[ok] = clip(column, ZERO, None)[ok] // size
    return result
