"""Runs drift detectors over the errors of the analysis rows, chunk after chunk, from the state that was kept at the end of the one before.

What a chunk holds is kept under the names of everything that came before it, so a new chunk costs its own rows, and a late label those of its
chunk and of all later ones. By a segment column, every value that is watched in the reference has a stream of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import msgspec
import numpy as np
from msgspec.structs import replace

from mlops_desk.aggregates.error_stream import ChunkSource, ErrorRows, error_rows
from mlops_desk.aggregates.numbering import nanoseconds_sql
from mlops_desk.aggregates.outcome_sql import predicts
from mlops_desk.aggregates.parts import Batch
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Column, Task
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.metrics.detectors import DETECTORS, WARNING, Detected, Stream, advanced
from mlops_desk.metrics.performance import NO_PREDICTIONS
from mlops_desk.monitoring.counting import ChunkId, CountedFiles
from mlops_desk.monitoring.detections import ChunkDetections, Detections, Position
from mlops_desk.monitoring.extras import Tally
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import requests_of
from mlops_desk.monitoring.seeds import seed_of
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.discovery import digest

FORMAT = 1
"""Raised whenever the same errors would give other states, so that those that were kept are passed over."""
ROWS_AT_ONCE = 1_000_000
"""Rows of the chunks that are read together; a larger chunk is read alone."""
POSITIONS_AT_MOST = 100
"""Of each kind, of one detector in one chunk: the first ones; a value tells how many there are."""
NO_SCALE = "the reference has no labelled error above 0 that errors could be measured by"


class _Kept(msgspec.Struct, frozen=True):
    """What is kept of a segment's stream in a chunk: where it stands at the end, (drifts, warning zones), and (metric, group, row, time)."""

    rows: int
    stream: Stream
    counts: dict[str, tuple[int, int]]
    positions: tuple[tuple[str, str | None, int, int | None], ...]


Body = dict[str, _Kept]


def asked_detectors(
    model: Model, monitors: Sequence[Monitor], columns: Sequence[Column], segments: str
) -> tuple[str, ...]:
    """The detectors that monitors of some segments (a column's, or `*` for all rows) ask for."""
    watching = [one for one in monitors if segments in one.segments]
    asked = {request.definition.id for one in watching for request in requests_of(model, one, columns)}
    return tuple(metric for metric in DETECTORS if metric in asked)


def stream_names(files: CountedFiles, by_chunk: Mapping[ChunkId, Sequence[str]]) -> dict[ChunkId, str]:
    """For each analysis chunk a name of all rows and labels up to its end."""
    names: dict[ChunkId, str] = {}
    name = ""
    for ident in sorted(ident for ident in by_chunk if ident[0] is Split.ANALYSIS):
        name = digest((), name, str(ident[1]), files.chunk_fingerprint(by_chunk[ident]))
        names[ident] = name
    return names


def error_scale(model: Model, reference: OutcomeTables | None) -> float | None:
    """What errors are divided by: 1 for a classifier, the reference's mean absolute error for a regression, to six digits; None where that is unknown or 0."""
    if model.task is not Task.REGRESSION:
        return 1.0
    errors = None if reference is None else reference.errors
    if errors is None or not errors.n or errors.absolute <= 0:
        return None
    return float(f"{errors.absolute / errors.n:.5e}")  # so that the order of a sum changes nothing


class ErrorStreams:
    """Streams the errors of one model, counted under one plan; `tell` is told of how many rows were read."""

    def __init__(
        self, cache: Cache, model: Model, prepared: Prepared, tally: Tally, tell: Callable[[int], None], *, fresh: bool
    ) -> None:
        self._cache = cache
        self._model = model
        self._prepared = prepared
        self._tally = tally
        self._tell = tell
        self._fresh = fresh
        self._files = {
            footer.file.fingerprint: place
            for place, footer in enumerate(footer for footers, _ in prepared.groups for footer in footers)
        }

    def detections(
        self,
        metrics: Sequence[str],
        segments: Sequence[str],
        scale: float | None,
        chunks: Mapping[ChunkId, Chunk],
        wanted: Sequence[ChunkId],
    ) -> Detections:
        """What detectors found in the analysis chunks among those wanted; `segments` holds the empty name alone for all rows."""
        outcome = self._tally.plan.outcome
        if outcome is None or not predicts(outcome):
            return Detections(reasons=dict.fromkeys(metrics, NO_PREDICTIONS))
        if scale is None:
            return Detections(reasons=dict.fromkeys(metrics, NO_SCALE))
        if not metrics or not segments:
            return Detections()
        base = digest((), repr((FORMAT, metrics, segments, scale)))
        names = stream_names(self._tally.files, self._tally.by_chunk)
        keys = {ident: f"{self._model.id}:D:{base}:{name}" for ident, name in names.items()}
        present = self._cache.present(keys.values())  # of all chunks, so that none is swept
        order = list(keys)
        known = next((n for n, ident in enumerate(order) if self._fresh or keys[ident] not in present), len(order))
        streams: dict[str, Stream] = {}
        if 0 < known < len(order):
            streams = {name: one.stream for name, one in self._body(keys[order[known - 1]]).items()}
        batches = self._batches(order[known:])
        for some in self._together(order[known:]):
            rows = self._errors(batches, some, outcome, segments)
            for place, ident in enumerate(some):
                own = {segment: rows.get((place, segment)) for segment in segments}
                body = self._advanced(streams, metrics, own, scale, chunks[ident])
                streams = {segment: one.stream for segment, one in body.items()}
                self._cache.put({keys[ident]: zlib.compress(msgspec.msgpack.encode(body), 1)})
                self._tell(self._rows(ident))
        told = {ident: _told(self._body(keys[ident])) for ident in wanted if ident in keys}
        return Detections(chunks=told)

    def _body(self, key: str) -> Body:
        return msgspec.msgpack.decode(zlib.decompress(self._cache.get([key])[key]), type=Body)

    def _together(self, idents: Sequence[ChunkId]) -> Iterator[list[ChunkId]]:
        """Chunks in their order, so many as are read together."""
        some: list[ChunkId] = []
        rows = 0
        for ident in idents:
            own = self._rows(ident)
            if some and rows + own > ROWS_AT_ONCE:
                yield some
                some, rows = [], 0
            some.append(ident)
            rows += own
        if some:
            yield some

    def _rows(self, ident: ChunkId) -> int:
        """How many rows a chunk has."""
        records = (one for file in self._tally.by_chunk[ident] for one in self._tally.files.records[file])
        return sum(one.rows for one in records if (Split(one.split), one.number) == ident)

    def _advanced(
        self,
        streams: Mapping[str, Stream],
        metrics: Sequence[str],
        rows: Mapping[str, ErrorRows | None],
        scale: float,
        chunk: Chunk,
    ) -> Body:
        """What is kept of a chunk, given where streams stood before it and its rows by segment value."""
        start = chunk.key if chunk.start is None else chunk.start.isoformat()
        seeds = {metric: seed_of(self._model.id, metric, None, start) for metric in metrics}
        return {
            segment: _advanced(streams.get(segment, Stream()), metrics, own, scale, seeds)
            for segment, own in rows.items()
        }

    def _errors(
        self, batches: Sequence[Batch], some: Sequence[ChunkId], outcome: OutcomePlan, segments: Sequence[str]
    ) -> dict[tuple[int, str], ErrorRows]:
        """The errors of some chunks, by their place."""
        place = {ident: number for number, ident in enumerate(some)}
        with ExitStack() as stack:
            sources = []
            for batch in batches:
                held = {
                    index: place[part.split, part.number]
                    for index, part in enumerate(batch.parts)
                    if (part.split, part.number) in place
                }
                if not held:
                    continue
                cut, places = _cut(batch, held)
                files = {index: self._files[cut.parts[index].footer.file.fingerprint] for index in places}
                source = stack.enter_context(self._tally.counter.opened(cut))
                time = nanoseconds_sql(self._prepared.slicing, cut.footers[0], "log.")
                sources.append(ChunkSource(source=source, chunks=places, files=files, time=time))
            most = sum(self._rows(ident) for ident in some)
            return error_rows(sources, outcome, segments, most) if sources else {}

    def _batches(self, idents: Sequence[ChunkId]) -> list[Batch]:
        """The batches that hold rows of some chunks; where a file holds several, its rows are numbered once for all of them."""
        wanted = {file for ident in idents for file in self._tally.by_chunk[ident]}
        found: list[Batch] = []
        for footers, split in self._prepared.groups:
            chosen = [footer for footer in footers if footer.file.fingerprint in wanted]
            needed = footers if chosen and self._tally.counter.by_order else chosen
            found += self._tally.counter.batches(needed, split) if needed else ()
        return found


def _cut(batch: Batch, held: Mapping[int, int]) -> tuple[Batch, dict[int, int]]:
    """A batch less the files that hold none of some parts, and those parts as it numbers them with what they had."""
    if batch.numbers is None:
        parts = tuple(batch.parts[index] for index in held)
        return replace(batch, footers=tuple(part.footer for part in parts), parts=parts), dict(enumerate(held.values()))
    files = {batch.parts[index].footer.file.fingerprint for index in held}
    ends = np.cumsum([footer.rows for footer in batch.footers]).tolist()
    kept = [(footer, end) for footer, end in zip(batch.footers, ends, strict=True) if footer.file.fingerprint in files]
    numbers = np.concatenate([batch.numbers[end - footer.rows : end] for footer, end in kept])
    return replace(batch, footers=tuple(footer for footer, _ in kept), numbers=numbers), dict(held)


def _advanced(
    stream: Stream, metrics: Sequence[str], rows: ErrorRows | None, scale: float, seeds: Mapping[str, int]
) -> _Kept:
    """A stream after the rows of a chunk."""
    errors = np.zeros(0, dtype=np.int8) if rows is None else rows.errors
    if scale != 1.0:
        errors = errors / scale
    after, found = advanced(stream, metrics, errors, seeds)
    positions = []
    for metric, one in found.items():
        for group, places in ((None, one.drifts), (WARNING, one.warnings)):
            for row in places[:POSITIONS_AT_MOST]:
                time = None if rows is None or rows.times is None else int(rows.times[row])
                positions.append((metric, group, row, time))
    counts = {metric: (len(one.drifts), one.zones) for metric, one in found.items()}
    return _Kept(rows=len(errors), stream=after, counts=counts, positions=tuple(positions))


def _told(body: Body) -> dict[str, ChunkDetections]:
    """What is kept of a chunk, as it is told."""
    told = {}
    for segment, one in body.items():
        before = one.stream.rows - one.rows
        told[segment] = ChunkDetections(
            found={
                metric: Detected(rows=one.rows, stream_rows=one.stream.rows, drifts=drifts, zones=zones)
                for metric, (drifts, zones) in one.counts.items()
            },
            positions=tuple(
                Position(metric=metric, group=group, row=row, stream_row=before + row, time=time)
                for metric, group, row, time in one.positions
            ),
        )
    return told
