"""The tables of a whole reference, added from those of its chunks: kept in the cache for one that stays, added up chunk by chunk for one that grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables, together
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.extras import Tally
from mlops_desk.warehouse.cache import Cache

Features = Mapping[ChunkId, Mapping[str, FeatureTables]]
Outcomes = Mapping[ChunkId, Mapping[str, OutcomeTables]]
"""Tables by chunk and segment value (empty for all rows)."""
Whole = dict[str, tuple[FeatureTables, OutcomeTables | None]]
"""The tables of the reference by segment value."""


class WholeReferences:
    """Adds the references of one model; `fresh` adds all anew."""

    def __init__(self, cache: Cache, model: str, *, fresh: bool) -> None:
        self._cache = cache
        self._model = model
        self._fresh = fresh
        self._known: dict[str, Whole] = {}
        self._latest: dict[str | None, tuple[str, tuple[ChunkId, ...], Whole]] = {}

    def of(self, tally: Tally, of_chunks: Callable[[], tuple[Features, Outcomes]]) -> Whole:
        """The tables of a tally's reference; `of_chunks` gives those of its chunks, and is only asked where they are needed."""
        if tally.moves:
            return self._moved(tally, of_chunks)
        known = self._known.get(tally.reference_name)
        if known is None:
            known = self._known[tally.reference_name] = self._kept(tally, of_chunks)
        return known

    def _kept(self, tally: Tally, of_chunks: Callable[[], tuple[Features, Outcomes]]) -> Whole:
        """The tables from the cache, or added from those of the chunks."""
        key = f"{self._model}:R:{tally.reference_name}"
        body = None if self._fresh else self._cache.get([key]).get(key)
        if body is None:
            whole = _added({}, *of_chunks())
            self._cache.put({key: packed(whole)})
            return whole
        restored: Whole = unpacked(body)
        return restored

    def _moved(self, tally: Tally, of_chunks: Callable[[], tuple[Features, Outcomes]]) -> Whole:
        """The tables of a chunk's own reference; where it is the one before and later chunks, these are added to that one."""
        wanted = tuple(sorted(tally.reference))
        name, chunks, whole = self._latest.get(tally.plan.segment, ("", (), {}))
        if name == tally.reference_name:
            return whole
        features, outcomes = of_chunks()
        more = wanted
        if wanted[: len(chunks)] == chunks:
            more = wanted[len(chunks) :]
        else:
            whole = {}
        whole = _added(
            whole, {one: features[one] for one in more}, {one: outcomes[one] for one in more if one in outcomes}
        )
        self._latest[tally.plan.segment] = (tally.reference_name, wanted, whole)
        return whole


def _added(whole: Whole, features: Features, outcomes: Outcomes) -> Whole:
    """Tables of the reference with those of more chunks."""
    names = dict.fromkeys((*whole, *(name for found in features.values() for name in found)))
    added: Whole = {}
    for name in names:
        before, labels_before = whole.get(name, (None, None))
        own = [found[name] for found in features.values() if name in found]
        labels = [found[name] for found in outcomes.values() if name in found]
        own = own if before is None else [before, *own]
        labels = labels if labels_before is None else [labels_before, *labels]
        added[name] = (together(own), together(labels) if labels else None)
    return added
