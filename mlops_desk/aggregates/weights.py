"""Weights of rows as SQL: which of them can be used. A row whose weight cannot be is left out of everything, like one without a time."""

from __future__ import annotations

from mlops_desk.warehouse.connection import quoted

LEAST, GREATEST = 1e-30, 1e30
"""Weights other than 0 lie between these, so that sums of their squares stay far within the range of doubles."""


def usable_sql(column: str) -> str:
    """The condition that the weight of a row is 0, or a number from LEAST to GREATEST: not NULL, NaN, infinite or negative."""
    weight = f"try_cast({quoted(column)} as DOUBLE)"
    return f"(isfinite({weight}) and ({weight} = 0 or ({weight} >= {LEAST!r} and {weight} <= {GREATEST!r})))"
