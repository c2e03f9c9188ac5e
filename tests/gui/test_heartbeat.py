"""The GUI's thread never works for long on end: it is asked for a heartbeat while everything happens that happens in a day.

What counts is the time that the thread itself works between two beats, so that a busy machine does not fail the test; the workspace answers slowly, and
nothing of that may be seen.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from PySide6.QtCore import QTimer

from tests.gui.conftest import Opened
from tests.gui.fake_workspace import FakeWorkspace

LIMIT_SECONDS = 0.05
SLACK = 3.0
"""Thread time counts cycles at whatever speed a shared machine runs."""


@contextmanager
def heartbeat() -> Iterator[list[float]]:
    """Collect the seconds that the GUI's thread works between beats."""
    beats: list[float] = []
    last = time.thread_time()

    def beat() -> None:
        nonlocal last
        now = time.thread_time()
        beats.append(now - last)
        last = now

    timer = QTimer()
    timer.setInterval(0)
    timer.timeout.connect(beat)
    timer.start()
    try:
        yield beats
    finally:
        timer.stop()


def test_the_window_stays_alive_while_everything_happens(
    make_window: Callable[[], Opened], workspace: FakeWorkspace
) -> None:
    workspace.delay = 0.2
    workspace.evaluation_steps = 15
    made = make_window()
    made.wait(lambda: made.window.shell is not None)
    with heartbeat() as beats:
        made.window.open_path(workspace.folder)
        made.settle()
        made.window.desk.choose_model("churn-eu")
        made.settle()
        timeline = made.page.timeline
        for step in range(12):
            timeline.pick((20, 25 + step), dragged=True)
            timeline.point(step)
            made.qtbot.wait(15)
        workspace.days = 61
        made.window.desk.refresh()
        made.settle()
    slow = sorted(beats)[-3:]
    assert len(beats) > 100
    assert max(beats) < LIMIT_SECONDS * SLACK, f"the GUI's thread worked {slow} s on end"


def test_a_slow_workspace_is_not_waited_for(opened: Opened) -> None:
    opened.workspace.delay = 0.5
    begun = time.perf_counter()
    beats = 0
    opened.window.desk.choose_model("retention")

    def beat() -> None:
        nonlocal beats
        beats += 1

    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(beat)
    timer.start()
    opened.wait(lambda: opened.window.desk.overview is not None)
    timer.stop()
    assert time.perf_counter() - begun > 0.45
    assert beats > 20
    opened.workspace.delay = 0.0
    opened.settle()


def test_many_chunks_and_columns_stay_quick(opened: Opened) -> None:
    opened.workspace.days = 700
    with heartbeat() as beats:
        opened.window.desk.ask_overview()
        opened.wait(lambda: len(opened.page.timeline.scale) == 700)
        opened.settle()
        for index in range(0, 700, 50):
            opened.page.timeline.point(index)
            opened.qtbot.wait(1)
    assert max(beats) < 8 * LIMIT_SECONDS


def test_the_heartbeat_notices_a_thread_that_stands_still(opened: Opened) -> None:
    def work() -> None:
        until = time.thread_time() + 4 * LIMIT_SECONDS
        while time.thread_time() < until:
            pass

    with heartbeat() as beats:
        QTimer.singleShot(0, work)
        opened.qtbot.wait(60)
    assert max(beats) > 3 * LIMIT_SECONDS
    with pytest.raises(AssertionError):
        assert max(beats) < LIMIT_SECONDS
