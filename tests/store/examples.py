"""Chunks and values that the tests of the archive share."""

from datetime import UTC, datetime, timedelta

from mlops_desk.domain.metric import Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.slicing import Chunk, Split

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int, split: Split = Split.ANALYSIS, rows: int = 100) -> Chunk:
    start = DAY_ONE + timedelta(days=number)
    return Chunk(
        split=split, key=start.isoformat(), index=number, start=start, end=start + timedelta(days=1), rows=rows
    )


def value_of(
    chunk: Chunk,
    number: float | None,
    *,
    metric: str = "jensen_shannon",
    column: str | None = "age",
    verdict: Verdict | None = Verdict.OK,
    family: Family = Family.DATA_DRIFT,
    **key: str,
) -> MetricValue:
    measurement = Measurement(number, "too few rows" if number is None else None, 0.0, 0.01 if number else None)
    return MetricValue(
        key=SeriesKey(family, metric, column=column, **key),
        split=chunk.split,
        chunk_key=chunk.key,
        rows=chunk.rows,
        measurement=measurement,
        limits=Limits(upper=0.5, warn_upper=0.4),
        verdict=Verdict.UNTESTED if number is None else verdict,
    )
