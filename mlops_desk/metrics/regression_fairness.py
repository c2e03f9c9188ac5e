"""Fairness of a regression: mean prediction and mean absolute error by protected group, and how far groups are apart."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from mlops_desk.aggregates.group_tables import GroupMeans
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import Z, measured
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.weighting import NO_WEIGHT

METRICS = {"mean_prediction": "Mean prediction", "mae": "Mean absolute error"}


class Mean(Struct, frozen=True):
    """A mean and its standard error."""

    value: float
    error: float


def rows_of(metric: str, table: GroupMeans, at: int) -> float:
    """Rows behind a metric in one group, or the sum of their weights."""
    return float((table.rows if metric == "mean_prediction" else table.labelled)[at])


def mean_of(metric: str, table: GroupMeans, at: int, squares: GroupMeans | None = None) -> Mean | None:
    """The mean of one group; None for no rows. `squares` is the table of the squares of weights where the other is by weight."""
    prediction = metric == "mean_prediction"
    rows = rows_of(metric, table, at)
    if rows <= 0:
        return None

    def sums(of: GroupMeans) -> tuple[float, float]:
        totals = (of.prediction, of.prediction_squares) if prediction else (of.absolute, of.absolute_squares)
        return float(totals[0][at]), float(totals[1][at])

    total, of_squares = (one / rows for one in sums(table))
    variance = max(of_squares - total * total, 0.0) / rows
    if squares is not None:
        plain, squared = sums(squares)
        spread = squared - 2 * total * plain + total * total * rows_of(metric, squares, at)
        variance = max(spread, 0.0) / rows**2
    return Mean(total + table.centre if prediction else total, math.sqrt(variance))


def regression_fairness(
    table: GroupMeans, *, min_group_rows: int = 30, weighted: tuple[GroupMeans, GroupMeans] | None = None
) -> tuple[Reading, ...]:
    """Means by group, then greatest - least and least / greatest over the groups that are large enough.

    `weighted` are the same groups by weight and by its square: then the means are weighted, and rows decide which groups are large enough.
    """
    readings = []
    amounts, squares = (table, None) if weighted is None else weighted
    for metric in METRICS:
        held = []
        for at, group in enumerate(table.groups):
            rows, mean = int(rows_of(metric, table, at)), mean_of(metric, amounts, at, squares)
            if rows == 0 or rows < min_group_rows:
                value = untested("no rows" if rows == 0 else f"too small: {rows:,} rows, fewer than {min_group_rows}")
            elif mean is None:
                value = untested(NO_WEIGHT)
            else:
                held.append(mean)
                value = measured(mean.value, mean.error)
            readings.append(Reading(metric=metric, measurement=value, group=group))
        for suffix, compare in COMPARISONS.items():
            few = "fewer than two groups can be compared"
            measurement = compare(held) if len(held) > 1 else untested(few)
            readings.append(Reading(metric=metric + suffix, measurement=measurement))
    return tuple(readings)


def difference(means: list[Mean]) -> Measurement:
    """Greatest minus least mean, in the unit of the target."""
    most, least = max(means, key=lambda one: one.value), min(means, key=lambda one: one.value)
    return measured(most.value - least.value, math.hypot(most.error, least.error), least=0.0)


def ratio(means: list[Mean]) -> Measurement:
    """Least over greatest mean, interval on the log scale; it needs means above 0."""
    most, least = max(means, key=lambda one: one.value), min(means, key=lambda one: one.value)
    if least.value <= 0:
        return untested("a group's mean is 0 or less")
    value = least.value / most.value
    relative = math.hypot(least.error / least.value, most.error / most.value)
    reach = math.exp(Z * relative)
    return Measurement(value, None, 0.0, value * relative, value / reach, min(1.0, value * reach))


COMPARISONS: dict[str, Callable[[list[Mean]], Measurement]] = {"_difference": difference, "_ratio": ratio}


def _definition(id: str, name: str, direction: Direction, least: float = 0.0, greatest: float = math.inf) -> Definition:
    return Definition(
        id=id,
        family=Family.FAIRNESS,
        name=name,
        direction=direction,
        range=(least, greatest),
        tasks=("regression",),
        needs_labels=id.startswith("mae"),
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("mean_prediction", "Mean prediction", Direction.NEITHER, -math.inf),
    _definition("mae", "Mean absolute error", Direction.LOWER),
    *(_definition(f"{metric}_difference", f"{name} difference", Direction.LOWER) for metric, name in METRICS.items()),
    *(_definition(f"{metric}_ratio", f"{name} ratio", Direction.HIGHER, 0.0, 1.0) for metric, name in METRICS.items()),
)
