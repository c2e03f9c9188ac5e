"""An open workspace: what is selected, what was answered, and the live loop. Widgets listen to its signals and hold no truth of their own.

Every question goes to the worker, to the lane that fits it. The live loop asks every two seconds whether an input changed, evaluates where one
did, and asks again for what is shown, model by model as they are stored; the selection stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.domain.errors import Cancelled, UserError, WorkspaceBusy
from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.overview import ModelStatus, Overview, Period
from mlops_desk.domain.progress import Progress
from mlops_desk.domain.retraining import RetrainingRun
from mlops_desk.gui.facade import WorkspaceProtocol
from mlops_desk.gui.runwatch import RunWatch
from mlops_desk.gui.selection import Selection
from mlops_desk.gui.worker import Lane, Task, Worker

POLL_MILLISECONDS = 2000
WATCHING = "● Live"
PAUSED = "○ Paused"
BROKEN = "Something went wrong in the program; the details are in its log."
TOPICS = ("statuses", "overview", "segments", "brushed", "distribution", "poll", "evaluate")


class Desk(QObject):
    """The state that all parts of the window share.

    Signals
    -------
    opened : a workspace is open. statuses_changed : models. overview_changed : of the selected model.
    overview_failed : why there is none. brushed_changed : an Overview of the brushed
    period, None where nothing is brushed. segments_changed : labels. selection_changed : a Selection. live_changed : the state in words.
    trouble : (place, text) of an error that the user can mend; an empty text takes it back. started : a RetrainingRun.
    """

    opened = Signal()
    statuses_changed = Signal(object)
    overview_changed = Signal(object)
    brushed_changed = Signal(object)
    segments_changed = Signal(object)
    selection_changed = Signal(object)
    live_changed = Signal(str)
    overview_failed = Signal(str)
    trouble = Signal(str, str)
    started = Signal(object)

    def __init__(self, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker = worker
        self.workspace: WorkspaceProtocol | None = None
        self.selection: Selection | None = None
        self.statuses: tuple[ModelStatus, ...] = ()
        self.overview: Overview | None = None
        self.outcome: EvaluationOutcome | None = None
        self.live = True
        self._evaluation: Task | None = None
        self._stored = 0
        worker.progressed.connect(self._show_stored)
        self.runs = RunWatch(worker, self)
        self.runs.failed.connect(lambda error: self._failed("runs", error))
        self.runs.unreadable.connect(lambda text: self.trouble.emit("unreadable runs", text))
        self.runs.ended.connect(lambda _: self.ask_overview())
        self._poll = QTimer(self)
        self._poll.setInterval(POLL_MILLISECONDS)
        self._poll.timeout.connect(self._look)

    def open(
        self,
        label: str,
        door: Callable[[], WorkspaceProtocol],
        done: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Opens a workspace in place of the one that is open; `door` is called on the worker's thread."""
        self.worker.ask(
            "open", lambda _: door(), lambda workspace: self._opened(workspace, done), failed, owner=self, label=label
        )

    def close(self) -> None:
        """Stops looking, and drops what was asked."""
        self._poll.stop()
        self.runs.stop()
        for topic in TOPICS:
            self.worker.forget(topic)
        self.workspace = self.selection = self.overview = self._evaluation = None

    def _opened(self, workspace: WorkspaceProtocol, done: Callable[[], None]) -> None:
        self.close()
        self.workspace, self.statuses = workspace, ()
        self.trouble.emit("", "")
        done()
        self.opened.emit()
        self._ask_statuses()
        self.evaluate()
        self.set_live(self.live)

    def select(self, selection: Selection) -> None:
        """Shows something else."""
        before, self.selection = self.selection, selection
        if before == selection:
            return
        other_model = before is None or before.model != selection.model
        if other_model:
            self.overview = None
        self.selection_changed.emit(selection)
        if other_model:
            self._ask_segments()
        if other_model or (
            before is not None and (before.period, before.segment) != (selection.period, selection.segment)
        ):
            self.ask_overview()
        if before is None or before.brushed != selection.brushed or selection.brushed is not None:
            self._ask_brushed()

    def change(self, **changes: Any) -> None:
        """Shows something else of the same model; the arguments are fields of Selection."""
        if self.selection is not None:
            self.select(replace(self.selection, **changes))

    def choose_model(self, model: str) -> None:
        """Shows another model over the same period."""
        period = self.selection.period if self.selection else Period()
        period = Period(days=period.days)
        self.select(Selection(model=model, period=period))

    def refresh(self) -> None:
        """Evaluates what is new."""
        self.evaluate()

    def evaluate(self, *, full: bool = False) -> None:
        """Evaluates what is new, or everything, unless an evaluation is under way."""
        workspace = self.workspace
        if workspace is None or self.worker.asked("evaluate"):
            return

        def work(task: Task) -> EvaluationOutcome:
            return workspace.evaluate(full=full, progress=task.progress, cancel=task.token)

        self.live_changed.emit("◐ Evaluating")
        self._stored = 0
        self._evaluation = self.worker.ask(
            "evaluate",
            work,
            self._evaluated,
            self._not_evaluated,
            owner=self,
            label="Evaluating",
            lane=Lane.EVALUATION,
        )

    def set_live(self, live: bool) -> None:
        """Looks for new data every two seconds, or not."""
        self.live = live
        if live and self.workspace is not None:
            self._poll.start()
        else:
            self._poll.stop()
        self._tell_live()

    def ask_overview(self) -> None:
        """Asks anew for the page of the selected model."""
        workspace, chosen = self.workspace, self.selection
        if workspace is None or chosen is None:
            return
        self._ask(
            "overview", lambda: workspace.overview(chosen.model, chosen.period, chosen.segment), self._take_overview
        )

    def write(self, path: Path, done: Callable[[str], None]) -> None:
        """Writes the selected model's report (html, pdf, md, json) or all values (parquet, csv)."""
        workspace, chosen = self.workspace, self.selection
        if workspace is None or chosen is None:
            return

        def work() -> str:
            if path.suffix.lower() in (".parquet", ".csv"):
                return f"{workspace.write_metrics(path):,} values written to {path}"
            troubles = workspace.write_report(path, model=chosen.model, period=chosen.period)
            return "; ".join((f"Report written to {path}", *troubles))

        self._ask("write", work, done, label=f"Writing {path.name}")

    def ask_parts(self, done: Callable[[tuple[str, ...]], None]) -> None:
        """Asks what trusting the workspace would allow."""
        if self.workspace is not None:
            self._ask("parts", self.workspace.runnable_parts, done)

    def retrain(self, reason: str, *, trust: bool) -> None:
        """Starts a run of the selected model's command, trusting the workspace first where asked."""
        workspace, chosen = self.workspace, self.selection
        if workspace is None or chosen is None:
            return

        def work() -> RetrainingRun:
            from mlops_desk.domain.people import current_user

            if trust:
                workspace.trust()
            return workspace.retrain(chosen.model, reason=reason, asked_by=current_user())

        self._ask("retrain", work, self._run_started, lane=Lane.RUNS)

    def cancel_run(self, run_id: int) -> None:
        """Stops a run."""
        workspace = self.workspace
        if workspace is None:
            return

        def work() -> None:
            from mlops_desk.domain.people import current_user

            workspace.cancel_run(run_id, current_user())

        self._ask("cancel_run", work, lambda _: self.runs.look(), lane=Lane.RUNS)

    def ask_distribution(
        self, column: str, keys: tuple[str, ...], done: Callable[[Any], None], failed: Callable[[Exception], None]
    ) -> None:
        """Asks for a column's distribution in some chunks of the selected model and segment."""
        workspace, chosen = self.workspace, self.selection
        if workspace is not None and chosen is not None:
            model, segment = chosen.model, chosen.segment
            work = lambda _: workspace.distribution(model, column, keys, segment)  # noqa: E731 - one expression
            self.worker.ask("distribution", work, done, failed, owner=self)

    def _ask(
        self,
        topic: str,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        label: str | None = None,
        lane: Lane = Lane.PAGES,
    ) -> None:
        def take(answer: Any) -> None:
            self.trouble.emit(topic, "")
            done(answer)

        fail = lambda error: self._failed(topic, error)  # noqa: E731 - one expression
        self.worker.ask(topic, lambda _: work(), take, fail, owner=self, label=label, lane=lane)

    def _ask_segments(self) -> None:
        workspace, chosen = self.workspace, self.selection
        if workspace is not None and chosen is not None:
            self._ask("segments", lambda: workspace.segments(chosen.model), self.segments_changed.emit)

    def _ask_brushed(self) -> None:
        workspace, chosen = self.workspace, self.selection
        if workspace is None or chosen is None or chosen.brushed is None:
            self.worker.forget("brushed")
            self.brushed_changed.emit(None)
            return
        brushed = chosen.brushed
        self._ask(
            "brushed", lambda: workspace.overview(chosen.model, brushed, chosen.segment), self.brushed_changed.emit
        )

    def _take_statuses(self, statuses: tuple[ModelStatus, ...]) -> None:
        self.statuses = statuses
        if self.selection is None or all(status.id != self.selection.model for status in statuses):
            if statuses:
                self.choose_model(statuses[0].id)
            else:
                self.trouble.emit("statuses", "desk.toml names no model: add a [[models]] table.")
        self.statuses_changed.emit(statuses)

    def _take_overview(self, overview: Overview) -> None:
        self.overview = overview
        if self.workspace is not None:
            self.runs.follow(self.workspace, overview.model, overview.retraining.runs)
        self.overview_changed.emit(overview)

    def _look(self) -> None:
        workspace = self.workspace
        if workspace is None or self.worker.asked("poll") or self.worker.asked("evaluate"):
            return

        def answer(changed: bool) -> None:
            if changed and self.live:
                self.evaluate()

        self._ask("poll", workspace.changed_inputs, answer, lane=Lane.EVALUATION)

    def _evaluated(self, outcome: EvaluationOutcome) -> None:
        self.outcome = outcome
        failures = [f"{model.model}: {model.failure}" for model in outcome.models if model.failure]
        self.trouble.emit("evaluate", " · ".join(failures))
        self._tell_live()
        self._ask_statuses()
        self._ask_page()

    def _show_stored(self, task: Task, progress: Progress) -> None:
        """Asks anew for what is stored while the evaluation goes on: it stores model by model, in the order of desk.toml."""
        if task is not self._evaluation:
            return
        names = [status.name for status in self.statuses]
        at_work = max((name for name in names if progress.stage.startswith(f"{name}: ")), key=len, default=None)
        stored = 0 if at_work is None else names.index(at_work)
        if stored > self._stored:
            ready = [status.id for status in self.statuses[self._stored : stored]]
            self._stored = stored
            self._ask_statuses()
            if self.selection is not None and self.selection.model in ready:
                self._ask_page()

    def _ask_statuses(self) -> None:
        if self.workspace is not None:
            self._ask("statuses", self.workspace.statuses, self._take_statuses)

    def _ask_page(self) -> None:
        """Asks anew for all that is shown of the selected model."""
        self._ask_segments()
        self.ask_overview()
        if self.selection is not None and self.selection.brushed is not None:
            self._ask_brushed()

    def _not_evaluated(self, error: Exception) -> None:
        self._tell_live()
        self._ask_statuses()
        if isinstance(error, WorkspaceBusy):
            self.live_changed.emit("◌ Another process is writing; trying again")
        elif isinstance(error, Cancelled):
            self.set_live(False)
            self._ask_page()
        else:
            self._failed("evaluate", error)
            self._ask_page()

    def _run_started(self, run: RetrainingRun) -> None:
        self.runs.look()
        self.ask_overview()
        self.started.emit(run)

    def _failed(self, place: str, error: Exception) -> None:
        if isinstance(error, UserError):
            self.trouble.emit(place, str(error))
        if place == "overview" and not isinstance(error, Cancelled):
            self.overview_failed.emit(str(error) if isinstance(error, UserError) else BROKEN)
        if place in ("retrain", "cancel_run"):
            self.runs.look()  # done all the same where only the archive was busy for too long to note it

    def _tell_live(self) -> None:
        self.live_changed.emit(WATCHING if self.live else PAUSED)
