"""Small logs of predictions whose errors change on a day, and what drift detectors find in them, stored and expected."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlops_desk.domain.metric import Detection
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.detectors import DETECTORS, WARNING, Stream, advanced
from mlops_desk.monitoring.seeds import seed_of
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written
from tests.monitoring.desks import FIRST_DAY, REFERENCE_DAYS, Kept, assert_same, kept, run

ROWS = 120
COLUMNS = '[models.columns]\ntimestamp = "ts"\nid = "id"\nprediction = "y"\n'
LOGS = '[models.logs]\npath = "logs"\n'
BY_PATH = '[models.reference]\npath = "reference"\n'
LABELS = '[models.labels]\npath = "labels"\nkey = "id"\ntarget = "t"\n'
DAILY = '[models.chunks]\nevery = "1d"\n'
EVERY = ", ".join(f'"{one}"' for one in DETECTORS)
MONITOR = f"[[models.monitors]]\nmetrics = [{EVERY}]\n"
OF_NUMBERS = ("page_hinkley", "adwin", "kswin")
MONITOR_OF_NUMBERS = '[[models.monitors]]\nmetrics = ["page_hinkley", "adwin", "kswin"]\n'
INSIDE_T = 'target = "t"\n'
IN_SEGMENTS = f'{MONITOR}segments = ["*", "shop"]\n'


def day_of(day: int, seed: int = 0, rows: int = ROWS) -> dict[str, Any]:
    """A day of predictions with their labels: 5 % are wrong up to the ninth day, then half of them; times are unsorted and some are equal."""
    rng = np.random.default_rng((day, seed))
    y = rng.integers(0, 2, rows)
    wrong = rng.random(rows) < (0.05 if day < 9 else 0.5)
    start = FIRST_DAY + timedelta(days=day)
    return {
        "id": np.arange(rows) + 1000 * day,
        "ts": pa.array([start + timedelta(minutes=15 * int(m)) for m in rng.integers(0, 96, rows)], pa.timestamp("us")),
        "shop": rng.choice(["n", "s", "w"] if day != 10 else ["n", "new"], rows, p=None),
        "x": rng.normal(size=rows),
        "y": y.astype(np.int8),
        "t": (y ^ wrong).astype(np.int8),
    }


def write_days(folder: Path, days: range, *, labels: bool = False) -> None:
    """Writes the reference, and a file for each of these days of the log, with labels inside or apart."""
    reference = [day_of(day) for day in range(REFERENCE_DAYS)]
    written(folder / "reference" / "all.parquet", joined(reference))
    for day in days:
        write_one(folder, day, labels=labels)


def write_one(folder: Path, day: int, seed: int = 0, *, labels: bool = False) -> None:
    columns = day_of(day, seed)
    if labels:
        written(folder / "labels" / f"{day:02}.parquet", {"id": columns["id"], "t": columns["t"]})
        del columns["t"]
    written(folder / "logs" / f"{day:02}.parquet", columns)


def joined(days: list[dict[str, Any]]) -> pa.Table:
    return pa.concat_tables([pa.table(one) for one in days])


def detections(folder: Path) -> tuple[Detection, ...]:
    with Store.open(folder) as store:
        return store.detections("m")


def signals(folder: Path) -> set[tuple[object, ...]]:
    return {(one.key, one.chunk_key, one.row, one.stream_row, one.at) for one in detections(folder)}


def counts(folder: Path) -> dict[tuple[str, str | None, str | None, str], float | None]:
    """Values by metric, group, segment and chunk."""
    with Store.open(folder) as store:
        found = store.values("m", split=Split.ANALYSIS)
        return {
            (one.key.metric, one.key.group, one.key.segment, one.chunk_key): one.measurement.value
            for one in found
            if one.key.metric in DETECTORS
        }


def in_full(folder: Path) -> tuple[Kept, set[tuple[object, ...]]]:
    """What a first and full run over the same files keeps."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    return kept(copy), signals(copy)


def assert_as_in_full(folder: Path) -> None:
    own, positions = in_full(folder)
    assert_same(kept(folder), own)
    assert signals(folder) == positions


def expected(
    days: range, of_segment: str | None = None
) -> tuple[dict[tuple[str, str | None, int], float], set[tuple[object, ...]]]:
    """Values by metric, group and day, and (metric, group, day, row, row of the stream, time), from all rows in the order of time."""
    values: dict[tuple[str, str | None, int], float] = {}
    positions: set[tuple[object, ...]] = set()
    stream = Stream()
    for day in days:
        rows = day_of(day)
        times = np.array(rows["ts"].cast(pa.int64()))
        order = np.argsort(times, kind="stable")
        if of_segment is not None:
            order = order[np.asarray(rows["shop"])[order] == of_segment]
        start = f"{FIRST_DAY + timedelta(days=day):%Y-%m-%d}T00:00:00+00:00"
        seeds = {metric: seed_of("m", metric, None, start) for metric in DETECTORS}
        errors = (np.asarray(rows["y"]) != np.asarray(rows["t"]))[order].astype(np.int8)
        before = stream.rows
        stream, found = advanced(stream, DETECTORS, errors, seeds)
        for metric, one in found.items():
            values[metric, None, day] = len(one.drifts)
            if metric in ("ddm", "eddm", "hddm_a", "hddm_w"):
                values[metric, WARNING, day] = 0 if one.drifts else one.zones
            for group, places in ((None, one.drifts), (WARNING, one.warnings)):
                positions |= {
                    (metric, group, day, row, before + row, datetime.fromtimestamp(times[order[row]] / 1e6))
                    for row in places
                }
    return values, positions


def by_day(
    folder: Path, segment: str | None
) -> tuple[dict[tuple[str, str | None, int], float], set[tuple[object, ...]]]:
    """The same as it is stored."""

    def day(key: str) -> int:
        return (datetime.fromisoformat(key).replace(tzinfo=None) - FIRST_DAY).days

    values = {(m, g, day(c)): v for (m, g, s, c), v in counts(folder).items() if s == segment and v is not None}
    positions = {
        (one.key.metric, one.key.group, day(one.chunk_key), one.row, one.stream_row, one.at.replace(tzinfo=None))
        for one in detections(folder)
        if one.key.segment == segment and one.at is not None
    }
    return values, positions


def regression_day(day: int, scale: float) -> Mapping[str, Any]:
    columns = day_of(day)
    rng = np.random.default_rng((day, 3))
    y = rng.normal(50, 10, ROWS)
    error = rng.exponential(scale * (1 if day < 9 else 6), ROWS)
    return {**columns, "y": y, "t": y + error}


def errors_at(at: datetime, errors: np.ndarray) -> pa.Table:
    """Rows of one moment whose predictions err so."""
    count = len(errors)
    return pa.table(
        {
            "id": np.arange(count),
            "ts": pa.array([at] * count, pa.timestamp("us")),
            "shop": ["n"] * count,
            "x": np.arange(count) % 7 / 7.0,
            "y": np.zeros(count, dtype=np.int8),
            "t": errors.astype(np.int8),
        }
    )
