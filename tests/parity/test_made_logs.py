"""Every judged number of logs that no published case has, against an independent route from the rows, for every way of cutting them."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_desk.domain.metric import Definition
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.series import NEEDS_EXACT
from tests.metrics.oracles import BY_ROWS, oracle_of
from tests.parity import oracle
from tests.parity.made import CLASSES, Log, binary_log, census_log, class_log, loans_log, price_log
from tests.parity.tables import Results, Row, monitor, results_of

pytestmark = pytest.mark.slow
MATRIX, CLASS_MATRIX = [[0, -1], [-2, 3]], [[1, -1, 0], [0, 2, -2], [-3, 0, 1]]
MAKERS: dict[str, Callable[..., Log]] = {
    "binary": binary_log,
    "loans": loans_log,
    "census": census_log,
    "multiclass": class_log,
    "regression": price_log,
}
TASKS = {"loans": "binary", "census": "binary"}
ROLES = {
    "binary": 'score = "score"\npositive = 1\n',
    "multiclass": "score = { " + ", ".join(f'{one} = "p_{one}"' for one in CLASSES) + " }\n",
    "regression": "",
}
FAMILIES = {
    "binary": ("performance", "concept_drift"),
    "multiclass": ("performance",),
    "regression": ("performance",),
}
EVERYWHERE = ("data_drift", "prediction_drift", "label_drift", "fairness", "data_quality")
CUTS = {
    "size": ("size = 270\n", lambda order, times: [order[at : at + 270] for at in range(0, len(order), 270)]),
    "append": ("size = 270\nincomplete = \"append\"\n", lambda order, times: _appended(order, 270)),
    "number": ("number = 6\n", lambda order, times: [order[at : at + len(order) // 6] for at in range(0, len(order), len(order) // 6)]),
    "day": ('every = "1d"\n', lambda order, times: [[at for at in order if times[at].date() == day] for day in sorted({times[at].date() for at in order})]),
}  # fmt: skip


def _appended(order: list[int], size: int) -> list[list[int]]:
    full = len(order) // size
    return [order[at * size : None if at == full - 1 else (at + 1) * size] for at in range(full)]


def cut(log: Log, how: str) -> list[list[int]]:
    """Row numbers of each chunk: in the order of time, and of rows where times are equal; rows without a time are in none."""
    times = log.columns["ts"]
    order = sorted((at for at in range(log.rows) if times[at] is not None), key=lambda at: times[at])
    return CUTS[how][1](order, times)


def taken(values: Sequence[Any], rows: Sequence[int]) -> list[Any]:
    return [values[at] for at in rows]


class Expected:
    """What the table should say of one model's chunks."""

    def __init__(self, task: str, logs: Mapping[str, Log], how: str) -> None:
        self.task, self.logs = task, logs
        self.chunks = {split: cut(log, how) for split, log in logs.items()}
        self.whole = sorted(at for rows in self.chunks["reference"] for at in rows)
        self._accuracy: dict[tuple[str, int], Mapping[Any, Any]] = {}
        self._groups: dict[tuple[str, int, str, str | None], Mapping[Any, Any]] = {}

    def column(self, name: str, split: str, rows: Sequence[int]) -> list[Any]:
        log = self.logs[split]
        return taken(log.labels if name == "truth" else log.columns[name], rows)

    def of(self, row: Row) -> Any:
        """The number that a row of the results table should have, None for none."""
        split, rows = row["split"], self.chunks[row["split"]][row["chunk"]]
        family, metric, column = row["family"], row["metric"], row["column"]
        if family.endswith("_drift") and family != "concept_drift":
            compare = oracle.number_drift if self.is_number(column) else oracle.category_drift
            return compare(metric, self.column(column, "reference", self.whole), self.column(column, split, rows))
        if family == "data_quality":
            return self.quality(metric, column, split, rows)
        if family == "performance":
            key = (metric, row["class"], row["group"]) if self.task == "multiclass" else metric
            return self.accuracy(split, row["chunk"]).get(key)
        if family == "fairness":
            return self.groups(split, row["chunk"], column, row["class"]).get((metric, row["group"]))
        return self.concept(metric, split, rows)

    def is_number(self, column: str) -> bool:
        if column in ("told", "truth"):
            return self.task == "regression"
        return column in self.logs["reference"].numbers or column == "score" or column.startswith("p_")

    def quality(self, metric: str, column: str | None, split: str, rows: Sequence[int]) -> Any:
        if metric == "rows":
            return len(rows)
        if metric == "label_coverage":
            return sum(one is not None for one in self.column("truth", split, rows)) / len(rows)
        if metric == "duplicate_rate":
            return 0.0 if len(rows) >= oracle.MIN_ROWS else None
        return oracle.quality(
            metric, self.column(column or "", "reference", self.whole), self.column(column or "", split, rows)
        )

    def accuracy(self, split: str, chunk: int) -> Mapping[Any, Any]:
        if (split, chunk) not in self._accuracy:
            rows = self.chunks[split][chunk]
            told, truth = (self.column(name, split, rows) for name in ("told", "truth"))
            if self.task == "binary":
                found: Mapping[Any, Any] = oracle.binary_performance(
                    self.column("score", split, rows), told, truth, MATRIX
                )
            elif self.task == "multiclass":
                scores = list(zip(*(self.column(f"p_{one}", split, rows) for one in CLASSES), strict=True))
                found = oracle.class_performance(scores, told, truth, CLASSES, CLASS_MATRIX)
            else:
                found = oracle.regression_performance(told, truth)
            self._accuracy[split, chunk] = found
        return self._accuracy[split, chunk]

    def groups(self, split: str, chunk: int, attribute: str, one: str | None) -> Mapping[Any, Any]:
        key = (split, chunk, attribute, one)
        if key not in self._groups:
            rows = self.chunks[split][chunk]
            told, truth = (self.column(name, split, rows) for name in ("told", "truth"))
            parts = [self.column(name, split, rows) for name in attribute.split("×")]
            groups = [None if None in value else "×".join(value) for value in zip(*parts, strict=True)]
            if self.task == "regression":
                self._groups[key] = oracle.mean_fairness(groups, told, truth)
            else:
                if one is not None:
                    told, truth = (
                        [None if value is None else int(value == one) for value in some] for some in (told, truth)
                    )
                self._groups[key] = oracle.group_fairness(groups, told, truth)
        return self._groups[key]

    def concept(self, metric: str, split: str, rows: Sequence[int]) -> Any:
        """Cochran, Mantel and Haenszel over the deciles of the reference's scores, from the rows that have score, prediction and label."""
        sides = []
        for side, own in ((split, rows), ("reference", self.whole)):
            columns = [self.column(name, side, own) for name in ("score", "told", "truth")]
            kept = [(s, t) for s, p, t in zip(*columns, strict=True) if None not in (s, p, t)]
            sides.append(tuple(np.array(part, dtype=float) for part in zip(*kept, strict=True)))
        if len(sides[0][0]) < oracle.MIN_ROWS:
            return None
        return oracle.label_shift(sides[1], sides[0])[metric]


def desk(task: str, log: Log, how: str, exact_rows: int) -> Iterator[str]:
    yield '[models.logs]\npath = "analysis"\n[models.reference]\npath = "reference"\n'
    yield '[models.labels]\npath = "labels"\nkey = "id"\ntarget = "truth"\n'
    yield f'[models.columns]\nid = "id"\ntimestamp = "ts"\nprediction = "told"\n{ROLES[task]}'
    for role, names in (("numeric", log.numbers), ("categorical", log.categories), ("protected", log.protected)):
        yield f"{role} = {list(names)}".replace("'", '"')
    yield f"[models.chunks]\n{CUTS[how][0]}"
    if task != "regression":
        yield f"[models.business_value]\nmatrix = {MATRIX if task == 'binary' else CLASS_MATRIX}\n"
    for family in (*FAMILIES[task], *EVERYWHERE):
        metrics = [one.id for one in catalogue.DEFINITIONS if one.family == family and fits(one, task)]
        yield monitor(metrics, family=family, exact_rows=exact_rows)


LAST_DIGIT = {
    "mean_prediction_difference": 1e-9,
    "mean_prediction_ratio": 1e-9,
    "mean_error": 1e-9,
    "median_shift": 2e-7,
}
"""What the last digits of numbers of 1e6 (prices) and 1e9 (offset) are worth where a metric is the difference of two of them."""


def fits(one: Definition, task: str) -> bool:
    return oracle_of(one) == BY_ROWS and (not one.tasks or task in one.tasks)


def wrong(found: Row, expected: Any) -> bool:
    value = found["value"]
    if expected is None or value is None:
        return (expected is None) != (value is None)
    within = (
        1e-7 if found["metric"].startswith("epps_singleton") else 1e-9
    )  # inverts a nearly singular matrix, in SciPy too
    return not math.isclose(value, expected, rel_tol=within, abs_tol=LAST_DIGIT.get(found["metric"], 1e-12))


def made(folder: Path, name: str, how: str, exact_rows: int = 200_000) -> tuple[Results, Expected]:
    task = TASKS.get(name, name)
    logs = {
        split: MAKERS[name](seed, rows, later=seed == 2)
        for split, seed, rows in (("reference", 1, 1300), ("analysis", 2, 1000))
    }
    for split, log in logs.items():
        log.write(folder, split)
    return results_of(folder, *desk(task, logs["reference"], how, exact_rows), task=task), Expected(task, logs, how)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("binary", "size"), ("binary", "append"), ("binary", "day"), ("multiclass", "number"), ("regression", "size"),
        ("regression", "day"), ("loans", "number"), ("loans", "day"), ("census", "size"), ("census", "day"),
    ],
)  # fmt: skip
def test_every_judged_number_is_that_of_the_rows(tmp_path: Path, name: str, how: str) -> None:
    found, expected = made(tmp_path, name, how)
    seen: Counter[str] = Counter()
    off = []
    for row in found.rows:
        answer = expected.of(row)
        seen[row["family"]] += row["value"] is not None
        if wrong(row, answer):
            names = ("split", "chunk", "family", "metric", "column", "group", "class", "value", "reason")
            off.append((*(row[name] for name in names), answer))
    assert not off, f"{len(off)} of {len(found.rows)}: " + "\n".join(map(str, off[:12]))
    for split, chunks in expected.chunks.items():
        assert len(chunks) == 1 + max(row["chunk"] for row in found.where(split=split))
    assert all(seen[family] for family in (*FAMILIES[expected.task], *EVERYWHERE))


SNAPPED = tuple(oracle.SHARES)
"""Of cells their bins begin where a cell does, which is another definition."""


@pytest.mark.parametrize(("name", "how"), [("binary", "size"), ("regression", "size"), ("loans", "number")])
def test_cells_are_within_their_bounds_of_the_rows(tmp_path: Path, name: str, how: str) -> None:
    found, expected = made(tmp_path, name, how, exact_rows=10)
    off, bounded, unbounded = [], 0, set()
    for row in found.rows:
        answer, value = expected.of(row), row["value"]
        numeric = row["family"].endswith("_drift") and row["column"] is not None and expected.is_number(row["column"])
        if numeric and row["metric"] in SNAPPED:
            continue
        if value is None and numeric and row["reason"] == NEEDS_EXACT:
            unbounded.add(row["metric"])
            continue
        assert (value is None) == (answer is None), row
        if value is None:
            continue
        bounded += row["error_bound"] > 0
        near = (
            3e-7 if row["column"] == "offset" else LAST_DIGIT.get(row["metric"], 1e-9)
        )  # the last digit of 1e9, in the means of cells
        if abs(value - answer) > row["error_bound"] + near * max(1.0, abs(answer)):
            off.append((row["metric"], row["column"], row["split"], row["chunk"], value, answer, row["error_bound"]))
    assert not off, off[:12]
    assert bounded > 50
    tests = ("kolmogorov_smirnov_p", "mann_whitney_p", "cramer_von_mises_p", "anderson_darling", "anderson_darling_p")
    assert unbounded == {*tests, "epps_singleton", "epps_singleton_p"}
