"""Realised accuracy on the real cases, against what scikit-learn and NannyML computed on the same files."""

import csv
import json
import math

import numpy as np
import pytest

from mlops_desk.metrics.performance import binary_performance
from mlops_desk.metrics.regression import regression_performance
from tests.metrics.accuracy_tables import columns, confusion_counts, error_table, score_table

MATRIX = ((0.0, -1.0), (-2.0, 3.0))
SKLEARN = {
    "tp": "true_positive",
    "fp": "false_positive",
    "tn": "true_negative",
    "fn": "false_negative",
    "median_ae": "median_absolute_error",
    "me": "mean_error",
}


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agree(values, expected, *, rel, skipped=()):
    """How many of the expected numbers are there, all of them within `rel`."""
    compared = 0
    for name, text in expected.items():
        metric = SKLEARN.get(name, name)
        if metric in values and metric not in skipped and text not in ("", None):
            assert values[metric].value == pytest.approx(float(text), rel=rel, abs=1e-12), (metric, values[metric])
            compared += 1
    return compared


def labelled(folder, key, target, *names):
    """Columns of the reference and, with their late labels, of the analysis."""
    reference = columns(folder / "reference.parquet", target, *names)
    analysis = columns(folder / "analysis.parquet", key, *names)
    late = columns(folder / "targets.parquet", key, target)
    label_of = dict(zip(late[key].tolist(), late[target].tolist(), strict=True))
    analysis[target] = np.array([label_of.get(one, math.nan) for one in analysis[key].tolist()], dtype=float)
    return reference, analysis


def parts(path, reference, analysis, timestamp=None):
    """Each row of an expected file with the rows of the case that it is about."""
    for row in read(path):
        part = row["part"]
        rows = reference if part == "reference" else analysis
        if part.startswith("["):
            first, last = part[1:-1].split(":")
            rows = {name: column[int(first) : int(last) + 1] for name, column in rows.items()}
        elif part not in ("reference", "whole"):
            months = rows[timestamp].astype("datetime64[M]").astype(str)
            quarter = {f"{part[:4]}-{month:02d}" for month in range(int(part[5]) * 3 - 2, int(part[5]) * 3 + 1)}
            held = np.isin(months, list(quarter) if "Q" in part else [part])
            rows = {name: column[held] for name, column in rows.items()}
        yield row, rows


def binary(rows, score, prediction, target):
    labels = rows[target].astype(float)
    scores = score_table(rows[score].astype(float), rows[prediction], labels) if score else None
    return binary_performance(confusion_counts(rows[prediction], labels), scores, value_matrix=MATRIX)


@pytest.mark.parametrize(
    ("case", "score", "prediction", "target", "numbers"),
    [
        ("carloan_binary", "y_pred_proba", "y_pred", "repaid", 14),
        ("nycflights_delay", "late_proba", "late_pred", "late", 15),
    ],
)
def test_whole_sets_equal_scikit_learn(shared, case, score, prediction, target, numbers):
    folder = shared / "data" / case
    reference, analysis = labelled(folder, "id", target, score, prediction, "timestamp")
    skipped = ("log_loss",) if case == "carloan_binary" else ()  # scores of 0 and 1: the clipping constant decides
    for row, rows in parts(folder / "expected" / "sklearn_binary.csv", reference, analysis, "timestamp"):
        values = binary(rows, score, prediction, target)
        assert agree(values, row, rel=1e-9, skipped=skipped) >= numbers


@pytest.mark.parametrize(
    ("file", "prediction", "numbers"),
    [("sklearn_binary.csv", "pred_med_high", 80), ("sklearn_binary_alt.csv", "pred_high", 72)],
)
def test_compas_equals_scikit_learn(shared, file, prediction, numbers):
    folder = shared / "data" / "compas_fairness"
    names = "decile_score", prediction, "two_year_recid", "timestamp"
    reference, analysis = (columns(folder / f"{part}.parquet", *names) for part in ("reference", "analysis"))
    seen = 0
    for row, rows in parts(folder / "expected" / file, reference, analysis, "timestamp"):
        values = binary(rows, "decile_score", prediction, "two_year_recid")
        seen += agree(values, row, rel=1e-9)
        assert values["log_loss"].value is None
    assert seen == numbers


def chunks_of(path, reference, analysis):
    for row in read(path):
        rows = reference if row["chunk_period"] == "reference" else analysis
        part = slice(int(row["chunk_start_index"]), int(row["chunk_end_index"]) + 1)
        values = {name.removesuffix("_value"): text for name, text in row.items() if name.endswith("_value")}
        yield {name: column[part] for name, column in rows.items()}, values


def test_car_loan_chunks_equal_nannyml(shared):
    folder = shared / "data" / "carloan_binary"
    reference, analysis = labelled(folder, "id", "repaid", "y_pred_proba", "y_pred")
    seen = 0
    for rows, expected in chunks_of(folder / "expected" / "nannyml_performance.csv", reference, analysis):
        seen += agree(binary(rows, "y_pred_proba", "y_pred", "repaid"), expected, rel=1e-6)
    assert seen == 20 * 12


def test_golden_chunks_equal_nannyml(shared):
    folder = shared / "data" / "golden_small"
    golden = json.loads((folder / "golden_nannyml.json").read_text(encoding="utf-8"))["realized"]
    rows = columns(folder / "analysis.parquet", "proba", "pred", "y")
    n = len(rows["y"])
    for chunk in range(4):
        part = {name: column[chunk * n // 4 : (chunk + 1) * n // 4] for name, column in rows.items()}
        expected = {
            key.removesuffix("|value"): values[chunk] for key, values in golden.items() if key.endswith("|value")
        }
        assert agree(binary(part, "proba", "pred", "y"), expected, rel=1e-6) >= 3


@pytest.mark.parametrize(
    ("case", "prediction", "target"),
    [("carvalue_regression", "y_pred", "y_true"), ("nycflights_delay", "arr_delay_pred", "arr_delay")],
)
def test_regressions_equal_scikit_learn(shared, case, prediction, target):
    folder = shared / "data" / case
    reference, analysis = labelled(folder, "id", target, prediction, "timestamp")
    for row, rows in parts(folder / "expected" / "sklearn_regression.csv", reference, analysis, "timestamp"):
        targets = rows[target].astype(float)
        values = regression_performance(
            error_table(rows[prediction], targets, centre=round(float(np.nanmean(targets))))
        )
        assert agree(values, row, rel=1e-9) >= 8


def test_car_value_chunks_equal_nannyml(shared):
    folder = shared / "data" / "carvalue_regression"
    reference, analysis = labelled(folder, "id", "y_true", "y_pred")
    seen = 0
    for rows, expected in chunks_of(folder / "expected" / "nannyml_performance.csv", reference, analysis):
        seen += agree(
            regression_performance(error_table(rows["y_pred"], rows["y_true"].astype(float))), expected, rel=1e-6
        )
    assert seen == 20 * 6
