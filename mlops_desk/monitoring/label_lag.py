"""How far labels lag behind the log: up to which row there are labels at the end of each chunk.

The front of a chunk is the time of the newest labelled row in it or in an earlier chunk of its split; the lag is how much older the front is
than the chunk's newest row. So labels of an earlier chunk that arrive late move the fronts of later ones, which are then measured again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from mlops_desk.aggregates.numbering import Slicing
from mlops_desk.domain.metric import Family, Measurement
from mlops_desk.domain.monitor import Monitor
from mlops_desk.metrics import quality
from mlops_desk.monitoring.chunking import moment
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.monitoring.requests import LABEL_LAG, asks_for
from mlops_desk.warehouse.cache import Cache

Fronts = Mapping[ChunkId, int | None]
"""Nanoseconds since 1970 by chunk, None where no row up to its end has a label."""


def asks_for_lag(monitors: Sequence[Monitor]) -> bool:
    """Whether a monitor asks for it."""
    return any(asks_for(monitor, LABEL_LAG, Family.DATA_QUALITY) for monitor in monitors)


def label_fronts(
    cache: Cache, model: str, counter: Counter, files: CountedFiles, by_chunk: Mapping[ChunkId, Sequence[str]]
) -> dict[ChunkId, int | None]:
    """The front of every chunk; what a chunk's own rows say is kept until its files or labels change."""
    keys = {
        chunk: f"{model}:LF:{chunk[0].value}:{chunk[1]}:{files.chunk_fingerprint(own)}"
        for chunk, own in by_chunk.items()
    }
    known = cache.get(keys.values())
    missing = {chunk: by_chunk[chunk] for chunk, key in keys.items() if key not in known}
    found = {chunk: msgspec.json.decode(known[key], type=int | None) for chunk, key in keys.items() if key in known}
    for chunk, segments in counter.signals(files, missing).items():
        times = [tables.labelled_last for tables in segments.values() if tables.labelled_last is not None]
        found[chunk] = max(times, default=None)
    cache.put({keys[chunk]: msgspec.json.encode(found[chunk]) for chunk in missing})
    fronts: dict[ChunkId, int | None] = {}
    before: ChunkId | None = None
    for chunk in sorted(found):
        earlier = fronts[before] if before is not None and before[0] is chunk[0] else None
        fronts[chunk] = max((time for time in (earlier, found[chunk]) if time is not None), default=None)
        before = chunk
    return fronts


def label_lag(front: int | None, last: int | None, slicing: Slicing) -> Measurement:
    """Hours from a chunk's front to its newest row."""
    newest, labelled = (None if time is None else moment(time, slicing) for time in (last, front))
    return quality.label_lag_hours(newest, labelled)
