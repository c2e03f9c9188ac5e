"""Accuracy of binary classifiers against scikit-learn, brute force and resampling."""

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk

from mlops_desk.aggregates.tables import added
from mlops_desk.metrics.performance import DEFINITIONS, binary_performance, confusion_values
from tests.metrics.accuracy_tables import Rows, cell_table, confusion_counts, score_table

MATRIX = ((0.0, -1.0), (-2.0, 3.0))


def made_rows(n: int, seed: int, *, ties: int | None = None, rate: float = 0.4) -> tuple[Rows, Rows, Rows]:
    generator = np.random.default_rng(seed)
    labels = (generator.random(n) < rate).astype(float)
    scores = 1 / (1 + np.exp(-(generator.normal(size=n) + 1.5 * labels - 1)))
    scores = scores if ties is None else np.round(scores * ties) / ties
    return scores, (scores >= 0.5).astype(float), labels


def oracle(scores: Rows, predictions: Rows, labels: Rows) -> dict[str, float]:
    tn, fp, fn, tp = sk.confusion_matrix(labels, predictions, labels=[0, 1]).ravel()
    return {
        "accuracy": sk.accuracy_score(labels, predictions),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predictions),
        "cohen_kappa": sk.cohen_kappa_score(labels, predictions),
        "precision": sk.precision_score(labels, predictions),
        "recall": sk.recall_score(labels, predictions),
        "specificity": sk.recall_score(labels, predictions, pos_label=0),
        "f1": sk.f1_score(labels, predictions),
        "mcc": sk.matthews_corrcoef(labels, predictions),
        "roc_auc": sk.roc_auc_score(labels, scores),
        "average_precision": sk.average_precision_score(labels, scores),
        "log_loss": sk.log_loss(labels, scores),
        "brier": sk.brier_score_loss(labels, scores),
        "true_positive": tp,
        "true_negative": tn,
        "false_positive": fp,
        "false_negative": fn,
        "prediction_rate": predictions.mean(),
        "label_rate": labels.mean(),
        "business_value": sum(MATRIX[int(true)][int(told)] for true, told in zip(labels, predictions, strict=True)),
    }


def measured(scores: Rows, predictions: Rows, labels: Rows, **options: object) -> dict[str, object]:
    confusion = confusion_counts(predictions, labels)
    return binary_performance(confusion, score_table(scores, predictions, labels), value_matrix=MATRIX, **options)


@pytest.mark.parametrize("ties", [None, 7, 1000])
def test_equal_to_scikit_learn(ties):
    rows = made_rows(3000, seed=1, ties=ties)
    values = measured(*rows)
    for metric, expected in oracle(*rows).items():
        assert values[metric].value == pytest.approx(expected, rel=1e-9, abs=1e-12), metric
        assert values[metric].error_bound == 0, metric
        assert values[metric].interval_lower <= values[metric].value <= values[metric].interval_upper, metric


def test_there_is_a_definition_for_each_value_and_a_value_for_each_definition():
    binary = {definition.id for definition in DEFINITIONS if "binary" in definition.tasks}
    values = measured(*made_rows(500, seed=2))
    assert set(values) == binary
    spans = {definition.id: definition.range for definition in DEFINITIONS}
    for metric, measurement in values.items():
        lower, upper = spans[metric]
        assert lower <= measurement.interval_lower <= measurement.interval_upper <= upper, metric


def test_lift_counts_the_best_tenth():
    scores, predictions, labels = made_rows(1000, seed=3)
    best = labels[np.argsort(-scores)][:100]
    assert measured(scores, predictions, labels)["lift_at_10"].value == pytest.approx(best.mean() / labels.mean())
    one_score = np.full(1000, 0.5)
    assert measured(one_score, predictions, labels)["lift_at_10"].value == pytest.approx(1.0)


def test_rows_without_a_label_count_for_the_prediction_rate_only():
    scores, predictions, labels = made_rows(1000, seed=4)
    late = labels.copy()
    late[600:] = np.nan
    values, early = measured(scores, predictions, late), measured(scores[:600], predictions[:600], labels[:600])
    assert values["prediction_rate"].value == pytest.approx(predictions.mean())
    for metric in set(values) - {"prediction_rate"}:
        assert values[metric] == early[metric], metric


def test_a_chunk_of_one_class_has_reasons_and_never_a_made_up_number():
    scores, predictions, _ = made_rows(200, seed=5)
    only_negative = measured(scores, predictions, np.zeros(200))
    for metric in ("recall", "roc_auc", "average_precision", "lift_at_10"):
        assert only_negative[metric].value is None, metric
        assert only_negative[metric].reason == "no labelled row is positive", metric
    assert only_negative["balanced_accuracy"].value == only_negative["specificity"].value
    assert only_negative["mcc"].value == 0
    assert only_negative["specificity"].value == pytest.approx(1 - predictions.mean())
    assert only_negative["precision"].value == 0
    only_positive = measured(scores, predictions, np.ones(200))
    assert only_positive["specificity"].value == 0
    assert only_positive["roc_auc"].reason == "no labelled row is negative"
    assert only_positive["balanced_accuracy"].value == only_positive["recall"].value
    assert only_positive["cohen_kappa"].value == pytest.approx(0)
    assert only_positive["average_precision"].value == pytest.approx(1.0)
    never = measured(scores, np.zeros(200), (np.arange(200) % 2).astype(float))
    assert never["precision"].reason == "no labelled row is predicted positive"
    assert never["mcc"].value == 0
    nothing = measured(scores, np.zeros(200), np.zeros(200))
    assert nothing["f1"].reason == "no labelled row is positive or predicted positive"
    assert nothing["cohen_kappa"].reason == "every labelled row has the same label and the same prediction"
    assert nothing["accuracy"].value == 1


def test_too_few_rows_missing_scores_and_missing_predictions_are_untested():
    scores, predictions, labels = made_rows(29, seed=6)
    few = measured(scores, predictions, labels)
    assert {value.value for value in few.values()} == {None}
    assert few["accuracy"].reason == "29 labelled rows, fewer than 30"
    assert measured(scores, predictions, labels, min_rows=29)["accuracy"].value is not None
    unlabelled = measured(np.repeat(scores, 9), np.repeat(predictions, 9), np.full(261, np.nan))
    assert unlabelled["accuracy"].reason == "no labelled rows"
    scores, predictions, labels = made_rows(100, seed=6)
    without_score = binary_performance(confusion_counts(predictions, labels), None)
    assert without_score["roc_auc"].reason == without_score["brier"].reason == "no score is logged"
    assert without_score["accuracy"].value is not None
    without_prediction = binary_performance(None, score_table(scores, predictions, labels), value_matrix=MATRIX)
    assert (
        without_prediction["accuracy"].reason
        == without_prediction["business_value"].reason
        == "no prediction is logged"
    )
    assert without_prediction["roc_auc"].value is not None
    assert without_prediction["label_rate"].value == pytest.approx(labels.mean())


def test_ranks_have_an_area_but_no_probability():
    scores, predictions, labels = made_rows(500, seed=7)
    ranks = np.ceil(scores * 10)
    values = measured(ranks, predictions, labels)
    assert values["roc_auc"].value == pytest.approx(sk.roc_auc_score(labels, ranks))
    assert (
        values["brier"].reason
        == values["log_loss"].reason
        == "the scores leave [0, 1]: they are ranks, no probabilities"
    )


def test_perfect_and_worthless_scores():
    labels = np.repeat([0.0, 1.0], 50)
    perfect = measured(labels * 0.8 + 0.1, labels, labels)
    assert perfect["roc_auc"].value == perfect["average_precision"].value == perfect["accuracy"].value == 1
    for metric in ("roc_auc", "accuracy", "recall"):
        assert perfect[metric].sampling_error > 0, metric
        assert perfect[metric].interval_upper == 1, metric
    wrong = measured(0.9 - labels * 0.8, 1 - labels, labels)
    assert wrong["roc_auc"].value == 0
    assert wrong["mcc"].value == pytest.approx(-1)


@pytest.mark.parametrize("ties", [None, 12])
def test_sampling_errors_are_those_of_resampled_rows(ties):
    scores, predictions, labels = made_rows(1500, seed=8, ties=ties, rate=0.3)
    generator = np.random.default_rng(0)
    draws: dict[str, list[float]] = {}
    for _ in range(400):
        at = generator.integers(0, len(scores), len(scores))
        for metric, value in measured(scores[at], predictions[at], labels[at]).items():
            draws.setdefault(metric, []).append(value.value)
    for metric, value in measured(scores, predictions, labels).items():
        assert value.sampling_error == pytest.approx(np.std(draws[metric]), rel=0.15), metric


@pytest.mark.parametrize("metric", ["f1", "cohen_kappa", "mcc", "business_value"])
def test_errors_of_confusion_metrics_follow_the_numeric_gradient(metric):
    counts = np.array([[40.0, 11.0], [7.0, 23.0]])
    n, shares = counts.sum(), counts / counts.sum()

    def value(at):
        return confusion_values(at, min_rows=1, value_matrix=MATRIX)[metric].value

    slopes = np.zeros((2, 2))
    for place in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[place] = 1e-4
        slopes[place] = (value(counts + step) - value(counts - step)) / 2e-4 * n
    expected = np.sqrt((shares * slopes**2).sum() - (shares * slopes).sum() ** 2) / np.sqrt(n)
    assert confusion_values(counts, value_matrix=MATRIX)[metric].sampling_error == pytest.approx(expected, rel=1e-6)


def test_bounds_of_a_single_cell_are_what_the_worst_order_gives():
    top, bottom = np.array([0.9, 0.95]), np.array([0.1, 0.2, 0.3, 0.4])
    scores, labels = np.append(bottom, top), np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    values = binary_performance(None, cell_table(scores, labels, labels, 2), min_rows=1)
    best, worst = [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]
    areas = [sk.roc_auc_score(order, np.arange(6, 0, -1)) for order in (best, worst)]
    assert values["roc_auc"].value == pytest.approx(np.mean(areas))
    assert values["roc_auc"].error_bound == pytest.approx((areas[0] - areas[1]) / 2)
    least = sk.average_precision_score(worst, np.arange(6, 0, -1))
    precision = values["average_precision"]
    assert precision.value - precision.error_bound <= least
    assert precision.error_bound == pytest.approx(1 - precision.value)


def test_intervals_cover_the_truth():
    truth, hits = {}, {}
    everyone = made_rows(400_000, seed=9)
    truth = {metric: value.value for metric, value in measured(*everyone).items()}
    for at in range(300):
        part = slice(at * 200, at * 200 + 200)
        for metric, value in measured(*(column[part] for column in everyone)).items():
            scale = 200 / 400_000 if metric in COUNTED else 1
            hits[metric] = hits.get(metric, 0) + (value.interval_lower <= truth[metric] * scale <= value.interval_upper)
    for metric, count in hits.items():
        assert 0.89 <= count / 300 <= 1, (metric, count / 300)


COUNTED = ("true_positive", "true_negative", "false_positive", "false_negative", "business_value")

LABELS = st.sampled_from([0.0, 1.0, float("nan")])
ROWS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda step: step / 20), st.sampled_from([0.0, 1.0]), LABELS),
    min_size=2,
    max_size=60,
)


def arrays(rows: list[tuple[float, float, float]]) -> tuple[Rows, Rows, Rows]:
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


def same(left, right, *, rel=1e-9):
    assert left.keys() == right.keys()
    for metric in left:
        assert left[metric].reason == right[metric].reason, metric
        if left[metric].value is not None:
            assert left[metric].value == pytest.approx(right[metric].value, rel=rel, abs=1e-12), metric


@given(ROWS, ROWS)
def test_the_metric_of_two_slices_is_that_of_their_added_tables(left, right):
    one, other, both = arrays(left), arrays(right), arrays(left + right)
    confusion = confusion_counts(*one[1:]) + confusion_counts(*other[1:])
    for make in (score_table, cell_table):
        merged = binary_performance(confusion, make(*one) + make(*other), min_rows=1, value_matrix=MATRIX)
        whole = binary_performance(confusion_counts(*both[1:]), make(*both), min_rows=1, value_matrix=MATRIX)
        same(merged, whole)
        for metric, value in merged.items():
            assert value.error_bound == pytest.approx(whole[metric].error_bound, abs=1e-9), metric


@given(ROWS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_copies_of_them_matter(rows, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    same(measured(*arrays(rows), min_rows=1), measured(*arrays(shuffled), min_rows=1))
    twice = measured(*arrays(rows + rows), min_rows=1)
    once = measured(*arrays(rows), min_rows=1)
    for metric in once:
        if once[metric].value is not None:
            scale = 2 if metric in COUNTED else 1
            assert twice[metric].value == pytest.approx(once[metric].value * scale, abs=1e-12), metric


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0]), LABELS), min_size=2, max_size=60),
    st.integers(1, 12),
)
@settings(max_examples=300)
def test_the_bound_of_a_table_of_cells_holds(rows, cells):
    scores, predictions, labels = arrays(rows)
    confusion = confusion_counts(predictions, labels)
    exact = binary_performance(confusion, score_table(scores, predictions, labels), min_rows=1)
    coarse = binary_performance(confusion, cell_table(scores, predictions, labels, cells), min_rows=1)
    for metric, value in coarse.items():
        assert value.reason == exact[metric].reason, metric
        if value.value is not None:
            assert abs(value.value - exact[metric].value) <= value.error_bound + 1e-9, metric


def test_bounds_shrink_with_the_cells_and_vanish_where_a_cell_is_one_score():
    rows = made_rows(20_000, seed=10)
    confusion = confusion_counts(*rows[1:])
    bounds = [
        binary_performance(confusion, cell_table(*rows, cells))["roc_auc"].error_bound for cells in (16, 256, 2048)
    ]
    assert bounds[0] > bounds[1] > bounds[2] > 0
    assert bounds[2] < 0.001
    tied = made_rows(2000, seed=10, ties=16)
    assert binary_performance(confusion_counts(*tied[1:]), cell_table(*tied, 64))["average_precision"].error_bound == 0


def test_nothing_warns_and_ninety_chunks_are_quick():
    tables = [
        (confusion_counts(*rows[1:]), cell_table(*rows, 2048))
        for rows in (made_rows(20_000, seed) for seed in range(3))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = time.process_time()
        for at in range(90):
            binary_performance(*tables[at % 3], value_matrix=MATRIX)
        assert time.process_time() - start < 0.15


def test_values_of_a_table_do_not_depend_on_how_many_parts_it_came_in():
    rows = made_rows(5000, seed=11, ties=200)
    parts = [score_table(*(column[at : at + 500] for column in rows)) for at in range(0, 5000, 500)]
    confusion = confusion_counts(*rows[1:])
    same(binary_performance(confusion, added(parts)), binary_performance(confusion, score_table(*rows)), rel=1e-12)


@pytest.mark.parametrize("counts", [[[60, 20], [20, 0]], [[60, 0], [0, 40]]], ids=["no hit", "no miss"])
def test_f1_of_no_and_of_all_hits_is_as_unsure_as_few_rows_leave_it(counts):
    value = confusion_values(np.array(counts, dtype=float))["f1"]
    assert value.value in (0.0, 1.0)
    assert value.sampling_error > 0
    low, high = binomtest(counts[1][1], 40).proportion_ci(method="wilson")
    assert value.interval_lower == pytest.approx(2 * low / (1 + low), abs=1e-12)
    assert value.interval_upper == pytest.approx(2 * high / (1 + high), abs=1e-12)
    assert value.interval_upper - value.interval_lower > 0.04
