"""The values of the chunks that one evaluation touches: what is stored, what was produced, and what of it differs.

A value that comes out as it is stored stays as it is and keeps its time. Floats within SAME_WITHIN are the same, because the order in which
a sum is made can change that much. What is replaced or removed moves to the history, unless this very evaluation wrote it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import isclose
from operator import itemgetter
from typing import Any

from mlops_desk.domain.metric import MetricValue, SeriesKey, Verdict
from mlops_desk.store.encoding import VERDICT_CODES

SAME_WITHIN = 1e-12
"""Relative difference of floats that is no change."""

_Row = tuple[Any, ...]
_COLUMNS = """chunk, series, evaluation, rows, value, reason, error_bound, sampling_error, interval_lower, interval_upper,
    lower, upper, warn_lower, warn_upper, verdict"""
_WIDTH = len(_COLUMNS.split(","))
_EVALUATION, _CONTENT = 2, 3  # places in a row: of the evaluation's number, and of the first column that is compared
_ROWS_AT_ONCE = 50  # half the time of one row a statement, and within the 999 parameters that any SQLite takes


class _ChunkRows:
    """One chunk: rows stored, series produced, rows to write, in each case by series."""

    __slots__ = ("fresh", "number", "produced", "stored")

    def __init__(self, number: int, stored: dict[int, _Row]) -> None:
        self.number = number
        self.stored = stored
        self.produced: set[int] = set()
        self.fresh: dict[int, _Row] = {}


class ValueLedger:
    """Writes values under the number of one evaluation, and counts what that adds, changes and removes."""

    def __init__(self, connection: sqlite3.Connection, evaluation: int) -> None:
        self._connection = connection
        self._evaluation = evaluation
        self._chunks: dict[int, _ChunkRows] = {}
        self.added = self.changed = self.removed = 0

    def write(
        self,
        produced: Sequence[MetricValue],
        chunks: Mapping[tuple[str, str], int],
        series_number: Callable[[SeriesKey], int],
    ) -> None:
        """Stores values; raises KeyError for one of a chunk that is not among `chunks`."""
        numbers: dict[
            int, int
        ] = {}  # by identity: the values of a series mostly share their key, and hashing one is dear
        concerned: dict[tuple[str, str], _ChunkRows] = {}
        superseded: list[_Row] = []
        for value in produced:
            place = (value.split, value.chunk_key)
            chunk = concerned.get(place)
            if chunk is None:
                chunk = concerned[place] = self._rows(chunks[place])
            series = numbers.get(id(value.key))
            if series is None:
                series = numbers[id(value.key)] = series_number(value.key)
            chunk.produced.add(series)
            row = _row(chunk.number, series, self._evaluation, value)
            before = chunk.stored.get(series)
            if before is None:
                self.added += 1
            elif _same(before, row):
                continue
            elif before[_EVALUATION] != self._evaluation:
                self.changed += 1
                superseded.append(before)
            chunk.stored[series] = chunk.fresh[series] = row
        self._supersede(superseded)
        rows: list[_Row] = []
        for chunk in sorted(concerned.values(), key=lambda chunk: chunk.number):
            rows.extend(chunk.fresh.values())
            chunk.fresh.clear()
        _insert(self._connection, f"insert or replace into current_value ({_COLUMNS})", rows, _WIDTH)

    def remove_stale(self, chunk: int, among: Collection[int] | None) -> None:
        """Removes what a chunk holds but was not produced for it; only of the series `among`, where given."""
        rows = self._rows(chunk)
        stale = rows.stored.keys() - rows.produced
        self._remove(rows, stale if among is None else stale & set(among))

    def remove_all(self, chunk: int) -> None:
        """Removes all that a chunk holds."""
        rows = self._rows(chunk)
        self._remove(rows, set(rows.stored))

    def _rows(self, chunk: int) -> _ChunkRows:
        rows = self._chunks.get(chunk)
        if rows is None:
            stored = self._connection.execute(f"select {_COLUMNS} from current_value where chunk = ?", (chunk,))
            rows = self._chunks[chunk] = _ChunkRows(chunk, {row[1]: row for row in stored})
        return rows

    def _remove(self, rows: _ChunkRows, stale: Iterable[int]) -> None:
        removed = [rows.stored.pop(series) for series in sorted(stale)]
        self._supersede([row for row in removed if row[_EVALUATION] != self._evaluation])
        self._connection.executemany(
            "delete from current_value where chunk = ? and series = ?", map(itemgetter(0, 1), removed)
        )
        self.removed += len(removed)

    def _supersede(self, rows: Sequence[_Row]) -> None:
        former = [(*row, self._evaluation) for row in rows]
        _insert(self._connection, f"insert into former_value ({_COLUMNS}, superseded_by)", former, _WIDTH + 1)


def _insert(connection: sqlite3.Connection, into: str, rows: Sequence[_Row], width: int) -> None:
    """Inserts rows, many with each statement."""
    marks = "(" + ", ".join("?" * width) + ")"
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    if whole:
        connection.executemany(f"{into} values {', '.join([marks] * _ROWS_AT_ONCE)}", _joined(rows[:whole]))
    connection.executemany(f"{into} values {marks}", rows[whole:])


def _joined(rows: Sequence[_Row]) -> Iterator[_Row]:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield tuple(chain.from_iterable(rows[first : first + _ROWS_AT_ONCE]))


def _row(chunk: int, series: int, evaluation: int, value: MetricValue) -> _Row:
    measurement, limits, verdict = value.measurement, value.limits, value.verdict
    number = measurement.value
    if verdict is None:
        verdict = Verdict.UNTESTED if number is None else Verdict.OK
    return (
        chunk,
        series,
        evaluation,
        int(value.rows),
        number,
        measurement.reason,
        None if number is None else measurement.error_bound,
        measurement.sampling_error,
        measurement.interval_lower,
        measurement.interval_upper,
        limits.lower,
        limits.upper,
        limits.warn_lower,
        limits.warn_upper,
        VERDICT_CODES[verdict],
    )


def _same(before: _Row, after: _Row) -> bool:
    return before[_CONTENT:] == after[_CONTENT:] or all(
        old == new or (isinstance(old, float) and isinstance(new, float) and isclose(old, new, rel_tol=SAME_WITHIN))
        for old, new in zip(before[_CONTENT:], after[_CONTENT:], strict=True)
    )
