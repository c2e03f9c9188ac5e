"""The report as one HTML file: no script, nothing fetched from anywhere, the same bytes for the same content.

Everything that comes from data is escaped, by the templates or by the charts; charts alone are put in as markup.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mlops_desk import theme
from mlops_desk.reporting import blocks
from mlops_desk.reporting.charts.style import properties, rules
from mlops_desk.reporting.charts.svg import without_forbidden
from mlops_desk.reporting.content import Report
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.view import model_views
from mlops_desk.resources import resource

if TYPE_CHECKING:
    from jinja2 import Environment

CLASSES = {
    blocks.Kind.NUMBER: "n", blocks.Kind.QUIET: "n muted", blocks.Kind.LIMIT: "muted", blocks.Kind.NAME: "name", blocks.Kind.TIGHT: "tight",
    blocks.Kind.PROSE: "text", blocks.Kind.COURSE: "course",
}  # fmt: skip
"""Classes of cells, by what their column holds."""
ROW_HEADS = (blocks.Kind.HEAD, blocks.Kind.NAME)


def html(report: Report) -> str:
    """The text of the page."""
    with theme.speaking(report.language):
        page = (
            environment()
            .get_template("report.html")
            .render(
                report=report,
                views=model_views(report),
                light=properties(theme.LIGHT),
                dark=properties(theme.DARK),
                chart_rules=rules(),
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
        "word": theme.word,
        "say": say,
        "families": ", ".join(f"'{name}'" if " " in name else name for name in theme.SANS_FAMILIES),
        "mono_families": ", ".join(f"'{name}'" if " " in name else name for name in theme.MONO_FAMILIES),
        "moment": theme.moment_text,
        "classes": CLASSES,
        "row_heads": ROW_HEADS,
        "kind_of": lambda block: type(block).__name__.lower(),
    }
    return made
