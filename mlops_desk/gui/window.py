"""The main window: welcome page or desk, menus, shortcuts and drops; layout and theme come back on the next start.

pyqtgraph and the core are imported on the worker's thread after the first paint, so that the window shows at once; the desk is built after that.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QIcon, QShowEvent
from PySide6.QtWidgets import QFileDialog, QMainWindow, QMessageBox, QStackedWidget

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import Progress
from mlops_desk.gui.appearance import Appearance, Mode
from mlops_desk.gui.desk import Desk
from mlops_desk.gui.facade import Doors, SketchProtocol, WorkspaceProtocol
from mlops_desk.gui.menus import Commands, Menus
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.statusbar import DeskStatusBar
from mlops_desk.gui.table import TableDialog
from mlops_desk.gui.welcome import WelcomePage
from mlops_desk.gui.worker import Task, Worker
from mlops_desk.resources import resource

if TYPE_CHECKING:
    from mlops_desk.gui.mapping import MappingDialog
    from mlops_desk.gui.shell import Shell

TITLE = "MLOps Desk"
FIRST_SIZE = (1440, 900)
LEAST_SIZE = (960, 600)
AGE_MILLISECONDS = 30_000
WORKSPACE_FILE = "desk.toml"
REPORT_KINDS = "Report for reading (*.html *.pdf *.md);;Report for programs (*.json);;All values (*.parquet *.csv)"


def import_plots() -> None:
    """Imports what the desk and its plots need; takes most of a second, and is done on the worker's thread."""
    import mlops_desk.gui.mapping
    import mlops_desk.gui.shell  # noqa: F401 - so that the GUI's thread finds it ready


class MainWindow(QMainWindow):
    """The application's window.

    Signals
    -------
    desk_shown : the desk is built and shows a workspace.
    """

    desk_shown = Signal()

    def __init__(self, appearance: Appearance, settings: Settings, doors: Doors) -> None:
        super().__init__()
        self.appearance, self.settings, self.doors = appearance, settings, doors
        self.worker = Worker(self)
        self.desk = Desk(self.worker, self)
        self.shell: Shell | None = None
        self.mapping: MappingDialog | None = None
        self._wanted: Callable[[], None] | None = None
        self._warm = False
        self._tasks: list[Task] = []
        self.setWindowTitle(TITLE)
        self.setWindowIcon(QIcon(str(resource("icons", "mlops-desk.svg"))))
        self.setMinimumSize(*LEAST_SIZE)
        appearance.clothe(self)
        self.setAcceptDrops(True)
        self.welcome = WelcomePage(appearance)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.welcome)
        self.setCentralWidget(self.stack)
        self.status = DeskStatusBar()
        self.setStatusBar(self.status)
        self.menus = Menus(self.menuBar(), self._commands(), appearance.mode, self)
        self.menus.show_recent(settings.recent)
        self._connect()
        self.welcome.show_recent(settings.recent)
        self.resize(*FIRST_SIZE)
        self.restoreGeometry(settings.bytes("window/geometry"))
        self._ages = QTimer(self)
        self._ages.setInterval(AGE_MILLISECONDS)
        self._ages.timeout.connect(self._age)

    def _commands(self) -> Commands:
        desk = self.desk

        def on_shell(use: Callable[[Shell], object]) -> Callable[[], None]:
            return lambda: None if self.shell is None else (use(self.shell), None)[1]

        return Commands(
            open=self.ask_and_open,
            sample=self.open_sample,
            export=self.ask_and_export,
            close=self.close_workspace,
            quit=self.close,
            toggle_theme=self.toggle_theme,
            choose_period=on_shell(lambda shell: shell.ask_period()),
            show_all=on_shell(lambda shell: shell.show_all()),
            reset_layout=on_shell(lambda shell: shell.reset_layout()),
            refresh=desk.refresh,
            evaluate_all=lambda: desk.evaluate(full=True),
            toggle_live=lambda: desk.set_live(not desk.live),
            next_model=on_shell(lambda shell: shell.step_model(1)),
            previous_model=on_shell(lambda shell: shell.step_model(-1)),
            filter_models=on_shell(lambda shell: shell.sidebar.filter.setFocus()),
            retrain=on_shell(lambda shell: shell.ask_retraining()),
            cancel_run=on_shell(lambda shell: shell.cancel_retraining()),
            escape=self.escape,
            shortcuts=lambda: TableDialog(self.menus.table(), self).show(),
            about=self.about,
            set_mode=self.set_mode,
            open_recent=self.open_path,
        )

    def _connect(self) -> None:
        self.welcome.open_asked.connect(self.ask_and_open)
        self.welcome.sample_asked.connect(self.open_sample)
        self.welcome.recent_asked.connect(self.open_path)
        self.status.cancel_asked.connect(self.worker.cancel)
        self.worker.started.connect(self._started)
        self.worker.progressed.connect(self._progressed)
        self.worker.settled.connect(self._settled)
        self.desk.overview_changed.connect(self.status.show_overview)
        self.desk.live_changed.connect(self.status.show_live)
        self.desk.opened.connect(self._opened)

    def showEvent(self, event: QShowEvent) -> None:
        """Begins to import what plots need once the window has been painted."""
        super().showEvent(event)
        if not self._warm:
            QTimer.singleShot(0, self._warm_up)

    def _warm_up(self) -> None:
        if not self._warm:
            self._warm = True
            self.worker.ask("warm", lambda _: import_plots(), lambda _: self._warmed(), self._not_opened, owner=self)

    def _warmed(self) -> None:
        from mlops_desk.gui.shell import Shell

        self.shell = Shell(self.appearance, self.desk, self.settings)
        self.shell.export_asked.connect(self.ask_and_export)
        self.shell.theme_asked.connect(self.toggle_theme)
        self.stack.addWidget(self.shell)
        if self._wanted is not None:
            self._wanted()

    def open_path(self, path: Path) -> None:
        """Opens a workspace: a folder, or its desk.toml."""
        self._open(f"Opening {path.name or path}", lambda: self.doors.open_workspace(path))

    def open_sample(self) -> None:
        """Opens the sample workspace."""
        self._open("Opening the sample workspace", self.doors.create_sample)

    def open_files(self, paths: list[Path]) -> None:
        """Opens what was dropped: a workspace, or Parquet files and folders, whose columns are shown before a desk.toml is written."""
        workspaces = [path for path in paths if path.name == WORKSPACE_FILE or (path / WORKSPACE_FILE).exists()]
        if workspaces:
            self.open_path(workspaces[0])
        else:
            self._read(paths)

    def ask_and_open(self) -> None:
        """Asks for a workspace's folder and opens it."""
        folder = QFileDialog.getExistingDirectory(self, "Open a workspace: the folder that holds desk.toml")
        if folder:
            self.open_files([Path(folder)])

    def ask_and_export(self) -> None:
        """Asks for a file and writes the report, or all values, into it."""
        if self.desk.selection is None:
            return
        suggestion = f"{self.desk.selection.model}.html"
        name, chosen = QFileDialog.getSaveFileName(self, "Export", suggestion, REPORT_KINDS)
        if name:
            path = Path(name)
            ending = ".json" if "json" in chosen else ".parquet" if "parquet" in chosen else ".html"
            self.desk.write(path if path.suffix else path.with_name(path.name + ending), self._say)

    def close_workspace(self) -> None:
        """Goes back to the welcome page."""
        self.desk.close()
        self._ages.stop()
        self._save_layout()
        self.status.hide()
        self.menus.set_open(False)
        self.welcome.show_recent(self.settings.recent)
        self.welcome.show_idle()
        self.stack.setCurrentWidget(self.welcome)
        self.setWindowTitle(TITLE)

    def escape(self) -> None:
        """Stops the task in the background; without one, takes back the brush."""
        if not self.worker.cancel() and self.shell is not None:
            self.shell.clear_brush()

    def set_mode(self, mode: Mode) -> None:
        """Lets light, dark or the system decide, now and on the next start."""
        self.appearance.set_mode(mode)
        self.settings.put("theme", mode)
        self.menus.show_mode(mode)

    def toggle_theme(self) -> None:
        """Goes to the other of light and dark."""
        self.set_mode(Mode.LIGHT if self.appearance.palette.dark else Mode.DARK)

    def about(self) -> None:
        """Says what this is."""
        from mlops_desk import __version__

        box = QMessageBox(self)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowTitle(f"About {TITLE}")
        box.setText(f"{TITLE} {__version__}\nApache License 2.0\n\nWatches machine-learning models in production.")
        box.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Takes files and folders of this machine."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Opens what was dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.open_files(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remembers the layout and ends the worker; runs go on."""
        self.desk.close()
        self._put_mapping_away()
        self._ages.stop()
        self.status.clearMessage()
        self._save_layout()
        if self.shell is not None:
            self.shell.overview.stages.stop()
        self.settings.put("window/geometry", self.saveGeometry())
        self.settings.save()
        self.worker.stop()
        super().closeEvent(event)

    def _open(self, label: str, door: Callable[[], WorkspaceProtocol]) -> None:
        self.welcome.show_busy(f"{label} …")
        if self.shell is None:
            self._wanted = lambda: self._open(label, door)
            return
        self._wanted = None
        self.desk.open(label, door, self._put_mapping_away, self._not_opened)

    def _read(self, paths: list[Path]) -> None:
        """Reads dropped files, and shows what they seem to be."""
        label = f"Reading {', '.join(path.name for path in paths[:3])}{' …' if len(paths) > 3 else ''}"
        self.welcome.show_busy(f"{label} …")
        if self.shell is None:
            self._wanted = lambda: self._read(paths)
            return
        self._wanted = None
        self.worker.ask(
            "open",
            lambda task: self.doors.sketch_files(paths, task.token),
            lambda sketch: self._show_mapping(paths, sketch),
            self._not_opened,
            owner=self,
            label=label,
        )

    def _show_mapping(self, paths: list[Path], sketch: SketchProtocol | None) -> None:
        from mlops_desk.gui.mapping import MappingDialog

        if sketch is None:
            self._open(f"Opening {paths[0].name}", lambda: self.doors.create_from_files(paths, None))
            return
        self._put_mapping_away()
        self.welcome.show_idle()
        dialog = self.mapping = MappingDialog(self.appearance, sketch, self)
        dialog.create_asked.connect(
            lambda uses: self._open(f"Writing {WORKSPACE_FILE}", lambda: self.doors.create_from_files(paths, uses))
        )
        dialog.rejected.connect(self._leave_mapping)
        dialog.open()

    def _leave_mapping(self) -> None:
        """Writes nothing, also where it is just being looked at."""
        self.worker.forget("open")
        self.welcome.show_idle()
        self._put_mapping_away()

    def _put_mapping_away(self) -> None:
        dialog, self.mapping = self.mapping, None
        if dialog is not None:
            dialog.hide()
            dialog.deleteLater()

    def _opened(self) -> None:
        workspace = self.desk.workspace
        if workspace is None or self.shell is None:
            return
        self.settings.add_recent(workspace.folder)
        self.menus.set_open(True)
        self._ages.start()
        self.menus.show_recent(self.settings.recent)
        self.setWindowTitle(f"{workspace.name} – {TITLE}")
        self.status.show_workspace(workspace.name, str(workspace.folder))
        self.status.show()
        self.welcome.show_idle()
        self.stack.setCurrentWidget(self.shell)
        self.desk_shown.emit()

    def _not_opened(self, error: Exception) -> None:
        text = "Opening was cancelled." if isinstance(error, Cancelled) else str(error)
        known = isinstance(error, UserError | Cancelled)
        trouble = text if known else "The workspace could not be opened: something went wrong in the program."
        if self.mapping is not None:
            self.mapping.show_refusal(trouble)
        elif self.shell is not None and self.stack.currentWidget() is self.shell:
            self.desk.trouble.emit("open", trouble)
        self.welcome.show_idle(trouble)

    def _started(self, task: Task) -> None:
        self._tasks.append(task)
        self.status.start_task(f"{task.label} …")

    def _progressed(self, task: Task, progress: Progress) -> None:
        if task is self._tasks[-1]:
            self.status.show_progress(progress)

    def _settled(self, task: Task) -> None:
        self._tasks.remove(task)
        if self._tasks:
            self.status.start_task(f"{self._tasks[-1].label} …")
        else:
            self.status.end_task()

    def _say(self, text: str) -> None:
        self.status.showMessage(text, 8000)

    def _age(self) -> None:
        self.status.age(datetime.now(UTC))

    def _save_layout(self) -> None:
        if self.shell is not None:
            self.shell.save_layout()
