"""What the engine must be asked for each chunk: business metrics, by the formula of their sums or, where they do not add, over all rows.

An answer over all rows is kept under everything that it depends on, so it is asked anew only for chunks whose files or labels changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import msgspec

from mlops_desk.aggregates.business import value_of_sums, values_of_rows
from mlops_desk.aggregates.plan import BusinessPlan, ScanPlan
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.source import Source
from mlops_desk.domain.metric import Measurement
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.business import business_value
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer

Answered = dict[ChunkId, dict[str, dict[str, Measurement]]]
"""Measurements by chunk, segment value (empty for all rows) and metric."""
Groups = Sequence[tuple[Sequence[Footer], Split | None]]


class Answers:
    """Asks for the chunks of one model under one plan."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: str,
        plan: ScanPlan,
        counter: Counter,
        *,
        groups: Groups,
        fresh: bool,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._plan = plan
        self._counter = counter
        self._groups = groups
        self._fresh = fresh

    def of(
        self,
        files: CountedFiles,
        chunks: Mapping[ChunkId, Sequence[str]],
        signals: Mapping[ChunkId, Mapping[str, SignalTables]],
    ) -> Answered:
        """The answers about some chunks, given their files and their signals."""
        found: Answered = {chunk: {} for chunk in chunks}
        business = () if self._plan.signals is None else self._plan.signals.business
        for plan in business:
            if plan.terms:
                for chunk, segments in signals.items():
                    for segment, tables in segments.items():
                        value = value_of_sums(self._connection, plan, tables.sums[plan.id])
                        found[chunk].setdefault(segment, {})[plan.id] = business_value(value)
        whole = [plan for plan in business if not plan.terms]
        if whole:
            for chunk, answered in self._over_rows(files, chunks, whole).items():
                for segment, values in answered.items():
                    own = {name: business_value(value) for name, value in values.items()}
                    found[chunk].setdefault(segment, {}).update(own)
        return found

    def _over_rows(
        self, files: CountedFiles, chunks: Mapping[ChunkId, Sequence[str]], plans: Sequence[BusinessPlan]
    ) -> dict[ChunkId, dict[str, dict[str, float | None]]]:
        """The answers over all rows of chunks, those that are known without asking."""
        keys = {chunk: self._key(files, chunk, own) for chunk, own in chunks.items()}
        known = {} if self._fresh else self._cache.get(keys.values())
        found: dict[ChunkId, dict[str, dict[str, float | None]]] = {}
        for chunk, key in keys.items():
            if key in known:
                found[chunk] = msgspec.msgpack.decode(known[key], type=dict[str, dict[str, float | None]])
        asked = [chunk for chunk in chunks if chunk not in found]
        for split in Split:
            some = {chunk: chunks[chunk] for chunk in asked if chunk[0] is split}
            if some:
                answered = self._asked(some, plans)
                bodies = {keys[chunk]: msgspec.msgpack.encode(answered[chunk]) for chunk in some}
                self._cache.put(bodies)
                found |= answered
        return found

    def _key(self, files: CountedFiles, chunk: ChunkId, own: Sequence[str]) -> str:
        named = digest((), files.chunk_fingerprint(own), f"{chunk[0].value}:{chunk[1]}")
        return f"{self._model}:A:{named}"

    def _asked(
        self, chunks: Mapping[ChunkId, Sequence[str]], plans: Sequence[BusinessPlan]
    ) -> dict[ChunkId, dict[str, dict[str, float | None]]]:
        """Asks the engine about chunks of one split."""
        idents, signals = list(chunks), self._plan.signals
        place = {chunk: number for number, chunk in enumerate(idents)}
        wanted = {file for own in chunks.values() for file in own}
        found: dict[ChunkId, dict[str, dict[str, float | None]]] = {chunk: {} for chunk in chunks}
        if signals is None:
            return found
        with ExitStack() as stack:
            sources: list[Source] = []
            numbers: list[dict[int, int]] = []
            for footers, split in self._groups:
                for batch in self._counter.batches(self._needed(footers, wanted), split):
                    parts = {
                        index: place[part.split, part.number]
                        for index, part in enumerate(batch.parts)
                        if (part.split, part.number) in place
                    }
                    if parts:
                        sources.append(stack.enter_context(self._counter.opened(batch)))
                        numbers.append(parts)
            for plan in plans:
                for chunk, segment, value in values_of_rows(plan, signals, sources, numbers):
                    found[idents[chunk]].setdefault(segment, {})[plan.id] = value
        return found

    def _needed(self, footers: Sequence[Footer], wanted: set[str]) -> Sequence[Footer]:
        """The files to number: those of the chunks, or all where the place among all rows decides."""
        chosen = [footer for footer in footers if footer.file.fingerprint in wanted]
        return footers if chosen and self._counter.by_order else chosen
