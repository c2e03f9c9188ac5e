"""Each drift metric against SciPy, or against its formula written out on the raw rows."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats as sps
from scipy.spatial import distance

from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.series import NEEDS_EXACT
from mlops_desk.metrics.univariate import categorical_drift, few_numbers_drift, numeric_drift
from tests.metrics.drift_tables import category_table, cell_table, exact_table

SAMPLES = {
    "smooth": lambda rng: (rng.normal(0, 1, 700), rng.normal(0.3, 1.2, 400)),
    "ties": lambda rng: (rng.integers(0, 12, 500) * 0.5, rng.integers(2, 15, 300) * 0.5),
    "heavy": lambda rng: (rng.pareto(1.2, 600), rng.pareto(1.0, 900)),
    "spike": lambda rng: (
        np.where(rng.random(500) < 0.3, 0, rng.normal(size=500)),
        np.where(rng.random(500) < 0.5, 0, rng.normal(size=500)),
    ),
}
TESTS = {
    "kolmogorov_smirnov": lambda x, y: sps.ks_2samp(x, y).statistic,
    "kolmogorov_smirnov_p": lambda x, y: sps.ks_2samp(x, y).pvalue,
    "wasserstein": lambda x, y: sps.wasserstein_distance(x, y) / x.std(),
    "energy": lambda x, y: sps.energy_distance(x, y) / math.sqrt(x.std()),
    "cramer_von_mises": lambda x, y: sps.cramervonmises_2samp(x, y).statistic,
    "cramer_von_mises_p": lambda x, y: sps.cramervonmises_2samp(x, y).pvalue,
    "mann_whitney": lambda x, y: sps.mannwhitneyu(x, y).statistic,
    "mann_whitney_p": lambda x, y: sps.mannwhitneyu(x, y).pvalue,
    "t_test": lambda x, y: sps.ttest_ind(x, y, equal_var=False).statistic,
    "t_test_p": lambda x, y: sps.ttest_ind(x, y, equal_var=False).pvalue,
    "epps_singleton": lambda x, y: sps.epps_singleton_2samp(x, y).statistic,
    "epps_singleton_p": lambda x, y: sps.epps_singleton_2samp(x, y).pvalue,
    "mean": lambda x, y: y.mean(),
    "std": lambda x, y: y.std(ddof=1),
    "sum": lambda x, y: y.sum(),
    "median": lambda x, y: np.median(y),
    "min": lambda x, y: y.min(),
    "max": lambda x, y: y.max(),
    "mean_shift": lambda x, y: (y.mean() - x.mean()) / x.std(ddof=1),
    "std_ratio": lambda x, y: y.std(ddof=1) / x.std(ddof=1),
    "median_shift": lambda x, y: (np.median(y) - np.median(x)) / x.std(ddof=1),
}


def value_of(metric: str, x, y, convention: Convention = Convention.DESK) -> float:
    [found] = numeric_drift(metric, convention, exact_table(x), [exact_table(y)])
    assert found.value is not None, found.reason
    return found.value


@pytest.mark.parametrize("shape", SAMPLES)
@pytest.mark.parametrize("metric", TESTS)
def test_tests_equal_scipy(metric: str, shape: str) -> None:
    x, y = SAMPLES[shape](np.random.default_rng(3))
    assert value_of(metric, x, y) == pytest.approx(TESTS[metric](x, y), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", SAMPLES)
@pytest.mark.parametrize("shift", [0.0, 0.05, 1.0])
def test_anderson_darling_equals_scipy(shape: str, shift: float) -> None:
    x, y = SAMPLES[shape](np.random.default_rng(4))
    y = np.concatenate([x[::2] + shift, y[:20]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy tells of p-values at the ends of its table
        expected = sps.anderson_ksamp([x, y])
    assert value_of("anderson_darling", x, y) == pytest.approx(expected.statistic, rel=1e-9)
    assert value_of("anderson_darling_p", x, y) == pytest.approx(expected.pvalue, rel=1e-9)


def test_large_samples_take_the_asymptotic_p_value() -> None:
    rng = np.random.default_rng(5)
    x, chunks = rng.normal(size=12_000), [rng.normal(0.02, 1, 3_000), rng.normal(size=11_000)]
    found = numeric_drift("kolmogorov_smirnov_p", Convention.DESK, exact_table(x), [exact_table(y) for y in chunks])
    for one, y in zip(found, chunks, strict=True):
        assert one.value == pytest.approx(sps.ks_2samp(x, y).pvalue, rel=1e-9)


def test_small_samples_take_the_exact_p_values() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=15), rng.normal(0.5, 1, 7)
    for metric, expected in (
        ("mann_whitney_p", sps.mannwhitneyu(x, y).pvalue),
        ("cramer_von_mises_p", sps.cramervonmises_2samp(x, y).pvalue),
        ("kolmogorov_smirnov_p", sps.ks_2samp(x, y).pvalue),
        ("epps_singleton", sps.epps_singleton_2samp(x, y).statistic),
    ):
        [found] = numeric_drift(metric, Convention.DESK, exact_table(x), [exact_table(y)], min_rows=5)
        assert found.value == pytest.approx(expected, rel=1e-9), metric


def desk_bins(x, y, parts: int):
    edges = np.unique(np.quantile(x, np.arange(1, parts) / parts))
    edges = edges[edges > x.min()]
    return [np.bincount(np.searchsorted(edges, rows, side="right"), minlength=len(edges) + 1) for rows in (x, y)]


@pytest.mark.parametrize("shape", SAMPLES)
def test_desk_bins_are_the_quantiles_of_the_reference(shape: str) -> None:
    x, y = SAMPLES[shape](np.random.default_rng(7))
    p, q = (rows / rows.sum() for rows in desk_bins(x, y, 20))
    assert value_of("jensen_shannon", x, y) == pytest.approx(distance.jensenshannon(p, q, 2), rel=1e-9)
    assert value_of("hellinger", x, y) == pytest.approx(math.sqrt(1 - np.sqrt(p * q).sum()), rel=1e-9)
    a, b = desk_bins(x, y, 10)
    p, q = a / a.sum(), b / b.sum()
    assert value_of("total_variation", x, y) == pytest.approx(abs(p - q).sum() / 2, rel=1e-9)
    assert value_of("l_infinity", x, y) == pytest.approx(abs(p - q).max(), rel=1e-9)
    p, q = ((rows + 0.5) / (rows.sum() + 0.5 * len(rows)) for rows in (a, b))
    assert value_of("psi", x, y) == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-9)
    assert value_of("kl_divergence", x, y) == pytest.approx(sps.entropy(p, q), rel=1e-9)


WORDS = np.array(["a", "b", "c", "d", "e"], dtype=object)


def category_samples(seed: int):
    rng = np.random.default_rng(seed)
    x = rng.choice(WORDS[:4], 400, p=[0.5, 0.3, 0.15, 0.05])
    y = rng.choice(WORDS[1:], 250, p=[0.4, 0.3, 0.2, 0.1])
    return x, y, np.array([[(rows == word).sum() for word in WORDS] for rows in (x, y)])


def category_value(metric: str, x, y, convention: Convention = Convention.DESK) -> float:
    [found] = categorical_drift(metric, convention, category_table(x), [category_table(y)])
    assert found.value is not None, found.reason
    return found.value


def test_categories_equal_scipy() -> None:
    x, y, table = category_samples(8)
    p, q = table / table.sum(axis=1, keepdims=True)
    test = sps.chi2_contingency(table)
    g = sps.power_divergence(table, test.expected_freq, ddof=5, axis=None, lambda_="log-likelihood")
    smooth = (table + 0.5) / (table.sum(axis=1, keepdims=True) + 2.5)
    expected = {
        "jensen_shannon": distance.jensenshannon(p, q, 2),
        "hellinger": math.sqrt(1 - np.sqrt(p * q).sum()),
        "total_variation": abs(p - q).sum() / 2,
        "l_infinity": abs(p - q).max(),
        "psi": ((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum(),
        "kl_divergence": sps.entropy(*smooth),
        "chi_squared": test.statistic,
        "chi_squared_p": test.pvalue,
        "g_test": g.statistic,
        "g_test_p": sps.chi2.sf(g.statistic, 4),
    }
    for metric, value in expected.items():
        assert category_value(metric, x, y) == pytest.approx(value, rel=1e-9), metric


def test_cramers_v_is_bergsmas() -> None:
    x, y, table = category_samples(9)
    n, (rows, columns) = table.sum(), table.shape
    squared = sps.chi2_contingency(table, correction=False).statistic / n
    squared = max(0.0, squared - (rows - 1) * (columns - 1) / (n - 1))
    rows, columns = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    assert category_value("cramers_v", x, y) == pytest.approx(math.sqrt(squared / (min(rows, columns) - 1)), rel=1e-12)


def test_two_categories() -> None:
    x, y = np.array(["no"] * 70 + ["yes"] * 30), np.array(["no"] * 35 + ["yes"] * 40)
    table = [[70, 30], [35, 40]]
    share = 70 / 175
    z = (0.3 - 40 / 75) / math.sqrt(share * (1 - share) * (1 / 100 + 1 / 75))
    test = sps.chi2_contingency(table)
    expected = {
        "z_test": z,
        "z_test_p": 2 * sps.norm.sf(abs(z)),
        "chi_squared": test.statistic,
        "chi_squared_p": test.pvalue,
        "fisher_exact": sps.fisher_exact(table).statistic,
        "fisher_exact_p": sps.fisher_exact(table).pvalue,
    }
    for metric, value in expected.items():
        assert category_value(metric, x, y) == pytest.approx(value, rel=1e-9), metric


def test_unseen_categories_are_bins_of_their_own_and_one_under_nannyml() -> None:
    x = np.array(["a"] * 50 + ["b"] * 50, dtype=object)
    y = np.array(["a"] * 40 + ["b"] * 20 + ["new"] * 30 + ["newer"] * 10, dtype=object)
    p, apart, pooled = [0.5, 0.5, 0, 0], [0.4, 0.2, 0.3, 0.1], [0.4, 0.2, 0.4]
    assert category_value("jensen_shannon", x, y) == pytest.approx(distance.jensenshannon(p, apart, 2))
    found = category_value("jensen_shannon", x, y, Convention.NANNYML)
    assert found == pytest.approx(distance.jensenshannon(p[:3], pooled, 2))
    assert category_value("l_infinity", x, y, Convention.NANNYML) == pytest.approx(0.3)
    table = [[50, 50, 0, 0], [40, 20, 30, 10]]
    assert category_value("chi_squared", x, y, Convention.NANNYML) == pytest.approx(
        sps.chi2_contingency(table).statistic
    )


def test_beyond_a_thousand_categories_the_rarer_ones_are_one_bin() -> None:
    frequent = [f"c{index:04d}" for index in range(1000)]
    x = np.array(frequent * 3 + [f"rare{index}" for index in range(50)], dtype=object)
    y = np.array(frequent * 2 + ["rare1"] * 30 + ["unseen"] * 20, dtype=object)
    p, q = np.append(np.full(1000, 3), 50) / 3050, np.append(np.full(1000, 2), 50) / 2050
    assert category_value("jensen_shannon", x, y) == pytest.approx(distance.jensenshannon(p, q, 2))
    crowd = np.array(frequent + [f"unseen{index}" for index in range(40)], dtype=object)
    p, q = np.append(np.full(1000, 3), 0) / 3000, np.append(np.ones(1000), 40) / 1040
    assert category_value("jensen_shannon", x[:3000], crowd) == pytest.approx(distance.jensenshannon(p, q, 2))


def test_evidently_chi_squared_with_an_unseen_category() -> None:
    x, y = np.array(["a"] * 50 + ["b"] * 50), np.array(["a"] * 40 + ["b"] * 20 + ["new"] * 30)
    assert category_value("chi_squared_p", x, y, Convention.EVIDENTLY) == 0.0
    [found] = categorical_drift("chi_squared", Convention.EVIDENTLY, category_table(x), [category_table(y)])
    assert found.value is None
    assert "lacks" in found.reason


@pytest.mark.parametrize("metric", ["epps_singleton", "epps_singleton_p"])
def test_two_constants_have_no_epps_singleton(metric: str) -> None:
    [found] = numeric_drift(metric, Convention.DESK, exact_table([1.0] * 50), [exact_table([2.0] * 50)])
    assert found.value is None
    assert "both constant" in found.reason


def test_cramers_v_of_disjoint_categories_is_no_more_than_1() -> None:
    for n in range(60, 400):
        assert category_value("cramers_v", np.array(["a"] * n), np.array(["b"] * (n // 2 + 7))) <= 1.0


def test_nothing_is_printed_where_scipy_cannot_count_the_paths(recwarn: pytest.WarningsRecorder) -> None:
    """Of equally many rows that differ in one SciPy warns, and takes the limit."""
    x, y = np.zeros(36), np.repeat([0.0, 1.0], [35, 1])
    found = value_of("kolmogorov_smirnov_p", x, y)
    assert not recwarn.list
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found == sps.ks_2samp(x, y).pvalue


@pytest.mark.parametrize("metric", ["chi_squared_p", "z_test_p"])
def test_few_numbers_are_categories_whatever_their_order(metric: str) -> None:
    """As texts 10 comes before 2, and -1 before both."""
    values = np.array([-1.0, 2.0, 10.0] if metric == "chi_squared_p" else [2.0, 10.0])
    rng = np.random.RandomState(8)
    x, y = rng.choice(values, 400), rng.choice(values, 90)
    (found,) = few_numbers_drift(metric, Convention.EVIDENTLY, exact_table(x), [exact_table(y)])
    a, b = (np.array([(rows == value).sum() for value in values]) for rows in (x, y))
    if metric == "chi_squared_p":
        assert found.value == pytest.approx(sps.chisquare(b, a * 90 / 400).pvalue, rel=1e-9)
    else:
        pooled = (a[0] + b[0]) / 490
        z = (a[0] / 400 - b[0] / 90) / math.sqrt(pooled * (1 - pooled) * (1 / 400 + 1 / 90))
        assert found.value == pytest.approx(2 * sps.norm.sf(abs(z)), rel=1e-9)
    (cells,) = few_numbers_drift(metric, Convention.EVIDENTLY, cell_table(x, np.floor), [cell_table(y, np.floor)])
    assert cells.value is None
    assert cells.reason == NEEDS_EXACT
