"""What the window asks of a workspace, and the doors through which it gets one. All calls are made on the worker's threads.

`evaluate` and `changed_inputs` are called on one of them, and the others beside them at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

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

    def unreadable_runs(self) -> dict[int, str]:
        """Why runs cannot be read, by their ids."""

    def runs(self, model: str | None = ...) -> tuple[RetrainingRun, ...]:
        """Runs, the latest first."""

    def cancel_run(self, run_id: int, by: str) -> None:
        """Stops a run and all that it started."""

    def run_output(self, run_id: int, since: int = ...) -> tuple[str, int]:
        """What a run printed from a byte on, and the next byte."""

    def write_report(self, path: Path, *, model: str | None = ..., period: Period = ...) -> tuple[str, ...]:
        """Writes a report, of the kind that the name's ending says; returns what is not right with it."""

    def write_metrics(self, path: Path) -> int:
        """Writes the results table and returns its number of rows."""


class SketchedColumnProtocol(Protocol):
    """A column of dropped files as it was guessed."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def use(self) -> str:
        """What it is for."""

    @property
    def kind(self) -> str | None:
        """How it is compared, None where it is not."""

    @property
    def reason(self) -> str:
        """Why it has its use and kind."""

    @property
    def values(self) -> tuple[str, ...]:
        """Some of its values as text."""


class SketchProtocol(Protocol):
    """What could be written of dropped files."""

    @property
    def folder(self) -> Path:
        """Where desk.toml would be written."""

    @property
    def parts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Logs, reference and labels with their paths."""

    @property
    def rows(self) -> int:
        """Rows of the log."""

    @property
    def columns(self) -> Sequence[SketchedColumnProtocol]:
        """The columns of the log."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was chosen besides the columns, and why."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should look at."""

    @property
    def failure(self) -> str | None:
        """Why the guess as it is cannot be evaluated."""

    @property
    def uses(self) -> tuple[str, ...]:
        """What a column can be for."""

    def troubles(self, uses: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with these uses, by column; what is missing altogether has the empty name."""


class Doors(Struct, frozen=True, kw_only=True):
    """The ways to a workspace.

    Attributes
    ----------
    open_workspace : from a folder or its desk.toml. create_sample : of the shipped sample, copied to where the user may write.
    sketch_files : what could be written of dropped Parquet files and folders, None where they are a workspace already.
    create_from_files : opens the workspace of dropped files, with a desk.toml of these uses of columns where there is none (None: guessed ones).
    """

    open_workspace: Callable[[Path], WorkspaceProtocol]
    create_sample: Callable[[], WorkspaceProtocol]
    sketch_files: Callable[[Sequence[Path], CancelToken], SketchProtocol | None]
    create_from_files: Callable[[Sequence[Path], Mapping[str, str] | None], WorkspaceProtocol]
