"""A million rows judged from cells and judged exactly: every difference lies within its stated bound, and bounds follow the data."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.workspace import Workspace

ROWS, DAYS, REFERENCE_DAYS = 1_000_000, 8, 4
METRICS = (
    "kolmogorov_smirnov", "cramer_von_mises", "wasserstein", "energy", "median", "median_shift", "mann_whitney",
    "mean", "std", "sum", "min", "max", "mean_shift", "std_ratio",
)  # fmt: skip
OF_MODEL = ("roc_auc", "average_precision", "log_loss", "brier", "accuracy", "lift_at_10")
DESK = """\
version = 1
[[models]]
id = "m"
name = "M"
task = "binary"
logs = {{ path = "log.parquet" }}
reference = {{ from = 2026-01-01T00:00:00, to = 2026-01-05T00:00:00 }}
columns = {{ timestamp = "ts", prediction = "pred", score = "score", target = "truth", numeric = ["spikes", "pair"] }}
chunks = {{ every = "1d" }}
[[models.monitors]]
metrics = {metrics}
{exact}
[[models.monitors]]
metrics = {of_model}
family = "performance"
{exact}
[[models.monitors]]
family = "calibration"
{exact}
"""


def log(rng: np.random.Generator) -> pa.Table:
    """Columns whose mass sits where cells are worst; from the fifth day on each of them moves a little."""
    day = np.arange(ROWS) * DAYS // ROWS
    later = day >= REFERENCE_DAYS
    start = np.datetime64("2026-01-01T00:00:00", "us")
    score = rng.beta(2, 2 + 0.3 * later)
    cell = np.where(rng.random(ROWS) < 1e-4, rng.normal(0, 1000, ROWS), 0.5 + 1e-4 * rng.random(ROWS) ** (1 + later))
    edges = np.array([-1.0, 0.0, 0.25, 0.25 - 1e-12, 0.5, 1.0])
    return pa.table(
        {
            "ts": start + (np.arange(ROWS) * (DAYS * 86_400_000_000 // ROWS)).astype("timedelta64[us]"),
            "smooth": rng.normal(0.05 * later, 1),
            "one_cell": cell,
            "spikes": edges[rng.choice(6, ROWS, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1])] + 0.25 * (later & (rng.random(ROWS) < 0.1)),
            "pareto": rng.pareto(1.1 - 0.05 * later),
            "pair": 0.1 + 1e-9 * (rng.random(ROWS) < 0.5 + 0.1 * later),
            "whole": rng.poisson(40 + later),
            "score": score,
            "pred": (score > 0.5).astype(np.int8),
            "truth": (rng.random(ROWS) < score).astype(np.int8),
        }
    )  # fmt: skip


def values_of(folder: Path, *, exact: bool) -> dict[tuple[object, ...], dict[str, object]]:
    text = DESK.format(
        metrics=list(METRICS), of_model=list(OF_MODEL), exact="exact = true" if exact else "exact_rows = 200000"
    )
    (folder / "desk.toml").write_text(text.replace("'", '"'))
    workspace = Workspace.open(folder)
    assert workspace.evaluate(full=True).models[0].failure is None
    table = workspace.results()
    rows = [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]
    names = ("split", "chunk", "family", "metric", "column")
    return {tuple(row[name] for name in names): row for row in rows}


@pytest.mark.slow
def test_a_million_rows_from_cells_are_within_their_bounds_of_exact(tmp_path: Path) -> None:
    pq.write_table(log(np.random.default_rng(11)), tmp_path / "log.parquet", row_group_size=100_000)
    exact, cells = values_of(tmp_path, exact=True), values_of(tmp_path, exact=False)
    assert exact.keys() == cells.keys()
    bounds: dict[tuple[object, object], set[float]] = {}
    for key, row in cells.items():
        true, found = exact[key]["value"], row["value"]
        if found is None:
            assert true is None or "exact = true" in str(row["reason"]), (key, row["reason"])
            continue
        assert true is not None, (key, exact[key]["reason"])
        slack = 1e-9 * max(abs(true), abs(found), 1e-9)
        assert abs(found - true) <= row["error_bound"] + slack, (key, found, true, row["error_bound"])
        assert exact[key]["error_bound"] == 0
        bounds.setdefault((row["metric"], row["column"]), set()).add(row["error_bound"])
    of_ks = {column: max(some) for (metric, column), some in bounds.items() if metric == "kolmogorov_smirnov"}
    assert of_ks["smooth"] <= 0.02
    assert of_ks["whole"] == 0.0, "cells of one whole number each leave no doubt"
    assert of_ks["one_cell"] > of_ks["smooth"]
    for column in ("smooth", "pareto"):
        assert len(bounds["kolmogorov_smirnov", column]) == DAYS, "a bound of each chunk's own"
