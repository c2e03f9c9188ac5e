"""Tables made from raw values, as the scan makes them from files."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from mlops_desk.aggregates.cellmap import CellMap
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
    with np.errstate(over="ignore"):
        squares = np.add.reduceat((ascending - np.repeat(means, counts)) ** 2, starts)
    return ValueTable(
        values=means,
        counts=counts.astype(np.int64),
        lowers=lowers,
        uppers=uppers,
        cells=cells.astype(np.int64),
        squares=squares,
    )


def scanned_table(values: Any, cells: CellMap) -> ValueTable:
    """The cells of finite values as a scan delivers them: borders for bounds, and sums around the centre of the map."""
    values = np.asarray(values, dtype=np.float64)
    numbers, places, counts = np.unique(cells.cell_of(values), return_inverse=True, return_counts=True)
    centred = values - cells.centre
    means = np.bincount(places, weights=centred) / counts
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.bincount(places, weights=centred**2) - counts * means * means
    squares = np.where(np.isnan(squares), np.inf, np.maximum(squares, 0.0))
    lowers, uppers = cells.bounds(numbers, float(values.min()), float(values.max()))
    return ValueTable(
        values=np.clip(cells.centre + means, lowers, uppers),
        counts=counts.astype(np.int64),
        lowers=lowers,
        uppers=uppers,
        cells=numbers,
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
