"""What happens when the program itself is at fault: the traceback goes to the log file and into a dialog from which it can be copied."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from mlops_desk.gui.confirm import verbatim
from mlops_desk.gui.text import Label

LOG = logging.getLogger("mlops_desk.gui")
LOG_BYTES = 1_000_000


def details_of(error: BaseException) -> str:
    """The traceback and the versions, as they are copied."""
    from mlops_desk import __version__

    head = f"MLOps Desk {__version__} · Python {sys.version.split()[0]} · {sys.platform}"
    return head + "\n" + "".join(traceback.format_exception(error))


class DefectDialog(QDialog):
    """Says that something went wrong and offers the details."""

    def __init__(self, error: BaseException, log: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Something went wrong")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(640)
        self.details = details_of(error)
        layout = QVBoxLayout(self)
        layout.addWidget(Label("Something went wrong in the program", tone="title"))
        text = Label(f"{type(error).__name__}: {error}\nNothing stored is lost. The details are in {log}.")
        text.setWordWrap(True)
        layout.addWidget(text)
        layout.addWidget(verbatim(self.details, "Details"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self.copy = buttons.addButton("Copy details", QDialogButtonBox.ButtonRole.ActionRole)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.details))
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)


class Defects(QObject):
    """Takes exceptions that nobody expected, from any thread; shows one dialog at a time.

    Signals
    -------
    met : an exception, on the GUI's thread.
    """

    met = Signal(object)
    _raised = Signal(object)

    def __init__(self, folder: Path, window: Callable[[], QWidget | None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.log = folder / "desktop.log"
        self._window = window
        self.dialog: DefectDialog | None = None
        self._handler: logging.Handler | None = None
        self._raised.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._hook
        threading.excepthook = self._thread_hook

    def take(self, error: BaseException) -> None:
        """Logs an exception and shows it soon."""
        self._open_log()
        LOG.error("defect", exc_info=error)
        self._raised.emit(error)

    def close(self) -> None:
        """Gives back the hooks and closes the log."""
        sys.excepthook, threading.excepthook = self._before
        if self._handler is not None:
            logging.getLogger("mlops_desk").removeHandler(self._handler)
            self._handler.close()

    def _open_log(self) -> None:
        if self._handler is not None:
            return
        from logging.handlers import RotatingFileHandler

        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._handler = RotatingFileHandler(self.log, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        logging.getLogger("mlops_desk").addHandler(self._handler)

    def _hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            self.take(error)

    def _thread_hook(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self.take(arguments.exc_value)

    def _show(self, error: BaseException) -> None:
        self.met.emit(error)
        if self.dialog is None:
            self.dialog = DefectDialog(error, self.log, self._window())
            self.dialog.finished.connect(self._forget)
            self.dialog.open()

    def _forget(self) -> None:
        self.dialog = None
