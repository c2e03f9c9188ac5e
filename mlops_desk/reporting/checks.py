"""Every series of a model that is judged, as a check that passes or fails: what a build server is told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import MetricValue, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert
from mlops_desk.reporting.content import emptiness
from mlops_desk.reporting.naming import chunk_text, limits_text, series_title, value_text
from mlops_desk.reporting.page import Cells, aligned, chunks_of, last_reason, number_of
from mlops_desk.reporting.summary import open_alerts
from mlops_desk.reporting.texts import say
from mlops_desk.store.archive import Store


class Check(Struct, frozen=True, kw_only=True):
    """A series that is judged, or cannot be.

    Attributes
    ----------
    text : how it stands in the latest chunk that was judged, in a sentence; empty where none was. reason : why none was, None where one was.
    alert : the open one of the series, None where there is none.
    """

    key: SeriesKey
    text: str
    reason: str | None
    alert: Alert | None


class ModelChecks(Struct, frozen=True, kw_only=True):
    """The checks of a model in a period."""

    model: str
    name: str
    timezone: str
    version: str
    chunks: tuple[Chunk, ...]
    checks: tuple[Check, ...]


def all_checks(
    store: Store, workspace: str, models: Sequence[Model], period: Period, now: datetime
) -> tuple[ModelChecks, ...]:
    """The checks of some models, in the language that is spoken; raises UserError where there is nothing to check."""
    evaluated = [model for model in models if store.last_evaluation(model.id) is not None]
    if not evaluated:
        raise UserError(
            f"{workspace}: there is nothing to check, because no model was evaluated: `mlops-desk run` does that"
        )
    made = tuple(model_checks(store, model, period, now) for model in evaluated)
    if period != Period() and not any(one.chunks for one in made):
        raise UserError(f"{workspace}: {emptiness(store, evaluated, period)}")
    return made


def model_checks(store: Store, model: Model, period: Period, now: datetime) -> ModelChecks:
    """Every series of a model that was judged in a period, or could not be for a reason, of all segments and groups."""
    zone = model.chunks.timezone
    chunks = chunks_of(store.chunks(model.id, Split.ANALYSIS), period, zone)
    series = aligned(store.values(model.id, split=Split.ANALYSIS), chunks)
    alerts = {alert.key: alert for alert in open_alerts(store, model.id, now)}
    record = store.last_evaluation(model.id)
    versions = () if record is None else record.log.versions
    found = [check_of(key, cells, chunks, zone, alerts.pop(key, None)) for key, cells in series.items()]
    gone = [Check(key=key, text="", reason=None, alert=alert) for key, alert in alerts.items()]
    return ModelChecks(
        model=model.id,
        name=model.name,
        timezone=zone,
        version=versions[-1] if versions else "",
        chunks=chunks,
        checks=tuple(one for one in (*found, *gone) if one is not None),
    )


def check_of(key: SeriesKey, cells: Cells, chunks: Sequence[Chunk], timezone: str, alert: Alert | None) -> Check | None:
    """The check of a series; None for one that has numbers and nothing to hold them against."""
    judged = [place for place, cell in enumerate(cells) if was_judged(cell)]
    if judged:
        cell = cells[judged[-1]]
        text = "" if cell is None else checked_text(cell, chunk_text(chunks[judged[-1]], timezone))
        return Check(key=key, text=text, reason=None, alert=alert)
    if alert is None and any(number_of(cell) is not None for cell in cells):
        return None
    return Check(key=key, text="", reason=last_reason(cells), alert=alert)


def was_judged(cell: MetricValue | None) -> bool:
    """Whether a value was held against something."""
    return cell is not None and cell.verdict not in (None, Verdict.UNTESTED)


def checked_text(cell: MetricValue, chunk: str) -> str:
    """`ROC AUC 0.791, limit ≥ 0.810: alert (14 Nov 2026)`."""
    value, verdict = cell.measurement.value, cell.verdict or Verdict.UNTESTED
    number = f"{series_title(cell.key)} {value_text(cell.key, value)}"
    told = say("{first}, {then}", first=number, then=limits_text(cell.key, cell.limits, value))
    return f"{told}{say(': ')}{theme.word(verdict)} ({chunk})"
