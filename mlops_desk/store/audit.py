"""The audit chain: who did what, in rows that can only be added, each sealed with the SHA-256 of the row before and of itself.

A row's hash is of the previous hash, a line break and the row in canonical JSON. Whoever changes, removes or inserts a row by force breaks the
chain there; SQLite's own count of the rows ever added shows a chain cut off at its end.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from mlops_desk.store.encoding import canonical_json, instant_of, instant_text

GENESIS = "0" * 64
"""Stands for the hash before the first row."""

Detail = Mapping[str, str | int | float | bool | None]


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One row of the chain.

    Attributes
    ----------
    seq : counts up from 1. actor : user name, or the trigger. action : such as `run.requested`. detail : what a reader needs besides.
    """

    seq: int
    at: datetime
    actor: str
    action: str
    model: str | None
    detail: Detail
    hash: str


class AuditBreak(Struct, frozen=True, kw_only=True):
    """Where the chain does not hold: the first row concerned, and what is wrong with it."""

    seq: int
    text: str


def append(
    connection: sqlite3.Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    model: str | None = None,
    detail: Detail | None = None,
) -> AuditEntry:
    """Adds a row to the chain; inside a write transaction, so that nobody adds another one meanwhile."""
    last = connection.execute("select seq, hash from audit order by seq desc limit 1").fetchone()
    previous = GENESIS if last is None else last[1]
    seq = _ever_added(connection) + 1
    text = canonical_json(detail or {})
    digest = _sealed(previous, seq, instant_text(at), actor, action, model, text)
    connection.execute(
        "insert into audit (seq, at, actor, action, model, detail, previous, hash) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (seq, instant_text(at), actor, action, model, text, previous, digest),
    )
    return AuditEntry(seq=seq, at=at, actor=actor, action=action, model=model, detail=dict(detail or {}), hash=digest)


def entries(connection: sqlite3.Connection, limit: int | None = None) -> tuple[AuditEntry, ...]:
    """The chain, the latest row first."""
    rows = connection.execute(
        "select seq, at, actor, action, model, detail, hash from audit order by seq desc limit ?",
        (-1 if limit is None else limit,),
    )
    return tuple(
        AuditEntry(
            seq=seq, at=instant_of(at), actor=actor, action=action, model=model, detail=json.loads(detail), hash=digest
        )
        for seq, at, actor, action, model, detail, digest in rows
    )


def first_break(connection: sqlite3.Connection) -> AuditBreak | None:
    """The first row at which the chain does not hold, None if all of it does."""
    expected, previous = 1, GENESIS
    for seq, at, actor, action, model, detail, before, digest in connection.execute(
        "select seq, at, actor, action, model, detail, previous, hash from audit order by seq"
    ):
        if seq != expected:
            return AuditBreak(seq=expected, text=f"row {expected} is missing")
        if before != previous:
            return AuditBreak(seq=seq, text=f"row {seq} does not follow row {seq - 1}")
        if digest != _sealed(before, seq, at, actor, action, model, detail):
            return AuditBreak(seq=seq, text=f"row {seq} was changed after it was written")
        expected, previous = seq + 1, digest
    if expected <= _ever_added(connection):
        return AuditBreak(seq=expected, text=f"row {expected} is missing")
    return None


def _ever_added(connection: sqlite3.Connection) -> int:
    row = connection.execute("select seq from sqlite_sequence where name = 'audit'").fetchone()
    return 0 if row is None else int(row[0])


def _sealed(previous: str, *row: object) -> str:
    return hashlib.sha256(f"{previous}\n{canonical_json(row)}".encode()).hexdigest()
