"""The process that carries out one run and outlives whoever asked for it: `python -m mlops_desk.retraining.supervisor <run folder>`.

It detaches itself, takes the run over in state.json, says `ready` on its output and from then on has no terminal and no pipe to anybody.
One thread copies the command's output to output.log, one waits for the command to end; the main thread waits for whichever comes
first: the end, the wish to cancel, or the timeout. Whatever the end is, no process of the run is left when it is recorded.
It is to start quickly: only the standard library and, for process trees, psutil.
"""

from __future__ import annotations

import codecs
import io
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.retraining import RunState
from mlops_desk.resources import interpreter
from mlops_desk.retraining.launch import LaunchError, check_batch_arguments, environment, program, secret_values
from mlops_desk.retraining.output_mask import OutputMask
from mlops_desk.retraining.process_tree import (
    GRACE_SECONDS,
    MARK_VARIABLE,
    Clearance,
    await_end,
    end_processes,
    identity,
    own_identity,
    run_processes,
)
from mlops_desk.retraining.run_folder import Record, RunFolder
from mlops_desk.retraining.wording import duration_text

READY = "ready"
_CANCEL_LOOK_SECONDS = 0.5
_BEAT_SECONDS = 30.0
_LINGER_SECONDS = 1.0
"""How long processes that the command leaves behind may take to end by themselves."""
_DRAIN_SECONDS = 5.0
_BLOCK_BYTES = 1 << 16
_ENDED = "ended"
_TOLD_TO_END = "told to end"


def supervisor_argv() -> tuple[str, ...]:
    """The command that starts a supervisor, without the run folder."""
    return (interpreter(), "-m", "mlops_desk.retraining.supervisor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Detaches, carries out the run of the one folder that is named, and returns 0."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    told: SimpleQueue[str] = SimpleQueue()
    _heed_signals(told)
    _detach()
    supervision = Supervision(RunFolder(path=Path(path).absolute()), told)
    supervision.take_over()
    os.chdir(os.path.abspath(os.sep))  # noqa: PTH100 - the root of this drive; a folder in use could not be removed
    _report_ready()
    supervision.carry_out()
    return 0


class Supervision:
    """One run from the moment its supervisor takes it over to its end."""

    def __init__(self, folder: RunFolder, told: SimpleQueue[str]) -> None:
        record = folder.read_record()
        if record is None:
            raise RuntimeError(f"{folder.path} holds no run")
        self._folder = folder
        self._record: Record = record
        self._launch = folder.read_launch()
        self._events = told
        self._mask = OutputMask(())
        self._log = io.FileIO(folder.output, "a")
        self._log_trouble: OSError | None = None
        self._leader: int | None = None
        self._begun = time.monotonic()

    def take_over(self) -> None:
        """Records this process as the one that answers for the run."""
        self._note(supervisor=own_identity())

    def carry_out(self) -> None:
        """Starts the command, waits for its end or ends it, and records how it went."""
        try:
            self._carry_out()
        except Exception as error:
            self._tell(f"\n{traceback.format_exc()}")
            self._clear(0.0)
            self._finish(_Ending(RunState.FAILED, f"The supervisor of the run broke down ({error!r}), see output.log"))
            raise

    def _carry_out(self) -> None:
        by = self._folder.cancelled_by()
        if by is not None:
            self._finish(_Ending(RunState.CANCELLED, f"Cancelled by {by} before the command was started"))
            return
        try:
            command = self._started()
        except LaunchError as error:
            self._finish(_Ending(RunState.FAILED, f"Not started: {error}"))
            return
        threads = [threading.Thread(target=work, args=(command,), daemon=True) for work in (self._copy, self._await)]
        for thread in threads:
            thread.start()
        ending = self._ending(command)
        for thread in threads:
            thread.join(_DRAIN_SECONDS)
        if self._log_trouble is not None:
            ending = replace(
                ending, outcome=f"{ending.outcome}; output.log is not complete ({self._log_trouble.strerror})"
            )
        self._finish(ending, command.returncode)

    def _started(self) -> subprocess.Popen[bytes]:
        """Starts the command in a process group of its own; raises LaunchError."""
        launch = self._launch
        if not launch.cwd.is_dir():
            raise LaunchError(f"the folder {launch.cwd} (cwd in [models.retraining]) does not exist")
        secrets = secret_values(launch.environment.secrets, os.environ)
        self._mask = OutputMask(secrets.values())
        variables = environment(launch.environment, os.environ, secrets) | {MARK_VARIABLE: launch.mark}
        arguments = launch.run.command
        path = program(arguments[0], cwd=launch.cwd, search_path=variables.get("PATH", os.defpath))
        options: dict[str, Any] = {"process_group": 0}
        if sys.platform == "win32":
            check_batch_arguments((path, *arguments[1:]))
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        self._begun = time.monotonic()
        try:
            command = subprocess.Popen(
                (path, *arguments[1:]),
                cwd=launch.cwd,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                **options,
            )
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise LaunchError(f"{path} could not be executed ({said})") from error
        self._leader = command.pid
        run = replace(self._record.run, state=RunState.RUNNING, started_at=datetime.now(UTC))
        self._note(run=run, command=identity(command.pid))
        return command

    def _copy(self, command: subprocess.Popen[bytes]) -> None:
        """Copies what the command prints to the log as UTF-8, secrets masked."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pipe = command.stdout
        if pipe is None:
            raise RuntimeError("the command was started without a pipe")
        with pipe:
            while block := pipe.read(_BLOCK_BYTES):
                self._tell(self._mask.fed(decoder.decode(block)))
            self._tell(self._mask.fed(decoder.decode(b"", final=True)) + self._mask.rest())

    def _tell(self, text: str) -> None:
        """Appends to the log; one that cannot be written stops no command, the outcome tells of it."""
        remaining = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while remaining:
                remaining = remaining[self._log.write(remaining) :]
        except OSError as error:
            self._log_trouble = error

    def _await(self, command: subprocess.Popen[bytes]) -> None:
        command.wait()
        self._events.put(_ENDED)

    def _ending(self, command: subprocess.Popen[bytes]) -> _Ending:
        """Waits until the command ends or has to, and leaves no process of the run behind."""
        limit = self._launch.timeout_seconds
        told = False
        beat = time.monotonic()
        while True:
            now = time.monotonic()
            by = self._folder.cancelled_by()
            if by is not None or told:
                who = (
                    f"by {by}"
                    if by is not None
                    else "because the supervisor was told to end, as when the machine shuts down,"
                )
                return self._ended_early(
                    RunState.CANCELLED, f"Cancelled {who} after {duration_text(now - self._begun)}"
                )
            if limit is not None and now - self._begun >= limit:
                return self._ended_early(RunState.TIMED_OUT, f"Ended after its timeout of {duration_text(limit)}")
            if now - beat >= _BEAT_SECONDS:
                self._folder.beat()
                beat = now
            pause = _CANCEL_LOOK_SECONDS if limit is None else min(_CANCEL_LOOK_SECONDS, limit - (now - self._begun))
            try:
                event = self._events.get(timeout=pause)
            except Empty:
                continue
            if event == _ENDED:
                return self._ended_itself(command)
            told = True

    def _ended_itself(self, command: subprocess.Popen[bytes]) -> _Ending:
        seconds = duration_text(time.monotonic() - self._begun)
        code = command.wait()
        if code == 0:
            ending = _Ending(RunState.SUCCEEDED, f"Finished after {seconds}")
        elif code > 0:
            ending = _Ending(RunState.FAILED, f"The command ended with exit code {code} after {seconds}")
        else:
            hint = ", which often means that memory ran out" if _signal_name(code) == "SIGKILL" else ""
            ending = _Ending(RunState.FAILED, f"The command was ended by {_signal_name(code)} after {seconds}{hint}")
        left = await_end(self._processes(), _LINGER_SECONDS)
        if not left:
            return ending
        clearance = self._clear(GRACE_SECONDS)
        outcome = f"{ending.outcome}; it had left {_counted(clearance.ended)} running, ended too"
        return _Ending(ending.state, outcome + _surviving(clearance))

    def _ended_early(self, state: RunState, outcome: str) -> _Ending:
        clearance = self._clear(GRACE_SECONDS)
        return _Ending(state, outcome + _surviving(clearance))

    def _processes(self) -> list[Any]:
        return run_processes(self._record.command, self._launch.mark, leader=self._leader)

    def _clear(self, grace_seconds: float) -> Clearance:
        return end_processes(self._processes, grace_seconds)

    def _finish(self, ending: _Ending, code: int | None = None) -> None:
        run = replace(
            self._record.run,
            state=ending.state,
            finished_at=datetime.now(UTC),
            exit_code=code if code is not None and code >= 0 else None,
            outcome=ending.outcome,
        )
        self._folder.write_result(run, ended_by=_signal_name(code) if code is not None and code < 0 else None)
        self._note(run=run)

    def _note(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        self._folder.write_record(self._record)


class _Ending(Struct, frozen=True):
    state: RunState
    outcome: str


def _heed_signals(told: SimpleQueue[str]) -> None:
    """Makes SIGTERM and SIGINT a wish to cancel; SimpleQueue is safe to use in a signal's interruption."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.put(_TOLD_TO_END))
    if sys.platform != "win32":
        # A parent that ignores SIGCHLD hands that on, and every exit code would then read as 0.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _detach() -> None:
    """Leaves the process that was started, which ends at once: so the supervisor is nobody's child and nobody's zombie."""
    if sys.platform != "win32" and os.fork():
        os._exit(0)


def _report_ready() -> None:
    """Answers whoever started this process, and closes its standard streams."""
    os.write(1, READY.encode("ascii"))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _counted(count: int) -> str:
    return "one process" if count == 1 else f"{count} processes"


def _surviving(clearance: Clearance) -> str:
    return f"; could not be ended: process {', '.join(clearance.survivors)}" if clearance.survivors else ""


if __name__ == "__main__":
    sys.exit(main())
