"""Sums over the rows of a slice of what was computed row by row: the tables of everything that needs whole rows, or a learner, and adds.

The law of all tables holds: the sums of A ∪ B are sums(A) + sums(B), counts to the letter and sums to 1e-12 of Σ|x|.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import Floats


class RowSums(Struct, frozen=True, kw_only=True):
    """Some numbers of each row, summed.

    Attributes
    ----------
    rows : rows with such numbers. totals, squares : (k,) Σx and Σx² of each.
    """

    rows: int
    totals: Floats
    squares: Floats

    def __add__(self, other: RowSums) -> RowSums:
        """The sums over both slices' rows."""
        return RowSums(
            rows=self.rows + other.rows, totals=self.totals + other.totals, squares=self.squares + other.squares
        )


class CrossProducts(Struct, frozen=True, kw_only=True):
    """Numbers of rows and their products, around a centre that all tables of one origin share.

    Attributes
    ----------
    sums : (d,) Σx. products : (d, d) Σxxᵀ.
    """

    rows: int
    sums: Floats
    products: Floats

    def __add__(self, other: CrossProducts) -> CrossProducts:
        """The products over both slices' rows."""
        return CrossProducts(
            rows=self.rows + other.rows, sums=self.sums + other.sums, products=self.products + other.products
        )


def row_sums(values: Floats) -> RowSums:
    """The sums of (n, k) numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        return RowSums(rows=len(values), totals=values.sum(axis=0), squares=(values * values).sum(axis=0))


def cross_products(values: Floats) -> CrossProducts:
    """The products of (n, d) centred numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        return CrossProducts(rows=len(values), sums=values.sum(axis=0), products=values.T @ values)
