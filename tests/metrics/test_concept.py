"""Concept drift against the textbook formulas, SciPy's χ² and simulated samples."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.metrics.concept import (
    DEFINITIONS,
    EFFECTS,
    SHIFT_METRICS,
    accuracy_effects,
    estimation_gap,
    label_shift,
    score_strata,
)
from mlops_desk.metrics.estimation import estimated_performance, fit_calibrator, raw_calibrator
from mlops_desk.metrics.performance import binary_performance
from tests.metrics.accuracy_tables import cell_table, confusion_counts, score_table


def made_rows(n, seed, *, shift=0.0, power=1.0, skew=2.0):
    generator = np.random.default_rng(seed)
    scores = generator.beta(2, skew, n)
    chance = 1 / (1 + np.exp(-(np.log(scores**power / (1 - scores**power)) + shift)))
    return scores, (scores >= 0.5).astype(float), (generator.random(n) < chance).astype(float)


def oracle(reference, chunk):
    """Cochran, Mantel and Haenszel stratum by stratum, from the rows."""
    borders = np.quantile(reference[0], np.arange(1, 10) / 10, method="inverted_cdf")
    surplus = variance = for_it = against = 0.0
    for stratum in range(10):
        cells = []
        for scores, _, labels in (chunk, reference):
            held = labels[np.searchsorted(borders, scores, side="left") == stratum]
            cells.append((held.sum(), len(held) - held.sum()))
        (a, b), (c, d) = cells
        n = a + b + c + d
        surplus += a - (a + b) * (a + c) / n
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))
        for_it += a * d / n
        against += b * c / n
    return surplus**2 / variance, for_it / against


def test_label_shift_equals_the_textbook():
    reference, chunk = made_rows(3000, seed=1), made_rows(700, seed=2, shift=0.3, skew=3.0)
    values = label_shift(score_table(*reference), score_table(*chunk))
    statistic, ratio = oracle(reference, chunk)
    assert values["label_shift_given_score"].value == pytest.approx(statistic, rel=1e-9)
    assert values["label_shift_given_score_p"].value == pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-9)
    assert values["label_odds_ratio"].value == pytest.approx(ratio, rel=1e-9)
    assert {*values, "estimation_gap", *EFFECTS} == {definition.id for definition in DEFINITIONS}


def test_one_stratum_is_pearsons_test():
    reference, chunk = made_rows(500, seed=3), made_rows(300, seed=4, shift=0.5)
    level = [(np.full(len(rows[0]), 0.5), rows[1], rows[2]) for rows in (reference, chunk)]
    table = np.array([[rows[2].sum(), (1 - rows[2]).sum()] for rows in level])
    n = table.sum()
    values = label_shift(*(score_table(*rows) for rows in level))
    expected = stats.chi2_contingency(table, correction=False).statistic * (n - 1) / n
    assert values["label_shift_given_score"].value == pytest.approx(expected, rel=1e-9)


def test_covariate_shift_alone_is_no_label_shift_and_p_is_uniform_under_no_change():
    reference = score_table(*made_rows(20_000, seed=5))
    chances = [
        label_shift(reference, score_table(*made_rows(500, seed=100 + at, skew=4.0)))["label_shift_given_score_p"].value
        for at in range(200)
    ]
    assert stats.kstest(chances, "uniform").pvalue > 0.001
    changed = label_shift(reference, score_table(*made_rows(500, seed=6, shift=1.0)))
    assert changed["label_shift_given_score_p"].value < 1e-6
    ratio = changed["label_odds_ratio"]
    assert ratio.interval_lower < math.e < ratio.interval_upper


def test_the_odds_ratio_error_is_that_of_fresh_samples():
    reference = made_rows(2000, seed=7)
    draws = [
        label_shift(score_table(*made_rows(2000, seed=500 + at)), score_table(*made_rows(400, seed=900 + at)))[
            "label_odds_ratio"
        ].value
        for at in range(200)
    ]
    value = label_shift(score_table(*reference), score_table(*made_rows(400, seed=8)))["label_odds_ratio"]
    assert value.sampling_error / value.value == pytest.approx(np.std(np.log(draws)), rel=0.2)


def test_what_cannot_be_compared_says_why():
    table = score_table(*made_rows(100, seed=9))
    few = score_table(*made_rows(20, seed=9))
    assert label_shift(table, few)["label_odds_ratio"].reason == "20 labelled rows with a score, fewer than 30"
    assert (
        label_shift(few, table)["label_odds_ratio"].reason == "20 labelled reference rows with a score, fewer than 30"
    )
    assert {label_shift(None, table)[metric].reason for metric in SHIFT_METRICS} == {"no score is logged"}
    scores, predictions, _ = made_rows(100, seed=9)
    negative = score_table(scores, predictions, np.zeros(100))
    assert "both classes" in label_shift(negative, negative)["label_shift_given_score"].reason
    with pytest.raises(ValueError, match="no common strata"):
        score_strata(table, cell_table(*made_rows(100, seed=9)))


ROWS = st.lists(
    st.tuples(st.integers(0, 8).map(lambda step: step / 8), st.just(0.0), st.sampled_from([0.0, 1.0])),
    min_size=2,
    max_size=40,
)


@given(ROWS, ROWS)
def test_label_shift_of_added_tables(left, right):
    def table(rows):
        return score_table(*(np.array(column) for column in zip(*rows, strict=True)))

    reference = table(left + right)
    assert label_shift(reference, table(left) + table(right), min_rows=1) == label_shift(
        reference, reference, min_rows=1
    )


def gap(rows, calibrator):
    confusion, scores = confusion_counts(*rows[1:]), score_table(*rows)
    realised = binary_performance(confusion, scores)["accuracy"]
    estimated = estimated_performance(scores, calibrator)["accuracy"]
    return estimation_gap(confusion, scores, calibrator, realised, estimated), realised, estimated


def test_the_gap_is_the_difference_and_widens_only_with_the_concept():
    calibrator = fit_calibrator(score_table(*made_rows(20_000, seed=10, power=1.5)))
    assert calibrator.calibrates
    same, realised, estimated = gap(made_rows(2000, seed=11, power=1.5, skew=4.0), calibrator)
    assert same.value == realised.value - estimated.value
    assert abs(same.value) < 3 * same.sampling_error
    changed, _, _ = gap(made_rows(2000, seed=12, power=1.5, shift=-2.0), calibrator)
    assert abs(changed.value) > 3 * changed.sampling_error


@pytest.mark.slow
@pytest.mark.parametrize(("reference", "chunk", "coverage"), [(2000, 800, 1.0), (400, 4000, 1.0), (20_000, 1000, 0.1)])
def test_the_gap_stays_within_its_error_as_often_as_it_should(reference, chunk, coverage):
    scaled = []
    for at in range(150):
        calibrator = fit_calibrator(score_table(*np.round(made_rows(reference, seed=2000 + at, power=1.6), 2)))
        scores, predictions, labels = made_rows(chunk, seed=5000 + at, power=1.6)
        labels[np.random.default_rng(at).random(chunk) > coverage] = np.nan
        value, _, _ = gap((np.round(scores, 2), predictions, labels), calibrator)
        scaled.append(value.value / value.sampling_error)
    assert np.sqrt(np.mean(np.square(scaled))) == pytest.approx(1.0, abs=0.25)


def test_the_gap_allows_for_which_rows_have_labels():
    scores = np.repeat([0.5, 1.0], 5000)
    table = score_table(scores, np.ones(10_000), np.full(10_000, np.nan))
    calibrator = raw_calibrator()
    estimated = estimated_performance(table, calibrator)["accuracy"]
    confusion = np.array([[0, 0, 0], [25, 75, 9900]])
    value = estimation_gap(confusion, table, calibrator, Measurement(0.75), estimated)
    generator = np.random.default_rng(0)
    drawn = [(generator.random(100) < scores[generator.choice(10_000, 100, replace=False)]).mean() for _ in range(4000)]
    assert value.sampling_error == pytest.approx(np.std(drawn), rel=0.05)


def test_a_gap_needs_both_sides():
    scores, predictions, labels = made_rows(100, seed=13)
    table, confusion = score_table(scores, predictions, labels), confusion_counts(predictions, labels)
    value = Measurement(0.8)
    missing = untested("no labelled rows")
    assert estimation_gap(confusion, table, raw_calibrator(), missing, value).reason == "no labelled rows"
    assert estimation_gap(confusion, table, raw_calibrator(), value, missing).reason == "no labelled rows"
    assert estimation_gap(None, None, raw_calibrator(), value, value).reason == "no score is logged"


def effects_row_by_row(reference, chunk):
    """Each row of the reference weighted by its decile's share in the chunk over that in the reference."""
    borders = np.quantile(reference[0], np.arange(1, 10) / 10, method="inverted_cdf")
    borders = borders[borders < reference[0].max()]
    place, later = (np.searchsorted(np.unique(borders), rows[0], side="left") for rows in (reference, chunk))
    right, right_later = (rows[1] == rows[2] for rows in (reference, chunk))
    weights = np.array([(later == one).mean() / (place == one).mean() for one in place])
    reweighted = (weights * right).mean()
    return reweighted - right.mean(), right_later.mean() - reweighted


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_effects_equal_rows_reweighted_one_by_one(decimals):
    reference, chunk = made_rows(1000, seed=21), made_rows(300, seed=22, shift=0.5, skew=3.0)
    reference, chunk = ((np.round(rows[0], decimals), *rows[1:]) for rows in (reference, chunk))
    values = accuracy_effects(score_table(*reference), score_table(*chunk))
    expected = effects_row_by_row(reference, chunk)
    assert [values[name].value for name in EFFECTS] == pytest.approx(expected, abs=1e-12)


SCORED = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=40
)


@given(SCORED, SCORED, st.sampled_from([None, 4]))
def test_effects_sum_to_the_change_of_accuracy(before, after, cells):
    reference, chunk = (
        tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True)) for rows in (before, after)
    )
    tables, changes = [], []
    for scores, predictions, labels in (reference, chunk):
        rows = (scores / 12, predictions, labels)
        tables.append(score_table(*rows) if cells is None else cell_table(*rows, cells))
        changes.append(binary_performance(confusion_counts(predictions, labels), None, min_rows=1)["accuracy"].value)
    values = accuracy_effects(*tables, min_rows=1)
    assert math.fsum(values[name].value for name in EFFECTS) == pytest.approx(changes[1] - changes[0], abs=1e-12)
    assert all(-1 <= values[name].value <= 1 and values[name].sampling_error >= 0 for name in EFFECTS)
    same = accuracy_effects(tables[0], tables[0], min_rows=1)
    assert [same[name].value for name in EFFECTS] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_other_scores_are_a_covariate_effect_and_other_labels_a_concept_effect():
    reference = score_table(*made_rows(50_000, seed=23))
    mix = accuracy_effects(reference, score_table(*made_rows(20_000, seed=24, skew=6.0)))
    assert mix["covariate_effect"].value > 0.02
    assert (
        abs(mix["concept_effect"].value) < 3 * mix["concept_effect"].sampling_error + 0.005
    )  # within a decile scores move, too
    other = accuracy_effects(reference, score_table(*made_rows(20_000, seed=25, shift=1.5)))
    assert other["concept_effect"].value < -0.02
    assert abs(other["covariate_effect"].value) < 4 * other["covariate_effect"].sampling_error


def test_the_errors_of_effects_are_those_of_fresh_samples():
    draws = [
        accuracy_effects(
            score_table(*made_rows(800, seed=2000 + at)), score_table(*made_rows(400, seed=4000 + at, skew=3.0))
        )
        for at in range(150)
    ]
    for name in EFFECTS:
        told = np.mean([one[name].sampling_error for one in draws])
        assert 0.8 <= np.std([one[name].value for one in draws]) / told <= 1.2, name


def test_effects_that_cannot_be_told_say_why():
    table, blind = (
        score_table(*made_rows(100, seed=26)),
        score_table(*made_rows(100, seed=27)[:2], np.full(100, np.nan)),
    )
    cases = {
        "no score is logged": accuracy_effects(None, table),
        "no prediction is logged": accuracy_effects(table, table, predicted=False),
        "no labelled rows with a score": accuracy_effects(table, blind),
        "no labelled reference rows with a score": accuracy_effects(blind, table),
    }
    for reason, values in cases.items():
        assert {one.reason for one in values.values()} == {reason}
