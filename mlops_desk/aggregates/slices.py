"""What one scan knows of a slice (a part of a file, a chunk, a reference): every table of it, in two halves that are cached apart.

Features depend on the log alone; outcomes on its labels, too, and are counted anew when late labels arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, TypeVar

from msgspec import Struct, field

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.group_scores import GroupScoreTable
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.tables import (
    CategoryTable,
    ConfusionTable,
    Counts,
    ErrorTable,
    GroupMeans,
    GroupTable,
    RowSet,
    ScoreTable,
    ValueTable,
)

T = TypeVar("T", ValueTable, CategoryTable, ScoreTable, GroupTable, GroupMeans, GroupScoreTable, RowSet, int)


def _added(left: Mapping[str, T], right: Mapping[str, T]) -> dict[str, T]:
    """Tables by name, added where both have one."""
    both = {name: left[name] + right[name] for name in left if name in right}
    return {**left, **right, **both}


class FeatureTables(Struct, frozen=True, kw_only=True):
    """What the log's own columns hold in a slice.

    Attributes
    ----------
    rows : rows of the slice. numeric, categorical : tables by column (features, prediction, score).
    outside : by numeric column, rows whose finite value is beyond the reference's least and greatest.
    failures : by expectation, rows that break it. distinct : by column (the empty name: whole rows), the values that rows have.
    first, last : timestamps as nanoseconds since 1970 (local time where they carry no zone), None without them.
    """

    rows: int
    numeric: Mapping[str, ValueTable] = field(default_factory=dict)
    categorical: Mapping[str, CategoryTable] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)
    failures: Mapping[str, int] = field(default_factory=dict)
    distinct: Mapping[str, RowSet] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None

    def __add__(self, other: FeatureTables) -> FeatureTables:
        """The tables of both slices' rows."""
        return FeatureTables(
            rows=self.rows + other.rows,
            numeric=_added(self.numeric, other.numeric),
            categorical=_added(self.categorical, other.categorical),
            outside=_added(self.outside, other.outside),
            failures=_added(self.failures, other.failures),
            distinct=_added(self.distinct, other.distinct),
            first=min((t for t in (self.first, other.first) if t is not None), default=None),
            last=max((t for t in (self.last, other.last) if t is not None), default=None),
        )


class OutcomeTables(Struct, frozen=True, kw_only=True):
    """What predictions, scores and labels together hold in a slice.

    Attributes
    ----------
    labelled : rows with a label. scores : by class (`` for a binary model), where scores are logged.
    binary : (2, 3) rows by prediction and label, of a binary model with predictions.
    confusion : of a multiclass model. errors : of a regression. groups, means : by protected attribute (and class: `attribute|class`).
    group_scores : by protected attribute of a binary model, where estimates of fairness are asked for.
    target_categories, target_values : the labels themselves.
    """

    rows: int
    labelled: int
    scores: Mapping[str, ScoreTable] = field(default_factory=dict)
    binary: Counts | None = None
    confusion: ConfusionTable | None = None
    errors: ErrorTable | None = None
    groups: Mapping[str, GroupTable] = field(default_factory=dict)
    means: Mapping[str, GroupMeans] = field(default_factory=dict)
    group_scores: Mapping[str, GroupScoreTable] = field(default_factory=dict)
    target_categories: CategoryTable | None = None
    target_values: ValueTable | None = None

    def __add__(self, other: OutcomeTables) -> OutcomeTables:
        """The tables of both slices' rows."""
        optional: dict[str, Any] = {
            name: _either(getattr(self, name), getattr(other, name))
            for name in ("binary", "confusion", "errors", "target_categories", "target_values")
        }
        return OutcomeTables(
            rows=self.rows + other.rows,
            labelled=self.labelled + other.labelled,
            scores=_added(self.scores, other.scores),
            groups=_added(self.groups, other.groups),
            means=_added(self.means, other.means),
            group_scores=_added(self.group_scores, other.group_scores),
            **optional,
        )


def _either(left: Any, right: Any) -> Any:
    """The sum of two tables, or the one that there is."""
    return right if left is None else left if right is None else left + right


Half = TypeVar("Half", FeatureTables, OutcomeTables, ExpectedTable, SignalTables)


def together(halves: Sequence[Half]) -> Half:
    """The tables of all slices' rows, added by halves; raises ValueError for none."""
    if not halves:
        raise ValueError("nothing to add")
    while len(halves) > 1:
        halves = [reduce(add, halves[at : at + 2]) for at in range(0, len(halves), 2)]
    return halves[0]
