"""One model's pass: from its files to judged values, for the chunks that need it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.domain.metric import Detection, MetricValue, SeriesKey
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import DataNote
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.alerting import AlertRule
from mlops_desk.monitoring.chunk_contents import NO_FEATURES, NO_OUTCOMES, ChunkContents, ReferenceSlices
from mlops_desk.monitoring.chunk_facts import new_segments, watched_segments
from mlops_desk.monitoring.chunking import chunks_now, newest_row, reference_text, refuse_one_side, versions_of
from mlops_desk.monitoring.counting import ChunkId, Counter
from mlops_desk.monitoring.detecting import Detecting
from mlops_desk.monitoring.detections import kept_detections
from mlops_desk.monitoring.expecting import ExpectedCounter
from mlops_desk.monitoring.extras import Extras, Tally
from mlops_desk.monitoring.freshness import chunk_hours
from mlops_desk.monitoring.inputs import configuration_digest
from mlops_desk.monitoring.known_classes import unknown_classes
from mlops_desk.monitoring.learned import LearnedChunks
from mlops_desk.monitoring.learning import Learning
from mlops_desk.monitoring.moving import UNCOUNTED, OwnReferences, fingerprints, fronts_before, own_references
from mlops_desk.monitoring.opening import Opened
from mlops_desk.monitoring.preparation import Preparation, Prepared
from mlops_desk.monitoring.remarks import ToldChunks, left_out
from mlops_desk.monitoring.requests import WHOLE_SEGMENT, wants_expected
from mlops_desk.monitoring.rules import rules_of
from mlops_desk.monitoring.series import ChunkTables, SeriesBuilder, Subject
from mlops_desk.monitoring.signals import watches_signals
from mlops_desk.monitoring.slice_set import Slice, SliceSet
from mlops_desk.monitoring.streaming import stream_names
from mlops_desk.monitoring.whole_reference import WholeReferences
from mlops_desk.store.archive import Store
from mlops_desk.store.distributions import Histogram
from mlops_desk.store.records import LogSummary
from mlops_desk.warehouse.discovery import digest

NEWEST = ":newest"
"""Marks the fingerprint of the newest chunk, which alone tells the age of the newest row."""
COUNTED_SHARE = 0.7
"""Of a pass's progress, at the end of the scan."""

Features = dict[ChunkId, dict[str, FeatureTables]]
Outcomes = dict[ChunkId, dict[str, OutcomeTables]]
"""Tables by chunk and segment value (empty for all rows)."""


class Found(Struct, frozen=True, kw_only=True):
    """What came of a pass, ready to store.

    Attributes
    ----------
    chunks : all chunks of both splits now. evaluated : those whose values are in `values`.
    renewed : analysis chunks whose rows or labels, reference or configuration changed (the others only became, or ceased to be, the newest).
    """

    chunks: tuple[Chunk, ...]
    fingerprints: Mapping[tuple[Split, str], str]
    evaluated: tuple[Chunk, ...]
    renewed: int
    values: tuple[MetricValue, ...]
    histograms: tuple[Histogram, ...]
    detections: tuple[Detection, ...]
    notes: tuple[DataNote, ...]
    rows: int
    rows_scanned: int
    newest: datetime | None
    versions: tuple[str, ...]
    reference_text: str
    rule_of: Callable[[SeriesKey], AlertRule]

    def summary(self, seconds: float) -> LogSummary:
        """What the archive remembers of the log."""
        return LogSummary(
            rows=self.rows,
            rows_scanned=self.rows_scanned,
            seconds=seconds,
            newest_row=self.newest,
            versions=self.versions,
            reference_text=self.reference_text,
        )


class ModelPass:
    """Counts, measures and judges one model."""

    def __init__(
        self,
        opened: Opened,
        store: Store,
        monitors: Sequence[Monitor],
        *,
        progress: ProgressSink,
        cancel: CancelToken,
        now: datetime,
        full: bool,
    ) -> None:
        self._opened = opened
        self._connection = opened.connection
        self._cache = opened.cache
        self._model = opened.model
        self._store = store
        self._monitors = monitors
        self._progress = progress
        self._cancel = cancel
        self._now = now
        self._full = full
        self._rows_told = 0
        self._rows_scanned = 0
        self._rows_learned = 0
        self._detecting = Detecting(
            self._cache, self._model, monitors, progress=progress, cancel=cancel, share=COUNTED_SHARE, fresh=full
        )
        self._wholes = WholeReferences(self._cache, self._model.id, fresh=full)
        self._notes: list[DataNote] = []

    def run(self) -> Found:
        """The whole pass; raises UnreadableFiles for files that are to be left out, UserError where nothing can be judged."""
        broken = self._opened.broken
        self._progress(Progress(stage="looking at the files", share=0.01))
        preparation = Preparation(
            self._connection, self._cache, self._model, self._monitors, fresh=self._full, broken=broken
        )
        prepared = preparation.prepared(self._opened.inputs)
        tally = self._tally(prepared, prepared.plan)
        self._opened.refuse_changing()
        newest = newest_row(tally.files, prepared.slicing)
        chunks = chunks_now(tally.files, tally.by_chunk, prepared.slicing, newest)
        refuse_one_side(self._model, self._opened.inputs, chunks, broken)
        base = digest((), configuration_digest(self._model), tally.reference_name)
        own = None if not self._model.reference.moves else own_references(self._model, chunks)
        names = fingerprints(base, tally.files, tally.by_chunk, chunks, own)
        last = max((ident for ident in chunks if ident[0] is Split.ANALYSIS), default=None)
        fronts = self._extras(prepared, tally).fronts()
        streams = (
            stream_names(tally.files, tally.by_chunk) if own is None and self._detecting.is_asked(prepared) else {}
        )
        before = {} if own is None or not fronts else fronts_before(own, fronts)
        marks = {i: [str(told[i]) for told in (fronts, before, streams) if i in told] for i in names}
        marked = {i: ":".join([name, *marks[i]]) + (NEWEST if i == last else "") for i, name in names.items()}
        known = {split: self._store.chunk_fingerprints(self._model.id, split) for split in Split}
        stale = [i for i, one in chunks.items() if self._full or known[one.split].get(one.key) != marked[i]]
        renewed = [i for i in stale if self._full or _plain(known[i[0]].get(chunks[i].key)) != names[i]]
        detections: list[Detection] = []
        if own is None:
            values, histograms, detections = self._judged(prepared, tally, chunks, stale, newest)
        else:
            values, histograms = self._judged_one_by_one(prepared, tally, chunks, stale, newest, own)
        rows = sum(footer.rows for footer in (*prepared.log, *prepared.reference))
        return Found(
            chunks=tuple(chunks.values()),
            fingerprints={(chunks[ident].split, chunks[ident].key): name for ident, name in marked.items()},
            evaluated=tuple(chunks[ident] for ident in stale),
            renewed=sum(ident[0] is Split.ANALYSIS for ident in renewed),
            values=tuple(values),
            histograms=tuple(histograms),
            detections=tuple(detections),
            notes=(*prepared.notes, *left_out(self._model, prepared, chunks.values()), *self._notes),
            rows=rows,
            rows_scanned=self._rows_scanned,
            newest=newest,
            versions=versions_of(tally.files),
            reference_text=reference_text(self._model, chunks.values()),
            rule_of=rules_of(self._model, self._monitors, chunk_hours(self._model)),
        )

    def _judged(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
    ) -> tuple[list[MetricValue], list[Histogram], list[Detection]]:
        """Values, histograms and detections of chunks that are all compared with one reference."""
        builder = SeriesBuilder(
            model=self._model,
            monitors=self._monitors,
            columns=prepared.columns,
            chunks=tuple(chunks.values()),
            stored=self._stored,
            cache=self._cache,
            cancel=self._cancel,
        )
        if self._detecting.is_asked(prepared):
            of_reference = self._wholes.of(tally, partial(self._reference_tables, tally, {}, {})).get("")
            self._detecting.measure_errors_by(None if of_reference is None else of_reference[1])
        values: list[MetricValue] = []
        histograms: list[Histogram] = []
        subjects = self._subjects(prepared, tally, chunks, stale, newest)
        builder.share_budget(subjects)
        for index, subject in enumerate(subjects):
            self._cancel.raise_if_cancelled()
            values += builder.values(subject, partial(self._tell_measured, subject, index, len(subjects)))
            if subject.slices.segment is None:
                histograms = builder.histograms(subject)
                self._notes += unknown_classes(self._model, subject.slices, prepared.classes)
        if subjects:
            builder.keep_courses(subjects[0], values)
        places = {
            (subject.slices.segment, one.chunk.key): one.detected.positions
            for subject in subjects
            for one in subject.slices.slices
            if one.detected is not None
        }
        return values, histograms, list(kept_detections(values, places, prepared.slicing))

    def _judged_one_by_one(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
        own: OwnReferences,
    ) -> tuple[list[MetricValue], list[Histogram]]:
        """Values and histograms of chunks of which each has a reference of its own."""
        from mlops_desk.monitoring.moving_pass import MovingPass

        work = MovingPass(
            model=self._model,
            tally=tally,
            monitors=self._monitors,
            prepared=prepared,
            chunks=chunks,
            own=own,
            cache=self._cache,
            cancel=self._cancel,
            progress=self._progress,
            subjects_of=lambda some, named, idents, column, learning: self._subjects_of(
                prepared, some, named, idents, newest, column, learning
            ),
            learning_of=lambda some: self._learning(prepared, some),
            whole=lambda some: self._wholes.of(some, partial(self._reference_tables, some, {}, {})),
        )
        values, histograms, notes = work.judged(list(self._tallies(prepared, tally)), stale, COUNTED_SHARE)
        self._notes += notes
        return values, histograms

    def _tell_measured(self, subject: Subject, index: int, subjects: int, part: float) -> None:
        """Tells which part of a subject, of some, is measured."""
        share = COUNTED_SHARE + (0.9 - COUNTED_SHARE) * (index + part) / subjects
        self._progress(Progress(stage=f"measuring {subject.slices.segment or 'all rows'}", share=share))

    def _stored(self, key: SeriesKey) -> list[MetricValue]:
        """What the archive holds of a series in the reference."""
        found = self._store.values(
            self._model.id,
            family=key.family,
            metric=key.metric,
            column=key.column,
            segment=key.segment,
            split=Split.REFERENCE,
        )
        return [value for value in found if value.key == key]

    def _tally(self, prepared: Prepared, plan: ScanPlan) -> Tally:
        """Counts the model's files under a plan."""
        labelling = prepared.labelling
        counter = Counter(
            self._connection,
            self._cache,
            self._model.id,
            plan,
            prepared.slicing,
            labels=None if labelling is None else labelling.labels,
            label_names=None if labelling is None else labelling.labels.names,
            version=self._model.columns.version,
        )
        total = sum(footer.rows for footer in (*prepared.log, *prepared.reference))
        what = "counting" if plan.segment is None else f"counting by {plan.segment}"

        def tell(rows: int) -> None:
            self._cancel.raise_if_cancelled()
            self._rows_told += rows
            share = min(1.0, self._rows_told / max(total, 1))
            self._progress(
                Progress(stage=f"{what}: {self._rows_told:,} rows", share=0.05 + (COUNTED_SHARE - 0.05) * share)
            )

        self._rows_told = 0
        files = counter.counted(prepared.groups, prepared.order, tell, fresh=self._full)
        if plan.segment is None:
            self._rows_scanned = files.rows_scanned
        by_chunk = files.by_chunk()
        reference = {ident: some for ident, some in by_chunk.items() if ident[0] is Split.REFERENCE}
        name = digest((), *(files.chunk_fingerprint(some) for some in reference.values()))
        return Tally(
            plan=plan, counter=counter, files=files, by_chunk=by_chunk, reference=reference, reference_name=name
        )

    def _learning(self, prepared: Prepared, tally: Tally) -> Learning:
        """What is fitted on the reference, when a monitor asks for it."""

        def tell(rows: int) -> None:
            self._cancel.raise_if_cancelled()
            self._rows_learned += rows
            self._progress(Progress(stage=f"learning: {self._rows_learned:,} rows", share=COUNTED_SHARE))

        def tables() -> FeatureTables:
            of_chunks = partial(self._reference_tables, tally, {}, {})
            return self._wholes.of(tally, of_chunks).get("", (NO_FEATURES, None))[0]

        return Learning(
            self._connection,
            self._cache,
            self._model,
            self._monitors,
            prepared,
            tally,
            tables,
            tell,
            fresh=self._full,
        )

    def _subjects(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
    ) -> list[Subject]:
        """All rows, and every segment that a monitor asks for."""
        learning = self._learning(prepared, tally)
        return [
            subject
            for column, own in self._tallies(prepared, tally)
            for subject in self._subjects_of(prepared, own, chunks, stale, newest, column, lambda: learning)
        ]

    def _tallies(self, prepared: Prepared, tally: Tally) -> Iterator[tuple[str | None, Tally]]:
        """The tally of all rows (of no column), and one for every column by whose values a monitor asks for segments."""
        for name in dict.fromkeys(name for monitor in self._monitors for name in monitor.segments):
            if name == WHOLE_SEGMENT:
                yield None, tally
                continue
            watched = watches_signals(self._model, self._monitors, prepared.columns, name)
            plan = replace(prepared.plan, segment=name, signals=prepared.plan.signals if watched else None)
            yield name, self._tally(prepared, plan)

    def _subjects_of(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
        column: str | None,
        learning: Callable[[], Learning],
    ) -> list[Subject]:
        """The subjects of one plan: one for all rows, or one for each value of the segment column."""
        some = {ident: tally.by_chunk.get(ident, []) for ident in stale}
        features, outcomes = tally.features(some), tally.outcomes(some)
        of_reference = partial(self._reference_tables, tally, features, outcomes)
        reference = self._wholes.of(tally, of_reference)
        signals = tally.signals(some)
        extras = self._extras(prepared, tally)
        known, answers = extras.reference_signals(), extras.answers(some, features, signals)
        own_values = {ident: [*tables] for ident, tables in features.items()}
        if column is not None:
            own_values = {ident: new_segments(tables, reference)[0] for ident, tables in features.items()}
        if not tally.moves:
            told = ToldChunks(
                self._cache, self._model, tally.counter, tally.files, tally.by_chunk, tally.reference_name
            )
            self._notes += told.notes(reference, features, outcomes, column)
        chosen = watched_segments({name: one.rows for name, (one, _) in reference.items()})
        segments = sorted({*chosen, *(name for own in own_values.values() for name in own)})
        has_task = self._model.task is not None
        counter = self._expected(prepared, tally, reference, some, column)
        expected = {} if counter is None else counter.expected(some)
        expected_whole = {} if counter is None else counter.whole(tally.reference)
        learned = LearnedChunks() if tally.no_reference else learning().learned(tally.plan, some)
        detections = self._detecting.found(prepared, tally, chunks, stale, chosen, column)
        contents = ChunkContents(
            features=features,
            outcomes=outcomes,
            signals=signals,
            answers=answers,
            expected=expected,
            learned=learned,
            has_task=has_task,
            detections=detections,
        )

        def contents_of_reference() -> ChunkContents:
            features, outcomes = of_reference()
            signals = tally.signals(tally.reference)
            return ChunkContents(
                features=features,
                outcomes=outcomes,
                signals=signals,
                answers=extras.answers(tally.reference, features, signals),
                expected={} if counter is None else counter.expected(tally.reference),
                learned=learning().learned(tally.plan, tally.reference),
                has_task=has_task,
            )

        apart = ReferenceSlices(contents_of_reference, chunks, tuple(tally.reference))
        found = []
        for segment in segments:
            own = stale if segment in reference else [ident for ident in stale if segment in own_values[ident]]
            slices = tuple(contents.slice(chunks[ident], ident, segment) for ident in own)
            whole = reference.get(segment, (NO_FEATURES, NO_OUTCOMES if has_task else None))
            base = Slice(
                chunk=_whole_chunk(whole[0].rows),
                features=whole[0],
                outcomes=whole[1],
                expected=expected_whole.get(segment),
                learned=learned.reference(segment),
                signals=known.get(segment),
            )
            label = None if column is None else f"{column}={segment}"
            sliced = SliceSet(
                segment=label,
                slices=slices,
                reference=base,
                newest=newest,
                now=self._now,
                reasons={**extras.reasons, **detections.reasons, **(UNCOUNTED if tally.moves else {})},
                class_calibrators=None if counter is None else counter.calibrators.get(segment),
                ranges=tally.ranges,
                no_reference=tally.no_reference,
            )
            subject = Subject(
                slices=sliced,
                reference_name=tally.reference_name,
                reference_chunks=partial(_chunk_tables, of_reference, segment),
                reference_slices=partial(apart.of, segment, segment in reference) if tally.moves else None,
            )
            found.append(subject)
        return found

    def _extras(self, prepared: Prepared, tally: Tally) -> Extras:
        """What of the chunks is told beside their tables."""
        return Extras(self._connection, self._cache, self._model, prepared, tally, fresh=self._full)

    def _expected(
        self,
        prepared: Prepared,
        tally: Tally,
        reference: Mapping[str, tuple[FeatureTables, OutcomeTables | None]],
        chunks: Mapping[ChunkId, Sequence[str]],
        column: str | None,
    ) -> ExpectedCounter | None:
        """Expected labels of some chunks and of the reference, counted; None where nobody asks for what needs them."""
        if not chunks or not wants_expected(self._model, self._monitors, column):
            return None
        counter = ExpectedCounter(
            self._connection,
            self._cache,
            self._model.id,
            prepared.plan if column is None else replace(prepared.plan, segment=column),
            prepared.slicing,
            {segment: outcomes for segment, (_, outcomes) in reference.items()},
            fresh=self._full,
        )
        files = {file for own in (chunks, tally.reference) for some in own.values() for file in some}
        counter.count(prepared.groups, prepared.order, files, self._cancel.raise_if_cancelled)
        return counter

    def _reference_tables(self, tally: Tally, features: Features, outcomes: Outcomes) -> tuple[Features, Outcomes]:
        """The tables of the reference's chunks by segment value: those at hand where they are complete, else read."""
        chunks = tally.reference
        if chunks.keys() <= features.keys():
            return {ident: features[ident] for ident in chunks}, {ident: outcomes[ident] for ident in chunks}
        return tally.features(chunks), tally.outcomes(chunks)


def _chunk_tables(of_chunks: Callable[[], tuple[Features, Outcomes]], segment: str) -> ChunkTables:
    """The tables of each reference chunk of a segment."""
    features, outcomes = of_chunks()
    return [(found[segment], outcomes[ident].get(segment)) for ident, found in features.items() if segment in found]


def _plain(fingerprint: str | None) -> str | None:
    """A fingerprint without the marks of the newest chunk and of the front of labels."""
    return None if fingerprint is None else fingerprint.partition(":")[0]


def _whole_chunk(rows: int) -> Chunk:
    """The whole reference in the place of a chunk."""
    return Chunk(split=Split.REFERENCE, key="", index=0, start=None, end=None, rows=rows)
