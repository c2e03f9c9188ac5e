"""Protected groups beside the best-off group of their attribute, from rates and intervals that were computed before."""

from __future__ import annotations

import math

from mlops_desk.domain.metric import Measurement, MetricValue, Verdict
from mlops_desk.domain.overview import GroupBar
from mlops_desk.reporting.page import Cells, Page, latest, number_of
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.tiles import GROUP_RATE

FOUR_FIFTHS = 0.8
"""The limit where no comparison of groups was judged."""


def group_bars(page: Page) -> tuple[tuple[GroupBar, ...], float]:
    """The groups of every attribute in the latest chunk that has a rate of one, and the limit of their ratios.

    Where a rate is told class by class, an attribute shows the class whose groups are furthest apart.
    """
    for ratio, rate in GROUP_RATE.items():
        attributes: dict[tuple[str, str | None], dict[str, Cells]] = {}
        for key, cells in page.fairness.items():
            if key.metric == rate and key.column is not None and key.group is not None:
                attributes.setdefault((key.column, key.class_), {}).setdefault(key.group, cells)
        bars: dict[str, tuple[GroupBar, ...]] = {}
        limit = ratio_limit(page, ratio)
        for (attribute, class_), groups in attributes.items():
            found = attribute_bars(
                attribute if class_ is None else say("{title}, class {name}", title=attribute, name=class_),
                groups,
                limit,
            )
            if attribute not in bars or lowest(found) < lowest(bars[attribute]):
                bars[attribute] = found
        if bars:
            return tuple(bar for attribute in bars.values() for bar in attribute), limit
    return (), FOUR_FIFTHS


def ratio_limit(page: Page, ratio: str) -> float:
    """The lower limit that the comparison of groups was last held against."""
    limits = [
        cell.limits.lower
        for key, cells in page.fairness.items()
        if key.metric == ratio
        for cell in cells
        if cell is not None and cell.limits.lower is not None
    ]
    return limits[-1] if limits else FOUR_FIFTHS


def attribute_bars(attribute: str, groups: dict[str, Cells], limit: float) -> tuple[GroupBar, ...]:
    """One attribute's groups in the latest chunk in which any has a rate."""
    places = [place for place in (latest(cells) for cells in groups.values()) if place is not None]
    place = max(places, default=-1)
    cells = {group: series[place] for group, series in groups.items()}
    rates = {group: cell for group, cell in cells.items() if cell is not None and number_of(cell) is not None}
    best = max(rates, key=lambda group: number_of(rates[group]) or -math.inf, default=None)
    return tuple(
        group_bar(attribute, group, cell, None if best is None else rates[best].measurement, group == best, limit)
        for group, cell in cells.items()
        if cell is not None
    )


def group_bar(
    attribute: str, group: str, cell: MetricValue, best: Measurement | None, is_best: bool, limit: float
) -> GroupBar:
    """A group's rate over the best one; alert if the whole interval is below the limit, warning if only the ratio is."""
    own = cell.measurement
    ratio: float | None = None
    reason = own.reason
    if own.value is not None and best is not None and best.value is not None:
        if best.value > 0:
            ratio = own.value / best.value
        else:
            reason = say("no group has a rate above 0")
    lower, upper = (None, None) if is_best or best is None or ratio is None else ratio_interval(own, best)
    verdict = Verdict.OK
    if ratio is None:
        verdict = Verdict.UNTESTED
    elif ratio < limit:
        verdict = Verdict.ALERT if upper is not None and upper < limit else Verdict.WARNING
    return GroupBar(
        attribute=attribute,
        group=group,
        rows=cell.rows,
        rate=own.value,
        ratio=ratio,
        interval_lower=lower,
        interval_upper=upper,
        is_best=is_best,
        verdict=verdict,
        reason=reason,
    )


def ratio_interval(own: Measurement, best: Measurement) -> tuple[float | None, float | None]:
    """95 % interval of own / best, recovered on the log scale from the intervals of both (MOVER, Zou and Donner 2008).

    (None, None) where an interval is not known or reaches below 0. For an own rate of 0, from 0 to the quotient of the outer limits.
    """
    low, high, best_low, best_high = (
        own.interval_lower, own.interval_upper, best.interval_lower, best.interval_upper
    )  # fmt: skip
    if own.value is None or best.value is None or low is None or high is None or best_low is None or best_high is None:
        return None, None
    if low < 0 or best_low <= 0:
        return None, None
    if own.value == 0 or low == 0:
        return 0.0, high / best_low
    ratio = own.value / best.value
    below = math.hypot(math.log(own.value / low), math.log(best_high / best.value))
    above = math.hypot(math.log(high / own.value), math.log(best.value / best_low))
    return ratio * math.exp(-below), ratio * math.exp(above)


def lowest(bars: tuple[GroupBar, ...]) -> float:
    """The lowest ratio of some bars."""
    return min((bar.ratio for bar in bars if bar.ratio is not None), default=math.inf)
