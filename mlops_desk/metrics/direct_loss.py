"""Errors of a regression before its labels arrive: direct loss estimation (DLE).

Boosted trees, fitted on the labelled reference, say what loss to expect of a row from its features and its prediction; the estimate of a
slice is the mean over its rows. That holds as long as the relation between features and errors is the reference's. What was fitted is kept as
plain arrays of nodes, which only the same release of scikit-learn reads.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from mlops_desk.aggregates.sums import RowSums
from mlops_desk.aggregates.tables import Counts, Floats
from mlops_desk.domain.metric import Definition, Family, Measurement, untested
from mlops_desk.metrics import regression
from mlops_desk.metrics.intervals import measured
from mlops_desk.metrics.performance import too_few
from mlops_desk.metrics.regression import BELOW_LOG

METRICS = {"mae": 0, "mse": 1, "rmse": 1, "mape": 2, "msle": 3, "rmsle": 3}
"""Which of the losses of a row each metric is the mean of; the rooted ones are roots of that mean."""
ROOTED = ("rmse", "rmsle")
LOSSES = 4
FITTED_ROWS = 60_000
"""Labelled reference rows that the trees are fitted on, at the most."""
TREES, LEARNING_RATE = 40, 0.2
THREADS = 2
"""Losses expected side by side, each on one thread: threads within a tree wait for each other at every tree."""
NO_ESTIMATOR = "no predictions are logged"
TOO_LARGE = "the errors of the reference are too large to add"


def row_losses(predictions: Floats, targets: Floats) -> Floats:
    """(n, 4) |e|, e², |e| over |target| (scikit-learn's), and (ln(1+prediction) - ln(1+target))², NaN where there is no logarithm."""
    errors = predictions - targets
    relative = np.abs(errors) / np.maximum(np.abs(targets), np.finfo(np.float64).eps)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        logarithmic = (np.log1p(predictions) - np.log1p(targets)) ** 2
        squares = errors * errors
    below = (predictions <= -1) | (targets <= -1)
    return np.stack([np.abs(errors), squares, relative, np.where(below, np.nan, logarithmic)], axis=1)


class LossTrees(Struct, frozen=True, kw_only=True):
    """Boosted trees as scikit-learn lays out their nodes, one tree after the other; sizes : (trees,) nodes of each."""

    nodes: bytes
    sizes: Counts
    baseline: float
    scale: float

    def expected(self, rows: Floats) -> Floats:
        """(n,) the loss to expect of (n, d) rows."""
        if not len(self.sizes):
            return np.full(len(rows), self.baseline * self.scale)
        from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
        from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

        nodes = np.frombuffer(self.nodes, dtype=PREDICTOR_RECORD_DTYPE).copy()
        no_categories = np.zeros((0, 8), dtype=np.uint32)
        features = np.zeros(rows.shape[1], dtype=np.uint32)
        total = np.full(len(rows), self.baseline)
        for tree in np.split(nodes, np.cumsum(self.sizes)[:-1]):
            total += TreePredictor(tree, no_categories, no_categories).predict(rows, no_categories, features, 1)
        return np.asarray(total * self.scale, dtype=np.float64)


class LossEstimator(Struct, frozen=True, kw_only=True):
    """What loss to expect of a row.

    Attributes
    ----------
    trees : of each loss that is defined in the reference, in order. spreads : (4,) standard deviation of each loss in the reference.
    below_log : reference rows without a logarithm (then the last loss has no trees). unusable : why there is no estimate, None where there is.
    """

    trees: tuple[LossTrees, ...] = ()
    spreads: Floats = field(default_factory=lambda: np.zeros(LOSSES))
    below_log: int = 0
    unusable: str | None = None

    def expected(self, matrix: Floats, predictions: Floats) -> Floats:
        """(n, 4) losses to expect of rows; NaN for rows without a prediction."""
        found = np.full((len(matrix), LOSSES), np.nan)
        there = ~np.isnan(predictions)
        rows = np.ascontiguousarray(np.column_stack([matrix, predictions])[there])
        if len(rows):
            with ThreadPoolExecutor(THREADS, thread_name_prefix="losses") as pool:
                losses = list(pool.map(lambda one: one.expected(rows), self.trees))
            found[there] = np.stack(losses + [np.zeros(len(rows))] * (LOSSES - len(losses)), axis=1)
        return found


def fitted_estimator(matrix: Floats, predictions: Floats, targets: Floats, *, min_rows: int = 30) -> LossEstimator:
    """The estimator of labelled reference rows: (n, d) features, predictions and targets, all of the latter finite."""
    few = too_few(len(matrix), min_rows, "labelled reference rows with a prediction")
    if few:
        return LossEstimator(unusable=few)
    losses = row_losses(predictions, targets)
    below = int(np.isnan(losses[:, -1]).sum())
    usable = LOSSES - 1 if below else LOSSES
    with np.errstate(over="ignore", invalid="ignore"):
        spreads = losses[:, :usable].std(axis=0, ddof=1 if len(losses) > 1 else 0)
    if not np.isfinite(spreads).all():
        return LossEstimator(unusable=TOO_LARGE)
    rows = np.column_stack([matrix, predictions])
    return LossEstimator(
        trees=tuple(_fitted_trees(rows, losses[:, index]) for index in range(usable)),
        spreads=np.concatenate([spreads, np.zeros(LOSSES - usable)]),
        below_log=below,
    )


def _fitted_trees(rows: Floats, losses: Floats) -> LossTrees:
    """Trees fitted on the losses of rows, in units of their mean; one thread, so that they are the same at every run."""
    scale = float(losses.mean())
    if scale == 0 or len(rows) < 2:
        return LossTrees(nodes=b"", sizes=np.zeros(0, dtype=np.int64), baseline=scale, scale=1.0)
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    told = np.where(
        np.isnan(rows).all(axis=0), 0.0, rows
    )  # a column without values cannot be fitted on, and a constant says nothing
    with threadpool_limits(1):
        fitted = HistGradientBoostingRegressor(
            max_iter=TREES, learning_rate=LEARNING_RATE, early_stopping=False, random_state=0
        ).fit(told, losses / scale)
    trees = [tree.nodes for [tree] in fitted._predictors]
    return LossTrees(
        nodes=b"".join(nodes.tobytes() for nodes in trees),
        sizes=np.array([len(nodes) for nodes in trees], dtype=np.int64),
        baseline=float(fitted._baseline_prediction.item()),
        scale=scale,
    )


def estimated_errors(
    sums: RowSums | None, estimator: LossEstimator | None, *, min_rows: int = 30
) -> dict[str, Measurement]:
    """Estimates of a regression's errors in a slice from all its rows with a prediction, by the realised metric's id.

    The sampling error is that of the realised metric on as many labelled rows.
    """
    if estimator is None:
        return dict.fromkeys(METRICS, untested(NO_ESTIMATOR))
    if estimator.unusable is not None:
        return dict.fromkeys(METRICS, untested(f"reference: {estimator.unusable}"))
    few = too_few(0 if sums is None else sums.rows, min_rows, "rows with a prediction")
    if few or sums is None:
        return dict.fromkeys(METRICS, untested(few or NO_ESTIMATOR))
    values = {}
    for metric, loss in METRICS.items():
        if loss >= len(estimator.trees):
            values[metric] = untested(f"reference: {estimator.below_log:,} {BELOW_LOG}")
            continue
        mean = max(float(sums.totals[loss]) / sums.rows, 0.0)
        error = float(estimator.spreads[loss]) / math.sqrt(sums.rows)
        if metric in ROOTED:
            mean = math.sqrt(mean)
            error = error / (2 * mean) if mean > 0 else 0.0
        values[metric] = measured(mean, error, least=0.0)
    return values


DEFINITIONS: tuple[Definition, ...] = tuple(
    replace(definition, family=Family.ESTIMATED_PERFORMANCE, name=f"{definition.name} (estimated)", needs_labels=False)
    for definition in regression.DEFINITIONS
    if definition.id in METRICS
)
