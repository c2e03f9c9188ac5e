"""Counts the scores of a batch of files by group and prediction, where estimates of fairness are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.group_scores import GroupScoreTable, group_scores
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.source import Slots, Source, pieces, values_of
from mlops_desk.domain.schema import INTERSECTION
from mlops_desk.warehouse.connection import Columns, literal


def scan_group_scores(
    source: Source, plan: OutcomePlan, cell: str, prediction: str, slots: Slots
) -> dict[str, list[dict[int, GroupScoreTable]]]:
    """Tables by attribute, layer and slot; `cell` is the expression of a score x's cell, which is used where scores are counted by cell."""
    score = plan.scores[0]
    x, entry = source.expressions.number(score.column), "x" if score.exact else cell
    counted = "count_if(y = 0) n, count_if(y = 1) m"
    if source.plan.weight is not None:
        counted += "".join(
            f", coalesce(sum({amount}) filter (y = {said}), 0) {name}{ending}"
            for ending, amount in (("1", "w"), ("2", "w * w"))
            for said, name in ((0, "n"), (1, "m"))
        )
    total = "" if score.exact else "".join(f", sum({factor}x) a{ending}" for ending, factor in source.factors())
    found: dict[str, list[dict[int, GroupScoreTable]]] = {}
    for attribute, joined in plan.groups:
        group = joined_text(source, joined)
        result = source.connection.columns(
            f"select {source.key_names}, g, {entry} v, {counted}{total}"
            f" from (select {source.keys}, {group} g, {prediction} y, {x} x{source.carried} from {source.relation})"
            f" where isfinite(x) and y is not null and g is not null group by {source.key_names}, g, v"
        )
        found[attribute] = [_tables(attribute, result, ending, slots, exact=score.exact) for ending in source.layers]
    return found


def _tables(attribute: str, result: Columns, ending: str, slots: Slots, *, exact: bool) -> dict[int, GroupScoreTable]:
    """The tables of one layer by slot."""
    texts, marks = values_of(result, "g"), values_of(result, "v").astype(np.float64)
    kind = np.float64 if ending else np.int64
    counts = np.stack([values_of(result, f"{name}{ending}").astype(kind) for name in ("n", "m")], axis=1)
    tables = {}
    for slot, rows in pieces(slots.of(result)):
        names, places = np.unique(texts[rows].astype(str), return_inverse=True)
        tables[slot] = group_scores(
            attribute,
            tuple(names.tolist()),
            places.astype(np.int64),
            marks[rows],
            counts[rows],
            None if exact else values_of(result, f"a{ending}")[rows].astype(np.float64),
        )
    return tables


def joined_text(source: Source, columns: Sequence[str]) -> str:
    """The group of a protected attribute that joins columns; NULL where one of them is."""
    return f" || {literal(INTERSECTION)} || ".join(source.expressions.text(column) for column in columns)
