"""The GUI's thread never works for long on end: it is asked for a heartbeat while everything happens that happens in a day.

What counts is the time that the thread itself works between two beats, by a clock that a slow or shared machine slows down, too; the workspace answers
slowly, and nothing of that may be seen.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QResizeEvent

from mlops_desk.gui.appearance import Mode
from mlops_desk.gui.plots.matrix import MatrixPlot
from tests.gui.conftest import SIZE, Opened
from tests.gui.fake_workspace import FakeWorkspace

LIMIT_SECONDS = 0.05
YARDSTICK_SECONDS = 0.004
"""What the yardstick, a loop of plain Python, takes on the machine that the limit is held on; where it takes longer, everything may."""
ROUNDS = 5
REPAINTED_SECONDS = 0.075
"""The limit for a turn in which all of a window is painted: 25 to 42 ms were measured on a quiet core, up to 60 on one that is shared."""


def slowness() -> float:
    """Return how many times longer than on the machine of the limit things take now, 1 where they take less."""
    begun = time.thread_time()
    sum(number * number % 7 for number in range(100_000))
    return max((time.thread_time() - begun) / YARDSTICK_SECONDS, 1.0)


@contextmanager
def heartbeat() -> Iterator[list[float]]:
    """Collect the seconds that the GUI's thread works between beats; what pytest itself holds is kept out of garbage collections meanwhile."""
    beats: list[float] = []
    gc.collect()
    gc.freeze()
    last = time.thread_time()

    def beat() -> None:
        nonlocal last
        worked = time.thread_time() - last
        beats.append(worked / slowness() if worked > LIMIT_SECONDS / 2 else worked)
        last = time.thread_time()

    timer = QTimer()
    timer.setInterval(0)
    timer.timeout.connect(beat)
    timer.start()
    try:
        yield beats
    finally:
        timer.stop()
        gc.unfreeze()


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
    assert len(beats) > 100
    assert max(beats) < LIMIT_SECONDS, sorted(beats)[-3:]


def test_another_theme_and_size_take_no_longer(opened: Opened) -> None:
    """The best of some rounds counts: what the program itself takes too long for, it takes too long for in each."""
    rounds: list[float] = []
    while len(rounds) < ROUNDS and (not rounds or min(rounds) >= REPAINTED_SECONDS):
        with heartbeat() as beats:
            for size in ((1280, 800), SIZE):
                before = len(beats)
                QTimer.singleShot(0, opened.window.toggle_theme)
                opened.wait(lambda before=before, beats=beats: len(beats) > before + 10)
                QTimer.singleShot(0, lambda size=size: opened.window.resize(*size))
                opened.wait(lambda size=size: opened.window.width() == size[0] and opened.page.settled)
                opened.wait(lambda before=before, beats=beats: len(beats) > before + 20)
        rounds.append(max(beats))
    opened.window.set_mode(Mode.LIGHT)
    assert min(rounds) < REPAINTED_SECONDS


def test_of_many_sizes_the_page_takes_the_last(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    resized = type(opened.page.matrix).resizeEvent

    def note(plot: MatrixPlot, event: QResizeEvent) -> None:
        widths.append(event.size().width())
        resized(plot, event)

    monkeypatch.setattr(type(opened.page.matrix), "resizeEvent", note)
    before = opened.page.matrix.width()
    for width in range(1660, 1300, -20):
        opened.window.resize(width, 1000)
    assert opened.page.matrix.width() == before
    opened.wait(lambda: opened.page.matrix.width() < before)
    assert len(widths) <= 2


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
    assert max(beats) < LIMIT_SECONDS


def test_the_heartbeat_notices_a_thread_that_stands_still(opened: Opened) -> None:
    def work() -> None:
        until = time.thread_time() + 4 * LIMIT_SECONDS
        while time.thread_time() < until:
            pass

    with heartbeat() as beats:
        QTimer.singleShot(0, work)
        opened.qtbot.wait(60)
    assert max(beats) > 3 * LIMIT_SECONDS
