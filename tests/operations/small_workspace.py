"""A small prediction log with a reference and late labels, made in a moment; from the fourth day on its score drifts."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = dt.datetime(2026, 1, 11)
DAYS, ROWS_A_DAY, REFERENCE_ROWS = 5, 200, 1500
TOML = """\
version = 1
name = "Small"

[[models]]
id = "small"
name = "Small"
task = "binary"

[models.logs]
path = "logs/*.parquet"

[models.reference]
path = "reference.parquet"

[models.labels]
path = "labels/*.parquet"
key = "id"
target = "label"

[models.columns]
timestamp = "timestamp"
id = "id"
prediction = "y_pred"
score = "y_pred_proba"
target = "label"
protected = ["sex"]

[models.chunks]
every = "1d"
"""


def rows(
    count: int, start: dt.datetime, days: float, seed: int, shift: float, first_id: int
) -> tuple[pa.Table, pa.Array]:
    """Rows of a log and their labels."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.uniform(0, days * 86400, count))
    times = [start + dt.timedelta(seconds=float(second)) for second in seconds]
    amount = random.normal(shift, 1, count)
    score = 1 / (1 + np.exp(-amount))
    table = pa.table(
        {
            "id": np.arange(first_id, first_id + count),
            "timestamp": pa.array(times, pa.timestamp("us")),
            "amount": amount,
            "region": random.choice(list("NSE"), count),
            "sex": random.choice(["f", "m"], count),
            "y_pred": (score >= 0.5).astype(np.int64),
            "y_pred_proba": score,
        }
    )
    return table, pa.array((random.uniform(size=count) < score).astype(np.int64))


def write_files(folder: Path) -> Path:
    """Writes reference, logs and labels into a folder."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    table, labels = rows(REFERENCE_ROWS, FIRST_DAY - dt.timedelta(days=10), 10, 1, 0, 0)
    pq.write_table(table.append_column("label", labels), folder / "reference.parquet")
    for day in range(DAYS):
        add_day(folder, day)
    return folder


def add_day(folder: Path, day: int) -> None:
    """Writes one day of log and its labels."""
    start = FIRST_DAY + dt.timedelta(days=day)
    table, labels = rows(ROWS_A_DAY, start, 1, 10 + day, 0 if day < 3 else 2, 10_000 + ROWS_A_DAY * day)
    pq.write_table(table, folder / "logs" / f"d{day:02}.parquet")
    pq.write_table(pa.table({"id": table["id"], "label": labels}), folder / "labels" / f"d{day:02}.parquet")


def write_workspace(folder: Path, more: str = "") -> Path:
    """Writes the files and a desk.toml, with lines added at its end."""
    write_files(folder)
    (folder / "desk.toml").write_text(TOML + more, encoding="utf-8")
    return folder


def changed_column(file: Path, name: str, values: pa.Array) -> None:
    """Rewrites a file with other values of a column, or with a new column."""
    table = pq.read_table(file)
    at = table.schema.get_field_index(name)
    table = table.append_column(name, values) if at < 0 else table.set_column(at, name, values)
    pq.write_table(table, file)
