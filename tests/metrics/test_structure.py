"""Columns that became constant, came, went or changed type, by counting distinct values and by resampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.aggregates.plan import OTHER
from mlops_desk.metrics.structure import constant_columns, schema_changes
from tests.aggregates import oracle

some_values = st.lists(st.sampled_from([None, 1.0, 1.0 + 1e-9, 7.0, np.nan, np.inf, -np.inf]), min_size=1, max_size=6)


def distinct(values):
    return {value for value in values if value is not None and not np.isnan(value)}


@pytest.mark.parametrize("by_cell", [False, True])
@given(now=st.lists(some_values, min_size=1, max_size=4), before=st.lists(some_values, min_size=4, max_size=4))
def test_it_is_the_count_of_columns_with_one_value_that_had_more(by_cell, now, before):
    cells = fitted_map(np.array([1.0, 7.0]), 1.0, 7.0)

    def table(values):
        if by_cell:
            return oracle.celled(values * 20, lambda value: int(cells.cell_of(np.array([value]))[0]))
        return oracle.exact(values * 20)

    known = {f"c{place}": table(values) for place, values in enumerate(before)}
    own = {f"c{place}": table(values) for place, values in enumerate(now)}
    expected = sum(
        len(distinct(values)) == 1 and len(distinct(then)) > 1 and own[f"c{place}"].n >= 20
        for place, (values, then) in enumerate(zip(now, before, strict=False))
    )
    assert constant_columns(own, known, 100, min_rows=20).value == expected


def test_categories_and_the_rest_that_is_not_told_apart():
    known = {"kind": oracle.categories(["a"] * 20 + ["b"] * 20)}
    assert constant_columns({"kind": oracle.categories(["b"] * 40 + [None])}, known, 41).value == 1
    assert constant_columns({"kind": oracle.categories(["a", "b"] * 20)}, known, 40).value == 0
    assert constant_columns({"kind": oracle.categories([None] * 40)}, known, 40).value == 0
    assert constant_columns({}, known, 40).value == 0
    many = {"kind": oracle.categories([OTHER, *(f"k{number}" for number in range(1000))])}
    assert constant_columns({"kind": oracle.categories([OTHER] * 40)}, many, 40).value == 0
    assert constant_columns({"kind": oracle.categories(["k7"] * 40)}, many, 40).value == 1
    assert constant_columns({}, known, 29).reason == "29 rows, fewer than 30"
    assert constant_columns({}, known, 0).reason == "no rows"


def test_the_error_is_that_of_chunks_drawn_from_the_reference():
    rng = np.random.default_rng(3)
    shares = {"rare": 0.02, "common": 0.4, "rarer": 0.05}
    known = {name: oracle.categories(["y"] * int(1000 * p) + ["n"] * int(1000 * (1 - p))) for name, p in shares.items()}
    drawn = []
    for _ in range(4000):
        tables = {
            name: oracle.categories(np.where(rng.random(40) < p, "y", "n").tolist()) for name, p in shares.items()
        }
        drawn.append(constant_columns(tables, known, 40))
    assert drawn[0].sampling_error == pytest.approx(np.sqrt(np.mean(np.square([one.value for one in drawn]))), rel=0.05)


OLD = [("a", "INTEGER"), ("b", "VARCHAR"), ("t", "TINYINT")]


@pytest.mark.parametrize(
    ("files", "reference", "changes"),
    [
        ([OLD], [OLD], 0),
        ([[("a", "INTEGER"), ("b", "VARCHAR")]], [OLD], 0),
        ([[("a", "DOUBLE"), ("b", "VARCHAR")]], [OLD], 1),
        ([[("a", "INTEGER")]], [OLD], 1),
        ([[*OLD, ("new", "DOUBLE")]], [OLD], 1),
        ([[("A", "INTEGER"), ("b", "VARCHAR")]], [OLD], 2),
        ([OLD, [("a", "DOUBLE"), ("b", "VARCHAR")], [("a", "BIGINT"), ("b", "VARCHAR")]], [OLD], 1),
        ([[("a", "INTEGER")]], [OLD, [("a", "INTEGER")]], 0),
        ([[("a", "BIGINT"), ("b", "VARCHAR")]], [OLD, [("a", "BIGINT")]], 0),
    ],
)
def test_schema_changes(files, reference, changes):
    assert schema_changes(files, reference, ["t"]).value == changes
    assert schema_changes(files[::-1] * 2, reference[::-1] * 2, ["t"]).value == changes


def test_schema_changes_need_files():
    assert schema_changes([], [OLD]).reason == "no files"
