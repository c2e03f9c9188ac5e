"""Counts the scores of a batch of files by group and prediction, where estimates of fairness are asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.group_scores import GroupScoreTable, group_scores
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.source import Slots, Source, pieces, values_of
from mlops_desk.domain.schema import INTERSECTION
from mlops_desk.warehouse.connection import literal


def scan_group_scores(
    source: Source, plan: OutcomePlan, cell: str, prediction: str, slots: Slots
) -> dict[str, dict[int, GroupScoreTable]]:
    """Tables by attribute and slot; `cell` is the expression of a score x's cell, which is used where scores are counted by cell."""
    score = plan.scores[0]
    x, entry, total = (
        source.expressions.number(score.column),
        "x" if score.exact else cell,
        "" if score.exact else ", sum(x) a",
    )
    found: dict[str, dict[int, GroupScoreTable]] = {}
    for attribute, joined in plan.groups:
        group = joined_text(source, joined)
        result = source.connection.columns(
            f"select {source.key_names}, g, {entry} v, count_if(y = 0) n, count_if(y = 1) m{total}"
            f" from (select {source.keys}, {group} g, {prediction} y, {x} x from {source.relation})"
            f" where isfinite(x) and y is not null and g is not null group by {source.key_names}, g, v"
        )
        texts, marks = values_of(result, "g"), values_of(result, "v").astype(np.float64)
        counts = np.stack([values_of(result, name).astype(np.int64) for name in ("n", "m")], axis=1)
        found[attribute] = {}
        for slot, rows in pieces(slots.of(result)):
            names, places = np.unique(texts[rows].astype(str), return_inverse=True)
            found[attribute][slot] = group_scores(
                attribute,
                tuple(names.tolist()),
                places.astype(np.int64),
                marks[rows],
                counts[rows],
                None if score.exact else values_of(result, "a")[rows].astype(np.float64),
            )
    return found


def joined_text(source: Source, columns: Sequence[str]) -> str:
    """The group of a protected attribute that joins columns; NULL where one of them is."""
    return f" || {literal(INTERSECTION)} || ".join(source.expressions.text(column) for column in columns)
