"""Calibrated limits: as many false alarms as asked for, at every chunk size, and enough power."""

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats as sps
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.domain.metric import Convention
from mlops_desk.metrics import null
from mlops_desk.metrics.binning import quantile_edges
from mlops_desk.metrics.contingency import chi_squared
from mlops_desk.metrics.divergence import SHARE_DISTANCES
from mlops_desk.metrics.univariate import binned, categorical_drift, numeric_drift
from tests.metrics.drift_tables import category_table, cell_table, exact_table

DESK = Convention.DESK


def values_of(metric: str, reference: np.ndarray, chunks: np.ndarray) -> np.ndarray:
    if metric == "chi_squared":
        return chi_squared(reference, chunks)[0]
    return SHARE_DISTANCES[metric].value(reference, chunks)


def quantile_counts(rng: np.random.Generator, rows: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of a normal reference in its own quantile bins, and the true shares of those bins."""
    values = rng.normal(size=rows)
    edges = np.quantile(values, np.arange(1, parts) / parts)
    shares = np.diff(sps.norm.cdf(edges), prepend=0, append=1)
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=parts), shares


def alarms(metric: str, parts: int, n: int, alpha: float, references: int, chunks: int, shift: float = 0.0) -> float:
    """The share of chunks beyond their limit, over many references of 30 chunks of a normal column."""
    rng = np.random.default_rng([n, parts])
    beyond = 0
    for seed in range(references):
        counts, shares = quantile_counts(rng, 30 * n, parts)
        [limits] = null.null_limits(metric, counts, [n], alpha=alpha, seed=str(seed))
        beyond += int((values_of(metric, counts, rng.multinomial(n, shares, size=chunks)) > limits.upper).sum())
    return beyond / references / chunks


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
@pytest.mark.parametrize(
    ("metric", "parts"), [("psi", 10), ("jensen_shannon", 20), ("hellinger", 20), ("total_variation", 10)]
)
def test_false_alarms_are_as_many_as_asked_for(metric: str, parts: int, n: int) -> None:
    alpha = 0.002
    measured = alarms(metric, parts, n, alpha, references=20, chunks=4_000)  # 160 alarms expected
    assert 0.6 * alpha < measured < 1.4 * alpha


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 1_000, 10_000])
@pytest.mark.parametrize(("metric", "parts"), [("psi", 10), ("jensen_shannon", 20)])
def test_false_alarms_far_out_in_the_tail(metric: str, parts: int, n: int) -> None:
    alpha = 1e-4
    measured = alarms(metric, parts, n, alpha, references=40, chunks=20_000)  # 80 alarms expected
    assert 0.4 * alpha < measured < 1.8 * alpha


@pytest.mark.parametrize("metric", ["psi", "jensen_shannon", "chi_squared", "l_infinity"])
@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.6, 0.399, 0.001], [1 / 1.5**i for i in range(1, 16)]])
def test_false_alarms_of_categories(metric: str, shares: list[float]) -> None:
    rng = np.random.default_rng(2)
    p, n, alpha, beyond = np.array(shares) / sum(shares), 1_000, 0.005, 0
    for seed in range(20):
        counts = rng.multinomial(30 * n, p)
        [limits] = null.null_limits(metric, counts, [n], alpha=alpha, seed=str(seed))
        beyond += int((values_of(metric, counts, rng.multinomial(n, p, size=2_000)) > limits.upper).sum())
    assert 0.5 * alpha < beyond / 40_000 < 1.5 * alpha


@pytest.mark.parametrize("make", ["exact", "cells"])
@pytest.mark.parametrize("metric", ["kolmogorov_smirnov", "wasserstein"])
def test_false_alarms_of_distribution_functions(metric: str, make: str) -> None:
    rng = np.random.default_rng(3)
    alpha, beyond, judged = 0.05, 0, 0
    for seed in range(6):
        raw = rng.normal(size=6_000)
        table = (
            exact_table if make == "exact" else lambda rows: cell_table(rows, lambda v: np.floor(v * 30).astype(int))
        )
        reference, chunks = table(raw), [table(rng.normal(size=200)) for _ in range(150)]
        bins = binned(metric, DESK, reference, chunks)
        [limits] = null.null_limits(
            metric, bins.reference, [200], alpha=alpha, positions=bins.positions, spread=bins.spread, seed=str(seed)
        )
        values = np.array([one.value for one in numeric_drift(metric, DESK, reference, chunks)])
        beyond, judged = beyond + int((values > limits.upper).sum()), judged + len(values)
    assert 0.5 * alpha < beyond / judged < 1.5 * alpha


def test_categories_that_the_reference_has_missed_are_expected() -> None:
    rng, n, alpha = np.random.default_rng(9), 100, 0.01
    for categories, power in ((80, 2.0), (600, 1.4)):
        p = 1.0 / np.arange(1, categories + 1) ** power
        p, beyond = p / p.sum(), 0
        for seed in range(10):
            counts = rng.multinomial(20 * n, p)
            assert (counts == 0).any()
            [limits] = null.null_limits("jensen_shannon", counts, [n], alpha=alpha, seed=str(seed))
            values = values_of("jensen_shannon", counts, rng.multinomial(n, p, size=1_000))
            beyond += int((values > limits.upper).sum())
        assert 0.4 * alpha < beyond / 10_000 < 1.6 * alpha


def test_power_against_a_small_shift() -> None:
    """Against 0.2 σ at 1,000 rows: that of the test of Kolmogorov and Smirnov, and less with bins, which look for all kinds of drift."""
    rng, n, alpha, repetitions = np.random.default_rng(4), 1_000, 0.002, 100
    metrics = ("kolmogorov_smirnov", "wasserstein", "psi", "jensen_shannon")
    found, by_test = dict.fromkeys(metrics, 0), 0
    for repetition in range(repetitions):
        if repetition % 25 == 0:
            raw = rng.normal(size=10_000)
            reference, limits = exact_table(raw), {}
            for metric in metrics:
                bins = binned(metric, DESK, reference, [])
                [limits[metric]] = null.null_limits(
                    metric, bins.reference, [n], alpha=alpha, positions=bins.positions, spread=bins.spread
                )
        shifted = rng.normal(0.2, 1, n)
        chunk = exact_table(shifted)
        for metric in metrics:
            found[metric] += numeric_drift(metric, DESK, reference, [chunk])[0].value > limits[metric].upper
        by_test += sps.ks_2samp(raw, shifted, method="asymp").pvalue < alpha
    assert found["kolmogorov_smirnov"] >= by_test - 2
    assert found["wasserstein"] >= by_test
    assert found["psi"] >= 0.9 * by_test
    assert found["jensen_shannon"] >= 0.7 * by_test


def dirichlet_chunks(rng: np.random.Generator, shares: np.ndarray, n: int, chunks: int, variance: float) -> np.ndarray:
    correlation = (variance - 1) / (n - 1)
    return rng.multinomial(n, rng.dirichlet(shares * (1 - correlation) / correlation, size=chunks))


def test_variation_of_reference_chunks_widens_the_limits() -> None:
    rng, n, alpha = np.random.default_rng(5), 500, 0.01
    shares, beyond, blind = np.full(10, 0.1), 0, 0
    for seed in range(15):
        reference = dirichlet_chunks(rng, shares, n, 60, 2.5)
        counts, later = reference.sum(axis=0), dirichlet_chunks(rng, shares, n, 1_000, 2.5)
        values = values_of("psi", counts, later)
        [limits] = null.null_limits("psi", counts, [n], alpha=alpha, reference_chunks=reference, seed=str(seed))
        [narrow] = null.null_limits("psi", counts, [n], alpha=alpha, seed=str(seed))
        beyond, blind = beyond + int((values > limits.upper).sum()), blind + int((values > narrow.upper).sum())
    assert 0.4 * alpha < beyond / 15_000 < 1.6 * alpha
    assert blind / 15_000 > 10 * alpha


def test_intraclass_correlation_is_that_of_the_chunks() -> None:
    rng, shares = np.random.default_rng(6), np.array([0.4, 0.3, 0.2, 0.0999, 0.0001])
    measured = [null.intraclass_correlation(dirichlet_chunks(rng, shares, 400, 80, 3.0)) for _ in range(30)]
    assert np.mean(measured) == pytest.approx(2 / 399, rel=0.15)
    none = [null.intraclass_correlation(rng.multinomial(400, shares, size=30)) for _ in range(30)]
    assert np.mean(none) < 0.04 / 399
    assert null.intraclass_correlation(np.array([[10, 20]])) == 0.0
    assert null.intraclass_correlation(np.array([[10, 0], [20, 0], [0, 0]])) == 0.0


def test_variation_widens_both_samples_by_their_sizes() -> None:
    chunks, n = np.array([[300, 200], [180, 320], [260, 240], [1_700, 1_300]]), 800
    counts, sizes = chunks.sum(axis=0), chunks.sum(axis=1)
    correlation = null.intraclass_correlation(chunks)
    of_chunk = (1 + (n - 1) * correlation) / n
    of_reference = (1 + correlation * ((sizes**2).sum() / sizes.sum() - 1)) / sizes.sum()
    wider = (of_chunk + of_reference) / (1 / n + 1 / sizes.sum())
    for metric, power in (("psi", 1.0), ("jensen_shannon", 0.5)):
        [plain] = null.null_limits(metric, counts, [n], alpha=0.01)
        [widened] = null.null_limits(metric, counts, [n], alpha=0.01, reference_chunks=chunks)
        assert widened.upper / plain.upper == pytest.approx(wider**power)


def test_smooth_variation_along_a_column_is_seen_in_fine_bins() -> None:
    rng = np.random.default_rng(7)
    edges = sps.norm.ppf(np.arange(1, 256) / 256)
    chunks = np.array(
        [np.bincount(np.searchsorted(edges, rng.normal(0.15 * rng.normal(), 1, 500)), minlength=256) for _ in range(60)]
    )
    fine, coarse = null.intraclass_correlation(chunks), null.intraclass_correlation(chunks, ordered=True)
    assert coarse > 3 * fine


@settings(max_examples=20)
@given(counts=st.lists(st.integers(0, 4000), min_size=2, max_size=12), n=st.integers(1, 10**7))
def test_limits_are_finite_ordered_and_repeatable(counts: list[int], n: int) -> None:
    if sum(counts) == 0:
        counts[0] = 1
    counts = np.array(counts)
    for metric in SHARE_DISTANCES:
        null._limits_at.cache_clear()
        [one] = null.null_limits(metric, counts, [n], alpha=0.001, warn_alpha=0.01)
        assert 0 <= one.warn_upper <= one.upper < math.inf
        null._limits_at.cache_clear()
        null._draws.cache_clear()
        assert null.null_limits(metric, counts, [n, 50, n], alpha=0.001, warn_alpha=0.01)[::2] == [one, one]


def test_limits_shrink_with_the_size_of_chunks() -> None:
    counts = np.full(20, 5_000)
    sizes = [40, 100, 300, 1_000, 1_024, 3_000, 10_000, 50_000]
    for metric in (*SHARE_DISTANCES, "kolmogorov_smirnov"):
        limits = [one.upper for one in null.null_limits(metric, counts, sizes, alpha=0.001)]
        assert (np.diff(limits) < 0).all(), metric
    reference_of_one_bin = null.null_limits("psi", np.array([500]), [100], alpha=0.001)
    assert reference_of_one_bin[0].upper == 0.0


def test_limits_far_out_agree_with_the_chi_squared_limit() -> None:
    for alpha in (0.01, 0.001, 1e-4):
        [limits] = null.null_limits("chi_squared", np.full(8, 100_000), [8_192], alpha=alpha)
        assert sps.chi2.sf(limits.upper, 7) == pytest.approx(alpha, rel=0.45)


def test_limits_of_kolmogorov_smirnov_are_those_of_the_continuous_statistic() -> None:
    counts, spread, alpha, n = np.full(256, 400), np.ones(256, dtype=bool), 0.02, 4_096
    limits = [
        null.null_limits("kolmogorov_smirnov", counts, [n], alpha=alpha, spread=spread, seed=str(seed))[0].upper
        for seed in range(6)
    ]
    expected = sps.kstwobign.isf(alpha) * math.sqrt(1 / n + 1 / counts.sum())
    assert np.mean(limits) == pytest.approx(expected, rel=0.012)


@pytest.mark.parametrize("shape", [0.3, 1.0, 2.0, 9.5, 80.0, 1600.0])
@pytest.mark.parametrize("level", [0.1, 0.01, 1e-4, 1e-7])
def test_gamma_quantile(shape: float, level: float) -> None:
    assert null._gamma_quantile(shape, level) == pytest.approx(sps.gamma.isf(level, shape), rel=1e-6)


def test_log_gamma() -> None:
    z = np.array([1e-6, 0.01, 0.5, 1.0, 3.7, 1e3, 1e8])
    assert null._log_gamma(z) == pytest.approx([math.lgamma(one) for one in z], rel=1e-11, abs=1e-11)


def test_bins_are_those_of_the_metric() -> None:
    rng = np.random.default_rng(8)
    reference, chunk = exact_table(rng.normal(size=500)), exact_table(rng.normal(0.5, 1, 300))
    for metric, distance in SHARE_DISTANCES.items():
        for convention in (DESK, Convention.NANNYML):
            bins = binned(metric, convention, reference, [chunk])
            [found] = numeric_drift(metric, convention, reference, [chunk])
            assert distance.value(bins.reference, bins.chunks)[0] == found.value
    words, later = category_table(["a", "b", "b"] * 30), category_table(["a", "b", "c", "d"] * 10)
    for metric, distance in SHARE_DISTANCES.items():
        for convention in (DESK, Convention.NANNYML):
            bins = binned(metric, convention, words, [later])
            [found] = categorical_drift(metric, convention, words, [later])
            assert distance.value(bins.reference, bins.chunks)[0] == found.value
    with pytest.raises(ValueError, match="Evidently"):
        binned("psi", Convention.EVIDENTLY, reference, [chunk])
    assert len(quantile_edges(reference, 20)) == 19


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(KeyError):
        null.null_limits("energy", np.array([10, 20]), [100], alpha=0.01)
    with pytest.raises(ValueError, match="between 0 and 1"):
        null.null_limits("psi", np.array([10, 20]), [100], alpha=0.0)
    with pytest.raises(ValueError, match="rows"):
        null.null_limits("psi", np.array([0, 0]), [100], alpha=0.01)
    with pytest.raises(ValueError, match="positions"):
        null.null_limits("wasserstein", np.array([10, 20]), [100], alpha=0.01)


def test_the_recommended_drift_metrics_and_their_limits_need_no_scipy() -> None:
    program = """
import sys, numpy as np
from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.null import null_limits
from mlops_desk.metrics.univariate import binned, numeric_drift
table = ValueTable(values=np.arange(100.0), counts=np.full(100, 5))
for metric in ("psi", "jensen_shannon", "mean", "kolmogorov_smirnov"):
    numeric_drift(metric, Convention.DESK, table, [table])
bins = binned("psi", Convention.DESK, table, [table])
null_limits("psi", bins.reference, [500], alpha=0.001, reference_chunks=bins.chunks)
print(sorted(name for name in sys.modules if name.split(".")[0] in ("scipy", "_duckdb", "duckdb", "pyarrow", "pandas")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
