"""References that move with the chunks: each chunk as though files of its own held its reference, step by step as at once."""

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken, Progress
from mlops_desk.domain.slicing import Split
from mlops_desk.operations.explaining import explained
from mlops_desk.reporting.summary import distribution
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PATH,
    COLUMNS,
    DAILY,
    INSIDE,
    KEY,
    LABELS,
    LOGS,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_day,
    write_desk,
    write_labels,
)

EVERYTHING = """
[[models.monitors]]
family = "data_drift"
min_rows = 20
[[models.monitors]]
family = "prediction_drift"
min_rows = 20
[[models.monitors]]
family = "label_drift"
min_rows = 20
[[models.monitors]]
family = "performance"
min_rows = 20
segments = ["*", "sex"]
[[models.monitors]]
family = "estimated_performance"
min_rows = 20
[[models.monitors]]
family = "calibration"
min_rows = 20
[[models.monitors]]
family = "concept_drift"
min_rows = 20
[[models.monitors]]
family = "fairness"
min_group_rows = 5
[[models.monitors]]
family = "estimated_fairness"
min_group_rows = 5
[[models.monitors]]
family = "data_quality"
min_rows = 20
segments = ["*", "sex"]
[[models.monitors]]
metrics = ["std_ratio", "energy"]
family = "data_drift"
threshold = { kind = "quantile", upper = 0.9 }
convention = "nannyml"
columns = ["x", "age"]
[[models.monitors]]
metrics = ["jensen_shannon", "psi"]
columns = ["kind", "x"]
segments = ["sex"]
min_rows = 10
"""
OF_NOW = ("freshness_hours", "label_lag_hours")
"""What depends on the whole log, and not on the chunk and its reference alone."""
MOVING = {
    "previous_chunks = 3": 3,
    'rolling = "4d"': 4,
    "expanding = true": 99,
}


def moving(choice: str) -> str:
    return f"[models.reference]\n{choice}\n"


def of_chunk(folder: Path, key: str) -> dict[tuple[object, ...], Mapping[str, Any]]:
    """The analysis values of one chunk by their series."""
    with Store.open(folder) as store:
        table = store.value_table(["m"])
        numbers = {chunk.index for chunk in store.chunks("m", Split.ANALYSIS) if chunk.key == key}
    rows = [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]
    names = [name for name in KEY if name != "chunk"]
    return {
        tuple(row[name] for name in names): row
        for row in rows
        if row["split"] == "analysis" and row["chunk"] in numbers and row["metric"] not in OF_NOW
    }


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """The fields in which two values differ."""
    differing = {}
    for name, other in expected.items():
        one = found[name]
        if name not in ("chunk", "evaluated_at") and one != other:
            numbers = isinstance(one, float) and isinstance(other, float)
            if not (numbers and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)):
                differing[name] = (one, other)
    return differing


def days_apart(folder: Path, name: str, files: Sequence[Path], before: Sequence[Path], *parts: str) -> Path:
    """A workspace whose reference has files of its own."""
    own = folder / name
    write_desk(own, LOGS, BY_PATH, *parts)
    for place, some in (("reference", before), ("logs", files)):
        (own / place).mkdir()
        for file in some:
            shutil.copy(file, own / place)
    assert run(own).failure is None
    return own


def assert_judged_alike(moving_folder: Path, own: Path, key: str, own_key: str | None = None) -> None:
    found, expected = of_chunk(moving_folder, key), of_chunk(own, own_key or key)
    assert found.keys() == expected.keys()
    differing = {name: apart for name, row in expected.items() if (apart := differences(found[name], row))}
    assert differing == {}


@pytest.mark.parametrize("choice", MOVING)
def test_a_chunk_is_judged_as_by_files_that_hold_its_reference(tmp_path: Path, choice: str) -> None:
    length, days = MOVING[choice], range(8)
    folder = tmp_path / "moving"
    parts = (COLUMNS + INSIDE, DAILY, EVERYTHING if "previous" in choice else "")
    write_desk(folder, LOGS, moving(choice), *parts)
    files = [write_day(folder / "logs", day, rows=60, inside=True) for day in days]
    assert run(folder).failure is None
    with Store.open(folder) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
        assert not store.chunks("m", Split.REFERENCE)
    assert len(chunks) == len(days)
    least = 5 if length == 99 else length
    for day in (least, days[-1]):
        before = files[max(0, day - length) : day]
        own = days_apart(tmp_path, f"own{day}", files[day:], before, *parts)
        assert_judged_alike(folder, own, chunks[day].key)


def day_table(day: int, rows: int = 60) -> pa.Table:
    return pa.table({**day_rows(day, rows=rows), "repaid": truth(day, rows=rows)})


def test_days_that_share_files_are_told_apart(tmp_path: Path) -> None:
    """Files of three days: the references of neighbours are made of the same files, and not of the same rows."""
    folder = tmp_path / "moving"
    monitors = """
[[models.monitors]]
metrics = ["jensen_shannon", "psi", "out_of_range_rate", "accuracy", "roc_auc", "missing_rate", "energy"]
min_rows = 10
segments = ["*", "sex"]
[[models.monitors]]
metrics = ["accuracy"]
family = "estimated_performance"
min_rows = 10
"""
    parts = (COLUMNS + INSIDE, DAILY, monitors)
    write_desk(folder, LOGS, moving("previous_chunks = 2"), *parts)
    (folder / "logs").mkdir()
    for first in (0, 3):
        table = pa.concat_tables([day_table(day) for day in range(first, first + 3)], promote_options="permissive")
        pq.write_table(table, folder / "logs" / f"{first}.parquet")
    assert run(folder).failure is None
    with Store.open(folder) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
    files = [
        written(
            tmp_path / "days" / f"{day}.parquet", {name: day_table(day)[name] for name in day_table(day).column_names}
        )
        for day in range(6)
    ]
    for day in (2, 3, 4, 5):
        own = days_apart(tmp_path, f"own{day}", files[day:], files[day - 2 : day], *parts)
        assert_judged_alike(folder, own, chunks[day].key)


def test_chunks_of_a_size_have_references_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "moving"
    parts = (COLUMNS + INSIDE, "[models.chunks]\nsize = 60\n", EVERYTHING)
    write_desk(folder, LOGS, moving("previous_chunks = 3"), *parts)
    files = [write_day(folder / "logs", day, rows=60, inside=True) for day in range(6)]
    assert run(folder).failure is None
    with Store.open(folder) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
    own = days_apart(tmp_path, "own", files[5:], files[2:5], *parts)
    assert_judged_alike(folder, own, chunks[5].key, "row:000000000000")


NUMBERED = """
[models.columns]
timestamp = "ts"
id = "id"
prediction = "y_pred"
target = "repaid"
numeric = ["age", "x"]
"""
LEARNED = """
[[models.monitors]]
metrics = ["pca_reconstruction", "domain_classifier_auc"]
min_rows = 20
segments = ["*", "sex"]
[[models.monitors]]
metrics = ["mae", "rmse"]
min_rows = 20
"""


def test_what_is_fitted_is_fitted_on_the_chunks_own_reference(tmp_path: Path) -> None:
    """Of a regression: projection, classifier, and the estimator of its losses."""
    folder = tmp_path / "moving"
    parts = (NUMBERED, DAILY, LEARNED)
    write_desk(folder, LOGS, moving("previous_chunks = 3"), *parts, task='task = "regression"\n')
    files = []
    for day in range(5):
        rows = day_rows(day, rows=120)
        draw = np.random.default_rng(day)
        rows["y_pred"] = np.asarray(rows["score"]) * 10
        rows["repaid"] = rows["y_pred"] + draw.normal(0, 1, 120)
        del rows["score"]
        files.append(written(folder / "logs" / f"{day}.parquet", rows))
    assert run(folder).failure is None
    with Store.open(folder) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
    own = tmp_path / "own"
    write_desk(own, LOGS, BY_PATH, *parts, task='task = "regression"\n')
    for place, some in (("reference", files[1:4]), ("logs", files[4:])):
        (own / place).mkdir()
        for file in some:
            shutil.copy(file, own / place)
    assert run(own).failure is None
    found, expected = of_chunk(folder, chunks[4].key), of_chunk(own, chunks[4].key)
    assert found.keys() == expected.keys()
    assert sum(row["value"] is not None for row in expected.values()) == 8
    for key, row in expected.items():
        if row["value"] is not None:
            assert found[key]["value"] == pytest.approx(row["value"], rel=1e-9), key
        assert found[key]["reason"] == row["reason"]


def test_a_chunk_without_a_reference_says_so_and_has_what_needs_none(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, moving("expanding = true"), COLUMNS + INSIDE, DAILY)
    for day in range(6):
        write_day(tmp_path / "logs", day, rows=300, inside=True)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        third, last = (store.chunks("m", Split.ANALYSIS)[at] for at in (2, 5))
    reason = "the reference is not complete yet: it has 2 of 5 chunks"
    values = of_chunk(tmp_path, third.key)
    without = {(family, metric) for (_, _, family, metric, *_), row in values.items() if row["reason"] == reason}
    assert {family for family, _ in without} == {
        "data_drift", "prediction_drift", "label_drift", "estimated_performance", "concept_drift", "data_quality"
    }  # fmt: skip
    assert {metric for family, metric in without if family == "data_quality"} == {"unseen_rate", "out_of_range_rate"}
    accuracy = next(
        row
        for (_, segment, family, metric, *_), row in values.items()
        if (segment, family, metric) == (None, "performance", "accuracy")
    )
    assert accuracy["value"] is not None
    assert (accuracy["verdict"], accuracy["lower"]) == ("untested", None)
    fair = [
        row["verdict"] for (_, _, family, metric, *_), row in values.items() if metric == "demographic_parity_ratio"
    ]
    assert fair
    assert set(fair) <= {"ok", "warning", "alert"}
    assert values.keys() <= of_chunk(tmp_path, last.key).keys()
    assert all(row["reason"] != reason for row in of_chunk(tmp_path, last.key).values())


def test_values_by_cell_hold_the_exact_ones_within_their_bounds(tmp_path: Path) -> None:
    """Also ends of the range of a reference of one chunk only, which nothing was counted against."""
    found = {}
    for exact in (0, 200_000):
        folder = tmp_path / str(exact)
        monitor = f'[[models.monitors]]\nmetrics = ["out_of_range_rate", "kolmogorov_smirnov"]\nmin_rows = 10\nexact_rows = {exact}\n'
        write_desk(folder, LOGS, moving("previous_chunks = 1"), COLUMNS, DAILY, monitor)
        for day in range(6):
            write_day(folder / "logs", day, rows=300)
        assert run(folder).failure is None
        with Store.open(folder) as store:
            found[exact] = {(value.key, value.chunk_key): value.measurement for value in store.values("m")}
    pairs = [(cell, found[200_000][key]) for key, cell in found[0].items() if cell.value is not None]
    assert sum(cell.error_bound > 0 for cell, _ in pairs) > 5
    for cell, exact in pairs:
        assert abs(cell.value - exact.value) <= cell.error_bound + 1e-12


def test_a_reference_that_outgrows_exact_counting_is_counted_by_cell_step_by_step_as_at_once(tmp_path: Path) -> None:
    monitor = (
        '[[models.monitors]]\nmetrics = ["kolmogorov_smirnov", "out_of_range_rate"]\nmin_rows = 10\nexact_rows = 270\n'
    )
    folder = tmp_path / "desk"
    write_desk(folder, LOGS, moving("expanding = true"), COLUMNS, DAILY, monitor)
    bounded = []
    for day in range(8):
        write_day(folder / "logs", day)
        assert run(folder).failure is None
        bounded.append(any(row["error_bound"] for row in kept(folder).values.values()))
    assert bounded == [False] * 6 + [True] * 2
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns(".desk"))
    run(tmp_path / "copy", full=True)
    assert_same(kept(folder), kept(tmp_path / "copy"))


@pytest.mark.parametrize("choice", MOVING)
def test_a_log_whose_rows_have_no_time_says_so(tmp_path: Path, choice: str) -> None:
    write_desk(tmp_path, LOGS, moving(choice), COLUMNS, DAILY)
    written(tmp_path / "logs" / "0.parquet", {**day_rows(0), "ts": pa.nulls(40, pa.timestamp("us"))})
    assert run(tmp_path).failure == (
        "models.m: the log has no rows that belong to a chunk; are all timestamps NULL, or does the filter leave none?"
    )


def test_one_more_day_costs_that_day(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, moving('rolling = "3d"'), COLUMNS + INSIDE, DAILY)
    for day in range(6):
        write_day(tmp_path / "logs", day, inside=True)
    run(tmp_path)
    write_day(tmp_path / "logs", 6, inside=True)
    outcome = run(tmp_path)
    assert (outcome.chunks_evaluated, outcome.rows_scanned) == (1, 40)


def test_late_labels_change_the_chunks_that_are_compared_with_theirs(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, moving("previous_chunks = 2"), LABELS, COLUMNS, DAILY)
    for day in range(8):
        write_day(tmp_path / "logs", day)
    write_labels(tmp_path, "old", range(3))
    run(tmp_path)
    write_labels(tmp_path, "new", [4])
    outcome = run(tmp_path)
    assert outcome.chunks_evaluated == 3  # its own, and the two after it


def test_limits_follow_how_far_labels_had_come_before_the_reference(tmp_path: Path) -> None:
    """Late labels of a chunk before a reference move the fronts of all its chunks, and with them what a lag is held against."""
    lag = '[[models.monitors]]\nmetrics = ["label_lag_hours"]\nthreshold = { kind = "deviation", upper = 3 }\n'
    write_desk(tmp_path / "steps", LOGS, moving("previous_chunks = 6"), LABELS, COLUMNS, DAILY, lag)
    for day in range(9):
        write_day(tmp_path / "steps" / "logs", day)
    write_labels(tmp_path / "steps", "last", [8])
    run(tmp_path / "steps")
    write_labels(tmp_path / "steps", "first", [0])
    run(tmp_path / "steps")
    stepwise = kept(tmp_path / "steps")
    run(tmp_path / "steps", full=True)
    assert_same(stepwise, kept(tmp_path / "steps"))
    assert any(row["upper"] is not None for row in stepwise.values.values())


def test_outliers_need_a_reference_that_stays(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["outlier_rate", "boundary_rate"]\nmin_rows = 10\n'
    write_desk(tmp_path, LOGS, moving("previous_chunks = 2"), COLUMNS, DAILY, monitor)
    for day in range(4):
        write_day(tmp_path / "logs", day)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        reasons = {value.key.metric: value.measurement.reason for value in store.values("m")}
    assert "needs a reference that does not move" in (reasons["outlier_rate"] or "")
    assert reasons["boundary_rate"] is None


def test_a_cancel_is_noticed_between_chunks(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, moving("previous_chunks = 1"), COLUMNS, DAILY)
    for day in range(5):
        write_day(tmp_path / "logs", day)
    token, stages = CancelToken(), []

    def sink(progress: Progress) -> None:
        stages.append(progress.stage)
        if progress.stage == "M: measuring chunk 2 of 5":
            token.cancel()

    with pytest.raises(Cancelled):
        run(tmp_path, progress=sink, cancel=token)
    assert "M: measuring chunk 3 of 5" not in stages


def test_a_distribution_is_shown_beside_the_chunks_own_reference(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, moving("previous_chunks = 2"), COLUMNS, DAILY)
    for day in range(5):
        write_day(tmp_path / "logs", day, rows=40 + day)
    run(tmp_path)
    model = read_desk(tmp_path).models[0]
    with Store.open(tmp_path) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
        shown = distribution(store, model, "age", [chunks[3].key, chunks[4].key])
        first = distribution(store, model, "age", [chunks[1].key])
    assert (shown.reference_rows, shown.analysis_rows) == (41 + 42, 43 + 44)
    assert shown.reference_text == "Reference (27 – 28 Feb 2024)"
    assert (first.reference_rows, first.analysis_rows) == (0, 41)
    assert first.reference_text == "No reference yet"
    assert first.notes[0] == "the reference is not complete yet: it has 1 of 2 chunks"


def test_an_alert_is_explained_by_the_chunks_own_reference(tmp_path: Path) -> None:
    """Accuracy falls at the end: what it is compared with are the two days before, and not all that came before."""
    monitor = '[[models.monitors]]\nmetrics = ["accuracy"]\nfamily = "performance"\nmin_rows = 10\nthreshold = { kind = "constant", lower = 0.4 }\n'
    write_desk(tmp_path, LOGS, moving("previous_chunks = 2"), COLUMNS + INSIDE, DAILY, monitor)
    right = {0: 40, 1: 40, 2: 30, 3: 20, 4: 10}
    for day, count in right.items():
        rows = day_rows(day)
        rows["repaid"] = np.where(np.arange(40) < count, rows["y_pred"], 1 - rows["y_pred"])
        written(tmp_path / "logs" / f"{day}.parquet", rows)
    run(tmp_path)
    found = explained(read_desk(tmp_path), 1)
    assert found.attribution is not None
    assert (found.attribution.reference_value, found.attribution.chunk_value) == (50 / 80, 10 / 40)
    assert found.reference_value == 50 / 80
    out = [share.total for share in found.attribution.shares if share.column == "sex"]
    assert sum(out) == pytest.approx(10 / 40 - 50 / 80)
