"""Whether a model may be retrained now: one at a time, not within the cooldown, not more often than a day allows.

Pure: it sees the runs so far and the time, and nothing else. A run counts for the cooldown and for the day once its command was
started; the cooldown counts from the end of the latest run, and a cancelled one sets none, so that whoever cancels to correct a
mistake can start anew. A day is the 24 hours before now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from mlops_desk.domain.retraining import RetrainingRun, RetrainingSpec, RunState
from mlops_desk.retraining.wording import duration_text, moment_text

DAY = timedelta(days=1)


class Refusal(Struct, frozen=True, kw_only=True):
    """Why no run may start now, as one sentence, and when one may (None where that is not known)."""

    reason: str
    possible_at: datetime | None = None


def refusal(
    spec: RetrainingSpec,
    runs: Sequence[RetrainingRun],
    *,
    model: str,
    now: datetime,
    orphaned: Collection[int] = (),
) -> Refusal | None:
    """Why a run of the model may not start now, or None where it may.

    `runs` may hold runs of other models too; `orphaned` names lost runs whose command is still running.
    """
    mine = [run for run in runs if run.model == model]
    for run in mine:
        if not run.state.final:
            since = moment_text(run.requested_at)
            return Refusal(
                reason=f"run {run.id} of {model} is still going (asked for by {run.asked_by}, {since}): "
                f"another can start when it has ended or is cancelled"
            )
        if run.id in orphaned:
            return Refusal(
                reason=f"run {run.id} of {model} is lost, but its command is still running: cancel the run to end it"
            )
    launched = [run for run in mine if run.started_at is not None]
    refusals = [found for found in (_cooling(spec, launched, now), _exhausted(spec, launched, now)) if found]
    return max(refusals, key=lambda found: found.possible_at or datetime.max.replace(tzinfo=UTC), default=None)


def _cooling(spec: RetrainingSpec, launched: Sequence[RetrainingRun], now: datetime) -> Refusal | None:
    settled = [run for run in launched if run.state is not RunState.CANCELLED]
    if not settled:
        return None
    latest = max(settled, key=_end)
    possible_at = _end(latest) + timedelta(seconds=spec.cooldown_seconds)
    if possible_at <= now:
        return None
    return Refusal(
        reason=f"run {latest.id} ended at {moment_text(_end(latest))} and the cooldown is "
        f"{duration_text(spec.cooldown_seconds)}: {_possible(possible_at, now)}",
        possible_at=possible_at,
    )


def _exhausted(spec: RetrainingSpec, launched: Sequence[RetrainingRun], now: datetime) -> Refusal | None:
    limit = spec.max_runs_per_day
    if limit is None:
        return None
    if limit < 1:
        return Refusal(reason=f"max_runs_per_day = {limit} allows no run at all")
    times = sorted(run.requested_at for run in launched if run.requested_at > now - DAY)
    if len(times) < limit:
        return None
    possible_at = times[-limit] + DAY
    return Refusal(
        reason=f"max_runs_per_day = {limit} and {len(times)} started in the last 24 hours: {_possible(possible_at, now)}",
        possible_at=possible_at,
    )


def _possible(moment: datetime, now: datetime) -> str:
    return f"possible again at {moment_text(moment)} (in {duration_text((moment - now).total_seconds())})"


def _end(run: RetrainingRun) -> datetime:
    return run.finished_at or run.started_at or run.requested_at
