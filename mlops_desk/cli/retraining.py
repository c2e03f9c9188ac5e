"""`retrain`, `runs` and `cancel`: retraining runs, which go on whatever becomes of the command line."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime

from mlops_desk import theme
from mlops_desk.cli.call import Call
from mlops_desk.cli.interruption import interruptible
from mlops_desk.cli.workspaces import Json, moment_json, opened, shell_word
from mlops_desk.domain.errors import Cancelled, RunFailed, UserError
from mlops_desk.domain.people import current_user
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.workspace import Workspace

UNREADABLE = "unreadable"
END_SECONDS = 15.0
"""How long `cancel` waits to see a run end."""
_CURSOR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def retrain(call: Call) -> int:
    """Starts a run; with --wait follows it to its end."""
    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)
    model = _model(workspace, arguments.model)
    run = workspace.retrain(model, reason=arguments.reason or "asked for on the command line", asked_by=current_user())
    folder = shell_word(workspace.folder)
    terminal.note(f"run {run.id} of {model} started: {' '.join(run.command)}")
    if not arguments.wait:
        terminal.line(f"run {run.id} goes on by itself: `mlops-desk runs {folder}` tells how it does")
        return 0
    try:
        ended = interruptible(
            terminal,
            lambda cancel: workspace.wait_for_run(
                run.id, on_output=lambda text: terminal.text(log_text(text)), cancel=cancel
            ),
        )
    except Cancelled:
        terminal.note(f"run {run.id} goes on; `mlops-desk cancel {folder} {run.id}` stops it")
        raise
    if ended.state is not RunState.SUCCEEDED:
        raise RunFailed(f"run {run.id} of {model} {_state_text(ended)}: {ended.outcome or 'nothing more is known'}")
    terminal.line(f"run {run.id} of {model} succeeded: {ended.outcome or 'done'}")
    return 0


def log_text(text: str) -> str:
    """Output of a command without what moves a cursor; a line that was redrawn becomes several."""
    return _CURSOR.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def _model(workspace: Workspace, named: str | None) -> str:
    if named is not None:
        return workspace.model(named).id
    able = [model.id for model in workspace.desk.models if model.retraining is not None]
    if len(able) == 1:
        return able[0]
    if not able:
        raise UserError(f"{workspace.desk.file}: no model has a [models.retraining] that could be started")
    raise UserError(f"several models can be retrained: choose with --model {', '.join(able)}")


def runs(call: Call) -> int:
    """Lists the runs, the latest first."""
    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)
    found, unreadable = workspace.runs(arguments.model), workspace.unreadable_runs()
    if arguments.json:
        terminal.document(
            [unreadable_json(number, reason) for number, reason in unreadable.items()]
            + [run_json(run) for run in found]
        )
    elif found or unreadable:
        now = datetime.now(UTC)
        rows = [
            (
                str(run.id),
                run.model,
                _state_text(run),
                theme.moment_text(run.requested_at.astimezone(), "UTC"),
                _duration_text(run, now),
                run.asked_by,
                run.outcome or run.reason,
            )
            for run in found
        ]
        unknown = theme.ABSENT
        rows += [
            (str(number), unknown, UNREADABLE, unknown, unknown, unknown, reason)
            for number, reason in unreadable.items()
        ]
        rows.sort(key=lambda row: -int(row[0]))
        terminal.table(("id", "model", "state", "asked for", "took", "by", "outcome"), rows, right=(0, 4))
    else:
        terminal.line("no retraining run so far")
    return 0


def _state_text(run: RetrainingRun) -> str:
    return run.state.value.replace("_", " ")


def _duration_text(run: RetrainingRun, now: datetime) -> str:
    if run.started_at is None:
        return theme.ABSENT
    return theme.elapsed(((run.finished_at or now) - run.started_at).total_seconds())


def run_json(run: RetrainingRun) -> Json:
    """A run for a script."""
    return {
        "id": run.id,
        "model": run.model,
        "state": run.state,
        "asked_by": run.asked_by,
        "reason": run.reason,
        "command": list(run.command),
        "requested_at": moment_json(run.requested_at),
        "started_at": moment_json(run.started_at),
        "finished_at": moment_json(run.finished_at),
        "exit_code": run.exit_code,
        "outcome": run.outcome,
    }


def unreadable_json(number: int, reason: str) -> Json:
    """A run that cannot be read, for a script: of what is not known, null."""
    unknown = ("model", "asked_by", "reason", "command", "requested_at", "started_at", "finished_at", "exit_code")
    return {"id": number, "state": UNREADABLE, **dict.fromkeys(unknown), "outcome": reason}


def cancel(call: Call) -> int:
    """Stops a run and waits a while to see it end."""
    arguments = call.arguments
    workspace = opened(arguments)
    workspace.cancel_run(arguments.run, by=current_user())
    token = CancelToken()
    timer = threading.Timer(END_SECONDS, token.cancel)
    timer.daemon = True
    timer.start()
    try:
        ended = workspace.wait_for_run(arguments.run, cancel=token)
    except Cancelled:
        call.terminal.line(f"run {arguments.run} was asked to stop and has not ended yet")
    else:
        call.terminal.line(f"run {ended.id}: {_state_text(ended)}")
    finally:
        timer.cancel()
    return 0
