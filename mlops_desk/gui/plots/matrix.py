"""The drift matrix: a cell for each column and chunk, warmer the more it drifted, marked where a limit was passed.

The ramp reaches from 0 to twice the limit that the value was judged by, so that its middle is the limit; what lies beyond takes the last
colour. Values without a limit are held against the usual one, else against the largest. Rows that do not fit are scrolled to. Arrow keys
move from cell to cell, Enter chooses; the crosshair is the timeline's.
"""

from __future__ import annotations

import statistics
from functools import lru_cache
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QToolTip

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import DriftMatrix
from mlops_desk.gui.appearance import Appearance, color, font
from mlops_desk.gui.plots.axes import MIDDLE_LEFT, BottomAxis, NameAxis, NoteAxis
from mlops_desk.gui.plots.canvas import Canvas
from mlops_desk.gui.plots.layer import Frame, Layer, draw_mark, draw_readout, draw_scroll, pen
from mlops_desk.gui.plots.timeline import Timeline
from mlops_desk.gui.table import Table
from mlops_desk.gui.text import tooltip

LEAST_ROW = 13.0
MARKED_WIDTH = 5.0
"""Cells narrower than this get no mark of their own; the colour and the table tell."""
MARKS = (Verdict.WARNING, Verdict.ALERT)
LEAST_GAPPED = 4
RAMP_STEPS = 200
EMPTY = DriftMatrix(metric="", title="", columns=(), values=(), verdicts=(), uppers=())


@lru_cache(maxsize=2)
def ramp_colors(palette: theme.Palette) -> tuple[tuple[QColor, QColor], ...]:
    """The steps of the ramp, each with the colour of a mark on it."""
    steps = [theme.heat(palette, step / RAMP_STEPS) for step in range(RAMP_STEPS + 1)]
    return tuple((color(step), color(theme.ink(step))) for step in steps)


class MatrixPlot(Canvas):
    """Drift of every column in every chunk.

    Signals
    -------
    chosen : a column (and with it the chunk that the timeline tells of) was chosen by hand.
    """

    chosen = Signal(str)

    def __init__(self, appearance: Appearance, timeline: Timeline, *, left: float, right: float) -> None:
        super().__init__(appearance, "Drift matrix")
        self.timeline = timeline
        self.matrix = EMPTY
        self.column: str | None = None
        self.first_row = 0.0
        self._hovered_row: int | None = None
        self._uppers: list[float] = []
        self._full = 1.0
        self._warmths: list[list[int]] = []
        self._names = NameAxis(appearance, left)
        self._bottom = BottomAxis(appearance, timeline.ticks)
        self._ramp = NoteAxis(appearance, right, self._draw_ramp)
        self.box: Any = self.boxed(0, left=self._names, bottom=self._bottom, right=self._ramp)
        self.box.invertY(True)
        self._cells = Layer(self.box, self._draw_cells)
        self._cross = Layer(self.box, self._draw_cross, moving=True)
        timeline.view_changed.connect(self._follow)
        timeline.cursor_changed.connect(self._cross.repaint)
        timeline.brush_changed.connect(self._cross.repaint)
        self.viewport().setMouseTracking(True)
        self.setMouseTracking(True)

    def show_matrix(self, matrix: DriftMatrix, column: str | None) -> None:
        """Shows a matrix over the timeline's chunks, with a column marked as chosen."""
        self.matrix = matrix
        self._uppers = [value for row in matrix.uppers for value in row if value is not None and value > 0]
        largest = max((value for row in matrix.values for value in row if value is not None), default=0.0)
        self._full = 2 * statistics.median(self._uppers) if self._uppers else largest or 1.0
        self._warmths = self._warmths_of(matrix)
        self._names.names = matrix.columns
        self.title = f"{matrix.title} by column and chunk" if matrix.title else "Drift matrix"
        self.choose(column)
        self._follow()

    def choose(self, column: str | None) -> None:
        """Marks a column as chosen and scrolls to it."""
        self.column = column
        row = self.matrix.columns.index(column) if column in self.matrix.columns else None
        self._names.chosen = row
        if row is not None:
            self.first_row = min(self.first_row, row)
            self.first_row = max(self.first_row, row + 1 - self.rows_shown())
        self._follow()

    @property
    def ramp_texts(self) -> tuple[str, str, str]:
        """What stands at the start, the middle and the end of the ramp."""
        if not self._uppers:
            low, middle, high = theme.step_texts((0.0, self._full / 2, self._full))
            return (low, middle, high)
        if max(self._uppers) - min(self._uppers) <= 1e-9 * max(self._uppers):
            low, middle, high = theme.step_texts((0.0, self._full / 2, self._full))
            return (low, middle, f"≥ {high}")
        return ("0", "limit", "≥ 2 ×")

    def rows_shown(self) -> float:
        """How many rows fit, at most all."""
        height = self.box.rect().height() or self.height() - 24.0
        return float(min(max(len(self.matrix.columns), 1), max(int(height / LEAST_ROW), 1)))

    def table(self) -> Table:
        """The matrix: a row for each column, a column for each chunk."""
        names = [self.timeline.scale.name(index) for index in range(len(self.timeline.scale))]
        rows = tuple((name, *values) for name, values in zip(self.matrix.columns, self.matrix.values, strict=True))
        return Table(title=self.title, headings=("column", *names), rows=rows)

    def _follow(self) -> None:
        shown = self.rows_shown()
        self.first_row = min(max(self.first_row, 0.0), max(len(self.matrix.columns) - shown, 0.0))
        low, high = self.timeline.visible
        self.box.setRange(
            xRange=(low, high), yRange=(self.first_row, self.first_row + shown), padding=0, disableAutoRange=True
        )
        for item in (self._cells, self._cross, self._names, self._bottom, self._ramp):
            item.update()

    def cell_at(self, position: QPointF) -> tuple[int | None, int | None]:
        """Row and chunk below a position on the widget; a name at the left has a row only."""
        rect = self.rect_of(self.box)
        place = self.place_in(self.box, position)
        row = (
            int(place.y())
            if rect.top() <= position.y() < rect.bottom() and 0 <= place.y() < len(self.matrix.columns)
            else None
        )
        index = self.timeline.scale.nearest(place.x()) if rect.left() <= position.x() <= rect.right() else None
        return row, index

    def cell_rect(self, row: int, index: int) -> QRectF:
        """Where a cell lies on the widget."""
        scale = self.timeline.scale
        first = self.box.mapViewToScene(QPointF(scale.lefts[index], row))
        last = self.box.mapViewToScene(QPointF(scale.rights[index], row + 1))
        return QRectF(self.mapFromScene(first), self.mapFromScene(last)).normalized()

    def cell_text(self, row: int, index: int) -> str:
        """All that is known of a cell, in words."""
        value, upper = self.matrix.values[row][index], self.matrix.uppers[row][index]
        verdict = self.matrix.verdicts[row][index]
        limit = f" · limit {theme.number(upper)}" if upper is not None else ""
        return f"{theme.precise(value)}{limit} · {theme.WORDS[verdict]}"

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Chooses the cell's column and chunk, or the column of a name."""
        row, index = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and row is not None:
            self._choose(row, index)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Moves the crosshair of all plots over time."""
        self._hovered_row, index = self.cell_at(event.position())
        self.timeline.point(index)
        self._cross.repaint()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Shows all chunks again."""
        self.timeline.show_all()

    def leaveEvent(self, event: QEvent) -> None:
        """Takes the crosshair away."""
        self._hovered_row = None
        self.timeline.point(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms with Ctrl held, else scrolls the rows as far as there are more."""
        turns = event.angleDelta().y() / 120
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.timeline.zoom(0.8**turns, self.place_in(self.box, event.position()).x())
        elif self.scroll(-turns):
            event.accept()
        else:
            event.ignore()

    def scroll(self, rows: float) -> bool:
        """Scrolls by rows; returns whether anything moved."""
        before = self.first_row
        self.first_row += rows
        self._follow()
        return self.first_row != before

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move from cell to cell, Enter chooses, plus and minus zoom."""
        rows = len(self.matrix.columns)
        here = self._hovered_row if self._hovered_row is not None else (self._names.chosen or 0)
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and rows:
            self._hovered_row = min(max(here + (1 if key == Qt.Key.Key_Down else -1), 0), rows - 1)
            self.scroll(
                min(self._hovered_row - self.first_row, 0)
                or max(self._hovered_row + 1 - self.first_row - self.rows_shown(), 0)
            )
            self.timeline.step(0)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._hovered_row = here if rows else None
            self.timeline.step(1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and rows:
            self._choose(here, self.timeline.cursor)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            low, high = self.timeline.visible
            self.timeline.zoom(1.25 if key == Qt.Key.Key_Minus else 0.8, (low + high) / 2)
        else:
            super(Canvas, self).keyPressEvent(event)
            return
        self._cross.repaint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fits the rows to the height."""
        super().resizeEvent(event)
        if hasattr(self, "box"):
            self._follow()

    def viewportEvent(self, event: QEvent) -> bool:
        """Shows a cell's or a name's full text where the mouse rests."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row, index = self.cell_at(QPointF(event.pos()))
            if row is not None and index is None:
                QToolTip.showText(event.globalPos(), tooltip(self.matrix.columns[row]), self)
            return True
        return bool(super().viewportEvent(event))

    def _choose(self, row: int, index: int | None) -> None:
        self.choose(self.matrix.columns[row])
        if index is not None:
            self.timeline.set_brush((index, index))
        self.chosen.emit(self.matrix.columns[row])
        if index is not None:
            self.timeline.pick((index, index), dragged=False)

    def _warmths_of(self, matrix: DriftMatrix) -> list[list[int]]:
        """The step of the ramp of each cell, -1 where there is no value."""
        middle, usual = RAMP_STEPS / 2, self._full / 2
        return [
            [
                -1 if value is None else min(max(round(value / (upper or usual) * middle), 0), RAMP_STEPS)
                for value, upper in zip(values, uppers, strict=True)
            ]
            for values, uppers in zip(matrix.values, matrix.uppers, strict=True)
        ]

    def _draw_cells(self, painter: QPainter, frame: Frame) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        strips = self._strips(frame)
        height = abs(frame.y(1) - frame.y(0))
        for row, warmths in enumerate(self._warmths):
            top, bottom = round(frame.y(row)) + 1, round(frame.y(row + 1))
            if bottom >= frame.rect.top() and top <= frame.rect.bottom():
                self._draw_row(painter, strips, row, warmths, top, min(bottom - top, height))

    def _strips(self, frame: Frame) -> list[tuple[int, int, int, int]]:
        """Left edge, width, and first and last chunk of each strip of cells: a chunk, or all chunks of one pixel."""
        scale = self.timeline.scale
        strips: list[tuple[int, int, int, int]] = []
        for index in scale.between(frame.left, frame.right):
            left, right = round(frame.x(scale.lefts[index])), round(frame.x(scale.rights[index]))
            if strips and left == strips[-1][0]:
                strips[-1] = (left, max(strips[-1][1], right - left), strips[-1][2], index)
            else:
                strips.append((left, right - left, index, index))
        gap = 1 if strips and strips[0][1] >= LEAST_GAPPED else 0
        return [(left, max(width - gap, 1), first, last) for left, width, first, last in strips]

    def _draw_row(
        self,
        painter: QPainter,
        strips: list[tuple[int, int, int, int]],
        row: int,
        warmths: list[int],
        top: int,
        height: float,
    ) -> None:
        palette = self.appearance.palette
        ramp, nothing = ramp_colors(palette), color(palette.raised)
        verdicts = self.matrix.verdicts[row]
        for left, width, first, last in strips:
            warmth = warmths[first] if first == last else max(warmths[first : last + 1])
            painter.fillRect(QRectF(left, top, width, height), nothing if warmth < 0 else ramp[warmth][0])
            if width >= MARKED_WIDTH and verdicts[first] in MARKS and warmth >= 0:
                square = verdicts[first] is Verdict.ALERT
                radius = min(max(min(width, height) * (0.17 if square else 0.13), 1.2), 3.2)
                centre = QPointF(left + width / 2, top + height / 2)
                draw_mark(painter, centre, radius, ramp[warmth][1], square=square)

    def _draw_cross(self, painter: QPainter, frame: Frame) -> None:
        palette, scale, timeline = self.appearance.palette, self.timeline.scale, self.timeline
        if not len(scale):
            return
        if self._names.chosen is not None:
            place = QRectF(
                frame.rect.left() + 1, frame.y(self._names.chosen), frame.rect.width() - 2, frame.y(1) - frame.y(0)
            )
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(pen(palette.accent, 1.6))
            painter.drawRect(place.adjusted(0, 0.5, 0, 0.5))
        if timeline.brush is not None:
            left, right = frame.x(scale.lefts[timeline.brush[0]]), frame.x(scale.rights[timeline.brush[1]])
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(pen(palette.accent, 1.0))
            painter.drawRect(QRectF(left - 1, frame.rect.top() + 0.5, right - left + 1, frame.rect.height() - 1))
        if timeline.cursor is None or timeline.cursor >= len(scale):
            return
        x = frame.x(scale.centre(timeline.cursor))
        painter.setPen(pen(palette.text, 1.0, alpha=0.55))
        painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
        row = self._hovered_row if self._hovered_row is not None else self._names.chosen
        if row is not None and row < len(self.matrix.columns):
            left, right = frame.x(scale.lefts[timeline.cursor]), frame.x(scale.rights[timeline.cursor])
            painter.setPen(pen(palette.text, 1.6))
            painter.drawRect(QRectF(left - 1, frame.y(row), right - left + 1, frame.y(1) - frame.y(0)))
            lines = [
                (f"{self.matrix.columns[row]} · {scale.name(timeline.cursor)}", False),
                (self.cell_text(row, timeline.cursor), True),
            ]
            draw_readout(painter, frame, x, lines, palette, frame.y(row + 1) + 5)

    def _draw_ramp(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        palette = self.appearance.palette
        if not self.matrix.columns:
            return
        draw_scroll(painter, frame, 3.0, self.first_row, self.rows_shown(), len(self.matrix.columns), palette)
        bar = QRectF(12, frame.rect.top() + 1, 9, frame.rect.height() - 2)
        steps = 48
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for step in range(steps):
            top = bar.bottom() - (step + 1) * bar.height() / steps
            painter.fillRect(
                QRectF(bar.left(), round(top), bar.width(), bar.height() / steps + 1),
                color(theme.heat(palette, (step + 0.5) / steps)),
            )
        painter.setPen(color(palette.muted))
        painter.setFont(font(theme.SMALL_PIXELS))
        for share, text in zip((0.0, 0.5, 1.0), self.ramp_texts, strict=True):
            y = min(max(bar.bottom() - share * bar.height(), bar.top() + 6), bar.bottom() - 6)
            painter.drawText(QRectF(bar.right() + 5, y - 8, place.right() - bar.right() - 5, 16), MIDDLE_LEFT, text)
