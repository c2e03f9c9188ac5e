"""The drift of every column in every chunk, and the share of features that drifted.

A column has the metric that most columns have, else another distance, else 1 - p of its tests: in all of them more is more drift.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from mlops_desk.domain.metric import Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.overview import DriftMatrix, Line
from mlops_desk.reporting.naming import metric_name
from mlops_desk.reporting.page import Cells, Page, line_of, number_of, numbers, verdict_of
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.tiles import drifted_counts, share_key

PREFERRED = (
    "jensen_shannon", "psi", "hellinger", "wasserstein", "kolmogorov_smirnov", "total_variation", "energy", "l_infinity",
    "kl_divergence", "chi_squared",
)  # fmt: skip
"""Which metric the matrix shows where several are there for as many columns."""
ONE_LESS_P = "1 - p"
_LAST = (Family.LABEL_DRIFT, Family.PREDICTION_DRIFT)


def drift_matrix(page: Page) -> DriftMatrix | None:
    """Every column that has drift values, the most drifted features first, then target, prediction and score; None without drift values."""
    series = matrix_series(page)
    if not series:
        return None
    metrics = sorted({key.metric for key in series}, key=lambda metric: (metric != matrix_metric(page), metric))
    keys = sorted(series, key=lambda key: matrix_order(key, series[key], page))
    return DriftMatrix(
        metric=metrics[0],
        title=" / ".join(dict.fromkeys(map(_title, metrics))),
        columns=tuple(key.column or "" for key in keys),
        values=tuple(numbers(series[key]) for key in keys),
        verdicts=tuple(tuple(verdict_of(cell) for cell in series[key]) for key in keys),
        uppers=tuple(tuple(None if cell is None else cell.limits.upper for cell in series[key]) for key in keys),
    )


def matrix_metric(page: Page) -> str | None:
    """The drift metric that most columns have; one of PREFERRED, None if there is none."""
    columns: dict[str, set[str]] = {}
    for key, cells in page.drift.items():
        if key.metric in PREFERRED and key.column is not None and any(number_of(cell) is not None for cell in cells):
            columns.setdefault(key.metric, set()).add(key.column)
    return max(
        (metric for metric in PREFERRED if metric in columns), key=lambda metric: len(columns[metric]), default=None
    )


def matrix_series(page: Page) -> dict[SeriesKey, Cells]:
    """A series for each column that has drift values: of the metric that most columns have, and of the others of what they have."""
    first = matrix_metric(page)
    series: dict[SeriesKey, Cells] = {} if first is None else column_series(page, first)
    shown = {(key.family, key.column) for key in series}
    for metric in PREFERRED:
        for key, cells in column_series(page, metric).items():
            if (key.family, key.column) not in shown and any(number_of(cell) is not None for cell in cells):
                shown.add((key.family, key.column))
                series[key] = cells
    tests: dict[tuple[Family, str | None], tuple[SeriesKey, Cells]] = {}
    for key, cells in page.drift.items():
        place = (key.family, key.column)
        if not key.metric.endswith("_p") or key.column is None or key.class_ is not None or place in shown:
            continue
        first_key, known = tests.get(place, (key, (None,) * len(cells)))
        tests[place] = (first_key, tuple(a if a is not None else b for a, b in zip(known, cells, strict=True)))
    return series | {key: tuple(map(_one_less_p, cells)) for key, cells in tests.values()}


def _one_less_p(cell: MetricValue | None) -> MetricValue | None:
    """The value of a test with 1 - p in the place of p, and limits that are passed upwards."""
    if cell is None or cell.measurement.value is None:
        return cell
    limits = cell.limits
    upper, warn = (None if limit is None else 1.0 - limit for limit in (limits.lower, limits.warn_lower))
    return replace(
        cell, measurement=Measurement(1.0 - cell.measurement.value), limits=Limits(upper=upper, warn_upper=warn)
    )


def _title(metric: str) -> str:
    return ONE_LESS_P if metric.endswith("_p") else metric_name(Family.DATA_DRIFT, metric)


def column_series(page: Page, metric: str) -> dict[SeriesKey, Cells]:
    """A drift metric's series, one for each column: in the first convention of those that it has."""
    taken: set[tuple[Family, str]] = set()
    series: dict[SeriesKey, Cells] = {}
    for key, cells in page.drift.items():
        if (
            key.metric == metric
            and key.column is not None
            and key.class_ is None
            and (key.family, key.column) not in taken
        ):
            taken.add((key.family, key.column))
            series[key] = cells
    return series


def matrix_order(key: SeriesKey, cells: Cells, page: Page) -> tuple[int, bool, int, int, float, str]:
    """Sorts features by alerts, then by warnings, then by their mean; what is no feature comes after them, the score last."""
    verdicts = [verdict_of(cell) for cell in cells]
    known = [value for value in numbers(cells) if value is not None]
    return (
        _LAST.index(key.family) + 1 if key.family in _LAST else 0,
        key.family in _LAST and key.column != page.model.columns.prediction,
        -verdicts.count(Verdict.ALERT),
        -verdicts.count(Verdict.WARNING),
        -sum(known) / len(known) if known else 0.0,
        key.column or "",
    )


def drift_share(page: Page) -> Line | None:
    """The share of features that drifted, chunk by chunk: as it was judged, else as the verdicts of the features count up."""
    key = share_key(page)
    if key in page.drift:
        return line_of(key, page.drift[key])
    counts = drifted_counts(page)
    if not any(judged for _, judged in counts):
        return None
    empty = line_of(key, (None,) * len(counts))
    return replace(
        empty,
        values=tuple(drifted / judged if judged else None for drifted, judged in counts),
        verdicts=tuple(Verdict.OK if judged else Verdict.UNTESTED for _, judged in counts),
        reasons=tuple(None if judged else say("no feature's drift was judged") for _, judged in counts),
    )


def column_roles(page: Page) -> Mapping[str, str]:
    """What each column that is no feature is: `prediction`, `score` or `target`."""
    columns = page.model.columns
    named = ((columns.score, "score"), (columns.prediction, "prediction"), (columns.target, "target"))
    labels = page.model.labels
    return {
        **({} if labels is None else {labels.target: "target"}),
        **{column: "score" for _, column in columns.scores},
        **{column: role for column, role in named if column is not None},
    }
