"""What one evaluation of a model writes: everything in one transaction, so that a crash leaves what was stored before.

A value is named by (model, split, chunk key, series); the ledger decides which values differ from what is stored.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from mlops_desk.domain.metric import Detection, Family, MetricValue
from mlops_desk.domain.overview import DataNote
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert
from mlops_desk.store import alerts, chunks, records, values
from mlops_desk.store.detections import drop_detections, write_detections
from mlops_desk.store.distributions import Histogram, drop_distributions, write_histograms
from mlops_desk.store.ledger import ValueLedger
from mlops_desk.store.records import LogSummary, ValueCounts
from mlops_desk.store.series import SeriesIndex, intern_model


class EvaluationWriter:
    """What one evaluation of one model stores; made by `Store.evaluation`, whose block is the transaction.

    First `replace_chunks` of both splits, then the values, then the rest in any order, and `conclude` at the end.
    """

    def __init__(self, connection: sqlite3.Connection, model: str, inputs_hash: str, now: datetime) -> None:
        self.model = model
        self._connection = connection
        self._model = intern_model(connection, model)
        self._series = SeriesIndex(connection, self._model)
        self._chunks = chunks.chunk_numbers(connection, self._model)
        self.id = records.begin_record(connection, self._model, inputs_hash, now)
        self._ledger = ValueLedger(connection, self.id)

    @property
    def value_counts(self) -> ValueCounts:
        """How many values were added, changed and removed so far."""
        return ValueCounts(added=self._ledger.added, changed=self._ledger.changed, removed=self._ledger.removed)

    def replace_chunks(
        self, split: Split | str, now: Sequence[Chunk], fingerprints: Mapping[str, str] | None = None
    ) -> None:
        """Makes these the chunks of a split, in time order; the values of those that are gone move to the history.

        `fingerprints` says by chunk key from what input a chunk is computed; a chunk that it leaves out keeps the one it has.
        """
        gone = chunks.write_chunks(self._connection, self._model, str(split), now, fingerprints or {})
        for chunk in gone:
            self._ledger.remove_all(chunk)
        drop_distributions(self._connection, gone)
        drop_detections(self._connection, gone)
        self._chunks = chunks.chunk_numbers(self._connection, self._model)

    def write_values(self, produced: Sequence[MetricValue]) -> None:
        """Stores values of chunks that the splits hold now; raises KeyError for any other."""
        self._ledger.write(produced, self._chunks, self._series.number)

    def remove_stale(
        self, split: Split | str, chunk_keys: Iterable[str], families: Collection[Family] | None = None
    ) -> None:
        """Moves to the history what chunks still hold but this evaluation did not produce for them; only of `families` where given."""
        among = None if families is None else self._series.numbers(families)
        for chunk_key in chunk_keys:
            self._ledger.remove_stale(self._chunks[str(split), chunk_key], among)

    def write_distributions(self, histograms: Sequence[Histogram]) -> None:
        """Stores the display histograms of columns for some chunks; those of other chunks stay while their bins do."""
        write_histograms(self._connection, self._model, self._chunks, histograms)

    def write_detections(self, evaluated: Iterable[Chunk], detections: Iterable[Detection]) -> None:
        """Stores where detectors signalled in the chunks that were evaluated, in place of what these had."""
        names = [(str(chunk.split), chunk.key) for chunk in evaluated]
        write_detections(self._connection, self._chunks, names, detections, self._series.number)

    def write_notes(self, notes: Sequence[DataNote]) -> None:
        """Stores what a person should know about the data, in this order."""
        records.write_notes(self._connection, self.id, notes)

    def conclude(self, finished: datetime, log: LogSummary) -> None:
        """Stores when the evaluation ended, what it saw of the log and how many values it changed."""
        records.end_record(self._connection, self.id, finished, log, self.value_counts)

    def chunks(self, split: Split | str) -> tuple[Chunk, ...]:
        """The chunks of a split as they are in this transaction."""
        return chunks.chunks(self._connection, self._model, str(split))

    def trailing_breaches(self) -> tuple[MetricValue, ...]:
        """The analysis values judged warning or alert since the latest ok of their series, series by series and in time order."""
        return values.trailing_breaches(self._connection, self._model)

    def standing_alerts(self, now: datetime) -> tuple[Alert, ...]:
        """The model's open alerts, and the resolved ones whose silence lasts beyond `now`."""
        return alerts.standing_alerts(self._connection, self.model, now)

    def open_alert(self, alert: Alert) -> Alert:
        """Stores a new alert and returns it with its number."""
        return alerts.insert_alert(self._connection, self._series.number(alert.key), alert)

    def update_alert(self, alert: Alert, at: datetime, event: str | None = None) -> None:
        """Stores what became of an alert; `event` names it in the alert's log, None where it is not worth a line."""
        alerts.update_alert(self._connection, self._series.number(alert.key), alert)
        if event is not None:
            alerts.add_event(self._connection, alert.id, alerts.AlertEvent(at=at, kind=event))
