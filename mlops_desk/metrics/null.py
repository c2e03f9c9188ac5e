"""Limits that no-drift data break with a given probability: the null of a metric of bin counts, resampled from the reference's counts.

The reference's shares are resampled by Rubin's Bayesian bootstrap (which for quantile bins is the distribution of their true shares), the
chunk is drawn from the resampled shares, and the metric compares it with the reference as it is. That is done at a few fixed chunk sizes;
between them the limit over its leading order in 1/n + 1/N is interpolated in log n. The sizes are fixed, so that the limits of a chunk do
not depend on which other chunks are judged along with it.
The tail is reached by importance sampling: half of the draws come from a wider Dirichlet-multinomial around the same shares, and all are
weighted back. Where there are too many bins for that, a gamma distribution with the draws' first three moments stands for the tail.
What the reference chunks vary beyond multinomial noise widens the limits as it widens the variance.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Counts
from mlops_desk.domain.metric import Limits
from mlops_desk.metrics.contingency import chi_squared
from mlops_desk.metrics.divergence import SHARE_DISTANCES
from mlops_desk.metrics.series import Floats

DRAWS = 1000
"""Resamples by importance sampling, a half of them tilted."""
MOST_TILTED_BINS = 64
"""With more bins than this the weights of tilted draws vary too much."""
PLAIN_CELLS = 300_000
"""Resamples times bins where none is tilted."""
TILT = 2.5
"""How many standard deviations of its χ² limit the tilt carries a statistic upwards."""
SIZES = (*(round(2 ** (power / 2)) for power in range(8, 20)), *(4**power for power in range(5, 20)))
"""Chunk sizes at which the null is resampled: denser where counts are small and the leading order says less."""
COARSE_BINS = 10
"""Bins in which the variation of reference chunks along an ordered column is measured."""
DISTRIBUTION_FUNCTIONS = ("kolmogorov_smirnov", "wasserstein")
CALIBRATED = (*SHARE_DISTANCES, "chi_squared", *DISTRIBUTION_FUNCTIONS)
"""Metrics whose null is known here."""
POWERS = {"psi": 1.0, "kl_divergence": 1.0, "chi_squared": 0.0}
"""The power of 1/n + 1/N by which a metric shrinks; ½ for all others."""
RATIOS = {"psi": 1.0, "kl_divergence": 1.0, "chi_squared": 1.0}
"""The power of the variance by which it grows; ½ for all others."""


def null_limits(
    metric: str,
    reference_counts: Counts,
    chunk_rows: Sequence[int],
    *,
    alpha: float,
    warn_alpha: float | None = None,
    reference_chunks: Counts | None = None,
    positions: Floats | None = None,
    spread: NDArray[np.bool_] | None = None,
    seed: str = "",
) -> list[Limits]:
    """Upper limits, one a chunk, that a chunk like the reference exceeds with probability `alpha` (and the warning's with `warn_alpha`).

    Parameters
    ----------
    reference_counts : (k,) rows of the reference by bin, as `univariate.binned` counts them.
    chunk_rows : rows of each chunk, those without a value left out.
    reference_chunks : (m, k) rows of the reference's chunks by bin, whose excess variation widens the limits; None for none.
    positions, spread : of `univariate.binned`, for `wasserstein` and `kolmogorov_smirnov`.
    seed : draws another set of resamples; the same arguments give the same limits.

    Raises KeyError for a metric that is not in CALIBRATED and ValueError for levels outside (0, 1) or without reference rows.
    """
    if metric not in CALIBRATED:
        raise KeyError(metric)
    levels = (alpha, alpha if warn_alpha is None else warn_alpha)
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"levels lie strictly between 0 and 1, not {levels}")
    present = np.asarray(reference_counts) > 0
    if not present.any():
        raise ValueError("a null needs a reference with rows")
    counts = np.ascontiguousarray(reference_counts[present], dtype=np.int64)
    shape = _Shape(
        metric=metric,
        counts=counts.tobytes(),
        positions=None if positions is None else np.ascontiguousarray(positions[present], dtype=np.float64).tobytes(),
        spread=None if spread is None else np.ascontiguousarray(spread[present], dtype=bool).tobytes(),
        levels=levels,
        seed=seed,
    )
    rows = int(counts.sum())
    correlation = 0.0
    if reference_chunks is not None:
        correlation = intraclass_correlation(
            np.asarray(reference_chunks)[:, present], ordered=metric in DISTRIBUTION_FUNCTIONS
        )
    of_reference = 1.0
    if reference_chunks is not None and correlation:
        parts = np.asarray(reference_chunks).sum(axis=1, dtype=np.float64)
        of_reference += correlation * (float((parts**2).sum() / parts.sum()) - 1.0)
    sizes = np.maximum(np.asarray(chunk_rows, dtype=np.float64), 1.0)
    widening = ((1.0 + (sizes - 1.0) * correlation) / sizes + of_reference / rows) / (1.0 / sizes + 1.0 / rows)
    limits = _interpolated(shape, sizes, rows) * (widening ** RATIOS.get(metric, 0.5))[:, np.newaxis]
    return [Limits(upper=upper, warn_upper=None if warn_alpha is None else warn) for upper, warn in limits.tolist()]


def intraclass_correlation(chunks: Counts, *, ordered: bool = False) -> float:
    """ρ of a Dirichlet-multinomial, whose variance is 1 + (n - 1)ρ times the multinomial's, from (m, k) counts; 0 where there is no excess.

    From the chunks' Pearson statistic; bins with fewer than one expected row a chunk are one, and of `ordered` bins neighbours are pooled
    to ten, for variation along a column is smooth. What chance explains is taken off (James and Stein's positive part).
    """
    filled = np.asarray(chunks, dtype=np.float64)
    filled = filled[filled.sum(axis=1) > 0]
    if len(filled) < 2:
        return 0.0
    rows = _coarse(filled) if ordered else _without_rare(filled)
    m, k = rows.shape
    if k < 2:
        return 0.0
    sizes, total = rows.sum(axis=1), rows.sum()
    expected = sizes[:, np.newaxis] * (rows.sum(axis=0) / total)
    freedom = (m - 1.0) * (k - 1.0)
    excess = float(((rows - expected) ** 2 / expected).sum()) / freedom - 1.0
    per_correlation = float(((sizes - 1.0) * (1.0 - sizes / total)).sum()) / (m - 1.0)
    if excess <= 0 or per_correlation <= 0:
        return 0.0
    by_chance = 2.0 / freedom / excess**2
    return float(min(excess * max(1.0 - by_chance, 0.0) / per_correlation, 1.0))


def _without_rare(chunks: Floats) -> Floats:
    totals = chunks.sum(axis=0)
    chunks, totals = chunks[:, totals > 0], totals[totals > 0]
    rare = totals < len(chunks)
    if not rare.any():
        return chunks
    return np.column_stack([chunks[:, ~rare], chunks[:, rare].sum(axis=1)])


def _coarse(chunks: Floats) -> Floats:
    shares = np.cumsum(chunks.sum(axis=0)) / chunks.sum()
    groups = np.minimum((shares * COARSE_BINS - 1e-9).astype(np.int64), COARSE_BINS - 1)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.asarray(np.add.reduceat(chunks, starts, axis=1))


# ---- the limits of a shape at a size ----
class _Shape(Struct, frozen=True, kw_only=True):
    """All that decides a null but the chunk's size; arrays as bytes, so that equal shapes are resampled once."""

    metric: str
    counts: bytes
    positions: bytes | None
    spread: bytes | None
    levels: tuple[float, float]
    seed: str


def _interpolated(shape: _Shape, sizes: Floats, rows: int) -> Floats:
    """(m, 2) limits at chunks of these sizes, from those at the neighbouring fixed sizes."""
    above = np.minimum(np.searchsorted(SIZES, sizes), len(SIZES) - 1)
    below = np.where(np.take(SIZES, above) <= sizes, above, np.maximum(above - 1, 0))
    power = POWERS.get(shape.metric, 0.5)
    of_sizes = np.full((len(SIZES), 2), np.nan)
    for place in np.union1d(below, above).tolist():
        of_sizes[place] = _limits_at(shape, SIZES[place]) / math.pow(1.0 / SIZES[place] + 1.0 / rows, power)
    low, high = np.take(SIZES, below), np.take(SIZES, above)
    share = np.where(low < high, np.log(sizes / low) / np.log(np.where(low < high, high / low, math.e)), 0.0)
    share = share[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(of_sizes)
        further = np.where(share > 0, share * logarithms[above], 0.0)
    between = np.exp((1.0 - share) * logarithms[below] + further)
    return np.asarray(between * ((1.0 / sizes + 1.0 / rows) ** power)[:, np.newaxis])


@lru_cache(maxsize=4096)
def _limits_at(shape: _Shape, n: int) -> Floats:
    """(2,) limits at exactly this size."""
    bins = len(shape.counts) // 8
    if bins < 2:
        return np.zeros(2)
    tilted = bins <= MOST_TILTED_BINS and shape.metric not in DISTRIBUTION_FUNCTIONS
    reference = parameters = np.frombuffer(shape.counts, dtype=np.int64).astype(np.float64)
    if shape.metric not in DISTRIBUTION_FUNCTIONS:
        reference, parameters = _with_unseen(reference)
    draws, weights = _draws(parameters.tobytes(), n, shape.seed, tilted)
    values = _statistic(shape, reference, draws)
    if tilted:
        return np.array([_weighted_limit(values, weights, level) for level in shape.levels])
    # A squared distance, like a divergence, has about the tail of a gamma distribution.
    power = 1.0 if shape.metric in RATIOS else 2.0
    return np.array([_gamma_limit(values**power, level) ** (1.0 / power) for level in shape.levels])


def _with_unseen(counts: Floats) -> tuple[Floats, Floats]:
    """Counts of the reference and the parameters of the Dirichlet distribution of the shares, with bins that it has missed.

    Of categories seen once and twice Good and Turing's estimate tells the share of those not seen, and Chao's how many they are.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    if once == 0:
        return counts, counts
    unseen = min(math.ceil(once**2 / (2.0 * max(twice, 1))), once)
    parameters = np.where(counts == 1, min(max(2.0 * twice / once, 0.5), 1.0), counts)
    return np.append(counts, np.zeros(unseen)), np.append(parameters, np.full(unseen, once / unseen))


@lru_cache(maxsize=16)
def _draws(parameter_bytes: bytes, n: int, seed: str, tilted: bool) -> tuple[Floats, Floats]:
    """(B, k) Dirichlet-multinomial counts of n rows and their (B,) weights of mean 1, the same for the same arguments."""
    parameters = np.frombuffer(parameter_bytes, dtype=np.float64)
    digest = hashlib.blake2b(f"{seed}|{n}|{tilted}|".encode() + parameter_bytes, digest_size=16).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "little"))
    if not tilted:
        draws = _dirichlet_multinomial(rng, parameters, n, max(PLAIN_CELLS // len(parameters), DRAWS // 2))
        return draws, np.ones(len(draws))
    freedom, total = len(parameters) - 1.0, float(parameters.sum())
    whole = 1.0 + TILT * math.sqrt(2.0 / freedom) + (TILT**2 - 1.0) * 2.0 / (3.0 * freedom)
    correlation = min((whole * (1.0 + (n - 1.0) / (total + 1.0)) - 1.0) / (n - 1.0), 0.5)
    wider = parameters * ((1.0 - correlation) / correlation / total)
    parts = [_dirichlet_multinomial(rng, each, n, DRAWS // 2) for each in (parameters, wider)]
    draws = np.concatenate(parts)
    ratio = np.exp(np.minimum(_log_likelihood(draws, wider, n) - _log_likelihood(draws, parameters, n), 700.0))
    return draws, 2.0 / (1.0 + ratio)


def _dirichlet_multinomial(rng: np.random.Generator, parameters: Floats, n: int, draws: int) -> Floats:
    shares = rng.standard_gamma(parameters, size=(draws, len(parameters)))
    shares /= shares.sum(axis=1, keepdims=True)
    return rng.multinomial(n, shares).astype(np.float64)


def _log_likelihood(draws: Floats, parameters: Floats, n: int) -> Floats:
    """Logarithm of the Dirichlet-multinomial probability, less the multinomial coefficient."""
    total = float(parameters.sum())
    of_bins = (_log_gamma(draws + parameters) - _log_gamma(parameters)).sum(axis=1)
    return np.asarray(of_bins + (math.lgamma(total) - math.lgamma(n + total)))


def _log_gamma(z: Floats) -> Floats:
    """ln Γ(z) of positive numbers by Stirling's series eight higher up, to 1e-11."""
    y = z + 8.0
    product = z * (z + 1.0) * (z + 2.0) * (z + 3.0) * (z + 4.0) * (z + 5.0) * (z + 6.0) * (z + 7.0)
    inverse = 1.0 / y
    square = inverse * inverse
    series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)))
    return np.asarray((y - 0.5) * np.log(y) - y + 0.5 * math.log(2.0 * math.pi) + series - np.log(product))


def _statistic(shape: _Shape, reference: Floats, chunks: Floats) -> Floats:
    """(B,) values of the metric."""
    if shape.metric == "chi_squared":
        return chi_squared(reference, chunks)[0]
    if shape.metric in SHARE_DISTANCES:
        return SHARE_DISTANCES[shape.metric].value(reference, chunks)
    steps = reference / reference.sum() - chunks / chunks.sum(axis=1, keepdims=True)
    gaps = np.cumsum(steps, axis=1)
    if shape.metric == "kolmogorov_smirnov":
        rows = 1.0 / reference.sum() + 1.0 / chunks[0].sum()
        return _largest_gaps(shape.spread, gaps, steps, reference / reference.sum() * rows)
    if shape.positions is None:
        raise ValueError("the null of wasserstein needs the positions of the bins")
    widths = np.diff(np.frombuffer(shape.positions, dtype=np.float64))
    return np.asarray((np.abs(gaps[:, : len(widths)]) * widths).sum(axis=1))


def _largest_gaps(spread: bytes | None, gaps: Floats, steps: Floats, variance: Floats) -> Floats:
    """sup|F - G|; within a bin of several values the difference is a Brownian bridge between its ends, of which the extremes are drawn."""
    largest = np.abs(gaps).max(axis=1)
    within = np.flatnonzero(np.frombuffer(spread, dtype=bool)) if spread else np.zeros(0, dtype=np.int64)
    if len(within) == 0:
        return np.asarray(largest)
    rng = np.random.default_rng(len(gaps))
    end = gaps[:, within]
    start = end - steps[:, within]
    for sign in (1.0, -1.0):
        reach = np.sqrt((start - end) ** 2 + 2.0 * variance[within] * rng.standard_exponential(end.shape))
        largest = np.maximum(largest, (sign * (start + end) + reach).max(axis=1) / 2.0)
    return np.asarray(largest)


# ---- tails ----
def _weighted_limit(values: Floats, weights: Floats, level: float) -> float:
    """The least of the values that are exceeded with at most this probability."""
    order = np.argsort(-values, kind="stable")
    through = np.cumsum(weights[order]) / len(values)
    return float(values[order][min(int(np.searchsorted(through, level)), len(values) - 1)])


def _gamma_limit(values: Floats, level: float) -> float:
    """The (1 - level) quantile of the shifted gamma distribution with the values' mean, variance and skewness."""
    mean, deviation = float(values.mean()), float(values.std())
    if deviation == 0:
        return mean
    skewness = max(float(((values - mean) ** 3).mean()) / deviation**3, 0.05)
    shape = 4.0 / skewness**2
    return max(mean + deviation * (_gamma_quantile(shape, level) - shape) / math.sqrt(shape), 0.0)


def _gamma_quantile(shape: float, level: float) -> float:
    """x at which the upper tail of the gamma distribution of this shape is `level`, for small levels.

    Wilson and Hilferty's cube, bettered by Newton steps on the logarithm of the tail (its continued fraction converges above the mean).
    """
    from statistics import NormalDist

    x = shape * (1.0 - 1.0 / (9.0 * shape) + NormalDist().inv_cdf(1.0 - level) / (3.0 * math.sqrt(shape))) ** 3
    for _ in range(8):
        x = max(x, 1e-12)
        fraction = _tail_fraction(shape, x)
        log_density = (shape - 1.0) * math.log(x) - x - math.lgamma(shape)
        log_tail = log_density + math.log(x * fraction)
        step = (log_tail - math.log(level)) * x * fraction
        x += step
        if abs(step) < 1e-9 * x:
            break
    return x


def _tail_fraction(shape: float, x: float) -> float:
    """Γ(shape, x) / (x^shape e^-x) by Lentz's continued fraction."""
    b = x + 1.0 - shape
    c, d = 1e300, 1.0 / b if b else 1e300
    h = d
    for i in range(1, 500):
        a = -i * (i - shape)
        b += 2.0
        d = 1.0 / (a * d + b or 1e-300)
        c = b + a / c or 1e-300
        h *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return h
