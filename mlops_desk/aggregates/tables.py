"""Sufficient statistics of one slice (a chunk, a segment of it, or a whole reference) as frozen arrays that add.

Every table obeys one law: the table of A ∪ B is table(A) + table(B), for counts to the letter and for sums to 1e-12 of Σ|x|.
A table is exact where each entry is one distinct value; above `exact_rows` an entry is a cell, a small interval of values, and carries
its bounds so that the laboratory can bound its error. Arrays are never changed in place.

Where rows have weights, a table of a column has a second one of the same rows, `weighted`, which sums weights in place of counting rows and
leaves out entries without any. By `effective` it is scaled to as many rows as would be as sure: Kish's (Σw)² / Σw² (Survey Sampling, 1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Amounts = NDArray[Any]
"""Rows as int64, or sums of their weights as float64."""
UNLABELLED = 2
"""Index of rows without a label on the label axis of a table; 0 and 1 are the negative and the positive class."""


def merged_entries(left: Floats, right: Floats) -> tuple[Floats, Counts, Counts]:
    """The sorted union of two ascending arrays, and where the entries of each stand in it."""
    union = np.union1d(left, right)
    return union, np.searchsorted(union, left).astype(np.int64), np.searchsorted(union, right).astype(np.int64)


class ValueTable(Struct, frozen=True, kw_only=True, dict=True):
    """The finite values of a numeric column in one slice, and how many there are that are not finite.

    Attributes
    ----------
    values : (k,) ascending; a distinct value, or the mean of the values of a cell.
    counts : (k,) rows of each, all > 0.
    lowers, uppers : (k,) bounds of the values of each cell (their least and greatest value); None where the table is exact.
    cells : (k,) number of each cell in the column's cell map, which all cell tables of a column share; None where exact.
    squares : (k,) Σ(x - mean of the cell)² of each cell; None where exact (then it is 0).
    missing, nan, positive_infinite, negative_infinite : rows that hold no finite value.
    weighted : the table by weight, None where rows count once. weight_squares : (k,) Σw² of each entry of such a table, else None.
    """

    values: Floats
    counts: Amounts
    lowers: Floats | None = None
    uppers: Floats | None = None
    cells: Counts | None = None
    squares: Floats | None = None
    missing: int = 0
    nan: int = 0
    positive_infinite: int = 0
    negative_infinite: int = 0
    weighted: ValueTable | None = None
    weight_squares: Floats | None = None

    @property
    def exact(self) -> bool:
        """Whether every entry is one distinct value."""
        return self.cells is None

    @cached_property
    def n(self) -> int:
        """Rows with a finite value; of a table by weight, the sum of their weights."""
        rows: int = self.counts.sum().item()
        return rows

    @cached_property
    def cumulative(self) -> Amounts:
        """(k + 1,) rows before each entry, and at the end all rows with a finite value."""
        rows = np.zeros(len(self.counts) + 1, dtype=self.counts.dtype)
        np.cumsum(self.counts, out=rows[1:])
        return rows

    @cached_property
    def effective(self) -> ValueTable:
        """The table by weight, scaled so that its sum is Kish's effective number of rows; the table itself where rows count once."""
        table = self.weighted
        if table is None or table.weight_squares is None:
            return self
        if np.array_equal(table.counts, self.counts) and np.array_equal(table.weight_squares, self.counts):
            return self  # each row weighs 1
        squares = float(table.weight_squares.sum())
        scale = float(table.n) / squares if squares > 0 else 1.0
        return replace(
            table,
            counts=table.counts * scale,
            squares=None if table.squares is None else table.squares * scale,
            weight_squares=table.weight_squares * scale**2,
        )

    @property
    def rows(self) -> int:
        """All rows, missing and not finite ones included."""
        return self.n + self.missing + self.nan + self.positive_infinite + self.negative_infinite

    @cached_property
    def total(self) -> float:
        """Σx of the finite values."""
        return float(np.dot(self.values, self.counts))

    @cached_property
    def mean(self) -> float:
        """Mean of the finite values; raises ZeroDivisionError for none."""
        return self.total / self.n

    def mean_above(self, centre: float) -> float:
        """Mean of the finite values less `centre`, with the digits that a mean of large numbers loses; raises ZeroDivisionError for none."""
        return float(np.dot(self.values - centre, self.counts)) / self.n

    @cached_property
    def deviation_squares(self) -> float:
        """Σ(x - mean)² of the finite values, exact for cell tables too."""
        within = 0.0 if self.squares is None else float(self.squares.sum())
        return float(np.dot((self.values - self.mean) ** 2, self.counts)) + within

    @cached_property
    def lowest(self) -> float:
        """The least finite value; raises IndexError for none."""
        return float(self.values[0] if self.lowers is None else self.lowers[0])

    @cached_property
    def highest(self) -> float:
        """The greatest finite value; raises IndexError for none."""
        return float(self.values[-1] if self.uppers is None else self.uppers[-1])

    def __add__(self, other: ValueTable) -> ValueTable:
        """The table of both slices' rows; raises ValueError for an exact table and one of cells."""
        if self.exact != other.exact:
            raise ValueError("an exact table and a table of cells do not add")
        if self.cells is None or other.cells is None:
            values, left, right = merged_entries(self.values, other.values)
            counts = _merged(self.counts, other.counts, left, right, len(values))
            squares = _merged_optional(self.weight_squares, other.weight_squares, left, right, len(values))
            return self._with(other, values=values, counts=counts, weight_squares=squares)
        with np.errstate(over="ignore"):  # squares of numbers beyond 1e154 are infinite
            return self._with(other, **_merged_cells(self, other))

    def _with(self, other: ValueTable, **arrays: NDArray[np.generic] | None) -> ValueTable:
        both = self.weighted is not None and other.weighted is not None
        return ValueTable(
            weighted=self.weighted + other.weighted if both else self.weighted or other.weighted,  # type: ignore[operator]
            missing=self.missing + other.missing,
            nan=self.nan + other.nan,
            positive_infinite=self.positive_infinite + other.positive_infinite,
            negative_infinite=self.negative_infinite + other.negative_infinite,
            **arrays,  # type: ignore[arg-type]
        )


def mean_difference(left: ValueTable, right: ValueTable) -> float:
    """Mean of the left table less that of the right, exact to the digits of the values; both hold rows."""
    centre = float(left.values[len(left.values) // 2])
    with np.errstate(over="ignore", invalid="ignore"):
        found = left.mean_above(centre) - right.mean_above(centre)
    return found if np.isfinite(found) else left.mean - right.mean  # distances of numbers beyond 1e308 are infinite


def _merged(left: Amounts, right: Amounts, at_left: Counts, at_right: Counts, entries: int) -> Amounts:
    """(entries, …) amounts of two tables added, given where the entries of each stand."""
    total = np.zeros((entries, *left.shape[1:]), dtype=np.result_type(left, right))
    total[at_left] += left
    total[at_right] += right
    return total


def _merged_optional(
    left: Floats | None, right: Floats | None, at_left: Counts, at_right: Counts, entries: int
) -> NDArray[Any] | None:
    """The same where only tables by weight have them."""
    return None if left is None or right is None else _merged(left, right, at_left, at_right, entries)


def _merged_cells(left: ValueTable, right: ValueTable) -> dict[str, NDArray[np.generic] | None]:
    """The arrays of two cell tables added: counts add, means weigh in, squares move to the common mean."""
    cells, at_left, at_right = merged_entries(left.cells, right.cells)  # type: ignore[arg-type]
    counts = _merged(left.counts, right.counts, at_left, at_right, len(cells))
    sums, lowers, uppers = np.zeros(len(cells)), np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    for table, at in ((left, at_left), (right, at_right)):
        sums[at] += table.values * table.counts
        lowers[at] = np.minimum(lowers[at], table.lowers)  # type: ignore[arg-type]
        uppers[at] = np.maximum(uppers[at], table.uppers)  # type: ignore[arg-type]
    values = np.clip(sums / counts, lowers, uppers)
    squares = np.zeros(len(cells))
    for table, at in ((left, at_left), (right, at_right)):
        squares[at] += table.squares  # type: ignore[arg-type]
        squares[at] += table.counts * (table.values - values[at]) ** 2
    return {
        "values": values,
        "counts": counts,
        "lowers": lowers,
        "uppers": uppers,
        "cells": cells.astype(np.int64),
        "squares": squares,
        "weight_squares": _merged_optional(left.weight_squares, right.weight_squares, at_left, at_right, len(cells)),
    }


class CategoryTable(Struct, frozen=True, kw_only=True, dict=True):
    """The values of a categorical column in one slice, as text.

    Attributes
    ----------
    categories : distinct, in ascending order of code points. counts : (k,) rows of each, may be 0.
    missing : rows with NULL (and NaN).
    weighted : the table by weight, None where rows count once. weight_squares : Σw² of the rows with a value, of such a table.
    """

    categories: tuple[str, ...]
    counts: Amounts
    missing: int = 0
    weighted: CategoryTable | None = None
    weight_squares: float = 0.0

    @cached_property
    def n(self) -> int:
        """Rows with a value; of a table by weight, the sum of their weights."""
        rows: int = self.counts.sum().item()
        return rows

    @cached_property
    def effective(self) -> CategoryTable:
        """The table by weight, scaled so that its sum is Kish's effective number of rows; the table itself where rows count once."""
        table = self.weighted
        if table is None or table.weight_squares <= 0:
            return table or self
        scale = float(table.n) / table.weight_squares
        return replace(table, counts=table.counts * scale, weight_squares=table.weight_squares * scale**2)

    @cached_property
    def present(self) -> frozenset[str]:
        """The categories that have rows."""
        return frozenset(
            category for category, count in zip(self.categories, self.counts.tolist(), strict=True) if count
        )

    @property
    def rows(self) -> int:
        """All rows, missing ones included."""
        return self.n + self.missing

    def counts_of(self, categories: Sequence[str]) -> Amounts:
        """(len(categories),) rows of each of these categories, 0 for those that the slice does not have."""
        if tuple(categories) == self.categories:
            return self.counts
        place = {category: position for position, category in enumerate(self.categories)}
        where = np.array([place.get(category, -1) for category in categories], dtype=np.int64)
        return np.where(where >= 0, np.append(self.counts, 0)[where], 0)

    def __add__(self, other: CategoryTable) -> CategoryTable:
        """The table of both slices' rows."""
        if self.categories == other.categories:
            union, counts = self.categories, self.counts + other.counts
        else:
            union = tuple(sorted({*self.categories, *other.categories}))
            counts = self.counts_of(union) + other.counts_of(union)
        both = self.weighted is not None and other.weighted is not None
        return CategoryTable(
            categories=union,
            counts=counts,
            missing=self.missing + other.missing,
            weighted=self.weighted + other.weighted if both else self.weighted or other.weighted,  # type: ignore[operator]
            weight_squares=self.weight_squares + other.weight_squares,
        )


class ScoreTable(Struct, frozen=True, kw_only=True, dict=True):
    """Scores, predictions and labels of a binary model (or of one class against the rest) in one slice.

    Rows without a finite score are not in it. The entries are distinct scores, or cells of an equal-width grid.

    Attributes
    ----------
    scores : (k,) ascending; a distinct score, or the mean of a cell's scores.
    counts : (k, 2, 3) rows by score, prediction (negative, positive) and label (negative, positive, unlabelled).
    lowers, uppers : (k,) least and greatest score of each cell, None where exact.
    cells : (k,) number of each cell, None where exact.
    log_loss_total, brier_total : Σ of -ln(probability of the label) (clipped to machine epsilon) and Σ(score - label)² over the labelled rows, exact.
    in_unit_interval : whether all scores lie in [0, 1]; else they are ranks and no probabilities.
    """

    scores: Floats
    counts: Amounts
    lowers: Floats | None = None
    uppers: Floats | None = None
    cells: Counts | None = None
    log_loss_total: float = 0.0
    brier_total: float = 0.0
    in_unit_interval: bool = True

    @property
    def exact(self) -> bool:
        """Whether every entry is one distinct score."""
        return self.cells is None

    @property
    def marks(self) -> Floats:
        """(k,) what names the entries: scores, or numbers of cells."""
        return self.scores if self.cells is None else self.cells.astype(np.float64)

    @property
    def n(self) -> int:
        """Rows with a score."""
        rows: int = self.counts.sum().item()
        return rows

    @cached_property
    def labelled(self) -> Amounts:
        """(k, 2) labelled rows by score and label."""
        return np.asarray(self.counts[:, :, :UNLABELLED].sum(axis=1))

    @cached_property
    def labelled_before(self) -> Amounts:
        """(k + 1, 2) labelled rows by label before each score, and at the end all of them."""
        rows = np.zeros((len(self.labelled) + 1, 2), dtype=self.counts.dtype)
        np.cumsum(self.labelled, axis=0, out=rows[1:])
        return rows

    @cached_property
    def confusion(self) -> Amounts:
        """(2, 3) rows by prediction and label."""
        return np.asarray(self.counts.sum(axis=0))

    def __add__(self, other: ScoreTable) -> ScoreTable:
        """The table of both slices' rows; raises ValueError for an exact table and one of cells."""
        if self.exact != other.exact:
            raise ValueError("an exact table and a table of cells do not add")
        entries = (self.scores, other.scores) if self.exact else (self.cells, other.cells)
        union, left, right = merged_entries(*entries)
        counts = _merged(self.counts, other.counts, left, right, len(union))
        arrays = {"scores": union} if self.exact else _merged_scores(self, other, union, left, right, counts)
        return ScoreTable(
            counts=counts,
            log_loss_total=self.log_loss_total + other.log_loss_total,
            brier_total=self.brier_total + other.brier_total,
            in_unit_interval=self.in_unit_interval and other.in_unit_interval,
            **arrays,
        )


def _merged_scores(
    left: ScoreTable, right: ScoreTable, cells: Floats, at_left: Counts, at_right: Counts, counts: Amounts
) -> dict[str, NDArray[np.generic]]:
    """The arrays of two score tables of cells added."""
    sums, lowers, uppers = np.zeros(len(cells)), np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    for table, at in ((left, at_left), (right, at_right)):
        sums[at] += table.scores * table.counts.sum(axis=(1, 2))
        lowers[at] = np.minimum(lowers[at], table.lowers)  # type: ignore[arg-type]
        uppers[at] = np.maximum(uppers[at], table.uppers)  # type: ignore[arg-type]
    scores = mean_scores(sums, counts, lowers, uppers)
    return {"scores": scores, "lowers": lowers, "uppers": uppers, "cells": cells.astype(np.int64)}


def mean_scores(sums: Floats, counts: Amounts, lowers: Floats, uppers: Floats) -> Floats:
    """(k,) the mean score of each cell within its bounds; the least where no row of a cell weighs anything."""
    amounts = counts.sum(axis=(1, 2))
    return np.asarray(np.clip(np.divide(sums, amounts, out=lowers.copy(), where=amounts > 0), lowers, uppers))


class ConfusionTable(Struct, frozen=True, kw_only=True):
    """Labels against predictions of a classifier in one slice.

    Attributes
    ----------
    classes : as text, sorted. counts : (c, c) labelled rows by true and predicted class.
    predicted : (c,) all rows by predicted class, labelled or not.
    log_loss_total : Σ -ln(normalised score of the true class) where scores of all classes are logged, else None.
    """

    classes: tuple[str, ...]
    counts: Amounts
    predicted: Amounts
    log_loss_total: float | None = None

    @property
    def labelled(self) -> int:
        """Labelled rows."""
        rows: int = self.counts.sum().item()
        return rows

    def in_classes(self, classes: tuple[str, ...]) -> ConfusionTable:
        """The same table over more classes, sorted."""
        if classes == self.classes:
            return self
        where = np.array([classes.index(one) for one in self.classes], dtype=np.int64)
        counts = np.zeros((len(classes), len(classes)), dtype=self.counts.dtype)
        predicted = np.zeros(len(classes), dtype=self.predicted.dtype)
        if len(where):
            counts[np.ix_(where, where)] = self.counts
            predicted[where] = self.predicted
        return ConfusionTable(classes=classes, counts=counts, predicted=predicted, log_loss_total=self.log_loss_total)

    def __add__(self, other: ConfusionTable) -> ConfusionTable:
        """The table of both slices' rows."""
        classes = tuple(sorted({*self.classes, *other.classes}))
        left, right = self.in_classes(classes), other.in_classes(classes)
        losses = (left.log_loss_total, right.log_loss_total)
        total = None if losses[0] is None or losses[1] is None else losses[0] + losses[1]
        return ConfusionTable(
            classes=classes,
            counts=left.counts + right.counts,
            predicted=left.predicted + right.predicted,
            log_loss_total=total,
        )


class ErrorTable(Struct, frozen=True, kw_only=True):
    """Errors e = prediction - target of a regression in one slice, over the rows that have both.

    Attributes
    ----------
    n : labelled rows. rows : rows with a prediction.
    error, absolute, squares : Σe, Σ|e|, Σe². relative : Σ|e| / max(|target|, machine epsilon).
    log_squares : Σ(ln(1+prediction) - ln(1+target))² where `negative` is 0. negative : rows with a target or prediction ≤ -1.
    target, target_squares : Σ(target - centre) and Σ(target - centre)². centre : a constant of the model.
    absolute_values : the |e| as a table, for the median and the greatest.
    Where it sums by weight, n and rows are sums of weights (or of their squares), and `absolute_values` is the table by weight.
    """

    n: float
    rows: float
    error: float
    absolute: float
    squares: float
    relative: float
    log_squares: float
    negative: int
    target: float
    target_squares: float
    centre: float
    absolute_values: ValueTable

    def __add__(self, other: ErrorTable) -> ErrorTable:
        """The table of both slices' rows; raises ValueError where the centres differ."""
        if self.centre != other.centre:
            raise ValueError("error tables with different centres do not add")
        sums = (
            "n",
            "rows",
            "error",
            "absolute",
            "squares",
            "relative",
            "log_squares",
            "negative",
            "target",
            "target_squares",
        )
        return ErrorTable(
            **{name: getattr(self, name) + getattr(other, name) for name in sums},
            centre=self.centre,
            absolute_values=self.absolute_values + other.absolute_values,
        )


class RowSet(Struct, frozen=True, kw_only=True):
    """Which values rows have, to count repeats. hashes : (k,) distinct hashes, ascending. rows : rows with a value."""

    hashes: Counts
    rows: int

    @property
    def distinct(self) -> int:
        """How many values differ."""
        return len(self.hashes)

    def __add__(self, other: RowSet) -> RowSet:
        """The values of both slices' rows."""
        return RowSet(hashes=np.union1d(self.hashes, other.hashes), rows=self.rows + other.rows)


Table = TypeVar("Table", ValueTable, CategoryTable, ScoreTable, ConfusionTable, ErrorTable)


def added(tables: Sequence[Table]) -> Table:
    """The table of all slices' rows, by halves so that sums lose least; raises ValueError for none."""
    if not tables:
        raise ValueError("nothing to add")
    while len(tables) > 1:
        tables = [reduce(add, tables[at : at + 2]) for at in range(0, len(tables), 2)]
    return tables[0]
