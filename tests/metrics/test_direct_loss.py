"""Estimated errors of a regression: the trees against scikit-learn's own prediction, the estimates against the truth that comes later."""

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.ensemble import HistGradientBoostingRegressor

from mlops_desk.aggregates.sums import row_sums
from mlops_desk.metrics import direct_loss
from mlops_desk.metrics.direct_loss import METRICS, LossEstimator, estimated_errors, fitted_estimator, row_losses

TRUTH = {
    "mae": sk.mean_absolute_error,
    "mse": sk.mean_squared_error,
    "rmse": sk.root_mean_squared_error,
    "mape": sk.mean_absolute_percentage_error,
    "msle": sk.mean_squared_log_error,
    "rmsle": sk.root_mean_squared_log_error,
}


def rows_of(rows: int, seed: int, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, predictions and targets whose error grows with the first feature."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 3))
    matrix[:, 0] += centre
    matrix[rng.random(rows) < 0.05, 1] = np.nan
    predictions = 50 + 5 * matrix[:, 2]
    return matrix, predictions, np.maximum(predictions + rng.normal(size=rows) * np.exp(matrix[:, 0] / 2), 1.0)


def estimates(estimator: LossEstimator, matrix: np.ndarray, predictions: np.ndarray) -> dict[str, float | None]:
    expected = estimator.expected(matrix, predictions)
    sums = row_sums(expected[~np.isnan(expected).any(axis=1)])
    return {name: one.value for name, one in estimated_errors(sums, estimator).items()}


@pytest.mark.parametrize("loss", range(4))
def test_kept_trees_say_what_scikit_learn_says(loss: int) -> None:
    matrix, predictions, targets = rows_of(2000, 1)
    losses = row_losses(predictions, targets)[:, loss]
    rows = np.column_stack([matrix, predictions])
    fitted = HistGradientBoostingRegressor(max_iter=40, learning_rate=0.2, early_stopping=False, random_state=0)
    fitted.fit(rows, losses / losses.mean())
    new, later, _ = rows_of(500, 2)
    expected = fitted.predict(np.column_stack([new, later])) * losses.mean()
    found = fitted_estimator(matrix, predictions, targets).expected(new, later)
    assert found[:, loss] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("centre", [0.0, 0.8])
def test_estimates_follow_what_the_features_tell(centre: float) -> None:
    """Rows move to where errors are larger; every estimate comes near the truth that nobody knows yet."""
    estimator = fitted_estimator(*rows_of(20_000, 3))
    matrix, predictions, targets = rows_of(20_000, 4, centre)
    for metric, value in estimates(estimator, matrix, predictions).items():
        assert value == pytest.approx(TRUTH[metric](targets, predictions), rel=0.12), metric


def test_losses_are_scikit_learns() -> None:
    _, predictions, targets = rows_of(300, 5)
    losses = row_losses(predictions, targets).mean(axis=0)
    for metric in ("mae", "mse", "mape", "msle"):
        assert losses[METRICS[metric]] == pytest.approx(TRUTH[metric](targets, predictions), rel=1e-12)


def test_the_sampling_error_is_that_of_as_many_labels() -> None:
    matrix, predictions, targets = rows_of(5000, 6)
    estimator = fitted_estimator(matrix, predictions, targets)
    expected = estimator.expected(matrix[:400], predictions[:400])
    found = estimated_errors(row_sums(expected), estimator)
    errors = np.abs(predictions - targets)
    assert found["mae"].sampling_error == pytest.approx(errors.std(ddof=1) / 20, rel=1e-9)
    assert found["rmse"].sampling_error == pytest.approx(
        (errors**2).std(ddof=1) / 20 / (2 * found["rmse"].value), rel=1e-9
    )


def test_rows_without_a_prediction_say_nothing() -> None:
    matrix, predictions, targets = rows_of(200, 7)
    estimator = fitted_estimator(matrix, predictions, targets)
    assert np.isnan(estimator.expected(matrix[:2], np.array([np.nan, 50.0]))).all(axis=1).tolist() == [True, False]
    assert estimator.expected(matrix[:0], predictions[:0]).shape == (0, 4)


def test_no_logarithm_leaves_the_other_estimates() -> None:
    matrix, predictions, targets = rows_of(200, 8)
    targets[3] = -2.0
    estimator = fitted_estimator(matrix, predictions, targets)
    found = estimated_errors(row_sums(estimator.expected(matrix, predictions)), estimator)
    assert found["msle"].reason == found["rmsle"].reason
    assert found["msle"].reason == "reference: 1 targets or predictions are -1 or less, where the logarithm ends"
    assert found["mae"].value == pytest.approx(np.abs(predictions - targets).mean(), rel=0.1)


def test_a_perfect_reference_expects_no_error() -> None:
    matrix, predictions, _ = rows_of(100, 9)
    found = estimates(fitted_estimator(matrix, predictions, predictions), matrix, predictions)
    assert found == dict.fromkeys(METRICS, 0.0)


def test_columns_without_values_and_constants_do_no_harm() -> None:
    matrix, predictions, targets = rows_of(200, 10)
    matrix[:, 1], matrix[:, 2] = np.nan, 3.0
    estimator = fitted_estimator(matrix, predictions, targets)
    matrix[5, 1] = 7.0
    assert np.isfinite(estimator.expected(matrix, predictions)).all()
    none = np.zeros((200, 0))
    assert np.isfinite(fitted_estimator(none, predictions, targets).expected(none, predictions)).all()


def test_what_has_no_estimate_says_why() -> None:
    matrix, predictions, targets = rows_of(40, 11)
    few = fitted_estimator(matrix[:29], predictions[:29], targets[:29])
    expected = estimated_errors(None, few)
    assert {one.reason for one in expected.values()} == {
        "reference: 29 labelled reference rows with a prediction, fewer than 30"
    }
    assert set(expected) == set(METRICS)
    huge = fitted_estimator(matrix, predictions, targets * 1e200)
    assert huge.unusable == direct_loss.TOO_LARGE
    estimator = fitted_estimator(matrix, predictions, targets)
    short = row_sums(estimator.expected(matrix[:12], predictions[:12]))
    assert estimated_errors(short, estimator)["mae"].reason == "12 rows with a prediction, fewer than 30"
    assert estimated_errors(None, estimator)["mae"].reason == "no rows with a prediction"
    assert estimated_errors(None, None)["mae"].reason == direct_loss.NO_ESTIMATOR
