"""Splits the change of accuracy between the reference and one chunk among segments: counts both by the values of each column, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlops_desk.aggregates.plan import FeaturePlan
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.domain.explanation import Attribution, SegmentShare
from mlops_desk.domain.model import Model
from mlops_desk.domain.progress import Progress
from mlops_desk.domain.schema import Kind, Role, Task
from mlops_desk.metrics.attribution import NO_ROWS, Part, contributions
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.recounting import Recount

MISSING = "(missing)"
"""Name of the rows without a value of a column."""
COLUMNS_AT_MOST = 12
VALUES_AT_MOST = 200
"""A column with more values is no way to cut rows into segments."""


def attributed(counting: Recount, chunk: ChunkId, suspects: Sequence[str]) -> Attribution | None:
    """The change of accuracy (of a regression: of the mean absolute error), by the segments of the model's categorical columns.

    Columns that desk.toml names as segments or protected come first, then `suspects` in their order, COLUMNS_AT_MOST in all.
    None for a model without outcomes, and where one side has no labelled row.
    """
    if counting.prepared.plan.outcome is None:
        return None
    plan = counting.prepared.plan
    whole = counting.sides(plan, counting.prepared.groups, chunk)
    before, after = (_parts(side).get("", NO_ROWS) for side in (whole.reference, whole.chunk))
    if before.mean is None or after.mean is None:
        return None
    groups = counting.files_of(chunk)
    bare = FeaturePlan(numeric=(), categorical=(), types=plan.features.types)
    shares: list[SegmentShare] = []
    columns = _columns(counting.model, counting.prepared, suspects)
    for index, column in enumerate(columns):
        counting.cancel.raise_if_cancelled()
        counting.progress(Progress(stage=f"comparing by {column}", share=index / len(columns)))
        sides = counting.sides(replace(plan, features=bare, segment=column), groups, chunk)
        if len({*sides.reference, *sides.chunk}) <= VALUES_AT_MOST:
            reference, here = _parts(sides.reference), _parts(sides.chunk)
            shares += _shares(column, _completed(reference, before), _completed(here, after))
    ranked = sorted(shares, key=lambda one: (-abs(one.total), one.column, one.value))
    return Attribution(
        metric=_metric(counting.model), reference_value=before.mean, chunk_value=after.mean, shares=tuple(ranked)
    )


def _metric(model: Model) -> str:
    return "mae" if model.task is Task.REGRESSION else "accuracy"


def _columns(model: Model, prepared: Prepared, suspects: Sequence[str]) -> list[str]:
    """The columns by whose values rows are cut."""
    possible = {one.name for one in prepared.columns if one.kind is Kind.CATEGORICAL and one.role is Role.FEATURE}
    wanted = (*model.columns.segments, *model.columns.protected_columns, *suspects, *sorted(possible))
    return [name for name in dict.fromkeys(wanted) if name in possible][:COLUMNS_AT_MOST]


def _completed(parts: dict[str, Part], everything: Part) -> dict[str, Part]:
    """Parts by value, and the rows without a value as one more."""
    named = _sum(parts)
    if everything.rows == named.rows:
        return parts
    return {**parts, MISSING: Part(rows=everything.rows - named.rows, total=everything.total - named.total)}


def _parts(tables: Mapping[str, OutcomeTables]) -> dict[str, Part]:
    """Parts by segment value."""
    return {name: _part(table) for name, table in tables.items()}


def _part(table: OutcomeTables) -> Part:
    """Rows with prediction and label, and how many are right, or their absolute errors summed."""
    if table.errors is not None:
        return Part(rows=table.errors.n, total=table.errors.absolute)
    if table.confusion is not None:
        return Part(rows=table.confusion.labelled, total=float(np.trace(table.confusion.counts)))
    if table.binary is None:
        return NO_ROWS
    return Part(rows=int(table.binary[:, :2].sum()), total=float(table.binary[0, 0] + table.binary[1, 1]))


def _sum(parts: Mapping[str, Part]) -> Part:
    """All parts together."""
    return Part(rows=sum(one.rows for one in parts.values()), total=sum(one.total for one in parts.values()))


def _shares(column: str, reference: Mapping[str, Part], here: Mapping[str, Part]) -> list[SegmentShare]:
    before, after = _sum(reference).rows, _sum(here).rows
    return [
        SegmentShare(
            column=column,
            value=name,
            reference_share=reference.get(name, NO_ROWS).rows / before,
            chunk_share=here.get(name, NO_ROWS).rows / after,
            reference_value=reference.get(name, NO_ROWS).mean,
            chunk_value=here.get(name, NO_ROWS).mean,
            mix=one.mix,
            within=one.within,
        )
        for name, one in contributions(reference, here).items()
    ]
