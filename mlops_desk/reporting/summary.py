"""What a page about a model shows, from what the archive holds: reading, choosing and wording; nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import zip_longest

from msgspec.structs import replace

from mlops_desk import theme
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Distribution, Line, ModelStatus, Overview, Period, RetrainingStatus
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.reporting.distribution import distribution_notes, shares
from mlops_desk.reporting.groups import group_bars
from mlops_desk.reporting.matrix import drift_matrix, drift_share
from mlops_desk.reporting.naming import chunks_text
from mlops_desk.reporting.page import (
    DRIFT_FAMILIES,
    Page,
    aligned,
    chunks_of,
    latest,
    line_of,
    numbers,
    plain,
    read_page,
)
from mlops_desk.reporting.reference import reference_name, reference_side
from mlops_desk.reporting.texts import plural, say
from mlops_desk.reporting.tiles import LEADING, row_counts, tiles
from mlops_desk.store.archive import Store

OPEN = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)
COUNTED = (AlertState.FIRING, AlertState.ACKNOWLEDGED)
"""States of alerts that make a model's verdict: seen by somebody is not mended, silenced is not to be told."""
TREND_CHUNKS = 30
LONG_AGO = timedelta(days=31)
ALL = Period()
UNEVALUATED = "not evaluated yet"
FAMILIES_BY_WEIGHT = (
    Family.PERFORMANCE, Family.BUSINESS, Family.CONCEPT_DRIFT, Family.FAIRNESS, Family.DATA_QUALITY, Family.DATA_DRIFT,
    Family.PREDICTION_DRIFT, Family.LABEL_DRIFT, Family.MULTIVARIATE_DRIFT, Family.ADVERSARIAL, Family.SYSTEM,
    Family.ESTIMATED_PERFORMANCE, Family.ESTIMATED_FAIRNESS, Family.CALIBRATION,
)  # fmt: skip
"""Families by how soon a person wants to know of their alerts."""
LEADING_METRICS = tuple(dict.fromkeys(metric for metrics in LEADING.values() for metric in metrics))
COUNTS = ("true_positive", "true_negative", "false_positive", "false_negative", "confusion")


def overview(
    store: Store,
    model: Model,
    period: Period,
    *,
    now: datetime,
    retraining: RetrainingStatus,
    segment: str | None = None,
) -> Overview:
    """Everything that the Overview page shows; a model that was never evaluated has no chunks and no tiles."""
    return overview_of(store, read_page(store, model, period, segment), now=now, retraining=retraining)


def overview_of(store: Store, page: Page, *, now: datetime, retraining: RetrainingStatus) -> Overview:
    """The overview of a page that is read already."""
    model = page.model
    record = store.last_evaluation(model.id)
    alerts = open_alerts(store, model.id, now)
    groups, limit = group_bars(page)
    return Overview(
        model=model.id,
        name=model.name,
        task=None if model.task is None else model.task.value,
        versions=() if record is None else record.log.versions,
        timezone=page.timezone,
        failed=counted(alerts, Severity.ALERT),
        warned=counted(alerts, Severity.WARNING),
        chunks=page.chunks,
        tiles=tiles(page),
        matrix=drift_matrix(page),
        performance=performance_lines(page),
        drift_share=drift_share(page),
        row_counts=row_counts(page),
        groups=groups,
        group_limit=limit,
        alerts=alerts,
        retraining=retraining,
        notes=store.notes(model.id),
        evaluated_at=None if record is None else record.finished or record.started,
        newest_row=page.newest_row,
        rows=0 if record is None else record.log.rows,
        scan_seconds=0.0 if record is None else record.log.seconds,
        reference_text="" if record is None else record.log.reference_text,
    )


def open_alerts(store: Store, model: str, now: datetime) -> tuple[Alert, ...]:
    """The alerts of a model that are not resolved: alerts before warnings, what matters more before what matters less, then the latest."""
    return tuple(sorted(store.alerts(model=model, states=OPEN, now=now), key=alert_order))


def alert_order(alert: Alert) -> tuple[bool, bool, int, int, int]:
    """Sorts alerts by severity, all rows before segments, family, whether the metric is one that leads, and age."""
    rank = FAMILIES_BY_WEIGHT.index(alert.key.family)
    metric = alert.key.metric
    place = LEADING_METRICS.index(metric) if metric in LEADING_METRICS else len(LEADING_METRICS) + (metric in COUNTS)
    return alert.severity is not Severity.ALERT, alert.key.segment is not None, rank, place, -alert.id


def counted(alerts: Sequence[Alert], severity: Severity) -> int:
    """How many alerts of a severity make a model's verdict."""
    return sum(alert.severity is severity and alert.state in COUNTED for alert in alerts)


def performance_lines(page: Page) -> tuple[Line, ...]:
    """Realised and estimated accuracy, metric by metric, the leading metric first; counts and values of single classes are left out."""
    grids = (page.performance, page.estimated)
    leading = () if page.model.task is None else LEADING[page.model.task]
    others = sorted({key.metric for grid in grids for key in grid} - set(leading) - set(COUNTS))
    found = (plain(grid, metric) for metric in (*leading, *others) for grid in grids)
    return tuple(line_of(*pair) for pair in found if pair is not None)


def status(store: Store, model: Model, *, now: datetime) -> ModelStatus:
    """A model's line of the sidebar."""
    record = store.last_evaluation(model.id)
    alerts = open_alerts(store, model.id, now)
    failed, warned = counted(alerts, Severity.ALERT), counted(alerts, Severity.WARNING)
    if record is None:
        verdict, text = Verdict.UNTESTED, say(UNEVALUATED)
    else:
        verdict = Verdict.ALERT if failed else Verdict.WARNING if warned else Verdict.OK
        text = status_text(failed, warned)
    return ModelStatus(
        id=model.id,
        name=model.name,
        version=record.log.versions[-1] if record is not None and record.log.versions else None,
        verdict=verdict,
        alerts=failed,
        warnings=warned,
        trend=trend(store, model),
        text=text,
    )


def status_text(failed: int, warned: int) -> str:
    """`4 alerts, 1 warning`, `healthy`."""
    parts = [plural(count, noun) for count, noun in ((failed, "alert"), (warned, "warning")) if count]
    return say(", ").join(parts) or say("healthy")


def trend(store: Store, model: Model) -> tuple[float, ...]:
    """The latest values of the leading metric as realised, else as estimated, else the share of drifted features, else rows."""
    chunks = store.chunks(model.id, Split.ANALYSIS)
    metrics = () if model.task is None else LEADING[model.task]
    wanted = [(family, metric) for family in (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE) for metric in metrics]
    for family, metric in (*wanted, (Family.DATA_DRIFT, "drifted_share")):
        values = store.values(model.id, family=family, metric=metric, column=None, segment=None, split=Split.ANALYSIS)
        found = plain(aligned(values, chunks), metric)
        if found is not None and latest(found[1]) is not None:
            return tuple(value for value in numbers(found[1]) if value is not None)[-TREND_CHUNKS:]
    return tuple(float(chunk.rows) for chunk in chunks[-TREND_CHUNKS:])


def line(store: Store, model: Model, key: SeriesKey, period: Period = ALL) -> Line:
    """A series along the chunks of a period; all its values are None where the archive has none."""
    chunks = chunks_of(store.chunks(model.id, Split.ANALYSIS), period, model.chunks.timezone)
    values = store.values(
        model.id,
        family=key.family,
        metric=key.metric,
        convention=key.convention,
        column=key.column,
        segment=key.segment,
        split=Split.ANALYSIS,
    )
    return line_of(key, aligned(values, chunks).get(key, (None,) * len(chunks)))


def segments(store: Store, model: Model) -> tuple[str, ...]:
    """The segments (`column=value`) that have values, in order."""
    values = store.values(model.id, split=Split.ANALYSIS)
    return tuple(sorted({value.key.segment for value in values if value.key.segment is not None}))


def distribution(
    store: Store, model: Model, column: str, chunk_keys: Sequence[str], segment: str | None = None
) -> Distribution:
    """A column in the reference and in some analysis chunks; raises UserError for a column without stored counts.

    Where the reference moves with the chunks, it is that of the first of the chunks.
    """
    chosen = set(chunk_keys)
    chunks = [chunk for chunk in store.chunks(model.id, Split.ANALYSIS) if chunk.key in chosen]
    analysis = store.distribution(model.id, column, Split.ANALYSIS, chosen, segment)
    side = reference_side(store, model, chunks)
    reference = store.distribution(model.id, column, side.split, side.keys, segment)
    if analysis is None or reference is None:
        where = "" if segment is None else f" in segment {segment}"
        raise UserError(
            f"{model.id}: column {column!r}{where} has no stored distribution; `mlops-desk run` makes those of compared columns"
        )
    numeric = analysis.kind is Kind.NUMERIC
    counts = list(zip_longest(reference.counts, analysis.counts, fillvalue=0))
    before, after = shares([one for one, _ in counts]), shares([other for _, other in counts])
    timezone = model.chunks.timezone
    found = Distribution(
        column=column,
        kind=analysis.kind,
        edges=analysis.edges if numeric else (),
        categories=() if numeric else analysis.categories,
        reference=before,
        analysis=after,
        reference_rows=reference.rows,
        analysis_rows=analysis.rows,
        reference_mean=reference.mean if numeric else None,
        analysis_mean=analysis.mean if numeric else None,
        reference_text=reference_name(side, timezone),
        analysis_text=chunks_text(chunks, timezone),
        notes=(),
    )
    notes = distribution_notes(found, drift_values(store, model, column, chunks, segment))
    return replace(found, notes=notes if side.reason is None else (side.reason, *notes))


def drift_values(
    store: Store, model: Model, column: str, chunks: Sequence[Chunk], segment: str | None
) -> dict[SeriesKey, tuple[MetricValue | None, ...]]:
    """A column's drift and quality series along some chunks."""
    values = (
        value
        for family in (*DRIFT_FAMILIES, Family.DATA_QUALITY)
        for value in store.values(model.id, family=family, column=column, segment=segment, split=Split.ANALYSIS)
    )
    return aligned(values, chunks)


def version_text(versions: Sequence[str]) -> str:
    """The latest version and how many came before it; empty where the log names none."""
    if not versions:
        return ""
    earlier = len(versions) - 1
    return versions[-1] if not earlier else f"{versions[-1]} ({plural(earlier, 'earlier version')})"


def age_text(newest_row: datetime | None, now: datetime, timezone: str) -> str:
    """How old the newest row is; its date where that is more than a month."""
    if newest_row is None:
        return theme.ABSENT
    if now - newest_row > LONG_AGO:
        return theme.date(theme.local(newest_row, timezone))
    return theme.ago(newest_row, now)
