"""Questions before something is started: what exactly would run, where and why, and what trusting the workspace would allow."""

from __future__ import annotations

import json

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from mlops_desk import theme
from mlops_desk.domain.overview import RetrainingStatus
from mlops_desk.gui.appearance import font
from mlops_desk.gui.text import Label

WIDTH = 620


def verbatim(text: str, name: str) -> QPlainTextEdit:
    """A box of text as it is, that can be read and copied only."""
    box = QPlainTextEdit(text)
    box.setReadOnly(True)
    box.setAccessibleName(name)
    box.setFont(font(theme.SMALL_PIXELS, mono=True))
    box.setTabChangesFocus(True)
    lines = min(max(text.count("\n") + 1, 2), 9)
    box.setFixedHeight(lines * box.fontMetrics().lineSpacing() + 18)
    return box


def argv_text(command: tuple[str, ...]) -> str:
    """An argv list unmistakably: one quoted argument a line."""
    return "\n".join(json.dumps(part, ensure_ascii=False) for part in command)


class ConfirmRetraining(QDialog):
    """Asks before a run; where the workspace is not trusted, first asks for that."""

    def __init__(
        self, model: str, status: RetrainingStatus, parts: tuple[str, ...], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Retrain {model}")
        self.setMinimumWidth(WIDTH)
        self.trust_wanted = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(10)
        layout.addWidget(Label(f"Retrain {model}?", tone="title"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setColumnStretch(1, 1)
        self.command = verbatim(argv_text(status.command), "Command, one argument a line")
        self.cwd = verbatim(status.cwd, "Folder the command runs in")
        self.reason = Label(status.why_now or "asked for by hand")
        self.reason.setWordWrap(True)
        self.reason.setContentsMargins(0, 5, 0, 5)
        for row, (name, widget) in enumerate(
            (("Command", self.command), ("In folder", self.cwd), ("Why now", self.reason))
        ):
            label = Label(name, tone="muted")
            label.setContentsMargins(0, 5, 0, 0)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            grid.addWidget(widget, row, 1, Qt.AlignmentFlag.AlignTop)
        self.cwd.setFixedHeight(self.cwd.fontMetrics().lineSpacing() + 18)
        layout.addLayout(grid)
        layout.addWidget(
            Label("The run goes on if this window is closed, and is found again when it is opened.", tone="muted")
        )
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.start = QPushButton("Start the run")
        self.start.setProperty("role", "primary")
        self.buttons.addButton(self.start, QDialogButtonBox.ButtonRole.AcceptRole)
        self.trust: QPushButton | None = None
        if not status.trusted:
            self._ask_trust(layout, parts)
        layout.addWidget(self.buttons)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        (self.trust or self.start).setFocus()

    def _ask_trust(self, layout: QVBoxLayout, parts: tuple[str, ...]) -> None:
        text = "This workspace has not been trusted on this machine. Trust it only if you know where its desk.toml comes from. It would be allowed to run:"
        words = Label(text)
        words.setWordWrap(True)
        layout.addWidget(words)
        layout.addWidget(verbatim("\n".join(parts), "What the workspace could run"))
        self.start.setEnabled(False)
        self.trust = QPushButton("Trust this workspace")
        self.trust.setCheckable(True)
        self.buttons.addButton(self.trust, QDialogButtonBox.ButtonRole.ActionRole)
        self.trust.toggled.connect(self._trust)

    def _trust(self, wanted: bool) -> None:
        self.trust_wanted = wanted
        self.start.setEnabled(wanted)
        if self.trust is not None:
            self.trust.setText("✓ Will be trusted" if wanted else "Trust this workspace")
