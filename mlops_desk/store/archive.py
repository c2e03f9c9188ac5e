"""The archive as the rooms above use it: one object over one connection, which belongs to the thread that opened it.

Every writing method is a transaction of its own; an evaluation is one for all that it writes, so make it when the values are at hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Self

from mlops_desk.domain.metric import Convention, Detection, Family, MetricValue
from mlops_desk.domain.overview import DataNote
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert, AlertState
from mlops_desk.store import alerts, audit, chunks, detections, distributions, records, series, values
from mlops_desk.store.alerts import AlertEvent
from mlops_desk.store.audit import AuditBreak, AuditEntry, Detail
from mlops_desk.store.connection import connect, explained, journal_mode, store_path, transaction
from mlops_desk.store.distributions import SummedHistogram
from mlops_desk.store.evaluation import EvaluationWriter
from mlops_desk.store.records import EvaluationRecord
from mlops_desk.store.values import ValueTable


class Store:
    """A workspace's archive; close it, or use it as a context."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, *, read_only: bool = False) -> Self:
        """Opens the archive of a workspace folder, made or migrated where that is due; raises UserError where it cannot be."""
        path = store_path(folder)
        return cls(connect(path, read_only=read_only), path)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def journal_mode(self) -> str:
        """`wal`, or what the file system allows instead."""
        return journal_mode(self._connection)

    @contextmanager
    def evaluation(self, model: str, inputs_hash: str, now: datetime) -> Iterator[EvaluationWriter]:
        """A transaction for all that one evaluation of a model stores; leaving it with an error stores nothing."""
        with transaction(self._connection, self.path):
            yield EvaluationWriter(self._connection, model, inputs_hash, now)

    def last_evaluation(self, model: str) -> EvaluationRecord | None:
        """The latest evaluation of a model, None if there was none."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            return None if number is None else records.last_record(self._connection, number, model)

    def notes(self, model: str) -> tuple[DataNote, ...]:
        """What the latest evaluation of a model had to say about the data."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            return () if number is None else records.last_notes(self._connection, number)

    def models(self) -> tuple[str, ...]:
        """Ids of the models that were ever evaluated."""
        with explained(self.path):
            return series.model_names(self._connection)

    def chunks(self, model: str, split: Split | str) -> tuple[Chunk, ...]:
        """The chunks that a split holds now, in time order."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            return () if number is None else chunks.chunks(self._connection, number, str(split))

    def chunk_fingerprints(self, model: str, split: Split | str) -> dict[str, str]:
        """From what input each chunk of a split was last computed, by chunk key."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            return {} if number is None else chunks.chunk_fingerprints(self._connection, number, str(split))

    def values(
        self,
        model: str,
        *,
        family: Family | None = None,
        metric: str | None = None,
        convention: Convention | None = None,
        column: str | EllipsisType | None = ...,
        segment: str | EllipsisType | None = ...,
        split: Split | str | None = None,
    ) -> tuple[MetricValue, ...]:
        """The current values of a model that fit, series by series and in time order; `...` means any column or segment, None those without."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            if number is None:
                return ()
            return values.values(
                self._connection,
                number,
                family=family,
                metric=metric,
                convention=convention,
                column=column,
                segment=segment,
                split=split,
            )

    def value_table(self, models: Collection[str] | None = None) -> ValueTable:
        """The results table of some models, or of all that were ever evaluated, in columns."""
        with explained(self.path):
            return values.value_table(self._connection, models)

    def distribution(
        self,
        model: str,
        column: str,
        split: Split | str,
        chunk_keys: Collection[str] | None = None,
        segment: str | None = None,
    ) -> SummedHistogram | None:
        """A column's histogram over some chunks of a split (None: over all); None if the column has none."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            if number is None:
                return None
            return distributions.summed_histogram(self._connection, number, column, str(split), chunk_keys, segment)

    def detections(self, model: str) -> tuple[Detection, ...]:
        """Where the drift detectors of a model signalled, in the order of rows."""
        with explained(self.path):
            number = series.model_number(self._connection, model)
            return () if number is None else detections.detections(self._connection, number)

    def alerts(
        self,
        *,
        model: str | None = None,
        states: Collection[AlertState] | None = None,
        now: datetime | None = None,
    ) -> tuple[Alert, ...]:
        """Alerts, the latest first, in some states or any; with `now`, silences that are over read as firing."""
        with explained(self.path):
            return alerts.alerts(self._connection, model=model, states=states, now=now)

    def alert_events(self, alert: int) -> tuple[AlertEvent, ...]:
        """An alert's log, the earliest line first; raises UserError if there is no such alert."""
        with explained(self.path):
            alerts.alert(self._connection, alert)
            return alerts.alert_events(self._connection, alert)

    def acknowledge(self, alert: int, *, by: str, at: datetime, note: str | None = None) -> Alert:
        """Marks an open alert as seen by somebody; raises UserError if there is none or it is resolved."""
        with transaction(self._connection, self.path):
            seen = alerts.acknowledge(self._connection, alert, by, at, note)
            detail: Detail = {"alert": alert, "note": note}
            audit.append(
                self._connection, at=at, actor=by, action="alert.acknowledged", model=seen.model, detail=detail
            )
            return seen

    def silence(self, alert: int, *, until: datetime, by: str, at: datetime, note: str | None = None) -> Alert:
        """Keeps an open alert quiet until an instant; raises UserError if there is none, it is resolved, or the instant is past."""
        with transaction(self._connection, self.path):
            quiet = alerts.silence(self._connection, alert, until, by, at, note)
            detail: Detail = {"alert": alert, "until": until.isoformat(), "note": note}
            audit.append(self._connection, at=at, actor=by, action="alert.silenced", model=quiet.model, detail=detail)
            return quiet

    def append_audit(
        self, *, at: datetime, actor: str, action: str, model: str | None = None, detail: Detail | None = None
    ) -> AuditEntry:
        """Adds a row to the audit chain."""
        with transaction(self._connection, self.path):
            return audit.append(self._connection, at=at, actor=actor, action=action, model=model, detail=detail)

    def audit_entries(self, limit: int | None = None) -> tuple[AuditEntry, ...]:
        """The audit chain, the latest row first."""
        with explained(self.path):
            return audit.entries(self._connection, limit)

    def verify_audit(self) -> AuditBreak | None:
        """The first row at which the audit chain does not hold, None if all of it does."""
        with explained(self.path):
            return audit.first_break(self._connection)

    def evaluated_between(self, start: datetime, end: datetime) -> bool:
        """Whether any evaluation that stored something began from one instant on and before another."""
        with explained(self.path):
            return records.any_between(self._connection, start, end)

    def prune(self, now: datetime, keep_days: int) -> int:
        """Forgets superseded values and notes older than `keep_days`; returns how many values."""
        with transaction(self._connection, self.path):
            return records.prune(self._connection, now - timedelta(days=keep_days))
