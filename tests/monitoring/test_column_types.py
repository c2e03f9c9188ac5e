"""The same values in another type are the same values: times with a zone, truths and numbers, whichever file holds which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_desk.operations.dropped import Parts
from mlops_desk.operations.guess import proposal
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    INSIDE,
    LOGS,
    Kept,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_desk,
)

DAYS = 7
MONITORS = """
[[models.monitors]]
metrics = ["jensen_shannon", "missing_rate", "rows", "accuracy", "roc_auc", "mean", "demographic_parity_difference"]
"""
Change = Callable[[int, dict[str, Any]], dict[str, Any]]


def workspace(folder: Path, change: Change = lambda _, rows: rows, *parts: str, days: int = DAYS) -> Path:
    """A workspace of daily files with labels inside, each as `change` makes it of its number and columns."""
    given = "".join(parts)
    reference = "" if "models.reference" in given else BY_PERIOD
    columns = "" if "models.columns" in given else COLUMNS + INSIDE
    chunks = "" if "models.chunks" in given else '[models.chunks]\nevery = "1d"\n'
    write_desk(folder, LOGS, reference, columns, chunks, MONITORS, *parts)
    for day in range(days):
        written(folder / "logs" / f"{day:02}.parquet", change(day, {**day_rows(day), "repaid": truth(day)}))
    return folder


def evaluated(folder: Path, **options: Any) -> Kept:
    """What is stored after a run that must not fail."""
    outcome = run(folder, **options)
    assert outcome.failure is None, outcome.failure
    return kept(folder)


def assert_like_full(folder: Path) -> None:
    """Whether a full evaluation leaves what is stored."""
    before = kept(folder)
    assert_same(before, evaluated(folder, full=True))


def zoned(unit: str) -> Change:
    return lambda _, rows: {**rows, "ts": with_zone(rows["ts"], unit)}


def with_zone(times: pa.Array, unit: str) -> pa.Array:
    return times.cast(pa.timestamp(unit)).cast(pa.int64()).cast(pa.timestamp(unit, "UTC"))


CHUNKS = {
    "days of Berlin": '[models.chunks]\nevery = "1d"\ntimezone = "Europe/Berlin"\n',
    "hours": '[models.chunks]\nevery = "6h"\n',
    "size": "[models.chunks]\nsize = 50\n",
    "number": "[models.chunks]\nnumber = 3\n",
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("which", [lambda day: True, lambda day: day % 2], ids=["all", "some"])
def test_nanoseconds_with_a_zone_are_read_like_microseconds(
    tmp_path: Path, chunks: str, which: Callable[[int], bool]
) -> None:
    micro, nano = zoned("us"), zoned("ns")
    one = workspace(tmp_path / "us", micro, chunks)
    other = workspace(tmp_path / "ns", lambda day, rows: (nano if which(day) else micro)(day, rows), chunks)
    assert_same(evaluated(other), evaluated(one))
    assert_like_full(other)


def test_nanoseconds_with_a_zone_beside_times_without(tmp_path: Path) -> None:
    nano, chunks = zoned("ns"), CHUNKS["size"]
    one = workspace(tmp_path / "naive", lambda _, rows: rows, chunks)
    other = workspace(tmp_path / "mixed", lambda day, rows: nano(day, rows) if day % 2 else rows, chunks)
    assert_same(evaluated(other), evaluated(one))


def test_another_column_of_nanoseconds_with_a_zone_is_no_trouble(tmp_path: Path) -> None:
    def change(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return {**rows, "seen": with_zone(rows["ts"], "ns") if day % 2 else rows["ts"]}

    assert_same(
        evaluated(workspace(tmp_path / "a", change)),
        evaluated(workspace(tmp_path / "b", lambda day, rows: {**rows, "seen": rows["ts"]})),
    )


def test_init_reads_nanoseconds_with_a_zone(tmp_path: Path) -> None:
    folder = workspace(tmp_path, zoned("ns"))
    (folder / "desk.toml").unlink()
    made = proposal(folder, Parts(logs=("logs",)))
    assert made.failure is None
    assert made.model.columns.timestamp == "ts"
    assert made.model.chunks.every is not None
