"""The drift of every column in every chunk, and the share of features that drifted."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from mlops_desk.domain.metric import Family, SeriesKey, Verdict
from mlops_desk.domain.overview import DriftMatrix, Line
from mlops_desk.reporting.naming import metric_name
from mlops_desk.reporting.page import Cells, Page, line_of, number_of, numbers, verdict_of
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.tiles import DRIFTED_SHARE, drifted_counts

PREFERRED = (
    "jensen_shannon", "psi", "hellinger", "wasserstein", "kolmogorov_smirnov", "total_variation", "energy", "l_infinity",
    "kl_divergence", "chi_squared",
)  # fmt: skip
"""Which metric the matrix shows where several are there for as many columns."""
_LAST = (Family.LABEL_DRIFT, Family.PREDICTION_DRIFT)


def drift_matrix(page: Page) -> DriftMatrix | None:
    """The metric that most columns have, the most drifted features first, then target, prediction and score; None without drift values."""
    metric = matrix_metric(page)
    if metric is None:
        return None
    series = column_series(page, metric)
    keys = sorted(series, key=lambda key: matrix_order(key, series[key], page))
    return DriftMatrix(
        metric=metric,
        title=metric_name(Family.DATA_DRIFT, metric),
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
    key = replace(DRIFTED_SHARE, segment=page.segment)
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
