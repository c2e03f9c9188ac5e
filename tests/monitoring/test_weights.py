"""The weight column: which rows it leaves out, what refuses it, and that what honours it is right."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    INSIDE,
    LOGS,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_desk,
)

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


def daily(folder: Path, *parts: str, weights: Mapping[int, np.ndarray] | None, days: int = DAYS) -> None:
    """A workspace of daily files with these weights by day, or without any."""
    columns = COLUMNS + INSIDE + ("" if weights is None else 'weight = "w"\n')
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
metrics = ["estimation_gap", "covariate_effect", "concept_effect"]
[models.business_value]
matrix = [[0, -1], [-2, 3]]
"""


def test_weights_of_1_change_nothing(tmp_path: Path) -> None:
    daily(tmp_path / "plain", EVERYTHING, weights=None)
    daily(tmp_path / "ones", EVERYTHING, weights={day: np.ones(40) for day in range(DAYS)})
    for name in ("plain", "ones"):
        assert run(tmp_path / name).failure is None
    plain, ones = kept(tmp_path / "plain"), kept(tmp_path / "ones")
    assert len(plain.values) > 500
    assert_same(ones, plain, within=1e-11)
