"""Data quality of one slice: rates with their sampling errors, and plain counts and ages. Rates divide by all rows, NULLs included."""

from __future__ import annotations

import math
from datetime import datetime

from msgspec.structs import replace

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import measured, proportion
from mlops_desk.metrics.performance import too_few

SECONDS_AN_HOUR = 3600.0


def rate(hits: int, rows: int, min_rows: int = 30) -> Measurement:
    """A share of all rows with Wilson's interval, untested for fewer rows than `min_rows`."""
    few = too_few(rows, min_rows, "rows")
    return untested(few) if few else proportion(hits, rows)


def missing_rate(column: ValueTable | CategoryTable, min_rows: int = 30) -> Measurement:
    """Share of rows where the column is NULL (of categories also NaN)."""
    return rate(column.missing, column.rows, min_rows)


def nan_rate(column: ValueTable, min_rows: int = 30) -> Measurement:
    """Share of rows where the column is NaN."""
    return rate(column.nan, column.rows, min_rows)


def infinite_rate(column: ValueTable, min_rows: int = 30) -> Measurement:
    """Share of rows where the column is +∞ or -∞."""
    return rate(column.positive_infinite + column.negative_infinite, column.rows, min_rows)


def unseen_rate(column: CategoryTable, reference: CategoryTable, min_rows: int = 30) -> Measurement:
    """Share of rows whose value the reference does not have; missing values are never unseen."""
    if reference.n == 0:
        return untested("the reference has no values")
    known = reference.present
    seen = sum(
        count for category, count in zip(column.categories, column.counts.tolist(), strict=True) if category in known
    )
    return rate(column.n - seen, column.rows, min_rows)


def out_of_range_rate(outside: int, rows: int, min_rows: int = 30) -> Measurement:
    """Share of rows whose value is below the reference's least or above its greatest finite value (infinite ones are outside)."""
    return rate(outside, rows, min_rows)


def out_of_given_range_rate(column: ValueTable, lowest: float, highest: float, min_rows: int = 30) -> Measurement:
    """Share of rows whose value is below `lowest` or above `highest` (infinite ones are).

    Of the rows in a cell that one of them lies in half count, with the greatest error that this may be.
    """
    few = too_few(column.rows, min_rows, "rows")
    if few:
        return untested(few)
    lowers, uppers = (column.values if ends is None else ends for ends in (column.lowers, column.uppers))
    least = int(column.counts[(uppers < lowest) | (lowers > highest)].sum())
    most = int(column.counts[(lowers < lowest) | (uppers > highest)].sum())
    infinite = column.positive_infinite + column.negative_infinite
    found = proportion((least + most) / 2 + infinite, column.rows)
    return replace(found, error_bound=(most - least) / 2 / column.rows)


def duplicate_rate(distinct: int, rows: int, min_rows: int = 30) -> Measurement:
    """Share of rows that repeat an earlier one."""
    return rate(rows - distinct, rows, min_rows)


def rows(count: int) -> Measurement:
    """Rows of the slice, with the error of a Poisson count."""
    return measured(count, math.sqrt(count), least=0.0)


def row_rate(count: int, start: datetime | None, end: datetime | None) -> Measurement:
    """Rows an hour from `start` to `end`."""
    if start is None or end is None or end <= start:
        return untested("the chunk has no length in time")
    hours = (end - start).total_seconds() / SECONDS_AN_HOUR
    return measured(count / hours, math.sqrt(count) / hours, least=0.0)


def freshness_hours(newest: datetime | None, now: datetime) -> Measurement:
    """Hours since the newest row; 0 for a row of the future."""
    if newest is None:
        return untested("no row has a timestamp")
    return measured(max(0.0, (now - newest).total_seconds() / SECONDS_AN_HOUR))


def label_coverage(labelled: int, count: int) -> Measurement:
    """Share of rows that have a label."""
    return proportion(labelled, count) if count else untested("no rows")


def label_lag_hours(newest: datetime | None, newest_labelled: datetime | None) -> Measurement:
    """Hours by which the newest labelled row up to a chunk's end is older than the chunk's newest row.

    Both are times of rows of the log, so it tells up to when there is ground truth, not when a label was written. Range [0, ∞), lower is
    better; untested while no row up to there has a label. No default threshold: how late labels may be is for the user to say.
    """
    if newest is None or newest_labelled is None:
        return untested("no labels yet" if newest is not None else "no row has a timestamp")
    return measured(max(0.0, (newest - newest_labelled).total_seconds() / SECONDS_AN_HOUR))


def expectation_failures(broken: int) -> Measurement:
    """How many checks of a column's expectations the slice breaks."""
    return Measurement(float(broken))


def drifted_share(drifted: int, judged: int) -> Measurement:
    """Share of the judged columns whose drift verdict is an alert."""
    return measured(drifted / judged) if judged else untested("no column's drift was judged")


def _definition(
    id: str,
    name: str,
    direction: Direction = Direction.LOWER,
    *,
    greatest: float = 1.0,
    kinds: tuple[str, ...] = (),
    family: Family = Family.DATA_QUALITY,
) -> Definition:
    return Definition(id=id, family=family, name=name, direction=direction, range=(0.0, greatest), kinds=kinds)


ANY_KIND = ("numeric", "categorical")
DEFINITIONS: tuple[Definition, ...] = (
    _definition("missing_rate", "Missing values", kinds=ANY_KIND),
    _definition("nan_rate", "NaN values", kinds=("numeric",)),
    _definition("infinite_rate", "Infinite values", kinds=("numeric",)),
    _definition("unseen_rate", "Unseen categories", kinds=("categorical",)),
    _definition("out_of_range_rate", "Values out of range", kinds=("numeric",)),
    _definition("duplicate_rate", "Duplicate rows"),
    _definition("rows", "Rows", Direction.NEITHER, greatest=math.inf),
    _definition("row_rate", "Rows an hour", Direction.NEITHER, greatest=math.inf),
    _definition("freshness_hours", "Hours since the newest row", greatest=math.inf),
    _definition("label_coverage", "Label coverage", Direction.HIGHER),
    _definition("label_lag_hours", "Hours that labels lag", greatest=math.inf),
    _definition("constant_columns", "Columns that became constant", greatest=math.inf),
    _definition("schema_changes", "Columns that changed", greatest=math.inf),
    _definition("expectation_failures", "Broken expectations", greatest=math.inf),
    _definition("drifted_share", "Share of drifted columns", family=Family.DATA_DRIFT),
)
