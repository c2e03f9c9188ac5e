"""`run` and `watch`: evaluate what is new, once or whenever files change."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_desk import theme
from mlops_desk.cli.call import Call
from mlops_desk.cli.interruption import interruptible
from mlops_desk.cli.terminal import Terminal
from mlops_desk.cli.thrift import spare_processor_time
from mlops_desk.cli.workspaces import Json, alert_json, chosen_models, note_json, opened, warn_of_notes, warn_of_runs
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.domain.overview import ModelStatus
from mlops_desk.workspace import Workspace

FAILED_ON = 1


def run(call: Call) -> int:
    """Evaluates what is new and tells what came of it."""
    spare_processor_time()
    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)
    models = chosen_models(workspace, arguments)
    outcome = interruptible(
        terminal,
        lambda cancel: workspace.evaluate(
            models=models, full=arguments.full, progress=terminal.progress, cancel=cancel
        ),
    )
    statuses = {status.id: status for status in workspace.statuses()}
    warn_of_runs(terminal, workspace)
    if arguments.json:
        terminal.document(outcome_json(outcome, statuses))
    tell(terminal, workspace, outcome, statuses, results=not arguments.json)
    if arguments.annotations is not None:
        from mlops_desk.cli.annotations import annotate

        annotate(terminal, workspace, outcome)
    if any(model.failure is not None for model in outcome.models):
        return UserError.exit_code
    open_ones = [statuses[model] for model in models]
    alerts = sum(status.alerts for status in open_ones)
    warnings = sum(status.warnings for status in open_ones)
    counted = {"alert": alerts, "warning": alerts + warnings, "never": 0}
    return FAILED_ON if counted[arguments.fail_on] else 0


def tell(
    terminal: Terminal,
    workspace: Workspace,
    outcome: EvaluationOutcome,
    statuses: Mapping[str, ModelStatus],
    *,
    results: bool = True,
) -> None:
    """Writes a line for each model, and its troubles to stderr."""
    for model in outcome.models:
        warn_of_notes(terminal, model.model, model.notes)
        if model.failure is not None:
            terminal.error(model.failure)
        elif results:
            terminal.line(model_line(model, statuses[model.model]))


def model_line(model: ModelOutcome, status: ModelStatus) -> str:
    """What came of a model in one line."""
    if not model.chunks_evaluated and not model.rows_scanned:
        work = "nothing new"
    else:
        work = f"{plural(model.chunks_evaluated, 'chunk')}, {plural(model.rows_scanned, 'row')}"
    changes = [f"{len(found)} {word}" for found, word in ((model.opened, "new"), (model.resolved, "resolved")) if found]
    changed = f" ({', '.join(changes)})" if changes else ""
    return f"{model.model}: {work} in {theme.duration(model.seconds)}; {status.text}{changed}"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def outcome_json(outcome: EvaluationOutcome, statuses: Mapping[str, ModelStatus]) -> Json:
    """An evaluation for a script."""
    return {
        "seconds": outcome.seconds,
        "models": [
            {
                "model": model.model,
                "changed": model.changed,
                "chunks_evaluated": model.chunks_evaluated,
                "rows_scanned": model.rows_scanned,
                "seconds": model.seconds,
                "failure": model.failure,
                "verdict": statuses[model.model].verdict,
                "alerts": statuses[model.model].alerts,
                "warnings": statuses[model.model].warnings,
                "opened": [alert_json(alert) for alert in model.opened],
                "resolved": [alert_json(alert) for alert in model.resolved],
                "notes": [note_json(note) for note in model.notes],
            }
            for model in outcome.models
        ],
    }


def watch(call: Call) -> int:
    """Evaluates whenever files change, until Ctrl-C."""
    from mlops_desk.operations.watch import watched

    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)

    def told(outcome: EvaluationOutcome) -> None:
        from datetime import datetime

        terminal.note(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
        tell(terminal, workspace, outcome, {status.id: status for status in workspace.statuses()})

    failures = interruptible(
        terminal,
        lambda cancel: watched(
            workspace,
            every_seconds=arguments.every,
            once=arguments.once,
            on_outcome=told,
            on_trouble=lambda error: terminal.error(str(error)),
            progress=terminal.progress,
            cancel=cancel,
        ),
    )
    return UserError.exit_code if failures else 0
