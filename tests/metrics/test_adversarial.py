"""Signs of attacks by brute force: dictionaries of rows, loops over queries, SciPy's W."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.signals import NO_OUTCOME, RowGroups, SignalTables, row_groups
from mlops_desk.metrics import adversarial
from mlops_desk.metrics.adversarial import Queries
from tests.aggregates import oracle

pairs = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=80)


def groups(rows):
    """Of (value, outcome) rows, each counted by itself."""
    columns = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return row_groups(columns[:, 0], columns[:, 1], np.ones(len(rows), dtype=np.int64))


@given(pairs)
def test_rates_are_those_of_the_rows(rows):
    found = groups(rows)
    seen = Counter(value for value, _ in rows)
    assert adversarial.near_duplicate_rate(found.repeats, 1).value == pytest.approx(1 - len(seen) / len(rows))
    told = [(value, outcome) for value, outcome in rows if outcome != NO_OUTCOME]
    outcomes = {value: {two for one, two in told if one == value} for value, _ in told}
    flipped = sum(len(outcomes[value]) > 1 for value, _ in told)
    flips = adversarial.flip_rate(found.repeats, 1)
    assert flips.value == (pytest.approx(flipped / len(told)) if told else None)
    busiest = adversarial.requester_concentration(groups([(value, 0) for value, _ in rows]), 1)
    assert busiest.value == pytest.approx(max(seen.values()) / len(rows))


@given(pairs, st.randoms(), st.integers(0, 80))
def test_parts_add_up_whatever_the_order_and_the_split(rows, random, at):
    whole = groups(rows)
    mixed = list(rows)
    random.shuffle(mixed)
    parts = [groups(part) for part in (mixed[:at], mixed[at:]) if part]
    found = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    oracle.assert_same(found, whole)
    tables = SignalTables(rows=len(rows), rounded=whole, hits={"outlier_rate": 1}, judged={"outlier_rate": 2})
    oracle.assert_same(unpacked(packed({"": tables})), {"": tables})
    twice = tables + SignalTables(rows=1, sums={"profit": (None, 2.0)}, labelled_last=4)
    assert (twice.rows, twice.hits, twice.judged) == (len(rows) + 1, {"outlier_rate": 1}, {"outlier_rate": 2})
    assert (twice.sums, twice.labelled_last) == ({"profit": (None, 2.0)}, 4)
    assert (twice + SignalTables(rows=1, sums={"profit": (1.5, None)})).sums == {"profit": (1.5, 2.0)}


def test_few_or_no_rows_are_untested():
    none = RowGroups(hashes=oracle.ints([]), outcomes=oracle.ints([]), counts=oracle.ints([]))
    for metric in (adversarial.near_duplicate_rate, adversarial.flip_rate):
        assert metric(none.repeats).reason == "no rows"
        assert metric(groups([(1, 1)] * 3).repeats).reason == "3 rows, fewer than 30"
    assert adversarial.requester_concentration(none).reason == "no rows with a requester"
    assert adversarial.flip_rate(groups([(1, NO_OUTCOME)] * 40).repeats).reason == "no rows"
    assert adversarial.query_similarity([]).reason == "no requester has 30 queries at different distances"


def queries(seed, rows, *, dimensions=3, categories=1, classes=2):
    rng = np.random.default_rng(seed)
    return Queries(
        points=rng.normal(size=(rows, dimensions)),
        categories=rng.integers(0, 3, (rows, categories)),
        predictions=rng.integers(0, classes, rows),
    )


def brute(one):
    """Distances of each query to the nearest earlier one of its class, class by class."""
    found = []
    for prediction in sorted(set(one.predictions.tolist())):
        own = [row for row in range(len(one.points)) if one.predictions[row] == prediction]
        for place in range(1, len(own)):
            gaps = []
            for earlier in own[:place]:
                different = int((one.categories[own[place]] != one.categories[earlier]).sum())
                gaps.append(np.sqrt(((one.points[own[place]] - one.points[earlier]) ** 2).sum() + different))
            found.append(min(gaps))
    return np.array(found)


@pytest.mark.parametrize("rows", [1, 2, 40, 700])
def test_distances_are_those_to_the_nearest_earlier_query_of_the_class(rows, monkeypatch):
    monkeypatch.setattr(adversarial, "BLOCK_ROWS", 64)
    for shape in ({}, {"dimensions": 0}, {"categories": 0}, {"classes": 1}):
        one = queries(rows, min(rows, 250), **shape)
        np.testing.assert_allclose(adversarial.nearest_earlier(one), brute(one), rtol=1e-12)


def test_it_is_the_lowest_w_of_the_requesters_that_have_enough_queries():
    some = [queries(1, 200), queries(2, 90), queries(3, 12)]
    expected = min(stats.shapiro(brute(one)).statistic for one in some[:2])
    assert adversarial.query_similarity(some).value == pytest.approx(expected, rel=1e-9)
    lattice = Queries(
        points=np.arange(60.0)[:, None],
        categories=np.zeros((60, 0), dtype=np.int64),
        predictions=np.zeros(60, dtype=np.int64),
    )
    assert adversarial.query_similarity([lattice]).value is None
    assert adversarial.query_similarity([lattice, *some]).value == pytest.approx(expected, rel=1e-9)


def test_queries_made_by_rule_look_less_natural():
    natural = queries(5, 400, dimensions=8, categories=0, classes=1)
    seeds = natural.points[:80]
    probes = np.concatenate([seeds, *(seeds + 0.01 * sign * np.eye(8)[axis] for axis in (0, 1) for sign in (1, -1))])
    made = Queries(points=probes, categories=natural.categories, predictions=natural.predictions)
    assert adversarial.query_similarity([natural]).value > 0.9
    assert adversarial.query_similarity([made]).value < 0.8
