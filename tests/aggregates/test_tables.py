"""The one law of all tables: the table of A ∪ B is table(A) + table(B); and bytes give back what they were made of."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables, together
from mlops_desk.aggregates.tables import ErrorTable, ValueTable, added
from tests.aggregates import oracle

numbers = st.sampled_from([0.0, -0.0, 1.0, -2.5, 0.1, 0.2, 0.30000000000000004]) | st.floats(-1e3, 1e3)
values = numbers | st.none() | st.sampled_from([np.nan, np.inf, -np.inf])
words = st.sampled_from(["a", "b", "", "Ä", "ä", "10", "9", "日本", "a×b"]) | st.none()
flags = st.sampled_from([0, 1])
labels = st.sampled_from([0, 1, None])
scored = st.tuples(
    st.sampled_from([0.0, 1.0, 0.5, 0.25]) | st.floats(0, 1) | st.sampled_from([None, np.nan]),
    flags | st.none(),
    labels,
)
ranked = st.tuples(st.floats(-2, 3), flags, labels)
pairs = st.tuples(values, values)


def cell(value: float) -> int:
    return int(np.floor(value / 7))


def score_cell(score: float) -> int:
    return int(score * 8)


KINDS: dict[str, tuple[st.SearchStrategy[Any], Callable[[list[Any]], Any]]] = {
    "exact values": (values, oracle.exact),
    "cells of values": (values, lambda rows: oracle.celled(rows, cell)),
    "categories": (words, oracle.categories),
    "exact scores": (scored, oracle.scores),
    "cells of scores": (scored, lambda rows: oracle.scores(rows, score_cell)),
    "ranks": (ranked, oracle.scores),
    "confusion": (st.tuples(words, words), oracle.confusion),
    "errors": (pairs, lambda rows: oracle.errors(rows, 2.5)),
    "cells of errors": (pairs, lambda rows: oracle.errors(rows, 2.5, cell)),
    "groups": (st.tuples(words, scored), lambda rows: oracle.groups("sex×race", rows)),
    "means by group": (st.tuples(words, pairs), lambda rows: oracle.means("sex", rows, 2.5)),
    "distinct rows": (st.integers(-5, 5), oracle.row_set),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15)
@given(drawn=st.data())
def test_the_table_of_all_rows_is_the_sum_of_the_tables_of_some(kind: str, drawn: st.DataObject) -> None:
    row, table = KINDS[kind]
    parts = drawn.draw(st.lists(st.lists(row, max_size=12), min_size=1, max_size=4))
    whole = table([one for part in parts for one in part])
    summed = added([table(part) for part in parts])
    oracle.assert_same(summed, whole)
    oracle.assert_same(added([table(part) for part in reversed(parts)]), whole)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(drawn=st.data())
def test_bytes_of_a_table_are_the_table(kind: str, drawn: st.DataObject) -> None:
    row, table = KINDS[kind]
    one = table(drawn.draw(st.lists(row, max_size=12)))
    oracle.assert_same(unpacked(packed(one)), one, within=0)
    whole = {"a": one, "": {"größe": (one, None)}}
    restored = unpacked(packed(whole))
    oracle.assert_same(restored[""]["größe"][0], one, within=0)
    assert restored[""]["größe"][1] is None


@settings(max_examples=10)
@given(parts=st.lists(st.lists(st.tuples(values, words, scored), max_size=8), min_size=1, max_size=4))
def test_slices_add_as_their_tables_do(parts: list[list[Any]]) -> None:
    def features(rows: list[Any]) -> FeatureTables:
        return FeatureTables(
            rows=len(rows),
            numeric={"x": oracle.exact([row[0] for row in rows])},
            categorical={"k": oracle.categories([row[1] for row in rows])},
            outside={"x": sum(row[0] is not None and row[0] > 3 for row in rows)},
            failures={"k:not_null": sum(row[1] is None for row in rows)},
            first=len(rows) or None,
            last=len(rows) or None,
        )

    def outcomes(rows: list[Any]) -> OutcomeTables:
        return OutcomeTables(
            rows=len(rows),
            labelled=sum(row[2][2] is not None for row in rows),
            scores={"": oracle.scores([row[2] for row in rows])},
            binary=oracle.binary([row[2] for row in rows]),
            groups={"g": oracle.groups("g", [(row[1], row[2]) for row in rows])},
        )

    whole = [row for part in parts for row in part]
    summed = together([features(part) for part in parts])
    oracle.assert_same(summed.numeric, features(whole).numeric)
    assert (summed.rows, summed.outside, summed.failures) == (
        len(whole),
        features(whole).outside,
        features(whole).failures,
    )
    spans = [len(part) for part in parts if part]
    assert (summed.first, summed.last) == (min(spans, default=None), max(spans, default=None))
    oracle.assert_same(together([outcomes(part) for part in parts]), outcomes(whole))


def test_a_table_that_one_slice_lacks_is_that_of_the_other() -> None:
    one = oracle.exact([1.0, None])
    assert together([FeatureTables(rows=2, numeric={"x": one}), FeatureTables(rows=3)]).numeric == {"x": one}
    errors = oracle.errors([(1.0, 2.0)], 0.0)
    assert (
        together([OutcomeTables(rows=1, labelled=0), OutcomeTables(rows=1, labelled=1, errors=errors)]).errors is errors
    )
    with pytest.raises(ValueError, match="nothing to add"):
        together([])
    with pytest.raises(ValueError, match="nothing to add"):
        added([])


def test_tables_that_do_not_go_together_do_not_add() -> None:
    with pytest.raises(ValueError, match="do not add"):
        oracle.exact([1.0]) + oracle.celled([1.0], cell)
    with pytest.raises(ValueError, match="do not add"):
        oracle.scores([(0.5, 1, 1)]) + oracle.scores([(0.5, 1, 1)], score_cell)
    with pytest.raises(ValueError, match="centres"):
        oracle.errors([], 1.0) + oracle.errors([], 2.0)
    with pytest.raises(ValueError, match="attributes"):
        oracle.groups("sex", []) + oracle.groups("race", [])
    with pytest.raises(ValueError, match="attributes or centres"):
        oracle.means("sex", [], 1.0) + oracle.means("sex", [], 2.0)


@given(st.lists(values, max_size=30))
def test_numbers_that_tables_tell_of_their_rows(rows: list[float | None]) -> None:
    finite = [value for value in rows if value is not None and np.isfinite(value)]
    for table in (oracle.exact(rows), oracle.celled(rows, cell)):
        assert (table.n, table.rows) == (len(finite), len(rows))
        assert table.cumulative.tolist() == [0, *np.cumsum(table.counts).tolist()]
        if finite:
            assert (table.lowest, table.highest) == (min(finite), max(finite))
            assert table.mean == pytest.approx(np.mean(finite), abs=1e-9)
            assert table.deviation_squares == pytest.approx(np.var(finite) * len(finite), abs=1e-6)


def test_sums_of_many_tables_keep_what_large_and_small_numbers_hold() -> None:
    """Cells far from zero: squares around the mean must not drown."""
    rows = np.random.default_rng(2).normal(1e9, 1, size=4000)
    tables = [oracle.celled(part.tolist(), lambda x: int(x - 1e9) // 2) for part in np.array_split(rows, 37)]
    table = added(tables)
    assert table.deviation_squares == pytest.approx(rows.var() * len(rows), rel=1e-6)
    assert table.n == 4000


@given(st.binary(max_size=60))
def test_other_bytes_are_no_table(body: bytes) -> None:
    try:
        restored = unpacked(body)
    except ValueError:
        return
    assert not isinstance(restored, ValueTable | ErrorTable)


@given(at=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_flipped_byte_never_ends_in_another_error(at: int, mask: int) -> None:
    body = bytearray(packed({"x": oracle.exact([1.0, 2.0, None]), "k": oracle.categories(["a", "b"])}))
    body[at % len(body)] ^= mask
    with suppress(ValueError):
        unpacked(bytes(body))


@pytest.mark.parametrize(
    "plain",
    [
        ["a", "object", [1], b"12345678"],
        ["a", "int64", [3], b"12345678"],
        ["a", "int64", ["x"], b"12345678"],
        ["o", "Path", {}],
        ["o", "ValueTable", {"values": 1, "unknown": 2}],
        ["o", "ValueTable", 7],
        ["o", "ValueTable", []],
        ["o", ["a"], {}],
        ["t"],
        [],
        [1, 2],
        ["t", 5],
    ],
)
def test_what_looks_like_a_packed_table_and_is_none_is_refused(plain: object) -> None:
    with pytest.raises(ValueError):
        unpacked(msgspec.msgpack.encode(plain))


@given(st.lists(st.sampled_from([0, 1, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, -1, 2**62, -(2**62)]), max_size=5))
def test_counts_come_back_whatever_type_they_were_kept_in(counts: list[int]) -> None:
    given_counts = np.array(counts, dtype=np.int64)
    found = unpacked(packed((given_counts,)))[0]
    assert found.dtype == np.int64
    assert found.tolist() == counts


def test_small_counts_take_little_room_and_odd_arrays_are_refused() -> None:
    assert len(packed((np.zeros(1000, dtype=np.int64),))) < 1100
    with pytest.raises(TypeError, match="bool"):
        packed((np.zeros(3, dtype=np.bool_),))
