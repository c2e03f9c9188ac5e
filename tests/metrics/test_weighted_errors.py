"""Sampling errors and intervals of weighted values: against the spread over many samples, and limits against how often chance exceeds them."""

from collections.abc import Callable

import numpy as np
import pytest

from mlops_desk.aggregates.group_tables import GroupTable
from mlops_desk.aggregates.score_scan import exact_scores
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ErrorTable, ScoreTable, ValueTable
from mlops_desk.domain.metric import Convention, Family, Measurement, SeriesKey
from mlops_desk.metrics.calibration import calibration
from mlops_desk.metrics.fairness import group_fairness
from mlops_desk.metrics.intervals import Rate
from mlops_desk.metrics.performance import binary_performance
from mlops_desk.metrics.regression import regression_performance
from mlops_desk.metrics.univariate import categorical_drift, numeric_drift
from mlops_desk.monitoring.calibrating import Level, NullLimits

SAMPLES, ROWS = 400, 600


def score_table(score: np.ndarray, said: np.ndarray, true: np.ndarray, amounts: np.ndarray) -> ScoreTable:
    levels, place = np.unique(score, return_inverse=True)
    counts = np.zeros((len(levels), 2, 3), dtype=amounts.dtype)
    np.add.at(counts, (place, said, true), amounts)
    return exact_scores(levels, counts)


def value_table(values: np.ndarray, weights: np.ndarray) -> ValueTable:
    levels, place = np.unique(values, return_inverse=True)
    held, squares = np.bincount(place, weights=weights), np.bincount(place, weights=weights**2)
    some = held > 0
    own = ValueTable(values=levels[some], counts=held[some], weight_squares=squares[some])
    return ValueTable(values=levels, counts=np.bincount(place), weighted=own)


def binary_sample(seed: int) -> dict[str, Measurement]:
    """Positives weigh a tenth, as where they were sampled ten times as often; weights vary beside."""
    rng = np.random.default_rng((seed, 1))
    x = rng.normal(0, 1, ROWS)
    score = np.round(1 / (1 + np.exp(-x)), 2)
    true = (rng.random(ROWS) < score).astype(np.int64)
    said, weights = (score > 0.6).astype(np.int64), np.where(true == 1, 0.1, 1.0) * rng.gamma(4, 0.25, ROWS)
    amounts, squares = (score_table(score, said, true, one) for one in (weights, weights**2))
    of_squares = OutcomeTables(rows=ROWS, labelled=ROWS, binary=squares.confusion, scores={"": squares})
    found = binary_performance(amounts.confusion, amounts, min_rows=0, squares=of_squares)
    sexes = rng.integers(0, 2, ROWS)
    tables = []
    for one in (np.ones(ROWS, dtype=np.int64), weights, weights**2):
        counts = np.zeros((2, 2, 3), dtype=one.dtype)
        np.add.at(counts, (sexes, said, true), one)
        tables.append(GroupTable(attribute="s", groups=("f", "m"), counts=counts))
    readings = group_fairness(tables[0], weighted=(tables[1], tables[2]))
    found |= {f"group {one.metric}": one.measurement for one in readings if one.group == "f"}
    return found | calibration(amounts, min_rows=0, squares=squares)


def regression_sample(seed: int) -> dict[str, Measurement]:
    """Rows of large errors weigh more."""
    rng = np.random.default_rng((seed, 2))
    target = rng.normal(10, 3, ROWS)
    error = np.round(rng.normal(0.3, 1, ROWS), 1)
    weights = (0.5 + np.abs(error)) * rng.gamma(4, 0.25, ROWS)
    values = value_table(np.abs(error), weights).weighted

    def table(amounts: np.ndarray) -> ErrorTable:
        total = amounts.sum()
        sums = {
            name: float(amounts @ one)
            for name, one in (("error", error), ("absolute", np.abs(error)), ("squares", error**2))
        }
        aim = {"target": float(amounts @ target), "target_squares": float(amounts @ target**2)}
        nothing = {"relative": 0.0, "log_squares": 0.0, "negative": 0, "centre": 0.0}
        return ErrorTable(n=total, rows=total, absolute_values=values, **sums, **aim, **nothing)

    return regression_performance(table(weights), min_rows=0, squares=table(weights**2))


def column_sample(seed: int) -> dict[str, Measurement]:
    """Weights that have nothing to do with the values."""
    rng = np.random.default_rng((seed, 3))
    chunk = value_table(np.round(rng.normal(0, 1, ROWS), 2), rng.exponential(1, ROWS))
    found = {}
    for metric in ("mean", "std", "median", "kolmogorov_smirnov", "total_variation"):
        found[metric] = numeric_drift(metric, Convention.DESK, REFERENCE, [chunk])[0]
    return found


def reference() -> ValueTable:
    rng = np.random.default_rng(77)
    return value_table(np.round(rng.normal(0.5, 1, 200_000), 2), rng.exponential(1, 200_000))


REFERENCE = reference()
CASES: list[tuple[Callable[[int], dict[str, Measurement]], tuple[str, ...]]] = [
    (
        binary_sample,
        (
            "accuracy", "balanced_accuracy", "cohen_kappa", "precision", "recall", "specificity", "f1", "mcc", "roc_auc", "average_precision",
            "log_loss", "brier", "prediction_rate", "label_rate", "group recall", "group accuracy", "calibration_slope",
        ),
    ),
    (regression_sample, ("mae", "mse", "rmse", "mean_error", "median_absolute_error")),
    (column_sample, ("mean", "std", "median", "kolmogorov_smirnov", "total_variation")),
]  # fmt: skip


@pytest.mark.parametrize(("sample", "metrics"), CASES, ids=["classes", "errors", "column"])
def test_sampling_errors_are_the_spread_over_samples(
    sample: Callable[[int], dict[str, Measurement]], metrics: tuple[str, ...]
) -> None:
    found = [sample(seed) for seed in range(SAMPLES)]
    for metric in metrics:
        values = np.array([one[metric].value for one in found], dtype=np.float64)
        errors = np.array([one[metric].sampling_error for one in found], dtype=np.float64)
        ratio = np.sqrt((errors**2).mean()) / values.std()
        assert 0.8 < ratio < 1.25, (metric, ratio)
        if found[0][metric].interval_lower is None:
            continue
        inside = [one[metric].interval_lower <= values.mean() <= one[metric].interval_upper for one in found]  # type: ignore[operator]
        assert 0.91 < np.mean(inside) <= 0.99, (metric, np.mean(inside))


def test_one_effective_number_would_misjudge_classes_that_weigh_differently() -> None:
    """The recall of positives that weigh a tenth is as sure as their own number says, not as that of all rows."""
    rate = Rate(0.1 * 30, 0.1 * 50, 0.01 * 30, 0.01 * 20)
    assert rate.size == pytest.approx(50)
    assert rate.interval == pytest.approx(Rate(30, 50).interval)


@pytest.mark.parametrize("metric", ["jensen_shannon", "psi", "kolmogorov_smirnov", "wasserstein"])
def test_calibrated_limits_are_exceeded_as_often_as_they_say(metric: str) -> None:
    """Over several references, for each of which the limit is right on the average only; half of the rows are effective ones."""
    key, level, size = SeriesKey(Family.DATA_DRIFT, metric), Level(alpha=0.05, warn_alpha=0.1), 200
    over, references, chunks_of_each = 0, 12, 80
    for seed in range(references):
        rng = np.random.default_rng((seed, 4))

        def drawn(rows: int, rng: np.random.Generator = rng) -> ValueTable:
            return value_table(np.round(rng.normal(0, 1, rows), 2), rng.exponential(1, rows))

        whole, chunks = drawn(4000), [drawn(2 * size) for _ in range(chunks_of_each)]
        assert np.mean([chunk.effective.n for chunk in chunks]) == pytest.approx(size, rel=0.05)
        limits = NullLimits(Forgetful(), "m").limits(key, str(seed), level, [size], whole, list)  # type: ignore[arg-type]
        values = [one.value for one in numeric_drift(metric, Convention.DESK, whole, chunks)]
        over += sum(value > limits[0].upper for value in values)  # type: ignore[operator]
    assert 0.02 < over / references / chunks_of_each < 0.08, over / references / chunks_of_each


class Forgetful:
    """A cache that keeps nothing."""

    def get(self, keys: object) -> dict[str, bytes]:
        del keys
        return {}

    def put(self, bodies: object) -> None:
        del bodies


def test_categories_by_weight_take_kishs_rows() -> None:
    counts, weights = np.array([100, 100]), np.array([300.0, 100.0])
    own = CategoryTable(categories=("a", "b"), counts=weights, weight_squares=float(weights.sum() ** 2 / 80))
    table = CategoryTable(categories=("a", "b"), counts=counts, weighted=own)
    assert table.effective.n == pytest.approx(80)
    ones = CategoryTable(categories=("a", "b"), counts=np.array([500.0, 500.0]), weight_squares=1000.0)
    even = CategoryTable(categories=("a", "b"), counts=np.array([500, 500]), weighted=ones)
    (found,) = categorical_drift("total_variation", Convention.DESK, even, [table])
    assert found.value == pytest.approx(0.25)
    assert found.sampling_error == pytest.approx(np.sqrt(0.75 * 0.25 / 80 + 0.25 / 1000))
