"""Adversarial metrics in whole evaluations, against NumPy and plain Python over the rows."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.metrics.adversarial import Queries
from tests.metrics.test_adversarial import brute
from tests.monitoring.desks import DAILY, kept, run
from tests.monitoring.signal_desks import (
    COLUMNS,
    DAYS,
    ROWS,
    all_rows,
    in_steps,
    make_desk,
    rows_of,
    value_of,
    write_rows,
)

ASKED = '[[models.monitors]]\nfamily = "adversarial"\nsegments = ["*", "sex"]\nmin_rows = 10\n'
TARGET = COLUMNS + 'target = "repaid"\n'
NUMERIC, CATEGORICAL = ("x", "age"), ("kind", "region", "sex", "version")


def numbers(rows: dict[str, np.ndarray], name: str) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in rows[name]], dtype=np.float64)


class Oracle:
    """What adversarial metrics are, fitted on the rows of the reference."""

    def __init__(self) -> None:
        self.reference = all_rows(range(4))
        finite = {name: values[np.isfinite(values)] for name in NUMERIC if len(values := numbers(self.reference, name))}
        self.medians = {name: np.median(values) for name, values in finite.items()}
        self.scales = {
            name: (np.quantile(values, 0.75) - np.quantile(values, 0.25)) / 1.349 for name, values in finite.items()
        }
        self.cells = {name: fitted_map(np.sort(values), values.min(), values.max()) for name, values in finite.items()}
        deviations = self.deviations(self.reference)
        self.cutoff = np.quantile(deviations[np.isfinite(deviations)], 0.999)

    def scaled(self, rows: dict[str, np.ndarray], name: str) -> np.ndarray:
        return (numbers(rows, name) - self.medians[name]) / self.scales[name]

    def deviations(self, rows: dict[str, np.ndarray]) -> np.ndarray:
        return np.nanmax([np.abs(self.scaled(rows, name)) for name in NUMERIC], axis=0)

    def outlier_rate(self, rows: dict[str, np.ndarray]) -> float:
        return float(np.mean(self.deviations(rows) > self.cutoff))

    def rounded(self, rows: dict[str, np.ndarray]) -> list[tuple[object, ...]]:
        columns = []
        for name in NUMERIC:
            values = numbers(rows, name)
            finite = np.isfinite(values)
            columns.append(np.where(finite, self.cells[name].cell_of(np.where(finite, values, 0)), -1).tolist())
        return list(zip(*columns, *(rows[name].tolist() for name in CATEGORICAL), strict=True))

    def near_duplicate_rate(self, rows: dict[str, np.ndarray]) -> float:
        return 1 - len(set(self.rounded(rows))) / len(rows["id"])

    def flip_rate(self, rows: dict[str, np.ndarray]) -> float:
        known = [(row, y) for row, y in zip(self.rounded(rows), rows["y_pred"], strict=True) if y is not None]
        outcomes: dict[object, set[object]] = {}
        for row, y in known:
            outcomes.setdefault(row, set()).add(y)
        return sum(len(outcomes[row]) > 1 for row, _ in known) / len(known)

    def query_similarity(self, rows: dict[str, np.ndarray]) -> float:
        found = []
        codes = {name: np.unique([str(value) for value in rows[name]], return_inverse=True)[1] for name in CATEGORICAL}
        points = {name: np.where(np.isfinite(numbers(rows, name)), self.scaled(rows, name), 0) for name in NUMERIC}
        for client in {one for one in rows["client"] if one is not None}:
            own = np.flatnonzero(rows["client"] == client)
            own = own[np.argsort(rows["ts"][own], kind="stable")]
            predictions = [-1 if y is None else y for y in rows["y_pred"][own]]
            one = Queries(
                points=np.stack([points[name][own] for name in NUMERIC], axis=1),
                categories=np.stack([codes[name][own] for name in CATEGORICAL], axis=1),
                predictions=np.array(predictions),
            )
            distances = brute(one)
            if len(own) > 30 and len(distances) >= 30:
                found.append(stats.shapiro(distances).statistic)
        return min(found)


def boundary_rate(rows: dict[str, np.ndarray]) -> float:
    scores = rows["score"][np.isfinite(rows["score"].astype(float))].astype(float)
    return float(np.mean((scores >= 0.48) & (scores <= 0.52)))


def concentration(rows: dict[str, np.ndarray]) -> float:
    named = Counter(client for client in rows["client"] if client is not None)
    return max(named.values()) / named.total()


@pytest.mark.parametrize(
    ("chunks", "rows_at_once"), [(DAILY, 1_000_000), (DAILY, 150), ("[models.chunks]\nsize = 100\n", 150)]
)
def test_they_are_those_of_the_rows_step_by_step_and_however_files_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: str, rows_at_once: int
) -> None:
    """Also where a piece of the scan takes a file or two."""
    monkeypatch.setattr("mlops_desk.monitoring.counting.ROWS_AT_ONCE", rows_at_once)
    found = in_steps(tmp_path / "desk", ASKED, columns=TARGET, chunks=chunks)
    oracle = Oracle()
    for day in range(DAYS if chunks == DAILY else 0):
        rows = rows_of(day)
        women = {name: values[rows["sex"] == "f"] for name, values in rows.items()}
        for own, segment in ((rows, None), (women, "sex=f")):
            for metric, value in (
                ("outlier_rate", oracle.outlier_rate(own)),
                ("near_duplicate_rate", oracle.near_duplicate_rate(own)),
                ("flip_rate", oracle.flip_rate(own)),
                ("boundary_rate", boundary_rate(own)),
                ("requester_concentration", concentration(own)),
            ):
                row = value_of(found, metric, day, segment=segment)
                assert row["value"] == pytest.approx(value, abs=1e-12), (metric, day, segment)
                assert row["family"] == "adversarial"
        row = value_of(found, "query_similarity", day)
        assert row["value"] == pytest.approx(oracle.query_similarity(rows), rel=1e-9), day


def test_whole_chunks_equal_to_the_reference_have_about_its_rates(tmp_path: Path) -> None:
    found = in_steps(tmp_path / "desk", ASKED, columns=TARGET)
    for day in (4, 5):
        assert value_of(found, "outlier_rate", day)["value"] <= 0.03
        assert value_of(found, "outlier_rate", day)["verdict"] == "ok"
        assert value_of(found, "requester_concentration", day)["verdict"] in ("ok", "warning")


def attacked(day: int) -> dict[str, np.ndarray]:
    """A day on which one client probes around one row, and sends rows far off."""
    rows = rows_of(day)
    rows["client"][:100] = "eve"
    for name in ("kind", "region", "sex", "version"):
        rows[name][:80] = rows[name][0]
    rows["age"][:80] = 40
    rows["x"][:80] = 0.5 + np.arange(80) * 1e-9
    rows["y_pred"][:80] = np.arange(80) % 2
    rows["x"][80:110] = 40.0
    rows["score"][:] = 0.501
    return rows


def test_an_attack_stands_out(tmp_path: Path) -> None:
    period = "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-02\n"
    make_desk(tmp_path, ASKED, columns=TARGET, period=period)
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", attacked(day) if day == 5 else rows_of(day))
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    for metric in ("outlier_rate", "boundary_rate", "near_duplicate_rate", "flip_rate", "requester_concentration"):
        row = value_of(found, metric, 5)
        assert row["verdict"] == "alert", row
        assert row["value"] > row["upper"]
    assert value_of(found, "query_similarity", 5)["value"] < value_of(found, "query_similarity", 4)["value"]


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        (
            '[models.columns]\ntimestamp = "ts"\nignore = ' + str([*(set(rows_of(0)) - {"ts"})]).replace("'", '"') + "\n",
            {
                "outlier_rate": "no numeric feature",
                "near_duplicate_rate": "no feature has values",
                "flip_rate": "no feature has values",
                "boundary_rate": "the reference has no score",
                "requester_concentration": "columns.requester names no column",
                "query_similarity": "no feature has values",
            },
        ),
        (
            '[models.columns]\ntimestamp = "ts"\nprediction = "repaid"\nscore = "score"\n',
            {
                "boundary_rate": "predictions follow no one threshold",
                "query_similarity": "columns.requester names no column",
            },
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(tmp_path: Path, columns: str, reasons: dict[str, str]) -> None:
    make_desk(tmp_path, ASKED.replace(', "sex"', ""), columns=columns)
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", rows_of(day))
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    for metric, reason in reasons.items():
        row = value_of(found, metric, 5)
        assert row["value"] is None
        assert reason in row["reason"]
        assert row["verdict"] == "untested"


def test_requesters_that_are_all_null_are_untested(tmp_path: Path) -> None:
    make_desk(tmp_path, ASKED.replace(', "sex"', ""), columns=TARGET)
    for day in range(DAYS):
        rows = rows_of(day)
        if day == 5:
            rows["client"][:] = None
            rows["x"][:] = None
            rows["age"][:] = None
            rows["score"][:] = np.nan
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", rows)
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    assert value_of(found, "requester_concentration", 5)["reason"] == "no row names a requester"
    assert value_of(found, "query_similarity", 5)["reason"] == "no requester has 30 queries at different distances"
    assert value_of(found, "outlier_rate", 5)["reason"] == "no rows"
    assert value_of(found, "boundary_rate", 5)["reason"] == "no rows"
    assert value_of(found, "near_duplicate_rate", 5)["value"] < 1
    assert len(rows_of(5)["id"]) == ROWS
