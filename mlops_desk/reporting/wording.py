"""Conventions and thresholds in words, as a report states them beside its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_desk import theme
from mlops_desk.domain.metric import Convention, Family, SeriesKey
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
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
from mlops_desk.reporting.naming import FAMILY_NAMES
from mlops_desk.reporting.texts import apart, plural, say

CONVENTIONS = {
    Convention.DESK: "desk: the definition of the literature, as the program's list of metrics gives it",
    Convention.NANNYML: "nannyml: as NannyML 0.13 defines it",
    Convention.EVIDENTLY: "evidently: as Evidently 0.7 defines it",
    Convention.FAIRLEARN: "fairlearn: as fairlearn 0.15 defines it",
}
_DEVIATION = "outside mean ± 3 standard deviations of the reference chunks; warning beyond 2"
DEFAULTS = {
    Family.DATA_DRIFT: "beyond what chance does within the budget of false alarms; warning at ten times its level",
    Family.MULTIVARIATE_DRIFT: _DEVIATION,
    Family.PERFORMANCE: _DEVIATION,
    Family.CALIBRATION: _DEVIATION,
    Family.ADVERSARIAL: _DEVIATION,
    Family.BUSINESS: _DEVIATION,
    Family.CONCEPT_DRIFT: "label shift with p < 0.001; a gap of estimate and truth beyond 3 sampling errors; "
    "any drift that a detector finds, warning in its warning zone",
    Family.FAIRNESS: "ratio below 0.8 or difference above 0.1: alert if the whole 95 % interval is, warning if only the value is",
    Family.DATA_QUALITY: "rates above the reference's by more than 3 sampling errors and 0.01; rows outside mean ± 3 standard deviations; "
    "newest row older than 2 chunk lengths; any expectation that failed",
}
"""What holds where no monitor says otherwise, by family; a family that is not here has no limit of its own or shares that of another."""
TOOL_DEFAULTS = {
    (
        Convention.NANNYML,
        Family.DATA_DRIFT,
    ): "NannyML's: above mean + 3 standard deviations of the reference chunks; χ² by p < 0.05",
    (Convention.NANNYML, Family.PERFORMANCE): "NannyML's: outside mean ± 3 standard deviations of the reference chunks",
    (
        Convention.NANNYML,
        Family.MULTIVARIATE_DRIFT,
    ): "NannyML's: outside mean ± 3 standard deviations of the reference chunks;"
    " domain classifier outside 0.45 to 0.65",
    (
        Convention.NANNYML,
        Family.DATA_QUALITY,
    ): "NannyML's: missing values and rows outside mean ± 3 standard deviations of the reference"
    " chunks; any unseen or out-of-range value",
    (
        Convention.EVIDENTLY,
        Family.DATA_DRIFT,
    ): "Evidently's: distances from 0.1 on; tests by p < 0.05, or 0.1 for Cramér–von Mises,"
    " Anderson–Darling, G, Fisher and MMD",
}
"""The same where values follow the convention of a tool that has limits of its own; what it has none for is judged as by desk."""
SAME_AS = {
    Family.PREDICTION_DRIFT: Family.DATA_DRIFT,
    Family.LABEL_DRIFT: Family.DATA_DRIFT,
    Family.ESTIMATED_PERFORMANCE: Family.PERFORMANCE,
    Family.ESTIMATED_FAIRNESS: Family.FAIRNESS,
}


def convention_texts(keys: Iterable[SeriesKey]) -> tuple[str, ...]:
    """The conventions that some series follow."""
    present = {key.convention for key in keys}
    return tuple(say(text) for convention, text in CONVENTIONS.items() if convention in present)


def threshold_texts(model: Model, keys: Sequence[SeriesKey]) -> tuple[str, ...]:
    """What values are held against: each monitor's own threshold, then the default of every family that some series belong to."""
    own = [monitor_text(monitor) for monitor in model.monitors if monitor.threshold is not None]
    followed = {(key.convention, SAME_AS.get(key.family, key.family)) for key in keys}
    shares = {key.convention for key in keys if key.metric == "drifted_share"}
    families = {family for convention, family in followed if (convention, family) not in TOOL_DEFAULTS}
    default = [
        f"{say(FAMILY_NAMES[family])}{say(': ')}{say(DEFAULTS[family])}"
        for family in Family
        if family in families and family in DEFAULTS
    ]
    if Family.DATA_DRIFT in families:
        default[0] += say(" (budget: {count} a month)", count=f"{model.false_alarms_per_month:g}")
    default += [
        f"{say(FAMILY_NAMES[key[1]])}{say(': ')}{say(text)}" for key, text in TOOL_DEFAULTS.items() if key in followed
    ]
    if Family.DATA_DRIFT in families or shares - {Convention.EVIDENTLY}:
        default.append(say("Share of drifted features: above 50 %; warning above 30 %"))
    if Convention.EVIDENTLY in shares:
        default.append(say("Share of drifted features, Evidently's: from 50 % on"))
    return (*own, *default)


def monitor_text(monitor: Monitor) -> str:
    """A monitor with a threshold of its own: what it watches and where it draws the line."""
    return (
        f"{monitored_text(monitor)}{say(': ')}{'' if monitor.threshold is None else threshold_text(monitor.threshold)}"
    )


def monitored_text(monitor: Monitor) -> str:
    """What a monitor watches: its metrics or its family, and of which columns."""
    what = ", ".join(monitor.metrics) or say(FAMILY_NAMES[monitor.family] if monitor.family else "every metric")
    return (
        what
        if monitor.columns == ("*",)
        else say("{metric} of {column}", metric=apart(what), column=", ".join(monitor.columns))
    )


def threshold_text(threshold: Threshold) -> str:
    """A threshold in words."""
    text = _beyond(threshold)
    warn = getattr(threshold, "warn", None)
    if warn is not None:
        text += say("; warning {beyond}", beyond=_beyond(warn))
    if threshold.consecutive > 1:
        text += say("; only after {chunks} in a row", chunks=plural(threshold.consecutive, "chunk"))
    return text


def _beyond(threshold: Threshold) -> str:
    match threshold:
        case ConstantThreshold():
            return _sides(threshold.lower, threshold.upper, "below {}", "above {}")
        case DeviationThreshold():
            sides = _sides(threshold.lower, threshold.upper, "mean - {}", "mean + {}")
            return say("outside {sides} standard deviations of the reference chunks", sides=sides)
        case QuantileThreshold():
            sides = _sides(threshold.lower, threshold.upper, "quantile {}", "quantile {}")
            return say("outside {sides} of the reference chunks", sides=sides)
        case PValueThreshold():
            return f"p < {theme.number(threshold.max)}"
        case CalibratedThreshold():
            return say(
                "beyond what chance does within the budget of false alarms; warning at {factor} times its level",
                factor=f"{threshold.warn_factor:g}",
            )
        case IntervalThreshold():
            sides = _sides(threshold.lower, threshold.upper, "below {}", "above {}")
            return say("{sides} with the whole 95 % interval, else warning", sides=sides)
        case RateThreshold():
            return say(
                "above the reference by more than {errors} sampling errors and {margin}",
                errors=f"{threshold.sampling_errors:g}",
                margin=f"{threshold.margin:g}",
            )


def _sides(lower: float | None, upper: float | None, below: str, above: str) -> str:
    told = [
        say(form).format(theme.exact(limit)) for limit, form in ((lower, below), (upper, above)) if limit is not None
    ]
    return say(" or ").join(told) or say("never")
