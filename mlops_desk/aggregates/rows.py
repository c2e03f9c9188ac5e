"""Rows of a batch as matrices of numbers, piece by piece: what a learner sees of a log.

A column of a matrix holds numbers (NaN where there is none, or none that is finite) or the codes of a column's categories in the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.plan import OTHER
from mlops_desk.aggregates.source import Source
from mlops_desk.aggregates.tables import Floats
from mlops_desk.warehouse.connection import Columns, literal

MISSING, UNSEEN = -1, -2
"""Codes of a missing category, and of one that the reference does not have."""


class CodedColumn(Struct, frozen=True, kw_only=True):
    """A categorical column: its categories in the reference in the order of their codes; `pooled` where OTHER stands for all that are not named."""

    column: str
    categories: tuple[str, ...]
    pooled: bool = False

    @property
    def default(self) -> int:
        """The code of a value that is no category of the reference."""
        return self.categories.index(OTHER) if self.pooled and OTHER in self.categories else UNSEEN


class RowPlan(Struct, frozen=True, kw_only=True):
    """The columns of a matrix: the numeric ones first, then the categorical ones. prediction : a number of every row, not in the matrix."""

    numeric: tuple[str, ...]
    categorical: tuple[CodedColumn, ...]
    prediction: str | None = None

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return len(self.numeric) + len(self.categorical)


class Rows(Struct, frozen=True, kw_only=True):
    """Some rows of a batch.

    Attributes
    ----------
    parts : (n,) index of each row's part in its batch. matrix : (n, d). predictions : (n,), NaN where there is none.
    segments : (n,) value of the segment column, None where rows are not counted by segment.
    """

    parts: NDArray[np.int64]
    matrix: Floats
    predictions: Floats
    segments: NDArray[Any] | None = None


def code_sql(source: Source, coded: CodedColumn) -> str:
    """The code of a categorical column."""
    text = source.expressions.text(coded.column)
    absent = f"case when {text} is null then {MISSING} else {coded.default} end"
    if not coded.categories:
        return f"({absent})::SMALLINT"
    names = ", ".join(literal(category) for category in coded.categories)
    return f"coalesce(enum_code(try_cast({text} as ENUM({names})))::SMALLINT, {absent})::SMALLINT"


def column_terms(source: Source, plan: RowPlan) -> list[str]:
    """The columns of the matrix and the prediction as c0, c1, … and y."""
    numbers = [source.expressions.number(column) for column in plan.numeric]
    terms = [f"case when isfinite({x}) then {x} end c{index}" for index, x in enumerate(numbers)]
    codes = (code_sql(source, coded) for coded in plan.categorical)
    terms += [f"{code} c{index}" for index, code in enumerate(codes, len(numbers))]
    if plan.prediction is not None:
        y = source.expressions.number(plan.prediction)
        terms.append(f"case when isfinite({y}) then {y} end y")
    return terms


def in_parts(source: Source, parts: Sequence[int]) -> str:
    """The condition that a row belongs to one of some parts."""
    return f"{source.part} in ({', '.join(map(str, parts))})"


def row_pieces(source: Source, plan: RowPlan, parts: Sequence[int]) -> Iterator[Rows]:
    """The rows of some parts of a batch, piece by piece."""
    terms = ", ".join([source.keys, *column_terms(source, plan)])
    for piece in source.connection.pieces(f"select {terms} from {source.relation} where {in_parts(source, parts)}"):
        yield Rows(
            parts=piece["p"].astype(np.int64),
            matrix=matrix_of(piece, plan),
            predictions=numbers_of(piece, "y") if plan.prediction is not None else np.zeros(len(piece["p"])),
            segments=piece.get("s"),
        )


def matrix_of(piece: Columns, plan: RowPlan) -> Floats:
    """The matrix of a result's columns c0, c1, …"""
    matrix = np.empty((len(piece["p"]), plan.width))
    for index in range(plan.width):
        matrix[:, index] = numbers_of(piece, f"c{index}")
    return matrix


def numbers_of(piece: Columns, name: str) -> Floats:
    """A column of a result as numbers, NaN where it is NULL."""
    column = piece[name]
    if isinstance(column, np.ma.MaskedArray):
        return np.asarray(np.ma.filled(column.astype(np.float64), np.nan))
    return np.asarray(column, dtype=np.float64)
