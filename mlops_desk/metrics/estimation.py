"""Accuracy of a binary classifier before its labels arrive: confidence-based performance estimation (CBPE), and its calibrators.

A score, calibrated on the labelled reference, is taken for the probability that its row is positive; every metric is then computed on
expected counts. That holds as long as the relation between score and label is the reference's: `estimation_gap` tells when it is not.
The calibrator belongs to the definition of what it estimates, so it is kept with the values, and on a table of cells it is one of cells.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.tables import Counts, Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Family, Measurement, untested
from mlops_desk.metrics import multiclass, performance
from mlops_desk.metrics.calibration import equal_count_bins, expected_error
from mlops_desk.metrics.intervals import measured, proportion
from mlops_desk.metrics.isotonic import isotonic_blocks
from mlops_desk.metrics.performance import (
    CONFUSION_METRICS,
    NO_SCORES,
    PROBABILITY_METRICS,
    RANK_METRICS,
    RANKS,
    confusion_values,
    rank_values,
    row_losses,
    too_few,
)
from mlops_desk.metrics.ranking import ranking, roc_auc

SPLITS = 10
HELD_OUT = 0.1
SEED = 42
NEARLY_PERFECT = 0.999
"""From this area under the ROC curve on, scores are taken as they are."""


class Calibrator(Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """Turns scores into probabilities by a rising broken line, level beyond its ends.

    Attributes
    ----------
    scores, probabilities : (m,) corners of the line, scores ascending; empty where scores are probabilities as they are.
    rows : (m,) reference rows that the probability of each corner was estimated from.
    unusable : why there is no estimate with this reference, None where there is.
    """

    scores: Floats
    probabilities: Floats
    rows: Floats
    unusable: str | None = None

    @property
    def calibrates(self) -> bool:
        """Whether scores are changed at all."""
        return len(self.scores) > 0

    def probability(self, scores: Floats) -> Floats:
        """(k,) probability that rows with these scores are positive."""
        return np.interp(scores, self.scores, self.probabilities) if self.calibrates else scores

    @cached_property
    def digest(self) -> str:
        """A hash of what it does; equal for equal calibrators."""
        parts = (self.scores, self.probabilities, self.rows)
        told = b"|".join([*(part.astype("<f8").tobytes() for part in parts), (self.unusable or "").encode()])
        return hashlib.sha256(told).hexdigest()


def raw_calibrator(unusable: str | None = None) -> Calibrator:
    """The calibrator that leaves scores as they are."""
    return Calibrator(scores=np.empty(0), probabilities=np.empty(0), rows=np.empty(0), unusable=unusable)


def fit_calibrator(reference: ScoreTable | None, *, min_rows: int = 30) -> Calibrator:
    """Isotonic regression of label on score over the labelled reference rows, where it lowers the calibration error, else raw scores.

    Whether it does is found as NannyML 0.13 finds it: ten times a tenth of the rows is held out by class, the rest is fitted, and the
    expected calibration errors of the pooled held-out rows, raw and calibrated, are compared. The draw is seeded and does not depend
    on the order of rows. References of one class, and scores that rank almost perfectly, are left raw.
    """
    if reference is None:
        return raw_calibrator(NO_SCORES)
    labelled = reference.labelled
    few = too_few(float(labelled.sum()), min_rows, "labelled reference rows with a score")
    if few:
        return raw_calibrator(few)
    if not reference.in_unit_interval:
        return raw_calibrator(RANKS)
    if not _needs_calibration(reference):
        return raw_calibrator()
    held = labelled.sum(axis=1) > 0
    positives, rows = labelled[held, 1].astype(np.float64), labelled[held].sum(axis=1).astype(np.float64)
    return _isotonic(reference.scores[held], positives, rows)


def _isotonic(scores: Floats, positives: Floats, rows: Floats) -> Calibrator:
    """The isotonic calibrator of (k,) ascending scores that all have rows."""
    starts, hits, held = isotonic_blocks(positives, rows)
    ends = np.append(starts[1:], len(scores)) - 1
    corners, block = np.unique(np.concatenate([starts, ends]), return_index=True)
    block = block % len(starts)
    return Calibrator(scores=scores[corners], probabilities=(hits / held)[block], rows=held[block])


def _needs_calibration(reference: ScoreTable) -> bool:
    """Whether isotonic calibration lowers the expected calibration error of rows it was not fitted on."""
    counts = reference.labelled[reference.labelled.sum(axis=1) > 0]
    scores = reference.scores[reference.labelled.sum(axis=1) > 0]
    totals = counts.sum(axis=0)
    if totals.min() == 0 or (roc_auc(ranking(reference)).value or 0.0) > NEARLY_PERFECT:
        return False
    generator = np.random.Generator(np.random.PCG64(SEED))
    raw, calibrated, drawn = [], [], []
    for _ in range(SPLITS):
        test = np.stack([_held_out(generator, counts[:, label]) for label in (0, 1)], axis=1)
        train = (counts - test).astype(np.float64)
        fitted, tested = train.sum(axis=1) > 0, test.sum(axis=1) > 0
        line = _isotonic(scores[fitted], train[fitted, 1], train[fitted].sum(axis=1))
        raw.append(scores[tested])
        calibrated.append(line.probability(scores[tested]))
        drawn.append(test[tested].astype(np.float64))
    labels = np.concatenate(drawn)
    before, after = (_pooled_error(np.concatenate(parts), labels) for parts in (raw, calibrated))
    return before > after


def _held_out(generator: np.random.Generator, counts: Counts) -> Floats:
    """(k,) how many of these rows are drawn when a tenth of all is."""
    total = int(counts.sum())
    size = min(total - 1, max(1, round(HELD_OUT * total)))
    if total > 20 * len(counts):
        return np.asarray(generator.multivariate_hypergeometric(counts, size, method="marginals"), dtype=np.float64)
    rows = generator.choice(total, size, replace=False, shuffle=False)
    entries = np.searchsorted(np.cumsum(counts), rows, side="right")
    return np.bincount(entries, minlength=len(counts)).astype(np.float64)


def _pooled_error(scores: Floats, labels: Floats) -> float:
    order = np.argsort(scores, kind="stable")
    union, at = np.unique(scores[order], return_inverse=True)
    summed = np.zeros((len(union), 2))
    np.add.at(summed, at, labels[order])
    return expected_error(equal_count_bins(union, summed[:, 1], summed[:, 0]))


def expected_counts(scores: ScoreTable, calibrator: Calibrator) -> Floats:
    """(k, 2, 2) expected rows by score, prediction and label of all rows, labelled or not."""
    chance = calibrator.probability(scores.scores)
    rows = scores.counts.sum(axis=2).astype(np.float64)
    return np.stack([rows * (1 - chance)[:, None], rows * chance[:, None]], axis=2)


def estimated_performance(
    scores: ScoreTable | None,
    calibrator: Calibrator,
    *,
    predicted: bool = True,
    min_rows: int = 30,
    value_matrix: Sequence[Sequence[float]] = (),
) -> dict[str, Measurement]:
    """Estimates of the performance metrics of a slice from all its rows with a score, by the realised metric's id.

    The sampling error is that of the realised metric on as many labelled rows. `predicted` says whether predictions are logged.
    """
    business = ("business_value",) if len(value_matrix) else ()
    ids = (*CONFUSION_METRICS, "label_rate", *RANK_METRICS, *PROBABILITY_METRICS, *business)
    reason = no_estimate(scores, calibrator, min_rows)
    if reason is not None or scores is None:
        return dict.fromkeys(ids, untested(reason or NO_SCORES))
    counts = expected_counts(scores, calibrator)
    by_label = counts.sum(axis=1)
    negatives, positives = by_label.sum(axis=0).tolist()
    values = confusion_values(counts.sum(axis=0), min_rows=min_rows, value_matrix=value_matrix)
    if not predicted:
        values = dict.fromkeys(values, untested(performance.NO_PREDICTIONS))
    values["label_rate"] = proportion(positives, positives + negatives)
    values |= rank_values(scores, by_label[:, 1], by_label[:, 0], positives, negatives)
    return values | _expected_losses(scores, by_label)


def no_estimate(scores: ScoreTable | None, calibrator: Calibrator, min_rows: int) -> str | None:
    """Why a slice has no estimates, None where it has."""
    if calibrator.unusable is not None:
        return f"reference: {calibrator.unusable}"
    if scores is None:
        return NO_SCORES
    return too_few(scores.n, min_rows, "rows with a score") or (None if scores.in_unit_interval else RANKS)


def _expected_losses(scores: ScoreTable, by_label: Floats) -> dict[str, Measurement]:
    """Expected log loss and Brier score; both are convex in the score, so in a cell they lie between its mean and its chord."""
    n, values = float(by_label.sum()), {}
    for name, at in zip(PROBABILITY_METRICS, row_losses(scores.scores), strict=True):
        total, squares, bound = float((by_label * at).sum()), float((by_label * at**2).sum()), 0.0
        if scores.lowers is not None and scores.uppers is not None:
            place = 0 if name == "log_loss" else 1
            low, high = row_losses(scores.lowers)[place], row_losses(scores.uppers)[place]
            width = scores.uppers - scores.lowers
            part = np.divide(scores.scores - scores.lowers, width, out=np.zeros_like(width), where=width > 0)[:, None]
            bound = float((by_label * np.maximum(low + part * (high - low) - at, 0.0)).sum()) / n
        error = math.sqrt(max(squares - total**2 / n, 0.0)) / n
        values[name] = measured(total / n, error, bound=bound, least=0.0, greatest=1.0 if name == "brier" else math.inf)
    return values


_ESTIMATED = (*CONFUSION_METRICS, *RANK_METRICS, *PROBABILITY_METRICS, "label_rate", "business_value")
DEFINITIONS: tuple[Definition, ...] = tuple(
    replace(
        definition,
        family=Family.ESTIMATED_PERFORMANCE,
        name=f"{definition.name} (estimated)",
        needs_labels=False,
        needs_score=True,
    )
    for definition in (*performance.DEFINITIONS, *multiclass.DEFINITIONS)
    if definition.id in _ESTIMATED or definition in multiclass.DEFINITIONS
)
