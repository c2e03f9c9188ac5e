"""Whether the columns of a chunk are still what they were: columns that hold one value only, and columns that came, went or changed type."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mlops_desk.aggregates.plan import KEPT_CATEGORIES, OTHER
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.metrics.performance import too_few

Schema = Sequence[tuple[str, str]]
"""(name, engine type) of the columns of a file."""
ColumnTable = ValueTable | CategoryTable


def constant_columns(
    columns: Mapping[str, ColumnTable], reference: Mapping[str, ColumnTable], rows: int, min_rows: int = 30
) -> Measurement:
    """How many columns have one value in a chunk and had more in the reference.

    Parameters
    ----------
    columns, reference : tables of the columns to look at, by name. rows : of the chunk.

    Returns
    -------
    Measurement
        A count, range [0, ∞), lower is better. NULL and NaN are no values, an infinite number is one; columns with fewer values than
        `min_rows` in the chunk are passed over. The sampling error is √E[X²] of the count X that chunks drawn from the reference have,
        with P(column constant) = Σ shareᵛⁿ, so that a rare flag that is often constant by chance raises no alarm. Untested for few rows.
        Default threshold: above the mean of the reference chunks by 3 of their standard deviations, or, of few chunks, above 0 by
        3 sampling errors.
    """
    few = too_few(rows, min_rows, "rows")
    if few:
        return untested(few)
    constant, mean, variance = 0, 0.0, 0.0
    for name, before in reference.items():
        now = columns.get(name)
        if now is None or _values(before) < 2 or now.n < min_rows:
            continue
        constant += _values(now) == 1 and not _is_rest(now, before)
        chance = float(np.sum((before.counts / max(before.n, 1)) ** now.n))
        mean, variance = mean + chance, variance + chance * (1 - chance)
    return Measurement(float(constant), None, 0.0, math.sqrt(variance + mean**2))


def _values(table: ColumnTable) -> int:
    """How many values a column has: 0, 1, or 2 for more."""
    if isinstance(table, CategoryTable):
        return min(int(np.count_nonzero(table.counts)), 2)
    finite = 0 if table.n == 0 else 1 if table.lowest == table.highest else 2
    return min(finite + (table.positive_infinite > 0) + (table.negative_infinite > 0), 2)


def _is_rest(now: ColumnTable, before: ColumnTable) -> bool:
    """Whether the one value stands for all those that are not told apart."""
    if not isinstance(now, CategoryTable) or len(before.counts) <= KEPT_CATEGORIES:
        return False
    return bool(now.counts_of((OTHER,))[0] > 0)


def schema_changes(files: Sequence[Schema], reference: Sequence[Schema], left_out: Collection[str] = ()) -> Measurement:
    """How many columns of a chunk's files appeared, went or changed type against the reference's files.

    Parameters
    ----------
    files, reference : columns of each file with rows of the chunk, and of each with rows of the reference.
    left_out : columns that do not count: the target, whose values come late, and those that desk.toml ignores.

    Returns
    -------
    Measurement
        A count of column names, range [0, ∞), lower is better: in some file of the chunk the column is there and in no file of the
        reference, or is not there and in all of them, or is of a type that no file of the reference gives it. Exact.
        Default threshold: any change is an alert.
    """
    if not files or not reference:
        return untested("no files")
    known: dict[str, set[str]] = {}
    for schema in reference:
        for name, kind in schema:
            known.setdefault(name, set()).add(kind)
    everywhere = set.intersection(*({name for name, _ in schema} for schema in reference))
    changed: set[str] = set()
    for schema in files:
        changed |= {name for name, kind in schema if kind not in known.get(name, ())}
        changed |= everywhere - {name for name, _ in schema}
    return Measurement(float(len(changed - set(left_out))))
