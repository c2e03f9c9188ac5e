"""What the archive says of an alert's cause: columns ranked by drift and by correlation."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mlops_desk.domain.explanation import RankedColumn
from mlops_desk.domain.metric import Direction, Family, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.slicing import Split
from mlops_desk.domain.threshold import Alert
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.attribution import drift_correlation
from mlops_desk.store.archive import Store

ACCURACIES = ("roc_auc", "accuracy", "mae")
"""The metric that drift is correlated with, the first that there is, where the alert is about none."""
ABOUT_ACCURACY = (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE, Family.CALIBRATION, Family.CONCEPT_DRIFT)
Course = dict[tuple[str, str], MetricValue]
"""Values of one series by split and chunk."""


def ranked_columns(
    store: Store, model: Model, alert: Alert, reference: Collection[str] | None = None
) -> tuple[tuple[RankedColumn, ...], str | None]:
    """Features by how far their drift in the alert's chunk is beyond its limit, then by how often it alerted; and the metric of the correlation.

    The drift of a column is the first of its series that is worse when it is greater, else the first of p-values. `reference` holds the
    keys of the chunks that the alert's is compared with where the reference moves, else None.
    """
    courses = _courses(store, model, alert.key.segment)
    performance = _performance(store, model, alert)
    before = [
        one.measurement.value
        for (split, chunk), one in performance.items()
        if (split == Split.REFERENCE if reference is None else chunk in reference)
    ]
    known = [value for value in before if value is not None]
    mean = sum(known) / len(known) if known else None
    found = [_ranked(key, course, alert, performance, mean) for key, course in courses.items()]
    metric = next(iter(performance.values())).key.metric if performance and mean is not None else None
    return tuple(sorted(found, key=_suspicion)), metric


def _courses(store: Store, model: Model, segment: str | None) -> Mapping[SeriesKey, Course]:
    """One drift series for each feature."""
    values = store.values(model.id, family=Family.DATA_DRIFT, segment=segment)
    distances = [one for one in values if _direction(one.key) is Direction.LOWER]
    measured = {one.key.column for one in distances}
    tests = [one for one in values if _is_p_value(one.key) and one.key.column not in measured]
    found: dict[SeriesKey, Course] = {}
    chosen: dict[str | None, SeriesKey] = {}
    for value in (*distances, *tests):
        key = chosen.setdefault(value.key.column, value.key)
        if key == value.key and key.column is not None:
            found.setdefault(key, {})[value.split, value.chunk_key] = value
    return found


def _direction(key: SeriesKey) -> Direction:
    return catalogue.definition(key.metric, key.family).direction


def _is_p_value(key: SeriesKey) -> bool:
    return key.metric.endswith("_p")


def _performance(store: Store, model: Model, alert: Alert) -> Course:
    """The series of accuracy that drift is correlated with."""
    asked = (alert.key.metric,) if alert.key.family in (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE) else ()
    for metric in (*asked, *ACCURACIES):
        values = store.values(
            model.id, family=Family.PERFORMANCE, metric=metric, column=None, segment=alert.key.segment
        )
        course = {(one.split, one.chunk_key): one for one in values if one.key.class_ is None and one.key.group is None}
        if any(one.measurement.value is not None for one in course.values()):
            return course
    return {}


def _ranked(key: SeriesKey, course: Course, alert: Alert, performance: Course, mean: float | None) -> RankedColumn:
    here = course.get((Split.ANALYSIS.value, alert.last_chunk))
    correlation = None
    if mean is not None and not _is_p_value(key):
        places = [place for place in course if place in performance]
        drift = [course[place].measurement.value for place in places]
        correlation = drift_correlation(drift, [performance[place].measurement.value for place in places], mean)
    return RankedColumn(
        column=key.column or "",
        drift=key,
        value=None if here is None else here.measurement.value,
        upper=None if here is None else here.limits.upper,
        verdict=Verdict.UNTESTED if here is None or here.verdict is None else here.verdict,
        alerts=sum(one.verdict is Verdict.ALERT for one in course.values()),
        correlation=None if correlation is None else correlation.value,
        correlation_p=None if correlation is None else correlation.p,
    )


def _suspicion(one: RankedColumn) -> tuple[float, int, float, str]:
    """Sorts by value over limit (of what a p-value judges: whether it alerts), then by alerts, then by correlation."""
    beyond = float(one.verdict is Verdict.ALERT)
    if one.value is not None and one.upper:
        beyond = one.value / one.upper
    return -beyond, -one.alerts, -(one.correlation or 0.0), one.column


def reference_mean(
    store: Store, model: Model, key: SeriesKey, reference: Collection[str] | None = None
) -> float | None:
    """The mean of a series over the reference chunks (those of the keys where the reference moves), None where it has no value there."""
    found = store.values(
        model.id,
        family=key.family,
        metric=key.metric,
        convention=key.convention,
        column=key.column,
        segment=key.segment,
        split=Split.REFERENCE if reference is None else Split.ANALYSIS,
    )
    own = [one for one in found if one.key == key and (reference is None or one.chunk_key in reference)]
    values = [one.measurement.value for one in own if one.measurement.value is not None]
    return sum(values) / len(values) if values else None
