"""The protected groups that a fairness alert compares, side by side: in its chunk and in the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.domain.explanation import GroupValue
from mlops_desk.domain.metric import Family
from mlops_desk.domain.threshold import Alert
from mlops_desk.metrics.fairness import COMPARISONS, PARITIES, group_fairness
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.regression_fairness import regression_fairness
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.recounting import Recount

Values = dict[tuple[str, str], float | None]
"""By metric and group; None where there is a reason."""


def group_values(recount: Recount, chunk: ChunkId, alert: Alert, min_group_rows: int) -> tuple[GroupValue, ...]:
    """Groups by each metric that the alert's comparison is made of, the lowest in the chunk first; empty for any other alert."""
    attribute, plan = alert.key.column, recount.prepared.plan
    if alert.key.family is not Family.FAIRNESS or attribute is None or plan.outcome is None:
        return ()
    segment = ""
    if alert.key.segment is not None:
        column, _, segment = alert.key.segment.partition("=")
        plan = replace(plan, segment=column)
    sides = recount.sides(plan, recount.prepared.groups, chunk)
    wanted = _compared(alert.key.metric)
    before, after = (
        _values(side.get(segment), attribute, alert, wanted, min_group_rows) for side in (sides.reference, sides.chunk)
    )
    rows = _rows(sides.chunk.get(segment), attribute)
    found = [
        GroupValue(
            metric=metric,
            group=group,
            reference_value=before.get((metric, group)),
            value=after.get((metric, group)),
            rows=rows.get(group, 0),
        )
        for metric, group in dict.fromkeys((*after, *before))
    ]
    return tuple(sorted(found, key=lambda one: (one.metric, one.value is None, one.value or 0.0, one.group)))


def _compared(metric: str) -> Sequence[str]:
    """The group metrics that a comparison is made of."""
    for ending in sorted(COMPARISONS, key=len, reverse=True):
        if metric.endswith(ending):
            base = metric.removesuffix(ending)
            return PARITIES.get(base, (base,))
    return (metric,)


def _values(
    tables: OutcomeTables | None, attribute: str, alert: Alert, wanted: Sequence[str], min_group_rows: int
) -> Values:
    if tables is None:
        return {}
    readings: Iterable[Reading]
    if attribute in tables.means:
        readings = regression_fairness(tables.means[attribute], min_group_rows=min_group_rows)
    else:
        convention = alert.key.convention
        readings = [
            reading
            for table in tables.groups.values()
            if table.attribute == attribute and table.class_ == alert.key.class_
            for reading in group_fairness(
                table, min_group_rows=min_group_rows, convention=convention, wanted=frozenset(wanted)
            )
        ]
    return {
        (one.metric, one.group): one.measurement.value
        for one in readings
        if one.group is not None and one.metric in wanted
    }


def _rows(tables: OutcomeTables | None, attribute: str) -> dict[str, int]:
    """Rows with a prediction by group."""
    if tables is None:
        return {}
    if attribute in tables.means:
        means = tables.means[attribute]
        return dict(zip(means.groups, means.rows.tolist(), strict=True))
    table = next((one for one in tables.groups.values() if one.attribute == attribute), None)
    return {} if table is None else dict(zip(table.groups, table.counts.sum(axis=(1, 2)).tolist(), strict=True))
