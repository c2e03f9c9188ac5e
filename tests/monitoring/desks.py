"""Small workspaces with a daily log of a binary model, and what an evaluation stores of them."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.evaluation import ModelOutcome
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.evaluation import evaluate
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written

FIRST_DAY = datetime(2024, 2, 26)
NOW = datetime(2024, 3, 20, 6, tzinfo=UTC)
REFERENCE_DAYS = 4
COLUMNS = """
[models.columns]
timestamp = "ts"
id = "id"
prediction = "y_pred"
score = "score"
version = "version"
protected = ["sex", "sex×region"]
"""
LOGS = '[models.logs]\npath = "logs"\n'
BY_PERIOD = "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-01\n"
BY_PATH = '[models.reference]\npath = "reference"\n'
LABELS = '[models.labels]\npath = "labels"\nkey = "id"\ntarget = "repaid"\n'
DAILY = '[models.chunks]\nevery = "1d"\n'
INSIDE = 'target = "repaid"\n'


def day_rows(day: int, seed: int = 0, rows: int = 40) -> dict[str, Any]:
    """Columns of one day of the log; a later `seed` is another content of the same day."""
    rng = np.random.default_rng((day, seed, 7))
    start = FIRST_DAY + timedelta(days=day)
    shift = 0.8 if day > 7 else 0.0
    x = rng.normal(shift, 1, rows)
    score = 1 / (1 + np.exp(-x - rng.normal(0, 0.5, rows)))
    kinds = ["a", "b", "c"] if day < 6 else ["a", "b", "d"]
    return {
        "id": np.arange(rows) + 1000 * day,
        "ts": pa.array([start + timedelta(minutes=int(m)) for m in np.sort(rng.integers(0, 1440, rows))], pa.timestamp("us")),
        "x": pa.array(np.where(rng.random(rows) < 0.05, np.nan, x), from_pandas=bool(seed % 2)),
        "age": rng.integers(18, 80, rows),
        "kind": rng.choice(kinds, rows),
        "sex": pa.array(rng.choice(["f", "m"] if day != 5 else ["f", "m", "x"], rows)),
        "region": rng.choice(["n", "s"], rows),
        "score": score,
        "y_pred": (score > 0.5).astype(np.int8),
        "version": ["v1" if day < 6 else f"v{2 + seed}"] * rows,
    }  # fmt: skip


def truth(day: int, seed: int = 0, rows: int = 40) -> np.ndarray:
    """Labels of the rows of a day."""
    rng = np.random.default_rng((day, seed, 8))
    return (rng.random(rows) < np.asarray(day_rows(day, 0, rows)["score"])).astype(np.int8)


def write_day(folder: Path, day: int, seed: int = 0, *, rows: int = 40, inside: bool = False) -> Path:
    """Writes a day of the log, with labels inside where asked."""
    columns = day_rows(day, seed, rows)
    if inside:
        columns["repaid"] = truth(day, seed, rows)
    return written(folder / f"{day:02}.parquet", columns)


def write_labels(folder: Path, name: str, days: Sequence[int], *, share: float = 1.0, seed: int = 0) -> Path:
    """Writes a file of labels for some share of the rows of some days."""
    keys = np.concatenate([np.arange(40) + 1000 * day for day in days])
    labels = np.concatenate([truth(day, seed) for day in days])
    chosen = np.random.default_rng((seed, len(days))).random(len(keys)) < share
    return written(folder / "labels" / f"{name}.parquet", {"id": keys[chosen], "repaid": labels[chosen]})


def write_desk(folder: Path, *parts: str, task: str = 'task = "binary"\n') -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = f'version = 1\n[[models]]\nid = "m"\nname = "M"\n{task}' + "\n".join(parts)
    (folder / "desk.toml").write_text(text)


def run(folder: Path, **options: Any) -> ModelOutcome:
    """Evaluates the workspace and returns what came of its model."""
    options.setdefault("now", NOW)
    return evaluate(read_desk(folder), **options).models[0]


class Kept(Struct, frozen=True):
    """What is stored of a model."""

    values: Mapping[tuple[object, ...], Mapping[str, object]]
    chunks: tuple[tuple[object, ...], ...]
    histograms: Mapping[str, Mapping[object, int]]
    notes: tuple[tuple[str, int | None], ...]
    versions: tuple[str, ...]
    alerts: frozenset[tuple[object, ...]]


KEY = ("split", "chunk", "segment", "family", "metric", "convention", "column", "group", "class")


def kept(folder: Path) -> Kept:
    """Everything that the archive holds of the model now."""
    with Store.open(folder) as store:
        table = store.value_table(["m"])
        rows = [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]
        values = {tuple(row[name] for name in KEY): row for row in rows}
        assert len(values) == len(rows), "a value has a key of its own"
        chunks = tuple(
            (chunk.split, chunk.key, chunk.index, chunk.start, chunk.end, chunk.rows, chunk.complete)
            for split in Split
            for chunk in store.chunks("m", split)
        )
        histograms = {}
        for column in ("x", "age", "kind", "sex", "score", "y_pred"):
            for split in Split:
                found = store.distribution("m", column, split)
                if found is not None:
                    bins: Sequence[object] = found.categories or found.edges
                    named = {name: count for name, count in zip(bins, found.counts, strict=False) if count}
                    histograms[f"{split} {column}"] = named
        last = store.last_evaluation("m")
        alerts = frozenset(
            (alert.fingerprint, alert.severity, alert.opened_chunk, alert.last_chunk, alert.chunks)
            for alert in store.alerts(model="m")
            if alert.state != "resolved"
        )
        return Kept(
            values=values,
            chunks=chunks,
            histograms=histograms,
            notes=tuple(sorted((note.code, note.count) for note in store.notes("m"))),
            versions=() if last is None else last.log.versions,
            alerts=alerts,
        )


def assert_same(found: Kept, expected: Kept, *, within: float = 1e-9, bounds_within: float = 0.05) -> None:
    """Whether two archives hold the same: counts, texts and verdicts to the letter, other numbers to `within`.

    Error bounds may differ by a share: they are true ones, and how tight they are depends on what is measured beside.
    """
    assert found.chunks == expected.chunks
    assert set(found.values) - set(expected.values) == set(), "values that a full evaluation does not give"
    assert set(expected.values) - set(found.values) == set(), "values that only a full evaluation gives"
    for key, row in expected.values.items():
        for name, value in row.items():
            other = found.values[key][name]
            if name == "evaluated_at":
                continue
            if isinstance(value, float) and isinstance(other, float):
                share = bounds_within if name == "error_bound" else within
                assert math.isclose(other, value, rel_tol=share, abs_tol=within), (key, name, other, value)
            else:
                assert other == value, (key, name, other, value)
    assert found.histograms == expected.histograms
    assert found.notes == expected.notes
    assert found.versions == expected.versions
    assert found.alerts == expected.alerts
