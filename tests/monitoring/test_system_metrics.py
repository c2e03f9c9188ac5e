"""Latency, throughput and unanswered rows of whole evaluations, against NumPy on the rows themselves."""

from pathlib import Path

import numpy as np
import pytest

from tests.monitoring.desks import kept, run
from tests.monitoring.signal_desks import COLUMNS, DAYS, ROWS, in_steps, make_desk, rows_of, value_of, write_rows

SYSTEM = '[[models.monitors]]\nfamily = "system"\nsegments = ["*", "client"]\n'


def finite(values: np.ndarray) -> np.ndarray:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return numbers[np.isfinite(numbers)]


def test_they_are_those_of_the_rows_step_by_step_and_however_files_lie(tmp_path: Path) -> None:
    found = in_steps(tmp_path / "desk", SYSTEM)
    for day in range(DAYS):
        rows = rows_of(day)
        for metric, level in (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)):
            row = value_of(found, metric, day)
            assert row["value"] == pytest.approx(np.quantile(finite(rows["ms"]), level), rel=1e-12)
            assert row["error_bound"] == 0
            assert row["verdict"] == "ok"
            assert row["upper"] is None
        missing = sum(value is None for value in rows["y_pred"])
        assert value_of(found, "error_rate", day)["value"] == pytest.approx(missing / ROWS)
        last = max(rows["ts"]) if day == DAYS - 1 else None
        seconds = 86400 if last is None else (last - last.replace(hour=0, minute=0)).total_seconds()
        assert value_of(found, "throughput_per_s", day)["value"] == pytest.approx(ROWS / seconds)
    ann = [value for value, client in zip(rows["ms"], rows["client"], strict=True) if client == "ann"]
    row = value_of(found, "latency_p50", DAYS - 1, segment="client=ann")
    assert row["value"] == pytest.approx(np.quantile(finite(np.array(ann)), 0.5))


def test_cells_bound_a_quantile(tmp_path: Path) -> None:
    found = in_steps(tmp_path / "desk", '[[models.monitors]]\nmetrics = ["latency_p95"]\nexact_rows = 0\n')
    for day in range(DAYS):
        row = value_of(found, "latency_p95", day)
        gap = abs(row["value"] - np.quantile(finite(rows_of(day)["ms"]), 0.95))
        assert gap <= row["error_bound"] + 1e-9
        assert row["error_bound"] > 0


def test_without_the_columns_they_are_untested_with_a_reason(tmp_path: Path) -> None:
    make_desk(tmp_path, SYSTEM.replace(', "client"', ""), columns='[models.columns]\ntimestamp = "ts"\n')
    for day in range(DAYS):
        rows = rows_of(day)
        write_rows(tmp_path / "logs" / f"{day}.parquet", rows)
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    assert value_of(found, "latency_p99", 5)["reason"] == "columns.latency names no column"
    assert value_of(found, "error_rate", 5)["reason"] == "the model logs neither prediction nor score"


def test_a_score_alone_answers(tmp_path: Path) -> None:
    columns = COLUMNS.replace('prediction = "y_pred"\n', "decision_threshold = 0.5\n")
    found = in_steps(tmp_path / "desk", '[[models.monitors]]\nmetrics = ["error_rate"]\n', columns=columns)
    missing = int(np.isnan(rows_of(5)["score"]).sum())
    assert value_of(found, "error_rate", 5)["value"] == pytest.approx(missing / ROWS)


def test_latencies_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    make_desk(tmp_path, SYSTEM, columns=COLUMNS.replace('latency = "ms"', 'latency = "kind"'))
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day}.parquet", rows_of(day))
    failure = run(tmp_path).failure
    assert failure is not None
    assert "models.m.columns.latency: 'kind' is of type VARCHAR" in failure
