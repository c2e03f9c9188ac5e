"""Gives each row of a log the number of its chunk, where footers do not prove it: by its time, or by its place in the order of rows.

Rows are in the order of their timestamps, of files and of rows in a file; without timestamps in the order of files and rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.parts import (
    NO_NUMBER,
    Batch,
    ReferencePeriod,
    TimeColumn,
    batches_of_mixed,
    batches_of_single,
    groups_of_mixed,
    single_part,
)
from mlops_desk.domain.periods import EARLIEST, LATEST, Periods
from mlops_desk.domain.slicing import ChunkRule, Incomplete, Split
from mlops_desk.warehouse.connection import Connection, literal
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import ZONED, log_relation

MICROSECONDS_OF_AN_HOUR = 3_600_000_000


class Slicing(Struct, frozen=True, kw_only=True):
    """How rows are cut: the rule, its periods where it goes by time, the timestamp column, the reference period and the filter."""

    rule: ChunkRule
    periods: Periods | None
    time: TimeColumn | None
    reference: ReferencePeriod | None
    filter: str | None

    @property
    def name(self) -> str:
        """Names everything here that decides which part a row belongs to."""
        return repr((self.rule, self.time, self.reference, self.filter))


def local_sql(time: TimeColumn, timezone: str, prefix: str = "") -> str:
    """The timestamp as local time without a zone."""
    name = time.sql(prefix)
    if not time.zoned:
        local = f"cast({name} as TIMESTAMP)"
        if time.timezone in (None, timezone):
            return local
        name = f"try(timezone({literal(time.timezone)}, {local}))"
    return f"timezone({literal(timezone)}, {name})"


def nanoseconds_sql(slicing: Slicing, footer: Footer, prefix: str = "") -> str | None:
    """The timestamp of a file as nanoseconds since 1970, NULL beyond what they can tell; None without a timestamp column.

    It is local time where no file carries a zone; where some do, those that carry none are turned into instants, too.
    """
    if slicing.time is None or not slicing.time.is_in(footer):
        return None
    time = slicing.time.of(footer)
    name = time.sql(prefix)
    if slicing.time.zoned and not time.zoned:
        name = f"timezone({literal(slicing.rule.timezone)}, cast({name} as TIMESTAMP))"
    return f"try(epoch_ns({name}))" if slicing.time.zoned else f"epoch_ns(try_cast({name} as TIMESTAMP_NS))"


def _known_sql(slicing: Slicing, footer: Footer) -> str:
    """Whether a row counts: it has a time (that can be told in nanoseconds) and passes the filter."""
    if slicing.time is not None and not slicing.time.is_in(footer):
        return "false"
    terms = [f"({slicing.filter})"] if slicing.filter else []
    if slicing.time is not None:
        time = slicing.time.of(footer)
        name = time.sql()
        if time.zoned:
            name = f"cast({name} as {ZONED})"  # nanoseconds with a zone cannot be compared
        terms += [f"{name} is not null", f"{name} >= timestamp '{EARLIEST}'", f"{name} < timestamp '{LATEST}'"]
    return " and ".join(terms) or "true"


def number_sql(periods: Periods, local: str) -> str:
    """The number of the period that holds a local time."""
    if periods.months:
        months = f"(year({local}) * 12 + month({local}) - 1 - 23640)"
        return (
            f"cast(floor({months} / {periods.months}) as BIGINT)" if periods.months > 1 else f"cast({months} as BIGINT)"
        )
    length = periods.hours * MICROSECONDS_OF_AN_HOUR
    moment = f"(epoch_us({local}) + {periods.offset_hours * MICROSECONDS_OF_AN_HOUR})"
    return f"cast(({moment} - (({moment} % {length}) + {length}) % {length}) // {length} as BIGINT)"


def batches_of(connection: Connection, footers: Sequence[Footer], slicing: Slicing, split: Split | None) -> list[Batch]:
    """Files as batches of parts; `split` is given where whole files belong to it, else the reference period decides.

    Only for rules by time, where each file stands by itself.
    """
    if slicing.periods is None or slicing.time is None:
        raise ValueError("rows are only numbered file by file where chunks are periods of time")
    singles, mixed = [], []
    for footer in footers:
        part = None
        if slicing.filter is None:
            part = single_part(footer, split, slicing.time, slicing.periods, slicing.reference)
        if part is None:
            mixed.append(footer)
        else:
            singles.append(part)
    batches = batches_of_single(singles)
    for group in groups_of_mixed(mixed):
        numbers, in_reference = _numbers_by_time(connection, group, slicing, slicing.periods, slicing.time)
        inside = in_reference if split is None else None
        batches += batches_of_mixed(group, split, numbers, inside, slicing.periods.settled)
    return batches


def _numbers_by_time(
    connection: Connection, footers: Sequence[Footer], slicing: Slicing, periods: Periods, time: TimeColumn
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The number of the period of each row, and whether it belongs to the reference."""
    number = "null::BIGINT"
    if time.is_in(footers[0]):
        number = number_sql(periods, local_sql(time.of(footers[0]), periods.timezone))
    known, inside = _known_sql(slicing, footers[0]), _in_reference(slicing, footers[0])
    query = f"select case when {known} then {number} end n, {inside} r from {log_relation(footers)}"
    result = connection.columns(query)
    numbers = np.ma.filled(np.ma.asarray(result["n"]).astype(np.int64), NO_NUMBER)
    return np.asarray(numbers), np.asarray(np.ma.filled(result["r"], False), dtype=np.bool_)


def _in_reference(slicing: Slicing, footer: Footer) -> str:
    """Whether a row's local time lies in the reference period."""
    if slicing.reference is None or slicing.time is None or not slicing.time.is_in(footer):
        return "false"
    local = local_sql(slicing.time.of(footer), slicing.rule.timezone)
    start, end = slicing.reference.start.isoformat(sep=" "), slicing.reference.end.isoformat(sep=" ")
    return f"({local} >= timestamp {literal(start)} and {local} < timestamp {literal(end)})"


def batches_by_order(
    connection: Connection, footers: Sequence[Footer], slicing: Slicing, split: Split | None
) -> list[Batch]:
    """Files as batches of parts, where chunks are so many rows or so many chunks of equal size."""
    times, known, inside = _order_of_rows(connection, footers, slicing)
    numbers = np.full(len(known), NO_NUMBER, dtype=np.int64)
    sides = [(split, known)] if split else [(Split.REFERENCE, known & inside), (Split.ANALYSIS, known & ~inside)]
    for _, chosen in sides:
        rows = np.flatnonzero(chosen)
        if times is not None and len(rows) and np.any(np.diff(times[rows]) < 0):
            rows = rows[np.argsort(times[rows], kind="stable")]
        numbers[rows] = chunk_numbers(len(rows), slicing.rule)
    return batches_of_mixed_in_groups(footers, split, numbers, inside)


def batches_of_mixed_in_groups(
    footers: Sequence[Footer], split: Split | None, numbers: NDArray[np.int64], inside: NDArray[np.bool_]
) -> list[Batch]:
    """Batches of files of the same columns, from numbers along all rows of all files."""
    ends = np.cumsum([footer.rows for footer in footers])
    rows_of = {footer.path: slice(end - footer.rows, end) for footer, end in zip(footers, ends.tolist(), strict=True)}
    batches: list[Batch] = []
    for group in groups_of_mixed(footers):
        own = np.concatenate([numbers[rows_of[footer.path]] for footer in group])
        own_inside = np.concatenate([inside[rows_of[footer.path]] for footer in group])
        batches += batches_of_mixed(group, split, own, own_inside if split is None else None, int)
    return batches


def chunk_numbers(rows: int, rule: ChunkRule) -> NDArray[np.int64]:
    """The chunk of each row in their order, or NO_NUMBER for rows of an incomplete chunk that is dropped."""
    size = rule.size if rule.size is not None else max(1, rows // (rule.number or 1))
    numbers = np.arange(rows, dtype=np.int64) // size
    full = rows // size
    if rows % size and full:
        if rule.incomplete is Incomplete.DROP:
            numbers[full * size :] = NO_NUMBER
        elif rule.incomplete is Incomplete.APPEND:
            numbers[full * size :] = full - 1
    return numbers


def _order_of_rows(
    connection: Connection, footers: Sequence[Footer], slicing: Slicing
) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_], NDArray[np.bool_]]:
    """(nanoseconds or None, whether the row counts, whether it belongs to the reference) along all rows of all files."""
    pieces = []
    for footer in footers:
        known_sql, inside = _known_sql(slicing, footer), _in_reference(slicing, footer)
        moment = nanoseconds_sql(slicing, footer) or "0::BIGINT"
        query = f"select {known_sql} k, {inside} r, {moment} t from {log_relation([footer])}"
        result = connection.columns(query)
        known = np.asarray(np.ma.filled(result["k"], False), dtype=np.bool_)
        inside_rows = np.asarray(np.ma.filled(result["r"], False), dtype=np.bool_)
        pieces.append((np.asarray(np.ma.filled(result["t"], 0), dtype=np.int64), known, inside_rows))
    times, known, in_reference = (np.concatenate([piece[index] for piece in pieces]) for index in range(3))
    return (None if slicing.time is None else times), known, in_reference
