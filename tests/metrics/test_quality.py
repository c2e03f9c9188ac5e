"""Data quality rates by counting rows, and NannyML's rates on the real cases."""

import csv
import math
from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.metrics import quality

NOON = datetime(2024, 5, 1, 12)


def category_table(values):
    held = Counter(value for value in values if value is not None)
    counts = np.array([held[one] for one in sorted(held)], dtype=np.int64)
    return CategoryTable(categories=tuple(sorted(held)), counts=counts, missing=len(values) - held.total())


def numbers(count, *, missing=0, nan=0, high=0, low=0):
    return ValueTable(
        values=np.array([1.0]),
        counts=np.array([count]),
        missing=missing,
        nan=nan,
        positive_infinite=high,
        negative_infinite=low,
    )


def test_rates_divide_by_all_rows():
    column = numbers(60, missing=20, nan=10, high=6, low=4)
    assert quality.missing_rate(column).value == 0.2
    assert quality.nan_rate(column).value == 0.1
    assert quality.infinite_rate(column).value == 0.1
    assert quality.out_of_range_rate(25, column.rows).value == 0.25
    assert quality.duplicate_rate(80, 100).value == pytest.approx(0.2)
    interval = stats.binomtest(20, 100).proportion_ci(method="wilson")
    rate = quality.missing_rate(column)
    assert (rate.interval_lower, rate.interval_upper) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert rate.sampling_error == pytest.approx(math.sqrt(0.2 * 0.8 / 100))
    clean = quality.missing_rate(numbers(100))
    assert clean.value == 0
    assert clean.sampling_error > 0
    assert quality.missing_rate(numbers(20)).reason == "20 rows, fewer than 30"
    assert quality.nan_rate(numbers(0)).reason == "no rows"


def test_unseen_values_are_those_the_reference_does_not_have():
    reference = category_table(["a", "b", "b"])
    reference = reference + CategoryTable(categories=("z",), counts=np.array([0]))
    chunk = category_table(["a"] * 20 + ["c"] * 10 + ["z"] * 5 + [None] * 5)
    assert quality.unseen_rate(chunk, reference).value == 15 / 40
    assert quality.missing_rate(chunk).value == 5 / 40
    assert quality.unseen_rate(chunk, category_table([None])).reason == "the reference has no values"


def test_counts_and_ages():
    assert quality.rows(400).sampling_error == 20
    assert quality.rows(0).value == 0
    assert quality.row_rate(480, NOON, NOON + timedelta(days=1)).value == 20
    assert quality.row_rate(480, NOON, NOON).reason == "the chunk has no length in time"
    assert quality.freshness_hours(NOON, NOON + timedelta(hours=5)).value == 5
    assert quality.freshness_hours(NOON + timedelta(hours=1), NOON).value == 0
    assert quality.freshness_hours(None, NOON).reason == "no row has a timestamp"
    assert quality.label_coverage(30, 40).value == 0.75
    assert quality.label_coverage(0, 0).reason == "no rows"
    assert quality.label_lag_hours(NOON, NOON - timedelta(days=2)).value == 48
    assert quality.label_lag_hours(NOON, None).reason == "no labels yet"
    assert quality.drifted_share(3, 12).value == 0.25
    assert quality.drifted_share(0, 0).reason == "no column's drift was judged"


def text(values):
    return [None if value is None else str(value) for value in values]


def checked(path, tables, found):
    seen = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            part = slice(int(row["chunk_start_index"]), int(row["chunk_end_index"]) + 1)
            for name, number in row.items():
                if name.endswith("_value") and number:
                    column = name.removesuffix("_value")
                    values = tables[row["chunk_period"]][column][part]
                    assert found(column, values).value == pytest.approx(float(number), rel=1e-6), (column, part)
                    seen += 1
    return seen


@pytest.mark.parametrize(("case", "prefix"), [("carloan_dq", "nannyml"), ("titanic_dq", "nannyml_docs")])
def test_rates_equal_nannyml(shared, case, prefix):
    folder = shared / "data" / case
    tables = {part: pq.read_table(folder / f"{part}.parquet").to_pydict() for part in ("reference", "analysis")}
    known = {name: category_table(text(values)) for name, values in tables["reference"].items()}
    expected = folder / "expected"
    missing = checked(
        expected / f"{prefix}_missing_rate.csv",
        tables,
        lambda _, values: quality.missing_rate(category_table(text(values)), min_rows=1),
    )
    unseen = checked(
        expected / f"{prefix}_unseen_rate.csv",
        tables,
        lambda name, values: quality.unseen_rate(category_table(text(values)), known[name], min_rows=1),
    )
    assert missing > 100
    assert unseen > 20


def test_range_rates_equal_nannyml(shared):
    folder = shared / "data" / "carloan_dq"
    tables = {part: pq.read_table(folder / f"{part}.parquet").to_pydict() for part in ("reference", "analysis")}

    def finite(values):
        return np.array([value for value in values if value is not None and math.isfinite(value)])

    spans = {}

    def found(name, values):
        if name not in spans:
            reference = finite(tables["reference"][name])
            spans[name] = reference.min(), reference.max()
        held = finite(values)
        outside = (held < spans[name][0]) | (held > spans[name][1])
        return quality.out_of_range_rate(int(outside.sum()), len(values))

    assert checked(folder / "expected" / "nannyml_range_rate.csv", tables, found) >= 20


def test_values_out_of_a_given_range_are_counted_or_bounded_where_an_end_lies_in_a_cell() -> None:
    exact = ValueTable(values=np.array([0.0, 1.0, 2.0, 9.0]), counts=np.array([10, 20, 30, 40]), missing=100)
    found = quality.out_of_given_range_rate(exact, 1.0, 2.0)
    assert (found.value, found.error_bound) == (50 / 200, 0.0)
    infinite = ValueTable(values=exact.values, counts=exact.counts, positive_infinite=3, negative_infinite=2)
    assert quality.out_of_given_range_rate(infinite, 1.0, 2.0).value == 55 / 105
    cells = ValueTable(
        values=np.array([0.5, 1.5, 8.0]),
        counts=np.array([10, 20, 30]),
        lowers=np.array([0.0, 1.0, 7.0]),
        uppers=np.array([0.9, 2.0, 9.0]),
        cells=np.array([3, 4, 9]),
        squares=np.zeros(3),
    )
    found = quality.out_of_given_range_rate(cells, 1.2, 6.0)
    assert (found.value, found.error_bound) == ((10 + 30 + 10) / 60, 10 / 60)
    assert quality.out_of_given_range_rate(cells, 1.0, 9.0).error_bound == 0.0
    assert quality.out_of_given_range_rate(cells, 1.0, 9.0, min_rows=61).value is None
