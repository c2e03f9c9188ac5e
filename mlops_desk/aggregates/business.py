"""Business metrics of whole chunks: the formula of totals that were counted file by file, or the SQL asked of all rows of a chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from mlops_desk.aggregates.log_rows import PART, SEGMENT, rows_of_chunks
from mlops_desk.aggregates.plan import BusinessPlan, SignalPlan
from mlops_desk.aggregates.signals import Sums
from mlops_desk.aggregates.source import Slots, Source
from mlops_desk.domain.errors import ExpressionFailure
from mlops_desk.warehouse.connection import Connection, literal
from mlops_desk.warehouse.footers import first_line
from mlops_desk.warehouse.schema import FLOATS

if TYPE_CHECKING:
    from collections.abc import Iterator


def value_of_sums(connection: Connection, plan: BusinessPlan, sums: Sums) -> float | None:
    """What the formula makes of totals, None for NULL; raises ExpressionFailure where it has no answer."""
    columns = ", ".join(
        f"cast({_constant(total, kind)} as {kind}) as a{index}"
        for index, (total, kind) in enumerate(zip(sums, plan.types, strict=True))
    )
    with naming(connection, plan.place):
        value = connection.rows(f"with log as (select {columns}) {plan.formula}")[0][0]
    return None if value is None else float(value)


def _constant(total: float | None, type: str) -> str:
    """A total as SQL that casts to its type."""
    if total is None:
        return "null"
    return literal(repr(total)) if type in FLOATS else str(int(total))


def values_of_rows(
    plan: BusinessPlan, signals: SignalPlan, sources: Sequence[Source], chunks: Sequence[Mapping[int, int]]
) -> list[tuple[int, str, float | None]]:
    """(number of the chunk, segment value or empty, the SQL's answer over all its rows, None for NULL).

    `chunks` numbers the chunk of those parts of each source that are of one. Raises ExpressionFailure where the SQL has no answer.
    """
    connection, segmented = sources[0].connection, sources[0].plan.segment is not None
    rows = rows_of_chunks(sources, chunks, signals.label, dict(signals.columns))
    segment = f", {SEGMENT} s" if segmented else ""
    with naming(connection, plan.place):
        result = connection.columns(f"select {PART} p{segment}, ({plan.sql})::double v from {rows} group by all")
    slots = Slots()
    where, values = slots.of(result).tolist(), np.ma.asarray(result["v"]).tolist()
    named = slots.all
    return [
        (named[slot][0], named[slot][1] or "", value) for slot, value in zip(where, values, strict=True) if slot >= 0
    ]


@contextmanager
def naming(connection: Connection, place: str) -> Iterator[None]:
    """Raises ExpressionFailure, which names the place in desk.toml, where the engine fails."""
    try:
        yield
    except connection.engine_errors as error:
        raise ExpressionFailure(f"{place}: {first_line(error)}") from error
