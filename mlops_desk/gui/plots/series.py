"""Values over time: a metric with its sampling band and limits, the share of drifted columns, and the rows, on one time axis.

Dragging brushes a period, Ctrl and wheel zoom, Shift and drag move the view, a double click shows all. Arrow keys move the crosshair, with Shift they
brush, Enter chooses the chunk. Each panel reads out its exact value at the crosshair.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QWheelEvent

from mlops_desk import theme
from mlops_desk.domain.overview import Line
from mlops_desk.gui.appearance import Appearance, color
from mlops_desk.gui.plots.axes import BottomAxis, NoteAxis, ValueAxis
from mlops_desk.gui.plots.canvas import Canvas
from mlops_desk.gui.plots.layer import Frame, Layer, draw_readout, pen
from mlops_desk.gui.plots.panels import (
    SIGMAS,
    draw_area,
    draw_bars,
    draw_grid,
    draw_limits,
    draw_line,
    draw_right_notes,
    value_range,
)
from mlops_desk.gui.plots.timeline import Timeline
from mlops_desk.gui.table import Table

DRAG_PIXELS = 4.0
PANELS, PANEL_GAP = 3, 8.0
LOW_SHARE, LEAST_LOW, MOST_LOW = 0.19, 34.0, 64.0
"""The panels below the first take this share of the height each, within limits in pixels."""


class SeriesContent(Struct, frozen=True, kw_only=True):
    """What is plotted; every tuple is as long as the timeline's chunks.

    Attributes
    ----------
    line : the metric in front. estimate : the same metric before its labels, behind it.
    share : share of drifted columns. counts : rows.
    """

    line: Line | None = None
    estimate: Line | None = None
    share: Line | None = None
    counts: tuple[int, ...] = ()


class Panel:
    """One of the plots above each other: a view box, its axes and layers."""

    def __init__(
        self,
        canvas: SeriesPlot,
        row: int,
        draw: Callable[[QPainter, Frame], None],
        notes: Callable[[QPainter, Frame, QRectF], None],
    ) -> None:
        left, right = canvas.gutters
        self.axis = ValueAxis(canvas.appearance, left)
        self.notes = NoteAxis(canvas.appearance, right, notes)
        last = row == PANELS - 1
        self.bottom = BottomAxis(canvas.appearance, canvas.timeline.ticks, shown=last)
        self.box: Any = canvas.boxed(row, left=self.axis, bottom=self.bottom, right=self.notes)
        self.content = Layer(self.box, draw)
        self.cross = Layer(self.box, lambda painter, frame: canvas.draw_cross(painter, frame, row), moving=True)

    def update(self) -> None:
        """Paints the panel again soon."""
        for item in (self.content, self.cross, self.axis, self.notes, self.bottom):
            item.update()


class SeriesPlot(Canvas):
    """The plots over time of one model."""

    def __init__(self, appearance: Appearance, timeline: Timeline, *, left: float, right: float) -> None:
        super().__init__(appearance, "Performance and drift")
        self.gutters = (left, right)
        self.timeline = timeline
        self.content = SeriesContent()
        for row in range(PANELS - 1):
            self.ci.layout.setRowFixedHeight(2 * row + 1, PANEL_GAP)
        self._pressed: tuple[QPointF, int, bool] | None = None
        self._dragged = False
        self.panels = (
            Panel(self, 0, self._draw_metric, self._note_metric),
            Panel(self, 1, self._draw_share, self._note_share),
            Panel(self, 2, self._draw_counts, lambda *_: None),
        )
        self.panels[1].axis.format = lambda steps: tuple(theme.percent(step, 0) for step in steps)
        timeline.view_changed.connect(self.follow)
        timeline.cursor_changed.connect(self._repaint_cross)
        timeline.brush_changed.connect(self._repaint_cross)
        self.viewport().setMouseTracking(True)
        self.setMouseTracking(True)

    def show_content(self, content: SeriesContent) -> None:
        """Shows values over the timeline's chunks; zoom and brush are the timeline's and stay."""
        self.content = content
        metric, share, counts = (panel.axis for panel in self.panels)
        metric.title = content.line.title if content.line else ""
        metric.note = self._sampling_note()
        share.title = "Drifted" if content.share else ""
        share.note = "of columns" if content.share else ""
        counts.title, counts.note = ("Rows", "") if content.counts else ("", "")
        self.follow()

    def _sampling_note(self) -> str:
        line = self.content.line
        return f"±{SIGMAS} errors" if line and any(error is not None for error in line.errors) else ""

    def follow(self) -> None:
        """Takes the timeline's stretch, and the heights that hold all values in it."""
        low, high = self.timeline.visible
        shown = self.timeline.scale.between(low, high)
        content = self.content
        lines = [line for line in (content.line, content.estimate) if line is not None]
        ranges = (
            value_range(lines, shown),
            (0.0, share_top(content.share, shown)),
            (
                0.0,
                1.15 * max((content.counts[index] for index in shown if index < len(content.counts)), default=1) or 1.0,
            ),
        )
        for panel, height in zip(self.panels, ranges, strict=True):
            panel.box.setRange(xRange=(low, high), yRange=height, padding=0, disableAutoRange=True)
            panel.update()

    def table(self) -> Table:
        """A row for each chunk, with limits and sampling errors."""
        content, scale = self.content, self.timeline.scale
        lines = [
            (line.title if line is content.line else f"{line.title} (estimated)", line)
            for line in (content.line, content.estimate)
            if line
        ]
        if content.share:
            lines.append(("drifted share", content.share))
        parts = ("", " error", " lower", " upper", " verdict")
        headings = ("chunk", "rows", *(f"{title}{part}" for title, _ in lines for part in parts))
        rows = tuple(
            (
                scale.name(index),
                content.counts[index] if index < len(content.counts) else None,
                *(
                    cell
                    for _, line in lines
                    for cell in (
                        line.values[index],
                        line.errors[index],
                        line.lowers[index],
                        line.uppers[index],
                        str(line.verdicts[index]),
                    )
                ),
            )
            for index in range(len(scale))
        )
        return Table(title=self.title, headings=headings, rows=rows)

    def place_at(self, position: QPointF) -> float:
        """The place of the time axis below a position on the widget."""
        return float(self.place_in(self.panels[0].box, position).x())

    def readout(self, row: int, index: int) -> list[tuple[str, bool]]:
        """The lines of text that a panel shows at the crosshair: text, and whether it is bold."""
        content = self.content
        if row == 0:
            name = self.timeline.scale.name(index)
            if content.line is None:
                return [(name, False)]
            lines = [(f"{name} · {value_text(content.line, index)}", True), (verdict_text(content.line, index), False)]
            if content.estimate is not None:
                lines.append((f"estimated {value_text(content.estimate, index)}", False))
            return lines
        if row == 1:
            return [(f"{theme.percent(content.share.values[index])} of columns drifted", True)] if content.share else []
        return [(f"{theme.count(content.counts[index])} rows", True)] if index < len(content.counts) else []

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Gives most of the height to the first panel."""
        super().resizeEvent(event)
        if hasattr(self, "panels"):
            height = min(max(LOW_SHARE * self.height(), LEAST_LOW), MOST_LOW)
            for row in range(1, PANELS):
                self.ci.layout.setRowFixedHeight(2 * row, height)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begins a brush, or with Shift or the middle button a move of the view."""
        index = self.timeline.scale.nearest(self.place_at(event.position()))
        if index is None or event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        moving = event.button() == Qt.MouseButton.MiddleButton or bool(
            event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        )
        self._pressed = (event.position(), index, moving)
        self._dragged = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Moves the crosshair; while a button is down, the brush or the view."""
        place = self.place_at(event.position())
        index = self.timeline.scale.nearest(place)
        self.timeline.point(index)
        if self._pressed is None or index is None:
            return
        start, first, moving = self._pressed
        if not self._dragged and abs(event.position().x() - start.x()) < DRAG_PIXELS:
            return
        self._dragged = True
        if moving:
            self.timeline.pan(self.place_at(start) - place)
            self._pressed = (event.position(), first, moving)
        else:
            self.timeline.pick((first, index), dragged=True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Ends a drag; a click without one chooses the chunk."""
        if self._pressed is not None and not self._dragged and not self._pressed[2]:
            self.timeline.pick((self._pressed[1], self._pressed[1]), dragged=False)
        self._pressed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Shows all chunks again."""
        self.timeline.show_all()

    def leaveEvent(self, event: QEvent) -> None:
        """Takes the crosshair away."""
        self.timeline.point(None)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms with Ctrl held, else leaves the wheel to the page."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.timeline.zoom(0.8 ** (event.angleDelta().y() / 120), self.place_at(event.position()))
        else:
            event.ignore()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the crosshair, with Shift the brush; Enter chooses; plus and minus zoom; Home and End go to the ends."""
        timeline, key = self.timeline, Qt.Key(event.key())
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Home: -len(timeline.scale),
            Qt.Key.Key_End: len(timeline.scale),
        }
        low, high = timeline.visible
        if key in steps:
            before = timeline.cursor
            timeline.step(steps[key])
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and timeline.cursor is not None:
                self._extend(before if before is not None else timeline.cursor, timeline.cursor)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and timeline.cursor is not None:
            timeline.pick((timeline.cursor, timeline.cursor), dragged=False)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            timeline.zoom(1.25 if key == Qt.Key.Key_Minus else 0.8, (low + high) / 2)
        else:
            super(Canvas, self).keyPressEvent(event)

    def _extend(self, before: int, now: int) -> None:
        brush = self.timeline.brush
        anchor = before if brush is None or before not in brush else brush[0] + brush[1] - before
        self.timeline.pick((anchor, now), dragged=True)

    def _repaint_cross(self) -> None:
        for panel in self.panels:
            panel.cross.update()

    def _draw_metric(self, painter: QPainter, frame: Frame) -> None:
        palette, scale, content = self.appearance.palette, self.timeline.scale, self.content
        draw_grid(painter, frame, self.panels[0].axis.steps(frame), palette)
        if content.line is not None:
            draw_limits(painter, frame, scale, content.line, palette)
        if content.estimate is not None:
            draw_line(painter, frame, scale, content.estimate, palette, stroke=palette.reference, dashes=(5, 3))
        if content.line is not None:
            draw_line(painter, frame, scale, content.line, palette, stroke=palette.accent, band=True)

    def _draw_share(self, painter: QPainter, frame: Frame) -> None:
        palette = self.appearance.palette
        draw_grid(painter, frame, self.panels[1].axis.steps(frame), palette)
        if self.content.share is not None:
            draw_bars(painter, frame, self.timeline.scale, self.content.share, palette)
            draw_limits(painter, frame, self.timeline.scale, self.content.share, palette, zones=False)

    def _draw_counts(self, painter: QPainter, frame: Frame) -> None:
        palette = self.appearance.palette
        draw_grid(painter, frame, self.panels[2].axis.steps(frame), palette)
        if self.content.counts:
            draw_area(painter, frame, self.timeline.scale, self.content.counts, palette)

    def _note_metric(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        if self.content.line is not None:
            draw_right_notes(
                painter, frame, place, self.timeline.scale, self.content.line, self.appearance.palette, theme.number
            )

    def _note_share(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        if self.content.share is not None:
            form = lambda value: theme.percent(value, 0)  # noqa: E731 - too small for a name of its own
            draw_right_notes(
                painter, frame, place, self.timeline.scale, self.content.share, self.appearance.palette, form
            )

    def draw_cross(self, painter: QPainter, frame: Frame, row: int) -> None:
        """Paints the brushed period, the crosshair and the panel's readout."""
        palette, scale, timeline = self.appearance.palette, self.timeline.scale, self.timeline
        if timeline.brush is not None:
            left, right = frame.x(scale.lefts[timeline.brush[0]]), frame.x(scale.rights[timeline.brush[1]])
            painter.fillRect(
                QRectF(left, frame.rect.top(), right - left, frame.rect.height()), color(palette.accent, 0.12)
            )
            painter.setPen(pen(palette.accent))
            for x in (left, right):
                painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
        if timeline.cursor is None or timeline.cursor >= len(scale):
            return
        x = frame.x(scale.centre(timeline.cursor))
        painter.setPen(pen(palette.text, alpha=0.55))
        painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
        lines = self.readout(row, timeline.cursor)
        if lines:
            draw_readout(painter, frame, x, lines, palette, self._readout_top(frame, row, timeline.cursor))

    def _readout_top(self, frame: Frame, row: int, index: int) -> float:
        """Where a readout hides least: at the bottom of the panel where the line runs high, else at its top."""
        value = self.content.line.values[index] if row == 0 and self.content.line is not None else None
        high = value is not None and frame.y(value) < frame.rect.center().y()
        return frame.rect.bottom() if high else frame.rect.top() + 3


def share_top(share: Line | None, shown: range) -> float:
    """The top of the panel of shares: what is plotted and its limit, at least a tenth, at most all."""
    if share is None:
        return 1.0
    values = [value for index in shown for value in (share.values[index], share.uppers[index]) if value is not None]
    return min(max(1.2 * max(values, default=1.0), 0.1), 1.0)


def value_text(line: Line, index: int) -> str:
    """A line's value at a chunk with its error, or why there is none."""
    value, error = line.values[index], line.errors[index]
    if value is None:
        return line.reasons[index] or theme.ABSENT
    return theme.precise(value) + (f" ±{SIGMAS * error:.2g}" if error is not None else "")


def verdict_text(line: Line, index: int) -> str:
    """What a line was judged by at a chunk, and how."""
    limits = [theme.number(limit) for limit in (line.lowers[index], line.uppers[index]) if limit is not None]
    limit = f"limit {' … '.join(limits)} · " if limits else ""
    return f"{limit}{theme.WORDS[line.verdicts[index]]}"
