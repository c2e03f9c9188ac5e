"""The errors of a model's rows in time order, chunk by chunk: what a drift detector reads.

Rows of a chunk are in the order of their timestamps, then of files and of rows in a file, as chunks of a size or number are cut. Rows without a
label or a prediction are left out. What is in memory is a few columns of the chunks that are asked for together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.outcome_sql import error_sql
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.rows import in_parts
from mlops_desk.aggregates.source import Source
from mlops_desk.aggregates.tables import Counts, Floats
from mlops_desk.domain.schema import Task
from mlops_desk.warehouse.connection import literal


class ErrorRows(Struct, frozen=True, kw_only=True):
    """The labelled rows of a chunk, or of a segment of it, in time order.

    Attributes
    ----------
    errors : (n,) 0 or 1 of a classifier (integers), the absolute error of a regression. times : (n,) nanoseconds since 1970, None without timestamps.
    """

    errors: NDArray[np.int8] | Floats
    times: Counts | None


class ChunkSource(Struct, frozen=True, kw_only=True):
    """A batch with what is asked of it.

    Attributes
    ----------
    chunks : the place of the chunk of each part that is asked for. files : the place of the part's file among all files.
    time : SQL of nanoseconds, None where the files have no timestamps.
    """

    source: Source
    chunks: Mapping[int, int]
    files: Mapping[int, int]
    time: str | None


def error_rows(
    sources: Sequence[ChunkSource], plan: OutcomePlan, segments: Sequence[str], most_rows: int
) -> dict[tuple[int, str], ErrorRows]:
    """The rows by place of their chunk and value of the segment column (`segments`, one of which is the empty name where there is no such column).

    `most_rows` is how many rows the chunks have at most, labelled or not. Chunks and segments without labelled rows are left out.
    """
    numbers = np.dtype(np.float64 if plan.task is Task.REGRESSION else np.int8)
    errors = np.empty(most_rows, dtype=numbers)
    times = np.empty(most_rows, dtype=np.int64)
    slots = np.empty(most_rows, dtype=np.int32)
    files = np.empty(most_rows, dtype=np.int32)
    at = 0
    for one in sources:
        slot_of, file_of = _lookup(one.chunks), _lookup(one.files)
        for piece in one.source.connection.pieces(_query(one, plan, segments)):
            end = at + len(piece["p"])
            part = piece["p"].astype(np.int64)
            errors[at:end], times[at:end] = piece["e"], piece["t"]
            slots[at:end] = slot_of[part] * len(segments) + piece["s"]
            files[at:end] = file_of[part]
            at = end
    timed = any(one.time is not None for one in sources)
    errors, times = errors[:at], times[:at]
    order = _order(slots[:at], times, files[:at])
    if order is not None:
        errors, times, slots[:at] = errors[order], times[order], slots[:at][order]
    found = {}
    borders = np.flatnonzero(np.diff(slots[:at])) + 1
    for begin, end in zip([0, *borders.tolist()], [*borders.tolist(), at], strict=True):
        if end > begin:
            place, segment = divmod(int(slots[begin]), len(segments))
            rows = ErrorRows(errors=errors[begin:end], times=times[begin:end] if timed else None)
            found[place, segments[segment]] = rows
    return found


def _query(one: ChunkSource, plan: OutcomePlan, segments: Sequence[str]) -> str:
    """Part, number of the segment, time and error of the labelled rows that are asked for, in the order of files and rows."""
    source = one.source
    inner = f"select {source.keys}, {one.time or '0::BIGINT'} t, {error_sql(source, plan)} e from {source.relation}"
    number, known = "0", ""
    if source.plan.segment is not None:
        number = f"list_position([{', '.join(literal(name) for name in segments)}], s) - 1"
        known = f" and s in ({', '.join(literal(name) for name in segments)})"
    chosen = f"{inner} where {in_parts(source, list(one.chunks))}"
    return f"select p, ({number})::INTEGER s, t, e from ({chosen}) where e is not null{known}"


def _lookup(places: Mapping[int, int]) -> Counts:
    """The place of each part as an array by the part."""
    found = np.zeros(max(places) + 1, dtype=np.int64)
    for part, place in places.items():
        found[part] = place
    return found


def _order(slots: NDArray[np.int32], times: Counts, files: NDArray[np.int32]) -> NDArray[np.intp] | None:
    """The order of rows by slot, time and file; None where they are in it already."""
    same = slots[1:] == slots[:-1]
    sooner = (times[1:] < times[:-1]) | ((times[1:] == times[:-1]) & (files[1:] < files[:-1]))
    if not np.any((slots[1:] < slots[:-1]) | (same & sooner)):
        return None
    return np.lexsort((files, times, slots))
