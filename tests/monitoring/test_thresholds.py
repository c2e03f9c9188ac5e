"""Limits and verdicts against numpy by hand, and against every limit and alert that NannyML computed on the real cases."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from mlops_desk.domain.metric import Convention, Definition, Direction, Family, Limits, Measurement, Verdict, untested
from mlops_desk.domain.threshold import (
    CalibratedThreshold,
    ConstantThreshold,
    DeviationThreshold,
    IntervalThreshold,
    PValueThreshold,
    QuantileThreshold,
    RateThreshold,
)
from mlops_desk.metrics.catalogue import CATALOGUE, definition
from mlops_desk.metrics.null import CALIBRATED
from mlops_desk.metrics.series import DRIFT_FAMILIES
from mlops_desk.monitoring.thresholds import (
    ReferenceCourse,
    breached_limit,
    default_threshold,
    limits_of_chunks,
    reached_limit,
    reference_verdict,
    verdict,
)

BOTH = DeviationThreshold(lower=3, upper=3)
UPPER = DeviationThreshold(upper=3)
NANNYML = {  # kind of file: the thresholds that NannyML computed it with, the metric's range
    "univariate": (UPPER, (0, math.inf)),
    "univariate_n10": (UPPER, (0, math.inf)),
    "performance": (BOTH, (-math.inf, math.inf)),
    "cbpe": (BOTH, (-math.inf, math.inf)),
    "dle": (BOTH, (0, math.inf)),
    "pca": (BOTH, (0, math.inf)),
    "missing_rate": (BOTH, (0, 1)),
    "missing_count": (BOTH, (0, math.inf)),
    "unseen_rate": (UPPER, (0, 1)),
    "range_rate": (UPPER, (0, 1)),
    "stats_avg": (BOTH, (-math.inf, math.inf)),
    "stats_std": (BOTH, (0, math.inf)),
    "stats_median": (BOTH, (-math.inf, math.inf)),
    "stats_sum": (BOTH, (-math.inf, math.inf)),
    "stats_count": (BOTH, (0, math.inf)),
}
CASES = ("carloan_binary", "carloan_dq", "carvalue_regression", "titanic_dq")


def metric(id: str = "m", family: Family = Family.PERFORMANCE, range: tuple[float, float] = (-math.inf, math.inf)):
    return Definition(id=id, family=family, name=id, direction=Direction.NEITHER, range=range)


def one_limit(threshold, definition, chunk_values=(), whole=None, error=None, **options) -> Limits:
    course = ReferenceCourse(chunk_values=tuple(chunk_values), whole=whole)
    (limits,) = limits_of_chunks(threshold, definition, course, [error], **options)
    return limits


def judged(number: float, limits: Limits, threshold=BOTH, low=None, high=None, **options) -> Verdict:
    measurement = Measurement(number, interval_lower=low, interval_upper=high)
    return verdict(measurement, limits, threshold, **options)


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def number_of(text: str | None) -> float | None:
    return float(text) if text and math.isfinite(float(text)) else None


@pytest.mark.parametrize("case", CASES)
def test_limits_and_alerts_are_those_of_nannyml(shared, case) -> None:
    compared = 0
    for file in sorted((shared / "data" / case / "expected").glob("nannyml_*.csv")):
        kind = file.stem.removeprefix("nannyml_").removeprefix("docs_")
        if kind in NANNYML:
            compared += compared_with(file, kind)
    assert compared > 50


def compared_with(file: Path, kind: str) -> int:
    """Compare our limits and alerts with those of a file; returns how many numbers agreed."""
    threshold, range_ = NANNYML[kind]
    rows = rows_of(file)
    realised = rows_of(file.with_name("nannyml_performance.csv")) if kind in ("cbpe", "dle") else rows
    compared = 0
    for name in (header.removesuffix("_value") for header in rows[0] if header.endswith("_value")):
        if name.endswith("_chi2"):
            continue  # has no limits: judged by its p-value
        course = [number_of(row[f"{name}_value"]) for row in realised if row["chunk_period"] == "reference"]
        limits = one_limit(threshold, metric(range=range_), course, convention=Convention.NANNYML)
        for row in rows:
            where = (file.name, name, row["chunk_key"])
            for limit, side in ((limits.lower, "lower"), (limits.upper, "upper")):
                expected = number_of(row[f"{name}_{side}_threshold"])
                assert limit == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12)), where
                compared += 1
            value = number_of(row[f"{name}_value"])
            if row["chunk_period"] == "reference" or value is None:
                continue
            if kind.startswith("stats_") and value in (limits.lower, limits.upper):
                continue  # NannyML's summary statistics alert on the limit itself
            alert = row[f"{name}_alert"] == "True"
            assert (judged(value, limits, threshold) is Verdict.ALERT) == alert, where
            compared += 1
    return compared


def test_a_deviation_is_counted_with_the_population_standard_deviation_of_what_was_tested() -> None:
    values = np.array([0.2, 0.5, 0.4, 0.9, 0.1])
    threshold = DeviationThreshold(lower=3, upper=1.5, warn=DeviationThreshold(upper=1))
    limits = one_limit(threshold, metric(), [0.2, None, 0.5, 0.4, None, 0.9, 0.1])
    assert limits == Limits(
        lower=pytest.approx(values.mean() - 3 * values.std(ddof=0)),
        upper=pytest.approx(values.mean() + 1.5 * values.std(ddof=0)),
        warn_lower=None,
        warn_upper=pytest.approx(values.mean() + values.std(ddof=0)),
    )
    assert one_limit(threshold, metric(range=(0, 0.6)), values) == Limits(lower=0, upper=0.6, warn_upper=0.6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values, low, high) -> None:
    threshold = QuantileThreshold(lower=low, upper=high, warn=QuantileThreshold(lower=high))
    limits = one_limit(threshold, metric(), values)
    assert limits == Limits(
        lower=float(np.quantile(values, low)),
        upper=float(np.quantile(values, high)),
        warn_lower=float(np.quantile(values, high)),
    )


def test_fewer_than_five_reference_chunks_leave_the_reference_itself_and_the_sampling_error_of_each_chunk() -> None:
    course = ReferenceCourse(chunk_values=(0.5, 0.6, None, 0.5, 0.6, None), whole=0.55)
    deviation = limits_of_chunks(BOTH, metric(range=(0, 1)), course, [0.01, 0.2, None])
    assert deviation == (
        Limits(lower=pytest.approx(0.52), upper=pytest.approx(0.58)),
        Limits(lower=0, upper=1),
        Limits(),
    )
    quantile = QuantileThreshold(lower=0.01, upper=0.99, warn=QuantileThreshold(upper=0.5))
    assert limits_of_chunks(quantile, metric(), course, [0.1]) == (
        Limits(
            lower=pytest.approx(0.55 + 0.1 * norm.ppf(0.01)),
            upper=pytest.approx(0.55 + 0.1 * norm.ppf(0.99)),
            warn_upper=pytest.approx(0.55),
        ),
    )
    assert one_limit(QuantileThreshold(upper=1), metric(), whole=0.5, error=0.1) == Limits()
    assert one_limit(BOTH, metric(), [0.5], whole=None, error=0.1) == Limits()
    nannyml = one_limit(BOTH, metric(), [0.5, 0.7], convention=Convention.NANNYML)
    assert nannyml == Limits(lower=pytest.approx(0.3), upper=pytest.approx(0.9))


@given(st.floats(-1e9, 1e9), st.integers(5, 50), st.floats(0, 5))
def test_a_course_that_never_varied_does_not_alert_on_its_own_value(value, count, k) -> None:
    limits = one_limit(DeviationThreshold(lower=k, upper=k), metric(), [value] * count)
    assert judged(value, limits) is Verdict.OK


def test_an_estimation_gap_is_held_against_none_by_its_own_sampling_error() -> None:
    gap = metric("estimation_gap", Family.CONCEPT_DRIFT)
    course = ReferenceCourse(chunk_values=(0.1,) * 9, whole=0.1)
    threshold = default_threshold(gap)
    assert limits_of_chunks(threshold, gap, course, [0.01, 0.02]) == (
        Limits(lower=pytest.approx(-0.03), upper=pytest.approx(0.03)),
        Limits(lower=pytest.approx(-0.06), upper=pytest.approx(0.06)),
    )


def test_a_rate_must_exceed_the_reference_by_sampling_error_and_by_margin() -> None:
    missing = metric("missing_rate", Family.DATA_QUALITY, (0, 1))
    course = ReferenceCourse(whole=0.1)
    assert limits_of_chunks(RateThreshold(), missing, course, [0.001, 0.01, 0.4, None]) == (
        Limits(upper=pytest.approx(0.11)),
        Limits(upper=pytest.approx(0.13)),
        Limits(upper=1),
        Limits(),
    )
    assert one_limit(RateThreshold(), missing, whole=None, error=0.1) == Limits()


def test_constants_are_taken_as_they_are() -> None:
    threshold = ConstantThreshold(lower=-2, upper=3, warn=ConstantThreshold(upper=1))
    limits = one_limit(threshold, metric(range=(0, 1)))
    assert limits == Limits(lower=-2, upper=3, warn_upper=1)
    verdicts = [judged(value, limits, threshold) for value in (-2.1, -2, 1, 1.1, 3, 3.1)]
    assert verdicts == [Verdict.ALERT, Verdict.OK, Verdict.OK, Verdict.WARNING, Verdict.WARNING, Verdict.ALERT]


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_an_alert_is_strictly_outside(value, lower, upper) -> None:
    limits = Limits(lower=lower, upper=upper)
    result = judged(value, limits)
    if lower <= value <= upper:
        assert result is Verdict.OK
        assert breached_limit(value, limits) is None
    elif value < lower - 1e-12 * max(abs(value), abs(lower)) or value > upper + 1e-12 * max(abs(value), abs(upper)):
        assert result is Verdict.ALERT
        assert breached_limit(value, limits) in (lower, upper)


def test_a_difference_that_the_order_of_a_sum_can_make_is_no_breach() -> None:
    values = np.random.default_rng(3).normal(size=1000)
    limit = math.fsum(values)
    for order in (values, values[::-1], np.sort(values)):
        total = 0.0
        for value in order:
            total += float(value)
        assert judged(total, Limits(lower=limit, upper=limit)) is Verdict.OK
    assert judged(limit * (1 + 1e-9), Limits(lower=limit, upper=limit)) is Verdict.ALERT


def test_a_p_value_alerts_below_its_limit_whether_it_is_the_metric_or_the_twin_of_a_statistic() -> None:
    threshold = PValueThreshold(max=0.01, warn=PValueThreshold(max=0.05))
    p, statistic = metric("chi_squared_p", Family.DATA_DRIFT, (0, 1)), metric("chi_squared", Family.DATA_DRIFT)
    assert one_limit(threshold, p) == Limits(lower=0.01, warn_lower=0.05)
    assert one_limit(threshold, statistic) == Limits()
    for number, expected in ((0.009, Verdict.ALERT), (0.01, Verdict.WARNING), (0.05, Verdict.OK)):
        assert judged(number, one_limit(threshold, p), threshold) is expected
        assert judged(123.0, Limits(), threshold, p_value=Measurement(number)) is expected
    assert judged(123.0, Limits(), threshold, p_value=untested("one value only")) is Verdict.UNTESTED


def test_fairness_alerts_where_the_whole_interval_is_beyond_and_warns_where_the_value_is() -> None:
    ratio, difference = IntervalThreshold(lower=0.8), IntervalThreshold(upper=0.1)
    below, above = one_limit(ratio, metric()), one_limit(difference, metric())
    assert (below, above) == (Limits(lower=0.8), Limits(upper=0.1))
    assert judged(0.7, below, ratio, 0.65, 0.75) is Verdict.ALERT
    assert judged(0.7, below, ratio, 0.65, 0.8) is Verdict.WARNING
    assert judged(0.7, below, ratio) is Verdict.WARNING
    assert judged(0.8, below, ratio, 0.1, 0.9) is Verdict.OK
    assert judged(0.3, above, difference, 0.2, 0.4) is Verdict.ALERT
    assert judged(0.3, above, difference, 0.05, 0.4) is Verdict.WARNING
    assert judged(0.05, above, difference, 0.0, 0.4) is Verdict.OK


def test_calibrated_limits_come_from_elsewhere() -> None:
    assert one_limit(CalibratedThreshold(), metric(), [0.1] * 9, whole=0.1, error=0.1) == Limits()
    assert judged(0.3, Limits(upper=0.2, warn_upper=0.1), CalibratedThreshold()) is Verdict.ALERT
    assert judged(0.15, Limits(upper=0.2, warn_upper=0.1), CalibratedThreshold()) is Verdict.WARNING


def test_what_cannot_be_judged_is_untested_and_what_nobody_asked_to_judge_is_ok() -> None:
    for threshold in (None, BOTH, PValueThreshold(), IntervalThreshold(lower=0.8), RateThreshold()):
        assert verdict(untested("too few rows"), Limits(upper=1), threshold) is Verdict.UNTESTED
    for threshold in (BOTH, RateThreshold(), CalibratedThreshold(), QuantileThreshold(upper=0.9)):
        assert judged(1e9, Limits(), threshold) is Verdict.UNTESTED
    assert judged(1e9, Limits(), None) is Verdict.OK


def test_reference_chunks_never_alert() -> None:
    assert reference_verdict(Measurement(1e9)) is Verdict.OK
    assert reference_verdict(untested("too few rows")) is Verdict.UNTESTED


WARNED = DeviationThreshold(lower=3, upper=3, warn=DeviationThreshold(lower=2, upper=2))


@pytest.mark.parametrize(
    ("family", "id", "expected"),
    [
        (Family.DATA_DRIFT, "jensen_shannon", CalibratedThreshold(warn_factor=10)),
        (Family.PREDICTION_DRIFT, "psi", CalibratedThreshold(warn_factor=10)),
        (Family.LABEL_DRIFT, "hellinger", CalibratedThreshold(warn_factor=10)),
        (Family.DATA_DRIFT, "kolmogorov_smirnov_p", PValueThreshold(max=0.05)),
        (Family.DATA_DRIFT, "drifted_share", ConstantThreshold(upper=0.5, warn=ConstantThreshold(upper=0.3))),
        (Family.MULTIVARIATE_DRIFT, "pca_reconstruction", WARNED),
        (Family.PERFORMANCE, "roc_auc", WARNED),
        (Family.ESTIMATED_PERFORMANCE, "roc_auc", WARNED),
        (Family.CALIBRATION, "expected_calibration_error", WARNED),
        (Family.ADVERSARIAL, "outlier_rate", WARNED),
        (Family.BUSINESS, "profit", WARNED),
        (Family.CONCEPT_DRIFT, "label_shift_given_score", PValueThreshold(max=0.001)),
        (Family.CONCEPT_DRIFT, "label_shift_given_score_p", PValueThreshold(max=0.001)),
        (Family.CONCEPT_DRIFT, "estimation_gap", DeviationThreshold(lower=3, upper=3)),
        (Family.CONCEPT_DRIFT, "label_odds_ratio", None),
        (Family.CONCEPT_DRIFT, "covariate_effect", None),
        (Family.CONCEPT_DRIFT, "concept_effect", None),
        (Family.FAIRNESS, "demographic_parity_ratio", IntervalThreshold(lower=0.8)),
        (Family.FAIRNESS, "demographic_parity_ratio_to_overall", IntervalThreshold(lower=0.8)),
        (Family.ESTIMATED_FAIRNESS, "equalized_odds_difference", IntervalThreshold(upper=0.1)),
        (Family.FAIRNESS, "recall", None),
        (Family.DATA_QUALITY, "missing_rate", RateThreshold(sampling_errors=3, margin=0.01)),
        (Family.DATA_QUALITY, "duplicate_rate", RateThreshold(sampling_errors=3, margin=0.01)),
        (Family.DATA_QUALITY, "rows", DeviationThreshold(lower=3, upper=3)),
        (Family.DATA_QUALITY, "row_rate", None),
        (Family.DATA_QUALITY, "freshness_hours", None),
        (Family.DATA_QUALITY, "expectation_failures", ConstantThreshold(upper=0)),
        (Family.SYSTEM, "latency_p99", None),
    ],
)
def test_each_family_has_the_default_of_the_table(family, id, expected) -> None:
    assert default_threshold(metric(id, family)) == expected


TENTH = ConstantThreshold(upper=0.1, inclusive=True)
NANNYML_BOTH = DeviationThreshold(lower=3, upper=3)


@pytest.mark.parametrize(
    ("convention", "family", "id", "expected"),
    [
        *((Convention.EVIDENTLY, Family.DATA_DRIFT, one, TENTH) for one in ("psi", "jensen_shannon", "hellinger", "kl_divergence", "wasserstein")),
        (Convention.EVIDENTLY, Family.PREDICTION_DRIFT, "jensen_shannon", TENTH),
        (Convention.EVIDENTLY, Family.LABEL_DRIFT, "energy", ConstantThreshold(upper=0.1)),
        *((Convention.EVIDENTLY, Family.DATA_DRIFT, one + end, PValueThreshold(max=0.05)) for end in ("", "_p")
          for one in ("kolmogorov_smirnov", "chi_squared", "z_test", "mann_whitney", "t_test", "epps_singleton")),
        *((Convention.EVIDENTLY, Family.DATA_DRIFT, one + end, PValueThreshold(max=0.1)) for end in ("", "_p")
          for one in ("cramer_von_mises", "anderson_darling", "g_test", "fisher_exact", "mmd")),
        (Convention.EVIDENTLY, Family.DATA_DRIFT, "drifted_share", ConstantThreshold(upper=0.5, inclusive=True)),
        *((Convention.NANNYML, Family.DATA_DRIFT, one, DeviationThreshold(upper=3))
          for one in ("jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger", "l_infinity")),
        *((Convention.NANNYML, Family.DATA_DRIFT, one, NANNYML_BOTH) for one in ("mean", "std", "sum", "median")),
        (Convention.NANNYML, Family.LABEL_DRIFT, "chi_squared", PValueThreshold(max=0.05)),
        (Convention.NANNYML, Family.PERFORMANCE, "roc_auc", NANNYML_BOTH),
        (Convention.NANNYML, Family.ESTIMATED_PERFORMANCE, "roc_auc", NANNYML_BOTH),
        (Convention.NANNYML, Family.MULTIVARIATE_DRIFT, "pca_reconstruction", NANNYML_BOTH),
        (Convention.NANNYML, Family.MULTIVARIATE_DRIFT, "domain_classifier_auc", ConstantThreshold(lower=0.45, upper=0.65)),
        (Convention.NANNYML, Family.DATA_QUALITY, "missing_rate", NANNYML_BOTH),
        (Convention.NANNYML, Family.DATA_QUALITY, "unseen_rate", ConstantThreshold(upper=0)),
        (Convention.NANNYML, Family.DATA_QUALITY, "out_of_range_rate", ConstantThreshold(upper=0)),
        (Convention.NANNYML, Family.DATA_QUALITY, "rows", NANNYML_BOTH),
    ],
)  # fmt: skip
def test_a_convention_has_the_limits_of_its_tool(convention, family, id, expected) -> None:
    assert default_threshold(definition(id, family), convention=convention) == expected


@pytest.mark.parametrize("convention", [Convention.NANNYML, Convention.EVIDENTLY, Convention.FAIRLEARN])
def test_what_a_tool_has_no_limits_for_is_judged_as_by_desk(convention) -> None:
    for one in (
        ("total_variation", Family.DATA_DRIFT),
        ("nan_rate", Family.DATA_QUALITY),
        ("equalized_odds_ratio", Family.FAIRNESS),
    ):
        assert default_threshold(definition(*one), convention=convention) == default_threshold(definition(*one))


def test_a_value_on_an_inclusive_limit_alerts_and_tells_it() -> None:
    limits = Limits(lower=0.2, upper=0.5)
    within, reaching = ConstantThreshold(lower=0.2, upper=0.5), ConstantThreshold(lower=0.2, upper=0.5, inclusive=True)
    for value in (0.5, 0.2, 0.1 + 0.4):
        assert verdict(Measurement(value), limits, within) is Verdict.OK
        assert verdict(Measurement(value), limits, reaching) is Verdict.ALERT
        assert reached_limit(value, limits) == pytest.approx(value)
    assert verdict(Measurement(0.4999), limits, reaching) is Verdict.OK
    assert reached_limit(0.4999, limits) is None
    assert reached_limit(0.7, limits) == 0.5


def test_defaults_that_depend_on_more_than_the_metric() -> None:
    chi_squared = metric("chi_squared", Family.DATA_DRIFT)
    assert default_threshold(chi_squared) == CalibratedThreshold()
    freshness = metric("freshness_hours", Family.DATA_QUALITY)
    assert default_threshold(freshness, chunk_hours=24) == ConstantThreshold(upper=48)


@pytest.mark.parametrize("one", [one for one in CATALOGUE if one.family in DRIFT_FAMILIES], ids=lambda one: one.id)
def test_a_drift_metric_is_calibrated_by_default_only_where_its_null_is_known(one) -> None:
    threshold = default_threshold(one)
    assert isinstance(threshold, CalibratedThreshold) == (one.id in CALIBRATED)
    if isinstance(threshold, DeviationThreshold):
        lower = None if one.direction is Direction.LOWER else 3
        warn = DeviationThreshold(lower=None if lower is None else 2, upper=2)
        assert threshold == DeviationThreshold(lower=lower, upper=3, warn=warn)
