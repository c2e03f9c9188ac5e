"""Fairness at a glance: a bar for each protected group beside its attribute's best-off one, with its interval and the limit.

Each attribute has a row of its own above its groups. A group is judged in words at the end of its bar. Rows that do not fit are scrolled to.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QToolTip

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import GroupBar
from mlops_desk.gui.appearance import Appearance, color, font
from mlops_desk.gui.plots.axes import MIDDLE_LEFT, MIDDLE_RIGHT, Axis, BottomAxis
from mlops_desk.gui.plots.canvas import Canvas
from mlops_desk.gui.plots.layer import Frame, Layer, draw_scroll, elided, pen
from mlops_desk.gui.plots.scale import Tick
from mlops_desk.gui.table import Table
from mlops_desk.gui.text import tooltip

LEAST_ROW = 17.0
MOST_ROW = 30.0
WORDS_WIDTH = 92.0
"""Bars reach to 1; the rest is for what is written behind them."""
LEFT, LEFT_SHARE = 128.0, 0.36


class GroupAxis(Axis):
    """Groups left of their bars, below their attribute in bold."""

    def __init__(self, plot: BarsPlot) -> None:
        super().__init__("left", plot.appearance, LEFT)
        self._plot = plot

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints the names in view."""
        palette = self.appearance.palette
        strong, plain = font(theme.SMALL_PIXELS, QFont.Weight.DemiBold), font(theme.SMALL_PIXELS)
        room = place.width() - 8
        painter.setClipRect(QRectF(0, frame.rect.top(), frame.rect.right(), frame.rect.height()))
        for row, bar in enumerate(self._plot.rows):
            middle = frame.y(row + 0.5)
            if frame.rect.top() - 9 <= middle <= frame.rect.bottom() + 9:
                named = isinstance(bar, str)
                painter.setFont(strong if named else plain)
                painter.setPen(color(palette.text if named else palette.muted))
                text = bar if isinstance(bar, str) else bar.group
                wide = place.width() + 200 if named else room
                align = MIDDLE_LEFT if named else MIDDLE_RIGHT
                shown = elided(text, strong if named else plain, wide)
                painter.drawText(QRectF(0, middle - 9, wide, 18), align, shown)


def rows_of(bars: tuple[GroupBar, ...]) -> tuple[str | GroupBar, ...]:
    """The rows of the plot: each attribute's name, then its groups."""
    rows: list[str | GroupBar] = []
    for place, bar in enumerate(bars):
        if place == 0 or bars[place - 1].attribute != bar.attribute:
            rows.append(bar.attribute)
        rows.append(bar)
    return tuple(rows)


class BarsPlot(Canvas):
    """Ratios of groups to the best-off group."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__(appearance, "Fairness")
        self.bars: tuple[GroupBar, ...] = ()
        self.rows: tuple[str | GroupBar, ...] = ()
        self.limit = 0.8
        self.first_row = 0.0
        self._names = GroupAxis(self)
        self._bottom = BottomAxis(appearance, ratio_ticks)
        self._bottom.spacing = 50
        self.box: Any = self.boxed(0, left=self._names, bottom=self._bottom)
        self.box.invertY(True)
        self._shape = Layer(self.box, self._draw)
        self.setMouseTracking(True)

    def show_bars(self, bars: tuple[GroupBar, ...], limit: float) -> None:
        """Shows groups, attribute by attribute, and the limit below which a ratio fails."""
        self.bars, self.rows, self.limit = bars, rows_of(bars), limit
        self.follow()

    def rows_shown(self) -> float:
        """How many rows fit, at least as many as keeps a bar from growing fat."""
        height = self.box.rect().height() or self.height() - 24.0
        return float(max(min(float(len(self.rows)), height // LEAST_ROW), height / MOST_ROW, 1.0))

    @property
    def furthest(self) -> float:
        """The ratio at the right edge."""
        width = self.box.rect().width() or self.width() - LEFT
        return 1.0 / float(max(1.0 - WORDS_WIDTH / max(width, 1.0), 0.3))

    def follow(self) -> None:
        """Fits the names and rows to the height."""
        self._names.setWidth(min(LEFT, LEFT_SHARE * self.width()))
        shown = self.rows_shown()
        self.first_row = min(max(self.first_row, 0.0), max(len(self.rows) - shown, 0.0))
        self.box.setRange(
            xRange=(0, self.furthest), yRange=(self.first_row, self.first_row + shown), padding=0, disableAutoRange=True
        )
        for item in (self._shape, self._names, self._bottom):
            item.update()

    def table(self) -> Table:
        """A row for each group."""
        headings = (
            "attribute",
            "group",
            "rows",
            "rate",
            "ratio",
            "interval lower",
            "interval upper",
            "verdict",
            "reason",
        )
        rows = tuple(
            (
                bar.attribute,
                bar.group,
                bar.rows,
                bar.rate,
                bar.ratio,
                bar.interval_lower,
                bar.interval_upper,
                str(bar.verdict),
                bar.reason,
            )
            for bar in self.bars
        )
        return Table(title=self.title, headings=headings, rows=rows)

    def text_of(self, row: int) -> str:
        """All that is known of a group, in words."""
        bar = self.rows[row]
        if isinstance(bar, str):
            return bar
        if bar.ratio is None:
            return f"{bar.attribute} = {bar.group} · {theme.count(bar.rows)} rows · {bar.reason or 'untested'}"
        interval = ""
        if bar.interval_lower is not None and bar.interval_upper is not None:
            interval = f" · 95 % interval {theme.exact(bar.interval_lower)} to {theme.exact(bar.interval_upper)}"
        rate = f" · rate {theme.exact(bar.rate)}" if bar.rate is not None else ""
        return f"{bar.attribute} = {bar.group} · ratio {theme.exact(bar.ratio)}{interval}{rate} · {theme.count(bar.rows)} rows · {theme.WORDS[bar.verdict]}"

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scrolls the rows as far as there are more."""
        before = self.first_row
        self.first_row -= event.angleDelta().y() / 120
        self.follow()
        event.setAccepted(self.first_row != before)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and Down scroll."""
        step = {Qt.Key.Key_Up: -1.0, Qt.Key.Key_Down: 1.0}.get(Qt.Key(event.key()))
        if step is None:
            super(Canvas, self).keyPressEvent(event)
            return
        self.first_row += step
        self.follow()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fits the rows to the height."""
        super().resizeEvent(event)
        if hasattr(self, "box"):
            self.follow()

    def viewportEvent(self, event: QEvent) -> bool:
        """Shows exact values where the mouse rests."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            row = int(self.place_in(self.box, QPointF(event.pos())).y())
            if 0 <= row < len(self.rows):
                QToolTip.showText(event.globalPos(), tooltip(self.text_of(row)), self)
            return True
        return bool(super().viewportEvent(event))

    def _draw(self, painter: QPainter, frame: Frame) -> None:
        palette = self.appearance.palette
        painter.setPen(pen(palette.grid))
        for tick in ratio_ticks(frame.left, frame.right, 8):
            x = round(frame.x(tick.place)) + 0.5
            painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
        for row, bar in enumerate(self.rows):
            if (
                not isinstance(bar, str)
                and frame.y(row + 1) >= frame.rect.top()
                and frame.y(row) <= frame.rect.bottom()
            ):
                self._draw_bar(painter, frame, row, bar)
        draw_scroll(painter, frame, frame.rect.right() - 5, self.first_row, self.rows_shown(), len(self.rows), palette)
        x = round(frame.x(self.limit)) + 0.5
        painter.setPen(pen(palette.bad, 1.2, dashes=(4, 3)))
        painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))

    def _draw_bar(self, painter: QPainter, frame: Frame, row: int, bar: GroupBar) -> None:
        palette = self.appearance.palette
        middle = (frame.y(row) + frame.y(row + 1)) / 2
        thick = min(abs(frame.y(1) - frame.y(0)) * 0.58, 14.0)
        painter.setFont(font(theme.SMALL_PIXELS))
        if bar.ratio is None:
            painter.setPen(color(palette.muted))
            room = frame.rect.right() - frame.rect.left() - 8
            text = elided(bar.reason or "untested", font(theme.SMALL_PIXELS), room)
            painter.drawText(QRectF(frame.rect.left() + 6, middle - 9, room, 18), MIDDLE_LEFT, text)
            return
        end = frame.x(min(bar.ratio, frame.right))
        painter.fillRect(
            QRectF(frame.rect.left(), middle - thick / 2, end - frame.rect.left(), thick), color(bar_fill(bar, palette))
        )
        if bar.interval_lower is not None and bar.interval_upper is not None and not bar.is_best:
            low, high = frame.x(bar.interval_lower), frame.x(min(bar.interval_upper, frame.right))
            painter.setPen(pen(palette.surface, 3.2))
            painter.drawLine(QPointF(low, middle), QPointF(high, middle))
            painter.setPen(pen(palette.text, 1.3))
            painter.drawLine(QPointF(low, middle), QPointF(high, middle))
            for x in (low, high):
                painter.drawLine(QPointF(x, middle - 3), QPointF(x, middle + 3))
            end = max(end, high)
        text = f"{bar.ratio:.2f}{bar_word(bar)}"
        width = QFontMetricsF(font(theme.SMALL_PIXELS)).horizontalAdvance(text)
        left = min(end + 8, frame.rect.right() - width - 9)
        if left < end:
            painter.fillRect(QRectF(left - 3, middle - 8, width + 6, 16), color(palette.surface, 0.88))
        painter.setPen(color(palette.muted if bar.is_best else palette.text))
        painter.drawText(QRectF(left, middle - 9, width + 2, 18), MIDDLE_LEFT, text)


def bar_fill(bar: GroupBar, palette: theme.Palette) -> str:
    """The colour of a bar: grey for the group the others are compared with."""
    if bar.is_best or bar.verdict is Verdict.UNTESTED:
        return palette.reference
    return palette.accent if bar.verdict is Verdict.OK else theme.verdict_color(palette, bar.verdict)


def bar_word(bar: GroupBar) -> str:
    """What a bar's colour means, in a word."""
    if bar.is_best:
        return "  best off"
    return {Verdict.ALERT: "  ■ fails", Verdict.WARNING: "  ▲ unsure"}.get(bar.verdict, "")


def ratio_ticks(low: float, high: float, _: int) -> tuple[Tick, ...]:
    """Marks at fifths up to 1."""
    return tuple(Tick(fifth / 5, f"{fifth / 5:.1f}") for fifth in range(6) if low <= fifth / 5 <= high)
