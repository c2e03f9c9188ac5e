"""`trust` and `audit`: what a workspace may run on this machine, and who did what."""

from __future__ import annotations

import sys

from mlops_desk import theme
from mlops_desk.cli.call import Call
from mlops_desk.cli.workspaces import opened
from mlops_desk.domain.errors import UserError

AGREED = ("y", "yes")


def trust(call: Call) -> int:
    """Shows what the workspace could run and lets it, if the user agrees; or takes that back."""
    workspace, terminal = opened(call.arguments), call.terminal
    if call.arguments.revoke:
        workspace.untrust()
        terminal.line(f"this machine lets {workspace.folder} run nothing and call nobody")
        return 0
    parts = workspace.runnable_parts()
    if not parts:
        terminal.line(f"{workspace.folder} runs nothing and calls nobody, so there is nothing to trust")
        return 0
    if workspace.trusted():
        terminal.line(f"this machine trusts {workspace.folder} already:")
    else:
        terminal.line(f"this machine would let {workspace.folder} do this:")
    for part in parts:
        terminal.line(f"  {part}")
    if workspace.trusted():
        return 0
    if not call.arguments.yes and not _agreed(call):
        raise UserError("nothing was trusted")
    workspace.trust()
    terminal.line("trusted, until one of these lines changes")
    return 0


def _agreed(call: Call) -> bool:
    if not sys.stdin.isatty():
        raise UserError("nobody is there to ask: look at the lines above, then add --yes")
    call.terminal.text("Trust it? [y/N] ")
    return sys.stdin.readline().strip().casefold() in AGREED


def audit(call: Call) -> int:
    """Lists who did what, or checks that the list is whole."""
    workspace, terminal = opened(call.arguments), call.terminal
    entries = workspace.audit_entries()
    if call.arguments.verify:
        broken = workspace.verify_audit()
        if broken is not None:
            raise UserError(f"{workspace.folder}: the audit chain does not hold: {broken.text}")
        terminal.line(f"the audit chain holds: {len(entries):,} rows")
        return 0
    rows = [
        (
            str(entry.seq),
            theme.moment_text(entry.at.astimezone(), "UTC"),
            entry.actor,
            entry.action,
            entry.model or theme.ABSENT,
            ", ".join(f"{name} {value}" for name, value in entry.detail.items() if value is not None),
        )
        for entry in reversed(entries)
    ]
    if rows:
        terminal.table(("row", "at", "who", "what", "model", "detail"), rows, right=(0,))
    else:
        terminal.line("nobody did anything yet that is written down")
    return 0
