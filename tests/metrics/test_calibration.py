"""Calibration against brute force and scikit-learn's logistic regression; cells within their bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mlops_desk.metrics.calibration import CLIP, DEFINITIONS, LOGISTIC_METRICS, calibration, reliability_curve
from tests.metrics.accuracy_tables import cell_table, score_table


def made_rows(n, seed):
    generator = np.random.default_rng(seed)
    scores = generator.beta(2, 3, n)
    return scores, (scores > 0.5).astype(float), (generator.random(n) < scores**1.3).astype(float)


def oracle(scores, labels):
    """The binned metrics, of rows that have all different scores and a number that ten divides."""
    order = np.argsort(scores)
    bins = np.split(order, 10)
    gaps = np.array([scores[one].mean() - labels[one].mean() for one in bins])
    rates = np.array([labels[one].mean() for one in bins])
    return {
        "expected_calibration_error": np.abs(gaps).mean(),
        "maximum_calibration_error": np.abs(gaps).max(),
        "brier_reliability": (gaps**2).mean(),
        "brier_resolution": ((rates - labels.mean()) ** 2).mean(),
    }


def test_binned_errors_equal_brute_force():
    scores, predictions, labels = made_rows(2000, seed=1)
    values = calibration(score_table(scores, predictions, labels))
    assert set(values) == {definition.id for definition in DEFINITIONS}
    for metric, expected in oracle(scores, labels).items():
        assert values[metric].value == pytest.approx(expected, rel=1e-9), metric
        assert values[metric].error_bound == 0
        assert values[metric].interval_lower <= values[metric].value <= values[metric].interval_upper


def test_recalibration_equals_an_unpenalised_logistic_regression():
    scores, predictions, labels = made_rows(3000, seed=2)
    scores[:5] = [0.0, 0.0, 1.0, 1.0, 0.5]
    clipped = np.clip(scores, CLIP, 1 - CLIP)
    logits = np.log(clipped / (1 - clipped))[:, None]
    fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(logits, labels)
    values = calibration(score_table(scores, predictions, labels))
    assert values["calibration_slope"].value == pytest.approx(fit.coef_[0, 0], rel=1e-6)
    assert values["calibration_intercept"].value == pytest.approx(fit.intercept_[0], rel=1e-6)


def test_recalibration_errors_are_those_of_resampled_rows():
    rows = made_rows(1500, seed=3)
    generator, draws = np.random.default_rng(0), {metric: [] for metric in LOGISTIC_METRICS}
    for _ in range(200):
        at = generator.integers(0, 1500, 1500)
        values = calibration(score_table(*(column[at] for column in rows)))
        for metric, drawn in draws.items():
            drawn.append(values[metric].value)
    values = calibration(score_table(*rows))
    for metric, drawn in draws.items():
        assert values[metric].sampling_error == pytest.approx(np.std(drawn), rel=0.2), metric


def test_perfect_probabilities_are_within_their_errors():
    generator = np.random.default_rng(4)
    scores = generator.random(50_000)
    labels = (generator.random(50_000) < scores).astype(float)
    values = calibration(score_table(scores, labels, labels))
    assert values["expected_calibration_error"].value < 0.01
    assert abs(values["calibration_slope"].value - 1) < 4 * values["calibration_slope"].sampling_error
    assert abs(values["calibration_intercept"].value) < 4 * values["calibration_intercept"].sampling_error
    assert values["brier_resolution"].value == pytest.approx(1 / 12, abs=0.005)


def test_the_curve_goes_through_the_bins():
    scores, predictions, labels = made_rows(1000, seed=5)
    points = reliability_curve(score_table(scores, predictions, labels))
    bins = np.split(np.argsort(scores), 10)
    assert [point.score for point in points] == pytest.approx([scores[one].mean() for one in bins])
    assert [point.positive_rate for point in points] == pytest.approx([labels[one].mean() for one in bins])
    assert all(point.interval_lower <= point.positive_rate <= point.interval_upper for point in points)
    assert reliability_curve(None) == ()


def test_what_cannot_be_calibrated_says_why():
    scores, predictions, labels = made_rows(200, seed=6)
    reasons = {
        "no score is logged": None,
        "20 labelled rows with a score, fewer than 30": score_table(scores[:20], predictions[:20], labels[:20]),
        "the scores leave [0, 1]: they are ranks, no probabilities": score_table(scores * 10, predictions, labels),
    }
    for reason, table in reasons.items():
        assert {value.reason for value in calibration(table).values()} == {reason}
    one_class = calibration(score_table(scores, predictions, np.zeros(200)))
    assert one_class["calibration_slope"].reason == "no labelled row is positive"
    assert one_class["expected_calibration_error"].value == pytest.approx(scores.mean())
    assert (
        calibration(score_table(np.full(200, 0.5), predictions, labels))["calibration_slope"].reason
        == "all scores are equal"
    )
    apart = calibration(score_table(labels * 0.5 + scores * 0.4, predictions, labels))
    assert "separate" in apart["calibration_slope"].reason
    assert "exact" in calibration(cell_table(scores, predictions, labels))["calibration_intercept"].reason


ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.just(0.0), st.sampled_from([0.0, 1.0, float("nan")])), min_size=1, max_size=60
)


def arrays(rows):
    return tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))


@given(ROWS, st.integers(1, 12))
@settings(max_examples=300)
def test_the_bound_of_a_table_of_cells_holds(rows, cells):
    exact = calibration(score_table(*arrays(rows)), min_rows=1)
    coarse = calibration(cell_table(*arrays(rows), cells), min_rows=1)
    for metric, value in coarse.items():
        if value.value is not None:
            assert abs(value.value - exact[metric].value) <= value.error_bound + 1e-9, metric


def test_the_bound_holds_where_only_the_high_scores_of_each_cell_have_labels():
    scores = (np.arange(1000) + 0.5) / 1000
    labels = np.where(np.arange(1000) % 100 >= 50, 0.0, np.nan)
    tables = score_table(scores, scores * 0, labels), cell_table(scores, scores * 0, labels, 10)
    exact, coarse = (calibration(table)["expected_calibration_error"] for table in tables)
    assert exact.value - coarse.value == pytest.approx(0.025)
    assert 0.025 <= coarse.error_bound <= 0.05


@given(ROWS, ROWS)
def test_calibration_of_added_tables_and_of_copied_rows(left, right):
    merged = calibration(score_table(*arrays(left)) + score_table(*arrays(right)), min_rows=1)
    whole = calibration(score_table(*arrays(right + left)), min_rows=1)
    twice = calibration(score_table(*arrays(right + left + right + left)), min_rows=1)
    for metric, value in whole.items():
        assert merged[metric].reason == value.reason == twice[metric].reason, metric
        if value.value is not None:
            assert merged[metric].value == pytest.approx(value.value, rel=1e-6, abs=1e-6), metric
            assert twice[metric].value == pytest.approx(value.value, rel=1e-6, abs=1e-6), metric
