"""A report as sections for its role: what every format that people read is written from."""

from __future__ import annotations

from collections.abc import Callable

from mlops_desk import theme
from mlops_desk.reporting.blocks import ModelView, Section
from mlops_desk.reporting.charts.lines import sparkline
from mlops_desk.reporting.content import ModelReport, Report
from mlops_desk.reporting.naming import chunks_text
from mlops_desk.reporting.sections import course, details, state
from mlops_desk.reporting.summary import age_text, version_text
from mlops_desk.reporting.texts import plural, say

Writer = Callable[[ModelReport, str], Section | None]

SECTIONS: dict[str, tuple[Writer, ...]] = {
    "engineer": (
        state.alerts, details.criteria, course.matrix, course.course, course.accuracy, course.value, details.fairness, details.columns,
        details.distributions, details.wholes, details.others, state.notes, state.runs, state.actions, state.about,
    ),
    "operator": (state.alerts, details.freshness, state.runs, state.actions, state.notes, state.about),
    "manager": (
        state.worst_alerts, course.trend_and_value, details.fairness_of_groups, details.criteria, state.latest_actions,
    ),
}  # fmt: skip
"""What each role of content.ROLES is shown, in order."""


def model_views(report: Report) -> tuple[ModelView, ...]:
    """The models' parts of a report, in the language of the report."""
    with theme.speaking(report.language):
        return tuple(model_view(f"m{number}", model, report) for number, model in enumerate(report.models, start=1))


def model_view(id: str, content: ModelReport, report: Report) -> ModelView:
    """A model's part of the report."""
    overview = content.overview
    made = (write(content, id) for write in SECTIONS[report.role])
    sections = tuple(section for section in made if section is not None)
    return ModelView(
        id=id,
        overview=overview,
        verdict=state.overall(overview),
        verdict_text=state.verdict_text(overview),
        headline=headline(content, report),
        tiles=tuple((tile, sparkline(tile.points, tile.verdict)) for tile in overview.tiles),
        sections=sections if overview.chunks else (course.period_is_empty(overview), *sections),
    )


def headline(content: ModelReport, report: Report) -> tuple[str, ...]:
    """What is told under a model's name: workspace, version, period, and how fresh it all is."""
    overview = content.overview
    zone = overview.timezone
    parts = [
        report.workspace,
        version_text(overview.versions),
        chunks_text(overview.chunks, zone),
        plural(len(overview.chunks), "chunk"),
        say("evaluated {moment} {timezone}", moment=theme.moment_text(overview.evaluated_at, zone), timezone=zone),
    ]
    if overview.newest_row is not None:
        parts.append(say("newest row {time}", time=age_text(overview.newest_row, report.generated_at, zone)))
    return tuple(part for part in parts if part)
