"""The search for weak slices: finds what was planted, names pairs only where they say more, and keeps the rate of false finds."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from mlops_desk.metrics import attribution, slice_search
from mlops_desk.metrics.slice_search import Sums, weak_slices, worse_by_chance


def sums(values: np.ndarray) -> Sums:
    return Sums(rows=len(values), total=float(values.sum()), squares=float((values**2).sum()))


def all_slices(columns: dict[str, np.ndarray], values: np.ndarray) -> dict[tuple[str, ...], Sums]:
    masks = {f"{name}={one}": column == one for name, column in columns.items() for one in np.unique(column)}
    found = {(name,): sums(values[mask]) for name, mask in masks.items()}
    for first in masks:
        for second in masks:
            if first.split("=")[0] < second.split("=")[0]:
                found[first, second] = sums(values[masks[first] & masks[second]])
    return found


def made(rng: np.random.Generator, rows: int = 4000) -> dict[str, np.ndarray]:
    return {name: rng.integers(0, 4, rows) for name in "abc"}


@pytest.mark.parametrize("module", [attribution, slice_search])
def test_examples_of_the_docs(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_a_planted_segment_is_found_alone() -> None:
    rng = np.random.default_rng(3)
    columns = made(rng)
    right = (rng.random(4000) < np.where(columns["b"] == 2, 0.7, 0.9)).astype(float)
    found = weak_slices(sums(right), all_slices(columns, right), higher_is_better=True)
    assert [one.parts for one in found] == [("b=2",)]
    assert found[0].mean == pytest.approx(right[columns["b"] == 2].mean())
    assert found[0].rest_mean == pytest.approx(right[columns["b"] != 2].mean())


def test_a_planted_pair_is_found_as_a_pair() -> None:
    rng = np.random.default_rng(4)
    columns = made(rng)
    error = rng.exponential(np.where((columns["a"] == 1) & (columns["c"] == 3), 3.0, 1.0))
    found = weak_slices(sums(error), all_slices(columns, error), higher_is_better=False)
    assert found[0].parts == ("a=1", "c=3")
    assert all(len(one.parts) == 1 for one in found[1:])


def test_where_nothing_is_weak_little_is_found() -> None:
    rng = np.random.default_rng(5)
    finds = 0
    for _ in range(200):
        columns = made(rng, 1500)
        right = (rng.random(1500) < 0.85).astype(float)
        finds += bool(weak_slices(sums(right), all_slices(columns, right), higher_is_better=True))
    assert finds <= 20, "5 % of 200, and three standard errors"


def test_small_slices_are_not_looked_at() -> None:
    whole = Sums(rows=1000, total=900, squares=900)
    assert weak_slices(whole, {("a",): Sums(rows=29, total=0, squares=0)}, higher_is_better=True) == ()
    assert len(weak_slices(whole, {("a",): Sums(rows=30, total=0, squares=0)}, higher_is_better=True)) == 1


@given(st.integers(30, 500), st.integers(30, 500), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_test_is_the_score_test(n: int, m: int, p: float, q: float) -> None:
    a, b = round(n * p), round(m * q)
    pooled = (a + b) / (n + m)
    found = worse_by_chance(Sums(rows=n, total=a, squares=a), Sums(rows=m, total=b, squares=b), higher_is_better=True)
    if pooled in (0, 1):
        assert found == 1.0
    else:
        z = (b / m - a / n) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        assert found == pytest.approx(norm.sf(z), rel=1e-6, abs=1e-12)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=20))
def test_adjusted_values_lie_between_none_and_bonferroni(ps: list[float]) -> None:
    ordered = sorted((p, (str(index),)) for index, p in enumerate(ps))
    adjusted = [p for p, _ in slice_search._holm(ordered)]
    plain = [p for p, _ in ordered]
    assert adjusted == sorted(adjusted)
    assert all(p <= one <= min(1.0, p * len(ps)) or one >= p for p, one in zip(plain, adjusted, strict=True))
    assert all(one >= fdr - 1e-12 for one, fdr in zip(adjusted, false_discovery_control(plain), strict=True))
