"""The runs of a workspace as their folders `.desk/runs/<id>` tell them: who gets the next id, and what each run has come to.

That a run is lost is never written down but found out anew each time: nobody who should carry it is alive, and state.json names no end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import join, quote
from typing import IO

from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import RunState
from mlops_desk.retraining.process_tree import alive, place, restarted_since
from mlops_desk.retraining.run_folder import Record, RunFolder

_TAKE_OVER_SECONDS = 10.0
_SILENCE_SECONDS = 600.0
"""How long the supervisor of another machine may be silent before its run counts as lost; it shows every 30 s that it lives."""


def runs_folder(folder: Path) -> Path:
    """Where the runs of a workspace lie."""
    return folder.absolute() / ".desk" / "runs"


def run_folder_of(folder: Path, id: int) -> RunFolder:
    """The folder of a run of that id, which need not exist."""
    return RunFolder(path=runs_folder(folder) / str(id))


def next_id(folder: Path) -> int:
    """One more than the highest id so far."""
    return max(_ids(folder), default=0) + 1


def allocated(folder: Path) -> tuple[int, RunFolder]:
    """A new id and its empty folder, which is nobody else's: the file system makes a folder only once."""
    number = next_id(folder)
    while True:
        run_folder = run_folder_of(folder, number)
        try:
            run_folder.path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return number, run_folder


@contextmanager
def admission(folder: Path) -> Iterator[None]:
    """Keeps others out while it is decided whether a run may start, until that run is recorded; raises UserError where none can be."""
    path = runs_folder(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with (path / "lock").open("ab") as stream:
            _lock(stream)  # the system takes the lock back when the file is closed, also by a kill
            yield
    except OSError as error:
        raise UserError(f"no run can be recorded in {path}: {error.strerror or error}") from error


def records(folder: Path) -> Iterator[Record]:
    """Each run as it is now, the oldest first; a folder without state.json is one whose run is being recorded, or never was.

    Runs that cannot be read are passed over: `unreadable` tells of them.
    """
    for number in _ids(folder):
        run_folder = run_folder_of(folder, number)
        record = None
        with suppress(UserError):
            found = run_folder.read_record()
            record = None if found is None else _current(run_folder, found)
        if record is not None:
            yield record


def unreadable(folder: Path) -> dict[int, str]:
    """Why runs cannot be read, by their ids."""
    reasons = {}
    for number in _ids(folder):
        try:
            run_folder_of(folder, number).read_record()
        except UserError as error:
            reasons[number] = str(error)
    return reasons


def record_of(folder: Path, id: int) -> tuple[RunFolder, Record]:
    """One run as it is now; raises UserError where there is none of that id."""
    run_folder = run_folder_of(folder, id)
    record = run_folder.read_record()
    if record is None:
        known = _ids(folder)
        there = f"its runs are {known[0]} to {known[-1]}" if known else "it has no runs yet"
        raise UserError(f"there is no run {id} in {folder}: {there}")
    return run_folder, _current(run_folder, record)


def command_runs(record: Record) -> bool:
    """Whether the command of a run is known to be running on this machine."""
    return record.command is not None and record.place == place() and alive(record.command)


def _ids(folder: Path) -> list[int]:
    try:
        names = [entry.name for entry in runs_folder(folder).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit() and not name.startswith("0"))


def _current(run_folder: RunFolder, record: Record) -> Record:
    if record.run.state.final or _carried(run_folder, record):
        return record
    # Who carried it may have written the end, or handed it over, just before it went.
    latest = run_folder.read_record() or record
    if latest.run.state.final or latest.supervisor != record.supervisor:
        return latest
    return replace(latest, run=replace(latest.run, state=RunState.LOST, outcome=_loss(run_folder, latest)))


def _carried(run_folder: RunFolder, record: Record) -> bool:
    if record.place != place():
        return run_folder.seconds_since_beat() < _SILENCE_SECONDS
    if record.supervisor is not None:
        return alive(record.supervisor)
    return alive(record.starter) or run_folder.seconds_since_beat() < _TAKE_OVER_SECONDS


def _loss(run_folder: RunFolder, record: Record) -> str:
    if record.place != place():
        return f"Lost: its supervisor on {record.place.split()[0]} has not shown for more than 10 min that it lives"
    if record.supervisor is None:
        return "Lost: the program that asked for it ended before the run was under way"
    if restarted_since(record.supervisor):
        return "Lost: the machine was restarted while it ran"
    killed = f"Lost: its supervisor (process {record.supervisor.pid}) was killed, so how the run ended is not known"
    if not command_runs(record) or record.command is None:
        return f"{killed}; its command is not running any more"
    workspace = quote(str(run_folder.path.parents[2]))
    named = f"process {record.command.pid}, {join(record.run.command)[:200]}"
    return f"{killed}; its command is still running ({named}): `mlops-desk cancel {workspace} {record.run.id}` ends it"


def _lock(stream: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX)
