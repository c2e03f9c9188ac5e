"""Counts the signals of a batch of files: the part of a scan that is only done where somebody asks for it."""

from __future__ import annotations

import numpy as np

from mlops_desk.aggregates.adversarial import near_boundary, outliers, requesters, rounded_rows
from mlops_desk.aggregates.business import naming
from mlops_desk.aggregates.log_rows import PART, SEGMENT, TIME, labelled_rows
from mlops_desk.aggregates.plan import BusinessPlan, LabelPlan, SignalPlan
from mlops_desk.aggregates.scan import count_rows
from mlops_desk.aggregates.signals import SignalTables, Sums
from mlops_desk.aggregates.source import Slot, Slots, Source
from mlops_desk.warehouse.connection import quoted


def scan_signals(source: Source, plan: SignalPlan, time: str | None) -> dict[Slot, SignalTables]:
    """The signals of every slot of a batch; `time` is an expression of nanoseconds or None."""
    slots = Slots()
    rows = {slot: count for slot, (count, _, _) in count_rows(source, slots, None).items()}
    sums = {one.id: _sums(source, plan.label, one, slots) for one in plan.business if one.terms}
    labelled = _labelled_times(source, plan, time, slots)
    shares: dict[str, dict[int, tuple[int, int]]] = {}
    if plan.outliers is not None:
        shares["outlier_rate"] = outliers(source, plan.outliers, slots)
    if plan.boundary is not None:
        shares["boundary_rate"] = near_boundary(source, plan.boundary, slots)
    rounded = {} if plan.rounded is None else rounded_rows(source, plan.rounded, slots)
    busy = {} if plan.requester is None else requesters(source, plan.requester, slots)
    return {
        slots.all[slot]: SignalTables(
            rows=count,
            sums={name: found[slot] for name, found in sums.items() if slot in found},
            labelled_last=labelled.get(slot),
            hits={name: found[slot][0] for name, found in shares.items()},
            judged={name: found[slot][1] for name, found in shares.items()},
            rounded=rounded.get(slot),
            requesters=busy.get(slot),
        )
        for slot, count in rows.items()
    }


def _keys(source: Source) -> str:
    """The grouping columns of a query over labelled rows."""
    return f"{PART} p" if source.plan.segment is None else f"{PART} p, {SEGMENT} s"


def _sums(source: Source, label: LabelPlan | None, business: BusinessPlan, slots: Slots) -> dict[int, Sums]:
    """The terms of one business metric by slot; raises ExpressionFailure where the engine cannot tell."""
    numbers = ", ".join(f"({term})::double t{index}" for index, term in enumerate(business.terms))
    query = f"select {_keys(source)}, {numbers} from {labelled_rows(source, label)} group by all"
    with naming(source.connection, business.place):
        result = source.connection.columns(query)
    columns = [np.ma.asarray(result[f"t{index}"]).tolist() for index in range(len(business.terms))]
    where = slots.of(result).tolist()
    return {slot: tuple(column[row] for column in columns) for row, slot in enumerate(where) if slot >= 0}


def _labelled_times(source: Source, plan: SignalPlan, time: str | None, slots: Slots) -> dict[int, int]:
    """The time of the newest labelled row by slot."""
    if not plan.labelled_time or plan.label is None or time is None:
        return {}
    label = quoted(plan.label.names[0])
    rows = labelled_rows(source, plan.label, time=time)
    query = f"select {_keys(source)}, max({TIME}) m from {rows} where {label} is not null group by all"
    result = source.connection.columns(query)
    times = np.ma.asarray(result["m"]).tolist()
    return {
        slot: int(times[row])
        for row, slot in enumerate(slots.of(result).tolist())
        if slot >= 0 and times[row] is not None
    }
