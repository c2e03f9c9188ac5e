"""How far scores are the probabilities they claim to be: calibration errors, logistic recalibration, reliability curve.

Ten bins hold equally many labelled rows in order of score; rows of one score that straddle a border count in proportion on both
sides, so that neither the order of rows nor copies of them matter. On a table of cells the bounds hold for every way in which the rows
of a cell may straddle. Scores outside [0, 1] are ranks: all of this is untested for them.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import Floats, ScoreTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import Rate, measured
from mlops_desk.metrics.performance import NO_NEGATIVES, NO_POSITIVES, NO_SCORES, RANKS, too_few

BINS = 10
BINNED_METRICS = ("expected_calibration_error", "maximum_calibration_error", "brier_reliability", "brier_resolution")
LOGISTIC_METRICS = ("calibration_slope", "calibration_intercept")
CLIP = 1e-6
"""Scores are kept this far from 0 and 1 before their logit is taken."""


class Bins(Struct, frozen=True, kw_only=True, eq=False):
    """Labelled rows in bins of equal count by ascending score, empty bins left out.

    Attributes
    ----------
    rows, scores, positives : (b,) rows, Σ of their scores, and how many are positive; fractions where tied rows straddle a border.
    doubt : (b,) by how much Σscore - positives may be off, 0 where exact. label_doubt : (b,) the same of the positives alone.
    """

    rows: Floats
    scores: Floats
    positives: Floats
    doubt: Floats
    label_doubt: Floats


class ReliabilityPoint(Struct, frozen=True, kw_only=True):
    """One bin of the reliability curve: where the scores lie, and how often their rows turned out positive (with a 95 % interval)."""

    score: float
    positive_rate: float
    rows: float
    interval_lower: float
    interval_upper: float


def equal_count_bins(scores: Floats, positives: Floats, negatives: Floats, bins: int = BINS) -> Bins:
    """The bins of (k,) entries by ascending score; at least one row."""
    held = positives + negatives
    reached = np.concatenate([[0.0], np.cumsum(held)])
    borders = np.linspace(0.0, reached[-1], bins + 1)

    def in_bins(of_entry: Floats) -> Floats:
        return np.diff(np.interp(borders, reached, np.concatenate([[0.0], np.cumsum(of_entry)])))

    zeros = np.zeros(bins)
    return Bins(
        rows=np.diff(borders),
        scores=in_bins(scores * held),
        positives=in_bins(positives),
        doubt=zeros,
        label_doubt=zeros,
    )


def calibration_bins(table: ScoreTable) -> Bins:
    """The bins of the labelled rows of a table that has some."""
    negatives, positives = table.labelled[:, 0].astype(np.float64), table.labelled[:, 1].astype(np.float64)
    bins = equal_count_bins(table.scores, positives, negatives)
    if table.lowers is None or table.uppers is None:
        return bins
    held = positives + negatives
    reached = np.cumsum(held)
    borders = np.linspace(0.0, reached[-1], BINS + 1)
    doubt, label_doubt = np.zeros(BINS), np.zeros(BINS)
    # The mean score of a cell is of all its rows; that of the labelled ones may lie elsewhere in it.
    partly = held < table.counts.sum(axis=(1, 2))
    spread = np.where(partly, held * np.maximum(table.uppers - table.scores, table.scores - table.lowers), 0.0)
    first = np.clip(np.searchsorted(borders, reached - held, side="right") - 1, 0, BINS - 1)
    last = np.clip(np.searchsorted(borders, reached, side="left") - 1, 0, BINS - 1)
    wide = np.asarray(table.lowers < table.uppers) & (held > 0)
    inner = wide & (first >= last)
    np.add.at(doubt, first[inner], spread[inner])
    for at in np.flatnonzero(wide & (first < last)):
        inside = slice(int(first[at]), int(last[at]) + 1)
        part = np.minimum(borders[1:], reached[at])[inside] - np.maximum(borders[:-1], reached[at] - held[at])[inside]
        counted = part * positives[at] / held[at]
        labels = np.maximum(np.minimum(part, positives[at]) - counted, counted - np.maximum(0.0, part - negatives[at]))
        label_doubt[inside] += labels
        doubt[inside] += labels + part * max(table.uppers[at] - table.scores[at], table.scores[at] - table.lowers[at])
    return Bins(rows=bins.rows, scores=bins.scores, positives=bins.positives, doubt=doubt, label_doubt=label_doubt)


def expected_error(bins: Bins) -> float:
    """Σ of the bins' |mean score - share of positives|, weighted by their rows; 0 to 1."""
    return float(np.abs(bins.scores - bins.positives).sum() / bins.rows.sum())


def calibration(table: ScoreTable | None, *, min_rows: int = 30) -> dict[str, Measurement]:
    """Every calibration metric of a slice, by metric id; each is a value or the reason why there is none."""
    reason = _unusable(table, min_rows)
    if reason is not None or table is None:
        return dict.fromkeys((*BINNED_METRICS, *LOGISTIC_METRICS), untested(reason or NO_SCORES))
    return _binned(calibration_bins(table)) | _recalibration(table)


def reliability_curve(table: ScoreTable | None, *, min_rows: int = 30) -> tuple[ReliabilityPoint, ...]:
    """The points of the reliability curve by ascending score; none where calibration is untested."""
    if table is None or _unusable(table, min_rows) is not None:
        return ()
    bins = calibration_bins(table)
    return tuple(
        ReliabilityPoint(
            score=scores / rows,
            positive_rate=positives / rows,
            rows=rows,
            interval_lower=Rate(positives, rows).interval[0],
            interval_upper=Rate(positives, rows).interval[1],
        )
        for rows, scores, positives in zip(
            bins.rows.tolist(), bins.scores.tolist(), bins.positives.tolist(), strict=True
        )
    )


def _unusable(table: ScoreTable | None, min_rows: int) -> str | None:
    if table is None:
        return NO_SCORES
    few = too_few(float(table.labelled.sum()), min_rows, "labelled rows with a score")
    return few or (None if table.in_unit_interval else RANKS)


def _binned(bins: Bins) -> dict[str, Measurement]:
    n = float(bins.rows.sum())
    gaps = (bins.scores - bins.positives) / bins.rows
    doubts, label_doubts = bins.doubt / bins.rows, bins.label_doubt / bins.rows
    rates = bins.positives / bins.rows
    weights, base = bins.rows / n, float(bins.positives.sum()) / n
    variances = rates * (1 - rates) / bins.rows
    worst = int(np.argmax(np.abs(gaps)))
    apart = rates - base
    return {
        "expected_calibration_error": measured(
            expected_error(bins),
            math.sqrt(float(np.dot(weights**2, variances))),
            bound=float(np.dot(weights, doubts)),
            least=0.0,
            greatest=1.0,
        ),
        "maximum_calibration_error": measured(
            abs(float(gaps[worst])),
            math.sqrt(float(variances[worst])),
            bound=float(doubts.max()),
            least=0.0,
            greatest=1.0,
        ),
        "brier_reliability": measured(
            float(np.dot(weights, gaps**2)),
            2 * math.sqrt(float(np.dot((weights * gaps) ** 2, variances))),
            bound=float(np.dot(weights, doubts * (2 * np.abs(gaps) + doubts))),
            least=0.0,
            greatest=1.0,
        ),
        "brier_resolution": measured(
            float(np.dot(weights, apart**2)),
            2 * math.sqrt(float(np.dot((weights * apart) ** 2, variances))),
            bound=float(np.dot(weights, label_doubts * (2 * np.abs(apart) + label_doubts))),
            least=0.0,
            greatest=0.25,
        ),
    }


def _recalibration(table: ScoreTable) -> dict[str, Measurement]:
    """Cox's recalibration (1958): logit P(positive) = intercept + slope · logit(score), by maximum likelihood; 0 and 1 is perfect.

    It has no bound on a table of cells and is untested there.
    """
    if not table.exact:
        return dict.fromkeys(LOGISTIC_METRICS, untested("above exact_rows only with exact = true"))
    positives, negatives = table.labelled[:, 1].astype(np.float64), table.labelled[:, 0].astype(np.float64)
    held = positives + negatives
    if not positives.any() or not negatives.any():
        return dict.fromkeys(LOGISTIC_METRICS, untested(NO_POSITIVES if not positives.any() else NO_NEGATIVES))
    clipped = np.clip(table.scores, CLIP, 1 - CLIP)
    logits = np.log(clipped) - np.log1p(-clipped)
    of_positives, of_negatives = logits[positives > 0], logits[negatives > 0]
    if np.ptp(logits[held > 0]) == 0:
        return dict.fromkeys(LOGISTIC_METRICS, untested("all scores are equal"))
    if of_positives[0] >= of_negatives[-1] or of_negatives[0] >= of_positives[-1]:
        return dict.fromkeys(LOGISTIC_METRICS, untested("the scores separate the classes, no finite slope fits"))
    fit = _logistic_fit(logits, positives, held)
    if fit is None:
        return dict.fromkeys(LOGISTIC_METRICS, untested("the logistic recalibration did not converge"))
    (intercept, slope), errors = fit
    return {"calibration_slope": measured(slope, errors[1]), "calibration_intercept": measured(intercept, errors[0])}


def _logistic_fit(
    logits: Floats, positives: Floats, held: Floats
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """(intercept, slope) and their standard errors by Newton's method with halved steps; None if it does not settle."""
    design = np.stack([np.ones_like(logits), logits])

    def loss(at: Floats) -> float:
        linear = at @ design
        return float(np.dot(held, np.logaddexp(0.0, linear)) - np.dot(positives, linear))

    point = np.array([0.0, 1.0])
    current = loss(point)
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(point @ design, -700, 700)))
        gradient = design @ (positives - held * chance)
        information = (design * (held * chance * (1 - chance))) @ design.T
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        size = 1.0
        while size > 1e-10 and loss(point + size * step) > current * (1 + 1e-13):
            size /= 2
        point = point + size * step
        current = min(current, loss(point))
        if float(np.abs(size * step).max()) < 1e-8 * (1 + float(np.abs(point).max())) or size <= 1e-10:
            errors = np.sqrt(np.diag(np.linalg.inv(information)))
            return (float(point[0]), float(point[1])), (float(errors[0]), float(errors[1]))
    return None


def _definition(id: str, name: str, direction: Direction, least: float, greatest: float) -> Definition:
    return Definition(
        id=id,
        family=Family.CALIBRATION,
        name=name,
        direction=direction,
        range=(least, greatest),
        tasks=("binary",),
        needs_labels=True,
        needs_score=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("expected_calibration_error", "Expected calibration error", Direction.LOWER, 0.0, 1.0),
    _definition("maximum_calibration_error", "Maximum calibration error", Direction.LOWER, 0.0, 1.0),
    _definition("calibration_slope", "Calibration slope", Direction.NEITHER, -math.inf, math.inf),
    _definition("calibration_intercept", "Calibration intercept", Direction.NEITHER, -math.inf, math.inf),
    _definition("brier_reliability", "Brier reliability", Direction.LOWER, 0.0, 1.0),
    _definition("brier_resolution", "Brier resolution", Direction.HIGHER, 0.0, 0.25),
)
