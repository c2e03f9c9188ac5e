"""The menus and shortcuts of the main window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from mlops_desk.gui.appearance import Mode
from mlops_desk.gui.table import Table

MODES = {Mode.SYSTEM: "Like the system", Mode.LIGHT: "Light", Mode.DARK: "Dark"}
KEYS = (
    ("Drag over a plot over time", "Select a period"),
    ("Shift+drag, middle drag", "Move the view"),
    ("Ctrl+wheel, + and −", "Zoom"),
    ("Double click", "Show all chunks"),
    ("Arrow keys on a plot", "Move the crosshair; with Shift select a period"),
    ("Enter on a plot", "Choose the chunk, or the cell's column and chunk"),
    ("Ctrl+C on a tile or in a table", "Copy"),
)


class Commands(Struct, frozen=True, kw_only=True):
    """What the menus do; the last two take an argument."""

    open: Callable[[], None]
    sample: Callable[[], None]
    export: Callable[[], None]
    close: Callable[[], None]
    quit: Callable[[], object]
    toggle_theme: Callable[[], None]
    show_all: Callable[[], None]
    reset_layout: Callable[[], None]
    refresh: Callable[[], None]
    evaluate_all: Callable[[], None]
    toggle_live: Callable[[], None]
    next_model: Callable[[], None]
    previous_model: Callable[[], None]
    filter_models: Callable[[], None]
    retrain: Callable[[], None]
    cancel_run: Callable[[], None]
    escape: Callable[[], None]
    shortcuts: Callable[[], None]
    about: Callable[[], None]
    set_mode: Callable[[Mode], None]
    open_recent: Callable[[Path], None]


class Menus(QObject):
    """The menu bar's contents. Actions that need an open workspace are off without one."""

    def __init__(self, bar: QMenuBar, commands: Commands, mode: Mode, window: QWidget) -> None:
        super().__init__(bar)
        self._commands = commands
        self._window = window
        self._needing: list[QAction] = []
        file, view, model, run, about = (bar.addMenu(name) for name in ("&File", "&View", "&Model", "&Run", "&Help"))
        self._add(file, "Open workspace…", commands.open, "Ctrl+O")
        self.recent = QMenu("Open &recent", file)
        file.addMenu(self.recent)
        self._add(file, "Open the sample workspace", commands.sample)
        file.addSeparator()
        self._add(file, "Export report or values…", commands.export, "Ctrl+E", needs=True)
        file.addSeparator()
        self._add(file, "Close workspace", commands.close, "Ctrl+W", needs=True)
        self._add(file, "Quit", commands.quit, "Ctrl+Q")
        self.modes = QActionGroup(self)
        for kind, name in MODES.items():
            action = self._add(view, name, partial(commands.set_mode, kind))
            action.setCheckable(True)
            action.setData(kind)
            self.modes.addAction(action)
        self._add(view, "Other theme", commands.toggle_theme, "Ctrl+T")
        view.addSeparator()
        self._add(view, "Show all chunks", commands.show_all, "Ctrl+0", needs=True)
        self._add(view, "Reset layout", commands.reset_layout, needs=True)
        self._add(model, "Refresh", commands.refresh, "F5", needs=True)
        self._add(model, "Evaluate everything anew", commands.evaluate_all, "Shift+F5", needs=True)
        self._add(model, "Live or paused", commands.toggle_live, "Ctrl+L", needs=True)
        model.addSeparator()
        self._add(model, "Next model", commands.next_model, "Ctrl+Down", needs=True)
        self._add(model, "Previous model", commands.previous_model, "Ctrl+Up", needs=True)
        self._add(model, "Filter models", commands.filter_models, "Ctrl+F", needs=True)
        self._add(run, "Retrain…", commands.retrain, "Ctrl+R", needs=True)
        self._add(run, "Cancel run", commands.cancel_run, needs=True)
        run.addSeparator()
        self._add(run, "Stop the task in the background", commands.escape, "Esc", needs=True)
        self._add(about, "Keys and mouse", commands.shortcuts, "F1")
        self._add(about, "About", commands.about)
        self.show_mode(mode)
        self.set_open(False)

    def set_open(self, is_open: bool) -> None:
        """Turns on what needs an open workspace, or off."""
        for action in self._needing:
            action.setEnabled(is_open)

    def show_mode(self, mode: Mode) -> None:
        """Marks what decides between light and dark."""
        for action in self.modes.actions():
            action.setChecked(action.data() == mode)

    def show_recent(self, folders: Sequence[Path]) -> None:
        """Lists workspaces opened before."""
        self.recent.clear()
        self.recent.setEnabled(bool(folders))
        for folder in folders:
            action = self.recent.addAction(str(folder).replace("&", "&&"))
            action.triggered.connect(lambda _=False, path=folder: self._commands.open_recent(path))

    def table(self) -> Table:
        """All shortcuts."""
        named = tuple(
            (action.shortcut().toString(QKeySequence.SequenceFormat.NativeText), action.text().replace("&", ""))
            for action in self._window.actions()
            if not action.shortcut().isEmpty()
        )
        return Table(title="Keys and mouse", headings=("key", "what it does"), rows=named + KEYS)

    def _add(
        self, menu: QMenu, text: str, command: Callable[[], object], keys: str = "", *, needs: bool = False
    ) -> QAction:
        action = QAction(text, self._window)
        action.triggered.connect(lambda _=False: command())
        if keys:
            action.setShortcut(QKeySequence(keys))
        menu.addAction(action)
        self._window.addAction(action)
        if needs:
            self._needing.append(action)
        return action
