"""Distances between the distribution functions of two samples of a numeric column.

On cells a value is what the cell borders and means say, and `error_bound` is a true upper bound of its distance from the exact one: where
within a cell the order of the rows is unknown, every order is allowed for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.samples import VALUE_ROUNDING, Order, Samples, doubt_of_spread, samples, spread
from mlops_desk.metrics.series import (
    NEEDS_EXACT,
    NUMERIC,
    P_VALUE,
    TOO_LARGE,
    Floats,
    NumericMetric,
    Series,
    by_effective_rows,
    drift_definitions,
    without_values,
)

CONSTANT_REFERENCE = "the reference has one value only, so there is no spread to measure by"
ROUNDING = 1e-12
"""Share of its scale that a bound allows for the rounding of sums."""
LEAST_DIVISOR = 0.001
"""Evidently divides the Wasserstein distance by no less than this."""
EXACT_P_ROWS = 10_000
"""SciPy computes the Kolmogorov–Smirnov p-value exactly up to this many rows a side."""

DEFINITIONS = (
    *drift_definitions("kolmogorov_smirnov", "Kolmogorov–Smirnov statistic", Direction.LOWER, (0, 1), (NUMERIC,)),
    *drift_definitions("kolmogorov_smirnov_p", "Kolmogorov–Smirnov p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
    *drift_definitions(
        "wasserstein",
        "Wasserstein distance",
        Direction.LOWER,
        (0, math.inf),
        (NUMERIC,),
        Convention.NANNYML,
        Convention.EVIDENTLY,
    ),
    *drift_definitions("energy", "Energy distance", Direction.LOWER, (0, math.inf), (NUMERIC,), Convention.EVIDENTLY),
)


def joined(parts: Sequence[tuple[Floats, ...]]) -> list[Floats]:
    """Per-layout results, one tuple a layout, as arrays over all chunks."""
    return [np.concatenate([np.atleast_1d(part[place]) for part in parts]) for place in range(len(parts[0]))]


def _largest_gap(both: Samples) -> tuple[Floats, Floats, Floats]:
    """sup|F - G|, how far above it the true one may lie, and its standard error."""
    reference, chunk = both.reference, both.chunk
    signed = reference.share_through - chunk.share_through
    gaps = np.abs(signed)
    place = gaps.argmax(axis=-1)[..., np.newaxis]
    f = np.take_along_axis(np.broadcast_to(reference.share_through, gaps.shape), place, -1)[..., 0]
    g = np.take_along_axis(chunk.share_through, place, -1)[..., 0]
    variance = f * (1.0 - f) / reference.n[..., 0] + g * (1.0 - g) / chunk.n[..., 0]
    errors = np.sqrt(np.maximum(variance, 0.0))
    largest = gaps.max(axis=-1)
    if both.exact:
        return largest, np.zeros_like(largest), errors
    reference_ahead = reference.share_through - chunk.share_before
    chunk_ahead = chunk.share_through - reference.share_before

    def with_those_within(order: Order) -> Floats:
        """The largest gap, with those that open within a cell where one side comes first."""
        gaps = np.where(order.reference_first, reference_ahead, np.where(order.chunk_first, chunk_ahead, 0.0))
        return np.asarray(np.maximum(largest, gaps.max(axis=-1)))

    value, least = with_those_within(both.apparent), with_those_within(both.certain)
    possible = np.where(both.certain.unknown, np.maximum(reference_ahead, chunk_ahead), 0.0).max(axis=-1)
    return value, np.maximum(value - least, np.maximum(least, possible) - value), errors


def _kolmogorov_smirnov(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """D = sup|F - G|, in [0, 1]."""
    values, bounds, errors = joined([_largest_gap(both) for both in samples(reference, chunks)])
    return Series(values=values, error_bounds=bounds, sampling_errors=errors)


def _kolmogorov_smirnov_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """SciPy's p-value with method 'auto'; on cells of D as the cells say, bounded by those of the greatest and least D possible."""
    from scipy.stats import kstwo

    if reference.exact and all(max(reference.n, chunk.n) <= EXACT_P_ROWS for chunk in chunks):
        return Series(values=np.array([_small_p(reference, chunk) for chunk in chunks]))
    largest, bounds, _errors = joined([_largest_gap(both) for both in samples(reference, chunks)])
    sizes = np.array([chunk.n for chunk in chunks], dtype=np.float64)
    effective = np.round(reference.n * sizes / (reference.n + sizes))
    values, least, greatest = (
        np.clip(kstwo.sf(gap, effective), 0.0, 1.0)
        for gap in (largest, np.minimum(largest + bounds, 1.0), np.maximum(largest - bounds, 0.0))
    )
    small = np.maximum(reference.n, sizes) <= EXACT_P_ROWS
    if not reference.exact:
        off = np.maximum(values - least, greatest - values)
        return Series(values=np.where(small, np.nan, values), undefined=NEEDS_EXACT, error_bounds=off)
    for place in np.flatnonzero(small).tolist():
        values[place] = _small_p(reference, chunks[place])
    return Series(values=values)


def _small_p(reference: ValueTable, chunk: ValueTable) -> float:
    """SciPy's p-value of exact tables, exact where SciPy can count the paths; it warns where it cannot, and takes the limit."""
    from scipy.stats import ks_2samp

    rows, others = (np.repeat(table.values, table.counts) for table in (reference, chunk))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(ks_2samp(rows, others).pvalue)


def _steps(both: Samples) -> tuple[Floats, Floats, Floats, Floats]:
    """F - G and its width on each interval between neighbouring points, and the shares of both sides at the points.

    The rows of a cell stand at its mean, which leaves every integral of F - G over whole cells as it is.
    """
    reference, chunk = both.reference, both.chunk
    if both.exact:
        differences = (reference.share_through - chunk.share_through)[:-1]
        return differences, np.diff(reference.means), reference.counts / reference.n, chunk.counts / chunk.n
    points, p, q = _interleaved(both)
    return np.cumsum(p - q, axis=-1)[..., :-1], np.diff(points, axis=-1), p, q


def _interleaved(both: Samples) -> tuple[Floats, Floats, Floats]:
    """Two points a cell, the lower and the higher of both sides' means, and each side's share there; absent cells repeat a point."""
    reference, chunk = both.reference, both.chunk
    a, b = np.broadcast_arrays(reference.counts, chunk.counts)
    of_reference, of_chunk = (
        np.where(a > 0, reference.means, chunk.means),
        np.where(b > 0, chunk.means, reference.means),
    )
    low, high = np.minimum(of_reference, of_chunk), np.maximum(of_reference, of_chunk)
    present = (a > 0) | (b > 0)
    latest = np.maximum.accumulate(np.where(present, np.arange(a.shape[-1]), 0), axis=-1)
    kept = np.take_along_axis(high, latest, -1)
    low, high = np.where(present, low, kept), np.where(present, high, kept)
    first = of_reference <= of_chunk
    shape = (*a.shape[:-1], 2 * a.shape[-1])

    def woven(lower: Floats, higher: Floats) -> Floats:
        return np.stack([lower, higher], axis=-1).reshape(shape)

    p, q = a / reference.n, b / chunk.n
    return (
        woven(low, high),
        woven(np.where(first, p, 0.0), np.where(first, 0.0, p)),
        woven(np.where(first, 0.0, q), np.where(first, q, 0.0)),
    )


def _error_of_function(p: Floats, q: Floats, function: Floats, both: Samples) -> Floats:
    """Standard error of a mean of `function` (values at the points) under F less that under G."""
    variance = 0.0
    for shares, n in ((p, both.reference.n), (q, both.chunk.n)):
        mean = (shares * function).sum(axis=-1, keepdims=True)
        variance = variance + (shares * (function - mean) ** 2).sum(axis=-1) / n[..., 0]
    return np.asarray(np.sqrt(np.asarray(variance)), dtype=np.float64)


def _displacement(both: Samples) -> Floats:
    """Upper bound, by cell, of ∫|(F - G) - (F' - G')| where F' and G' have their rows at the cells' means."""
    if both.reference.spreads is None or both.chunk.spreads is None:
        return np.zeros_like(both.chunk.counts)
    return np.asarray(both.reference.spreads / both.reference.n + both.chunk.spreads / both.chunk.n)


def _area_between(both: Samples) -> tuple[Floats, Floats, Floats]:
    """W1 = ∫|F - G|, its bound, and its standard error."""
    differences, widths, p, q = _steps(both)
    area = (np.abs(differences) * widths).sum(axis=-1)
    function = np.zeros(p.shape if p.ndim >= q.ndim else q.shape)
    np.cumsum(np.sign(differences) * widths, axis=-1, out=function[..., 1:])
    errors = _error_of_function(p, q, function, both)
    if both.exact:
        return area, np.zeros_like(area), errors
    lowest = both.reference.share_before - both.chunk.share_through
    highest = both.reference.share_through - both.chunk.share_before
    changes_sign = (lowest < 0) & (highest > 0)  # elsewhere ∫|F - G| over the cell follows from the means alone
    bounds = np.where(changes_sign, _displacement(both), 0.0).sum(axis=-1) + _rounding(both)
    return area, bounds, errors


def _rounding(both: Samples) -> Floats:
    """What the rounding of values may add up to in an integral over both sides' range."""
    a, b = np.broadcast_arrays(both.reference.counts, both.chunk.counts)
    sides = ((a, both.reference), (b, both.chunk))
    lows = [np.where(rows > 0, side.means, np.inf).min(axis=-1) for rows, side in sides]
    highs = [np.where(rows > 0, side.means, -np.inf).max(axis=-1) for rows, side in sides]
    lowest, highest = np.minimum(*lows), np.maximum(*highs)
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    return np.asarray(ROUNDING * (highest - lowest) + VALUE_ROUNDING * largest)


def _over(divisor: float, reference: ValueTable, parts: list[Floats]) -> Series:
    """Value, bound and standard error over a power of the reference's standard deviation; on cells the rounding of that is in the bound."""
    values, bounds, errors = (part / divisor for part in parts)
    if not reference.exact and divisor != 1.0:
        bounds = bounds + values * doubt_of_spread(reference)
    return Series(values=values, error_bounds=bounds, sampling_errors=errors)


def wasserstein_unit(convention: Convention, reference: ValueTable) -> float:
    """What the distance is divided by: the population standard deviation; nannyml: 1; evidently: at least 0.001."""
    own = spread(reference)
    return {Convention.NANNYML: 1.0, Convention.EVIDENTLY: max(own, LEAST_DIVISOR)}.get(convention, own)


def _wasserstein(convention: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """W1 over the reference's population standard deviation; nannyml: as it is; evidently: over at least 0.001."""
    divisor = wasserstein_unit(convention, reference)
    if divisor == 0 or not math.isfinite(divisor):
        return without_values(len(chunks), TOO_LARGE if divisor else CONSTANT_REFERENCE)
    return _over(divisor, reference, joined([_area_between(both) for both in samples(reference, chunks)]))


def _squared_area(both: Samples) -> tuple[Floats, Floats, Floats]:
    """√(2∫(F - G)²), its bound and its standard error (with that of the limit where F = G left out)."""
    differences, widths, p, q = _steps(both)
    integral = (differences**2 * widths).sum(axis=-1)
    distance = np.sqrt(2.0 * integral)
    function = np.zeros(p.shape if p.ndim >= q.ndim else q.shape)
    np.cumsum(4.0 * differences * widths, axis=-1, out=function[..., 1:])
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = _error_of_function(p, q, function, both) / (2.0 * distance)
    if both.exact:
        return distance, np.zeros_like(distance), errors
    lowest = both.reference.share_before - both.chunk.share_through
    highest = both.reference.share_through - both.chunk.share_before
    largest = np.maximum(np.abs(lowest), np.abs(highest))
    within = np.maximum(both.reference.counts / both.reference.n, both.chunk.counts / both.chunk.n)
    off = (2.0 * np.minimum(largest, within) * _displacement(both)).sum(axis=-1) + _rounding(both)
    least = np.sqrt(np.maximum(2.0 * (integral - off), 0.0))
    greatest = np.sqrt(2.0 * (integral + off))
    return distance, np.maximum(distance - least, greatest - distance), errors


def _energy(convention: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """√(2∫(F - G)²) over the root of the reference's population standard deviation; evidently: as it is."""
    divisor = 1.0 if convention is Convention.EVIDENTLY else math.sqrt(spread(reference))
    if divisor == 0 or not math.isfinite(divisor):
        return without_values(len(chunks), TOO_LARGE if divisor else CONSTANT_REFERENCE)
    return _over(divisor, reference, joined([_squared_area(both) for both in samples(reference, chunks)]))


NUMERIC_METRICS: dict[str, NumericMetric] = {
    "kolmogorov_smirnov": by_effective_rows(_kolmogorov_smirnov),
    "kolmogorov_smirnov_p": _kolmogorov_smirnov_p,
    "wasserstein": by_effective_rows(_wasserstein),
    "energy": by_effective_rows(_energy),
}
