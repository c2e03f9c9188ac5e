"""SVG as text: escaping, coordinates, widths of text, and the frame that every chart stands in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from mlops_desk.theme import DIRECTION_MARKS

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_DIRECTIONS = {ord(mark): ascii(mark)[1:-1] for mark in DIRECTION_MARKS}
_REPLACEMENT = "\ufffd"
_NARROW, _WIDE = 0.58, 1.02
"""Widths of a Latin and of a full-width character, in font sizes, rounded up."""


def escaped(text: str) -> str:
    """The text as XML may hold it between tags and in quoted attributes; characters that XML forbids become U+FFFD."""
    clean = without_forbidden(text)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        clean = clean.replace(character, entity)
    return clean


def without_forbidden(text: str) -> str:
    """The text with U+FFFD in place of every character that XML forbids, and marks that turn the direction of writing as escapes."""
    return _FORBIDDEN.sub(_REPLACEMENT, text).translate(_DIRECTIONS)


def at(value: float) -> str:
    """A coordinate to a tenth of a unit."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Path commands along points."""
    text = "L".join(f"{at(x)} {at(y)}" for x, y in points)
    return f"M{text}{'Z' if closed else ''}" if text else ""


def text_width(text: str, size: float = 10.0) -> float:
    """About how wide a text is in the charts' face; rather too wide than too narrow."""
    return size * sum(_WIDE if unicodedata.east_asian_width(one) in "WF" else _NARROW for one in text)


def shortened(text: str, width: float, size: float = 10.0) -> str:
    """The text, cut with an ellipsis where it is wider than there is room."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    while text and text_width(text, size) + size > width:
        text = text[:-1]
    return text + "…"


def label(x: float, y: float, text: str, classes: str = "") -> str:
    """A line of text."""
    named = f' class="{classes}"' if classes else ""
    return f'<text x="{at(x)}" y="{at(y)}"{named}>{escaped(text)}</text>'


def rect(x: float, y: float, width: float, height: float, classes: str, tooltip: str = "") -> str:
    """A rectangle, with a tooltip if one is given."""
    shape = f'<rect class="{classes}" x="{at(x)}" y="{at(y)}" width="{at(width)}" height="{at(height)}"'
    return f"{shape}><title>{escaped(tooltip)}</title></rect>" if tooltip else f"{shape}/>"


def stroke(commands: str, classes: str) -> str:
    """A path, nothing if it has no commands."""
    return f'<path class="{classes}" d="{commands}"/>' if commands else ""


def tooltip(lines: Sequence[str]) -> str:
    """Several lines of a tooltip in one text."""
    return "\n".join(line for line in lines if line)


def figure(name: str, width: float, height: float, title: str, description: str, body: Iterable[str]) -> str:
    """A chart with its title and description; `name` must be unique in its page, and of letters, digits and hyphens."""
    head = (
        f'<svg class="chart" viewBox="0 0 {at(width)} {at(height)}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{escaped(title)}</title><desc id="{name}-d">{escaped(description)}</desc>'
    )
    return f"{head}{''.join(body)}</svg>"
