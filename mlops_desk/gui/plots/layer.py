"""What is painted inside a plot: layers that lie on a view box and paint in its pixels, with the place of every value at hand.

Painting in pixels keeps lines crisp, marks and text of one size at any zoom, and the fonts those of the application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from msgspec import Struct
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

from mlops_desk import theme
from mlops_desk.gui.appearance import color, font

SMALL = theme.SMALL_PIXELS


class Frame(Struct, frozen=True):
    """A view box on the screen: its rectangle in pixels, and the values at its edges."""

    rect: QRectF
    left: float
    right: float
    bottom: float
    top: float

    def x(self, value: float) -> float:
        """The pixel of a value across."""
        return self.rect.left() + (value - self.left) / ((self.right - self.left) or 1.0) * self.rect.width()

    def y(self, value: float) -> float:
        """The pixel of a value up."""
        return self.rect.bottom() - (value - self.bottom) / ((self.top - self.bottom) or 1.0) * self.rect.height()

    def point(self, x: float, y: float) -> QPointF:
        """The pixel of a pair of values."""
        return QPointF(self.x(x), self.y(y))


def frame_of(view: Any) -> Frame:
    """The frame of a view box, in the box's own pixels."""
    (left, right), (bottom, top) = view.viewRange()
    upside_down = view.yInverted()
    return Frame(view.rect(), left, right, top if upside_down else bottom, bottom if upside_down else top)


class Layer(pg.GraphicsObject):
    """A sheet over a view box; `draw` paints on it and is called whenever the box moves or what is shown changes.

    A `moving` one lies above the others, which are kept as pixels meanwhile.
    """

    def __init__(self, view: Any, draw: Callable[[QPainter, Frame], None], *, moving: bool = False) -> None:
        super().__init__()
        self._view = view
        self._draw = draw
        self.setParentItem(view)
        self.setZValue(1 if moving else 0)
        if not moving:
            self.setCacheMode(self.CacheMode.DeviceCoordinateCache)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        view.sigRangeChanged.connect(self.repaint)
        view.sigResized.connect(self._resized)

    def boundingRect(self) -> QRectF:
        """The view box's rectangle."""
        return QRectF(self._view.rect())

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Paints the layer, clipped to the box."""
        painter.setClipRect(self.boundingRect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(SMALL))
        self._draw(painter, frame_of(self._view))

    def repaint(self, *_: Any) -> None:
        """Paints again soon."""
        self.update()

    def _resized(self, *_: Any) -> None:
        self.prepareGeometryChange()
        self.update()


def pen(value: str, width: float = 1.0, *, alpha: float = 1.0, dashes: tuple[float, ...] = ()) -> QPen:
    """A pen of the theme; dashes are in pixels."""
    made = QPen(color(value, alpha), width)
    made.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    if dashes:
        made.setDashPattern([dash / width for dash in dashes])
        made.setCapStyle(Qt.PenCapStyle.FlatCap)
    return made


def elided(text: str, face: QFont, width: float) -> str:
    """The text, shortened in the middle to fit a width."""
    return QFontMetricsF(face).elidedText(text, Qt.TextElideMode.ElideMiddle, width)


def draw_mark(painter: QPainter, centre: QPointF, radius: float, fill: QColor, *, square: bool) -> None:
    """A filled square (alert) or disc (warning) of a size in pixels."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(fill)
    if square:
        painter.drawRect(QRectF(centre.x() - radius, centre.y() - radius, 2 * radius, 2 * radius))
    else:
        painter.drawEllipse(centre, radius, radius)


def draw_scroll(
    painter: QPainter, frame: Frame, left: float, first: float, shown: float, rows: int, palette: theme.Palette
) -> None:
    """A thin bar that says which rows of many are in view; none where all are."""
    if shown >= rows:
        return
    height = frame.rect.height()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color(palette.faint, 0.8))
    place = QRectF(left, frame.rect.top() + height * first / rows, 4, max(height * shown / rows, 12))
    painter.drawRoundedRect(place, 2, 2)


def draw_readout(
    painter: QPainter, frame: Frame, x: float, lines: list[tuple[str, bool]], palette: theme.Palette, y: float = 0
) -> None:
    """A box of text beside a crosshair, on the side where there is room; a line is its text and whether it is bold.

    `x` and `y` are pixels of the frame; the text is painted as it is, markup and all.
    """
    plain, bold = font(SMALL), font(SMALL, QFont.Weight.DemiBold)
    width = max(QFontMetricsF(bold if strong else plain).horizontalAdvance(text) for text, strong in lines) + 14
    step = QFontMetricsF(plain).height() + 1
    height = step * len(lines) + 8
    left = x + 8 if x + 8 + width <= frame.rect.right() else x - 8 - width
    left = max(left, frame.rect.left() + 1)
    top = min(max(y, frame.rect.top() + 3), max(frame.rect.bottom() - height - 3, frame.rect.top() + 3))
    painter.setPen(pen(palette.border))
    painter.setBrush(color(palette.raised, 0.96))
    painter.drawRoundedRect(QRectF(left + 0.5, top + 0.5, width, height), 4, 4)
    painter.setPen(color(palette.text))
    for place, (text, strong) in enumerate(lines):
        painter.setFont(bold if strong else plain)
        line = QRectF(left + 7, top + 4 + place * step, width, step)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
