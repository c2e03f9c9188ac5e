"""From measurements to judged values: limits from the reference's own course, verdicts, and the share of drifted columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.metric import Convention, Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import CalibratedThreshold, Severity, Threshold
from mlops_desk.metrics import quality
from mlops_desk.metrics.detectors import WARNING, WARNING_DETECTORS
from mlops_desk.monitoring.requests import Request
from mlops_desk.monitoring.thresholds import (
    LEAST_REFERENCE_CHUNKS,
    ReferenceCourse,
    default_threshold,
    limits_of_chunks,
    reference_verdict,
    verdict,
)

GROWING = (
    "rows",
    "sum",
    "business_value",
    "true_positive",
    "true_negative",
    "false_positive",
    "false_negative",
    "confusion",
    "near_duplicate_rate",
    "flip_rate",
)
"""Metrics that grow with the rows: a chunk's is compared with the reference's average chunk, not with its whole."""


class Judged(Struct, frozen=True, kw_only=True):
    """One series with the request it came from, its measurements along the slices, and what they are held against."""

    key: SeriesKey
    request: Request
    measurements: Sequence[Measurement]
    threshold: Threshold | None


def grows(key: SeriesKey) -> bool:
    """Whether a series grows with the rows of a chunk; of what a user's SQL says, it may."""
    return key.metric in GROWING or key.family is Family.BUSINESS


def threshold_of(request: Request, chunk_hours: float | None, group: str | None = None) -> Threshold | None:
    """What a request's values are held against; a limit that a monitor sets is one of drifts, not of a detector's warning zones."""
    monitor, own = request.monitor, request.monitor.threshold
    of_zones = request.definition.id in WARNING_DETECTORS and group == WARNING
    if own is not None and not of_zones:
        return own
    default = default_threshold(request.definition, convention=monitor.convention, chunk_hours=chunk_hours, group=group)
    return default if own is None or default is None else replace(default, consecutive=own.consecutive)


def judged_values(
    series: Judged,
    chunks: Sequence[Chunk],
    rows: Sequence[int],
    course: Sequence[float | None],
    whole: Callable[[], Measurement],
    calibrated: Callable[[], Sequence[Limits]],
    p_values: Sequence[Measurement] | None,
) -> list[MetricValue]:
    """Values of a series along its slices with limits and verdicts.

    `course` holds the values of all reference chunks in time order; `whole` gives the reference's own value, `calibrated` the limits of the
    null; both are only asked where the threshold needs them. `p_values` are those of the `_p` twin. Whatever the monitor's severity, a
    value beyond its limit is an alert here: see `as_severe`.
    """
    threshold = series.threshold
    limits = _limits(series, course, whole, calibrated)
    splits = {split: split.value for split in Split}  # looking a member's value up is slow
    found = []
    for index, (chunk, measurement) in enumerate(zip(chunks, series.measurements, strict=True)):
        held = limits[index]
        if grows(series.key) and not chunk.complete:
            held = replace(held, lower=None, warn_lower=None)  # the rest of the period's rows may still come
        if chunk.split is Split.REFERENCE:
            judged = reference_verdict(measurement)
        else:
            twin = None if p_values is None else p_values[index]
            judged = verdict(measurement, held, threshold, p_value=twin)
        value = MetricValue(
            key=series.key,
            split=splits[chunk.split],
            chunk_key=chunk.key,
            rows=rows[index],
            measurement=measurement,
            limits=held,
            verdict=judged,
        )
        found.append(value)
    return found


def _limits(
    series: Judged,
    course: Sequence[float | None],
    whole: Callable[[], Measurement],
    calibrated: Callable[[], Sequence[Limits]],
) -> Sequence[Limits]:
    if isinstance(series.threshold, CalibratedThreshold):
        return calibrated()
    known = [value for value in course if value is not None]
    needs_whole = len(known) < LEAST_REFERENCE_CHUNKS or series.request.definition.family is Family.DATA_QUALITY
    own = None
    if grows(series.key):
        own = sum(known) / len(known) if known else None
    elif needs_whole:
        own = whole().value
    reference = ReferenceCourse(chunk_values=tuple(course), whole=own)
    errors = [measurement.sampling_error for measurement in series.measurements]
    return limits_of_chunks(
        series.threshold, series.request.definition, reference, errors, convention=series.request.monitor.convention
    )


def as_severe(values: Iterable[MetricValue], monitor: Monitor) -> Iterator[MetricValue]:
    """Values as severe as their monitor lets them be: what would be an alert only warns where that is its severity."""
    for value in values:
        milder = monitor.severity is Severity.WARNING and value.verdict is Verdict.ALERT
        yield replace(value, verdict=Verdict.WARNING) if milder else value


def drifted_shares(series: SeriesKey, values: Iterable[MetricValue], chunks: Sequence[Chunk]) -> list[Measurement]:
    """Share of the feature columns with a drift alert in each analysis chunk; under a tool's convention, with one of that convention.

    `values` are as they were judged, before a monitor's severity makes them milder.
    """
    drifted: dict[str, dict[str, bool]] = {chunk.key: {} for chunk in chunks}
    for value in values:
        key = value.key
        if key.family is not Family.DATA_DRIFT or key.column is None or key.segment != series.segment:
            continue
        if series.convention not in (Convention.DESK, key.convention):
            continue
        if value.split == Split.ANALYSIS.value and value.verdict is not Verdict.UNTESTED and value.chunk_key in drifted:
            of_chunk = drifted[value.chunk_key]
            of_chunk[key.column] = of_chunk.get(key.column, False) or value.verdict is Verdict.ALERT
    return [quality.drifted_share(sum(drifted[chunk.key].values()), len(drifted[chunk.key])) for chunk in chunks]
