"""Samples of rows: the same however files lie, a fair share of rows that are alike, and samples that add."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.aggregates.numbering import Slicing, batches_of
from mlops_desk.aggregates.parts import TimeColumn
from mlops_desk.aggregates.plan import FeaturePlan, ScanPlan
from mlops_desk.aggregates.rows import CodedColumn, RowPlan, row_pieces
from mlops_desk.aggregates.sample import RowSample
from mlops_desk.aggregates.sampling import row_sample
from mlops_desk.aggregates.source import source
from mlops_desk.domain.periods import parse_periods
from mlops_desk.domain.slicing import ChunkRule, Split
from tests.aggregates.logs import opened, written

PLAN = RowPlan(numeric=("x",), categorical=(CodedColumn(column="kind", categories=("a", "it's")),))
RULE = ChunkRule(every="1d")
SLICING = Slicing(
    rule=RULE, periods=parse_periods("1d"), time=TimeColumn(name="ts", zoned=False), reference=None, filter=None
)
SCAN = ScanPlan(
    features=FeaturePlan(numeric=(), categorical=()), outcome=None, filter=None, slicing="days", slicing_time="ts"
)
DAY = 86_400_000_000


def log(rows: int, *, distinct: int | None = None) -> pa.Table:
    rng = np.random.default_rng(3)
    at = np.arange(rows) if distinct is None else rng.integers(0, distinct, rows)
    times = at * (2 * DAY // rows) if distinct is None else (at % 2) * DAY
    return pa.table(
        {
            "ts": pa.array(times, pa.timestamp("us")),
            "x": pa.array(np.where(at % 11 == 0, np.inf, at / 7)),
            "kind": pa.array([["a", "it's", "new", None][one % 4] for one in at.tolist()], pa.string()),
        }
    )


def drawn(folder: Path, tables: Sequence[pa.Table], size: int) -> RowSample:
    """The sample of all rows of some files."""
    for index, table in enumerate(tables):
        written(folder / f"{index}.parquet", table)
    connection, footers = opened(folder)
    found: RowSample | None = None
    with connection:
        for number, batch in enumerate(batches_of(connection, footers, SLICING, Split.REFERENCE)):
            scanned = source(connection, batch, SCAN, f"side_{number}")
            parts = list(range(len(batch.parts)))
            sample = row_sample(scanned, PLAN, SLICING, parts, salt="m", size=size, id_column=None)
            found = sample if found is None else found + sample
    assert found is not None
    return found


def same(left: RowSample, right: RowSample) -> bool:
    names = ("keys", "matrix", "chunks")
    return all(np.array_equal(getattr(left, name), getattr(right, name), equal_nan=True) for name in names)


def test_rows_become_numbers_and_codes(tmp_path: Path) -> None:
    written(tmp_path / "log.parquet", log(8))
    connection, footers = opened(tmp_path)
    with connection:
        [batch] = batches_of(connection, footers, SLICING, Split.REFERENCE)
        [rows] = row_pieces(source(connection, batch, SCAN, "side"), PLAN, [0, 1])
    assert rows.parts.tolist() == [0] * 4 + [1] * 4
    assert np.isnan(rows.matrix[0, 0])
    assert rows.matrix[1:, 0].tolist() == [one / 7 for one in range(1, 8)]
    assert rows.matrix[:, 1].tolist() == [0, 1, -2, -1] * 2


@pytest.mark.parametrize("distinct", [None, 40])
def test_a_sample_does_not_depend_on_how_files_lie(tmp_path: Path, distinct: int | None) -> None:
    table = log(3000, distinct=distinct)
    shuffled = table.take(np.random.default_rng(1).permutation(3000))
    whole = drawn(tmp_path / "one", [table], 500)
    assert len(whole.keys) == 500
    assert same(whole, drawn(tmp_path / "three", [shuffled[:900], shuffled[900:1000], shuffled[1000:]], 500))
    assert set(whole.chunks.tolist()) == {0, 1}
    assert sorted(whole.keys.tolist()) == whole.keys.tolist()


def test_a_sample_of_all_rows_holds_every_row(tmp_path: Path) -> None:
    table = log(300, distinct=20)
    sample = drawn(tmp_path, [table], 1000)
    numbers = np.array(table["x"].to_pylist())
    assert np.isnan(sample.matrix[:, 0]).sum() == np.isinf(numbers).sum()
    assert np.sort(sample.matrix[~np.isnan(sample.matrix[:, 0]), 0]) == pytest.approx(
        np.sort(numbers[np.isfinite(numbers)])
    )


def test_of_rows_that_are_alike_a_fair_share_is_drawn(tmp_path: Path) -> None:
    """One row in 40 is of each sort; drawn whole or not at all they would be 0 or far more."""
    sample = drawn(tmp_path, [log(8000, distinct=8)], 1600)
    shares = np.unique(np.nan_to_num(sample.matrix[:, 0], nan=-1.0), return_counts=True)[1] / 1600
    assert len(shares) == 8
    assert shares == pytest.approx(np.full(8, 1 / 8), abs=0.03)


def test_samples_add_and_leave_chunks_out(tmp_path: Path) -> None:
    table = log(2000)
    whole = drawn(tmp_path / "whole", [table], 300)
    parts = [drawn(tmp_path / str(place), [table[place * 500 : place * 500 + 500]], 300) for place in range(4)]
    added = (parts[0] + parts[1]) + (parts[2] + parts[3])
    assert same(whole, added)
    assert same(whole, parts[3] + (parts[1] + (parts[0] + parts[2])))
    rest = whole.without(0)
    assert set(rest.chunks.tolist()) == {1}
    assert len(rest.keys) == (whole.chunks == 1).sum()
