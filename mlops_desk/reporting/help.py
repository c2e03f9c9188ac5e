"""The help pages of resources/help: one for each metric id, and guides to what they have in common.

A page is Markdown of a fixed shape: `# Name`, one paragraph that says what it is, and `##` sections; of a metric those of METRIC_SECTIONS,
in that order. The first line of "How to read it" states range and direction in the words of `range_line`.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from msgspec import Struct

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Definition, Direction
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.metrics.weighting import Weighting, WeightRule, weight_rule
from mlops_desk.resources import resource

METRIC_SECTIONS = (
    "Formula",
    "How to read it",
    "When it misleads",
    "Empty, constant and one-sided data",
    "Conventions",
    "Source",
)
GUIDES = (
    "calibrated-thresholds",
    "error-bounds",
    "conventions",
    "labels-and-estimates",
    "drift-detectors",
    "fairness-reading",
    "weights",
    "moving-references",
    "object-stores",
    "scheduling",
    "install",
)
"""Pages that are of no single metric."""
_NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
_DIRECTIONS = {
    Direction.HIGHER: "higher is better",
    Direction.LOWER: "lower is better",
    Direction.NEITHER: "neither direction is better",
}


class HelpSection(Struct, frozen=True, kw_only=True):
    """One `##` section of a page: its heading, and its text as Markdown."""

    title: str
    text: str


class HelpPage(Struct, frozen=True, kw_only=True):
    """A page, taken apart. summary : the paragraph under the title, in one line. markdown : the page as it is."""

    title: str
    summary: str
    sections: tuple[HelpSection, ...]
    markdown: str


def help_page(name: str) -> HelpPage:
    """The page of a metric id or of a guide; raises UserError, naming the nearest one, where there is none."""
    path = _pages() / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        near = nearest_page(name)
        hint = f"; did you mean {near}?" if near else "; `mlops-desk help` lists all"
        raise UserError(f"there is no help on {name!r}{hint}")
    return parsed_page(path.read_text(encoding="utf-8"))


def help_names() -> tuple[str, ...]:
    """The names of all pages: metric ids and guides."""
    return tuple(sorted(path.stem for path in _pages().glob("*.md") if _NAME.fullmatch(path.stem)))


def nearest_page(name: str) -> str | None:
    """The page whose name is spelt most like this one, None where none is near."""
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    spelt = {page.replace("-", "_"): page for page in help_names()}
    close = get_close_matches(plain, spelt, n=1)
    return spelt[close[0]] if close else None


def is_computed(name: str) -> bool:
    """Whether this version computes a metric of that id."""
    return any(one.id == name for one in CATALOGUE)


def weight_lines(name: str) -> tuple[str, ...]:
    """What a metric does where rows have weights, a line for each of its families that differs, and one for conventions that do."""
    of_family = [(one.family.value, weight_rule(one)) for one in CATALOGUE if one.id == name]
    if not of_family:
        return ()
    words = {family: _weight_words(rule) for family, rule in of_family}
    told = dict.fromkeys(words.values())
    lines = [
        f"Weights: {text}"
        if len(told) == 1
        else f"Weights ({', '.join(family for family in words if words[family] == text)}): {text}"
        for text in told
    ]
    first = next(one for one in CATALOGUE if one.id == name)
    for convention in first.conventions:
        own = _weight_words(weight_rule(first, convention))
        if own not in told:
            lines.append(f"Weights (convention {convention.value}): {own}")
    return tuple(lines)


def _weight_words(rule: WeightRule) -> str:
    """A rule in words."""
    if rule.refusal is not None:
        return rule.refusal
    return "honoured" if rule.weighting is Weighting.HONOURED else f"{rule.weighting.value}, for {rule.reason}"


def parsed_page(markdown: str) -> HelpPage:
    """A page taken apart; raises ValueError for text of another shape."""
    head, *parts = re.split(r"^## ", markdown, flags=re.MULTILINE)
    title, _, summary = head.partition("\n")
    if not title.startswith("# ") or not summary.strip():
        raise ValueError("a help page begins with `# Name` and a sentence that says what it is")
    sections = []
    for part in parts:
        heading, _, text = part.partition("\n")
        sections.append(HelpSection(title=heading.strip(), text=text.strip()))
    return HelpPage(
        title=title.removeprefix("# ").strip(),
        summary=" ".join(summary.split()),
        sections=tuple(sections),
        markdown=markdown,
    )


def range_line(definition: Definition) -> str:
    """How a page states range and direction: `Range: 0 to 1 · lower is better`."""
    least, greatest = (f"{end:g}".replace("inf", "∞").replace("-", "−") for end in definition.range)
    return f"Range: {least} to {greatest} · {_DIRECTIONS[definition.direction]}"


def _pages() -> Path:
    return resource("help")
