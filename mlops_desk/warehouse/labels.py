"""Joins labels that arrive late to the rows of the log by id, inside a bounded memory and for ids of any order and type.

Ids become 96 bits of hash (whole numbers stay themselves), labels a small code, and both are sorted in partitions, so that ten million
labels take some 130 MB. One label an id: equal duplicates are one, conflicting ones are none, and every log row with that id gets it.
The result is a code for each row of each log file (an index into the vocabulary, NONE or CONFLICT), or a number (NaN for none, CLASH for
ids with different numbers). Counts of labels do not depend on the order in which label files arrive, as long as the log is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct, field
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


class Key(Struct, frozen=True, kw_only=True):
    """How an id becomes numbers: `kind` is integer (a BIGINT is its own key) or text (hashed)."""

    kind: str

    def sql(self, column: str, type: str) -> str:
        """The key's columns a (64 bits) and, of a text, b (32 bits more), and z where there is no id."""
        if self.kind == "integer":
            return f"cast({quoted(column)} as BIGINT) a, {quoted(column)} is null z"
        text = id_text(column, type)
        return f"hash({text}) a, (hash(concat({text}, '~')) & 4294967295)::UINTEGER b, {text} is null z"


def id_text(column: str, type: str) -> str:
    """An id as text: a whole number is the same text whatever its type, and neither NaN nor infinity is an id."""
    name = quoted(column)
    text = f"cast({name} as VARCHAR)"
    if type not in FLOATS and not type.startswith("DECIMAL"):
        return text
    whole = f"when {name} = trunc({name}) and abs({name}) < 1e38 then cast(try_cast({name} as HUGEINT) as VARCHAR)"
    if type in FLOATS:
        return f"(case when not isfinite({name}) then null {whole} else {text} end)"
    return f"(case {whole} else rtrim({text}, '0') end)"


def key_of(log_types: Iterable[str], label_types: Iterable[str]) -> Key:
    """The key that ids of these engine types share: whole numbers where all are, else text."""
    kinds = {*log_types, *label_types}
    small = set(INTEGERS) - {"HUGEINT", "UHUGEINT", "UBIGINT"}
    return Key(kind="integer" if kinds <= small else "text")


class Vocabulary(Struct, frozen=True, kw_only=True):
    """What labels are: the texts of classes, and numbers where `classes` is None.

    Attributes
    ----------
    values : by engine type, the constants of that type that are classes, with their codes.
    """

    classes: tuple[str, ...] | None
    values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def sql(self, column: str, type: str) -> str:
        """The label of a row as a code (NONE where it has none), or as a number."""
        name = quoted(column)
        if self.classes is None:
            return f"cast({name} as DOUBLE) y"
        cases = " ".join(f"when {value} then {code}" for value, code in self.values.get(type, {}).items())
        return f"(case {name} {cases} else {NONE} end)::SMALLINT y" if cases else f"{NONE}::SMALLINT y"


def is_label_type(type: str, numeric: bool) -> bool:
    """Whether values of an engine type can be labels: numbers, or classes; a column of NULLs alone has a type of its own."""
    return is_number(type) or type in ("BOOLEAN", '"NULL"') or (type == "VARCHAR" and not numeric)


def vocabulary(connection: Connection, footers: Sequence[Footer], target: str, known: Sequence[str]) -> Vocabulary:
    """The classes of label files, whose types may differ; classes that are `known` already keep their codes.

    Raises UserError where there are more than CLASSES_AT_MOST classes: then the labels are no classes.
    """
    codes = {text: code for code, text in enumerate(known)}
    places = {as_number(text): code for text, code in codes.items()}
    values: dict[str, dict[str, int]] = {}
    alike: dict[object, list[Footer]] = {}
    for footer in footers:
        alike.setdefault(footer.columns, []).append(footer)
    name = quoted(target)
    for some in alike.values():
        kind = dict(some[0].columns)[target]
        there = f"isfinite({name})" if kind in FLOATS else f"{name} is not null"
        query = (
            f"select {name} v, count(*) n from {log_relation(some)} where {there} group by 1"
            f" order by 1 limit {CLASSES_AT_MOST + 1}"
        )
        for value, _ in connection.rows(query):
            text = class_text(value, kind)
            code = places.setdefault(as_number(text), len(codes))
            if code == len(codes):
                codes[text] = code
            values.setdefault(kind, {})[_constant(value, kind)] = code
        if len(codes) > CLASSES_AT_MOST:
            raise UserError(
                f"labels: column {target!r} has more than {CLASSES_AT_MOST} values, so it holds no classes; is the task a regression?"
            )
    return Vocabulary(classes=tuple(codes), values=values)


def _constant(value: Any, type: str) -> str:
    """A value of a label column as an SQL constant of its type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return literal(value)
    return f"{literal(format(value, 'f') if isinstance(value, Decimal) else repr(value))}::{type}"


def class_text(value: Any, type: str) -> str:
    """A class as text, the same for 1, 1.0 and Decimal(1); the value must be finite."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if value == int(value):
        return str(int(value))
    return str(np.float32(value)) if type == "FLOAT" else str(value)


def as_number(text: str) -> str:
    """The text of a class, that of 1 or 0 for a truth."""
    return {"true": "1", "false": "0"}.get(text, text)


class LabelCounts(Struct, frozen=True, kw_only=True):
    """What became of the rows of label files.

    Attributes
    ----------
    rows : all of them. empty : without an id or without a label. unmatched : with an id that no log row has.
    duplicates : beyond the first of an id that the log has. conflicts : ids that the log has, with different labels (then none).
    """

    rows: int = 0
    empty: int = 0
    unmatched: int = 0
    duplicates: int = 0
    conflicts: int = 0

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """What became of the rows of both."""
        return LabelCounts(
            rows=self.rows + other.rows,
            empty=self.empty + other.empty,
            unmatched=self.unmatched + other.unmatched,
            duplicates=self.duplicates + other.duplicates,
            conflicts=self.conflicts + other.conflicts,
        )


class Partition(Struct, kw_only=True, eq=False):
    """Some of the distinct ids, sorted, with their labels.

    Attributes
    ----------
    n : label rows of each id, None where each has one. hit : ids that a log row has. was : labels that their log rows had before.
    """

    a: NDArray[Any]
    b: NDArray[np.uint32] | None
    y: NDArray[Any]
    n: NDArray[np.int32] | None = None
    was: NDArray[Any] | None = None
    hit: NDArray[np.bool_]

    def remember(self, place: NDArray[np.int64], had: NDArray[Any]) -> None:
        """Notes what the log rows of some ids had before; all rows of an id had the same."""
        if self.was is None:
            self.was = np.full(len(self.y), np.nan if self.y.dtype.kind == "f" else NONE, dtype=self.y.dtype)
        self.hit[place] = True
        self.was[place] = had

    @property
    def counts(self) -> LabelCounts:
        """What became of the label rows of these ids, beyond what had become of those before."""
        ids = int(self.hit.sum())
        matched = ids if self.n is None else int(self.n[self.hit].sum())
        rows = len(self.a) if self.n is None else int(self.n.sum())
        y, known, lost = self.y[self.hit], 0, 0
        if self.was is not None:
            was = self.was[self.hit]
            y, known, lost = overlaid(was, y), int(is_labelled(was).sum()), int(is_conflicting(was).sum())
        return LabelCounts(
            unmatched=rows - matched,
            duplicates=matched - (ids - known),
            conflicts=int(is_conflicting(y).sum()) - lost,
        )


class LabelIndex:
    """Distinct ids of some label files with their labels, to be looked up by the rows of the log."""

    def __init__(
        self, connection: Connection, footers: Sequence[Footer], key: Key, column: str, target: str, words: Vocabulary
    ) -> None:
        self._key = key
        self._numeric = words.classes is None
        self._rows = self._empty = 0
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
        key = self._key.sql(column, types[column])
        result = connection.columns(f"select {key}, {words.sql(target, types[target])} from {log_relation([footer])}")
        labels = np.asarray(np.ma.filled(result["y"], np.nan if self._numeric else NONE))
        there = np.isfinite(labels) if self._numeric else labels >= 0
        there &= ~np.asarray(result["z"], dtype=np.bool_)
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
            return Partition(a=a, b=b, y=y, hit=np.zeros(len(a), dtype=np.bool_))
        first = np.concatenate([[True], ~again])
        group = np.cumsum(first) - 1
        distinct = y[first].copy()
        distinct[group[y != distinct[group]]] = CLASH if self._numeric else CONFLICT
        rows = np.diff(np.append(np.flatnonzero(first), len(a))).astype(np.int32)
        hit = np.zeros(len(distinct), dtype=np.bool_)
        return Partition(a=a[first], b=None if b is None else b[first], y=distinct, n=rows, hit=hit)

    def labels_of(self, connection: Connection, footer: Footer, column: str) -> NDArray[Any]:
        """The label of each row of a log file, in file order."""
        found = np.full(footer.rows, np.nan) if self._numeric else np.full(footer.rows, NONE, dtype=np.int16)
        for partition, rows, place in self._matches(connection, footer, column):
            found[rows] = partition.y[place]
            partition.hit[place] = True
        return found

    def laid_over(
        self, connection: Connection, footer: Footer, column: str, before: Callable[[], NDArray[Any]]
    ) -> NDArray[Any] | None:
        """The labels of a log file's rows after these arrived; None where it has none of these ids, and `before` is not asked for."""
        labels: NDArray[Any] | None = None
        for partition, rows, place in self._matches(connection, footer, column):
            if not len(rows):
                continue
            if labels is None:
                labels = before().copy()
            had = labels[rows]
            partition.remember(place, had)
            labels[rows] = overlaid(had, partition.y[place])
        return labels

    def _matches(
        self, connection: Connection, footer: Footer, column: str
    ) -> Iterator[tuple[Partition, NDArray[np.int64], NDArray[np.int64]]]:
        """(partition, rows of a log file whose ids it has, where it has them)."""
        key = self._key.sql(column, dict(footer.columns)[column])
        result = connection.columns(f"select {key} from {log_relation([footer])}")
        a = np.ma.getdata(result["a"])
        b = np.ma.getdata(result["b"]) if "b" in result else None
        where = self._partition_of(a)
        where = np.where(np.asarray(result["z"], dtype=np.bool_), np.uint8(255), where)
        order = np.lexsort((a, where))
        borders = np.searchsorted(where[order], np.arange((1 << PARTITION_BITS) + 1))
        for partition, start, end in zip(self._partitions, borders[:-1], borders[1:], strict=True):
            if partition is None or start == end:
                continue
            rows = order[start:end]
            place, match = _looked_up(partition, a[rows], None if b is None else b[rows])
            yield partition, rows[match], place[match]

    @property
    def counts(self) -> LabelCounts:
        """What became of the label rows, by the log files that were looked up so far."""
        counted = (one.counts for one in self._partitions if one is not None)
        return sum(counted, LabelCounts(rows=self._rows, empty=self._empty))


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


def is_labelled(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows whose id has a label, or several."""
    return np.asarray(~np.isnan(labels) if labels.dtype.kind == "f" else labels != NONE, dtype=np.bool_)


def is_conflicting(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """The rows whose id has different labels."""
    return np.asarray(np.isinf(labels) if labels.dtype.kind == "f" else labels == CONFLICT, dtype=np.bool_)


def overlaid(before: NDArray[Any], arrived: NDArray[Any]) -> NDArray[Any]:
    """Labels of rows after more labels arrived: what a row had and what arrives must agree, and a conflict remains one."""
    had, has = is_labelled(before), is_labelled(arrived)
    joined = np.where(had, before, arrived)
    conflict = CLASH if before.dtype.kind == "f" else CONFLICT
    return np.where(had & has & (before != arrived), conflict, joined).astype(before.dtype)
