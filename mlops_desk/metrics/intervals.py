"""Standard errors and 95 % intervals of proportions, of their differences and of their ratios.

Counts may be fractions of rows, since the estimates made before labels arrive count rows by their probability.
"""

from __future__ import annotations

import math
from functools import lru_cache

from msgspec import Struct

from mlops_desk.domain.metric import Measurement, untested

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


class Rate(Struct, frozen=True):
    """`hits` out of `rows` rows, rows > 0."""

    hits: float
    rows: float

    @property
    def value(self) -> float:
        """The share of hits, in [0, 1]."""
        return self.hits / self.rows

    @property
    def standard_error(self) -> float:
        """√(p(1-p)/n); where no or every row is a hit, that of (hits + ½)/(rows + 1), so that it is never 0."""
        share = self.value
        if share <= 0 or share >= 1:
            share = (self.hits + 0.5) / (self.rows + 1)
        return math.sqrt(share * (1 - share) / self.rows)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (1927); it holds the value and lies in [0, 1]."""
        share, weight = self.value, Z * Z / self.rows
        centre = (share + weight / 2) / (1 + weight)
        half = Z / (1 + weight) * math.sqrt(max(share * (1 - share), 0.0) / self.rows + weight / (4 * self.rows))
        return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


@lru_cache(maxsize=4096)  # small chunks have the same few counts again and again
def proportion(hits: float, rows: float) -> Measurement:
    """A share with its standard error and Wilson's interval; rows > 0."""
    rate = Rate(float(hits), float(rows))
    return Measurement(rate.value, None, 0.0, rate.standard_error, *rate.interval)


def measured(
    value: float,
    standard_error: float | None = None,
    *,
    bound: float = 0.0,
    least: float = -math.inf,
    greatest: float = math.inf,
) -> Measurement:
    """A value with its normal 95 % interval, cut to the range of the metric; untested where a sum ran over."""
    value = float(value)
    if not math.isfinite(value):
        return untested("the numbers are too large to add")
    if standard_error is None or not math.isfinite(standard_error):
        return Measurement(value, None, float(bound))
    reach = Z * float(standard_error)
    lower, upper = min(value, max(least, value - reach)), max(value, min(greatest, value + reach))
    return Measurement(value, None, float(bound), float(standard_error), lower, upper)


def difference_interval(first: Rate, second: Rate) -> tuple[float, float]:
    """Newcombe's hybrid score interval (1998, method 10) of first - second."""
    difference = first.value - second.value
    (low_1, high_1), (low_2, high_2) = first.interval, second.interval
    below = math.hypot(first.value - low_1, high_2 - second.value)
    above = math.hypot(high_1 - first.value, second.value - low_2)
    return difference - below, difference + above


def difference_error(first: Rate, second: Rate) -> float:
    """Standard error of first - second."""
    return math.hypot(first.standard_error, second.standard_error)


def ratio_interval(first: Rate, second: Rate) -> tuple[float, float]:
    """95 % interval of first / second: the Wilson limits of both recovered on the log scale (MOVER, Zou and Donner 2008).

    Where `first` has no hits the upper end is the quotient of the outer limits, which is wider. `second` must have hits; of so small
    a fraction of one that its lower limit is 0, the quotient has no upper end.
    """
    (low_1, high_1), (low_2, high_2) = first.interval, second.interval
    if first.hits <= 0 or low_1 <= 0 or low_2 <= 0:
        return 0.0, high_1 / low_2 if low_2 > 0 else math.inf
    ratio = first.value / second.value
    below = math.hypot(math.log(first.value / low_1), math.log(high_2 / second.value))
    above = math.hypot(math.log(high_1 / first.value), math.log(second.value / low_2))
    return ratio * math.exp(-below), ratio * math.exp(above)


def ratio_error(first: Rate, second: Rate) -> float:
    """Standard error of first / second by the delta method; `second` must have hits."""
    return math.hypot(first.standard_error, first.value / second.value * second.standard_error) / second.value
