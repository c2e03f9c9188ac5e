"""Follows the retraining runs of the chosen model: their state, and what the latest one prints. Runs go on without the window.

Asks on a timer, more often while a run is under way. Output is bytes of the run's log, asked for from where the last answer ended.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from mlops_desk.domain.retraining import RetrainingRun, progress_of
from mlops_desk.gui.facade import WorkspaceProtocol
from mlops_desk.gui.worker import Lane, Worker

BUSY_MILLISECONDS = 400
IDLE_MILLISECONDS = 3000
LOG_CHARACTERS = 400_000
Answer = tuple[tuple[RetrainingRun, ...], str, int, int | None]
"""Runs, new output of the latest, where it goes on, and its id."""


def share_in(output: str) -> float | None:
    """How far a run is, from 0 to 1 and by its own words; None where it tells nothing."""
    progress = progress_of(output)
    return None if progress is None else progress[0] / progress[1]


class RunWatch(QObject):
    """The runs of one model.

    Signals
    -------
    runs_changed : (runs, the latest first). output : (run id, text, whether it starts anew). ended : a run that was under way and is final now.
    failed : an error. unreadable : why runs cannot be read, in words; empty where all can.
    """

    runs_changed = Signal(object)
    output = Signal(int, str, bool)
    ended = Signal(object)
    failed = Signal(object)
    unreadable = Signal(str)

    def __init__(self, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker = worker
        self._workspace: WorkspaceProtocol | None = None
        self._model = ""
        self._followed: int | None = None
        self._next_byte = 0
        self._unreadable = ""
        self.runs: tuple[RetrainingRun, ...] = ()
        self.log = ""
        self._timer = QTimer(self)
        self._timer.setInterval(IDLE_MILLISECONDS)
        self._timer.timeout.connect(self.look)

    @property
    def active(self) -> RetrainingRun | None:
        """The run that is under way."""
        return next((run for run in self.runs if not run.state.final), None)

    def follow(self, workspace: WorkspaceProtocol, model: str, runs: tuple[RetrainingRun, ...]) -> None:
        """Follows a model's runs, of which some are known already."""
        if (workspace, model) != (self._workspace, self._model):
            self._workspace, self._model = workspace, model
            self._followed, self._next_byte, self.runs, self.log = None, 0, (), ""
            self._worker.forget("runs")
            self._unreadable = ""
            self.unreadable.emit("")
            self.output.emit(0, "", True)
        self._take((runs, "", self._next_byte, self._followed))
        self._timer.start()
        self.look()

    def stop(self) -> None:
        """Follows nothing any more."""
        self._timer.stop()
        self._worker.forget("runs")
        self._workspace = None

    def look(self) -> None:
        """Asks for the runs and for new output, unless it is being asked for."""
        workspace, model, followed, since = self._workspace, self._model, self._followed, self._next_byte
        if workspace is None or self._worker.asked("runs"):
            return

        def ask(_: object) -> tuple[Answer, str]:
            runs = workspace.runs(model)
            told = " · ".join(f"Run {number}: {reason}" for number, reason in workspace.unreadable_runs().items())
            latest = latest_of(runs)
            if latest is None:
                return (runs, "", 0, None), told
            text, after = workspace.run_output(latest.id, since if latest.id == followed else 0)
            return (runs, text, after, latest.id), told

        self._worker.ask("runs", ask, self._take_all, self.failed.emit, owner=self, lane=Lane.RUNS, urgent=False)

    def _take_all(self, found: tuple[Answer, str]) -> None:
        answer, told = found
        if told != self._unreadable:
            self._unreadable = told
            self.unreadable.emit(told)
        self._take(answer)

    def _take(self, answer: Answer) -> None:
        runs, text, after, followed = answer
        under_way = {run.id for run in self.runs if not run.state.final}
        changed, self.runs = runs != self.runs, runs
        anew = followed != self._followed
        self._followed, self._next_byte = followed, after
        if changed:
            self.runs_changed.emit(runs)
        self.log = ("" if anew else self.log) + text
        self.log = self.log[-LOG_CHARACTERS:]
        if text or anew:
            self.output.emit(followed or 0, text, anew)
        self._timer.setInterval(BUSY_MILLISECONDS if self.active else IDLE_MILLISECONDS)
        for run in runs:
            if run.id in under_way and run.state.final:
                self.ended.emit(run)


def latest_of(runs: tuple[RetrainingRun, ...]) -> RetrainingRun | None:
    """The run with the highest number."""
    return max(runs, key=lambda run: run.id, default=None)
