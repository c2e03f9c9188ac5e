"""The status bar: whether data is watched, what the last evaluation took, and the task in the background."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QProgressBar, QPushButton, QStatusBar

from mlops_desk import theme
from mlops_desk.domain.overview import Overview
from mlops_desk.domain.progress import Progress
from mlops_desk.gui.text import Label, tooltip

OLD_DAYS = 30
"""An age beyond this says less than the date."""


class DeskStatusBar(QStatusBar):
    """State of the desk in one line.

    Signals
    -------
    cancel_asked : the task in the background should stop.
    """

    cancel_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self.setContentsMargins(10, 0, 10, 0)
        self.live, self.fresh, self.rows, self.reference, self.zone = (Label() for _ in range(5))
        self.reference = Label(elide=True)
        for label in (self.live, self.fresh, self.rows, self.zone):
            self.addWidget(label)
        self.addWidget(self.reference, 1)
        self.task = Label()
        self.progress = QProgressBar()
        self.progress.setFixedSize(140, 8)
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 1000)
        self.progress.setAccessibleName("Progress of the task in the background")
        self.cancel = QPushButton("Cancel")
        self.cancel.setProperty("role", "link")
        self.cancel.setToolTip("Stop the task in the background (Esc)")
        self.cancel.clicked.connect(self.cancel_asked)
        self.workspace = Label()
        for widget in (self.task, self.progress, self.cancel, self.workspace):
            self.addPermanentWidget(widget)
        self._overview: Overview | None = None
        self.end_task()
        self.setVisible(False)

    def show_live(self, text: str) -> None:
        """Shows whether data is watched."""
        self.live.set_text(text)

    def show_workspace(self, name: str, folder: str) -> None:
        """Shows which workspace is open."""
        self.workspace.set_text(f"Workspace: {name}")
        self.workspace.setToolTip(tooltip(folder))

    def show_overview(self, overview: Overview) -> None:
        """Shows what the last evaluation read and how new it is."""
        self._overview = overview
        self.rows.set_text(f"{theme.compact(overview.rows)} rows · {theme.duration(overview.scan_seconds)}")
        evaluated = theme.moment_text(overview.evaluated_at, overview.timezone)
        self.rows.setToolTip(
            f"{theme.count(overview.rows)} rows in the log; the last evaluation ({evaluated}) took {overview.scan_seconds:.3f} s"
        )
        self.reference.set_text(f"Ref: {overview.reference_text}")
        self.zone.set_text(overview.timezone)
        self.age(datetime.now(UTC))

    def age(self, now: datetime) -> None:
        """Says anew how old the newest row is."""
        newest = self._overview.newest_row if self._overview else None
        self.fresh.setVisible(newest is not None)
        if newest is not None and self._overview is not None:
            old = now - newest > timedelta(days=OLD_DAYS)
            self.fresh.set_text(
                f"Newest row {theme.date(theme.local(newest, self._overview.timezone)) if old else theme.ago(newest, now)}"
            )
            self.fresh.setToolTip(theme.moment_text(newest, self._overview.timezone))

    def start_task(self, text: str) -> None:
        """Shows a task in the background."""
        self.task.set_text(text)
        self.progress.setRange(0, 0)
        for widget in (self.task, self.progress, self.cancel):
            widget.show()
        self.cancel.setEnabled(True)

    def show_progress(self, progress: Progress) -> None:
        """Shows how far the task is."""
        self.progress.setRange(0, 1000)
        self.progress.setValue(round(1000 * min(max(progress.share, 0.0), 1.0)))
        self.task.set_text(progress.stage)

    def end_task(self) -> None:
        """Shows no task."""
        for widget in (self.task, self.progress, self.cancel):
            widget.hide()
