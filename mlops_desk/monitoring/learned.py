"""What things that were fitted on the reference say of the rows of chunks and their segments, ready to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

from msgspec import Struct, field

from mlops_desk.aggregates.sums import RowSums
from mlops_desk.domain.metric import Measurement
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.direct_loss import LossEstimator
from mlops_desk.metrics.separability import NO_DRIFT
from mlops_desk.monitoring.counting import ChunkId

BySegment = dict[str, RowSums]
"""Sums by segment value, the empty name for all rows."""


class Learned(Struct, frozen=True, kw_only=True):
    """What fitted things say of the rows of a slice.

    Attributes
    ----------
    errors : what the projection loses of each row, None where nobody asks or no row says anything. no_projection : why there is none.
    separability : how well the rows can be told from the reference; None for a segment.
    losses : what the estimator of a regression's losses expects of each row. estimator : None for other models.
    """

    errors: RowSums | None = None
    no_projection: str | None = None
    separability: Measurement | None = None
    losses: RowSums | None = None
    estimator: LossEstimator | None = None


NOTHING_LEARNED = Learned()


class LearnedChunks(Struct, frozen=True, kw_only=True):
    """What fitted things say of chunks and their segments."""

    errors: Mapping[ChunkId, BySegment] = field(default_factory=dict)
    no_projection: str | None = None
    separability: Mapping[ChunkId, Measurement] = field(default_factory=dict)
    losses: Mapping[ChunkId, BySegment] = field(default_factory=dict)
    estimator: LossEstimator | None = None

    def of(self, chunk: ChunkId, segment: str) -> Learned:
        """What they say of a chunk, or a segment of it."""
        return Learned(
            errors=self.errors.get(chunk, {}).get(segment),
            no_projection=self.no_projection,
            separability=self.separability.get(chunk),
            losses=self.losses.get(chunk, {}).get(segment),
            estimator=self.estimator,
        )

    def reference(self, segment: str) -> Learned:
        """What they say of the whole reference, or a segment of it."""
        return Learned(
            errors=_reference_sums(self.errors, segment),
            no_projection=self.no_projection,
            separability=Measurement(NO_DRIFT) if self.separability else None,
            losses=_reference_sums(self.losses, segment),
            estimator=self.estimator,
        )


def _reference_sums(sums: Mapping[ChunkId, BySegment], segment: str) -> RowSums | None:
    """The sums over all reference chunks."""
    found = [own[segment] for (split, _), own in sums.items() if split is Split.REFERENCE and segment in own]
    return reduce(add, found) if found else None
