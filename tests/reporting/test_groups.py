"""Bars of protected groups: ratios to the best group, intervals as the laboratory computes them, verdicts by interval."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.metric import Family, Limits, Measurement, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period
from mlops_desk.metrics import intervals
from mlops_desk.reporting.groups import group_bars, ratio_interval
from mlops_desk.reporting.page import read_page
from mlops_desk.store.archive import Store


@given(
    best=st.tuples(st.integers(1, 500), st.integers(0, 500)), own=st.tuples(st.integers(0, 500), st.integers(1, 500))
)
def test_intervals_are_those_of_the_laboratory(best: tuple[int, int], own: tuple[int, int]) -> None:
    rates = [intervals.Rate(float(hits), float(hits + misses)) for hits, misses in (own, best)]
    measurements = [intervals.proportion(rate.hits, rate.rows) for rate in rates]
    assert ratio_interval(*measurements) == pytest.approx(intervals.ratio_interval(*rates))


@pytest.mark.parametrize("own", [Measurement(0.3), Measurement(0.3, None, 0.0, 0.1, -0.1, 0.7), Measurement(None, "x")])
def test_an_unknown_or_negative_interval_gives_none(own: Measurement) -> None:
    assert ratio_interval(own, Measurement(0.5, None, 0.0, 0.1, 0.4, 0.6)) == (None, None)


def test_bars_divide_by_the_highest_rate_of_their_attribute(filled: Store, model: Model) -> None:
    bars, limit = group_bars(read_page(filled, model, Period(), None))
    last = filled.chunks("credit-risk", "analysis")[-1].key
    stored = {
        (value.key.column, value.key.group): value.measurement
        for value in filled.values("credit-risk", family=Family.FAIRNESS, metric="prediction_rate")
        if value.chunk_key == last
    }
    assert {(bar.attribute, bar.group) for bar in bars} == set(stored)
    assert limit == 0.8
    for bar in bars:
        own = stored[bar.attribute, bar.group].value
        if own is None:
            assert (bar.ratio, bar.verdict, bar.reason) == (None, Verdict.UNTESTED, "too small: 12 rows, fewer than 30")
            continue
        rates = [
            one.value for (attribute, _), one in stored.items() if attribute == bar.attribute and one.value is not None
        ]
        assert bar.ratio == pytest.approx(own / max(rates))
        assert bar.is_best is (own == max(rates))
        assert bar.rows == 2500
    verdicts = {bar.group: bar.verdict for bar in bars}
    assert verdicts["female×南"] is Verdict.ALERT
    assert verdicts["under 25"] is Verdict.WARNING
    assert verdicts["female"] is Verdict.OK


def rate(group: str, class_: str | None = None) -> SeriesKey:
    return SeriesKey(Family.FAIRNESS, "prediction_rate", column="sex", group=group, class_=class_)


def test_the_limit_is_the_one_that_was_judged_by(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    ratio = SeriesKey(Family.FAIRNESS, "demographic_parity_ratio", column="sex")
    write(new_store, {rate("f"): [0.3], rate("m"): [0.4], ratio: [0.75]}, limits=Limits(lower=0.7))
    bars, limit = group_bars(read_page(new_store, plain_model(), Period(), None))
    assert limit == 0.7
    assert [(bar.group, bar.verdict) for bar in bars] == [("f", Verdict.OK), ("m", Verdict.OK)]


def test_several_classes_show_the_one_that_is_furthest_apart(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    near = {rate("f", "prime"): [0.39], rate("m", "prime"): [0.4]}
    far = {rate("f", "upmarket"): [0.1], rate("m", "upmarket"): [0.4]}
    write(new_store, near | far)
    bars, _ = group_bars(read_page(new_store, plain_model(), Period(), None))
    assert {bar.attribute for bar in bars} == {"sex, class upmarket"}


def test_rates_of_zero_have_no_ratio(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {rate("f"): [0.0], rate("m"): [0.0]})
    bars, _ = group_bars(read_page(new_store, plain_model(), Period(), None))
    assert {bar.reason for bar in bars} == {"no group has a rate above 0"}
    assert {bar.verdict for bar in bars} == {Verdict.UNTESTED}
