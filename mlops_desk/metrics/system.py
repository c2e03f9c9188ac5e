"""How the service behind a model runs, from columns of its log: latency, throughput, and requests that it did not answer."""

from __future__ import annotations

import math
from datetime import datetime

from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import measured
from mlops_desk.metrics.performance import too_few
from mlops_desk.metrics.quality import rate
from mlops_desk.metrics.statistics import at_ranks

LATENCIES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
"""Metrics of latency, and the level of their quantile."""
THROUGHPUT, ERROR_RATE = "throughput_per_s", "error_rate"
NEGATIVE = "the quantile is negative: a latency cannot be, so clocks disagree or the column holds something else"


def latency(table: ValueTable, level: float, reference: ValueTable, *, min_rows: int = 30) -> Measurement:
    """A quantile of the latency column, in its own unit (milliseconds), linear between order statistics.

    Parameters
    ----------
    table, reference : the column in the chunk and in the reference. level : of the quantile, 0.95 for p95.

    Returns
    -------
    Measurement
        x[k] + (h - k)(x[k+1] - x[k]) with h = (n - 1)·level and k = ⌊h⌋, over the n finite values (numpy's default). Of a table of cells
        with the greatest error that its cells allow. The sampling error is a quarter of the distance between the order statistics
        two binomial standard deviations of the rank on either side. Range [0, ∞), lower is better.

    Notes
    -----
    NULL, NaN and infinite latencies are left out; untested for fewer finite ones than `min_rows`, and where the quantile is negative.
    Source: Hyndman and Fan, The American Statistician 50 (1996), type 7.

    Examples
    --------
    >>> table = ValueTable(values=np.array([10.0, 20.0, 30.0]), counts=np.array([10, 10, 20]))
    >>> latency(table, 0.5, table).value
    25.0
    """
    few = too_few(table.n, min_rows, "rows with a latency")
    if few:
        return untested(few)
    value, bound = _quantile(table, level, reference)
    if value < 0:
        return untested(NEGATIVE)
    reach = 2 * math.sqrt(table.n * level * (1 - level))
    place = (table.n - 1) * level
    ranks = max(math.floor(place - reach), 0), min(math.ceil(place + reach), table.n - 1)
    lower, upper = (at_ranks(table, [rank], reference)[0] for rank in ranks)
    return measured(value, max(upper - lower, 0.0) / 4, bound=bound, least=0.0)


def _quantile(table: ValueTable, level: float, reference: ValueTable) -> tuple[float, float]:
    """A quantile and by how much it may be off."""
    place = (table.n - 1) * level
    below = math.floor(place)
    share = place - below
    left, left_bound = at_ranks(table, [below], reference)
    right, right_bound = at_ranks(table, [min(below + 1, table.n - 1)], reference)
    value = left + (right - left) * share if share < 0.5 else right - (right - left) * (1 - share)
    return value, left_bound * (1 - share) + right_bound * share


def throughput(count: int, start: datetime | None, end: datetime | None) -> Measurement:
    """Rows a second from `start` to `end`; untested where no time lies between them. Range [0, ∞), the error that of a Poisson count."""
    if start is None or end is None or end <= start:
        return untested("the chunk has no length in time")
    seconds = (end - start).total_seconds()
    return measured(count / seconds, math.sqrt(count) / seconds, least=0.0)


def error_rate(unanswered: int, rows: int, min_rows: int = 30) -> Measurement:
    """Share of rows that the model gave no usable answer to: some output that it logs is NULL, NaN or infinite.

    Outputs are the prediction where one is logged, else the score, or the scores of all classes. Range [0, 1], lower is better; Wilson's
    interval. A log that leaves failed requests out has none to show.
    """
    return rate(unanswered, rows, min_rows)


def _definition(id: str, name: str, direction: Direction, greatest: float = math.inf) -> Definition:
    return Definition(id=id, family=Family.SYSTEM, name=name, direction=direction, range=(0.0, greatest))


DEFINITIONS: tuple[Definition, ...] = (
    _definition("latency_p50", "Median latency, ms", Direction.LOWER),
    _definition("latency_p95", "95 % of latencies below, ms", Direction.LOWER),
    _definition("latency_p99", "99 % of latencies below, ms", Direction.LOWER),
    _definition(THROUGHPUT, "Rows a second", Direction.NEITHER),
    _definition(ERROR_RATE, "Rows without an answer", Direction.LOWER, 1.0),
)
