"""What of chunks is told beside their tables: signals of the whole reference, answers of the engine, changed columns and the lag of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables, together
from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.domain.model import Model
from mlops_desk.metrics.structure import schema_changes
from mlops_desk.monitoring.answers import Answers, Told
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.monitoring.label_lag import label_fronts, label_lag
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import LABEL_LAG, SCHEMA_CHANGES
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection

Chunks = Mapping[ChunkId, Sequence[str]]
"""The files of some chunks."""


class TableMemory:
    """Tables of chunks that are asked for more than once, read together at the beginning."""

    def __init__(self, counter: Counter, files: CountedFiles, chunks: Chunks) -> None:
        self._features = counter.features(files, chunks)
        self._outcomes = counter.outcomes(files, chunks)
        self._signals = counter.signals(files, chunks)

    def features(self, chunks: Chunks) -> dict[ChunkId, dict[str, FeatureTables]]:
        """The features' half of some of the chunks."""
        return {chunk: self._features[chunk] for chunk in chunks}

    def outcomes(self, chunks: Chunks) -> dict[ChunkId, dict[str, OutcomeTables]]:
        """The outcomes' half of some of the chunks."""
        return {chunk: self._outcomes[chunk] for chunk in chunks}

    def signals(self, chunks: Chunks) -> dict[ChunkId, dict[str, SignalTables]]:
        """The signals of some of the chunks."""
        return {chunk: self._signals[chunk] for chunk in chunks}


class Tally(Struct, frozen=True, kw_only=True):
    """The files of a model counted under one plan.

    Attributes
    ----------
    by_chunk : the files of each chunk. reference : those of the chunks that the others are compared with.
    reference_name : names everything that the tables of the reference depend on. memory : tables that were read already, where they are kept.
    ranges : of a reference that is of one chunk only: least and greatest value of each numeric column; else None.
    no_reference : why that chunk has none yet.
    """

    plan: ScanPlan
    counter: Counter
    files: CountedFiles
    by_chunk: dict[ChunkId, list[str]]
    reference: Mapping[ChunkId, list[str]]
    reference_name: str
    memory: TableMemory | None = None
    ranges: Mapping[str, tuple[float, float]] | None = None
    no_reference: str | None = None

    @property
    def moves(self) -> bool:
        """Whether the reference is of one chunk only."""
        return self.ranges is not None

    def features(self, chunks: Chunks) -> dict[ChunkId, dict[str, FeatureTables]]:
        """The features' half of some chunks by segment value."""
        return self.memory.features(chunks) if self.memory else self.counter.features(self.files, chunks)

    def outcomes(self, chunks: Chunks) -> dict[ChunkId, dict[str, OutcomeTables]]:
        """The outcomes' half of some chunks by segment value."""
        return self.memory.outcomes(chunks) if self.memory else self.counter.outcomes(self.files, chunks)

    def signals(self, chunks: Chunks) -> dict[ChunkId, dict[str, SignalTables]]:
        """The signals of some chunks by segment value."""
        return self.memory.signals(chunks) if self.memory else self.counter.signals(self.files, chunks)


class Extras:
    """Tells of the chunks of one model, counted under one plan."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: Model,
        prepared: Prepared,
        tally: Tally,
        *,
        fresh: bool,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._prepared = prepared
        self._tally = tally
        self._fresh = fresh

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why signals that are asked for cannot be counted, by metric."""
        signals = self._tally.plan.signals
        return {} if signals is None else dict(signals.reasons)

    def fronts(self) -> dict[ChunkId, int | None]:
        """Up to when each chunk is labelled, where that is asked for."""
        tally, signals = self._tally, self._tally.plan.signals
        if signals is None or not signals.labelled_time:
            return {}
        return label_fronts(self._cache, self._model.id, tally.counter, tally.files, tally.by_chunk)

    def answers(
        self,
        chunks: Mapping[ChunkId, Sequence[str]],
        features: Mapping[ChunkId, Mapping[str, FeatureTables]],
        signals: Mapping[ChunkId, Mapping[str, SignalTables]],
    ) -> dict[ChunkId, Told]:
        """What is told of some chunks by segment value, given their files, features and signals."""
        tally = self._tally
        asking = Answers(
            self._connection,
            self._cache,
            self._model.id,
            tally.plan,
            tally.counter,
            groups=self._prepared.groups,
            slicing=self._prepared.slicing,
            fresh=self._fresh,
        )
        found = asking.of(tally.files, chunks, signals)
        if tally.plan.segment is None:
            for chunk, own in self._of_whole_chunks(chunks, features).items():
                found[chunk].setdefault("", {}).update(own)
        return found

    def _of_whole_chunks(
        self, chunks: Mapping[ChunkId, Sequence[str]], features: Mapping[ChunkId, Mapping[str, FeatureTables]]
    ) -> dict[ChunkId, dict[str, Measurement]]:
        """Changes of the files' columns, and how far labels lag behind."""
        tally, prepared = self._tally, self._prepared
        of_file = {footer.file.fingerprint: footer.columns for footer in (*prepared.reference, *prepared.log)}
        names = {file for own in tally.reference.values() for file in own}
        reference = [*dict.fromkeys(of_file[file] for file in names)]
        roles, labels = self._model.columns, self._model.labels
        left_out = [*roles.ignore, roles.target or "", labels.target if labels else ""]
        fronts = self.fronts()
        told = {}
        for chunk, own in chunks.items():
            lag = untested("the model has no labels")
            if chunk in fronts and "" in features[chunk]:
                lag = label_lag(fronts[chunk], features[chunk][""].last, prepared.slicing)
            changes = schema_changes([of_file[file] for file in own], reference, left_out)
            told[chunk] = {SCHEMA_CHANGES: changes, LABEL_LAG: lag}
        return told

    def reference_signals(self) -> dict[str, SignalTables]:
        """The signals of the whole reference by segment value, less its rounded rows; kept once they are added."""
        tally, signals = self._tally, self._tally.plan.signals
        if signals is None or not (signals.outliers or signals.boundary or signals.requester):
            return {}
        key = f"{self._model.id}:RS:{tally.reference_name}"
        body = None if self._fresh else self._cache.get([key]).get(key)
        if body is None:
            pieces: dict[str, list[SignalTables]] = {}
            for chunk, files in tally.reference.items():
                for segment, tables in tally.signals({chunk: files})[chunk].items():
                    pieces.setdefault(segment, []).append(replace(tables, repeats=None))
            body = packed({segment: together(some) for segment, some in pieces.items()})
            self._cache.put({key: body})
        restored: dict[str, SignalTables] = unpacked(body)
        return restored
