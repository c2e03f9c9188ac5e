"""The live loop: looks at the files every few seconds and evaluates what is new; troubles are told and outlived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress

REFRESH_SECONDS = 300.0
"""How often to evaluate without new files too: data grows old by itself."""


class Watchable(Protocol):
    """The part of a workspace that the loop needs."""

    def changed_inputs(self) -> bool:
        """Whether there is something new to evaluate."""

    def evaluate(self, *, progress: ProgressSink = ..., cancel: CancelToken | None = ...) -> EvaluationOutcome:
        """Evaluates what is new."""


def watched(
    workspace: Watchable,
    *,
    every_seconds: float,
    once: bool,
    on_outcome: Callable[[EvaluationOutcome], None],
    on_trouble: Callable[[UserError], None],
    progress: ProgressSink = no_progress,
    cancel: CancelToken,
) -> int:
    """Evaluates at once and then whenever files change, until cancelled (raises Cancelled); returns how many models or looks failed.

    An error that stays the same is told once. With `once` it ends after the first evaluation.
    """
    stirred = threading.Event()
    forget = cancel.on_cancel(stirred.set)
    told: str | None = None
    evaluated_at = -REFRESH_SECONDS
    try:
        while True:
            failures = 0
            try:
                arrived = workspace.changed_inputs()
                if arrived or time.monotonic() - evaluated_at >= REFRESH_SECONDS:
                    outcome = workspace.evaluate(progress=progress, cancel=cancel)
                    failures = sum(model.failure is not None for model in outcome.models)
                    evaluated_at, told, first = time.monotonic(), None, told is not None or evaluated_at < 0
                    if arrived or first or outcome.changed:
                        on_outcome(outcome)
            except UserError as error:
                failures = 1
                if str(error) != told:
                    told = str(error)
                    on_trouble(error)
            if once:
                return failures
            stirred.wait(every_seconds)
            cancel.raise_if_cancelled()
    finally:
        forget()
