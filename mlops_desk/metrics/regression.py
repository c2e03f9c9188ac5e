"""Errors of a regression against its labels, e = prediction - target. Equal to scikit-learn."""

from __future__ import annotations

import math

import numpy as np

from mlops_desk.aggregates.tables import ErrorTable, ValueTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.binning import middle_entries
from mlops_desk.metrics.intervals import Z, measured
from mlops_desk.metrics.performance import too_few

METRICS = (
    "mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "mean_error", "median_absolute_error", "max_error",
)  # fmt: skip
BELOW_LOG = "targets or predictions are -1 or less, where the logarithm ends"


def regression_performance(
    errors: ErrorTable, *, min_rows: int = 30, squares: ErrorTable | None = None
) -> dict[str, Measurement]:
    """Every performance metric of a slice, by metric id; each is a value or the reason why there is none.

    `squares` is the table of the squares of weights where `errors` is by weight. Errors are by the linearised variance, those of `r2` and of the
    median by Kish's effective rows.
    """
    few = too_few(errors.n, min_rows)
    if few:
        return dict.fromkeys(METRICS, untested(few))
    n = errors.n
    mae, mse, mean = errors.absolute / n, errors.squares / n, errors.error / n
    values = errors.absolute_values
    if squares is None or values.weight_squares is None:
        fourth = float(np.dot(values.values**4, values.counts)) / n
        mae_error, mean_error = (math.sqrt(max(mse - one * one, 0.0) / n) for one in (mae, mean))
        mse_error = math.sqrt(max(fourth - mse * mse, 0.0) / n)
    else:
        mae_error = _linearised(squares.squares, squares.absolute, squares.n, mae) / n
        mean_error = _linearised(squares.squares, squares.error, squares.n, mean) / n
        fourth = float(np.dot(values.values**4, values.weight_squares))
        mse_error = _linearised(fourth, squares.squares, squares.n, mse) / n
    size = n if squares is None else n**2 / squares.n
    return {
        "mae": measured(mae, mae_error, least=0.0),
        "mse": measured(mse, mse_error, least=0.0),
        "rmse": measured(math.sqrt(mse), mse_error / (2 * math.sqrt(mse)) if mse > 0 else 0.0, least=0.0),
        "mape": measured(errors.relative / n),
        **_logarithmic(errors),
        "r2": _r2(errors, size),
        "mean_error": measured(mean, mean_error),
        "median_absolute_error": median(errors.absolute_values, size / n),
        "max_error": measured(errors.absolute_values.highest),
    }


def _linearised(of_squares: float, of_values: float, of_ones: float, mean: float) -> float:
    """√Σw²(x - mean)² from Σw²x², Σw²x and Σw²."""
    return math.sqrt(max(of_squares - 2 * mean * of_values + mean * mean * of_ones, 0.0))


def _logarithmic(errors: ErrorTable) -> dict[str, Measurement]:
    if errors.negative:
        return dict.fromkeys(("msle", "rmsle"), untested(f"{errors.negative:,} {BELOW_LOG}"))
    msle = errors.log_squares / errors.n
    return {"msle": measured(msle), "rmsle": measured(math.sqrt(msle))}


def _r2(errors: ErrorTable, size: float) -> Measurement:
    """1 - Σe²/Σ(target - mean)², at most 1; its error is Olkin and Finn's (1995), which holds for normal errors."""
    spread = errors.target_squares - errors.target * errors.target / errors.n
    if spread <= 1e-12 * errors.target_squares:
        return untested("the target is constant")
    value = 1 - errors.squares / spread
    error = 2 * math.sqrt(max(value, 0.0) / size) * (1 - value)
    return measured(value, error or None, greatest=1.0)


def median(values: ValueTable, scale: float = 1.0) -> Measurement:
    """The median of a table that holds rows, with the distribution-free interval of its order statistics.

    On a table of cells the bound reaches to the edges of the cells that hold the middle rows. Of a table by weight it is the weighted median
    (scikit-learn's); `scale` brings the sum of the weights to their effective rows.
    """
    n, reached = float(values.n) * scale, np.cumsum(values.counts) * scale

    def places(*ranks: float) -> list[int]:
        """Entries that hold the rows of these ranks, counted from 0."""
        return [
            min(int(np.searchsorted(reached, min(n - 1, max(0, rank)), side="right")), len(reached) - 1)
            for rank in ranks
        ]

    middle = middle_entries(reached)
    value = float(values.values[middle].mean())
    bound = 0.0
    if values.lowers is not None and values.uppers is not None:
        lower, upper = float(values.lowers[middle].mean()), float(values.uppers[middle].mean())
        bound = max(upper - value, value - lower)
    reach = Z * math.sqrt(n) / 2
    ends = places(math.floor((n - 1) / 2 - reach), math.ceil((n - 1) / 2 + reach))
    lower, upper = (float(values.values[end]) for end in ends)
    return Measurement(value, None, bound, (upper - lower) / (2 * Z), lower, upper)


def _definition(id: str, name: str, direction: Direction, least: float = 0.0, greatest: float = math.inf) -> Definition:
    return Definition(
        id=id,
        family=Family.PERFORMANCE,
        name=name,
        direction=direction,
        range=(least, greatest),
        tasks=("regression",),
        needs_labels=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("mae", "Mean absolute error", Direction.LOWER),
    _definition("mse", "Mean squared error", Direction.LOWER),
    _definition("rmse", "Root mean squared error", Direction.LOWER),
    _definition("mape", "Mean absolute percentage error", Direction.LOWER),
    _definition("msle", "Mean squared logarithmic error", Direction.LOWER),
    _definition("rmsle", "Root mean squared logarithmic error", Direction.LOWER),
    _definition("r2", "R²", Direction.HIGHER, -math.inf, 1.0),
    _definition("mean_error", "Mean error", Direction.NEITHER, -math.inf),
    _definition("median_absolute_error", "Median absolute error", Direction.LOWER),
    _definition("max_error", "Greatest error", Direction.LOWER),
)
