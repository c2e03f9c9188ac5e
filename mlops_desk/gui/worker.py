"""The one thread that asks the workspace; answers come back on the GUI's thread.

A topic names what an answer is for. Of several questions on one topic the last wins: those still waiting are replaced, the answer of the one
that runs is dropped and it is asked to stop. Urgent questions (what somebody looks at) overtake those that wait in the background.
Callbacks run on the thread that made the Worker, and not at all once their owner is gone or the worker is stopped.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import shiboken6
from PySide6.QtCore import QObject, Qt, Signal, Slot

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import CancelToken, Progress

STOP_SECONDS = 10.0
"""How long closing waits for the question that runs; DuckDB's interrupt answers in a quarter of a second."""


@dataclass(eq=False, kw_only=True)
class Task:
    """A question that waits, runs, or has been answered.

    Attributes
    ----------
    label : what is being done, for the status bar; None for what is over in a moment.
    token : asks the work to stop. value, error : what came of it.
    """

    topic: str
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
    """Runs questions one after the other on a thread of its own.

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
        self._waiting: list[tuple[bool, int, Task]] = []
        self._latest: dict[str, Task] = {}
        self._running: Task | None = None
        self._asked = 0
        self._stopping = False
        self._wake = threading.Condition()
        self._begun.connect(self._tell_start, Qt.ConnectionType.QueuedConnection)
        self._reported.connect(self._tell_progress, Qt.ConnectionType.QueuedConnection)
        self._answered.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name="workspace", daemon=True)
        self._thread.start()

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
    ) -> Task:
        """Asks a question; `done` gets the answer, `failed` a UserError, Cancelled or a defect."""
        task = Task(
            topic=topic, work=work, done=done, failed=failed, owner=owner, label=label, tell=self._reported.emit
        )
        with self._wake:
            before = self._latest.get(topic)
            self._latest[topic] = task
            self._waiting = [entry for entry in self._waiting if entry[2].topic != topic]
            heapq.heapify(self._waiting)
            self._asked += 1
            heapq.heappush(self._waiting, (not urgent, self._asked, task))
            self._wake.notify()
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
            self._waiting = [entry for entry in self._waiting if entry[2].topic != topic]
            heapq.heapify(self._waiting)
        if task is not None:
            task.token.cancel()

    def cancel(self) -> bool:
        """Asks the labelled task that runs or waits to stop; returns whether there was one."""
        labelled = [task for task in self._latest.values() if task.label is not None]
        for task in labelled:
            task.token.cancel()
        return bool(labelled)

    def stop(self) -> bool:
        """Drops all questions, asks the running one to stop and waits for it; returns whether the thread ended."""
        with self._wake:
            self._stopping = True
            self._waiting.clear()
            self._latest.clear()
            running = self._running
            self._wake.notify()
        if running is not None:
            running.token.cancel()
        self._thread.join(STOP_SECONDS)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            if task.label is not None:
                self._begun.emit(task)
            try:
                task.token.raise_if_cancelled()
                task.value = task.work(task)
            except Exception as error:  # noqa: BLE001 - shown by _deliver
                task.error = error
            with self._wake:
                self._running = None
                if self._stopping:
                    return
            self._answered.emit(task)
            del task

    def _next(self) -> Task | None:
        with self._wake:
            while not self._waiting and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return None
            self._running = heapq.heappop(self._waiting)[2]
            return self._running

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
