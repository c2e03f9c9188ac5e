"""Axes that paint themselves: round numbers, names of rows, and times that can be read one way only.

pyqtgraph's own axes know neither the theme nor the application's font, take their titles for HTML, and have a width that jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from mlops_desk import theme
from mlops_desk.gui.appearance import Appearance, color, font
from mlops_desk.gui.plots.layer import Frame, elided, frame_of, pen
from mlops_desk.gui.plots.scale import Tick

SMALL = theme.SMALL_PIXELS
BOTTOM_HEIGHT = 22
TICK_SPACING = 70
VALUE_SPACING = 26
MIDDLE_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
MIDDLE_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


class Axis(pg.AxisItem):
    """An axis of a fixed extent; its view box's frame is given in the axis' own pixels."""

    def __init__(self, orientation: str, appearance: Appearance, extent: float) -> None:
        super().__init__(orientation)
        self.appearance = appearance
        self.setStyle(showValues=False, tickLength=0)
        if orientation in ("left", "right"):
            self.setWidth(extent)
        else:
            self.setHeight(extent)

    def frame(self) -> Frame | None:
        """The frame of the view box that the axis belongs to, None before there is one."""
        view = self.linkedView()
        if view is None:
            return None
        frame = frame_of(view)
        place = view.mapRectToItem(self, view.rect())
        return Frame(place, frame.left, frame.right, frame.bottom, frame.top)

    def paint(self, painter: QPainter, *_: Any) -> None:
        """Paints the axis."""
        frame = self.frame()
        if frame is not None and frame.rect.isValid():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setFont(font(SMALL))
            self.draw(painter, frame, QRectF(0, 0, self.size().width(), self.size().height()))

    def boundingRect(self) -> QRectF:
        """The axis' own place, with no grid reaching into the plot."""
        return QRectF(0, 0, self.size().width(), self.size().height())

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints inside `place`."""
        raise NotImplementedError


class BottomAxis(Axis):
    """Marks along the bottom, at places that a function of (low, high, most) chooses; empty where `shown` is False."""

    def __init__(
        self, appearance: Appearance, ticks: Callable[[float, float, int], tuple[Tick, ...]], *, shown: bool = True
    ) -> None:
        super().__init__("bottom", appearance, BOTTOM_HEIGHT if shown else 0.0)
        self._ticks = ticks
        self._shown = shown
        self.spacing = TICK_SPACING

    def marks(self, frame: Frame) -> tuple[Tick, ...]:
        """The marks that there is room for."""
        return self._ticks(frame.left, frame.right, max(int(frame.rect.width() / self.spacing), 2))

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints a small line and a label for each mark, labels kept apart."""
        if not self._shown:
            return
        palette = self.appearance.palette
        metrics = QFontMetricsF(font(SMALL))
        free = place.left()
        for tick in self.marks(frame):
            x = frame.x(tick.place)
            width = metrics.horizontalAdvance(tick.text)
            left = min(max(x - width / 2, place.left()), place.right() - width)
            painter.setPen(pen(palette.border))
            painter.drawLine(QPointF(round(x) + 0.5, 0), QPointF(round(x) + 0.5, 4))
            if left >= free:
                painter.setPen(color(palette.muted))
                painter.drawText(QRectF(left, 4, width + 2, place.height() - 4), MIDDLE_LEFT, tick.text)
                free = left + width + 10


class ValueAxis(Axis):
    """Round numbers up the left side, and what they measure at the outer edge."""

    def __init__(self, appearance: Appearance, extent: float) -> None:
        super().__init__("left", appearance, extent)
        self.title = ""
        self.note = ""
        self.format: Callable[[tuple[float, ...]], tuple[str, ...]] = theme.step_texts

    def steps(self, frame: Frame) -> tuple[float, ...]:
        """The numbers that there is room for."""
        return theme.nice_steps(frame.bottom, frame.top, max(int(frame.rect.height() / VALUE_SPACING), 2))

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints title and note at the left, numbers at the right."""
        palette = self.appearance.palette
        steps = self.steps(frame)
        metrics = QFontMetricsF(font(SMALL))
        widest = 0.0
        painter.setPen(color(palette.muted))
        for step, text in zip(steps, self.format(steps), strict=True):
            y = min(max(frame.y(step), frame.rect.top() + 6), frame.rect.bottom() - 5)
            painter.drawText(QRectF(0, y - 8, place.right() - 7, 16), MIDDLE_RIGHT, text)
            widest = max(widest, metrics.horizontalAdvance(text))
        room = place.width() - widest - 16
        strong = font(SMALL, QFont.Weight.DemiBold)
        painter.setFont(strong)
        painter.setPen(color(palette.text))
        painter.drawText(QRectF(0, frame.rect.top(), room, 16), MIDDLE_LEFT, elided(self.title, strong, room))
        painter.setFont(font(SMALL))
        painter.setPen(color(palette.muted))
        painter.drawText(QRectF(0, frame.rect.top() + 16, room, 16), MIDDLE_LEFT, elided(self.note, font(SMALL), room))


class NameAxis(Axis):
    """Names of rows down the left side; rows lie at whole numbers, each one unit high."""

    def __init__(self, appearance: Appearance, extent: float) -> None:
        super().__init__("left", appearance, extent)
        self.names: tuple[str, ...] = ()
        self.chosen: int | None = None

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints the names that are in view, the chosen one strongly."""
        palette = self.appearance.palette
        step = abs(frame.y(1) - frame.y(0))
        painter.setClipRect(QRectF(0, frame.rect.top() - 1, place.width(), frame.rect.height() + 2))
        for row, name in enumerate(self.names):
            y = frame.y(row + 0.5)
            if y < frame.rect.top() - step or y > frame.rect.bottom() + step:
                continue
            face = font(SMALL, QFont.Weight.DemiBold if row == self.chosen else QFont.Weight.Normal)
            painter.setFont(face)
            painter.setPen(color(palette.text if row == self.chosen else palette.muted))
            painter.drawText(
                QRectF(0, y - 9, place.right() - 8, 18), MIDDLE_RIGHT, elided(name, face, place.width() - 8)
            )


class NoteAxis(Axis):
    """Free space at the right of a plot, in which the plot paints with a function of its own."""

    def __init__(self, appearance: Appearance, extent: float, draw: Callable[[QPainter, Frame, QRectF], None]) -> None:
        super().__init__("right", appearance, extent)
        self._draw = draw

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints what the plot wants."""
        self._draw(painter, frame, place)
