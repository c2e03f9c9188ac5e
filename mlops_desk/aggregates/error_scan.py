"""Counts the errors of a regression in a batch of files: their sums, |error| by value or by cell, targets, and means by protected group."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from msgspec.structs import replace

from mlops_desk.aggregates.expressions import Expressions
from mlops_desk.aggregates.group_tables import GroupMeans
from mlops_desk.aggregates.outcome_sql import target_number
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.scan import cell_query, cell_tables, exact_tables
from mlops_desk.aggregates.score_scan import EPSILON
from mlops_desk.aggregates.slices import OutcomeTables, in_layers
from mlops_desk.aggregates.source import Slots, Source, amounts_of, is_missing, pieces, values_of
from mlops_desk.aggregates.tables import ErrorTable, ValueTable
from mlops_desk.domain.schema import INTERSECTION
from mlops_desk.warehouse.connection import Columns, literal


def scan_errors(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a regression by slot."""
    target = target_number(source, plan)
    prediction = "null::DOUBLE" if plan.prediction is None else source.expressions.number(plan.prediction)
    inner = f"(select {source.keys}, {prediction} y, {target} t{source.carried} from {source.relation})"
    both = "isfinite(y) and isfinite(t)"
    query = f"""select {source.key_names}, count(*) m, count_if(isfinite(t)) labelled, count_if(isfinite(y)) r,
        count_if({both}) n, count_if({both} and (y <= -1 or t <= -1)) neg,
        {_weights_of(source, both)}{_sums(source, both, plan.centre)} from {inner} group by {source.key_names}"""
    result = source.connection.columns(query)
    where = slots.of(result)
    absolute = _absolute_errors(source, plan, f"{inner} where {both}", slots)
    targets = _target_values(source, plan, target, slots)
    means = _means(source, plan, prediction, target, slots)
    filled = {name: np.ma.filled(result[name], 0) for name in result if name not in ("p", "s")}
    found = {}
    empty = _no_errors(plan, weighed=source.plan.weight is not None)

    def layer(row: int, slot: int, index: int) -> OutcomeTables:
        values = absolute.get(slot, empty)
        return OutcomeTables(
            rows=int(filled["m"][row]),
            labelled=int(filled["labelled"][row]),
            errors=_errors(filled, row, source.layers[index], plan.centre, _layer_of(values, index)),
            target_values=None if index else targets.get(slot),
            means={name: tables[index][slot] for name, tables in means.items() if slot in tables[index]},
        )

    for row, slot in enumerate(where.tolist()):
        if slot >= 0:
            found[slot] = in_layers(partial(layer, row, slot), weighed=source.plan.weight is not None)
    return found


def _weights_of(source: Source, both: str) -> str:
    """Σw and Σw² of the rows that are counted as r and as n."""
    return "".join(
        f"sum({amount}) filter (isfinite(y)) r{ending}, sum({amount}) filter ({both}) n{ending}, "
        for ending, amount in zip(source.layers[1:], ("w", "w * w"), strict=False)
    )


def _sums(source: Source, both: str, centre: float) -> str:
    """The sums of an ErrorTable in each layer."""
    c = f"({centre!r})"
    return ", ".join(
        f"""sum({factor}(y - t)) filter ({both}) e{ending}, sum({factor}abs(y - t)) filter ({both}) a{ending},
        sum({factor}(y - t) * (y - t)) filter ({both}) sq{ending},
        sum({factor}abs(y - t) / greatest(abs(t), {EPSILON!r})) filter ({both}) rel{ending},
        sum({factor}(ln(1 + y) - ln(1 + t)) ** 2) filter ({both} and y > -1 and t > -1) l{ending},
        sum({factor}(t - {c})) filter ({both}) v{ending}, sum({factor}(t - {c}) * (t - {c})) filter ({both}) w{ending}"""
        for ending, factor in source.factors()
    )


def _errors(filled: Mapping[str, Any], row: int, ending: str, centre: float, values: ValueTable) -> ErrorTable:
    """The sums of one layer of a row of the result."""
    number = float if ending else int
    return ErrorTable(
        n=number(filled[f"n{ending}"][row]),
        rows=number(filled[f"r{ending}"][row]),
        error=float(filled[f"e{ending}"][row]),
        absolute=float(filled[f"a{ending}"][row]),
        squares=float(filled[f"sq{ending}"][row]),
        relative=float(filled[f"rel{ending}"][row]),
        log_squares=float(filled[f"l{ending}"][row]),
        negative=int(filled["neg"][row]),
        target=float(filled[f"v{ending}"][row]),
        target_squares=float(filled[f"w{ending}"][row]),
        centre=centre,
        absolute_values=values,
    )


def _layer_of(values: ValueTable, index: int) -> ValueTable:
    """The |error| of a layer: those of rows, by weight, and by weight again, as that table holds the squares of weights, too."""
    if index == 0 or values.weighted is None:
        return replace(values, weighted=None)
    return values.weighted


def _no_errors(plan: OutcomePlan, *, weighed: bool) -> ValueTable:
    """The table of no |error|, counted as the plan counts them."""
    floats, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    table = ValueTable(values=floats, counts=counts)
    if plan.errors is not None and plan.errors.cells is not None:
        table = replace(table, lowers=floats, uppers=floats, cells=counts, squares=floats)
    return replace(table, weighted=replace(table, counts=floats, weight_squares=floats)) if weighed else table


def _absolute_errors(source: Source, plan: OutcomePlan, relation: str, slots: Slots) -> dict[int, ValueTable]:
    """|error| by slot."""
    if plan.errors is None or plan.errors.cells is None:
        query = f"select {source.key_names}, abs(y - t) v, {source.amounts()} from {relation} group by all"
        result = source.connection.columns(query)
        amounts = amounts_of(result, source.layers)
        return exact_tables(slots.of(result), values_of(result, "v"), is_missing(result, "v"), amounts)
    weight = "" if source.plan.weight is None else ", w"
    derived = _derived(source, f"(select {source.key_names}, abs(y - t) x{weight} from {relation})")
    return _cells_of(derived, plan.errors.cells, slots)


def _cells_of(source: Source, cells: Any, slots: Slots) -> dict[int, ValueTable]:
    """Cell tables of the column x of a derived source."""
    result = source.connection.columns(cell_query(source, "x", cells, None, None))
    return {slot: table for slot, (table, _) in cell_tables(source, "x", cells, result, slots).items()}


def _derived(source: Source, relation: str) -> Source:
    """A source over a subquery with the key columns and one column x, and a column w where rows have weights."""
    segment = None if source.plan.segment is None else "s"
    weight = None if source.plan.weight is None else "w"
    expressions = Expressions(types={"x": "DOUBLE", "s": "VARCHAR", "w": "DOUBLE"}, common={})
    return replace(
        source,
        relation=f"{relation} as log",
        part="log.p",
        plan=replace(source.plan, segment=segment, weight=weight),
        expressions=expressions,
        derived=True,
    )


def _target_values(source: Source, plan: OutcomePlan, target: str, slots: Slots) -> dict[int, ValueTable]:
    """The labels as numbers by slot, every row counted."""
    if plan.target_values is None or plan.target_values.cells is None:
        amounts = source.amounts(source.weight or "")
        query = f"select {source.keys}, {target} v, {amounts} from {source.relation} group by all"
        result = source.connection.columns(query)
        values, missing = values_of(result, "v"), is_missing(result, "v")
        return exact_tables(slots.of(result), values, missing | np.isnan(values), amounts_of(result, source.layers))
    derived = _derived(source, f"(select {source.keys}, {target} x{source.carried} from {source.relation})")
    return _cells_of(derived, plan.target_values.cells, slots)


def _means(
    source: Source, plan: OutcomePlan, prediction: str, target: str, slots: Slots
) -> Mapping[str, list[dict[int, GroupMeans]]]:
    """Predictions and errors by group of each protected attribute, layer and slot."""
    tables: dict[str, list[dict[int, GroupMeans]]] = {}
    c = f"({plan.centre!r})"
    sums = ", ".join(
        f"""sum({factor}(y - {c})) a{ending}, sum({factor}(y - {c}) * (y - {c})) b{ending},
            coalesce(sum({factor}abs(y - t)) filter (isfinite(t)), 0) d{ending},
            coalesce(sum({factor}(y - t) * (y - t)) filter (isfinite(t)), 0) e{ending}"""
        for ending, factor in source.factors()
    )
    weights = "".join(
        f"sum({amount}) r{ending}, coalesce(sum({amount}) filter (isfinite(t)), 0) l{ending}, "
        for ending, amount in zip(source.layers[1:], ("w", "w * w"), strict=False)
    )
    for attribute, joined in plan.groups:
        texts = [source.expressions.text(column) for column in joined]
        group = f" || {literal(INTERSECTION)} || ".join(texts)
        query = f"""select {source.key_names}, g, count(*) r, count_if(isfinite(t)) l, {weights}{sums}
            from (select {source.keys}, {group} g, {prediction} y, {target} t{source.carried} from {source.relation})
            where isfinite(y) and g is not null group by {source.key_names}, g"""
        result = source.connection.columns(query)
        tables[attribute] = [_group_means(attribute, result, ending, plan.centre, slots) for ending in source.layers]
    return tables


def _group_means(attribute: str, result: Columns, ending: str, centre: float, slots: Slots) -> dict[int, GroupMeans]:
    """The tables of one layer by slot."""
    g, kind = values_of(result, "g"), np.float64 if ending else np.int64
    own: dict[int, GroupMeans] = {}
    for slot, unsorted in pieces(slots.of(result)):
        rows = unsorted[np.argsort(g[unsorted].astype(str), kind="stable")]
        r, labelled, a, b, d, e = (
            values_of(result, f"{name}{ending}")[rows] for name in ("r", "l", "a", "b", "d", "e")
        )
        own[slot] = GroupMeans(
            attribute=attribute,
            groups=tuple(str(one) for one in g[rows]),
            rows=r.astype(kind),
            labelled=labelled.astype(kind),
            prediction=a.astype(np.float64),
            prediction_squares=b.astype(np.float64),
            absolute=d.astype(np.float64),
            absolute_squares=e.astype(np.float64),
            centre=centre,
        )
    return own
