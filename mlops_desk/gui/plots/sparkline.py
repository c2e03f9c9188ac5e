"""A course of values as a small line: in tiles and in the sidebar. Gaps stay gaps; the last value has a dot."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.gui.appearance import Appearance, color


def draw_sparkline(
    painter: QPainter, place: QRectF, points: Sequence[float | None], stroke: str, *, filled: bool = False
) -> None:
    """Paints the values from edge to edge of a place, the least at the bottom and the greatest at the top."""
    known = [value for value in points if value is not None]
    if not known:
        return
    low, high = min(known), max(known)
    step = place.width() / max(len(points) - 1, 1)

    def at(index: int, value: float) -> QPointF:
        share = (value - low) / (high - low) if high > low else 0.5
        return QPointF(place.left() + index * step, place.bottom() - share * place.height())

    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    stretch: list[QPointF] = []
    for index, value in enumerate([*points, None]):
        if value is not None:
            stretch.append(at(index, value))
            continue
        if filled and len(stretch) > 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color(stroke, 0.16))
            bottom = place.bottom() + 3
            painter.drawPolygon(
                QPolygonF([QPointF(stretch[0].x(), bottom), *stretch, QPointF(stretch[-1].x(), bottom)])
            )
        pen = QPen(color(stroke), 1.4)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        if len(stretch) > 1:
            painter.drawPolyline(QPolygonF(stretch))
        elif stretch:
            painter.drawPoint(stretch[0])
        stretch = []
    last = max(index for index, value in enumerate(points) if value is not None)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color(stroke))
    painter.drawEllipse(at(last, points[last] or 0.0), 2.0, 2.0)
    painter.restore()


class Sparkline(QWidget):
    """A sparkline as a widget; `ink` names the palette's colour."""

    def __init__(self, appearance: Appearance, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.appearance = appearance
        self.points: tuple[float | None, ...] = ()
        self.ink = "accent"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(18)
        appearance.changed.connect(self.update)

    def show_points(self, points: tuple[float | None, ...], ink: str) -> None:
        """Shows values in a colour of the palette."""
        self.points, self.ink = points, ink
        self.update()

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(160, 24)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the line."""
        painter = QPainter(self)
        place = QRectF(self.rect()).adjusted(2, 3, -3, -4)
        draw_sparkline(painter, place, self.points, getattr(self.appearance.palette, self.ink), filled=True)
        painter.end()
