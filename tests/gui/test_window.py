"""The window as somebody uses it: open, drop, choose, click, drag, type."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from PySide6.QtCore import QDate, QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from mlops_desk.domain.overview import Period
from mlops_desk.gui.sidebar import STATUS_ROLE
from mlops_desk.gui.worker import Lane
from tests.gui.conftest import Opened
from tests.gui.fake_numbers import START
from tests.gui.fake_workspace import FakeWorkspace

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

    def test_takes_dropped_workspaces_and_nothing_but_files(
        self, make_window: Make, workspace: FakeWorkspace, tmp_path: Path
    ) -> None:
        made = make_window()
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
        assert opened.workspace.threads <= set(Lane)
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

    def test_a_period_of_other_days(self, opened: Opened) -> None:
        header, shell = opened.shell.header, opened.shell
        opened.qtbot.keyClick(opened.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
        assert not header.custom.isChecked()  # not before it is chosen
        dialog = shell.choosing
        assert dialog is not None
        first = QDate(START.year, START.month, START.day)
        assert (dialog.first.date(), dialog.last.date()) == (first, first.addDays(59))
        dialog.last.setDate(first.addDays(-1))
        assert not dialog.show_days.isEnabled()
        assert "before the first" in dialog.remark.full_text
        dialog.first.setDate(first.addDays(10))
        dialog.last.setDate(first.addDays(12))
        opened.qtbot.mouseClick(dialog.show_days, LEFT)
        opened.settle()
        midnight = START.replace(tzinfo=None, hour=0)
        chosen = Period(start=midnight + timedelta(days=10), end=midnight + timedelta(days=13))
        assert ("overview", "credit-risk", chosen, None) in opened.workspace.calls
        assert len(opened.page.timeline.scale) == 3
        assert header.custom.isChecked()
        assert header.custom.toolTip().startswith(f"from {midnight + timedelta(days=10):%Y-%m-%d} to")
        opened.qtbot.mouseClick(header.custom, LEFT)
        again = shell.choosing
        assert again is not None
        assert (again.first.date(), again.last.date()) == (first.addDays(10), first.addDays(12))
        again.first.setDate(QDate(1990, 1, 1))
        again.last.setDate(QDate(1990, 1, 2))
        opened.qtbot.mouseClick(again.show_days, LEFT)
        opened.settle()
        assert "No chunk lies in this period" in opened.page.series.empty_text
        opened.qtbot.mouseClick(header.custom, LEFT)
        assert shell.choosing is not None
        opened.qtbot.keyClick(shell.choosing, Qt.Key.Key_Escape)
        assert shell.choosing is None
        assert header.custom.isChecked()

    def test_chunks_of_rows_have_no_days(self, make_window: Make, workspace: FakeWorkspace) -> None:
        workspace.by_rows = True
        made = make_window()
        made.window.open_path(workspace.folder)
        made.settle()
        assert not made.shell.header.custom.isEnabled()
        made.qtbot.keyClick(made.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
        assert made.shell.choosing is None

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
