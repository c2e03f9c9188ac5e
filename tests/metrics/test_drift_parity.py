"""Every drift number that NannyML, Evidently and SciPy computed on the real cases, from tables made of the same files."""

import importlib.util
import json
import math
import sys
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlops_desk.domain.metric import Convention
from mlops_desk.metrics.univariate import CATEGORICAL_METRICS, NUMERIC_METRICS, categorical_drift, numeric_drift
from tests.metrics.drift_tables import category_table, exact_table

CASES = (
    "carloan_binary",
    "carvalue_regression",
    "carloan_dq",
    "compas_fairness",
    "nycflights_delay",
    "titanic_dq",
)
OURS = NUMERIC_METRICS.keys() | CATEGORICAL_METRICS.keys()


@cache
def load_judge(path: Path):
    spec = importlib.util.spec_from_file_location("parity_judge", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def is_numeric(case, column: str) -> bool:
    roles = case.roles
    if column in roles["continuous"]:
        return True
    if column in roles["categorical"]:
        return False
    score = str(roles.get("score")).split()[0]
    return column == score or (column == roles["prediction"] and roles["problem"].startswith("regression"))


def chunk_rows(case, chunking: str, split: str) -> list[np.ndarray]:
    """Row numbers of each chunk of a split."""
    path = case.folder / f"{split}.parquet"
    rows = np.arange(pq.read_metadata(path).num_rows)
    if chunking == "whole":
        return [rows]
    if chunking == "size":
        return np.split(rows, range(case.roles["chunk"]["size"], len(rows), case.roles["chunk"]["size"]))
    if chunking == "n10":
        return np.split(rows, [len(rows) // 10 * part for part in range(1, 10)])
    times = pq.read_table(path, columns=[case.timestamp])[case.timestamp].to_numpy()
    months = times.astype("datetime64[M]").astype(np.int64)
    keys = months if chunking == "month" else months // 3
    return [rows[keys == key] for key in np.unique(keys)]


@lru_cache(maxsize=30)
def tables_of(case, column: str, split: str, chunking: str):
    numeric = is_numeric(case, column)
    values = pq.read_table(case.folder / f"{split}.parquet", columns=[column])[column]
    values = values.to_numpy(zero_copy_only=False) if numeric else np.array(values.to_pylist(), dtype=object)
    table = exact_table if numeric else category_table
    return [table(values[rows]) for rows in chunk_rows(case, chunking, split)]


@lru_cache(maxsize=30)
def measurements(case, column: str, split: str, chunking: str, metric: str, convention: str | None):
    [reference] = tables_of(case, column, "reference", "whole")
    measure = numeric_drift if is_numeric(case, column) else categorical_drift
    return measure(metric, Convention(convention or "desk"), reference, tables_of(case, column, split, chunking))


@pytest.mark.parametrize("case_id", CASES)
def test_every_number_of_the_other_tools(shared: Path, case_id: str) -> None:
    judge = load_judge(shared / "checks" / "parity.py")
    folder = shared / "data" / case_id
    case = judge.Case(folder)
    numbers = [
        number
        for number in judge.expected_numbers(case, folder / "expected")
        if number.metric.id in OURS and number.metric.family in judge.DRIFT_FAMILIES
    ]
    wrong, judged = [], 0
    for number in sorted(numbers, key=lambda one: (str(one.column), str(one.place), str(one.metric))):
        if number.field in ("upper", "lower") or (number.field == "verdict" and number.metric.id != "chi_squared_p"):
            continue  # limits are the control room's
        place, metric = number.place, number.metric
        found = measurements(case, number.column, place.split, place.chunking, metric.id, metric.convention)[
            place.chunk
        ]
        judged += 1
        if found.value is None:
            wrong.append((number, found.reason))
            continue
        value = float(found.value < 0.05) if number.field == "verdict" else found.value
        relative, absolute = number.tolerance
        if abs(value - number.expected) > max(absolute, relative * abs(number.expected)):
            wrong.append((number.source, metric.id, metric.convention, place, number.column, number.expected, value))
    assert not wrong, f"{len(wrong)} of {judged}: {wrong[:10]}"
    if case_id != "titanic_dq":
        assert judged > 100


EVIDENTLY_METRICS = {
    "psi": "psi",
    "jensenshannon": "jensen_shannon",
    "kl_div": "kl_divergence",
    "hellinger": "hellinger",
    "wasserstein": "wasserstein",
    "ks": "kolmogorov_smirnov_p",
    "cramer_von_mises": "cramer_von_mises_p",
    "anderson": "anderson_darling_p",
    "ed": "energy",
    "es": "epps_singleton_p",
    "chisquare": "chi_squared_p",
}
NUMERIC_COLUMNS = ("age", "income", "x3", "proba", "price_pred")


def golden_column(shared: Path, split: str, column: str, numeric: bool):
    values = pq.read_table(shared / "data" / "golden_small" / f"{split}.parquet", columns=[column])[column]
    return values.to_numpy(zero_copy_only=False) if numeric else np.array(values.to_pylist(), dtype=object)


def test_golden_numbers_of_evidently(shared: Path) -> None:
    golden = json.loads((shared / "data" / "golden_small" / "golden_evidently.json").read_text())
    wrong = []
    for column, numbers in golden.items():
        if not isinstance(numbers, dict):
            continue
        numeric = column in NUMERIC_COLUMNS
        table = exact_table if numeric else category_table
        reference, chunk = (table(golden_column(shared, split, column, numeric)) for split in ("reference", "analysis"))
        for name, expected in numbers.items():
            if name in ("mannw", "t_test"):
                continue
            measure = numeric_drift if numeric else categorical_drift
            [found] = measure(EVIDENTLY_METRICS[name], Convention.EVIDENTLY, reference, [chunk])
            if found.value is None or not math.isclose(found.value, expected, rel_tol=1e-6, abs_tol=1e-300):
                wrong.append((column, name, expected, found))
    assert not wrong, wrong


def test_golden_numbers_of_nannyml(shared: Path) -> None:
    golden = json.loads((shared / "data" / "golden_small" / "golden_nannyml.json").read_text())["univariate"]
    wrong, judged = [], 0
    for name, expected in golden.items():
        column, method, field = name.split("|")
        if field not in ("value", "upper_threshold"):
            continue
        numeric = column in NUMERIC_COLUMNS
        table = exact_table if numeric else category_table
        metric = {"chi2": "chi_squared"}.get(method, method)
        raw = {split: golden_column(shared, split, column, numeric) for split in ("reference", "analysis")}
        reference = table(raw["reference"])
        size = 1000
        measure = numeric_drift if numeric else categorical_drift
        split = "analysis" if field == "value" else "reference"
        rows = raw[split]
        chunks = [table(rows[start : start + size]) for start in range(0, len(rows), size)]
        values = np.array([one.value for one in measure(metric, Convention.NANNYML, reference, chunks)])
        if field == "upper_threshold":
            if expected[0] is None:
                continue
            values = np.full(
                len(expected), min(values.mean() + 3 * values.std(), 1.0 if metric != "wasserstein" else np.inf)
            )
        judged += 1
        if not np.allclose(values, expected, rtol=1e-6, atol=1e-12):
            wrong.append((name, expected, values))
    assert judged > 10
    assert not wrong, wrong
