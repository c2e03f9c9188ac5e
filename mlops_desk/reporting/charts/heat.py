"""The drift matrix as a heat map: a row for each column, a cell for each chunk, a square on alerts and a dot on warnings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import DriftMatrix
from mlops_desk.domain.slicing import Chunk
from mlops_desk.reporting.charts.axis import Frame, bunches, chunk_axis
from mlops_desk.reporting.charts.lines import WIDTH, chunk_title
from mlops_desk.reporting.charts.style import HEAT_LEVELS
from mlops_desk.reporting.charts.svg import at, figure, label, rect, shortened, stroke, text_width, tooltip
from mlops_desk.reporting.texts import say

ROW = 15.0
LEAST_MARKED = 6.0
"""Narrower cells carry no marks."""
MOST_LABEL = 190.0
_LEGEND = 54.0


def drift_matrix(
    name: str, matrix: DriftMatrix, chunks: Sequence[Chunk], timezone: str, roles: Mapping[str, str]
) -> str:
    """The matrix with its colour key on the right; `roles` are told of the columns that are no features."""
    titles = [f"{column} ({roles[column]})" if column in roles else column for column in matrix.columns]
    left = min(max((text_width(title) for title in titles), default=0.0), MOST_LABEL) + 10
    frame = Frame(left=left, top=4, width=WIDTH - left - _LEGEND, height=ROW * len(titles))
    top = scale_top(matrix)
    width = frame.width / max(len(chunks), 1)
    body: list[str] = []
    marks: dict[int, list[str]] = {}
    for row, title in enumerate(titles):
        y = frame.top + ROW * row
        body.append(label(left - 8, y + ROW / 2 + 3.4, shortened(title, left - 10), "end"))
        for bunch in bunches(len(chunks)):
            place = worst_place(matrix, row, bunch)
            value, verdict = matrix.values[row][place], matrix.verdicts[row][place]
            x, wide = frame.left + width * bunch[0], width * len(bunch)
            gap = min(1.0, wide * 0.12)
            level = None if value is None else heat_level(value, top)
            text = tooltip([title, chunk_title(chunks[place], timezone), cell_text(matrix, row, place)])
            body.append(rect(x, y, wide - gap, ROW - 1, "cell c-none" if level is None else f"cell h{level}", text))
            if level is not None and wide >= LEAST_MARKED:
                marks.setdefault(level, []).append(mark(x + (wide - gap) / 2, y + (ROW - 1) / 2, verdict))
    body += [stroke("".join(commands), f"i{level}") for level, commands in sorted(marks.items())]
    body += [chunk_axis(frame, chunks, timezone), colour_key(frame, top, matrix)]
    return figure(
        name,
        WIDTH,
        frame.bottom + 22,
        say("Drift matrix: {metric} by column and chunk", metric=matrix.title),
        description(matrix),
        body,
    )


def scale_top(matrix: DriftMatrix) -> float:
    """The value of the strongest colour: the greatest, but from two to four times the usual limit, so that one outlier hides nothing."""
    values = [value for row in matrix.values for value in row if value is not None]
    limits = [limit for row in matrix.uppers for limit in row if limit is not None]
    greatest = max(values, default=0.0)
    if limits:
        usual = median(limits)
        greatest = min(max(greatest, 2 * usual), 4 * usual)
    return greatest if greatest > 0 else 1.0


def heat_level(value: float, top: float) -> int:
    """The colour of a value, 0 to HEAT_LEVELS - 1."""
    return min(max(round(value / top * (HEAT_LEVELS - 1)), 0), HEAT_LEVELS - 1)


def worst_place(matrix: DriftMatrix, row: int, bunch: range) -> int:
    """The chunk with the greatest value among some."""
    values = matrix.values[row]
    return max(bunch, key=lambda place: -math.inf if values[place] is None else values[place] or 0.0)


def mark(x: float, y: float, verdict: Verdict) -> str:
    """A square for an alert, a dot for a warning, nothing else."""
    if verdict is Verdict.ALERT:
        return f"M{at(x - 2)} {at(y - 2)}h4v4h-4Z"
    return f"M{at(x - 1.3)} {at(y)}a1.3 1.3 0 1 0 2.6 0a1.3 1.3 0 1 0-2.6 0Z" if verdict is Verdict.WARNING else ""


def cell_text(matrix: DriftMatrix, row: int, place: int) -> str:
    """`0.368, limit ≤ 0.113: alert`."""
    value, upper, verdict = matrix.values[row][place], matrix.uppers[row][place], matrix.verdicts[row][place]
    if value is None:
        return theme.word(Verdict.UNTESTED)
    text = f"{matrix.title} {theme.number(value)}"
    if upper is not None:
        text = say("{first}, {then}", first=text, then=say("limit ≤ {value}", value=theme.number(upper)))
    return text + say(": ") + theme.word(verdict)


def colour_key(frame: Frame, top: float, matrix: DriftMatrix) -> str:
    """The ramp with its numbers; the strongest colour also stands for what is greater."""
    height = min(frame.height - 1, 150.0)
    step = height / HEAT_LEVELS
    x = frame.right + 8
    body = [
        rect(x, frame.top + height - step * (level + 1), 9, step + 0.3, f"h{level}") for level in range(HEAT_LEVELS)
    ]
    key = Frame(left=x, top=frame.top, width=9, height=height, high=top)
    steps = [step for step in theme.nice_steps(0.0, top, 3 if height > 60 else 1) if step < top * 0.93]
    texts = theme.step_texts(steps) if len(steps) > 1 else tuple(theme.number(step) for step in steps)
    body += [label(x + 13, key.y(value) + 3, text, "small") for value, text in zip(steps, texts, strict=True)]
    beyond = any(value > top for row in matrix.values for value in row if value is not None)
    body.append(label(x + 13, frame.top + 7, f"{'≥ ' if beyond else ''}{theme.number(top)}", "small"))
    return "".join(body)


def description(matrix: DriftMatrix) -> str:
    """The matrix in a sentence: which columns alert."""
    alerting = [
        say("{column} in {count}", column=column, count=row.count(Verdict.ALERT))
        for column, row in zip(matrix.columns, matrix.verdicts, strict=True)
        if Verdict.ALERT in row
    ]
    if not alerting:
        return say("No column alerts in any chunk.")
    return say("Chunks with an alert: {columns}.", columns=say(", ").join(alerting))
