"""Estimated accuracy: the calibrator against scikit-learn, the estimates against NannyML and brute force."""

import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedShuffleSplit

from mlops_desk.metrics.estimation import DEFINITIONS, Calibrator, estimated_performance, fit_calibrator, raw_calibrator
from mlops_desk.metrics.isotonic import _pooled_one_by_one, isotonic_blocks
from mlops_desk.metrics.performance import binary_performance
from tests.metrics.accuracy_tables import cell_table, columns, confusion_counts, score_table

MATRIX = ((0.0, -1.0), (-2.0, 3.0))
AREAS = ("roc_auc", "average_precision")


def made_rows(n, seed, power=1.6):
    generator = np.random.default_rng(seed)
    scores = generator.beta(1.5, 1.5, n)
    return scores, (scores >= 0.5).astype(float), (generator.random(n) < scores**power).astype(float)


WEIGHTED = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(any), min_size=1, max_size=40)


@given(WEIGHTED)
def test_isotonic_blocks_equal_scipy(entries):
    hits, misses = (np.array(column, dtype=float) for column in zip(*entries, strict=True))
    rows = hits + misses
    expected = isotonic_regression(hits / rows, weights=rows).x
    for pool in (isotonic_blocks, lambda *given: _pooled_one_by_one(np.arange(len(rows)), *given)):
        starts, positives, held = pool(hits, rows)
        sizes = np.diff(np.append(starts, len(rows)))
        assert np.repeat(positives / held, sizes) == pytest.approx(expected, abs=1e-12)


def test_isotonic_blocks_of_a_long_fall_are_pooled():
    hits = np.append(np.arange(1.0, 501.0), 0.0)
    rows = np.append(np.full(500, 500.0), 1e9)
    starts, positives, held = isotonic_blocks(hits, rows)
    assert starts.tolist() == [0]
    assert (positives[0], held[0]) == (hits.sum(), rows.sum())


def test_the_calibrator_equals_scikit_learn():
    scores, predictions, labels = made_rows(3000, seed=1)
    scores = np.round(scores, 3)
    calibrator = fit_calibrator(score_table(scores, predictions, labels))
    assert calibrator.calibrates
    fit = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    asked = np.linspace(0, 1, 5001)
    assert calibrator.probability(asked) == pytest.approx(fit.predict(asked), abs=1e-12)


def errors_of_held_out_rows(scores, labels):
    """Expected calibration errors, raw and calibrated, found row by row with scikit-learn's own splits."""
    raw, told, calibrated = [], [], []
    for train, test in StratifiedShuffleSplit(n_splits=10, test_size=0.1, random_state=42).split(scores, labels):
        fit = IsotonicRegression(out_of_bounds="clip").fit(scores[train], labels[train])
        raw.append(scores[test])
        told.append(labels[test])
        calibrated.append(fit.predict(scores[test]))
    told = np.concatenate(told)

    def error(chances):
        bins = np.array_split(np.argsort(chances, kind="stable"), 10)
        return sum(len(one) * abs(chances[one].mean() - told[one].mean()) for one in bins) / len(told)

    return error(np.concatenate(raw)), error(np.concatenate(calibrated))


@pytest.mark.parametrize("power", [1.6, 1.2, 0.7])
def test_scores_that_are_off_are_calibrated(power):
    rows = made_rows(20_000, seed=2, power=power)
    before, after = errors_of_held_out_rows(rows[0], rows[2])
    assert before > 2 * after
    assert fit_calibrator(score_table(*rows)).calibrates


def test_probabilities_that_calibration_would_only_disturb_stay_raw():
    found = [fit_calibrator(score_table(*made_rows(300, seed=seed, power=1.0))).calibrates for seed in range(40)]
    assert 10 <= sum(found) <= 30  # chance decides, as it does row by row
    off = [fit_calibrator(score_table(*made_rows(300, seed=seed, power=2.5))).calibrates for seed in range(40)]
    assert all(off)


def test_perfect_rankings_and_single_classes_stay_raw():
    scores, predictions, labels = made_rows(500, seed=3)
    assert not fit_calibrator(score_table(labels * 0.6 + scores * 0.3, predictions, labels)).calibrates
    assert not fit_calibrator(score_table(scores, predictions, np.zeros(500))).calibrates
    assert fit_calibrator(score_table(scores, predictions, np.zeros(500))).unusable is None


def test_a_reference_that_cannot_be_used_says_why():
    scores, predictions, labels = made_rows(100, seed=4)
    table = score_table(scores, predictions, labels)
    reasons = {
        "no score is logged": None,
        "no labelled reference rows with a score": score_table(scores, predictions, np.full(100, np.nan)),
        "the scores leave [0, 1]: they are ranks, no probabilities": score_table(scores * 9, predictions, labels),
    }
    for reason, reference in reasons.items():
        calibrator = fit_calibrator(reference)
        assert calibrator.unusable == reason
        assert {value.reason for value in estimated_performance(table, calibrator).values()} == {f"reference: {reason}"}
    ranks = estimated_performance(score_table(scores * 9, predictions, labels), raw_calibrator())
    assert ranks["accuracy"].reason == "the scores leave [0, 1]: they are ranks, no probabilities"
    assert estimated_performance(None, raw_calibrator())["f1"].reason == "no score is logged"
    assert estimated_performance(table, raw_calibrator(), predicted=False)["f1"].reason == "no prediction is logged"
    assert estimated_performance(table, raw_calibrator(), predicted=False)["roc_auc"].value is not None


def test_the_digest_names_what_a_calibrator_does():
    rows = made_rows(1000, seed=5)
    first, again = (fit_calibrator(score_table(*rows)) for _ in range(2))
    assert first.digest == again.digest
    line = Calibrator(scores=first.scores, probabilities=first.probabilities / 2, rows=first.rows)
    assert len({first.digest, line.digest, raw_calibrator().digest}) == 3


def test_estimates_are_the_mean_over_labels_drawn_from_the_probabilities():
    scores, predictions, _ = made_rows(400, seed=6)
    generator = np.random.default_rng(0)
    estimates = estimated_performance(
        score_table(scores, predictions, np.full(400, np.nan)), raw_calibrator(), value_matrix=MATRIX
    )
    draws = {}
    for _ in range(400):
        labels = (generator.random(400) < scores).astype(float)
        for metric, value in binary_performance(
            confusion_counts(predictions, labels), score_table(scores, predictions, labels), value_matrix=MATRIX
        ).items():
            draws.setdefault(metric, []).append(value.value)
    assert set(estimates) == {definition.id for definition in DEFINITIONS if "binary" in definition.tasks}
    for metric, value in estimates.items():
        middle = np.mean(draws[metric])
        assert value.value == pytest.approx(middle, abs=5 * np.std(draws[metric]) / 20 + 0.01 * abs(middle)), metric
        assert value.sampling_error >= 0.9 * np.std(draws[metric]), metric


def test_estimates_do_not_look_at_labels():
    scores, predictions, labels = made_rows(300, seed=7)
    blind = estimated_performance(score_table(scores, predictions, np.full(300, np.nan)), raw_calibrator())
    seeing = estimated_performance(score_table(scores, predictions, labels), raw_calibrator())
    for metric in blind:
        assert seeing[metric].value == pytest.approx(blind[metric].value, rel=1e-12), metric


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0]), st.just(math.nan)), min_size=1, max_size=50),
    st.integers(1, 12),
)
def test_expected_losses_of_cells_are_within_their_bounds(rows, cells):
    table = tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))
    coarse = cell_table(*table, cells)
    chance = np.repeat(0.3, 2)
    level = Calibrator(scores=np.array([0.0, 1.0]), probabilities=chance, rows=np.array([10.0, 10.0]))
    exact = estimated_performance(score_table(*table), level, min_rows=1)
    cell = estimated_performance(coarse, level, min_rows=1)
    for metric in ("log_loss", "brier", *AREAS):
        if exact[metric].value is not None:
            assert abs(cell[metric].value - exact[metric].value) <= cell[metric].error_bound + 1e-9, metric


def test_tables_of_cells_have_a_calibrator_of_cells():
    rows = made_rows(30_000, seed=8)
    fine, coarse = fit_calibrator(score_table(*rows)), fit_calibrator(cell_table(*rows, 2048))
    later = made_rows(5000, seed=9)
    exact, cells = (
        estimated_performance(score_table(*later), fine),
        estimated_performance(cell_table(*later, 2048), coarse),
    )
    for metric in ("accuracy", "f1", "roc_auc"):
        assert cells[metric].value == pytest.approx(exact[metric].value, abs=0.002), metric


def agree(values, expected):
    compared = 0
    for metric, number in expected.items():
        if metric in values and number not in ("", None):
            tolerance = {"abs": 0.005} if metric in AREAS else {"rel": 1e-6}
            assert values[metric].value == pytest.approx(float(number), **tolerance), metric
            compared += 1
    return compared


def test_car_loan_estimates_equal_nannyml(shared):
    folder = shared / "data" / "carloan_binary"
    reference = columns(folder / "reference.parquet", "y_pred_proba", "y_pred", "repaid")
    analysis = columns(folder / "analysis.parquet", "y_pred_proba", "y_pred")
    calibrator = fit_calibrator(score_table(reference["y_pred_proba"], reference["y_pred"], reference["repaid"]))
    seen = 0
    with (folder / "expected" / "nannyml_cbpe.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows = reference if row["chunk_period"] == "reference" else analysis
            part = slice(int(row["chunk_start_index"]), int(row["chunk_end_index"]) + 1)
            score, prediction = rows["y_pred_proba"][part], rows["y_pred"][part]
            values = estimated_performance(
                score_table(score, prediction, np.full(len(score), np.nan)), calibrator, value_matrix=MATRIX
            )
            seen += agree(
                values, {name.removesuffix("_value"): text for name, text in row.items() if name.endswith("_value")}
            )
    assert seen == 20 * 12


def test_golden_estimates_equal_nannyml(shared):
    folder = shared / "data" / "golden_small"
    golden = json.loads((folder / "golden_nannyml.json").read_text(encoding="utf-8"))
    reference, analysis = (
        columns(folder / f"{part}.parquet", "proba", "pred", "y") for part in ("reference", "analysis")
    )
    calibrator = fit_calibrator(score_table(reference["proba"], reference["pred"], reference["y"].astype(float)))
    assert calibrator.calibrates is golden["cbpe_needs_calibration"]
    n = len(analysis["y"])
    for chunk in range(4):
        part = slice(chunk * n // 4, (chunk + 1) * n // 4)
        table = score_table(analysis["proba"][part], analysis["pred"][part], analysis["y"][part].astype(float))
        expected = {
            key.removesuffix("|value"): told[chunk] for key, told in golden["cbpe"].items() if key.endswith("|value")
        }
        assert agree(estimated_performance(table, calibrator), expected) == len(expected)


def test_flights_are_calibrated_as_nannyml_would(shared):
    path = shared / "data" / "nycflights_delay" / "reference.parquet"
    rows = columns(path, "late_proba", "late_pred", "late")
    known = ~np.isnan(rows["late"])
    before, after = errors_of_held_out_rows(rows["late_proba"][known], rows["late"][known])
    calibrator = fit_calibrator(score_table(rows["late_proba"], rows["late_pred"], rows["late"]))
    assert calibrator.calibrates is bool(before > after)
    fit = IsotonicRegression(out_of_bounds="clip").fit(rows["late_proba"][known], rows["late"][known])
    assert calibrator.probability(rows["late_proba"]) == pytest.approx(fit.predict(rows["late_proba"]), abs=1e-9)
