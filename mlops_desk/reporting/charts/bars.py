"""Charts that compare: protected groups by ratio, and a column in the reference and in the analysis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby, pairwise

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Distribution, GroupBar
from mlops_desk.domain.schema import Kind
from mlops_desk.reporting.charts.axis import Frame
from mlops_desk.reporting.charts.lines import NARROW
from mlops_desk.reporting.charts.svg import at, figure, label, path, rect, shortened, stroke, text_width, tooltip
from mlops_desk.reporting.texts import plural, say

BAR, HEADING = 19.0, 21.0
MOST_LABEL = 120.0
MOST_SPAN = 1.5
"""Ratios beyond this are cut off at the edge."""
MOST_CATEGORIES = 7
OTHERS = "…"
"""The category that the stored distribution counts the rare ones in."""
SMALL_WIDTH, SMALL_HEIGHT = 274.0, 140.0


def group_chart(name: str, title: str, bars: Sequence[GroupBar], limit: float) -> str:
    """Each group's rate over the best one of its attribute, with its 95 % interval and the limit."""
    left = min(max((text_width(bar.group) for bar in bars), default=0.0), MOST_LABEL) + 14
    blocks = [(attribute, list(block)) for attribute, block in groupby(bars, key=lambda bar: bar.attribute)]
    height = sum(HEADING + BAR * len(block) for _, block in blocks)
    greatest = max((end for bar in bars for end in (bar.ratio, bar.interval_upper) if end is not None), default=1.0)
    frame = Frame(left=left, top=4, width=NARROW - left - 96, height=height, high=min(max(greatest, 1.0), MOST_SPAN))
    steps = theme.nice_steps(0.0, frame.high, 8)
    ticks = zip(steps, theme.step_texts(steps), strict=True)
    body = [stroke("".join(f"M{at(across(frame, step))} {at(frame.top)}V{at(frame.bottom)}" for step in steps), "grid")]
    body += [label(across(frame, step), frame.bottom + 14, text, "mid") for step, text in ticks]
    y = frame.top
    for attribute, block in blocks:
        body.append(label(0, y + 15, shortened(attribute, NARROW - 100), "strong"))
        y += HEADING
        for bar in block:
            body.append(group_row(frame, bar, y, limit))
            y += BAR
    edge = across(frame, limit)
    body.append(stroke(f"M{at(edge)} {at(frame.top)}V{at(frame.bottom)}", "limit"))
    return figure(name, NARROW, frame.bottom + 22, title, group_description(bars, limit), body)


def across(frame: Frame, value: float) -> float:
    """Where a number lies from left to right; beyond the range, on the edge."""
    return frame.left + frame.width * min(max(value / frame.high, 0.0), 1.0)


def group_row(frame: Frame, bar: GroupBar, y: float, limit: float) -> str:
    """A group's name, bar, interval and value."""
    middle = y + BAR / 2
    body = [label(frame.left - 8, middle + 3.4, shortened(bar.group, frame.left - 12), "end")]
    end = frame.left
    if bar.ratio is not None:
        end = across(frame, bar.ratio)
        color = {Verdict.ALERT: "c-bad", Verdict.WARNING: "c-warn"}.get(bar.verdict, "c-accent")
        body.append(rect(frame.left, y + 4, end - frame.left, BAR - 8, "c-reference" if bar.is_best else color))
    if bar.interval_lower is not None and bar.interval_upper is not None:
        low, high = across(frame, bar.interval_lower), across(frame, bar.interval_upper)
        body.append(
            stroke(
                f"M{at(low)} {at(middle)}H{at(high)}M{at(low)} {at(middle - 3)}v6M{at(high)} {at(middle - 3)}v6",
                "whisker",
            )
        )
        end = max(end, high)
    words = {Verdict.ALERT: say("fails"), Verdict.WARNING: say("may fail")}.get(bar.verdict, "")
    classes = {Verdict.ALERT: "c-bad", Verdict.WARNING: "c-warn"}.get(bar.verdict, "")
    if bar.ratio is None:
        text = shortened(
            f"{theme.MARKS[Verdict.UNTESTED]} {bar.reason or theme.word(Verdict.UNTESTED)}", NARROW - frame.left - 10
        )
        body.append(label(frame.left + 6, middle + 3.4, text))
    else:
        text = f"{bar.ratio:.2f} {say('highest') if bar.is_best else words}".rstrip()
        body.append(label(end + 6, middle + 3.4, text, classes or "strong"))
    body.append(rect(0, y, NARROW, BAR, "hit", group_text(bar, limit)))
    return "".join(body)


def group_text(bar: GroupBar, limit: float) -> str:
    """What is known of a group, for its tooltip."""
    lines = [f"{bar.attribute} = {bar.group}", plural(bar.rows, "row")]
    if bar.rate is not None:
        lines.append(say("rate {value}", value=theme.number(bar.rate)))
    if bar.ratio is None:
        return tooltip([*lines, bar.reason or ""])
    parts = [say("ratio {value}", value=theme.number(bar.ratio))]
    if bar.interval_lower is not None and bar.interval_upper is not None:
        low, high = theme.number(bar.interval_lower), theme.number(bar.interval_upper)
        parts.append(say("95 % interval {low} to {high}", low=low, high=high))
    parts.append(say("limit {value}", value=theme.number(limit)))
    lines.append(say(", ").join(parts) + say(": ") + theme.word(bar.verdict))
    return tooltip(lines)


def group_description(bars: Sequence[GroupBar], limit: float) -> str:
    """The bars in a sentence."""
    below = [
        f"{bar.attribute} = {bar.group} {bar.ratio:.2f}" for bar in bars if bar.ratio is not None and bar.ratio < limit
    ]
    return say(
        "Below the limit of {limit}: {groups}.",
        limit=theme.number(limit),
        groups=say(", ").join(below) or say("no group"),
    )


def distribution_chart(name: str, found: Distribution) -> str:
    """A column in the reference (dashed) and in the analysis: densities of a numeric one, bars of a categorical one."""
    drawn = _steps(found) if found.kind is Kind.NUMERIC else _categories(found)
    sentence = say("; ").join(found.notes) or say("No drift was measured.")
    return figure(
        name,
        SMALL_WIDTH,
        SMALL_HEIGHT,
        say("{column}: reference and {period}", column=found.column, period=found.analysis_text),
        sentence,
        drawn,
    )


def _steps(found: Distribution) -> list[str]:
    edges = finite_edges(found.edges)
    if len(edges) < 2 or (not found.reference_rows and not found.analysis_rows):
        return [label(SMALL_WIDTH / 2, SMALL_HEIGHT / 2, say("no values"), "mid")]
    widths = [max(right - left, 1e-300) for left, right in pairwise(edges)]
    before, after = (
        [share / width for share, width in zip(side, widths, strict=True)] for side in (found.reference, found.analysis)
    )
    frame = Frame(
        left=4, top=4, width=SMALL_WIDTH - 8, height=SMALL_HEIGHT - 24, low=0.0, high=max(*before, *after) * 1.06 or 1.0
    )

    def x(value: float) -> float:
        return frame.left + frame.width * (value - edges[0]) / (edges[-1] - edges[0])

    def outline(densities: Sequence[float]) -> list[tuple[float, float]]:
        corners = [(x(edges[0]), frame.bottom)]
        for place, density in enumerate(densities):
            corners += [(x(edges[place]), frame.y(density)), (x(edges[place + 1]), frame.y(density))]
        return [*corners, (x(edges[-1]), frame.bottom)]

    body = [stroke(f"M{at(frame.left)} {at(frame.bottom)}H{at(frame.right)}", "axis")]
    for densities, shape, classes in ((before, "area", "step r"), (after, "area a", "step")):
        body += [stroke(path(outline(densities), closed=True), shape), stroke(path(outline(densities)), classes)]
    for mean, classes in ((found.reference_mean, "mean r"), (found.analysis_mean, "mean")):
        if mean is not None and edges[0] <= mean <= edges[-1]:
            body.append(stroke(f"M{at(x(mean))} {at(frame.top)}V{at(frame.bottom)}", classes))
    steps = theme.nice_steps(edges[0], edges[-1], 5)
    texts = theme.step_texts(steps)
    for step, text in zip(steps, texts, strict=True):
        half = text_width(text) / 2
        body.append(label(min(max(x(step), half), SMALL_WIDTH - half), frame.bottom + 13, text, "mid"))
    for place in range(len(widths)):
        bounds = bin_text(edges, place)
        text = tooltip([bounds, *share_lines(found, place)])
        body.append(rect(x(edges[place]), frame.top, x(edges[place + 1]) - x(edges[place]), frame.height, "hit", text))
    return body


def bin_text(edges: Sequence[float], place: int) -> str:
    """The range of a bin in words; the outermost bins are open, because what lies beyond is counted in them."""
    low, high = (theme.number(edge) for edge in edges[place : place + 2])
    if place == 0:
        return say("below {value}", value=high)
    if place == len(edges) - 2:
        return say("{value} and above", value=low)
    return say("{low} to {high}", low=low, high=high)


def finite_edges(edges: Sequence[float]) -> list[float]:
    """Edges of bins with open ends made as wide as the bins beside them."""
    found = list(edges)
    inner = [edge for edge in found if math.isfinite(edge)]
    if len(inner) < 2:
        return inner
    if not math.isfinite(found[0]):
        found[0] = inner[0] - (inner[1] - inner[0])
    if not math.isfinite(found[-1]):
        found[-1] = inner[-1] + (inner[-1] - inner[-2])
    return found


def share_lines(found: Distribution, place: int) -> list[str]:
    """A bin's shares, for its tooltip."""
    return both_shares(found.reference[place], found.analysis[place])


def both_shares(before: float, after: float) -> list[str]:
    """The share of the rows in the reference and in the analysis, for a tooltip."""
    return [say("reference {share}", share=theme.percent(before)), say("analysis {share}", share=theme.percent(after))]


def _category_rows(found: Distribution) -> list[tuple[str, float, float]]:
    """Name and both shares of the categories that have any, the largest first; all beyond MOST_CATEGORIES in one, which comes last."""
    rows = [row for row in zip(found.categories, found.reference, found.analysis, strict=True) if row[1] or row[2]]
    rows.sort(key=lambda row: (row[0] == OTHERS, -max(row[1], row[2])))
    if len(rows) > MOST_CATEGORIES:
        rest = rows[MOST_CATEGORIES - 1 :]
        name = OTHERS if rest[-1][0] == OTHERS else say("{count} others", count=len(rest))
        rows = [*rows[: MOST_CATEGORIES - 1], (name, sum(row[1] for row in rest), sum(row[2] for row in rest))]
    return [(say("all others") if name == OTHERS else name, before, after) for name, before, after in rows]


def _categories(found: Distribution) -> list[str]:
    rows = _category_rows(found)
    left = min(max((text_width(name) for name, _, _ in rows), default=0.0), 90.0) + 10
    greatest = max((share for _, *both in rows for share in both), default=0.0) or 1.0
    scale = (SMALL_WIDTH - left - 42) / greatest
    step = min((SMALL_HEIGHT - 6) / max(len(rows), 1), 24.0)
    body = []
    for place, (name, before, after) in enumerate(rows):
        y = 4 + step * place
        half = (step - 4) / 2
        body += [
            label(left - 6, y + half + 3.4, shortened(name, left - 8), "end"),
            rect(left, y, max(before * scale, 0.5), half, "c-reference"),
            rect(left, y + half, max(after * scale, 0.5), half, "c-accent"),
            label(left + max(before, after) * scale + 5, y + half + 3.4, theme.percent(after, 0), "small"),
        ]
        text = tooltip([name, *both_shares(before, after)])
        body.append(rect(0, y, SMALL_WIDTH, step, "hit", text))
    return body or [label(SMALL_WIDTH / 2, SMALL_HEIGHT / 2, say("no values"), "mid")]
