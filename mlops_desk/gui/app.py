"""The start of the desktop application."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from mlops_desk.domain.progress import CancelToken
from mlops_desk.gui.appearance import Appearance, Mode, load_fonts
from mlops_desk.gui.defects import Defects
from mlops_desk.gui.facade import Doors, SketchProtocol, WorkspaceProtocol
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.window import MainWindow

PARQUET = ".parquet"


def open_workspace(path: Path) -> WorkspaceProtocol:
    """Opens a workspace of the core; imports the core on first use."""
    from mlops_desk.workspace import Workspace

    return Workspace.open(path)


def create_sample() -> WorkspaceProtocol:
    """Opens the sample workspace, copied into the user's data the first time."""
    from mlops_desk.workspace import create_sample as create

    return create()


def sketch_files(paths: Sequence[Path], cancel: CancelToken) -> SketchProtocol | None:
    """Guesses what files are."""
    from mlops_desk.workspace import sketch_files as sketch

    return sketch(paths, cancel)


def create_from_files(paths: Sequence[Path], uses: Mapping[str, str] | None) -> WorkspaceProtocol:
    """Writes a desk.toml for files and opens the workspace."""
    from mlops_desk.workspace import create_from_files as create

    return create(paths, uses)


CORE = Doors(
    open_workspace=open_workspace,
    create_sample=create_sample,
    sketch_files=sketch_files,
    create_from_files=create_from_files,
)


def application(argv: list[str]) -> QApplication:
    """The application object: the one there is, or a new one."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    made = QApplication(argv)
    made.setApplicationName("mlops-desk")
    made.setApplicationDisplayName("MLOps Desk")
    made.setDesktopFileName("mlops-desk")
    return made


def mode_of(settings: Settings) -> Mode:
    """The remembered mode of the theme."""
    text = settings.text("theme", Mode.SYSTEM)
    return Mode(text) if text in list(Mode) else Mode.SYSTEM


def main(argv: list[str], workspace_path: Path | None = None, doors: Doors = CORE) -> int:
    """Shows the window, with a workspace or what a Parquet file seems to be if one is named; returns the exit code when it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Qt's loop would notice Ctrl+C only at the next event
    made = application(argv)
    load_fonts()
    settings = Settings()
    appearance = Appearance(made, mode_of(settings))
    window = MainWindow(appearance, settings, doors)
    defects = Defects(settings.folder, lambda: window)
    window.worker.defect.connect(defects.take)
    if workspace_path is not None and workspace_path.suffix == PARQUET:
        window.open_files([workspace_path])
    elif workspace_path is not None:
        window.open_path(workspace_path)
    window.show()
    try:
        return made.exec()
    finally:
        window.worker.stop()
        defects.close()
