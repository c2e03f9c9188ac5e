"""Accuracy of a classifier of several classes before its labels arrive: CBPE with one calibrator a class.

Each class's score is calibrated against the rest where that lowers its calibration error, then the probabilities of a row are divided by
their sum, as NannyML 0.13 does. Every metric is computed on the expected rows by true and predicted class; rankings are by the raw score.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.tables import Floats, ScoreTable
from mlops_desk.domain.metric import Measurement, untested
from mlops_desk.metrics.estimation import Calibrator, fit_calibrator
from mlops_desk.metrics.intervals import measured
from mlops_desk.metrics.multiclass import NO_CLASS_SCORES, class_readings, untested_classes
from mlops_desk.metrics.performance import NO_PREDICTIONS, RANKS, rank_values, too_few
from mlops_desk.metrics.readings import Reading

NO_SUM = "a row's scores have no positive sum"


class ClassCalibrators(Struct, frozen=True, kw_only=True, eq=False):
    """Turns the scores of all classes of a row into probabilities that sum to 1.

    Attributes
    ----------
    calibrators, classes : in the order of the scores, empty where there can be none. missing : why there are none.
    """

    calibrators: tuple[Calibrator, ...] = ()
    classes: tuple[str, ...] = ()
    missing: str = NO_CLASS_SCORES

    @property
    def unusable(self) -> str | None:
        """Why there is no estimate with this reference, None where there is."""
        if not self.calibrators:
            return self.missing
        named = zip(self.classes, self.calibrators, strict=True)
        return next((f"reference, class {one!r}: {line.unusable}" for one, line in named if line.unusable), None)

    @property
    def digest(self) -> str:
        """A hash of what it does; equal for equal calibrators."""
        told = "|".join(f"{one!r}{line.digest}" for one, line in zip(self.classes, self.calibrators, strict=True))
        return hashlib.sha256(told.encode()).hexdigest()

    def probabilities(self, scores: Floats) -> tuple[Floats, Floats]:
        """(n, c) probabilities of (n, c) scores, and (n,) what they were divided by.

        Where every class's own probability is 0, each is equally likely.
        """
        columns = zip(self.calibrators, scores.T, strict=True)
        raw = np.stack([np.asarray(line.probability(score)) for line, score in columns], axis=1)
        chances = np.clip(raw, 0.0, 1.0)
        total = chances.sum(axis=1, keepdims=True)
        even = np.full_like(chances, 1 / chances.shape[1])
        return np.asarray(np.divide(chances, total, out=even, where=total > 0)), total[:, 0]


def fit_class_calibrators(
    reference: Mapping[str, ScoreTable], classes: Sequence[str], *, min_rows: int = 30
) -> ClassCalibrators:
    """The calibrators of these classes from the reference's scores of each against the rest, in their order."""
    found = tuple(fit_calibrator(reference.get(one), min_rows=min_rows) for one in classes)
    return ClassCalibrators(calibrators=found, classes=tuple(classes))


def estimated_classes(
    expected: ExpectedTable | None,
    scores: Mapping[str, ScoreTable],
    unusable: str | None,
    *,
    min_rows: int = 30,
    value_matrix: Sequence[Sequence[float]] = (),
) -> tuple[Reading, ...]:
    """Estimates of the performance metrics of a slice from all its rows with a prediction and a score of each class.

    Parameters
    ----------
    expected : what the second look at the log found; None where there was no such row.
    scores : each class's score against the rest, on whose entries the expected rows lie.
    unusable : why there is no estimate, None where there is.

    Notes
    -----
    The sampling error is that of the realised metric on as many labelled rows, as for binary models.
    """
    few = too_few(
        0 if expected is None else expected.rows, min_rows, "rows with a prediction and a score of each class"
    )
    ranks = None if all(table.in_unit_interval for table in scores.values()) else RANKS
    if unusable or few or ranks or expected is None:
        return untested_classes(unusable or few or ranks or NO_PREDICTIONS, value_matrix)
    ranked = {
        one: _ranked(scores[one], *expected.positives[one].at(scores[one].marks))
        for one in expected.classes
        if one in scores and one in expected.positives
    }
    return class_readings(expected.counts, expected.classes, ranked, _expected_loss(expected), value_matrix)


def _ranked(table: ScoreTable, positives: Floats, negatives: Floats) -> dict[str, Measurement]:
    """The metrics of ranking of one class's expected rows."""
    return rank_values(table, positives, negatives, float(positives.sum()), float(negatives.sum()))


def _expected_loss(expected: ExpectedTable) -> Measurement:
    if expected.loss is None or expected.loss_squares is None:
        return untested(NO_SUM)
    n = expected.rows
    error = math.sqrt(max(expected.loss_squares - expected.loss**2 / n, 0.0)) / n
    return measured(expected.loss / n, error, least=0.0)
