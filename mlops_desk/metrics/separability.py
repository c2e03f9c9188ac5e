"""Drift of all columns together: how well a classifier tells the rows of a chunk from those of the reference (domain classifier)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mlops_desk.aggregates.tables import Floats
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import measured
from mlops_desk.metrics.performance import too_few
from mlops_desk.metrics.reconstruction import NO_COLUMNS

DOMAIN_CLASSIFIER_AUC = "domain_classifier_auc"
NO_DRIFT = 0.5
FOLDS = 5
SAMPLED_ROWS = 50_000
"""Rows of either side at the most."""
ALL_ALIKE = "all rows of reference and chunk are alike"
WHOLE_ONLY = "it is computed for all rows together, not for segments"


def domain_classifier_auc(
    reference: Floats, chunk: Floats, *, seed: int, min_rows: int = 30, pause: Callable[[], None] = lambda: None
) -> Measurement:
    """Area under the ROC curve of a boosted classifier that tells chunk (n, d) from reference (m, d), on rows that it was not fitted on.

    Range 0 to 1, lower is better: 0.5 where nothing tells them apart, 1 where any row can be told. Five stratified folds, drawn by
    `seed` from the order of the rows; NaN is missing, categories are codes. `pause` is called before each fold. The standard error is that
    of Hanley and McNeil (1982). A column of time or a running number gives 1, whatever else: leave such columns out.
    """
    if reference.shape[1] == 0:
        return untested(NO_COLUMNS)
    least = max(min_rows, FOLDS)
    few = too_few(len(reference), least, "reference rows to compare with") or too_few(len(chunk), least, "rows")
    if few:
        return untested(few)
    rows = np.concatenate([reference, chunk])
    if np.array_equal(rows, np.broadcast_to(rows[0], rows.shape), equal_nan=True):
        return untested(ALL_ALIKE)
    sides = np.repeat([0, 1], [len(reference), len(chunk)])
    return _area(_held_out_scores(rows, sides, seed, pause), sides)


def _held_out_scores(
    rows: Floats, sides: np.ndarray[tuple[int], np.dtype[np.int64]], seed: int, pause: Callable[[], None]
) -> Floats:
    """The score of each row by a classifier fitted on the other folds; one thread, so that it is the same at every run."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    scores = np.full(len(rows), 0.5)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for fitted, held in folds.split(rows, sides):
        pause()
        told = ~np.isnan(rows[fitted]).all(axis=0)  # a column without values cannot be fitted on
        if not told.any():
            continue
        with threadpool_limits(1):
            classifier = HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
            classifier.fit(rows[fitted][:, told], sides[fitted])
            scores[held] = classifier.predict_proba(rows[held][:, told])[:, 1]
    return scores


def _area(scores: Floats, sides: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Measurement:
    """Share of the pairs of a chunk's and a reference's row that the scores put in order, ties half."""
    distinct, place = np.unique(scores, return_inverse=True)
    ones = np.bincount(place[sides == 1], minlength=len(distinct)).astype(np.float64)
    zeros = np.bincount(place[sides == 0], minlength=len(distinct)).astype(np.float64)
    n, m = ones.sum(), zeros.sum()
    below = np.cumsum(zeros) - zeros / 2
    area = float(np.dot(ones, below) / (n * m))
    both, each = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (n - 1) * (both - area**2) + (m - 1) * (each - area**2)
    return measured(area, math.sqrt(max(float(variance), 0.0) / float(n * m)), least=0.0, greatest=1.0)


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        id=DOMAIN_CLASSIFIER_AUC,
        family=Family.MULTIVARIATE_DRIFT,
        name="AUC of the domain classifier",
        direction=Direction.LOWER,
        range=(0.0, 1.0),
    ),
)
