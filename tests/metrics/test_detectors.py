"""Drift detectors on streams of errors: against the papers' formulas row by row, River's positions, and themselves however a stream is cut."""

import doctest
import random
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mlops_desk.metrics import detection, detectors, error_rate_detectors, window_detectors
from mlops_desk.metrics.detection import Signals
from mlops_desk.metrics.detectors import (
    DEFINITIONS,
    DETECTORS,
    WARNING,
    WARNING_DETECTORS,
    Detected,
    Stream,
    advanced,
    detector_readings,
    untested_detector,
)
from mlops_desk.metrics.window_detectors import _differ_in_bits, _drawn_errors, kswin_gap
from tests.metrics.river_positions import (
    RIVER_CAR_LOAN,
    RIVER_CAR_LOAN_WARNINGS,
    RIVER_HALVES,
    RIVER_JUMP,
    RIVER_RUNS,
    RIVER_SCALES,
)
from tests.metrics.slow_detectors import SLOW, Kswin, slow_signals

SEEDS = dict.fromkeys(DETECTORS, 7)
OF_NUMBERS = ("page_hinkley", "adwin", "kswin")


def found(metric: str, errors: np.ndarray) -> Signals:
    return advanced(Stream(), [metric], errors, SEEDS)[1][metric]


def regimes(seed: int, rates: tuple[float, ...], rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(rows) < rate for rate in rates]).astype(np.int8)


@pytest.mark.parametrize("metric", SLOW)
@pytest.mark.parametrize("seed", range(3))
def test_arrays_signal_where_the_formulas_do_row_by_row(metric: str, seed: int) -> None:
    errors = regimes(seed, (0.1, 0.5, 0.05, 0.3), 350)
    own = found(metric, errors)
    assert (list(own.drifts), list(own.warnings)) == slow_signals(metric, errors.tolist())
    assert own.drifts


@settings(max_examples=40, deadline=None)
@given(bits=st.lists(st.integers(0, 1), max_size=200), metric=st.sampled_from(list(SLOW)))
def test_any_stream_signals_where_the_formulas_do(bits: list[int], metric: str) -> None:
    own = found(metric, np.array(bits * 2, dtype=np.int8))
    assert (list(own.drifts), list(own.warnings)) == slow_signals(metric, bits * 2)


@pytest.mark.parametrize("metric", ["page_hinkley", "adwin"])
def test_errors_of_any_size_signal_where_the_formulas_do(metric: str) -> None:
    rng = np.random.default_rng(2)
    errors = np.concatenate([rng.exponential(scale, 700) for scale in (1.0, 3.0, 0.4)])
    own = found(metric, errors)
    assert list(own.drifts) == slow_signals(metric, errors.tolist())[0]
    assert own.drifts


def test_kswin_of_numbers_is_the_two_sample_test_on_what_is_drawn() -> None:
    rng = np.random.default_rng(4)
    errors = np.round(np.concatenate([rng.exponential(scale, 600) for scale in (1.0, 5.0, 0.2)]), 1)
    slow = Kswin(seed=7)
    assert list(found("kswin", errors).drifts) == [row for row, x in enumerate(errors.tolist()) if slow(x)[0]]
    assert len(found("kswin", errors).drifts) >= 2


@pytest.mark.parametrize("metric", DETECTORS)
def test_positions_are_those_of_river(metric: str) -> None:
    rng = random.Random(42)
    halves = np.array(rng.choices([0, 1], k=1000) + rng.choices([0, 1], k=1000, weights=[0.3, 0.7]), dtype=np.int8)
    own = found(metric, halves)
    assert (list(own.drifts), list(own.warnings)) == RIVER_HALVES[metric]
    runs = np.array([0] * 500 + [1] * 40 + [0] * 400 + [1] * 40 + [0, 0, 0, 0, 1] * 200, dtype=np.int8)
    if metric in RIVER_RUNS:
        assert list(found(metric, runs).drifts) == RIVER_RUNS[metric]


@pytest.mark.parametrize("metric", OF_NUMBERS)
def test_positions_of_numbers_are_those_of_river(metric: str) -> None:
    """KSWIN draws other rows than River does; where old and new rows have nothing in common, that makes no difference."""
    rng = random.Random(12345)
    jump = np.array(rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000), dtype=np.float64)
    assert list(found(metric, jump).drifts) == RIVER_JUMP[metric]
    draw = np.random.default_rng(5)
    scales = np.concatenate([draw.exponential(1, 3000), draw.exponential(1.6, 3000), draw.exponential(0.7, 3000)])
    if metric in RIVER_SCALES:
        assert list(found(metric, scales).drifts) == RIVER_SCALES[metric]


@pytest.mark.parametrize("metric", DETECTORS)
def test_positions_in_the_car_loan_sample_are_those_of_river(metric: str, shared: Path) -> None:
    folder = shared / "data" / "carloan_binary"
    log, labels = pq.read_table(folder / "analysis.parquet"), pq.read_table(folder / "targets.parquet")
    joined = log.select(["id", "y_pred", "timestamp"]).join(labels, "id").sort_by("timestamp")
    errors = (joined["y_pred"].to_numpy() != joined["repaid"].to_numpy()).astype(np.int8)
    own = found(metric, errors)
    assert (len(own.drifts), list(own.drifts[:10])) == RIVER_CAR_LOAN[metric]
    if metric in WARNING_DETECTORS:
        assert (len(own.warnings), list(own.warnings[:10])) == RIVER_CAR_LOAN_WARNINGS[metric]
    else:
        assert own.warnings == ()


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 1600), max_size=6), seed=st.integers(0, 5), numbers=st.booleans())
def test_a_stream_that_is_kept_and_resumed_is_the_stream_at_once(cuts: list[int], seed: int, numbers: bool) -> None:
    errors = regimes(seed, (0.1, 0.6, 0.02, 0.4), 400)
    metrics = [one for one in (OF_NUMBERS if numbers else DETECTORS) if one != "kswin"]
    errors = errors * np.random.default_rng(seed).exponential(2, len(errors)) if numbers else errors
    whole, at_once = advanced(Stream(), metrics, errors, SEEDS)
    stream, begin = Stream(), 0
    drifts: dict[str, list[int]] = {metric: [] for metric in metrics}
    warnings: dict[str, list[int]] = {metric: [] for metric in metrics}
    for end in [*sorted(cuts), len(errors)]:
        stream, own = advanced(stream, metrics, errors[begin:end], SEEDS)
        stream = msgspec.msgpack.decode(msgspec.msgpack.encode(stream), type=Stream)
        for metric, one in own.items():
            drifts[metric] += [begin + row for row in one.drifts]
            warnings[metric] += [begin + row for row in one.warnings]
        begin = end
    assert drifts == {metric: list(one.drifts) for metric, one in at_once.items()}
    assert warnings == {metric: list(one.warnings) for metric, one in at_once.items()}
    assert stream.rows == whole.rows == len(errors)
    assert stream.zones == whole.zones


def test_zones_that_last_over_a_cut_count_on_both_sides() -> None:
    errors = regimes(0, (0.05, 0.4), 400)
    own = found("ddm", errors)
    drift, entered = own.drifts[0], [row for row in own.warnings if row < own.drifts[0]][-1]
    cut = (entered + drift) // 2
    stream, before = advanced(Stream(), ["ddm"], errors[:cut], SEEDS)
    assert stream.zones == ("ddm",)
    assert before["ddm"].zones == len(before["ddm"].warnings) > 0
    calm = advanced(stream, ["ddm"], errors[cut : cut + 1], SEEDS)[1]["ddm"]
    assert (calm.drifts, calm.warnings, calm.zones) == ((), (), 1)
    after = advanced(stream, ["ddm"], errors[cut : drift + 1], SEEDS)[1]["ddm"]
    assert (after.drifts, after.zones) == ((drift - cut,), 1 + len(after.warnings))


def test_kswin_gap_and_draws_are_those_of_scipy() -> None:
    n = 30
    worst = [float(stats.ks_2samp([0] * n, [0] * (n - gap) + [1] * gap, method="exact").pvalue) for gap in range(10, n)]
    assert worst[kswin_gap() - 10] <= 1e-4 < worst[kswin_gap() - 11]
    expected = [stats.hypergeom(70, errors, 30).cdf(np.arange(30)) for errors in range(71)]
    np.testing.assert_allclose(_drawn_errors(), expected, atol=1e-12)


def test_kswin_of_bits_draws_as_often_as_chance_says() -> None:
    """Of 70 older rows 35 are errors and of the newest 30 none: 17 or more of the drawn ones must be."""
    window = np.array([0, 1] * 35 + [0] * 30, dtype=np.int8)
    rng = np.random.default_rng(0)
    share = np.mean([_differ_in_bits(window, rng.random(1))[0] for _ in range(4000)])
    expected = stats.hypergeom(70, 35, 30).sf(kswin_gap() - 1)
    assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 4000) ** 0.5)


def test_kswin_of_bits_finds_a_great_change_and_nothing_in_a_steady_stream() -> None:
    assert not found("kswin", regimes(1, (0.06,), 60_000)).drifts
    drifts = found("kswin", regimes(1, (0.03, 0.9), 1000)).drifts
    assert [row for row in drifts if 1000 < row < 1040]


@pytest.mark.parametrize("metric", DETECTORS)
def test_nobody_errs_and_everybody_errs(metric: str) -> None:
    for errors in (np.zeros(500, np.int8), np.ones(500, np.int8), np.zeros(0, np.int8)):
        own = found(metric, errors)
        assert (own.drifts, own.warnings, own.zones) == ((), (), 0)


def test_readings_count_drifts_or_zones_and_say_why_there_is_no_value() -> None:
    three = Detected(rows=10, stream_rows=400, drifts=3, zones=2)
    readings = detector_readings({"ddm": three, "adwin": three})
    assert [(one.metric, one.group, one.measurement.value) for one in readings] == [
        ("ddm", None, 3.0), ("ddm", WARNING, 0.0), ("adwin", None, 3.0),
    ]  # fmt: skip
    wary = Detected(rows=10, stream_rows=400, drifts=0, zones=2)
    assert [one.measurement.value for one in detector_readings({"ddm": wary})] == [0.0, 2.0]
    none = Detected(rows=0, stream_rows=400, drifts=0, zones=1)
    assert {one.measurement.reason for one in detector_readings({"ddm": none})} == {"no labelled row with a prediction"}
    young = Detected(rows=10, stream_rows=30, drifts=0, zones=0)
    reasons = [one.measurement.reason for one in detector_readings({"page_hinkley": young, "ddm": young})]
    assert reasons == [None, *["30 labelled rows so far, fewer than the 31 that it needs"] * 2]
    assert [one.measurement.reason for one in untested_detector("ddm", {"ddm": "why"})] == ["why"]
    assert untested_detector("eddm", {"ddm": "why"}) == []


@pytest.mark.parametrize("module", [detection, detectors, error_rate_detectors, window_detectors])
def test_examples_in_docstrings(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


def test_definitions_are_opt_in_and_take_numbers_only_where_they_can() -> None:
    assert tuple(one.id for one in DEFINITIONS) == DETECTORS
    assert all(one.opt_in and one.needs_labels for one in DEFINITIONS)
    assert tuple(one.id for one in DEFINITIONS if "regression" in one.tasks) == OF_NUMBERS
