"""Decides what of the signals is counted, and checks the SQL of business metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from mlops_desk.aggregates.adversarial_planning import AdversarialFit, QueryLimits
from mlops_desk.aggregates.plan import BusinessPlan, LabelPlan, SignalPlan
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Task
from mlops_desk.metrics.adversarial import DEFINITIONS, LEAST_DISTANCES, QUERIES_AT_MOST, REQUESTERS_AT_MOST
from mlops_desk.monitoring.label_lag import asks_for_lag
from mlops_desk.monitoring.requests import asks_for
from mlops_desk.warehouse.aggregate_check import checked_aggregate
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import common_types, widest

QUERY_LIMITS = QueryLimits(requesters=REQUESTERS_AT_MOST, queries=QUERIES_AT_MOST, least=LEAST_DISTANCES)


def signal_plan(
    connection: Connection,
    model: Model,
    monitors: Sequence[Monitor],
    types: Mapping[str, str],
    label: LabelPlan | None,
    fit: Callable[[], AdversarialFit],
) -> SignalPlan | None:
    """The plan of the signals of a model, None where nobody asks for any. `types` are those of all columns of log and reference;
    `fit` is what fits adversarial metrics, asked only where they are.

    Raises UserError for business SQL that is no aggregate over these columns.
    """
    lag = asks_for_lag(monitors) and label is not None
    asked = {one.id for one in DEFINITIONS if any(asks_for(monitor, one.id, one.family) for monitor in monitors)}
    if not model.business and not lag and not asked:
        return None
    seen = {**types, **({} if label is None else dict.fromkeys(label.names, label.type))}
    business = []
    for metric in model.business:
        place = f"desk.toml: models.{model.id}.business.{metric.id}"
        taken = checked_aggregate(connection, metric.sql, seen, place)
        plan = BusinessPlan(
            id=metric.id, sql=metric.sql, place=place, terms=taken.terms, types=taken.types, formula=taken.formula
        )
        business.append(plan)
    found = SignalPlan(columns=tuple(types.items()), label=label, business=tuple(business), labelled_time=lag)
    return fit().added_to(found, asked, QUERY_LIMITS) if asked else found


def label_plan(
    model: Model, labels: Iterable[Footer], types: Mapping[str, str], classes: Sequence[str]
) -> LabelPlan | None:
    """Labels as a column, of the type that label files (and a log that holds labels, too) give them; None without any."""
    joined = None if model.labels is None else model.labels.target
    names = tuple(dict.fromkeys(name for name in (model.columns.target, joined) if name is not None))
    if not names:
        return None
    kinds = {types[name] for name in names if name in types}
    if joined is not None:
        kinds.add(common_types(labels).get(joined, "VARCHAR"))
    kinds = {kind for kind in kinds if kind != '"NULL"'} or {"VARCHAR"}
    numeric = model.task is Task.REGRESSION
    return LabelPlan(names=names, type=widest(kinds), classes=tuple(classes), numeric=numeric)
