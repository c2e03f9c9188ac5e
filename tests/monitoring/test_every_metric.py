"""Every metric of the catalogue on chunks that are constant, of one class, NULL, infinite, tiny or empty: a number in its range or a reason.

A whole workspace is evaluated for each task, on values and on cells, and what the table then says is held to the catalogue and the help.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.domain.metric import Definition, Family
from mlops_desk.metrics.catalogue import CATALOGUE, definition
from mlops_desk.reporting.help import help_page
from tests.aggregates.logs import written
from tests.parity.tables import Results, Row, monitor, results_of

pytestmark = pytest.mark.slow
FIRST = datetime(2025, 1, 6)
REFERENCE_DAYS, ROWS = 7, 45
NORMAL, CONSTANT, ONE_CLASS, NULL, ODD, FEW, NO_SOUTH, ZEROS = range(8)
"""What each day of the analysis is like."""
NUMBERS = ("x", "y", "latency")
TASKS = ("binary", "multiclass", "regression")
KINDS = {
    (False, Family.LABEL_DRIFT): {"categorical"},
    (True, Family.LABEL_DRIFT): {"numeric"},
    (True, Family.PREDICTION_DRIFT): {"numeric"},
}
"""Of the columns of a family, whether or not the model is a regression, where they are of one kind only."""


def scores_of(task: str) -> tuple[str, ...]:
    return {"binary": ("score",), "multiclass": ("p_a", "p_b", "p_c"), "regression": ()}[task]


def day_columns(task: str, day: int, kind: int, seed: int) -> dict[str, Any]:
    """The columns of one day."""
    rng = np.random.RandomState(seed)
    rows = 5 if kind == FEW else ROWS
    logits = rng.standard_normal((rows, 3)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (chances.cumsum(axis=1) < rng.random_sample((rows, 1))).sum(axis=1).clip(max=2)
    numbers: dict[str, Any] = {
        "x": rng.standard_normal(rows),
        "y": rng.pareto(1.5, rows),
        "latency": rng.gamma(2, 20, rows),
    }
    texts: dict[str, Any] = {
        "kind": rng.choice(["a", "b", "c"], rows),
        "sex": rng.choice(["f", "m"], rows),
        "region": np.full(rows, "north") if kind == NO_SOUTH else rng.choice(["north", "south"], rows),
        "client": rng.choice(["c1", "c2", "c3"], rows),
    }
    if task == "binary":
        numbers["score"] = chances[:, 0] / (chances[:, 0] + chances[:, 1])
        texts["told"], texts["truth"] = (numbers["score"] > 0.5).astype(int), (truth == 0).astype(int)
    elif task == "multiclass":
        numbers |= {name: chances[:, at] for at, name in enumerate(scores_of(task))}
        names = np.array(["a", "b", "c"])
        texts["told"], texts["truth"] = names[chances.argmax(axis=1)], names[truth]
    else:
        numbers["told"], numbers["truth"] = 10 + 3 * numbers["x"], 10 + 3 * numbers["x"] + rng.standard_t(2, rows)
    if kind == CONSTANT:
        numbers = {name: np.full(rows, 0.25) for name in numbers}
        texts = {name: np.full(rows, values[0]) for name, values in texts.items()}
    elif kind == ONE_CLASS:
        numbers |= {name: np.full(rows, 3.0) for name in ("told", "truth") if task == "regression"}
        texts |= {name: np.full(rows, texts[name][0]) for name in ("told", "truth") if task != "regression"}
    elif kind == ODD:
        numbers = {name: np.resize([np.inf, -np.inf, np.nan], rows) for name in numbers}
    elif kind == ZEROS:
        numbers = {name: np.zeros(rows) for name in numbers}
    columns = {name: pa.array(values) for name, values in {**numbers, **texts}.items()}
    if kind == NULL:
        columns = {name: pa.nulls(rows, values.type) for name, values in columns.items()}
    start = FIRST + timedelta(days=day)
    times = pa.array([start + timedelta(minutes=20 * one) for one in range(rows)], pa.timestamp("us"))
    return {"id": np.arange(rows) + 1000 * day, "ts": times, **columns}


def write_logs(folder: Path, task: str) -> None:
    for day in range(REFERENCE_DAYS):
        written(folder / "reference" / f"{day}.parquet", day_columns(task, day, NORMAL, day))
    for kind in range(8):
        written(folder / "logs" / f"{kind}.parquet", day_columns(task, REFERENCE_DAYS + kind, kind, 100 + kind))


def desk(task: str, exact_rows: int) -> Iterator[str]:
    scores = {
        "binary": 'score = "score"\n',
        "multiclass": "score = { " + ", ".join(f'{name[2:]} = "{name}"' for name in scores_of(task)) + " }\n",
    }
    yield '[models.logs]\npath = "logs"\n[models.reference]\npath = "reference"\n[models.chunks]\nevery = "1d"\n'
    yield '[models.columns]\nid = "id"\ntimestamp = "ts"\nprediction = "told"\ntarget = "truth"\nlatency = "latency"\nrequester = "client"\n'
    yield 'protected = ["sex"]\nnumeric = ["x", "y"]\ncategorical = ["kind", "sex", "region"]\n' + scores.get(task, "")
    if task != "regression":
        yield f"[models.business_value]\nmatrix = {[[1, -1], [-2, 3]] if task == 'binary' else [[1, -1, 0], [0, 1, 0], [0, -1, 2]]}\n"
    yield '[[models.expectations]]\ncolumn = "x"\nmin = 0\n'
    segments = {"segments": ["*", "region"], "exact_rows": exact_rows}
    asked = [one for one in CATALOGUE if not one.tasks or task in one.tasks]
    families = dict.fromkeys(one.family for one in asked if not one.opt_in)
    yield monitor([one.id for one in asked if one.opt_in], exact_rows=exact_rows)
    for family in families:
        yield monitor(
            family=family.value, **(segments if family is not Family.MULTIVARIATE_DRIFT else {"exact_rows": exact_rows})
        )
    for tool in ("nannyml", "evidently"):
        yield monitor(family="data_drift", convention=tool, exact_rows=exact_rows)
    yield monitor(["default"], family="data_drift", columns=["kind"], convention="evidently", exact_rows=exact_rows)
    yield monitor(family="fairness", convention="fairlearn", exact_rows=exact_rows)


@pytest.fixture(
    scope="module",
    params=[(task, rows) for task in TASKS for rows in (200_000, 10)],
    ids=lambda one: f"{one[0]}-{one[1]}",
)
def evaluated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Results]:
    task, exact_rows = request.param
    folder = tmp_path_factory.mktemp(task)
    write_logs(folder, task)
    return task, results_of(folder, *desk(task, exact_rows), task=task)


def definition_of(row: Row) -> Definition:
    return definition(row["metric"], Family(row["family"]))


def is_number(value: Any) -> bool:
    return value is None or math.isfinite(value)


def test_every_value_is_a_number_in_its_range_or_has_a_reason(evaluated: tuple[str, Results]) -> None:
    for row in evaluated[1].rows:
        least, greatest = definition_of(row).range
        assert (row["value"] is None) == bool(row["reason"]), row
        assert all(
            is_number(row[name])
            for name in ("value", "error_bound", "sampling_error", "interval_lower", "interval_upper")
        ), row
        assert all(is_number(row[name]) for name in ("lower", "upper", "warn_lower", "warn_upper")), row
        assert row["value"] is None or row["error_bound"] >= 0, row
        assert row["sampling_error"] is None or row["sampling_error"] >= 0, row
        if row["value"] is None:
            assert row["verdict"] == "untested", row
            assert len(row["reason"]) > 5, row
            assert "nan" not in row["reason"].lower().split(), row
            continue
        assert least <= row["value"] <= greatest, row
        low, high = row["interval_lower"], row["interval_upper"]
        assert (low is None) == (high is None), row
        if low is not None:
            assert least <= low <= row["value"] <= high <= greatest, row


def test_every_metric_says_something_of_every_chunk(evaluated: tuple[str, Results]) -> None:
    task, found = evaluated
    told: Mapping[tuple[str, str], set[int]] = defaultdict(set)
    for row in found.where(split="analysis", segment=None):
        told[row["family"], row["metric"]].add(row["chunk"])
    for one in CATALOGUE:
        kinds = KINDS.get((task == "regression", one.family), {"numeric", "categorical"})
        if (one.tasks and task not in one.tasks) or (one.kinds and not kinds & {*one.kinds}):
            continue
        chunks = told[one.family.value, one.id]
        newest = {ZEROS} if one.id == "freshness_hours" else set(range(8))
        assert chunks == newest, (one.id, one.family.value, chunks)


def test_the_help_tells_of_what_came_untested(evaluated: tuple[str, Results]) -> None:
    untested = {row["metric"] for row in evaluated[1].rows if row["value"] is None}
    silent = []
    for metric in sorted(untested):
        (edge,) = [one.text for one in help_page(metric).sections if one.title == "Empty, constant and one-sided data"]
        if "untested" not in edge.lower():
            silent.append(metric)
    assert not silent


def test_an_empty_slice_is_untested_throughout(evaluated: tuple[str, Results]) -> None:
    """The south on the day that nobody is there: nothing but the count of rows and of what is broken has a value."""
    rows = evaluated[1].where(split="analysis", segment="region=south", chunk=NO_SOUTH)
    assert rows
    assert {row["metric"] for row in rows if row["value"] is not None} <= COUNTED_OF_NOTHING
    assert all(row["value"] == 0 for row in rows if row["value"] is not None)


COUNTED_OF_NOTHING = {"rows", "row_rate", "throughput_per_s"}
