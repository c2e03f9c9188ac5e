"""Maximum mean discrepancy of a numeric column: a distance of two samples that sees any difference between their distributions.

Samples of at most 1,000 values a side are drawn from the tables by a seed, so values do not depend on how rows lie in files. Needs exact tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.series import (
    NEEDS_EXACT,
    NUMERIC,
    P_VALUE,
    Floats,
    NumericMetric,
    Series,
    drift_definitions,
    without_values,
)

SAMPLED_VALUES = 1000
"""Of either side at the most."""
PERMUTATIONS = 499
TIE = 1e-12
"""By how much a permuted discrepancy may fall short of the observed one and still count as equal."""

SeededMetric = Callable[[ValueTable, Sequence[ValueTable], Sequence[int]], Series]
"""Reference, chunks and a seed for each chunk, to the values of a metric."""

DEFINITIONS = (
    *drift_definitions("mmd", "Maximum mean discrepancy", Direction.LOWER, (-2, 2), (NUMERIC,)),
    *drift_definitions("mmd_p", "Maximum mean discrepancy p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
)


def _drawn(table: ValueTable, generator: np.random.Generator) -> Floats:
    """At most SAMPLED_VALUES of a table's values, each row as likely as any other."""
    if table.n <= SAMPLED_VALUES:
        return np.repeat(table.values, table.counts)
    ranks = np.sort(generator.choice(table.n, SAMPLED_VALUES, replace=False, shuffle=False))
    return table.values[np.searchsorted(table.cumulative[1:], ranks, side="right")]


def _median_distance(distances: Floats) -> float:
    """The median distance of two different values' places, from the (n, n) matrix; of those that differ where most do not, 1 if none does."""
    n = len(distances)
    pairs = n * (n - 1) // 2
    ranks = [n + 2 * ((pairs - 1) // 2), n + 2 * (pairs // 2)]  # the diagonal comes first, then each pair twice
    median = float(np.partition(distances, ranks, axis=None)[ranks].mean())
    if median > 0:
        return median
    apart = distances[distances > 0]
    return float(np.median(apart)) if len(apart) else 1.0


class _Kernel(Struct, frozen=True, kw_only=True):
    """The kernel between the values of both samples, the diagonal 0; the first n values are the reference's."""

    matrix: Floats
    n: int

    def discrepancies(self, first: Floats) -> Floats:
        """(b,) unbiased MMD² where the columns of (N, b) `first` say which values are of the first sample."""
        m = len(self.matrix) - self.n
        within = (self.matrix @ first * first).sum(axis=0)
        of_first = self.matrix.sum(axis=1) @ first
        between = of_first - within
        others = self.matrix.sum() - within - 2 * between
        return np.asarray(
            within / (self.n * (self.n - 1)) + others / (m * (m - 1)) - 2 * between / (self.n * m), dtype=np.float64
        )

    @property
    def observed(self) -> Floats:
        """(N, 1) which values are the reference's."""
        return (np.arange(len(self.matrix)) < self.n).astype(np.float64)[:, np.newaxis]


def _kernel(reference: ValueTable, chunk: ValueTable, generator: np.random.Generator) -> _Kernel:
    """exp(-d²/2σ²), σ being the median distance of all values drawn."""
    first, second = _drawn(reference, generator), _drawn(chunk, generator)
    values = np.concatenate([first, second])
    values = values / max(np.abs(values).max(), np.finfo(np.float64).tiny) / 2  # so that no difference is infinite
    distances = np.abs(values[:, np.newaxis] - values)
    matrix = np.exp(-0.5 * (distances / _median_distance(distances)) ** 2)
    np.fill_diagonal(matrix, 0.0)
    return _Kernel(matrix=matrix, n=len(first))


def _mmd(reference: ValueTable, chunks: Sequence[ValueTable], seeds: Sequence[int]) -> Series:
    """Unbiased MMD² (Gretton et al. 2012, eq. 3); it is about 0 without drift, and may be below."""

    def value(chunk: ValueTable, seed: int) -> float:
        kernel = _kernel(reference, chunk, np.random.default_rng(seed))
        return float(kernel.discrepancies(kernel.observed)[0])

    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    return Series(values=np.array([value(chunk, seed) for chunk, seed in zip(chunks, seeds, strict=True)]))


def _mmd_p(reference: ValueTable, chunks: Sequence[ValueTable], seeds: Sequence[int]) -> Series:
    """Share of permutations of both samples (the observed one among them) with at least the observed MMD²."""

    def value(chunk: ValueTable, seed: int) -> float:
        generator = np.random.default_rng(seed)
        kernel = _kernel(reference, chunk, generator)
        permuted = generator.permuted(np.repeat(kernel.observed, PERMUTATIONS, axis=1), axis=0)
        observed = kernel.discrepancies(kernel.observed)
        beyond = int((kernel.discrepancies(permuted) >= observed - TIE).sum())
        return (1 + beyond) / (1 + PERMUTATIONS)

    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    return Series(values=np.array([value(chunk, seed) for chunk, seed in zip(chunks, seeds, strict=True)]))


SEEDED_METRICS: dict[str, SeededMetric] = {"mmd": _mmd, "mmd_p": _mmd_p}


def _unseeded(metric: SeededMetric) -> NumericMetric:
    """A metric with the same seed for every chunk."""

    def measure(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
        return metric(reference, chunks, [0] * len(chunks))

    return measure


NUMERIC_METRICS: dict[str, NumericMetric] = {name: _unseeded(metric) for name, metric in SEEDED_METRICS.items()}
