"""The retraining strip: the button, the run under way with its log, and how the last one ended."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication, QHideEvent, QShowEvent, QTextCursor
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPlainTextEdit, QProgressBar, QPushButton, QVBoxLayout

from mlops_desk import theme
from mlops_desk.domain.overview import RetrainingStatus
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.gui.appearance import Appearance, font
from mlops_desk.gui.card import Card
from mlops_desk.gui.runwatch import latest_of, share_in
from mlops_desk.gui.table import Table, TableDialog
from mlops_desk.gui.text import Label, tooltip

LOG_LINES, TRIGGER_LINES = 5000, 3
TONES = {RunState.SUCCEEDED: "ok", RunState.STARTING: "accent", RunState.RUNNING: "accent"}
NO_RUN = "No run yet. What the command prints shows here while it runs; runs go on when this window is closed."
NOT_CONFIGURED = "No retraining command is configured. Add a [models.retraining] table with a command to desk.toml."


class RetrainingCard(Card):
    """Starts runs and follows them.

    Signals
    -------
    retrain_asked : the button was pressed. cancel_asked : for a run's id.
    """

    retrain_asked = Signal()
    cancel_asked = Signal(int)

    def __init__(self, appearance: Appearance) -> None:
        super().__init__(appearance, "Retraining", menu=self.menu)
        self.status: RetrainingStatus | None = None
        self.runs: tuple[RetrainingRun, ...] = ()
        self._output = ""
        self.clock = Label(tone="muted")
        self.head.insertWidget(2, self.clock)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(9)
        self.progress.setAccessibleName("Progress of the retraining run")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setProperty("role", "log")
        self.log.setMaximumBlockCount(LOG_LINES)
        self.log.setFont(font(theme.SMALL_PIXELS, mono=True))
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setPlaceholderText(NO_RUN)
        self.log.setAccessibleName("Log of the retraining run")
        self.log.document().setDocumentMargin(0)
        self.log.setMinimumHeight(2 * QFontMetrics(self.log.font()).height())
        self.retrain = QPushButton("Retrain model")
        self.retrain.setProperty("role", "primary")
        self.cancel = QPushButton("Cancel run")
        self.triggers = Label(tone="muted", lines=TRIGGER_LINES)
        appearance.dress(self.retrain, "play", "on_accent")
        appearance.dress(self.cancel, "stop", "bad")
        left, right, both = QVBoxLayout(), QVBoxLayout(), QHBoxLayout()
        left.setSpacing(6)
        left.addWidget(self.progress)
        left.addWidget(self.log, 1)
        right.setSpacing(6)
        for widget in (self.retrain, self.cancel, self.triggers):
            widget.setFixedWidth(160)
            right.addWidget(widget)
        right.addStretch(1)
        both.setSpacing(16)
        both.addLayout(left, 1)
        both.addLayout(right)
        self.body.addLayout(both, 1)
        self.retrain.clicked.connect(self.retrain_asked)
        self.cancel.clicked.connect(self._ask_cancel)
        self._ticking = QTimer(self)
        self._ticking.setInterval(500)
        self._ticking.timeout.connect(self._tick)
        self._arrange()

    @property
    def latest(self) -> RetrainingRun | None:
        """The run that the strip shows."""
        return latest_of(self.runs)

    def show_status(self, status: RetrainingStatus) -> None:
        """Shows what could be run, and whether it may be."""
        self.status = status
        self.triggers.set_text(status.triggers_text if status.command else "")
        self.triggers.setToolTip(tooltip(status.triggers_text))
        self._arrange()

    def show_runs(self, runs: tuple[RetrainingRun, ...]) -> None:
        """Shows the latest run's state."""
        self.runs = runs
        self._arrange()

    def add_output(self, _: int, text: str, anew: bool) -> None:
        """Adds to the log; stays at the end unless somebody scrolled up."""
        bar = self.log.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2
        if anew:
            self.log.clear()
            self._output = ""
        self._output = (self._output + text)[-20_000:]
        cursor = QTextCursor(self.log.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)
        if at_end or anew:
            bar.setValue(bar.maximum())
        self._arrange()

    def menu(self) -> QMenu:
        """What can be done with the log and the runs."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy log", lambda: QGuiApplication.clipboard().setText(self.log.toPlainText()))
        menu.addAction("Show runs as table", lambda: TableDialog(self.table(), self.window()).show())
        return menu

    def table(self) -> Table:
        """All runs."""
        headings = ("run", "state", "asked by", "reason", "requested", "seconds", "exit code", "outcome", "command")
        now = datetime.now(UTC)
        rows = tuple(
            (
                run.id,
                str(run.state),
                run.asked_by,
                run.reason,
                theme.moment_text(run.requested_at, "UTC"),
                round(seconds_of(run, now), 1),
                run.exit_code,
                run.outcome,
                shlex.join(run.command),
            )
            for run in self.runs
        )
        return Table(title="Retraining runs", headings=headings, rows=rows)

    def _ask_cancel(self) -> None:
        if self.latest is not None:
            self.cancel.setEnabled(False)
            self.cancel.setText("Cancelling…")
            self.cancel_asked.emit(self.latest.id)

    def _arrange(self) -> None:
        status, run = self.status, self.latest
        under_way = run is not None and not run.state.final
        configured = status is not None and bool(status.command)
        refusal = None if status is None or not status.trusted else status.refusal
        self.retrain.setEnabled(configured and not under_way and refusal is None)
        self.retrain.setToolTip(tooltip(refusal or "" if configured else NOT_CONFIGURED if status else ""))
        self.cancel.setVisible(under_way)
        if not under_way:
            self.cancel.setEnabled(True)
            self.cancel.setText("Cancel run")
        self.subtitle.set_text(strip_text(status, run))
        self.progress.setVisible(run is not None)
        if run is not None:
            self._show_progress(run)
        self._tick_while_shown()
        self._tick()

    def showEvent(self, event: QShowEvent) -> None:
        """Goes on counting the seconds of a run."""
        super().showEvent(event)
        self._tick_while_shown()

    def hideEvent(self, event: QHideEvent) -> None:
        """Counts nothing that nobody sees."""
        super().hideEvent(event)
        self._ticking.stop()

    def _tick_while_shown(self) -> None:
        if self.latest is not None and not self.latest.state.final and self.isVisible():
            self._ticking.start()
        else:
            self._ticking.stop()

    def _show_progress(self, run: RetrainingRun) -> None:
        share = share_in(self._output)
        verdict = TONES.get(run.state, "alert")
        if self.progress.property("verdict") != verdict:
            self.progress.setProperty("verdict", verdict)
            self.progress.style().unpolish(self.progress)
            self.progress.style().polish(self.progress)
        if run.state.final:
            self.progress.setRange(0, 1000)
            self.progress.setValue(1000 if run.state is RunState.SUCCEEDED else round(1000 * (share or 0)))
        elif share is None:
            self.progress.setRange(0, 0)
        else:
            self.progress.setRange(0, 1000)
            self.progress.setValue(round(1000 * share))

    def _tick(self) -> None:
        run = self.latest
        self.clock.set_text(
            ""
            if run is None
            else f"{theme.elapsed(seconds_of(run, datetime.now(UTC)))} {'elapsed' if not run.state.final else 'in all'}"
        )


def seconds_of(run: RetrainingRun, now: datetime) -> float:
    """How long a run has taken."""
    start = run.started_at or run.requested_at
    return ((run.finished_at or now) - start).total_seconds()


def strip_text(status: RetrainingStatus | None, run: RetrainingRun | None) -> str:
    """What the strip says of the latest run, else of what would be run."""
    if run is not None:
        state = run.outcome if run.state.final and run.outcome else str(run.state).replace("_", " ")
        return f"run #{run.id} · {state} · {shlex.join(run.command)}"
    if status is None:
        return ""
    if not status.command:
        return NOT_CONFIGURED
    if not status.trusted:
        return f"not trusted on this machine yet · {shlex.join(status.command)}"
    return f"{status.refusal or 'ready'} · {shlex.join(status.command)}"
