"""A sample of a slice's rows that depends on nothing but the rows: those with the lowest keys, which are hashes of what each row holds."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import Counts, Floats


class RowSample(Struct, frozen=True, kw_only=True):
    """At most `size` rows of a slice, those with the lowest keys.

    Attributes
    ----------
    keys : (n,) ascending. matrix : (n, d) the rows. chunks : (n,) number of each row's chunk.
    extras : (n, m) further numbers of each row (prediction and target, where asked).
    """

    size: int
    keys: Counts
    matrix: Floats
    chunks: Counts
    extras: Floats

    def __add__(self, other: RowSample) -> RowSample:
        """The sample of both slices' rows."""
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")[: self.size]
        return RowSample(
            size=self.size,
            keys=keys[order],
            matrix=np.concatenate([self.matrix, other.matrix])[order],
            chunks=np.concatenate([self.chunks, other.chunks])[order],
            extras=np.concatenate([self.extras, other.extras])[order],
        )

    def without(self, chunk: int) -> RowSample:
        """The rows of all other chunks."""
        there = self.chunks != chunk
        return RowSample(
            size=self.size,
            keys=self.keys[there],
            matrix=self.matrix[there],
            chunks=self.chunks[there],
            extras=self.extras[there],
        )
