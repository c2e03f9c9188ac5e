"""Tables made from raw values, as the scan makes them from files."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from mlops_desk.aggregates.tables import CategoryTable, ValueTable


def exact_table(values: Any) -> ValueTable:
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    distinct, counts = np.unique(values[finite], return_counts=True)
    return ValueTable(values=distinct, counts=counts.astype(np.int64), missing=int((~finite).sum()))


def cell_table(values: Any, cell_of: Callable[[np.ndarray], np.ndarray]) -> ValueTable:
    """The cells of finite values under a cell function that does not decrease."""
    ascending = np.sort(np.asarray(values, dtype=np.float64))
    cells, starts, counts = np.unique(cell_of(ascending), return_index=True, return_counts=True)
    lowers, uppers = ascending[starts], ascending[starts + counts - 1]
    origin = np.repeat(lowers, counts)
    means = np.clip(lowers + np.add.reduceat(ascending - origin, starts) / counts, lowers, uppers)
    squares = np.add.reduceat((ascending - np.repeat(means, counts)) ** 2, starts)
    return ValueTable(
        values=means,
        counts=counts.astype(np.int64),
        lowers=lowers,
        uppers=uppers,
        cells=cells.astype(np.int64),
        squares=squares,
    )


def category_table(values: Any) -> CategoryTable:
    counts = Counter(str(value) for value in values if value is not None)
    categories = tuple(sorted(counts))
    return CategoryTable(
        categories=categories,
        counts=np.array([counts[category] for category in categories], dtype=np.int64),
        missing=len(values) - counts.total(),
    )
