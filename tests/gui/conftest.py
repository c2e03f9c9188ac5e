"""The window under test: made-up answers, real clicks; Qt's warnings and whatever is left behind fail a test."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QEvent, QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.plugin import QtBot

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.progress import CancelToken
from mlops_desk.gui.appearance import Appearance, Mode, load_fonts
from mlops_desk.gui.facade import Doors
from mlops_desk.gui.pages.overview import OverviewPage
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.shell import Shell
from mlops_desk.gui.window import MainWindow
from mlops_desk.operations.guess import Sketch
from tests.gui.fake_workspace import FakeWorkspace

HARMLESS = ("This plugin does not support", "propagateSizeHints")
"""What Qt's offscreen platform says of itself."""
SIZE = (1680, 1050)
PATIENCE = 15_000
"""Milliseconds; a busy machine is slow, and a test that passes does not wait."""


@pytest.fixture(scope="session")
def appearance(qapp: QApplication) -> Appearance:
    load_fonts()
    return Appearance(qapp, Mode.LIGHT)


@pytest.fixture(autouse=True)
def no_warnings(qtlog: object) -> Iterator[None]:
    """Fail on any warning of Qt."""
    yield
    said = [str(record.message) for record in qtlog.records if record.type.name != "QtDebugMsg"]  # type: ignore[attr-defined]
    assert [text for text in said if not any(part in text for part in HARMLESS)] == []


@pytest.fixture(autouse=True)
def nothing_left_behind(qapp: QApplication) -> Iterator[None]:
    """Fail on a thread, timer or process that a test leaves behind."""
    threads = set(threading.enumerate())
    processes = set(psutil.Process().children(recursive=True))
    yield
    qapp.processEvents()
    left = [thread.name for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    assert left == []
    running = [
        type(timer.parent()).__name__
        for widget in qapp.topLevelWidgets()
        for timer in widget.findChildren(QTimer)
        if timer.isActive()
    ]
    assert running == []
    assert set(psutil.Process().children(recursive=True)) - processes == set()
    assert multiprocessing.active_children() == []


@dataclass
class Opened:
    """A window on a workspace, as far as it has come."""

    qtbot: QtBot
    window: MainWindow
    workspace: FakeWorkspace
    appearance: Appearance

    @property
    def shell(self) -> Shell:
        assert self.window.shell is not None
        return self.window.shell

    @property
    def page(self) -> OverviewPage:
        return self.shell.overview

    def wait(self, condition: Callable[[], object]) -> None:
        def holds() -> None:
            assert condition()

        self.qtbot.waitUntil(holds, timeout=PATIENCE)

    def settle(self) -> None:
        """Wait until everything asked is answered and shown."""
        self.wait(lambda: self.window.shell is not None)
        topics = (
            "open",
            "statuses",
            "overview",
            "segments",
            "brushed",
            "distribution",
            "evaluate",
            "retrain",
            "cancel_run",
            "write",
        )
        self.wait(lambda: self.page.ready and not any(self.window.worker.asked(topic) for topic in topics))
        self.qtbot.wait(1)
        self.wait(lambda: self.page.ready and not any(self.window.worker.asked(topic) for topic in topics))


@pytest.fixture
def workspace(tmp_path: Path) -> FakeWorkspace:
    folder = tmp_path / "consumer lending"
    folder.mkdir()
    (folder / "desk.toml").touch()
    return FakeWorkspace(folder)


@dataclass
class Doorway:
    """Doors that lead to whichever made-up workspace a test holds."""

    workspace: FakeWorkspace | None = None
    sketch: Sketch | None = None

    def sketched(self, paths: Sequence[Path], cancel: CancelToken) -> Sketch | None:
        self.noted("sketch_files", paths)
        return self.sketch

    def open(self, path: Path) -> FakeWorkspace:
        if not (path if path.suffix == ".toml" else path / "desk.toml").exists():
            raise UserError(f"{path}: there is no desk.toml in this folder; run mlops-desk init")
        return self.noted("open", path)

    def noted(self, *call: object) -> FakeWorkspace:
        assert self.workspace is not None
        self.workspace.note(*call)
        return self.workspace

    def doors(self) -> Doors:
        return Doors(
            open_workspace=self.open,
            create_sample=lambda: self.noted("create_sample"),
            sketch_files=self.sketched,
            create_from_files=lambda paths, uses: self.noted("create_from_files", paths, uses),
        )


@pytest.fixture
def doorway(workspace: FakeWorkspace) -> Doorway:
    return Doorway(workspace)


@pytest.fixture
def make_window(
    qtbot: QtBot, appearance: Appearance, workspace: FakeWorkspace, doorway: Doorway, tmp_path: Path
) -> Iterator[Callable[[], Opened]]:
    """Return a function that shows a new window on its welcome page; all are closed at the end."""
    made: list[MainWindow] = []

    def make() -> Opened:
        appearance.set_mode(Mode.LIGHT)
        window = MainWindow(appearance, Settings(tmp_path / "settings"), doorway.doors())
        made.append(window)
        window.resize(*SIZE)
        window.show()
        return Opened(qtbot, window, workspace, appearance)

    yield make
    workspace.gate.set()
    for window in made:
        window.close()
        window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture(scope="session")
def shared_window(
    appearance: Appearance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MainWindow, Doorway]]:
    """A window that many tests open their workspace in, one after the other."""
    doorway = Doorway()
    window = MainWindow(appearance, Settings(tmp_path_factory.mktemp("settings")), doorway.doors())
    yield window, doorway
    window.close()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def opened(
    qtbot: QtBot, appearance: Appearance, shared_window: tuple[MainWindow, Doorway], workspace: FakeWorkspace
) -> Iterator[Opened]:
    """A window on the made-up workspace, all shown; the workspace is closed at the end."""
    window, doorway = shared_window
    doorway.workspace = workspace
    appearance.set_mode(Mode.LIGHT)
    window.resize(*SIZE)
    window.show()
    window.open_path(workspace.folder)
    made = Opened(qtbot, window, workspace, appearance)
    made.settle()
    yield made
    workspace.gate.set()
    workspace.trouble = None
    window.worker.cancel()
    window.close_workspace()
    window.status.clearMessage()
    made.shell.sidebar.filter.clear()
    window.desk.live = True
    window.desk._poll.setInterval(2000)
    window.hide()
    made.wait(lambda: not window.worker._latest)
