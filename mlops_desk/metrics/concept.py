"""Concept drift: whether labels relate to scores as they did in the reference.

Three looks at it: a test of label against sample within strata of equal score, how far the realised accuracy is from the estimate that
assumes that nothing changed, and the change of accuracy split into what other scores explain and what they do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.tables import Amounts, Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.class_estimation import ClassCalibrators
from mlops_desk.metrics.estimation import Calibrator, expected_counts
from mlops_desk.metrics.intervals import Z, measured
from mlops_desk.metrics.performance import NO_PREDICTIONS, NO_SCORES, too_few
from mlops_desk.metrics.weighting import NO_WEIGHT

STRATA = 10
EFFECTS = ("covariate_effect", "concept_effect")
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
    borders = _decile_borders(reference, chunk)
    return _by_stratum((reference, reference.labelled), (chunk, chunk.labelled), borders)


def _decile_borders(reference: ScoreTable, chunk: ScoreTable) -> Floats:
    """The marks that end the score deciles of the labelled reference rows, ties merged."""
    if reference.exact != chunk.exact:
        raise ValueError("an exact table and a table of cells have no common strata")
    before = reference.labelled_before
    reached = before[1:, 0] + before[1:, 1]
    ranks = reached[-1] * np.arange(1, STRATA) / STRATA
    return np.unique(reference.marks[np.searchsorted(reached, ranks, side="left")])


def _before(counts: Amounts) -> Floats:
    """(k + 1, …) rows before each entry, and at the end all."""
    return np.concatenate([np.zeros((1, *counts.shape[1:])), np.cumsum(counts, axis=0)])


def _by_stratum(reference: tuple[ScoreTable, Amounts], chunk: tuple[ScoreTable, Amounts], borders: Floats) -> Floats:
    """(s, 2, …) rows by stratum and sample of (k, …) rows by entry of each sample's table."""
    strata = np.zeros((len(borders) + 1, 2, *reference[1].shape[1:]))
    for sample, (table, counts) in enumerate((reference, chunk)):
        if counts.dtype.kind == "f":  # a difference of running sums would lose small weights beside great ones
            np.add.at(strata[:, sample], np.searchsorted(borders, table.marks, side="left"), counts)
            continue
        up_to = table.labelled_before if counts is table.labelled else _before(counts)
        ends = np.append(np.searchsorted(table.marks, borders, side="right"), len(counts))
        strata[:, sample] = np.diff(up_to[ends], axis=0, prepend=0)
    return strata


def accuracy_effects(
    reference: ScoreTable | None,
    chunk: ScoreTable | None,
    *,
    predicted: bool = True,
    min_rows: int = 30,
    effective: tuple[ScoreTable, ScoreTable] | None = None,
) -> dict[str, Measurement]:
    """The change of accuracy against the reference, split exactly over the score deciles of the reference. Range -1 to 1 each.

    `covariate_effect` is Σ(q - p)a: the accuracy that the reference would have with the chunk's share of rows in each decile, minus the
    reference's own. `concept_effect` is Σq(c - a): the chunk's accuracy minus that. Here p and q are the deciles' shares of the labelled
    rows with a score in reference and chunk, a and c their accuracies. Both add up to the change of accuracy of these rows.

    Notes
    -----
    Deciles beyond which the reference has no labelled row are joined to the last, so that each has an accuracy in the reference. On tables
    of cells, borders are those of cells. Sampling errors count the chunk's rows and the reference's (delta method). `effective` are both tables by
    weight, scaled to Kish's effective rows: the deciles stay those of the reference's rows, shares and accuracies are weighted.
    """
    if reference is None or chunk is None or not predicted:
        return dict.fromkeys(EFFECTS, untested(NO_SCORES if predicted else NO_PREDICTIONS))
    for table, what in ((reference, "labelled reference rows with a score"), (chunk, "labelled rows with a score")):
        few = too_few(float(table.labelled.sum()), min_rows, what)
        if few:
            return dict.fromkeys(EFFECTS, untested(few))
    borders = _decile_borders(reference, chunk)
    if effective is not None:
        reference, chunk = effective
        if min(float(one.labelled.sum()) for one in effective) <= 0:
            return dict.fromkeys(EFFECTS, untested(NO_WEIGHT))
    highest = reference.marks[reference.labelled.sum(axis=1) > 0][-1]
    strata = _by_stratum(
        (reference, _right_and_all(reference)), (chunk, _right_and_all(chunk)), borders[borders < highest]
    )
    if effective is not None:  # deciles of which no reference row weighs anything join the one before
        starts = np.flatnonzero(strata[:, 0, 1] > 0)
        strata = np.add.reduceat(strata, np.append(0, starts[1:]), axis=0)
    right, rows = strata[:, :, 0], strata[:, :, 1]
    before, n = rows.sum(axis=0)
    p, q = rows[:, 0] / before, rows[:, 1] / n
    a = right[:, 0] / rows[:, 0]
    c = np.divide(right[:, 1], rows[:, 1], out=a.copy(), where=rows[:, 1] > 0)
    of_reference, of_chunk = float(right[:, 0].sum() / before), float(right[:, 1].sum() / n)
    reweighted = float(np.dot(q, a))
    chance = a * (1 - a) / rows[:, 0]
    covariate = _spread(q, a) / n + float(np.dot((q - p) ** 2, chance)) + _spread(p, a) / before
    concept = float(np.dot(q, c * (1 - c))) / n + float(np.dot(q**2, chance)) + _spread(q, c - a) / n
    return {
        "covariate_effect": measured(reweighted - of_reference, math.sqrt(covariate), least=-1.0, greatest=1.0),
        "concept_effect": measured(of_chunk - reweighted, math.sqrt(concept), least=-1.0, greatest=1.0),
    }


def _right_and_all(table: ScoreTable) -> Amounts:
    """(k, 2) labelled rows that are predicted as they are labelled, and all labelled rows."""
    return np.stack([table.counts[:, 0, 0] + table.counts[:, 1, 1], table.labelled.sum(axis=1)], axis=1)


def _spread(weights: Floats, values: Floats) -> float:
    """Variance of values with weights that sum to 1."""
    return max(float(np.dot(weights, values**2)) - float(np.dot(weights, values)) ** 2, 0.0)


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
    confusion: Amounts | None,
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


def class_estimation_gap(
    labelled: float,
    expected: ExpectedTable | None,
    scores: Mapping[str, ScoreTable],
    calibrators: ClassCalibrators,
    realised: Measurement,
    estimated: Measurement,
    *,
    size: float | None = None,
) -> Measurement:
    """The same of several classes; `labelled` are the rows behind the realised accuracy.

    Of an expected table by weight, `size` and `labelled` are Kish's effective rows.

    Notes
    -----
    The parts of its sampling error are those of a binary model. The calibrators of the classes are estimated from the same reference rows;
    their parts are added as if they went together, which is the most it can be.
    """
    for value in (realised, estimated):
        if value.reason is not None:
            return untested(value.reason)
    if expected is None or realised.value is None or estimated.value is None:
        return untested(NO_SCORES)
    n, right, squares = expected.rows, float(np.trace(expected.counts)), expected.right_squares
    chance = max(right - squares, 0.0) / n / labelled
    mix = max(squares / n - estimated.value**2, 0.0) * max(1 / labelled - 1 / (n if size is None else size), 0.0)
    of_lines = [
        math.sqrt(_pulled_variance(scores[one].scores, expected.positives[one].pulls_at(scores[one].marks) / n, line))
        for one, line in zip(calibrators.classes, calibrators.calibrators, strict=True)
        if one in scores and one in expected.positives
    ]
    error = math.sqrt(chance + mix + math.fsum(of_lines) ** 2)
    return measured(realised.value - estimated.value, error, least=-1.0, greatest=1.0)


def _calibrator_variance(scores: ScoreTable, calibrator: Calibrator) -> float:
    """Variance of the estimated accuracy that comes of the calibrator's own estimation, level by level; 0 for raw scores."""
    rows = scores.counts.sum(axis=2)
    return _pulled_variance(scores.scores, (rows[:, 1] - rows[:, 0]) / scores.n, calibrator)


def _pulled_variance(scores: Floats, pull: Floats, calibrator: Calibrator) -> float:
    """Variance of what rises by (k,) `pull` with the probability at each of these scores; 0 for raw scores."""
    if not calibrator.calibrates:
        return 0.0
    levels, level = np.unique(calibrator.probabilities, return_inverse=True)
    held = np.zeros(len(levels))
    held[level] = calibrator.rows
    after = np.clip(np.searchsorted(calibrator.scores, scores), 1, max(len(calibrator.scores) - 1, 1))
    if len(calibrator.scores) == 1:
        nearest = np.zeros(len(scores), dtype=np.int64)
    else:
        left, right = calibrator.scores[after - 1], calibrator.scores[after]
        nearest = np.where(scores - left <= right - scores, after - 1, after)
    pulled = np.bincount(level[nearest], weights=pull, minlength=len(levels))
    return float((pulled**2 * levels * (1 - levels) / held).sum())


def _definition(
    id: str, name: str, direction: Direction, least: float, greatest: float, tasks: tuple[str, ...] = ("binary",)
) -> Definition:
    return Definition(
        id=id,
        family=Family.CONCEPT_DRIFT,
        name=name,
        direction=direction,
        range=(least, greatest),
        tasks=tasks,
        needs_labels=True,
        needs_score=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("label_shift_given_score", "Label shift given the score", Direction.LOWER, 0.0, math.inf),
    _definition("label_shift_given_score_p", "Label shift given the score, p-value", Direction.HIGHER, 0.0, 1.0),
    _definition("label_odds_ratio", "Odds ratio of labels given the score", Direction.NEITHER, 0.0, math.inf),
    _definition("estimation_gap", "Estimation gap", Direction.NEITHER, -1.0, 1.0, ("binary", "multiclass")),
    _definition("covariate_effect", "Covariate effect on accuracy", Direction.NEITHER, -1.0, 1.0),
    _definition("concept_effect", "Concept effect on accuracy", Direction.NEITHER, -1.0, 1.0),
)
