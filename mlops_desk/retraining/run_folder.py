"""A run's folder on disk, the only thing that the program that asks for a run and the supervisor that carries it out share.

`spec.json` is what was asked for, written once. `state.json` is the truth about the run, replaced atomically on each change, written
by the program that starts the run until the supervisor takes over and by the supervisor from then on. `output.log` is what the command
printed, always valid UTF-8. `result.json` tells the end to whoever reads the folder without this program. A file `cancel` is the wish
to stop. None of them ever holds the value of a secret or of a variable that was passed on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import RetrainingRun, RunEnvironment, RunState

T = TypeVar("T")
UNKNOWN_PERSON = "somebody"
_SHARING_SECONDS = 2.0


class ProcessIdentity(Struct, frozen=True, kw_only=True):
    """A process that can be told from a later one of the same number: `birth` is when it began, as its system counts."""

    pid: int
    birth: str


class Launch(Struct, frozen=True, kw_only=True):
    """What was asked for: `run` as it was then, the absolute `cwd`, and `mark`, which every process of the run carries in its environment."""

    run: RetrainingRun
    cwd: Path
    timeout_seconds: float | None
    environment: RunEnvironment
    mark: str


class Record(Struct, frozen=True, kw_only=True):
    """What is known about a run, and the processes that carry it.

    Attributes
    ----------
    place : the machine (and process namespace) on which the identities mean anything.
    starter : the program that asked for the run. supervisor, command : None until there is one.
    """

    run: RetrainingRun
    place: str
    starter: ProcessIdentity
    supervisor: ProcessIdentity | None = None
    command: ProcessIdentity | None = None


class RunFolder(Struct, frozen=True, kw_only=True):
    """The folder of one run."""

    path: Path

    @property
    def output(self) -> Path:
        """Where the output of the command goes."""
        return self.path / "output.log"

    @property
    def _state(self) -> Path:
        return self.path / "state.json"

    def discard(self) -> None:
        """Takes the folder of a run away that was never started."""
        shutil.rmtree(self.path, ignore_errors=True)

    def write_launch(self, launch: Launch) -> None:
        """Writes spec.json."""
        spec = {"version": 1, **asdict(launch.run), "cwd": str(launch.cwd), "timeout_seconds": launch.timeout_seconds}
        environment = asdict(launch.environment)
        environment["set"] = dict(launch.environment.set)
        _replace(self.path / "spec.json", _json(spec | {"environment": environment, "mark": launch.mark}))

    def read_launch(self) -> Launch:
        """What spec.json says; raises UserError where it is damaged."""
        file = self.path / "spec.json"
        return _parsed(file, _text(file), _launch)

    def write_record(self, record: Record) -> None:
        """Replaces state.json."""
        _replace(self._state, _json({"version": 1, **asdict(record)}))

    def read_record(self) -> Record | None:
        """What state.json says, None where there is none yet; raises UserError where it is damaged or may not be read."""
        try:
            text = _text(self._state)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UserError(f"{self._state} cannot be read: {error.strerror or error}") from error
        return _parsed(self._state, text, _record)

    def write_result(self, run: RetrainingRun, *, ended_by: str | None) -> None:
        """Writes result.json; `ended_by` names the signal that ended the command, None where none did."""
        seconds = None
        if run.started_at is not None and run.finished_at is not None:
            seconds = round((run.finished_at - run.started_at).total_seconds(), 3)
        size = self.output.stat().st_size if self.output.exists() else 0
        result = {**asdict(run), "signal": ended_by, "seconds": seconds, "output_bytes": size}
        _replace(self.path / "result.json", _json({"version": 1, **result}))

    def beat(self) -> None:
        """Shows to other machines that the supervisor lives; a beat that fails is made up for by the next."""
        with suppress(OSError):
            os.utime(self._state)

    def seconds_since_beat(self) -> float:
        """How long ago state.json was written or the supervisor last showed that it lives."""
        return time.time() - self._state.stat().st_mtime

    def ask_to_cancel(self, by: str) -> None:
        """Leaves the wish to cancel."""
        _replace(self.path / "cancel", _json({"by": by}))

    def cancelled_by(self) -> str | None:
        """Who wishes to cancel, None where nobody does; an empty file counts as a wish too."""
        try:
            text = _text(self.path / "cancel")
        except FileNotFoundError:
            return None
        try:
            by = json.loads(text)["by"]
        except (ValueError, TypeError, KeyError):
            return UNKNOWN_PERSON
        return str(by) or UNKNOWN_PERSON


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, default=_plain) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Struct):
        return asdict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _parsed(file: Path, text: str, build: Callable[[dict[str, Any]], T]) -> T:
    try:
        return build(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{file} is damaged ({error!r}): move the folder of this run elsewhere") from error


def _launch(content: dict[str, Any]) -> Launch:
    environment = content["environment"]
    return Launch(
        run=_run(content),
        cwd=Path(content["cwd"]),
        timeout_seconds=content["timeout_seconds"],
        environment=RunEnvironment(
            passed=tuple(environment["passed"]),
            set=tuple(environment["set"].items()),
            secrets=tuple(environment["secrets"]),
        ),
        mark=content["mark"],
    )


def _record(content: dict[str, Any]) -> Record:
    starter = _identity(content["starter"])
    if starter is None:
        raise ValueError("no starter")
    return Record(
        run=_run(content["run"]),
        place=content["place"],
        starter=starter,
        supervisor=_identity(content["supervisor"]),
        command=_identity(content["command"]),
    )


def _run(content: dict[str, Any]) -> RetrainingRun:
    return RetrainingRun(
        id=content["id"],
        model=content["model"],
        state=RunState(content["state"]),
        asked_by=content["asked_by"],
        reason=content["reason"],
        command=tuple(content["command"]),
        requested_at=datetime.fromisoformat(content["requested_at"]),
        started_at=_moment(content["started_at"]),
        finished_at=_moment(content["finished_at"]),
        exit_code=content["exit_code"],
        outcome=content["outcome"],
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _identity(content: dict[str, Any] | None) -> ProcessIdentity | None:
    return None if content is None else ProcessIdentity(pid=content["pid"], birth=content["birth"])


def _text(file: Path) -> str:
    return _while_shared(file.read_bytes).decode("utf-8", "replace")


def _replace(file: Path, text: str) -> None:
    """Puts a whole new file in the place of the old one, on the disk before it is seen; other files are never touched."""
    part = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with part.open("wb") as stream:
            stream.write(text.encode("utf-8", "backslashreplace"))
            stream.flush()
            os.fsync(stream.fileno())
        _while_shared(lambda: part.replace(file))
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _while_shared(action: Callable[[], T]) -> T:
    """The result of a file operation; Windows refuses it for the moment in which somebody else has the file open."""
    deadline = time.monotonic() + (_SHARING_SECONDS if sys.platform == "win32" else 0.0)
    while True:
        try:
            return action()
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
