"""The retraining runs of a workspace, and their ends on record: whoever evaluates or looks at the runs writes down those that nobody has yet."""

from __future__ import annotations

from datetime import datetime

from mlops_desk.domain.model import Desk
from mlops_desk.domain.retraining import RetrainingRun
from mlops_desk.retraining.ledger import records
from mlops_desk.store.archive import Store
from mlops_desk.store.audit import Detail
from mlops_desk.store.connection import may_write

REQUESTED, ENDED = "run.requested", "run.ended"


def latest_runs(desk: Desk) -> tuple[RetrainingRun, ...]:
    """All runs of a workspace, the latest first."""
    return tuple(reversed([record.run for record in records(desk.folder)]))


def record_ends(desk: Desk, *, now: datetime) -> tuple[RetrainingRun, ...]:
    """Writes the ends of runs that nobody has written down yet into the audit chain, and returns those runs.

    A run that was killed before its request was written down gets that line, too.
    Two processes that notice an end in the same instant may both write it. Who may only read the workspace leaves it to others.
    """
    ended = [record.run for record in records(desk.folder) if record.run.state.final]
    if not ended or not may_write(desk.folder):
        return ()
    with Store.open(desk.folder) as store:
        told = {(entry.action, entry.detail.get("run")) for entry in store.audit_entries()}
        new = tuple(run for run in ended if (ENDED, run.id) not in told)
        for run in new:
            if (REQUESTED, run.id) not in told:
                wish = request_detail(run)
                store.append_audit(at=now, actor=run.asked_by, action=REQUESTED, model=run.model, detail=wish)
            detail: Detail = {
                "run": run.id,
                "state": run.state.value,
                "exit_code": run.exit_code,
                "outcome": run.outcome,
            }
            store.append_audit(at=now, actor=run.asked_by, action=ENDED, model=run.model, detail=detail)
    return new


def request_detail(run: RetrainingRun) -> Detail:
    """What the audit chain says of the wish for a run."""
    return {"run": run.id, "reason": run.reason, "command": " ".join(run.command)}
