"""Counts expected labels of a batch of files: the second look at a log, which needs to know how its reference calibrates scores.

Rows go through in batches: the scores of all classes of a row become probabilities together, and are summed by slot, class and prediction,
and by slot, class and score, which is counted as the class's ScoreTable counts it (by value, or by the same cells).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from mlops_desk.aggregates.expected import ExpectedGroups, ExpectedPositives, ExpectedTable
from mlops_desk.aggregates.group_scan import joined_text
from mlops_desk.aggregates.outcomes import EPSILON
from mlops_desk.aggregates.plan import SCORE_CELLS, OutcomePlan, ScorePlan
from mlops_desk.aggregates.source import Slot, Source, pieces, values_of
from mlops_desk.aggregates.tables import Floats
from mlops_desk.warehouse.connection import Columns, literal

Probabilities = Callable[[Floats], tuple[Floats, Floats]]
"""(n, c) scores of rows by class to (n, c) probabilities that sum to 1, and (n,) what they were divided by (0 where they were all 0)."""
ROWS_AT_ONCE = 250_000
BATCHES_HELD = 8
"""So many batches' tables of scores are added at once: one by one costs time, all at the end costs memory."""


class _Names(Struct, frozen=True, kw_only=True):
    """What the numbers of a result stand for: predictions, values of the segment column, and groups by protected attribute."""

    predicted: list[str]
    segments: list[str]
    groups: dict[str, list[str]]


class _Sums(Struct, kw_only=True):
    """What is being summed of one slot."""

    counts: Floats
    groups: list[Floats]
    rows: int = 0
    right_squares: float = 0.0
    loss: float | None = 0.0
    loss_squares: float = 0.0
    positives: list[list[ExpectedPositives]] = field(default_factory=list)


def scan_expected(
    source: Source, plan: OutcomePlan, probabilities: Mapping[str, Probabilities]
) -> dict[Slot, ExpectedTable]:
    """Expected tables of the slots of a batch.

    `probabilities` are by value of the segment column (empty for all rows); slots of other segments are left out. Every class of the
    plan's scores has a column of them, in the plan's order.
    """
    if plan.prediction is None:
        return {}
    segmented = source.plan.segment is not None
    names = _Names(
        predicted=_texts(source, source.expressions.text(plan.prediction)),
        segments=list(probabilities) if segmented else [""],
        groups={
            attribute: _texts(source, joined_text(source, joined))
            for attribute, joined in (plan.groups if plan.group_scores else ())
        },
    )
    shape = len(plan.scores), len(names.predicted)
    sums: dict[int, _Sums] = {}
    for columns in source.connection.pieces(_query(source, plan, names), ROWS_AT_ONCE):
        slots = values_of(columns, "p").astype(np.int64) * len(names.segments) + values_of(columns, "s")
        for slot, rows in pieces(slots):
            if slot not in sums:
                by_group = [np.zeros((len(groups), *shape)) for groups in names.groups.values()]
                sums[slot] = _Sums(counts=np.zeros(shape), groups=by_group)
            function = probabilities[names.segments[slot % len(names.segments)]]
            _count(sums[slot], plan, names, {name: column[rows] for name, column in columns.items()}, function)
    found = {}
    for slot, own in sums.items():
        part, segment = divmod(slot, len(names.segments))
        found[part, names.segments[segment] if segmented else None] = _table(own, plan, names)
    return found


def _texts(source: Source, text: str) -> list[str]:
    """The distinct values of a column."""
    result: Columns = source.connection.columns(
        f"select distinct {text} v from {source.relation} where {text} is not null"
    )
    return sorted(str(one) for one in values_of(result, "v"))


def _query(source: Source, plan: OutcomePlan, names: _Names) -> str:
    """Part, scores, and numbers of segment, prediction and groups (-1 for none) of every row with a prediction and all scores."""
    text = source.expressions.text
    segment = "0" if source.plan.segment is None else _place(text(source.plan.segment), names.segments)
    scores = [source.expressions.number(score.column) for score in plan.scores]
    joined = dict(plan.groups)
    groups = [_place(joined_text(source, joined[attribute]), listed) for attribute, listed in names.groups.items()]
    terms = [
        f"{source.part} p",
        f"{segment} s",
        f"{_place(text(plan.prediction or ''), names.predicted)} y",
        *(f"{score} x{at}" for at, score in enumerate(scores)),
        *(f"coalesce({group}, -1) g{at}" for at, group in enumerate(groups)),
    ]
    known = " and ".join(f"isfinite(x{at})" for at in range(len(scores)))
    return (
        f"select * from (select {', '.join(terms)} from {source.relation})"
        f" where p is not null and s is not null and y is not null and {known}"
    )


def _place(text: str, values: Sequence[str]) -> str:
    """Where a text stands in a list, from 0; NULL where it does not."""
    listed = ", ".join(literal(value) for value in values)
    return f"(nullif(list_position([{listed}]::VARCHAR[], {text}), 0) - 1)::INTEGER"


def _count(own: _Sums, plan: OutcomePlan, names: _Names, columns: Columns, function: Probabilities) -> None:
    """Adds rows of one slot to its sums."""
    scores = np.stack([columns[f"x{at}"] for at in range(len(plan.scores))], axis=1).astype(np.float64)
    predicted = columns["y"].astype(np.int64)
    chances, totals = function(scores)
    own.rows += len(scores)
    for at in range(len(plan.scores)):
        own.counts[at] += np.bincount(predicted, weights=chances[:, at], minlength=len(names.predicted))
    for at, counts in enumerate(own.groups):
        _count_groups(counts, chances, predicted, columns[f"g{at}"].astype(np.int64))
    _count_losses(own, scores, chances)
    scored = [score.class_ for score in plan.scores]
    own_class = np.array([scored.index(one) if one in scored else -1 for one in names.predicted], dtype=np.int64)
    pulls = _count_right(own, chances, totals, own_class[predicted])
    own.positives.append(
        [_positives(score, scores[:, at], chances[:, at], pulls[:, at]) for at, score in enumerate(plan.scores)]
    )
    if len(own.positives) == BATCHES_HELD:
        own.positives = [_added(own.positives)]


def _added(batches: Sequence[Sequence[ExpectedPositives]]) -> list[ExpectedPositives]:
    """The tables of all batches' rows by class."""
    return [reduce(add, of_class) for of_class in zip(*batches, strict=True)]


def _count_losses(own: _Sums, scores: Floats, chances: Floats) -> None:
    """Adds the expected log loss of rows, unless one of them has none."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = scores / scores.sum(axis=1, keepdims=True)
    if own.loss is None or not np.isfinite(shares).all():
        own.loss = None
        return
    losses = -np.log(np.clip(shares, EPSILON, 1 - EPSILON))
    own.loss += float((chances * losses).sum())
    own.loss_squares += float((chances * losses**2).sum())


def _count_right(own: _Sums, chances: Floats, totals: Floats, predicted: NDArray[np.int64]) -> Floats:
    """Adds how sure rows are to be predicted right, by the class that they are predicted (-1 for one without a score).

    Returns (n, c) how that probability rises with the class's own probability before it was divided by the row's sum.
    """
    is_predicted = predicted[:, None] == np.arange(chances.shape[1])
    right = (chances * is_predicted).sum(axis=1, keepdims=True)
    own.right_squares += float((right**2).sum())
    slopes = np.zeros_like(chances)
    np.divide(is_predicted - right, totals[:, None], out=slopes, where=totals[:, None] > 0)
    return slopes


def _count_groups(counts: Floats, chances: Floats, predicted: NDArray[np.int64], groups: NDArray[np.int64]) -> None:
    """Adds rows of one slot to its sums by group; -1 is no group."""
    held = groups >= 0
    predictions = counts.shape[2]
    place = groups[held] * predictions + predicted[held]
    for at in range(counts.shape[1]):
        added = np.bincount(place, weights=chances[held, at], minlength=len(counts) * predictions)
        counts[:, at] += added.reshape(len(counts), predictions)


def _positives(plan: ScorePlan, scores: Floats, chances: Floats, pulls: Floats) -> ExpectedPositives:
    """Expected rows of one class by score; cells are those of `outcomes`."""
    marks = scores
    if not plan.exact:
        width = (plan.highest - plan.lowest) or 1.0
        marks = np.clip(np.floor((scores - plan.lowest) * (SCORE_CELLS / width)), 0, SCORE_CELLS - 1)
    union, at = np.unique(marks, return_inverse=True)
    rows = np.bincount(at, minlength=len(union)).astype(np.int64)
    positives, pulled = (np.bincount(at, weights=one, minlength=len(union)).astype(float) for one in (chances, pulls))
    return ExpectedPositives(marks=union, positives=positives, rows=rows, pulls=pulled)


def _table(own: _Sums, plan: OutcomePlan, names: _Names) -> ExpectedTable:
    """The table of a slot's sums."""
    named = [score.class_ for score in plan.scores]
    said = own.counts.sum(axis=0) > 0
    classes = tuple(sorted({*named, *(one for one, rows in zip(names.predicted, said, strict=True) if rows)}))
    true = np.array([classes.index(name) for name in named], dtype=np.int64)
    columns = np.array(
        [classes.index(one) for one, rows in zip(names.predicted, said, strict=True) if rows], dtype=np.int64
    )

    def squared(counts: Floats) -> Floats:
        found = np.zeros((*counts.shape[:-2], len(classes), len(classes)))
        found[..., true[:, None], columns] = counts[..., said]
        return found

    by_group = {}
    for (attribute, groups), counts in zip(names.groups.items(), own.groups, strict=True):
        there = np.flatnonzero(counts.sum(axis=(1, 2)) > 0)
        held = tuple(groups[place] for place in there.tolist())
        by_group[attribute] = ExpectedGroups(groups=held, counts=squared(counts[there]))
    return ExpectedTable(
        classes=classes,
        rows=own.rows,
        counts=squared(own.counts),
        right_squares=own.right_squares,
        loss=own.loss,
        loss_squares=None if own.loss is None else own.loss_squares,
        positives=dict(zip(named, _added(own.positives), strict=True)),
        groups=by_group,
    )
