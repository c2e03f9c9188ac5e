"""Display histograms of columns: a few dozen bins that the reference decides, counted for every chunk, for the window and the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.schema import Kind
from mlops_desk.metrics.binning import quantiles
from mlops_desk.store.distributions import ChunkCounts, Histogram

NUMERIC_BINS = 40
CATEGORIES = 30
FARTHEST = 8e307
"""So far out a bin may begin or end, and still the width of all bins is a number."""
TAIL = 0.002
"""Share of the reference beyond each end of the inner bins; the outermost bins take in what lies beyond."""


def display_histogram(
    column: str,
    reference: ValueTable | CategoryTable,
    tables: Sequence[tuple[str, str, ValueTable | CategoryTable]],
    segment: str | None,
) -> Histogram | None:
    """Counts of a column for (split, chunk key, table) in bins that suit the reference; None where the reference has no value."""
    if reference.n == 0:
        return None
    if isinstance(reference, ValueTable):
        edges = display_edges(reference)
        chunks = tuple(
            ChunkCounts(
                split=split, chunk_key=key, counts=_numeric_counts(table, edges), total=table.total if table.n else 0.0
            )
            for split, key, table in tables
            if isinstance(table, ValueTable)
        )
        return Histogram(column=column, kind=Kind.NUMERIC, edges=tuple(edges.tolist()), chunks=chunks, segment=segment)
    categories = _display_categories(reference, [table for _, _, table in tables if isinstance(table, CategoryTable)])
    counted = tuple(
        ChunkCounts(split=split, chunk_key=key, counts=_category_counts(table, categories))
        for split, key, table in tables
        if isinstance(table, CategoryTable)
    )
    return Histogram(
        column=column, kind=Kind.CATEGORICAL, categories=(*categories, OTHERS), chunks=counted, segment=segment
    )


OTHERS = "…"
"""The bin of all categories that are not shown by name."""


def display_edges(reference: ValueTable) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(k + 1,) ascending edges: equal widths over most of the reference; a value each where it has few whole numbers."""
    lowest, highest = np.clip(quantiles(reference, np.array([TAIL, 1 - TAIL])), -FARTHEST, FARTHEST).tolist()
    whole = reference.values[(reference.values >= lowest) & (reference.values <= highest)]
    if len(whole) <= NUMERIC_BINS and np.all(whole == np.floor(whole)) and highest - lowest < NUMERIC_BINS:
        return np.arange(np.floor(lowest) - 0.5, np.ceil(highest) + 1.0)
    if highest <= lowest:
        half = max(abs(lowest), 1.0) * 0.5
        return np.linspace(lowest - half, highest + half, 4)
    return np.linspace(lowest, highest, NUMERIC_BINS + 1)


def _numeric_counts(table: ValueTable, edges: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[int]:
    """Rows by bin, those beyond the ends in the outermost."""
    bins = np.searchsorted(edges[1:-1], table.values, side="right")
    counted = np.bincount(bins, weights=table.counts, minlength=len(edges) - 1)
    return [int(count) for count in counted]


def _display_categories(reference: CategoryTable, tables: Sequence[CategoryTable]) -> list[str]:
    """The most frequent categories of the reference and of the chunks that it does not have, in falling order."""
    totals: dict[str, int] = dict(zip(reference.categories, reference.counts.tolist(), strict=True))
    first = sorted(totals, key=lambda name: (-totals[name], name))[:CATEGORIES]
    unseen: dict[str, int] = {}
    for table in tables:
        for name, count in zip(table.categories, table.counts.tolist(), strict=True):
            if name not in totals:
                unseen[name] = unseen.get(name, 0) + count
    return first + sorted(unseen, key=lambda name: (-unseen[name], name))[: CATEGORIES // 3]


def _category_counts(table: CategoryTable, categories: Sequence[str]) -> list[int]:
    counts = [int(count) for count in table.counts_of(categories)]
    return [*counts, table.n - sum(counts)]
