"""What is known of some chunks under one plan, and the slices of them: of all rows, or of one segment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.domain.metric import Measurement
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.detections import Detections
from mlops_desk.monitoring.learned import LearnedChunks
from mlops_desk.monitoring.slice_set import Slice

NO_FEATURES = FeatureTables(rows=0)
NO_OUTCOMES = OutcomeTables(rows=0, labelled=0)


class ChunkContents(Struct, frozen=True, kw_only=True):
    """The tables of some chunks by segment value (empty for all rows), and what is told of them; `has_task` as of the model."""

    features: Mapping[ChunkId, Mapping[str, FeatureTables]]
    outcomes: Mapping[ChunkId, Mapping[str, OutcomeTables]]
    signals: Mapping[ChunkId, Mapping[str, SignalTables]]
    answers: Mapping[ChunkId, Mapping[str, Mapping[str, Measurement]]]
    expected: Mapping[ChunkId, Mapping[str, ExpectedTable]]
    learned: LearnedChunks
    has_task: bool
    detections: Detections = Detections()

    def slice(self, chunk: Chunk, ident: ChunkId, segment: str) -> Slice:
        """A chunk, or a segment of it, with its tables."""
        return Slice(
            chunk=chunk,
            features=self.features[ident].get(segment, NO_FEATURES),
            outcomes=self.outcomes[ident].get(segment, NO_OUTCOMES) if self.has_task else None,
            expected=self.expected.get(ident, {}).get(segment),
            learned=self.learned.of(ident, segment),
            signals=self.signals[ident].get(segment),
            answers=self.answers[ident].get(segment, {}),
            detected=self.detections.of(ident, segment),
        )


class ReferenceSlices(Struct, frozen=True, dict=True):
    """The chunks of a reference as slices, read when they are first asked for and then kept for all segments."""

    read: Callable[[], ChunkContents]
    chunks: Mapping[ChunkId, Chunk]
    idents: Iterable[ChunkId]

    @cached_property
    def _contents(self) -> ChunkContents:
        return self.read()

    def of(self, segment: str, there: bool) -> list[Slice]:
        """The slices of a segment (empty for all rows), in time order; none where it is not `there` in the reference."""
        if not there:
            return []
        own = ((ident, replace(self.chunks[ident], split=Split.REFERENCE)) for ident in self.idents)
        return [self._contents.slice(chunk, ident, segment) for ident, chunk in own]
