"""Standard errors and 95 % intervals of proportions, of their differences and of their ratios.

Counts may be fractions of rows, since the estimates made before labels arrive count rows by their probability, or sums of weights. Of these
the squares are told, too: the linearised variance of a weighted share, Σw²(h - p)² / (Σw)², is that of so many rows of weight 1 (Korn and
Graubard, Survey Methodology 24, 1998), and all errors and intervals are of that many.
"""

from __future__ import annotations

import math
from functools import lru_cache

from msgspec import Struct

from mlops_desk.domain.metric import Measurement, untested

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


class Rate(Struct, frozen=True):
    """`hits` out of `rows` rows, rows > 0; of sums of weights, `hit_squares` and `miss_squares` are the sums of their squares."""

    hits: float
    rows: float
    hit_squares: float | None = None
    miss_squares: float | None = None

    @property
    def value(self) -> float:
        """The share of hits, in [0, 1]."""
        return self.hits / self.rows

    @property
    def size(self) -> float:
        """As many rows of weight 1 would be as sure of the share; `rows` where rows count once."""
        if self.hit_squares is None or self.miss_squares is None or self.hit_squares + self.miss_squares <= 0:
            return self.rows
        share = self.value
        if 0 < share < 1:
            spread = self.hit_squares * (1 - share) ** 2 + self.miss_squares * share**2
            return share * (1 - share) * self.rows**2 / spread
        return self.rows**2 / (self.hit_squares + self.miss_squares)

    @property
    def standard_error(self) -> float:
        """√(p(1-p)/n); where no or every row is a hit, that of (hits + ½)/(rows + 1), so that it is never 0."""
        share, size = self.value, self.size
        if share <= 0 or share >= 1:
            share = (share * size + 0.5) / (size + 1)
        return math.sqrt(share * (1 - share) / size)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval (1927); it holds the value and lies in [0, 1]."""
        share, size = self.value, self.size
        weight = Z * Z / size
        centre = (share + weight / 2) / (1 + weight)
        half = Z / (1 + weight) * math.sqrt(max(share * (1 - share), 0.0) / size + weight / (4 * size))
        return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


@lru_cache(maxsize=4096)  # small chunks have the same few counts again and again
def proportion(
    hits: float, rows: float, hit_squares: float | None = None, miss_squares: float | None = None
) -> Measurement:
    """A share with its standard error and Wilson's interval; rows > 0, and as in Rate."""
    rate = Rate(float(hits), float(rows), hit_squares, miss_squares)
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


def told(rate: Rate) -> Measurement:
    """A share with its standard error and Wilson's interval."""
    return proportion(rate.hits, rate.rows, rate.hit_squares, rate.miss_squares)


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
