"""Counts a model's files into tables by chunk, file by file: what was counted before comes from the cache, only the rest is scanned.

A file's counts are cached under everything they depend on (the file as it was seen, the plan, its labels), so a new file costs its own rows,
a late label the files of its rows, and a file that is gone leaves no trace. Bodies are read only for the chunks that need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from mlops_desk.aggregates.numbering import Slicing, batches_by_order, batches_of, nanoseconds_sql
from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.parts import Batch
from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables, together
from mlops_desk.domain.slicing import Split
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlops_desk.aggregates.source import Source

ChunkId = tuple[Split, int]
FileKeys = tuple[str, str, str, str]
"""Cache keys of a file: of its index, its features, its outcomes and its signals; empty for what is not counted."""
Tell = Callable[[int], None]
"""Told of how many rows were counted."""


class PartRecord(Struct, frozen=True):
    """What the index of a file says of one of its parts."""

    split: str
    number: int
    rows: int
    first: int | None
    last: int | None
    versions: tuple[str, ...] = ()
    """Of the model, by the column that names them."""


class CountedFiles(Struct, kw_only=True):
    """What every file of a model holds, by reference to the cache.

    Attributes
    ----------
    records : parts by file fingerprint. features, outcomes, signals : cache keys of bodies by file fingerprint. labels : names of the labels of each log file.
    rows_scanned : rows of the files that were read now.
    """

    records: dict[str, tuple[PartRecord, ...]] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    signals: dict[str, str] = field(default_factory=dict)
    rows_scanned: int = 0

    def files_of(self, chunk: ChunkId) -> list[str]:
        """Fingerprints of the files that have rows in a chunk, in the order of the files."""
        split, number = chunk
        return [
            file
            for file, records in self.records.items()
            if any(record.split == split and record.number == number for record in records)
        ]

    def by_chunk(self) -> dict[ChunkId, list[str]]:
        """Fingerprints of the files of every chunk, chunks in the order of splits and numbers."""
        found: dict[ChunkId, list[str]] = {}
        for file, records in self.records.items():
            for record in records:
                found.setdefault((Split(record.split), record.number), []).append(file)
        return dict(sorted(found.items()))

    def chunk_fingerprint(self, files: Sequence[str]) -> str:
        """Names everything that the tables of a chunk depend on, given its files."""
        names = (f"{self.features[file]} {self.outcomes.get(file, '')} {self.signals.get(file, '')}" for file in files)
        return digest((), *sorted(names))


class UnreadableFiles(Exception):
    """Files turned out to be broken while they were read; `reasons` says why by path."""

    def __init__(self, reasons: Mapping[Path, str]) -> None:
        super().__init__(", ".join(str(path) for path in reasons))
        self.reasons = dict(reasons)


class ChangingFiles(UnreadableFiles):
    """Files changed between the first look at them and the end of reading."""


class Counter:
    """Counts the files of one model under one plan; segments are counted by plans of their own."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: str,
        plan: ScanPlan,
        slicing: Slicing,
        *,
        labels: Mapping[str, NDArray[np.generic]] | None = None,
        label_names: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._plan = plan
        self._slicing = slicing
        self._labels = labels or {}
        self._label_names = label_names or {}
        self._version = version
        self._tables = 0

    def counted(
        self, groups: Sequence[tuple[Sequence[Footer], Split | None]], order: str, tell: Tell, *, fresh: bool
    ) -> CountedFiles:
        """Every file of some groups (files of one source, and the split they belong to if that is given), scanned where it must be.

        `order` names what a row's chunk depends on beside its own file; `fresh` scans everything anew.
        """
        found = CountedFiles()
        keys: dict[str, FileKeys] = {}
        for footers, split in groups:
            for footer in footers:
                keys[footer.file.fingerprint] = self._keys(footer, order, split)
        known = {} if fresh else self._cache.get(key for some in keys.values() for key in (some[0],))
        present = set() if fresh else self._cache.present(key for some in keys.values() for key in some[1:] if key)
        for footers, split in groups:
            missing = [
                footer for footer in footers if not self._is_counted(keys[footer.file.fingerprint], known, present)
            ]
            scanned = list(footers) if missing and self.by_order else missing
            self._scan(scanned, split, keys, tell)
            found.rows_scanned += sum(footer.rows for footer in scanned)
        indices = self._cache.get(some[0] for some in keys.values())
        for file, (index, features, outcomes, signals) in keys.items():
            found.records[file] = msgspec.json.decode(indices[index], type=tuple[PartRecord, ...])
            found.features[file] = features
            if outcomes:
                found.outcomes[file] = outcomes
            if signals:
                found.signals[file] = signals
        return found

    def _keys(self, footer: Footer, order: str, split: Split | None) -> FileKeys:
        """Cache keys of a file."""
        file, prefix = footer.file.fingerprint, f"{self._model}:"
        order = f"{order}:{split or 'both'}"
        features = f"{prefix}F:{self._plan.feature_digest}:{order}:{file}"
        outcomes = signals = ""
        labels = self._label_names.get(file, "")
        if self._plan.outcome is not None:
            outcomes = f"{prefix}O:{self._plan.outcome_digest}:{order}:{file}:{labels}"
        if self._plan.signals is not None:
            signals = (
                f"{prefix}S:{self._plan.signal_digest}:{order}:{file}:{labels if self._plan.signals.label else ''}"
            )
        return f"{prefix}I:{self._plan.feature_digest}:{order}:{file}", features, outcomes, signals

    @staticmethod
    def _is_counted(keys: FileKeys, known: Mapping[str, bytes], present: set[str]) -> bool:
        return keys[0] in known and all(key in present for key in keys[1:] if key)

    def _scan(self, footers: Sequence[Footer], split: Split | None, keys: Mapping[str, FileKeys], tell: Tell) -> None:
        """Scans files and keeps what they hold."""
        if not footers:
            return
        for batch in self.batches(footers, split):
            self._scan_batch(batch, keys)
            tell(batch.rows)

    @property
    def by_order(self) -> bool:
        """Whether the place of a row among all rows decides its chunk."""
        return self._slicing.periods is None

    def batches(self, footers: Sequence[Footer], split: Split | None) -> list[Batch]:
        """Files cut into parts; of chunks that go by order, all files of a source must be given."""
        if self.by_order:
            return batches_by_order(self._connection, footers, self._slicing, split)
        return batches_of(self._connection, footers, self._slicing, split)

    @contextmanager
    def opened(self, batch: Batch) -> Iterator[Source]:
        """A batch with its labels as something to query."""
        import numpy as np

        from mlops_desk.aggregates.source import source

        self._tables += 1
        name = f"side_{self._tables}"
        labels = None
        if any(footer.file.fingerprint in self._labels for footer in batch.footers):
            labels = np.concatenate([self._labels[footer.file.fingerprint] for footer in batch.footers])
        scanned = source(self._connection, batch, self._plan, name, labels)
        try:
            yield scanned
        finally:
            if scanned.positional:
                self._connection.drop(name)

    def _scan_batch(self, batch: Batch, keys: Mapping[str, FileKeys]) -> None:
        """Scans one batch of files and keeps what each of them holds."""
        from mlops_desk.aggregates.outcomes import scan_outcomes
        from mlops_desk.aggregates.scan import scan_features
        from mlops_desk.aggregates.signal_scan import scan_signals
        from mlops_desk.aggregates.source import by_part

        outcomes: list[dict[str | None, Any]] = [{} for _ in batch.parts]
        signals: list[dict[str | None, Any]] = [{} for _ in batch.parts]
        with self.opened(batch) as scanned:
            time = nanoseconds_sql(self._slicing, batch.footers[0], "log.")
            features = by_part(scan_features(scanned, time), batch)
            if self._plan.outcome is not None:
                outcomes = by_part(scan_outcomes(scanned, self._plan.outcome), batch)
            if self._plan.signals is not None:
                signals = by_part(scan_signals(scanned, self._plan.signals, time), batch)
        self._keep(batch, features, (outcomes, signals), keys)

    def _keep(
        self,
        batch: Batch,
        features: Sequence[Mapping[str | None, FeatureTables]],
        others: Sequence[Sequence[Mapping[str | None, Any]]],
        keys: Mapping[str, FileKeys],
    ) -> None:
        """Keeps the tables of a batch's parts by file; `others` are outcomes and signals."""
        bodies = {}
        for file, indices in parts_by_file(batch).items():
            index_key, *body_keys = keys[file]
            records = []
            for index in indices:
                part = batch.parts[index]
                whole = list(features[index].values())
                rows = sum(one.rows for one in whole)
                first = min((one.first for one in whole if one.first is not None), default=None)
                last = max((one.last for one in whole if one.last is not None), default=None)
                if rows:
                    versions = self._versions(whole)
                    records.append(PartRecord(part.split.value, part.number, rows, first, last, versions))
            bodies[index_key] = msgspec.json.encode(records)
            for key, tables in zip(body_keys, (features, *others), strict=True):
                if key:
                    bodies[key] = body_of(batch, indices, tables)
        self._cache.put(bodies)

    def _versions(self, tables: Sequence[FeatureTables]) -> tuple[str, ...]:
        """The versions of the model that the rows of a part name."""
        found = [one.categorical.get(self._version or "") for one in tables]
        return tuple(sorted({name for table in found if table is not None for name in table.categories}))

    def features(
        self, found: CountedFiles, chunks: Mapping[ChunkId, Sequence[str]]
    ) -> dict[ChunkId, dict[str, FeatureTables]]:
        """The features' half of some chunks by segment value (empty for all rows)."""
        return merged(self._cache, found.features, chunks)

    def outcomes(
        self, found: CountedFiles, chunks: Mapping[ChunkId, Sequence[str]]
    ) -> dict[ChunkId, dict[str, OutcomeTables]]:
        """The outcomes' half of some chunks by segment value (empty for all rows)."""
        return merged(self._cache, found.outcomes, chunks)

    def signals(
        self, found: CountedFiles, chunks: Mapping[ChunkId, Sequence[str]]
    ) -> dict[ChunkId, dict[str, SignalTables]]:
        """The signals of some chunks by segment value (empty for all rows)."""
        return merged(self._cache, found.signals, chunks)


def batches_for(
    connection: Connection, footers: Sequence[Footer], slicing: Slicing, split: Split | None
) -> list[Batch]:
    """Files as batches of parts, whatever rule cuts them; by size and number all files of a source must be there."""
    by_order = slicing.periods is None
    return (batches_by_order if by_order else batches_of)(connection, footers, slicing, split)


def merged(
    cache: Cache, keys: Mapping[str, str], chunks: Mapping[ChunkId, Sequence[str]]
) -> dict[ChunkId, dict[str, Any]]:
    """Tables of chunks by segment value, their files' added together; bodies are read a file at a time by their cache keys."""
    pieces: dict[ChunkId, dict[str, list[Any]]] = {chunk: {} for chunk in chunks}
    wanted: dict[str, list[ChunkId]] = {}
    for chunk, files in chunks.items():
        for file in files:
            if file in keys:
                wanted.setdefault(file, []).append(chunk)
    for file, some in wanted.items():
        body = unpacked(cache.get([keys[file]])[keys[file]])
        for chunk in some:
            for segment, tables in body.get(f"{chunk[0].value}:{chunk[1]}", {}).items():
                pieces[chunk].setdefault(segment, []).append(tables)
    return {chunk: {segment: together(some) for segment, some in found.items()} for chunk, found in pieces.items()}


def body_of(batch: Batch, indices: Sequence[int], tables: Sequence[Mapping[str | None, Any]]) -> bytes:
    """The tables of some of a batch's parts as the body of a file."""
    return packed({_name(batch, index): _named(tables[index]) for index in indices})


def parts_by_file(batch: Batch) -> dict[str, list[int]]:
    """Indices of the parts of each file of a batch, by fingerprint."""
    by_file: dict[str, list[int]] = {footer.file.fingerprint: [] for footer in batch.footers}
    for index, part in enumerate(batch.parts):
        by_file[part.footer.file.fingerprint].append(index)
    return by_file


def _name(batch: Batch, index: int) -> str:
    part = batch.parts[index]
    return f"{part.split.value}:{part.number}"


def _named(tables: Mapping[str | None, Any]) -> dict[str, Any]:
    return {segment or "": one for segment, one in tables.items()}
