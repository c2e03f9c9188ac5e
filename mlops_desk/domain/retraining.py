"""What retraining is: the command, what may start it, a run of it and how far it is, and what its candidate must reach."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

PLACEHOLDERS = ("python", "workspace", "model", "run_id", "run_folder", "reason")
"""Names that commands may hold in braces: {python} is the interpreter with this program's libraries, paths are absolute."""

_PROGRESS_CHARACTERS = 1 << 16
_COUNTED = r"\W{0,3}(\d+)\s*(?:/|of)\s*(\d+)(?!\d)"
_COARSE = re.compile(rf"\b(?:progress|epoch|round|fold|trial|stage){_COUNTED}", re.IGNORECASE)
_FINE = re.compile(rf"\b(?:step|batch|iteration|iter){_COUNTED}", re.IGNORECASE)
_PERCENT = re.compile(
    r"(?:^\W*|\bprogress\W{0,3})(\d{1,3})(?:\.\d+)?\s?%\W*(?:done|complete|completed)?\W*$|(?<![\d.])(\d{1,3})%\|",
    re.IGNORECASE,
)


class RunEnvironment(Struct, frozen=True, kw_only=True):
    """The environment of a run: names passed on from this process, values set, and secrets named only."""

    passed: tuple[str, ...] = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "USERPROFILE", "TEMP", "TMP")
    set: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


class HttpCall(Struct, frozen=True, kw_only=True):
    """A request that starts a retraining elsewhere.

    Attributes
    ----------
    url, headers, body : may hold placeholders, and secrets of the run's environment by name: `Bearer {TRAIN_TOKEN}`.
    """

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None


class RetrainingSpec(Struct, frozen=True, kw_only=True):
    """The table `[models.retraining]`.

    Attributes
    ----------
    command : argv, never a shell string; empty where `http` is set. cwd : relative to the workspace.
    timeout_seconds, cooldown_seconds : None and 0 mean none.
    """

    command: tuple[str, ...]
    http: HttpCall | None = None
    cwd: str = "."
    timeout_seconds: float | None = None
    cooldown_seconds: float = 0.0
    max_runs_per_day: int | None = None
    environment: RunEnvironment = RunEnvironment()


class TriggerKind(StrEnum):
    """When a trigger asks for a run."""

    SCHEDULE = "schedule"
    DATA = "data"
    ALERT = "alert"


class TriggerSpec(Struct, frozen=True, kw_only=True):
    """One entry of `[[models.triggers]]`; nothing happens until somebody arms it."""

    kind: TriggerKind
    armed: bool = False
    cron: str | None = None
    timezone: str | None = None
    min_new_rows: int | None = None
    min_new_labels: int | None = None
    metric: str | None = None
    consecutive: int = 1


class Criterion(Struct, frozen=True, kw_only=True):
    """What the candidate must reach on the labelled rows it shares with the champion."""

    metric: str
    min: float | None = None
    max: float | None = None
    min_gain: float | None = None


class Gate(Struct, frozen=True, kw_only=True):
    """The table `[models.gate]`: where the candidate's predictions lie, what they must reach, and what promotes it."""

    candidate: str | None = None
    criteria: tuple[Criterion, ...] = ()
    promote_command: tuple[str, ...] = ()
    promote_mlflow: tuple[tuple[str, str], ...] = ()


class RunState(StrEnum):
    """Where a run is in its life; the last five are final."""

    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"

    @property
    def final(self) -> bool:
        """Whether nothing more can come of the run."""
        return self not in (RunState.STARTING, RunState.RUNNING)


class RetrainingRun(Struct, frozen=True, kw_only=True):
    """One run of a model's retraining command.

    Attributes
    ----------
    id : counts up in the workspace, as in runs/<id>/. asked_by : user name of who pressed the button, or the trigger.
    reason : why now, in words. command : argv with the placeholders filled.
    exit_code : of the command, None while it runs or where a signal ended it. outcome : one sentence on how it ended.
    """

    id: int
    model: str
    state: RunState
    asked_by: str
    reason: str
    command: tuple[str, ...]
    requested_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    outcome: str | None = None


def progress_of(text: str) -> tuple[int, int] | None:
    """How much of how much is done by the latest line that tells it, None where none does.

    Understood are `progress 3/12`, `Epoch 3 / 12`, `[fold 3 of 5]`, `batch 40/100`, `42%` on a line of its own and `42%|` of a bar.
    Epochs and the like go before batches and percentages, which start anew in each of them.
    """
    fine: tuple[int, int] | None = None
    for line in reversed(text[-_PROGRESS_CHARACTERS:].splitlines()):
        coarse = _counted(_COARSE.search(line))
        if coarse is not None:
            return coarse
        fine = fine or _counted(_FINE.search(line)) or _percentage(_PERCENT.search(line))
    return fine


def _counted(match: re.Match[str] | None) -> tuple[int, int] | None:
    if match is None:
        return None
    done, total = int(match[1]), int(match[2])
    return (done, total) if 0 < total >= done else None


def _percentage(match: re.Match[str] | None) -> tuple[int, int] | None:
    if match is None:
        return None
    done = int(match[1] or match[2])
    return (done, 100) if done <= 100 else None
