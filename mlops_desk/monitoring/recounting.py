"""Counts the reference and one chunk again under another plan, from the cache of partial aggregates as far as it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import OutcomeTables, together
from mlops_desk.domain.model import Model
from mlops_desk.domain.progress import CancelToken, ProgressSink
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.counting import ChunkId, Counter
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.footers import Footer

Groups = Sequence[tuple[Sequence[Footer], Split | None]]


class Sides(Struct, frozen=True, kw_only=True):
    """The outcomes of the whole reference and of a chunk by segment value (empty for all rows)."""

    reference: dict[str, OutcomeTables]
    chunk: dict[str, OutcomeTables]


class Recount(Struct, frozen=True, kw_only=True):
    """Counts again, by whatever plan, what an explanation compares."""

    connection: Connection
    cache: Cache
    model: Model
    prepared: Prepared
    progress: ProgressSink
    cancel: CancelToken

    def counter(self, plan: ScanPlan) -> Counter:
        """A counter of the model's files under a plan."""
        labelling = self.prepared.labelling
        return Counter(
            self.connection,
            self.cache,
            self.model.id,
            plan,
            self.prepared.slicing,
            labels=None if labelling is None else labelling.labels,
            label_names=None if labelling is None else labelling.labels.names,
        )

    def files_of(self, chunk: ChunkId, *, with_reference: bool = True) -> Groups:
        """The files that have rows of a chunk (and of the reference); all files where the place of a row depends on those before it."""
        prepared = self.prepared
        if prepared.slicing.periods is None:
            return prepared.groups
        files = self.counter(prepared.plan).counted(prepared.groups, prepared.order, lambda _: None, fresh=False)
        names = {
            name
            for ident, some in files.by_chunk().items()
            if ident == chunk or (with_reference and ident[0] is Split.REFERENCE)
            for name in some
        }
        return tuple(
            (tuple(footer for footer in footers if footer.file.fingerprint in names), split)
            for footers, split in prepared.groups
        )

    def sides(self, plan: ScanPlan, groups: Groups, chunk: ChunkId) -> Sides:
        """The outcomes of reference and chunk under a plan."""
        counter, order = self.counter(plan), self.prepared.order
        files = counter.counted(groups, order, lambda _: self.cancel.raise_if_cancelled(), fresh=False)
        wanted = {
            ident: some for ident, some in files.by_chunk().items() if ident[0] is Split.REFERENCE or ident == chunk
        }
        tables = counter.outcomes(files, wanted)
        return Sides(reference=_added(tables, is_reference=True), chunk=_added(tables, is_reference=False))


def _added(tables: Mapping[ChunkId, Mapping[str, OutcomeTables]], *, is_reference: bool) -> dict[str, OutcomeTables]:
    """Tables by segment value, over all chunks of the reference or of the analysis."""
    pieces: dict[str, list[OutcomeTables]] = {}
    for (split, _), found in tables.items():
        if (split is Split.REFERENCE) == is_reference:
            for name, table in found.items():
                pieces.setdefault(name, []).append(table)
    return {name: together(some) for name, some in pieces.items()}
