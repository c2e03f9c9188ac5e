"""What goes on while an evaluation is under way: other pages, runs and their output, and what is stored already."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt

from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import ModelStatus
from mlops_desk.domain.retraining import RunState
from mlops_desk.gui.worker import Lane
from tests.gui.conftest import Opened
from tests.gui.fake_workspace import FakeWorkspace

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def held(opened: Opened) -> Iterator[Opened]:
    """An open window whose workspace is being evaluated, at its first model, until `released` is set."""
    hold(opened, 0)
    yield opened
    opened.workspace.at_models = None
    opened.workspace.released.set()
    opened.settle()


def hold(opened: Opened, model: int) -> None:
    """Begin an evaluation that waits at a model."""
    opened.workspace.at_models = model
    opened.qtbot.keyClick(opened.window, Qt.Key.Key_F5)
    opened.wait(opened.workspace.holding.is_set)


def evaluating(opened: Opened) -> bool:
    return opened.window.worker.asked("evaluate") and not opened.workspace.released.is_set()


def test_another_model_and_period_are_shown_while_one_evaluates(held: Opened) -> None:
    held.window.desk.choose_model("churn-eu")
    held.wait(lambda: held.shell.header.name.full_text == "churn-eu" and held.window.desk.overview is not None)
    button = next(one for one in held.shell.header.findChildren(type(held.shell.header.live)) if one.text() == "7 d")
    held.qtbot.mouseClick(button, LEFT)
    held.wait(lambda: len(held.page.timeline.scale) == 7)
    held.window.desk.change(column="device_type")
    held.wait(lambda: held.page.distribution.shown is not None and held.page.distribution.shown.column == "device_type")
    assert evaluating(held)


def test_a_report_is_written_while_one_evaluates(held: Opened, tmp_path: Path) -> None:
    said: list[str] = []
    status = held.window.status
    held.window.desk.write(tmp_path / "report.html", said.append)
    held.wait(lambda: said)
    held.wait(lambda: status.task.full_text == "Evaluating …")
    assert status.progress.isVisible()
    assert evaluating(held)


def test_a_run_is_followed_and_cancelled_while_one_evaluates(held: Opened) -> None:
    strip, workspace = held.page.retraining, held.workspace
    held.window.desk.retrain("4 alerts", trust=False)
    held.wait(strip.cancel.isVisible)
    workspace.output = b"epoch 1/12\n"
    held.wait(lambda: "epoch 1/12" in strip.log.toPlainText())
    held.qtbot.mouseClick(strip.cancel, LEFT)
    held.wait(lambda: workspace.called("cancel_run"))
    held.wait(lambda: held.window.desk.runs.runs[0].state is RunState.CANCELLED)
    assert evaluating(held)


def test_a_model_is_shown_anew_as_soon_as_it_is_stored(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, statuses = opened.workspace, opened.workspace.statuses

    def judged() -> tuple[ModelStatus, ...]:
        first, *others = statuses()
        return (replace(first, verdict=Verdict.OK, text="healthy now"), *others)

    monkeypatch.setattr(workspace, "statuses", judged)
    workspace.days = 61
    hold(opened, 1)
    opened.wait(lambda: len(opened.page.timeline.scale) == 61)
    opened.wait(lambda: opened.window.desk.statuses[0].text == "healthy now")
    assert evaluating(opened)
    asked = workspace.called("overview")
    workspace.released.set()
    opened.settle()
    assert workspace.called("overview") > asked


def test_a_model_that_is_not_evaluated_yet_is_left_as_it_is(opened: Opened) -> None:
    opened.window.desk.choose_model("fraud-cards")
    opened.settle()
    asked, told = opened.workspace.called("overview"), opened.workspace.called("statuses")
    hold(opened, 2)
    opened.wait(lambda: opened.workspace.called("statuses") > told)
    assert opened.workspace.called("overview") == asked
    opened.workspace.released.set()
    opened.settle()
    assert opened.workspace.called("overview") > asked


def test_closing_ends_the_evaluation_and_all_threads(
    make_window: Callable[[], Opened], workspace: FakeWorkspace
) -> None:
    made = make_window()
    made.window.open_path(workspace.folder)
    made.settle()
    hold(made, 0)
    threads = made.window.worker._threads
    assert {thread.name for thread in threads if thread.is_alive()} == set(Lane)
    made.window.close()
    assert workspace.released.is_set()
    assert not any(thread.is_alive() for thread in threads)


def test_another_workspace_opens_while_one_evaluates(held: Opened, tmp_path: Path) -> None:
    held.window.close_workspace()
    assert held.workspace.released.is_set()
    held.workspace.at_models = None
    held.window.open_path(held.workspace.folder)
    held.settle()
    assert held.window.stack.currentWidget() is held.shell
    assert not held.window.status.progress.isVisible()
