"""Concept drift: whether labels relate to scores as they did in the reference.

Two looks at it: a test of label against sample within strata of equal score, and how far the realised accuracy is from the estimate
that assumes that nothing changed.
"""

from __future__ import annotations

import math

import numpy as np

from mlops_desk.aggregates.tables import Counts, Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.estimation import Calibrator, expected_counts
from mlops_desk.metrics.intervals import Z, measured
from mlops_desk.metrics.performance import NO_SCORES, too_few

STRATA = 10
SHIFT_METRICS = ("label_shift_given_score", "label_shift_given_score_p", "label_odds_ratio")


def label_shift(
    reference: ScoreTable | None, chunk: ScoreTable | None, *, min_rows: int = 30
) -> dict[str, Measurement]:
    """Cochran-Mantel-Haenszel test of label against sample within score deciles of the reference, and the common odds ratio.

    `label_shift_given_score` is χ² of one degree of freedom without continuity correction (range 0 to ∞, 0 is no shift), `_p` its
    p-value, `label_odds_ratio` Mantel and Haenszel's (1959) odds of a positive label in the chunk over those in the reference at equal
    score (above 1: more positives than before), its error after Robins, Breslow and Greenland (1986). Deciles are over the labelled
    reference rows; ties are merged, and on tables of cells borders are those of cells.
    """
    if reference is None or chunk is None:
        return dict.fromkeys(SHIFT_METRICS, untested(NO_SCORES))
    for table, what in ((reference, "labelled reference rows with a score"), (chunk, "labelled rows with a score")):
        few = too_few(float(table.labelled.sum()), min_rows, what)
        if few:
            return dict.fromkeys(SHIFT_METRICS, untested(few))
    strata = score_strata(reference, chunk)
    of_chunk, of_reference = strata[:, 1], strata[:, 0]
    labels = strata.sum(axis=1)
    n, sizes = labels.sum(axis=1), of_chunk.sum(axis=1)
    usable = n > 1
    expected = sizes[usable] * labels[usable, 1] / n[usable]
    spread = sizes * (n - sizes) * labels[:, 1] * labels[:, 0]
    variance = float((spread[usable] / (n[usable] ** 2 * (n[usable] - 1))).sum())
    if variance <= 0:
        return dict.fromkeys(SHIFT_METRICS, untested("no score decile holds both classes and both samples"))
    statistic = float((of_chunk[usable, 1] - expected).sum()) ** 2 / variance
    return {
        "label_shift_given_score": measured(statistic),
        "label_shift_given_score_p": measured(math.erfc(math.sqrt(statistic / 2))),
        "label_odds_ratio": _odds_ratio(of_chunk[usable], of_reference[usable], n[usable]),
    }


def score_strata(reference: ScoreTable, chunk: ScoreTable) -> Floats:
    """(s, 2, 2) labelled rows by score decile of the reference, sample (reference, chunk) and label."""
    if reference.exact != chunk.exact:
        raise ValueError("an exact table and a table of cells have no common strata")
    marks = [reference.scores, chunk.scores] if reference.exact else [reference.cells, chunk.cells]
    before = reference.labelled_before
    reached = before[1:, 0] + before[1:, 1]
    ranks = reached[-1] * np.arange(1, STRATA) / STRATA
    borders = np.unique(np.asarray(marks[0])[np.searchsorted(reached, ranks, side="left")])
    strata = np.zeros((len(borders) + 1, 2, 2))
    for sample, (table, mark) in enumerate(zip((reference, chunk), marks, strict=True)):
        ends = np.append(np.searchsorted(np.asarray(mark), borders, side="right"), len(table.labelled))
        strata[:, sample] = np.diff(table.labelled_before[ends], axis=0, prepend=0)
    return strata


def _odds_ratio(chunk: Floats, reference: Floats, n: Floats) -> Measurement:
    same = chunk[:, 1] * reference[:, 0] / n
    crossed = chunk[:, 0] * reference[:, 1] / n
    for_it, against_it = float(same.sum()), float(crossed.sum())
    if for_it <= 0 or against_it <= 0:
        return untested("no score decile lets the odds ratio be finite and above 0")
    ratio = for_it / against_it
    concordant, discordant = (chunk[:, 1] + reference[:, 0]) / n, (chunk[:, 0] + reference[:, 1]) / n
    log_variance = (
        float((concordant * same).sum()) / (2 * for_it**2)
        + float((concordant * crossed + discordant * same).sum()) / (2 * for_it * against_it)
        + float((discordant * crossed).sum()) / (2 * against_it**2)
    )
    error = math.sqrt(log_variance)
    return Measurement(ratio, None, 0.0, ratio * error, ratio * math.exp(-Z * error), ratio * math.exp(Z * error))


def estimation_gap(
    confusion: Counts | None,
    scores: ScoreTable | None,
    calibrator: Calibrator,
    realised: Measurement,
    estimated: Measurement,
) -> Measurement:
    """Realised minus estimated accuracy: what a changed mix of scores does not explain. Range -1 to 1.

    Parameters
    ----------
    confusion, scores : as the realised and the estimated accuracy were computed from.

    Notes
    -----
    Its sampling error holds under no change and adds three parts: chance of the labels given their probability, the labelled rows
    being only some of the rows, and the reference from which the calibrator was estimated.
    """
    for value in (realised, estimated):
        if value.reason is not None:
            return untested(value.reason)
    if scores is None or confusion is None or realised.value is None or estimated.value is None:
        return untested(NO_SCORES)
    labelled, n = float(confusion[:, :2].sum()), float(scores.n)
    counts = expected_counts(scores, calibrator)
    right = np.stack([counts[:, 0, 0], counts[:, 1, 1]], axis=1)
    rows = counts.sum(axis=2)
    share = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    chance = float((rows * share * (1 - share)).sum()) / n / labelled
    mix = float((rows * (share - estimated.value) ** 2).sum()) / n * max(1 / labelled - 1 / n, 0.0)
    error = math.sqrt(chance + mix + _calibrator_variance(scores, calibrator))
    return measured(realised.value - estimated.value, error, least=-1.0, greatest=1.0)


def _calibrator_variance(scores: ScoreTable, calibrator: Calibrator) -> float:
    """Variance of the estimated accuracy that comes of the calibrator's own estimation, level by level; 0 for raw scores."""
    if not calibrator.calibrates:
        return 0.0
    rows = scores.counts.sum(axis=2)
    pull = (rows[:, 1] - rows[:, 0]) / scores.n
    levels, level = np.unique(calibrator.probabilities, return_inverse=True)
    held = np.zeros(len(levels))
    held[level] = calibrator.rows
    after = np.clip(np.searchsorted(calibrator.scores, scores.scores), 1, max(len(calibrator.scores) - 1, 1))
    if len(calibrator.scores) == 1:
        nearest = np.zeros(len(scores.scores), dtype=np.int64)
    else:
        left, right = calibrator.scores[after - 1], calibrator.scores[after]
        nearest = np.where(scores.scores - left <= right - scores.scores, after - 1, after)
    pulled = np.bincount(level[nearest], weights=pull, minlength=len(levels))
    return float((pulled**2 * levels * (1 - levels) / held).sum())


def _definition(id: str, name: str, direction: Direction, least: float, greatest: float) -> Definition:
    return Definition(
        id=id,
        family=Family.CONCEPT_DRIFT,
        name=name,
        direction=direction,
        range=(least, greatest),
        tasks=("binary",),
        needs_labels=True,
        needs_score=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("label_shift_given_score", "Label shift given the score", Direction.LOWER, 0.0, math.inf),
    _definition("label_shift_given_score_p", "Label shift given the score, p-value", Direction.HIGHER, 0.0, 1.0),
    _definition("label_odds_ratio", "Odds ratio of labels given the score", Direction.NEITHER, 0.0, math.inf),
    _definition("estimation_gap", "Estimation gap", Direction.NEITHER, -1.0, 1.0),
)
