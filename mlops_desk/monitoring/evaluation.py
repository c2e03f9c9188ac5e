"""One pass over a workspace: what changed is counted, measured, judged and stored; what did not is left as it is.

A chunk is measured anew when anything that its numbers depend on has changed: its files, their labels, the reference or what desk.toml says.
Everything of a model is stored in one transaction, so a cancel or a crash leaves what was there before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mlops_desk.config.source import with_line
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.domain.metric import Family, Verdict
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink, never_back, no_progress
from mlops_desk.domain.slicing import Split
from mlops_desk.domain.threshold import Alert, AlertState
from mlops_desk.monitoring.inputs import COPIES, Inputs, find_inputs, reads_objects
from mlops_desk.store.archive import Store
from mlops_desk.store.lock import WorkspaceLock

if TYPE_CHECKING:
    from mlops_desk.monitoring.model_pass import Found
    from mlops_desk.monitoring.opening import Opened

DESK_FOLDER = ".desk"
OPEN = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)


def evaluate(
    desk: Desk,
    *,
    models: Sequence[str] | None = None,
    full: bool = False,
    progress: ProgressSink = no_progress,
    cancel: CancelToken | None = None,
    now: datetime,
) -> EvaluationOutcome:
    """Evaluates some models of a workspace (all, where none are named) and stores what came of it.

    `full` computes everything anew. A model of which nothing can be judged is an outcome with a failure, and the others go on.
    Raises UserError for a model that is not there, WorkspaceBusy where somebody else is writing, Cancelled.
    """
    chosen = _chosen(desk, models)
    token = cancel or CancelToken()
    started = time.monotonic()
    outcomes = []
    with WorkspaceLock(desk.folder), Store.open(desk.folder) as store:
        for gone in set(store.models()) - {model.id for model in desk.models}:
            if store.alerts(model=gone, states=OPEN):
                from mlops_desk.monitoring.alerting import retire

                retire(store, gone, now)
        for index, model in enumerate(chosen):
            token.raise_if_cancelled()
            share = _share_of(progress, index, len(chosen), model.name)
            outcomes.append(_evaluated(desk, model, store, full=full, progress=share, cancel=token, now=now))
    return EvaluationOutcome(models=tuple(outcomes), seconds=time.monotonic() - started)


def _chosen(desk: Desk, models: Sequence[str] | None) -> list[Model]:
    """The models to evaluate."""
    known = {model.id: model for model in desk.models}
    for name in models or ():
        if name not in known:
            raise UserError(f"{desk.file}: there is no model {name!r}; it has {', '.join(known)}")
    return [known[name] for name in models] if models else list(desk.models)


def _share_of(progress: ProgressSink, index: int, models: int, name: str) -> ProgressSink:
    """A sink for one of several models."""

    def tell(one: Progress) -> None:
        progress(Progress(stage=f"{name}: {one.stage}", share=(index + one.share) / models))

    return tell


def _evaluated(
    desk: Desk, model: Model, store: Store, *, full: bool, progress: ProgressSink, cancel: CancelToken, now: datetime
) -> ModelOutcome:
    """The outcome of one model."""
    started = time.monotonic()
    try:
        if reads_objects(model):
            progress(Progress(stage="listing objects", share=0.0))
        inputs = find_inputs(desk, model, cancel=cancel)
        last = store.last_evaluation(model.id)
        if not full and last is not None and last.inputs_hash == inputs.digest and _is_settled(model, store):
            return _unchanged(model, store, now, started)
        return _renewed(
            desk, model, store, inputs, full=full, progress=progress, cancel=cancel, now=now, started=started
        )
    except UserError as error:
        if type(error) is not UserError:
            raise
        seconds = time.monotonic() - started
        return ModelOutcome(
            model=model.id,
            changed=False,
            chunks_evaluated=0,
            rows_scanned=0,
            seconds=seconds,
            failure=with_line(desk, str(error)),
        )


def _is_settled(model: Model, store: Store) -> bool:
    """Whether the last evaluation could read every file; one that it could not may be readable now without looking changed."""
    return all(note.code != "file_quarantined" for note in store.notes(model.id))


def _unchanged(model: Model, store: Store, now: datetime, started: float) -> ModelOutcome:
    """The outcome of a model with nothing new; only the age of its newest row goes on."""
    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    if age_crosses_limit(model, store, now):
        from mlops_desk.monitoring.freshness import refreshed_freshness

        changes = refreshed_freshness(model, store, now)
        opened, resolved = changes.opened, changes.resolved
    return ModelOutcome(
        model=model.id,
        changed=bool(opened or resolved),
        chunks_evaluated=0,
        rows_scanned=0,
        seconds=time.monotonic() - started,
        notes=store.notes(model.id),
        opened=opened,
        resolved=resolved,
    )


def age_crosses_limit(model: Model, store: Store, now: datetime) -> bool:
    """Whether the newest row has become too old, or is no longer, since its age was judged."""
    last = store.last_evaluation(model.id)
    if last is None or last.log.newest_row is None:
        return False
    hours = (now - last.log.newest_row).total_seconds() / 3600
    stored = store.values(model.id, family=Family.DATA_QUALITY, metric="freshness_hours", split=Split.ANALYSIS)
    latest = {
        value.key: value for value in stored if value.limits.upper is not None
    }  # in time order: the last one stays
    return any(
        (hours > (value.limits.upper or 0.0)) != (value.verdict not in (Verdict.OK, None)) for value in latest.values()
    )


def _renewed(
    desk: Desk,
    model: Model,
    store: Store,
    inputs: Inputs,
    *,
    full: bool,
    progress: ProgressSink,
    cancel: CancelToken,
    now: datetime,
    started: float,
) -> ModelOutcome:
    """Counts, measures, judges and stores what changed; files that turn out to be broken are left out and it begins again."""
    import numpy as np

    from mlops_desk.monitoring.alerting import update_alerts
    from mlops_desk.monitoring.model_pass import ModelPass
    from mlops_desk.monitoring.opening import with_files
    from mlops_desk.monitoring.requests import monitors_of
    from mlops_desk.warehouse.object_copies import keep_only

    monitors = monitors_of(model)
    progress = never_back(progress)

    def passed(opened: Opened) -> tuple[Found, Inputs]:
        work = ModelPass(opened, store, monitors, progress=progress, cancel=cancel, now=now, full=full)
        with np.errstate(all="ignore"):  # numbers that run over end as reasons why there is no value
            found = work.run()
        opened.cache.sweep(f"{model.id}:")
        return found, opened.inputs

    cache = desk.folder / DESK_FOLDER / "cache"
    found, inputs = with_files(desk, model, cache, passed, inputs=inputs, progress=progress, cancel=cancel)
    keep_only(desk.folder / COPIES, model.id, inputs.all, [one.id for one in desk.models])
    progress(Progress(stage="storing", share=0.95))
    with store.evaluation(model.id, inputs.digest, now) as writer:
        for split in Split:
            chunks = [chunk for chunk in found.chunks if chunk.split is split]
            fingerprints = {chunk.key: found.fingerprints[split, chunk.key] for chunk in chunks}
            writer.replace_chunks(split, chunks, fingerprints)
        writer.write_values(found.values)
        for split in Split:
            writer.remove_stale(split, [chunk.key for chunk in found.evaluated if chunk.split is split])
        writer.write_distributions(found.histograms)
        writer.write_detections(found.evaluated, found.detections)
        writer.write_notes(found.notes)
        changes = update_alerts(writer, found.rule_of, now)
        writer.conclude(now, found.summary(time.monotonic() - started))
    progress(Progress(stage="done", share=1.0))
    return ModelOutcome(
        model=model.id,
        changed=True,
        chunks_evaluated=found.renewed,
        rows_scanned=found.rows_scanned,
        seconds=time.monotonic() - started,
        notes=found.notes,
        opened=changes.opened,
        resolved=changes.resolved,
    )
