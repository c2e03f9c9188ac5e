"""Accuracy of a binary classifier against its labels, from counts by prediction and label and from a table of scores.

Equal to scikit-learn, ties included. Where one class is absent, what cannot be computed is untested with the reason; what has a value of
its own keeps it: balanced accuracy is the recall of the class that occurs, Matthews correlation is 0 (its limit), Cohen's kappa is
computed as ever, and specificity is scikit-learn's 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import UNLABELLED, Amounts, Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import Rate, measured, told
from mlops_desk.metrics.ranking import average_precision, lift, ranking, roc_auc

CONFUSION_METRICS = (
    "accuracy", "balanced_accuracy", "cohen_kappa", "precision", "recall", "specificity", "f1", "mcc",
    "true_positive", "true_negative", "false_positive", "false_negative",
)  # fmt: skip
RANK_METRICS = ("roc_auc", "average_precision", "lift_at_10")
PROBABILITY_METRICS = ("log_loss", "brier")
NO_POSITIVES = "no labelled row is positive"
NO_NEGATIVES = "no labelled row is negative"
NO_POSITIVE_PREDICTIONS = "no labelled row is predicted positive"
NO_PREDICTIONS = "no prediction is logged"
NO_SCORES = "no score is logged"
RANKS = "the scores leave [0, 1]: they are ranks, no probabilities"
EPSILON = float(np.finfo(np.float64).eps)


def binary_performance(
    confusion: Amounts | None,
    scores: ScoreTable | None,
    *,
    min_rows: int = 30,
    value_matrix: Sequence[Sequence[float]] = (),
    squares: OutcomeTables | None = None,
) -> dict[str, Measurement]:
    """Every performance metric of a slice, by metric id; each is a value or the reason why there is none.

    Parameters
    ----------
    confusion : (2, 3) rows by prediction and label (negative, positive, unlabelled), with or without a score; None where no
        prediction is logged. scores : the rows that have a score; None where none is logged.
    min_rows : fewer labelled rows (for `prediction_rate`: rows) than this are untested.
    value_matrix : (2, 2), rows true class, columns predicted class; `business_value` is there if it is given.
    squares : the tables of the squares of weights, where confusion and scores are sums of weights; None where they are rows.
    """
    of_scores = None if squares is None else squares.scores.get("")
    if confusion is not None:
        counts = np.asarray(confusion, dtype=np.float64)
        of_counts = None if squares is None or squares.binary is None else squares.binary
        of_labelled = None if of_counts is None else of_counts[:, :UNLABELLED]
        values = confusion_values(
            counts[:, :UNLABELLED], min_rows=min_rows, value_matrix=value_matrix, squares=of_labelled
        )
        few = too_few(float(counts.sum()), min_rows, "rows with a prediction")
        values["prediction_rate"] = (
            untested(few) if few else told(_share(counts, of_counts, (slice(1, 2), slice(None))))
        )
        values["label_rate"] = _label_rate(counts, of_counts, min_rows)
    else:
        ids = (*CONFUSION_METRICS, "prediction_rate", *(("business_value",) if len(value_matrix) else ()))
        values = dict.fromkeys(ids, untested(NO_PREDICTIONS))
        labels = np.zeros((1, 2)) if scores is None else scores.labelled.astype(np.float64)
        values["label_rate"] = _label_rate(labels, None if of_scores is None else of_scores.labelled, min_rows)
    return values | score_values(scores, min_rows, of_scores)


def _share(counts: Floats, squares: Amounts | None, hits: tuple[slice, slice]) -> Rate:
    """The share that some of the rows have in all of them."""
    hit, rest = float(counts[hits].sum()), counts.copy()
    rest[hits] = 0
    rows = hit + float(rest.sum())
    if squares is None:
        return Rate(hit, rows)
    of_hits = float(squares[hits].sum())
    return Rate(hit, rows, of_hits, max(float(squares.sum()) - of_hits, 0.0))


def too_few(rows: float, min_rows: int, what: str = "labelled rows") -> str | None:
    """Why so few rows are untested, None where they are enough."""
    if rows < min_rows or rows <= 0:
        return f"no {what}" if rows <= 0 else f"{rows:,.0f} {what}, fewer than {min_rows}"
    return None


def _label_rate(counts: Floats, squares: Amounts | None, min_rows: int) -> Measurement:
    """The share of positive labels in (…, 2) labelled rows, or in such with a third entry of those without a label."""
    counts, squares = counts[:, :UNLABELLED], None if squares is None else squares[:, :UNLABELLED]
    few = too_few(float(counts.sum()), min_rows)
    return untested(few) if few else told(_share(counts, squares, (slice(None), slice(1, 2))))


def confusion_values(
    counts: Floats,
    *,
    min_rows: int = 30,
    value_matrix: Sequence[Sequence[float]] = (),
    squares: Amounts | None = None,
) -> dict[str, Measurement]:
    """The metrics of (2, 2) labelled rows by prediction and label; fractions of rows are allowed, and sums of weights with their `squares`."""
    n = float(counts.sum())
    few = too_few(n, min_rows)
    if few:
        ids = (*CONFUSION_METRICS, *(("business_value",) if len(value_matrix) else ()))
        return dict.fromkeys(ids, untested(few))
    (tn, fn), (fp, tp) = counts.tolist()
    if squares is None:
        cells = Cells((tp, fp, fn, tn))
    else:
        (of_tn, of_fn), (of_fp, of_tp) = squares.tolist()
        cells = Cells((tp, fp, fn, tn), (of_tp, of_fp, of_fn, of_tn))
    values = dict(_rates(cells))
    values |= _agreements(cells)
    places = {"true_positive": 0, "false_positive": 1, "false_negative": 2, "true_negative": 3}
    values |= {name: row_count(cells.rate((at,))) for name, at in places.items()}
    if len(value_matrix):
        values["business_value"] = business_value(counts.T, value_matrix, None if squares is None else squares.T)
    return values


def row_count(rate: Rate) -> Measurement:
    """How many of the rows are hits, with the error of a binomial count; of weights, their sum with that of a given total weight."""
    (lower, upper), n = rate.interval, rate.rows
    return Measurement(rate.hits, None, 0.0, n * rate.standard_error, n * lower, n * upper)


def business_value(counts: Floats, matrix: Sequence[Sequence[float]], squares: Amounts | None = None) -> Measurement:
    """Σ of the value of each row; (c, c) rows and values by true and predicted class."""
    values = np.asarray(matrix, dtype=np.float64)
    if values.shape != counts.shape:
        return untested(f"the value matrix is of {len(values)} classes, the predictions and labels of {len(counts)}")
    n, total = float(counts.sum()), float((counts * values).sum())
    spread = float(((counts if squares is None else squares) * (values - total / n) ** 2).sum())
    return measured(total, math.sqrt(spread))


class Cells(Struct, frozen=True):
    """Labelled rows that are true positive, false positive, false negative and true negative; of sums of weights, those of their squares, too."""

    counts: tuple[float, float, float, float]
    squares: tuple[float, float, float, float] | None = None

    @property
    def n(self) -> float:
        """All of them."""
        return sum(self.counts)

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """Their shares."""
        tp, fp, fn, tn = (count / self.n for count in self.counts)
        return tp, fp, fn, tn

    def rate(self, hits: Sequence[int], among: Sequence[int] = (0, 1, 2, 3)) -> Rate:
        """The share of some cells in these."""
        misses = [at for at in among if at not in hits]
        hit, missed = sum(self.counts[at] for at in hits), sum(self.counts[at] for at in misses)
        if self.squares is None:
            return Rate(hit, hit + missed)
        return Rate(hit, hit + missed, sum(self.squares[at] for at in hits), sum(self.squares[at] for at in misses))

    def error(self, gradient: Sequence[float]) -> float:
        """Standard error of a function of the shares with this gradient, by the delta method."""
        mean = sum(share * slope for share, slope in zip(self.shares, gradient, strict=True))
        if self.squares is None:
            spreads = zip(self.shares, gradient, strict=True)
            return math.sqrt(sum(share * (slope - mean) ** 2 for share, slope in spreads) / self.n)
        spread = sum(square * (slope - mean) ** 2 for square, slope in zip(self.squares, gradient, strict=True))
        return math.sqrt(spread) / self.n


def _rates(cells: Cells) -> Iterator[tuple[str, Measurement]]:
    tp, fp, fn, tn = cells.counts
    yield "accuracy", told(cells.rate((0, 3)))
    yield "precision", told(cells.rate((0,), (0, 1))) if tp + fp > 0 else untested(NO_POSITIVE_PREDICTIONS)
    yield "recall", told(cells.rate((0,), (0, 2))) if tp + fn > 0 else untested(NO_POSITIVES)
    yield "specificity", told(cells.rate((3,), (3, 1))) if tn + fp > 0 else Measurement(0.0)


def _agreements(cells: Cells) -> dict[str, Measurement]:
    """The metrics that weigh all four cells; their errors come from the delta method on the multinomial."""
    recalls = [rate for rate in (cells.rate((0,), (0, 2)), cells.rate((3,), (3, 1))) if rate.rows > 0]
    balanced = math.fsum(rate.value for rate in recalls) / len(recalls)
    error = math.hypot(*(rate.standard_error for rate in recalls)) / len(recalls)
    return {
        "f1": _f1(cells),
        "balanced_accuracy": measured(balanced, error, least=0.0, greatest=1.0),
        "cohen_kappa": _kappa(cells),
        "mcc": _mcc(cells),
    }


def _f1(cells: Cells) -> Measurement:
    tp, fp, fn, _ = cells.shares
    whole = 2 * tp + fp + fn
    if whole <= 0:
        return untested("no labelled row is positive or predicted positive")
    counted = cells.rate((0,), (0, 1, 2))
    if counted.value <= 0 or counted.value >= 1:
        return f1_of_all_or_none(counted)
    miss = -2 * tp / whole**2
    gradient = 2 * (fp + fn) / whole**2, miss, miss, 0.0
    return measured(2 * tp / whole, cells.error(gradient), least=0.0, greatest=1.0)


def f1_of_all_or_none(counted: Rate) -> Measurement:
    """F1 where none or all of the rows that count for it are true positives: there its gradient says 0.

    It is 2q/(1+q) of their share q of these rows, and so are the ends of its interval of Wilson's for q.
    """
    lower, value, upper = (2 * q / (1 + q) for q in (counted.interval[0], counted.value, counted.interval[1]))
    error = counted.standard_error * 2 / (1 + counted.value) ** 2
    return Measurement(value, None, 0.0, error, lower, upper)


def _kappa(cells: Cells) -> Measurement:
    tp, fp, fn, tn = cells.shares
    agreed = tp + tn
    by_chance = (tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)
    left = 1 - by_chance
    if left <= 0:
        return untested("every labelled row has the same label and the same prediction")
    value = (agreed - by_chance) / left
    chance = 2 * tp + fp + fn, tp + tn + 2 * fn, tp + tn + 2 * fp, 2 * tn + fp + fn
    gradient = [(hit - slope * (1 - value)) / left for hit, slope in zip((1, 0, 0, 1), chance, strict=True)]
    return measured(value, cells.error(gradient), least=-1.0, greatest=1.0)


def _mcc(cells: Cells) -> Measurement:
    tp, fp, fn, tn = cells.shares
    margins = tp + fp, tp + fn, tn + fp, tn + fn
    if min(margins) <= 0:
        return Measurement(0.0)
    scale = math.sqrt(math.prod(margins))
    value = (tp * tn - fp * fn) / scale
    by_predicted, by_positive, by_negative, by_rejected = (value / 2 / margin for margin in margins)
    gradient = (
        tn / scale - by_predicted - by_positive,
        -fn / scale - by_predicted - by_negative,
        -fp / scale - by_positive - by_rejected,
        tp / scale - by_negative - by_rejected,
    )
    return measured(value, cells.error(gradient), least=-1.0, greatest=1.0)


def score_values(
    scores: ScoreTable | None, min_rows: int = 30, squares: ScoreTable | None = None
) -> dict[str, Measurement]:
    """The metrics of the labelled rows that have a score; `squares` as for `binary_performance`."""
    ids = (*RANK_METRICS, *PROBABILITY_METRICS)
    if scores is None:
        return dict.fromkeys(ids, untested(NO_SCORES))
    negatives, positives = scores.labelled.sum(axis=0).tolist()
    n = positives + negatives
    few = too_few(n, min_rows, "labelled rows with a score")
    if few:
        return dict.fromkeys(ids, untested(few))
    of_weights = None if squares is None else squares.labelled
    values = rank_values(scores, scores.labelled, of_weights)
    if not scores.in_unit_interval:
        return values | dict.fromkeys(PROBABILITY_METRICS, untested(RANKS))
    losses = zip(
        PROBABILITY_METRICS, (scores.log_loss_total, scores.brier_total), row_losses(scores.scores), strict=True
    )
    for name, total, each in losses:
        error = mean_error(scores.labelled, each, of_weights)
        values[name] = measured(total / n, error, least=0.0, greatest=1.0 if name == "brier" else math.inf)
    return values


def mean_error(amounts: Amounts, each: Floats, squares: Amounts | None) -> float:
    """Standard error of the mean of a number of each row, from the rows of each entry, or from Σw and Σw² of each."""
    n, total = float(amounts.sum()), float((amounts * each).sum())
    if squares is None:
        return math.sqrt(max(float((amounts * each**2).sum()) - total**2 / n, 0.0)) / n
    return math.sqrt(float((squares * (each - total / n) ** 2).sum())) / n


def rank_values(scores: ScoreTable, labels: Amounts, squares: Amounts | None = None) -> dict[str, Measurement]:
    """`roc_auc`, `average_precision` and `lift_at_10` of (k, 2) negative and positive rows by score, or of sums of weights and of their squares."""
    negatives, positives = labels.sum(axis=0).tolist()
    if positives <= 0:
        return dict.fromkeys(RANK_METRICS, untested(NO_POSITIVES))
    rows = ranking(scores, labels, squares)
    return {
        "roc_auc": roc_auc(rows) if negatives > 0 else untested(NO_NEGATIVES),
        "average_precision": average_precision(rows),
        "lift_at_10": lift(rows, 0.1),
    }


def row_losses(scores: Floats) -> tuple[Floats, Floats]:
    """(k, 2) log loss (clipped to machine epsilon) and (k, 2) squared error of each score for a negative and a positive label."""
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    log_loss = np.stack([-np.log1p(-clipped), -np.log(clipped)], axis=1)
    return log_loss, np.stack([scores**2, (1 - scores) ** 2], axis=1)


BOTH = ("binary", "multiclass")


def _definition(
    id: str,
    name: str,
    direction: Direction,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    tasks: tuple[str, ...] = ("binary",),
) -> Definition:
    return Definition(
        id=id,
        family=Family.PERFORMANCE,
        name=name,
        direction=direction,
        range=span,
        tasks=tasks,
        needs_labels=id != "prediction_rate",
        needs_score=id in (*RANK_METRICS, *PROBABILITY_METRICS),
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("accuracy", "Accuracy", Direction.HIGHER, tasks=BOTH),
    _definition("balanced_accuracy", "Balanced accuracy", Direction.HIGHER),
    _definition("cohen_kappa", "Cohen's kappa", Direction.HIGHER, span=(-1.0, 1.0)),
    _definition("precision", "Precision", Direction.HIGHER, tasks=BOTH),
    _definition("recall", "Recall", Direction.HIGHER, tasks=BOTH),
    _definition("specificity", "Specificity", Direction.HIGHER, tasks=BOTH),
    _definition("f1", "F1", Direction.HIGHER, tasks=BOTH),
    _definition("mcc", "Matthews correlation", Direction.HIGHER, span=(-1.0, 1.0)),
    _definition("roc_auc", "ROC AUC", Direction.HIGHER, tasks=BOTH),
    _definition("average_precision", "Average precision", Direction.HIGHER, tasks=BOTH),
    _definition("log_loss", "Log loss", Direction.LOWER, span=(0.0, math.inf), tasks=BOTH),
    _definition("brier", "Brier score", Direction.LOWER),
    _definition("true_positive", "True positives", Direction.NEITHER, span=(0.0, math.inf)),
    _definition("true_negative", "True negatives", Direction.NEITHER, span=(0.0, math.inf)),
    _definition("false_positive", "False positives", Direction.NEITHER, span=(0.0, math.inf)),
    _definition("false_negative", "False negatives", Direction.NEITHER, span=(0.0, math.inf)),
    _definition("lift_at_10", "Lift at 10 %", Direction.HIGHER, span=(0.0, 10.0)),
    _definition("prediction_rate", "Prediction rate", Direction.NEITHER),
    _definition("label_rate", "Label rate", Direction.NEITHER),
    _definition("business_value", "Business value", Direction.HIGHER, span=(-math.inf, math.inf), tasks=BOTH),
)
