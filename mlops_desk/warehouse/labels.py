"""Joins labels that arrive late to the rows of the log by id, inside a bounded memory and for ids of any order and type.

Ids become 96 bits of hash (whole numbers stay themselves), labels a small code, and both are sorted in partitions, so that ten million
labels take some 130 MB. One label an id: equal duplicates are one, conflicting ones are none, and every log row with that id gets it.
The result is a code for each row of each log file (an index into the vocabulary, NONE or CONFLICT), or a number (NaN for none, CLASH for
ids with different numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import FLOATS, INTEGERS, is_number, log_relation

NONE, CONFLICT = -1, -2
CLASH = np.inf
PARTITION_BITS = 5
SHIFT = np.uint64(64 - PARTITION_BITS)
CLASSES_AT_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How an id becomes numbers: `kind` is integer (a BIGINT is its own key) or text (hashed)."""

    kind: str

    def sql(self, column: str, type: str) -> str:
        """The key's columns a (64 bits) and, of a text, b (32 bits more); a whole number is the same text whatever its type."""
        name = quoted(column)
        if self.kind == "integer":
            return f"cast({name} as BIGINT) a"
        text = f"cast({name} as VARCHAR)"
        if type in FLOATS or type.startswith("DECIMAL"):
            whole = f"{name} = floor({name}) and abs({name}) < 1e15"
            text = f"case when {whole} then cast({name}::BIGINT as VARCHAR) else {text} end"
        return f"hash({text}) a, (hash(concat({text}, '~')) & 4294967295)::UINTEGER b"


def key_of(log_types: Iterable[str], label_types: Iterable[str]) -> Key:
    """The key that ids of these engine types share: whole numbers where all are, else text."""
    kinds = {*log_types, *label_types}
    small = set(INTEGERS) - {"HUGEINT", "UHUGEINT", "UBIGINT"}
    return Key(kind="integer" if kinds <= small else "text")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What labels are: the engine values of classes and their texts, or numbers where `classes` is None."""

    classes: tuple[str, ...] | None
    values: tuple[Any, ...] = ()

    def sql(self, column: str, type: str) -> str:
        """The label of a row as a code (NONE where it has none), or as a number."""
        name = quoted(column)
        if self.classes is None:
            return f"cast({name} as DOUBLE) y"
        found = ((code, _value(value, type)) for code, value in enumerate(self.values))
        cases = " ".join(f"when {value} then {code}" for code, value in found if value is not None)
        return f"(case {name} {cases} else {NONE} end)::SMALLINT y" if cases else f"{NONE}::SMALLINT y"


def _value(value: Any, type: str) -> str | None:
    """A class as an SQL constant to compare a column of some type with, None where none of its values can be it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not is_number(type):
        return literal(str(value))
    try:
        return str(value) if not isinstance(value, str) else repr(float(value))
    except ValueError:
        return None


def vocabulary(
    connection: Connection, footers: Sequence[Footer], target: str, known: Sequence[str], numeric: bool
) -> Vocabulary:
    """The vocabulary of label files; classes that are `known` already keep their codes.

    Raises UserError where there are more than CLASSES_AT_MOST classes: then the labels are no classes.
    """
    if numeric:
        return Vocabulary(classes=None)
    name = quoted(target)
    query = (
        f"select {name} v, count(*) n from {log_relation(footers)} where {name} is not null group by 1"
        f" order by 1 limit {CLASSES_AT_MOST + 1}"
    )
    found = [row[0] for row in connection.rows(query) if row[0] == row[0]]
    if len(found) > CLASSES_AT_MOST:
        raise UserError(
            f"labels: column {target!r} has more than {CLASSES_AT_MOST} values, so it holds no classes; is the task a regression?"
        )
    texts = {class_text(value): value for value in found}
    classes = tuple(known) + tuple(text for text in texts if text not in known)
    return Vocabulary(classes=classes, values=tuple(texts.get(text, text) for text in classes))


def class_text(value: Any) -> str:
    """A class as text, the same for 1, 1.0 and Decimal(1)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):  # a date or another type of its own
        return str(value)
    return str(int(number)) if number.is_integer() else str(value)


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """What became of the rows of label files.

    Attributes
    ----------
    rows : all of them. empty : without an id or without a label. duplicates : more rows of an id with the same label.
    ids : distinct ids with a label, conflicting ones included.
    """

    rows: int = 0
    empty: int = 0
    duplicates: int = 0
    ids: int = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """What became of the rows of both."""
        return LabelCounts(
            rows=self.rows + other.rows,
            empty=self.empty + other.empty,
            duplicates=self.duplicates + other.duplicates,
            ids=self.ids + other.ids,
        )


@dataclass(frozen=True, kw_only=True)
class FoundLabels:
    """The label of each row of a log file, and how many of the ids that have labels its rows have."""

    labels: NDArray[Any]
    ids: int


@dataclass(kw_only=True)
class Partition:
    """Some of the distinct ids, sorted, with their labels."""

    a: NDArray[Any]
    b: NDArray[np.uint32] | None
    y: NDArray[Any]


class LabelIndex:
    """Distinct ids of some label files with their labels, to be looked up by the rows of the log."""

    def __init__(
        self, connection: Connection, footers: Sequence[Footer], key: Key, column: str, target: str, words: Vocabulary
    ) -> None:
        self._key = key
        self._numeric = words.classes is None
        self._rows = self._empty = self._duplicates = 0
        loaded: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in range(1 << PARTITION_BITS)]
        for footer in footers:
            self._load(connection, footer, column, target, words, loaded)
        self._partitions = [self._partition(pieces) for pieces in loaded]

    def _load(
        self,
        connection: Connection,
        footer: Footer,
        column: str,
        target: str,
        words: Vocabulary,
        loaded: list[list[tuple[NDArray[Any], ...]]],
    ) -> None:
        """Reads one label file into the partitions."""
        types = dict(footer.columns)
        for name in (column, target):
            if name not in types:
                raise UserError(f"labels: {footer.path} has no column {name!r}; it has {', '.join(types)}")
        query = (
            f"select {self._key.sql(column, types[column])}, {words.sql(target, types[target])} from {log_relation([footer])}"
            f" where {quoted(column)} is not null"
        )
        result = connection.columns(query)
        labels = np.asarray(np.ma.filled(result["y"], np.nan if self._numeric else NONE))
        there = np.isfinite(labels) if self._numeric else labels >= 0
        self._rows += footer.rows
        self._empty += footer.rows - int(there.sum())
        columns = [np.ma.getdata(result[name])[there] for name in ("a", "b") if name in result] + [labels[there]]
        where = self._partition_of(columns[0])
        order = np.argsort(where, kind="stable")
        borders = np.searchsorted(where[order], np.arange((1 << PARTITION_BITS) + 1))
        for number, (start, end) in enumerate(pairwise(borders)):
            if end > start:
                loaded[number].append(tuple(one[order[start:end]] for one in columns))

    def _partition_of(self, a: NDArray[Any]) -> NDArray[np.uint8]:
        """The partition of each key."""
        if self._key.kind == "integer":
            return np.asarray(a & ((1 << PARTITION_BITS) - 1), dtype=np.uint8)
        return np.asarray(a.astype(np.uint64) >> SHIFT, dtype=np.uint8)

    def _partition(self, pieces: list[tuple[NDArray[Any], ...]]) -> Partition | None:
        """One partition sorted, each id once."""
        if not pieces:
            return None
        columns = [np.concatenate([piece[index] for piece in pieces]) for index in range(len(pieces[0]))]
        pieces.clear()
        a, y, b = columns[0], columns[-1], columns[1] if len(columns) == 3 else None
        order = np.argsort(a, kind="stable") if b is None else np.lexsort((b, a))
        a, y, b = a[order], y[order], None if b is None else b[order]
        again = a[1:] == a[:-1] if b is None else (a[1:] == a[:-1]) & (b[1:] == b[:-1])
        if not again.any():
            return Partition(a=a, b=b, y=y)
        first = np.concatenate([[True], ~again])
        group = np.cumsum(first) - 1
        distinct = y[first].copy()
        conflicting = np.unique(group[y != distinct[group]])
        self._duplicates += int(again.sum()) - int(np.isin(group[1:][again], conflicting).sum())
        distinct[conflicting] = CLASH if self._numeric else CONFLICT
        return Partition(a=a[first], b=None if b is None else b[first], y=distinct)

    def labels_of(self, connection: Connection, footer: Footer, column: str) -> FoundLabels:
        """The label of each row of a log file, in file order."""
        key = self._key.sql(column, dict(footer.columns)[column])
        result = connection.columns(f"select {key}, {quoted(column)} is null z from {log_relation([footer])}")
        a = np.ma.getdata(result["a"])
        b = np.ma.getdata(result["b"]) if "b" in result else None
        found = np.full(len(a), np.nan) if self._numeric else np.full(len(a), NONE, dtype=np.int16)
        where = self._partition_of(a)
        where = np.where(np.asarray(result["z"], dtype=np.bool_), np.uint8(255), where)
        order = np.lexsort((a, where))
        borders = np.searchsorted(where[order], np.arange((1 << PARTITION_BITS) + 1))
        ids = 0
        for partition, start, end in zip(self._partitions, borders[:-1], borders[1:], strict=True):
            if partition is None or start == end:
                continue
            rows = order[start:end]
            place, match = _looked_up(partition, a[rows], None if b is None else b[rows])
            found[rows[match]] = partition.y[place[match]]
            ids += int((np.bincount(place[match], minlength=1) > 0).sum())
        return FoundLabels(labels=found, ids=ids)

    @property
    def counts(self) -> LabelCounts:
        """What became of the label rows."""
        ids = sum(len(one.a) for one in self._partitions if one is not None)
        return LabelCounts(rows=self._rows, empty=self._empty, duplicates=self._duplicates, ids=ids)


def _looked_up(
    partition: Partition, a: NDArray[Any], b: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where keys stand in a partition, and whether they do."""
    place = np.minimum(np.searchsorted(partition.a, a), len(partition.a) - 1)
    match = partition.a[place] == a
    if b is None or partition.b is None:
        return place, np.asarray(match, dtype=np.bool_)
    same = match & (partition.b[place] == b)
    for row in np.flatnonzero(match & ~same):
        at = int(place[row])
        while at < len(partition.a) and partition.a[at] == a[row] and partition.b[at] != b[row]:
            at += 1
        if at < len(partition.a) and partition.a[at] == a[row]:
            place[row], same[row] = at, True
    return place, np.asarray(same, dtype=np.bool_)


def is_conflicting(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows whose id has different labels."""
    return np.asarray(np.isinf(labels) if labels.dtype.kind == "f" else labels == CONFLICT, dtype=np.bool_)


def overlaid(before: NDArray[Any], arrived: NDArray[Any]) -> NDArray[Any]:
    """Labels of rows after more labels arrived: what a row had and what arrives must agree, and a conflict remains one."""
    if before.dtype.kind == "f":
        had, has, none = ~np.isnan(before), ~np.isnan(arrived), CLASH
    else:
        had, has, none = before != NONE, arrived != NONE, CONFLICT
    joined = np.where(had, before, arrived)
    return np.where(had & has & (before != arrived), none, joined).astype(before.dtype)
