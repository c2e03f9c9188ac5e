"""Values from cells lie within their error bound of the exact ones, on whatever the cells hold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstwo

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.binning import counts_by_edges, quantile_edges
from mlops_desk.metrics.divergence import jensen_shannon
from mlops_desk.metrics.univariate import numeric_drift
from tests.metrics.drift_tables import cell_table, exact_table, scanned_table

BOUNDED = ("kolmogorov_smirnov", "wasserstein", "energy", "cramer_von_mises", "mann_whitney", "median", "median_shift")
EXACT_ON_CELLS = ("mean", "std", "sum", "min", "max", "mean_shift", "std_ratio", "t_test", "t_test_p")
UNBOUNDED = ("anderson_darling", "anderson_darling_p", "epps_singleton", "mann_whitney_p", "cramer_von_mises_p")


def floor_cells(width: float):
    return lambda values: np.clip(np.floor(values / width), -1000, 1000).astype(np.int64)


SHAPES = {
    "smooth": lambda rng, n: rng.normal(rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.2), n),
    "one cell": lambda rng, n: rng.uniform(0.001, 0.249, n),
    "spikes on edges": lambda rng, n: rng.choice([-0.5, 0.0, 0.25, 0.25 - 1e-12, 1.0], n),
    "spikes and smooth": lambda rng, n: np.where(rng.random(n) < 0.4, 0.25, rng.normal(0, 1, n)),
    "pareto": lambda rng, n: rng.pareto(rng.uniform(0.7, 1.5), n),
    "close pair": lambda rng, n: 0.1 + 1e-9 * (rng.random(n) < rng.uniform(0.1, 0.9)),
    "few values": lambda rng, n: rng.integers(0, 4, n) * 0.1,
    "far away": lambda rng, n: rng.normal(1e9, 1.0, n),
    "enormous": lambda rng, n: 1e200 * rng.normal(0, 1.0, n),
    "on the grid of doubles": lambda rng, n: rng.normal(1e12, 1.0, n),
}


def both_ways(seed: int, shape: str, other: str, n: int, m: int, width: float):
    """Exact tables, and cell tables of this width, or of the map that a scan fits where it is 0."""
    rng = np.random.default_rng(seed)
    reference, chunk = SHAPES[shape](rng, n), SHAPES[other](rng, m)
    if width:
        cells = floor_cells(width)
        coarse = cell_table(reference, cells), cell_table(chunk, cells)
    else:
        fitted = fitted_map(reference, float(reference.min()), float(reference.max()))
        coarse = scanned_table(reference, fitted), scanned_table(chunk, fitted)
    return (exact_table(reference), exact_table(chunk)), coarse


any_shape = st.sampled_from(sorted(SHAPES))
resolved = st.sampled_from(sorted(SHAPES.keys() - {"on the grid of doubles", "enormous"}))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=any_shape,
    other=any_shape,
    n=st.integers(30, 300),
    m=st.integers(30, 200),
    width=st.sampled_from([0.0, 0.05, 0.25, 1.0, 5.0]),
)
def test_bounds_hold(seed: int, shape: str, other: str, n: int, m: int, width: float) -> None:
    exact, cells = both_ways(seed, shape, other, n, m, width)
    for metric in BOUNDED:
        for convention in (Convention.DESK, Convention.NANNYML):
            [true] = numeric_drift(metric, convention, exact[0], [exact[1]])
            [found] = numeric_drift(metric, convention, cells[0], [cells[1]])
            if true.value is None or found.value is None:
                assert true.reason == found.reason
                continue
            assert true.error_bound == 0
            slack = 1e-9 * max(abs(true.value), abs(found.value), 1e-6)
            assert abs(found.value - true.value) <= found.error_bound + slack, (metric, found, true)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), shape=resolved, width=st.sampled_from([0.05, 0.25, 1.0]))
def test_moments_are_exact_on_cells(seed: int, shape: str, width: float) -> None:
    exact, cells = both_ways(seed, shape, shape, 200, 150, width)
    for metric in EXACT_ON_CELLS:
        [true] = numeric_drift(metric, Convention.DESK, exact[0], [exact[1]])
        [found] = numeric_drift(metric, Convention.DESK, cells[0], [cells[1]])
        if true.value is None:
            continue
        assert found.error_bound == 0
        digits_lost = {"close pair": 1e-4, "far away": 1e-5}.get(shape, 1e-9)  # by the values themselves
        assert found.value == pytest.approx(true.value, rel=digits_lost, abs=digits_lost), metric


@pytest.mark.parametrize("metric", UNBOUNDED)
def test_what_has_no_bound_is_untested_on_cells(metric: str) -> None:
    _, cells = both_ways(1, "smooth", "smooth", 300, 200, 0.25)
    [found] = numeric_drift(metric, Convention.DESK, cells[0], [cells[1]])
    assert found.value is None
    assert "exact = true" in found.reason


@pytest.mark.parametrize("metric", ["jensen_shannon", "psi", "hellinger", "kl_divergence"])
def test_conventions_of_other_tools_ask_for_exact_bins(metric: str) -> None:
    _, cells = both_ways(1, "smooth", "smooth", 300, 200, 0.25)
    [found] = numeric_drift(metric, Convention.EVIDENTLY, cells[0], [cells[1]])
    assert found.value is None
    assert "exact = true" in found.reason


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), shape=resolved, width=st.sampled_from([0.05, 0.25]))
def test_quantile_bins_of_cells_begin_where_cells_begin(seed: int, shape: str, width: float) -> None:
    rng = np.random.default_rng(seed)
    reference, chunk = SHAPES[shape](rng, 400), SHAPES[shape](rng, 300)
    cells = floor_cells(width)
    tables = cell_table(reference, cells), cell_table(chunk, cells)
    [found] = numeric_drift("jensen_shannon", Convention.DESK, tables[0], [tables[1]])
    edges = quantile_edges(tables[0], 20)
    if len(edges) == 0:
        assert "exact = true" in found.reason
        return
    p, q = (
        np.bincount(np.searchsorted(edges, cells(rows), side="right"), minlength=len(edges) + 1)
        for rows in (reference, chunk)
    )
    assert (p == counts_by_edges(tables[0], edges)).all()
    assert p.min() > 0
    assert found.value == pytest.approx(float(jensen_shannon(p, q[np.newaxis])[0]), abs=1e-12)


def test_cells_come_close_on_smooth_data() -> None:
    rng = np.random.default_rng(5)
    reference, chunks = rng.normal(size=200_000), [rng.normal(0.05 * shift, 1, 20_000) for shift in range(3)]
    fitted = fitted_map(reference, float(reference.min()), float(reference.max()))
    exact = [exact_table(reference), *(exact_table(rows) for rows in chunks)]
    coarse = [scanned_table(reference, fitted), *(scanned_table(rows, fitted) for rows in chunks)]
    most = {"kolmogorov_smirnov": 0.02, "wasserstein": 0.02, "energy": 0.02, "median": 0.04}
    for metric, bound in most.items():
        true = numeric_drift(metric, Convention.DESK, exact[0], exact[1:])
        found = numeric_drift(metric, Convention.DESK, coarse[0], coarse[1:])
        for one, other in zip(true, found, strict=True):
            assert abs(one.value - other.value) <= other.error_bound <= bound, metric
    for metric in ("jensen_shannon", "psi"):
        true = numeric_drift(metric, Convention.DESK, exact[0], exact[1:])
        found = numeric_drift(metric, Convention.DESK, coarse[0], coarse[1:])
        assert [one.value for one in found] == pytest.approx([one.value for one in true], rel=0.25, abs=1e-4)


def test_cells_of_one_value_each_leave_no_doubt_about_the_median() -> None:
    rng = np.random.default_rng(7)
    whole = rng.poisson(20, 20_000).astype(float)
    table = scanned_table(whole, fitted_map(whole, whole.min(), whole.max()))
    [found] = numeric_drift("median", Convention.DESK, table, [table])
    assert abs(found.value - 20) <= found.error_bound < 1e-3


def test_a_large_shift_leaves_no_doubt_about_the_area() -> None:
    rng = np.random.default_rng(6)
    cells = floor_cells(0.25)
    tables = cell_table(rng.normal(0, 1, 5000), cells), cell_table(rng.normal(30, 1, 5000), cells)
    for metric in ("wasserstein", "kolmogorov_smirnov", "mann_whitney"):
        [found] = numeric_drift(metric, Convention.DESK, tables[0], [tables[1]])
        assert found.error_bound < 1e-9
    assert math.isclose(found.value, 0.0, abs_tol=1e-9)


def test_a_p_value_of_cells_is_within_its_bound_of_the_exact_one() -> None:
    rng = np.random.default_rng(3)
    n, short = 12_000, 0
    for seed in range(6):
        reference, chunk = rng.normal(0, 1, n), np.random.default_rng(seed).normal(0.005 * seed, 1, n)
        for width in (0.02, 0.1):
            tables = [cell_table(one, floor_cells(width)) for one in (reference, chunk)]
            exact = [exact_table(one) for one in (reference, chunk)]
            [true] = numeric_drift("kolmogorov_smirnov_p", Convention.DESK, exact[0], [exact[1]])
            [found] = numeric_drift("kolmogorov_smirnov_p", Convention.DESK, tables[0], [tables[1]])
            assert abs(found.value - true.value) <= found.error_bound + 1e-9
            [gap] = numeric_drift("kolmogorov_smirnov", Convention.DESK, tables[0], [tables[1]])
            least = kstwo.sf(max(gap.value - gap.error_bound, 0.0), round(n / 2))
            assert found.value + found.error_bound >= least - 1e-12, "D may be smaller than the cells say, too"
            short += least > found.value
    assert short
