"""What several commands do with a workspace: open it, and tell its alerts and the notes on its data in words and in JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from mlops_desk import theme
from mlops_desk.cli.terminal import PROGRAM, Terminal
from mlops_desk.domain.metric import SeriesKey
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.threshold import Alert, AlertState
from mlops_desk.workspace import Workspace

OPEN = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)
WIDE_COLUMNS = 120
SEVERITY_MARKS = {"alert": "■", "warning": "▲"}

Json = Mapping[str, object]


def opened(arguments: argparse.Namespace) -> Workspace:
    """The workspace that a command names."""
    return Workspace.open(arguments.workspace)


def chosen_models(workspace: Workspace, arguments: argparse.Namespace) -> tuple[str, ...]:
    """The models that a command is about: the one it names, else all."""
    if arguments.model is not None:
        return (workspace.model(arguments.model).id,)
    return tuple(model.id for model in workspace.desk.models)


def program_word() -> str:
    """How this program is called in a shell here: by its name where the shell finds it, else by its place."""
    import shlex
    import shutil

    called = Path(sys.argv[0])
    found = shutil.which(PROGRAM)
    if called.stem != PROGRAM or (found is not None and Path(found).resolve() == called.resolve()):
        return PROGRAM
    return shlex.quote(str(called))


def shell_word(path: Path) -> str:
    """A path as it is typed in a shell, the shorter of absolute and relative to the current folder."""
    import shlex

    here = Path.cwd()
    near = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    return shlex.quote(near)


def alert_table(terminal: Terminal, workspace: Workspace, alerts: Sequence[Alert], *, models: bool = True) -> None:
    """Writes alerts as a table; a narrow terminal gets fewer columns."""
    from mlops_desk.reporting.naming import chunk_key_text, series_title, value_text

    wide = terminal.columns >= WIDE_COLUMNS
    zones = {model.id: model.chunks.timezone for model in workspace.desk.models}
    head = ("id", "", "since", *(("to", "chunks") if wide else ()), "value", "limit", "state")
    head = (*head, *(("model",) if models else ()), "what")
    rows = []
    for alert in alerts:
        zone = zones.get(alert.model, "UTC")
        rows.append(
            (
                str(alert.id),
                f"{SEVERITY_MARKS[alert.severity]} {alert.severity}",
                chunk_key_text(alert.opened_chunk, alert.opened_start, zone),
                *((chunk_key_text(alert.last_chunk, alert.last_start, zone), str(alert.chunks)) if wide else ()),
                value_text(alert.key, alert.value),
                value_text(alert.key, alert.limit),
                state_text(alert, zone) if wide else alert.state.value,
                *((alert.model,) if models else ()),
                series_title(alert.key),
            )
        )
    terminal.table(head, rows, right=(0, 4, 5, 6) if wide else (0, 3, 4))


def state_text(alert: Alert, timezone: str) -> str:
    """Where an alert is in its life, and until when."""
    if alert.state is AlertState.SILENCED:
        return f"silenced until {theme.moment_text(alert.silenced_until, timezone)}"
    return alert.state.value


def warn_of_notes(terminal: Terminal, model: str, notes: Iterable[DataNote]) -> None:
    """Tells the troubles with the data; mere notices are left to `check`."""
    for note in notes:
        if note.level is NoteLevel.WARNING:
            terminal.warning(f"{model}: {note.text}")


def note_json(note: DataNote) -> Json:
    """A note for a script."""
    return {"level": note.level, "code": note.code, "place": note.place, "text": note.text, "count": note.count}


def alert_json(alert: Alert) -> Json:
    """An alert for a script."""
    return {
        "id": alert.id,
        "fingerprint": alert.fingerprint,
        "model": alert.model,
        **key_json(alert.key),
        "severity": alert.severity,
        "state": alert.state,
        "opened_chunk": alert.opened_chunk,
        "last_chunk": alert.last_chunk,
        "opened_start": moment_json(alert.opened_start),
        "last_start": moment_json(alert.last_start),
        "chunks": alert.chunks,
        "value": alert.value,
        "limit": alert.limit,
        "opened_at": moment_json(alert.opened_at),
        "changed_at": moment_json(alert.changed_at),
        "changed_by": alert.changed_by,
        "note": alert.note,
        "silenced_until": moment_json(alert.silenced_until),
    }


def key_json(key: SeriesKey) -> Json:
    """What names a series, under the names of the results table."""
    return {
        "family": key.family,
        "metric": key.metric,
        "convention": key.convention,
        "column": key.column,
        "group": key.group,
        "class": key.class_,
        "segment": key.segment,
    }


def moment_json(moment: datetime | None) -> str | None:
    """A moment in ISO 8601."""
    return None if moment is None else moment.isoformat()


def warn_of_runs(terminal: Terminal, workspace: Workspace) -> None:
    """Tells of retraining runs that cannot be read and were left out."""
    for number, reason in workspace.unreadable_runs().items():
        terminal.warning(f"run {number} is left out: {reason}")
