"""Counts predictions, scores and labels of a batch of files: the half of a scan that late labels change.

Labels stand inside the log, or come by row from the label join as codes (classifiers: an index into the plan's classes, -1 for none)
or as numbers (regressions: NaN for none); where both have one, the joined label wins. Where rows have weights, every table is made three
times of one result: of rows, of their weights and of the squares of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np

from mlops_desk.aggregates.error_scan import scan_errors
from mlops_desk.aggregates.group_scan import scan_group_scores
from mlops_desk.aggregates.group_scores import GroupScoreTable
from mlops_desk.aggregates.group_tables import GroupTable
from mlops_desk.aggregates.outcome_sql import label_code, label_text, prediction_code, predicts
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.scan import category_tables
from mlops_desk.aggregates.score_scan import EPSILON, scan_scores, score_cell
from mlops_desk.aggregates.slices import OutcomeTables, in_layers
from mlops_desk.aggregates.source import (
    Slot,
    Slots,
    Source,
    amounts_of,
    is_missing,
    pieces,
    values_of,
)
from mlops_desk.aggregates.tables import Amounts, CategoryTable, ConfusionTable, ScoreTable
from mlops_desk.domain.schema import INTERSECTION, Task
from mlops_desk.warehouse.connection import literal

T = TypeVar("T", ScoreTable, GroupTable, GroupScoreTable)


def scan_outcomes(source: Source, plan: OutcomePlan) -> dict[Slot, OutcomeTables]:
    """The outcomes' half of every slot of a batch."""
    slots = Slots()
    if plan.task is Task.REGRESSION:
        found = scan_errors(source, plan, slots)
    elif plan.task is Task.BINARY:
        found = _binary(source, plan, slots)
    else:
        found = _multiclass(source, plan, slots)
    return {slots.all[slot]: tables for slot, tables in found.items()}


def _binary(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a binary model by slot."""
    prediction = prediction_code(source, plan, plan.positive)
    label = label_code(source, plan, plan.positive)
    binary, groups = _groups(source, plan.groups, prediction, label, slots)
    scores = {score.class_: scan_scores(source, score, prediction, label, slots) for score in plan.scores}
    targets = _target_categories(source, plan, slots)
    has_prediction = predicts(plan)
    by_group: dict[str, list[dict[int, GroupScoreTable]]] = {}
    if plan.group_scores and plan.scores and has_prediction:
        by_group = scan_group_scores(source, plan, score_cell(plan.scores[0]), prediction, slots)

    def layer(slot: int, target: CategoryTable, index: int) -> OutcomeTables:
        counts = binary[index].get(slot, np.zeros((2, 3), dtype=np.float64 if index else np.int64))
        return OutcomeTables(
            rows=target.rows,
            labelled=target.n,
            binary=counts if has_prediction else None,
            scores=_of_slot(scores, index, slot),
            groups=_of_slot(groups, index, slot) if has_prediction else {},
            group_scores=_of_slot(by_group, index, slot),
            target_categories=None if index else target,
        )

    return {
        slot: in_layers(partial(layer, slot, target), weighed=source.plan.weight is not None)
        for slot, target in targets.items()
    }


def _of_slot(layers: Mapping[str, Sequence[Mapping[int, T]]], index: int, slot: int) -> dict[str, T]:
    """The tables of one layer and slot by name."""
    return {name: tables[index][slot] for name, tables in layers.items() if slot in tables[index]}


def _target_categories(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, CategoryTable]:
    """The labels as categories by slot, every row counted."""
    amounts = source.amounts(source.weight or "")
    query = f"select {source.keys}, {label_text(source, plan)} t, {amounts} from {source.relation} group by all"
    result = source.connection.columns(query)
    missing = is_missing(result, "t")
    return category_tables(slots.of(result), values_of(result, "t"), missing, amounts_of(result, source.layers))


def _groups(
    source: Source,
    attributes: tuple[tuple[str, tuple[str, ...]], ...],
    prediction: str,
    label: str,
    slots: Slots,
    class_: str | None = None,
) -> tuple[list[dict[int, Amounts]], dict[str, list[dict[int, GroupTable]]]]:
    """(2, 3) counts by layer and slot, and group tables by attribute, layer and slot, in one query of grouping sets."""
    columns = list(dict.fromkeys(column for _, joined in attributes for column in joined))
    names = {column: f"g{index}" for index, column in enumerate(columns)}
    texts = "".join(f", {source.expressions.text(column)} {name}" for column, name in names.items())
    keys = f"{source.key_names}, y, t"
    told = dict.fromkeys(tuple(name for column, name in names.items() if column in joined) for _, joined in attributes)
    sets = [f"({keys})", *(f"({keys}, {', '.join(some)})" for some in told)]
    mask = f", grouping({', '.join(names.values())}) m" if names else ", 0 m"
    chosen = "".join(f", {name}" for name in names.values())
    query = (
        f"select {keys}{chosen}{mask}, {source.amounts()} from (select {source.keys_beside}, {prediction} y, {label} t{texts}{source.carried}"
        f" from {source.relation}) group by grouping sets ({', '.join(sets)})"
    )
    result = source.connection.columns(query)
    everything = (1 << len(columns)) - 1
    where = np.where(is_missing(result, "y"), -1, slots.of(result))
    masks = values_of(result, "m").astype(np.int64)
    y, t = (values_of(result, name).astype(np.int64) for name in ("y", "t"))
    amounts = amounts_of(result, source.layers)
    binary: list[dict[int, Amounts]] = [{} for _ in amounts]
    for slot, rows in pieces(np.where(masks == everything, where, -1)):
        for layer, found in zip(amounts, binary, strict=True):
            found[slot] = np.zeros((2, 3), dtype=layer.dtype)
            np.add.at(found[slot], (y[rows], t[rows]), layer[rows])
    tables: dict[str, list[dict[int, GroupTable]]] = {}
    for attribute, joined in attributes:
        wanted = everything
        for column in joined:
            wanted &= ~(1 << (len(columns) - 1 - columns.index(column)))
        gone = np.any([is_missing(result, names[column]) for column in joined], axis=0)
        texts_of = [values_of(result, names[column]) for column in joined]
        own: list[dict[int, GroupTable]] = [{} for _ in amounts]
        for slot, rows in pieces(np.where((masks == wanted) & ~gone, where, -1)):
            labels = [INTERSECTION.join(str(part[row]) for part in texts_of) for row in rows.tolist()]
            groups = tuple(sorted(set(labels)))
            place = {group: index for index, group in enumerate(groups)}
            entries = np.array([place[one] for one in labels]), y[rows], t[rows]
            for layer, of_slots in zip(amounts, own, strict=True):
                counts = np.zeros((len(groups), 2, 3), dtype=layer.dtype)
                np.add.at(counts, entries, layer[rows])
                of_slots[slot] = GroupTable(attribute=attribute, groups=groups, counts=counts, class_=class_)
        tables[attribute if class_ is None else f"{attribute}|{class_}"] = own
    return binary, tables


def _multiclass(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a multiclass model by slot."""
    targets = _target_categories(source, plan, slots)
    confusion = _confusion(source, plan, slots)
    scores: dict[str, list[dict[int, ScoreTable]]] = {}
    groups: dict[str, list[dict[int, GroupTable]]] = {}
    for class_ in plan.classes:
        prediction, label = prediction_code(source, plan, class_), label_code(source, plan, class_)
        if plan.groups and plan.prediction is not None:
            groups |= _groups(source, plan.groups, prediction, label, slots, class_)[1]
        for score in plan.scores:
            if score.class_ == class_:
                scores[class_] = scan_scores(source, score, prediction, label, slots)

    def layer(slot: int, target: CategoryTable, index: int) -> OutcomeTables:
        return OutcomeTables(
            rows=target.rows,
            labelled=target.n,
            confusion=confusion[index].get(slot),
            scores=_of_slot(scores, index, slot),
            groups=_of_slot(groups, index, slot),
            target_categories=None if index else target,
        )

    return {
        slot: in_layers(partial(layer, slot, target), weighed=source.plan.weight is not None)
        for slot, target in targets.items()
    }


def _confusion(source: Source, plan: OutcomePlan, slots: Slots) -> list[dict[int, ConfusionTable]]:
    """Confusion tables by layer and slot; the log loss where every class has a score."""
    if plan.prediction is None:
        return [{} for _ in source.layers]
    prediction = source.expressions.text(plan.prediction)
    complete = len(plan.scores) > 1
    loss = "0.0"
    if complete:
        columns = [source.expressions.number(score.column) for score in plan.scores]
        cases = " ".join(
            f"when {literal(score.class_)} then {column}" for score, column in zip(plan.scores, columns, strict=True)
        )
        own = f"(case {label_text(source, plan)} {cases} end) / ({' + '.join(columns)})"
        loss = f"case when isfinite({own}) then -ln(greatest({EPSILON!r}, least({1 - EPSILON!r}, {own}))) end"
    sums = ", ".join(
        f"case when count({loss}) = count(*) then sum({factor}{loss}) end l{ending}"
        for ending, factor in source.factors(source.weight or "")
    )
    query = (
        f"select {source.keys}, {prediction} y, {label_text(source, plan)} t, {source.amounts(source.weight or '')},"
        f" {sums} from {source.relation} group by all"
    )
    result = source.connection.columns(query)
    where = np.where(is_missing(result, "y"), -1, slots.of(result))
    y, t, gone, no_loss = (
        values_of(result, "y"),
        values_of(result, "t"),
        is_missing(result, "t"),
        is_missing(result, "l"),
    )
    amounts = amounts_of(result, source.layers)
    losses = [values_of(result, f"l{ending}") for ending in source.layers]
    tables: list[dict[int, ConfusionTable]] = [{} for _ in amounts]
    for slot, rows in pieces(where):
        classes = tuple(sorted({str(y[row]) for row in rows} | {str(t[row]) for row in rows if not gone[row]}))
        place = {one: index for index, one in enumerate(classes)}
        labelled = rows[~gone[rows]]
        said = np.array([place[str(y[row])] for row in rows.tolist()])
        true = np.array([place[str(t[row])] for row in labelled.tolist()], dtype=np.int64)
        known = complete and not no_loss[labelled].any()
        for layer, loss_of, of_slots in zip(amounts, losses, tables, strict=True):
            counts = np.zeros((len(classes), len(classes)), dtype=layer.dtype)
            predicted = np.zeros(len(classes), dtype=layer.dtype)
            np.add.at(predicted, said, layer[rows])
            np.add.at(counts, (true, said[~gone[rows]]), layer[labelled])
            total = float(np.sum(loss_of[labelled])) if known else None
            of_slots[slot] = ConfusionTable(classes=classes, counts=counts, predicted=predicted, log_loss_total=total)
    return tables
