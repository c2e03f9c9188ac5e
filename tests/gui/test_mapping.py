"""The mapping step: dropped files show what their columns are for, are corrected with clicks and keys, and become a workspace."""

import threading
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QComboBox

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.schema import Kind
from mlops_desk.gui.mapping import KIND, USE, VALUES, WHY, MappingDialog
from mlops_desk.operations.guess import Sketch, SketchedColumn
from tests.gui.conftest import Doorway, Opened
from tests.gui.fake_workspace import FakeWorkspace
from tests.gui.test_window import drop

LEFT = Qt.MouseButton.LeftButton
Make = Callable[[], Opened]


def column(name: str, use: str, *values: str, times: bool = False, numbers: bool = True) -> SketchedColumn:
    kind = Kind.NUMERIC if numbers else Kind.CATEGORICAL
    return SketchedColumn(
        name=name, use=use, kind=kind, reason="its name says so", values=values, times=times, numbers=numbers
    )


SKETCH = Sketch(
    folder=Path("/srv/loans"),
    parts=(("logs", ("logs/**/*.parquet",)),),
    rows=19_402,
    columns=(
        column("at", "timestamp", "2026-09-01 00:00:00", times=True, numbers=False),
        column("seen_at", "feature", "2026-09-02 00:00:00", times=True, numbers=False),
        column("approved", "prediction", "1", "0"),
        column("score", "score", "0.61", "0.2"),
        column("city", "protected", "北京", "<b>Oslo</b>", numbers=False),
    ),
    class_scores=(),
    reasons=("task: binary", "chunks: days"),
    remarks=("the positive class is taken to be 1, by its name",),
    failure=None,
)


def dropped(made: Opened, doorway: Doorway, sketch: Sketch = SKETCH) -> MappingDialog:
    """Drop a folder and return what is shown of it."""
    doorway.sketch = sketch
    assert drop(made.window, [made.workspace.folder.parent])
    made.wait(lambda: made.window.mapping is not None)
    assert made.window.mapping is not None
    return made.window.mapping


def choose(made: Opened, dialog: MappingDialog, name: str, use: str) -> None:
    """Click on a column's use and choose another in the list that opens."""
    row = [one.name for one in SKETCH.columns].index(name)
    place = dialog.view.visualRect(dialog.model.index(row, USE)).center()
    made.qtbot.mouseClick(dialog.view.viewport(), LEFT, pos=place)
    editor = dialog.view.indexWidget(dialog.model.index(row, USE))
    assert isinstance(editor, QComboBox)
    made.wait(editor.view().isVisible)
    index = editor.model().index(editor.findText(use), 0)
    editor.view().scrollTo(index)
    made.qtbot.mouseClick(editor.view().viewport(), LEFT, pos=editor.view().visualRect(index).center())
    made.wait(lambda: dialog.model.uses[name] == use)


def text(dialog: MappingDialog, row: int, place: int) -> str:
    return str(dialog.model.index(row, place).data())


def test_a_drop_shows_roles_kinds_reasons_and_values(make_window: Make, doorway: Doorway) -> None:
    dialog = dropped(make_window(), doorway)
    assert [text(dialog, 0, place) for place in range(5)] == [
        "at",
        "timestamp",
        "–",
        "2026-09-01 00:00:00",
        "its name says so",
    ]
    assert (text(dialog, 2, KIND), text(dialog, 4, VALUES)) == ("numeric", "北京  ·  <b>Oslo</b>")
    assert dialog.write.isEnabled()


def test_another_role_is_chosen_with_the_mouse_and_written(
    make_window: Make, doorway: Doorway, workspace: FakeWorkspace
) -> None:
    made = make_window()
    dialog = dropped(made, doorway)
    choose(made, dialog, "city", "segment")
    assert text(dialog, 4, WHY) == "you chose it"
    made.qtbot.mouseClick(dialog.write, LEFT)
    made.settle()
    written = next(call for call in workspace.calls if call[0] == "create_from_files")
    assert written[2] == {
        "at": "timestamp",
        "seen_at": "feature",
        "approved": "prediction",
        "score": "score",
        "city": "segment",
    }
    assert made.window.mapping is None
    assert made.window.stack.currentWidget() is made.shell
    assert threading.main_thread().name not in workspace.threads


def test_errors_show_in_place_and_hold_the_button(make_window: Make, doorway: Doorway) -> None:
    made = make_window()
    dialog = dropped(made, doorway)
    choose(made, dialog, "seen_at", "timestamp")
    assert text(dialog, 1, WHY) == "■ at is the timestamp already"
    assert not dialog.write.isEnabled()
    choose(made, dialog, "at", "ignored")
    assert dialog.write.isEnabled()
    assert text(dialog, 1, WHY) == "you chose it"
    choose(made, dialog, "seen_at", "feature")
    assert "no column is the timestamp" in dialog.state.full_text
    assert not dialog.write.isEnabled()
    choose(made, dialog, "city", "timestamp")
    assert text(dialog, 4, WHY) == "■ its values are no times"
    assert "city: its values are no times" in dialog.state.full_text


def test_the_keyboard_changes_a_role(make_window: Make, doorway: Doorway) -> None:
    made = make_window()
    dialog = dropped(made, doorway)
    for key in (*[Qt.Key.Key_Down] * 4, Qt.Key.Key_F2):
        made.qtbot.keyClick(dialog.view, key)
    editor = dialog.view.indexWidget(dialog.model.index(4, USE))
    assert isinstance(editor, QComboBox)
    made.qtbot.keyClick(editor, Qt.Key.Key_Down)
    made.wait(lambda: dialog.model.uses["city"] == "segment")


def test_what_the_core_refuses_is_said_and_can_be_mended(
    make_window: Make, doorway: Doorway, workspace: FakeWorkspace
) -> None:
    made = make_window()
    dialog = dropped(made, doorway, replace(SKETCH, failure="the log lies on one side of the reference only"))
    assert "one side of the reference" in dialog.state.full_text
    assert not dialog.write.isEnabled()
    choose(made, dialog, "score", "feature")
    assert dialog.write.isEnabled()
    workspace.trouble = UserError("desk.toml cannot be written: Read-only file system")
    made.qtbot.mouseClick(dialog.write, LEFT)
    made.wait(lambda: "Read-only" in dialog.state.full_text)
    workspace.trouble = None
    assert dialog.isVisible()
    choose(made, dialog, "city", "feature")
    made.qtbot.mouseClick(dialog.write, LEFT)
    made.settle()
    assert made.window.mapping is None


def test_cancel_writes_nothing(make_window: Make, doorway: Doorway, workspace: FakeWorkspace) -> None:
    made = make_window()
    dialog = dropped(made, doorway)
    made.qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    made.wait(lambda: made.window.mapping is None)
    assert workspace.called("create_from_files") == 0
    assert made.window.stack.currentWidget() is made.window.welcome
    assert made.window.welcome.state.full_text == ""


def test_files_of_a_workspace_open_it_at_once(make_window: Make, doorway: Doorway, workspace: FakeWorkspace) -> None:
    made = make_window()
    assert drop(made.window, [workspace.folder / "a.parquet"])
    made.settle()
    assert made.window.mapping is None
    assert ("create_from_files", [workspace.folder / "a.parquet"], None) in workspace.calls


def test_a_click_beside_the_roles_opens_nothing(make_window: Make, doorway: Doorway) -> None:
    made = make_window()
    dialog = dropped(made, doorway)
    made.qtbot.mouseClick(dialog.view.viewport(), LEFT, pos=QPoint(10, 10))
    assert dialog.view.indexWidget(dialog.model.index(0, 0)) is None
