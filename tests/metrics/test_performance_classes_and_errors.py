"""Accuracy of classifiers of several classes and errors of regressions, against scikit-learn and resampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sklearn import metrics as sk

from mlops_desk.aggregates.tables import ConfusionTable
from mlops_desk.metrics import multiclass, performance, regression
from mlops_desk.metrics.multiclass import multiclass_performance
from mlops_desk.metrics.regression import median, regression_performance
from tests.metrics.accuracy_tables import confusion_table, error_table, score_table, value_cells, value_table

CLASSES = ("blue", "green", "red")
MATRIX = ((2.0, -1.0, 0.0), (-1.0, 3.0, -2.0), (0.0, -4.0, 1.0))


def made_rows(n, seed):
    generator = np.random.default_rng(seed)
    true = generator.choice(3, size=n, p=[0.5, 0.3, 0.2])
    logits = generator.normal(size=(n, 3)) + 1.2 * np.eye(3)[true]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return true, scores, scores.argmax(axis=1)


def measured(true, scores, predicted, **options):
    names = np.array(CLASSES)
    table = confusion_table(CLASSES, names[true], names[predicted])
    table = replace(table, log_loss_total=float(-np.log(scores[np.arange(len(true)), true]).sum()))
    tables = {
        one: score_table(scores[:, at], (predicted == at).astype(float), (true == at).astype(float))
        for at, one in enumerate(CLASSES)
    }
    return {
        (one.metric, one.class_, one.group): one.measurement for one in multiclass_performance(table, tables, **options)
    }


def test_several_classes_equal_scikit_learn():
    true, scores, predicted = made_rows(2000, seed=1)
    values = measured(true, scores, predicted, value_matrix=MATRIX)
    expected = {
        "accuracy": sk.accuracy_score(true, predicted),
        "precision": sk.precision_score(true, predicted, average="macro"),
        "recall": sk.recall_score(true, predicted, average="macro"),
        "f1": sk.f1_score(true, predicted, average="macro"),
        "f1_micro": sk.f1_score(true, predicted, average="micro"),
        "f1_weighted": sk.f1_score(true, predicted, average="weighted"),
        "specificity": np.mean([sk.recall_score(true != at, predicted != at) for at in range(3)]),
        "roc_auc": sk.roc_auc_score(true, scores, multi_class="ovr", average="macro"),
        "average_precision": sk.average_precision_score(np.eye(3)[true], scores, average="macro"),
        "log_loss": sk.log_loss(true, scores),
        "business_value": sum(MATRIX[one][told] for one, told in zip(true, predicted, strict=True)),
    }
    for metric, number in expected.items():
        assert values[metric, None, None].value == pytest.approx(number, rel=1e-9), metric
    by_class = {
        "precision": sk.precision_score(true, predicted, average=None),
        "recall": sk.recall_score(true, predicted, average=None),
        "f1": sk.f1_score(true, predicted, average=None),
        "roc_auc": [sk.roc_auc_score(true == at, scores[:, at]) for at in range(3)],
    }
    for metric, numbers in by_class.items():
        for one, number in zip(CLASSES, numbers, strict=True):
            assert values[metric, one, None].value == pytest.approx(number, rel=1e-9), metric
    counts = sk.confusion_matrix(true, predicted)
    for row, one in enumerate(CLASSES):
        for column, told in enumerate(CLASSES):
            assert values["confusion", None, f"{one}|{told}"].value == counts[row, column]


def test_there_is_a_definition_for_every_class_metric():
    known = {one.id for one in (*performance.DEFINITIONS, *multiclass.DEFINITIONS) if "multiclass" in one.tasks}
    assert {metric for metric, _, _ in measured(*made_rows(300, seed=2), value_matrix=MATRIX)} == known


def test_errors_of_averages_are_those_of_resampled_rows():
    rows = made_rows(1200, seed=3)
    generator, draws = np.random.default_rng(0), {}
    for _ in range(300):
        at = generator.integers(0, 1200, 1200)
        for key, value in measured(*(column[at] for column in rows), value_matrix=MATRIX).items():
            draws.setdefault(key, []).append(value.value)
    for key, value in measured(*rows, value_matrix=MATRIX).items():
        if key[0] == "log_loss":
            assert value.sampling_error is None
        elif key in (("roc_auc", None, None), ("average_precision", None, None)):
            assert value.sampling_error >= 0.9 * np.std(draws[key])
        else:
            assert value.sampling_error == pytest.approx(np.std(draws[key]), rel=0.2), key


@pytest.mark.parametrize("metric", ["f1", "f1_weighted", "business_value"])
def test_errors_of_averages_follow_the_numeric_gradient(metric):
    counts = np.array([[4000, 300, 100], [200, 2500, 400], [150, 250, 1100]])
    n, shares, step = counts.sum(), counts / counts.sum(), 1

    def reading(at):
        table = ConfusionTable(classes=CLASSES, counts=at, predicted=at.sum(axis=0))
        found = multiclass_performance(table, {}, value_matrix=MATRIX)
        return next(one.measurement for one in found if one.metric == metric and one.class_ is None)

    slopes = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        more, fewer = counts.copy(), counts.copy()
        more[place] += step
        fewer[place] -= step
        slopes[place] = (reading(more).value - reading(fewer).value) / 2 * n
    expected = np.sqrt((shares * slopes**2).sum() - (shares * slopes).sum() ** 2) / np.sqrt(n)
    assert reading(counts).sampling_error == pytest.approx(expected, rel=1e-4)


def test_a_class_that_does_not_occur_is_named():
    true, scores, predicted = made_rows(500, seed=4)
    kept = true != 2
    values = measured(true[kept], scores[kept], predicted[kept])
    for key in (("recall", None, None), ("recall", "red", None)):
        assert values[key].reason == "no labelled row is of class 'red'"
    assert values["roc_auc", None, None].reason == "class 'red': no labelled row is positive"
    assert values["precision", None, None].value is not None
    assert values["precision", "red", None].value == 0
    never = measured(true, scores, np.where(predicted == 2, 0, predicted))
    assert never["precision", None, None].reason == "no labelled row is predicted 'red'"
    assert never["f1", "red", None].value == 0
    few = measured(true[:20], scores[:20], predicted[:20])
    assert {value.reason for value in few.values()} == {"20 labelled rows, fewer than 30"}
    bare = multiclass_performance(confusion_table(CLASSES, ["red"] * 40, ["red"] * 40), {}, value_matrix=MATRIX[:2])
    reasons = {one.metric: one.measurement.reason for one in bare if one.class_ is None and one.group is None}
    assert reasons["roc_auc"] == reasons["log_loss"] == "no score of each class is logged"
    assert "value matrix" in reasons["business_value"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), st.integers(0, 40))
def test_class_metrics_of_added_tables(rows, cut):
    def table(part):
        return confusion_table(CLASSES, [CLASSES[true] for true, _ in part], [CLASSES[told] for _, told in part])

    merged = multiclass_performance(table(rows[:cut]) + table(rows[cut:]), {}, min_rows=1)
    whole = multiclass_performance(table(rows), {}, min_rows=1)
    assert merged == whole


def made_errors(n, seed):
    generator = np.random.default_rng(seed)
    target = generator.gamma(2.0, 50.0, n)
    return target * 0.9 + generator.normal(0, 10, n) ** 2, target


def test_regression_equals_scikit_learn():
    prediction, target = made_errors(2001, seed=5)
    values = regression_performance(error_table(prediction, target, centre=100.0))
    expected = {
        "mae": sk.mean_absolute_error(target, prediction),
        "mse": sk.mean_squared_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "mape": sk.mean_absolute_percentage_error(target, prediction),
        "msle": sk.mean_squared_log_error(target, prediction),
        "rmsle": sk.root_mean_squared_log_error(target, prediction),
        "r2": sk.r2_score(target, prediction),
        "median_absolute_error": sk.median_absolute_error(target, prediction),
        "max_error": sk.max_error(target, prediction),
        "mean_error": (prediction - target).mean(),
    }
    assert set(values) == {one.id for one in regression.DEFINITIONS} == set(expected)
    for metric, number in expected.items():
        assert values[metric].value == pytest.approx(number, rel=1e-9), metric


def test_errors_of_regression_metrics_are_those_of_resampled_rows():
    prediction, target = made_errors(2000, seed=6)
    generator, draws = np.random.default_rng(0), {}
    for _ in range(300):
        at = generator.integers(0, 2000, 2000)
        for metric, value in regression_performance(error_table(prediction[at], target[at])).items():
            draws.setdefault(metric, []).append(value.value)
    values = regression_performance(error_table(prediction, target))
    for metric in ("mae", "mse", "rmse", "mean_error", "median_absolute_error"):
        assert values[metric].sampling_error == pytest.approx(np.std(draws[metric]), rel=0.2), metric


def test_regression_without_a_number_says_why():
    target = np.linspace(-3, 50, 60)
    values = regression_performance(error_table(target + 1, target))
    assert values["msle"].reason == values["rmsle"].reason
    assert "-1 or less" in values["msle"].reason
    assert regression_performance(error_table(target, np.full(60, 7.0)))["r2"].reason == "the target is constant"
    assert regression_performance(error_table(target, np.full(60, np.nan)))["mae"].reason == "no labelled rows"
    perfect = regression_performance(error_table(target, target))
    assert perfect["mae"].value == perfect["max_error"].value == 0
    assert perfect["r2"].value == 1
    huge = regression_performance(replace(error_table(target, target), squares=float("inf")))
    assert huge["mse"].reason == "the numbers are too large to add"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.5, 30))
def test_the_median_of_cells_is_within_its_bound(numbers, width):
    values = np.array(numbers)
    exact, coarse = median(value_table(values)), median(value_cells(values, width))
    assert exact.value == pytest.approx(np.median(values))
    assert exact.interval_lower <= exact.value <= exact.interval_upper
    assert abs(coarse.value - exact.value) <= coarse.error_bound + 1e-9


@given(
    st.lists(st.tuples(st.floats(-5, 100), st.floats(-5, 100)), min_size=2, max_size=40),
    st.integers(0, 40),
)
def test_regression_of_added_tables(rows, cut):
    prediction, target = (np.array(column) for column in zip(*rows, strict=True))
    merged = regression_performance(
        error_table(prediction[:cut], target[:cut]) + error_table(prediction[cut:], target[cut:]), min_rows=1
    )
    whole = regression_performance(error_table(prediction, target), min_rows=1)
    for metric in whole:
        assert merged[metric].reason == whole[metric].reason, metric
        if whole[metric].value is not None:
            assert merged[metric].value == pytest.approx(whole[metric].value, rel=1e-9, abs=1e-9), metric


def test_errors_beyond_what_doubles_square_are_told() -> None:
    target = np.linspace(-4e200, 4e200, 40)
    with np.errstate(all="ignore"):
        found = regression_performance(error_table(target, target[::-1]))
    assert found["mae"].value == pytest.approx(np.abs(target - target[::-1]).mean())
    assert "too large" in (found["mse"].reason or "")
    assert found["r2"].value is None
