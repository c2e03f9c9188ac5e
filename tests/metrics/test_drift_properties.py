"""What must hold of every drift metric, whatever the rows: zero, symmetry, order, duplication, merging, growth, and honest refusals."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Family
from mlops_desk.metrics import contingency, discrepancy, divergence, sample_tests, statistics, two_sample
from mlops_desk.metrics.univariate import CATEGORICAL_METRICS, NUMERIC_METRICS, categorical_drift, numeric_drift
from tests.metrics.drift_tables import category_table, cell_table, exact_table

DISTANCES = ("psi", "jensen_shannon", "hellinger", "kl_divergence", "total_variation", "l_infinity")
FUNCTIONS = ("kolmogorov_smirnov", "wasserstein", "energy", "cramer_von_mises")
MODULES = (contingency, discrepancy, divergence, sample_tests, statistics, two_sample)
CONVENTIONS = (Convention.DESK, Convention.NANNYML, Convention.EVIDENTLY)
few = settings(max_examples=25)
rows = st.lists(
    st.sampled_from([-3.0, -0.5, 0.0, 0.1, 0.2, 1.0, 1.5, 40.0]) | st.floats(-5, 5), min_size=30, max_size=80
)
words = st.lists(st.sampled_from(["a", "b", "c", "d", "Ä", "", "é"]), min_size=30, max_size=80)


def cells_of(values: np.ndarray) -> np.ndarray:
    return np.floor(values * 2).astype(np.int64)


def number(metric: str, x: ValueTable, y: ValueTable, convention: Convention = Convention.DESK):
    return numeric_drift(metric, convention, x, [y])[0].value


def category(metric: str, x: CategoryTable, y: CategoryTable, convention: Convention = Convention.DESK):
    return categorical_drift(metric, convention, x, [y])[0].value


@few
@given(x=rows)
def test_zero_on_equal_distributions(x: list[float]) -> None:
    for table in (exact_table(x), cell_table(x, cells_of)):
        for metric in (*DISTANCES, *FUNCTIONS, "mean_shift", "median_shift", "t_test"):
            found = number(metric, table, table)
            if metric == "cramer_von_mises" and not table.exact:
                continue  # of cells it says how the rows lie at best guess
            assert found is None or found == pytest.approx(0, abs=1e-7), metric


@few
@given(x=words)
def test_zero_on_equal_shares(x: list[str]) -> None:
    table = category_table(x)
    for convention in CONVENTIONS:
        for metric in (*DISTANCES, "chi_squared", "cramers_v", "g_test"):
            found = category(metric, table, table, convention)
            assert found is None or found == pytest.approx(0, abs=1e-7), metric


@few
@given(x=words, y=words)
def test_symmetry_over_categories(x: list[str], y: list[str]) -> None:
    tables = category_table(x), category_table(y)
    for metric in (
        "jensen_shannon",
        "hellinger",
        "total_variation",
        "l_infinity",
        "chi_squared",
        "g_test",
        "cramers_v",
    ):
        one, other = category(metric, *tables), category(metric, *tables[::-1])
        assert one == other or one == pytest.approx(other, rel=1e-9, abs=1e-9)


@few
@given(x=rows, y=rows)
def test_symmetry_of_distribution_functions(x: list[float], y: list[float]) -> None:
    for tables in ((exact_table(x), exact_table(y)), (cell_table(x, cells_of), cell_table(y, cells_of))):
        for metric, convention in (
            ("kolmogorov_smirnov", Convention.DESK),
            ("cramer_von_mises", Convention.DESK),
            ("wasserstein", Convention.NANNYML),
            ("energy", Convention.EVIDENTLY),
        ):
            one, other = number(metric, *tables, convention), number(metric, *tables[::-1], convention)
            assert one == other or one == pytest.approx(other, rel=1e-9, abs=1e-9), metric


@few
@given(x=rows, y=rows, times=st.integers(2, 4))
def test_duplicating_all_rows_changes_nothing(x: list[float], y: list[float], times: int) -> None:
    once, often = (exact_table(x), exact_table(y)), (exact_table(x * times), exact_table(y * times))
    for metric in ("kolmogorov_smirnov", "wasserstein", "energy", "mean", "min", "max"):
        one, other = number(metric, *once), number(metric, *often)
        assert (one is None) == (other is None)
        assert one is None or one == pytest.approx(other, rel=1e-9, abs=1e-9), metric


@few
@given(x=words, y=words, times=st.integers(2, 4))
def test_duplicating_all_categories_changes_nothing(x: list[str], y: list[str], times: int) -> None:
    for metric in ("jensen_shannon", "hellinger", "total_variation", "l_infinity", "fisher_exact"):
        one = category(metric, category_table(x), category_table(y))
        other = category(metric, category_table(x * times), category_table(y * times))
        assert one == other or one == pytest.approx(other, rel=1e-9, abs=1e-9), metric


@few
@given(x=rows, y=rows, z=rows, seed=st.integers(0, 1000))
def test_merging_states_is_merging_rows(x: list[float], y: list[float], z: list[float], seed: int) -> None:
    shuffled = np.random.default_rng(seed).permutation(y + z)
    for make in (exact_table, lambda values: cell_table(values, cells_of)):
        reference, merged, whole = make(x), make(y) + make(z), make(shuffled)
        for metric in NUMERIC_METRICS:
            one, other = number(metric, reference, merged), number(metric, reference, whole)
            assert (one is None) == (other is None), metric
            assert one is None or one == pytest.approx(other, rel=1e-7, abs=1e-9), metric


@few
@given(x=words, y=words, z=words)
def test_merging_categories_is_merging_rows(x: list[str], y: list[str], z: list[str]) -> None:
    reference, merged, whole = category_table(x), category_table(y) + category_table(z), category_table(z + y)
    for metric in CATEGORICAL_METRICS:
        assert category(metric, reference, merged) == category(metric, reference, whole)


@few
@given(x=words, y=words, z=words)
def test_a_chunk_is_judged_alike_alone_and_among_others(x: list[str], y: list[str], z: list[str]) -> None:
    tables = [category_table(one) for one in (y, [*z, "f", "g"])]
    for convention in CONVENTIONS:
        for metric in CATEGORICAL_METRICS:
            together = categorical_drift(metric, convention, category_table(x), tables)
            alone = [categorical_drift(metric, convention, category_table(x), [one])[0] for one in tables]
            for one, other in zip(together, alone, strict=True):
                assert one.value == other.value or one.value == pytest.approx(other.value, rel=1e-12, abs=1e-12), metric


def test_growing_shift_grows() -> None:
    rng = np.random.default_rng(1)
    reference = rng.normal(size=5000)
    chunk = rng.normal(size=2000)
    for make in (exact_table, lambda values: cell_table(values, cells_of)):
        chunks = [make(chunk + shift) for shift in np.arange(0.1, 2.0, 0.2)]
        for metric in (*DISTANCES, *FUNCTIONS, "mean_shift", "median_shift"):
            values = [one.value for one in numeric_drift(metric, Convention.DESK, make(reference), chunks)]
            assert (np.diff(values) > 0).all(), metric


def test_category_order_and_empty_categories_do_not_matter() -> None:
    full = CategoryTable(categories=("a", "b", "c", "z"), counts=np.array([20, 30, 0, 0]))
    bare = CategoryTable(categories=("a", "b"), counts=np.array([20, 30]))
    chunk = CategoryTable(categories=("0", "b", "c"), counts=np.array([0, 40, 10]))
    for metric in CATEGORICAL_METRICS:
        assert categorical_drift(metric, Convention.DESK, full, [chunk]) == categorical_drift(
            metric, Convention.DESK, bare, [chunk]
        )


@pytest.mark.parametrize("metric", sorted(NUMERIC_METRICS))
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_refusals_of_numbers(metric: str, convention: Convention) -> None:
    rng = np.random.default_rng(2)
    some, none = exact_table(rng.normal(size=100)), exact_table([])
    few, constant = exact_table(rng.normal(size=29)), exact_table(np.full(100, 7.0))
    missing = replace(none, missing=500)
    empty, short, gone, good = numeric_drift(metric, convention, some, [none, few, missing, some])
    for refused in (empty, short, gone):
        assert refused.value is None
    assert "no values" in empty.reason
    assert "29 values" in short.reason
    assert "fewer than 30" in short.reason
    assert good.value is not None
    assert math.isfinite(good.value)
    if metric not in statistics.PLAIN:
        for reference in (none, few):
            assert numeric_drift(metric, convention, reference, [some])[0].value is None
        [both] = numeric_drift(metric, convention, constant, [constant])
        assert both.value is None
        assert both.reason.endswith("7")
    numeric_drift(metric, convention, constant, [some])  # a value or a reason, no error and no NaN
    numeric_drift(metric, convention, some, [constant])
    assert numeric_drift(metric, convention, some, []) == []


@pytest.mark.parametrize("metric", sorted(CATEGORICAL_METRICS))
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_refusals_of_categories(metric: str, convention: Convention) -> None:
    some = category_table(["a", "b"] * 50)
    none, few, constant = category_table([]), category_table(["a", "b"] * 14), category_table(["a"] * 40)
    values = categorical_drift(metric, convention, some, [none, few, some, constant])
    assert [one.value is None for one in values[:3]] == [True, True, False]
    assert categorical_drift(metric, convention, none, [some])[0].value is None
    assert categorical_drift(metric, convention, constant, [constant])[0].reason.endswith("a")
    categorical_drift(metric, convention, constant, [some, category_table(["b"] * 40)])


def test_a_constant_reference_leaves_no_bins_and_no_spread() -> None:
    constant, some = exact_table(np.full(100, 7.0)), exact_table(np.arange(100.0))
    for metric in ("jensen_shannon", "psi", "wasserstein", "energy", "mean_shift"):
        [found] = numeric_drift(metric, Convention.DESK, constant, [some])
        assert found.value is None
        assert "one value" in found.reason
    assert number("kolmogorov_smirnov", constant, exact_table(np.full(50, 8.0))) == 1.0


def test_exact_tables_and_cells_do_not_compare() -> None:
    values = np.arange(100.0)
    with pytest.raises(ValueError, match="exact"):
        numeric_drift("psi", Convention.DESK, exact_table(values), [cell_table(values, cells_of)])


@pytest.mark.parametrize(
    ("metric", "shift"),
    [
        ("jensen_shannon", 0.4),
        ("psi", 0.4),
        ("psi", 0.0),
        ("hellinger", 0.4),
        ("kl_divergence", 0.4),
        ("l_infinity", 1.0),
        ("total_variation", 0.6),
        ("kolmogorov_smirnov", 0.5),
        ("wasserstein", 0.5),
        ("energy", 0.5),
        ("mann_whitney", 0.0),
        ("mean", 0.0),
        ("std", 0.0),
        ("median", 0.0),
        ("mean_shift", 0.3),
        ("std_ratio", 0.0),
        ("median_shift", 0.3),
    ],
)
def test_sampling_errors_are_the_spread_over_repetitions(metric: str, shift: float) -> None:
    rng = np.random.default_rng(3)
    values, errors = [], []
    for _ in range(250):
        reference, chunk = exact_table(rng.normal(size=1500)), exact_table(rng.normal(shift, 1, 500))
        [found] = numeric_drift(metric, Convention.DESK, reference, [chunk])
        values.append(found.value)
        errors.append(found.sampling_error)
    assert np.median(errors) == pytest.approx(np.std(values), rel=0.25)


@pytest.mark.parametrize(
    "metric", ["jensen_shannon", "psi", "hellinger", "total_variation", "l_infinity", "chi_squared"]
)
def test_sampling_errors_of_categories(metric: str) -> None:
    rng = np.random.default_rng(4)
    values, errors = [], []
    for _ in range(250):
        reference = category_table(rng.choice(list("abcd"), 1500, p=[0.4, 0.3, 0.2, 0.1]))
        chunk = category_table(rng.choice(list("abcd"), 500, p=[0.2, 0.3, 0.3, 0.2]))
        [found] = categorical_drift(metric, Convention.DESK, reference, [chunk])
        values.append(found.value)
        errors.append(found.sampling_error)
    assert np.median(errors) == pytest.approx(np.std(values), rel=0.25)


def test_every_metric_is_defined_in_every_drift_family() -> None:
    definitions = [definition for module in MODULES for definition in module.DEFINITIONS]
    for kind, metrics in (("numeric", NUMERIC_METRICS), ("categorical", CATEGORICAL_METRICS)):
        for family in (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT):
            assert {one.id for one in definitions if kind in one.kinds and one.family is family} == metrics.keys()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_in_the_documentation(module) -> None:
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
