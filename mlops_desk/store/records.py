"""What the archive remembers of each evaluation: when, on what input, what it saw of the log, what it changed, and its notes on the data."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.store.encoding import canonical_json, instant_of, instant_text, optional_instant, optional_text


class LogSummary(Struct, frozen=True, kw_only=True):
    """What an evaluation saw of the log as a whole.

    Attributes
    ----------
    rows : of the whole log. rows_scanned : of the files that were read this time. seconds : wall time of the evaluation.
    newest_row : latest timestamp. versions : model versions that the log names, the latest last. reference_text : the reference in words.
    """

    rows: int = 0
    rows_scanned: int = 0
    seconds: float = 0.0
    newest_row: datetime | None = None
    versions: tuple[str, ...] = ()
    reference_text: str = ""


class ValueCounts(Struct, frozen=True, kw_only=True):
    """How many values an evaluation added, changed and removed."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class EvaluationRecord(Struct, frozen=True, kw_only=True):
    """One evaluation of one model as it is stored; `inputs_hash` names the state of everything that it was computed from."""

    id: int
    model: str
    started: datetime
    finished: datetime | None
    inputs_hash: str
    log: LogSummary
    values: ValueCounts


def begin_record(connection: sqlite3.Connection, model: int, inputs_hash: str, started: datetime) -> int:
    """Adds the record of an evaluation and returns its number."""
    cursor = connection.execute(
        "insert into evaluation (model, started, inputs_hash) values (?, ?, ?)",
        (model, instant_text(started), inputs_hash),
    )
    return int(cursor.lastrowid or 0)


def end_record(
    connection: sqlite3.Connection, number: int, finished: datetime, log: LogSummary, values: ValueCounts
) -> None:
    """Completes the record of an evaluation."""
    connection.execute(
        """update evaluation set finished = ?, rows_scanned = ?, seconds = ?, log_rows = ?, newest_row = ?, versions = ?,
        reference_text = ?, values_added = ?, values_changed = ?, values_removed = ? where id = ?""",
        (
            instant_text(finished),
            log.rows_scanned,
            log.seconds,
            log.rows,
            optional_text(log.newest_row),
            canonical_json(log.versions),
            log.reference_text,
            values.added,
            values.changed,
            values.removed,
            number,
        ),
    )


def last_record(connection: sqlite3.Connection, model: int, name: str) -> EvaluationRecord | None:
    """The record of a model's latest evaluation."""
    row = connection.execute(
        """select id, started, finished, inputs_hash, log_rows, rows_scanned, seconds, newest_row, versions, reference_text,
        values_added, values_changed, values_removed from evaluation where model = ? order by id desc limit 1""",
        (model,),
    ).fetchone()
    if row is None:
        return None
    number, started, finished, inputs_hash, *log, added, changed, removed = row
    log_rows, rows_scanned, seconds, newest_row, versions, reference_text = log
    return EvaluationRecord(
        id=number,
        model=name,
        started=instant_of(started),
        finished=optional_instant(finished),
        inputs_hash=inputs_hash,
        log=LogSummary(
            rows=log_rows,
            rows_scanned=rows_scanned,
            seconds=seconds,
            newest_row=optional_instant(newest_row),
            versions=tuple(json.loads(versions)),
            reference_text=reference_text,
        ),
        values=ValueCounts(added=added, changed=changed, removed=removed),
    )


def write_notes(connection: sqlite3.Connection, evaluation: int, notes: Sequence[DataNote]) -> None:
    """Makes these the notes of an evaluation, in this order."""
    connection.execute("delete from note where evaluation = ?", (evaluation,))
    connection.executemany(
        "insert into note (evaluation, position, level, code, place, text, count) values (?, ?, ?, ?, ?, ?, ?)",
        [(evaluation, i, note.level, note.code, note.place, note.text, note.count) for i, note in enumerate(notes)],
    )


def last_notes(connection: sqlite3.Connection, model: int) -> tuple[DataNote, ...]:
    """The notes of a model's latest evaluation."""
    rows = connection.execute(
        """select level, code, place, text, count from note
        where evaluation = (select max(id) from evaluation where model = ?) order by position""",
        (model,),
    )
    return tuple(
        DataNote(level=NoteLevel(level), code=code, place=place, text=text, count=count)
        for level, code, place, text, count in rows
    )


def any_between(connection: sqlite3.Connection, start: datetime, end: datetime) -> bool:
    """Whether any evaluation began from `start` on and before `end`."""
    between = (instant_text(start), instant_text(end))
    found = connection.execute(
        "select 1 from evaluation where started >= ? and started < ? limit 1", between
    ).fetchone()
    return found is not None


def prune(connection: sqlite3.Connection, before: datetime) -> int:
    """Forgets values superseded before an instant, and notes as old unless they are a model's latest; returns how many values."""
    first_kept = connection.execute(
        "select coalesce(min(id), (select max(id) + 1 from evaluation), 0) from evaluation where started >= ?",
        (instant_text(before),),
    ).fetchone()[0]
    earliest = connection.execute("select superseded_by from former_value order by rowid limit 1").fetchone()
    forgotten = 0
    if (
        earliest is not None and earliest[0] < first_kept
    ):  # rows lie in the order of superseded_by: mostly one look is enough
        forgotten = connection.execute("delete from former_value where superseded_by < ?", (first_kept,)).rowcount
    connection.execute(
        "delete from note where evaluation < ? and evaluation not in (select max(id) from evaluation group by model)",
        (first_kept,),
    )
    return forgotten
