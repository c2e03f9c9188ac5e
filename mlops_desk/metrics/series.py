"""The values of one metric over several chunks as arrays, on their way to measurements.

A value that is not finite has no place in a result: it becomes untested, with the reason that its metric gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import CategoryTable, Counts, ValueTable
from mlops_desk.domain.metric import Convention, Definition, Direction, Family, Measurement, untested

Floats = NDArray[np.float64]
Amounts = Counts | Floats
"""Counts of rows, or draws of such counts from a continuous limit."""
NEEDS_EXACT = "a column of this size is judged from cells, which do not bound this metric: it asks for exact = true"
"""Why a metric without an error bound has no value where the tables hold cells."""
TOO_LARGE = "the squares of numbers that large are beyond the range of doubles"
"""Why there is no standard deviation."""
DRIFT_FAMILIES = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
"""The families that share the metrics of one column."""
NUMERIC, CATEGORICAL = "numeric", "categorical"
P_VALUE = (0.0, 1.0)


class Series(Struct, frozen=True, kw_only=True):
    """Values of one metric over m chunks.

    Attributes
    ----------
    values : (m,), not finite where there is no value.
    undefined : why a value is not finite.
    error_bounds : (m,) greatest possible |value - exact|; None where all are exact.
    sampling_errors : (m,) standard errors, NaN where unknown; None where none is known.
    """

    values: Floats
    undefined: str = "not defined for the values at hand"
    error_bounds: Floats | None = None
    sampling_errors: Floats | None = None

    def measurements(self) -> list[Measurement]:
        """One measurement a chunk."""
        values = self.values.tolist()
        known = np.isfinite(self.values).tolist()
        bounds = [0.0] * len(values) if self.error_bounds is None else self.error_bounds.tolist()
        errors: list[float | None] = [None] * len(values)
        if self.sampling_errors is not None:
            errors = [error if finite else None for error, finite in _with_finiteness(self.sampling_errors)]
        return [
            Measurement(value, None, bound, error) if finite else untested(self.undefined)
            for value, bound, error, finite in zip(values, bounds, errors, known, strict=True)
        ]


NumericMetric = Callable[[Convention, ValueTable, Sequence[ValueTable]], Series]
"""Convention, reference and chunks of a numeric column, none of them short of rows, to the values of a metric."""
CategoricalMetric = Callable[[Convention, CategoryTable, Sequence[CategoryTable]], Series]
"""The same for a categorical column."""


def without_values(chunks: int, reason: str) -> Series:
    """A series of `chunks` values that are all untested."""
    return Series(values=np.full(chunks, np.nan), undefined=reason)


def drift_definitions(
    id: str,
    name: str,
    direction: Direction,
    range: tuple[float, float],
    kinds: tuple[str, ...],
    *conventions: Convention,
) -> tuple[Definition, ...]:
    """The definition of a metric of one column in each drift family; `conventions` besides desk."""
    return tuple(
        Definition(
            id=id,
            family=family,
            name=name,
            direction=direction,
            range=range,
            kinds=kinds,
            conventions=(Convention.DESK, *conventions),
        )
        for family in DRIFT_FAMILIES
    )


def _with_finiteness(values: Floats) -> zip[tuple[float, bool]]:
    return zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
