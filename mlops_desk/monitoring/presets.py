"""The metric name `default`: what another tool would choose for each column, by its kind, its rows and how many values it has.

NannyML 0.13 takes the Jensen-Shannon distance of every column. Evidently 0.7 looks at the values that reference and chunk have together,
so its choice may differ from chunk to chunk; the metrics it does not choose have no value there.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Measurement
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Kind

DEFAULT = "default"
EVIDENTLY_SMALL = 1_000
"""Reference rows with a value up to which Evidently tests, and beyond which it measures distances."""
EVIDENTLY_FEW = 5
"""Numbers with at most so many distinct values are categories to Evidently."""
EVIDENTLY_CHOICES = {
    Kind.NUMERIC: ("kolmogorov_smirnov_p", "chi_squared_p", "z_test_p", "wasserstein", "jensen_shannon"),
    Kind.CATEGORICAL: ("chi_squared_p", "z_test_p", "jensen_shannon"),
}
PRESETS = {
    Convention.NANNYML: ("jensen_shannon",),
    Convention.EVIDENTLY: (*EVIDENTLY_CHOICES[Kind.NUMERIC], "drifted_share"),
}
"""The metrics among which `default` chooses, by the convention of the monitor."""


def metric_ids(monitor: Monitor) -> tuple[str, ...]:
    """The metrics that a monitor names, each once, and in place of `default` those among which its convention chooses."""
    named = (
        one
        for metric in monitor.metrics
        for one in (PRESETS.get(monitor.convention, ()) if metric == DEFAULT else (metric,))
    )
    return tuple(dict.fromkeys(named))


def is_chosen(monitor: Monitor, metric: str) -> bool:
    """Whether a metric of a monitor has a value only where the tool would choose it."""
    return metric not in monitor.metrics and bool(monitor.metrics)


def may_choose(monitor: Monitor, metric: str, kind: Kind) -> bool:
    """Whether `default` may choose a metric for columns of a kind, though the catalogue may have it for the other kind only."""
    if monitor.convention is Convention.EVIDENTLY:
        return metric in EVIDENTLY_CHOICES[kind]
    return metric in PRESETS[monitor.convention]


def chosen_metric(
    convention: Convention, reference: ValueTable | CategoryTable, chunk: ValueTable | CategoryTable | None
) -> str:
    """The metric that a tool takes of a column in a chunk (None where the chunk does not have the column).

    Rows without a value count for nothing. On cells the number of distinct values is at least what their bounds tell apart.
    """
    if convention is not Convention.EVIDENTLY:
        return PRESETS[convention][0]
    numeric = isinstance(reference, ValueTable)
    values = _distinct(reference, chunk)
    as_numbers = numeric and values > EVIDENTLY_FEW
    if reference.n > EVIDENTLY_SMALL:
        return "wasserstein" if as_numbers else "jensen_shannon"
    if as_numbers:
        return "kolmogorov_smirnov_p"
    return "chi_squared_p" if values > 2 else "z_test_p"


def only_chosen(
    along: Sequence[Measurement],
    metric: str,
    convention: Convention,
    reference: ValueTable | CategoryTable | None,
    chunks: Sequence[ValueTable | CategoryTable | None],
) -> list[Measurement | None]:
    """The measurements of a metric along chunks, None where the tool takes another one of the column."""
    if reference is None:
        return list(along)
    taken = (chosen_metric(convention, reference, chunk) == metric for chunk in chunks)
    return [value if own else None for value, own in zip(along, taken, strict=True)]


def _distinct(reference: ValueTable | CategoryTable, chunk: ValueTable | CategoryTable | None) -> int:
    """Distinct values of both together."""
    values: set[object] = set()
    for table in (reference, chunk):
        if isinstance(table, CategoryTable):
            values |= table.present
        elif table is not None and table.lowers is not None and table.uppers is not None:
            values.update((*table.lowers.tolist(), *table.uppers.tolist()))
        elif table is not None:
            values.update(table.values.tolist())
    return len(values)
