"""From slices to judged values: every request of every monitor, each series once, with its limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Family, Limits, Measurement, MetricValue, SeriesKey, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.schema import Column
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import CalibratedThreshold, PValueThreshold
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.estimation import Calibrator, fit_calibrator
from mlops_desk.metrics.null import CALIBRATED
from mlops_desk.monitoring.calibrating import Level, NullLimits, level
from mlops_desk.monitoring.freshness import FRESHNESS, chunk_hours
from mlops_desk.monitoring.histograms import display_histogram
from mlops_desk.monitoring.judging import Judged, as_severe, drifted_shares, judged_values, threshold_of
from mlops_desk.monitoring.measuring import Measured, Measurer, reading_name
from mlops_desk.monitoring.outcome_values import effective_scores_of
from mlops_desk.monitoring.readings_memory import NO_MEMORY, ReadingsMemory
from mlops_desk.monitoring.requests import DRIFT_FAMILIES, DRIFTED_SHARE, WHOLE_SEGMENT, Request, requests_of
from mlops_desk.monitoring.slice_set import Slice, SliceSet, tables_of
from mlops_desk.monitoring.thresholds import goes_by_chunks
from mlops_desk.store.distributions import Histogram
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.discovery import digest

NO_TWIN = "its p-value is not known"
ChunkTables = Sequence[tuple[FeatureTables, OutcomeTables | None]]
Courses = dict[str, list[float | None]]
"""Values in all reference chunks, in time order, by metric or series."""


class Subject(Struct, frozen=True, kw_only=True):
    """All rows, or one segment: its slices, and the reference's chunks when they are asked for.

    Attributes
    ----------
    reference_slices : of a reference that is of one chunk only: its chunks as slices, measured where a threshold asks for them; else None.
    """

    slices: SliceSet
    reference_name: str
    reference_chunks: Callable[[], ChunkTables]
    reference_slices: Callable[[], Sequence[Slice]] | None = None


class SeriesBuilder:
    """Builds the judged values of one model."""

    def __init__(
        self,
        *,
        model: Model,
        monitors: Sequence[Monitor],
        columns: Sequence[Column],
        chunks: Sequence[Chunk],
        stored: Callable[[SeriesKey], Iterable[MetricValue]],
        cache: Cache,
        cancel: CancelToken,
        newest: str | None = None,
        memory: ReadingsMemory = NO_MEMORY,
    ) -> None:
        self._model = model
        self._monitors = monitors
        self._columns = columns
        self._chunks = chunks
        self._stored = stored
        self._courses: Courses | None = None
        self._realised_courses: dict[str, Courses] = {}
        last = max((chunk.key for chunk in chunks if chunk.split is Split.ANALYSIS), default="")
        self._newest = last if newest is None else newest
        self._reference_measurer: tuple[Subject, Measurer] | None = None
        self._reference_keys = [chunk.key for chunk in chunks if chunk.split is Split.REFERENCE]
        self._chunk_tables: tuple[Subject, ChunkTables] | None = None
        self._nulls = NullLimits(cache, model.id)
        self._memory = memory
        self._cache = cache
        self._cancel = cancel
        self._hours = chunk_hours(model)
        self._requests = [(monitor, requests_of(model, monitor, columns)) for monitor in monitors]
        self._wanted = frozenset(request.definition.id for _, requests in self._requests for request in requests)
        self._calibrated = 0

    def share_budget(self, subjects: Sequence[Subject]) -> None:
        """Shares the budget of false alarms among the calibrated series of all rows and of the reference's segments."""
        segments = [one.slices.segment for one in subjects if one.slices.reference.features.rows]
        counted: dict[SeriesKey, bool] = {}  # the first monitor that asks for a series judges it
        for segment in segments:
            for monitor, requests in self._requests:
                if _watches(monitor, segment):
                    for request in requests:
                        counted.setdefault(request.key(segment), self._is_calibrated(request))
        self._calibrated = sum(counted.values())

    def _is_calibrated(self, request: Request) -> bool:
        """Whether the null of its metric gives a request its limits."""
        calibrated = isinstance(threshold_of(request, self._hours), CalibratedThreshold)
        return calibrated and request.definition.id in CALIBRATED and request.definition.family in DRIFT_FAMILIES

    def values(self, subject: Subject, tell: Callable[[float], None] = lambda _: None) -> list[MetricValue]:
        """The judged values of one subject; `tell` hears which share of the requests is done."""
        measurer = self._measurer(subject, subject.slices)
        done: set[SeriesKey] = set()
        found: list[tuple[Monitor, list[MetricValue]]] = []
        shares: list[Request] = []
        asked = sum(len(requests) for _, requests in self._requests)
        begun = 0
        for monitor, requests in self._requests:
            if not _watches(monitor, subject.slices.segment):
                continue
            for request in requests:
                self._cancel.raise_if_cancelled()
                tell(begun / asked)
                begun += 1
                if request.definition.id == DRIFTED_SHARE:
                    shares.append(request)
                    continue
                for key, measurements in measurer.measured(request).items():
                    self._cancel.raise_if_cancelled()
                    if key not in done:
                        done.add(key)
                        found.append((monitor, self._judged(subject, measurer, request, key, measurements)))
        judged = [value for _, values in found for value in values]
        asking = {one.key(None): one for one in reversed(shares)}.values()
        found.extend((request.monitor, self._shares(subject, request, judged)) for request in asking)
        return [value for monitor, values in found for value in as_severe(values, monitor)]

    def _measurer(self, subject: Subject, slices: SliceSet) -> Measurer:
        """A measurer of some slices of a subject."""
        calibrator = _once(lambda: self._calibrator(subject))
        return Measurer(self._model, self._columns, slices, calibrator, self._wanted, self._memory)

    def _calibrator(self, subject: Subject) -> Calibrator:
        """The calibrator of a subject's reference, kept once it is fitted."""
        name = f"{self._model.id}:K:{digest((), subject.reference_name, repr(subject.slices.segment))}"
        body = self._cache.get([name]).get(name)
        if body is None:
            outcomes = subject.slices.reference.outcomes
            known = None if outcomes is None else outcomes.scores.get("")
            fitted = fit_calibrator(known, weighted=effective_scores_of(outcomes).get(""))
            self._cache.put({name: packed((fitted.scores, fitted.probabilities, fitted.rows, fitted.unusable))})
            return fitted
        scores, probabilities, rows, unusable = unpacked(body)
        return Calibrator(scores=scores, probabilities=probabilities, rows=rows, unusable=unusable)

    def _judged(
        self,
        subject: Subject,
        measurer: Measurer,
        request: Request,
        key: SeriesKey,
        measurements: Sequence[Measurement | None],
    ) -> list[MetricValue]:
        """One series with limits and verdicts."""
        chosen = [
            index
            for index, (one, measurement) in enumerate(zip(subject.slices.slices, measurements, strict=True))
            if measurement is not None and (request.definition.id != FRESHNESS or _is_analysis(one, self._newest))
        ]
        slices = [subject.slices.slices[index] for index in chosen]
        kept = [one for one in (measurements[index] for index in chosen) if one is not None]
        threshold = threshold_of(request, self._hours, key.group)
        series = Judged(key=key, request=request, measurements=kept, threshold=threshold)
        twins = None
        if isinstance(threshold, PValueThreshold) and not key.metric.endswith("_p"):
            along = self._p_values(measurer, request)
            twins = None if along is None else [along[index] or untested(NO_TWIN) for index in chosen]
        return judged_values(
            series,
            [one.chunk for one in slices],
            [one.features.rows for one in slices],
            self._course(key, request, subject, measurer, measurements),
            lambda: measurer.whole(request, key),
            lambda: self._null_limits(subject, measurer, request, key, threshold, slices),
            twins,
        )

    def _p_values(self, measurer: Measurer, request: Request) -> Sequence[Measurement | None] | None:
        """The measurements of a statistic's `_p` twin, None where it has none."""
        twin = next(
            (
                one
                for one in catalogue.definitions(request.definition.id + "_p")
                if one.family is request.definition.family
            ),
            None,
        )
        if twin is None:
            return None
        measured: Measured = measurer.measured(replace(request, definition=twin))
        return next(iter(measured.values()), None)

    def _course(
        self,
        key: SeriesKey,
        request: Request,
        subject: Subject,
        measurer: Measurer,
        measurements: Sequence[Measurement | None],
    ) -> Sequence[float | None]:
        """Values of a series in all reference chunks, in time order; of an estimate those of the realised metric.

        Of a reference that is of one chunk only they are left out where no limit comes from them.
        """
        threshold = threshold_of(request, self._hours)
        if subject.reference_slices is not None and not goes_by_chunks(threshold, request.definition):
            return ()
        if key.family is Family.ESTIMATED_PERFORMANCE:
            name = reading_name(key.metric, key.group, key.class_)
            return self._realised(subject, measurer, request.monitor.min_rows).get(name, ())
        if subject.reference_slices is not None:
            return self._measured_course(key, request, subject, subject.reference_slices)
        slices = subject.slices.slices
        own = {
            one.chunk.key: None if value is None else value.value
            for one, value in zip(slices, measurements, strict=True)
            if one.chunk.split is Split.REFERENCE
        }
        if len(own) < len(self._reference_keys):
            return self._stored_course(key, subject)
        return [own.get(name) for name in self._reference_keys]

    def _measured_course(
        self, key: SeriesKey, request: Request, subject: Subject, reference_slices: Callable[[], Sequence[Slice]]
    ) -> Sequence[float | None]:
        """Values of a series in the chunks of a reference that is of one chunk only."""
        if self._reference_measurer is None or self._reference_measurer[0] is not subject:
            along = replace(subject.slices, slices=tuple(reference_slices()))
            self._reference_measurer = (subject, self._measurer(subject, along))
        found = self._reference_measurer[1].measured(request).get(key, ())
        return [None if one is None else one.value for one in found]

    def _realised(self, subject: Subject, measurer: Measurer, min_rows: int) -> Courses:
        """Realised performance in all reference chunks by the name of the reading, kept once it is measured."""
        name = f"{self._model.id}:E:{digest((), subject.reference_name, repr((subject.slices.segment, min_rows, self._model.value_matrix)))}"
        if name in self._realised_courses:
            return self._realised_courses[name]
        body = self._cache.get([name]).get(name)
        if body is None:
            along = [measurer.realised(outcomes, min_rows) for _, outcomes in self._reference_chunks(subject)]
            metrics = dict.fromkeys(metric for one in along for metric in one)
            body = msgspec.json.encode({metric: [one.get(metric) for one in along] for metric in metrics})
            self._cache.put({name: body})
        found = self._realised_courses[name] = msgspec.json.decode(body, type=Courses)
        return found

    def _reference_chunks(self, subject: Subject) -> ChunkTables:
        """The tables of a subject's reference chunks, read once."""
        if self._chunk_tables is None or self._chunk_tables[0] is not subject:
            self._chunk_tables = (subject, subject.reference_chunks())
        return self._chunk_tables[1]

    def _stored_course(self, key: SeriesKey, subject: Subject) -> Sequence[float | None]:
        """Values of a series in all reference chunks as they were measured before."""
        if self._courses is None:
            name = self._courses_name(subject)
            body = self._cache.get([name]).get(name)
            self._courses = {} if body is None else msgspec.msgpack.decode(body, type=Courses)
        known = self._courses.get(_text_of(key))
        if known is None:
            of_chunk = {value.chunk_key: value.measurement.value for value in self._stored(key)}
            known = [of_chunk.get(name) for name in self._reference_keys]
            self._courses[_text_of(key)] = known
        return known

    def _courses_name(self, subject: Subject) -> str:
        return f"{self._model.id}:C:{digest((), subject.reference_name, repr(self._monitors))}"

    def keep_courses(self, subject: Subject, values: Iterable[MetricValue]) -> None:
        """Keeps the values of all series in the reference chunks, if they were measured now."""
        reference = Split.REFERENCE.value
        courses: dict[
            int, tuple[SeriesKey, dict[str, float | None]]
        ] = {}  # by identity: values of a series share their key
        for value in values:
            if value.split == reference:
                courses.setdefault(id(value.key), (value.key, {}))[1][value.chunk_key] = value.measurement.value
        if courses:
            found = {
                _text_of(key): [of_chunk.get(chunk) for chunk in self._reference_keys]
                for key, of_chunk in courses.values()
            }
            self._cache.put({self._courses_name(subject): msgspec.msgpack.encode(found)})

    def _null_limits(
        self,
        subject: Subject,
        measurer: Measurer,
        request: Request,
        key: SeriesKey,
        threshold: object,
        slices: Sequence[Slice],
    ) -> list[Limits]:
        """Calibrated limits of a drift series; none for any other."""
        reference = measurer.column_table(request, subject.slices.reference)
        if request.definition.family not in DRIFT_FAMILIES or reference is None or reference.n == 0:
            return [Limits()] * len(slices)
        warn_factor = threshold.warn_factor if isinstance(threshold, CalibratedThreshold) else 1.0
        at_level: Level = level(
            self._model.false_alarms_per_month, self._chunks, self._hours, self._calibrated, warn_factor
        )
        tables = [measurer.column_table(request, one) for one in slices]
        rows = [0 if table is None else round(table.effective.n) for table in tables]

        def chunks() -> list[ValueTable] | list[CategoryTable]:
            whole = subject.slices.reference
            own = [
                replace(whole, features=features, outcomes=outcomes)
                for features, outcomes in self._reference_chunks(subject)
            ]
            found = [measurer.column_table(request, one) for one in own]
            if isinstance(reference, ValueTable):
                return [table for table in found if isinstance(table, ValueTable) and table.n]
            return [table for table in found if isinstance(table, CategoryTable) and table.n]

        return self._nulls.limits(key, subject.reference_name, at_level, rows, reference, chunks)

    def _shares(self, subject: Subject, request: Request, values: Sequence[MetricValue]) -> list[MetricValue]:
        """The share of drifted columns in each analysis chunk."""
        slices = [one for one in subject.slices.slices if one.chunk.split is Split.ANALYSIS]
        chunks = [one.chunk for one in slices]
        key = SeriesKey(
            family=request.definition.family,
            metric=DRIFTED_SHARE,
            convention=request.monitor.convention,
            segment=subject.slices.segment,
        )
        shares = drifted_shares(key, values, chunks)
        series = Judged(key=key, request=request, measurements=shares, threshold=threshold_of(request, self._hours))
        rows = [one.features.rows for one in slices]
        unknown = Measurement(0.0)
        return judged_values(series, chunks, rows, [], lambda: unknown, lambda: [Limits()] * len(chunks), None)

    def histograms(self, subject: Subject) -> list[Histogram]:
        """Display histograms of every compared column in the slices."""
        slices, reference = subject.slices.slices, subject.slices.reference
        found = []
        for column, whole in tables_of(reference).items():
            tables = [
                (one.chunk.split.value, one.chunk.key, table)
                for one in slices
                if (table := tables_of(one).get(column)) is not None
            ]
            histogram = display_histogram(column, whole, tables, subject.slices.segment)
            if histogram is not None:
                found.append(histogram)
        return found


def _text_of(key: SeriesKey) -> str:
    """A series key as text."""
    return repr((key.family.value, key.metric, key.convention.value, key.column, key.group, key.class_, key.segment))


def _is_analysis(one: Slice, key: str) -> bool:
    """Whether a slice is of the analysis chunk of this key."""
    return one.chunk.split is Split.ANALYSIS and one.chunk.key == key


def _watches(monitor: Monitor, segment: str | None) -> bool:
    """Whether a monitor watches a segment (None for all rows)."""
    name = WHOLE_SEGMENT if segment is None else segment.split("=", 1)[0]
    return name in monitor.segments


def _once(make: Callable[[], Calibrator]) -> Callable[[], Calibrator]:
    """The same, made at the first call only."""
    made: list[Calibrator] = []

    def give() -> Calibrator:
        if not made:
            made.append(make())
        return made[0]

    return give
