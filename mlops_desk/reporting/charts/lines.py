"""Charts over the chunks of a page: courses of metrics with their limits, drifted share as bars, rows as an area, and sparklines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mlops_desk import theme
from mlops_desk.domain.metric import Family, Verdict
from mlops_desk.domain.overview import Line
from mlops_desk.domain.slicing import Chunk
from mlops_desk.reporting.charts.axis import Frame, bunches, chunk_axis, value_axis, value_range
from mlops_desk.reporting.charts.svg import at, figure, label, path, rect, stroke, text_width, tooltip
from mlops_desk.reporting.texts import plural, say

WIDTH, NARROW = 860.0, 420.0
LEFT, RIGHT = 52.0, 10.0
BAND_ERRORS = 3.0
Numbers = Sequence[float | None]


def course_chart(name: str, title: str, lines: Sequence[Line], chunks: Sequence[Chunk], timezone: str) -> str:
    """One metric as realised and, where there is one, as estimated; the limits are the first line's.

    The realised course is drawn through with its band of ±3 sampling errors, the estimated one dashed.
    """
    frame = course_frame(lines, top=22, width=WIDTH, height=196)
    body = [*course_body(frame, lines, chunks, timezone), legend(frame, lines)]
    return figure(name, WIDTH, 196, title, course_description(lines, chunks, timezone), body)


def small_course_chart(name: str, title: str, lines: Sequence[Line], chunks: Sequence[Chunk], timezone: str) -> str:
    """The same at half the width, without a legend."""
    frame = course_frame(lines, top=6, width=NARROW, height=128)
    body = course_body(frame, lines, chunks, timezone)
    return figure(name, NARROW, 128, title, course_description(lines, chunks, timezone), body)


def course_frame(lines: Sequence[Line], *, top: float, width: float, height: float) -> Frame:
    """Where the courses of a metric are drawn, with a range that holds its values and limits."""
    low, high = value_range([number for line in lines for number in (*line.values, *line.lowers, *line.uppers)])
    return Frame(left=LEFT, top=top, width=width - LEFT - RIGHT, height=height - top - 22, low=low, high=high)


def course_body(frame: Frame, lines: Sequence[Line], chunks: Sequence[Chunk], timezone: str) -> list[str]:
    """Everything of a chart of courses but its legend."""
    first = lines[0]
    return [
        value_axis(frame, 6 if frame.height > 120 else 4),
        beyond_limits(frame, first),
        *(course(frame, line) for line in reversed(lines)),
        *(stroke(limit_path(frame, limits), "limit") for limits in (first.lowers, first.uppers)),
        *(stroke(limit_path(frame, limits), "warned") for limits in (first.warn_lowers, first.warn_uppers)),
        verdict_marks(frame, first),
        chunk_axis(frame, chunks, timezone),
        hits(frame, lines, chunks, timezone),
    ]


def course(frame: Frame, line: Line) -> str:
    """A line with gaps where there is no number; where a number stands alone, a dot."""
    count, estimated = len(line.values), is_estimated(line)
    commands, dots, bands = [], [], []
    for run in runs_of(line.values):
        points = [(frame.x(place, count), frame.y(line.values[place] or 0.0)) for place in run]
        commands.append(path(points))
        if len(run) == 1:
            dots.append(
                f'<circle class="{"c-reference" if estimated else "c-accent"}" cx="{at(points[0][0])}" cy="{at(points[0][1])}" r="2"/>'
            )
        if not estimated:
            bands.append(band(frame, line, run))
    drawn = stroke("".join(commands), "line r" if estimated else "line")
    return stroke("".join(bands), "band") + drawn + "".join(dots)


def band(frame: Frame, line: Line, run: Sequence[int]) -> str:
    """The outline of ±3 sampling errors around a run of numbers."""
    count = len(line.values)
    ends = [(place, line.values[place] or 0.0, BAND_ERRORS * (line.errors[place] or 0.0)) for place in run]
    upper = [(frame.x(place, count), frame.y(value + reach)) for place, value, reach in ends]
    lower = [(frame.x(place, count), frame.y(value - reach)) for place, value, reach in reversed(ends)]
    return path([*upper, *lower], closed=True) if any(reach for _, _, reach in ends) else ""


def runs_of(values: Numbers) -> list[list[int]]:
    """Places of numbers that follow each other without a gap."""
    runs: list[list[int]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def limit_path(frame: Frame, limits: Numbers) -> str:
    """A limit chunk by chunk, drawn through where it stays the same."""
    commands, before = [], None
    width = frame.width / max(len(limits), 1)
    for place, limit in enumerate(limits):
        if limit is not None:
            if before is None:
                commands.append(f"M{at(frame.left + place * width)} {at(frame.y(limit))}")
            elif before != limit:
                commands.append(f"V{at(frame.y(limit))}")
            commands.append(f"H{at(frame.left + (place + 1) * width)}")
        before = limit
    return "".join(commands)


def beyond_limits(frame: Frame, line: Line) -> str:
    """The soft ground that a value alerts on."""
    areas = []
    width = frame.width / max(len(line.values), 1)
    for limits, edge in ((line.lowers, frame.bottom), (line.uppers, frame.top)):
        for run in runs_of(limits):
            corners = [(frame.left + run[0] * width, edge)]
            for place in run:
                y = frame.y(limits[place] or 0.0)
                if len(corners) > 2 and corners[-1][1] == y:
                    corners.pop()
                else:
                    corners.append((frame.left + place * width, y))
                corners.append((frame.left + (place + 1) * width, y))
            corners.append((frame.left + (run[-1] + 1) * width, edge))
            areas.append(path(corners, closed=True))
    return stroke("".join(areas), "beyond")


def verdict_marks(frame: Frame, line: Line) -> str:
    """Squares on alerts and triangles on warnings."""
    squares, triangles = [], []
    for place, (value, verdict) in enumerate(zip(line.values, line.verdicts, strict=True)):
        if value is None:
            continue
        x, y = frame.x(place, len(line.values)), frame.y(value)
        if verdict is Verdict.ALERT:
            squares.append(f"M{at(x - 2.6)} {at(y - 2.6)}h5.2v5.2h-5.2Z")
        elif verdict is Verdict.WARNING:
            triangles.append(f"M{at(x)} {at(y - 3.2)}l3.2 5.6h-6.4Z")
    return stroke("".join(squares), "dot c-bad") + stroke("".join(triangles), "dot c-warn")


def is_estimated(line: Line) -> bool:
    """Whether a line tells what was estimated before labels arrived."""
    return line.key.family in (Family.ESTIMATED_PERFORMANCE, Family.ESTIMATED_FAIRNESS)


def legend(frame: Frame, lines: Sequence[Line]) -> str:
    """What the lines are, above the chart on the right."""
    items: list[tuple[str, str]] = []
    for line in lines:
        if not is_estimated(line):
            items.append(("line", say("realised")))
            if any(line.errors):
                items.append(("band", say("± 3 sampling errors")))
        else:
            items.append(("line r", say("estimated")))
    if any(limit is not None for limit in (*lines[0].lowers, *lines[0].uppers)):
        items.append(("limit", say("limit")))
    body, x, y = [], frame.right, frame.top - 12
    for classes, text in reversed(items):
        x -= text_width(text, 9)
        body.append(label(x, y + 3, text, "small"))
        x -= 20
        body.append(rect(x, y - 4, 16, 8, classes) if classes == "band" else stroke(f"M{at(x)} {at(y)}h16", classes))
        x -= 12
    return "".join(body)


def hits(frame: Frame, lines: Sequence[Line], chunks: Sequence[Chunk], timezone: str) -> str:
    """Invisible columns that tell the numbers of their chunks."""

    def told(place: int) -> list[str]:
        return [point_text(line, place) for line in lines]

    return columns(frame, chunks, timezone, told)


def columns(frame: Frame, chunks: Sequence[Chunk], timezone: str, told: Callable[[int], list[str]]) -> str:
    """Invisible columns over a frame with what is told of each chunk; of a bunch of chunks, its last."""
    width = frame.width / max(len(chunks), 1)
    body = []
    for bunch in bunches(len(chunks)):
        place = bunch[-1]
        text = tooltip([chunk_title(chunks[place], timezone), *told(place)])
        body.append(rect(frame.left + bunch[0] * width, frame.top, width * len(bunch), frame.height, "hit", text))
    return "".join(body)


def chunk_title(chunk: Chunk, timezone: str) -> str:
    """A chunk as tooltips call it."""
    return (
        say("chunk {number}", number=chunk.index + 1)
        if chunk.start is None
        else theme.span(chunk.start, chunk.end, timezone)
    )


def point_text(line: Line, place: int) -> str:
    """`realised 0.791 ± 0.013, limit ≥ 0.810: alert`."""
    value, error, verdict = line.values[place], line.errors[place], line.verdicts[place]
    name = say("estimated") if is_estimated(line) else say("realised")
    if value is None:
        return f"{name}{say(': ')}{line.reasons[place] or say('no value')}"
    text = f"{name} {theme.number(value)}"
    if error:
        text += f" ± {theme.number(BAND_ERRORS * error)}"
    lower, upper = line.lowers[place], line.uppers[place]
    sides = [f"{sign} {theme.number(limit)}" for sign, limit in (("≥", lower), ("≤", upper)) if limit is not None]
    if sides:
        limit = say("limit {value}", value=say(" and ").join(sides))
        text = say("{first}, {then}", first=text, then=limit)
    return text if verdict is Verdict.OK else text + say(": ") + theme.word(verdict)


def course_description(lines: Sequence[Line], chunks: Sequence[Chunk], timezone: str) -> str:
    """A course in a sentence, for those who do not see it."""
    parts = []
    for line in lines:
        known = [(place, value) for place, value in enumerate(line.values) if value is not None]
        if known:
            place, value = known[-1]
            alerts = sum(verdict is Verdict.ALERT for verdict in line.verdicts)
            least, most = min(value for _, value in known), max(value for _, value in known)
            parts.append(
                say(
                    "{title}: {value} in {chunk}, from {low} to {high} over {chunks}, alert in {alerts}.",
                    title=line.title,
                    value=theme.number(value),
                    chunk=chunk_title(chunks[place], timezone),
                    low=theme.number(least),
                    high=theme.number(most),
                    chunks=plural(len(known), "chunk"),
                    alerts=alerts,
                )
            )
    return " ".join(parts) or say("No values.")


def share_bars(
    name: str, title: str, line: Line, chunks: Sequence[Chunk], timezone: str, *, height: float = 96.0
) -> str:
    """A share of each chunk as bars, with its limit."""
    _, high = value_range([*line.values, *line.uppers], zero=True)
    frame = Frame(left=LEFT, top=6, width=WIDTH - LEFT - RIGHT, height=height - 6 - 22, high=min(max(high, 0.1), 1.0))
    count = len(line.values)
    width = frame.width / max(count, 1)
    groups: dict[str, list[str]] = {"c-reference": [], "c-warn": [], "c-bad": []}
    for place, (value, verdict) in enumerate(zip(line.values, line.verdicts, strict=True)):
        if value:
            classes = {Verdict.ALERT: "c-bad", Verdict.WARNING: "c-warn"}.get(verdict, "c-reference")
            left, right = frame.left + width * (place + 0.12), frame.left + width * (place + 0.88)
            groups[classes].append(
                f"M{at(left)} {at(frame.bottom)}V{at(frame.y(value))}H{at(right)}V{at(frame.bottom)}Z"
            )

    def told(place: int) -> list[str]:
        value, upper = line.values[place], line.uppers[place]
        if value is None:
            return [line.reasons[place] or say("no value")]
        text = say("{share} of the features drifted", share=theme.percent(value))
        if upper is not None:
            limit = say("limit ≤ {value}", value=theme.percent(upper, 0))
            text = say("{first}, {then}", first=text, then=limit)
        return [text]

    body = [value_axis(frame, 2, percent=True)]
    body += [stroke("".join(commands), classes) for classes, commands in groups.items()]
    body += [stroke(limit_path(frame, line.uppers), "limit"), stroke(limit_path(frame, line.warn_uppers), "warned")]
    body += [chunk_axis(frame, chunks, timezone), columns(frame, chunks, timezone, told)]
    known = [value for value in line.values if value is not None]
    most = say(
        "{title}: at most {most}, {last} in the last chunk.",
        title=title,
        most=theme.percent(max(known, default=0.0)),
        last=theme.percent(known[-1] if known else None),
    )
    return figure(name, WIDTH, height, title, most, body)


def row_area(
    name: str, title: str, counts: Sequence[int], chunks: Sequence[Chunk], timezone: str, *, height: float = 84.0
) -> str:
    """Rows of each chunk as an area."""
    frame = Frame(
        left=LEFT, top=6, width=WIDTH - LEFT - RIGHT, height=height - 6 - 22, high=max(counts, default=0) * 1.08 or 1.0
    )
    points = [(frame.x(place, len(counts)), frame.y(count)) for place, count in enumerate(counts)]
    outline = [(points[0][0], frame.bottom), *points, (points[-1][0], frame.bottom)] if points else []

    def told(place: int) -> list[str]:
        return [plural(counts[place], "row")]

    body = [
        value_axis(frame, 2),
        stroke(path(outline, closed=True), "area"),
        stroke(path(points), "edge"),
    ]
    body += [chunk_axis(frame, chunks, timezone), columns(frame, chunks, timezone, told)]
    text = say(
        "{title}: {low} to {high} rows a chunk, {total} in all.",
        title=title,
        low=theme.count(min(counts, default=0)),
        high=theme.count(max(counts, default=0)),
        total=theme.count(sum(counts)),
    )
    return figure(name, WIDTH, height, title, text, body)


def sparkline(points: Iterable[float | None], verdict: Verdict, *, width: float = 150.0, height: float = 26.0) -> str:
    """A course without axes in the colour of a verdict; ornament to numbers that stand beside it, so hidden from readers of text."""
    values = list(points)
    low, high = value_range(values)
    frame = Frame(left=1, top=2, width=width - 2, height=height - 4, low=low, high=high)
    kind = {Verdict.ALERT: "b", Verdict.WARNING: "w", Verdict.OK: "o"}.get(verdict, "r")
    lines, areas, dots = [], [], []
    for run in runs_of(values):
        along = [(frame.x(place, len(values)), frame.y(values[place] or 0.0)) for place in run]
        lines.append(path(along))
        areas.append(path([(along[0][0], height), *along, (along[-1][0], height)], closed=True))
        if len(run) == 1:
            dots.append(f"M{at(along[0][0] - 1)} {at(along[0][1] - 1)}h2v2h-2Z")
    body = stroke("".join(areas), f"area {kind}") + stroke("".join([*lines, *dots]), f"line {kind}")
    return f'<svg class="chart spark" viewBox="0 0 {at(width)} {at(height)}" preserveAspectRatio="none" aria-hidden="true">{body}</svg>'
