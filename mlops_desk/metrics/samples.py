"""Reference and chunks laid out on common ascending entries: the ground that the two-sample metrics stand on.

An entry is a distinct value, or a cell of which only count, mean, squares and bounds are known on either side; bounds need not be values
that occur. Cells follow one another, but within a cell the order of the two sides' rows is unknown unless their bounds keep apart.
Arrays of the reference are (c,), those of the chunks (c,) where exact (one chunk at a time, for each has entries of its own) and (m, c)
of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.metrics.series import Floats

Flags = NDArray[np.bool_]
VALUE_ROUNDING = 2e-15
"""Share of a value by which its double, or a mean of doubles like it, may be off."""
SQUARES_ROUNDING = 1e-12
"""Share of a sum of squares that its rounding may take."""


def spread(table: ValueTable) -> float:
    """Population standard deviation of the finite values."""
    return math.sqrt(table.deviation_squares / table.n)


def doubt_of_spread(table: ValueTable) -> float:
    """Share by which the rounding of values far from zero may move their standard deviation; 0 where exact."""
    own = 0.0 if table.exact else spread(table)
    return VALUE_ROUNDING * max(abs(table.lowest), abs(table.highest)) / own if own > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class Side:
    """Rows of one side by entry.

    Attributes
    ----------
    counts : rows of each entry, 0 where the side has none there; whole numbers as floats.
    means, lowers, uppers : of the rows of each entry, 0 where there are none; all three the entry's value where exact.
    spreads : upper bound of Σ|x - mean| over the rows of each entry; None where exact.
    """

    counts: Floats
    means: Floats
    lowers: Floats
    uppers: Floats
    spreads: Floats | None = None

    @cached_property
    def n(self) -> Floats:
        """(…, 1) rows."""
        return np.asarray(self.counts.sum(axis=-1, keepdims=True))

    @cached_property
    def through(self) -> Floats:
        """Rows up to and including each entry."""
        return np.cumsum(self.counts, axis=-1)

    @cached_property
    def before(self) -> Floats:
        """Rows before each entry."""
        return np.asarray(self.through - self.counts)

    @cached_property
    def share_through(self) -> Floats:
        """The distribution function at the end of each entry."""
        return np.asarray(self.through / self.n)

    @cached_property
    def share_before(self) -> Floats:
        """The distribution function before each entry."""
        return np.asarray(self.before / self.n)


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Both sides on common entries."""

    reference: Side
    chunk: Side
    exact: bool

    @cached_property
    def both(self) -> Flags:
        """Entries with rows of both sides."""
        return np.asarray((self.reference.counts > 0) & (self.chunk.counts > 0))

    @cached_property
    def reference_first(self) -> Flags:
        """Cells in which every row of the reference lies strictly below every row of the chunk."""
        return np.asarray(self.both & (self.reference.uppers < self.chunk.lowers))

    @cached_property
    def chunk_first(self) -> Flags:
        """Cells in which every row of the chunk lies strictly below every row of the reference."""
        return np.asarray(self.both & (self.chunk.uppers < self.reference.lowers))

    @cached_property
    def tied(self) -> Flags:
        """Entries in which all rows of both sides have one and the same value."""
        one_value = (self.reference.lowers == self.reference.uppers) & (self.chunk.lowers == self.chunk.uppers)
        return np.asarray(self.both & one_value & (self.reference.lowers == self.chunk.lowers))

    @cached_property
    def unordered(self) -> Flags:
        """Cells in which the order of the rows is unknown."""
        return np.asarray(self.both & ~self.reference_first & ~self.chunk_first & ~self.tied)


def samples(reference: ValueTable, chunks: Sequence[ValueTable]) -> Iterator[Samples]:
    """One layout a chunk where the tables are exact, one of all chunks where they hold cells."""
    if reference.exact:
        yield from (_exact(reference, chunk) for chunk in chunks)
    else:
        yield _of_cells(reference, chunks)


def _exact(reference: ValueTable, chunk: ValueTable) -> Samples:
    both = np.concatenate([reference.values, chunk.values])
    order = np.argsort(both, kind="stable")  # merges two ascending runs in one pass
    ascending = both[order]
    last = np.empty(len(both), dtype=bool)
    last[-1] = True
    np.not_equal(ascending[1:], ascending[:-1], out=last[:-1])
    values = ascending[last]
    of_reference = order < len(reference.values)
    sides = []
    for table, flags in ((reference, of_reference), (chunk, ~of_reference)):
        through = table.cumulative[np.cumsum(flags)[last]]
        sides.append(
            Side(counts=np.diff(through, prepend=0).astype(np.float64), means=values, lowers=values, uppers=values)
        )
    return Samples(reference=sides[0], chunk=sides[1], exact=True)


def _of_cells(reference: ValueTable, chunks: Sequence[ValueTable]) -> Samples:
    tables = [reference, *chunks]
    numbers = np.concatenate([table.cells for table in tables])
    cells, columns = np.unique(numbers, return_inverse=True)
    rows = np.repeat(np.arange(len(tables)), [len(table.counts) for table in tables])
    arrays = {}
    for name, field in (
        ("counts", "counts"),
        ("means", "values"),
        ("lowers", "lowers"),
        ("uppers", "uppers"),
        ("squares", "squares"),
    ):
        matrix = np.zeros((len(tables), len(cells)))
        matrix[rows, columns] = np.concatenate([getattr(table, field) for table in tables])
        arrays[name] = matrix
    arrays["spreads"] = _spreads(**arrays)
    del arrays["squares"]
    return Samples(
        reference=Side(**{name: matrix[0] for name, matrix in arrays.items()}),
        chunk=Side(**{name: matrix[1:] for name, matrix in arrays.items()}),
        exact=False,
    )


def _spreads(counts: Floats, means: Floats, lowers: Floats, uppers: Floats, squares: Floats) -> Floats:
    """Greatest Σ|x - mean| of rows with this mean, these bounds and about this sum of squares around the mean.

    The sums of squares were taken around some value between all rows and lost as much as rounding takes from squares of that distance.
    """
    present = counts > 0
    least, greatest = means[present].min(), means[present].max()
    distance = np.maximum(means - least, greatest - means)
    width = uppers - lowers
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        by_bounds = 2.0 * counts * (means - lowers) * ((uppers - means) / width)
        by_squares = np.sqrt(counts * (np.maximum(squares, 0.0) + SQUARES_ROUNDING * counts * distance**2))
    both = np.minimum(np.where(np.isfinite(by_bounds), by_bounds, np.inf), by_squares)
    return np.where(present & (width > 0), both, 0.0)
