"""The weakest slices of a chunk: segments, and pairs of them, whose rows fare worse than the others beyond what chance explains.

A segment is compared with all rows outside it, a pair with what is left of either of its segments, so that a pair is named only where
it says more than its parts. The family-wise error over all slices that are large enough is kept by Holm's procedure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

LEVEL = 0.05


class Sums(Struct, frozen=True, kw_only=True):
    """Rows, and the sum and the sum of squares of what their mean is of (1 for a right prediction and 0 for a wrong one, or an error)."""

    rows: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Their mean; raises ZeroDivisionError for no rows."""
        return self.total / self.rows

    def __sub__(self, other: Sums) -> Sums:
        """What is left of these rows without others that are among them."""
        return Sums(rows=self.rows - other.rows, total=self.total - other.total, squares=self.squares - other.squares)


class Weakness(Struct, frozen=True, kw_only=True):
    """A slice that fares worse than the rest.

    Attributes
    ----------
    parts : its segments. rows, mean : of the slice. rest_mean : of all rows outside it. p : adjusted for all slices looked at.
    """

    parts: tuple[str, ...]
    rows: int
    mean: float
    rest_mean: float
    p: float


def worse_by_chance(some: Sums, others: Sums, *, higher_is_better: bool) -> float:
    """One-sided p-value that the mean of some rows is this much worse than that of others; 1 where nothing varies or one side has no rows.

    The normal limit with the pooled variance, as the two-proportion score test has it.

    >>> round(worse_by_chance(Sums(rows=50, total=30, squares=30), Sums(rows=50, total=40, squares=40), higher_is_better=True), 4)
    0.0145
    """
    if not some.rows or not others.rows:
        return 1.0
    rows, total = some.rows + others.rows, some.total + others.total
    variance = (some.squares + others.squares) / rows - (total / rows) ** 2
    error = math.sqrt(max(variance, 0.0) * (1 / some.rows + 1 / others.rows))
    gap = others.mean - some.mean if higher_is_better else some.mean - others.mean
    return 0.5 * math.erfc(gap / error / math.sqrt(2)) if error > 0 else 1.0


def weak_slices(
    whole: Sums, slices: Mapping[tuple[str, ...], Sums], *, higher_is_better: bool, min_rows: int = 30
) -> tuple[Weakness, ...]:
    """The slices of a chunk that are worse at LEVEL over all of them, the surest first.

    `slices` holds segments under one name and pairs under two; a pair needs both of its segments there. Slices, or what they are compared
    with, of fewer than `min_rows` rows are not looked at.
    """
    found: list[tuple[float, tuple[str, ...]]] = []
    for parts, own in slices.items():
        others = [whole - own] if len(parts) == 1 else [slices[part,] - own for part in parts if (part,) in slices]
        if own.rows < min_rows or any(one.rows < min_rows for one in others):
            continue
        p = max(worse_by_chance(own, one, higher_is_better=higher_is_better) for one in others)
        found.append((p, parts))
    found.sort()
    return tuple(
        Weakness(
            parts=parts, rows=slices[parts].rows, mean=slices[parts].mean, rest_mean=(whole - slices[parts]).mean, p=p
        )
        for p, parts in _holm(found)
        if p < LEVEL
    )


def _holm(ordered: Sequence[tuple[float, tuple[str, ...]]]) -> list[tuple[float, tuple[str, ...]]]:
    """Adjusted p-values of ascending ones (Holm, Scand. J. Statist. 6, 1979)."""
    adjusted, reached = [], 0.0
    for place, (p, parts) in enumerate(ordered):
        reached = max(reached, min(1.0, p * (len(ordered) - place)))
        adjusted.append((reached, parts))
    return adjusted
