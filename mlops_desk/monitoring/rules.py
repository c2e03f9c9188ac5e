"""Which rule makes breaches of a series an alert: the severity and patience of the monitor that watches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlops_desk.domain.metric import SeriesKey
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.monitoring.alerting import AlertRule
from mlops_desk.monitoring.fitting import definitions_named
from mlops_desk.monitoring.judging import threshold_of
from mlops_desk.monitoring.requests import Request, responsible_monitor


def rules_of(model: Model, monitors: Sequence[Monitor], chunk_hours: float | None) -> Callable[[SeriesKey], AlertRule]:
    """The rule of each series."""

    def rule(key: SeriesKey) -> AlertRule:
        monitor = responsible_monitor(key, monitors)
        if monitor is None:
            return AlertRule()
        definition = next(one for one in definitions_named(model, key.metric) if one.family is key.family)
        threshold = threshold_of(Request(definition=definition, monitor=monitor), chunk_hours, key.group)
        return AlertRule(severity=monitor.severity, consecutive=1 if threshold is None else threshold.consecutive)

    return rule
