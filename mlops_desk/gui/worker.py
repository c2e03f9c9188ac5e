"""The threads that ask the workspace, one to a lane; answers come back on the GUI's thread.

What a lane runs never waits for another lane: pages are read while an evaluation runs, and what waits for the archive's writer keeps neither.
A topic has one lane and names what an answer is for. Of several questions on one topic the last wins: those still waiting are replaced, the answer of the one
that runs is dropped and it is asked to stop. Urgent questions (what somebody looks at) overtake those that wait in the background.
Callbacks run on the thread that made the Worker, and not at all once their owner is gone or the worker is stopped.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import shiboken6
from msgspec import Struct, field
from PySide6.QtCore import QObject, Qt, Signal, Slot

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import CancelToken, Progress

STOP_SECONDS = 10.0
"""How long closing waits for the questions that run; DuckDB's interrupt answers in a quarter of a second."""


class Lane(StrEnum):
    """What runs one after the other, on a thread of this name.

    PAGES only reads. RUNS may wait for the archive while an evaluation is stored. EVALUATION evaluates, and looks whether there is a reason to.
    """

    PAGES = "workspace"
    RUNS = "runs"
    EVALUATION = "evaluation"


class Task(Struct, kw_only=True, eq=False):
    """A question that waits, runs, or has been answered.

    Attributes
    ----------
    label : what is being done, for the status bar; None for what is over in a moment.
    token : asks the work to stop. value, error : what came of it.
    """

    topic: str
    lane: Lane
    work: Callable[[Task], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    owner: QObject
    label: str | None = None
    token: CancelToken = field(default_factory=CancelToken)
    value: Any = None
    error: Exception | None = None
    reached: Progress | None = None
    tell: Callable[[Task], None] = lambda _: None

    def progress(self, progress: Progress) -> None:
        """Reports progress; called on the worker's thread as often as the work likes."""
        quiet = self.reached is None
        self.reached = progress
        if quiet:
            self.tell(self)


class Worker(QObject):
    """Runs questions, those of a lane one after the other on the lane's own thread.

    Signals
    -------
    started, progressed, settled : of tasks that have a label. defect : an exception that nobody expected.
    """

    started = Signal(object)
    progressed = Signal(object, object)
    settled = Signal(object)
    defect = Signal(object)
    _begun = Signal(object)
    _reported = Signal(object)
    _answered = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: dict[Lane, list[tuple[bool, int, Task]]] = {lane: [] for lane in Lane}
        self._latest: dict[str, Task] = {}
        self._running: dict[Lane, Task] = {}
        self._asked = 0
        self._stopping = False
        self._wake = threading.Condition()
        self._begun.connect(self._tell_start, Qt.ConnectionType.QueuedConnection)
        self._reported.connect(self._tell_progress, Qt.ConnectionType.QueuedConnection)
        self._answered.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._threads = [threading.Thread(target=self._run, args=(lane,), name=lane, daemon=True) for lane in Lane]
        for thread in self._threads:
            thread.start()

    def ask(
        self,
        topic: str,
        work: Callable[[Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        *,
        owner: QObject,
        label: str | None = None,
        urgent: bool = True,
        lane: Lane = Lane.PAGES,
    ) -> Task:
        """Asks a question; `done` gets the answer, `failed` a UserError, Cancelled or a defect."""
        task = Task(
            topic=topic,
            lane=lane,
            work=work,
            done=done,
            failed=failed,
            owner=owner,
            label=label,
            tell=self._reported.emit,
        )
        with self._wake:
            before = self._latest.pop(topic, None)
            self._latest[topic] = task
            self._drop(topic, lane)
            self._asked += 1
            heapq.heappush(self._waiting[lane], (not urgent, self._asked, task))
            self._wake.notify_all()
        if before is not None:
            before.token.cancel()
        return task

    def asked(self, topic: str) -> bool:
        """Whether a question on a topic has not been answered yet."""
        return topic in self._latest

    def forget(self, topic: str) -> None:
        """Takes back the question on a topic: its answer will not be delivered."""
        with self._wake:
            task = self._latest.pop(topic, None)
            if task is not None:
                self._drop(topic, task.lane)
        if task is not None:
            task.token.cancel()

    def cancel(self) -> bool:
        """Asks the labelled task that was asked for last to stop, then the one before it; returns whether any runs or waits."""
        labelled = [task for task in self._latest.values() if task.label is not None]
        for task in [task for task in labelled if not task.token.cancelled][-1:]:
            task.token.cancel()
        return bool(labelled)

    def stop(self) -> bool:
        """Drops all questions, asks those that run to stop and waits for them; returns whether the threads ended."""
        with self._wake:
            self._stopping = True
            for waiting in self._waiting.values():
                waiting.clear()
            self._latest.clear()
            running = tuple(self._running.values())
            self._wake.notify_all()
        for task in running:
            task.token.cancel()
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in self._threads)

    def _drop(self, topic: str, lane: Lane) -> None:
        """Drops what waits under a topic; called with the lock held."""
        self._waiting[lane] = [entry for entry in self._waiting[lane] if entry[2].topic != topic]
        heapq.heapify(self._waiting[lane])

    def _run(self, lane: Lane) -> None:
        while (task := self._next(lane)) is not None:
            if task.label is not None:
                self._begun.emit(task)
            try:
                task.token.raise_if_cancelled()
                task.value = task.work(task)
            except Exception as error:  # noqa: BLE001 - shown by _deliver
                task.error = error
            with self._wake:
                del self._running[lane]
                if self._stopping:
                    return
            self._answered.emit(task)
            del task

    def _next(self, lane: Lane) -> Task | None:
        with self._wake:
            while not self._waiting[lane] and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return None
            task = self._running[lane] = heapq.heappop(self._waiting[lane])[2]
            return task

    @Slot(object)
    def _tell_start(self, task: Task) -> None:
        if not self._stopping:
            self.started.emit(task)

    @Slot(object)
    def _tell_progress(self, task: Task) -> None:
        progress, task.reached = task.reached, None
        if progress is not None and not self._stopping:
            self.progressed.emit(task, progress)

    @Slot(object)
    def _deliver(self, task: Task) -> None:
        if self._stopping:
            return
        if task.label is not None:
            self.settled.emit(task)
        current = self._latest.get(task.topic) is task
        if current:
            del self._latest[task.topic]
        expected = task.error is None or isinstance(task.error, UserError | Cancelled)
        if not expected:
            self.defect.emit(task.error)
        if not current or not shiboken6.isValid(task.owner):
            return
        if task.error is None:
            task.done(task.value)
        else:
            task.failed(task.error)
