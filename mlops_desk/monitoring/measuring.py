"""From tables to measurements: asks the laboratory for every request of a model, for all its slices at once.

A slice is a chunk, or a segment of one. Whatever the laboratory says of a slice is a value or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Family, Measurement, SeriesKey, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.schema import Column, Kind, Task
from mlops_desk.metrics import quality
from mlops_desk.metrics.calibration import calibration
from mlops_desk.metrics.concept import estimation_gap, label_shift
from mlops_desk.metrics.estimation import Calibrator, estimated_performance
from mlops_desk.metrics.fairness import group_fairness
from mlops_desk.metrics.multiclass import multiclass_performance
from mlops_desk.metrics.performance import binary_performance
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.regression import regression_performance
from mlops_desk.metrics.regression_fairness import regression_fairness
from mlops_desk.metrics.structure import constant_columns
from mlops_desk.metrics.univariate import categorical_drift, numeric_drift
from mlops_desk.monitoring.expectations import broken_checks
from mlops_desk.monitoring.requests import (
    CONSTANT_COLUMNS,
    DRIFT_FAMILIES,
    DRIFTED_SHARE,
    DUPLICATE_RATE,
    EXPECTATION_FAILURES,
    Request,
    target_column,
)
from mlops_desk.monitoring.signals import SIGNAL_FAMILIES, signal
from mlops_desk.monitoring.slice_set import Slice, SliceSet, tables_of

Measured = dict[SeriesKey, list[Measurement | None]]
"""Measurements along the slices; None where a slice says nothing of the series."""
EMPTY_VALUES = "the rows at hand have no such column"


class Measurer:
    """Measures one model's slices; what several requests share is computed once. `wanted` names the metrics that are asked for, None for all."""

    def __init__(
        self,
        model: Model,
        columns: Sequence[Column],
        slices: SliceSet,
        calibrator: Callable[[], Calibrator],
        wanted: Collection[str] | None = None,
    ) -> None:
        self._model = model
        self._kinds = {column.name: column.type for column in columns}
        self._set = slices
        self._calibrator = calibrator
        self._wanted = wanted
        self._readings: dict[tuple[str, int, int, Convention], list[tuple[Reading, ...]]] = {}

    def measured(self, request: Request) -> Measured:
        """The series of a request (several where it has groups or classes), along the slices."""
        family = request.definition.family
        if request.definition.id == DRIFTED_SHARE:
            return {}
        if family in DRIFT_FAMILIES:
            return {self._key(request): list(self._drift(request, self._set.slices))}
        if family is Family.DATA_QUALITY:
            return {self._key(request): [self._quality(request, one) for one in self._set.slices]}
        if family in SIGNAL_FAMILIES:
            return {self._key(request): [signal(self._model, self._set, request, one) for one in self._set.slices]}
        return self._from_readings(request)

    def whole(self, request: Request, key: SeriesKey) -> Measurement:
        """The request's value of the whole reference, for one of its series."""
        reference = self._set.reference
        family = request.definition.family
        if family in DRIFT_FAMILIES:
            return self._drift(request, [reference])[0]
        if family is Family.DATA_QUALITY:
            return self._quality(request, reference)
        if family in SIGNAL_FAMILIES:
            return signal(self._model, self._set, request, reference)
        for reading in self._shared(request, [reference])[0]:
            if (reading.metric, reading.group, reading.class_) == (key.metric, key.group, key.class_):
                return reading.measurement
        return untested("the reference has no such group or class")

    def _key(self, request: Request, group: str | None = None, class_: str | None = None) -> SeriesKey:
        return SeriesKey(
            family=request.definition.family,
            metric=request.definition.id,
            convention=request.monitor.convention,
            column=request.column,
            group=group,
            class_=class_,
            segment=self._set.segment,
        )

    def _drift(self, request: Request, slices: Sequence[Slice]) -> list[Measurement]:
        """Drift of a column in each slice."""
        reference = self.column_table(request, self._set.reference)
        tables = [self.column_table(request, one) for one in slices]
        metric, convention, min_rows = request.definition.id, request.monitor.convention, request.monitor.min_rows
        if isinstance(reference, ValueTable):
            numeric = [table if isinstance(table, ValueTable) else _no_values(reference) for table in tables]
            return numeric_drift(metric, convention, reference, numeric, min_rows=min_rows)
        if isinstance(reference, CategoryTable):
            categorical = [table if isinstance(table, CategoryTable) else _no_categories() for table in tables]
            return categorical_drift(metric, convention, reference, categorical, min_rows=min_rows)
        return [untested("the reference does not have this column")] * len(slices)

    def column_table(self, request: Request, one: Slice) -> ValueTable | CategoryTable | None:
        """A column's table in a slice, None where it has none."""
        column = request.column or ""
        if column == target_column(self._model) and one.outcomes is not None:
            return one.outcomes.target_values if request.kind is Kind.NUMERIC else one.outcomes.target_categories
        tables: Mapping[str, ValueTable | CategoryTable]
        tables = one.features.numeric if request.kind is Kind.NUMERIC else one.features.categorical
        return tables.get(column)

    def _quality(self, request: Request, one: Slice) -> Measurement:
        """One of the data quality numbers of a slice."""
        metric, rows = request.definition.id, one.features.rows
        if metric == EXPECTATION_FAILURES:
            broken = broken_checks(
                self._model, self._kinds, request.column or "", one.features, self._set.reference.features
            )
            return quality.expectation_failures(len(broken)) if rows else untested("no rows")
        if metric == DUPLICATE_RATE:
            known = one.features.distinct.get(request.column or "")
            return (
                untested("no rows")
                if known is None
                else quality.duplicate_rate(known.distinct, known.rows, request.monitor.min_rows)
            )
        if request.column is not None:
            return self._quality_of_column(request, one)
        if metric == "rows":
            return quality.rows(rows)
        if metric == "row_rate":
            return quality.row_rate(rows, one.chunk.start, one.chunk.end)
        if metric == "label_coverage":
            return (
                untested("the model has no labels")
                if one.outcomes is None
                else quality.label_coverage(one.outcomes.labelled, rows)
            )
        if metric == "freshness_hours":
            return quality.freshness_hours(self._set.newest, self._set.now)
        if metric == CONSTANT_COLUMNS:
            named, ignored = request.monitor.columns, self._model.columns.latency
            whole, own = (
                {
                    name: table
                    for name, table in tables_of(part).items()
                    if name != ignored and ("*" in named or name in named)
                }
                for part in (self._set.reference, one)
            )
            return constant_columns(own, whole, rows, request.monitor.min_rows)
        return one.answers.get(metric, untested("it is told of the chunks of all rows only"))

    def _quality_of_column(self, request: Request, one: Slice) -> Measurement:
        """One of the rates of a column."""
        metric, min_rows, column = request.definition.id, request.monitor.min_rows, request.column or ""
        table = self.column_table(request, one)
        if table is None:
            return untested(EMPTY_VALUES)
        if metric == "missing_rate":
            return quality.missing_rate(table, min_rows)
        if isinstance(table, ValueTable):
            if metric == "out_of_range_rate":
                if self._is_empty(request):
                    return untested("the reference has no values")
                return quality.out_of_range_rate(one.features.outside.get(column, 0), table.rows, min_rows)
            return quality.nan_rate(table, min_rows) if metric == "nan_rate" else quality.infinite_rate(table, min_rows)
        reference = self.column_table(request, self._set.reference)
        if not isinstance(reference, CategoryTable):
            return untested("the reference does not have this column")
        return quality.unseen_rate(table, reference, min_rows)

    def _is_empty(self, request: Request) -> bool:
        reference = self.column_table(request, self._set.reference)
        return reference is None or reference.n == 0

    def _from_readings(self, request: Request) -> Measured:
        """Series of a request whose family is computed together: a series for each group and class that a slice has.

        A slice without a group or class says so where the reference has it, and nothing where it is of other slices only.
        """
        metric = request.definition.id
        known = {
            (one.group, one.class_) for one in self._shared(request, [self._set.reference])[0] if one.metric == metric
        }
        along = self._shared(request, self._set.slices)
        found: Measured = {}
        for index, readings in enumerate(along):
            for reading in readings:
                if reading.metric != metric:
                    continue
                key = self._key(request, reading.group, reading.class_)
                if key not in found:
                    what = "group" if reading.group is not None else "class"
                    absent = untested(f"no rows of this {what}") if (reading.group, reading.class_) in known else None
                    found[key] = [absent] * len(along)
                found[key][index] = reading.measurement
        return found

    def _shared(self, request: Request, slices: Sequence[Slice]) -> list[tuple[Reading, ...]]:
        """All readings of a request's family (and attribute) by slice, computed once."""
        monitor, family = request.monitor, request.definition.family
        name = f"{family.value}|{request.column or ''}|{'whole' if slices is not self._set.slices else ''}"
        key = (name, monitor.min_rows, monitor.min_group_rows, monitor.convention)
        if key not in self._readings:
            self._readings[key] = [tuple(self._computed(request, one)) for one in slices]
        return self._readings[key]

    def _computed(self, request: Request, one: Slice) -> Iterable[Reading]:
        """All readings of a request's family for a slice."""
        outcomes, family, monitor = one.outcomes, request.definition.family, request.monitor
        if outcomes is None:
            return ()
        if family is Family.PERFORMANCE:
            return self._performance(outcomes, monitor.min_rows)
        if family is Family.ESTIMATED_PERFORMANCE:
            return _readings(self._estimated(outcomes, monitor.min_rows))
        if family is Family.CALIBRATION:
            return _readings(calibration(outcomes.scores.get(""), min_rows=monitor.min_rows))
        if family is Family.CONCEPT_DRIFT:
            return _readings(self._concept(outcomes, monitor.min_rows))
        if family is Family.FAIRNESS:
            return self._fairness(request, outcomes)
        return ()

    def _performance(self, outcomes: OutcomeTables, min_rows: int) -> Iterable[Reading]:
        matrix = self._model.value_matrix
        if self._model.task is Task.BINARY:
            scores = outcomes.scores.get("")
            return _readings(binary_performance(outcomes.binary, scores, min_rows=min_rows, value_matrix=matrix))
        if self._model.task is Task.REGRESSION and outcomes.errors is not None:
            return _readings(regression_performance(outcomes.errors, min_rows=min_rows))
        if self._model.task is Task.MULTICLASS and outcomes.confusion is not None:
            return multiclass_performance(outcomes.confusion, outcomes.scores, min_rows=min_rows, value_matrix=matrix)
        return ()

    def realised(self, outcomes: OutcomeTables | None, min_rows: int) -> dict[str, float | None]:
        """Realised performance over all groups and classes of a slice by metric."""
        if outcomes is None:
            return {}
        found = self._performance(outcomes, min_rows)
        return {one.metric: one.measurement.value for one in found if one.group is None and one.class_ is None}

    def _estimated(self, outcomes: OutcomeTables, min_rows: int) -> dict[str, Measurement]:
        if self._model.task is not Task.BINARY:
            return {}
        return estimated_performance(
            outcomes.scores.get(""),
            self._calibrator(),
            predicted=outcomes.binary is not None,
            min_rows=min_rows,
            value_matrix=self._model.value_matrix,
        )

    def _concept(self, outcomes: OutcomeTables, min_rows: int) -> dict[str, Measurement]:
        """Label shift, and the gap between realised and estimated accuracy."""
        if self._model.task is not Task.BINARY:
            return {}
        reference = self._set.reference.outcomes
        scores = outcomes.scores.get("")
        before = None if reference is None else reference.scores.get("")
        found = label_shift(before, scores, min_rows=min_rows)
        realised = binary_performance(outcomes.binary, scores, min_rows=min_rows)["accuracy"]
        estimated = self._estimated(outcomes, min_rows)["accuracy"]
        gap = estimation_gap(outcomes.binary, scores, self._calibrator(), realised, estimated)
        return {**found, "estimation_gap": gap}

    def _fairness(self, request: Request, outcomes: OutcomeTables) -> Iterable[Reading]:
        """Fairness of one protected attribute: of a regression by means, of classes one against the rest."""
        attribute, least = request.column or "", request.monitor.min_group_rows
        if attribute in outcomes.means:
            return regression_fairness(outcomes.means[attribute], min_group_rows=least)
        tables = [table for table in outcomes.groups.values() if table.attribute == attribute]
        convention = request.monitor.convention
        return [
            reading
            for table in tables
            for reading in group_fairness(table, min_group_rows=least, convention=convention, wanted=self._wanted)
        ]


def _readings(values: Mapping[str, Measurement]) -> Iterable[Reading]:
    return [Reading(metric=metric, measurement=value) for metric, value in values.items()]


def _no_values(like: ValueTable) -> ValueTable:
    """An empty table, exact or of cells as another one."""
    import numpy as np

    floats, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    if like.exact:
        return ValueTable(values=floats, counts=counts)
    return ValueTable(values=floats, counts=counts, lowers=floats, uppers=floats, cells=counts, squares=floats)


def _no_categories() -> CategoryTable:
    import numpy as np

    return CategoryTable(categories=(), counts=np.zeros(0, dtype=np.int64))
