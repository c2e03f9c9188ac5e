"""Whole evaluations of every task, over logs whose columns change: a run leaves what a full run would, and files may lie as they like."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.aggregates.logs import written
from tests.monitoring.desks import DAILY, LOGS, assert_same, day_rows, kept, run, write_desk

PERIOD = "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-01\n"
CELLS = '[[models.monitors]]\nfamily = "{}"\nexact_rows = 0\nmin_rows = 10\n'
FAMILIES = ("performance", "data_quality", "fairness", "label_drift", "prediction_drift", "adversarial", "system")
COMMON = 'timestamp = "ts"\nid = "id"\nprotected = ["sex"]\n'
TASKS = {
    "regression": 'prediction = "price"\ntarget = "paid"\n',
    "multiclass": 'prediction = "choice"\ntarget = "chosen"\nscore = { a = "pa", b = "pb", c = "pc" }\n',
    "classes as floats": 'prediction = "code"\ntarget = "coded"\n',
    "none": "",
}


def rows_of(task: str, day: int) -> dict[str, Any]:
    """A day of the log; the features x and s carry names that queries use themselves."""
    rng = np.random.default_rng((day, 3))
    rows = day_rows(day)
    for name in ("score", "y_pred", "version"):
        del rows[name]
    rows["s"] = rng.normal(size=40)
    if task == "regression":
        rows["price"] = np.round(rng.lognormal(3, 1, 40), 2)
        rows["paid"] = np.where(rng.random(40) < 0.2, np.nan, rows["price"] * rng.normal(1, 0.1, 40))
    elif task == "multiclass":
        scores = rng.dirichlet([2, 1, 1], 40)
        rows |= {f"p{name}": scores[:, place] for place, name in enumerate("abc")}
        rows["choice"] = ["abc"[one] for one in scores.argmax(axis=1)]
        rows["chosen"] = ["abc"[int(rng.choice(3, p=one))] for one in scores]
    elif task == "classes as floats":
        rows["code"] = rng.integers(0, 3, 40).astype(np.float64)
        rows["coded"] = np.where(rng.random(40) < 0.3, np.nan, rng.integers(0, 3, 40))
    return rows


def desk(folder: Path, task: str, families: tuple[str, ...] = FAMILIES) -> None:
    kind = {"classes as floats": "multiclass", "none": ""}.get(task, task)
    monitors = [CELLS.format(family) for family in (families if kind else ("data_drift", "data_quality"))]
    columns = f"[models.columns]\n{COMMON}{TASKS[task]}"
    write_desk(folder, LOGS, PERIOD, columns, DAILY, *monitors, task=f'task = "{kind}"\n' if kind else "")


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_evaluated_step_by_step_as_at_once(tmp_path: Path, task: str) -> None:
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    desk(folder, task)
    for day in range(6):
        written(folder / "logs" / f"{day:02}.parquet", rows_of(task, day))
    assert run(folder).failure is None
    for day in (6, 7):
        rows = rows_of(task, day)
        half = {name: pa.array(column)[:20] for name, column in rows.items()}
        rest = {name: pa.array(column)[20:] for name, column in rows.items()}
        written(folder / "logs" / f"{day:02}-a.parquet", half)
        rest.pop("coded", None)
        rest.pop("paid", None)
        written(folder / "logs" / f"{day:02}-b.parquet", {**rest, "new": ["n"] * 20})
        assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = [row for row in found.values.values() if row["split"] == "analysis"]
    assert sum(row["value"] is not None for row in rows) > len(rows) / 3
    assert len({row["chunk"] for row in rows}) == 4
    classes = {row["class"] for row in rows if row["class"] is not None}
    assert classes == {"multiclass": {"a", "b", "c"}, "classes as floats": {"0", "1", "2"}}.get(task, set())


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_values_do_not_depend_on_how_files_lie(tmp_path: Path, task: str) -> None:
    """One file, a file a day, partitions, files across days with several row groups: the same rows, the same values.

    How tight their bounds are is another matter: footers say less of a column than a query.
    """
    days = [pa.table(rows_of(task, day)) for day in range(7)]
    whole = pa.concat_tables(days, promote_options="permissive")
    shuffled = whole.take(np.random.default_rng(5).permutation(len(whole)))
    found = []
    for layout in ("days", "one", "partitions", "across"):
        folder = tmp_path / layout
        desk(folder, task, (*FAMILIES, "data_drift"))
        if layout == "days":
            for day, table in enumerate(days):
                written(folder / "logs" / f"{day}.parquet", table)
        elif layout == "one":
            written(folder / "logs" / "it's [all].parquet", whole)
        elif layout == "partitions":
            for day, table in enumerate(days):
                written(folder / "logs" / f"part={day % 2}" / f"{day}.parquet", table)
            text = (folder / "desk.toml").read_text()
            (folder / "desk.toml").write_text(text.replace(COMMON, COMMON + 'ignore = ["part"]\n'))
        else:
            for index in range(3):
                written(
                    folder / "logs" / f"{index}.parquet", shuffled[index * 100 : (index + 1) * 100], row_group_size=16
                )
        assert run(folder).failure is None
        found.append(kept(folder))
    for other in found[1:]:
        assert_same(other, found[0], bounds_within=math.inf)


def test_columns_that_widen_appear_and_go_are_one_column(tmp_path: Path) -> None:
    """A whole number becomes a fraction, a float becomes a double, a column appears, another goes."""
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    desk(folder, "none")
    for day in range(8):
        rows = rows_of("none", day)
        rows["age"] = pa.array(rows["age"], pa.int16() if day < 5 else pa.float64() if day > 6 else pa.int64())
        rows["s"] = pa.array(rows["s"], pa.float32() if day % 2 else pa.float64())
        if day > 4:
            rows["appears"] = [float(one) for one in range(40)]
        if day > 5:
            del rows["region"]
        written(folder / "logs" / f"{day:02}.parquet", rows)
        if day > 4:
            assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = list(found.values.values())
    missing = {
        row["chunk"]: row["value"]
        for row in rows
        if (row["metric"], row["column"], row["split"]) == ("missing_rate", "region", "analysis")
    }
    assert missing == {0: 0.0, 1: 0.0, 2: 1.0, 3: 1.0}
    beyond = [
        row["value"]
        for row in rows
        if (row["metric"], row["column"], row["split"]) == ("out_of_range_rate", "s", "reference")
    ]
    assert beyond == [0.0] * 4
