"""The window as somebody uses it: open, look, choose, drag, type, drop, refresh, restart."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QWidget

from mlops_desk.domain.errors import UserError, WorkspaceBusy
from mlops_desk.domain.overview import Period
from mlops_desk.gui.appearance import Mode
from mlops_desk.gui.sidebar import STATUS_ROLE
from mlops_desk.gui.table import TableDialog
from tests.gui.conftest import Opened
from tests.gui.fake_workspace import START, FakeWorkspace

LEFT = Qt.MouseButton.LeftButton
Make = Callable[[], Opened]


def drop(window: object, paths: list[Path]) -> bool:
    """Drop files on the window as a file manager would; returns whether it took them."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    actions, button, none = Qt.DropAction.CopyAction, LEFT, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(400, 400), actions, data, button, none)
    QApplication.sendEvent(window, entering)  # type: ignore[arg-type]
    if not entering.isAccepted():
        return False
    dropping = QDropEvent(QPointF(400, 400), actions, data, button, none, QEvent.Type.Drop)
    QApplication.sendEvent(window, dropping)  # type: ignore[arg-type]
    return dropping.isAccepted()


def drag(opened: Opened, first: int, last: int) -> None:
    """Drag over chunks in the plots over time."""
    series, scale = opened.page.series, opened.page.timeline.scale
    box = series.panels[0].box

    def place(index: int) -> QPoint:
        return series.mapFromScene(box.mapViewToScene(QPointF(scale.centre(index), box.viewRange()[1][0])))

    QTest.mousePress(series.viewport(), LEFT, pos=place(first))
    for index in range(first, last + 1):
        QTest.mouseMove(series.viewport(), place(index))
    QTest.mouseRelease(series.viewport(), LEFT, pos=place(last))


class TestWelcome:
    def test_opens_a_recent_workspace_with_one_click(self, make_window: Make, workspace: FakeWorkspace) -> None:
        first = make_window()
        assert first.window.stack.currentWidget() is first.window.welcome
        first.window.open_path(workspace.folder)
        first.settle()
        first.window.close()
        second = make_window()
        button = second.window.welcome.findChild(
            type(second.window.welcome.open), options=Qt.FindChildOption.FindChildrenRecursively
        )
        assert button is not None
        recent = [
            widget for widget in second.window.welcome.findChildren(type(button)) if widget.property("role") == "row"
        ]
        assert [workspace.folder.name in widget.text() for widget in recent] == [True]
        second.qtbot.mouseClick(recent[0], LEFT)
        second.settle()
        assert second.window.stack.currentWidget() is second.shell
        assert second.window.windowTitle().startswith("Consumer lending")

    def test_opens_the_sample(self, make_window: Make, workspace: FakeWorkspace) -> None:
        made = make_window()
        made.qtbot.mouseClick(made.window.welcome.sample, LEFT)
        made.settle()
        assert workspace.called("create_sample") == 1

    def test_says_what_is_wrong_where_it_cannot_open(self, make_window: Make, tmp_path: Path) -> None:
        made = make_window()
        made.window.open_path(tmp_path / "nowhere")
        made.wait(lambda: "there is no desk.toml" in made.window.welcome.state.full_text)
        assert str(tmp_path / "nowhere") in made.window.welcome.state.full_text
        assert made.window.stack.currentWidget() is made.window.welcome
        assert made.window.desk.workspace is None

    def test_takes_dropped_files_folders_and_workspaces(
        self, make_window: Make, workspace: FakeWorkspace, tmp_path: Path
    ) -> None:
        made = make_window()
        logs = tmp_path / "my logs"
        logs.mkdir()
        assert drop(made.window, [logs, tmp_path / "a.parquet"])
        made.settle()
        assert ("create_from_files", [logs, tmp_path / "a.parquet"]) in workspace.calls
        for path in (workspace.folder, workspace.folder / "desk.toml"):
            assert drop(made.window, [path])
            made.settle()
            assert workspace.calls.count(("open", path)) == 1
        data = QMimeData()
        data.setText("just words")
        entering = QDragEnterEvent(QPoint(1, 1), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)
        entering.ignore()
        QApplication.sendEvent(made.window, entering)
        assert not entering.isAccepted()

    def test_shows_before_plots_are_imported(self, make_window: Make) -> None:
        made = make_window()
        assert made.window.shell is None
        assert made.window.isVisible()
        made.wait(lambda: made.window.shell is not None)


class TestChoices:
    def test_the_first_model_opens_with_all_its_values(self, opened: Opened) -> None:
        page, header = opened.page, opened.shell.header
        assert (header.name.full_text, header.version.full_text) == ("credit-risk", "v14 · production")
        assert header.failed.full_text == "■ 4 failed · ▲ 2 warned"
        assert [card.value.full_text for card in page.tiles.cards[:3]] == ["0.778", "0.902", "2 / 14"]
        assert len(page.timeline.scale) == 60
        assert page.matrix.matrix.columns[0] == "debt_ratio"
        assert len(page.series.content.counts) == 60
        assert [bar.group for bar in page.bars.bars][:2] == ["under 25", "25 – 60"]
        assert page.distribution.shown is not None
        assert page.distribution.shown.column == "debt_ratio"
        assert opened.workspace.threads == {"workspace"}
        assert "1.13 M rows" in opened.window.status.rows.full_text

    def test_models_are_chosen_filtered_and_stepped_through(self, opened: Opened) -> None:
        sidebar = opened.shell.sidebar
        sidebar.filter.insert("次日")
        shown = [row for row in range(sidebar.models.count()) if not sidebar.models.item(row).isHidden()]
        assert [sidebar.models.item(row).data(STATUS_ROLE).name for row in shown] == ["次日留存预测"]
        place = sidebar.models.visualItemRect(sidebar.models.item(shown[0])).center()
        opened.qtbot.mouseClick(sidebar.models.viewport(), LEFT, pos=place)
        opened.settle()
        assert opened.shell.header.name.full_text == "次日留存预测"
        opened.qtbot.keyClicks(sidebar.filter, "zzz")
        assert sidebar.empty.isVisible()
        sidebar.filter.clear()
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
        opened.settle()
        assert opened.shell.header.name.full_text == "fraud-cards"

    def test_a_model_that_was_not_evaluated_says_so(self, opened: Opened) -> None:
        opened.window.desk.choose_model("ltv")
        opened.settle()
        page = opened.page
        assert "Nothing has been evaluated yet" in page.matrix.empty_text
        assert page.timeline.scale.chunks == ()
        assert page.tiles.isVisible()
        assert [card.isVisible() for card in page.tiles.cards] == [False] * 6
        assert opened.shell.header.failed.full_text == "○ not evaluated"
        assert not page.retraining.retrain.isEnabled()
        assert "[models.retraining]" in page.retraining.subtitle.full_text

    def test_period_and_segment(self, opened: Opened) -> None:
        header = opened.shell.header
        button = next(button for button in header.findChildren(type(header.live)) if button.text() == "7 d")
        opened.qtbot.mouseClick(button, LEFT)
        opened.settle()
        assert len(opened.page.timeline.scale) == 7
        assert opened.workspace.calls[-1][0] in ("distribution", "runs", "run_output", "changed_inputs")
        header.segment.showPopup()
        opened.qtbot.keyClick(header.segment.view(), Qt.Key.Key_Down)
        opened.qtbot.keyClick(header.segment.view(), Qt.Key.Key_Return)
        opened.settle()
        assert ("overview", "credit-risk", Period(days=7), "region=North") in opened.workspace.calls
        assert header.segment.currentText() == "region=North"

    def test_chunks_of_rows_are_numbered(self, make_window: Make, workspace: FakeWorkspace) -> None:
        workspace.by_rows = True
        made = make_window()
        made.window.open_path(workspace.folder)
        made.settle()
        assert made.page.timeline.scale.name(3) == "chunk 3"
        drag(made, 10, 20)
        made.settle()
        assert made.window.desk.selection is not None
        assert made.window.desk.selection.brushed is None
        assert len(made.window.desk.selection.chunks) == 11


class TestLinks:
    def test_a_click_on_a_cell_shows_its_column_and_chunk_everywhere(self, opened: Opened) -> None:
        page = opened.page
        row = page.matrix.matrix.columns.index("credit_util")
        QTest.mouseClick(page.matrix.viewport(), LEFT, pos=page.matrix.cell_rect(row, 50).center().toPoint())
        opened.settle()
        key = page.timeline.scale.chunks[50].key
        assert opened.workspace.calls[-1] == ("distribution", "credit-risk", "credit_util", (key,), None) or (
            ("distribution", "credit-risk", "credit_util", (key,), None) in opened.workspace.calls
        )
        assert page.distribution_card.title.full_text == "credit_util"
        assert page.timeline.brush == (50, 50)
        assert page.brush_chip.isVisible()

    def test_a_click_on_a_name_chooses_the_column(self, opened: Opened) -> None:
        page = opened.page
        row = page.matrix.matrix.columns.index("device_type")
        y = page.matrix.cell_rect(row, 0).center().toPoint().y()
        QTest.mouseClick(page.matrix.viewport(), LEFT, pos=QPoint(40, y))
        opened.settle()
        assert page.distribution.shown is not None
        assert page.distribution.shown.column == "device_type"
        assert page.timeline.brush is None

    def test_dragging_over_a_period_shows_its_numbers(self, opened: Opened) -> None:
        page = opened.page
        before = page.tiles.cards[0].value.full_text
        drag(opened, 10, 17)
        opened.settle()
        assert page.timeline.brush == (10, 17)
        selection = opened.window.desk.selection
        assert selection is not None
        assert selection.brushed == Period(start=START + timedelta(days=10), end=START + timedelta(days=18))
        assert [chunk.key for chunk in page.timeline.scale.chunks[10:18]] == list(selection.chunks)
        assert page.tiles.cards[0].value.full_text not in (before, "–")
        assert page.tiles.cards[0].property("brushed")
        assert len(page.timeline.scale) == 60
        assert page.brush_chip.full_text == "29 Sep – 6 Oct 2026 · 8 chunks"
        opened.qtbot.mouseClick(page.zoom_brush, LEFT)
        assert page.timeline.visible == (page.timeline.scale.lefts[10], page.timeline.scale.rights[17])
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_Escape)
        opened.settle()
        assert page.timeline.brush is None
        assert page.tiles.cards[0].value.full_text == before
        assert not page.tiles.cards[0].property("brushed")

    def test_hovering_reads_out_every_linked_plot(self, opened: Opened) -> None:
        page = opened.page
        QTest.mouseMove(page.matrix.viewport(), page.matrix.cell_rect(0, 49).center().toPoint())
        assert page.timeline.cursor == 49
        assert page.matrix.cell_text(0, 49).startswith("0.2")
        assert page.matrix.cell_text(0, 49).endswith(" · limit 0.200 · alert")
        texts = [text for row in range(3) for text, _ in page.series.readout(row, 49)]
        assert texts[0].startswith("Sat 7 Nov 2026 · 0.81")
        assert texts[0].endswith(" ±0.013")
        assert texts[1] == "limit 0.810 · warning"
        assert texts[2].startswith("estimated 0.81")
        assert texts[3:] == ["7.1 % of columns drifted", "18,500 rows"]
        QApplication.sendEvent(page.matrix, QEvent(QEvent.Type.Leave))
        assert page.timeline.cursor is None

    def test_a_value_that_is_not_there_says_why(self, opened: Opened) -> None:
        assert opened.page.series.readout(0, 59)[0] == ("Tue 17 Nov 2026 · no labels yet", True)

    def test_the_keyboard_does_what_the_mouse_does(self, opened: Opened) -> None:
        page = opened.page
        page.matrix.setFocus()
        for key in (Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Return):
            opened.qtbot.keyClick(page.matrix, key)
        opened.settle()
        assert page.distribution.shown is not None
        assert page.distribution.shown.column == page.matrix.matrix.columns[1]
        assert page.timeline.brush is not None
        page.series.setFocus()
        for _ in range(3):
            opened.qtbot.keyClick(page.series, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
        first, last = page.timeline.brush
        assert last - first == 3
        opened.qtbot.keyClick(page.series, Qt.Key.Key_Plus)
        assert not page.timeline.shows_all
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_0, Qt.KeyboardModifier.ControlModifier)
        assert page.timeline.shows_all
        opened.settle()

    def test_another_metric(self, opened: Opened) -> None:
        page = opened.page
        assert [page.metrics.itemText(row) for row in range(page.metrics.count())] == ["ROC AUC", "Accuracy"]
        assert page.series.content.estimate is not None
        page.metrics.setFocus()
        opened.qtbot.keyClick(page.metrics, Qt.Key.Key_Down)
        assert page.series.content.line is not None
        assert page.series.content.line.title == "Accuracy"
        assert page.series.content.estimate is None

    def test_trouble_with_a_column_shows_in_its_place(self, opened: Opened) -> None:
        opened.window.desk.change(column="housing")
        opened.settle()
        assert "its files were removed" in opened.page.distribution.empty_text
        opened.window.desk.change(column="channel")
        opened.settle()
        assert opened.page.distribution.empty_text == ""


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
        first.qtbot.wait(1)
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
    assert not opened.window.worker._thread.is_alive()


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
