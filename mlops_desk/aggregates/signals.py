"""What is counted of a slice for metrics that are of no single feature, as plain numbers that add. Nothing here imports scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Sums = tuple[float | None, ...]
"""Of the terms of one expression; None where no row has a value."""


def added_sums(left: Sums, right: Sums) -> Sums:
    """The sums of both slices' rows."""
    pairs = zip(left, right, strict=True)
    return tuple(b if a is None else a if b is None else a + b for a, b in pairs)


@dataclass(frozen=True, kw_only=True)
class SignalTables:
    """Signals of a slice.

    Attributes
    ----------
    rows : of the slice. sums : by business metric, the sums that its value is made of.
    labelled_last : nanoseconds since 1970 of the newest labelled row, None without one or where nobody asks.
    """

    rows: int
    sums: Mapping[str, Sums] = field(default_factory=dict)
    labelled_last: int | None = None

    def __add__(self, other: SignalTables) -> SignalTables:
        """The signals of both slices' rows."""
        sums = {name: added_sums(own, other.sums[name]) for name, own in self.sums.items() if name in other.sums}
        return SignalTables(
            rows=self.rows + other.rows,
            sums={**self.sums, **other.sums, **sums},
            labelled_last=max((t for t in (self.labelled_last, other.labelled_last) if t is not None), default=None),
        )
