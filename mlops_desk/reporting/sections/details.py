"""What an engineer looks into: columns and their distributions, fairness, criteria, and the series of the model as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.metric import Detection, Family, Verdict
from mlops_desk.domain.overview import GroupBar
from mlops_desk.reporting.blocks import Block, Cell, Column, Group, Kind, Line, Picture, Section, Side, Table, Titled
from mlops_desk.reporting.charts.bars import distribution_chart, group_chart
from mlops_desk.reporting.charts.lines import sparkline
from mlops_desk.reporting.content import FEATURE, ModelReport, Standing
from mlops_desk.reporting.naming import chunk_text, detection_text, metric_name, p_value_text
from mlops_desk.reporting.sections.course import standing_cells, standing_table
from mlops_desk.reporting.texts import say

MOST_GROUPS = 5
COMPARED = ("demographic_parity", "equal_opportunity", "equalized_odds", "predictive_parity", "mean_prediction", "mae")


class Comparison(Struct, frozen=True, kw_only=True):
    """Difference and ratio of the groups of one attribute by one measure."""

    attribute: str
    title: str
    difference: Standing | None
    ratio: Standing | None


def fairness(content: ModelReport, id: str) -> Section | None:
    """Groups beside the best-off one, and the comparisons of each attribute."""
    bars, compared = group_picture(content, id), comparisons(content.comparisons)
    if not bars and not compared:
        return None
    columns = (
        Column(say("Attribute")), Column(say("Measure"), Kind.HEAD), Column(say("Difference"), Kind.NUMBER), Column("", Kind.STATUS),
        Column(say("Ratio"), Kind.NUMBER), Column("", Kind.STATUS),
    )  # fmt: skip
    table = Table(
        caption=say("Differences and ratios between groups in the latest chunk that compares them"),
        columns=columns,
        rows=tuple(
            (
                Cell(text=row.attribute),
                Cell(text=row.title),
                *standing_cells(row.difference),
                *standing_cells(row.ratio),
            )
            for row in compared
        ),
    )
    blocks: tuple[Block, ...] = (*bars, *((table,) if compared else ()))
    return fairness_section(content, (Side(blocks=blocks, columns=2),))


def fairness_of_groups(content: ModelReport, id: str) -> Section | None:
    """Groups beside the best-off one, and those that fall below the limit in sentences."""
    bars, compared = (
        group_picture(content, id, short=True),
        [one for one in content.comparisons if one.value is not None],
    )
    if not bars:
        return None
    failing = [one for one in compared if one.verdict in (Verdict.ALERT, Verdict.WARNING)]
    lines = [Line(text=group_sentence(bar), verdict=bar.verdict) for bar in groups_below(content.overview.groups)]
    if not lines:
        lines = [Line(text=say("No group is below the limit."), verdict=Verdict.OK)]
    if compared:
        text = say(
            "{failing} of {count} comparisons of groups are beyond their limits.",
            failing=theme.count(len(failing)),
            count=theme.count(len(compared)),
        )
        lines.append(Line(text=text, quiet=True))
    return fairness_section(content, (Side(blocks=(*bars, Group(blocks=tuple(lines))), columns=2),))


def groups_below(bars: Sequence[GroupBar]) -> list[GroupBar]:
    """The groups that fail, the furthest below the limit first, at most MOST_GROUPS."""
    failing = [bar for bar in bars if bar.verdict in (Verdict.ALERT, Verdict.WARNING) and bar.ratio is not None]
    failing.sort(key=lambda bar: (bar.verdict is not Verdict.ALERT, bar.ratio))
    return failing[:MOST_GROUPS]


def group_sentence(bar: GroupBar) -> str:
    """`sex = female gets 0.74 of the best-off group's rate (95 % interval 0.69 to 0.79)`."""
    text = say(
        "{group}: {ratio} of the rate of the best-off group",
        group=f"{bar.attribute} = {bar.group}",
        ratio=theme.number(bar.ratio),
    )
    if bar.interval_lower is None or bar.interval_upper is None:
        return text
    low, high = theme.number(bar.interval_lower), theme.number(bar.interval_upper)
    return f"{text} ({say('95 % interval {low} to {high}', low=low, high=high)})"


def fairness_section(content: ModelReport, blocks: tuple[Block, ...]) -> Section:
    """The card of fairness."""
    limit = theme.number(content.overview.group_limit)
    return Section(
        name="fairness",
        title=say("Fairness"),
        subtitle=say("rate of each group over the highest one of its attribute, limit {limit}", limit=limit),
        blocks=blocks,
        whole=True,
    )


def group_picture(content: ModelReport, id: str, *, short: bool = False) -> tuple[Picture, ...]:
    """The bars of the groups, nothing where there are none."""
    overview = content.overview
    if not overview.groups:
        return ()
    title = say("Rate of each group over the highest")
    return (Picture(svg=group_chart(f"{id}-groups", title, overview.groups, overview.group_limit), short=short),)


def comparisons(standings: Sequence[Standing]) -> tuple[Comparison, ...]:
    """The comparisons of groups that a person looks for first, difference and ratio in one row."""
    rows: dict[tuple[str, str, str, str | None], dict[str, Standing]] = {}
    for one in standings:
        measure, _, suffix = one.key.metric.rpartition("_")
        if measure in COMPARED:
            place = (one.key.column or "", measure, one.key.convention, one.key.class_)
            rows.setdefault(place, {})[suffix] = one
    return tuple(
        Comparison(
            attribute=attribute,
            title=measure_title(measure, convention, class_),
            difference=found.get("difference"),
            ratio=found.get("ratio"),
        )
        for (attribute, measure, convention, class_), found in sorted(
            rows.items(), key=lambda item: (item[0][0], COMPARED.index(item[0][1]))
        )
    )


def measure_title(measure: str, convention: str, class_: str | None) -> str:
    """`Equalized odds`, with its class and convention where they matter."""
    name = metric_name(Family.FAIRNESS, f"{measure}_difference")
    title = name.removesuffix(say(" difference"))
    if class_ is not None:
        title = say("{title}, class {name}", title=title, name=class_)
    return title if convention == "desk" else f"{title} ({convention})"


def criteria(content: ModelReport, _: str) -> Section | None:
    """The limits that somebody set, and whether the model is inside them."""
    if not content.criteria:
        return None
    columns = (
        Column(say("Criterion"), Kind.HEAD), Column(say("Limit"), Kind.LIMIT), Column(say("Now"), Kind.NUMBER), Column(say("Status"), Kind.STATUS),
    )  # fmt: skip
    rows = tuple(
        (Cell(text=one.what), Cell(text=one.limit_text), Cell(text=one.value_text), Cell(verdict=one.verdict))
        for one in content.criteria
    )
    table = Table(caption=say("Criteria of the gate and thresholds of monitors"), columns=columns, rows=rows)
    return Section(name="criteria", title=say("Criteria"), blocks=(table,), whole=True)


def columns(content: ModelReport, _: str) -> Section | None:
    """Drift and data quality of every column."""
    overview, second = content.overview, content.second_metric
    if not content.columns or overview.matrix is None:
        return None
    heads = [
        Column(say("Column"), Kind.NAME), Column(say("Course"), Kind.COURSE), Column(overview.matrix.title, Kind.NUMBER),
        Column(say("Limit"), Kind.QUIET), Column(say("Greatest"), Kind.NUMBER),
        *((Column(metric_name(Family.DATA_DRIFT, second), Kind.NUMBER),) if second else ()),
        Column(say("Missing"), Kind.NUMBER), Column(say("Unseen or out of range"), Kind.NUMBER),
        Column(say("Chunks in alert"), Kind.NUMBER), Column(say("Status"), Kind.STATUS),
    ]  # fmt: skip
    rows = tuple(
        (
            Cell(text=row.column, tag="" if row.role == FEATURE else say(row.role)),
            Cell(chart=sparkline(row.points, row.verdict, width=90, height=16), points=row.points),
            Cell(text=p_value_text(row.latest)),
            Cell(text=theme.number(row.limit)),
            Cell(text=p_value_text(row.greatest)),
            *((Cell(text=p_value_text(row.second)),) if second else ()),
            Cell(text=theme.percent(row.missing_rate)),
            Cell(text=theme.percent(row.strange_rate)),
            Cell(text=theme.count(row.alerts)),
            Cell(verdict=row.verdict, note=row.reason or ""),
        )
        for row in content.columns
    )
    table = Table(caption=say("Drift and data quality of each column"), columns=tuple(heads), rows=rows)
    last = chunk_text(overview.chunks[-1], overview.timezone)
    return Section(
        name="columns", title=say("Columns"), subtitle=say("in the last chunk, {chunk}", chunk=last), blocks=(table,)
    )


def distributions(content: ModelReport, id: str) -> Section | None:
    """The columns that drift most, in the reference and in the last chunk."""
    if not content.distributions:
        return None
    pictures = tuple(
        Picture(svg=distribution_chart(f"{id}-d{number}", one), title=one.column, named=True, notes=one.notes)
        for number, one in enumerate(content.distributions)
    )
    first = content.distributions[0]
    return Section(
        name="distributions",
        title=say("Distributions"),
        subtitle=say("the columns that drift most, in the last chunk"),
        swatches=(first.reference_text, first.analysis_text),
        blocks=(Side(blocks=pictures, columns=3),),
    )


def wholes(content: ModelReport, _: str) -> Section | None:
    """Concept drift and data quality of the model as a whole."""
    concept: list[Block] = []
    if content.concept:
        concept.append(standing_table(content.concept, say("The relation of score and label")))
    if content.detections:
        concept.append(detection_table(content.detections, content.overview.timezone))
    quality = [standing_table(content.quality, say("The log as a whole"))] if content.quality else []
    parts = ((say("Concept drift"), concept), (say("Data quality"), quality))
    blocks = tuple(Titled(title=title, blocks=tuple(found)) for title, found in parts if found)
    if not blocks:
        return None
    return Section(name="wholes", title="", blocks=(Side(blocks=blocks, columns=2),))


def detection_table(found: Sequence[Detection], zone: str) -> Table:
    """Where drift detectors signalled, the latest first."""
    return Table(
        caption=say("Where detectors signalled: labelled rows in the order of time, counted from 0"),
        shown=True,
        columns=(
            Column(say("Detector"), Kind.HEAD), Column(say("What")), Column(say("Time"), Kind.TIGHT),
            Column(say("Row of the chunk"), Kind.NUMBER), Column(say("Row of all"), Kind.NUMBER),
        ),
        rows=tuple(
            (
                Cell(text=metric_name(one.key.family, one.key.metric)),
                Cell(text=detection_text(one)),
                Cell(text=theme.moment_text(one.at, zone)),
                Cell(text=theme.count(one.row)),
                Cell(text=theme.count(one.stream_row)),
            )
            for one in reversed(found)
        ),
    )  # fmt: skip


def freshness(content: ModelReport, _: str) -> Section | None:
    """How fresh and how whole the log is."""
    if not content.quality:
        return None
    table = standing_table(content.quality, say("The log as a whole"))
    return Section(name="freshness", title=say("Freshness and data quality"), blocks=(table,), whole=True)


def others(content: ModelReport, _: str) -> Section | None:
    """The families that have no section of their own: all columns together, calibration, estimated fairness, adversarial, system."""
    if not content.others:
        return None
    table = standing_table(content.others, say("The latest chunk that has a number"))
    return Section(name="others", title=say("Other measures"), blocks=(table,))
