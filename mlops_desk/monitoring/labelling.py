"""Keeps the labels of every log row up to date as label files arrive, and knows which log files they change.

What was joined is kept by log file. Where only label files were added, the log's ids are looked up among the new labels alone; where one was
removed or rewritten, everything is joined anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Labels, Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.labels import (
    Key,
    LabelCounts,
    LabelIndex,
    Vocabulary,
    is_conflicting,
    key_of,
    overlaid,
    vocabulary,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedFile:
    """The labels of one log file: their name, how many ids with labels its rows have, and rows whose id has different labels."""

    name: str
    ids: int
    conflicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What was joined so far.

    Attributes
    ----------
    files : fingerprints of the label files. logs : the labels of each log file, by its fingerprint.
    counts : what became of the rows of the label files; an id that comes again in a file that arrives later counts again.
    """

    files: tuple[str, ...] = ()
    logs: dict[str, JoinedFile] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    counts: LabelCounts = LabelCounts()  # noqa: RUF009 - frozen
    id: str = ""

    @property
    def names(self) -> dict[str, str]:
        """Name of the labels of each log file."""
        return {file: joined.name for file, joined in self.logs.items()}


class JoinedLabels(Mapping[str, "NDArray[Any]"]):
    """The labels of log files by fingerprint, read from the cache when they are needed."""

    def __init__(self, cache: Cache, model: str, names: Mapping[str, str], numeric: bool) -> None:
        self._cache = cache
        self._model = model
        self.names = names
        self._numeric = numeric

    def __getitem__(self, file: str) -> NDArray[Any]:
        key = labels_key(self._model, file, self.names[file])
        return unpacked_labels(self._cache.get([key])[key], self._numeric)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """The labels of all log files, the classes their codes stand for, and what is worth a note."""

    labels: JoinedLabels
    classes: tuple[str, ...]
    notes: tuple[DataNote, ...]


def labels_key(model: str, file: str, name: str) -> str:
    """The cache key of the labels of a log file."""
    return f"{model}:LC:{file}:{name}"


def packed_labels(labels: NDArray[Any]) -> bytes:
    """Labels of rows as bytes."""
    import zlib

    return zlib.compress(labels.tobytes(), 1)


def unpacked_labels(body: bytes, numeric: bool) -> NDArray[Any]:
    """The labels that bytes were made of."""
    import zlib

    import numpy as np

    return np.frombuffer(zlib.decompress(body), dtype=np.float64 if numeric else np.int16)


class LabelJoin:
    """Joins the label files of one model to its log files, as far as that is not done."""

    def __init__(self, connection: Connection, cache: Cache, model: Model, labels: Labels) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._labels = labels
        self._numeric = model.task is Task.REGRESSION
        self._column = model.columns.id or labels.key

    def joined(self, logs: Sequence[Footer], labels: Sequence[Footer], *, fresh: bool) -> Labelling:
        """The labels of these log files; files without the id column stay without."""
        with_id = [footer for footer in logs if self._column in dict(footer.columns)]
        if not with_id:
            raise UserError(self._no_id(logs))
        before = Ledger() if fresh else self._ledger()
        after = self._brought_up_to_date(before, with_id, labels)
        self._cache.put({self._ledger_key: msgspec.json.encode(after)})
        self._cache.present(labels_key(self._model.id, file, name) for file, name in after.names.items())
        joined = JoinedLabels(self._cache, self._model.id, after.names, self._numeric)
        return Labelling(labels=joined, classes=after.classes or (), notes=tuple(self._notes(after)))

    def _no_id(self, logs: Sequence[Footer]) -> str:
        names = list(dict.fromkeys(name for footer in logs for name, _ in footer.columns))
        has = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
        return (
            f"desk.toml: models.{self._model.id}.columns.id: the log has no column {self._column!r} to join labels by;"
            f" it has {has}"
        )

    @property
    def _ledger_key(self) -> str:
        return f"{self._model.id}:L:{FORMAT}"

    def _ledger(self) -> Ledger:
        """What was joined so far, nothing where it was joined in another way."""
        body = self._cache.get([self._ledger_key]).get(self._ledger_key)
        ledger = Ledger() if body is None else msgspec.json.decode(body, type=Ledger)
        return ledger if ledger.id == self._way else Ledger()

    @property
    def _way(self) -> str:
        """Names what the join depends on beside the files."""
        return repr((FORMAT, self._column, self._labels.key, self._labels.target, self._numeric))

    def _brought_up_to_date(self, before: Ledger, logs: Sequence[Footer], labels: Sequence[Footer]) -> Ledger:
        """Joins what is new."""
        now = [footer.file.fingerprint for footer in labels]
        known = set(before.files)
        if not known <= set(now) or not self._are_kept(before):
            before, known = Ledger(), set()
        arrived = [footer for footer in labels if footer.file.fingerprint not in known]
        current = [footer for footer in logs if footer.file.fingerprint in before.logs]
        new = [footer for footer in logs if footer.file.fingerprint not in before.logs]
        joined = {footer.file.fingerprint: before.logs[footer.file.fingerprint] for footer in current}
        if not arrived and not new:
            return replace(before, logs=joined)
        key, words = self._key(logs, labels), self._vocabulary(labels, before.classes or ())
        counts = LabelCounts()
        if new and labels:
            index = self._index(labels, key, words)
            for footer in [*new, *(current if arrived else [])]:
                found = index.labels_of(self._connection, footer, self._column)
                joined[footer.file.fingerprint] = self._keep(footer, found.labels, found.ids)
            counts = index.counts
        elif labels:
            index = self._index(arrived, key, words)
            for footer in current:
                self._overlay(index, footer, joined)
            counts = before.counts + index.counts
        return Ledger(
            files=tuple(now),
            logs=joined,
            classes=words.classes,
            counts=counts,
            id=self._way,
        )

    def _are_kept(self, ledger: Ledger) -> bool:
        """Whether the cache still has every labels' body that a ledger speaks of."""
        keys = [labels_key(self._model.id, file, name) for file, name in ledger.names.items()]
        return len(self._cache.present(keys)) == len(keys)

    def _key(self, logs: Sequence[Footer], labels: Sequence[Footer]) -> Key:
        log_types = [dict(footer.columns)[self._column] for footer in logs]
        label_types = [kind for footer in labels for name, kind in footer.columns if name == self._labels.key]
        return key_of(log_types, label_types)

    def _vocabulary(self, labels: Sequence[Footer], known: Sequence[str]) -> Vocabulary:
        for footer in labels:
            for name in (self._labels.key, self._labels.target):
                if name not in dict(footer.columns):
                    has = ", ".join(name for name, _ in footer.columns)
                    raise UserError(
                        f"models.{self._model.id}.labels: {footer.path} has no column {name!r}; it has {has}"
                    )
        if not labels:
            return Vocabulary(classes=None if self._numeric else tuple(known))
        return vocabulary(self._connection, labels, self._labels.target, known, self._numeric)

    def _index(self, labels: Sequence[Footer], key: Key, words: Vocabulary) -> LabelIndex:
        return LabelIndex(self._connection, labels, key, self._labels.key, self._labels.target, words)

    def _overlay(self, index: LabelIndex, footer: Footer, joined: dict[str, JoinedFile]) -> None:
        """Adds labels that arrived to those of a log file."""
        found = index.labels_of(self._connection, footer, self._column)
        if not found.ids:
            return
        file = footer.file.fingerprint
        key = labels_key(self._model.id, file, joined[file].name)
        before = unpacked_labels(self._cache.get([key])[key], self._numeric)
        joined[file] = self._keep(footer, overlaid(before, found.labels), joined[file].ids + found.ids)

    def _keep(self, footer: Footer, labels: NDArray[Any], ids: int) -> JoinedFile:
        """Keeps the labels of a log file."""
        name = hashlib.blake2b(labels.tobytes(), digest_size=8).hexdigest()
        self._cache.put({labels_key(self._model.id, footer.file.fingerprint, name): packed_labels(labels)})
        return JoinedFile(name=name, ids=ids, conflicts=int(is_conflicting(labels).sum()))

    def _notes(self, ledger: Ledger) -> Iterator[DataNote]:
        """What a person should know of the join."""
        place = self._labels.paths[0] if len(self._labels.paths) == 1 else f"{len(self._labels.paths)} label paths"
        counts = ledger.counts
        matched = sum(joined.ids for joined in ledger.logs.values())
        conflicts = sum(joined.conflicts for joined in ledger.logs.values())
        unmatched = max(0, counts.ids - matched)
        texts: tuple[tuple[str, int, str], ...] = (
            ("labels_unmatched", unmatched, "labels have an id that no row of the log has"),
            ("labels_duplicated", counts.duplicates, "labels repeat an id with the same label and count once"),
            (
                "labels_conflicting",
                conflicts,
                "rows of the log have an id with different labels and count as unlabelled",
            ),
            ("labels_empty", counts.empty, "rows of the label files have no id or no label"),
        )
        if counts.ids and not matched:
            text = (
                f"none of the {counts.ids:,} labels has an id of the log:"
                f" are {self._labels.key!r} and {self._column!r} the same ids?"
            )
            yield DataNote(level=NoteLevel.WARNING, code="labels_unmatched", place=place, text=text, count=unmatched)
            texts = texts[1:]
        for code, count, text in texts:
            if count:
                level = NoteLevel.WARNING if code == "labels_conflicting" else NoteLevel.NOTICE
                yield DataNote(level=level, code=code, place=place, text=f"{count:,} {text}", count=count)
