"""The retraining strip: asked for, confirmed, followed, cancelled, ended, and found again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit

from mlops_desk.domain.retraining import RunState
from mlops_desk.gui.confirm import ConfirmRetraining
from tests.gui.conftest import Opened
from tests.gui.fake_numbers import COMMAND
from tests.gui.fake_workspace import FakeWorkspace

LEFT = Qt.MouseButton.LeftButton


def ask(opened: Opened) -> ConfirmRetraining:
    """Press the button and return the question."""
    opened.qtbot.mouseClick(opened.page.retraining.retrain, LEFT)
    opened.wait(lambda: opened.shell.confirmation is not None)
    assert opened.shell.confirmation is not None
    return opened.shell.confirmation


def start(opened: Opened) -> None:
    opened.qtbot.mouseClick(ask(opened).start, LEFT)
    opened.wait(opened.page.retraining.cancel.isVisible)
    opened.settle()


def test_the_question_shows_the_exact_command_folder_and_reason(opened: Opened) -> None:
    dialog = ask(opened)
    assert dialog.command.toPlainText().splitlines() == [f'"{part}"' for part in COMMAND]
    assert dialog.cwd.toPlainText() == str(opened.workspace.folder / "training")
    assert dialog.reason.text() == "ROC AUC 0.781 is below 0.81 since 8 Nov 2026; 4 of 14 columns drifted"
    assert dialog.trust is None
    opened.qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    opened.wait(lambda: opened.shell.confirmation is None)
    opened.settle()
    assert opened.workspace.called("retrain") == 0


def test_a_run_is_started_followed_and_ends(opened: Opened) -> None:
    strip, workspace = opened.page.retraining, opened.workspace
    start(opened)
    assert [call[1:3] for call in workspace.calls if call[0] == "retrain"] == [
        ("credit-risk", "ROC AUC 0.781 is below 0.81 since 8 Nov 2026; 4 of 14 columns drifted")
    ]
    assert not strip.retrain.isEnabled()
    assert strip.progress.maximum() == 0
    workspace.output = b"epoch 3/12 <b>loss</b> 0.29\n"
    opened.wait(lambda: "epoch 3/12 <b>loss</b> 0.29" in strip.log.toPlainText())
    assert strip.progress.value() == 250
    workspace.output += "epoch 9/12 模型\n".encode()
    opened.wait(lambda: "模型" in strip.log.toPlainText())
    assert strip.log.toPlainText().splitlines() == ["epoch 3/12 <b>loss</b> 0.29", "epoch 9/12 模型"]
    assert strip.progress.value() == 750
    assert "elapsed" in strip.clock.full_text
    asked = workspace.called("overview")
    workspace.end_run(RunState.SUCCEEDED, "finished in 12 s; the candidate was written", 0)
    opened.wait(strip.retrain.isEnabled)
    assert strip.cancel.isHidden()
    assert "finished in 12 s" in strip.subtitle.full_text
    assert (strip.progress.value(), strip.progress.property("verdict")) == (1000, "ok")
    opened.wait(lambda: workspace.called("overview") > asked)
    opened.settle()


def test_a_run_is_cancelled(opened: Opened) -> None:
    strip = opened.page.retraining
    start(opened)
    opened.qtbot.mouseClick(strip.cancel, LEFT)
    assert strip.cancel.text() == "Cancelling…"
    assert not strip.cancel.isEnabled()
    opened.wait(strip.cancel.isHidden)
    assert "cancelled by" in strip.subtitle.full_text
    assert strip.progress.property("verdict") == "alert"
    assert strip.retrain.isEnabled()
    opened.settle()


def test_an_untrusted_workspace_asks_first(opened: Opened) -> None:
    opened.workspace.trusted_here = False
    opened.window.desk.ask_overview()
    opened.settle()
    assert "not trusted" in opened.page.retraining.subtitle.full_text
    dialog = ask(opened)
    assert not dialog.start.isEnabled()
    shown = [box.toPlainText() for box in dialog.findChildren(QPlainTextEdit)]
    assert any("promote.py" in text for text in shown)
    assert dialog.trust is not None
    opened.qtbot.keyClick(dialog.trust, Qt.Key.Key_Space)
    opened.qtbot.mouseClick(dialog.start, LEFT)
    opened.wait(opened.page.retraining.cancel.isVisible)
    opened.settle()
    names = [call[0] for call in opened.workspace.calls]
    assert names.index("trust") < names.index("retrain")


def test_a_refusal_turns_the_button_off_and_says_why(opened: Opened) -> None:
    overview = opened.window.desk.overview
    assert overview is not None
    opened.page.retraining.show_status(
        replace(overview.retraining, refusal="the last run ended 20 min ago; the cooldown is 6 h")
    )
    assert not opened.page.retraining.retrain.isEnabled()
    assert "cooldown is 6 h" in opened.page.retraining.retrain.toolTip()
    assert "cooldown is 6 h" in opened.page.retraining.subtitle.full_text


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FAILED])
def test_a_run_is_found_again_after_a_restart(
    make_window: Callable[[], Opened], workspace: FakeWorkspace, state: RunState
) -> None:
    workspace.retrain("credit-risk", reason="by hand", asked_by="lin")
    assert workspace.run is not None
    workspace.run = replace(workspace.run, started_at=datetime.now(UTC) - timedelta(seconds=3700))
    workspace.output = b"step 1/4\n" * 3
    if state.final:
        workspace.end_run(state, "the command ended with exit code 3", 3)
    made = make_window()
    made.window.open_path(workspace.folder)
    made.settle()
    strip = made.page.retraining
    made.wait(lambda: strip.log.toPlainText() == "step 1/4\n" * 3)
    assert strip.cancel.isVisible() is not state.final
    assert strip.clock.full_text.startswith("1:01:4")
    if state.final:
        assert "exit code 3" in strip.subtitle.full_text
    made.window.desk.choose_model("churn-eu")
    made.settle()
    made.wait(lambda: strip.log.toPlainText() == "")
    assert not strip.progress.isVisible()
    assert strip._ticking.isActive() is False
    made.window.desk.choose_model("credit-risk")
    made.settle()
    made.wait(lambda: strip.log.toPlainText() == "step 1/4\n" * 3)


def test_a_long_log_keeps_the_place_of_who_reads_it(opened: Opened) -> None:
    strip = opened.page.retraining
    strip.add_output(1, "".join(f"line {number}\n" for number in range(200)), True)
    bar = strip.log.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    bar.setValue(5)
    strip.add_output(1, "more\n" * 20, False)
    assert bar.value() == 5
    bar.setValue(bar.maximum())
    strip.add_output(1, "more\n" * 20, False)
    assert bar.value() == bar.maximum()
