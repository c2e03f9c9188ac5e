"""Alerts of the models that desk.toml names now: those of a model that is gone are kept, and neither shown nor changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk
from mlops_desk.domain.threshold import Alert
from mlops_desk.store.archive import Store


def alerts(desk: Desk, model: str | None, now: datetime) -> tuple[Alert, ...]:
    """Alerts of a model, or of all, in whatever state, the latest first."""
    wanted = {one.id for one in desk.models} if model is None else {desk.model(model).id}
    with Store.open(desk.folder, read_only=True) as store:
        return tuple(alert for alert in store.alerts(now=now) if alert.model in wanted)


def acknowledge(desk: Desk, alert_id: int, by: str, note: str | None, now: datetime) -> Alert:
    """Marks an open alert as seen by somebody."""
    with _store_of(desk, alert_id) as store:
        return store.acknowledge(alert_id, by=by, at=now, note=note)


def silence(desk: Desk, alert_id: int, until: datetime, by: str, now: datetime) -> Alert:
    """Keeps an open alert quiet until an instant."""
    with _store_of(desk, alert_id) as store:
        return store.silence(alert_id, until=until, by=by, at=now)


def refuse_gone(desk: Desk, alert: Alert) -> None:
    """Raises UserError for an alert of a model that desk.toml does not name any more."""
    if alert.model not in [model.id for model in desk.models]:
        raise UserError(f"alert {alert.id} is of model {alert.model!r}, which {desk.file} does not name any more")


@contextmanager
def _store_of(desk: Desk, alert_id: int) -> Iterator[Store]:
    """The archive, to change an alert in it."""
    with Store.open(desk.folder) as store:
        for alert in store.alerts():
            if alert.id == alert_id:
                refuse_gone(desk, alert)
        yield store
