"""A widget whose content follows its size a frame of the screen later.

A window that is resized paints its frame in one turn of the event loop and the page in another, and of many sizes in a row the page takes
those that there are when its turn comes.
"""

from __future__ import annotations

from PySide6.QtCore import QSize, QTimer
from PySide6.QtGui import QHideEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

FRAME_MILLISECONDS = 16


class Follower(QWidget):
    """Holds one content that fills it."""

    def __init__(self) -> None:
        super().__init__()
        self._content: QWidget | None = None
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(FRAME_MILLISECONDS)
        self._late.timeout.connect(self._follow)

    def hold(self, content: QWidget) -> None:
        """Takes a content and fills the widget with it at once."""
        self._content = content
        content.setParent(self)
        self._follow()
        content.show()

    @property
    def settled(self) -> bool:
        """Whether the content has the widget's size, as far as anybody sees."""
        return not self._late.isActive()

    def minimumSizeHint(self) -> QSize:
        """As small as the content allows."""
        return QSize() if self._content is None else self._content.minimumSizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lets the content follow in a turn of its own, or at once where nobody sees it yet."""
        if not self.isVisible():
            self._follow()
        elif not self._late.isActive():
            self._late.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Waits for nothing while nobody sees it."""
        if self._late.isActive():
            self._late.stop()
            self._follow()
        super().hideEvent(event)

    def _follow(self) -> None:
        if self._content is not None:
            self._content.setGeometry(self.rect())
