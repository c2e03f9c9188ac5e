"""Splits the change of accuracy between the reference and one chunk among segments: counts both by the values of each column, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from msgspec.structs import replace

from mlops_desk.aggregates.plan import FeaturePlan
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.domain.explanation import Attribution, SegmentShare, WeakSlice
from mlops_desk.domain.model import Model
from mlops_desk.domain.progress import Progress
from mlops_desk.domain.schema import INTERSECTION, Kind, Role, Task
from mlops_desk.metrics.attribution import NO_ROWS, Part, contributions
from mlops_desk.metrics.slice_search import Sums, weak_slices
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.recounting import Recount

MISSING = "(missing)"
"""Name of the rows without a value of a column."""
NO_OUTCOMES = OutcomeTables(rows=0, labelled=0)
COLUMNS_AT_MOST = 12
PAIRED_AT_MOST = 6
"""Columns of which pairs of segments are looked at, too."""
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


def weak_slices_of(counting: Recount, chunk: ChunkId, suspects: Sequence[str]) -> tuple[WeakSlice, ...]:
    """The segments of a chunk, and pairs of segments, that fare worse than the rest beyond chance; empty for a model without outcomes."""
    plan = counting.prepared.plan
    if plan.outcome is None:
        return ()
    groups = counting.files_of(chunk, with_reference=False)
    bare = replace(plan, features=FeaturePlan(numeric=(), categorical=(), types=plan.features.types))
    columns = _columns(counting.model, counting.prepared, suspects)
    whole = _sums(counting.sides(bare, groups, chunk).chunk.get("", NO_OUTCOMES))
    slices: dict[tuple[str, ...], Sums] = {}
    wanted = [(name,) for name in columns] + list(combinations(columns[:PAIRED_AT_MOST], 2))
    for index, names in enumerate(wanted):
        counting.cancel.raise_if_cancelled()
        counting.progress(Progress(stage=f"searching {INTERSECTION.join(names)}", share=index / len(wanted)))
        tables = counting.sides(replace(bare, segment=INTERSECTION.join(names)), groups, chunk).chunk
        if len(tables) > VALUES_AT_MOST:
            continue
        for value, table in tables.items():
            values = value.split(INTERSECTION) if len(names) > 1 else [value]
            if len(values) == len(names):  # a value that holds × itself cannot be told apart
                slices[tuple(f"{name}={one}" for name, one in zip(names, values, strict=True))] = _sums(table)
    found = weak_slices(whole, slices, higher_is_better=counting.model.task is not Task.REGRESSION)
    return tuple(
        WeakSlice(
            parts=one.parts, rows=one.rows, share=one.rows / whole.rows, value=one.mean, rest=one.rest_mean, p=one.p
        )
        for one in found
    )


def _parts(tables: Mapping[str, OutcomeTables]) -> dict[str, Part]:
    """Parts by segment value."""
    sums = {name: _sums(table) for name, table in tables.items()}
    return {name: Part(rows=one.rows, total=one.total) for name, one in sums.items()}


def _sums(table: OutcomeTables) -> Sums:
    """Rows with prediction and label, and how many are right, or their absolute errors summed."""
    if table.errors is not None:
        return Sums(rows=table.errors.n, total=table.errors.absolute, squares=table.errors.squares)
    rows, right = 0, 0.0
    if table.confusion is not None:
        rows, right = table.confusion.labelled, float(np.trace(table.confusion.counts))
    elif table.binary is not None:
        rows, right = int(table.binary[:, :2].sum()), float(table.binary[0, 0] + table.binary[1, 1])
    return Sums(rows=rows, total=right, squares=right)


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
