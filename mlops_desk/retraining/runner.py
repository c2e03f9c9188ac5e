"""Starts retraining runs, finds them again, follows and cancels them; each run's supervisor does the work.

Everything is told from the folders of the runs, so every process on the machine sees and steers every run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import join, quote

from msgspec.structs import replace

import mlops_desk
from mlops_desk.domain.errors import NotTrusted, UserError
from mlops_desk.domain.model import Model
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.retraining import RetrainingRun, RetrainingSpec, RunState
from mlops_desk.retraining import policy
from mlops_desk.retraining.launch import filled, one_line, placeholder_values
from mlops_desk.retraining.ledger import admission, allocated, command_runs, next_id, record_of, records, run_folder_of
from mlops_desk.retraining.output_log import output_since
from mlops_desk.retraining.process_tree import MARK_VARIABLE, alive, end_processes, own_identity, place, run_processes
from mlops_desk.retraining.run_folder import Launch, Record, RunFolder
from mlops_desk.retraining.supervisor import READY, supervisor_argv

_FOLLOW_SECONDS = 0.1


def start(
    folder: Path,
    model: Model,
    *,
    reason: str,
    asked_by: str,
    now: datetime,
    trusted: bool,
    on_record: Callable[[RetrainingRun], None] | None = None,
) -> RetrainingRun:
    """Starts a run of the model's command and returns at once; the run goes on whatever becomes of this process.

    `on_record` writes down who wants the run before anything of it is started; where that raises, there is no run.
    Raises NotTrusted where this machine does not trust the workspace, and UserError where no command is configured, where the policy
    refuses a run now, or where the workspace cannot be written.
    """
    spec = _spec(model)
    if not trusted:
        raise NotTrusted(
            f"this machine does not trust {folder} yet, so its command ({join(spec.command)}) was not started: "
            f"look at what it does, then `mlops-desk trust {quote(str(folder))}`"
        )
    with admission(folder):
        refused = refusal(folder, model, now=now)
        if refused is not None:
            raise UserError(f"{model.id} cannot be retrained now: {refused.reason}")
        run_folder, record = _registered(folder, model.id, spec, reason=reason, asked_by=asked_by, now=now)
    if on_record is not None:
        try:
            on_record(record.run)
        except BaseException:
            run_folder.discard()
            raise
    _start_supervisor(run_folder, record)
    return run(folder, record.run.id)


def preview(folder: Path, model: Model, *, reason: str) -> tuple[str, ...]:
    """The command as the next run would start it, with the placeholders filled."""
    return _command(_spec(model), folder, model.id, next_id(folder), reason)


def refusal(folder: Path, model: Model, *, now: datetime) -> policy.Refusal | None:
    """Why no run of the model may start now, or None where one may."""
    known = list(records(folder))
    orphaned = [record.run.id for record in known if record.run.state is RunState.LOST and command_runs(record)]
    return policy.refusal(_spec(model), [record.run for record in known], model=model.id, now=now, orphaned=orphaned)


def runs(folder: Path) -> tuple[RetrainingRun, ...]:
    """All runs of the workspace as they are now, the oldest first."""
    return tuple(record.run for record in records(folder))


def run(folder: Path, id: int) -> RetrainingRun:
    """One run as it is now; raises UserError where there is none of that id."""
    return record_of(folder, id)[1].run


def cancel(folder: Path, id: int, by: str) -> None:
    """Asks the supervisor to end all processes of a run, and does not wait for it; where the supervisor is gone, ends them itself.

    Raises UserError where the run has ended already.
    """
    run_folder, record = record_of(folder, id)
    here = record.place == place()
    if record.run.state is RunState.LOST and here:
        _end_orphans(run_folder, record, by)
        return
    if record.run.state.final:
        raise UserError(f"run {id} cannot be cancelled, it has ended: {record.run.outcome or record.run.state.value}")
    run_folder.ask_to_cancel(by)
    if here and record.supervisor is not None and alive(record.supervisor) and sys.platform != "win32":
        # Only hastens it: the supervisor looks for the wish twice a second, also where it is another user's.
        with suppress(ProcessLookupError, PermissionError):
            os.kill(record.supervisor.pid, signal.SIGTERM)


def wait(
    folder: Path,
    id: int,
    *,
    on_output: Callable[[str], None] | None = None,
    cancel: CancelToken | None = None,
) -> RetrainingRun:
    """Waits for the end of a run and hands on its output, from its beginning and as it comes.

    Cancelling the token ends the waiting (raises Cancelled), not the run.
    """
    token = cancel or CancelToken()
    stirred = threading.Event()
    forget = token.on_cancel(stirred.set)
    position = 0
    try:
        while True:
            token.raise_if_cancelled()
            # The state is read before the log: all that a run prints is in the log before its end is in the state.
            current = run(folder, id)
            text = "more" if on_output else ""
            while text and on_output:
                text, position = output(folder, id, position)
                if text:
                    on_output(text)
                token.raise_if_cancelled()
            if current.state.final:
                return current
            stirred.wait(_FOLLOW_SECONDS)
    finally:
        forget()


def output(folder: Path, id: int, since_byte: int = 0) -> tuple[str, int]:
    """What the run's command printed from a byte on (negative: counted from the end), at most 1 MiB, and the byte to go on from."""
    return output_since(run_folder_of(folder, id).output, since_byte)


def _spec(model: Model) -> RetrainingSpec:
    if model.retraining is not None and model.retraining.http is not None:
        raise UserError(
            f"{model.id} cannot be retrained by http: this version starts commands only, so give [models.retraining] a command "
            "that makes the request"
        )
    if model.retraining is None or not model.retraining.command:
        raise UserError(
            f"no retraining is configured for {model.id}: give desk.toml a [models.retraining] with a command"
        )
    return model.retraining


def _command(spec: RetrainingSpec, folder: Path, model: str, id: int, reason: str) -> tuple[str, ...]:
    values = placeholder_values(
        workspace=folder.absolute(), model=model, run_id=id, run_folder=run_folder_of(folder, id).path, reason=reason
    )
    return filled(spec.command, values)


def _registered(
    folder: Path, model: str, spec: RetrainingSpec, *, reason: str, asked_by: str, now: datetime
) -> tuple[RunFolder, Record]:
    """A new run with an id and a folder of its own, not started yet."""
    number, run_folder = allocated(folder)
    registered = RetrainingRun(
        id=number,
        model=model,
        state=RunState.STARTING,
        asked_by=asked_by,
        reason=one_line(reason),
        command=_command(spec, folder, model, number, reason),
        requested_at=now,
    )
    run_folder.write_launch(
        Launch(
            run=registered,
            cwd=folder.absolute() / spec.cwd,
            timeout_seconds=spec.timeout_seconds,
            environment=spec.environment,
            mark=uuid.uuid4().hex,
        )
    )
    record = Record(run=registered, place=place(), starter=own_identity())
    run_folder.write_record(record)
    return run_folder, record


def _start_supervisor(run_folder: RunFolder, record: Record) -> None:
    """Returns when a supervisor has taken the run over; where none can, the run has failed, and a RuntimeError tells why."""
    arguments = (*supervisor_argv(), str(run_folder.path))
    try:
        answer = _answer(arguments)
    except OSError as error:
        answer = str(error)
    if answer != READY:
        last_line = answer.splitlines()[-1] if answer else "it said nothing"
        outcome = f"Not started: the supervisor could not begin ({last_line})"
        failed = replace(record.run, state=RunState.FAILED, finished_at=datetime.now(UTC), outcome=outcome)
        run_folder.write_result(failed, ended_by=None)
        run_folder.write_record(replace(record, run=failed))
        raise RuntimeError(f"{join(arguments)} could not begin:\n{answer}")


def _answer(arguments: tuple[str, ...]) -> str:
    """What a new supervisor says before it closes its output: READY, or why it cannot begin.

    It starts in the folder that holds the package, so that a checkout which is not installed finds itself, and never in a workspace.
    """
    home = Path(mlops_desk.__file__).absolute().parents[1]
    variables = {name: value for name, value in os.environ.items() if name != MARK_VARIABLE}
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        try:
            return _windows_answer(arguments, home, variables, flags | subprocess.CREATE_BREAKAWAY_FROM_JOB)
        except PermissionError:  # this process is in a job that lets nobody leave
            return _windows_answer(arguments, home, variables, flags)
    started = subprocess.run(
        arguments,
        cwd=home,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        check=False,
    )
    return started.stdout.decode("utf-8", "replace").strip()


def _windows_answer(arguments: tuple[str, ...], home: Path, variables: dict[str, str], flags: int) -> str:
    supervisor = subprocess.Popen(
        arguments,
        cwd=home,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        creationflags=flags,
    )
    threading.Thread(target=supervisor.wait, daemon=True).start()
    if supervisor.stdout is None:
        raise RuntimeError("the supervisor was started without a pipe")
    with supervisor.stdout as pipe:
        return pipe.read().decode("utf-8", "replace").strip()


def _end_orphans(run_folder: RunFolder, record: Record, by: str) -> None:
    """Ends what a killed supervisor has left running."""
    mark = run_folder.read_launch().mark
    if not run_processes(record.command, mark):
        raise UserError(f"run {record.run.id} cannot be cancelled, nothing of it is running: {record.run.outcome}")
    clearance = end_processes(lambda: run_processes(record.command, mark))
    if clearance.survivors:
        raise UserError(f"run {record.run.id}: could not end process {', '.join(clearance.survivors)}")
    outcome = f"Cancelled by {by} after its supervisor had been killed"
    cancelled = replace(record.run, state=RunState.CANCELLED, finished_at=datetime.now(UTC), outcome=outcome)
    run_folder.write_result(cancelled, ended_by=None)
    run_folder.write_record(replace(record, run=cancelled))
