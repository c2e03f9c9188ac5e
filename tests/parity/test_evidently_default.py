"""The metric name `default` under convention evidently: the tests, values, limits and verdicts of Evidently's own preset, on real files."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.aggregates.logs import written
from tests.monitoring.desks import kept, run, write_desk

CASES = ("carloan_binary", "carloan_dq", "carvalue_regression", "compas_fairness")
OURS = {
    "Wasserstein distance (normed)": "wasserstein",
    "Jensen-Shannon distance": "jensen_shannon",
    "K-S p_value": "kolmogorov_smirnov_p",
    "chi-square p_value": "chi_squared_p",
    "Z-test p_value": "z_test_p",
}
DEFAULT = '[[models.monitors]]\nconvention = "evidently"\nmetrics = ["default"]\n'


def expected(path: Path) -> tuple[dict[str, tuple[str, float, float]], float]:
    """(metric, value, threshold) of each column, and the share of drifted columns."""
    columns, share = {}, None
    for one in json.loads(path.read_text())["metrics"]:
        if one["metric"].startswith("DriftedColumnsCount"):
            share = one["value"]["share"]
            continue
        config = one["config"]
        columns[config["column"]] = (OURS[config["method"]], one["value"], config["threshold"])
    return columns, share


@pytest.mark.parametrize("size", ["small", "whole"])
@pytest.mark.parametrize("case", CASES)
def test_every_column_has_the_test_the_value_and_the_verdict_of_evidently(shared, tmp_path, case, size):
    source = shared / "data" / case
    roles = json.loads((source / "roles.json").read_text())
    path = source / "expected" / f"evidently_datadrift_{size}.json"
    told = json.loads(path.read_text())
    columns, share = expected(path)
    for split, rows in (("reference", told["rows_reference"]), ("analysis", told["rows_current"])):
        table = pq.read_table(source / f"{split}.parquet", columns=list(columns)).slice(0, rows)
        assert table.num_rows == rows
        written(tmp_path / split / "rows.parquet", table)
    kinds = {kind: [one for one in roles[role] if one in columns] for kind, role in (("numeric", "continuous"), ("categorical", "categorical"))}  # fmt: skip
    write_desk(
        tmp_path,
        '[models.logs]\npath = "analysis"\n[models.reference]\npath = "reference"\n[models.chunks]\nnumber = 1\n',
        "[models.columns]\n" + "".join(f"{kind} = {json.dumps(names)}\n" for kind, names in kinds.items()),
        DEFAULT,
        task="",
    )
    run(tmp_path)
    rows = [row for row in kept(tmp_path).values.values() if row["split"] == "analysis"]
    drift = {row["column"]: row for row in rows if row["metric"] != "drifted_share"}
    assert {row["convention"] for row in rows} == {"evidently"}
    assert len(drift) == len(rows) - 1, "one test a column"
    assert {name: row["metric"] for name, row in drift.items()} == {name: one[0] for name, one in columns.items()}
    for name, (metric, value, threshold) in columns.items():
        row = drift[name]
        assert row["value"] == pytest.approx(value, rel=1e-6, abs=1e-12), (name, metric)
        assert row["lower" if metric.endswith("_p") else "upper"] == threshold
        assert (row["warn_lower"], row["warn_upper"]) == (None, None)
        drifted = value < threshold if metric.endswith("_p") else value >= threshold
        assert row["verdict"] == ("alert" if drifted else "ok")
    (found,) = [row for row in rows if row["metric"] == "drifted_share"]
    assert (found["value"], found["upper"], found["warn_upper"]) == (pytest.approx(share, abs=1e-12), 0.5, None)
    assert re.fullmatch("ok" if share < 0.5 else "alert", found["verdict"])
