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
from mlops_desk.reporting.naming import FAMILY_NAMES, plural

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
    return tuple(text for convention, text in CONVENTIONS.items() if convention in present)


def threshold_texts(model: Model, keys: Sequence[SeriesKey]) -> tuple[str, ...]:
    """What values are held against: each monitor's own threshold, then the default of every family that some series belong to."""
    own = [monitor_text(monitor) for monitor in model.monitors if monitor.threshold is not None]
    followed = {(key.convention, SAME_AS.get(key.family, key.family)) for key in keys}
    shares = {key.convention for key in keys if key.metric == "drifted_share"}
    families = {family for convention, family in followed if (convention, family) not in TOOL_DEFAULTS}
    default = [
        f"{FAMILY_NAMES[family]}: {DEFAULTS[family]}" for family in Family if family in families and family in DEFAULTS
    ]
    if Family.DATA_DRIFT in families:
        default[0] += f" (budget: {model.false_alarms_per_month:g} a month)"
    default += [f"{FAMILY_NAMES[key[1]]}: {text}" for key, text in TOOL_DEFAULTS.items() if key in followed]
    if Family.DATA_DRIFT in families or shares - {Convention.EVIDENTLY}:
        default.append("Share of drifted features: above 50 %; warning above 30 %")
    if Convention.EVIDENTLY in shares:
        default.append("Share of drifted features, Evidently's: from 50 % on")
    return (*own, *default)


def monitor_text(monitor: Monitor) -> str:
    """A monitor with a threshold of its own: what it watches and where it draws the line."""
    what = ", ".join(monitor.metrics) or (FAMILY_NAMES[monitor.family] if monitor.family else "every metric")
    where = "" if monitor.columns == ("*",) else f" of {', '.join(monitor.columns)}"
    return f"{what}{where}: {'' if monitor.threshold is None else threshold_text(monitor.threshold)}"


def threshold_text(threshold: Threshold) -> str:
    """A threshold in words."""
    text = _beyond(threshold)
    warn = getattr(threshold, "warn", None)
    if warn is not None:
        text += f"; warning {_beyond(warn)}"
    if threshold.consecutive > 1:
        text += f"; only after {plural(threshold.consecutive, 'chunk')} in a row"
    return text


def _beyond(threshold: Threshold) -> str:
    match threshold:
        case ConstantThreshold():
            return _sides(threshold.lower, threshold.upper, "below {}", "above {}")
        case DeviationThreshold():
            sides = _sides(threshold.lower, threshold.upper, "mean - {}", "mean + {}")
            return f"outside {sides} standard deviations of the reference chunks"
        case QuantileThreshold():
            return f"outside {_sides(threshold.lower, threshold.upper, 'quantile {}', 'quantile {}')} of the reference chunks"
        case PValueThreshold():
            return f"p < {theme.number(threshold.max)}"
        case CalibratedThreshold():
            return f"beyond what chance does within the budget of false alarms; warning at {threshold.warn_factor:g} times its level"
        case IntervalThreshold():
            return f"{_sides(threshold.lower, threshold.upper, 'below {}', 'above {}')} with the whole 95 % interval, else warning"
        case RateThreshold():
            return f"above the reference by more than {threshold.sampling_errors:g} sampling errors and {threshold.margin:g}"


def _sides(lower: float | None, upper: float | None, below: str, above: str) -> str:
    told = [form.format(theme.exact(limit)) for limit, form in ((lower, below), (upper, above)) if limit is not None]
    return " or ".join(told) or "never"
