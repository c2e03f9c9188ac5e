"""The weight column: which rows it leaves out, what refuses it, and that what honours it is right."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.monitoring import learning
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    INSIDE,
    LABELS,
    LOGS,
    REFERENCE_DAYS,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_desk,
    write_labels,
)
from tests.monitoring.weighted_desks import evaluated, monitor, rows_of

WEIGHED = COLUMNS + INSIDE + 'weight = "w"\n'
DAYS = 7


def weighed_day(folder: Path, day: int, weights: object, **more: object) -> Path:
    """Writes a day of the log with labels and weights."""
    columns: dict[str, Any] = {**day_rows(day), "repaid": truth(day), "w": weights, **more}
    return written(folder / "logs" / f"{day:02}.parquet", columns)


def weights_of(day: int) -> np.ndarray:
    return np.random.default_rng((day, 3)).exponential(2, 40)


def values_by(folder: Path, *names: str) -> Mapping[tuple[object, ...], Mapping[str, object]]:
    """The stored values by some of their fields."""
    return {tuple(row[name] for name in names): row for row in kept(folder).values.values()}


def test_a_weight_that_is_text_is_named(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, WEIGHED, DAILY)
    for day in range(DAYS):
        weighed_day(tmp_path, day, pa.array(["heavy"] * 40))
    failure = run(tmp_path).failure
    assert failure is not None
    assert "columns.weight: 'w' of the log is of type VARCHAR" in failure


def test_a_reference_without_weights_is_named(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, '[models.reference]\npath = "reference"\n', WEIGHED, DAILY)
    for day in range(DAYS):
        weighed_day(tmp_path, day, weights_of(day))
    written(tmp_path / "reference" / "r.parquet", {**day_rows(0), "repaid": truth(0)})
    assert "columns.weight: the reference has no column 'w'" in (run(tmp_path).failure or "")


def test_rows_without_a_usable_weight_are_left_out_and_counted(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, WEIGHED, DAILY)
    for day in range(DAYS):
        weights = weights_of(day)
        if day == 5:
            weights[:5] = [np.nan, -1, np.inf, 1e31, 0]
            weighed_day(tmp_path, day, pa.array([*weights[:-1], None]))
        else:
            weighed_day(tmp_path, day, weights)
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    assert ("weight_unusable", 5) in found.notes
    assert not [note for note in found.notes if note[0] == "rows_left_out"]
    rows = {chunk[1]: chunk[5] for chunk in found.chunks}
    assert sorted(rows.values()) == [35, *[40] * (DAYS - 1)]
    counted = [row["rows"] for row in found.values.values() if row["chunk"] == 1 and row["split"] == "analysis"]
    assert set(counted) == {35}


def test_what_refuses_weights_says_why(tmp_path: Path) -> None:
    metrics = 'metrics = ["kolmogorov_smirnov_p", "label_odds_ratio", "chi_squared", "mmd", "rows"]\n'
    write_desk(tmp_path, LOGS, BY_PERIOD, WEIGHED, DAILY, "[[models.monitors]]\n" + metrics)
    for day in range(DAYS):
        weighed_day(tmp_path, day, weights_of(day))
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    assert ("weight_refused", 4) in found.notes
    reasons = {row["metric"]: row["reason"] for row in found.values.values()}
    assert "does not take weights: its null distribution is of counts" in str(reasons["kolmogorov_smirnov_p"])
    assert "remove columns.weight" in str(reasons["mmd"])
    assert {name for name, reason in reasons.items() if reason is None} == {"rows"}


def test_nothing_is_learned_for_what_refuses_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates of a regression's errors and drift of all columns together."""
    for name in ("losses_of", "projection_of", "separability"):
        monkeypatch.setattr(learning, name, None)
    reference, log = rows_of("regression", 61, 300), rows_of("regression", 62, 200)
    values = evaluated(
        tmp_path, "regression", reference, log, monitor("multivariate_drift"), monitor("estimated_performance")
    )
    assert {key[1] for key in values} >= {"pca_reconstruction", "domain_classifier_auc", "mae", "rmsle"}
    for row in values.values():
        assert "does not take weights: it is learned from rows" in row["reason"]


def daily(folder: Path, *parts: str, weights: Mapping[int, np.ndarray] | None, days: int = DAYS) -> None:
    """A workspace of daily files with these weights by day, or without any."""
    columns = COLUMNS + INSIDE + ('ignore = ["w"]\n' if weights is None else 'weight = "w"\n')
    write_desk(folder, LOGS, BY_PERIOD, columns, DAILY, *parts)
    for day in range(days):
        weighed_day(folder, day, np.ones(40) if weights is None else weights[day])


EVERYTHING = """
[[models.monitors]]
family = "performance"
[[models.monitors]]
family = "estimated_performance"
[[models.monitors]]
family = "calibration"
[[models.monitors]]
family = "fairness"
min_group_rows = 5
[[models.monitors]]
family = "estimated_fairness"
min_group_rows = 5
[[models.monitors]]
family = "data_drift"
metrics = ["psi", "jensen_shannon", "kolmogorov_smirnov", "wasserstein", "energy", "median", "std", "std_ratio", "median_shift", "sum", "drifted_share"]
EXACT
[[models.monitors]]
metrics = ["accuracy", "jensen_shannon", "median"]
min_rows = 5
segments = ["sex"]
[[models.monitors]]
metrics = ["estimation_gap", "covariate_effect", "concept_effect"]
[models.business_value]
matrix = [[0, -1], [-2, 3]]
"""


BY_VALUE, BY_CELL = EVERYTHING.replace("EXACT", ""), EVERYTHING.replace("EXACT", "exact_rows = 0")


@pytest.mark.parametrize("monitors", [BY_VALUE, BY_CELL], ids=["by value", "by cell"])
def test_weights_of_1_change_nothing(tmp_path: Path, monitors: str) -> None:
    daily(tmp_path / "plain", monitors, weights=None)
    daily(tmp_path / "ones", monitors, weights={day: np.ones(40) for day in range(DAYS)})
    for name in ("plain", "ones"):
        assert run(tmp_path / name).failure is None
    plain, ones = kept(tmp_path / "plain"), kept(tmp_path / "ones")
    assert len(plain.values) > 500
    assert_same(ones, plain, within=1e-11)


@pytest.mark.parametrize("monitors", [BY_VALUE, BY_CELL], ids=["by value", "by cell"])
def test_a_run_leaves_what_a_full_run_leaves(tmp_path: Path, monitors: str) -> None:
    folder = tmp_path / "desk"
    weights = {day: weights_of(day) for day in range(DAYS + 2)}
    daily(folder, monitors, weights=weights, days=5)
    run(folder)
    for day in range(5, DAYS + 2):
        weighed_day(folder, day, weights[day])
        run(folder)
    weights[6][:10] = [np.nan, *[0.0] * 4, *[7.5] * 5]
    weighed_day(folder, 6, weights[6])
    run(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    assert ("weight_unusable", 1) in kept(copy).notes
    assert_same(kept(folder), kept(copy))


def test_the_weight_column_is_part_of_what_is_kept(tmp_path: Path) -> None:
    """Another column of weights is another count, though the files are the same."""
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS + INSIDE + 'weight = "w"\nignore = ["v"]\n', DAILY, BY_VALUE)
    for day in range(DAYS):
        weighed_day(tmp_path, day, weights_of(day), v=weights_of(day + 50))
    run(tmp_path)
    first = values_by(tmp_path, "chunk", "metric", "family", "column", "group", "split")
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS + INSIDE + 'weight = "v"\nignore = ["w"]\n', DAILY, BY_VALUE)
    run(tmp_path)
    second = values_by(tmp_path, "chunk", "metric", "family", "column", "group", "split")
    key = (0, "accuracy", "performance", None, None, "analysis")
    assert first[key]["value"] != second[key]["value"]
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns(".desk"))
    run(copy, full=True)
    assert_same(kept(tmp_path), kept(copy))


def test_a_chunk_of_weight_0_is_untested(tmp_path: Path) -> None:
    weights = {day: weights_of(day) if day != 5 else np.zeros(40) for day in range(DAYS)}
    daily(tmp_path, BY_VALUE, weights=weights)
    assert run(tmp_path).failure is None
    whole = (row for row in kept(tmp_path).values.values() if row["segment"] is None)
    rows = [row for row in whole if (row["split"], row["chunk"]) == ("analysis", 1)]
    assert len(rows) > 100
    told = {row["metric"]: row["reason"] for row in rows if row["value"] is not None}
    assert set(told) <= {"drifted_share"}, told
    reasons = {(row["family"], row["metric"]): str(row["reason"]) for row in rows}
    assert reasons["data_drift", "median"] == "all values of this column in the chunk weigh 0"
    assert reasons["performance", "accuracy"] == "among rows that weigh more than 0: no labelled rows"
    assert "weigh" in reasons["fairness", "recall"]
    assert "weigh" in reasons["concept_drift", "concept_effect"]


def test_few_rows_are_too_few_whatever_they_weigh(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nfamily = "performance"\nmin_rows = 41\n'
    daily(tmp_path, monitor, weights={day: weights_of(day) * 1000 for day in range(DAYS)})
    run(tmp_path)
    reasons = {row["metric"]: row["reason"] for row in kept(tmp_path).values.values() if row["family"] == "performance"}
    assert reasons["accuracy"] == "40 labelled rows, fewer than 41"


@pytest.mark.parametrize("monitors", [BY_VALUE, BY_CELL], ids=["by value", "by cell"])
@pytest.mark.parametrize("spread", [50.0, 2.0], ids=["of any size", "mostly 0"])
def test_weights_of_any_size_give_values_or_reasons(tmp_path: Path, monitors: str, spread: float) -> None:
    """From 1e-30 to 1e30, and where only a few rows weigh anything: never NaN, and shares stay shares."""
    weights = {}
    for day in range(DAYS):
        rng = np.random.default_rng((day, 6))
        some = rng.random(40) < (1.0 if spread > 10 else 0.08)
        weights[day] = np.where(some, np.clip(10 ** rng.uniform(-spread, spread, 40), 1e-30, 1e30), 0.0)
    daily(tmp_path, monitors, weights=weights)
    assert run(tmp_path).failure is None
    rows = list(kept(tmp_path).values.values())
    assert sum(row["value"] is not None for row in rows) > 500
    for row in rows:
        if row["value"] is not None and row["metric"] in (
            "accuracy",
            "recall",
            "roc_auc",
            "jensen_shannon",
            "precision",
            "f1",
        ):
            assert 0 <= row["value"] <= 1, row  # type: ignore[operator]
            assert (
                row["interval_lower"] is None
                or 0 <= row["interval_lower"] <= row["value"] <= row["interval_upper"] <= 1
            ), row  # type: ignore[operator]


def test_a_file_without_the_column_has_no_usable_row(tmp_path: Path) -> None:
    daily(tmp_path, BY_VALUE, weights={day: weights_of(day) for day in range(DAYS)})
    written(tmp_path / "logs" / "05.parquet", {**day_rows(5), "repaid": truth(5)})
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    assert ("weight_unusable", 40) in found.notes
    assert len(found.chunks) == DAYS - 1


def test_a_reference_without_a_usable_weight_is_an_error(tmp_path: Path) -> None:
    weights = {day: np.full(40, np.nan) if day < REFERENCE_DAYS else np.ones(40) for day in range(DAYS)}
    daily(tmp_path, BY_VALUE, weights=weights)
    failure = run(tmp_path).failure or ""
    assert "columns.weight" in failure
    assert "weight that can be used" in failure


def test_chunks_of_size_are_cut_from_rows_that_count(tmp_path: Path) -> None:
    """Of 40 rows a day one is left out for its weight, so a chunk of 39 rows is a day."""
    columns = COLUMNS + INSIDE + 'weight = "w"\n'
    write_desk(
        tmp_path,
        LOGS,
        BY_PERIOD,
        columns,
        "[models.chunks]\nsize = 39\n",
        BY_VALUE.replace("min_rows", "exact_rows = 9\nmin_rows"),
    )
    for day in range(DAYS):
        weights = weights_of(day)
        weights[7] = np.inf
        weighed_day(tmp_path, day, weights)
    assert run(tmp_path).failure is None
    assert {chunk[5] for chunk in kept(tmp_path).chunks} == {39}


def test_late_labels_are_weighed(tmp_path: Path) -> None:
    """Joined labels give what labels inside the log give."""
    inside, joined = tmp_path / "inside", tmp_path / "joined"
    weights = {day: weights_of(day) for day in range(DAYS)}
    daily(inside, BY_VALUE, weights=weights)
    write_desk(joined, LOGS, BY_PERIOD, COLUMNS + 'weight = "w"\n', DAILY, LABELS, BY_VALUE)
    for day in range(DAYS):
        written(joined / "logs" / f"{day:02}.parquet", {**day_rows(day), "w": weights[day]})
    run(joined)
    write_labels(joined, "all", range(DAYS))
    for folder in (inside, joined):
        assert run(folder).failure is None
    first, second = kept(inside).values, kept(joined).values
    compared = [key for key in first if key[3] in ("performance", "fairness", "calibration")]
    assert len(compared) > 300
    for key in compared:
        assert second[key]["reason"] == first[key]["reason"]
        if first[key]["value"] is not None:
            assert second[key]["value"] == pytest.approx(first[key]["value"], abs=1e-12)
