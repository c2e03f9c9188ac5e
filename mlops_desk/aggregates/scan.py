"""The one place that decides the shape of a query: counts the rows of a batch of files by part and value, cell or category.

One narrow GROUP BY per numeric column and one GROUPING SETS query for all categories are what the engine does fastest; several run side by
side. Where each file is one part, a query groups by the file's place in the list and leaves the timestamps unread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.cellmap import CellMap
from mlops_desk.aggregates.checks import count_failures, distinct_rows
from mlops_desk.aggregates.plan import OTHER, CategoricalPlan, NumericPlan
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.aggregates.source import ONE_PART, Slot, Slots, Source, amounts_of, is_missing, pieces, values_of
from mlops_desk.aggregates.tables import Amounts, CategoryTable, Floats, ValueTable
from mlops_desk.warehouse.connection import Columns, literal
from mlops_desk.warehouse.schema import INTEGERS

SETS_AT_MOST = 8
"""Grouping sets of one query: each takes some 4 MB and more of the engine's memory, and more of them are no faster."""


def count_rows(source: Source, slots: Slots, time: str | None) -> dict[int, tuple[int, int | None, int | None]]:
    """(rows, first time, last time) by slot; `time` is an expression of nanoseconds or None."""
    if source.plan.segment is None and source.batch.numbers is None:
        known = _rows_from_footers(source, slots, time)
        if known is not None:
            return known
    spans = "" if time is None else f", min({time}) a, max({time}) b"
    query = f"select {source.keys}, count(*) n{spans} from {source.relation} group by all"
    result = source.connection.columns(query)
    found: dict[int, tuple[int, int | None, int | None]] = {}
    counts = values_of(result, "n")
    for row, slot in enumerate(slots.of(result).tolist()):
        if slot >= 0:
            times = (None, None) if time is None else (_whole(result, "a", row), _whole(result, "b", row))
            found[slot] = (int(counts[row]), *times)
    return found


def _rows_from_footers(
    source: Source, slots: Slots, time: str | None
) -> dict[int, tuple[int, int | None, int | None]] | None:
    """What the footers know of files that are one part each, None where they do not say it all."""
    found: dict[int, tuple[int, int | None, int | None]] = {}
    everything = slots.of({"p": np.arange(len(source.batch.parts))})
    for slot, part in zip(everything.tolist(), source.batch.parts, strict=True):
        first = last = None
        if time is not None:
            column = source.plan.slicing_time
            span = part.footer.ranges.get(column) if column else None
            if span is None or span.earliest is None or span.latest is None:
                return None
            first, last = span.earliest, span.latest
        found[slot] = (part.footer.rows, first, last)
    return found


def _whole(result: Columns, name: str, row: int) -> int | None:
    """An integer of a result, None where it is NULL."""
    return None if is_missing(result, name)[row] else int(values_of(result, name)[row])


def scan_features(source: Source, time: str | None) -> dict[Slot, FeatureTables]:
    """The features' half of every slot of a batch."""
    slots = Slots()
    rows = count_rows(source, slots, time)
    numeric: dict[int, dict[str, ValueTable]] = {slot: {} for slot in rows}
    outside: dict[int, dict[str, int]] = {slot: {} for slot in rows}
    categorical: dict[int, dict[str, CategoryTable]] = {slot: {} for slot in rows}
    plans = source.plan.features
    together = [plans.categorical[at : at + SETS_AT_MOST] for at in range(0, len(plans.categorical), SETS_AT_MOST)]
    work: list[Callable[[], Columns]] = [partial(_numeric_query, source, plan) for plan in plans.numeric]
    work += [partial(_categories_query, source, some) for some in together]
    results = iter(source.connection.side_by_side(lambda one: one(), work, parallel=source.positional))
    for plan, result in zip(plans.numeric, results, strict=False):
        for slot, (table, beyond) in _value_tables(source, plan, result, slots).items():
            numeric[slot][plan.column], outside[slot][plan.column] = table, beyond
    for some, result in zip(together, results, strict=True):
        for slot, tables in _category_tables(source, some, result, slots).items():
            categorical[slot].update(tables)
    failures = count_failures(source, plans.checks, slots)
    distinct = distinct_rows(source, plans.distinct, slots)
    return {
        slots.all[slot]: FeatureTables(
            rows=count,
            failures=failures.get(slot, {}),
            distinct={name: found[slot] for name, found in distinct.items() if slot in found},
            first=first,
            last=last,
            numeric=numeric[slot],
            outside=outside[slot],
            categorical=categorical[slot],
        )
        for slot, (count, first, last) in rows.items()
    }


def _numeric_query(source: Source, plan: NumericPlan) -> Columns:
    """Counts of a column by part and value, or by part and cell."""
    x = source.expressions.number(plan.column)
    if plan.cells is None:
        amounts = source.amounts(source.weight or "")
        query = f"select {source.keys_beside}, {x} v, {amounts} from {source.relation} group by all"
        return source.connection.columns(query)
    return source.connection.columns(cell_query(source, x, plan.cells, plan.lowest, plan.highest))


def cell_query(source: Source, x: str, cells: CellMap, lowest: float | None, highest: float | None) -> str:
    """Counts of a number by part and cell: rows, those with a number, centred sums, and those beyond the reference's range.

    Where footers do not speak of the parts, the least and the greatest of each cell, too.
    """
    extremes = "" if source.is_stated else f", min({x}) a, max({x}) b"
    centred = f"({x} - ({cells.centre!r}))"
    beyond = "0" if lowest is None or highest is None else f"count_if({x} < {lowest!r} or {x} > {highest!r})"
    return (
        f"select {source.keys_beside}, try_cast({cells.sql(x)} as utinyint) c, count(*) n, count({x}) v, sum({centred}) t,"
        f" sum({centred} * {centred}) q, {beyond} o{extremes}{_weighed_cell(source, x, centred)} from {source.relation} group by all"
    )


def _weighed_cell(source: Source, x: str, centred: str) -> str:
    """What a cell's table by weight is made of: Σw, Σw², sums of a weighed number, and its extremes among rows that weigh anything."""
    w = source.weight
    if w is None:
        return ""
    some = f"filter ({w} > 0)"
    return (
        f", sum({w}) n1, sum({w} * {w}) n2, sum({w} * {centred}) t1, sum({w} * {centred} * {centred}) q1,"
        f" min({x}) {some} a1, max({x}) {some} b1"
    )


def _value_tables(
    source: Source, plan: NumericPlan, result: Columns, slots: Slots
) -> dict[int, tuple[ValueTable, int]]:
    """Tables of a numeric column by slot, and the rows beyond the reference's range."""
    if plan.cells is not None:
        return cell_tables(source, plan.column, plan.cells, result, slots)
    amounts = amounts_of(result, source.layers)
    tables = exact_tables(slots.of(result), values_of(result, "v"), is_missing(result, "v"), amounts)
    return {slot: (table, _beyond(table, plan)) for slot, table in tables.items()}


def _beyond(table: ValueTable, plan: NumericPlan) -> int:
    """Rows of an exact table beyond the reference's range; what is infinite is."""
    if plan.lowest is None or plan.highest is None:
        return 0
    finite = int(table.counts[(table.values < plan.lowest) | (table.values > plan.highest)].sum())
    return finite + table.positive_infinite + table.negative_infinite


def exact_tables(
    slots: NDArray[np.int64], values: Floats, missing: NDArray[np.bool_], amounts: Sequence[Amounts]
) -> dict[int, ValueTable]:
    """Exact tables by slot from distinct values and how many rows they have; `amounts` are those of the layers."""
    values = np.where(missing, np.nan, values).astype(np.float64)
    tables = {}
    for slot, rows in pieces(slots, values):
        own, n, gone = values[rows], amounts[0][rows].astype(np.int64), missing[rows]
        finite = np.isfinite(own)
        tables[slot] = ValueTable(
            weighted=_exact_by_weight(own, [layer[rows] for layer in amounts[1:]], finite),
            values=own[finite],
            counts=n[finite],
            missing=int(n[gone].sum()),
            nan=int(n[np.isnan(own) & ~gone].sum()),
            positive_infinite=int(n[own == np.inf].sum()),
            negative_infinite=int(n[own == -np.inf].sum()),
        )
    return tables


def _exact_by_weight(values: Floats, layers: Sequence[Amounts], finite: NDArray[np.bool_]) -> ValueTable | None:
    """The table by weight of distinct values; None where rows count once."""
    if not layers:
        return None
    weights, squares = layers
    some = finite & (weights > 0)
    return ValueTable(values=values[some], counts=weights[some], weight_squares=squares[some])


def cell_tables(
    source: Source, column: str, cells: CellMap, result: Columns, slots: Slots
) -> dict[int, tuple[ValueTable, int]]:
    """Cell tables by slot; values that are not finite are counted by a second query, where there are any."""
    where, none = slots.of(result), is_missing(result, "c")
    cell, n, valid = (values_of(result, name).astype(np.int64) for name in ("c", "n", "v"))
    total, square, beyond = (np.where(none, 0, values_of(result, name)) for name in ("t", "q", "o"))
    odd = {} if not (valid[none] > 0).any() else _not_finite(source, source.expressions.number(column), slots)
    tables = {}
    weighed = source.plan.weight is not None
    ranges = value_ranges(source, column, slots) if source.is_stated else {}
    whole = source.expressions.types.get(column) in INTEGERS
    for slot, rows in pieces(where, np.where(none, -1, cell)):
        own = rows[~none[rows]]
        if source.is_stated:
            lowers, uppers = cells.bounds(cell[own], *ranges[slot])
            if whole:
                lowers, uppers = np.ceil(lowers), np.floor(uppers)
        else:
            lowers, uppers = (values_of(result, name)[own].astype(np.float64) for name in "ab")
        means = total[own].astype(np.float64) / n[own]
        squares = _within(square[own].astype(np.float64), n[own], means)
        nan, positive, negative = odd.get(slot, (0, 0, 0))
        empty = int(n[rows][none[rows]].sum())
        table = ValueTable(
            values=np.clip(cells.centre + means, lowers, uppers),
            counts=n[own],
            lowers=lowers,
            uppers=uppers,
            cells=cell[own],
            squares=squares,
            missing=empty - nan - positive - negative,
            nan=nan,
            positive_infinite=positive,
            negative_infinite=negative,
            weighted=_cells_by_weight(cells, result, own) if weighed else None,
        )
        tables[slot] = (table, int(beyond[own].sum()) + positive + negative)
    return tables


def _cells_by_weight(cells: CellMap, result: Columns, rows: NDArray[np.int64]) -> ValueTable:
    """The table by weight of some rows of a result, cells of which no row weighs anything left out."""
    weights, of_weights = (values_of(result, name)[rows].astype(np.float64) for name in ("n1", "n2"))
    some = rows[weights > 0]
    weights, of_weights = weights[weights > 0], of_weights[weights > 0]
    total, square, lowers, uppers = (
        values_of(result, name)[some].astype(np.float64) for name in ("t1", "q1", "a1", "b1")
    )
    means = total / weights
    return ValueTable(
        values=np.clip(cells.centre + means, lowers, uppers),
        counts=weights,
        lowers=lowers,
        uppers=uppers,
        cells=values_of(result, "c")[some].astype(np.int64),
        squares=_within(square, weights, means),
        weight_squares=of_weights,
    )


def _within(squares: Floats, counts: Amounts, means: Floats) -> Floats:
    """Σ(x - mean)² from Σx²; infinite where squares of numbers that large are."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = squares - counts * means * means
    return np.where(np.isnan(found), np.inf, np.maximum(found, 0.0))


def value_ranges(source: Source, column: str, slots: Slots) -> dict[int, tuple[float, float]]:
    """The least and the greatest finite value of each slot: from the footer of its file, or by a query where that does not state them."""
    spans = [part.footer.ranges.get(column) if source.is_stated else None for part in source.batch.parts]
    stated = {
        number: (span.lowest, span.highest)
        for number, (part, _) in enumerate(slots.all)
        if (span := spans[part]) is not None and span.lowest is not None and span.highest is not None
    }
    if len(stated) == len(slots):
        return stated
    if column not in source.expressions.types:
        return dict.fromkeys(range(len(slots)), (-np.inf, np.inf))
    x = source.expressions.number(column)
    query = (
        f"select {source.keys}, min({x}) filter (isfinite({x})) a, max({x}) filter (isfinite({x})) b"
        f" from {source.relation} group by all"
    )
    result = source.connection.columns(query)
    bounds = zip(
        slots.of(result).tolist(), values_of(result, "a").tolist(), values_of(result, "b").tolist(), strict=True
    )
    return {slot: (float(low), float(high)) for slot, low, high in bounds if slot >= 0} | stated


def _not_finite(source: Source, x: str, slots: Slots) -> dict[int, tuple[int, int, int]]:
    """Rows with NaN, inf and -inf by slot."""
    query = (
        f"select {source.keys}, cast({x} as VARCHAR) w, count(*) n from {source.relation}"
        f" where not isfinite({x}) group by all"
    )
    result = source.connection.columns(query)
    found: dict[int, tuple[int, int, int]] = {}
    words, counts = values_of(result, "w").tolist(), values_of(result, "n").tolist()
    for slot, word, count in zip(slots.of(result).tolist(), words, counts, strict=True):
        nan, positive, negative = found.get(slot, (0, 0, 0))
        found[slot] = (
            nan + count * (word == "nan"),
            positive + count * (word == "inf"),
            negative + count * (word == "-inf"),
        )
    return found


def _categories_query(source: Source, plans: Sequence[CategoricalPlan]) -> Columns:
    """Counts of categorical columns by part and value; g tells the column as a bit mask of GROUPING."""
    names = [f"c{index}" for index in range(len(plans))]
    texts = [f"{_category(source, plan)} {name}" for plan, name in zip(plans, names, strict=True)]
    one_part = source.tells_parts_by_constant
    keys = "" if one_part else f"{source.key_names}, "
    sets = ", ".join(f"({keys}{name})" for name in names)
    inner = f"select {'' if one_part else source.keys + ', '}{', '.join(texts)}{source.carried} from {source.relation}"
    query = (
        f"select {ONE_PART if one_part else source.key_names}, grouping({', '.join(names)}) g, coalesce({', '.join(names)}) v, {source.amounts()}"
        f" from ({inner}) group by grouping sets ({sets})"
    )
    return source.connection.columns(query)


def _category(source: Source, plan: CategoricalPlan) -> str:
    """A categorical column as text, its values that are not kept as one."""
    text = source.expressions.text(plan.column)
    if not plan.kept:
        return text
    kept = ", ".join(literal(value) for value in plan.kept)
    return f"case when {text} is null or {text} in ({kept}) then {text} else {literal(OTHER)} end"


def _category_tables(
    source: Source, plans: Sequence[CategoricalPlan], result: Columns, slots: Slots
) -> dict[int, dict[str, CategoryTable]]:
    """Tables of all categorical columns by slot."""
    mask = values_of(result, "g").astype(np.int64)
    everything = (1 << len(plans)) - 1
    place = {everything ^ (1 << (len(plans) - 1 - index)): index for index in range(len(plans))}
    found: dict[int, dict[str, CategoryTable]] = {}
    where, texts, none = slots.of(result), values_of(result, "v"), is_missing(result, "v")
    amounts = amounts_of(result, source.layers)
    for value, index in place.items():
        chosen = np.flatnonzero(mask == value)
        own = [layer[chosen] for layer in amounts]
        for slot, table in category_tables(where[chosen], texts[chosen], none[chosen], own).items():
            found.setdefault(slot, {})[plans[index].column] = table
    return found


def _categories_by_weight(names: tuple[str, ...], layers: Sequence[Amounts]) -> CategoryTable | None:
    """The table by weight of categories; None where rows count once."""
    if not layers:
        return None
    weights, squares = (layer[: len(names)] for layer in layers)
    return CategoryTable(categories=names, counts=weights, weight_squares=float(squares.sum()))


def category_tables(
    slots: NDArray[np.int64], texts: NDArray[Any], missing: NDArray[np.bool_], amounts: Sequence[Amounts]
) -> dict[int, CategoryTable]:
    """Category tables by slot from texts and how many rows they have; `amounts` are those of the layers."""
    counts = amounts[0].astype(np.int64)
    tables = {}
    for slot, rows in pieces(slots):
        present = [row for row in rows.tolist() if not missing[row]]
        present.sort(key=lambda row: texts[row])
        names = tuple(str(texts[row]) for row in present)
        tables[slot] = CategoryTable(
            categories=names,
            counts=counts[present].astype(np.int64) if present else np.zeros(0, dtype=np.int64),
            missing=int(counts[rows][missing[rows]].sum()),
            weighted=_categories_by_weight(
                names, [layer[present] for layer in amounts[1:]] if present else amounts[1:]
            ),
        )
    return tables
