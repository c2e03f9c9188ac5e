"""Whether a model is inside the limits that somebody set: the gate's criteria and the monitors that have a threshold of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.metric import Direction, Family, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.retraining import Criterion
from mlops_desk.reporting.naming import definition, direction, metric_name, value_text
from mlops_desk.reporting.page import Cells, Grid, Page, latest, number_of, plain, verdict_of, worst
from mlops_desk.reporting.texts import apart, say
from mlops_desk.reporting.wording import monitored_text, threshold_text


class CriterionStanding(Struct, frozen=True, kw_only=True):
    """A limit that somebody set, and how the model stands to it in the latest chunk that tells.

    Attributes
    ----------
    what : the metric, or what a monitor watches. limit_text : the limit in words. value_text : the number, or how many series are beyond.
    """

    what: str
    limit_text: str
    value_text: str
    verdict: Verdict


def criteria(page: Page, grids: Sequence[Grid]) -> tuple[CriterionStanding, ...]:
    """The criteria of the gate that a model in production can be held to, then the monitors with a threshold of their own."""
    gate = page.model.gate
    own = () if gate is None else tuple(one for one in gate.criteria if one.min is not None or one.max is not None)
    return (
        *(gate_standing(criterion, page) for criterion in own),
        *(monitor_standing(one, grids) for one in page.model.monitors if one.threshold is not None),
    )


def gate_standing(criterion: Criterion, page: Page) -> CriterionStanding:
    """The production model held to what a candidate must reach; of several protected attributes the worst."""
    found = gate_series(criterion.metric, page)
    sides = [(criterion.min, "≥"), (criterion.max, "≤")]
    if found is None:
        limits = say(" and ").join(f"{sign} {theme.number(limit)}" for limit, sign in sides if limit is not None)
        name = criterion_name(criterion.metric)
        return CriterionStanding(what=name, limit_text=limits, value_text=say("no value yet"), verdict=Verdict.UNTESTED)
    key, value = found
    limits = say(" and ").join(f"{sign} {value_text(key, limit)}" for limit, sign in sides if limit is not None)
    beyond = (criterion.min is not None and value < criterion.min) or (
        criterion.max is not None and value > criterion.max
    )
    name = metric_name(key.family, key.metric)
    shown = value_text(key, value)
    if shown in limits:
        shown = theme.precise(value)
    return CriterionStanding(
        what=name if key.column is None else say("{metric} of {column}", metric=apart(name), column=key.column),
        limit_text=limits,
        value_text=shown,
        verdict=Verdict.ALERT if beyond else Verdict.OK,
    )


def criterion_name(metric: str) -> str:
    """The metric's name, in whichever family it is known."""
    families = (Family.PERFORMANCE, Family.FAIRNESS, Family.BUSINESS)
    return metric_name(next((one for one in families if definition(one, metric)), Family.BUSINESS), metric)


def gate_series(metric: str, page: Page) -> tuple[SeriesKey, float] | None:
    """The latest realised number of a metric; of several protected attributes the worst one's."""
    for grid in (page.performance, page.business, page.others):
        found = plain(grid, metric)
        place = None if found is None else latest(found[1])
        value = None if found is None or place is None else number_of(found[1][place])
        if found is not None and value is not None:
            return found[0], value
    numbers = []
    for key, cells in page.fairness.items():
        place = latest(cells) if key.metric == metric and key.group is None else None
        value = None if place is None else number_of(cells[place])
        if place is not None and value is not None:
            numbers.append((place, key, value))
    if not numbers:
        return None
    last = max(place for place, _, _ in numbers)
    standing = [(key, value) for place, key, value in numbers if place == last]
    higher = direction(standing[0][0].family, metric) is Direction.HIGHER
    return (min if higher else max)(standing, key=lambda pair: pair[1])


def monitor_standing(monitor: Monitor, grids: Sequence[Grid]) -> CriterionStanding:
    """How many of the series that a monitor watches are beyond its threshold in the latest chunk that judged them."""
    verdicts = [verdict_of(cell) for cell in last_judged(watched(monitor, grids))]
    alerts = verdicts.count(Verdict.ALERT)
    if not verdicts:
        text = say("no value yet")
    elif alerts:
        text = say("{count} of {total} series beyond", count=theme.count(alerts), total=theme.count(len(verdicts)))
    else:
        text = say("none of {total} series beyond", total=theme.count(len(verdicts)))
    return CriterionStanding(
        what=monitored_text(monitor),
        limit_text="" if monitor.threshold is None else threshold_text(monitor.threshold),
        value_text=text,
        verdict=worst(verdicts),
    )


def watched(monitor: Monitor, grids: Iterable[Grid]) -> list[Cells]:
    """The series that a monitor watches."""
    return [
        cells
        for grid in grids
        for key, cells in grid.items()
        if (not monitor.metrics or key.metric in monitor.metrics)
        and monitor.family in (None, key.family)
        and key.convention == monitor.convention
        and (monitor.columns == ("*",) or key.column in monitor.columns)
    ]


def last_judged(series: Iterable[Cells]) -> list[MetricValue]:
    """Of each series the last value with a verdict; series without one are left out."""
    found = []
    for cells in series:
        judged = [cell for cell in cells if cell is not None and cell.verdict not in (None, Verdict.UNTESTED)]
        found += judged[-1:]
    return found
