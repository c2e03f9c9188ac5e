"""Constant columns, schema changes and the lag of labels in whole evaluations."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.aggregates.logs import written
from tests.monitoring.desks import BY_PERIOD, DAILY, LABELS, LOGS, assert_same, kept, run, truth, write_desk
from tests.monitoring.signal_desks import COLUMNS, DAYS, in_steps, rows_of, value_of, write_rows

ASKED = '[[models.monitors]]\nmetrics = ["constant_columns", "schema_changes", "label_lag_hours", "rows"]\n'
SEGMENTED = ASKED + 'segments = ["*", "kind"]\nmin_rows = 5\n'


def assert_full_run_agrees(folder: Path) -> None:
    copy = folder.parent / f"{folder.name} copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    assert_same(kept(folder), kept(copy))


@pytest.mark.parametrize("chunks", [DAILY, "[models.chunks]\nsize = 100\n"])
def test_nothing_changes_where_nothing_does(tmp_path: Path, chunks: str) -> None:
    found = in_steps(tmp_path / "desk", SEGMENTED, columns=COLUMNS + 'target = "repaid"\n', chunks=chunks)
    for row in found.values.values():
        if row["metric"] in ("schema_changes", "label_lag_hours") and row["segment"] is None:
            assert row["value"] == 0, row
    if chunks == DAILY:
        assert value_of(found, "constant_columns", 3)["value"] == 0, "the version was constant before"
        assert value_of(found, "constant_columns", 3, segment="kind=a")["value"] == 0
        assert value_of(found, "label_lag_hours", 5, segment="kind=a")["reason"] is not None


def test_columns_that_change_in_the_files(tmp_path: Path) -> None:
    write_desk(tmp_path / "desk", LOGS, BY_PERIOD, COLUMNS + 'target = "repaid"\n', DAILY, ASKED)
    for day in range(DAYS):
        rows = rows_of(day)
        if day == 4:
            del rows["region"], rows["repaid"]
            rows["ms"] = np.where(rows["ms"] == None, None, rows["ms"].astype(object))  # noqa: E711
            rows["added"] = np.ones(len(rows["id"]), dtype=object)
        if day == 5:
            rows["sex"][:] = "f"
            rows["age"][:] = 40
        write_rows(tmp_path / "desk" / "logs" / f"{day:02}.parquet", rows)
        if day > 3:
            assert run(tmp_path / "desk").failure is None
    found = kept(tmp_path / "desk")
    assert value_of(found, "schema_changes", 4)["value"] == 2
    assert value_of(found, "schema_changes", 4)["verdict"] == "alert"
    assert value_of(found, "schema_changes", 5)["value"] == 0
    assert value_of(found, "constant_columns", 5)["value"] == 2
    assert value_of(found, "constant_columns", 5)["verdict"] == "alert"
    assert value_of(found, "constant_columns", 4)["value"] == 0
    assert_full_run_agrees(tmp_path / "desk")


def test_labels_lag_by_what_is_not_labelled_yet(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    write_desk(folder, LOGS, BY_PERIOD, LABELS, COLUMNS, DAILY, ASKED)

    def label(name: str, days: range, rows: int = 120) -> None:
        values = np.concatenate([truth(day, 0, 120)[:rows] for day in days])
        ids = np.concatenate([np.arange(120)[:rows] + 1000 * day for day in days])
        written(folder / "labels" / f"{name}.parquet", {"id": ids, "repaid": values})

    for day in range(DAYS):
        rows = rows_of(day)
        del rows["repaid"]
        write_rows(folder / "logs" / f"{day:02}.parquet", rows)
    times = [rows_of(day)["ts"] for day in range(DAYS)]

    def lag(front: int, last: int) -> float:
        return (max(times[last]) - times[front].max()).total_seconds() / 3600

    label("first", range(3))
    assert run(folder).failure is None
    found = kept(folder)
    for day in range(4, DAYS):
        assert value_of(found, "label_lag_hours", day)["reason"] == "no labels yet", "analysis rows have none"
    assert value_of(found, "label_lag_hours", 3)["value"] == pytest.approx(lag(2, 3))
    assert value_of(found, "label_lag_hours", 2)["value"] == 0
    label("second", range(4, 5))
    assert run(folder).failure is None
    found = kept(folder)
    for day in range(4, DAYS):
        row = value_of(found, "label_lag_hours", day)
        assert row["value"] == pytest.approx(lag(4, day))
        assert row["verdict"] == "ok"
    assert_full_run_agrees(folder)
    label("third", range(5, 6), rows=60)
    assert run(folder).failure is None
    found = kept(folder)
    last = (max(times[6]) - times[5][:60].max()).total_seconds() / 3600
    assert value_of(found, "label_lag_hours", 6)["value"] == pytest.approx(last)
    assert value_of(found, "label_lag_hours", 4)["value"] == 0
    assert_full_run_agrees(folder)
    (folder / "labels" / "second.parquet").unlink()
    (folder / "labels" / "third.parquet").unlink()
    assert run(folder).failure is None
    assert value_of(kept(folder), "label_lag_hours", 6)["reason"] == "no labels yet"
    assert_full_run_agrees(folder)
