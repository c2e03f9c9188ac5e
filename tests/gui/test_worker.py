"""A thread for each lane asks; answers come back on the GUI's thread, the last one wins, and nothing is delivered to what is gone."""

import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.plugin import QtBot

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import Progress
from mlops_desk.gui.worker import Lane, Task, Worker


@pytest.fixture
def worker(qapp: object) -> Iterator[Worker]:
    made = Worker()
    yield made
    assert made.stop()


def unexpected(value: object) -> None:
    raise AssertionError(value)


def test_work_is_done_on_the_worker_and_answered_on_the_gui_thread(worker: Worker, qtbot: QtBot) -> None:
    seen: list[tuple[str, str]] = []
    name = lambda: threading.current_thread().name  # noqa: E731
    worker.ask("a", lambda _: name(), lambda worked: seen.append((worked, name())), unexpected, owner=worker)
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [("workspace", threading.main_thread().name)]
    assert not worker.asked("a")


def test_the_last_question_of_a_topic_wins(worker: Worker, qtbot: QtBot) -> None:
    gate, worked, answers = threading.Event(), [], []

    def work(task: Task) -> object:
        gate.wait(5)
        worked.append(task)
        return len(worked)

    first = worker.ask("page", work, answers.append, answers.append, owner=worker)
    qtbot.waitUntil(lambda: worker._running.get(Lane.PAGES) is first)
    for _ in range(20):
        worker.ask("page", work, unexpected, unexpected, owner=worker)
    last = worker.ask("page", work, answers.append, answers.append, owner=worker)
    gate.set()
    qtbot.waitUntil(lambda: bool(answers))
    assert worked == [first, last]
    assert answers == [2]
    assert first.token.cancelled


def test_urgent_questions_overtake(worker: Worker, qtbot: QtBot) -> None:
    gate, order = threading.Event(), []
    worker.ask("gate", lambda _: gate.wait(5), lambda _: None, unexpected, owner=worker)
    worker.ask("poll", lambda _: order.append("poll"), lambda _: None, unexpected, owner=worker, urgent=False)
    worker.ask("page", lambda _: order.append("page"), lambda _: None, unexpected, owner=worker)
    gate.set()
    qtbot.waitUntil(lambda: len(order) == 2)
    assert order == ["page", "poll"]


def test_errors_come_back_and_only_defects_are_told_of(worker: Worker, qtbot: QtBot) -> None:
    failures: list[Exception] = []
    defects: list[Exception] = []
    worker.defect.connect(defects.append)
    for topic, error in (("a", UserError("mend me")), ("b", Cancelled()), ("c", ZeroDivisionError("bug"))):

        def work(_: Task, error: Exception = error) -> None:
            raise error

        worker.ask(topic, work, unexpected, failures.append, owner=worker)
    qtbot.waitUntil(lambda: len(failures) == 3)
    assert [type(error) for error in failures] == [UserError, Cancelled, ZeroDivisionError]
    assert [type(error) for error in defects] == [ZeroDivisionError]


def test_cancel_stops_labelled_tasks_only(worker: Worker, qtbot: QtBot) -> None:
    failures: list[Exception] = []
    started: list[str | None] = []
    worker.started.connect(lambda task: started.append(task.label))

    def long(task: Task) -> None:
        stopped = threading.Event()
        task.token.on_cancel(stopped.set)
        stopped.wait(5)
        task.token.raise_if_cancelled()

    assert not worker.cancel()
    worker.ask("long", long, unexpected, failures.append, owner=worker, label="Evaluating")
    qtbot.waitUntil(lambda: started == ["Evaluating"])
    assert worker.cancel()
    qtbot.waitUntil(lambda: bool(failures))
    assert isinstance(failures[0], Cancelled)


def test_cancel_takes_one_task_at_a_time_the_latest_first(worker: Worker, qtbot: QtBot) -> None:
    stopped: list[str] = []

    def work(task: Task) -> None:
        asked = threading.Event()
        task.token.on_cancel(asked.set)
        assert asked.wait(10)
        task.token.raise_if_cancelled()

    for topic, lane in (("evaluate", Lane.EVALUATION), ("write", Lane.PAGES)):
        note = lambda _, topic=topic: stopped.append(topic)  # noqa: E731
        worker.ask(topic, work, unexpected, note, owner=worker, label=topic, lane=lane)
    for expected in (["write"], ["write", "evaluate"]):
        assert worker.cancel()
        qtbot.waitUntil(lambda expected=expected: stopped == expected)
    assert not worker.cancel()


def test_a_lane_does_not_wait_for_another(worker: Worker, qtbot: QtBot) -> None:
    gate, answers = threading.Event(), []
    for lane in (Lane.EVALUATION, Lane.RUNS):
        worker.ask(lane, lambda _: gate.wait(10), answers.append, unexpected, owner=worker, lane=lane)
    worker.ask("page", lambda _: "page", answers.append, unexpected, owner=worker)
    qtbot.waitUntil(lambda: answers == ["page"])
    gate.set()
    qtbot.waitUntil(lambda: answers == ["page", True, True])


def test_progress_is_told_on_the_gui_thread_and_coalesced(worker: Worker, qtbot: QtBot) -> None:
    reached: list[float] = []
    done: list[object] = []
    threads: set[str] = set()

    def work(task: Task) -> None:
        for step in range(5000):
            task.progress(Progress(stage="scan", share=step / 4999))

    def take(_: Task, progress: Progress) -> None:
        threads.add(threading.current_thread().name)
        reached.append(progress.share)

    worker.progressed.connect(take)
    worker.ask("scan", work, done.append, unexpected, owner=worker, label="Scanning")
    qtbot.waitUntil(lambda: bool(done) and reached[-1:] == [1.0])
    assert reached == sorted(reached)
    assert len(reached) < 2500
    assert threads == {threading.main_thread().name}


def test_nothing_is_delivered_to_what_is_gone_or_forgotten(worker: Worker, qtbot: QtBot) -> None:
    gate, answers = threading.Event(), []
    owner = QObject()
    worker.ask("gate", lambda _: gate.wait(5), answers.append, unexpected, owner=worker)
    worker.ask("orphan", lambda _: 1, unexpected, unexpected, owner=owner)
    worker.ask("forgotten", lambda _: 1, unexpected, unexpected, owner=worker)
    worker.ask("last", lambda _: "last", answers.append, unexpected, owner=worker)
    worker.forget("forgotten")
    owner.deleteLater()
    qtbot.wait(1)
    gate.set()
    qtbot.waitUntil(lambda: "last" in answers)


def test_stop_ends_the_running_work_and_answers_nothing(qtbot: QtBot) -> None:
    worker = Worker()
    begun = threading.Barrier(len(Lane) + 1, timeout=10)

    def long(task: Task) -> None:
        stopped = threading.Event()
        task.token.on_cancel(stopped.set)
        begun.wait()
        assert stopped.wait(10)

    for lane in Lane:
        worker.ask(lane, long, unexpected, unexpected, owner=worker, lane=lane)
        worker.ask(f"after {lane}", unexpected, unexpected, unexpected, owner=worker, lane=lane)
    begun.wait()
    assert worker.stop()
    assert not any(thread.is_alive() for thread in worker._threads)
    qtbot.wait(1)
