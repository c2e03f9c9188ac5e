"""Estimated fairness: against sums row by row, labels drawn at random, and what never may come of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.aggregates.expected import ExpectedGroups
from mlops_desk.aggregates.group_scores import group_scores
from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.estimated_fairness import (
    DEFINITIONS,
    estimated_class_fairness,
    estimated_group_fairness,
    expected_by_group,
    untested_fairness,
)
from mlops_desk.metrics.estimation import Calibrator, estimated_performance, fit_calibrator, raw_calibrator
from mlops_desk.metrics.fairness import group_fairness
from tests.aggregates import oracle
from tests.metrics.accuracy_tables import group_table, score_table
from tests.parity.oracle import COMPARISONS, PARITIES

GROUPS = ("f", "m", "x")


def made_rows(n, seed):
    generator = np.random.default_rng(seed)
    groups = generator.choice(GROUPS, n, p=[0.5, 0.4, 0.1])
    scores = np.round(generator.beta(1.5, 1.5, n) * np.where(groups == "f", 0.8, 1.0), 3)
    return groups, scores, (scores >= 0.5).astype(int)


def table_of(groups, scores, predictions, cells=None):
    """Entry by entry, merged by the table's own maker."""
    union = tuple(sorted(set(groups)))
    counts = np.zeros((len(groups), 2), dtype=np.int64)
    counts[np.arange(len(groups)), predictions] = 1
    places = np.array([union.index(group) for group in groups], dtype=np.int64)
    marks = scores if cells is None else np.floor(scores * cells)
    return group_scores("sex", union, places, marks, counts, None if cells is None else scores)


def measured(readings):
    return {(one.metric, one.group, one.class_): one.measurement for one in readings}


def rates_of(c, y):
    """Rates of predictions y whose labels are positive with the chances c."""
    return {
        "prediction_rate": y.mean(),
        "recall": c[y == 1].sum() / c.sum(),
        "false_positive_rate": (1 - c)[y == 1].sum() / (1 - c).sum(),
        "specificity": (1 - c)[y == 0].sum() / (1 - c).sum(),
        "false_negative_rate": c[y == 0].sum() / c.sum(),
        "precision": c[y == 1].mean(),
        "accuracy": np.where(y == 1, c, 1 - c).mean(),
        "label_rate": c.mean(),
    }


def test_rates_by_group_are_sums_of_probabilities_and_comparisons_follow():
    groups, scores, predictions = made_rows(600, 1)
    line = Calibrator(scores=np.array([0.1, 0.9]), probabilities=np.array([0.2, 0.7]), rows=np.array([50.0, 50.0]))
    found = measured(estimated_group_fairness(table_of(groups, scores, predictions), line))
    chance = np.interp(scores, [0.1, 0.9], [0.2, 0.7])
    rates = {}
    for group in GROUPS:
        c, y = chance[groups == group], predictions[groups == group]
        rates[group] = rates_of(c, y)
        for metric, value in rates[group].items():
            assert found[metric, group, None].value == pytest.approx(value, rel=1e-12), metric
        assert found["true_positive", group, None].value == pytest.approx(c[y == 1].sum())
    recalls, falses = ([rates[group][name] for group in GROUPS] for name in ("recall", "false_positive_rate"))
    assert found["equal_opportunity_difference", None, None].value == pytest.approx(max(recalls) - min(recalls))
    assert found["equalized_odds_ratio", None, None].value == pytest.approx(
        min(min(recalls) / max(recalls), min(falses) / max(falses))
    )
    selected = [rates[group]["prediction_rate"] for group in GROUPS]
    ratio = found["demographic_parity_ratio", None, None]
    assert ratio.value == pytest.approx(min(selected) / max(selected))
    assert ratio.interval_lower < ratio.value < ratio.interval_upper
    whole = rates_of(chance, predictions)
    for parity, metrics in PARITIES.items():
        for suffix, compare, worst in COMPARISONS:
            expected = worst([compare([rates[group][metric] for group in GROUPS], whole[metric]) for metric in metrics])
            assert found[parity + suffix, None, None].value == pytest.approx(expected, rel=1e-9), parity + suffix
    assert {one.id for one in DEFINITIONS} == {metric for metric, _, _ in found}


def test_estimates_are_the_mean_over_labels_drawn_from_the_probabilities():
    groups, scores, predictions = made_rows(1500, 2)
    found = measured(estimated_group_fairness(table_of(groups, scores, predictions), raw_calibrator()))
    generator, draws = np.random.default_rng(0), {}
    for _ in range(200):
        labels = (generator.random(1500) < scores).astype(float)
        for key, value in measured(group_fairness(group_table(groups, predictions, labels))).items():
            draws.setdefault(key, []).append(value.value)
    for key in found:
        if key[1] is not None and key[0] != "prediction_rate" and not key[0].startswith(("true_", "false_positive")):
            spread = np.std(draws[key])
            assert found[key].value == pytest.approx(np.mean(draws[key]), abs=5 * spread / 14 + 2e-3), key
            if found[key].sampling_error is not None:
                assert found[key].sampling_error >= 0.85 * spread, key


def test_groups_together_are_the_estimated_performance():
    groups, scores, predictions = made_rows(900, 3)
    calibrator = fit_calibrator(score_table(scores, predictions, (scores**2 > np.linspace(0, 1, 900)).astype(float)))
    whole = estimated_performance(score_table(scores, predictions, np.full(900, np.nan)), calibrator)
    counts = expected_by_group(table_of(groups, scores, predictions), calibrator).sum(axis=0)
    for metric, (prediction, label) in {"true_positive": (1, 1), "false_negative": (0, 1)}.items():
        assert counts[prediction, label] == pytest.approx(whole[metric].value, rel=1e-12)


def test_small_groups_are_left_out_and_groups_without_expected_positives_are_untested():
    groups = np.array(["a"] * 40 + ["b"] * 40 + ["c"] * 18)
    scores = np.array([0.5] * 40 + [0.0] * 40 + [1.0] * 18)
    table = table_of(groups, scores, (scores > 0.4).astype(int))
    found = measured(estimated_group_fairness(table, raw_calibrator()))
    assert found["recall", "c", None].reason == "too small: 18 labelled rows, fewer than 30"
    assert found["recall", "b", None].reason == "no labelled row is positive"
    assert found["equal_opportunity_ratio", None, None].reason == "fewer than two groups can be compared"
    assert found["demographic_parity_difference", None, None].value == pytest.approx(1.0)
    zero = measured(estimated_group_fairness(table, raw_calibrator(), convention=Convention.FAIRLEARN))
    assert zero["recall", "b", None].value == 0.0
    empty = table_of(np.array([]), np.array([]), np.array([], dtype=int))
    only = measured(estimated_group_fairness(empty, raw_calibrator()))
    assert {one.reason for one in only.values()} == {"fewer than two groups can be compared"}


def test_equal_groups_are_fair():
    scores = np.linspace(0, 1, 200)
    both, predictions = np.tile(scores, 2), np.tile(scores > 0.5, 2).astype(int)
    found = measured(
        estimated_group_fairness(table_of(np.repeat(["a", "b"], 200), both, predictions), raw_calibrator())
    )
    for metric, group, _ in found:
        if group is None:
            value = 0.0 if "difference" in metric else 1.0
            assert found[metric, group, None].value == pytest.approx(value, abs=1e-12), metric


CHANCES = st.sampled_from([0.0, 1.0, 1e-300, 1e-15, 1e-12, 1e-6, 0.3, 0.5, 1 - 1e-12])
ENTRIES = st.lists(st.tuples(st.sampled_from(GROUPS), CHANCES, st.integers(0, 1)), max_size=12)


@given(ENTRIES, st.sampled_from([1, 3]))
def test_no_fractions_of_rows_give_anything_but_numbers_in_range_or_reasons(entries, least):
    groups, scores, predictions = (np.array(one) for one in zip(*entries, strict=True)) if entries else ([], [], [])
    table = table_of(np.array(groups), np.array(scores, dtype=float), np.array(predictions, dtype=int))
    for convention in (Convention.DESK, Convention.FAIRLEARN):
        readings = estimated_group_fairness(table, raw_calibrator(), min_group_rows=least, convention=convention)
        for metric, one in ((one.metric, one.measurement) for one in readings):
            if one.value is None:
                continue
            ends = [end for end in (one.interval_lower, one.interval_upper) if end is not None]
            assert all(map(math.isfinite, [one.value, *ends])), metric
            assert one.sampling_error is None or math.isfinite(one.sampling_error)
            if ends:
                assert ends[0] - 1e-12 <= one.value <= ends[1] + 1e-12, metric


@given(ENTRIES, ENTRIES, st.sampled_from([None, 4]))
def test_tables_of_groups_add(left, right, cells):
    def table(entries):
        groups, scores, predictions = zip(*entries, strict=True) if entries else ((), (), ())
        return table_of(np.array(groups), np.array(scores, dtype=float), np.array(predictions, dtype=int), cells)

    summed = table(left) + table(right)
    oracle.assert_same(summed, table(left + right), within=1e-12)
    oracle.assert_same(unpacked(packed(summed)), summed)
    oracle.assert_same(summed, table(right) + table(left), within=1e-12)


def test_tables_of_other_attributes_or_kinds_do_not_add():
    exact, cells = (table_of(*made_rows(10, 4), cells) for cells in (None, 4))
    with pytest.raises(ValueError, match="do not add"):
        exact + cells


def test_classes_are_taken_one_against_the_rest():
    generator = np.random.default_rng(5)
    chances, predicted = generator.dirichlet([1, 1, 1], 300), generator.integers(0, 3, 300)
    groups = generator.choice(["f", "m"], 300)
    counts = np.zeros((2, 3, 3))
    for group, chance, said in zip(groups, chances, predicted, strict=True):
        counts["fm".index(group), :, said] += chance
    found = measured(estimated_class_fairness(ExpectedGroups(groups=("f", "m"), counts=counts), ("a", "b", "c")))
    for at, one in enumerate("abc"):
        versus = table_of(groups, chances[:, at], (predicted == at).astype(int))
        for (metric, group, _), value in measured(estimated_group_fairness(versus, raw_calibrator())).items():
            assert found[metric, group, one].value == pytest.approx(value.value, rel=1e-9), metric


def test_what_cannot_be_estimated_says_why_for_every_group():
    readings = untested_fairness("because", ["f"], {"recall", "equalized_odds_ratio"})
    assert [(one.metric, one.group, one.measurement.reason) for one in readings] == [
        ("recall", "f", "because"),
        ("equalized_odds_ratio", None, "because"),
    ]
