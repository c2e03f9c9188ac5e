"""How things went: the drift matrix, accuracy and drift over time, accuracy by metric, and what the model is worth."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Line as Series
from mlops_desk.domain.overview import Overview
from mlops_desk.domain.slicing import Chunk
from mlops_desk.reporting.blocks import Block, Cell, Column, Kind, Line, Picture, Section, Side, Table
from mlops_desk.reporting.charts.heat import drift_matrix
from mlops_desk.reporting.charts.lines import chunk_title, course_chart, row_area, share_bars, small_course_chart
from mlops_desk.reporting.content import FEATURE, ModelReport, Standing
from mlops_desk.reporting.naming import chunk_text
from mlops_desk.reporting.texts import apart, say

SMALL_COURSES = 4
"""How many metrics have a small chart beside the leading one's."""


def matrix(content: ModelReport, id: str) -> Section | None:
    """Drift of every column in every chunk."""
    overview = content.overview
    if overview.matrix is None:
        return None
    roles = {row.column: say(row.role) for row in content.columns if row.role != FEATURE}
    chart = drift_matrix(f"{id}-matrix", overview.matrix, overview.chunks, overview.timezone, roles)
    marks = (f"{theme.MARKS[verdict]} {theme.word(verdict)}" for verdict in (Verdict.WARNING, Verdict.ALERT))
    return Section(
        name="matrix",
        title=say("Drift matrix"),
        subtitle=say("{metric} against the reference, column by chunk", metric=apart(overview.matrix.title)),
        key="\u2002".join(marks),
        blocks=(Picture(svg=chart),),
        whole=True,
    )


def course(content: ModelReport, id: str) -> Section | None:
    """The leading metric, the share of drifted features and the rows, on the same chunks."""
    overview = content.overview
    chunks, zone, share = overview.chunks, overview.timezone, overview.drift_share
    if not chunks:
        return None
    first, *_ = lines_by_metric(overview.performance) or [()]
    blocks: list[Block] = []
    if first:
        blocks.append(Picture(svg=course_chart(f"{id}-lead", first[0].title, first, chunks, zone)))
    if share:
        title = say("Share of drifted features")
        blocks.append(Picture(svg=share_bars(f"{id}-share", title, share, chunks, zone), title=title))
    rows = say("Rows")
    blocks.append(Picture(svg=row_area(f"{id}-rows", rows, overview.row_counts, chunks, zone), title=rows))
    return Section(
        name="course",
        title=say("Accuracy and drift over time"),
        subtitle=first[0].title if first else "",
        blocks=tuple(blocks),
        whole=True,
    )


def trend_and_value(content: ModelReport, id: str) -> Section | None:
    """The leading metric (else the share of drifted features) beside the first business metric, or how to have one."""
    overview = content.overview
    chunks, zone = overview.chunks, overview.timezone
    if not chunks:
        return None
    first, *_ = lines_by_metric(overview.performance) or [()]
    worth, *_ = lines_by_metric(content.value) or [()]
    blocks: list[Block] = []
    if first:
        blocks.append(course_picture(f"{id}-trend", first, chunks, zone))
    elif overview.drift_share is not None:
        title = say("Share of drifted features")
        blocks.append(Picture(svg=share_bars(f"{id}-trend", title, overview.drift_share, chunks, zone), title=title))
    if worth:
        blocks.append(course_picture(f"{id}-value", worth, chunks, zone))
    else:
        text = say("No business metric is configured: [[models.business]] in desk.toml makes one.")
        blocks.append(Line(text=text, quiet=True))
    return Section(
        name="trend", title=say("Trend and value"), blocks=(Side(blocks=tuple(blocks), columns=2),), whole=True
    )


def accuracy(content: ModelReport, id: str) -> Section | None:
    """Every metric of accuracy: small charts of some, a table of all."""
    overview = content.overview
    others = lines_by_metric(overview.performance)[1 : 1 + SMALL_COURSES]
    charts = tuple(
        course_picture(f"{id}-c{number}", lines, overview.chunks, overview.timezone)
        for number, lines in enumerate(others)
    )
    blocks: list[Block] = [Side(blocks=charts, columns=2)] if charts else []
    if content.accuracy:
        blocks.append(accuracy_table(content))
    if not blocks:
        return None
    return Section(name="accuracy", title=say("Accuracy by metric"), blocks=tuple(blocks))


def course_picture(name: str, lines: Sequence[Series], chunks: Sequence[Chunk], zone: str) -> Picture:
    """A small chart under the name of its metric."""
    title = lines[0].title
    return Picture(svg=small_course_chart(name, title, lines, chunks, zone), title=title)


def accuracy_table(content: ModelReport) -> Table:
    """Each metric as realised and as estimated."""
    overview = content.overview
    columns = (
        Column(say("Metric"), Kind.HEAD), Column(say("Realised"), Kind.NUMBER), Column(say("Status"), Kind.STATUS), Column(say("Limit"), Kind.LIMIT),
        Column(say("Chunk"), Kind.LIMIT), Column(say("Estimated"), Kind.NUMBER), Column(say("Status"), Kind.STATUS),
    )  # fmt: skip
    rows = []
    for row in content.accuracy:
        found = row.realised if row.realised is not None and row.realised.value is not None else None
        chunk = "" if found is None or found.place is None else short_name(overview.chunks[found.place], overview)
        limit = Cell(text="" if found is None else found.limit_text)
        rows.append(
            (
                Cell(text=row.title),
                *standing_cells(row.realised),
                limit,
                Cell(text=chunk),
                *standing_cells(row.estimated),
            )
        )
    caption = say("The latest chunk that has labels, and the latest estimate")
    return Table(caption=caption, columns=columns, rows=tuple(rows), shown=True)


def short_name(chunk: Chunk, overview: Overview) -> str:
    """A chunk by its period alone; by its rows where it has none."""
    return (chunk_text if chunk.start is None else chunk_title)(chunk, overview.timezone)


def standing_cells(one: Standing | None) -> tuple[Cell, Cell]:
    """A standing's number and its verdict; why there is no number."""
    if one is None:
        return Cell(text=theme.ABSENT), Cell()
    if one.value is None:
        return Cell(text=theme.ABSENT), Cell(verdict=one.verdict, tag=one.reason or "")
    tip = ""
    if one.interval_lower is not None and one.interval_upper is not None:
        low, high = theme.number(one.interval_lower), theme.number(one.interval_upper)
        tip = say("95 % interval {low} to {high}", low=low, high=high)
    return Cell(text=one.value_text, tip=tip), Cell(verdict=one.verdict)


def value(content: ModelReport, id: str) -> Section | None:
    """Business metrics: a small chart of each, and how they stand."""
    overview = content.overview
    if not content.value:
        return None
    charts = tuple(
        course_picture(f"{id}-v{number}", lines, overview.chunks, overview.timezone)
        for number, lines in enumerate(lines_by_metric(content.value)[:SMALL_COURSES])
    )
    table = standing_table(content.value_standings, say("Business metrics in the latest chunk that has a number"))
    blocks: tuple[Block, ...] = (Side(blocks=(*charts, table) if len(charts) == 1 else charts, columns=2),)
    return Section(
        name="value", title=say("Value"), blocks=blocks if len(charts) == 1 else (*blocks, table), whole=True
    )


def standing_table(standings: Sequence[Standing], caption: str) -> Table:
    """How some series stand."""
    columns = (
        Column(say("Measure"), Kind.HEAD), Column(say("Latest"), Kind.NUMBER), Column(say("Limit"), Kind.LIMIT), Column(say("Status"), Kind.STATUS),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(text=one.title),
            Cell(text=one.value_text),
            Cell(text=one.limit_text if one.value is not None else one.reason or ""),
            Cell(verdict=one.verdict),
        )
        for one in standings
    )
    return Table(caption=caption, columns=columns, rows=rows, shown=True)


def lines_by_metric(lines: Sequence[Series]) -> list[tuple[Series, ...]]:
    """The lines of each metric together, the realised one first; metrics that have no number are left out."""
    together: dict[str, list[Series]] = {}
    for line in lines:
        if any(value is not None for value in line.values):
            together.setdefault(line.key.metric, []).append(line)
    return [tuple(group) for group in together.values()]


def period_is_empty(overview: Overview) -> Section:
    """What is said of a model of which no chunk lies in the period."""
    line = Line(text=say("No rows of the log lie in this period."), quiet=True)
    return Section(name="empty", title=overview.name, blocks=(line,))
