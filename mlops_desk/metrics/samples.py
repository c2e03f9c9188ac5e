"""Reference and chunks laid out on common ascending entries: the ground that the two-sample metrics stand on.

An entry is a distinct value, or a cell of which only count, mean, squares and bounds are known on either side; bounds need not be values
that occur. Cells follow one another, but within a cell the order of the two sides' rows is unknown unless their bounds keep apart. How
tight bounds are depends on how rows lie in files, so a value goes by the order that counts, means and squares suggest (`apparent`), which
do not, and an error bound by the order that bounds prove (`certain`).
Arrays of the reference are (c,), those of the chunks (c,) where exact (one chunk at a time, for each has entries of its own) and (m, c)
of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import ValueTable
from mlops_desk.metrics.series import Floats

Flags = NDArray[np.bool_]
VALUE_ROUNDING = 2e-15
"""Share of a value by which its double, or a mean of doubles like it, may be off."""
SQUARES_ROUNDING = 1e-12
"""Share of a sum of squares that its rounding may take."""
MEAN_ROUNDING = 1e-9
"""Share of the distance to the far end of the reference by which means of one and the same value may differ."""


def spread(table: ValueTable) -> float:
    """Population standard deviation of the finite values."""
    return math.sqrt(table.deviation_squares / table.n)


def doubt_of_spread(table: ValueTable) -> float:
    """Share by which the rounding of values far from zero may move their standard deviation; 0 where exact."""
    own = 0.0 if table.exact else spread(table)
    return VALUE_ROUNDING * max(abs(table.lowest), abs(table.highest)) / own if own > 0 else 0.0


class Side(Struct, frozen=True, kw_only=True, dict=True):
    """Rows of one side by entry.

    Attributes
    ----------
    counts : rows of each entry, 0 where the side has none there; whole numbers as floats.
    means, lowers, uppers : of the rows of each entry, 0 where there are none; all three the entry's value where exact.
    spreads : upper bound of Σ|x - mean| over the rows of each entry; None where exact.
    points : whether the squares of an entry are no more than rounding leaves of one value's; None where exact.
    """

    counts: Floats
    means: Floats
    lowers: Floats
    uppers: Floats
    spreads: Floats | None = None
    points: Flags | None = None

    @cached_property
    def one_value(self) -> Flags:
        """Entries whose bounds prove that all rows have one value."""
        return np.asarray(self.lowers == self.uppers)

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


class Order(Struct, frozen=True, kw_only=True):
    """How the two sides' rows lie to each other in entries with rows of both.

    Attributes
    ----------
    reference_first, chunk_first : every row of the one lies strictly below every row of the other. tied : all have one and the same value.
    unknown : none of these can be told. reference_point, chunk_point : the rows of a side have one value.
    """

    reference_first: Flags
    chunk_first: Flags
    tied: Flags
    unknown: Flags
    reference_point: Flags
    chunk_point: Flags


class Samples(Struct, frozen=True, kw_only=True, dict=True):
    """Both sides on common entries; `tolerances` is by how much means of one value may differ, 0 where exact."""

    reference: Side
    chunk: Side
    exact: bool
    tolerances: Floats

    @cached_property
    def both(self) -> Flags:
        """Entries with rows of both sides."""
        return np.asarray((self.reference.counts > 0) & (self.chunk.counts > 0))

    @cached_property
    def certain(self) -> Order:
        """The order that bounds prove."""
        reference, chunk = self.reference, self.chunk
        one_value = reference.one_value & chunk.one_value
        return self._order(
            reference.uppers < chunk.lowers,
            chunk.uppers < reference.lowers,
            one_value & (reference.lowers == chunk.lowers),
            (reference.one_value, chunk.one_value),
        )

    @cached_property
    def apparent(self) -> Order:
        """The order that counts, means and squares suggest: of two sides that seem to have one value each, that of the means."""
        if self.reference.points is None or self.chunk.points is None:
            return self.certain
        points = self.reference.points, self.chunk.points
        ahead = self.chunk.means - self.reference.means
        alone, near = points[0] & points[1], np.abs(ahead) <= self.tolerances
        return self._order(alone & ~near & (ahead > 0), alone & ~near & (ahead < 0), alone & near, points)

    def _order(self, reference_first: Flags, chunk_first: Flags, tied: Flags, points: tuple[Flags, Flags]) -> Order:
        known = reference_first | chunk_first | tied
        return Order(
            reference_first=np.asarray(self.both & reference_first),
            chunk_first=np.asarray(self.both & chunk_first),
            tied=np.asarray(self.both & tied),
            unknown=np.asarray(self.both & ~known),
            reference_point=points[0],
            chunk_point=points[1],
        )


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
    return Samples(reference=sides[0], chunk=sides[1], exact=True, tolerances=np.zeros(1))


def _of_cells(reference: ValueTable, chunks: Sequence[ValueTable]) -> Samples:
    tables = [reference, *chunks]
    numbers = np.concatenate([table.cells for table in tables])
    cells, columns = np.unique(numbers, return_inverse=True)
    rows = np.repeat(np.arange(len(tables)), [len(table.counts) for table in tables])
    arrays: dict[str, NDArray[Any]] = {}
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
    distances = np.maximum(arrays["means"] - reference.values[0], reference.values[-1] - arrays["means"])
    arrays["points"] = arrays.pop("squares") <= SQUARES_ROUNDING * arrays["counts"] * distances**2
    return Samples(
        reference=Side(**{name: matrix[0] for name, matrix in arrays.items()}),
        chunk=Side(**{name: matrix[1:] for name, matrix in arrays.items()}),
        exact=False,
        tolerances=MEAN_ROUNDING * distances[0],
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
