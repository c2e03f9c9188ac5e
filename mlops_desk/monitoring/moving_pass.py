"""Judges chunks of which each has a reference of its own: one after another, each with the series that one fixed reference would give.

All chunks are counted in the same cells, so the reference of a chunk is the sum of the tables of its chunks and no row is read again; only
what is fitted on rows (projections, classifiers, estimators of losses) reads those of the reference, once for each reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.domain.metric import MetricValue
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import DataNote
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.chunk_contents import NO_FEATURES, NO_OUTCOMES
from mlops_desk.monitoring.chunk_facts import facts_of_chunks, new_segments
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.extras import TableMemory, Tally
from mlops_desk.monitoring.known_classes import unknown_classes
from mlops_desk.monitoring.learning import Learning
from mlops_desk.monitoring.moving import OwnReferences, name_of_chunks
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.readings_memory import ReadingsMemory
from mlops_desk.monitoring.remarks import ToldChunks, segment_notes
from mlops_desk.monitoring.series import SeriesBuilder, Subject
from mlops_desk.monitoring.slice_set import Slice, SliceSet
from mlops_desk.monitoring.whole_reference import Whole
from mlops_desk.store.distributions import Histogram
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.discovery import digest

SubjectsOf = Callable[
    [Tally, Mapping[ChunkId, Chunk], Sequence[ChunkId], str | None, Callable[[], Learning]], list[Subject]
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MEASURED_SHARE = 0.9
"""Of a pass's progress, when all chunks are measured."""


class SegmentFacts(msgspec.Struct, frozen=True):
    """How many values of a segment column the reference of a chunk has, and how many of the chunk's own are not watched."""

    reference_values: int
    left_out: int


class MovingPass(Struct, frozen=True, kw_only=True):
    """Judges the chunks of one model. `subjects_of` makes the subjects of some chunks of a tally, `learning_of` what is fitted on the
    reference of a tally of all rows, `whole` the tables of a tally's reference.
    """

    model: Model
    monitors: Sequence[Monitor]
    prepared: Prepared
    chunks: Mapping[ChunkId, Chunk]
    own: OwnReferences
    tally: Tally
    cache: Cache
    cancel: CancelToken
    progress: ProgressSink
    subjects_of: SubjectsOf
    learning_of: Callable[[Tally], Learning]
    whole: Callable[[Tally], Whole]
    memory: ReadingsMemory = field(default_factory=ReadingsMemory)

    def judged(
        self, tallies: Sequence[tuple[str | None, Tally]], stale: Sequence[ChunkId], begun: float
    ) -> tuple[list[MetricValue], list[Histogram], list[DataNote]]:
        """Values and histograms of some chunks and notes on all, given the tallies by segment column (None for all rows); `begun` is the progress so far."""
        needed = dict.fromkeys(ident for chunk in stale for ident in (*self.own.of[chunk].chunks, chunk))
        all_rows = self._remembering(self.tally, needed)
        tallies = [
            (column, all_rows if column is None else self._remembering(tally, needed)) for column, tally in tallies
        ]
        values: list[MetricValue] = []
        for index, ident in enumerate(stale):
            self.cancel.raise_if_cancelled()
            share = begun + (MEASURED_SHARE - begun) * index / len(stale)
            self.progress(Progress(stage=f"measuring chunk {index + 1} of {len(stale)}", share=share))
            values += self._values(all_rows, tallies, ident)
        histograms: list[Histogram] = []
        notes: list[DataNote] = []
        for column, tally in tallies:
            if column is None:
                histograms, told = self._told_of_all_rows(tally, stale)
                notes += told
            else:
                notes += self._segment_notes(tally, column, stale)
        return values, histograms, notes

    def _remembering(self, tally: Tally, needed: Mapping[ChunkId, None]) -> Tally:
        """A tally that holds the tables of some chunks."""
        files = {ident: tally.by_chunk.get(ident, []) for ident in needed}
        return replace(tally, memory=TableMemory(tally.counter, tally.files, files), ranges={})

    def _compared(self, tally: Tally, chunks: Sequence[ChunkId]) -> Tally:
        """A tally whose reference are some chunks."""
        there = [ident for ident in chunks if ident in tally.by_chunk]
        name = name_of_chunks(tally.files, tally.by_chunk, there)
        return replace(tally, reference={ident: tally.by_chunk[ident] for ident in there}, reference_name=name)

    def _builder(self, chunks: Sequence[Chunk]) -> SeriesBuilder:
        return SeriesBuilder(
            model=self.model,
            monitors=self.monitors,
            columns=self.prepared.columns,
            chunks=chunks,
            stored=lambda _: (),
            cache=self.cache,
            cancel=self.cancel,
            newest=max(chunk.key for chunk in self.chunks.values()),
            memory=self.memory,
        )

    def _values(
        self, all_rows: Tally, tallies: Sequence[tuple[str | None, Tally]], ident: ChunkId
    ) -> list[MetricValue]:
        """The judged values of one chunk."""
        own = self.own.of[ident]
        named = {one: replace(self.chunks[one], split=Split.REFERENCE) for one in own.chunks}
        named[ident] = self.chunks[ident]
        builder = self._builder(list(named.values()))
        compared_rows = self._compared(all_rows, own.chunks)
        learning = cache(lambda: self.learning_of(compared_rows))
        whole, _ = self.whole(compared_rows).get("", (NO_FEATURES, None))
        ranges = {column: (table.lowest, table.highest) for column, table in whole.numeric.items() if table.n}
        subjects = []
        for column, tally in tallies:
            compared = replace(self._compared(tally, own.chunks), ranges=ranges, no_reference=own.reason)
            subjects += self.subjects_of(compared, named, [ident], column, learning)
        builder.share_budget(subjects)
        return [value for subject in subjects for value in builder.values(subject)]

    def _told_of_all_rows(self, tally: Tally, stale: Sequence[ChunkId]) -> tuple[list[Histogram], list[DataNote]]:
        """The histograms of some chunks, in bins of the first complete reference, which notes on classes go by, too."""
        facts = ToldChunks(self.cache, self.model, tally.counter, tally.files, tally.by_chunk, tally.reference_name)
        files = {ident: tally.by_chunk[ident] for ident in stale}
        features, outcomes = tally.features(files), tally.outcomes(files)
        notes = facts.notes(None, features, outcomes, None)
        first = replace(self._compared(tally, self.own.first), ranges=None, memory=None)
        has_task = self.model.task is not None
        whole = self.whole(first).get("", (NO_FEATURES, NO_OUTCOMES if has_task else None))
        subject = self._displayed(stale, features, outcomes, whole)
        notes += unknown_classes(self.model, subject.slices, self.prepared.classes)
        return self._builder([]).histograms(subject), notes

    def _displayed(
        self,
        stale: Sequence[ChunkId],
        features: Mapping[ChunkId, Mapping[str, FeatureTables]],
        outcomes: Mapping[ChunkId, Mapping[str, OutcomeTables]],
        whole: tuple[FeatureTables, OutcomeTables | None],
    ) -> Subject:
        """All rows of some chunks beside the first complete reference."""
        has_task = self.model.task is not None
        slices = tuple(
            Slice(
                chunk=self.chunks[ident],
                features=features[ident].get("", NO_FEATURES),
                outcomes=outcomes[ident].get("", NO_OUTCOMES) if has_task else None,
            )
            for ident in stale
        )
        chunk = Chunk(split=Split.REFERENCE, key="", index=0, start=None, end=None, rows=whole[0].rows)
        reference = Slice(chunk=chunk, features=whole[0], outcomes=whole[1])
        sliced = SliceSet(segment=None, slices=slices, reference=reference, newest=None, now=EPOCH)
        return Subject(slices=sliced, reference_name="", reference_chunks=tuple)

    def _segment_notes(self, tally: Tally, column: str, stale: Sequence[ChunkId]) -> list[DataNote]:
        """Notes on the values of a segment column, of all chunks: of those that are not measured now they are kept."""
        by_chunk = tally.by_chunk
        chunks = [ident for ident in self.own.of if ident in by_chunk]
        names = {ident: self._name(tally, ident) for ident in chunks}

        def told(some: Sequence[ChunkId], tally: Tally) -> dict[ChunkId, SegmentFacts]:
            wanted = dict.fromkeys(one for ident in some for one in (*self.own.of[ident].chunks, ident))
            tables = tally.features({one: by_chunk[one] for one in wanted if one in by_chunk})
            found = {}
            for ident in some:
                known = {name: None for one in self.own.of[ident].chunks for name in tables.get(one, ())}
                left_out = new_segments(tables[ident], known)[1]
                found[ident] = SegmentFacts(reference_values=len(known), left_out=left_out)
            return found

        at_hand = told([ident for ident in stale if ident in by_chunk], tally)
        read_anew = replace(tally, memory=None)
        facts = facts_of_chunks(self.cache, names, SegmentFacts, at_hand, lambda some: told(some, read_anew))
        most = max((one.reference_values for one in facts), default=0)
        return segment_notes(column, most, [one.left_out for one in facts])

    def _name(self, tally: Tally, ident: ChunkId) -> str:
        """The cache key of what is told of the segments of a chunk."""
        there = [one for one in (*self.own.of[ident].chunks, ident) if one in tally.by_chunk]
        named = digest((), name_of_chunks(tally.files, tally.by_chunk, there), str(self.own.of[ident].reason))
        return f"{self.model.id}:S:{named}"
