"""`run --annotations github`: open alerts as workflow commands, which GitHub Actions shows beside the run and at the pull request.

GitHub shows ten errors and ten warnings of a step and passes over the rest in silence, so the tenth tells how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops_desk.cli.terminal import Terminal
from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.workspace import Workspace

MOST_SHOWN = 10
COMMANDS = {Severity.ALERT: "error", Severity.WARNING: "warning"}
_IN_MESSAGES = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
_IN_PROPERTIES = {**_IN_MESSAGES, ord(":"): "%3A", ord(","): "%2C"}


def annotate(terminal: Terminal, workspace: Workspace, outcome: EvaluationOutcome) -> None:
    """Writes a line for each model that could not be judged and for each open alert that nobody silenced."""
    for model in outcome.models:
        if model.failure is not None:
            terminal.line(command("error", f"{model.model} cannot be judged", model.failure))
    for line in alert_lines(workspace, [model.model for model in outcome.models]):
        terminal.line(line)


def alert_lines(workspace: Workspace, models: Sequence[str]) -> Iterator[str]:
    """The open alerts of some models, those that matter most first, of each severity at most MOST_SHOWN lines."""
    from mlops_desk.reporting.summary import alert_order

    found = sorted(
        (
            alert
            for model in models
            for alert in workspace.alerts(model)
            if alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED)
        ),
        key=alert_order,
    )
    for severity, word in COMMANDS.items():
        alike = [alert for alert in found if alert.severity is severity]
        shown = alike if len(alike) <= MOST_SHOWN else alike[: MOST_SHOWN - 1]
        yield from (annotation(workspace, alert) for alert in shown)
        if len(shown) < len(alike):
            title = f"{len(alike) - len(shown)} more open {severity.value}s"
            yield command(word, title, f"`mlops-desk alerts` lists all {len(alike)}")


def annotation(workspace: Workspace, alert: Alert) -> str:
    """The line of an alert."""
    from mlops_desk.reporting.naming import series_title
    from mlops_desk.reporting.sections.state import alert_sentence

    zone = workspace.model(alert.model).chunks.timezone
    title = f"{alert.model}: {series_title(alert.key)}"
    return command(COMMANDS[alert.severity], title, f"{alert_sentence(alert, zone)} (alert {alert.id})")


def command(word: str, title: str, message: str) -> str:
    """A workflow command, of which neither title nor message can end anything or begin another."""
    return f"::{word} title={title.translate(_IN_PROPERTIES)}::{message.translate(_IN_MESSAGES)}"
