"""The first page: open a workspace, try the sample, or drop files; workspaces opened before are one click away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QIcon
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.text import Label, tooltip
from mlops_desk.resources import resource

INTRODUCTION = (
    "Watch models in production: drift, accuracy and fairness per chunk of time, alerts, and a judged retraining."
)
DROP_TEXT = "Drop Parquet files or folders here, or a workspace's desk.toml"
DROP_NOTE = (
    "Files are read where they lie. A desk.toml with guessed roles is written beside them, and nothing is overwritten."
)


class DropZone(QFrame):
    """A framed place that shows that something can be dropped; the window takes the drop."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "drop")
        self.setAcceptDrops(True)
        self.setMinimumHeight(150)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        for text, tone in ((DROP_TEXT, "heading"), (DROP_NOTE, "muted")):
            label = Label(text, tone=tone)
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addStretch(1)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Lights up, and leaves the rest to the window."""
        self._light(True)
        event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Goes dark again."""
        self._light(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Goes dark again; the window takes the drop."""
        self._light(False)
        event.ignore()

    def _light(self, active: bool) -> None:
        self.setProperty("active", "true" if active else "false")
        self.style().unpolish(self)
        self.style().polish(self)


class WelcomePage(QWidget):
    """What shows before a workspace is open.

    Signals
    -------
    open_asked : the button. sample_asked : the button. recent_asked : a workspace's folder. cancel_asked : stop opening.
    """

    open_asked = Signal()
    sample_asked = Signal()
    recent_asked = Signal(object)
    cancel_asked = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.setProperty("role", "page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.open = QPushButton("Open workspace…")
        self.open.setProperty("role", "primary")
        self.sample = QPushButton("Open the sample workspace")
        appearance.dress(self.open, "folder", "on_accent")
        appearance.dress(self.sample, "sample")
        self.open.clicked.connect(self.open_asked)
        self.sample.clicked.connect(self.sample_asked)
        self.open.setToolTip("A folder with a desk.toml (Ctrl+O)")
        self.sample.setToolTip("Real data that is shipped with the program: census, flights and car loans")
        self.drop = DropZone()
        self.state = Label(tone="muted")
        self.state.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setFixedHeight(6)
        self.progress.setTextVisible(False)
        self.progress.hide()
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        column = QWidget()
        column.setMaximumWidth(760)
        layout = QVBoxLayout(column)
        layout.setSpacing(10)
        head = QHBoxLayout()
        head.setSpacing(12)
        sign = QLabel()
        sign.setPixmap(QIcon(str(resource("icons", "mlops-desk.svg"))).pixmap(40, 40))
        head.addWidget(sign)
        head.addWidget(Label("MLOps Desk", tone="display"))
        head.addStretch(1)
        layout.addLayout(head)
        introduction = Label(INTRODUCTION, tone="muted")
        introduction.setWordWrap(True)
        layout.addWidget(introduction)
        layout.addSpacing(10)
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addWidget(self.open)
        buttons.addWidget(self.sample)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        layout.addWidget(self.drop)
        layout.addWidget(self.progress)
        layout.addWidget(self.state)
        layout.addSpacing(8)
        self._recent_title = Label("RECENT WORKSPACES", tone="section")
        layout.addWidget(self._recent_title)
        layout.addLayout(self._recent)
        outer = QGridLayout(self)
        outer.setColumnStretch(0, 1)
        outer.setColumnStretch(1, 4)
        outer.setColumnStretch(2, 1)
        outer.setRowStretch(0, 2)
        outer.setRowStretch(2, 3)
        outer.addWidget(column, 1, 1)

    def show_recent(self, folders: Sequence[Path]) -> None:
        """Lists workspaces opened before; one that is gone is shown as gone."""
        while (item := self._recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self._recent_title.setVisible(bool(folders))
        for folder in folders:
            there = (folder / "desk.toml").exists()
            button = QPushButton(
                (f"{folder.name}    {folder.parent}" + ("" if there else "    (not there any more)")).replace("&", "&&")
            )
            button.setProperty("role", "row")
            button.setToolTip(tooltip(str(folder)))
            button.setAccessibleName(f"Open {folder}")
            button.setEnabled(there)
            button.clicked.connect(lambda _=False, path=folder: self.recent_asked.emit(path))
            self._recent.addWidget(button)

    def show_busy(self, text: str) -> None:
        """Shows that something is being opened."""
        self.progress.show()
        self.state.set_state("tone", "muted")
        self.state.set_text(text)

    def show_idle(self, trouble: str = "") -> None:
        """Shows nothing, or why nothing could be opened."""
        self.progress.hide()
        self.state.set_state("tone", "bad" if trouble else "muted")
        self.state.set_text(f"■ {trouble}" if trouble else "")
