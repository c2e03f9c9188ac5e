"""The report as one HTML file: no script, nothing fetched from anywhere, the same bytes for the same content.

Everything that comes from data is escaped, by the templates or by the charts; charts alone are put in as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Line, Overview, Tile
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.reporting.charts.bars import distribution_chart, group_chart
from mlops_desk.reporting.charts.heat import drift_matrix
from mlops_desk.reporting.charts.lines import course_chart, row_area, share_bars, small_course_chart, sparkline
from mlops_desk.reporting.charts.style import properties, rules
from mlops_desk.reporting.charts.svg import without_forbidden
from mlops_desk.reporting.content import FEATURE, ModelReport, Report, Standing
from mlops_desk.reporting.naming import (
    chunk_key_text,
    chunk_text,
    chunks_text,
    metric_name,
    p_value_text,
    plural,
    series_title,
    value_text,
)
from mlops_desk.reporting.summary import age_text, version_text
from mlops_desk.resources import resource

if TYPE_CHECKING:
    from jinja2 import Environment

SMALL_COURSES = 4
"""How many metrics have a small chart beside the leading one's."""
MOST_RUNS = 10
MOST_ALERTS = 15
"""More open alerts than this are folded, all but the first."""
COMPARED = ("demographic_parity", "equal_opportunity", "equalized_odds", "predictive_parity", "mean_prediction", "mae")


class Comparison(Struct, frozen=True, kw_only=True):
    """Difference and ratio of the groups of one attribute by one measure."""

    attribute: str
    title: str
    difference: Standing | None
    ratio: Standing | None


class ModelView(Struct, frozen=True, kw_only=True):
    """A model's part of the page: its content, its charts as markup, and what the template cannot word itself."""

    id: str
    content: ModelReport
    verdict: Verdict
    verdict_text: str
    version: str
    period: str
    age: str
    tiles: tuple[tuple[Tile, str], ...]
    matrix: str | None
    course: str | None
    course_title: str
    drift_share: str | None
    rows: str | None
    courses: tuple[tuple[str, str], ...]
    groups: str | None
    comparisons: tuple[Comparison, ...]
    distributions: tuple[str, ...]
    sparks: tuple[str, ...]

    @property
    def overview(self) -> Overview:
        """The overview of the model."""
        return self.content.overview


def html(report: Report) -> str:
    """The text of the page."""
    views = tuple(model_view(f"m{number}", model, report) for number, model in enumerate(report.models, start=1))
    page = (
        environment()
        .get_template("report.html")
        .render(
            report=report, views=views, light=properties(theme.LIGHT), dark=properties(theme.DARK), chart_rules=rules()
        )
    )
    return without_forbidden(page)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Jinja with escaping on, undefined names as errors, and the words and numbers of the theme."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(resource("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "marks": theme.MARKS,
        "words": theme.WORDS,
        "severities": {Severity.ALERT: Verdict.ALERT, Severity.WARNING: Verdict.WARNING},
        "absent": theme.ABSENT,
        "families": ", ".join(f"'{name}'" if " " in name else name for name in theme.SANS_FAMILIES),
        "mono_families": ", ".join(f"'{name}'" if " " in name else name for name in theme.MONO_FAMILIES),
        "plural": plural,
        "moment": theme.moment_text,
        "since": alert_since,
        "alert_state": alert_state,
        "run_length": run_length,
        "chunk_text": chunk_text,
        "series_title": series_title,
        "value_text": value_text,
        "metric_name": metric_name,
        "feature": FEATURE,
        "most_runs": MOST_RUNS,
        "most_alerts": MOST_ALERTS,
    }
    made.filters |= {"number": theme.number, "percent": theme.percent, "count": theme.count, "small": p_value_text}
    return made


def model_view(id: str, content: ModelReport, report: Report) -> ModelView:
    """A model's part of the page."""
    overview = content.overview
    zone, chunks = overview.timezone, overview.chunks
    first, *others = lines_by_metric(overview.performance) or [()]
    roles = {row.column: row.role for row in content.columns if row.role != FEATURE}
    share, matrix = overview.drift_share, overview.matrix
    return ModelView(
        id=id,
        content=content,
        verdict=overall(overview),
        verdict_text=verdict_text(overview),
        version=version_text(overview.versions),
        period=chunks_text(chunks, zone),
        age=age_text(overview.newest_row, report.generated_at, zone),
        tiles=tuple((tile, sparkline(tile.points, tile.verdict)) for tile in overview.tiles),
        matrix=drift_matrix(f"{id}-matrix", matrix, chunks, zone, roles) if matrix else None,
        course=course_chart(f"{id}-lead", line_title(first), first, chunks, zone) if first else None,
        course_title=line_title(first) if first else "",
        drift_share=share_bars(f"{id}-share", "Share of drifted features", share, chunks, zone) if share else None,
        rows=row_area(f"{id}-rows", "Rows", overview.row_counts, chunks, zone) if chunks else None,
        courses=tuple(
            (line_title(lines), small_course_chart(f"{id}-c{number}", line_title(lines), lines, chunks, zone))
            for number, lines in enumerate(others[:SMALL_COURSES])
        ),
        groups=group_chart(f"{id}-groups", "Rate of each group over the highest", overview.groups, overview.group_limit)
        if overview.groups
        else None,
        comparisons=comparisons(content.comparisons),
        distributions=tuple(distribution_chart(f"{id}-d{n}", one) for n, one in enumerate(content.distributions)),
        sparks=tuple(sparkline(row.points, row.verdict, width=90, height=16) for row in content.columns),
    )


def overall(overview: Overview) -> Verdict:
    """The verdict on a model, from its alerts."""
    if overview.evaluated_at is None:
        return Verdict.UNTESTED
    return Verdict.ALERT if overview.failed else Verdict.WARNING if overview.warned else Verdict.OK


def verdict_text(overview: Overview) -> str:
    """`4 alerts, 1 warning`, `no alerts`."""
    parts = [plural(count, noun) for count, noun in ((overview.failed, "alert"), (overview.warned, "warning")) if count]
    return ", ".join(parts) or "no alerts"


def lines_by_metric(lines: Sequence[Line]) -> list[tuple[Line, ...]]:
    """The lines of each metric together, the realised one first; metrics that have no number are left out."""
    together: dict[str, list[Line]] = {}
    for line in lines:
        if any(value is not None for value in line.values):
            together.setdefault(line.key.metric, []).append(line)
    return [tuple(group) for group in together.values()]


def line_title(lines: Sequence[Line]) -> str:
    """What a chart of a metric is called; only an estimate that stands alone is called one."""
    return lines[0].title


def comparisons(standings: Sequence[Standing]) -> tuple[Comparison, ...]:
    """The comparisons of groups that a person looks for first, difference and ratio in one row."""
    rows: dict[tuple[str, str, str], dict[str, Standing]] = {}
    for one in standings:
        measure, _, suffix = one.key.metric.rpartition("_")
        if measure in COMPARED:
            place = (one.key.column or "", one.title.replace(f" {suffix}", "", 1), measure)
            rows.setdefault(place, {})[suffix] = one
    return tuple(
        Comparison(attribute=attribute, title=title, difference=found.get("difference"), ratio=found.get("ratio"))
        for (attribute, title, measure), found in sorted(
            rows.items(), key=lambda item: (item[0][0], COMPARED.index(item[0][2]))
        )
    )


def alert_since(alert: Alert, timezone: str) -> str:
    """When the first chunk of an alert began."""
    return chunk_key_text(alert.opened_chunk, alert.opened_start, timezone)


def alert_state(alert: Alert, timezone: str) -> str:
    """`firing`, `acknowledged by lin`, `silenced until 2 Nov 2026 06:00`."""
    by = f" by {alert.changed_by}" if alert.changed_by else ""
    if alert.state is AlertState.SILENCED:
        return f"silenced until {theme.moment_text(alert.silenced_until, timezone)}{by}"
    return f"{alert.state}{by}" if alert.state is AlertState.ACKNOWLEDGED else str(alert.state)


def run_length(run: object) -> str:
    """How long a run took, as a clock."""
    from mlops_desk.domain.retraining import RetrainingRun

    if not isinstance(run, RetrainingRun) or run.started_at is None or run.finished_at is None:
        return theme.ABSENT
    return theme.elapsed((run.finished_at - run.started_at).total_seconds())
