"""`demo`, `init` and `check`: the first things a newcomer types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_desk.cli.call import Call
from mlops_desk.cli.evaluation import tell
from mlops_desk.cli.interruption import interruptible
from mlops_desk.cli.terminal import Terminal
from mlops_desk.cli.window import has_display
from mlops_desk.cli.workspaces import (
    OPEN,
    Json,
    alert_table,
    chosen_models,
    note_json,
    opened,
    program_word,
    shell_word,
    warn_of_notes,
)
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.schema import Column, Task
from mlops_desk.domain.threshold import Alert
from mlops_desk.operations.check import ModelCheck
from mlops_desk.theme import ABSENT
from mlops_desk.workspace import Workspace, create_sample

SHOWN_ALERTS = 12
REPORT_NAME = "report.html"


def demo(call: Call) -> int:
    """Evaluates the sample workspace, lists its alerts, writes its report and opens the desktop."""
    arguments, terminal = call.arguments, call.terminal
    workspace = create_sample(arguments.dir)
    terminal.note(f"sample workspace: {workspace.folder}")
    outcome = interruptible(terminal, lambda cancel: workspace.evaluate(progress=terminal.progress, cancel=cancel))
    tell(terminal, workspace, outcome, {status.id: status for status in workspace.statuses()})
    found = [alert for alert in workspace.alerts() if alert.state in OPEN]
    for model in workspace.desk.models:
        _tell_alerts(terminal, workspace, model.name, [alert for alert in found if alert.model == model.id])
    report = workspace.folder / REPORT_NAME
    workspace.write_report(report)
    program, folder = program_word(), shell_word(workspace.folder)
    terminal.line()
    terminal.line(f"report:      {report}")
    terminal.line(f"workspace:   {workspace.folder}   (README.md there tells what it is and what to try)")
    terminal.line(f"all alerts:  {program} alerts {folder}")
    terminal.line(f"retrain:     {program} retrain {folder} --model {workspace.desk.models[0].id} --wait")
    terminal.line(f"your own:    {program} init FOLDER --logs YOUR-PARQUET-FILES")
    failed = any(model.failure is not None for model in outcome.models)
    if not arguments.no_gui and has_display():
        terminal.line("desktop:     opening …")
        return call.open_window(workspace.folder)
    reason = "left out as asked" if arguments.no_gui else f"no display here; where there is one, {program} gui {folder}"
    terminal.line(f"desktop:     {reason}")
    return UserError.exit_code if failed else 0


def _tell_alerts(terminal: Terminal, workspace: Workspace, name: str, alerts: Sequence[Alert]) -> None:
    """Writes the weightiest open alerts of a model."""
    if not alerts:
        return
    terminal.line()
    terminal.line(f"{name}: {len(alerts)} open")
    ordered = sorted(alerts, key=lambda alert: (alert.severity != "alert", -alert.chunks, alert.id))
    alert_table(terminal, workspace, ordered[:SHOWN_ALERTS], models=False)
    if len(ordered) > SHOWN_ALERTS:
        terminal.line(f"… and {len(ordered) - SHOWN_ALERTS} more")


def init(call: Call) -> int:
    """Writes a desk.toml for prediction logs, and says why it reads as it does."""
    from mlops_desk import trust
    from mlops_desk.operations.dropped import parts_of_typed
    from mlops_desk.operations.guess import proposal, refuse_existing, write_proposal

    arguments, terminal = call.arguments, call.terminal
    folder = Path(arguments.folder).expanduser().absolute()
    refuse_existing(folder)
    task = None if arguments.task is None else Task(arguments.task)
    parts = parts_of_typed(folder, arguments.logs, arguments.reference or (), arguments.labels or ())
    made = interruptible(terminal, lambda cancel: proposal(folder, parts, task, cancel, progress=terminal.progress))
    desk = write_proposal(folder, made)
    for what, paths in parts.named:
        if paths:
            terminal.line(f"{what}: {', '.join(paths)}")
    for reason in made.reasons:
        terminal.line(reason)
    terminal.line()
    column_table(terminal, made.columns)
    for remark in made.remarks:
        terminal.warning(remark)
    terminal.line()
    terminal.line(f"written: {desk.file}")
    if trust.runnable_parts(desk):
        terminal.line(
            f"trusted to read what you named ({program_word()} trust --revoke {shell_word(folder)} takes it back)"
        )
    if made.failure is not None:
        terminal.error(made.failure)
        terminal.line(f"next: mend {shell_word(desk.file)}, then {program_word()} check {shell_word(folder)}")
        return UserError.exit_code
    terminal.line(f"next: look at it, then {program_word()} run {shell_word(folder)}")
    return 0


def check(call: Call) -> int:
    """Reads configuration, files and columns without evaluating."""
    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)
    models = chosen_models(workspace, arguments)
    looks = interruptible(
        terminal, lambda cancel: [workspace.check(model, cancel, progress=terminal.progress) for model in models]
    )
    if arguments.json:
        terminal.document({"workspace": str(workspace.folder), "models": [check_json(look) for look in looks]})
    for place, look in enumerate(looks):
        if not arguments.json:
            terminal.line() if place else None
            _tell_check(terminal, look)
        warn_of_notes(terminal, look.model, look.notes)
        if look.failure is not None:
            terminal.error(look.failure)
    return UserError.exit_code if any(look.failure is not None for look in looks) else 0


def _tell_check(terminal: Terminal, look: ModelCheck) -> None:
    terminal.line(f"{look.model} ({look.name}): {look.task or 'no task: only the data is watched'}")
    for part in look.files:
        rows = "" if part.rows is None else f", {part.rows:,} rows"
        terminal.line(f"  {part.part}: {part.files:,} file{'' if part.files == 1 else 's'}{rows}")
    terminal.line(f"  reference: {look.reference}")
    terminal.line(f"  chunks: {look.chunks}")
    if look.columns:
        column_table(terminal, look.columns)
    for note in look.notes:
        if note.level != "warning":
            terminal.line(f"  note: {note.text}")


def column_table(terminal: Terminal, columns: Sequence[Column]) -> None:
    """Writes columns with their roles, kinds and reasons."""
    rows = [
        (one.name, one.type.lower(), one.role.value, one.kind.value if one.kind else ABSENT, one.reason)
        for one in columns
    ]
    terminal.table(("column", "type", "role", "kind", "why"), rows)


def check_json(look: ModelCheck) -> Json:
    """What was found of a model, for a script."""
    return {
        "model": look.model,
        "name": look.name,
        "task": look.task,
        "chunks": look.chunks,
        "reference": look.reference,
        "files": [{"part": part.part, "files": part.files, "rows": part.rows} for part in look.files],
        "columns": [
            {"column": one.name, "type": one.type, "role": one.role, "kind": one.kind, "reason": one.reason}
            for one in look.columns
        ],
        "notes": [note_json(note) for note in look.notes],
        "failure": look.failure,
    }
