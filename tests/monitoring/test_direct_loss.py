"""Errors of a regression estimated before labels arrive, over whole workspaces: as a full run, however files lie, one day at a time."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.aggregates.logs import written
from tests.monitoring.desks import BY_PERIOD, DAILY, LOGS, assert_same, day_rows, kept, run, write_desk
from tests.monitoring.test_learning import learned_rows

COLUMNS = '[models.columns]\ntimestamp = "ts"\nid = "id"\nprediction = "price"\nprotected = ["sex"]\n'
LATE = '[models.labels]\npath = "labels"\nkey = "id"\ntarget = "paid"\n'
ESTIMATES = '[[models.monitors]]\nfamily = "estimated_performance"\nmin_rows = 10\nsegments = ["*", "sex"]\n'
REGRESSION = 'task = "regression"\n'
METRICS = {"mae", "mse", "rmse", "mape", "msle", "rmsle"}


def rows_of(day: int, rows: int = 40) -> dict[str, Any]:
    """A day whose errors are the larger, the older somebody is; an infinite and a missing prediction now and then."""
    rng = np.random.default_rng((day, 9))
    found = day_rows(day, rows=rows)
    for name in ("score", "y_pred", "version"):
        del found[name]
    price = np.round(rng.lognormal(3, 0.4, rows), 2)
    found["paid"] = price + rng.normal(size=rows) * np.asarray(found["age"]) / 10
    price[:2] = [np.nan, np.inf]
    found["price"] = price
    return found


def write_log(folder: Path, day: int, *, late: bool) -> None:
    rows = rows_of(day)
    if late:
        paid = rows.pop("paid")
        if day < 6:
            written(folder / "labels" / f"{day:02}.parquet", {"id": rows["id"], "paid": paid})
    written(folder / "logs" / f"{day:02}.parquet", rows)


@pytest.mark.parametrize("late", [False, True])
def test_a_run_leaves_what_a_full_run_would(tmp_path: Path, late: bool) -> None:
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    columns = COLUMNS if late else COLUMNS + 'target = "paid"\n'
    write_desk(folder, LOGS, BY_PERIOD, columns, DAILY, ESTIMATES, *([LATE] if late else []), task=REGRESSION)
    for day in range(6):
        write_log(folder, day, late=late)
    assert run(folder).failure is None
    write_log(folder, 6, late=late)
    assert run(folder).failure is None
    if late:
        written(folder / "labels" / "00.parquet", {"id": np.arange(20), "paid": np.full(20, 25.0)})
        assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = [row for row in found.values.values() if row["segment"] is None]
    assert {row["metric"] for row in rows} == METRICS
    assert all(row["value"] is not None for row in rows if row["metric"] not in ("msle", "rmsle"))
    assert {row["rows"] for row in rows} == {40}
    segments = {row["segment"] for row in found.values.values() if row["value"] is not None}
    assert segments == {None, "sex=f", "sex=m", "sex=x"}


def test_values_do_not_depend_on_how_files_lie(tmp_path: Path) -> None:
    days = [pa.table(rows_of(day)) for day in range(6)]
    whole = pa.concat_tables(days)
    shuffled = whole.take(np.random.default_rng(5).permutation(len(whole)))
    for layout in ("days", "across"):
        folder = tmp_path / layout
        write_desk(folder, LOGS, BY_PERIOD, COLUMNS + 'target = "paid"\n', DAILY, ESTIMATES, task=REGRESSION)
        for index in range(6 if layout == "days" else 3):
            table = days[index] if layout == "days" else shuffled[index * 80 : (index + 1) * 80]
            written(folder / "logs" / f"{index}.parquet", table)
        assert run(folder).failure is None
    assert_same(kept(tmp_path / "across"), kept(tmp_path / "days"))


def test_one_more_day_reads_one_day_again(tmp_path: Path) -> None:
    once = ESTIMATES.replace(', "sex"', "")
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, once, LATE, task=REGRESSION)
    for day in range(8):
        write_log(tmp_path, day, late=True)
    assert learned_rows(tmp_path) == 4 * 38 + 8 * 40
    write_log(tmp_path, 8, late=True)
    assert learned_rows(tmp_path) == 40
    written(tmp_path / "labels" / "late.parquet", {"id": np.arange(6000, 6020), "paid": np.full(20, 25.0)})
    assert learned_rows(tmp_path) == 0


def test_estimates_stand_beside_the_truth_in_the_recommended_set(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS + 'target = "paid"\n', DAILY, task=REGRESSION)
    for day in range(6):
        written(tmp_path / "logs" / f"{day}.parquet", rows_of(day, 300))
    assert run(tmp_path).failure is None
    mae = {
        (row["split"], row["chunk"], row["family"]): row["value"]
        for row in kept(tmp_path).values.values()
        if row["metric"] == "mae" and row["group"] is None
    }
    for split, chunk in (("reference", 0), ("analysis", 0), ("analysis", 1)):
        truth, estimate = (mae[split, chunk, family] for family in ("performance", "estimated_performance"))
        assert estimate == pytest.approx(truth, rel=0.15)


def test_a_model_without_predictions_says_so(tmp_path: Path) -> None:
    columns = COLUMNS.replace('prediction = "price"\n', 'target = "paid"\nignore = ["price"]\n')
    write_desk(tmp_path, LOGS, BY_PERIOD, columns, DAILY, ESTIMATES.replace(', "sex"', ""), task=REGRESSION)
    for day in range(6):
        write_log(tmp_path, day, late=False)
    assert run(tmp_path).failure is None
    assert {row["reason"] for row in kept(tmp_path).values.values()} == {"no predictions are logged"}


def test_a_reference_without_labels_says_so(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, ESTIMATES.replace(', "sex"', ""), LATE, task=REGRESSION)
    for day in range(6):
        write_log(tmp_path, day, late=True)
    for day in range(4):
        (tmp_path / "labels" / f"{day:02}.parquet").unlink()
    assert run(tmp_path).failure is None
    reasons = {row["reason"] for row in kept(tmp_path).values.values()}
    assert reasons == {"reference: no labelled reference rows with a prediction"}
