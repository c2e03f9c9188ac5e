"""What is told of chunks beside their tables: business metrics, changes of their files' columns, and how far labels lag behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.structure import schema_changes
from mlops_desk.monitoring.answers import Answered, Answers
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.monitoring.label_lag import label_fronts, label_lag
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import LABEL_LAG, SCHEMA_CHANGES
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection

Chunks = Mapping[ChunkId, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Telling:
    """One model's files as they were counted under one plan; `by_chunk` holds the files of every chunk."""

    connection: Connection
    cache: Cache
    model: Model
    plan: ScanPlan
    prepared: Prepared
    counter: Counter
    files: CountedFiles
    by_chunk: Chunks
    fresh: bool

    def told(
        self,
        chunks: Chunks,
        features: Mapping[ChunkId, Mapping[str, FeatureTables]],
        signals: Mapping[ChunkId, Mapping[str, SignalTables]],
        *,
        of_all: bool,
    ) -> Answered:
        """Measurements of some chunks by segment value and metric; `of_all` adds what is told of chunks as a whole."""
        answers = Answers(
            self.connection,
            self.cache,
            self.model.id,
            self.plan,
            self.counter,
            groups=self.prepared.groups,
            fresh=self.fresh,
        )
        found = answers.of(self.files, chunks, signals)
        for ident, own in self._of_all(chunks, features).items() if of_all else ():
            found[ident].setdefault("", {}).update(own)
        return found

    def _of_all(
        self, chunks: Chunks, features: Mapping[ChunkId, Mapping[str, FeatureTables]]
    ) -> dict[ChunkId, dict[str, Measurement]]:
        """Changes of columns and the lag of labels."""
        of_file = {footer.file.fingerprint: footer.columns for footer in (*self.prepared.reference, *self.prepared.log)}
        base = dict.fromkeys(
            file for ident, own in self.by_chunk.items() if ident[0] is Split.REFERENCE for file in own
        )
        roles, labels = self.model.columns, self.model.labels
        left_out = [*roles.ignore, roles.target or "", labels.target if labels else ""]
        fronts = self.fronts()
        told = {}
        for ident, own in chunks.items():
            changes = schema_changes([of_file[file] for file in own], [of_file[file] for file in base], left_out)
            lag = untested("the model has no labels")
            if ident in fronts and "" in features[ident]:
                lag = label_lag(fronts[ident], features[ident][""].last, self.prepared.slicing)
            told[ident] = {SCHEMA_CHANGES: changes, LABEL_LAG: lag}
        return told

    def fronts(self) -> dict[ChunkId, int | None]:
        """Up to when each chunk is labelled, where that is asked for."""
        signals = self.plan.signals
        if signals is None or not signals.labelled_time:
            return {}
        by_chunk = {ident: list(own) for ident, own in self.by_chunk.items()}
        return label_fronts(self.cache, self.model.id, self.counter, self.files, by_chunk)
