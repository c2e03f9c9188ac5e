"""A chart as a picture of its own: the colours of one palette in place of custom properties, for whoever knows no style sheet of a page."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from mlops_desk import theme
from mlops_desk.reporting.charts.style import properties, rules
from mlops_desk.theme import Palette

_RULE = re.compile(r"\s*([^{}]+)\{([^{}]*)\}")
_CLASSES = re.compile(r'class="([^"]*)"')
_HIT = re.compile(r'<rect class="hit"[^>]*?(?:/>|>(?:<title>[^<]*</title>)?</rect>)')
_TOOLTIP = re.compile(r"><title>[^<]*</title></rect>")
_BOX = re.compile(r'<svg class="([^"]*)" viewBox="0 0 ([\d.]+) ([\d.]+)"([^>]*)>')
_TITLE, _DESCRIPTION = re.compile(r"<title[^>]*>([^<]*)</title>"), re.compile(r"<desc[^>]*>([^<]*)</desc>")
_OF_A_PAGE = ".chart"
"""The rule that fits a chart into a page, which a picture of its own does without."""


def standalone(svg: str, palette: Palette = theme.LIGHT) -> str:
    """The chart as an SVG document in the colours of a palette, without what answers to a pointer."""
    drawn = _TOOLTIP.sub("/>", _HIT.sub("", svg))
    used = {name for names in _CLASSES.findall(drawn) for name in names.split()}
    families = ",".join(f"'{name}'" for name in theme.SANS_FAMILIES)
    style = f"text{{font-family:{families}}}" + "".join(
        f"{selector}{{{declarations}}}"
        for selector, declarations in _resolved(palette)
        if _names(selector) <= used and selector != _OF_A_PAGE
    )
    return _BOX.sub(
        rf'<svg xmlns="http://www.w3.org/2000/svg" class="\1" width="\2" height="\3" viewBox="0 0 \2 \3"\4><style>{style}</style>',
        drawn,
        count=1,
    )


def words(svg: str) -> str:
    """What a chart is and shows, in a sentence or two: its title and its description."""
    title, text = (html.unescape(match[1]) if match else "" for match in (_TITLE.search(svg), _DESCRIPTION.search(svg)))
    return text if text.startswith(title) else f"{title}. {text}"


@lru_cache
def _resolved(palette: Palette) -> list[tuple[str, str]]:
    """Selectors and declarations of the charts, each selector alone, with colours in place of custom properties."""
    colors = dict(pair.split(":", 1) for pair in properties(palette).replace("--", "").split(";") if pair)
    found = []
    for selectors, declarations in _RULE.findall(rules()):
        plain = re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: colors[match[1]], declarations)
        found += [(one.strip(), plain) for one in selectors.split(",") if ":hover" not in one]
    return found


def _names(selector: str) -> set[str]:
    return set(re.findall(r"\.([\w-]+)", selector))
