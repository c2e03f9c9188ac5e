"""Text from data on its way to the screen: it is shown as it is, and no markup in it takes effect."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


def tooltip(text: str) -> str:
    """A tooltip that shows this text: Qt takes what looks like markup for markup, so the text is escaped and marked as rich."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br/>")
    return f"<qt>{escaped}</qt>"


LEAST_LETTERS = 5
"""Fewer letters than this tell nothing; the tooltip has the text."""


class Label(QLabel):
    """A line of plain text; `tone` and other properties pick its style. Shortened where `elide` and there is no room
    beside `padding` pixels that the stylesheet takes; wrapped, at a fixed height, where `lines` is not 0."""

    def __init__(
        self, text: str = "", *, tone: str = "", elide: bool = False, padding: int = 0, lines: int = 0
    ) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        if tone:
            self.setProperty("tone", tone)
        self._elide = elide
        self._padding = padding
        self._lines = lines
        self._full = ""
        if lines:
            self.setWordWrap(True)
            self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            self.setFixedHeight(lines * self.fontMetrics().lineSpacing())
        if elide:
            self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.set_text(text)

    @property
    def full_text(self) -> str:
        """The text, however little of it fits."""
        return self._full

    def set_text(self, text: str) -> None:
        """Shows a text."""
        if text == self._full and self.text():
            return
        self._full = text
        self._fit()
        if self._elide:
            self.updateGeometry()

    def set_state(self, name: str, value: str) -> None:
        """Sets a property that the stylesheet looks at."""
        if self.property(name) != value:
            self.setProperty(name, value)
            self.style().unpolish(self)
            self.style().polish(self)

    def sizeHint(self) -> QSize:
        """Room for the whole text."""
        hint = super().sizeHint()
        if self._elide:
            hint.setWidth(self.fontMetrics().horizontalAdvance(self._full) + self._padding + 2)
        return hint

    def minimumSizeHint(self) -> QSize:
        """Little where the text may be shortened."""
        hint = super().minimumSizeHint()
        return QSize(0, hint.height()) if self._elide else hint

    def hasHeightForWidth(self) -> bool:
        """False where the number of lines is fixed: one wrapped label would make every row around it lose its height."""
        return False if self._lines else super().hasHeightForWidth()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shortens the text anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if not self._elide:
            self.setText(self._full)
            return
        room = max(self.width() - self._padding, 24)
        shown = self.fontMetrics().elidedText(self._full, Qt.TextElideMode.ElideRight, room)
        if shown != self._full and len(shown) < LEAST_LETTERS:
            shown = ""
        if shown != self.text():
            self.setText(shown)
        self.setToolTip(tooltip(self._full) if shown != self._full else "")
