"""Logs of a binary model with latencies and requesters, evaluated step by step and at once, whichever way their rows lie in files."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.aggregates.logs import written
from tests.monitoring.desks import BY_PERIOD, DAILY, LOGS, Kept, assert_same, day_rows, kept, run, truth, write_desk

COLUMNS = """
[models.columns]
timestamp = "ts"
id = "id"
prediction = "y_pred"
score = "score"
latency = "ms"
requester = "client"
"""
DAYS = 7
ROWS = 120


def rows_of(day: int, rows: int = ROWS) -> dict[str, np.ndarray]:
    """A day of the log with NULLs, NaN and infinities."""
    rng = np.random.default_rng((day, 11))
    plain = {
        name: value.to_pylist() if isinstance(value, pa.Array) else value
        for name, value in day_rows(day, 0, rows).items()
    }
    columns = {name: np.asarray(value, dtype=object) for name, value in plain.items()}
    if day == DAYS - 1:  # a day that goes on
        midnight = columns["ts"][0].replace(hour=0, minute=0)
        columns["ts"] = np.array([midnight + (moment - midnight) / 2 for moment in columns["ts"]], dtype=object)
    moments = zip(columns["ts"], range(rows), strict=True)
    columns["ts"] = np.array([moment + timedelta(microseconds=row) for moment, row in moments], dtype=object)
    columns["repaid"] = truth(day, 0, rows).astype(object)
    columns["ms"] = np.asarray(rng.lognormal(3, 1, rows).round(1), dtype=object)
    columns["ms"][rng.random(rows) < 0.1] = None
    columns["client"] = np.asarray(rng.choice(["ann", "bob", "cy", None], rows, p=[0.5, 0.3, 0.15, 0.05]), dtype=object)
    columns["y_pred"][rng.random(rows) < 0.04] = None
    columns["x"][:3] = [None, np.inf, -np.inf]
    columns["score"] = columns["score"].astype(np.float64)
    columns["score"][rng.random(rows) < 0.04] = np.nan
    return columns


TYPES = {"ts": pa.timestamp("us"), "x": pa.float64(), "ms": pa.float64(), "y_pred": pa.int8(), "client": pa.string()}


def write_rows(path: Path, columns: Mapping[str, np.ndarray], chosen: Sequence[int] | np.ndarray | None = None) -> None:
    """Rows of a log as a file."""
    rows = np.arange(len(columns["id"])) if chosen is None else np.asarray(chosen)
    arrays = {
        name: pa.array(value[rows].tolist(), TYPES.get(name), from_pandas=False) for name, value in columns.items()
    }
    written(path, arrays)


def all_rows(days: Sequence[int]) -> dict[str, np.ndarray]:
    """The rows of several days."""
    parts = [rows_of(day) for day in days]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def make_desk(
    folder: Path, *monitors: str, columns: str = COLUMNS, chunks: str = DAILY, period: str = BY_PERIOD
) -> None:
    write_desk(folder, LOGS, period, columns, chunks, *monitors)


def in_steps(folder: Path, *monitors: str, **options: str) -> Kept:
    """What is stored after the days arrived one by one, the same as after a full evaluation of a copy and of other files of the same rows."""
    make_desk(folder, *monitors, **options)
    for day in range(DAYS):
        write_rows(folder / "logs" / f"{day:02}.parquet", rows_of(day))
        if day >= DAYS - 3:
            assert run(folder).failure is None
    found = kept(folder)
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    assert_same(found, kept(copy))
    other = folder.parent / "other files"
    make_desk(other, *monitors, **options)
    everything = all_rows(range(DAYS))
    order = np.random.default_rng(4).permutation(len(everything["id"]))
    for number, some in enumerate(np.array_split(order, 3)):
        write_rows(other / "logs" / f"{number}.parquet", everything, some)
    assert run(other).failure is None
    assert_same(kept(other), found)
    return found


def value_of(found: Kept, metric: str, day: int, **key: Any) -> Mapping[str, object]:
    """The one value of a metric on a day."""
    rows = [row for row in found.values.values() if row["metric"] == metric]
    rows = [
        row
        for row in rows
        if f"2024-{2 if day < 4 else 3:02}-{26 + day if day < 4 else day - 3:02}" in str(row["start"])
    ]
    rows = [row for row in rows if all(row[name] == value for name, value in {"segment": None, **key}.items())]
    assert len(rows) == 1, (metric, day, rows)
    return rows[0]
