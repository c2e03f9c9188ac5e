"""Distances between two sets of shares: of bins of a numeric column, or of categories.

Every function takes counts of the reference (k,) or (m, k) and of the chunks (m, k) and returns (m,) values; bins without rows on both
sides do not count. The sampling errors are by the delta method over both multinomial samples, and by the χ² limit where a divergence vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import CategoryTable, Counts, ValueTable
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.binning import (
    Binned,
    NoBins,
    category_bins,
    evidently_bins,
    histogram,
    nannyml_bins,
    quantile_bins,
    sturges_edges,
)
from mlops_desk.metrics.series import (
    CATEGORICAL,
    NEEDS_EXACT,
    NUMERIC,
    Amounts,
    CategoricalMetric,
    Floats,
    NumericMetric,
    Series,
    drift_definitions,
    without_values,
)

JENSEN_SHANNON_BINS, DECILES = 20, 10
NANNYML_BINNED = ("jensen_shannon", "hellinger")
"""NannyML has bins of its own for these; unseen categories are one of them."""

DEFINITIONS = (
    *drift_definitions(
        "psi",
        "Population stability index",
        Direction.LOWER,
        (0, math.inf),
        (NUMERIC, CATEGORICAL),
        Convention.EVIDENTLY,
    ),
    *drift_definitions(
        "jensen_shannon",
        "Jensen–Shannon distance",
        Direction.LOWER,
        (0, 1),
        (NUMERIC, CATEGORICAL),
        Convention.NANNYML,
        Convention.EVIDENTLY,
    ),
    *drift_definitions(
        "hellinger",
        "Hellinger distance",
        Direction.LOWER,
        (0, 1),
        (NUMERIC, CATEGORICAL),
        Convention.NANNYML,
        Convention.EVIDENTLY,
    ),
    *drift_definitions(
        "kl_divergence",
        "Kullback–Leibler divergence",
        Direction.LOWER,
        (0, math.inf),
        (NUMERIC, CATEGORICAL),
        Convention.EVIDENTLY,
    ),
    *drift_definitions("total_variation", "Total variation distance", Direction.LOWER, (0, 1), (NUMERIC, CATEGORICAL)),
    *drift_definitions("l_infinity", "L-infinity distance", Direction.LOWER, (0, 1), (NUMERIC, CATEGORICAL)),
)


def _shares(counts: Amounts) -> Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def _smoothed(reference: Amounts, chunks: Amounts) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Shares (count + 0.5) / (N + 0.5 k) of both sides, and which of the bins count; k is the number of bins that do."""
    present = (reference > 0) | (chunks > 0)
    k = present.sum(axis=-1, keepdims=True)
    p = (reference + 0.5) / (reference.sum(axis=-1, keepdims=True) + 0.5 * k)
    q = (chunks + 0.5) / (chunks.sum(axis=-1, keepdims=True) + 0.5 * k)
    return p, q, present


def _total(terms: Floats, present: NDArray[np.bool_] | None = None) -> Floats:
    return np.asarray((terms if present is None else np.where(present, terms, 0.0)).sum(axis=-1))


def psi(reference: Amounts, chunks: Amounts) -> Floats:
    """Population stability index Σ(q - p)ln(q / p) of smoothed shares, in [0, ∞), 0 where the shares are equal.

    Shares are (count + 0.5) / (N + 0.5 k), so that an empty bin gives a finite value. Symmetric in its samples only where both have the
    same number of rows. Source: Siddiqi, Credit Risk Scorecards (2006).

    >>> psi(np.array([50, 50]), np.array([[50, 50], [80, 20]])).round(4).tolist()
    [0.0, 0.4063]
    """
    p, q, present = _smoothed(reference, chunks)
    return _total((q - p) * np.log(q / p), present)


def kl_divergence(reference: Amounts, chunks: Amounts) -> Floats:
    """Kullback–Leibler divergence Σp ln(p / q) in nats of shares smoothed as for psi, in [0, ∞).

    >>> kl_divergence(np.array([50, 50]), np.array([[50, 50], [80, 20]])).round(4).tolist()
    [0.0, 0.2176]
    """
    p, q, present = _smoothed(reference, chunks)
    return _total(p * np.log(p / q), present)


def jensen_shannon(reference: Amounts, chunks: Amounts, base: float = 2.0) -> Floats:
    """Jensen–Shannon distance √(½KL(p‖m) + ½KL(q‖m)), m = (p + q)/2; with base 2 in [0, 1], and symmetric.

    Source: Endres and Schindelin, IEEE Trans. Inf. Theory 49 (2003).

    >>> jensen_shannon(np.array([1, 1, 0]), np.array([[1, 1, 0], [0, 0, 5], [2, 1, 1]])).round(4).tolist()
    [0.0, 1.0, 0.3945]
    """
    p, q = _shares(reference), _shares(chunks)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log(p / middle), 0.0).sum(axis=-1)
        right = np.where(q > 0, q * np.log(q / middle), 0.0).sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(left + right, 0.0) / math.log(base) / 2.0))


def hellinger(reference: Amounts, chunks: Amounts) -> Floats:
    """Hellinger distance √Σ(√p - √q)² / √2, in [0, 1], symmetric.

    >>> hellinger(np.array([1, 1, 0]), np.array([[2, 2, 0], [0, 0, 1]])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(np.sqrt(((np.sqrt(_shares(reference)) - np.sqrt(_shares(chunks))) ** 2).sum(axis=-1) / 2.0))


def total_variation(reference: Amounts, chunks: Amounts) -> Floats:
    """Total variation distance ½Σ|p - q|, in [0, 1], symmetric: the share of rows that would have to move.

    >>> total_variation(np.array([5, 5]), np.array([[3, 7]])).round(12).tolist()
    [0.2]
    """
    return np.asarray(np.abs(_shares(reference) - _shares(chunks)).sum(axis=-1) / 2.0)


def l_infinity(reference: Amounts, chunks: Amounts) -> Floats:
    """Largest change of a share, max|p - q|, in [0, 1], symmetric.

    >>> l_infinity(np.array([6, 3, 1]), np.array([[3, 4, 3]])).round(12).tolist()
    [0.3]
    """
    return np.asarray(np.abs(_shares(reference) - _shares(chunks)).max(axis=-1))


def _delta_variance(p: Floats, q: Floats, by_p: Floats, by_q: Floats, sizes: tuple[Amounts, Amounts]) -> Floats:
    """Variance of a function of two multinomial samples' shares from its gradients."""
    of_p = _total(p * by_p**2) - _total(p * by_p) ** 2
    of_q = _total(q * by_q**2) - _total(q * by_q) ** 2
    return np.asarray(np.maximum(of_p, 0.0) / sizes[0] + np.maximum(of_q, 0.0) / sizes[1])


def _sizes(reference: Amounts, chunks: Amounts) -> tuple[Amounts, Amounts]:
    return reference.sum(axis=-1), chunks.sum(axis=-1)


def _with_limit(variance: Floats, present: NDArray[np.bool_], sizes: tuple[Amounts, Amounts], share: float) -> Floats:
    """Standard error from the delta method's variance and that of the χ² limit where the shares are equal.

    A divergence is about `share` (1/n + 1/N) χ² of k - 1 degrees of freedom ν and non-centrality λ, whose variance is 2ν + 4λ; the delta
    method's is 4χ², of which 4ν is noise.
    """
    degrees = np.maximum(present.sum(axis=-1) - 1, 0)
    of_limit = 2.0 * degrees * (share * (1.0 / sizes[0] + 1.0 / sizes[1])) ** 2
    return np.asarray(np.sqrt(np.maximum(variance - 2.0 * of_limit, 0.0) + of_limit), dtype=np.float64)


def _psi_error(reference: Amounts, chunks: Amounts) -> Floats:
    p, q, present = _smoothed(reference, chunks)
    p, q = np.where(present, p, 0.5), np.where(present, q, 0.5)
    by_p, by_q = np.log(p / q) + 1.0 - q / p, np.log(q / p) + 1.0 - p / q
    sizes = _sizes(reference, chunks)
    variance = _delta_variance(np.where(present, p, 0.0), np.where(present, q, 0.0), by_p, by_q, sizes)
    return _with_limit(variance, present, sizes, 1.0)


def _kl_error(reference: Amounts, chunks: Amounts) -> Floats:
    p, q, present = _smoothed(reference, chunks)
    p, q = np.where(present, p, 0.5), np.where(present, q, 0.5)
    sizes = _sizes(reference, chunks)
    shares = np.where(present, p, 0.0), np.where(present, q, 0.0)
    variance = _delta_variance(*shares, np.log(p / q) + 1.0, -p / q, sizes)
    return _with_limit(variance, present, sizes, 0.5)


def _jensen_shannon_error(reference: Amounts, chunks: Amounts, base: float = 2.0) -> Floats:
    p, q = _shares(reference), _shares(chunks)
    middle = np.where(p + q > 0, (p + q) / 2, 1.0)
    scale = 2.0 * math.log(base)
    by_p = np.log(np.where(p > 0, p / middle, 1.0)) / scale
    by_q = np.log(np.where(q > 0, q / middle, 1.0)) / scale
    sizes = _sizes(reference, chunks)
    distance = jensen_shannon(reference, chunks, base)
    error = np.sqrt(_delta_variance(p, q, by_p, by_q, sizes)) / (2.0 * np.maximum(distance, 1e-300))
    at_zero = np.sqrt((1.0 / sizes[0] + 1.0 / sizes[1]) / (8.0 * math.log(base)))
    return np.where(distance > 1e-9, error, at_zero)


def _hellinger_error(reference: Amounts, chunks: Amounts) -> Floats:
    distance, (rows, chunk_rows) = hellinger(reference, chunks), _sizes(reference, chunks)
    affinity = 1.0 - distance**2
    of_square = np.sqrt((1.0 - affinity**2) / 4.0 * (1.0 / rows + 1.0 / chunk_rows))
    at_zero = np.sqrt((1.0 / rows + 1.0 / chunk_rows) / 8.0)
    return np.where(distance > 1e-9, of_square / (2.0 * np.maximum(distance, 1e-300)), at_zero)


def _total_variation_error(reference: Amounts, chunks: Amounts) -> Floats:
    p, q = _shares(reference), _shares(chunks)
    sign = np.sign(q - p) / 2.0
    return np.sqrt(_delta_variance(p, q, -sign, sign, _sizes(reference, chunks)))


def _l_infinity_error(reference: Amounts, chunks: Amounts) -> Floats:
    p, q = np.broadcast_arrays(_shares(reference), _shares(chunks))
    place = np.abs(p - q).argmax(axis=-1)[..., np.newaxis]
    p, q = (np.take_along_axis(side, place, -1)[..., 0] for side in (p, q))
    rows, chunk_rows = _sizes(reference, chunks)
    return np.sqrt(p * (1.0 - p) / rows + q * (1.0 - q) / chunk_rows)


class ShareDistance(Struct, frozen=True, kw_only=True):
    """A metric of shares: its value, its standard error, and the number of quantile bins of a numeric column."""

    value: Callable[[Amounts, Amounts], Floats]
    error: Callable[[Amounts, Amounts], Floats]
    parts: int = DECILES


SHARE_DISTANCES = {
    "psi": ShareDistance(value=psi, error=_psi_error),
    "kl_divergence": ShareDistance(value=kl_divergence, error=_kl_error),
    "jensen_shannon": ShareDistance(value=jensen_shannon, error=_jensen_shannon_error, parts=JENSEN_SHANNON_BINS),
    "hellinger": ShareDistance(value=hellinger, error=_hellinger_error, parts=JENSEN_SHANNON_BINS),
    "total_variation": ShareDistance(value=total_variation, error=_total_variation_error),
    "l_infinity": ShareDistance(value=l_infinity, error=_l_infinity_error),
}


def _series(metric: str, binned: Binned) -> Series:
    distance = SHARE_DISTANCES[metric]
    return Series(
        values=distance.value(binned.reference, binned.chunks),
        sampling_errors=distance.error(binned.reference, binned.chunks),
    )


def _filled(counts: Counts) -> Floats:
    """Shares as Evidently fills empty bins: with 1e-4, or a millionth of the smallest share where that is not above 1e-4."""
    shares = _shares(counts)
    smallest = shares[shares > 0].min()
    return np.where(shares == 0, smallest / 10**6 if smallest <= 1e-4 else 1e-4, shares)


def _evidently_psi(reference: Counts, chunk: Counts) -> float:
    p, q = _filled(reference), _filled(chunk)
    return float(((p - q) * np.log(p / q)).sum())


def _evidently_kl(reference: Counts, chunk: Counts) -> float:
    p, q = _shares(_filled(reference)), _shares(_filled(chunk))
    return float((p * np.log(p / q)).sum())


def _evidently_jensen_shannon(reference: Counts, chunk: Counts) -> float:
    return float(jensen_shannon(reference, chunk, math.e))


def _evidently_hellinger(reference: Counts, chunk: Counts) -> float:
    return math.sqrt(max(1.0 - float(np.sqrt(_shares(reference) * _shares(chunk)).sum()), 0.0))


EVIDENTLY = {
    "psi": _evidently_psi,
    "kl_divergence": _evidently_kl,
    "jensen_shannon": _evidently_jensen_shannon,
    "hellinger": _evidently_hellinger,
}


def _evidently_hellinger_of_numbers(reference: ValueTable, chunk: ValueTable) -> float:
    """Over 'sturges' edges of the distinct values of both."""
    distinct = len(np.union1d(reference.values, chunk.values))
    lowest, highest = min(reference.lowest, chunk.lowest), max(reference.highest, chunk.highest)
    edges = sturges_edges(lowest, highest, distinct)
    return _evidently_hellinger(histogram(reference, edges), histogram(chunk, edges))


def _evidently_numeric(metric: str, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    if metric == "hellinger":
        values = [_evidently_hellinger_of_numbers(reference, chunk) for chunk in chunks]
    else:
        bins = [evidently_bins(reference, chunk) for chunk in chunks]
        values = [EVIDENTLY[metric](binned.reference, binned.chunks[0]) for binned in bins]
    return Series(values=np.array(values))


def _evidently_categorical(metric: str, binned: Binned) -> Series:
    values = []
    for row in binned.chunks:
        present = (binned.reference > 0) | (row > 0)
        values.append(EVIDENTLY[metric](binned.reference[present], row[present]))
    return Series(values=np.array(values))


def _numeric(metric: str) -> NumericMetric:
    def measured(convention: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
        evidently = convention is Convention.EVIDENTLY and metric in EVIDENTLY
        nannyml = convention is Convention.NANNYML and metric in NANNYML_BINNED
        if (evidently or nannyml) and not reference.exact:
            return without_values(len(chunks), NEEDS_EXACT)
        try:
            if evidently:
                return _evidently_numeric(metric, reference, chunks)
            if nannyml:
                return _series(metric, nannyml_bins(reference, chunks))
            return _series(metric, quantile_bins(reference, chunks, SHARE_DISTANCES[metric].parts))
        except NoBins as no_bins:
            return without_values(len(chunks), str(no_bins))

    return measured


def _categorical(metric: str) -> CategoricalMetric:
    def measured(convention: Convention, reference: CategoryTable, chunks: Sequence[CategoryTable]) -> Series:
        pooled = convention is Convention.NANNYML and metric in NANNYML_BINNED
        binned = category_bins(Convention.NANNYML if pooled else Convention.DESK, reference, chunks)
        if convention is Convention.EVIDENTLY and metric in EVIDENTLY:
            return _evidently_categorical(metric, binned)
        return _series(metric, binned)

    return measured


NUMERIC_METRICS: dict[str, NumericMetric] = {metric: _numeric(metric) for metric in SHARE_DISTANCES}
CATEGORICAL_METRICS: dict[str, CategoricalMetric] = {metric: _categorical(metric) for metric in SHARE_DISTANCES}
