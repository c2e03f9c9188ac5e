"""From tables to measurements: asks the laboratory for every request of a model, for all its slices at once.

A slice is a chunk, or a segment of one. Whatever the laboratory says of a slice is a value or the reason why there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Family, Measurement, SeriesKey, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.schema import Column, Kind, Task
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics import catalogue, concept, quality
from mlops_desk.metrics.concept import label_shift
from mlops_desk.metrics.detectors import DETECTORS, detector_readings, untested_detector
from mlops_desk.metrics.direct_loss import estimated_errors
from mlops_desk.metrics.estimated_fairness import (
    untested_fairness,
)
from mlops_desk.metrics.estimation import Calibrator, no_estimate
from mlops_desk.metrics.performance import too_few
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.reconstruction import PCA_RECONSTRUCTION, reconstruction_error
from mlops_desk.metrics.separability import DOMAIN_CLASSIFIER_AUC, WHOLE_ONLY
from mlops_desk.metrics.structure import constant_columns
from mlops_desk.metrics.univariate import NUMERIC_METRICS, categorical_drift, few_numbers_drift, numeric_drift
from mlops_desk.monitoring.expectations import broken_checks
from mlops_desk.monitoring.known_classes import known_classes
from mlops_desk.monitoring.outcome_values import (
    binary_values,
    calibration_values,
    class_gap_of,
    class_readings_of,
    effects_of,
    estimated_class_group_readings,
    estimated_class_readings,
    estimated_group_readings,
    estimated_values,
    fairness_readings,
    gap_of,
    regression_values,
)
from mlops_desk.monitoring.presets import only_chosen
from mlops_desk.monitoring.readings_memory import NO_MEMORY, ReadingsMemory
from mlops_desk.monitoring.requests import (
    CONSTANT_COLUMNS,
    DRIFT_FAMILIES,
    DRIFTED_SHARE,
    DUPLICATE_RATE,
    EXPECTATION_FAILURES,
    READINGS_BY_REFERENCE,
    Request,
    needs_reference,
    target_column,
)
from mlops_desk.monitoring.seeds import seed_of
from mlops_desk.monitoring.signals import SIGNAL_FAMILIES, signal
from mlops_desk.monitoring.slice_set import Slice, SliceSet, categories_of_no_row, tables_of, values_of_no_row
from mlops_desk.monitoring.weights import refusal_of, refused

Measured = dict[SeriesKey, list[Measurement | None]]
"""Measurements along the slices; None where a slice says nothing of the series."""
Along = dict[str, list[tuple[int, Reading]]]
"""Readings by metric, each with the position of its slice, in the order of the slices."""
OfOutcomes = dict[tuple[int, int], tuple[OutcomeTables, dict[str, Measurement]]]
"""Measurements by metric, by identity of the outcomes and least rows; holding the outcomes keeps their identity theirs."""
OF_CLASSES = (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE)
"""Families with readings of single classes, of which a slice of too few rows has none."""
EMPTY_VALUES = "the rows at hand have no such column"


class Measurer:
    """Measures one model's slices; what several requests share is computed once.

    `wanted` names the metrics that are asked for, None for all; `memory` keeps what goes by the rows of a slice alone.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[Column],
        slices: SliceSet,
        calibrator: Callable[[], Calibrator],
        wanted: Collection[str] | None = None,
        memory: ReadingsMemory = NO_MEMORY,
    ) -> None:
        self._model = model
        self._kinds = {column.name: column.type for column in columns}
        self._set = slices
        self._calibrator = calibrator
        self._wanted = wanted
        self._memory = memory
        self._target = target_column(model)
        self._classes = known_classes(model, slices.reference.features, slices.reference.outcomes)
        self._readings: dict[tuple[str, int, int, Convention], Along] = {}
        self._performances: OfOutcomes = {}
        self._estimated_performances: OfOutcomes = {}

    def measured(self, request: Request) -> Measured:
        """The series of a request (several where it has groups or classes), along the slices; untested where it refuses weights."""
        refusal = refusal_of(self._model, request)
        if refusal is not None and request.definition.family in DRIFT_FAMILIES:
            along = [untested(refusal)] * len(self._set.slices)
            return {self._key(request): self._where_chosen(request, along) if request.chosen else list(along)}
        found = self._measured(request)
        return found if refusal is None else refused(found, refusal)

    def _measured(self, request: Request) -> Measured:
        """The series of a request, whatever it does with weights."""
        family = request.definition.family
        if request.definition.id == DRIFTED_SHARE:
            return {}
        if self._set.no_reference is not None and needs_reference(request):
            keys = self._from_readings(request) if family in READINGS_BY_REFERENCE else [self._key(request)]
            if family is Family.ESTIMATED_FAIRNESS and self._model.task is Task.MULTICLASS:
                keys = [
                    key for key in keys if key.class_ is not None
                ]  # of which class is not known without an estimate
            return {key: [untested(self._set.no_reference)] * len(self._set.slices) for key in keys}
        if family in DRIFT_FAMILIES:
            along = self._drift(request, self._set.slices)
            return {self._key(request): self._where_chosen(request, along) if request.chosen else list(along)}
        if family is Family.DATA_QUALITY:
            return {self._key(request): [self._quality(request, one) for one in self._set.slices]}
        if family in SIGNAL_FAMILIES:
            return {self._key(request): [signal(self._model, self._set, request, one) for one in self._set.slices]}
        return self._from_readings(request)

    def whole(self, request: Request, key: SeriesKey) -> Measurement:
        """The request's value of the whole reference, for one of its series."""
        refusal = refusal_of(self._model, request)
        if refusal is not None:
            return untested(refusal)
        reference = self._set.reference
        family = request.definition.family
        if family in DRIFT_FAMILIES:
            return self._drift(request, [reference])[0]
        if family is Family.DATA_QUALITY:
            return self._quality(request, reference)
        if family in SIGNAL_FAMILIES:
            return signal(self._model, self._set, request, reference)
        for _, reading in self._shared(request, [reference]).get(key.metric, ()):
            if (reading.group, reading.class_) == (key.group, key.class_):
                return reading.measurement
        return untested("the reference has no such group or class")

    def _key(self, request: Request, group: str | None = None, class_: str | None = None) -> SeriesKey:
        return request.key(self._set.segment, group, class_)

    def _drift(self, request: Request, slices: Sequence[Slice]) -> list[Measurement]:
        """Drift of a column in each slice."""
        reference = self.column_table(request, self._set.reference)
        tables = [self.column_table(request, one) for one in slices]
        metric, convention, min_rows = request.definition.id, request.monitor.convention, request.monitor.min_rows
        if isinstance(reference, ValueTable):
            numeric = [table if isinstance(table, ValueTable) else values_of_no_row(reference) for table in tables]
            if metric not in NUMERIC_METRICS:
                return few_numbers_drift(metric, convention, reference, numeric, min_rows=min_rows)
            seeds = [self._seed(request, one) for one in slices]
            return numeric_drift(metric, convention, reference, numeric, min_rows=min_rows, seeds=seeds)
        if isinstance(reference, CategoryTable):
            categorical = [table if isinstance(table, CategoryTable) else categories_of_no_row() for table in tables]
            return categorical_drift(metric, convention, reference, categorical, min_rows=min_rows)
        return [untested("the reference does not have this column")] * len(slices)

    def _where_chosen(self, request: Request, along: Sequence[Measurement]) -> list[Measurement | None]:
        """Drift where the convention's tool takes the metric of the request."""
        reference, *tables = (self.column_table(request, one) for one in (self._set.reference, *self._set.slices))
        return only_chosen(along, request.definition.id, request.monitor.convention, reference, tables)

    def _seed(self, request: Request, one: Slice) -> int:
        """The seed of whatever a metric draws in a slice; a statistic and its p-value draw the same."""
        start = one.chunk.key if one.chunk.start is None else one.chunk.start.isoformat()
        return seed_of(self._model.id, request.definition.id.removesuffix("_p"), request.column, start)

    def column_table(self, request: Request, one: Slice) -> ValueTable | CategoryTable | None:
        """A column's table in a slice, None where it has none."""
        column = request.column or ""
        if column == self._target and one.outcomes is not None:
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
                if self._set.ranges is not None:
                    return quality.out_of_given_range_rate(table, *self._set.ranges[column], min_rows)
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
        """Series of a request whose family is computed together: one for each group and class that the reference or a slice has.

        A slice without a group or class says so where the reference has it, and nothing where it is of other slices only.
        """
        metric, slices = request.definition.id, self._set.slices
        known = {
            (one.group, one.class_): None for _, one in self._shared(request, [self._set.reference]).get(metric, ())
        }
        along = self._shared(request, slices)
        few = _without_classes(along) if request.definition.family in OF_CLASSES else {}
        found: dict[tuple[str | None, str | None], list[Measurement | None]] = {
            part: [few.get(index) or _absent(*part) for index in range(len(slices))] for part in known
        }
        for index, reading in along.get(metric, ()):
            part = (reading.group, reading.class_)
            if part not in found:
                found[part] = [None] * len(slices)
            found[part][index] = reading.measurement
        return {self._key(request, *part): measurements for part, measurements in found.items()}

    def _shared(self, request: Request, slices: Sequence[Slice]) -> Along:
        """All readings of a request's family (and attribute) along slices, computed once."""
        monitor, family = request.monitor, request.definition.family
        name = f"{family.value}|{request.column or ''}|{'whole' if slices is not self._set.slices else ''}"
        key = (name, monitor.min_rows, monitor.min_group_rows, monitor.convention)
        if key not in self._readings:
            along = self._readings[key] = {}
            for index, one in enumerate(slices):
                for reading in self._computed(request, one):
                    along.setdefault(reading.metric, []).append((index, reading))
        return self._readings[key]

    def _computed(self, request: Request, one: Slice) -> Iterable[Reading]:
        """All readings of a request's family for a slice."""
        outcomes, family, monitor = one.outcomes, request.definition.family, request.monitor
        if family is Family.MULTIVARIATE_DRIFT:
            return _readings(self._multivariate(one, monitor.min_rows))
        if family is Family.ESTIMATED_PERFORMANCE:
            return self._by_reference(self._estimates(one, outcomes, monitor.min_rows))
        if outcomes is None:
            return ()
        if family is Family.PERFORMANCE:
            return self._performance(outcomes, monitor.min_rows)
        if family is Family.CALIBRATION:
            least = monitor.min_rows
            found = self._memory.of((family, least), outcomes, lambda: _readings(calibration_values(outcomes, least)))
            return self._of_known(outcomes, family, found)
        if family is Family.CONCEPT_DRIFT:
            return self._of_known(outcomes, family, self._all_concept(one, outcomes, monitor.min_rows))
        if family is Family.FAIRNESS:
            return self._of_known(outcomes, family, self._fairness(request, outcomes))
        if family is Family.ESTIMATED_FAIRNESS:
            return self._by_reference(self._estimated_fairness(request, one, outcomes))
        return ()

    def _multivariate(self, one: Slice, min_rows: int) -> dict[str, Measurement]:
        """Drift of all features together."""
        error = reconstruction_error(one.learned.errors, min_rows=min_rows, unusable=one.learned.no_projection)
        few = too_few(one.features.rows, min_rows, "rows")
        area = untested(few) if few else one.learned.separability or untested(WHOLE_ONLY)
        return {PCA_RECONSTRUCTION: error, DOMAIN_CLASSIFIER_AUC: area}

    def _performance(self, outcomes: OutcomeTables, min_rows: int) -> Iterable[Reading]:
        what = (Family.PERFORMANCE, min_rows)
        found = self._memory.of(what, outcomes, lambda: self._any_performance(outcomes, min_rows))
        return self._of_known(outcomes, Family.PERFORMANCE, found)

    def _of_known(self, outcomes: OutcomeTables, family: Family, readings: Iterable[Reading]) -> Iterable[Reading]:
        """Readings of a slice; what needs labels is untested where these are of no class that the model knows."""
        foreign = self._foreign(outcomes)
        if foreign is None:
            return readings
        return [
            one
            if all(not by.needs_labels for by in catalogue.definitions(one.metric) if by.family is family)
            else replace(one, measurement=untested(foreign))
            for one in readings
        ]

    def _by_reference(self, readings: Iterable[Reading]) -> Iterable[Reading]:
        """Estimates; untested where the labels of the reference are of no class that the model knows."""
        foreign = self._foreign(self._set.reference.outcomes)
        if foreign is None:
            return readings
        return [replace(one, measurement=untested(f"the reference cannot tell: {foreign}")) for one in readings]

    def _foreign(self, outcomes: OutcomeTables | None) -> str | None:
        """Why the labels of a slice cannot be compared with predictions."""
        return None if self._classes is None else self._classes.foreign(outcomes)

    def _any_performance(self, outcomes: OutcomeTables, min_rows: int) -> Iterable[Reading]:
        matrix = self._model.value_matrix
        if self._model.task is Task.BINARY:
            return _readings(self._binary_performance(outcomes, min_rows))
        if self._model.task is Task.REGRESSION:
            return _readings(regression_values(outcomes, min_rows))
        return class_readings_of(outcomes, min_rows, matrix) if self._model.task is Task.MULTICLASS else ()

    def _binary_performance(self, outcomes: OutcomeTables, min_rows: int) -> dict[str, Measurement]:
        """Performance of a binary model in a slice, computed once."""
        name = (id(outcomes), min_rows)
        if name not in self._performances:
            found = binary_values(outcomes, min_rows, self._model.value_matrix)
            self._performances[name] = (outcomes, found)
        return self._performances[name][1]

    def realised(self, outcomes: OutcomeTables | None, min_rows: int) -> dict[str, float | None]:
        """Realised performance of a slice by the name of its reading."""
        if outcomes is None:
            return {}
        found = self._performance(outcomes, min_rows)
        return {reading_name(one.metric, one.group, one.class_): one.measurement.value for one in found}

    def _estimates(self, one: Slice, outcomes: OutcomeTables | None, min_rows: int) -> Iterable[Reading]:
        """Estimated performance of a slice."""
        if self._model.task is Task.REGRESSION:
            return _readings(estimated_errors(one.learned.losses, one.learned.estimator, min_rows=min_rows))
        if outcomes is None:
            return ()
        if self._model.task is not Task.MULTICLASS:
            return _readings(self._estimated(outcomes, min_rows))
        matrix = self._model.value_matrix
        return estimated_class_readings(one.expected, outcomes, self._set.no_estimate, min_rows, matrix)

    def _estimated(self, outcomes: OutcomeTables, min_rows: int) -> dict[str, Measurement]:
        """Estimated performance of a binary model in a slice, computed once."""
        if self._model.task is not Task.BINARY:
            return {}
        name = (id(outcomes), min_rows)
        if name not in self._estimated_performances:
            found = estimated_values(outcomes, self._calibrator(), min_rows, self._model.value_matrix)
            foreign = self._foreign(self._set.reference.outcomes)
            if foreign is not None:
                found = dict.fromkeys(found, untested(f"the reference cannot tell: {foreign}"))
            self._estimated_performances[name] = (outcomes, found)
        return self._estimated_performances[name][1]

    def _all_concept(self, one: Slice, outcomes: OutcomeTables, min_rows: int) -> Iterable[Reading]:
        """What compares with the reference, where that is asked for, and what drift detectors found after it."""
        compares = self._wanted is None or any(one.id in self._wanted for one in concept.DEFINITIONS)
        readings = list(_readings(self._concept(one, outcomes, min_rows))) if compares else []
        if one.detected is not None:
            readings += detector_readings(one.detected.found)
        elif one.chunk.split is Split.ANALYSIS:
            readings += [reading for name in DETECTORS for reading in untested_detector(name, self._set.reasons)]
        return readings

    def _concept(self, one: Slice, outcomes: OutcomeTables, min_rows: int) -> dict[str, Measurement]:
        """Label shift, the gap between realised and estimated accuracy, and the change of accuracy in two parts."""
        if self._model.task is Task.MULTICLASS:
            return {"estimation_gap": self._class_gap(one, outcomes, min_rows)}
        if self._model.task is not Task.BINARY:
            return {}
        reference = self._set.reference.outcomes
        scores = outcomes.scores.get("")
        before = None if reference is None else reference.scores.get("")
        found = label_shift(before, scores, min_rows=min_rows)
        found |= effects_of(reference, outcomes, min_rows)
        realised = self._binary_performance(outcomes, min_rows)["accuracy"]
        estimated = self._estimated(outcomes, min_rows)["accuracy"]
        gap = gap_of(outcomes, self._calibrator(), realised, estimated)
        return {**found, "estimation_gap": gap}

    def _class_gap(self, one: Slice, outcomes: OutcomeTables, min_rows: int) -> Measurement:
        """The gap between realised and estimated accuracy of a multiclass model."""
        calibrators = self._set.class_calibrators
        if calibrators is None or outcomes.confusion is None:
            return untested(self._set.no_estimate or "no prediction is logged")
        realised, estimated = (
            next(found.measurement for found in readings if (found.metric, found.class_) == ("accuracy", None))
            for readings in (self._performance(outcomes, min_rows), self._estimates(one, outcomes, min_rows))
        )
        return class_gap_of(one.expected, outcomes, calibrators, realised, estimated)

    def _fairness(self, request: Request, outcomes: OutcomeTables) -> Iterable[Reading]:
        """Fairness of one protected attribute."""
        monitor = request.monitor
        return fairness_readings(
            outcomes, request.column or "", monitor.min_group_rows, monitor.convention, self._wanted
        )

    def _estimated_fairness(self, request: Request, one: Slice, outcomes: OutcomeTables) -> Iterable[Reading]:
        """Estimated fairness of one protected attribute, or why there is none."""
        attribute, monitor = request.column or "", request.monitor
        groups = dict.fromkeys(
            group for table in outcomes.groups.values() if table.attribute == attribute for group in table.groups
        )
        reason = self._set.no_estimate
        if self._model.task is Task.BINARY:
            reason = no_estimate(outcomes.scores.get(""), self._calibrator(), 1)
            if reason is None:
                found = estimated_group_readings(
                    outcomes,
                    attribute,
                    self._calibrator(),
                    monitor.min_group_rows,
                    monitor.convention,
                    self._wanted,
                )
                if found is not None:
                    return found
        elif reason is None and one.expected is not None and attribute in one.expected.groups:
            return estimated_class_group_readings(
                one.expected, attribute, monitor.min_group_rows, monitor.convention, self._wanted
            )
        return untested_fairness(reason or "no row has a group, a score and a prediction", groups, self._wanted)


def reading_name(metric: str, group: str | None, class_: str | None) -> str:
    """Names a reading among those of its family."""
    return metric if group is None and class_ is None else repr((metric, group, class_))


def _without_classes(along: Along) -> dict[int, Measurement]:
    """Why slices have no accuracy, by position: these have no readings of single classes either."""
    return {
        index: one.measurement
        for index, one in along.get("accuracy", ())
        if one.class_ is None and one.measurement.value is None
    }


def _absent(group: str | None, class_: str | None) -> Measurement:
    """What a slice says of a group or class of the reference that it does not have."""
    if group is None and class_ is None:
        return untested("no row has all that it is measured from")
    return untested(f"no rows of this {'class' if group is None else 'group'}")


def _readings(values: Mapping[str, Measurement]) -> Iterable[Reading]:
    return [Reading(metric=metric, measurement=value) for metric, value in values.items()]
