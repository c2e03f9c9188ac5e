"""Expectations of single rows as conditions, and rows that repeat: what of data validation is counted in a scan.

Rows are told apart by 64 bits of hash: two different rows of a million count as a repeat with a chance of one in thirty million.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.expressions import LOG
from mlops_desk.aggregates.plan import CheckPlan
from mlops_desk.aggregates.source import Slots, Source, is_missing, pieces, values_of
from mlops_desk.aggregates.tables import RowSet
from mlops_desk.warehouse.connection import literal, quoted
from mlops_desk.warehouse.schema import FLOATS


def count_failures(source: Source, checks: Sequence[CheckPlan], slots: Slots) -> dict[int, dict[str, int]]:
    """Rows that break each check, by slot and name of the check."""
    if not checks:
        return {}
    terms = ", ".join(f"count_if({_broken(source, check)}) k{index}" for index, check in enumerate(checks))
    query = f"select {source.keys}, {terms} from {source.relation} group by all"
    result = source.connection.columns(query)
    columns = [values_of(result, f"k{index}") for index in range(len(checks))]
    return {
        slot: {check.name: int(column[row]) for check, column in zip(checks, columns, strict=True)}
        for row, slot in enumerate(slots.of(result).tolist())
        if slot >= 0
    }


def _broken(source: Source, check: CheckPlan) -> str:
    """The condition that a row breaks a check; a NULL breaks none but not_null, and NaN is neither too small nor too large."""
    expressions, column = source.expressions, check.column
    if check.kind == "outputs":
        return " or ".join(f"not {_is_there(source, name)}" for name in check.values)
    if check.kind == "not_null":
        return f"{expressions.plain(column)} is null"
    if check.kind == "allowed":
        allowed = " or ".join(expressions.is_value(column, value) for value in check.values) or "false"
        return f"{expressions.plain(column)} is not null and not ({allowed})"
    if check.kind == "pattern":
        text = expressions.text(column)
        return f"{text} is not null and not regexp_full_match({text}, {literal(check.values[0])})"
    sign, x = "<" if check.kind == "min" else ">", expressions.number(column)
    return f"(isfinite({x}) or isinf({x})) and {x} {sign} {check.number!r}"


def _is_there(source: Source, column: str) -> str:
    """The condition that a column has a value, of numbers a finite one."""
    plain = source.expressions.plain(column)
    return (
        f"coalesce(isfinite({plain}), false)" if source.expressions.kind(column) in FLOATS else f"({plain} is not null)"
    )


def distinct_rows(source: Source, columns: Sequence[str], slots: Slots) -> dict[str, dict[int, RowSet]]:
    """The distinct values of columns (of all columns together for the empty name), by column and slot; NULL ids are left out."""
    return {column: _distinct(source, column, slots) for column in columns}


def _distinct(source: Source, column: str, slots: Slots) -> dict[int, RowSet]:
    names = [column] if column else list(source.expressions.types)
    hashed = f"hash({', '.join(f'{LOG}.{quoted(name)}' for name in names if name in source.expressions.types)})"
    there = f"{LOG}.{quoted(column)} is not null" if column else "true"
    if column and column not in source.expressions.types:
        return {}
    query = f"select {source.keys}, {hashed} h, count(*) n from {source.relation} where {there} group by all"
    result = source.connection.columns(query)
    hashes, counts = values_of(result, "h").view(np.int64), values_of(result, "n").astype(np.int64)
    where = np.where(is_missing(result, "h"), -1, slots.of(result))
    return {slot: RowSet(hashes=np.sort(hashes[rows]), rows=int(counts[rows].sum())) for slot, rows in pieces(where)}
