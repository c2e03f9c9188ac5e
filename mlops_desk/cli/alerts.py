"""`alerts`, `ack` and `silence`: what is wrong, and what people did about it."""

from __future__ import annotations

from mlops_desk import theme
from mlops_desk.cli.call import Call
from mlops_desk.cli.workspaces import OPEN, alert_json, alert_table, moment_json, opened
from mlops_desk.domain.people import current_user
from mlops_desk.workspace import Workspace


def alerts(call: Call) -> int:
    """Lists the open alerts, or all of them, or what became of one."""
    arguments, terminal = call.arguments, call.terminal
    workspace = opened(arguments)
    if arguments.events is not None:
        return _events(call, workspace)
    found = [alert for alert in workspace.alerts(arguments.model) if arguments.all or alert.state in OPEN]
    if arguments.json:
        terminal.document([alert_json(alert) for alert in found])
    elif found:
        alert_table(terminal, workspace, found)
    else:
        terminal.line("no alert so far" if arguments.all else "no alert is open")
    return 0


def _events(call: Call, workspace: Workspace) -> int:
    """Lists what became of one alert."""
    events = workspace.alert_events(call.arguments.events)
    if call.arguments.json:
        call.terminal.document(
            [{"at": moment_json(one.at), "kind": one.kind, "by": one.actor, "note": one.text} for one in events]
        )
        return 0
    rows = [
        (theme.moment_text(one.at.astimezone(), "UTC"), one.kind, one.actor or theme.ABSENT, one.text or "")
        for one in events
    ]
    call.terminal.table(("at", "what", "who", "note"), rows)
    return 0


def ack(call: Call) -> int:
    """Marks an alert as seen."""
    arguments = call.arguments
    alert = opened(arguments).acknowledge(arguments.alert, by=current_user(), note=arguments.note)
    call.terminal.line(f"alert {alert.id} is acknowledged by {alert.changed_by}")
    return 0


def silence(call: Call) -> int:
    """Keeps an alert quiet until an instant."""
    arguments = call.arguments
    workspace = opened(arguments)
    alert = workspace.silence(arguments.alert, until=arguments.until, by=current_user())
    timezone = workspace.model(alert.model).chunks.timezone
    call.terminal.line(
        f"alert {alert.id} is silenced until {theme.moment_text(alert.silenced_until, timezone)} ({timezone})"
    )
    return 0
