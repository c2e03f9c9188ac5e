"""Alerts in the archive, and what people do with them; each alert has a log of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.store.encoding import instant_of, instant_text, optional_instant, optional_text
from mlops_desk.store.series import series_key

_COLUMNS = """fingerprint, severity, state, opened_chunk, last_chunk, opened_start, last_start, chunks, value, "limit",
    opened_at, changed_at, changed_by, note, silenced_until"""
_SELECTED = f"""a.id, m.name, s.family, s.metric, s.convention, s."column", s."group", s.class, s.segment,
    {", ".join("a." + name.strip() for name in _COLUMNS.split(","))}
    from alert a join series s on s.id = a.series join model m on m.id = s.model"""


class AlertEvent(Struct, frozen=True, kw_only=True):
    """A line of an alert's log.

    Attributes
    ----------
    kind : opened, escalated, eased, acknowledged, silenced, lapsed (a silence that ended) or resolved. actor : who did it, None for an evaluation.
    """

    at: datetime
    kind: str
    actor: str | None = None
    text: str | None = None


def alerts(
    connection: sqlite3.Connection,
    *,
    model: str | None = None,
    states: Collection[AlertState] | None = None,
    now: datetime | None = None,
) -> tuple[Alert, ...]:
    """Alerts, the latest first, of one model or all, in some states or any; with `now`, silences that are over read as firing."""
    rows = connection.execute(f"select {_SELECTED} where ? is null or m.name = ? order by a.id desc", (model, model))
    found = (_alert(row) for row in rows)
    if now is not None:
        found = (lapsed(alert, now) for alert in found)
    return tuple(alert for alert in found if states is None or alert.state in states)


def alert(connection: sqlite3.Connection, number: int) -> Alert:
    """The alert of a number; raises UserError if there is none."""
    row = connection.execute(f"select {_SELECTED} where a.id = ?", (number,)).fetchone()
    if row is None:
        raise UserError(f"there is no alert {number}: `mlops-desk alerts` lists them")
    return _alert(row)


def standing_alerts(connection: sqlite3.Connection, model: str, now: datetime) -> tuple[Alert, ...]:
    """A model's open alerts, and the latest of a fingerprint if it is resolved and its silence lasts, in the order of their numbers."""
    rows = connection.execute(
        f"""select {_SELECTED} where m.name = ? and (a.state <> 'resolved' or (a.silenced_until > ?
        and not exists (select 1 from alert b where b.fingerprint = a.fingerprint and b.id > a.id))) order by a.id""",
        (model, instant_text(now)),
    )
    return tuple(_alert(row) for row in rows)


def lapsed(alert: Alert, now: datetime) -> Alert:
    """The alert with a silence that is over taken off."""
    if alert.state is AlertState.SILENCED and alert.silenced_until is not None and alert.silenced_until <= now:
        return replace(alert, state=AlertState.FIRING, silenced_until=None)
    return alert


def insert_alert(connection: sqlite3.Connection, series: int, new: Alert) -> Alert:
    """Stores a new alert and returns it with its number."""
    marks = ", ".join("?" * (len(_COLUMNS.split(",")) + 1))
    cursor = connection.execute(f"insert into alert (series, {_COLUMNS}) values ({marks})", (series, *_row(new)))
    number = int(cursor.lastrowid or 0)
    add_event(connection, number, AlertEvent(at=new.opened_at, kind="opened"))
    return replace(new, id=number)


def update_alert(connection: sqlite3.Connection, series: int, changed: Alert) -> None:
    """Stores an alert in place of what its number stands for."""
    names = ", ".join(f"{name.strip()} = ?" for name in _COLUMNS.split(","))
    connection.execute(f"update alert set series = ?, {names} where id = ?", (series, *_row(changed), changed.id))


def acknowledge(connection: sqlite3.Connection, number: int, by: str, at: datetime, note: str | None) -> Alert:
    """Marks an open alert as seen by somebody; raises UserError if there is none or it is resolved."""
    before = _open(connection, number)
    return _changed(
        connection,
        replace(
            before,
            state=AlertState.ACKNOWLEDGED,
            silenced_until=None,
            changed_at=at,
            changed_by=by,
            note=note or before.note,
        ),
        AlertEvent(at=at, kind="acknowledged", actor=by, text=note),
    )


def silence(
    connection: sqlite3.Connection, number: int, until: datetime, by: str, at: datetime, note: str | None
) -> Alert:
    """Keeps an open alert quiet until an instant; raises UserError if there is none, it is resolved, or the instant is past."""
    before = _open(connection, number)
    if until <= at:
        raise UserError(f"alert {number} cannot be silenced until {until.isoformat()}: that is past")
    return _changed(
        connection,
        replace(
            before,
            state=AlertState.SILENCED,
            silenced_until=until,
            changed_at=at,
            changed_by=by,
            note=note or before.note,
        ),
        AlertEvent(at=at, kind="silenced", actor=by, text=note),
    )


def add_event(connection: sqlite3.Connection, number: int, event: AlertEvent) -> None:
    """Adds a line to an alert's log."""
    connection.execute(
        "insert into alert_event (alert, at, kind, actor, text) values (?, ?, ?, ?, ?)",
        (number, instant_text(event.at), event.kind, event.actor, event.text),
    )


def alert_events(connection: sqlite3.Connection, number: int) -> tuple[AlertEvent, ...]:
    """An alert's log, the earliest line first."""
    rows = connection.execute("select at, kind, actor, text from alert_event where alert = ? order by id", (number,))
    return tuple(AlertEvent(at=instant_of(at), kind=kind, actor=actor, text=text) for at, kind, actor, text in rows)


def _open(connection: sqlite3.Connection, number: int) -> Alert:
    found = alert(connection, number)
    if found.state is AlertState.RESOLVED:
        raise UserError(f"alert {number} is resolved already: `mlops-desk alerts` lists the open ones")
    return found


def _changed(connection: sqlite3.Connection, after: Alert, event: AlertEvent) -> Alert:
    connection.execute(
        "update alert set state = ?, changed_at = ?, changed_by = ?, note = ?, silenced_until = ? where id = ?",
        (
            after.state,
            instant_text(after.changed_at),
            after.changed_by,
            after.note,
            optional_text(after.silenced_until),
            after.id,
        ),
    )
    add_event(connection, after.id, event)
    return after


def _row(alert: Alert) -> tuple[object, ...]:
    return (
        alert.fingerprint,
        alert.severity,
        alert.state,
        alert.opened_chunk,
        alert.last_chunk,
        optional_text(alert.opened_start),
        optional_text(alert.last_start),
        alert.chunks,
        alert.value,
        alert.limit,
        instant_text(alert.opened_at),
        instant_text(alert.changed_at),
        alert.changed_by,
        alert.note,
        optional_text(alert.silenced_until),
    )


def _alert(row: tuple[Any, ...]) -> Alert:
    number, model, *key, fingerprint, severity, state, opened_chunk, last_chunk = row[:14]
    opened_start, last_start, chunks, value, limit, opened_at, changed_at, changed_by, note, silenced_until = row[14:]
    return Alert(
        id=number,
        fingerprint=fingerprint,
        model=model,
        key=series_key(*key),
        severity=Severity(severity),
        state=AlertState(state),
        opened_chunk=opened_chunk,
        last_chunk=last_chunk,
        opened_start=optional_instant(opened_start),
        last_start=optional_instant(last_start),
        chunks=chunks,
        value=value,
        limit=limit,
        opened_at=instant_of(opened_at),
        changed_at=instant_of(changed_at),
        changed_by=changed_by,
        note=note,
        silenced_until=optional_instant(silenced_until),
    )
