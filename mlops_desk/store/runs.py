"""Retraining runs as the archive remembers them; while a run lives, its folder under .desk/runs is the truth."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.store.encoding import canonical_json, instant_of, instant_text, optional_instant, optional_text

_COLUMNS = "id, model, state, asked_by, reason, command, requested_at, started_at, finished_at, exit_code, outcome"


def create_run(
    connection: sqlite3.Connection,
    *,
    model: str,
    asked_by: str,
    reason: str,
    command: Sequence[str],
    requested_at: datetime,
) -> RetrainingRun:
    """Stores a run that is about to start, under a number of its own."""
    cursor = connection.execute(
        "insert into run (model, state, asked_by, reason, command, requested_at) values (?, ?, ?, ?, ?, ?)",
        (model, RunState.STARTING, asked_by, reason, canonical_json(list(command)), instant_text(requested_at)),
    )
    return run(connection, int(cursor.lastrowid or 0))


def save_run(connection: sqlite3.Connection, changed: RetrainingRun) -> None:
    """Stores a run in place of what its number stands for; raises UserError if it was never created."""
    run(connection, changed.id)
    connection.execute(
        """update run set state = ?, reason = ?, command = ?, started_at = ?, finished_at = ?, exit_code = ?, outcome = ? where id = ?""",
        (
            changed.state,
            changed.reason,
            canonical_json(changed.command),
            optional_text(changed.started_at),
            optional_text(changed.finished_at),
            changed.exit_code,
            changed.outcome,
            changed.id,
        ),
    )


def runs(
    connection: sqlite3.Connection, model: str | None = None, limit: int | None = None
) -> tuple[RetrainingRun, ...]:
    """Runs of a model or of all, the latest first."""
    rows = connection.execute(
        f"select {_COLUMNS} from run where ? is null or model = ? order by id desc limit ?",
        (model, model, -1 if limit is None else limit),
    )
    return tuple(_run(row) for row in rows)


def run(connection: sqlite3.Connection, number: int) -> RetrainingRun:
    """The run of a number; raises UserError if there is none."""
    row = connection.execute(f"select {_COLUMNS} from run where id = ?", (number,)).fetchone()
    if row is None:
        raise UserError(f"there is no run {number}: `mlops-desk runs` lists them")
    return _run(row)


def _run(row: tuple[Any, ...]) -> RetrainingRun:
    number, model, state, asked_by, reason, command, requested_at, started_at, finished_at, exit_code, outcome = row
    return RetrainingRun(
        id=number,
        model=model,
        state=RunState(state),
        asked_by=asked_by,
        reason=reason,
        command=tuple(json.loads(command)),
        requested_at=instant_of(requested_at),
        started_at=optional_instant(started_at),
        finished_at=optional_instant(finished_at),
        exit_code=exit_code,
        outcome=outcome,
    )
