"""How long a workspace remembers values that newer data superseded: as many days as its desk.toml says."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.model import Desk
from mlops_desk.store.archive import Store


def prune(desk: Desk, outcome: EvaluationOutcome, *, now: datetime) -> int:
    """Forgets superseded values that are too old and returns how many, after the first evaluation of a day (UTC) that changed any value."""
    if not outcome.changed:
        return 0
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Store.open(desk.folder) as store:
        if store.evaluated_between(midnight, now):
            return 0
        return store.prune(now, desk.history_days)
