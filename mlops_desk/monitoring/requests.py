"""From monitors to requests: one metric of one family for one column (or none), with what its values are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from msgspec import Struct

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Definition, Family, SeriesKey
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Column, Kind, Role, Task
from mlops_desk.metrics import catalogue
from mlops_desk.monitoring.fitting import (
    check_convention,
    check_preset,
    check_threshold,
    definitions_named,
    definitions_of,
    listed,
    place_of,
)
from mlops_desk.monitoring.presets import DEFAULT, is_chosen, may_choose, metric_ids

DRIFT_FAMILIES = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
WHOLE_SEGMENT = "*"
DRIFTED_SHARE = "drifted_share"
DUPLICATE_RATE = "duplicate_rate"
EXPECTATION_FAILURES = "expectation_failures"
CONSTANT_COLUMNS, SCHEMA_CHANGES, LABEL_LAG = "constant_columns", "schema_changes", "label_lag_hours"

READINGS_BY_REFERENCE = (
    Family.MULTIVARIATE_DRIFT,
    Family.CONCEPT_DRIFT,
    Family.ESTIMATED_PERFORMANCE,
    Family.ESTIMATED_FAIRNESS,
)
QUALITY_BY_REFERENCE = ("unseen_rate", "out_of_range_rate", CONSTANT_COLUMNS, SCHEMA_CHANGES)
"""Families, and metrics of data quality, that say nothing without a reference."""


class Request(Struct, frozen=True, kw_only=True):
    """One metric of one family, asked for by a monitor.

    Attributes
    ----------
    column : the column or protected attribute it is of, None where it is of none. kind : of the column.
    chosen : whether it has values only in the chunks for which the convention's tool would choose its metric.
    """

    definition: Definition
    monitor: Monitor
    column: str | None = None
    kind: Kind | None = None
    chosen: bool = False

    def key(self, segment: str | None, group: str | None = None, class_: str | None = None) -> SeriesKey:
        """The series of the request in a segment (None for all rows), of a group or class where it has any."""
        return SeriesKey(
            family=self.definition.family,
            metric=self.definition.id,
            convention=self.monitor.convention,
            column=self.column,
            group=group,
            class_=class_,
            segment=segment,
        )


def needs_reference(request: Request) -> bool:
    """Whether a request says nothing without a reference."""
    families = (*DRIFT_FAMILIES, *READINGS_BY_REFERENCE)
    return request.definition.family in families or request.definition.id in QUALITY_BY_REFERENCE


def recommended_monitors() -> tuple[Monitor, ...]:
    """The monitors of a model for which desk.toml names none."""
    by_family: dict[Family, list[str]] = {}
    for metric, family in catalogue.RECOMMENDED:
        by_family.setdefault(family, []).append(metric)
    return tuple(Monitor(metrics=tuple(metrics), family=family) for family, metrics in by_family.items())


def monitors_of(model: Model) -> tuple[Monitor, ...]:
    """The monitors of a model; raises UserError for a metric or column that there is not."""
    monitors = model.monitors or recommended_monitors()
    for number, monitor in enumerate(model.monitors, 1):
        _check_metrics(model, number, monitor)
    if model.expectations and not any(asks_for(one, EXPECTATION_FAILURES, Family.DATA_QUALITY) for one in monitors):
        monitors = (*monitors, Monitor(metrics=(EXPECTATION_FAILURES,), family=Family.DATA_QUALITY))
    names = (one.id for one in model.business)
    unasked = tuple(name for name in names if not any(asks_for(one, name, Family.BUSINESS) for one in monitors))
    if unasked:
        monitors = (*monitors, Monitor(metrics=unasked, family=Family.BUSINESS))
    return monitors


def asks_for(monitor: Monitor, metric: str, family: Family) -> bool:
    """Whether a monitor asks for a metric of a family."""
    return _names(monitor, metric) and monitor.family in (None, family)


def _names(monitor: Monitor, metric: str) -> bool:
    """Whether a metric is among those that a monitor names, or among all of its family where it names none."""
    return metric in metric_ids(monitor) or (not monitor.metrics and metric not in catalogue.OPT_IN)


def asks_for_family(monitor: Monitor, family: Family) -> bool:
    """Whether a monitor asks for any metric of a family."""
    if monitor.family is not None:
        return monitor.family is family
    return any(one.family is family for metric in metric_ids(monitor) for one in catalogue.definitions(metric))


def _check_metrics(model: Model, number: int, monitor: Monitor) -> None:
    place = place_of(model, number)
    check_preset(model, number, monitor)
    for metric in monitor.metrics:
        if metric == DEFAULT:
            continue
        found = definitions_named(model, metric)
        if not found:
            near = catalogue.nearest(metric)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f"{place}.metrics: there is no metric {metric!r}{hint}")
        if monitor.family is not None and monitor.family not in [one.family for one in found]:
            has = ", ".join(one.family.value for one in found)
            raise UserError(f"{place}: {metric} is not of family {monitor.family.value}; it is of {has}")
    if not monitor.metrics and monitor.family is not None and not definitions_of(model, monitor):
        raise UserError(f"{place}.family: this version computes no metric of family {monitor.family.value}")
    check_threshold(model, number, monitor)
    check_convention(model, number, monitor)


def requests_of(model: Model, monitor: Monitor, columns: Sequence[Column]) -> list[Request]:
    """What a monitor asks for; raises UserError for a column that the log does not have or that cannot be compared."""
    _check_columns(model, monitor, columns)
    wanted = [one for one in definitions_of(model, monitor) if _fits_task(model, one)]
    return [request for one in wanted for request in _requests(model, monitor, one, columns)]


def wants_expected(model: Model, monitors: Sequence[Monitor], segment_column: str | None) -> bool:
    """Whether monitors of a segment column (None for all rows) want estimates that need the scores of all classes of a row at once."""
    watching = [one for one in monitors if (segment_column or WHOLE_SEGMENT) in one.segments]
    families = (Family.ESTIMATED_PERFORMANCE, Family.ESTIMATED_FAIRNESS, Family.CONCEPT_DRIFT)
    return model.task is Task.MULTICLASS and any(asks_for_family(one, name) for one in watching for name in families)


class Misfit(Struct, frozen=True, kw_only=True):
    """What of a monitor of desk.toml gives no value: metrics for no column, named columns for no metric; `hint` tells why it may be."""

    number: int
    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    hint: str


def misfits(model: Model, columns: Sequence[Column]) -> Iterator[Misfit]:
    """Monitors of which something gives no value; raises UserError for one of which nothing does."""
    for number, monitor in enumerate(model.monitors, 1):
        requests = requests_of(model, monitor, columns)
        given = {request.definition.id for request in requests}
        metrics = tuple(one for one in dict.fromkeys(monitor.metrics) if one not in given and one != DEFAULT)
        of = {request.column for request in requests}
        bound = any(definition.kinds for definition in definitions_of(model, monitor))
        named = tuple(one for one in dict.fromkeys(monitor.columns) if one != "*" and one not in of and bound)
        hint = _misfit_hint(model, monitor, metrics, columns)
        if not requests:
            what = listed(monitor.metrics) or f"family {monitor.family.value if monitor.family else ''}"
            raise UserError(f"{place_of(model, number)}: {what} can give no value here: {hint}")
        if metrics or named:
            yield Misfit(number=number, metrics=metrics, columns=named, hint=hint)


def _misfit_hint(model: Model, monitor: Monitor, metrics: Sequence[str], columns: Sequence[Column]) -> str:
    """Why metrics give no value: the model's task, a missing protected attribute, or the kinds and roles of columns."""
    asked = [one for one in definitions_of(model, monitor) if not metrics or one.id in metrics]
    fitting = [one for one in asked if _fits_task(model, one)]
    if not fitting:
        tasks = listed(task for one in asked for task in one.tasks)
        return f"it is for models of task {tasks}, and this one is {model.task.value if model.task else 'of no task'}"
    if all(one.family in (Family.FAIRNESS, Family.ESTIMATED_FAIRNESS) for one in fitting):
        return f"it is of protected attributes, and columns.protected has {listed(model.columns.protected) or 'none'}"
    kinds = listed(kind for one in fitting for kind in one.kinds)
    known = {name: f"{kind.value}, {role.value}" for name, role, kind in _comparable(model, columns)}
    chosen = [one for one in monitor.columns if one != "*"]
    if not chosen:
        return f"no column that is compared is {kinds}" if kinds else "the model has no such column"
    are = ", ".join(f"{name!r} ({known.get(name, 'not compared')})" for name in chosen[:3])
    families = listed(one.family.value for one in fitting)
    return f"it is of {kinds or 'other'} columns (of {families}), and columns has {are}"


def _fits_task(model: Model, definition: Definition) -> bool:
    if not definition.tasks:
        return True
    return model.task is not None and model.task.value in definition.tasks


def _check_columns(model: Model, monitor: Monitor, columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    known = {*names, *model.columns.protected, target_column(model)}
    asked = [("columns", name, known) for name in monitor.columns] + [
        ("segments", name, {*names}) for name in monitor.segments
    ]
    for key, name, there in asked:
        if name != "*" and name not in there:
            near = get_close_matches(name, names, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(sorted(names)[:12])}"
            place = place_of(model, model.monitors.index(monitor) + 1)
            raise UserError(f"{place}.{key}: the log has no column {name!r}; {hint}")


def target_column(model: Model) -> str | None:
    """The name under which labels are known."""
    return model.columns.target or (model.labels.target if model.labels else None)


def _requests(model: Model, monitor: Monitor, definition: Definition, columns: Sequence[Column]) -> Iterator[Request]:
    """The requests of one definition: one for each column that fits, or a single one."""
    family = definition.family
    if family in (Family.FAIRNESS, Family.ESTIMATED_FAIRNESS):
        for attribute in model.columns.protected:
            if "*" in monitor.columns or attribute in monitor.columns:
                yield Request(definition=definition, monitor=monitor, column=attribute)
        return
    if definition.id == EXPECTATION_FAILURES:
        for name in dict.fromkeys(one.column for one in model.expectations):
            if "*" in monitor.columns or name in monitor.columns:
                yield Request(definition=definition, monitor=monitor, column=name)
        return
    if not definition.kinds:
        yield Request(definition=definition, monitor=monitor)
        if definition.id == DUPLICATE_RATE and model.columns.id is not None:
            yield Request(definition=definition, monitor=monitor, column=model.columns.id)
        return
    for name, role, kind in _comparable(model, columns):
        named = name in monitor.columns
        chosen = is_chosen(monitor, definition.id)
        fits = may_choose(monitor, definition.id, kind) if chosen else kind.value in definition.kinds
        if not fits or not (named or "*" in monitor.columns):
            continue
        if family in DRIFT_FAMILIES:
            if family is family_of(role):
                yield Request(definition=definition, monitor=monitor, column=name, kind=kind, chosen=chosen)
        elif named or role is Role.FEATURE:
            yield Request(definition=definition, monitor=monitor, column=name, kind=kind)


def family_of(role: Role) -> Family:
    """The drift family of a column of this role."""
    if role in (Role.PREDICTION, Role.SCORE):
        return Family.PREDICTION_DRIFT
    return Family.LABEL_DRIFT if role is Role.TARGET else Family.DATA_DRIFT


def _comparable(model: Model, columns: Sequence[Column]) -> Iterator[tuple[str, Role, Kind]]:
    """(name, role, kind) of the columns that are compared; the target is one even where the log does not hold it."""
    target = target_column(model)
    for column in columns:
        if column.kind is not None and column.role is not Role.TARGET:
            yield column.name, column.role, column.kind
    if target is not None and model.task is not None:
        yield target, Role.TARGET, Kind.NUMERIC if model.task is Task.REGRESSION else Kind.CATEGORICAL


def responsible_monitor(key: SeriesKey, monitors: Sequence[Monitor]) -> Monitor | None:
    """The first monitor that asks for a series."""
    for monitor in monitors:
        by_metric = _names(monitor, key.metric)
        by_column = key.column is None or "*" in monitor.columns or key.column in monitor.columns
        by_segment = (WHOLE_SEGMENT if key.segment is None else key.segment.split("=", 1)[0]) in monitor.segments
        same = monitor.convention is key.convention and monitor.family in (None, key.family)
        if by_metric and by_column and by_segment and same:
            return monitor
    return None
