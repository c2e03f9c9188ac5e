"""Counts the scores of a batch of files by prediction and label: by value, or by equal cells, whose losses are added row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.plan import SCORE_CELLS, ScorePlan
from mlops_desk.aggregates.scan import value_ranges
from mlops_desk.aggregates.source import Slots, Source, amounts_of, pieces, values_of
from mlops_desk.aggregates.tables import UNLABELLED, Amounts, Counts, Floats, ScoreTable, mean_scores
from mlops_desk.warehouse.connection import Columns

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to EPSILON … 1 - EPSILON before a logarithm, as scikit-learn does."""
Layers = list[dict[int, ScoreTable]]
"""Tables by slot: of rows, and where these have weights of Σw and of Σw², entry by entry alike."""


def scan_scores(source: Source, plan: ScorePlan, prediction: str, label: str, slots: Slots) -> Layers:
    """Score tables by layer and slot."""
    x = source.expressions.number(plan.column)
    inner = f"select {source.keys_beside}, {x} x, {prediction} y, {label} t{source.carried} from {source.relation}"
    there = f"({inner}) where isfinite(x) and y is not null"
    keys, amounts = source.key_names, source.amounts()
    if plan.exact:
        result = source.connection.columns(f"select {keys}, x v, y, t, {amounts} from {there} group by all")
        return [_exact_tables(result, layer, slots) for layer in amounts_of(result, source.layers)]
    query = f"select {keys}, {score_cell(plan)} v, y, t, {amounts}, {_sums(source)} from {there} group by all"
    result = source.connection.columns(query)
    ranges = value_ranges(source, plan.column, slots)
    return [
        _cell_tables(plan, result, layer, ending, ranges, slots)
        for ending, layer in zip(source.layers, amounts_of(result, source.layers), strict=True)
    ]


def _sums(source: Source) -> str:
    """Terms that add in each layer the scores of a cell, and its log losses and squared errors, which mean nothing of rows without a label."""
    clipped = f"greatest({EPSILON!r}, least({1 - EPSILON!r}, case when t = 1 then x else 1 - x end))"
    return ", ".join(
        f"sum({factor}x) total{ending}, sum({factor}-ln({clipped})) l{ending}, sum({factor}(x - t) * (x - t)) b{ending}"
        for ending, factor in source.factors()
    )


def _by_entry(
    result: Columns, amounts: Amounts, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Counts, Amounts]:
    """The distinct entries of some rows of a result, which of them each row is, and their (k, 2, 3) amounts."""
    v, y, t = (values_of(result, name)[rows] for name in ("v", "y", "t"))
    distinct, place = np.unique(v, return_inverse=True)
    counts = np.zeros((len(distinct), 2, 3), dtype=amounts.dtype)
    np.add.at(counts, (place, y.astype(np.int64), t.astype(np.int64)), amounts[rows])
    return distinct, place, counts


def _exact_tables(result: Columns, amounts: Amounts, slots: Slots) -> dict[int, ScoreTable]:
    """Exact tables of one layer by slot."""
    tables = {}
    for slot, rows in pieces(slots.of(result), values_of(result, "v")):
        distinct, _, counts = _by_entry(result, amounts, rows)
        tables[slot] = exact_scores(distinct.astype(np.float64), counts)
    return tables


def _cell_tables(
    plan: ScorePlan,
    result: Columns,
    amounts: Amounts,
    ending: str,
    ranges: dict[int, tuple[float, float]],
    slots: Slots,
) -> dict[int, ScoreTable]:
    """Cell tables of one layer by slot."""
    totals, losses, squares = (values_of(result, name + ending) for name in ("total", "l", "b"))
    labelled = values_of(result, "t") != UNLABELLED
    tables = {}
    for slot, rows in pieces(slots.of(result), values_of(result, "v")):
        distinct, place, counts = _by_entry(result, amounts, rows)
        sums = np.bincount(place, weights=totals[rows]).astype(np.float64)
        known = rows[labelled[rows]]
        lost = float(losses[known].sum()), float(squares[known].sum())
        tables[slot] = _score_cells(plan, distinct.astype(np.int64), counts, sums, ranges[slot], lost)
    return tables


def score_cell(plan: ScorePlan) -> str:
    """The cell of a score x; what lies beyond the outermost cells belongs to them."""
    width = (plan.highest - plan.lowest) or 1.0
    position = f"floor((x - ({plan.lowest!r})) * ({SCORE_CELLS / width!r}))"
    return f"cast(greatest(0, least({SCORE_CELLS - 1}, {position})) as USMALLINT)"


def _score_cells(
    plan: ScorePlan,
    cells: Counts,
    counts: Amounts,
    sums: Floats,
    bounds: tuple[float, float],
    losses: tuple[float, float],
) -> ScoreTable:
    """A score table of cells, whose bounds are those of the grid within those of the slot."""
    width = ((plan.highest - plan.lowest) or 1.0) / SCORE_CELLS
    slack = width * 1e-9
    lowers = np.where(cells == 0, -np.inf, plan.lowest + cells * width - slack)
    uppers = np.where(cells == SCORE_CELLS - 1, np.inf, plan.lowest + (cells + 1) * width + slack)
    lowers, uppers = np.clip(lowers, *bounds), np.clip(uppers, *bounds)
    return ScoreTable(
        scores=mean_scores(sums, counts, lowers, uppers),
        counts=counts,
        lowers=lowers,
        uppers=uppers,
        cells=cells,
        log_loss_total=losses[0],
        brier_total=losses[1],
        in_unit_interval=bounds[0] >= 0 and bounds[1] <= 1,
    )


def exact_scores(scores: NDArray[np.float64], counts: Amounts) -> ScoreTable:
    """An exact score table with its totals."""
    labelled = counts[:, :, :UNLABELLED].sum(axis=1)
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    loss = -(labelled[:, 1] * np.log(clipped) + labelled[:, 0] * np.log(1 - clipped)).sum()
    brier = (labelled[:, 1] * (scores - 1) ** 2 + labelled[:, 0] * scores**2).sum()
    return ScoreTable(
        scores=scores,
        counts=counts,
        log_loss_total=float(loss),
        brier_total=float(brier),
        in_unit_interval=bool(len(scores) == 0 or (scores[0] >= 0 and scores[-1] <= 1)),
    )
