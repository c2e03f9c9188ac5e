"""One column in the reference and in some chunks: outlined histograms over each other, or pairs of bars by category.

Bins of one width show shares of rows; bins of several widths show shares per unit of the column, so that areas compare. Bins without an end are drawn as
wide as the widest other one.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF
from PySide6.QtGui import QFontMetricsF, QMouseEvent, QPainter, QPolygonF

from mlops_desk import theme
from mlops_desk.domain.overview import Distribution
from mlops_desk.domain.schema import Kind
from mlops_desk.gui.appearance import Appearance, color, font
from mlops_desk.gui.plots.axes import MIDDLE_LEFT, MIDDLE_RIGHT, BottomAxis, ValueAxis
from mlops_desk.gui.plots.canvas import Canvas
from mlops_desk.gui.plots.layer import Frame, Layer, draw_readout, elided, pen
from mlops_desk.gui.plots.panels import draw_grid, fill_polygon
from mlops_desk.gui.plots.scale import Tick
from mlops_desk.gui.table import Table

LEAST_PAIR = 26.0
LEFT_NUMERIC = 46.0
LEFT_NAMES = 110.0


def finite_edges(edges: tuple[float, ...]) -> tuple[float, ...]:
    """The edges with open ends closed: as far out as the widest bin is wide."""
    inner = [edge for edge in edges if math.isfinite(edge)]
    widest = max((after - before for before, after in pairwise(inner)), default=1.0)
    low, high = (inner[0] - widest, inner[-1] + widest) if inner else (0.0, 1.0)
    return tuple(min(max(edge, low), high) for edge in edges)


def bin_name(edges: tuple[float, ...], index: int) -> str:
    """The range of a bin; the outermost are open, because what lies beyond is counted in them."""
    low, high = theme.exact(edges[index]), theme.exact(edges[index + 1])
    return f"< {high}" if index == 0 else f"≥ {low}" if index == len(edges) - 2 else f"{low} … {high}"


def heights(shares: tuple[float, ...], edges: tuple[float, ...]) -> tuple[tuple[float, ...], bool]:
    """Heights of a histogram, and whether they are shares of rows (else shares per unit)."""
    widths = [after - before for before, after in pairwise(edges)]
    even = max(widths) - min(widths) <= 1e-6 * max(widths)
    if even:
        return shares, True
    return tuple(share / width if width > 0 else 0.0 for share, width in zip(shares, widths, strict=True)), False


class BinAxis(ValueAxis):
    """Numbers up the side of a histogram; names beside pairs of bars."""

    def __init__(self, plot: DistributionPlot) -> None:
        super().__init__(plot.appearance, LEFT_NUMERIC)
        self._plot = plot

    def draw(self, painter: QPainter, frame: Frame, place: QRectF) -> None:
        """Paints what the kind of the column asks for."""
        shown = self._plot.shown
        if shown is None:
            return
        if self._plot.numeric:
            super().draw(painter, frame, place)
            return
        painter.setPen(color(self.appearance.palette.muted))
        step = self._plot.pair_height(frame.rect.height())
        for index in range(self._plot.pairs_in(frame.rect.height())):
            middle = frame.rect.top() + step * (index + 0.5)
            name = elided(shown.categories[index], font(theme.SMALL_PIXELS), place.width() - 9)
            painter.drawText(QRectF(0, middle - 9, place.width() - 8, 18), MIDDLE_RIGHT, name)


class DistributionPlot(Canvas):
    """The reference in grey, the chosen chunks in the accent's colour."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__(appearance, "Distribution")
        self.shown: Distribution | None = None
        self._values = BinAxis(self)
        self._bottom = BottomAxis(appearance, self._ticks)
        self._bottom.spacing = 62
        self.box: Any = self.boxed(0, left=self._values, bottom=self._bottom)
        self._shape = Layer(self.box, self._draw)
        self._cross = Layer(self.box, self._draw_cross, moving=True)
        self.hovered: int | None = None
        self.viewport().setMouseTracking(True)
        self.setMouseTracking(True)

    @property
    def numeric(self) -> bool:
        """Whether a numeric column is shown."""
        return self.shown is not None and self.shown.kind is Kind.NUMERIC and len(self.shown.edges) > 1

    def show_distribution(self, distribution: Distribution | None) -> None:
        """Shows a column, or nothing."""
        self.shown = distribution
        self.hovered = None
        self.title = distribution.column if distribution else "Distribution"
        self.follow()

    def follow(self) -> None:
        """Fits the axes to what is shown."""
        shown = self.shown
        if shown is None:
            return
        if self.numeric:
            edges = finite_edges(shown.edges)
            both = [height for shares in (shown.reference, shown.analysis) for height in heights(shares, edges)[0]]
            even = heights(shown.reference, edges)[1]
            self._values.format = (
                (lambda steps: tuple(theme.percent(step, 0 if steps[-1] >= 0.05 else 1) for step in steps))
                if even
                else theme.step_texts
            )
            self._values.setWidth(LEFT_NUMERIC)
            self.box.setRange(xRange=(edges[0], edges[-1]), yRange=(0, 1.12 * max(both, default=1.0) or 1.0), padding=0)
        else:
            both = [*shown.reference, *shown.analysis]
            self._values.setWidth(LEFT_NAMES)
            self.box.setRange(xRange=(0, 1.12 * max(both, default=1.0) or 1.0), yRange=(0, 1), padding=0)
        self.ci.layout.activate()
        for item in (self._shape, self._cross, self._values, self._bottom):
            item.update()

    def table(self) -> Table:
        """A row for each bin or category."""
        shown = self.shown
        if shown is None:
            return Table(title=self.title, headings=("bin", "reference", "analysis"), rows=())
        if self.numeric:
            inner: tuple[str | float, ...] = shown.edges[1:-1]
            lows, highs = ("", *inner), (*inner, "")  # what lies beyond counts in the outermost
            rows: tuple[tuple[str | float, ...], ...] = tuple(
                zip(lows, highs, shown.reference, shown.analysis, strict=True)
            )
            return Table(title=self.title, headings=("from", "to", "reference share", "analysis share"), rows=rows)
        named = tuple(zip(shown.categories, shown.reference, shown.analysis, strict=True))
        return Table(title=self.title, headings=("category", "reference share", "analysis share"), rows=named)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Reads out the bin or category below the mouse."""
        self.hovered = self._bin_at(event.position())
        self._cross.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Needs nothing."""

    def leaveEvent(self, event: QEvent) -> None:
        """Takes the readout away."""
        self.hovered = None
        self._cross.update()

    def _bin_at(self, position: QPointF) -> int | None:
        rect = self.rect_of(self.box)
        if self.shown is None or not rect.contains(position):
            return None
        if self.numeric:
            place = self.place_in(self.box, position).x()
            edges = finite_edges(self.shown.edges)
            return next((index for index in range(len(edges) - 1) if edges[index] <= place <= edges[index + 1]), None)
        index = int((position.y() - rect.top()) / self.pair_height(rect.height()))
        return index if index < self.pairs_in(rect.height()) else None

    def pairs_in(self, height: float) -> int:
        return min(len(self.shown.categories if self.shown else ()), max(int(height / LEAST_PAIR), 1))

    def pair_height(self, height: float) -> float:
        return float(min(height / max(self.pairs_in(height), 1), 44.0))

    def _ticks(self, low: float, high: float, most: int) -> tuple[Tick, ...]:
        steps = theme.nice_steps(low, high, most)
        texts = theme.step_texts(steps) if self.numeric else tuple(theme.percent(step, 0) for step in steps)
        return tuple(Tick(step, text) for step, text in zip(steps, texts, strict=True))

    def _draw(self, painter: QPainter, frame: Frame) -> None:
        if self.shown is None:
            return
        if self.numeric:
            draw_grid(painter, frame, self._values.steps(frame), self.appearance.palette)
            self._draw_histograms(painter, frame, self.shown)
        else:
            self._draw_pairs(painter, frame, self.shown)

    def _draw_histograms(self, painter: QPainter, frame: Frame, shown: Distribution) -> None:
        palette = self.appearance.palette
        edges = finite_edges(shown.edges)
        for shares, stroke, alpha, dashes in (
            (shown.reference, palette.reference, 0.3, (4.0, 2.0)),
            (shown.analysis, palette.accent, 0.3, ()),
        ):
            tall, _ = heights(shares, edges)
            corners = [frame.point(edges[0], 0)]
            for index, height in enumerate(tall):
                corners += [frame.point(edges[index], height), frame.point(edges[index + 1], height)]
            corners.append(frame.point(edges[-1], 0))
            fill_polygon(painter, corners, stroke, alpha)
            painter.setPen(pen(stroke, 1.5, dashes=dashes))
            painter.drawPolyline(QPolygonF(corners))
        self._draw_means(painter, frame, shown)

    def _draw_means(self, painter: QPainter, frame: Frame, shown: Distribution) -> None:
        palette = self.appearance.palette
        inside = [
            (mean, ink)
            for mean, ink in ((shown.reference_mean, palette.muted), (shown.analysis_mean, palette.accent))
            if mean is not None and frame.left <= mean <= frame.right
        ]
        for place, (mean, ink) in enumerate(inside):
            x = frame.x(mean)
            painter.setPen(pen(ink, 1.2, dashes=(1.5, 2.5)))
            painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
            text = f"mean {theme.number(mean)}"
            width = QFontMetricsF(font(theme.SMALL_PIXELS)).horizontalAdvance(text)
            leftwards = mean == min(value for value, _ in inside) and len(inside) == 2
            left = x - width - 5 if leftwards and x - width - 5 > frame.rect.left() else x + 5
            left = min(left, frame.rect.right() - width)
            box = QRectF(left, frame.rect.top() + 2 + 15 * place, width + 2, 14)
            painter.fillRect(box.adjusted(-2, 0, 2, 0), color(palette.surface, 0.75))
            painter.setPen(color(ink))
            painter.setFont(font(theme.SMALL_PIXELS))
            painter.drawText(box, MIDDLE_LEFT, text)

    def _draw_pairs(self, painter: QPainter, frame: Frame, shown: Distribution) -> None:
        palette = self.appearance.palette
        step = self.pair_height(frame.rect.height())
        thick = min(max(step * 0.3, 5.0), 11.0)
        for index in range(self.pairs_in(frame.rect.height())):
            middle = frame.rect.top() + step * (index + 0.5)
            pairs = ((shown.reference[index], palette.reference, -thick), (shown.analysis[index], palette.accent, 0.0))
            for share, fill, offset in pairs:
                place = QRectF(
                    frame.rect.left(), middle + offset, max(frame.x(share) - frame.rect.left(), 1.0), thick - 1
                )
                painter.fillRect(place, color(fill, 0.85))

    def _draw_cross(self, painter: QPainter, frame: Frame) -> None:
        shown, index = self.shown, self.hovered
        if shown is None or index is None:
            return
        palette = self.appearance.palette
        if self.numeric:
            name = bin_name(shown.edges, index)
            edges = finite_edges(shown.edges)
            x, y = frame.x((edges[index] + edges[index + 1]) / 2), frame.rect.top() + 34
            painter.setPen(pen(palette.text, alpha=0.55))
            painter.drawLine(QPointF(x, frame.rect.top()), QPointF(x, frame.rect.bottom()))
        else:
            name = elided(shown.categories[index], font(theme.SMALL_PIXELS), 220)
            x, y = (
                frame.x(max(shown.reference[index], shown.analysis[index])),
                frame.rect.top() + self.pair_height(frame.rect.height()) * index,
            )
        lines = [
            (name, False),
            (f"analysis {theme.percent(shown.analysis[index], 2)}", True),
            (f"reference {theme.percent(shown.reference[index], 2)}", False),
        ]
        draw_readout(painter, frame, x, lines, palette, y)
