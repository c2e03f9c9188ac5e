"""Alerts from verdicts: one opens when a series breaches its limits, goes on chunk after chunk, and is resolved by the first ok.

What decides is the run of breaches at the end of the series, so a full evaluation of the same data changes nothing, and history that is
rewritten may resolve an alert. An untested chunk neither breaches nor resolves. An alert is of a fingerprint, which leaves convention and
class open: where several series share one, the worst speaks for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.metric import MetricValue, SeriesKey, Verdict
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.monitoring.thresholds import reached_limit
from mlops_desk.store.alerts import lapsed
from mlops_desk.store.archive import Store
from mlops_desk.store.evaluation import EvaluationWriter


class AlertRule(Struct, frozen=True, kw_only=True):
    """When breaches of a series become an alert, and how much it weighs.

    Attributes
    ----------
    severity : of chunks judged alert; those judged warning always weigh as a warning. consecutive : breaching chunks in a row that it takes.
    """

    severity: Severity = Severity.ALERT
    consecutive: int = 1


class AlertChanges(Struct, frozen=True, kw_only=True):
    """What verdicts make of the alerts of a model; `updated` goes on with something changed, and alerts without a change are in none of them."""

    opened: tuple[Alert, ...] = ()
    updated: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


class _Episode(Struct, frozen=True, kw_only=True):
    """The breaches at the end of a series that make an alert; positions count the analysis chunks."""

    key: SeriesKey
    severity: Severity
    chunks: int
    first: Chunk
    last: Chunk
    value: float
    limit: float | None


def fingerprint(model: str, key: SeriesKey) -> str:
    """What two alerts have in common that are of the same trouble: 32 hexadecimal digits."""
    parts = (model, key.family.value, key.metric, key.column, key.group, key.segment)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def alert_changes(
    model: str,
    standing: Sequence[Alert],
    breaches: Sequence[MetricValue],
    chunks: Sequence[Chunk],
    rule_of: Callable[[SeriesKey], AlertRule],
    now: datetime,
) -> AlertChanges:
    """What the present verdicts make of a model's alerts.

    Parameters
    ----------
    standing : open alerts, and resolved ones whose silence lasts and that none followed: it goes over to an alert that opens meanwhile.
    breaches : analysis values judged warning or alert after the latest ok of their series, in time order within each series.
    chunks : the analysis chunks as they are now, in time order.
    rule_of : the rule of a series.
    """
    by_key = {chunk.key: chunk for chunk in chunks}
    episodes = _episodes(model, breaches, by_key, rule_of)
    opened: list[Alert] = []
    updated: list[Alert] = []
    resolved: list[Alert] = []
    ongoing: set[str] = set()
    for alert in standing:
        if alert.state is AlertState.RESOLVED:
            continue
        episode = episodes.get(alert.fingerprint)
        if episode is None or _is_over(alert, episode, by_key):
            resolved.append(replace(alert, state=AlertState.RESOLVED, changed_at=now, changed_by=None))
            continue
        ongoing.add(alert.fingerprint)
        continued = _continued(lapsed(alert, now), episode)
        if continued != alert:
            updated.append(continued)
    silences = _silences((*standing, *resolved), now)
    for mark, episode in episodes.items():
        if mark not in ongoing:
            opened.append(_opened(model, mark, episode, silences.get(mark), now))
    return AlertChanges(opened=tuple(opened), updated=tuple(updated), resolved=tuple(resolved))


def update_alerts(writer: EvaluationWriter, rule_of: Callable[[SeriesKey], AlertRule], now: datetime) -> AlertChanges:
    """Stores what the values written so far make of the model's alerts, in the writer's transaction; opened ones come back with their numbers."""
    standing = writer.standing_alerts(now)
    changes = alert_changes(
        writer.model, standing, writer.trailing_breaches(), writer.chunks(Split.ANALYSIS), rule_of, now
    )
    for alert in changes.resolved:  # before others open: only one alert of a fingerprint is open at a time
        writer.update_alert(alert, now, "resolved")
    before = {alert.id: alert for alert in standing}
    for alert in changes.updated:
        writer.update_alert(alert, now, _event(before[alert.id], alert))
    return replace(changes, opened=tuple(writer.open_alert(alert) for alert in changes.opened))


def retire(store: Store, model: str, now: datetime) -> None:
    """Resolves the alerts of a model that is not watched any more; should it come back, it is judged again whatever its files are."""
    last, notes = store.last_evaluation(model), store.notes(model)
    if last is None:
        return
    with store.evaluation(model, "", now) as writer:
        for alert in writer.standing_alerts(now):
            if alert.state is not AlertState.RESOLVED:
                resolved = replace(alert, state=AlertState.RESOLVED, changed_at=now, changed_by=None)
                writer.update_alert(resolved, now, "resolved")
        writer.write_notes(notes)
        writer.conclude(now, last.log)


def _event(before: Alert, after: Alert) -> str | None:
    """What an alert's log says of a change, None where it merely went on."""
    if before.severity is not after.severity:
        return "escalated" if after.severity is Severity.ALERT else "eased"
    return "lapsed" if before.state is not after.state else None


def _episodes(
    model: str,
    breaches: Iterable[MetricValue],
    chunks: Mapping[str, Chunk],
    rule_of: Callable[[SeriesKey], AlertRule],
) -> dict[str, _Episode]:
    """The worst episode of each fingerprint."""
    of_series: dict[SeriesKey, list[MetricValue]] = {}
    for value in breaches:
        of_series.setdefault(value.key, []).append(value)
    worst: dict[str, _Episode] = {}
    for key, values in of_series.items():
        episode = _episode(key, values, chunks, rule_of(key))
        if episode is not None:
            mark = fingerprint(model, key)
            rival = worst.get(mark)
            worst[mark] = episode if rival is None else min(rival, episode, key=_rank)
    return worst


def _episode(
    key: SeriesKey, values: Sequence[MetricValue], chunks: Mapping[str, Chunk], rule: AlertRule
) -> _Episode | None:
    """The alert that a run of breaches makes, None where it is too short."""
    latest = values[-rule.consecutive :]
    if len(latest) < rule.consecutive:
        return None
    grave = rule.severity is Severity.ALERT and all(value.verdict is Verdict.ALERT for value in latest)
    number = values[-1].measurement.value
    if number is None:
        raise ValueError(f"a breach has a value: {values[-1]}")
    return _Episode(
        key=key,
        severity=Severity.ALERT if grave else Severity.WARNING,
        chunks=len(values),
        first=chunks[values[0].chunk_key],
        last=chunks[values[-1].chunk_key],
        value=number,
        limit=reached_limit(number, values[-1].limits),
    )


def _rank(episode: _Episode) -> tuple[bool, int, int, tuple[str, str]]:
    """Sorts the worst first: the graver, then the longer-lasting; the rest only makes the choice certain."""
    key = episode.key
    return (
        episode.severity is not Severity.ALERT,
        episode.first.index,
        -episode.chunks,
        (key.convention, key.class_ or ""),
    )


def _is_over(alert: Alert, episode: _Episode, chunks: Mapping[str, Chunk]) -> bool:
    """Whether an alert's last breach lies before the present episode, so that there was an ok in between."""
    last = chunks.get(alert.last_chunk)
    return last is not None and last.index < episode.first.index


def _continued(alert: Alert, episode: _Episode) -> Alert:
    return replace(
        alert,
        key=episode.key,
        severity=episode.severity,
        opened_chunk=episode.first.key,
        opened_start=episode.first.start,
        last_chunk=episode.last.key,
        last_start=episode.last.start,
        chunks=episode.chunks,
        value=episode.value,
        limit=episode.limit,
    )


def _opened(model: str, mark: str, episode: _Episode, silenced_until: datetime | None, now: datetime) -> Alert:
    return Alert(
        id=0,
        fingerprint=mark,
        model=model,
        key=episode.key,
        severity=episode.severity,
        state=AlertState.FIRING if silenced_until is None else AlertState.SILENCED,
        opened_chunk=episode.first.key,
        last_chunk=episode.last.key,
        opened_start=episode.first.start,
        last_start=episode.last.start,
        chunks=episode.chunks,
        value=episode.value,
        limit=episode.limit,
        opened_at=now,
        changed_at=now,
        silenced_until=silenced_until,
    )


def _silences(alerts: Iterable[Alert], now: datetime) -> dict[str, datetime]:
    """Until when fingerprints are kept quiet: only what was last said of one counts."""
    latest = {alert.fingerprint: alert.silenced_until for alert in sorted(alerts, key=lambda alert: alert.id)}
    return {mark: until for mark, until in latest.items() if until is not None and until > now}
