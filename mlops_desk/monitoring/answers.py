"""What the engine must be asked for each chunk: business metrics, by the formula of their sums or, where they do not add, over all rows, and
how alike the queries of a requester are.

An answer over all rows is kept under everything that it depends on, so it is asked anew only for chunks whose files or labels changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from mlops_desk.aggregates.adversarial import queries_of_requesters
from mlops_desk.aggregates.business import value_of_sums, values_of_rows
from mlops_desk.aggregates.numbering import Slicing, nanoseconds_sql
from mlops_desk.aggregates.plan import BusinessPlan, ScanPlan, SignalPlan
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.source import Source
from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.adversarial import QUERY_SIMILARITY, Queries, query_similarity
from mlops_desk.metrics.business import business_value
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer

Told = dict[str, dict[str, Measurement]]
"""Measurements by segment value (empty for all rows) and metric."""
Kept = dict[str, dict[str, tuple[float | None, str | None]]]
"""The same as it is kept: a value, or the reason why there is none."""
Groups = Sequence[tuple[Sequence[Footer], Split | None]]
CHUNKS_AT_ONCE = 4
"""Of which the queries of requesters are in memory together."""


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
        slicing: Slicing,
        fresh: bool,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._signals = plan.signals or SignalPlan()
        self._whole = [one for one in self._signals.business if not one.terms]
        self._counter = counter
        self._groups = groups
        self._slicing = slicing
        self._fresh = fresh

    def of(
        self,
        files: CountedFiles,
        chunks: Mapping[ChunkId, Sequence[str]],
        signals: Mapping[ChunkId, Mapping[str, SignalTables]],
    ) -> dict[ChunkId, Told]:
        """The answers about some chunks, given their files and their signals."""
        found = self._over_rows(files, chunks)
        for plan in self._signals.business:
            for chunk, segments in signals.items() if plan.terms else ():
                for segment, tables in segments.items():
                    found[chunk].setdefault(segment, {})[plan.id] = self._of_sums(plan, tables)
        return found

    def _of_sums(self, plan: BusinessPlan, tables: SignalTables) -> Measurement:
        return business_value(value_of_sums(self._connection, plan, tables.sums[plan.id]))

    def _over_rows(self, files: CountedFiles, chunks: Mapping[ChunkId, Sequence[str]]) -> dict[ChunkId, Told]:
        """The answers over all rows of chunks, those that are known without asking."""
        found: dict[ChunkId, Told] = {chunk: {} for chunk in chunks}
        if not self._whole and self._signals.queries is None:
            return found
        keys = {chunk: self._key(files, chunk, own) for chunk, own in chunks.items()}
        known = {} if self._fresh else self._cache.get(keys.values())
        for chunk, key in keys.items():
            if key in known:
                found[chunk] = _measured(msgspec.msgpack.decode(known[key], type=Kept))
        for split in Split:
            asked = {chunk: own for chunk, own in chunks.items() if chunk[0] is split and keys[chunk] not in known}
            if asked:
                found |= self._asked(asked)
                self._cache.put({keys[chunk]: msgspec.msgpack.encode(_kept(found[chunk])) for chunk in asked})
        return found

    def _key(self, files: CountedFiles, chunk: ChunkId, own: Sequence[str]) -> str:
        named = digest((), files.chunk_fingerprint(own), f"{chunk[0].value}:{chunk[1]}")
        return f"{self._model}:A:{named}"

    def _asked(self, chunks: Mapping[ChunkId, Sequence[str]]) -> dict[ChunkId, Told]:
        """Asks the engine about chunks of one split."""
        idents = list(chunks)
        found: dict[ChunkId, Told] = {chunk: {} for chunk in chunks}
        if self._whole:
            with self._opened(chunks) as (sources, numbers):
                for plan in self._whole:
                    for place, segment, value in values_of_rows(plan, self._signals, sources, numbers):
                        found[idents[place]].setdefault(segment, {})[plan.id] = business_value(value)
        for at in range(0, len(idents) if self._signals.queries else 0, CHUNKS_AT_ONCE):
            some = idents[at : at + CHUNKS_AT_ONCE]
            with self._opened({chunk: chunks[chunk] for chunk in some}) as (sources, numbers):
                for (place, segment), requesters in self._queries(sources, numbers).items():
                    found[some[place]].setdefault(segment, {})[QUERY_SIMILARITY] = query_similarity(requesters)
            for chunk in some:
                found[chunk].setdefault("", {}).setdefault(QUERY_SIMILARITY, query_similarity(()))
        return found

    def _queries(
        self, sources: Sequence[Source], numbers: Sequence[Mapping[int, int]]
    ) -> dict[tuple[int, str], list[Queries]]:
        """The queries of the busiest requesters by chunk and segment value."""
        found: dict[tuple[int, str], list[Queries]] = {}
        if self._signals.queries is None:
            return found
        times = [nanoseconds_sql(self._slicing, one.batch.footers[0], "log.") or "null::BIGINT" for one in sources]
        for place, segment, points, categories, predictions in queries_of_requesters(
            self._signals, self._signals.queries, sources, numbers, times
        ):
            one = Queries(points=points, categories=categories, predictions=predictions)
            found.setdefault((place, segment), []).append(one)
        return found

    @contextmanager
    def _opened(
        self, chunks: Mapping[ChunkId, Sequence[str]]
    ) -> Iterator[tuple[Sequence[Source], Sequence[Mapping[int, int]]]]:
        """The files of chunks as something to query, and for each which of its parts belong to which chunk, by its place."""
        from contextlib import ExitStack

        place = {chunk: number for number, chunk in enumerate(chunks)}
        wanted = {file for own in chunks.values() for file in own}
        with ExitStack() as stack:
            sources: list[Source] = []
            numbers: list[dict[int, int]] = []
            for footers, split in self._groups:
                needed = self._needed(footers, wanted)
                for batch in self._counter.batches(needed, split) if needed else ():
                    named = {index: (part.split, part.number) for index, part in enumerate(batch.parts)}
                    parts = {index: place[chunk] for index, chunk in named.items() if chunk in place}
                    if parts:
                        sources.append(stack.enter_context(self._counter.opened(batch)))
                        numbers.append(parts)
            yield sources, numbers

    def _needed(self, footers: Sequence[Footer], wanted: set[str]) -> Sequence[Footer]:
        """The files to number: those of the chunks, or all where the place among all rows decides."""
        chosen = [footer for footer in footers if footer.file.fingerprint in wanted]
        return footers if chosen and self._counter.by_order else chosen


def _kept(told: Told) -> Kept:
    return {segment: {name: (one.value, one.reason) for name, one in own.items()} for segment, own in told.items()}


def _measured(kept: Kept) -> Told:
    return {
        segment: {name: untested(reason) if reason else Measurement(value) for name, (value, reason) in own.items()}
        for segment, own in kept.items()
    }
