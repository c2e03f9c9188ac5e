"""One model's pass: from its files to judged values, for the chunks that need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables, together
from mlops_desk.domain.errors import ExpressionFailure, UserError
from mlops_desk.domain.metric import MetricValue, SeriesKey
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.periods import in_local
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.alerting import AlertRule
from mlops_desk.monitoring.chunking import chunks_now, newest_row, versions_of
from mlops_desk.monitoring.counting import ChangingFiles, ChunkId, Counter, UnreadableFiles
from mlops_desk.monitoring.extras import Extras, Tally
from mlops_desk.monitoring.freshness import chunk_hours
from mlops_desk.monitoring.inputs import Inputs, configuration_digest, find_inputs
from mlops_desk.monitoring.preparation import Preparation, Prepared
from mlops_desk.monitoring.remarks import remarks
from mlops_desk.monitoring.requests import WHOLE_SEGMENT
from mlops_desk.monitoring.rules import rules_of
from mlops_desk.monitoring.series import ChunkTables, SeriesBuilder, Subject
from mlops_desk.monitoring.signals import watches_signals
from mlops_desk.monitoring.slice_set import Slice, SliceSet
from mlops_desk.store.archive import Store
from mlops_desk.store.distributions import Histogram
from mlops_desk.store.records import LogSummary
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import first_line, read_footers, unreadable_files

NEWEST = ":newest"
"""Marks the fingerprint of the newest chunk, which alone tells the age of the newest row."""
COUNTED_SHARE = 0.7
"""Of a pass's progress, at the end of the scan."""
SEGMENTS_AT_MOST = 200


@dataclass(frozen=True, kw_only=True)
class Found:
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

    def __init__(  # noqa: PLR0913 - everything that a pass works with
        self,
        connection: Connection,
        cache: Cache,
        store: Store,
        desk: Desk,
        model: Model,
        monitors: Sequence[Monitor],
        *,
        progress: ProgressSink,
        cancel: CancelToken,
        now: datetime,
        full: bool,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._store = store
        self._desk = desk
        self._model = model
        self._monitors = monitors
        self._progress = progress
        self._cancel = cancel
        self._now = now
        self._full = full
        self._rows_told = 0
        self._rows_scanned = 0
        self._notes: list[DataNote] = []

    def run(self, inputs: Inputs, broken: Mapping[Path, str]) -> Found:
        """The whole pass; raises UnreadableFiles for files that are to be left out, UserError where nothing can be judged."""
        try:
            return self._run(inputs, broken)
        except self._failures as error:
            self._refuse_changing(inputs, broken)
            whole = [file for file in inputs.all if file.path not in broken]
            footers, quarantined = read_footers(self._connection, whole)
            reasons = {one.path: one.reason for one in quarantined} | unreadable_files(self._connection, footers)
            if not reasons and isinstance(error, ExpressionFailure):
                raise UserError(str(error)) from error
            if not reasons:
                raise UserError(f"models.{self._model.id}: its rows cannot be read: {first_line(error)}") from error
            raise UnreadableFiles(reasons) from error

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        """What broken files raise, and SQL of desk.toml that has no answer."""
        return (*self._connection.engine_errors, ExpressionFailure)

    def _run(self, inputs: Inputs, broken: Mapping[Path, str]) -> Found:
        self._progress(Progress(stage="looking at the files", share=0.01))
        preparation = Preparation(
            self._connection, self._cache, self._model, self._monitors, fresh=self._full, broken=broken
        )
        prepared = preparation.prepared(inputs)
        tally = self._tally(prepared, prepared.plan)
        self._refuse_changing(inputs, broken)
        newest = newest_row(tally.files, prepared.slicing)
        chunks = chunks_now(tally.files, tally.by_chunk, prepared.slicing, newest)
        self._refuse_one_side(chunks, broken)
        base = digest((), configuration_digest(self._model), tally.reference_name)
        names = {ident: digest((), base, tally.files.chunk_fingerprint(tally.by_chunk[ident])) for ident in chunks}
        last = max((ident for ident in chunks if ident[0] is Split.ANALYSIS), default=None)
        fronts = self._extras(prepared, tally).fronts()
        fronted = {i: f"{name}:{fronts[i]}" if i in fronts else name for i, name in names.items()}
        marked = {ident: name + (NEWEST if ident == last else "") for ident, name in fronted.items()}
        known = {split: self._store.chunk_fingerprints(self._model.id, split) for split in Split}
        stale = [i for i, one in chunks.items() if self._full or known[one.split].get(one.key) != marked[i]]
        renewed = [i for i in stale if self._full or _plain(known[i[0]].get(chunks[i].key)) != names[i]]
        builder = SeriesBuilder(
            model=self._model,
            monitors=self._monitors,
            columns=prepared.columns,
            chunks=tuple(chunks.values()),
            stored=self._stored,
            cache=self._cache,
            cancel=self._cancel,
        )
        values: list[MetricValue] = []
        histograms: list[Histogram] = []
        subjects = self._subjects(prepared, tally, chunks, stale, newest)
        builder.share_budget(subjects)
        for index, subject in enumerate(subjects):
            self._cancel.raise_if_cancelled()
            share = COUNTED_SHARE + (0.9 - COUNTED_SHARE) * index / max(len(subjects), 1)
            self._progress(Progress(stage=f"measuring {subject.slices.segment or 'all rows'}", share=share))
            values += builder.values(subject)
            if subject.slices.segment is None:
                histograms = builder.histograms(subject)
                self._notes += remarks(self._model, subject.slices)
        if subjects:
            builder.keep_courses(subjects[0], values)
        rows = sum(footer.rows for footer in (*prepared.log, *prepared.reference))
        return Found(
            chunks=tuple(chunks.values()),
            fingerprints={(chunks[ident].split, chunks[ident].key): name for ident, name in marked.items()},
            evaluated=tuple(chunks[ident] for ident in stale),
            renewed=sum(ident[0] is Split.ANALYSIS for ident in renewed),
            values=tuple(values),
            histograms=tuple(histograms),
            notes=(*prepared.notes, *self._left_out(prepared, chunks), *self._notes),
            rows=rows,
            rows_scanned=self._rows_scanned,
            newest=newest,
            versions=versions_of(tally.files),
            reference_text=_reference_text(self._model, chunks.values()),
            rule_of=rules_of(self._model, self._monitors, chunk_hours(self._model)),
        )

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
        names = [files.chunk_fingerprint(some) for ident, some in by_chunk.items() if ident[0] is Split.REFERENCE]
        return Tally(plan=plan, counter=counter, files=files, by_chunk=by_chunk, reference_name=digest((), *names))

    def _refuse_changing(self, inputs: Inputs, broken: Mapping[Path, str]) -> None:
        """Raises ChangingFiles for files that changed while they were read; what was kept of them is under their former names."""
        before = {file.path: file for file in inputs.all}
        now = {file.path: file for file in find_inputs(self._desk, self._model).all}
        changed = [path for path, file in before.items() if path not in broken and now.get(path) != file]
        if changed:
            raise ChangingFiles(
                dict.fromkeys(changed, "it was being written while it was read; the next run will take it in")
            )

    def _refuse_one_side(self, chunks: Mapping[ChunkId, Chunk], broken: Mapping[Path, str]) -> None:
        """Raises UserError where there is no reference or nothing to compare with it."""
        for split in Split:
            if not any(ident[0] is split for ident in chunks):
                what = "reference" if split is Split.REFERENCE else "log beyond the reference"
                hint = "are all timestamps NULL, or does the filter leave none?"
                if split is Split.ANALYSIS and self._model.reference.start is not None:
                    hint = "the reference period takes in all of it; let it end earlier"
                if broken:
                    hint = f"{len(broken):,} files are left out: {next(iter(broken)).name} because {next(iter(broken.values()))}"
                raise UserError(f"models.{self._model.id}: the {what} has no rows that belong to a chunk; {hint}")

    def _subjects(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
    ) -> list[Subject]:
        """All rows, and every segment that a monitor asks for."""
        wanted = list(dict.fromkeys(name for monitor in self._monitors for name in monitor.segments))
        subjects = []
        for name in wanted:
            if name == WHOLE_SEGMENT:
                subjects += self._subjects_of(prepared, tally, chunks, stale, newest, None)
                continue
            watched = watches_signals(self._model, self._monitors, prepared.columns, name)
            plan = replace(prepared.plan, segment=name, signals=prepared.plan.signals if watched else None)
            own = self._tally(prepared, plan)
            subjects += self._subjects_of(prepared, own, chunks, stale, newest, name)
        return subjects

    def _subjects_of(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        stale: Sequence[ChunkId],
        newest: datetime | None,
        column: str | None,
    ) -> list[Subject]:
        """The subjects of one plan: one for all rows, or one for each value of the segment column."""
        reference = self._reference(tally)
        some = {ident: tally.by_chunk.get(ident, []) for ident in stale}
        features, outcomes = tally.counter.features(tally.files, some), tally.counter.outcomes(tally.files, some)
        signals = tally.counter.signals(tally.files, some)
        extras = self._extras(prepared, tally)
        known, answers = extras.reference_signals(), extras.answers(some, features, signals)
        segments = (
            [""] if column is None else sorted({*reference, *(name for found in features.values() for name in found)})
        )
        if len(segments) > SEGMENTS_AT_MOST:
            text = f"only {SEGMENTS_AT_MOST} of the {len(segments):,} values of {column!r} are watched as segments, those with most reference rows"
            self._notes.append(
                DataNote(
                    level=NoteLevel.WARNING, code="segments_cut", place=column or "", text=text, count=len(segments)
                )
            )
            rows = {name: reference[name][0].rows if name in reference else 0 for name in segments}
            segments = sorted(sorted(segments, key=lambda name: (-rows[name], name))[:SEGMENTS_AT_MOST])
        has_task = self._model.task is not None
        found = []
        for segment in segments:
            own = stale if segment in reference else [ident for ident in stale if segment in features[ident]]
            slices = tuple(
                Slice(
                    chunk=chunks[ident],
                    features=features[ident].get(segment, NO_FEATURES),
                    outcomes=outcomes[ident].get(segment, NO_OUTCOMES) if has_task else None,
                    signals=signals[ident].get(segment),
                    answers=answers[ident].get(segment, {}),
                )
                for ident in own
            )
            whole = reference.get(segment, (NO_FEATURES, NO_OUTCOMES if has_task else None))
            base = Slice(
                chunk=_whole_chunk(whole[0].rows), features=whole[0], outcomes=whole[1], signals=known.get(segment)
            )
            label = None if column is None else f"{column}={segment}"
            sliced = SliceSet(
                segment=label, slices=slices, reference=base, newest=newest, now=self._now, reasons=extras.reasons
            )
            chunks_of = partial(self._reference_chunks, tally, segment)
            found.append(Subject(slices=sliced, reference_name=tally.reference_name, reference_chunks=chunks_of))
        return found

    def _extras(self, prepared: Prepared, tally: Tally) -> Extras:
        """What of the chunks is told beside their tables."""
        return Extras(self._connection, self._cache, self._model, prepared, tally, fresh=self._full)

    def _reference(self, tally: Tally) -> dict[str, tuple[FeatureTables, OutcomeTables | None]]:
        """The tables of the whole reference by segment value, kept once they are added."""
        key = f"{self._model.id}:R:{tally.reference_name}"
        body = None if self._full else self._cache.get([key]).get(key)
        if body is None:
            chunks = {ident: files for ident, files in tally.by_chunk.items() if ident[0] is Split.REFERENCE}
            features = tally.counter.features(tally.files, chunks)
            outcomes = tally.counter.outcomes(tally.files, chunks)
            names = dict.fromkeys(name for found in features.values() for name in found)
            whole = {}
            for name in names:
                own = [found[name] for found in features.values() if name in found]
                labels = [found[name] for found in outcomes.values() if name in found]
                whole[name] = (together(own), together(labels) if labels else None)
            body = packed(whole)
            self._cache.put({key: body})
            return whole
        restored: dict[str, tuple[FeatureTables, OutcomeTables | None]] = unpacked(body)
        return restored

    def _reference_chunks(self, tally: Tally, segment: str) -> ChunkTables:
        """The tables of each reference chunk of a segment."""
        chunks = {ident: files for ident, files in tally.by_chunk.items() if ident[0] is Split.REFERENCE}
        features = tally.counter.features(tally.files, chunks)
        outcomes = tally.counter.outcomes(tally.files, chunks)
        return [
            (features[ident][segment], outcomes[ident].get(segment)) for ident in chunks if segment in features[ident]
        ]

    def _left_out(self, prepared: Prepared, chunks: Mapping[ChunkId, Chunk]) -> list[DataNote]:
        """A note of the rows that belong to no chunk."""
        rows = sum(footer.rows for footer in (*prepared.log, *prepared.reference))
        missing = rows - sum(chunk.rows for chunk in chunks.values())
        if missing <= 0:
            return []
        why = (
            "have no usable timestamp"
            if self._model.logs.filter is None
            else "have no usable timestamp or are filtered out"
        )
        if self._model.chunks.every is None:
            why = "belong to no chunk"
        text = f"{missing:,} rows {why} and are left out"
        level = NoteLevel.WARNING if self._model.logs.filter is None else NoteLevel.NOTICE
        return [
            DataNote(
                level=level, code="rows_left_out", place=self._model.columns.timestamp or "", text=text, count=missing
            )
        ]


NO_FEATURES = FeatureTables(rows=0)
NO_OUTCOMES = OutcomeTables(rows=0, labelled=0)


def _plain(fingerprint: str | None) -> str | None:
    """A fingerprint without the marks of the newest chunk and of the front of labels."""
    return None if fingerprint is None else fingerprint.partition(":")[0]


def _whole_chunk(rows: int) -> Chunk:
    """The whole reference in the place of a chunk."""
    return Chunk(split=Split.REFERENCE, key="", index=0, start=None, end=None, rows=rows)


def _reference_text(model: Model, chunks: Iterable[Chunk]) -> str:
    """The reference in words: its days, and its files where it has its own."""
    known = [chunk for chunk in chunks if chunk.split is Split.REFERENCE]
    starts = [chunk.start for chunk in known if chunk.start is not None]
    ends = [chunk.end for chunk in known if chunk.end is not None]
    paths = ", ".join(model.reference.paths)
    if not starts or not ends:
        return paths
    last = in_local(max(ends), model.chunks.timezone) - timedelta(microseconds=1 if model.chunks.by_time else 0)
    days = f"{in_local(min(starts), model.chunks.timezone):%Y-%m-%d} – {last:%Y-%m-%d}"
    return f"{days} ({paths})" if paths else days
