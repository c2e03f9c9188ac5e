"""The program starts: quickly, with nothing heavy before the first picture, with or without a workspace; defects are told."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.exceptions import capture_exceptions
from pytestqt.plugin import QtBot

from mlops_desk.gui.defects import DefectDialog, Defects
from mlops_desk.gui.settings import Settings
from tests.gui.conftest import Opened
from tests.gui.fake_workspace import FakeWorkspace

CHECKOUT = Path(__file__).resolve().parents[2]
HEAVY = ("pyqtgraph", "numpy", "_duckdb", "pyarrow", "scipy", "mlops_desk.gui.shell")

LOOK = f"""
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from mlops_desk.gui import app, window

def look():
    print("early", *[name for name in {HEAVY!r} if name in sys.modules])
    QTimer.singleShot(0, until_ready)

def until_ready():
    main = next(widget for widget in QApplication.topLevelWidgets() if isinstance(widget, window.MainWindow))
    if main.shell is None:
        QTimer.singleShot(20, until_ready)
        return
    print("ready", main.isVisible(), main.font().family(), *[name for name in {HEAVY!r} if name in sys.modules])
    main.close()

warm = window.MainWindow._warm_up
window.MainWindow._warm_up = lambda self: (look(), warm(self))
sys.exit(app.main(["mlops-desk"]))
"""


def test_the_window_shows_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "MLOPS_DESK_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    early, ready = done.stdout.splitlines()
    assert early == "early"
    assert ready.startswith("ready True Inter pyqtgraph numpy")
    assert (tmp_path / "desktop.ini").exists()


SHOW_FILE = """
import sys
from PySide6.QtCore import QTimer
from mlops_desk.__main__ import main_gui
from mlops_desk.gui import window

class Watched(window.MainWindow):
    def showEvent(self, event):
        super().showEvent(event)
        QTimer.singleShot(0, self.look)

    def look(self):
        if self.mapping is None:
            QTimer.singleShot(20, self.look)
            return
        print("mapping", self.mapping.isVisible(), self.desk.workspace)
        self.close()

from mlops_desk.gui import app
app.MainWindow = Watched
sys.exit(main_gui([sys.argv[1]]))
"""


def test_a_parquet_file_from_the_file_manager_is_read_as_if_dropped(tmp_path: Path) -> None:
    file = CHECKOUT / "resources" / "samples" / "loans" / "logs" / "analysis.parquet"
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "MLOPS_DESK_HOME": str(tmp_path)}
    command = [sys.executable, "-c", SHOW_FILE, os.path.relpath(file, CHECKOUT)]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "mapping True None\n"), done.stderr


class TestDefects:
    @pytest.fixture
    def defects(self, tmp_path: Path, qtbot: QtBot) -> object:
        made = Defects(tmp_path, lambda: None)
        yield made
        if made.dialog is not None:
            made.dialog.reject()
        made.close()

    def test_a_defect_is_logged_shown_and_copied(self, defects: Defects, qtbot: QtBot) -> None:
        try:
            raise ZeroDivisionError("<b>not markup</b>")
        except ZeroDivisionError as error:
            defects.take(error)
            defects.take(error)
        qtbot.waitUntil(lambda: defects.dialog is not None)
        dialog = defects.dialog
        assert isinstance(dialog, DefectDialog)
        qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
        text = QGuiApplication.clipboard().text()
        assert "ZeroDivisionError: <b>not markup</b>" in text
        assert "test_start.py" in text
        assert defects.log.read_text(encoding="utf-8").count("Traceback") == 2

    def test_exceptions_of_slots_and_threads_reach_it(self, defects: Defects, qtbot: QtBot) -> None:
        import threading

        met: list[BaseException] = []
        defects.met.connect(met.append)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        sys.excepthook(KeyError, KeyError("slot"), None)
        qtbot.waitUntil(lambda: len(met) == 2)
        assert {type(error) for error in met} == {ZeroDivisionError, KeyError}


def test_a_defect_of_the_workspace_is_told_and_the_window_lives(
    make_window: Callable[[], Opened], workspace: FakeWorkspace
) -> None:
    made = make_window()
    made.window.open_path(workspace.folder)
    made.settle()
    met: list[object] = []
    made.window.worker.defect.connect(met.append)
    workspace.trouble = ZeroDivisionError("a bug")
    with capture_exceptions() as raised:
        made.window.desk.refresh()
        made.wait(lambda: bool(met))
    workspace.trouble = None
    assert raised == []
    made.window.desk.choose_model("churn-eu")
    made.settle()
    assert made.shell.header.name.full_text == "churn-eu"


def test_settings_survive_what_they_cannot_read(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    for number in range(14):
        settings.add_recent(tmp_path / f"w {number}")
    settings.add_recent(tmp_path / "w 9")
    settings.put("theme", "dark")
    settings.save()
    again = Settings(tmp_path)
    assert [path.name for path in again.recent[:3]] == ["w 9", "w 13", "w 12"]
    assert len(again.recent) == 10
    assert again.text("theme") == "dark"
    (tmp_path / "desktop.ini").write_text("[General]\nrecent=@Invalid()\n\\x\\=broken\n", encoding="utf-8")
    broken = Settings(tmp_path)
    assert broken.recent == ()
    assert broken.bytes("window/geometry").isEmpty()
