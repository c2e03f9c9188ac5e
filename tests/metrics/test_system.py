"""Latency, throughput and errors by NumPy and by counting."""

import math
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.metrics import system
from tests.aggregates import oracle

NOON = datetime(2024, 5, 1, 12)
LEVELS = tuple(system.LATENCIES.values())
latencies = st.lists(st.floats(0, 1e6) | st.integers(0, 50).map(float), min_size=30, max_size=200)


@given(latencies, st.sampled_from(LEVELS))
def test_an_exact_quantile_is_numpys(values, level):
    table = oracle.exact(values)
    found = system.latency(table, level, table)
    assert found.value == pytest.approx(float(np.quantile(values, level)), rel=1e-12, abs=1e-300)
    assert found.error_bound == 0
    assert found.interval_lower <= found.value <= found.interval_upper


@given(latencies, st.sampled_from(LEVELS))
def test_a_quantile_of_cells_is_off_by_its_bound_at_most(values, level):
    cells = fitted_map(np.array(values), min(values), max(values))
    table = oracle.celled(values, lambda value: int(cells.cell_of(np.array([value]))[0]))
    found = system.latency(table, level, table)
    exact = float(np.quantile(values, level))
    assert abs(found.value - exact) <= found.error_bound + 1e-9 * max(values)


@given(latencies, latencies, st.sampled_from(LEVELS))
def test_tables_of_parts_add_up(some, others, level):
    both = oracle.exact(some) + oracle.exact(others)
    whole = oracle.exact([*others, *some])
    assert system.latency(both, level, whole) == system.latency(whole, level, whole)


def test_the_sampling_error_is_that_of_resampled_quantiles():
    rng = np.random.default_rng(5)
    tables = [oracle.exact(rng.lognormal(4, 0.6, 4000).tolist()) for _ in range(20)]
    for level in LEVELS:
        again = [np.quantile(rng.lognormal(4, 0.6, 4000), level) for _ in range(400)]
        errors = [system.latency(table, level, table).sampling_error for table in tables]
        assert np.mean(errors) == pytest.approx(np.std(again), rel=0.2)


def test_what_is_no_latency_is_left_out_and_what_cannot_be_is_untested():
    table = oracle.exact([*map(float, range(40)), None, math.nan, math.inf, -math.inf])
    assert system.latency(table, 0.5, table).value == 19.5
    few = oracle.exact([1.0, None, math.nan])
    assert system.latency(few, 0.5, few).reason == "1 rows with a latency, fewer than 30"
    none = ValueTable(values=np.zeros(0), counts=np.zeros(0, dtype=np.int64))
    assert system.latency(none, 0.5, none).value is None
    negative = oracle.exact([-5.0] * 40)
    assert system.latency(negative, 0.5, negative).reason == system.NEGATIVE
    odd = oracle.exact([-5.0, *[7.0] * 99])
    assert system.latency(odd, 0.95, odd).value == 7.0


def test_throughput_and_errors():
    assert system.throughput(7200, NOON, NOON + timedelta(hours=2)).value == 1.0
    assert system.throughput(7200, NOON, NOON + timedelta(hours=2)).sampling_error == pytest.approx(math.sqrt(1 / 7200))
    assert system.throughput(0, NOON, NOON + timedelta(hours=2)).value == 0
    for start, end in ((NOON, NOON), (NOON, None), (None, NOON)):
        assert system.throughput(9, start, end).reason == "the chunk has no length in time"
    assert system.error_rate(5, 100).value == 0.05
    assert system.error_rate(0, 0).reason == "no rows"
    assert system.error_rate(1, 10).reason == "10 rows, fewer than 30"
