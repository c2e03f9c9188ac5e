"""Prediction logs that no published case has: NULLs and odd numbers everywhere, heavy tails, near-constant columns, tiny groups, few labels.

Drawn from numpy's legacy generator, whose stream never changes, so that numbers that other tools computed on them stay true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_desk.resources import resource
from tests.aggregates.logs import written

FIRST = datetime(2025, 3, 3)
Values = list[Any]
"""A column; None is NULL."""
CLASSES = ("high", "low", "mid")
SAMPLES = resource("samples")


@dataclass(frozen=True)
class Log:
    """One split of a made log: its columns, and the labels that have arrived (None where not yet)."""

    columns: Mapping[str, Values]
    labels: Values
    numbers: tuple[str, ...] = ("tail", "wealth", "nearly", "still", "steps", "offset")
    categories: tuple[str, ...] = ("kind", "flag", "gone")
    protected: tuple[str, ...] = ("sex", "origin", "sex×origin")

    @property
    def rows(self) -> int:
        return len(self.labels)

    def write(self, folder: Path, name: str) -> None:
        """Writes the log in two files, and the labels that there are in one of their own."""
        kinds = {"ts": pa.timestamp("us")}
        table = pa.table({key: pa.array(values, kinds.get(key)) for key, values in self.columns.items()})
        cut = self.rows // 3
        written(folder / name / "0.parquet", table.slice(0, cut))
        written(folder / name / "1.parquet", table.slice(cut))
        known = [place for place, label in enumerate(self.labels) if label is not None]
        labels = {
            "id": [self.columns["id"][place] for place in known],
            "truth": [self.labels[place] for place in known],
        }
        written(folder / "labels" / f"{name}.parquet", labels)


def without(rng: np.random.RandomState, values: Sequence[Any], share: float) -> Values:
    """The values with a share of NULLs among them."""
    gone = rng.random_sample(len(values)) < share
    return [None if missing else value for value, missing in zip(np.asarray(values).tolist(), gone, strict=True)]


def _features(rng: np.random.RandomState, rows: int, *, later: bool) -> dict[str, Values]:
    """Columns that every task has; a later split has shifted, other and broken values."""
    tail = rng.standard_t(1.2, rows) * (3.0 if later else 1.0)
    tail[rng.random_sample(rows) < 0.01] = np.inf
    tail[rng.random_sample(rows) < 0.01] = -np.inf
    tail[rng.random_sample(rows) < 0.02] = np.nan
    nearly = np.zeros(rows)
    nearly[: 90 if later else 2] = 1.0
    kinds = ["a", "b", "c", "ä d"] if later else ["a", "b", "c"]
    return {
        "tail": without(rng, tail, 0.03),
        "wealth": (rng.pareto(1.1, rows) * 1e6).tolist(),
        "nearly": rng.permutation(nearly).tolist(),
        "still": [7.5] * rows,
        "steps": without(rng, rng.randint(0, 9 if later else 8, rows) / 4, 0.05),
        "offset": (1e9 + rng.standard_normal(rows) + (0.3 if later else 0.0)).tolist(),
        "kind": without(rng, rng.choice(kinds, rows), 0.2),
        "flag": without(rng, rng.random_sample(rows) < (0.5 if later else 0.4), 0.1),
        "gone": without(rng, rng.choice(["x", "y"], rows), 0.995 if later else 0.1),
    }


def _frame(rng: np.random.RandomState, rows: int, first: int, days: float) -> dict[str, Values]:
    """Ids and times in a random order; some times are missing, and some are the same."""
    seconds = rng.randint(0, int(days * 24), rows) * 3600
    order = [FIRST + timedelta(days=first, seconds=int(one)) for one in seconds]
    return {
        "id": (rng.permutation(rows) + 100_000 * first).tolist(),
        "ts": without(rng, np.array(order, dtype=object), 0.03),
    }


def _people(rng: np.random.RandomState, rows: int) -> dict[str, Values]:
    """Two protected attributes: one of three values and NULL, one with a group of 18 people."""
    origin = np.resize(np.array(["north", "south"], dtype=object), rows)
    origin[rng.permutation(rows)[:18]] = "isle"
    return {
        "sex": without(rng, rng.choice(["f", "m", "x"], rows, p=[0.5, 0.45, 0.05]), 0.05),
        "origin": origin.tolist(),
    }


def binary_log(seed: int, rows: int, *, later: bool, days: float = 7) -> Log:
    """A binary classifier; half of the labels have arrived, fewer of them for one group."""
    rng = np.random.RandomState(seed)
    columns = _frame(rng, rows, 7 if later else 0, days) | _features(rng, rows, later=later) | _people(rng, rows)
    score = np.round(rng.beta(2, 3, rows) + (0.1 if later else 0), 3).clip(0, 1)
    truth = (rng.random_sample(rows) < score**1.3).astype(int)
    columns["score"] = without(rng, score, 0.02)
    columns["told"] = [
        None if one is None and rng.random_sample() < 0.5 else int((one or 0.0) >= 0.45) for one in columns["score"]
    ]
    return Log(columns, without(rng, truth, 0.5))


def class_log(seed: int, rows: int, *, later: bool, days: float = 7) -> Log:
    """A classifier of three classes, the score of the third of which is rarely NULL."""
    rng = np.random.RandomState(seed)
    columns = _frame(rng, rows, 7 if later else 0, days) | _features(rng, rows, later=later) | _people(rng, rows)
    truth = rng.choice(3, rows, p=[0.2, 0.5, 0.3])
    logits = rng.standard_normal((rows, 3)) + (0.6 if later else 1.4) * np.eye(3)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for place, one in enumerate(CLASSES):
        columns[f"p_{one}"] = scores[:, place].tolist()
    columns["told"] = without(rng, np.array(CLASSES, dtype=object)[scores.argmax(axis=1)], 0.02)
    return Log(columns, without(rng, np.array(CLASSES, dtype=object)[truth], 0.5))


def price_log(seed: int, rows: int, *, later: bool, days: float = 7) -> Log:
    """A regression of heavy-tailed prices far from 0, some predictions of which are missing."""
    rng = np.random.RandomState(seed)
    columns = _frame(rng, rows, 7 if later else 0, days) | _features(rng, rows, later=later) | _people(rng, rows)
    truth = 1e6 + rng.standard_t(3, rows)
    columns["told"] = without(rng, truth + rng.standard_t(2, rows) * (2 if later else 1), 0.04)
    return Log(columns, without(rng, truth, 0.5))


def _sample(
    files: Sequence[Path], labels: Sequence[Path], names: Mapping[str, str], rows: int, **roles: tuple[str, ...]
) -> Log:
    """The first rows of shipped files, with the names that a made log gives their roles."""
    table = pa.concat_tables([pq.read_table(path) for path in files]).slice(0, rows)
    kept = {"id", *names, *roles["numbers"], *roles["categories"], *"×".join(roles["protected"]).split("×")}
    columns = {names.get(name, name): table[name].to_pylist() for name in table.column_names if name in kept}
    truth = columns.pop("truth", None)
    if labels:
        known = pa.concat_tables([pq.read_table(path) for path in labels])
        of_row = dict(
            zip(
                known["id"].to_pylist(),
                known[next(name for name in names if names[name] == "truth")].to_pylist(),
                strict=True,
            )
        )
        truth = [of_row.get(one) for one in columns["id"]]
    assert truth is not None
    return Log(columns, [None if one is None else int(one) for one in truth], **roles)


def loans_log(seed: int, rows: int, *, later: bool) -> Log:
    """Shipped car loans."""
    del seed
    names = {"timestamp": "ts", "y_pred": "told", "y_pred_proba": "score", "repaid": "truth"}
    folder = SAMPLES / "loans"
    return _sample(
        [folder / ("logs/analysis.parquet" if later else "reference.parquet")],
        [folder / "labels/repaid.parquet"] if later else [],
        names,
        rows,
        numbers=("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"),
        categories=("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment"),
        protected=("salary_range", "size_of_downpayment"),
    )


def census_log(seed: int, rows: int, *, later: bool) -> Log:
    """Shipped people of the census, of the first months or of the reference."""
    del seed
    names = {"surveyed_at": "ts", "prediction": "told", "predicted_probability": "score", "employed": "truth"}
    folder = SAMPLES / "census"
    return _sample(
        [folder / f"logs/2016-{month:02}.parquet" for month in (1, 2, 3)] if later else [folder / "reference.parquet"],
        [folder / f"labels/2016-{month:02}.parquet" for month in (1, 2, 3)] if later else [],
        names,
        rows,
        numbers=("AGEP",),
        categories=("SCHL", "MAR", "DIS", "MIG", "sex"),
        protected=("sex", "race", "sex×race"),
    )
