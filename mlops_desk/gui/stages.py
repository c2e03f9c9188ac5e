"""Work for the GUI's thread cut into pieces that each take a turn of the event loop, so that the window never stands still for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QTimer


class Stages(QObject):
    """A queue of pieces; those of a topic replace what waits under the same topic."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[tuple[str, Callable[[], None]]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._next)

    @property
    def busy(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def stop(self) -> None:
        """Drops what waits."""
        self._waiting.clear()
        self._timer.stop()

    def run(self, topic: str, pieces: Sequence[Callable[[], None]]) -> None:
        """Runs pieces one after the other, after what waits under other topics."""
        self._waiting = deque(entry for entry in self._waiting if entry[0] != topic)
        self._waiting.extend((topic, piece) for piece in pieces)
        self._timer.start()

    def _next(self) -> None:
        if self._waiting:
            self._waiting.popleft()[1]()
        if not self._waiting:
            self._timer.stop()
