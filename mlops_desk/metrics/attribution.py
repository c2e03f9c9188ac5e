"""Which columns and which segments stand behind a change: two rankings of columns, and an exact split of a mean's change by segment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

LEAST_CHUNKS = 3
"""Of fewer pairs a correlation says nothing."""


class Correlation(Struct, frozen=True, kw_only=True):
    """Pearson's correlation and its two-sided p-value."""

    value: float
    p: float


def drift_correlation(
    drift: Sequence[float | None], performance: Sequence[float | None], reference_mean: float
) -> Correlation | None:
    """How the drift of a column goes along with the distance of a performance metric from its mean in the reference.

    Both are along the same chunks; those without either value are left out. None for fewer than LEAST_CHUNKS, and where one side does not
    vary. Range -1 to 1. Source: the CorrelationRanker of NannyML 0.13.

    >>> round(drift_correlation([0.1, 0.2, 0.4], [0.9, 0.8, 0.6], 0.9).value, 9)
    1.0
    """
    pairs = [(x, abs(y - reference_mean)) for x, y in zip(drift, performance, strict=True) if None not in (x, y)]  # type: ignore[operator]
    if len(pairs) < LEAST_CHUNKS:
        return None
    x, y = np.array(pairs, dtype=np.float64).T
    if x.min() == x.max() or y.min() == y.max():
        return None
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(over="ignore"):
        lengths = math.sqrt(float(x @ x)) * math.sqrt(float(y @ y))
    if lengths <= 0 or not math.isfinite(lengths):
        return None
    value = min(max(float(x @ y) / lengths, -1.0), 1.0)
    from scipy.special import betainc

    return Correlation(value=value, p=float(betainc(len(pairs) / 2 - 1, 0.5, 1 - value**2)))


class Part(Struct, frozen=True, kw_only=True):
    """Rows of one segment, and the sum over them of what the mean is of."""

    rows: int
    total: float

    @property
    def mean(self) -> float | None:
        """Its own mean, None where it has no rows."""
        return self.total / self.rows if self.rows else None


class Contribution(Struct, frozen=True, kw_only=True):
    """What a segment contributes to the change of the mean: by its share of the rows, and by its own mean."""

    mix: float
    within: float


NO_ROWS = Part(rows=0, total=0.0)


def contributions(reference: Mapping[str, Part], chunk: Mapping[str, Part]) -> dict[str, Contribution]:
    """The change of a mean over all rows, split exactly among segments that the rows fall into.

    With shares w of the rows and means m, 0 for the reference and 1 for the chunk, and M the mean of both overall means:
    mix = (w₁ - w₀)·((m₀ + m₁)/2 - M), within = (w₀ + w₁)/2 · (m₁ - m₀); a segment without rows on one side has there the mean of the other.
    They sum to the change, do not depend on which side comes first but for the sign, and a mean that all segments share contributes nothing.
    Source: Oaxaca and Blinder's decomposition in its symmetric form (Kitagawa, J. Amer. Statist. Assoc. 50, 1955).
    Raises ValueError where a side has no rows.

    >>> reference = {"a": Part(rows=50, total=40.0), "b": Part(rows=50, total=30.0)}
    >>> found = contributions(reference, {"a": Part(rows=20, total=16.0), "b": Part(rows=80, total=48.0)})
    >>> round(sum(one.mix + one.within for one in found.values()), 12)
    -0.06
    """
    n0, n1 = (sum(part.rows for part in side.values()) for side in (reference, chunk))
    if not n0 or not n1:
        raise ValueError("one side has no rows")
    overall = (
        sum(part.total for part in reference.values()) / n0 + sum(part.total for part in chunk.values()) / n1
    ) / 2
    found = {}
    for name in dict.fromkeys((*reference, *chunk)):
        before, after = reference.get(name, NO_ROWS), chunk.get(name, NO_ROWS)
        m0, m1 = before.mean, after.mean
        if m0 is None and m1 is None:
            continue
        m0, m1 = (m1 if m0 is None else m0), (m0 if m1 is None else m1)
        w0, w1 = before.rows / n0, after.rows / n1
        found[name] = Contribution(
            mix=(w1 - w0) * ((m0 + m1) / 2 - overall),  # type: ignore[operator]
            within=(w0 + w1) / 2 * (m1 - m0),  # type: ignore[operator]
        )
    return found
