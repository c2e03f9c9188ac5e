"""Estimated accuracy of several classes: against scikit-learn row by row, NannyML's own numbers, and labels drawn at random."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.metrics.class_estimation import (
    ClassCalibrators,
    estimated_classes,
    fit_class_calibrators,
)
from mlops_desk.metrics.concept import class_estimation_gap
from mlops_desk.metrics.estimation import raw_calibrator
from mlops_desk.metrics.multiclass import multiclass_performance
from tests.metrics.accuracy_tables import cell_table, confusion_table, expected_table, score_table

CLASSES = ("a", "b", "c")
MATRIX = ((1.0, -1.0, -2.0), (-1.0, 2.0, -1.0), (-3.0, -1.0, 3.0))
NANNYML = {
    "roc_auc": 0.7454315160400252, "f1": 0.5490945875849026, "precision": 0.5597810478225437,
    "recall": 0.5468060253045627, "specificity": 0.7759598935555839, "accuracy": 0.5668347582363493,
}  # fmt: skip
NANNYML_COUNTS = {
    "a|a": 845.8475904680888, "a|b": 221.37884241469882, "a|c": 147.22397340916015,
    "b|a": 331.18572618308804, "b|b": 527.6396034493989, "b|c": 141.75894579927964,
    "c|a": 273.96668334882327, "c|b": 183.98155413590234, "c|c": 327.0170807915602,
}  # fmt: skip


def made_rows(n, seed, tilt=0.0):
    """Scores that are too sure of themselves, predictions and labels."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3)) + np.array([0.3, 0.0, -0.3]) * tilt
    sure, true = np.exp(1.5 * x), np.exp(0.8 * x)
    scores = np.round(sure / sure.sum(axis=1, keepdims=True), 4)
    scores[:, 2] = np.round(1 - scores[:, 0] - scores[:, 1], 4)
    shares = (true / true.sum(axis=1, keepdims=True)).cumsum(axis=1)
    return scores, scores.argmax(axis=1), (shares < generator.random((n, 1))).sum(axis=1).clip(max=2)


def tables_of(scores, predicted, labels=None, cells=None):
    """Each class's score against the rest; no label where none are given."""
    found = {}
    for at, one in enumerate(CLASSES):
        label = np.full(len(scores), np.nan) if labels is None else (labels == at).astype(float)
        rows = (scores[:, at], (predicted == at).astype(float), label)
        found[one] = score_table(*rows) if cells is None else cell_table(*rows, cells)
    return found


def estimates(scores, predicted, calibrators, cells=None, **options):
    expected = expected_table(CLASSES, scores, calibrators.probabilities(scores)[0], predicted, cells)
    readings = estimated_classes(expected, tables_of(scores, predicted, cells=cells), calibrators.unusable, **options)
    return {(one.metric, one.group, one.class_): one.measurement for one in readings}


def raw_calibrators():
    return ClassCalibrators(calibrators=(raw_calibrator(),) * 3, classes=CLASSES)


def isotonic_chances(reference, asked):
    """Probabilities row by row with scikit-learn's isotonic regression of each class."""
    scores, _, labels = reference
    fits = [
        IsotonicRegression(out_of_bounds="clip").fit(scores[:, at], labels == at).predict(asked[:, at])
        for at in range(3)
    ]
    raw = np.stack(fits, axis=1)
    return raw / raw.sum(axis=1, keepdims=True)


def test_probabilities_are_isotonic_by_class_and_sum_to_one():
    reference, later = made_rows(4000, 1), made_rows(500, 2, 1.0)
    calibrators = fit_class_calibrators(tables_of(*reference), CLASSES)
    assert all(line.calibrates for line in calibrators.calibrators)
    assert calibrators.probabilities(later[0])[0] == pytest.approx(isotonic_chances(reference, later[0]), abs=1e-12)


def test_a_row_that_no_class_fits_is_of_any_class_alike():
    assert raw_calibrators().probabilities(np.zeros((1, 3)))[0].tolist() == [[1 / 3] * 3]


def test_estimates_equal_scikit_learn_on_rows_weighted_by_their_probabilities():
    reference, (scores, predicted, _) = made_rows(3000, 3), made_rows(700, 4, 1.0)
    calibrators = fit_class_calibrators(tables_of(*reference), CLASSES)
    chances = isotonic_chances(reference, scores)
    weights, truth, said = chances.T.ravel(), np.repeat(np.arange(3), len(scores)), np.tile(predicted, 3)
    found = estimates(scores, predicted, calibrators, value_matrix=MATRIX)
    given = {"sample_weight": weights}
    confusion = sk.confusion_matrix(truth, said, **given)
    recalls = sk.multilabel_confusion_matrix(truth, said, **given)
    wanted = {
        "accuracy": sk.accuracy_score(truth, said, **given),
        "precision": sk.precision_score(truth, said, average="macro", **given),
        "recall": sk.recall_score(truth, said, average="macro", **given),
        "f1": sk.f1_score(truth, said, average="macro", **given),
        "f1_micro": sk.f1_score(truth, said, average="micro", **given),
        "f1_weighted": sk.f1_score(truth, said, average="weighted", **given),
        "specificity": np.mean([one[0, 0] / one[0].sum() for one in recalls]),
        "roc_auc": np.mean([sk.roc_auc_score(truth == k, np.tile(scores[:, k], 3), **given) for k in range(3)]),
        "average_precision": np.mean(
            [sk.average_precision_score(truth == k, np.tile(scores[:, k], 3), **given) for k in range(3)]
        ),
        "log_loss": sk.log_loss(truth, np.tile(np.clip(scores, 1e-300, 1), (3, 1)), **given),
        "business_value": float((confusion * np.array(MATRIX)).sum()),
    }
    for metric, value in wanted.items():
        assert found[metric, None, None].value == pytest.approx(value, rel=1e-9), metric
    for at, one in enumerate(CLASSES):
        area = sk.roc_auc_score(truth == at, np.tile(scores[:, at], 3), **given)
        assert found["roc_auc", None, one].value == pytest.approx(area, rel=1e-9)
        assert found["recall", None, one].value == pytest.approx(confusion[at, at] / confusion[at].sum(), rel=1e-9)
        for column, said_class in enumerate(CLASSES):
            assert found["confusion", f"{one}|{said_class}", None].value == pytest.approx(confusion[at, column])


def test_estimates_equal_nannyml():
    """NannyML 0.13.1 (its CBPE of the metrics, chunk_size=3000) on these very rows."""
    scores, predicted, _ = made_rows(3000, 2, 1.0)
    found = estimates(scores, predicted, fit_class_calibrators(tables_of(*made_rows(6000, 1)), CLASSES))
    for metric, value in NANNYML.items():
        assert found[metric, None, None].value == pytest.approx(value, rel=1e-7 if metric == "roc_auc" else 1e-9), (
            metric
        )
    for pair, value in NANNYML_COUNTS.items():
        assert found["confusion", pair, None].value == pytest.approx(value, rel=1e-9), pair


def test_estimates_are_the_mean_over_labels_drawn_from_the_probabilities():
    scores, predicted, _ = made_rows(400, 5)
    found = estimates(scores, predicted, raw_calibrators(), value_matrix=MATRIX)
    generator, draws = np.random.default_rng(0), {}
    for _ in range(300):
        labels = (scores.cumsum(axis=1) < generator.random((400, 1))).sum(axis=1).clip(max=2)
        table = confusion_table(CLASSES, [CLASSES[k] for k in labels], [CLASSES[k] for k in predicted])
        for one in multiclass_performance(table, tables_of(scores, predicted, labels), value_matrix=MATRIX):
            if one.measurement.value is not None:
                draws.setdefault((one.metric, one.group, one.class_), []).append(one.measurement.value)
    assert set(draws) == set(found) - {("log_loss", None, None)}
    for key, values in draws.items():
        middle, spread = np.mean(values), np.std(values)
        assert found[key].value == pytest.approx(middle, abs=5 * spread / 17 + 0.01 * abs(middle)), key
        assert found[key].sampling_error >= 0.85 * spread, key


def test_what_cannot_be_estimated_says_why():
    scores, predicted, labels = made_rows(100, 6)
    tables = tables_of(scores, predicted, labels)
    calibrators = fit_class_calibrators(tables, CLASSES)
    expected = expected_table(CLASSES, scores, calibrators.probabilities(scores)[0], predicted)
    assert fit_class_calibrators(tables, ()).unusable == "no score of each class is logged"
    few = fit_class_calibrators({}, CLASSES).unusable
    assert few == "reference, class 'a': no score is logged"
    cases = {
        few: estimated_classes(expected, tables, few),
        "100 rows with a prediction and a score of each class, fewer than 101": estimated_classes(
            expected, tables, None, min_rows=101
        ),
        "no rows with a prediction and a score of each class": estimated_classes(None, tables, None),
        "the scores leave [0, 1]: they are ranks, no probabilities": estimated_classes(
            expected, tables_of(scores * 2, predicted), None
        ),
    }
    for reason, readings in cases.items():
        assert {one.measurement.reason for one in readings} == {reason}


def test_a_class_that_is_sure_not_to_occur_is_untested_and_named():
    scores = np.tile([[0.7, 0.3, 0.0]], (40, 1))
    found = estimates(scores, np.zeros(40, dtype=int), raw_calibrators())
    assert found["accuracy", None, None].value == pytest.approx(0.7)
    assert found["recall", None, None].reason == "no labelled row is of class 'c'"
    assert found["precision", None, "b"].reason == "no labelled row is predicted 'b'"
    assert found["roc_auc", None, None].reason == "class 'c': no labelled row is positive"
    assert all(one.value is None or np.isfinite(one.value) for one in found.values())


def test_cells_are_within_their_bounds():
    scores, predicted, _ = made_rows(2000, 7)
    exact, cells = (estimates(scores, predicted, raw_calibrators(), cells) for cells in (None, 16))
    for key, one in cells.items():
        assert abs(one.value - exact[key].value) <= one.error_bound + 1e-9, key
    assert cells["roc_auc", None, None].error_bound > 0


@given(st.lists(st.integers(0, 19), max_size=20, unique=True), st.integers(0, 1))
def test_the_table_of_all_rows_is_the_sum_of_the_tables_of_some(chosen, parts):
    scores, predicted, _ = made_rows(20, 8)
    chances, first = raw_calibrators().probabilities(scores)[0], np.zeros(20, dtype=bool)
    first[chosen] = True
    of = [
        expected_table(CLASSES, scores[rows], chances[rows], predicted[rows])
        for rows in ((first, ~first) if parts else (~first, first))
    ]
    whole = expected_table(CLASSES, scores, chances, predicted)
    summed: ExpectedTable = of[0] + of[1]
    assert (summed.classes, summed.rows) == (whole.classes, whole.rows)
    assert summed.counts == pytest.approx(whole.counts, abs=1e-12)
    assert summed.right_squares == pytest.approx(whole.right_squares)
    assert (summed.loss, summed.loss_squares) == pytest.approx((whole.loss, whole.loss_squares), rel=1e-12)
    for one in CLASSES:
        assert summed.positives[one].marks.tolist() == whole.positives[one].marks.tolist()
        assert summed.positives[one].rows.tolist() == whole.positives[one].rows.tolist()
        assert summed.positives[one].pulls == pytest.approx(whole.positives[one].pulls, abs=1e-12)
        assert summed.positives[one].positives == pytest.approx(whole.positives[one].positives, abs=1e-12)


def test_equal_calibrators_have_one_digest():
    rows = made_rows(1000, 9)
    first, again = (fit_class_calibrators(tables_of(*rows), CLASSES) for _ in range(2))
    assert first.digest == again.digest != raw_calibrators().digest


def gap(reference, later, labelled=None):
    """The estimation gap of rows of which the first `labelled` have labels."""
    scores, predicted, labels = later
    calibrators = fit_class_calibrators(tables_of(*reference), CLASSES)
    chances, totals = calibrators.probabilities(scores)
    expected = expected_table(CLASSES, scores, chances, predicted, totals=totals)
    some = slice(None, labelled)
    table = confusion_table(CLASSES, [CLASSES[k] for k in labels[some]], [CLASSES[k] for k in predicted[some]])
    tables = tables_of(scores, predicted)
    realised, estimated = (
        next(one.measurement for one in readings if one.metric == "accuracy")
        for readings in (multiclass_performance(table, {}), estimated_classes(expected, tables, None))
    )
    return class_estimation_gap(table.labelled, expected, tables, calibrators, realised, estimated)


@pytest.mark.parametrize(
    ("reference_rows", "rows", "labelled"), [(1500, 2000, 2000), (8000, 300, 300), (4000, 1500, 200)]
)
def test_the_estimation_gap_is_near_0_and_spreads_as_its_error_tells(reference_rows, rows, labelled):
    found = [gap(made_rows(reference_rows, 10_000 + at), made_rows(rows, 20_000 + at), labelled) for at in range(60)]
    values, errors = [one.value for one in found], [one.sampling_error for one in found]
    assert abs(np.mean(values)) < 0.7 * np.mean(errors)  # isotonic lines fitted on few rows are a little too sure
    assert 0.7 <= np.std(values) / np.mean(errors) <= 1.1


def test_the_estimation_gap_tells_when_labels_follow_other_rules():
    scores, predicted, labels = made_rows(2000, 11)
    changed = gap(made_rows(4000, 12), (scores, predicted, (labels + 1) % 3))
    assert changed.value < -10 * changed.sampling_error


def test_an_estimation_gap_without_an_estimate_or_labels_says_why():
    few = gap(made_rows(500, 13), made_rows(100, 14), 10)
    assert few.reason == "10 labelled rows, fewer than 30"
