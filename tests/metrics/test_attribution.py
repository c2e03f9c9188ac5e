"""Rankings of columns against SciPy, and the split of a change of a mean: it sums exactly, and blames what was changed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.metrics.attribution import Part, contributions, drift_correlation

side = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.integers(0, 1000), st.floats(-100, 100)).map(lambda pair: Part(rows=pair[0], total=pair[0] * pair[1])),
    min_size=1,
).filter(lambda parts: any(part.rows for part in parts.values()))


def mean(parts: dict[str, Part]) -> float:
    return sum(part.total for part in parts.values()) / sum(part.rows for part in parts.values())


@given(side, side)
def test_contributions_sum_to_the_change_and_turn_round(reference: dict[str, Part], chunk: dict[str, Part]) -> None:
    there, back = contributions(reference, chunk), contributions(chunk, reference)
    change = sum(one.mix + one.within for one in there.values())
    assert change == pytest.approx(mean(chunk) - mean(reference), abs=1e-9)
    for name, one in there.items():
        assert back[name].mix == pytest.approx(-one.mix, abs=1e-9)
        assert back[name].within == pytest.approx(-one.within, abs=1e-9)


@given(side)
def test_nothing_contributes_where_nothing_changed(parts: dict[str, Part]) -> None:
    doubled = {name: Part(rows=2 * part.rows, total=2 * part.total) for name, part in parts.items()}
    for one in contributions(parts, doubled).values():
        assert one.mix == pytest.approx(0, abs=1e-9)
        assert one.within == pytest.approx(0, abs=1e-9)


def test_a_segment_that_got_worse_is_blamed_for_it_and_one_that_grew_for_that() -> None:
    reference = {"a": Part(rows=100, total=90.0), "b": Part(rows=100, total=70.0)}
    worse = contributions(reference, {"a": Part(rows=100, total=60.0), "b": Part(rows=100, total=70.0)})
    assert (worse["a"].within, worse["b"].within) == (pytest.approx(-0.15), 0.0)
    assert worse["a"].mix == worse["b"].mix == 0.0
    grown = contributions(reference, {"a": Part(rows=50, total=45.0), "b": Part(rows=150, total=105.0)})
    assert grown["a"].within == grown["b"].within == pytest.approx(0.0)
    assert grown["a"].mix + grown["b"].mix == pytest.approx(-0.05)
    new = contributions(reference, {**reference, "c": Part(rows=100, total=0.0)})
    assert new["c"].within == 0.0
    assert new["c"].mix < -0.2


def test_a_side_without_rows_has_no_change() -> None:
    with pytest.raises(ValueError, match="no rows"):
        contributions({"a": Part(rows=0, total=0.0)}, {"a": Part(rows=1, total=1.0)})


@pytest.mark.parametrize("n", [3, 4, 20, 300])
def test_correlation_is_that_of_scipy(n: int) -> None:
    from scipy.stats import pearsonr

    rng = np.random.default_rng(n)
    drift = rng.random(n)
    performance = 0.9 - 0.1 * drift + rng.normal(0, 0.03, n)
    expected = pearsonr(drift, np.abs(performance - 0.9))
    found = drift_correlation([None, *drift, 1.0], [0.5, *performance, None], 0.9)
    assert found is not None
    assert found.value == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    assert drift_correlation([0.1, 0.1, 0.1], [0.1, 0.2, 0.3], 0.1) is None
    assert drift_correlation([0.1, 0.2, 0.3], [0.5, 0.5, 0.5], 0.1) is None
    assert drift_correlation([0.1, 0.2], [0.5, 0.6], 0.1) is None
    assert drift_correlation([1e200, 2e200, 3e200], [0.1, 0.2, 0.3], 0.1) is None
    found = drift_correlation([1.0, 2.0, 3.0], [0.1, 0.2, 0.3], 0.1)
    assert found is not None
    assert found.p == pytest.approx(0.0, abs=1e-7)
    assert math.isclose(found.value, 1.0)
