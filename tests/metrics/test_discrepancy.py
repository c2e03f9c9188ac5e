"""Maximum mean discrepancy against its formula pair by pair, its p-value against the null, and its samples."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from mlops_desk.domain.metric import Convention, Measurement
from mlops_desk.metrics.series import NEEDS_EXACT
from mlops_desk.metrics.univariate import CONSTANT, numeric_drift
from tests.metrics.drift_tables import cell_table, exact_table


def found(metric: str, x, y, seed: int = 0) -> Measurement:
    [measured] = numeric_drift(metric, Convention.DESK, exact_table(x), [exact_table(y)], seeds=[seed])
    return measured


def by_pairs(x, y) -> float:
    """The unbiased estimate, written out."""
    both = np.concatenate([x, y])
    sigma = np.median(pdist(both[:, None]))
    if sigma == 0:
        sigma = np.median([abs(a - b) for a, b in combinations(both, 2) if a != b])

    def k(a: float, b: float) -> float:
        return math.exp(-((a - b) ** 2) / (2 * sigma**2))

    n, m = len(x), len(y)
    within = sum(k(a, b) for a, b in combinations(x, 2)) * 2 / (n * (n - 1))
    others = sum(k(a, b) for a, b in combinations(y, 2)) * 2 / (m * (m - 1))
    return within + others - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("shape", ["smooth", "ties", "heavy", "large"])
def test_it_equals_its_formula(shape: str) -> None:
    rng = np.random.default_rng(4)
    x, y = {
        "smooth": (rng.normal(0, 1, 60), rng.normal(0.5, 1, 41)),
        "ties": (np.repeat([0.0, 1.0], [50, 5]), np.repeat([0.0, 2.0], [36, 4])),
        "heavy": (rng.pareto(0.8, 50), rng.pareto(1.2, 61)),
        "large": (rng.normal(0, 1, 50) * 1e150, rng.normal(0, 2, 50) * 1e150),
    }[shape]
    if shape == "large":
        assert found("mmd", x, y).value == pytest.approx(by_pairs(x / 1e150, y / 1e150), rel=1e-9)
    else:
        assert found("mmd", x, y).value == pytest.approx(by_pairs(x, y), rel=1e-9)


def test_numbers_at_the_end_of_doubles_have_a_value() -> None:
    x = np.linspace(-1, 1, 50) * 1.7e308
    assert found("mmd", x, x / 2).value == pytest.approx(found("mmd", x / 1e300, x / 2e300).value, rel=1e-9)


def test_p_values_are_even_without_drift_and_small_with_it() -> None:
    rng = np.random.default_rng(8)
    calm = [found("mmd_p", rng.normal(size=60), rng.normal(size=50), seed).value for seed in range(120)]
    assert np.mean(np.array(calm) <= 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(calm) == pytest.approx(0.5, abs=0.1)
    assert found("mmd_p", rng.normal(size=400), rng.normal(0.4, 1, 300)).value == pytest.approx(1 / 500)
    assert found("mmd_p", rng.normal(size=400), rng.normal(0, 1.6, 300)).value < 0.01


def test_large_samples_are_drawn_by_the_seed_alone() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=5000), rng.normal(0.5, 1, 3000)
    first = found("mmd", x, y, 1)
    assert first == found("mmd", rng.permutation(x), rng.permutation(y), 1)
    assert first.value != found("mmd", x, y, 2).value
    assert first.value == pytest.approx(by_pairs(x[:700], y[:700]), abs=0.03)
    drawn = [found("mmd", x, y, seed).value for seed in range(8)]
    assert np.std(drawn) < 0.02


def test_it_grows_with_the_shift_and_a_copy_has_none() -> None:
    x = np.random.default_rng(6).normal(size=300)
    values = [found("mmd", x, x + shift).value for shift in (0.0, 0.3, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[0] <= 0
    assert found("mmd_p", x, x).value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("metric", ["mmd", "mmd_p"])
def test_what_has_no_value_says_why(metric: str) -> None:
    x = np.random.default_rng(7).normal(size=100)
    assert found(metric, np.full(50, 2.0), np.full(40, 2.0)).reason == CONSTANT.format(value="2")
    assert found(metric, x, x[:29]).reason == "the chunk has 29 values of this column, fewer than 30"
    assert found(metric, x, np.full(40, np.nan)).reason == "the chunk has no values of this column"
    assert found(metric, np.full(40, np.inf), x).reason == "the reference has no values of this column"
    assert found(metric, np.full(40, 1.0), np.full(40, 2.0)).value is not None
    cells = [cell_table(values, lambda one: np.floor(one).astype(np.int64)) for values in (x, x + 1)]
    [untested] = numeric_drift(metric, Convention.DESK, cells[0], cells[1:])
    assert (untested.value, untested.reason) == (None, NEEDS_EXACT)


def test_each_chunk_keeps_its_own_seed_where_others_are_untested() -> None:
    rng = np.random.default_rng(9)
    reference, chunk = exact_table(rng.normal(size=3000)), exact_table(rng.normal(size=3000))
    short = exact_table(np.ones(3))
    values = numeric_drift("mmd", Convention.DESK, reference, [short, chunk, short, chunk], seeds=[1, 2, 3, 4])
    assert values[1] == numeric_drift("mmd", Convention.DESK, reference, [chunk], seeds=[2])[0]
    assert values[3] == numeric_drift("mmd", Convention.DESK, reference, [chunk], seeds=[4])[0]


def test_samples_that_miss_the_few_other_values_have_no_discrepancy() -> None:
    """Of a million zeros and one 1, a thousand drawn rows are all 0."""
    rows = np.zeros(1_000_000)
    rows[0] = 1.0
    reference, chunk = exact_table(rows), exact_table(rows[1:5_000])
    (found,) = numeric_drift("mmd", Convention.DESK, reference, [chunk])
    assert found.value == 0.0
    (p,) = numeric_drift("mmd_p", Convention.DESK, reference, [chunk])
    assert p.value == 1.0
