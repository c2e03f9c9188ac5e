"""Keeps the labels of every log row up to date as label files arrive, and knows which log files they change.

What was joined is kept by log file. Where only label files were added, the log's ids are looked up among the new labels alone; where a file
was removed or rewritten, or the log grew by rows that may have unmatched labels, everything is joined anew, so that counts are always those
of a full join.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Labels, Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.footers import Footer, first_line, unreadable_files
from mlops_desk.warehouse.labels import LabelCounts, LabelIndex, Vocabulary, is_label_type, key_of, vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 4


class Ledger(Struct, frozen=True, kw_only=True):
    """What was joined so far.

    Attributes
    ----------
    files : fingerprints of the label files. logs : name of the labels of each log file, by its fingerprint.
    counts : what became of the rows of the label files.
    """

    files: tuple[str, ...] = ()
    logs: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    counts: LabelCounts = LabelCounts()
    id: str = ""


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


class Labelling(Struct, frozen=True, kw_only=True):
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
        self._check_columns(labels)
        after = self._brought_up_to_date(before, list({one.file.fingerprint: one for one in with_id}.values()), labels)
        self._cache.put({self._ledger_key: msgspec.json.encode(after)})
        self._cache.present(labels_key(self._model.id, file, name) for file, name in after.logs.items())
        joined = JoinedLabels(self._cache, self._model.id, after.logs, self._numeric)
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
        """Joins what is new, or everything where counts could not be those of a full join else."""
        now = tuple(footer.file.fingerprint for footer in labels)
        if not labels:
            return Ledger(id=self._way)
        if not set(before.files) <= set(now) or not self._are_kept(before):
            before = Ledger()
        arrived = [footer for footer in labels if footer.file.fingerprint not in before.files]
        new = [footer for footer in logs if footer.file.fingerprint not in before.logs]
        same_log = not new and len(before.logs) == len(logs)
        if same_log and not arrived:
            return before
        with self._naming_broken([*labels, *logs]):
            if same_log and before.files:
                index, words = self._index(arrived, logs, before)
                names = dict(before.logs) | {
                    footer.file.fingerprint: name for footer in logs if (name := self._overlay(index, footer, before))
                }
                counts = before.counts + index.counts
            else:
                index, words = self._index(labels, logs, before)
                grown = not arrived and len(before.logs) + len(new) == len(logs) and not before.counts.unmatched
                names = {footer.file.fingerprint: self._join(index, footer) for footer in (new if grown else logs)}
                if grown:  # every label had a row before, so that no count changes
                    names, counts = before.logs | names, before.counts
                else:
                    counts = index.counts
        return Ledger(files=now, logs=names, classes=words.classes, counts=counts, id=self._way)

    @contextmanager
    def _naming_broken(self, footers: Sequence[Footer]) -> Iterator[None]:
        """Raises UnreadableFiles for the files because of which the engine fails, UserError where all can be read."""
        from mlops_desk.monitoring.counting import UnreadableFiles

        try:
            yield
        except self._connection.engine_errors as error:
            broken = unreadable_files(self._connection, footers)
            if broken:
                raise UnreadableFiles(broken) from error
            raise UserError(
                f"models.{self._model.id}.labels: the labels cannot be joined: {first_line(error)}"
            ) from error

    def _are_kept(self, ledger: Ledger) -> bool:
        """Whether the cache still has every labels' body that a ledger speaks of."""
        keys = [labels_key(self._model.id, file, name) for file, name in ledger.logs.items()]
        return len(self._cache.present(keys)) == len(keys)

    def _check_columns(self, labels: Sequence[Footer]) -> None:
        """Raises UserError for a label file without the columns that desk.toml names, or with values that are no labels."""
        for footer in labels:
            types, place = dict(footer.columns), f"models.{self._model.id}.labels: {footer.file.shown}"
            for name in (self._labels.key, self._labels.target):
                if name not in types:
                    raise UserError(f"{place} has no column {name!r}; it has {', '.join(types)}")
            kind = types[self._labels.target]
            if not is_label_type(kind, self._numeric):
                wanted = "numbers" if self._numeric else "text, numbers or booleans"
                raise UserError(
                    f"{place}: column {self._labels.target!r} is of type {kind}, which can be no label; write it as {wanted}"
                )

    def _index(self, labels: Sequence[Footer], logs: Sequence[Footer], before: Ledger) -> tuple[LabelIndex, Vocabulary]:
        """Label files to look up in, and what their labels are."""
        words = Vocabulary(classes=None)
        if not self._numeric:
            words = vocabulary(self._connection, labels, self._labels.target, before.classes or ())
        log_types = {dict(footer.columns)[self._column] for footer in logs}
        key = key_of(log_types, {dict(footer.columns)[self._labels.key] for footer in labels})
        return LabelIndex(self._connection, labels, key, self._labels.key, self._labels.target, words), words

    def _join(self, index: LabelIndex, footer: Footer) -> str:
        """Joins and keeps the labels of a log file; returns their name."""
        return self._keep(footer, index.labels_of(self._connection, footer, self._column))

    def _overlay(self, index: LabelIndex, footer: Footer, before: Ledger) -> str | None:
        """Adds labels that arrived to those of a log file; returns their new name, None where none is for it."""
        file = footer.file.fingerprint
        known = JoinedLabels(self._cache, self._model.id, before.logs, self._numeric)
        labels = index.laid_over(self._connection, footer, self._column, lambda: known[file])
        return None if labels is None else self._keep(footer, labels)

    def _keep(self, footer: Footer, labels: NDArray[Any]) -> str:
        """Keeps the labels of a log file and returns their name."""
        name = hashlib.blake2b(labels.tobytes(), digest_size=8).hexdigest()
        key = labels_key(self._model.id, footer.file.fingerprint, name)
        if not self._cache.present([key]):
            self._cache.put({key: packed_labels(labels)})
        return name

    def _notes(self, ledger: Ledger) -> Iterator[DataNote]:
        """What a person should know of the join."""
        place = self._labels.paths[0] if len(self._labels.paths) == 1 else f"{len(self._labels.paths)} label paths"
        counts = ledger.counts
        labels = counts.rows - counts.empty
        texts: tuple[tuple[str, int, str], ...] = (
            ("labels_unmatched", counts.unmatched, "labels have an id that no row of the log has"),
            ("labels_duplicated", counts.duplicates, "labels repeat an id and count once where they agree"),
            ("labels_conflicting", counts.conflicts, "ids have different labels and count as unlabelled"),
            ("labels_empty", counts.empty, "rows of the label files have no id or no label"),
        )
        if labels and counts.unmatched == labels:
            text = (
                f"none of the {labels:,} labels has an id of the log:"
                f" are {self._labels.key!r} and {self._column!r} the same ids?"
            )
            yield DataNote(level=NoteLevel.WARNING, code="labels_unmatched", place=place, text=text, count=labels)
            texts = texts[1:]
        for code, count, text in texts:
            if count:
                level = NoteLevel.WARNING if code == "labels_conflicting" else NoteLevel.NOTICE
                yield DataNote(level=level, code=code, place=place, text=f"{count:,} {text}", count=count)
