"""The second pass over a log: rows as matrices, scored by something that was fitted on the reference, and summed by part.

Sums are cached by file under everything that they depend on, as counts are, so a new file costs its own rows. What is fitted needs the
rows of some chunks only, and is kept by whoever fits it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.numbering import batches_by_order, batches_of
from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.parts import Batch
from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.rows import RowPlan, Rows, row_pieces
from mlops_desk.aggregates.source import Source, source
from mlops_desk.aggregates.sums import RowSums, row_sums
from mlops_desk.aggregates.tables import Floats
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.learned import BySegment
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection

Files = Mapping[ChunkId, Sequence[str]]
"""Fingerprints of the files of each chunk."""


class Scorer(Struct, frozen=True, kw_only=True):
    """Numbers of each row: `name` names everything they depend on, `score` turns rows into (n, k) numbers (rows without them into NaN)."""

    name: str
    score: Callable[[Rows], Floats]


class RowPass:
    """Reads the rows of one model's files under one plan; `tell` is told of how many rows were read."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: str,
        prepared: Prepared,
        plan: ScanPlan,
        tell: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._prepared = prepared
        self._plan = plan
        self.tell = tell
        self._tables = 0

    def sums(self, scorer: Scorer, rows: RowPlan, chunks: Files, *, fresh: bool) -> dict[ChunkId, BySegment]:
        """The sums of what a scorer says of the rows of each chunk; only files that were never scored are read, all if `fresh`."""
        keys = self._keys(scorer.name)
        known = self._cache.present(keys.values())  # of all files, so that none is swept
        wanted = {file for files in chunks.values() for file in files}
        missing = wanted if fresh else {file for file in wanted if keys[file] not in known}
        if missing:
            self._score(scorer, rows, missing, keys)
        found: dict[ChunkId, BySegment] = {chunk: {} for chunk in chunks}
        chunks_of: dict[str, list[ChunkId]] = {}
        for chunk, files in chunks.items():
            for file in files:
                chunks_of.setdefault(file, []).append(chunk)
        for file, some in chunks_of.items():
            body: dict[str, BySegment] = unpacked(self._cache.get([keys[file]])[keys[file]])
            for chunk in some:
                for segment, own in body.get(_name(*chunk), {}).items():
                    before = found[chunk].get(segment)
                    found[chunk][segment] = own if before is None else before + own
        return found

    def _keys(self, name: str) -> dict[str, str]:
        """Cache keys of the sums of every file."""
        return {
            footer.file.fingerprint: f"{self._model}:Q:{name}:{self._plan.feature_digest}:{self._prepared.order}"
            f":{split or 'both'}:{footer.file.fingerprint}"
            for footers, split in self._prepared.groups
            for footer in footers
        }

    def _score(self, scorer: Scorer, plan: RowPlan, files: Container[str], keys: Mapping[str, str]) -> None:
        """Scores the rows of some files and keeps their sums, batch by batch."""
        for batch, scanned in self.sources(files):
            parts = [index for index, part in enumerate(batch.parts) if part.footer.file.fingerprint in files]
            sums: dict[tuple[int, str], RowSums] = {}
            for rows in row_pieces(scanned, plan, parts) if parts else ():
                values = scorer.score(rows)
                there = np.logical_not(np.isnan(values).any(axis=1))
                for slot, own in _slots(rows, there):
                    more = row_sums(values[own])
                    sums[slot] = sums[slot] + more if slot in sums else more
                self.tell(len(values))
            bodies: dict[str, dict[str, BySegment]] = {
                footer.file.fingerprint: {} for footer in batch.footers if footer.file.fingerprint in files
            }
            for (index, segment), one in sums.items():
                part = batch.parts[index]
                of_part = bodies[part.footer.file.fingerprint].setdefault(_name(part.split, part.number), {})
                of_part[segment] = one
            self._cache.put({keys[file]: packed(body) for file, body in bodies.items()})

    def sources(self, files: Container[str], *, with_labels: bool = False) -> Iterator[tuple[Batch, Source]]:
        """Batches that hold some files, ready to be queried; joined labels beside the rows where asked."""
        slicing = self._prepared.slicing
        for footers, split in self._prepared.groups:
            chosen = [footer for footer in footers if footer.file.fingerprint in files]
            if not chosen:
                continue
            if slicing.periods is None:
                batches = batches_by_order(self._connection, footers, slicing, split)
            else:
                batches = batches_of(self._connection, chosen, slicing, split)
            for batch in batches:
                if any(footer.file.fingerprint in files for footer in batch.footers):
                    yield from self._opened(batch, with_labels)

    def _opened(self, batch: Batch, with_labels: bool) -> Iterator[tuple[Batch, Source]]:
        """A batch as a source, for as long as it is looked at."""
        self._tables += 1
        name = f"rows_{self._tables}"
        labels = None
        if with_labels and self._prepared.labelling is not None:
            known = self._prepared.labelling.labels
            if any(footer.file.fingerprint in known for footer in batch.footers):
                labels = np.concatenate([known[footer.file.fingerprint] for footer in batch.footers])
        scanned = source(self._connection, batch, self._plan, name, labels)
        try:
            yield batch, scanned
        finally:
            if scanned.positional:
                self._connection.drop(name)


def parts_in(batch: Batch, chunks: Container[ChunkId]) -> list[int]:
    """The parts of a batch that belong to some chunks."""
    return [index for index, part in enumerate(batch.parts) if (part.split, part.number) in chunks]


def _slots(rows: Rows, there: NDArray[np.bool_]) -> Iterator[tuple[tuple[int, str], NDArray[np.intp]]]:
    """(part, segment value) and the rows of each that are there; rows without a segment value are in none."""
    for part in map(int, np.unique(rows.parts)):
        own = np.flatnonzero((rows.parts == part) & there)
        if rows.segments is None:
            if len(own):
                yield (part, ""), own
            continue
        named = own[[one is not None for one in rows.segments[own]]]
        names, place = np.unique(rows.segments[named].astype(str), return_inverse=True)
        for index, name in enumerate(names.tolist()):
            yield (part, name), named[place == index]


def _name(split: Split, number: int) -> str:
    return f"{split.value}:{number}"
