"""Plain statistics of a numeric column, and how far they have moved from the reference.

All but the median are exact on cells too, for cells carry their sums and sums of squares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlops_desk.aggregates.tables import Counts, ValueTable, mean_difference
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.binning import middle_entries, order_statistics
from mlops_desk.metrics.samples import SQUARES_ROUNDING, VALUE_ROUNDING, doubt_of_spread
from mlops_desk.metrics.series import NUMERIC, Floats, NumericMetric, Series, by_effective_rows, drift_definitions

ANY = (-math.inf, math.inf)
EVEN_WIDTH = math.sqrt(12.0)
"""Range of values that lie evenly, in their standard deviations."""
NO_SPREAD = "the reference has no standard deviation to measure by: one value only, or numbers too large to square"

DEFINITIONS = (
    *drift_definitions("mean", "Mean", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("std", "Standard deviation", Direction.NEITHER, (0, math.inf), (NUMERIC,)),
    *drift_definitions("sum", "Sum", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("median", "Median", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("min", "Minimum", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("max", "Maximum", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("mean_shift", "Shift of the mean", Direction.NEITHER, ANY, (NUMERIC,)),
    *drift_definitions("std_ratio", "Ratio of standard deviations", Direction.NEITHER, (0, math.inf), (NUMERIC,)),
    *drift_definitions("median_shift", "Shift of the median", Direction.NEITHER, ANY, (NUMERIC,)),
)
PLAIN = ("mean", "std", "sum", "median", "min", "max")
"""These do not look at the reference."""


def standard_deviation(table: ValueTable) -> float:
    """Sample standard deviation (ddof 1; of weights scaled to effective rows, 1 of these); NaN of a single row."""
    return math.sqrt(table.deviation_squares / (table.n - 1)) if table.n > 1 else math.nan


def _spread(reference: ValueTable) -> float:
    """The standard deviation to measure by, NaN where there is none."""
    spread = standard_deviation(reference)
    return spread if 0 < spread < math.inf else math.nan


def _deviation_error(table: ValueTable) -> float:
    """Standard error of the standard deviation, from the fourth moment (of cells: of their means, with their squares)."""
    n, variance = table.n, table.deviation_squares / table.n
    if n < 4 or variance == 0:
        return 0.0 if n > 1 else math.nan
    distance = (table.values - table.mean) ** 2
    fourth = float(np.dot(distance**2, table.counts)) / n
    if table.squares is not None:
        fourth += 6.0 * float(np.dot(distance, table.squares)) / n
    return math.sqrt(max(fourth - variance * variance * (n - 3) / (n - 1), 0.0) / n) / (2.0 * math.sqrt(variance))


def at_ranks(table: ValueTable, ranks: Sequence[int], reference: ValueTable) -> tuple[float, float]:
    """Mean of the values at these ranks, and by how much it may be off.

    Within a cell a value is where rows that lie evenly, with the cell's mean and variance, have it; how tight the cell's bounds are, which
    depends on how rows lie in files, decides only by how much it may be off.
    """
    places = np.array(ranks, dtype=np.int64)
    if table.exact:
        return float(order_statistics(table, places).mean()), 0.0
    if table.lowers is None or table.uppers is None or table.squares is None:
        raise ValueError("an exact table has no cells")
    entries = np.searchsorted(table.cumulative, places, side="right") - 1
    rank = np.asarray(places - table.cumulative[entries] + 1.0, dtype=np.float64)
    counts, means, variances = (
        table.counts[entries],
        table.values[entries],
        table.squares[entries] / table.counts[entries],
    )
    reach = np.abs(means) + np.abs(reference.values).max(initial=0.0)
    doubt = SQUARES_ROUNDING * reach * reach  # the squares were taken around a value among the reference's
    below, above = _rank_bounds(counts, rank, np.sqrt(variances + doubt))
    seeming = np.sqrt(np.where((variances > doubt) & np.isfinite(variances), variances, 0.0))
    values = means + np.clip(EVEN_WIDTH * seeming * ((rank - 0.5) / counts - 0.5), -below, above)
    rounding = VALUE_ROUNDING * reach
    lowers = np.fmax(table.lowers[entries], means - below - rounding)
    uppers = np.fmin(table.uppers[entries], means + above + rounding)
    return float(values.mean()), float(np.maximum(np.maximum(values - lowers, uppers - values), 0.0).mean())


def _rank_bounds(counts: Counts, rank: Floats, deviations: Floats) -> tuple[Floats, Floats]:
    """How far below and above the mean of so many rows with this standard deviation the row of a 1-based rank can lie.

    Source: Hawkins, J. Amer. Statist. Assoc. 66 (1971).
    """
    below, above = np.sqrt((counts - rank) / rank), np.sqrt((rank - 1.0) / (counts - rank + 1.0))
    with np.errstate(invalid="ignore"):  # infinite squares: of numbers beyond 1e154
        return np.where(below > 0, deviations * below, 0.0), np.where(above > 0, deviations * above, 0.0)


def median(table: ValueTable, reference: ValueTable) -> tuple[float, float]:
    """The median, midway between the two middle values of an even number, and by how much it may be off; 0 where exact.

    Of a table by weight, the value up to which half of all weights lie, or midway to the next where exactly half do.
    """
    if table.weight_squares is not None:
        return _weighted_median(table)
    return at_ranks(table, [(table.n - 1) // 2, table.n // 2], reference)


def _weighted_median(table: ValueTable) -> tuple[float, float]:
    """The same of a table by weight; a cell's weights are taken to lie evenly, and it may be off by as much as the cell is wide."""
    entries = np.array(middle_entries(table.cumulative[1:]))
    if table.lowers is None or table.uppers is None or table.squares is None:
        return float(table.values[entries].mean()), 0.0
    counts, means = table.counts[entries], table.values[entries]
    share = np.clip((table.n / 2 - table.cumulative[entries]) / counts, 0.0, 1.0)
    deviations = np.sqrt(np.where(np.isfinite(table.squares[entries]), table.squares[entries], 0.0) / counts)
    lowers, uppers = table.lowers[entries], table.uppers[entries]
    values = np.clip(means + EVEN_WIDTH * deviations * (share - 0.5), lowers, uppers)
    return float(values.mean()), float(np.maximum(values - lowers, uppers - values).mean())


def _median_error(table: ValueTable, reference: ValueTable) -> float:
    """Half the distance between the order statistics half a standard deviation of the binomial rank on either side."""
    half = math.sqrt(table.n) / 2.0
    if table.weight_squares is not None:
        reached = table.cumulative[1:]
        ends = np.clip(np.searchsorted(reached, [table.n / 2 - half, table.n / 2 + half]), 0, len(reached) - 1)
        return float(table.values[ends[1]] - table.values[ends[0]]) / 2.0
    ranks = (max(math.floor((table.n - 1) / 2 - half), 0), min(math.ceil((table.n - 1) / 2 + half), table.n - 1))
    lower, upper = (at_ranks(table, [rank], reference)[0] for rank in ranks)
    return (upper - lower) / 2.0


def _plain(value: Callable[[ValueTable], float], error: Callable[[ValueTable], float]) -> NumericMetric:
    def measured(_: Convention, _reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
        return Series(
            values=np.array([value(chunk) for chunk in chunks]),
            sampling_errors=np.array([error(chunk) for chunk in chunks]),
        )

    return measured


def _mean_error(table: ValueTable) -> float:
    return standard_deviation(table) / math.sqrt(table.n)


def _total(table: ValueTable) -> float:
    return (table.weighted or table).total


def _sum_error(table: ValueTable) -> float:
    """Of the sum of so many rows, or of so much weight."""
    return _mean_error(table.effective) * (table.weighted or table).n


def _unknown(_: ValueTable) -> float:
    return math.nan


def _medians(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    medians = np.array([median(chunk, reference) for chunk in chunks])
    return Series(
        values=medians[:, 0],
        error_bounds=medians[:, 1],
        sampling_errors=np.array([_median_error(chunk, reference) for chunk in chunks]),
    )


def _mean_shift(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """(Mean of the chunk - mean of the reference) in the reference's standard deviations."""
    spread = _spread(reference)
    of_reference = _mean_error(reference)
    return Series(
        values=np.array([-mean_difference(reference, chunk) for chunk in chunks]) / spread,
        undefined=NO_SPREAD,
        sampling_errors=np.array([math.hypot(_mean_error(chunk), of_reference) for chunk in chunks]) / spread,
    )


def _std_ratio(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Standard deviation of the chunk over that of the reference."""
    spread = _spread(reference)
    of_reference = _deviation_error(reference) / spread
    ratios = np.array([standard_deviation(chunk) for chunk in chunks]) / spread
    errors = np.array([_deviation_error(chunk) for chunk in chunks]) / spread
    return Series(values=ratios, undefined=NO_SPREAD, sampling_errors=np.hypot(errors, ratios * of_reference))


def _median_shift(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """(Median of the chunk - median of the reference) in the reference's standard deviations."""
    spread = _spread(reference)
    of_reference, off = median(reference, reference)
    medians = np.array([median(chunk, reference) for chunk in chunks])
    error = _median_error(reference, reference)
    shifts = (medians[:, 0] - of_reference) / spread
    return Series(
        values=shifts,
        undefined=NO_SPREAD,
        error_bounds=(medians[:, 1] + off) / spread + np.abs(shifts) * doubt_of_spread(reference),
        sampling_errors=np.array([math.hypot(_median_error(chunk, reference), error) for chunk in chunks]) / spread,
    )


NUMERIC_METRICS: dict[str, NumericMetric] = {
    "mean": by_effective_rows(_plain(lambda table: table.mean, _mean_error)),
    "std": by_effective_rows(_plain(standard_deviation, _deviation_error)),
    "sum": _plain(_total, _sum_error),
    "median": by_effective_rows(_medians),
    "min": _plain(lambda table: table.lowest, _unknown),
    "max": _plain(lambda table: table.highest, _unknown),
    "mean_shift": by_effective_rows(_mean_shift),
    "std_ratio": by_effective_rows(_std_ratio),
    "median_shift": by_effective_rows(_median_shift),
}
