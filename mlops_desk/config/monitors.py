"""What a model's values are held against: monitors and their thresholds."""

from __future__ import annotations

from mlops_desk.config import values
from mlops_desk.config.source import nearest
from mlops_desk.config.table import Table
from mlops_desk.domain.metric import Convention, Family
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.threshold import (
    CalibratedThreshold,
    ConstantThreshold,
    DeviationThreshold,
    IntervalThreshold,
    PValueThreshold,
    QuantileThreshold,
    RateThreshold,
    Severity,
    Threshold,
)

MONITOR_KEYS = (
    "metrics",
    "family",
    "columns",
    "segments",
    "convention",
    "exact",
    "exact_rows",
    "min_rows",
    "min_group_rows",
    "threshold",
    "severity",
)
SIDES = ("lower", "upper")
THRESHOLD_KEYS = {
    "constant": (*SIDES, "warn"),
    "deviation": (*SIDES, "warn"),
    "quantile": (*SIDES, "warn"),
    "p_value": ("max", "warn"),
    "calibrated": ("warn",),
    "interval": SIDES,
    "rate": ("sampling_errors", "margin"),
}
"""What each kind of threshold may have beside `kind` and `consecutive`."""


def monitors(model: Table) -> tuple[Monitor, ...]:
    """What to watch; empty means the recommended set."""
    return tuple(_monitor(table) for table in model.tables("monitors", MONITOR_KEYS))


def _monitor(table: Table) -> Monitor:
    metrics = table.texts("metrics")
    for index, metric in enumerate(metrics):
        values.checked_metric_id(table, ("metrics", index), metric)
    if not metrics and "family" not in table:
        raise table.error(None, 'needs metrics or a family; write for example metrics = ["jensen_shannon"]')
    standard = Monitor(metrics=metrics)
    for key in ("columns", "segments"):
        if key in table and not table.texts(key):
            raise table.error(key, 'is an empty list; leave it out, or write ["*"]')
    return Monitor(
        metrics=metrics,
        family=table.choice("family", Family, None),
        columns=table.texts("columns", standard.columns),
        segments=table.texts("segments", standard.segments),
        convention=table.choice("convention", Convention, standard.convention),
        exact=table.flag("exact", standard.exact),
        exact_rows=table.whole("exact_rows", standard.exact_rows),
        min_rows=table.whole("min_rows", standard.min_rows, least=1),
        min_group_rows=table.whole("min_group_rows", standard.min_group_rows, least=1),
        threshold=_threshold(table),
        severity=table.choice("severity", Severity, standard.severity),
    )


def _threshold(monitor: Table) -> Threshold | None:
    if "threshold" not in monitor:
        return None
    if not isinstance(monitor.values["threshold"], dict):
        wanted = 'a table such as { kind = "constant", upper = 0.1 }'
        raise monitor.wrong("threshold", wanted, monitor.values["threshold"])
    table = monitor.required_table("threshold", (), "")
    kind = table.word("kind", table.required_text("kind", 'kind = "constant"'), list(THRESHOLD_KEYS))
    keys = ("kind", *THRESHOLD_KEYS[kind], "consecutive")
    for key in table.values:
        if key not in keys:
            raise table.error(key, f"is not a key of a threshold of kind {kind}; {nearest(key, keys, 'the keys are')}")
    consecutive = table.whole("consecutive", 1, least=1)
    match kind:
        case "p_value":
            return _p_value(table, consecutive)
        case "calibrated":
            return _calibrated(table, consecutive)
        case "interval":
            lower, upper = _limits(table, kind)
            return IntervalThreshold(lower=lower, upper=upper, consecutive=consecutive)
        case "rate":
            standard = RateThreshold()
            return RateThreshold(
                sampling_errors=table.number("sampling_errors", standard.sampling_errors, least=0),
                margin=table.number("margin", standard.margin, least=0),
                consecutive=consecutive,
            )
        case _:
            return _sided(table, kind, consecutive)


def _sided(table: Table, kind: str, consecutive: int) -> Threshold:
    """A threshold with a lower or an upper side, and perhaps a warning on its way there."""
    lower, upper = _limits(table, kind)
    warn = _warn_limits(table, kind, lower, upper) if "warn" in table else None
    match kind:
        case "constant":
            early = ConstantThreshold(lower=warn[0], upper=warn[1]) if warn else None
            return ConstantThreshold(lower=lower, upper=upper, warn=early, consecutive=consecutive)
        case "deviation":
            nearer = DeviationThreshold(lower=warn[0], upper=warn[1]) if warn else None
            return DeviationThreshold(lower=lower, upper=upper, warn=nearer, consecutive=consecutive)
        case _:
            inner = QuantileThreshold(lower=warn[0], upper=warn[1]) if warn else None
            return QuantileThreshold(lower=lower, upper=upper, warn=inner, consecutive=consecutive)


def _warn_limits(
    table: Table, kind: str, lower: float | None, upper: float | None
) -> tuple[float | None, float | None]:
    """The two sides of the warning, which must be passed before those of the alert."""
    warn = _warn_table(table, SIDES)
    if warn is None:
        number = table.number("warn", None)
        if lower is not None and upper is not None and kind != "deviation":
            raise table.error("warn", "must say which side it is of: write warn = { lower = …, upper = … }")
        sides = {side: number for side, limit in zip(SIDES, (lower, upper), strict=True) if limit is not None}
        warn = Table(table.source, (*table.path, "warn"), dict(sides), SIDES)
    warn_lower, warn_upper = _limits(warn, kind)
    # Both sides of a deviation are distances from the mean; any other lower side is passed on the way down.
    outward = 1 if kind == "deviation" else -1
    if warn_lower is not None and lower is not None and outward * warn_lower > outward * lower:
        raise warn.error("lower", f"lies beyond the alert's ({lower:g}): the warning would come after the alert")
    if warn_upper is not None and upper is not None and warn_upper > upper:
        raise warn.error("upper", f"lies beyond the alert's ({upper:g}): the warning would come after the alert")
    return warn_lower, warn_upper


def _limits(table: Table, kind: str) -> tuple[float | None, float | None]:
    """The two sides, of which one at least is set."""
    least, most = {"deviation": (0.0, None), "quantile": (0.0, 1.0)}.get(kind, (None, None))
    lower, upper = (table.number(side, None, least=least, most=most) for side in SIDES)
    if lower is None and upper is None:
        raise table.error(None, "needs lower, upper or both")
    if kind != "deviation" and lower is not None and upper is not None and lower > upper:
        raise table.error("lower", f"must be at most upper ({upper:g}), not {lower:g}")
    return lower, upper


def _warn_table(table: Table, keys: tuple[str, ...]) -> Table | None:
    """The warning where it is written as a table, None where it is a number."""
    return table.table("warn", keys) if isinstance(table.values["warn"], dict) else None


def _p_value(table: Table, consecutive: int) -> PValueThreshold:
    limit = table.number("max", PValueThreshold().max, least=0, most=1)
    warning = None
    if "warn" in table:
        below = _warn_table(table, ("max",)) or Table(table.source, table.path, {"warn": table.values["warn"]}, ())
        key = "max" if "max" in below else "warn"
        if key not in below:
            below.require("max", "max = 0.1")
        level = below.number(key, limit, least=0, most=1)
        if level < limit:
            raise below.error(key, f"lies beyond the alert's ({limit:g}): the warning would come after the alert")
        warning = PValueThreshold(max=level)
    return PValueThreshold(max=limit, warn=warning, consecutive=consecutive)


def _calibrated(table: Table, consecutive: int) -> CalibratedThreshold:
    factor = CalibratedThreshold().warn_factor
    if "warn" in table:
        warn = _warn_table(table, ("factor",))
        if warn is not None:
            warn.require("factor", "factor = 10")
            factor = warn.number("factor", factor, least=1)
        else:
            factor = table.number("warn", factor, least=1)
    return CalibratedThreshold(warn_factor=factor, consecutive=consecutive)
