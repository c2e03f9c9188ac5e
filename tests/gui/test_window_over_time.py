"""The window over time: live data, troubles, output, look, restart and end."""

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QLabel, QWidget

from mlops_desk.domain.errors import UserError, WorkspaceBusy
from mlops_desk.domain.overview import Period
from mlops_desk.gui.appearance import Mode
from mlops_desk.gui.table import TableDialog
from tests.gui.conftest import Opened
from tests.gui.fake_workspace import FakeWorkspace
from tests.gui.test_window import drag

LEFT = Qt.MouseButton.LeftButton
Make = Callable[[], Opened]


class TestLive:
    def test_new_data_extends_the_plots_and_keeps_zoom_and_selection(self, opened: Opened) -> None:
        page = opened.page
        opened.window.desk._poll.setInterval(20)
        drag(opened, 40, 45)
        opened.settle()
        page.timeline.zoom(0.5, page.timeline.scale.centre(42))
        zoomed = page.timeline.visible
        evaluated = opened.workspace.called("evaluate")
        opened.workspace.days = 61
        opened.workspace.changed = True
        opened.wait(lambda: len(page.timeline.scale) == 61)
        opened.settle()
        assert opened.workspace.called("evaluate") == evaluated + 1
        assert page.timeline.visible == zoomed
        assert page.timeline.brush == (40, 45)
        assert page.column_shown() == "debt_ratio"
        page.timeline.show_all()
        opened.workspace.days = 62
        opened.workspace.changed = True
        opened.wait(lambda: len(page.timeline.scale) == 62)
        assert page.timeline.shows_all

    def test_paused_nothing_is_looked_for_until_live_again(self, opened: Opened) -> None:
        opened.window.desk._poll.setInterval(10)
        header = opened.shell.header
        opened.wait(lambda: opened.workspace.called("changed_inputs") > 2)
        opened.qtbot.mouseClick(header.live, LEFT)
        assert (header.live.text(), opened.window.status.live.full_text) == ("Paused", "○ Paused")
        opened.wait(lambda: not opened.window.worker.asked("poll"))
        looked = opened.workspace.called("changed_inputs")
        opened.qtbot.wait(60)
        assert opened.workspace.called("changed_inputs") == looked
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
        opened.wait(lambda: opened.workspace.called("changed_inputs") > looked)
        assert header.live.text() == "Live"

    def test_refresh_shows_progress_and_escape_cancels(self, opened: Opened) -> None:
        opened.workspace.evaluation_steps = 2000
        opened.workspace.gate.clear()
        status = opened.window.status
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_F5)
        opened.wait(lambda: status.task.full_text.startswith("Scanning"))
        assert status.progress.isVisible()
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_Escape)
        opened.wait(lambda: not opened.window.worker.asked("evaluate"))
        opened.settle()
        assert not status.progress.isVisible()
        assert not opened.window.desk.live
        assert opened.shell.banner.isHidden()

    def test_evaluating_everything_anew(self, opened: Opened) -> None:
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_F5, Qt.KeyboardModifier.ShiftModifier)
        opened.settle()
        assert ("evaluate", True) in opened.workspace.calls

    def test_troubles_are_told_and_taken_back(self, opened: Opened) -> None:
        banner = opened.shell.banner
        opened.workspace.trouble = UserError("desk.toml, line 7: unknown key timestmap; did you mean timestamp?")
        opened.qtbot.mouseClick(opened.shell.header.refresh, LEFT)
        opened.wait(banner.isVisible)
        assert "line 7: unknown key timestmap" in banner.text.full_text
        opened.workspace.trouble = None
        opened.settle()
        opened.qtbot.mouseClick(opened.shell.header.refresh, LEFT)
        opened.settle()
        opened.wait(banner.isHidden)

    def test_a_model_that_cannot_be_shown_leaves_nothing_of_another(self, opened: Opened) -> None:
        opened.workspace.trouble = UserError("the archive is damaged: restore .desk/store.sqlite")
        opened.window.desk.choose_model("churn-eu")
        opened.wait(lambda: "archive is damaged" in opened.page.matrix.empty_text)
        opened.workspace.trouble = None
        assert opened.shell.header.name.full_text == "churn-eu"
        assert not any(card.isVisible() for card in opened.page.tiles.cards)
        assert "archive is damaged" in opened.page.distribution.empty_text
        opened.window.desk.choose_model("fraud-cards")
        opened.settle()
        assert opened.page.matrix.empty_text == ""
        assert len(opened.page.timeline.scale) == 60

    def test_a_busy_workspace_is_tried_again(self, opened: Opened) -> None:
        opened.workspace.trouble = WorkspaceBusy("somebody else is writing")
        opened.qtbot.mouseClick(opened.shell.header.refresh, LEFT)
        opened.wait(lambda: "Another process is writing" in opened.window.status.live.full_text)
        opened.workspace.trouble = None
        opened.window.desk._poll.setInterval(10)
        opened.workspace.changed = True
        opened.wait(lambda: opened.window.status.live.full_text == "● Live")
        opened.settle()


class TestOutput:
    def test_the_report_is_exported(self, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name, chosen in (
            ("report.html", "Report for reading (*.html)"),
            ("values.parquet", ""),
            ("plain", "Report for programs (*.json)"),
        ):
            monkeypatch.setattr(
                QFileDialog, "getSaveFileName", lambda *_, name=name, chosen=chosen: (str(tmp_path / name), chosen)
            )
            opened.qtbot.keyClick(opened.window, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
            opened.settle()
        assert ("write_report", tmp_path / "report.html", "credit-risk", Period()) in opened.workspace.calls
        assert ("write_report", tmp_path / "plain.json", "credit-risk", Period()) in opened.workspace.calls
        assert ("write_metrics", tmp_path / "values.parquet") in opened.workspace.calls
        assert str(tmp_path / "plain.json") in opened.window.status.currentMessage()

    def test_a_tile_copies_its_value(self, opened: Opened) -> None:
        card = opened.page.tiles.cards[0]
        card.setFocus()
        opened.qtbot.keyClick(card, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        assert card.tile is not None
        assert float(QGuiApplication.clipboard().text()) == pytest.approx(card.tile.value)

    def test_shortcuts_are_listed(self, opened: Opened) -> None:
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_F1)
        dialog = opened.window.findChild(TableDialog)
        assert dialog is not None
        keys = {dialog.view.model().index(row, 0).data() for row in range(dialog.view.model().rowCount())}
        assert {"F5", "Ctrl+O", "Ctrl+E", "Esc", "Ctrl+R"} <= keys
        dialog.close()


class TestLook:
    def test_nothing_of_the_data_is_rich_text(self, opened: Opened) -> None:
        opened.window.desk.choose_model("ltv")
        opened.settle()
        assert opened.shell.header.name.text() == "ltv-forecast <b>bold</b>"
        labels = opened.window.findChildren(QLabel)
        assert len(labels) > 30
        told = [label.text() for label in labels if label.text() and label.textFormat() is not Qt.TextFormat.PlainText]
        assert told == []

    def test_every_control_has_a_name_and_takes_the_focus(self, opened: Opened) -> None:
        window = opened.window
        focusable = [
            widget
            for widget in window.findChildren(QWidget)
            if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None
        ]
        assert len(focusable) > 20
        nameless = [
            f"{type(widget).__name__} in {type(widget.parent()).__name__}"
            for widget in focusable
            if not (widget.accessibleName() or getattr(widget, "text", str)())
        ]
        assert nameless == []

    def test_theme_layout_and_geometry_come_back(self, make_window: Make, workspace: FakeWorkspace) -> None:
        first = make_window()
        first.window.open_path(workspace.folder)
        first.settle()
        first.qtbot.mouseClick(first.shell.header.theme, LEFT)
        assert first.appearance.palette.dark
        first.window.resize(1300, 820)
        first.shell.splitter.setSizes([300, 1000])
        first.page.splitter.setSizes([500, 500])
        first.settle()
        sizes = (first.shell.splitter.sizes(), first.page.splitter.sizes())
        first.window.close()
        assert first.window.settings.text("theme") == Mode.DARK
        second = make_window()
        second.window.resize(1300, 820)
        second.window.open_path(workspace.folder)
        second.settle()
        second.qtbot.wait(1)
        assert (second.shell.splitter.sizes(), second.page.splitter.sizes()) == sizes
        second.shell.reset_layout()
        assert second.shell.splitter.sizes() != sizes[0]

    def test_the_system_decides_unless_somebody_chose(self, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
        appearance = opened.appearance
        monkeypatch.setattr("mlops_desk.gui.appearance.system_is_dark", lambda: True)
        appearance._follow()
        assert not appearance.palette.dark
        appearance.set_mode(Mode.SYSTEM)
        assert appearance.palette.dark
        monkeypatch.setattr("mlops_desk.gui.appearance.system_is_dark", lambda: False)
        QGuiApplication.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Light)
        assert not appearance.palette.dark

    def test_a_small_window_still_fits(self, opened: Opened) -> None:
        opened.window.resize(1280, 800)
        opened.qtbot.wait(1)
        opened.settle()
        header = opened.shell.header
        assert (header.refresh.text(), header.refresh.accessibleName()) == ("", "Refresh")
        assert header.name.text() == "credit-risk"
        assert opened.page.matrix.width() + opened.page.distribution.width() < 1280
        for widget in (header.theme, opened.page.bars_card, opened.page.distribution_card):
            right = widget.mapTo(opened.window, widget.rect().topRight()).x()
            assert right < 1280


def test_closing_the_workspace_goes_back_and_asks_nothing_more(opened: Opened) -> None:
    opened.window.desk._poll.setInterval(5)
    opened.qtbot.keyClick(opened.window, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert opened.window.stack.currentWidget() is opened.window.welcome
    opened.wait(lambda: not opened.window.worker.asked("poll"))
    calls = len(opened.workspace.calls)
    opened.qtbot.wait(40)
    assert len(opened.workspace.calls) == calls


def test_closing_during_an_evaluation_ends_it(make_window: Make, workspace: FakeWorkspace) -> None:
    opened = make_window()
    opened.window.open_path(workspace.folder)
    opened.settle()
    opened.workspace.evaluation_steps = 2000
    opened.workspace.gate.clear()
    opened.qtbot.keyClick(opened.window, Qt.Key.Key_F5)
    opened.wait(lambda: opened.window.status.task.full_text.startswith("Scanning"))
    opened.window.close()
    assert not any(thread.is_alive() for thread in opened.window.worker._threads)


def test_times_are_those_of_the_models_zone(opened: Opened) -> None:
    overview = opened.window.desk.overview
    assert overview is not None
    opened.page.show_overview(replace(overview, timezone="Asia/Shanghai"))
    opened.settle()
    assert opened.page.timeline.scale.name(0) == "19 Sep 2026 08:00 – 20 Sep 2026 08:00"
    opened.window.status.show_overview(replace(overview, timezone="Asia/Shanghai"))
    assert opened.window.status.zone.full_text == "Asia/Shanghai"
    assert overview.newest_row is not None
    opened.window.status.age(overview.newest_row.astimezone(UTC) + timedelta(hours=3))
    assert opened.window.status.fresh.full_text == "Newest row 3 h ago"


@pytest.mark.parametrize("size", [(1680, 1050), (1280, 800)])
def test_cards_of_a_row_stand_side_by_side(opened: Opened, size: tuple[int, int]) -> None:
    opened.window.resize(*size)
    page = opened.page
    page.retraining.triggers.set_text("on an alert of roc_auc for 2 chunks, every Monday at 02:00 (not armed) " * 2)
    opened.qtbot.wait(1)
    opened.settle()
    rows = (
        (page.matrix_card, page.distribution_card),
        (page.series_card, page.bars_card),
        (page.retraining, page.notes),
    )
    bottom = 0
    for left, right in rows:
        assert (left.y(), left.height()) == (right.y(), right.height())
        assert left.y() >= bottom
        bottom = left.y() + left.height()
