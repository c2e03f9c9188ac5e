"""Drift of all columns together: how badly a projection fitted on the reference rebuilds the rows of a chunk (PCA reconstruction error).

NannyML's definition: a missing number becomes the reference's mean, a category its share of the reference's rows (0 where the reference
does not have it), columns are standardised, and the principal components that hold 65 % of the variance are kept. A missing category (a
NULL) is one like the others, because NannyML's imputer takes NaN for missing and no NULL. What is beyond the categories that are told apart
counts as one category. A column without values in the reference is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from mlops_desk.aggregates.sums import CrossProducts, RowSums
from mlops_desk.aggregates.tables import CategoryTable, Floats, ValueTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import measured
from mlops_desk.metrics.performance import too_few

PCA_RECONSTRUCTION = "pca_reconstruction"
KEPT_VARIANCE = 0.65
NO_COLUMNS = "no feature has values in the reference"
CONSTANT = "every feature of the reference has one value only"
TOO_LARGE = "the squares of numbers that large are beyond the range of doubles"


class Encoding(Struct, frozen=True, kw_only=True):
    """How a matrix of numbers and codes becomes one of numbers alone.

    Attributes
    ----------
    means : what stands for a missing number, by numeric column. shares : by categorical column, the share of each code in the reference,
    and in the last two places those of an unseen (0) and of a missing one, whose codes are -2 and -1.
    """

    means: Floats
    shares: tuple[Floats, ...] = ()

    def numbers(self, matrix: Floats) -> Floats:
        """(n, d) the encoded matrix."""
        encoded = matrix.copy()
        for index, mean in enumerate(self.means.tolist()):
            column = encoded[:, index]
            column[np.isnan(column)] = mean
        for index, shares in enumerate(self.shares, len(self.means)):
            encoded[:, index] = shares[matrix[:, index].astype(np.int64)]
        return encoded


def reference_encoding(numeric: Sequence[ValueTable], categorical: Sequence[CategoryTable]) -> Encoding:
    """The encoding of columns that all have values in the reference."""
    return Encoding(
        means=np.array([table.mean for table in numeric]),
        shares=tuple(np.append(table.counts, [0, table.missing]) / table.rows for table in categorical),
    )


class Projection(Struct, frozen=True, kw_only=True):
    """What is kept of a row: its components on the axes of greatest variance of the standardised reference.

    Attributes
    ----------
    centre, scales : (d,) of the standardisation. axes : (k, d) orthonormal. unusable : why there is none, None where there is.
    """

    centre: Floats = field(default_factory=lambda: np.zeros(0))
    scales: Floats = field(default_factory=lambda: np.zeros(0))
    axes: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    unusable: str | None = None

    def errors(self, encoded: Floats) -> Floats:
        """(n, 1) Euclidean norm of what of each standardised row is lost."""
        with np.errstate(over="ignore", invalid="ignore"):
            z = (encoded - self.centre) / self.scales
            lost = z - (z @ self.axes.T) @ self.axes
            return np.asarray(np.sqrt((lost * lost).sum(axis=1, keepdims=True)))


def centre_of(encoding: Encoding) -> Floats:
    """About where the encoded reference lies: what its cross products are taken around, so that they lose no digits."""
    weighted = [float(np.dot(shares, shares)) for shares in encoding.shares]
    return np.concatenate([encoding.means, np.array(weighted)])


def fitted_projection(products: CrossProducts | None, centre: Floats) -> Projection:
    """The projection of a reference whose cross products were taken around a centre."""
    if products is None or products.rows == 0 or len(centre) == 0:
        return Projection(unusable=NO_COLUMNS)
    n = products.rows
    with np.errstate(over="ignore", invalid="ignore"):
        shift = products.sums / n
        covariance = products.products / n - np.outer(shift, shift)
        mean, variance = centre + shift, np.maximum(np.diag(covariance), 0.0)
        constant = variance <= n * np.finfo(np.float64).eps * variance + (n * mean * np.finfo(np.float64).eps) ** 2
    if not (np.isfinite(covariance).all() and np.isfinite(mean).all()):
        return Projection(unusable=TOO_LARGE)
    if constant.all():
        return Projection(unusable=CONSTANT)
    scales = np.where(constant, 1.0, np.sqrt(variance))
    correlation = np.where(constant[:, None] | constant, 0.0, covariance / np.outer(scales, scales))
    values, vectors = np.linalg.eigh(correlation)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values / values.sum()), KEPT_VARIANCE, side="right")) + 1
    return Projection(centre=mean, scales=scales, axes=np.ascontiguousarray(vectors[:, :kept].T))


def reconstruction_error(sums: RowSums | None, *, min_rows: int = 30, unusable: str | None = None) -> Measurement:
    """Mean norm of z - ẑ over a slice's rows.

    Range 0 to infinity, lower is better; about the same in every chunk that is like the reference, and higher where the relations between
    columns (or their spread) changed. A chunk that only moves along the axes kept can look better than the reference: both sides alert.

    >>> reconstruction_error(RowSums(rows=100, totals=np.array([50.0]), squares=np.array([29.0]))).value
    0.5
    """
    if unusable is not None:
        return untested(unusable)
    rows = 0 if sums is None else sums.rows
    few = too_few(rows, min_rows, "rows")
    if few or sums is None:
        return untested(few or "no rows")
    total, squares = float(sums.totals[0]), float(sums.squares[0])
    if not (math.isfinite(total) and math.isfinite(squares)):
        return untested(TOO_LARGE)
    mean = total / rows
    return measured(mean, math.sqrt(max(squares / rows - mean**2, 0.0) / max(rows - 1, 1)), least=0.0)


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        id=PCA_RECONSTRUCTION,
        family=Family.MULTIVARIATE_DRIFT,
        name="PCA reconstruction error",
        direction=Direction.LOWER,
        range=(0.0, math.inf),
    ),
)
