"""What the window asks of a workspace, and the doors through which it gets one. All calls are made on the worker's threads.

`evaluate` and `changed_inputs` are called on one of them, and the others beside them at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.overview import Distribution, ModelStatus, Overview, Period
from mlops_desk.domain.progress import CancelToken, ProgressSink
from mlops_desk.domain.retraining import RetrainingRun


class WorkspaceProtocol(Protocol):
    """The part of the workspace that the window uses; every method may raise UserError."""

    @property
    def folder(self) -> Path:
        """The folder that holds desk.toml."""

    @property
    def name(self) -> str:
        """What the workspace calls itself."""

    def evaluate(
        self, *, full: bool = ..., progress: ProgressSink = ..., cancel: CancelToken | None = ...
    ) -> EvaluationOutcome:
        """Evaluates what is new, or everything; raises Cancelled and WorkspaceBusy."""

    def changed_inputs(self) -> bool:
        """Whether a file or desk.toml changed since the last evaluation."""

    def statuses(self) -> tuple[ModelStatus, ...]:
        """The models, in the order of desk.toml."""

    def overview(self, model: str, period: Period = ..., segment: str | None = ...) -> Overview:
        """Everything the Overview page shows."""

    def distribution(
        self, model: str, column: str, chunk_keys: Sequence[str], segment: str | None = ...
    ) -> Distribution:
        """A column in the reference and in some chunks."""

    def segments(self, model: str) -> tuple[str, ...]:
        """Labels of the segments that have values."""

    def trust(self) -> None:
        """Lets the workspace start its commands on this machine."""

    def runnable_parts(self) -> tuple[str, ...]:
        """What trusting the workspace would let it run, one line each."""

    def retrain(self, model: str, *, reason: str, asked_by: str) -> RetrainingRun:
        """Starts a run; raises NotTrusted."""

    def runs(self, model: str | None = ...) -> tuple[RetrainingRun, ...]:
        """Runs, the latest first."""

    def cancel_run(self, run_id: int, by: str) -> None:
        """Stops a run and all that it started."""

    def run_output(self, run_id: int, since: int = ...) -> tuple[str, int]:
        """What a run printed from a byte on, and the next byte."""

    def write_report(self, path: Path, *, model: str | None = ..., period: Period = ...) -> None:
        """Writes a report, of the kind that the name's ending says."""

    def write_metrics(self, path: Path) -> int:
        """Writes the results table and returns its number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ways to a workspace.

    Attributes
    ----------
    open_workspace : from a folder or its desk.toml. create_sample : of the shipped sample, copied to where the user may write.
    create_from_files : writes a desk.toml for dropped Parquet files and folders.
    """

    open_workspace: Callable[[Path], WorkspaceProtocol]
    create_sample: Callable[[], WorkspaceProtocol]
    create_from_files: Callable[[Sequence[Path]], WorkspaceProtocol]
