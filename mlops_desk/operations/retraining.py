"""Retraining on record: what the strip and the reports show of it, and a run started or cancelled with its line in the audit chain.

A run's own folder is the truth about it; the chain says who wanted it and how it ended (which `run_ends` writes down).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlops_desk import theme, trust
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.overview import RetrainingStatus
from mlops_desk.domain.retraining import RetrainingRun, TriggerKind, TriggerSpec
from mlops_desk.domain.threshold import Alert, AlertState
from mlops_desk.operations.run_ends import REQUESTED, latest_runs, request_detail
from mlops_desk.retraining import runner
from mlops_desk.store.archive import Store

CANCELLED = "run.cancel_requested"
NAMED_ALERTS = 3


def status(desk: Desk, model: Model, alerts: Sequence[Alert], *, trusted: bool, now: datetime) -> RetrainingStatus:
    """What the retraining strip shows of a model with these open alerts."""
    why_now = reason_of(alerts, model.chunks.timezone)
    spec = model.retraining
    runs = tuple(run for run in latest_runs(desk) if run.model == model.id)
    command: tuple[str, ...] = ()
    refusal = None
    if spec is not None and spec.command:
        command = runner.preview(desk.folder, model, reason=why_now)
        refusal = runner.refusal(desk.folder, model, now=now)
    return RetrainingStatus(
        command=command,
        cwd=str(desk.folder / spec.cwd) if spec else "",
        trusted=trusted,
        refusal=None if refusal is None else refusal.reason,
        why_now=why_now,
        triggers_text=triggers_text(model.triggers),
        runs=runs,
    )


def reason_of(alerts: Sequence[Alert], timezone: str) -> str:
    """Why a model should be retrained now, from its open alerts; in words, also where there are none."""
    open_ones = [alert for alert in alerts if alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED)]
    if not open_ones:
        return "asked for by hand, no alert is open"
    from mlops_desk.reporting.naming import series_title
    from mlops_desk.reporting.texts import plural

    titles = list(dict.fromkeys(series_title(alert.key) for alert in open_ones))
    named = "; ".join(titles[:NAMED_ALERTS]) + ("; …" if len(titles) > NAMED_ALERTS else "")
    starts = [alert.opened_start for alert in open_ones if alert.opened_start is not None]
    since = f" since {theme.date(theme.local(min(starts), timezone))}" if starts else ""
    return f"{plural(len(open_ones), 'open alert')}{since}: {named}"


def triggers_text(triggers: Sequence[TriggerSpec]) -> str:
    """What would start a run by itself, in words; empty where nothing is configured."""
    return "; ".join(f"{_trigger_text(trigger)}{'' if trigger.armed else ' (not armed)'}" for trigger in triggers)


def status_now(desk: Desk, store: Store, model: Model, now: datetime) -> RetrainingStatus:
    """What the strip shows of a model's retraining, with the alerts that the archive holds and the trust of this machine."""
    return status(desk, model, store.alerts(model=model.id, now=now), trusted=trust.trusted(desk), now=now)


def _trigger_text(trigger: TriggerSpec) -> str:
    if trigger.kind is TriggerKind.SCHEDULE:
        return f"on schedule {trigger.cron}" + (f" {trigger.timezone}" if trigger.timezone else "")
    if trigger.kind is TriggerKind.ALERT:
        chunks = f" for {trigger.consecutive} chunks" if trigger.consecutive > 1 else ""
        return f"on an alert of {trigger.metric or 'any metric'}{chunks}"
    from mlops_desk.reporting.texts import plural

    wanted = ((trigger.min_new_rows, "new row"), (trigger.min_new_labels, "new label"))
    return "after " + " and ".join(plural(count, noun) for count, noun in wanted if count is not None)


def start(desk: Desk, model: Model, *, reason: str, asked_by: str, trusted: bool, now: datetime) -> RetrainingRun:
    """Writes down who wants a run and why, and starts it; raises NotTrusted, and UserError where either cannot be done."""

    def put_on_record(run: RetrainingRun) -> None:
        with Store.open(desk.folder) as store:
            store.append_audit(at=now, actor=asked_by, action=REQUESTED, model=model.id, detail=request_detail(run))

    return runner.start(
        desk.folder,
        model,
        reason=reason,
        asked_by=asked_by,
        now=now,
        trusted=trusted,
        on_record=put_on_record,
    )


def cancel(desk: Desk, run_id: int, *, by: str, now: datetime) -> None:
    """Asks a run to end and writes down who did; raises UserError where it has ended."""
    runner.cancel(desk.folder, run_id, by)
    with Store.open(desk.folder) as store:
        model = runner.run(desk.folder, run_id).model
        store.append_audit(at=now, actor=by, action=CANCELLED, model=model, detail={"run": run_id})
