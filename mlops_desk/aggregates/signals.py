"""What is counted of a slice for metrics that are of no single feature, as plain numbers that add. Nothing here imports scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct, field

from mlops_desk.aggregates.tables import Counts

Sums = tuple[float | None, ...]
"""Of the terms of one expression; None where no row has a value."""
NO_OUTCOME = 0
"""The code of rows without a prediction."""


def added_sums(left: Sums, right: Sums) -> Sums:
    """The sums of both slices' rows."""
    pairs = zip(left, right, strict=True)
    return tuple(b if a is None else a if b is None else a + b for a, b in pairs)


class RowGroups(Struct, frozen=True, kw_only=True):
    """Which values rows have, how often, and with which outcome.

    Attributes
    ----------
    hashes : (k,) of values, ascending. outcomes : (k,) codes, ascending within a value; every pair once. counts : (k,) rows of each pair.
    """

    hashes: Counts
    outcomes: Counts
    counts: Counts

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """How many values differ."""
        return len(np.unique(self.hashes))

    def __add__(self, other: RowGroups) -> RowGroups:
        """The values of both slices' rows."""
        columns = (
            np.concatenate([getattr(one, name) for one in (self, other)]) for name in ("hashes", "outcomes", "counts")
        )
        return row_groups(*columns)


def row_groups(hashes: Counts, outcomes: Counts, counts: Counts) -> RowGroups:
    """Groups of values and outcomes in any order, pairs that occur twice added."""
    order = np.lexsort((outcomes, hashes))
    hashes, outcomes, counts = hashes[order], outcomes[order], counts[order]
    first = np.ones(len(hashes), dtype=np.bool_)
    first[1:] = (hashes[1:] != hashes[:-1]) | (outcomes[1:] != outcomes[:-1])
    starts = np.flatnonzero(first)
    totals = np.add.reduceat(counts, starts) if len(starts) else counts
    return RowGroups(hashes=hashes[starts], outcomes=outcomes[starts], counts=totals.astype(np.int64))


class SignalTables(Struct, frozen=True, kw_only=True):
    """Signals of a slice.

    Attributes
    ----------
    rows : of the slice. sums : by business metric, the sums that its value is made of.
    labelled_last : nanoseconds since 1970 of the newest labelled row, None without one or where nobody asks.
    hits, judged : by metric of a share, the rows that count and those that they are a share of.
    rounded : rows after rounding, with their predictions. requesters : rows by requester. Both None where nobody asks.
    """

    rows: int
    sums: Mapping[str, Sums] = field(default_factory=dict)
    labelled_last: int | None = None
    hits: Mapping[str, int] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)
    rounded: RowGroups | None = None
    requesters: RowGroups | None = None

    def __add__(self, other: SignalTables) -> SignalTables:
        """The signals of both slices' rows."""
        sums = {name: added_sums(own, other.sums[name]) for name, own in self.sums.items() if name in other.sums}
        return SignalTables(
            rows=self.rows + other.rows,
            sums={**self.sums, **other.sums, **sums},
            labelled_last=max((t for t in (self.labelled_last, other.labelled_last) if t is not None), default=None),
            hits=_added(self.hits, other.hits),
            judged=_added(self.judged, other.judged),
            rounded=_either(self.rounded, other.rounded),
            requesters=_either(self.requesters, other.requesters),
        )


def _added(left: Mapping[str, int], right: Mapping[str, int]) -> dict[str, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def _either(left: RowGroups | None, right: RowGroups | None) -> RowGroups | None:
    return right if left is None else left if right is None else left + right
