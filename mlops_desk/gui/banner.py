"""The banner of troubles: what is wrong and where, until it is over or put away."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.text import Label

MARK = "■"


class Banner(QFrame):
    """One line for each place that is in trouble."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.setProperty("role", "banner")
        self.setAccessibleName("Troubles")
        self._troubles: dict[str, str] = {}
        self.text = Label()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QToolButton()
        close.setProperty("role", "quiet")
        close.setAccessibleName("Put the message away")
        appearance.dress(close, "close", "muted")
        close.clicked.connect(self.clear)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 7, 8, 7)
        layout.addWidget(self.text, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_trouble(self, place: str, text: str) -> None:
        """Shows or takes back the trouble of a place; no place takes back all."""
        if not place:
            self._troubles.clear()
        elif text:
            self._troubles[place] = text
        else:
            self._troubles.pop(place, None)
        self.text.set_text("\n".join(f"{MARK} {trouble}" for trouble in dict.fromkeys(self._troubles.values())))
        self.setVisible(bool(self._troubles))

    def clear(self) -> None:
        """Puts all messages away."""
        self.show_trouble("", "")
