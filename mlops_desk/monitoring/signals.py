"""Signals that are of no single feature: how the service runs, what it is worth, whether it is attacked. What the scan must count for them, and their values.

Latency is measured where `columns.latency` names a column; a row is unanswered where an output that the model logs has no usable value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_desk.aggregates.planning import UNANSWERED
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family, Measurement, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Column
from mlops_desk.metrics import adversarial, system
from mlops_desk.metrics.quality import rate
from mlops_desk.monitoring.requests import Request, asks_for, requests_of
from mlops_desk.monitoring.slice_set import Slice, SliceSet
from mlops_desk.warehouse.schema import is_number

SIGNAL_FAMILIES = (Family.SYSTEM, Family.BUSINESS, Family.ADVERSARIAL)
"""Families whose values come from a slice's tables one by one."""
COUNTED_APART = (Family.BUSINESS, Family.ADVERSARIAL)
"""Those of them that the scan only counts where somebody asks."""


def watches_signals(model: Model, monitors: Sequence[Monitor], columns: Sequence[Column], segment: str) -> bool:
    """Whether a monitor asks by the values of a column for what the scan counts apart."""
    asked = (one for monitor in monitors if segment in monitor.segments for one in requests_of(model, monitor, columns))
    return any(one.definition.family in COUNTED_APART for one in asked)


def latency_columns(model: Model, monitors: Sequence[Monitor]) -> tuple[str, ...]:
    """The column of latencies, where one is named and asked for."""
    asked = any(asks_for(monitor, metric, Family.SYSTEM) for monitor in monitors for metric in system.LATENCIES)
    return (model.columns.latency,) if asked and model.columns.latency is not None else ()


def check_latency(model: Model, monitors: Sequence[Monitor], types: Mapping[str, str]) -> None:
    """Raises UserError where latencies are asked for and are no numbers."""
    for name in latency_columns(model, monitors):
        if not is_number(types[name]):
            raise UserError(
                f"desk.toml: models.{model.id}.columns.latency: {name!r} is of type {types[name]}, not a number of milliseconds"
            )


def output_columns(model: Model, monitors: Sequence[Monitor]) -> tuple[str, ...]:
    """The columns without which a row is unanswered, where that is asked for: the prediction, else the scores."""
    asked = any(asks_for(monitor, system.ERROR_RATE, Family.SYSTEM) for monitor in monitors)
    return _outputs(model) if asked else ()


def _outputs(model: Model) -> tuple[str, ...]:
    columns = model.columns
    if columns.prediction is not None:
        return (columns.prediction,)
    return (columns.score,) if columns.score is not None else tuple(dict.fromkeys(name for _, name in columns.scores))


def signal(model: Model, slices: SliceSet, request: Request, one: Slice) -> Measurement:
    """A request's value of a slice."""
    if one.features.rows == 0:
        return untested("no rows")
    metric = request.definition.id
    if request.definition.family is Family.BUSINESS or metric == adversarial.QUERY_SIMILARITY:
        return one.answers.get(metric, untested(slices.reasons.get(metric, "it is only asked of chunks")))
    if request.definition.family is Family.ADVERSARIAL:
        return _adversarial(slices, request, one)
    return _system(model, slices, request, one)


def _adversarial(slices: SliceSet, request: Request, one: Slice) -> Measurement:
    """One of the signs of an attack."""
    metric, min_rows, tables = request.definition.id, request.monitor.min_rows, one.signals
    if metric in slices.reasons or tables is None:
        return untested(slices.reasons.get(metric, "it was not counted"))
    if metric in tables.judged:
        return rate(tables.hits[metric], tables.judged[metric], min_rows)
    if metric == adversarial.REQUESTER_CONCENTRATION:
        busy = tables.requesters
        return (
            untested("no row names a requester")
            if busy is None
            else adversarial.requester_concentration(busy, min_rows)
        )
    if tables.repeats is None:
        return untested("it was not counted")
    if metric == adversarial.FLIP_RATE:
        return adversarial.flip_rate(tables.repeats, min_rows)
    return adversarial.near_duplicate_rate(tables.repeats, min_rows)


def _system(model: Model, slices: SliceSet, request: Request, one: Slice) -> Measurement:
    """One of the numbers of the service."""
    metric, min_rows = request.definition.id, request.monitor.min_rows
    if metric in system.LATENCIES:
        column = model.columns.latency
        table, reference = (part.features.numeric.get(column or "") for part in (one, slices.reference))
        if column is None or table is None:
            return untested("columns.latency names no column" if column is None else "no row has a latency")
        return system.latency(table, system.LATENCIES[metric], reference or table, min_rows=min_rows)
    if metric == system.THROUGHPUT:
        chunk = one.chunk
        end = chunk.end if chunk.complete else slices.newest  # the rest of the period has not come yet
        return system.throughput(one.features.rows, chunk.start, end)
    if not _outputs(model):
        return untested("the model logs neither prediction nor score")
    return system.error_rate(one.features.failures.get(UNANSWERED, 0), one.features.rows, min_rows)
