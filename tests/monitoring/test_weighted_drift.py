"""Drift and plain statistics by weight, against SciPy and NumPy with weights, by value and by cell."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.monitoring.weighted_desks import evaluated, monitor, rows_of

HONOURED = (
    "psi", "jensen_shannon", "hellinger", "kl_divergence", "total_variation", "l_infinity", "kolmogorov_smirnov", "wasserstein", "energy",
    "mean", "std", "sum", "median", "min", "max", "mean_shift", "std_ratio", "median_shift",
)  # fmt: skip
OF_ROWS = ("min", "max")


@pytest.fixture(scope="module", params=["by value", "by cell"])
def drift(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any, Mapping[Any, Any], bool]:
    """Reference, log and values of a regression's columns, and whether these are counted by value."""
    reference, log = rows_of("regression", 21, 800), rows_of("regression", 22, 300, drift=0.4)
    log["w"][:3] = 0
    log["x"][:2] = [-50, 50]
    names = ", ".join(f'"{one}"' for one in HONOURED)
    monitors = [
        monitor(family, exact=request.param == "by value", more=f"metrics = [{names}]")
        for family in ("data_drift", "label_drift", "prediction_drift")
    ]
    folder = tmp_path_factory.mktemp("drift")
    values = evaluated(folder, "regression", reference, log, *monitors)
    return reference, log, values, request.param == "by value"


def effective(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def deviation(values: np.ndarray, weights: np.ndarray) -> float:
    """With 1 of the effective rows taken off."""
    n = effective(weights)
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weights) * n / (n - 1)))


def population(values: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sqrt(np.average((values - np.average(values, weights=weights)) ** 2, weights=weights)))


def middle(values: np.ndarray, weights: np.ndarray) -> float:
    """The weighted median by NumPy's inverted distribution function."""
    return float(np.quantile(values[weights > 0], 0.5, weights=weights[weights > 0], method="inverted_cdf"))


@pytest.mark.parametrize(
    ("family", "column"), [("data_drift", "x"), ("label_drift", "true"), ("prediction_drift", "said")]
)
def test_numeric_drift_is_scipys_with_weights(drift: Any, family: str, column: str) -> None:
    reference, log, values, _ = drift
    (x, w), (r, v) = (log[column], log["w"]), (reference[column], reference["w"])
    points = np.unique(np.concatenate([x, r]))
    through = [np.array([one[1][one[0] <= point].sum() for point in points]) / one[1].sum() for one in ((x, w), (r, v))]
    own, theirs = deviation(x, w), deviation(r, v)
    expected = {
        "kolmogorov_smirnov": np.abs(through[0] - through[1]).max(),
        "wasserstein": stats.wasserstein_distance(r, x, v, w) / population(r, v),
        "energy": stats.energy_distance(r, x, v, w) / np.sqrt(population(r, v)),
        "mean": np.average(x, weights=w),
        "std": own,
        "sum": w @ x,
        "median": middle(x, w),
        "min": x.min(),
        "max": x.max(),
        "mean_shift": (np.average(x, weights=w) - np.average(r, weights=v)) / theirs,
        "std_ratio": own / theirs,
        "median_shift": (middle(x, w) - middle(r, v)) / theirs,
    }
    for metric, value in expected.items():
        found = values[family, metric, column, None, None]
        assert found["reason"] is None, (metric, found["reason"])
        assert found["value"] == pytest.approx(value, abs=found["error_bound"] + 1e-9, rel=1e-9), metric
        assert metric in OF_ROWS or found["sampling_error"] > 0, metric


def shares(values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Weights by left-closed bin with open ends, scaled to effective rows."""
    held = np.bincount(np.searchsorted(edges, values, side="right"), weights=weights, minlength=len(edges) + 1)
    return np.asarray(held / held.sum() * effective(weights))


def expected_distances(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Distances of counts of reference and chunk."""
    a, b = p / p.sum(), q / q.sum()
    smooth = [(one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (p, q)]
    return {
        "psi": float(((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum()),
        "kl_divergence": float((smooth[0] * np.log(smooth[0] / smooth[1])).sum()),
        "total_variation": float(np.abs(a - b).sum() / 2),
        "l_infinity": float(np.abs(a - b).max()),
        "jensen_shannon": float(
            np.sqrt((stats.entropy(a, (a + b) / 2) + stats.entropy(b, (a + b) / 2)) / np.log(2) / 2)
        ),
        "hellinger": float(np.sqrt(((np.sqrt(a) - np.sqrt(b)) ** 2).sum() / 2)),
    }


def test_shares_of_categories_are_weighted(drift: Any) -> None:
    reference, log, values, _ = drift
    kinds = np.array(["k", "l", "m"])
    p, q = (
        np.array([one["w"][one["kind"] == kind].sum() for kind in kinds]) / one["w"].sum() * effective(one["w"])
        for one in (reference, log)
    )
    for metric, value in expected_distances(p, q).items():
        found = values["data_drift", metric, "kind", None, None]["value"]
        assert found == pytest.approx(value, rel=1e-9), metric


def test_bins_are_those_of_the_references_rows_and_shares_are_weighted(drift: Any) -> None:
    reference, log, values, exact = drift
    if not exact:
        pytest.skip("edges of cell tables are snapped to cells")
    for parts, metrics in (
        (10, ("psi", "kl_divergence", "total_variation", "l_infinity")),
        (20, ("jensen_shannon", "hellinger")),
    ):
        edges = np.unique(np.quantile(reference["x"], np.arange(1, parts) / parts))
        counts = [shares(one["x"], one["w"], edges) for one in (reference, log)]
        expected = expected_distances(*counts)
        for metric in metrics:
            assert values["data_drift", metric, "x", None, None]["value"] == pytest.approx(
                expected[metric], rel=1e-9
            ), metric


DUPLICATES = {
    "binary": (
        "performance",
        "estimated_performance",
        "calibration",
        "fairness",
        "estimated_fairness",
        "concept_drift",
        "data_drift",
        "label_drift",
        "prediction_drift",
    ),
    "multiclass": ("performance", "estimated_performance", "fairness", "estimated_fairness", "data_drift"),
    "regression": ("performance", "fairness", "data_drift", "label_drift"),
}
NOT_OF_SHARES_ALONE = ("psi", "kl_divergence", "std", "std_ratio")
"""They also depend on how many rows there are: by half a row a bin, and by the row that a standard deviation takes off."""


@pytest.mark.parametrize("task", [*DUPLICATES])
@pytest.mark.parametrize("exact", [True, False])
def test_whole_weights_are_as_many_rows(tmp_path: Path, task: str, exact: bool) -> None:
    reference, log = rows_of(task, 31, 500), rows_of(task, 32, 400, drift=0.2)
    reference["w"] = np.ones(500)
    times = np.random.default_rng(8).integers(0, 4, 400)
    times[[np.argmin(log["x"]), np.argmax(log["x"])]] = 1
    log["w"] = times.astype(np.float64)
    repeated = {name: np.repeat(column, times) for name, column in log.items()}
    repeated["w"] = np.ones(times.sum())
    monitors = [monitor(family, exact=exact) for family in DUPLICATES[task]]
    weighed = evaluated(tmp_path / "weighed", task, reference, log, *monitors)
    rows = evaluated(tmp_path / "rows", task, reference, repeated, *monitors, weighted=False)
    compared = 0
    for key, row in weighed.items():
        if row["value"] is None or key[1] in NOT_OF_SHARES_ALONE or key[1] in OF_ROWS or key[1] == "max_error":
            continue
        bound = 0 if row["error_bound"] == 0 else row["error_bound"] + rows[key]["error_bound"]
        assert row["value"] == pytest.approx(rows[key]["value"], rel=1e-9, abs=1e-11 + bound), key
        compared += 1
    assert compared > 20


def test_calibrated_limits_are_of_effective_rows(tmp_path: Path) -> None:
    """Equal weights are as sure as rows, unequal ones less, and no scale matters."""
    reference, log = rows_of("regression", 51, 800), rows_of("regression", 52, 300)
    reference["w"] = np.full(800, 2.0)
    unequal = np.random.default_rng(1).exponential(1, 300)
    monitors = monitor("data_drift", more='metrics = ["jensen_shannon", "psi", "wasserstein"]')
    limits: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, weights in (
        ("rows", None),
        ("equal", np.full(300, 7.0)),
        ("unequal", unequal),
        ("scaled", 1e6 * unequal),
    ):
        log["w"] = np.ones(300) if weights is None else weights
        found = evaluated(tmp_path / name, "regression", reference, log, monitors, weighted=weights is not None)
        limits[name] = {key: row["upper"] for key, row in found.items()}
        values[name] = {key: row["value"] for key, row in found.items()}
    for key, limit in limits["rows"].items():
        assert limits["equal"][key] == pytest.approx(limit, rel=1e-12)
        assert limits["unequal"][key] > 1.15 * limit
        assert limits["scaled"][key] == pytest.approx(limits["unequal"][key], rel=1e-12)
        assert values["equal"][key] == pytest.approx(values["rows"][key], rel=1e-9)
        assert values["scaled"][key] == pytest.approx(values["unequal"][key], rel=1e-9)
