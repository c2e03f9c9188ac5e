"""Bins of a column, and how many rows of the reference and of each chunk fall into them.

Numeric bins are left-closed, [a, b), with open ends; a bin of a cell table begins where a cell begins. Categories are bins as they are,
in an order that means nothing: first those of the reference, then, chunk by chunk, those that the reference does not have. A column of
the chunk matrix beyond the reference's categories therefore names different categories in different rows; no metric of shares minds.

Where rows have weights, bins are still those of the reference's rows, and what falls into them is counted by weight, scaled to the effective rows of
each table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Amounts, CategoryTable, Counts, ValueTable
from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.series import TOO_LARGE, Floats

FINE_BINS = 256
"""Quantile bins of an exact column that stand for its distribution function."""
MOST_CATEGORIES = 1000
"""A column with more categories keeps the reference's most frequent; the others are one bin."""
FEW_VALUES = 20
"""Evidently takes a numeric reference with at most this many distinct values as categories."""
SAME_HALF = 1e-12
"""By such a share of it, the rounding of sums may miss half of all weights."""
ONE_BIN = "the reference's quantiles are all one value, so there is one bin only"
ONE_CELL = "the reference lies within one cell, so there is one bin only: it asks for exact = true"


class NoBins(ValueError):
    """A column has no bins under this definition, and why."""


class Binned(NamedTuple):
    """Rows by bin.

    Attributes
    ----------
    reference : (k,). chunks : (m, k).
    positions : (k,) mean value of each bin's rows, in the unit of the metric, where the bins stand for the distribution function, else None.
    spread : (k,) whether such a bin holds several values among which a distribution function still moves, else None.
    """

    reference: Amounts
    chunks: Amounts
    positions: Floats | None = None
    spread: NDArray[np.bool_] | None = None


def order_statistics(table: ValueTable, ranks: Counts) -> Floats:
    """The values at these 0-based ranks of an exact table's rows in ascending order."""
    return table.values[np.searchsorted(table.cumulative, ranks, side="right") - 1]


def middle_entries(reached: Floats | Amounts) -> list[int]:
    """The entries of the two middle rows, given (k,) rows (or weights) up to and including each; the same where one row is in the middle."""
    half = float(reached[-1]) / 2
    lower = int(np.searchsorted(reached, half * (1 - SAME_HALF), side="left"))
    upper = int(np.searchsorted(reached, half * (1 + SAME_HALF), side="right"))
    return [lower, min(upper, len(reached) - 1)]


def quantiles(table: ValueTable, levels: Floats) -> Floats:
    """Quantiles of an exact table by linear interpolation between order statistics (numpy's default, bit for bit)."""
    places = (table.n - 1) * levels
    below = np.floor(places).astype(np.int64)
    left = order_statistics(table, below)
    right = order_statistics(table, np.minimum(below + 1, table.n - 1))
    share = places - below
    return np.where(share < 0.5, left + (right - left) * share, right - (right - left) * (1 - share))


def quantile_edges(reference: ValueTable, parts: int) -> Floats | Counts:
    """Inner edges of the reference's `parts` quantile bins, ascending, ties merged; at most parts - 1, none if one value has it all.

    Of a cell table an edge is the number of the cell that begins at the cell border next to the quantile.
    """
    levels = np.arange(1, parts) / parts
    if reference.cells is None:
        edges = np.unique(quantiles(reference, levels))
        return np.asarray(edges[edges > reference.values[0]], dtype=np.float64)
    borders = reference.cumulative[1:-1]
    if len(borders) == 0:
        return np.zeros(0, dtype=np.int64)
    targets = levels * reference.n
    right = np.minimum(np.searchsorted(borders, targets), len(borders) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(targets - borders[left] <= borders[right] - targets, left, right)
    return np.unique(reference.cells[1:][nearest])


def counts_by_edges(table: ValueTable, edges: Floats | Counts) -> Amounts:
    """(len(edges) + 1,) rows of each left-closed bin with open ends."""
    keys = table.values if table.cells is None else table.cells
    at_edges = table.cumulative[np.searchsorted(keys, edges)]
    counts = np.empty(len(edges) + 1, dtype=table.counts.dtype)
    counts[:-1] = at_edges
    counts[-1] = table.n
    counts[1:] -= at_edges
    return counts


def quantile_bins(reference: ValueTable, chunks: Sequence[ValueTable], parts: int) -> Binned:
    """Rows by the reference's quantile bins; raises NoBins saying why where there is one bin only."""
    edges = quantile_edges(reference, parts)
    if len(edges) == 0:
        raise NoBins(ONE_BIN if reference.exact else ONE_CELL)
    counts = np.empty((len(chunks), len(edges) + 1), dtype=np.int64 if reference.weighted is None else np.float64)
    for row, chunk in zip(counts, chunks, strict=True):
        row[:] = counts_by_edges(chunk.effective, edges)
    return Binned(counts_by_edges(reference.effective, edges), counts)


def fine_bins(reference: ValueTable, chunks: Sequence[ValueTable], unit: float = 1.0) -> Binned:
    """Rows by cell, or by the finest quantile bins of an exact reference, with their positions in `unit`s.

    Raises NoBins saying why where there is one bin only.
    """
    tables = [reference, *chunks]
    if reference.cells is None:
        edges = quantile_edges(reference, FINE_BINS)
        starts = np.concatenate([[0], np.searchsorted(reference.values, edges)])
        spread = np.diff(starts, append=len(reference.values)) > 1
    else:
        edges = np.unique(np.concatenate([table.cells for table in tables]))[1:]
        spread = np.zeros(len(edges) + 1, dtype=bool)
    if len(edges) == 0:
        raise NoBins(ONE_BIN if reference.exact else ONE_CELL)
    tables = [table.effective for table in tables]
    counts: Amounts = np.array([counts_by_edges(table, edges) for table in tables])
    sums, held = np.array([_sums_by_edges(table, edges) for table in tables]).sum(axis=0), counts.sum(axis=0)
    positions = np.divide(sums, held, out=np.zeros(len(sums)), where=held > 0) / unit
    return Binned(counts[0], counts[1:], positions, spread)


def _sums_by_edges(table: ValueTable, edges: Floats | Counts) -> Floats:
    keys = table.values if table.cells is None else table.cells
    bins = np.searchsorted(edges, keys, side="right")
    return np.bincount(bins, weights=table.values * table.counts, minlength=len(edges) + 1).astype(np.float64)


def histogram(table: ValueTable, edges: Floats) -> Counts:
    """(len(edges) - 1,) rows by bin as numpy.histogram counts: left-closed, the last bin closed, what lies outside left out."""
    places = np.searchsorted(table.values, edges)
    places[-1] = np.searchsorted(table.values, edges[-1], side="right")
    return np.diff(table.cumulative[places])


def _equal_edges(lowest: float, highest: float, width: float) -> Floats:
    """Edges of equal bins as numpy.histogram_bin_edges makes them from an estimated width.

    Raises NoBins where the range is beyond doubles.
    """
    if not math.isfinite(highest - lowest) or not math.isfinite(width):
        raise NoBins(TOO_LARGE)
    if lowest == highest:
        lowest, highest = lowest - 0.5, highest + 0.5
    bins = math.ceil((highest - lowest) / width) if width > 0 else 1
    return np.linspace(lowest, highest, bins + 1)


def sturges_edges(lowest: float, highest: float, n: int) -> Floats:
    """numpy's 'sturges' edges of n values of this range (Sturges, J. Amer. Statist. Assoc. 21, 1926)."""
    return _equal_edges(lowest, highest, (highest - lowest) / (math.log2(n) + 1))


def doane_edges(table: ValueTable) -> Floats:
    """numpy's 'doane' edges of an exact table (Doane, Amer. Statist. 30, 1976)."""
    n, spread = table.n, math.sqrt(table.deviation_squares / table.n)
    width = 0.0
    if n > 2 and spread > 0:
        skewness = float(np.dot(((table.values - table.mean) / spread) ** 3, table.counts)) / n
        of_skewness = math.sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)))
        width = (table.highest - table.lowest) / (1.0 + math.log2(n) + math.log2(1.0 + abs(skewness) / of_skewness))
    return _equal_edges(table.lowest, table.highest, width)


def values_as_categories(reference: ValueTable, chunk: ValueTable) -> Binned:
    """Rows by distinct value of the reference, then those of the chunk's other values one by one."""
    known = reference.values
    place = np.minimum(np.searchsorted(known, chunk.values), len(known) - 1)
    seen = known[place] == chunk.values
    counts = np.zeros(len(known), dtype=np.int64)
    counts[place[seen]] = chunk.counts[seen]
    return _with_unseen(reference.counts, [(counts, chunk.counts[~seen])], pool=False)


def nannyml_bins(reference: ValueTable, chunks: Sequence[ValueTable]) -> Binned:
    """Rows by 'doane' bins of the reference, and in one more bin what lies outside of them."""
    edges = doane_edges(reference)
    inside = np.array([histogram(chunk, edges) for chunk in chunks], dtype=np.int64).reshape(
        len(chunks), len(edges) - 1
    )
    outside = np.array([chunk.n for chunk in chunks], dtype=np.int64) - inside.sum(axis=1)
    return Binned(np.append(histogram(reference, edges), 0), np.column_stack([inside, outside]))


def evidently_bins(reference: ValueTable, chunk: ValueTable) -> Binned:
    """Rows by Evidently's bins of one chunk: 'sturges' over both samples together, or the few values of the reference."""
    if len(reference.values) <= FEW_VALUES:
        return values_as_categories(reference, chunk)
    lowest, highest = min(reference.lowest, chunk.lowest), max(reference.highest, chunk.highest)
    edges = sturges_edges(lowest, highest, reference.n + chunk.n)
    return Binned(histogram(reference, edges), histogram(chunk, edges)[np.newaxis])


def category_bins(convention: Convention, reference: CategoryTable, chunks: Sequence[CategoryTable]) -> Binned:
    """Rows by category; those unseen in the reference one by one, under nannyml in one bin.

    With more than 1,000 categories in reference and chunk together the reference's 1,000 most frequent stay, and the rest is one bin.
    """
    present = np.flatnonzero(reference.counts)
    if len(present) > MOST_CATEGORIES:
        frequent = np.argsort(-reference.counts[present], kind="stable")[:MOST_CATEGORIES]
        present = np.sort(present[frequent])
    place = {reference.categories[index]: column for column, index in enumerate(present.tolist())}
    weighed = reference.effective
    known = reference.counts[present] if weighed is reference else weighed.counts_of([*place])
    rows = []
    for chunk in chunks:
        where = np.array([place.get(category, -1) for category in chunk.categories], dtype=np.int64)
        amounts = chunk.effective.counts
        counts = np.zeros(len(present), dtype=amounts.dtype)
        seen = where >= 0
        counts[where[seen]] = amounts[seen]
        unseen = amounts[~seen]
        unseen = unseen[unseen > 0]
        if len(present) + len(unseen) > MOST_CATEGORIES:
            unseen = unseen.sum(keepdims=True)
        rows.append((counts, unseen))
    pool = convention is Convention.NANNYML
    binned = _with_unseen(known, rows, pool)
    rest = 0 if len(present) == np.count_nonzero(reference.counts) else weighed.n - known.sum()
    if rest == 0:
        return binned
    if binned.reference.shape == known.shape:
        binned = Binned(np.append(known, 0), np.column_stack([binned.chunks, np.zeros_like(binned.chunks[:, :1])]))
    binned.reference[len(known)] = rest
    return binned


def _with_unseen(known: Amounts, rows: Sequence[tuple[Amounts, Amounts]], pool: bool) -> Binned:
    """The matrix of chunks: counts of the known bins, then those of each chunk's own unseen ones, filled up with zeros."""
    width = max((len(unseen) for _, unseen in rows), default=0)
    if pool:
        width = min(width, 1)
    chunks = np.zeros((len(rows), len(known) + width), dtype=known.dtype)
    for row, (counts, unseen) in zip(chunks, rows, strict=True):
        row[: len(known)] = counts
        if pool and len(unseen):
            row[-1] = unseen.sum()
        else:
            row[len(known) : len(known) + len(unseen)] = unseen
    return Binned(np.append(known, np.zeros(width, dtype=known.dtype)), chunks)
