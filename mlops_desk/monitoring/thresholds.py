"""From thresholds to limits and verdicts: pure arithmetic on the values of one series.

A value on its limit is within it, and so is one that is beyond it by no more than the order of a sum can change (SAME_WITHIN). Reference
chunks have values and limits and never alert. Calibrated limits come from the metric's null and are only held against values here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import Struct

from mlops_desk.domain.metric import Convention, Definition, Direction, Family, Limits, Measurement, Verdict
from mlops_desk.domain.threshold import (
    CalibratedThreshold,
    ConstantThreshold,
    DeviationThreshold,
    IntervalThreshold,
    PValueThreshold,
    QuantileThreshold,
    RateThreshold,
    Threshold,
)
from mlops_desk.metrics.detectors import DETECTORS, WARNING
from mlops_desk.monitoring.tool_thresholds import DRIFT, tool_threshold

SAME_WITHIN = 1e-12
"""A value is beyond a limit only if it is by more than this share of the larger of the two."""

NO_LIMITS = Limits()
LEAST_REFERENCE_CHUNKS = 5
"""Fewer tested reference chunks say too little about how a metric varies (convention nannyml takes any number)."""

_DEVIATING = (
    Family.MULTIVARIATE_DRIFT,
    Family.PERFORMANCE,
    Family.ESTIMATED_PERFORMANCE,
    Family.CALIBRATION,
    Family.ADVERSARIAL,
    Family.BUSINESS,
)
_RATES = ("missing_rate", "nan_rate", "infinite_rate", "unseen_rate", "out_of_range_rate", "duplicate_rate")
_GAP = "estimation_gap"

_DEVIATION = DeviationThreshold(lower=3.0, upper=3.0)
_WARNED_DEVIATION = DeviationThreshold(lower=3.0, upper=3.0, warn=DeviationThreshold(lower=2.0, upper=2.0))
_WARNED_ABOVE = DeviationThreshold(upper=3.0, warn=DeviationThreshold(upper=2.0))
_SHIFT = PValueThreshold(max=0.001)
_NO_DRIFT = ConstantThreshold(upper=0.0)
_NO_WARNING = ConstantThreshold(warn=ConstantThreshold(upper=0.0))
"""A detector alerts by its own rule: any drift that it finds, and any warning zone."""


class ReferenceCourse(Struct, frozen=True, kw_only=True):
    """What a series was in the reference.

    Attributes
    ----------
    chunk_values : of the reference chunks in time order, None where untested. whole : of the reference as a whole, None where unknown.
    """

    chunk_values: tuple[float | None, ...] = ()
    whole: float | None = None


def default_threshold(
    definition: Definition,
    *,
    convention: Convention = Convention.DESK,
    chunk_hours: float | None = None,
    group: str | None = None,
) -> Threshold | None:
    """What values of a metric are held against where desk.toml says nothing; None where only the user can say.

    The limits of the convention's tool come first. `chunk_hours` is the length of a chunk of time, which freshness is measured by; `group`
    tells a detector's warning zones from its drifts.
    """
    family, metric = definition.family, definition.id
    of_tool = tool_threshold(definition, convention)
    if of_tool is not None:
        return of_tool
    if metric == "drifted_share":
        return ConstantThreshold(upper=0.5, warn=ConstantThreshold(upper=0.3))
    if family in DRIFT:
        return PValueThreshold() if metric.endswith("_p") else _statistic_threshold(definition)
    if family in _DEVIATING:
        return _WARNED_DEVIATION
    if family is Family.CONCEPT_DRIFT:
        return _concept_threshold(metric, group)
    if family in (Family.FAIRNESS, Family.ESTIMATED_FAIRNESS):
        return _fairness_threshold(definition)
    if family is Family.DATA_QUALITY:
        return _quality_threshold(metric, chunk_hours)
    return None


def _concept_threshold(metric: str, group: str | None) -> Threshold | None:
    if metric == _GAP:
        return _DEVIATION
    if metric in DETECTORS:
        return _NO_WARNING if group == WARNING else _NO_DRIFT
    return _SHIFT if metric in ("label_shift_given_score", "label_shift_given_score_p") else None


def _statistic_threshold(definition: Definition) -> Threshold:
    """Calibrated limits where the null is known, else the spread over the reference chunks; a distance cannot be too small."""
    from mlops_desk.metrics.null import CALIBRATED

    if definition.id in CALIBRATED:
        return CalibratedThreshold()
    return _WARNED_ABOVE if definition.direction is Direction.LOWER else _WARNED_DEVIATION


def _fairness_threshold(definition: Definition) -> Threshold | None:
    comparison = definition.id.removesuffix("_to_overall")
    if comparison.endswith("_ratio"):
        return IntervalThreshold(lower=0.8)
    in_units_of_the_target = "regression" in definition.tasks
    return IntervalThreshold(upper=0.1) if comparison.endswith("_difference") and not in_units_of_the_target else None


def _quality_threshold(id: str, chunk_hours: float | None) -> Threshold | None:
    if id in _RATES:
        return RateThreshold()
    if id == "rows":
        return _DEVIATION
    if id in ("expectation_failures", "schema_changes"):
        return ConstantThreshold(upper=0.0)
    if id == "constant_columns":
        return DeviationThreshold(upper=3.0)
    if id == "freshness_hours" and chunk_hours is not None:
        return ConstantThreshold(upper=2 * chunk_hours)
    return None


def goes_by_chunks(threshold: Threshold | None, definition: Definition) -> bool:
    """Whether limits come from the values of the reference chunks."""
    return isinstance(threshold, DeviationThreshold | QuantileThreshold) and definition.id != _GAP


def limits_of_chunks(
    threshold: Threshold | None,
    definition: Definition,
    reference: ReferenceCourse,
    sampling_errors: Sequence[float | None],
    *,
    convention: Convention = Convention.DESK,
) -> tuple[Limits, ...]:
    """Limits for the chunks of a series, one for each of `sampling_errors` (the metric's standard error at the size of that chunk).

    Limits are clipped to the metric's range. A side that the threshold does not ask for, or that nothing is known to derive from, has none.

    Formulas (METRICS.md, Thresholds and verdicts; k, q and the rest are the threshold's own)
    -----------------------------------------------------------------------------------------
    deviation : mean - k·std … mean + k·std over the reference chunks, std with ddof 0 (as NannyML's StandardDeviationThreshold).
    quantile : q-quantile of the reference chunks, linear between order statistics (as numpy).
    Both, with fewer than LEAST_REFERENCE_CHUNKS : the reference's own value ± k sampling errors, k being the normal quantile of q for a quantile.
    rate : the reference's own value + max(k sampling errors, margin).
    estimation_gap by deviation : 0 ± k sampling errors, whatever the reference, because an estimate that holds has no gap.
    """
    if isinstance(threshold, DeviationThreshold | QuantileThreshold):
        known = [] if definition.id == _GAP else [value for value in reference.chunk_values if value is not None]
        least = 1 if convention is Convention.NANNYML else LEAST_REFERENCE_CHUNKS
        if len(known) >= least:
            return (_limits_of_course(threshold, definition, known),) * len(sampling_errors)
        centre = 0.0 if definition.id == _GAP else reference.whole
        around = {error: _limits_around(threshold, definition, centre, error) for error in set(sampling_errors)}
        return tuple(around[error] for error in sampling_errors)
    if isinstance(threshold, RateThreshold):
        above = {error: _rate_limits(threshold, definition, reference.whole, error) for error in set(sampling_errors)}
        return tuple(above[error] for error in sampling_errors)
    return (_fixed_limits(threshold, definition),) * len(sampling_errors)


def verdict(
    measurement: Measurement,
    limits: Limits,
    threshold: Threshold | None,
    *,
    p_value: Measurement | None = None,
) -> Verdict:
    """What comes of holding the value of an analysis chunk against its limits.

    Untested: a value that is missing, or whose threshold found nothing to derive limits from. `p_value` is the `_p` twin of a statistic,
    by which a p-value threshold judges it. A fairness value whose interval is not known can warn, and not alert.
    """
    if measurement.value is None:
        return Verdict.UNTESTED
    if threshold is None:
        return Verdict.OK
    if isinstance(threshold, PValueThreshold):
        judged = measurement if p_value is None else p_value
        by_max = _p_value_limits(threshold)
        return Verdict.UNTESTED if judged.value is None else _verdict_of_value(judged.value, by_max)
    if isinstance(threshold, IntervalThreshold):
        return _verdict_of_interval(measurement, limits)
    if limits == NO_LIMITS:
        return Verdict.UNTESTED
    if (
        isinstance(threshold, ConstantThreshold)
        and threshold.inclusive
        and _limit_at(measurement.value, limits) is not None
    ):
        return Verdict.ALERT
    return _verdict_of_value(measurement.value, limits)


def reference_verdict(measurement: Measurement) -> Verdict:
    """The verdict of a reference chunk, which never alerts: ok, or untested where there is no value."""
    return Verdict.UNTESTED if measurement.value is None else Verdict.OK


def breached_limit(value: float, limits: Limits) -> float | None:
    """The limit that a value lies beyond: of an alert before that of a warning; None if it lies within all."""
    for lower, upper in ((limits.lower, limits.upper), (limits.warn_lower, limits.warn_upper)):
        if _below(value, lower):
            return lower
        if _above(value, upper):
            return upper
    return None


def reached_limit(value: float, limits: Limits) -> float | None:
    """The limit that a value lies beyond, else the alert's limit that it lies on; None if it is within both."""
    beyond = breached_limit(value, limits)
    return beyond if beyond is not None else _limit_at(value, limits)


def _limit_at(value: float, limits: Limits) -> float | None:
    """The alert's limit that a value lies on."""
    return next((one for one in (limits.lower, limits.upper) if one is not None and _same(value, one)), None)


def _limits_of_course(
    threshold: DeviationThreshold | QuantileThreshold, definition: Definition, known: Sequence[float]
) -> Limits:
    import numpy as np

    values = np.asarray(known, dtype=np.float64)
    if isinstance(threshold, QuantileThreshold):
        return _placed(threshold, definition, lambda level, _: float(np.quantile(values, level)))
    mean, deviation = float(values.mean()), float(values.std())
    return _placed(threshold, definition, lambda k, sign: mean + sign * k * deviation)


def _limits_around(
    threshold: DeviationThreshold | QuantileThreshold,
    definition: Definition,
    centre: float | None,
    error: float | None,
) -> Limits:
    if centre is None or error is None:
        return Limits()
    if isinstance(threshold, QuantileThreshold):
        return _placed(threshold, definition, lambda level, _: centre + _normal_quantile(level) * error)
    return _placed(threshold, definition, lambda k, sign: centre + sign * k * error)


def _placed(
    threshold: DeviationThreshold | QuantileThreshold,
    definition: Definition,
    place: Callable[[float, int], float],
) -> Limits:
    """Limits of the sides that a threshold asks for; `place` gives a limit from its level and its side's sign."""

    def limit(level: float | None, sign: int) -> float | None:
        return None if level is None else _clipped(place(level, sign), definition)

    warn = threshold.warn
    return Limits(
        lower=limit(threshold.lower, -1),
        upper=limit(threshold.upper, 1),
        warn_lower=None if warn is None else limit(warn.lower, -1),
        warn_upper=None if warn is None else limit(warn.upper, 1),
    )


def _rate_limits(
    threshold: RateThreshold, definition: Definition, reference: float | None, error: float | None
) -> Limits:
    if reference is None or error is None:
        return Limits()
    upper = reference + max(threshold.sampling_errors * error, threshold.margin)
    return Limits(upper=_clipped(upper, definition))


def _fixed_limits(threshold: Threshold | None, definition: Definition) -> Limits:
    if isinstance(threshold, ConstantThreshold):
        warn = threshold.warn or ConstantThreshold()
        return Limits(lower=threshold.lower, upper=threshold.upper, warn_lower=warn.lower, warn_upper=warn.upper)
    if isinstance(threshold, IntervalThreshold):
        return Limits(lower=threshold.lower, upper=threshold.upper)
    if isinstance(threshold, PValueThreshold) and definition.id.endswith("_p"):
        return _p_value_limits(threshold)
    return Limits()


def _p_value_limits(threshold: PValueThreshold) -> Limits:
    return Limits(lower=threshold.max, warn_lower=None if threshold.warn is None else threshold.warn.max)


def _clipped(limit: float, definition: Definition) -> float | None:
    least, greatest = definition.range
    clipped = min(max(limit, least), greatest)
    return clipped if math.isfinite(clipped) else None


def _normal_quantile(level: float) -> float:
    if 0 < level < 1:
        from statistics import NormalDist

        return NormalDist().inv_cdf(level)
    return math.copysign(math.inf, level - 0.5)


def _verdict_of_value(value: float, limits: Limits) -> Verdict:
    if _below(value, limits.lower) or _above(value, limits.upper):
        return Verdict.ALERT
    if _below(value, limits.warn_lower) or _above(value, limits.warn_upper):
        return Verdict.WARNING
    return Verdict.OK


def _verdict_of_interval(measurement: Measurement, limits: Limits) -> Verdict:
    if measurement.value is None or breached_limit(measurement.value, limits) is None:
        return Verdict.OK
    low, high = measurement.interval_lower, measurement.interval_upper
    whole = (high is not None and _below(high, limits.lower)) or (low is not None and _above(low, limits.upper))
    return Verdict.ALERT if whole else Verdict.WARNING


def _same(value: float, limit: float) -> bool:
    return math.isclose(value, limit, rel_tol=SAME_WITHIN)


def _below(value: float, limit: float | None) -> bool:
    return limit is not None and value < limit and not _same(value, limit)


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit and not _same(value, limit)
