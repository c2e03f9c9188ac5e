"""What people did about a model, from the audit chain: alerts seen and silenced, retrainings asked for, ended and cancelled."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.threshold import Alert
from mlops_desk.reporting.naming import series_title
from mlops_desk.reporting.texts import say
from mlops_desk.store.archive import Store
from mlops_desk.store.audit import AuditEntry

MOST_ACTIONS = 12


class Action(Struct, frozen=True, kw_only=True):
    """Something that was done: when, by whom, what, and what was said about it."""

    at: datetime
    by: str
    text: str
    note: str


def actions(store: Store, model: str, timezone: str, now: datetime) -> tuple[Action, ...]:
    """The latest MOST_ACTIONS things that were done about a model until an instant, the latest first."""
    alerts = {alert.id: alert for alert in store.alerts(model=model)}
    found = (
        action_of(entry, alerts, timezone)
        for entry in store.audit_entries()
        if entry.model == model and entry.at <= now
    )
    return tuple(action for action in found if action is not None)[:MOST_ACTIONS]


def action_of(entry: AuditEntry, alerts: dict[int, Alert], timezone: str) -> Action | None:
    """A row of the audit chain in words; None for a row that tells of no such deed."""
    detail = entry.detail
    alert = alerts.get(int(detail["alert"] or 0)) if "alert" in detail else None
    about = say("alert {number}", number=detail.get("alert")) if alert is None else series_title(alert.key)
    note, run = str(detail.get("note") or ""), detail.get("run")
    match entry.action:
        case "alert.acknowledged":
            text = say("acknowledged: {alert}", alert=about)
        case "alert.silenced":
            until = theme.moment_text(datetime.fromisoformat(str(detail["until"])), timezone)
            text = say("silenced until {moment}: {alert}", moment=until, alert=about)
        case "run.requested":
            text, note = say("asked for retraining run {number}", number=run), str(detail.get("reason") or "")
        case "run.cancel_requested":
            text = say("asked to cancel retraining run {number}", number=run)
        case "run.ended":
            text, note = say("retraining run {number} ended", number=run), str(detail.get("outcome") or "")
        case _:
            return None
    return Action(at=entry.at, by=entry.actor, text=text, note=note)
