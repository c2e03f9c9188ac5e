"""A combo box with an arrow in the theme's colour; stylesheets can only show an arrow from a file."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QComboBox

from mlops_desk.gui.appearance import Appearance, color


class Choice(QComboBox):
    """A choice of one of several texts."""

    def __init__(self, appearance: Appearance, name: str, *, small: bool = False) -> None:
        super().__init__()
        self._appearance = appearance
        self.setAccessibleName(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        if small:
            self.setProperty("role", "small")

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the box and its arrow."""
        super().paintEvent(event)
        palette = self._appearance.palette
        painter = QPainter(self)
        draw_arrow(
            painter, self.width() - 13.0, self.height() / 2, palette.muted if self.isEnabled() else palette.faint
        )
        painter.end()


def draw_arrow(painter: QPainter, x: float, y: float, ink: str) -> None:
    """Paints the arrow of a choice around a place."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(color(ink), 1.5)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPolyline(QPolygonF([QPointF(x - 3.5, y - 1.8), QPointF(x, y + 1.8), QPointF(x + 3.5, y - 1.8)]))
    painter.restore()
