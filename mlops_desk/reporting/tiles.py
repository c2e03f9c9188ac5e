"""The numbers that matter most, as tiles: at most six, of what the archive has.

A tile shows the latest chunk that has a number, which for realised accuracy is the latest that has labels; its note says so. Its change is
against the chunk with a number before that.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk import theme
from mlops_desk.domain.metric import Direction, Family, Limits, SeriesKey, Verdict
from mlops_desk.domain.overview import Tile
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Chunk
from mlops_desk.metrics.detectors import DETECTORS
from mlops_desk.reporting.naming import (
    direction,
    limits_text,
    metric_name,
    reach_text,
    value_text,
)
from mlops_desk.reporting.page import Cells, Grid, Page, latest, number_of, numbers, plain, verdict_of, worst
from mlops_desk.reporting.texts import say

LEADING = {
    Task.BINARY: ("roc_auc", "accuracy", "f1", "average_precision"),
    Task.MULTICLASS: ("roc_auc", "accuracy", "f1"),
    Task.REGRESSION: ("mae", "rmse", "r2"),
}
"""Metrics of a task by how much they matter; the first that the archive has leads."""
FAIRNESS_RATIOS = {"demographic_parity_ratio": "Disparate impact", "mean_prediction_ratio": "Mean prediction ratio"}
GROUP_RATE = {"demographic_parity_ratio": "prediction_rate", "mean_prediction_ratio": "mean_prediction"}
SHIFT, SHIFT_P, GAP = "label_shift_given_score", "label_shift_given_score_p", "estimation_gap"
DRIFTED_SHARE = SeriesKey(Family.DATA_DRIFT, "drifted_share")
ROWS_TITLES = {
    "1h": "Predictions / hour", "1d": "Predictions / day", "1w": "Predictions / week", "1mo": "Predictions / month",
    "1q": "Predictions / quarter", "1y": "Predictions / year",
}  # fmt: skip
MOST_TILES, MOST_NAMES = 6, 2
NEARLY_FULL = 0.95
"""Share of its period up to which the newest row must reach, for a chunk's rows to be held against another's."""


def share_key(page: Page) -> SeriesKey:
    """The share of drifted features in the first convention of those that it was judged in."""
    unjudged = replace(DRIFTED_SHARE, segment=page.segment)
    return next((key for key in page.drift if key.metric == DRIFTED_SHARE.metric), unjudged)


def tiles(page: Page) -> tuple[Tile, ...]:
    """The tiles of a page; none for a page without chunks."""
    if not page.chunks:
        return ()
    first, second = (performance_tile(page, metric) for metric in leading_metrics(page))
    found = (first, second, drift_tile(page), concept_tile(page), fairness_tile(page), rows_tile(page))
    return tuple(tile for tile in found if tile is not None)[:MOST_TILES]


def leading_metrics(page: Page) -> tuple[str | None, str | None]:
    """The metric that leads and the next one, of those that have a number somewhere on the page; None where there is none."""
    task = page.model.task
    present = [
        metric
        for metric in (() if task is None else LEADING[task])
        if any(has_number(grid, metric) for grid in (page.performance, page.estimated))
    ]
    return (present[0] if present else None), (present[1] if len(present) > 1 else None)


def has_number(grid: Grid, metric: str) -> bool:
    """Whether a metric has a number anywhere on the page."""
    found = plain(grid, metric)
    return found is not None and latest(found[1]) is not None


class Reading(Struct, frozen=True, kw_only=True):
    """The number that a tile shows, and the one before it."""

    key: SeriesKey
    cells: Cells
    place: int
    value: float

    @property
    def before(self) -> float | None:
        """The number of the last chunk before that has one."""
        place = latest(self.cells[: self.place])
        return None if place is None else number_of(self.cells[place])

    @property
    def verdict(self) -> Verdict:
        """The verdict on the latest number."""
        return verdict_of(self.cells[self.place])

    @property
    def limits(self) -> Limits:
        """The limits that the latest number was held against."""
        cell = self.cells[self.place]
        return Limits() if cell is None else cell.limits


def read(found: tuple[SeriesKey, Cells] | None) -> Reading | None:
    """The latest number of a series, None where it has none."""
    if found is None:
        return None
    key, cells = found
    place = latest(cells)
    value = None if place is None else number_of(cells[place])
    return None if place is None or value is None else Reading(key=key, cells=cells, place=place, value=value)


def tile_of(reading: Reading, title: str, note: str) -> Tile:
    """A tile of one series."""
    change = change_text(reading.value, reading.before)
    return Tile(
        title=title,
        key=reading.key,
        value=reading.value,
        value_text=value_text(reading.key, reading.value),
        change_text=change,
        better=None if not change else is_better(reading.value, reading.before, reading.key),
        verdict=reading.verdict,
        limit_text=limits_text(reading.key, reading.limits, reading.value),
        note=note,
        points=numbers(reading.cells),
    )


def change_text(value: float, before: float | None) -> str:
    """`▼ 0.051` to as many decimals as the value has; empty where nothing is seen to change."""
    if before is None:
        return ""
    decimals = len(theme.number(value).partition(".")[2].rstrip(" kMGT万亿"))
    amount = f"{abs(value - before):,.{decimals}f}"
    if not amount.strip("0.,"):
        return ""
    return f"{'▲' if value > before else '▼'} {amount}"


def is_better(value: float, before: float | None, key: SeriesKey) -> bool | None:
    """Whether a change is for the better; None where neither way is."""
    better = direction(key.family, key.metric)
    if before is None or better is Direction.NEITHER:
        return None
    return (value > before) == (better is Direction.HIGHER)


def performance_tile(page: Page, metric: str | None) -> Tile | None:
    """A metric as realised on the latest chunk with labels, or as estimated where no chunk has any."""
    if metric is None:
        return None
    realised = read(plain(page.performance, metric))
    if realised is not None:
        return tile_of(realised, metric_name(Family.PERFORMANCE, metric), labels_note(page, realised.place))
    estimated = read(plain(page.estimated, metric))
    if estimated is None:
        return None
    return tile_of(estimated, metric_name(Family.ESTIMATED_PERFORMANCE, metric), say("no labels yet"))


def labels_note(page: Page, place: int) -> str:
    """`labels to 14 Nov`."""
    return say("labels to {date}", date=reach_text(page.chunks[place], page.chunks, page.timezone))


def feature_verdicts(page: Page) -> dict[str, tuple[Verdict, ...]]:
    """For each feature the worst verdict of its drift metrics, chunk by chunk."""
    by_column: dict[str, list[Cells]] = {}
    for key, cells in page.drift.items():
        if key.family is Family.DATA_DRIFT and key.column is not None:
            by_column.setdefault(key.column, []).append(cells)
    return {
        column: tuple(worst(verdict_of(cell) for cell in cells) for cells in zip(*series, strict=True))
        for column, series in by_column.items()
    }


def drifted_counts(page: Page) -> tuple[tuple[int, int], ...]:
    """For each chunk, how many features drifted (an alert of any metric) and how many were judged."""
    verdicts = feature_verdicts(page).values()
    return tuple(
        (
            sum(feature[place] is Verdict.ALERT for feature in verdicts),
            sum(feature[place] is not Verdict.UNTESTED for feature in verdicts),
        )
        for place in range(len(page.chunks))
    )


def drift_tile(page: Page) -> Tile | None:
    """How many features drifted in the latest chunk, of how many that were judged."""
    counts = drifted_counts(page)
    place = next((place for place in reversed(range(len(counts))) if counts[place][1]), None)
    if place is None:
        return None
    drifted, judged = counts[place]
    before = next((counts[earlier][0] for earlier in reversed(range(place)) if counts[earlier][1]), None)
    change = (
        "" if before is None or before == drifted else f"{'▲' if drifted > before else '▼'} {abs(drifted - before)}"
    )
    key = share_key(page)
    share = page.drift.get(key, (None,) * len(counts))[place]
    names = [column for column, verdicts in feature_verdicts(page).items() if verdicts[place] is Verdict.ALERT]
    limits = Limits() if share is None else share.limits
    limit = (
        say("no limit")
        if limits.upper is None
        else say("limit ≤ {share} of features", share=theme.percent(limits.upper, 0))
    )
    return Tile(
        title=say("Drifted features"),
        key=key,
        value=float(drifted),
        value_text=f"{drifted} / {judged}",
        change_text=change,
        better=None if not change else drifted < (before or 0),
        verdict=verdict_of(share) if share is not None else Verdict.ALERT if drifted else Verdict.OK,
        limit_text=limit,
        note=some_names(names),
        points=tuple(float(some) if of else None for some, of in counts),
    )


def some_names(names: Sequence[str]) -> str:
    """The first MOST_NAMES names, and how many more there are."""
    named, more = ", ".join(names[:MOST_NAMES]), len(names) - MOST_NAMES
    return say("{names} and {count} more", names=named, count=more) if more > 0 else named


def concept_tile(page: Page) -> Tile | None:
    """Whether the relation of score and label changed: the label shift, by its p-value where there is one, else what the estimate missed."""
    shift = read(plain(page.concept, SHIFT_P)) or read(plain(page.concept, SHIFT))
    if shift is None:
        gap = read(plain(page.concept, GAP))
        return (
            detector_tile(page)
            if gap is None
            else tile_of(gap, metric_name(gap.key.family, GAP), labels_note(page, gap.place))
        )
    statistic = plain(page.concept, SHIFT)
    verdict = worst((shift.verdict, verdict_of(statistic[1][shift.place]) if statistic else Verdict.UNTESTED))
    text, limit = value_text(shift.key, shift.value), limits_text(shift.key, shift.limits, None)
    if shift.key.metric == SHIFT_P:
        text = f"p {text}" if text.startswith("<") else f"p = {text}"
    else:
        text, limit = f"χ² {text}", say("judged by its p-value")
    return Tile(
        title=say("Concept drift"),
        key=shift.key,
        value=shift.value,
        value_text=text,
        change_text=say("detected") if verdict is Verdict.ALERT else "",
        better=False if verdict is Verdict.ALERT else None,
        verdict=verdict,
        limit_text=limit,
        note=labels_note(page, shift.place),
        points=numbers(shift.cells),
    )


def detector_tile(page: Page) -> Tile | None:
    """The drifts of the detector that finds most in its latest chunk."""
    readings = [read(plain(page.concept, metric)) for metric in DETECTORS]
    found = [reading for reading in readings if reading is not None]
    if not found:
        return None
    most = max(found, key=lambda one: one.value)
    tile = tile_of(most, metric_name(most.key.family, most.key.metric), labels_note(page, most.place))
    more = most.value - (most.value if most.before is None else most.before)
    return replace(tile, change_text=f"{'▲' if more > 0 else '▼'} {theme.count(abs(more))}" if more else "")


def fairness_tile(page: Page) -> Tile | None:
    """The protected attribute that fares worst in the latest chunk that compares groups, and the group that is worst off."""
    for metric, title in FAIRNESS_RATIOS.items():
        readings = [read((key, cells)) for key, cells in page.fairness.items() if key.metric == metric]
        found = [reading for reading in readings if reading is not None]
        if found:
            last = max(reading.place for reading in found)
            worst_off = min((one for one in found if one.place == last), key=lambda one: one.value)
            group = lowest_group(page, worst_off)
            column = worst_off.key.column or ""
            note = say("worst: {group}", group=f"{column} = {group}") if group is not None else column
            return tile_of(worst_off, say(title), note)
    return None


def lowest_group(page: Page, ratio: Reading) -> str | None:
    """The group with the lowest rate behind a ratio."""
    rates: dict[str, float] = {}
    for key, cells in page.fairness.items():
        value = number_of(cells[ratio.place])
        same = (key.column, key.class_, key.convention) == (ratio.key.column, ratio.key.class_, ratio.key.convention)
        if key.metric == GROUP_RATE[ratio.key.metric] and same and key.group is not None and value is not None:
            rates[key.group] = value
    return min(rates, key=lambda group: rates[group], default=None)


def rows_tile(page: Page) -> Tile:
    """Predictions in the latest chunk, and how many more or fewer than in the one before."""
    counts = row_counts(page)
    rule = page.model.chunks
    series = plain(page.quality, "rows")
    cell = None if series is None else series[1][-1]
    limits = Limits() if cell is None else cell.limits
    key = SeriesKey(Family.DATA_QUALITY, "rows", segment=page.segment)
    full = is_full(page.chunks[-1], page)
    change = ""
    if full and len(counts) > 1 and counts[-2]:
        percent = round(100 * (counts[-1] / counts[-2] - 1))
        change = f"{'▲' if percent > 0 else '▼'} {theme.percent(abs(percent) / 100, 0)}" if percent else ""
    return Tile(
        title=say(ROWS_TITLES.get(rule.every or "", "Predictions / chunk")),
        key=key,
        value=float(counts[-1]),
        value_text=theme.compact(counts[-1]),
        change_text=change,
        better=None,
        verdict=Verdict.OK if cell is None else verdict_of(cell),
        limit_text=limits_text(key, limits, float(counts[-1])),
        note=newest_text(page) if full else say("not all of it is there yet"),
        points=tuple(float(count) for count in counts),
    )


def is_full(chunk: Chunk, page: Page) -> bool:
    """Whether a chunk's rows can be held against those of the one before: later rows can hardly add to it."""
    rule = page.model.chunks
    if not rule.by_time:
        return rule.size is None or chunk.rows >= rule.size
    if chunk.complete or chunk.start is None or chunk.end is None:
        return chunk.complete
    return page.newest_row is not None and page.newest_row >= chunk.start + NEARLY_FULL * (chunk.end - chunk.start)


def newest_text(page: Page) -> str:
    """`newest row 17 Nov 06:12`; empty where the log has no times."""
    if page.newest_row is None:
        return ""
    there = theme.local(page.newest_row, page.timezone)
    return say("newest row {time}", time=f"{theme.day(there)} {there:%H:%M}")


def row_counts(page: Page) -> tuple[int, ...]:
    """Rows of each chunk, or of the page's segment in it."""
    if page.segment is None:
        return tuple(chunk.rows for chunk in page.chunks)
    grids = (page.quality, page.performance, page.drift)
    series = [cells for grid in grids for key, cells in grid.items() if key.group is None]
    present = ([cell.rows for cell in cells if cell is not None] for cells in zip(*series, strict=True))
    return tuple(max(rows, default=0) for rows in present) if series else (0,) * len(page.chunks)
