"""Metric values as the archive gives them back: as domain values, as the columns of the results table, or only those that breach."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from types import EllipsisType
from typing import Any

from msgspec import Struct

from mlops_desk.domain.metric import Convention, Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.slicing import Split
from mlops_desk.store.encoding import VERDICT_CODES, VERDICTS, instant_of
from mlops_desk.store.series import series_keys

RESULT_COLUMNS = (
    "model", "split", "chunk", "start", "end", "rows", "segment", "family", "metric", "convention", "column", "group", "value",
    "reason", "error_bound", "sampling_error", "interval_lower", "interval_upper", "lower", "upper", "warn_lower", "warn_upper",
    "class", "verdict", "evaluated_at",
)  # fmt: skip
"""The results table's columns in their order, which is the order of the view `metric_values` too."""

_RESULT_ORDER = 'model, split desc, chunk, family, metric, convention, "column", segment, "group", class'
_INSTANTS = ("start", "end", "evaluated_at")

_VALUE = """v.series, c.split, c.key, v.rows, v.value, v.reason, v.error_bound, v.sampling_error, v.interval_lower, v.interval_upper,
    v.lower, v.upper, v.warn_lower, v.warn_upper, v.verdict"""


class ValueTable(Struct, frozen=True, kw_only=True):
    """The results table in columns.

    Attributes
    ----------
    names : RESULT_COLUMNS. columns : a list for each name, all of one length; start, end and evaluated_at hold aware datetimes, numbers are
        int or float, everything else is text, and None stands where there is nothing.
    """

    names: tuple[str, ...]
    columns: tuple[list[object], ...]


def values(
    connection: sqlite3.Connection,
    model: int,
    *,
    family: Family | None = None,
    metric: str | None = None,
    convention: Convention | None = None,
    column: str | EllipsisType | None = ...,
    segment: str | EllipsisType | None = ...,
    split: Split | str | None = None,
) -> tuple[MetricValue, ...]:
    """The current values of a model that fit, series by series and in time order; `...` means any column or segment, None those without."""
    wanted = {
        number: key
        for number, key in series_keys(connection, model).items()
        if (family is None or key.family is family)
        and (metric is None or key.metric == metric)
        and (convention is None or key.convention is convention)
        and (column is ... or key.column == column)
        and (segment is ... or key.segment == segment)
    }
    if not wanted:
        return ()
    first, last = min(wanted), max(wanted)
    rows = connection.execute(
        f"""select {_VALUE} from chunk c join current_value v on v.chunk = c.id and v.series between ? and ?
        where c.model = ? and c.idx is not null and (? is null or c.split = ?)
        order by v.series, c.split desc, c.idx""",
        (first, last, model, split, split),
    )
    return tuple(_metric_values(rows, wanted))


def value_table(connection: sqlite3.Connection, models: Collection[str] | None = None) -> ValueTable:
    """The results table of some models, or of all that were ever evaluated."""
    names = ", ".join(f'"{name}"' for name in RESULT_COLUMNS)
    among = "" if models is None else f"where model in ({', '.join('?' * len(models))})"
    rows = connection.execute(
        f"select {names} from metric_values {among} order by {_RESULT_ORDER}", tuple(models or ())
    ).fetchall()
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in RESULT_COLUMNS]
    instants: dict[str, datetime] = {}
    for name in _INSTANTS:
        place = RESULT_COLUMNS.index(name)
        texts = set(columns[place]) - {None}
        instants |= {text: instant_of(text) for text in texts}
        columns[place] = [None if text is None else instants[text] for text in columns[place]]
    return ValueTable(names=RESULT_COLUMNS, columns=tuple(columns))


def trailing_breaches(connection: sqlite3.Connection, model: int) -> tuple[MetricValue, ...]:
    """The analysis values judged warning or alert since the latest ok of their series, series by series and in time order."""
    rows = connection.execute(
        f"""with latest_ok as (
            select v.series, max(c.idx) as idx from chunk c join current_value v on v.chunk = c.id
            where c.model = :model and c.split = 'analysis' and v.verdict = :ok group by v.series
        )
        select {_VALUE} from chunk c join current_value v on v.chunk = c.id left join latest_ok l on l.series = v.series
        where c.model = :model and c.split = 'analysis' and v.verdict in (:warning, :alert) and c.idx > ifnull(l.idx, -1)
        order by v.series, c.idx""",
        {
            "model": model,
            "ok": VERDICT_CODES[Verdict.OK],
            "warning": VERDICT_CODES[Verdict.WARNING],
            "alert": VERDICT_CODES[Verdict.ALERT],
        },
    )
    return tuple(_metric_values(rows, series_keys(connection, model)))


def _metric_values(rows: Iterable[tuple[Any, ...]], keys: Mapping[int, SeriesKey]) -> Iterator[MetricValue]:
    """Domain values of rows of `_VALUE`, less those of series that are not among `keys`."""
    shared: dict[tuple[float | None, ...], Limits] = {}  # the values of a series mostly share their limits
    for series, split, chunk_key, rows_of_value, value, reason, bound, sampling, low, high, *limits, verdict in rows:
        key = keys.get(series)
        if key is None:
            continue
        lower, upper, warn_lower, warn_upper = judged_by = tuple(limits)
        if judged_by not in shared:
            shared[judged_by] = Limits(lower=lower, upper=upper, warn_lower=warn_lower, warn_upper=warn_upper)
        yield MetricValue(
            key=key,
            split=split,
            chunk_key=chunk_key,
            rows=rows_of_value,
            measurement=Measurement(value, reason, bound or 0.0, sampling, low, high),
            limits=shared[judged_by],
            verdict=VERDICTS[verdict],
        )
