"""Why an alert was raised, in numbers and sentences, and the rows behind it."""

from __future__ import annotations

from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.explanation import Explanation, FoundRows
from mlops_desk.domain.model import Desk
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress
from mlops_desk.domain.threshold import Alert
from mlops_desk.operations.alert_desk import refuse_gone
from mlops_desk.store.archive import Store

COLUMNS_TOLD = 3
"""Columns whose bins are told of where the alert is of none."""


def explained(
    desk: Desk, alert_id: int, *, progress: ProgressSink = no_progress, cancel: CancelToken | None = None
) -> Explanation:
    """The explanation of an alert; raises UserError for one that there is not."""
    from mlops_desk.monitoring.explaining import explanation, looked_into

    with Store.open(desk.folder) as store:
        alert = _alert(desk, store, alert_id)
        token = cancel or CancelToken()
        found = looked_into(desk, store, alert, lambda case: explanation(case, store), progress, token)
        return replace(found, moves=_moves(desk, store, found))


def rows_behind(desk: Desk, alert_id: int, limit: int, *, cancel: CancelToken | None = None) -> FoundRows:
    """At most `limit` rows that an alert is about, every value as text."""
    from mlops_desk.monitoring.explaining import found_rows, looked_into

    token = cancel or CancelToken()
    with Store.open(desk.folder) as store:
        alert = _alert(desk, store, alert_id)
        return looked_into(desk, store, alert, lambda case: found_rows(case, limit), no_progress, token)


def _alert(desk: Desk, store: Store, alert_id: int) -> Alert:
    found = next((one for one in store.alerts() if one.id == alert_id), None)
    if found is None:
        raise UserError(f"there is no alert {alert_id}: `mlops-desk alerts` lists them")
    refuse_gone(desk, found)
    return found


def _moves(desk: Desk, store: Store, found: Explanation) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Sentences on the bins that moved most: of the alert's column, else of the columns that are suspected first."""
    from mlops_desk.reporting.distribution import moves
    from mlops_desk.reporting.summary import distribution

    key, model = found.alert.key, desk.model(found.alert.model)
    names = [key.column] if key.column else [one.column for one in found.columns[:COLUMNS_TOLD]]
    told = []
    for name in names:
        try:
            shown = distribution(store, model, name, [found.chunk.key], key.segment)
        except UserError:
            continue  # a protected attribute that joins columns has no distribution of its own
        sentences = moves(shown)
        if sentences:
            told.append((name, sentences))
    return tuple(told)
