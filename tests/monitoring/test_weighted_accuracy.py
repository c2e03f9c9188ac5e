"""Accuracy, calibration, estimates and fairness by weight, against scikit-learn with sample_weight and brute force."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression

from tests.aggregates.logs import written
from tests.monitoring.weighted_desks import evaluated, monitor, rows_of

FAMILIES = ("performance", "estimated_performance", "calibration", "fairness", "estimated_fairness")
CLOSE = {"rel": 1e-9, "abs": 1e-12}


def all_of(task: str, *, exact: bool = True) -> list[str]:
    given = {
        "binary": FAMILIES,
        "multiclass": ("performance", "estimated_performance", "fairness"),
        "regression": ("performance", "fairness"),
    }
    found = [monitor(family, exact=exact) for family in given[task]]
    if task == "binary":
        found.append(monitor("concept_drift", exact=exact))
        found.append("[models.business_value]\nmatrix = [[0, -1], [-2, 3]]\n")
    return found


@pytest.fixture(scope="module", params=["by value", "by cell"])
def binary(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any, Mapping[Any, Any]]:
    """Reference, log and values of a binary model."""
    reference, log = rows_of("binary", 1, 700), rows_of("binary", 2, 500, drift=0.3)
    folder = tmp_path_factory.mktemp("binary")
    return (
        reference,
        log,
        evaluated(folder, "binary", reference, log, *all_of("binary", exact=request.param == "by value")),
    )


def one_of(values: Mapping[Any, Any], family: str, metric: str) -> Any:
    found = values[family, metric, None, None, None]
    assert found["reason"] is None, found["reason"]
    return found


def test_accuracy_of_a_binary_model_is_scikit_learns(binary: Any) -> None:
    _, log, values = binary
    y, said, score, w = (log[name] for name in ("true", "said", "score", "w"))
    weighed = {"sample_weight": w}
    (tn, fp), (fn, tp) = metrics.confusion_matrix(y, said, **weighed)
    expected = {
        "accuracy": metrics.accuracy_score(y, said, **weighed),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, said, **weighed),
        "cohen_kappa": metrics.cohen_kappa_score(y, said, **weighed),
        "precision": metrics.precision_score(y, said, **weighed),
        "recall": metrics.recall_score(y, said, **weighed),
        "specificity": metrics.recall_score(y, said, pos_label=0, **weighed),
        "f1": metrics.f1_score(y, said, **weighed),
        "mcc": metrics.matthews_corrcoef(y, said, **weighed),
        "roc_auc": metrics.roc_auc_score(y, score, **weighed),
        "average_precision": metrics.average_precision_score(y, score, **weighed),
        "log_loss": metrics.log_loss(y, score, **weighed),
        "brier": metrics.brier_score_loss(y, score, **weighed),
        "true_positive": tp,
        "true_negative": tn,
        "false_positive": fp,
        "false_negative": fn,
        "prediction_rate": np.average(said, weights=w),
        "label_rate": np.average(y, weights=w),
        "business_value": 3 * tp - 2 * fn - fp,
    }
    for metric, value in expected.items():
        found = one_of(values, "performance", metric)
        assert found["value"] == pytest.approx(value, abs=found["error_bound"] + 1e-12, rel=1e-9), metric
        plain = found["sampling_error"]
        assert plain > 0, metric


def linearised(x: np.ndarray, w: np.ndarray) -> float:
    """Standard error of a weighted mean: √Σw²(x - mean)² / Σw."""
    return float(np.sqrt((w**2 * (x - np.average(x, weights=w)) ** 2).sum()) / w.sum())


def test_sampling_errors_are_linearised(binary: Any) -> None:
    _, log, values = binary
    y, said, score, w = (log[name] for name in ("true", "said", "score", "w"))
    right, hits = (y == said).astype(float), y == 1
    expected = {
        "accuracy": linearised(right, w),
        "recall": linearised(right[hits], w[hits]),
        "label_rate": linearised(y.astype(float), w),
        "true_positive": w.sum() * linearised(((y == 1) & (said == 1)).astype(float), w),
    }
    if values["performance", "brier", None, None, None]["error_bound"] == 0:
        expected["brier"] = linearised((y - score) ** 2, w)
    for metric, value in expected.items():
        assert one_of(values, "performance", metric)["sampling_error"] == pytest.approx(value, rel=1e-3), metric
    own = (log["sex"] == "f") & hits
    found = values["fairness", "recall", "sex", "f", None]["sampling_error"]
    assert found == pytest.approx(linearised(right[own], w[own]), rel=1e-9)


def brute_bins(
    score: np.ndarray, y: np.ndarray, w: np.ndarray, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, weighted mean score and weighted share of positives of bins of equal weight, tied rows spread evenly over a border."""
    levels = np.unique(score)
    held = np.array([w[score == one].sum() for one in levels])
    hits = np.array([(w * y)[score == one].sum() for one in levels])
    edges = np.linspace(0, held.sum(), bins + 1)
    ends = np.cumsum(held)
    rows, means, shares = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for at in range(bins):
        part = np.clip(np.minimum(ends, edges[at + 1]) - np.maximum(ends - held, edges[at]), 0, None)
        rows[at], means[at], shares[at] = part.sum(), part @ levels, part @ (hits / np.where(held > 0, held, 1))
    return rows, means / rows, shares / rows


def test_calibration_is_of_bins_of_equal_weight(binary: Any) -> None:
    _, log, values = binary
    rows, means, shares = brute_bins(log["score"], log["true"], log["w"])
    weights, base = rows / rows.sum(), np.average(log["true"], weights=log["w"])
    expected = {
        "expected_calibration_error": weights @ np.abs(means - shares),
        "maximum_calibration_error": np.abs(means - shares).max(),
        "brier_reliability": weights @ (means - shares) ** 2,
        "brier_resolution": weights @ (shares - base) ** 2,
    }
    for metric, value in expected.items():
        found = one_of(values, "calibration", metric)
        assert found["value"] == pytest.approx(value, abs=found["error_bound"] + 1e-9), metric


def test_the_recalibration_is_a_weighted_logistic_regression(binary: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    _, log, values = binary
    if values["calibration", "calibration_slope", None, None, None]["reason"] is not None:
        assert "exact" in values["calibration", "calibration_slope", None, None, None]["reason"]
        return
    clipped = np.clip(log["score"], 1e-6, 1 - 1e-6)
    logits = np.log(clipped / (1 - clipped))[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits, log["true"], sample_weight=log["w"])
    assert one_of(values, "calibration", "calibration_slope")["value"] == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    assert one_of(values, "calibration", "calibration_intercept")["value"] == pytest.approx(
        fitted.intercept_[0], rel=1e-4, abs=1e-6
    )


def test_estimates_take_weighted_isotonic_probabilities_for_labels(binary: Any) -> None:
    reference, log, values = binary
    line = IsotonicRegression(out_of_bounds="clip").fit(
        reference["score"], reference["true"], sample_weight=reference["w"]
    )
    chance = line.predict(log["score"])
    y, said = np.repeat([0, 1], len(chance)), np.tile(log["said"], 2)
    score, w = np.tile(log["score"], 2), np.concatenate([log["w"] * (1 - chance), log["w"] * chance])
    expected = {
        "accuracy": metrics.accuracy_score(y, said, sample_weight=w),
        "f1": metrics.f1_score(y, said, sample_weight=w),
        "roc_auc": metrics.roc_auc_score(y, score, sample_weight=w),
        "average_precision": metrics.average_precision_score(y, score, sample_weight=w),
        "brier": np.average((y - score) ** 2, weights=w),
        "true_positive": w[(y == 1) & (said == 1)].sum(),
    }
    for metric, value in expected.items():
        found = one_of(values, "estimated_performance", metric)
        assert found["value"] == pytest.approx(value, rel=2e-3, abs=1e-12), metric
    for sex in ("f", "m"):
        own = np.tile(log["sex"] == sex, 2)
        found = values["estimated_fairness", "recall", "sex", sex, None]["value"]
        assert found == pytest.approx(metrics.recall_score(y[own], said[own], sample_weight=w[own]), rel=2e-3)


def test_groups_are_measured_as_fairlearn_measures_them_with_sample_weight(binary: Any) -> None:
    """fairlearn's MetricFrame gives each group's rows and weights to the metric; tests/metrics holds its own numbers."""
    _, log, values = binary
    y, said, w = log["true"], log["said"], log["w"]
    rates: dict[str, dict[str, float]] = {}
    for sex in ("f", "m"):
        own = log["sex"] == sex
        given = {"sample_weight": w[own]}
        rates[sex] = {
            "recall": metrics.recall_score(y[own], said[own], **given),
            "precision": metrics.precision_score(y[own], said[own], **given),
            "accuracy": metrics.accuracy_score(y[own], said[own], **given),
            "false_positive_rate": 1 - metrics.recall_score(y[own], said[own], pos_label=0, **given),
            "prediction_rate": np.average(said[own], weights=w[own]),
        }
        for metric, value in rates[sex].items():
            assert values["fairness", metric, "sex", sex, None]["value"] == pytest.approx(value, rel=1e-9), metric
    gaps = {metric: abs(rates["f"][metric] - rates["m"][metric]) for metric in rates["f"]}
    expected = {
        "equal_opportunity_difference": gaps["recall"],
        "equalized_odds_difference": max(gaps["recall"], gaps["false_positive_rate"]),
        "demographic_parity_difference": gaps["prediction_rate"],
        "demographic_parity_ratio": min(one["prediction_rate"] for one in rates.values())
        / max(one["prediction_rate"] for one in rates.values()),
        "accuracy_difference_to_overall": max(
            abs(one["accuracy"] - metrics.accuracy_score(y, said, sample_weight=w)) for one in rates.values()
        ),
    }
    for metric, value in expected.items():
        assert values["fairness", metric, "sex", None, None]["value"] == pytest.approx(value, rel=1e-9), metric


def test_the_change_of_accuracy_is_split_exactly(binary: Any) -> None:
    reference, log, values = binary
    change = [np.average(one["said"] == one["true"], weights=one["w"]) for one in (reference, log)]
    effects = [one_of(values, "concept_drift", metric)["value"] for metric in ("covariate_effect", "concept_effect")]
    assert sum(effects) == pytest.approx(change[1] - change[0], abs=1e-12)
    gap = one_of(values, "concept_drift", "estimation_gap")["value"]
    estimated = one_of(values, "estimated_performance", "accuracy")["value"]
    assert gap == pytest.approx(change[1] - estimated, abs=1e-12)


@pytest.mark.parametrize("exact", [True, False])
def test_accuracy_of_several_classes_is_scikit_learns(tmp_path: Path, exact: bool) -> None:
    reference, log = rows_of("multiclass", 3, 600), rows_of("multiclass", 4, 400)
    values = evaluated(tmp_path, "multiclass", reference, log, *all_of("multiclass", exact=exact))
    y, said, w = log["true"], log["said"], log["w"]
    scores = np.stack([log[f"p{name}"] for name in "abc"], axis=1)
    weighed: dict[str, Any] = {"sample_weight": w}
    expected = {
        "accuracy": metrics.accuracy_score(y, said, **weighed),
        "precision": metrics.precision_score(y, said, average="macro", **weighed),
        "recall": metrics.recall_score(y, said, average="macro", **weighed),
        "f1": metrics.f1_score(y, said, average="macro", **weighed),
        "f1_micro": metrics.f1_score(y, said, average="micro", **weighed),
        "f1_weighted": metrics.f1_score(y, said, average="weighted", **weighed),
        "log_loss": metrics.log_loss(y, scores, **weighed),
        "roc_auc": np.mean([metrics.roc_auc_score(y == one, scores[:, at], **weighed) for at, one in enumerate("abc")]),
        "average_precision": np.mean(
            [metrics.average_precision_score(y == one, scores[:, at], **weighed) for at, one in enumerate("abc")]
        ),
    }
    for metric, value in expected.items():
        found = one_of(values, "performance", metric)
        assert found["value"] == pytest.approx(value, abs=found["error_bound"] + 1e-12, rel=1e-9), metric
    matrix = metrics.confusion_matrix(y, said, labels=["a", "b", "c"], **weighed)
    for row, true in enumerate("abc"):
        assert values["performance", "recall", None, None, true]["value"] == pytest.approx(
            metrics.recall_score(y, said, labels=[true], average=None, **weighed)[0], rel=1e-9
        )
        for column, predicted in enumerate("abc"):
            found = values["performance", "confusion", None, f"{true}|{predicted}", None]["value"]
            assert found == pytest.approx(matrix[row, column], rel=1e-9)
    lines = [
        IsotonicRegression(out_of_bounds="clip").fit(
            reference[f"p{one}"], reference["true"] == one, sample_weight=reference["w"]
        )
        for one in "abc"
    ]
    estimated = [one_of(values, "estimated_performance", "accuracy")["value"]]
    raw = [line.predict(scores[:, at]) for at, line in enumerate(lines)]
    choices = []
    for mask in range(8):  # each class is calibrated where that lowers its error
        chances = np.stack([raw[at] if mask >> at & 1 else scores[:, at] for at in range(3)], axis=1)
        chances /= chances.sum(axis=1, keepdims=True)
        choices.append(np.average(chances[np.arange(len(y)), [list("abc").index(one) for one in said]], weights=w))
    assert min(abs(one - estimated[0]) for one in choices) < (2e-5 if exact else 2e-3)


@pytest.mark.parametrize("exact", [True, False])
def test_errors_of_a_regression_are_scikit_learns(tmp_path: Path, exact: bool) -> None:
    reference, log = rows_of("regression", 5, 600), rows_of("regression", 6, 401)
    values = evaluated(tmp_path, "regression", reference, log, *all_of("regression", exact=exact))
    y, said, w = log["true"], log["said"], log["w"]
    weighed: dict[str, Any] = {"sample_weight": w}
    expected = {
        "mae": metrics.mean_absolute_error(y, said, **weighed),
        "mse": metrics.mean_squared_error(y, said, **weighed),
        "rmse": metrics.root_mean_squared_error(y, said, **weighed),
        "mape": metrics.mean_absolute_percentage_error(y, said, **weighed),
        "r2": metrics.r2_score(y, said, **weighed),
        "mean_error": np.average(said - y, weights=w),
        "median_absolute_error": metrics.median_absolute_error(y, said, **weighed),
        "max_error": metrics.max_error(y, said),
    }
    for metric, value in expected.items():
        found = one_of(values, "performance", metric)
        assert found["value"] == pytest.approx(value, abs=found["error_bound"] + 1e-12, rel=1e-9), metric
    absolute = np.abs(y - said)
    for metric, each in (("mae", absolute), ("mse", absolute**2), ("mean_error", said - y)):
        found = one_of(values, "performance", metric)["sampling_error"]
        assert found == pytest.approx(linearised(each, w), rel=1e-9 if exact or metric != "mse" else 0.05), metric
    for sex in ("f", "m"):
        own = log["sex"] == sex
        found = values["fairness", "mae", "sex", sex, None]["sampling_error"]
        assert found == pytest.approx(linearised(absolute[own], w[own]), rel=1e-9)
        found = values["fairness", "mae", "sex", sex, None]["value"]
        assert found == pytest.approx(np.average(np.abs(y - said)[own], weights=w[own]), rel=1e-9)
        found = values["fairness", "mean_prediction", "sex", sex, None]["value"]
        assert found == pytest.approx(np.average(said[own], weights=w[own]), rel=1e-9)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("exact", [True, False])
def test_how_rows_lie_in_files_makes_no_difference(tmp_path: Path, task: str, exact: bool) -> None:
    """Partial tables by weight add: the same rows in one file and in three."""
    reference, log = rows_of(task, 41, 500), rows_of(task, 42, 450)
    monitors = [*all_of(task, exact=exact), monitor("data_drift", exact=exact)]
    if task == "multiclass":
        monitors.append(monitor("estimated_fairness", exact=exact))
    whole = evaluated(tmp_path / "whole", task, reference, log, *monitors)
    folder = tmp_path / "parts"
    for part in (1, 2):
        written(
            folder / "logs" / f"part{part}.parquet",
            {name: column[150 * part : 150 * (part + 1)] for name, column in log.items()},
        )
    written(folder / "reference" / "a.parquet", {name: column[:123] for name, column in reference.items()})
    parts = evaluated(
        folder,
        task,
        {name: column[123:] for name, column in reference.items()},
        {name: column[:150] for name, column in log.items()},
        *monitors,
    )
    assert set(whole) == set(parts)
    for key, row in whole.items():
        assert row["reason"] == parts[key]["reason"], key
        for name in ("value", "sampling_error", "interval_lower", "upper"):
            given, found = row[name], parts[key][name]
            assert (given is None) == (found is None), (key, name)
            assert given is None or found == pytest.approx(given, rel=1e-8, abs=1e-11), (key, name)
