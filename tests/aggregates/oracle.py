"""Tables counted in plain Python, row by row, and how two of them are compared."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from mlops_desk.aggregates.group_tables import GroupMeans, GroupTable
from mlops_desk.aggregates.tables import CategoryTable, ConfusionTable, ErrorTable, RowSet, ScoreTable, ValueTable

EPSILON = float(np.finfo(np.float64).eps)
Row = tuple[float | None, int | None, int | None]
"""Score, prediction (0 or 1) and label (0 or 1)."""


def ints(numbers: Iterable[int]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.int64)


def floats(numbers: Iterable[float]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.float64)


def odd_ones(values: Sequence[float | None]) -> dict[str, int]:
    """Counts of what is no finite number."""
    numbers = [value for value in values if value is not None]
    return {
        "missing": len(values) - len(numbers),
        "nan": sum(math.isnan(value) for value in numbers),
        "positive_infinite": sum(value == math.inf for value in numbers),
        "negative_infinite": sum(value == -math.inf for value in numbers),
    }


def exact(values: Sequence[float | None]) -> ValueTable:
    """The table of a column, None standing for NULL."""
    counts = Counter(value for value in values if value is not None and math.isfinite(value))
    distinct = sorted(counts)
    return ValueTable(values=floats(distinct), counts=ints(counts[value] for value in distinct), **odd_ones(values))


def celled(values: Sequence[float | None], cell_of: Callable[[float], int]) -> ValueTable:
    """The table by cell, with the tightest bounds."""
    by_cell: dict[int, list[float]] = {}
    for value in values:
        if value is not None and math.isfinite(value):
            by_cell.setdefault(cell_of(value), []).append(value)
    cells = sorted(by_cell)
    means = [min(max(math.fsum(by_cell[c]) / len(by_cell[c]), min(by_cell[c])), max(by_cell[c])) for c in cells]
    return ValueTable(
        values=floats(means),
        counts=ints(len(by_cell[cell]) for cell in cells),
        lowers=floats(min(by_cell[cell]) for cell in cells),
        uppers=floats(max(by_cell[cell]) for cell in cells),
        cells=ints(cells),
        squares=floats(math.fsum((x - m) ** 2 for x in by_cell[c]) for c, m in zip(cells, means, strict=True)),
        **odd_ones(values),
    )


def categories(texts: Sequence[str | None]) -> CategoryTable:
    counts = Counter(text for text in texts if text is not None)
    names = tuple(sorted(counts))
    return CategoryTable(
        categories=names, counts=ints(counts[name] for name in names), missing=len(texts) - counts.total()
    )


def binary(rows: Iterable[Row]) -> np.ndarray:
    """(2, 3) rows by prediction and label."""
    counts = np.zeros((2, 3), dtype=np.int64)
    for _, prediction, label in rows:
        if prediction is not None:
            counts[prediction, 2 if label is None else label] += 1
    return counts


def scores(rows: Iterable[Row], cell_of: Callable[[float], int] | None = None) -> ScoreTable:
    kept = [row for row in rows if row[0] is not None and math.isfinite(row[0]) and row[1] is not None]
    entry = (lambda score: score) if cell_of is None else cell_of
    by_entry: dict[float, list[Row]] = {}
    for row in kept:
        by_entry.setdefault(entry(row[0]), []).append(row)
    entries = sorted(by_entry)
    counts = np.array([binary(by_entry[one]) for one in entries], dtype=np.int64).reshape(len(entries), 2, 3)
    loss = brier = 0.0
    for score, _, label in kept:
        if label is not None:
            loss -= math.log(min(max(score if label else 1 - score, EPSILON), 1 - EPSILON))
            brier += (score - label) ** 2
    known = [[row[0] for row in by_entry[one]] for one in entries]
    cells = {}
    if cell_of is not None:
        cells = {
            "cells": ints(entries),
            "lowers": floats(min(some) for some in known),
            "uppers": floats(max(some) for some in known),
        }
    return ScoreTable(
        scores=floats(math.fsum(some) / len(some) for some in known) if cell_of else floats(entries),
        counts=counts,
        log_loss_total=loss,
        brier_total=brier,
        in_unit_interval=all(0 <= row[0] <= 1 for row in kept),
        **cells,
    )


def confusion(rows: Sequence[tuple[str | None, str | None]], losses: Sequence[float] | None = None) -> ConfusionTable:
    """Of (prediction, label) rows."""
    kept = [row for row in rows if row[0] is not None]
    classes = tuple(sorted({one for row in kept for one in row if one is not None}))
    place = {one: index for index, one in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    predicted = np.zeros(len(classes), dtype=np.int64)
    for prediction, label in kept:
        predicted[place[prediction]] += 1
        if label is not None:
            counts[place[label], place[prediction]] += 1
    total = None if losses is None else math.fsum(losses)
    return ConfusionTable(classes=classes, counts=counts, predicted=predicted, log_loss_total=total)


def errors(
    rows: Sequence[tuple[float | None, float | None]], centre: float, cell_of: Callable[[float], int] | None = None
) -> ErrorTable:
    """Of (prediction, target) rows."""
    finite = [tuple(one if one is not None and math.isfinite(one) else None for one in row) for row in rows]
    both = [(y, t) for y, t in finite if y is not None and t is not None]
    logs = [(math.log1p(y) - math.log1p(t)) ** 2 for y, t in both if y > -1 and t > -1]
    absolute = [abs(y - t) for y, t in both]
    return ErrorTable(
        n=len(both),
        rows=sum(y is not None for y, _ in finite),
        error=math.fsum(y - t for y, t in both),
        absolute=math.fsum(absolute),
        squares=math.fsum((y - t) ** 2 for y, t in both),
        relative=math.fsum(abs(y - t) / max(abs(t), EPSILON) for y, t in both),
        log_squares=math.fsum(logs),
        negative=len(both) - len(logs),
        target=math.fsum(t - centre for _, t in both),
        target_squares=math.fsum((t - centre) ** 2 for _, t in both),
        centre=centre,
        absolute_values=exact(absolute) if cell_of is None else celled(absolute, cell_of),
    )


def groups(attribute: str, rows: Iterable[tuple[str | None, Row]], class_: str | None = None) -> GroupTable:
    by_group: dict[str, list[Row]] = {}
    for group, row in rows:
        if group is not None and row[1] is not None:
            by_group.setdefault(group, []).append(row)
    names = tuple(sorted(by_group))
    counts = np.array([binary(by_group[name]) for name in names], dtype=np.int64).reshape(len(names), 2, 3)
    return GroupTable(attribute=attribute, groups=names, counts=counts, class_=class_)


def means(
    attribute: str, rows: Iterable[tuple[str | None, tuple[float | None, float | None]]], centre: float
) -> GroupMeans:
    by_group: dict[str, list[tuple[float, float | None]]] = {}
    for group, (y, t) in rows:
        if group is not None and y is not None and math.isfinite(y):
            by_group.setdefault(group, []).append((y, t if t is not None and math.isfinite(t) else None))
    names = tuple(sorted(by_group))
    gaps = [[abs(y - t) for y, t in by_group[name] if t is not None] for name in names]
    return GroupMeans(
        attribute=attribute,
        groups=names,
        rows=ints(len(by_group[name]) for name in names),
        labelled=ints(len(gap) for gap in gaps),
        prediction=floats(math.fsum(y - centre for y, _ in by_group[name]) for name in names),
        prediction_squares=floats(math.fsum((y - centre) ** 2 for y, _ in by_group[name]) for name in names),
        absolute=floats(math.fsum(gap) for gap in gaps),
        absolute_squares=floats(math.fsum(one**2 for one in gap) for gap in gaps),
        centre=centre,
    )


def row_set(values: Sequence[int]) -> RowSet:
    return RowSet(hashes=ints(sorted(set(values))), rows=len(values))


def assert_same(found: Any, expected: Any, *, within: float = 1e-9, where: str = "") -> None:
    """Integers, texts and shapes to the letter; floats to `within`, relative and absolute."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray), where
        assert found.shape == expected.shape, f"{where}: {found} is not {expected}"
        assert found.dtype == expected.dtype, where
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=within, atol=within, err_msg=where)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=where)
    elif isinstance(expected, Struct):
        assert type(found) is type(expected), where
        for name, field in asdict(expected).items():
            assert_same(getattr(found, name), field, within=within, where=f"{where}.{name}")
    elif isinstance(expected, Mapping):
        assert set(found) == set(expected), where
        for name in expected:
            assert_same(found[name], expected[name], within=within, where=f"{where}[{name}]")
    elif isinstance(expected, float) and not isinstance(found, bool):
        assert math.isclose(found, expected, rel_tol=within, abs_tol=within), f"{where}: {found} is not {expected}"
    else:
        assert found == expected, f"{where}: {found!r} is not {expected!r}"
