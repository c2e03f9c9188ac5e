"""Tables made from plain rows by the shortest route, for the tests of accuracy, calibration and fairness."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_desk.aggregates.expected import ExpectedPositives, ExpectedTable
from mlops_desk.aggregates.group_tables import GroupTable
from mlops_desk.aggregates.tables import ConfusionTable, Counts, ErrorTable, ScoreTable, ValueTable

Rows = NDArray[np.float64]


def coded(labels: Rows) -> NDArray[np.int64]:
    """0, 1, and 2 for NaN."""
    return np.where(np.isnan(labels), 2, labels).astype(np.int64)


def losses(scores: Rows, labels: Rows) -> tuple[float, float]:
    known = ~np.isnan(labels)
    score, label = scores[known], labels[known]
    eps = np.finfo(np.float64).eps
    clipped = np.clip(score, eps, 1 - eps)
    return float(-np.where(label == 1, np.log(clipped), np.log(1 - clipped)).sum()), float(((score - label) ** 2).sum())


def score_table(scores: Rows, predictions: Rows, labels: Rows) -> ScoreTable:
    """An exact table."""
    union, at = np.unique(scores, return_inverse=True)
    counts = np.zeros((len(union), 2, 3), dtype=np.int64)
    np.add.at(counts, (at, predictions.astype(np.int64), coded(labels)), 1)
    log_loss, brier = losses(scores, labels)
    return ScoreTable(
        scores=union,
        counts=counts,
        log_loss_total=log_loss,
        brier_total=brier,
        in_unit_interval=bool(len(scores) == 0 or (scores.min() >= 0 and scores.max() <= 1)),
    )


def cell_table(scores: Rows, predictions: Rows, labels: Rows, cells: int = 16) -> ScoreTable:
    """A table of equal-width cells of [0, 1]."""
    number = np.minimum((scores * cells).astype(np.int64), cells - 1)
    union, at = np.unique(number, return_inverse=True)
    counts = np.zeros((len(union), 2, 3), dtype=np.int64)
    np.add.at(counts, (at, predictions.astype(np.int64), coded(labels)), 1)
    held = [scores[at == place] for place in range(len(union))]
    log_loss, brier = losses(scores, labels)
    return ScoreTable(
        scores=np.array([min(max(part.mean(), part.min()), part.max()) for part in held]),
        counts=counts,
        lowers=np.array([part.min() for part in held]),
        uppers=np.array([part.max() for part in held]),
        cells=union,
        log_loss_total=log_loss,
        brier_total=brier,
    )


def confusion_counts(predictions: Rows, labels: Rows) -> Counts:
    """(2, 3) rows by prediction and label."""
    counts = np.zeros((2, 3), dtype=np.int64)
    np.add.at(counts, (predictions.astype(np.int64), coded(labels)), 1)
    return counts


def group_table(groups: Sequence[object], predictions: Rows, labels: Rows, attribute: str = "group") -> GroupTable:
    names = [str(group) for group in groups]
    union = sorted(set(names))
    counts = np.zeros((len(union), 2, 3), dtype=np.int64)
    np.add.at(counts, ([union.index(name) for name in names], predictions.astype(np.int64), coded(labels)), 1)
    return GroupTable(attribute=attribute, groups=tuple(union), counts=counts)


def confusion_table(classes: Sequence[str], true: Sequence[str], predicted: Sequence[str]) -> ConfusionTable:
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, ([classes.index(one) for one in true], [classes.index(one) for one in predicted]), 1)
    return ConfusionTable(classes=tuple(classes), counts=counts, predicted=counts.sum(axis=0))


def value_table(values: Rows) -> ValueTable:
    union, counts = np.unique(values, return_counts=True)
    return ValueTable(values=union, counts=counts)


def value_cells(values: Rows, width: float) -> ValueTable:
    """A table of cells of this width."""
    number = np.floor(values / width).astype(np.int64)
    union, at = np.unique(number, return_inverse=True)
    held = [values[at == place] for place in range(len(union))]
    return ValueTable(
        values=np.array([min(max(part.mean(), part.min()), part.max()) for part in held]),
        counts=np.array([len(part) for part in held]),
        lowers=np.array([part.min() for part in held]),
        uppers=np.array([part.max() for part in held]),
        cells=union,
        squares=np.array([((part - part.mean()) ** 2).sum() for part in held]),
    )


def error_table(predictions: Rows, targets: Rows, centre: float = 0.0) -> ErrorTable:
    known = ~np.isnan(targets)
    prediction, target = predictions[known], targets[known]
    error = prediction - target
    beyond = (target <= -1) | (prediction <= -1)
    logs = np.log1p(prediction[~beyond]) - np.log1p(target[~beyond])
    return ErrorTable(
        n=len(error),
        rows=len(predictions),
        error=float(error.sum()),
        absolute=float(np.abs(error).sum()),
        squares=float((error**2).sum()),
        relative=float((np.abs(error) / np.maximum(np.abs(target), np.finfo(np.float64).eps)).sum()),
        log_squares=float((logs**2).sum()),
        negative=int(beyond.sum()),
        target=float((target - centre).sum()),
        target_squares=float(((target - centre) ** 2).sum()),
        centre=centre,
        absolute_values=value_table(np.abs(error)),
    )


def columns(path: Path, *names: str) -> dict[str, NDArray[np.generic]]:
    """Columns of a Parquet file; NULL becomes NaN."""
    table = pq.read_table(path, columns=list(names))
    return {name: table[name].to_numpy() for name in names}


def expected_table(
    classes: Sequence[str],
    scores: Rows,
    chances: Rows,
    predicted: NDArray[np.int64],
    cells: int | None = None,
    totals: Rows | None = None,
) -> ExpectedTable:
    """Of (n, c) scores and probabilities and the places of the predicted classes; by cell of [0, 1] where asked."""
    counts = np.zeros((len(classes), len(classes)))
    for chance, place in zip(chances, predicted, strict=True):
        counts[:, place] += chance
    losses = -np.log(np.clip(scores / scores.sum(axis=1, keepdims=True), 1e-300, 1.0))
    marks = scores if cells is None else np.minimum(np.floor(scores * cells), cells - 1)
    positives = {}
    right = chances[np.arange(len(scores)), predicted]
    divisor = np.ones(len(scores)) if totals is None else totals
    for at, one in enumerate(classes):
        pulls = ((predicted == at) - right) / divisor
        union = np.unique(marks[:, at])
        inside = [marks[:, at] == mark for mark in union]
        positives[one] = ExpectedPositives(
            marks=union,
            positives=np.array([chances[rows, at].sum() for rows in inside]),
            rows=np.array([rows.sum() for rows in inside], dtype=np.int64),
            pulls=np.array([pulls[rows].sum() for rows in inside]),
        )
    return ExpectedTable(
        classes=tuple(classes),
        rows=len(scores),
        counts=counts,
        right_squares=float((right**2).sum()),
        loss=float((chances * losses).sum()),
        loss_squares=float((chances * losses**2).sum()),
        positives=positives,
    )
