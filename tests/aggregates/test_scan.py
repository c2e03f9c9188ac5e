"""What a scan counts of features, against a count row by row: every path through the engine, every odd value, names that queries use themselves."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.aggregates.cellmap import CellMap, fitted_map
from mlops_desk.aggregates.plan import (
    CategoricalPlan,
    FeaturePlan,
    NumericPlan,
)
from mlops_desk.aggregates.tables import ValueTable
from tests.aggregates import oracle
from tests.aggregates.logs import written
from tests.aggregates.scanned_logs import (
    CLASHING,
    DAY,
    LAYOUTS,
    TYPES,
    as_number,
    assert_features,
    day_of,
    file_a_day,
    numeric,
    rows_of,
    scanned,
    write,
)

FEATURES = FeaturePlan(
    numeric=numeric("f32", "whole", "d", "flag", "naïve \"k' ;", *CLASHING),
    categorical=(
        CategoricalPlan(column="k"),
        CategoricalPlan(column="kf"),
        CategoricalPlan(column="flag"),
        CategoricalPlan(column="d"),
        CategoricalPlan(column="race", kept=("x", "é")),
    ),
)


@pytest.mark.parametrize("where", LAYOUTS)
def test_features_are_what_counting_rows_gives(tmp_path: Path, where: str) -> None:
    rows = rows_of(1)
    LAYOUTS[where](tmp_path, rows)
    found = scanned(tmp_path, FEATURES)
    assert set(found) == {(day, None) for day in range(3)}
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in rows if day_of(row) == day], FEATURES)


def test_features_of_filtered_rows_and_of_segments(tmp_path: Path) -> None:
    rows = rows_of(2)
    for path, some in (("a.parquet", rows[::2]), ("b.parquet", rows[1::2])):
        write(tmp_path / path, some)
    found = scanned(tmp_path, FEATURES, filter="whole > 20 or k = 'it''s'")
    kept = [row for row in rows if (row["whole"] or 0) > 20 or row["k"] == "it's"]
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in kept if day_of(row) == day], FEATURES)
    segments = scanned(tmp_path, FEATURES, segment="k")
    assert {value for _, value in segments} == {row["k"] for row in rows} - {None}
    for (day, value), (features, _) in segments.items():
        assert_features(features, [row for row in rows if day_of(row) == day and row["k"] == value], FEATURES)


def test_columns_that_appear_and_widen_are_counted_as_one(tmp_path: Path) -> None:
    rows = rows_of(3)
    old = [
        {**row, "whole": None if row["whole"] is None else row["whole"] % 100, "new": None}
        for row in rows
        if day_of(row) == 0
    ]
    new = [{**row, "new": row["k"], "whole": as_number(row["whole"])} for row in rows if day_of(row) > 0]
    written(tmp_path / "a.parquet", {n: pa.array([r[n] for r in old], TYPES.get(n)) for n in old[0] if n != "new"})
    write(tmp_path / "b.parquet", new, whole=pa.float64(), f32=pa.float64(), ts=pa.timestamp("ns"))
    plan = FeaturePlan(
        numeric=numeric("whole", "f32"), categorical=(CategoricalPlan(column="new"), CategoricalPlan(column="whole"))
    )
    for (day, _), (features, _) in scanned(tmp_path, plan).items():
        assert_features(features, [row for row in [*old, *new] if day_of(row) == day], plan)


def test_a_column_called_file_index_does_not_stand_in_for_the_file(tmp_path: Path) -> None:
    rows = [{**row, "file_index": 7} for row in rows_of(4, 60)]
    file_a_day(tmp_path, rows)
    plan = FeaturePlan(numeric=numeric("p", "file_index"), categorical=(CategoricalPlan(column="k"),))
    found = scanned(tmp_path, plan)
    assert set(found) == {(day, None) for day in range(3)}
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in rows if day_of(row) == day], plan)


def test_a_log_of_a_hundred_categories_and_of_none_is_counted(tmp_path: Path) -> None:
    rows = [{"ts": DAY, **{f"k{index}": f"v{index % 7}" for index in range(150)}} for _ in range(5)]
    write(tmp_path / "a.parquet", rows)
    plan = FeaturePlan(numeric=(), categorical=tuple(CategoricalPlan(column=f"k{index}") for index in range(150)))
    found = scanned(tmp_path, plan)[0, None][0]
    assert {name: table.categories for name, table in found.categorical.items()} == {
        f"k{index}": (f"v{index % 7}",) for index in range(150)
    }
    assert scanned(tmp_path, FeaturePlan(numeric=(), categorical=()))[0, None][0].rows == 5


@pytest.mark.parametrize("where", ["file_a_day", "several_files_across_days"])
def test_cells_hold_what_their_rows_hold(tmp_path: Path, where: str) -> None:
    rows = rows_of(5, 400)
    names = ("x", "p", "f32", "whole")
    maps = {}
    for name in names:
        finite = np.array([row[name] for row in rows if row[name] is not None and math.isfinite(row[name])])
        maps[name] = fitted_map(finite, float(finite.min()), float(finite.max()))
    plan = FeaturePlan(
        numeric=tuple(NumericPlan(column=name, cells=maps[name], lowest=-1.0, highest=1.0) for name in names),
        categorical=(),
    )
    LAYOUTS[where](tmp_path, rows)
    for (day, _), (features, _) in scanned(tmp_path, plan).items():
        for name in names:
            column = [as_number(row[name]) for row in rows if day_of(row) == day]
            expected = oracle.celled(column, cell_of(maps[name]))
            assert_cells(features.numeric[name], expected)
            beyond = sum(x is not None and not math.isnan(x) and not -1 <= x <= 1 for x in column)
            assert features.outside[name] == beyond


def cell_of(cells: CellMap) -> Callable[[float], int]:
    """The cell as the engine rounds it, ties to even."""

    def cell(x: float) -> int:
        d, half = x - cells.centre, (cells.cells - 1) / 2
        position = d / cells.scale if cells.kind == "line" else half + half * (d / (cells.scale + abs(d)))
        return min(max(round(position), 0), cells.cells - 1)

    return cell


def assert_cells(found: ValueTable, expected: ValueTable) -> None:
    """Counts to the letter, means and squares as far as sums are exact, and bounds that hold."""
    for name in ("counts", "cells"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    odd = ("missing", "nan", "positive_infinite", "negative_infinite")
    assert [getattr(found, name) for name in odd] == [getattr(expected, name) for name in odd]
    assert found.lowers is not None
    assert found.uppers is not None
    assert np.all(found.lowers <= expected.lowers)
    assert np.all(found.uppers >= expected.uppers)
    assert np.all((found.values >= found.lowers) & (found.values <= found.uppers))
    if found.n:
        assert (found.lowest, found.highest) == (expected.lowest, expected.highest)
    usual = np.abs(expected.values) < 1e100
    np.testing.assert_allclose(found.values[usual], expected.values[usual], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.squares[usual], expected.squares[usual], rtol=1e-6, atol=1e-6)
    assert not np.isnan(found.squares).any()


def test_an_empty_column_by_cell_and_one_that_a_file_lacks(tmp_path: Path) -> None:
    rows = [{**row, "empty": None} for row in rows_of(6, 60)]
    days = [[row for row in rows if day_of(row) == day] for day in range(3)]
    write(tmp_path / "0.parquet", days[0], empty=pa.float64())
    write(tmp_path / "1.parquet", [{**row, "late": 1.5} for row in days[1]], empty=pa.float64())
    cells = fitted_map(np.zeros(0), 0.0, 0.0)
    plan = FeaturePlan(
        numeric=tuple(NumericPlan(column=name, cells=cells, lowest=None, highest=None) for name in ("empty", "late")),
        categorical=(),
    )
    found = scanned(tmp_path, plan)
    for day in range(2):
        empty, late = (found[day, None][0].numeric[name] for name in ("empty", "late"))
        assert (empty.missing, empty.n) == (len(days[day]), 0)
        assert (late.n, late.missing) == ((len(days[1]), 0) if day else (0, len(days[0])))
    both = found[0, None][0] + found[1, None][0]
    assert both.numeric["late"].n == len(days[1])


# --- outcomes -----------------------------------------------------------------------------------------------------
