"""The laws that each drift metric keeps, stated for every one: equal samples, exchanged samples, copies of rows, order of rows, growing drift."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.statistics import PLAIN
from mlops_desk.metrics.univariate import CATEGORICAL_METRICS, NUMERIC_METRICS, categorical_drift, numeric_drift
from tests.metrics.drift_tables import category_table, exact_table

few = settings(max_examples=20)
CONVENTIONS = (Convention.DESK, Convention.NANNYML, Convention.EVIDENTLY)


@dataclass(frozen=True)
class Laws:
    """What holds of a metric.

    Attributes
    ----------
    equal : its value of two equal samples; None where that depends on them.
    swapped : from the value and the sizes to that of exchanged samples; None where nothing is said.
    copies : whether as many copies of every row of both samples leave it as it is.
    grows : 1 where it rises as the drift grows, -1 where it falls.
    """

    equal: float | None
    swapped: Callable[[float, int, int], float] | None
    copies: bool
    grows: int


def same(value: float, _n: int, _m: int) -> float:
    return value


def negative(value: float, _n: int, _m: int) -> float:
    return -value


def inverse(value: float, _n: int, _m: int) -> float:
    return 1 / value


def rest_of_pairs(value: float, n: int, m: int) -> float:
    return n * m - value


DISTANCE = Laws(0.0, same, True, 1)
SMOOTHED = Laws(0.0, None, False, 1)
IN_REFERENCE_UNITS = Laws(0.0, None, True, 1)
TEST, P_VALUE = Laws(0.0, same, False, 1), Laws(1.0, same, False, -1)
NUMERIC = {
    "psi": SMOOTHED,
    "kl_divergence": SMOOTHED,
    "jensen_shannon": IN_REFERENCE_UNITS,
    "hellinger": IN_REFERENCE_UNITS,
    "total_variation": IN_REFERENCE_UNITS,
    "l_infinity": IN_REFERENCE_UNITS,
    "kolmogorov_smirnov": DISTANCE,
    "kolmogorov_smirnov_p": P_VALUE,
    "wasserstein": IN_REFERENCE_UNITS,
    "energy": IN_REFERENCE_UNITS,
    "cramer_von_mises": Laws(None, same, False, 1),
    "cramer_von_mises_p": Laws(None, same, False, -1),
    "anderson_darling": Laws(None, same, False, 1),
    "anderson_darling_p": Laws(0.25, same, False, -1),
    "mann_whitney": Laws(None, rest_of_pairs, False, -1),
    "mann_whitney_p": P_VALUE,
    "t_test": Laws(0.0, negative, False, -1),
    "t_test_p": P_VALUE,
    "epps_singleton": TEST,
    "epps_singleton_p": P_VALUE,
    "mmd": Laws(None, same, False, 1),
    "mmd_p": Laws(None, None, False, -1),
    "mean_shift": Laws(0.0, None, False, 1),
    "std_ratio": Laws(1.0, None, False, 1),
    "median_shift": Laws(0.0, None, False, 1),
}
CATEGORICAL = {
    **dict.fromkeys(("psi", "kl_divergence"), SMOOTHED),
    **dict.fromkeys(("jensen_shannon", "hellinger", "total_variation", "l_infinity"), DISTANCE),
    **dict.fromkeys(("chi_squared", "g_test", "cramers_v"), TEST),
    **dict.fromkeys(("chi_squared_p", "g_test_p", "z_test_p", "fisher_exact_p"), P_VALUE),
    "z_test": Laws(0.0, negative, False, -1),
    "fisher_exact": Laws(1.0, inverse, True, 1),
}
"""Of a numeric distance by bins exchanging the samples changes the bins, which are the reference's."""


def numbers_of(metric: str, x: Any, y: Any, convention: Convention = Convention.DESK) -> float | None:
    return numeric_drift(metric, convention, exact_table(x), [exact_table(y)])[0].value


def categories_of(metric: str, x: Any, y: Any, convention: Convention = Convention.DESK) -> float | None:
    return categorical_drift(metric, convention, category_table(x), [category_table(y)])[0].value


def close(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return found == pytest.approx(expected, rel=1e-7, abs=1e-7)


rows = st.lists(st.sampled_from([-3.0, -0.5, 0.0, 0.25, 1.0, 1.5, 40.0]) | st.floats(-5, 5), min_size=30, max_size=60)
words = st.lists(st.sampled_from(["a", "b"]), min_size=30, max_size=60)


def test_every_drift_metric_has_its_laws() -> None:
    assert NUMERIC.keys() | {*PLAIN} == NUMERIC_METRICS.keys()
    assert CATEGORICAL.keys() == CATEGORICAL_METRICS.keys()


@few
@given(x=rows)
def test_equal_samples(x: list[float]) -> None:
    for metric, laws in NUMERIC.items():
        for convention in CONVENTIONS if laws.equal is not None else ():
            found = numbers_of(metric, x, x, convention)
            assert found is None or close(found, laws.equal), (metric, convention)


@few
@given(x=words)
def test_equal_categories(x: list[str]) -> None:
    for metric, laws in CATEGORICAL.items():
        for convention in CONVENTIONS:
            found = categories_of(metric, x, x, convention)
            assert found is None or close(found, laws.equal), (metric, convention)


@few
@given(x=rows, y=rows)
def test_exchanged_samples(x: list[float], y: list[float]) -> None:
    for metric, laws in NUMERIC.items():
        if laws.swapped is not None:
            one, other = numbers_of(metric, x, y), numbers_of(metric, y, x)
            assert close(other, None if one is None else laws.swapped(one, len(x), len(y))), metric


@few
@given(x=words, y=words)
def test_exchanged_categories(x: list[str], y: list[str]) -> None:
    assume({*x} == {*y} == {"a", "b"})
    for metric, laws in CATEGORICAL.items():
        if laws.swapped is not None:
            one, other = categories_of(metric, x, y), categories_of(metric, y, x)
            assert one is not None
            assert close(other, laws.swapped(one, len(x), len(y))), metric


@few
@given(x=rows, y=rows, z=words, w=words, times=st.integers(2, 3))
def test_copies_of_all_rows(x: list[float], y: list[float], z: list[str], w: list[str], times: int) -> None:
    for metric, laws in NUMERIC.items():
        if laws.copies and metric in (
            "kolmogorov_smirnov",
            "wasserstein",
            "energy",
        ):  # copies move the quantiles that bins begin at
            assert close(numbers_of(metric, x * times, y * times), numbers_of(metric, x, y)), metric
    for metric, laws in CATEGORICAL.items():
        if laws.copies:
            assert close(categories_of(metric, z * times, w * times), categories_of(metric, z, w)), metric


@few
@given(x=rows, y=rows, cut=st.integers(0, 60), seed=st.integers(0, 99))
def test_neither_the_order_of_rows_nor_the_split_into_files_matters(
    x: list[float], y: list[float], cut: int, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(y)
    parts = exact_table(shuffled[:cut]) + exact_table(shuffled[cut:])
    for metric in NUMERIC_METRICS:
        (found,) = numeric_drift(metric, Convention.DESK, exact_table(x), [parts])
        assert found.value == numbers_of(metric, x, y), metric
    names = [str(value) for value in y]
    shuffled_names = [str(value) for value in shuffled]
    added = category_table(shuffled_names[:cut]) + category_table(shuffled_names[cut:])
    for metric in CATEGORICAL_METRICS:
        (found,) = categorical_drift(metric, Convention.DESK, category_table(names), [added])
        assert found.value == categories_of(metric, names, names), metric


def moved(metric: str) -> tuple[ValueTable, list[ValueTable]]:
    """A sample, and others that lie further and further above it (for a ratio of spreads: that spread more and more)."""
    base = np.random.RandomState(5).standard_normal(300)
    steps = (0.0, 0.15, 0.3, 0.6, 1.0)
    return exact_table(base), [
        exact_table(base[:200] * (1 + step) if metric == "std_ratio" else base[:200] + step) for step in steps
    ]


@pytest.mark.parametrize("metric", sorted(NUMERIC))
def test_growing_shift(metric: str) -> None:
    reference, chunks = moved(metric)
    values = [one.value for one in numeric_drift(metric, Convention.DESK, reference, chunks)]
    known = np.array(values, dtype=float)
    if metric in FLOORS:
        known = np.maximum(known, FLOORS[metric])
    steps = np.diff(known) * NUMERIC[metric].grows
    assert (steps >= 0).all() if metric in FLOORS else (steps > 0).all(), values
    assert steps.sum() > 0


FLOORS = {"anderson_darling_p": 0.001, "mmd_p": 0.005, "cramer_von_mises_p": 1e-7}
"""P-values that come no lower: of a table, of so many permutations, and of a series that is summed up to here (as in SciPy)."""


@pytest.mark.parametrize("metric", sorted(CATEGORICAL))
def test_growing_share(metric: str) -> None:
    reference = CategoryTable(categories=("a", "b"), counts=np.array([300, 300]))
    chunks = [
        CategoryTable(categories=("a", "b"), counts=np.array([100 - more, 100 + more])) for more in (5, 15, 25, 40, 60)
    ]
    values = [one.value for one in categorical_drift(metric, Convention.DESK, reference, chunks)]
    assert (np.diff(np.array(values, dtype=float)) * CATEGORICAL[metric].grows > 0).all(), values


@pytest.mark.parametrize("metric", sorted({*NUMERIC_METRICS} - {"mmd", "mmd_p"}))
@pytest.mark.parametrize("values", [[1e-310, 3e-310], [1e-160, 2e-160], [1e150, 2e150], [-1.7e308, 1.7e308], [5.0]])
def test_numbers_at_the_ends_of_what_doubles_hold_are_measured_or_told(metric: str, values: list[float]) -> None:
    reference = exact_table(np.resize(np.array([*values, values[0] / 2]), 40))
    chunks = [exact_table(np.resize(np.array(values), rows)) for rows in (1, 40)]
    with np.errstate(all="ignore"):
        for one in numeric_drift(metric, Convention.DESK, reference, chunks, min_rows=1, seeds=[1, 2]):
            assert (one.value is None) == (one.reason is not None)


def test_welchs_t_does_not_depend_on_the_unit() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=50), rng.normal(0.3, 2, 40)
    for metric in ("t_test", "t_test_p"):
        found = [
            numeric_drift(metric, Convention.DESK, exact_table(first * unit), [exact_table(second * unit)])[0].value
            for unit in (1.0, 2.0**-500, 2.0**500)
        ]
        assert found[0] is not None
        assert found[1:] == pytest.approx([found[0]] * 2, rel=1e-9)
