"""Fairness of a regression: mean prediction and mean absolute error by protected group, and how far groups are apart."""

from __future__ import annotations

import math
from collections.abc import Callable

from msgspec import Struct

from mlops_desk.aggregates.tables import GroupMeans
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import Z, measured
from mlops_desk.metrics.readings import Reading

METRICS = {"mean_prediction": "Mean prediction", "mae": "Mean absolute error"}


class Mean(Struct, frozen=True):
    """A mean and its standard error."""

    value: float
    error: float


def mean_of(metric: str, table: GroupMeans, at: int | slice) -> tuple[int, Mean | None]:
    """Rows behind a metric in one group or in all of them, and its mean; None for no rows."""
    prediction = metric == "mean_prediction"
    rows = int((table.rows if prediction else table.labelled)[at].sum())
    if rows == 0:
        return 0, None
    total = float((table.prediction if prediction else table.absolute)[at].sum()) / rows
    squares = float((table.prediction_squares if prediction else table.absolute_squares)[at].sum()) / rows
    error = math.sqrt(max(squares - total**2, 0.0) / rows)
    return rows, Mean(total + table.centre if prediction else total, error)


def regression_fairness(table: GroupMeans, *, min_group_rows: int = 30) -> tuple[Reading, ...]:
    """Means by group, then greatest - least and least / greatest over the groups that are large enough."""
    readings = []
    for metric in METRICS:
        held = []
        for at, group in enumerate(table.groups):
            rows, mean = mean_of(metric, table, at)
            if mean is None or rows < min_group_rows:
                value = untested("no rows" if rows == 0 else f"too small: {rows:,} rows, fewer than {min_group_rows}")
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
