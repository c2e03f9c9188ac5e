"""What a scan is to count, decided once per model and reference and kept, so that every later file is counted in the same way."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import Struct

from mlops_desk.aggregates.cellmap import CellMap
from mlops_desk.domain.schema import Task

OTHER = "(all other values)"
"""Name of the bin of a categorical column's values beyond those that are kept; a value that reads so is never kept, and so is one of them."""
KEPT_CATEGORIES = 1000
SCORE_CELLS = 2048
FORMAT = 4
"""Raised whenever the same plan would be counted in another way, so that cached counts of the former are passed over."""


class NumericPlan(Struct, frozen=True, kw_only=True):
    """How a numeric column is counted: by value where `cells` is None, else by cell. lowest, highest : of the reference; None where it has no value."""

    column: str
    cells: CellMap | None
    lowest: float | None
    highest: float | None


class CategoricalPlan(Struct, frozen=True, kw_only=True):
    """How a categorical column is counted; `kept` names the values that are told apart, empty for all."""

    column: str
    kept: tuple[str, ...] = ()


class ScorePlan(Struct, frozen=True, kw_only=True):
    """How a score is counted: by value, or by equal cells from `lowest` to `highest`. class_ : empty for a binary model."""

    column: str
    exact: bool
    lowest: float = 0.0
    highest: float = 1.0
    class_: str = ""


class OutcomePlan(Struct, frozen=True, kw_only=True):
    """How predictions and labels are counted.

    Attributes
    ----------
    positive : text of the positive class (binary). threshold : makes the prediction from the score where none is logged.
    errors : how |error| is counted, and target_values the target (regression). centre : near the reference's mean target.
    groups : protected attributes, each the columns that it joins. inside : columns of a log that hold labels, the preferred first.
    group_scores : whether scores are counted by group, too, for estimates of fairness.
    """

    task: Task
    prediction: str | None
    scores: tuple[ScorePlan, ...] = ()
    positive: str = "1"
    threshold: float | None = None
    errors: NumericPlan | None = None
    target_values: NumericPlan | None = None
    centre: float = 0.0
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()
    inside: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    group_scores: bool = False


class CheckPlan(Struct, frozen=True, kw_only=True):
    """An expectation of every row.

    Attributes
    ----------
    name : `column:kind`. kind : not_null, allowed, min, max, pattern, or outputs. values : of allowed and pattern; the columns of outputs.
    number : of min and max.
    """

    name: str
    column: str
    kind: str
    values: tuple[str, ...] = ()
    number: float = 0.0


class FeaturePlan(Struct, frozen=True, kw_only=True):
    """How the log's own columns are counted.

    Attributes
    ----------
    types : engine types that columns are cast to, where files differ. checks : expectations of every row.
    distinct : columns whose distinct values are counted; the empty name stands for whole rows.
    """

    numeric: tuple[NumericPlan, ...]
    categorical: tuple[CategoricalPlan, ...]
    types: tuple[tuple[str, str], ...] = ()
    checks: tuple[CheckPlan, ...] = ()
    distinct: tuple[str, ...] = ()


class LabelPlan(Struct, frozen=True, kw_only=True):
    """Labels as a column of the log: those that were joined, else its own.

    Attributes
    ----------
    names : under which SQL finds them. type : engine type. classes : texts that codes stand for. numeric : whether labels are numbers.
    """

    names: tuple[str, ...]
    type: str
    classes: tuple[str, ...] = ()
    numeric: bool = False


class BusinessPlan(Struct, frozen=True, kw_only=True):
    """A business metric: the terms that are added and the formula of their totals, or no terms and the SQL over all rows of a chunk.

    `types` are those of the terms; `place` names the metric in desk.toml.
    """

    id: str
    sql: str
    place: str
    terms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    formula: str = ""


class OutlierPlan(Struct, frozen=True, kw_only=True):
    """Medians and robust standard deviations (IQR / 1.349) of numeric columns in the reference, and the 99.9th percentile of its rows' largest deviation."""

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    scales: tuple[float, ...]
    cutoff: float


class BoundaryPlan(Struct, frozen=True, kw_only=True):
    """Which scores are close to the decision: from `lowest` to `highest`, both included."""

    column: str
    lowest: float
    highest: float


class RoundedPlan(Struct, frozen=True, kw_only=True):
    """Which columns make a rounded row, and what its prediction is: logged, or the score held against a threshold."""

    numeric: tuple[NumericPlan, ...]
    categorical: tuple[str, ...]
    prediction: str | None = None
    score: str | None = None
    threshold: float | None = None


class QueryPlan(Struct, frozen=True, kw_only=True):
    """How queries of requesters are looked at: scaled as outliers are; at most so many queries of so many requesters with more than `least`."""

    requester: str
    scale: OutlierPlan
    rounded: RoundedPlan
    requesters: int
    queries: int
    least: int


class SignalPlan(Struct, frozen=True, kw_only=True):
    """What is counted for metrics that are of no single feature.

    Attributes
    ----------
    columns : (name, engine type) of every column over all files. label : labels as a column, None without any.
    labelled_time : whether the time of the newest labelled row is asked for. reasons : why what is asked for cannot be counted, by metric.
    """

    columns: tuple[tuple[str, str], ...] = ()
    label: LabelPlan | None = None
    business: tuple[BusinessPlan, ...] = ()
    labelled_time: bool = False
    outliers: OutlierPlan | None = None
    boundary: BoundaryPlan | None = None
    rounded: RoundedPlan | None = None
    requester: str | None = None
    queries: QueryPlan | None = None
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def by_row(self) -> bool:
        """Whether something is kept of every row."""
        return self.rounded is not None or self.requester is not None


class ScanPlan(Struct, frozen=True, kw_only=True):
    """Everything that decides what a file's tables hold.

    Attributes
    ----------
    filter : SQL predicate on the rows. slicing : names the rule of chunks and splits. signals : None where nobody asks for any.
    segment : a column, or several joined by ×, by whose values rows are counted; None for all rows.
    weight : the column of the weights of rows, None where they count once.
    """

    features: FeaturePlan
    outcome: OutcomePlan | None
    filter: str | None
    slicing: str
    slicing_time: str | None = None
    segment: str | None = None
    signals: SignalPlan | None = None
    weight: str | None = None

    @property
    def feature_digest(self) -> str:
        """Names what the features' half of a file's tables depends on, beside the file."""
        return _digest(self.features, self.filter, self.slicing, self.segment, *self._weighed)

    @property
    def outcome_digest(self) -> str:
        """Names what the outcomes' half of a file's tables depends on, beside the file and its labels."""
        return _digest(self.outcome, self.features.types, self.filter, self.slicing, self.segment, *self._weighed)

    @property
    def signal_digest(self) -> str:
        """Names what the signals of a file depend on, beside the file and its labels."""
        return _digest(self.signals, self.features.types, self.filter, self.slicing, self.segment)

    @property
    def _weighed(self) -> tuple[str, ...]:
        """The column of weights, where there is one."""
        return () if self.weight is None else (self.weight,)


def _digest(*values: object) -> str:
    """A name for plain values and structs of them."""
    return hashlib.blake2b(msgspec.json.encode((FORMAT, *values)), digest_size=12).hexdigest()
