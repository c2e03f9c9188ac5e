"""Counts the signals of a batch of files: the part of a scan that is only done where somebody asks for it."""

from __future__ import annotations

import numpy as np

from mlops_desk.aggregates.business import naming
from mlops_desk.aggregates.log_rows import PART, SEGMENT, labelled_rows
from mlops_desk.aggregates.plan import SignalPlan
from mlops_desk.aggregates.signals import SignalTables, Sums
from mlops_desk.aggregates.source import Slot, Slots, Source


def scan_signals(source: Source, plan: SignalPlan) -> dict[Slot, SignalTables]:
    """The signals of every slot of a batch."""
    slots = Slots()
    sums: dict[str, dict[int, Sums]] = {}
    rows: dict[int, int] = {}
    for business in plan.business:
        if business.terms:
            sums[business.id] = _sums(source, plan, business.terms, business.place, slots, rows)
    return {
        slots.all[slot]: SignalTables(
            rows=count, sums={name: found[slot] for name, found in sums.items() if slot in found}
        )
        for slot, count in rows.items()
    }


def _sums(
    source: Source, plan: SignalPlan, terms: tuple[str, ...], place: str, slots: Slots, rows: dict[int, int]
) -> dict[int, Sums]:
    """The terms of one business metric by slot; notes the rows of each slot. Raises ExpressionFailure where the engine cannot tell."""
    keys = f"{PART} p" if source.plan.segment is None else f"{PART} p, {SEGMENT} s"
    numbers = ", ".join(f"({term})::double t{index}" for index, term in enumerate(terms))
    query = f"select {keys}, {numbers}, count(*) n from {labelled_rows(source, plan.label)} group by all"
    with naming(source.connection, place):
        result = source.connection.columns(query)
    columns = [np.ma.asarray(result[f"t{index}"]).tolist() for index in range(len(terms))]
    found: dict[int, Sums] = {}
    for row, (slot, count) in enumerate(zip(slots.of(result).tolist(), result["n"].tolist(), strict=True)):
        if slot >= 0:
            found[slot] = tuple(column[row] for column in columns)
            rows[slot] = count
    return found
