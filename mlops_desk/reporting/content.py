"""What a report tells: the overview of each model, and the tables behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from mlops_desk import __version__, theme
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Detection, Family, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Distribution, Line, Overview, Period, RetrainingStatus
from mlops_desk.domain.slicing import Split
from mlops_desk.reporting.actions import Action, actions
from mlops_desk.reporting.criteria import CriterionStanding, criteria
from mlops_desk.reporting.matrix import column_roles, column_series, matrix_series
from mlops_desk.reporting.naming import chunks_text, is_of_zones, limits_text, metric_name, series_title, value_text
from mlops_desk.reporting.page import (
    Cells,
    Grid,
    Page,
    last_reason,
    latest,
    line_of,
    number_of,
    numbers,
    plain,
    read_page,
    verdict_of,
    worst,
)
from mlops_desk.reporting.summary import COUNTS, distribution, overview_of, performance_lines
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.tiles import LEADING
from mlops_desk.reporting.wording import convention_texts, threshold_texts
from mlops_desk.store.archive import Store

SHOWN_DISTRIBUTIONS = 6
MOST_DETECTIONS = 5
SECOND_DRIFT_METRICS = ("psi", "wasserstein", "kolmogorov_smirnov", "hellinger", "jensen_shannon")
RATES = ("missing_rate", "unseen_rate", "out_of_range_rate")
COMPARED_SUFFIXES = ("_ratio", "_difference")
FEATURE = "feature"
ROLES = ("operator", "engineer", "manager")
ENGINEER = "engineer"


class Standing(Struct, frozen=True, kw_only=True):
    """The latest number of a series, and how it stands.

    Attributes
    ----------
    place : of its chunk among those of the page, None where no chunk has a number. reason : why, then.
    """

    key: SeriesKey
    title: str
    place: int | None
    value: float | None
    value_text: str
    interval_lower: float | None
    interval_upper: float | None
    limit_text: str
    verdict: Verdict
    reason: str | None


class Accuracy(Struct, frozen=True, kw_only=True):
    """A metric as realised and as estimated."""

    metric: str
    title: str
    realised: Standing | None
    estimated: Standing | None


class ColumnRow(Struct, frozen=True, kw_only=True):
    """A column's drift and data quality.

    Attributes
    ----------
    role : feature, prediction, score or target. latest, limit : of the matrix's metric in the last chunk, None where untested.
    greatest : of the page. second : another drift metric in the last chunk. alerts : chunks in which any drift metric alerts.
    missing_rate, strange_rate : in the last chunk; strange are unseen categories or values out of the reference's range.
    verdict : the worst of the last chunk's drift verdicts. reason : why that is untested.
    """

    column: str
    role: str
    latest: float | None
    limit: float | None
    greatest: float | None
    second: float | None
    alerts: int
    missing_rate: float | None
    strange_rate: float | None
    verdict: Verdict
    reason: str | None
    points: tuple[float | None, ...]


class ModelReport(Struct, frozen=True, kw_only=True):
    """What a report tells of one model.

    Attributes
    ----------
    drift_metric, second_metric : ids behind `latest` and `second` of the columns; empty where there is none. A column that has no
    `drift_metric` has another distance in `latest`, or 1 - p of a test.
    comparisons : of protected groups. quality, concept : series of the model as a whole.
    detections : rows of the page's chunks at which drift detectors signalled over all rows, the latest MOST_DETECTIONS of each series.
    value : business metrics along the chunks of the page. others : series of the families that no other field holds.
    criteria : limits that somebody set. actions : what people did, the latest first. conventions, thresholds : in words.
    """

    overview: Overview
    drift_metric: str
    second_metric: str
    columns: tuple[ColumnRow, ...]
    accuracy: tuple[Accuracy, ...]
    comparisons: tuple[Standing, ...]
    concept: tuple[Standing, ...]
    detections: tuple[Detection, ...]
    quality: tuple[Standing, ...]
    value: tuple[Line, ...]
    value_standings: tuple[Standing, ...]
    others: tuple[Standing, ...]
    criteria: tuple[CriterionStanding, ...]
    actions: tuple[Action, ...]
    distributions: tuple[Distribution, ...]
    conventions: tuple[str, ...]
    thresholds: tuple[str, ...]


class Report(Struct, frozen=True, kw_only=True):
    """A report on some models of a workspace, made at an instant, for one of ROLES, with its texts in a language of `theme.LANGUAGES`.

    Role and language change what is shown and how it is worded; the content is the same for every role.
    """

    workspace: str
    generated_at: datetime
    program_version: str
    role: str
    language: str
    models: tuple[ModelReport, ...]


def report(
    store: Store,
    workspace: str,
    models: Sequence[Model],
    period: Period,
    *,
    now: datetime,
    retraining: Mapping[str, RetrainingStatus],
    role: str = ENGINEER,
) -> Report:
    """The report on some models, in the language that is spoken; raises UserError if none was ever evaluated, or no chunk lies in the period asked for."""
    evaluated = [model for model in models if store.last_evaluation(model.id) is not None]
    if not evaluated:
        raise UserError(
            f"{workspace}: there is nothing to report, because no model was evaluated: `mlops-desk run` does that"
        )
    made = tuple(model_report(store, model, period, now=now, retraining=retraining[model.id]) for model in evaluated)
    if period != Period() and not any(one.overview.chunks for one in made):
        raise UserError(f"{workspace}: {emptiness(store, evaluated, period)}")
    return Report(
        workspace=workspace,
        generated_at=now,
        program_version=__version__,
        role=role,
        language=theme.spoken(),
        models=made,
    )


def emptiness(store: Store, models: Sequence[Model], period: Period) -> str:
    """Why there is nothing to tell of a period, and what there is."""
    reaches = []
    for model in models:
        chunks = store.chunks(model.id, Split.ANALYSIS)
        if chunks:
            reaches.append(f"those of {model.id} are {chunks_text(chunks, model.chunks.timezone)}")
    ends = [
        f"{word} {end.isoformat()}" for word, end in (("from", period.start), ("to", period.end)) if end is not None
    ]
    asked = f" {' '.join(ends)}" if ends else ""
    return f"no chunk lies in the period{asked}; " + ("; ".join(reaches) or "the logs hold no analysis rows at all")


def model_report(
    store: Store, model: Model, period: Period, *, now: datetime, retraining: RetrainingStatus
) -> ModelReport:
    """What a report tells of a model that was evaluated."""
    page = read_page(store, model, period, None, everything=True)
    overview = overview_of(store, page, now=now, retraining=retraining)
    first = overview.matrix.metric if overview.matrix is not None else ""
    second = second_metric(page, first)
    keys = [key for grid in grids(page) for key in grid]
    return ModelReport(
        overview=overview,
        drift_metric=first,
        second_metric=second,
        columns=column_rows(page, overview, second),
        accuracy=accuracies(page),
        comparisons=comparisons(page),
        concept=whole_series(page.concept),
        detections=detections_of(store, page),
        quality=whole_series(page.quality),
        value=tuple(line_of(key, cells) for key, cells in page.business.items() if key.column is None),
        value_standings=whole_series(page.business),
        others=all_series(page.others),
        criteria=criteria(page, grids(page)),
        actions=actions(store, model.id, page.timezone, now),
        distributions=shown_distributions(store, page, overview),
        conventions=convention_texts(keys),
        thresholds=threshold_texts(model, keys),
    )


def detections_of(store: Store, page: Page) -> tuple[Detection, ...]:
    """Where drift detectors signalled over all rows, in their order; of each series only the latest of many."""
    chunks = {chunk.key for chunk in page.chunks}
    found = [one for one in store.detections(page.model.id) if one.chunk_key in chunks and one.key.segment is None]
    latest_of: dict[SeriesKey, list[Detection]] = {}
    for one in reversed(found):
        own = latest_of.setdefault(one.key, [])
        if len(own) < MOST_DETECTIONS:
            own.append(one)
    chosen = {(one.key, one.stream_row) for own in latest_of.values() for one in own}
    return tuple(one for one in found if (one.key, one.stream_row) in chosen)


def grids(page: Page) -> tuple[Grid, ...]:
    """All that a page read."""
    return (
        page.drift,
        page.performance,
        page.estimated,
        page.concept,
        page.fairness,
        page.quality,
        page.business,
        page.others,
    )


def standing(key: SeriesKey, cells: Cells, title: str) -> Standing:
    """How a series stands in the latest chunk that has a number."""
    place = latest(cells)
    cell = None if place is None else cells[place]
    value = number_of(cell)
    return Standing(
        key=key,
        title=title,
        place=place,
        value=value,
        value_text=value_text(key, value),
        interval_lower=None if cell is None else cell.measurement.interval_lower,
        interval_upper=None if cell is None else cell.measurement.interval_upper,
        limit_text=theme.ABSENT if cell is None else limits_text(key, cell.limits, value),
        verdict=verdict_of(cell),
        reason=last_reason(cells) if cell is None else None,
    )


def accuracies(page: Page) -> tuple[Accuracy, ...]:
    """Every metric of accuracy, the leading ones first."""
    leading = () if page.model.task is None else LEADING[page.model.task]
    names = dict.fromkeys((*leading, *(line.key.metric for line in performance_lines(page))))
    rows = []
    for metric in names:
        realised, estimated = (plain(grid, metric) for grid in (page.performance, page.estimated))
        title = metric_name(Family.PERFORMANCE, metric)
        if (realised is not None or estimated is not None) and metric not in COUNTS:
            rows.append(
                Accuracy(
                    metric=metric,
                    title=title,
                    realised=None if realised is None else standing(*realised, title),
                    estimated=None if estimated is None else standing(*estimated, title),
                )
            )
    return tuple(rows)


def comparisons(page: Page) -> tuple[Standing, ...]:
    """The comparisons of protected groups that were computed, attribute by attribute."""
    found = [
        (key, cells)
        for key, cells in page.fairness.items()
        if key.group is None and key.column is not None and key.metric.endswith(COMPARED_SUFFIXES)
    ]
    found.sort(key=lambda pair: (pair[0].column or "", pair[0].class_ or "", pair[0].metric))
    return tuple(standing(key, cells, comparison_title(key)) for key, cells in found)


def comparison_title(key: SeriesKey) -> str:
    """`Equalized odds difference`, with its class and convention where they matter."""
    title = metric_name(key.family, key.metric)
    if key.class_ is not None:
        title = say("{title}, class {name}", title=title, name=key.class_)
    return title if key.convention == "desk" else f"{title} ({key.convention})"


def whole_series(grid: Grid) -> tuple[Standing, ...]:
    """The series of a grid that are of all rows and no column."""
    return tuple(
        standing(key, cells, series_title(key) if is_of_zones(key) else metric_name(key.family, key.metric))
        for key, cells in grid.items()
        if key.column is None and (key.group is None or is_of_zones(key)) and key.class_ is None
    )


def all_series(grid: Grid) -> tuple[Standing, ...]:
    """Every series of a grid but those of single groups."""
    return tuple(standing(key, cells, series_title(key)) for key, cells in grid.items() if key.group is None)


def second_metric(page: Page, first: str) -> str:
    """Another drift metric that columns have, empty where there is none."""
    present = {key.metric for key in page.drift if key.column is not None}
    return next((metric for metric in SECOND_DRIFT_METRICS if metric in present and metric != first), "")


def column_rows(page: Page, overview: Overview, second: str) -> tuple[ColumnRow, ...]:
    """A row for each column of the matrix, in its order."""
    if overview.matrix is None:
        return ()
    roles = column_roles(page)
    firsts, seconds = (
        {key.column: cells for key, cells in series.items()}
        for series in (matrix_series(page), column_series(page, second))
    )
    every: dict[str, list[Cells]] = {}
    for key, cells in page.drift.items():
        every.setdefault(key.column or "", []).append(cells)
    rates = {(key.column, key.metric): cells for key, cells in page.quality.items() if key.metric in RATES}
    rows = []
    for column in overview.matrix.columns:
        cells = firsts[column]
        verdicts = [worst(verdict_of(cell) for cell in chunk) for chunk in zip(*every[column], strict=True)]
        known = [value for value in numbers(cells) if value is not None]
        last = cells[-1]
        missing, *strange = (number_of(rates[column, rate][-1]) if (column, rate) in rates else None for rate in RATES)
        rows.append(
            ColumnRow(
                column=column,
                role=roles.get(column, FEATURE),
                latest=number_of(last),
                limit=None if last is None else last.limits.upper,
                greatest=max(known, default=None),
                second=number_of(seconds[column][-1]) if column in seconds else None,
                alerts=verdicts.count(Verdict.ALERT),
                missing_rate=missing,
                strange_rate=max((rate for rate in strange if rate is not None), default=None),
                verdict=verdicts[-1],
                reason=last_reason(cells) if verdicts[-1] is Verdict.UNTESTED else None,
                points=numbers(cells),
            )
        )
    return tuple(rows)


def shown_distributions(store: Store, page: Page, overview: Overview) -> tuple[Distribution, ...]:
    """The columns that drift most, in the reference and in the last chunk."""
    if overview.matrix is None:
        return ()
    last = page.chunks[-1].key
    stored = [
        column
        for column in overview.matrix.columns
        if store.distribution(page.model.id, column, "analysis", {last}) is not None
    ]
    return tuple(distribution(store, page.model, column, (last,)) for column in stored[:SHOWN_DISTRIBUTIONS])
