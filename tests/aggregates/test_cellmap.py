"""Cell maps: monotone, with true bounds for every finite number, and the same in the engine as in Python but for ties."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlops_desk.aggregates.cellmap import CELLS, GREATEST, LEAST_SCALE, CellMap, fitted_map
from mlops_desk.warehouse.connection import Connection

finite = st.floats(allow_nan=False, allow_infinity=False)
friendly = st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(float) | st.sampled_from([0.0, -0.0, 0.5, 1e-9])
HUGEST = float(np.finfo(np.float64).max)
samples = st.lists(friendly, min_size=1, max_size=60) | st.lists(finite, min_size=1, max_size=60)


def mapped(sample: list[float]) -> CellMap:
    values = np.array(sample, dtype=np.float64)
    return fitted_map(values, float(values.min()), float(values.max()))


def bounds(cells: CellMap, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return cells.bounds(cells.cell_of(values), float(values.min()), float(values.max()))


@given(sample=samples, others=st.lists(finite | friendly, min_size=1, max_size=40))
@example(sample=[0.0, 5e-324], others=[HUGEST, -HUGEST])
@example(sample=[-HUGEST, HUGEST], others=[0.0])
@example(sample=[-1e308, 1e308, 3.0], others=[1.0])
@example(sample=[1e300, 1.1e300], others=[HUGEST])
@example(sample=[HUGEST, HUGEST], others=[-HUGEST])
def test_every_finite_number_lies_within_the_bounds_of_its_cell(sample: list[float], others: list[float]) -> None:
    cells = mapped(sample)
    values = np.array([*sample, *others, HUGEST, -HUGEST, 5e-324])
    found = cells.cell_of(values)
    assert found.min() >= 0
    assert found.max() < CELLS
    lowers, uppers = bounds(cells, values)
    assert np.all(lowers <= values)
    assert np.all(values <= uppers)
    assert LEAST_SCALE <= cells.scale <= GREATEST
    assert abs(cells.centre) <= GREATEST


@given(sample=samples, others=st.lists(finite | friendly, min_size=2, max_size=60))
def test_cells_are_in_the_order_of_numbers(sample: list[float], others: list[float]) -> None:
    found = mapped(sample).cell_of(np.sort(np.array([*sample, *others])))
    assert np.all(np.diff(found) >= 0)


@given(sample=st.lists(friendly, min_size=2, max_size=40), steps=st.integers(-3, 3))
def test_numbers_at_borders_lie_within_bounds(sample: list[float], steps: int) -> None:
    """Where rounding decides the cell: the borders themselves and their nearest neighbours."""
    cells = mapped(sample)
    borders = cells._border(np.arange(CELLS - 1) + 0.5)
    values = borders[np.isfinite(borders)]
    for _ in range(abs(steps)):
        values = np.nextafter(values, np.inf if steps > 0 else -np.inf)
    lowers, uppers = bounds(cells, values)
    assert np.all((lowers <= values) & (values <= uppers))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sample=samples, others=st.lists(finite | friendly, min_size=1, max_size=30))
@example(sample=[-HUGEST, HUGEST], others=[0.0])
@example(sample=[1e-300, 2e-300], others=[1e300])
@example(sample=[0.0, 5e-324], others=[HUGEST, -HUGEST])
def test_the_engine_puts_numbers_into_cells_with_the_same_bounds(
    engine: Connection, sample: list[float], others: list[float]
) -> None:
    cells = mapped(sample)
    values = np.array([*sample, *others, HUGEST, -HUGEST, 5e-324, *cells._border(np.arange(1, 20) * 12.5)])
    values = values[np.isfinite(values)]
    engine.load("numbers", {"x": values}, ["x"])
    result = engine.columns(f"select try_cast({cells.sql('x')} as utinyint) c from numbers")["c"]
    assert not np.ma.getmaskarray(result).any()
    found = np.asarray(result, dtype=np.int64)
    assert np.all(np.abs(found - cells.cell_of(values)) <= 1)
    lowers, uppers = cells.bounds(found, float(values.min()), float(values.max()))
    assert np.all((lowers <= values) & (values <= uppers))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Connection:
    return Connection([], tmp_path_factory.mktemp("spill"))


def test_what_is_no_finite_number_has_no_cell(engine: Connection) -> None:
    values = np.array([np.nan, np.inf, -np.inf])
    for cells in (mapped([0.0, 1.0]), mapped([0.1, 5.0, 9e9]), mapped([3.0, 3.0])):
        engine.load("odd", {"x": values}, ["x"])
        found = engine.columns(f"select try_cast({cells.sql('x')} as utinyint) c from odd")["c"]
        assert np.ma.getmaskarray(found).all()
    assert engine.rows(f"select try_cast({mapped([0.5, 1.7]).sql('null::double')} as utinyint)") == [(None,)]


@given(st.integers(1, CELLS - 3), st.integers(-(10**6), 10**6), st.integers(1, 60))
def test_few_whole_numbers_have_a_cell_each(length: int, least: int, step: int) -> None:
    numbers = sorted({*range(least, least + length, step), least + length})
    cells = mapped([float(number) for number in numbers])
    distinct = np.array(numbers, dtype=np.float64)
    assert len(set(cells.cell_of(distinct).tolist())) == len(distinct)
    outside = cells.cell_of(np.array([distinct[0] - 1, distinct[-1] + 1]))
    assert not set(outside.tolist()) & set(cells.cell_of(distinct).tolist())


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=5000),
        np.random.default_rng(1).lognormal(0, 3, size=5000),
        np.random.default_rng(1).random(5000),
        np.concatenate([np.zeros(2000), np.random.default_rng(1).normal(1e6, 1, size=3000)]),
    ],
    ids=["normal", "heavy tail", "even", "far apart"],
)
def test_a_fitted_map_spreads_rows_over_many_cells(values: NDArray[np.float64]) -> None:
    cells = fitted_map(values, float(values.min()), float(values.max()))
    shares = np.bincount(cells.cell_of(values), minlength=CELLS) / len(values)
    most = 2 if np.mean(values == 0) > 0.1 else 1
    assert np.sort(shares)[-most] < 0.08
