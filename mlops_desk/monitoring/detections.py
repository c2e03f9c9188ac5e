"""Where drift detectors signalled: positions in the stream of errors, and as the archive keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from mlops_desk.aggregates.numbering import Slicing
from mlops_desk.domain.metric import Detection, MetricValue
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.detectors import DETECTORS, Detected
from mlops_desk.monitoring.chunking import moment
from mlops_desk.monitoring.counting import ChunkId


class Position(Struct, frozen=True, kw_only=True):
    """A row at which a detector found drift, or entered its warning zone (group `warning`).

    Attributes
    ----------
    row, stream_row : 0-based among the labelled rows of the chunk, and of the stream. time : nanoseconds since 1970, None without timestamps.
    """

    metric: str
    group: str | None
    row: int
    stream_row: int
    time: int | None


class ChunkDetections(Struct, frozen=True, kw_only=True):
    """What detectors found in a chunk, or a segment of it."""

    found: Mapping[str, Detected]
    positions: tuple[Position, ...]


class Detections(Struct, frozen=True, kw_only=True):
    """What detectors found in chunks by segment value (empty for all rows), or by metric why they found nothing."""

    chunks: Mapping[ChunkId, Mapping[str, ChunkDetections]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def of(self, chunk: ChunkId, segment: str) -> ChunkDetections | None:
        """What they found in a chunk, or a segment of it."""
        return self.chunks.get(chunk, {}).get(segment)


Places = Mapping[tuple[str | None, str], Sequence[Position]]
"""Positions by segment (`column=value`, None for all rows) and key of the analysis chunk."""


def kept_detections(values: Iterable[MetricValue], places: Places, slicing: Slicing) -> Iterator[Detection]:
    """The positions behind the values of detectors, of which those that are untested have none."""
    for value in values:
        key = value.key
        is_one = key.metric in DETECTORS and value.split == Split.ANALYSIS.value
        if not is_one or value.measurement.value is None:
            continue
        for one in places.get((key.segment, value.chunk_key), ()):
            if (one.metric, one.group) == (key.metric, key.group):
                yield Detection(
                    key=key,
                    split=value.split,
                    chunk_key=value.chunk_key,
                    row=one.row,
                    stream_row=one.stream_row,
                    at=None if one.time is None else moment(one.time, slicing),
                )
