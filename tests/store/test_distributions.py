"""Display histograms: sums over any chunks, categories that come later, and bins that change."""

import numpy as np
import pytest

from mlops_desk.domain.schema import Kind
from mlops_desk.store.distributions import ChunkCounts, Histogram
from tests.store.examples import DAY_ONE, day

DAYS = [day(i) for i in range(4)]


def write(store, *histograms: Histogram, chunks=DAYS) -> None:
    with store.evaluation("credit", "state", DAY_ONE) as writer:
        writer.replace_chunks("analysis", chunks)
        writer.write_distributions(histograms)


def of_ages(counts, edges=(0.0, 30.0, 60.0, 90.0), totals=None, chunks=DAYS) -> Histogram:
    totals = totals or [None] * len(chunks)
    parts = [
        ChunkCounts(split="analysis", chunk_key=chunk.key, counts=row, total=total)
        for chunk, row, total in zip(chunks, counts, totals, strict=True)
    ]
    return Histogram(column="age", kind=Kind.NUMERIC, edges=edges, chunks=tuple(parts))


def of_regions(chunk, **counts: int) -> Histogram:
    part = ChunkCounts(split="analysis", chunk_key=chunk.key, counts=tuple(counts.values()))
    return Histogram(column="region", kind=Kind.CATEGORICAL, categories=tuple(counts), chunks=(part,))


def test_counts_and_sums_add_over_the_chunks_that_are_asked_for(store) -> None:
    counts = np.random.default_rng(1).integers(0, 2**40, (4, 3))
    write(store, of_ages(counts, totals=[10.0, 20.0, 30.0, 40.0]))
    some = store.distribution("credit", "age", "analysis", {DAYS[0].key, DAYS[2].key})
    assert some.counts == tuple(counts[[0, 2]].sum(axis=0))
    assert (some.kind, some.edges, some.categories, some.total) == (Kind.NUMERIC, (0.0, 30.0, 60.0, 90.0), (), 40.0)
    assert some.rows == counts[[0, 2]].sum()
    assert some.mean == pytest.approx(40.0 / some.rows)
    assert store.distribution("credit", "age", "analysis").counts == tuple(counts.sum(axis=0))
    nothing = store.distribution("credit", "age", "reference")
    assert (nothing.counts, nothing.mean) == ((0, 0, 0), None)


def test_a_column_or_a_model_without_histograms_has_none(store) -> None:
    assert store.distribution("credit", "age", "analysis") is None
    write(store, of_ages([[1, 1, 1]] * 4))
    assert store.distribution("credit", "income", "analysis") is None
    assert store.distribution("credit", "age", "analysis", segment="region=north") is None


def test_an_unknown_sum_makes_no_mean(store) -> None:
    write(store, of_ages([[1, 0, 0]] * 4, totals=[1.0, None, 1.0, 1.0]))
    assert store.distribution("credit", "age", "analysis").mean is None
    assert store.distribution("credit", "age", "analysis", [DAYS[0].key]).mean == 1.0


def test_categories_that_come_later_go_to_the_end_in_whatever_order_they_are_counted(store) -> None:
    write(store, of_regions(DAYS[0], north=5, south=7))
    write(store, of_regions(DAYS[1], east=1, south=2, north=3))
    write(store, of_regions(DAYS[2]))
    merged = store.distribution("credit", "region", "analysis")
    assert dict(zip(merged.categories, merged.counts, strict=True)) == {"north": 8, "south": 9, "east": 1}
    first = store.distribution("credit", "region", "analysis", [DAYS[0].key])
    assert dict(zip(first.categories, first.counts, strict=True)) == {"north": 5, "south": 7, "east": 0}
    assert merged.mean is None


def test_other_edges_drop_what_was_counted_with_the_former_ones(store) -> None:
    write(store, of_ages([[1, 1, 1]] * 4))
    write(store, of_ages([[4, 4]], edges=(0.0, 50.0, 100.0), chunks=DAYS[:1]))
    after = store.distribution("credit", "age", "analysis")
    assert (after.edges, after.counts) == ((0.0, 50.0, 100.0), (4, 4))


def test_chunks_written_anew_replace_and_chunks_that_are_gone_leave(store) -> None:
    write(store, of_ages([[1, 1, 1]] * 4))
    write(store, of_ages([[5, 0, 0]], chunks=DAYS[:1]))
    assert store.distribution("credit", "age", "analysis").counts == (8, 3, 3)
    write(store, chunks=DAYS[:1])
    write(store, chunks=DAYS)
    assert store.distribution("credit", "age", "analysis").counts == (5, 0, 0)
