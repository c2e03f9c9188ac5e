"""How lines, bands, limits, bars and areas over chunks are painted; a chunk without a value is a gap, never a zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPolygonF

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Line
from mlops_desk.gui.appearance import color, font
from mlops_desk.gui.plots.axes import MIDDLE_LEFT
from mlops_desk.gui.plots.layer import Frame, draw_mark, pen
from mlops_desk.gui.plots.scale import ChunkScale

SIGMAS = 3
MARK_RADIUS = 2.9
MOST_MARKS_APART = 4.0


def neighbours(shown: range, length: int) -> range:
    """The chunks in view and one more on each side, so that lines leave the view where they should."""
    return range(max(shown.start - 1, 0), min(shown.stop + 1, length))


def runs(values: Sequence[float | None], shown: range) -> list[list[int]]:
    """Stretches of chunks that have a value."""
    found: list[list[int]] = []
    for index in shown:
        if values[index] is None:
            continue
        if found and found[-1][-1] == index - 1:
            found[-1].append(index)
        else:
            found.append([index])
    return found


def value_range(lines: Sequence[Line], shown: range) -> tuple[float, float]:
    """Bottom and top of a panel that hold the lines in view, their bands, and the limits that are near them."""
    values, reach = [], []
    for line in lines:
        for index in shown:
            value, error = line.values[index], line.errors[index] or 0.0
            if value is not None:
                values += [value]
                reach += [value - SIGMAS * error, value + SIGMAS * error]
    if not values:
        return (0.0, 1.0)
    low, high = min(reach), max(reach)
    near = max(high - low, 1e-3 * abs(high), 1e-9)
    for line in lines:
        for limits in (line.lowers, line.uppers):
            inside = [
                limit for index in shown if (limit := limits[index]) is not None and low - near <= limit <= high + near
            ]
            low, high = min([low, *inside]), max([high, *inside])
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return (low - margin, high + margin)


def draw_grid(painter: QPainter, frame: Frame, steps: Sequence[float], palette: theme.Palette) -> None:
    """Paints faint lines at the axis' numbers, and the bottom line."""
    painter.setPen(pen(palette.grid))
    for step in steps:
        y = round(frame.y(step)) + 0.5
        painter.drawLine(QPointF(frame.rect.left(), y), QPointF(frame.rect.right(), y))
    painter.setPen(pen(palette.border))
    bottom = frame.rect.bottom() - 0.5
    painter.drawLine(QPointF(frame.rect.left(), bottom), QPointF(frame.rect.right(), bottom))


def steps_of(frame: Frame, scale: ChunkScale, limits: Sequence[float | None], run: list[int]) -> list[QPointF]:
    """The corners of a limit that holds from each chunk's start to its end; chunks with the same limit share them."""
    corners: list[QPointF] = []
    before: float | None = None
    for index in run:
        limit = limits[index] or 0.0
        end = frame.point(scale.rights[index], limit)
        if limit == before:
            corners[-1] = end
        else:
            corners += [frame.point(scale.lefts[index], limit), end]
        before = limit
    return corners


def draw_limits(
    painter: QPainter, frame: Frame, scale: ChunkScale, line: Line, palette: theme.Palette, *, zones: bool = True
) -> None:
    """Paints limits as dashed steps, and behind them softly where a value would alert or warn."""
    shown = neighbours(scale.between(frame.left, frame.right), len(scale))
    for limits, warns, edge in (
        (line.lowers, line.warn_lowers, frame.bottom),
        (line.uppers, line.warn_uppers, frame.top),
    ):
        outer = frame.y(edge)
        for run in runs(limits, shown):
            corners = steps_of(frame, scale, limits, run)
            if zones:
                fill_between(painter, corners, outer, palette.bad_soft, 0.55 if not palette.dark else 0.5)
            painter.setPen(pen(palette.bad, 1.2, dashes=(4, 3)))
            painter.drawPolyline(QPolygonF(corners))
        for run in runs(warns, shown) if zones else ():
            corners = steps_of(frame, scale, warns, run)
            inner = steps_of(frame, scale, limits, run) if all(limits[index] is not None for index in run) else None
            if inner is None:
                fill_between(painter, corners, outer, palette.warn_soft, 0.5)
            else:
                fill_polygon(painter, [*corners, *reversed(inner)], palette.warn_soft, 0.55)


def fill_between(painter: QPainter, corners: list[QPointF], y: float, fill: str, alpha: float) -> None:
    """Fills from a stepped line to a height."""
    fill_polygon(painter, [QPointF(corners[0].x(), y), *corners, QPointF(corners[-1].x(), y)], fill, alpha)


def fill_polygon(painter: QPainter, corners: list[QPointF], fill: str, alpha: float = 1.0) -> None:
    """Fills a polygon without an outline."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color(fill, alpha))
    painter.drawPolygon(QPolygonF(corners))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def draw_line(
    painter: QPainter,
    frame: Frame,
    scale: ChunkScale,
    line: Line,
    palette: theme.Palette,
    *,
    stroke: str,
    band: bool = False,
    dashes: tuple[float, ...] = (),
) -> None:
    """Paints a line through the chunks' middles; with `band` also its sampling band and a mark where a verdict is not ok."""
    shown = neighbours(scale.between(frame.left, frame.right), len(scale))
    for run in runs(line.values, shown):
        points = [frame.point(scale.centre(index), line.values[index] or 0.0) for index in run]
        if band:
            draw_band(painter, frame, scale, line, run, stroke)
        painter.setPen(pen(stroke, 1.8, dashes=dashes))
        if len(points) == 1:
            draw_mark(painter, points[0], 2.2, color(stroke), square=False)
        else:
            painter.drawPolyline(QPolygonF(points))
    if band:
        draw_verdicts(painter, frame, scale, line, shown, palette)


def draw_band(painter: QPainter, frame: Frame, scale: ChunkScale, line: Line, run: list[int], stroke: str) -> None:
    """Paints ±3 sampling errors around a stretch of a line."""
    for part in runs([line.errors[index] for index in run], range(len(run))):
        places = [run[index] for index in part]
        above = [
            frame.point(scale.centre(index), (line.values[index] or 0) + SIGMAS * (line.errors[index] or 0))
            for index in places
        ]
        below = [
            frame.point(scale.centre(index), (line.values[index] or 0) - SIGMAS * (line.errors[index] or 0))
            for index in places
        ]
        if len(places) == 1:
            painter.setPen(pen(stroke, 1.4, alpha=0.4))
            painter.drawLine(above[0], below[0])
        else:
            fill_polygon(painter, [*above, *reversed(below)], stroke, 0.2)


def draw_verdicts(
    painter: QPainter, frame: Frame, scale: ChunkScale, line: Line, shown: range, palette: theme.Palette
) -> None:
    """Paints a square at each alert and a disc at each warning, no closer than can be told apart."""
    before = -1e9
    for index in shown:
        value, verdict = line.values[index], line.verdicts[index]
        if value is None or verdict not in (Verdict.ALERT, Verdict.WARNING):
            continue
        centre = frame.point(scale.centre(index), value)
        if centre.x() - before >= MOST_MARKS_APART:
            draw_mark(
                painter,
                centre,
                MARK_RADIUS,
                color(theme.verdict_color(palette, verdict)),
                square=verdict is Verdict.ALERT,
            )
            before = centre.x()


def draw_bars(painter: QPainter, frame: Frame, scale: ChunkScale, line: Line, palette: theme.Palette) -> None:
    """Paints a bar for each chunk; an alert is filled, a warning and what is fine are paler."""
    painter.setPen(Qt.PenStyle.NoPen)
    for index in scale.between(frame.left, frame.right):
        value = line.values[index]
        if not value:
            continue
        left, right = frame.x(scale.lefts[index]), frame.x(scale.rights[index])
        gap = min(0.2 * (right - left), 3.0)
        verdict = line.verdicts[index]
        fill = palette.reference if verdict in (Verdict.OK, Verdict.UNTESTED) else theme.verdict_color(palette, verdict)
        top = frame.y(value)
        painter.fillRect(QRectF(left + gap / 2, top, max(right - left - gap, 1), frame.y(0) - top), color(fill))


def draw_area(
    painter: QPainter, frame: Frame, scale: ChunkScale, counts: Sequence[int], palette: theme.Palette
) -> None:
    """Paints counts as a filled line; a chunk that later rows may still reach ends it with an open circle."""
    shown = neighbours(scale.between(frame.left, frame.right), len(scale))
    if not shown:
        return
    points = [frame.point(scale.centre(index), counts[index]) for index in shown]
    base = frame.y(0)
    fill_polygon(
        painter, [QPointF(points[0].x(), base), *points, QPointF(points[-1].x(), base)], palette.reference, 0.22
    )
    painter.setPen(pen(palette.reference, 1.4))
    painter.drawPolyline(QPolygonF(points))
    if not scale.chunks[shown[-1]].complete or len(points) == 1:
        painter.setBrush(color(palette.surface))
        painter.drawEllipse(points[-1], 3, 3)


def draw_right_notes(
    painter: QPainter,
    frame: Frame,
    place: QRectF,
    scale: ChunkScale,
    line: Line,
    palette: theme.Palette,
    form: Callable[[float | None], str],
) -> None:
    """Paints, right of a panel, its limit in the limit's height and the latest value in the value's, kept apart."""
    shown = scale.between(frame.left, frame.right)
    latest = next((index for index in reversed(shown) if line.values[index] is not None), None)
    if latest is None:
        return
    notes: list[tuple[float, str, str, bool]] = []
    value = line.values[latest]
    if value is not None:
        notes.append((frame.y(value), form(value), theme.verdict_color(palette, line.verdicts[latest]), True))
    low, high = sorted((frame.bottom, frame.top))
    limits = [
        limit for limit in (line.lowers[latest], line.uppers[latest]) if limit is not None and low <= limit <= high
    ]
    notes += [(frame.y(limit), f"limit {form(limit)}", palette.bad, False) for limit in limits]
    taken: list[float] = []
    for y, text, ink, strong in notes:
        middle = min(max(y, frame.rect.top() + 6), frame.rect.bottom() - 6)
        if any(abs(middle - other) < 13 for other in taken):
            middle = next(
                (other + 13 * (1 if y >= other else -1) for other in taken if abs(middle - other) < 13), middle
            )
        taken.append(middle)
        face = font(theme.SMALL_PIXELS, font().Weight.DemiBold if strong else font().Weight.Normal)
        painter.setFont(face)
        painter.setPen(color(palette.text if strong and ink == palette.ok else ink))
        width = QFontMetricsF(face).horizontalAdvance(text)
        painter.drawText(QRectF(6, middle - 8, max(width, place.width() - 6), 16), MIDDLE_LEFT, text)
