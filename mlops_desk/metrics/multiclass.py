"""Accuracy of a classifier of several classes against its labels: macro averages, values by class and confusion counts.

Equal to scikit-learn where every class of the table occurs. A class without labelled rows (or never predicted) leaves its own values
and the macro averages that need it untested, naming the class, where scikit-learn would count a 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import ConfusionTable, Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import Rate, measured, told
from mlops_desk.metrics.performance import business_value, f1_of_all_or_none, row_count, score_values, too_few
from mlops_desk.metrics.readings import Reading

MACRO_METRICS = ("precision", "recall", "specificity", "f1")
RANK_METRICS = ("roc_auc", "average_precision")
NO_CLASS_SCORES = "no score of each class is logged"


def multiclass_performance(
    confusion: ConfusionTable,
    scores: Mapping[str, ScoreTable],
    *,
    min_rows: int = 30,
    value_matrix: Sequence[Sequence[float]] = (),
    squares: OutcomeTables | None = None,
) -> tuple[Reading, ...]:
    """Every performance metric of a slice: averages, values by class, confusion counts.

    Parameters
    ----------
    confusion : labelled rows by true and predicted class, over all classes the model knows.
    scores : each class's score against the rest; empty where none are logged.
    value_matrix : (c, c), rows true class, columns predicted class, in sorted order; `business_value` is there if it is given.
    squares : the tables of the squares of weights, where confusion and scores are sums of weights; None where they are rows.
    """
    few = too_few(confusion.labelled, min_rows)
    if few:
        return untested_classes(few, value_matrix)
    of_scores = {} if squares is None else squares.scores
    ranked = {
        one: score_values(scores[one], min_rows, of_scores.get(one)) for one in confusion.classes if one in scores
    }
    counts = confusion.counts.astype(np.float64)
    of_counts = None if squares is None or squares.confusion is None else squares.confusion.counts
    return class_readings(counts, confusion.classes, ranked, _log_loss(confusion), value_matrix, of_counts)


def untested_classes(reason: str, value_matrix: Sequence[Sequence[float]]) -> tuple[Reading, ...]:
    """The averages, each untested for one reason; nothing is said of single classes."""
    averages = ("accuracy", *MACRO_METRICS, "f1_micro", "f1_weighted", *RANK_METRICS, "log_loss")
    ids = (*averages, *(("business_value",) if len(value_matrix) else ()))
    return tuple(Reading(metric=metric, measurement=untested(reason)) for metric in ids)


def class_readings(
    counts: Floats,
    classes: tuple[str, ...],
    ranked: Mapping[str, Mapping[str, Measurement]],
    log_loss: Measurement,
    value_matrix: Sequence[Sequence[float]] = (),
    squares: Floats | None = None,
) -> tuple[Reading, ...]:
    """Every performance metric of (c, c) rows by true and predicted class; fractions of rows are allowed, and sums of weights with their `squares`.

    `ranked` holds the RANK_METRICS of each class that has scores.
    """
    by_class = _class_values(counts, classes, squares)
    whole = {"accuracy": told(_rate(counts, squares, np.eye(len(counts), dtype=np.bool_)))}
    whole |= {metric: _macro(by_class, metric) for metric in ("precision", "recall", "specificity")}
    whole["f1"] = _average_f1(counts, by_class, np.full(len(counts), 1 / len(counts)), squares)
    whole["f1_micro"] = whole["accuracy"]
    whole["f1_weighted"] = _average_f1(counts, by_class, counts.sum(axis=1) / counts.sum(), squares, by_label=True)
    whole |= {metric: _macro_rank(ranked, classes, metric) for metric in RANK_METRICS}
    whole["log_loss"] = log_loss
    if len(value_matrix):
        whole["business_value"] = business_value(counts, value_matrix, squares)
    readings = [Reading(metric=metric, measurement=value) for metric, value in whole.items()]
    for at, one in enumerate(classes):
        values = {metric: by_class[metric][at] for metric in MACRO_METRICS} | {
            metric: ranked[one][metric] for metric in RANK_METRICS if one in ranked
        }
        readings += [Reading(metric=metric, measurement=value, class_=one) for metric, value in values.items()]
    return (*readings, *_confusion_counts(counts, classes, squares))


def _rate(
    counts: Floats, squares: Floats | None, hits: NDArray[np.bool_], among: NDArray[np.bool_] | None = None
) -> Rate:
    """The share of some pairs of true and predicted class in all pairs, or among some; masks are (c, c)."""
    misses = ~hits if among is None else among & ~hits
    hit, missed = float(counts[hits].sum()), float(counts[misses].sum())
    if squares is None:
        return Rate(hit, hit + missed)
    return Rate(hit, hit + missed, float(squares[hits].sum()), float(squares[misses].sum()))


def _class_values(counts: Floats, classes: tuple[str, ...], squares: Floats | None) -> dict[str, list[Measurement]]:
    """Precision, recall, specificity and F1 of each class against the rest."""
    n = float(counts.sum())
    values: dict[str, list[Measurement]] = {metric: [] for metric in MACRO_METRICS}
    for at, one in enumerate(classes):
        of_class, said = (np.zeros(counts.shape, dtype=np.bool_) for _ in range(2))
        of_class[at], said[:, at] = True, True
        hit, true, predicted = float(counts[at, at]), float(counts[at].sum()), float(counts[:, at].sum())
        negative = float(counts[~of_class].sum())
        never = untested(f"no labelled row is predicted {one!r}")
        absent = untested(f"no labelled row is of class {one!r}")
        only = untested(f"every labelled row is of class {one!r}")
        right = of_class & said
        values["precision"].append(told(_rate(counts, squares, right, said)) if predicted else never)
        values["recall"].append(told(_rate(counts, squares, right, of_class)) if true else absent)
        values["specificity"].append(
            told(_rate(counts, squares, ~of_class & ~said, ~of_class)) if negative > 0 else only
        )
        counted = _rate(counts, squares, right, of_class | said)
        if true + predicted > 0 and counted.hits in (0.0, counted.rows):
            values["f1"].append(f1_of_all_or_none(counted))
        elif true + predicted > 0:
            slopes = _f1_slopes(counts / n, at)
            value, error = 2 * hit / (true + predicted), _multinomial_error(counts / n, slopes, n, squares)
            values["f1"].append(measured(value, error, least=0.0, greatest=1.0))
        else:
            values["f1"].append(untested(f"no labelled row is of class {one!r} or predicted so"))
    return values


def _macro(by_class: dict[str, list[Measurement]], metric: str) -> Measurement:
    """The unweighted mean over the classes, whose rates are independent given how many rows each class has."""
    missing = next((value.reason for value in by_class[metric] if value.reason is not None), None)
    if missing is not None:
        return untested(missing)
    values = [value.value or 0.0 for value in by_class[metric]]
    error = math.hypot(*(value.sampling_error or 0.0 for value in by_class[metric])) / len(values)
    return measured(math.fsum(values) / len(values), error, least=0.0, greatest=1.0)


def _f1_slopes(shares: Floats, at: int) -> Floats:
    """(c, c) derivative of one class's F1 by the share of each pair of true and predicted class."""
    whole = shares[at].sum() + shares[:, at].sum()
    slopes = np.zeros_like(shares)
    slopes[at] -= 2 * shares[at, at] / whole**2
    slopes[:, at] -= 2 * shares[at, at] / whole**2
    slopes[at, at] += 2 / whole
    return slopes


def _multinomial_error(shares: Floats, slopes: Floats, n: float, squares: Floats | None) -> float:
    mean = float((shares * slopes).sum())
    if squares is not None:
        return math.sqrt(float((squares * (slopes - mean) ** 2).sum())) / n
    return math.sqrt(float((shares * (slopes - mean) ** 2).sum()) / n)


def _average_f1(
    counts: Floats,
    by_class: dict[str, list[Measurement]],
    weights: Floats,
    squares: Floats | None,
    *,
    by_label: bool = False,
) -> Measurement:
    """The mean of the classes' F1 with these weights, which sum to 1; `by_label` says that they are the labels' shares."""
    needed = [value for value, weight in zip(by_class["f1"], weights, strict=True) if weight > 0]
    missing = next((value.reason for value in needed if value.reason is not None), None)
    if missing is not None:
        return untested(missing)
    n = float(counts.sum())
    shares, slopes, total = counts / n, np.zeros_like(counts), 0.0
    for at, weight in enumerate(weights):
        value = by_class["f1"][at].value
        if value is not None:
            total += weight * value
            slopes += weight * _f1_slopes(shares, at)
            slopes[at] += value if by_label else 0.0
    return measured(total, _multinomial_error(shares, slopes, n, squares), least=0.0, greatest=1.0)


def _macro_rank(ranked: Mapping[str, Mapping[str, Measurement]], classes: tuple[str, ...], metric: str) -> Measurement:
    """The unweighted mean over the classes; its error takes the classes' errors as if they went together, which is the most it can be."""
    if not ranked or any(one not in ranked for one in classes):
        return untested(NO_CLASS_SCORES)
    for one in classes:
        reason = ranked[one][metric].reason
        if reason is not None:
            return untested(f"class {one!r}: {reason}")
    values = [ranked[one][metric] for one in classes]
    mean, bound, error = (
        math.fsum(parts) / len(values)
        for parts in zip(
            *((one.value or 0.0, one.error_bound, one.sampling_error or 0.0) for one in values), strict=True
        )
    )
    return measured(mean, error, bound=bound, least=0.0, greatest=1.0)


def _log_loss(confusion: ConfusionTable) -> Measurement:
    if confusion.log_loss_total is None:
        return untested(NO_CLASS_SCORES)
    return measured(confusion.log_loss_total / confusion.labelled)


def _confusion_counts(counts: Floats, classes: tuple[str, ...], squares: Floats | None) -> list[Reading]:
    readings = []
    for row, true in enumerate(classes):
        for column, predicted in enumerate(classes):
            pair = np.zeros(counts.shape, dtype=np.bool_)
            pair[row, column] = True
            count = row_count(_rate(counts, squares, pair))
            readings.append(Reading(metric="confusion", measurement=count, group=f"{true}|{predicted}"))
    return readings


def _definition(id: str, name: str, direction: Direction, greatest: float = 1.0) -> Definition:
    return Definition(
        id=id,
        family=Family.PERFORMANCE,
        name=name,
        direction=direction,
        range=(0.0, greatest),
        tasks=("multiclass",),
        needs_labels=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("f1_micro", "F1, micro average", Direction.HIGHER),
    _definition("f1_weighted", "F1, weighted by class", Direction.HIGHER),
    _definition("confusion", "Confusion count", Direction.NEITHER, math.inf),
)
