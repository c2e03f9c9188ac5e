"""Fairness by weight against fairlearn's own numbers, kept beside: its MetricFrame with sample_weight as a sample parameter."""

import json
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.aggregates.group_tables import GroupTable
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.fairness import group_fairness

TOLD = json.loads((Path(__file__).parent / "fairlearn_weighted.json").read_text(encoding="utf-8"))
ROWS = TOLD["rows"]
GROUPS = tuple(sorted(set(ROWS["group"])))


def table_of(amounts: np.ndarray) -> GroupTable:
    """Amounts of the rows by group, prediction and label."""
    counts = np.zeros((len(GROUPS), 2, 3), dtype=amounts.dtype)
    for group, true, said, amount in zip(ROWS["group"], ROWS["true"], ROWS["said"], amounts, strict=True):
        counts[GROUPS.index(group), int(said), int(true)] += amount
    return GroupTable(attribute="g", groups=GROUPS, counts=counts)


def test_rates_and_comparisons_are_fairlearns() -> None:
    weights = np.array(ROWS["weight"])
    plain, weighted = table_of(np.ones(len(weights), dtype=np.int64)), (table_of(weights), table_of(weights**2))
    readings = group_fairness(plain, min_group_rows=1, convention=Convention.FAIRLEARN, weighted=weighted)
    found = {(one.metric, one.group): one.measurement.value for one in readings}
    for metric, by_group in TOLD["by_group"].items():
        for group, value in by_group.items():
            assert found[metric, group] == pytest.approx(value, rel=1e-9), (metric, group)
    for metric, value in TOLD["comparisons"].items():
        assert found[metric, None] == pytest.approx(value, rel=1e-9), metric
    assert len(TOLD["comparisons"]) == 28
    unweighted = {(one.metric, one.group): one.measurement.value for one in group_fairness(plain, min_group_rows=1)}
    assert abs(unweighted["recall", "a"] - found["recall", "a"]) > 1e-3


def test_rows_decide_which_groups_are_large_enough() -> None:
    """A group of many rows that weigh little is compared, and one of few that weigh much is not."""
    counts = np.array([[[30, 10, 0], [10, 30, 0]], [[5, 2, 0], [2, 5, 0]], [[20, 20, 0], [20, 20, 0]]])
    plain = GroupTable(attribute="g", groups=("heavy", "few", "light"), counts=counts)
    scale = np.array([1.0, 1000.0, 1e-12])[:, None, None]
    weighted = tuple(GroupTable(attribute="g", groups=plain.groups, counts=counts * one) for one in (scale, scale**2))
    found = {(one.metric, one.group): one.measurement for one in group_fairness(plain, weighted=weighted)}
    assert found["recall", "few"].reason == "too small: 14 labelled rows, fewer than 30"
    assert found["recall", "light"].value == pytest.approx(0.5)
    assert found["equal_opportunity_difference", None].value == pytest.approx(0.25)


def test_a_group_whose_positives_weigh_nothing_says_so() -> None:
    counts = np.array([[[30, 10, 0], [10, 30, 0]], [[30, 10, 0], [10, 30, 0]]])
    plain = GroupTable(attribute="g", groups=("a", "b"), counts=counts)
    weights = counts * np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])[:, None, :]
    weighted = (GroupTable(attribute="g", groups=("a", "b"), counts=weights),) * 2
    found = {(one.metric, one.group): one.measurement for one in group_fairness(plain, weighted=weighted)}
    assert found["recall", "b"].reason == "all of these rows weigh 0"
    assert found["equal_opportunity_difference", None].reason == "fewer than two groups can be compared"
