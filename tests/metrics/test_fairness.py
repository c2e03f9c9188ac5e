"""Fairness against fairlearn's own numbers on real and documented inputs, and against brute force."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlops_desk.aggregates.group_tables import GroupMeans, GroupTable
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics import fairness, regression_fairness
from mlops_desk.metrics.fairness import group_fairness
from mlops_desk.metrics.intervals import Rate, difference_interval, ratio_interval
from mlops_desk.metrics.regression_fairness import regression_fairness as fairness_of_means
from tests.metrics.accuracy_tables import columns, group_table

RATES = {
    "accuracy": "accuracy",
    "precision": "predictive_parity",
    "fpr": "false_positive_rate",
    "fnr": "false_negative_rate",
}
SUMMARY = {f"{how}_{name}": f"{parity}_{how}" for how in ("difference", "ratio") for name, parity in RATES.items()}
BY_GROUP = {
    "selection_rate": "prediction_rate",
    "mean_target": "label_rate",
    "tpr": "recall",
    "tnr": "specificity",
    "fpr": "false_positive_rate",
    "fnr": "false_negative_rate",
    "accuracy": "accuracy",
    "precision": "precision",
}


def measured(table, **options):
    return {(one.metric, one.group): one.measurement for one in group_fairness(table, **options)}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def compas(shared):
    """Tables by (prediction, part, attribute)."""
    folder = shared / "data" / "compas_fairness"
    names = "race", "sex", "age_cat", "pred_med_high", "pred_high", "two_year_recid", "timestamp"
    files = {"reference": "reference", "whole": "analysis", "log (reference+analysis)": "log"}
    rows = {part: columns(folder / f"{name}.parquet", *names) for part, name in files.items()}
    months = rows["whole"]["timestamp"].astype("datetime64[M]").astype(int) % 12
    for quarter in range(4):
        held = months // 3 == quarter
        rows[f"2014Q{quarter + 1}"] = {name: column[held] for name, column in rows["whole"].items()}
    tables = {}
    for part, data in rows.items():
        attributes = {name: data[name] for name in ("race", "sex", "age_cat")}
        attributes["race×sex"] = [f"{race}×{sex}" for race, sex in zip(data["race"], data["sex"], strict=True)]
        for prediction in ("pred_med_high", "pred_high"):
            for attribute, groups in attributes.items():
                labels = data["two_year_recid"].astype(float)
                tables[prediction, part, attribute] = group_table(groups, data[prediction], labels, attribute)
    return folder / "expected", tables


def test_compas_groups_equal_fairlearn(compas):
    folder, tables = compas
    cache, seen = {}, 0
    for row in read(folder / "fairlearn_by_group.csv"):
        key = row["prediction"], row["part"], row["sensitive"]
        if row["group"] == "(overall)":
            continue
        if key not in cache:
            cache[key] = measured(tables[key], min_group_rows=1, convention=Convention.FAIRLEARN)
        group = row["group"].replace(" × ", "×")
        for name, metric in BY_GROUP.items():
            value = cache[key][metric, group]
            assert value.value == pytest.approx(float(row[name]), rel=1e-9, abs=1e-12), (key, group, metric)
            seen += 1
    assert seen > 1500


def test_compas_comparisons_equal_fairlearn(compas):
    folder, tables = compas
    seen = 0
    for row in read(folder / "fairlearn_summary.csv"):
        values = measured(
            tables[row["prediction"], row["part"], row["sensitive"]], min_group_rows=1, convention=Convention.FAIRLEARN
        )
        for name, text in row.items():
            metric = SUMMARY.get(name, name)
            if (metric, None) not in values or text == "":
                continue
            value = values[metric, None]
            assert value.value == pytest.approx(float(text), rel=1e-9, abs=1e-12), (row["part"], row["sensitive"], name)
            seen += 1
    assert seen > 700


def test_the_golden_set_equals_fairlearn(shared):
    folder = shared / "data" / "golden_small"
    golden = json.loads((folder / "golden_fairlearn.json").read_text(encoding="utf-8"))
    rows = columns(folder / "analysis.parquet", "grp", "pred", "y")
    values = measured(group_table(rows["grp"], rows["pred"], rows["y"].astype(float)))
    compared = [metric for metric, _ in values if metric in golden]
    for metric in compared:
        assert values[metric, None].value == pytest.approx(golden[metric], rel=1e-9), metric
    assert len(compared) == 7
    for name, metric in {**BY_GROUP, "sel": "prediction_rate", "prec": "precision"}.items():
        for group, expected in golden["by_group"].get(name, {}).items():
            assert values[metric, group].value == pytest.approx(expected, rel=1e-9), (metric, group)


FACTS = {
    "tpr": ("equal_opportunity", "recall"),
    "fpr": ("false_positive_rate",) * 2,
    "sel": ("demographic_parity", "prediction_rate"),
}


def test_fairlearns_documented_numbers(shared):
    facts = json.loads((shared / "data" / "facts_fairness.json").read_text(encoding="utf-8"))["facts"]
    checked = 0
    for fact in facts:
        given, parts = fact["input"], fact["id"].removeprefix("fl_").split("_")
        groups = given["sensitive"]
        if "sensitive_2" in given:
            groups = [f"{one}{two}" for one, two in zip(groups, given["sensitive_2"], strict=True)]
        table = group_table(groups, np.array(given["y_pred"]), np.array(given["y_true"], dtype=float))
        values = measured(table, min_group_rows=1, convention=Convention.FAIRLEARN)
        whole = GroupTable(attribute="all", groups=("all",), counts=table.counts.sum(axis=0, keepdims=True))
        together = measured(whole, min_group_rows=1, convention=Convention.FAIRLEARN)
        how = {"diff": "difference", "ratio": "ratio"}.get(parts[0])
        if parts[-1] == "count":
            found = float(
                (whole if parts[0] == "overall" else table)
                .in_groups((*table.groups, "all"))
                .counts[[*table.groups, "all"].index("all" if parts[0] == "overall" else parts[0])]
                .sum()
            )
        elif parts[0] == "overall":
            found = together[FACTS[parts[1]][1], "all"].value
        elif parts[0] in ("a", "b", "c"):
            found = values[FACTS[parts[1]][1], parts[0]].value
        elif parts[0] == "recall":
            found = values["recall", parts[1]].value
        elif how:
            found = values[f"{FACTS[parts[-1]][0]}_{how}{'_to_overall' if parts[1] == 'overall' else ''}", None].value
        else:
            found = values["_".join(parts), None].value
        assert found == pytest.approx(fact["expected"], abs=fact["tolerance"]), fact["id"]
        checked += 1
    assert checked == 38


def made_rows(n, seed):
    generator = np.random.default_rng(seed)
    groups = generator.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    labels = (generator.random(n) < np.where(groups == "a", 0.5, 0.35)).astype(float)
    return groups, (generator.random(n) < 0.2 + 0.4 * labels + 0.1 * (groups == "b")).astype(float), labels


def test_groups_equal_scikit_learn_row_by_row():
    groups, predictions, labels = made_rows(2000, seed=1)
    values = measured(group_table(groups, predictions, labels))
    recalls = {}
    for group in "abc":
        held = groups == group
        recalls[group] = sk.recall_score(labels[held], predictions[held])
        assert values["recall", group].value == pytest.approx(recalls[group])
        assert values["precision", group].value == pytest.approx(sk.precision_score(labels[held], predictions[held]))
        assert values["false_positive_rate", group].value == pytest.approx(
            1 - sk.recall_score(1 - labels[held], 1 - predictions[held])
        )
    assert values["equal_opportunity_difference", None].value == pytest.approx(
        max(recalls.values()) - min(recalls.values())
    )
    assert {metric for metric, _ in values} == {definition.id for definition in fairness.DEFINITIONS}


def test_small_groups_are_left_out_and_said_so():
    groups, predictions, labels = made_rows(2000, seed=2)
    few = np.append(groups, ["d"] * 18)
    table = group_table(few, np.append(predictions, np.ones(18)), np.append(labels, np.ones(18)))
    values, without = measured(table), measured(group_table(groups, predictions, labels))
    assert values["prediction_rate", "d"].reason == "too small: 18 rows, fewer than 30"
    assert values["recall", "d"].reason == "too small: 18 labelled rows, fewer than 30"
    for parity in fairness.PARITIES:
        assert values[parity + "_difference", None] == without[parity + "_difference", None]
    assert measured(table, min_group_rows=18)["prediction_rate", "d"].value == 1
    alone = measured(group_table(["x"] * 50, predictions[:50], labels[:50]))
    assert alone["demographic_parity_ratio", None].reason == "fewer than two groups can be compared"


def test_a_group_without_positives_is_untested_save_under_the_fairlearn_convention():
    groups, predictions, labels = made_rows(2000, seed=3)
    table = group_table(groups, predictions, np.where(groups == "c", 0.0, labels))
    desk, fairlearn = measured(table), measured(table, convention=Convention.FAIRLEARN)
    assert desk["recall", "c"].reason == "no labelled row is positive"
    assert fairlearn["recall", "c"].value == 0
    both = [desk["recall", group].value for group in "ab"]
    assert desk["equal_opportunity_difference", None].value == pytest.approx(max(both) - min(both))
    assert fairlearn["equal_opportunity_difference", None].value == pytest.approx(max(both))
    assert fairlearn["equal_opportunity_ratio", None].value == 0


def test_rows_without_labels_count_for_demographic_parity_alone():
    groups, predictions, labels = made_rows(2000, seed=4)
    values = measured(group_table(groups, predictions, np.full(2000, np.nan)))
    rates = [predictions[groups == group].mean() for group in "abc"]
    assert values["demographic_parity_difference", None].value == pytest.approx(max(rates) - min(rates))
    assert values["recall", "a"].reason == "no labelled rows"
    assert values["equalized_odds_difference", None].reason == "fewer than two groups can be compared"
    nobody = measured(group_table(groups, np.zeros(2000), labels))
    assert nobody["demographic_parity_ratio", None].reason == "the rate is 0 in every group"
    assert nobody["demographic_parity_ratio_to_overall", None].reason == "the rate is 0 in every group"
    assert nobody["demographic_parity_difference", None].value == 0
    selected = measured(group_table(groups, np.where(labels == 1, predictions, 0.0), labels))
    assert selected["false_positive_rate_ratio", None].reason == "the rate is 0 in every group"
    assert selected["equalized_odds_ratio", None] == selected["equal_opportunity_ratio", None]


def test_intervals_of_two_groups_cover_the_truth():
    generator = np.random.default_rng(5)
    above, below = dict.fromkeys(fairness.COMPARISONS, 0), dict.fromkeys(fairness.COMPARISONS, 0)
    shares, sizes = (0.3, 0.5), (120, 80)
    whole = (shares[0] * sizes[0] + shares[1] * sizes[1]) / sum(sizes)
    truth = {
        "_difference": 0.2,
        "_ratio": 0.6,
        "_difference_to_overall": shares[1] - whole,
        "_ratio_to_overall": min(shares[0] / whole, whole / shares[1]),
    }
    for _ in range(1500):
        counts = np.zeros((2, 2, 3), dtype=np.int64)
        for at in range(2):
            selected = generator.binomial(sizes[at], shares[at])
            counts[at, 1, 2], counts[at, 0, 2] = selected, sizes[at] - selected
        values = measured(GroupTable(attribute="sex", groups=("f", "m"), counts=counts))
        for suffix, expected in truth.items():
            value = values["demographic_parity" + suffix, None]
            assert 0 <= value.interval_lower <= value.value <= value.interval_upper <= 1
            above[suffix] += value.interval_lower > expected
            below[suffix] += value.interval_upper < expected
    for suffix in truth:
        assert 0.003 <= above[suffix] / 1500 <= 0.045, (suffix, above, below)
        assert 0.003 <= below[suffix] / 1500 <= 0.045, (suffix, above, below)


def test_intervals_of_two_proportions_equal_published_ones():
    # Newcombe (1998), example of 56/70 and 48/80, method 10: 0.0524 to 0.3339
    assert difference_interval(Rate(56, 70), Rate(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    lower, upper = ratio_interval(Rate(56, 70), Rate(48, 80))
    assert lower < 56 / 70 / (48 / 80) < upper
    generator = np.random.default_rng(0)
    draws = generator.binomial(70, 0.8, 200_000) / 70 / (generator.binomial(80, 0.6, 200_000) / 80)
    assert (lower, upper) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)
    assert ratio_interval(Rate(0, 70), Rate(48, 80))[0] == 0


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0, float("nan")])),
    min_size=1,
    max_size=50,
)


def table_of(rows):
    groups, predictions, labels = zip(*rows, strict=True)
    return group_table(groups, np.array(predictions), np.array(labels))


@given(ROWS, ROWS, st.sampled_from([Convention.DESK, Convention.FAIRLEARN]))
def test_fairness_of_added_tables(left, right, convention):
    merged = group_fairness(table_of(left) + table_of(right), min_group_rows=1, convention=convention)
    assert merged == group_fairness(table_of(left + right), min_group_rows=1, convention=convention)


def brute_difference(rows, parity):
    """Greatest minus least over groups, worst over the rates, by counting rows."""
    worst = []
    for rate in fairness.PARITIES[parity]:
        found = []
        for group in "abc":
            own = [(told, true) for one, told, true in rows if one == group]
            known = [(told, true) for told, true in own if not np.isnan(true)]
            base = {
                "prediction_rate": [told for told, _ in own],
                "recall": [told for told, true in known if true == 1],
                "false_positive_rate": [told for told, true in known if true == 0],
                "false_negative_rate": [1 - told for told, true in known if true == 1],
                "precision": [true for told, true in known if told == 1],
                "accuracy": [told == true for told, true in known],
            }[rate]
            found += [sum(base) / len(base)] if base else []
        worst.append(max(found) - min(found) if len(found) > 1 else None)
    return None if None in worst else max(worst)


@given(ROWS)
def test_differences_equal_counting(rows):
    values = measured(table_of(rows), min_group_rows=1)
    for parity in fairness.PARITIES:
        expected = brute_difference(rows, parity)
        value = values[parity + "_difference", None].value
        assert value == (None if expected is None else pytest.approx(expected)), parity


def means_table(groups, prediction, target, centre):
    names = sorted(set(groups))
    known = ~np.isnan(target)
    error = np.abs(prediction - target)

    def sums(values, held):
        return np.array([values[(groups == name) & held].sum() for name in names])

    every = np.ones(len(groups), dtype=bool)
    return GroupMeans(
        attribute="g",
        groups=tuple(names),
        rows=sums(every.astype(int), every),
        labelled=sums(every.astype(int), known),
        prediction=sums(prediction - centre, every),
        prediction_squares=sums((prediction - centre) ** 2, every),
        absolute=sums(error, known),
        absolute_squares=sums(error**2, known),
        centre=centre,
    )


def test_regression_groups_equal_their_means():
    generator = np.random.default_rng(6)
    groups, _, _ = made_rows(900, seed=6)
    groups = np.append(groups, ["d"] * 10)
    target = generator.gamma(3, 10, 910) + 5 * (groups == "a")
    prediction = target + generator.normal(0, 2, 910) + (groups == "b")
    target[::3] = np.nan
    readings = fairness_of_means(means_table(groups, prediction, target, 20.0))
    values = {(one.metric, one.group): one.measurement for one in readings}
    known = ~np.isnan(target)
    means = {group: prediction[groups == group].mean() for group in "abc"}
    errors = {group: np.abs(prediction - target)[(groups == group) & known].mean() for group in "abc"}
    for metric, expected in (("mean_prediction", means), ("mae", errors)):
        for group, number in expected.items():
            assert values[metric, group].value == pytest.approx(number), (metric, group)
        spread = max(expected.values()) - min(expected.values())
        assert values[f"{metric}_difference", None].value == pytest.approx(spread)
        assert values[f"{metric}_ratio", None].value == pytest.approx(min(expected.values()) / max(expected.values()))
        assert values[metric, "d"].reason.startswith("too small")
    held = (groups == "a") & known
    assert values["mae", "a"].sampling_error == pytest.approx(
        np.abs(prediction - target)[held].std() / np.sqrt(held.sum())
    )
    assert {metric for metric, _ in values} == {definition.id for definition in regression_fairness.DEFINITIONS}
    below = fairness_of_means(means_table(groups, prediction - 100, target, 0.0))
    reasons = {one.metric: one.measurement.reason for one in below if one.group is None}
    assert reasons["mean_prediction_ratio"] == "a group's mean is 0 or less"
