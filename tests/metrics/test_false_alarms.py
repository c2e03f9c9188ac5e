"""False alarms of calibrated thresholds in simulated months without drift, on columns of a shipped sample: as many as the budget says.

Columns depend on one common factor of LEVELS equally likely values, given which they are independent: so the counts of a whole day are
drawn at once, and just as if its rows had been drawn one by one.
"""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import ndtr, ndtri

from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.metrics.binning import quantile_edges
from mlops_desk.metrics.divergence import SHARE_DISTANCES
from mlops_desk.metrics.null import null_limits
from mlops_desk.monitoring.calibrating import level
from tests.metrics.drift_tables import exact_table

SAMPLE = Path(__file__).parents[2] / "resources" / "samples" / "loans" / "reference.parquet"
NAMES = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
COLUMNS, DAYS, MONTHS, REFERENCES, LEVELS = 20, 30, 400, 10, 24
METRICS = ("jensen_shannon", "psi")
GRID = np.linspace(-8, 8, 40_001)


class Columns:
    """Twenty columns with the distributions of four of the sample, whose normal scores have a correlation."""

    def __init__(self, correlation: float) -> None:
        self.levels = ndtri((np.arange(LEVELS) + 0.5) / LEVELS) * np.sqrt(correlation)
        self.width = np.sqrt(1 - correlation)
        self.shares = ndtr((GRID[:, np.newaxis] - self.levels) / self.width).mean(axis=1)
        table = pq.read_table(SAMPLE, columns=list(NAMES))
        self.populations = [np.sort(table[name].to_numpy()) for name in NAMES]

    def population(self, column: int) -> np.ndarray:
        return self.populations[column % len(self.populations)]

    def rows(self, rng: np.random.Generator, rows: int) -> list[np.ndarray]:
        """Values of each column."""
        common = self.levels[rng.integers(0, LEVELS, rows)]
        found = []
        for column in range(COLUMNS):
            base = self.population(column)
            places = np.interp(common + self.width * rng.standard_normal(rows), GRID, self.shares)
            found.append(base[np.minimum((places * len(base)).astype(np.int64), len(base) - 1)])
        return found

    def days(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """(DAYS, LEVELS) rows of each day by level."""
        return rng.multinomial(n, np.full(LEVELS, 1 / LEVELS), size=DAYS)

    def counts(self, rng: np.random.Generator, column: int, edges: np.ndarray, days: np.ndarray) -> np.ndarray:
        """(DAYS, bins) rows of each day by bin."""
        base = self.population(column)
        reached = np.searchsorted(base, edges, side="left") / len(base)
        borders = np.interp(reached, self.shares, GRID)
        below = ndtr((borders - self.levels[:, np.newaxis]) / self.width)
        by_level = np.diff(below, prepend=0.0, append=1.0, axis=1)
        return rng.multinomial(days, by_level).sum(axis=1)


def alarms_a_month(n: int, correlation: float) -> float:
    """False alarms a month of a model with twenty columns and two drift metrics, daily chunks of n rows and a budget of one."""
    rng, columns = np.random.default_rng((n, int(10 * correlation))), Columns(correlation)
    chunks = [
        Chunk(split=Split.REFERENCE, key=str(day), index=day, start=None, end=None, rows=n) for day in range(DAYS)
    ]
    alpha = level(1.0, chunks, 24.0, COLUMNS * len(METRICS), 10.0).alpha
    beyond = 0
    for _ in range(REFERENCES):
        watched = []
        for column, rows in enumerate(columns.rows(rng, DAYS * n)):
            for metric in METRICS:
                edges = quantile_edges(exact_table(rows), SHARE_DISTANCES[metric].parts)
                bins = np.searchsorted(edges, rows, side="right").reshape(DAYS, n)
                days = np.array([np.bincount(day, minlength=len(edges) + 1) for day in bins])
                [limits] = null_limits(metric, days.sum(axis=0), [n], alpha=alpha, reference_chunks=days)
                watched.append((column, metric, edges, days.sum(axis=0), limits.upper))
        for _ in range(MONTHS // REFERENCES):
            days = columns.days(rng, n)
            for column, metric, edges, whole, limit in watched:
                values = SHARE_DISTANCES[metric].value(whole, columns.counts(rng, column, edges, days))
                beyond += int((values > limit).sum())
    return beyond / MONTHS


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.9])
@pytest.mark.parametrize("n", [100, 1_000, 10_000])
def test_false_alarms_a_month_are_the_budget(n: int, correlation: float) -> None:
    assert 0.5 <= alarms_a_month(n, correlation) <= 1.5
