"""The age of the newest row: the one number that changes while nothing arrives."""

from __future__ import annotations

from datetime import datetime

from mlops_desk.domain.metric import Family
from mlops_desk.domain.model import Model
from mlops_desk.domain.periods import parse_periods
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics import catalogue, quality
from mlops_desk.monitoring.alerting import AlertChanges, update_alerts
from mlops_desk.monitoring.judging import Judged, as_severe, judged_values, threshold_of
from mlops_desk.monitoring.requests import Request, monitors_of, responsible_monitor
from mlops_desk.monitoring.rules import rules_of
from mlops_desk.store.archive import Store

FRESHNESS = "freshness_hours"


def chunk_hours(model: Model) -> float | None:
    """The length of a model's chunks in hours, None where they are not of time."""
    every = model.chunks.every
    return None if every is None else parse_periods(every, model.chunks.timezone).seconds / 3600


def refreshed_freshness(model: Model, store: Store, now: datetime) -> AlertChanges:
    """Judges the age of the newest row again, and stores it where that changes a verdict."""
    last, chunks = store.last_evaluation(model.id), store.chunks(model.id, Split.ANALYSIS)
    if last is None or last.log.newest_row is None or not chunks:
        return AlertChanges()
    stored = store.values(model.id, family=Family.DATA_QUALITY, metric=FRESHNESS, split=Split.ANALYSIS)
    monitors, hours = monitors_of(model), chunk_hours(model)
    age = quality.freshness_hours(last.log.newest_row, now)
    renewed = []
    for latest in stored:
        monitor = responsible_monitor(latest.key, monitors)
        if latest.chunk_key != chunks[-1].key or monitor is None:
            continue
        request = Request(definition=catalogue.definition(FRESHNESS, Family.DATA_QUALITY), monitor=monitor)
        series = Judged(key=latest.key, request=request, measurements=[age], threshold=threshold_of(request, hours))
        judged = judged_values(series, chunks[-1:], [latest.rows], [], lambda: age, tuple, None)
        (value,) = as_severe(judged, monitor)
        if value.verdict is not latest.verdict:
            renewed.append(value)
    if not renewed:
        return AlertChanges()
    notes = store.notes(model.id)
    with store.evaluation(model.id, last.inputs_hash, now) as writer:
        writer.write_values(renewed)
        writer.write_notes(notes)
        changes = update_alerts(writer, rules_of(model, monitors, hours), now)
        writer.conclude(now, last.log)
    return changes
